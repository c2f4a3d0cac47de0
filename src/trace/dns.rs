//! The lookup: which resolver does the pod use, and do policies let it get there?

use std::net::IpAddr;

use super::context::Context;
use super::flow::{Destination, Flow, Judgement, Known, Source, common_families};
use super::service::{Backend, backends, cluster_dns};
use crate::model::object::PodSpec;
use crate::model::{AddrSet, Doubt, Family, Labels, Layer, Outcome, Protocol, Step, StepOutcome, Str};
use crate::policy::{Direction, Party, PolicyId};

/// The port of DNS (RFC 1035).
const DNS_PORT: u16 = 53;

/// Where a pod sends its questions.
#[derive(Clone, Debug)]
pub(super) enum Resolver {
    /// Pods behind the Service of cluster DNS.
    Cluster { title: String, families: Vec<Family>, udp: Vec<Backend>, tcp: Vec<Backend> },
    /// A process on the pod's own node, at one of these addresses.
    NodeLocal(Vec<IpAddr>),
    /// This address, outside or a node.
    Address(IpAddr),
    /// The node's own, whose addresses are not known.
    OfNode,
    /// Nothing was read about cluster DNS; the usual pods are assumed.
    Assumed,
}

/// The lookup step, and whether only TCP is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The layer's result.
    pub step: Step,
    /// UDP passes and TCP does not: long answers fail.
    pub tcp_closed: bool,
}

/// Whether the snapshot says anything about cluster DNS.
pub fn has_cluster_dns(context: &Context<'_>) -> bool {
    cluster_dns(context).is_some() || context.snapshot.pods.iter().any(is_dns_pod)
}

/// The pods that answer for cluster DNS, as far as they were read.
pub(super) fn resolver_pods(context: &Context<'_>) -> Vec<Party> {
    match context.cluster_resolver.get_or_init(|| cluster_resolver(context)) {
        Resolver::Cluster { udp, tcp, .. } => udp.iter().chain(tcp).map(|b| b.party.clone()).collect(),
        Resolver::Assumed => vec![usual_resolver(context)],
        _ => Vec::new(),
    }
}

/// Whether lookups go to a process on the pod's own node.
pub(super) fn is_node_local(context: &Context<'_>) -> bool {
    matches!(context.cluster_resolver.get_or_init(|| cluster_resolver(context)), Resolver::NodeLocal(_))
}

fn is_dns_pod(pod: &crate::model::object::Pod) -> bool {
    pod.meta.labels.get("k8s-app").is_some_and(|v| *v == "kube-dns") && !pod.phase.is_terminal()
}

/// The lookup of a public name by a pod.
pub fn lookup(context: &Context<'_>, party: &Party, pod: Option<u32>, selecting: &[PolicyId]) -> Lookup {
    let resolvers = resolvers(context, &party.spec);
    // Resolvers are tried in order: the first that answers serves.
    let found = resolvers.iter().map(|resolver| ask(context, resolver, party, pod, selecting)).collect();
    best(found, |lookup: &Lookup| &lookup.step).unwrap_or_else(|| Lookup {
        step: Step::new(Layer::Dns, StepOutcome::Unknown, "dnsPolicy None without nameservers"),
        tcp_closed: false,
    })
}

/// Of alternatives the first with the best outcome; one that needs no lookup at all (the host network) is as good as
/// one that answers.
fn best<T>(found: Vec<T>, step: impl Fn(&T) -> &Step) -> Option<T> {
    let outcome = |one: &T| step(one).outcome.outcome().unwrap_or(Outcome::Reachable);
    let best = Outcome::best(found.iter().map(&outcome))?;
    found.into_iter().find(|one| outcome(one) == best)
}

fn resolvers(context: &Context<'_>, spec: &PodSpec) -> Vec<Resolver> {
    let policy = spec.dns_policy.as_deref().unwrap_or("ClusterFirst");
    let mut list = match policy {
        "None" => Vec::new(),
        "Default" => vec![Resolver::OfNode],
        // kubelet falls back to the node's resolver for the host network.
        "ClusterFirst" if spec.host_network => vec![Resolver::OfNode],
        _ => vec![context.cluster_resolver.get_or_init(|| cluster_resolver(context)).clone()],
    };
    for ip in &spec.nameservers {
        let service = context.service_at(*ip);
        let pod = context.pod_at(*ip);
        list.push(match (service, pod) {
            (Some(service), _) => of_service(context, service),
            (None, Some((i, pod))) => {
                let backend = Backend { party: context.party(pod), pod: Some(i), port: DNS_PORT };
                let title = format!("{}/{}", backend.party.namespace, pod.meta.name);
                Resolver::Cluster {
                    title,
                    families: vec![Family::of(*ip)],
                    udp: vec![backend.clone()],
                    tcp: vec![backend],
                }
            }
            (None, None) => Resolver::Address(*ip),
        });
    }
    list
}

/// Who answers a pod's lookups, as the network sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answering {
    /// Running pods, each with its port; whichever is asked must answer. Empty where none was read.
    Pods(Vec<(u32, u16)>),
    /// A process on the pod's own node.
    OnNode,
    /// The resolver of the pod's node.
    OfNode,
    /// This address.
    Address(IpAddr),
}

/// Who answers a pod's lookups, in the order in which they are asked.
pub(super) fn answering(context: &Context<'_>, spec: &PodSpec) -> Vec<Answering> {
    let one = |resolver: Resolver| match resolver {
        Resolver::Cluster { udp, .. } => Answering::Pods(udp.iter().filter_map(|b| Some((b.pod?, b.port))).collect()),
        Resolver::Assumed => Answering::Pods(Vec::new()),
        Resolver::NodeLocal(_) => Answering::OnNode,
        Resolver::OfNode => Answering::OfNode,
        Resolver::Address(ip) => Answering::Address(ip),
    };
    resolvers(context, spec).into_iter().map(one).collect()
}

fn cluster_resolver(context: &Context<'_>) -> Resolver {
    let local = node_local(context);
    if !local.is_empty() {
        return Resolver::NodeLocal(local);
    }
    if let Some(service) = cluster_dns(context) {
        return of_service(context, service);
    }
    let pods = (0u32..).zip(&context.snapshot.pods).filter(|(_, pod)| is_dns_pod(pod));
    let pods: Vec<_> =
        pods.map(|(i, pod)| Backend { party: context.party(pod), pod: Some(i), port: DNS_PORT }).collect();
    if pods.is_empty() {
        return Resolver::Assumed;
    }
    let title = "pods labelled k8s-app=kube-dns".to_owned();
    Resolver::Cluster { title, families: Vec::new(), udp: pods.clone(), tcp: pods }
}

fn of_service(context: &Context<'_>, service: &crate::model::object::Service) -> Resolver {
    let pods = |protocol| backends(context, service, protocol, DNS_PORT, false).pods;
    let (udp, tcp) = (pods(Protocol::Udp), pods(Protocol::Tcp));
    if udp.is_empty() {
        return Resolver::Assumed;
    }
    let namespace = service.meta.namespace.clone().unwrap_or_default();
    let families = service.cluster_ips.iter().map(|ip| Family::of(*ip)).collect();
    Resolver::Cluster { title: format!("Service {namespace}/{}", service.meta.name), families, udp, tcp }
}

/// The addresses on which NodeLocal DNSCache listens (`-localip` of its DaemonSet).
fn node_local(context: &Context<'_>) -> Vec<IpAddr> {
    let agent = context.snapshot.workloads.iter().find(|w| w.kind == "DaemonSet" && w.meta.name == "node-local-dns");
    let Some(agent) = agent else {
        return Vec::new();
    };
    let words: Vec<&Str> = agent.spec.containers.iter().flat_map(|c| c.command.iter().chain(&c.args)).collect();
    let listed = words.iter().zip(words.iter().skip(1)).find(|(flag, _)| flag.as_str() == "-localip").map(|(_, v)| *v);
    let ips: Vec<IpAddr> =
        listed.map(|v| v.split(',').filter_map(|ip| ip.trim().parse().ok()).collect()).unwrap_or_default();
    // The address that the installation manifest proposes.
    if ips.is_empty() { vec![IpAddr::from([169, 254, 20, 10])] } else { ips }
}

fn ask(context: &Context<'_>, resolver: &Resolver, party: &Party, pod: Option<u32>, selecting: &[PolicyId]) -> Lookup {
    match resolver {
        Resolver::Cluster { title, families, udp, tcp } => {
            let mut by_udp = over_pods(context, (udp, families), Protocol::Udp, party, pod, selecting);
            if by_udp.outcome == StepOutcome::Reachable {
                by_udp.summary = format!("{title}, {}", by_udp.summary);
            } else if by_udp.outcome == StepOutcome::Blocked {
                by_udp.summary = format!("the lookup at {title} is cut off: {}", by_udp.summary);
            }
            let by_tcp = over_pods(context, (tcp, families), Protocol::Tcp, party, pod, selecting);
            let tcp_closed = by_udp.outcome == StepOutcome::Reachable && by_tcp.outcome == StepOutcome::Blocked;
            Lookup { step: by_udp, tcp_closed }
        }
        Resolver::NodeLocal(ips) => {
            // Whatever node the pod lands on, the cache is on that node.
            let mut here = party.clone();
            let node = here.node.get_or_insert_with(|| "its own node".into()).clone();
            let steps: Vec<Step> =
                ips.iter().map(|ip| to_address(context, *ip, Some(&node), &here, pod, selecting)).collect();
            let alike = steps.windows(2).all(|pair| pair[0].outcome == pair[1].outcome);
            let mut step = all_needed(steps);
            if !alike {
                step.outcome = StepOutcome::Unknown;
                let reason = "the cache listens on several addresses, and it is not known which one the pod asks";
                step.doubts.push(Doubt { reason: reason.to_owned(), not_evaluated: None });
            }
            let title = ips.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            step.summary = format!("NodeLocal DNSCache at {title}: {}", step.summary);
            Lookup { step, tcp_closed: false }
        }
        Resolver::Address(ip) => {
            let mut step = to_address(context, *ip, context.node_at(*ip), party, pod, selecting);
            step.summary = format!("nameserver {ip}: {}", step.summary);
            Lookup { step, tcp_closed: false }
        }
        Resolver::OfNode => Lookup { step: of_node(context, party, pod, selecting), tcp_closed: false },
        Resolver::Assumed => assumed(context, party, pod, selecting),
    }
}

/// A question to each of the pods: whichever is asked must answer.
fn over_pods(
    context: &Context<'_>,
    (pods, of_service): (&[Backend], &[Family]),
    protocol: Protocol,
    party: &Party,
    pod: Option<u32>,
    selecting: &[PolicyId],
) -> Step {
    let mut steps: Vec<Step> = Vec::new();
    for backend in pods {
        // Families are alternatives: a resolver that answers over one of them serves.
        let mut of_families: Vec<Step> = Vec::new();
        for family in common_families(&party.families(), &backend.party.families()) {
            // The resolver is asked at the Service's address, so in its families.
            if !of_service.is_empty() && !of_service.contains(&family) {
                continue;
            }
            let destination = Destination::Pod(&backend.party, backend.pod, family);
            of_families.push(judged(context, destination, protocol, backend.port, party, pod, selecting));
        }
        if let Some(step) = best(of_families, |step| step)
            && !steps.contains(&step)
        {
            steps.push(step);
        }
    }
    all_needed(steps)
}

fn all_needed(steps: Vec<Step>) -> Step {
    let outcome = Outcome::all_needed(steps.iter().filter_map(|s| s.outcome.outcome()));
    let Some(first) = steps.iter().find(|s| s.outcome.outcome() == outcome).or(steps.first()).cloned() else {
        return Step::new(Layer::Dns, StepOutcome::Unknown, "no resolver was found");
    };
    match outcome {
        Some(outcome) if first.outcome.outcome() != Some(outcome) => {
            let mut mixed = Step::new(Layer::Dns, outcome, "some resolvers can be reached and others cannot");
            for step in steps {
                mixed.evidence.extend(step.evidence);
                mixed.doubts.extend(step.doubts);
            }
            mixed
        }
        _ => first,
    }
}

fn judged(
    context: &Context<'_>,
    destination: Destination<'_>,
    protocol: Protocol,
    port: u16,
    party: &Party,
    pod: Option<u32>,
    selecting: &[PolicyId],
) -> Step {
    let flow = Flow::new(context, destination, protocol, port);
    let judgement = flow.judge(Source::Pod(party, pod), selecting);
    let mut step = flow.step(&judgement);
    step.layer = Layer::Dns;
    if step.outcome == StepOutcome::NotApplicable {
        // The host network: no policy is in the way of the lookup.
        step.outcome = StepOutcome::Reachable;
    }
    step
}

fn to_address(
    context: &Context<'_>,
    ip: IpAddr,
    node: Option<&Str>,
    party: &Party,
    pod: Option<u32>,
    selecting: &[PolicyId],
) -> Step {
    let set = AddrSet::single(ip);
    let destination = Destination::Addresses { set: &set, known: &Known::Complete, node };
    judged(context, destination, Protocol::Udp, DNS_PORT, party, pod, selecting)
}

/// The node's resolver: its addresses are in no object of the API.
fn of_node(context: &Context<'_>, party: &Party, pod: Option<u32>, selecting: &[PolicyId]) -> Step {
    if party.host_network {
        return Step::new(Layer::Dns, StepOutcome::NotApplicable, "the node's own resolver, from the host network");
    }
    let family = party.families().first().copied().unwrap_or(Family::V4);
    let set = AddrSet::all(family);
    let known = Known::StandIn { title: "all addresses".to_owned(), elsewhere: false };
    let destination = Destination::Addresses { set: &set, known: &known, node: None };
    let mut step = judged(context, destination, Protocol::Udp, DNS_PORT, party, pod, selecting);
    step.summary = format!("the node's own resolver (dnsPolicy Default), whose address is not known: {}", step.summary);
    step
}

/// The pods that every distribution labels alike.
fn usual_resolver(context: &Context<'_>) -> Party {
    let namespace: Str = "kube-system".into();
    Party {
        namespace_labels: context.policies.namespace_labels(&namespace),
        namespace,
        labels: Labels::new([("k8s-app".into(), "kube-dns".into())]),
        ips: Box::new([]),
        node: None,
        host_network: false,
        node_ips: Vec::new(),
        spec: std::sync::Arc::default(),
    }
}

/// Whether the pod asks a resolver that knows the names of the cluster.
pub fn knows_cluster_names(context: &Context<'_>, spec: &PodSpec) -> bool {
    let knows = |r: &Resolver| matches!(r, Resolver::Cluster { .. } | Resolver::NodeLocal(_) | Resolver::Assumed);
    resolvers(context, spec).iter().any(knows)
}

/// Nothing is known of cluster DNS: the pods that every distribution labels alike are assumed.
fn assumed(context: &Context<'_>, party: &Party, pod: Option<u32>, selecting: &[PolicyId]) -> Lookup {
    let resolver = usual_resolver(context);
    let family = party.families().first().copied().unwrap_or(Family::V4);
    let flow = |protocol| Flow::new(context, Destination::Pod(&resolver, None, family), protocol, DNS_PORT);
    let by_udp = flow(Protocol::Udp);
    let judgement = by_udp.judge(Source::Pod(party, pod), selecting);
    let mut step = by_udp.step(&judgement);
    step.layer = Layer::Dns;
    let assumption =
        "cluster DNS is the pods labelled k8s-app=kube-dns of kube-system, on port 53: nothing was read about them";
    if step.outcome == StepOutcome::NotApplicable {
        step.outcome = StepOutcome::Reachable;
    }
    if judgement.outcome == Some(Outcome::Blocked) && admits_somebody(context, selecting) {
        step.outcome = StepOutcome::Unknown;
        step.doubts.push(Doubt {
            reason:
                "lookups are admitted to some resolvers only, and nothing was read about which one the cluster uses"
                    .to_owned(),
            not_evaluated: None,
        });
        step.summary =
            String::from("lookups are admitted to some resolvers only, and nothing was read about cluster DNS");
    } else if !selecting.is_empty() {
        step.assumptions.push(assumption.to_owned());
    }
    let closed = |j: &Judgement| j.outcome == Some(Outcome::Blocked);
    let tcp = flow(Protocol::Tcp).judge(Source::Pod(party, pod), selecting);
    let tcp_closed = step.outcome == StepOutcome::Reachable && closed(&tcp);
    Lookup { step, tcp_closed }
}

/// Whether any rule of the isolating policies admits a lookup to anybody.
fn admits_somebody(context: &Context<'_>, selecting: &[PolicyId]) -> bool {
    let rules = selecting.iter().flat_map(|id| context.policies.policy(*id).rules(Direction::Egress));
    rules.map(|id| context.policies.rule(id)).any(|r| {
        [DNS_PORT, 5353].iter().any(|port| r.ports.matches(Protocol::Udp, *port, None)) || !r.ports.named.is_empty()
    })
}

/// Whether a pod knows a name without asking anybody (`hostAliases`).
pub fn known_without_lookup(spec: &PodSpec, host: &str) -> Option<IpAddr> {
    spec.host_aliases.iter().find(|a| a.hostnames.iter().any(|h| *h == host)).map(|a| a.ip)
}
