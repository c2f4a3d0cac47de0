//! A server's certificate that nobody has seen: what a CA would sign for a host, to ask a client about the CA.

use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};

use super::crypto::{Curve, Key, KeyKind, MlDsa};
use crate::trust::Certificate;
use crate::trust::cert::extension;
use crate::trust::der::{Reader, tag};

/// The certificate that a CA would issue for a host: valid around `at`, in order for every client, and taken for signed
/// by the CA's key. `known` are certificates of the same CA, whose key identifiers may differ.
///
/// `None` where nobody knows how a key of that kind signs.
pub fn leaf<'k>(
    ca: &Certificate,
    known: impl IntoIterator<Item = &'k Certificate>,
    host: &str,
    at: Timestamp,
) -> Option<Certificate> {
    let key = Key::read(ca.spki())?;
    let algorithm = signature_algorithm(&key)?;
    let key_id = |certificate: &Certificate| certificate.extension(extension::SUBJECT_KEY_ID).map(|e| e.value.to_vec());
    let own = key_id(ca);
    let is_same = |other: &&Certificate| other.subject() == ca.subject() && other.spki() == ca.spki();
    let agreed = known.into_iter().filter(is_same).all(|other| key_id(other) == own);
    let authority =
        own.filter(|_| agreed).and_then(|value| Reader::new(&value).take(tag::OCTET_STRING).map(<[u8]>::to_vec));

    let mut extensions = vec![
        extended(extension::BASIC_CONSTRAINTS, true, &element(tag::SEQUENCE, &[])),
        // digitalSignature
        extended(extension::KEY_USAGE, true, &element(tag::BIT_STRING, &[7, 0x80])),
        extended(extension::EXT_KEY_USAGE, false, &element(tag::SEQUENCE, &element(tag::OID, SERVER_AUTH))),
        extended(extension::SUBJECT_KEY_ID, false, &element(tag::OCTET_STRING, &[1; 20])),
        // The subject is empty, so the names are critical (RFC 5280, section 4.2.1.6).
        extended(extension::SUBJECT_ALT_NAME, true, &element(tag::SEQUENCE, &name(host))),
    ];
    if let Some(id) = authority {
        let value = element(tag::SEQUENCE, &element(tag::context(0), &id));
        extensions.push(extended(extension::AUTHORITY_KEY_ID, false, &value));
    }
    let day = SignedDuration::from_hours(24);
    let validity = [time(at.checked_sub(day).ok()?), time(at.checked_add(day).ok()?)].concat();
    let point = [&[0, 4], P256_X.as_slice(), P256_Y.as_slice()].concat();
    let public_key = [element(tag::SEQUENCE, P256_KEY), element(tag::BIT_STRING, &point)].concat();
    let fields = [
        element(tag::constructed(0), &element(tag::INTEGER, &[2])),
        element(tag::INTEGER, &[1]),
        algorithm.clone(),
        ca.subject().to_vec(),
        element(tag::SEQUENCE, &validity),
        element(tag::SEQUENCE, &[]),
        element(tag::SEQUENCE, &public_key),
        element(tag::constructed(3), &element(tag::SEQUENCE, &extensions.concat())),
    ];
    let signed = element(tag::SEQUENCE, &fields.concat());
    let whole = [signed, algorithm, element(tag::BIT_STRING, &[0, 0])].concat();
    Certificate::parse(&element(tag::SEQUENCE, &whole)).ok().map(|leaf| leaf.supposed_of(ca.spki()))
}

const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];

/// `id-ecPublicKey` on `prime256v1`.
const P256_KEY: &[u8] = &[6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1, 6, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];

/// The base point of P-256 (SEC 2, section 2.4.2): some point of the curve.
const P256_X: [u8; 32] = [
    0x6b, 0x17, 0xd1, 0xf2, 0xe1, 0x2c, 0x42, 0x47, 0xf8, 0xbc, 0xe6, 0xe5, 0x63, 0xa4, 0x40, 0xf2, 0x77, 0x03, 0x7d,
    0x81, 0x2d, 0xeb, 0x33, 0xa0, 0xf4, 0xa1, 0x39, 0x45, 0xd8, 0x98, 0xc2, 0x96,
];
const P256_Y: [u8; 32] = [
    0x4f, 0xe3, 0x42, 0xe2, 0xfe, 0x1a, 0x7f, 0x9b, 0x8e, 0xe7, 0xeb, 0x4a, 0x7c, 0x0f, 0x9e, 0x16, 0x2b, 0xce, 0x33,
    0x57, 0x6b, 0x31, 0x5e, 0xce, 0xcb, 0xb6, 0x40, 0x68, 0x37, 0xbf, 0x51, 0xf5,
];

/// The AlgorithmIdentifier that a CA with such a key uses today, header included.
fn signature_algorithm(key: &Key) -> Option<Vec<u8>> {
    const ECDSA: [u8; 7] = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3];
    const NIST: [u8; 8] = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3];
    const RSA: [u8; 8] = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1];
    let of = |stem: &[u8], last: u8, parameters: &[u8]| {
        let oid = element(tag::OID, &[stem, &[last]].concat());
        Some(element(tag::SEQUENCE, &[oid, parameters.to_vec()].concat()))
    };
    match &key.kind {
        // Which parameters a key for RSASSA-PSS is used with differs.
        KeyKind::Rsa { .. } if key.is_pss() => None,
        KeyKind::Rsa { .. } => of(&RSA, 11, &[tag::NULL, 0]),
        KeyKind::Ec { curve, .. } => of(
            &ECDSA,
            match curve.map(Curve::bits) {
                Some(..=256) | None => 2,
                Some(..=384) => 3,
                Some(_) => 4,
            },
            &[],
        ),
        KeyKind::Dsa { .. } => of(&NIST, 2, &[]),
        KeyKind::Ed25519 => of(&[0x2b, 0x65], 0x70, &[]),
        KeyKind::Ed448 => of(&[0x2b, 0x65], 0x71, &[]),
        KeyKind::MlDsa(kind) => of(
            &NIST,
            match kind {
                MlDsa::L44 => 17,
                MlDsa::L65 => 18,
                MlDsa::L87 => 19,
            },
            &[],
        ),
        KeyKind::Other | KeyKind::Malformed(_) => None,
    }
}

/// A GeneralName for a host: its address, or its DNS name.
fn name(host: &str) -> Vec<u8> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    match bare.parse() {
        Ok(IpAddr::V4(address)) => element(tag::context(7), &address.octets()),
        Ok(IpAddr::V6(address)) => element(tag::context(7), &address.octets()),
        Err(_) => element(tag::context(2), host.as_bytes()),
    }
}

fn extended(oid: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical = if critical { element(tag::BOOLEAN, &[0xff]) } else { Vec::new() };
    element(tag::SEQUENCE, &[element(tag::OID, oid), critical, element(tag::OCTET_STRING, value)].concat())
}

/// UTCTime until 2049, GeneralizedTime from 2050 on (RFC 5280, section 4.1.2.5).
fn time(at: Timestamp) -> Vec<u8> {
    let date = at.to_zoned(jiff::tz::TimeZone::UTC);
    if (1950..2050).contains(&date.year()) {
        element(tag::UTC_TIME, date.strftime("%y%m%d%H%M%SZ").to_string().as_bytes())
    } else {
        element(tag::GENERALIZED_TIME, date.strftime("%Y%m%d%H%M%SZ").to_string().as_bytes())
    }
}

/// Tag, length in its shortest form, content.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    if let Ok(short @ ..0x80) = u8::try_from(length) {
        out.push(short);
    } else {
        let bytes: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
        out.push(0x80 | u8::try_from(bytes.len()).unwrap_or(0x7f));
        out.extend(bytes);
    }
    out.extend_from_slice(content);
    out
}
