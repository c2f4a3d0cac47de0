//! `buildreach trust --root`: what a client says that loads its anchors from a tree by its own rules.
#![allow(clippy::panic, clippy::unwrap_used, missing_docs)]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use serde_json::Value;
use tempfile::TempDir;

const HOST: &str = "registry.corp.example";

/// A CA and a server of it, PEM.
fn authority(name: &str) -> (String, String) {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().unwrap();
    let root = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let mut params = CertificateParams::new(vec![HOST.to_owned()]).unwrap();
    params.use_authority_key_identifier_extension = true;
    params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    let leaf = params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
    (root.pem(), leaf.pem())
}

struct Lab {
    folder: TempDir,
}

impl Lab {
    /// `system.pem` and `corp.pem` are what servers present; their CAs are in the system's store, and in `/corp.pem`.
    fn new(bundle: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let lab = Self { folder };
        let ((system, system_leaf), (corp, corp_leaf)) = (authority("System"), authority("Corp"));
        lab.write("system.pem", &system_leaf);
        lab.write("corp.pem", &corp_leaf);
        lab.write(&format!("root/{bundle}"), &system);
        lab.write("root/corp.pem", &corp);
        lab
    }

    fn debian() -> Self {
        let lab = Self::new("usr/share/ca-certificates/system.crt");
        lab.write("root/etc/debian_version", "12.5\n");
        let certs = lab.path().join("root/etc/ssl/certs");
        fs::create_dir_all(&certs).unwrap();
        // Absolute targets lead to the root of the tree, and not of this machine.
        symlink("/usr/share/ca-certificates/system.crt", certs.join("system.pem")).unwrap();
        symlink("system.pem", certs.join(lab.hash("usr/share/ca-certificates/system.crt"))).unwrap();
        fs::copy(lab.path().join("root/usr/share/ca-certificates/system.crt"), certs.join("ca-certificates.crt"))
            .unwrap();
        fs::create_dir_all(lab.path().join("root/usr/lib/ssl")).unwrap();
        symlink("/etc/ssl/certs", lab.path().join("root/usr/lib/ssl/certs")).unwrap();
        lab
    }

    fn alpine() -> Self {
        let lab = Self::new("etc/ssl/certs/ca-certificates.crt");
        lab.write("root/etc/alpine-release", "3.20.1\n");
        symlink("certs/ca-certificates.crt", lab.path().join("root/etc/ssl/cert.pem")).unwrap();
        lab
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn hash(&self, path: &str) -> String {
        let bytes = fs::read(self.path().join("root").join(path)).unwrap();
        let bundle = buildreach::trust::Bundle::read(&bytes);
        format!("{}.0", buildreach::trust::client::hash::subject_hash(&bundle.certificates[0]).unwrap())
    }

    fn ask(&self, client: &str, chain: &str, env: &[&str]) -> Value {
        let mut command = Command::new(env!("CARGO_BIN_EXE_buildreach"));
        command.current_dir(self.path()).args(["trust", chain, "--name", HOST, "--root", "root", "-o", "json"]);
        command.args(["--client", client]);
        for variable in env {
            command.args(["--env", variable]);
        }
        let output = command.output().unwrap();
        let answer: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
        let exit = match answer["accepted"].as_bool() {
            Some(true) => 0,
            Some(false) => 1,
            None => 3,
        };
        assert_eq!(output.status.code(), Some(exit), "{answer}");
        answer
    }

    /// Whether the client accepts the server of the system's CA, and that of the other.
    fn both(&self, client: &str, env: &[&str]) -> [Option<bool>; 2] {
        ["system.pem", "corp.pem"].map(|chain| self.ask(client, chain, env)["accepted"].as_bool())
    }
}

const SYSTEM: [Option<bool>; 2] = [Some(true), Some(false)];
const CORP: [Option<bool>; 2] = [Some(false), Some(true)];
const BOTH: [Option<bool>; 2] = [Some(true), Some(true)];
const NEITHER: [Option<bool>; 2] = [Some(false), Some(false)];

#[test]
fn a_variable_adds_where_the_hashed_directory_stays() {
    let debian = Lab::debian();
    for client in ["go", "openssl", "python", "curl-openssl", "git"] {
        assert_eq!(debian.both(client, &[]), SYSTEM, "{client}");
    }
    for client in ["go", "python", "curl-openssl"] {
        assert_eq!(debian.both(client, &["SSL_CERT_FILE=/corp.pem"]), BOTH, "{client}");
    }
    assert_eq!(debian.both("git", &["SSL_CERT_FILE=/corp.pem"]), SYSTEM);
}

#[test]
fn a_variable_replaces_where_there_is_a_bundle_alone() {
    let alpine = Lab::alpine();
    assert_eq!(alpine.both("python", &[]), SYSTEM);
    assert_eq!(alpine.both("python", &["SSL_CERT_FILE=/corp.pem"]), CORP);
    assert_eq!(alpine.both("curl-openssl", &["SSL_CERT_FILE=/missing.pem"]), NEITHER);
}

#[test]
fn node_and_npm() {
    let debian = Lab::debian();
    assert_eq!(debian.both("node", &["NODE_EXTRA_CA_CERTS=/corp.pem"]), CORP);
    assert_eq!(debian.ask("node", "corp.pem", &["NODE_TLS_REJECT_UNAUTHORIZED=0"])["accepted"], true);
    assert_eq!(debian.both("npm", &["NODE_EXTRA_CA_CERTS=/corp.pem"]), CORP);
    let home = "HOME=/root";
    debian.write("root/root/.npmrc", "cafile=/etc/ssl/certs/ca-certificates.crt\n");
    let refused = debian.ask("npm", "corp.pem", &[home, "NODE_EXTRA_CA_CERTS=/corp.pem"]);
    assert_eq!(refused["accepted"], false, "{refused}");
    // The file replaced what the variable adds, and the public roots: each is a trap.
    assert!(!refused["notes"].as_array().unwrap().is_empty(), "{refused}");
    assert_eq!(debian.both("npm", &[home, "NODE_EXTRA_CA_CERTS=/corp.pem"]), SYSTEM);
}

#[test]
fn nothing_outside_is_read_and_what_is_not_read_is_not_absent() {
    let debian = Lab::debian();
    let corp = fs::read(debian.path().join("root/corp.pem")).unwrap();
    fs::write(debian.path().join("outside.pem"), corp).unwrap();
    for target in ["../outside.pem", "../../outside.pem"] {
        symlink(target, debian.path().join("root").join(target.len().to_string())).unwrap();
        let variable = format!("SSL_CERT_FILE=/{}", target.len());
        assert_eq!(debian.both("python", &[&variable]), SYSTEM, "{target}");
    }
    debian.write("root/tls.key", "-----BEGIN PRIVATE KEY-----\n");
    let unread = debian.ask("python", "corp.pem", &["SSL_CERT_FILE=/tls.key"]);
    assert_eq!((&unread["accepted"], &unread["code"]), (&Value::Null, &Value::Null), "{unread}");
    assert_eq!(debian.ask("python", "system.pem", &["SSL_CERT_FILE=/tls.key"])["accepted"], true);
    let mib = vec![b'\n'; (4 << 20) + 1];
    fs::write(debian.path().join("root/large.pem"), mib).unwrap();
    assert_eq!(debian.ask("python", "corp.pem", &["SSL_CERT_FILE=/large.pem"])["accepted"], Value::Null);
    // A pipe would block whoever opens it.
    let made = Command::new("mkfifo").arg(debian.path().join("root/pipe")).status().unwrap();
    assert!(made.success());
    assert_eq!(debian.ask("python", "corp.pem", &["SSL_CERT_FILE=/pipe"])["accepted"], Value::Null);
}

#[test]
fn a_batch_takes_roots_and_variables() {
    let debian = Lab::debian();
    let lines = [
        r#"{"chain":"corp.pem","root":"root","env":{"SSL_CERT_FILE":"/corp.pem"},"name":"registry.corp.example"}"#,
        r#"{"chain":"corp.pem","root":"root","name":"registry.corp.example"}"#,
        r#"{"chain":"corp.pem","root":"root","store":"corp.pem","name":"registry.corp.example"}"#,
    ];
    debian.write("questions.jsonl", &lines.join("\n"));
    let output = Command::new(env!("CARGO_BIN_EXE_buildreach"))
        .current_dir(debian.path())
        .args(["trust", "--batch", "questions.jsonl"])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let answers: Vec<Value> =
        String::from_utf8(output.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let accepted: Vec<_> = answers.iter().map(|answer| answer["accepted"].as_bool()).collect();
    assert_eq!(accepted, [Some(true), Some(false), None], "{answers:?}");
    assert!(answers[2]["reason"].as_str().unwrap().contains("exclude"), "{}", answers[2]);
}
