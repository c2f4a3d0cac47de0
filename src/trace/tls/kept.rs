//! What is known about trust from one audit to the next.

use std::ops::Range;

use jiff::{SignedDuration, Timestamp};

use super::sites::Places;
use super::{Answers, Stock};
use crate::demand::Demand;
use crate::model::Snapshot;
use crate::model::trust::Anchor;

/// So much of what clients trust in images as they come is kept.
const STOCK: usize = 4096;

/// Where clients run, and what they make of what servers present. It holds for another audit of the same demand, as long
/// as nothing but policies is another; answers hold as long as no certificate comes to count, or ceases to.
#[derive(Debug, Default)]
pub struct Trust {
    pub(in crate::trace) places: Places,
    pub(in crate::trace) answers: Answers,
    /// When the answers hold.
    holds: Option<Range<Timestamp>>,
}

impl Trust {
    /// Forgets what hangs on the facts, and keeps what is so everywhere.
    pub fn begin_anew(&mut self) {
        let answers = std::mem::take(&mut self.answers).anew();
        *self = Self { answers, ..Self::default() };
    }

    /// What of it holds at the instant of a snapshot.
    pub(in crate::trace) fn at(self, snapshot: &Snapshot, demand: &Demand) -> Self {
        let now = snapshot.instant;
        if self.holds.as_ref().is_some_and(|holds| holds.contains(&now)) {
            return self;
        }
        // Some clients look at whole seconds: a date decides for one of them.
        let since = now.checked_sub(SignedDuration::from_secs(1)).unwrap_or(now);
        let next = next_date(snapshot, demand, since).unwrap_or(Timestamp::MAX);
        Self { answers: self.answers.anew(), holds: Some(now..next), ..self }
    }
}

impl Answers {
    /// Forgets what hangs on the facts, and keeps what is so everywhere.
    fn anew(self) -> Self {
        let mut stock = self.stock;
        // Words of commands are as many as builds.
        if stock.0.get_mut().len() > STOCK {
            stock = Stock::default();
        }
        Self { stock, ..Self::default() }
    }
}

/// The first date after an instant of a certificate that clients may load, or servers present.
fn next_date(snapshot: &Snapshot, demand: &Demand, since: Timestamp) -> Option<Timestamp> {
    let bundles = snapshot.trust_bundles.iter().flat_map(|bundle| bundle.certificates.iter());
    let stores = snapshot.node_trust.iter().flat_map(|trust| &trust.stores).flat_map(|store| &store.additions);
    let registries = snapshot.node_trust.iter().flat_map(|trust| &trust.registries);
    let of_registries = registries.flat_map(|registry| &registry.hosts).flat_map(|host| &host.ca);
    let all = bundles.chain(stores).chain(of_registries).chain(demand.certificates());
    all.flat_map(|anchor: &Anchor| [anchor.not_before, anchor.not_after]).filter(|date| *date > since).min()
}
