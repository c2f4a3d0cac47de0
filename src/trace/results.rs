//! Results per class of subjects: what the audit found, put into words once for all who share it.

use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::audit::{Asked, Audit};
use super::flow::Known;
use crate::demand::{Requirement, Subject};
use crate::model::object::Origin;
use crate::model::report::{ClassResult, EndpointInfo, PathResult, SubjectInfo};
use crate::model::{Evidence, Family, Outcome, Protocol, Step, StepOutcome, Str, Trace};
use crate::policy::Direction;

/// What a path shows beside its trace; findings are made from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asides {
    /// Only TCP lookups are closed.
    pub tcp_closed: bool,
    /// A family that is blocked while the name is reached over another.
    pub blocked_family: Option<Family>,
    /// Rules that admit single addresses of a feed.
    pub pinned: Vec<Evidence>,
    /// The blocking gate is the destination's.
    pub by_ingress: bool,
}

/// A class result with the asides of its paths.
#[derive(Debug)]
pub struct Result {
    /// What the report shows.
    pub class: ClassResult,
    /// One for each path.
    pub asides: Vec<Asides>,
    /// The classes of pods behind it.
    pub classes: Vec<u32>,
}

/// What makes two requirements of a class share a trace.
#[derive(PartialEq, Eq, Hash)]
struct Group<'a> {
    ecosystem: Option<&'a Str>,
    verdict: Vec<u32>,
    /// Numbers of the VPC's answers.
    answers: Vec<Option<u32>>,
    doubt: Option<&'a str>,
    setting: Option<(&'a str, u32, u32)>,
    port: u16,
    protocol: Protocol,
    bare: bool,
    outside: bool,
    known: Option<&'a Known>,
    /// Endpoints whose destination is in doubt, or that a host alias answers for, stand alone.
    alone: Option<u32>,
}

/// The results of an audit, in order of their first subject.
pub fn results(audit: &Audit<'_>) -> Vec<Result> {
    let mut groups: Vec<Vec<&Subject>> = vec![Vec::new(); audit.questions.len()];
    for (subject, question) in &audit.subjects {
        groups[*question as usize].push(subject);
    }
    let mut places = Places::default();
    audit.questions.iter().zip(groups).map(|(asked, subjects)| result(audit, asked, &subjects, &mut places)).collect()
}

/// `file:line` in words, each once: in compact JSON a hundred thousand pods stand on one line.
type Places = FxHashMap<Origin, Str>;

fn result(audit: &Audit<'_>, asked: &Asked<'_>, subjects: &[&Subject], places: &mut Places) -> Result {
    let mut index: FxHashMap<Group<'_>, usize> = FxHashMap::default();
    let mut paths: Vec<PathResult> = Vec::new();
    let mut asides: Vec<Asides> = Vec::new();
    let protocols = Protocol::ALL.map(|p| Str::from(p.to_string()));
    for (requirement, endpoint) in asked.requirements.iter().zip(asked.endpoints.iter().copied()) {
        let group = group(audit, asked, requirement, endpoint);
        let at = *index.entry(group).or_insert_with(|| {
            let (trace, aside) = trace(audit, asked, requirement, endpoint);
            paths.push(PathResult {
                ecosystem: requirement.ecosystem.clone(),
                endpoints: Vec::new(),
                outcome: trace.outcome(),
                trace,
            });
            asides.push(aside);
            paths.len() - 1
        });
        paths[at].endpoints.push(EndpointInfo {
            host: requirement.endpoint.host.clone(),
            port: requirement.endpoint.port,
            protocol: protocols[requirement.endpoint.protocol as usize].clone(),
            required: requirement.required,
            why: (!requirement.why.is_empty()).then(|| requirement.why.clone()),
            alternative: requirement.alternative,
        });
    }
    let outcome = subject_outcome(&paths);
    for path in &mut paths {
        path.endpoints.shrink_to_fit();
    }
    paths.shrink_to_fit();
    let mut infos: Vec<SubjectInfo> = subjects.iter().map(|subject| subject_info(audit, subject, places)).collect();
    infos.sort();
    Result { class: ClassResult { subjects: infos, outcome, paths }, asides, classes: asked.classes.clone() }
}

fn group<'a>(audit: &'a Audit<'_>, asked: &Asked<'_>, requirement: &'a Requirement, endpoint: u32) -> Group<'a> {
    let planned = &audit.plan.endpoints[endpoint as usize];
    let aliased = asked.classes.iter().any(|class| {
        let spec = &audit.evaluated[*class as usize].party.spec;
        super::dns::known_without_lookup(spec, &planned.endpoint.host).is_some()
    });
    Group {
        ecosystem: requirement.ecosystem.as_ref(),
        verdict: asked.classes.iter().map(|c| audit.evaluated[*c as usize].verdicts[endpoint as usize]).collect(),
        answers: asked
            .classes
            .iter()
            .filter_map(|c| audit.evaluated[*c as usize].answers.get(endpoint as usize).copied())
            .collect(),
        doubt: requirement.doubt.as_deref(),
        setting: requirement.setting.as_ref().map(|s| (s.text.as_str(), s.source, s.line)),
        port: planned.endpoint.port,
        protocol: planned.endpoint.protocol,
        bare: planned.bare,
        outside: planned.outside,
        known: planned.known(),
        alone: (planned.doubt.is_some() || aliased).then_some(endpoint),
    }
}

/// The trace of a subject whose pods may differ: all of them are needed.
fn trace(audit: &Audit<'_>, asked: &Asked<'_>, requirement: &Requirement, endpoint: u32) -> (Trace, Asides) {
    let mut traces: Vec<Trace> = Vec::new();
    let mut aside = Asides::default();
    for class in &asked.classes {
        let trace = audit.trace(*class, endpoint, requirement);
        if requirement.doubt.is_none() {
            note_asides(audit, *class, endpoint, &mut aside);
        }
        if !traces.contains(&trace) {
            traces.push(trace);
        }
    }
    let outcome = Outcome::all_needed(traces.iter().map(Trace::outcome)).unwrap_or(Outcome::Unknown);
    if let Some(at) = traces.iter().position(|t| t.outcome() == outcome) {
        return (traces.swap_remove(at), aside);
    }
    // Some pods get through and others do not: the trace of one that does not, with what the mixture amounts to.
    let failing = traces.iter().position(|t| t.outcome() != Outcome::Reachable);
    let mut trace = failing.map_or(Trace { steps: Vec::new() }, |at| traces.swap_remove(at));
    let worst = trace.outcome();
    for step in &mut trace.steps {
        if step.outcome.outcome() == Some(worst) {
            step.outcome = StepOutcome::from(outcome);
            step.summary = format!("the pods of this subject do not fare alike; one of them: {}", step.summary);
        }
    }
    (trace, aside)
}

fn note_asides(audit: &Audit<'_>, class: u32, endpoint: u32, aside: &mut Asides) {
    let planned = &audit.plan.endpoints[endpoint as usize];
    let evaluated = &audit.evaluated[class as usize];
    if !planned.bare && evaluated.lookup.as_ref().is_some_and(|l| l.tcp_closed) {
        aside.tcp_closed = true;
    }
    let Some(verdict) = audit.verdict(class, endpoint) else { return };
    if !planned.bare {
        aside.blocked_family = aside.blocked_family.or(verdict.blocked_family());
    }
    let blocked_in = |direction| {
        verdict.judgements().any(|j| j.gates.iter().any(|(g, o)| g.direction == direction && *o == Outcome::Blocked))
    };
    if blocked_in(Direction::Ingress) && !blocked_in(Direction::Egress) {
        aside.by_ingress = true;
    }
    if !matches!(planned.known(), Some(Known::Feed { .. })) {
        return;
    }
    for (gate, _) in verdict.judgements().flat_map(|j| &j.gates) {
        for rule in gate.by.iter().filter(|rule| pins(audit, **rule, planned)) {
            let evidence = audit.context.rule_evidence(*rule);
            if !aside.pinned.contains(&evidence) {
                aside.pinned.push(evidence);
            }
        }
    }
}

/// Whether a rule admits single addresses, and nothing wider, of what an endpoint may answer from.
fn pins(audit: &Audit<'_>, rule: crate::policy::RuleId, planned: &super::plan::Planned) -> bool {
    let rule = audit.context.policies.rule(rule);
    let sets = planned.families.iter().flat_map(|(_, aims)| aims).filter_map(|aim| match &aim.target {
        super::target::Target::Addresses { set, .. } => Some(set),
        super::target::Target::Pod { .. } => None,
    });
    let mut touched = false;
    for set in sets {
        let Some(admitted) = rule.peers.addresses(set.family()) else { return false };
        let nets = admitted.intersection(set).nets();
        touched |= !nets.is_empty();
        // A block of a few addresses is as stale tomorrow as a single one.
        if nets.iter().any(|net| net.max_prefix_len() - net.prefix_len() > 3) {
            return false;
        }
    }
    touched
}

/// Only what is required decides; of alternatives the best.
fn subject_outcome(paths: &[PathResult]) -> Outcome {
    let mut alternatives: BTreeMap<u32, Vec<Outcome>> = BTreeMap::new();
    let mut outcomes: Vec<Outcome> = Vec::new();
    for path in paths {
        for endpoint in path.endpoints.iter().filter(|e| e.required) {
            match endpoint.alternative {
                Some(number) => alternatives.entry(number).or_default().push(path.outcome),
                None => outcomes.push(path.outcome),
            }
        }
    }
    outcomes.extend(alternatives.into_values().filter_map(Outcome::best));
    match Outcome::along(outcomes) {
        Some(outcome) => outcome,
        // Nothing that it needs is known.
        None if paths.is_empty() => Outcome::Unknown,
        None => Outcome::Reachable,
    }
}

fn subject_info(audit: &Audit<'_>, subject: &Subject, places: &mut Places) -> SubjectInfo {
    let snapshot = audit.context.snapshot;
    let origin = match (subject.pods.first(), subject.template) {
        (Some(pod), _) => Some(snapshot.pods[*pod as usize].meta.origin),
        (None, Some(template)) => Some(snapshot.workloads[template as usize].meta.origin),
        (None, None) => None,
    };
    let place = origin
        .filter(|o| o.line > 0)
        .map(|o| places.entry(o).or_insert_with(|| format!("{}:{}", snapshot.source(o.source), o.line).into()).clone());
    SubjectInfo {
        name: format!("{}/{}/{}", subject.namespace, subject.kind, subject.name).into(),
        pods: subject.pods.len() as u64,
        predicted: subject.pods.is_empty(),
        system: subject.system.map(Into::into),
        notes: subject.notes.to_vec(),
        signals: subject.signals.iter().map(|s| format!("{} ({:.0} %)", s.what, s.weight * 100.0)).collect(),
        place,
    }
}

/// The steps of a trace that have an outcome.
pub fn steps_with(trace: &Trace, outcome: Outcome) -> impl Iterator<Item = &Step> {
    trace.steps.iter().filter(move |s| s.outcome.outcome() == Some(outcome))
}
