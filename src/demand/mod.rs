//! Who builds, and what each build needs. Pure.

pub mod catalogue;
mod image;
mod pattern;
pub mod ranges;
mod shell;

use std::net::IpAddr;

use crate::model::report::Candidate;
use crate::model::{Protocol, Str};

/// Who opens the connections.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// `ns`, `Kind`, `name`: the top controller of running pods, else `Pod`, else the template's object.
    pub namespace: Str,
    /// Kind.
    pub kind: Str,
    /// Name.
    pub name: Str,
    /// Indexes into `Snapshot::pods`: the running pods that it stands for. Empty for a predicted subject.
    pub pods: Vec<u32>,
    /// Index into `Snapshot::workloads`: the template that predicts it.
    pub template: Option<u32>,
    /// Build system, such as `Tekton`.
    pub system: Option<&'static str>,
    /// Why it counts as a build.
    pub signals: Vec<Signal>,
    /// Noisy-or of the signals, 0 to 1.
    pub score: f64,
    /// What it needs.
    pub requirements: Vec<Requirement>,
}

/// One reason to believe that a pod builds.
#[derive(Clone, Debug, PartialEq)]
pub struct Signal {
    /// What was seen: ``label `tekton.dev/taskRun` ``.
    pub what: String,
    /// 0 to 1.
    pub weight: f64,
}

/// Something that a subject must reach, and why.
#[derive(Clone, Debug, PartialEq)]
pub struct Requirement {
    /// What.
    pub endpoint: Endpoint,
    /// Ecosystem id of the catalogue, such as `go`; `None` for endpoints of the command line.
    pub ecosystem: Option<Str>,
    /// Whether the subject fails without it.
    pub required: bool,
    /// Why, and when: the catalogue's words, or the setting that names it.
    pub why: Str,
    /// Requirements of one subject with one number are alternatives: any of them serves.
    pub alternative: Option<u32>,
    /// What in the pod's own configuration led to this requirement: `GOPROXY=https://…`, with its place.
    pub setting: Option<Setting>,
    /// A setting that redirects this requirement but is not interpreted, or cannot be read: the outcome is unknown.
    pub doubt: Option<String>,
}

/// A setting of the pod with where it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// `NAME=value`, credentials removed.
    pub text: String,
    /// Source index of the snapshot.
    pub source: u32,
    /// Line, 0 if unknown.
    pub line: u32,
}

/// A destination.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Name, or the address in text form.
    pub host: Str,
    /// Port at the destination.
    pub port: u16,
    /// Transport protocol.
    pub protocol: Protocol,
    /// What is known about its addresses.
    pub addresses: Addresses,
}

/// What is known about the addresses of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Addresses {
    /// The endpoint is this bare address: no name, so no lookup and no TLS name.
    Bare(IpAddr),
    /// All of them, told by the user.
    Listed(Vec<IpAddr>),
    /// A published feed by its key, such as `google`.
    Feed(Str),
    /// Nothing published: the public internet stands for it. A name of the cluster (`*.svc`) is resolved by the index.
    Public,
}

/// What the detection found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Demand {
    /// Subjects with their requirements, in order of namespace, kind and name.
    pub subjects: Vec<Subject>,
    /// What came near without reaching the threshold, best first, at most 5. Filled when there is no subject.
    pub nearest: Vec<Candidate>,
    /// Requirements of every subject that has none of its own: what the command line asks of all alike.
    pub shared: Vec<Requirement>,
}

impl Demand {
    /// What a subject needs.
    pub fn requirements<'a>(&'a self, subject: &'a Subject) -> &'a [Requirement] {
        if subject.requirements.is_empty() { &self.shared } else { &subject.requirements }
    }
}
