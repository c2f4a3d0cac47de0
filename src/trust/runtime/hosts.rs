//! `hosts.toml` of containerd, as `core/remotes/docker/config` of containerd reads it.

use super::lines::{Document, Node};

/// What the file says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct HostsFile {
    /// `[host."…"]` tables in the order of the file: that is the order in which they are tried.
    pub(super) hosts: Vec<Host>,
    /// `server` with the keys of the file itself, which hold for it alone: it is tried last.
    pub(super) server: Host,
    /// Whether there is a `host` table; without one containerd 1.5 to 1.7 ignore the file.
    pub(super) has_host_table: bool,
    /// A capability that only later versions know.
    pub(super) referrers: bool,
}

/// One place that is tried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Host {
    /// `https://host[:port][/path]`; empty: the registry of the image.
    pub(super) url: String,
    /// CA files as written, with lines.
    pub(super) ca: Vec<(String, u32)>,
    /// `skip_verify` and its line.
    pub(super) skip_verify: Option<(bool, u32)>,
    /// Client certificates and keys, as written.
    pub(super) client: Vec<String>,
    /// Empty: all.
    pub(super) capabilities: Vec<String>,
    /// Line of its table.
    pub(super) line: u32,
}

/// Why containerd does not take the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refused {
    pub(super) line: u32,
    pub(super) why: String,
    /// The capability that it does not know, if that is the reason.
    pub(super) is_capability: bool,
}

impl Refused {
    fn new(line: u32, why: String) -> Self {
        Self { line, why, is_capability: false }
    }
}

/// Reads the file.
///
/// # Errors
///
/// Where containerd reports that it cannot decode it; it then takes the certificates beside it instead.
pub(super) fn parse(text: &str) -> Result<HostsFile, Refused> {
    let document = Document::parse(text).map_err(|(line, why)| Refused::new(line, why))?;
    let mut file = HostsFile::default();
    file.server.line = 1;
    for (key, value) in document.entries() {
        match key {
            "host" if value.is_table() => {
                file.has_host_table = true;
                for (url, table) in value.entries() {
                    if !table.is_table() {
                        return Err(wrong(table, &format!("host.\"{url}\""), "a table"));
                    }
                    let mut host = Host { url: with_scheme(url), line: table.line, ..Host::default() };
                    for (key, value) in table.entries() {
                        host.set(key, value, &mut file.referrers)?;
                    }
                    file.hosts.push(host);
                }
            }
            "host" => return Err(wrong(value, "host", "a table")),
            "server" => {
                let url = value.str().ok_or_else(|| wrong(value, "server", "a string"))?;
                file.server.url = with_scheme(url);
                file.server.line = value.line;
            }
            key => file.server.set(key, value, &mut file.referrers)?,
        }
    }
    Ok(file)
}

impl Host {
    /// Takes one key; unknown ones are ignored, as containerd does.
    fn set(&mut self, key: &str, value: Node<'_, '_>, referrers: &mut bool) -> Result<(), Refused> {
        match key {
            "capabilities" => {
                let names = value.strings().filter(|_| value.str().is_none());
                let names = names.ok_or_else(|| wrong(value, key, "an array of strings"))?;
                for (name, line) in names {
                    if !matches!(name, "pull" | "resolve" | "push" | "referrers") {
                        let why = format!("`{name}` is no capability: pull, resolve, push or referrers");
                        return Err(Refused { line, why, is_capability: true });
                    }
                    *referrers |= name == "referrers";
                    self.capabilities.push(name.to_owned());
                }
            }
            "ca" => {
                let files = value.strings().ok_or_else(|| wrong(value, key, "a string or an array of strings"))?;
                self.ca.extend(files.into_iter().map(|(file, line)| (file.to_owned(), line)));
            }
            "client" => {
                let expected = "a string, an array of strings, or an array of pairs";
                if let Some(files) = value.strings() {
                    self.client.extend(files.into_iter().map(|(file, _)| file.to_owned()));
                } else {
                    for pair in value.items() {
                        let files = pair.strings().ok_or_else(|| wrong(pair, key, expected))?;
                        self.client.extend(files.into_iter().map(|(file, _)| file.to_owned()));
                    }
                    if value.items().next().is_none() {
                        return Err(wrong(value, key, expected));
                    }
                }
            }
            "skip_verify" => {
                let skip = value.bool().ok_or_else(|| wrong(value, key, "true or false"))?;
                self.skip_verify = Some((skip, value.line));
            }
            "override_path" if value.bool().is_none() => return Err(wrong(value, key, "true or false")),
            "dial_timeout" if value.str().is_none() => return Err(wrong(value, key, "a string")),
            "header" if !value.is_table() => return Err(wrong(value, key, "a table")),
            _ => {}
        }
        Ok(())
    }

    /// Whether it is tried with other keys for TLS than `other`.
    pub(super) fn differs(&self, other: &Self) -> bool {
        let ca = |host: &Self| host.ca.iter().map(|(file, _)| file.clone()).collect::<Vec<_>>();
        let skip = |host: &Self| host.skip_verify.is_some_and(|(skip, _)| skip);
        ca(self) != ca(other) || skip(self) != skip(other) || self.client != other.client
    }
}

fn wrong(value: Node<'_, '_>, key: &str, expected: &str) -> Refused {
    Refused::new(value.line, format!("`{key}` is to be {expected}, and is {}", article(value.kind())))
}

fn article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'i', 'o']) { "an" } else { "a" };
    format!("{article} {kind}")
}

/// Without a scheme it is https. Who logs in does not matter and is not kept.
pub(super) fn with_scheme(url: &str) -> String {
    let url = url.trim_end_matches('/');
    let (scheme, rest) = match url.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None if url.is_empty() => return String::new(),
        None => ("https", url),
    };
    format!("{scheme}://{}", without_user(rest))
}

/// What follows the scheme of a URL, without user and password.
pub(super) fn without_user(rest: &str) -> String {
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    format!("{host}{path}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn hosts_stand_in_the_order_of_the_file_and_the_server_is_last() {
        let text = "server = \"registry.corp.example\"\nca = \"ca.crt\"\n\n\
                    [host.\"https://z.example\"]\ncapabilities = [\"pull\"]\n\
                    [host.\"a.example:5000\"]\nskip_verify = true\nca = [\"/x/a.crt\", \"b.crt\"]\nclient = [[\"c.cert\", \"c.key\"]]\n";
        let file = parse(text).unwrap();
        let urls: Vec<_> = file.hosts.iter().map(|host| (host.url.as_str(), host.line)).collect();
        assert_eq!(urls, [("https://z.example", 4), ("https://a.example:5000", 6)]);
        assert_eq!(file.hosts[0].capabilities, ["pull"]);
        assert_eq!(file.hosts[1].skip_verify, Some((true, 7)));
        assert_eq!(file.hosts[1].ca, [("/x/a.crt".to_owned(), 8), ("b.crt".to_owned(), 8)]);
        assert_eq!(file.hosts[1].client, ["c.cert", "c.key"]);
        assert_eq!((file.server.url.as_str(), file.server.ca.len()), ("https://registry.corp.example", 1));
        assert!(file.has_host_table);
    }

    #[test]
    fn what_containerd_cannot_decode_is_refused_with_its_line() {
        let refused = |text: &str| parse(text).map_err(|refused| (refused.line, refused.is_capability)).unwrap_err();
        assert_eq!(refused("server = \"x\n"), (1, false));
        assert_eq!(refused("[host.\"https://x\"]\n  capabilities = [\"pull\", \"fetch\"]\n"), (2, true));
        assert_eq!(refused("\nskip_verify = \"yes\"\n"), (2, false));
        assert_eq!(refused("ca = 1\n"), (1, false));
        assert_eq!(refused("host = \"x\"\n"), (1, false));
    }

    #[test]
    fn keys_of_the_file_hold_for_the_server_alone() {
        let file = parse("ca = \"ca.crt\"\n[host.\"https://x\"]\n").unwrap();
        assert!(file.hosts[0].ca.is_empty() && file.hosts[0].differs(&file.server));
        assert!(!parse("server = \"https://x\"\n").unwrap().has_host_table);
    }
}
