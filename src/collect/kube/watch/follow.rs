//! One watch: list, then events, and again when the server has forgotten where we were.
//!
//! It differs from the watcher of kube's runtime in what it tells and how it waits: that a watch which failed is open
//! again is said even where nothing happened meanwhile, every request has its time, and requests are a second apart
//! also where a server ends each watch as soon as it began.

use std::fmt::Debug;
use std::time::Duration;

use futures::StreamExt as _;
use kube::api::{Api, ListParams, WatchParams};
use kube::core::WatchEvent;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::super::connect::describe;
use super::super::list::within;
use crate::collect::pause::{Pause, random};
use crate::model::CoverageState;

/// The least time between two requests of a watch that fails, and the most: what happened while a server was away is
/// known that long after it is back.
const PAUSE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(8));

/// How long the server keeps a watch open.
const WATCH_SECONDS: u32 = 120;

/// How long a watch may be silent: a connection that died without a word is noticed after that time.
const SILENCE: Duration = Duration::from_secs(125);

/// How long a server may take to answer.
const ANSWER: Duration = Duration::from_secs(30);

/// What a watch says.
#[derive(Debug)]
pub enum Event<K> {
    /// All objects are about to be sent.
    Init,
    /// One of them.
    Listed(K),
    /// They were sent.
    Done,
    /// The server tells again what happens, and what happened since it stopped to.
    Resumed,
    /// An object is new or another.
    Applied(K),
    /// An object is gone.
    Gone(K),
    /// The watch does not work; it goes on trying.
    Failed(CoverageState),
}

/// What of a kind is followed.
#[derive(Clone, Debug)]
pub struct Scope {
    /// What messages call it.
    pub name: String,
    /// The most objects that the server is asked for at once; `None`: all.
    pub page_size: Option<u32>,
    /// Which objects.
    pub field_selector: Option<String>,
}

/// Follows a kind until nobody listens any more; events carry the number `at`.
pub async fn follow<K>(api: Api<K>, scope: Scope, at: usize, events: mpsc::Sender<(usize, Event<K>)>)
where
    K: kube::Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let mut watch = Watch { api, scope, version: None, opened: None, at, events };
    let mut pause = Pause::new(PAUSE.0, PAUSE.1);
    loop {
        let began = Instant::now();
        let wait = match watch.round().await {
            Ok(()) => PAUSE.0.saturating_sub(began.elapsed()),
            Err(Stop::Unheard) => return,
            Err(Stop::Failed(state)) => {
                tracing::debug!("watching {}: {state}", watch.scope.name);
                if watch.tell(Event::Failed(state)).await.is_err() {
                    return;
                }
                // One that worked for a while fails for another reason than before.
                if watch.opened.is_some_and(|since| since.elapsed() > pause.get()) {
                    pause.reset();
                }
                let wait = jittered(pause.get());
                pause.grow();
                wait
            }
        };
        tokio::time::sleep(wait).await;
    }
}

/// Why a round ended before the server wanted it to.
enum Stop {
    /// Nobody listens.
    Unheard,
    Failed(CoverageState),
}

struct Watch<K> {
    api: Api<K>,
    scope: Scope,
    /// Up to where the server told what happened; `None`: it has to be listed.
    version: Option<String>,
    /// Since when the server tells.
    opened: Option<Instant>,
    at: usize,
    events: mpsc::Sender<(usize, Event<K>)>,
}

impl<K> Watch<K>
where
    K: kube::Resource + Clone + Debug + DeserializeOwned + Send + 'static,
{
    async fn tell(&self, event: Event<K>) -> Result<(), Stop> {
        self.events.send((self.at, event)).await.map_err(|_| Stop::Unheard)
    }

    /// Lists where that is needed, then watches until the server ends it.
    async fn round(&mut self) -> Result<(), Stop> {
        self.opened = None;
        let version = match self.version.take() {
            Some(version) => version,
            None => self.list().await?,
        };
        let params = WatchParams {
            field_selector: self.scope.field_selector.clone(),
            timeout: Some(WATCH_SECONDS),
            bookmarks: true,
            ..WatchParams::default()
        };
        let opened = within(Some(ANSWER), self.api.watch(&params, &version)).await;
        let is_known = !matches!(&opened, Err(kube::Error::Api(status)) if is_forgotten(status.code));
        self.version = is_known.then_some(version);
        let mut stream = std::pin::pin!(opened.map_err(|error| Stop::Failed(state(&error)))?);
        self.opened = Some(Instant::now());
        self.tell(Event::Resumed).await?;
        loop {
            let Ok(item) = tokio::time::timeout(SILENCE, stream.next()).await else {
                return Err(failed(format!("the server said nothing for {} s", SILENCE.as_secs())));
            };
            match item {
                None => return Ok(()),
                Some(Ok(WatchEvent::Added(object) | WatchEvent::Modified(object))) => {
                    self.reached(object.meta().resource_version.clone())?;
                    self.tell(Event::Applied(object)).await?;
                }
                Some(Ok(WatchEvent::Deleted(object))) => {
                    self.reached(object.meta().resource_version.clone())?;
                    self.tell(Event::Gone(object)).await?;
                }
                Some(Ok(WatchEvent::Bookmark(mark))) => self.reached(Some(mark.metadata.resource_version))?,
                Some(Ok(WatchEvent::Error(status))) => {
                    if is_forgotten(status.code) {
                        self.version = None;
                    }
                    return Err(failed(format!("the server ended the watch: {}", status.message)));
                }
                Some(Err(error)) => return Err(Stop::Failed(state(&error))),
            }
        }
    }

    fn reached(&mut self, version: Option<String>) -> Result<(), Stop> {
        self.version = version.filter(|version| !version.is_empty());
        if self.version.is_none() {
            return Err(failed("the server gives no resource version: it cannot be watched".to_owned()));
        }
        Ok(())
    }

    /// Tells all that there is; returns as of which version.
    async fn list(&self) -> Result<String, Stop> {
        self.tell(Event::Init).await?;
        let mut params = ListParams {
            field_selector: self.scope.field_selector.clone(),
            limit: self.scope.page_size,
            ..ListParams::default()
        };
        loop {
            let page = within(Some(ANSWER), self.api.list(&params)).await;
            let page = page.map_err(|error| {
                Stop::Failed(match &error {
                    kube::Error::Api(status) if status.code == 404 => CoverageState::NotInstalled,
                    _ => state(&error),
                })
            })?;
            for object in page.items {
                self.tell(Event::Listed(object)).await?;
            }
            let next = page.metadata.continue_.filter(|token| !token.is_empty());
            if next.is_some() {
                if next == params.continue_token {
                    return Err(failed("the server repeats the same page without end".to_owned()));
                }
                params.continue_token = next;
                continue;
            }
            let Some(version) = page.metadata.resource_version.filter(|version| !version.is_empty()) else {
                return Err(failed("the server gives no resource version: it cannot be watched".to_owned()));
            };
            self.tell(Event::Done).await?;
            return Ok(version);
        }
    }
}

/// Whether a status says that the server cannot go on from where we were: it forgot (410), it is another or was restored
/// from a backup and has not been there (504, "too large resource version"), or no longer serves the kind (404).
fn is_forgotten(code: u16) -> bool {
    matches!(code, 400 | 404 | 410 | 504)
}

fn failed(why: String) -> Stop {
    Stop::Failed(CoverageState::Failed(why))
}

fn state(error: &kube::Error) -> CoverageState {
    match error {
        kube::Error::Api(status) if status.code == 403 => CoverageState::Forbidden,
        _ => CoverageState::Failed(describe(error)),
    }
}

/// Up to a quarter longer, so that watches which fail together do not come back together.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(1.0 + random() / 4.0)
}
