//! NetworkPolicy v1 → the common rule form, with the API's defaults and its validation.
//!
//! Sources: `staging/src/k8s.io/api/networking/v1/types.go` for defaults,
//! `pkg/apis/networking/validation` for what the API server rejects.

use std::fmt;

use ipnet::IpNet;

use super::rule::{Direction, Peers, PodPeer, Policy, PolicyId, Ports, Rule};
use crate::model::label::Selector;
use crate::model::object::{IntOrString, NetworkPolicy, PolicyPeer, PolicyPort, PolicyRule, WrittenSelector};
use crate::model::{AddrSet, Family, PortSet, Protocol, Str};

/// Something wrong with a policy as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Defect {
    /// Path inside the object, such as `spec.egress[0].to[1].ipBlock`.
    pub path: String,
    /// Line, 0 if unknown.
    pub line: u32,
    /// One sentence.
    pub message: String,
    /// Whether the API server rejects the object for it; else it is accepted and has no effect.
    pub rejected: bool,
}

/// Compiles one policy. Its rules are appended to `rules`.
pub fn compile(
    object: u32,
    written: &NetworkPolicy,
    id: PolicyId,
    rules: &mut Vec<Rule>,
    defects: &mut Vec<Defect>,
) -> Policy {
    let spec = &written.spec;
    let before = defects.len();
    let mut check = Checker { line: written.meta.origin.line, defects };
    let root = Path::Root("spec");

    let subject =
        check.selector(root.field("podSelector"), spec.pod_selector.as_ref().unwrap_or(&WrittenSelector::default()));
    let (mut egress, mut ingress) = (false, false);
    match spec.policy_types.as_deref() {
        // Ingress always, Egress if there is a rule for it. An API server writes this default into the object.
        None | Some([]) => {
            ingress = true;
            egress = spec.egress.as_ref().is_some_and(|rules| !rules.is_empty());
        }
        Some(types) => {
            for (i, kind) in types.iter().enumerate() {
                match kind.as_str() {
                    "Egress" => egress = true,
                    "Ingress" => ingress = true,
                    other => check.reject(
                        root.field("policyTypes").item(i),
                        format!("`{other}` is no policy type: Ingress and Egress are"),
                    ),
                }
            }
        }
    }
    for field in &spec.unknown_fields {
        let path = format!("spec.{field}");
        check.defects.push(Defect {
            path,
            line: check.line,
            message: format!("the API has no field `{field}` here"),
            rejected: true,
        });
    }

    let mut ranges = [0..0, 0..0];
    for direction in Direction::ALL {
        let list = match direction {
            Direction::Egress => spec.egress.as_deref(),
            Direction::Ingress => spec.ingress.as_deref(),
        };
        let isolates = if direction == Direction::Egress { egress } else { ingress };
        let start = rules.len();
        for (position, rule) in list.unwrap_or_default().iter().enumerate() {
            check.line = if rule.line == 0 { written.meta.origin.line } else { rule.line };
            let list = root.field(if direction == Direction::Egress { "egress" } else { "ingress" });
            let path = list.item(position);
            rules.push(check.rule(id, direction, position, path, rule));
            if !isolates {
                check.no_effect(path, format!("policyTypes leaves {direction} out, so this rule has no effect"));
            }
        }
        ranges[direction as usize] = index(start)..index(rules.len());
    }

    let invalid = defects[before..].iter().find(|d| d.rejected).map(|d| format!("{}: {}", d.path, d.message));
    let types_unsure = !spec.unknown_fields.is_empty()
        || defects[before..].iter().any(|d| d.rejected && d.path.starts_with("spec.policyTypes"));
    let namespace = written.meta.namespace.clone().unwrap_or_default();
    let name = written.meta.name.clone();
    Policy { object, namespace, name, subject, egress, ingress, rules: ranges, invalid, types_unsure }
}

/// The number of a rule.
#[allow(clippy::cast_possible_truncation)] // a cluster holds far fewer than 2^32 rules: 1.5 GB per kind at most
pub(super) fn index(length: usize) -> u32 {
    length as u32
}

/// A path inside an object, put into words only where something is wrong.
#[derive(Clone, Copy)]
enum Path<'p> {
    Root(&'static str),
    Field(&'p Path<'p>, &'static str),
    Item(&'p Path<'p>, usize),
}

impl Path<'_> {
    fn field(&self, name: &'static str) -> Path<'_> {
        Path::Field(self, name)
    }

    fn item(&self, at: usize) -> Path<'_> {
        Path::Item(self, at)
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root(name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, at) => write!(f, "{parent}[{at}]"),
        }
    }
}

struct Checker<'a> {
    line: u32,
    defects: &'a mut Vec<Defect>,
}

impl Checker<'_> {
    fn reject(&mut self, path: Path<'_>, message: String) {
        self.defects.push(Defect { path: path.to_string(), line: self.line, message, rejected: true });
    }

    fn no_effect(&mut self, path: Path<'_>, message: String) {
        self.defects.push(Defect { path: path.to_string(), line: self.line, message, rejected: false });
    }

    fn selector(&mut self, path: Path<'_>, written: &WrittenSelector) -> Option<Selector> {
        match written.selector() {
            Ok(selector) => {
                for requirement in selector.requirements() {
                    if let Some(why) = label_defect(&requirement.key, &requirement.values) {
                        self.reject(path, why);
                        return None;
                    }
                }
                Some(selector)
            }
            Err(error) => {
                self.reject(path, error.to_string());
                None
            }
        }
    }

    fn rule(
        &mut self,
        policy: PolicyId,
        direction: Direction,
        position: usize,
        path: Path<'_>,
        rule: &PolicyRule,
    ) -> Rule {
        let field = if direction == Direction::Egress { "to" } else { "from" };
        let peers = match rule.peers.as_deref() {
            None | Some([]) => Peers::Any,
            Some(peers) => self.peers(path.field(field), peers),
        };
        let ports = match rule.ports.as_deref() {
            None | Some([]) => Ports { any: true, ..Ports::default() },
            Some(ports) => self.ports(path.field("ports"), ports),
        };
        Rule { policy, direction, position: index(position), line: rule.line, peers, ports }
    }

    fn peers(&mut self, path: Path<'_>, peers: &[PolicyPeer]) -> Peers {
        let mut blocks: Vec<AddrSet> = Vec::new();
        let mut pods = Vec::new();
        for (i, peer) in peers.iter().enumerate() {
            let path = path.item(i);
            let selects = peer.pod_selector.is_some() || peer.namespace_selector.is_some();
            match &peer.ip_block {
                Some(_) if selects => self.reject(path, "ipBlock excludes podSelector and namespaceSelector".into()),
                Some(block) => {
                    let except = block.except.as_deref().unwrap_or_default();
                    blocks.extend(self.block(path.field("ipBlock"), &block.cidr, except));
                }
                None if !selects => {
                    self.reject(path, "a peer needs ipBlock, podSelector or namespaceSelector".into());
                }
                None => {
                    let everything = WrittenSelector::default();
                    let of_pods = peer.pod_selector.as_ref().unwrap_or(&everything);
                    let of_pods = self.selector(path.field("podSelector"), of_pods);
                    let namespaces = match &peer.namespace_selector {
                        None => Some(None),
                        Some(written) => self.selector(path.field("namespaceSelector"), written).map(Some),
                    };
                    if let (Some(of_pods), Some(namespaces)) = (of_pods, namespaces) {
                        pods.push(PodPeer { namespaces, pods: of_pods });
                    }
                }
            }
        }
        let [v4, v6] = [Family::V4, Family::V6].map(|family| AddrSet::union_of(family, &blocks));
        Peers::Some { v4, v6, pods }
    }

    fn block(&mut self, path: Path<'_>, cidr: &str, except: &[Str]) -> Option<AddrSet> {
        let net = match written_block(cidr) {
            Ok(net) => net,
            Err(why) => {
                self.reject(path.field("cidr"), why);
                return None;
            }
        };
        let mut set = AddrSet::net(net);
        for (i, written) in except.iter().enumerate() {
            let excepts = path.field("except");
            let path = excepts.item(i);
            match written_block(written) {
                // The API wants a block that lies inside and is smaller (`ValidateIPBlock`).
                Ok(hole) if net.contains(&hole) && net.prefix_len() < hole.prefix_len() => {
                    set = set.difference(&AddrSet::net(hole));
                }
                Ok(_) => self.reject(path, format!("`{written}` is not strictly inside {cidr}")),
                Err(why) => self.reject(path, why),
            }
        }
        if set.is_empty() {
            self.no_effect(path, "the excepts take the whole block away".into());
        }
        Some(set)
    }

    fn ports(&mut self, path: Path<'_>, ports: &[PolicyPort]) -> Ports {
        let mut compiled = Ports::default();
        for (i, port) in ports.iter().enumerate() {
            let path = path.item(i);
            let protocol = match port.protocol.as_deref().map(str::parse::<Protocol>) {
                None => Protocol::Tcp,
                // The API server is case-sensitive here.
                Some(Ok(protocol)) if port.protocol.as_deref().is_some_and(|p| p == protocol.to_string()) => protocol,
                Some(_) => {
                    let written = port.protocol.as_deref().unwrap_or_default();
                    self.reject(path.field("protocol"), format!("`{written}` is no protocol: TCP, UDP and SCTP are"));
                    continue;
                }
            };
            let numbers = match (&port.port, port.end_port) {
                (None, None) => PortSet::all(),
                (None, Some(_)) => {
                    self.reject(path.field("endPort"), "endPort needs a port".into());
                    continue;
                }
                (Some(IntOrString::Int(first)), end) => {
                    let last = end.unwrap_or(*first);
                    match (valid_port(*first), valid_port(last)) {
                        (Some(first), Some(last)) if first <= last => PortSet::range(first, last),
                        (Some(_), Some(_)) => {
                            self.reject(path.field("endPort"), format!("{last} is smaller than port {first}"));
                            continue;
                        }
                        _ => {
                            self.reject(path, "a port is a number from 1 to 65535".into());
                            continue;
                        }
                    }
                }
                (Some(IntOrString::String(_)), Some(_)) => {
                    self.reject(path.field("endPort"), "endPort needs a port number, not a name".into());
                    continue;
                }
                (Some(IntOrString::String(name)), None) => {
                    if is_port_name(name) {
                        compiled.named.push((protocol, name.clone()));
                    } else {
                        self.reject(path.field("port"), format!("`{name}` is no port name (IANA_SVC_NAME)"));
                    }
                    continue;
                }
            };
            let slot = &mut compiled.numbered[protocol as usize];
            *slot = slot.union(&numbers);
        }
        compiled
    }
}

fn valid_port(number: i64) -> Option<u16> {
    u16::try_from(number).ok().filter(|port| *port > 0)
}

/// RFC 6335 section 5.1: at most 15 of `a-z0-9-`, a letter among them, no hyphen at an end or doubled.
fn is_port_name(name: &str) -> bool {
    let bytes = name.as_bytes();
    (1..=15).contains(&bytes.len())
        && bytes.iter().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || *b == b'-')
        && bytes.iter().any(u8::is_ascii_lowercase)
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}

/// Why a label key or one of its values is not a valid one (`IsQualifiedName`, `IsValidLabelValue`).
fn label_defect(key: &str, values: &[Str]) -> Option<String> {
    let (prefix, name) = key.rsplit_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    if name.is_empty() || !is_label_text(name) || prefix.is_some_and(|p| p.is_empty() || p.contains('/')) {
        return Some(format!("`{key}` is no label key"));
    }
    let bad = values.iter().find(|value| !value.is_empty() && !is_label_text(value))?;
    Some(format!("`{bad}` is no label value"))
}

/// At most 63 of `[A-Za-z0-9._-]`, alphanumeric at both ends.
fn is_label_text(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() <= 63
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
        && bytes.first().is_some_and(u8::is_ascii_alphanumeric)
        && bytes.last().is_some_and(u8::is_ascii_alphanumeric)
}

/// A block as the API takes it. IPv4-mapped IPv6 blocks passed older API servers; with strict validation (KEP-4858, on
/// from Kubernetes 1.36) they do not, for some network plugins read them as IPv4 and others as IPv6.
fn written_block(text: &str) -> Result<IpNet, String> {
    match text.parse::<IpNet>() {
        Ok(IpNet::V6(net)) if net.addr().to_ipv4_mapped().is_some() => {
            Err(format!("`{text}` is an IPv4-mapped IPv6 block, which network plugins read differently"))
        }
        Ok(net) => Ok(net),
        Err(_) => Err(format!("`{text}` is no CIDR block")),
    }
}
