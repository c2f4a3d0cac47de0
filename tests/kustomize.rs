//! Folders for kustomize and Flux, read without rendering.

#![allow(clippy::unwrap_used)]

use std::fs;

use buildreach::collect::files::{self, Options};
use buildreach::model::{Problem, ProblemClass, Snapshot};

const POD: &str = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n";
const POLICY: &str =
    "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny}\nspec: {podSelector: {}}\n";

fn read(files: &[(&str, &str)]) -> Snapshot {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    files::collect(&[folder.path().to_str().unwrap().to_owned()], &Options::default()).unwrap()
}

fn namespaces(snapshot: &Snapshot) -> Vec<&str> {
    let pods = snapshot.pods.iter().map(|pod| &pod.meta);
    let policies = snapshot.network_policies.iter().map(|policy| &policy.meta);
    pods.chain(policies).map(|meta| meta.namespace.as_deref().unwrap_or("?")).collect()
}

fn of_class(snapshot: &Snapshot, class: ProblemClass) -> Vec<&Problem> {
    snapshot.problems.iter().filter(|p| p.class == class).collect()
}

/// Kind and namespace of what is not rendered.
fn not_rendered(snapshot: &Snapshot) -> Vec<(&str, Option<&str>)> {
    let problems = of_class(snapshot, ProblemClass::NotRendered);
    problems.into_iter().map(|p| (p.kind.as_deref().unwrap_or("?"), p.namespace.as_deref())).collect()
}

#[test]
fn a_namespace_goes_to_what_is_listed() {
    let snapshot = read(&[
        ("kustomization.yaml", "namespace: ci\nresources: [pod.yaml, base]\n"),
        ("pod.yaml", &POD.replace("name: p", "name: p, namespace: other")),
        ("base/kustomization.yml", "kind: Kustomization\nresources:\n- policy.yaml\n"),
        ("base/policy.yaml", POLICY),
        ("unlisted.yaml", &POD.replace("name: p", "name: q")),
    ]);
    assert_eq!(namespaces(&snapshot), ["ci", "default", "ci"]);
    assert_eq!(snapshot.namespace_defaulted, 1);
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
}

#[test]
fn an_overlay_beats_its_base_and_renames_namespaces() {
    let snapshot = read(&[
        ("overlay/kustomization.yaml", "namespace: prod\nbases: [../base]\n"),
        ("base/kustomization.yaml", "namespace: dev\nresources: [all.yaml]\n"),
        ("base/all.yaml", &format!("{POD}---\napiVersion: v1\nkind: Namespace\nmetadata: {{name: dev}}\n")),
    ]);
    assert_eq!(namespaces(&snapshot), ["prod"]);
    assert_eq!(snapshot.namespaces[0].meta.name, "prod");
    assert_eq!(snapshot.namespaces[0].meta.labels.get("kubernetes.io/metadata.name").unwrap(), "prod");
}

#[test]
fn overlays_that_disagree_leave_the_namespace_unknown() {
    let base = [("base/kustomization.yaml", "resources: [all.yaml]\n"), ("base/all.yaml", POLICY)];
    for second in ["namespace: prod\nresources: [../base]\n", "resources: [../base]\n"] {
        let mut files = base.to_vec();
        files.push(("dev/kustomization.yaml", "namespace: dev\nresources: [../base]\n"));
        files.push(("prod/kustomization.yaml", second));
        let snapshot = read(&files);
        let policy = &snapshot.network_policies[0];
        assert!(policy.meta.namespace_unknown && policy.meta.namespace.is_none());
        let ambiguous = of_class(&snapshot, ProblemClass::AmbiguousNamespace);
        assert_eq!(ambiguous.len(), 1);
        assert_eq!((ambiguous[0].kind.as_deref(), ambiguous[0].count), (Some("NetworkPolicy"), 1));
    }
    let mut files = base.to_vec();
    files.push(("a/kustomization.yaml", "namespace: same\nresources: [../base]\n"));
    files.push(("b/kustomization.yaml", "namespace: same\nresources: [../base]\n"));
    assert_eq!(namespaces(&read(&files)), ["same"]);
}

#[test]
fn patches_are_no_objects_and_say_what_they_touch() {
    let policy_patch =
        "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny}\nspec: {egress: []}\n";
    let image_patch = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\nspec: {replicas: 3}\n";
    let label_patch = "- {op: add, path: /spec/template/metadata/labels/x, value: y}\n";
    let snapshot = read(&[
        (
            "kustomization.yaml",
            "namespace: ci\nresources: [policy.yaml]\npatchesStrategicMerge:\n- p1.yaml\npatches:\n- path: p2.yaml\n- target: {kind: Deployment, name: d}\n  path: p3.yaml\n- target: {kind: Ingress}\n  patch: '[{op: remove, path: /spec}]'\n- patch: |-\n    apiVersion: v1\n    kind: Namespace\n    metadata: {name: ci, labels: {a: b}}\n",
        ),
        ("policy.yaml", POLICY),
        ("p1.yaml", policy_patch),
        ("p2.yaml", image_patch),
        ("p3.yaml", label_patch),
    ]);
    assert_eq!((snapshot.network_policies.len(), snapshot.workloads.len()), (1, 0));
    let mut touched = not_rendered(&snapshot);
    touched.sort_unstable();
    assert_eq!(touched, [("Deployment", Some("ci")), ("Namespace", None), ("NetworkPolicy", Some("ci"))]);
    assert_eq!(snapshot.problems.len(), 3, "{:?}", snapshot.problems);
}

#[test]
fn patch_fragments_are_no_objects() {
    let snapshot = read(&[(
        "a.yaml",
        "$patch: delete\napiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: ci}\n",
    )]);
    assert!(snapshot.network_policies.is_empty());
    assert_eq!(not_rendered(&snapshot), [("NetworkPolicy", Some("ci"))]);
}

#[test]
fn what_only_rendering_can_tell_may_be_a_policy() {
    for field in [
        "resources: ['https://github.com/org/repo//deploy?ref=v1']",
        "resources: [github.com/org/repo]",
        "resources: [../outside]",
        "resources: [missing.yaml]",
        "components: [git@github.com:org/x.git]",
        "generators: [g.yaml]",
        "helmCharts: [{name: x}]",
        "replacements: [{path: r.yaml}]",
        "replacements: [{source: {kind: ConfigMap}, targets: [{select: {kind: NetworkPolicy}, fieldPaths: [spec]}]}]",
    ] {
        let snapshot = read(&[("kustomization.yaml", &format!("namespace: ci\n{field}\n"))]);
        assert_eq!(not_rendered(&snapshot), [("NetworkPolicy", Some("ci"))], "{field}");
    }
    for harmless in [
        "namePrefix: x-",
        "images: [{name: a, newTag: b}]",
        "configMapGenerator: [{name: x}]",
        "commonAnnotations: {a: b}",
    ] {
        let text = format!("namespace: ci\nresources: [pod.yaml]\n{harmless}\n");
        let snapshot = read(&[("kustomization.yaml", &text), ("pod.yaml", POD)]);
        assert!(snapshot.problems.is_empty(), "{harmless}");
    }
}

#[test]
fn labels_that_are_added_may_be_selected() {
    let all = format!("{POD}---\n{POLICY}");
    let of = |field: &str| {
        let text = format!("namespace: ci\nresources: [all.yaml]\n{field}\n");
        let snapshot = read(&[("kustomization.yaml", &text), ("all.yaml", &all)]);
        not_rendered(&snapshot)
            .into_iter()
            .map(|(kind, ns)| (kind.to_owned(), ns.map(str::to_owned)))
            .collect::<Vec<_>>()
    };
    let ci = || Some("ci".to_owned());
    assert_eq!(of("commonLabels: {a: b}"), [("Pod".to_owned(), ci()), ("NetworkPolicy".to_owned(), ci())]);
    assert_eq!(of("labels: [{pairs: {a: b}}]"), [("Pod".to_owned(), ci())]);
}

#[test]
fn flux_gives_its_target_namespace() {
    let flux = |name: &str, path: &str, namespace: &str| {
        format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: {name}, namespace: flux-system}}\nspec: {{path: {path}, targetNamespace: {namespace}}}\n"
        )
    };
    let snapshot = read(&[
        ("clusters/a.yaml", &format!("{}---\n{}", flux("a", "./apps/a", "team-a"), flux("b", "apps/b", "team-b"))),
        ("apps/a/kustomization.yaml", "resources: [pod.yaml]\n"),
        ("apps/a/pod.yaml", POD),
        ("apps/b/deep/policy.yaml", POLICY),
        ("clusters/gone.yaml", &flux("c", "./apps/none", "team-c")),
    ]);
    assert_eq!(namespaces(&snapshot), ["team-a", "team-b"]);
    assert_eq!(not_rendered(&snapshot), [("NetworkPolicy", Some("team-c"))]);
}

#[test]
fn circles_end() {
    let snapshot = read(&[
        ("a/kustomization.yaml", "namespace: ci\nresources: [../b, pod.yaml]\n"),
        ("b/kustomization.yaml", "resources: [../a]\n"),
        ("a/pod.yaml", POD),
        ("self/kustomization.yaml", "resources: [.]\n"),
    ]);
    assert_eq!(namespaces(&snapshot), ["default"]);
    let circles = of_class(&snapshot, ProblemClass::NotRendered);
    assert_eq!(circles.len(), 3, "{circles:?}");
    assert!(circles.iter().all(|p| p.message.contains("circle") && p.kind.as_deref() == Some("NetworkPolicy")));
}

/// A stand-in for `kubectl` on the path says what the rendered objects are.
#[cfg(unix)]
#[test]
fn rendering_replaces_what_was_rendered() {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    };
    write("source/app/kustomization.yaml", "namespace: ci\nresources: [pod.yaml, 'https://example.com/x']\n");
    write("source/app/pod.yaml", POD);
    write("source/rest.yaml", POLICY);
    let tool = write(
        "bin/kubectl",
        "#!/bin/sh\n[ \"$1\" = kustomize ] && [ -f \"$2/kustomization.yaml\" ] || exit 1\n\
         echo '{\"apiVersion\": \"v1\", \"kind\": \"Pod\", \"metadata\": {\"name\": \"rendered\", \"namespace\": \"ci\"}}'\n",
    );
    fs::set_permissions(&tool, fs::Permissions::from_mode(0o755)).unwrap();
    let snapshot = |path: &std::path::Path, saved: &str| {
        let saved = folder.path().join(saved);
        let status = Command::new(env!("CARGO_BIN_EXE_buildreach"))
            .args(["snapshot", "--kustomize", "-O"])
            .args([&saved, &folder.path().join("source")])
            .env("PATH", path)
            .status()
            .unwrap();
        assert!(status.success());
        buildreach::collect::snapshot_io::load(&saved).unwrap().unwrap()
    };
    let rendered = snapshot(tool.parent().unwrap(), "one");
    assert_eq!(rendered.pods.iter().map(|pod| pod.meta.name.as_str()).collect::<Vec<_>>(), ["rendered"]);
    assert_eq!(namespaces(&rendered), ["ci", "default"]);
    assert!(rendered.problems.is_empty(), "{:?}", rendered.problems);

    // Without the tool the kustomization is read as if nobody had asked, and the reason is there.
    let unrendered = snapshot(folder.path(), "two");
    assert_eq!(unrendered.pods[0].meta.name, "p");
    let why = of_class(&unrendered, ProblemClass::NotRendered);
    assert!(why.iter().any(|p| p.message.starts_with("rendering failed: neither")));
}

#[test]
fn what_is_in_memory_asks_no_file_system() {
    let texts = [
        (
            "a/kustomization.yaml",
            "namespace: ci\nresources: [../b/./pod.yaml, /etc/passwd]\npatches: [{path: /dev/zero}]\n",
        ),
        ("b/pod.yaml", POD),
    ];
    let snapshot = files::from_texts(&texts, &Options::default());
    assert_eq!(namespaces(&snapshot), ["ci"]);
    assert_eq!(not_rendered(&snapshot).len(), 2);
}

#[test]
fn nothing_outside_the_sources_is_opened() {
    // Reading these would never end.
    let text = "namespace: ci\nresources: [/dev/zero]\npatches:\n- path: /dev/zero\n- path: ../../../../dev/zero\n";
    let snapshot = read(&[("kustomization.yaml", text)]);
    assert_eq!(not_rendered(&snapshot).len(), 3);
}
