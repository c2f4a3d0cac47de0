//! `NAME_CONSTRAINTS_check`: each certificate against the constraints of those above it, the common name included.

use super::read::{Constraints, Parsed, Subtree};
use super::{CommonName, Refusal, Rules, refuse};
use crate::trust::der::{Reader, tag};
use crate::trust::name::{self, Attribute};
use crate::trust::verify::{Failure, shown};

/// Names times constraints beyond which nothing is checked.
const TOO_MANY: usize = 1 << 20;

/// Why a name is not permitted: OpenSSL's code and its words.
type Violation = (u8, &'static str);

const PERMITTED: Violation = (47, "permitted subtree violation");
const EXCLUDED: Violation = (48, "excluded subtree violation");
const BOUNDS: Violation = (49, "name constraints minimum and maximum not supported");
const TYPE: Violation = (51, "unsupported name constraint type");
const SYNTAX: Violation = (53, "unsupported or invalid name syntax");

/// `id-on-SmtpUTF8Mailbox`.
const MAILBOX: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 8, 9];

const EMAIL: u8 = 0x81;
const DNS: u8 = 0x82;
const DIRECTORY: u8 = 0xa4;
const URI: u8 = 0x86;
const ADDRESS: u8 = 0x87;
const OTHER: u8 = 0xa0;

pub(super) fn check(path: &[Parsed<'_>], rules: Rules) -> Result<(), Refusal> {
    for (depth, parsed) in path.iter().enumerate().rev() {
        if depth != 0 && parsed.is_self_issued() {
            continue;
        }
        for above in path.iter().skip(depth + 1).rev() {
            let Some(constraints) = &above.constraints else { continue };
            check_one(parsed, depth == 0, constraints, rules).map_err(|(code, text)| {
                let about = format!("{} by {}", shown(parsed.certificate), shown(above.certificate));
                refuse(Failure::NameConstraint, code, text, &about)
            })?;
        }
    }
    Ok(())
}

fn check_one(parsed: &Parsed<'_>, leaf: bool, constraints: &Constraints<'_>, rules: Rules) -> Result<(), Violation> {
    let subject = name::attributes(parsed.certificate.subject()).unwrap_or_default();
    let names = parsed.names.as_deref().unwrap_or(&[]);
    let count = subject.len() + names.len();
    if count > 0 && constraints.permitted.len() + constraints.excluded.len() > TOO_MANY / count {
        return Err((1, "unspecified certificate verification error"));
    }
    if !subject.is_empty() {
        matches(constraints, DIRECTORY, parsed.certificate.subject())?;
        for attribute in subject.iter().filter(|attribute| attribute.kind == name::EMAIL) {
            if attribute.tag != tag::IA5_STRING {
                return Err(SYNTAX);
            }
            matches(constraints, EMAIL, attribute.value)?;
        }
    }
    for (kind, content) in names {
        matches(constraints, *kind, content)?;
    }
    let has_dns = names.iter().any(|(kind, _)| *kind == DNS);
    if leaf && !has_dns && rules.common_name != CommonName::Never {
        for common in subject.iter().filter(|attribute| attribute.kind == name::COMMON_NAME) {
            if let Some(host) = host_of(common)? {
                matches(constraints, DNS, host.as_bytes())?;
            }
        }
    }
    Ok(())
}

/// A common name that looks like the name of a host (`cn2dnsid`).
fn host_of(common: &Attribute<'_>) -> Result<Option<String>, Violation> {
    let text = common.text().ok_or((17, "out of memory"))?;
    let text = text.trim_end_matches('\0').to_owned();
    if text.contains('\0') {
        return Err(SYNTAX);
    }
    let bytes = text.as_bytes();
    let mut dotted = false;
    for (at, &byte) in bytes.iter().enumerate() {
        if byte.is_ascii_alphanumeric() || byte == b'_' {
            continue;
        }
        if at == 0 || at + 1 == bytes.len() {
            return Ok(None);
        }
        let (before, after) = (bytes[at - 1], bytes[at + 1]);
        match byte {
            b'-' => {}
            b'.' if after != b'.' && before != b'-' && after != b'-' => dotted = true,
            _ => return Ok(None),
        }
    }
    Ok(dotted.then_some(text))
}

fn matches(constraints: &Constraints<'_>, kind: u8, name: &[u8]) -> Result<(), Violation> {
    let other = (kind == OTHER).then(|| Reader::new(name).take(tag::OID)).flatten();
    let effective = if other == Some(MAILBOX) { EMAIL } else { kind };
    let same_kind = |tree: &&Subtree<'_>| {
        effective == tree.kind && (effective != OTHER || Reader::new(tree.base).take(tag::OID) == other)
    };
    let mut found = None;
    for tree in constraints.permitted.iter().filter(same_kind) {
        if tree.bounded {
            return Err(BOUNDS);
        }
        if found == Some(true) {
            continue;
        }
        found = Some(inside(kind, effective, name, tree.base)?);
    }
    if found == Some(false) {
        return Err(PERMITTED);
    }
    for tree in constraints.excluded.iter().filter(same_kind) {
        if tree.bounded {
            return Err(BOUNDS);
        }
        if inside(kind, effective, name, tree.base)? {
            return Err(EXCLUDED);
        }
    }
    Ok(())
}

fn inside(kind: u8, effective: u8, name: &[u8], base: &[u8]) -> Result<bool, Violation> {
    match kind {
        OTHER if effective == EMAIL => mailbox(name, base),
        DIRECTORY => {
            let (name, base) = (name::canonical(name), name::canonical(base));
            Ok(name.zip(base).is_some_and(|(name, base)| name.starts_with(&base)))
        }
        DNS => Ok(dns(name, base)),
        EMAIL => email(name, base),
        URI => uri(name, base),
        ADDRESS => address(name, base),
        _ => Err(TYPE),
    }
}

fn dns(name: &[u8], base: &[u8]) -> bool {
    let Some(start) = name.len().checked_sub(base.len()) else { return false };
    let (before, end) = name.split_at(start);
    let whole = base.first() == Some(&b'.') || before.last().is_none_or(|byte| *byte == b'.');
    base.is_empty() || (whole && end.eq_ignore_ascii_case(base))
}

fn at_sign(bytes: &[u8]) -> Option<usize> {
    bytes.iter().rposition(|byte| *byte == b'@')
}

fn ends_below(name: &[u8], base: &[u8]) -> bool {
    let start = name.len().checked_sub(base.len()).filter(|start| *start > 0);
    start.is_some_and(|start| name[start..].eq_ignore_ascii_case(base))
}

fn email(name: &[u8], base: &[u8]) -> Result<bool, Violation> {
    let at = at_sign(name).ok_or(SYNTAX)?;
    let base_at = at_sign(base);
    if base_at.is_none() && base.first() == Some(&b'.') {
        return Ok(ends_below(name, base));
    }
    let mut host = base;
    if let Some(base_at) = base_at {
        let (local, base_local) = (&name[..at], &base[..base_at]);
        if base_at > 0 && (local.len() != base_local.len() || local != base_local) {
            let zeros = local.len() == base_local.len() && (local.contains(&0) || base_local.contains(&0));
            return if zeros { Err(SYNTAX) } else { Ok(false) };
        }
        host = &base[base_at + 1..];
    }
    Ok(name[at + 1..].eq_ignore_ascii_case(host))
}

/// An internationalised mailbox (RFC 8398): only hosts in ASCII are compared, as names of this kind are hardly met.
fn mailbox(name: &[u8], base: &[u8]) -> Result<bool, Violation> {
    let mut reader = Reader::new(name);
    reader.take(tag::OID).ok_or(SYNTAX)?;
    let text = reader.inside(tag::constructed(0)).and_then(|mut inner| inner.take(tag::UTF8_STRING)).ok_or(SYNTAX)?;
    let at = at_sign(text).ok_or(SYNTAX)?;
    if base.first() == Some(&b'.') { Ok(ends_below(text, base)) } else { Ok(text[at + 1..].eq_ignore_ascii_case(base)) }
}

fn uri(name: &[u8], base: &[u8]) -> Result<bool, Violation> {
    let colon = name.iter().position(|byte| *byte == b':').ok_or(SYNTAX)?;
    let rest = name[colon..].strip_prefix(b"://").ok_or(SYNTAX)?;
    let end = rest.iter().position(|byte| *byte == b':').or_else(|| rest.iter().position(|byte| *byte == b'/'));
    let host = &rest[..end.unwrap_or(rest.len())];
    if host.is_empty() {
        return Err(SYNTAX);
    }
    Ok(if base.first() == Some(&b'.') { ends_below(host, base) } else { host.eq_ignore_ascii_case(base) })
}

fn address(name: &[u8], base: &[u8]) -> Result<bool, Violation> {
    if !matches!(name.len(), 4 | 16) || !matches!(base.len(), 8 | 32) {
        return Err(SYNTAX);
    }
    let (network, mask) = base.split_at(base.len() / 2);
    let same = |((net, mask), byte): ((&u8, &u8), &u8)| net & mask == byte & mask;
    Ok(network.len() == name.len() && network.iter().zip(mask).zip(name).all(same))
}
