//! What the controller tells about itself and about the audits, as Prometheus reads it. Labels are bounded: no names of
//! subjects or pods.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::evaluate::Answer;
use super::wish::AuditId;
use crate::collect::kube::Watched;
use crate::report::exposition::{self, Family, Kind, Sample, Value};
use crate::report::prometheus;

/// A loop that has not turned for so long stands still.
const STANDSTILL: i64 = 120;

/// Upper bounds of the histogram of evaluations, in seconds.
const BOUNDS: [f64; 9] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.5];

/// Shared between the loop and who asks.
#[derive(Debug, Default)]
pub struct Metrics {
    ready: AtomicBool,
    /// Seconds of the Unix epoch.
    turned: AtomicI64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    leader: bool,
    last_success: Option<i64>,
    evaluations: [u64; BOUNDS.len()],
    evaluation_count: u64,
    evaluation_seconds: f64,
    writes: BTreeMap<(&'static str, &'static str), u64>,
    watched: Vec<Watched>,
    /// Reads of AWS that were whole, and others.
    aws_reads: (u64, u64),
    aws_last_success: Option<i64>,
    /// Lines about audits, made when they are evaluated.
    audits: String,
}

impl Metrics {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The loop turns.
    pub fn turn(&self) {
        self.turned.store(jiff::Timestamp::now().as_second(), Ordering::Relaxed);
    }

    /// The cluster was read once.
    pub fn set_ready(&self) {
        self.ready.store(true, Ordering::Relaxed);
    }

    /// Whether the loop turns.
    pub fn is_alive(&self) -> bool {
        jiff::Timestamp::now().as_second() - self.turned.load(Ordering::Relaxed) < STANDSTILL
    }

    /// Whether the cluster was read.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }

    /// This process writes.
    pub fn set_leader(&self) {
        self.state().leader = true;
    }

    /// Something was written, or could not be: `what` is a kind of object.
    pub fn wrote(&self, what: &'static str, succeeded: bool) {
        *self.state().writes.entry((what, if succeeded { "success" } else { "failure" })).or_default() += 1;
    }

    /// Everything that an evaluation says was written.
    pub fn succeeded(&self) {
        self.state().last_success = Some(jiff::Timestamp::now().as_second());
    }

    /// The network of AWS was read, or not all of it could be.
    pub fn read_aws(&self, succeeded: bool) {
        let mut state = self.state();
        if succeeded {
            state.aws_reads.0 += 1;
            state.aws_last_success = Some(jiff::Timestamp::now().as_second());
        } else {
            state.aws_reads.1 += 1;
        }
    }

    /// What is watched now.
    pub fn watched(&self, watched: Vec<Watched>) {
        self.state().watched = watched;
    }

    /// An evaluation, and how long it took.
    pub fn evaluated(&self, answers: &[Answer], took: Duration) {
        let mut state = self.state();
        let seconds = took.as_secs_f64();
        state.evaluation_count += 1;
        state.evaluation_seconds += seconds;
        for (count, bound) in state.evaluations.iter_mut().zip(BOUNDS) {
            *count += u64::from(seconds <= bound);
        }
        state.audits = audits(answers);
    }

    /// The page.
    pub fn text(&self) -> String {
        let state = self.state();
        let leader = Sample::new(Vec::new(), state.leader);
        let by_kind = |watched: &Watched, n: Value| Sample::new(vec![("kind", watched.kind.clone())], n);
        let last_success = state.last_success.map(|seconds| Sample::new(Vec::new(), seconds));
        let writes = state.writes.iter().map(|((what, result), count)| {
            Sample::new(vec![("kind", (*what).to_owned()), ("result", (*result).to_owned())], *count)
        });
        let aws = |result: &str, n: u64| Sample::new(vec![("result", result.to_owned())], n);
        let (read, not_read) = state.aws_reads;
        let reads = [aws("success", read), aws("failure", not_read)].into_iter().filter(|_| (read, not_read) != (0, 0));
        let aws_last_success = state.aws_last_success.map(|seconds| Sample::new(Vec::new(), seconds));
        let families = [
            Family::new(Kind::Gauge, "buildreach_leader", "Whether this process writes.").with([leader]),
            Family::new(
                Kind::Gauge,
                "buildreach_last_success_timestamp_seconds",
                "When everything that an evaluation says was written last.",
            )
            .with(last_success),
            Family::histogram(
                "buildreach_evaluation_seconds",
                "How long evaluations took.",
                BOUNDS.into_iter().zip(state.evaluations),
                state.evaluation_count,
                state.evaluation_seconds,
            ),
            Family::new(Kind::Counter, "buildreach_writes_total", "Objects that were written.").with(writes),
            Family::new(Kind::Gauge, "buildreach_objects", "Objects that are known.")
                .with(state.watched.iter().map(|watched| by_kind(watched, watched.objects.into()))),
            Family::new(Kind::Counter, "buildreach_watch_restarts_total", "Lists after the first one.")
                .with(state.watched.iter().map(|watched| by_kind(watched, watched.lists.saturating_sub(1).into()))),
            Family::new(Kind::Counter, "buildreach_aws_reads_total", "Reads of the network of AWS.").with(reads),
            Family::new(
                Kind::Gauge,
                "buildreach_aws_last_success_timestamp_seconds",
                "When the network of AWS was read whole last.",
            )
            .with(aws_last_success),
        ];
        state.audits.clone() + &exposition::text(&families)
    }
}

/// What the audits say.
fn audits(answers: &[Answer]) -> String {
    let valid = answers.iter().map(|(id, answer)| Sample::new(vec![("audit", name(id))], answer.is_ok()));
    let about = "Whether the spec of an audit can be answered.";
    let mut families = vec![Family::new(Kind::Gauge, "buildreach_audit_valid", about).with(valid)];
    let answered: Vec<_> = answers.iter().filter_map(|(id, answer)| Some((name(id), answer.as_ref().ok()?))).collect();
    // What one audit says in numbers is said by `-o prometheus` in the same way.
    families.extend(prometheus::families_by("audit", answered.iter().map(|(audit, report)| (audit.as_str(), *report))));
    exposition::text(&families)
}

/// An audit as labels and reports name it: `name`, or `namespace/name`.
pub(super) fn name(id: &AuditId) -> String {
    match id {
        AuditId::Cluster { name } => name.clone(),
        AuditId::Namespaced { namespace, name } => format!("{namespace}/{name}"),
    }
}
