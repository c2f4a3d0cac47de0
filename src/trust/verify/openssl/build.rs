//! Building the one path (`build_chain`).

use super::read::Parsed;
use super::{Refusal, Rules, is_current, refuse};
use crate::trust::Certificate;
use crate::trust::name;
use crate::trust::verify::crypto::{KeyKind, Scheme};
use crate::trust::verify::{Failure, shown};

/// Certificates of a path before it is too long: `verify_depth` of 100, and one.
const LONGEST: usize = 101;

const ANY_USAGE: &[u8] = &[0x55, 0x1d, 37, 0];
const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];

/// What the store says about one of its certificates (`X509_check_trust`).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Trust {
    Trusted,
    Rejected,
    /// It does not end a path.
    Neutral,
}

/// By what OpenSSL keeps beside a certificate; where it keeps nothing, self-signed ones are trusted.
pub(super) fn trust(parsed: &Parsed<'_>, rules: Rules, self_signed_counts: bool) -> Trust {
    let wanted = if rules.server { SERVER_AUTH } else { ANY_USAGE };
    let hits = |usage: &[u8]| usage == wanted || (rules.server && usage == ANY_USAGE);
    if let Some(aux) = parsed.certificate.aux() {
        if aux.reject.iter().any(|usage| hits(usage)) {
            return Trust::Rejected;
        }
        if let Some(trusted) = &aux.trust {
            return if trusted.iter().any(|usage| hits(usage)) { Trust::Trusted } else { Trust::Rejected };
        }
    }
    if self_signed_counts && !parsed.invalid && parsed.is_self_signed() { Trust::Trusted } else { Trust::Neutral }
}

/// By name, key identifier and kind of key (`ossl_x509_likely_issued`); no signature is looked at.
pub(super) fn likely_issued(issuer: &Parsed<'_>, subject: &Parsed<'_>) -> bool {
    issuer.subject == subject.issuer
        && !issuer.invalid
        && !subject.invalid
        && authority_fits(issuer, subject)
        && algorithm_fits(issuer, subject)
}

fn authority_fits(issuer: &Parsed<'_>, subject: &Parsed<'_>) -> bool {
    let Some(authority) = &subject.authority else { return true };
    let key_id = authority.key_id.zip(issuer.subject_key_id).is_none_or(|(one, other)| one == other);
    let serial = authority.serial.is_none_or(|serial| same_number(serial, issuer.certificate.serial()));
    let name = authority.issuer.as_ref().is_none_or(|name| *name == issuer.issuer);
    key_id && serial && name
}

/// Integers that may have more leading bytes than they need.
fn same_number(one: &[u8], other: &[u8]) -> bool {
    let trim = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        while matches!(bytes.as_slice(), [0, next, ..] if next & 0x80 == 0)
            || matches!(bytes.as_slice(), [0xff, next, ..] if next & 0x80 != 0)
        {
            bytes.remove(0);
        }
        bytes
    };
    trim(one) == trim(other)
}

fn algorithm_fits(issuer: &Parsed<'_>, subject: &Parsed<'_>) -> bool {
    let Some(key) = &issuer.key else { return false };
    match (&key.kind, subject.scheme) {
        (KeyKind::Rsa { .. }, Scheme::Pkcs1(_)) => !key.is_pss(),
        (KeyKind::Rsa { .. }, Scheme::Pss(_))
        | (KeyKind::Ec { .. }, Scheme::Ecdsa(_))
        | (KeyKind::Dsa { .. }, Scheme::Dsa(_))
        | (KeyKind::Ed25519, Scheme::Ed25519)
        | (KeyKind::Ed448, Scheme::Ed448) => true,
        _ => false,
    }
}

/// The certificates of the store, read when a name fits.
struct Store<'a> {
    anchors: Vec<(&'a Certificate, Option<Vec<u8>>)>,
    seconds: i64,
}

impl<'a> Store<'a> {
    /// The issuer to take: the first that fits and is valid now, else the one that expires last.
    fn issuer(&self, child: &Parsed<'a>) -> Option<Parsed<'a>> {
        let named = self.anchors.iter().filter(|(_, subject)| subject.as_ref() == Some(&child.issuer));
        let read = named.filter_map(|(anchor, _)| Parsed::read(anchor).ok());
        pick(read.filter(|issuer| likely_issued(issuer, child)), self.seconds)
    }

    /// The same certificate in the store.
    fn same(&self, certificate: &Certificate) -> Option<Parsed<'a>> {
        let same = self.anchors.iter().find(|(anchor, _)| anchor.der() == certificate.der())?;
        Parsed::read(same.0).ok()
    }
}

fn pick<'a>(candidates: impl Iterator<Item = Parsed<'a>>, seconds: i64) -> Option<Parsed<'a>> {
    let mut best: Option<Parsed<'a>> = None;
    for candidate in candidates {
        if is_current(candidate.certificate, seconds) {
            return Some(candidate);
        }
        let until = |parsed: &Parsed<'_>| parsed.certificate.not_after().seconds;
        if best.as_ref().is_none_or(|best| until(&candidate) > until(best)) {
            best = Some(candidate);
        }
    }
    best
}

/// The path, leaf first, and the first place in it that the store supplied.
pub(super) fn path<'a>(
    leaf: Parsed<'a>,
    mut untrusted: Vec<Parsed<'a>>,
    anchors: &'a [Certificate],
    seconds: i64,
    rules: Rules,
) -> Result<(Vec<Parsed<'a>>, usize), Refusal> {
    let canonical = |anchor: &'a Certificate| (anchor, name::canonical(anchor.subject()));
    let store = Store { anchors: anchors.iter().map(canonical).collect(), seconds };
    let mut chain = vec![leaf];
    let mut from_peer = 1;
    let (mut look_untrusted, mut look_store) = (true, true);
    let mut trusted = false;
    while look_untrusted || look_store {
        let current = chain[chain.len() - 1].clone();
        let old = chain.len();
        if look_store {
            let issuer = if old > LONGEST { None } else { store.issuer(&current) };
            if let Some(issuer) = issuer {
                let mut last_is_self_signed = self_signed(&current, &chain)?;
                let mut first_new = old;
                let added = if last_is_self_signed {
                    let same = issuer.certificate.der() == current.certificate.der();
                    if same {
                        first_new = old - 1;
                        from_peer = first_new;
                        chain[first_new] = issuer;
                    }
                    same
                } else {
                    chain.push(issuer);
                    last_is_self_signed = self_signed(&chain[old], &chain)?;
                    true
                };
                if added {
                    look_untrusted = false;
                    trusted = is_trusted(&chain, first_new, rules)?;
                    if trusted {
                        break;
                    }
                    if !last_is_self_signed {
                        continue;
                    }
                }
            }
            if !look_untrusted {
                break;
            }
        }
        let ends = old > LONGEST || (!current.invalid && current.key.is_some() && current.is_self_signed());
        let found = if ends { None } else { find_untrusted(&untrusted, &current, &chain, seconds) };
        let Some(at) = found else {
            look_untrusted = false;
            look_store = true;
            continue;
        };
        chain.push(untrusted.remove(at));
        from_peer += 1;
    }
    if !trusted
        && rules.partial
        && chain.len() <= LONGEST
        && chain.len() == from_peer
        && let Some(same) = store.same(chain[0].certificate)
    {
        if trust(&same, rules, true) == Trust::Rejected {
            return Err(rejected(&same).with_path([same.certificate]));
        }
        chain[0] = same;
        return Ok((chain, 0));
    }
    if trusted {
        return Ok((chain, from_peer));
    }
    let refusal = no_anchor(&chain, from_peer, anchors);
    Err(refusal.with_path(chain.iter().map(|parsed| parsed.certificate)))
}

/// A certificate without a readable key ends everything.
fn self_signed(parsed: &Parsed<'_>, chain: &[Parsed<'_>]) -> Result<bool, Refusal> {
    if parsed.invalid || parsed.key.is_none() {
        let about = format!("the extensions or the key of {} are malformed", shown(parsed.certificate));
        let refusal = refuse(Failure::Malformed, 1, "unspecified certificate verification error", &about);
        return Err(refusal.with_path(chain.iter().map(|parsed| parsed.certificate)));
    }
    Ok(parsed.is_self_signed())
}

/// Whether the newest certificates of the store end the path.
fn is_trusted(chain: &[Parsed<'_>], from: usize, rules: Rules) -> Result<bool, Refusal> {
    for parsed in &chain[from..] {
        match trust(parsed, rules, true) {
            Trust::Trusted => return Ok(true),
            Trust::Rejected => {
                return Err(rejected(parsed).with_path(chain.iter().map(|parsed| parsed.certificate)));
            }
            Trust::Neutral => {}
        }
    }
    Ok(rules.partial)
}

fn rejected(parsed: &Parsed<'_>) -> Refusal {
    refuse(Failure::Purpose, 28, "certificate rejected", &shown(parsed.certificate))
}

/// Where among the certificates of the server the issuer stands.
fn find_untrusted(untrusted: &[Parsed<'_>], child: &Parsed<'_>, chain: &[Parsed<'_>], seconds: i64) -> Option<usize> {
    let mut best: Option<usize> = None;
    for (at, issuer) in untrusted.iter().enumerate() {
        let first_self_issued = child.is_self_issued() && chain.len() == 1;
        let used = chain.iter().any(|parsed| parsed.certificate.der() == issuer.certificate.der());
        if !likely_issued(issuer, child) || (used && !first_self_issued) {
            continue;
        }
        if is_current(issuer.certificate, seconds) {
            return Some(at);
        }
        let until = |at: usize| untrusted[at].certificate.not_after().seconds;
        if best.is_none_or(|best| until(at) > until(best)) {
            best = Some(at);
        }
    }
    best
}

/// Why a path ends without an anchor.
fn no_anchor(chain: &[Parsed<'_>], from_peer: usize, anchors: &[Certificate]) -> Refusal {
    let Some(last) = chain.last() else { return Refusal::new(Failure::UnknownIssuer, "no path") };
    if chain.len() > LONGEST {
        return refuse(Failure::NotACa, 22, "certificate chain too long", "");
    }
    let about = shown(last.certificate);
    if !last.invalid && last.key.is_some() && last.is_self_signed() {
        return if chain.len() == 1 {
            refuse(Failure::SelfSigned, 18, "self-signed certificate", &about)
        } else {
            let about = format!("{about} is not in the store");
            refuse(Failure::UnknownIssuer, 19, "self-signed certificate in certificate chain", &about)
        };
    }
    let (code, text) = if from_peer < chain.len() {
        (2, "unable to get issuer certificate")
    } else {
        (20, "unable to get local issuer certificate")
    };
    if from_peer < chain.len() {
        let about = format!("{about} is in the store, but is no root, and this client asks for one");
        return refuse(Failure::MissingIntermediate, code, text, &about);
    }
    let refusal = super::super::missing::explain(last.certificate, anchors);
    refuse(refusal.failure, code, text, &refusal.reason)
}
