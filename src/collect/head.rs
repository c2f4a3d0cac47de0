//! Reads the kind and the name of an object without its content, also of one that is cut off or misshapen.

use std::fmt;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use super::raw::Text;

/// `apiVersion`, `kind` and the name of an object, as far as they can be read.
#[derive(Debug, Default)]
pub(crate) struct Head {
    pub(crate) api_version: Option<String>,
    pub(crate) kind: Option<String>,
    /// There if `metadata` was read to its end, so that an absent namespace is absent.
    pub(crate) naming: Option<Naming>,
    /// Every key at the top that came before the end or the error.
    pub(crate) keys: Vec<String>,
}

/// What `metadata` says about the name.
#[derive(Debug, Default)]
pub(crate) struct Naming {
    pub(crate) name: Option<String>,
    pub(crate) namespace: Option<String>,
}

/// Reads what can be read; an error ends it and keeps what came before.
pub(crate) fn read(text: &str) -> Head {
    let mut head = Head::default();
    let mut deserializer = serde_json::Deserializer::from_str(text);
    // The error, if there is one, was or will be reported by whoever decodes the object.
    let _ = HeadSeed(&mut head).deserialize(&mut deserializer);
    head
}

/// Kind and apiVersion of an object that begins with both, as nearly all do.
pub(crate) fn peek(text: &str) -> Option<(&str, &str)> {
    let rest = text.trim_start().strip_prefix('{')?;
    let (first, one, rest) = pair(rest)?;
    let (second, two, _) = pair(rest.trim_start().strip_prefix(',')?)?;
    match (first, second) {
        ("apiVersion", "kind") => Some((one, two)),
        ("kind", "apiVersion") => Some((two, one)),
        _ => None,
    }
}

/// `"key": "value"` with the rest of the text.
fn pair(text: &str) -> Option<(&str, &str, &str)> {
    let (key, rest) = string(text)?;
    let (value, rest) = string(rest.trim_start().strip_prefix(':')?)?;
    Some((key, value, rest))
}

/// A string without escapes, with the rest of the text.
fn string(text: &str) -> Option<(&str, &str)> {
    let (inside, rest) = text.trim_start().strip_prefix('"')?.split_once('"')?;
    (!inside.contains('\\')).then_some((inside, rest))
}

struct HeadSeed<'h>(&'h mut Head);

impl<'de> DeserializeSeed<'de> for HeadSeed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for HeadSeed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match &*key {
                "apiVersion" => self.0.api_version = map.next_value::<Lenient>()?.0,
                "kind" => self.0.kind = map.next_value::<Lenient>()?.0,
                "metadata" => {
                    let mut naming = Naming::default();
                    if map.next_value_seed(NamingSeed(&mut naming))? {
                        self.0.naming = Some(naming);
                    }
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
            self.0.keys.push(key.0.into_owned());
        }
        Ok(())
    }
}

/// `true`: `metadata` is an object, or null.
struct NamingSeed<'n>(&'n mut Naming);

impl<'de> DeserializeSeed<'de> for NamingSeed<'_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NamingSeed<'_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("metadata")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<bool, A::Error> {
        while let Some(key) = map.next_key::<Text<'de>>()? {
            match &*key {
                "name" => self.0.name = map.next_value::<Lenient>()?.0,
                "namespace" => self.0.namespace = map.next_value::<Lenient>()?.0,
                "generateName" => {
                    let prefix = map.next_value::<Lenient>()?.0;
                    self.0.name = self.0.name.take().or(prefix.map(|prefix| prefix + "*"));
                }
                _ => {
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(true)
    }

    fn visit_unit<E>(self) -> Result<bool, E> {
        Ok(true)
    }

    fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<bool, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(false)
    }

    fn visit_bool<E>(self, _: bool) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_i64<E>(self, _: i64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_u64<E>(self, _: u64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_f64<E>(self, _: f64) -> Result<bool, E> {
        Ok(false)
    }

    fn visit_str<E>(self, _: &str) -> Result<bool, E> {
        Ok(false)
    }
}

/// A string, or nothing if the value is of another type.
struct Lenient(Option<String>);

impl<'de> Deserialize<'de> for Lenient {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = <&serde_json::value::RawValue>::deserialize(deserializer)?;
        Ok(Self(serde_json::from_str::<String>(raw.get()).ok().filter(|text| !text.is_empty())))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn an_object_that_is_cut_off_still_has_a_name() {
        let head = read(r#"{"kind":"NetworkPolicy","metadata":{"name":"a","namespace":"b"},"spec":{"egress":["#);
        assert_eq!(head.kind.as_deref(), Some("NetworkPolicy"));
        assert_eq!(head.naming.unwrap().namespace.as_deref(), Some("b"));
        assert!(read(r#"{"kind":"NetworkPolicy","metadata":{"name":"a","#).naming.is_none());
    }

    #[test]
    fn values_of_another_type_do_not_end_the_reading() {
        let head = read(r#"{"kind":7,"metadata":{"name":true,"namespace":"b"},"apiVersion":"v1"}"#);
        assert_eq!((head.kind, head.api_version.as_deref()), (None, Some("v1")));
        assert_eq!(head.naming.unwrap().namespace.as_deref(), Some("b"));
        assert!(read(r#"{"metadata":[1]}"#).naming.is_none());
    }

    #[test]
    fn peeking_needs_both_at_the_beginning() {
        assert_eq!(peek(r#"{ "apiVersion" : "v1", "kind":"Pod", "x":1}"#), Some(("v1", "Pod")));
        assert_eq!(peek(r#"{"kind":"Pod","apiVersion":"v1"}"#), Some(("v1", "Pod")));
        assert_eq!(peek(r#"{"kind":"Pod","metadata":{}}"#), None);
        assert_eq!(peek(r#"{"kind":"P\u006fd","apiVersion":"v1"}"#), None);
    }
}
