//! Facts that were taken before, brought up to date where only such parts are others as change often.

use super::super::Taken;
use super::object::Object;
use super::slot::Slot;
use super::{REBUILD, Revision, Store};
use crate::model::Snapshot;
use crate::model::object::{NetworkPolicy, Pod};

impl Store {
    /// What is known now: the facts that were taken last and given back, with those parts renewed that are others, as long
    /// as nothing else is another; else all of it, put together anew.
    pub(in super::super) fn take_again(&mut self, last: Option<Taken>, now: jiff::Timestamp) -> Taken {
        let more_may_hang = std::mem::take(&mut self.more_may_hang);
        if let Some(mut last) = last.filter(|last| self.holds(last, now)) {
            last.snapshot.instant = now;
            last.former = self.renew_policies(&mut last, now);
            if self.is_nearly(&last) || self.renew(&mut last, more_may_hang, now) {
                return Taken { revision: self.revision, is_new: false, ..last };
            }
        }
        // What is said about trust bears the instant at which it was put together.
        self.changed_beside();
        Taken { snapshot: self.snapshot(now), revision: self.revision, built: now, former: None, is_new: true }
    }

    /// Whether nothing but policies is another than in what was taken last.
    pub(in super::super) fn is_nearly(&self, last: &Taken) -> bool {
        Revision { policies: self.revision.policies, ..last.revision } == self.revision
    }

    /// Whether what was taken last may be used again.
    fn holds(&self, last: &Taken, now: jiff::Timestamp) -> bool {
        let age = now.duration_since(last.built);
        let hangs_on_time = |slot: &Slot| slot.ages_after(last.built);
        last.revision.others == self.revision.others
            && !age.is_negative()
            && age < REBUILD
            && !self.slots.iter().any(hangs_on_time)
    }

    /// Puts the policies of now in the place of those that were taken, which it returns where they are others.
    fn renew_policies(&self, last: &mut Taken, now: jiff::Timestamp) -> Option<(Revision, Vec<NetworkPolicy>)> {
        if last.revision.policies == self.revision.policies {
            return None;
        }
        // In the order in which a builder has them.
        let policies = self.objects(now).flat_map(Object::policies).cloned().collect();
        Some((last.revision, std::mem::replace(&mut last.snapshot.network_policies, policies)))
    }

    /// The same for pods, workloads and EndpointSlices; `false` where more is another than those.
    fn renew(&self, last: &mut Taken, more_may_hang: bool, now: jiff::Timestamp) -> bool {
        let (known, since) = (&mut last.snapshot, last.revision);
        if more_may_hang {
            let mut whole = self.snapshot(now);
            std::mem::swap(&mut known.pods, &mut whole.pods);
            std::mem::swap(&mut known.workloads, &mut whole.workloads);
            std::mem::swap(&mut known.endpoint_slices, &mut whole.endpoint_slices);
            return hangs_on_maps(known) == hangs_on_maps(&whole);
        }
        if since.workloads != self.revision.workloads {
            known.workloads = self.objects(now).flat_map(Object::workloads).cloned().collect();
        }
        if since.slices != self.revision.slices {
            known.endpoint_slices = self.objects(now).flat_map(Object::slices).cloned().collect();
        }
        if since.pods == self.revision.pods {
            return true;
        }
        let pods = self.objects(now).flat_map(|object| {
            let is_same = object.changed <= since.pods;
            object.pods().iter().map(move |pod| (pod, is_same))
        });
        renew_in_place(&mut known.pods, pods.clone());
        // A builder may leave some out.
        known.pods.len() == pods.count()
    }
}

/// What of a snapshot hangs on the ConfigMaps that pods and templates name.
fn hangs_on_maps(snapshot: &Snapshot) -> impl PartialEq {
    let Snapshot { config_maps, variable_maps, node_trust, trust_bundles, trust_notes, .. } = snapshot;
    (config_maps, variable_maps, node_trust, trust_bundles, trust_notes)
}

/// Brings pods up to date, in place: `now` has each pod of now in order, and whether it is the one that is there.
fn renew_in_place<'p>(pods: &mut Vec<Pod>, now: impl Iterator<Item = (&'p Pod, bool)> + Clone) {
    let is_one = |a: &Pod, b: &Pod| a.meta.name == b.meta.name && a.meta.namespace == b.meta.namespace;
    let mut same = now.clone().filter(|(_, is_same)| *is_same).map(|(pod, _)| pod).peekable();
    pods.retain(|pod| same.next_if(|same| is_one(same, pod)).is_some());
    let mut news: Vec<(usize, &Pod)> =
        now.enumerate().filter(|(_, (_, is_same))| !is_same).map(|(at, (pod, _))| (at, pod)).collect();
    let mut end = pods.len();
    // Twice the room, as a list that grows takes it, would be felt.
    pods.reserve_exact(news.len());
    pods.resize_with(end + news.len(), Pod::default);
    for at in (0..pods.len()).rev() {
        match news.pop_if(|(to, _)| *to == at) {
            Some((_, pod)) => pods[at] = pod.clone(),
            None if news.is_empty() => break,
            None => {
                end -= 1;
                pods.swap(at, end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

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
            let is_same = now.iter().map(|(name, node)| before.get(name) == Some(node));
            renew_in_place(&mut known, wanted.iter().zip(is_same));
            prop_assert_eq!(known, wanted);
        }
    }
}
