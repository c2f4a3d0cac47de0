//! Labels and label selectors.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::list::List;
use super::text::Str;

/// The labels of an object, sorted by key. Clones share one allocation, and the keys, of which there are few
/// different lists, may be shared with others too.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Labels {
    keys: List<Str>,
    /// One for each key.
    values: Arc<[Str]>,
}

impl Labels {
    /// The labels from pairs in any order; of two with one key the last counts.
    pub fn new(pairs: impl IntoIterator<Item = (Str, Str)>) -> Self {
        let map: BTreeMap<Str, Str> = pairs.into_iter().collect();
        let (keys, values): (Vec<Str>, Vec<Str>) = map.into_iter().unzip();
        Self::from_sorted(keys.into(), values)
    }

    /// The labels from keys that are sorted, none of them twice, with their values.
    pub fn from_sorted(keys: List<Str>, values: Vec<Str>) -> Self {
        debug_assert!(keys.windows(2).all(|pair| pair[0] < pair[1]), "sorted, no key twice");
        debug_assert_eq!(keys.len(), values.len(), "one value for each key");
        Self { keys, values: if values.is_empty() { Arc::default() } else { values.into() } }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Str> {
        self.position(key).map(|i| &self.values[i])
    }

    /// Where a key stands among the keys.
    pub fn position(&self, key: &str) -> Option<usize> {
        self.keys.binary_search_by(|k| k.as_str().cmp(key)).ok()
    }

    /// The keys, sorted.
    pub fn keys(&self) -> &List<Str> {
        &self.keys
    }

    /// The values in order of their keys.
    pub fn values(&self) -> &[Str] {
        &self.values
    }

    /// The pairs in order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = (&Str, &Str)> {
        self.keys.iter().zip(&*self.values)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// These labels with one more, or with another value for its key.
    #[must_use]
    pub fn with(&self, key: &str, value: &str) -> Self {
        let pairs = self.iter().map(|(k, v)| (k.clone(), v.clone()));
        Self::new(pairs.chain([(key.into(), value.into())]))
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Labels {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        BTreeMap::<Str, Str>::deserialize(deserializer).map(Self::new)
    }
}

/// How one requirement of a selector compares (`metav1.LabelSelectorRequirement`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Operator {
    /// The key is there with one of the values.
    In,
    /// The key is absent, or its value is none of these.
    NotIn,
    /// The key is there.
    Exists,
    /// The key is absent.
    DoesNotExist,
}

/// One requirement of a selector.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Requirement {
    /// The label key.
    pub key: Str,
    /// How it compares.
    pub operator: Operator,
    /// Sorted values; empty for `Exists` and `DoesNotExist`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Str>,
}

impl Requirement {
    fn matches(&self, labels: &Labels) -> bool {
        let value = labels.get(&self.key);
        match self.operator {
            Operator::In => value.is_some_and(|v| self.values.binary_search(v).is_ok()),
            Operator::NotIn => value.is_none_or(|v| self.values.binary_search(v).is_err()),
            Operator::Exists => value.is_some(),
            Operator::DoesNotExist => value.is_none(),
        }
    }
}

/// A label selector in canonical form: all requirements must hold, and none means everything.
///
/// A `matchLabels` pair is an `In` with one value (apimachinery, `LabelSelectorAsSelector`), so
/// equal selectors are equal values however they were written.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Selector {
    requirements: Vec<Requirement>,
}

/// Why a selector is not one that an API server accepts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// The operator is none of the four.
    #[error("unknown operator `{0}`: In, NotIn, Exists and DoesNotExist are known")]
    UnknownOperator(String),
    /// `In` and `NotIn` need at least one value.
    #[error("operator {0:?} on `{1}` needs at least one value")]
    NoValues(Operator, String),
    /// `Exists` and `DoesNotExist` take none.
    #[error("operator {0:?} on `{1}` takes no values")]
    UnexpectedValues(Operator, String),
    /// Not kubectl's selector grammar.
    #[error("`{0}` is no label requirement: a=b, a!=b, a in (b,c), a notin (b), a or !a")]
    Malformed(String),
    /// A requirement without a key.
    #[error("a requirement of the selector has no key")]
    NoKey,
}

impl Selector {
    /// Builds a selector from its written parts: `matchLabels` pairs and
    /// (key, operator, values) expressions.
    ///
    /// # Errors
    ///
    /// What the API server's validation rejects; an unknown operator is never a match.
    pub fn new<'a>(
        match_labels: impl IntoIterator<Item = (Str, Str)>,
        match_expressions: impl IntoIterator<Item = (Str, &'a str, Vec<Str>)>,
    ) -> Result<Self, SelectorError> {
        let mut requirements: Vec<_> = match_labels
            .into_iter()
            .map(|(key, value)| Requirement { key, operator: Operator::In, values: vec![value] })
            .collect();
        for (key, operator, mut values) in match_expressions {
            let operator = match operator {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                other => return Err(SelectorError::UnknownOperator(other.to_owned())),
            };
            let takes_values = matches!(operator, Operator::In | Operator::NotIn);
            if takes_values && values.is_empty() {
                return Err(SelectorError::NoValues(operator, key.to_string()));
            }
            if !takes_values && !values.is_empty() {
                return Err(SelectorError::UnexpectedValues(operator, key.to_string()));
            }
            values.sort_unstable();
            values.dedup();
            requirements.push(Requirement { key, operator, values });
        }
        if requirements.iter().any(|r| r.key.is_empty()) {
            return Err(SelectorError::NoKey);
        }
        requirements.sort_unstable();
        requirements.dedup();
        Ok(Self { requirements })
    }

    /// Parses kubectl's selector grammar: `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
    ///
    /// # Errors
    ///
    /// If the text is not of that grammar.
    pub fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut expressions: Vec<(Str, &str, Vec<Str>)> = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            // A comma inside parentheses does not end a requirement.
            let mut depth = 0;
            let end = rest
                .char_indices()
                .find(|(_, c)| {
                    depth += i32::from(*c == '(') - i32::from(*c == ')');
                    *c == ',' && depth == 0
                })
                .map_or(rest.len(), |(i, _)| i);
            let one = rest[..end].trim();
            rest = rest.get(end + 1..).unwrap_or_default().trim_start();
            expressions.push(Self::parse_requirement(one)?);
        }
        Self::new([], expressions)
    }

    fn parse_requirement(text: &str) -> Result<(Str, &'static str, Vec<Str>), SelectorError> {
        let malformed = || SelectorError::Malformed(text.to_owned());
        let list = |values: &str| {
            let inner = values.trim().strip_prefix('(')?.strip_suffix(')')?;
            Some(inner.split(',').map(|v| v.trim().into()).collect::<Vec<Str>>())
        };
        let key = |key: &str| {
            let key = key.trim();
            if key.is_empty() || key.contains(char::is_whitespace) { Err(malformed()) } else { Ok(Str::from(key)) }
        };
        if let Some((k, v)) = text.split_once("!=") {
            return Ok((key(k)?, "NotIn", vec![v.trim().into()]));
        }
        if let Some((k, v)) = text.split_once("==").or_else(|| text.split_once('=')) {
            return Ok((key(k)?, "In", vec![v.trim().into()]));
        }
        if let Some((k, v)) = text.split_once(" notin ") {
            return Ok((key(k)?, "NotIn", list(v).ok_or_else(malformed)?));
        }
        if let Some((k, v)) = text.split_once(" in ") {
            return Ok((key(k)?, "In", list(v).ok_or_else(malformed)?));
        }
        match text.strip_prefix('!') {
            Some(k) => Ok((key(k)?, "DoesNotExist", Vec::new())),
            None => Ok((key(text)?, "Exists", Vec::new())),
        }
    }

    /// Whether the labels satisfy every requirement.
    pub fn matches(&self, labels: &Labels) -> bool {
        self.requirements.iter().all(|r| r.matches(labels))
    }

    /// Whether the selector has no requirement, and so matches everything.
    pub fn is_everything(&self) -> bool {
        self.requirements.is_empty()
    }

    /// The requirements in canonical order.
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }

    /// A key and value that every match must carry, if there is one: what an index looks up.
    pub fn required_pair(&self) -> Option<(&Str, &Str)> {
        self.requirements.iter().find_map(|r| match (r.operator, r.values.as_slice()) {
            (Operator::In, [value]) => Some((&r.key, value)),
            _ => None,
        })
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_everything() {
            return f.write_str("everything");
        }
        for (i, r) in self.requirements.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            match (r.operator, r.values.as_slice()) {
                (Operator::In, [value]) => write!(f, "{}={value}", r.key)?,
                (Operator::In, values) => write!(f, "{} in ({})", r.key, values.join(","))?,
                (Operator::NotIn, values) => write!(f, "{} notin ({})", r.key, values.join(","))?,
                (Operator::Exists, _) => write!(f, "{}", r.key)?,
                (Operator::DoesNotExist, _) => write!(f, "!{}", r.key)?,
            }
        }
        Ok(())
    }
}
