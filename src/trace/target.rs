//! What an address or a name stands for, and the policy layer over all that it stands for.

use std::net::IpAddr;

use super::context::Context;
use super::flow::{Destination, Flow, Judgement, Known, Source};
use super::service::{backends, named};
use crate::model::object::Service;
use crate::model::{AddrSet, Doubt, Family, Layer, Outcome, Protocol, Step, StepOutcome, Str};
use crate::policy::{Party, PolicyId};

/// One party that a connection may end at.
#[derive(Clone, Debug)]
pub enum Target {
    /// A pod, through its address of the family.
    Pod {
        /// As policies see it.
        party: Box<Party>,
        /// Index in the snapshot; `None` for a predicted one.
        pod: Option<u32>,
        /// Family of the connection.
        family: Family,
    },
    /// Addresses that are no pods'.
    Addresses {
        /// Of one family.
        set: AddrSet,
        /// How well they are known.
        known: Known,
        /// The node that has them, if it is one.
        node: Option<Str>,
    },
}

/// A target with the port there.
#[derive(Clone, Debug)]
pub struct Aim {
    /// Who.
    pub target: Target,
    /// Port at the destination, after any translation.
    pub port: u16,
}

impl Aim {
    fn addresses(set: AddrSet, known: Known, node: Option<Str>, port: u16) -> Self {
        Self { target: Target::Addresses { set, known, node }, port }
    }

    /// Family of the connection.
    pub fn family(&self) -> Family {
        match &self.target {
            Target::Pod { family, .. } => *family,
            Target::Addresses { set, .. } => set.family(),
        }
    }

    /// Whether it is neither a pod nor a node of the cluster.
    pub fn is_outside(&self) -> bool {
        matches!(&self.target, Target::Addresses { node: None, .. })
    }

    /// The question about it.
    pub fn flow<'a>(&'a self, context: &'a Context<'a>, protocol: Protocol) -> Flow<'a> {
        let destination = match &self.target {
            Target::Pod { party, pod, family } => Destination::Pod(party, *pod, *family),
            Target::Addresses { set, known, node } => Destination::Addresses { set, known, node: node.as_ref() },
        };
        Flow::new(context, destination, protocol, self.port)
    }
}

/// Whether the port is the Service's or, as in suites, already the one at the destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortMeans {
    /// The port that the client dials.
    Dialled,
    /// The port at the destination, after any translation.
    AtDestination,
}

/// Everything that addresses stand for. A Service without known backends is an error.
///
/// # Errors
///
/// The reason why it cannot be told who answers.
pub fn aims_of_addresses(
    context: &Context<'_>,
    addresses: &[IpAddr],
    protocol: Protocol,
    port: u16,
    means: PortMeans,
) -> Result<Vec<Aim>, Doubt> {
    let mut aims = Vec::new();
    let mut outside: Vec<IpAddr> = Vec::new();
    for ip in &addresses.iter().map(IpAddr::to_canonical).collect::<Vec<_>>() {
        if let Some(service) = context.service_at(*ip) {
            aims.extend(aims_of_service(context, service, Some(Family::of(*ip)), protocol, port, means)?);
        } else if let Some((i, pod)) = context.pod_at(*ip) {
            let target = Target::Pod { party: Box::new(context.party(pod)), pod: Some(i), family: Family::of(*ip) };
            aims.push(Aim { target, port });
        } else if let Some(doubt) = context.may_be_unread(*ip) {
            return Err(doubt);
        } else if let Some(node) = context.node_at(*ip) {
            aims.push(Aim::addresses(AddrSet::single(*ip), Known::Complete, Some(node.clone()), port));
        } else {
            outside.push(*ip);
        }
    }
    for family in [Family::V4, Family::V6] {
        let set = AddrSet::from_ips(family, outside.iter().copied());
        if !set.is_empty() {
            aims.push(Aim::addresses(set, Known::Complete, None, port));
        }
    }
    Ok(aims)
}

/// The backends of a Service as aims; without a family each backend counts in all of its own.
///
/// # Errors
///
/// If nothing is known to stand behind it.
pub fn aims_of_service(
    context: &Context<'_>,
    service: &Service,
    family: Option<Family>,
    protocol: Protocol,
    port: u16,
    means: PortMeans,
) -> Result<Vec<Aim>, Doubt> {
    let found = backends(context, service, protocol, port, means == PortMeans::AtDestination);
    if found.is_empty() {
        let namespace = service.meta.namespace.clone().unwrap_or_default();
        let reason = format!("nothing is known to stand behind Service {namespace}/{} on {port}", service.meta.name);
        return Err(Doubt { reason, not_evaluated: None });
    }
    let mut aims = Vec::new();
    for backend in found.pods {
        let families = if let Some(family) = family {
            vec![family]
        } else {
            // A name of the cluster leads to the Service's addresses, whatever families its pods have.
            let mut own = backend.party.families();
            if own.is_empty() {
                own.push(Family::V4);
            }
            let offered: Vec<Family> = service.cluster_ips.iter().map(|ip| Family::of(*ip)).collect();
            own.retain(|family| offered.is_empty() || offered.contains(family));
            own
        };
        for family in families {
            let target = Target::Pod { party: Box::new(backend.party.clone()), pod: backend.pod, family };
            aims.push(Aim { target, port: backend.port });
        }
    }
    for (ip, port) in found.addresses {
        aims.push(Aim::addresses(AddrSet::single(ip), Known::Complete, context.node_at(ip).cloned(), port));
    }
    Ok(aims)
}

/// The aims of a name of the cluster, if it is one that a Service of the snapshot answers for.
pub fn aims_of_cluster_name(
    context: &Context<'_>,
    host: &str,
    protocol: Protocol,
    port: u16,
    means: PortMeans,
) -> Option<Result<Vec<Aim>, Doubt>> {
    let service = named(context, host)?;
    Some(aims_of_service(context, service, None, protocol, port, means))
}

/// A set of addresses of one family that is known in some way.
pub fn aim_of_set(set: AddrSet, known: Known, port: u16) -> Aim {
    Aim::addresses(set, known, None, port)
}

/// The policy layer over aims of which each must be reached.
pub fn policy_step(
    context: &Context<'_>,
    aims: &[Aim],
    protocol: Protocol,
    source: Source<'_>,
    selecting: &[PolicyId],
) -> Step {
    let judged: Vec<(Flow<'_>, Judgement)> = aims
        .iter()
        .map(|aim| {
            let flow = aim.flow(context, protocol);
            let judgement = flow.judge(source, selecting);
            (flow, judgement)
        })
        .collect();
    combine_judgements(&judged)
}

/// One step from judgements over what is all needed.
pub fn combine_judgements(judged: &[(Flow<'_>, Judgement)]) -> Step {
    let outcome = Outcome::all_needed(judged.iter().filter_map(|(_, j)| j.outcome));
    let alike = judged.iter().find(|(_, j)| j.outcome == outcome).or(judged.first());
    let Some((flow, judgement)) = alike else {
        return Step::new(Layer::Policy, StepOutcome::Unknown, "the destination has no address");
    };
    let mut step = flow.step(judgement);
    let Some(outcome) = outcome else {
        return step;
    };
    if judgement.outcome == Some(outcome) {
        // All alike: cite every rule that takes part.
        for (flow, other) in judged.iter().filter(|(_, j)| j.outcome == Some(outcome) && j != judgement) {
            for evidence in flow.step(other).evidence {
                if !step.evidence.contains(&evidence) {
                    step.evidence.push(evidence);
                }
            }
        }
    } else {
        // A mixture: some pass, and the step of the first that does not says why.
        let failing = judged.iter().find(|(_, j)| j.outcome != Some(Outcome::Reachable));
        if let Some((flow, judgement)) = failing {
            step = flow.step(judgement);
            step.summary = format!("some destinations pass, others do not: {}", step.summary);
        }
        step.outcome = outcome.into();
    }
    step
}
