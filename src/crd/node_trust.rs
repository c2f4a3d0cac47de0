//! `NodeTrust`: what an agent saw of the trust of its node. Fingerprints, names, dates and paths; never keys or
//! certificates.

use jiff::Timestamp;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::trust::StoreKind;

/// The resource has the name of its node and no wishes: all of it is observation.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "buildreach.dev",
    version = "v1alpha1",
    kind = "NodeTrust",
    no_spec,
    status = "NodeTrustStatus",
    doc = "What a node trusts: its CA stores and the registry configuration of its container runtimes, as fingerprints. Written by the agent of that node.",
    shortname = "nt",
    category = "buildreach",
    derive = "PartialEq",
    derive = "Default",
    printcolumn(name = "OS", type_ = "string", json_path = ".status.os"),
    printcolumn(name = "Runtimes", type_ = "string", json_path = ".status.runtimes[*].name"),
    printcolumn(name = "Observed", type_ = "date", json_path = ".status.observedTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Stores", type_ = "string", json_path = ".status.stores[*].path", priority = 1)
)]
#[serde(rename_all = "camelCase")]
pub struct NodeTrustSpec {}

/// What was seen.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeTrustStatus {
    /// When the node's files were read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub observed_time: Option<Timestamp>,
    /// `ID` and `VERSION_ID` of os-release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<String>,
    /// Stores of certificates.
    #[serde(default)]
    pub stores: Vec<Store>,
    /// Container runtimes and other programs that pull.
    #[serde(default)]
    pub runtimes: Vec<Runtime>,
    /// What the runtimes' configuration says about registries.
    #[serde(default)]
    pub registries: Vec<Registry>,
    /// Traps and risks that were met.
    #[serde(default)]
    pub notes: Vec<Note>,
    /// What could not be read, and so may hold more.
    #[serde(default)]
    pub unread: Vec<String>,
}

/// A store of certificates.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Store {
    /// File or directory on the node.
    pub path: String,
    /// What it is for.
    pub kind: StoreKind,
    /// Certificates in it.
    pub certificates: u32,
    /// Of the sorted fingerprints of its certificates: changes when its content does.
    #[schemars(regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    pub fingerprint: String,
    /// How many of the public roots it holds.
    pub public_roots: u32,
    /// How many public roots there are, as far as the agent knows.
    pub public_roots_known: u32,
    /// What it holds beside them.
    #[serde(default)]
    pub additions: Vec<Certificate>,
    /// How many more it holds beside them that are not listed.
    #[serde(default)]
    pub omitted_additions: u32,
    /// When it last changed, as far as the file system tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub modified_time: Option<Timestamp>,
}

/// A certificate that is trusted, as its marks.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificate {
    /// SHA-256 of its DER form.
    #[schemars(regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    pub sha256: String,
    /// SHA-256 of its SubjectPublicKeyInfo.
    #[schemars(regex(pattern = "^sha256:[0-9a-f]{64}$"))]
    pub spki: String,
    /// Subject.
    pub subject: String,
    /// Issuer.
    pub issuer: String,
    /// Subject key identifier, in hex.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// Start of its validity.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub not_before: Timestamp,
    /// End of its validity.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub not_after: Timestamp,
    /// Whether it says that it is a CA.
    pub ca: bool,
    /// Whether it holds constraints that its marks do not tell.
    #[serde(default)]
    pub constrained: bool,
}

/// A container runtime, or another program that pulls.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Runtime {
    /// `containerd`, `cri-o`, `docker`, `buildkit`, `k3s`, `rke2`.
    pub name: String,
    /// Its version, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Its environment, as far as it decides trust and proxies; without credentials.
    #[serde(default)]
    pub env: Vec<Variable>,
    /// When it was started, where that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub start_time: Option<Timestamp>,
}

/// An environment variable.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// What a runtime's configuration says about one registry.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registry {
    /// `host[:port]` of the image reference, or `_default`.
    pub host: String,
    /// The runtime whose configuration it is.
    pub runtime: String,
    /// The file that says so.
    pub source: String,
    /// What is asked, in order.
    #[serde(default)]
    pub hosts: Vec<RegistryHost>,
    /// Why the runtime does not pull from it at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Why it cannot be told whether the runtime does what stands here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub doubt: Option<String>,
}

/// One place that is asked for a registry's images.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistryHost {
    /// `https://host[:port]`; empty: the registry itself.
    pub url: String,
    /// CAs that are accepted there, beside the system's store.
    #[serde(default)]
    pub ca: Vec<Certificate>,
    /// CA files that are named and were not read.
    #[serde(default)]
    pub unread: Vec<String>,
    /// Whether nothing is verified.
    #[serde(default)]
    pub skip_verify: bool,
    /// What it is asked for; empty: everything.
    #[serde(default)]
    pub capabilities: Vec<String>,
}

/// A trap or a risk.
#[derive(JsonSchema, Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Note {
    /// Code of the finding.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// File on the node.
    pub path: String,
    /// Line, from 1; 0 if it is not known.
    #[serde(default)]
    pub line: u32,
    /// The registry that it concerns, if it is one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
}
