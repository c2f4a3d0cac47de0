//! The controller and the network of AWS, which moto holds: a status follows its security groups, and what cannot be read
//! any more is unknown after a while.

#![cfg(feature = "aws")]
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::time::{Duration, Instant};

use common::apiserver::ApiServer;
use common::controller::{Controller, USER, audit_of, condition, server, wait};
use common::ec2::Moto;
use common::network::{self, Built, build};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// Far more than it takes.
const LONG: Duration = Duration::from_secs(60);

const AUDIT: &str = "/apis/buildreach.dev/v1alpha1/namespaces/cloud/buildaudits/builds";

/// A build on the host network of a node.
fn prepare(server: &ApiServer, instance: &str, address: &str) {
    server.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "cloud"}}));
    server.apply(&json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "in-moto"},
        "spec": {"providerID": format!("aws:///us-east-1a/{instance}")},
        "status": {"addresses": [{"type": "InternalIP", "address": address}]},
    }));
    server.apply(&json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "go-1", "namespace": "cloud", "labels": {"buildreach.dev/build": "true"}},
        "spec": {
            "nodeName": "in-moto", "hostNetwork": true, "containers": [{"name": "build", "image": "golang:1.26"}],
        },
        "status": {"phase": "Running", "hostIP": address, "podIP": address, "podIPs": [{"ip": address}]},
    }));
    let mut audit = audit_of("cloud");
    audit["spec"] = json!({"endpoints": ["203.0.113.9:8080"]});
    server.apply(&audit);
}

/// Whether the status says that a security group keeps the build in.
fn is_blocked_by(object: &Value, group: &str) -> bool {
    let first = &object["status"]["findings"][0];
    object["status"]["subjects"]["blocked"] == 1
        && first["layer"] == "cloud"
        && first["decidedBy"].as_str().is_some_and(|by| by.contains(group))
}

/// The value of a metric without labels of others.
fn metric(controller: &Controller, name: &str) -> Option<f64> {
    let page = controller.get("/metrics").1;
    page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[test]
fn the_status_follows_the_network_until_it_cannot_be_read() {
    let Some(moto) = Moto::start() else { return };
    let Some(server) = server() else { return };
    let runtime = Runtime::new().unwrap();
    let Built { instance, address, group, .. } = runtime.block_on(build(&moto.url));
    prepare(&server, &instance, &address);
    // One attempt: that nobody listens is known at once. The nodes of the demo stand in another region.
    let environment = [
        ("AWS_ENDPOINT_URL", moto.url.as_str()),
        ("AWS_ACCESS_KEY_ID", "x"),
        ("AWS_SECRET_ACCESS_KEY", "x"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
        ("AWS_MAX_ATTEMPTS", "1"),
    ];
    let flags = ["--aws", "--region", "us-east-1", "--aws-interval", "8s"];
    let controller = Controller::within(&server.kubeconfig(USER, None), &environment, &flags);
    let (object, _) = wait(&server, AUDIT, LONG, |o| is_blocked_by(o, &group));
    assert_eq!(condition(&object, "Compliant")["status"], "False");
    assert!(metric(&controller, "buildreach_aws_last_success_timestamp_seconds").is_some());
    let failures = "buildreach_aws_reads_total{result=\"failure\"}";
    assert_eq!(metric(&controller, failures), Some(0.0));

    // Nothing of the cluster changes: the group does.
    let open = network::port(8080).build();
    let admit = async |ec2: aws_sdk_ec2::Client| {
        ec2.authorize_security_group_egress().group_id(&group).ip_permissions(open.clone()).send().await.unwrap();
    };
    runtime.block_on(async { admit(network::client(&moto.url).await).await });
    wait(&server, AUDIT, LONG, |o| o["status"]["subjects"]["blocked"] == 0);
    let shut = async |ec2: aws_sdk_ec2::Client| {
        ec2.revoke_security_group_egress().group_id(&group).ip_permissions(open.clone()).send().await.unwrap();
    };
    runtime.block_on(async { shut(network::client(&moto.url).await).await });
    wait(&server, AUDIT, LONG, |o| is_blocked_by(o, &group));

    // What was read last counts when it cannot be read, and then no longer.
    drop(moto);
    let start = Instant::now();
    while metric(&controller, failures) == Some(0.0) {
        assert!(start.elapsed() < LONG, "it is not noticed that nobody answers");
        std::thread::sleep(Duration::from_millis(50));
    }
    assert!(is_blocked_by(&server.get(AUDIT).unwrap(), &group), "what was true a moment ago");
    let (object, _) = wait(&server, AUDIT, LONG, |o| o["status"]["subjects"]["unknown"] == 1);
    assert_eq!(object["status"]["subjects"]["blocked"], 0);
    assert_eq!(condition(&object, "Compliant")["status"], "Unknown", "{:#}", object["status"]);
    assert_eq!(condition(&object, "CoverageComplete")["reason"], "SourceUnavailable");
    let why = condition(&object, "CoverageComplete")["message"].as_str().unwrap();
    assert!(why.contains("it was read last at"), "{why}");
    controller.stop();
}

#[test]
fn without_credentials_nothing_is_known_of_the_network() {
    let Some(server) = server() else { return };
    prepare(&server, "i-0d3a9000000000001", "10.0.0.9");
    let environment = [("AWS_EC2_METADATA_DISABLED", "true"), ("HOME", "/nonexistent")];
    let controller = Controller::within(&server.kubeconfig(USER, None), &environment, &["--aws"]);
    let (object, _) = wait(&server, AUDIT, LONG, |o| condition(o, "Ready")["status"] == "True");
    assert_eq!(object["status"]["subjects"]["unknown"], 1, "{:#}", object["status"]);
    assert_eq!(condition(&object, "Compliant")["status"], "Unknown");
    let why = condition(&object, "CoverageComplete")["message"].as_str().unwrap();
    assert!(why.contains("Vpcs") && why.contains("credentials"), "{why}");
    controller.stop();
}
