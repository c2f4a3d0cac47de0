//! Keeps the facts of a cluster up to date: the same kinds, decoder and snapshot as a collection, fed by watches.
//!
//! Which kinds there are is asked again every half minute, so that the policies of an engine that is installed later
//! are seen. ConfigMaps are never listed: those that matter are read by name, as often.

mod follow;
mod sent;
mod store;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kube::api::{Api, ApiResource};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use self::follow::{Event, Scope, follow};
use self::sent::Sent;
pub use self::store::Revision;
use self::store::{Slot, Store};
use super::LiveOptions;
use super::connect::connect;
use super::discover::{Served, discover};
use super::kinds::plan;
use super::read::{self, Found, Names, Reader};
use crate::model::object::{NetworkPolicy, Owner};
use crate::model::{Snapshot, Str};

/// How often kinds are discovered and ConfigMaps read.
const PERIOD: Duration = Duration::from_secs(30);

/// Events that wait to be taken in.
const WAITING: usize = 32;

/// Events that are taken in before anybody else has a turn.
const AT_ONCE: usize = 1024;

/// A cluster that is watched.
pub struct Cluster {
    reader: Arc<Reader<'static>>,
    namespaces: Vec<String>,
    /// ConfigMaps that somebody names.
    asked: Vec<(Str, Str)>,
    store: Store,
    tasks: Vec<Option<JoinHandle<()>>>,
    sender: mpsc::Sender<(usize, store::Event)>,
    events: mpsc::Receiver<(usize, store::Event)>,
    /// The ConfigMaps that were read.
    read: Names,
    /// The number that the store had when the names were looked at last.
    seen_names: Option<u64>,
    next_round: Instant,
    /// Questions under way: which kinds there are, and what is in the ConfigMaps. On their own, for what happens
    /// meanwhile does not wait for the answers, nor they for a moment in which nothing happens.
    discovery: Option<JoinHandle<anyhow::Result<Served>>>,
    reading: Option<JoinHandle<(Names, Vec<Found>)>>,
    /// Facts that became old until then were told.
    aged: jiff::Timestamp,
    /// What was taken last, if it was given back.
    last: Option<Taken>,
}

/// The facts at an instant.
#[derive(Debug)]
pub struct Taken {
    /// The facts.
    pub snapshot: Snapshot,
    /// Which facts these are.
    pub revision: Revision,
    /// When all of it was put together.
    pub built: jiff::Timestamp,
    /// What was otherwise in the facts that were given back, where it is them, with the parts renewed that are others.
    pub former: Option<Former>,
}

/// What was otherwise before facts were renewed.
#[derive(Debug)]
pub struct Former {
    /// Which facts they were.
    pub revision: Revision,
    /// The NetworkPolicies, where they were others.
    pub policies: Option<Vec<NetworkPolicy>>,
    /// By namespace, who owns or owned the pods that came, went or are others.
    pub owners: Vec<(Str, Owner)>,
}

/// Counts of a watched kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The kind, as coverage names it.
    pub kind: String,
    /// Objects that are known.
    pub objects: usize,
    /// How often all of them were listed: once, and again whenever the server had forgotten where the watch was.
    pub lists: u64,
}

impl Cluster {
    /// Connects, asks what the server has, and begins to watch: of the given namespaces, or of all where there are none.
    ///
    /// # Errors
    ///
    /// No kubeconfig, no answer from the server, credentials that it does not accept.
    pub async fn watch(options: &LiveOptions, namespaces: &[String]) -> anyhow::Result<Self> {
        let connection = connect(options).await?;
        let store = Store::new(&connection.name);
        let fallback = read::fallback_namespaces(&connection, options);
        let reader = Reader {
            connection,
            page_size: options.page_size,
            progress: &|_, _| {},
            instant: jiff::Timestamp::UNIX_EPOCH,
            source: 0,
            fallback,
        };
        let mut cluster = Self::new(reader, namespaces, options.config_maps.clone(), store);
        let served = discover(&cluster.reader.connection).await?;
        cluster.follow_all(&served);
        Ok(cluster)
    }

    /// With a store of which nothing is followed yet.
    fn new(reader: Reader<'static>, namespaces: &[String], asked: Vec<(Str, Str)>, store: Store) -> Self {
        let (sender, events) = mpsc::channel(WAITING);
        // One that is named twice is watched once.
        let namespaces: BTreeSet<&String> = namespaces.iter().collect();
        Self {
            reader: Arc::new(reader),
            namespaces: namespaces.into_iter().cloned().collect(),
            asked,
            store,
            tasks: Vec::new(),
            sender,
            events,
            read: Names::new(),
            seen_names: None,
            next_round: Instant::now() + PERIOD,
            discovery: None,
            reading: None,
            aged: jiff::Timestamp::now(),
            last: None,
        }
    }

    /// The client, for who writes.
    pub fn client(&self) -> kube::Client {
        self.reader.connection.client.clone()
    }

    /// Waits until something happens and takes it in; returns whether the facts may be others now. Nothing is lost where
    /// nobody waits for it to the end.
    pub async fn changed(&mut self) -> bool {
        let aging = self.store.next_to_age(self.aged);
        let left = aging.map(|at| Duration::try_from(jiff::Timestamp::now().duration_until(at)).unwrap_or_default());
        let aged = tokio::time::sleep(left.unwrap_or(PERIOD));
        tokio::select! {
            Some((slot, event)) = self.events.recv() => {
                let mut changed = self.take(slot, event);
                for _ in 0..AT_ONCE {
                    let Ok((slot, event)) = self.events.try_recv() else { break };
                    changed |= self.take(slot, event);
                }
                changed
            }
            () = aged, if aging.is_some() => {
                self.aged = aging.unwrap_or(self.aged);
                self.store.changed_beside();
                true
            }
            () = tokio::time::sleep_until(self.next_round) => {
                self.next_round = Instant::now() + PERIOD;
                self.ask();
                false
            }
            served = answer(&mut self.discovery) => match served {
                Ok(served) => self.follow_all(&served),
                Err(error) => {
                    tracing::warn!("{error:#}");
                    false
                }
            },
            (names, found) = answer(&mut self.reading) => {
                // They were asked for a while ago: objects may name others, and did so when they were looked at last.
                self.seen_names = None;
                self.take_config_maps(names, found)
            }
        }
    }

    /// Begins to ask again what no watch tells.
    fn ask(&mut self) {
        if self.discovery.is_none() {
            let reader = Arc::clone(&self.reader);
            self.discovery = Some(tokio::spawn(async move { discover(&reader.connection).await }));
        }
        if self.reading.is_none() && self.is_settled() {
            self.reading = Some(tokio::spawn(read_config_maps(Arc::clone(&self.reader), self.names())));
        }
    }

    fn take(&mut self, slot: usize, event: store::Event) -> bool {
        // A watch that was given up may have said something last.
        slot < self.store.slots.len() && self.store.apply(slot, event, jiff::Timestamp::now())
    }

    /// Whether every kind was listed once, or cannot be.
    pub fn is_settled(&self) -> bool {
        self.store.is_settled()
    }

    /// Whether something may be another than what is known, because a watch fails since a moment. It is known again, or
    /// counts as old, twenty seconds.
    pub fn is_in_doubt(&self) -> bool {
        self.store.is_in_doubt(jiff::Timestamp::now())
    }

    /// What is known now. ConfigMaps that objects came to name are read first.
    pub async fn snapshot(&mut self) -> Taken {
        if self.seen_names != Some(self.store.names()) {
            self.seen_names = Some(self.store.names());
            let names = self.names();
            if names != self.read {
                // What is being read is older than what is read now.
                self.reading.take().inspect(JoinHandle::abort);
                let (names, found) = read_config_maps(Arc::clone(&self.reader), names).await;
                self.take_config_maps(names, found);
            }
        }
        self.store.take_again(self.last.take(), jiff::Timestamp::now())
    }

    /// Gives a snapshot back: most of the next one is the same.
    pub fn keep(&mut self, taken: Taken) {
        self.last = Some(taken);
    }

    /// Whether nothing but policies is another than in the snapshot that was given back.
    pub fn is_nearly_known(&self) -> bool {
        self.last.as_ref().is_some_and(|last| self.store.is_nearly(last))
    }

    /// The next snapshot is a new one: what was added to the last is another by now.
    pub fn forget(&mut self) {
        self.last = None;
    }

    /// What is watched.
    pub fn watched(&self) -> Vec<Watched> {
        let mut by_kind: BTreeMap<String, Watched> = BTreeMap::new();
        for (kind, objects, lists) in self.store.counts() {
            let watched = by_kind.entry(kind.clone()).or_insert(Watched { kind, objects: 0, lists: 0 });
            watched.objects += objects;
            watched.lists += lists;
        }
        by_kind.into_values().collect()
    }

    /// Watches all kinds that there are, if they are others than before.
    fn follow_all(&mut self, served: &Served) -> bool {
        let mut wanted = Vec::new();
        for planned in plan(served) {
            if self.namespaces.is_empty() || !planned.kind.namespaced {
                wanted.push(Slot::new(&planned, None));
            } else {
                // The rest of the cluster is nobody's to read.
                wanted.push(Slot::elsewhere(&planned));
                wanted.extend(self.namespaces.iter().map(|ns| Slot::new(&planned, Some(ns.clone()))));
            }
        }
        if let Some(differs) = self.store.settle(&wanted) {
            return differs;
        }
        // Slots are numbered, and watches know their number: all begin anew. Kinds come and go a few times a year.
        self.tasks.drain(..).flatten().for_each(|task| task.abort());
        (self.sender, self.events) = mpsc::channel(WAITING);
        self.store.slots = wanted;
        self.store.changed_beside();
        self.seen_names = None;
        // What was taken does not hold any more, and takes room while all is listed.
        self.last = None;
        for (at, slot) in self.store.slots.iter().enumerate() {
            self.tasks.push(slot.is_watched().then(|| tokio::spawn(self.follow(at, slot))));
        }
        true
    }

    fn follow(&self, at: usize, slot: &Slot) -> impl Future<Output = ()> + use<> {
        let kind = &slot.kind;
        let resource = ApiResource {
            group: kind.group.clone(),
            version: kind.version.clone(),
            api_version: kind.api_version(),
            kind: kind.kind.clone(),
            plural: kind.plural.clone(),
        };
        let client = self.client();
        let api: Api<Sent> = match &slot.namespace {
            Some(namespace) => Api::namespaced_with(client, namespace, &resource),
            None => Api::all_with(client, &resource),
        };
        let scope = Scope {
            name: kind.coverage_name(),
            page_size: Some(self.reader.page_size),
            field_selector: kind.field_selector.map(str::to_owned),
        };
        follow(api, scope, at, self.sender.clone())
    }

    /// The ConfigMaps that matter.
    fn names(&self) -> Names {
        let now = jiff::Timestamp::now();
        let namespaces = self.store.namespaces(now);
        let all_known = self.namespaces.is_empty() && !namespaces.is_empty();
        let fixed = read::config_maps(&namespaces, all_known);
        read::wanted(self.store.named(now), &self.asked, fixed)
    }

    /// They were read; returns whether they are others than before.
    fn take_config_maps(&mut self, names: Names, found: Vec<Found>) -> bool {
        self.read = names;
        self.store.take_config_maps(found)
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.tasks.drain(..).flatten().for_each(|task| task.abort());
        self.discovery.take().inspect(JoinHandle::abort);
        self.reading.take().inspect(JoinHandle::abort);
    }
}

/// The answer to a question that is under way, when it comes. Who stops waiting finds it later.
async fn answer<T>(question: &mut Option<JoinHandle<T>>) -> T {
    if let Some(task) = question {
        let result = task.await;
        *question = None;
        match result {
            Ok(answer) => return answer,
            Err(error) => tracing::warn!("a question to the server ended without an answer: {error}"),
        }
    }
    std::future::pending().await
}

/// Reads ConfigMaps; all of them may take as long as two requests, one after the other.
async fn read_config_maps(reader: Arc<Reader<'static>>, names: Names) -> (Names, Vec<Found>) {
    let limit = reader.connection.timeout.map(|timeout| timeout * 2);
    let found = reader.config_maps(&names, limit).await;
    (names, found)
}
