//! The Amazon VPC CNI: whether, and how, it rewrites the source of pods' connections.
//!
//! Sources: README of amazon-vpc-cni-k8s, "CNI Configuration Variables"; its `network.go` for the order of the rules.

use ipnet::IpNet;

use crate::model::object::{EnvValue, PodSpec};
use crate::model::{PortSet, Snapshot, World};

use super::origin::{own_ports, translated_ports};

/// A setting that was read, or may have either value.
pub(super) type Setting<T> = Option<T>;

/// How the CNI is set up.
#[derive(Clone, Debug)]
pub(super) struct Cni {
    /// Whether it runs; `None`: it cannot be told.
    pub(super) runs: Option<bool>,
    /// `AWS_VPC_K8S_CNI_EXTERNALSNAT`: something else translates, the pods keep their addresses.
    pub(super) external_snat: Setting<bool>,
    /// The ports from which its translation picks; more than one set where it cannot be told.
    pub(super) ports: Vec<PortSet>,
    /// `AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS`: destinations that are not translated; `None` if it cannot be told.
    pub(super) exempt: Setting<Vec<IpNet>>,
    /// `POD_SECURITY_GROUP_ENFORCING_MODE` is `strict`.
    pub(super) strict: Setting<bool>,
    /// `ENABLE_V4_EGRESS`: pods of an IPv6 cluster reach IPv4 through their node.
    pub(super) v4_egress: Setting<bool>,
    /// `ENABLE_V6_EGRESS`: pods of an IPv4 cluster reach IPv6 through their node.
    pub(super) v6_egress: Setting<bool>,
}

/// What a variable says: its value, its default, or nothing that can be told.
enum Said<'a> {
    Value(&'a str),
    Default,
    Unread,
}

fn said<'a>(spec: &'a PodSpec, name: &str) -> Said<'a> {
    let Some(container) = spec.containers.iter().find(|c| c.name == "aws-node") else { return Said::Unread };
    match container.env.iter().rev().find(|e| e.name == name).map(|e| &e.value) {
        Some(EnvValue::Text(text)) => Said::Value(text),
        Some(_) => Said::Unread,
        None if !container.env_from.is_empty() => Said::Unread,
        None => Said::Default,
    }
}

fn flag(spec: &PodSpec, name: &str, default: bool) -> Setting<bool> {
    match said(spec, name) {
        Said::Value(text) if text.eq_ignore_ascii_case("true") => Some(true),
        Said::Value(text) if text.eq_ignore_ascii_case("false") => Some(false),
        // What the CNI cannot parse counts as its default.
        Said::Value(_) | Said::Default => Some(default),
        Said::Unread => None,
    }
}

impl Cni {
    /// What a snapshot says. `cni`: the product that was named, if one was.
    pub(super) fn of(snapshot: &Snapshot, cni: Option<&str>) -> Self {
        let is_agent = |namespace: Option<&str>, name: &str| namespace == Some("kube-system") && name == "aws-node";
        let daemon = snapshot
            .workloads
            .iter()
            .find(|w| w.kind == "DaemonSet" && is_agent(w.meta.namespace.as_deref(), &w.meta.name))
            .map(|w| &*w.spec);
        let pod = || {
            let mut pods = snapshot.pods.iter().filter(|p| !p.phase.is_terminal());
            pods.find(|p| p.meta.labels.get("k8s-app").is_some_and(|v| *v == "aws-node")).map(|p| &*p.spec)
        };
        let Some(spec) = daemon.or_else(pod) else {
            let unread = snapshot.coverage.iter().any(|c| c.kind == "DaemonSet" && c.state.is_incomplete());
            let open = snapshot.world == World::Live && unread;
            return Self::unread(if cni == Some("aws") || open { None } else { Some(false) });
        };
        let ports = match said(spec, "AWS_VPC_K8S_CNI_RANDOMIZESNAT") {
            Said::Value("none") => vec![own_ports()],
            Said::Value(_) | Said::Default => vec![translated_ports()],
            Said::Unread => vec![own_ports(), translated_ports()],
        };
        let exempt = match said(spec, "AWS_VPC_K8S_CNI_EXCLUDE_SNAT_CIDRS") {
            Said::Value(text) => {
                text.split(',').map(str::trim).filter(|t| !t.is_empty()).map(|t| t.parse().ok()).collect()
            }
            Said::Default => Some(Vec::new()),
            Said::Unread => None,
        };
        let strict = match said(spec, "POD_SECURITY_GROUP_ENFORCING_MODE") {
            Said::Value("standard") => Some(false),
            Said::Value(_) | Said::Default => Some(true),
            Said::Unread => None,
        };
        Self {
            runs: Some(true),
            external_snat: flag(spec, "AWS_VPC_K8S_CNI_EXTERNALSNAT", false),
            ports,
            exempt,
            strict,
            v4_egress: flag(spec, "ENABLE_V4_EGRESS", true),
            v6_egress: flag(spec, "ENABLE_V6_EGRESS", false),
        }
    }

    fn unread(runs: Option<bool>) -> Self {
        Self {
            runs,
            external_snat: None,
            ports: vec![own_ports(), translated_ports()],
            exempt: None,
            strict: None,
            v4_egress: None,
            v6_egress: None,
        }
    }
}
