//! What the roles of the chart allow, and nothing more.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::tools::{Tools, example, examples, object, of_kind, text, texts};

fn rules(role: &Value) -> &[Value] {
    role["rules"].as_array().map(Vec::as_slice).unwrap_or_default()
}

#[test]
fn nothing_reads_secrets_and_readers_do_not_write() {
    let Some(tools) = Tools::find() else { return };
    let mut seen = 0;
    for values in examples() {
        let objects = tools.render(Some(&values), &[]).unwrap();
        for role in of_kind(&objects, "ClusterRole").chain(of_kind(&objects, "Role")) {
            let name = text(&role["metadata"]["name"]);
            for rule in rules(role) {
                seen += 1;
                let (groups, resources) = (texts(&rule["apiGroups"]), texts(&rule["resources"]));
                let verbs = texts(&rule["verbs"]);
                assert!(!resources.contains(&"secrets"), "{name}: {rule}");
                assert!(!verbs.contains(&"*") && !groups.contains(&"*"), "{name}: {rule}");
                // Everything of a group stands for the secrets of the core group, too.
                assert!(!(resources.contains(&"*") && groups.contains(&"")), "{name}: {rule}");
                if name.ends_with("-reader") || name.ends_with("-view") {
                    assert!(verbs.iter().all(|verb| ["get", "list", "watch"].contains(verb)), "{name}: {rule}");
                } else {
                    assert!(!resources.contains(&"*"), "{name}: {rule}");
                }
            }
        }
    }
    assert!(seen > 300, "{seen}");
}

/// Group, resource and verb of everything that a role allows.
fn allowed(role: &Value) -> BTreeSet<(String, String, String)> {
    let mut allowed = BTreeSet::new();
    for rule in rules(role) {
        for group in texts(&rule["apiGroups"]) {
            for resource in texts(&rule["resources"]) {
                for verb in texts(&rule["verbs"]) {
                    allowed.insert((group.to_owned(), resource.to_owned(), verb.to_owned()));
                }
            }
        }
    }
    allowed
}

/// The groups that the controller writes.
const OWN: &[&str] = &["buildreach.dev", "events.k8s.io", "openreports.io", "wgpolicyk8s.io"];

#[test]
fn the_controller_writes_its_own_and_the_workloads_only_if_it_is_told_to() {
    let Some(tools) = Tools::find() else { return };
    let writer = |values: &str| {
        let objects = tools.render(Some(&example(values)), &[]).unwrap();
        allowed(object(&objects, "ClusterRole", "buildreach-writer"))
    };
    let default = writer("default");
    assert!(default.iter().all(|(group, _, _)| OWN.contains(&group.as_str())), "{default:?}");
    let has = |set: &BTreeSet<(String, String, String)>, group: &str, resource: &str, verb: &str| {
        set.contains(&(group.to_owned(), resource.to_owned(), verb.to_owned()))
    };
    assert!(has(&default, "buildreach.dev", "buildaudits/status", "patch"));
    assert!(!has(&default, "buildreach.dev", "buildaudits", "patch"), "specifications are people's");
    assert!(has(&default, "buildreach.dev", "clusterbuildaudits", "create"), "for the default audit");
    assert!(
        has(&default, "openreports.io", "reports", "delete")
            && has(&default, "wgpolicyk8s.io", "policyreports", "delete")
    );
    let annotate = writer("annotate");
    assert!(has(&annotate, "apps", "deployments", "patch") && has(&annotate, "batch", "jobs", "patch"));
    assert!(!annotate.iter().any(|(group, ..)| group == "openreports.io"), "reports are policyreport there");
    assert!(has(&annotate, "tekton.dev", "taskruns", "patch"), "rbac.extraWriterRules");
}

#[test]
fn the_controller_may_do_what_its_table_says() {
    let Some(tools) = Tools::find() else { return };
    let more = ["--set", "controller.annotate=true,controller.reports=auto,controller.leaderElection.enabled=true"];
    let objects = tools.render(None, &more).unwrap();
    let mut may = allowed(object(&objects, "ClusterRole", "buildreach-writer"));
    may.extend(allowed(object(&objects, "Role", "buildreach-lease")));
    let needed: Value = serde_saphyr::from_str(&buildreach::controller::writer_role()).unwrap();
    let missing: Vec<_> = allowed(&needed).into_iter().filter(|one| !may.contains(one)).collect();
    assert!(missing.is_empty() && allowed(&needed).len() > 20, "{missing:?}");
}

#[test]
fn the_controller_may_follow_every_kind_of_ours_and_write_the_status_of_audits() {
    let Some(tools) = Tools::find() else { return };
    let objects = tools.render(None, &[]).unwrap();
    let writer = allowed(object(&objects, "ClusterRole", "buildreach-writer"));
    let has = |resource: &str, verb: &str| {
        writer.contains(&("buildreach.dev".to_owned(), resource.to_owned(), verb.to_owned()))
    };
    for definition in of_kind(&objects, "CustomResourceDefinition") {
        let plural = text(&definition["spec"]["names"]["plural"]);
        for verb in ["get", "list", "watch"] {
            assert!(has(plural, verb), "{verb} {plural}");
        }
        let has_status = definition["spec"]["versions"][0]["subresources"]["status"].is_object();
        // The agents write that of NodeTrusts.
        assert_eq!(has(&format!("{plural}/status"), "patch"), has_status && plural != "nodetrusts", "{plural}");
    }
}

#[test]
fn what_the_controller_watches_may_be_watched() {
    let Some(tools) = Tools::find() else { return };
    let objects = tools.render(None, &[]).unwrap();
    let reader = allowed(object(&objects, "ClusterRole", "buildreach-reader"));
    for (group, resource) in [
        ("", "pods"),
        ("", "nodes"),
        ("networking.k8s.io", "networkpolicies"),
        ("cilium.io", "*"),
        ("network.openshift.io", "egressnetworkpolicies"),
        ("buildreach.dev", "nodetrusts"),
    ] {
        for verb in ["get", "list", "watch"] {
            assert!(reader.contains(&(group.to_owned(), resource.to_owned(), verb.to_owned())), "{verb} {resource}");
        }
    }
    assert!(!reader.contains(&(String::new(), "configmaps".to_owned(), "list".to_owned())));
}

#[test]
fn with_namespaces_there_is_no_right_over_the_cluster() {
    let Some(tools) = Tools::find() else { return };
    let objects = tools.render(Some(&example("namespaced")), &[]).unwrap();
    assert_eq!(of_kind(&objects, "ClusterRole").count(), 0);
    assert_eq!(of_kind(&objects, "ClusterRoleBinding").count(), 0);
    let places = |name: &str| {
        let of = of_kind(&objects, "RoleBinding").filter(|binding| binding["metadata"]["name"] == name);
        of.map(|binding| text(&binding["metadata"]["namespace"])).collect::<Vec<_>>()
    };
    assert_eq!(places("buildreach-reader"), ["team-a", "team-a-ci"]);
    assert_eq!(places("buildreach-writer"), ["team-a", "team-a-ci"]);
    assert_eq!(places("buildreach-lease"), ["buildreach"]);
    let reader = object(&objects, "Role", "buildreach-reader");
    let got = |name: &str| {
        rules(reader).iter().filter(|rule| texts(&rule["resources"]).contains(&name)).cloned().collect::<Vec<_>>()
    };
    assert!(got("nodes").is_empty());
    // rbac.anyConfigMap is false there: only those with a name.
    assert!(got("configmaps").iter().all(|rule| rule["resourceNames"].is_array()) && !got("configmaps").is_empty());
    // Any name of a namespace is one.
    let objects = tools.render(Some(&example("namespaced")), &["--set", "watchNamespaces={none}"]).unwrap();
    assert_eq!(object(&objects, "Role", "buildreach-reader")["metadata"]["namespace"], "none");
    let writer = allowed(object(&objects, "Role", "buildreach-writer"));
    assert!(!writer.iter().any(|(_, resource, _)| resource.starts_with("cluster")), "{writer:?}");
}

#[test]
fn every_binding_names_a_role_and_an_account_that_are_made() {
    let Some(tools) = Tools::find() else { return };
    let mut seen = 0;
    for values in examples() {
        let objects = tools.render(Some(&values), &[]).unwrap();
        for binding in of_kind(&objects, "ClusterRoleBinding").chain(of_kind(&objects, "RoleBinding")) {
            seen += 1;
            object(&objects, text(&binding["roleRef"]["kind"]), text(&binding["roleRef"]["name"]));
            for subject in binding["subjects"].as_array().unwrap() {
                object(&objects, "ServiceAccount", text(&subject["name"]));
                assert_eq!(subject["namespace"], "buildreach");
            }
        }
    }
    assert!(seen > 30, "{seen}");
    let objects = tools.render(Some(&example("existing-accounts")), &[]).unwrap();
    assert_eq!(of_kind(&objects, "ServiceAccount").count(), 0);
    let deployment = object(&objects, "Deployment", "buildreach-controller");
    assert_eq!(deployment["spec"]["template"]["spec"]["serviceAccountName"], "buildreach");
}

#[test]
fn the_cloud_role_is_that_of_who_asks_the_cloud() {
    let Some(tools) = Tools::find() else { return };
    let objects = tools.render(Some(&example("aws")), &["--set", "agent.enabled=true"]).unwrap();
    let role = |name: &str| {
        object(&objects, "ServiceAccount", name)["metadata"]["annotations"]["eks.amazonaws.com/role-arn"].clone()
    };
    assert_eq!(role("buildreach-controller"), "arn:aws:iam::111122223333:role/buildreach");
    assert_eq!(role("buildreach-audit"), "arn:aws:iam::111122223333:role/buildreach");
    assert_eq!(role("buildreach-agent"), Value::Null);
}
