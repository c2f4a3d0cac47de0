//! What the controller writes beside statuses, on a real API server: reports, events, annotations.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use common::apiserver::ApiServer;
use common::controller::{Controller, condition, deny_all, wait};
use serde_json::{Value, json};

const USER: &str = "controller";
const LONG: Duration = Duration::from_secs(45);

const OPEN: &str = "/apis/openreports.io/v1alpha1/namespaces";
const POLICY: &str = "/apis/wgpolicyk8s.io/v1alpha2/namespaces";
const POLICIES: &str = "/apis/networking.k8s.io/v1/namespaces/tools/networkpolicies";
const WORKER: &str = "/apis/apps/v1/namespaces/tools/deployments/cargo-worker";
const EVENTS: &str = "/apis/events.k8s.io/v1/namespaces/tools/events";
const OUTCOME: &str = "buildreach.dev/outcome";

fn file(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn install(server: &ApiServer, definition: &str) {
    let text = std::fs::read_to_string(file(&format!("tests/fixtures/reports/{definition}.yaml"))).unwrap();
    server.apply(&serde_saphyr::from_str::<Value>(&text).unwrap());
}

/// A server with the definitions, the demo, and a user that has the two roles that the documents show.
fn server() -> Option<ApiServer> {
    let server = ApiServer::start(&[USER])?;
    prepare(&server);
    Some(server)
}

fn prepare(server: &ApiServer) {
    for definition in buildreach::crd::definitions().unwrap() {
        server.apply(&serde_saphyr::from_str::<Value>(&definition.yaml).unwrap());
    }
    server.load(&file("src/demo/manifests"));
    let mut reader: Value = serde_saphyr::from_str(include_str!("../docs/rbac-reader.yaml")).unwrap();
    for rule in reader["rules"].as_array_mut().unwrap() {
        if rule["verbs"].as_array().unwrap().contains(&json!("list")) {
            rule["verbs"] = json!(["get", "list", "watch"]);
        }
    }
    let writer: Value = serde_saphyr::from_str(include_str!("../docs/rbac-writer.yaml")).unwrap();
    for role in [reader, writer] {
        server.apply(&role);
        let name = &role["metadata"]["name"];
        server.apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}],
        }));
    }
}

fn audit_of_tools() -> Value {
    json!({"apiVersion": "buildreach.dev/v1alpha1", "kind": "BuildAudit",
        "metadata": {"name": "builds", "namespace": "tools"}, "spec": {}})
}

fn report_of_worker(at: &str) -> String {
    let plural = if at == OPEN { "reports" } else { "policyreports" };
    format!("{at}/tools/{plural}/buildreach-deployment-cargo-worker")
}

/// The namespace is cut off, or is not any more.
fn cut_off(server: &ApiServer, is_cut_off: bool) {
    if is_cut_off {
        server.apply(&deny_all("tools"));
    } else {
        server.delete(&format!("{POLICIES}/cut-off"));
    }
}

/// Reason, kind and name of what it is about, and note of each of our events in the namespace.
fn events(server: &ApiServer) -> Vec<(String, String, String)> {
    let list = server.get(EVENTS).unwrap();
    let ours =
        list["items"].as_array().unwrap().iter().filter(|e| e["reportingController"] == "buildreach.dev/controller");
    let mut found: Vec<_> = ours
        .map(|event| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let regarding = &event["regarding"];
            let about = format!("{}/{}", text(&regarding["kind"]), text(&regarding["name"]));
            (text(&event["reason"]), about, text(&event["note"]))
        })
        .collect();
    found.sort();
    found
}

#[track_caller]
fn wait_for_events(server: &ApiServer, wanted: &[(&str, &str)]) -> Vec<(String, String, String)> {
    let start = Instant::now();
    loop {
        let found = events(server);
        let heads: Vec<_> = found.iter().map(|(reason, about, _)| (reason.as_str(), about.as_str())).collect();
        if heads == wanted {
            return found;
        }
        assert!(start.elapsed() < LONG, "{found:#?} instead of {wanted:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[track_caller]
fn wait_until_gone(server: &ApiServer, path: &str) {
    let start = Instant::now();
    while server.get(path).is_some() {
        assert!(start.elapsed() < LONG, "{path} is still there");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn reports_events_and_annotations_follow_the_policies() {
    let Some(server) = server() else { return };
    install(&server, "openreports");
    install(&server, "policyreports");
    server.apply(&audit_of_tools());
    server.delete(&format!("{POLICIES}/builds-out"));
    let controller = Controller::start(&server, USER, &["--default-audit", "--annotate"]);

    // The whole truth about a subject, owned by its object.
    let path = report_of_worker(OPEN);
    let both = |report: &Value| report["results"][0]["properties"]["audits"] == "default, tools/builds";
    let (report, _) = wait(&server, &path, LONG, both);
    let worker = server.get(WORKER).unwrap();
    assert_eq!(
        report["metadata"]["ownerReferences"],
        json!([{"apiVersion": "apps/v1", "kind": "Deployment", "name": "cargo-worker", "uid": worker["metadata"]["uid"]}])
    );
    assert_eq!(report["scope"]["uid"], worker["metadata"]["uid"]);
    assert_eq!(report["source"], "buildreach");
    assert_eq!(report["metadata"]["labels"]["app.kubernetes.io/managed-by"], "buildreach");
    assert_eq!((&report["summary"]["fail"], &report["summary"]["error"]), (&json!(0), &json!(0)));
    assert!(report["summary"]["pass"].as_i64() >= Some(2), "{:#}", report["summary"]);
    let results = report["results"].as_array().unwrap();
    let ids: BTreeSet<_> = results.iter().map(|r| r["properties"]["resultID"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), results.len(), "nothing is said twice");
    // docs/controller.md says how much room a result takes.
    assert!(serde_json::to_vec(results).unwrap().len() < results.len() * 1024);
    // The owner of a pod whose kind the server does not even serve.
    let (report, _) = wait(&server, &format!("{OPEN}/go-builds/reports/buildreach-taskrun-build-api"), LONG, |_| true);
    let owner = &report["metadata"]["ownerReferences"][0];
    assert_eq!((&owner["apiVersion"], &owner["kind"]), (&json!("tekton.dev/v1"), &json!("TaskRun")));
    assert_eq!(owner["uid"], "6f4d2f0e-52a4-4a39-8f0c-2b1f9be6a001");
    let failing = report["results"].as_array().unwrap().iter().find(|r| r["result"] == "fail").unwrap();
    assert_eq!((&failing["rule"], &failing["severity"]), (&json!("BR-DNS-001"), &json!("critical")));
    assert!(failing["properties"]["blockedBy"].as_str().unwrap().contains("NetworkPolicy go-builds/"), "{failing:#}");
    let all = server.get("/apis/wgpolicyk8s.io/v1alpha2/policyreports").unwrap();
    assert_eq!(all["items"], json!([]), "one API is enough");
    // The first evaluation is no news, and a pod of the demo that is blocked has its annotation.
    assert_eq!(events(&server), []);
    wait(&server, "/api/v1/namespaces/ci/pods/runner-7", LONG, |pod| {
        pod["metadata"]["annotations"][OUTCOME].is_string()
    });
    assert_eq!(worker["metadata"]["annotations"][OUTCOME], Value::Null);

    cut_off(&server, true);
    let (report, took) = wait(&server, &path, LONG, |report| report["summary"]["fail"].as_i64() > Some(0));
    // A second or so; what is slow here may be the machine.
    assert!(took < Duration::from_secs(20), "{took:?}");
    let failing = &report["results"][0];
    assert_eq!((&failing["result"], &failing["rule"]), (&json!("fail"), &json!("BR-DNS-001")));
    assert_eq!(failing["properties"]["layer"], "dns, policy");
    assert_eq!(failing["properties"]["blockedBy"], "NetworkPolicy tools/cut-off");
    let blocked = "EndpointsBlocked";
    let found = wait_for_events(&server, &[(blocked, "BuildAudit/builds"), (blocked, "Deployment/cargo-worker")]);
    for (_, _, note) in &found {
        assert!(
            note.len() <= 1024 && note.contains("NetworkPolicy tools/cut-off") && note.contains("BR-DNS-001"),
            "{note}"
        );
    }
    let list = server.get(EVENTS).unwrap();
    let of_worker = list["items"].as_array().unwrap().iter().find(|e| e["regarding"]["kind"] == "Deployment").unwrap();
    assert_eq!(of_worker["regarding"]["uid"], worker["metadata"]["uid"]);
    assert_eq!(of_worker["type"], "Warning");
    let (bears, _) = wait(&server, WORKER, LONG, |object| object["metadata"]["annotations"][OUTCOME] == "Blocked");
    assert_eq!(bears["metadata"]["annotations"]["buildreach.dev/finding"], "BR-DNS-001");
    assert_eq!(bears["spec"], worker["spec"], "nothing else of the workload is touched");
    // That of the audit of everything is in `default`: it has no namespace.
    let of_default = server.get("/apis/events.k8s.io/v1/namespaces/default/events").unwrap();
    assert!(of_default["items"].as_array().unwrap().iter().any(|e| e["regarding"]["kind"] == "ClusterBuildAudit"));

    // Nothing is written while nothing changes.
    let version = server.get(&path).unwrap()["metadata"]["resourceVersion"].clone();
    server.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "another"}}));
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(server.get(&path).unwrap()["metadata"]["resourceVersion"], version);

    cut_off(&server, false);
    wait(&server, &path, LONG, |report| report["summary"]["fail"] == 0);
    let reachable = "EndpointsReachable";
    wait_for_events(
        &server,
        &[
            (blocked, "BuildAudit/builds"),
            (blocked, "Deployment/cargo-worker"),
            (reachable, "BuildAudit/builds"),
            (reachable, "Deployment/cargo-worker"),
        ],
    );
    let is_left_alone = |object: &Value| {
        let managers = object["metadata"]["managedFields"].as_array().unwrap();
        object["metadata"]["annotations"][OUTCOME].is_null()
            && !managers.iter().any(|entry| entry["manager"] == "buildreach-annotations")
    };
    wait(&server, WORKER, LONG, is_left_alone);
    let metrics = controller.get("/metrics").1;
    for kind in ["report", "event", "annotation"] {
        let line = format!("buildreach_writes_total{{kind=\"{kind}\",result=\"success\"}}");
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    }
    assert!(!metrics.contains("result=\"failure\""), "{metrics}");

    let _controller = keep_house(&server, controller, &path);
    // So are the annotations, now that the flag is off.
    wait(&server, "/api/v1/namespaces/ci/pods/runner-7", LONG, is_left_alone);
}

/// What is there is what somebody asks about, whatever happened.
fn keep_house(server: &ApiServer, controller: Controller, path: &str) -> Controller {
    // A report that somebody deletes comes back; that of a workload that is gone goes, without a garbage collector too.
    server.delete(path);
    wait(server, path, LONG, |_| true);
    server.delete(WORKER);
    wait_until_gone(server, path);
    assert!(server.get(&format!("{OPEN}/go-builds/reports/buildreach-taskrun-build-api")).is_some());
    controller.stop();

    // What went while nobody looked is noticed at the next start; what others wrote is theirs.
    let theirs = json!({"apiVersion": "openreports.io/v1alpha1", "kind": "Report",
        "metadata": {"name": "theirs", "namespace": "go-builds"}, "results": []});
    server.apply(&theirs);
    server.delete("/apis/buildreach.dev/v1alpha1/clusterbuildaudits/default");
    let controller = Controller::start(server, USER, &[]);
    wait(server, "/apis/openreports.io/v1alpha1/reports", LONG, |all| {
        all["items"].as_array().unwrap().iter().map(|r| &r["metadata"]["name"]).eq(["theirs"])
    });
    controller
}

#[test]
fn policy_reports_serve_until_open_reports_come() {
    let Some(server) = server() else { return };
    install(&server, "policyreports");
    server.apply(&audit_of_tools());
    let controller = Controller::start(&server, USER, &[]);
    let (report, _) = wait(&server, &report_of_worker(POLICY), LONG, |_| true);
    assert_eq!(report["source"], Value::Null);
    assert!(report["summary"]["pass"].as_i64() > Some(0));
    install(&server, "openreports");
    wait(&server, &report_of_worker(OPEN), LONG, |_| true);
    wait_until_gone(&server, &report_of_worker(POLICY));
    controller.stop();
    let _controller = Controller::start(&server, USER, &["--reports", "policyreport"]);
    wait(&server, &report_of_worker(POLICY), LONG, |_| true);
    wait_until_gone(&server, &report_of_worker(OPEN));
}

#[test]
fn a_report_that_is_too_large_is_cut_and_says_so() {
    let Some(server) = server() else { return };
    install(&server, "openreports");
    // Says what etcd says, of reports that are far smaller.
    server.apply(&json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicy", "metadata": {"name": "small"},
        "spec": {
            "matchConstraints": {"resourceRules": [{"apiGroups": ["openreports.io"], "apiVersions": ["*"],
                "operations": ["CREATE", "UPDATE"], "resources": ["reports"]}]},
            "validations": [{"expression": "size(object.results) <= 2", "message": "etcdserver: request is too large"}],
        },
    }));
    server.apply(&json!({
        "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": "small"}, "spec": {"policyName": "small", "validationActions": ["Deny"]},
    }));
    // The server takes a policy into account a second or so after it was written.
    std::thread::sleep(Duration::from_secs(4));
    server.apply(&audit_of_tools());
    let controller = Controller::start(&server, USER, &[]);
    let (report, _) = wait(&server, &report_of_worker(OPEN), LONG, |_| true);
    let listed = report["results"].as_array().unwrap().len();
    let total: i64 = report["summary"].as_object().unwrap().values().filter_map(Value::as_i64).sum();
    let omitted: i64 =
        report["metadata"]["annotations"]["buildreach.dev/omitted-results"].as_str().unwrap().parse().unwrap();
    assert!((1..=2).contains(&listed) && total > 2, "{report:#}");
    assert_eq!(i64::try_from(listed).unwrap() + omitted, total);
    assert!(controller.said().contains("too large"), "{}", controller.said());
    // It is there, and not written over and over.
    std::thread::sleep(Duration::from_secs(3));
    let again = server.get(&report_of_worker(OPEN)).unwrap();
    assert_eq!(again["metadata"]["resourceVersion"], report["metadata"]["resourceVersion"]);
    assert!(controller.get("/metrics").1.contains("buildreach_writes_total{kind=\"report\",result=\"success\"} 1"));
}

#[test]
fn who_owns_an_annotation_keeps_it() {
    let Some(server) = server() else { return };
    server.apply(&audit_of_tools());
    server.apply(&json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "cargo-worker", "namespace": "tools", "annotations": {OUTCOME: "by hand"}},
        "spec": server.get(WORKER).unwrap()["spec"]}));
    server.delete(&format!("{POLICIES}/builds-out"));
    cut_off(&server, true);
    let controller = Controller::start(&server, USER, &["--annotate", "--reports", "none"]);
    let start = Instant::now();
    while !controller.get("/metrics").1.contains("kind=\"annotation\",result=\"failure\"} 1") {
        assert!(start.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(controller.said().contains("conflict"));
    assert_eq!(server.get(WORKER).unwrap()["metadata"]["annotations"][OUTCOME], "by hand");
    // It is not tried over and over.
    server.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "another"}}));
    std::thread::sleep(Duration::from_secs(2));
    assert!(controller.get("/metrics").1.contains("kind=\"annotation\",result=\"failure\"} 1"));
}

#[test]
fn two_replicas_tell_every_change_once() {
    let Some(server) = server() else { return };
    server.apply(&audit_of_tools());
    server.delete(&format!("{POLICIES}/builds-out"));
    let lease = |identity: &'static str| {
        vec!["--leader-elect", "--lease-duration", "4s", "--lease-namespace", "default", "--identity", identity]
    };
    let first = Controller::start(&server, USER, &lease("one"));
    let status = "/apis/buildreach.dev/v1alpha1/namespaces/tools/buildaudits/builds";
    wait(&server, status, LONG, |audit| condition(audit, "Ready")["status"] == "True");
    let second = Controller::start(&server, USER, &lease("two"));
    let start = Instant::now();
    while !second.get("/readyz").0.contains("200") {
        assert!(start.elapsed() < LONG);
        std::thread::sleep(Duration::from_millis(50));
    }
    let (blocked, reachable) = ("EndpointsBlocked", "EndpointsReachable");
    cut_off(&server, true);
    let once = [(blocked, "BuildAudit/builds"), (blocked, "Deployment/cargo-worker")];
    wait_for_events(&server, &once);
    // The leader renews its lease, and dies; then something happens, of which only the other one hears.
    let lease = "/apis/coordination.k8s.io/v1/namespaces/default/leases/buildreach-controller";
    let renewed = server.get(lease).unwrap()["spec"]["renewTime"].clone();
    wait(&server, lease, LONG, |lease| lease["spec"]["renewTime"] != renewed);
    first.kill("-KILL");
    std::thread::sleep(Duration::from_millis(200));
    cut_off(&server, false);
    wait(&server, lease, LONG, |lease| lease["spec"]["holderIdentity"] == "two");
    let twice = [once[0], once[1], (reachable, "BuildAudit/builds"), (reachable, "Deployment/cargo-worker")];
    wait_for_events(&server, &twice);
    std::thread::sleep(Duration::from_secs(2));
    let found = events(&server);
    assert_eq!(found.len(), twice.len(), "{found:#?}");
    let list = server.get(EVENTS).unwrap();
    let series: Vec<_> = list["items"].as_array().unwrap().iter().filter(|e| e["series"].is_object()).collect();
    assert!(series.is_empty(), "told once means once: {series:#?}");
}

/// What our events of a reason say is counted in them, by what they are about; 1 where nothing is.
fn counts(server: &ApiServer, reason: &str) -> Vec<(String, i64)> {
    let list = server.get(EVENTS).unwrap();
    let of_reason = list["items"].as_array().unwrap().iter().filter(|e| e["reason"] == reason);
    let mut counts: Vec<_> = of_reason
        .map(|e| {
            let about = e["regarding"]["kind"].as_str().unwrap().to_owned();
            (about, e["series"]["count"].as_i64().unwrap_or(1))
        })
        .collect();
    counts.sort();
    counts
}

#[track_caller]
fn wait_for_counts(server: &ApiServer, reason: &str, count: i64) {
    let wanted = [("BuildAudit".to_owned(), count), ("Deployment".to_owned(), count)];
    let start = Instant::now();
    while counts(server, reason) != wanted {
        assert!(start.elapsed() < LONG, "{:?} instead of {wanted:?}", counts(server, reason));
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn what_happens_again_soon_is_counted() {
    let Some(server) = server() else { return };
    server.apply(&audit_of_tools());
    server.delete(&format!("{POLICIES}/builds-out"));
    let controller = Controller::start(&server, USER, &["--reports", "none"]);
    let status = "/apis/buildreach.dev/v1alpha1/namespaces/tools/buildaudits/builds";
    wait(&server, status, LONG, |audit| condition(audit, "Ready")["status"] == "True");
    for count in 1..=3 {
        cut_off(&server, true);
        wait_for_counts(&server, "EndpointsBlocked", count);
        cut_off(&server, false);
        wait_for_counts(&server, "EndpointsReachable", count);
    }
    // One that somebody deleted is written anew.
    for event in server.get(EVENTS).unwrap()["items"].as_array().unwrap() {
        server.delete(&format!("{EVENTS}/{}", event["metadata"]["name"].as_str().unwrap()));
    }
    cut_off(&server, true);
    wait_for_counts(&server, "EndpointsBlocked", 1);
    assert!(!controller.get("/metrics").1.contains("result=\"failure\""));
}

#[test]
fn a_report_goes_with_its_object() {
    let Some(server) = server() else { return };
    install(&server, "openreports");
    server.apply(&audit_of_tools());
    let controller = Controller::start(&server, USER, &[]);
    wait(&server, &report_of_worker(OPEN), LONG, |_| true);
    // Nobody but the garbage collector is there to delete it.
    controller.stop();
    let Some(_collector) = server.collect_garbage() else { return };
    server.delete(WORKER);
    wait_until_gone(&server, &report_of_worker(OPEN));
}
