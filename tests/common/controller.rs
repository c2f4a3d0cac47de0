//! The controller as a process, and what it needs on a real API server.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::apiserver::ApiServer;

/// A user that may do what a controller does.
pub const USER: &str = "controller";

/// A process that ends with the test.
pub struct Controller {
    /// It.
    pub child: Child,
    address: String,
    /// What it printed.
    log: Arc<Mutex<Vec<String>>>,
}

impl Drop for Controller {
    fn drop(&mut self) {
        if std::thread::panicking() {
            panic_safe_print(&self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).join("\n"));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Controller {
    /// Starts one for a user of a server.
    pub fn start(server: &ApiServer, user: &str, more: &[&str]) -> Self {
        Self::with(&server.kubeconfig(user, None), more)
    }

    /// Starts one with a kubeconfig.
    pub fn with(kubeconfig: &Path, more: &[&str]) -> Self {
        Self::within(kubeconfig, &[], more)
    }

    /// The same with more in its environment.
    pub fn within(kubeconfig: &Path, environment: &[(&str, &str)], more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_buildreach"))
            .args(["controller", "-v", "--metrics-address", "127.0.0.1:0", "--kubeconfig"])
            .arg(kubeconfig)
            .args(more)
            .envs(environment.iter().copied())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, heard) = mpsc::channel();
        let kept = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&kept);
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                if let Some((_, address)) = line.split_once("/metrics on ") {
                    let _ = tell.send(address.trim().to_owned());
                }
                log.lock().unwrap().push(line);
            }
        });
        let address = heard.recv_timeout(Duration::from_secs(20)).unwrap();
        Self { child, address, log: kept }
    }

    /// Status line and body.
    pub fn get(&self, path: &str) -> (String, String) {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    /// What it printed so far.
    pub fn said(&self) -> String {
        self.log.lock().unwrap().join("\n")
    }

    /// How it ended, if it did within the time.
    pub fn end(&mut self, within: Duration) -> Option<ExitStatus> {
        let start = Instant::now();
        while start.elapsed() < within {
            if let Some(status) = self.child.try_wait().unwrap() {
                return Some(status);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        None
    }

    /// Ends it in order.
    pub fn stop(mut self) {
        self.kill("-TERM");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }

    /// Sends a signal.
    pub fn kill(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }
}

/// What a process said belongs to why a test failed.
fn panic_safe_print(text: &str) {
    eprintln!("the controller said:\n{text}");
}

fn manifests() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src/demo/manifests")
}

/// An audit of one namespace.
pub fn audit_of(namespace: &str) -> Value {
    json!({
        "apiVersion": "buildreach.dev/v1alpha1", "kind": "BuildAudit",
        "metadata": {"name": "builds", "namespace": namespace}, "spec": {},
    })
}

/// A server with the definitions, the demo, and a user that may do what a controller does.
pub fn server() -> Option<ApiServer> {
    let server = ApiServer::start(&[USER, "blind"])?;
    prepare(&server);
    Some(server)
}

fn prepare(server: &ApiServer) {
    for definition in buildreach::crd::definitions().unwrap() {
        server.apply(&serde_saphyr::from_str::<Value>(&definition.yaml).unwrap());
    }
    server.load(&manifests());
    let reader: Value = serde_saphyr::from_str(include_str!("../../docs/rbac-reader.yaml")).unwrap();
    let mut blind = reader.clone();
    blind["metadata"]["name"] = json!("blind");
    blind["rules"].as_array_mut().unwrap().retain(|rule| rule["apiGroups"] != json!(["networking.k8s.io"]));
    let writer: Value = serde_saphyr::from_str(include_str!("../../docs/rbac-writer.yaml")).unwrap();
    let mut watcher = reader;
    for role in [&mut watcher, &mut blind] {
        for rule in role["rules"].as_array_mut().unwrap() {
            if rule["verbs"].as_array().unwrap().contains(&json!("list")) {
                rule["verbs"] = json!(["get", "list", "watch"]);
            }
        }
        role["rules"].as_array_mut().unwrap().extend(writer["rules"].as_array().unwrap().iter().cloned());
    }
    for (user, role) in [(USER, watcher), ("blind", blind)] {
        server.apply(&role);
        server.apply(&json!({
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": user},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role["metadata"]["name"]},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
        }));
    }
}

/// The audits of the namespace `tools`.
pub const NS_AUDITS: &str = "/apis/buildreach.dev/v1alpha1/namespaces/tools/buildaudits";

/// One condition of an object.
pub fn condition<'v>(object: &'v Value, kind: &str) -> &'v Value {
    let all = object["status"]["conditions"].as_array();
    all.and_then(|all| all.iter().find(|c| c["type"] == kind)).unwrap_or(&Value::Null)
}

/// Waits until an object is as it should be, and tells how long that took.
#[track_caller]
pub fn wait(server: &ApiServer, path: &str, within: Duration, is_right: impl Fn(&Value) -> bool) -> (Value, Duration) {
    let start = Instant::now();
    loop {
        let object = server.get(path);
        if object.as_ref().is_some_and(&is_right) {
            return (object.unwrap(), start.elapsed());
        }
        assert!(start.elapsed() < within, "{path} is not as it should be: {:#}", object.unwrap_or_default()["status"]);
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A policy that lets nothing out.
pub fn deny_all(namespace: &str) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "cut-off", "namespace": namespace},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
    })
}
