//! The facts that were read about Kubernetes objects, pruned to what a verdict or an explanation needs.
//!
//! Field names follow the Kubernetes API; what is left out was judged irrelevant when it was read.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::few::Few;
use super::label::{Labels, Selector, SelectorError};
use super::list::List;
use super::port::Protocol;
use super::scheduling::{Scheduling, Taint};
use super::text::Str;

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
fn is_false(value: &bool) -> bool {
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
    /// `status.nodeInfo.operatingSystem`, else the label `kubernetes.io/os`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub os: Option<Str>,
    /// Taints.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub taints: Vec<Taint>,
    /// Reasons of the node's conditions, such as `CiliumIsUp`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub condition_reasons: Vec<Str>,
}

/// `status.phase` of a pod.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Phase {
    /// Accepted, not yet running; evaluated by its labels.
    Pending,
    /// Running, and what a manifest without status counts as.
    #[default]
    Running,
    /// Ended; its address may belong to another pod by now.
    Succeeded,
    /// Ended; its address may belong to another pod by now.
    Failed,
    /// The node does not answer.
    Unknown,
}

impl Phase {
    /// Whether the pod has ended.
    pub fn is_terminal(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pod {
    /// Name, labels, annotations, origin.
    #[serde(flatten)]
    pub meta: Meta,
    /// The controller that made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// `spec.nodeName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Str>,
    /// `status.phase`.
    #[serde(default)]
    pub phase: Phase,
    /// `status.podIPs`, else `status.podIP`.
    #[serde(default)]
    pub ips: Few<IpAddr>,
    /// `status.hostIPs`, else `status.hostIP`.
    #[serde(default)]
    pub host_ips: List<IpAddr>,
    /// Whether the condition `Ready` is true; `None` where the object has no such condition.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready: Option<bool>,
    /// Its specification; pods of one workload share it.
    pub spec: Arc<PodSpec>,
}

/// The part of a pod specification that decides what a pod asks for and how it is seen by policies.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PodSpec {
    /// Shares the node's network namespace.
    #[serde(default, skip_serializing_if = "is_false")]
    pub host_network: bool,
    /// As written; absent means `ClusterFirst`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dns_policy: Option<Str>,
    /// `dnsConfig.nameservers`.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub nameservers: List<IpAddr>,
    /// `serviceAccountName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account: Option<Str>,
    /// Containers, init containers included, in the order in which they start.
    #[serde(default)]
    pub containers: Box<[Container]>,
    /// `hostAliases`: names that need no lookup.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub host_aliases: List<HostAlias>,
    /// `hostPath` volumes by path: a runtime socket moves the build to the node.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub host_paths: List<Str>,
    /// Names of `ConfigMap` volumes: toolchain configuration that is not read yet.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub config_map_volumes: List<Str>,
    /// `runtimeClassName`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runtime_class: Option<Str>,
    /// `nodeSelector`: where a predicted pod may run.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub node_selector: Labels,
    /// Node name, required node affinity and tolerations of a pod that has no address yet; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Arc<Scheduling>>,
    /// It picks nodes by something that is not understood, or that an earlier version did not keep: what is here does
    /// not tell where a predicted pod may run.
    #[serde(default, skip_serializing_if = "is_false")]
    pub picks_nodes: bool,
}

/// One entry of `hostAliases`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct HostAlias {
    /// The address.
    pub ip: IpAddr,
    /// Names that it answers to.
    #[serde(default)]
    pub hostnames: Vec<Str>,
}

/// A container.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Container {
    /// Name.
    pub name: Str,
    /// An init container; with `restartPolicy: Always` a sidecar.
    #[serde(default, skip_serializing_if = "is_false")]
    pub init: bool,
    /// Image reference as written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Str>,
    /// `command`, credentials removed.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub command: List<Str>,
    /// `args`, credentials removed.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub args: List<Str>,
    /// Environment: values only of variables that redirect a build, names of the others that tell a CI system apart.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub env: List<EnvVar>,
    /// `envFrom`: names of the objects.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub env_from: List<EnvFrom>,
    /// Mount paths of volumes that hold a build tool's own configuration, whatever kind of volume it is.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub mounts: List<Str>,
    /// Declared ports: what a named port resolves to.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub ports: List<ContainerPort>,
}

/// Parts of paths at which build tools look for configuration that can redirect them, with the ecosystems that it
/// concerns (ids of the catalogue; `reg_` for every registry).
pub const TOOL_CONFIGURATION: &[(&str, &[&str])] = &[
    (".npmrc", &["node"]),
    (".yarnrc", &["node"]),
    ("pip.conf", &["python"]),
    (".config/pip", &["python"]),
    (".config/uv", &["python"]),
    ("uv.toml", &["python"]),
    (".config/pypoetry", &["python"]),
    (".condarc", &["python"]),
    ("settings.xml", &["jvm"]),
    (".m2", &["jvm"]),
    (".gradle", &["jvm"]),
    ("gradle.properties", &["jvm"]),
    (".cargo", &["rust"]),
    ("cargo/config", &["rust"]),
    ("nuget.config", &["dotnet"]),
    (".nuget", &["dotnet"]),
    (".bundle", &["ruby"]),
    (".gemrc", &["ruby"]),
    (".composer", &["php"]),
    (".config/composer", &["php"]),
    (".config/go", &["go"]),
    (".gitconfig", &["go", "vcs_"]),
    (".terraformrc", &["terraform"]),
    ("/etc/apt", &["os_debian", "os_ubuntu"]),
    ("/etc/apk", &["os_alpine", "os_wolfi"]),
    ("/etc/yum.repos.d", &["os_"]),
    ("registries.conf", &["reg_"]),
    ("/etc/containers", &["reg_"]),
    ("buildkitd.toml", &["reg_"]),
    ("/etc/buildkit", &["reg_"]),
    ("/etc/docker", &["reg_"]),
];

/// Whether a build tool may find configuration under a mount path.
pub fn is_tool_configuration(path: &str) -> bool {
    let path = path.to_ascii_lowercase();
    TOOL_CONFIGURATION.iter().any(|(part, _)| path.contains(part))
}

/// One environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EnvVar {
    /// Name.
    pub name: Str,
    /// What it is set to.
    pub value: EnvValue,
    /// Line in the pod's source, from 1; 0 where it is not known.
    #[serde(default)]
    pub line: u32,
}

/// The value of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EnvValue {
    /// Literal text, credentials in URLs removed. May hold `$(VAR)` references.
    Text(Str),
    /// Set, but the value was not kept: no build setting, or one that may be secret.
    NotKept,
    /// From an object that was not read: `ConfigMap ci/proxy`, `Secret ci/token`.
    From(Str),
}

/// One `envFrom` entry: variables whose names are not known.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EnvFrom {
    /// `ConfigMap` or `Secret`.
    pub kind: Str,
    /// Object name.
    pub name: Str,
    /// Put before every name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<Str>,
}

/// A declared container port.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ContainerPort {
    /// `IANA_SVC_NAME`, unique in the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<Str>,
    /// Port number.
    pub container_port: u16,
    /// Default TCP.
    #[serde(default)]
    pub protocol: Protocol,
}

impl PodSpec {
    /// The ports that a named port of that protocol resolves to; sidecars and init containers count
    /// (NetworkPolicy documentation, "apply equally to init containers").
    pub fn named_port(&self, name: &str, protocol: Protocol) -> impl Iterator<Item = u16> {
        self.containers
            .iter()
            .flat_map(|c| &c.ports)
            .filter(move |p| p.protocol == protocol && p.name.as_deref() == Some(name))
            .map(|p| p.container_port)
    }
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
