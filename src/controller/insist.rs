//! When a status is written once more that somebody else overwrote.
//!
//! The status is the controller's, so it writes its own again. Another program that does the same would be answered as
//! fast as it writes, without end: so each time it takes twice as long.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::wish::AuditId;
use crate::crd::build_audit::AuditStatus;
use crate::model::Pause;

/// How long the second writing of the same takes, and the longest pause.
const PAUSE: Pause = Pause::new(Duration::from_secs(1), Duration::from_secs(64));

/// What was written last, and when.
#[derive(Debug)]
struct Last {
    /// Without its times: who overwrites those makes no other answer of it.
    status: AuditStatus,
    at: Instant,
    /// Until the same may be written again.
    pause: Pause,
}

/// The last write of every resource.
#[derive(Debug, Default)]
pub(super) struct Insistence {
    last: BTreeMap<AuditId, Last>,
}

impl Insistence {
    /// From when on a status may be written. An answer that is another than before may be at once.
    pub(super) fn may_write(&self, id: &AuditId, status: &AuditStatus) -> Option<Instant> {
        let last = self.last.get(id).filter(|last| last.status == timeless(status))?;
        Some(last.at + last.pause.get())
    }

    /// It was written.
    pub(super) fn wrote(&mut self, id: &AuditId, status: &AuditStatus, now: Instant) {
        let status = timeless(status);
        let mut pause = PAUSE;
        // If nobody overwrote it for a while, it begins anew.
        let is_again = |last: &&Last| last.status == status && now - last.at < last.pause.get() * 2;
        if let Some(last) = self.last.get(id).filter(is_again) {
            pause = last.pause;
            pause.grow();
        }
        self.last.insert(id.clone(), Last { status, at: now, pause });
    }

    /// Forgets resources that are gone.
    pub(super) fn keep<'a>(&mut self, ids: impl Iterator<Item = &'a AuditId>) {
        let ids: std::collections::BTreeSet<_> = ids.collect();
        self.last.retain(|id, _| ids.contains(id));
    }
}

fn timeless(status: &AuditStatus) -> AuditStatus {
    let mut status = AuditStatus { last_audit_time: None, ..status.clone() };
    status.conditions.iter_mut().for_each(|condition| condition.last_transition_time = jiff::Timestamp::UNIX_EPOCH);
    status.findings.iter_mut().for_each(|finding| finding.since = None);
    status
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_takes_twice_as_long_each_time_and_another_answer_none() {
        let id = AuditId::Cluster { name: "default".to_owned() };
        let ours = AuditStatus { accepted_findings: 1, ..AuditStatus::default() };
        let mut insistence = Insistence::default();
        let mut now = Instant::now();
        assert_eq!(insistence.may_write(&id, &ours), None);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            insistence.wrote(&id, &ours, now);
            let from = insistence.may_write(&id, &ours).unwrap_or(now);
            pauses.push((from - now).as_secs());
            now = from;
        }
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
        assert_eq!(insistence.may_write(&id, &AuditStatus::default()), None);
        // Left alone for a while, it may be written again soon.
        now += Duration::from_secs(200);
        insistence.wrote(&id, &ours, now);
        assert_eq!(insistence.may_write(&id, &ours), Some(now + Duration::from_secs(1)));
        insistence.keep(std::iter::empty());
        assert_eq!(insistence.may_write(&id, &ours), None);
    }
}
