//! Stores that nobody listed: what a configuration makes of those that a distribution ships.

use crate::model::trust::{Anchor, PublicShare, StoreKind, TrustStore};
use crate::trust::Certificate;
use crate::trust::cert::sha256;
use crate::trust::client::public;

/// The store of a distribution: its own public roots, of which some are taken out, and what administrators add.
///
/// What is taken out is compared as a whole certificate: another one with the same name and key stays.
pub fn described_store(path: &str, additions: &[Anchor], removed: &[Anchor]) -> TrustStore {
    let is_removed = |root: &Certificate| removed.iter().any(|anchor| anchor.sha256 == root.anchor().sha256);
    let (gone, kept): (Vec<&Certificate>, Vec<&Certificate>) =
        public::roots().iter().partition(|root| is_removed(root));
    let share: PublicShare = public::share(kept.into_iter().map(Certificate::anchor));
    let mut fingerprints: Vec<_> = additions.iter().chain(removed).map(|anchor| anchor.sha256.0).collect();
    fingerprints.sort_unstable();
    let same = |root: &Certificate, anchor: &Anchor| {
        root.anchor().spki == anchor.spki && root.anchor().subject == anchor.subject
    };
    // What is among the public roots is not told twice, unless these are without it.
    let is_own = |anchor: &&Anchor| !public::is_public_root(anchor) || gone.iter().any(|root| same(root, anchor));
    let additions: Vec<Anchor> = additions.iter().filter(is_own).cloned().collect();
    TrustStore {
        path: path.into(),
        kind: StoreKind::System,
        certificates: share.present + u32::try_from(additions.len()).unwrap_or(0),
        fingerprint: sha256(&fingerprints.concat()),
        public: share,
        additions,
        removed: gone.into_iter().map(|root| root.anchor().clone()).collect(),
        omitted: 0,
        modified: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_out_is_one_certificate() {
        let roots = public::roots();
        let anchor = |at: usize| roots[at].anchor_with_der();
        let whole = described_store("/x", &[], &[]);
        assert_eq!(
            (whole.public.present, whole.public.of, whole.removed.len()),
            (whole.certificates, whole.public.of, 0)
        );
        let less = described_store("/x", &[anchor(1)], &[anchor(0)]);
        assert_eq!((less.public.present, less.removed.len(), less.additions.len()), (whole.public.of - 1, 1, 0));
        assert_ne!(less.fingerprint, whole.fingerprint);
        // The same name and key in another certificate stays, and counts where it is added.
        let mut again = anchor(0);
        again.sha256.0[0] ^= 1;
        assert!(described_store("/x", &[], &[again.clone()]).removed.is_empty());
        assert_eq!(described_store("/x", &[again.clone()], &[anchor(0)]).additions, [again]);
    }
}
