//! Results per class of subjects: what the audit found, put into words once for all who share it.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::audit::{Asked, Audit, Evaluated};
use super::flow::Known;
use super::tls;
use crate::demand::{Requirement, Subject};
use crate::model::object::Origin;
use crate::model::report::{ClassResult, EndpointInfo, PathResult, SubjectInfo};
use crate::model::{Evidence, Family, Few, Layer, List, Outcome, Protocol, Step, StepOutcome, Str, Trace};
use crate::policy::Direction;

/// What a path shows beside its trace; findings are made from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asides {
    /// Only TCP lookups are closed.
    pub tcp_closed: bool,
    /// A family that is blocked while the name is reached over another.
    pub blocked_family: Option<Family>,
    /// Rules that admit single addresses of a feed.
    pub pinned: Vec<Arc<Evidence>>,
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

/// What makes two requirements of a class share a trace, if its verdicts are the same.
#[derive(PartialEq, Eq, Hash)]
struct Kind<'a> {
    ecosystem: Option<&'a Str>,
    doubt: Option<&'a str>,
    setting: Option<(&'a str, u32, u32)>,
    port: u16,
    protocol: Protocol,
    bare: bool,
    outside: bool,
    known: Option<&'a Known>,
    /// Endpoints whose destination is in doubt stand alone.
    alone: Option<u32>,
}

/// Kind, verdicts, host alias, the VPC's answers and what clients make of what is presented: requirements of a class that have all alike share a trace.
type Alike = (u32, Few<u32>, Option<u32>, Vec<Option<u32>>, Few<u32>);

/// What results have in common, made once.
#[derive(Default)]
struct Shared<'a> {
    /// `file:line` in words: in compact JSON a hundred thousand pods stand on one line.
    places: FxHashMap<Origin, Str>,
    kinds: FxHashMap<Kind<'a>, u32>,
    /// The kinds of the requirements of a list.
    kinds_of: FxHashMap<*const Requirement, Rc<[u32]>>,
    /// What clients are asked about the servers of a list; nothing where the TLS layer takes no part.
    asks_of: FxHashMap<*const Requirement, Rc<[Option<tls::Ask>]>>,
    /// Endpoints by their places in a list of requirements.
    endpoints: FxHashMap<(*const Requirement, Vec<u32>), List<EndpointInfo>>,
    /// Steps that many traces have.
    steps: Vec<Arc<Step>>,
    /// Kept for its room.
    name: String,
}

/// At most this many steps are looked at when a trace may share some of them.
const STEPS: usize = 64;

/// What makes two questions share a result: requirements, the classes of all members, and what makes each requirement
/// share its trace. The places of clients are not part of it: only what these answer is.
type Same = (*const Requirement, Few<u32>, Vec<Alike>);

/// The results of an audit, in order of their first subject.
pub fn results(audit: &Audit<'_>) -> Vec<Result> {
    let mut shared = Shared::default();
    let mut known: FxHashMap<Same, usize> = FxHashMap::default();
    let mut firsts: Vec<&Asked<'_>> = Vec::new();
    let mut alike: Vec<Vec<Alike>> = Vec::new();
    let result_of: Vec<usize> = audit
        .questions
        .iter()
        .map(|asked| {
            let all = shared.alike(audit, asked);
            let classes = asked.members.iter().map(|(class, _)| *class).collect();
            *known.entry((asked.requirements.as_ptr(), classes, all)).or_insert_with_key(|(.., all)| {
                firsts.push(asked);
                alike.push(all.clone());
                firsts.len() - 1
            })
        })
        .collect();
    let mut groups: Vec<Vec<&Subject>> = vec![Vec::new(); firsts.len()];
    for (subject, question) in &audit.subjects {
        groups[result_of[*question as usize]].push(subject);
    }
    let all = firsts.into_iter().zip(alike).zip(groups);
    all.map(|((asked, alike), subjects)| result(audit, asked, alike, &subjects, &mut shared)).collect()
}

fn result<'a>(
    audit: &'a Audit<'_>,
    asked: &'a Asked<'_>,
    alike: Vec<Alike>,
    subjects: &[&Subject],
    shared: &mut Shared<'a>,
) -> Result {
    let mut index: FxHashMap<Alike, usize> = FxHashMap::default();
    let mut paths: Vec<PathResult> = Vec::new();
    let mut places: Vec<Vec<u32>> = Vec::new();
    let mut asides: Vec<Asides> = Vec::new();
    for ((place, requirement), (endpoint, alike)) in
        (0u32..).zip(asked.requirements).zip(asked.endpoints.iter().copied().zip(alike))
    {
        let at = *index.entry(alike).or_insert_with(|| {
            let (mut trace, aside) = trace(audit, asked, requirement, endpoint);
            shared.steps(&mut trace);
            paths.push(PathResult {
                ecosystem: requirement.ecosystem.clone(),
                endpoints: List::default(),
                outcome: trace.outcome(),
                trace,
            });
            places.push(Vec::new());
            asides.push(aside);
            paths.len() - 1
        });
        places[at].push(place);
    }
    for (path, places) in paths.iter_mut().zip(places) {
        path.endpoints = shared.endpoints(asked, places);
    }
    let outcome = subject_outcome(&paths);
    paths.shrink_to_fit();
    let mut infos: Vec<SubjectInfo> = subjects.iter().map(|subject| subject_info(audit, subject, shared)).collect();
    infos.sort();
    Result { class: ClassResult { subjects: infos, outcome, paths }, asides, classes: asked.classes.clone() }
}

impl<'a> Shared<'a> {
    /// What makes each of its requirements share a trace with others.
    fn alike(&mut self, audit: &'a Audit<'_>, asked: &'a Asked<'_>) -> Vec<Alike> {
        let (kinds, asks) = (self.kinds(audit, asked), self.asks(audit, asked));
        let evaluated = || asked.classes.iter().map(|class| &audit.evaluated[*class as usize]);
        let specs = || evaluated().map(|evaluated| &evaluated.party.spec);
        let may_know = specs().any(|spec| !spec.host_aliases.is_empty());
        let of = |(ask, (endpoint, kind)): (&Option<tls::Ask>, (u32, u32))| -> Alike {
            let planned = &audit.plan.endpoints[endpoint as usize];
            let host = &planned.endpoint.host;
            // What a host alias answers for stands alone.
            let aliased = may_know && specs().any(|spec| super::dns::known_without_lookup(spec, host).is_some());
            // So does what the resolver of the VPC treats in a way of its own.
            let is_of_its_own =
                |evaluated: &Evaluated| super::names::is_of_its_own(audit.context, evaluated.amazon.as_slice(), host);
            let alone = aliased || !planned.bare && evaluated().any(is_of_its_own);
            let verdicts = evaluated().map(|evaluated| evaluated.verdicts[endpoint as usize]).collect();
            // The VPC's answers, where anything was read about one.
            let answers =
                evaluated().filter_map(|evaluated| evaluated.answers.get(endpoint as usize).copied()).collect();
            let places = asked.members.iter().map(|(_, place)| *place);
            let tls = ask.as_ref().map(|ask| places.map(|place| audit.tls(place, ask)).collect()).unwrap_or_default();
            (kind, verdicts, alone.then_some(endpoint), answers, tls)
        };
        asks.iter().zip(asked.endpoints.iter().copied().zip(kinds.iter().copied())).map(of).collect()
    }

    /// What clients are asked about the servers of a list, one for each of its requirements.
    fn asks(&mut self, audit: &Audit<'_>, asked: &Asked<'_>) -> Rc<[Option<tls::Ask>]> {
        let of = |(requirement, endpoint): (&Requirement, &u32)| {
            let is_asked = audit.verifies(requirement, *endpoint) && requirement.doubt.is_none();
            is_asked.then(|| audit.ask(requirement, *endpoint))
        };
        let new = || asked.requirements.iter().zip(asked.endpoints.iter()).map(of).collect();
        Rc::clone(self.asks_of.entry(asked.requirements.as_ptr()).or_insert_with(new))
    }

    /// The kinds of all requirements of a list, by number.
    #[allow(clippy::cast_possible_truncation)] // requirements are listed by people
    fn kinds(&mut self, audit: &'a Audit<'_>, asked: &'a Asked<'_>) -> Rc<[u32]> {
        if let Some(known) = self.kinds_of.get(&asked.requirements.as_ptr()) {
            return Rc::clone(known);
        }
        let number = |(requirement, endpoint): (&'a Requirement, &u32)| {
            let planned = &audit.plan.endpoints[*endpoint as usize];
            let new = self.kinds.len() as u32;
            let kind = Kind {
                ecosystem: requirement.ecosystem.as_ref(),
                doubt: requirement.doubt.as_deref(),
                setting: requirement.setting.as_ref().map(|s| (s.text.as_str(), s.source, s.line)),
                port: planned.endpoint.port,
                protocol: planned.endpoint.protocol,
                bare: planned.bare,
                outside: planned.outside,
                known: planned.known(),
                alone: planned.doubt.is_some().then_some(*endpoint),
            };
            *self.kinds.entry(kind).or_insert(new)
        };
        let kinds: Rc<[u32]> = asked.requirements.iter().zip(asked.endpoints.iter()).map(number).collect();
        self.kinds_of.insert(asked.requirements.as_ptr(), Rc::clone(&kinds));
        kinds
    }

    /// Puts known steps in the place of equal ones; the policies' are hardly ever equal.
    fn steps(&mut self, trace: &mut Trace) {
        for step in trace.steps.iter_mut().filter(|step| step.layer != Layer::Policy) {
            if let Some(known) = self.steps.iter().find(|known| *known == step) {
                *step = Arc::clone(known);
            } else if self.steps.len() < STEPS {
                self.steps.push(Arc::clone(step));
            }
        }
    }

    /// The endpoints at these places of a list of requirements.
    fn endpoints(&mut self, asked: &Asked<'_>, places: Vec<u32>) -> List<EndpointInfo> {
        let key = (asked.requirements.as_ptr(), places);
        if let Some(known) = self.endpoints.get(&key) {
            return known.clone();
        }
        let info = |place: &u32| {
            let requirement = &asked.requirements[*place as usize];
            EndpointInfo {
                host: requirement.endpoint.host.clone(),
                port: requirement.endpoint.port,
                protocol: requirement.endpoint.protocol.to_string().into(),
                required: requirement.required,
                why: (!requirement.why.is_empty()).then(|| requirement.why.clone()),
                alternative: requirement.alternative,
            }
        };
        let endpoints: List<EndpointInfo> = key.1.iter().map(info).collect();
        self.endpoints.insert(key, endpoints.clone());
        endpoints
    }

    /// `ns/Kind/name`.
    fn name(&mut self, subject: &Subject) -> Str {
        if !subject.full_name.is_empty() {
            return subject.full_name.clone();
        }
        self.name.clear();
        let is_node = subject.namespace.is_empty() && subject.kind == crate::demand::sources::NODE;
        let kind = if is_node { "node" } else { subject.kind.as_str() };
        if !subject.namespace.is_empty() {
            self.name.push_str(&subject.namespace);
            self.name.push('/');
        }
        for part in [kind, "/", &subject.name] {
            self.name.push_str(part);
        }
        self.name.as_str().into()
    }

    /// `file:line`, if there are lines.
    fn place(&mut self, audit: &Audit<'_>, origin: Origin) -> Option<Str> {
        let source = audit.context.snapshot.source(origin.source);
        let place = |origin: &Origin| format!("{source}:{}", origin.line).into();
        (origin.line > 0).then(|| self.places.entry(origin).or_insert_with_key(place).clone())
    }
}

/// The trace of a subject whose pods may differ: all of them are needed.
fn trace(audit: &Audit<'_>, asked: &Asked<'_>, requirement: &Requirement, endpoint: u32) -> (Trace, Asides) {
    let mut traces: Vec<Trace> = Vec::new();
    let mut aside = Asides::default();
    for (class, place) in asked.members.iter().copied() {
        let trace = audit.trace((class, place), endpoint, requirement);
        if requirement.doubt.is_none() {
            note_asides(audit, class, endpoint, &mut aside);
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
    let mut trace = failing.map_or(Trace::default(), |at| traces.swap_remove(at));
    let worst = trace.outcome();
    for step in trace.steps.iter_mut().map(Arc::make_mut) {
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

fn subject_info(audit: &Audit<'_>, subject: &Subject, shared: &mut Shared<'_>) -> SubjectInfo {
    let snapshot = audit.context.snapshot;
    let origin = match (subject.pods.first(), subject.template) {
        (Some(pod), _) => Some(snapshot.pods[*pod as usize].meta.origin),
        (None, Some(template)) => Some(snapshot.workloads[template as usize].meta.origin),
        (None, None) => None,
    };
    SubjectInfo {
        name: shared.name(subject),
        pods: subject.pods.len() as u64,
        predicted: subject.pods.is_empty() && subject.template.is_some(),
        system: subject.system.map(Into::into),
        notes: subject.notes.clone(),
        signals: subject.shown.clone(),
        place: origin.and_then(|origin| shared.place(audit, origin)),
    }
}

/// The steps of a trace that have an outcome.
pub fn steps_with(trace: &Trace, outcome: Outcome) -> impl Iterator<Item = &Step> {
    trace.steps.iter().map(|s| &**s).filter(move |s| s.outcome.outcome() == Some(outcome))
}
