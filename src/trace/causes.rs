//! Findings about who reaches what: one for each cause, with everybody whom it hits.

use std::collections::BTreeMap;

use super::audit::Audit;
use super::objects::finding;
use super::results::{Result, steps_with};
use crate::model::codes::{self, Code};
use crate::model::report::{EndpointInfo, PathResult, SubjectInfo};
use crate::model::{Evidence, Finding, Hit, Layer, Outcome, Severity, Step, Str};

/// At most this many subjects are listed in one finding.
const HITS: usize = 1000;

/// What tells two causes apart.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    code: &'static str,
    evidence: Vec<Evidence>,
    message: String,
}

/// A cause with whom it hits: endpoints by subject and ecosystem.
#[derive(Debug, Default)]
struct Cause {
    near_misses: Vec<Evidence>,
    missing: Option<String>,
    hits: BTreeMap<(Str, Option<Str>), Vec<Str>>,
    severity: Option<Severity>,
}

/// Causes under construction.
#[derive(Debug, Default)]
struct Causes {
    all: BTreeMap<Key, Cause>,
}

impl Causes {
    fn add(
        &mut self,
        code: &'static Code,
        evidence: Vec<Evidence>,
        message: String,
        subjects: &[SubjectInfo],
        path: Option<&PathResult>,
        endpoints: &[&EndpointInfo],
    ) -> &mut Cause {
        let cause = self.all.entry(Key { code: code.id, evidence, message }).or_default();
        let labels: Vec<Str> = endpoints.iter().map(|e| Str::from(e.label())).collect();
        for subject in subjects {
            let ecosystem = path.and_then(|p| p.ecosystem.clone());
            let hit = cause.hits.entry((subject.name.clone(), ecosystem)).or_default();
            hit.extend(labels.iter().filter(|l| !hit.contains(l)).cloned().collect::<Vec<_>>());
        }
        cause
    }

    fn into_findings(self) -> Vec<Finding> {
        let one = |(key, cause): (Key, Cause)| {
            let code = codes::find(key.code)?;
            let total = cause.hits.len();
            let hits: Vec<Hit> = cause
                .hits
                .into_iter()
                .take(HITS)
                .map(|((subject, ecosystem), endpoints)| Hit { subject, ecosystem, endpoints })
                .collect();
            Some(Finding {
                severity: cause.severity.unwrap_or(code.severity),
                near_misses: cause.near_misses,
                missing: cause.missing,
                more_hits: (total - hits.len()) as u64,
                hits,
                ..finding(code, key.message, key.evidence)
            })
        };
        self.all.into_iter().filter_map(one).collect()
    }
}

/// The findings of an audit's results.
pub fn findings(audit: &Audit<'_>, results: &[Result]) -> Vec<Finding> {
    let mut causes = Causes::default();
    for result in results {
        for (path, aside) in result.class.paths.iter().zip(&result.asides) {
            let subjects = &result.class.subjects;
            of_path(&mut causes, subjects, path, aside.by_ingress);
            let all: Vec<&EndpointInfo> = path.endpoints.iter().collect();
            if aside.tcp_closed {
                let message =
                    "lookups pass over UDP, but the resolver's TCP port is closed: long answers fail".to_owned();
                let evidence = dns_evidence(path);
                let cause = causes.add(&codes::DNS_TCP_CLOSED, evidence, message, subjects, None, &[]);
                cause.missing = Some("an egress rule for 53/TCP to the resolver, beside the one for 53/UDP".to_owned());
            }
            if let Some(family) = aside.blocked_family {
                let message = format!(
                    "{family} is blocked while the other family passes: clients that try it first wait or fail"
                );
                causes.add(&codes::NET_FAMILY, policy_evidence(path), message, subjects, Some(path), &all);
            }
            for rule in &aside.pinned {
                let message = format!(
                    "{} admits single addresses of a service that answers from many: they change without notice",
                    rule.citation()
                );
                causes.add(&codes::NET_PINNED, vec![rule.clone()], message, subjects, Some(path), &all);
            }
        }
        of_subjects(&mut causes, audit, result);
    }
    causes.into_findings()
}

fn of_path(causes: &mut Causes, subjects: &[SubjectInfo], path: &PathResult, by_ingress: bool) {
    let required: Vec<&EndpointInfo> = path.endpoints.iter().filter(|e| e.required).collect();
    let conditional: Vec<&EndpointInfo> = path.endpoints.iter().filter(|e| !e.required).collect();
    match path.outcome {
        Outcome::Reachable => {}
        Outcome::Blocked => {
            for step in steps_with(&path.trace, Outcome::Blocked) {
                if step.layer == Layer::Dns {
                    let all: Vec<&EndpointInfo> = path.endpoints.iter().collect();
                    let cause = add_step(causes, &codes::DNS_CUT_OFF, subjects, path, step, &all);
                    let then = steps_with(&path.trace, Outcome::Blocked).any(|s| s.layer == Layer::Policy);
                    let mut missing = "an egress rule for 53/UDP and 53/TCP to the resolver".to_owned();
                    if then {
                        missing.push_str("; then the endpoints' own ports are still closed");
                    }
                    cause.missing = Some(missing);
                    // Nothing that is required hangs on it: an ecosystem of conditional rows only.
                    if required.is_empty() && cause.severity.is_none() {
                        cause.severity = Some(Severity::Medium);
                    } else if !required.is_empty() {
                        cause.severity = Some(codes::DNS_CUT_OFF.severity);
                    }
                    continue;
                }
                let code = if by_ingress { &codes::NET_INGRESS } else { &codes::NET_BLOCKED };
                if !required.is_empty() {
                    add_step(causes, code, subjects, path, step, &required).missing = missing(&required, by_ingress);
                }
                if !conditional.is_empty() {
                    let cause = add_step(causes, &codes::NET_CONDITIONAL, subjects, path, step, &conditional);
                    cause.missing = missing(&conditional, by_ingress);
                }
            }
        }
        Outcome::Partial => {
            for step in steps_with(&path.trace, Outcome::Partial) {
                if !required.is_empty() {
                    add_step(causes, &codes::NET_PARTIAL, subjects, path, step, &required);
                }
                if !conditional.is_empty() {
                    add_step(causes, &codes::NET_CONDITIONAL, subjects, path, step, &conditional);
                }
            }
        }
        Outcome::Unknown if !required.is_empty() => {
            for step in steps_with(&path.trace, Outcome::Unknown) {
                let code = match step.layer {
                    Layer::Config => &codes::CFG_NOT_INTERPRETED,
                    Layer::Dns => &codes::DNS_UNKNOWN,
                    _ => &codes::NET_UNKNOWN,
                };
                add_step(causes, code, subjects, path, step, &required);
            }
        }
        Outcome::Unknown => {}
    }
}

fn add_step<'a>(
    causes: &'a mut Causes,
    code: &'static Code,
    subjects: &[SubjectInfo],
    path: &PathResult,
    step: &Step,
    endpoints: &[&EndpointInfo],
) -> &'a mut Cause {
    let message = match step.doubts.as_slice() {
        [] => step.summary.clone(),
        doubts => {
            let mut reasons: Vec<&str> = doubts.iter().map(|d| d.reason.as_str()).collect();
            reasons.dedup();
            reasons.join("; ")
        }
    };
    let cause = causes.add(code, step.evidence.clone(), message, subjects, Some(path), endpoints);
    for near in &step.near_misses {
        if cause.near_misses.len() < 3 && !cause.near_misses.contains(near) {
            cause.near_misses.push(near.clone());
        }
    }
    cause
}

fn missing(endpoints: &[&EndpointInfo], by_ingress: bool) -> Option<String> {
    let first = endpoints.first()?;
    let mut text = format!(
        "an {} rule for {}/{} {} {}",
        if by_ingress { "ingress" } else { "egress" },
        first.port,
        first.protocol,
        if by_ingress { "at" } else { "to the addresses of" },
        first.host
    );
    if endpoints.len() > 1 {
        use std::fmt::Write as _;
        let _ = write!(text, " and {} more", endpoints.len() - 1);
    }
    Some(text)
}

fn dns_evidence(path: &PathResult) -> Vec<Evidence> {
    path.trace.steps.iter().filter(|s| s.layer == Layer::Dns).flat_map(|s| s.evidence.clone()).collect()
}

fn policy_evidence(path: &PathResult) -> Vec<Evidence> {
    path.trace.steps.iter().filter(|s| s.layer == Layer::Policy).flat_map(|s| s.evidence.clone()).collect()
}

/// What concerns a subject as a whole: too much is open, or policies do not see it.
fn of_subjects(causes: &mut Causes, audit: &Audit<'_>, result: &Result) {
    let subjects = &result.class.subjects;
    if result.class.paths.is_empty() {
        let message = "nothing is known about what it fetches: name it with --ecosystem or --endpoint".to_owned();
        causes.add(&codes::NET_UNKNOWN, Vec::new(), message, subjects, None, &[]);
    }
    for class in &result.classes {
        let evaluated = &audit.evaluated[*class as usize];
        let party = &evaluated.party;
        if party.host_network {
            let message = "it runs on the host network: pod policies do not see its connections".to_owned();
            causes.add(&codes::SUB_NOT_GOVERNED, Vec::new(), message, subjects, None, &[]);
            continue;
        }
        let socket = party.spec.host_paths.iter().find(|p| p.ends_with(".sock") || p.contains("/run/containerd"));
        if let Some(socket) = socket {
            let message =
                format!("it mounts {socket}: what the node's runtime builds leaves from the node, not from this pod");
            causes.add(&codes::SUB_NOT_GOVERNED, Vec::new(), message, subjects, None, &[]);
        }
        if let Some((message, evidence)) = audit.over_open(*class) {
            causes.add(&codes::NET_OVER_OPEN, evidence, message, subjects, None, &[]);
        }
    }
}
