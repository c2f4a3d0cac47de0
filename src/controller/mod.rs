//! The controller: watches, evaluates, and keeps the status of audit resources true.
//!
//! ```text
//!  watches ──► store ──► Snapshot ──► evaluate ──► status, metrics
//!                                         └──► told ──► reports, events, annotations
//! ```
//!
//! The network of AWS, which nobody can watch, is read again and again and added to the Snapshot. Every evaluation is that
//! of `buildreach audit` on the snapshot that a collection would have made at that instant.

mod annotate;
mod audits;
mod beside;
mod evaluate;
mod events;
mod heads;
#[cfg(test)]
mod incremental;
mod insist;
mod lease;
mod metrics;
mod network;
mod recorder;
mod reports;
mod role;
mod said;
mod serve;
pub mod status;
mod target;
mod told;
mod wish;
mod write;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use tokio::sync::watch;
use tokio::time::Instant;

pub use self::annotate::ANNOTATOR;
pub use self::evaluate::{Answer, Memory, Setup, evaluate};
pub use self::lease::LeaseOptions;
pub use self::metrics::Metrics;
pub use self::network::AwsOptions;
pub use self::reports::Reports;
pub use self::role::writer_role;
pub use self::wish::{AuditId, Wish};
pub use self::write::FIELD_MANAGER;

use self::audits::Audits;
use self::beside::Beside;
use self::insist::Insistence;
use self::lease::Role;
use self::network::Network;
use self::told::{Told, Ways};
use self::write::Written;
use crate::collect::kube::{Cluster, LiveOptions};

/// The loop turns at least this often.
const TURN: Duration = Duration::from_secs(10);

/// How long to wait before what could not be written is written again.
const RETRY: Duration = Duration::from_secs(2);

/// The share of the time that is not spent on evaluations, as many times what the last one took: where pods come and go
/// all the time, changes are gathered for longer.
const REST: u32 = 4;

/// And no longer than this.
const MOST_REST: Duration = Duration::from_secs(10);

/// How long a watch that is open again is given to tell what happened while it was not.
const AFTER_DOUBT: Duration = Duration::from_secs(1);
/// One request of those who write beside the status may take so long.
const REQUEST: Duration = Duration::from_secs(30);

/// How the controller runs.
#[derive(Debug)]
pub struct Options {
    /// Namespaces to watch; none for all.
    pub namespaces: Vec<String>,
    /// Where `/livez`, `/readyz` and `/metrics` are served.
    pub metrics: Option<SocketAddr>,
    /// The lease to compete for; without it this process writes.
    pub lease: Option<LeaseOptions>,
    /// How long changes are gathered before they are evaluated together.
    pub debounce: Duration,
    /// A status that does not change is written again after this time.
    pub heartbeat: Duration,
    /// Create the ClusterBuildAudit `default` if there is none.
    pub default_audit: bool,
    /// Which reports are written.
    pub reports: Reports,
    /// Annotate workloads that do not reach what they need.
    pub annotate: bool,
    /// Read the network of AWS, too.
    pub aws: Option<AwsOptions>,
    /// Catalogue, ranges, profile.
    pub setup: Setup,
}

/// Runs until `stop`.
///
/// # Errors
///
/// The cluster cannot be reached at the beginning, the address cannot be listened on, the lease is lost.
pub async fn run(options: Options, live: &LiveOptions, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let metrics = Arc::new(Metrics::default());
    metrics.turn();
    let server = match options.metrics {
        Some(address) => {
            let (address, answers) = serve::serve(address, Arc::clone(&metrics)).await?;
            tracing::info!("serving /livez, /readyz and /metrics on {address}");
            Some(tokio::spawn(answers))
        }
        None => None,
    };
    let cluster = Cluster::watch(live, &options.namespaces).await?;
    let client = cluster.client();
    let audits = Audits::watch(&client, &options.namespaces);
    let (tell, role) = watch::channel(Role::Follower);
    let election = if let Some(lease) = &options.lease {
        tokio::spawn(lease::compete(client.clone(), lease.clone(), tell))
    } else {
        tell.send_replace(Role::Leader { unheard_since: None });
        // Without a competitor there is nothing to lose.
        tokio::spawn(async move {
            let _tell = tell;
            std::future::pending().await
        })
    };
    let beside = Beside::start(&client, &metrics, &options, &role);
    let mut controller = Controller {
        network: Network::start(options.aws.as_ref(), &metrics),
        beside,
        cluster,
        audits,
        role,
        metrics,
        memory: Memory::default(),
        ways: Ways::default(),
        insistence: Insistence::default(),
        due: None,
        rested: Instant::now(),
        started_default: !options.default_audit,
        options,
    };
    let result = tokio::select! {
        result = controller.turn() => result,
        lost = election => lost.context("the election ended").and_then(|result| result),
        () = stop => {
            tracing::info!("stopping");
            Ok(())
        }
    };
    if let (Ok(()), Some(lease)) = (&result, &controller.options.lease) {
        // Best effort, and not for long: without it the next leader waits for the lease to end.
        let released = tokio::time::timeout(Duration::from_secs(3), lease::release(client, lease)).await;
        if released.is_err() {
            tracing::warn!("the lease was not released in time");
        }
    }
    if let Some(server) = server {
        server.abort();
    }
    result
}

struct Controller {
    /// Reports, events, annotations.
    beside: Beside,
    network: Network,
    cluster: Cluster,
    audits: Audits,
    role: watch::Receiver<Role>,
    metrics: Arc<Metrics>,
    memory: Memory,
    ways: Ways,
    insistence: Insistence,
    /// When the changes that were seen are evaluated.
    due: Option<Instant>,
    /// Not before this.
    rested: Instant,
    /// The default audit is there, or nobody asks for it.
    started_default: bool,
    options: Options,
}

impl Controller {
    /// The loop; it ends only with an error.
    async fn turn(&mut self) -> anyhow::Result<()> {
        let mut beat = Instant::now() + self.options.heartbeat;
        let mut was_in_doubt = false;
        loop {
            self.metrics.turn();
            let now = Instant::now();
            // What may be another by now is not said again. It is known, or counts as old, in a moment.
            let is_in_doubt = self.cluster.is_in_doubt();
            if was_in_doubt && !is_in_doubt {
                // A watch that is open again first tells what happened meanwhile.
                self.due = Some(now + self.options.debounce.max(AFTER_DOUBT));
            }
            was_in_doubt = is_in_doubt;
            let may_answer = self.is_settled() && !is_in_doubt;
            let due = self.due.filter(|_| may_answer);
            if due.is_some_and(|due| due <= now) || (beat <= now && may_answer) {
                beat = now + self.options.heartbeat;
                self.due = None;
                self.answer().await;
                continue;
            }
            let next = if may_answer { due.map_or(beat, |due| due.min(beat)) } else { now + RETRY };
            let changed = tokio::select! {
                changed = self.cluster.changed() => changed,
                changed = self.audits.changed() => changed,
                changed = self.network.changed() => {
                    self.cluster.forget();
                    changed
                }
                became = self.role.changed() => became.is_ok(),
                () = tokio::time::sleep_until(next.min(now + TURN)) => false,
            };
            if changed && self.due.is_none() {
                let soon = Instant::now() + self.options.debounce;
                self.due = Some(if self.cluster.is_nearly_known() { soon } else { soon.max(self.rested) });
            }
        }
    }

    fn is_settled(&self) -> bool {
        self.cluster.is_settled() && self.audits.is_settled()
    }

    fn is_leader(&self) -> bool {
        matches!(*self.role.borrow(), Role::Leader { .. })
    }

    /// Evaluates, and writes what is another answer than before.
    async fn answer(&mut self) {
        if !self.is_settled() {
            return;
        }
        self.begin_default().await;
        let began = Instant::now();
        let mut taken = self.cluster.snapshot().await;
        match &taken.former {
            None if !self.network.add_to(&mut taken.snapshot) => return,
            Some(former) if former.revision.pods != taken.revision.pods => self.network.look_at(&taken.snapshot),
            _ => {}
        }
        let wishes = self.audits.wishes();
        let start = Instant::now();
        let answers = tokio::task::block_in_place(|| evaluate(&self.options.setup, &taken, &wishes, &mut self.memory));
        let took = start.elapsed();
        self.beside.tell(tokio::task::block_in_place(|| Told::new(&taken, &wishes, &answers, &mut self.ways)));
        tracing::debug!(
            "answered {} audits in {took:?}, after {:?} for the facts; {:?} for reports and events",
            wishes.len(),
            start - began,
            start.elapsed().saturating_sub(took)
        );
        let now = taken.snapshot.instant;
        self.cluster.keep(taken);
        // What is waited for takes nothing from others.
        self.rested = Instant::now() + (start.elapsed() * REST).min(MOST_REST);
        self.metrics.evaluated(&answers, took);
        self.metrics.watched(self.cluster.watched());
        self.metrics.set_ready();
        if !self.is_leader() {
            return;
        }
        self.metrics.set_leader();
        let mut again: Option<Instant> = None;
        let mut failed = false;
        self.insistence.keep(answers.iter().map(|(id, _)| id));
        for (wish, (id, answer)) in wishes.iter().zip(&answers) {
            self.metrics.turn();
            let status = status::status(wish, answer, now);
            if wish.status.as_ref().is_some_and(|before| self.is_fresh(before, &status)) {
                continue;
            }
            let is_repeated = wish.status.as_ref().is_some_and(|before| status::says_the_same(before, &status));
            let from = self.insistence.may_write(id, &status).filter(|from| !is_repeated && *from > Instant::now());
            if let Some(from) = from {
                again = Some(again.map_or(from, |again| again.min(from)));
                continue;
            }
            match write::status(&self.cluster.client(), id, &status).await {
                Written::Yes => {
                    self.metrics.wrote("status", true);
                    if !is_repeated {
                        self.insistence.wrote(id, &status, Instant::now());
                    }
                    self.audits.wrote(id, status);
                }
                Written::Gone => {}
                Written::Refused(why) => {
                    self.metrics.wrote("status", false);
                    tracing::warn!("{why}");
                    failed = true;
                }
                Written::Unanswered(why) => {
                    self.metrics.wrote("status", false);
                    tracing::warn!("{why}");
                    failed = true;
                    break;
                }
            }
        }
        if failed {
            let retry = Instant::now() + RETRY;
            again = Some(again.map_or(retry, |again| again.min(retry)));
        } else {
            self.metrics.succeeded();
        }
        self.due = again;
    }

    /// Whether a status that was written need not be written again.
    fn is_fresh(
        &self,
        before: &crate::crd::build_audit::AuditStatus,
        status: &crate::crd::build_audit::AuditStatus,
    ) -> bool {
        let age = before.last_audit_time.zip(status.last_audit_time).map(|(before, now)| now.duration_since(before));
        let heartbeat = jiff::SignedDuration::try_from(self.options.heartbeat).unwrap_or(jiff::SignedDuration::MAX);
        status::says_the_same(before, status) && age.is_some_and(|age| age < heartbeat)
    }

    async fn begin_default(&mut self) {
        if self.started_default || !self.is_leader() {
            return;
        }
        match write::default_audit(&self.cluster.client()).await {
            Ok(()) => self.started_default = true,
            Err(why) => tracing::warn!("the ClusterBuildAudit `default` was not created: {why}"),
        }
    }
}

/// The answer to a request, if it comes in time.
async fn within<T>(request: impl Future<Output = T>) -> Result<T, String> {
    let late = |_| format!("no answer within {} s", REQUEST.as_secs());
    tokio::time::timeout(REQUEST, request).await.map_err(late)
}
