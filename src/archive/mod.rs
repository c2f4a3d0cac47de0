//! Keeps reports of audits: in a folder, or in ConfigMaps of a cluster.
//!
//! `plan` decides, without I/O, what a kept report is called, which documents it has, what is cut where there is not room
//! for all, what the index says and which report is the oldest to go; `fit` cuts a report to a size. [`dir`] and
//! [`config_map`] read and write. Whatever happens in between, what stands as the latest report is whole: a report is
//! written before the index names it, and the oldest goes only after that.

pub mod config_map;
pub mod dir;
mod fit;
mod plan;

pub use config_map::Place;
pub use plan::{Entry, FileEntry, Index};

use crate::model::changes::{Changes, changes};
use crate::model::report::AuditReport;
use crate::report::Format;

/// What is to be kept.
#[derive(Clone, Copy, Debug)]
pub struct Order<'a> {
    /// The report.
    pub report: &'a AuditReport,
    /// The formats that are wanted beside JSON and Markdown, which are always kept.
    pub formats: &'a [Format],
    /// How many reports stay, this one included; 0 counts as 1.
    pub retain: usize,
}

/// What was kept, and what has changed since the report before.
#[derive(Clone, Debug)]
pub struct Kept {
    /// Name of the report in its archive.
    pub name: String,
    /// Where the archive is, in words.
    pub place: String,
    /// Whether the archive held no report before.
    pub first: bool,
    /// What has changed; `None` for a first report, and where the one before could not be read.
    pub changes: Option<Changes>,
    /// Documents that were cut or left out for their size, a sentence each.
    pub left_out: Vec<String>,
    /// The reports that were removed.
    pub pruned: Vec<String>,
    /// What went wrong without keeping the report from being kept, a sentence each.
    pub trouble: Vec<String>,
}

/// What an archive has before something is kept.
struct Before {
    index: Index,
    /// Text of the latest report, or why there is none.
    latest: Option<Result<String, String>>,
    trouble: Vec<String>,
}

impl Before {
    /// What has changed since the latest report; why that cannot be told goes to the troubles.
    fn compare(&mut self, report: &AuditReport) -> Option<Changes> {
        let read = self.latest.take()?.and_then(|text| {
            serde_json::from_str::<AuditReport>(&text).map_err(|error| format!("it is no report: {error}"))
        });
        match read {
            Ok(older) => Some(changes(&older, report)),
            Err(why) => {
                let name = self.index.latest().map_or("", |entry| entry.name.as_str());
                self.trouble.push(format!("what has changed cannot be told: the latest report, {name}: {why}"));
                None
            }
        }
    }
}
