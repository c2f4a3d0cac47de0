//! The Markdown files of `tests/spec/` are executable: what they say is what the evaluator does.
//!
//! In a file, ` ```yaml cluster ` blocks are part of every section, a section's ` ```yaml ` blocks are its
//! own manifests, and each line of a ` ```reach ` block is an assertion:
//! `FROM -> TO:PORT[/PROTO]  EXPECTATION [by TEXT]`. FROM and TO are `ns/pod`, `ns/Kind/name` or an address.
//! A ` ```profile ` block holds `key: value` lines, and `finds CODE` in a `reach` block expects a finding.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::panic, missing_docs)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use buildreach::collect::files;
use buildreach::suite::{Status, judge, parse};
use buildreach::trace::{Context, Profile, objects};

#[derive(Default)]
struct Section {
    title: String,
    manifests: String,
    profile: String,
    assertions: Vec<String>,
    findings: Vec<String>,
}

#[test]
fn the_specifications_hold() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/spec");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|e| e == "md"));
    files.sort();
    assert!(!files.is_empty(), "no specification was found");
    let mut failures = String::new();
    let (mut sections, mut assertions) = (0, 0);
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for section in sections_of(&text) {
            sections += 1;
            assertions += section.assertions.len() + section.findings.len();
            check(&file, &section, &mut failures);
        }
    }
    println!("{sections} sections, {assertions} assertions");
    assert!(assertions > 0 && failures.is_empty(), "{failures}");
}

fn sections_of(text: &str) -> Vec<Section> {
    let mut cluster = String::new();
    let mut sections: Vec<Section> = Vec::new();
    let mut fence: Option<String> = None;
    for line in text.lines() {
        if let Some(kind) = line.strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(kind.trim().to_owned()) };
            if fence.as_deref() == Some("yaml cluster") {
                cluster.push_str("\n---\n");
            } else if fence.as_deref() == Some("yaml") {
                sections.last_mut().expect("yaml outside of a section").manifests.push_str("\n---\n");
            }
            continue;
        }
        match fence.as_deref() {
            None => {
                if let Some(title) = line.strip_prefix("## ") {
                    sections.push(Section { title: title.to_owned(), ..Section::default() });
                }
            }
            Some("yaml cluster") => writeln!(cluster, "{line}").unwrap(),
            Some(kind) => {
                let section = sections.last_mut().expect("a block outside of a section");
                match (kind, line.strip_prefix("finds ")) {
                    ("yaml", _) => writeln!(section.manifests, "{line}").unwrap(),
                    ("profile", _) => writeln!(section.profile, "    {line}").unwrap(),
                    ("reach", Some(code)) => section.findings.push(code.trim().to_owned()),
                    ("reach", None) if !line.trim().is_empty() => section.assertions.push(line.to_owned()),
                    ("reach", None) => {}
                    (other, _) => panic!("unknown block `{other}`"),
                }
            }
        }
    }
    for section in &mut sections {
        section.manifests = format!("{cluster}\n---\n{}", section.manifests);
    }
    sections
}

fn check(file: &Path, section: &Section, failures: &mut String) {
    let mut suite = String::from(
        "apiVersion: buildreach.dev/v1alpha1\nkind: ReachabilityTest\nmetadata: {name: spec}\nspec:\n  manifests: []\n",
    );
    if !section.profile.is_empty() {
        write!(suite, "  profile:\n{}", section.profile).unwrap();
    }
    suite.push_str("  assertions:\n");
    for line in &section.assertions {
        writeln!(suite, "  - {}", assertion(line)).unwrap();
    }
    if section.assertions.is_empty() {
        suite = suite.replace("  assertions:\n", "");
    }
    let suite = parse(&suite).unwrap_or_else(|e| panic!("{}: {}: {e}", file.display(), section.title));
    let options = files::Options { instant: jiff::Timestamp::UNIX_EPOCH, ..files::Options::default() };
    let snapshot = files::from_texts(&[("spec.yaml", &section.manifests)], &options);
    let result = judge("spec", &suite, &snapshot);
    for (line, result) in section.assertions.iter().zip(&result.assertions) {
        // What is unknown because of a kind that is not evaluated is what such a line expects.
        let as_expected = result.status == Status::Unsupported && result.actual == result.expect;
        if result.status != Status::Passed && !as_expected {
            let trace: Vec<_> =
                result.trace.steps.iter().map(|s| format!("{} {}: {}", s.layer, s.outcome, s.summary)).collect();
            writeln!(
                failures,
                "{} «{}»\n    {line}\n    {:?}: {}\n    decided by {}\n    {}",
                file.file_name().unwrap().to_string_lossy(),
                section.title,
                result.status,
                result.reason,
                result.decided_by,
                trace.join("\n    ")
            )
            .unwrap();
        }
    }
    if !section.findings.is_empty() {
        let profile = Profile {
            cni: Some(suite.spec.profile.cni.clone().unwrap_or_else(|| "upstream".into())),
            ..Profile::default()
        };
        let context = Context::new(&snapshot, &profile);
        let found: Vec<String> = objects::findings(&context).iter().map(|f| f.code.to_string()).collect();
        for code in &section.findings {
            if !found.contains(code) {
                writeln!(failures, "{} «{}»: no finding {code}, but {found:?}", file.display(), section.title).unwrap();
            }
        }
    }
}

/// One line of a `reach` block as an assertion of a suite.
fn assertion(line: &str) -> String {
    let (question, by) = line.split_once(" by ").map_or((line, None), |(q, by)| (q, Some(by.trim())));
    let mut words = question.split_whitespace();
    let (from, arrow, to, expect) = (words.next(), words.next(), words.next(), words.next());
    assert!(arrow == Some("->") && expect.is_some() && words.next().is_none(), "cannot read `{line}`");
    let (to, protocol) = match to.unwrap().rsplit_once('/') {
        Some((to, protocol @ ("TCP" | "UDP" | "SCTP"))) => (to, protocol),
        _ => (to.unwrap(), "TCP"),
    };
    let (to, port) = to.rsplit_once(':').unwrap();
    let expect = match expect.unwrap() {
        "allowed" => "Allowed",
        "denied" => "Denied",
        "partial" => "Partial",
        "unknown" => "Unknown",
        other => panic!("unknown expectation `{other}` in `{line}`"),
    };
    let by = by.map(|text| format!(", decidedBy: \"{text}\"")).unwrap_or_default();
    format!(
        "{{from: {}, to: {}, protocol: {protocol}, port: {port}, expect: {expect}{by}}}",
        end(from.unwrap()),
        end(to)
    )
}

fn end(text: &str) -> String {
    let address = text.trim_start_matches('[').trim_end_matches(']');
    if address.parse::<std::net::IpAddr>().is_ok() {
        return format!("{{ip: \"{address}\"}}");
    }
    match text.matches('/').count() {
        0 => format!("{{host: \"{text}\"}}"),
        1 => format!("{{pod: {text}}}"),
        _ => format!("{{workload: {text}}}"),
    }
}
