//! The facts of a cluster, by object, as watches keep them up to date.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::kinds::{How, Kind, Planned};
use super::super::read::{self, KUBERNETES, Named};
use super::follow;
use super::sent::Sent;
use crate::collect::builder::Builder;
use crate::collect::facts::Facts;
use crate::collect::json;
use crate::model::object::{Namespace, NetworkPolicy, Pod};
use crate::model::{Coverage, CoverageState, Str};

/// How long a watch may fail before what it saw last counts as old. An API server that is restarted is back by then.
pub(super) const GRACE: Duration = Duration::from_secs(20);

/// Objects that are decoded before the strings that they share are forgotten: those of objects that are gone are kept by
/// nothing else.
const FORGET_AFTER: u32 = 20_000;

/// What a watch says about objects as the server sent them.
pub(super) type Event = follow::Event<Sent>;

/// Namespace and name.
type Key = (Str, Str);

/// The objects of one kind, in all namespaces or in one.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) kind: Kind,
    pub(super) namespace: Option<String>,
    state: State,
    objects: BTreeMap<Key, Object>,
    /// What a list in progress has sent so far.
    staged: Option<BTreeMap<Key, Object>>,
    /// How often everything was listed.
    pub(super) lists: u64,
}

/// The facts of one object.
#[derive(Debug)]
struct Object {
    held: Held,
    /// ConfigMaps that it names: what they are for, namespace and name.
    maps: Box<[Named]>,
}

/// Pods and policies are many, and hold nothing else: they take no more room than they need.
#[derive(Debug)]
enum Held {
    Pod(Box<Pod>),
    Policy(Box<NetworkPolicy>),
    Facts(Box<Facts>),
}

impl Object {
    fn new(mut facts: Facts) -> Self {
        let maps = read::named_by(&facts).into();
        let held = if let Some(pod) = facts.take_only(|facts| &mut facts.pods) {
            Held::Pod(Box::new(pod))
        } else if let Some(policy) = facts.take_only(|facts| &mut facts.network_policies) {
            Held::Policy(Box::new(policy))
        } else {
            Held::Facts(Box::new(facts))
        };
        Self { held, maps }
    }

    fn is_same(&self, other: &Self) -> bool {
        match (&self.held, &other.held) {
            (Held::Pod(a), Held::Pod(b)) => a == b,
            (Held::Policy(a), Held::Policy(b)) => a == b,
            (Held::Facts(a), Held::Facts(b)) => a.is_same(b),
            _ => false,
        }
    }

    fn is_policy(&self) -> bool {
        matches!(self.held, Held::Policy(_))
    }

    fn add_to(&self, builder: &mut Builder) {
        match &self.held {
            Held::Pod(pod) => builder.facts.pods.push(Pod::clone(pod)),
            Held::Policy(policy) => builder.facts.network_policies.push(NetworkPolicy::clone(policy)),
            Held::Facts(facts) => builder.append(Facts::clone(facts)),
        }
    }
}

#[derive(Debug)]
enum State {
    /// Nothing to watch, and what that means.
    Settled(CoverageState),
    /// Not listed yet.
    Pending,
    /// Listed and watched.
    Current,
    /// The watch fails.
    Failing { since: jiff::Timestamp, state: CoverageState },
}

impl Slot {
    pub(super) fn new(planned: &Planned, namespace: Option<String>) -> Self {
        let state = match &planned.how {
            How::List => State::Pending,
            How::NotServed => State::Settled(CoverageState::NotInstalled),
            How::ReadElsewhere => State::Settled(CoverageState::NotRequested),
            How::Failed(why) => State::Settled(CoverageState::Failed(why.clone())),
        };
        Self { kind: planned.kind.clone(), namespace, state, objects: BTreeMap::new(), staged: None, lists: 0 }
    }

    /// A kind outside the namespaces that are watched.
    pub(super) fn elsewhere(planned: &Planned) -> Self {
        let state = if planned.how == How::List {
            State::Settled(CoverageState::Forbidden)
        } else {
            Self::new(planned, None).state
        };
        Self { state, ..Self::new(planned, None) }
    }

    /// Whether there is something to watch.
    pub(super) fn is_watched(&self) -> bool {
        !matches!(self.state, State::Settled(_))
    }

    /// Whether it is the same as another in all that a watch asks for.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.kind == other.kind && self.namespace == other.namespace && self.is_watched() == other.is_watched()
    }

    /// How completely it is known. What a watch that fails for a moment saw last still counts.
    fn coverage(&self, now: jiff::Timestamp) -> CoverageState {
        match &self.state {
            State::Settled(state) => state.clone(),
            State::Pending => CoverageState::Failed("it was not listed yet".to_owned()),
            State::Current => CoverageState::Read,
            State::Failing { since, state } => {
                if self.lists > 0 && *state != CoverageState::Forbidden && !is_over(*since, now) {
                    CoverageState::Read
                } else {
                    state.clone()
                }
            }
        }
    }

    /// Whether it counts as read although its watch fails: something else may be true by now.
    fn is_in_doubt(&self, now: jiff::Timestamp) -> bool {
        matches!(self.state, State::Failing { .. }) && self.counts(now)
    }

    /// Whether its objects say in which namespaces there may be ConfigMaps.
    fn names_namespaces(&self) -> bool {
        self.kind.kind == "Namespace"
    }

    /// Whether its objects are part of what is known.
    fn counts(&self, now: jiff::Timestamp) -> bool {
        self.coverage(now) == CoverageState::Read
    }
}

fn is_over(since: jiff::Timestamp, now: jiff::Timestamp) -> bool {
    now.duration_since(since) >= jiff::SignedDuration::try_from(GRACE).unwrap_or_default()
}

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
                if let Some(staged) = &mut self.slots[slot].staged {
                    staged.insert(key, object);
                }
                false
            }
            Event::Done => {
                self.names += 1;
                let slot = &mut self.slots[slot];
                slot.objects = slot.staged.take().unwrap_or_default();
                slot.state = State::Current;
                slot.lists += 1;
                true
            }
            Event::Resumed => self.is_current_again(slot),
            Event::Applied(sent) => {
                let (key, object) = self.decode(slot, &sent);
                let was_failing = self.is_current_again(slot);
                let slot = &mut self.slots[slot];
                let before = slot.objects.get(&key);
                // Most of what the server sends of pods and nodes is about things that decide nothing.
                if before.is_some_and(|before| before.is_same(&object)) {
                    return was_failing;
                }
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

    fn decode(&mut self, slot: usize, sent: &Sent) -> (Key, Object) {
        self.decoded += 1;
        if self.decoded >= FORGET_AFTER {
            self.decoded = 0;
            self.decoder = decoder(&self.cluster);
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

    /// Whether a watch fails: what counts then hangs on the time.
    pub(super) fn is_failing(&self) -> bool {
        self.slots.iter().any(|slot| matches!(slot.state, State::Failing { .. }))
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

    /// The policies that count, in the order in which a builder has them.
    pub(super) fn policies(&self, now: jiff::Timestamp) -> impl Iterator<Item = &NetworkPolicy> {
        self.objects(now).filter_map(|object| match &object.held {
            Held::Policy(policy) => Some(&**policy),
            Held::Pod(_) | Held::Facts(_) => None,
        })
    }

    /// Which facts these are.
    pub(super) fn revision(&self) -> Revision {
        self.revision
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

    /// A builder that holds everything.
    pub(super) fn builder(&self, now: jiff::Timestamp) -> Builder {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::super::super::kinds::plan;
    use super::*;
    use crate::model::Snapshot;

    const START: jiff::Timestamp = jiff::Timestamp::constant(1_800_000_000, 0);

    fn after(seconds: i64) -> jiff::Timestamp {
        START + jiff::SignedDuration::from_secs(seconds)
    }

    /// A store of one kind that is watched.
    fn store(kind: &str) -> Store {
        let planned = plan(&super::super::super::discover::Served::unreadable());
        let planned = planned.iter().find(|planned| planned.kind.kind == kind).unwrap();
        assert_eq!(planned.how, How::List);
        let mut store = Store::new("test");
        store.slots.push(Slot::new(planned, None));
        store
    }

    fn sent(text: &str) -> Sent {
        serde_json::from_str(text).unwrap()
    }

    fn policy(name: &str) -> Sent {
        sent(&format!(r#"{{"metadata":{{"name":"{name}","namespace":"ci"}},"spec":{{"podSelector":{{}}}}}}"#))
    }

    fn listed(store: &mut Store, names: &[&str]) {
        store.apply(0, Event::Init, START);
        for name in names {
            store.apply(0, Event::Listed(policy(name)), START);
        }
        assert!(store.apply(0, Event::Done, START));
    }

    fn seen(store: &Store, now: jiff::Timestamp) -> Snapshot {
        store.builder(now).finish()
    }

    fn names(store: &Store, now: jiff::Timestamp) -> Vec<String> {
        seen(store, now).network_policies.iter().map(|policy| policy.meta.name.to_string()).collect()
    }

    fn state(store: &Store, now: jiff::Timestamp) -> CoverageState {
        seen(store, now).coverage[0].state.clone()
    }

    fn broken() -> Event {
        Event::Failed(CoverageState::Failed("connection refused".to_owned()))
    }

    #[test]
    fn a_list_in_progress_is_not_seen_half() {
        let mut store = store("NetworkPolicy");
        assert!(!store.is_settled());
        assert!(matches!(state(&store, START), CoverageState::Failed(_)), "nothing is known before the first list");
        listed(&mut store, &["a", "b"]);
        assert!(store.is_settled());
        store.apply(0, Event::Init, START);
        assert!(!store.apply(0, Event::Listed(policy("c")), START));
        assert_eq!(names(&store, START), ["a", "b"], "a second list is in progress");
        store.apply(0, Event::Done, START);
        assert_eq!(names(&store, START), ["c"]);

        // One that breaks off leaves nothing behind, not even in the next.
        store.apply(0, Event::Init, START);
        store.apply(0, Event::Listed(policy("d")), START);
        store.apply(0, broken(), START);
        assert_eq!(names(&store, START), ["c"]);
        listed(&mut store, &["e"]);
        assert_eq!(names(&store, START), ["e"]);
    }

    #[test]
    fn what_a_failing_watch_saw_counts_for_the_grace_and_is_in_doubt() {
        let mut store = store("NetworkPolicy");
        listed(&mut store, &["a"]);
        assert!(!store.is_in_doubt(START));
        assert!(!store.apply(0, broken(), START), "nothing else is known than before");
        // That it fails again begins no new grace.
        store.apply(0, broken(), after(15));
        assert_eq!(state(&store, after(19)), CoverageState::Read);
        assert_eq!(names(&store, after(19)), ["a"]);
        assert!(store.is_in_doubt(after(19)));
        assert_eq!(store.next_to_age(START), Some(after(20)));
        assert!(matches!(state(&store, after(20)), CoverageState::Failed(why) if why == "connection refused"));
        assert!(names(&store, after(20)).is_empty());
        assert!(!store.is_in_doubt(after(20)), "that it is not known is certain");

        assert!(store.apply(0, Event::Resumed, after(30)));
        assert_eq!(names(&store, after(30)), ["a"], "nothing happened meanwhile");
        assert_eq!(store.next_to_age(START), None);
        assert!(!store.apply(0, Event::Resumed, after(30)), "a watch that the server ended in time is no news");
    }

    #[test]
    fn what_may_not_be_read_any_more_counts_as_that_at_once() {
        let mut store = store("NetworkPolicy");
        listed(&mut store, &["a"]);
        assert!(store.apply(0, Event::Failed(CoverageState::Forbidden), START));
        assert_eq!(state(&store, START), CoverageState::Forbidden);
        assert!(names(&store, START).is_empty());
        assert!(!store.is_in_doubt(START));
    }

    #[test]
    fn what_was_never_listed_has_no_grace() {
        let mut store = store("NetworkPolicy");
        assert!(store.apply(0, broken(), START));
        assert!(store.is_settled());
        assert!(matches!(state(&store, START), CoverageState::Failed(_)));
    }

    #[test]
    fn an_object_of_another_shape_is_a_problem_and_the_others_stay() {
        let mut store = store("NetworkPolicy");
        listed(&mut store, &["a", "b"]);
        let odd = sent(r#"{"metadata":{"name":"b","namespace":"ci"},"spec":{"podSelector":7}}"#);
        assert!(store.apply(0, Event::Applied(odd), START));
        let snapshot = seen(&store, START);
        assert_eq!(names(&store, START), ["a"]);
        assert_eq!(snapshot.problems.len(), 1);
        assert_eq!(snapshot.problems[0].name.as_deref(), Some("b"));
        assert_eq!(state(&store, START), CoverageState::Read);
        // The problem goes with the object that has it.
        store.apply(0, Event::Applied(policy("b")), START);
        assert!(seen(&store, START).problems.is_empty());
        assert_eq!(names(&store, START), ["a", "b"]);
        assert!(store.apply(0, Event::Gone(policy("b")), START));
        assert!(!store.apply(0, Event::Gone(policy("b")), START));
        assert_eq!(names(&store, START), ["a"]);
    }
}
