//! The report for people and for `grep`: one line a finding, then one line for every subject and endpoint.
//!
//! Lines are as long as they are, and no subject, endpoint or rule is left out. The lines are written one after the other: their
//! number is subjects × endpoints.

use std::io::{self, Write};

use super::Options;
use super::decided::Decided;
use super::page::{Page, outcome_style, place, severity_style};
use super::table::{foot, head};
use super::text::{as_u64, clean, count, width};
use crate::model::report::{AuditReport, ClassResult, EndpointInfo, SubjectInfo};
use crate::model::{Finding, Hit, Outcome, Severity, Str};

pub(super) fn audit(report: &AuditReport, options: Options, out: &mut dyn Write) -> io::Result<()> {
    let page = &mut Page::new(out, Options { width: None, ..options });
    head(report, page)?;
    findings(&report.findings, page)?;
    pairs(&report.results, page)?;
    foot(report, usize::MAX, page)
}

fn findings(findings: &[Finding], page: &mut Page<'_>) -> io::Result<()> {
    if findings.is_empty() {
        return Ok(());
    }
    page.blank()?;
    let rows: Vec<_> = findings.iter().enumerate().map(|(i, finding)| finding_row(i + 1, finding)).collect();
    let heads = ["CAUSE", "CODE", "SEVERITY", "SUBJECTS", "TITLE", "DECIDED BY", "PLACE"];
    let mut columns = heads.map(width);
    for row in &rows {
        for (column, cell) in columns.iter_mut().zip(row) {
            *column = (*column).max(width(cell));
        }
    }
    page.line(&padded(&heads.map(str::to_owned), &columns))?;
    for (row, finding) in rows.iter().zip(findings) {
        let mut cells = padded_cells(row, &columns);
        cells[2] = paint_padded(page, finding.severity, &row[2], columns[2]);
        page.line(&cells.join("  "))?;
    }
    Ok(())
}

fn finding_row(number: usize, finding: &Finding) -> [String; 7] {
    let citations: Vec<_> = finding.evidence.iter().map(|e| clean(&e.citation()).into_owned()).collect();
    let mut places: Vec<_> = finding.evidence.iter().filter_map(place).collect();
    places.dedup();
    [
        number.to_string(),
        finding.code.to_string(),
        finding.severity.to_string(),
        count(as_u64(distinct(&finding.hits))),
        clean(&finding.title).into_owned(),
        citations.join(", "),
        places.join(", "),
    ]
}

fn distinct(hits: &[Hit]) -> usize {
    hits.iter().map(|hit| &hit.subject).collect::<std::collections::HashSet<&Str>>().len()
}

fn paint_padded(page: &Page<'_>, severity: Severity, text: &str, columns: usize) -> String {
    format!("{}{:gap$}", page.paint(severity_style(severity), text), "", gap = columns - width(text))
}

/// What all subjects of a class share: the cells after the first, and the outcome.
struct Tail {
    cells: [String; 7],
    outcome: Outcome,
}

fn pairs(results: &[ClassResult], page: &mut Page<'_>) -> io::Result<()> {
    let classes: Vec<Vec<Tail>> = results.iter().map(tails).collect();
    let mut subjects: Vec<(&SubjectInfo, usize)> = Vec::new();
    for (class, result) in results.iter().enumerate() {
        subjects.extend(result.subjects.iter().map(|subject| (subject, class)));
    }
    if classes.iter().all(Vec::is_empty) || subjects.is_empty() {
        return Ok(());
    }
    subjects.sort_by(|a, b| a.0.cmp(b.0));
    let heads = ["ECOSYSTEM", "ENDPOINT", "NEED", "OUTCOME", "LAYER", "DECIDED BY", "PLACE"];
    let mut columns = heads.map(width);
    for tail in classes.iter().flatten() {
        for (column, cell) in columns.iter_mut().zip(&tail.cells) {
            *column = (*column).max(width(cell));
        }
    }
    let names = subjects.iter().map(|(subject, _)| width(&clean(&subject.name))).max().unwrap_or(0).max(7);
    page.blank()?;
    page.line(&format!("{:names$}  {}", "SUBJECT", padded(&heads.map(str::to_owned), &columns)))?;
    let lines: Vec<Vec<String>> =
        classes.iter().map(|class| class.iter().map(|tail| tail_line(page, tail, &columns)).collect()).collect();
    for (subject, class) in subjects {
        let name = clean(&subject.name);
        let gap = names - width(&name);
        for line in &lines[class] {
            page.line(&format!("{name}{:gap$}  {line}", ""))?;
        }
    }
    Ok(())
}

fn tails(class: &ClassResult) -> Vec<Tail> {
    let mut rows: Vec<(Option<&Str>, &EndpointInfo, Tail)> = Vec::new();
    for path in &class.paths {
        let decided = Decided::of(path);
        for endpoint in &path.endpoints {
            let cells = [
                path.ecosystem.as_deref().map_or_else(|| "-".to_owned(), |name| clean(name).into_owned()),
                clean(&format!("{}/{}", endpoint.label(), endpoint.protocol)).into_owned(),
                need(endpoint),
                path.outcome.to_string(),
                if decided.layers.is_empty() { "-".to_owned() } else { decided.layers() },
                decided.by.join(", "),
                decided.places.join(", "),
            ];
            rows.push((path.ecosystem.as_ref(), endpoint, Tail { cells, outcome: path.outcome }));
        }
    }
    rows.sort_by(|a, b| a.0.cmp(&b.0).then_with(|| a.1.cmp(b.1)));
    rows.into_iter().map(|(_, _, tail)| tail).collect()
}

/// How much the subject needs the endpoint.
pub(super) fn need(endpoint: &EndpointInfo) -> String {
    match (endpoint.required, endpoint.alternative) {
        (true, None) => "required".to_owned(),
        (true, Some(choice)) => format!("one of {choice}"),
        (false, _) => "conditional".to_owned(),
    }
}

fn tail_line(page: &Page<'_>, tail: &Tail, columns: &[usize; 7]) -> String {
    let mut cells = padded_cells(&tail.cells, columns);
    let text = &tail.cells[3];
    cells[3] =
        format!("{}{:gap$}", page.paint(outcome_style(tail.outcome.into()), text), "", gap = columns[3] - width(text));
    cells.join("  ").trim_end().to_owned()
}

fn padded(cells: &[String; 7], columns: &[usize; 7]) -> String {
    padded_cells(cells, columns).join("  ")
}

fn padded_cells(cells: &[String; 7], columns: &[usize; 7]) -> Vec<String> {
    cells.iter().zip(columns).map(|(cell, column)| format!("{cell}{:gap$}", "", gap = column - width(cell))).collect()
}
