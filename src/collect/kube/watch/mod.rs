//! Keeps the facts of a cluster up to date: the same kinds, decoder and snapshot as a collection, fed by watches.
//!
//! Which kinds there are is asked again every half minute, so that the policies of an engine that is installed later
//! are seen. ConfigMaps are never listed: those that matter are read by name, as often.

mod follow;
mod sent;
mod store;

use std::collections::BTreeMap;
use std::time::Duration;

use kube::api::{Api, ApiResource};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub use self::follow::{Event, Scope, follow};
use self::sent::Sent;
use self::store::{Slot, Store};
use super::LiveOptions;
use super::connect::connect;
use super::discover::discover;
use super::kinds::plan;
use super::read::{self, Found, Reader};
use crate::model::{Snapshot, Str};

/// How often kinds are discovered and ConfigMaps read.
const PERIOD: Duration = Duration::from_secs(30);

/// Events that wait to be taken in.
const WAITING: usize = 256;

/// Events that are taken in before anybody else has a turn.
const AT_ONCE: usize = 1024;

/// ConfigMaps by namespace, and there by what they are for.
type Names = BTreeMap<String, read::Purposes>;

/// A cluster that is watched.
pub struct Cluster {
    reader: Reader<'static>,
    namespaces: Vec<String>,
    /// ConfigMaps that somebody names.
    asked: Vec<(Str, Str)>,
    store: Store,
    tasks: Vec<Option<JoinHandle<()>>>,
    sender: mpsc::Sender<(usize, store::Event)>,
    events: mpsc::Receiver<(usize, store::Event)>,
    config_maps: Vec<Found>,
    /// Those that were read.
    read: Names,
    /// The number that the store had when the names were looked at last.
    seen_names: Option<u64>,
    next_round: Instant,
    /// Facts that became old until then were told.
    aged: jiff::Timestamp,
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
        let (sender, events) = mpsc::channel(WAITING);
        let mut cluster = Self {
            reader,
            namespaces: namespaces.to_vec(),
            asked: options.config_maps.clone(),
            store,
            tasks: Vec::new(),
            sender,
            events,
            config_maps: Vec::new(),
            read: Names::new(),
            seen_names: None,
            next_round: Instant::now() + PERIOD,
            aged: jiff::Timestamp::now(),
        };
        cluster.discover().await?;
        Ok(cluster)
    }

    /// The client, for who writes.
    pub fn client(&self) -> kube::Client {
        self.reader.connection.client.clone()
    }

    /// Waits until something happens and takes it in; returns whether the facts may be others now.
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
                true
            }
            () = tokio::time::sleep_until(self.next_round) => {
                self.next_round = Instant::now() + PERIOD;
                let found_kinds = self.discover().await.unwrap_or_else(|error| {
                    tracing::warn!("{error:#}");
                    false
                });
                let found_maps = self.is_settled() && self.read_config_maps().await;
                found_kinds || found_maps
            }
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
    pub async fn snapshot(&mut self) -> Snapshot {
        if self.seen_names != Some(self.store.names()) {
            self.seen_names = Some(self.store.names());
            if self.names() != self.read {
                self.read_config_maps().await;
            }
        }
        let now = jiff::Timestamp::now();
        let mut builder = self.store.builder(now);
        for found in &self.config_maps {
            found.coverage.iter().for_each(|coverage| builder.coverage(coverage.clone()));
            if let Some(facts) = &found.facts {
                builder.append(facts.facts.clone());
            }
        }
        builder.finish()
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

    /// Asks which kinds there are, and watches those that are new.
    async fn discover(&mut self) -> anyhow::Result<bool> {
        let served = discover(&self.reader.connection).await?;
        let mut wanted = Vec::new();
        for planned in plan(&served) {
            if self.namespaces.is_empty() || !planned.kind.namespaced {
                wanted.push(Slot::new(&planned, None));
            } else {
                // The rest of the cluster is nobody's to read.
                wanted.push(Slot::elsewhere(&planned));
                wanted.extend(self.namespaces.iter().map(|ns| Slot::new(&planned, Some(ns.clone()))));
            }
        }
        let is_same = wanted.len() == self.store.slots.len()
            && wanted.iter().zip(&self.store.slots).all(|(wanted, known)| wanted.is_like(known));
        if is_same {
            return Ok(false);
        }
        // Slots are numbered, and watches know their number: all begin anew. Kinds come and go a few times a year.
        self.tasks.drain(..).flatten().for_each(|task| task.abort());
        (self.sender, self.events) = mpsc::channel(WAITING);
        self.store.slots = wanted;
        self.seen_names = None;
        for (at, slot) in self.store.slots.iter().enumerate() {
            self.tasks.push(slot.is_watched().then(|| tokio::spawn(self.follow(at, slot))));
        }
        Ok(true)
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

    /// Reads them; returns whether they are others than before.
    async fn read_config_maps(&mut self) -> bool {
        let names = self.names();
        let mut found = Vec::new();
        for (namespace, names) in &names {
            found.push(self.reader.config_maps(namespace.clone(), names.clone()).await);
        }
        let said = |all: &[Found]| {
            let parts = all.iter().map(|found| (&found.coverage, found.facts.as_ref().map(|f| &f.facts)));
            format!("{:?}", parts.collect::<Vec<_>>())
        };
        let changed = said(&found) != said(&self.config_maps);
        (self.config_maps, self.read) = (found, names);
        changed
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.tasks.drain(..).flatten().for_each(|task| task.abort());
    }
}
