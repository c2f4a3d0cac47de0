//! The TLS layer of a trace: what a container's files, mounts, variables and commands make of what a server presents.
#![allow(clippy::panic, clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::Path;
use std::process::Command;

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;

/// A CA with the certificate of a server that it signed.
struct Ca {
    pem: String,
    chain: String,
}

fn ca(name: &str, server: &str) -> Ca {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let leaf_key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![server.to_owned()]).unwrap().signed_by(&leaf_key, &issuer).unwrap();
    Ca { pem: certificate.pem(), chain: leaf.pem() }
}

fn indented(pem: &str) -> String {
    moved(pem, "    ")
}

fn moved(text: &str, by: &str) -> String {
    text.lines().flat_map(|line| [by, line, "\n"]).collect()
}

fn config_map(name: &str, key: &str, pem: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: ci}}\ndata:\n  {key}: |\n{}",
        indented(pem)
    )
}

/// A pod that fetches npm packages; `container` and `spec` are further fields of its container and specification.
fn pod(image: &str, command: &str, container: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: build, namespace: ci, labels: {{buildreach.dev/build: 'true'}}}}\nspec:\n  containers:\n  - name: c\n    image: {image}\n    command: [sh, -c, {command:?}]\n{}{}status: {{phase: Running, podIP: 10.0.0.1, podIPs: [{{ip: 10.0.0.1}}]}}\n",
        moved(container, "    "),
        moved(spec, "  "),
    )
}

/// The TLS step of the pod towards a host.
fn tls(manifests: &str, host: &str, flags: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.yaml");
    fs::write(&file, manifests).unwrap();
    explain(&file, host, flags)
}

fn explain(file: &Path, host: &str, flags: &[&str]) -> Value {
    let output = Command::new(env!("CARGO_BIN_EXE_buildreach"))
        .args(["explain", "ci/build", host, "-o", "json", "-f"])
        .arg(file)
        .args(flags)
        .output()
        .unwrap();
    let explanation: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let steps = explanation["trace"]["steps"].as_array().unwrap();
    steps.iter().find(|step| step["layer"] == "tls").unwrap().clone()
}

fn outcome(step: &Value) -> &str {
    step["outcome"].as_str().unwrap()
}

#[test]
fn public_hosts_verify_by_the_stock_store_and_that_is_said() {
    for (image, command, host) in [
        ("node:22", "npm ci", "registry.npmjs.org"),
        ("golang:1.26", "go mod download", "proxy.golang.org"),
        ("python:3.14", "pip install x", "pypi.org"),
        ("rust:1.95", "cargo fetch", "index.crates.io"),
    ] {
        let step = tls(&pod(image, command, "", ""), host, &[]);
        assert_eq!(outcome(&step), "Reachable", "{step}");
        assert!(step["assumptions"].to_string().contains("the image's trust store is the stock one"), "{step}");
    }
}

#[test]
fn what_a_private_host_presents_is_unknown_until_somebody_says_so() {
    let own = ca("Corp Root", "nexus.corp.example");
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let build = pod("node:22", "npm ci --registry https://nexus.corp.example/", "", "");
    let step = tls(&build, "nexus.corp.example", &[]);
    assert_eq!(outcome(&step), "Unknown", "{step}");
    let told = format!("nexus.corp.example={}", file("ca.pem", &own.pem));
    let step = tls(&build, "nexus.corp.example", &["--endpoint-ca", &told]);
    assert_eq!((outcome(&step), &step["codes"][0]), ("Blocked", &"BR-TLS-010".into()), "{step}");
    assert!(step["missing"].as_str().unwrap().contains("NODE_EXTRA_CA_CERTS"), "{step}");
    // The variable with the CA mounted mends it.
    let mended = pod(
        "node:22",
        "npm ci --registry https://nexus.corp.example/",
        "env: [{name: NODE_EXTRA_CA_CERTS, value: /corp/ca.crt}]\nvolumeMounts: [{name: ca, mountPath: /corp}]",
        "volumes: [{name: ca, configMap: {name: corp}}]",
    ) + &config_map("corp", "ca.crt", &own.pem);
    let step = tls(&mended, "nexus.corp.example", &["--endpoint-ca", &told]);
    assert_eq!(outcome(&step), "Reachable", "{step}");
    // A CA of the same name with another key does not.
    let rotated = mended.replace(&indented(&own.pem), &indented(&ca("Corp Root", "x").pem));
    let step = tls(&rotated, "nexus.corp.example", &["--endpoint-ca", &told]);
    assert_eq!((outcome(&step), &step["codes"][0]), ("Blocked", &"BR-TLS-013".into()), "{step}");
    // The chain as the server sends it, for another name.
    let chain = format!("nexus.corp.example={}", file("chain.pem", &own.chain));
    let step = tls(&mended, "nexus.corp.example", &["--endpoint-chain", &chain]);
    assert_eq!(outcome(&step), "Reachable", "{step}");
    let other = ca("Corp Root", "other.corp.example");
    let with_other = mended.replace(&indented(&own.pem), &indented(&other.pem));
    let chain = format!("nexus.corp.example={}", file("other.pem", &other.chain));
    let step = tls(&with_other, "nexus.corp.example", &["--endpoint-chain", &chain]);
    assert_eq!((outcome(&step), &step["codes"][0]), ("Blocked", &"BR-TLS-016".into()), "{step}");
}

#[test]
fn a_gateway_that_signs_anew_is_trusted_by_who_has_its_ca() {
    let gateway = ca("Gateway CA", "registry.npmjs.org");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.pem");
    fs::write(&path, &gateway.pem).unwrap();
    let told = format!("*={}", path.display());
    let flags = ["--endpoint-ca", &told];
    let step = tls(&pod("node:22", "npm ci", "", ""), "registry.npmjs.org", &flags);
    assert_eq!(outcome(&step), "Blocked", "{step}");
    // One file with the CA in the system's folder: Go reads it by any name, and it hides the image's bundle.
    let hidden = |image: &str, command: &str| {
        pod(
            image,
            command,
            "volumeMounts: [{name: ca, mountPath: /etc/ssl/certs}]",
            "volumes: [{name: ca, configMap: {name: corp}}]",
        ) + &config_map("corp", "ca.crt", &gateway.pem)
    };
    let go = hidden("golang:1.26-alpine", "go mod download");
    assert_eq!(outcome(&tls(&go, "proxy.golang.org", &flags)), "Reachable");
    // Without the gateway the same pod trusts nobody else.
    let step = tls(&go, "proxy.golang.org", &[]);
    assert_eq!(outcome(&step), "Blocked", "{step}");
    // npm has roots of its own and does not look there.
    let npm = hidden("node:22", "npm ci");
    assert_eq!(outcome(&tls(&npm, "registry.npmjs.org", &[])), "Reachable");
    assert_eq!(outcome(&tls(&npm, "registry.npmjs.org", &flags)), "Blocked");
}

#[test]
fn what_was_not_read_is_unknown() {
    let own = ca("Corp Root", "nexus.corp.example");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    fs::write(&path, &own.pem).unwrap();
    let told = format!("nexus.corp.example={}", path.display());
    let ask = |container: &str, spec: &str, command: &str| {
        let build = pod("node:22", command, container, spec);
        outcome(&tls(&build, "nexus.corp.example", &["--endpoint-ca", &told])).to_owned()
    };
    let npm = "npm ci --registry https://nexus.corp.example/";
    let env = "env: [{name: NODE_EXTRA_CA_CERTS, value: /corp/ca.crt}]\n";
    let mount = "volumeMounts: [{name: ca, mountPath: /corp}]";
    let with_mount = format!("{env}{mount}");
    for volume in [
        "secret: {secretName: ca}",
        "emptyDir: {}",
        "hostPath: {path: /etc/corp}",
        "configMap: {name: ca, optional: true}",
    ] {
        let spec = format!("volumes: [{{name: ca, {volume}}}]");
        let want = if volume.contains("optional") { "Blocked" } else { "Unknown" };
        assert_eq!(ask(&with_mount, &spec, npm), want, "{volume}");
    }
    // A variable from somewhere else.
    let from = "env: [{name: NODE_EXTRA_CA_CERTS, valueFrom: {secretKeyRef: {name: a, key: b}}}]";
    assert_eq!(ask(from, "", npm), "Unknown");
    // Commands that change what is trusted.
    for before in ["npm config set cafile /x.pem", "export NODE_EXTRA_CA_CERTS=/x.pem"] {
        assert_eq!(ask("", "", &format!("{before} && {npm}")), "Unknown", "{before}");
    }
    assert_eq!(ask("", "", &format!("apt-get install -y ca-certificates && {npm}")), "Blocked");
    // Verification switched off lets everything pass, and is a finding of its own.
    assert_eq!(ask("env: [{name: npm_config_strict_ssl, value: 'false'}]", "", npm), "Reachable");
}

#[test]
fn plain_http_has_no_tls() {
    let build =
        pod("golang:1.26", "go mod download", "env: [{name: GOPROXY, value: 'http://athens.tools.example:3000'}]", "");
    assert_eq!(outcome(&tls(&build, "athens.tools.example:3000", &[])), "NotApplicable");
}

/// The outcome of a pod with the CA mounted at /corp, towards a host that this CA vouches for.
fn with_ca(image: &str, command: &str, host: &str) -> Value {
    let own = ca("Corp Root", host);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("ca.pem");
    fs::write(&path, &own.pem).unwrap();
    let mounts = "volumeMounts: [{name: ca, mountPath: /corp}]";
    let volumes = "volumes: [{name: ca, configMap: {name: corp}}]";
    // Nothing but the command names the folder.
    let manifests = pod(image, command, mounts, volumes) + &config_map("corp", "ca.crt", &own.pem);
    tls(&manifests, host, &["--endpoint-ca", &format!("{host}={}", path.display())])
}

#[test]
fn what_a_command_says_for_sure_is_followed() {
    for (image, command, host, want) in [
        ("debian:12", "curl https://files.corp.example/x", "files.corp.example", "Blocked"),
        ("debian:12", "curl --cacert /corp/ca.crt https://files.corp.example/x", "files.corp.example", "Reachable"),
        (
            "debian:12",
            "wget --ca-certificate=/corp/ca.crt https://files.corp.example/x",
            "files.corp.example",
            "Reachable",
        ),
        ("debian:12", "curl -fsSLk https://files.corp.example/x", "files.corp.example", "Reachable"),
        ("debian:12", "curl -o k https://files.corp.example/x", "files.corp.example", "Blocked"),
        ("debian:12", "git clone https://git.corp.example/r", "git.corp.example", "Blocked"),
        (
            "debian:12",
            "git -c http.sslCAInfo=/corp/ca.crt clone https://git.corp.example/r",
            "git.corp.example",
            "Reachable",
        ),
        (
            "debian:12",
            "git config --global http.sslCAInfo /corp/ca.crt && git clone https://git.corp.example/r",
            "git.corp.example",
            "Reachable",
        ),
        ("debian:12", "git -c http.sslVerify=false clone https://git.corp.example/r", "git.corp.example", "Reachable"),
        ("debian:12", "GIT_SSL_NO_VERIFY=1 git clone https://git.corp.example/r", "git.corp.example", "Reachable"),
        (
            "python:3.14",
            "pip install --cert /corp/ca.crt -i https://nexus.corp.example/simple x",
            "nexus.corp.example",
            "Reachable",
        ),
        (
            "python:3.14",
            "python3 -m pip install --trusted-host nexus.corp.example x",
            "nexus.corp.example",
            "Reachable",
        ),
        ("python:3.14", "pip install --trusted-host other.corp.example x", "nexus.corp.example", "Blocked"),
        ("node:22", "npm config set cafile /corp/ca.crt && npm ci", "nexus.corp.example", "Reachable"),
        ("node:22", "npm ci --cafile=/corp/ca.crt", "nexus.corp.example", "Reachable"),
        ("node:22", "npm config set strict-ssl false && npm ci", "nexus.corp.example", "Reachable"),
        ("node:22", "NODE_EXTRA_CA_CERTS=/corp/ca.crt npm ci", "nexus.corp.example", "Reachable"),
        ("node:22", "set -e; export NODE_EXTRA_CA_CERTS=/corp/ca.crt\nnpm ci", "nexus.corp.example", "Reachable"),
        // The setting comes too late.
        ("node:22", "npm ci && npm config set cafile /corp/ca.crt", "nexus.corp.example", "Blocked"),
        // What may not run, or is not literal, is not followed.
        (
            "node:22",
            "if test -f x; then export NODE_EXTRA_CA_CERTS=/corp/ca.crt; fi; npm ci",
            "nexus.corp.example",
            "Unknown",
        ),
        (
            "debian:12",
            "curl https://files.corp.example/x || curl -k https://files.corp.example/x",
            "files.corp.example",
            "Unknown",
        ),
        ("debian:12", "curl --cacert $CA https://files.corp.example/x", "files.corp.example", "Unknown"),
        ("debian:12", "curl --capath /corp https://files.corp.example/x", "files.corp.example", "Unknown"),
        ("node:22", "NODE_EXTRA_CA_CERTS=$X npm ci", "nexus.corp.example", "Unknown"),
        ("node:22", "npm config set -g cafile /corp/ca.crt && npm ci", "nexus.corp.example", "Unknown"),
        // Nobody knows what the image holds there.
        ("debian:12", "curl --cacert /opt/ca.pem https://files.corp.example/x", "files.corp.example", "Unknown"),
    ] {
        let step = with_ca(image, command, host);
        assert_eq!(outcome(&step), want, "{command}: {step}");
    }
}

#[test]
fn words_of_another_program_leave_a_client_alone() {
    let gateway = ca("Gateway CA", "registry.npmjs.org");
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.pem");
    fs::write(&path, &gateway.pem).unwrap();
    let told = format!("*={}", path.display());
    let ask = |command: &str| {
        let step = tls(&pod("node:22", command, "", ""), "registry.npmjs.org", &["--endpoint-ca", &told]);
        outcome(&step).to_owned()
    };
    for command in [
        "curl --cacert /corp/ca.crt https://files.corp.example/x && npm ci",
        "pip install --cert /corp/ca.crt x && npm ci",
        "git config --global http.sslCAInfo /x.pem && npm ci",
        "npm ci && cp ca.pem /etc/ssl/certs/",
    ] {
        assert_eq!(ask(command), "Blocked", "{command}");
    }
    for command in [
        "curl -o /usr/local/share/ca-certificates/c.crt https://files.corp.example/x && npm ci",
        "cp ca.pem /etc/ssl/certs/ && npm ci",
        "while sleep 1; do npm ci; cp ca.pem /etc/ssl/certs/; done",
    ] {
        assert_eq!(ask(command), "Unknown", "{command}");
    }
}

#[test]
fn verification_that_a_command_switches_off_is_a_finding() {
    for (image, command, flag) in [
        ("debian:12", "curl -k https://files.corp.example/x", "-k"),
        ("debian:12", "curl --insecure https://files.corp.example/x", "--insecure"),
        ("debian:12", "GIT_SSL_NO_VERIFY=1 git clone https://github.com/a/b", "GIT_SSL_NO_VERIFY"),
        ("node:22", "npm ci --strict-ssl=false", "--strict-ssl=false"),
        ("python:3.14", "pip install --trusted-host pypi.org x", "--trusted-host pypi.org"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("all.yaml");
        fs::write(&file, pod(image, command, "", "")).unwrap();
        let output =
            Command::new(env!("CARGO_BIN_EXE_buildreach")).args(["audit", "-o", "json"]).arg(&file).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found: Vec<&Value> =
            report["findings"].as_array().unwrap().iter().filter(|finding| finding["code"] == "BR-TLS-046").collect();
        assert!(!found.is_empty() && found[0]["message"].as_str().unwrap().contains(flag), "{command}: {found:?}");
    }
}
