//! Traps in what a container is given to trust: servers' certificates, private keys, stores that nobody builds.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use std::fs;

use buildreach::trust::client::{Client, Environment, Place, effective};
use buildreach::trust::tree::{Content, Entry, Tree};
use common::command::buildreach;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;

/// A CA, its private key, and the certificate of a server that it signed, in PEM.
fn pki() -> (String, String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "Corp Root");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = params.self_signed(&key).unwrap().pem();
    let secret = key.serialize_pem();
    let issuer = Issuer::new(params, key);
    let mut server = CertificateParams::new(vec!["nexus.corp.example".to_owned()]).unwrap();
    server.distinguished_name.push(DnType::CommonName, "nexus.corp.example");
    let leaf = server.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap().pem();
    (ca, secret, leaf)
}

#[test]
fn each_client_makes_its_own_of_a_servers_certificate() {
    let (_, _, leaf) = pki();
    let mut files = Tree::new(true);
    files.put("/etc/debian_version", Entry::File(Content::Bytes(Vec::new().into())));
    files.put("/etc/ssl/certs/ca-certificates.crt", Entry::File(Content::PublicRoots));
    files.put("/usr/lib/ssl/cert.pem", Entry::Link("/etc/ssl/certs/ca-certificates.crt".to_owned()));
    files.put("/corp/ca.pem", Entry::File(Content::Bytes(leaf.into_bytes().into())));
    for (client, variable, accepts) in [
        (Client::Go, "SSL_CERT_FILE", true),
        (Client::CurlOpenssl, "SSL_CERT_FILE", true),
        (Client::Cargo, "CARGO_HTTP_CAINFO", true),
        (Client::Git, "GIT_SSL_CAINFO", true),
        (Client::PythonStrict, "SSL_CERT_FILE", true),
        (Client::Python, "SSL_CERT_FILE", false),
        (Client::PipLegacy, "PIP_CERT", false),
        (Client::Node, "NODE_EXTRA_CA_CERTS", false),
        (Client::Npm, "NODE_EXTRA_CA_CERTS", false),
        (Client::Uv, "SSL_CERT_FILE", false),
    ] {
        let environment: Environment = [(variable, "/corp/ca.pem")].into_iter().collect();
        let loaded = effective(client, &Place::new(&files, &environment));
        let notes: Vec<_> = loaded.notes.iter().filter(|note| note.code == "BR-TLS-098").collect();
        assert_eq!(notes.len(), 1, "{client}: {:?}", loaded.notes);
        let want = if accepts { "accepts for that server alone" } else { "does not accept as an anchor" };
        assert!(notes[0].message.contains(want), "{client}: {}", notes[0].message);
        assert_eq!(notes[0].path, "/corp/ca.pem");
    }
}

fn indented(pem: &str) -> String {
    pem.lines().flat_map(|line| ["    ", line, "\n"]).collect()
}

/// Codes and messages that an audit finds, and all that it and the snapshot say.
fn audit(container: &str, mount: &str, key: &str, pem: &str) -> (Vec<(String, String)>, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.yaml");
    let text = format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: build, namespace: ci, labels: {{buildreach.dev/build: 'true'}}}}\nspec:\n  containers:\n  - {{name: c, {container}, volumeMounts: [{{name: ca, mountPath: {mount}}}]}}\n  volumes: [{{name: ca, configMap: {{name: corp}}}}]\n---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: corp, namespace: ci}}\ndata:\n  {key}: |\n{}",
        indented(pem)
    );
    fs::write(&file, text).unwrap();
    let run = |arguments: &[&str]| buildreach(arguments).1;
    let saved = folder.path().join("saved");
    run(&["snapshot", file.to_str().unwrap(), "-O", saved.to_str().unwrap()]);
    let at = ["-o", "json", "--at", "2026-11-24T00:00:00Z"];
    let report = run(&[&["audit", file.to_str().unwrap()], &at[..]].concat());
    assert_eq!(report, run(&[&["audit", saved.to_str().unwrap()], &at[..]].concat()));
    let snapshot = fs::read_to_string(saved.join("buildreach-snapshot.json")).unwrap();
    let parsed: Value = serde_json::from_str(&report).unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let findings = parsed["findings"].as_array().unwrap().iter();
    (findings.map(|finding| (text(&finding["code"]), text(&finding["message"]))).collect(), report + &snapshot)
}

fn has(found: &[(String, String)], code: &str) -> bool {
    found.iter().any(|(own, _)| own == code)
}

#[test]
fn a_private_key_among_the_anchors_is_told_and_never_kept() {
    let (ca, secret, leaf) = pki();
    let go = "image: golang, command: [go, mod, download], env: [{name: SSL_CERT_FILE, value: /corp/ca.crt}]";
    let (found, all) = audit(go, "/corp", "ca.crt", &format!("{ca}{secret}"));
    assert!(has(&found, "BR-TLS-074"), "{found:?}");
    let body: Vec<&str> = secret.lines().filter(|line| !line.starts_with('-')).collect();
    assert!(!body.is_empty() && body.iter().all(|line| !all.contains(line)));
    let (found, _) = audit(go, "/corp", "ca.crt", &ca);
    assert!(!has(&found, "BR-TLS-074") && !has(&found, "BR-TLS-098"), "{found:?}");
    // The certificate of a server where a CA should be.
    let (found, _) = audit(go, "/corp", "ca.crt", &leaf);
    assert!(has(&found, "BR-TLS-098"), "{found:?}");
}

#[test]
fn a_certificate_that_waits_for_a_tool_is_told() {
    let (ca, _, _) = pki();
    let folder = "/usr/local/share/ca-certificates";
    let npm = |command: &str| format!("image: node:22, command: {command}");
    let is_told = |container: &str, mount: &str, key: &str| {
        let (found, _) = audit(container, mount, key, &ca);
        found.iter().any(|(code, message)| code == "BR-TLS-067" && message.contains("CN=Corp Root"))
    };
    assert!(is_told(&npm("[npm, ci]"), folder, "corp.crt"));
    assert!(is_told(&npm("[npm, ci]"), "/etc/pki/ca-trust/source/anchors", "corp.pem"));
    for container in ["[sh, -c, update-ca-certificates && npm ci]", "[sh, -c, ./build.sh]", "[make, build]"] {
        assert!(!is_told(&npm(container), folder, "corp.crt"), "{container}");
    }
    // The image's own entry point may run the tool.
    assert!(!is_told("image: node:22, args: [npm, ci]", folder, "corp.crt"));
    // No certificate that the tool would take, or another folder.
    assert!(!is_told(&npm("[npm, ci]"), folder, "corp.pem"));
    assert!(!is_told(&npm("[npm, ci]"), "/corp", "corp.crt"));
}
