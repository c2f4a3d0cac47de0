//! Destinations that the user names: on the command line, in a list, in `EndpointSet` objects.

use std::net::{IpAddr, Ipv6Addr};

use super::catalogue::Catalogue;
use super::{Addresses, Endpoint};
use crate::model::Protocol;

/// Port of an endpoint that names none.
pub(super) const DEFAULT_PORT: u16 = 443;

/// Why a text names no destination.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// Not of the grammar.
    #[error("`{text}` is no endpoint ({why}): HOST, IP, HOST:PORT, [IPV6]:PORT, with /TCP, /UDP or /SCTP after a port")]
    Syntax {
        /// What was written.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A line of a list.
    #[error("line {line}: `{text}` is not `IP PORT`")]
    Line {
        /// From 1.
        line: usize,
        /// What was written.
        text: String,
    },
    /// Not YAML, or not of the kind's shape.
    #[error("not EndpointSet objects: {0}")]
    Yaml(String),
    /// A document that is something else.
    #[error("document {number} is a {kind} of `{api_version}`, not an EndpointSet of buildreach.dev/v1alpha1")]
    Kind {
        /// From 1.
        number: usize,
        /// As written.
        kind: String,
        /// As written.
        api_version: String,
    },
    /// An object whose content is not usable.
    #[error("EndpointSet `{name}`: {why}")]
    Object {
        /// Its name.
        name: String,
        /// What is wrong.
        why: String,
    },
}

/// Reads `HOST|IP[:PORT[/PROTO]]`; the port defaults to 443 and the protocol to TCP. An IPv6
/// address with a port stands in brackets.
///
/// # Errors
///
/// [`EndpointError::Syntax`].
pub fn parse_endpoint(text: &str, catalogue: &Catalogue) -> Result<Endpoint, EndpointError> {
    let fail = |why| EndpointError::Syntax { text: text.to_owned(), why };
    let (host, port) = if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']').ok_or_else(|| fail("no closing bracket"))?;
        host.parse::<Ipv6Addr>().map_err(|_| fail("no IPv6 address in the brackets"))?;
        match rest {
            "" => (host, None),
            _ => (host, Some(rest.strip_prefix(':').ok_or_else(|| fail("only a port may follow the brackets"))?)),
        }
    } else if text.parse::<Ipv6Addr>().is_ok() {
        (text, None)
    } else {
        text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)))
    };
    let (port, protocol) = match port {
        None => (DEFAULT_PORT, Protocol::Tcp),
        Some(port) => {
            let (port, protocol) = port.split_once('/').unwrap_or((port, "TCP"));
            let port =
                port.parse().ok().filter(|port| *port > 0).ok_or_else(|| fail("a port is a number from 1 to 65535"))?;
            (port, protocol.parse().map_err(|_| fail("the protocol is TCP, UDP or SCTP"))?)
        }
    };
    endpoint(host, port, protocol, catalogue).ok_or_else(|| fail("neither a name nor an address"))
}

/// Reads a list of `IP PORT` lines, TCP. Empty lines and what follows a `#` do not count.
///
/// # Errors
///
/// [`EndpointError::Line`] for the first line that is no pair.
pub fn parse_endpoint_list(text: &str) -> Result<Vec<Endpoint>, EndpointError> {
    let mut endpoints = Vec::new();
    for (at, line) in text.lines().enumerate() {
        let content = line.split('#').next().unwrap_or_default().trim();
        if content.is_empty() {
            continue;
        }
        let fail = || EndpointError::Line { line: at + 1, text: content.to_owned() };
        let mut words = content.split_whitespace();
        let (Some(ip), Some(port), None) = (words.next(), words.next(), words.next()) else { return Err(fail()) };
        let ip = ip.parse::<IpAddr>().map_err(|_| fail())?.to_canonical();
        let port = port.parse().ok().filter(|port| *port > 0).ok_or_else(fail)?;
        endpoints.push(Endpoint {
            host: ip.to_string().into(),
            port,
            protocol: Protocol::Tcp,
            addresses: Addresses::Bare(ip),
        });
    }
    Ok(endpoints)
}

/// An endpoint by its host in text form: a lower-case name or an address.
pub(super) fn endpoint(host: &str, port: u16, protocol: Protocol, catalogue: &Catalogue) -> Option<Endpoint> {
    let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
    if let Ok(ip) = host.parse::<IpAddr>() {
        // A connection to an IPv4-mapped address is one over IPv4 (RFC 3493, section 3.7).
        let ip = ip.to_canonical();
        return Some(Endpoint { host: ip.to_string().into(), port, protocol, addresses: Addresses::Bare(ip) });
    }
    let labels = host.strip_prefix("*.").unwrap_or(&host);
    let is_name = host.len() <= 253
        && labels.split('.').all(|label| {
            (1..=63).contains(&label.len())
                && label.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
                && !label.starts_with('-')
                && !label.ends_with('-')
        })
        // A name whose last label is a number is a mistyped address (RFC 3696, section 2).
        && labels.rsplit('.').next().is_some_and(|label| !label.chars().all(|c| c.is_ascii_digit()));
    let addresses = catalogue.addresses(&host);
    is_name.then(|| Endpoint { host: host.into(), port, protocol, addresses })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<String, EndpointError> {
        let e = parse_endpoint(text, &Catalogue::builtin())?;
        let known = match e.addresses {
            Addresses::Bare(ip) => format!("bare {ip}"),
            Addresses::Feed(feed) => feed.to_string(),
            Addresses::Listed(_) => unreachable!(),
            Addresses::Internet => "internet".to_owned(),
            Addresses::Public => "public".to_owned(),
        };
        Ok(format!("{} {} {} {known}", e.host, e.port, e.protocol))
    }

    #[test]
    fn endpoints_of_the_command_line() {
        for (text, want) in [
            ("proxy.golang.org", "proxy.golang.org 443 TCP google_goog"),
            ("Nexus.Corp.Example.:8081", "nexus.corp.example 8081 TCP public"),
            ("10.0.0.1", "10.0.0.1 443 TCP bare 10.0.0.1"),
            ("8.8.8.8:53/UDP", "8.8.8.8 53 UDP bare 8.8.8.8"),
            ("::ffff:10.0.0.1", "10.0.0.1 443 TCP bare 10.0.0.1"),
            ("[::ffff:a00:1]:80", "10.0.0.1 80 TCP bare 10.0.0.1"),
            ("2001:db8::1", "2001:db8::1 443 TCP bare 2001:db8::1"),
            ("[2001:db8::1]", "2001:db8::1 443 TCP bare 2001:db8::1"),
            ("[2001:DB8::1]:8443/tcp", "2001:db8::1 8443 TCP bare 2001:db8::1"),
            (
                "*.data.mcr.microsoft.com:443",
                "*.data.mcr.microsoft.com 443 TCP azure_tags:MicrosoftContainerRegistry+AzureFrontDoor.FirstParty",
            ),
            ("athens:3000", "athens 3000 TCP public"),
        ] {
            assert_eq!(parse(text).unwrap(), want, "{text}");
        }
        for text in [
            "",
            ":443",
            "host:",
            "host:0",
            "host:65536",
            "host:443/ICMP",
            "host/UDP",
            "[::1",
            "[::1]x",
            "[10.0.0.1]:1",
            "300.1.1.1",
            "10.0.0",
            "-a.com",
            "a..b",
            "https://a.com",
            "a b",
            "10.0.0.0/8",
            "host:443:1",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn lists_name_the_line_that_is_wrong() {
        let list = parse_endpoint_list("# a list\n1.2.3.4 443\n\n 2001:db8::1\t80 # web\n").unwrap();
        assert_eq!(
            list.iter().map(|e| (e.host.as_str(), e.port)).collect::<Vec<_>>(),
            [("1.2.3.4", 443), ("2001:db8::1", 80)]
        );
        for bad in ["1.2.3.4", "1.2.3.4 0", "host 443", "1.2.3.4 443 TCP", "1.2.3.4:443"] {
            let error = parse_endpoint_list(&format!("1.2.3.4 443\n{bad}\n")).unwrap_err();
            assert!(matches!(error, EndpointError::Line { line: 2, .. }), "{bad}: {error}");
        }
        assert!(parse_endpoint_list("").unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-z0-9:./\\[\\]*é -]{0,20}") {
            let _ = (parse(&text), parse_endpoint_list(&text));
        }
    }
}
