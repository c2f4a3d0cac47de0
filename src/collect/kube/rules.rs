//! Rules of a role as YAML.

use std::fmt::Write as _;

/// Rules, in the order in which they are written.
#[derive(Debug, Default)]
pub(crate) struct Rules(String);

impl Rules {
    /// A comment before the next rule.
    pub(crate) fn about(&mut self, text: &str) {
        comment(&mut self.0, text);
    }

    /// The verbs, with commas between them, on resources of a group.
    pub(crate) fn allow(&mut self, group: &str, resources: impl IntoIterator<Item = &'static str>, verbs: &str) {
        let resources: Vec<_> = resources.into_iter().map(quoted).collect();
        let (group, resources) = (quoted(group), resources.join(", "));
        // Writing to a String cannot fail.
        let _ = write!(self.0, "- apiGroups: [{group}]\n  resources: [{resources}]\n  verbs: [{verbs}]\n");
    }

    /// The last rule holds for objects of these names alone.
    pub(crate) fn only(&mut self, names: &[&str]) {
        let _ = writeln!(self.0, "  resourceNames: [{}]", names.join(", ")); // as above
    }

    /// The list of rules.
    pub(crate) fn into_yaml(self) -> String {
        self.0
    }

    /// A `ClusterRole` with them, and what is to be said about it.
    pub(crate) fn cluster_role(self, name: &str, about: &str) -> String {
        let mut role = String::new();
        comment(&mut role, about);
        role.push_str("apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRole\n");
        let _ = write!(role, "metadata:\n  name: {name}\nrules:\n{}", self.0); // as above
        role
    }
}

fn comment(yaml: &mut String, text: &str) {
    for line in text.lines() {
        let _ = writeln!(yaml, "# {line}"); // as above
    }
}

/// The core group has no name, and a star alone is an alias in YAML.
fn quoted(name: &str) -> &str {
    match name {
        "" => "\"\"",
        "*" => "\"*\"",
        name => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_written_as_people_write_them() {
        let mut rules = Rules::default();
        rules.about("First\nand second");
        rules.allow("", ["pods", "services"], "get, list");
        rules.only(&["a", "b"]);
        rules.allow("cilium.io", ["*"], "list");
        assert_eq!(
            rules.cluster_role("reader", "Why."),
            r#"# Why.
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: reader
rules:
# First
# and second
- apiGroups: [""]
  resources: [pods, services]
  verbs: [get, list]
  resourceNames: [a, b]
- apiGroups: [cilium.io]
  resources: ["*"]
  verbs: [list]
"#
        );
    }
}
