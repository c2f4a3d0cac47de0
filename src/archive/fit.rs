//! Cuts a report to a size. What is least missed goes first, and the report itself counts what it leaves out: results
//! that are reached, then the other results, details of findings and subjects, what was read whole, subjects that reach
//! everything, and at last the mildest findings and the other subjects.

use crate::model::CoverageState;
use crate::model::Outcome;
use crate::model::report::{AuditReport, Omitted};

/// Hits and near misses that a finding keeps.
const MOST_OF_A_FINDING: usize = 20;

/// The report, cut as little as makes it fit; `size` tells how many bytes a report takes. `None` if even one without
/// findings and subjects is larger.
pub(super) fn fit(
    report: &AuditReport,
    room: usize,
    size: &dyn Fn(&AuditReport) -> std::io::Result<usize>,
) -> std::io::Result<Option<AuditReport>> {
    let mut cut = report.clone();
    if size(&cut)? <= room {
        return Ok(Some(cut));
    }
    let steps: [fn(&mut AuditReport, &mut Omitted); 5] =
        [reached_results, other_results, details, coverage_that_was_read, subjects_that_reach_all];
    let mut omitted = cut.omitted.unwrap_or_default();
    for step in steps {
        step(&mut cut, &mut omitted);
        cut.omitted = Some(omitted);
        if size(&cut)? <= room {
            return Ok(Some(cut));
        }
    }
    while halve(&mut cut, &mut omitted) {
        cut.omitted = Some(omitted);
        if size(&cut)? <= room {
            return Ok(Some(cut));
        }
    }
    Ok(None)
}

fn reached_results(report: &mut AuditReport, omitted: &mut Omitted) {
    for class in &mut report.results {
        let before = class.paths.len();
        class.paths.retain(|path| path.outcome != Outcome::Reachable);
        omitted.results += count(before - class.paths.len());
    }
}

fn other_results(report: &mut AuditReport, omitted: &mut Omitted) {
    for class in &mut report.results {
        omitted.results += count(class.paths.len());
        class.paths = Vec::new();
    }
}

fn details(report: &mut AuditReport, omitted: &mut Omitted) {
    for finding in &mut report.findings {
        let hits = finding.hits.len();
        if hits > MOST_OF_A_FINDING {
            let left: std::collections::BTreeSet<_> = finding.hits.iter().map(|hit| hit.subject.clone()).collect();
            finding.hits.truncate(MOST_OF_A_FINDING);
            let kept: std::collections::BTreeSet<_> = finding.hits.iter().map(|hit| hit.subject.clone()).collect();
            finding.more_hits += count(left.len() - kept.len());
            omitted.details += count(hits - MOST_OF_A_FINDING);
        }
        omitted.details += count(finding.near_misses.len().saturating_sub(MOST_OF_A_FINDING));
        finding.near_misses.truncate(MOST_OF_A_FINDING);
    }
    for subject in report.results.iter_mut().flat_map(|class| &mut class.subjects) {
        omitted.details += count(subject.signals.len() + subject.notes.len());
        subject.signals = crate::model::List::default();
        subject.notes = crate::model::List::default();
    }
}

fn coverage_that_was_read(report: &mut AuditReport, omitted: &mut Omitted) {
    let before = report.coverage.len();
    report.coverage.retain(|row| row.state != CoverageState::Read && row.state != CoverageState::NotInstalled);
    omitted.coverage += count(before - report.coverage.len());
}

fn subjects_that_reach_all(report: &mut AuditReport, omitted: &mut Omitted) {
    report.results.retain(|class| {
        let stays = class.outcome != Outcome::Reachable;
        if !stays {
            omitted.subjects += count(class.subjects.len());
        }
        stays
    });
}

/// Halves the subjects and the findings, the mildest first; false once there is nothing left to halve.
fn halve(report: &mut AuditReport, omitted: &mut Omitted) -> bool {
    let subjects: usize = report.results.iter().map(|class| class.subjects.len()).sum();
    if subjects == 0 && report.findings.is_empty() && report.excepted.is_empty() {
        return false;
    }
    let keep = report.findings.len() / 2;
    omitted.findings += count(report.findings.len() - keep);
    report.findings.truncate(keep);
    let keep = report.excepted.len() / 2;
    omitted.findings += count(report.excepted.len() - keep);
    report.excepted.truncate(keep);
    report.results.sort_by_key(|class| std::cmp::Reverse(class.outcome));
    let mut room = subjects / 2;
    omitted.subjects += count(subjects - room);
    for class in &mut report.results {
        class.subjects.truncate(room);
        room -= class.subjects.len();
    }
    report.results.retain(|class| !class.subjects.is_empty());
    true
}

fn count(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn whole() -> AuditReport {
        let mut report: AuditReport = serde_json::from_str(include_str!("../../tests/golden/audit.json")).unwrap();
        let hit = report.findings[0].hits[0].clone();
        report.findings[0].hits.extend((0..40).map(|i| {
            let mut hit = hit.clone();
            hit.subject = format!("ci/Pod/{i}").into();
            hit
        }));
        report
    }

    fn size(report: &AuditReport) -> std::io::Result<usize> {
        Ok(serde_json::to_vec(report)?.len())
    }

    fn counts(report: &AuditReport) -> [u64; 4] {
        let classes = &report.results;
        [
            count(classes.iter().map(|class| class.paths.len()).sum()),
            count(classes.iter().map(|class| class.subjects.len()).sum()),
            count(report.findings.len() + report.excepted.len()),
            count(report.coverage.len()),
        ]
    }

    #[test]
    fn what_is_left_out_and_what_is_there_is_the_whole() {
        let whole = whole();
        let bytes = size(&whole).unwrap();
        assert_eq!(fit(&whole, bytes, &size).unwrap().unwrap(), whole);
        let (mut last, mut steps) = (Omitted::default(), 0);
        for room in (0..bytes).rev().step_by(37) {
            let Some(cut) = fit(&whole, room, &size).unwrap() else { break };
            assert!(size(&cut).unwrap() <= room, "{room}");
            let omitted = cut.omitted.unwrap();
            assert!(!omitted.is_nothing());
            let left = counts(&cut);
            let sums = [omitted.results, omitted.subjects, omitted.findings, omitted.coverage];
            // Whoever loses a class loses its results with it; those were left out before.
            let all: Vec<u64> = left.iter().zip(sums).map(|(a, b)| a + b).collect();
            assert_eq!(all, counts(&whole), "{room}");
            assert_eq!((&cut.summary, &cut.notes), (&whole.summary, &whole.notes));
            let hits: u64 = count(cut.findings.first().map_or(41, |f| f.hits.len()))
                + cut.findings.first().map_or(0, |f| f.more_hits);
            assert!(cut.findings.is_empty() || hits == count(whole.findings[0].hits.len()), "{hits}");
            steps += u32::from(omitted != last);
            last = omitted;
        }
        assert!(
            steps > 4 && last.findings == counts(&whole)[2] && last.subjects == counts(&whole)[1],
            "{steps} {last:?}"
        );
        assert_eq!(fit(&whole, 10, &size).unwrap(), None);
    }

    #[test]
    fn the_worst_stays_longest() {
        let whole = whole();
        let bytes = size(&whole).unwrap();
        for room in (0..bytes).rev().step_by(101) {
            let Some(cut) = fit(&whole, room, &size).unwrap() else { break };
            assert!(cut.findings.iter().zip(&whole.findings).all(|(a, b)| a.code == b.code));
            let blocked = |report: &AuditReport| report.results.iter().any(|class| class.outcome == Outcome::Blocked);
            let others = cut.results.iter().any(|class| class.outcome != Outcome::Blocked);
            assert!(!others || blocked(&cut), "{room}");
        }
    }
}
