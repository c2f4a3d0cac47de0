//! Sets of IP addresses with exact algebra.
//!
//! The question of an audit is "how much of this set does that rule cover?", not "which prefix is
//! the longest match?"; sorted disjoint intervals answer it with two binary searches.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use ipnet::IpNet;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An address family. Sets never mix families: they are judged alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Family {
    /// IPv4.
    #[serde(rename = "IPv4")]
    V4,
    /// IPv6.
    #[serde(rename = "IPv6")]
    V6,
}

impl Family {
    /// The family of an address; what is read from outside is made canonical first, so that an IPv4-mapped IPv6
    /// address counts as the IPv4 address that it means.
    pub fn of(address: IpAddr) -> Self {
        if address.is_ipv4() { Self::V4 } else { Self::V6 }
    }

    /// The largest address as a number.
    const fn max(self) -> u128 {
        match self {
            Self::V4 => u32::MAX as u128,
            Self::V6 => u128::MAX,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

fn address(family: Family, number: u128) -> IpAddr {
    match family {
        #[allow(clippy::cast_possible_truncation)] // a V4 set holds numbers up to u32::MAX only
        Family::V4 => IpAddr::V4(Ipv4Addr::from(number as u32)),
        Family::V6 => IpAddr::V6(Ipv6Addr::from(number)),
    }
}

/// A set of addresses of one family: sorted, disjoint, non-adjacent inclusive intervals.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct AddrSet {
    family: Family,
    /// Shared: most operations on a large set leave it whole.
    intervals: Arc<[(u128, u128)]>,
}

impl AddrSet {
    /// The set without any address.
    pub fn empty(family: Family) -> Self {
        Self { family, intervals: Arc::new([]) }
    }

    /// Every address of the family.
    pub fn all(family: Family) -> Self {
        Self { family, intervals: Arc::new([(0, family.max())]) }
    }

    /// One address.
    pub fn single(ip: IpAddr) -> Self {
        let n = number(ip);
        Self { family: Family::of(ip), intervals: Arc::new([(n, n)]) }
    }

    /// The addresses of one CIDR block.
    pub fn net(net: IpNet) -> Self {
        let (first, last) = (number(net.network()), number(net.broadcast()));
        Self { family: Family::of(net.addr()), intervals: Arc::new([(first, last)]) }
    }

    /// The union of those blocks that are of the family; the others are left out.
    pub fn from_nets(family: Family, nets: impl IntoIterator<Item = IpNet>) -> Self {
        let intervals = nets
            .into_iter()
            .filter(|net| Family::of(net.addr()) == family)
            .map(|net| (number(net.network()), number(net.broadcast())));
        Self::from_intervals(family, intervals.collect())
    }

    /// The union of those addresses that are of the family; the others are left out.
    pub fn from_ips(family: Family, ips: impl IntoIterator<Item = IpAddr>) -> Self {
        let intervals = ips.into_iter().filter(|ip| Family::of(*ip) == family).map(|ip| (number(ip), number(ip)));
        Self::from_intervals(family, intervals.collect())
    }

    /// The union of those sets that are of the family; the others are left out.
    pub fn union_of(family: Family, sets: &[Self]) -> Self {
        let mut of_family = sets.iter().filter(|set| set.family == family);
        match (of_family.next(), of_family.next()) {
            (None, _) => Self::empty(family),
            (Some(only), None) => only.clone(),
            _ => {
                let intervals = sets.iter().filter(|set| set.family == family).flat_map(|set| set.intervals.iter());
                Self::from_intervals(family, intervals.copied().collect())
            }
        }
    }

    fn from_intervals(family: Family, mut intervals: Vec<(u128, u128)>) -> Self {
        intervals.sort_unstable();
        let mut merged: Vec<(u128, u128)> = Vec::with_capacity(intervals.len());
        for (first, last) in intervals {
            match merged.last_mut() {
                Some((_, end)) if first <= end.saturating_add(1) => *end = (*end).max(last),
                _ => merged.push((first, last)),
            }
        }
        Self { family, intervals: merged.into() }
    }

    /// The family of every address in the set.
    pub fn family(&self) -> Family {
        self.family
    }

    /// Whether the set holds no address.
    pub fn is_empty(&self) -> bool {
        self.intervals.is_empty()
    }

    /// Whether the set is the whole family.
    pub fn is_all(&self) -> bool {
        *self.intervals == [(0, self.family.max())]
    }

    /// How many addresses the set holds; the whole of IPv6 saturates at `u128::MAX`.
    pub fn size(&self) -> u128 {
        self.intervals.iter().fold(0, |sum: u128, (first, last)| sum.saturating_add((last - first).saturating_add(1)))
    }

    /// Whether the set holds the address.
    pub fn contains(&self, ip: IpAddr) -> bool {
        if Family::of(ip) != self.family {
            return false;
        }
        let n = number(ip);
        let after = self.intervals.partition_point(|(first, _)| *first <= n);
        after > 0 && self.intervals[after - 1].1 >= n
    }

    /// The address of a set that holds no other.
    pub fn single_address(&self) -> Option<IpAddr> {
        match *self.intervals {
            [(first, last)] if first == last => Some(address(self.family, first)),
            _ => None,
        }
    }

    /// The first address, if there is one: a witness for messages.
    pub fn first(&self) -> Option<IpAddr> {
        self.intervals.first().map(|(first, _)| address(self.family, *first))
    }

    /// Addresses in either set. Sets of unlike families never meet: `self` is returned.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        if self.family != other.family || other.is_empty() || self.spans(other) {
            return self.clone();
        }
        if self.is_empty() || other.spans(self) {
            return other.clone();
        }
        Self::from_intervals(self.family, self.intervals.iter().chain(other.intervals.iter()).copied().collect())
    }

    /// Addresses in both sets.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        if self.family != other.family {
            return Self::empty(self.family);
        }
        if other.spans(self) {
            return self.clone();
        }
        if self.spans(other) {
            return other.clone();
        }
        let mut out = Vec::new();
        // Walk the smaller set and search the larger one: rules are small, feeds are not.
        let (small, large) = if self.intervals.len() <= other.intervals.len() { (self, other) } else { (other, self) };
        for (first, last) in small.intervals.iter() {
            let start = large.intervals.partition_point(|(_, end)| end < first);
            for (lo, hi) in large.intervals[start..].iter().take_while(|(lo, _)| lo <= last) {
                out.push(((*lo).max(*first), (*hi).min(*last)));
            }
        }
        Self { family: self.family, intervals: out.into() }
    }

    /// Addresses in `self` but not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        if other.spans(self) {
            return Self::empty(self.family);
        }
        if self.is_disjoint(other) {
            return self.clone();
        }
        let mut out = Vec::new();
        for (first, last) in self.intervals.iter() {
            let mut from = *first;
            let mut whole = true;
            let start = other.intervals.partition_point(|(_, end)| end < first);
            for (lo, hi) in other.intervals[start..].iter().take_while(|(lo, _)| lo <= last) {
                if *lo > from {
                    out.push((from, lo - 1));
                }
                if *hi >= *last {
                    whole = false;
                    break;
                }
                from = hi + 1;
            }
            if whole {
                out.push((from, *last));
            }
        }
        Self { family: self.family, intervals: out.into() }
    }

    /// Whether one interval of `self` holds all of `other`; cheap, and true of most that rules say.
    fn spans(&self, other: &Self) -> bool {
        let (Some((first, _)), Some((_, last))) = (other.intervals.first(), other.intervals.last()) else {
            return false;
        };
        let at = self.intervals.partition_point(|(_, end)| end < first);
        self.family == other.family && self.intervals.get(at).is_some_and(|(lo, hi)| lo <= first && hi >= last)
    }

    /// Whether every address of `self` is in `other`.
    pub fn is_subset(&self, other: &Self) -> bool {
        self.family == other.family
            && self.intervals.iter().all(|(first, last)| {
                let at = other.intervals.partition_point(|(_, end)| end < first);
                other.intervals.get(at).is_some_and(|(lo, hi)| lo <= first && hi >= last)
            })
    }

    /// Whether the sets share no address.
    pub fn is_disjoint(&self, other: &Self) -> bool {
        if self.family != other.family {
            return true;
        }
        let (small, large) = if self.intervals.len() <= other.intervals.len() { (self, other) } else { (other, self) };
        small.intervals.iter().all(|(first, last)| {
            let at = large.intervals.partition_point(|(_, end)| end < first);
            large.intervals.get(at).is_none_or(|(lo, _)| lo > last)
        })
    }

    /// The smallest list of CIDR blocks that make up the set, in order.
    pub fn nets(&self) -> Vec<IpNet> {
        let width: u32 = if self.family == Family::V4 { 32 } else { 128 };
        let mut nets = Vec::new();
        for (first, last) in self.intervals.iter() {
            let (mut from, last) = (*first, *last);
            loop {
                let aligned = if from == 0 { width } else { from.trailing_zeros().min(width) };
                let span = last - from; // one less than the count of addresses that are left
                let fits = if span == u128::MAX { 128 } else { (span + 1).ilog2() };
                let bits = aligned.min(fits);
                #[allow(clippy::cast_possible_truncation)] // a prefix length is at most 128
                let prefix = (width - bits) as u8;
                if let Ok(net) = IpNet::new(address(self.family, from), prefix) {
                    nets.push(net);
                }
                let step_last = if bits == 128 { u128::MAX } else { from + ((1 << bits) - 1) };
                if step_last >= last {
                    break;
                }
                from = step_last + 1;
            }
        }
        nets
    }
}

impl fmt::Display for AddrSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nets = self.nets();
        if nets.is_empty() {
            return f.write_str("no address");
        }
        for (i, net) in nets.iter().enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            if net.prefix_len() == net.max_prefix_len() { write!(f, "{}", net.addr())? } else { write!(f, "{net}")? }
        }
        Ok(())
    }
}

impl fmt::Debug for AddrSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{{{self}}}", self.family)
    }
}

impl Serialize for AddrSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.family, self.nets()).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for AddrSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (family, nets) = <(Family, Vec<IpNet>)>::deserialize(deserializer)?;
        Ok(Self::from_nets(family, nets))
    }
}

/// Globally reachable IPv4 unicast: what is left of the address space without the blocks that
/// IANA's special-purpose registry marks as not globally reachable, and without multicast.
///
/// Source: IANA IPv4 Special-Purpose Address Registry (RFC 6890 and updates).
const NOT_GLOBAL_V4: &[&str] = &[
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/3",
];

/// Blocks inside those above that the registry marks as globally reachable after all.
const GLOBAL_INSIDE_V4: &[&str] = &["192.0.0.9/32", "192.0.0.10/32"];

/// Blocks of the global unicast space 2000::/3 that are not globally reachable.
///
/// Source: IANA IPv6 Special-Purpose Address Registry.
const NOT_GLOBAL_V6: &[&str] = &["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

/// Blocks inside 2001::/23 that the registry marks as globally reachable.
const GLOBAL_INSIDE_V6: &[&str] = &[
    "2001:1::1/128",
    "2001:1::2/128",
    "2001:1::3/128",
    "2001:3::/32",
    "2001:4:112::/48",
    "2001:20::/28",
    "2001:30::/28",
];

fn static_set(family: Family, blocks: &[&str]) -> AddrSet {
    AddrSet::from_nets(family, blocks.iter().filter_map(|block| block.parse().ok()))
}

/// The *public internet* of a family: globally reachable unicast. It stands for a destination
/// whose addresses nobody publishes.
pub fn public_internet(family: Family) -> AddrSet {
    let (space, not_global, inside) = match family {
        Family::V4 => (AddrSet::all(family), NOT_GLOBAL_V4, GLOBAL_INSIDE_V4),
        Family::V6 => (static_set(family, &["2000::/3"]), NOT_GLOBAL_V6, GLOBAL_INSIDE_V6),
    };
    space.difference(&static_set(family, not_global)).union(&static_set(family, inside))
}
