//! Certificates in ConfigMaps: every key that holds some, and of those that pods mount where trust is decided also
//! the keys that hold none.

use std::collections::HashSet;

use memchr::memmem;
use rustc_hash::FxHashSet;

use super::decode::{Decoder, Wrong};
use super::facts::Facts;
use super::lines::Lines;
use super::raw;
use super::variable_maps::Values;
use crate::model::object::{Meta, Origin, PodSpec};
use crate::model::trust::{Anchor, TrustBundle};
use crate::model::{List, Str, base64};
use crate::trust::objects::IN_EVERY_NAMESPACE;
use crate::trust::{Bundle, Certificate};

/// What stands in every PEM certificate, and hardly anywhere else.
const MARK: &[u8] = b"CERTIFICATE-----";

/// A ConfigMap, as far as it may decide what somebody trusts.
#[derive(Clone, Debug)]
pub(crate) struct TrustMap {
    pub(crate) meta: Meta,
    /// Keys that hold no certificate.
    plain: List<Str>,
    /// Keys that hold some, or may.
    pub(crate) contents: Vec<(Str, Content)>,
    /// It is known only that it is there, and why.
    pub(crate) unread: Option<Str>,
    /// What containers may take variables from.
    pub(crate) values: Values,
}

impl TrustMap {
    /// One that a kustomization generates of files that are no manifests.
    pub(crate) fn generated(name: &str, origin: Origin) -> Self {
        let meta = Meta { name: name.into(), namespace_unknown: true, origin, ..Meta::default() };
        let why = Str::from("a kustomization generates it, and that is not rendered");
        let values = Values::default();
        Self { meta, plain: List::default(), contents: Vec::new(), unread: Some(why), values }
    }

    /// What a key holds, where these are certificates.
    pub(crate) fn content(&self, key: &str) -> Option<&Content> {
        self.contents.iter().find(|(own, _)| own == key).map(|(_, content)| content)
    }

    /// Puts in what somebody else writes at a key.
    pub(crate) fn inject(&mut self, key: &str, content: Content) {
        self.plain = self.plain.iter().filter(|own| *own != key).cloned().collect();
        self.contents.push((key.into(), content));
    }

    pub(crate) fn holds_certificates(&self) -> bool {
        !self.contents.is_empty()
    }
}

/// What a file of certificates holds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Content {
    pub(crate) certificates: List<Anchor>,
    pub(crate) problems: List<Str>,
    pub(crate) unread: Option<Str>,
    /// How many private keys lie in it.
    pub(crate) private_keys: u32,
    /// It holds the public roots of a distribution beside these.
    pub(crate) public_roots: bool,
}

impl Content {
    /// Reads PEM or DER.
    pub(crate) fn read(bytes: &[u8]) -> Self {
        let bundle = Bundle::read(bytes);
        let line = |(line, what): &(u32, String)| match line {
            0 => Str::from(what.as_str()),
            line => Str::from(format!("line {line}: {what}")),
        };
        let keys = match bundle.private_keys {
            0 => None,
            1 => Some(Str::from("a private key lies in it")),
            keys => Some(Str::from(format!("{keys} private keys lie in it"))),
        };
        Self {
            certificates: bundle.certificates.iter().map(Certificate::anchor_with_der).collect(),
            problems: bundle.problems.iter().map(line).chain(keys).collect(),
            private_keys: bundle.private_keys,
            ..Self::default()
        }
    }

    /// What an object of that kind holds at a key.
    pub(crate) fn at(self, kind: &str, meta: &Meta, key: Str) -> TrustBundle {
        TrustBundle {
            kind: kind.into(),
            meta: meta.clone(),
            key,
            signer: None,
            certificates: self.certificates,
            problems: self.problems,
            unread: self.unread,
            private_keys: self.private_keys,
            public_roots: self.public_roots,
            targets: None,
        }
    }

    /// Bytes that are neither PEM nor a certificate.
    fn binary(bytes: &[u8]) -> Option<Self> {
        const KEY_STORE: &[u8] = &[0xfe, 0xed, 0xfe, 0xed];
        // A key store of PKCS #12 and a certificate both are a sequence of more than 255 bytes.
        const SEQUENCE: &[u8] = &[0x30, 0x82];
        if memmem::find(bytes, MARK).is_some() {
            return Some(Self::read(bytes));
        }
        if bytes.starts_with(SEQUENCE) && Certificate::parse(bytes).is_ok() {
            return Some(Self::read(bytes));
        }
        let is_store = bytes.starts_with(KEY_STORE) || bytes.starts_with(SEQUENCE);
        is_store.then(|| Self { unread: Some("it is a key store, which is not read".into()), ..Self::default() })
    }
}

impl Decoder {
    pub(super) fn trust_map(&mut self, raw: &raw::ConfigMap<'_>, lines: &Lines<'_>) -> Result<TrustMap, Wrong> {
        let mut map = TrustMap {
            meta: self.meta(raw.metadata.as_ref())?,
            plain: List::default(),
            contents: Vec::new(),
            unread: None,
            values: Values::default(),
        };
        let mut plain = Vec::new();
        for (name, text) in raw.data.iter().flat_map(|data| &data.0) {
            let key = self.scratch.str(name);
            let holds_certificates = memmem::find(text.as_bytes(), MARK).is_some();
            map.values.add(key.clone(), text, holds_certificates, lines.of_text(Some(name)));
            if holds_certificates {
                let content = self.scratch.content(text.as_bytes());
                map.contents.push((key, content));
            } else {
                plain.push(key);
            }
        }
        for (key, text) in raw.binary_data.iter().flat_map(|data| &data.0) {
            let key = self.scratch.str(key);
            match base64::decode(text).as_deref().and_then(Content::binary) {
                Some(content) => map.contents.push((key, content)),
                None => plain.push(key),
            }
        }
        map.plain = self.scratch.words(plain);
        Ok(map)
    }
}

/// What is kept of the ConfigMaps, once it is known what pods mount. Of one name the last counts.
pub(super) fn bundles(facts: &mut Facts) -> Vec<TrustBundle> {
    let maps = std::mem::take(&mut facts.trust_maps);
    if maps.is_empty() {
        return Vec::new();
    }
    let mounted = Mounted::of(facts);
    let mut seen = HashSet::new();
    let mut bundles = Vec::new();
    for map in maps.into_iter().rev() {
        let TrustMap { meta, plain, contents, unread, .. } = map;
        let is_mounted = mounted.has(&meta);
        let is_everywhere = IN_EVERY_NAMESPACE.contains(&meta.name.as_str());
        let is_kept = is_mounted || (!contents.is_empty() && !is_everywhere);
        let names_one = !meta.namespace_unknown && !meta.name.ends_with('*');
        if !is_kept || (names_one && !seen.insert((meta.namespace.clone(), meta.name.clone()))) {
            continue;
        }
        let bundle = |key: Str, content: Content| content.at("ConfigMap", &meta, key);
        let mut of_map: Vec<_> = contents.into_iter().map(|(key, content)| bundle(key, content)).collect();
        if is_mounted {
            of_map.extend(plain.iter().map(|key| bundle(key.clone(), Content::default())));
            if of_map.is_empty() {
                of_map.push(bundle(Str::default(), Content { unread, ..Content::default() }));
            }
        }
        of_map.sort_by(|a, b| a.key.cmp(&b.key));
        bundles.extend(of_map.into_iter().rev());
    }
    bundles.reverse();
    bundles
}

/// The ConfigMaps that pods and templates mount where trust is decided.
#[derive(Default)]
pub(crate) struct Mounted {
    /// Namespace and name.
    pub(crate) names: FxHashSet<(Option<Str>, Str)>,
}

impl Mounted {
    pub(crate) fn of(facts: &Facts) -> Self {
        let mut mounted = Self::default();
        for pod in &facts.pods {
            mounted.add(&pod.meta, &pod.spec);
        }
        for workload in &facts.workloads {
            mounted.add(&workload.meta, &workload.spec);
        }
        mounted
    }

    fn add(&mut self, meta: &Meta, spec: &PodSpec) {
        let mounts = spec.containers.iter().flat_map(|container| &container.trust_mounts);
        for name in mounts.flat_map(|mount| mount.source.config_maps()) {
            let namespace = meta.namespace.clone().filter(|_| !meta.namespace_unknown);
            self.names.insert((namespace, name.clone()));
        }
    }

    /// Whether it may be mounted: where a namespace is not known, the name decides.
    fn has(&self, meta: &Meta) -> bool {
        if meta.namespace_unknown {
            return self.names.iter().any(|(_, name)| *name == meta.name);
        }
        [meta.namespace.clone(), None].into_iter().any(|namespace| self.names.contains(&(namespace, meta.name.clone())))
    }
}
