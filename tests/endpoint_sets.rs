//! `EndpointSet` objects among what is read: which endpoint they speak of, and what is said of those that are wrong.
#![allow(clippy::panic, clippy::unwrap_used)]

use std::fs;
use std::process::Command;

use buildreach::collect::files;
use buildreach::demand::{self, Addresses, Catalogue, DemandOptions};
use serde_json::Value;

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: build, namespace: ci, labels: {buildreach.dev/build: 'true'}}\nspec:\n  containers:\n  - {name: go, image: golang, command: [go, mod, download], env: [{name: GOPROXY, value: 'https://nexus.corp.example/go'}]}\n  - {name: pip, image: python, command: [pip, install, x], env: [{name: PIP_INDEX_URL, value: 'https://nexus.corp.example:8443/simple'}]}\n";

fn set(spec: &str) -> String {
    format!("---\napiVersion: buildreach.dev/v1alpha1\nkind: EndpointSet\nmetadata: {{name: corp}}\nspec: {spec}\n")
}

/// What is known about the addresses of the private host, by port.
fn addresses(spec: &str) -> Vec<(u16, Vec<String>)> {
    let text = format!("{POD}{}", set(spec));
    let snapshot = files::from_texts(&[("all.yaml", &text)], &files::Options::default());
    let demand = demand::build(&snapshot, &Catalogue::builtin(), &DemandOptions::default());
    let endpoints = demand.requirements(&demand.subjects[0]).iter().map(|requirement| &requirement.endpoint);
    let of_host = endpoints.filter(|endpoint| endpoint.host == "nexus.corp.example");
    let listed = of_host.map(|endpoint| match &endpoint.addresses {
        Addresses::Listed(all) => (endpoint.port, all.iter().map(ToString::to_string).collect()),
        _ => (endpoint.port, Vec::new()),
    });
    let mut listed: Vec<_> = listed.collect();
    listed.sort();
    listed
}

#[test]
fn addresses_are_those_of_the_port_that_states_them() {
    let one = "{endpoints: [{host: nexus.corp.example, port: 8443, addresses: [10.20.0.15]}]}";
    assert_eq!(addresses(one), [(443, vec![]), (8443, vec!["10.20.0.15".to_owned()])]);
    let both = "{endpoints: [{host: nexus.corp.example, addresses: [10.20.0.16]}, {host: nexus.corp.example, port: 8443, addresses: [10.20.0.15]}]}";
    assert_eq!(addresses(both), [(443, vec!["10.20.0.16".to_owned()]), (8443, vec!["10.20.0.15".to_owned()])]);
}

#[test]
fn what_is_wrong_in_a_set_leaves_the_rest_of_it() {
    let good = "{host: nexus.corp.example, addresses: [10.20.0.16]}";
    for bad in [
        "{host: a.example, port: 0}",
        "{port: 443}",
        "{host: a.example, ports: [1]}",
        "{host: a.example, addresses: [x]}",
        "7",
    ] {
        let spec = format!("{{endpoints: [{bad}, {good}]}}");
        assert_eq!(addresses(&spec), [(443, vec!["10.20.0.16".to_owned()]), (8443, vec![])], "{bad}");
    }
}

/// Codes and messages of the findings about the set, which begins on line 9.
fn findings(spec: &str) -> Vec<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("all.yaml");
    fs::write(&file, format!("{POD}{}", set(spec))).unwrap();
    let output =
        Command::new(env!("CARGO_BIN_EXE_buildreach")).args(["audit", "-o", "json"]).arg(&file).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let about = report["findings"].as_array().unwrap().iter().filter(|finding| {
        let evidence = &finding["evidence"][0];
        evidence["object"]["kind"] == "EndpointSet" && evidence["object"]["name"] == "corp" && evidence["line"] == 9
    });
    about.map(|finding| (text(&finding["code"]), text(&finding["message"]))).collect()
}

#[test]
fn a_wrong_set_is_a_finding_that_names_it() {
    for (spec, code, part) in [
        ("{endpoints: [{host: a.example, port: 0}]}", "BR-OBJ-002", "spec.endpoints[0] does not count: 0 is no port"),
        ("{endpoints: [{host: a.example, port: 70000}]}", "BR-OBJ-002", "70000 is no port"),
        ("{endpoints: [{port: 443}]}", "BR-OBJ-002", "missing field `host`"),
        ("{endpoints: [{host: a.example, colour: red}]}", "BR-OBJ-002", "unknown field `colour` of spec.endpoints[0]"),
        ("{endpoint: []}", "BR-OBJ-002", "unknown field `endpoint` of spec"),
        ("{endpoints: 3}", "BR-OBJ-002", "spec.endpoints is no list"),
        ("{replaces: [cobol], endpoints: []}", "BR-OBJ-002", "spec.replaces"),
        ("{endpoints: [{host: a.example, ca: {secret: {name: x}}}]}", "BR-OBJ-002", "spec.endpoints[0].ca"),
        (
            "{endpoints: [{host: a.example, ca: {configMap: {namespace: ci, name: gone}}}]}",
            "BR-TLS-093",
            "what a.example presents cannot be known: ConfigMap ci/gone",
        ),
    ] {
        let found = findings(spec);
        assert!(found.iter().any(|(own, message)| own == code && message.contains(part)), "{spec}: {found:?}");
        assert!(found.iter().all(|(_, message)| message.starts_with("EndpointSet `corp`")), "{spec}: {found:?}");
    }
    assert_eq!(findings("{endpoints: [{host: a.example, ca: {inline: x}}]}"), []);
}
