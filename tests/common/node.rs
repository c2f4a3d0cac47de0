//! A folder of manifests with one node, and what is asked about the node.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

use super::pki;

pub const HOST: &str = "registry.corp.example";

/// A private CA in PEM.
pub fn authority(name: &str) -> String {
    pki::authority(name, HOST).0
}

/// One of the public roots.
pub fn public_root(at: usize) -> String {
    pki::pem(webpki_root_certs::TLS_SERVER_ROOT_CERTS[at].as_ref())
}

pub fn b64(text: &str) -> String {
    pki::base64_of(text.as_bytes())
}

/// A folder with a node of that image and a pod on it.
pub struct Folder(pub TempDir);

impl Folder {
    pub fn new(image: &str, labels: &str) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        let manifests = format!(
            "apiVersion: v1\nkind: Node\nmetadata: {{name: n, labels: {{{labels}}}}}\nspec: {{}}\nstatus:\n  addresses: [{{type: InternalIP, address: 10.0.0.1}}]\n  nodeInfo: {{osImage: '{image}', containerRuntimeVersion: 'containerd://2.1.4', operatingSystem: linux}}\n---\napiVersion: v1\nkind: Pod\nmetadata: {{name: p, namespace: ci}}\nspec: {{nodeName: n, containers: [{{name: c, image: '{HOST}/team/app:1'}}]}}\nstatus: {{phase: Running, podIP: 10.1.0.1, podIPs: [{{ip: 10.1.0.1}}]}}\n"
        );
        folder.write("cluster.yaml", &manifests);
        folder
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    pub fn run(&self, command: &[&str]) -> Output {
        // Paths in reports are as they were given.
        Command::new(env!("CARGO_BIN_EXE_buildreach")).current_dir(self.0.path()).args(command).output().unwrap()
    }

    /// The TLS step of the node's pulls from a host that presents what a CA signs.
    pub fn pull(&self, host: &str, ca: &str) -> Value {
        let ca = format!("{host}={}", self.write("told/ca.txt", ca).display());
        self.step(host, &["--endpoint-ca", &ca])
    }

    pub fn step(&self, host: &str, flags: &[&str]) -> Value {
        let command = [&["explain", "node/n", host, "-o", "json", "-f", "."], flags].concat();
        let output = self.run(&command);
        let explanation: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
        let steps = explanation["trace"]["steps"].as_array().unwrap();
        steps.iter().find(|step| step["layer"] == "tls").unwrap().clone()
    }

    pub fn audit(&self, source: &str) -> String {
        let output = self.run(&["audit", source, "-o", "json", "--fail-on", "none"]);
        assert!(output.status.code().is_some_and(|code| code < 2), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Code, message and first place of the findings about trust.
    pub fn findings(&self) -> Vec<(String, String, String)> {
        let report: Value = serde_json::from_str(&self.audit(".")).unwrap();
        let findings = report["findings"].as_array().unwrap().iter();
        let about = findings.filter(|finding| finding["code"].as_str().unwrap().starts_with("BR-TLS-0"));
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        about
            .map(|finding| {
                let evidence = &finding["evidence"][0];
                let place = if evidence["path"].is_null() {
                    format!("{}:{}", text(&evidence["file"]), evidence["line"])
                } else {
                    text(&evidence["path"])
                };
                (text(&finding["code"]), text(&finding["message"]), place)
            })
            .collect()
    }
}

pub fn outcome(step: &Value) -> &str {
    step["outcome"].as_str().unwrap()
}

pub const BOTTLEROCKET: &str = "Bottlerocket OS 1.50.0 (aws-k8s-1.34)";
pub const AMAZON: &str = "Amazon Linux 2023.9.20251020";
