//! The products that enforce policies: their marks, their switches, and how they read what the API leaves open.

use super::super::evaluate::Semantics;
use crate::model::Snapshot;
use crate::model::object::{Container, Workload};

/// A product that may enforce policies.
#[derive(Debug)]
pub struct Engine {
    /// Name as a profile writes it.
    pub name: &'static str,
    /// Name as people write it.
    pub title: &'static str,
    /// Names of the DaemonSet that runs it on every node.
    pub(super) daemon_sets: &'static [&'static str],
    /// Parts of an image of that DaemonSet; one must occur.
    pub(super) images: &'static [&'static str],
    /// API groups of its own policy kinds.
    pub groups: &'static [&'static str],
    /// Whether it enforces, from its configuration.
    pub(super) enforces: fn(&Snapshot, &Workload) -> Enforces,
    /// How it treats NetworkPolicy; `None`: not modelled.
    pub(super) semantics: Option<Semantics>,
}

impl Engine {
    /// Whether a workload is its agent.
    pub(super) fn runs_as(&self, workload: &Workload) -> bool {
        workload.kind == "DaemonSet"
            && self.daemon_sets.iter().any(|name| workload.meta.name == *name)
            && (self.images.is_empty()
                || workload.spec.containers.iter().any(|c| self.images.iter().any(|part| image_has(c, part))))
    }
}

/// Whether a product enforces policies at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Enforces {
    /// It does, and lets pods pass that no policy selects.
    Yes,
    /// It does, and closes pods that no policy selects.
    ClosedByDefault,
    /// It does not; why.
    No(&'static str),
    /// Its configuration could not be read.
    Unknown(&'static str),
}

/// What a product does on traffic to the pod's own node is known for the API and for AWS only.
pub(super) const API: Semantics = Semantics { pod_ip_in_ip_block: true, node_ip_in_ip_block: true, own_node: true };
pub(super) const BY_RULES_TO_NODE: Semantics =
    Semantics { pod_ip_in_ip_block: true, node_ip_in_ip_block: true, own_node: false };
const CILIUM: Semantics = Semantics { pod_ip_in_ip_block: false, node_ip_in_ip_block: false, own_node: false };

/// The products, in the order in which they are looked for: canal before Calico, whose image it also runs.
pub static ENGINES: &[Engine] = &[
    Engine {
        name: "canal",
        title: "Canal",
        daemon_sets: &["canal", "rke2-canal"],
        images: &["calico/node", "hardened-calico", "flannel"],
        groups: &["crd.projectcalico.org", "projectcalico.org"],
        enforces: always,
        semantics: Some(BY_RULES_TO_NODE),
    },
    Engine {
        name: "calico",
        title: "Calico",
        daemon_sets: &["calico-node"],
        images: &["calico"],
        groups: &["crd.projectcalico.org", "projectcalico.org"],
        enforces: always,
        semantics: Some(BY_RULES_TO_NODE),
    },
    Engine {
        name: "gke",
        title: "GKE Dataplane V2",
        daemon_sets: &["anetd"],
        images: &[],
        groups: &["cilium.io", "networking.gke.io"],
        enforces: always,
        semantics: Some(CILIUM),
    },
    Engine {
        name: "cilium",
        title: "Cilium",
        daemon_sets: &["cilium"],
        images: &["cilium"],
        groups: &["cilium.io"],
        enforces: cilium,
        semantics: Some(CILIUM),
    },
    Engine {
        name: "antrea",
        title: "Antrea",
        daemon_sets: &["antrea-agent"],
        images: &["antrea"],
        groups: &["crd.antrea.io"],
        enforces: always,
        semantics: Some(BY_RULES_TO_NODE),
    },
    Engine {
        name: "ovn-kubernetes",
        title: "OVN-Kubernetes",
        daemon_sets: &["ovnkube-node"],
        images: &[],
        groups: &["k8s.ovn.org"],
        enforces: always,
        semantics: Some(BY_RULES_TO_NODE),
    },
    Engine {
        name: "openshift-sdn",
        title: "OpenShift SDN",
        daemon_sets: &["sdn"],
        images: &[],
        groups: &["network.openshift.io"],
        enforces: always,
        semantics: None,
    },
    Engine {
        name: "aws",
        title: "the AWS VPC CNI network policy agent",
        daemon_sets: &["aws-node"],
        images: &["amazon-k8s-cni", "aws-network-policy-agent"],
        groups: &["networking.k8s.aws"],
        enforces: aws,
        semantics: None,
    },
    Engine {
        name: "azure-npm",
        title: "Azure Network Policy Manager",
        daemon_sets: &["azure-npm"],
        images: &[],
        groups: &[],
        enforces: always,
        semantics: Some(BY_RULES_TO_NODE),
    },
    Engine {
        name: "kube-router",
        title: "kube-router",
        daemon_sets: &["kube-router"],
        images: &["kube-router"],
        groups: &[],
        enforces: kube_router,
        semantics: Some(BY_RULES_TO_NODE),
    },
    Engine {
        name: "kube-network-policies",
        title: "kube-network-policies",
        daemon_sets: &["kube-network-policies"],
        images: &["kube-network-policies"],
        groups: &[],
        enforces: always,
        semantics: Some(BY_RULES_TO_NODE),
    },
    Engine {
        name: "weave",
        title: "Weave Net",
        daemon_sets: &["weave-net"],
        images: &["weave"],
        groups: &[],
        enforces: weave,
        semantics: Some(BY_RULES_TO_NODE),
    },
    Engine {
        name: "kindnet",
        title: "kindnet",
        daemon_sets: &["kindnet"],
        images: &["kindnetd"],
        groups: &[],
        enforces: always,
        semantics: None,
    },
    Engine {
        name: "flannel",
        title: "flannel",
        daemon_sets: &["kube-flannel-ds", "kube-flannel"],
        images: &["flannel"],
        groups: &[],
        enforces: flannel,
        semantics: Some(BY_RULES_TO_NODE),
    },
];

/// What stands for k3s: kube-router's controller inside the k3s process, without a DaemonSet.
pub(super) static K3S: Engine = Engine {
    name: "k3s",
    title: "the network policy controller of k3s",
    daemon_sets: &[],
    images: &[],
    groups: &[],
    enforces: always,
    semantics: Some(BY_RULES_TO_NODE),
};

/// Names that a profile may give.
pub const PROFILE_NAMES: &[&str] = &[
    "upstream",
    "aws",
    "antrea",
    "azure",
    "calico",
    "canal",
    "cilium",
    "flannel",
    "gke",
    "k3s",
    "kube-router",
    "openshift-sdn",
    "ovn-kubernetes",
];

/// What a named product is without the objects that would enforce.
pub(super) fn not_there(name: &str) -> Option<&'static str> {
    match name {
        "flannel" => Some("flannel does not implement NetworkPolicy"),
        "gke" => Some("neither anetd (Dataplane V2) nor calico-node runs in this GKE cluster"),
        "azure" => Some("neither Cilium, azure-npm nor calico-node runs in this AKS cluster"),
        _ => None,
    }
}

fn always(_: &Snapshot, _: &Workload) -> Enforces {
    Enforces::Yes
}

fn cilium(snapshot: &Snapshot, _: &Workload) -> Enforces {
    if config_is_unread(snapshot, "cilium-config") {
        return Enforces::Unknown("the ConfigMap cilium-config could not be read");
    }
    match config(snapshot, "cilium-config", "enable-policy") {
        Some("never") => Enforces::No("`enable-policy` of cilium-config is `never`"),
        Some("always") => Enforces::ClosedByDefault,
        _ if config(snapshot, "cilium-config", "policy-audit-mode") == Some("true") => {
            Enforces::No("`policy-audit-mode` of cilium-config is on")
        }
        _ if config(snapshot, "cilium-config", "enable-k8s-networkpolicy") == Some("false") => {
            Enforces::No("`enable-k8s-networkpolicy` of cilium-config is off")
        }
        _ => Enforces::Yes,
    }
}

fn aws(snapshot: &Snapshot, agent: &Workload) -> Enforces {
    let argument = agent.spec.containers.iter().any(|c| has_flag(c, "--enable-network-policy", "true"));
    let controller = config(snapshot, "amazon-vpc-cni", "enable-network-policy-controller") == Some("true");
    if !argument {
        return Enforces::No("aws-eks-nodeagent runs without `--enable-network-policy=true`");
    }
    if config_is_unread(snapshot, "amazon-vpc-cni") {
        return Enforces::Unknown("the ConfigMap amazon-vpc-cni could not be read");
    }
    if !controller {
        return Enforces::No("`enable-network-policy-controller` of the ConfigMap amazon-vpc-cni is not `true`");
    }
    match env(agent, "NETWORK_POLICY_ENFORCING_MODE") {
        Some("strict") => Enforces::ClosedByDefault,
        _ => Enforces::Yes,
    }
}

fn kube_router(_: &Snapshot, agent: &Workload) -> Enforces {
    if agent.spec.containers.iter().any(|c| has_flag(c, "--run-firewall", "false")) {
        return Enforces::No("kube-router runs with `--run-firewall=false`");
    }
    Enforces::Yes
}

fn weave(_: &Snapshot, agent: &Workload) -> Enforces {
    let controller = agent.spec.containers.iter().any(|c| c.name == "weave-npc");
    if controller && env(agent, "EXPECT_NPC") != Some("0") {
        Enforces::Yes
    } else {
        Enforces::No("weave-net runs without weave-npc")
    }
}

/// flannel moves packets only; its chart can add kube-network-policies as a second container.
fn flannel(_: &Snapshot, agent: &Workload) -> Enforces {
    let added = agent.spec.containers.iter().any(|c| image_has(c, "kube-network-policies"));
    if added { Enforces::Yes } else { Enforces::No("flannel does not implement NetworkPolicy") }
}

fn image_has(container: &Container, part: &str) -> bool {
    container.image.as_deref().is_some_and(|image| image.contains(part))
}

fn has_flag(container: &Container, flag: &str, value: &str) -> bool {
    let words = || container.command.iter().chain(&container.args);
    words().any(|w| w.strip_prefix(flag).is_some_and(|rest| rest.strip_prefix('=') == Some(value)))
        || (value == "true" && words().any(|w| *w == flag))
        || words().zip(words().skip(1)).any(|(a, b)| *a == flag && *b == value)
}

fn env<'a>(agent: &'a Workload, name: &str) -> Option<&'a str> {
    agent.spec.containers.iter().flat_map(|c| &c.env).find(|e| e.name == name).and_then(|e| match &e.value {
        crate::model::object::EnvValue::Text(text) => Some(text.as_str()),
        _ => None,
    })
}

pub(super) fn config<'a>(snapshot: &'a Snapshot, map: &str, key: &str) -> Option<&'a str> {
    snapshot.config_maps.iter().find(|m| m.meta.name == map).and_then(|m| m.data.get(key)).map(|v| v.trim())
}

/// Whether a ConfigMap may be there although it was not read.
fn config_is_unread(snapshot: &Snapshot, map: &str) -> bool {
    let of_kind = |kind: &str| kind == "ConfigMap";
    !snapshot.config_maps.iter().any(|m| m.meta.name == map)
        && (snapshot.coverage.iter().any(|c| of_kind(&c.kind) && c.state.is_incomplete())
            || snapshot.problems.iter().any(|p| {
                p.class.leaves_unknown() && p.kind.as_deref().is_some_and(of_kind) && p.name.as_deref() == Some(map)
            }))
}
