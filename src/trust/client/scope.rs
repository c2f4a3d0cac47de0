//! Settings that count for one host alone.

/// Whether a setting for `named` counts for `host`: the port may be left out on either side.
pub(super) fn covers(named: &str, host: &str) -> bool {
    let bare = |text: &str| -> String {
        let end = text
            .rsplit_once(':')
            .filter(|(name, port)| port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':'));
        end.map_or(text, |(name, _)| name).trim_matches(['[', ']']).to_ascii_lowercase()
    };
    named.eq_ignore_ascii_case(host) || bare(named) == bare(host)
}

/// What a URL prefix of git's `http.<url>` settings says about a host: `Some(true)` it counts, `Some(false)` it does not,
/// `None` it counts for some paths of the host.
pub(super) fn url_covers(url: &str, host: &str) -> Option<bool> {
    let Some(rest) = url.strip_prefix("https://") else { return Some(false) };
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let port = |text: &str| -> (String, String) {
        match text.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => {
                (name.to_ascii_lowercase(), port.to_owned())
            }
            _ => (text.to_ascii_lowercase(), "443".to_owned()),
        }
    };
    let ((named, named_port), (host, host_port)) = (port(authority), port(host));
    let labels = |name: &str| name.split('.').map(str::to_owned).collect::<Vec<_>>();
    let (pattern, name) = (labels(&named), labels(&host));
    let same = pattern.len() == name.len() && pattern.iter().zip(&name).all(|(p, n)| p == "*" || p == n);
    if !same || named_port != host_port {
        return Some(false);
    }
    path.is_empty().then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_with_and_without_ports() {
        assert!(covers("registry.example", "registry.example:443"));
        assert!(covers("Registry.example:5000", "registry.example:5000"));
        assert!(!covers("registry.example", "other.example"));
    }

    #[test]
    fn prefixes_of_git() {
        assert_eq!(url_covers("https://git.example", "git.example"), Some(true));
        assert_eq!(url_covers("https://git.example:443/", "git.example"), Some(true));
        assert_eq!(url_covers("https://*.example/", "git.example"), Some(true));
        assert_eq!(url_covers("https://git.example/team", "git.example"), None);
        assert_eq!(url_covers("https://git.example:8443", "git.example"), Some(false));
        assert_eq!(url_covers("http://git.example", "git.example"), Some(false));
    }
}
