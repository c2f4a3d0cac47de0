//! From an answer to the status of its resource. Pure.

use rustc_hash::FxHashMap;

use super::wish::Wish;
use crate::crd::build_audit::{AuditStatus, MOST_FINDINGS, StatusFinding, SubjectCounts};
use crate::crd::condition::{Condition, Truth};
use crate::model::report::{AuditReport, OutcomeCounts};
use crate::model::{CoverageState, Finding, Layer, Outcome, Severity, codes};
use crate::trace::report::reaches;

/// The most that a status may take as JSON, in bytes: well below what etcd and watchers mind (16 KiB).
const MOST_BYTES: usize = 14 << 10;

/// The longest sentence in a status, in characters.
const MOST_WORDS: usize = 240;

/// The types of conditions.
pub mod kinds {
    /// The spec is valid, and this is its answer.
    pub const READY: &str = "Ready";
    /// No finding at or above `failOn`.
    pub const COMPLIANT: &str = "Compliant";
    /// Everything that may decide was read.
    pub const COVERAGE_COMPLETE: &str = "CoverageComplete";
}

/// The reasons of conditions.
pub mod reasons {
    /// Ready.
    pub const AUDIT_SUCCEEDED: &str = "AuditSucceeded";
    /// Not ready: nothing can be asked.
    pub const INVALID_SPEC: &str = "InvalidSpec";
    /// Compliant.
    pub const ALL_REACHABLE: &str = "AllEndpointsReachable";
    /// Not compliant.
    pub const ENDPOINTS_BLOCKED: &str = "EndpointsBlocked";
    /// Not compliant, although nothing is blocked.
    pub const FINDINGS: &str = "FindingsAtThreshold";
    /// It cannot be told whether it is compliant, because something was not read.
    pub const COVERAGE_INCOMPLETE: &str = "CoverageIncomplete";
    /// It cannot be told, although everything was read.
    pub const OUTCOMES_UNKNOWN: &str = "OutcomesUnknown";
    /// There is nothing to judge.
    pub const NO_SUBJECTS: &str = "NoSubjects";
    /// Coverage is complete.
    pub const ALL_READ: &str = "AllSourcesRead";
    /// Coverage is not: permissions are missing.
    pub const FORBIDDEN: &str = "Forbidden";
    /// Coverage is not: reading fails.
    pub const UNAVAILABLE: &str = "SourceUnavailable";
}

/// The status of a resource at an instant. What the status before says about since when things are so is carried on.
pub fn status(wish: &Wish, answer: &Result<AuditReport, String>, now: jiff::Timestamp) -> AuditStatus {
    let none = AuditStatus::default();
    let before = wish.status.as_ref().unwrap_or(&none);
    let mut status = match answer {
        Ok(report) => of_report(wish, report, before, now),
        Err(why) => AuditStatus { conditions: invalid(why), ..AuditStatus::default() },
    };
    status.observed_generation = Some(wish.generation);
    status.last_audit_time = Some(now);
    for condition in &mut status.conditions {
        condition.observed_generation = Some(wish.generation);
        condition.last_transition_time = now;
        *condition = condition.clone().follow(&before.conditions);
    }
    status
}

/// Whether two statuses say the same, whenever they say it.
pub fn says_the_same(a: &AuditStatus, b: &AuditStatus) -> bool {
    let timeless = |status: &AuditStatus| AuditStatus { last_audit_time: None, ..status.clone() };
    timeless(a) == timeless(b)
}

fn condition(kind: &str, status: Truth, reason: &str, message: &str) -> Condition {
    Condition {
        kind: kind.to_owned(),
        status,
        observed_generation: None,
        last_transition_time: jiff::Timestamp::UNIX_EPOCH,
        reason: reason.to_owned(),
        message: short(message),
    }
}

fn invalid(why: &str) -> Vec<Condition> {
    vec![
        condition(kinds::COMPLIANT, Truth::Unknown, reasons::INVALID_SPEC, "the spec cannot be answered"),
        condition(kinds::COVERAGE_COMPLETE, Truth::Unknown, reasons::INVALID_SPEC, "the spec cannot be answered"),
        condition(kinds::READY, Truth::False, reasons::INVALID_SPEC, why),
    ]
}

fn of_report(wish: &Wish, report: &AuditReport, before: &AuditStatus, now: jiff::Timestamp) -> AuditStatus {
    let fail_on = wish.spec.as_ref().map_or(Severity::High, |spec| spec.fail_on);
    let mut rows = rows(report);
    let total = rows.len();
    rows.truncate(MOST_FINDINGS);
    for row in &mut rows {
        let known = before.findings.iter().find(|known| is_same(known, row)).and_then(|known| known.since);
        row.since = Some(known.unwrap_or(now));
    }
    let counts = report.summary.subjects;
    let mut status = AuditStatus {
        subjects: in_words_of_the_api(counts),
        findings: rows,
        accepted_findings: count(report.excepted.len()),
        conditions: vec![
            compliant(report, fail_on),
            coverage(report),
            condition(kinds::READY, Truth::True, reasons::AUDIT_SUCCEEDED, "the status is that of the current spec"),
        ],
        ..AuditStatus::default()
    };
    while serde_json::to_vec(&status).is_ok_and(|json| json.len() > MOST_BYTES) && status.findings.pop().is_some() {}
    status.omitted_findings = count(total - status.findings.len());
    status
}

fn compliant(report: &AuditReport, fail_on: Severity) -> Condition {
    let is = |truth, reason, message: String| condition(kinds::COMPLIANT, truth, reason, &message);
    let counts = report.summary.subjects;
    let total = counts.total();
    // That something was not read makes the answer unknown, and is said by a condition of its own.
    let failing = |finding: &&Finding| finding.code != codes::COV_FORBIDDEN.id && reaches(finding, fail_on);
    let first = report.findings.iter().find(failing);
    match first {
        Some(first) if counts.blocked > 0 => {
            let whom = first.hits.first().map(|hit| format!(", first {}", hit.subject)).unwrap_or_default();
            let title = format!("{} ({})", first.title, first.code);
            is(
                Truth::False,
                reasons::ENDPOINTS_BLOCKED,
                format!("{} of {total} subjects blocked{whom}: {title}", counts.blocked),
            )
        }
        Some(first) => {
            let n = report.findings.iter().filter(failing).count();
            is(Truth::False, reasons::FINDINGS, format!("{n} findings, first {} ({})", first.title, first.code))
        }
        None if !report.summary.coverage_complete => {
            is(Truth::Unknown, reasons::COVERAGE_INCOMPLETE, "not everything that may decide could be read".to_owned())
        }
        None if total == 0 => is(Truth::Unknown, reasons::NO_SUBJECTS, "nothing here looks like a build".to_owned()),
        None if counts.unknown > 0 => is(
            Truth::Unknown,
            reasons::OUTCOMES_UNKNOWN,
            format!("of {} of {total} subjects it cannot be told whether they reach what they need", counts.unknown),
        ),
        None => {
            let accepted = match report.excepted.len() {
                0 => String::new(),
                n => format!("; {n} accepted by exceptions"),
            };
            is(Truth::True, reasons::ALL_REACHABLE, format!("{total} subjects reach what they need{accepted}"))
        }
    }
}

fn coverage(report: &AuditReport) -> Condition {
    let missing: Vec<_> = report.coverage.iter().filter(|coverage| coverage.state.is_incomplete()).collect();
    let Some(first) = missing.first() else {
        return condition(
            kinds::COVERAGE_COMPLETE,
            Truth::True,
            reasons::ALL_READ,
            "everything that may decide was read",
        );
    };
    let is_forbidden = missing.iter().any(|coverage| coverage.state == CoverageState::Forbidden);
    let reason = if is_forbidden { reasons::FORBIDDEN } else { reasons::UNAVAILABLE };
    let place = first.namespace.as_ref().map(|namespace| format!(" of namespace {namespace}")).unwrap_or_default();
    let why = match &first.state {
        CoverageState::Failed(why) => format!(": {why}"),
        _ => String::new(),
    };
    let message = format!("{} not read, first {}{place}{why}", missing.len(), first.kind);
    condition(kinds::COVERAGE_COMPLETE, Truth::False, reason, &message)
}

/// The rows of a status: findings by severity, one for each subject that a finding hits.
fn rows(report: &AuditReport) -> Vec<StatusFinding> {
    let mut outcomes: FxHashMap<(&str, String), (Outcome, Option<Layer>)> = FxHashMap::default();
    for class in &report.results {
        for path in class.paths.iter().filter(|path| path.outcome != Outcome::Reachable) {
            let layer = path.trace.steps.iter().find(|step| step.outcome == path.outcome.into()).map(|step| step.layer);
            for endpoint in &path.endpoints {
                for subject in &class.subjects {
                    outcomes.insert((&subject.name, endpoint.label()), (path.outcome, layer));
                }
            }
        }
    }
    let mut rows = Vec::new();
    for finding in &report.findings {
        let row = StatusFinding {
            code: finding.code.to_string(),
            severity: finding.severity.to_string(),
            decided_by: finding.evidence.first().map(|evidence| short(&evidence.citation())),
            message: short(if finding.message.is_empty() { &finding.title } else { &finding.message }),
            ..StatusFinding::default()
        };
        if finding.hits.is_empty() {
            rows.push(row);
            continue;
        }
        rows.extend(finding.hits.iter().map(|hit| {
            let found = hit.endpoints.first().and_then(|label| outcomes.get(&(&*hit.subject, label.to_string())));
            StatusFinding {
                subject: Some(hit.subject.to_string()),
                endpoint: hit.endpoints.first().map(ToString::to_string),
                more_endpoints: count(hit.endpoints.len().saturating_sub(1)),
                outcome: found.map(|(outcome, _)| *outcome),
                layer: found.and_then(|(_, layer)| *layer),
                ..row.clone()
            }
        }));
    }
    rows
}

/// Whether two rows are about the same thing.
fn is_same(a: &StatusFinding, b: &StatusFinding) -> bool {
    (&a.code, &a.subject, &a.endpoint, &a.decided_by) == (&b.code, &b.subject, &b.endpoint, &b.decided_by)
}

fn in_words_of_the_api(counts: OutcomeCounts) -> SubjectCounts {
    let n = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    SubjectCounts {
        total: n(counts.total()),
        reachable: n(counts.reachable),
        blocked: n(counts.blocked),
        partial: n(counts.partial),
        unknown: n(counts.unknown),
    }
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// One line of bounded length.
fn short(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.chars().count() <= MOST_WORDS {
        return line;
    }
    line.chars().take(MOST_WORDS - 1).chain(['…']).collect()
}
