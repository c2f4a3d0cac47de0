//! The grammar of GOPROXY (Go, `cmd/go/internal/modfetch`, `proxyList`).

use super::url::Url;

/// One entry of the list, in the order in which Go tries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) target: Target,
    /// Whether any error leads on to the next entry (`|`); after `,` only 404 and 410 do.
    pub(super) any_error: bool,
}

/// Where an entry sends Go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A module proxy.
    Proxy(Url),
    /// A folder: no network.
    File,
    /// The version control host of each module.
    Direct,
    /// Nowhere: the download fails.
    Off,
}

/// What Go uses if nothing is set.
pub(super) const DEFAULT: &str = "https://proxy.golang.org,direct";

/// Reads a GOPROXY value. An empty list means `off`; nothing after `direct` or `off` counts.
///
/// # Errors
///
/// Why Go refuses the value before it contacts any host.
pub(super) fn parse(value: &str) -> Result<Vec<Entry>, String> {
    let mut entries = Vec::new();
    let mut rest = value;
    while !rest.is_empty() {
        let end = rest.find([',', '|']).unwrap_or(rest.len());
        let (token, separator) = (rest[..end].trim(), rest[end..].chars().next());
        rest = rest.get(end + 1..).unwrap_or_default();
        if token.is_empty() {
            continue;
        }
        let target = target(token)?;
        let last = matches!(target, Target::Direct | Target::Off);
        entries.push(Entry { target, any_error: separator == Some('|') });
        if last {
            break;
        }
    }
    if entries.is_empty() {
        entries.push(Entry { target: Target::Off, any_error: false });
    }
    Ok(entries)
}

fn target(token: &str) -> Result<Target, String> {
    match token {
        "direct" => return Ok(Target::Direct),
        "off" => return Ok(Target::Off),
        _ => {}
    }
    let is_host = token.contains(['.', ':', '/']) && !token.contains(":/") && !token.starts_with('/');
    let text = if is_host { format!("https://{token}") } else { token.to_owned() };
    if let Some(path) = text.strip_prefix("file://") {
        return if path.starts_with('/') {
            Ok(Target::File)
        } else {
            Err(format!("`{token}`: a file URL holds an absolute path only"))
        };
    }
    let Some((scheme, _)) = text.split_once("://") else {
        return Err(format!("`{token}` is neither a URL nor `direct` nor `off`"));
    };
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return Err(format!("`{token}`: the scheme is http, https or file"));
    }
    Url::parse(&text).map(Target::Proxy).ok_or_else(|| format!("`{token}` is no URL"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn read(value: &str) -> String {
        let entries = match parse(value) {
            Ok(entries) => entries,
            Err(why) => return format!("error: {why}"),
        };
        let mut out = String::new();
        for entry in entries {
            match entry.target {
                Target::Proxy(url) => out += &[&url.scheme, "://", &url.host, ":", &url.port.to_string()].concat(),
                Target::File => out += "file",
                Target::Direct => out += "direct",
                Target::Off => out += "off",
            }
            out += if entry.any_error { "|" } else { "," };
        }
        out
    }

    #[test]
    fn lists_as_go_reads_them() {
        for (value, want) in [
            (DEFAULT, "https://proxy.golang.org:443,direct,"),
            ("", "off,"),
            (" , | ", "off,"),
            ("off", "off,"),
            ("off,https://a.com", "off,"),
            ("direct|https://a.com", "direct|"),
            ("https://a.com|https://b.com,direct", "https://a.com:443|https://b.com:443,direct,"),
            ("proxy.corp.com", "https://proxy.corp.com:443,"),
            ("proxy.corp.com/go", "https://proxy.corp.com:443,"),
            ("athens:3000", "https://athens:3000,"),
            ("http://athens.ci.svc:3000,direct", "http://athens.ci.svc:3000,direct,"),
            ("HTTP://A.com", "http://a.com:80,"),
            (" https://a.com , direct ", "https://a.com:443,direct,"),
            ("https://user@a.com/x", "https://a.com:443,"),
            ("http://a.com", "http://a.com:80,"),
            ("https://[2001:db8::1]:8443/go", "https://2001:db8::1:8443,"),
            ("file:///mnt/mods", "file,"),
            ("https://a.com,https://a.com,off", "https://a.com:443,https://a.com:443,off,"),
        ] {
            assert_eq!(read(value), want, "{value}");
        }
        for bad in [
            "ftp://a.com",
            "on",
            "noproxy",
            "athens",
            "/mnt/mods",
            "file://host/x",
            "https://",
            "https://a.com:x",
            "a;b",
        ] {
            assert!(read(bad).starts_with("error"), "{bad}: {}", read(bad));
        }
        // `;` separates nothing: it is part of one host name, which Go then fails to resolve.
        assert!(read("https://a.com;https://b.com").starts_with("error"));
    }

    proptest! {
        #[test]
        fn no_value_panics(value in ".{0,40}") {
            let _ = parse(&value);
        }

        #[test]
        fn no_list_panics(value in "[a-c.:/,| @\\[\\]é]{0,24}") {
            if let Ok(entries) = parse(&value) {
                prop_assert!(!entries.is_empty());
            }
        }
    }
}
