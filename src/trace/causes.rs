//! Findings about who reaches what: one for each cause, with everybody whom it hits.

use std::collections::BTreeMap;
use std::sync::Arc;

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
    /// What is missing: fixed words, or a rule for the endpoints that it hits.
    missing: Option<Missing>,
    hits: BTreeMap<(Str, Option<Str>), Vec<Str>>,
    severity: Option<Severity>,
}

/// What would have to be there.
#[derive(Clone, Debug)]
enum Missing {
    Words(&'static str),
    /// What the step itself says.
    Said(String),
    /// An egress rule, or one for ingress at the destination, for this port and protocol.
    Rule {
        by_ingress: bool,
        port: u16,
        protocol: Str,
    },
}

impl Missing {
    fn text(&self, hits: &[Hit]) -> String {
        let (by_ingress, port, protocol) = match self {
            Self::Words(words) => return (*words).to_owned(),
            Self::Said(words) => return words.clone(),
            Self::Rule { by_ingress, port, protocol } => (by_ingress, port, protocol),
        };
        let mut hosts: Vec<&str> =
            hits.iter().flat_map(|h| &h.endpoints).map(|e| e.rsplit_once(':').map_or(e.as_str(), |(h, _)| h)).collect();
        let first = hosts.first().copied().unwrap_or("the endpoint");
        let all = {
            hosts.sort_unstable();
            hosts.dedup();
            hosts.len()
        };
        let more = if all > 1 { format!(" and {} more", all - 1) } else { String::new() };
        let (kind, place) = if *by_ingress { ("ingress", "at") } else { ("egress", "to the addresses of") };
        format!("an {kind} rule for {port}/{protocol} {place} {first}{more}")
    }
}

/// Lists of at most [`HITS`] subjects: what a finding hits beyond is counted.
pub(super) fn shorten(finding: &mut Finding) {
    finding.more_hits += finding.hits.len().saturating_sub(HITS) as u64;
    finding.hits.truncate(HITS);
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
            let hits: Vec<Hit> = cause
                .hits
                .into_iter()
                .map(|((subject, ecosystem), endpoints)| Hit { subject, ecosystem, endpoints })
                .collect();
            Some(Finding {
                severity: cause.severity.unwrap_or(code.severity),
                near_misses: cause.near_misses,
                missing: cause.missing.map(|missing| missing.text(&hits)),
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
                cause.missing =
                    Some(Missing::Words("an egress rule for 53/TCP to the resolver, beside the one for 53/UDP"));
            }
            if let Some(family) = aside.blocked_family {
                let message = format!(
                    "{family} is blocked while the other family passes: clients that try it first wait or fail"
                );
                causes.add(&codes::NET_FAMILY, policy_evidence(path), message, subjects, Some(path), &all);
            }
            for rule in &aside.pinned {
                let message =
                    "it admits single addresses of a service that answers from many: they change without notice"
                        .to_owned();
                causes.add(&codes::NET_PINNED, vec![(**rule).clone()], message, subjects, Some(path), &all);
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
        Outcome::Blocked => {
            // A comma in GOPROXY moves on after 404 and 410 only: no way round a blocked first entry.
            let config = path.trace.steps.iter().find(|s| s.layer == Layer::Config).map(|s| s.summary.as_str());
            if let Some(setting) = config.filter(|text| text.starts_with("GOPROXY=") && text.contains(',')) {
                let message = format!(
                    "{setting}: what stands after a comma is asked only after 404 or 410, not when the entry before it is blocked"
                );
                causes.add(&codes::CFG_NO_FALLBACK, Vec::new(), message, subjects, Some(path), &required);
            }
            for step in steps_with(&path.trace, Outcome::Blocked) {
                if let Some(code) = own_code(step) {
                    let all: Vec<&EndpointInfo> = path.endpoints.iter().collect();
                    let severity = if required.is_empty() { Severity::Medium } else { code.severity };
                    let cause = add_step(causes, code, subjects, path, step, &all);
                    cause.missing = step.missing.clone().map(Missing::Said).or_else(|| missing_of_aws(code, &all));
                    cause.severity = Some(cause.severity.map_or(severity, |known| known.min(severity)));
                    continue;
                }
                if step.layer == Layer::Dns {
                    let all: Vec<&EndpointInfo> = path.endpoints.iter().collect();
                    let cause = add_step(causes, &codes::DNS_CUT_OFF, subjects, path, step, &all);
                    let then = steps_with(&path.trace, Outcome::Blocked).any(|s| s.layer == Layer::Policy);
                    cause.missing = Some(Missing::Words(if then {
                        "an egress rule for 53/UDP and 53/TCP to the resolver; then the endpoints' own ports are still closed"
                    } else {
                        "an egress rule for 53/UDP and 53/TCP to the resolver"
                    }));
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
                    let code = own_code(step).unwrap_or(&codes::NET_PARTIAL);
                    let severity = codes::NET_PARTIAL.severity;
                    let cause = add_step(causes, code, subjects, path, step, &required);
                    cause.severity = Some(severity);
                    cause.missing = step.missing.clone().map(Missing::Said);
                }
                if !conditional.is_empty() {
                    add_step(causes, &codes::NET_CONDITIONAL, subjects, path, step, &conditional);
                }
            }
        }
        Outcome::Unknown if !required.is_empty() => {
            // What fails now and then is worth knowing, even where something else is not known.
            for step in steps_with(&path.trace, Outcome::Partial) {
                if let Some(code) = own_code(step) {
                    add_step(causes, code, subjects, path, step, &required).severity = Some(code.severity);
                }
            }
            for step in steps_with(&path.trace, Outcome::Unknown) {
                let says = |text: &str| step.doubts.iter().any(|d| d.reason.contains(text));
                let code = match step.layer {
                    Layer::Config if says("GOPROXY is not valid") => &codes::CFG_INVALID_GOPROXY,
                    Layer::Config => &codes::CFG_NOT_INTERPRETED,
                    Layer::Dns => &codes::DNS_UNKNOWN,
                    Layer::Tls => &codes::TLS_UNKNOWN,
                    Layer::Policy if says("is not ready on") => &codes::ENF_AGENT_NOT_READY,
                    _ => &codes::NET_UNKNOWN,
                };
                add_step(causes, code, subjects, path, step, &required);
            }
        }
        Outcome::Reachable | Outcome::Unknown => {}
    }
}

/// What would have to be there, for the gates of AWS where one thing can be named.
fn missing_of_aws(code: &Code, endpoints: &[&EndpointInfo]) -> Option<Missing> {
    let first = endpoints.first()?;
    let words = match code.id {
        id if id == codes::AWS_GROUP_EGRESS.id => {
            return Some(Missing::Rule { by_ingress: false, port: first.port, protocol: first.protocol.clone() });
        }
        id if id == codes::AWS_GROUP_INGRESS.id => {
            "an ingress rule of the destination's groups for the port, from the groups of the source"
        }
        id if id == codes::AWS_ACL.id => {
            "an allow entry with a lower number than the one that denies; and one for the replies, which need their own"
        }
        id if id == codes::AWS_ACL_REPLIES.id => {
            "an allow entry for the replies: from the endpoint's addresses to the source's ports (1024-65535 after a translation)"
        }
        id if id == codes::AWS_NO_ROUTE.id => {
            "a route: to a NAT gateway, or to an endpoint that serves these addresses"
        }
        id if id == codes::AWS_BLACKHOLE.id => "a route whose target exists",
        id if id == codes::AWS_NO_PUBLIC_ADDRESS.id => {
            "a route to a NAT gateway instead of the internet gateway, or a source translation by the VPC CNI (AWS_VPC_K8S_CNI_EXTERNALSNAT=false)"
        }
        id if id == codes::AWS_DNS_OFF.id => "enableDnsSupport of the VPC",
        id if id == codes::AWS_DNS_RESOLVER.id => {
            "a way to 53/UDP and 53/TCP of the resolvers that the DHCP options name"
        }
        _ => return None,
    };
    Some(Missing::Words(words))
}

/// The code that a gate has of its own: those of the cloud and of the TLS layer do.
fn own_code(step: &Step) -> Option<&'static Code> {
    step.codes.first().and_then(|id| codes::find(id))
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
    let cause = causes.add(code, cloned(&step.evidence), message, subjects, Some(path), endpoints);
    for near in &step.near_misses {
        if cause.near_misses.len() < 3 && !cause.near_misses.contains(near) {
            cause.near_misses.push((**near).clone());
        }
    }
    cause
}

fn missing(endpoints: &[&EndpointInfo], by_ingress: bool) -> Option<Missing> {
    let first = endpoints.first()?;
    Some(Missing::Rule { by_ingress, port: first.port, protocol: first.protocol.clone() })
}

fn cloned(evidence: &[Arc<Evidence>]) -> Vec<Evidence> {
    evidence.iter().map(|one| (**one).clone()).collect()
}

fn dns_evidence(path: &PathResult) -> Vec<Evidence> {
    path.trace.steps.iter().filter(|s| s.layer == Layer::Dns).flat_map(|s| cloned(&s.evidence)).collect()
}

fn policy_evidence(path: &PathResult) -> Vec<Evidence> {
    path.trace.steps.iter().filter(|s| s.layer == Layer::Policy).flat_map(|s| cloned(&s.evidence)).collect()
}

/// Manifests come from ECR, and the layers that they name lie in S3 (Amazon ECR user guide, "VPC endpoints").
fn ecr_layers(causes: &mut Causes, result: &Result) {
    let has = |path: &&PathResult, is: fn(&str) -> bool| path.endpoints.iter().any(|e| is(&e.host));
    let is_registry = |host: &str| host.contains(".dkr.ecr.") && host.ends_with(".amazonaws.com");
    let is_layers = |host: &str| host.starts_with("prod-") && host.contains("-starport-layer-bucket.s3");
    let paths = &result.class.paths;
    let manifests = paths.iter().any(|p| p.outcome == Outcome::Reachable && has(&p, is_registry));
    let Some(layers) = paths.iter().find(|p| p.outcome == Outcome::Blocked && has(p, is_layers)) else { return };
    if !manifests {
        return;
    }
    let message = "ECR answers and the bucket of its layers is closed: pulls begin and hang".to_owned();
    let evidence =
        steps_with(&layers.trace, Outcome::Blocked).flat_map(|s| s.evidence.iter().map(|e| (**e).clone())).collect();
    let hosts: Vec<&EndpointInfo> = layers.endpoints.iter().filter(|e| is_layers(&e.host)).collect();
    let cause = causes.add(&codes::AWS_ECR_LAYERS, evidence, message, &result.class.subjects, Some(layers), &hosts);
    cause.missing =
        Some(Missing::Words("a gateway endpoint for S3 in the route table of the subnet, or another way to S3"));
}

/// What concerns a subject as a whole: too much is open, or policies do not see it.
fn of_subjects(causes: &mut Causes, audit: &Audit<'_>, result: &Result) {
    let subjects = &result.class.subjects;
    if result.class.paths.is_empty() {
        for subject in subjects {
            let known = if subject.notes.is_empty() {
                "what it fetches cannot be told".to_owned()
            } else {
                subject.notes.join("; ")
            };
            causes.add(&codes::NET_UNKNOWN, Vec::new(), known, std::slice::from_ref(subject), None, &[]);
        }
    }
    ecr_layers(causes, result);
    for class in &result.classes {
        if audit.classes[*class as usize].member.is_source() {
            continue;
        }
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
