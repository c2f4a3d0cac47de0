//! The sweep: how much of a destination do the rules admit, and which rule took which share?

use std::cell::RefCell;
use std::net::IpAddr;

use rustc_hash::FxHashMap;

use super::index::{Party, PolicyIndex};
use super::rule::{Direction, Peers, PolicyId, Rule, RuleId};
use crate::model::object::PodSpec;
use crate::model::{AddrSet, Family, Protocol};

/// Who is at the other end of a connection, as the rules of one end see it.
#[derive(Clone, Copy, Debug)]
pub enum Other<'a> {
    /// A pod, through its address of the family.
    Pod(&'a Party, Family),
    /// Addresses that are no pods'.
    Addresses {
        /// Of one family; empty if they are not known.
        set: &'a AddrSet,
        /// They are those of a node.
        node: bool,
    },
}

/// How engines read what the API leaves open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Semantics {
    /// Whether an `ipBlock` matches the addresses of pods. The API means it for the outside, but the
    /// conformance tests expect it; Cilium's data plane does not do it.
    pub pod_ip_in_ip_block: bool,
    /// Whether an `ipBlock` matches the addresses of nodes; Cilium keeps nodes out of its CIDR rules.
    pub node_ip_in_ip_block: bool,
    /// Whether traffic between a pod and its own node is always allowed (NetworkPolicy documentation).
    pub own_node: bool,
}

impl Default for Semantics {
    fn default() -> Self {
        Self { pod_ip_in_ip_block: true, node_ip_in_ip_block: true, own_node: true }
    }
}

/// How much of the other end one rule matches.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Share {
    Nothing,
    All,
    Part(Box<AddrSet>),
    /// It depends on an address that is not known.
    Unsure,
}

/// How much of the other end is admitted.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Admitted {
    /// All of it.
    All,
    /// Nothing.
    Nothing,
    /// These addresses, and not the others.
    Part(AddrSet),
    /// It cannot be told; the reasons are with the gate.
    Unsure,
}

/// A gate's answer in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quick {
    /// Nothing selects the pod.
    Open,
    /// This rule admits all.
    By(RuleId),
    /// Nothing is admitted.
    Nothing,
}

/// One direction of one end.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Gate {
    /// Egress of the source or ingress of the destination.
    pub direction: Direction,
    /// The policies that isolate this end; none: everything passes by default.
    pub isolating: Vec<PolicyId>,
    /// How much passes.
    pub admitted: Admitted,
    /// The rules that admit it, in order, each with a share that the ones before it left.
    pub by: Vec<RuleId>,
    /// Why it cannot be told.
    pub doubts: Vec<String>,
}

/// What is asked of a set of rules: one destination port, one other end. Shares are kept per rule, so that a
/// thousand subjects which meet the same rule compute its share once.
#[derive(Debug)]
pub struct Sweep<'a> {
    index: &'a PolicyIndex,
    semantics: Semantics,
    direction: Direction,
    other: Other<'a>,
    protocol: Protocol,
    port: u16,
    /// The pod that named ports resolve on.
    destination: Option<&'a PodSpec>,
    shares: RefCell<FxHashMap<RuleId, Share>>,
}

impl<'a> Sweep<'a> {
    /// A question about the other end of connections to `port`.
    ///
    /// `destination` is the pod that the connection goes to, if it is one.
    pub fn new(
        index: &'a PolicyIndex,
        semantics: Semantics,
        direction: Direction,
        other: Other<'a>,
        protocol: Protocol,
        port: u16,
        destination: Option<&'a PodSpec>,
    ) -> Self {
        let shares = RefCell::default();
        Self { index, semantics, direction, other, protocol, port, destination, shares }
    }

    /// The gate's answer without its words, where one rule or none decides; `None` where it takes more to tell.
    pub fn quick(&self, selecting: &[PolicyId]) -> Option<Quick> {
        if self.index.any_invalid {
            return None;
        }
        if selecting.is_empty() {
            return Some(Quick::Open);
        }
        let single = match self.other {
            Other::Addresses { set, node } if !node || self.semantics.node_ip_in_ip_block => set.single_address(),
            _ => None,
        };
        for id in selecting.iter().flat_map(|id| self.index.policy(*id).rules(self.direction)) {
            let share = match single {
                Some(ip) => self.share_of_one(id, ip),
                None => self.share(id),
            };
            match share {
                Share::Nothing => {}
                Share::All => return Some(Quick::By(id)),
                Share::Part(_) | Share::Unsure => return None,
            }
        }
        Some(Quick::Nothing)
    }

    /// What policies that select a pod admit. `selecting` comes from [`PolicyIndex::selecting`].
    pub fn gate(&self, selecting: &[PolicyId]) -> Gate {
        let (uncertain, isolating): (Vec<_>, Vec<_>) = if self.index.any_invalid {
            selecting.iter().partition(|id| self.index.policy(**id).is_uncertain(self.direction))
        } else {
            (Vec::new(), selecting.to_vec())
        };
        let mut gate =
            Gate { direction: self.direction, isolating, admitted: Admitted::All, by: Vec::new(), doubts: Vec::new() };
        if gate.isolating.is_empty() {
            self.doubt_invalid(&mut gate, &uncertain);
            return gate;
        }
        let mut rest = Rest::Whole;
        let mut unsure = Vec::new();
        'policies: for policy in gate.isolating.iter().map(|id| self.index.policy(*id)) {
            for id in policy.rules(self.direction) {
                match self.share(id) {
                    Share::Nothing => {}
                    Share::Unsure => unsure.push(id),
                    Share::All => {
                        rest = Rest::Nothing;
                        gate.by.push(id);
                        break 'policies;
                    }
                    Share::Part(set) => {
                        if rest.take(&set, self.other) {
                            gate.by.push(id);
                        }
                        if rest == Rest::Nothing {
                            break 'policies;
                        }
                    }
                }
            }
        }
        gate.admitted = match rest {
            Rest::Nothing => return Gate { admitted: Admitted::All, ..gate },
            Rest::Whole => Admitted::Nothing,
            Rest::Part(left) => match self.other {
                Other::Addresses { set, .. } => Admitted::Part(set.difference(&left)),
                Other::Pod(..) => Admitted::Nothing,
            },
        };
        for id in unsure {
            let rule = self.index.rule(id);
            let policy = self.index.policy(rule.policy);
            gate.admitted = Admitted::Unsure;
            gate.doubts.push(format!(
                "whether {}[{}] of {} matches the pod at the other end depends on its address or its namespace's labels, which are not known",
                rule.direction, rule.position, policy.title()
            ));
            gate.by.push(id);
        }
        self.doubt_invalid(&mut gate, &uncertain);
        gate
    }

    /// Rules of the isolating policies that come close: they admit the other end on another port, or this port
    /// to somebody else. At most `limit`, the closest first.
    pub fn near_misses(&self, isolating: &[PolicyId], limit: usize) -> Vec<RuleId> {
        let mut found: Vec<(u8, RuleId)> = Vec::new();
        for id in isolating.iter().flat_map(|id| self.index.policy(*id).rules(self.direction)) {
            let rule = self.index.rule(id);
            let port = rule.ports.matches(self.protocol, self.port, self.destination);
            match (self.peers(rule), port) {
                (Share::All, false) => found.push((0, id)),
                (Share::Part(_), false) => found.push((1, id)),
                (Share::Nothing, true) => found.push((2, id)),
                _ => {}
            }
        }
        found.sort_unstable();
        found.into_iter().take(limit).map(|(_, id)| id).collect()
    }

    fn doubt_invalid(&self, gate: &mut Gate, uncertain: &[PolicyId]) {
        for policy in uncertain.iter().map(|id| self.index.policy(*id)) {
            gate.admitted = Admitted::Unsure;
            gate.isolating.extend(uncertain);
            let why = policy.invalid.as_deref().unwrap_or_default();
            gate.doubts.push(format!("an API server rejects {}, which may select the pod: {why}", policy.title()));
        }
        gate.isolating.sort_unstable();
        gate.isolating.dedup();
    }

    /// A rule's share of one address that is no pod's: told faster than looked up.
    fn share_of_one(&self, id: RuleId, ip: IpAddr) -> Share {
        let rule = self.index.rule(id);
        let admits = match rule.peers.addresses(Family::of(ip)) {
            Some(block) => block.contains(ip),
            None => true,
        };
        let all = admits && rule.ports.matches(self.protocol, self.port, self.destination);
        if all { Share::All } else { Share::Nothing }
    }

    fn share(&self, id: RuleId) -> Share {
        if let Some(known) = self.shares.borrow().get(&id) {
            return known.clone();
        }
        let rule = self.index.rule(id);
        let matches = rule.ports.matches(self.protocol, self.port, self.destination);
        let share = if matches { self.peers(rule) } else { Share::Nothing };
        self.shares.borrow_mut().insert(id, share.clone());
        share
    }

    fn peers(&self, rule: &Rule) -> Share {
        let Peers::Some { pods, .. } = &rule.peers else {
            return Share::All;
        };
        match self.other {
            Other::Addresses { node: true, .. } if !self.semantics.node_ip_in_ip_block => Share::Nothing,
            Other::Addresses { set, .. } if set.is_empty() => Share::Unsure,
            Other::Addresses { set, .. } => {
                let admitted = rule.peers.addresses(set.family());
                match admitted {
                    Some(block) if set.is_subset(block) => Share::All,
                    Some(block) => {
                        let part = set.intersection(block);
                        if part.is_empty() { Share::Nothing } else { Share::Part(Box::new(part)) }
                    }
                    None => Share::Nothing,
                }
            }
            Other::Pod(party, family) => {
                // A pod on the host network has its node's address and no identity of its own.
                let own = &self.index.policy(rule.policy).namespace;
                let mut unsure = false;
                if !party.host_network {
                    for peer in pods {
                        match self.index.pod_peer_matches(peer, own, party) {
                            Some(true) => return Share::All,
                            Some(false) => {}
                            None => unsure = true,
                        }
                    }
                }
                match self.block_share(rule, party, family) {
                    Share::Nothing if unsure => Share::Unsure,
                    share => share,
                }
            }
        }
    }

    /// How an `ipBlock` sees a pod.
    fn block_share(&self, rule: &Rule, party: &Party, family: Family) -> Share {
        let Some(block) = rule.peers.addresses(family).filter(|block| !block.is_empty()) else {
            return Share::Nothing;
        };
        if party.host_network && !self.semantics.node_ip_in_ip_block {
            return Share::Nothing;
        }
        if party.host_network {
            let known = party.ips.iter().chain(&party.node_ips).copied();
            let ips = AddrSet::from_ips(family, known);
            return match ips.is_empty() {
                true if block.is_all() => Share::All,
                true => Share::Unsure,
                false if ips.is_subset(block) => Share::All,
                false => Share::Nothing,
            };
        }
        if !self.semantics.pod_ip_in_ip_block {
            return Share::Nothing;
        }
        match (party.ip(family), &self.index.pod_range[family as usize]) {
            (Some(ip), _) if block.contains(ip) => Share::All,
            (Some(_), _) => Share::Nothing,
            (None, _) if block.is_all() => Share::All,
            (None, Some(range)) if range.is_subset(block) => Share::All,
            (None, Some(range)) if range.is_disjoint(block) => Share::Nothing,
            (None, _) => Share::Unsure,
        }
    }
}

/// What no rule has taken yet.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Rest {
    Whole,
    Part(AddrSet),
    Nothing,
}

impl Rest {
    /// Takes a share away; whether it took anything that was still there.
    fn take(&mut self, share: &AddrSet, of: Other<'_>) -> bool {
        let before = match (&*self, of) {
            (Self::Part(left), _) => left.clone(),
            (Self::Whole, Other::Addresses { set, .. }) => set.clone(),
            _ => return false,
        };
        let left = before.difference(share);
        let took = left != before;
        *self = if left.is_empty() { Self::Nothing } else { Self::Part(left) };
        took
    }
}
