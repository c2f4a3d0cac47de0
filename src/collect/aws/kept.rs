//! What is known of networks that are read again and again: the last answer, and of a list that fails the one before,
//! for as long as that may be taken for true. Pure: whoever reads tells the time.

use std::collections::BTreeMap;

use super::items::{self, Item, VisitMut};
use crate::model::aws::{AwsList, AwsScope};
use crate::model::{CoverageState, Str};

/// Lists that change with every node and pod, while what decides about these stays as it is.
const MOVING: [AwsList; 2] = [AwsList::NetworkInterfaces, AwsList::Instances];

/// The networks of all regions.
#[derive(Debug)]
pub(crate) struct Kept {
    /// How old a list that fails may become.
    keep: jiff::SignedDuration,
    regions: BTreeMap<Str, Region>,
    /// Why nothing was read, as long as nothing ever was.
    failure: Option<String>,
}

#[derive(Debug, Default)]
struct Region {
    /// The states that the last read gave, and objects of lists that it did not read whole.
    last: AwsScope,
    /// The objects of lists as they were read whole last.
    whole: AwsScope,
    held: BTreeMap<AwsList, Held>,
}

/// A list that was read whole.
#[derive(Clone, Copy, Debug)]
struct Held {
    read: jiff::Timestamp,
    /// Where it fails, it still counts for a while.
    counts: bool,
}

impl Kept {
    pub(crate) fn new(keep: jiff::SignedDuration) -> Self {
        Self { keep, regions: BTreeMap::new(), failure: None }
    }

    /// Takes in what was read of all regions, as of an instant.
    ///
    /// # Errors
    ///
    /// The first list that failed and that is needed, or was there before, and why it did.
    pub(crate) fn read(&mut self, scopes: Vec<AwsScope>, at: jiff::Timestamp) -> Result<(), String> {
        self.failure = None;
        let mut before = std::mem::take(&mut self.regions);
        let mut result = Ok(());
        for scope in scopes {
            let mut region = before.remove(&scope.region).unwrap_or_default();
            result = result.and(region.take(scope, at));
            self.regions.insert(region.last.region.clone(), region);
        }
        result
    }

    /// Takes in why nothing could be read.
    pub(crate) fn failed(&mut self, why: &str) {
        if self.regions.is_empty() {
            self.failure = Some(why.to_owned());
        }
        for region in self.regions.values_mut() {
            for (list, state) in &mut region.last.read {
                if region.held.contains_key(list) {
                    *state = CoverageState::Failed(why.to_owned());
                }
            }
        }
    }

    /// What is known at an instant; `None` before the first read.
    pub(crate) fn scopes(&self, now: jiff::Timestamp) -> Option<Vec<AwsScope>> {
        match &self.failure {
            // One list says it for all: without the VPCs nothing is known.
            Some(why) => {
                let read = BTreeMap::from([(AwsList::Vpcs, CoverageState::Failed(why.clone()))]);
                Some(vec![AwsScope { read, ..AwsScope::default() }])
            }
            None if self.regions.is_empty() => None,
            None => Some(self.regions.values().map(|region| region.scope(now, self.keep)).collect()),
        }
    }

    /// When a list that fails stops to count: the first such instant after one.
    pub(crate) fn next_to_age(&self, after: jiff::Timestamp) -> Option<jiff::Timestamp> {
        let failing = self.regions.values().flat_map(|region| {
            let fails = |list: &AwsList| matches!(region.last.read.get(list), Some(CoverageState::Failed(_)));
            region.held.iter().filter(move |(list, held)| held.counts && fails(list)).map(|(_, held)| held.read)
        });
        failing.filter_map(|read| read.checked_add(self.keep).ok()).filter(|end| *end > after).min()
    }
}

impl Region {
    fn take(&mut self, mut fresh: AwsScope, at: jiff::Timestamp) -> Result<(), String> {
        items::each_mut(&mut fresh, &mut InOrder);
        if fresh.account.is_empty() {
            fresh.account = self.last.account.clone();
        } else if !self.last.account.is_empty() && self.last.account != fresh.account {
            // Other credentials: what these see is another network.
            *self = Self::default();
        }
        self.stand_in(&mut fresh);
        let first = fresh.read.iter().find_map(|(list, state)| match state {
            CoverageState::Failed(why) if list.is_must() || self.held.contains_key(list) => {
                Some(format!("{} of {}: {why}", list.key(), fresh.name()))
            }
            _ => None,
        });
        // A list of yesterday beside others of today is a network that never was: a route to a gateway that the old list
        // lacks would lead nowhere. So the old one counts only while nothing else changes.
        let has_changed = fresh.read.iter().any(|(list, state)| {
            let is_new = || !self.held.contains_key(list) || !items::is_same(*list, &fresh, &self.whole);
            *state == CoverageState::Read && !MOVING.contains(list) && is_new()
        });
        for (list, state) in &fresh.read {
            match state {
                CoverageState::Read => {
                    items::copy(*list, &fresh, &mut self.whole);
                    self.held.insert(*list, Held { read: at, counts: true });
                }
                CoverageState::Failed(_) => {
                    if let Some(held) = self.held.get_mut(list) {
                        held.counts &= !has_changed;
                    }
                }
                CoverageState::Forbidden | CoverageState::NotInstalled | CoverageState::NotRequested => {
                    self.held.remove(list);
                }
            }
        }
        let nothing = AwsScope::default();
        for list in self.held.keys().filter(|list| fresh.has(**list)).copied().collect::<Vec<_>>() {
            items::copy(list, &nothing, &mut fresh);
        }
        self.last = fresh;
        first.map_or(Ok(()), Err)
    }

    /// A read that ended early did not get to the other lists, for the same reason.
    fn stand_in(&self, fresh: &mut AwsScope) {
        let failed = fresh.read.values().find(|state| matches!(state, CoverageState::Failed(_)));
        let Some(why) = failed.or_else(|| fresh.read.values().find(|state| state.is_incomplete())).cloned() else {
            return;
        };
        for list in self.held.keys() {
            fresh.read.entry(*list).or_insert_with(|| why.clone());
        }
    }

    fn scope(&self, now: jiff::Timestamp, keep: jiff::SignedDuration) -> AwsScope {
        let AwsScope { account, region, read, .. } = &self.last;
        let mut scope =
            AwsScope { account: account.clone(), region: region.clone(), read: read.clone(), ..AwsScope::default() };
        for (list, state) in read {
            let held = self.held.get(list);
            let from = match (state, held) {
                (CoverageState::Read, _) => &self.whole,
                (CoverageState::Failed(_), Some(held)) if held.counts && now.duration_since(held.read) < keep => {
                    scope.read.insert(*list, CoverageState::Read);
                    &self.whole
                }
                (CoverageState::Failed(why), Some(held)) => {
                    let read = held.read.strftime("%Y-%m-%dT%H:%M:%SZ");
                    let why = format!("{why} (it was read last at {read})");
                    scope.read.insert(*list, CoverageState::Failed(why));
                    &self.last
                }
                _ => &self.last,
            };
            items::copy(*list, from, &mut scope);
        }
        scope
    }
}

/// A service lists objects in any order.
struct InOrder;

impl VisitMut for InOrder {
    fn list<T: Item>(&mut self, _: AwsList, items: &mut Vec<T>) {
        items.sort_by(|a, b| a.id().cmp(&b.id()));
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::model::aws::{NatGateway, NetworkInterface, RouteTable};

    const KEEP: jiff::SignedDuration = jiff::SignedDuration::from_secs(900);

    fn at(seconds: i64) -> jiff::Timestamp {
        jiff::Timestamp::from_second(1_800_000_000 + seconds).unwrap()
    }

    fn failed(why: &str) -> CoverageState {
        CoverageState::Failed(why.to_owned())
    }

    /// Two route tables' ids, a gateway's and an interface's.
    fn scope(routes: &[&str], gateways: &[&str], interfaces: &[&str]) -> AwsScope {
        let mut scope = AwsScope { account: "1".into(), region: "us-east-1".into(), ..AwsScope::default() };
        for list in [AwsList::RouteTables, AwsList::NatGateways, AwsList::NetworkInterfaces] {
            scope.read.insert(list, CoverageState::Read);
        }
        let route = |id: &&str| RouteTable { route_table_id: (*id).into(), ..RouteTable::default() };
        let gateway = |id: &&str| NatGateway { nat_gateway_id: (*id).into(), ..NatGateway::default() };
        let interface =
            |id: &&str| NetworkInterface { network_interface_id: (*id).into(), ..NetworkInterface::default() };
        scope.route_tables = routes.iter().map(route).collect();
        scope.nat_gateways = gateways.iter().map(gateway).collect();
        scope.network_interfaces = interfaces.iter().map(interface).collect();
        scope
    }

    fn without(mut scope: AwsScope, list: AwsList, state: CoverageState) -> AwsScope {
        items::copy(list, &AwsScope::default(), &mut scope);
        scope.read.insert(list, state);
        scope
    }

    fn kept() -> Kept {
        let mut kept = Kept::new(KEEP);
        assert!(kept.scopes(at(0)).is_none(), "nothing is known before the first read");
        assert!(kept.read(vec![scope(&["rtb-2", "rtb-1"], &["nat-1"], &["eni-1"])], at(0)).is_ok());
        kept
    }

    fn one(kept: &Kept, now: i64) -> AwsScope {
        let scopes = kept.scopes(at(now)).unwrap();
        assert_eq!(scopes.len(), 1);
        scopes.into_iter().next().unwrap()
    }

    #[test]
    fn what_fails_counts_as_it_was_until_it_is_old() {
        let mut kept = kept();
        let before = one(&kept, 0);
        assert_eq!(before, scope(&["rtb-1", "rtb-2"], &["nat-1"], &["eni-1"]), "in an order of its own");
        // The other lists are as they were; interfaces come and go.
        let busy = scope(&["rtb-1", "rtb-2"], &[], &["eni-2"]);
        let result = kept.read(vec![without(busy, AwsList::NatGateways, failed("throttled"))], at(300));
        assert_eq!(result, Err("NatGateways of 1/us-east-1: throttled".to_owned()));
        assert_eq!(one(&kept, 899), scope(&["rtb-1", "rtb-2"], &["nat-1"], &["eni-2"]));
        assert_eq!(kept.next_to_age(at(300)), Some(at(900)));
        let old = one(&kept, 900);
        assert!(old.nat_gateways.is_empty());
        let why = "throttled (it was read last at 2027-01-15T08:00:00Z)";
        assert_eq!(old.read[&AwsList::NatGateways], failed(why));
        assert!(old.has(AwsList::RouteTables), "the others are read");
        assert_eq!(kept.next_to_age(at(900)), None);
        // Read again it is no older than that.
        assert!(kept.read(vec![scope(&["rtb-1", "rtb-2"], &["nat-1"], &["eni-2"])], at(1000)).is_ok());
        assert!(one(&kept, 5000).has(AwsList::NatGateways));
        assert_eq!(kept.next_to_age(at(1000)), None, "nothing fails");
    }

    #[test]
    fn what_may_not_be_read_any_more_is_unknown_at_once() {
        let mut kept = kept();
        let fresh =
            without(scope(&["rtb-1", "rtb-2"], &[], &["eni-1"]), AwsList::NatGateways, CoverageState::Forbidden);
        assert!(kept.read(vec![fresh], at(300)).is_ok(), "an answer it is");
        let now = one(&kept, 300);
        assert_eq!(now.read[&AwsList::NatGateways], CoverageState::Forbidden);
        assert!(now.nat_gateways.is_empty());
        // That nothing is read any more does not bring it back.
        kept.failed("no route to host");
        assert_eq!(one(&kept, 301).read[&AwsList::NatGateways], CoverageState::Forbidden);
    }

    #[test]
    fn an_old_list_does_not_count_beside_a_network_that_changed() {
        let mut kept = kept();
        let changed = without(scope(&["rtb-1", "rtb-3"], &[], &["eni-1"]), AwsList::NatGateways, failed("throttled"));
        assert!(kept.read(vec![changed.clone()], at(300)).is_err());
        let is_unknown = |scope: &AwsScope| matches!(scope.read[&AwsList::NatGateways], CoverageState::Failed(_));
        assert!(is_unknown(&one(&kept, 300)) && one(&kept, 300).nat_gateways.is_empty());
        assert_eq!(one(&kept, 300).route_tables[1].route_table_id, "rtb-3");
        // That the rest then stays as it is does not make the old list new.
        assert!(kept.read(vec![changed], at(600)).is_err());
        assert!(is_unknown(&one(&kept, 600)));
        assert_eq!(kept.next_to_age(at(600)), None);
    }

    #[test]
    fn an_end_before_the_end_is_a_failure_of_all_lists() {
        let mut kept = kept();
        let before = one(&kept, 0);
        let mut early = AwsScope { region: "us-east-1".into(), ..AwsScope::default() };
        early.read.insert(AwsList::Vpcs, failed("connection refused"));
        assert!(kept.read(vec![early], at(300)).is_err());
        let mut now = one(&kept, 899);
        assert_eq!(now.account, "1", "whose it is stays known");
        assert_eq!(now.read.remove(&AwsList::Vpcs), Some(failed("connection refused")));
        assert_eq!(now, before);
        let old = one(&kept, 900);
        assert!(old.read.values().all(CoverageState::is_incomplete), "{:?}", old.read);
        assert!(old.route_tables.is_empty() && old.network_interfaces.is_empty());
    }

    #[test]
    fn a_read_that_came_to_nothing_ages_all_and_the_first_one_is_unknown_at_once() {
        let mut kept = kept();
        let before = one(&kept, 0);
        kept.failed("no credentials");
        assert_eq!(one(&kept, 899), before);
        assert!(one(&kept, 900).read.values().all(CoverageState::is_incomplete));

        let mut never = Kept::new(KEEP);
        never.failed("no credentials");
        assert_eq!(one(&never, 0).read, BTreeMap::from([(AwsList::Vpcs, failed("no credentials"))]));
        assert!(never.read(vec![before.clone()], at(10)).is_ok());
        assert_eq!(one(&never, 10), before);
    }

    #[test]
    fn other_credentials_and_regions_keep_nothing() {
        let mut kept = kept();
        let mut other = without(scope(&["rtb-1", "rtb-2"], &[], &[]), AwsList::NatGateways, failed("throttled"));
        other.account = "2".into();
        assert!(kept.read(vec![other], at(300)).is_err());
        assert_eq!(one(&kept, 300).read[&AwsList::NatGateways], failed("throttled"));
        let mut elsewhere = scope(&[], &[], &[]);
        elsewhere.region = "eu-west-1".into();
        assert!(kept.read(vec![elsewhere.clone()], at(600)).is_ok());
        assert_eq!(kept.scopes(at(600)), Some(vec![elsewhere]));
    }

    #[test]
    fn half_a_list_that_was_never_whole_is_what_is_known() {
        let mut kept = Kept::new(KEEP);
        let mut half = scope(&["rtb-1"], &["nat-1"], &["eni-1"]);
        half.read.insert(AwsList::NetworkInterfaces, failed("throttled"));
        assert!(kept.read(vec![half.clone()], at(0)).is_err());
        assert_eq!(one(&kept, 0), half);
    }
}
