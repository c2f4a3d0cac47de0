//! The facts of a cluster, by object, as watches keep them up to date.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::kinds::{How, Kind, Planned};
use super::super::read::KUBERNETES;
use super::sent::Sent;
use crate::collect::builder::Builder;
use crate::collect::facts::Facts;
use crate::collect::json;
use crate::model::{Coverage, CoverageState, Str};

/// How long a watch may fail before what it saw last counts as old. An API server that is restarted is back by then.
pub(super) const GRACE: Duration = Duration::from_secs(20);

/// Objects that are decoded before the strings that they share are forgotten: those of objects that are gone are kept by
/// nothing else.
const FORGET_AFTER: u32 = 20_000;

/// What a watch says.
#[derive(Debug)]
pub(super) enum Event {
    /// All objects are about to be sent.
    Init,
    /// One of them.
    Listed(Sent),
    /// They were sent.
    Done,
    /// An object is new or another.
    Applied(Sent),
    /// An object is gone.
    Gone(Sent),
    /// The watch does not work; it goes on trying.
    Failed(CoverageState),
}

/// Namespace and name.
type Key = (Str, Str);

/// The objects of one kind, in all namespaces or in one.
#[derive(Debug)]
pub(super) struct Slot {
    pub(super) kind: Kind,
    pub(super) namespace: Option<String>,
    state: State,
    objects: BTreeMap<Key, Facts>,
    /// What a list in progress has sent so far.
    staged: Option<BTreeMap<Key, Facts>>,
    /// How often everything was listed.
    pub(super) lists: u64,
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

    /// Whether its objects are part of what is known.
    fn counts(&self, now: jiff::Timestamp) -> bool {
        self.coverage(now) == CoverageState::Read
    }
}

fn is_over(since: jiff::Timestamp, now: jiff::Timestamp) -> bool {
    now.duration_since(since) >= jiff::SignedDuration::try_from(GRACE).unwrap_or_default()
}

/// Everything that is watched.
#[derive(Debug)]
pub(super) struct Store {
    cluster: String,
    pub(super) slots: Vec<Slot>,
    /// Decodes; its facts are emptied after each object.
    decoder: Builder,
    decoded: u32,
}

impl Store {
    pub(super) fn new(cluster: &str) -> Self {
        Self { cluster: cluster.to_owned(), slots: Vec::new(), decoder: decoder(cluster), decoded: 0 }
    }

    /// Takes in what a watch says; returns whether the facts may be others now.
    pub(super) fn apply(&mut self, slot: usize, event: Event, now: jiff::Timestamp) -> bool {
        match event {
            Event::Init => {
                self.slots[slot].staged = Some(BTreeMap::new());
                false
            }
            Event::Listed(sent) => {
                let (key, facts) = self.decode(slot, &sent);
                if let Some(staged) = &mut self.slots[slot].staged {
                    staged.insert(key, facts);
                }
                false
            }
            Event::Done => {
                let slot = &mut self.slots[slot];
                slot.objects = slot.staged.take().unwrap_or_default();
                slot.state = State::Current;
                slot.lists += 1;
                true
            }
            Event::Applied(sent) => {
                let (key, facts) = self.decode(slot, &sent);
                let slot = &mut self.slots[slot];
                slot.objects.insert(key, facts);
                slot.state = State::Current;
                true
            }
            Event::Gone(sent) => {
                let (namespace, name) = sent.key();
                let slot = &mut self.slots[slot];
                slot.state = State::Current;
                slot.objects.remove(&(namespace.into(), name.into())).is_some()
            }
            Event::Failed(state) => {
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

    fn decode(&mut self, slot: usize, sent: &Sent) -> (Key, Facts) {
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
        let (namespace, name) = sent.key();
        ((namespace.into(), name.into()), std::mem::take(&mut self.decoder.facts))
    }

    /// Whether everything was listed once, or cannot be.
    pub(super) fn is_settled(&self) -> bool {
        self.slots.iter().all(|slot| !matches!(slot.state, State::Pending))
    }

    /// When the facts of a watch that fails become old: the first instant after one.
    pub(super) fn next_to_age(&self, after: jiff::Timestamp) -> Option<jiff::Timestamp> {
        let end = self.slots.iter().filter_map(|slot| match &slot.state {
            State::Failing { since, .. } if slot.lists > 0 => since.checked_add(GRACE).ok(),
            _ => None,
        });
        end.filter(|end| *end > after).min()
    }

    /// The facts of all objects that count.
    pub(super) fn facts(&self, now: jiff::Timestamp) -> impl Iterator<Item = &Facts> + Clone {
        self.slots.iter().filter(move |slot| slot.counts(now)).flat_map(|slot| slot.objects.values())
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
        for facts in self.facts(now) {
            builder.append(facts.clone());
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
