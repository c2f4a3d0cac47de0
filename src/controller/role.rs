//! What the controller may do beyond reading, in one table.

use crate::collect::kube::Rules;

/// When a rule is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Always,
    /// With this flag.
    With(&'static str),
}

/// One rule of a role.
struct Rule {
    about: &'static str,
    group: &'static str,
    resources: &'static [&'static str],
    verbs: &'static [&'static str],
    when: When,
}

const AUDITS: &[&str] = &["buildaudits", "clusterbuildaudits"];
const REPORTING: &[&str] = &["get", "list", "watch", "create", "patch", "delete"];

const WRITES: &[Rule] = &[
    Rule {
        about: "What is asked, and the answers",
        group: "buildreach.dev",
        resources: AUDITS,
        verbs: &["get", "list", "watch"],
        when: When::Always,
    },
    Rule {
        about: "",
        group: "buildreach.dev",
        resources: &["buildaudits/status", "clusterbuildaudits/status"],
        verbs: &["get", "patch"],
        when: When::Always,
    },
    Rule {
        about: "The ClusterBuildAudit `default`",
        group: "buildreach.dev",
        resources: &["clusterbuildaudits"],
        verbs: &["create"],
        when: When::With("--default-audit"),
    },
    Rule {
        about: "Full results",
        group: "openreports.io",
        resources: &["reports"],
        verbs: REPORTING,
        when: When::With("--reports auto or openreports"),
    },
    Rule {
        about: "",
        group: "wgpolicyk8s.io",
        resources: &["policyreports"],
        verbs: REPORTING,
        when: When::With("--reports auto or policyreport"),
    },
    Rule {
        about: "Changes of outcomes",
        group: "events.k8s.io",
        resources: &["events"],
        verbs: &["create", "patch"],
        when: When::Always,
    },
    Rule {
        about: "The lease; a Role in its namespace is enough",
        group: "coordination.k8s.io",
        resources: &["leases"],
        verbs: &["get", "create", "update"],
        when: When::With("--leader-elect"),
    },
    Rule {
        about: "Annotations of workloads",
        group: "",
        resources: &["pods", "replicationcontrollers"],
        verbs: &["patch"],
        when: When::With("--annotate"),
    },
    Rule {
        about: "",
        group: "apps",
        resources: &["deployments", "statefulsets", "daemonsets", "replicasets"],
        verbs: &["patch"],
        when: When::With("--annotate"),
    },
    Rule {
        about: "",
        group: "batch",
        resources: &["jobs", "cronjobs"],
        verbs: &["patch"],
        when: When::With("--annotate"),
    },
];

const ABOUT: &str = "\
What the controller may do beyond what docs/rbac-reader.yaml lets it read. That role needs the verbs `get` and `watch`
beside `list` for it: `get` on workloads and pods finds the API versions and uids of owners.
Leave out what belongs to a flag that is not given.";

/// The `ClusterRole` for what the controller does beyond reading, with every flag, as YAML.
pub fn writer_role() -> String {
    let mut rules = Rules::default();
    for rule in WRITES {
        let flag = match rule.when {
            When::Always => String::new(),
            When::With(flag) => format!("({flag})"),
        };
        let about = [rule.about, &flag].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" ");
        rules.about(&about);
        rules.allow(rule.group, rule.resources.iter().copied(), &rule.verbs.join(", "));
    }
    rules.cluster_role("buildreach-writer", ABOUT)
}

#[cfg(test)]
mod tests {
    use super::super::annotate::KINDS;
    use super::*;
    use crate::collect::kube::built_in;

    #[test]
    fn the_documented_role_is_the_one_of_the_table() {
        let documented = include_str!("../../docs/rbac-writer.yaml");
        assert_eq!(documented, writer_role(), "write what `writer_role` gives to docs/rbac-writer.yaml");
    }

    #[test]
    fn every_kind_that_is_annotated_may_be() {
        for kind in KINDS {
            let resource = built_in(kind);
            let rule = WRITES.iter().filter(|rule| rule.when == When::With("--annotate")).find(|rule| {
                let is_of = |r: &kube::core::ApiResource| rule.group == r.group && rule.resources.contains(&&*r.plural);
                resource.as_ref().is_some_and(is_of)
            });
            assert!(rule.is_some_and(|rule| rule.verbs == ["patch"]), "{kind}");
        }
    }
}
