//! An audit evaluates classes of pods, an explanation one pod: they must agree for every subject and endpoint.
#![allow(clippy::panic, clippy::unwrap_used, missing_docs)]

mod common;

use std::fs;

use common::command::buildreach;
use serde_json::Value;

const HEAD: &str = "
apiVersion: v1
kind: Node
metadata: {name: n1}
status: {addresses: [{type: InternalIP, address: 192.168.0.1}]}
---
apiVersion: v1
kind: Node
metadata: {name: n2}
status: {addresses: [{type: InternalIP, address: 192.168.0.2}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: web, namespace: build}
spec: {podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: 443}]}, {to: [{namespaceSelector: {}}], ports: [{port: 53, protocol: UDP}, {port: 53}]}]}
";

fn build_pod(name: &str, node: &str, label: &str, dns: &str) -> String {
    let last = name.len();
    format!(
        "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: build, labels: {{buildreach.dev/build: 'true', dns: '{label}'}}}}\nspec: {{nodeName: {node}, {dns} containers: [{{name: c, image: golang, command: [go, mod, download]}}]}}\nstatus: {{phase: Running, podIP: 10.0.0.{last}, podIPs: [{{ip: 10.0.0.{last}}}]}}\n"
    )
}

/// Clusters in which two pods differ in what only the lookup sees.
fn clusters() -> Vec<String> {
    let gate = |namespace: &str, label: &str| {
        format!(
            "---\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {{name: gate, namespace: {namespace}}}\nspec: {{podSelector: {{matchLabels: {{{label}}}}}, policyTypes: [Ingress], ingress: [{{from: [{{namespaceSelector: {{}}, podSelector: {{matchLabels: {{dns: 'yes'}}}}}}]}}]}}\n"
        )
    };
    let own = "dnsPolicy: None, dnsConfig: {nameservers: [10.0.0.53]},";
    let own_server = "---\napiVersion: v1\nkind: Pod\nmetadata: {name: mydns, namespace: infra, labels: {app: mydns}}\nspec: {containers: [{name: c, image: coredns}]}\nstatus: {phase: Running, podIP: 10.0.0.53, podIPs: [{ip: 10.0.0.53}]}\n";
    let on_node = "dnsPolicy: None, dnsConfig: {nameservers: [192.168.0.1]},";
    let host_dns = "---\napiVersion: v1\nkind: Service\nmetadata: {name: kube-dns, namespace: kube-system}\nspec: {clusterIP: 10.96.0.10, selector: {k8s-app: kube-dns}, ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53}]}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: coredns, namespace: kube-system, labels: {k8s-app: kube-dns}}\nspec: {nodeName: n1, hostNetwork: true, containers: [{name: c, image: coredns}]}\nstatus: {phase: Running, hostIP: 192.168.0.1, podIP: 192.168.0.1, podIPs: [{ip: 192.168.0.1}]}\n";
    let pair = |dns: &str| build_pod("go-1", "n1", "yes", dns) + &build_pod("go-22", "n2", "no", dns);
    vec![
        format!("{HEAD}{}{own_server}{}", pair(own), gate("infra", "app: mydns")),
        format!("{HEAD}{}{}", pair(""), gate("kube-system", "k8s-app: kube-dns")),
        format!("{HEAD}{}", pair(on_node)),
        format!("{HEAD}{}{host_dns}", pair("")),
    ]
}

fn run(arguments: &[&str]) -> Value {
    let (_, out, err) = buildreach(arguments);
    serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {err}"))
}

#[test]
fn audit_and_explanation_agree() {
    let mut compared = 0;
    let mut outcomes = std::collections::BTreeSet::new();
    let folder = tempfile::tempdir().unwrap();
    let mut sources: Vec<String> = Vec::new();
    for (i, text) in clusters().iter().enumerate() {
        let path = folder.path().join(format!("{i}.yaml"));
        fs::write(&path, text).unwrap();
        sources.push(path.to_string_lossy().into_owned());
    }
    sources.push(format!("{}/src/demo", env!("CARGO_MANIFEST_DIR")));
    for source in &sources {
        let report = run(&["audit", source, "-o", "json"]);
        let mut of_source = std::collections::BTreeSet::new();
        for class in report["results"].as_array().unwrap() {
            for subject in class["subjects"].as_array().unwrap() {
                let name = subject["name"].as_str().unwrap();
                for path in class["paths"].as_array().unwrap() {
                    // A setting that is not followed concerns the tool, not the destination.
                    if path["trace"]["steps"][0]["outcome"] == "Unknown" {
                        continue;
                    }
                    for endpoint in path["endpoints"].as_array().unwrap().iter().take(2) {
                        let host = endpoint["host"].as_str().unwrap();
                        if host.contains('*') {
                            continue;
                        }
                        let target = format!("{host}:{}", endpoint["port"]);
                        let explained = run(&["explain", name, &target, "-f", source, "-o", "json"]);
                        assert_eq!(explained["outcome"], path["outcome"], "{source} {name} {target}");
                        of_source.insert(path["outcome"].to_string());
                        compared += 1;
                    }
                }
            }
        }
        outcomes.extend(of_source);
    }
    assert!(compared > 20 && outcomes.len() > 1, "{compared} {outcomes:?}");
}
