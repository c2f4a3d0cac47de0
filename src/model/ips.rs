//! The addresses of a pod.

use std::fmt;
use std::net::IpAddr;
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Addresses of which there is mostly one, or one for each family: one takes no allocation of its own.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Ips(Repr);

#[derive(Clone, PartialEq, Eq, Hash)]
enum Repr {
    One(IpAddr),
    /// None, or several.
    Others(Box<[IpAddr]>),
}

impl Default for Repr {
    fn default() -> Self {
        Self::Others(Box::default())
    }
}

impl Deref for Ips {
    type Target = [IpAddr];

    fn deref(&self) -> &[IpAddr] {
        match &self.0 {
            Repr::One(ip) => std::slice::from_ref(ip),
            Repr::Others(ips) => ips,
        }
    }
}

impl From<Vec<IpAddr>> for Ips {
    fn from(ips: Vec<IpAddr>) -> Self {
        Self(match ips.as_slice() {
            [one] => Repr::One(*one),
            _ => Repr::Others(ips.into()),
        })
    }
}

impl fmt::Debug for Ips {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Serialize for Ips {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (**self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Ips {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Vec::deserialize(deserializer).map(Self::from)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn any_number_of_addresses_is_written_as_a_sequence() {
        let ips: Vec<IpAddr> = vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()];
        for n in 0..3 {
            let some = Ips::from(ips[..n].to_vec());
            assert_eq!(*some, ips[..n]);
            let written = serde_json::to_string(&some).unwrap();
            assert_eq!(written, serde_json::to_string(&ips[..n]).unwrap());
            assert_eq!(serde_json::from_str::<Ips>(&written).unwrap(), some);
        }
        assert!(size_of::<Ips>() <= 24);
    }
}
