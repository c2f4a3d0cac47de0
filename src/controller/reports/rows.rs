//! What an audit says about a class of subjects, as the rows of a report. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use aws_lc_rs::digest::{self, SHA256};
use rustc_hash::FxHashMap;
use serde::Serialize;

use crate::model::exception::Excepted;
use crate::model::report::{AuditReport, ClassResult, EndpointInfo, PathResult};
use crate::model::{Evidence, Finding, Outcome, Severity, Step, Str, codes, words};

/// The longest sentence in a row, in characters.
const MOST_WORDS: usize = 600;

/// The result of a row, in the words of the report APIs; the worst first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(in crate::controller) enum Verdict {
    /// It is blocked, or fails now and then, and the subject requires it.
    Fail,
    /// It cannot be told.
    Error,
    /// It is blocked and only some flows need it, or another endpoint serves instead; or something else is worth knowing.
    Warn,
    /// Somebody accepts it.
    Skip,
    /// It is reached.
    Pass,
}

/// One result. The order is that of a report: what is cut off first is what is reached.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(in crate::controller) struct Row {
    pub(in crate::controller) result: Verdict,
    pub(in crate::controller) severity: Severity,
    /// Code of the finding; where there is none, the outcome.
    pub(in crate::controller) rule: Str,
    pub(in crate::controller) category: &'static str,
    pub(in crate::controller) message: String,
    pub(in crate::controller) properties: BTreeMap<&'static str, String>,
    /// Codes of all findings that decide.
    #[serde(skip)]
    codes: Vec<Str>,
    /// Of the endpoint; `None` for what is about no endpoint.
    #[serde(skip)]
    pub(in crate::controller) outcome: Option<Outcome>,
    /// Whether the subject fails without the endpoint.
    #[serde(skip)]
    pub(in crate::controller) required: bool,
}

/// Rows in order.
#[derive(Debug)]
pub(in crate::controller) struct Rows {
    pub(in crate::controller) rows: Vec<Row>,
    /// SHA-256 of what they say.
    pub(in crate::controller) digest: [u8; 32],
}

impl Rows {
    pub(in crate::controller) fn new(mut rows: Vec<Row>) -> Self {
        rows.sort();
        rows.dedup();
        // Rows hold nothing that JSON has no form for.
        let text = serde_json::to_vec(&rows).unwrap_or_default();
        Self { rows, digest: sha256(&[&text]) }
    }
}

/// SHA-256 of parts, each of which is told apart from the next.
pub(super) fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&SHA256);
    for part in parts {
        context.update(&(part.len() as u64).to_be_bytes());
        context.update(part);
    }
    let mut out = [0; 32];
    out.copy_from_slice(context.finish().as_ref());
    out
}

/// A report of an audit, so that rows find what they are about.
pub(in crate::controller) struct Index<'a> {
    report: &'a AuditReport,
    /// Findings by what decides them.
    by_evidence: BTreeMap<Vec<&'a Evidence>, Vec<usize>>,
    /// Findings by whom they hit, with the place in their hits.
    by_subject: FxHashMap<&'a str, Vec<(usize, usize)>>,
    /// What is accepted, by whom it hits.
    accepted: FxHashMap<&'a str, Vec<&'a Excepted>>,
    own: FxHashMap<Vec<Found<'a>>, Arc<Rows>>,
}

impl<'a> Index<'a> {
    pub(in crate::controller) fn new(report: &'a AuditReport) -> Self {
        let mut index = Self {
            report,
            by_evidence: BTreeMap::new(),
            by_subject: FxHashMap::default(),
            accepted: FxHashMap::default(),
            own: FxHashMap::default(),
        };
        for (at, finding) in report.findings.iter().enumerate() {
            index.by_evidence.entry(finding.evidence.iter().collect()).or_default().push(at);
            for (hit, found) in finding.hits.iter().enumerate() {
                index.by_subject.entry(&found.subject).or_default().push((at, hit));
            }
        }
        for one in &report.excepted {
            if let Some(subject) = &one.subject {
                index.accepted.entry(subject).or_default().push(one);
            }
        }
        index
    }

    /// A row for each endpoint of a class, and the findings that they name.
    pub(in crate::controller) fn rows(&self, class: &ClassResult) -> (Vec<Row>, BTreeSet<usize>) {
        let mut used = BTreeSet::new();
        let mut best: FxHashMap<u32, u8> = FxHashMap::default();
        for path in &class.paths {
            for choice in path.endpoints.iter().filter_map(|endpoint| endpoint.alternative) {
                let known = best.entry(choice).or_default();
                *known = (*known).max(goodness(path.outcome));
            }
        }
        let mut rows = Vec::new();
        for path in &class.paths {
            for endpoint in &path.endpoints {
                let is_served = endpoint
                    .alternative
                    .and_then(|choice| best.get(&choice))
                    .is_some_and(|best| *best > goodness(path.outcome));
                let findings = self.deciding(path, endpoint);
                used.extend(findings.iter().copied());
                rows.push(self.row(path, endpoint, &findings, is_served));
            }
        }
        (rows, used)
    }

    /// The findings that say why an endpoint is not reached, in path order.
    fn deciding(&self, path: &PathResult, endpoint: &EndpointInfo) -> Vec<usize> {
        if path.outcome == Outcome::Reachable {
            return Vec::new();
        }
        let mut found = Vec::new();
        for step in path.trace.steps.iter().filter(|step| step.outcome == path.outcome.into()) {
            let evidence: Vec<&Evidence> = step.evidence.iter().map(|one| &**one).collect();
            let says_so = |at: &&usize| words(step) == self.report.findings[**at].message;
            let candidates: Vec<usize> =
                self.by_evidence.get(&evidence).into_iter().flatten().filter(says_so).copied().collect();
            // One gate makes a finding of its own for what is needed only in some flows.
            let is_of_its_kind =
                |at: &&usize| (self.report.findings[**at].code == codes::NET_CONDITIONAL.id) != endpoint.required;
            found.extend(candidates.iter().find(is_of_its_kind).or(candidates.first()));
        }
        found.dedup();
        found
    }

    fn row(&self, path: &PathResult, endpoint: &EndpointInfo, findings: &[usize], is_served: bool) -> Row {
        let result = match path.outcome {
            Outcome::Reachable => Verdict::Pass,
            Outcome::Unknown => Verdict::Error,
            Outcome::Blocked | Outcome::Partial if endpoint.required && !is_served => Verdict::Fail,
            Outcome::Blocked | Outcome::Partial => Verdict::Warn,
        };
        let findings: Vec<&Finding> = findings.iter().map(|at| &self.report.findings[*at]).collect();
        let first = findings.first();
        let steps: Vec<&Step> =
            path.trace.steps.iter().map(|step| &**step).filter(|step| step.outcome == path.outcome.into()).collect();
        let mut properties = BTreeMap::from([
            ("endpoint", endpoint.label()),
            ("protocol", endpoint.protocol.to_string()),
            ("outcome", path.outcome.to_string()),
            ("required", endpoint.required.to_string()),
        ]);
        if let Some(ecosystem) = &path.ecosystem {
            properties.insert("ecosystem", ecosystem.to_string());
        }
        let message = if path.outcome == Outcome::Reachable {
            format!("{} is reached", endpoint.label())
        } else {
            let layers: Vec<String> = steps.iter().map(|step| step.layer.to_string()).collect();
            properties.insert("layer", layers.join(", "));
            let mut cited: Vec<String> =
                steps.iter().flat_map(|step| &step.evidence).map(|evidence| evidence.citation()).collect();
            cited.dedup();
            if !cited.is_empty() {
                let is_closed = matches!(path.outcome, Outcome::Blocked | Outcome::Partial);
                properties.insert(if is_closed { "blockedBy" } else { "decidedBy" }, short(&cited.join("; ")));
            }
            let said: Vec<String> = steps.iter().map(|step| words(step)).collect();
            format!("{} is {}: {}", endpoint.label(), in_words(path.outcome), said.join("; "))
        };
        if let Some(first) = first {
            properties.insert("fingerprint", first.fingerprint.to_string());
            if let Some(missing) = &first.missing {
                properties.insert("missing", short(missing));
            }
        }
        if findings.len() > 1 {
            let also: Vec<&str> = findings[1..].iter().map(|finding| finding.code.as_str()).collect();
            properties.insert("also", also.join(", "));
        }
        let without = if result == Verdict::Pass { Severity::Info } else { Severity::Medium };
        let severity = findings.iter().map(|finding| finding.severity).min().unwrap_or(without);
        let rule = first.map_or_else(|| Str::from(path.outcome.to_string()), |finding| finding.code.clone());
        Row {
            result,
            severity,
            category: category(&rule),
            rule,
            message: short(&message),
            properties,
            codes: findings.iter().map(|finding| finding.code.clone()).collect(),
            outcome: Some(path.outcome),
            required: endpoint.required,
        }
    }

    /// The rows of a subject of which something is accepted; `None` where nothing is.
    pub(in crate::controller) fn accepted(&self, subject: &str, rows: &[Row]) -> Option<Rows> {
        let accepted = self.accepted.get(subject)?;
        let mut rows = rows.to_vec();
        let mut told = vec![false; accepted.len()];
        for row in rows.iter_mut().filter(|row| row.result != Verdict::Pass) {
            let Some(endpoint) = row.properties.get("endpoint").cloned() else { continue };
            let mut left = row.codes.clone();
            let mut taken = None;
            for (at, one) in accepted.iter().enumerate() {
                if !one.endpoints.iter().any(|label| **label == *endpoint) {
                    continue;
                }
                // A finding of which everything is accepted is not there any more.
                let had_one = row.outcome != Some(Outcome::Unknown) || row.required;
                if left.contains(&one.code) || (row.codes.is_empty() && had_one) {
                    left.retain(|code| *code != one.code);
                    told[at] = true;
                    taken = Some(one);
                }
            }
            match (taken, left.first()) {
                (Some(one), None) => {
                    row.result = Verdict::Skip;
                    row.rule = one.code.clone();
                    row.category = category(&row.rule);
                    row.message = short(&format!("accepted: {}. {}", one.reason, row.message));
                    row.properties.insert("fingerprint", one.fingerprint.to_string());
                    row.properties.extend(one.expires.as_ref().map(|until| ("expires", until.to_string())));
                }
                (Some(_), Some(code)) => row.rule = code.clone(),
                (None, _) => {}
            }
        }
        for one in accepted.iter().zip(told).filter_map(|(one, told)| (!told).then_some(one)) {
            let mut properties = BTreeMap::from([("fingerprint", one.fingerprint.to_string())]);
            properties.extend(one.expires.as_ref().map(|until| ("expires", until.to_string())));
            endpoints(&mut properties, &one.endpoints);
            rows.push(Row {
                result: Verdict::Skip,
                severity: codes::find(&one.code).map_or(Severity::Info, |code| code.severity),
                rule: one.code.clone(),
                category: category(&one.code),
                message: short(&format!("accepted: {}. {}", one.reason, one.title)),
                properties,
                codes: Vec::new(),
                outcome: None,
                required: false,
            });
        }
        Some(Rows::new(rows))
    }

    /// What was found about a subject that no row of its class says. Subjects about which the same was found share it.
    pub(in crate::controller) fn own(&mut self, subject: &str, used: &BTreeSet<usize>) -> Option<Arc<Rows>> {
        let all = self.by_subject.get(subject)?.iter().filter(|(at, _)| !used.contains(at));
        let found: Vec<Found<'a>> =
            all.map(|(at, hit)| (*at, &*self.report.findings[*at].hits[*hit].endpoints)).collect();
        if found.is_empty() {
            return None;
        }
        let report = self.report;
        Some(Arc::clone(self.own.entry(found).or_insert_with_key(|found| Arc::new(own(report, found)))))
    }
}

/// A finding, and the endpoints of a subject that it hits.
type Found<'a> = (usize, &'a [Str]);

fn own(report: &AuditReport, found: &[Found<'_>]) -> Rows {
    let rows = found
        .iter()
        .map(|(at, hit)| {
            let finding = &report.findings[*at];
            let mut properties = BTreeMap::from([("fingerprint", finding.fingerprint.to_string())]);
            endpoints(&mut properties, hit);
            if let Some(evidence) = finding.evidence.first() {
                properties.insert("decidedBy", short(&evidence.citation()));
            }
            properties.extend(finding.missing.as_ref().map(|missing| ("missing", short(missing))));
            Row {
                result: Verdict::Warn,
                severity: finding.severity,
                rule: finding.code.clone(),
                category: category(&finding.code),
                message: short(if finding.message.is_empty() { &finding.title } else { &finding.message }),
                properties,
                codes: Vec::new(),
                outcome: None,
                required: false,
            }
        })
        .collect();
    Rows::new(rows)
}

fn endpoints(properties: &mut BTreeMap<&'static str, String>, labels: &[Str]) {
    properties.extend(labels.first().map(|label| ("endpoint", label.to_string())));
    if labels.len() > 1 {
        properties.insert("moreEndpoints", (labels.len() - 1).to_string());
    }
}

/// The best of several of which any serves (`Reachable` > `Partial` > `Unknown` > `Blocked`).
fn goodness(outcome: Outcome) -> u8 {
    match outcome {
        Outcome::Reachable => 3,
        Outcome::Partial => 2,
        Outcome::Unknown => 1,
        Outcome::Blocked => 0,
    }
}

/// What a step says: the message of the finding that it causes.
fn words(step: &Step) -> String {
    if step.doubts.is_empty() {
        return step.summary.clone();
    }
    let mut reasons: Vec<&str> = step.doubts.iter().map(|doubt| doubt.reason.as_str()).collect();
    reasons.dedup();
    reasons.join("; ")
}

fn in_words(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Reachable => "reached",
        Outcome::Blocked => "blocked",
        Outcome::Partial => "reached in part only",
        Outcome::Unknown => "reached or not: it cannot be told",
    }
}

/// What a code is about.
fn category(code: &str) -> &'static str {
    match code.split('-').nth(1) {
        Some("AWS") => "Cloud network",
        Some("CFG") => "Build configuration",
        Some("DNS") => "DNS",
        Some("TLS") => "Certificate trust",
        _ => "Network egress",
    }
}

/// One line of bounded length.
pub(in crate::controller) fn short(text: &str) -> String {
    words::at_most_chars(&words::one_line(text), MOST_WORDS)
}
