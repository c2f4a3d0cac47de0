//! NetworkPolicies: from the API's shape to facts.

use serde_json::value::RawValue;

use super::decode::{Decoder, Wrong};
use super::lines::Lines;
use super::raw;
use crate::model::object::{
    IntOrString, IpBlock, NetworkPolicy, NetworkPolicySpec, PolicyPeer, PolicyPort, PolicyRule, WrittenRequirement,
    WrittenSelector,
};

impl Decoder {
    pub(crate) fn network_policy(
        &mut self,
        raw: &raw::NetworkPolicy<'_>,
        lines: &Lines<'_>,
    ) -> Result<NetworkPolicy, Wrong> {
        let metadata = raw.metadata.as_ref();
        let meta = self.meta(metadata.map(|m| &m.meta))?;
        let (resource_version, field_manager) = match metadata {
            Some(metadata) if self.live => (
                self.scratch.opt(metadata.resource_version.as_ref()),
                newest_manager(metadata).map(|manager| self.scratch.str(manager)),
            ),
            _ => (None, None),
        };
        let spec = raw.spec.as_ref().map_or(Ok(NetworkPolicySpec::default()), |spec| self.policy_spec(spec, lines))?;
        Ok(NetworkPolicy { meta, resource_version, field_manager, spec })
    }

    fn policy_spec(&mut self, raw: &raw::PolicySpec<'_>, lines: &Lines<'_>) -> Result<NetworkPolicySpec, Wrong> {
        let mut unknown = Unknown::default();
        unknown.add("", &raw.unknown);
        let pod_selector = raw.pod_selector.as_ref().map(|s| self.selector(s, "podSelector", &mut unknown));
        let policy_types =
            raw.policy_types.as_ref().map(|types| types.iter().map(|kind| self.scratch.str(kind)).collect());
        let ingress = self.rules::<raw::IngressRule<'_>>(raw.ingress.as_deref(), "ingress", lines, &mut unknown)?;
        let egress = self.rules::<raw::EgressRule<'_>>(raw.egress.as_deref(), "egress", lines, &mut unknown)?;
        let unknown_fields = unknown.0.iter().map(|path| self.scratch.str(path)).collect();
        Ok(NetworkPolicySpec { pod_selector, policy_types, ingress, egress, unknown_fields })
    }

    fn rules<'t, R: Rule<'t>>(
        &mut self,
        raw: Option<&[&'t RawValue]>,
        direction: &str,
        lines: &Lines<'_>,
        unknown: &mut Unknown,
    ) -> Result<Option<Vec<PolicyRule>>, Wrong> {
        let Some(raw) = raw else { return Ok(None) };
        let mut rules = Vec::with_capacity(raw.len());
        for (i, text) in raw.iter().enumerate() {
            let line = lines.of(text.get());
            let path = format!("{direction}[{i}]");
            let rule: R = serde_json::from_str(text.get())
                .map_err(|error| Wrong::inside(&format!("spec.{path}"), text.get(), &error, line))?;
            let (peers, ports, unknown_fields) = rule.parts();
            unknown.add(&path, &unknown_fields);
            let peers = peers.map(|list| {
                let peers = list.iter().enumerate();
                peers.map(|(j, peer)| self.peer(peer, &format!("{path}.{}[{j}]", R::PEERS), unknown)).collect()
            });
            let ports = ports.map(|list| {
                let ports = list.iter().enumerate();
                ports.map(|(j, port)| self.policy_port(port, &format!("{path}.ports[{j}]"), unknown)).collect()
            });
            rules.push(PolicyRule { line, peers, ports });
        }
        Ok(Some(rules))
    }

    fn peer(&mut self, raw: &raw::Peer<'_>, path: &str, unknown: &mut Unknown) -> PolicyPeer {
        unknown.add(path, &raw.unknown);
        let ip_block = raw.ip_block.as_ref().map(|block| {
            unknown.add(&format!("{path}.ipBlock"), &block.unknown);
            IpBlock {
                cidr: self.scratch.str(block.cidr.as_deref().unwrap_or_default()),
                except: block.except.as_ref().map(|list| list.iter().map(|cidr| self.scratch.str(cidr)).collect()),
            }
        });
        let mut selector = |raw: &Option<raw::Selector<'_>>, name: &str| {
            raw.as_ref().map(|raw| self.selector(raw, &format!("{path}.{name}"), unknown))
        };
        PolicyPeer {
            ip_block,
            pod_selector: selector(&raw.pod_selector, "podSelector"),
            namespace_selector: selector(&raw.namespace_selector, "namespaceSelector"),
        }
    }

    fn policy_port(&mut self, raw: &raw::Port<'_>, path: &str, unknown: &mut Unknown) -> PolicyPort {
        unknown.add(path, &raw.unknown);
        PolicyPort {
            protocol: raw.protocol.as_ref().map(|protocol| self.scratch.str(protocol)),
            port: raw.number.as_ref().map(|port| self.int_or_string(port)),
            end_port: raw.last,
        }
    }

    pub(crate) fn int_or_string(&mut self, raw: &raw::IntOrText) -> IntOrString {
        match raw {
            raw::IntOrText::Int(number) => IntOrString::Int(*number),
            raw::IntOrText::Text(name) => IntOrString::String(self.scratch.str(name)),
        }
    }

    fn selector(&mut self, raw: &raw::Selector<'_>, path: &str, unknown: &mut Unknown) -> WrittenSelector {
        unknown.add(path, &raw.unknown);
        let match_labels = raw.match_labels.as_ref().map(|pairs| self.scratch.labels(&pairs.0));
        let match_expressions = raw.match_expressions.as_ref().map(|list| {
            let expressions = list.iter().enumerate();
            expressions
                .map(|(i, raw)| {
                    unknown.add(&format!("{path}.matchExpressions[{i}]"), &raw.unknown);
                    WrittenRequirement {
                        key: self.scratch.str(raw.key.as_deref().unwrap_or_default()),
                        operator: self.scratch.str(raw.operator.as_deref().unwrap_or_default()),
                        values: raw.values.as_ref().map(|list| list.iter().map(|v| self.scratch.str(v)).collect()),
                    }
                })
                .collect()
        });
        WrittenSelector { match_labels, match_expressions }
    }
}

/// Paths of keys that the API does not have.
#[derive(Default)]
struct Unknown(Vec<String>);

impl Unknown {
    fn add(&mut self, path: &str, keys: &[String]) {
        for key in keys {
            self.0.push(if path.is_empty() { key.clone() } else { format!("{path}.{key}") });
        }
    }
}

/// What ingress and egress rules have in common.
trait Rule<'t>: serde::Deserialize<'t> {
    /// The key of the peers.
    const PEERS: &'static str;

    /// Peers, ports, unknown keys.
    #[allow(clippy::type_complexity)]
    fn parts(self) -> (Option<Vec<raw::Peer<'t>>>, Option<Vec<raw::Port<'t>>>, Vec<String>);
}

impl<'t> Rule<'t> for raw::IngressRule<'t> {
    const PEERS: &'static str = "from";

    fn parts(self) -> (Option<Vec<raw::Peer<'t>>>, Option<Vec<raw::Port<'t>>>, Vec<String>) {
        (self.peers, self.ports, self.unknown)
    }
}

impl<'t> Rule<'t> for raw::EgressRule<'t> {
    const PEERS: &'static str = "to";

    fn parts(self) -> (Option<Vec<raw::Peer<'t>>>, Option<Vec<raw::Port<'t>>>, Vec<String>) {
        (self.peers, self.ports, self.unknown)
    }
}

/// Who last wrote part of `spec`. The API's times are RFC 3339 in UTC, so their order is that of their text.
fn newest_manager<'a>(metadata: &'a raw::PolicyMeta<'_>) -> Option<&'a str> {
    metadata
        .managed_fields
        .iter()
        .flatten()
        .filter(|entry| entry.fields_v1.as_ref().is_some_and(|fields| fields.spec.is_some()))
        .max_by(|a, b| a.time.as_deref().cmp(&b.time.as_deref()))
        .and_then(|entry| entry.manager.as_deref())
}
