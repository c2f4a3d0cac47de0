//! rustls-webpki itself, as rustls and what stands on it call it: the path first, then the name.

use rustls_pki_types::{
    AlgorithmIdentifier, CertificateDer, InvalidSignature, ServerName, SignatureVerificationAlgorithm, TrustAnchor,
    UnixTime,
};
use webpki::{EndEntityCert, Error, InvalidNameContext, KeyUsage};

use super::crypto::Key;
use super::{Failure, Outcome, Question, Refusal, instant, missing, shown};
use crate::trust::Certificate;

pub(super) fn verify<'a>(question: &Question<'a>) -> Outcome<'a> {
    let Some((leaf, others)) = question.chain.split_first() else {
        return Err(Refusal::new(Failure::Malformed, "the chain is empty"));
    };
    let refuse = |error: &Error| refusal(error, leaf, question).with_path([leaf]);
    let der: Vec<CertificateDer<'_>> =
        question.anchors.iter().map(|anchor| CertificateDer::from(&**anchor.der())).collect();
    // An anchor that webpki cannot use is left out, as rustls leaves it out of its store.
    let anchors: Vec<(usize, TrustAnchor<'_>)> = der
        .iter()
        .enumerate()
        .filter_map(|(at, der)| Some((at, webpki::anchor_from_trusted_cert(der).ok()?)))
        .collect();
    let trusted: Vec<TrustAnchor<'_>> = anchors.iter().map(|(_, anchor)| anchor.clone()).collect();
    let sent: Vec<CertificateDer<'_>> = others.iter().map(|other| CertificateDer::from(&**other.der())).collect();
    let leaf_der = CertificateDer::from(&**leaf.der());
    let end = EndEntityCert::try_from(&leaf_der).map_err(|error| refuse(&error))?;
    let seconds = u64::try_from(instant(question.at).0).unwrap_or(0);
    let time = UnixTime::since_unix_epoch(core::time::Duration::from_secs(seconds));
    let supposing = Supposing::all(leaf);
    let by_supposition: Vec<&dyn SignatureVerificationAlgorithm> = supposing.iter().map(|one| one as _).collect();
    let algorithms = if by_supposition.is_empty() { webpki::ALL_VERIFICATION_ALGS } else { &by_supposition };
    let usage = KeyUsage::server_auth();
    let path =
        end.verify_for_usage(algorithms, &trusted, &sent, time, usage, None, None).map_err(|error| refuse(&error))?;
    if let Some(name) = question.name {
        let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
        let name = ServerName::try_from(bare).map_err(|_| {
            Refusal::new(Failure::NameMismatch, format!("rustls takes {name} for no name of a server"))
                .with_path([leaf])
        })?;
        end.verify_is_valid_for_subject_name(&name).map_err(|error| refuse(&error))?;
    }
    let mut certificates = vec![leaf];
    let between = path.intermediate_certificates();
    certificates.extend(between.filter_map(|found| others.iter().find(|other| **other.der() == *found.der())));
    let anchor = path.anchor();
    certificates.extend(anchors.iter().find(|(_, one)| one == anchor).and_then(|(at, _)| question.anchors.get(*at)));
    Ok(certificates)
}

fn refusal(error: &Error, leaf: &Certificate, question: &Question<'_>) -> Refusal {
    let failure = match error {
        Error::CertExpired { .. } => Failure::Expired,
        Error::CertNotValidYet { .. } => Failure::NotYetValid,
        Error::CertNotValidForName(InvalidNameContext { presented, .. }) => {
            let common = leaf.common_names();
            let only = presented.is_empty() && question.name.is_some_and(|name| common.iter().any(|one| one == name));
            if only { Failure::CommonNameOnly } else { Failure::NameMismatch }
        }
        Error::NameConstraintViolation | Error::MaximumNameConstraintComparisonsExceeded => Failure::NameConstraint,
        Error::CaUsedAsEndEntity => Failure::Strict,
        Error::EndEntityUsedAsCa | Error::PathLenConstraintViolated | Error::MaximumPathDepthExceeded => {
            Failure::NotACa
        }
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => Failure::Purpose,
        Error::UnsupportedCriticalExtension => Failure::CriticalExtension,
        Error::InvalidSignatureForPublicKey => Failure::SameNameOtherKey,
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_)
        | Error::SignatureAlgorithmMismatch => Failure::Algorithm,
        Error::UnknownIssuer => {
            let last = last_of(question).unwrap_or(leaf);
            let why = missing::explain(last, question.anchors);
            return Refusal::new(why.failure, format!("UnknownIssuer: {}", why.reason));
        }
        _ => Failure::Malformed,
    };
    Refusal::new(failure, format!("{error:?}, for {}", shown(leaf)))
}

/// The certificate that the server's chain leads to, by name.
fn last_of<'a>(question: &Question<'a>) -> Option<&'a Certificate> {
    let mut last = question.chain.first()?;
    for _ in 0..question.chain.len() {
        let next = question.chain.iter().skip(1).find(|one| one.subject() == last.issuer() && !one.is_self_issued());
        match next {
            Some(next) if !std::ptr::eq(next, last) => last = next,
            _ => break,
        }
    }
    Some(last)
}

/// An algorithm that takes one certificate for signed by the key that is supposed to have signed it.
#[derive(Debug)]
struct Supposing {
    inner: &'static dyn SignatureVerificationAlgorithm,
    signed: Vec<u8>,
    key: Vec<u8>,
}

impl Supposing {
    /// One for each algorithm, where the leaf's issuer is a supposition.
    fn all(leaf: &Certificate) -> Vec<Self> {
        let Some(key) = leaf.supposed().and_then(Key::read) else { return Vec::new() };
        let of = |inner: &&'static dyn SignatureVerificationAlgorithm| Self {
            inner: *inner,
            signed: leaf.tbs().to_vec(),
            key: key.bits.clone(),
        };
        webpki::ALL_VERIFICATION_ALGS.iter().map(of).collect()
    }
}

impl SignatureVerificationAlgorithm for Supposing {
    fn verify_signature(&self, key: &[u8], message: &[u8], signature: &[u8]) -> Result<(), InvalidSignature> {
        if message != self.signed {
            return self.inner.verify_signature(key, message, signature);
        }
        if key == self.key { Ok(()) } else { Err(InvalidSignature) }
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.inner.signature_alg_id()
    }
}
