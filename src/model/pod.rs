//! Pods, and the part of their specification that is kept.

use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::few::Few;
use super::label::Labels;
use super::list::List;
use super::mount::TrustMount;
use super::object::{Meta, Owner, is_false};
use super::port::Protocol;
use super::scheduling::Scheduling;
use super::text::Str;
use super::variables::{KeySelector, ValuePlace};

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
    /// What it mounts where trust is decided.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub trust_mounts: List<TrustMount>,
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
    /// The ConfigMap that the value is from, once it was looked up. Such a value is literal: Kubernetes expands no
    /// `$(VAR)` in it.
    #[serde(skip)]
    pub place: Option<Arc<ValuePlace>>,
}

/// The value of an environment variable.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum EnvValue {
    /// Literal text, credentials in URLs removed. May hold `$(VAR)` references.
    Text(Str),
    /// Set, but the value was not kept: no build setting, or one that may be secret.
    NotKept,
    /// From an object that is never read: `Secret ci/token`.
    From(Str),
    /// From a ConfigMap of the pod's namespace.
    ConfigMapKey(Arc<KeySelector>),
    /// It cannot be told, and why: found when ConfigMaps are looked up.
    Unknown(Str),
}

/// One `envFrom` entry: variables whose names only its object tells.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EnvFrom {
    /// `ConfigMap` or `Secret`.
    pub kind: Str,
    /// Object name.
    pub name: Str,
    /// Put before every name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<Str>,
    /// The container starts without the object.
    #[serde(default, skip_serializing_if = "is_false")]
    pub optional: bool,
    /// Why nothing is known about it, where that is more than that it was not read: found when ConfigMaps are looked up.
    #[serde(skip)]
    pub doubt: Option<Str>,
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
