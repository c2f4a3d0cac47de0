//! A page of text for people: colours, and lines that wrap under a label.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::Options;
use super::text::{clean, width, wrap};
use crate::model::{Evidence, Severity, StepOutcome};

/// Prose and right-aligned marks go no further to the right than this: longer lines are hard to read.
const WIDEST_TEXT: usize = 120;

/// No line is wrapped to less than this, however narrow the terminal.
const NARROWEST_TEXT: usize = 30;

pub(super) const STRONG: Style = Style::new().bold();
pub(super) const FAINT: Style = Style::new().dimmed();
pub(super) const PLACE: Style = AnsiColor::Cyan.on_default();

/// The colour of an outcome. The word beside it says the same.
pub(super) const fn outcome_style(outcome: StepOutcome) -> Style {
    match outcome {
        StepOutcome::Reachable => AnsiColor::Green.on_default(),
        StepOutcome::Partial => AnsiColor::Yellow.on_default(),
        StepOutcome::Unknown => AnsiColor::Magenta.on_default(),
        StepOutcome::Blocked => AnsiColor::Red.on_default().bold(),
        StepOutcome::NotApplicable | StepOutcome::NotAssessed => FAINT,
    }
}

/// The colour of a severity. The word beside it says the same.
pub(super) const fn severity_style(severity: Severity) -> Style {
    match severity {
        Severity::Critical => AnsiColor::Red.on_default().bold(),
        Severity::High => AnsiColor::Red.on_default(),
        Severity::Medium => AnsiColor::Yellow.on_default(),
        Severity::Low => AnsiColor::Blue.on_default(),
        Severity::Info => FAINT,
    }
}

pub(super) struct Page<'a> {
    out: &'a mut dyn Write,
    options: Options,
}

impl<'a> Page<'a> {
    pub(super) fn new(out: &'a mut dyn Write, options: Options) -> Self {
        Self { out, options }
    }

    /// The text in the style, or the text alone where there is no colour.
    pub(super) fn paint(&self, style: Style, text: &str) -> String {
        if self.options.colour { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// Columns for prose; `None` for lines of any length.
    pub(super) fn text_width(&self) -> Option<usize> {
        self.options.width.map(|width| width.min(WIDEST_TEXT))
    }

    /// Columns of the terminal, for tables.
    pub(super) fn table_width(&self) -> Option<usize> {
        self.options.width
    }

    pub(super) fn blank(&mut self) -> io::Result<()> {
        self.out.write_all(b"\n")
    }

    /// A line as it is; blanks at its end are left out.
    pub(super) fn line(&mut self, line: &str) -> io::Result<()> {
        self.out.write_all(line.trim_end_matches(' ').as_bytes())?;
        self.blank()
    }

    /// A numbered title with a mark, itself `(painted, columns)`, at the right edge, or in the column `otherwise`
    /// where there is no edge.
    pub(super) fn heading(
        &mut self,
        number: &str,
        title: &str,
        mark: (&str, usize),
        otherwise: usize,
    ) -> io::Result<()> {
        let indent = width(number);
        let lines = wrap(title, self.room(indent));
        let edge = self.text_width().unwrap_or(otherwise + mark.1);
        for (i, line) in lines.iter().enumerate() {
            let used = indent + width(line);
            let painted = self.paint(STRONG, line);
            let label = if i == 0 { number } else { "" };
            if i + 1 < lines.len() {
                self.labelled(label, indent, &painted)?;
            } else if self.text_width().is_none_or(|edge| used + 2 + mark.1 <= edge) {
                let gap = edge.saturating_sub(used + mark.1).max(2);
                self.labelled(label, indent, &format!("{painted}{:gap$}{}", "", mark.0))?;
            } else {
                self.labelled(label, indent, &painted)?;
                self.line(&format!("{:gap$}{}", "", mark.0, gap = edge.saturating_sub(mark.1).max(indent)))?;
            }
        }
        Ok(())
    }

    /// Prose under a label of `columns` columns: the lines after the first stand under the first.
    pub(super) fn prose(&mut self, label: &str, columns: usize, text: &str) -> io::Result<()> {
        let lines = wrap(&clean(text), self.room(columns));
        for (i, line) in lines.iter().enumerate() {
            self.labelled(if i == 0 { label } else { "" }, columns, line)?;
        }
        Ok(())
    }

    /// What an evidence says, and at its right where that stands. The places of several pieces of evidence that
    /// stand under each other begin in one column, `aligned`.
    pub(super) fn evidence(
        &mut self,
        label: &str,
        columns: usize,
        evidence: &Evidence,
        aligned: usize,
    ) -> io::Result<()> {
        let said = said(evidence);
        let Some(place) = place(evidence) else { return self.prose(label, columns, &said) };
        let shown = self.paint(PLACE, &place);
        let room = self.room(columns);
        let fits = |used: usize| room.is_none_or(|room| used + width(&place) <= room);
        let (whole, wished) = (width(&said), aligned.max(width(&said)) + 2);
        if let Some(column) = [wished, whole + 2].into_iter().find(|column| fits(*column)) {
            return self.labelled(label, columns, &format!("{said}{:gap$}{shown}", "", gap = column - whole));
        }
        let mut lines = wrap(&said, room);
        match lines.last_mut() {
            Some(last) if fits(width(last) + 2) => *last = format!("{last}  {shown}"),
            _ => lines.push(format!("  {shown}")),
        }
        for (i, line) in lines.iter().enumerate() {
            self.labelled(if i == 0 { label } else { "" }, columns, line)?;
        }
        Ok(())
    }

    fn labelled(&mut self, label: &str, columns: usize, line: &str) -> io::Result<()> {
        let gap = columns.saturating_sub(plain_width(label));
        self.line(&format!("{label}{:gap$}{line}", ""))
    }

    pub(super) fn room(&self, columns: usize) -> Option<usize> {
        self.text_width().map(|width| width.saturating_sub(columns).max(NARROWEST_TEXT))
    }
}

/// Columns that a painted text takes.
pub(super) fn plain_width(text: &str) -> usize {
    tabled::grid::util::string::get_line_width(text)
}

/// The column in which the places of these pieces of evidence can all begin.
pub(super) fn aligned<'a>(evidence: impl IntoIterator<Item = &'a Evidence>) -> usize {
    evidence.into_iter().map(|e| width(&said(e))).filter(|columns| *columns <= 72).max().unwrap_or(0)
}

/// The citation and what the rule does.
pub(super) fn said(evidence: &Evidence) -> String {
    let mut said = clean(&evidence.citation()).into_owned();
    if let Some(detail) = &evidence.detail {
        said.push(' ');
        said.push_str(&clean(detail));
    }
    said
}

/// Where it stands: file and line, or what a live cluster knows of it.
pub(super) fn place(evidence: &Evidence) -> Option<String> {
    let mut parts = Vec::new();
    parts.extend(evidence.place());
    parts.extend(evidence.resource_version.as_ref().map(|version| format!("resourceVersion {version}")));
    parts.extend(evidence.field_manager.as_ref().map(|manager| format!("written by {manager}")));
    if parts.is_empty() { None } else { Some(clean(&parts.join(", ")).into_owned()) }
}
