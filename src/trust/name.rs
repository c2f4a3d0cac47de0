//! Distinguished names: as text, as their common names, and in the form in which OpenSSL compares them.

use std::fmt::Write as _;

use super::der::{self, Reader, tag};

/// One attribute of a name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attribute<'a> {
    /// Object identifier, DER content.
    pub(crate) kind: &'a [u8],
    /// Tag of its value.
    pub(crate) tag: u8,
    /// Content of its value.
    pub(crate) value: &'a [u8],
    /// Which relative name it belongs to, from 0.
    pub(crate) set: usize,
}

/// `id-at-commonName`.
pub(crate) const COMMON_NAME: &[u8] = &[0x55, 4, 3];
/// `emailAddress` of PKCS 9.
pub(crate) const EMAIL: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1];

/// The attributes of a name (its whole DER form), in order; `None` if it is malformed.
pub(crate) fn attributes(name: &[u8]) -> Option<Vec<Attribute<'_>>> {
    let mut reader = Reader::new(name).inside(tag::SEQUENCE)?;
    let mut all = Vec::new();
    let mut set = 0;
    while !reader.is_empty() {
        let mut relative = reader.inside(tag::SET)?;
        while !relative.is_empty() {
            let mut attribute = relative.inside(tag::SEQUENCE)?;
            let kind = attribute.take(tag::OID)?;
            let value = attribute.any()?;
            all.push(Attribute { kind, tag: value.tag, value: value.content, set });
        }
        set += 1;
    }
    Some(all)
}

impl Attribute<'_> {
    /// Its value in UTF-8; `None` for what is no text or not well-formed.
    pub(crate) fn text(&self) -> Option<String> {
        text(self.tag, self.value)
    }
}

/// A string type in UTF-8. The one-byte types are read as Latin-1, as OpenSSL and Go read T61String.
pub(crate) fn text(tag: u8, value: &[u8]) -> Option<String> {
    match tag {
        tag::UTF8_STRING => std::str::from_utf8(value).ok().map(str::to_owned),
        tag::PRINTABLE_STRING | tag::T61_STRING | tag::IA5_STRING | tag::VISIBLE_STRING | tag::NUMERIC_STRING => {
            Some(value.iter().map(|&byte| char::from(byte)).collect())
        }
        tag::BMP_STRING => {
            let (pairs, []) = value.as_chunks::<2>() else { return None };
            pairs.iter().map(|pair| char::from_u32(u16::from_be_bytes(*pair).into())).collect()
        }
        tag::UNIVERSAL_STRING => {
            let (words, []) = value.as_chunks::<4>() else { return None };
            words.iter().map(|word| char::from_u32(u32::from_be_bytes(*word))).collect()
        }
        _ => None,
    }
}

/// The common names, in order; those that are no text are left out.
pub(crate) fn common_names(name: &[u8]) -> Vec<String> {
    let all = attributes(name).unwrap_or_default();
    all.iter().filter(|attribute| attribute.kind == COMMON_NAME).filter_map(Attribute::text).collect()
}

/// A name as RFC 4514 writes it: the last relative name first, multi-valued ones joined by `+`.
pub(crate) fn rfc4514(name: &[u8]) -> String {
    let Some(all) = attributes(name) else { return "(malformed name)".to_owned() };
    let mut out = String::new();
    let sets: Vec<&[Attribute<'_>]> = all.chunk_by(|a, b| a.set == b.set).collect();
    for (at, set) in sets.iter().rev().enumerate() {
        for (within, attribute) in set.iter().enumerate() {
            match (at, within) {
                (0, 0) => {}
                (_, 0) => out.push(','),
                _ => out.push('+'),
            }
            write_attribute(attribute, &mut out);
        }
    }
    out
}

/// Short names: those of RFC 4514, section 3, and those that every tool prints beside them.
fn short(kind: &[u8]) -> Option<&'static str> {
    Some(match kind {
        [0x55, 4, 3] => "CN",
        [0x55, 4, 5] => "serialNumber",
        [0x55, 4, 6] => "C",
        [0x55, 4, 7] => "L",
        [0x55, 4, 8] => "ST",
        [0x55, 4, 9] => "STREET",
        [0x55, 4, 10] => "O",
        [0x55, 4, 11] => "OU",
        [0x55, 4, 97] => "organizationIdentifier",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1] => "UID",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25] => "DC",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1] => "emailAddress",
        _ => return None,
    })
}

fn write_attribute(attribute: &Attribute<'_>, out: &mut String) {
    match (short(attribute.kind), attribute.text()) {
        (Some(kind), Some(text)) => {
            out.push_str(kind);
            out.push('=');
            escape(&text, out);
        }
        (kind, _) => {
            let kind = kind.map(str::to_owned).or_else(|| der::dotted(attribute.kind));
            out.push_str(&kind.unwrap_or_else(|| "?".to_owned()));
            out.push_str("=#");
            for byte in encode(attribute.tag, attribute.value) {
                let _ = write!(out, "{byte:02x}");
            }
        }
    }
}

/// RFC 4514, section 2.4; characters that would disturb a terminal are written as their bytes.
fn escape(text: &str, out: &mut String) {
    let last = text.chars().count().saturating_sub(1);
    for (at, char) in text.chars().enumerate() {
        match char {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => out.extend(['\\', char]),
            '#' if at == 0 => out.push_str("\\#"),
            ' ' if at == 0 || at == last => out.push_str("\\ "),
            char if char.is_control() => {
                for byte in char.encode_utf8(&mut [0; 4]).bytes() {
                    let _ = write!(out, "\\{byte:02X}");
                }
            }
            char => out.push(char),
        }
    }
}

/// A value with its tag and length.
pub(crate) fn encode(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![tag];
    let length = content.len();
    if let Ok(length @ 0..0x80) = u8::try_from(length) {
        out.push(length);
    } else {
        let bytes = length.to_be_bytes();
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        out.push(0x80 | u8::try_from(bytes.len() - zeros).unwrap_or(8));
        out.extend_from_slice(&bytes[zeros..]);
    }
    out.extend_from_slice(content);
    out
}

/// The form in which OpenSSL compares names: text in UTF-8 and lower case (ASCII alone), spaces at the ends gone and
/// runs of them one, other values as they are; without the outer header, so that a subtree is a prefix
/// (`X509_NAME_cmp`). `None`: OpenSSL does not take such a name.
pub(crate) fn canonical(name: &[u8]) -> Option<Vec<u8>> {
    let all = attributes(name)?;
    let mut out = Vec::new();
    for set in all.chunk_by(|a, b| a.set == b.set) {
        let mut encoded: Vec<Vec<u8>> = Vec::with_capacity(set.len());
        for attribute in set {
            let value = match attribute.tag {
                tag::UTF8_STRING
                | tag::BMP_STRING
                | tag::UNIVERSAL_STRING
                | tag::PRINTABLE_STRING
                | tag::T61_STRING
                | tag::IA5_STRING => encode(tag::UTF8_STRING, fold(&attribute.text()?).as_bytes()),
                // The other kinds that `ASN1_PRINTABLE` lets into a name.
                other @ (tag::BIT_STRING | tag::NUMERIC_STRING | tag::SEQUENCE | 7..=11 | 13..=15 | 29) => {
                    encode(other, attribute.value)
                }
                _ => return None,
            };
            let mut content = encode(tag::OID, attribute.kind);
            content.extend(value);
            encoded.push(encode(tag::SEQUENCE, &content));
        }
        encoded.sort();
        out.extend(encode(tag::SET, &encoded.concat()));
    }
    Some(out)
}

fn fold(text: &str) -> String {
    let is_space = |char: char| matches!(char, ' ' | '\t' | '\n' | '\x0b' | '\x0c' | '\r');
    let mut out = String::with_capacity(text.len());
    let mut space = false;
    for char in text.trim_matches(is_space).chars() {
        if is_space(char) {
            space = true;
            continue;
        }
        if std::mem::take(&mut space) {
            out.push(' ');
        }
        out.push(char.to_ascii_lowercase());
    }
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    type Part<'a> = (&'a [u8], u8, &'a [u8]);

    fn name(sets: &[&[Part<'_>]]) -> Vec<u8> {
        let mut all = Vec::new();
        for set in sets {
            let mut content = Vec::new();
            for (kind, tag, value) in *set {
                let pair = [encode(tag::OID, kind), encode(*tag, value)].concat();
                content.extend(encode(tag::SEQUENCE, &pair));
            }
            all.extend(encode(tag::SET, &content));
        }
        encode(tag::SEQUENCE, &all)
    }

    const O: &[u8] = &[0x55, 4, 10];

    #[test]
    fn names_are_written_last_part_first_and_escaped() {
        let name = name(&[
            &[(&[0x55, 4, 6], tag::PRINTABLE_STRING, b"DE")],
            &[(O, tag::UTF8_STRING, "Bäckerei, \"Süß\" ".as_bytes()), (COMMON_NAME, tag::UTF8_STRING, b"#1+1\n")],
            &[(&[0x2a, 3], tag::UTF8_STRING, b"x")],
        ]);
        assert_eq!(rfc4514(&name), "1.2.3=#0c0178,O=Bäckerei\\, \\\"Süß\\\"\\ +CN=\\#1\\+1\\0A,C=DE");
    }

    #[test]
    fn openssl_folds_case_spaces_and_string_types() {
        let one = name(&[&[(O, tag::PRINTABLE_STRING, b"  Big   Corp ")]]);
        let two = name(&[&[(O, tag::UTF8_STRING, b"BIG CORP")]]);
        let three = name(&[&[(O, tag::BMP_STRING, b"\0b\0i\0g\0 \0c\0o\0r\0p")]]);
        let other = name(&[&[(O, tag::UTF8_STRING, b"BIGCORP")]]);
        assert_eq!(canonical(&one), canonical(&two));
        assert_eq!(canonical(&one), canonical(&three));
        assert_ne!(canonical(&one), canonical(&other));
        let below = name(&[&[(O, tag::UTF8_STRING, b"Big Corp")], &[(COMMON_NAME, tag::UTF8_STRING, b"x")]]);
        assert!(canonical(&below).unwrap().starts_with(&canonical(&one).unwrap()));
        assert_eq!(canonical(&name(&[&[(O, tag::BMP_STRING, b"x")]])), None);
    }

    #[test]
    fn common_names_in_order() {
        let name = name(&[&[(COMMON_NAME, tag::UTF8_STRING, b"one")], &[(COMMON_NAME, tag::BMP_STRING, b"\0t\0w\0o")]]);
        assert_eq!(common_names(&name), ["one", "two"]);
        assert!(common_names(&[0x30, 5]).is_empty());
    }
}
