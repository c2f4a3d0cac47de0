//! Address sets, port sets and selectors against naive models.
#![allow(clippy::unwrap_used, clippy::cast_possible_truncation, missing_docs)]

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use buildreach::model::addr::public_internet;
use buildreach::model::label::{Labels, Selector};
use buildreach::model::{AddrSet, Family, PortSet};
use ipnet::IpNet;
use proptest::prelude::*;

/// The model's universe: the first and the last 64 addresses of a family, so that both ends are met.
const WINDOW: u128 = 64;

fn address(family: Family, n: u128) -> IpAddr {
    let max = if family == Family::V4 { u128::from(u32::MAX) } else { u128::MAX };
    let n = if n < WINDOW { n } else { max - (2 * WINDOW - 1 - n) };
    match family {
        Family::V4 => IpAddr::V4(Ipv4Addr::from(n as u32)),
        Family::V6 => IpAddr::V6(Ipv6Addr::from(n)),
    }
}

fn blocks(family: Family) -> impl Strategy<Value = Vec<IpNet>> {
    let width: u8 = if family == Family::V4 { 32 } else { 128 };
    let block = (0..2 * WINDOW, 0u8..=6)
        .prop_map(move |(n, bits)| IpNet::new(address(family, n), width - bits).unwrap().trunc());
    prop::collection::vec(block, 0..8)
}

fn model(family: Family, blocks: &[IpNet]) -> BTreeSet<u128> {
    (0..2 * WINDOW).filter(|n| blocks.iter().any(|b| b.contains(&address(family, *n)))).collect()
}

fn members(set: &AddrSet) -> BTreeSet<u128> {
    (0..2 * WINDOW).filter(|n| set.contains(address(set.family(), *n))).collect()
}

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::V4), Just(Family::V6)]
}

fn two_sets() -> impl Strategy<Value = (Family, Vec<IpNet>, Vec<IpNet>)> {
    family().prop_flat_map(|family| (Just(family), blocks(family), blocks(family)))
}

proptest! {
    #[test]
    fn address_algebra_is_set_algebra((family, a, b) in two_sets()) {
        let (x, y) = (model(family, &a), model(family, &b));
        let (s, t) = (AddrSet::from_nets(family, a), AddrSet::from_nets(family, b));
        prop_assert_eq!(members(&s), x.clone());
        prop_assert_eq!(s.size(), x.len() as u128);
        prop_assert_eq!(members(&s.union(&t)), &x | &y);
        prop_assert_eq!(members(&s.intersection(&t)), &x & &y);
        prop_assert_eq!(members(&s.difference(&t)), &x - &y);
        prop_assert_eq!(s.union(&t).size(), (&x | &y).len() as u128);
        prop_assert_eq!(s.intersection(&t).size(), (&x & &y).len() as u128);
        prop_assert_eq!(s.difference(&t).size(), (&x - &y).len() as u128);
        prop_assert_eq!(s.is_subset(&t), x.is_subset(&y));
        prop_assert_eq!(s.is_disjoint(&t), x.is_disjoint(&y));
        // Equal sets are equal values, however they came about.
        prop_assert_eq!(s.difference(&t).union(&s.intersection(&t)), s);
    }

    #[test]
    fn the_complement_is_exact((family, a, _) in two_sets()) {
        let s = AddrSet::from_nets(family, a);
        let rest = AddrSet::all(family).difference(&s);
        prop_assert!(rest.is_disjoint(&s));
        prop_assert!(rest.union(&s).is_all());
        prop_assert_eq!(AddrSet::all(family).difference(&rest), s);
    }

    #[test]
    fn blocks_make_up_their_set((family, a, _) in two_sets()) {
        let s = AddrSet::from_nets(family, a);
        let nets = s.nets();
        prop_assert_eq!(AddrSet::from_nets(family, nets.clone()), s.clone());
        // None overlaps another: the sizes add up.
        let sum: u128 = nets.iter().map(|n| AddrSet::net(*n).size()).sum();
        prop_assert_eq!(sum, s.size());
        let text = serde_json::to_string(&s).unwrap();
        prop_assert_eq!(serde_json::from_str::<AddrSet>(&text).unwrap(), s);
    }

    #[test]
    fn families_never_mix(a in blocks(Family::V4), b in blocks(Family::V6)) {
        let s = AddrSet::from_nets(Family::V4, a.iter().chain(&b).copied());
        let t = AddrSet::from_nets(Family::V6, a.iter().chain(&b).copied());
        prop_assert!(s.is_disjoint(&t));
        prop_assert_eq!(s.intersection(&t).size(), 0);
        prop_assert_eq!(s.difference(&t), s.clone());
        prop_assert_eq!(s.is_subset(&t), false);
    }

    #[test]
    fn port_algebra_is_set_algebra(
        a in prop::collection::vec((any::<u16>(), any::<u16>()), 0..6),
        b in prop::collection::vec((any::<u16>(), any::<u16>()), 0..6),
        probes in prop::collection::vec(any::<u16>(), 16),
    ) {
        let of = |ranges: &[(u16, u16)]| {
            ranges.iter().fold(PortSet::default(), |set, (x, y)| set.union(&PortSet::range(*x.min(y), *x.max(y))))
        };
        let has = |ranges: &[(u16, u16)], p: u16| ranges.iter().any(|(x, y)| (*x.min(y)..=*x.max(y)).contains(&p));
        let (s, t) = (of(&a), of(&b));
        let edges = a.iter().chain(&b).flat_map(|(x, y)| [*x, *y, x.saturating_add(1), y.saturating_sub(1)]);
        for p in probes.into_iter().chain(edges).chain([0, u16::MAX]) {
            prop_assert_eq!(s.contains(p), has(&a, p));
            prop_assert_eq!(s.union(&t).contains(p), has(&a, p) || has(&b, p));
            prop_assert_eq!(s.intersection(&t).contains(p), has(&a, p) && has(&b, p));
            prop_assert_eq!(s.difference(&t).contains(p), has(&a, p) && !has(&b, p));
        }
        prop_assert_eq!(s.size(), s.difference(&t).size() + s.intersection(&t).size());
        prop_assert_eq!(s.difference(&t).union(&s.intersection(&t)), s);
    }

    #[test]
    fn selectors_match_as_the_api_says(
        labels in prop::collection::btree_map("[ab]", "[xy]", 0..3),
        expressions in prop::collection::vec(("[abc]", 0usize..4, prop::collection::vec("[xyz]", 1..3)), 0..4),
        pairs in prop::collection::btree_map("[ab]", "[xy]", 0..2),
    ) {
        const OPERATORS: [&str; 4] = ["In", "NotIn", "Exists", "DoesNotExist"];
        let written = expressions.iter().map(|(key, op, values)| {
            let values = if *op < 2 { values.iter().map(|v| v.as_str().into()).collect() } else { Vec::new() };
            (key.as_str().into(), OPERATORS[*op], values)
        });
        let selector = Selector::new(
            pairs.iter().map(|(k, v)| (k.as_str().into(), v.as_str().into())),
            written,
        ).unwrap();
        let set = Labels::new(labels.iter().map(|(k, v)| (k.as_str().into(), v.as_str().into())));
        let naive = pairs.iter().all(|(k, v)| labels.get(k) == Some(v))
            && expressions.iter().all(|(key, op, values)| match (labels.get(key), op) {
                (Some(v), 0) => values.contains(v),
                (None, 0) => false,
                (Some(v), 1) => !values.contains(v),
                (None, 1) => true,
                (present, 2) => present.is_some(),
                (present, _) => present.is_none(),
            });
        prop_assert_eq!(selector.matches(&set), naive);
        if let Some((key, value)) = selector.required_pair() {
            prop_assert!(!naive || labels.get(key.as_str()).map(String::as_str) == Some(value.as_str()));
        }
    }

    #[test]
    fn an_unknown_operator_is_an_error(operator in "[A-Za-z]{0,12}") {
        let known = ["In", "NotIn", "Exists", "DoesNotExist"].contains(&operator.as_str());
        let result = Selector::new([], [("a".into(), operator.as_str(), vec!["x".into()])]);
        prop_assert_eq!(result.is_ok(), known && (operator == "In" || operator == "NotIn"));
    }
}

#[test]
fn the_whole_of_a_family() {
    assert_eq!(AddrSet::all(Family::V4).size(), 1 << 32);
    assert_eq!(AddrSet::all(Family::V6).size(), u128::MAX);
    assert_eq!(AddrSet::all(Family::V4).nets().len(), 1);
    assert_eq!(AddrSet::all(Family::V6).nets().len(), 1);
    assert_eq!(AddrSet::all(Family::V4).to_string(), "0.0.0.0/0");
    assert_eq!(AddrSet::empty(Family::V6).to_string(), "no address");
    assert!(!AddrSet::all(Family::V4).contains("::1".parse().unwrap()));
}

#[test]
fn the_public_internet_is_what_the_registries_leave() {
    let v4 = public_internet(Family::V4);
    for inside in ["8.8.8.8", "142.251.42.17", "1.0.0.0", "223.255.255.255", "192.0.0.9", "100.128.0.0"] {
        assert!(v4.contains(inside.parse().unwrap()), "{inside}");
    }
    for outside in [
        "10.1.2.3",
        "100.64.0.1",
        "169.254.20.10",
        "172.31.255.255",
        "192.0.0.1",
        "192.168.0.1",
        "198.19.0.1",
        "224.0.0.1",
        "255.255.255.255",
        "0.0.0.0",
        "127.0.0.1",
        "203.0.113.9",
    ] {
        assert!(!v4.contains(outside.parse().unwrap()), "{outside}");
    }
    let v6 = public_internet(Family::V6);
    for inside in ["2606:4700::1", "2a00:1450::1", "2001:4860:4860::8888", "2001:20::1"] {
        assert!(v6.contains(inside.parse().unwrap()), "{inside}");
    }
    for outside in ["fd00::1", "fe80::1", "::1", "2001:db8::1", "2002::1", "ff02::1", "2001:10::1", "3fff::1"] {
        assert!(!v6.contains(outside.parse().unwrap()), "{outside}");
    }
}

#[test]
fn kubectl_selectors_are_read() {
    let labels = Labels::new([("app".into(), "go".into()), ("tier".into(), "b".into())]);
    for matching in [
        "",
        "app=go",
        "app==go",
        "app!=npm",
        "app in (npm, go)",
        "app notin (npm)",
        "app,tier=b",
        "!gone",
        "app in (a,go),tier notin (x,y)",
    ] {
        assert!(Selector::parse(matching).unwrap().matches(&labels), "{matching}");
    }
    for other in ["app=npm", "gone", "!app", "app notin (go)", "app=go,tier=x"] {
        assert!(!Selector::parse(other).unwrap().matches(&labels), "{other}");
    }
    for bad in ["=x", "a b", "app in go", "app in (x", "!", ",", "a,,b"] {
        assert!(Selector::parse(bad).is_err(), "{bad}");
    }
}
