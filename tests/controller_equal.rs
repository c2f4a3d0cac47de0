//! At rest the controller says what `buildreach audit` says of the same cluster, whatever happened before.

#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use buildreach::controller::status::{says_the_same, status};
use buildreach::controller::{AuditId, Wish};
use buildreach::crd::build_audit::{AuditStatus, BuildAuditSpec};
use buildreach::model::report::AuditReport;
use common::apiserver::{ADMIN, ApiServer};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};

const CHANGES: usize = 500;

/// Changes between two comparisons: few enough to see which one went wrong, many enough to be overtaken by the next.
const BETWEEN: usize = 20;

const PATH: &str = "/apis/buildreach.dev/v1alpha1/clusterbuildaudits/default";

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Something that happens to a cluster.
#[derive(Clone, Debug)]
enum Change {
    Apply(Value),
    Delete(String),
}

fn namespace() -> impl Strategy<Value = String> {
    (0..4_u8).prop_map(|n| format!("team-{n}"))
}

fn selector() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(json!({})),
        Just(json!({"matchLabels": {"app": "go"}})),
        Just(json!({"matchLabels": {"app": "node"}})),
        Just(json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]})),
        Just(json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["go"]}]})),
    ]
}

fn egress() -> impl Strategy<Value = Value> {
    let dns = json!({"to": [{"namespaceSelector": {}}], "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}]});
    prop_oneof![
        2 => Just(json!({"ports": [{"port": 443}]})),
        2 => Just(dns),
        1 => Just(json!({})),
        1 => Just(json!({"to": [{"ipBlock": {"cidr": "142.250.0.0/15"}}], "ports": [{"port": 443}]})),
        1 => Just(json!({"to": [{"namespaceSelector": {"matchLabels": {"zone": "a"}}}]})),
    ]
}

fn change() -> impl Strategy<Value = Change> {
    let pod = (namespace(), 0..6_u8, prop::sample::select(vec!["golang:1.26", "node:22", "nginx"]), any::<bool>())
        .prop_map(|(ns, n, image, tier)| {
            let app = image.split(':').next().unwrap().replace("golang", "go");
            let command = if app == "go" { "go mod download" } else { "npm ci" };
            let mut labels = json!({"app": app, "buildreach.dev/build": "true"});
            if tier {
                labels["tier"] = json!("x");
            }
            Change::Apply(json!({
                "apiVersion": "v1", "kind": "Pod", "metadata": {"name": format!("{app}-{n}"), "namespace": ns, "labels": labels},
                "spec": {"nodeName": "node-1", "containers": [
                    {"name": "build", "image": image, "command": ["sh", "-c", command]}]},
                "status": {"phase": "Running", "podIP": format!("10.1.{n}.{}", ns.as_bytes()[5]),
                    "podIPs": [{"ip": format!("10.1.{n}.{}", ns.as_bytes()[5])}]},
            }))
        });
    let gone_pod =
        (namespace(), 0..6_u8, prop::sample::select(vec!["go", "node", "nginx"])).prop_map(|(ns, n, app)| {
            Change::Delete(format!("/api/v1/namespaces/{ns}/pods/{app}-{n}?gracePeriodSeconds=0"))
        });
    let policy = (namespace(), 0..4_u8, selector(), prop::collection::vec(egress(), 0..3)).prop_map(|(ns, n, pods, egress)| {
        Change::Apply(json!({
            "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": format!("p-{n}"), "namespace": ns},
            "spec": {"podSelector": pods, "policyTypes": ["Egress"], "egress": egress},
        }))
    });
    let gone_policy = (namespace(), 0..4_u8).prop_map(|(ns, n)| {
        Change::Delete(format!("/apis/networking.k8s.io/v1/namespaces/{ns}/networkpolicies/p-{n}"))
    });
    let labels = (namespace(), prop::sample::select(vec!["a", "b"])).prop_map(|(ns, zone)| {
        Change::Apply(
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": ns, "labels": {"zone": zone}}}),
        )
    });
    let cron = (namespace(), any::<bool>()).prop_map(|(ns, suspend)| {
        Change::Apply(json!({
            "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly", "namespace": ns},
            "spec": {"schedule": "0 3 * * *", "suspend": suspend, "jobTemplate": {"spec": {"template": {
                "metadata": {"labels": {"app": "go"}},
                "spec": {"restartPolicy": "Never", "containers": [
                    {"name": "build", "image": "golang:1.26", "command": ["go", "build", "./..."]}]}}}}},
        }))
    });
    prop_oneof![5 => pod, 2 => gone_pod, 4 => policy, 3 => gone_policy, 1 => labels, 1 => cron]
}

/// What the controller should say, by way of an audit of the same cluster.
fn expected(kubeconfig: &str, generation: i64) -> AuditStatus {
    let output = Command::new(env!("CARGO_BIN_EXE_buildreach"))
        .args(["audit", "--kubeconfig", kubeconfig, "-o", "json", "--fail-on", "none"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: AuditReport = serde_json::from_slice(&output.stdout).unwrap();
    let wish = Wish {
        id: AuditId::Cluster { name: "default".to_owned() },
        uid: String::new(),
        generation,
        namespaces: None,
        spec: Ok(BuildAuditSpec::default()),
        status: None,
    };
    let at = report.instant;
    status(&wish, &Ok(report), at)
}

/// A status without since when things are so.
fn timeless(mut status: AuditStatus) -> AuditStatus {
    for condition in &mut status.conditions {
        condition.last_transition_time = jiff::Timestamp::UNIX_EPOCH;
    }
    for finding in &mut status.findings {
        finding.since = None;
    }
    status
}

#[test]
fn five_hundred_changes() {
    let Some(server) = ApiServer::start(&[]) else { return };
    for definition in buildreach::crd::definitions().unwrap() {
        server.apply(&serde_saphyr::from_str::<Value>(&definition.yaml).unwrap());
    }
    for n in 0..4 {
        server.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": format!("team-{n}")}}));
    }
    server.apply(
        &json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"clusterIP": "10.43.0.10", "selector": {"k8s-app": "kube-dns"},
            "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53}]}}),
    );
    let kubeconfig = server.kubeconfig(ADMIN, None);
    let kubeconfig = kubeconfig.to_str().unwrap();
    let _controller = Ended(
        Command::new(env!("CARGO_BIN_EXE_buildreach"))
            .args(["controller", "--default-audit", "--kubeconfig", kubeconfig])
            .stderr(Stdio::null())
            .spawn()
            .unwrap(),
    );

    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut seen = std::collections::BTreeSet::new();
    for round in 0..CHANGES / BETWEEN {
        let mut log = Vec::new();
        for _ in 0..BETWEEN {
            let change = change().new_tree(&mut runner).unwrap().current();
            match &change {
                Change::Apply(object) => server.apply(object),
                Change::Delete(path) => {
                    server.try_delete(path);
                }
            }
            log.push(change);
        }
        let start = Instant::now();
        loop {
            let object = server.get(PATH).unwrap_or_default();
            let generation = object["metadata"]["generation"].as_i64().unwrap_or_default();
            let want = timeless(expected(kubeconfig, generation));
            let have: Option<AuditStatus> = serde_json::from_value(object["status"].clone()).ok();
            let have = have.map(timeless);
            if have.as_ref().is_some_and(|have| says_the_same(have, &want)) {
                seen.insert(format!("{:?}", want.subjects));
                break;
            }
            assert!(
                start.elapsed() < Duration::from_secs(20),
                "round {round}: the controller says\n{:#}\nand an audit\n{:#}\nafter {log:#?}",
                serde_json::to_value(&have).unwrap(),
                serde_json::to_value(&want).unwrap(),
            );
            std::thread::sleep(Duration::from_millis(200));
        }
    }
    assert!(seen.len() > CHANGES / BETWEEN / 2, "what happened made a difference: {seen:?}");
}
