//! OpenSSL 3.0: `X509_verify_cert`, with the settings of `openssl verify`, or of a TLS client.
//!
//! It builds one path and never goes back: the first certificate that fits by name, key identifier and date is taken,
//! the store before what the server sent. A path ends at a self-signed anchor, unless partial chains are allowed.

mod build;
mod constraints;
mod extensions;
mod host;
mod read;

use super::crypto::{self, Bad};
use super::{Failure, Outcome, Question, Refusal, shown};
use crate::trust::Certificate;
use read::Parsed;

/// Settings of `X509_VERIFY_PARAM` that clients differ in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // settings of their own
pub(super) struct Rules {
    /// The purpose `sslserver` is asked for, as TLS clients do.
    pub(super) server: bool,
    /// `X509_V_FLAG_PARTIAL_CHAIN`: any certificate of the store ends a path.
    pub(super) partial: bool,
    /// `X509_V_FLAG_X509_STRICT`.
    pub(super) strict: bool,
    /// Security level (`SSL_CTX_set_security_level`): 0 asks nothing of keys and digests.
    pub(super) level: u8,
    /// Wildcards in a part of a label do not match (`X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS`).
    pub(super) whole_wildcards: bool,
    /// Where the common name stands in.
    pub(super) common_name: CommonName,
    /// The dates of the last certificate count.
    pub(super) anchor_dates: bool,
}

/// Where the common name stands in for alternative names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CommonName {
    /// Nowhere (`X509_CHECK_FLAG_NEVER_CHECK_SUBJECT`).
    Never,
    /// Where there is no DNS name: OpenSSL's `X509_check_host`.
    Unnamed,
    /// Where there is neither a DNS name nor an address: GnuTLS.
    Bare,
    /// The same, and for addresses too: libcurl on OpenSSL compares by itself.
    Curl,
}

impl Rules {
    /// `openssl verify -CAfile … -untrusted … -verify_hostname …`.
    pub(super) fn verify_command() -> Self {
        Self {
            server: false,
            partial: false,
            strict: false,
            level: 0,
            whole_wildcards: false,
            common_name: CommonName::Unnamed,
            anchor_dates: true,
        }
    }
}

/// A reason with OpenSSL's own words, as `X509_verify_cert_error_string` gives them.
fn refuse(failure: Failure, code: u8, text: &str, about: &str) -> Refusal {
    let about = if about.is_empty() { String::new() } else { format!(": {about}") };
    Refusal::new(failure, format!("{text} (OpenSSL error {code}){about}"))
}

pub(super) fn verify<'a>(question: &Question<'a>, rules: Rules) -> Outcome<'a> {
    let Some((first, others)) = question.chain.split_first() else {
        return Err(Refusal::new(Failure::Malformed, "the chain is empty"));
    };
    let malformed =
        |why: &str| Refusal::new(Failure::Malformed, format!("OpenSSL does not read the certificate: {why}"));
    let leaf = Parsed::read(first).map_err(|why| malformed(why).with_path([first]))?;
    check_key_level(&leaf, 0, rules).map_err(|refusal| refusal.with_path([first]))?;
    let seconds = super::instant(question.at).0;
    let untrusted: Vec<Parsed<'a>> = others.iter().filter_map(|certificate| Parsed::read(certificate).ok()).collect();
    let (path, trusted_from) = build::path(leaf, untrusted, question.anchors, seconds, rules)?;
    let certificates = || path.iter().map(|parsed| parsed.certificate);
    judge(&path, trusted_from, question.name, seconds, rules).map_err(|refusal| refusal.with_path(certificates()))?;
    Ok(certificates().collect())
}

/// What is asked of the path, in OpenSSL's order.
fn judge(
    path: &[Parsed<'_>],
    trusted_from: usize,
    name: Option<&str>,
    seconds: i64,
    rules: Rules,
) -> Result<(), Refusal> {
    extensions::check(path, trusted_from, rules)?;
    check_level(path, rules)?;
    if let Some(name) = name {
        host::check(&path[0], name, rules)?;
    }
    check_signatures(path, seconds, rules)?;
    constraints::check(path, rules)
}

/// Security of a key at a level, in bits (NIST SP 800-57, table 2).
fn check_key_level(parsed: &Parsed<'_>, depth: usize, rules: Rules) -> Result<(), Refusal> {
    let Some(wanted) = level_bits(rules.level) else { return Ok(()) };
    let bits = parsed.key.as_ref().and_then(read::security_bits).unwrap_or(0);
    if bits >= wanted {
        return Ok(());
    }
    let (code, text) =
        if depth == 0 { (66, "EE certificate key too weak") } else { (67, "CA certificate key too weak") };
    Err(refuse(Failure::Algorithm, code, text, &shown(parsed.certificate)))
}

/// Security of a key in bits; 0 for one that cannot be told.
pub(super) fn key_bits(key: &crypto::Key) -> usize {
    read::security_bits(key).unwrap_or(0)
}

fn level_bits(level: u8) -> Option<usize> {
    match level {
        0 => None,
        1 => Some(80),
        2 => Some(112),
        3 => Some(128),
        4 => Some(192),
        _ => Some(256),
    }
}

fn check_level(path: &[Parsed<'_>], rules: Rules) -> Result<(), Refusal> {
    let Some(wanted) = level_bits(rules.level) else { return Ok(()) };
    for (depth, parsed) in path.iter().enumerate() {
        if depth > 0 {
            check_key_level(parsed, depth, rules)?;
        }
        let bits = read::signature_bits(&parsed.scheme);
        if depth + 1 < path.len() && bits < wanted {
            let text = "CA signature digest algorithm too weak";
            return Err(refuse(Failure::Algorithm, 68, text, &shown(parsed.certificate)));
        }
    }
    Ok(())
}

/// `internal_verify`: from the anchor down, each signature, and each date including the anchor's.
fn check_signatures(path: &[Parsed<'_>], seconds: i64, rules: Rules) -> Result<(), Refusal> {
    let Some(last) = path.last() else { return Ok(()) };
    let mut top = path.len();
    if !build::likely_issued(last, last) && !rules.partial {
        top -= 1;
        if top == 0 {
            let text = "unable to verify the first certificate";
            return Err(refuse(Failure::UnknownIssuer, 21, text, &shown(last.certificate)));
        }
    }
    for depth in (0..top).rev() {
        let child = &path[depth];
        if let Some(issuer) = path.get(depth + 1) {
            check_signature(child, issuer)?;
        }
        if rules.anchor_dates || depth + 1 < path.len() {
            check_dates(child, seconds)?;
        }
    }
    Ok(())
}

fn check_signature(child: &Parsed<'_>, issuer: &Parsed<'_>) -> Result<(), Refusal> {
    let about = shown(issuer.certificate);
    if child.is_proxy && issuer.forbids(read::DIGITAL_SIGNATURE) {
        return Err(refuse(Failure::Purpose, 39, "key usage does not include digital signature", &about));
    }
    if !child.is_proxy && issuer.forbids(read::CERT_SIGN) {
        return Err(refuse(Failure::Purpose, 32, "key usage does not include certificate signing", &about));
    }
    let Some(key) = &issuer.key else {
        return Err(refuse(Failure::Algorithm, 6, "unable to decode issuer public key", &about));
    };
    if !child.algorithms_agree() {
        return Err(refuse(Failure::Signature, 7, "certificate signature failure", &shown(child.certificate)));
    }
    crypto::issued(issuer.certificate, key, child.certificate, (&child.scheme, &child.signature)).map_err(|bad| {
        let text = "certificate signature failure";
        match bad {
            Bad::Unsupported => {
                refuse(Failure::Algorithm, 7, text, &format!("{about} or its signature is unsupported"))
            }
            Bad::Signature | Bad::Mismatch => refuse(
                Failure::SameNameOtherKey,
                7,
                text,
                &format!("{about} has the issuer's name, but another key signed {}", shown(child.certificate)),
            ),
        }
    })
}

/// Valid from the first second on, and until before the last.
fn check_dates(parsed: &Parsed<'_>, seconds: i64) -> Result<(), Refusal> {
    let (from, until) = (parsed.certificate.not_before(), parsed.certificate.not_after());
    let about = shown(parsed.certificate);
    let anchor = parsed.certificate.anchor();
    if !from.strict {
        return Err(refuse(Failure::Malformed, 13, "format error in certificate's notBefore field", &about));
    }
    if from.seconds > seconds {
        let about = format!("{about} is not valid before {}", anchor.not_before);
        return Err(refuse(Failure::NotYetValid, 9, "certificate is not yet valid", &about));
    }
    if !until.strict {
        return Err(refuse(Failure::Malformed, 14, "format error in certificate's notAfter field", &about));
    }
    if until.seconds <= seconds {
        let about = format!("{about} expired at {}", anchor.not_after);
        return Err(refuse(Failure::Expired, 10, "certificate has expired", &about));
    }
    Ok(())
}

/// Whether the dates hold, for picking among issuers.
fn is_current(certificate: &Certificate, seconds: i64) -> bool {
    let (from, until) = (certificate.not_before(), certificate.not_after());
    from.strict && until.strict && from.seconds <= seconds && until.seconds > seconds
}
