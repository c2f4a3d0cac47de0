//! What the resolver of a VPC does with one name, in words.

use std::sync::Arc;

use super::context::Context;
use crate::cloud::names::{self, Answer};
use crate::cloud::{Cluster, Origin, Resolver, resolve};
use crate::model::{Doubt, Evidence, Layer, Outcome, Step, StepOutcome, Str, codes};

/// A VPC whose Amazon-provided resolver is asked; `false`: it is one of several that may be.
pub type Asked = (Str, bool);

/// The VPC whose Amazon-provided resolver answers somebody.
pub fn asked(cluster: &Cluster<'_>, origin: &Origin<'_>) -> Option<Asked> {
    let vpcs = origin.vpcs();
    let [vpc] = vpcs.as_slice() else { return None };
    match resolve::resolver(&cluster.net, vpc) {
        Resolver::Amazon => Some(((*vpc).clone(), true)),
        Resolver::Custom { amazon: Some(Ok(true)), .. } => Some(((*vpc).clone(), false)),
        Resolver::Custom { .. } | Resolver::Off(_) | Resolver::Unknown(_) => None,
    }
}

/// What becomes of a name where these are asked; `None` where nothing was read that says so.
pub fn step(context: &Context<'_>, asked: &[Asked], host: &str) -> Option<Step> {
    let net = &context.cloud.as_ref()?.net;
    let read = asked.iter().filter(|(vpc, _)| names::is_read(net, vpc));
    let steps: Vec<Step> = read.map(|(vpc, sure)| one(names::answer(net, vpc, host), *sure)).collect();
    let first = steps.first()?.clone();
    if steps.iter().all(|step| step.outcome == first.outcome) {
        return Some(first);
    }
    Some(unsure(format!("the resolvers that may be asked for {host} differ"), Vec::new()))
}

/// Whether what becomes of a name is its own affair: one name may not stand for another then.
pub fn is_of_its_own(context: &Context<'_>, asked: &[Asked], host: &str) -> bool {
    step(context, asked, host)
        .is_some_and(|step| step.outcome != StepOutcome::Reachable || !step.assumptions.is_empty())
}

fn one(answer: Answer, sure: bool) -> Step {
    match answer {
        Answer::Public(assumptions) => {
            let mut step = Step::new(Layer::Dns, Outcome::Reachable, "no rule of Route 53 Resolver changes the answer");
            step.assumptions = assumptions;
            step
        }
        Answer::Blocked(why, by) if sure => {
            let mut step = Step::new(Layer::Dns, Outcome::Blocked, why);
            step.codes.push(codes::AWS_DNS_FIREWALL.id.into());
            step.evidence = by.into_iter().map(Arc::new).collect();
            step
        }
        Answer::Blocked(why, by) => unsure(format!("{why}, and another resolver may be asked as well"), by),
        Answer::Unsure(why, by) => unsure(why, by),
    }
}

fn unsure(why: String, by: Vec<Evidence>) -> Step {
    let mut step = Step::new(Layer::Dns, StepOutcome::Unknown, why.clone());
    step.doubts.push(Doubt { reason: why, not_evaluated: None });
    step.evidence = by.into_iter().map(Arc::new).collect();
    step
}
