//! The node agent: reads what its node trusts, writes it as one `NodeTrust`, and again whenever it changes.
//!
//! Between changes it sleeps: the kernel tells what happens to the directories that were read.

mod watch;
mod write;

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;
use std::pin::pin;
use std::time::Duration;

use anyhow::Context as _;
use jiff::Timestamp;

use crate::collect::kube::LiveOptions;
use crate::collect::node::{self, Root};
use crate::crd::NodeTrust;
use crate::model::trust::NodeTrust as Facts;
use crate::model::{Pause, Str};
use crate::trust::runtime::About;

use self::watch::Watch;
pub use self::write::FIELD_MANAGER;
use self::write::Writer;

/// How long it waits before it tries again what failed.
const PAUSE: Pause = Pause::new(Duration::from_secs(10), Duration::from_secs(320));

/// How the agent runs.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where the node's root is mounted.
    pub root: PathBuf,
    /// Name of the node, and of what is written.
    pub node: String,
    /// The node's container runtime and its version, where no cluster tells it: `containerd://1.7.27`.
    pub container_runtime: Option<String>,
    /// How long it waits before it reads again although nothing was seen to change.
    pub period: Duration,
    /// How long things must be quiet after a change.
    pub quiet: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            root: PathBuf::from("/host"),
            node: String::new(),
            container_runtime: None,
            period: Duration::from_secs(3600),
            quiet: Duration::from_secs(2),
        }
    }
}

impl Options {
    fn about(&self, container_runtime: Option<&str>) -> About {
        let container_runtime = container_runtime.or(self.container_runtime.as_deref());
        About {
            name: self.node.as_str().into(),
            observed: Timestamp::now(),
            container_runtime: container_runtime.map(Str::from),
            config_path: None,
        }
    }

    /// The period, longer by up to a tenth that differs from node to node: not all nodes write at once.
    fn spread(&self) -> Duration {
        let mut hasher = DefaultHasher::new();
        self.node.hash(&mut hasher);
        let tenth = self.period.as_secs() / 10;
        self.period.saturating_add(Duration::from_secs(hasher.finish() % tenth.max(1)))
    }
}

/// Reads the node once.
///
/// # Errors
///
/// The root cannot be opened.
pub fn observe(options: &Options) -> anyhow::Result<Facts> {
    let about = options.about(None);
    node::read(&options.root, &about).with_context(|| format!("cannot open {}", options.root.display()))
}

/// Facts as the resource that is written.
pub fn resource(facts: &Facts) -> NodeTrust {
    NodeTrust {
        status: Some(facts.into()),
        ..NodeTrust::new(&facts.meta.name, crate::crd::node_trust::NodeTrustSpec {})
    }
}

/// Reads the node and writes what was read, once.
///
/// # Errors
///
/// The root cannot be opened, or the cluster refuses.
pub async fn write_once(options: &Options, live: &LiveOptions) -> anyhow::Result<()> {
    let root = Root::open(&options.root).with_context(|| format!("cannot open {}", options.root.display()))?;
    let mut writer = Writer::connect(live, &options.node).await?;
    let about = options.about(writer.node().await?.container_runtime.as_deref());
    writer.write(&node::facts(&root, &about)).await
}

/// Reads and writes until `stop` comes.
///
/// # Errors
///
/// The root cannot be opened, or the credentials cannot be used. What fails later is tried again.
pub async fn run(options: &Options, live: &LiveOptions, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let root = Root::open(&options.root).with_context(|| format!("cannot open {}", options.root.display()))?;
    let writer = Writer::connect(live, &options.node).await?;
    let mut agent = Agent { options, root, writer, watch: None, written: None };
    let mut stop = pin!(stop);
    let mut pause = PAUSE;
    loop {
        let wait = match agent.round().await {
            Ok(()) => {
                pause.reset();
                options.spread()
            }
            Err(error) => {
                tracing::warn!("NodeTrust {} is not written: {error:#}", options.node);
                let wait = pause.get();
                pause.grow();
                wait
            }
        };
        tokio::select! {
            () = &mut stop => return Ok(()),
            () = agent.changed() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }
}

struct Agent<'o> {
    options: &'o Options,
    root: Root,
    writer: Writer,
    watch: Option<Watch>,
    /// What the cluster holds, as far as is known, and since when.
    written: Option<(Facts, Timestamp)>,
}

impl Agent<'_> {
    /// Reads; writes if anything has changed, or the time has come to say that nothing has.
    async fn round(&mut self) -> anyhow::Result<()> {
        let node = self.writer.node().await?;
        let about = self.options.about(node.container_runtime.as_deref());
        let facts = self.read(&about);
        if let Some((written, at)) = &self.written
            && facts == (Facts { observed: facts.observed, ..written.clone() })
            && about.observed.duration_since(*at).unsigned_abs() < self.options.period
        {
            return Ok(());
        }
        self.writer.write(&facts).await?;
        tracing::info!(
            "NodeTrust {} is written: {} stores, {} registries",
            self.options.node,
            facts.stores.len(),
            facts.registries.len()
        );
        self.written = Some((facts, about.observed));
        Ok(())
    }

    /// Reads with every directory watched before it is read for the last time: no change goes unseen in between.
    fn read(&mut self, about: &About) -> Facts {
        const ATTEMPTS: usize = 3;
        for _ in 0..ATTEMPTS {
            let (facts, directories) = node::facts_and_directories(&self.root, about);
            if self.watch.as_ref().is_some_and(|watch| watch.is_on(&directories)) {
                return facts;
            }
            match Watch::new(&self.root, directories) {
                Ok(watch) => self.watch = Some(watch),
                Err(error) => {
                    tracing::warn!("changes are not seen before the next regular reading: {error}");
                    self.watch = None;
                    return facts;
                }
            }
        }
        node::facts(&self.root, about)
    }

    /// Waits until something has changed and things are quiet again.
    async fn changed(&mut self) {
        const LONGEST: u32 = 15;
        let Some(watch) = &mut self.watch else { return std::future::pending().await };
        watch.changed().await;
        for _ in 0..LONGEST {
            if tokio::time::timeout(self.options.quiet, watch.changed()).await.is_err() {
                return;
            }
            // A stream of events is taken together, not one by one.
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}
