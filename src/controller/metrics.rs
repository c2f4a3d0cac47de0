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
use crate::model::Outcome;

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
        out
    }
}

/// What the audits say.
fn audits(answers: &[Answer]) -> String {
    let mut out = String::new();
    let answered: Vec<_> = answers.iter().filter_map(|(id, answer)| Some((name(id), answer.as_ref().ok()?))).collect();
    head(&mut out, "buildreach_audit_valid", "gauge", "Whether the spec of an audit can be answered.");
    for (id, answer) in answers {
        line(&mut out, "buildreach_audit_valid", &[("audit", &name(id))], u8::from(answer.is_ok()));
    }
    head(&mut out, "buildreach_audit_timestamp_seconds", "gauge", "The instant of the facts of the last evaluation.");
    for (audit, report) in &answered {
        let seconds = report.instant.as_second();
        line(&mut out, "buildreach_audit_timestamp_seconds", &[("audit", audit)], seconds);
    }
    head(&mut out, "buildreach_coverage_complete", "gauge", "Whether everything that may decide could be read.");
    for (audit, report) in &answered {
        let complete = u8::from(report.summary.coverage_complete);
        line(&mut out, "buildreach_coverage_complete", &[("audit", audit)], complete);
    }
    let mut subjects: BTreeMap<(&str, &str, Outcome), u64> = BTreeMap::new();
    let mut endpoints: BTreeMap<(&str, &str, &str, &str, Outcome), u64> = BTreeMap::new();
    for (audit, report) in &answered {
        for class in &report.results {
            for subject in &class.subjects {
                let namespace = subject.name.split('/').next().unwrap_or_default();
                for outcome in Outcome::ALL {
                    *subjects.entry((audit, namespace, outcome)).or_default() += u64::from(outcome == class.outcome);
                }
                for path in &class.paths {
                    let step = path.trace.steps.iter().find(|step| step.outcome == path.outcome.into());
                    let layer = step.filter(|_| path.outcome != Outcome::Reachable).map(|step| step.layer.to_string());
                    let layer = layer.unwrap_or_default();
                    let ecosystem = path.ecosystem.as_deref().unwrap_or_default();
                    let layer = LAYERS.iter().find(|known| **known == layer).copied().unwrap_or_default();
                    *endpoints.entry((audit, namespace, ecosystem, layer, path.outcome)).or_default() +=
                        path.endpoints.len() as u64;
                }
            }
        }
    }
    head(&mut out, "buildreach_subjects", "gauge", "Build subjects by the outcome over what they require.");
    for ((audit, namespace, outcome), count) in subjects {
        let labels = [("audit", audit), ("namespace", namespace), ("outcome", &outcome.to_string())];
        line(&mut out, "buildreach_subjects", &labels, count);
    }
    let about = "Subject and endpoint pairs by outcome, and the layer that decides where they are not reached.";
    head(&mut out, "buildreach_endpoints", "gauge", about);
    for ((audit, namespace, ecosystem, layer, outcome), count) in endpoints {
        let outcome = outcome.to_string();
        let labels = [
            ("audit", audit),
            ("namespace", namespace),
            ("ecosystem", ecosystem),
            ("layer", layer),
            ("outcome", &outcome),
        ];
        line(&mut out, "buildreach_endpoints", &labels, count);
    }
    head(&mut out, "buildreach_findings", "gauge", "Findings by code.");
    for (audit, report) in &answered {
        let mut findings: BTreeMap<(&str, String), u64> = BTreeMap::new();
        for finding in &report.findings {
            *findings.entry((&finding.code, finding.severity.to_string())).or_default() += 1;
        }
        for ((code, severity), count) in findings {
            line(&mut out, "buildreach_findings", &[("audit", audit), ("code", code), ("severity", &severity)], count);
        }
    }
    out
}

const LAYERS: [&str; 7] = ["config", "dns", "policy", "mesh", "cloud", "proxy", "tls"];

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
