//! `Certificate.VerifyHostname`: addresses against addresses, names against DNS names, the common name never.

use std::net::{IpAddr, Ipv6Addr};

use super::read::Parsed;
use super::{Failure, Problem};

pub(super) fn verify(leaf: &Parsed<'_>, host: &str) -> Result<(), Problem> {
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).filter(|inner| !inner.is_empty());
    if let Some(address) = address(bare.unwrap_or(host)) {
        let found = leaf.addresses.iter().any(|candidate| octets(candidate) == Some(address));
        return if found { Ok(()) } else { Err(mismatch(leaf, host)) };
    }
    let name = host.to_ascii_lowercase();
    let valid = is_valid(&name, false);
    let parts = split(&name);
    let found = leaf.dns_names.iter().any(|pattern| {
        if valid && is_valid(pattern, true) {
            matches(pattern, &parts)
        } else {
            !matches!(*pattern, "" | ".") && !matches!(name.as_str(), "" | ".") && pattern.eq_ignore_ascii_case(&name)
        }
    });
    if found { Ok(()) } else { Err(mismatch(leaf, host)) }
}

/// An address, IPv4 in IPv6 form as IPv4; a zone of IPv6 is left out.
fn address(text: &str) -> Option<IpAddr> {
    let address = match text.split_once('%') {
        Some((address, zone)) if !zone.is_empty() => IpAddr::V6(address.parse().ok()?),
        Some(_) => return None,
        None => text.parse().ok()?,
    };
    Some(address.to_canonical())
}

fn octets(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(IpAddr::from(<[u8; 4]>::try_from(bytes).ok()?)),
        16 => Some(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?)).to_canonical()),
        _ => None,
    }
}

fn mismatch(leaf: &Parsed<'_>, host: &str) -> Problem {
    let parts = split(host);
    let common = leaf.certificate.common_names();
    if leaf.alternative_names.is_none() && common.last().is_some_and(|name| matches(name, &parts)) {
        return Problem::new(
            Failure::CommonNameOnly,
            "x509: certificate relies on legacy Common Name field, use SANs instead",
        );
    }
    let names = leaf.certificate.names();
    if address(host).is_some() && leaf.addresses.is_empty() {
        let reason = format!("x509: cannot validate certificate for {host} because it doesn't contain any IP SANs");
        return Problem::new(Failure::NameMismatch, reason);
    }
    let reason = if names.is_empty() {
        format!("x509: certificate is not valid for any names, but wanted to match {host}")
    } else {
        let shown = names.iter().take(8).cloned().collect::<Vec<_>>().join(", ");
        let more = if names.len() > 8 { format!(" and {} more", names.len() - 8) } else { String::new() };
        format!("x509: certificate is valid for {shown}{more}, not {host}")
    };
    Problem::new(Failure::NameMismatch, reason)
}

fn split(host: &str) -> Vec<String> {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    host.split('.').map(str::to_owned).collect()
}

/// A name that wildcards and trailing dots apply to (`validHostname`).
fn is_valid(host: &str, pattern: bool) -> bool {
    let host = if pattern { host } else { host.strip_suffix('.').unwrap_or(host) };
    if matches!(host, "" | "*") {
        return false;
    }
    host.split('.').enumerate().all(|(at, part)| {
        if part.is_empty() {
            return false;
        }
        if pattern && at == 0 && part == "*" {
            return true;
        }
        let rest = |(at, byte): (usize, u8)| byte.is_ascii_alphanumeric() || byte == b'_' || (byte == b'-' && at != 0);
        part.bytes().enumerate().all(rest)
    })
}

fn matches(pattern: &str, parts: &[String]) -> bool {
    if pattern.is_empty() || parts.is_empty() || pattern.split('.').count() != parts.len() {
        return false;
    }
    let mut pairs = pattern.split('.').zip(parts).enumerate();
    pairs.all(|(at, (pattern, part))| (at == 0 && pattern == "*") || pattern.eq_ignore_ascii_case(part))
}
