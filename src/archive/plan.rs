//! What is kept, under which names, and what goes: all of it without I/O.

use std::io;

use serde::{Deserialize, Serialize};

use super::Order;
use super::fit::fit;
use crate::model::changes::{ChangeCounts, Changes};
use crate::model::report::{API_VERSION, AuditReport, Omitted, Summary};
use crate::report::{self, Format, Options};

/// Items of each list of differences that the index keeps; the counts are whole.
const MOST_CHANGES: usize = 50;

/// Reserved beside the documents: the sentence about what is left out, names, labels.
const SLACK: usize = 4 << 10;

/// What an archive holds, newest first: `index.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Index {
    /// Always `buildreach.dev/v1alpha1`.
    pub api_version: String,
    /// Always `ReportArchive`.
    pub kind: String,
    /// The reports, the latest first.
    pub reports: Vec<Entry>,
}

impl Default for Index {
    fn default() -> Self {
        Self { api_version: API_VERSION.to_owned(), kind: "ReportArchive".to_owned(), reports: Vec::new() }
    }
}

/// One kept report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// Name of the folder or the ConfigMap.
    pub name: String,
    /// When its facts were read.
    pub instant: jiff::Timestamp,
    /// The cluster, where it was a live one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<String>,
    /// Version of the program.
    pub version: String,
    /// Subjects and pairs by outcome, findings by severity, whether everything could be read.
    pub summary: Summary,
    /// Its documents.
    pub files: Vec<FileEntry>,
    /// What its JSON document leaves out for its size; absent where it is whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub omitted: Option<Omitted>,
    /// Formats that were asked for and not kept for their size.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
    /// How much has changed since the report before; absent for a first report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change_counts: Option<ChangeCounts>,
    /// What has changed, the first of each list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub changes: Option<Changes>,
}

/// One document of a kept report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// File name, or key of the ConfigMap.
    pub name: String,
    /// Bytes.
    pub size: u64,
}

impl Index {
    /// The latest report.
    pub fn latest(&self) -> Option<&Entry> {
        self.reports.first()
    }

    /// Drops the entries of reports that are not there, and says which that are there have none: a run that was ended
    /// between writing its report and writing the index leaves one behind.
    pub(super) fn missing(&mut self, there: &[String]) -> Vec<String> {
        self.reports.retain(|entry| there.contains(&entry.name));
        there.iter().filter(|name| !self.reports.iter().any(|entry| entry.name == **name)).cloned().collect()
    }

    /// Puts an entry where its name, which begins with its instant, has its place.
    pub(super) fn put_back(&mut self, entry: Entry) {
        let at = self.reports.iter().position(|other| other.name < entry.name).unwrap_or(self.reports.len());
        self.reports.insert(at, entry);
    }

    /// Adds the newest report; returns the names of those that are beyond `retain`, oldest first.
    pub(super) fn add(&mut self, entry: Entry, retain: usize) -> Vec<String> {
        self.reports.insert(0, entry);
        let beyond = self.reports.split_off(retain.max(1).min(self.reports.len()));
        beyond.into_iter().rev().map(|entry| entry.name).collect()
    }

    /// The index as JSON in at most so many bytes: the oldest lose their lists of differences first, never their counts.
    pub(super) fn json(&mut self, room: usize) -> io::Result<String> {
        loop {
            let text = format!("{}\n", serde_json::to_string_pretty(self)?);
            if text.len() <= room {
                return Ok(text);
            }
            let Some(oldest) = self.reports.iter_mut().rev().find(|entry| entry.changes.is_some()) else {
                return Ok(text);
            };
            oldest.changes = None;
        }
    }
}

/// `20261124T214000Z`: ISO 8601 without the colons that some volumes do not take.
pub(super) fn stamp(instant: jiff::Timestamp) -> String {
    instant.strftime("%Y%m%dT%H%M%SZ").to_string()
}

/// Whether a name is a stamp, or one with a number behind it.
pub(super) fn is_stamp(name: &str) -> bool {
    let (stamp, number) = name.split_at_checked(16).unwrap_or((name, ""));
    let shape = stamp.len() == 16
        && stamp.bytes().enumerate().all(|(i, byte)| match i {
            8 => byte.eq_ignore_ascii_case(&b'T'),
            15 => byte.eq_ignore_ascii_case(&b'Z'),
            _ => byte.is_ascii_digit(),
        });
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    shape && (number.is_empty() || number.strip_prefix('-').is_some_and(digits))
}

/// The name, or the first with a number behind it that is not taken: no report replaces another one.
pub(super) fn free_name(base: &str, taken: &[String]) -> String {
    let is_free = |name: &String| !taken.contains(name);
    let numbered = (2_u32..).map(|n| format!("{base}-{n}"));
    std::iter::once(base.to_owned()).chain(numbered).find(is_free).unwrap_or_else(|| base.to_owned())
}

/// The documents of one report.
#[derive(Debug)]
pub(super) struct Documents {
    /// File names and texts.
    pub(super) files: Vec<(&'static str, String)>,
    pub(super) omitted: Option<Omitted>,
    /// Formats that have no room.
    pub(super) left_out: Vec<Format>,
}

impl Documents {
    /// What is cut or left out, a sentence each.
    pub(super) fn in_words(&self, room: Option<usize>) -> Vec<String> {
        let room = room.map_or_else(String::new, |room| format!(" in the {} KiB that there are", room >> 10));
        let mut all = Vec::new();
        if self.omitted.is_some() {
            all.push(format!("the JSON report does not fit{room}: it says how much it leaves out"));
        }
        all.extend(self.left_out.iter().map(|format| format!("{format} does not fit{room} and is not kept")));
        all
    }
}

/// What the head of the Markdown page says beside the report.
pub(super) struct Head<'a> {
    /// What has changed; `None` where it cannot be told.
    pub(super) changes: Option<&'a Changes>,
    /// Whether there is no report before.
    pub(super) first: bool,
}

/// Renders what is kept: Markdown and JSON always, then the other formats; in at most `room` bytes, where given.
pub(super) fn documents(order: &Order<'_>, head: &Head<'_>, room: Option<usize>) -> io::Result<Documents> {
    let report = order.report;
    let mut markdown = page(report, head);
    markdown.push_str(&render(report, Format::Markdown)?);
    let mut all = Documents { files: Vec::new(), omitted: None, left_out: Vec::new() };
    let mut left = usize::MAX;
    let json = match room {
        None => render(report, Format::Json)?,
        Some(room) => {
            markdown = cut_page(markdown, room / 2);
            left = room.saturating_sub(markdown.len() + SLACK);
            let size = |report: &AuditReport| Ok(render(report, Format::Json)?.len());
            let fitting = fit(report, left, &size)?;
            let fitting =
                fitting.ok_or_else(|| io::Error::other("the report is too large even without its results"))?;
            all.omitted = fitting.omitted;
            render(&fitting, Format::Json)?
        }
    };
    left = left.saturating_sub(json.len());
    all.files.push((Format::Json.file_name(), json));
    let mut others: Vec<Format> = order.formats.to_vec();
    others.sort_unstable();
    others.dedup();
    others.retain(|format| !matches!(format, Format::Json | Format::Markdown));
    let mut rest = Vec::new();
    for format in others {
        let text = render(report, format)?;
        if text.len() > left {
            all.left_out.push(format);
        } else {
            left -= text.len();
            rest.push((format.file_name(), text));
        }
    }
    for line in all.in_words(room) {
        markdown.push_str(&format!("\n> {line}\n"));
    }
    all.files.push((Format::Markdown.file_name(), markdown));
    all.files.extend(rest);
    Ok(all)
}

/// What stands before the report on a kept page.
fn page(report: &AuditReport, head: &Head<'_>) -> String {
    let mut page = format!("# Audit of {}\n\n", report.instant);
    match (head.changes, head.first) {
        (Some(changes), _) => page.push_str(&report::changes::markdown(changes)),
        (None, true) => page.push_str("The first report of this archive: there is nothing to compare it with.\n\n"),
        (None, false) => {
            page.push_str("What has changed cannot be told: the report before this one could not be read.\n\n");
        }
    }
    page
}

/// A page that is longer than there is room for ends at a line, and says so.
fn cut_page(mut page: String, room: usize) -> String {
    if page.len() > room {
        let whole = page.len();
        let mut end = room;
        while !page.is_char_boundary(end) {
            end -= 1;
        }
        let end = page[..end].rfind('\n').unwrap_or(0);
        page.truncate(end);
        page.push_str(&format!("\n\n> left out here: {} more bytes of this page\n", whole - end));
    }
    page
}

fn render(report: &AuditReport, format: Format) -> io::Result<String> {
    let mut out = Vec::new();
    report::render(report, format, &Options::default(), &mut out)?;
    String::from_utf8(out).map_err(io::Error::other)
}

/// The entry of a report.
pub(super) fn entry(name: &str, report: &AuditReport, documents: &Documents, changes: Option<&Changes>) -> Entry {
    let size = |text: &String| u64::try_from(text.len()).unwrap_or(u64::MAX);
    Entry {
        files: documents
            .files
            .iter()
            .map(|(name, text)| FileEntry { name: (*name).to_owned(), size: size(text) })
            .collect(),
        omitted: documents.omitted,
        left_out: documents.left_out.iter().map(Format::to_string).collect(),
        change_counts: changes.map(Changes::counts),
        changes: changes.map(|changes| changes.clone().cut(MOST_CHANGES)),
        ..found(name, report, Vec::new())
    }
}

/// The entry of a report of which only its documents are there.
pub(super) fn found(name: &str, report: &AuditReport, files: Vec<FileEntry>) -> Entry {
    Entry {
        name: name.to_owned(),
        instant: report.instant,
        cluster: report.cluster.as_ref().map(ToString::to_string),
        version: report.version.to_string(),
        summary: report.summary.clone(),
        files,
        omitted: report.omitted,
        left_out: Vec::new(),
        change_counts: None,
        changes: None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn names_are_stamps_and_no_report_replaces_another() {
        let instant: jiff::Timestamp = "2026-11-24T21:40:07.9Z".parse().unwrap();
        let name = stamp(instant);
        assert_eq!(name, "20261124T214007Z");
        for good in ["20261124T214007Z", "20261124t214007z", "20261124T214007Z-2"] {
            assert!(is_stamp(good), "{good}");
        }
        for bad in [
            "",
            "20261124T214007",
            "20261124T214007Z-",
            "20261124T214007Zx",
            "2026112aT214007Z",
            "größe-20261124T",
            "é0261124T214007Z",
        ] {
            assert!(!is_stamp(bad), "{bad}");
        }
        assert_eq!(free_name(&name, &[]), name);
        let taken = [name.clone(), format!("{name}-2")];
        assert_eq!(free_name(&name, &taken), format!("{name}-3"));
    }

    #[test]
    fn a_long_page_ends_at_a_line_and_says_how_much_is_missing() {
        assert_eq!(cut_page("abc\n".to_owned(), 4), "abc\n");
        assert_eq!(cut_page("é\né\né\n".to_owned(), 5), "é\n\n> left out here: 7 more bytes of this page\n");
    }
}
