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

/// The `ClusterRole` that lets [`collect`](super::collect) read everything, as YAML.
pub fn reader_role() -> String {
    let mut role = HEAD.to_owned();
    for group in built_in_groups() {
        let resources = BUILT_IN.iter().filter(|kind| kind.group == group).map(|kind| kind.plural);
        rule(&mut role, group, resources, "list");
    }
    role.push_str("# Configuration of network engines, meshes and DNS, by name. A mesh with revisions needs its `istio-<revision>` here too.\n");
    let mut names: Vec<_> = CONFIG_MAPS.iter().map(|(_, name)| *name).collect();
    names.sort_unstable();
    names.dedup();
    rule(&mut role, "", ["configmaps"].into_iter(), "get");
    let _ = writeln!(role, "  resourceNames: [{}]", names.join(", ")); // writing to a String cannot fail
    role.push_str("# CA bundles that pods mount where their clients look for them, whatever their name. Without this rule it is unknown what\n# such pods trust; nothing else depends on it.\n");
    rule(&mut role, "", ["configmaps"].into_iter(), "get");
    role.push_str("# Policy engines and meshes. A kind that a later version adds to these groups may decide too, so they are whole.\n");
    for group in GROUPS.iter().filter(|group| group.whole) {
        rule(&mut role, group.name, ["\"*\""].into_iter(), "list");
    }
    role.push_str("# Of the groups of other products, and of those that spread certificates, only what counts.\n");
    for group in GROUPS.iter().filter(|group| !group.whole) {
        rule(&mut role, group.name, group.known.iter().map(|kind| kind.plural), "list");
    }
    role
}

fn built_in_groups() -> Vec<&'static str> {
    let mut groups: Vec<_> = BUILT_IN.iter().map(|kind| kind.group).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

fn rule(role: &mut String, group: &str, resources: impl Iterator<Item = &'static str>, verb: &str) {
    let resources: Vec<_> = resources.collect();
    let resources = resources.join(", ");
    let group = if group.is_empty() { "\"\"" } else { group };
    let _ = write!(role, "- apiGroups: [{group}]\n  resources: [{resources}]\n  verbs: [{verb}]\n"); // as above
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_role_is_the_one_of_the_table() {
        let documented = include_str!("../../../docs/rbac-reader.yaml");
        assert_eq!(documented, reader_role(), "write what `reader_role` gives to docs/rbac-reader.yaml");
    }
}
