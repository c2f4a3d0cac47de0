//! The facts of a cluster, by object, as watches keep them up to date.

mod object;
mod renew;
mod slot;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::read::{Found, KUBERNETES, Named};
use super::follow;
use super::sent::Sent;
use crate::collect::builder::Builder;
use crate::collect::json;
use crate::model::object::Namespace;
use crate::model::{Coverage, Snapshot, Str};

use self::object::{Held, Object, Part};
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
    /// Another number than before if pods may be others.
    pub pods: u64,
    /// Another number than before if objects with pod templates may be others.
    pub workloads: u64,
    /// Another number than before if EndpointSlices may be others.
    pub slices: u64,
    /// Another number than before if anything else may be another.
    pub others: u64,
}

/// What happened since facts were taken.
#[derive(Debug, Default)]
struct Touched {
    /// The pods that came, went or are others.
    pods: BTreeSet<Key>,
    /// Something that names ConfigMaps did: more may hang on it.
    names_maps: bool,
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
    /// Counts changes: each that changed one part alone for that part, and all others.
    revision: Revision,
    /// Which facts were taken last.
    taken: Revision,
    /// What happened since then.
    touched: Touched,
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
            taken: Revision::default(),
            touched: Touched::default(),
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

    fn take(&mut self, at: usize, event: Event, now: jiff::Timestamp) -> bool {
        match event {
            Event::Init => {
                self.slots[at].begin_list();
                false
            }
            Event::Listed(sent) => {
                let (key, object) = self.decode(at, &sent);
                self.slots[at].list(key, object);
                false
            }
            Event::Done => {
                let changed = self.slots[at].finish_list(now);
                self.names += u64::from(changed);
                // Objects of one list share much, and what of it is gone since is kept by nothing else.
                if self.decoded >= MANY {
                    self.forget();
                }
                changed
            }
            Event::Resumed => self.counts_again(at, now),
            Event::Applied(sent) => {
                let (key, object) = self.decode(at, &sent);
                let counts_again = self.counts_again(at, now);
                let slot = &mut self.slots[at];
                // Most of what the server sends of pods and nodes is about things that decide nothing.
                if let Some(same) = slot.objects.get_mut(&key).filter(|before| before.is_same(&object)) {
                    same.take_over(object);
                    return counts_again;
                }
                let before = slot.objects.get(&key);
                let named = before.map_or(&[][..], |before| &before.maps);
                if *named != *object.maps || slot.names_namespaces() {
                    self.names += 1;
                }
                let part = object.part();
                let part = if before.is_none_or(|before| before.part() == part) { part } else { Part::Others };
                let has_maps = !named.is_empty() || !object.maps.is_empty();
                self.changes(if counts_again { Part::Others } else { part }, &key, has_maps);
                self.slots[at].objects.insert(key, object);
                true
            }
            Event::Gone(sent) => {
                let counts_again = self.counts_again(at, now);
                let (namespace, name) = sent.key();
                let key = (namespace.into(), name.into());
                let slot = &mut self.slots[at];
                let Some(gone) = slot.objects.remove(&key) else { return counts_again };
                if slot.names_namespaces() || !gone.maps.is_empty() {
                    self.names += 1;
                }
                self.changes(if counts_again { Part::Others } else { gone.part() }, &key, !gone.maps.is_empty());
                true
            }
            Event::Failed(state) => {
                self.names += 1;
                let slot = &mut self.slots[at];
                slot.break_list();
                let before = slot.coverage(now);
                slot.state = match &slot.state {
                    State::Failing { since, .. } => State::Failing { since: *since, state },
                    _ => State::Failing { since: now, state },
                };
                slot.coverage(now) != before
            }
        }
    }

    /// Counts a change of an object of a part of the facts.
    fn changes(&mut self, part: Part, key: &Key, names_maps: bool) {
        if part == Part::Pods {
            self.touched.pods.insert(key.clone());
        }
        self.touched.names_maps |= names_maps;
        let number = match part {
            Part::Policies => &mut self.revision.policies,
            Part::Pods => &mut self.revision.pods,
            Part::Workloads => &mut self.revision.workloads,
            Part::Slices => &mut self.revision.slices,
            Part::Others => &mut self.revision.others,
        };
        *number += 1;
    }

    /// A watch works; returns whether what it saw did not count until now.
    fn counts_again(&mut self, slot: usize, now: jiff::Timestamp) -> bool {
        let slot = &mut self.slots[slot];
        let counted = slot.counts(now);
        let state = std::mem::replace(&mut slot.state, State::Current);
        self.names += u64::from(matches!(state, State::Failing { .. }));
        !counted
    }

    /// Forgets the strings that decoded objects share; the objects keep theirs.
    fn forget(&mut self) {
        self.decoded = 0;
        self.decoder = decoder(&self.cluster);
    }

    fn decode(&mut self, slot: usize, sent: &Sent) -> (Key, Object) {
        self.decoded += 1;
        // Most of what is listed again is dropped at once.
        if self.decoded >= if self.slots[slot].is_listed_again() { MANY } else { FORGET_AFTER } {
            self.forget();
        }
        let kind = &self.slots[slot].kind;
        let api_version = kind.api_version();
        // Text that is not JSON does not come out of a JSON document.
        let result = json::decode_list(sent.text().as_bytes(), 0, &mut self.decoder, Some((&api_version, &kind.kind)));
        debug_assert!(result.is_ok());
        let object = Object::new(std::mem::take(&mut self.decoder.facts));
        // The strings that a pod has anyway.
        let key = if let Held::Pod(pod) = &object.held {
            (pod.meta.namespace.clone().unwrap_or_default(), pod.meta.name.clone())
        } else {
            let (namespace, name) = sent.key();
            (namespace.into(), name.into())
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
            _ => None,
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

    /// All that is known, put together.
    pub(super) fn snapshot(&self, now: jiff::Timestamp) -> Snapshot {
        self.snapshot_of(now, |_| true)
    }

    /// What is known of some objects, and of ConfigMaps, put together.
    fn snapshot_of(&self, now: jiff::Timestamp, is_asked: impl Fn(&Object) -> bool) -> Snapshot {
        let mut builder = self.builder(now, is_asked);
        for found in &self.config_maps {
            found.coverage.iter().for_each(|coverage| builder.coverage(coverage.clone()));
            if let Some(facts) = &found.facts {
                builder.append(facts.facts.clone());
            }
        }
        builder.finish()
    }

    /// A builder that holds what is watched of some objects.
    fn builder(&self, now: jiff::Timestamp, is_asked: impl Fn(&Object) -> bool) -> Builder {
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
        for object in self.objects(now).filter(|object| is_asked(object)) {
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
