//! The report for people: the answer, what to know before reading on, the causes, a line for each subject.

use std::collections::HashSet;
use std::io::{self, Write};

use rustc_hash::FxBuildHasher;
use tabled::builder::Builder;
use tabled::settings::{Padding, Style};

use super::Options;
use super::page::{FAINT, Page, STRONG, aligned, outcome_style, plain_width, severity_style};
use super::subjects::{self, Lines};
use super::summary;
use super::text::{as_u64, clean, count, counted, first, width, wrap};
use crate::model::report::{AuditReport, NoSubjects};
use crate::model::{Finding, Hit, Str};

/// Findings that are told in full before the rest is counted.
const MOST_FINDINGS: usize = 30;

/// Pieces of evidence of a finding that are listed before the rest is counted.
const MOST_EVIDENCE: usize = 4;

/// Groups of hits that need the same, and subjects of one group, that are listed before the rest is counted.
const MOST_GROUPS: usize = 5;
const MOST_OF_A_GROUP: usize = 3;

/// Endpoints of a hit that are listed before the rest is counted.
const MOST_ENDPOINTS: usize = 3;

/// Assumptions that are listed before the rest is counted.
const MOST_ASSUMPTIONS: usize = 10;

/// Columns before the text of a finding, and of its labels.
const INDENT: usize = 4;
const LABEL: usize = INDENT + 11;

/// Columns that the last column of a table keeps at least; where there are fewer, its text goes below the line.
const NARROWEST_COLUMN: usize = 36;

pub(super) fn audit(report: &AuditReport, options: Options, out: &mut dyn Write) -> io::Result<()> {
    let page = &mut Page::new(out, options);
    head(report, page)?;
    causes(&report.findings, page)?;
    table(&subjects::lines(report), page)?;
    foot(report, MOST_ASSUMPTIONS, page)
}

/// The answer and what a reader must know before the rest.
pub(super) fn head(report: &AuditReport, page: &mut Page<'_>) -> io::Result<()> {
    for line in wrap(&summary::headline(report), page.text_width()) {
        page.line(&page.paint(STRONG, &line))?;
    }
    let not_read = summary::not_read(report);
    for what in not_read.iter().take(MOST_ASSUMPTIONS) {
        page.prose("not read  ", 10, what)?;
    }
    if not_read.len() > MOST_ASSUMPTIONS {
        let more = count(as_u64(not_read.len() - MOST_ASSUMPTIONS));
        page.prose("not read  ", 10, &format!("{more} more: -o json"))?;
    }
    for note in summary::left_out(report).iter().chain(&report.notes) {
        page.prose("note      ", 10, note)?;
    }
    report.no_subjects.as_ref().map_or(Ok(()), |none| no_subjects(none, page))
}

fn no_subjects(none: &NoSubjects, page: &mut Page<'_>) -> io::Result<()> {
    page.blank()?;
    for (i, what) in none.looked_for.iter().enumerate() {
        page.prose(if i == 0 { "looked for" } else { "" }, 12, what)?;
    }
    for (i, near) in none.nearest.iter().enumerate() {
        let text = format!("{} {} % ({})", near.name, near.score, near.signals.join(", "));
        page.prose(if i == 0 { "nearest" } else { "" }, 12, &text)?;
    }
    page.prose("hint", 12, &none.hint)
}

fn causes(findings: &[Finding], page: &mut Page<'_>) -> io::Result<()> {
    let shown = &findings[..findings.len().min(MOST_FINDINGS)];
    let titles = shown.iter().map(|finding| width(&clean(&finding.title))).filter(|columns| *columns <= 72).max();
    let marks = INDENT + titles.unwrap_or(0) + 2;
    for (i, finding) in shown.iter().enumerate() {
        page.blank()?;
        cause(i + 1, finding, marks, page)?;
    }
    if findings.len() > shown.len() {
        page.blank()?;
        let more = as_u64(findings.len() - shown.len());
        page.line(&format!("… {}: -o wide", counted(more, "more finding", "more findings")))?;
    }
    Ok(())
}

fn cause(number: usize, finding: &Finding, marks: usize, page: &mut Page<'_>) -> io::Result<()> {
    let title = clean(&finding.title);
    let number = format!("{number:>2}  ");
    let severity = finding.severity.to_string();
    let right = format!("{}  {}", finding.code, page.paint(severity_style(finding.severity), &severity));
    let columns = width(&finding.code) + 2 + width(&severity);
    page.heading(&number, &title, (&right, columns), marks)?;
    let column = aligned(finding.evidence.iter().take(MOST_EVIDENCE + 1));
    list(&finding.evidence, MOST_EVIDENCE, |evidence| page.evidence("", INDENT, evidence, column))?
        .map_or(Ok(()), |more| page.prose("", INDENT, &more))?;
    if !finding.message.is_empty() {
        page.prose("", INDENT, &finding.message)?;
    }
    hits(&finding.hits, page)?;
    if let Some(missing) = &finding.missing {
        page.prose(&label("missing"), LABEL, missing)?;
    }
    let column = aligned(finding.near_misses.iter().take(MOST_EVIDENCE + 1));
    let mut heading = label("near miss");
    list(&finding.near_misses, MOST_EVIDENCE, |near| page.evidence(&std::mem::take(&mut heading), LABEL, near, column))?
        .map_or(Ok(()), |more| page.prose("", LABEL, &more))
}

/// Lists the first `most` items; returns how many there are beyond, in words.
fn list<T>(items: &[T], most: usize, mut each: impl FnMut(&T) -> io::Result<()>) -> io::Result<Option<String>> {
    let most = if items.len() == most + 1 { most + 1 } else { most };
    for item in items.iter().take(most) {
        each(item)?;
    }
    let more = items.len().saturating_sub(most);
    Ok((more > 0).then(|| format!("and {} more", count(as_u64(more)))))
}

fn label(word: &str) -> String {
    format!("{:INDENT$}{word}", "")
}

/// Whom a finding hits. Subjects that it hits in the same way stand together, and the endpoints once.
fn hits(hits: &[Hit], page: &mut Page<'_>) -> io::Result<()> {
    let groups = group(hits);
    let mut rows: Vec<[String; 3]> = Vec::new();
    let mut named: HashSet<&Str, FxBuildHasher> = HashSet::default();
    for group in groups.iter().take(MOST_GROUPS) {
        let endpoints: Vec<_> = group[0].endpoints.iter().map(|endpoint| short(endpoint)).collect();
        let ecosystem = group[0].ecosystem.as_deref().unwrap_or_default();
        let most = if group.len() == MOST_OF_A_GROUP + 1 { group.len() } else { MOST_OF_A_GROUP };
        for (i, hit) in group.iter().take(most).enumerate() {
            let endpoints = if i == 0 { first(&endpoints, MOST_ENDPOINTS) } else { "the same".to_owned() };
            let endpoints = if hit.endpoints.is_empty() { String::new() } else { endpoints };
            rows.push([clean(&hit.subject).into_owned(), clean(ecosystem).into_owned(), endpoints]);
        }
        if group.len() > most {
            rows.push([
                format!("and {} more like it", count(as_u64(group.len() - most))),
                String::new(),
                String::new(),
            ]);
        }
        named.extend(group.iter().map(|hit| &hit.subject));
    }
    let left: HashSet<&Str, FxBuildHasher> = groups
        .iter()
        .skip(MOST_GROUPS)
        .flatten()
        .map(|hit| &hit.subject)
        .filter(|name| !named.contains(name))
        .collect();
    if !left.is_empty() {
        rows.push([
            format!("and {}", counted(as_u64(left.len()), "more subject", "more subjects")),
            String::new(),
            String::new(),
        ]);
    }
    let columns = |at: usize| rows.iter().map(|row| width(&row[at])).max().unwrap_or(0);
    let (subject, ecosystem) = (columns(0) + 2, columns(1));
    let ecosystem = if ecosystem == 0 { 0 } else { ecosystem + 2 };
    for (i, row) in rows.iter().enumerate() {
        let heading = if i == 0 { label("hits") } else { String::new() };
        let gap = subject - width(&row[0]);
        let left = format!("{heading:LABEL$}{}{:gap$}{:<ecosystem$}", row[0], "", row[1]);
        if page.text_width().is_some_and(|table| table < LABEL + subject + ecosystem + NARROWEST_COLUMN) {
            page.line(&left)?;
            if !row[2].is_empty() {
                page.prose("", LABEL + 2, &row[2])?;
            }
        } else {
            page.prose(&left, LABEL + subject + ecosystem, &row[2])?;
        }
    }
    Ok(())
}

/// The hits by what they need, in order of their first appearance.
fn group(hits: &[Hit]) -> Vec<Vec<&Hit>> {
    let mut groups: Vec<Vec<&Hit>> = Vec::new();
    let mut known = std::collections::HashMap::<_, usize, FxBuildHasher>::default();
    for hit in hits {
        let at = *known.entry((&hit.ecosystem, &hit.endpoints)).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[at].push(hit);
    }
    groups
}

/// The endpoint without the port that everybody expects.
pub(super) fn short(endpoint: &str) -> String {
    clean(endpoint.strip_suffix(":443").unwrap_or(endpoint)).into_owned()
}

fn table(lines: &Lines, page: &mut Page<'_>) -> io::Result<()> {
    if lines.lines.is_empty() {
        return Ok(());
    }
    page.blank()?;
    let causes = lines.lines.iter().any(|line| !line.causes.is_empty());
    let heads = if causes { vec!["SUBJECT", "NEEDS", "OUTCOME", "CAUSE"] } else { vec!["SUBJECT", "NEEDS", "OUTCOME"] };
    let mut builder = Builder::new();
    builder.push_record(heads);
    for line in &lines.lines {
        let outcome = line.outcome.map(|outcome| page.paint(outcome_style(outcome.into()), &outcome.to_string()));
        let mut row = vec![line.subject.clone(), line.needs.clone(), outcome.unwrap_or_default()];
        row.extend(causes.then(|| line.causes.clone()));
        builder.push_record(row);
    }
    let mut table = builder.build();
    table.with(Style::empty()).with(Padding::new(0, 2, 0, 0));
    let rows = table.to_string();
    let columns = rows.lines().map(plain_width).max().unwrap_or(0);
    let below = page.table_width().is_some_and(|table| table < columns + NARROWEST_COLUMN);
    let (columns, room) = if below {
        (INDENT, page.table_width().map(|table| table.saturating_sub(INDENT).max(NARROWEST_COLUMN)))
    } else {
        (columns, page.table_width().map(|table| table - columns))
    };
    let decided = std::iter::once("DECIDED BY").chain(lines.lines.iter().map(|line| line.decided_by.as_str()));
    for (row, decided) in rows.lines().zip(decided) {
        let mut left = row;
        if below {
            page.line(row)?;
            left = "";
        }
        if below && decided.is_empty() {
            continue;
        }
        for line in wrap(decided, room) {
            let gap = columns - plain_width(left);
            page.line(&format!("{left}{:gap$}{line}", ""))?;
            left = "";
        }
    }
    for left_out in &lines.left_out {
        page.line(&format!("… {left_out}: -o wide"))?;
    }
    Ok(())
}

/// What the results leave out and take for granted, at most `most` assumptions, and where the facts come from.
pub(super) fn foot(report: &AuditReport, most: usize, page: &mut Page<'_>) -> io::Result<()> {
    page.blank()?;
    if let Some(layers) = summary::not_assessed(report) {
        page.prose("not assessed: ", 14, &layers)?;
    }
    let excepted = summary::excepted(report);
    for line in excepted.iter().take(most) {
        page.prose("accepted: ", 14, line)?;
    }
    if excepted.len() > most {
        page.prose("accepted: ", 14, &format!("{} more: -o wide", count(as_u64(excepted.len() - most))))?;
    }
    let assumptions = summary::assumptions(report);
    let total = report.summary.subjects.total();
    for assumption in assumptions.iter().take(most) {
        page.prose("assumed: ", 14, &summary::assumed(assumption, total))?;
    }
    if assumptions.len() > most {
        page.prose("assumed: ", 14, &format!("{} more: -o wide", count(as_u64(assumptions.len() - most))))?;
    }
    let origin = clean(&summary::origin(report)).into_owned();
    page.line(&page.paint(FAINT, &origin))
}
