//! Every subject × everything it needs, by class.

mod words;

use std::rc::Rc;

use rustc_hash::FxHashMap;

use crate::demand::ranges::Ranges;
use crate::demand::{Demand, Requirement, Subject};
use crate::model::addr::public_internet;
use crate::model::exception::Exception;
use crate::model::{Evidence, Family, Few, Layer, Outcome, Protocol, Step};
use crate::policy::{Party, Quick};
use crate::trace::classes::{Class, Classes, Member};
use crate::trace::cloud;
use crate::trace::context::Context;
use crate::trace::dns::{self, Lookup};
use crate::trace::flow::{Flow, Judgement, Known, Source};
use crate::trace::names;
use crate::trace::network::Network;
use crate::trace::plan::{Answers, Plan, Planned};
use crate::trace::target::{Aim, aim_of_set};
use crate::trace::tls;

/// What an audit is asked for beside the facts.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Layers that must be assessed: `NotAssessed` counts as `Unknown` there.
    pub require: Vec<Layer>,
    /// DNS answers of `--resolve`.
    pub answers: Answers,
    /// What is accepted.
    pub exceptions: Vec<Exception>,
}

/// The result of one class for one endpoint's addresses, kept once for all that share it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Verdict {
    /// Per family, one judgement for each aim.
    families: Vec<(Family, Vec<Judgement>)>,
    /// The combined outcome; `None`: policies are not on the path.
    pub outcome: Option<Outcome>,
}

impl Verdict {
    /// The judgements of all families.
    pub fn judgements(&self) -> impl Iterator<Item = &Judgement> {
        self.families.iter().flat_map(|(_, judgements)| judgements)
    }

    /// A family that is blocked while the outcome is better.
    pub fn blocked_family(&self) -> Option<Family> {
        if self.families.len() < 2 || self.outcome == Some(Outcome::Blocked) {
            return None;
        }
        self.families.iter().find(|(_, j)| over_aims(j) == Some(Outcome::Blocked)).map(|(family, _)| *family)
    }
}

fn over_aims(judgements: &[Judgement]) -> Option<Outcome> {
    Outcome::all_needed(judgements.iter().filter_map(|j| j.outcome))
}

/// One class, evaluated.
#[derive(Debug)]
pub struct Evaluated {
    /// As policies see it.
    pub party: Party,
    /// Families of its own addresses, and those that the network plugin lends it through its node.
    families: Vec<Family>,
    /// The lookup of public names.
    pub lookup: Option<Lookup>,
    /// The last leg of the lookup of names that the cluster does not know: to the VPC's resolver.
    upstream: Option<Step>,
    /// Whose Amazon-provided resolver that is.
    pub(super) amazon: Vec<names::Asked>,
    /// Number of the VPC's answers per planned endpoint.
    pub answers: Vec<Option<u32>>,
    /// Verdict number per planned endpoint; `u32::MAX` where nobody of the class needs it.
    pub verdicts: Vec<u32>,
}

/// A whole audit, evaluated; findings and the report are made from it.
#[derive(Debug)]
pub struct Audit<'a> {
    /// The context.
    pub context: &'a Context<'a>,
    /// Planned endpoints.
    pub plan: Plan,
    /// The question.
    pub question: &'a Question,
    /// Classes.
    pub classes: Vec<Class<'a>>,
    /// One for each class.
    pub evaluated: Vec<Evaluated>,
    /// Verdicts by number.
    pub verdicts: Vec<Rc<Verdict>>,
    /// The network of the VPC, if anything was read about it.
    pub network: Option<Network<'a>>,
    /// What is asked for, and what servers present.
    pub(super) demand: &'a Demand,
    /// Where clients run, and what they make of what servers present.
    pub(super) trust: tls::Trust,
    /// What was asked, in order of the first subject who asks it.
    pub questions: Vec<Asked<'a>>,
    /// All subjects, each with the number of its question.
    pub subjects: Vec<(&'a Subject, u32)>,
}

/// What subjects that are alike ask for.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Their requirements.
    pub requirements: &'a [Requirement],
    /// Numbers of the planned endpoints, one for each requirement.
    pub endpoints: Rc<[u32]>,
    /// Their classes, sorted.
    pub classes: Vec<u32>,
    /// Their members, each once: a class, and the place where its clients run.
    pub members: Few<(u32, u32)>,
}

/// Marks an endpoint that a class does not need.
const NOT_NEEDED: u32 = u32::MAX;

impl<'a> Audit<'a> {
    /// Evaluates what a demand asks for.
    pub fn new(context: &'a Context<'a>, demand: &'a Demand, ranges: &Ranges, question: &'a Question) -> Self {
        Self::again(context, demand, ranges, question, tls::Trust::default())
    }

    /// The same, with what is known about trust from an earlier audit, as far as [`tls::Trust`] holds.
    pub fn again(
        context: &'a Context<'a>,
        demand: &'a Demand,
        ranges: &Ranges,
        question: &'a Question,
        trust: tls::Trust,
    ) -> Self {
        let mut trust = trust.at(context.snapshot, demand);
        let mut plan = Plan::default();
        let mut lists: Vec<(&[Requirement], Rc<[u32]>)> = Vec::new();
        let mut list_of: Vec<u32> = Vec::with_capacity(demand.subjects.len());
        let mut known: FxHashMap<*const Requirement, u32> = FxHashMap::default();
        for subject in &demand.subjects {
            let requirements = demand.requirements(subject);
            let number =
                known.get(&requirements.as_ptr()).copied().filter(|n| lists[*n as usize].0.len() == requirements.len());
            let number = number.unwrap_or_else(|| {
                let same = lists.iter().position(|(list, _)| *list == requirements);
                let at = same.unwrap_or_else(|| {
                    let endpoints = requirements.iter().map(|r| plan.add(context, ranges, &question.answers, r));
                    lists.push((requirements, endpoints.collect()));
                    lists.len() - 1
                });
                let at = number32(at);
                known.insert(requirements.as_ptr(), at);
                at
            });
            list_of.push(number);
        }
        let mut classes = Classes::new(context, &plan, &demand.subjects);
        let mut questions: Vec<Asked<'a>> = Vec::new();
        // Trust decides only where names are asked for, or somebody says what addresses present.
        let verifies = demand.presents_anything() || plan.endpoints.iter().any(|p| !p.bare);
        let mut numbers: FxHashMap<(u32, Few<(u32, u32)>), u32> = FxHashMap::default();
        let mut subjects = Vec::with_capacity(demand.subjects.len());
        for (subject, list) in demand.subjects.iter().zip(list_of) {
            let all = members(context, subject).map(|member| {
                let place = if verifies { trust.places.of(member) } else { 0 };
                (classes.of(context, member), place)
            });
            let mut of: Few<(u32, u32)> = all.collect();
            if of.len() > 1 {
                let mut several = of.to_vec();
                several.sort_unstable();
                several.dedup();
                of = several.into();
            }
            let number = *numbers.entry((list, of)).or_insert_with_key(|(list, of)| {
                let (requirements, endpoints) = &lists[*list as usize];
                let mut classes: Vec<u32> = of.iter().map(|(class, _)| *class).collect();
                classes.dedup();
                let endpoints = Rc::clone(endpoints);
                questions.push(Asked { requirements, endpoints, classes, members: of.clone() });
                number32(questions.len() - 1)
            });
            subjects.push((subject, number));
        }
        let (classes, origins) = classes.into_parts();
        let mut audit = Self {
            context,
            question,
            classes,
            evaluated: Vec::new(),
            verdicts: Vec::new(),
            network: Network::new(context, origins),
            demand,
            trust,
            questions,
            subjects,
            plan,
        };
        audit.evaluate();
        audit
    }

    fn evaluate(&mut self) {
        let with_lookup = self.plan.endpoints.iter().any(|p| !p.bare);
        let endpoints = self.plan.endpoints.len();
        self.evaluated = self
            .classes
            .iter()
            .map(|class| {
                let party = class.member.party(self.context);
                let pod = class.member.pod();
                let mut lookup = with_lookup.then(|| dns::lookup(self.context, &party, pod, &class.selecting));
                let of_vpc =
                    self.network.as_ref().filter(|_| with_lookup).and_then(|n| n.lookups(self.context, class, &party));
                if let (Some(lookup), Some(of_vpc)) = (&mut lookup, &of_vpc) {
                    lookup.tcp_closed |= of_vpc.tcp_closed;
                    if let Some(leg) = &of_vpc.to_resolver {
                        cloud::merge_lookup(&mut lookup.step, leg.clone());
                    }
                }
                let (upstream, amazon) = of_vpc.map(|l| (l.upstream, l.amazon)).unzip();
                let amazon = amazon.unwrap_or_default();
                let answers = vec![None; if self.network.is_some() { endpoints } else { 0 }];
                let mut families = party.families();
                if let Some(origin) = self.network.as_ref().and_then(|n| n.origin(class))
                    && !families.is_empty()
                {
                    families
                        .extend(origin.families().into_iter().filter(|f| !families.contains(f)).collect::<Vec<_>>());
                }
                Evaluated { families, party, lookup, upstream, amazon, answers, verdicts: vec![NOT_NEEDED; endpoints] }
            })
            .collect();
        // Which class needs which endpoint.
        let mut needed = vec![vec![false; self.classes.len()]; endpoints];
        for asked in &self.questions {
            for class in &asked.classes {
                for endpoint in asked.endpoints.iter() {
                    needed[*endpoint as usize][*class as usize] = true;
                }
            }
        }
        let mut interned: FxHashMap<Rc<Verdict>, u32> = FxHashMap::default();
        // A class gives the same verdict wherever the same rule decides.
        let mut quick: FxHashMap<(u32, bool, Family, Quick), u32> = FxHashMap::default();
        for (endpoint, planned) in self.plan.endpoints.iter().enumerate() {
            let flows = flows_of(self.context, planned);
            for (class, evaluated) in self.evaluated.iter_mut().enumerate() {
                if !needed[endpoint][class] {
                    continue;
                }
                let entry = &self.classes[class];
                let number = number32(endpoint);
                if let Some(network) = &mut self.network {
                    network.look(self.context, entry, number, planned);
                }
                let alias = aliased(self.context, planned, &evaluated.party);
                let seen = alias
                    .clone()
                    .or_else(|| self.network.as_ref()?.seen(self.context, entry, number).map(|s| s.planned.clone()));
                // What the name means hangs on the pod, and not on its place alone.
                let own = alias.is_some() || !entry.member.spec().nameservers.is_empty();
                if let Some(network) = &mut self.network {
                    let planned = seen.as_deref().unwrap_or(planned);
                    evaluated.answers[endpoint] = network.judge(entry, number, planned, own);
                }
                if let Some(seen) = seen {
                    let verdict = judge(&seen, &flows_of(self.context, &seen), entry, evaluated);
                    evaluated.verdicts[endpoint] = number32(self.verdicts.len());
                    self.verdicts.push(Rc::new(verdict));
                    continue;
                }
                let short = match flows.as_slice() {
                    [(family, one)] if one.len() == 1 => one[0]
                        .quick(&self.classes[class].selecting)
                        .map(|short| (number32(class), planned.bare, *family, short)),
                    _ => None,
                };
                if let Some(number) = short.and_then(|short| quick.get(&short)) {
                    evaluated.verdicts[endpoint] = *number;
                    continue;
                }
                let verdict = judge(planned, &flows, &self.classes[class], evaluated);
                let number = if let Some(number) = interned.get(&verdict) {
                    *number
                } else {
                    let number = number32(self.verdicts.len());
                    let verdict = Rc::new(verdict);
                    self.verdicts.push(Rc::clone(&verdict));
                    interned.insert(verdict, number);
                    number
                };
                if let Some(short) = short {
                    quick.insert(short, number);
                }
                evaluated.verdicts[endpoint] = number;
            }
        }
    }

    /// Whether the class may open connections to the whole public internet on 443/TCP: why, and by which rules.
    pub fn over_open(&self, class: u32) -> Option<(String, Vec<Evidence>)> {
        let evaluated = &self.evaluated[class as usize];
        let family = evaluated.party.families().first().copied().unwrap_or(Family::V4);
        let known = Known::StandIn { title: "the public internet".to_owned(), elsewhere: false };
        let aim = aim_of_set(public_internet(family), known, 443);
        let flow = aim.flow(self.context, Protocol::Tcp);
        let entry = &self.classes[class as usize];
        if entry.member.is_source() {
            return None;
        }
        let judgement = flow.judge(Source::Pod(&evaluated.party, entry.member.pod()), &entry.selecting);
        if judgement.outcome != Some(Outcome::Reachable) || judgement.note.is_some() {
            return None;
        }
        if let (Some(network), Some(cluster)) = (&self.network, &self.context.cloud) {
            let aims = std::slice::from_ref(&aim);
            let answers = network.origin(entry).map(|origin| cloud::ask(cluster, origin, aims, Protocol::Tcp, None));
            if answers.is_some_and(|answers| cloud::outcome(aims, &answers) != Some(Outcome::Reachable)) {
                return None;
            }
        }
        let rules: Vec<_> = judgement.gates.iter().flat_map(|(gate, _)| &gate.by).collect();
        if rules.is_empty() {
            let message =
                format!("no policy limits what builds of namespace {} may contact", evaluated.party.namespace);
            return Some((message, Vec::new()));
        }
        let evidence = rules.iter().map(|rule| (*self.context.rule_evidence(**rule)).clone()).collect();
        Some((
            "a build that needs a known list of endpoints may contact every public address on 443/TCP".to_owned(),
            evidence,
        ))
    }

    /// What is known about trust, for the next audit.
    pub fn into_trust(self) -> tls::Trust {
        self.trust.swept()
    }

    /// How many pairs of a subject and an endpoint were judged.
    pub fn outcomes(&self) -> u64 {
        self.subjects.iter().map(|(_, question)| self.questions[*question as usize].endpoints.len() as u64).sum()
    }

    /// Whether the TLS layer takes part: at a bare address only where somebody says what is presented there.
    pub fn verifies(&self, requirement: &Requirement, endpoint: u32) -> bool {
        !self.plan.endpoints[endpoint as usize].bare || self.demand.presented(requirement).is_some()
    }

    /// What the clients of whoever has a requirement are asked about its server.
    pub fn ask(&self, requirement: &Requirement, endpoint: u32) -> tls::Ask {
        let planned = &self.plan.endpoints[endpoint as usize];
        self.trust.answers.ask(self.demand, requirement, (planned, endpoint))
    }

    /// The number of the TLS step that answers a question at a place.
    pub fn tls(&self, place: u32, ask: &tls::Ask) -> u32 {
        self.trust.answers.number(self.context, &self.trust.places, place, ask)
    }

    /// The verdict of a class for an endpoint.
    pub fn verdict(&self, class: u32, endpoint: u32) -> Option<&Verdict> {
        let number = self.evaluated[class as usize].verdicts[endpoint as usize];
        self.verdicts.get(number as usize).map(|v| &**v)
    }
}

/// The endpoint at the address that a pod knows by itself (`hostAliases`).
fn aliased(context: &Context<'_>, planned: &Planned, party: &Party) -> Option<Rc<Planned>> {
    let ip = dns::known_without_lookup(&party.spec, &planned.endpoint.host).filter(|_| !planned.bare)?;
    Some(Rc::new(planned.at(context, ip)))
}

/// The pods or the template of a subject.
pub fn members<'a>(context: &Context<'a>, subject: &'a Subject) -> impl Iterator<Item = Member<'a>> + use<'a> {
    let snapshot = context.snapshot;
    let running = subject.pods.iter().map(move |i| Member::Running(*i, &snapshot.pods[*i as usize]));
    let predicted = subject.template.filter(|_| subject.pods.is_empty());
    let source = (subject.pods.is_empty() && subject.template.is_none()).then_some(Member::Source(subject));
    running.chain(predicted.map(move |i| Member::Predicted(&snapshot.workloads[i as usize]))).chain(source)
}

fn flows_of<'a>(context: &'a Context<'a>, planned: &'a Planned) -> Vec<(Family, Vec<Flow<'a>>)> {
    let protocol = planned.endpoint.protocol;
    let of = |aims: &'a [Aim]| aims.iter().map(|aim| aim.flow(context, protocol)).collect();
    planned.families.iter().map(|(family, aims)| (*family, of(aims))).collect()
}

fn judge(planned: &Planned, flows: &[(Family, Vec<Flow<'_>>)], class: &Class<'_>, evaluated: &Evaluated) -> Verdict {
    let (party, own) = (&evaluated.party, &evaluated.families);
    let mut families = Vec::new();
    for (family, flows) in flows {
        // A name is asked for in the pod's families, IPv4 if they are not known; a bare address in its own.
        let wanted = planned.bare
            || own.contains(family)
            || (own.is_empty() && (*family == Family::V4 || planned.families.len() == 1));
        if !wanted {
            continue;
        }
        let source = Source::Pod(party, class.member.pod());
        families.push((*family, flows.iter().map(|flow| flow.judge(source, &class.selecting)).collect()));
    }
    let outcomes = families.iter().filter_map(|(_, j): &(Family, Vec<Judgement>)| over_aims(j));
    let outcome = Outcome::best(outcomes);
    Verdict { families, outcome }
}

#[allow(clippy::cast_possible_truncation)] // numbers of things that fit into memory by the thousand
fn number32(n: usize) -> u32 {
    n as u32
}
