//! NetworkPolicies as they are written.

use serde::{Deserialize, Serialize};

use super::label::{Labels, Selector, SelectorError};
use super::object::{IntOrString, Meta};
use super::text::Str;

/// A selector as it is written; [`WrittenSelector::selector`] validates it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WrittenSelector {
    /// `matchLabels`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_labels: Option<Labels>,
    /// `matchExpressions`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_expressions: Option<Vec<WrittenRequirement>>,
}

/// One entry of `matchExpressions` as it is written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenRequirement {
    /// Label key.
    #[serde(default)]
    pub key: Str,
    /// Operator.
    #[serde(default)]
    pub operator: Str,
    /// Values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<Str>>,
}

impl WrittenSelector {
    /// The selector in canonical form.
    ///
    /// # Errors
    ///
    /// What an API server rejects.
    pub fn selector(&self) -> Result<Selector, SelectorError> {
        Selector::new(
            self.match_labels.iter().flat_map(Labels::iter).map(|(k, v)| (k.clone(), v.clone())),
            self.match_expressions
                .iter()
                .flatten()
                .map(|r| (r.key.clone(), r.operator.as_str(), r.values.clone().unwrap_or_default())),
        )
    }
}

/// A `networking.k8s.io/v1` NetworkPolicy as it is written, defaults not yet applied.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicy {
    /// Name, namespace, origin.
    #[serde(flatten)]
    pub meta: Meta,
    /// Live only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<Str>,
    /// Live only: the newest field manager that owns part of `spec`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field_manager: Option<Str>,
    /// `spec`.
    #[serde(default)]
    pub spec: NetworkPolicySpec,
}

/// `NetworkPolicySpec`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicySpec {
    /// Absent means every pod of the namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<WrittenSelector>,
    /// As written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy_types: Option<Vec<Str>>,
    /// `None` and an empty list alike admit nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ingress: Option<Vec<PolicyRule>>,
    /// `None` and an empty list alike admit nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub egress: Option<Vec<PolicyRule>>,
    /// Keys under `spec` that the API does not have: a typing error that an API server drops or rejects.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unknown_fields: Vec<Str>,
}

/// One `ingress` or `egress` rule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicyRule {
    /// Line in the source, from 1; 0 where it is not known.
    #[serde(default)]
    pub line: u32,
    /// `from` or `to`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peers: Option<Vec<PolicyPeer>>,
    /// `ports`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ports: Option<Vec<PolicyPort>>,
}

/// `NetworkPolicyPeer`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyPeer {
    /// Excludes the other two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_block: Option<IpBlock>,
    /// Pods, of the policy's namespace unless `namespaceSelector` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_selector: Option<WrittenSelector>,
    /// Namespaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<WrittenSelector>,
}

/// `IPBlock`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IpBlock {
    /// A block of either family.
    pub cidr: Str,
    /// Blocks inside `cidr`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub except: Option<Vec<Str>>,
}

/// `NetworkPolicyPort`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PolicyPort {
    /// Absent means TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Str>,
    /// Absent means every port of the protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<IntOrString>,
    /// Last port of a range that begins with a numeric `port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end_port: Option<i64>,
}
