//! What is kept, case by case: what must not be, and what need not be looked at.

use serde_json::{Value, json};

use super::steps::{CHANGE, Certificates, READ, START};
use super::{Controller, setup};
use crate::collect::kube::testing::Said;
use crate::model::report::AuditReport;
use crate::model::{CoverageState, Layer, Outcome, StepOutcome};

fn pod(metadata: &Value, status: &Value) -> Value {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "build", "namespace": "ci", "labels": {"app": "go", "buildreach.dev/build": "true"}},
        "spec": {"nodeName": "node-1", "containers": [{"name": "build", "image": "golang:1.26", "command": ["go", "mod", "download"],
            "env": [{"name": "SSL_CERT_FILE", "value": "/ca/ca.crt"}], "volumeMounts": [{"name": "ca", "mountPath": "/ca"}]}],
            "volumes": [{"name": "ca", "configMap": {"name": "ca"}}]},
        "status": {"phase": "Running", "podIP": "10.1.0.9", "podIPs": [{"ip": "10.1.0.9"}]}});
    for (part, more) in [("metadata", metadata), ("status", status)] {
        for (key, value) in more.as_object().unwrap() {
            pod[part][key] = value.clone();
        }
    }
    pod
}

fn build() -> Value {
    pod(&json!({}), &json!({}))
}

fn policy(name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": {"name": name, "namespace": "ci"}, "spec": spec})
}

fn node_trust(observed: &str, verifies: bool) -> Value {
    json!({"apiVersion": "buildreach.dev/v1alpha1", "kind": "NodeTrust", "metadata": {"name": "node-1"},
        "status": {"observedTime": observed, "stores": [], "registries": [{"host": "nexus.corp.example",
            "runtime": "containerd", "source": "/etc/containerd/certs.d", "hosts": [{"url": "", "skipVerify": !verifies}]}]}})
}

fn only(controller: &mut Controller<'_>) -> AuditReport {
    controller.same().remove(0).1.unwrap()
}

/// The only one of what leads to a host.
fn outcome(report: &AuditReport, host: &str) -> Outcome {
    let paths = report.results.iter().flat_map(|class| &class.paths);
    let found = paths.filter(|path| path.endpoints.iter().any(|endpoint| endpoint.host == host));
    let found: Vec<Outcome> = found.map(|path| path.outcome).collect();
    assert_eq!(found.len(), 1);
    found[0]
}

/// An address outside.
const OUTSIDE: &str = "10.20.0.15";

#[test]
fn a_policy_with_fields_that_are_not_known_stays_when_another_changes() {
    let setup = setup();
    let mut controller = Controller::new(&setup);
    controller.wish(0, json!({"endpoints": ["10.20.0.15:443"]}));
    controller.apply(&build());
    controller.apply(&policy("deny", &json!({"podSelector": {}, "policyTypes": ["Egress"], "later": 1})));
    assert_eq!(outcome(&only(&mut controller), OUTSIDE), Outcome::Unknown);
    controller.apply(&policy("other", &json!({"podSelector": {"matchLabels": {"app": "web"}}})));
    assert_eq!(outcome(&only(&mut controller), OUTSIDE), Outcome::Unknown);
    assert_eq!(controller.again, 1, "the facts were used again");
}

#[test]
fn a_certificate_counts_from_its_first_instant_to_its_last() {
    let (setup, certificates) = (setup(), Certificates::new());
    for (certificate, before, after) in [
        (&certificates.ends, Outcome::Reachable, Outcome::Blocked),
        (&certificates.begins, Outcome::Blocked, Outcome::Reachable),
        (&certificates.long, Outcome::Reachable, Outcome::Reachable),
    ] {
        let mut controller = Controller::new(&setup);
        controller.wish(0, json!({"endpoints": ["nexus.corp.example:443"]}));
        controller.apply(&build());
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "ca", "namespace": "ci"}, "data": {"ca.crt": certificate}});
        assert!(controller.cluster.read(READ, &[map]));
        controller.apply(&json!({"apiVersion": "buildreach.dev/v1alpha1", "kind": "EndpointSet", "metadata": {"name": "corp"},
            "spec": {"endpoints": [{"host": "nexus.corp.example", "port": 443, "addresses": ["10.20.0.15"], "ca": {"inline": certificate}}]}}));
        controller.after(u16::try_from(CHANGE).unwrap() - 20);
        let host = "nexus.corp.example";
        assert_eq!(outcome(&only(&mut controller), host), before);
        controller.after(10);
        assert_eq!(outcome(&only(&mut controller), host), before);
        controller.after(11);
        assert_eq!(outcome(&only(&mut controller), host), after);
        controller.after(1);
        assert_eq!(outcome(&only(&mut controller), host), after);
        assert_eq!(controller.again, 3, "the facts were used again");
    }
}

#[test]
fn an_exception_ends_while_facts_are_kept() {
    let setup = setup();
    let mut controller = Controller::new(&setup);
    controller.apply(&build());
    controller.apply(&policy("deny", &json!({"podSelector": {}, "policyTypes": ["Egress"]})));
    controller.wish(0, json!({"endpoints": ["10.20.0.15:443"]}));
    let code = only(&mut controller).findings.iter().find(|found| !found.hits.is_empty()).unwrap().code.clone();
    let accepted = json!([{"code": code, "reason": "known", "expires": "2027-01-15T08:00:30Z"}]);
    controller.wish(0, json!({"endpoints": ["10.20.0.15:443"], "exceptions": accepted}));
    controller.after(29);
    assert!(!only(&mut controller).excepted.is_empty());
    controller.after(1);
    assert!(only(&mut controller).excepted.is_empty());
    // What must be assessed is asked of what is known already.
    controller.wish(0, json!({"endpoints": ["10.20.0.15:443"], "requiredLayers": ["cloud"]}));
    controller.hear(Said::Gone(policy("deny", &json!({}))));
    assert_eq!(outcome(&only(&mut controller), OUTSIDE), Outcome::Unknown);
    controller.wish(0, json!({"endpoints": ["10.20.0.15:443"]}));
    assert_eq!(outcome(&only(&mut controller), OUTSIDE), Outcome::Reachable);
    assert_eq!(controller.again, 4, "the facts were used again");
}

#[test]
fn who_asks_something_else_is_answered_that_from_facts_that_are_kept() {
    let setup = setup();
    let mut controller = Controller::new(&setup);
    controller.apply(&build());
    controller.wish(0, json!({"endpoints": ["10.20.0.15:443"]}));
    assert_eq!(outcome(&only(&mut controller), OUTSIDE), Outcome::Reachable);
    controller.wish(0, json!({"endpoints": ["10.20.0.16:443"]}));
    assert_eq!(outcome(&only(&mut controller), "10.20.0.16"), Outcome::Reachable);
    controller.wish(0, json!({"selector": {"matchLabels": {"app": "nothing"}}}));
    assert!(only(&mut controller).results.is_empty());
    assert_eq!(controller.again, 2, "the facts were used again");
}

#[test]
fn what_decides_nothing_is_no_event() {
    let setup = setup();
    let mut controller = Controller::new(&setup);
    let deployment = |status: &Value| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "namespace": "web"},
            "spec": {"replicas": 1, "selector": {}, "template": {"spec": {"containers": [{"name": "c", "image": "nginx"}]}}},
            "status": status})
    };
    let node = |time: &str| {
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1", "resourceVersion": time},
            "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
                "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": time}]}})
    };
    let noisy =
        json!({"resourceVersion": "9", "managedFields": [{"manager": "kubelet", "time": "2027-01-15T07:00:00Z"}]});
    let probed =
        |kind: &str, status: &str| json!({"conditions": [{"type": kind, "status": status, "lastProbeTime": "x"}]});
    for (first, same, other) in [
        (build(), pod(&noisy, &probed("PodScheduled", "True")), pod(&json!({"labels": {"app": "go"}}), &json!({}))),
        (build(), pod(&noisy, &json!({"startTime": "2027-01-15T07:00:00Z"})), pod(&noisy, &probed("Ready", "False"))),
        (deployment(&json!({"replicas": 1})), deployment(&json!({"replicas": 0})), {
            let mut other = deployment(&json!({}));
            other["spec"]["template"]["spec"]["containers"][0]["image"] = "golang:1.26".into();
            other
        }),
        (node("1"), node("2"), {
            let mut other = node("2");
            other["metadata"]["labels"] = json!({"pool": "builds"});
            other
        }),
        (
            node_trust("2027-01-15T07:00:00Z", true),
            node_trust("2027-01-15T07:30:00Z", true),
            node_trust("2027-01-15T07:30:00Z", false),
        ),
    ] {
        controller.apply(&first);
        let revision = controller.cluster.take(START).revision;
        assert!(!controller.apply(&same), "{same}");
        assert!(controller.apply(&other), "{other}");
        assert_ne!(controller.cluster.take(START).revision, revision, "{other}");
    }
}

#[test]
fn when_the_trust_of_a_node_was_observed_is_known_all_the_same() {
    let setup = setup();
    let mut controller = Controller::new(&setup);
    controller.apply(&node_trust("2027-01-15T07:00:00Z", true));
    assert!(!controller.apply(&node_trust("2027-01-15T07:30:00Z", true)));
    let observed = controller.cluster.whole(START).snapshot.node_trust[0].observed;
    assert_eq!(observed, Some("2027-01-15T07:30:00Z".parse().unwrap()));
}

#[test]
fn facts_stay_when_a_pod_with_certificates_changes_after_a_beat_of_a_node() {
    let setup = setup();
    let mut controller = Controller::new(&setup);
    controller.wish(0, json!({"endpoints": ["10.20.0.15:443"]}));
    controller.apply(&build());
    controller.apply(&node_trust("2027-01-15T07:00:00Z", true));
    only(&mut controller);
    controller.apply(&node_trust("2027-01-15T07:30:00Z", true));
    controller.apply(&pod(&json!({"labels": {"app": "go"}}), &json!({})));
    only(&mut controller);
    assert_eq!(controller.again, 1, "the facts were used again");
}

#[test]
fn pods_are_renewed_in_each_of_the_namespaces_that_are_watched() {
    let setup = setup();
    let mut controller = Controller::within(&setup, &["ci".to_owned(), "web".to_owned()]);
    controller.wish(0, json!({"endpoints": ["10.20.0.15:443"]}));
    controller.apply(&build());
    only(&mut controller);
    let of = |namespace: &str| {
        let metadata = json!({"name": "build", "namespace": namespace, "labels": {"buildreach.dev/build": "true"}});
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "status": {"phase": "Running"},
            "spec": {"containers": [{"name": "build", "image": "golang:1.26", "command": ["go", "build"]}]}})
    };
    for (namespace, builds) in [("web", 2), ("ci", 2), ("elsewhere", 2)] {
        controller.apply(&of(namespace));
        let report = only(&mut controller);
        assert_eq!(report.results.iter().map(|class| class.subjects.len()).sum::<usize>(), builds, "{namespace}");
    }
    controller.hear(Said::Gone(of("web")));
    only(&mut controller);
    assert_eq!(controller.again, 4, "the facts were used again");
}

#[test]
fn a_beat_of_what_is_there_ends_a_doubt() {
    let setup = setup();
    let mut controller = Controller::new(&setup);
    controller.apply(&build());
    controller.hear(Said::Failed("Pod", CoverageState::Failed("connection refused".to_owned())));
    assert!(controller.cluster.is_in_doubt(controller.now));
    assert!(!controller.apply(&build()), "it counted all the time");
    assert!(!controller.cluster.is_in_doubt(controller.now));
    controller.hear(Said::Failed("Pod", CoverageState::Failed("connection refused".to_owned())));
    controller.after(30);
    assert!(controller.apply(&build()), "what counted as old is known again");
}

#[test]
fn what_was_added_to_facts_stays_with_them_until_they_are_forgotten() {
    let setup = setup();
    let mut controller = Controller::new(&setup);
    let mut taken = controller.cluster.take(START);
    taken.snapshot.aws.push(crate::model::aws::AwsScope::default());
    let first = taken.revision;
    controller.cluster.keep(taken);
    controller.apply(&policy("deny", &json!({"podSelector": {}})));
    let taken = controller.cluster.take(START);
    assert_eq!(
        (taken.snapshot.aws.len(), taken.snapshot.network_policies.len(), taken.former.is_none()),
        (1, 1, false)
    );
    assert_eq!(taken.revision.others, first.others);
    controller.cluster.keep(taken);
    controller.cluster.forget();
    let taken = controller.cluster.take(START);
    assert_eq!((taken.snapshot.aws.len(), taken.former.is_none()), (0, true));
    assert_ne!(taken.revision.others, first.others, "nothing that rests on it is kept");
}

#[test]
fn a_pod_with_an_address_of_its_own_puts_the_ranges_of_nodes_in_doubt() {
    let setup = setup();
    let mut controller = Controller::new(&setup);
    controller.wish(0, json!({"ecosystems": ["go"]}));
    // It has no address yet: whether the resolver's policy admits it is told by the ranges of the nodes.
    controller.apply(&pod(&json!({}), &json!({"phase": "Pending", "podIP": null, "podIPs": null})));
    let mut admits = policy(
        "dns",
        &json!({"podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}, "policyTypes": ["Ingress"],
            "ingress": [{"from": [{"ipBlock": {"cidr": "10.1.0.0/16"}}]}]}),
    );
    admits["metadata"]["namespace"] = "kube-system".into();
    controller.apply(&admits);
    let lookups = |report: &AuditReport| -> Vec<StepOutcome> {
        let steps = report.results.iter().flat_map(|class| &class.paths).flat_map(|path| &path.trace.steps);
        steps.filter(|step| step.layer == Layer::Dns).map(|step| step.outcome).collect()
    };
    let known = lookups(&only(&mut controller));
    assert!(known.iter().all(|outcome| *outcome == StepOutcome::Reachable), "{known:?}");
    let mut other = pod(&json!({"name": "other"}), &json!({"podIP": "10.9.0.1", "podIPs": [{"ip": "10.9.0.1"}]}));
    other["spec"] = json!({"nodeName": "node-1", "containers": [{"name": "web", "image": "nginx"}]});
    controller.apply(&other);
    let doubted = lookups(&only(&mut controller));
    assert!(doubted.contains(&StepOutcome::Unknown), "{doubted:?}");
    controller.hear(Said::Gone(other));
    assert_eq!(lookups(&only(&mut controller)), known);
    assert_eq!(controller.again, 2, "facts were kept");
}

#[test]
fn the_object_of_a_subject_is_found_in_another_way_once_it_can_be_read() {
    let setup = setup();
    let mut controller = Controller::new(&setup);
    controller.wish(0, json!({"ecosystems": ["go"]}));
    let owner = |kind: &str, name: &str| json!([{"kind": kind, "name": name, "controller": true}]);
    let set = |kind: &str, name: &str| {
        json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name, "namespace": "ci"},
            "spec": {"replicas": 1, "template": {"metadata": {}, "spec": {"containers": []}}}})
    };
    controller.apply(&pod(&json!({"ownerReferences": owner("ReplicaSet", "web-1")}), &json!({})));
    only(&mut controller);
    let mut replicas = set("ReplicaSet", "web-1");
    replicas["metadata"]["ownerReferences"] = owner("Deployment", "web");
    for object in [replicas, set("Deployment", "web")] {
        controller.apply(&object);
        only(&mut controller);
    }
    controller.hear(Said::Gone(set("Deployment", "web")));
    only(&mut controller);
    controller.hear(Said::Gone(set("ReplicaSet", "web-1")));
    only(&mut controller);
    assert_eq!(controller.again, 4, "facts were kept");
}

#[test]
fn what_is_in_no_namespace_is_in_the_default_one_each_time() {
    let setup = setup();
    let mut controller = Controller::new(&setup);
    controller.wish(0, json!({"endpoints": ["10.20.0.15:443"]}));
    controller.apply(&build());
    only(&mut controller);
    let without = |mut object: Value, name: &str| {
        object["metadata"].as_object_mut().unwrap().remove("namespace");
        object["metadata"]["name"] = name.into();
        object
    };
    let template = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {},
        "spec": {"template": {"metadata": {"labels": {"buildreach.dev/build": "true"}}, "spec": {"containers": []}}}});
    let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {},
        "addressType": "IPv4", "endpoints": [], "ports": []});
    for object in [build(), template, slice, policy("deny", &json!({"podSelector": {}}))] {
        for name in ["a", "b"] {
            controller.apply(&without(object.clone(), name));
            only(&mut controller);
        }
        let mut other = without(object.clone(), "a");
        other["metadata"]["labels"] = json!({"buildreach.dev/build": "true"});
        controller.apply(&other);
        only(&mut controller);
        controller.hear(Said::Gone(other));
        only(&mut controller);
    }
}
