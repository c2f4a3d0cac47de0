//! What Go's reader asks of the forms of values: numbers, names, keys, and the insides of extensions.

use super::read::Read;
use crate::trust::der::{self, Reader, tag};
use crate::trust::name;
use crate::trust::verify::crypto::{Key, KeyKind, MlDsa, Scheme};

/// A number that may be left out. What is negative counts as left out: Go asks whether it is above zero, or zero.
#[allow(clippy::option_option)] // what is left out is not malformed
pub(super) fn number(reader: &mut Reader<'_>, tag: u8) -> Option<Option<u64>> {
    let Some(element) = reader.optional(tag)? else { return Some(None) };
    if !der::is_minimal_integer(element.content) || element.content.len() > 8 {
        return None;
    }
    Some(der::unsigned(element.content))
}

/// A BOOLEAN that may be left out; DER knows two values.
pub(super) fn boolean(reader: &mut Reader<'_>) -> Option<bool> {
    match reader.optional(tag::BOOLEAN)?.map(|element| element.content) {
        None | Some([0]) => Some(false),
        Some([0xff]) => Some(true),
        Some(_) => None,
    }
}

/// Content of a BIT STRING as a number of whole bytes: bits that do not count are shifted out.
pub(super) fn aligned(content: &[u8]) -> Option<Vec<u8>> {
    let (unused, bytes) = der::bits(content, true)?;
    if unused == 0 {
        return Some(bytes.to_vec());
    }
    let before = |at: usize| at.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(0);
    let shift = |(at, byte): (usize, &u8)| before(at).checked_shl(8 - u32::from(unused)).unwrap_or(0) | byte >> unused;
    Some(bytes.iter().enumerate().map(shift).collect())
}

/// An object identifier whose parts are below 2^31.
pub(super) fn is_oid(oid: &[u8]) -> bool {
    !oid.is_empty()
        && der::dotted(oid).is_some_and(|dotted| {
            let mut parts = dotted.split('.').map(|part| part.parse::<u64>().unwrap_or(u64::MAX));
            parts.all(|part| part < 1 << 31)
        })
}

pub(super) fn is_minimal_oid(oid: &[u8]) -> bool {
    let starts = |at: usize| at.checked_sub(1).and_then(|at| oid.get(at)).is_none_or(|byte| byte & 0x80 == 0);
    oid.last().is_some_and(|byte| byte & 0x80 == 0) && !(0..oid.len()).any(|at| oid[at] == 0x80 && starts(at))
}

pub(super) fn algorithm(content: &[u8]) -> Option<Scheme> {
    let mut reader = Reader::new(content);
    reader.take(tag::OID).filter(|oid| is_oid(oid))?;
    if !reader.is_empty() {
        reader.any()?;
    }
    Some(Scheme::read(content))
}

/// Names and constraints hold domains without a dot at the end; a constraint may have one in front.
pub(super) fn is_domain(text: &str, constraint: bool) -> bool {
    if text.is_empty() {
        return true;
    }
    let text = if constraint { text.strip_prefix('.').unwrap_or(text) } else { text };
    text.split('.').all(|label| !label.is_empty() && label.bytes().all(|byte| (33..=126).contains(&byte)))
}

/// An IPv4 address in IPv6 form.
pub(super) fn is_mapped(address: &[u8]) -> bool {
    address.len() == 16 && address[..10].iter().all(|byte| *byte == 0) && address[10..12] == [0xff, 0xff]
}

pub(super) fn is_mask(mask: &[u8]) -> bool {
    let mut rest = mask.iter().skip_while(|byte| **byte == 0xff);
    rest.next().is_none_or(|byte| byte.leading_ones() == byte.count_ones()) && rest.all(|byte| *byte == 0)
}

pub(super) fn check_name(raw: &[u8]) -> Read<()> {
    let all = name::attributes(raw).ok_or("invalid RDNSequence")?;
    let value = |attribute: &name::Attribute<'_>| {
        let value = attribute.value;
        match attribute.tag {
            tag::PRINTABLE_STRING => {
                value.iter().all(|byte| byte.is_ascii_alphanumeric() || b" '()+,-./:=?*&".contains(byte))
            }
            tag::UTF8_STRING => std::str::from_utf8(value).is_ok(),
            tag::IA5_STRING => value.is_ascii(),
            tag::NUMERIC_STRING => value.iter().all(|byte| byte.is_ascii_digit() || *byte == b' '),
            tag::BMP_STRING => {
                let (pairs, []) = value.as_chunks::<2>() else { return false };
                let pairs = if let [rest @ .., [0, 0]] = pairs { rest } else { pairs };
                let point = |pair: &[u8; 2]| u16::from_be_bytes(*pair);
                pairs.iter().all(|pair| !matches!(point(pair), 0xfffe | 0xffff | 0xfdd0..=0xfdef | 0xd800..=0xdfff))
            }
            tag::INTEGER => der::is_minimal_integer(value) && value.len() <= 8,
            tag::BIT_STRING => der::bits(value, true).is_some(),
            tag::OID => is_oid(value),
            tag::BOOLEAN => matches!(value, [0 | 0xff]),
            _ => true,
        }
    };
    if all.iter().all(|attribute| is_oid(attribute.kind) && value(attribute)) {
        Ok(())
    } else {
        Err("invalid RDNSequence: invalid attribute")
    }
}

pub(super) fn distribution_points(value: &[u8]) -> Option<()> {
    let mut list = Reader::new(value).inside(tag::SEQUENCE)?;
    while !list.is_empty() {
        let mut point = list.inside(tag::SEQUENCE)?;
        if let Some(name) = point.optional(tag::constructed(0))? {
            let mut full = Reader::new(name.content).inside(tag::constructed(0))?;
            while full.peek() == Some(tag::context(6)) {
                full.take(tag::context(6))?;
            }
        }
    }
    Some(())
}

pub(super) fn info_access(value: &[u8]) -> Option<()> {
    let mut list = Reader::new(value).inside(tag::SEQUENCE)?;
    while !list.is_empty() {
        let mut access = list.inside(tag::SEQUENCE)?;
        access.take(tag::OID).filter(|oid| is_oid(oid))?;
        access.optional(tag::context(6))?;
    }
    Some(())
}

/// `parsePublicKey`: a key of a kind that Go knows must be well-formed, or the certificate is refused.
pub(super) fn public_key(spki: &[u8]) -> Read<Option<Key>> {
    let mut reader = Reader::new(spki).inside(tag::SEQUENCE).ok_or("malformed spki")?;
    let content = reader.take(tag::SEQUENCE).ok_or("malformed public key algorithm identifier")?;
    algorithm(content).ok_or("malformed public key algorithm identifier")?;
    let bits = reader.take(tag::BIT_STRING).ok_or("malformed subjectPublicKey")?;
    der::bits(bits, true).ok_or("malformed subjectPublicKey")?;
    let Some(key) = Key::read(spki) else { return Ok(None) };
    match &key.kind {
        KeyKind::Other if key.is_x25519() && (!key.parameters.is_empty() || key.bits.len() != 32) => {
            Err("invalid X25519 key")
        }
        KeyKind::Other | KeyKind::Ed448 => Ok(None),
        _ if key.is_pss() => Ok(None),
        KeyKind::Rsa { .. } if key.parameters != [tag::NULL, 0] => Err("RSA key missing NULL parameters"),
        KeyKind::Ec { curve: Some(curve), point } if curve.is_of_go() => {
            if point.first() == Some(&4) && curve.holds(point) { Ok(Some(key)) } else { Err("invalid ECDSA point") }
        }
        KeyKind::Ec { .. } => Err("unsupported elliptic curve"),
        KeyKind::Ed25519 | KeyKind::MlDsa(_) if !key.parameters.is_empty() => {
            Err("key encoded with illegal parameters")
        }
        KeyKind::MlDsa(kind) => {
            let length = match kind {
                MlDsa::L44 => 1312,
                MlDsa::L65 => 1952,
                MlDsa::L87 => 2592,
            };
            if key.bits.len() == length { Ok(Some(key)) } else { Err("wrong ML-DSA public key size") }
        }
        KeyKind::Malformed(what) => Err(what),
        KeyKind::Rsa { .. } | KeyKind::Dsa { .. } | KeyKind::Ed25519 => Ok(Some(key)),
    }
}
