//! A cluster that is watched, without a server: what the watches say is told to it, and the time as well.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::discover::{Resource, Served};
use super::super::kinds::plan;
use super::super::read::{Found, KUBERNETES};
use super::Taken;
use super::follow::Event;
use super::sent::Sent;
use super::store::{self, Slot, Store};
use crate::collect::builder::Builder;
use crate::collect::json;
use crate::model::snapshot::{CERTIFICATE_CONFIG_MAPS, VARIABLE_CONFIG_MAPS};
use crate::model::{Coverage, CoverageState};

/// What a watch says; objects say which one it is by their kind.
#[derive(Clone, Debug)]
pub(crate) enum Said {
    Applied(Value),
    Gone(Value),
    /// All objects of a kind.
    Listed(&'static str, Vec<Value>),
    /// Some of them; then the list breaks off.
    BrokenOff(&'static str, Vec<Value>, CoverageState),
    Failed(&'static str, CoverageState),
    Resumed(&'static str),
}

/// Kind, namespace and name.
type Key = (String, String, String);

#[derive(Debug)]
pub(crate) struct Scripted {
    store: Store,
    last: Option<Taken>,
    /// What there is, to begin anew with.
    objects: BTreeMap<Key, Value>,
    failing: BTreeMap<&'static str, (jiff::Timestamp, CoverageState)>,
    config_maps: (Vec<String>, Vec<Value>),
    /// Which are watched; none for all.
    namespaces: Vec<String>,
}

impl Scripted {
    /// All built-in kinds and those that spread trust, of which there are no objects yet: in these namespaces, in order,
    /// or in all where there are none.
    pub(crate) fn new(now: jiff::Timestamp, namespaces: &[String]) -> Self {
        let served = |group: &str, plural: &str, kind: &str| Resource {
            group: group.to_owned(),
            version: "v1alpha1".to_owned(),
            plural: plural.to_owned(),
            kind: kind.to_owned(),
            namespaced: false,
        };
        let own = crate::crd::GROUP;
        let served = Served::new(vec![
            served(own, "endpointsets", "EndpointSet"),
            served(own, "nodetrusts", "NodeTrust"),
            served("trust.cert-manager.io", "bundles", "Bundle"),
        ]);
        let mut store = Store::new("test");
        for planned in plan(&served) {
            if namespaces.is_empty() || !planned.kind.namespaced {
                store.slots.push(Slot::new(&planned, None));
            } else {
                store.slots.push(Slot::elsewhere(&planned));
                store.slots.extend(namespaces.iter().map(|name| Slot::new(&planned, Some(name.clone()))));
            }
        }
        for at in 0..store.slots.len() {
            if store.slots[at].is_watched() {
                store.apply(at, Event::Init, now);
                store.apply(at, Event::Done, now);
            }
        }
        assert!(store.is_settled());
        let (objects, failing) = (BTreeMap::new(), BTreeMap::new());
        let namespaces = namespaces.to_vec();
        Self { store, last: None, objects, failing, config_maps: Default::default(), namespaces }
    }

    /// Where a kind is watched.
    fn slots(&self, kind: &str) -> Vec<usize> {
        let slots = (0..).zip(&self.store.slots);
        slots.filter(|(_, slot)| slot.kind.kind == kind && slot.is_watched()).map(|(at, _)| at).collect()
    }

    /// Whether a watch tells of an object.
    fn tells(&self, slot: usize, value: &Value) -> bool {
        self.store.slots[slot].namespace.as_ref().is_none_or(|namespace| *namespace == key(value).1)
    }

    /// What is told where a kind is watched; returns whether any of it is an event.
    fn tell(&mut self, kind: &str, now: jiff::Timestamp, events: impl Fn(&Self, usize) -> Vec<store::Event>) -> bool {
        let mut is_event = false;
        for slot in self.slots(kind) {
            for event in events(self, slot) {
                is_event |= self.store.apply(slot, event, now);
            }
        }
        is_event
    }

    /// Takes in what a watch says; returns whether that is an event.
    pub(crate) fn hear(&mut self, said: Said, now: jiff::Timestamp) -> bool {
        self.note(&said, now);
        let sent = |value: &Value| -> Sent { serde_json::from_str(&value.to_string()).unwrap() };
        let one = |own: &Self, slot, value: &Value| own.tells(slot, value).then(|| sent(value));
        let listed = |own: &Self, slot, values: &[Value], end: store::Event| {
            let objects = values.iter().filter_map(|value| one(own, slot, value).map(Event::Listed));
            std::iter::once(Event::Init).chain(objects).chain([end]).collect()
        };
        match said {
            // Where there are several watches of a kind, the others work as well.
            Said::Applied(value) => self.tell(&key(&value).0, now, |own, slot| {
                vec![one(own, slot, &value).map_or(Event::Resumed, Event::Applied)]
            }),
            Said::Gone(value) => self.tell(&key(&value).0, now, |own, slot| {
                vec![one(own, slot, &value).map_or(Event::Resumed, Event::Gone)]
            }),
            Said::Listed(kind, values) => self.tell(kind, now, |own, slot| listed(own, slot, &values, Event::Done)),
            Said::BrokenOff(kind, values, state) => {
                self.tell(kind, now, |own, slot| listed(own, slot, &values, Event::Failed(state.clone())))
            }
            Said::Failed(kind, state) => self.tell(kind, now, |_, _| vec![Event::Failed(state.clone())]),
            Said::Resumed(kind) => self.tell(kind, now, |_, _| vec![Event::Resumed]),
        }
    }

    /// Keeps what is said, as it is.
    fn note(&mut self, said: &Said, now: jiff::Timestamp) {
        match said {
            Said::Applied(value) => {
                self.failing.remove(key(value).0.as_str());
                self.objects.insert(key(value), value.clone());
            }
            Said::Gone(value) => {
                self.failing.remove(key(value).0.as_str());
                self.objects.remove(&key(value));
            }
            Said::Listed(kind, values) => {
                self.failing.remove(kind);
                self.objects.retain(|(of, ..), _| of != kind);
                self.objects.extend(values.iter().map(|value| (key(value), value.clone())));
            }
            Said::Failed(kind, state) | Said::BrokenOff(kind, _, state) => {
                self.failing.entry(*kind).or_insert((now, state.clone())).1 = state.clone();
            }
            Said::Resumed(kind) => drop(self.failing.remove(kind)),
        }
    }

    /// ConfigMaps were read, of these namespaces.
    pub(crate) fn read(&mut self, namespaces: &[&str], config_maps: &[Value]) -> bool {
        self.config_maps = (namespaces.iter().map(|name| (*name).to_owned()).collect(), config_maps.to_vec());
        let mut facts = Builder::live(jiff::Timestamp::UNIX_EPOCH);
        facts.source("cluster test");
        let list = serde_json::json!({"items": config_maps}).to_string();
        json::decode_list(list.as_bytes(), 0, &mut facts, Some(("v1", "ConfigMap"))).unwrap();
        let rows = namespaces.iter().flat_map(|namespace| {
            [CERTIFICATE_CONFIG_MAPS, VARIABLE_CONFIG_MAPS].map(|kind| Coverage {
                source: KUBERNETES.into(),
                kind: kind.into(),
                namespace: Some((*namespace).into()),
                state: CoverageState::Read,
            })
        });
        self.store.take_config_maps(vec![Found { coverage: rows.collect(), facts: Some(facts) }])
    }

    /// Whether nobody is answered at that time.
    pub(crate) fn is_in_doubt(&self, now: jiff::Timestamp) -> bool {
        self.store.is_in_doubt(now)
    }

    /// As the controller takes it.
    pub(crate) fn take(&mut self, now: jiff::Timestamp) -> Taken {
        self.store.take_again(self.last.take(), now)
    }

    /// As the controller gives it back.
    pub(crate) fn keep(&mut self, taken: Taken) {
        self.last = Some(taken);
    }

    /// What was taken last does not count any more.
    pub(crate) fn forget(&mut self) {
        self.last = None;
    }

    /// As if the controller had begun at that time.
    pub(crate) fn whole(&self, now: jiff::Timestamp) -> Taken {
        let mut anew = Self::new(now, &self.namespaces);
        for object in self.objects.values() {
            anew.hear(Said::Applied(object.clone()), now);
        }
        for (kind, (since, state)) in &self.failing {
            anew.hear(Said::Failed(kind, state.clone()), *since);
        }
        let namespaces: Vec<&str> = self.config_maps.0.iter().map(String::as_str).collect();
        if !namespaces.is_empty() {
            anew.read(&namespaces, &self.config_maps.1);
        }
        anew.take(now)
    }
}

fn key(value: &Value) -> Key {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&value["kind"]), text(&value["metadata"]["namespace"]), text(&value["metadata"]["name"]))
}
