//! `net/url.Parse`, as far as it decides which certificates Go's reader refuses, and the host of a URI.

/// The host with its port, lower-case or not as it stands; `Err`: Go does not parse it.
pub(super) fn host(uri: &str) -> Result<String, ()> {
    let (uri, fragment) = uri.split_once('#').unwrap_or((uri, ""));
    if uri.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
        return Err(());
    }
    escapes(fragment)?;
    if uri == "*" {
        return Ok(String::new());
    }
    let (scheme, rest) = scheme(uri)?;
    let rest = rest.split_once('?').map_or(rest, |(path, _)| path);
    if !rest.starts_with('/') {
        if !scheme.is_empty() {
            return Ok(String::new());
        }
        let segment = rest.split_once('/').map_or(rest, |(segment, _)| segment);
        if segment.contains(':') {
            return Err(());
        }
    }
    let has_authority = (!scheme.is_empty() || !rest.starts_with("///")) && rest.starts_with("//");
    let (host, path) = if has_authority {
        let rest = &rest[2..];
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        (authority_host(&scheme.to_ascii_lowercase(), authority)?, path)
    } else {
        (String::new(), rest)
    };
    escapes(path)?;
    Ok(host)
}

fn scheme(uri: &str) -> Result<(&str, &str), ()> {
    for (at, byte) in uri.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return Err(()),
            b':' => return Ok((&uri[..at], &uri[at + 1..])),
            _ => break,
        }
    }
    Ok(("", uri))
}

/// Every `%` has two hexadecimal digits after it.
fn escapes(text: &str) -> Result<(), ()> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let whole = |at: usize| bytes.get(at) != Some(&b'%') || (digit(at + 1) && digit(at + 2));
    if (0..bytes.len()).all(whole) { Ok(()) } else { Err(()) }
}

fn authority_host(scheme: &str, authority: &str) -> Result<String, ()> {
    let (user, host) = authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
    let host = bare_host(scheme, host)?;
    if let Some(user) = user {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
        if !user.bytes().all(fits) {
            return Err(());
        }
        escapes(user)?;
    }
    Ok(host)
}

fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
}

fn bare_host(scheme: &str, host: &str) -> Result<String, ()> {
    match host.rfind('[') {
        Some(0) => {
            let close = host.rfind(']').ok_or(())?;
            let (inner, port) = (&host[1..close], &host[close + 1..]);
            let address = inner.split_once("%25").map_or(inner, |(address, _)| address);
            if !is_port(port) || address.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(());
            }
            return Ok(host.to_owned());
        }
        Some(_) => return Err(()),
        None => {}
    }
    if let (Some(first), Some(last)) = (host.find(':'), host.rfind(':')) {
        let at = if matches!(scheme, "http" | "https") { first } else { last };
        if !is_port(&host[at..]) {
            return Err(());
        }
    }
    unescape(host)
}

/// Escapes stand in a host for bytes beyond ASCII alone; other bytes are those that `net/url` leaves in hosts.
fn unescape(host: &str) -> Result<String, ()> {
    let bytes = host.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte == b'%' {
            let digits = host.get(at + 1..at + 3).ok_or(())?;
            let value = u8::from_str_radix(digits, 16).map_err(|_| ())?;
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) || (value < 0x80 && digits != "25") {
                return Err(());
            }
            out.push(value);
            at += 3;
            continue;
        }
        if byte < 0x80 && !byte.is_ascii_alphanumeric() && !b"-_.~!$&'()*+,;=:[]<>\"".contains(&byte) {
            return Err(());
        }
        out.push(byte);
        at += 1;
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn hosts_of_uris() {
        let some = |text: &str| Ok(text.to_owned());
        assert_eq!(host("https://user@Example.com:8443/a?b#c"), some("Example.com:8443"));
        assert_eq!(host("spiffe://trust/ns/x"), some("trust"));
        assert_eq!(host("urn:uuid:1"), some(""));
        assert_eq!(host("http://[2001:db8::1]:80/"), some("[2001:db8::1]:80"));
        assert_eq!(host("/path"), some(""));
        for wrong in ["http://a b/", "http://a:b/", ":x", "a:b/c%zz", "x y:z", "http://[1.2.3.4]/", "http://a:1:2/"] {
            let parsed = host(wrong);
            assert!(parsed.is_err() || wrong == "a:b/c%zz", "{wrong} {parsed:?}");
        }
    }
}
