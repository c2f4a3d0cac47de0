//! What happens to a cluster and to those who ask about it, at random.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;
use rcgen::{BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyPair, date_time_ymd};
use serde_json::{Value, json};

use super::super::Wish;
use crate::collect::kube::testing::Said;
use crate::crd::{BuildAudit, ClusterBuildAudit};
use crate::model::CoverageState;

/// 2027-01-15, 08:00:00 UTC.
pub(super) const START: jiff::Timestamp = jiff::Timestamp::constant(1_800_000_000, 0);

/// Of which namespaces ConfigMaps are read.
pub(super) const READ: &[&str] = &["ci", "web"];

/// CAs of one name: one that is valid for long, one that ends soon after the start, another that begins then.
#[derive(Clone, Debug)]
pub(super) struct Certificates {
    pub(super) long: String,
    pub(super) ends: String,
    pub(super) begins: String,
}

/// When one ends and the other begins, after the start.
pub(super) const CHANGE: u64 = 100;

impl Certificates {
    pub(super) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let moment = date_time_ymd(2027, 1, 15) + Duration::from_secs(8 * 3600 + CHANGE);
        let of = |from, to| {
            let mut params = CertificateParams::default();
            params.distinguished_name = DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, "Corp Root");
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            (params.not_before, params.not_after) = (from, to);
            params.self_signed(&key).unwrap().pem()
        };
        let (past, future) = (date_time_ymd(2020, 1, 1), date_time_ymd(2040, 1, 1));
        Self { long: of(past, future), ends: of(past, moment), begins: of(moment, future) }
    }
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Said(Said),
    Read(Vec<Value>),
    /// Somebody asks something, or nothing any more.
    Wish(u8, Option<Value>),
    Later(u16),
    /// What was given back does not count any more.
    Forget,
    /// Facts are taken, and neither asked about nor given back.
    Take,
    Answer,
}

/// The audit resource of a number: even ones are of the cluster.
pub(super) fn wish(number: u8, spec: Value) -> Wish {
    let kind = if number.is_multiple_of(2) { "ClusterBuildAudit" } else { "BuildAudit" };
    let mut metadata = json!({"name": format!("audit-{number}"), "uid": format!("u-{number}"), "generation": 1});
    if !number.is_multiple_of(2) {
        metadata["namespace"] = "ci".into();
    }
    let object = json!({"apiVersion": "buildreach.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec});
    if number.is_multiple_of(2) {
        Wish::cluster(serde_json::from_value::<ClusterBuildAudit>(object).unwrap())
    } else {
        Wish::namespaced(serde_json::from_value::<BuildAudit>(object).unwrap())
    }
}

fn maybe(values: Vec<Value>) -> impl Strategy<Value = Option<Value>> {
    prop::option::weighted(0.5, select(values))
}

fn put(object: &mut Value, key: &str, value: Option<Value>) {
    if let Some(value) = value {
        object[key] = value;
    }
}

fn spec() -> impl Strategy<Value = Value> {
    let ecosystems = maybe(vec![
        json!(["go"]),
        json!(["npm", "pypi"]),
        json!(["images"]),
        json!(["go", "images"]),
        json!(["npm"]),
        json!(["cobol"]),
    ]);
    let endpoints = maybe(vec![
        json!(["nexus.corp.example:443"]),
        json!(["nexus.tools:8081", "10.20.0.15:5000"]),
        json!(["https://proxy.golang.org", "10.1.0.3:443"]),
    ]);
    let sets = maybe(vec![json!(["corp"]), json!(["corp"]), json!(["more"]), json!(["nowhere"])]);
    let layers = maybe(vec![json!(["cloud"]), json!(["tls", "policy"])]);
    let accept = |expires: &str| json!([{"code": "BR-NET-001", "reason": "known", "expires": expires}]);
    let exceptions = maybe(vec![
        accept("2027-01-15T08:00:40Z"),
        accept("2030-01-01"),
        json!([{"code": "BR-DNS-001", "subject": "ci/*", "reason": "known"}]),
    ]);
    let selector = maybe(vec![json!({"matchLabels": {"app": "go"}}), json!({"matchLabels": {"tier": "x"}})]);
    let namespaces = maybe(vec![json!({}), json!({"matchLabels": {"team": "build"}})]);
    (ecosystems, endpoints, sets, layers, exceptions, selector, namespaces).prop_map(
        |(ecosystems, endpoints, sets, layers, exceptions, selector, namespaces)| {
            let mut spec = json!({});
            put(&mut spec, "ecosystems", ecosystems);
            put(&mut spec, "endpoints", endpoints);
            put(&mut spec, "endpointSets", sets);
            put(&mut spec, "requiredLayers", layers);
            put(&mut spec, "exceptions", exceptions);
            put(&mut spec, "selector", selector);
            put(&mut spec, "namespaceSelector", namespaces);
            spec
        },
    )
}

fn labels() -> impl Strategy<Value = Value> {
    (select(vec!["go", "node", "web"]), any::<bool>(), any::<bool>()).prop_map(|(app, tier, build)| {
        let mut labels = json!({"app": app});
        put(&mut labels, "tier", tier.then(|| "x".into()));
        put(&mut labels, "buildreach.dev/build", build.then(|| "true".into()));
        labels
    })
}

/// The specification of a pod.
fn pod_spec() -> impl Strategy<Value = Value> {
    let image = select(vec![
        ("golang:1.26", "go mod download"),
        ("golang:1.25", "go mod download"),
        ("node:22", "npm ci"),
        ("alpine/git:2", "git clone https://github.com/a/b"),
        ("gcr.io/kaniko-project/executor:v1.23.0", "/kaniko/executor --destination nexus.corp.example/a:1"),
        ("nginx", "nginx"),
    ]);
    let env = maybe(vec![
        json!([{"name": "GOPROXY", "value": "https://nexus.corp.example/go"}]),
        json!([{"name": "GOPROXY", "valueFrom": {"configMapKeyRef": {"name": "env", "key": "GOPROXY"}}}]),
        json!([{"name": "SSL_CERT_FILE", "value": "/ca/ca.crt"}, {"name": "NPM_CONFIG_REGISTRY", "value": "https://nexus.corp.example/npm"}]),
        json!([{"name": "HTTPS_PROXY", "value": "http://nexus.tools:8081"}]),
    ]);
    let rarely = || prop::bool::weighted(0.1);
    let more = (prop::bool::weighted(0.3), prop::bool::weighted(0.3), rarely(), rarely());
    (image, env, more).prop_map(|((image, command), env, (from, ca, host, alias))| {
        let mut container = json!({"name": "build", "image": image, "command": ["sh", "-c", command]});
        put(&mut container, "env", env);
        put(&mut container, "envFrom", from.then(|| json!([{"configMapRef": {"name": "env"}}])));
        let path = if host { "/etc/ssl/certs" } else { "/ca" };
        put(&mut container, "volumeMounts", ca.then(|| json!([{"name": "ca", "mountPath": path}])));
        let mut spec = json!({"nodeName": "node-1", "containers": [container]});
        put(&mut spec, "volumes", ca.then(|| json!([{"name": "ca", "configMap": {"name": "ca"}}])));
        put(&mut spec, "hostNetwork", host.then(|| true.into()));
        let aliases = json!([{"ip": "10.20.0.16", "hostnames": ["nexus.corp.example"]}]);
        put(&mut spec, "hostAliases", alias.then_some(aliases));
        spec
    })
}

fn namespace() -> impl Strategy<Value = &'static str> {
    select(vec!["ci", "ci", "web"])
}

/// Something about one in so many objects that cannot be read.
fn rarely_odd(mut object: Value, path: &str, odd: u8) -> Value {
    if odd == 0 {
        *object.pointer_mut(path).unwrap() = json!([7]);
    }
    object
}

fn pod() -> impl Strategy<Value = Value> {
    let status = (select(vec!["Running", "Pending", "Unknown"]), 0..4_u8, any::<bool>(), 0..3_u8);
    let owner = select(vec![
        None,
        None,
        Some(("ReplicaSet", "set-0")),
        Some(("ReplicaSet", "set-0")),
        Some(("ReplicaSet", "set-0-7c9")),
        Some(("TaskRun", "run-1")),
        Some(("CronJob", "set-0")),
        Some(("Job", "set-0-28391234")),
        Some(("Node", "node-1")),
    ]);
    (namespace(), 0..6_u8, labels(), pod_spec(), status, owner, 0..25_u8).prop_map(
        |(ns, n, labels, spec, (phase, address, ready, version), owner, odd)| {
            let mut metadata = json!({"name": format!("pod-{n}"), "namespace": ns, "labels": labels,
                "resourceVersion": version.to_string()});
            if let Some((kind, name)) = owner {
                metadata["ownerReferences"] = json!([{"kind": kind, "name": name, "controller": true}]);
                if name.ends_with("-7c9") && ready {
                    metadata["labels"]["pod-template-hash"] = "7c9".into();
                }
            }
            let mut status = json!({"phase": phase, "conditions": [
                {"type": "Ready", "status": if ready { "True" } else { "False" }, "lastProbeTime": version.to_string()}]});
            if phase == "Running" {
                // Not every address is of the ranges that nodes say.
                let ip = if address == 3 { format!("10.9.0.{n}") } else { format!("10.1.{address}.{n}") };
                status["podIP"] = ip.clone().into();
                status["podIPs"] = json!([{"ip": ip}]);
            }
            let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status});
            rarely_odd(pod, "/spec/containers", odd)
        },
    )
}

fn dns_pod() -> impl Strategy<Value = Value> {
    (0..2_u8, any::<bool>(), any::<bool>()).prop_map(|(n, ready, is_dns)| {
        let app = if is_dns { "kube-dns" } else { "other" };
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": format!("coredns-{n}"), "namespace": "kube-system", "labels": {"k8s-app": app}},
            "spec": {"nodeName": "node-1", "containers": [{"name": "coredns", "image": "coredns:1.13",
                "ports": [{"name": "dns", "containerPort": 53, "protocol": "UDP"}, {"name": "dns-tcp", "containerPort": 53}]}]},
            "status": {"phase": "Running", "podIP": format!("10.1.9.{n}"), "podIPs": [{"ip": format!("10.1.9.{n}")}],
                "conditions": [{"type": "Ready", "status": if ready { "True" } else { "False" }}]}})
    })
}

fn workload() -> impl Strategy<Value = Value> {
    let kind = select(vec!["Deployment", "ReplicaSet", "CronJob"]);
    (namespace(), kind, labels(), pod_spec(), 0..2_u8, 0..25_u8).prop_map(
        |(ns, kind, labels, mut spec, replicas, odd)| {
            spec.as_object_mut().unwrap().remove("nodeName");
            let template = json!({"metadata": {"labels": labels}, "spec": spec});
            let mut metadata = json!({"name": "set-0", "namespace": ns});
            if kind == "ReplicaSet" {
                metadata["ownerReferences"] = json!([{"kind": "Deployment", "name": "set-0", "controller": true}]);
            }
            let (group, spec) = match kind {
                "CronJob" => {
                    ("batch/v1", json!({"schedule": "0 3 * * *", "jobTemplate": {"spec": {"template": template}}}))
                }
                _ => (
                    "apps/v1",
                    json!({"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}),
                ),
            };
            let path = if kind == "CronJob" { "/spec/jobTemplate" } else { "/spec/template" };
            rarely_odd(json!({"apiVersion": group, "kind": kind, "metadata": metadata, "spec": spec}), path, odd)
        },
    )
}

fn policy() -> impl Strategy<Value = Value> {
    let selector = || {
        select(vec![
            json!({}),
            json!({"matchLabels": {"app": "go"}}),
            json!({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}),
            json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["go"]}]}),
        ])
    };
    let dns = json!({"to": [{"namespaceSelector": {}, "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}}}],
        "ports": [{"port": 53, "protocol": "UDP"}, {"port": 53}]});
    let egress = select(vec![
        dns.clone(),
        dns,
        json!({}),
        json!({"ports": [{"port": 443}]}),
        json!({"to": [{"ipBlock": {"cidr": "142.250.0.0/15"}}, {"ipBlock": {"cidr": "10.20.0.0/16"}}], "ports": [{"port": 443}]}),
        json!({"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}),
        json!({"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}),
        json!({"to": [{"namespaceSelector": {"matchLabels": {"team": "build"}}}]}),
        json!({"ports": [{"port": 443, "endPort": 400}]}),
    ]);
    let namespace = select(vec!["ci", "ci", "web", "tools", "kube-system"]);
    let types = select(vec![json!(["Egress"]), json!(["Egress"]), json!(["Ingress"]), json!(["Ingress", "Egress"])]);
    (namespace, 0..3_u8, selector(), prop::collection::vec(egress, 0..3), types, 0..30_u8).prop_map(
        |(ns, n, pods, egress, types, odd)| {
            let mut spec = json!({"podSelector": pods, "policyTypes": types, "egress": egress});
            match odd {
                0 => spec["podSelector"] = 7.into(),
                1 => spec["egress"] = json!([{"to": 7}]),
                // Of a version of the API that is not known yet.
                2 | 3 => spec["later"] = "x".into(),
                _ => {}
            }
            json!({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
                "metadata": {"name": format!("p-{n}"), "namespace": ns, "resourceVersion": odd.to_string()}, "spec": spec})
        },
    )
}

fn slice() -> impl Strategy<Value = Value> {
    (0..4_u8, any::<bool>(), 0..25_u8).prop_map(|(address, ready, odd)| {
        let slice = json!({"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "nexus-1", "namespace": "tools", "labels": {"kubernetes.io/service-name": "nexus"}},
            "endpoints": [{"addresses": [format!("10.1.{address}.2")], "conditions": {"ready": ready}}],
            "ports": [{"name": "http", "port": 8081, "protocol": "TCP"}]});
        rarely_odd(slice, "/endpoints", odd)
    })
}

fn other(certificates: &Certificates) -> impl Strategy<Value = Value> + use<> {
    let space = (select(vec!["ci", "web", "tools", "kube-system"]), select(vec!["build", "other"])).prop_map(
        |(name, team)| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": team}}}),
    );
    let service = (any::<bool>(), any::<bool>(), 0..3_u8).prop_map(|(is_dns, named, address)| {
        let (name, ns, ports) = if is_dns {
            let target = if named { json!("dns") } else { json!(53) };
            ("kube-dns", "kube-system", json!([{"name": "dns", "port": 53, "protocol": "UDP", "targetPort": target},
                {"name": "dns-tcp", "port": 53}]))
        } else {
            ("nexus", "tools", json!([{"name": "http", "port": 8081, "targetPort": if named { 8081 } else { 8082 }}]))
        };
        let selector = if is_dns { json!({"k8s-app": "kube-dns"}) } else { json!({"app": "nexus"}) };
        json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": ns},
            "spec": {"clusterIP": format!("10.43.{}.1{address}", u8::from(is_dns)), "selector": selector, "ports": ports}})
    });
    let node = (0..2_u8, any::<bool>(), 0..3_u8).prop_map(|(n, gpu, beat)| {
        let mut labels = json!({"kubernetes.io/hostname": format!("node-{n}")});
        put(&mut labels, "gpu", gpu.then(|| "yes".into()));
        json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": format!("node-{n}"), "labels": labels},
            "spec": {"podCIDR": "10.1.0.0/16"},
            "status": {"addresses": [{"type": "InternalIP", "address": format!("10.0.0.{n}")}],
                "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": beat.to_string()}]}})
    });
    let inline = certificates.ends.clone();
    let set = (select(vec!["corp", "more"]), 0..7_u8).prop_map(move |(name, form)| {
        let mut endpoint = json!({"host": "nexus.corp.example", "port": 443, "addresses": ["10.20.0.15"]});
        let mut spec = json!({});
        match form {
            0 => {}
            1 => endpoint["ca"] = json!({"inline": inline}),
            2 => endpoint["addresses"] = json!(["10.20.0.15", "10.30.0.15"]),
            3 => endpoint["later"] = 1.into(),
            4 => spec["replaces"] = json!(["npm"]),
            _ => endpoint["ca"] = json!({"configMap": {"namespace": "ci", "name": "ca", "key": "ca.crt"}}),
        }
        spec["endpoints"] = json!([endpoint]);
        json!({"apiVersion": "buildreach.dev/v1alpha1", "kind": "EndpointSet", "metadata": {"name": name}, "spec": spec})
    });
    let trust = (0..2_u8, any::<bool>(), 0..3_u8).prop_map(|(n, verifies, beat)| {
        json!({"apiVersion": "buildreach.dev/v1alpha1", "kind": "NodeTrust", "metadata": {"name": format!("node-{n}")},
            "status": {"observedTime": format!("2027-01-15T07:0{beat}:00Z"), "stores": [], "registries": [
                {"host": "nexus.corp.example", "runtime": "containerd", "source": "/etc/containerd/certs.d",
                    "hosts": [{"url": "", "skipVerify": !verifies}]}]}})
    });
    let inline = certificates.long.clone();
    let bundle = (any::<bool>(), any::<bool>()).prop_map(move |(public, from_map)| {
        let source =
            if from_map { json!({"configMap": {"name": "ca", "key": "ca.crt"}}) } else { json!({"inLine": inline}) };
        json!({"apiVersion": "trust.cert-manager.io/v1alpha1", "kind": "Bundle", "metadata": {"name": "ca"},
            "spec": {"sources": [source, {"useDefaultCAs": public}], "target": {"configMap": {"key": "ca.crt"}}}})
    });
    prop_oneof![2 => space, 2 => service, 2 => slice(), 1 => node, 2 => set, 1 => trust, 1 => bundle]
}

fn config_maps(certificates: &Certificates) -> impl Strategy<Value = Vec<Value>> + use<> {
    let Certificates { long, ends, begins } = certificates.clone();
    let ca =
        select(vec![Some(long.clone()), Some(ends.clone()), Some(begins), Some(ends), Some("none".to_owned()), None]);
    let go = maybe(vec![json!("https://nexus.corp.example/go"), json!("direct"), json!("off")]);
    (select(vec!["ci", "web"]), ca, go, any::<bool>()).prop_map(|(ns, ca, go, proxy)| {
        let map = |name: &str, data: Value| {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": ns}, "data": data})
        };
        let mut env = json!({});
        put(&mut env, "GOPROXY", go);
        put(&mut env, "HTTPS_PROXY", proxy.then(|| "http://10.20.0.20:3128".into()));
        let ca = ca.map(|ca| map("ca", json!({"ca.crt": ca})));
        ca.into_iter().chain([map("env", env)]).collect()
    })
}

/// Any object.
fn object(certificates: &Certificates) -> impl Strategy<Value = Value> + use<> {
    prop_oneof![6 => pod(), 1 => dns_pod(), 2 => workload(), 6 => policy(), 5 => other(certificates)]
}

/// What is there at the start: enough to look names up.
pub(super) fn beginning() -> Vec<Value> {
    let space = |name: &str| json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"team": "build"}}});
    let dns = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-dns", "namespace": "kube-system"},
        "spec": {"clusterIP": "10.43.0.10", "selector": {"k8s-app": "kube-dns"},
            "ports": [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53}]}});
    let pod = json!({"apiVersion": "v1", "kind": "Pod",
        "metadata": {"name": "coredns-9", "namespace": "kube-system", "labels": {"k8s-app": "kube-dns"}},
        "spec": {"nodeName": "node-1", "containers": [{"name": "coredns", "image": "coredns:1.13"}]},
        "status": {"phase": "Running", "podIP": "10.1.9.9", "podIPs": [{"ip": "10.1.9.9"}],
            "conditions": [{"type": "Ready", "status": "True"}]}});
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"}, "spec": {"podCIDR": "10.1.0.0/16"},
        "status": {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}});
    ["ci", "web", "tools", "kube-system"].map(space).into_iter().chain([dns, pod, node]).collect()
}

pub(super) fn step(certificates: &Certificates) -> impl Strategy<Value = Step> + use<> {
    let kinds =
        || select(vec!["NetworkPolicy", "Pod", "Service", "Namespace", "EndpointSet", "Deployment", "EndpointSlice"]);
    let states = select(vec![CoverageState::Failed("connection refused".to_owned()), CoverageState::Forbidden]);
    let said = prop_oneof![
        40 => object(certificates).prop_map(Said::Applied),
        10 => object(certificates).prop_map(Said::Gone),
        1 => prop::collection::vec(policy(), 0..3).prop_map(|all| Said::Listed("NetworkPolicy", all)),
        1 => prop::collection::vec(pod(), 0..4).prop_map(|all| Said::Listed("Pod", all)),
        1 => (kinds(), states.clone()).prop_map(|(kind, state)| Said::Failed(kind, state)),
        1 => (prop::collection::vec(pod(), 0..4), states).prop_map(|(all, state)| Said::BrokenOff("Pod", all, state)),
        12 => kinds().prop_map(Said::Resumed),
    ];
    // Policies alone, or what runs, change most often between two answers: that is what facts are kept for.
    let policies = prop_oneof![3 => policy().prop_map(Said::Applied), 1 => policy().prop_map(Said::Gone)];
    let running = || prop_oneof![6 => pod(), 1 => workload(), 1 => slice()];
    let running = prop_oneof![3 => running().prop_map(Said::Applied), 1 => running().prop_map(Said::Gone)];
    prop_oneof![
        30 => said.prop_map(Step::Said),
        20 => policies.prop_map(Step::Said),
        20 => running.prop_map(Step::Said),
        3 => config_maps(certificates).prop_map(Step::Read),
        8 => (0..5_u8, prop::option::weighted(0.8, spec())).prop_map(|(number, spec)| Step::Wish(number, spec)),
        3 => (1..30_u16).prop_map(Step::Later),
        1 => Just(Step::Forget),
        1 => Just(Step::Take),
        40 => Just(Step::Answer),
    ]
}
