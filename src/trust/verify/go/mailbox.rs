//! Mailboxes of RFC 2821, as Go reads them for name constraints.

/// Local part and domain; `None` if it is malformed.
pub(super) fn parse(text: &str) -> Option<(Vec<u8>, String)> {
    let bytes = text.as_bytes();
    let (local, at) = if bytes.first() == Some(&b'"') { quoted(bytes)? } else { atoms(bytes)? };
    let domain = text.get(at..)?.strip_prefix('@')?;
    (super::forms::is_domain(domain, false) && !domain.contains('@')).then(|| (local, domain.to_owned()))
}

fn quoted(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut local = Vec::new();
    let mut at = 1;
    loop {
        let byte = *bytes.get(at)?;
        at += 1;
        match byte {
            b'"' => return Some((local, at)),
            b'\\' => {
                let escaped = *bytes.get(at)?;
                at += 1;
                if !matches!(escaped, 1..=9 | 11 | 12 | 14..=127) {
                    return None;
                }
                local.push(escaped);
            }
            1..=8 | 11 | 12 | 14..=33 | 35..=91 | 93..=127 => local.push(byte),
            _ => return None,
        }
    }
}

fn atoms(bytes: &[u8]) -> Option<(Vec<u8>, usize)> {
    let mut local: Vec<u8> = Vec::new();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'\\' {
            at += 1;
            local.push(*bytes.get(at)?);
        } else if byte.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~.".contains(&byte) {
            local.push(byte);
        } else {
            break;
        }
        at += 1;
    }
    let dots = local.first() == Some(&b'.') || local.last() == Some(&b'.') || local.windows(2).any(|two| two == b"..");
    (!local.is_empty() && !dots).then_some((local, at))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn mailboxes() {
        let some = |local: &str, domain: &str| Some((local.as_bytes().to_vec(), domain.to_owned()));
        assert_eq!(parse("a.b@Example.com"), some("a.b", "Example.com"));
        assert_eq!(parse("\"a b\\\"\"@example.com"), some("a b\"", "example.com"));
        for wrong in ["", "a", "@b", ".a@b", "a..b@c", "a@b@c", "a@b.", "\"a@b"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
