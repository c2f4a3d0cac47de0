//! Which kinds are facts, and which of them live in namespaces.

/// What becomes of an object of some kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Namespace,
    Node,
    Pod,
    Workload,
    Service,
    EndpointSlice,
    Endpoints,
    NetworkPolicy,
    ConfigMap,
    /// What the agents of this program write.
    NodeTrust,
    /// Holds certificates, or says where they go.
    Trust,
    /// Kept with `spec`: not evaluated, but it may decide or mark an engine.
    Other,
    /// No verdict depends on it: counted.
    Ignored,
}

/// The API group of an `apiVersion`; empty for the core group.
pub(crate) fn group_of(api_version: &str) -> &str {
    api_version.split_once('/').map_or("", |(group, _)| group)
}

/// What becomes of objects of this group and kind.
pub(crate) fn classify(group: &str, kind: &str) -> Class {
    match (group, kind) {
        ("", "Namespace") => Class::Namespace,
        ("", "Node") => Class::Node,
        ("", "Pod") => Class::Pod,
        ("", "Service") => Class::Service,
        ("", "Endpoints") => Class::Endpoints,
        ("", "ConfigMap") => Class::ConfigMap,
        ("", "ReplicationController" | "PodTemplate")
        | ("apps" | "extensions", "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet")
        | ("batch", "Job" | "CronJob") => Class::Workload,
        ("discovery.k8s.io", "EndpointSlice") => Class::EndpointSlice,
        ("networking.k8s.io" | "extensions", "NetworkPolicy") => Class::NetworkPolicy,
        ("certificates.k8s.io", "ClusterTrustBundle")
        | ("trust.cert-manager.io", "Bundle")
        | ("trust-manager.io", "ClusterBundle")
        | ("machineconfiguration.openshift.io", "ControllerConfig")
        | ("bootstrap.cluster.x-k8s.io", "KubeadmConfig" | "KubeadmConfigTemplate")
        | ("controlplane.cluster.x-k8s.io", "KubeadmControlPlane" | "KubeadmControlPlaneTemplate") => Class::Trust,
        ("gateway.networking.k8s.io", _) => Class::Other,
        (crate::crd::GROUP, "NodeTrust") => Class::NodeTrust,
        ("" | "apps" | "extensions" | "batch" | "networking.k8s.io", _) => Class::Ignored,
        _ if may_decide(group) => Class::Other,
        (crate::crd::GROUP, "EndpointSet") => Class::Other,
        _ if gives_user_data(group, kind) => Class::Other,
        _ => Class::Ignored,
    }
}

/// Whether objects of this kind hold the user data of nodes.
pub(crate) fn gives_user_data(group: &str, kind: &str) -> bool {
    group == "karpenter.k8s.aws" && matches!(kind, "EC2NodeClass" | "AWSNodeTemplate")
}

/// Groups whose objects gate traffic, or prove an engine or a mesh (cni-policies, "CNI detection").
fn may_decide(group: &str) -> bool {
    const SUFFIXES: &[&str] = &[
        "policy.networking.k8s.io",
        "cilium.io",
        "projectcalico.org",
        "operator.tigera.io",
        "antrea.io",
        "k8s.ovn.org",
        "network.openshift.io",
        "config.openshift.io",
        "networking.k8s.aws",
        "vpcresources.k8s.aws",
        "crd.k8s.amazonaws.com",
        "eks.amazonaws.com",
        "networking.gke.io",
        "networking.istio.io",
        "security.istio.io",
        "extensions.istio.io",
        "telemetry.istio.io",
        "policy.linkerd.io",
        "linkerd.io",
    ];
    SUFFIXES
        .iter()
        .any(|suffix| group.strip_suffix(suffix).is_some_and(|before| before.is_empty() || before.ends_with('.')))
}

/// Whether objects of this kind have no namespace.
pub(crate) fn is_cluster_scoped(group: &str, kind: &str) -> bool {
    match group {
        "" => matches!(kind, "Namespace" | "Node" | "PersistentVolume" | "ComponentStatus"),
        "policy.networking.k8s.io" | "operator.tigera.io" | "config.openshift.io" | "k8s.ovn.org" => {
            !matches!(kind, "EgressFirewall" | "EgressQoS" | "EgressService" | "UserDefinedNetwork")
        }
        "cilium.io" => {
            kind.contains("Clusterwide")
                || matches!(
                    kind,
                    "CiliumNode"
                        | "CiliumIdentity"
                        | "CiliumCIDRGroup"
                        | "CiliumEgressGatewayPolicy"
                        | "CiliumExternalWorkload"
                        | "CiliumLoadBalancerIPPool"
                        | "CiliumL2AnnouncementPolicy"
                        | "CiliumPodIPPool"
                )
                || kind.starts_with("CiliumBGP")
        }
        "crd.projectcalico.org" | "projectcalico.org" => {
            !matches!(kind, "NetworkPolicy" | "NetworkSet" | "StagedNetworkPolicy" | "StagedKubernetesNetworkPolicy")
        }
        "crd.antrea.io" | "controlplane.antrea.io" => {
            matches!(
                kind,
                "ClusterNetworkPolicy"
                    | "ClusterGroup"
                    | "Tier"
                    | "Egress"
                    | "ExternalIPPool"
                    | "IPPool"
                    | "ExternalNode"
                    | "TrafficControl"
                    | "AntreaAgentInfo"
                    | "AntreaControllerInfo"
            )
        }
        "network.openshift.io" => !matches!(kind, "EgressNetworkPolicy"),
        "networking.k8s.aws" => matches!(kind, "ClusterNetworkPolicy" | "ClusterPolicyEndpoint"),
        "networking.gke.io" => matches!(kind, "RemoteNode" | "NetworkLogging" | "Network" | "GKENetworkParamSet"),
        "crd.k8s.amazonaws.com"
        | "eks.amazonaws.com"
        | "karpenter.k8s.aws"
        | "trust.cert-manager.io"
        | "trust-manager.io" => true,
        "certificates.k8s.io" | "machineconfiguration.openshift.io" => {
            matches!(kind, "ClusterTrustBundle" | "ControllerConfig")
        }
        "gateway.networking.k8s.io" => kind == "GatewayClass",
        crate::crd::GROUP => matches!(kind, "EndpointSet" | "NodeTrust"),
        _ => false,
    }
}

/// Whether a ConfigMap configures an engine, a mesh or DNS.
pub(crate) fn is_config_of_interest(name: &str) -> bool {
    const NAMES: &[&str] = &[
        "cilium-config",
        "canal-config",
        "calico-config",
        "antrea-config",
        "ovnkube-config",
        "amazon-vpc-cni",
        "kube-flannel-cfg",
        "linkerd-config",
        "coredns",
        "coredns-custom",
        "kube-dns",
        "node-local-dns",
        "kube-proxy",
        "kube-proxy-config",
        "kube-router-cfg",
        "weave-net",
        "azure-cns-config",
        "dns-default",
        "rke2-coredns-rke2-coredns",
        "rke2-canal-config",
    ];
    NAMES.contains(&name) || name == "istio" || name.starts_with("istio-") || name.starts_with("antrea-config-")
}

/// Whether an annotation tells an engine or a mesh apart, or changes what the pod can reach.
pub(crate) fn is_mark(annotation: &str) -> bool {
    const DOMAINS: &[&str] = &[
        "cni.projectcalico.org",
        "projectcalico.org",
        "cilium.io",
        "node.antrea.io",
        "k8s.ovn.org",
        "k3s.io",
        "rke2.io",
        "flannel.alpha.coreos.com",
        "vpc.amazonaws.com",
        "istio.io",
        "linkerd.io",
        "eks.amazonaws.com",
        "tekton.dev",
        "network.openshift.io",
        "netnamespace.network.openshift.io",
        "v1.multus-cni.io",
        "k8s.v1.cni.cncf.io",
        "ambient.istio.io",
        "workflows.argoproj.io",
        "buildx.docker.com",
        "openshift.io",
        "buildreach.dev",
    ];
    let Some((domain, name)) = annotation.split_once('/') else {
        return matches!(annotation, "buildUrl" | "runUrl");
    };
    // Chatter of the same domains that tells nothing and repeats nowhere.
    if matches!(name, "containerID" | "gitlab-ci-job" | "last-applied-configuration") {
        return false;
    }
    domain.ends_with(".runner.gitlab.com")
        || domain == "buildkite.com"
        || DOMAINS
            .iter()
            .any(|known| domain.strip_suffix(known).is_some_and(|before| before.is_empty() || before.ends_with('.')))
}

/// Marks of which only the presence tells something: their values are the pod's own addresses or long
/// generated documents, different for every pod.
pub(crate) fn is_presence_only(annotation: &str) -> bool {
    matches!(
        annotation,
        "cni.projectcalico.org/podIP"
            | "cni.projectcalico.org/podIPs"
            | "k8s.ovn.org/pod-networks"
            | "sidecar.istio.io/status"
            | "k8s.v1.cni.cncf.io/network-status"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_one_name_differ_by_group() {
        assert_eq!(classify("networking.k8s.io", "NetworkPolicy"), Class::NetworkPolicy);
        assert_eq!(classify("crd.projectcalico.org", "NetworkPolicy"), Class::Other);
        assert_eq!(classify("config.openshift.io", "Network"), Class::Other);
        assert_eq!(classify("networking.k8s.io", "Ingress"), Class::Ignored);
        assert_eq!(classify("", "Secret"), Class::Ignored);
        assert_eq!(classify("notcilium.io", "X"), Class::Ignored);
        assert!(is_cluster_scoped("crd.projectcalico.org", "GlobalNetworkPolicy"));
        assert!(!is_cluster_scoped("crd.projectcalico.org", "NetworkPolicy"));
    }

    #[test]
    fn marks_are_told_from_chatter() {
        assert!(is_mark("sidecar.istio.io/inject"));
        assert!(is_mark("cni.projectcalico.org/podIP"));
        assert!(!is_mark("cni.projectcalico.org/containerID"));
        assert!(!is_mark("prometheus.io/scrape"));
        assert!(!is_mark("checksum/config"));
    }
}
