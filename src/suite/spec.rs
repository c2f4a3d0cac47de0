//! The suite file.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::model::{Layer, Outcome, Protocol, Str};

/// A parsed suite.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Suite {
    /// Must be `buildreach.dev/v1alpha1`.
    pub api_version: String,
    /// Must be `ReachabilityTest`.
    pub kind: String,
    /// Only the name means anything.
    #[serde(default)]
    pub metadata: SuiteMeta,
    /// What is asserted on what.
    pub spec: SuiteSpec,
}

/// Metadata of a suite.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct SuiteMeta {
    /// Name of the suite.
    #[serde(default)]
    pub name: String,
}

/// `spec` of a suite; an unknown key is an error.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SuiteSpec {
    /// Files or folders, relative to the suite's file.
    pub manifests: Vec<String>,
    /// Switches for behaviour that the network plugin defines.
    #[serde(default)]
    pub profile: ProfileSpec,
    /// Complete answers of DNS, when given.
    #[serde(default)]
    pub dns: Option<BTreeMap<String, Vec<IpAddr>>>,
    /// The run must report a finding about these manifests.
    #[serde(default)]
    pub expect_findings: bool,
    /// What must hold.
    #[serde(default)]
    pub assertions: Vec<Assertion>,
}

/// Keys of a profile.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ProfileSpec {
    /// The product; default `upstream`.
    #[serde(default)]
    pub cni: Option<Str>,
    /// Whether an `ipBlock` matches pod addresses.
    #[serde(default, rename = "podIPInIPBlock")]
    pub pod_ip_in_ip_block: Option<bool>,
    /// Whether traffic between a pod and its own node is always allowed.
    #[serde(default)]
    pub own_node: Option<bool>,
    /// Only `ignored`.
    #[serde(default)]
    pub host_network: Option<String>,
}

/// One assertion.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Assertion {
    /// Who opens the connection.
    pub from: End,
    /// Who is contacted.
    pub to: End,
    /// Default TCP.
    #[serde(default)]
    pub protocol: Protocol,
    /// Port at the destination.
    pub port: u16,
    /// What must come out.
    pub expect: Expectation,
    /// A DNS question that the packet carries.
    #[serde(default)]
    pub dns_query: Option<String>,
    /// The TLS server name.
    #[serde(default)]
    pub sni: Option<String>,
    /// Text that a citation of a deciding step must hold.
    #[serde(default)]
    pub decided_by: Option<String>,
    /// The layer that must have the combined outcome.
    #[serde(default)]
    pub layer: Option<Layer>,
}

/// One end of an assertion; exactly one key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum End {
    /// `ns/name`.
    Pod(String),
    /// `ns/Kind/name`.
    Workload(String),
    /// Node name.
    Node(String),
    /// EC2 instance id.
    Instance(String),
    /// EC2 interface id.
    Interface(String),
    /// An address.
    Ip(IpAddr),
    /// A name.
    Host(String),
}

/// What an assertion expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Expectation {
    /// `Reachable`.
    Allowed,
    /// `Blocked`.
    Denied,
    /// `Partial`.
    Partial,
    /// `Unknown`.
    Unknown,
}

impl From<Outcome> for Expectation {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Reachable => Self::Allowed,
            Outcome::Blocked => Self::Denied,
            Outcome::Partial => Self::Partial,
            Outcome::Unknown => Self::Unknown,
        }
    }
}

/// Why a text is no suite.
#[derive(Debug, thiserror::Error)]
pub enum SuiteError {
    /// Not of the suite's shape.
    #[error("{0}")]
    Shape(String),
    /// Another kind of document.
    #[error("not a ReachabilityTest of buildreach.dev/v1alpha1 but {0} of {1}")]
    Kind(String, String),
    /// A profile value that means nothing.
    #[error("profile.{0}: {1}")]
    Profile(&'static str, String),
}

/// Parses a suite file.
///
/// # Errors
///
/// If it is not YAML, not a suite, or has keys that a suite does not have.
pub fn parse(text: &str) -> Result<Suite, SuiteError> {
    let suite: Suite = serde_saphyr::from_str(text).map_err(|e| SuiteError::Shape(e.to_string()))?;
    if suite.kind != "ReachabilityTest" || suite.api_version != "buildreach.dev/v1alpha1" {
        return Err(SuiteError::Kind(suite.kind, suite.api_version));
    }
    if let Some(mode) = &suite.spec.profile.host_network
        && mode != "ignored"
    {
        return Err(SuiteError::Profile("hostNetwork", format!("`{mode}`: only `ignored` is known")));
    }
    if let Some(cni) = &suite.spec.profile.cni
        && !crate::policy::engine::PROFILE_NAMES.contains(&cni.as_str())
    {
        let known = crate::policy::engine::PROFILE_NAMES.join(", ");
        return Err(SuiteError::Profile("cni", format!("`{cni}` is none of {known}")));
    }
    Ok(suite)
}
