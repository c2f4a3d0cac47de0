//! Turns a report into bytes: one file per format.
//!
//! The renderers decide nothing: they order, group and shorten what the model says, and where they
//! leave something out they say how much, and which format has it. Equal reports give equal bytes;
//! every renderer takes time and memory in proportion to what it prints.
//!
//! Whether to use colour, and how wide the terminal is, is for the caller to find out.

mod decided;
mod explain;
mod json;
mod markdown;
mod page;
mod schema;
mod subjects;
mod summary;
mod table;
mod text;
mod wide;
mod yaml;

use std::fmt;
use std::io::{self, BufWriter, Write};
use std::str::FromStr;

pub use schema::{explanation_schema, schema};

use crate::model::report::{AuditReport, Explanation};

/// How a report is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// For people: the answer first, grouped by cause.
    #[default]
    Table,
    /// For people and `grep`: one line for every subject and endpoint, nothing left out.
    Wide,
    /// The whole document.
    Json,
    /// The whole document.
    Yaml,
    /// For the summary of a CI job: what the table says.
    Markdown,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 5] = [Self::Table, Self::Wide, Self::Json, Self::Yaml, Self::Markdown];

    /// The name that [`FromStr`] reads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Wide => "wide",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Markdown => "markdown",
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Format {
    type Err = UnknownFormat;

    fn from_str(text: &str) -> Result<Self, UnknownFormat> {
        Self::ALL.into_iter().find(|format| format.name() == text).ok_or_else(|| UnknownFormat(text.to_owned()))
    }
}

/// The text names no format.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no output format: table, wide, json, yaml or markdown")]
pub struct UnknownFormat(String);

/// What a renderer needs to know about the place that it writes to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Whether to mark outcomes, severities and the like with ANSI colours. The text says the same without them.
    pub colour: bool,
    /// Columns of the terminal; `None` where lines may be of any length, as in a file or a pipe.
    pub width: Option<usize>,
}

/// Writes the report of an audit.
///
/// # Errors
///
/// What the writer says.
pub fn render(report: &AuditReport, format: Format, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    match format {
        Format::Table => table::audit(report, *options, &mut out)?,
        Format::Wide => wide::audit(report, *options, &mut out)?,
        Format::Json => json::write(report, &mut out)?,
        Format::Yaml => yaml::write(report, &mut out)?,
        Format::Markdown => markdown::audit(report, &mut out)?,
    }
    out.flush()
}

/// Writes one trace.
///
/// # Errors
///
/// What the writer says.
pub fn explain(explanation: &Explanation, format: Format, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    match format {
        Format::Table | Format::Wide => explain::text(explanation, *options, &mut out)?,
        Format::Json => json::write(explanation, &mut out)?,
        Format::Yaml => yaml::write(explanation, &mut out)?,
        Format::Markdown => markdown::explanation(explanation, &mut out)?,
    }
    out.flush()
}
