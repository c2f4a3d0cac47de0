//! The common rule form: what every policy dialect is compiled into.
//!
//! A rule matches {addresses, classes of pods} × ports. NetworkPolicy is the shape *union of
//! allows*: a policy that selects a pod isolates it in a direction, and its rules only admit.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::model::label::Selector;
use crate::model::object::PodSpec;
use crate::model::{AddrSet, Family, PortSet, Protocol, Str};

/// A direction, seen from the selected pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Direction {
    /// From the pod.
    Egress,
    /// To the pod.
    Ingress,
}

impl Direction {
    /// Both, in the order of a packet's path.
    pub const ALL: [Self; 2] = [Self::Egress, Self::Ingress];
}

impl fmt::Display for Direction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Egress => "egress",
            Self::Ingress => "ingress",
        })
    }
}

/// Index of a compiled policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PolicyId(pub u32);

/// Index of a compiled rule, unique over all policies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleId(pub u32);

/// A compiled NetworkPolicy.
#[derive(Clone, Debug)]
pub struct Policy {
    /// Index into `Snapshot::network_policies`.
    pub object: u32,
    /// Namespace of the pods that it selects.
    pub namespace: Str,
    /// Its own name.
    pub name: Str,
    /// Which pods; `None` if the selector as written is invalid, so that it may be any.
    pub subject: Option<Selector>,
    /// Isolates for egress (`policyTypes`, defaulted).
    pub egress: bool,
    /// Isolates for ingress.
    pub ingress: bool,
    /// Its rules per direction in the index's rule list.
    pub rules: [Range<u32>; 2],
    /// Why an API server would reject it: what it could decide is then unknown.
    pub invalid: Option<String>,
    /// The defect leaves open in which directions it isolates.
    pub types_unsure: bool,
}

impl Policy {
    /// How people name it: `NetworkPolicy ns/name`.
    pub fn title(&self) -> String {
        format!("NetworkPolicy {}/{}", self.namespace, self.name)
    }

    /// Whether it isolates the pods that it selects in the direction.
    pub fn isolates(&self, direction: Direction) -> bool {
        match direction {
            Direction::Egress => self.egress,
            Direction::Ingress => self.ingress,
        }
    }

    /// Whether it cannot be told if it isolates: the API server rejects it, and it would in this direction.
    pub fn is_uncertain(&self, direction: Direction) -> bool {
        self.invalid.is_some() && (self.isolates(direction) || self.types_unsure)
    }

    /// Its rules of a direction.
    pub fn rules(&self, direction: Direction) -> impl Iterator<Item = RuleId> + use<> {
        self.rules[direction as usize].clone().map(RuleId)
    }
}

/// A compiled rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The policy that it stands in.
    pub policy: PolicyId,
    /// Direction.
    pub direction: Direction,
    /// Position in the written list.
    pub position: u32,
    /// Line in the source; 0 if unknown.
    pub line: u32,
    /// Who may be at the other end.
    pub peers: Peers,
    /// Which ports of the destination.
    pub ports: Ports,
}

/// Who may be at the other end of a connection.
#[derive(Clone, Debug)]
pub enum Peers {
    /// Everybody, outside the cluster too.
    Any,
    /// The union of these.
    Some {
        /// `ipBlock`s of IPv4, excepts subtracted.
        v4: AddrSet,
        /// `ipBlock`s of IPv6, excepts subtracted.
        v6: AddrSet,
        /// Selector peers.
        pods: Vec<PodPeer>,
    },
}

impl Peers {
    /// The addresses that `ipBlock`s admit in a family.
    pub fn addresses(&self, family: Family) -> Option<&AddrSet> {
        match (self, family) {
            (Self::Any, _) => None,
            (Self::Some { v4, .. }, Family::V4) => Some(v4),
            (Self::Some { v6, .. }, Family::V6) => Some(v6),
        }
    }
}

/// Pods by their labels and those of their namespace.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PodPeer {
    /// `None`: the policy's own namespace.
    pub namespaces: Option<Selector>,
    /// Which pods there.
    pub pods: Selector,
}

/// Which ports of the destination a rule matches.
#[derive(Clone, Debug, Default)]
pub struct Ports {
    /// Every protocol and port.
    pub any: bool,
    /// By number, per protocol in the order of [`Protocol::ALL`].
    pub numbered: [PortSet; 3],
    /// By the name of a container port of the destination.
    pub named: Vec<(Protocol, Str)>,
}

impl Ports {
    /// Whether a connection to that port matches. Named ports resolve on the destination pod; an address
    /// outside the cluster has none, so they match nothing there.
    pub fn matches(&self, protocol: Protocol, port: u16, destination: Option<&PodSpec>) -> bool {
        self.any
            || self.numbered[protocol as usize].contains(port)
            || destination.is_some_and(|spec| {
                self.named
                    .iter()
                    .filter(|(p, _)| *p == protocol)
                    .any(|(_, name)| spec.named_port(name, protocol).any(|resolved| resolved == port))
            })
    }
}

impl fmt::Display for Ports {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.any {
            return f.write_str("every port");
        }
        let mut first = true;
        let mut separate = |f: &mut fmt::Formatter<'_>| {
            if std::mem::take(&mut first) { Ok(()) } else { f.write_str(" and ") }
        };
        for protocol in Protocol::ALL {
            let ports = &self.numbered[protocol as usize];
            if *ports == PortSet::range(1, u16::MAX) || *ports == PortSet::all() {
                separate(f)?;
                write!(f, "every {protocol} port")?;
            } else if !ports.is_empty() {
                separate(f)?;
                write!(f, "{ports}/{protocol}")?;
            }
        }
        for (protocol, name) in &self.named {
            separate(f)?;
            write!(f, "port `{name}`/{protocol}")?;
        }
        Ok(())
    }
}

/// At most this many blocks or peers are written out before "and N more".
const SHOWN: usize = 3;

impl fmt::Display for Peers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Some { v4, v6, pods } = self else {
            return f.write_str("everybody");
        };
        let mut parts: Vec<String> = Vec::new();
        for set in [v4, v6] {
            if set.is_empty() {
                continue;
            }
            // "all but" reads better than the dozen blocks that make up a complement.
            let holes = AddrSet::all(set.family()).difference(set);
            let (nets, prefix) = if holes.nets().len() < set.nets().len() {
                (holes.nets(), format!("all of {} but ", set.family()))
            } else {
                (set.nets(), String::new())
            };
            let mut text: Vec<_> = nets.iter().take(SHOWN).map(ToString::to_string).collect();
            if nets.len() > SHOWN {
                text.push(format!("{} more blocks", nets.len() - SHOWN));
            }
            if nets.is_empty() {
                parts.push(format!("all of {}", set.family()));
            } else {
                parts.push(format!("{prefix}{}", text.join(", ")));
            }
        }
        for peer in pods.iter().take(SHOWN) {
            parts.push(peer.to_string());
        }
        if pods.len() > SHOWN {
            parts.push(format!("{} more kinds of pods", pods.len() - SHOWN));
        }
        if parts.is_empty() { f.write_str("nobody") } else { f.write_str(&parts.join("; ")) }
    }
}

impl fmt::Display for PodPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.pods.is_everything() {
            f.write_str("every pod")?;
        } else {
            write!(f, "pods {}", self.pods)?;
        }
        match &self.namespaces {
            None => f.write_str(" of its own namespace"),
            Some(namespaces) if namespaces.is_everything() => f.write_str(" of every namespace"),
            Some(namespaces) => write!(f, " of namespaces {namespaces}"),
        }
    }
}
