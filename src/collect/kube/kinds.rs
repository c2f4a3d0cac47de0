//! Which kinds are read from a cluster: the one table behind collection, preflight and the reader role.

use kube::core::ApiResource;

use super::discover::{Resource, Served};
use super::groups::{GROUPS, Group};

/// A kind with everything that a list request needs.
#[allow(clippy::struct_field_names)] // `kind` is what the API calls it
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) plural: String,
    pub(super) kind: String,
    pub(super) namespaced: bool,
    /// Sent with the list, to leave out what decides nothing.
    pub(super) field_selector: Option<&'static str>,
}

impl Kind {
    /// The path of the list, of one namespace where given.
    pub(super) fn path(&self, namespace: Option<&str>) -> String {
        let root = if self.group.is_empty() { "/api/" } else { "/apis/" };
        let root = format!("{root}{}", self.api_version());
        match namespace {
            Some(namespace) => format!("{root}/namespaces/{namespace}/{}", self.plural),
            None => format!("{root}/{}", self.plural),
        }
    }

    /// ConfigMaps: never listed, read by name.
    pub(super) fn config_map() -> Self {
        Self {
            group: String::new(),
            version: "v1".to_owned(),
            plural: "configmaps".to_owned(),
            kind: "ConfigMap".to_owned(),
            namespaced: true,
            field_selector: None,
        }
    }

    /// `v1`, `networking.k8s.io/v1`.
    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }

    /// The name under which coverage is recorded: the kind, with its group where another group of
    /// the table has a kind of that name and comes first (`NetworkPolicy.crd.projectcalico.org`).
    pub(super) fn coverage_name(&self) -> String {
        let builtin = BUILT_IN.iter().map(|k| (k.group, k.kind));
        let groups = GROUPS.iter().flat_map(|g| g.known.iter().map(|k| (g.name, k.kind)));
        match builtin.chain(groups).find(|(_, kind)| *kind == self.kind) {
            Some((group, _)) if group != self.group => format!("{}.{}", self.kind, self.group),
            _ => self.kind.clone(),
        }
    }
}

/// A kind that every cluster serves.
pub(super) struct BuiltIn {
    pub(super) group: &'static str,
    pub(super) version: &'static str,
    pub(super) plural: &'static str,
    pub(super) kind: &'static str,
    pub(super) namespaced: bool,
    pub(super) field_selector: Option<&'static str>,
}

const fn built_in(
    group: &'static str,
    version: &'static str,
    plural: &'static str,
    kind: &'static str,
    namespaced: bool,
) -> BuiltIn {
    BuiltIn { group, version, plural, kind, namespaced, field_selector: None }
}

/// The built-in kinds. Secrets are not among them and never will be; ConfigMaps are read by name.
pub(super) const BUILT_IN: &[BuiltIn] = &[
    built_in("", "v1", "namespaces", "Namespace", false),
    built_in("", "v1", "nodes", "Node", false),
    built_in("networking.k8s.io", "v1", "networkpolicies", "NetworkPolicy", true),
    BuiltIn {
        // A pod that has ended sends nothing, and its address may belong to another by now.
        field_selector: Some("status.phase!=Succeeded,status.phase!=Failed"),
        ..built_in("", "v1", "pods", "Pod", true)
    },
    built_in("apps", "v1", "deployments", "Deployment", true),
    built_in("apps", "v1", "statefulsets", "StatefulSet", true),
    built_in("apps", "v1", "daemonsets", "DaemonSet", true),
    built_in("apps", "v1", "replicasets", "ReplicaSet", true),
    built_in("", "v1", "replicationcontrollers", "ReplicationController", true),
    built_in("batch", "v1", "jobs", "Job", true),
    built_in("batch", "v1", "cronjobs", "CronJob", true),
    built_in("", "v1", "podtemplates", "PodTemplate", true),
    built_in("", "v1", "services", "Service", true),
    built_in("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice", true),
];

/// How a built-in kind of that name is asked for; `None` if it is none of those that are read.
pub fn built_in_resource(kind: &str) -> Option<ApiResource> {
    let found = BUILT_IN.iter().find(|known| known.kind == kind)?;
    let api_version =
        if found.group.is_empty() { found.version.to_owned() } else { format!("{}/{}", found.group, found.version) };
    Some(ApiResource {
        group: found.group.to_owned(),
        version: found.version.to_owned(),
        api_version,
        kind: found.kind.to_owned(),
        plural: found.plural.to_owned(),
    })
}

/// A kind with what discovery said about it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Planned {
    pub(super) kind: Kind,
    pub(super) how: How,
}

/// What to do about a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum How {
    List,
    /// The server does not have it: nothing to ask.
    NotServed,
    /// The same objects are read through another group.
    ReadElsewhere,
    /// The server should have it but cannot say more (an extension API server that is down).
    Failed(String),
}

/// Every kind to read, in the order in which it is recorded.
pub(super) fn plan(served: &Served) -> Vec<Planned> {
    let built_in = BUILT_IN.iter().map(|k| Planned {
        kind: Kind {
            group: k.group.to_owned(),
            version: k.version.to_owned(),
            plural: k.plural.to_owned(),
            kind: k.kind.to_owned(),
            namespaced: k.namespaced,
            field_selector: k.field_selector,
        },
        how: How::List,
    });
    built_in.chain(GROUPS.iter().flat_map(|group| plan_group(group, served))).collect()
}

fn plan_group(group: &Group, served: &Served) -> Vec<Planned> {
    let is_read_elsewhere = group.same_as.is_some_and(|other| served.resources(other).next().is_some());
    let mut plan = Vec::new();
    for known in group.known {
        let (version, how) = match served.find(group.name, known.plural) {
            Some(resource) if is_read_elsewhere => (resource.version.clone(), How::ReadElsewhere),
            Some(resource) => (resource.version.clone(), How::List),
            None => (known.version.to_owned(), served.absence(group.name)),
        };
        plan.push(Planned {
            kind: Kind {
                group: group.name.to_owned(),
                version,
                plural: known.plural.to_owned(),
                kind: known.kind.to_owned(),
                namespaced: known.namespaced,
                field_selector: None,
            },
            how,
        });
    }
    if group.whole && !is_read_elsewhere {
        let further = served.resources(group.name).filter(|r| {
            !group.known.iter().any(|known| known.plural == r.plural) && !group.derived.contains(&r.plural.as_str())
        });
        plan.extend(further.map(|r| Planned { kind: r.into(), how: How::List }));
    }
    plan
}

impl From<&Resource> for Kind {
    fn from(resource: &Resource) -> Self {
        let Resource { group, version, plural, kind, namespaced } = resource.clone();
        Self { group, version, plural, kind, namespaced, field_selector: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(group: &str, version: &str, plural: &str, kind: &str) -> Resource {
        Resource {
            group: group.to_owned(),
            version: version.to_owned(),
            plural: plural.to_owned(),
            kind: kind.to_owned(),
            namespaced: true,
        }
    }

    fn find<'p>(plan: &'p [Planned], group: &str, plural: &str) -> Option<&'p Planned> {
        plan.iter().find(|p| p.kind.group == group && p.kind.plural == plural)
    }

    #[test]
    fn only_what_is_served_is_listed() {
        let served = Served::new(vec![
            resource("cilium.io", "v2", "ciliumnetworkpolicies", "CiliumNetworkPolicy"),
            resource("cilium.io", "v2", "ciliumendpoints", "CiliumEndpoint"),
            resource("cilium.io", "v3", "ciliumnewpolicies", "CiliumNewPolicy"),
            resource("networking.gke.io", "v1", "managedcertificates", "ManagedCertificate"),
        ]);
        let plan = plan(&served);
        assert_eq!(find(&plan, "cilium.io", "ciliumnetworkpolicies").map(|p| &p.how), Some(&How::List));
        assert_eq!(find(&plan, "cilium.io", "ciliumcidrgroups").map(|p| &p.how), Some(&How::NotServed));
        assert_eq!(find(&plan, "cilium.io", "ciliumnewpolicies").map(|p| p.kind.version.as_str()), Some("v3"));
        assert_eq!(find(&plan, "cilium.io", "ciliumendpoints"), None);
        assert_eq!(find(&plan, "networking.gke.io", "managedcertificates"), None);
    }

    #[test]
    fn one_store_behind_two_groups_is_read_once() {
        let of = |group| resource(group, "v1", "globalnetworkpolicies", "GlobalNetworkPolicy");
        let how = |served: &Served| {
            let plan = plan(served);
            find(&plan, "projectcalico.org", "globalnetworkpolicies").map(|p| p.how.clone())
        };
        let both = Served::new(vec![of("crd.projectcalico.org"), of("projectcalico.org")]);
        assert_eq!(how(&both), Some(How::ReadElsewhere));
        assert_eq!(how(&Served::new(vec![of("projectcalico.org")])), Some(How::List));
        assert_eq!(how(&Served::new(vec![of("crd.projectcalico.org")])), Some(How::NotServed));
    }

    #[test]
    fn the_served_version_is_asked_for() {
        let served = Served::new(vec![resource("policy.networking.k8s.io", "v1", "clusternetworkpolicies", "X")]);
        let plan = plan(&served);
        let path = find(&plan, "policy.networking.k8s.io", "clusternetworkpolicies").map(|p| p.kind.path(None));
        assert_eq!(path.as_deref(), Some("/apis/policy.networking.k8s.io/v1/clusternetworkpolicies"));
    }

    #[test]
    fn every_known_kind_is_tried_when_discovery_is_not_readable() {
        let plan = plan(&Served::unreadable());
        assert!(plan.iter().all(|p| p.how == How::List));
    }

    #[test]
    fn coverage_names_are_distinct_and_upstream_kinds_keep_theirs() {
        let plan = plan(&Served::unreadable());
        let mut names: Vec<_> = plan.iter().map(|p| p.kind.coverage_name()).collect();
        for expected in ["NetworkPolicy", "ClusterNetworkPolicy", "NetworkPolicy.crd.antrea.io"] {
            assert!(names.iter().any(|name| name == expected), "{expected}");
        }
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn paths_are_those_of_the_api() {
        let plan = plan(&Served::unreadable());
        let paths: Vec<_> = plan.iter().take(4).map(|p| p.kind.path(Some("ci"))).collect();
        assert_eq!(paths[2], "/apis/networking.k8s.io/v1/namespaces/ci/networkpolicies");
        assert_eq!(paths[3], "/api/v1/namespaces/ci/pods");
        assert!(plan.iter().all(|p| p.kind.plural != "secrets"));
    }
}
