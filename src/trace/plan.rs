//! What each endpoint stands for, worked out once for all who need it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use rustc_hash::FxHashMap;

use super::context::Context;
use super::flow::Known;
use super::service::cluster_name;
use super::target::{Aim, PortMeans, Target, aim_of_set, aims_of_addresses, aims_of_cluster_name};
use crate::demand::ranges::Ranges;
use crate::demand::{Addresses, Endpoint, Requirement};
use crate::model::{AddrSet, Doubt, Family, Str, addr::public_internet};

/// Addresses that DNS gave for names (`--resolve`): a sample, never the whole.
pub type Answers = BTreeMap<Str, Vec<IpAddr>>;

/// One endpoint with all that it stands for.
#[derive(Clone, Debug)]
pub struct Planned {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// A bare address: no lookup, no TLS name, and its own family only.
    pub bare: bool,
    /// Neither a pod nor a node of the cluster.
    pub outside: bool,
    /// Per family what must be reached.
    pub families: Vec<(Family, Vec<Aim>)>,
    /// Why it cannot be told who answers.
    pub doubt: Option<Doubt>,
}

impl Planned {
    /// How well its addresses are known, for those outside.
    pub fn known(&self) -> Option<&Known> {
        self.families.iter().flat_map(|(_, aims)| aims).find_map(|aim| match &aim.target {
            Target::Addresses { known, .. } => Some(known),
            Target::Pod { .. } => None,
        })
    }

    /// Pods of the cluster that it leads to.
    pub fn pods(&self) -> impl Iterator<Item = &crate::policy::Party> {
        self.families.iter().flat_map(|(_, aims)| aims).filter_map(|aim| match &aim.target {
            Target::Pod { party, .. } => Some(&**party),
            Target::Addresses { .. } => None,
        })
    }

    /// The same endpoint at one address that the pod knows by itself (`hostAliases`).
    #[must_use]
    pub fn at(&self, context: &Context<'_>, ip: IpAddr) -> Self {
        self.with(context, &[ip])
    }

    /// The same endpoint at other addresses: what its name means where it is asked for.
    #[must_use]
    pub fn with(&self, context: &Context<'_>, ips: &[IpAddr]) -> Self {
        let endpoint = Endpoint { addresses: Addresses::Listed(ips.to_vec()), ..self.endpoint.clone() };
        plan(context, &Ranges::builtin(), &Answers::new(), &endpoint, true)
    }

    /// Whether it is an address of a node.
    pub fn is_node(&self) -> bool {
        self.families.iter().flat_map(|(_, aims)| aims).any(|aim| match &aim.target {
            Target::Addresses { node, .. } => node.is_some(),
            Target::Pod { party, .. } => party.host_network,
        })
    }
}

/// All endpoints of an audit.
#[derive(Debug, Default)]
pub struct Plan {
    /// In the order in which they were first asked for.
    pub endpoints: Vec<Planned>,
    by_endpoint: FxHashMap<(Endpoint, bool), u32>,
}

impl Plan {
    /// The number of a requirement's endpoint, which is planned if it is new.
    pub fn add(&mut self, context: &Context<'_>, ranges: &Ranges, answers: &Answers, requirement: &Requirement) -> u32 {
        let endpoint = &requirement.endpoint;
        let listed = requirement.is_of_catalogue();
        if let Some(known) = self.by_endpoint.get(&(endpoint.clone(), listed)) {
            return *known;
        }
        #[allow(clippy::cast_possible_truncation)] // endpoints are listed by people
        let number = self.endpoints.len() as u32;
        self.endpoints.push(plan(context, ranges, answers, endpoint, listed));
        self.by_endpoint.insert((endpoint.clone(), listed), number);
        number
    }
}

fn plan(context: &Context<'_>, ranges: &Ranges, answers: &Answers, endpoint: &Endpoint, listed: bool) -> Planned {
    let mut planned = Planned {
        endpoint: endpoint.clone(),
        bare: matches!(endpoint.addresses, Addresses::Bare(_) | Addresses::Internet),
        outside: true,
        families: Vec::new(),
        doubt: None,
    };
    match aims(context, ranges, answers, endpoint, listed) {
        Ok(aims) => {
            planned.outside = aims.iter().all(Aim::is_outside);
            for family in [Family::V4, Family::V6] {
                let of_family: Vec<Aim> = aims.iter().filter(|a| a.family() == family).cloned().collect();
                if !of_family.is_empty() {
                    planned.families.push((family, of_family));
                }
            }
        }
        Err(doubt) => planned.doubt = Some(doubt),
    }
    planned
}

fn aims(
    context: &Context<'_>,
    ranges: &Ranges,
    answers: &Answers,
    endpoint: &Endpoint,
    listed: bool,
) -> Result<Vec<Aim>, Doubt> {
    let (protocol, port) = (endpoint.protocol, endpoint.port);
    let of_addresses = |ips: &[IpAddr]| aims_of_addresses(context, ips, protocol, port, PortMeans::Dialled);
    match &endpoint.addresses {
        Addresses::Bare(ip) => return of_addresses(&[*ip]),
        Addresses::Listed(ips) => return of_addresses(ips),
        Addresses::Feed(key) => {
            if let Some(feed) = ranges.feed(key) {
                let known = Known::Feed {
                    title: feed.title.clone(),
                    as_of: feed.as_of.to_string(),
                    shared_cdn: feed.shared_cdn,
                };
                let sets = [Family::V4, Family::V6].map(|family| feed.family(family).clone());
                return Ok(nonempty(sets).map(|set| aim_of_set(set, known.clone(), port)).collect());
            }
        }
        Addresses::Internet => {
            let all = [Family::V4, Family::V6].map(public_internet);
            let known = Known::StandIn { title: "the public internet".to_owned(), elsewhere: false };
            return Ok(all.into_iter().map(|set| aim_of_set(set, known.clone(), port)).collect());
        }
        Addresses::Public => {}
    }
    if is_short_name(context, &endpoint.host) {
        let reason = format!(
            "`{}` is the short name of a Service, which this subject's resolver may not complete; say its full name, \
             `<service>.<namespace>.svc.<cluster domain>`",
            endpoint.host
        );
        return Err(Doubt { reason, not_evaluated: None });
    }
    if let Some(of_service) = aims_of_cluster_name(context, &endpoint.host, protocol, port, PortMeans::Dialled) {
        return of_service;
    }
    if cluster_name(&endpoint.host).is_some() {
        let reason = format!("no Service for {} was read", endpoint.host);
        return Err(Doubt { reason, not_evaluated: None });
    }
    if let Some(sample) = answers.get(&endpoint.host).filter(|ips| !ips.is_empty()) {
        let known =
            Known::StandIn { title: format!("a sample of {} addresses from DNS", sample.len()), elsewhere: false };
        let sets = [Family::V4, Family::V6].map(|family| AddrSet::from_ips(family, sample.iter().copied()));
        return Ok(nonempty(sets).map(|set| aim_of_set(set, known.clone(), port)).collect());
    }
    if !listed && is_private_name(&endpoint.host) {
        let known =
            Known::StandIn { title: "all addresses, for the name is a private one".to_owned(), elsewhere: true };
        return Ok([Family::V4, Family::V6].map(|family| aim_of_set(AddrSet::all(family), known.clone(), port)).into());
    }
    let known = Known::StandIn { title: "the public internet".to_owned(), elsewhere: !listed };
    Ok([Family::V4, Family::V6].map(|family| aim_of_set(public_internet(family), known.clone(), port)).into())
}

/// Whether a name means a Service only where a search list completes it: `name` or `name.namespace`. For pods that
/// have that list it was completed when their demand was read.
fn is_short_name(context: &Context<'_>, host: &str) -> bool {
    let services = &context.snapshot.services;
    match host.split_once('.') {
        None => services.iter().any(|s| s.meta.name == host),
        Some((name, space)) if !space.contains('.') => {
            services.iter().any(|s| s.meta.name == name && s.meta.namespace.as_ref().is_some_and(|n| *n == space))
        }
        Some(_) => false,
    }
}

/// Whether a name cannot be one of the public DNS: one label, or a top-level domain that is reserved or in
/// private use (RFC 2606, RFC 6762 appendix G, RFC 8375, and ICANN's `internal`).
fn is_private_name(host: &str) -> bool {
    const PRIVATE: &[&str] = &[
        "internal",
        "intranet",
        "private",
        "corp",
        "home",
        "lan",
        "local",
        "localdomain",
        "arpa",
        "test",
        "example",
        "invalid",
        "localhost",
    ];
    let host = host.trim_end_matches('.');
    if host.contains('*') {
        return false;
    }
    host.rsplit_once('.').is_none_or(|(_, top)| PRIVATE.contains(&top))
}

fn nonempty(sets: [AddrSet; 2]) -> impl Iterator<Item = AddrSet> {
    sets.into_iter().filter(|set| !set.is_empty())
}
