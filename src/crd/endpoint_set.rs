//! `EndpointSet`: private registries and mirrors, and what their servers present.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What people write; the evaluator reads it with the checks that no schema can make.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "buildreach.dev",
    version = "v1alpha1",
    kind = "EndpointSet",
    doc = "Private registries and mirrors: hosts, ports, addresses, CA, and which ecosystem's public endpoints they replace.",
    shortname = "eps",
    category = "buildreach",
    derive = "PartialEq",
    derive = "Default",
    printcolumn(name = "Hosts", type_ = "string", json_path = ".spec.endpoints[*].host"),
    printcolumn(name = "Replaces", type_ = "string", json_path = ".spec.replaces[*]"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSetSpec {
    /// Ecosystems that need this set instead of their public endpoints, such as `npm`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub replaces: Vec<String>,
    /// The endpoints.
    pub endpoints: Vec<SetEndpoint>,
}

/// One endpoint.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SetEndpoint {
    /// Name or address.
    pub host: String,
    /// TCP port, 443 if it is not given.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 65535))]
    pub port: Option<u16>,
    /// All addresses of the name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub addresses: Vec<String>,
    /// The CA that its certificate leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<Certificates>,
    /// The chain that it presents, its own certificate first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain: Option<Certificates>,
    /// A path that answers without credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub probe_path: Option<String>,
}

/// Where certificates are: one of the two.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Certificates {
    /// A key of a ConfigMap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapKey>,
    /// PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inline: Option<String>,
}

/// A key of a ConfigMap.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapKey {
    /// Namespace of the ConfigMap.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Key of its data; without it the only one that holds certificates, or `ca.crt`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}
