//! Kept reports: in a folder, with runs that were ended half-way, and in ConfigMaps of a real API server.
#![allow(clippy::panic, clippy::unwrap_used, missing_docs)]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use buildreach::model::changes::changes;
use buildreach::model::report::{AuditReport, Omitted};
use buildreach::model::{Outcome, Severity};
use common::apiserver::{ADMIN, ApiServer};
use common::command::buildreach;
use serde_json::{Value, json};

const FIRST: &str = "2026-11-17T03:00:00Z";
const SECOND: &str = "2026-11-24T03:00:00Z";
const THIRD: &str = "2026-12-01T03:00:00Z";

/// The manifests of the demo; with `open`, without the policies that shut its Go builds in.
fn manifests(open: bool) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/demo/manifests");
    for name in ["builds.yaml", "cluster.yaml", "policies.yaml"] {
        let text = fs::read_to_string(from.join(name)).unwrap();
        let parts: Vec<_> = text
            .split("\n---\n")
            .filter(|part| !(open && part.contains("namespace: go-builds") && part.contains("kind: NetworkPolicy")))
            .collect();
        assert!(!open || name != "policies.yaml" || parts.len() < text.split("\n---\n").count());
        fs::write(folder.path().join(name), parts.join("\n---\n")).unwrap();
    }
    folder
}

fn path(folder: &tempfile::TempDir) -> &str {
    folder.path().to_str().unwrap()
}

fn read(folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn index(folder: &Path) -> Value {
    serde_json::from_str(&read(folder, "index.json")).unwrap()
}

/// Names of an index, newest first.
fn names(index: &Value) -> Vec<String> {
    index["reports"].as_array().unwrap().iter().map(|entry| entry["name"].as_str().unwrap().to_owned()).collect()
}

/// What stands in a folder, without the lock.
fn listing(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = entries.filter(|name| name != ".lock").collect();
    names.sort_unstable();
    names
}

// The difference

fn fixture() -> AuditReport {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/audit.json");
    let mut report: AuditReport = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    report.summary.coverage_complete = true;
    report
}

#[test]
fn equal_reports_have_no_difference() {
    let found = changes(&fixture(), &fixture());
    assert!(found.counts().is_nothing() && found.caveats.is_empty(), "{found:?}");
}

#[test]
fn a_difference_is_new_or_gone_or_changed_or_accepted() {
    let older = fixture();
    let mut newer = fixture();
    let gone = newer.findings.remove(0);
    let mut new = newer.findings[0].clone();
    (new.code, new.fingerprint) = ("BR-AWS-001".into(), "f".into());
    newer.findings.push(new);
    newer.findings[0].hits.remove(0);
    newer.findings[0].fingerprint = "other".into();
    newer.results[0].outcome =
        if newer.results[0].outcome == Outcome::Blocked { Outcome::Unknown } else { Outcome::Blocked };
    let renamed = newer.results[1].subjects[0].name.clone();
    newer.results[1].subjects[0].name = "ci/Pod/another".into();
    let found = changes(&older, &newer);
    assert_eq!(found.new.iter().map(|f| f.code.as_str()).collect::<Vec<_>>(), ["BR-AWS-001"]);
    assert_eq!(found.gone.iter().map(|f| &f.fingerprint).collect::<Vec<_>>(), [&gone.fingerprint]);
    let [changed] = found.changed.as_slice() else { panic!("{found:?}") };
    assert_eq!((changed.newly_hit, changed.no_longer_hit), (0, 1));
    assert_eq!(found.subjects.len(), older.results[0].subjects.len() + 2);
    let of = |name: &str| found.subjects.iter().find(|s| s.name == name).unwrap_or_else(|| panic!("{found:?}"));
    assert_eq!((of("ci/Pod/another").was, of("ci/Pod/another").is.is_some()), (None, true));
    assert_eq!((of(&renamed).was.is_some(), of(&renamed).is), (true, None));

    // What somebody accepts is not gone.
    newer.excepted = serde_json::from_value(json!([
        {"code": gone.code, "title": gone.title, "fingerprint": gone.fingerprint, "reason": "known"}
    ]))
    .unwrap();
    let found = changes(&older, &newer);
    assert_eq!((found.gone.len(), found.accepted.len()), (0, 1));
}

#[test]
fn findings_of_one_fingerprint_are_counted() {
    let older = fixture();
    let mut newer = fixture();
    newer.findings.push(newer.findings[0].clone());
    assert_eq!(changes(&older, &newer).counts().new_findings, 1);
    assert_eq!(changes(&newer, &older).counts().gone_findings, 1);
}

#[test]
fn what_a_cut_report_leaves_out_is_not_new() {
    let newer = fixture();
    let mut older = fixture();
    let mildest = older.findings.last().unwrap().severity;
    older.findings.retain(|finding| finding.severity <= Severity::Critical);
    assert!(mildest > Severity::Critical && !older.findings.is_empty());
    let dropped = newer.findings.len() - older.findings.len();
    assert_eq!(changes(&older, &newer).counts().new_findings, dropped);
    older.omitted = Some(Omitted { findings: 5, subjects: 1, ..Omitted::default() });
    let gone = older.results.remove(0);
    let found = changes(&older, &newer);
    assert!(found.counts().is_nothing(), "{found:?}");
    let told = found.caveats.join("\n");
    assert!(
        told.contains(&format!("whether {dropped} of them"))
            && told.contains(&format!("became of {}", gone.subjects.len())),
        "{told}"
    );
    // A finding that is worse than all it holds was not left out.
    older.findings.clear();
    older.findings.push(newer.findings.last().unwrap().clone());
    assert!(changes(&older, &newer).counts().new_findings > 0);
}

#[test]
fn reports_that_do_not_say_the_same_things_are_compared_with_a_caveat() {
    let (older, mut newer) = (fixture(), fixture());
    newer.summary.coverage_complete = false;
    newer.version = "9.9.9".into();
    newer.cluster = Some("prod".into());
    let assessed = newer.not_assessed.remove(0).layer;
    let told = changes(&older, &newer).caveats.join("\n");
    for part in ["9.9.9", "not everything could be read this time", "about cluster prod"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(told.contains(&format!("layer {assessed} is assessed this time")), "{told}");
    let back = changes(&newer, &older).caveats.join("\n");
    assert!(back.contains(&format!("layer {assessed} is not assessed this time")), "{back}");
}

// A folder

#[test]
fn a_folder_keeps_reports_and_says_what_has_changed() {
    let (shut, open, kept) = (manifests(false), manifests(true), tempfile::tempdir().unwrap());
    let dir = kept.path().join("archive");
    let at = dir.to_str().unwrap();
    let (code, out, err) = buildreach(&[
        "audit",
        path(&shut),
        "--at",
        FIRST,
        "--exit-zero",
        "-o",
        "markdown",
        "-o",
        "sarif",
        "--archive",
        at,
    ]);
    assert_eq!(code, 0, "{err}");
    assert!(err.contains("kept as 20261117T030000Z in ") && err.contains("the first report there"), "{err}");
    let first = dir.join("20261117T030000Z");
    assert_eq!(listing(&first), ["report.json", "report.md", "report.sarif"]);
    let page = read(&first, "report.md");
    assert!(page.starts_with(&format!("# Audit of {FIRST}\n\nThe first report")), "{page}");
    assert!(out.starts_with("## ") && page.contains(out.split("\n{").next().unwrap()), "the page is not the report");
    assert_eq!(read(&dir, "latest"), "20261117T030000Z\n");

    let (code, _, err) = buildreach(&["audit", path(&open), "--at", SECOND, "--archive", at]);
    assert_eq!(code, 1, "{err}");
    for part in [
        "since 2026-11-17T03:00:00Z: ",
        "finding",
        "\n  gone      BR-DNS-001 critical DNS is cut off (NetworkPolicy go-builds/",
        "subject   go-builds/TaskRun/build-api Blocked → ",
        "kept as 20261124T030000Z in ",
    ] {
        assert!(err.contains(part), "{part}\n{err}");
    }
    assert_eq!(read(&dir, "latest"), "20261124T030000Z\n");
    let page = read(&dir.join("20261124T030000Z"), "report.md");
    assert!(page.starts_with(&format!("# Audit of {SECOND}\n\nSince {FIRST}: ")), "{page}");
    assert!(
        page.contains("- gone: BR-DNS-001 critical DNS is cut off (NetworkPolicy go-builds/")
            && page.contains("- subject: `go-builds/TaskRun/build-api` Blocked → "),
        "{page}"
    );

    let index = index(&dir);
    assert_eq!(index["kind"], "ReportArchive");
    assert_eq!(names(&index), ["20261124T030000Z", "20261117T030000Z"]);
    let entry = &index["reports"][0];
    let report: Value = serde_json::from_str(&read(&dir.join("20261124T030000Z"), "report.json")).unwrap();
    assert_eq!((&entry["summary"], &entry["instant"]), (&report["summary"], &json!(SECOND)));
    assert!(
        entry["changeCounts"]["goneFindings"].as_u64() > Some(0) && entry["changes"]["gone"][0]["code"].is_string(),
        "{entry:#}"
    );
    for file in entry["files"].as_array().unwrap() {
        let size = fs::metadata(dir.join("20261124T030000Z").join(file["name"].as_str().unwrap())).unwrap().len();
        assert_eq!(file["size"], size);
    }
    assert!(index["reports"][1].get("changes").is_none());

    // Nothing has changed: that is said as well. --quiet says nothing.
    let (_, _, err) = buildreach(&["audit", path(&open), "--at", THIRD, "--archive", at]);
    assert!(err.starts_with("nothing has changed since 2026-11-24T03:00:00Z\n"), "{err}");
    let (_, _, err) = buildreach(&["audit", path(&open), "--at", THIRD, "--archive", at, "--quiet"]);
    assert_eq!(err, "");
    // Nor does a report of the same instant replace the one before.
    assert_eq!(
        listing(&dir),
        ["20261117T030000Z", "20261124T030000Z", "20261201T030000Z", "20261201T030000Z-2", "index.json", "latest"]
    );
    assert_eq!(read(&dir, "latest"), "20261201T030000Z-2\n");
}

#[test]
fn the_oldest_go_and_nothing_else() {
    let (shut, kept) = (manifests(false), tempfile::tempdir().unwrap());
    let at = path(&kept);
    fs::create_dir(kept.path().join("20260101")).unwrap();
    fs::create_dir(kept.path().join("20200101T000000Z")).unwrap(); // no report
    fs::write(kept.path().join("notes.txt"), "mine").unwrap();
    let (_, _, err) = buildreach(&["audit", path(&shut), "--at", "2020-01-01T00:00:00Z", "--archive", at]);
    assert!(err.contains("kept as 20200101T000000Z-2 in") && err.contains("the first report there"), "{err}");
    fs::remove_dir_all(kept.path().join("20200101T000000Z-2")).unwrap();
    for (instant, removed) in [(FIRST, None), (SECOND, None), (THIRD, Some("removed 20261117T030000Z"))] {
        let (code, _, err) = buildreach(&[
            "audit",
            path(&shut),
            "--at",
            instant,
            "--archive",
            at,
            "--retain",
            "2",
            "-o",
            "json=/dev/null",
        ]);
        assert_eq!((code, removed.is_some_and(|text| !err.contains(text))), (1, false), "{err}");
        assert!(removed.is_some() || !err.contains("removed"), "{err}");
    }
    assert_eq!(
        listing(kept.path()),
        ["20200101T000000Z", "20260101", "20261124T030000Z", "20261201T030000Z", "index.json", "latest", "notes.txt"]
    );
    assert_eq!(names(&index(kept.path())), ["20261201T030000Z", "20261124T030000Z"]);
    let (_, _, err) =
        buildreach(&["audit", path(&shut), "--at", "2027-01-01T00:00:00Z", "--archive", at, "--retain", "1"]);
    assert!(err.contains("removed 20261124T030000Z, 20261201T030000Z"), "{err}");
    assert_eq!(names(&index(kept.path())), ["20270101T000000Z"]);
}

#[test]
fn a_run_that_was_ended_leaves_nothing_half() {
    let (shut, kept) = (manifests(false), tempfile::tempdir().unwrap());
    let at = path(&kept);
    let audit = |instant: &str| {
        let (code, _, err) = buildreach(&["audit", path(&shut), "--at", instant, "--archive", at]);
        assert_eq!(code, 1, "{err}");
        err
    };
    audit(FIRST);
    // Ended while writing: a folder of another name, and a new index beside the old one.
    let half = kept.path().join(".new-20261120T030000Z");
    fs::create_dir(&half).unwrap();
    fs::write(half.join("report.json"), "{\"apiVersion\"").unwrap();
    fs::write(kept.path().join(".new-index.json"), "{").unwrap();
    // Ended between the report and the index: the report is there, and the index does not know it.
    let before_index = read(kept.path(), "index.json");
    audit(SECOND);
    fs::write(kept.path().join("index.json"), before_index).unwrap();
    fs::write(kept.path().join("latest"), "20261117T030000Z\n").unwrap();
    let err = audit(THIRD);
    assert!(err.contains("nothing has changed since 2026-11-24T03:00:00Z"), "it is compared with what is there: {err}");
    assert_eq!(names(&index(kept.path())), ["20261201T030000Z", "20261124T030000Z", "20261117T030000Z"]);
    assert_eq!(listing(kept.path()).iter().filter(|name| name.starts_with('.')).count(), 0);
    // A folder that is gone has no entry any more, and an index that is no JSON is made anew.
    fs::remove_dir_all(kept.path().join("20261117T030000Z")).unwrap();
    fs::write(kept.path().join("index.json"), "{").unwrap();
    let err = audit("2026-12-08T03:00:00Z");
    assert!(err.contains("warning: ") && err.contains("is made anew"), "{err}");
    assert_eq!(names(&index(kept.path())), ["20261208T030000Z", "20261201T030000Z", "20261124T030000Z"]);
    // Where the latest cannot be read, what has changed is not known, and the page says so.
    fs::write(kept.path().join("20261208T030000Z/report.json"), "{}").unwrap();
    let err = audit("2026-12-15T03:00:00Z");
    assert!(err.contains("what has changed cannot be told"), "{err}");
    assert!(read(&kept.path().join("20261215T030000Z"), "report.md").contains("What has changed cannot be told"));
}

#[test]
fn runs_at_once_are_all_kept() {
    let (shut, kept) = (manifests(false), tempfile::tempdir().unwrap());
    let children: Vec<_> = (0..4)
        .map(|_| {
            Command::new(env!("CARGO_BIN_EXE_buildreach"))
                .args(["audit", path(&shut), "--at", FIRST, "--exit-zero", "--archive", path(&kept)])
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(names(&index(kept.path())).len(), 4);
    assert_eq!(listing(kept.path()).len(), 6);
}

#[test]
fn a_reader_that_goes_away_does_not_keep_the_report_from_being_kept() {
    let (shut, kept) = (manifests(false), tempfile::tempdir().unwrap());
    let mut child = Command::new(env!("CARGO_BIN_EXE_buildreach"))
        .args(["audit", path(&shut), "--at", FIRST, "--archive", path(&kept)])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    child.wait().unwrap();
    assert_eq!(names(&index(kept.path())), ["20261117T030000Z"]);
}

#[test]
fn what_cannot_be_kept_is_an_error_and_the_report_is_printed() {
    let (shut, kept) = (manifests(false), tempfile::tempdir().unwrap());
    let file = kept.path().join("file");
    fs::write(&file, "").unwrap();
    let (code, out, err) = buildreach(&["audit", path(&shut), "--archive", file.to_str().unwrap()]);
    assert!(code == 2 && out.contains("BR-DNS-001") && err.starts_with("error: cannot make "), "{code} {err}");
    for wrong in [
        &["--retain", "3"][..],
        &["--retain", "0", "--archive", "/nonexistent/x"],
        &["--archive", "a", "--archive-config-map", "b"],
        &["--archive-config-map", "Not_A/name"],
    ] {
        let (code, out, err) = buildreach(&[&["audit", "--demo"], wrong].concat());
        assert!(code == 2 && out.is_empty() && !err.is_empty(), "{wrong:?}: {code} {err}");
    }
}

// ConfigMaps

const ARCHIVIST: &str = "archivist";
const READER: &str = "reader";

struct Cluster {
    server: ApiServer,
    runtime: tokio::runtime::Runtime,
}

impl Cluster {
    fn start() -> Option<Self> {
        let server = ApiServer::start(&[ARCHIVIST, READER])?;
        let mut role: Value = serde_saphyr::from_str(include_str!("../docs/rbac-archive.yaml")).unwrap();
        for namespace in ["audit", "default"] {
            server.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
            role["metadata"]["namespace"] = json!(namespace);
            server.apply(&role);
            server.apply(&json!({
                "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": {"name": "archive", "namespace": namespace},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": role["metadata"]["name"]},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": ARCHIVIST}],
            }));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        Some(Self { server, runtime })
    }

    fn request(&self, method: &str, path: &str) -> Result<Value, kube::Error> {
        self.runtime.block_on(async {
            let request = http::Request::builder().method(method).uri(path).body(Vec::new()).unwrap();
            self.server.client(ADMIN).await.request::<Value>(request).await
        })
    }

    fn get(&self, namespace: &str, name: &str) -> Value {
        self.request("GET", &format!("/api/v1/namespaces/{namespace}/configmaps/{name}")).unwrap()
    }

    /// Names of the ConfigMaps of a namespace, without the one that every namespace has.
    fn names(&self, namespace: &str) -> Vec<String> {
        let list = self.request("GET", &format!("/api/v1/namespaces/{namespace}/configmaps")).unwrap();
        let names =
            list["items"].as_array().unwrap().iter().map(|o| o["metadata"]["name"].as_str().unwrap().to_owned());
        names.filter(|name| name != "kube-root-ca.crt").collect()
    }

    fn audit(&self, user: &str, source: &str, instant: &str, more: &[&str]) -> (i32, String, String) {
        let kubeconfig = self.server.kubeconfig(user, None);
        let kubeconfig = kubeconfig.to_str().unwrap();
        buildreach(&[&["audit", source, "--kubeconfig", kubeconfig, "--at", instant, "--exit-zero"], more].concat())
    }
}

#[test]
fn config_maps_keep_reports() {
    let Some(cluster) = Cluster::start() else { return };
    let (shut, open) = (manifests(false), manifests(true));
    let keep = [
        "-o",
        "markdown",
        "-o",
        "json=/dev/null",
        "-o",
        "prometheus=/dev/null",
        "--archive-config-map",
        "audit/weekly",
        "--retain",
        "2",
    ];
    // Things that are somebody else's: with one label, with both and another name, with the name and no label.
    let labels = json!({"app.kubernetes.io/managed-by": "buildreach", "buildreach.dev/archive": "weekly"});
    for (name, labels) in [
        ("weekly-20200101t000000z", json!({"app.kubernetes.io/managed-by": "buildreach"})),
        ("weekly-notes", labels.clone()),
        ("weekly-20261124t030000z", json!({})),
    ] {
        cluster.server.apply(&json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "audit", "labels": labels},
            "data": {"mine": "yes"},
        }));
    }

    let (code, _, err) = cluster.audit(ARCHIVIST, path(&shut), FIRST, &keep);
    assert!(
        code == 0
            && err.contains(
                "kept as weekly-20261117t030000z in ConfigMaps weekly of namespace audit, the first report there"
            ),
        "{err}"
    );
    let first = cluster.get("audit", "weekly-20261117t030000z");
    assert_eq!((&first["metadata"]["labels"], &first["immutable"]), (&labels, &json!(true)));
    assert_eq!(first["metadata"]["annotations"]["buildreach.dev/instant"], FIRST);
    let managers = first["metadata"]["managedFields"].as_array().unwrap();
    assert!(managers.iter().all(|m| m["manager"] == "buildreach" && m["operation"] == "Apply"), "{managers:#?}");
    let keys: Vec<_> = first["data"].as_object().unwrap().keys().collect();
    assert_eq!(keys, ["report.json", "report.md", "report.prom"]);
    let report: AuditReport = serde_json::from_str(first["data"]["report.json"].as_str().unwrap()).unwrap();
    assert!(report.omitted.is_none() && !report.results.is_empty());

    // The name of the second is taken by somebody else.
    let (code, _, err) = cluster.audit(ARCHIVIST, path(&open), SECOND, &keep);
    assert!(
        code == 0 && err.contains("gone      BR-DNS-001") && err.contains("kept as weekly-20261124t030000z-2 in"),
        "{err}"
    );
    let (code, _, err) = cluster.audit(ARCHIVIST, path(&open), THIRD, &keep);
    assert!(
        code == 0 && err.contains("nothing has changed") && err.contains("removed weekly-20261117t030000z\n"),
        "{err}"
    );
    assert_eq!(
        cluster.names("audit"),
        [
            "weekly",
            "weekly-20200101t000000z",
            "weekly-20261124t030000z",
            "weekly-20261124t030000z-2",
            "weekly-20261201t030000z",
            "weekly-notes"
        ]
    );
    assert_eq!(cluster.get("audit", "weekly-20261124t030000z")["data"], json!({"mine": "yes"}));
    let of_index = cluster.get("audit", "weekly");
    assert_eq!(
        (&of_index["metadata"]["labels"], &of_index["data"]["latest"]),
        (&labels, &json!("weekly-20261201t030000z"))
    );
    let index: Value = serde_json::from_str(of_index["data"]["index.json"].as_str().unwrap()).unwrap();
    assert_eq!(names(&index), ["weekly-20261201t030000z", "weekly-20261124t030000z-2"]);

    a_lost_index_is_made_anew(&cluster, &open, &keep);
    somebody_elses_is_left_alone(&cluster, &shut);
    without_rights_nothing_is_written(&cluster, &shut);
    what_does_not_fit_is_cut_and_says_so(&cluster);
}

fn a_lost_index_is_made_anew(cluster: &Cluster, source: &tempfile::TempDir, keep: &[&str]) {
    cluster.request("DELETE", "/api/v1/namespaces/audit/configmaps/weekly").unwrap();
    let (code, _, err) = cluster.audit(ARCHIVIST, path(source), "2026-12-08T03:00:00Z", keep);
    assert!(code == 0 && err.contains("nothing has changed since 2026-12-01T03:00:00Z"), "{err}");
    let of_index = cluster.get("audit", "weekly");
    let index: Value = serde_json::from_str(of_index["data"]["index.json"].as_str().unwrap()).unwrap();
    assert_eq!(names(&index), ["weekly-20261208t030000z", "weekly-20261201t030000z"]);
    assert!(!cluster.names("audit").contains(&"weekly-20261124t030000z-2".to_owned()));
}

/// Without a namespace it is that of the context, here `default`.
fn somebody_elses_is_left_alone(cluster: &Cluster, source: &tempfile::TempDir) {
    let theirs = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "nightly", "namespace": "default"}, "data": {"a": "b"}});
    cluster.server.apply(&theirs);
    let (code, out, err) = cluster.audit(ARCHIVIST, path(source), FIRST, &["--archive-config-map", "nightly"]);
    assert!(
        code == 2 && !out.is_empty() && err.contains("ConfigMap default/nightly is there and is no index"),
        "{code} {err}"
    );
    assert_eq!(cluster.names("default"), ["nightly"]);
    assert_eq!(cluster.get("default", "nightly")["data"], json!({"a": "b"}));
}

fn without_rights_nothing_is_written(cluster: &Cluster, source: &tempfile::TempDir) {
    let (code, out, err) = cluster.audit(READER, path(source), FIRST, &["--archive-config-map", "default/mine"]);
    assert!(
        code == 2
            && !out.is_empty()
            && err.contains("cannot list ConfigMaps of namespace default")
            && err.contains("403"),
        "{err}"
    );
    assert_eq!(cluster.names("default"), ["nightly"]);
}

/// Build pods by the thousand, each with a name of its own.
fn what_does_not_fit_is_cut_and_says_so(cluster: &Cluster) {
    let folder = tempfile::tempdir().unwrap();
    let pods: Vec<String> = (0..4_000)
        .map(|i| {
            format!(
                "apiVersion: v1\nkind: Pod\nmetadata: {{name: a-build-pod-with-quite-a-long-name-{i:05}, namespace: ci, labels: {{buildreach.dev/build: 'true'}}}}\n\
                 spec: {{containers: [{{name: c, image: 'golang:1.26', command: [go, mod, download]}}]}}\n"
            )
        })
        .collect();
    let policy = "apiVersion: networking.k8s.io/v1\nkind: NetworkPolicy\nmetadata: {name: deny, namespace: ci}\nspec: {podSelector: {}, policyTypes: [Egress]}\n";
    fs::write(folder.path().join("pods.yaml"), format!("{}---\n{policy}", pods.join("---\n"))).unwrap();
    let (code, out, err) = cluster.audit(
        ARCHIVIST,
        path(&folder),
        FIRST,
        &["-o", "json", "-o", "wide=/dev/null", "--archive-config-map", "audit/large"],
    );
    assert_eq!(code, 0, "{err}");
    assert!(out.len() > 1 << 20, "the report is to be too large: {} bytes", out.len());
    assert!(err.contains("the JSON report does not fit") && err.contains("wide does not fit"), "{err}");
    let kept = cluster.get("audit", "large-20261117t030000z");
    let data = kept["data"].as_object().unwrap();
    let size: usize = data.values().map(|text| text.as_str().unwrap().len()).sum();
    assert!(size < 900 << 10, "{size}");
    assert_eq!(data.keys().collect::<Vec<_>>(), ["report.json", "report.md"]);
    assert_eq!(kept["metadata"]["annotations"]["buildreach.dev/left-out"], "wide");
    let whole: AuditReport = serde_json::from_str(&out).unwrap();
    let cut: AuditReport = serde_json::from_str(data["report.json"].as_str().unwrap()).unwrap();
    let subjects = |report: &AuditReport| report.results.iter().map(|class| class.subjects.len()).sum::<usize>();
    let omitted = cut.omitted.unwrap();
    assert!(!omitted.is_nothing());
    assert_eq!(subjects(&cut) as u64 + omitted.subjects, subjects(&whole) as u64);
    assert_eq!(cut.findings.len() as u64 + omitted.findings, whole.findings.len() as u64);
    assert_eq!(cut.summary, whole.summary);
    let page = data["report.md"].as_str().unwrap();
    assert!(page.contains("the JSON report does not fit") && page.contains("wide does not fit"), "{page}");
    let of_index = cluster.get("audit", "large");
    let index: Value = serde_json::from_str(of_index["data"]["index.json"].as_str().unwrap()).unwrap();
    assert_eq!(index["reports"][0]["leftOut"], json!(["wide"]));
    assert_eq!(index["reports"][0]["omitted"], json!(omitted));
}
