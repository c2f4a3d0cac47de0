//! `X509_check_host` and `X509_check_ip`.

use std::net::IpAddr;

use super::read::Parsed;
use super::{CommonName, Refusal, Rules, refuse};
use crate::trust::verify::Failure;

pub(super) fn check(leaf: &Parsed<'_>, name: &str, rules: Rules) -> Result<(), Refusal> {
    let names = || {
        let names = leaf.certificate.names();
        if names.is_empty() { "it names none".to_owned() } else { format!("it is for {}", names.join(", ")) }
    };
    if let Some(address) = address(name) {
        let octets = match address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let found = leaf.names.iter().flatten().any(|(kind, content)| *kind == 0x87 && *content == octets);
        let by_common_name = rules.common_name == CommonName::Curl
            && !leaf.names.iter().flatten().any(|(kind, _)| matches!(kind, 0x82 | 0x87))
            && leaf.certificate.common_names().last().is_some_and(|common| common.eq_ignore_ascii_case(name));
        let about = format!("{name} was asked for, {}", names());
        return if found || by_common_name {
            Ok(())
        } else {
            Err(refuse(Failure::NameMismatch, 64, "IP address mismatch", &about))
        };
    }
    let mut has_names = false;
    for (_, content) in leaf.names.iter().flatten().filter(|(kind, _)| *kind == 0x82) {
        has_names = true;
        if equal(content, name.as_bytes(), rules) {
            return Ok(());
        }
    }
    let common = leaf.certificate.common_names().iter().any(|common| equal(common.as_bytes(), name.as_bytes(), rules));
    has_names |= matches!(rules.common_name, CommonName::Bare | CommonName::Curl)
        && leaf.names.iter().flatten().any(|(kind, _)| *kind == 0x87);
    if !has_names && common && rules.common_name != CommonName::Never {
        return Ok(());
    }
    let about = format!("{name} was asked for, {}", names());
    let failure = if !has_names && common { Failure::CommonNameOnly } else { Failure::NameMismatch };
    Err(refuse(failure, 62, "hostname mismatch", &about))
}

/// An address, in brackets or not; there are no zones in certificates.
pub(in crate::trust::verify) fn address(name: &str) -> Option<IpAddr> {
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    bare.parse().ok()
}

/// A name of the certificate against the name asked for. One that begins with a dot stands for all names below it.
fn equal(pattern: &[u8], name: &[u8], rules: Rules) -> bool {
    if pattern.is_empty() {
        return false;
    }
    if name.len() > 1 && name.first() == Some(&b'.') {
        let suffix = pattern.len().checked_sub(name.len()).map(|start| pattern.split_at(start));
        return suffix.is_some_and(|(before, end)| !before.contains(&0) && same(end, name));
    }
    match star(pattern, rules) {
        Some(at) => wildcard(&pattern[..at], &pattern[at + 1..], name),
        None => same(pattern, name),
    }
}

/// ASCII case aside; a zero byte in the certificate equals nothing.
fn same(pattern: &[u8], name: &[u8]) -> bool {
    !pattern.contains(&0) && pattern.eq_ignore_ascii_case(name)
}

/// Where the one wildcard stands: at the start or the end of the first label, which is no IDNA label, with at least
/// two labels after it, in a pattern that is a name otherwise (`valid_star`).
fn star(pattern: &[u8], rules: Rules) -> Option<usize> {
    let mut star = None;
    let (mut start, mut hyphen, mut idna) = (true, false, false);
    let mut dots = 0;
    for (at, &byte) in pattern.iter().enumerate() {
        match byte {
            b'*' => {
                let end = pattern.get(at + 1).is_none_or(|next| *next == b'.');
                if star.is_some() || idna || dots > 0 || !(start || end) || (rules.whole_wildcards && !(start && end)) {
                    return None;
                }
                star = Some(at);
                start = false;
            }
            b'.' => {
                if hyphen || start {
                    return None;
                }
                (start, hyphen, idna) = (true, false, false);
                dots += 1;
            }
            b'-' if start => return None,
            b'-' => hyphen = true,
            byte if byte.is_ascii_alphanumeric() => {
                idna |= start && pattern[at..].get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"xn--"));
                (start, hyphen) = (false, false);
            }
            _ => return None,
        }
    }
    star.filter(|_| !start && !hyphen && dots >= 2)
}

fn wildcard(prefix: &[u8], suffix: &[u8], name: &[u8]) -> bool {
    let Some(length) = name.len().checked_sub(prefix.len() + suffix.len()) else { return false };
    let (before, rest) = name.split_at(prefix.len());
    let (middle, after) = rest.split_at(length);
    if !same(prefix, before) || !same(suffix, after) {
        return false;
    }
    let whole = prefix.is_empty() && suffix.first() == Some(&b'.');
    if whole && middle.is_empty() {
        return false;
    }
    if !whole && name.get(..4).is_some_and(|head| head.eq_ignore_ascii_case(b"xn--")) {
        return false;
    }
    middle == b"*" || middle.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        let rules = Rules::verify_command();
        let yes = [
            ("*.example.com", "a.example.com"),
            ("*.example.com", "xn--a.example.com"),
            ("a*.example.com", "ab.example.com"),
            ("*b.example.com", "ab.example.com"),
            ("EXAMPLE.com", "example.COM"),
            ("a.b.example.com", ".example.com"),
            ("*.example.com", "*.example.com"),
        ];
        for (pattern, name) in yes {
            assert!(equal(pattern.as_bytes(), name.as_bytes(), rules), "{pattern} {name}");
        }
        let no = [
            ("*.com", "example.com"),
            ("*.example.com", "a.b.example.com"),
            ("*.example.com", "example.com"),
            ("a*b.example.com", "aab.example.com"),
            ("xn--*.example.com", "xn--a.example.com"),
            ("*.example.com.", "a.example.com"),
            ("a.*.example.com", "a.b.example.com"),
            ("*.example.com", "a_b.example.com"),
            ("example.com", "example.com."),
            ("*", "example"),
        ];
        for (pattern, name) in no {
            assert!(!equal(pattern.as_bytes(), name.as_bytes(), rules), "{pattern} {name}");
        }
        let whole = Rules { whole_wildcards: true, ..rules };
        assert!(!equal(b"a*.example.com", b"ab.example.com", whole));
        assert!(equal(b"*.example.com", b"ab.example.com", whole));
    }
}
