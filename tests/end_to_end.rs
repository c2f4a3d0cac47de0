//! The chart from its installation to its removal, on a real API server with the real controller manager: what people see of
//! a release in a namespace that enforces the level `restricted` of Pod Security.
//!
//! There are no nodes that run anything, so pods stay Pending. Their programs are run here, with the arguments and the
//! environment of the pods that were admitted and with tokens of their accounts, as the kubelet would.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

mod common;
#[path = "chart/release.rs"]
mod release;
#[allow(dead_code, reason = "what the tests of the rendered chart need besides")]
#[path = "chart/tools.rs"]
mod tools;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use buildreach::crd;
use http::Method;
use kube::Client;
use serde_json::{Value, json};

use common::apiserver::ADMIN;
use common::roots::{self, Layout};
use release::{Cluster, Running, arguments, get, namespace, send};
use tools::{must_succeed, run, text, texts};

const LONG: Duration = Duration::from_secs(60);
const AUDITS: &str = "/apis/buildreach.dev/v1alpha1/namespaces/go-builds/buildaudits";
const EVERYTHING: &str = "/apis/buildreach.dev/v1alpha1/clusterbuildaudits/default";
const POLICIES: &str = "/apis/networking.k8s.io/v1/namespaces/go-builds/networkpolicies";

/// A plan of one row that is due every minute.
const VALUES: &str = "audits:\n- {name: weekly, schedule: '* * * * *', suspend: false, formats: [markdown, sarif], \
                      scope: {namespaces: [ci, tools]}}\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_release_does_its_work_from_installation_to_removal() {
    let Some(cluster) = Cluster::with_controllers() else { return };
    let client = cluster.server.client(ADMIN).await;
    let folder = tempfile::tempdir().unwrap();
    namespace(&cluster.server, "buildreach", "restricted");
    account(&client, "buildreach").await;
    let before = everything(&client).await;

    let values = folder.path().join("values.yaml");
    fs::write(&values, VALUES).unwrap();
    cluster.install("install", &values, &[]);
    cluster.server.load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/demo/manifests"));

    let pod = admitted(&client, "app.kubernetes.io/component=controller").await;
    assert_eq!(owner(&pod), "ReplicaSet");
    let controller = start_controller(&cluster, &client, &pod, folder.path()).await;
    the_status_follows_the_policies(&cluster, &client).await;
    the_audit_of_everything_is_there(&client).await;
    a_scheduled_audit_leaves_its_report(&cluster, &client).await;

    fs::write(&values, format!("{}agent: {{enabled: true}}\n", VALUES.replace("suspend: false", "suspend: true")))
        .unwrap();
    cluster.install("upgrade", &values, &[]);
    let weekly = get(&client, "/apis/batch/v1/namespaces/buildreach/cronjobs/buildreach-weekly").await.unwrap();
    assert_eq!(weekly["spec"]["suspend"], true);
    what_an_agent_reads_is_in_the_next_status(&cluster, &client).await;

    controller.end();
    cluster.helm(&["uninstall", "buildreach"]);
    only_what_is_documented_stays(&client, &before).await;
}

/// The object at a path, once it is as it should be.
async fn wait(client: &Client, path: &str, within: Duration, is_right: impl Fn(&Value) -> bool) -> Value {
    let start = Instant::now();
    loop {
        let object = get(client, path).await;
        if let Ok(object) = &object
            && is_right(object)
        {
            return object.clone();
        }
        assert!(start.elapsed() < within, "{path} is not as it should be after {within:?}: {object:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits for the account `default` of a namespace, which the controller manager makes.
async fn account(client: &Client, namespace: &str) {
    wait(client, &format!("/api/v1/namespaces/{namespace}/serviceaccounts/default"), LONG, Value::is_object).await;
    wait(client, &format!("/api/v1/namespaces/{namespace}/configmaps/kube-root-ca.crt"), LONG, Value::is_object).await;
}

/// The pod of the release with that label that a controller has made. None may be refused.
async fn admitted(client: &Client, label: &str) -> Value {
    let path = format!("/api/v1/namespaces/buildreach/pods?labelSelector={}", label.replace('=', "%3D"));
    let start = Instant::now();
    loop {
        let refused = "/api/v1/namespaces/buildreach/events?fieldSelector=reason%3DFailedCreate";
        let refused = get(client, refused).await.unwrap();
        let why: Vec<_> = items(&refused).iter().map(|event| &event["message"]).collect();
        assert!(why.is_empty(), "{why:#?}");
        let pods = get(client, &path).await.unwrap();
        if let Some(pod) = items(&pods).first() {
            assert_eq!((items(&pods).len(), &pod["status"]["phase"]), (1, &json!("Pending")));
            return pod.clone();
        }
        // The schedule is every minute, and the controller manager may be a little late.
        assert!(start.elapsed() < Duration::from_secs(90), "no pod with {label}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

fn items(list: &Value) -> &[Value] {
    list["items"].as_array().map_or(&[], Vec::as_slice)
}

fn owner(object: &Value) -> &str {
    text(&object["metadata"]["ownerReferences"][0]["kind"])
}

fn condition<'v>(object: &'v Value, kind: &str) -> &'v Value {
    let all = object["status"]["conditions"].as_array();
    all.and_then(|all| all.iter().find(|c| c["type"] == kind)).unwrap_or(&Value::Null)
}

/// The program as the kubelet starts the only container of a pod: with its arguments, its environment, and what its account
/// may do. The token is bound to the pod, where there is one.
async fn program(cluster: &Cluster, client: &Client, pod: &Value, arguments: &[String]) -> Command {
    let account = text(&pod["spec"]["serviceAccountName"]);
    let mut request = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}});
    if let Some(uid) = pod["metadata"]["uid"].as_str() {
        request["spec"]["boundObjectRef"] =
            json!({"kind": "Pod", "apiVersion": "v1", "name": pod["metadata"]["name"], "uid": uid});
    }
    let path = format!("/api/v1/namespaces/buildreach/serviceaccounts/{account}/token");
    let answer = send(client, Method::POST, &path, Some(&request)).await.unwrap();
    let token = text(&answer["status"]["token"]);
    let mut command = Command::new(env!("CARGO_BIN_EXE_buildreach"));
    command.args(arguments).env("KUBECONFIG", cluster.server.kubeconfig_with(account, token, "buildreach"));
    for variable in pod["spec"]["containers"][0]["env"].as_array().into_iter().flatten() {
        let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
            Some("metadata.name") => &pod["metadata"]["name"],
            Some("metadata.namespace") => &pod["metadata"]["namespace"],
            Some("spec.nodeName") => &pod["spec"]["nodeName"],
            Some(other) => panic!("the chart asks the kubelet for {other}"),
            None => &variable["value"],
        };
        command.env(text(&variable["name"]), text(value));
    }
    command
}

/// The controller; its log is shown when the test fails.
struct Controller {
    running: Running,
    log: PathBuf,
}

impl Drop for Controller {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the controller said:\n{}", fs::read_to_string(&self.log).unwrap_or_default());
        }
    }
}

impl Controller {
    /// Ends it in order, as the kubelet does.
    fn end(mut self) {
        assert!(Command::new("kill").arg(self.running.0.id().to_string()).status().unwrap().success());
        assert_eq!(self.running.0.wait().unwrap().code(), Some(0));
        let log = fs::read_to_string(&self.log).unwrap();
        assert!(!log.to_lowercase().contains("forbidden"), "{log}");
    }
}

async fn start_controller(cluster: &Cluster, client: &Client, pod: &Value, folder: &Path) -> Controller {
    // Other programs of this machine may have the port of the pod.
    let arguments: Vec<String> =
        arguments(&pod["spec"]).iter().map(|argument| argument.replace("0.0.0.0:8080", "127.0.0.1:0")).collect();
    let mut command = program(cluster, client, pod, &arguments).await;
    let log = folder.join("controller.log");
    command.stdout(File::create(folder.join("controller.out")).unwrap()).stderr(File::create(&log).unwrap());
    let controller = Controller { running: Running(command.spawn().unwrap()), log };
    let lease = "/apis/coordination.k8s.io/v1/namespaces/buildreach/leases/buildreach-controller";
    wait(client, lease, LONG, |lease| lease["spec"]["holderIdentity"] == pod["metadata"]["name"]).await;
    controller
}

async fn the_status_follows_the_policies(cluster: &Cluster, client: &Client) {
    cluster.server.apply(&json!({"apiVersion": "buildreach.dev/v1alpha1", "kind": "BuildAudit",
        "metadata": {"name": "builds", "namespace": "go-builds"}, "spec": {}}));
    let path = format!("{AUDITS}/builds");
    let is = |truth: &'static str| move |audit: &Value| condition(audit, "Compliant")["status"] == truth;
    let audit = wait(client, &path, LONG, is("False")).await;
    assert_eq!(condition(&audit, "Compliant")["reason"], "EndpointsBlocked");
    assert_eq!(condition(&audit, "Ready")["reason"], "AuditSucceeded");
    assert_eq!(condition(&audit, "CoverageComplete")["reason"], "AllSourcesRead", "{:#}", audit["status"]);
    assert_eq!(audit["status"]["observedGeneration"], audit["metadata"]["generation"]);
    assert_eq!(
        audit["status"]["subjects"],
        json!({"total": 1, "reachable": 0, "blocked": 1, "partial": 0, "unknown": 0})
    );
    let first = &audit["status"]["findings"][0];
    assert_eq!(
        (&first["code"], &first["subject"], &first["outcome"], &first["layer"]),
        (&json!("BR-DNS-001"), &json!("go-builds/TaskRun/build-api"), &json!("Blocked"), &json!("dns"))
    );

    // Without the policies it is open within two seconds, and closed again with one of them.
    let soon = Duration::from_secs(2);
    let denial = get(client, &format!("{POLICIES}/default-deny")).await.unwrap();
    for name in ["allow-web", "default-deny"] {
        cluster.server.delete(&format!("{POLICIES}/{name}"));
    }
    let audit = wait(client, &path, soon, is("True")).await;
    assert_eq!(condition(&audit, "Compliant")["reason"], "AllEndpointsReachable");
    assert_eq!(audit["status"]["subjects"]["reachable"], 1);
    cluster.server.apply(&json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "default-deny", "namespace": "go-builds"}, "spec": denial["spec"]}));
    let audit = wait(client, &path, soon, is("False")).await;
    assert_eq!(audit["status"]["findings"][0]["decidedBy"], "NetworkPolicy go-builds/default-deny");
}

async fn the_audit_of_everything_is_there(client: &Client) {
    let audit = wait(client, EVERYTHING, LONG, |audit| condition(audit, "Ready")["status"] == "True").await;
    assert_eq!(condition(&audit, "Compliant")["status"], "False");
    assert!(audit["status"]["subjects"]["total"].as_i64() >= Some(6), "{:#}", audit["status"]);
}

/// The controller manager makes a Job of the CronJob and a pod of the Job; what that pod runs leaves a report.
async fn a_scheduled_audit_leaves_its_report(cluster: &Cluster, client: &Client) {
    let pod = admitted(client, "buildreach.dev/audit=weekly").await;
    assert_eq!(owner(&pod), "Job");
    let name = text(&pod["metadata"]["ownerReferences"][0]["name"]);
    let job = get(client, &format!("/apis/batch/v1/namespaces/buildreach/jobs/{name}")).await.unwrap();
    assert_eq!(owner(&job), "CronJob");
    let line = arguments(&pod["spec"]);
    assert_eq!(line.len(), texts(&pod["spec"]["containers"][0]["args"]).len(), "the whole command line: {line:?}");
    must_succeed("the scheduled audit", &run(&mut program(cluster, client, &pod, &line).await, ""));

    let index = get(client, "/api/v1/namespaces/buildreach/configmaps/buildreach-weekly").await.unwrap();
    let latest = text(&index["data"]["latest"]);
    let listed: Value = serde_json::from_str(text(&index["data"]["index.json"])).unwrap();
    assert!(listed.to_string().contains(latest), "{listed:#}");
    let kept = get(client, &format!("/api/v1/namespaces/buildreach/configmaps/{latest}")).await.unwrap();
    assert_eq!(kept["immutable"], true);
    let files: Vec<&String> = kept["data"].as_object().unwrap().keys().collect();
    assert_eq!(files, ["report.json", "report.md", "report.sarif"]);
    let report: Value = serde_json::from_str(text(&kept["data"]["report.json"])).unwrap();
    assert_eq!(report["summary"]["subjects"], json!({"Blocked": 0, "Partial": 1, "Reachable": 1, "Unknown": 0}));
    assert!(text(&kept["data"]["report.md"]).contains("ci/Pod/runner-7"));
}

async fn what_an_agent_reads_is_in_the_next_status(cluster: &Cluster, client: &Client) {
    let has_note = |audit: &Value| {
        let mut findings = audit["status"]["findings"].as_array().into_iter().flatten();
        findings.any(|finding| finding["code"] == "BR-TLS-064")
    };
    assert!(!has_note(&get(client, EVERYTHING).await.unwrap()));
    let agent = get(client, "/apis/apps/v1/namespaces/buildreach/daemonsets/buildreach-agent").await.unwrap();
    let mut pod = agent["spec"]["template"].clone();
    pod["spec"]["nodeName"] = json!("node-3");
    let root = roots::build(Layout::Talos);
    let mut line: Vec<String> = arguments(&pod["spec"]);
    for argument in &mut line {
        if argument == "/host" {
            *argument = root.path().display().to_string();
        }
    }
    line.extend(["--once".to_owned(), "--write".to_owned()]);
    must_succeed("the agent", &run(&mut program(cluster, client, &pod, &line).await, ""));
    get(client, "/apis/buildreach.dev/v1alpha1/nodetrusts/node-3").await.unwrap();
    let audit = wait(client, EVERYTHING, Duration::from_secs(10), has_note).await;
    assert_eq!(condition(&audit, "Ready")["status"], "True");
}

/// Every object of the cluster, as `kind namespace/name`; of events the API server keeps account itself.
async fn everything(client: &Client) -> BTreeSet<String> {
    let groups = get(client, "/apis").await.unwrap();
    let groups = groups["groups"].as_array().unwrap();
    let mut roots = vec!["/api/v1".to_owned()];
    roots.extend(groups.iter().map(|group| format!("/apis/{}", text(&group["preferredVersion"]["groupVersion"]))));
    let mut all = BTreeSet::new();
    for root in roots {
        let resources = get(client, &root).await.unwrap();
        for resource in resources["resources"].as_array().unwrap() {
            let (name, kind) = (text(&resource["name"]), text(&resource["kind"]));
            if kind == "Event" || name.contains('/') || !texts(&resource["verbs"]).contains(&"list") {
                continue;
            }
            let objects = get(client, &format!("{root}/{name}")).await.unwrap();
            for object in items(&objects) {
                let metadata = &object["metadata"];
                let namespace = metadata["namespace"].as_str().unwrap_or("-");
                all.insert(format!("{kind} {namespace}/{}", text(&metadata["name"])));
            }
        }
    }
    all
}

/// Of the release there is what docs/install.md lists, and nothing else: the definitions with their objects, the kept
/// reports, and the Lease.
async fn only_what_is_documented_stays(client: &Client, before: &BTreeSet<String>) {
    let mut expected: BTreeSet<String> = [
        "APIService -/v1alpha1.buildreach.dev",
        "ClusterBuildAudit -/default",
        "ConfigMap buildreach/buildreach-weekly",
        "EndpointSet -/corp-registry",
        // Of the demo's DNS Service, not of the release's.
        "IPAddress -/10.43.0.10",
        "Lease buildreach/buildreach-controller",
        "NodeTrust -/node-1",
        "NodeTrust -/node-2",
        "NodeTrust -/node-3",
    ]
    .map(str::to_owned)
    .into();
    for definition in crd::definitions().unwrap() {
        let definition: Value = serde_saphyr::from_str(&definition.yaml).unwrap();
        expected.insert(format!("CustomResourceDefinition -/{}", text(&definition["metadata"]["name"])));
    }
    let index = get(client, "/api/v1/namespaces/buildreach/configmaps/buildreach-weekly").await.unwrap();
    expected.insert(format!("ConfigMap buildreach/{}", text(&index["data"]["latest"])));

    // What the garbage collector takes away goes a little later. Namespaces and Nodes are the demo's.
    let start = Instant::now();
    loop {
        let left: BTreeSet<String> = everything(client).await.difference(before).cloned().collect();
        let mut of_release = left.clone();
        of_release.retain(|object| {
            let (kind, name) = object.split_once(' ').unwrap();
            name.starts_with("buildreach/") || name.starts_with("-/") && !matches!(kind, "Namespace" | "Node")
        });
        if of_release == expected {
            assert!(left.contains("BuildAudit go-builds/builds"), "{left:?}");
            return;
        }
        assert!(start.elapsed() < LONG, "{:#?}", of_release.symmetric_difference(&expected).collect::<Vec<_>>());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}
