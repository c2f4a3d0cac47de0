//! The least role that lets everything be read, out of the same table that is read.

use std::fmt::Write as _;

use super::groups::{CONFIG_MAPS, GROUPS};
use super::kinds::BUILT_IN;

const HEAD: &str = "\
# What buildreach reads of a cluster, and nothing more: no Secret, no list of ConfigMaps, no writes.
# Bind it with a ClusterRoleBinding. `buildreach audit --preflight` shows what a set of credentials may read.
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: buildreach-reader
rules:
";

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
    HEAD.to_owned() + &reader_rules(RoleScope::Cluster, "list")
}

/// The rules of such a role, as a YAML list. `verbs` are those on what is listed, with commas between them: `list` for
/// one audit, `get, list, watch` for who keeps up to date. ConfigMaps are only ever got.
pub fn reader_rules(scope: RoleScope, verbs: &str) -> String {
    let holds = |namespaced: bool| namespaced || scope == RoleScope::Cluster;
    let mut role = String::new();
    if scope == RoleScope::Namespace {
        role.push_str("# The labels of the namespace itself.\n");
        rule(&mut role, "", ["namespaces"].into_iter(), "get");
    }
    for group in built_in_groups() {
        let kinds = BUILT_IN.iter().filter(|kind| kind.group == group && holds(kind.namespaced));
        rule(&mut role, group, kinds.map(|kind| kind.plural), verbs);
    }
    role.push_str("# Configuration of network engines, meshes and DNS, by name. A mesh with revisions needs its `istio-<revision>` here too.\n");
    let mut names: Vec<_> = CONFIG_MAPS.iter().map(|(_, name)| *name).collect();
    names.sort_unstable();
    names.dedup();
    rule(&mut role, "", ["configmaps"].into_iter(), "get");
    let _ = writeln!(role, "  resourceNames: [{}]", names.join(", ")); // writing to a String cannot fail
    role.push_str("# CA bundles that pods mount where their clients look for them, whatever their name. Without this rule it is unknown what\n# such pods trust; nothing else depends on it.\n");
    rule(&mut role, "", ["configmaps"].into_iter(), "get");
    let groups = || GROUPS.iter().filter(|group| group.known.iter().any(|kind| holds(kind.namespaced)));
    role.push_str("# Policy engines and meshes. A kind that a later version adds to these groups may decide too, so they are whole.\n");
    for group in groups().filter(|group| group.whole) {
        rule(&mut role, group.name, ["\"*\""].into_iter(), verbs);
    }
    role.push_str("# Of the groups of other products, and of those that spread certificates, only what counts.\n");
    for group in groups().filter(|group| !group.whole) {
        let kinds = group.known.iter().filter(|kind| holds(kind.namespaced));
        rule(&mut role, group.name, kinds.map(|kind| kind.plural), verbs);
    }
    role
}

fn built_in_groups() -> Vec<&'static str> {
    let mut groups: Vec<_> = BUILT_IN.iter().map(|kind| kind.group).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

fn rule(role: &mut String, group: &str, resources: impl Iterator<Item = &'static str>, verbs: &str) {
    let resources: Vec<_> = resources.collect();
    let resources = resources.join(", ");
    let group = if group.is_empty() { "\"\"" } else { group };
    let _ = write!(role, "- apiGroups: [{group}]\n  resources: [{resources}]\n  verbs: [{verbs}]\n"); // as above
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
