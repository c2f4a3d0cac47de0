//! The objects of one kind, and how completely they are known.

use std::collections::BTreeMap;

use super::super::super::kinds::{How, Kind, Planned};
use super::object::Object;
use super::{GRACE, Key};
use crate::model::CoverageState;

/// The objects of one kind, in all namespaces or in one.
#[derive(Debug)]
pub(in super::super) struct Slot {
    pub(in super::super) kind: Kind,
    pub(in super::super) namespace: Option<String>,
    pub(super) state: State,
    pub(super) objects: BTreeMap<Key, Object>,
    /// What a list in progress has sent so far, but for what is known as it is: that is marked, and takes no second room.
    news: Option<BTreeMap<Key, Object>>,
    /// How often a list was begun.
    begun: u32,
    /// How often everything was listed.
    pub(in super::super) lists: u64,
}

#[derive(Debug)]
pub(super) enum State {
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
    pub(in super::super) fn new(planned: &Planned, namespace: Option<String>) -> Self {
        let state = match &planned.how {
            How::List => State::Pending,
            How::NotServed => State::Settled(CoverageState::NotInstalled),
            How::ReadElsewhere => State::Settled(CoverageState::NotRequested),
            How::Failed(why) => State::Settled(CoverageState::Failed(why.clone())),
        };
        Self { kind: planned.kind.clone(), namespace, state, objects: BTreeMap::new(), news: None, begun: 0, lists: 0 }
    }

    /// A kind outside the namespaces that are watched.
    pub(in super::super) fn elsewhere(planned: &Planned) -> Self {
        let state = if planned.how == How::List {
            State::Settled(CoverageState::Forbidden)
        } else {
            Self::new(planned, None).state
        };
        Self { state, ..Self::new(planned, None) }
    }

    /// A list begins; one that broke off leaves nothing behind.
    pub(super) fn begin_list(&mut self) {
        self.news = Some(BTreeMap::new());
        self.begun = self.begun.wrapping_add(1);
    }

    /// A list broke off.
    pub(super) fn break_list(&mut self) {
        self.news = None;
    }

    /// Whether everything is being listed another time.
    pub(super) fn is_listed_again(&self) -> bool {
        self.news.is_some() && self.lists > 0
    }

    /// Takes in an object of a list in progress.
    pub(super) fn list(&mut self, key: Key, object: Object) {
        let Some(news) = &mut self.news else { return };
        match self.objects.get_mut(&key).filter(|known| known.is_same(&object)) {
            Some(same) => {
                same.take_over(object);
                same.listed = self.begun;
            }
            None => {
                news.insert(key, object);
            }
        }
    }

    /// What was listed is all that there is; returns whether that is another than what counted until now.
    pub(super) fn finish_list(&mut self, now: jiff::Timestamp) -> bool {
        let mut news = self.news.take().unwrap_or_default();
        let counted = self.counts(now);
        let before = self.objects.len();
        self.objects.retain(|_, object| object.listed == self.begun);
        let changed = !counted || !news.is_empty() || self.objects.len() != before;
        if self.objects.is_empty() {
            self.objects = news;
        } else {
            self.objects.append(&mut news);
        }
        self.state = State::Current;
        self.lists += 1;
        changed
    }

    /// Whether there is something to watch.
    pub(in super::super) fn is_watched(&self) -> bool {
        !matches!(self.state, State::Settled(_))
    }

    /// Whether it is the same as another in all that a watch asks for.
    pub(in super::super) fn is_like(&self, other: &Self) -> bool {
        self.kind == other.kind && self.namespace == other.namespace && self.is_watched() == other.is_watched()
    }

    /// Takes over what is known of a kind with nothing to watch; returns whether that is another than before.
    pub(super) fn settle_like(&mut self, wanted: &Self) -> bool {
        let (State::Settled(known), State::Settled(now)) = (&mut self.state, &wanted.state) else { return false };
        let differs = known != now;
        known.clone_from(now);
        differs
    }

    /// How completely it is known. What a watch that fails for a moment saw last still counts.
    pub(super) fn coverage(&self, now: jiff::Timestamp) -> CoverageState {
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
    pub(super) fn is_in_doubt(&self, now: jiff::Timestamp) -> bool {
        matches!(self.state, State::Failing { .. }) && self.counts(now)
    }

    /// Whether what is known of it may become old after an instant, or did so since, although nothing happens.
    pub(super) fn ages_after(&self, at: jiff::Timestamp) -> bool {
        match &self.state {
            State::Failing { since, state } => {
                self.lists > 0 && *state != CoverageState::Forbidden && !is_over(*since, at)
            }
            State::Settled(_) | State::Pending | State::Current => false,
        }
    }

    /// Whether its objects say in which namespaces there may be ConfigMaps.
    pub(super) fn names_namespaces(&self) -> bool {
        self.kind.kind == "Namespace"
    }

    /// Whether its objects are part of what is known.
    pub(super) fn counts(&self, now: jiff::Timestamp) -> bool {
        self.coverage(now) == CoverageState::Read
    }
}

fn is_over(since: jiff::Timestamp, now: jiff::Timestamp) -> bool {
    now.duration_since(since) >= jiff::SignedDuration::try_from(GRACE).unwrap_or_default()
}
