//! `check_extensions`: CAs, purposes, path lengths, and what the strict mode asks for.

use super::build::{Trust, trust};
use super::read::{CERT_SIGN, CRL_SIGN, DIGITAL_SIGNATURE, KEY_AGREEMENT, KEY_ENCIPHERMENT, Parsed};
use super::{Refusal, Rules, refuse};
use crate::trust::verify::crypto::KeyKind;
use crate::trust::verify::{Failure, shown};

const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
/// Server gated cryptography of Microsoft and Netscape.
const GATED: [&[u8]; 2] = [&[0x2b, 6, 1, 4, 1, 0x82, 0x37, 10, 3, 3], &[0x60, 0x86, 0x48, 1, 0x86, 0xf8, 0x42, 4, 1]];
const NETSCAPE_SERVER: u8 = 0x40;
const NETSCAPE_SSL_CA: u8 = 0x04;
const NETSCAPE_ANY_CA: u8 = 0x07;

/// `X509_check_ca`: whether and why a certificate is a CA.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ca {
    No,
    Yes,
    /// Self-signed, and of version 1.
    VersionOne,
    /// Without basic constraints, with a key usage that holds certificate signing.
    KeyUsage,
    /// By the Netscape type alone.
    Netscape,
}

fn ca(parsed: &Parsed<'_>) -> Ca {
    if parsed.invalid || parsed.forbids(CERT_SIGN) {
        return Ca::No;
    }
    match parsed.ca {
        Some(ca) => {
            if ca {
                Ca::Yes
            } else {
                Ca::No
            }
        }
        None if parsed.version == 1 && parsed.is_self_signed() => Ca::VersionOne,
        None if parsed.key_usage.is_some() => Ca::KeyUsage,
        None if parsed.netscape.is_some_and(|kinds| kinds & NETSCAPE_ANY_CA != 0) => Ca::Netscape,
        None => Ca::No,
    }
}

pub(super) fn check(path: &[Parsed<'_>], trusted_from: usize, rules: Rules) -> Result<(), Refusal> {
    let mut below = 0_u64;
    for (depth, parsed) in path.iter().enumerate() {
        let about = shown(parsed.certificate);
        if parsed.unhandled_critical {
            return Err(refuse(Failure::CriticalExtension, 34, "unhandled critical extension", &about));
        }
        if parsed.is_proxy {
            return Err(refuse(Failure::Purpose, 40, "proxy certificates not allowed", &about));
        }
        let ca = ca(parsed);
        let invalid_ca = if depth == 0 {
            rules.strict && !matches!(ca, Ca::No | Ca::Yes)
        } else {
            ca == Ca::No || ((depth + 1 < path.len() || rules.strict) && ca != Ca::Yes)
        };
        if invalid_ca {
            return Err(refuse(Failure::NotACa, 79, "invalid CA certificate", &about));
        }
        if path.len() > 1 {
            match &parsed.key {
                None => {
                    return Err(refuse(Failure::Algorithm, 1, "unspecified certificate verification error", &about));
                }
                Some(key) if matches!(key.kind, KeyKind::Ec { curve: None, .. }) => {
                    return Err(refuse(
                        Failure::Algorithm,
                        94,
                        "Certificate public key has explicit ECC parameters",
                        &about,
                    ));
                }
                Some(_) => {}
            }
            if rules.strict {
                strict(parsed, depth + 1 == path.len())?;
            }
        }
        if rules.server && !serves(parsed, depth, trusted_from, rules) {
            return Err(refuse(Failure::Purpose, 26, "unsuitable certificate purpose", &about));
        }
        if depth > 1 && parsed.path_length.is_some_and(|limit| below > limit) {
            return Err(refuse(Failure::NotACa, 25, "path length constraint exceeded", &about));
        }
        if depth > 0 && !parsed.is_self_issued() {
            below += 1;
        }
    }
    Ok(())
}

/// `check_purpose` for `sslserver`.
fn serves(parsed: &Parsed<'_>, depth: usize, trusted_from: usize, rules: Rules) -> bool {
    if depth >= trusted_from {
        match trust(parsed, rules, false) {
            Trust::Trusted => return true,
            Trust::Rejected => return false,
            Trust::Neutral => {}
        }
    }
    if parsed.invalid {
        return !rules.strict;
    }
    let allowed = |usages: &Vec<&[u8]>| usages.iter().any(|usage| *usage == SERVER_AUTH || GATED.contains(usage));
    if !parsed.usages.as_ref().is_none_or(allowed) {
        return false;
    }
    if depth > 0 {
        return match ca(parsed) {
            Ca::No => false,
            Ca::Netscape => parsed.netscape.is_some_and(|kinds| kinds & NETSCAPE_SSL_CA != 0),
            _ => true,
        };
    }
    parsed.netscape.is_none_or(|kinds| kinds & NETSCAPE_SERVER != 0)
        && !parsed.forbids(DIGITAL_SIGNATURE | KEY_ENCIPHERMENT | KEY_AGREEMENT)
}

/// What `X509_V_FLAG_X509_STRICT` asks of each certificate of a path of more than one.
fn strict(parsed: &Parsed<'_>, last: bool) -> Result<(), Refusal> {
    let is_ca = parsed.ca == Some(true);
    // Without the extension no usage counts as held here.
    let may = |usage: u16| parsed.key_usage.is_some_and(|held| held & usage != 0);
    let no_subject = parsed.subject.is_empty();
    let key_id = parsed.authority.as_ref().and_then(|authority| authority.key_id);
    let names = parsed.names.as_ref();
    let checks: [(bool, u8, &str); 15] = [
        (parsed.path_length.is_some() && !is_ca, 80, "Path length invalid for non-CA cert"),
        (parsed.path_length.is_some() && !may(CERT_SIGN), 81, "Path length given without key usage keyCertSign"),
        (is_ca && !parsed.ca_critical, 89, "Basic Constraints of CA cert not marked critical"),
        (is_ca && parsed.key_usage.is_none(), 92, "CA cert does not include key usage extension"),
        (!is_ca && may(CERT_SIGN), 82, "Key usage keyCertSign invalid for non-CA cert"),
        (parsed.issuer.is_empty(), 83, "Issuer name empty"),
        (no_subject && (is_ca || may(CRL_SIGN) || names.is_none()), 84, "Subject name empty"),
        (
            no_subject && names.is_some() && !parsed.names_critical,
            88,
            "Subject empty and Subject Alt Name extension not critical",
        ),
        (names.is_some_and(Vec::is_empty), 87, "Empty Subject Alternative Name extension"),
        (!parsed.algorithms_agree(), 78, "cert info signature and signature algorithm mismatch"),
        (parsed.authority_critical, 90, "Authority Key Identifier marked critical"),
        (parsed.subject_key_id_critical, 91, "Subject Key Identifier marked critical"),
        (parsed.version >= 3 && !last && key_id.is_none(), 85, "Missing Authority Key Identifier"),
        (parsed.version >= 3 && is_ca && parsed.subject_key_id.is_none(), 86, "Missing Subject Key Identifier"),
        (parsed.version < 3 && parsed.has_extensions, 93, "Using cert extension requires at least X509v3"),
    ];
    for (wrong, code, text) in checks {
        if wrong {
            return Err(refuse(Failure::Strict, code, text, &shown(parsed.certificate)));
        }
    }
    Ok(())
}
