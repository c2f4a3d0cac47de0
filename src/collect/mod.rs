//! Reads facts into a [`Snapshot`](crate::model::Snapshot): the only room on the input side that does I/O.
//!
//! ```text
//!  files ──► yaml ──┐
//!                   ├──► json ──► decode ──► builder ──► Snapshot
//!  API pages ───────┘             (raw: borrowed, pruned)
//! ```
//!
//! Everything goes through one decoder, [`json`]: YAML is rewritten as JSON on the same lines first, as
//! kubectl does, and a live cluster's pages are JSON already. So a file and a server that hold the same
//! object give the same facts, and what an API server would reject is not read as something else.

pub mod aws;
pub mod builder;
mod cloud;
mod decode;
mod env;
mod facts;
pub mod files;
mod head;
mod in_order;
pub mod json;
mod kinds;
pub mod kube;
mod kubeadm;
mod kustomize;
mod lines;
mod machine;
mod mounts;
pub mod node;
mod objects;
mod openshift;
pub(crate) mod pause;
mod place;
mod pods;
mod policies;
mod raw;
pub mod redact;
pub mod resolve;
mod scheduling;
mod scratch;
pub mod snapshot_io;
mod talos;
mod terraform;
pub mod tree;
mod trust_maps;
mod trust_objects;
mod trust_settle;
mod user_data;
mod variable_maps;
mod yaml;
