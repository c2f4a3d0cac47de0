//! The controller as a process that ends with the test.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::apiserver::ApiServer;

/// A process that ends with the test.
pub struct Controller {
    pub child: Child,
    address: String,
    /// What it printed.
    log: Arc<Mutex<Vec<String>>>,
}

impl Drop for Controller {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the controller said:\n{}", self.said());
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Controller {
    /// Starts one as a user of the server.
    pub fn start(server: &ApiServer, user: &str, more: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_buildreach"))
            .args(["controller", "-v", "--metrics-address", "127.0.0.1:0", "--kubeconfig"])
            .arg(server.kubeconfig(user, None))
            .args(more)
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

    /// What it printed so far.
    pub fn said(&self) -> String {
        self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner).join("\n")
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

    /// Sends it a signal.
    pub fn kill(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
    }

    /// Ends it in order.
    pub fn stop(mut self) {
        self.kill("-TERM");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
    }
}

/// A condition of an object by its type.
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
        assert!(start.elapsed() < within, "{path} is not as it should be: {:#}", object.unwrap_or_default());
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A policy that lets nothing out of a namespace.
pub fn deny_all(namespace: &str) -> Value {
    json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": {"name": "cut-off", "namespace": namespace},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"]},
    })
}
