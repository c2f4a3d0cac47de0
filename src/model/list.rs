//! Short lists that hardly ever change and often repeat.

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::slice::Iter;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A list whose clones share one allocation, as large as one pointer and without any allocation when it is empty.
///
/// A specification has a dozen lists most of which are empty, and there are a hundred thousand specifications.
#[derive(Clone)]
pub struct List<T>(Option<Arc<Box<[T]>>>);

impl<T> List<T> {
    /// The items.
    pub fn as_slice(&self) -> &[T] {
        self.0.as_ref().map_or(&[], |items| items)
    }

    /// Adds an item; what the list shared with others is copied.
    pub fn push(&mut self, item: T)
    where
        T: Clone,
    {
        *self = self.iter().cloned().chain([item]).collect();
    }

    /// Whether the two share their items, which says more than that these are equal.
    pub fn is_same(&self, other: &Self) -> bool {
        match (&self.0, &other.0) {
            (None, None) => true,
            (Some(a), Some(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T> From<Vec<T>> for List<T> {
    fn from(items: Vec<T>) -> Self {
        Self((!items.is_empty()).then(|| Arc::new(items.into_boxed_slice())))
    }
}

impl<T> FromIterator<T> for List<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        items.into_iter().collect::<Vec<_>>().into()
    }
}

impl<'a, T> IntoIterator for &'a List<T> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Iter<'a, T> {
        self.iter()
    }
}

impl<T> Borrow<[T]> for List<T> {
    fn borrow(&self) -> &[T] {
        self.as_slice()
    }
}

impl<T: PartialEq> PartialEq for List<T> {
    fn eq(&self, other: &Self) -> bool {
        self.is_same(other) || self.as_slice() == other.as_slice()
    }
}

impl<T: Eq> Eq for List<T> {}

impl<T: PartialOrd> PartialOrd for List<T> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.as_slice().partial_cmp(other.as_slice())
    }
}

impl<T: Ord> Ord for List<T> {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_slice().cmp(other.as_slice())
    }
}

impl<T: Hash> Hash for List<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_slice().hash(state);
    }
}

impl<T: fmt::Debug> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_slice().fmt(f)
    }
}

impl<T: Serialize> Serialize for List<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.as_slice().serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

impl<T: schemars::JsonSchema> schemars::JsonSchema for List<T> {
    fn schema_name() -> Cow<'static, str> {
        Vec::<T>::schema_name()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
        Vec::<T>::json_schema(generator)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn a_list_is_a_pointer_and_is_written_as_a_sequence() {
        assert_eq!(size_of::<List<String>>(), size_of::<usize>());
        let list: List<u8> = vec![1, 2].into();
        let written = serde_json::to_string(&list).unwrap();
        assert_eq!(written, "[1,2]");
        assert_eq!(serde_json::from_str::<List<u8>>(&written).unwrap(), list);
        assert_eq!(serde_json::to_string(&List::<u8>::default()).unwrap(), "[]");
    }

    #[test]
    fn what_is_added_to_one_clone_is_not_added_to_others() {
        let one: List<u8> = vec![1].into();
        let mut two = one.clone();
        two.push(2);
        assert_eq!((one.as_slice(), two.as_slice()), (&[1][..], &[1, 2][..]));
        assert!(List::<u8>::from(Vec::new()) == List::default());
    }
}
