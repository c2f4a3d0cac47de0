//! Collection from a real API server: the same facts as from files, and honest about what it may not read.

#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use buildreach::collect::files;
use buildreach::collect::kube::{LiveOptions, PreflightRow, collect, preflight};
use buildreach::model::snapshot::CoverageState;
use buildreach::model::{Snapshot, World};
use common::apiserver::{ADMIN, ApiServer};
use serde_json::{Value, json};

/// Bound to the documented role.
const READER: &str = "reader";
/// May read everything but NetworkPolicies.
const NO_POLICIES: &str = "no-policies";
/// May read the namespace `ci` only.
const CI_ONLY: &str = "ci-only";
/// May read the namespaces `ci` and `shop` only.
const CI_AND_SHOP: &str = "ci-and-shop";
/// May do nothing.
const NOBODY: &str = "nobody";

fn fixture() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/live")
}

fn folder() -> Snapshot {
    files::collect(&[fixture().display().to_string()], &files::Options::default()).unwrap()
}

/// One server for all tests of this file, which only read it.
fn server() -> Option<&'static ApiServer> {
    static SERVER: LazyLock<Option<ApiServer>> = LazyLock::new(start);
    SERVER.as_ref()
}

/// The documented role, and the same without NetworkPolicies.
fn roles() -> (Value, Value) {
    let role: Value = serde_saphyr::from_str(include_str!("../docs/rbac-reader.yaml")).unwrap();
    let mut without_policies = role.clone();
    without_policies["metadata"]["name"] = json!("no-policies");
    let rules = without_policies["rules"].as_array_mut().unwrap();
    rules.retain(|rule| rule["apiGroups"] != json!(["networking.k8s.io"]));
    (role, without_policies)
}

fn start() -> Option<ApiServer> {
    let server = ApiServer::start(&[READER, NO_POLICIES, CI_ONLY, CI_AND_SHOP, NOBODY])?;
    server.load(&fixture());
    let (role, without_policies) = roles();
    server.apply(&role);
    server.apply(&without_policies);
    server.apply(&cluster_binding(READER, "buildreach-reader"));
    server.apply(&cluster_binding(NO_POLICIES, "no-policies"));
    for (namespace, users) in [("ci", [CI_ONLY, CI_AND_SHOP].as_slice()), ("shop", &[CI_AND_SHOP])] {
        open_namespace(&server, namespace, users);
    }
    Some(server)
}

/// Lets users read one namespace.
fn open_namespace(server: &ApiServer, namespace: &str, users: &[&str]) {
    let users: Vec<_> = users
        .iter()
        .map(|user| json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}))
        .collect();
    let metadata = json!({"name": "reader", "namespace": namespace});
    server.apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": metadata,
        "rules": [
            {"apiGroups": ["", "apps", "batch", "networking.k8s.io", "crd.projectcalico.org"],
             "resources": ["pods", "deployments", "statefulsets", "jobs", "cronjobs", "networkpolicies"],
             "verbs": ["list"]},
            {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get"]},
        ],
    }));
    server.apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "reader"},
        "subjects": users,
    }));
}

fn cluster_binding(user: &str, role: &str) -> Value {
    json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": user},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    })
}

fn options(server: &ApiServer, user: &str) -> LiveOptions {
    LiveOptions { kubeconfig: Some(server.kubeconfig(user, None)), ..LiveOptions::default() }
}

fn read(options: &LiveOptions) -> anyhow::Result<Snapshot> {
    runtime().block_on(collect(options, &|_, _| {}))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// The state of a kind over all namespaces, or in one.
fn coverage<'s>(snapshot: &'s Snapshot, kind: &str, namespace: Option<&str>) -> Option<&'s CoverageState> {
    let row = snapshot.coverage.iter().find(|c| c.kind == kind && c.namespace.as_deref() == namespace)?;
    assert_eq!(row.source, "kubernetes");
    Some(&row.state)
}

/// Objects by list, namespace and name, without what differs between a file and a server by nature.
fn facts(snapshot: &Snapshot) -> BTreeMap<String, Value> {
    let Value::Object(lists) = serde_json::to_value(snapshot).unwrap() else { unreachable!() };
    let lists = lists.into_iter().filter(|(list, _)| !matches!(list.as_str(), "coverage" | "problems" | "sources"));
    let mut facts = BTreeMap::new();
    for (list, objects) in lists {
        for mut object in objects.as_array().cloned().unwrap_or_default() {
            strip(&mut object);
            let key = format!("{list} {} {} {}", object["kind"], object["namespace"], object["name"]);
            assert!(facts.insert(key.clone(), object).is_none(), "twice: {key}");
        }
    }
    facts
}

/// Removes places, versions, and what a server fills in.
fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for key in ["origin", "line", "resourceVersion", "fieldManager"] {
                fields.remove(key);
            }
            // Written out by the server where a manifest leaves it out.
            if fields.get("protocol") == Some(&json!("TCP")) {
                fields.remove("protocol");
            }
            if fields.get("key").is_none() && fields.get("taints").is_some() {
                // A node that no kubelet keeps is marked when it is made.
                let taints = fields["taints"].as_array().unwrap().clone();
                let kept: Vec<_> = taints.into_iter().filter(|t| t["key"] != "node.kubernetes.io/not-ready").collect();
                if kept.is_empty() {
                    fields.remove("taints")
                } else {
                    fields.insert("taints".to_owned(), json!(kept))
                };
            }
            // The labels by which a Job finds its pods.
            fields.retain(|key, _| !key.ends_with("controller-uid") && !key.ends_with("job-name"));
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

#[test]
fn a_server_gives_the_facts_of_the_folder_to_the_documented_role() {
    let Some(server) = server() else { return };
    let live = read(&options(server, READER)).unwrap();
    assert_eq!((live.world, live.cluster.as_deref()), (World::Live, Some("test")));
    assert_eq!(live.sources, ["cluster test"]);
    let unread: Vec<_> = live.coverage.iter().filter(|c| c.state.is_incomplete()).collect();
    assert!(unread.is_empty(), "the documented role does not suffice: {unread:#?}");
    assert!(live.problems.is_empty(), "{:#?}", live.problems);

    let mut expected = facts(&folder());
    let mut found = facts(&live);
    // What a server has of itself.
    for own in ["default", "kube-node-lease", "kube-public"] {
        found.remove(&format!("namespaces null null \"{own}\"")).unwrap();
    }
    found.remove("services null \"default\" \"kubernetes\"").unwrap();
    // A pod that has ended is not asked for.
    expected.remove("pods null \"ci\" \"finished\"").unwrap();
    for (key, object) in &expected {
        assert_eq!(found.get(key), Some(object), "{key}");
    }
    let unexpected: Vec<_> = found.keys().filter(|key| !expected.contains_key(*key)).collect();
    assert!(unexpected.is_empty(), "only on the server: {unexpected:?}");

    // A kind that this version does not know is read with its group; what an engine derives is not.
    assert_eq!(coverage(&live, "NewPolicy", None), Some(&CoverageState::Read));
    assert_eq!(coverage(&live, "NetworkPolicy.crd.projectcalico.org", None), Some(&CoverageState::Read));
    assert_eq!(coverage(&live, "BlockAffinity", None), None);
    assert_eq!(coverage(&live, "CiliumNetworkPolicy", None), Some(&CoverageState::NotInstalled));
    let text = serde_json::to_string(&live).unwrap();
    for secret in ["not-to-be-read", "hunter2", "user:secret"] {
        assert!(!text.contains(secret), "{secret} was kept");
    }
}

#[test]
fn policies_carry_their_version_and_who_wrote_them() {
    let Some(server) = server() else { return };
    let live = read(&options(server, ADMIN)).unwrap();
    assert_eq!(live.network_policies.len(), 3);
    for policy in &live.network_policies {
        assert!(policy.resource_version.as_deref().is_some_and(|version| version.parse::<u64>().is_ok()));
        assert_eq!(policy.field_manager.as_deref(), Some("buildreach-tests"));
    }
}

#[test]
fn pages_of_one_object_give_the_same_facts() {
    let Some(server) = server() else { return };
    let whole = read(&options(server, READER)).unwrap();
    let seen = std::sync::Mutex::new(BTreeMap::new());
    let paged = LiveOptions { page_size: 1, ..options(server, READER) };
    let paged = runtime()
        .block_on(collect(&paged, &|kind, count| {
            seen.lock().unwrap().insert(kind.to_owned(), count);
        }))
        .unwrap();
    let paged = Snapshot { instant: whole.instant, ..paged };
    assert_eq!(serde_json::to_value(&paged).unwrap(), serde_json::to_value(&whole).unwrap());
    assert_eq!(seen.lock().unwrap().get("Pod"), Some(&3));
}

#[test]
fn forbidden_policies_are_forbidden_and_not_absent() {
    let Some(server) = server() else { return };
    let live = read(&options(server, NO_POLICIES)).unwrap();
    assert_eq!(coverage(&live, "NetworkPolicy", None), Some(&CoverageState::Forbidden));
    assert_eq!(coverage(&live, "NetworkPolicy", Some("default")), None);
    assert_eq!(coverage(&live, "Pod", None), Some(&CoverageState::Read));
    assert!(live.network_policies.is_empty());
    assert_eq!(live.pods.len(), 3);
    let unread: Vec<_> = live.coverage.iter().filter(|c| c.state.is_incomplete()).map(|c| c.kind.as_str()).collect();
    assert_eq!(unread, ["NetworkPolicy"]);

    // The admin in that user's place sees the same.
    let as_user = LiveOptions { as_user: Some(NO_POLICIES.to_owned()), ..options(server, ADMIN) };
    let impersonating = Snapshot { instant: live.instant, ..read(&as_user).unwrap() };
    assert_eq!(serde_json::to_value(&impersonating).unwrap(), serde_json::to_value(&live).unwrap());
}

#[test]
fn credentials_for_one_namespace_read_that_namespace() {
    let Some(server) = server() else { return };
    let by_flag = LiveOptions { namespaces: vec!["ci".to_owned()], ..options(server, CI_ONLY) };
    let by_context = LiveOptions { kubeconfig: Some(server.kubeconfig(CI_ONLY, Some("ci"))), ..LiveOptions::default() };
    for options in [by_flag, by_context] {
        let live = read(&options).unwrap();
        for kind in ["Namespace", "NetworkPolicy", "Pod", "Deployment", "NetworkPolicy.crd.projectcalico.org"] {
            assert_eq!(coverage(&live, kind, None), Some(&CoverageState::Forbidden), "{kind}");
            assert_eq!(coverage(&live, kind, Some("ci")), Some(&CoverageState::Read), "{kind}");
        }
        for kind in ["Service", "Node", "NewPolicy"] {
            assert_eq!(coverage(&live, kind, None), Some(&CoverageState::Forbidden), "{kind}");
            assert_eq!(coverage(&live, kind, Some("ci")), None, "{kind}");
        }
        assert_eq!(coverage(&live, "ConfigMap", Some("kube-system")), Some(&CoverageState::Forbidden));
        let names: Vec<_> = live.pods.iter().map(|pod| pod.meta.name.as_str()).collect();
        assert_eq!(names, ["go-1", "pending"]);
        assert_eq!(live.network_policies.len(), 2);
        assert_eq!(live.namespaces.len(), 1);
        assert_eq!(live.namespaces[0].meta.labels.get("team").map(buildreach::model::Str::as_str), Some("build"));
    }
}

#[test]
fn credentials_for_several_namespaces_read_each_of_them() {
    let Some(server) = server() else { return };
    // A namespace that is named twice is read once; one that is closed is no other than all those that nobody named.
    let names = ["shop", "ci", "shop", "kube-system"].map(str::to_owned);
    let live = read(&LiveOptions { namespaces: names.to_vec(), ..options(server, CI_AND_SHOP) }).unwrap();
    for kind in ["Namespace", "NetworkPolicy", "Pod"] {
        assert_eq!(coverage(&live, kind, None), Some(&CoverageState::Forbidden), "{kind}");
        assert_eq!(coverage(&live, kind, Some("ci")), Some(&CoverageState::Read), "{kind}");
        assert_eq!(coverage(&live, kind, Some("shop")), Some(&CoverageState::Read), "{kind}");
        assert_eq!(coverage(&live, kind, Some("kube-system")), None, "{kind}");
    }
    let everything = read(&options(server, READER)).unwrap();
    let pods = |snapshot: &Snapshot| -> Vec<_> {
        let pods = snapshot.pods.iter().filter(|pod| pod.meta.namespace.as_deref() != Some("kube-system"));
        pods.map(|pod| (pod.meta.namespace.clone(), pod.meta.name.clone())).collect()
    };
    assert_eq!(pods(&live), pods(&everything));
    assert_eq!(live.namespaces.len(), 2);

    let options = LiveOptions { namespaces: vec!["ci".to_owned(), "shop".to_owned()], ..options(server, CI_AND_SHOP) };
    let rows = runtime().block_on(preflight(&options)).unwrap();
    let pods = rows.iter().filter(|row| row.resource == "pods" && row.group.is_empty());
    let pods: Vec<_> = pods.map(|row| (row.namespace.as_deref(), row.allowed)).collect();
    assert_eq!(pods, [(None, false), (Some("ci"), true), (Some("shop"), true)]);
}

#[test]
fn preflight_says_what_may_be_read() {
    let Some(server) = server() else { return };
    let ask = |options: &LiveOptions| runtime().block_on(preflight(options)).unwrap();
    let reader = ask(&options(server, READER));
    let closed: Vec<_> = reader.iter().filter(|row| !row.allowed).collect();
    assert!(closed.is_empty(), "{closed:#?}");
    let find = |rows: &[PreflightRow], resource: &str, group: &str, namespace: Option<&str>| {
        let row =
            rows.iter().find(|r| r.resource == resource && r.group == group && r.namespace.as_deref() == namespace);
        row.cloned()
    };
    let pods = find(&reader, "pods", "", None).unwrap();
    assert_eq!(pods.verb, "list");
    assert!(pods.why.contains("buildreach-reader"), "{}", pods.why);
    assert_eq!(find(&reader, "configmaps", "", None).unwrap().verb, "get");

    let of_ci = ask(&LiveOptions { namespaces: vec!["ci".to_owned()], ..options(server, CI_ONLY) });
    for (resource, group, namespace, allowed) in [
        ("pods", "", None, false),
        ("pods", "", Some("ci"), true),
        ("services", "", Some("ci"), false),
        ("namespaces", "", None, false),
        ("configmaps", "", None, false),
        ("configmaps/coredns", "", Some("kube-system"), false),
        ("namespaces/ci", "", Some("ci"), true),
        ("networkpolicies", "crd.projectcalico.org", Some("ci"), true),
    ] {
        let row = find(&of_ci, resource, group, namespace).unwrap_or_else(|| panic!("{resource} {namespace:?}"));
        assert_eq!(row.allowed, allowed, "{row:?}");
    }
    assert!(find(&of_ci, "nodes", "", Some("ci")).is_none());
    assert!(ask(&options(server, NOBODY)).iter().all(|row| !row.allowed));
}

#[test]
fn credentials_that_the_server_does_not_know_are_an_error() {
    let Some(server) = server() else { return };
    let error = read(&options(server, "stranger")).unwrap_err().to_string();
    let start = format!("the API server {} of context `test` does not accept the credentials", server.url());
    assert!(error.starts_with(&start), "{error}");
}

#[test]
fn an_exec_plugin_gives_the_credentials() {
    let Some(server) = server() else { return };
    let text = std::fs::read_to_string(server.kubeconfig(READER, None)).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": {"token": format!("token-{NO_POLICIES}")},
    });
    config["users"][0]["user"] = json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1", "command": "echo", "args": [credential.to_string()],
        "interactiveMode": "Never",
    }});
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    std::fs::write(&path, config.to_string()).unwrap();
    let options = LiveOptions { kubeconfig: Some(path.clone()), ..LiveOptions::default() };
    let live = read(&options).unwrap();
    assert_eq!(coverage(&live, "NetworkPolicy", None), Some(&CoverageState::Forbidden));

    config["users"][0]["user"]["exec"]["command"] = json!("no-such-plugin");
    std::fs::write(&path, config.to_string()).unwrap();
    let error = read(&options).unwrap_err().to_string();
    assert!(
        error.starts_with("cannot use the credentials of context `test` from the plugin `no-such-plugin`: "),
        "{error}"
    );
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_an_error_unless_it_may_be() {
    let Some(server) = server() else { return };
    let text = std::fs::read_to_string(server.kubeconfig(READER, None)).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    config["clusters"][0]["cluster"].as_object_mut().unwrap().remove("certificate-authority");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kubeconfig");
    std::fs::write(&path, config.to_string()).unwrap();
    let options = LiveOptions { kubeconfig: Some(path), ..LiveOptions::default() };
    let error = read(&options).unwrap_err().to_string();
    assert!(error.contains("certificate"), "{error}");
    let options = LiveOptions { insecure_skip_tls_verify: true, ..options };
    assert_eq!(read(&options).unwrap().pods.len(), 3);
}

#[test]
fn credentials_for_one_namespace_are_enough_for_its_policies() {
    let Some(server) = server() else { return };
    let kubeconfig = server.kubeconfig(CI_ONLY, Some("ci"));
    let outcome = |endpoint: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_buildreach"))
            .args(["audit", "-o", "json", "--subject", "ci/pending", "--endpoint", endpoint, "--kubeconfig"])
            .arg(&kubeconfig)
            .output()
            .unwrap();
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!(report["summary"]["coverageComplete"], json!(false));
        let paths = report["results"][0]["paths"].as_array().unwrap().clone();
        let asked = paths.iter().find(|path| path["endpoints"][0]["host"] == "203.0.113.5");
        asked.unwrap_or_else(|| panic!("{paths:#?}"))["outcome"].clone()
    };
    assert_eq!(outcome("203.0.113.5:443"), "Reachable");
    assert_eq!(outcome("203.0.113.5:8443"), "Blocked");
}
