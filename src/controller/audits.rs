//! Watches the audit resources.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::{Api, ApiResource, DynamicObject};
use kube::runtime::watcher;
use kube::{Client, ResourceExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::status::says_the_same;
use super::wish::{AuditId, Wish};
use crate::crd::{BuildAudit, ClusterBuildAudit};

/// The least time between two requests of a watch that fails, and the most.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// What a watch says.
#[derive(Debug)]
enum Event {
    /// All that there is at one place.
    All(Vec<Wish>),
    /// One is new or another.
    One(Box<Wish>),
    /// One is gone.
    Gone(AuditId),
}

/// The audit resources of a cluster.
pub(super) struct Audits {
    wishes: BTreeMap<AuditId, Wish>,
    /// By place: whether it was listed.
    listed: Vec<bool>,
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
            .map(|(at, place)| tokio::spawn(follow(client.clone(), place.clone(), at, sender.clone())))
            .collect();
        Self { wishes: BTreeMap::new(), listed: vec![false; places.len()], events, tasks, places }
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
            Event::All(all) => {
                self.listed[place] = true;
                let scope = self.places[place].clone();
                let is_here = |id: &AuditId| match (&scope, id) {
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
            Event::One(wish) => self.take(*wish),
            Event::Gone(id) => self.wishes.remove(&id).is_some(),
        }
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

async fn follow(client: Client, place: Option<String>, at: usize, events: mpsc::Sender<(usize, Event)>) {
    let resource = match &place {
        None => ApiResource::erase::<ClusterBuildAudit>(&()),
        Some(_) => ApiResource::erase::<BuildAudit>(&()),
    };
    let api: Api<DynamicObject> = match &place {
        Some(namespace) if !namespace.is_empty() => Api::namespaced_with(client, namespace, &resource),
        _ => Api::all_with(client, &resource),
    };
    let mut stream = std::pin::pin!(watcher(api, watcher::Config::default().timeout(120)));
    let mut pause = PAUSE.0;
    let mut listing = Vec::new();
    while let Some(item) = stream.next().await {
        let event = match item {
            Ok(watcher::Event::Init) => {
                listing.clear();
                continue;
            }
            Ok(watcher::Event::InitApply(object)) => {
                listing.push(wish(&object));
                continue;
            }
            Ok(watcher::Event::InitDone) => Event::All(std::mem::take(&mut listing)),
            Ok(watcher::Event::Apply(object)) => Event::One(Box::new(wish(&object))),
            Ok(watcher::Event::Delete(object)) => Event::Gone(id(&object)),
            Err(error) => {
                tracing::warn!("watching {}: {error}", resource.plural);
                // Nobody can write one that may not be read: what there is to answer is known.
                let is_closed = matches!(&error,
                    watcher::Error::InitialListFailed(kube::Error::Api(status)) if matches!(status.code, 403 | 404));
                if is_closed && events.send((at, Event::All(Vec::new()))).await.is_err() {
                    return;
                }
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE.1);
                continue;
            }
        };
        pause = PAUSE.0;
        if events.send((at, event)).await.is_err() {
            return;
        }
    }
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
