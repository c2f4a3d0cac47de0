//! Documents of AWS, as `aws ec2 describe-* --output json` prints them, and the facts that they hold.
//!
//! A document is told by the keys at its top, whatever its file is called; account and region are told by the
//! folders that it lies in. All documents of one account and region are one
//! [`AwsScope`](crate::model::aws::AwsScope).

mod add;
mod addresses;
mod items;
pub(crate) mod kept;
mod keys;
#[cfg(feature = "aws")]
pub mod live;
mod load;
mod meta;
pub mod policy;
mod read;
mod save;
mod scope;

use std::path::PathBuf;

pub(crate) use add::add;
pub(crate) use addresses::Addresses;
pub(crate) use items::Item;
pub(crate) use load::scopes;
pub(crate) use meta::{META_FILE, META_GVK, Meta};
pub(crate) use read::{Document, Origins, broken, read, read_meta};
pub(crate) use save::{FOLDER, files, folder_of};
pub(crate) use scope::{Merged, coverage, merge, place, settle};

/// What to read through the API, and as whom.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Regions; empty: those of the cluster's nodes.
    pub regions: Vec<String>,
    /// VPCs; empty: those of the cluster's nodes, and all of a region that was named and has no node.
    pub vpcs: Vec<String>,
    /// Profile of the shared configuration; else the one of the environment.
    pub profile: Option<String>,
    /// PEM file with certificates that are trusted besides those of the system.
    pub ca_bundle: Option<PathBuf>,
}
