//! The network of AWS, which tells nobody when it changes: read again and again beside the watches.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until, timeout};

use super::Metrics;
use crate::collect::aws::kept::Kept;
use crate::collect::aws::{self, Addresses, add};
use crate::collect::pause::{Pause, random};
use crate::model::Snapshot;
use crate::model::aws::AwsScope;
use crate::model::object::Node;

/// What fails counts as it was for so many intervals.
const KEEP: u32 = 3;

/// When it is read.
#[derive(Clone, Copy, Debug)]
struct Pace {
    /// The time from one read to the next.
    interval: Duration,
    /// New nodes and addresses are a reason to read before that time is over, but not more often than this.
    early: Duration,
    /// After a failure the next read follows soon, then later and later, and at last as usual.
    pause: Duration,
    /// A read that takes longer came to nothing.
    limit: Duration,
}

impl Pace {
    fn every(interval: Duration) -> Self {
        let [early, pause, limit] = [60, 15, 300].map(Duration::from_secs);
        Self { interval, early, pause, limit }
    }
}

/// What is read of AWS.
#[derive(Clone, Debug)]
pub struct AwsOptions {
    /// Regions, VPCs, credentials.
    pub what: aws::Options,
    /// The time from one read to the next.
    pub interval: Duration,
}

/// The network, if anybody asked for it; it is read until this is dropped.
pub(super) struct Network(Option<Polled>);

struct Polled {
    wanted: watch::Sender<Option<Arc<Wanted>>>,
    facts: watch::Receiver<Option<Arc<Facts>>>,
    task: JoinHandle<()>,
}

/// For what it is read.
#[derive(Debug, Default, PartialEq)]
struct Wanted {
    /// The nodes on AWS, with nothing but what says where they stand.
    nodes: Vec<Node>,
    /// Addresses of pods that are on no interface that was read.
    strangers: BTreeSet<IpAddr>,
}

impl Wanted {
    fn of(snapshot: &Snapshot, known: Option<&Facts>) -> Self {
        let nodes = snapshot.nodes.iter().filter_map(place).collect();
        // Of one that has ended another may have the address by now.
        let pods = snapshot.pods.iter().filter(|pod| !pod.spec.host_network && !pod.phase.is_terminal());
        let addresses = pods.flat_map(|pod| pod.ips.iter().copied());
        let strangers = known.map(|known| addresses.filter(|ip| known.addresses.lack(*ip)).collect());
        Self { nodes, strangers: strangers.unwrap_or_default() }
    }

    /// Whether there is something that was not there before.
    fn has_more_than(&self, before: &Self) -> bool {
        let nodes: BTreeSet<_> = before.nodes.iter().map(|node| &node.provider_id).collect();
        !self.strangers.is_subset(&before.strangers) || self.nodes.iter().any(|node| !nodes.contains(&node.provider_id))
    }
}

/// What is known.
struct Facts {
    scopes: Vec<AwsScope>,
    addresses: Addresses,
}

impl Network {
    /// Begins to read, as soon as the nodes are known.
    pub(super) fn start(options: Option<&AwsOptions>, metrics: &Arc<Metrics>) -> Self {
        Self(options.map(|options| poll(Ec2(options.what.clone()), Pace::every(options.interval), Arc::clone(metrics))))
    }

    /// Waits until something else is known than before.
    pub(super) async fn changed(&mut self) -> bool {
        if let Some(polled) = &mut self.0
            && polled.facts.changed().await.is_ok()
        {
            return true;
        }
        std::future::pending().await
    }

    /// Tells where the nodes of a snapshot stand, and which of its pods are on no interface that was read.
    pub(super) fn look_at(&self, snapshot: &Snapshot) {
        let Some(polled) = &self.0 else { return };
        let wanted = Wanted::of(snapshot, polled.facts.borrow().as_deref());
        polled.wanted.send_if_modified(|before| {
            let is_new = before.as_deref() != Some(&wanted);
            if is_new {
                *before = Some(Arc::new(wanted));
            }
            is_new
        });
    }

    /// Looks at a snapshot, and adds what is known of the network; `false` as long as it was not read.
    pub(super) fn add_to(&self, snapshot: &mut Snapshot) -> bool {
        self.look_at(snapshot);
        let Some(polled) = &self.0 else { return true };
        let Some(facts) = polled.facts.borrow().clone() else { return false };
        facts.scopes.iter().for_each(|scope| add(snapshot, scope.clone()));
        true
    }
}

impl Drop for Polled {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where a node stands, if it is one of AWS.
fn place(node: &Node) -> Option<Node> {
    let provider_id = node.provider_id.clone().filter(|id| id.starts_with("aws://"))?;
    Some(Node { provider_id: Some(provider_id), addresses: node.addresses.clone(), ..Node::default() })
}

/// Something that is read for the nodes of a cluster.
trait Source: Send + Sync + 'static {
    fn read(&self, nodes: &[Node]) -> impl Future<Output = anyhow::Result<Vec<AwsScope>>> + Send;
}

/// The API of AWS.
#[cfg_attr(not(feature = "aws"), allow(dead_code))]
struct Ec2(aws::Options);

impl Source for Ec2 {
    #[cfg(feature = "aws")]
    async fn read(&self, nodes: &[Node]) -> anyhow::Result<Vec<AwsScope>> {
        Box::pin(aws::live::read(nodes, &self.0, &|_, _| {})).await
    }

    #[cfg(not(feature = "aws"))]
    async fn read(&self, _: &[Node]) -> anyhow::Result<Vec<AwsScope>> {
        anyhow::bail!("this build has no AWS client")
    }
}

fn poll(source: impl Source, pace: Pace, metrics: Arc<Metrics>) -> Polled {
    let (wanted, told) = watch::channel(None);
    let (tell, facts) = watch::channel(None);
    let keep = jiff::SignedDuration::try_from(pace.interval.saturating_mul(KEEP)).unwrap_or(jiff::SignedDuration::MAX);
    let poll = Poll { source, pace, clock: Clock::new(), kept: Kept::new(keep), wanted: told, facts: tell, metrics };
    Polled { wanted, facts, task: tokio::spawn(poll.run()) }
}

/// The time of day, by a clock that nobody sets: ages are not to jump.
struct Clock {
    began: Instant,
    at: jiff::Timestamp,
}

impl Clock {
    fn new() -> Self {
        Self { began: Instant::now(), at: jiff::Timestamp::now() }
    }

    fn now(&self) -> jiff::Timestamp {
        self.at.checked_add(self.began.elapsed()).unwrap_or(jiff::Timestamp::MAX)
    }

    fn instant(&self, at: jiff::Timestamp) -> Instant {
        self.began + Duration::try_from(at.duration_since(self.at)).unwrap_or_default()
    }
}

struct Poll<S> {
    source: S,
    pace: Pace,
    clock: Clock,
    kept: Kept,
    wanted: watch::Receiver<Option<Arc<Wanted>>>,
    facts: watch::Sender<Option<Arc<Facts>>>,
    metrics: Arc<Metrics>,
}

impl<S: Source> Poll<S> {
    /// Reads until nobody asks any more.
    async fn run(mut self) {
        if self.wanted.wait_for(Option::is_some).await.is_err() {
            return;
        }
        let mut pause = Pause::new(self.pace.pause.min(self.pace.interval), self.pace.interval);
        loop {
            let wanted = self.wanted.borrow_and_update().clone().unwrap_or_default();
            let began = Instant::now();
            let result = self.read(&wanted.nodes).await;
            self.metrics.read_aws(result.is_ok());
            let wait = if let Err(why) = result {
                tracing::warn!("AWS could not be read, or not all of it: {why}");
                let wait = pause.get();
                pause.grow();
                wait
            } else {
                pause.reset();
                self.pace.interval
            };
            let mut next = Instant::now() + jittered(wait, random());
            let mut told = self.publish();
            loop {
                let aging = self.kept.next_to_age(told).map(|at| self.clock.instant(at));
                tokio::select! {
                    () = sleep_until(next) => break,
                    () = sleep_until(aging.unwrap_or(next)), if aging.is_some() => told = self.publish(),
                    changed = self.wanted.changed() => {
                        if changed.is_err() {
                            return;
                        }
                        let now = self.wanted.borrow_and_update();
                        if now.as_deref().is_some_and(|now| now.has_more_than(&wanted)) {
                            next = next.min(began + self.pace.early);
                        }
                    }
                }
            }
        }
    }

    /// Reads once. What becomes old in the meantime is told.
    async fn read(&mut self, nodes: &[Node]) -> Result<(), String> {
        let at = self.clock.now();
        let result = {
            let mut reading = pin!(timeout(self.pace.limit, self.source.read(nodes)));
            let mut told = at;
            loop {
                let aging = self.kept.next_to_age(told).map(|at| self.clock.instant(at));
                tokio::select! {
                    result = &mut reading => break result,
                    () = sleep_until(aging.unwrap_or_else(Instant::now)), if aging.is_some() => told = self.publish(),
                }
            }
        };
        let why = match result {
            Ok(Ok(scopes)) => return self.kept.read(scopes, at),
            Ok(Err(error)) => format!("{error:#}"),
            Err(_) => format!("it took longer than {} s", self.pace.limit.as_secs()),
        };
        self.kept.failed(&why);
        Err(why)
    }

    /// Tells what is known now, if it is something else than before; returns when that was.
    fn publish(&self) -> jiff::Timestamp {
        let now = self.clock.now();
        let Some(scopes) = self.kept.scopes(now) else { return now };
        self.facts.send_if_modified(|known| {
            let is_new = known.as_ref().is_none_or(|known| known.scopes != scopes);
            if is_new {
                let addresses = Addresses::of(&scopes);
                *known = Some(Arc::new(Facts { scopes, addresses }));
            }
            is_new
        });
        now
    }
}

/// A tenth more or less, so that those who began together do not go on together; `random` is at least 0 and less than 1.
fn jittered(wait: Duration, random: f64) -> Duration {
    wait.mul_f64(0.9 + 0.2 * random)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::sync::Mutex;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::model::aws::{AwsList, Vpc};
    use crate::model::object::Pod;
    use crate::model::{Coverage, CoverageState};

    /// What comes next.
    #[derive(Clone)]
    enum Next {
        /// A VPC of this name.
        Vpc(&'static str),
        Fails(&'static str),
        Hangs,
    }

    struct Script {
        next: Mutex<Next>,
        reads: AtomicUsize,
        /// Nodes of the last read.
        asked: Mutex<Vec<Node>>,
    }

    impl Source for Arc<Script> {
        async fn read(&self, nodes: &[Node]) -> anyhow::Result<Vec<AwsScope>> {
            self.reads.fetch_add(1, Ordering::SeqCst);
            *self.asked.lock().unwrap() = nodes.to_vec();
            let next = self.next.lock().unwrap().clone();
            match next {
                Next::Vpc(id) => {
                    let mut scope = AwsScope { region: "us-east-1".into(), ..AwsScope::default() };
                    scope.read.insert(AwsList::Vpcs, CoverageState::Read);
                    let cidr_block = "10.0.0.0/16".into();
                    scope.vpcs.push(Vpc { vpc_id: id.into(), cidr_block, ..Vpc::default() });
                    Ok(vec![scope])
                }
                Next::Fails(why) => anyhow::bail!(why),
                Next::Hangs => std::future::pending().await,
            }
        }
    }

    const LONG: Duration = Duration::from_secs(3600);
    const SHORT: Duration = Duration::from_millis(100);

    fn start(first: Next, pace: Pace) -> (Arc<Script>, Network, Arc<Metrics>) {
        let script = Script { next: Mutex::new(first), reads: AtomicUsize::new(0), asked: Mutex::default() };
        let (script, metrics) = (Arc::new(script), Arc::new(Metrics::default()));
        (Arc::clone(&script), Network(Some(poll(script, pace, Arc::clone(&metrics)))), metrics)
    }

    fn snapshot(nodes: &[&str]) -> Snapshot {
        let node = |id: &&str| Node { provider_id: Some((*id).into()), ..Node::default() };
        Snapshot { nodes: nodes.iter().map(node).collect(), ..Snapshot::default() }
    }

    /// What the next snapshot holds of the network, after something changed there.
    async fn next(network: &mut Network) -> (Vec<String>, Vec<Coverage>) {
        assert!(timeout(Duration::from_secs(30), network.changed()).await.unwrap());
        let mut snapshot = snapshot(&["aws:///us-east-1a/i-1"]);
        assert!(network.add_to(&mut snapshot));
        let vpcs = snapshot.aws.iter().flat_map(|scope| &scope.vpcs).map(|vpc| vpc.vpc_id.to_string()).collect();
        (vpcs, snapshot.coverage)
    }

    async fn until(is_so: impl Fn() -> bool) {
        let turn = async {
            while !is_so() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(Duration::from_secs(30), turn).await.unwrap();
    }

    #[tokio::test]
    async fn it_is_read_when_the_nodes_are_known_and_then_again_and_again() {
        let pace = Pace { interval: SHORT, ..Pace::every(LONG) };
        let (script, mut network, metrics) = start(Next::Vpc("vpc-1"), pace);
        tokio::time::sleep(SHORT * 2).await;
        assert_eq!(script.reads.load(Ordering::SeqCst), 0, "nobody knows of which nodes");
        assert!(!network.add_to(&mut snapshot(&["aws:///us-east-1a/i-1", "kind://docker/kind/node"])));
        let (vpcs, coverage) = next(&mut network).await;
        assert_eq!((vpcs, coverage.len()), (vec!["vpc-1".to_owned()], 1));
        assert_eq!(coverage[0].state, CoverageState::Read);
        assert_eq!(script.asked.lock().unwrap().len(), 1, "the other one is no node of AWS");
        // What is as it was is no news.
        let reads = script.reads.load(Ordering::SeqCst);
        until(|| script.reads.load(Ordering::SeqCst) >= reads + 3).await;
        assert!(!network.0.as_ref().unwrap().facts.has_changed().unwrap());
        *script.next.lock().unwrap() = Next::Vpc("vpc-2");
        assert_eq!(next(&mut network).await.0, ["vpc-2"]);
        let text = metrics.text();
        assert!(text.contains("buildreach_aws_reads_total{result=\"failure\"} 0"), "{text}");
        assert!(text.contains("buildreach_aws_last_success_timestamp_seconds "), "{text}");
    }

    #[tokio::test]
    async fn what_fails_counts_for_a_while_and_comes_back() {
        let pace = Pace { interval: SHORT * 5, pause: SHORT, ..Pace::every(LONG) };
        let (script, mut network, metrics) = start(Next::Vpc("vpc-1"), pace);
        network.add_to(&mut snapshot(&["aws:///us-east-1a/i-1"]));
        let began = Instant::now();
        next(&mut network).await;
        *script.next.lock().unwrap() = Next::Fails("no credentials");
        let (vpcs, coverage) = next(&mut network).await;
        assert!(began.elapsed() >= pace.interval * KEEP, "{:?}", began.elapsed());
        assert!(vpcs.is_empty());
        assert!(matches!(&coverage[0].state, CoverageState::Failed(why) if why.starts_with("no credentials (it was")));
        assert!(!metrics.text().contains("buildreach_aws_reads_total{result=\"failure\"} 0"));
        *script.next.lock().unwrap() = Next::Vpc("vpc-1");
        assert_eq!(next(&mut network).await.0, ["vpc-1"]);
    }

    #[tokio::test]
    async fn the_first_read_that_fails_or_hangs_leaves_the_network_unknown() {
        let pace = Pace { limit: SHORT, pause: SHORT, ..Pace::every(LONG) };
        for first in [Next::Fails("no credentials"), Next::Hangs] {
            let (script, mut network, _) = start(first, pace);
            network.add_to(&mut snapshot(&[]));
            let (vpcs, coverage) = next(&mut network).await;
            assert!(vpcs.is_empty() && coverage[0].state.is_incomplete(), "{coverage:?}");
            // It is tried again long before the interval is over.
            *script.next.lock().unwrap() = Next::Vpc("vpc-1");
            assert_eq!(next(&mut network).await.0, ["vpc-1"]);
        }
    }

    #[tokio::test]
    async fn what_hangs_does_not_keep_old_facts_young() {
        let pace = Pace { interval: SHORT, ..Pace::every(LONG) };
        let (script, mut network, _) = start(Next::Vpc("vpc-1"), pace);
        network.add_to(&mut snapshot(&["aws:///us-east-1a/i-1"]));
        next(&mut network).await;
        *script.next.lock().unwrap() = Next::Fails("timed out");
        let reads = script.reads.load(Ordering::SeqCst);
        until(|| script.reads.load(Ordering::SeqCst) > reads).await;
        *script.next.lock().unwrap() = Next::Hangs;
        let (vpcs, coverage) = next(&mut network).await;
        assert!(vpcs.is_empty() && coverage[0].state.is_incomplete(), "{coverage:?}");
    }

    #[tokio::test]
    async fn new_nodes_and_addresses_are_a_reason_to_read_early() {
        let pace = Pace { early: SHORT, ..Pace::every(LONG) };
        let (script, mut network, _) = start(Next::Vpc("vpc-1"), pace);
        network.add_to(&mut snapshot(&["aws:///us-east-1a/i-1", "aws:///us-east-1a/i-2"]));
        next(&mut network).await;
        assert_eq!(script.reads.load(Ordering::SeqCst), 1);
        // One that goes is none, and one that is told to have come a moment after a read waits its time.
        tokio::time::sleep(SHORT * 3).await;
        assert_eq!(script.reads.load(Ordering::SeqCst), 1);
        network.add_to(&mut snapshot(&["aws:///eu-west-1a/i-3"]));
        until(|| script.reads.load(Ordering::SeqCst) == 2).await;
        assert_eq!(script.asked.lock().unwrap()[0].provider_id.as_deref(), Some("aws:///eu-west-1a/i-3"));
        let mut with_pod = snapshot(&["aws:///eu-west-1a/i-3"]);
        let pod = |ip: &str| Pod { ips: [ip.parse().unwrap()].into_iter().collect(), ..Pod::default() };
        with_pod.pods = vec![pod("192.168.0.1")];
        network.add_to(&mut with_pod.clone());
        tokio::time::sleep(SHORT * 3).await;
        assert_eq!(script.reads.load(Ordering::SeqCst), 2, "that one is in no VPC");
        with_pod.pods.push(pod("10.0.0.7"));
        network.add_to(&mut with_pod);
        until(|| script.reads.load(Ordering::SeqCst) == 3).await;
    }

    #[test]
    fn waits_differ_by_a_tenth() {
        let wait = Duration::from_secs(100);
        let [least, most] = [0.0, 1.0].map(|random| jittered(wait, random).as_secs_f64());
        assert!((least - 90.0).abs() < 0.001 && (most - 110.0).abs() < 0.001, "{least} {most}");
        assert!((0..100).all(|_| (0.0..1.0).contains(&random())));
    }
}
