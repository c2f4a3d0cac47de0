//! The controller on a real API server: the status of audits follows what the cluster holds.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::time::{Duration, Instant};

use common::controller::{Controller, NS_AUDITS, USER, audit_of, condition, deny_all, server, wait};
use serde_json::{Value, json};

/// Far more than it takes (two seconds are promised, a third of one is usual): what is slow here may be the machine.
const SOON: Duration = Duration::from_secs(10);

#[test]
fn the_status_follows_the_policies() {
    let Some(server) = server() else { return };
    server.apply(&audit_of("tools"));
    let controller = Controller::start(&server, USER, &["--default-audit"]);
    let path = format!("{NS_AUDITS}/builds");
    let long = Duration::from_secs(30);
    let (object, _) = wait(&server, &path, long, |o| condition(o, "Compliant")["status"] == "True");
    assert_eq!(
        object["status"]["subjects"],
        json!({"total": 1, "reachable": 1, "blocked": 0, "partial": 0, "unknown": 0})
    );
    assert_eq!(condition(&object, "Ready")["reason"], "AuditSucceeded");
    assert_eq!(condition(&object, "CoverageComplete")["status"], "True");
    assert_eq!(object["status"]["observedGeneration"], object["metadata"]["generation"]);
    let since = condition(&object, "Compliant")["lastTransitionTime"].clone();

    // A lookup needs the resolver: the other policy of the namespace admits it, this one alone does not.
    server.delete("/apis/networking.k8s.io/v1/namespaces/tools/networkpolicies/builds-out");
    server.apply(&deny_all("tools"));
    let (object, took) = wait(&server, &path, long, |o| condition(o, "Compliant")["status"] == "False");
    assert!(took < SOON, "{took:?}");
    assert_eq!(condition(&object, "Compliant")["reason"], "EndpointsBlocked");
    assert_ne!(condition(&object, "Compliant")["lastTransitionTime"], since);
    assert_eq!(condition(&object, "Ready")["lastTransitionTime"], since);
    let first = &object["status"]["findings"][0];
    assert_eq!(
        (&first["code"], &first["outcome"], &first["layer"]),
        (&json!("BR-DNS-001"), &json!("Blocked"), &json!("dns"))
    );
    assert_eq!(first["subject"], "tools/Deployment/cargo-worker");
    assert_eq!(first["decidedBy"], "NetworkPolicy tools/cut-off");
    assert!(serde_json::to_vec(&object["status"]).unwrap().len() < 16 << 10);
    let managers = object["metadata"]["managedFields"].as_array().unwrap();
    assert!(managers.iter().any(|m| m["manager"] == "buildreach-controller" && m["subresource"] == "status"));

    // Nothing is written while nothing changes.
    let version = object["metadata"]["resourceVersion"].clone();
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(server.get(&path).unwrap()["metadata"]["resourceVersion"], version);

    server.delete("/apis/networking.k8s.io/v1/namespaces/tools/networkpolicies/cut-off");
    let (_, took) = wait(&server, &path, long, |o| condition(o, "Compliant")["status"] == "True");
    assert!(took < SOON, "{took:?}");

    // What somebody else writes into the status does not stay there.
    let forged = json!({"apiVersion": "buildreach.dev/v1alpha1", "kind": "BuildAudit",
        "metadata": {"name": "builds", "namespace": "tools"},
        "status": {"subjects": {"total": 7, "reachable": 7, "blocked": 0, "partial": 0, "unknown": 0}}});
    server.apply(&json!({"apiVersion": "buildreach.dev/v1alpha1", "kind": "BuildAudit",
        "metadata": forged["metadata"], "spec": {}, "status": forged["status"]}));
    wait(&server, &path, long, |o| o["status"]["subjects"]["total"] == 1);

    // The audit of everything is there, and its spec was defaulted by the server.
    let everything = "/apis/buildreach.dev/v1alpha1/clusterbuildaudits/default";
    let (object, _) = wait(&server, everything, long, |o| condition(o, "Compliant")["status"] == "False");
    assert_eq!(object["spec"]["failOn"], "high");
    assert!(object["status"]["subjects"]["total"].as_i64() >= Some(5));

    let (line, body) = controller.get("/metrics");
    assert!(line.contains("200"), "{line}");
    for wanted in [
        "buildreach_subjects{audit=\"tools/builds\",namespace=\"tools\",outcome=\"Reachable\"} 1",
        "buildreach_leader 1",
        "buildreach_coverage_complete{audit=\"default\"} 1",
        "buildreach_objects{kind=\"Pod\"}",
    ] {
        assert!(body.contains(wanted), "{wanted} is not in\n{body}");
    }
    for path in ["/livez", "/readyz"] {
        assert!(controller.get(path).0.contains("200"));
    }
    assert!(controller.get("/secrets").0.contains("404"));

    // A spec that cannot be answered says so, and is answered when it is mended.
    let mut audit = audit_of("tools");
    audit["spec"] = json!({"ecosystems": ["golangg"]});
    server.apply(&audit);
    let (object, _) = wait(&server, &path, long, |o| condition(o, "Ready")["status"] == "False");
    assert_eq!(condition(&object, "Ready")["reason"], "InvalidSpec");
    assert!(condition(&object, "Ready")["message"].as_str().unwrap().contains("golangg"));
    assert_eq!(condition(&object, "Compliant")["status"], "Unknown");
    audit["spec"] = json!({"endpoints": ["10.99.0.1:443"]});
    server.apply(&audit);
    wait(&server, &path, long, |o| condition(o, "Ready")["status"] == "True");

    controller.kill("-TERM");
    let mut controller = controller;
    assert_eq!(controller.child.wait().unwrap().code(), Some(0));
}

#[test]
fn without_access_to_policies_nothing_is_compliant() {
    let Some(server) = server() else { return };
    server.apply(&audit_of("tools"));
    let _controller = Controller::start(&server, "blind", &[]);
    let path = format!("{NS_AUDITS}/builds");
    let (object, _) =
        wait(&server, &path, Duration::from_secs(30), |o| condition(o, "CoverageComplete")["status"] == "False");
    assert_eq!(condition(&object, "CoverageComplete")["reason"], "Forbidden");
    assert!(condition(&object, "CoverageComplete")["message"].as_str().unwrap().contains("NetworkPolicy"));
    assert_eq!(condition(&object, "Compliant")["status"], "Unknown", "{:#}", object["status"]);
    assert_eq!(object["status"]["subjects"]["unknown"], 1);
}

#[test]
fn another_takes_over_when_the_leader_dies() {
    let Some(server) = server() else { return };
    server.apply(&audit_of("tools"));
    let lease = |identity: &'static str| {
        vec!["--leader-elect", "--lease-duration", "4s", "--lease-namespace", "default", "--identity", identity]
    };
    let first = Controller::start(&server, USER, &lease("one"));
    let path = format!("{NS_AUDITS}/builds");
    let long = Duration::from_secs(30);
    wait(&server, &path, long, |o| condition(o, "Ready")["status"] == "True");
    let second = Controller::start(&server, USER, &lease("two"));
    let held = "/apis/coordination.k8s.io/v1/namespaces/default/leases/buildreach-controller";
    let holder = |who: &'static str| move |o: &Value| o["spec"]["holderIdentity"] == who;
    wait(&server, held, long, holder("one"));
    let deadline = Instant::now() + long;
    while !second.get("/readyz").0.contains("200") {
        assert!(Instant::now() < deadline, "a follower is ready as well");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(second.get("/metrics").1.contains("buildreach_leader 0"));
    first.kill("-KILL");
    server.apply(&deny_all("tools"));
    server.delete("/apis/networking.k8s.io/v1/namespaces/tools/networkpolicies/builds-out");
    wait(&server, held, long, holder("two"));
    wait(&server, &path, long, |o| condition(o, "Compliant")["status"] == "False");
    assert!(second.get("/metrics").1.contains("buildreach_leader 1"));
    // A leader that ends in order gives the lease up.
    second.kill("-TERM");
    wait(&server, held, long, holder(""));
}
