//! What an audit found about one class and one endpoint, layer by layer, in words.

use std::rc::Rc;
use std::sync::Arc;

use super::{Audit, Evaluated, aliased, over_aims};
use crate::demand::Requirement;
use crate::model::{Doubt, Evidence, Family, Layer, Outcome, Step, StepOutcome, Trace};
use crate::policy::Party;
use crate::trace::context::Context;
use crate::trace::flow::{Flow, Judgement, Known};
use crate::trace::plan::Planned;
use crate::trace::target::combine_judgements;
use crate::trace::{cloud, dns, layers, names};

impl Audit<'_> {
    /// All layers of one class for one requirement, its clients at that place.
    pub fn trace(&self, (class, place): (u32, u32), endpoint: u32, requirement: &Requirement) -> Trace {
        let planned = &self.plan.endpoints[endpoint as usize];
        let evaluated = &self.evaluated[class as usize];
        let mut steps = vec![self.config_step(requirement)];
        if let Some(doubt) = &requirement.doubt {
            // The build may contact somebody else: what lies on the way to this host decides nothing.
            let why = format!("the build may not contact this host: {doubt}");
            steps.extend(Layer::ALL[1..].iter().map(|layer| Step::new(*layer, StepOutcome::NotAssessed, why.clone())));
            return Trace::new(steps);
        }
        let seen = self.seen(class, endpoint);
        let mut dns = dns_step(self.context, planned, evaluated);
        if let Some(by) = seen.as_ref().and_then(|(_, by)| by.as_ref()) {
            dns.summary = format!("{}; the name leads to {}", dns.summary, by.object.name);
            dns.evidence.push(Arc::new(by.clone()));
        }
        steps.push(dns);
        let family = self.family(class, endpoint);
        steps.push(self.policy_step(class, endpoint, family));
        let member = self.classes[class as usize].member;
        let (party, annotations) = (&evaluated.party, member.annotations());
        let protocol = planned.endpoint.protocol;
        steps.push(layers::mesh_step(self.context, party, annotations, member.pod().is_none(), protocol));
        steps.push(self.cloud_step(class, endpoint, family));
        if !planned.outside {
            for (_, aims) in &planned.families {
                layers::merge_destination(&mut steps, layers::destination_steps(self.context, aims, protocol));
            }
        }
        let without_proxy =
            if member.is_source() { "what is no pod has no proxy settings here" } else { "the pod sets no proxy" };
        steps.push(Step::new(Layer::Proxy, StepOutcome::NotApplicable, without_proxy));
        steps.push(if self.verifies(requirement, endpoint) {
            self.trust.answers.step(self.tls(place, &self.ask(requirement, endpoint)))
        } else {
            let summary = "nobody says what is presented at this bare address";
            Step::new(Layer::Tls, StepOutcome::NotApplicable, summary)
        });
        for step in &mut steps {
            if step.outcome == StepOutcome::NotAssessed && self.question.require.contains(&step.layer) {
                step.outcome = StepOutcome::Unknown;
                let reason = format!("layer {} is required and was not assessed: {}", step.layer, step.summary);
                step.doubts.push(Doubt { reason, not_evaluated: None });
            }
        }
        Trace::new(steps)
    }

    /// An endpoint as a class sees it, where that differs: by its own host aliases, or by an interface endpoint of its
    /// VPC, which is named.
    fn seen(&self, class: u32, endpoint: u32) -> Option<(Rc<Planned>, Option<Evidence>)> {
        let planned = &self.plan.endpoints[endpoint as usize];
        let alias = aliased(self.context, planned, &self.evaluated[class as usize].party);
        let by_vpc = || {
            let seen = self.network.as_ref()?.seen(self.context, &self.classes[class as usize], endpoint)?;
            Some((Rc::clone(&seen.planned), seen.by.clone()))
        };
        alias.map(|planned| (planned, None)).or_else(by_vpc)
    }

    /// The family that serves best over policies and the VPC together; `None` where the VPC is not read.
    fn family(&self, class: u32, endpoint: u32) -> Option<Family> {
        let network = self.network.as_ref()?;
        let answers = self.evaluated[class as usize].answers[endpoint as usize]?;
        let seen = self.seen(class, endpoint);
        let planned = seen.as_ref().map_or(&self.plan.endpoints[endpoint as usize], |(planned, _)| planned);
        let verdict = self.verdict(class, endpoint)?;
        let along = |(family, judgements): &&(Family, Vec<Judgement>)| {
            Outcome::along(over_aims(judgements).into_iter().chain(network.outcome(answers, planned, *family)))
        };
        verdict.families.iter().min_by_key(along).map(|(family, _)| *family)
    }

    /// The cloud layer in words.
    fn cloud_step(&self, class: u32, endpoint: u32, family: Option<Family>) -> Step {
        let party = &self.evaluated[class as usize].party;
        let planned = &self.plan.endpoints[endpoint as usize];
        let Some(network) = &self.network else {
            return layers::cloud_step(self.context, Some(party), planned.outside);
        };
        let seen = self.seen(class, endpoint);
        let planned = seen.as_ref().map_or(planned, |(planned, _)| planned);
        let answers = self.evaluated[class as usize].answers[endpoint as usize].map(|number| network.answers(number));
        let of_family = |family: Family| {
            let (_, aims) = planned.families.iter().find(|(f, _)| *f == family)?;
            let (_, answers) = answers?.iter().find(|(f, _)| *f == family)?;
            Some(cloud::step(aims, answers))
        };
        let step = family.and_then(of_family);
        step.unwrap_or_else(|| {
            Step::new(Layer::Cloud, StepOutcome::NotAssessed, "it is not known which address is asked")
        })
    }

    fn config_step(&self, requirement: &Requirement) -> Step {
        let place = requirement.setting.as_ref().map(|setting| {
            let file = self.context.snapshot.source(setting.source);
            let line = if setting.line > 0 { format!(":{}", setting.line) } else { String::new() };
            format!("{} ({file}{line})", setting.text)
        });
        match (&requirement.doubt, place) {
            (Some(doubt), _) => {
                let mut step = Step::new(Layer::Config, StepOutcome::Unknown, doubt.clone());
                step.doubts.push(Doubt { reason: doubt.clone(), not_evaluated: None });
                step
            }
            (None, Some(place)) => Step::new(Layer::Config, Outcome::Reachable, place),
            (None, None) => {
                let why = if requirement.ecosystem.is_some() { "the tool's defaults" } else { "named by the caller" };
                Step::new(Layer::Config, StepOutcome::NotApplicable, why)
            }
        }
    }

    /// The policy layer in words.
    fn policy_step(&self, class: u32, endpoint: u32, family: Option<Family>) -> Step {
        let mut step = self.policies_of(class, endpoint, family);
        if self.classes[class as usize].member.is_source() && step.outcome == StepOutcome::NotApplicable {
            "pod policies do not see what is no pod".clone_into(&mut step.summary);
        }
        step
    }

    fn policies_of(&self, class: u32, endpoint: u32, family: Option<Family>) -> Step {
        let seen = self.seen(class, endpoint);
        let planned = seen.as_ref().map_or(&self.plan.endpoints[endpoint as usize], |(planned, _)| planned);
        if let Some(doubt) = &planned.doubt {
            let mut step = Step::new(Layer::Policy, StepOutcome::Unknown, doubt.reason.clone());
            step.doubts.push(doubt.clone());
            return step;
        }
        let Some(verdict) = self.verdict(class, endpoint) else {
            return Step::new(Layer::Policy, StepOutcome::NotAssessed, "nobody asked");
        };
        let protocol = planned.endpoint.protocol;
        let mut steps: Vec<(Family, Step)> = Vec::new();
        for (family, judgements) in &verdict.families {
            let Some((_, aims)) = planned.families.iter().find(|(f, _)| f == family) else { continue };
            let judged: Vec<(Flow<'_>, Judgement)> =
                aims.iter().zip(judgements).map(|(aim, j)| (aim.flow(self.context, protocol), j.clone())).collect();
            steps.push((*family, combine_judgements(&judged)));
        }
        let best = match family {
            Some(family) => steps.iter().position(|(f, _)| *f == family),
            None => steps.iter().position(|(_, s)| s.outcome.outcome() == verdict.outcome),
        };
        let Some(best) = best.or(if steps.is_empty() { None } else { Some(0) }) else {
            let summary = "it has no address of the pod's families";
            if matches!(planned.known(), Some(Known::Complete)) {
                return Step::new(Layer::Policy, Outcome::Blocked, summary);
            }
            let mut step = Step::new(Layer::Policy, StepOutcome::Unknown, summary);
            step.doubts.push(Doubt { reason: step.summary.clone(), not_evaluated: None });
            return step;
        };
        let families = steps.len();
        let (family, mut step) = steps.swap_remove(best);
        if families > 1 {
            step.summary = format!("{family}: {}", step.summary);
        }
        let is_source = self.classes[class as usize].member.is_source();
        if !is_source && evaluated_family_is_assumed(&self.evaluated[class as usize].party, planned) {
            step.assumptions.push("the pod's address is IPv4: it has none yet".to_owned());
        }
        step
    }
}

fn dns_step(context: &Context<'_>, planned: &Planned, evaluated: &Evaluated) -> Step {
    if planned.bare {
        return Step::new(Layer::Dns, StepOutcome::NotApplicable, "a bare address needs no lookup");
    }
    if let Some(ip) = dns::known_without_lookup(&evaluated.party.spec, &planned.endpoint.host) {
        return Step::new(Layer::Dns, StepOutcome::NotApplicable, format!("hostAliases gives {ip}"));
    }
    let is_cluster_name = crate::trace::service::cluster_name(&planned.endpoint.host).is_some();
    if is_cluster_name && !dns::knows_cluster_names(context, &evaluated.party.spec) {
        let summary = "the pod's resolver is not that of the cluster, and may not know the cluster's names";
        let mut step = Step::new(Layer::Dns, StepOutcome::Unknown, summary);
        step.doubts.push(Doubt { reason: summary.to_owned(), not_evaluated: None });
        return step;
    }
    match &evaluated.lookup {
        Some(lookup) => {
            let mut step = lookup.step.clone();
            if let Some(upstream) = evaluated.upstream.as_ref().filter(|_| !is_cluster_name) {
                cloud::merge_lookup(&mut step, upstream.clone());
                if let Some(theirs) = names::step(context, &evaluated.amazon, &planned.endpoint.host) {
                    cloud::merge_lookup(&mut step, theirs);
                }
            }
            step
        }
        None => Step::new(Layer::Dns, StepOutcome::NotAssessed, "no lookup was asked for"),
    }
}

fn evaluated_family_is_assumed(party: &Party, planned: &Planned) -> bool {
    !planned.bare && party.families().is_empty() && planned.families.len() > 1
}
