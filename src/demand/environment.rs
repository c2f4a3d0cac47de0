//! The environment of containers with what ConfigMaps put into it.
//!
//! The rules are those of the kubelet (`makeEnvironmentVariables`): `envFrom` first, of which a later entry goes before an
//! earlier one, then `env` over it, in order. An optional key that is not there leaves what `envFrom` set. Values that come
//! from elsewhere are literal: `$(VAR)` is expanded in `value` alone.

use std::borrow::Cow;
use std::sync::Arc;

use crate::model::object::{Container, EnvFrom, EnvValue, EnvVar, ObjectRef, PodSpec};
use crate::model::snapshot::VARIABLE_CONFIG_MAPS;
use crate::model::variables::{KeySelector, MapKey, ValuePlace, VariableMap};
use crate::model::{Snapshot, Str};
use crate::trust::objects::{IN_EVERY_NAMESPACE, absence, untold};

/// What is known about a ConfigMap.
enum Held<'s> {
    Map(&'s VariableMap),
    Absent,
    /// Why nothing is known.
    Unknown(String),
}

/// Whether a specification takes variables from ConfigMaps.
pub(crate) fn refers(spec: &PodSpec) -> bool {
    spec.containers.iter().any(takes)
}

fn takes(container: &Container) -> bool {
    container.env_from.iter().any(|from| from.kind == "ConfigMap")
        || container.env.iter().any(|variable| matches!(variable.value, EnvValue::ConfigMapKey(_)))
}

/// A specification with the values of ConfigMaps in the place of references to them. What could not be looked up stays,
/// with the reason.
pub(crate) fn resolved<'s>(snapshot: &Snapshot, namespace: &str, spec: &'s PodSpec) -> Cow<'s, PodSpec> {
    if !refers(spec) {
        return Cow::Borrowed(spec);
    }
    let mut spec = spec.clone();
    for container in spec.containers.iter_mut().filter(|container| takes(container)) {
        fill(&Lookup { snapshot, namespace }, container);
    }
    Cow::Owned(spec)
}

struct Lookup<'q> {
    snapshot: &'q Snapshot,
    namespace: &'q str,
}

fn fill(lookup: &Lookup<'_>, container: &mut Container) {
    let mut found: Vec<EnvVar> = Vec::new();
    let mut unread: Vec<EnvFrom> = Vec::new();
    for from in &container.env_from {
        let map = if from.kind == "ConfigMap" { lookup.held(&from.name) } else { Held::Unknown(String::new()) };
        match map {
            Held::Map(map) => {
                for key in &map.keys {
                    let name = format!("{}{}", from.prefix.as_deref().unwrap_or_default(), key.key);
                    // Whatever an entry before this one sets, read or not, is covered.
                    found.retain(|known| *known.name != *name);
                    found.push(lookup.variable(map, key, name.into(), 0));
                }
            }
            Held::Absent if from.optional => {}
            held => {
                let doubt = match held {
                    Held::Absent => {
                        let name = lookup.named(&from.name);
                        Some(format!("{name} does not exist, and without it the container does not start"))
                    }
                    Held::Unknown(why) if !why.is_empty() => Some(why),
                    _ => None,
                };
                // It goes before what stands before it.
                for known in found.iter_mut().filter(|known| may_set(from, &known.name)) {
                    let why = format!("{} {} may set it, too, and was not read", from.kind, from.name);
                    known.value = EnvValue::Unknown(why.into());
                }
                unread.push(EnvFrom { doubt: doubt.map(Into::into), ..from.clone() });
            }
        }
    }
    for variable in &container.env {
        match &variable.value {
            EnvValue::ConfigMapKey(selector) => found.extend(lookup.selected(selector, variable)),
            _ => found.push(variable.clone()),
        }
    }
    container.env = found.into();
    container.env_from = unread.into();
}

/// Whether an `envFrom` entry may set a variable of this name.
fn may_set(from: &EnvFrom, name: &str) -> bool {
    from.prefix.as_deref().is_none_or(|prefix| name.starts_with(prefix))
}

impl Lookup<'_> {
    fn named(&self, name: &str) -> String {
        format!("ConfigMap {}/{name}", self.namespace)
    }

    fn held(&self, name: &str) -> Held<'_> {
        if self.namespace.is_empty() {
            return Held::Unknown(format!("ConfigMap {name} is in the pod's namespace, which cannot be known"));
        }
        if let Some(why) = untold(self.snapshot, self.namespace, name) {
            return Held::Unknown(why);
        }
        let mut maps = self.snapshot.variable_maps.iter().filter(|map| map.meta.name == name);
        let here =
            |map: &&VariableMap| !map.meta.namespace_unknown && map.meta.namespace.as_deref() == Some(self.namespace);
        if let Some(map) = maps.clone().find(here) {
            return match &map.unread {
                Some(why) => Held::Unknown(format!("{}: {why}", self.named(name))),
                None => Held::Map(map),
            };
        }
        if let Some(map) = maps.find(|map| map.meta.namespace_unknown) {
            let why = map.unread.as_deref().unwrap_or("its namespace cannot be known");
            return Held::Unknown(format!("ConfigMap {name}: {why}"));
        }
        let is_written = self.snapshot.trust_bundles.iter().any(|b| b.targets.is_some() && b.meta.name == name);
        if is_written || IN_EVERY_NAMESPACE.contains(&name) {
            return Held::Unknown(format!("{} is written by a controller, and was not read", self.named(name)));
        }
        match absence(self.snapshot, self.namespace, name, VARIABLE_CONFIG_MAPS) {
            Some(why) => Held::Unknown(why),
            None => Held::Absent,
        }
    }

    /// A variable that a key of a map sets.
    fn variable(&self, map: &VariableMap, key: &MapKey, name: Str, line: u32) -> EnvVar {
        let place = ValuePlace {
            object: ObjectRef {
                kind: "ConfigMap".into(),
                namespace: Some(self.namespace.into()),
                name: map.meta.name.clone(),
            },
            key: key.key.clone(),
            source: map.meta.origin.source,
            line: key.line,
        };
        let value = key.value.clone().map_or_else(
            || {
                let why = format!("the value at key {} of {} is not kept", key.key, self.named(&map.meta.name));
                EnvValue::Unknown(why.into())
            },
            EnvValue::Text,
        );
        EnvVar { name, value, line, place: Some(Arc::new(place)) }
    }

    /// A variable that takes its value from a key; `None`: it is not set.
    fn selected(&self, selector: &KeySelector, variable: &EnvVar) -> Option<EnvVar> {
        let unknown = |why: String| EnvVar { value: EnvValue::Unknown(why.into()), ..variable.clone() };
        let map = match self.held(&selector.name) {
            Held::Map(map) => map,
            Held::Absent if selector.optional => return None,
            Held::Absent => {
                let name = self.named(&selector.name);
                return Some(unknown(format!("{name} does not exist, and without it the container does not start")));
            }
            Held::Unknown(why) => return Some(unknown(why)),
        };
        match map.key(&selector.key) {
            Some(key) => Some(self.variable(map, key, variable.name.clone(), variable.line)),
            None if selector.optional => None,
            None => {
                let name = self.named(&selector.name);
                let why = format!("{name} has no key {}, and without it the container does not start", selector.key);
                Some(unknown(why))
            }
        }
    }
}
