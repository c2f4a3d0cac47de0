//! The project's own suites, through the command as a user runs it.
#![allow(clippy::unwrap_used, missing_docs)]

mod common;

use std::path::Path;

use common::command::buildreach;

#[test]
fn own_suites_pass() {
    let (code, out, err) = buildreach(&["test", "tests/suites"]);
    assert_eq!(code, 0, "{out}{err}");
    let last = out.lines().last().unwrap_or_default();
    let suites = count_suites(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/suites"));
    assert!(suites > 2 && last.starts_with(&format!("{suites} suites: ")), "{suites} suites are there: {last}");
    assert!(last.ends_with(" passed, 0 failed, 0 unsupported"), "{last}");
}

fn count_suites(folder: &Path) -> usize {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .map(|path| if path.is_dir() { count_suites(&path) } else { usize::from(path.ends_with("suite.yaml")) })
        .sum()
}

#[test]
fn a_failed_assertion_exits_1_and_shows_the_trace() {
    let folder = tempfile::tempdir().unwrap();
    let suite = folder.path().join("suite.yaml");
    let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/demo/manifests");
    std::fs::write(
        &suite,
        format!(
            "apiVersion: buildreach.dev/v1alpha1\nkind: ReachabilityTest\nspec:\n  manifests: ['{0}/cluster.yaml', '{0}/builds.yaml', '{0}/policies.yaml']\n  assertions:\n  - {{from: {{pod: go-builds/build-api-pod}}, to: {{ip: 8.8.8.8}}, port: 80, expect: Allowed}}\n",
            manifests.display()
        ),
    )
    .unwrap();
    let path = suite.to_string_lossy();
    let (code, out, _) = buildreach(&["test", &path]);
    assert_eq!(code, 1, "{out}");
    assert!(
        out.contains("expected Allowed, got Denied") && out.contains("NetworkPolicy go-builds/default-deny"),
        "{out}"
    );
    let (code, out, _) = buildreach(&["test", "-o", "json", &path]);
    let document: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &document["summary"]["failed"]), (1, &1.into()));
    let (_, out, _) = buildreach(&["test", "-o", "junit", &path]);
    assert!(out.contains("<failure message="), "{out}");
}

#[test]
fn a_suite_that_cannot_be_read_exits_2() {
    let folder = tempfile::tempdir().unwrap();
    let cases = [
        "kind: Something\n",
        "apiVersion: buildreach.dev/v1alpha1\nkind: ReachabilityTest\nspec: {manifests: [], surprise: 1}\n",
        "apiVersion: buildreach.dev/v1alpha1\nkind: ReachabilityTest\nspec: {manifests: [], profile: {cni: nobody}}\n",
        "{",
    ];
    for (i, text) in cases.iter().enumerate() {
        let path = folder.path().join(format!("{i}.yaml"));
        std::fs::write(&path, text).unwrap();
        let (code, _, err) = buildreach(&["test", &path.to_string_lossy()]);
        assert_eq!(code, 2, "{text}: {err}");
        assert!(err.starts_with("error: "), "{err}");
    }
}
