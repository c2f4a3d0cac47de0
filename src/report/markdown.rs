//! The report for the summary of a CI job: what the table says, as GitHub Flavored Markdown.

use std::io::{self, Write};

use super::explain;
use super::page::{place, said};
use super::subjects;
use super::summary;
use super::text::{as_u64, clean, count, counted, first};
use crate::model::report::{AuditReport, Explanation};
use crate::model::{Evidence, Finding, StepOutcome};

/// Findings that are told in full before the rest is counted: a job summary has a size limit.
const MOST_FINDINGS: usize = 30;

/// Items of a list inside a finding before the rest is counted.
const MOST: usize = 5;

pub(super) fn audit(report: &AuditReport, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## {}\n", prose(&summary::headline(report)))?;
    let not_read: Vec<_> = summary::not_read(report).iter().map(|what| format!("not read: {}", prose(what))).collect();
    let notes: Vec<_> = summary::left_out(report).iter().chain(&report.notes).map(|note| prose(note)).collect();
    for note in not_read.iter().chain(&notes) {
        writeln!(out, "> {note}  ")?;
    }
    if !not_read.is_empty() || !notes.is_empty() {
        writeln!(out)?;
    }
    if let Some(none) = &report.no_subjects {
        for what in &none.looked_for {
            writeln!(out, "- looked for {}", prose(what))?;
        }
        for near in &none.nearest {
            writeln!(out, "- nearest: {} {} % ({})", code(&near.name), near.score, prose(&near.signals.join(", ")))?;
        }
        writeln!(out, "\n{}\n", prose(&none.hint))?;
    }
    for (i, finding) in report.findings.iter().take(MOST_FINDINGS).enumerate() {
        cause(i + 1, finding, out)?;
    }
    if report.findings.len() > MOST_FINDINGS {
        let more = as_u64(report.findings.len() - MOST_FINDINGS);
        writeln!(out, "… {}\n", counted(more, "more finding", "more findings"))?;
    }
    table(report, out)?;
    if let Some(layers) = summary::not_assessed(report) {
        writeln!(out, "Not assessed: {}\n", prose(&layers))?;
    }
    let excepted = summary::excepted(report);
    if !excepted.is_empty() {
        writeln!(out, "Accepted:\n")?;
        for line in excepted.iter().take(MOST_FINDINGS) {
            writeln!(out, "- {}", prose(line))?;
        }
        if excepted.len() > MOST_FINDINGS {
            writeln!(out, "- and {} more", count(as_u64(excepted.len() - MOST_FINDINGS)))?;
        }
        writeln!(out)?;
    }
    let assumptions = summary::assumptions(report);
    if !assumptions.is_empty() {
        writeln!(out, "Assumed:\n")?;
        for assumption in assumptions.iter().take(2 * MOST) {
            writeln!(out, "- {}", prose(&summary::assumed(assumption, report.summary.subjects.total())))?;
        }
        if assumptions.len() > 2 * MOST {
            writeln!(out, "- and {} more", count(as_u64(assumptions.len() - 2 * MOST)))?;
        }
        writeln!(out)?;
    }
    writeln!(out, "<sub>{}</sub>", prose(&summary::origin(report)))
}

fn cause(number: usize, finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "### {number}. {} ({}, {})\n", prose(&finding.title), finding.code, finding.severity)?;
    if !finding.message.is_empty() {
        writeln!(out, "{}\n", prose(&finding.message))?;
    }
    evidence("", &finding.evidence, out)?;
    for hit in finding.hits.iter().take(MOST) {
        let ecosystem = hit.ecosystem.as_deref().map(|name| format!(" ({})", prose(name))).unwrap_or_default();
        let endpoints: Vec<_> = hit.endpoints.iter().map(|endpoint| code(&super::table::short(endpoint))).collect();
        let colon = if endpoints.is_empty() { "" } else { ": " };
        writeln!(out, "- hits {}{ecosystem}{colon}{}", code(&hit.subject), first(&endpoints, 3))?;
    }
    if finding.hits.len() > MOST {
        writeln!(out, "- and {} more", count(as_u64(finding.hits.len() - MOST)))?;
    }
    if let Some(missing) = &finding.missing {
        writeln!(out, "- missing: {}", prose(missing))?;
    }
    evidence("near miss: ", &finding.near_misses, out)?;
    writeln!(out)
}

fn evidence(label: &str, all: &[Evidence], out: &mut dyn Write) -> io::Result<()> {
    for evidence in all.iter().take(MOST) {
        let place = place(evidence).map(|place| format!(", {}", code(&place))).unwrap_or_default();
        writeln!(out, "- {label}{}{place}", prose(&said(evidence)))?;
    }
    if all.len() > MOST {
        writeln!(out, "- {label}and {} more", count(as_u64(all.len() - MOST)))?;
    }
    Ok(())
}

fn table(report: &AuditReport, out: &mut dyn Write) -> io::Result<()> {
    let subjects::Lines { lines, left_out } = subjects::lines(report);
    if lines.is_empty() {
        return Ok(());
    }
    writeln!(out, "| Subject | Needs | Outcome | Cause | Decided by |")?;
    writeln!(out, "|---|---|---|---|---|")?;
    for line in lines {
        let outcome = line.outcome.map(|outcome| format!("**{outcome}**")).unwrap_or_default();
        let (needs, by) = (prose(&line.needs), prose(&line.decided_by));
        writeln!(out, "| {} | {needs} | {outcome} | {} | {by} |", prose(&line.subject), line.causes)?;
    }
    writeln!(out)?;
    for left_out in left_out {
        writeln!(out, "… {left_out}\n")?;
    }
    Ok(())
}

pub(super) fn explanation(explanation: &Explanation, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "## {}: {}\n", prose(&explain::question(explanation)), explain::answer(explanation))?;
    for (label, text) in explain::about(explanation) {
        writeln!(out, "- {label}: {}", prose(&text))?;
    }
    writeln!(out, "\n| Layer | Outcome | Why |\n|---|---|---|")?;
    for step in explanation.trace.steps.iter().filter(|step| step.outcome != StepOutcome::NotAssessed) {
        let mut why = vec![prose(&step.summary)];
        let cited = |label: &str, evidence: &Evidence| {
            let place = place(evidence).map(|place| format!(", {}", prose(&place))).unwrap_or_default();
            format!("{label}: {}{place}", prose(&said(evidence)))
        };
        why.extend(step.evidence.iter().map(|evidence| cited("decided by", evidence)));
        why.extend(step.missing.iter().map(|missing| format!("missing: {}", prose(missing))));
        why.extend(step.near_misses.iter().map(|evidence| cited("near miss", evidence)));
        why.extend(
            step.doubts
                .iter()
                .filter(|doubt| !step.summary.contains(&doubt.reason))
                .map(|doubt| format!("unknown: {}", prose(&doubt.reason))),
        );
        why.extend(step.assumptions.iter().map(|assumption| format!("assumed: {}", prose(assumption))));
        writeln!(out, "| {} | **{}** | {} |", step.layer, step.outcome, why.join("<br>"))?;
    }
    writeln!(out)?;
    if let Some(rest) = explain::not_assessed(explanation) {
        writeln!(out, "Not assessed: {}", prose(&rest))?;
    }
    for doubt in explain::doubts_of_the_whole(explanation) {
        writeln!(out, "Unknown because: {}", prose(doubt))?;
    }
    Ok(())
}

/// Text of others inside Markdown: nothing in it is markup, a link, a mention or the end of a table cell.
pub(super) fn prose(text: &str) -> String {
    let text = clean(text);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '#' | '!' => {
                out.push('\\');
                out.push(c);
            }
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '@' => out.push_str("&#64;"),
            c => out.push(c),
        }
    }
    out
}

/// Text of others as a code span. Not for cells of a table: a bar ends those even inside of code (GFM, "Tables").
pub(super) fn code(text: &str) -> String {
    format!("`{}`", clean(text).replace('`', "'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_is_no_markup() {
        assert_eq!(prose("a|b"), "a\\|b");
        assert_eq!(prose("<img src=x> & @team"), "&lt;img src=x&gt; &amp; &#64;team");
        assert_eq!(prose("[x](y) *z* _v_ `w`"), "\\[x\\](y) \\*z\\* \\_v\\_ \\`w\\`");
        assert_eq!(prose("two\nlines"), "two lines");
        assert_eq!(code("a`b|c"), "`a'b|c`");
    }
}
