//! Who builds, and what each build needs. Pure.

mod build;
pub mod catalogue;
mod endpoint;
pub(crate) mod environment;
mod goproxy;
mod image;
mod lists;
mod memory;
mod needs;
pub mod owners;
pub(crate) mod pattern;
pub mod presents;
pub mod ranges;
mod select;
mod sets;
mod shell;
mod signal;
pub mod sources;
mod tables;
#[cfg(test)]
mod testing;
mod url;

use std::net::IpAddr;

use crate::model::object::{Container, PodSpec};
use crate::model::report::Candidate;
use crate::model::{Few, List, Protocol, Selector, Snapshot, Str};

pub use build::similar;
pub use catalogue::Catalogue;
pub use endpoint::{EndpointError, parse_endpoint, parse_endpoint_list};
pub use memory::Memory;
pub use presents::Presented;
pub use ranges::Ranges;
pub use select::{BadSubject, SubjectSelector};
pub use sets::{EndpointSet, SetProblem, parse_endpoint_sets, sets_of};
pub(crate) use shell::Command;
pub use sources::SourceId;

/// Who opens the connections.
#[derive(Clone, Debug, PartialEq)]
pub struct Subject {
    /// `ns`, `Kind`, `name`: the top controller of running pods, else `Pod`, else the template's object.
    pub namespace: Str,
    /// Kind.
    pub kind: Str,
    /// Name.
    pub name: Str,
    /// `ns/Kind/name`; empty where it is put together when it is asked for.
    pub full_name: Str,
    /// Indexes into `Snapshot::pods`: the running pods that it stands for. Empty for a predicted subject.
    pub pods: Few<u32>,
    /// Index into `Snapshot::workloads`: the template that predicts it.
    pub template: Option<u32>,
    /// Build system, such as `Tekton`.
    pub system: Option<&'static str>,
    /// Why it counts as a build, in words: ``label `tekton.dev/taskRun` (100 %)``.
    pub shown: List<String>,
    /// Noisy-or of the signals, 0 to 1.
    pub score: f64,
    /// What it needs; empty where [`Demand::shared`] says it for all.
    pub requirements: List<Requirement>,
    /// What is known about its needs and is no endpoint: `container `build` downloads no module: …`.
    pub notes: List<String>,
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
    /// What is spoken there.
    pub speaks: Speaks,
    /// Names of the containers that need it; empty where the pod as a whole does.
    pub containers: Few<Str>,
}

/// Whether a client speaks TLS to an endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Speaks {
    /// It does, and verifies the server.
    Tls,
    /// Something else: HTTP, SSH, a bare protocol.
    Plain,
    /// Nobody says so, and the port does not tell.
    Unsaid,
}

impl Speaks {
    /// By the scheme of a URL; an image reference has none and means HTTPS.
    pub(crate) fn of_scheme(scheme: &str) -> Self {
        match scheme {
            "https" | "docker" | "oci" => Self::Tls,
            "http" | "ssh" | "git" | "tcp" => Self::Plain,
            _ => Self::Unsaid,
        }
    }

    /// By the port of an endpoint that was named without a scheme.
    pub(crate) fn of_port(endpoint: &Endpoint) -> Self {
        match (endpoint.protocol, endpoint.port) {
            (Protocol::Tcp, 443 | 8443) => Self::Tls,
            (Protocol::Tcp, 22 | 53 | 80 | 9418) | (Protocol::Udp | Protocol::Sctp, _) => Self::Plain,
            (Protocol::Tcp, _) => Self::Unsaid,
        }
    }
}

impl Requirement {
    /// Whether the endpoint is a public one that the catalogue lists: a host that somebody else named may be private.
    pub fn is_of_catalogue(&self) -> bool {
        const NOT_LISTED: &[&str] = &["reg_private", "vcs_other", "download", "builder", "ci_server", "proxy"];
        self.setting.is_none()
            && self.ecosystem.as_deref().is_some_and(|id| !NOT_LISTED.contains(&id))
            && !self.why.contains("EndpointSet")
    }
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
    /// A published feed by its key, such as `google`. Where [`Ranges`] has no such feed, it is as [`Public`](Self::Public).
    Feed(Str),
    /// Every public address: where nobody says what is needed.
    Internet,
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
    /// With every pod a subject and the endpoints named by the user: what each of them needs, once.
    pub shared: Option<Vec<Requirement>>,
    /// What is wrong with endpoint sets among the objects that were read.
    pub set_problems: Vec<SetProblem>,
    /// What servers present: see [`Demand::presented`].
    pub presents: presents::Presents,
}

impl Demand {
    /// What a subject of this demand needs.
    pub fn requirements<'a>(&'a self, subject: &'a Subject) -> &'a [Requirement] {
        self.shared.as_deref().unwrap_or(&subject.requirements)
    }
}

/// What the user asks for beside what is detected.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DemandOptions {
    /// Namespaces to look for subjects in; empty for all.
    pub namespaces: Vec<Str>,
    /// Pods, and templates by the labels of their pods.
    pub selector: Option<Selector>,
    /// If not empty, these objects are the subjects, whether they look like builds or not.
    pub subjects: Vec<SubjectSelector>,
    /// Sources that are no pods. If there are any, nothing is looked for among the pods.
    pub sources: Vec<SourceId>,
    /// Every pod that has not ended is a subject by itself, and no template is one.
    pub all_pods: bool,
    /// Ecosystems that each subject needs, instead of what was found out; empty for none, so that
    /// only `endpoints` count.
    pub ecosystems: Option<Vec<&'static str>>,
    /// Destinations that every subject needs.
    pub endpoints: Vec<Endpoint>,
    /// Private registries: for the ecosystems that they replace, or for every subject.
    pub endpoint_sets: Vec<EndpointSet>,
    /// What servers present, in the user's words.
    pub presents: Vec<presents::Told>,
}

/// Finds the build subjects of a snapshot and what each of them needs.
pub fn build(snapshot: &Snapshot, catalogue: &Catalogue, options: &DemandOptions) -> Demand {
    build_again(snapshot, catalogue, options, &mut Memory::for_once())
}

/// The same, with what is known of the specifications from before.
pub fn build_again(snapshot: &Snapshot, catalogue: &Catalogue, options: &DemandOptions, memory: &mut Memory) -> Demand {
    let mut demand = build::build(snapshot, catalogue, options, memory);
    let (sets, problems) = sets_of(snapshot, catalogue);
    demand.set_problems = problems;
    // Whose a host is does not depend on what is known of its addresses.
    let public = memory.lists.public_hosts(&demand, catalogue);
    demand.presents = presents::Presents::new(snapshot, options, &sets, public);
    memory.lists.tell_addresses(&mut demand, sets);
    memory.end(&demand);
    demand
}

/// The programs that a container shows: those of its commands, and the last part of its image's name.
pub(crate) fn programs(spec: &PodSpec, container: &Container) -> Vec<String> {
    let scripts = shell::scripts(spec);
    let commands = shell::commands(container, &scripts);
    let of_image = program_of(container.image.as_deref()).map(str::to_owned);
    let module = |command: &Command| match command.words.as_slice() {
        [python, flag, module, ..] if python == "python" && flag == "-m" => module.clone(),
        _ => command.program().to_owned(),
    };
    commands.iter().map(module).chain(of_image).collect()
}

/// The last part of an image's name.
pub(crate) fn program_of(image: Option<&str>) -> Option<&str> {
    image.and_then(image::Image::parse).and_then(|image| image.path.rsplit('/').next())
}

/// The commands of a container that can be read.
pub(crate) fn commands(spec: &PodSpec, container: &Container) -> Vec<Command> {
    shell::commands(container, &shell::scripts(spec))
}

/// Whether a command fetches something.
pub(crate) fn is_fetch(command: &Command) -> bool {
    tables::tables().command(command).is_some() || needs::is_fetch(command)
}

/// Whether what a command runs is hidden in a file, or in another tool's configuration.
pub(crate) fn is_opaque(command: &Command) -> bool {
    needs::is_opaque(command)
}

/// The words of a container's commands, assignments included, in order: what may change how its clients verify.
pub(crate) fn command_words(spec: &PodSpec, container: &Container) -> Vec<String> {
    let scripts = shell::scripts(spec);
    let of = |command: shell::Command| {
        let assignments = command.assignments.into_iter().map(|(name, value)| format!("{name}={value}"));
        assignments.chain(command.words).collect::<Vec<_>>()
    };
    let commands = shell::commands(container, &scripts);
    if commands.is_empty() {
        return container.command.iter().chain(container.args.iter()).map(ToString::to_string).collect();
    }
    commands.into_iter().flat_map(of).collect()
}

/// What detection looks at, in sentences: for the message that it found nothing.
pub fn looked_for() -> Vec<String> {
    signal::looked_for()
}
