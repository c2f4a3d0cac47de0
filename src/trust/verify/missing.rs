//! What a path that reaches no anchor lacks, as far as its last certificate and the store tell.

use super::crypto::{self, Key, Scheme};
use super::{Failure, Refusal, shown};
use crate::trust::Certificate;
use crate::trust::cert::extension;
use crate::trust::der;
use crate::trust::name;

/// Says why nothing in the store issued the last certificate that the server's chain leads to.
pub(super) fn explain(last: &Certificate, anchors: &[Certificate]) -> Refusal {
    if anchors.is_empty() {
        return Refusal::new(Failure::NoAnchors, "the store is empty");
    }
    let issuer = &last.anchor().issuer;
    if last.is_self_issued() && signs(last, last) {
        let about = shown(last);
        return Refusal::new(Failure::SelfSigned, format!("{about} is its own issuer and not in the store"));
    }
    let folded = name::canonical(last.issuer());
    let namesake = anchors.iter().find(|anchor| {
        anchor.subject() == last.issuer() || (folded.is_some() && name::canonical(anchor.subject()) == folded)
    });
    if let Some(namesake) = namesake {
        if signs(namesake, last) {
            return Refusal::new(Failure::UnknownIssuer, format!("`{issuer}` is in the store, and is not taken"));
        }
        return Refusal::new(
            Failure::SameNameOtherKey,
            format!("the store has `{issuer}` with another key than the one that signed {}", shown(last)),
        );
    }
    if last.extension(extension::AUTHORITY_INFO_ACCESS).is_some_and(|access| has_issuer_location(access.value)) {
        return Refusal::new(
            Failure::MissingIntermediate,
            format!(
                "the server does not send `{issuer}`, which {} says where to fetch, and the store lacks it",
                shown(last)
            ),
        );
    }
    Refusal::new(
        Failure::UnknownIssuer,
        format!("`{issuer}`, the issuer of {}, is neither sent by the server nor in the store", shown(last)),
    )
}

/// Whether the key of one verifies the signature of the other.
pub fn signs(issuer: &Certificate, subject: &Certificate) -> bool {
    let scheme = Scheme::read(subject.inner_algorithm());
    let signature = der::bits(subject.signature(), false).map(|(_, bytes)| bytes);
    let Some((key, signature)) = Key::read(issuer.spki()).zip(signature) else { return false };
    crypto::issued(issuer, &key, subject, (&scheme, signature)).is_ok()
}

/// `caIssuers` among the ways to information about the authority (RFC 5280, section 4.2.2.1).
fn has_issuer_location(value: &[u8]) -> bool {
    const CA_ISSUERS: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 48, 2];
    value.windows(CA_ISSUERS.len()).any(|window| window == CA_ISSUERS)
}
