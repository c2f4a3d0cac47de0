//! The lines of a report: who, in what, with which outcome, because of what.

use std::collections::{BTreeMap, HashMap};

use rustc_hash::FxBuildHasher;

use super::decided::{Decided, dedup};
use super::text::{as_u64, clean, count, counted, first};
use crate::model::report::{AuditReport, ClassResult, PathResult, SubjectInfo};
use crate::model::{Outcome, Str};

/// Subjects that are named before the rest is counted.
const MOST_SUBJECTS: usize = 50;

/// Subjects of one class that are named where not all can be.
const MOST_OF_A_CLASS: usize = 3;

/// One line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) subject: String,
    pub(super) needs: String,
    pub(super) outcome: Option<Outcome>,
    pub(super) causes: String,
    pub(super) decided_by: String,
}

/// The lines, worst first, and what they leave out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Lines {
    pub(super) lines: Vec<Line>,
    /// Sentences that count what has no line.
    pub(super) left_out: Vec<String>,
}

/// The lines of a report that a person can still read: every subject where they are few, else some of each class.
pub(super) fn lines(report: &AuditReport) -> Lines {
    let total: usize = report.results.iter().map(|class| class.subjects.len()).sum();
    let causes = Causes::of(report);
    let mut classes: Vec<_> = report.results.iter().filter(|class| !class.subjects.is_empty()).collect();
    classes.sort_by(|a, b| b.outcome.cmp(&a.outcome).then_with(|| a.subjects[0].cmp(&b.subjects[0])));
    if total <= MOST_SUBJECTS {
        let verdicts: Vec<_> = classes.iter().map(|class| verdicts(class)).collect();
        let mut subjects: Vec<_> = classes
            .iter()
            .zip(&verdicts)
            .flat_map(|(class, verdicts)| class.subjects.iter().map(move |subject| (class.outcome, subject, verdicts)))
            .collect();
        subjects.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(b.1)));
        let lines = subjects.into_iter().flat_map(|(_, subject, verdicts)| of_subject(subject, verdicts, &causes));
        return Lines { lines: lines.collect(), left_out: Vec::new() };
    }
    sample(&classes, &causes)
}

fn sample(classes: &[&ClassResult], causes: &Causes<'_>) -> Lines {
    let mut all = Lines::default();
    let (mut shown, mut not_shown) = (0, BTreeMap::<Outcome, u64>::new());
    for class in classes {
        let subjects = &class.subjects;
        if shown >= MOST_SUBJECTS {
            *not_shown.entry(class.outcome).or_default() += as_u64(subjects.len());
            continue;
        }
        let most = if subjects.len() == MOST_OF_A_CLASS + 1 { subjects.len() } else { MOST_OF_A_CLASS };
        let verdicts = verdicts(class);
        for subject in subjects.iter().take(most) {
            shown += 1;
            all.lines.extend(of_subject(subject, &verdicts, causes));
        }
        if subjects.len() > most {
            all.lines.push(Line {
                subject: format!("and {} more like it", count(as_u64(subjects.len() - most))),
                needs: String::new(),
                outcome: Some(class.outcome),
                causes: String::new(),
                decided_by: String::new(),
            });
        }
    }
    for (outcome, n) in not_shown.into_iter().rev() {
        let what = match outcome {
            Outcome::Reachable if n == 1 => "that reaches everything it needs",
            Outcome::Reachable => "that reach everything they need",
            Outcome::Partial => "partial",
            Outcome::Unknown => "unknown",
            Outcome::Blocked => "blocked",
        };
        all.left_out.push(format!("{} {what}", counted(n, "more subject", "more subjects")));
    }
    all
}

/// What a class needs that has one outcome.
pub(super) struct Verdict<'a> {
    ecosystems: Vec<&'a Str>,
    needs: String,
    outcome: Outcome,
    decided_by: String,
}

/// The outcomes of a class by what it needs, worst first. The rows are those that decide, the required ones:
/// an ecosystem has the worst of its endpoints, alternatives count as their best, and endpoints without an
/// ecosystem stand for themselves.
fn verdicts(class: &ClassResult) -> Vec<Verdict<'_>> {
    let ecosystems = ecosystem_outcomes(class);
    let mut alone: BTreeMap<Outcome, Vec<String>> = BTreeMap::new();
    for path in class.paths.iter().filter(|path| path.ecosystem.is_none()) {
        let labels = path.endpoints.iter().filter(|endpoint| endpoint.required && endpoint.alternative.is_none());
        alone.entry(path.outcome).or_default().extend(labels.map(|endpoint| clean(&endpoint.label()).into_owned()));
    }
    let mut found = Vec::new();
    for outcome in Outcome::ALL.into_iter().rev() {
        let of_outcome: Vec<_> = ecosystems.iter().filter(|(_, o)| **o == outcome).map(|(name, _)| *name).collect();
        let labels = alone.remove(&outcome).unwrap_or_default();
        let mut needs: Vec<_> = of_outcome.iter().map(|name| clean(name).into_owned()).collect();
        match labels.as_slice() {
            [] => {}
            [one] => needs.push(one.clone()),
            several => needs.push(counted(as_u64(several.len()), "endpoint", "endpoints")),
        }
        if needs.is_empty() {
            continue;
        }
        let decided_by = decided_by(class.paths.iter().filter(|path| {
            let of_outcome = path.ecosystem.as_ref().is_none_or(|ecosystem| of_outcome.contains(&ecosystem));
            of_outcome && path.outcome == outcome && decides(path)
        }));
        found.push(Verdict { ecosystems: of_outcome, needs: needs.join(", "), outcome, decided_by });
    }
    // The class knows best: where the rows do not add up to its outcome, it has the only line.
    if found.first().map(|verdict| verdict.outcome) != Some(class.outcome) {
        let mut names: Vec<_> = class.paths.iter().filter_map(|path| path.ecosystem.as_ref()).collect();
        names.sort_unstable();
        names.dedup();
        let needs = names.iter().map(|name| clean(name).into_owned()).collect::<Vec<_>>().join(", ");
        let needs = if needs.is_empty() { "not known".to_owned() } else { needs };
        let decided_by = decided_by(class.paths.iter().filter(|path| path.outcome == class.outcome));
        return vec![Verdict { ecosystems: names, needs, outcome: class.outcome, decided_by }];
    }
    found
}

fn ecosystem_outcomes(class: &ClassResult) -> BTreeMap<&Str, Outcome> {
    let mut required: BTreeMap<&Str, Vec<Outcome>> = BTreeMap::new();
    let mut choices: BTreeMap<(&Str, u32), Vec<Outcome>> = BTreeMap::new();
    for path in &class.paths {
        let Some(ecosystem) = &path.ecosystem else { continue };
        for endpoint in path.endpoints.iter().filter(|endpoint| endpoint.required) {
            match endpoint.alternative {
                Some(choice) => choices.entry((ecosystem, choice)).or_default().push(path.outcome),
                None => required.entry(ecosystem).or_default().push(path.outcome),
            }
        }
    }
    for ((ecosystem, _), outcomes) in choices {
        required.entry(ecosystem).or_default().extend(Outcome::best(outcomes));
    }
    required.into_iter().filter_map(|(name, outcomes)| Some((name, Outcome::along(outcomes)?))).collect()
}

fn decides(path: &PathResult) -> bool {
    path.endpoints.iter().any(|endpoint| endpoint.required)
}

fn decided_by<'a>(paths: impl Iterator<Item = &'a PathResult>) -> String {
    let mut all: Vec<String> = paths.flat_map(|path| Decided::of(path).by).collect();
    dedup(&mut all);
    first(&all, 2)
}

fn of_subject(subject: &SubjectInfo, verdicts: &[Verdict<'_>], causes: &Causes<'_>) -> Vec<Line> {
    verdicts
        .iter()
        .map(|verdict| Line {
            subject: clean(&subject.name).into_owned(),
            needs: verdict.needs.clone(),
            outcome: Some(verdict.outcome),
            causes: causes.of_line(&subject.name, verdict),
            decided_by: verdict.decided_by.clone(),
        })
        .collect()
}

/// By subject: the numbers of the findings that hit it, with the ecosystem.
struct Causes<'a>(HashMap<&'a str, Vec<(usize, Option<&'a Str>)>, FxBuildHasher>);

impl<'a> Causes<'a> {
    fn of(report: &'a AuditReport) -> Self {
        let mut by_subject: HashMap<&str, Vec<_>, FxBuildHasher> = HashMap::default();
        for (i, finding) in report.findings.iter().enumerate() {
            for hit in &finding.hits {
                by_subject.entry(&hit.subject).or_default().push((i + 1, hit.ecosystem.as_ref()));
            }
        }
        Self(by_subject)
    }

    fn of_line(&self, subject: &str, verdict: &Verdict<'_>) -> String {
        let hits = self.0.get(subject).map(Vec::as_slice).unwrap_or_default();
        let mut numbers: Vec<_> = hits
            .iter()
            .filter(|(_, ecosystem)| ecosystem.is_none_or(|ecosystem| verdict.ecosystems.contains(&ecosystem)))
            .map(|(number, _)| number.to_string())
            .collect();
        numbers.dedup();
        first(&numbers, 4)
    }
}
