//! The facts of a cluster, by object, as watches keep them up to date.

mod object;
mod slot;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::read::{Found, KUBERNETES, Named};
use super::Taken;
use super::follow;
use super::sent::Sent;
use crate::collect::builder::Builder;
use crate::collect::json;
use crate::model::object::Namespace;
use crate::model::{Coverage, Snapshot, Str};

use self::object::{Held, Object};
pub(super) use self::slot::Slot;
use self::slot::State;

/// How long a watch may fail before what it saw last counts as old. An API server that is restarted is back by then.
pub(super) const GRACE: Duration = Duration::from_secs(20);

/// A snapshot of which only policies are renewed is at most so old.
const REBUILD: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);

/// Objects that are decoded before the strings that they share are forgotten: those of objects that are gone are kept by
/// nothing else.
const FORGET_AFTER: u32 = 20_000;

/// The same, after a list, and while something is listed again.
const MANY: u32 = 1000;

/// What a watch says about objects as the server sent them.
pub(super) type Event = follow::Event<Sent>;

/// Namespace and name.
type Key = (Str, Str);

/// Which facts may be others than before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Revision {
    /// Another number than before if NetworkPolicies may be others.
    pub policies: u64,
    /// Another number than before if anything else may be another.
    pub others: u64,
}

/// Everything that is watched.
#[derive(Debug)]
pub(super) struct Store {
    cluster: String,
    pub(super) slots: Vec<Slot>,
    /// Counts what may have changed which ConfigMaps are named.
    names: u64,
    /// ConfigMaps, which are read and not watched.
    config_maps: Vec<Found>,
    /// Counts changes of policies that changed nothing else, and all other changes.
    revision: Revision,
    /// Decodes; its facts are emptied after each object.
    decoder: Builder,
    decoded: u32,
}

impl Store {
    pub(super) fn new(cluster: &str) -> Self {
        Self {
            cluster: cluster.to_owned(),
            slots: Vec::new(),
            names: 0,
            config_maps: Vec::new(),
            revision: Revision::default(),
            decoder: decoder(cluster),
            decoded: 0,
        }
    }

    /// Takes in what a watch says; returns whether the facts may be others now.
    pub(super) fn apply(&mut self, slot: usize, event: Event, now: jiff::Timestamp) -> bool {
        let before = self.revision;
        let changed = self.take(slot, event, now);
        if changed && self.revision == before {
            self.revision.others += 1;
        }
        changed
    }

    fn take(&mut self, slot: usize, event: Event, now: jiff::Timestamp) -> bool {
        match event {
            Event::Init => {
                self.slots[slot].staged = Some(BTreeMap::new());
                false
            }
            Event::Listed(sent) => {
                let (key, object) = self.decode(slot, &sent);
                self.slots[slot].stage(key, object);
                false
            }
            Event::Done => {
                let changed = self.slots[slot].finish_list();
                self.names += u64::from(changed);
                // Objects of one list share much, and what of it is gone since is kept by nothing else.
                if self.decoded >= MANY {
                    self.forget();
                }
                changed
            }
            Event::Resumed => self.is_current_again(slot),
            Event::Applied(sent) => {
                let (key, object) = self.decode(slot, &sent);
                let was_failing = self.is_current_again(slot);
                let slot = &mut self.slots[slot];
                // Most of what the server sends of pods and nodes is about things that decide nothing.
                if let Some(same) = slot.objects.get_mut(&key).filter(|before| before.is_same(&object)) {
                    same.take_over(object);
                    return was_failing;
                }
                let before = slot.objects.get(&key);
                let named = before.map_or(&[][..], |before| &before.maps);
                if *named != *object.maps || slot.names_namespaces() {
                    self.names += 1;
                }
                let is_policy = object.is_policy() && before.is_none_or(Object::is_policy);
                slot.objects.insert(key, object);
                self.revision.policies += u64::from(is_policy && !was_failing);
                true
            }
            Event::Gone(sent) => {
                let was_failing = self.is_current_again(slot);
                let (namespace, name) = sent.key();
                let slot = &mut self.slots[slot];
                let gone = slot.objects.remove(&(namespace.into(), name.into()));
                if slot.names_namespaces() || gone.as_ref().is_some_and(|gone| !gone.maps.is_empty()) {
                    self.names += 1;
                }
                self.revision.policies += u64::from(!was_failing && gone.as_ref().is_some_and(Object::is_policy));
                was_failing || gone.is_some()
            }
            Event::Failed(state) => {
                self.names += 1;
                let slot = &mut self.slots[slot];
                slot.staged = None;
                let before = slot.coverage(now);
                slot.state = match &slot.state {
                    State::Failing { since, .. } => State::Failing { since: *since, state },
                    _ => State::Failing { since: now, state },
                };
                slot.coverage(now) != before
            }
        }
    }

    /// A watch works; returns whether it failed before.
    fn is_current_again(&mut self, slot: usize) -> bool {
        let state = std::mem::replace(&mut self.slots[slot].state, State::Current);
        let was_failing = matches!(state, State::Failing { .. });
        self.names += u64::from(was_failing);
        was_failing
    }

    /// Forgets the strings that decoded objects share; the objects keep theirs.
    fn forget(&mut self) {
        self.decoded = 0;
        self.decoder = decoder(&self.cluster);
    }

    fn decode(&mut self, slot: usize, sent: &Sent) -> (Key, Object) {
        self.decoded += 1;
        // Most of what is listed again is dropped at once.
        let is_again = self.slots[slot].staged.is_some() && self.slots[slot].lists > 0;
        if self.decoded >= if is_again { MANY } else { FORGET_AFTER } {
            self.forget();
        }
        let kind = &self.slots[slot].kind;
        let api_version = kind.api_version();
        // Text that is not JSON does not come out of a JSON document.
        let result = json::decode_list(sent.text().as_bytes(), 0, &mut self.decoder, Some((&api_version, &kind.kind)));
        debug_assert!(result.is_ok());
        let object = Object::new(std::mem::take(&mut self.decoder.facts));
        let key = match &object.held {
            // The strings that it has anyway.
            Held::Pod(pod) => (pod.meta.namespace.clone().unwrap_or_default(), pod.meta.name.clone()),
            Held::Policy(_) | Held::Facts(_) => {
                let (namespace, name) = sent.key();
                (namespace.into(), name.into())
            }
        };
        (key, object)
    }

    /// Whether everything was listed once, or cannot be.
    pub(super) fn is_settled(&self) -> bool {
        self.slots.iter().all(|slot| !matches!(slot.state, State::Pending))
    }

    /// Whether something that counts as read may be another by now. That ends with the grace, at the latest.
    pub(super) fn is_in_doubt(&self, now: jiff::Timestamp) -> bool {
        self.slots.iter().any(|slot| slot.is_in_doubt(now))
    }

    /// When the facts of a watch that fails become old: the first instant after one.
    pub(super) fn next_to_age(&self, after: jiff::Timestamp) -> Option<jiff::Timestamp> {
        let end = self.slots.iter().filter_map(|slot| match &slot.state {
            State::Failing { since, .. } if slot.lists > 0 => since.checked_add(GRACE).ok(),
            _ => None,
        });
        end.filter(|end| *end > after).min()
    }

    fn objects(&self, now: jiff::Timestamp) -> impl Iterator<Item = &Object> {
        self.slots.iter().filter(move |slot| slot.counts(now)).flat_map(|slot| slot.objects.values())
    }

    /// The namespaces that count.
    pub(super) fn namespaces(&self, now: jiff::Timestamp) -> Vec<&Namespace> {
        let facts = self.objects(now).filter_map(|object| match &object.held {
            Held::Facts(facts) => Some(&facts.namespaces),
            Held::Pod(_) | Held::Policy(_) => None,
        });
        facts.flatten().collect()
    }

    /// Facts that no watch tells of are others now.
    pub(super) fn changed_beside(&mut self) {
        self.revision.others += 1;
    }

    /// The ConfigMaps that objects name.
    pub(super) fn named(&self, now: jiff::Timestamp) -> impl Iterator<Item = Named> {
        self.objects(now).flat_map(|object| object.maps.iter().cloned())
    }

    /// Another number than before if objects may name other ConfigMaps than before.
    pub(super) fn names(&self) -> u64 {
        self.names
    }

    /// ConfigMaps were read; returns whether they are others than before.
    pub(super) fn take_config_maps(&mut self, found: Vec<Found>) -> bool {
        let said = |all: &[Found]| {
            let parts = all.iter().map(|found| (&found.coverage, found.facts.as_ref().map(|f| &f.facts)));
            format!("{:?}", parts.collect::<Vec<_>>())
        };
        let changed = said(&found) != said(&self.config_maps);
        self.config_maps = found;
        if changed {
            self.changed_beside();
        }
        changed
    }

    /// Which kinds there are now: takes over what is known of those that cannot be watched; returns whether that is
    /// another than before, or `None` where other kinds have to be watched than those that are.
    pub(super) fn settle(&mut self, wanted: &[Slot]) -> Option<bool> {
        let is_same = wanted.len() == self.slots.len()
            && wanted.iter().zip(&self.slots).all(|(wanted, known)| wanted.is_like(known));
        if !is_same {
            return None;
        }
        let mut differs = false;
        for (known, wanted) in self.slots.iter_mut().zip(wanted) {
            differs |= known.settle_like(wanted);
        }
        if differs {
            self.changed_beside();
        }
        Some(differs)
    }

    /// What is known now: the facts that were taken last and given back, policies renewed, as long as nothing else is
    /// another; else all of it, put together anew.
    pub(super) fn take_again(&mut self, last: Option<Taken>, now: jiff::Timestamp) -> Taken {
        if let Some(mut last) = last.filter(|last| self.holds(last, now)) {
            last.snapshot.instant = now;
            last.former = None;
            if last.revision.policies != self.revision.policies {
                // In the order in which a builder has them.
                let policies = self.objects(now).flat_map(Object::policies).cloned().collect();
                let former = std::mem::replace(&mut last.snapshot.network_policies, policies);
                last.former = Some((last.revision, former));
            }
            return Taken { revision: self.revision, is_new: false, ..last };
        }
        // What is said about trust bears the instant at which it was put together.
        self.changed_beside();
        Taken { snapshot: self.snapshot(now), revision: self.revision, built: now, former: None, is_new: true }
    }

    /// Whether nothing but policies is another than in what was taken last.
    pub(super) fn is_nearly(&self, last: &Taken) -> bool {
        last.revision.others == self.revision.others
    }

    /// Whether what was taken last may be used again.
    fn holds(&self, last: &Taken, now: jiff::Timestamp) -> bool {
        let age = now.duration_since(last.built);
        let hangs_on_time = |slot: &Slot| slot.ages_after(last.built);
        self.is_nearly(last) && !age.is_negative() && age < REBUILD && !self.slots.iter().any(hangs_on_time)
    }

    /// All that is known, put together.
    pub(super) fn snapshot(&self, now: jiff::Timestamp) -> Snapshot {
        let mut builder = self.builder(now);
        for found in &self.config_maps {
            found.coverage.iter().for_each(|coverage| builder.coverage(coverage.clone()));
            if let Some(facts) = &found.facts {
                builder.append(facts.facts.clone());
            }
        }
        builder.finish()
    }

    /// A builder that holds everything that is watched.
    fn builder(&self, now: jiff::Timestamp) -> Builder {
        let mut builder = Builder::live(now);
        builder.set_cluster(&self.cluster);
        builder.source(&format!("cluster {}", self.cluster));
        for slot in &self.slots {
            builder.coverage(Coverage {
                source: KUBERNETES.into(),
                kind: slot.kind.coverage_name().into(),
                namespace: slot.namespace.as_deref().map(Str::from),
                state: slot.coverage(now),
            });
        }
        for object in self.objects(now) {
            object.add_to(&mut builder);
        }
        builder
    }

    /// Objects by kind, of those that are there.
    pub(super) fn counts(&self) -> impl Iterator<Item = (String, usize, u64)> {
        self.slots
            .iter()
            .filter(|slot| slot.is_watched())
            .map(|slot| (slot.kind.coverage_name(), slot.objects.len(), slot.lists))
    }
}

/// The source of everything that a cluster serves has the number 0.
fn decoder(cluster: &str) -> Builder {
    let mut builder = Builder::live(jiff::Timestamp::UNIX_EPOCH);
    builder.source(&format!("cluster {cluster}"));
    builder
}
