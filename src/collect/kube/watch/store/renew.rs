//! Facts that were taken before, brought up to date where only such parts are others as change often.

use super::super::{Former, Taken};
use super::object::{Object, Part};
use super::slot::Slot;
use super::{Key, REBUILD, Revision, Store, Touched};
use crate::model::object::{NetworkPolicy, Owner, Pod};
use crate::model::{Snapshot, Str, in_place};

impl Store {
    /// What is known now: the facts that were taken last and given back, with those parts renewed that are others, as long
    /// as nothing else is another; else all of it, put together anew.
    pub(in super::super) fn take_again(&mut self, last: Option<Taken>, now: jiff::Timestamp) -> Taken {
        let taken = self.take_from(last, now);
        self.taken = taken.revision;
        taken
    }

    fn take_from(&mut self, last: Option<Taken>, now: jiff::Timestamp) -> Taken {
        let touched = std::mem::take(&mut self.touched);
        if let Some(last) = last.filter(|last| self.holds(last, now)) {
            let Taken { mut snapshot, revision, built, .. } = last;
            snapshot.instant = now;
            let policies = self.renew_policies(&mut snapshot, revision, now);
            if let Some(owners) = self.renew(&mut snapshot, revision, &touched, now) {
                let former = Some(Former { revision, policies, owners });
                return Taken { snapshot, revision: self.revision, built, former };
            }
        }
        // What is said about trust bears the instant at which it was put together.
        self.changed_beside();
        Taken { snapshot: self.snapshot(now), revision: self.revision, built: now, former: None }
    }

    /// Whether nothing but policies is another than in what was taken last.
    pub(in super::super) fn is_nearly(&self, last: &Taken) -> bool {
        Revision { policies: self.revision.policies, ..last.revision } == self.revision
    }

    /// Whether what was taken last may be used again.
    fn holds(&self, last: &Taken, now: jiff::Timestamp) -> bool {
        let age = now.duration_since(last.built);
        let hangs_on_time = |slot: &Slot| slot.ages_after(last.built);
        last.revision == self.taken
            && last.revision.others == self.revision.others
            && !age.is_negative()
            && age < REBUILD
            && !self.slots.iter().any(hangs_on_time)
    }

    /// Puts the policies of now in the place of those that were taken, which it returns where they are others.
    fn renew_policies(
        &self,
        known: &mut Snapshot,
        since: Revision,
        now: jiff::Timestamp,
    ) -> Option<Vec<NetworkPolicy>> {
        // In the order in which a builder has them.
        let policies = || self.objects(now).flat_map(Object::policies).cloned().collect();
        (since.policies != self.revision.policies).then(|| std::mem::replace(&mut known.network_policies, policies()))
    }

    /// The same for pods, workloads and EndpointSlices; returns who owns or owned the pods that are others, or nothing where
    /// more is another than those.
    fn renew(
        &self,
        known: &mut Snapshot,
        since: Revision,
        touched: &Touched,
        now: jiff::Timestamp,
    ) -> Option<Vec<(Str, Owner)>> {
        if since.workloads != self.revision.workloads {
            known.workloads = self.objects(now).flat_map(Object::workloads).cloned().collect();
        }
        if since.slices != self.revision.slices {
            known.endpoint_slices = self.objects(now).flat_map(Object::slices).cloned().collect();
        }
        let mut owners = Vec::new();
        if since.pods != self.revision.pods {
            owners = renew_pods(&mut known.pods, touched.pods.iter().map(|key| (key, self.pod(key, now))));
            // A builder may leave some out.
            if known.pods.len() != self.objects(now).map(|object| object.pods().len()).sum::<usize>() {
                return None;
            }
        }
        // Nothing hangs on pods and templates that name no ConfigMaps, nor on policies and EndpointSlices.
        let decides = |object: &Object| object.part() == Part::Others || !object.maps.is_empty();
        let is_all = !touched.names_maps || are_maps_alike(known, &self.snapshot_of(now, decides));
        is_all.then_some(owners)
    }

    /// The pod of that name, if it counts.
    fn pod(&self, key: &Key, now: jiff::Timestamp) -> Option<&Pod> {
        let slots = self.slots.iter().filter(|slot| slot.kind.kind == "Pod" && slot.counts(now));
        slots.filter_map(|slot| slot.objects.get(key)).flat_map(Object::pods).next()
    }
}

/// Whether two snapshots are the same in what hangs on the ConfigMaps that pods and templates name, but for when the trust
/// of a node was observed, which decides nothing and is another all the time.
fn are_maps_alike(a: &Snapshot, b: &Snapshot) -> bool {
    a.config_maps == b.config_maps
        && a.variable_maps == b.variable_maps
        && a.trust_bundles == b.trust_bundles
        && a.trust_notes == b.trust_notes
        && a.node_trust.len() == b.node_trust.len()
        && a.node_trust.iter().zip(&b.node_trust).all(|(a, b)| a.says_the_same(b))
}

/// The place of a pod among pods in order of namespace and name, or where it would be.
fn place(pods: &[Pod], (namespace, name): &Key) -> Result<usize, usize> {
    let of = |pod: &Pod| {
        let own = pod.meta.namespace.as_deref().unwrap_or_default();
        own.cmp(namespace.as_str()).then_with(|| pod.meta.name.cmp(name))
    };
    pods.binary_search_by(of)
}

/// Puts pods, in the order of their keys, in the place of what they were, or takes those away that are gone; returns by
/// namespace who owns or owned them.
fn renew_pods<'p>(pods: &mut Vec<Pod>, touched: impl Iterator<Item = (&'p Key, Option<&'p Pod>)>) -> Vec<(Str, Owner)> {
    let (mut gone, mut news): (Vec<usize>, Vec<(usize, Pod)>) = (Vec::new(), Vec::new());
    let mut owners = Vec::new();
    for (key, now) in touched {
        let place = place(pods, key);
        let both = [place.ok().map(|at| &pods[at]), now];
        owners.extend(both.into_iter().flatten().filter_map(|pod| Some((key.0.clone(), pod.owner.clone()?))));
        match (place, now) {
            (Ok(at), Some(pod)) => pods[at] = pod.clone(),
            (Ok(at), None) => gone.push(at),
            // Where it will be when those before it are gone, or there.
            (Err(at), Some(pod)) => news.push((at + news.len() - gone.len(), pod.clone())),
            (Err(_), None) => {}
        }
    }
    in_place::remove(pods, gone);
    in_place::insert(pods, news);
    owners
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use proptest::prelude::*;

    use super::*;

    /// Pods by their names; where they run tells them apart.
    fn pods(all: &BTreeMap<u8, u8>) -> Vec<Pod> {
        let pod = |(name, node): (&u8, &u8)| {
            let mut pod = Pod { node: Some(node.to_string().into()), ..Pod::default() };
            pod.meta.name = format!("{name:03}").into();
            pod
        };
        all.iter().map(pod).collect()
    }

    proptest! {
        #[test]
        fn pods_are_those_of_now(
            before in prop::collection::btree_map(any::<u8>(), 0u8..3, 0..40),
            mut now in prop::collection::btree_map(any::<u8>(), 0u8..3, 0..40),
            stay in prop::collection::vec(any::<bool>(), 40),
        ) {
            now.extend(before.iter().zip(stay).filter(|(_, stay)| *stay).map(|((name, node), _)| (*name, *node)));
            let (mut known, wanted) = (pods(&before), pods(&now));
            let is_other = |name: &&u8| before.get(name) != now.get(name);
            let names: BTreeSet<u8> = before.keys().chain(now.keys()).filter(is_other).copied().collect();
            let keys: Vec<Key> = names.iter().map(|name| (Str::default(), format!("{name:03}").into())).collect();
            renew_pods(&mut known, keys.iter().map(|key| (key, place(&wanted, key).ok().map(|at| &wanted[at]))));
            prop_assert_eq!(known, wanted);
        }
    }
}
