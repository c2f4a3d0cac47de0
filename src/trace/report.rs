//! The report of an audit, assembled.

use std::collections::BTreeMap;

use super::audit::{Audit, Question};
use super::context::Context;
use super::objects::{self, finding};
use super::tls::Trust;
use super::{causes, except, results, tls};
use crate::demand::Demand;
use crate::demand::ranges::Ranges;
use crate::model::aws::{AwsList, AwsScope};
use crate::model::codes;
use crate::model::report::{API_VERSION, AuditReport, NoSubjects, NotAssessed, OutcomeCounts, Summary};
use crate::model::{Coverage, Decided, Finding, Layer, ProblemClass, Severity, StepOutcome, Str};

/// What an audit is told about itself.
#[derive(Clone, Debug)]
pub struct About {
    /// `as_of` of the catalogue.
    pub catalogue: Str,
    /// What was looked for, if no subject was found.
    pub looked_for: Vec<String>,
    /// Every running pod was asked for: a matrix, not an audit of builds, so nobody's need is a finding.
    pub matrix: bool,
}

/// Audits a snapshot: the whole evaluation, with what is known about trust from an earlier one, as far as [`Trust`] holds.
pub fn audit(
    context: &Context<'_>,
    demand: &Demand,
    ranges: &Ranges,
    question: &Question,
    about: &About,
    trust: &mut Trust,
) -> AuditReport {
    let audit = Audit::again(context, demand, ranges, question, std::mem::take(trust));
    let report = report(&audit, demand, about);
    *trust = audit.into_trust();
    report
}

/// Puts an evaluated audit into words.
pub fn report(audit: &Audit<'_>, demand: &Demand, about: &About) -> AuditReport {
    let context = audit.context;
    let results = results::results(audit);
    let snapshot = context.snapshot;
    let mut findings = objects::findings(context);
    findings.extend(objects::not_evaluated(context));
    findings.extend(coverage(&snapshot.coverage));
    findings.extend(tls::findings(audit));
    if !about.matrix {
        findings.extend(causes::findings(audit, &results));
    }
    findings.extend(demand.set_problems.iter().map(|problem| {
        let object = &snapshot.others[problem.object];
        let evidence = context.object_evidence(&object.kind, &object.meta, Decided::ByRule);
        finding(problem.code, problem.message.clone(), vec![evidence])
    }));
    let nobody = demand.subjects.is_empty();
    if nobody {
        findings.push(finding(&codes::SUB_NONE, "nothing that was read looks like a build".to_owned(), Vec::new()));
    }
    for finding in &mut findings {
        finding.fingerprint = fingerprint(finding);
    }
    let excepted = except::apply(&mut findings, &audit.question.exceptions, snapshot.instant);
    for finding in &mut findings {
        if finding.fingerprint.is_empty() {
            finding.fingerprint = fingerprint(finding);
        }
        causes::shorten(finding);
    }
    findings.sort_by(|a, b| {
        (a.severity, &a.code, &a.evidence, &a.message).cmp(&(b.severity, &b.code, &b.evidence, &b.message))
    });

    let mut summary =
        Summary { coverage_complete: !snapshot.coverage.iter().any(|c| c.state.is_incomplete()), ..Summary::default() };
    for finding in &findings {
        *summary.findings.entry(finding.severity).or_default() += 1;
    }
    let mut assessed: BTreeMap<Layer, Option<String>> = BTreeMap::new();
    let mut outcomes = OutcomeCounts::default();
    for result in &results {
        let subjects = result.class.subjects.len() as u64;
        summary.subjects.add(result.class.outcome, subjects);
        for path in &result.class.paths {
            outcomes.add(path.outcome, subjects * path.endpoints.len() as u64);
            // Behind a setting that is not interpreted nothing is assessed, for a reason of its own.
            let followed =
                !path.trace.steps.iter().any(|s| s.layer == Layer::Config && s.outcome == StepOutcome::Unknown);
            for step in path.trace.steps.iter().filter(|_| followed) {
                let entry = assessed.entry(step.layer).or_insert_with(|| Some(String::new()));
                match step.outcome {
                    StepOutcome::NotAssessed => {
                        if let Some(why) = entry.as_mut().filter(|why| why.is_empty()) {
                            why.clone_from(&step.summary);
                        }
                    }
                    StepOutcome::NotApplicable => {}
                    _ => *entry = None,
                }
            }
        }
    }
    summary.outcomes = outcomes;
    let not_assessed = assessed
        .into_iter()
        .filter_map(|(layer, why)| Some(NotAssessed { layer, why: why.filter(|w| !w.is_empty())? }))
        .collect();

    AuditReport {
        api_version: API_VERSION.into(),
        kind: "AuditReport".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        cluster: snapshot.cluster.clone(),
        instant: snapshot.instant,
        catalogue: about.catalogue.clone(),
        coverage: snapshot.coverage.clone(),
        notes: notes(context),
        not_assessed,
        summary,
        findings,
        excepted,
        results: results.into_iter().map(|r| r.class).collect(),
        no_subjects: nobody.then(|| NoSubjects {
            looked_for: about.looked_for.clone(),
            nearest: demand.nearest.clone(),
            hint: "name them with --subject, or label them buildreach.dev/build=true; --all-pods asks for every running pod"
                .to_owned(),
        }),
        omitted: None,
    }
}

/// What could not be read becomes a finding as well: an audit that stays silent about it reads as a clean one.
fn coverage(all: &[Coverage]) -> Vec<Finding> {
    let mut by_kind: BTreeMap<(String, bool), Vec<String>> = BTreeMap::new();
    for coverage in all.iter().filter(|c| c.state.is_incomplete() && c.kind != "*") {
        let what = match &coverage.state {
            crate::model::CoverageState::Failed(why) => format!("reading {} failed: {why}", coverage.kind),
            _ => format!("the credentials may not read {}", coverage.kind),
        };
        by_kind
            .entry((what, is_optional(coverage)))
            .or_default()
            .extend(coverage.namespace.as_ref().map(ToString::to_string));
    }
    by_kind
        .into_iter()
        .map(|((what, optional), namespaces)| {
            let message = match namespaces.as_slice() {
                [] => what,
                [one] => format!("{what} in namespace {one}"),
                many => format!("{what} in {} namespaces", many.len()),
            };
            let found = finding(&codes::COV_FORBIDDEN, message, Vec::new());
            if optional { Finding { severity: Severity::Low, ..found } } else { found }
        })
        .collect()
}

/// A list of AWS that an audit can do without: what rests on it is an assumption, or unknown where something that was
/// read refers to it.
fn is_optional(coverage: &Coverage) -> bool {
    let of_aws = coverage.source == "aws" || coverage.source.starts_with("aws ");
    of_aws && AwsList::ALL.iter().any(|list| coverage.kind == list.key() && !list.is_must())
}

/// The lists of AWS that an audit cannot do without and that were not collected, all at once: whoever collects them
/// one after the other meets one reason after the other.
fn not_collected(scope: &AwsScope) -> Option<String> {
    let missing: Vec<&str> = AwsList::ALL
        .iter()
        .filter(|l| l.is_must() && **l != AwsList::PrefixListEntries && !scope.read.contains_key(l))
        .map(|l| l.operation())
        .collect();
    match missing.as_slice() {
        [] => None,
        all => Some(format!("not collected of {} (aws ec2 …): {}", scope.name(), all.join(", "))),
    }
}

/// What a reader must know before the results.
fn notes(context: &Context<'_>) -> Vec<String> {
    let snapshot = context.snapshot;
    let mut notes = Vec::new();
    let products = context.enforcement.products();
    if !products.is_empty() && context.enforcement.nothing_enforces().is_none() {
        notes.push(format!("network policies are enforced by {}", products.join(" and ")));
    }
    notes.extend(snapshot.aws.iter().filter_map(not_collected));
    if snapshot.helm_templates > 0 {
        notes.push(format!(
            "{} Helm templates were not read: helm template … | buildreach audit -",
            snapshot.helm_templates
        ));
    }
    let problems = |class| snapshot.problems.iter().filter(move |p| p.class == class);
    if problems(ProblemClass::NotRendered).next().is_some() {
        notes.push(
            "a kustomization was not rendered: kubectl kustomize … | buildreach audit -, or --kustomize".to_owned(),
        );
    }
    let repeated: u64 = problems(ProblemClass::Duplicate).map(|p| p.count.max(1)).sum();
    if repeated > 0 {
        notes.push(format!("{repeated} names repeat: the folder seems to hold several clusters or environments"));
    }
    if snapshot.namespace_defaulted > 0 {
        notes.push(format!(
            "{} objects name no namespace and were read into `{}`: say another with -n",
            snapshot.namespace_defaulted, snapshot.default_namespace
        ));
    }
    notes
}

/// The same for equal facts: FNV-1a over code, evidence and whom it hits.
fn fingerprint(finding: &Finding) -> Str {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    let mut eat = |text: &str| {
        for byte in text.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    eat(&finding.code);
    for evidence in &finding.evidence {
        eat(&evidence.citation());
    }
    if finding.evidence.is_empty() {
        // Places stand in parentheses: a line that moves makes no new finding.
        let mut outside = true;
        let words: String = finding
            .message
            .chars()
            .filter(|c| {
                outside = *c != '(' && (outside || *c == ')');
                outside
            })
            .collect();
        eat(&words);
    }
    for hit in &finding.hits {
        eat(&hit.subject);
    }
    format!("{hash:016x}").into()
}

/// Whether a finding is at or above a severity.
pub fn reaches(finding: &Finding, threshold: Severity) -> bool {
    finding.severity <= threshold
}
