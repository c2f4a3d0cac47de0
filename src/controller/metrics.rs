//! What the controller tells about itself and about the audits, as Prometheus reads it. Labels are bounded: no names of
//! subjects or pods.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::evaluate::Answer;
use super::wish::AuditId;
use crate::collect::kube::Watched;
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
        let mut out = state.audits.clone();
        head(&mut out, "buildreach_leader", "gauge", "Whether this process writes.");
        line(&mut out, "buildreach_leader", &[], u8::from(state.leader));
        if let Some(seconds) = state.last_success {
            let name = "buildreach_last_success_timestamp_seconds";
            head(&mut out, name, "gauge", "When everything that an evaluation says was written last.");
            line(&mut out, name, &[], seconds);
        }
        head(&mut out, "buildreach_evaluation_seconds", "histogram", "How long evaluations took.");
        for (bound, count) in BOUNDS.iter().zip(state.evaluations) {
            line(&mut out, "buildreach_evaluation_seconds_bucket", &[("le", &bound.to_string())], count);
        }
        line(&mut out, "buildreach_evaluation_seconds_bucket", &[("le", "+Inf")], state.evaluation_count);
        line(&mut out, "buildreach_evaluation_seconds_sum", &[], state.evaluation_seconds);
        line(&mut out, "buildreach_evaluation_seconds_count", &[], state.evaluation_count);
        head(&mut out, "buildreach_writes_total", "counter", "Objects that were written.");
        for ((what, result), count) in &state.writes {
            line(&mut out, "buildreach_writes_total", &[("kind", what), ("result", result)], count);
        }
        head(&mut out, "buildreach_objects", "gauge", "Objects that are known.");
        for watched in &state.watched {
            line(&mut out, "buildreach_objects", &[("kind", &watched.kind)], watched.objects);
        }
        head(&mut out, "buildreach_watch_restarts_total", "counter", "Lists after the first one.");
        for watched in &state.watched {
            let restarts = watched.lists.saturating_sub(1);
            line(&mut out, "buildreach_watch_restarts_total", &[("kind", &watched.kind)], restarts);
        }
        if state.aws_reads != (0, 0) {
            let name = "buildreach_aws_reads_total";
            head(&mut out, name, "counter", "Reads of the network of AWS.");
            line(&mut out, name, &[("result", "success")], state.aws_reads.0);
            line(&mut out, name, &[("result", "failure")], state.aws_reads.1);
        }
        if let Some(seconds) = state.aws_last_success {
            let name = "buildreach_aws_last_success_timestamp_seconds";
            head(&mut out, name, "gauge", "When the network of AWS was read whole last.");
            line(&mut out, name, &[], seconds);
        }
        out
    }
}

/// What the audits say.
fn audits(answers: &[Answer]) -> String {
    let mut out = String::new();
    head(&mut out, "buildreach_audit_valid", "gauge", "Whether the spec of an audit can be answered.");
    for (id, answer) in answers {
        line(&mut out, "buildreach_audit_valid", &[("audit", &name(id))], u8::from(answer.is_ok()));
    }
    let answered: Vec<_> = answers.iter().filter_map(|(id, answer)| Some((name(id), answer.as_ref().ok()?))).collect();
    // What one audit says in numbers is said by `-o prometheus` in the same way.
    let reports = answered.iter().map(|(audit, report)| (audit.as_str(), *report));
    out.push_str(&prometheus::text(&prometheus::families_by("audit", reports)));
    out
}

/// An audit as labels and reports name it: `name`, or `namespace/name`.
pub(super) fn name(id: &AuditId) -> String {
    match id {
        AuditId::Cluster { name } => name.clone(),
        AuditId::Namespaced { namespace, name } => format!("{namespace}/{name}"),
    }
}

fn head(out: &mut String, name: &str, kind: &str, about: &str) {
    let _ = writeln!(out, "# HELP {name} {about}\n# TYPE {name} {kind}"); // writing to a String cannot fail
}

fn line(out: &mut String, name: &str, labels: &[(&str, &str)], value: impl std::fmt::Display) {
    out.push_str(name);
    for (at, (label, text)) in labels.iter().enumerate() {
        let text = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        let _ = write!(out, "{}{label}=\"{text}\"", if at == 0 { '{' } else { ',' });
    }
    let _ = writeln!(out, "{} {value}", if labels.is_empty() { "" } else { "}" });
}
