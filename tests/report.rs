//! Every format over one hand-made report with all four outcomes, against files of `tests/golden`.
//!
//! `UPDATE_GOLDEN=1 cargo test --test report` rewrites the files; read the difference before it is committed.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use buildreach::model::report::{AuditReport, Explanation};
use buildreach::report::{Format, Options, explain, explanation_schema, render, schema};
use serde_json::Value;

const WIDTHS: [Option<usize>; 3] = [None, Some(100), Some(140)];

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn golden(name: &str) -> String {
    fs::read_to_string(root("tests/golden").join(name)).unwrap()
}

fn fixture() -> AuditReport {
    serde_json::from_str(&golden("audit.json")).unwrap()
}

fn trace_fixture() -> Explanation {
    serde_json::from_str(&golden("explain.json")).unwrap()
}

fn rendered(report: &AuditReport, format: Format, colour: bool, width: Option<usize>) -> String {
    let mut out = Vec::new();
    render(report, format, &Options { colour, width }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

fn explained(explanation: &Explanation, format: Format, colour: bool, width: Option<usize>) -> String {
    let mut out = Vec::new();
    explain(explanation, format, &Options { colour, width }, &mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[track_caller]
fn same_as_file(path: &Path, text: &str) {
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(path, text).unwrap();
    }
    let expected = fs::read_to_string(path).unwrap_or_default();
    assert!(expected == text, "{} differs from\n{text}", path.display());
}

#[track_caller]
fn same_as_golden(name: &str, text: &str) {
    same_as_file(&root("tests/golden").join(name), text);
}

fn without_colour(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}

#[test]
fn the_table() {
    for width in WIDTHS {
        let name = width.map_or_else(|| "audit.table.txt".to_owned(), |width| format!("audit.table.{width}.txt"));
        same_as_golden(&name, &rendered(&fixture(), Format::Table, false, width));
    }
    same_as_golden("audit.table.colour.txt", &rendered(&fixture(), Format::Table, true, Some(100)));
}

#[test]
fn every_subject_and_endpoint() {
    let wide = rendered(&fixture(), Format::Wide, false, None);
    same_as_golden("audit.wide.txt", &wide);
    // As the document counts them: nothing is left out.
    let outcomes = fixture().summary.outcomes;
    for (outcome, n) in [
        ("Reachable", outcomes.reachable),
        ("Blocked", outcomes.blocked),
        ("Partial", outcomes.partial),
        ("Unknown", outcomes.unknown),
    ] {
        let lines = wide.lines().filter(|line| line.split_whitespace().nth(4) == Some(outcome)).count();
        assert_eq!(u64::try_from(lines).unwrap(), n, "{outcome}");
    }
}

#[test]
fn the_document() {
    let json = rendered(&fixture(), Format::Json, false, None);
    same_as_golden("audit.json", &json);
    let yaml = rendered(&fixture(), Format::Yaml, false, None);
    same_as_golden("audit.yaml", &yaml);
    assert_eq!(serde_saphyr::from_str::<AuditReport>(&yaml).unwrap(), fixture());
    // Texts that YAML would take for something else, or fold.
    let mut report = fixture();
    report.notes = [
        "yes",
        "0x1F",
        "1e3",
        "~",
        "- a",
        "a: b # c",
        " two  blanks ",
        "line\nline\n",
        "\u{1b}[0m",
        "'\"",
        "{{ .x }}",
        "*a",
        "=",
        "",
    ]
    .map(str::to_owned)
    .to_vec();
    report.notes.push("long ".repeat(60));
    let yaml = rendered(&report, Format::Yaml, false, None);
    assert_eq!(serde_saphyr::from_str::<AuditReport>(&yaml).unwrap(), report);
}

#[test]
fn the_job_summary() {
    let markdown = rendered(&fixture(), Format::Markdown, false, None);
    same_as_golden("audit.md", &markdown);
    let bars = |line: &str| line.replace("\\|", "").matches('|').count();
    let rows: Vec<_> = markdown.lines().filter(|line| line.starts_with("| ")).collect();
    assert!(rows.len() > 6);
    assert!(rows.iter().all(|row| bars(row) == 6), "a cell is cut in two");
}

#[test]
fn one_trace() {
    same_as_golden("explain.txt", &explained(&trace_fixture(), Format::Table, false, None));
    same_as_golden("explain.100.txt", &explained(&trace_fixture(), Format::Table, false, Some(100)));
    same_as_golden("explain.json", &explained(&trace_fixture(), Format::Json, false, None));
    same_as_golden("explain.yaml", &explained(&trace_fixture(), Format::Yaml, false, None));
    same_as_golden("explain.md", &explained(&trace_fixture(), Format::Markdown, false, None));
}

#[test]
fn colours_change_no_word() {
    for format in Format::ALL {
        for width in WIDTHS {
            let plain = rendered(&fixture(), format, false, width);
            assert!(!plain.contains('\u{1b}'));
            assert_eq!(without_colour(&rendered(&fixture(), format, true, width)), plain, "{format}");
            if !format.explains() {
                let mut out = Vec::new();
                let refused = explain(&trace_fixture(), format, &Options::default(), &mut out);
                assert!(refused.is_err() && out.is_empty(), "{format}");
                continue;
            }
            let plain = explained(&trace_fixture(), format, false, width);
            assert!(!plain.contains('\u{1b}'));
            assert_eq!(without_colour(&explained(&trace_fixture(), format, true, width)), plain, "{format}");
        }
    }
    assert!(rendered(&fixture(), Format::Table, true, None).contains("\u{1b}[1m\u{1b}[31mBlocked\u{1b}[0m"));
    assert!(rendered(&fixture(), Format::Wide, true, None).contains("\u{1b}[32mReachable\u{1b}[0m"));
}

#[test]
fn lines_fit_unless_a_name_does_not() {
    for width in [80, 100, 140] {
        for line in rendered(&fixture(), Format::Table, false, Some(width)).lines() {
            assert!(line.chars().count() <= width, "{width}: {line}");
            assert!(!line.ends_with(' '), "{line:?}");
        }
    }
    let mut long = fixture();
    long.findings[0].title = "A title that somebody made much too long ".repeat(3).trim_end().to_owned();
    let table = rendered(&long, Format::Table, false, Some(100));
    assert!(table.lines().all(|line| line.chars().count() <= 100), "{table}");
    assert!(table.lines().any(|line| line.ends_with("BR-DNS-001  critical")), "{table}");
    // The narrowest terminal cuts no name in two.
    let narrow = rendered(&fixture(), Format::Table, false, Some(20));
    for whole in ["go-builds/TaskRun/build-api", "demo/policies.yaml:12", "NetworkPolicy ci/allow-npm", "BR-DNS-001"] {
        assert!(narrow.contains(whole), "{whole}");
    }
}

#[test]
fn equal_reports_are_equal_bytes() {
    for format in Format::ALL {
        let once = rendered(&fixture(), format, true, Some(100));
        assert_eq!(rendered(&fixture(), format, true, Some(100)), once);
        assert!(once.ends_with('\n'));
    }
}

/// The fixture with its blocked class made of `n` subjects.
fn large(n: u64) -> AuditReport {
    let mut report = fixture();
    let class = report.results.iter_mut().find(|class| class.subjects.len() == 2).unwrap();
    let model = class.subjects[1].clone();
    class.subjects = (0..n)
        .map(|i| {
            let mut subject = model.clone();
            subject.name = format!("go-builds/TaskRun/build-{i:05}").into();
            subject
        })
        .collect();
    let hit = report.findings[0].hits[2].clone();
    for finding in &mut report.findings[..2] {
        finding.hits = class
            .subjects
            .iter()
            .map(|subject| {
                let mut hit = hit.clone();
                hit.subject = subject.name.clone();
                hit
            })
            .collect();
    }
    report.summary.subjects.blocked = n + 1;
    report
}

#[test]
fn ten_thousand_subjects_stay_readable() {
    let report = large(10_000);
    let table = rendered(&report, Format::Table, false, Some(120));
    assert!(table.starts_with("10,001 of 10,004 build subjects cannot fetch what they need: 2 causes"), "{table}");
    assert!(table.contains("and 9,997 more like it"), "{table}");
    assert!(table.lines().count() < 120, "{} lines", table.lines().count());
    // Every other class keeps its line.
    for subject in
        ["go-builds/Job/kaniko-web", "ci/Pod/runner-7", "mirror/Deployment/buildkitd", "team-a/StatefulSet/builder"]
    {
        assert!(table.lines().any(|line| line.starts_with(subject)), "{subject}");
    }
    assert!(rendered(&report, Format::Markdown, false, None).len() < 64 << 10);
    let wide = rendered(&report, Format::Wide, false, None);
    assert_eq!(wide.lines().filter(|line| line.starts_with("go-builds/TaskRun/build-")).count(), 30_000);
}

#[test]
fn many_classes_are_counted_not_listed() {
    let mut report = fixture();
    let blocked = report.results[1].clone();
    for i in 0..2_000 {
        let mut class = blocked.clone();
        class.subjects.truncate(1);
        class.subjects[0].name = format!("ns-{i:04}/Job/build").into();
        report.results.push(class);
    }
    let table = rendered(&report, Format::Table, false, None);
    assert!(table.contains("… 1,953 more subjects blocked: -o wide"), "{table}");
    assert!(table.contains("… 1 more subject that reaches everything it needs: -o wide"), "{table}");
}

#[test]
fn a_manifest_cannot_paint_a_verdict() {
    let mut report = fixture();
    report.results[0].subjects[0].name = "ci/Pod/x\u{1b}[2K\u{202e}y".into();
    report.findings[0].title = "a\u{1b}]8;;http://x\u{7}b|c<script>".to_owned();
    report.notes.push("one\ntwo \u{9b}1m".to_owned());
    for format in [Format::Table, Format::Wide, Format::Markdown] {
        let text = rendered(&report, format, false, Some(100));
        assert!(!text.chars().any(|c| c != '\n' && c.is_control() || c == '\u{202e}'), "{format}");
        assert!(!text.contains("<script>") || format != Format::Markdown);
    }
}

#[test]
fn no_subject_says_what_helps() {
    let mut report = fixture();
    report.results.clear();
    report.findings.clear();
    report.summary = buildreach::model::report::Summary::default();
    report.no_subjects = serde_json::from_str(
        r#"{"lookedFor": ["Tekton TaskRuns", "GitLab runners"], "hint": "--subject ns/name picks one",
            "nearest": [{"name": "ci/Deployment/web", "score": 40, "signals": ["image `node`"]}]}"#,
    )
    .unwrap();
    for format in [Format::Table, Format::Wide, Format::Markdown] {
        let text = rendered(&report, format, false, None);
        for part in ["No build subject was found", "Tekton TaskRuns", "40 %", "--subject ns/name picks one"] {
            assert!(text.contains(part), "{format}: {part}\n{text}");
        }
    }
}

#[test]
fn headlines() {
    let mut report = fixture();
    report.findings.clear();
    report.summary.findings.clear();
    report.summary.coverage_complete = true;
    let mut headline = |blocked, partial, unknown, reachable| {
        let counts = &mut report.summary.subjects;
        (counts.blocked, counts.partial, counts.unknown, counts.reachable) = (blocked, partial, unknown, reachable);
        rendered(&report, Format::Table, false, None).lines().next().unwrap().to_owned()
    };
    assert_eq!(headline(0, 0, 0, 1), "The one build subject reaches everything it needs");
    assert_eq!(headline(0, 0, 0, 1_200), "All 1,200 build subjects reach everything they need");
    assert_eq!(headline(1, 0, 0, 0), "1 of 1 build subject cannot fetch what it needs");
    assert_eq!(headline(2, 0, 0, 9), "2 of 11 build subjects cannot fetch what they need: 9 reach everything");
    assert_eq!(headline(0, 1, 1, 2), "1 of 4 build subjects fails now and then: 1 unknown · 2 reach everything");
    assert_eq!(headline(0, 0, 2, 0), "It cannot be told whether 2 of 2 build subjects reach what they need");
    assert_eq!(headline(0, 0, 0, 0), "No build subject was found: there is nothing to judge");
}

#[test]
fn formats_have_names() {
    for format in Format::ALL {
        assert_eq!(format.to_string().parse(), Ok(format));
    }
    let error = "xml".parse::<Format>().unwrap_err().to_string();
    assert!(Format::ALL.iter().all(|format| error.contains(format.name())), "{error}");
}

#[test]
fn the_schema_is_the_one_in_docs() {
    same_as_file(&root("docs/report.schema.json"), &schema());
    same_as_file(&root("docs/explanation.schema.json"), &explanation_schema());
}

#[test]
fn documents_follow_the_schema() {
    let schema: Value = serde_json::from_str(&schema()).unwrap();
    let report: Value = serde_json::from_str(&rendered(&fixture(), Format::Json, false, None)).unwrap();
    assert_eq!(check(&schema, &schema, &report, "$"), Ok(()));
    let trace_schema: Value = serde_json::from_str(&explanation_schema()).unwrap();
    let trace: Value = serde_json::from_str(&explained(&trace_fixture(), Format::Json, false, None)).unwrap();
    assert_eq!(check(&trace_schema, &trace_schema, &trace, "$"), Ok(()));

    // The check can fail.
    for (pointer, wrong) in [
        ("/results/0/outcome", Value::from("Open")),
        ("/summary/subjects/Blocked", Value::from("three")),
        ("/findings/0/severity", Value::from("fatal")),
        ("/results/0/paths/0/trace/steps/0/layer", Value::from(1)),
        ("/coverage/0/state", Value::from("Guessed")),
        ("/kind", Value::from("Explanation")),
    ] {
        let mut report = report.clone();
        *report.pointer_mut(pointer).unwrap() = wrong;
        assert!(check(&schema, &schema, &report, "$").is_err(), "{pointer}");
    }
    let mut more = report.clone();
    more.as_object_mut().unwrap().insert("surprise".to_owned(), Value::Null);
    assert!(check(&schema, &schema, &more, "$").is_err());
    let mut less = report;
    less.as_object_mut().unwrap().remove("summary");
    assert!(check(&schema, &schema, &less, "$").is_err());
}

/// Checks a value against the part of JSON Schema that the generator writes. It is stricter than the standard:
/// a member that the schema does not name is an error, and so is a keyword that this check does not know.
fn check(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let known = members(root, schema);
    check_part(root, schema, value, at)?;
    for name in value.as_object().into_iter().flat_map(|object| object.keys()) {
        if known.as_ref().is_some_and(|known| !known.contains(name)) {
            return Err(format!("{at}: the schema has no `{name}`"));
        }
    }
    Ok(())
}

fn check_part(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    for (keyword, rule) in schema.as_object().ok_or("a schema is an object")? {
        let holds = match keyword.as_str() {
            "$schema" | "title" | "description" | "$defs" | "format" | "default" => true,
            "$ref" => {
                let target = rule.as_str().and_then(|name| root.pointer(name.strip_prefix('#')?));
                check(root, target.ok_or("a reference leads nowhere")?, value, at)?;
                true
            }
            "type" => match rule {
                Value::Array(types) => types.iter().any(|one| is_type(one, value)),
                one => is_type(one, value),
            },
            "const" => rule == value,
            "enum" => rule.as_array().is_some_and(|all| all.contains(value)),
            "minimum" => value.as_f64() >= rule.as_f64(),
            "maximum" => value.as_f64() <= rule.as_f64(),
            "required" => rule.as_array().into_iter().flatten().all(|name| value.get(name.as_str().unwrap()).is_some()),
            "properties" => {
                for (name, part) in rule.as_object().unwrap() {
                    if let Some(member) = value.get(name) {
                        check(root, part, member, &format!("{at}.{name}"))?;
                    }
                }
                true
            }
            "additionalProperties" => {
                let named = schema.get("properties");
                for (name, member) in value.as_object().into_iter().flatten() {
                    if named.and_then(|named| named.get(name)).is_some() {
                        continue;
                    }
                    if rule == &Value::Bool(false) {
                        return Err(format!("{at}: `{name}` is not allowed"));
                    }
                    check(root, rule, member, &format!("{at}.{name}"))?;
                }
                true
            }
            "items" => {
                for (i, item) in value.as_array().into_iter().flatten().enumerate() {
                    check(root, rule, item, &format!("{at}[{i}]"))?;
                }
                true
            }
            "oneOf" => {
                rule.as_array().into_iter().flatten().filter(|one| check_part(root, one, value, at).is_ok()).count()
                    == 1
            }
            "anyOf" => rule.as_array().into_iter().flatten().any(|one| check_part(root, one, value, at).is_ok()),
            other => return Err(format!("{at}: this check does not know `{other}`")),
        };
        if !holds {
            return Err(format!("{at}: `{keyword}` does not hold"));
        }
    }
    Ok(())
}

/// The members that a schema names; `None` if any may be there.
fn members(root: &Value, schema: &Value) -> Option<Vec<String>> {
    if let Some(name) = schema.get("$ref").and_then(Value::as_str) {
        return members(root, root.pointer(name.strip_prefix('#')?)?);
    }
    if schema.get("additionalProperties").is_some() || schema.get("properties").or(schema.get("oneOf")).is_none() {
        return None;
    }
    let mut names: Vec<String> = Vec::new();
    for part in schema.get("oneOf").and_then(Value::as_array).into_iter().flatten().chain([schema]) {
        names.extend(part.get("properties").and_then(Value::as_object).into_iter().flat_map(|all| all.keys().cloned()));
    }
    Some(names)
}

fn is_type(name: &Value, value: &Value) -> bool {
    match name.as_str().unwrap_or_default() {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        _ => false,
    }
}
