//! Lists that mostly have one item.

use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A list that mostly has one item, which then takes no allocation of its own: the addresses of a pod, the pods of a
/// subject.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Few<T>(Repr<T>);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr<T> {
    One(T),
    /// None, or several.
    Others(Box<[T]>),
}

impl<T> Few<T> {
    /// A list of one item.
    pub fn one(item: T) -> Self {
        Self(Repr::One(item))
    }
}

impl<T> Default for Few<T> {
    fn default() -> Self {
        Self(Repr::Others(Box::default()))
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        match &self.0 {
            Repr::One(item) => std::slice::from_ref(item),
            Repr::Others(items) => items,
        }
    }
}

impl<T> From<Vec<T>> for Few<T> {
    fn from(mut items: Vec<T>) -> Self {
        Self(match items.pop() {
            Some(one) if items.is_empty() => Repr::One(one),
            Some(last) => {
                items.push(last);
                Repr::Others(items.into())
            }
            None => Repr::Others(Box::default()),
        })
    }
}

impl<T> FromIterator<T> for Few<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut items = items.into_iter();
        match (items.next(), items.next()) {
            (Some(only), None) => Self::one(only),
            (first, second) => first.into_iter().chain(second).chain(items).collect::<Vec<T>>().into(),
        }
    }
}

impl<T: fmt::Debug> fmt::Debug for Few<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: Serialize> Serialize for Few<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Few<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn any_number_of_items_is_written_as_a_sequence() {
        for items in [vec![], vec![7], vec![8, 9]] {
            let few = Few::from(items.clone());
            assert_eq!(*few, *items);
            let written = serde_json::to_string(&few).unwrap();
            assert_eq!(written, serde_json::to_string(&items).unwrap());
            assert_eq!(serde_json::from_str::<Few<u32>>(&written).unwrap(), few);
        }
        assert_eq!(Few::one(7), Few::from(vec![7]));
        assert_eq!(size_of::<Few<u32>>(), 16);
    }
}
