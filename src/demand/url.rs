//! Where a URL leads: scheme, host and port; the rest is of no account here.

use std::net::Ipv6Addr;

/// The part of a URL that decides where a connection goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Url {
    pub(super) scheme: String,
    /// Lower-case name, or address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
}

impl Url {
    /// Reads `scheme://[user@]host[:port]…` (RFC 3986). `None` if it is no such URL, if the host is
    /// not written out (`$HOST`, `{{host}}`), or if the scheme has no known port and none is given.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (scheme, rest) = text.trim().split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let scheme = scheme.strip_prefix("git+").or_else(|| scheme.strip_prefix("sparse+")).unwrap_or(&scheme);
        let default = match scheme {
            "https" | "ssh+https" => Some(443),
            "http" | "tcp" => Some(80),
            "ssh" => Some(22),
            "git" => Some(9418),
            _ => None,
        };
        let authority = rest.split(['/', '?', '#']).next()?;
        let (host, port) = Self::authority(authority)?;
        Some(Self { scheme: scheme.to_owned(), host, port: port.or(default)? })
    }

    /// Reads `host[:port]`, with what stands before an `@` left out.
    pub(super) fn authority(authority: &str) -> Option<(String, Option<u16>)> {
        let host = authority.rsplit('@').next()?;
        let (host, port) = if let Some(rest) = host.strip_prefix('[') {
            let (host, port) = rest.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, port.strip_prefix(':').or_else(|| port.is_empty().then_some(""))?)
        } else {
            let (host, port) = host.split_once(':').unwrap_or((host, ""));
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            if host.is_empty() || !host.chars().all(plain) {
                return None;
            }
            (host, port)
        };
        let port = if port.is_empty() { None } else { Some(port.parse().ok().filter(|port| *port > 0)?) };
        Some((host.trim_end_matches('.').to_ascii_lowercase(), port))
    }

    /// Reads what git takes for a remote: a URL, or `[user@]host:path`.
    pub(super) fn git_remote(text: &str) -> Option<Self> {
        if text.contains("://") {
            return Self::parse(text);
        }
        let (host, path) = text.split_once(':')?;
        let looks_so = !path.is_empty() && !path.starts_with('/') && (host.contains('@') || host.contains('.'));
        let (host, _) = looks_so.then(|| Self::authority(host)).flatten()?;
        Some(Self { scheme: "ssh".to_owned(), host, port: 22 })
    }

    /// Whether the host is the container itself.
    pub(super) fn is_loopback(&self) -> bool {
        self.host == "localhost"
            || self.host.ends_with(".localhost")
            || self.host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback() || ip.is_unspecified())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn show(url: Option<Url>) -> String {
        url.map_or_else(|| "none".to_owned(), |url| format!("{} {} {}", url.scheme, url.host, url.port))
    }

    #[test]
    fn urls_lead_to_a_host_and_a_port() {
        for (text, want) in [
            ("https://Registry.npmjs.org/", "https registry.npmjs.org 443"),
            ("http://nexus:8081/repository/npm", "http nexus 8081"),
            ("https://u:p@h.corp?x=1", "https h.corp 443"),
            ("git+https://github.com/a/b", "https github.com 443"),
            ("tcp://buildkitd:1234", "tcp buildkitd 1234"),
            ("https://[2001:db8::1]/x", "https 2001:db8::1 443"),
            ("https://$HOST/x", "none"),
            ("https://{{host}}/x", "none"),
            ("https:///x", "none"),
            ("s3://bucket", "none"),
            ("unix:///run/x.sock", "none"),
            ("https://h:70000", "none"),
            ("/x", "none"),
        ] {
            assert_eq!(show(Url::parse(text)), want, "{text}");
        }
        for (text, want) in [
            ("git@github.com:org/repo.git", "ssh github.com 22"),
            ("github.com:org/repo", "ssh github.com 22"),
            ("https://gitlab.com/x", "https gitlab.com 443"),
            ("ssh://git@h.corp:2222/x", "ssh h.corp 2222"),
            ("./repo", "none"),
            ("name:x", "none"),
            ("C:/x", "none"),
        ] {
            assert_eq!(show(Url::git_remote(text)), want, "{text}");
        }
        assert!(Url::parse("http://127.0.0.1:80").unwrap().is_loopback());
        assert!(!Url::parse("http://10.0.0.1:80").unwrap().is_loopback());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[a-c:/@\\[\\].$é0-9]{0,20}") {
            let _ = (Url::parse(&text), Url::git_remote(&text));
        }
    }
}
