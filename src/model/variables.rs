//! Variables that ConfigMaps give to containers (`envFrom`, `valueFrom.configMapKeyRef`).

use serde::{Deserialize, Serialize};

use super::object::{Meta, ObjectRef};
use super::text::Str;

/// A ConfigMap from which containers take variables.
///
/// Only what such variables may decide is kept: the keys that one refers to, and those that become a variable which
/// redirects a build or decides trust. A map that nothing takes variables from is not kept at all.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VariableMap {
    /// The object.
    pub meta: Meta,
    /// Its keys in order of their names, as far as they are kept.
    #[serde(default)]
    pub keys: Vec<MapKey>,
    /// It is known only that it is there, and why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unread: Option<Str>,
}

/// One key of a ConfigMap's data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MapKey {
    /// Its name.
    pub key: Str,
    /// Its value, credentials in URLs removed; absent where it was not kept, as it may be secret or is very long.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Str>,
    /// Line of the key in the source of the object, from 1; 0 where it is not known.
    #[serde(default)]
    pub line: u32,
}

/// `ConfigMapKeySelector`: where a variable has its value from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct KeySelector {
    /// ConfigMap of the pod's namespace.
    pub name: Str,
    /// Key of its data.
    pub key: Str,
    /// Without the key, or the whole map, the variable is not set; otherwise the container does not start.
    #[serde(default, skip_serializing_if = "super::object::is_false")]
    pub optional: bool,
}

/// Where the value of a variable was found, once its ConfigMap was looked up.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ValuePlace {
    /// The ConfigMap.
    pub object: ObjectRef,
    /// Its key.
    pub key: Str,
    /// Index of its source.
    pub source: u32,
    /// Line of the key, 0 if it is not known.
    pub line: u32,
}

impl VariableMap {
    /// A key, if it is kept.
    pub fn key(&self, name: &str) -> Option<&MapKey> {
        self.keys.iter().find(|known| known.key == name)
    }
}
