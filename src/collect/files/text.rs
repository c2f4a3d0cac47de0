//! From the bytes of a file to text: byte-order marks, UTF-16, and what is no text at all.

use std::borrow::Cow;

/// How many bytes tell whether a file is text.
pub(super) const SNIFF: usize = 8192;

/// What a file holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content<'b> {
    /// Text, without its byte-order mark. Not checked to be UTF-8: each document is checked alone.
    Text(Cow<'b, [u8]>),
    /// No text.
    Binary,
}

/// The text of a file.
pub(super) fn content(bytes: &[u8]) -> Content<'_> {
    match bytes {
        [0xef, 0xbb, 0xbf, rest @ ..] => text(rest),
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        // Without a mark: the first character of a manifest is ASCII.
        [first, 0, second, 0, ..] if *first != 0 && *second != 0 => utf16(bytes, u16::from_le_bytes),
        [0, first, 0, second, ..] if *first != 0 && *second != 0 => utf16(bytes, u16::from_be_bytes),
        _ => text(bytes),
    }
}

fn text(bytes: &[u8]) -> Content<'_> {
    if memchr::memchr(0, &bytes[..bytes.len().min(SNIFF)]).is_some() {
        Content::Binary
    } else {
        Content::Text(Cow::Borrowed(bytes))
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Content<'_> {
    let units = bytes.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    let text: String = char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect();
    if text.contains('\0') { Content::Binary } else { Content::Text(Cow::Owned(text.into_bytes())) }
}

/// Whether the text begins as JSON does: with a bracket.
pub(super) fn looks_like_json(text: &[u8]) -> bool {
    matches!(text.trim_ascii_start().first(), Some(b'{' | b'['))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_and_utf16_are_understood() {
        let is = |bytes: &[u8], text: &str| assert_eq!(content(bytes), Content::Text(text.as_bytes().into()));
        is(b"a: 1", "a: 1");
        is(b"\xef\xbb\xbfa: 1", "a: 1");
        is(b"\xff\xfea\0:\0", "a:");
        is(b"\xfe\xff\0a\0:", "a:");
        is(b"a\0:\0", "a:");
        is(b"\0a\0:", "a:");
        is(b"", "");
        assert_eq!(content(b"\x7fELF\x02\x01\x01\0\0\0"), Content::Binary);
        assert_eq!(content(b"\xff\xfe\0\0\0\0"), Content::Binary);
    }

    #[test]
    fn json_is_told_by_its_first_bracket() {
        assert!(looks_like_json(b" \n{"));
        assert!(!looks_like_json(b"--- {"));
    }
}
