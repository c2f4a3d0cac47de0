//! The chart in a real API server: it takes every object, Pod Security takes the pods, and the accounts may do what they
//! have to and no more.

use std::process::Command;

use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};

use crate::common::apiserver::{ADMIN, ApiServer};
use crate::tools::{Tools, chart, example, must_succeed, run};

struct Cluster {
    server: ApiServer,
    tools: Tools,
}

impl Cluster {
    fn start() -> Option<Self> {
        let tools = Tools::find()?;
        Some(Self { server: ApiServer::start(&[])?, tools })
    }

    fn helm(&self, arguments: &[&str]) {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(self.tools.path("helm"));
        for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(name, home.path());
        }
        command.arg("--kubeconfig").arg(self.server.kubeconfig(ADMIN, None)).args(["--namespace", "buildreach"]);
        let output = run(command.args(arguments), "");
        must_succeed(&arguments.join(" "), &output);
    }

    fn install(&self, verb: &str, values: &str, more: &[&str]) {
        let (chart, values) = (chart().display().to_string(), example(values).display().to_string());
        self.helm(&[&[verb, "buildreach", &chart, "--values", &values, "--wait=false"], more].concat());
    }
}

async fn send(client: &Client, method: Method, path: &str, body: Option<&Value>) -> Result<Value, kube::Error> {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    client.request(request.body(body).unwrap()).await
}

async fn get(client: &Client, path: &str) -> Result<Value, kube::Error> {
    send(client, Method::GET, path, None).await
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

fn namespace(server: &ApiServer, name: &str, level: &str) {
    server.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {
        "pod-security.kubernetes.io/enforce": level, "pod-security.kubernetes.io/enforce-version": "latest",
    }}}));
}

/// What the server says to a pod of this template in the namespace, without making it.
async fn pod(client: &Client, namespace: &str, template: &Value) -> Result<Value, kube::Error> {
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tried", "labels": template["metadata"]["labels"]},
        "spec": template["spec"]});
    send(client, Method::POST, &format!("/api/v1/namespaces/{namespace}/pods?dryRun=All"), Some(&pod)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_takes_the_chart_and_its_accounts_may_do_what_they_must() {
    let Some(cluster) = Cluster::start() else { return };
    let client = cluster.server.client(ADMIN).await;
    namespace(&cluster.server, "buildreach", "restricted");
    namespace(&cluster.server, "open", "privileged");
    namespace(&cluster.server, "ci", "restricted");
    cluster.install("install", "default", &[]);

    let deployment =
        get(&client, "/apis/apps/v1/namespaces/buildreach/deployments/buildreach-controller").await.unwrap();
    let controller = &deployment["spec"]["template"];
    pod(&client, "buildreach", controller).await.unwrap();
    let path = "/apis/batch/v1/namespaces/buildreach/cronjobs/buildreach-weekly";
    let weekly = get(&client, path).await.unwrap();
    pod(&client, "buildreach", &weekly["spec"]["jobTemplate"]["spec"]["template"]).await.unwrap();

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
        assert!(may(&client, account, verb, group, resource, namespace).await, "{account} may not {verb} {resource}");
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
        assert!(!may(&client, account, verb, group, resource, namespace).await, "{account} may {verb} {resource}");
    }

    // An upgrade to much of what can be had, and Pod Security on the agent.
    cluster.install(
        "upgrade",
        "agent",
        &["--set", "controller.replicas=2,controller.annotate=true,metrics.dashboard.enabled=true"],
    );
    let agent = get(&client, "/apis/apps/v1/namespaces/buildreach/daemonsets/buildreach-agent").await.unwrap();
    let refused = pod(&client, "buildreach", &agent["spec"]["template"]).await.expect_err("a hostPath volume");
    assert!(refused.to_string().contains("violates PodSecurity"), "{refused}");
    pod(&client, "open", &agent["spec"]["template"]).await.unwrap();
    assert!(may(&client, "controller", "patch", "apps", "deployments", "ci").await, "controller.annotate");
    assert!(may(&client, "agent", "patch", "buildreach.dev", "nodetrusts/status", "").await);
    assert!(!may(&client, "agent", "list", "", "pods", "").await);
    get(&client, "/apis/policy/v1/namespaces/buildreach/poddisruptionbudgets/buildreach-controller").await.unwrap();

    // What stays: the definitions, and what people made of them.
    let set = json!({"apiVersion": "buildreach.dev/v1alpha1", "kind": "EndpointSet", "metadata": {"name": "kept"},
        "spec": {"endpoints": [{"host": "nexus.corp.example"}]}});
    cluster.server.apply(&set);
    cluster.helm(&["uninstall", "buildreach"]);
    get(&client, "/apis/buildreach.dev/v1alpha1/endpointsets/kept").await.unwrap();
    get(&client, "/apis/apps/v1/namespaces/buildreach/deployments/buildreach-controller").await.expect_err("gone");
    assert!(!may(&client, "controller", "list", "", "pods", "").await);

    // A tenant's installation beside the definitions that are there.
    namespace(&cluster.server, "team-a", "restricted");
    namespace(&cluster.server, "team-a-ci", "restricted");
    cluster.install("install", "namespaced", &[]);
    assert!(may(&client, "controller", "watch", "", "pods", "team-a").await);
    assert!(may(&client, "controller", "get", "", "namespaces", "team-a").await);
    assert!(may(&client, "controller", "patch", "buildreach.dev", "buildaudits/status", "team-a-ci").await);
    assert!(!may(&client, "controller", "watch", "", "pods", "ci").await);
    assert!(!may(&client, "controller", "list", "", "nodes", "").await);
}
