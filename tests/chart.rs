//! The Helm chart: that what is copied into it is equal to its source, and that what it renders to is right.
//!
//! `UPDATE_GOLDEN=1 cargo test --test chart` writes the copies anew. Helm and the programs that check come from
//! `tests/chart-tools.sh`, through `BUILDREACH_CHART_TOOLS`.
#![allow(missing_docs, clippy::unwrap_used, clippy::panic, clippy::print_stderr)]

#[path = "chart/cluster.rs"]
mod cluster;
mod common;
#[path = "chart/monitoring.rs"]
mod monitoring;
#[path = "chart/network.rs"]
mod network;
#[path = "chart/release.rs"]
mod release;
#[path = "chart/rendered.rs"]
mod rendered;
#[path = "chart/rights.rs"]
mod rights;
#[path = "chart/tools.rs"]
mod tools;
#[path = "chart/values.rs"]
mod values;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use buildreach::collect::kube::{RoleScope, reader_rules};
use buildreach::crd;
use serde_json::Value;

use tools::{chart, text};

const UPDATE: &str = "UPDATE_GOLDEN=1 cargo test --test chart";

fn yaml(path: &Path) -> Value {
    serde_saphyr::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Every file of the chart that is made from something else, by its path in the chart.
fn made() -> BTreeMap<String, String> {
    let mut made = BTreeMap::new();
    for definition in crd::definitions().unwrap() {
        made.insert(format!("files/crds/{}", definition.file), definition.yaml);
    }
    for (name, scope) in [("cluster", RoleScope::Cluster), ("namespace", RoleScope::Namespace)] {
        let rules = reader_rules(scope, "get, list, watch");
        made.insert(
            format!("files/reader-{name}.yaml"),
            format!("# Made from the table of the collector: {UPDATE}\n{rules}"),
        );
    }
    let source = fs::read_to_string(chart().join("values.yaml")).unwrap();
    let table = values::table(&values::keys(&source), &yaml(&chart().join("values.yaml")));
    let head = fs::read_to_string(chart().join("README.md.head")).unwrap();
    made.insert("README.md".to_owned(), head + &table);
    let about = fs::read_to_string(chart().join("Chart.yaml")).unwrap();
    made.insert("Chart.yaml".to_owned(), with_definitions(&about));
    made
}

/// `Chart.yaml` with the list of definitions that Artifact Hub shows.
fn with_definitions(about: &str) -> String {
    let key = "  artifacthub.io/crds: |\n";
    let (before, rest) = about.split_once(key).expect("the annotation artifacthub.io/crds");
    let after: String = rest.split_inclusive('\n').skip_while(|line| line.starts_with("    ")).collect();
    let mut list = String::new();
    for definition in crd::definitions().unwrap() {
        let object: Value = serde_saphyr::from_str(&definition.yaml).unwrap();
        let kind = text(&object["spec"]["names"]["kind"]);
        let version = &object["spec"]["versions"][0];
        let about = text(&version["schema"]["openAPIV3Schema"]["description"]);
        let sentence = about.split(". ").next().unwrap_or(about).trim_end_matches('.').replace('\n', " ");
        list.push_str(&format!(
            "    - kind: {kind}\n      version: {}\n      name: {}\n      displayName: {kind}\n      description: {}\n",
            text(&version["name"]),
            text(&object["metadata"]["name"]),
            Value::from(sentence),
        ));
    }
    format!("{before}{key}{list}{after}")
}

#[test]
fn what_is_made_from_something_else_is_equal_to_it() {
    let made = made();
    let copies = chart().join("files/crds");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::remove_dir_all(&copies).unwrap();
        fs::create_dir_all(&copies).unwrap();
        for (path, text) in &made {
            fs::write(chart().join(path), text).unwrap();
        }
    }
    for (path, expected) in &made {
        let found = fs::read_to_string(chart().join(path)).unwrap_or_default();
        assert!(found == *expected, "{path} differs from what it is made from: {UPDATE}");
    }
    for entry in fs::read_dir(&copies).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(made.contains_key(&format!("files/crds/{name}")), "{name} is no definition any more: {UPDATE}");
    }
}

#[test]
fn every_value_is_explained() {
    let source = fs::read_to_string(chart().join("values.yaml")).unwrap();
    let keys = values::keys(&source);
    assert!(keys.len() > 150, "{}", keys.len());
    assert_eq!(values::undocumented(&keys), Vec::<String>::new());
}

#[test]
fn schema_and_values_have_the_same_keys() {
    let schema: Value = serde_json::from_str(&fs::read_to_string(chart().join("values.schema.json")).unwrap()).unwrap();
    let values = yaml(&chart().join("values.yaml"));
    assert_eq!(values::differences(&schema, &values), Vec::<String>::new());
    // A row of the plan is its defaults and a name.
    let definitions = &schema["definitions"];
    let mut row = definitions["audit"]["properties"].as_object().unwrap().clone();
    assert!(row.remove("name").is_some());
    assert_eq!(Value::Object(row), definitions["auditDefaults"]["properties"]);
}

/// The chart's release is the program's.
#[test]
fn chart_and_program_have_one_version() {
    let about = yaml(&chart().join("Chart.yaml"));
    assert_eq!(about["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(about["appVersion"], env!("CARGO_PKG_VERSION"));
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/trust-agent.yaml")).unwrap();
    assert!(manifest.contains(concat!("image: buildreach:", env!("CARGO_PKG_VERSION"))));
}
