//! Subjects that are no pods: nodes, which pull images, and what only the cloud knows.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use super::needs::{self, Reader};
use super::pattern::glob;
use super::{Addresses, DemandOptions, Endpoint, Requirement, Speaks, Subject, SubjectSelector};
use crate::model::aws::AwsScope;
use crate::model::{Few, List, Protocol, Snapshot, Str};

/// A source that is named by an id of the cloud, or a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SourceId {
    /// `node/name`.
    Node(String),
    /// `i-…`: its first interface.
    Instance(String),
    /// `eni-…`.
    Interface(String),
    /// `sg-…`: every interface that carries it, or the group alone where none was read.
    SecurityGroup(String),
    /// An id without a prefix that tells its kind, as anonymised documents have them.
    Id(String),
}

/// A text that is no source.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no source: sg-…, eni-…, i-… or node/NAME")]
pub struct BadSource(String);

impl FromStr for SourceId {
    type Err = BadSource;

    fn from_str(text: &str) -> Result<Self, BadSource> {
        let is_id = |rest: &str| !rest.is_empty() && !rest.contains(char::is_whitespace);
        let of = |prefix: &str, make: fn(String) -> Self| {
            text.strip_prefix(prefix).filter(|rest| is_id(rest)).map(|_| make(text.to_owned()))
        };
        of("sg-", Self::SecurityGroup)
            .or_else(|| of("eni-", Self::Interface))
            .or_else(|| of("i-", Self::Instance))
            .or_else(|| text.strip_prefix("node/").filter(|n| is_id(n)).map(|n| Self::Node(n.to_owned())))
            .or_else(|| (text.contains(':') && is_id(text)).then(|| Self::Id(text.to_owned())))
            .ok_or_else(|| BadSource(text.to_owned()))
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(name) => write!(f, "node/{name}"),
            Self::Instance(id) | Self::Interface(id) | Self::SecurityGroup(id) | Self::Id(id) => f.write_str(id),
        }
    }
}

/// The kinds of subjects that are no pods.
pub const NODE: &str = "Node";
/// An EC2 instance.
pub const INSTANCE: &str = "Instance";
/// A network interface of a VPC.
pub const INTERFACE: &str = "NetworkInterface";
/// A security group.
pub const SECURITY_GROUP: &str = "SecurityGroup";

/// The subjects that the options name and that are no pods.
pub(super) fn subjects(snapshot: &Snapshot, options: &DemandOptions, reader: &Reader<'_>) -> Vec<Subject> {
    let mut named: Vec<(&'static str, Str)> = Vec::new();
    for source in &options.sources {
        named.push(match source {
            SourceId::Node(name) => (NODE, name.as_str().into()),
            SourceId::Instance(id) => (INSTANCE, id.as_str().into()),
            SourceId::Interface(id) => (INTERFACE, id.as_str().into()),
            SourceId::SecurityGroup(id) => (SECURITY_GROUP, id.as_str().into()),
            SourceId::Id(id) => (kind_of(snapshot, id), id.as_str().into()),
        });
    }
    for selector in &options.subjects {
        let SubjectSelector::Node(pattern) = selector else { continue };
        let nodes = snapshot.nodes.iter().filter(|node| glob(pattern, &node.meta.name));
        named.extend(nodes.map(|node| (NODE, node.meta.name.clone())));
    }
    let subject = |(kind, name): (&'static str, Str)| {
        let mut requirements = reader.asked();
        let mut notes: Vec<String> = Vec::new();
        if let Some(ids) = &options.ecosystems {
            needs::merge(&mut requirements, reader.whole(ids));
        } else if kind == NODE {
            let images = images_of(snapshot, &name);
            if images.is_empty() && requirements.is_empty() {
                notes.push(
                    "no pod of this node was read, so the registries that it pulls from are not known".to_owned(),
                );
            }
            needs::merge(&mut requirements, reader.pulls(&images));
        } else if requirements.is_empty() {
            requirements.push(everything());
        }
        Subject {
            namespace: Str::default(),
            kind: kind.into(),
            name,
            pods: Few::default(),
            template: None,
            system: None,
            shown: List::default(),
            full_name: Str::default(),
            score: 0.0,
            requirements: requirements.into(),
            notes: notes.into(),
        }
    };
    named.into_iter().map(subject).collect()
}

/// What an id is of, by the list that holds it.
fn kind_of(snapshot: &Snapshot, id: &str) -> &'static str {
    let holds = |is: fn(&AwsScope, &str) -> bool| snapshot.aws.iter().any(|scope| is(scope, id));
    if holds(|s, id| s.instances.iter().any(|i| i.instance_id == *id)) {
        INSTANCE
    } else if holds(|s, id| s.network_interfaces.iter().any(|i| i.network_interface_id == *id)) {
        INTERFACE
    } else {
        SECURITY_GROUP
    }
}

/// The images of the pods that run on a node.
fn images_of<'s>(snapshot: &'s Snapshot, node: &Str) -> BTreeSet<&'s str> {
    let pods = snapshot.pods.iter().filter(|p| !p.phase.is_terminal() && p.node.as_ref() == Some(node));
    pods.flat_map(|p| p.spec.containers.iter()).filter_map(|c| c.image.as_deref()).collect()
}

/// Any public address, where nobody says what is needed.
fn everything() -> Requirement {
    Requirement {
        endpoint: Endpoint {
            host: "public-internet".into(),
            port: 443,
            protocol: Protocol::Tcp,
            addresses: Addresses::Internet,
        },
        ecosystem: None,
        required: true,
        why: "a build needs outbound 443 to public hosts; --ecosystem or --endpoint says to which".into(),
        alternative: None,
        setting: None,
        doubt: None,
        speaks: Speaks::Unsaid,
        containers: Few::default(),
    }
}
