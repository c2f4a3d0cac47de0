//! ConfigMaps from which containers take variables: which there are, and what of them is kept.

use std::collections::{BTreeSet, HashSet};

use rustc_hash::{FxHashMap, FxHashSet};

use super::env::{self, Kept};
use super::facts::Facts;
use super::redact;
use super::trust_maps::TrustMap;
use crate::model::Str;
use crate::model::object::{Container, EnvValue, Meta, PodSpec};
use crate::model::variables::{MapKey, VariableMap};

/// Longer values are not kept: no proxy, registry or path is so long.
const LONGEST: usize = 8192;

/// A ConfigMap's data as they stand, until it is known what of them is kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct Values(Vec<(Str, Option<Box<str>>, u32)>);

impl Values {
    /// A key with its value and line. Certificates are no value of a variable that is looked at.
    pub(crate) fn add(&mut self, key: Str, value: &str, is_certificate: bool, line: u32) {
        let value = (value.len() <= LONGEST && !is_certificate).then(|| value.into());
        self.0.push((key, value, line));
    }
}

/// What containers take from one ConfigMap.
#[derive(Debug, Default)]
struct Uses {
    /// Keys that a variable which is kept refers to.
    keys: BTreeSet<Str>,
    /// `envFrom`: the prefixes before all of its keys.
    prefixes: BTreeSet<Str>,
    /// Names to which values that are kept refer.
    referenced: BTreeSet<String>,
}

/// The ConfigMaps that containers take variables from, by namespace and name. The namespace is absent where that of the
/// pod is not known.
#[derive(Debug, Default)]
pub(crate) struct Used(FxHashMap<(Option<Str>, Str), Uses>);

impl Used {
    pub(crate) fn of(facts: &Facts) -> Self {
        let mut used = Self::default();
        let mut seen: FxHashSet<(*const PodSpec, Option<&Str>)> = FxHashSet::default();
        let pods = facts.pods.iter().map(|pod| (&pod.meta, &pod.spec));
        for (meta, spec) in pods.chain(facts.workloads.iter().map(|workload| (&workload.meta, &workload.spec))) {
            if seen.insert((std::sync::Arc::as_ptr(spec), meta.namespace.as_ref())) {
                spec.containers.iter().for_each(|container| used.add(meta, container));
            }
        }
        used
    }

    /// Namespace and name of each; only where the namespace is known.
    pub(crate) fn names(&self) -> impl Iterator<Item = (Str, Str)> {
        self.0.keys().filter_map(|(namespace, name)| Some((namespace.clone()?, name.clone())))
    }

    fn add(&mut self, meta: &Meta, container: &Container) {
        let namespace = meta.namespace.clone().filter(|_| !meta.namespace_unknown);
        for variable in &container.env {
            if let EnvValue::ConfigMapKey(selector) = &variable.value {
                let uses = self.0.entry((namespace.clone(), selector.name.clone())).or_default();
                uses.keys.insert(selector.key.clone());
            }
        }
        let from_maps = || container.env_from.iter().filter(|from| from.kind == "ConfigMap");
        if from_maps().next().is_none() {
            return;
        }
        let texts = container.env.iter().filter_map(|variable| match &variable.value {
            EnvValue::Text(text) => Some(text),
            _ => None,
        });
        let referenced: Vec<String> = texts.flat_map(|text| env::references(text)).map(str::to_owned).collect();
        for from in from_maps() {
            let uses = self.0.entry((namespace.clone(), from.name.clone())).or_default();
            uses.prefixes.insert(from.prefix.clone().unwrap_or_default());
            uses.referenced.extend(referenced.iter().cloned());
        }
    }

    /// The uses that a map may have: where a namespace is not known, the name decides.
    fn of_map<'u>(&'u self, meta: &'u Meta) -> impl Iterator<Item = &'u Uses> {
        self.0.iter().filter_map(move |((namespace, name), uses)| {
            let is_here = meta.namespace_unknown || namespace.is_none() || *namespace == meta.namespace;
            (*name == meta.name && is_here).then_some(uses)
        })
    }
}

impl Uses {
    /// What is kept of a key; `None`: nothing, not even that it is there.
    fn keeps(&self, key: &str) -> Option<Kept> {
        // Only a proxy may have a name that sounds secret: its credentials are removed from the value.
        let is_secret = redact::is_secret_name(key) && !key.to_ascii_lowercase().ends_with("_proxy");
        let value = if is_secret { Kept::Name } else { Kept::Value };
        if self.keys.contains(key) {
            return Some(value);
        }
        let of_prefix = |prefix: &Str| {
            let name = format!("{prefix}{key}");
            match env::kept(&name) {
                Kept::Nothing if !self.referenced.contains(&name) => None,
                Kept::Nothing | Kept::Value => Some(value),
                Kept::Name => Some(Kept::Name),
            }
        };
        self.prefixes.iter().filter_map(of_prefix).max_by_key(|kept| *kept == Kept::Value)
    }
}

/// What is kept of the ConfigMaps. Of one name the last counts.
pub(super) fn kept(facts: &Facts) -> Vec<VariableMap> {
    let sought = Used::of(facts);
    if sought.0.is_empty() {
        return Vec::new();
    }
    let mut seen = HashSet::new();
    let mut kept = Vec::new();
    for TrustMap { meta, values, unread, .. } in facts.trust_maps.iter().rev() {
        let uses: Vec<&Uses> = sought.of_map(meta).collect();
        let names_one = !meta.namespace_unknown && !meta.name.ends_with('*');
        if uses.is_empty() || (names_one && !seen.insert((&meta.namespace, &meta.name))) {
            continue;
        }
        let key = |(key, value, line): &(Str, Option<Box<str>>, u32)| {
            let best = uses.iter().filter_map(|uses| uses.keeps(key)).max_by_key(|kept| *kept == Kept::Value)?;
            let value = value.as_deref().filter(|_| best == Kept::Value);
            Some(MapKey { key: key.clone(), value: value.map(|value| Str::from(&*redact::text(value))), line: *line })
        };
        let keys = values.0.iter().filter_map(key).collect();
        kept.push(VariableMap { meta: meta.clone(), keys, unread: unread.clone() });
    }
    kept.reverse();
    kept
}
