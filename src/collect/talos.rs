//! Talos machine configuration: the roots and the registries that it gives to a node.
//!
//! The system is immutable: its store is the distribution's public roots with the `TrustedRootsConfig` documents, and
//! its containerd is configured by the registry documents, or by `machine.registries` (Talos documentation,
//! configuration reference).

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use crate::model::codes;
use crate::model::object::{Meta, Origin};
use crate::model::trust::{Anchor, NodeTrust, RegistryHost, RegistryTrust, TrustNote};
use crate::model::{Str, base64};
use crate::trust::runtime::described_store;
use crate::trust::{Bundle, Certificate};

/// One document of a machine configuration.
#[derive(Clone, Debug)]
pub(crate) struct Document {
    pub(crate) origin: Origin,
    part: Part,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind")]
enum Part {
    TrustedRootsConfig {
        certificates: Option<String>,
    },
    RegistryTLSConfig {
        name: Str,
        ca: Option<String>,
        #[serde(rename = "insecureSkipVerify", default)]
        skip_verify: bool,
    },
    RegistryMirrorConfig {
        name: Str,
        #[serde(default)]
        endpoints: Vec<Endpoint>,
        #[serde(rename = "skipFallback", default)]
        skip_fallback: bool,
    },
    /// The document without a kind.
    #[serde(skip)]
    Machine(Machine),
}

#[derive(Clone, Debug, Deserialize)]
struct Endpoint {
    url: Str,
}

#[derive(Debug, Deserialize)]
struct Whole {
    machine: Option<Machine>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Machine {
    registries: Option<Registries>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct Registries {
    mirrors: Option<BTreeMap<Str, Mirror>>,
    config: Option<BTreeMap<Str, Config>>,
}

#[derive(Clone, Debug, Deserialize)]
struct Mirror {
    #[serde(default)]
    endpoints: Vec<Str>,
    #[serde(rename = "skipFallback", default)]
    skip_fallback: bool,
}

#[derive(Clone, Debug, Deserialize)]
struct Config {
    tls: Option<Tls>,
}

#[derive(Clone, Debug, Deserialize)]
struct Tls {
    /// PEM in base64.
    ca: Option<String>,
    #[serde(rename = "insecureSkipVerify", default)]
    skip_verify: bool,
}

/// Whether documents of this kind, which name no API group, are of a machine configuration.
pub(super) fn is_kind(kind: &str) -> bool {
    matches!(kind, "TrustedRootsConfig" | "RegistryTLSConfig" | "RegistryMirrorConfig")
}

/// Whether a document without a kind is the main one of a machine configuration.
pub(super) fn is_machine(keys: &[String]) -> bool {
    ["version", "machine"].iter().all(|key| keys.iter().any(|own| own == key))
}

/// Reads a document of its own kind.
pub(super) fn read(text: &str, origin: Origin) -> Result<Document, serde_json::Error> {
    serde_json::from_str(text).map(|part| Document { origin, part })
}

/// Reads the main document; `None` where it is something else.
pub(super) fn read_machine(text: &str, origin: Origin) -> Option<Document> {
    let whole: Whole = serde_json::from_str(text).ok()?;
    Some(Document { origin, part: Part::Machine(whole.machine.unwrap_or_default()) })
}

/// What is gathered of the documents of one file.
#[derive(Default)]
struct Gathered {
    is_whole: bool,
    roots: Vec<Anchor>,
    /// By host: CAs, and whether nothing is verified.
    tls: BTreeMap<Str, (Vec<Anchor>, bool)>,
    /// By host: what is asked, and whether the registry itself is not.
    mirrors: BTreeMap<Str, (Vec<Str>, bool)>,
}

/// What the nodes of each machine configuration trust: one for each file.
pub(super) fn nodes<'n>(documents: Vec<Document>, source: impl Fn(u32) -> &'n str) -> Vec<NodeTrust> {
    let mut files: BTreeMap<u32, (Origin, Gathered)> = BTreeMap::new();
    for Document { origin, part } in documents {
        let (_, gathered) = files.entry(origin.source).or_insert((origin, Gathered::default()));
        gathered.take(part);
    }
    files.into_iter().map(|(index, (origin, gathered))| gathered.node(source(index), origin)).collect()
}

impl Gathered {
    fn take(&mut self, part: Part) {
        match part {
            Part::TrustedRootsConfig { certificates } => self.roots.extend(anchors(certificates.as_deref())),
            Part::RegistryTLSConfig { name, ca, skip_verify } => {
                self.tls.insert(name, (anchors(ca.as_deref()), skip_verify));
            }
            Part::RegistryMirrorConfig { name, endpoints, skip_fallback } => {
                let urls = endpoints.into_iter().map(|endpoint| endpoint.url).collect();
                self.mirrors.insert(name, (urls, skip_fallback));
            }
            Part::Machine(Machine { registries }) => {
                self.is_whole = true;
                let Registries { mirrors, config } = registries.unwrap_or_default();
                for (name, Mirror { endpoints, skip_fallback }) in mirrors.into_iter().flatten() {
                    self.mirrors.entry(name).or_insert((endpoints, skip_fallback));
                }
                for (name, Config { tls }) in config.into_iter().flatten() {
                    let Some(Tls { ca, skip_verify }) = tls else { continue };
                    let pem = ca.map(|text| text.split_whitespace().collect::<String>());
                    let pem = pem.and_then(|text| base64::decode(&text)).unwrap_or_default();
                    self.tls.entry(name).or_insert((of(&pem), skip_verify));
                }
            }
        }
    }

    fn node(self, file: &str, origin: Origin) -> NodeTrust {
        let mut trust = NodeTrust {
            meta: Meta { name: file.into(), origin, ..Meta::default() },
            from: Some(format!("Talos machine configuration {file}").into()),
            os: Some("talos".into()),
            stores: vec![described_store("/etc/ssl/certs/ca-certificates.crt", &self.roots, &[])],
            ..NodeTrust::default()
        };
        if !self.is_whole {
            trust.unread.push("the other parts of the machine configuration".into());
        }
        let hosts: BTreeSet<&Str> = self.tls.keys().chain(self.mirrors.keys()).collect();
        for name in hosts {
            let (urls, skip_fallback) = self.mirrors.get(name).cloned().unwrap_or_default();
            let host: Str = if *name == "*" { "_default".into() } else { name.clone() };
            let own = if host == "_default" { Str::default() } else { format!("https://{host}").into() };
            let places = urls.into_iter().chain((!skip_fallback).then_some(own));
            trust.registries.push(RegistryTrust {
                hosts: places.map(|url| self.place(url)).collect(),
                runtime: "talos".into(),
                source: file.into(),
                host,
                ..RegistryTrust::default()
            });
        }
        for (host, _) in self.tls.iter().filter(|(_, (_, skip_verify))| *skip_verify) {
            trust.notes.push(TrustNote {
                code: codes::TLS_NODE_NOT_VERIFIED.id.into(),
                message: format!("Talos does not verify the certificate of {host}: `insecureSkipVerify`").into(),
                path: file.into(),
                line: origin.line,
                host: Some(host.clone()),
            });
        }
        trust
    }

    /// A place that is asked, with what it is verified by: the entry of its own host.
    fn place(&self, url: Str) -> RegistryHost {
        let rest = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let host = rest.split('/').next().unwrap_or_default();
        let (ca, skip_verify) = self.tls.get(host).cloned().unwrap_or_default();
        RegistryHost { url, ca, skip_verify, ..RegistryHost::default() }
    }
}

fn anchors(pem: Option<&str>) -> Vec<Anchor> {
    of(pem.unwrap_or_default().as_bytes())
}

fn of(bytes: &[u8]) -> Vec<Anchor> {
    Bundle::read(bytes).certificates.iter().map(Certificate::anchor_with_der).collect()
}
