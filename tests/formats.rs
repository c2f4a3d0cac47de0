//! The formats that other tools read: against the schema of SARIF, against promtool, and as XML that is well-formed; and
//! that none of them makes more of a result than there is.
#![allow(clippy::panic, clippy::print_stderr, clippy::unwrap_in_result, clippy::unwrap_used, missing_docs)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use buildreach::collect::kube::Watched;
use buildreach::controller::Metrics;
use buildreach::model::exception::Excepted;
use buildreach::model::report::{AuditReport, Omitted};
use buildreach::model::{Hit, Outcome, Severity};
use buildreach::report::{Format, Options, exposition, prometheus, render};
use common::command::buildreach;
use serde_json::Value;

const AT: &str = "2026-11-24T12:00:00Z";

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn fixture() -> AuditReport {
    serde_json::from_str(&fs::read_to_string(root("tests/golden/audit.json")).unwrap()).unwrap()
}

fn rendered(report: &AuditReport, format: Format) -> String {
    let mut out = Vec::new();
    render(report, format, &Options::default(), &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn same_as_golden(name: &str, text: &str) {
    let path = root("tests/golden").join(name);
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(&path, text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == text, "{} differs from\n{text}", path.display());
}

/// A report with everything that a format may stumble over.
fn hostile() -> AuditReport {
    let mut report = fixture();
    let nasty = "a\u{1b}[2K<b>&\"'\\\n\u{0}\u{ffff}\u{202e}](javascript:x)";
    report.results[0].subjects[0].name = format!("ci/Pod/x{nasty}").into();
    nasty.clone_into(&mut report.findings[0].title);
    nasty.clone_into(&mut report.findings[0].message);
    report.findings[0].evidence[0].file = Some("a b/c:d%e#f?g/ü.yaml".into());
    report.findings[1].code = "BR-XXX-999".into();
    report.notes.push(nasty.to_owned());
    report
}

// SARIF

/// Checks a document against the schema that OASIS publishes, with its formats.
fn sarif(text: &str) -> Result<Value, String> {
    let document: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    let schema: Value = serde_json::from_str(include_str!("fixtures/sarif-schema-2.1.0.json")).unwrap();
    let (mut schemas, mut compiler) = (boon::Schemas::new(), boon::Compiler::new());
    compiler.enable_format_assertions();
    compiler.add_resource("file:///sarif.json", schema).unwrap();
    let index = compiler.compile("file:///sarif.json", &mut schemas).unwrap();
    schemas.validate(&document, index).map_err(|error| format!("{error:#}"))?;
    Ok(document)
}

#[test]
fn sarif_follows_the_schema() {
    let text = rendered(&fixture(), Format::Sarif);
    same_as_golden("audit.sarif", &text);
    sarif(&text).unwrap_or_else(|error| panic!("{error}"));
    sarif(&rendered(&hostile(), Format::Sarif)).unwrap_or_else(|error| panic!("{error}"));
    let (code, out, _) = buildreach(&["audit", "--demo", "--at", AT, "-o", "sarif"]);
    assert_eq!(code, 1);
    sarif(&out).unwrap_or_else(|error| panic!("{error}"));

    // The check can fail.
    for (pointer, wrong) in [
        ("/version", Value::from("2.0.0")),
        ("/runs/0/results/0/level", Value::from("fatal")),
        ("/runs/0/results/0/locations/0/physicalLocation/region/startLine", Value::from(0)),
        ("/runs/0/results/0/locations/0/physicalLocation/artifactLocation/uri", Value::from("a b")),
        ("/runs/0/tool/driver/rules/0/shortDescription", Value::from("text")),
    ] {
        let mut document: Value = serde_json::from_str(&text).unwrap();
        *document.pointer_mut(pointer).unwrap() = wrong;
        assert!(sarif(&document.to_string()).is_err(), "{pointer}");
    }
}

#[test]
fn a_sarif_result_stands_where_its_evidence_does() {
    let report = fixture();
    let document = sarif(&rendered(&report, Format::Sarif)).unwrap();
    let run = &document["runs"][0];
    let results = run["results"].as_array().unwrap();
    let notifications = run["invocations"][0]["toolExecutionNotifications"].as_array().unwrap();
    let of_findings = notifications.iter().filter(|n| n.get("associatedRule").is_some()).count();
    assert_eq!(results.len() + of_findings, report.findings.len(), "a finding is missing");
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in results {
        let finding = report
            .findings
            .iter()
            .find(|f| result["partialFingerprints"]["buildreachFinding/v1"] == f.fingerprint.as_str())
            .unwrap();
        assert_eq!(result["ruleId"], finding.code.as_str());
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], finding.code.as_str());
        let level = match finding.severity {
            Severity::Critical | Severity::High => "error",
            Severity::Medium => "warning",
            Severity::Low | Severity::Info => "note",
        };
        assert_eq!(result["level"], level);
        assert!(!result["locations"].as_array().unwrap().is_empty(), "{result:#}");
    }
    let first = &results[0]["locations"][0];
    assert_eq!(first["physicalLocation"]["artifactLocation"]["uri"], "demo/policies.yaml");
    assert_eq!(first["physicalLocation"]["region"]["startLine"], 12);
    assert_eq!(first["logicalLocations"][0]["fullyQualifiedName"], "go-builds/NetworkPolicy/default-deny");
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    let not_read =
        |n: &&Value| n["level"] == "error" && n["message"]["text"].as_str().unwrap().contains("demo/broken.yaml");
    assert_eq!(notifications.iter().filter(not_read).count(), 1, "{notifications:#?}");

    // Only what opens too much, or verifies too little, is a matter of security.
    let mut report = fixture();
    report.findings[1].code = "BR-TLS-046".into();
    let document = sarif(&rendered(&report, Format::Sarif)).unwrap();
    for rule in document["runs"][0]["tool"]["driver"]["rules"].as_array().unwrap() {
        let score = rule["properties"].get("security-severity");
        let expected =
            matches!(rule["id"].as_str().unwrap(), "BR-TLS-046" | "BR-NET-006" | "BR-OBJ-003" | "BR-OBJ-010");
        assert_eq!(score.is_some(), expected, "{rule:#}");
    }
}

#[test]
fn live_objects_have_logical_locations_and_no_files() {
    let mut report = fixture();
    report.cluster = Some("prod".into());
    for evidence in report.findings.iter_mut().flat_map(|f| f.evidence.iter_mut().chain(&mut f.near_misses)) {
        (evidence.file, evidence.line) = (Some("cluster prod".into()), None);
    }
    for subject in report.results.iter_mut().flat_map(|class| &mut class.subjects) {
        subject.place = None;
    }
    let text = rendered(&report, Format::Sarif);
    assert!(!text.contains("physicalLocation"), "{text}");
    let document = sarif(&text).unwrap();
    let first = &document["runs"][0]["results"][0]["locations"][0]["logicalLocations"][0];
    assert_eq!((&first["name"], &first["kind"]), (&"default-deny".into(), &"resource".into()));
}

// JUnit

/// The elements of a document in order, each with its attributes; a reader that takes nothing but well-formed XML of the
/// kind that is written here.
fn elements(text: &str) -> Vec<(String, BTreeMap<String, String>)> {
    let mut rest = text.strip_prefix("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n").expect("a declaration");
    let mut open: Vec<String> = Vec::new();
    let mut all = Vec::new();
    while let Some((words, after)) = rest.split_once('<') {
        decode(words);
        let (tag, after) = after.split_once('>').expect("a tag ends");
        rest = after;
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "nesting");
            continue;
        }
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let (name, mut attributes) = tag.split_once(' ').unwrap_or((tag, ""));
        let mut found = BTreeMap::new();
        while !attributes.is_empty() {
            let (key, value) = attributes.split_once("=\"").expect("an attribute");
            let (value, after) = value.split_once('"').expect("an attribute ends");
            assert!(found.insert(key.to_owned(), decode(value)).is_none(), "twice: {key}");
            attributes = after.trim_start();
        }
        all.push((name.to_owned(), found));
        if !is_empty {
            open.push(name.to_owned());
        }
    }
    assert!(open.is_empty() && rest.trim().is_empty(), "{open:?} {rest}");
    all
}

/// Character data without entities, and nothing in it that XML 1.0 does not have.
fn decode(text: &str) -> String {
    let allowed =
        |c: char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    assert!(text.chars().all(|c| allowed(c) && c != '>'), "{text:?}");
    let mut out = text.to_owned();
    for (entity, c) in [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\"")] {
        out = out.replace(entity, c);
    }
    assert!(!out.replace("&amp;", "").contains('&'), "{text:?}");
    out.replace("&amp;", "&")
}

/// By suite and case: `passed`, `failure`, `error` or `skipped`, with the message.
fn cases(text: &str) -> BTreeMap<(String, String), (String, String)> {
    let mut all = BTreeMap::new();
    let (mut suite, mut last) = (String::new(), None);
    for (name, attributes) in elements(text) {
        match name.as_str() {
            "testsuite" => suite.clone_from(&attributes["name"]),
            "testcase" => {
                let key = (suite.clone(), attributes["name"].clone());
                let before = all.insert(key.clone(), ("passed".to_owned(), String::new()));
                assert!(before.is_none(), "two cases are called {key:?}");
                last = Some(key);
            }
            "failure" | "error" | "skipped" => {
                all.insert(last.clone().unwrap(), (name.clone(), attributes["message"].clone()));
            }
            _ => {}
        }
    }
    all
}

#[test]
fn junit_is_well_formed_and_its_counts_are_right() {
    let text = rendered(&fixture(), Format::Junit);
    same_as_golden("audit.junit.xml", &text);
    for text in [text, rendered(&hostile(), Format::Junit), buildreach(&["audit", "--demo", "-o", "junit"]).1] {
        let cases = cases(&text);
        let all = elements(&text);
        let count = |what: &str| cases.values().filter(|(is, _)| is == what).count().to_string();
        let root = &all[0].1;
        assert_eq!(root["tests"], cases.len().to_string());
        assert_eq!(
            (&root["failures"], &root["errors"], &root["skipped"]),
            (&count("failure"), &count("error"), &count("skipped"))
        );
        let sum = |key: &str| -> u64 {
            let suites = all.iter().filter(|(name, _)| name == "testsuite");
            suites.map(|(_, attributes)| attributes[key].parse::<u64>().unwrap()).sum()
        };
        for key in ["tests", "failures", "errors", "skipped"] {
            assert_eq!(root[key], sum(key).to_string(), "{key}");
        }
    }
}

#[test]
fn nothing_that_is_not_reached_looks_passed() {
    let report = fixture();
    let all = cases(&rendered(&report, Format::Junit));
    for class in &report.results {
        for path in &class.paths {
            for (subject, endpoint) in class.subjects.iter().flat_map(|s| path.endpoints.iter().map(move |e| (s, e))) {
                let name = format!("{}/{}", endpoint.label(), endpoint.protocol);
                let name = path.ecosystem.as_ref().map_or(name.clone(), |ecosystem| format!("{ecosystem} {name}"));
                let (is, message) = &all[&(subject.name.to_string(), name.clone())];
                let expected = match path.outcome {
                    Outcome::Reachable => "passed",
                    _ if !endpoint.required => "skipped",
                    Outcome::Unknown => "error",
                    Outcome::Blocked | Outcome::Partial => "failure",
                };
                assert!(is == expected || endpoint.alternative.is_some() && is == "skipped", "{name}: {is} {message}");
                assert!(is == "passed" || message.contains(&path.outcome.to_string()), "{name}: {message}");
            }
        }
    }
    let citation = &all[&("go-builds/Job/kaniko-web".to_owned(), "images auth.docker.io:443/TCP".to_owned())].1;
    assert!(citation.contains("NetworkPolicy go-builds/default-deny"), "{citation}");
    // What was not read is an error, and a finding of high severity that no subject shows is a failure.
    assert!(all.iter().any(|((suite, name), (is, _))| suite == "buildreach coverage"
        && name.contains("broken.yaml")
        && is == "error"));
    let mut report = fixture();
    report.results.clear();
    let all = cases(&rendered(&report, Format::Junit));
    let failing = all.values().filter(|(is, _)| is == "failure").count();
    let high = report.findings.iter().filter(|f| f.severity <= Severity::High).count();
    assert!(high > 2 && failing == high, "{all:#?}");
}

#[test]
fn an_alternative_that_serves_takes_the_others_out() {
    let mut report = fixture();
    report.results.truncate(1);
    let class = &mut report.results[0];
    class.subjects.truncate(1);
    class.paths.truncate(1);
    let mut open = class.paths[0].clone();
    let mut one = open.endpoints[0].clone();
    (one.required, one.alternative) = (true, Some(1));
    class.paths[0].endpoints = vec![one.clone()].into();
    class.paths[0].outcome = Outcome::Blocked;
    one.host = "mirror.example".into();
    open.endpoints = vec![one].into();
    for (outcome, blocked, other) in [
        (Outcome::Reachable, "skipped", "passed"),
        (Outcome::Partial, "skipped", "failure"),
        (Outcome::Unknown, "skipped", "error"),
        (Outcome::Blocked, "failure", "failure"),
    ] {
        let mut report = report.clone();
        open.outcome = outcome;
        report.results[0].paths.push(open.clone());
        report.findings.clear();
        let all = cases(&rendered(&report, Format::Junit));
        let of = |host: &str| all.iter().find(|((_, name), _)| name.contains(host)).unwrap().1.0.clone();
        assert_eq!(
            (of(&report.results[0].paths[0].endpoints[0].host).as_str(), of("mirror.example").as_str()),
            (blocked, other)
        );
    }
}

#[test]
fn what_is_accepted_is_skipped_unless_something_else_is_in_the_way() {
    let mut report = fixture();
    let Hit { subject, endpoints, .. } = report.findings[0].hits[0].clone();
    report.excepted = vec![Excepted {
        code: report.findings[0].code.clone(),
        title: String::new(),
        fingerprint: report.findings[0].fingerprint.clone(),
        subject: Some(subject.clone()),
        endpoints: vec![endpoints[0].clone()],
        reason: "moved next week".to_owned(),
        expires: Some("2026-12-31".into()),
    }];
    let result = |report: &AuditReport| {
        let all = cases(&rendered(report, Format::Junit));
        let key = |(suite, name): &(String, String)| suite == subject.as_str() && name.contains(endpoints[0].as_str());
        all.into_iter().find(|(at, _)| key(at)).unwrap().1
    };
    let others = |report: &mut AuditReport, endpoint: &str| {
        for finding in &mut report.findings {
            finding
                .hits
                .iter_mut()
                .filter(|h| h.subject == subject)
                .for_each(|h| h.endpoints.retain(|e| *e != *endpoint));
        }
    };
    assert_eq!(result(&report).0, "failure", "the second cause is not accepted");
    others(&mut report, &endpoints[0]);
    let (is, message) = result(&report);
    assert!(is == "skipped" && message.contains("until 2026-12-31: moved next week"), "{is} {message}");
}

// Prometheus

/// `promtool` of Debian's prometheus, where there is one.
fn promtool() -> Option<PathBuf> {
    let named = std::env::var_os("PROMTOOL").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found =
        named.or_else(|| std::env::split_paths(&path).map(|dir| dir.join("promtool")).find(|tool| tool.is_file()));
    if found.is_none() {
        assert!(
            std::env::var_os("CI").is_none_or(|ci| ci != "true"),
            "there is no promtool, and with CI=true the metrics must be checked with it: tests/promtool.sh"
        );
        eprintln!("skipped: there is no promtool (tests/promtool.sh), so the metrics are checked by this test alone");
    }
    found
}

#[test]
fn promtool_takes_the_metrics() {
    let Some(promtool) = promtool() else { return };
    let check = |text: &str| {
        let mut child = Command::new(&promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    for report in [fixture(), hostile()] {
        let (is_right, said) = check(&rendered(&report, Format::Prometheus));
        assert!(is_right && said.is_empty(), "{said}");
    }
    // As a controller serves it: several reports, told apart by a label.
    let (one, other) = (fixture(), hostile());
    let both = exposition::text(&prometheus::families_by("audit", [("ci/one", &one), ("other\"\\", &other)]));
    let (is_right, said) = check(&both);
    assert!(is_right && said.is_empty(), "{said}");
    assert!(both.contains("\nbuildreach_coverage_complete{audit=\"ci/one\"} 0\n"), "{both}");
    assert_eq!(both.matches("# TYPE buildreach_subjects gauge").count(), 1);
    // What a controller says of itself.
    let metrics = Metrics::default();
    for took in [0, 250, 500, 5000] {
        metrics.evaluated(&[], Duration::from_millis(took));
    }
    metrics.wrote("status", true);
    metrics.succeeded();
    metrics.watched(vec![Watched { kind: "Pod".to_owned(), objects: 3, lists: 2 }]);
    let of_controller = metrics.text();
    let (is_right, said) = check(&of_controller);
    assert!(is_right && said.is_empty(), "{said}");
    for wanted in [
        "# TYPE buildreach_evaluation_seconds histogram\n",
        "buildreach_evaluation_seconds_bucket{le=\"0.5\"} 3\n",
        "buildreach_evaluation_seconds_bucket{le=\"+Inf\"} 4\nbuildreach_evaluation_seconds_sum 5.75\n",
        "# TYPE buildreach_writes_total counter\nbuildreach_writes_total{kind=\"status\",result=\"success\"} 1\n",
        "buildreach_watch_restarts_total{kind=\"Pod\"} 1\n",
    ] {
        assert!(of_controller.contains(wanted), "{wanted} is not in\n{of_controller}");
    }
    // The check can fail.
    assert!(!check("buildreach_findings{code=\"a\" 1\n").0);
}

#[test]
fn metrics_count_what_the_report_counts_and_name_no_pod() {
    let report = fixture();
    let text = rendered(&report, Format::Prometheus);
    same_as_golden("audit.prom", &text);
    let families = prometheus::families(&report);
    let sum = |name: &str, label: &str, value: &str| -> i64 {
        let family = families.iter().find(|family| family.name == name).unwrap();
        let of = |s: &&exposition::Sample| s.labels.iter().any(|(key, is)| *key == label && is == value);
        let whole = |sample: &exposition::Sample| match sample.value {
            exposition::Value::Whole(n) => n,
            exposition::Value::Real(x) => panic!("{name}: {x}"),
        };
        family.samples.iter().filter(of).map(whole).sum()
    };
    for (outcome, subjects, pairs) in [
        ("Reachable", report.summary.subjects.reachable, report.summary.outcomes.reachable),
        ("Blocked", report.summary.subjects.blocked, report.summary.outcomes.blocked),
        ("Partial", report.summary.subjects.partial, report.summary.outcomes.partial),
        ("Unknown", report.summary.subjects.unknown, report.summary.outcomes.unknown),
    ] {
        assert_eq!(sum("buildreach_subjects", "outcome", outcome).unsigned_abs(), subjects, "{outcome}");
        assert_eq!(sum("buildreach_endpoints", "outcome", outcome).unsigned_abs(), pairs, "{outcome}");
    }
    for (severity, n) in &report.summary.findings {
        assert_eq!(sum("buildreach_findings", "severity", &severity.to_string()).unsigned_abs(), *n, "{severity}");
    }
    assert!(text.contains("\nbuildreach_coverage_complete 0\n"));
    assert!(text.contains(&format!("\nbuildreach_audit_timestamp_seconds {}\n", report.instant.as_second())));
    for subject in report.results.iter().flat_map(|class| &class.subjects) {
        let pod = subject.name.rsplit('/').next().unwrap();
        assert!(!text.contains(pod), "{pod}");
    }
    // Many pods make no more series than one.
    let mut large = report.clone();
    let class = large.results.iter_mut().find(|class| class.subjects.len() == 2).unwrap();
    let model = class.subjects[0].clone();
    class.subjects.extend((0..1000).map(|i| {
        let mut subject = model.clone();
        subject.name = format!("{}-{i}", model.name).into();
        subject
    }));
    assert_eq!(rendered(&large, Format::Prometheus).lines().count(), text.lines().count());
}

// The command

#[test]
fn a_cut_report_says_in_every_format_for_people_and_viewers_that_it_is_cut() {
    let mut report = fixture();
    report.omitted = Some(Omitted { findings: 1_200, subjects: 7, ..Omitted::default() });
    for format in [Format::Table, Format::Wide, Format::Markdown, Format::Sarif, Format::Junit] {
        let text = rendered(&report, format);
        assert!(text.contains("1,200 findings, 7 subjects"), "{format}: {text}");
    }
}

#[test]
fn exit_zero_is_about_findings_alone() {
    let broken = tempfile::tempdir().unwrap();
    fs::write(broken.path().join("a.yaml"), "apiVersion: v1\nkind: Pod\nmetadata: {name: [}\n").unwrap();
    let broken = broken.path().to_string_lossy().into_owned();
    for (arguments, expected) in [
        (vec!["audit", "--demo"], 1),
        (vec!["audit", "--demo", "--exit-zero"], 0),
        (vec!["audit", "--demo", "--exit-zero", "--fail-on", "info"], 0),
        (vec!["audit", "no-such-folder", "--exit-zero"], 2),
        (vec!["audit", &broken, "--exit-zero", "--require-complete"], 3),
    ] {
        let (code, _, err) = buildreach(&arguments);
        assert_eq!(code, expected, "{arguments:?} {err}");
    }
}

#[test]
fn formats_of_audits_are_none_for_one_trace() {
    for format in ["sarif", "junit", "prometheus"] {
        let (code, out, err) =
            buildreach(&["explain", "tools/cargo-worker", "static.crates.io", "--demo", "-o", format]);
        assert!(code == 2 && out.is_empty() && err.contains("is a format for audits"), "{format}: {code} {err}");
    }
}
