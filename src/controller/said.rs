//! Warnings that are not repeated.

use std::collections::BTreeSet;

/// The most that is remembered: what comes then is not said.
const MOST: usize = 1000;

/// What was said once and need not be said again.
#[derive(Debug, Default)]
pub(super) struct Said(BTreeSet<String>);

impl Said {
    /// Warns, if that was not said yet.
    pub(super) fn warn(&mut self, what: &str) {
        if self.0.len() < MOST && self.0.insert(what.to_owned()) {
            tracing::warn!("{what}");
        }
    }

    /// Begins anew: what is said next is news.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}
