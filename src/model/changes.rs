//! What differs between two reports about the same builds, an older and a newer one.
//!
//! Findings are the same where their fingerprints are: code, evidence and whom they hit. One that has the same code and
//! evidence and hits others than before is a changed finding, neither new nor gone. What an older report that was cut
//! for its size ([`AuditReport::omitted`]) does not hold is not taken for absent.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::finding::{Finding, Severity};
use super::outcome::Outcome;
use super::report::AuditReport;
use super::text::Str;

/// The differences.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Changes {
    /// The instant of the older report.
    pub since: jiff::Timestamp,
    /// Findings that were not there, worst first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub new: Vec<FindingName>,
    /// Findings that are not there any more, worst first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gone: Vec<FindingName>,
    /// Findings that somebody accepts now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accepted: Vec<FindingName>,
    /// Findings that hit others than before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub changed: Vec<FindingChange>,
    /// Subjects whose outcome is another one, or that came or went, in order of their names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub subjects: Vec<SubjectChange>,
    /// What to know before trusting the difference, in sentences: the reports do not say the same things.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub caveats: Vec<String>,
}

/// How many differences there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeCounts {
    /// New findings.
    pub new_findings: usize,
    /// Findings that are gone.
    pub gone_findings: usize,
    /// Findings that are accepted now.
    pub accepted_findings: usize,
    /// Findings that hit others than before.
    pub changed_findings: usize,
    /// Subjects with another outcome, or that came or went.
    pub subjects: usize,
}

impl ChangeCounts {
    /// Whether nothing differs.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// A finding as a list of differences names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FindingName {
    /// Code.
    pub code: Str,
    /// Severity.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// Kind, name and path of the first evidence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// [`Finding::fingerprint`].
    pub fingerprint: Str,
}

/// A finding that hits others than before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FindingChange {
    /// The finding as it is now.
    #[serde(flatten)]
    pub finding: FindingName,
    /// How many subjects it hits that it did not hit.
    pub newly_hit: u64,
    /// How many it does not hit any more.
    pub no_longer_hit: u64,
}

/// A subject with another outcome; none where it was not there, or is not there any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubjectChange {
    /// `ns/Kind/name`.
    pub name: Str,
    /// In the older report.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub was: Option<Outcome>,
    /// In the newer one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub is: Option<Outcome>,
}

impl Changes {
    /// The counts of all lists.
    pub fn counts(&self) -> ChangeCounts {
        ChangeCounts {
            new_findings: self.new.len(),
            gone_findings: self.gone.len(),
            accepted_findings: self.accepted.len(),
            changed_findings: self.changed.len(),
            subjects: self.subjects.len(),
        }
    }

    /// The same with at most so many items in each list.
    #[must_use]
    pub fn cut(mut self, most: usize) -> Self {
        self.new.truncate(most);
        self.gone.truncate(most);
        self.accepted.truncate(most);
        self.changed.truncate(most);
        self.subjects.truncate(most);
        self
    }
}

/// What differs between two reports.
pub fn changes(older: &AuditReport, newer: &AuditReport) -> Changes {
    let mut all = Changes {
        since: older.instant,
        new: Vec::new(),
        gone: Vec::new(),
        accepted: Vec::new(),
        changed: Vec::new(),
        subjects: Vec::new(),
        caveats: caveats(older, newer),
    };
    findings(older, newer, &mut all);
    subjects(older, newer, &mut all);
    all
}

fn caveats(older: &AuditReport, newer: &AuditReport) -> Vec<String> {
    let mut all = Vec::new();
    if older.cluster != newer.cluster {
        let name =
            |report: &AuditReport| report.cluster.as_ref().map_or("files".to_owned(), |c| format!("cluster {c}"));
        all.push(format!("the older report is about {}, this one about {}", name(older), name(newer)));
    }
    if (&older.version, &older.catalogue) != (&newer.version, &newer.catalogue) {
        all.push(format!(
            "the older report was made by buildreach {} with the catalogue of {}, this one by {} with that of {}: \
             something may differ only for that",
            older.version, older.catalogue, newer.version, newer.catalogue
        ));
    }
    // A layer that is left out cannot block: what it blocked before is not open for that.
    let left_out = |report: &AuditReport| report.not_assessed.iter().map(|left| left.layer).collect::<BTreeSet<_>>();
    let (before, now) = (left_out(older), left_out(newer));
    all.extend(now.difference(&before).map(|layer| {
        format!("layer {layer} is not assessed this time, and was before: what is gone may only not be looked at")
    }));
    all.extend(before.difference(&now).map(|layer| format!("layer {layer} is assessed this time, and was not before")));
    match (older.summary.coverage_complete, newer.summary.coverage_complete) {
        (true, true) => {}
        (false, true) => all.push("not everything could be read for the older report".to_owned()),
        (true, false) => {
            all.push("not everything could be read this time: what is gone may only not be seen".to_owned());
        }
        (false, false) => all.push("not everything could be read, neither then nor now".to_owned()),
    }
    all
}

fn findings(older: &AuditReport, newer: &AuditReport, all: &mut Changes) {
    // Several findings may have one fingerprint, so they are counted.
    let mut known: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in &older.findings {
        known.entry(&finding.fingerprint).or_default().push(finding);
    }
    let mut left: Vec<&Finding> = Vec::new();
    for finding in &newer.findings {
        if known.get_mut(finding.fingerprint.as_str()).and_then(Vec::pop).is_none() {
            left.push(finding);
        }
    }
    let mut before: BTreeMap<Key<'_>, Vec<&Finding>> = BTreeMap::new();
    for finding in known.into_values().flatten() {
        before.entry(key(finding)).or_default().push(finding);
    }
    let (older_ends, newer_ends) = (mildest(older), mildest(newer));
    let mut not_told = 0_u64;
    for finding in left {
        if let Some(was) = before.get_mut(&key(finding)).and_then(Vec::pop) {
            all.changed.push(changed(was, finding));
        } else if older_ends.is_some_and(|mildest| finding.severity >= mildest) {
            not_told += 1;
        } else {
            all.new.push(name(finding));
        }
    }
    let accepted: BTreeSet<&str> = newer.excepted.iter().map(|taken| taken.fingerprint.as_str()).collect();
    let mut gone: Vec<&Finding> = before.into_values().flatten().collect();
    gone.sort_by(|a, b| (a.severity, &a.code, &a.evidence).cmp(&(b.severity, &b.code, &b.evidence)));
    for finding in gone {
        if accepted.contains(finding.fingerprint.as_str()) {
            all.accepted.push(name(finding));
        } else if newer_ends.is_some_and(|mildest| finding.severity >= mildest) {
            not_told += 1;
        } else {
            all.gone.push(name(finding));
        }
    }
    if not_told > 0 {
        all.caveats.push(format!(
            "a report leaves out findings for its size: whether {not_told} of them are new or gone cannot be told"
        ));
    }
}

/// Where a report leaves out its mildest findings: the mildest severity that it holds. What is as mild as that and is
/// not in it may be left out.
fn mildest(report: &AuditReport) -> Option<Severity> {
    let left_out = report.omitted.is_some_and(|omitted| omitted.findings > 0);
    left_out.then(|| report.findings.last().map_or(Severity::Critical, |finding| finding.severity))
}

/// What makes two findings the same cause, whomever they hit.
type Key<'a> = (&'a str, Vec<String>, &'a str);

fn key(finding: &Finding) -> Key<'_> {
    let cited: Vec<_> = finding.evidence.iter().map(super::Evidence::citation).collect();
    let message = if cited.is_empty() { finding.message.as_str() } else { "" };
    (&finding.code, cited, message)
}

fn name(finding: &Finding) -> FindingName {
    FindingName {
        code: finding.code.clone(),
        severity: finding.severity,
        title: finding.title.clone(),
        decided_by: finding.evidence.first().map(super::Evidence::citation),
        fingerprint: finding.fingerprint.clone(),
    }
}

fn changed(was: &Finding, is: &Finding) -> FindingChange {
    let hit = |finding: &Finding| finding.hits.iter().map(|hit| hit.subject.clone()).collect::<BTreeSet<_>>();
    let (before, now) = (hit(was), hit(is));
    let only = |a: &BTreeSet<Str>, b: &BTreeSet<Str>| u64::try_from(a.difference(b).count()).unwrap_or(u64::MAX);
    // Where the lists are cut, their lengths are all that can be compared.
    let (newly_hit, no_longer_hit) = if was.more_hits == 0 && is.more_hits == 0 {
        (only(&now, &before), only(&before, &now))
    } else {
        let total = |set: &BTreeSet<Str>, more| u64::try_from(set.len()).unwrap_or(u64::MAX).saturating_add(more);
        let (before, now) = (total(&before, was.more_hits), total(&now, is.more_hits));
        (now.saturating_sub(before), before.saturating_sub(now))
    };
    FindingChange { finding: name(is), newly_hit, no_longer_hit }
}

fn subjects(older: &AuditReport, newer: &AuditReport, all: &mut Changes) {
    let (before, now) = (outcomes(older), outcomes(newer));
    let may_be_left_out = |report: &AuditReport| report.omitted.is_some_and(|omitted| omitted.subjects > 0);
    let mut not_told = 0_u64;
    for name in before.keys().chain(now.keys()).collect::<BTreeSet<_>>() {
        let (was, is) = (before.get(name).copied(), now.get(name).copied());
        if was == is {
            continue;
        }
        if was.is_none() && may_be_left_out(older) || is.is_none() && may_be_left_out(newer) {
            not_told += 1;
        } else {
            all.subjects.push(SubjectChange { name: (*name).clone(), was, is });
        }
    }
    if not_told > 0 {
        all.caveats.push(format!(
            "a report leaves out subjects for its size: what became of {not_told} of them cannot be told"
        ));
    }
}

fn outcomes(report: &AuditReport) -> BTreeMap<&Str, Outcome> {
    let classes = report.results.iter();
    classes.flat_map(|class| class.subjects.iter().map(|subject| (&subject.name, class.outcome))).collect()
}
