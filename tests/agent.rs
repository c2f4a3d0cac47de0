//! The agent as a program: over a fixture root without a cluster, and against a real API server.
#![allow(clippy::panic, clippy::unwrap_used, missing_docs)]

mod common;

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use buildreach::collect::files;
use buildreach::crd;
use serde_json::{Value, json};

use common::apiserver::{ADMIN, ApiServer};
use common::command::buildreach;
use common::roots::{self, Layout, ca};

fn once(root: &Path) -> Value {
    let root = root.to_str().unwrap();
    let (code, out, error) = buildreach(&["agent", "--once", "--root", root, "--node-name", "node-1", "-o", "json"]);
    assert_eq!((code, error.as_str()), (0, ""));
    serde_json::from_str(&out).unwrap()
}

#[test]
fn once_prints_the_stores_of_every_layout() {
    for (layout, os, path) in [
        (Layout::Debian, "debian 12", "/etc/ssl/certs/ca-certificates.crt"),
        (Layout::Rhel, "rhel 9.4", "/etc/pki/tls/certs/ca-bundle.crt"),
        (Layout::Alpine, "alpine 3.20.0", "/etc/ssl/certs/ca-certificates.crt"),
        (Layout::Suse, "sles 15.6", "/etc/ssl/ca-bundle.pem"),
        (Layout::Bottlerocket, "bottlerocket 1.20.0", "/etc/pki/tls/certs/ca-bundle.crt"),
        (Layout::Talos, "talos v1.9.0", "/etc/ssl/certs/ca-certificates.crt"),
    ] {
        let root = roots::build(layout);
        let object = once(root.path());
        assert_eq!((&object["kind"], &object["metadata"]["name"]), (&json!("NodeTrust"), &json!("node-1")));
        let status = &object["status"];
        let store = &status["stores"][0];
        assert_eq!(
            (&status["os"], &store["path"], &store["kind"]),
            (&json!(os), &json!(path), &json!("System")),
            "{layout:?}"
        );
        assert_eq!((&store["certificates"], &store["publicRoots"]), (&json!(4), &json!(3)), "{layout:?}");
        assert_eq!(store["additions"][0]["subject"], "CN=Corp", "{layout:?}");
        assert!(!object.to_string().contains("BEGIN CERTIFICATE"));
    }
}

#[test]
fn yaml_is_what_is_printed_without_a_wish() {
    let root = roots::build(Layout::Debian);
    let (code, out, _) = buildreach(&["agent", "--once", "--root", root.path().to_str().unwrap(), "--node-name", "n"]);
    assert_eq!(code, 0);
    let object: Value = serde_saphyr::from_str(&out).unwrap();
    assert_eq!(object["apiVersion"], "buildreach.dev/v1alpha1");
}

#[test]
fn a_saved_node_is_read_back_by_the_ordinary_collector() {
    let (debian, talos) = (roots::build(Layout::Debian), roots::build(Layout::Talos));
    let out = tempfile::tempdir().unwrap();
    let folder = out.path().to_str().unwrap();
    for (root, name) in [(&debian, "a"), (&talos, "b")] {
        let root = root.path().to_str().unwrap();
        let (code, _, error) = buildreach(&["snapshot", "--node-root", root, "--node-name", name, "-O", folder]);
        assert_eq!((code, error.as_str()), (0, ""));
    }
    let options = files::Options { instant: "2026-11-24T00:00:00Z".parse().unwrap(), ..files::Options::default() };
    let snapshot = files::collect(&[folder.to_owned()], &options).unwrap();
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    let names: Vec<_> = snapshot.node_trust.iter().map(|node| &*node.meta.name).collect();
    assert_eq!(names, ["a", "b"]);
    let read = buildreach::collect::node::read(
        talos.path(),
        &buildreach::trust::runtime::About { name: "b".into(), ..Default::default() },
    );
    let back = &snapshot.node_trust[1];
    let mut read = read.unwrap();
    (read.observed, read.meta) = (back.observed, back.meta.clone());
    assert_eq!(*back, read, "nothing is lost on the way");
    // A snapshot that holds it saves and loads it as it is.
    let saved = tempfile::tempdir().unwrap();
    let (code, ..) =
        buildreach(&["snapshot", folder, "-O", saved.path().to_str().unwrap(), "--at", "2026-11-24T00:00:00Z"]);
    assert_eq!(code, 0);
    let again = files::collect(&[saved.path().to_str().unwrap().to_owned()], &options).unwrap();
    assert_eq!(again.node_trust, snapshot.node_trust);
    // What is wrong on the nodes is among the findings.
    let (code, output, _) = buildreach(&["audit", folder]);
    assert_eq!(code, 1);
    assert!(output.contains("BR-TLS-064"), "{output}");
}

#[test]
fn a_fingerprint_that_is_none_is_a_problem_of_the_object() {
    let folder = tempfile::tempdir().unwrap();
    let text = "apiVersion: buildreach.dev/v1alpha1\nkind: NodeTrust\nmetadata: {name: a}\nstatus:\n  stores:\n  - {path: /x, kind: System, certificates: 1, fingerprint: x, publicRoots: 0, publicRootsKnown: 1}\n";
    fs::write(folder.path().join("a.yaml"), text).unwrap();
    let snapshot = files::collect(&[folder.path().to_str().unwrap().to_owned()], &files::Options::default()).unwrap();
    assert!(snapshot.node_trust.is_empty());
    assert_eq!(snapshot.problems.len(), 1);
    assert_eq!(snapshot.problems[0].kind.as_deref(), Some("NodeTrust"));
}

/// An agent that runs; it is ended when this is dropped.
struct Agent(Child);

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn the_agent_keeps_the_object_of_its_node_up_to_date() {
    const USER: &str = "agent";
    let Some(server) = ApiServer::start(&[USER]) else { return };
    for definition in crd::definitions().unwrap() {
        server.apply(&serde_saphyr::from_str::<Value>(&definition.yaml).unwrap());
    }
    server.apply(&json!({
        "apiVersion": "v1", "kind": "Node", "metadata": {"name": "node-1"},
        "status": {"nodeInfo": {
            "containerRuntimeVersion": "containerd://1.7.27", "kubeletVersion": "v1.36.3", "architecture": "amd64",
            "bootID": "b", "kernelVersion": "6", "kubeProxyVersion": "", "machineID": "m", "operatingSystem": "linux",
            "osImage": "Debian", "systemUUID": "s",
        }},
    }));
    // The role of the documented manifest, and no more.
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/trust-agent.yaml")).unwrap();
    let documents: Vec<Value> = serde_saphyr::from_multiple(&manifest).unwrap();
    let role = documents.iter().find(|document| document["kind"] == "ClusterRole").unwrap();
    server.apply(role);
    server.apply(&json!({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": "agent"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role["metadata"]["name"]},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": USER}],
    }));

    let root = roots::build(Layout::Debian);
    let hosts = "/etc/containerd/certs.d/registry.corp.example/hosts.toml";
    roots::write(
        root.path(),
        "/etc/containerd/config.toml",
        b"version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".registry]\nconfig_path = \"/etc/containerd/certs.d\"\n",
    );
    roots::write(root.path(), hosts, b"server = \"https://registry.corp.example\"\n");
    let mut agent = Agent(
        Command::new(env!("CARGO_BIN_EXE_buildreach"))
            .args(["agent", "-v", "--root", root.path().to_str().unwrap(), "--node-name", "node-1", "--kubeconfig"])
            .arg(server.kubeconfig(USER, None))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let mut log = BufReader::new(agent.0.stderr.take().unwrap()).lines();
    std::thread::spawn(move || while let Some(Ok(_)) = log.next() {});

    let object = wait(&server, |object| object["status"]["stores"].is_array());
    let owner = &object["metadata"]["ownerReferences"][0];
    assert_eq!((&owner["kind"], &owner["name"]), (&json!("Node"), &json!("node-1")));
    assert!(owner["uid"].as_str().is_some_and(|uid| !uid.is_empty()));
    let managers = object["metadata"]["managedFields"].as_array().unwrap();
    assert!(managers.iter().all(|manager| manager["manager"] == "buildreach-agent"));
    // The version of the runtime comes from the Node: it is one that ignores a file without a host table.
    assert_eq!(object["status"]["runtimes"][0]["version"], "1.7.27");
    let codes = |object: &Value| -> Vec<String> {
        let notes = object["status"]["notes"].as_array().unwrap();
        notes.iter().map(|note| note["code"].as_str().unwrap().to_owned()).collect()
    };
    assert!(codes(&object).contains(&"BR-TLS-060".to_owned()));

    // What was written is what the collector of a live cluster reads.
    let live = buildreach::collect::kube::LiveOptions {
        kubeconfig: Some(server.kubeconfig(ADMIN, None)),
        ..Default::default()
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let snapshot = runtime.block_on(buildreach::collect::kube::collect(&live, &|_, _| {})).unwrap();
    assert_eq!(snapshot.node_trust.len(), 1);
    let mut read = buildreach::collect::node::read(
        root.path(),
        &buildreach::trust::runtime::About {
            name: "node-1".into(),
            container_runtime: Some("containerd://1.7.27".into()),
            ..Default::default()
        },
    )
    .unwrap();
    let back = &snapshot.node_trust[0];
    (read.observed, read.meta, read.notes) = (back.observed, back.meta.clone(), back.notes.clone());
    assert_eq!(*back, read);

    // A change is seen without waiting for the regular reading, also in a folder that was not there before.
    let before = object["metadata"]["resourceVersion"].clone();
    let corrected = format!(
        "{}\n[host.\"https://registry.corp.example\"]\nca = \"ca.crt\"\n",
        "server = \"https://registry.corp.example\"\nca = \"ca.crt\""
    );
    roots::write(root.path(), hosts, corrected.as_bytes());
    roots::write(root.path(), "/etc/containerd/certs.d/registry.corp.example/ca.crt", ca("Registry").as_bytes());
    roots::write(root.path(), "/etc/docker/certs.d/other.example/ca.crt", ca("Other").as_bytes());
    let object = wait(&server, |object| {
        object["metadata"]["resourceVersion"] != before
            && object["status"]["registries"][0]["hosts"][0]["ca"][0].is_object()
    });
    assert_eq!(object["status"]["registries"][0]["hosts"][0]["ca"][0]["subject"], "CN=Registry");
    assert!(!codes(&object).contains(&"BR-TLS-060".to_owned()));

    // SIGTERM ends it in order.
    let status = Command::new("kill").arg(agent.0.id().to_string()).status().unwrap();
    assert!(status.success());
    assert_eq!(agent.0.wait().unwrap().code(), Some(0));
}

/// The object once it is as it should be.
fn wait(server: &ApiServer, is_right: impl Fn(&Value) -> bool) -> Value {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let object = runtime.block_on(async {
            let request =
                http::Request::get("/apis/buildreach.dev/v1alpha1/nodetrusts/node-1").body(Vec::new()).unwrap();
            server.client(ADMIN).await.request::<Value>(request).await
        });
        match object {
            Ok(object) if is_right(&object) => return object,
            other if Instant::now() > deadline => panic!("not within 30 s: {other:?}"),
            _ => std::thread::sleep(Duration::from_millis(200)),
        }
    }
}
