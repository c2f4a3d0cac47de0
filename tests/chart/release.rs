//! The chart installed into a real API server, and what runs its programs there: for `tests/chart.rs` and
//! `tests/end_to_end.rs`, which need different parts of it.
#![allow(dead_code)]

use std::collections::BTreeSet;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use http::{Method, Request};
use kube::Client;
use serde_json::{Value, json};

use crate::common::apiserver::{ADMIN, ApiServer};
use crate::tools::{Tools, chart, must_succeed, run, texts};

/// A server, and what installs the chart into it.
pub(crate) struct Cluster {
    pub(crate) server: ApiServer,
    pub(crate) tools: Tools,
}

impl Cluster {
    pub(crate) fn start() -> Option<Self> {
        let tools = Tools::find()?;
        Some(Self { server: ApiServer::start(&[])?, tools })
    }

    /// The same with the controller manager.
    pub(crate) fn with_controllers() -> Option<Self> {
        let tools = Tools::find()?;
        Some(Self { server: ApiServer::with_controllers(&[])?, tools })
    }

    /// Runs Helm on the namespace of the release.
    pub(crate) fn helm(&self, arguments: &[&str]) {
        let home = tempfile::tempdir().unwrap();
        let mut command = Command::new(self.tools.path("helm"));
        for name in ["HELM_CACHE_HOME", "HELM_CONFIG_HOME", "HELM_DATA_HOME"] {
            command.env(name, home.path());
        }
        command.arg("--kubeconfig").arg(self.server.kubeconfig(ADMIN, None)).args(["--namespace", "buildreach"]);
        let output = run(command.args(arguments), "");
        must_succeed(&arguments.join(" "), &output);
    }

    /// Installs or upgrades the release with these values.
    pub(crate) fn install(&self, verb: &str, values: &Path, more: &[&str]) {
        let (chart, values) = (chart().display().to_string(), values.display().to_string());
        self.helm(&[&[verb, "buildreach", &chart, "--values", &values, "--wait=false"], more].concat());
    }
}

/// The flags that a command of the program has, out of its help.
pub(crate) fn flags(command: &str) -> Option<BTreeSet<String>> {
    let output = Command::new(env!("CARGO_BIN_EXE_buildreach")).args([command, "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    let words = help.split_whitespace().map(|word| word.trim_end_matches([',', '.', '…']));
    output.status.success().then(|| words.filter(|word| word.starts_with('-')).map(str::to_owned).collect())
}

/// The arguments of a pod's container, but for flags that the program does not have yet, with their values.
pub(crate) fn arguments(pod: &Value) -> Vec<String> {
    let all = texts(&pod["containers"][0]["args"]);
    let known = flags(all[0]).unwrap();
    let mut arguments = Vec::new();
    let mut passed = true;
    for argument in all {
        if argument.starts_with('-') {
            passed = known.contains(argument);
        }
        if passed {
            // The kubelet does that.
            arguments.push(argument.replace("$(POD_NAMESPACE)", "buildreach"));
        }
    }
    arguments
}

/// A program that runs until this is dropped.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a page of a server on this machine says; nothing where it does not answer.
pub(crate) fn page(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(10))).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.starts_with("HTTP/1.1 200").then_some(answer)
}

/// What the server answers to a request.
pub(crate) async fn send(
    client: &Client,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value, kube::Error> {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    client.request(request.body(body).unwrap()).await
}

/// The object at a path.
pub(crate) async fn get(client: &Client, path: &str) -> Result<Value, kube::Error> {
    send(client, Method::GET, path, None).await
}

/// Makes a namespace that enforces a level of Pod Security.
pub(crate) fn namespace(server: &ApiServer, name: &str, level: &str) {
    server.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {
        "pod-security.kubernetes.io/enforce": level, "pod-security.kubernetes.io/enforce-version": "latest",
    }}}));
}
