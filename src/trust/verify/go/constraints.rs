//! Name constraints as Go applies them: to the names of every certificate below, not only to the name asked for.

use super::forms::is_domain;
use super::mailbox;
use super::read::{Parsed, Subtrees};

/// Checks the alternative names of each certificate against the constraints of all above it.
pub(super) fn check(chain: &[Parsed<'_>]) -> Result<(), String> {
    for (at, parsed) in chain.iter().enumerate() {
        let above: Vec<_> = chain.iter().skip(at + 1).filter_map(|above| above.constraints.as_ref()).collect();
        if parsed.alternative_names.is_none() || above.is_empty() {
            continue;
        }
        let uris = parsed.uri_hosts.iter().map(|host| uri_host(host)).collect::<Result<Vec<_>, _>>()?;
        let mailboxes = parsed.emails.iter().map(|email| {
            let (local, domain) = mailbox::parse(email).ok_or_else(|| format!("cannot parse rfc822Name {email:?}"))?;
            Ok((local, domain.to_ascii_lowercase()))
        });
        let mailboxes = mailboxes.collect::<Result<Vec<_>, String>>()?;
        for constraints in above {
            let (permitted, excluded) = (&constraints.permitted, &constraints.excluded);
            for address in &parsed.addresses {
                let holds = |trees: &Subtrees| trees.addresses.iter().any(|tree| contains(tree, address));
                let shown = || format!("IP address {}", shown_address(address));
                decide(permitted.addresses.is_empty(), holds(permitted), holds(excluded), shown)?;
            }
            for name in &parsed.dns_names {
                if !is_domain(name, false) {
                    return Err(format!("x509: cannot parse dnsName {name:?}"));
                }
                let (allow, deny) = (any(&permitted.dns, name, true), any(&excluded.dns, name, false));
                decide(permitted.dns.is_empty(), allow, deny, || format!("DNS name {name:?}"))?;
            }
            for host in &uris {
                let (allow, deny) = (any(&permitted.uris, host, true), any(&excluded.uris, host, false));
                decide(permitted.uris.is_empty(), allow, deny, || format!("URI of host {host:?}"))?;
            }
            for (local, domain) in &mailboxes {
                let allow = any_mailbox(&permitted.emails, local, domain, true);
                let deny = any_mailbox(&excluded.emails, local, domain, false);
                decide(permitted.emails.is_empty(), allow, deny, || format!("email address at {domain:?}"))?;
            }
        }
    }
    Ok(())
}

fn decide(unlimited: bool, allowed: bool, denied: bool, what: impl Fn() -> String) -> Result<(), String> {
    if !unlimited && !allowed {
        return Err(format!("{} is not permitted by any constraint", what()));
    }
    if denied { Err(format!("{} is excluded by a constraint", what())) } else { Ok(()) }
}

fn shown_address(bytes: &[u8]) -> String {
    match bytes.len() {
        4 => <[u8; 4]>::try_from(bytes).map(std::net::Ipv4Addr::from).map(|address| address.to_string()),
        _ => <[u8; 16]>::try_from(bytes).map(std::net::Ipv6Addr::from).map(|address| address.to_string()),
    }
    .unwrap_or_else(|_| format!("{bytes:02x?}"))
}

fn contains(tree: &[u8], address: &[u8]) -> bool {
    let (network, mask) = tree.split_at(tree.len() / 2);
    network.len() == address.len()
        && network.iter().zip(mask).zip(address).all(|((net, mask), byte)| net & mask == byte & mask)
}

/// Whether a name lies in one of the subtrees. An empty one holds every name; one with a dot in front holds names
/// below it alone. A wildcard is excluded by what any name that it stands for is excluded by.
fn any(trees: &[String], name: &str, permitted: bool) -> bool {
    let wildcard = (!permitted && name.starts_with('*')).then(|| trim(name)).flatten();
    trees.iter().any(|tree| {
        has_suffix(tree, name)
            || wildcard.is_some_and(|rest| trim(tree).is_some_and(|parent| parent.eq_ignore_ascii_case(rest)))
    })
}

/// From the first dot on.
fn trim(name: &str) -> Option<&str> {
    name.find('.').map(|dot| &name[dot..])
}

fn has_suffix(tree: &str, name: &str) -> bool {
    if tree.is_empty() {
        return true;
    }
    let Some(start) = name.len().checked_sub(tree.len()) else { return false };
    let (before, end) = name.as_bytes().split_at(start);
    end.eq_ignore_ascii_case(tree.as_bytes())
        && (tree.starts_with('.') || before.last().is_none_or(|byte| *byte == b'.'))
}

/// A constraint with an `@` is one mailbox; others are domains.
fn any_mailbox(trees: &[String], local: &[u8], domain: &str, permitted: bool) -> bool {
    let (whole, domains): (Vec<&String>, Vec<&String>) = trees.iter().partition(|tree| tree.contains('@'));
    let exact = whole.iter().filter_map(|tree| mailbox::parse(tree));
    exact.into_iter().any(|(l, d)| l == local && d.eq_ignore_ascii_case(domain))
        || any(&domains.into_iter().cloned().collect::<Vec<_>>(), domain, permitted)
}

/// The host without its port; an address or no host at all cannot be held against constraints.
fn uri_host(host: &str) -> Result<String, String> {
    let lower = host.to_lowercase();
    if lower.is_empty() {
        return Err("URI with empty host cannot be matched against constraints".to_owned());
    }
    let name = match lower.rsplit_once(':') {
        Some((name, _)) if !lower.ends_with(']') => {
            if name.contains(':') && !name.starts_with('[') {
                return Err(format!("cannot parse URI host {host:?}"));
            }
            name.to_owned()
        }
        _ => lower,
    };
    if name.starts_with('[') || name.parse::<std::net::IpAddr>().is_ok() {
        return Err(format!("URI with IP {host:?} cannot be matched against constraints"));
    }
    if is_domain(&name, false) { Ok(name) } else { Err(format!("URI host {name:?} failed to parse")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subtrees_hold_whole_labels() {
        assert!(has_suffix("example.com", "Example.com"));
        assert!(has_suffix("example.com", "a.example.com"));
        assert!(!has_suffix("example.com", "badexample.com"));
        assert!(!has_suffix(".example.com", "example.com"));
        assert!(has_suffix(".example.com", "a.b.example.com"));
        assert!(has_suffix("", "anything"));
    }

    #[test]
    fn a_wildcard_is_excluded_by_what_it_may_stand_for() {
        let trees = ["bad.example.com".to_owned()];
        assert!(any(&trees, "*.example.com", false));
        assert!(!any(&trees, "*.example.com", true));
        assert!(!any(&trees, "*.other.com", false));
    }

    #[test]
    fn hosts_of_uris_lose_their_port() {
        assert_eq!(uri_host("A.test:80"), Ok("a.test".to_owned()));
        assert!(uri_host("").is_err());
        assert!(uri_host("192.0.2.1:80").is_err());
        assert!(uri_host("[2001:db8::1]").is_err());
    }
}
