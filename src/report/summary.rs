//! What a report says as a whole: the headline, what was not read, what is taken for granted.

use std::collections::{HashMap, HashSet};

use rustc_hash::FxBuildHasher;

use super::text::{as_u64, count, counted, first};
use crate::model::exception::Excepted;
use crate::model::report::AuditReport;
use crate::model::{Outcome, Severity};

/// The answer in one sentence.
pub(super) fn headline(report: &AuditReport) -> String {
    let counts = report.summary.subjects;
    let total = counts.total();
    if total == 0 {
        return "No build subject was found: there is nothing to judge".to_owned();
    }
    let of_all = counted(total, "build subject", "build subjects");
    let (answer, told) = if counts.blocked > 0 {
        let need = if counts.blocked == 1 { "it needs" } else { "they need" };
        (format!("{} of {of_all} cannot fetch what {need}", count(counts.blocked)), Outcome::Blocked)
    } else if counts.partial > 0 {
        let fail = if counts.partial == 1 { "fails" } else { "fail" };
        (format!("{} of {of_all} {fail} now and then", count(counts.partial)), Outcome::Partial)
    } else if counts.unknown > 0 {
        let reach = if counts.unknown == 1 { "reaches what it needs" } else { "reach what they need" };
        (format!("It cannot be told whether {} of {of_all} {reach}", count(counts.unknown)), Outcome::Unknown)
    } else if total == 1 {
        ("The one build subject reaches everything it needs".to_owned(), Outcome::Reachable)
    } else {
        (format!("All {of_all} reach everything they need"), Outcome::Reachable)
    };
    let mut parts = Vec::new();
    let causes = report.summary.findings.get(&Severity::Critical).copied().unwrap_or(0);
    if causes > 0 && told != Outcome::Reachable {
        parts.push(counted(causes, "cause", "causes"));
    }
    if counts.partial > 0 && told != Outcome::Partial {
        parts.push(format!("{} partial", count(counts.partial)));
    }
    if counts.unknown > 0 && told != Outcome::Unknown {
        parts.push(format!("{} unknown", count(counts.unknown)));
    }
    if counts.reachable > 0 && told != Outcome::Reachable {
        parts.push(counted(counts.reachable, "reaches everything", "reach everything"));
    }
    if !report.summary.coverage_complete {
        parts.push("not everything could be read".to_owned());
    }
    if parts.is_empty() { answer } else { format!("{answer}: {}", parts.join(" · ")) }
}

/// What may exist and was not read, one sentence for each kind and reason.
pub(super) fn not_read(report: &AuditReport) -> Vec<String> {
    let mut groups: Vec<(String, String, Vec<&str>)> = Vec::new();
    let mut known: HashMap<(String, String), usize, FxBuildHasher> = HashMap::default();
    for coverage in report.coverage.iter().filter(|coverage| coverage.state.is_incomplete()) {
        let what = if coverage.kind == "*" { coverage.source.to_string() } else { coverage.kind.to_string() };
        let why = coverage.state.to_string();
        let at = *known.entry((what.clone(), why.clone())).or_insert_with(|| {
            groups.push((what, why, Vec::new()));
            groups.len() - 1
        });
        groups[at].2.extend(coverage.namespace.as_deref());
    }
    let told: HashSet<&str, FxBuildHasher> = report.findings.iter().map(|finding| finding.message.as_str()).collect();
    groups
        .into_iter()
        .map(|(what, why, namespaces)| {
            let what = match namespaces.as_slice() {
                [] => what,
                [one] => format!("{what} in namespace {one}"),
                several => format!("{what} in namespaces {}", first(several, 5)),
            };
            // A finding says why, with the line.
            if told.contains(why.as_str()) { what } else { format!("{what}: {why}") }
        })
        .collect()
}

/// What a kept report leaves out for its size, in a sentence.
pub(super) fn left_out(report: &AuditReport) -> Option<String> {
    let omitted = report.omitted?;
    let parts = [
        (omitted.findings, "finding", "findings"),
        (omitted.subjects, "subject", "subjects"),
        (omitted.results, "result", "results"),
        (omitted.details, "detail of these", "details of these"),
        (omitted.coverage, "row of the coverage", "rows of the coverage"),
    ];
    let parts: Vec<_> = parts.iter().filter(|(n, ..)| *n > 0).map(|(n, one, many)| counted(*n, one, many)).collect();
    let what = if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") };
    Some(format!("left out to fit where this report is kept: {what}; the counts are those of the whole"))
}

/// An assumption, and how many subjects have a result that rests on it.
pub(super) struct Assumption<'a> {
    pub(super) text: &'a str,
    pub(super) subjects: u64,
}

/// The assumptions of all results, each once: what most subjects rest on first.
pub(super) fn assumptions(report: &AuditReport) -> Vec<Assumption<'_>> {
    let mut found: Vec<Assumption<'_>> = Vec::new();
    // By text: where it stands in `found`, and the last class that was counted for it.
    let mut known: HashMap<&str, (usize, usize), FxBuildHasher> = HashMap::default();
    for (class, result) in report.results.iter().enumerate() {
        let subjects = as_u64(result.subjects.len());
        for text in result.paths.iter().flat_map(|path| &path.trace.steps).flat_map(|step| &step.assumptions) {
            let (at, counted) = known.entry(text).or_insert_with(|| {
                found.push(Assumption { text, subjects: 0 });
                (found.len() - 1, usize::MAX)
            });
            if *counted != class {
                *counted = class;
                found[*at].subjects += subjects;
            }
        }
    }
    found.sort_by(|a, b| b.subjects.cmp(&a.subjects).then_with(|| a.text.cmp(b.text)));
    found
}

/// The layers that no result takes into account: `cloud (no cloud documents were read)`.
pub(super) fn not_assessed(report: &AuditReport) -> Option<String> {
    let layers: Vec<_> =
        report.not_assessed.iter().map(|left_out| format!("{} ({})", left_out.layer, left_out.why)).collect();
    if layers.is_empty() { None } else { Some(layers.join(", ")) }
}

/// What somebody accepts, a line each: what it is, until when, why.
pub(super) fn excepted(report: &AuditReport) -> Vec<String> {
    let line = |taken: &Excepted| {
        let subject = taken.subject.as_ref().map(|subject| format!(" of {subject}")).unwrap_or_default();
        let endpoints = if taken.endpoints.is_empty() {
            String::new()
        } else {
            let endpoints: Vec<_> = taken.endpoints.iter().map(|endpoint| super::table::short(endpoint)).collect();
            format!(" for {}", first(&endpoints, 3))
        };
        let until = taken.expires.as_ref().map(|expires| format!(", until {expires}")).unwrap_or_default();
        format!("{}{subject}{endpoints}{until}: {}", taken.code, taken.reason)
    };
    report.excepted.iter().map(line).collect()
}

/// Where the facts come from. The instant is that of a live cluster; files have none of their own.
pub(super) fn origin(report: &AuditReport) -> String {
    let data = format!("endpoint catalogue of {}, buildreach {}", report.catalogue, report.version);
    match &report.cluster {
        Some(cluster) => format!("{cluster}, read at {}; {data}", report.instant),
        None => data,
    }
}

/// The assumption as a line.
pub(super) fn assumed(assumption: &Assumption<'_>, total: u64) -> String {
    if assumption.subjects >= total {
        assumption.text.to_owned()
    } else {
        format!("{} ({})", assumption.text, counted(assumption.subjects, "subject", "subjects"))
    }
}
