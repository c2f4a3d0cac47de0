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
use super::store::{Slot, Store};
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
}

impl Scripted {
    /// All built-in kinds and those of this program, of which there are no objects yet.
    pub(crate) fn new(now: jiff::Timestamp) -> Self {
        let own = |plural: &str, kind: &str| Resource {
            group: crate::crd::GROUP.to_owned(),
            version: "v1alpha1".to_owned(),
            plural: plural.to_owned(),
            kind: kind.to_owned(),
            namespaced: false,
        };
        let served = Served::new(vec![own("endpointsets", "EndpointSet"), own("nodetrusts", "NodeTrust")]);
        let mut store = Store::new("test");
        store.slots = plan(&served).iter().map(|planned| Slot::new(planned, None)).collect();
        for at in 0..store.slots.len() {
            if store.slots[at].is_watched() {
                store.apply(at, Event::Init, now);
                store.apply(at, Event::Done, now);
            }
        }
        assert!(store.is_settled());
        let (objects, failing) = (BTreeMap::new(), BTreeMap::new());
        Self { store, last: None, objects, failing, config_maps: Default::default() }
    }

    fn slot(&self, kind: &str) -> usize {
        self.store.slots.iter().position(|slot| slot.kind.kind == kind && slot.is_watched()).unwrap()
    }

    /// Takes in what a watch says; returns whether that is an event.
    pub(crate) fn hear(&mut self, said: Said, now: jiff::Timestamp) -> bool {
        self.note(&said, now);
        let sent = |value: &Value| -> Sent { serde_json::from_str(&value.to_string()).unwrap() };
        match said {
            Said::Applied(value) => self.store.apply(self.slot(&key(&value).0), Event::Applied(sent(&value)), now),
            Said::Gone(value) => self.store.apply(self.slot(&key(&value).0), Event::Gone(sent(&value)), now),
            Said::Listed(kind, values) => {
                let slot = self.slot(kind);
                self.store.apply(slot, Event::Init, now);
                for value in &values {
                    self.store.apply(slot, Event::Listed(sent(value)), now);
                }
                self.store.apply(slot, Event::Done, now)
            }
            Said::Failed(kind, state) => self.store.apply(self.slot(kind), Event::Failed(state), now),
            Said::Resumed(kind) => self.store.apply(self.slot(kind), Event::Resumed, now),
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
            Said::Failed(kind, state) => self.failing.entry(*kind).or_insert((now, state.clone())).1 = state.clone(),
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
        let mut anew = Self::new(now);
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
