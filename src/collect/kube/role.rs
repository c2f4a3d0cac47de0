//! The least role that lets everything be read, out of the same table that is read.

use super::groups::{CONFIG_MAPS, GROUPS};
use super::kinds::BUILT_IN;
use super::rules::Rules;

const ABOUT: &str = "\
What buildreach reads of a cluster, and nothing more: no Secret, no list of ConfigMaps, no writes.
Bind it with a ClusterRoleBinding. `buildreach audit --preflight` shows what a set of credentials may read.";

/// Where a role holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleScope {
    /// In the whole cluster: a `ClusterRole` with a `ClusterRoleBinding`.
    Cluster,
    /// In one namespace: a `Role`. Kinds without a namespace are left out, for nothing can grant them there.
    Namespace,
}

/// The `ClusterRole` that lets [`collect`](super::collect) read everything, as YAML.
pub fn reader_role() -> String {
    rules(RoleScope::Cluster, "list").cluster_role("buildreach-reader", ABOUT)
}

/// The rules of such a role, as a YAML list. `verbs` are those on what is listed, with commas between them: `list` for
/// one audit, `get, list, watch` for who keeps up to date. ConfigMaps are only ever got.
pub fn reader_rules(scope: RoleScope, verbs: &str) -> String {
    rules(scope, verbs).into_yaml()
}

fn rules(scope: RoleScope, verbs: &str) -> Rules {
    let holds = |namespaced: bool| namespaced || scope == RoleScope::Cluster;
    let mut rules = Rules::default();
    if scope == RoleScope::Namespace {
        rules.about("The labels of the namespace itself.");
        rules.allow("", ["namespaces"], "get");
    }
    for group in built_in_groups() {
        let kinds = BUILT_IN.iter().filter(|kind| kind.group == group && holds(kind.namespaced));
        rules.allow(group, kinds.map(|kind| kind.plural), verbs);
    }
    rules.about(
        "Configuration of network engines, meshes and DNS, by name. A mesh with revisions needs its `istio-<revision>` here too.",
    );
    let mut names: Vec<_> = CONFIG_MAPS.iter().map(|(_, name)| *name).collect();
    names.sort_unstable();
    names.dedup();
    rules.allow("", ["configmaps"], "get");
    rules.only(&names);
    rules.about(
        "CA bundles that pods mount where their clients look for them, whatever their name. Without this rule it is unknown what\n\
         such pods trust; nothing else depends on it.",
    );
    rules.allow("", ["configmaps"], "get");
    let groups = || GROUPS.iter().filter(|group| group.known.iter().any(|kind| holds(kind.namespaced)));
    rules.about(
        "Policy engines and meshes. A kind that a later version adds to these groups may decide too, so they are whole.",
    );
    for group in groups().filter(|group| group.whole) {
        rules.allow(group.name, ["*"], verbs);
    }
    rules.about("Of the groups of other products, and of those that spread certificates, only what counts.");
    for group in groups().filter(|group| !group.whole) {
        let kinds = group.known.iter().filter(|kind| holds(kind.namespaced));
        rules.allow(group.name, kinds.map(|kind| kind.plural), verbs);
    }
    rules
}

fn built_in_groups() -> Vec<&'static str> {
    let mut groups: Vec<_> = BUILT_IN.iter().map(|kind| kind.group).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_role_is_the_one_of_the_table() {
        let documented = include_str!("../../../docs/rbac-reader.yaml");
        assert_eq!(documented, reader_role(), "write what `reader_role` gives to docs/rbac-reader.yaml");
    }

    #[test]
    fn a_role_of_one_namespace_grants_what_stands_in_namespaces() {
        let rules = reader_rules(RoleScope::Namespace, "get, list, watch");
        assert!(rules.contains("resources: [namespaces]\n  verbs: [get]\n"), "{rules}");
        assert!(rules.contains(
            "resources: [pods, replicationcontrollers, podtemplates, services]\n  verbs: [get, list, watch]"
        ));
        for cluster_wide in ["nodes", "ec2nodeclasses", "crd.k8s.amazonaws.com", "clustertrustbundles"] {
            assert!(!rules.contains(cluster_wide), "{cluster_wide} in\n{rules}");
        }
    }
}
