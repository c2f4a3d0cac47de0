//! The report as JUnit XML: one suite for each subject, one case for each ecosystem and endpoint.
//!
//! A reader of JUnit sees four colours, so what is not known must not look passed: `Blocked` and `Partial` are failures,
//! `Unknown` is an error. What does not decide about the subject is skipped with its outcome as the reason: conditional
//! endpoints that are not reached, and alternatives where another one serves. What no subject's case shows (a policy
//! that the API server rejects, a kind that was not read) has a suite of its own, so that no run that exits with 1 for
//! its findings is all green.

mod write;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::{self, Write};

pub use write::{Case, Junit, Said, Tally, Verdict};

use super::decided::Decided;
use super::page::{place, said};
use super::summary;
use super::text::{as_u64, first};
use crate::model::exception::Excepted;
use crate::model::report::{AuditReport, ClassResult, EndpointInfo, PathResult};
use crate::model::{Finding, Outcome, Severity, StepOutcome, Str};

pub(super) fn audit(report: &AuditReport, out: &mut dyn Write) -> io::Result<()> {
    let classes: Vec<_> = report.results.iter().map(cases).collect();
    let accepted = Accepted::of(report);
    let others = [("coverage", coverage(report)), ("findings", findings(report))];
    let mut total = Tally::default();
    for (class, cases) in report.results.iter().zip(&classes) {
        let apart: Vec<_> = class.subjects.iter().filter_map(|subject| accepted.cases(&subject.name, cases)).collect();
        total.add(&cases.all, as_u64(class.subjects.len() - apart.len()));
        for cases in &apart {
            total.add(cases, 1);
        }
    }
    for (_, cases) in &others {
        total.add(cases, 1);
    }

    let mut junit = Junit::begin(out, total)?;
    let mut subjects: Vec<_> = report
        .results
        .iter()
        .zip(&classes)
        .flat_map(|(class, cases)| class.subjects.iter().map(move |subject| (subject, class, cases)))
        .collect();
    subjects.sort_by(|a, b| a.0.cmp(b.0));
    for (subject, class, cases) in subjects {
        let mut about = vec![("outcome", class.outcome.to_string())];
        about.extend(subject.system.as_ref().map(|system| ("system", system.to_string())));
        about.extend(subject.place.as_ref().map(|place| ("place", place.to_string())));
        let apart = accepted.cases(&subject.name, cases);
        junit.suite(&subject.name, &subject.name, &about, apart.as_deref().unwrap_or(&cases.all))?;
    }
    let about = about(report);
    for (name, cases) in others.iter().filter(|(_, cases)| !cases.is_empty()) {
        junit.suite(&format!("buildreach {name}"), &format!("buildreach.{name}"), &about, cases)?;
    }
    junit.end()
}

/// Where the facts come from.
fn about(report: &AuditReport) -> Vec<(&'static str, String)> {
    let mut about = vec![("instant", report.instant.to_string()), ("version", report.version.to_string())];
    about.extend(report.cluster.as_ref().map(|cluster| ("cluster", cluster.to_string())));
    about
}

/// Who chooses between what: an ecosystem, or what was named without one, and the number of the choice.
type Choice<'a> = (Option<&'a Str>, u32);

/// The cases of each subject of a class, and the label of the endpoint that each is about.
struct Cases {
    all: Vec<Case>,
    labels: Vec<String>,
}

fn cases(class: &ClassResult) -> Cases {
    let mut choices: BTreeMap<Choice<'_>, Outcome> = BTreeMap::new();
    for path in &class.paths {
        for number in path.endpoints.iter().filter(|endpoint| endpoint.required).filter_map(|e| e.alternative) {
            let best = choices.entry((path.ecosystem.as_ref(), number)).or_insert(path.outcome);
            *best = Outcome::best([*best, path.outcome]).unwrap_or(path.outcome);
        }
    }
    let mut found: Vec<(Option<&Str>, &EndpointInfo, Case)> = Vec::new();
    for path in &class.paths {
        let said = told(path);
        for endpoint in &path.endpoints {
            let best = endpoint.alternative.and_then(|number| choices.get(&(path.ecosystem.as_ref(), number)).copied());
            let case = Case { name: name(path, endpoint), verdict: verdict(path, endpoint, best, &said) };
            found.push((path.ecosystem.as_ref(), endpoint, case));
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1)));
    // Readers take cases of one name for one case: clients of one pod may need one endpoint in different ways.
    let mut seen: HashMap<String, u32> = HashMap::new();
    let (labels, mut all): (Vec<_>, Vec<_>) =
        found.into_iter().map(|(_, endpoint, case)| (endpoint.label(), case)).unzip();
    for case in &mut all {
        let times = seen.entry(case.name.clone()).or_default();
        *times += 1;
        if *times > 1 {
            case.name = format!("{} ({times})", case.name);
        }
    }
    Cases { all, labels }
}

/// What exceptions took out of the findings, by subject. Its cases are skipped, unless another finding is left that hits
/// the same endpoint.
struct Accepted<'a> {
    taken: HashMap<&'a str, Vec<&'a Excepted>>,
    left: HashSet<(&'a str, &'a str)>,
}

impl<'a> Accepted<'a> {
    fn of(report: &'a AuditReport) -> Self {
        let mut taken: HashMap<&str, Vec<&Excepted>> = HashMap::new();
        for excepted in &report.excepted {
            if let Some(subject) = &excepted.subject {
                taken.entry(subject).or_default().push(excepted);
            }
        }
        let hits = report.findings.iter().flat_map(|finding| &finding.hits);
        let left = hits
            .filter(|hit| taken.contains_key(hit.subject.as_str()))
            .flat_map(|hit| hit.endpoints.iter().map(|endpoint| (hit.subject.as_str(), endpoint.as_str())))
            .collect();
        Self { taken, left }
    }

    /// The cases of a subject where they are not those of its class.
    fn cases(&self, subject: &str, cases: &Cases) -> Option<Vec<Case>> {
        let taken = self.taken.get(subject)?;
        let mut all = cases.all.clone();
        for (case, label) in all.iter_mut().zip(&cases.labels) {
            let counts = matches!(case.verdict, Verdict::Failure(_) | Verdict::Error(_));
            if !counts || self.left.contains(&(subject, label.as_str())) {
                continue;
            }
            if let Some(by) = taken.iter().find(|by| by.endpoints.iter().any(|endpoint| *endpoint == **label)) {
                let until = by.expires.as_ref().map(|expires| format!(" until {expires}")).unwrap_or_default();
                case.verdict = Verdict::Skipped(format!("accepted{until}: {} ({})", by.reason, by.code));
            }
        }
        Some(all)
    }
}

fn name(path: &PathResult, endpoint: &EndpointInfo) -> String {
    let endpoint = format!("{}/{}", endpoint.label(), endpoint.protocol);
    match &path.ecosystem {
        Some(ecosystem) => format!("{ecosystem} {endpoint}"),
        None => endpoint,
    }
}

fn verdict(path: &PathResult, endpoint: &EndpointInfo, best: Option<Outcome>, said: &Said) -> Verdict {
    if path.outcome == Outcome::Reachable {
        return Verdict::Passed;
    }
    if !endpoint.required {
        return Verdict::Skipped(format!("contacted only in some flows: {}", said.message));
    }
    if let Some(best) = best.filter(|best| *best != path.outcome) {
        return Verdict::Skipped(format!("an alternative to it is {best}: {}", said.message));
    }
    match path.outcome {
        Outcome::Reachable => Verdict::Passed,
        Outcome::Unknown => Verdict::Error(said.clone()),
        Outcome::Blocked | Outcome::Partial => Verdict::Failure(said.clone()),
    }
}

/// What a path says where it does not get through: the deciding rules in a line, and its steps in full.
fn told(path: &PathResult) -> Said {
    if path.outcome == Outcome::Reachable {
        return Said::default();
    }
    let decided = Decided::of(path);
    let by = if decided.by.is_empty() { String::new() } else { format!(": {}", first(&decided.by, 3)) };
    let mut text = String::new();
    let silent = [StepOutcome::Reachable, StepOutcome::NotApplicable, StepOutcome::NotAssessed];
    for step in path.trace.steps.iter().filter(|step| !silent.contains(&step.outcome)) {
        text.push_str(&format!("{} {}: {}\n", step.layer, step.outcome, step.summary));
        for evidence in &step.evidence {
            text.push_str(&format!("  decided by {}{}\n", said(evidence), stands(evidence)));
        }
        for evidence in &step.near_misses {
            text.push_str(&format!("  near miss {}{}\n", said(evidence), stands(evidence)));
        }
        text.extend(step.missing.iter().map(|missing| format!("  missing {missing}\n")));
        text.extend(step.doubts.iter().map(|doubt| format!("  unknown because {}\n", doubt.reason)));
    }
    let at = decided.layers();
    let at = if at.is_empty() { String::new() } else { format!(" at {at}") };
    Said { kind: path.outcome.to_string(), message: format!("{}{at}{by}", path.outcome), text }
}

fn stands(evidence: &crate::model::Evidence) -> String {
    place(evidence).map(|place| format!(" ({place})")).unwrap_or_default()
}

/// What was not read, and whether there was anybody to judge.
fn coverage(report: &AuditReport) -> Vec<Case> {
    let mut cases: Vec<_> = summary::not_read(report)
        .into_iter()
        .map(|what| Case { verdict: Verdict::Error(Said::line(format!("not read: {what}"))), name: what })
        .collect();
    if let Some(none) = &report.no_subjects {
        let why = format!("no build subject was found: {}", none.hint);
        cases.push(Case { name: "build subjects".to_owned(), verdict: Verdict::Skipped(why) });
    }
    if report.omitted.is_some() {
        let what = summary::left_out(report).unwrap_or_default();
        cases.push(Case { name: "whole report".to_owned(), verdict: Verdict::Error(Said::line(what)) });
    }
    cases
}

/// The findings that no case of a subject shows.
fn findings(report: &AuditReport) -> Vec<Case> {
    let failing = Failing::of(report);
    let shown = report.findings.iter().filter(|finding| !failing.shows(finding));
    shown
        .map(|finding| {
            let mut lines: Vec<_> = finding.evidence.iter().map(|e| format!("{}{}", said(e), stands(e))).collect();
            lines.extend(finding.hits.iter().take(20).map(|hit| format!("hits {}", hit.subject)));
            let more = as_u64(finding.hits.len().saturating_sub(20)) + finding.more_hits;
            if more > 0 {
                lines.push(format!("and {more} more subjects"));
            }
            let said =
                Said { kind: finding.severity.to_string(), message: finding.message.clone(), text: lines.join("\n") };
            let verdict = match finding.severity {
                Severity::Critical | Severity::High => Verdict::Failure(said),
                _ => Verdict::Skipped(format!("{}: {}", finding.severity, finding.message)),
            };
            Case { name: format!("{} {} [{}]", finding.code, finding.title, finding.fingerprint), verdict }
        })
        .collect()
}

/// The endpoints with a failing case, by subject.
struct Failing<'a> {
    classes: Vec<HashSet<String>>,
    subjects: HashMap<&'a str, usize>,
}

impl<'a> Failing<'a> {
    fn of(report: &'a AuditReport) -> Self {
        let mut all = Self { classes: Vec::new(), subjects: HashMap::new() };
        for class in &report.results {
            let failing = class.paths.iter().filter(|path| path.outcome != Outcome::Reachable);
            let labels = failing.flat_map(|p| p.endpoints.iter()).filter(|e| e.required && e.alternative.is_none());
            all.subjects.extend(class.subjects.iter().map(|subject| (subject.name.as_str(), all.classes.len())));
            all.classes.push(labels.map(EndpointInfo::label).collect());
        }
        all
    }

    fn shows(&self, finding: &Finding) -> bool {
        finding.hits.iter().any(|hit| {
            let labels = self.subjects.get(hit.subject.as_str()).map(|class| &self.classes[*class]);
            labels.is_some_and(|labels| hit.endpoints.iter().any(|endpoint| labels.contains(endpoint.as_str())))
        })
    }
}
