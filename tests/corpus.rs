//! The suites of a corpus that is not part of the project, where there is one.
//!
//! `BUILDREACH_CORPUS` names it; beside the checkout it is looked for in `../shared/corpus`. Elsewhere the test says that
//! it was skipped; in CI (`CI=true`) it must be there.
#![allow(clippy::print_stdout, clippy::expect_used, clippy::panic, clippy::unwrap_used, missing_docs)]

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

fn corpus() -> Option<PathBuf> {
    let named = std::env::var_os("BUILDREACH_CORPUS").map(PathBuf::from);
    let beside = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/corpus");
    let found = named.or_else(|| beside.is_dir().then_some(beside));
    if found.is_none() {
        assert!(std::env::var("CI").is_err(), "in CI the corpus must be there: set BUILDREACH_CORPUS");
        println!("skipped: no corpus; BUILDREACH_CORPUS names none");
    }
    found
}

fn run(family: &str) -> Option<Value> {
    let folder = corpus()?.join(family);
    let output = Command::new(env!("CARGO_BIN_EXE_buildreach")).args(["test", "-o", "json"]).arg(&folder).output();
    let output = output.expect("the command runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let document: Value = serde_json::from_str(&text).unwrap_or_else(|e| {
        panic!("{e}: {} {}", &text[..text.len().min(400)], String::from_utf8_lossy(&output.stderr))
    });
    let summary = &document["summary"];
    println!("{family}: {summary}");
    let failed: Vec<String> = assertions(&document)
        .filter(|(_, a)| a["status"] == "failed")
        .map(|(suite, a)| format!("{} #{}: {}", suite["path"], a["index"], a["reason"]))
        .collect();
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
    assert!(summary["passed"].as_u64() > Some(0), "nothing passed");
    Some(document)
}

fn list(value: &Value) -> std::slice::Iter<'_, Value> {
    value.as_array().expect("a list").iter()
}

fn assertions(document: &Value) -> impl Iterator<Item = (&Value, &Value)> {
    list(&document["suites"]).flat_map(|suite| list(&suite["assertions"]).map(move |a| (suite, a)))
}

#[test]
fn network_policies() {
    let Some(document) = run("netpol") else { return };
    // What names a kind of a later dialect may be unsupported, NetworkPolicy alone never.
    for (suite, assertion) in assertions(&document).filter(|(_, a)| a["status"] == "unsupported") {
        let reason = assertion["reason"].as_str().unwrap();
        assert!(
            reason.contains("AdminNetworkPolicy") || reason.contains("ClusterNetworkPolicy"),
            "{} is unsupported for another reason: {reason}",
            suite["path"]
        );
    }
}

#[test]
fn network_plugins() {
    run("cni");
}

#[test]
fn amazon_networks() {
    let Some(document) = run("aws") else { return };
    assert_eq!(document["summary"]["unsupported"], 0, "a suite of the cloud is not evaluated");
}
