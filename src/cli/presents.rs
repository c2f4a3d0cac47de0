//! What servers present: flags, and the files that endpoint sets name.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use crate::demand::presents::{Reference, Told, What};
use crate::demand::{Catalogue, EndpointSet, parse_endpoint_sets};

/// What servers present when TLS begins.
#[derive(Clone, Debug, Default, clap::Args)]
#[command(next_help_heading = "Subjects and endpoints")]
pub(super) struct PresentsArgs {
    /// The CA that the chain of HOST[:PORT] leads to; `*.example.com` for the names below one, `*` for every public
    /// endpoint (a gateway that intercepts TLS); repeatable
    #[arg(long, value_name = "HOST=FILE")]
    endpoint_ca: Vec<String>,
    /// The chain that HOST[:PORT] presents, its own certificate first; repeatable
    #[arg(long, value_name = "HOST=FILE")]
    endpoint_chain: Vec<String>,
}

impl PresentsArgs {
    /// What the flags say.
    pub(super) fn told(&self) -> anyhow::Result<Vec<Told>> {
        let mut told = Vec::new();
        for (flag, what, values) in [
            ("--endpoint-chain", What::Chain, &self.endpoint_chain),
            ("--endpoint-ca", What::Authority, &self.endpoint_ca),
        ] {
            for value in values {
                let (place, file) = value.split_once('=').with_context(|| format!("{flag} {value}: HOST=FILE"))?;
                let (host, port) = host_and_port(place).with_context(|| format!("{flag} {value}"))?;
                // Addresses are compared as they are usually written.
                let address = host.parse::<std::net::IpAddr>().ok().map(|address| address.to_string());
                told.push(Told {
                    host: address.unwrap_or_else(|| host.to_ascii_lowercase()).into(),
                    port,
                    what,
                    reference: read(Path::new(file))?,
                    from: format!("{flag} {value}").into(),
                });
            }
        }
        Ok(told)
    }
}

/// `HOST`, `HOST:PORT`, `[IPV6]:PORT`.
fn host_and_port(text: &str) -> anyhow::Result<(&str, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, rest) = rest.split_once(']').context("no closing bracket")?;
            (host, rest.strip_prefix(':'))
        }
        None if text.parse::<std::net::Ipv6Addr>().is_ok() => (text, None),
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let host = host.strip_suffix('.').unwrap_or(host);
    if host.is_empty() || host.contains(['/', ' ']) || host.trim_start_matches('*').contains('*') {
        bail!("`{text}` is no host");
    }
    if host.starts_with('*') && host != "*" && !host.starts_with("*.") {
        bail!("`{text}`: a star stands for everything, or for the names below a domain");
    }
    let port = port.map(|port| port.parse().context("a port is a number")).transpose()?;
    Ok((host, port))
}

/// The endpoint sets of a file, with the certificates in the files that they name.
pub(super) fn endpoint_sets(path: &PathBuf, catalogue: &Catalogue) -> anyhow::Result<Vec<EndpointSet>> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let sets = parse_endpoint_sets(&text, catalogue);
    let mut sets = sets.with_context(|| format!("in {}", path.display()))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    for told in sets.iter_mut().flat_map(|set| &mut set.presents) {
        if let Reference::File(file) = &told.reference {
            let from = format!("{}, file {file}", told.from);
            told.reference = read(&folder.join(file)).with_context(|| format!("{}: {}", path.display(), told.from))?;
            told.from = from.into();
        }
    }
    Ok(sets)
}

fn read(path: &Path) -> anyhow::Result<Reference> {
    let bytes = fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Reference::Text(bytes.into()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn hosts_of_flags() {
        for (text, want) in [
            ("nexus.corp.example", ("nexus.corp.example", None)),
            ("nexus.corp.example.:8443", ("nexus.corp.example", Some(8443))),
            ("*", ("*", None)),
            ("*.corp.example", ("*.corp.example", None)),
            ("10.0.0.1:5000", ("10.0.0.1", Some(5000))),
            ("[2001:db8::1]:5000", ("2001:db8::1", Some(5000))),
            ("2001:db8::1", ("2001:db8::1", None)),
        ] {
            assert_eq!(host_and_port(text).unwrap(), want, "{text}");
        }
        for text in ["", "*corp", "a.*.b", "https://a", "a:b", "a:70000"] {
            assert!(host_and_port(text).is_err(), "{text}");
        }
    }
}
