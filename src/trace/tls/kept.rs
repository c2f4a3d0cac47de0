//! What is known about trust from one audit to the next.

use std::ops::Range;

use jiff::{SignedDuration, Timestamp};

use super::answers::Answers;
use super::sites::Places;
use crate::demand::Demand;
use crate::model::Snapshot;
use crate::model::trust::Anchor;

/// Where clients run, and what they make of what servers present. It holds for another audit, of another demand too, as
/// long as the facts are the same that answers rest on: all but pods, objects with pod templates, policies, Services and
/// EndpointSlices. Whoever keeps it says when they are not, by [`begin_anew`](Self::begin_anew). Answers hold as long as no
/// certificate comes to count, or ceases to. What an audit does not ask for is forgotten after it.
#[derive(Debug, Default)]
pub struct Trust {
    pub(in crate::trace) places: Places,
    pub(in crate::trace) answers: Answers,
    /// Audits so far.
    audits: u64,
    /// When the answers hold.
    holds: Option<Holds>,
}

#[derive(Clone, Debug)]
struct Holds {
    /// From the last audit on, to the next date of a certificate.
    when: Range<Timestamp>,
    /// The next date of those that clients may load.
    of_facts: Timestamp,
}

impl Trust {
    /// Forgets what hangs on the facts, and keeps what is so everywhere.
    pub fn begin_anew(&mut self) {
        let answers = std::mem::take(&mut self.answers).anew();
        *self = Self { answers, ..Self::default() };
    }

    /// What of it holds for an audit of a demand at the instant of a snapshot.
    pub(in crate::trace) fn at(mut self, snapshot: &Snapshot, demand: &Demand) -> Self {
        let now = snapshot.instant;
        // Some clients look at whole seconds: a date decides for one of them.
        let since = now.checked_sub(SignedDuration::from_secs(1)).unwrap_or(now);
        let held = self.holds.take().filter(|holds| holds.when.contains(&now));
        if held.is_none() {
            self.answers = self.answers.anew();
        }
        let of_facts = held.map_or_else(|| next_date(loaded(snapshot), since), |held| held.of_facts);
        // Certificates of servers that nobody asks for any more decide nothing: their answers are gone.
        let next = of_facts.min(next_date(demand.certificates(), since));
        self.holds = Some(Holds { when: now..next, of_facts });
        self.audits += 1;
        self.places.begin(self.audits);
        self.answers.begin(self.audits);
        self
    }

    /// Forgets what the audit that ends did not ask for.
    pub(in crate::trace) fn swept(mut self) -> Self {
        self.places.sweep();
        self.answers.sweep();
        self
    }
}

/// The first date after an instant at which one of the certificates comes to count, or ceases to.
fn next_date<'a>(all: impl Iterator<Item = &'a Anchor>, since: Timestamp) -> Timestamp {
    let dates = all.flat_map(|anchor| [anchor.not_before, anchor.not_after]);
    dates.filter(|date| *date > since).min().unwrap_or(Timestamp::MAX)
}

/// Certificates that clients may load.
fn loaded(snapshot: &Snapshot) -> impl Iterator<Item = &Anchor> {
    let bundles = snapshot.trust_bundles.iter().flat_map(|bundle| bundle.certificates.iter());
    let stores = snapshot.node_trust.iter().flat_map(|trust| &trust.stores).flat_map(|store| &store.additions);
    let registries = snapshot.node_trust.iter().flat_map(|trust| &trust.registries);
    let of_registries = registries.flat_map(|registry| &registry.hosts).flat_map(|host| &host.ca);
    bundles.chain(stores).chain(of_registries)
}

#[cfg(test)]
impl Trust {
    /// How many of each thing are held.
    pub(super) fn counts(&self) -> Vec<usize> {
        self.places.counts().into_iter().chain(self.answers.counts()).collect()
    }

    /// By what answers are held: one that is worked out anew has another key.
    pub(super) fn keys(&self) -> std::collections::BTreeSet<(u64, u64)> {
        self.answers.keys()
    }
}
