//! Turns a report into bytes: one file per format.
//!
//! The renderers decide nothing: they order, group and shorten what the model says, and where they
//! leave something out they say how much, and which format has it. Equal reports give equal bytes;
//! every renderer takes time and memory in proportion to what it prints.
//!
//! Whether to use colour, and how wide the terminal is, is for the caller to find out.

pub mod changes;
mod decided;
mod explain;
pub mod exposition;
mod json;
mod junit;
mod markdown;
mod page;
pub mod prometheus;
mod sarif;
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

pub use junit::{Case, Junit, Said, Tally, Verdict};
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
    /// SARIF 2.1.0, for code scanning.
    Sarif,
    /// JUnit XML, for the test view of CI systems.
    Junit,
    /// Text exposition format 0.0.4 of Prometheus.
    Prometheus,
}

impl Format {
    /// Every format.
    pub const ALL: [Self; 8] =
        [Self::Table, Self::Wide, Self::Json, Self::Yaml, Self::Markdown, Self::Sarif, Self::Junit, Self::Prometheus];

    /// Whether one trace can be written in it; the others are about a whole audit.
    pub const fn explains(self) -> bool {
        !matches!(self, Self::Sarif | Self::Junit | Self::Prometheus)
    }

    /// The name of a file that holds a report in it.
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Table => "report.txt",
            Self::Wide => "report.wide.txt",
            Self::Json => "report.json",
            Self::Yaml => "report.yaml",
            Self::Markdown => "report.md",
            Self::Sarif => "report.sarif",
            Self::Junit => "report.junit.xml",
            Self::Prometheus => "report.prom",
        }
    }

    /// The name that [`FromStr`] reads.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Wide => "wide",
            Self::Json => "json",
            Self::Yaml => "yaml",
            Self::Markdown => "markdown",
            Self::Sarif => "sarif",
            Self::Junit => "junit",
            Self::Prometheus => "prometheus",
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
#[error("`{0}` is no output format: table, wide, json, yaml, markdown, sarif, junit or prometheus")]
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
        Format::Sarif => sarif::audit(report, &mut out)?,
        Format::Junit => junit::audit(report, &mut out)?,
        Format::Prometheus => out.write_all(exposition::text(&prometheus::families(report)).as_bytes())?,
    }
    out.flush()
}

/// Writes one trace.
///
/// # Errors
///
/// What the writer says, and that the format is for audits alone ([`Format::explains`]).
pub fn explain(explanation: &Explanation, format: Format, options: &Options, out: &mut dyn Write) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(1 << 16, out);
    match format {
        Format::Table | Format::Wide => explain::text(explanation, *options, &mut out)?,
        Format::Json => json::write(explanation, &mut out)?,
        Format::Yaml => yaml::write(explanation, &mut out)?,
        Format::Markdown => markdown::explanation(explanation, &mut out)?,
        Format::Sarif | Format::Junit | Format::Prometheus => {
            let why = format!("{format} is a format for audits, and this is one trace");
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
    }
    out.flush()
}
