//! What decided a result, in a line.

use super::page::place;
use super::text::{clean, first};
use crate::model::report::PathResult;
use crate::model::{Layer, Outcome, Step};

/// Pieces of evidence that a line names before it says how many more there are.
const MOST: usize = 3;

/// What decided one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Decided {
    /// The layers whose outcome is that of the path; empty for `Reachable`.
    pub(super) layers: Vec<Layer>,
    /// The deciding rules, or why there is none.
    pub(super) by: Vec<String>,
    /// Where the deciding rules stand.
    pub(super) places: Vec<String>,
}

impl Decided {
    pub(super) fn of(path: &PathResult) -> Self {
        let steps = deciding(path);
        let mut decided = Self { layers: Vec::new(), by: Vec::new(), places: Vec::new() };
        if path.outcome != Outcome::Reachable {
            decided.layers = steps.iter().map(|step| step.layer).collect();
        }
        for step in steps {
            decided.by.push(said(step, path.outcome));
            decided.places.extend(step.evidence.iter().filter_map(|evidence| place(evidence)));
        }
        dedup(&mut decided.by);
        dedup(&mut decided.places);
        decided
    }

    /// The layers in one line.
    pub(super) fn layers(&self) -> String {
        self.layers.iter().map(Layer::to_string).collect::<Vec<_>>().join(",")
    }
}

/// The steps to cite. A path that gets through does so at every layer; what a reader asks then is which
/// policy lets it pass, so that is the one to name.
fn deciding(path: &PathResult) -> Vec<&Step> {
    let same: Vec<_> = path
        .trace
        .steps
        .iter()
        .map(|step| &**step)
        .filter(|step| step.outcome.outcome() == Some(path.outcome))
        .collect();
    if path.outcome == Outcome::Reachable {
        let policy = same.iter().find(|step| step.layer == Layer::Policy).or(same.last());
        return policy.copied().into_iter().collect();
    }
    if same.is_empty() { path.trace.deciding().collect() } else { same }
}

fn said(step: &Step, outcome: Outcome) -> String {
    let cited: Vec<_> = step.evidence.iter().map(|evidence| clean(&evidence.citation()).into_owned()).collect();
    let cited = first(&cited, MOST);
    let summary = clean(&step.summary);
    match outcome {
        Outcome::Blocked | Outcome::Reachable if !cited.is_empty() => cited,
        Outcome::Blocked | Outcome::Reachable => summary.into_owned(),
        Outcome::Partial if cited.is_empty() || summary.contains(&cited) => summary.into_owned(),
        Outcome::Partial => format!("{summary}: {cited}"),
        Outcome::Unknown if step.doubts.is_empty() => summary.into_owned(),
        Outcome::Unknown => {
            let reasons: Vec<_> = step.doubts.iter().map(|doubt| clean(&doubt.reason).into_owned()).collect();
            first(&reasons, 2)
        }
    }
}

/// Leaves the first of equal items.
pub(super) fn dedup(items: &mut Vec<String>) {
    let mut seen = std::collections::HashSet::new();
    items.retain(|item| seen.insert(item.clone()));
}
