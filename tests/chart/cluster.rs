//! The chart in a real API server: it takes every object, Pod Security takes the pods, and the accounts may do what they
//! have to and no more.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use http::Method;
use kube::Client;
use serde_json::{Value, json};

use crate::common::apiserver::{ADMIN, ApiServer};
use crate::release::{Cluster, Running, arguments, get, namespace, page, send};
use crate::tools::{example, must_succeed, run};

/// The program with arguments, as an account of the release.
fn program(server: &ApiServer, account: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_buildreach"));
    command.args(arguments).arg("--kubeconfig").arg(server.kubeconfig(ADMIN, None));
    command.arg(format!("--as=system:serviceaccount:buildreach:buildreach-{account}"));
    command.args(["--as-group=system:serviceaccounts", "--as-group=system:authenticated"]);
    command.env("POD_NAMESPACE", "buildreach").env("POD_NAME", "tried");
    command
}

fn output(mut command: Command) -> Output {
    run(&mut command, "")
}

/// The controller, started with the arguments of its Deployment.
struct Controller {
    _running: Running,
    metrics: SocketAddr,
    log: PathBuf,
}

impl Controller {
    fn start(server: &ApiServer, pod: &Value, folder: &Path) -> Self {
        let metrics = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap();
        let arguments: Vec<String> =
            arguments(pod).iter().map(|argument| argument.replace("0.0.0.0:8080", &metrics.to_string())).collect();
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        assert!(arguments.contains(&"--leader-elect"), "{arguments:?}");
        let log = folder.join("controller.log");
        let mut command = program(server, "controller", &arguments);
        command.stdout(File::create(folder.join("controller.out")).unwrap()).stderr(File::create(&log).unwrap());
        Self { _running: Running(command.spawn().unwrap()), metrics, log }
    }

    /// Waits until the audit at that path has an answer and the controller is ready and leads; its metrics.
    async fn answers(&self, client: &Client, audit: &str) -> String {
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let status = get(client, audit).await.map(|audit| audit["status"].clone());
            let answered = status.as_ref().is_ok_and(|status| status["conditions"].is_array());
            let metrics = page(self.metrics, "/readyz").and(page(self.metrics, "/metrics")).unwrap_or_default();
            if answered && metrics.lines().any(|line| line == "buildreach_leader 1") {
                return metrics;
            }
            let log = fs::read_to_string(&self.log).unwrap();
            assert!(Instant::now() < deadline, "{status:?}\n{metrics}\n{log}");
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Whether all audits could read everything.
fn is_complete(metrics: &str) -> bool {
    let mut lines = metrics.lines().filter(|line| line.starts_with("buildreach_coverage_complete{")).peekable();
    lines.peek().is_some() && lines.all(|line| line.ends_with(" 1"))
}

/// Whether an account of the release may do that.
async fn may(client: &Client, account: &str, verb: &str, group: &str, resource: &str, namespace: &str) -> bool {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    let user = format!("system:serviceaccount:buildreach:buildreach-{account}");
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": ["system:serviceaccounts", "system:authenticated"], "resourceAttributes": {
            "verb": verb, "group": group, "resource": resource, "subresource": subresource, "namespace": namespace,
        }},
    });
    let answer = send(client, Method::POST, "/apis/authorization.k8s.io/v1/subjectaccessreviews", Some(&review)).await;
    answer.unwrap()["status"]["allowed"] == true
}

/// What the server says to a pod of this template in the namespace, without making it.
async fn pod(client: &Client, namespace: &str, template: &Value) -> Result<Value, kube::Error> {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tried", "labels": template["metadata"]["labels"]},
        "spec": template["spec"]});
    send(client, Method::POST, &format!("/api/v1/namespaces/{namespace}/pods?dryRun=All"), Some(&pod)).await
}

/// What the accounts of the controller and of the audits may do, and what not.
async fn rights(client: &Client) {
    for (account, verb, group, resource, namespace) in [
        ("controller", "watch", "", "pods", ""),
        ("controller", "list", "networking.k8s.io", "networkpolicies", "ci"),
        ("controller", "watch", "cilium.io", "ciliumnetworkpolicies", ""),
        ("controller", "get", "", "configmaps", "ci"),
        ("controller", "patch", "buildreach.dev", "buildaudits/status", "ci"),
        ("controller", "create", "buildreach.dev", "clusterbuildaudits", ""),
        ("controller", "create", "events.k8s.io", "events", "ci"),
        ("controller", "delete", "openreports.io", "reports", "ci"),
        ("controller", "create", "coordination.k8s.io", "leases", "buildreach"),
        ("audit", "list", "", "nodes", ""),
        ("audit", "patch", "", "configmaps", "buildreach"),
    ] {
        assert!(may(client, account, verb, group, resource, namespace).await, "{account} may not {verb} {resource}");
    }
    for (account, verb, group, resource, namespace) in [
        ("controller", "get", "", "secrets", "ci"),
        ("controller", "list", "", "secrets", ""),
        ("controller", "list", "", "configmaps", ""),
        ("controller", "patch", "apps", "deployments", "ci"),
        ("controller", "patch", "", "nodes", ""),
        ("controller", "patch", "buildreach.dev", "buildaudits", "ci"),
        ("controller", "create", "coordination.k8s.io", "leases", "ci"),
        ("controller", "patch", "", "configmaps", "buildreach"),
        ("audit", "get", "", "secrets", "buildreach"),
        ("audit", "patch", "", "configmaps", "ci"),
        ("audit", "patch", "buildreach.dev", "buildaudits/status", "ci"),
    ] {
        assert!(!may(client, account, verb, group, resource, namespace).await, "{account} may {verb} {resource}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_takes_the_chart_and_its_accounts_may_do_what_they_must() {
    let Some(cluster) = Cluster::start() else { return };
    let client = cluster.server.client(ADMIN).await;
    namespace(&cluster.server, "buildreach", "restricted");
    namespace(&cluster.server, "open", "privileged");
    namespace(&cluster.server, "ci", "restricted");
    cluster.install("install", &example("default"), &[]);

    let deployment =
        get(&client, "/apis/apps/v1/namespaces/buildreach/deployments/buildreach-controller").await.unwrap();
    let controller_pod = &deployment["spec"]["template"];
    pod(&client, "buildreach", controller_pod).await.unwrap();
    let path = "/apis/batch/v1/namespaces/buildreach/cronjobs/buildreach-weekly";
    let weekly = get(&client, path).await.unwrap();
    pod(&client, "buildreach", &weekly["spec"]["jobTemplate"]["spec"]["template"]).await.unwrap();

    rights(&client).await;

    // The programs themselves, as these accounts: nothing that they need is missing.
    let folder = tempfile::tempdir().unwrap();
    let controller = Controller::start(&cluster.server, &controller_pod["spec"], folder.path());
    let metrics = controller.answers(&client, "/apis/buildreach.dev/v1alpha1/clusterbuildaudits/default").await;
    assert!(is_complete(&metrics), "{metrics}");
    let lease = "/apis/coordination.k8s.io/v1/namespaces/buildreach/leases/buildreach-controller";
    assert_eq!(get(&client, lease).await.unwrap()["spec"]["holderIdentity"], "tried");
    let log = fs::read_to_string(&controller.log).unwrap();
    assert!(!log.to_lowercase().contains("forbidden"), "{log}");
    drop(controller);
    let audit = program(&cluster.server, "audit", &["audit", "--require-complete", "--fail-on", "none", "-o", "json"]);
    must_succeed("an audit, of all that it may have to read", &output(audit));
    let weekly = arguments(&weekly["spec"]["jobTemplate"]["spec"]["template"]["spec"]);
    let weekly: Vec<&str> = weekly.iter().map(String::as_str).collect();
    must_succeed("the weekly audit", &output(program(&cluster.server, "audit", &weekly)));
    let path = "/api/v1/namespaces/buildreach/configmaps?labelSelector=buildreach.dev/archive%3Dbuildreach-weekly";
    let kept = get(&client, path).await.unwrap();
    // The report and its index.
    assert!(kept["items"].as_array().unwrap().len() >= 2, "{kept}");

    // An upgrade to much of what can be had, and Pod Security on the agent.
    cluster.install(
        "upgrade",
        &example("agent"),
        &["--set", "controller.replicas=2,controller.annotate=true,metrics.dashboard.enabled=true"],
    );
    let agent = get(&client, "/apis/apps/v1/namespaces/buildreach/daemonsets/buildreach-agent").await.unwrap();
    let refused = pod(&client, "buildreach", &agent["spec"]["template"]).await.expect_err("a hostPath volume");
    assert!(refused.to_string().contains("violates PodSecurity"), "{refused}");
    pod(&client, "open", &agent["spec"]["template"]).await.unwrap();
    assert!(may(&client, "controller", "patch", "apps", "deployments", "ci").await, "controller.annotate");
    assert!(may(&client, "agent", "patch", "buildreach.dev", "nodetrusts/status", "").await);
    assert!(!may(&client, "agent", "list", "", "pods", "").await);
    cluster.server.apply(&json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}}));
    fs::create_dir(folder.path().join("etc")).unwrap();
    fs::write(folder.path().join("etc/os-release"), "ID=debian\nVERSION_ID=12\n").unwrap();
    let root = folder.path().display().to_string();
    let once = ["agent", "--root", &root, "--node-name", "node-1", "--once", "--write"];
    must_succeed("the agent", &output(program(&cluster.server, "agent", &once)));
    get(&client, "/apis/buildreach.dev/v1alpha1/nodetrusts/node-1").await.unwrap();
    get(&client, "/apis/policy/v1/namespaces/buildreach/poddisruptionbudgets/buildreach-controller").await.unwrap();

    // What stays: the definitions, and what people made of them.
    let set = json!({"apiVersion": "buildreach.dev/v1alpha1", "kind": "EndpointSet", "metadata": {"name": "kept"},
        "spec": {"endpoints": [{"host": "nexus.corp.example"}]}});
    cluster.server.apply(&set);
    cluster.helm(&["uninstall", "buildreach"]);
    get(&client, "/apis/buildreach.dev/v1alpha1/endpointsets/kept").await.unwrap();
    get(&client, "/apis/apps/v1/namespaces/buildreach/deployments/buildreach-controller").await.expect_err("gone");
    assert!(!may(&client, "controller", "list", "", "pods", "").await);

    tenant(&cluster, &client, folder.path()).await;
}

/// A tenant's installation beside the definitions that are there.
async fn tenant(cluster: &Cluster, client: &Client, folder: &Path) {
    namespace(&cluster.server, "team-a", "restricted");
    namespace(&cluster.server, "team-a-ci", "restricted");
    cluster.install("install", &example("namespaced"), &[]);
    assert!(may(client, "controller", "watch", "", "pods", "team-a").await);
    assert!(may(client, "controller", "get", "", "namespaces", "team-a").await);
    assert!(may(client, "controller", "patch", "buildreach.dev", "buildaudits/status", "team-a-ci").await);
    assert!(!may(client, "controller", "watch", "", "pods", "ci").await);
    assert!(!may(client, "controller", "list", "", "nodes", "").await);
    // It answers, and says that it does not see everything.
    cluster.server.apply(&json!({"apiVersion": "buildreach.dev/v1alpha1", "kind": "BuildAudit",
        "metadata": {"name": "ci", "namespace": "team-a-ci"}, "spec": {}}));
    let deployment =
        get(client, "/apis/apps/v1/namespaces/buildreach/deployments/buildreach-controller").await.unwrap();
    let controller = Controller::start(&cluster.server, &deployment["spec"]["template"]["spec"], folder);
    let path = "/apis/buildreach.dev/v1alpha1/namespaces/team-a-ci/buildaudits/ci";
    let metrics = controller.answers(client, path).await;
    assert!(!is_complete(&metrics), "{metrics}");
}
