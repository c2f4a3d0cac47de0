//! The manifests of the demo on a real API server: the same outcomes, deciding rules and findings as from their files. The
//! documents of its VPC take no part: no cluster holds them.

#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use std::path::{Path, PathBuf};

use common::apiserver::{ADMIN, ApiServer};
use common::command::buildreach;
use serde_json::{Value, json};

const NO_POLICIES: &str = "no-policies";
const AT: &str = "2026-11-24T12:00:00Z";

fn manifests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/demo/manifests")
}

fn report(arguments: &[&str]) -> (i32, Value) {
    let (code, out, err) = buildreach(&[&["audit", "--at", AT, "-o", "json"], arguments].concat());
    (code, serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {err}")))
}

/// A report without where things were read.
fn without_places(mut report: Value) -> Value {
    for field in ["coverage", "cluster", "notes"] {
        report.as_object_mut().unwrap().remove(field);
    }
    strip(&mut report);
    report
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for field in ["file", "line", "place", "resourceVersion", "fieldManager", "coverageComplete"] {
                fields.remove(field);
            }
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        // Settings name their place in words: `… (demo/builds.yaml:31)`.
        Value::String(text) => {
            while let Some((start, end)) = text.find(" (").and_then(|s| Some((s, s + text[s..].find(')')? + 1))) {
                if !text[start..end].contains(".yaml") && !text[start..end].contains("cluster ") {
                    break;
                }
                text.replace_range(start..end, "");
            }
        }
        _ => {}
    }
}

fn bind(server: &ApiServer) {
    let role: Value = serde_saphyr::from_str(include_str!("../docs/rbac-reader.yaml")).unwrap();
    let mut without = role;
    without["metadata"]["name"] = json!("no-policies");
    without["rules"].as_array_mut().unwrap().retain(|rule| rule["apiGroups"] != json!(["networking.k8s.io"]));
    server.apply(&without);
    server.apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": NO_POLICIES},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "no-policies"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": NO_POLICIES}],
    }));
}

#[test]
fn the_demo_is_the_same_on_a_server() {
    let Some(server) = ApiServer::start(&[NO_POLICIES]) else { return };
    for definition in buildreach::crd::definitions().unwrap() {
        server.apply(&serde_saphyr::from_str::<Value>(&definition.yaml).unwrap());
    }
    server.load(&manifests());
    bind(&server);
    let admin = server.kubeconfig(ADMIN, None);
    let admin = admin.to_string_lossy();

    let (code, live) = report(&["--kubeconfig", &admin]);
    let (folder_code, folder) = report(&[&manifests().to_string_lossy()]);
    assert_eq!((code, folder_code), (1, 1));
    assert_eq!(live["summary"]["coverageComplete"], json!(true), "{:#}", live["coverage"]);
    let evidence = &live["findings"][0]["evidence"][0];
    assert!(evidence["resourceVersion"].is_string() && evidence["fieldManager"].is_string(), "{evidence:#}");
    let (_, sarif, _) = buildreach(&["audit", "--kubeconfig", &admin, "-o", "sarif"]);
    assert!(sarif.contains("go-builds/NetworkPolicy/") && !sarif.contains("physicalLocation"), "{sarif}");
    let (live, folder) = (without_places(live), without_places(folder));
    assert_eq!(live["summary"], folder["summary"]);
    for (live, folder) in live["findings"].as_array().unwrap().iter().zip(folder["findings"].as_array().unwrap()) {
        assert_eq!(live, folder);
    }
    assert_eq!(live["results"], folder["results"]);
    assert_eq!(live, folder);

    a_saved_cluster_reads_the_same(&admin);
    a_forbidden_kind_leaves_outcomes_unknown(&server);
}

fn a_saved_cluster_reads_the_same(kubeconfig: &str) {
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("saved");
    let saved = saved.to_string_lossy();
    let (code, _, err) = buildreach(&["snapshot", "--kubeconfig", kubeconfig, "--at", AT, "-O", &saved]);
    assert_eq!(code, 0, "{err}");
    let (_, live, _) = buildreach(&["audit", "--kubeconfig", kubeconfig, "--at", AT, "-o", "json"]);
    let (_, again, _) = buildreach(&["audit", &saved, "-o", "json"]);
    assert!(live == again, "the saved snapshot gives another report");
    assert!(Path::new(saved.as_ref()).is_dir());
}

fn a_forbidden_kind_leaves_outcomes_unknown(server: &ApiServer) {
    let kubeconfig = server.kubeconfig(NO_POLICIES, None);
    let kubeconfig = kubeconfig.to_string_lossy();
    let (code, report) = report(&["--kubeconfig", &kubeconfig, "--require-complete"]);
    assert_eq!(code, 3);
    let outcomes = &report["summary"]["outcomes"];
    // The registry whose CA the container lacks stays blocked, whatever the policies are.
    assert_eq!((&outcomes["Reachable"], &outcomes["Blocked"]), (&json!(0), &json!(1)), "{outcomes}");
    assert!(outcomes["Unknown"].as_u64() > Some(0), "{outcomes}");
    let told = report["findings"].as_array().unwrap().iter().any(|f| f["code"] == "BR-COV-001");
    assert!(told, "{:#}", report["findings"]);

    let (code, out, err) = buildreach(&["audit", "--preflight", "--kubeconfig", &kubeconfig]);
    assert_eq!(code, 0, "{err}");
    let row = out.lines().find(|l| l.starts_with("networkpolicies")).unwrap();
    assert!(row.split_whitespace().any(|word| word == "no"), "{row}");
}
