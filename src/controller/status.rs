//! From an answer to the status of its resource. Pure.

use rustc_hash::{FxHashMap, FxHashSet};

use super::wish::Wish;
use crate::crd::build_audit::{AuditStatus, MOST_FINDINGS, StatusFinding, SubjectCounts};
use crate::crd::condition::{Condition, Truth};
use crate::model::report::{AuditReport, OutcomeCounts, SubjectInfo};
use crate::model::{CoverageState, Finding, Hit, Layer, Outcome, Severity, codes, words};
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
    let hits = |finding: &Finding| finding.hits.len().max(1) + usize::try_from(finding.more_hits).unwrap_or(usize::MAX);
    let total: usize = report.findings.iter().map(hits).sum();
    let mut rows = rows(report);
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

/// The first rows of a status: findings by severity, one for each subject that a finding hits.
fn rows(report: &AuditReport) -> Vec<StatusFinding> {
    let all = report.findings.iter().flat_map(|finding| {
        let whole = finding.hits.is_empty().then_some((finding, None));
        whole.into_iter().chain(finding.hits.iter().map(move |hit| (finding, Some(hit))))
    });
    let first: Vec<(&Finding, Option<&Hit>)> = all.take(MOST_FINDINGS).collect();
    let named: FxHashSet<&str> = first.iter().filter_map(|(_, hit)| Some((*hit)?.subject.as_str())).collect();
    let mut outcomes: FxHashMap<(&str, String), (Outcome, Option<Layer>)> = FxHashMap::default();
    for class in &report.results {
        let subjects: Vec<&SubjectInfo> =
            class.subjects.iter().filter(|subject| named.contains(subject.name.as_str())).collect();
        if subjects.is_empty() {
            continue;
        }
        for path in class.paths.iter().filter(|path| path.outcome != Outcome::Reachable) {
            let layer = path.trace.steps.iter().find(|step| step.outcome == path.outcome.into()).map(|step| step.layer);
            for endpoint in &path.endpoints {
                for subject in &subjects {
                    outcomes.insert((&subject.name, endpoint.label()), (path.outcome, layer));
                }
            }
        }
    }
    let row = |(finding, hit): (&Finding, Option<&Hit>)| {
        let row = StatusFinding {
            code: finding.code.to_string(),
            severity: finding.severity.to_string(),
            decided_by: finding.evidence.first().map(|evidence| short(&evidence.citation())),
            message: short(if finding.message.is_empty() { &finding.title } else { &finding.message }),
            ..StatusFinding::default()
        };
        let Some(hit) = hit else { return row };
        let found = hit.endpoints.first().and_then(|label| outcomes.get(&(&*hit.subject, label.to_string())));
        StatusFinding {
            subject: Some(hit.subject.to_string()),
            endpoint: hit.endpoints.first().map(ToString::to_string),
            more_endpoints: count(hit.endpoints.len().saturating_sub(1)),
            outcome: found.map(|(outcome, _)| *outcome),
            layer: found.and_then(|(_, layer)| *layer),
            ..row
        }
    };
    first.into_iter().map(row).collect()
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
    words::at_most_chars(&words::one_line(text), MOST_WORDS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde_json::{Value, json};

    use super::super::wish::AuditId;
    use super::*;

    fn at(seconds: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn wish(status: Option<AuditStatus>) -> Wish {
        Wish {
            id: AuditId::Namespaced { namespace: "ci".to_owned(), name: "builds".to_owned() },
            uid: "u".to_owned(),
            generation: 3,
            namespaces: None,
            spec: Ok(crate::crd::build_audit::BuildAuditSpec::default()),
            status,
        }
    }

    /// A report of some subjects, all of which a finding of that severity hits where there is one.
    fn report(counts: &Value, severity: Option<&str>, subjects: usize, coverage: &Value) -> AuditReport {
        let hits: Vec<_> = (0..subjects)
            .map(|n| json!({"subject": format!("ci/Deployment/builder-{n}"), "endpoints": ["proxy.golang.org:443", "sum.golang.org:443"]}))
            .collect();
        let finding = severity.map(|severity| {
            json!({"code": "BR-NET-001", "severity": severity, "title": "Egress is closed", "message": "no rule\nadmits it",
                "hits": hits, "fingerprint": "f"})
        });
        let mut counts = counts.clone();
        for outcome in ["Reachable", "Blocked", "Partial", "Unknown"] {
            counts.as_object_mut().unwrap().entry(outcome).or_insert(json!(0));
        }
        serde_json::from_value(json!({
            "apiVersion": "buildreach.dev/v1alpha1", "kind": "AuditReport", "version": "0", "instant": "2027-01-15T08:00:00Z",
            "catalogue": "2027-01-01", "coverage": coverage, "notAssessed": [], "results": [],
            "summary": {"subjects": counts, "outcomes": counts, "findings": {}, "coverageComplete": coverage == &json!([])},
            "findings": finding.into_iter().collect::<Vec<_>>(),
        }))
        .unwrap()
    }

    fn of(status: &AuditStatus, kind: &str) -> (Truth, String, jiff::Timestamp) {
        let condition = status.conditions.iter().find(|condition| condition.kind == kind).unwrap();
        (condition.status, condition.reason.clone(), condition.last_transition_time)
    }

    fn compliant(report: AuditReport) -> (Truth, String) {
        let (truth, reason, _) = of(&status(&wish(None), &Ok(report), at(0)), kinds::COMPLIANT);
        (truth, reason)
    }

    #[test]
    fn nothing_is_compliant_of_which_something_is_not_known() {
        let all = json!([]);
        let closed = json!([{"source": "kubernetes", "kind": "NetworkPolicy", "state": "Forbidden"}]);
        let is = |truth, reason: &str| (truth, reason.to_owned());
        let (one, unknown) = (json!({"Reachable": 1}), json!({"Reachable": 1, "Unknown": 1}));
        assert_eq!(compliant(report(&one, None, 0, &all)), is(Truth::True, reasons::ALL_REACHABLE));
        assert_eq!(compliant(report(&one, None, 0, &closed)), is(Truth::Unknown, reasons::COVERAGE_INCOMPLETE));
        assert_eq!(compliant(report(&unknown, None, 0, &all)), is(Truth::Unknown, reasons::OUTCOMES_UNKNOWN));
        assert_eq!(compliant(report(&json!({}), None, 0, &all)), is(Truth::Unknown, reasons::NO_SUBJECTS));
        let blocked = json!({"Blocked": 1});
        assert_eq!(compliant(report(&blocked, Some("high"), 1, &all)), is(Truth::False, reasons::ENDPOINTS_BLOCKED));
        // What is certainly wrong stays wrong, whatever else was not read.
        assert_eq!(compliant(report(&blocked, Some("high"), 1, &closed)), is(Truth::False, reasons::ENDPOINTS_BLOCKED));
        assert_eq!(compliant(report(&one, Some("high"), 1, &all)), is(Truth::False, reasons::FINDINGS));
        assert_eq!(compliant(report(&one, Some("medium"), 1, &all)), is(Truth::True, reasons::ALL_REACHABLE));
    }

    #[test]
    fn times_are_kept_as_long_as_things_are_so() {
        let blocked = || Ok(report(&json!({"Blocked": 1}), Some("high"), 1, &json!([])));
        let first = status(&wish(None), &blocked(), at(0));
        assert_eq!((first.observed_generation, first.last_audit_time), (Some(3), Some(at(0))));
        assert_eq!(first.findings[0].since, Some(at(0)));
        let second = status(&wish(Some(first.clone())), &blocked(), at(60));
        assert_eq!(second.last_audit_time, Some(at(60)));
        assert_eq!(second.findings[0].since, Some(at(0)));
        assert!(says_the_same(&first, &second));
        // Another subject is hit: a finding of its own, and no transition.
        let third =
            status(&wish(Some(second)), &Ok(report(&json!({"Blocked": 2}), Some("high"), 2, &json!([]))), at(90));
        let since: Vec<_> = third.findings.iter().map(|row| row.since.unwrap()).collect();
        assert_eq!(since, [at(0), at(90)]);
        assert_eq!(of(&third, kinds::COMPLIANT).2, at(0));
        let well = status(&wish(Some(third)), &Ok(report(&json!({"Reachable": 2}), None, 0, &json!([]))), at(120));
        assert_eq!(of(&well, kinds::COMPLIANT), (Truth::True, reasons::ALL_REACHABLE.to_owned(), at(120)));
        assert_eq!(of(&well, kinds::READY).2, at(0), "that has not changed");
        // What comes back is new.
        let again = status(&wish(Some(well)), &blocked(), at(150));
        assert_eq!(again.findings[0].since, Some(at(150)));
    }

    #[test]
    fn a_spec_that_cannot_be_answered_says_nothing_else() {
        let before = status(&wish(None), &Ok(report(&json!({"Reachable": 1}), None, 0, &json!([]))), at(0));
        let status = status(&wish(Some(before)), &Err("ecosystems: golangg".to_owned()), at(5));
        assert_eq!(of(&status, kinds::READY), (Truth::False, reasons::INVALID_SPEC.to_owned(), at(5)));
        assert_eq!(of(&status, kinds::COMPLIANT).0, Truth::Unknown);
        assert_eq!(status.subjects, SubjectCounts::default());
    }

    #[test]
    fn thousands_of_findings_make_no_large_status() {
        let mut many = report(&json!({"Blocked": 5000}), Some("critical"), 5000, &json!([]));
        let status_of = |report: &AuditReport| status(&wish(None), &Ok(report.clone()), at(0));
        let short = status_of(&many);
        assert_eq!((short.findings.len(), short.omitted_findings), (MOST_FINDINGS, 4980));
        assert_eq!(short.findings[0].message, "no rule admits it", "one line");
        assert_eq!(short.findings[0].more_endpoints, 1);
        // Names as long as the API lets them be, of characters of four bytes.
        for hit in &mut many.findings[0].hits {
            hit.subject = format!("ci/Deployment/{}", "x".repeat(253)).into();
            hit.endpoints = vec![format!("{}:443", "y".repeat(253)).into()];
        }
        many.findings[0].message = "𝄞".repeat(5000);
        let long = status_of(&many);
        assert!(!long.findings.is_empty() && long.findings.len() < MOST_FINDINGS);
        assert_eq!(long.omitted_findings, 5000 - i64::try_from(long.findings.len()).unwrap());
        assert!(serde_json::to_vec(&long).unwrap().len() < 16 << 10);
        assert!(long.findings[0].message.chars().count() <= MOST_WORDS);
    }
}
