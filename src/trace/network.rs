//! The network of the VPC under an audit's classes: from where each starts, what names mean there, and what comes of it.

use std::rc::Rc;

use rustc_hash::FxHashMap;

use super::classes::Class;
use super::cloud::{self, Answer, Lookups};
use super::context::Context;
use super::plan::Planned;
use super::target::Aim;
use crate::cloud::{Cluster, Origin, Shadow};
use crate::model::{Doubt, Evidence, Family, Outcome};
use crate::policy::Party;

/// What a VPC says about one endpoint, family by family.
pub type Answers = Vec<(Family, Vec<Answer>)>;

/// An endpoint as it is seen from inside a VPC, where that differs from the outside.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Where its name leads there.
    pub planned: Rc<Planned>,
    /// The interface endpoint that holds the name.
    pub by: Option<Evidence>,
}

/// The network under the classes of an audit.
#[derive(Debug)]
pub struct Network<'a> {
    cluster: &'a Cluster<'a>,
    /// Where classes start; by the number in [`Class::origin`].
    origins: Vec<Origin<'a>>,
    /// By place, endpoint, and whether the pod asks a resolver of its own.
    seen: FxHashMap<(u32, u32, bool), Option<Seen>>,
    answers: Vec<Answers>,
    by_origin: FxHashMap<(u32, u32), u32>,
    /// Numbers of the answers of each place.
    of_origin: FxHashMap<u32, Vec<u32>>,
}

impl<'a> Network<'a> {
    /// The network of a context; `None` if nothing was read about it.
    pub fn new(context: &'a Context<'a>, origins: Vec<Origin<'a>>) -> Option<Self> {
        let cluster = context.cloud.as_ref()?;
        let (seen, by_origin, of_origin) = (FxHashMap::default(), FxHashMap::default(), FxHashMap::default());
        Some(Self { cluster, origins, seen, answers: Vec::new(), by_origin, of_origin })
    }

    /// Where a class starts.
    pub fn origin(&self, class: &Class<'_>) -> Option<&Origin<'a>> {
        self.origins.get(class.origin? as usize)
    }

    /// The lookups of a class.
    pub fn lookups(&self, context: &Context<'_>, class: &Class<'_>, party: &Party) -> Option<Lookups> {
        let pod = (!class.member.is_source()).then_some(party);
        cloud::lookups(context, self.origin(class)?, pod)
    }

    /// Works out what an endpoint's name means where a class stands.
    pub fn look(&mut self, context: &Context<'_>, class: &Class<'_>, endpoint: u32, planned: &Planned) {
        let Some(origin) = class.origin.filter(|_| !planned.bare && planned.outside) else { return };
        let elsewhere = self.elsewhere(context, class);
        if self.seen.contains_key(&(origin, endpoint, elsewhere)) {
            return;
        }
        let host = &planned.endpoint.host;
        let vpcs = self.origins[origin as usize].vpcs();
        let unsure = |why: String| {
            let doubt = Some(Doubt { reason: why, not_evaluated: None });
            Seen { planned: Rc::new(Planned { doubt, families: Vec::new(), ..planned.clone() }), by: None }
        };
        let mut found: Vec<Shadow> =
            vpcs.iter().map(|vpc| cloud::meaning(self.cluster, vpc, host, elsewhere)).collect();
        found.dedup();
        let seen = match found.as_slice() {
            [] | [Shadow::None] => None,
            [Shadow::Endpoint(addresses, by)] => {
                Some(Seen { planned: Rc::new(planned.with(context, addresses)), by: Some(by.clone()) })
            }
            [Shadow::Unsure { why, addresses }] => {
                let public: Vec<Aim> = planned.families.iter().flat_map(|(_, aims)| aims).cloned().collect();
                let (vpc, port) = (vpcs.first().map_or("", |vpc| vpc.as_str()), planned.endpoint.port);
                let aims = cloud::either(context, vpc, host, (why, addresses), &public, port);
                let families = aims.into_iter().map(|aim| (aim.family(), vec![aim])).collect();
                Some(Seen { planned: Rc::new(Planned { families, ..planned.clone() }), by: None })
            }
            _ => Some(unsure(format!("{host} means different things in the VPCs where the pods may be"))),
        };
        self.seen.insert((origin, endpoint, elsewhere), seen);
    }

    /// An endpoint as a class sees it, where that differs from the outside.
    pub fn seen(&self, context: &Context<'_>, class: &Class<'_>, endpoint: u32) -> Option<&Seen> {
        let elsewhere = self.elsewhere(context, class);
        self.seen.get(&(class.origin?, endpoint, elsewhere)).and_then(Option::as_ref)
    }

    /// Whether pods of a class ask a resolver that does not know the private names of their VPC.
    fn elsewhere(&self, context: &Context<'_>, class: &Class<'_>) -> bool {
        let spec = class.member.spec();
        // Most pods have no nameservers of their own.
        !spec.nameservers.is_empty() && self.origin(class).is_some_and(|o| cloud::asks_elsewhere(context, o, spec))
    }

    /// Judges an endpoint for a class; the number of the answers. `own`: the class has the endpoint to itself.
    pub fn judge(&mut self, class: &Class<'_>, endpoint: u32, planned: &Planned, own: bool) -> Option<u32> {
        let number = class.origin?;
        if let Some(known) = self.by_origin.get(&(number, endpoint)).filter(|_| !own) {
            return Some(*known);
        }
        let origin = &self.origins[number as usize];
        let host = (!planned.bare).then_some(planned.endpoint.host.as_str());
        let protocol = planned.endpoint.protocol;
        let of = |(family, aims): &(Family, Vec<super::target::Aim>)| {
            (*family, cloud::ask(self.cluster, origin, aims, protocol, host))
        };
        let answers: Answers = planned.families.iter().map(of).collect();
        // Equal answers of one place have one number: its endpoints are told together.
        let here = self.of_origin.entry(number).or_default();
        let known = here.iter().copied().find(|at| self.answers[*at as usize] == answers);
        let at = known.unwrap_or_else(|| {
            #[allow(clippy::cast_possible_truncation)] // places times endpoints
            let at = self.answers.len() as u32;
            self.answers.push(answers);
            here.push(at);
            at
        });
        if !own {
            self.by_origin.insert((number, endpoint), at);
        }
        Some(at)
    }

    /// Answers by number.
    pub fn answers(&self, number: u32) -> &Answers {
        &self.answers[number as usize]
    }

    /// The outcome of one family.
    pub fn outcome(&self, number: u32, planned: &Planned, family: Family) -> Option<Outcome> {
        let (_, aims) = planned.families.iter().find(|(f, _)| *f == family)?;
        let (_, answers) = self.answers(number).iter().find(|(f, _)| *f == family)?;
        cloud::outcome(aims, answers)
    }
}
