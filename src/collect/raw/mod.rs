//! The API's shapes, borrowed from the text and pruned: what is not listed is skipped unread.
//!
//! `null` and absence are the same everywhere, as in the API's own decoder; a value of another type is an error.

mod objects;
mod pod;
mod policy;

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

pub(crate) use objects::*;
pub(crate) use pod::*;
pub(crate) use policy::*;

use super::kinds;

/// A string that borrows from the input unless it holds escapes.
///
/// A plain `Option<Cow<str>>` field would copy every string.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Text<'a>(pub(crate) Cow<'a, str>);

impl std::ops::Deref for Text<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Text<'_> {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;

        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }

            fn visit_string<E>(self, text: String) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text)))
            }
        }

        deserializer.deserialize_str(TextVisitor)
    }
}

/// A map of strings such as `labels`, sorted by key; a key that repeats is an error.
#[derive(Debug, Default)]
pub(crate) struct Pairs<'a>(pub(crate) Vec<(Text<'a>, Text<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Pairs<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor { keep: |_| true }).map(Self)
    }
}

/// `annotations`, of which only those that tell something are kept.
#[derive(Debug, Default)]
pub(crate) struct Annotations<'a>(pub(crate) Vec<(Text<'a>, Text<'a>)>);

impl<'de: 'a, 'a> Deserialize<'de> for Annotations<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(PairsVisitor { keep: kinds::is_mark }).map(Self)
    }
}

struct PairsVisitor {
    keep: fn(&str) -> bool,
}

impl<'de> Visitor<'de> for PairsVisitor {
    type Value = Vec<(Text<'de>, Text<'de>)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of strings")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut pairs: Vec<(Text<'de>, Text<'de>)> = Vec::new();
        while let Some(key) = map.next_key::<Text<'de>>()? {
            if (self.keep)(&key) {
                let value = map.next_value::<Option<Text<'de>>>()?.unwrap_or_default();
                pairs.push((key, value));
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        pairs.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        match pairs.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(A::Error::custom(format_args!("the key `{}` is there twice", &*pair[0].0))),
            None => Ok(pairs),
        }
    }
}

/// `metadata`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Meta<'a> {
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) generate_name: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) namespace: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) labels: Option<Pairs<'a>>,
    #[serde(borrow)]
    pub(crate) annotations: Option<Annotations<'a>>,
    #[serde(borrow)]
    pub(crate) owner_references: Option<Vec<OwnerReference<'a>>>,
}

/// One entry of `ownerReferences`.
#[derive(Debug, Deserialize)]
pub(crate) struct OwnerReference<'a> {
    #[serde(borrow)]
    pub(crate) kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub(crate) name: Option<Text<'a>>,
    pub(crate) controller: Option<bool>,
}

/// A port by number or by name.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum IntOrText {
    Int(i64),
    Text(String),
}

/// What every object says of itself.
pub(crate) trait Kinded {
    /// Its `kind`, which items of typed lists leave out.
    fn kind(&self) -> Option<&str>;
}

macro_rules! kinded {
    ($($name:ident)+) => {
        $(impl Kinded for $name<'_> {
            fn kind(&self) -> Option<&str> {
                self.kind.as_deref()
            }
        })+
    };
}

kinded! { Bare ConfigMap EndpointSlice Endpoints NetworkPolicy Node NodeTrust Other Pod Service Workload }
