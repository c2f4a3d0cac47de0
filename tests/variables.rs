//! Variables that containers take from ConfigMaps: which value counts, what is kept of it, and what stays unknown.
#![allow(clippy::panic, clippy::unwrap_used)]

mod common;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use buildreach::collect::{files, snapshot_io};
use buildreach::demand::{self, Catalogue, DemandOptions};
use buildreach::model::snapshot::VARIABLE_CONFIG_MAPS;
use buildreach::model::{Coverage, CoverageState, Snapshot, World};
use common::command::buildreach;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, KeyPair};
use serde_json::Value;

/// A pod that runs `go mod download`; `container` are further fields of its container, in flow style.
fn pod(container: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: build, namespace: ci, labels: {{buildreach.dev/build: 'true'}}}}\nspec:\n  containers:\n  - {{name: c, image: golang, command: [go, mod, download], {container}}}\n"
    )
}

/// A ConfigMap; its data begin on line 5.
fn map(name: &str, data: &[(&str, &str)]) -> String {
    let mut text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: ci}}\ndata:\n");
    for (key, value) in data {
        let _ = writeln!(text, "  {key}: {value:?}");
    }
    text
}

fn read(pod: &str, maps: &[String]) -> Snapshot {
    let names: Vec<String> = (0..maps.len()).map(|at| format!("map-{at}.yaml")).collect();
    let mut texts: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(maps.iter().map(String::as_str)).collect();
    texts.push(("pod.yaml", pod));
    let snapshot = files::from_texts(&texts, &files::Options::default());
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    snapshot
}

/// What the pod has to reach: hosts with the place of the setting that names them, or the doubts.
fn needs(snapshot: &Snapshot) -> Vec<String> {
    let demand = demand::build(snapshot, &Catalogue::builtin(), &DemandOptions::default());
    let required = demand.requirements(&demand.subjects[0]).iter().filter(|r| r.required);
    let words = required.map(|requirement| match (&requirement.doubt, &requirement.setting) {
        (Some(doubt), _) => doubt.clone(),
        (None, Some(setting)) => {
            let host = &requirement.endpoint.host;
            format!("{host} by {} ({}:{})", setting.text, snapshot.source(setting.source), setting.line)
        }
        (None, None) => requirement.endpoint.host.to_string(),
    });
    let mut words: Vec<String> = words.collect();
    words.sort();
    words.dedup();
    words
}

#[test]
fn a_key_gives_its_value_and_is_cited() {
    let pod = pod("env: [{name: GOPROXY, valueFrom: {configMapKeyRef: {name: build, key: modules}}}]");
    let build = map("build", &[("other", "x"), ("modules", "https://me:secret@athens.corp.example/go")]);
    let snapshot = read(&pod, &[build]);
    let want = "athens.corp.example by GOPROXY=https://athens.corp.example/go of key modules of ConfigMap ci/build (map-0.yaml:6)";
    assert_eq!(needs(&snapshot), [want]);
    // Nothing else of the map is kept, and no credential.
    assert_eq!(snapshot.variable_maps.len(), 1);
    assert_eq!(snapshot.variable_maps[0].keys.len(), 1);
    assert!(!serde_json::to_string(&snapshot).unwrap().contains("secret"));
}

#[test]
fn env_goes_before_env_from_and_later_before_earlier() {
    let one = map("one", &[("GOPROXY", "https://one.example"), ("HOST", "first.example"), ("UNUSED", "x")]);
    let two = map("two", &[("GOPROXY", "https://two.example")]);
    let prefixed = map("prefixed", &[("PROXY", "https://prefixed.example")]);
    let maps = [one, two, prefixed];
    let ask = |container: &str| {
        let found = needs(&read(&pod(container), &maps));
        assert_eq!(found.len(), 1, "{container}: {found:?}");
        found[0].clone()
    };
    let from = |names: &[&str]| -> String {
        let refs: Vec<String> = names.iter().map(|name| format!("{{configMapRef: {{name: {name}}}}}")).collect();
        format!("envFrom: [{}]", refs.join(", "))
    };
    assert!(ask(&from(&["one", "two"])).starts_with("two.example by GOPROXY=https://two.example of ConfigMap ci/two"));
    assert!(ask(&from(&["two", "one"])).starts_with("one.example"));
    let env = |value: &str, names: &[&str]| format!("env: [{{name: GOPROXY, {value}}}], {}", from(names));
    assert!(ask(&env("value: 'https://own.example'", &["one", "two"])).starts_with("own.example"));
    // A reference finds what `envFrom` sets, though nothing else needs that variable.
    assert!(ask(&env("value: 'https://$(HOST)/go'", &["one"])).starts_with("first.example by GOPROXY"));
    // An optional key that is not there leaves what `envFrom` set.
    let absent = "valueFrom: {configMapKeyRef: {name: one, key: none, optional: true}}";
    assert!(ask(&env(absent, &["two"])).starts_with("two.example"));
    assert!(ask("envFrom: [{prefix: GO, configMapRef: {name: prefixed}}]").starts_with("prefixed.example"));
    // A Secret after the map may set the same, one before it is covered.
    let secret = "{secretRef: {name: s}}";
    assert!(ask(&format!("envFrom: [{{configMapRef: {{name: one}}}}, {secret}]")).contains("Secret s may set it, too"));
    // What the first entry may set beside GOPROXY is still unknown: a proxy.
    let covered = ask(&format!("envFrom: [{secret}, {{configMapRef: {{name: one}}}}]"));
    assert!(covered.contains("takes variables from Secret s"), "{covered}");
    // With a prefix it cannot be one.
    let harmless = ask("envFrom: [{prefix: APP_X, secretRef: {name: s}}, {configMapRef: {name: one}}]");
    assert!(harmless.starts_with("one.example"), "{harmless}");
}

#[test]
fn values_of_config_maps_are_literal() {
    let maps = [map("build", &[("GOPROXY", "https://$(HOST)/go")])];
    let found = needs(&read(
        &pod(
            "env: [{name: HOST, value: a.example}, {name: GOPROXY, valueFrom: {configMapKeyRef: {name: build, key: GOPROXY}}}]",
        ),
        &maps,
    ));
    let why = "GOPROXY is not valid, and Go stops before it contacts any host: `https://$(HOST)/go` is no URL";
    assert_eq!(found, [why]);
}

#[test]
fn a_container_without_its_map_does_not_start() {
    let key = |selector: &str| {
        needs(&read(&pod(&format!("env: [{{name: GOPROXY, valueFrom: {{configMapKeyRef: {selector}}}}}]")), &[]))
    };
    let starts = "without it the container does not start";
    assert!(key("{name: none, key: a}")[0].contains(starts), "{:?}", key("{name: none, key: a}"));
    let stock = ["proxy.golang.org", "storage.googleapis.com"];
    assert_eq!(key("{name: none, key: a, optional: true}"), stock);
    let whole = |reference: &str| needs(&read(&pod(&format!("envFrom: [{{configMapRef: {reference}}}]")), &[]));
    assert!(whole("{name: none}")[0].contains(starts));
    assert_eq!(whole("{name: none, optional: true}"), stock);
    // The map is there, and the key is not.
    let build = [map("build", &[("b", "x")])];
    let found =
        needs(&read(&pod("env: [{name: GOPROXY, valueFrom: {configMapKeyRef: {name: build, key: a}}}]"), &build));
    assert!(found[0].contains("ConfigMap ci/build has no key a"), "{found:?}");
}

#[test]
fn a_map_that_nobody_may_read_is_named() {
    let mut snapshot = read(&pod("envFrom: [{configMapRef: {name: build, optional: true}}]"), &[]);
    snapshot.world = World::Live;
    let found = needs(&snapshot);
    assert!(found[0].contains("ConfigMap ci/build was not read"), "{found:?}");
    let row = |state: CoverageState| Coverage {
        source: "kubernetes".into(),
        kind: VARIABLE_CONFIG_MAPS.into(),
        namespace: Some("ci".into()),
        state,
    };
    snapshot.coverage = vec![row(CoverageState::Forbidden)];
    let found = needs(&snapshot);
    assert!(found[0].contains("ConfigMap ci/build was not read: the credentials may not read it"), "{found:?}");
    // Where it was looked for, that it is not there is a fact.
    snapshot.coverage = vec![row(CoverageState::Read)];
    assert_eq!(needs(&snapshot), ["proxy.golang.org", "storage.googleapis.com"]);
}

#[test]
fn a_map_of_another_namespace_is_another_map() {
    let other = map("build", &[("GOPROXY", "https://one.example")]).replace("namespace: ci", "namespace: other");
    let found = needs(&read(&pod("envFrom: [{configMapRef: {name: build, optional: true}}]"), &[other]));
    assert_eq!(found, ["proxy.golang.org", "storage.googleapis.com"]);
}

fn run(arguments: &[&str]) -> String {
    buildreach(arguments).1
}

#[test]
fn trust_follows_the_map_and_a_saved_snapshot_says_the_same() {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, "Corp Root");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let pem = params.self_signed(&key).unwrap().pem();
    let block: String = pem.lines().flat_map(|line| ["    ", line, "\n"]).collect();
    let folder = tempfile::tempdir().unwrap();
    let sources = folder.path().join("sources");
    fs::create_dir(&sources).unwrap();
    let manifests = |runs: &str, variable: &str, value: &str| {
        let pod = format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{name: build, namespace: ci, labels: {{buildreach.dev/build: 'true'}}}}\nspec:\n  containers:\n  - name: c\n    {runs}\n    envFrom: [{{configMapRef: {{name: settings}}}}]\n    volumeMounts: [{{name: ca, mountPath: /corp}}]\n  volumes: [{{name: ca, configMap: {{name: ca}}}}]\n"
        );
        let settings = map("settings", &[(variable, value)]);
        let ca = map("ca", &[]).replace("data:\n", &format!("data:\n  ca.crt: |\n{block}"));
        fs::write(sources.join("all.yaml"), format!("{pod}---\n{settings}---\n{ca}")).unwrap();
    };
    let ca_file = folder.path().join("ca.pem");
    fs::write(&ca_file, &pem).unwrap();
    let told = format!("*={}", ca_file.display());
    let tls = |host: &str, told: &str| {
        let source = sources.to_str().unwrap();
        let text = run(&["explain", "ci/build", host, "-o", "json", "--endpoint-ca", told, "-f", source]);
        let explanation: Value = serde_json::from_str(&text).unwrap();
        let steps = explanation["trace"]["steps"].as_array().unwrap();
        steps.iter().find(|step| step["layer"] == "tls").unwrap().clone()
    };
    let npm = "image: node:22\n    command: [npm, ci]";
    manifests(npm, "NODE_EXTRA_CA_CERTS", "/corp/ca.crt");
    let step = tls("registry.npmjs.org", &told);
    assert_eq!(step["outcome"], "Reachable", "{step}");
    manifests(npm, "NODE_EXTRA_CA_CERTS", "/corp/other.crt");
    let step = tls("registry.npmjs.org", &told);
    assert_eq!(step["outcome"], "Blocked", "{step}");

    // Where a variable decides, the key of the ConfigMap is what is cited.
    manifests("image: golang\n    command: [go, mod, download]", "SSL_CERT_FILE", "/corp/ca.crt");
    let step = tls("proxy.golang.org", &told);
    assert_eq!(step["outcome"], "Reachable", "{step}");
    let other = folder.path().join("other.pem");
    fs::write(
        &other,
        CertificateParams::new(vec!["a.example".to_owned()])
            .unwrap()
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap()
            .pem(),
    )
    .unwrap();
    let step = tls("proxy.golang.org", &format!("*={}", other.display()));
    assert_eq!(step["outcome"], "Blocked", "{step}");
    let evidence = &step["evidence"][0];
    assert_eq!(evidence["object"]["kind"], "ConfigMap", "{step}");
    assert_eq!((&evidence["path"], &evidence["line"]), (&"data.SSL_CERT_FILE".into(), &17.into()), "{step}");

    let saved = folder.path().join("saved");
    let instant = "2026-11-24T00:00:00Z";
    run(&["snapshot", sources.to_str().unwrap(), "-O", saved.to_str().unwrap()]);
    let audit = |source: &Path| {
        run(&["audit", source.to_str().unwrap(), "-o", "json", "--at", instant, "--endpoint-ca", &told])
    };
    let loaded = snapshot_io::load(&saved).unwrap().unwrap();
    assert_eq!(loaded.variable_maps.len(), 1);
    assert_eq!(audit(&saved), audit(&sources));
}
