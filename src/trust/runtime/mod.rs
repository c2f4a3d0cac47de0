//! What a node's files say about trust: its stores, and the registries of its container runtimes.
//!
//! Private keys, passwords and tokens stand in some of these files: none of them is kept.

// The programs that are followed here tell the endings of names apart by case.
#![allow(clippy::case_sensitive_file_extension_comparisons)]

mod bottlerocket;
mod buildkit;
mod certs_d;
mod containerd;
mod containers;
mod described;
mod docker;
mod environment;
mod files;
mod hosts;
mod legacy;
mod lines;
mod notes;
mod rancher;
mod reading;
mod store;

#[cfg(test)]
mod tests;

use jiff::Timestamp;

use crate::model::Str;
use crate::model::object::Meta;
use crate::model::trust::NodeTrust;

pub use crate::trust::client::public::{is_public_root, share};
pub use bottlerocket::bottlerocket;
pub use described::described_store;
pub use files::NodeFiles;
use reading::Reading;
pub use store::OUTPUT_FILES;

/// What is known about a node besides its files.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// Its name.
    pub name: Str,
    /// When the files were read.
    pub observed: Timestamp,
    /// `status.nodeInfo.containerRuntimeVersion` of the Node: `containerd://1.7.27`.
    pub container_runtime: Option<Str>,
    /// `config_path` of containerd where the configuration does not set it: what a tool that completes the
    /// configuration puts in.
    pub config_path: Option<Str>,
}

/// CAs that expire within this many days are worth a note.
pub const EXPIRY_DAYS: i64 = 30;

/// Reads the facts out of a node's files.
pub fn facts(files: &NodeFiles, about: &About) -> NodeTrust {
    let mut reading = Reading::new(files, about);
    let os = store::os(files);
    store::read(&mut reading);
    environment::read(&mut reading);
    containerd::read(&mut reading);
    rancher::read(&mut reading);
    containers::read(&mut reading);
    docker::read(&mut reading);
    buildkit::read(&mut reading);
    notes::about_time(&mut reading);
    let meta = Meta { name: about.name.clone(), ..Meta::default() };
    let mut facts = reading.finish();
    facts.meta = meta;
    facts.os = os;
    facts.observed = Some(about.observed);
    facts
}
