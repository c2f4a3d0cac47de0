//! The cloud layer joined to the pod: which addresses are asked for, and what the verdict reads like.

use std::net::IpAddr;
use std::rc::Rc;
use std::sync::Arc;

use super::classes::Member;
use super::context::Context;
use super::dns::{self, Answering};
use super::flow::{Known, percent};
use super::layers;
use super::names;
use super::target::{Aim, Target};
use crate::cloud::verdict::Shares;
use crate::cloud::{self, Ask, Cluster, Origin, Resolver, Shadow, Verdict};
use crate::model::object::PodSpec;
use crate::model::{AddrSet, Doubt, Evidence, Family, Layer, Outcome, Protocol, Step, StepOutcome, Str};
use crate::policy::Party;

/// Where the connections of a pod start, if anything was read about the network of its VPC.
pub fn origin_of<'a>(context: &Context<'a>, member: Member<'_>) -> Option<Origin<'a>> {
    let cluster = context.cloud.as_ref()?;
    let party = member.party(context);
    let groups = layers::groups_of(context, &party);
    Some(match member {
        Member::Running(_, pod) => cluster.pod(pod, &groups),
        Member::Predicted(workload) => cluster.predicted(workload, &groups),
        Member::Source(subject) => cluster.source(&subject.kind, &subject.name),
    })
}

/// What a path through the VPC says about one aim.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The network decides.
    Verdict(Rc<Verdict>),
    /// The network is not on this path, and why.
    Aside(&'static str),
    /// It cannot be told.
    Unsure(&'static str),
}

/// The answers for all aims of one family.
pub fn ask(
    cluster: &Cluster<'_>,
    origin: &Origin<'_>,
    aims: &[Aim],
    protocol: Protocol,
    host: Option<&str>,
) -> Vec<Answer> {
    aims.iter().map(|aim| one(cluster, origin, aim, protocol, host)).collect()
}

fn one(cluster: &Cluster<'_>, origin: &Origin<'_>, aim: &Aim, protocol: Protocol, host: Option<&str>) -> Answer {
    let verdict = |set: &AddrSet| {
        let ask = Ask { to: set, protocol, port: aim.port, host };
        Answer::Verdict(Rc::new(cloud::judge(&cluster.net, origin, ask)))
    };
    match &aim.target {
        Target::Addresses { set, .. } => verdict(set),
        Target::Pod { party, family, .. } => {
            let address = address_of(party, *family);
            let is_held = |ip: IpAddr| cluster.net.holders(ip).next().is_some();
            match address {
                // Packets between pods of an overlay are wrapped: the VPC sees nodes only.
                Some(ip) if !party.host_network && !is_held(ip) && cluster.has_overlay() => {
                    Answer::Aside("the pods are on an overlay network, which the VPC does not see")
                }
                Some(ip) => verdict(&AddrSet::single(ip)),
                None if cluster.has_overlay() => {
                    Answer::Aside("the pods are on an overlay network, which the VPC does not see")
                }
                None => Answer::Unsure("the destination has no address yet"),
            }
        }
    }
}

fn address_of(party: &Party, family: Family) -> Option<IpAddr> {
    let own = if party.host_network { party.node_ips.as_slice() } else { &party.ips };
    own.iter().copied().find(|ip| Family::of(*ip) == family)
}

/// What a mixture of open and closed addresses amounts to.
fn mixed(aim: &Aim) -> Outcome {
    match &aim.target {
        Target::Addresses { known: Known::StandIn { .. }, .. } => Outcome::Unknown,
        _ => Outcome::Partial,
    }
}

/// The outcome over aims of which each must be reached; `None`: the network is on none of the paths.
pub fn outcome(aims: &[Aim], answers: &[Answer]) -> Option<Outcome> {
    let of = |(aim, answer): (&Aim, &Answer)| match answer {
        Answer::Verdict(verdict) => Some(verdict.outcome(mixed(aim))),
        Answer::Aside(_) => None,
        Answer::Unsure(_) => Some(Outcome::Unknown),
    };
    Outcome::all_needed(aims.iter().zip(answers).filter_map(of))
}

/// The layer in words.
pub fn step(aims: &[Aim], answers: &[Answer]) -> Step {
    let Some(combined) = outcome(aims, answers) else {
        let why = answers.iter().find_map(|a| match a {
            Answer::Aside(why) => Some(*why),
            Answer::Verdict(_) | Answer::Unsure(_) => None,
        });
        return Step::new(Layer::Cloud, StepOutcome::NotApplicable, why.unwrap_or("the destination has no address"));
    };
    let mut steps = aims.iter().zip(answers).filter_map(|(aim, answer)| match answer {
        Answer::Verdict(verdict) => Some(words(verdict, aim)),
        Answer::Aside(_) => None,
        Answer::Unsure(why) => Some(Step { layer: Layer::Cloud, ..unsure((*why).to_owned()) }),
    });
    let Some(mut step) = steps.next() else {
        return Step::new(Layer::Cloud, StepOutcome::NotApplicable, "the destination has no address");
    };
    let mut alike = step.outcome == StepOutcome::from(combined);
    for other in steps {
        let fits = other.outcome == StepOutcome::from(combined);
        // Of a mixture the first that does not pass explains most.
        if !alike && (fits || step.outcome == StepOutcome::Reachable) {
            step = other;
            alike = fits;
        } else if fits || combined != Outcome::Reachable && other.outcome != StepOutcome::Reachable {
            append_new(&mut step.evidence, other.evidence);
            append_new(&mut step.doubts, other.doubts);
            append_new(&mut step.codes, other.codes);
            append_new(&mut step.near_misses, other.near_misses);
        }
    }
    if !alike {
        step.summary = format!("some destinations pass, others do not: {}", step.summary);
        step.outcome = combined.into();
    }
    step
}

fn arcs(evidence: &[Evidence]) -> Vec<Arc<Evidence>> {
    evidence.iter().cloned().map(Arc::new).collect()
}

fn append_new<T: PartialEq>(to: &mut Vec<T>, more: Vec<T>) {
    for one in more {
        if !to.contains(&one) {
            to.push(one);
        }
    }
}

/// One verdict in words.
fn words(verdict: &Verdict, aim: &Aim) -> Step {
    let outcome = verdict.outcome(mixed(aim));
    let shares = verdict.shares();
    let mut step = Step::new(Layer::Cloud, outcome, String::new());
    let mut parts: Vec<String> = Vec::new();
    let share_of = |set: &AddrSet| share(set, verdict, aim);
    if outcome != Outcome::Reachable {
        for blocker in &verdict.blockers {
            parts.push(format!("{}{}{}", share_of(&blocker.share), blocker.why, ra(blocker.ra_code)));
            append_new(&mut step.codes, vec![Str::from(blocker.code.id)]);
            if outcome != Outcome::Unknown {
                append_new(&mut step.evidence, arcs(&blocker.evidence));
            }
        }
    }
    match outcome {
        Outcome::Reachable => {
            parts.push(verdict.way.join(", "));
            step.evidence = arcs(&verdict.by);
        }
        Outcome::Partial => {
            for replies in &verdict.replies {
                parts.push(format!("{}{}{}", share_of(&replies.share), replies.why, ra(Some("REMAP_EPHEMERAL_PORT"))));
                append_new(&mut step.codes, vec![Str::from(crate::model::codes::AWS_ACL_REPLIES_PARTLY.id)]);
                append_new(&mut step.evidence, arcs(&replies.evidence));
            }
            for mixed in &verdict.mixed {
                parts.push(format!("{}{}", share_of(&mixed.share), mixed.why));
                append_new(&mut step.evidence, arcs(&mixed.evidence));
            }
        }
        Outcome::Unknown => unknown(verdict, aim, &shares, &mut step, &mut parts),
        Outcome::Blocked => {}
    }
    step.summary = parts.join("; ");
    if matches!(outcome, Outcome::Blocked | Outcome::Partial | Outcome::Unknown) {
        step.near_misses = verdict.near_misses.iter().take(3).cloned().map(Arc::new).collect();
    }
    step.assumptions.clone_from(&verdict.assumptions);
    step
}

fn unknown(verdict: &Verdict, aim: &Aim, shares: &Shares, step: &mut Step, parts: &mut Vec<String>) {
    for (at, one) in verdict.uncertainties.iter().filter(|u| !u.share.is_disjoint(&shares.unknown)).enumerate() {
        parts.insert(at, one.why.clone());
        step.doubts.push(Doubt { reason: one.why.clone(), not_evaluated: None });
        append_new(&mut step.evidence, arcs(&one.evidence));
    }
    if let Target::Addresses { known: Known::StandIn { title, .. }, .. } = &aim.target
        && !shares.denied.is_empty()
    {
        let why = verdict.blockers.first().map_or("", |b| b.why.as_str());
        let reason = format!(
            "its addresses are not published, and only {} of {title} gets through: {why}",
            percent(shares.open.size(), verdict.asked.size())
        );
        let cited = verdict.blockers.iter().flat_map(|b| arcs(&b.evidence)).collect();
        append_new(&mut step.evidence, cited);
        step.doubts.push(Doubt { reason, not_evaluated: None });
    }
}

/// `12 % of …: `, for a part.
fn share(set: &AddrSet, verdict: &Verdict, aim: &Aim) -> String {
    if set.size() == verdict.asked.size() {
        return String::new();
    }
    let title = match &aim.target {
        Target::Addresses { known: Known::Feed { title, .. } | Known::StandIn { title, .. }, .. } => title.as_str(),
        _ => "its addresses",
    };
    format!("for {} of {title}, ", percent(set.size(), verdict.asked.size()))
}

fn ra(code: Option<&str>) -> String {
    code.map_or_else(String::new, |code| format!(" [{code}]"))
}

/// The lookup's way through the VPC: from the pod to the pods that answer, and from these to the VPC's own resolver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookups {
    /// To the resolver that the pod asks; `None` where the VPC is not on that way.
    pub to_resolver: Option<Step>,
    /// To the one that knows public names.
    pub upstream: Step,
    /// UDP passes and TCP does not: long answers fail.
    pub tcp_closed: bool,
    /// Whose Amazon-provided resolver that is.
    pub amazon: Vec<names::Asked>,
}

/// The lookup of a pod, or of anything else (`pod` is `None`) that asks the VPC's resolver by itself.
pub fn lookups(context: &Context<'_>, origin: &Origin<'_>, pod: Option<&Party>) -> Option<Lookups> {
    let cluster = context.cloud.as_ref()?;
    let asked = pod.map(|party| dns::answering(context, &party.spec)).unwrap_or_default();
    // Resolvers are tried in order: the best serves.
    let ways = asked.iter().map(|answering| lookups_by(context, cluster, origin, pod, answering));
    let outcome = |l: &Lookups| {
        let of = |step: &Step| step.outcome.outcome();
        Outcome::along(l.to_resolver.iter().filter_map(of).chain(of(&l.upstream)))
    };
    let best = ways.min_by_key(outcome);
    Some(best.unwrap_or_else(|| plain(context, cluster, origin)))
}

fn lookups_by(
    context: &Context<'_>,
    cluster: &Cluster<'_>,
    origin: &Origin<'_>,
    pod: Option<&Party>,
    answering: &Answering,
) -> Lookups {
    let pods = match answering {
        Answering::Pods(pods) if !pods.is_empty() => pods,
        Answering::Pods(_) | Answering::OfNode => return plain(context, cluster, origin),
        Answering::OnNode => {
            let node = pod.and_then(|party| party.node.as_ref());
            let of_node = node.map(|node| cluster.node(node));
            return plain(context, cluster, of_node.as_ref().unwrap_or(origin));
        }
        Answering::Address(ip) => {
            let is_amazon = |vpc: &&Str| cloud::resolve::is_amazon(&cluster.net, vpc, *ip);
            if origin.vpcs().iter().any(is_amazon) {
                return plain(context, cluster, origin);
            }
            let way = by_address(cluster, origin, *ip, Protocol::Udp);
            let tcp_closed = closed_by(&way, &by_address(cluster, origin, *ip, Protocol::Tcp));
            let upstream = Step::new(Layer::Dns, Outcome::Reachable, format!("nameserver {ip} knows public names"));
            return Lookups { to_resolver: Some(way), upstream, tcp_closed, amazon: Vec::new() };
        }
    };
    let mut legs: Vec<Step> = Vec::new();
    let mut upstream: Vec<Step> = Vec::new();
    let mut tcp_closed = false;
    let mut amazon = Vec::new();
    for (i, port) in pods {
        let pod = &context.snapshot.pods[*i as usize];
        let party = context.party(pod);
        let family = party.families().first().copied().unwrap_or(Family::V4);
        let aims = [Aim { target: Target::Pod { party: Box::new(party.clone()), pod: Some(*i), family }, port: *port }];
        let over = |protocol| step(&aims, &ask(cluster, origin, &aims, protocol, None));
        let mut leg = over(Protocol::Udp);
        leg.layer = Layer::Dns;
        tcp_closed |= closed_by(&leg, &over(Protocol::Tcp));
        if leg.outcome.outcome().is_some() {
            let name = format!("{}/{}", party.namespace, pod.meta.name);
            leg.summary = format!("the way to {name} through the VPC: {}", leg.summary);
            legs.extend(Some(leg).filter(|leg| !legs.contains(leg)));
        }
        let own = cluster.pod(pod, &layers::groups_of(context, &party));
        append_new(&mut amazon, names::asked(cluster, &own).into_iter().collect());
        let one = lookup_from(context, cluster, &own);
        upstream.extend(Some(one).filter(|one| !upstream.contains(one)));
    }
    let upstream = all_needed(&upstream).unwrap_or_else(|| lookup_from(context, cluster, origin));
    Lookups { to_resolver: all_needed(&legs), upstream, tcp_closed, amazon }
}

/// Straight to the VPC's resolver.
fn plain(context: &Context<'_>, cluster: &Cluster<'_>, origin: &Origin<'_>) -> Lookups {
    let amazon = names::asked(cluster, origin).into_iter().collect();
    Lookups { to_resolver: None, upstream: lookup_from(context, cluster, origin), tcp_closed: false, amazon }
}

/// Whether only lookups over TCP are closed.
fn closed_by(udp: &Step, tcp: &Step) -> bool {
    udp.outcome == StepOutcome::Reachable && tcp.outcome == StepOutcome::Blocked
}

/// Whether a pod asks a resolver that does not know the private names of its VPC.
pub fn asks_elsewhere(context: &Context<'_>, origin: &Origin<'_>, spec: &PodSpec) -> bool {
    let Some(cluster) = &context.cloud else { return false };
    let is_amazon = |ip: IpAddr| origin.vpcs().iter().any(|vpc| cloud::resolve::is_amazon(&cluster.net, vpc, ip));
    dns::answering(context, spec).iter().any(|a| matches!(a, Answering::Address(ip) if !is_amazon(*ip)))
}

/// What a name means for somebody in a VPC.
pub fn meaning(cluster: &Cluster<'_>, vpc: &str, host: &str, elsewhere: bool) -> Shadow {
    match cloud::resolve::shadow(&cluster.net, vpc, host) {
        Shadow::Endpoint(addresses, by) if elsewhere => Shadow::Unsure {
            why: format!("{} holds it for the resolver of {vpc}, and the pod asks another one", by.object.name),
            addresses,
        },
        meaning => meaning,
    }
}

fn all_needed(steps: &[Step]) -> Option<Step> {
    let combined = Outcome::all_needed(steps.iter().filter_map(|s| s.outcome.outcome()))?;
    let mut chosen = steps.iter().find(|s| s.outcome == StepOutcome::from(combined)).or(steps.first())?.clone();
    chosen.outcome = combined.into();
    Some(chosen)
}

fn lookup_from(context: &Context<'_>, cluster: &Cluster<'_>, origin: &Origin<'_>) -> Step {
    if let Some(why) = &origin.doubt {
        return unsure(why.clone());
    }
    let vpcs = origin.vpcs();
    let [vpc] = vpcs.as_slice() else {
        return unsure("the source may be in several VPCs, and their resolvers differ".to_owned());
    };
    match cloud::resolve::resolver(&cluster.net, vpc) {
        Resolver::Amazon if rules_of_resolver(context).is_some() => {
            let key = rules_of_resolver(context).unwrap_or_default();
            let reason = format!("{key} of Route 53 Resolver were given, and this version does not evaluate them");
            let mut step = Step::new(Layer::Dns, StepOutcome::Unknown, reason.clone());
            step.doubts.push(Doubt { reason, not_evaluated: Some("Route 53 Resolver".into()) });
            step
        }
        Resolver::Amazon => {
            let mut step = Step::new(Layer::Dns, Outcome::Reachable, format!("the Amazon-provided resolver of {vpc}"));
            step.assumptions.push(cloud::names::taken_for_granted(&cluster.net, vpc));
            step
        }
        Resolver::Off(evidence) => {
            let summary = format!("enableDnsSupport of {vpc} is off: the Amazon-provided resolver does not answer");
            let mut step = Step::new(Layer::Dns, Outcome::Blocked, summary);
            step.codes.push(crate::model::codes::AWS_DNS_OFF.id.into());
            step.evidence.push(Arc::new(evidence));
            step
        }
        Resolver::Unknown(why) => unsure(why),
        Resolver::Custom { addresses, amazon, by } => custom(cluster, origin, &addresses, amazon, by),
    }
}

/// The key of a document that may change what the Amazon-provided resolver answers, in a snapshot that was saved when
/// such documents were not evaluated.
fn rules_of_resolver(context: &Context<'_>) -> Option<Str> {
    let may = ["FirewallRuleGroupAssociations", "ResolverRuleAssociations"];
    context.snapshot.cloud_documents.iter().map(|d| &d.key).find(|key| may.contains(&key.as_str())).cloned()
}

/// Resolvers that the DHCP options name: alternatives, of which the best serves.
fn custom(
    cluster: &Cluster<'_>,
    origin: &Origin<'_>,
    addresses: &[IpAddr],
    amazon: Option<Result<bool, String>>,
    evidence: Evidence,
) -> Step {
    let of_options = |ip: &IpAddr| {
        let mut step = by_address(cluster, origin, *ip, Protocol::Udp);
        step.summary = format!("resolver {ip} of the DHCP options: {}", step.summary);
        step
    };
    let mut steps: Vec<Step> = addresses.iter().map(of_options).collect();
    steps.extend(amazon.map(|answers| match answers {
        Ok(true) => Step::new(Layer::Dns, Outcome::Reachable, "the Amazon-provided resolver, beside others"),
        Ok(false) => Step::new(Layer::Dns, Outcome::Blocked, "the Amazon-provided resolver is off"),
        Err(why) => unsure(why),
    }));
    let best = Outcome::best(steps.iter().filter_map(|s| s.outcome.outcome()));
    let (mut alike, others): (Vec<Step>, Vec<Step>) =
        steps.into_iter().partition(|s| s.outcome.outcome() == best && best.is_some());
    let Some(mut step) = (!alike.is_empty()).then(|| alike.remove(0)) else {
        return unsure("the DHCP options name no resolver".to_owned());
    };
    if best == Some(Outcome::Blocked) {
        // All of them are closed: each is to blame.
        for other in alike {
            append_new(&mut step.evidence, other.evidence);
        }
        step.codes = vec![crate::model::codes::AWS_DNS_RESOLVER.id.into()];
    } else if best == Some(Outcome::Unknown) {
        for other in alike.into_iter().chain(others) {
            append_new(&mut step.evidence, other.evidence);
        }
    }
    append_new(&mut step.evidence, vec![Arc::new(evidence)]);
    step
}

/// A lookup at an address.
fn by_address(cluster: &Cluster<'_>, origin: &Origin<'_>, ip: IpAddr, protocol: Protocol) -> Step {
    let set = AddrSet::single(ip);
    let ask = Ask { to: &set, protocol, port: 53, host: None };
    let verdict = cloud::judge(&cluster.net, origin, ask);
    let mut step = words(&verdict, &super::target::aim_of_set(set, Known::Complete, 53));
    step.layer = Layer::Dns;
    step
}

fn unsure(why: String) -> Step {
    let mut step = Step::new(Layer::Dns, StepOutcome::Unknown, why.clone());
    step.doubts.push(Doubt { reason: why, not_evaluated: None });
    step
}

/// What a name may lead to, where an endpoint of the VPC may hold it or not: its public addresses and those of the
/// endpoint together. What is true of all of them is true, anything else is unknown.
pub fn either(
    context: &Context<'_>,
    vpc: &str,
    host: &str,
    (why, private): (&str, &[IpAddr]),
    public: &[Aim],
    port: u16,
) -> Vec<Aim> {
    let known = Known::StandIn { title: format!("what {host} may lead to, for {why}"), elsewhere: false };
    let mut aims = Vec::new();
    for family in [Family::V4, Family::V6] {
        let sets = public.iter().filter_map(|aim| match &aim.target {
            Target::Addresses { set, .. } if set.family() == family => Some(set),
            _ => None,
        });
        let outside = sets.fold(AddrSet::empty(family), |sum, set| sum.union(set));
        let blocks = context.cloud.as_ref().and_then(|c| c.net.vpc_blocks(vpc, family).cloned());
        let inside = match private {
            // Not even the addresses are known: any of the VPC.
            [] => blocks.unwrap_or_else(|| AddrSet::all(family)),
            known => AddrSet::from_ips(family, known.iter().copied()),
        };
        let all = outside.union(&inside);
        if !outside.is_empty() || (!private.is_empty() && !inside.is_empty()) {
            aims.push(super::target::aim_of_set(all, known.clone(), port));
        }
    }
    aims
}

/// Puts what the VPC says about a lookup into the step that says what policies do.
pub fn merge_lookup(step: &mut Step, theirs: Step) {
    let rank = |s: &Step| s.outcome.outcome();
    if rank(&theirs) > rank(step) {
        let mut assumptions = std::mem::take(&mut step.assumptions);
        *step = theirs;
        append_new(&mut assumptions, std::mem::take(&mut step.assumptions));
        step.assumptions = assumptions;
    } else {
        append_new(&mut step.assumptions, theirs.assumptions);
    }
}
