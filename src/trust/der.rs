//! A reader of DER (X.690), as much of it as certificates need. It never panics and never copies.

/// Universal and context tags of certificates.
pub(crate) mod tag {
    pub(crate) const BOOLEAN: u8 = 0x01;
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OCTET_STRING: u8 = 0x04;
    pub(crate) const NULL: u8 = 0x05;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const UTF8_STRING: u8 = 0x0c;
    pub(crate) const NUMERIC_STRING: u8 = 0x12;
    pub(crate) const PRINTABLE_STRING: u8 = 0x13;
    pub(crate) const T61_STRING: u8 = 0x14;
    pub(crate) const IA5_STRING: u8 = 0x16;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const VISIBLE_STRING: u8 = 0x1a;
    pub(crate) const UNIVERSAL_STRING: u8 = 0x1c;
    pub(crate) const BMP_STRING: u8 = 0x1e;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;

    /// `[n]` of a value that is no structure.
    pub(crate) const fn context(n: u8) -> u8 {
        0x80 | n
    }

    /// `[n]` of a structure, or explicit.
    pub(crate) const fn constructed(n: u8) -> u8 {
        0xa0 | n
    }
}

/// One value: its tag, its content, and all of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Element<'a> {
    pub(crate) tag: u8,
    pub(crate) content: &'a [u8],
    pub(crate) full: &'a [u8],
}

/// What is still to be read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// The next value. Tags of several bytes do not occur in certificates; lengths have their shortest form.
    pub(crate) fn any(&mut self) -> Option<Element<'a>> {
        let (&tag, rest) = self.rest.split_first()?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        let (&first, rest) = rest.split_first()?;
        let (length, header) = if first < 0x80 {
            (usize::from(first), 2)
        } else {
            let count = usize::from(first & 0x7f);
            if count == 0 || count > 4 {
                return None;
            }
            let digits = rest.get(..count)?;
            let length =
                digits.iter().try_fold(0_usize, |sum, &byte| sum.checked_mul(256)?.checked_add(byte.into()))?;
            if length < 0x80 || digits.first() == Some(&0) {
                return None;
            }
            (length, 2 + count)
        };
        let end = header.checked_add(length)?;
        let element = Element { tag, content: self.rest.get(header..end)?, full: self.rest.get(..end)? };
        self.rest = self.rest.get(end..)?;
        Some(element)
    }

    /// The next value, if it has this tag.
    pub(crate) fn element(&mut self, tag: u8) -> Option<Element<'a>> {
        let mut ahead = *self;
        let element = ahead.any().filter(|element| element.tag == tag)?;
        *self = ahead;
        Some(element)
    }

    /// The content of the next value, if it has this tag.
    pub(crate) fn take(&mut self, tag: u8) -> Option<&'a [u8]> {
        self.element(tag).map(|element| element.content)
    }

    /// The next value if it begins with this tag; `None` where it does and is malformed.
    #[allow(clippy::option_option)] // what is left out is not malformed
    pub(crate) fn optional(&mut self, tag: u8) -> Option<Option<Element<'a>>> {
        if self.peek() != Some(tag) {
            return Some(None);
        }
        self.element(tag).map(Some)
    }

    /// The content of the next value as what is to be read.
    pub(crate) fn inside(&mut self, tag: u8) -> Option<Reader<'a>> {
        self.take(tag).map(Reader::new)
    }
}

/// The content of a BIT STRING: how many bits of its last byte count for nothing, and its bytes.
/// DER wants the unused bits zero; `strict` asks for that.
pub(crate) fn bits(content: &[u8], strict: bool) -> Option<(u8, &[u8])> {
    let (&unused, bytes) = content.split_first()?;
    if unused > 7 || (bytes.is_empty() && unused != 0) {
        return None;
    }
    let last = bytes.last().copied().unwrap_or(0);
    if strict && last.trailing_zeros() < u32::from(unused) {
        return None;
    }
    Some((unused, bytes))
}

/// Whether the content of an INTEGER has its shortest form.
pub(crate) fn is_minimal_integer(content: &[u8]) -> bool {
    match content {
        [] => false,
        [_] => true,
        [first, second, ..] => !((*first == 0 && second & 0x80 == 0) || (*first == 0xff && second & 0x80 != 0)),
    }
}

/// Whether the content of an INTEGER stands for a number below zero.
pub(crate) fn is_negative(content: &[u8]) -> bool {
    content.first().is_some_and(|byte| byte & 0x80 != 0)
}

/// A number that is not negative and fits.
pub(crate) fn unsigned(content: &[u8]) -> Option<u64> {
    if !is_minimal_integer(content) || is_negative(content) || content.len() > 9 {
        return None;
    }
    content.iter().try_fold(0_u64, |sum, &byte| sum.checked_mul(256)?.checked_add(byte.into()))
}

/// Bytes of a positive INTEGER without the zero that keeps it positive.
pub(crate) fn magnitude(content: &[u8]) -> &[u8] {
    let zeros = content.iter().take_while(|byte| **byte == 0).count();
    content.get(zeros..).unwrap_or(&[])
}

/// An object identifier in dots; `None` if it is malformed or a part of it is beyond 64 bits.
pub(crate) fn dotted(oid: &[u8]) -> Option<String> {
    use std::fmt::Write as _;
    let mut text = String::new();
    let mut part = 0_u64;
    let mut first = true;
    for (at, &byte) in oid.iter().enumerate() {
        if part == 0 && byte == 0x80 && (at == 0 || oid.get(at - 1).is_some_and(|last| last & 0x80 == 0)) {
            return None;
        }
        part = part.checked_mul(128)?.checked_add(u64::from(byte & 0x7f))?;
        if byte & 0x80 != 0 {
            continue;
        }
        if first {
            let head = (part / 40).min(2);
            let _ = write!(text, "{head}.{}", part - head * 40);
            first = false;
        } else {
            let _ = write!(text, ".{part}");
        }
        part = 0;
    }
    (!first && oid.last().is_some_and(|last| last & 0x80 == 0)).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_their_shortest_form_and_lie_inside() {
        assert_eq!(Reader::new(&[4, 1, 7]).any().map(|e| e.content), Some([7].as_slice()));
        assert!(Reader::new(&[4, 0x81, 1, 7]).any().is_none());
        assert!(Reader::new(&[4, 2, 7]).any().is_none());
        assert!(Reader::new(&[4, 0x80, 0, 0]).any().is_none());
        assert!(Reader::new(&[4, 0x84, 0xff, 0xff, 0xff, 0xff, 0]).any().is_none());
        let mut long = vec![4, 0x81, 0x80];
        long.extend([9; 0x80]);
        assert_eq!(Reader::new(&long).any().map(|e| e.content.len()), Some(0x80));
    }

    #[test]
    fn numbers() {
        assert_eq!(unsigned(&[0, 0x80]), Some(128));
        assert_eq!(unsigned(&[0, 1]), None);
        assert_eq!(unsigned(&[0x80]), None);
        assert!(is_negative(&[0xff]));
        assert_eq!(magnitude(&[0, 0x80]), [0x80]);
    }

    #[test]
    fn identifiers_in_dots() {
        assert_eq!(dotted(&[0x55, 0x1d, 0x11]).as_deref(), Some("2.5.29.17"));
        assert_eq!(dotted(&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11]).as_deref(), Some("1.2.840.113549.1.1.11"));
        assert_eq!(dotted(&[0x88, 0x37]).as_deref(), Some("2.999"));
        assert_eq!(dotted(&[]), None);
        assert_eq!(dotted(&[0x55, 0x80, 0x01]), None);
        assert_eq!(dotted(&[0x55, 0x81]), None);
    }
}
