//! Bottlerocket: the settings of its user data that decide what the node's containerd trusts and where it pulls.
//!
//! The root file system is immutable: `certdog` writes the store anew from the one that the image ships, with the
//! certificates of trusted entries and without those of all others (`sources/api/certdog` of the core kit); containerd
//! gets the mirrors as `registry.mirrors`, and no `config_path`.

use std::collections::BTreeMap;

use super::containerd::itself;
use super::described::described_store;
use super::hosts::{with_scheme, without_user};
use super::lines::{Document, Node};
use crate::model::codes::{self, Code};
use crate::model::trust::{Anchor, Fingerprint, NodeRuntime, NodeTrust, RegistryHost, RegistryTrust, TrustNote};
use crate::model::{Str, base64};
use crate::trust::{Bundle, Certificate};

/// The store that `certdog` writes.
const STORE: &str = "/etc/pki/tls/certs/ca-bundle.crt";

/// Groups of settings that other programs hardly have: what tells user data from other files with a table `settings`.
const GROUPS: &[&str] = &[
    "bootstrap-commands",
    "bootstrap-containers",
    "container-registry",
    "container-runtime",
    "host-containers",
    "kubernetes",
    "oci-defaults",
    "oci-hooks",
    "pki",
];

/// What a node trusts by user data of Bottlerocket; `None`: it is another text. `is_given`: it is user data for sure, of
/// whatever system; a file that just lies somewhere has to show by its settings that it is.
///
/// Notes have lines of the user data and no path yet, and registries no source. Credentials of registries are not
/// looked at.
///
/// # Errors
///
/// It is no TOML, so that a node does not start with it: the line, and what is wrong.
pub fn bottlerocket(text: &str, is_given: bool) -> Option<Result<NodeTrust, (u32, String)>> {
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => return (is_given || looks_like_settings(text)).then_some(Err(error)),
    };
    let settings = document.get("settings").filter(|settings| settings.is_table())?;
    // Bottlerocket takes nothing beside the settings.
    let is_alone = document.entries().count() == 1;
    (is_given || (is_alone && is_own(settings))).then(|| Ok(Reading::default().read(settings)))
}

/// Whether these are settings of Bottlerocket: names like theirs, with what they hold.
fn is_own(settings: Node<'_, '_>) -> bool {
    let holds = |group: Node<'_, '_>, names: &[&str]| names.iter().any(|name| group.get(name).is_some());
    settings.entries().any(|(name, group)| match name {
        "pki" => group.entries().any(|(_, entry)| holds(entry, &["data", "trusted"])),
        "container-registry" => holds(group, &["mirrors", "credentials"]),
        // Its names are of several words.
        "kubernetes" => group.entries().any(|(name, _)| name.contains('-')),
        name => GROUPS.contains(&name),
    })
}

/// Whether a text that is no TOML has the header of a group of settings.
fn looks_like_settings(text: &str) -> bool {
    let headers = text.lines().filter_map(|line| line.trim_start().trim_start_matches('[').strip_prefix("settings."));
    headers.map(|rest| rest.split(['.', ']', ' ', '=']).next().unwrap_or_default()).any(|group| GROUPS.contains(&group))
}

#[derive(Default)]
struct Reading {
    trusted: Vec<Anchor>,
    distrusted: Vec<Anchor>,
    /// The API refuses a setting, and with it all of the user data.
    is_refused: bool,
    trust: NodeTrust,
}

impl Reading {
    fn read(mut self, settings: Node<'_, '_>) -> NodeTrust {
        for (name, entry) in settings.get("pki").into_iter().flat_map(Node::entries) {
            self.certificates(name, entry);
        }
        let out: Vec<Fingerprint> = self.distrusted.iter().map(|anchor| anchor.sha256).collect();
        self.trusted.retain(|anchor| !out.contains(&anchor.sha256));
        if !self.is_refused {
            self.trust.stores.push(described_store(STORE, &self.trusted, &self.distrusted));
        }
        if let Some(mirrors) = settings.path(&["container-registry", "mirrors"]) {
            self.mirrors(mirrors);
        }
        let env = settings.get("network").map(proxies).unwrap_or_default();
        self.trust.runtimes.push(NodeRuntime { name: "containerd".into(), env, ..NodeRuntime::default() });
        for group in ["bootstrap-containers", "bootstrap-commands"] {
            for (name, entry) in settings.get(group).into_iter().flat_map(Node::entries) {
                // It runs as root before the kubelet does, and may change settings. `off` is a word of the API.
                if entry.get("mode").and_then(Node::str) != Some("off") {
                    self.trust.unread.push(format!("what settings.{group}.{name} does at the start").into());
                }
            }
        }
        self.trust.os = Some("bottlerocket".into());
        self.trust
    }

    fn note(&mut self, code: Code, line: u32, message: String) {
        let (path, host) = (Str::default(), None);
        self.trust.notes.push(TrustNote { code: code.id.into(), message: message.into(), path, line, host });
    }

    /// One entry of `settings.pki`.
    fn certificates(&mut self, name: &str, entry: Node<'_, '_>) {
        let trusted = entry.get("trusted");
        let data = entry.get("data");
        let text = data.and_then(Node::str).unwrap_or_default();
        if data.is_none_or(|data| data.str().is_some()) && text.trim().is_empty() {
            return;
        }
        let line = data.map_or(entry.line, |data| data.line);
        if let Some(why) = unread(data, trusted) {
            self.trust.unread.push(format!("settings.pki.{name}: {why}").into());
            if !is_placeholder(text) {
                self.is_refused = true;
                let message = format!("settings.pki.{name} is refused by Bottlerocket, and nothing is applied: {why}");
                self.note(codes::TLS_USER_DATA, line, message);
            }
            return;
        }
        let bundle = Bundle::read(&base64::decode(text).unwrap_or_default());
        if bundle.private_keys > 0 {
            let message = format!("settings.pki.{name} holds a private key among certificates");
            self.note(codes::TLS_PRIVATE_KEY, line, message);
        }
        let anchors: Vec<Anchor> = bundle.certificates.iter().map(Certificate::anchor_with_der).collect();
        if trusted.and_then(Node::bool) == Some(true) {
            self.trusted.extend(anchors);
            return;
        }
        if trusted.is_none() {
            let first = anchors.first().map_or("", |anchor| anchor.subject.as_str());
            let message = format!(
                "settings.pki.{name} has no `trusted = true`: Bottlerocket takes {first} out of its store instead of adding it"
            );
            self.note(codes::TLS_PKI_DISTRUSTS, entry.line, message);
        }
        self.distrusted.extend(anchors);
    }

    /// `settings.container-registry.mirrors`: tables with `registry` and `endpoint`; before 1.3.0 a table of lists.
    fn mirrors(&mut self, mirrors: Node<'_, '_>) {
        let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let urls = |node: Option<Node<'_, '_>>| -> Vec<String> {
            let listed = node.and_then(Node::strings).unwrap_or_default();
            listed.into_iter().map(|(url, _)| url.to_owned()).collect()
        };
        for mirror in mirrors.items() {
            match mirror.get("registry").and_then(Node::str) {
                Some(registry) => {
                    all.insert(registry.to_owned(), urls(mirror.get("endpoint")));
                }
                None => self.trust.unread.push("a mirror of settings.container-registry without `registry`".into()),
            }
        }
        all.extend(mirrors.entries().map(|(registry, list)| (registry.to_owned(), urls(Some(list)))));
        for (registry, urls) in all {
            if is_placeholder(&registry) {
                self.trust.unread.push(format!("the mirror of {registry}, a placeholder").into());
                continue;
            }
            let doubt = urls.iter().find(|url| is_placeholder(url)).map(|url| format!("{url} is a placeholder").into());
            let host = if registry == "*" { "_default" } else { &registry };
            let own = itself(host);
            let mut places: Vec<String> = urls.iter().map(|url| with_scheme(url)).collect();
            if !places.contains(&own) {
                places.push(own);
            }
            let hosts = places.into_iter().map(|url| RegistryHost { url: url.into(), ..RegistryHost::default() });
            self.trust.registries.push(RegistryTrust {
                host: host.into(),
                runtime: "containerd".into(),
                hosts: hosts.collect(),
                doubt,
                ..RegistryTrust::default()
            });
        }
    }
}

/// Why an entry's certificates are not known.
fn unread(data: Option<Node<'_, '_>>, trusted: Option<Node<'_, '_>>) -> Option<String> {
    if trusted.is_some_and(|trusted| trusted.bool().is_none()) {
        return Some("`trusted` is neither true nor false".to_owned());
    }
    let Some(text) = data.and_then(Node::str) else { return Some("`data` is no string".to_owned()) };
    if is_placeholder(text) {
        return Some("`data` is a placeholder that was not rendered".to_owned());
    }
    let Some(bytes) = base64::decode(text) else { return Some("`data` is no base64".to_owned()) };
    let bundle = Bundle::read(&bytes);
    match bundle.problems.first() {
        Some((0, why)) => Some(format!("`data` is {why}")),
        Some((line, why)) => Some(format!("line {line} of the certificates in `data`: {why}")),
        None => bundle.certificates.is_empty().then(|| "`data` holds no certificate".to_owned()),
    }
}

/// What a template of another tool puts a value in place of.
fn is_placeholder(text: &str) -> bool {
    ["${", "{{", "%{"].iter().any(|open| text.contains(open))
}

/// `settings.network`: containerd gets both as variables.
fn proxies(network: Node<'_, '_>) -> Vec<(Str, Str)> {
    let mut env = Vec::new();
    if let Some(proxy) = network.get("https-proxy").and_then(Node::str).filter(|proxy| !proxy.is_empty()) {
        let clean = match proxy.split_once("://") {
            Some((scheme, rest)) => format!("{scheme}://{}", without_user(rest)),
            None => without_user(proxy),
        };
        env.push(("HTTPS_PROXY".into(), clean.into()));
    }
    let without: Vec<&str> = network.get("no-proxy").into_iter().flat_map(Node::items).filter_map(Node::str).collect();
    if !without.is_empty() {
        env.push(("NO_PROXY".into(), without.join(",").into()));
    }
    env
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn read(text: &str) -> NodeTrust {
        bottlerocket(text, false).unwrap().unwrap()
    }

    #[test]
    fn user_data_is_told_by_its_settings() {
        let is = |text: &str| bottlerocket(text, false).is_some();
        for other in [
            "[package]\nname = \"x\"\n",
            "[settings]\ndebug = true\n",
            "[settings]\nx = = 1\n",
            "[settings.kubernetes]\nnamespace = \"x\"\n",
            "[settings.pki.x]\npath = \"x\"\n",
            "[settings.network]\nhttps-proxy = \"x\"\n",
            "[settings.kubernetes]\ncluster-name = \"x\"\n[other]\n",
        ] {
            assert!(!is(other), "{other}");
        }
        assert!(is("[settings.kubernetes]\ncluster-name = \"x\"\n") && is("[settings.pki.x]\ntrusted = true\n"));
        assert_eq!(bottlerocket("# x\n[settings.pki.x]\nx = = 1\n", false).unwrap().unwrap_err().0, 3);
        // Where it is user data for sure, little shows whose.
        assert!(bottlerocket("settings.motd = \"x\"\n", true).unwrap().is_ok());
        assert!(bottlerocket("x = 1\n", true).is_none());
    }

    #[test]
    fn mirrors_have_two_forms() {
        let urls = |text: &str| -> Vec<(String, Vec<String>)> {
            let all = read(text).registries;
            let places = |entry: &RegistryTrust| entry.hosts.iter().map(|place| place.url.to_string()).collect();
            all.iter().map(|entry| (entry.host.to_string(), places(entry))).collect()
        };
        let own = |all: &[&str]| all.iter().map(|url| (*url).to_owned()).collect::<Vec<_>>();
        let old = "[settings.container-registry.mirrors]\n\"quay.io\" = [\"https://m.example\", \"https://quay.io\"]\n";
        assert_eq!(urls(old), [("quay.io".to_owned(), own(&["https://m.example", "https://quay.io"]))]);
        let any = "[[settings.container-registry.mirrors]]\nregistry = \"*\"\nendpoint = [\"http://m.example\"]\n";
        assert_eq!(urls(any), [("_default".to_owned(), own(&["http://m.example", ""]))]);
    }

    #[test]
    fn what_is_not_rendered_and_what_runs_at_the_start_is_not_known() {
        let text = "[settings.pki.a]\ndata = \"${ca}\"\ntrusted = true\n[settings.pki.b]\ntrusted = true\n\
                    [settings.bootstrap-containers.x]\nmode = \"once\"\n[settings.bootstrap-containers.y]\nmode = \"off\"\n\
                    [[settings.container-registry.mirrors]]\nregistry = \"quay.io\"\nendpoint = [\"{{ mirror }}\"]\n";
        let trust = read(text);
        assert_eq!(
            trust.unread,
            [
                "settings.pki.a: `data` is a placeholder that was not rendered",
                "what settings.bootstrap-containers.x does at the start"
            ]
        );
        assert!(trust.notes.is_empty() && trust.stores.len() == 1 && trust.registries[0].doubt.is_some());
    }

    #[test]
    fn one_refused_setting_refuses_all() {
        for (entry, why) in [
            ("data = \"x\"", "`data` is no base64"),
            ("data = 1", "`data` is no string"),
            ("data = \"aGVsbG8=\"", "`data` is neither PEM nor DER"),
            ("data = \"aGVsbG8=\"\ntrusted = \"yes\"", "`trusted` is neither true nor false"),
        ] {
            let trust = read(&format!("[settings.pki.a]\n{entry}\n"));
            assert!(trust.stores.is_empty(), "{entry}");
            assert!(trust.notes[0].message.ends_with(why) && trust.notes[0].line == 2, "{:?}", trust.notes);
        }
    }
}
