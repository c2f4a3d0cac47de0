//! What a client loads: stores, each with the rule that made the client read it.

use std::collections::BTreeSet;

use crate::model::trust::{Fingerprint, TrustNote};
use crate::trust::Certificate;

/// Whether the client verifies at all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Verification {
    /// It does.
    #[default]
    On,
    /// It accepts any server; by what.
    Off(String),
    /// It may be switched off; why that cannot be told.
    Unknown(String),
}

/// One file, directory or built-in set that the client reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Store {
    /// Path as the client names it; `built in` for roots inside the program.
    pub path: String,
    /// The rule by which it reads this: a variable, a setting with its file, or its default.
    pub rule: String,
    /// Whether it is read for sure; otherwise it may be.
    pub sure: bool,
    /// It holds the public roots, which are not listed in `certificates`.
    pub public: bool,
    /// Public roots that it does not hold although it holds the others, by whole certificate.
    pub without: Vec<Fingerprint>,
    /// Its other certificates, in order.
    pub certificates: Vec<Certificate>,
}

/// The anchors of one client at one place.
///
/// What is listed and `sure` is accepted. What is listed and not `sure` may be. If `unknown` is not empty, there may be
/// more than what is listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Effective {
    /// What it reads, in the order in which it reads it.
    pub stores: Vec<Store>,
    /// Whether it verifies.
    pub verification: Verification,
    /// It fails before it connects, and why: a CA file that was asked for and is not there.
    pub fails: Option<String>,
    /// Why there may be anchors that are not listed.
    pub unknown: Vec<String>,
    /// Paths that it asked for and that the tree does not hold, links followed: what to read next.
    pub unread: Vec<String>,
    /// What the answer takes for granted.
    pub assumptions: Vec<String>,
    /// Traps that were met.
    pub notes: Vec<TrustNote>,
}

impl Effective {
    /// Whether it accepts the public roots, all but those that its stores are without; `None`: it cannot be told.
    pub fn public(&self) -> Option<bool> {
        let public = |store: &&Store| store.public;
        match self.stores.iter().filter(public).map(|store| store.sure).max() {
            _ if self.fails.is_some() => Some(false),
            Some(true) => Some(true),
            None if self.unknown.is_empty() => Some(false),
            Some(false) | None => None,
        }
    }

    /// The anchors beside the public roots, each once. `sure`: only those that it accepts for sure; otherwise those
    /// that it may accept as well.
    pub fn anchors(&self, sure: bool) -> Vec<&Certificate> {
        let mut seen = BTreeSet::new();
        let stores = self.stores.iter().filter(|store| store.sure || !sure);
        let certificates = stores.flat_map(|store| &store.certificates);
        certificates.filter(|certificate| seen.insert(certificate.anchor().sha256)).collect()
    }

    /// Whether every store that holds the public roots is without this one. `sure`: of the stores that it reads for sure.
    pub fn is_without(&self, root: &Certificate, sure: bool) -> bool {
        let mut public = self.stores.iter().filter(|store| store.public && (store.sure || !sure)).peekable();
        public.peek().is_some() && public.all(|store| store.without.contains(&root.anchor().sha256))
    }

    /// The store that an anchor came from: the first that is sure, else the first.
    pub fn origin(&self, anchor: &Certificate) -> Option<&Store> {
        let mut stores: Vec<_> =
            self.stores.iter().filter(|store| store.certificates.iter().any(|c| c.der() == anchor.der())).collect();
        stores.sort_by_key(|store| !store.sure);
        stores.first().copied()
    }

    /// Where the client looks, in words: what to name when an anchor is missing.
    pub fn places(&self) -> String {
        let places: Vec<_> = self.stores.iter().map(|store| format!("{} ({})", store.path, store.rule)).collect();
        if places.is_empty() { "nothing".to_owned() } else { places.join(", ") }
    }
}
