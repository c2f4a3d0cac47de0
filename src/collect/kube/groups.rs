//! The API groups of policy engines, meshes and trust, and the ConfigMaps that configure them.

/// An API group of a policy engine or a mesh, or one whose objects hold certificates.
pub(super) struct Group {
    pub(super) name: &'static str,
    /// Read every kind that the group serves: a kind that a later version adds must not go unseen.
    /// Otherwise only the known ones.
    pub(super) whole: bool,
    pub(super) known: &'static [Known],
    /// Another group that holds the same objects: where the server has that one, this one is not asked.
    pub(super) same_as: Option<&'static str>,
    /// Plurals that are never read: written by the engine itself from what is read anyway, and many.
    pub(super) derived: &'static [&'static str],
}

/// A kind that matters, should the cluster serve it.
pub(super) struct Known {
    pub(super) version: &'static str,
    pub(super) plural: &'static str,
    pub(super) kind: &'static str,
    pub(super) namespaced: bool,
}

const fn namespaced(version: &'static str, plural: &'static str, kind: &'static str) -> Known {
    Known { version, plural, kind, namespaced: true }
}

const fn cluster(version: &'static str, plural: &'static str, kind: &'static str) -> Known {
    Known { version, plural, kind, namespaced: false }
}

const CALICO: &[Known] = &[
    namespaced("v1", "networkpolicies", "NetworkPolicy"),
    cluster("v1", "globalnetworkpolicies", "GlobalNetworkPolicy"),
    namespaced("v1", "stagednetworkpolicies", "StagedNetworkPolicy"),
    cluster("v1", "stagedglobalnetworkpolicies", "StagedGlobalNetworkPolicy"),
    namespaced("v1", "stagedkubernetesnetworkpolicies", "StagedKubernetesNetworkPolicy"),
    cluster("v1", "tiers", "Tier"),
    namespaced("v1", "networksets", "NetworkSet"),
    cluster("v1", "globalnetworksets", "GlobalNetworkSet"),
    cluster("v1", "hostendpoints", "HostEndpoint"),
    cluster("v1", "felixconfigurations", "FelixConfiguration"),
    cluster("v1", "ippools", "IPPool"),
];

const CALICO_DERIVED: &[&str] = &[
    "blockaffinities",
    "caliconodestatuses",
    "clusterinformations",
    "ipamblocks",
    "ipamconfigs",
    "ipamconfigurations",
    "ipamhandles",
    "ipreservations",
    "profiles",
];

/// The groups by which policy engines and meshes are configured, and trust is spread.
pub(super) const GROUPS: &[Group] = &[
    Group {
        name: "policy.networking.k8s.io",
        whole: true,
        known: &[
            cluster("v1alpha1", "adminnetworkpolicies", "AdminNetworkPolicy"),
            cluster("v1alpha1", "baselineadminnetworkpolicies", "BaselineAdminNetworkPolicy"),
            cluster("v1alpha2", "clusternetworkpolicies", "ClusterNetworkPolicy"),
        ],
        same_as: None,
        derived: &[],
    },
    Group {
        name: "cilium.io",
        whole: true,
        known: &[
            namespaced("v2", "ciliumnetworkpolicies", "CiliumNetworkPolicy"),
            cluster("v2", "ciliumclusterwidenetworkpolicies", "CiliumClusterwideNetworkPolicy"),
            cluster("v2alpha1", "ciliumcidrgroups", "CiliumCIDRGroup"),
            cluster("v2", "ciliumegressgatewaypolicies", "CiliumEgressGatewayPolicy"),
            namespaced("v2", "ciliumlocalredirectpolicies", "CiliumLocalRedirectPolicy"),
            namespaced("v2", "ciliumenvoyconfigs", "CiliumEnvoyConfig"),
            cluster("v2", "ciliumclusterwideenvoyconfigs", "CiliumClusterwideEnvoyConfig"),
            namespaced("v2", "ciliumnodeconfigs", "CiliumNodeConfig"),
        ],
        same_as: None,
        derived: &["ciliumendpoints", "ciliumendpointslices", "ciliumidentities", "ciliumnodes"],
    },
    Group { name: "crd.projectcalico.org", whole: true, known: CALICO, same_as: None, derived: CALICO_DERIVED },
    Group {
        name: "projectcalico.org",
        whole: true,
        known: &[
            namespaced("v3", "networkpolicies", "NetworkPolicy"),
            cluster("v3", "globalnetworkpolicies", "GlobalNetworkPolicy"),
        ],
        same_as: Some("crd.projectcalico.org"),
        derived: CALICO_DERIVED,
    },
    Group {
        name: "operator.tigera.io",
        whole: false,
        known: &[cluster("v1", "installations", "Installation")],
        same_as: None,
        derived: &[],
    },
    Group {
        name: "crd.antrea.io",
        whole: true,
        known: &[
            namespaced("v1beta1", "networkpolicies", "NetworkPolicy"),
            cluster("v1beta1", "clusternetworkpolicies", "ClusterNetworkPolicy"),
            cluster("v1beta1", "tiers", "Tier"),
            namespaced("v1beta1", "groups", "Group"),
            cluster("v1beta1", "clustergroups", "ClusterGroup"),
            cluster("v1beta1", "egresses", "Egress"),
        ],
        same_as: None,
        derived: &[
            "antreaagentinfos",
            "antreacontrollerinfos",
            "ippools",
            "nodelatencymonitors",
            "packetcaptures",
            "supportbundlecollections",
            "traceflows",
        ],
    },
    Group {
        name: "k8s.ovn.org",
        whole: true,
        known: &[
            namespaced("v1", "egressfirewalls", "EgressFirewall"),
            cluster("v1", "egressips", "EgressIP"),
            namespaced("v1", "egressqoses", "EgressQoS"),
            namespaced("v1", "egressservices", "EgressService"),
            cluster("v1", "adminpolicybasedexternalroutes", "AdminPolicyBasedExternalRoute"),
        ],
        same_as: None,
        derived: &["ipamclaims"],
    },
    Group {
        name: "network.openshift.io",
        whole: false,
        known: &[
            namespaced("v1", "egressnetworkpolicies", "EgressNetworkPolicy"),
            cluster("v1", "netnamespaces", "NetNamespace"),
        ],
        same_as: None,
        derived: &[],
    },
    Group {
        name: "config.openshift.io",
        whole: false,
        known: &[
            cluster("v1", "networks", "Network"),
            cluster("v1", "proxies", "Proxy"),
            cluster("v1", "images", "Image"),
        ],
        same_as: None,
        derived: &[],
    },
    Group {
        name: "networking.k8s.aws",
        whole: true,
        known: &[
            namespaced("v1alpha1", "applicationnetworkpolicies", "ApplicationNetworkPolicy"),
            cluster("v1alpha1", "clusternetworkpolicies", "ClusterNetworkPolicy"),
        ],
        same_as: None,
        derived: &["policyendpoints", "clusterpolicyendpoints"],
    },
    Group {
        name: "vpcresources.k8s.aws",
        whole: true,
        known: &[namespaced("v1beta1", "securitygrouppolicies", "SecurityGroupPolicy")],
        same_as: None,
        derived: &["cninodes"],
    },
    Group {
        name: "crd.k8s.amazonaws.com",
        whole: true,
        known: &[cluster("v1alpha1", "eniconfigs", "ENIConfig")],
        same_as: None,
        derived: &[],
    },
    Group {
        name: "networking.gke.io",
        whole: false,
        known: &[namespaced("v1alpha1", "fqdnnetworkpolicies", "FQDNNetworkPolicy")],
        same_as: None,
        derived: &[],
    },
    Group {
        name: "networking.istio.io",
        whole: true,
        known: &[
            namespaced("v1", "sidecars", "Sidecar"),
            namespaced("v1", "serviceentries", "ServiceEntry"),
            namespaced("v1", "virtualservices", "VirtualService"),
            namespaced("v1", "destinationrules", "DestinationRule"),
            namespaced("v1", "gateways", "Gateway"),
            namespaced("v1alpha3", "envoyfilters", "EnvoyFilter"),
        ],
        same_as: None,
        derived: &[],
    },
    Group {
        name: "security.istio.io",
        whole: true,
        known: &[
            namespaced("v1", "authorizationpolicies", "AuthorizationPolicy"),
            namespaced("v1", "peerauthentications", "PeerAuthentication"),
        ],
        same_as: None,
        derived: &[],
    },
    Group {
        name: "extensions.istio.io",
        whole: true,
        known: &[namespaced("v1alpha1", "wasmplugins", "WasmPlugin")],
        same_as: None,
        derived: &[],
    },
    Group {
        name: "policy.linkerd.io",
        whole: true,
        known: &[namespaced("v1alpha1", "egressnetworks", "EgressNetwork")],
        same_as: None,
        derived: &[],
    },
    Group {
        name: "linkerd.io",
        whole: true,
        known: &[namespaced("v1alpha2", "serviceprofiles", "ServiceProfile")],
        same_as: None,
        derived: &[],
    },
    Group {
        name: "gateway.networking.k8s.io",
        whole: false,
        known: &[
            namespaced("v1", "gateways", "Gateway"),
            namespaced("v1", "httproutes", "HTTPRoute"),
            namespaced("v1", "grpcroutes", "GRPCRoute"),
            namespaced("v1", "tlsroutes", "TLSRoute"),
            namespaced("v1alpha2", "tcproutes", "TCPRoute"),
        ],
        same_as: None,
        derived: &[],
    },
    Group {
        name: "eks.amazonaws.com",
        whole: false,
        known: &[cluster("v1", "nodeclasses", "NodeClass")],
        same_as: None,
        derived: &[],
    },
    Group {
        name: "karpenter.k8s.aws",
        whole: false,
        known: &[cluster("v1", "ec2nodeclasses", "EC2NodeClass")],
        same_as: None,
        derived: &[],
    },
    Group {
        name: crate::crd::GROUP,
        whole: false,
        known: &[cluster("v1alpha1", "endpointsets", "EndpointSet"), cluster("v1alpha1", "nodetrusts", "NodeTrust")],
        same_as: None,
        derived: &[],
    },
    // Of these, only what holds certificates or says where they go.
    Group {
        name: "certificates.k8s.io",
        whole: false,
        known: &[cluster("v1beta1", "clustertrustbundles", "ClusterTrustBundle")],
        same_as: None,
        derived: &[],
    },
    Group {
        name: "trust.cert-manager.io",
        whole: false,
        known: &[cluster("v1alpha1", "bundles", "Bundle")],
        same_as: None,
        derived: &[],
    },
    Group {
        name: "trust-manager.io",
        whole: false,
        known: &[cluster("v1alpha2", "clusterbundles", "ClusterBundle")],
        same_as: None,
        derived: &[],
    },
    Group {
        name: "machineconfiguration.openshift.io",
        whole: false,
        known: &[cluster("v1", "controllerconfigs", "ControllerConfig")],
        same_as: None,
        derived: &[],
    },
];

/// ConfigMaps that configure an engine, a mesh or DNS: namespace and name.
pub(super) const CONFIG_MAPS: &[(&str, &str)] = &[
    ("cilium", "cilium-config"),
    ("istio-system", "istio"),
    ("kube-flannel", "kube-flannel-cfg"),
    ("kube-system", "amazon-vpc-cni"),
    ("kube-system", "antrea-config"),
    ("kube-system", "azure-cns-config"),
    ("kube-system", "calico-config"),
    ("kube-system", "canal-config"),
    ("kube-system", "cilium-config"),
    ("kube-system", "coredns"),
    ("kube-system", "coredns-custom"),
    ("kube-system", "kube-dns"),
    ("kube-system", "kube-flannel-cfg"),
    ("kube-system", "kube-proxy"),
    ("kube-system", "kube-proxy-config"),
    ("kube-system", "kube-router-cfg"),
    ("kube-system", "node-local-dns"),
    ("kube-system", "rke2-canal-config"),
    ("kube-system", "rke2-coredns-rke2-coredns"),
    ("kube-system", "weave-net"),
    ("linkerd", "linkerd-config"),
    ("openshift-dns", "dns-default"),
    ("openshift-ovn-kubernetes", "ovnkube-config"),
    ("ovn-kubernetes", "ovnkube-config"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::collect::kinds::{Class, classify, is_cluster_scoped, is_config_of_interest};
    use crate::collect::kube::kinds::BUILT_IN;

    #[test]
    fn what_is_read_is_also_kept() {
        for group in GROUPS {
            for known in group.known {
                assert_ne!(classify(group.name, known.kind), Class::Ignored, "{} of {}", known.kind, group.name);
            }
        }
        for kind in BUILT_IN {
            assert!(!matches!(classify(kind.group, kind.kind), Class::Ignored | Class::Other), "{}", kind.kind);
        }
        for (_, name) in CONFIG_MAPS {
            assert!(is_config_of_interest(name), "{name}");
        }
    }

    #[test]
    fn files_and_clusters_agree_on_which_kinds_have_namespaces() {
        let known = GROUPS.iter().flat_map(|g| g.known.iter().map(|k| (g.name, k.kind, k.namespaced)));
        let built_in = BUILT_IN.iter().map(|k| (k.group, k.kind, k.namespaced));
        for (group, kind, namespaced) in known.chain(built_in) {
            assert_eq!(is_cluster_scoped(group, kind), !namespaced, "{kind} of {group}");
        }
    }
}
