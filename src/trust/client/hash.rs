//! The name under which OpenSSL looks for an issuer in a directory.
//!
//! `X509_NAME_hash` of OpenSSL 1.0 and later: the first four bytes, little endian, of the SHA-1 of the subject's
//! relative names, one after the other and without the outer SEQUENCE, each string value brought to a canonical form
//! (UTF8String, ASCII letters in lower case, outer spaces gone, runs of spaces as one). `openssl rehash` makes links of
//! eight hexadecimal digits, a dot and a number from 0.

use aws_lc_rs::digest;
use x509_parser::der_parser::asn1_rs::{Any, Class, FromDer, Tag};

use crate::trust::Certificate;

/// The hash of a certificate's subject, as `openssl x509 -subject_hash` prints it; `None` if its name cannot be taken
/// apart.
pub fn subject_hash(certificate: &Certificate) -> Option<String> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate.der()).ok()?;
    name_hash(parsed.tbs_certificate.subject.as_raw())
}

/// Whether a file has a name that OpenSSL may look for: the hash and the number.
pub fn hashed_name(name: &str) -> Option<(&str, u32)> {
    let (hash, number) = name.split_once('.')?;
    let is_hash = hash.len() == 8 && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    let is_number = !number.is_empty() && (number == "0" || !number.starts_with('0'));
    (is_hash && is_number).then_some(())?;
    Some((hash, number.parse().ok()?))
}

fn name_hash(name: &[u8]) -> Option<String> {
    let mut canonical = Vec::new();
    for set in children(name)? {
        let mut entries = Vec::new();
        for entry in children(set)? {
            let mut pair = Vec::new();
            let [kind, value] = children(entry)?[..] else { return None };
            pair.extend_from_slice(kind);
            pair.extend(canonical_value(value)?);
            entries.push(wrap(0x30, &pair));
        }
        // DER orders what stands in a SET by its encoding.
        entries.sort();
        canonical.extend(wrap(0x31, &entries.concat()));
    }
    let digest = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &canonical);
    let first: [u8; 4] = digest.as_ref().get(..4)?.try_into().ok()?;
    Some(format!("{:08x}", u32::from_le_bytes(first)))
}

/// The elements of a constructed value, each with its header.
pub(super) fn children(value: &[u8]) -> Option<Vec<&[u8]>> {
    let (_, outer) = Any::from_der(value).ok()?;
    let mut rest = outer.data;
    let mut all = Vec::new();
    while !rest.is_empty() {
        let (after, _) = Any::from_der(rest).ok()?;
        all.push(&rest[..rest.len() - after.len()]);
        rest = after;
    }
    Some(all)
}

fn canonical_value(value: &[u8]) -> Option<Vec<u8>> {
    let (_, any) = Any::from_der(value).ok()?;
    let text = match any.tag() {
        _ if any.class() != Class::Universal => return Some(value.to_vec()),
        Tag::Utf8String => any.data.to_vec(),
        // OpenSSL takes T61String and the others of one byte a character for Latin-1.
        Tag::PrintableString | Tag::T61String | Tag::Ia5String | Tag::VisibleString => {
            any.data.iter().map(|byte| char::from(*byte)).collect::<String>().into_bytes()
        }
        Tag::BmpString => {
            let units = any.data.chunks_exact(2).map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])));
            units.map(char::from_u32).collect::<Option<String>>()?.into_bytes()
        }
        Tag::UniversalString => {
            let units = any.data.chunks_exact(4).map(|four| u32::from_be_bytes([four[0], four[1], four[2], four[3]]));
            units.map(char::from_u32).collect::<Option<String>>()?.into_bytes()
        }
        _ => return Some(value.to_vec()),
    };
    Some(wrap(0x0c, &canonical_text(&text)))
}

/// Outer white space gone, inner white space as one space each, ASCII letters in lower case.
fn canonical_text(text: &[u8]) -> Vec<u8> {
    let space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c);
    let words = text.split(space).filter(|word| !word.is_empty());
    words.map(<[u8]>::to_ascii_lowercase).collect::<Vec<_>>().join(&b' ')
}

fn wrap(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    if length < 0x80 {
        out.push(u8::try_from(length).unwrap_or_default());
    } else {
        let bytes = length.to_be_bytes();
        let used: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
        out.push(0x80 | u8::try_from(used.len()).unwrap_or_default());
        out.extend(used);
    }
    out.extend_from_slice(content);
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn names_of_hashed_links() {
        assert_eq!(hashed_name("002c0b4f.0"), Some(("002c0b4f", 0)));
        assert_eq!(hashed_name("002c0b4f.12"), Some(("002c0b4f", 12)));
        for other in ["002c0b4f", "002c0b4f.", "002C0B4F.0", "002c0b4.0", "002c0b4f.r0", "ca.crt", "002c0b4f.01"] {
            assert_eq!(hashed_name(other), None, "{other}");
        }
    }

    /// `openssl x509 -subject_hash` of three public roots, one with a name in UTF-8.
    #[test]
    fn hashes_are_those_of_openssl() {
        let mut looked = 0;
        for der in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
            let certificate = Certificate::parse(der.as_ref()).unwrap();
            let subject = &certificate.anchor().subject;
            for (part, hash) in
                [("ISRG Root X1", "4042bcee"), ("GTS Root R1,", "1001acf7"), ("NetLock Arany", "988a38cb")]
            {
                if format!("{subject},").contains(part) {
                    assert_eq!(subject_hash(&certificate).as_deref(), Some(hash), "{subject}");
                    looked += 1;
                }
            }
        }
        assert_eq!(looked, 3);
    }
}
