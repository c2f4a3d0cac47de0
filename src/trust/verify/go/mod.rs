//! `crypto/x509` of Go 1.27: `Certificate.Verify` with roots, intermediates, a name and an instant, for servers.
//!
//! What Go does differently from others: it tries every path (within a budget of signature checks), it takes any
//! certificate of the store as an anchor and checks the anchor's dates and extensions, it never looks at the common
//! name, and its reader refuses certificates that others take.

mod constraints;
mod forms;
mod host;
mod mailbox;
mod policy;
mod read;
mod uri;

use std::collections::HashSet;

use super::crypto::{self, Bad, Hash, Scheme};
use super::{Failure, Outcome, Question, Refusal, instant, missing};
use crate::trust::Certificate;
use crate::trust::cert::sha256;
use read::Parsed;

/// How often `buildChains` checks a signature before it gives up.
const SIGNATURE_CHECKS: u32 = 100;

/// Keys that Go distrusts whatever the store says (`distrustedSPKIHashes`): SHA-256 of the SubjectPublicKeyInfo.
const DISTRUSTED: &[&str] = &[
    "ebed6475c2c2d80fcb199f3fe8dd6e6b3ce60b77eb15d4e42c3dec0c6f5b5105",
    "49dd353dc2b919a3770645117d0e60c16115e7d1bc259eefe734b00ea434fe5f",
    "e0254c7fcdc265e2f0f8a428dabb75ab4ae039b4872d62f5ee57f0877d5a8a41",
    "5c0660a2b164910d8ff589c18e14552e9e0ec237dcefe2cb736d41a4811f81a0",
    "43bffa19d6ef651451f6841e019931e96f6f2eaeff28ab4b6f1ce4576de2717b",
    "63ecefee431d49523bc1136c4e72d0206a477086caf606cd5cf025686c109cf8",
    "ec4ffa1ad0ac88081314b7aaffef6a91f97cd57291bb5ba686c5415f5eb4f6b6",
    "92c063d67e8f14db71d288e11266ffdaf69cbf115f7bab14f3bc2f68d25e0e30",
];

/// The place of a certificate in a path.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Leaf,
    Intermediate,
    Root,
}

/// Why Go refuses something.
#[derive(Clone, Debug)]
struct Problem {
    failure: Failure,
    reason: String,
}

impl Problem {
    fn new(failure: Failure, reason: impl Into<String>) -> Self {
        Self { failure, reason: reason.into() }
    }
}

struct Builder<'a> {
    seconds: i64,
    fraction: bool,
    roots: Vec<&'a Certificate>,
    intermediates: Vec<&'a Certificate>,
    checks: u32,
    longest: Vec<Parsed<'a>>,
    hint: Option<Problem>,
}

pub(super) fn verify<'a>(question: &Question<'a>) -> Outcome<'a> {
    let Some((leaf, others)) = question.chain.split_first() else {
        return Err(Refusal::new(Failure::Malformed, "the chain is empty"));
    };
    let leaf = Parsed::read(leaf).map_err(|why| {
        Refusal::new(Failure::Malformed, format!("Go does not parse the server's certificate: {why}")).with_path([leaf])
    })?;
    let (seconds, fraction) = instant(question.at);
    let mut builder = Builder {
        seconds,
        fraction,
        roots: pool(question.anchors.iter().filter(|anchor| anchor.aux().is_none())),
        intermediates: pool(others.iter()),
        checks: 0,
        longest: vec![leaf.clone()],
        hint: None,
    };
    let refuse = |problem: Problem, path: &[Parsed<'_>]| {
        Refusal::new(problem.failure, problem.reason).with_path(path.iter().map(|parsed| parsed.certificate))
    };
    let alone = std::slice::from_ref(&leaf);
    builder.is_valid(Place::Leaf, &[], &leaf).map_err(|problem| refuse(problem, alone))?;
    if let Some(name) = question.name.filter(|name| !name.is_empty()) {
        host::verify(&leaf, name).map_err(|problem| refuse(problem, alone))?;
    }
    let chains = if builder.roots.iter().any(|root| root.der() == leaf.certificate.der()) {
        vec![vec![leaf.clone()]]
    } else {
        let mut chains = Vec::new();
        builder.build(std::slice::from_ref(&leaf), &mut chains);
        chains
    };
    if chains.is_empty() {
        let problem = builder.hint.take().unwrap_or_else(|| {
            let last = builder.longest.last().unwrap_or(&leaf);
            let why = missing::explain(last.certificate, question.anchors);
            let text = format!("x509: certificate signed by unknown authority: {}", why.reason);
            Problem::new(why.failure, text)
        });
        return Err(refuse(problem, &builder.longest));
    }
    let mut first = None;
    for chain in &chains {
        match judge(chain) {
            Ok(()) => return Ok(chain.iter().map(|parsed| parsed.certificate).collect()),
            Err(problem) => first.get_or_insert((problem, chain)),
        };
    }
    let (problem, chain) = first.unwrap_or((Problem::new(Failure::UnknownIssuer, "no chain was built"), &chains[0]));
    Err(refuse(problem, chain))
}

/// Certificates without those that are there already.
fn pool<'a>(certificates: impl Iterator<Item = &'a Certificate>) -> Vec<&'a Certificate> {
    let mut seen = HashSet::new();
    certificates.filter(|certificate| seen.insert(certificate.anchor().sha256.0)).collect()
}

/// What is asked of a whole chain: policies, extended key usages, name constraints.
fn judge(chain: &[Parsed<'_>]) -> Result<(), Problem> {
    if !policy::valid(chain) {
        return Err(Problem::new(Failure::Purpose, "x509: no valid chains built: certificate policies are not met"));
    }
    if let Some(parsed) = chain.iter().rev().find(|parsed| !parsed.serves()) {
        return Err(Problem::new(
            Failure::Purpose,
            format!(
                "x509: certificate specifies an incompatible key usage: the extended key usages of {} do not hold \
                 server authentication",
                parsed.name()
            ),
        ));
    }
    constraints::check(chain).map_err(|why| {
        let text = "x509: a root or intermediate certificate is not authorized to sign for this name";
        Problem::new(Failure::NameConstraint, format!("{text}: {why}"))
    })?;
    for parsed in chain {
        let spki = sha256(parsed.certificate.spki()).to_string();
        if DISTRUSTED.iter().any(|distrusted| spki.ends_with(distrusted)) {
            return Err(Problem::new(Failure::Strict, format!("Go distrusts the key of {}", parsed.name())));
        }
    }
    Ok(())
}

impl<'a> Builder<'a> {
    fn is_valid(&self, place: Place, chain: &[Parsed<'a>], parsed: &Parsed<'a>) -> Result<(), Problem> {
        if parsed.unhandled_critical {
            return Err(Problem::new(
                Failure::CriticalExtension,
                format!("x509: unhandled critical extension of {}", parsed.name()),
            ));
        }
        let text = "x509: certificate has expired or is not yet valid";
        let anchor = parsed.certificate.anchor();
        if self.seconds < parsed.certificate.not_before().seconds {
            let from = anchor.not_before;
            return Err(Problem::new(
                Failure::NotYetValid,
                format!("{text}: {} is not valid before {from}", parsed.name()),
            ));
        }
        let end = parsed.certificate.not_after().seconds;
        if self.seconds > end || (self.seconds == end && self.fraction) {
            let until = anchor.not_after;
            return Err(Problem::new(Failure::Expired, format!("{text}: {} expired at {until}", parsed.name())));
        }
        if place == Place::Intermediate && parsed.ca != Some(true) {
            return Err(Problem::new(
                Failure::NotACa,
                format!("x509: certificate is not authorized to sign other certificates: {} is no CA", parsed.name()),
            ));
        }
        if let Some(limit) = parsed.path_length
            && (chain.len() as u64).saturating_sub(1) > limit
        {
            return Err(Problem::new(
                Failure::NotACa,
                format!("x509: too many intermediates for path length constraint: {} allows {limit}", parsed.name()),
            ));
        }
        Ok(())
    }

    fn build(&mut self, chain: &[Parsed<'a>], chains: &mut Vec<Vec<Parsed<'a>>>) {
        let Some(last) = chain.last() else { return };
        if chain.len() > self.longest.len() {
            self.longest = chain.to_vec();
        }
        for place in [Place::Root, Place::Intermediate] {
            for candidate in self.parents(place, last) {
                self.checks += 1;
                if self.checks > SIGNATURE_CHECKS {
                    self.hint.get_or_insert_with(|| {
                        let text = "x509: signature check attempts limit reached while verifying certificate chain";
                        Problem::new(Failure::Signature, text)
                    });
                    return;
                }
                if candidate.key.is_none() || is_in(&candidate, chain) {
                    continue;
                }
                let fits = check_signature(last, &candidate).and_then(|()| self.is_valid(place, chain, &candidate));
                if let Err(problem) = fits {
                    self.hint.get_or_insert(problem);
                    continue;
                }
                let mut longer = chain.to_vec();
                longer.push(candidate);
                if place == Place::Root {
                    chains.push(longer);
                } else {
                    self.build(&longer, chains);
                }
            }
        }
    }

    /// Certificates whose subject is the issuer's name byte for byte, those first whose key identifier fits.
    fn parents(&self, place: Place, child: &Parsed<'a>) -> Vec<Parsed<'a>> {
        let pool = if place == Place::Root { &self.roots } else { &self.intermediates };
        let named = pool.iter().filter(|candidate| candidate.subject() == child.certificate.issuer());
        let mut parents: Vec<Parsed<'a>> = named.filter_map(|candidate| Parsed::read(candidate).ok()).collect();
        parents.sort_by_key(|parent| match (parent.subject_key_id, child.authority_key_id) {
            (one, other) if one == other => 0,
            ([], _) | (_, []) => 1,
            _ => 2,
        });
        parents
    }
}

/// A certificate of the same subject, key and alternative names is in the chain already (`alreadyInChain`).
fn is_in(candidate: &Parsed<'_>, chain: &[Parsed<'_>]) -> bool {
    for parsed in chain {
        let (one, other) = (candidate.certificate, parsed.certificate);
        if one.subject() != other.subject() || one.spki() != other.spki() {
            continue;
        }
        match (candidate.alternative_names, parsed.alternative_names) {
            (None, None) => return true,
            (None, Some(_)) | (Some(_), None) => return false,
            (Some(one), Some(other)) if one == other => return true,
            _ => {}
        }
    }
    false
}

/// `CheckSignatureFrom`.
fn check_signature(child: &Parsed<'_>, parent: &Parsed<'_>) -> Result<(), Problem> {
    let name = parent.name();
    let not_a_ca = match parent.ca {
        Some(ca) => !ca,
        None => parent.version == 3,
    };
    if not_a_ca {
        return Err(Problem::new(Failure::NotACa, format!("x509: invalid signature: {name} is no CA")));
    }
    if parent.key_usage.is_some_and(|usage| usage != 0 && usage & read::CERT_SIGN == 0) {
        return Err(Problem::new(
            Failure::Purpose,
            format!("x509: invalid signature: the key usage of {name} forbids signing certificates"),
        ));
    }
    let Some(key) = &parent.key else {
        return Err(Problem::new(Failure::Algorithm, format!("x509: the kind of key of {name} is not supported")));
    };
    let insecure = |what: &str| {
        let text = format!("x509: cannot verify signature: insecure algorithm {what} signs {}", child.name());
        Problem::new(Failure::Algorithm, text)
    };
    match child.scheme.hash() {
        Some(Hash::Md5) => return Err(insecure("MD5")),
        Some(Hash::Sha1) => return Err(insecure("SHA-1")),
        _ => {}
    }
    let supported = match child.scheme {
        Scheme::Pkcs1(hash) | Scheme::Ecdsa(hash) => matches!(hash, Hash::Sha256 | Hash::Sha384 | Hash::Sha512),
        Scheme::Pss(pss) => {
            matches!(pss.hash, Hash::Sha256 | Hash::Sha384 | Hash::Sha512)
                && pss.mask == pss.hash
                && pss.salt == pss.hash.length() as u64
        }
        Scheme::Ed25519 | Scheme::MlDsa(_) => {
            crypto::algorithm(child.certificate.inner_algorithm()).is_some_and(|(_, parameters)| parameters.is_empty())
        }
        Scheme::Dsa(_) | Scheme::Ed448 | Scheme::Unknown => false,
    };
    if !supported || matches!(key.kind, crypto::KeyKind::Dsa { .. } | crypto::KeyKind::Other) {
        let text = format!("x509: cannot verify signature: algorithm unimplemented, of {}", child.name());
        return Err(Problem::new(Failure::Algorithm, text));
    }
    if let crypto::KeyKind::Rsa { n, e } = &key.kind {
        let bits = crypto::bit_length(n);
        if bits < 1024 {
            let text = format!("crypto/rsa: {bits}-bit keys are insecure: {name} has one");
            return Err(Problem::new(Failure::Algorithm, text));
        }
        let odd = |bytes: &[u8]| bytes.last().is_some_and(|byte| byte & 1 == 1);
        if !odd(n) || !odd(e) || !(2..=31).contains(&crypto::bit_length(e)) {
            return Err(Problem::new(Failure::Algorithm, format!("crypto/rsa: the public key of {name} is invalid")));
        }
    }
    crypto::issued(parent.certificate, key, child.certificate, (&child.scheme, &child.signature)).map_err(|bad| {
        match bad {
            Bad::Signature => Problem::new(
                Failure::SameNameOtherKey,
                format!("{name} has the issuer's name, but the signature of {} is not by its key", child.name()),
            ),
            Bad::Mismatch => Problem::new(
                Failure::SameNameOtherKey,
                format!("{name} has the issuer's name, but another kind of key signed {}", child.name()),
            ),
            Bad::Unsupported => {
                Problem::new(Failure::Algorithm, format!("x509: the key of {name} or the signature is not supported"))
            }
        }
    })
}
