//! Watches the audit resources.

use std::collections::BTreeMap;

use ::kube::api::{Api, ApiResource, DynamicObject};
use ::kube::{Client, ResourceExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::status::says_the_same;
use super::wish::{AuditId, Wish};
use crate::collect::kube;
use crate::crd::{BuildAudit, ClusterBuildAudit};
use crate::model::CoverageState;

/// What a watch says.
type Event = kube::Event<DynamicObject>;

/// The audit resources of a cluster.
pub(super) struct Audits {
    wishes: BTreeMap<AuditId, Wish>,
    /// By place: whether it was listed.
    listed: Vec<bool>,
    /// By place: what a list in progress has sent so far.
    listing: Vec<Vec<Wish>>,
    events: mpsc::Receiver<(usize, Event)>,
    tasks: Vec<JoinHandle<()>>,
    /// Which resources are at a place.
    places: Vec<Option<String>>,
}

impl Audits {
    /// Begins to watch: BuildAudits of the given namespaces, or of all, and ClusterBuildAudits.
    pub(super) fn watch(client: &Client, namespaces: &[String]) -> Self {
        let (sender, events) = mpsc::channel(64);
        // An empty name stands for all namespaces.
        let mut places: Vec<Option<String>> = vec![None];
        if namespaces.is_empty() {
            places.push(Some(String::new()));
        } else {
            places.extend(namespaces.iter().cloned().map(Some));
        }
        let tasks = places
            .iter()
            .enumerate()
            .map(|(at, place)| tokio::spawn(follow(client.clone(), place.as_deref(), at, sender.clone())))
            .collect();
        Self {
            wishes: BTreeMap::new(),
            listed: vec![false; places.len()],
            listing: vec![Vec::new(); places.len()],
            events,
            tasks,
            places,
        }
    }

    /// Whether all that there is is known.
    pub(super) fn is_settled(&self) -> bool {
        self.listed.iter().all(|listed| *listed)
    }

    /// What is asked, in order.
    pub(super) fn wishes(&self) -> Vec<Wish> {
        self.wishes.values().cloned().collect()
    }

    /// The status of one is written.
    pub(super) fn wrote(&mut self, id: &AuditId, status: crate::crd::build_audit::AuditStatus) {
        if let Some(wish) = self.wishes.get_mut(id) {
            wish.status = Some(status);
        }
    }

    /// Waits until something happens; returns whether there is something to answer. That a status is what was written
    /// is nothing new; that it is not, is: somebody else wrote.
    pub(super) async fn changed(&mut self) -> bool {
        let Some((place, event)) = self.events.recv().await else { return std::future::pending().await };
        match event {
            Event::Init => {
                self.listing[place].clear();
                false
            }
            Event::Listed(object) => {
                self.listing[place].push(wish(&object));
                false
            }
            Event::Done => self.all(place),
            Event::Resumed => false,
            Event::Applied(object) => self.take(wish(&object)),
            Event::Gone(object) => self.wishes.remove(&id(&object)).is_some(),
            Event::Failed(state) => {
                tracing::warn!("audits are not watched: {state}");
                // Nobody can write one that may not be read: what there is to answer is known.
                let is_closed =
                    state == CoverageState::NotInstalled || state == CoverageState::Forbidden && !self.listed[place];
                if is_closed {
                    self.listing[place].clear();
                    return self.all(place);
                }
                false
            }
        }
    }

    /// What was listed is all that there is at a place.
    fn all(&mut self, place: usize) -> bool {
        self.listed[place] = true;
        let all = std::mem::take(&mut self.listing[place]);
        let scope = &self.places[place];
        let is_here = |id: &AuditId| match (scope, id) {
            (None, AuditId::Cluster { .. }) => true,
            (Some(of), AuditId::Namespaced { namespace, .. }) => of.is_empty() || of == namespace,
            _ => false,
        };
        self.wishes.retain(|id, _| !is_here(id) || all.iter().any(|wish| wish.id == *id));
        for wish in all {
            self.take(wish);
        }
        true
    }

    fn take(&mut self, wish: Wish) -> bool {
        let before = self.wishes.get(&wish.id);
        let is_news = before.is_none_or(|before| {
            let same_status = match (&before.status, &wish.status) {
                (Some(a), Some(b)) => says_the_same(a, b),
                (a, b) => a == b,
            };
            (&before.uid, before.generation, &before.spec) != (&wish.uid, wish.generation, &wish.spec) || !same_status
        });
        self.wishes.insert(wish.id.clone(), wish);
        is_news
    }
}

impl Drop for Audits {
    fn drop(&mut self) {
        self.tasks.drain(..).for_each(|task| task.abort());
    }
}

fn follow(
    client: Client,
    place: Option<&str>,
    at: usize,
    events: mpsc::Sender<(usize, Event)>,
) -> impl Future<Output = ()> + use<> {
    let resource = match place {
        None => ApiResource::erase::<ClusterBuildAudit>(&()),
        Some(_) => ApiResource::erase::<BuildAudit>(&()),
    };
    let api: Api<DynamicObject> = match place {
        Some(namespace) if !namespace.is_empty() => Api::namespaced_with(client, namespace, &resource),
        _ => Api::all_with(client, &resource),
    };
    let scope = kube::Scope { name: resource.kind, page_size: None, field_selector: None };
    kube::follow(api, scope, at, events)
}

fn id(object: &DynamicObject) -> AuditId {
    match object.namespace() {
        Some(namespace) => AuditId::Namespaced { namespace, name: object.name_any() },
        None => AuditId::Cluster { name: object.name_any() },
    }
}

fn wish(object: &DynamicObject) -> Wish {
    let id = id(object);
    let value = serde_json::to_value(object).unwrap_or_default();
    let read = match &id {
        AuditId::Cluster { .. } => serde_json::from_value(value.clone()).map(Wish::cluster),
        AuditId::Namespaced { .. } => serde_json::from_value(value.clone()).map(Wish::namespaced),
    };
    read.unwrap_or_else(|why| Wish::malformed(id, &value["metadata"], why.to_string()))
}
