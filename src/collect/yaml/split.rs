//! Cuts a stream into documents, so that one that is broken does not take the others with it.

use memchr::memchr_iter;

/// One document of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Document<'t> {
    /// Its text, the marker before it included.
    pub(crate) text: &'t [u8],
    /// The line on which the text begins, from 1.
    pub(crate) line: u32,
}

/// The documents of a stream. A line that is `---`, alone or before a blank, begins one wherever it stands:
/// no scalar can hold such a line. What holds only blanks, comments and directives is no document.
pub(crate) fn documents(stream: &[u8]) -> Vec<Document<'_>> {
    let mut documents = Vec::new();
    let (mut start, mut line, mut start_line) = (0, 1, 1);
    let mut push = |from: usize, to: usize, line: u32| {
        let text = &stream[from..to];
        if has_content(text) {
            documents.push(Document { text, line });
        }
    };
    let mut at = 0;
    for end in memchr_iter(b'\n', stream).map(|n| n + 1).chain([stream.len()]) {
        if at > start && is_marker(&stream[at..end]) {
            push(start, at, start_line);
            start = at;
            start_line = line;
        }
        at = end;
        line += 1;
    }
    push(start, stream.len(), start_line);
    documents
}

fn is_marker(line: &[u8]) -> bool {
    line.strip_prefix(b"---").is_some_and(|rest| matches!(rest.first(), None | Some(b' ' | b'\t' | b'\r' | b'\n')))
}

fn has_content(text: &[u8]) -> bool {
    text.split(|b| *b == b'\n').any(|line| {
        let line = if is_marker(line) { &line[3..] } else { line };
        let line = line.trim_ascii();
        !line.is_empty() && !line.starts_with(b"#") && !line.starts_with(b"%") && line != b"..."
    })
}

/// `apiVersion` and `kind` of a document that has each on a line of its own without indentation, exactly once.
///
/// Anything else, flow style and lists included, has to be parsed.
pub(crate) fn sniff_kind(text: &[u8]) -> Option<(&str, &str)> {
    let (mut api_version, mut kind) = (None, None);
    for line in text.split(|b| *b == b'\n') {
        let slot = match line.first() {
            Some(b'k') if line.starts_with(b"kind:") => &mut kind,
            Some(b'a') if line.starts_with(b"apiVersion:") => &mut api_version,
            // Flow style, a quoted key, a list, an anchor: not what this can read.
            Some(b'{' | b'[' | b'"' | b'\'' | b'?' | b'!' | b'&' | b'*' | b'<') => return None,
            _ => continue,
        };
        let value = line.splitn(2, |b| *b == b':').nth(1)?.trim_ascii();
        let is_plain = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'/' | b'-');
        if value.is_empty() || !value.iter().all(is_plain) || slot.is_some() {
            return None;
        }
        *slot = std::str::from_utf8(value).ok();
    }
    api_version.zip(kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn split(stream: &str) -> Vec<(&str, u32)> {
        documents(stream.as_bytes()).iter().map(|d| (std::str::from_utf8(d.text).unwrap_or_default(), d.line)).collect()
    }

    #[test]
    fn documents_begin_at_markers() {
        assert_eq!(split("a: 1\n---\nb: 2\n"), [("a: 1\n", 1), ("---\nb: 2\n", 2)]);
        assert_eq!(split("---\r\na: 1\r\n--- # x\r\nb: 2"), [("---\r\na: 1\r\n", 1), ("--- # x\r\nb: 2", 3)]);
        assert_eq!(split("--- {a: 1}\n"), [("--- {a: 1}\n", 1)]);
        assert_eq!(split("a: |\n  ---\n  x\n----\n"), [("a: |\n  ---\n  x\n----\n", 1)]);
    }

    #[test]
    fn what_holds_nothing_is_no_document() {
        assert_eq!(split(""), []);
        assert_eq!(split("---\n---\n# only a comment\n---\n%YAML 1.1\n---\na: 1\n...\n"), [("---\na: 1\n...\n", 6)]);
    }

    #[test]
    fn a_kind_is_sniffed_only_where_it_is_certain() {
        assert_eq!(sniff_kind(b"apiVersion: v1\nkind: Secret\ndata:\n  kind: x\n"), Some(("v1", "Secret")));
        assert_eq!(sniff_kind(b"apiVersion: v1\r\nkind: Secret\r\n"), Some(("v1", "Secret")));
        for uncertain in
            ["kind: Secret\n", "apiVersion: v1\nkind: 'Secret'\n", "apiVersion: v1\nkind: A\nkind: B\n", "{kind: A}\n"]
        {
            assert_eq!(sniff_kind(uncertain.as_bytes()), None, "{uncertain}");
        }
    }
}
