//! One trace for people, layer by layer: every gate on the path, what decided there and where that stands.

use std::io::{self, Write};

use super::Options;
use super::page::{FAINT, Page, STRONG, aligned, outcome_style, plain_width};
use super::text::{clean, width};
use crate::model::report::Explanation;
use crate::model::{Outcome, Step, StepOutcome};

/// Columns of the label before a piece of evidence.
const LABEL: usize = 12;

pub(super) fn text(explanation: &Explanation, options: Options, out: &mut dyn Write) -> io::Result<()> {
    let page = &mut Page::new(out, options);
    let question = question(explanation);
    let answer = page.paint(outcome_style(explanation.outcome.into()), &answer(explanation));
    page.line(&format!("{}    {answer}", page.paint(STRONG, &question)))?;
    for (label, text) in about(explanation) {
        page.prose(&format!(" {label}"), 9, &text)?;
    }
    page.blank()?;
    let assessed: Vec<_> =
        explanation.trace.steps.iter().filter(|step| step.outcome != StepOutcome::NotAssessed).collect();
    let layers = assessed.iter().map(|step| width(&step.layer.to_string())).max().unwrap_or(0) + 2;
    let outcomes = assessed.iter().map(|step| width(&step.outcome.to_string())).max().unwrap_or(0) + 2;
    for step in assessed {
        one_step(step, layers, outcomes, page)?;
    }
    if let Some(rest) = not_assessed(explanation) {
        page.prose(" not assessed: ", 15, &rest)?;
    }
    for doubt in doubts_of_the_whole(explanation) {
        page.prose(" unknown because: ", 18, doubt)?;
    }
    Ok(())
}

/// Who asks for what.
pub(super) fn question(explanation: &Explanation) -> String {
    let endpoint = &explanation.endpoint;
    clean(&format!("{} → {}/{}", explanation.subject.name, endpoint.label(), endpoint.protocol)).into_owned()
}

/// The outcome and the layers that make it.
pub(super) fn answer(explanation: &Explanation) -> String {
    let outcome = explanation.outcome;
    if outcome == Outcome::Reachable {
        return outcome.to_string();
    }
    let layers: Vec<_> = explanation
        .trace
        .steps
        .iter()
        .filter(|step| step.outcome.outcome() == Some(outcome))
        .map(|step| format!("at {}", step.layer))
        .collect();
    if layers.is_empty() { outcome.to_string() } else { format!("{outcome} {}", layers.join(" and ")) }
}

/// Why the subject counts as a build, and why it needs the endpoint.
pub(super) fn about(explanation: &Explanation) -> Vec<(&'static str, String)> {
    let mut about = Vec::new();
    let subject = &explanation.subject;
    let mut build: Vec<String> = Vec::new();
    build.extend(subject.system.as_deref().map(str::to_owned));
    if subject.predicted {
        build.push("predicted from its template, no such pod runs now".to_owned());
    }
    build.extend(subject.signals.iter().cloned());
    build.extend(subject.place.as_ref().map(ToString::to_string));
    if !build.is_empty() {
        about.push(("build", build.join(", ")));
    }
    let endpoint = &explanation.endpoint;
    let need = match (endpoint.required, endpoint.alternative) {
        (true, None) => "required",
        (true, Some(_)) => "required, this or one of its alternatives",
        (false, _) => "conditional",
    };
    match &endpoint.why {
        Some(why) => about.push(("needed", format!("{need}: {why}"))),
        None => about.push(("needed", need.to_owned())),
    }
    about
}

/// The layers that take no part because nothing is known of them: `mesh (no mesh found)`.
pub(super) fn not_assessed(explanation: &Explanation) -> Option<String> {
    let layers: Vec<_> = explanation
        .trace
        .steps
        .iter()
        .filter(|step| step.outcome == StepOutcome::NotAssessed)
        .map(|step| {
            if step.summary.is_empty() { step.layer.to_string() } else { format!("{} ({})", step.layer, step.summary) }
        })
        .collect();
    if layers.is_empty() { None } else { Some(layers.join(", ")) }
}

/// The doubts that no step has.
pub(super) fn doubts_of_the_whole(explanation: &Explanation) -> impl Iterator<Item = &str> {
    explanation
        .doubts
        .iter()
        .filter(|doubt| !explanation.trace.steps.iter().any(|step| step.doubts.contains(doubt)))
        .map(|doubt| doubt.reason.as_str())
}

fn one_step(step: &Step, layers: usize, outcomes: usize, page: &mut Page<'_>) -> io::Result<()> {
    let outcome = step.outcome.to_string();
    let painted = page.paint(outcome_style(step.outcome), &outcome);
    let gap = outcomes - width(&outcome);
    let left = format!(" {:<layers$}{painted}{:gap$}", step.layer.to_string(), "");
    let columns = plain_width(&left);
    page.prose(&left, columns, &step.summary)?;
    let column = aligned(step.evidence.iter().chain(&step.near_misses).map(|evidence| &**evidence));
    let label = |page: &Page<'_>, word: &str| format!("{:columns$}{}", "", page.paint(FAINT, word));
    for evidence in &step.evidence {
        page.evidence(&label(page, "decided by"), columns + LABEL, evidence, column)?;
    }
    if let Some(missing) = &step.missing {
        page.prose(&label(page, "missing"), columns + LABEL, missing)?;
    }
    for near in &step.near_misses {
        page.evidence(&label(page, "near miss"), columns + LABEL, near, column)?;
    }
    // What the summary says already is not said again.
    for doubt in step.doubts.iter().filter(|doubt| !step.summary.contains(&doubt.reason)) {
        page.prose(&label(page, "unknown"), columns + LABEL, &doubt.reason)?;
    }
    for assumption in &step.assumptions {
        page.prose(&label(page, "assumed"), columns + LABEL, assumption)?;
    }
    Ok(())
}
