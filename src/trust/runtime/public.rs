//! The public roots that other stores are compared with: Mozilla's set, as `webpki-root-certs` ships it.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::model::Str;
use crate::model::trust::{Anchor, Fingerprint, PublicShare};
use crate::trust::Certificate;

/// Names and keys: a root that is issued again with the same of both is the same root.
static ROOTS: LazyLock<BTreeSet<(Str, Fingerprint)>> = LazyLock::new(|| {
    let certificates = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    certificates.filter_map(|der| Certificate::parse(der).ok()).map(|root| key(root.anchor())).collect()
});

fn key(anchor: &Anchor) -> (Str, Fingerprint) {
    (anchor.subject.clone(), anchor.spki)
}

/// Whether a certificate is one of the public roots.
pub fn is_public_root(anchor: &Anchor) -> bool {
    ROOTS.contains(&key(anchor))
}

/// How many of the public roots are among these.
pub fn share<'a>(anchors: impl Iterator<Item = &'a Anchor>) -> PublicShare {
    let present: BTreeSet<_> = anchors.map(key).filter(|key| ROOTS.contains(key)).collect();
    let count = |set: &BTreeSet<_>| u32::try_from(set.len()).unwrap_or(u32::MAX);
    PublicShare { present: count(&present), of: count(&ROOTS) }
}
