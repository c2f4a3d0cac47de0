//! What has changed since another report, in words.

use super::markdown::{code, prose};
use super::text::{as_u64, clean, count, counted};
use crate::model::Outcome;
use crate::model::changes::{Changes, FindingName, SubjectChange};

/// Items of one list that are told before the rest is counted.
const MOST: usize = 10;

/// The difference in one sentence.
pub fn headline(changes: &Changes) -> String {
    let counts = changes.counts();
    if counts.is_nothing() {
        return format!("nothing has changed since {}", changes.since);
    }
    let mut parts = Vec::new();
    let mut add = |n: usize, one: &str, many: &str| {
        if n > 0 {
            parts.push(counted(as_u64(n), one, many));
        }
    };
    add(counts.new_findings, "new finding", "new findings");
    add(counts.gone_findings, "finding is gone", "findings are gone");
    add(counts.accepted_findings, "finding is accepted now", "findings are accepted now");
    add(counts.changed_findings, "finding hits others", "findings hit others");
    add(counts.subjects, "subject has changed", "subjects have changed");
    format!("since {}: {}", changes.since, parts.join(", "))
}

/// The difference for a terminal or a log: the sentence, then a line for each of the first items of each list.
pub fn text(changes: &Changes) -> Vec<String> {
    let mut all = vec![headline(changes)];
    for (label, lines) in lists(changes, &|text| clean(text).into_owned(), &|text| clean(text).into_owned()) {
        all.extend(lines.into_iter().map(|line| format!("  {label:<9} {line}")));
    }
    all.extend(changes.caveats.iter().map(|caveat| format!("  note      {}", clean(caveat))));
    all
}

/// The difference as a section of a Markdown page, with an empty line after it.
pub fn markdown(changes: &Changes) -> String {
    let mut page = format!("{}\n\n", prose(&capital(&headline(changes))));
    let mut lines: Vec<String> = Vec::new();
    for (label, items) in lists(changes, &prose, &code) {
        lines.extend(items.into_iter().map(|line| format!("- {label}: {line}")));
    }
    lines.extend(changes.caveats.iter().map(|caveat| format!("- note: {}", prose(caveat))));
    if !lines.is_empty() {
        page.push_str(&lines.join("\n"));
        page.push_str("\n\n");
    }
    page
}

type Words<'a> = &'a dyn Fn(&str) -> String;

/// The lists with their labels; `words` is for sentences, `name` for names.
fn lists(changes: &Changes, words: Words<'_>, name: Words<'_>) -> Vec<(&'static str, Vec<String>)> {
    let finding = |finding: &FindingName| {
        let by = finding.decided_by.as_deref().map(|by| format!(" ({})", words(by))).unwrap_or_default();
        format!("{} {} {}{by}", finding.code, finding.severity, words(&finding.title))
    };
    let others = changes.changed.iter().map(|change| {
        let mut hits = Vec::new();
        if change.newly_hit > 0 {
            hits.push(format!("hits {} more", count(change.newly_hit)));
        }
        if change.no_longer_hit > 0 {
            hits.push(format!("no longer hits {}", counted(change.no_longer_hit, "subject", "subjects")));
        }
        if hits.is_empty() {
            hits.push("hits the same subjects in another way".to_owned());
        }
        format!("{}: {}", finding(&change.finding), hits.join(", "))
    });
    let outcome = |outcome: Option<Outcome>| outcome.map_or_else(|| "not there".to_owned(), |is| is.to_string());
    let subject =
        |change: &SubjectChange| format!("{} {} → {}", name(&change.name), outcome(change.was), outcome(change.is));
    vec![
        ("new", first(changes.new.iter().map(finding))),
        ("gone", first(changes.gone.iter().map(finding))),
        ("accepted", first(changes.accepted.iter().map(finding))),
        ("changed", first(others)),
        ("subject", first(changes.subjects.iter().map(subject))),
    ]
}

/// The first items, and how many there are beyond.
fn first(items: impl ExactSizeIterator<Item = String>) -> Vec<String> {
    let more = items.len().saturating_sub(MOST);
    let mut all: Vec<_> = items.take(MOST).collect();
    if more > 0 {
        all.push(format!("and {} more", count(as_u64(more))));
    }
    all
}

fn capital(text: &str) -> String {
    let mut rest = text.chars();
    rest.next().map(|first| first.to_uppercase().chain(rest).collect()).unwrap_or_default()
}
