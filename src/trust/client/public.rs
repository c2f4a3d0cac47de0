//! The public roots: the reference set that ships with this program.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::model::trust::{Anchor, Fingerprint, PublicShare};
use crate::trust::Certificate;

static ROOTS: LazyLock<Vec<Certificate>> = LazyLock::new(|| {
    let all = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    all.filter_map(|der| Certificate::parse(der.as_ref()).ok()).collect()
});

static NAMES: LazyLock<BTreeSet<(&'static str, Fingerprint)>> =
    LazyLock::new(|| ROOTS.iter().map(|root| (root.anchor().subject.as_ref(), root.anchor().spki)).collect());

/// The public roots themselves.
pub fn roots() -> &'static [Certificate] {
    &ROOTS
}

/// Whether a certificate is one of the public roots, by name and key: a root that was issued again counts.
pub fn is_public_root(anchor: &Anchor) -> bool {
    NAMES.contains(&(anchor.subject.as_ref(), anchor.spki))
}

/// How many of the public roots are among these.
pub fn share<'a>(anchors: impl IntoIterator<Item = &'a Anchor>) -> PublicShare {
    let known = anchors.into_iter().map(|anchor| (anchor.subject.as_ref(), anchor.spki));
    let present: BTreeSet<(&str, Fingerprint)> = known.filter(|name| NAMES.contains(name)).collect();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    PublicShare { present: count(present.len()), of: count(NAMES.len()) }
}

/// Whether all public roots are among these. Cheap for few certificates.
pub(super) fn holds_all(certificates: &[Certificate]) -> bool {
    certificates.len() >= webpki_root_certs::TLS_SERVER_ROOT_CERTS.len() && {
        let share = share(certificates.iter().map(Certificate::anchor));
        share.present == share.of
    }
}
