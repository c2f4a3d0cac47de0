//! The facts that were read about Kubernetes objects, pruned to what a verdict or an explanation needs.
//!
//! Field names follow the Kubernetes API; what is left out was judged irrelevant when it was read.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::label::Labels;
use super::port::Protocol;
use super::scheduling::Taint;
use super::text::Str;

pub use super::network_policy::{
    IpBlock, NetworkPolicy, NetworkPolicySpec, PolicyPeer, PolicyPort, PolicyRule, WrittenRequirement, WrittenSelector,
};
pub use super::pod::{
    Container, ContainerPort, EnvFrom, EnvValue, EnvVar, HostAlias, Phase, Pod, PodSpec, TOOL_CONFIGURATION,
    is_tool_configuration,
};

/// Where an object was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Origin {
    /// Index into [`Snapshot::sources`](super::snapshot::Snapshot::sources).
    pub source: u32,
    /// Line of the object's first line, from 1; 0 where there are no lines (a live cluster).
    pub line: u32,
}

/// What every object has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// `None`: cluster-scoped, or the namespace cannot be known (see `namespace_unknown`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Str>,
    /// The object's name; for `generateName` objects the prefix with a trailing `*`.
    pub name: Str,
    /// The object's labels, whole.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Annotations that tell an engine or a mesh apart; all others were dropped.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub annotations: Labels,
    /// Where it was read.
    #[serde(default)]
    pub origin: Origin,
    /// The namespaced object's namespace cannot be told from what was read (overlays disagree, a placeholder).
    #[serde(default, skip_serializing_if = "is_false")]
    pub namespace_unknown: bool,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde asks for
pub(super) fn is_false(value: &bool) -> bool {
    !value
}

/// The controller of an object (`ownerReferences` with `controller: true`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Owner {
    /// Its kind.
    pub kind: Str,
    /// Its name, in the same namespace.
    pub name: Str,
}

/// A kind with the object's namespace and name: how people and reports name an object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub struct ObjectRef {
    /// API kind, such as `NetworkPolicy`.
    pub kind: Str,
    /// Absent for cluster-scoped kinds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Str>,
    /// Object name.
    pub name: Str,
}

impl fmt::Display for ObjectRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// A namespace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Namespace {
    /// Name, labels (with the implied `kubernetes.io/metadata.name`), origin.
    #[serde(flatten)]
    pub meta: Meta,
}

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Node {
    /// Name, labels, annotations, origin.
    #[serde(flatten)]
    pub meta: Meta,
    /// `status.addresses` of the types `InternalIP` and `ExternalIP`, and the `cilium`-like tunnels are left out.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// `spec.podCIDRs`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pod_cidrs: Vec<ipnet::IpNet>,
    /// `spec.providerID`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider_id: Option<Str>,
    /// `status.nodeInfo.kubeletVersion`: k3s and rke2 mark it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubelet_version: Option<Str>,
    /// `status.nodeInfo.containerRuntimeVersion`: `containerd://1.7.27`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container_runtime: Option<Str>,
    /// `status.nodeInfo.operatingSystem`, else the label `kubernetes.io/os`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<Str>,
    /// `status.nodeInfo.osImage`: `Bottlerocket OS 1.50.0 (aws-k8s-1.34)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os_image: Option<Str>,
    /// Taints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
    /// Reasons of the node's conditions, such as `CiliumIsUp`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub condition_reasons: Vec<Str>,
}

/// An object with a pod template.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Workload {
    /// `Deployment`, `StatefulSet`, `DaemonSet`, `ReplicaSet`, `ReplicationController`, `Job`, `CronJob`, `PodTemplate`.
    pub kind: Str,
    /// Name, labels, origin.
    #[serde(flatten)]
    pub meta: Meta,
    /// The controller that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// Labels of the pods.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub template_labels: Labels,
    /// Annotations of the pods that tell an engine or a mesh apart.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub template_annotations: Labels,
    /// The pods' specification.
    pub spec: Arc<PodSpec>,
    /// `spec.replicas`, or `spec.parallelism` of a Job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replicas: Option<u32>,
    /// A Job that has completed or failed: it starts no pod any more.
    #[serde(default, skip_serializing_if = "is_false")]
    pub finished: bool,
    /// `status.desiredNumberScheduled` of a DaemonSet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<u32>,
    /// `status.numberReady` of a DaemonSet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<u32>,
}

/// A port by number or by name (`intstr.IntOrString`).
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(untagged)]
pub enum IntOrString {
    /// A number.
    Int(i64),
    /// A name.
    String(Str),
}

impl fmt::Display for IntOrString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Int(n) => write!(f, "{n}"),
            Self::String(s) => f.write_str(s),
        }
    }
}

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Name, labels, origin.
    #[serde(flatten)]
    pub meta: Meta,
    /// `spec.clusterIPs`, else `spec.clusterIP`; empty if headless.
    #[serde(default)]
    pub cluster_ips: Vec<IpAddr>,
    /// `spec.externalIPs` and `status.loadBalancer.ingress[].ip`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub external_ips: Vec<IpAddr>,
    /// `spec.selector`; absent for Services whose endpoints somebody else writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<Labels>,
    /// Ports.
    #[serde(default)]
    pub ports: Vec<ServicePort>,
    /// `spec.externalName` of type `ExternalName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_name: Option<Str>,
}

/// One port of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServicePort {
    /// Name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Str>,
    /// Default TCP.
    #[serde(default)]
    pub protocol: Protocol,
    /// The port of the virtual address.
    pub port: u16,
    /// The port of the pods; absent means `port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_port: Option<IntOrString>,
}

/// An `EndpointSlice`: who stands behind a Service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointSlice {
    /// Name, labels (with `kubernetes.io/service-name`), origin.
    #[serde(flatten)]
    pub meta: Meta,
    /// Addresses of the endpoints.
    #[serde(default)]
    pub addresses: Vec<IpAddr>,
    /// Port by name of the Service's port, protocol and number.
    #[serde(default)]
    pub ports: Vec<(Option<Str>, Protocol, u16)>,
}

/// A `ConfigMap` that configures an engine, a mesh or DNS; all others are not kept.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ConfigMap {
    /// Name, origin.
    #[serde(flatten)]
    pub meta: Meta,
    /// `data`.
    #[serde(default)]
    pub data: BTreeMap<Str, Str>,
}

/// An object of a kind that this version does not evaluate but that may decide, or that marks an engine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OtherObject {
    /// API group; empty for the core group.
    pub group: Str,
    /// Kind.
    pub kind: Str,
    /// Name, labels, origin.
    #[serde(flatten)]
    pub meta: Meta,
    /// `spec` as written, `null` if there is none.
    #[serde(default)]
    pub spec: serde_json::Value,
}
