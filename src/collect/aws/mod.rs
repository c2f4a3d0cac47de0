//! Documents of AWS, as `aws ec2 describe-* --output json` prints them, and the facts that they hold.
//!
//! A document is told by the keys at its top, whatever its file is called; account and region are told by the
//! folders that it lies in. All documents of one account and region are one
//! [`AwsScope`](crate::model::aws::AwsScope).

mod items;
mod keys;
#[cfg(feature = "aws")]
pub mod live;
mod load;
mod meta;
pub mod policy;
mod read;
mod save;
mod scope;

pub(crate) use items::Item;
pub(crate) use load::scopes;
pub(crate) use meta::{META_FILE, META_GVK, Meta};
pub(crate) use read::{Document, Origins, broken, read, read_meta};
pub(crate) use save::{FOLDER, files, folder_of};
pub(crate) use scope::{Merged, coverage, merge, place, settle};
