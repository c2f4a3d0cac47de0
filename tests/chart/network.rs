//! The NetworkPolicies of the chart, judged by the program itself.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::tools::{Tools, example, of_kind, pods, text};

/// Who may want the metrics, and who may not.
const PEERS: &str = "
apiVersion: v1
kind: Namespace
metadata: {name: monitoring, labels: {kubernetes.io/metadata.name: monitoring}}
---
apiVersion: v1
kind: Pod
metadata: {name: prometheus, namespace: monitoring, labels: {app.kubernetes.io/name: prometheus}}
spec: {containers: [{name: a, image: a}]}
status: {podIP: 10.50.0.1, podIPs: [{ip: 10.50.0.1}], phase: Running}
---
apiVersion: v1
kind: Pod
metadata: {name: other, namespace: monitoring}
spec: {containers: [{name: a, image: a}]}
status: {podIP: 10.50.0.2, podIPs: [{ip: 10.50.0.2}], phase: Running}
---
apiVersion: v1
kind: Pod
metadata: {name: build, namespace: ci, labels: {app.kubernetes.io/name: prometheus}}
spec: {containers: [{name: a, image: a}]}
status: {podIP: 10.50.0.3, podIPs: [{ip: 10.50.0.3}], phase: Running}
";

const CONTROLLER: &str = "{workload: buildreach/Deployment/buildreach-controller}";
const AUDIT: &str = "{workload: buildreach/CronJob/buildreach-weekly}";
const AGENT: &str = "{workload: buildreach/DaemonSet/buildreach-agent}";

/// Judges (from, to, protocol, port, expected) on what an example of `ci/` renders to.
fn judge(values: &str, sets: &[&str], assertions: &[(&str, &str, &str, u16, &str)]) {
    let Some(tools) = Tools::find() else { return };
    let folder = tempfile::tempdir().unwrap();
    let manifests = folder.path().join("manifests");
    fs::create_dir(&manifests).unwrap();
    let rendered = tools.render_text(Some(&example(values)), sets).unwrap();
    fs::write(manifests.join("chart.yaml"), rendered).unwrap();
    fs::write(manifests.join("peers.yaml"), PEERS).unwrap();
    let mut suite = "apiVersion: buildreach.dev/v1alpha1\nkind: ReachabilityTest\nmetadata: {name: chart}\nspec:\n  \
                     manifests: [manifests/]\n  assertions:\n"
        .to_owned();
    for (from, to, protocol, port, expect) in assertions {
        suite.push_str(&format!(
            "  - {{from: {from}, to: {to}, protocol: {protocol}, port: {port}, expect: {expect}}}\n"
        ));
    }
    fs::write(folder.path().join("suite.yaml"), suite).unwrap();
    let program = env!("CARGO_BIN_EXE_buildreach");
    let output = Command::new(program).args(["test", "-o", "json"]).arg(folder.path()).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let results = report["suites"][0]["assertions"].as_array().unwrap();
    let wrong: Vec<_> = results.iter().filter(|result| result["status"] != "passed").collect();
    assert!(wrong.is_empty(), "{values}: {wrong:#?}");
    assert_eq!(results.len(), assertions.len());
}

#[test]
fn by_default_names_and_the_api_server_are_reached_and_nobody_comes_in() {
    let outside = "{ip: 203.0.113.10}";
    let prometheus = "{pod: monitoring/prometheus}";
    judge(
        "default",
        &["--set", "agent.enabled=true"],
        &[
            (CONTROLLER, outside, "UDP", 53, "Allowed"),
            (CONTROLLER, outside, "TCP", 53, "Allowed"),
            (CONTROLLER, outside, "TCP", 443, "Allowed"),
            (CONTROLLER, outside, "TCP", 6443, "Allowed"),
            (CONTROLLER, outside, "TCP", 80, "Denied"),
            (CONTROLLER, outside, "UDP", 443, "Denied"),
            (CONTROLLER, "{ip: '2001:db8::1'}", "TCP", 443, "Allowed"),
            (AUDIT, outside, "UDP", 53, "Allowed"),
            (AUDIT, outside, "TCP", 6443, "Allowed"),
            (AUDIT, outside, "TCP", 22, "Denied"),
            (AGENT, outside, "TCP", 443, "Allowed"),
            (AGENT, outside, "TCP", 8080, "Denied"),
            (prometheus, CONTROLLER, "TCP", 8080, "Denied"),
            (prometheus, AUDIT, "TCP", 443, "Denied"),
            (prometheus, AGENT, "TCP", 443, "Denied"),
        ],
    );
}

#[test]
fn metrics_are_for_the_peers_that_are_named() {
    judge(
        "metrics",
        &[],
        &[
            ("{pod: monitoring/prometheus}", CONTROLLER, "TCP", 8080, "Allowed"),
            ("{pod: monitoring/prometheus}", CONTROLLER, "TCP", 8081, "Denied"),
            ("{pod: monitoring/other}", CONTROLLER, "TCP", 8080, "Denied"),
            ("{pod: ci/build}", CONTROLLER, "TCP", 8080, "Denied"),
            ("{pod: monitoring/prometheus}", AUDIT, "TCP", 8080, "Denied"),
        ],
    );
}

#[test]
fn ranges_that_are_given_narrow_the_way_out() {
    judge(
        "aws",
        &["--set", "agent.enabled=true"],
        &[
            (CONTROLLER, "{ip: 10.0.9.9}", "TCP", 443, "Allowed"),
            (CONTROLLER, "{ip: 'fd00:1::7'}", "TCP", 443, "Allowed"),
            (CONTROLLER, "{ip: 10.0.9.9}", "TCP", 6443, "Denied"),
            (CONTROLLER, "{ip: 203.0.113.10}", "TCP", 443, "Denied"),
            // EC2 and STS, Pod Identity, the instance's metadata, the proxy.
            (CONTROLLER, "{ip: 10.1.0.5}", "TCP", 443, "Allowed"),
            (AUDIT, "{ip: 10.1.0.5}", "TCP", 443, "Allowed"),
            (AUDIT, "{ip: 169.254.170.23}", "TCP", 80, "Allowed"),
            (AUDIT, "{ip: 'fd00:ec2::23'}", "TCP", 80, "Allowed"),
            (AUDIT, "{ip: 169.254.169.254}", "TCP", 80, "Allowed"),
            (CONTROLLER, "{ip: 10.2.0.10}", "TCP", 3128, "Allowed"),
            (CONTROLLER, "{ip: 10.2.0.11}", "TCP", 3128, "Denied"),
            (CONTROLLER, "{ip: 10.2.0.10}", "TCP", 443, "Denied"),
            // None of these is the agent's business.
            (AGENT, "{ip: 10.0.9.9}", "TCP", 443, "Allowed"),
            (AGENT, "{ip: 10.1.0.5}", "TCP", 443, "Denied"),
            (AGENT, "{ip: 10.2.0.10}", "TCP", 3128, "Denied"),
            (AGENT, "{ip: 169.254.170.23}", "TCP", 80, "Denied"),
        ],
    );
    judge(
        "openshift",
        &[],
        &[
            (CONTROLLER, "{ip: 10.128.0.4}", "UDP", 5353, "Allowed"),
            (CONTROLLER, "{ip: 10.128.0.4}", "UDP", 53, "Denied"),
            (CONTROLLER, "{ip: 10.128.0.4}", "TCP", 443, "Denied"),
        ],
    );
}

#[test]
fn every_pod_that_stays_has_a_policy() {
    let Some(tools) = Tools::find() else { return };
    let objects = tools.render(Some(&example("audits")), &["--set", "agent.enabled=true"]).unwrap();
    let policies: Vec<&Value> = of_kind(&objects, "NetworkPolicy").collect();
    assert_eq!(policies.len(), 4);
    for policy in &policies {
        assert_eq!(policy["spec"]["policyTypes"], serde_json::json!(["Ingress", "Egress"]));
    }
    let selected = |labels: &Value| {
        policies.iter().any(|policy| {
            let wanted = policy["spec"]["podSelector"]["matchLabels"].as_object().unwrap();
            wanted.iter().all(|(name, value)| labels[name] == *value)
        })
    };
    let mut seen = 0;
    for object in objects.iter().filter(|object| object["spec"]["template"].is_object()) {
        seen += 1;
        assert!(selected(&object["spec"]["template"]["metadata"]["labels"]), "{}", object["metadata"]["name"]);
    }
    for job in of_kind(&objects, "CronJob") {
        seen += 1;
        assert!(selected(&job["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"]));
    }
    for pod in of_kind(&objects, "Pod") {
        seen += 1;
        assert!(selected(&pod["metadata"]["labels"]));
    }
    assert_eq!(seen, 7);
    // The proxy and the bundle of certificates reach those who talk to the cloud.
    let objects = tools.render(Some(&example("aws")), &[]).unwrap();
    for (name, pod) in pods(&objects) {
        let variables = pod["containers"][0]["env"].as_array().unwrap();
        let value = |name: &str| variables.iter().find(|v| v["name"] == name).map(|v| text(&v["value"]));
        assert_eq!(value("HTTPS_PROXY"), Some("http://proxy.corp.example:3128"), "{name}");
        assert!(
            value("NO_PROXY").unwrap().starts_with(".corp.example,10.0.0.0/8,$(KUBERNETES_SERVICE_HOST),"),
            "{name}"
        );
        assert_eq!(value("AWS_CA_BUNDLE"), Some("/etc/buildreach/ca/ca-bundle.pem"), "{name}");
        assert_eq!(pod["containers"][0]["volumeMounts"][0]["mountPath"], "/etc/buildreach/ca", "{name}");
        assert_eq!(pod["volumes"][0]["configMap"]["name"], "corp-ca", "{name}");
    }
}
