//! From a snapshot to the answers of all audit resources: the same evaluation as `buildreach audit`.

use std::collections::BTreeMap;

use super::wish::{AuditId, Wish};
use crate::collect::kube::{Former, Revision, Taken};
use crate::demand::{self, Catalogue, Demand, DemandOptions, Ranges};
use crate::model::codes;
use crate::model::report::AuditReport;
use crate::trace::report::{About, audit};
use crate::trace::tls::Trust;
use crate::trace::{Context, PolicyIndex, Profile};

/// What every evaluation of a process shares.
#[derive(Debug)]
pub struct Setup {
    /// The endpoints of ecosystems.
    pub catalogue: Catalogue,
    /// Their published addresses.
    pub ranges: Ranges,
    /// What the network plugin is taken for.
    pub profile: Profile,
}

/// What is true of one resource; or why nothing can be asked.
pub type Answer = (AuditId, Result<AuditReport, String>);

/// What an evaluation leaves to the next.
#[derive(Debug, Default)]
pub struct Memory {
    demands: BTreeMap<AuditId, Known>,
    /// Compiled policies, and of which facts.
    policies: Option<(Revision, PolicyIndex)>,
}

/// What is known of one resource's demand.
#[derive(Debug, Default)]
struct Known {
    specifications: demand::Memory,
    /// The last one, and from what: it holds as long as nothing changes but policies and EndpointSlices.
    last: Option<(Revision, DemandOptions, Demand)>,
    /// What is known about trust, from the same facts but for those that trust does not rest on.
    trust: Trust,
}

impl Known {
    fn demand(&mut self, setup: &Setup, taken: &Taken, options: DemandOptions) -> (&Demand, &mut Trust) {
        let now = taken.revision;
        let holds = |of: Revision| Revision { policies: now.policies, slices: now.slices, ..of } == now;
        let last = self.last.take();
        if last.as_ref().is_none_or(|(of, ..)| of.others != now.others) {
            self.trust.begin_anew();
        }
        let last = last.filter(|(of, asked, _)| holds(*of) && *asked == options);
        let build = || {
            let demand = demand::build_again(&taken.snapshot, &setup.catalogue, &options, &mut self.specifications);
            (now, options, demand)
        };
        let last = last.unwrap_or_else(build);
        (&self.last.insert(last).2, &mut self.trust)
    }
}

impl Memory {
    /// The policies of a snapshot, compiled, as far as they are not known from the last one.
    fn policies(&mut self, taken: &Taken) -> PolicyIndex {
        let Taken { snapshot, revision: now, former, .. } = taken;
        let Some((of, index)) = self.policies.take().filter(|(of, _)| of.others == now.others) else {
            return PolicyIndex::new(snapshot);
        };
        let mut index = match former {
            _ if of.policies == now.policies => index,
            Some(Former { revision: former, policies: Some(policies), .. }) if of.policies == former.policies => {
                index.renew(policies, snapshot)
            }
            _ => return PolicyIndex::new(snapshot),
        };
        if of.pods != now.pods {
            index.renew_pods(snapshot);
        }
        index
    }
}

/// Answers every resource.
pub fn evaluate(setup: &Setup, taken: &Taken, wishes: &[Wish], memory: &mut Memory) -> Vec<Answer> {
    let snapshot = &taken.snapshot;
    let context = Context::with(snapshot, &setup.profile, || memory.policies(taken));
    let (mut sets, problems) = demand::sets_of(snapshot, &setup.catalogue);
    // Who asks for a set asks for all of it: one of which a part was left out is not what they mean.
    let is_partial = |set: &demand::EndpointSet| {
        let of_shape = problems.iter().filter(|problem| problem.code.id == codes::OBJ_SHAPE.id);
        of_shape.map(|problem| &snapshot.others[problem.object].meta.name).any(|name| *name == set.name)
    };
    sets.retain(|set| !is_partial(set));
    memory.demands.retain(|id, _| wishes.iter().any(|wish| wish.id == *id));
    let mut answer = |wish: &Wish| {
        let (options, question) = wish.question(snapshot, &setup.catalogue, &sets)?;
        let known = memory.demands.entry(wish.id.clone()).or_default();
        let (demand, trust) = known.demand(setup, taken, options);
        let looked_for = if demand.subjects.is_empty() { demand::looked_for() } else { Vec::new() };
        let about = About { catalogue: setup.catalogue.as_of().into(), looked_for, matrix: false };
        Ok(audit(&context, demand, &setup.ranges, &question, &about, trust))
    };
    let answers = wishes.iter().map(|wish| (wish.id.clone(), answer(wish))).collect();
    memory.policies = Some((taken.revision, context.policies));
    answers
}
