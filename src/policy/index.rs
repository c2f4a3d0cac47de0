//! The policies of a snapshot, compiled, and the pods as policies see them.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::compile::{Defect, compile, index as rule_number};
use super::rule::{Direction, PodPeer, Policy, PolicyId, Rule, RuleId};
use crate::model::label::{Labels, Selector};
use crate::model::object::{NetworkPolicy, PodSpec};
use crate::model::{AddrSet, Family, Snapshot, Str};

/// The label that every namespace carries, whatever its manifest says.
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// A pod as policies see it: one that runs, or one that a template predicts.
#[derive(Clone, Debug)]
pub struct Party {
    /// Its namespace.
    pub namespace: Str,
    /// Labels of the namespace.
    pub namespace_labels: Labels,
    /// Its labels.
    pub labels: Labels,
    /// Its addresses; empty if they are not known (predicted, or pending).
    pub ips: Box<[IpAddr]>,
    /// The node that it runs on.
    pub node: Option<Str>,
    /// Shares its node's network.
    pub host_network: bool,
    /// Addresses of its node.
    pub node_ips: Vec<IpAddr>,
    /// Container ports.
    pub spec: Arc<PodSpec>,
}

impl Party {
    /// The families of its addresses (of its node's on the host network); empty if they are not known.
    pub fn families(&self) -> Vec<Family> {
        let ips: &[IpAddr] = if self.host_network && self.ips.is_empty() { &self.node_ips } else { &self.ips };
        let mut families: Vec<_> = ips.iter().map(|ip| Family::of(*ip)).collect();
        families.sort_unstable();
        families.dedup();
        families
    }

    /// Its address of a family.
    pub fn ip(&self, family: Family) -> Option<IpAddr> {
        self.ips.iter().copied().find(|ip| Family::of(*ip) == family)
    }
}

/// Compiled policies with the structures that find those which select a pod.
#[derive(Debug, Default)]
pub struct PolicyIndex {
    policies: Vec<Policy>,
    rules: Vec<Rule>,
    /// What is wrong with the policies, by their index in the snapshot.
    pub defects: Vec<(u32, Defect)>,
    by_namespace: FxHashMap<Str, NamespacePolicies>,
    /// Whether an API server would reject any of them.
    pub(super) any_invalid: bool,
    /// Where pods get their addresses, per family; `None` if no node says so.
    pub(super) pod_range: [Option<AddrSet>; 2],
    namespaces: FxHashMap<Str, Labels>,
    /// A live cluster whose namespaces were not all read: an absent one has labels that are not known.
    namespaces_may_be_missing: bool,
    /// Namespaces whose object is there and cannot be read.
    unreadable_namespaces: FxHashSet<Str>,
}

/// The policies of one namespace, found by a label that they require.
#[derive(Debug, Default)]
struct NamespacePolicies {
    by_pair: FxHashMap<Str, FxHashMap<Str, Vec<PolicyId>>>,
    others: Vec<PolicyId>,
    /// The keys that their selectors look at, sorted.
    keys: Vec<Str>,
}

impl PolicyIndex {
    /// Compiles the NetworkPolicies of a snapshot, in order of namespace and name.
    pub fn new(snapshot: &Snapshot) -> Self {
        let mut index = Self {
            namespaces: namespaces(snapshot),
            namespaces_may_be_missing: snapshot
                .coverage
                .iter()
                .any(|c| c.kind == "Namespace" && c.state.is_incomplete()),
            unreadable_namespaces: snapshot
                .problems
                .iter()
                .filter(|p| p.class.leaves_unknown() && p.kind.as_deref() == Some("Namespace"))
                .filter_map(|p| p.name.clone())
                .collect(),
            pod_range: pod_range(snapshot),
            ..Self::default()
        };
        index.fill(snapshot, |_| None);
        index
    }

    /// The index of a snapshot in which nothing but NetworkPolicies is another than in the one of this index, whose
    /// NetworkPolicies were `former`: what is the same is not compiled again.
    #[must_use]
    pub fn renew(self, former: &[NetworkPolicy], snapshot: &Snapshot) -> Self {
        let Self {
            policies,
            rules,
            defects,
            namespaces,
            namespaces_may_be_missing,
            unreadable_namespaces,
            pod_range,
            ..
        } = self;
        let mut index =
            Self { pod_range, namespaces, namespaces_may_be_missing, unreadable_namespaces, ..Self::default() };
        let with_defects: FxHashSet<u32> = defects.iter().map(|(object, _)| *object).collect();
        let mut rules: Vec<Option<Rule>> = rules.into_iter().map(Some).collect();
        let mut policies = policies.into_iter().peekable();
        index.fill(snapshot, |written| {
            let name = (written.meta.namespace.as_deref().unwrap_or_default(), written.meta.name.as_str());
            while policies.next_if(|policy| (policy.namespace.as_str(), policy.name.as_str()) < name).is_some() {}
            let policy = policies.next_if(|policy| (policy.namespace.as_str(), policy.name.as_str()) == name)?;
            let is_same = !with_defects.contains(&policy.object) && former.get(policy.object as usize) == Some(written);
            is_same.then(|| {
                let all = policy
                    .rules
                    .clone()
                    .map(|range| range.filter_map(|at| rules.get_mut(at as usize).and_then(Option::take)).collect());
                (policy, all)
            })
        });
        index
    }

    /// Takes in the pods of a snapshot, in which nothing else is another than in the one of this index.
    pub fn renew_pods(&mut self, snapshot: &Snapshot) {
        self.pod_range = pod_range(snapshot);
    }

    /// Takes in the NetworkPolicies of a snapshot in order of namespace and name; `known` gives what is compiled already.
    fn fill(&mut self, snapshot: &Snapshot, mut known: impl FnMut(&NetworkPolicy) -> Option<(Policy, [Vec<Rule>; 2])>) {
        let nowhere = Str::default();
        let name = |object: &u32| {
            let meta = &snapshot.network_policies[*object as usize].meta;
            (meta.namespace.as_ref().unwrap_or(&nowhere), &meta.name)
        };
        let mut objects: Vec<u32> = (0u32..).zip(&snapshot.network_policies).map(|(i, _)| i).collect();
        objects.sort_by(|a, b| name(a).cmp(&name(b)));
        for objects in objects.chunk_by(|a, b| name(a) == name(b)) {
            // Of two objects with one name the last counts.
            let Some(object) = objects.last() else { continue };
            let written = &snapshot.network_policies[*object as usize];
            #[allow(clippy::cast_possible_truncation)] // far fewer than 2^32 policies fit into an API server
            let id = PolicyId(self.policies.len() as u32);
            let policy = match known(written) {
                Some((policy, rules)) => self.again(*object, id, policy, rules),
                None => self.compile(*object, id, written),
            };
            self.add(id, policy);
        }
    }

    fn compile(&mut self, object: u32, id: PolicyId, written: &NetworkPolicy) -> Policy {
        let mut defects = Vec::new();
        let policy = compile(object, written, id, &mut self.rules, &mut defects);
        self.defects.extend(defects.into_iter().map(|defect| (object, defect)));
        policy
    }

    /// A policy of another index with its rules of both directions, by its numbers in this one.
    fn again(&mut self, object: u32, id: PolicyId, policy: Policy, rules: [Vec<Rule>; 2]) -> Policy {
        let ranges = rules.map(|rules| {
            let start = rule_number(self.rules.len());
            self.rules.extend(rules.into_iter().map(|rule| Rule { policy: id, ..rule }));
            start..rule_number(self.rules.len())
        });
        Policy { object, rules: ranges, ..policy }
    }

    fn add(&mut self, id: PolicyId, policy: Policy) {
        let here = self.by_namespace.entry(policy.namespace.clone()).or_default();
        match policy.subject.as_ref().and_then(Selector::required_pair) {
            Some((key, value)) => {
                here.by_pair.entry(key.clone()).or_default().entry(value.clone()).or_default().push(id);
            }
            None => here.others.push(id),
        }
        for requirement in policy.subject.iter().flat_map(Selector::requirements) {
            if let Err(at) = here.keys.binary_search(&requirement.key) {
                here.keys.insert(at, requirement.key.clone());
            }
        }
        self.any_invalid |= policy.invalid.is_some();
        self.policies.push(policy);
    }

    /// A compiled policy.
    pub fn policy(&self, id: PolicyId) -> &Policy {
        &self.policies[id.0 as usize]
    }

    /// A compiled rule.
    pub fn rule(&self, id: RuleId) -> &Rule {
        &self.rules[id.0 as usize]
    }

    /// Every rule.
    pub fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter()
    }

    /// Every policy.
    pub fn policies(&self) -> impl Iterator<Item = (PolicyId, &Policy)> {
        (0u32..).map(PolicyId).zip(&self.policies)
    }

    /// Labels of a namespace that was read.
    pub fn labels_of(&self, name: &Str) -> Option<&Labels> {
        self.namespaces.get(name)
    }

    /// Labels of a namespace; one whose object was not read has only its name label.
    pub fn namespace_labels(&self, name: &Str) -> Labels {
        self.namespaces.get(name).cloned().unwrap_or_else(|| Labels::new([(NAMESPACE_NAME_LABEL.into(), name.clone())]))
    }

    /// The policies that isolate pods with these labels in the direction, in order; also those that an API
    /// server would reject and of which it cannot be told whether they do.
    pub fn selecting(&self, namespace: &Str, labels: &Labels, direction: Direction) -> Vec<PolicyId> {
        let Some(here) = self.by_namespace.get(namespace) else {
            return Vec::new();
        };
        let mut found: Vec<PolicyId> = Vec::new();
        let mut consider = |ids: &[PolicyId]| {
            found.extend(ids.iter().copied().filter(|id| {
                let policy = self.policy(*id);
                (policy.isolates(direction) || policy.is_uncertain(direction))
                    && policy.subject.as_ref().is_none_or(|s| s.matches(labels))
            }));
        };
        consider(&here.others);
        for (key, by_value) in &here.by_pair {
            if let Some(ids) = labels.get(key).and_then(|value| by_value.get(value)) {
                consider(ids);
            }
        }
        found.sort_unstable();
        found
    }

    /// The label keys that tell pods of a namespace apart for [`selecting`](Self::selecting): pods with the same
    /// values there are selected by the same policies.
    pub fn selecting_keys(&self, namespace: &Str) -> &[Str] {
        self.by_namespace.get(namespace).map_or(&[], |here| &here.keys)
    }

    /// Whether a selector peer of a policy in `own` namespace matches a pod; `None`: it depends on labels of a
    /// namespace that could not be read.
    pub(super) fn pod_peer_matches(&self, peer: &PodPeer, own: &Str, party: &Party) -> Option<bool> {
        if !peer.pods.matches(&party.labels) {
            return Some(false);
        }
        let Some(selector) = &peer.namespaces else {
            return Some(party.namespace == *own);
        };
        let by_name_only = || selector.requirements().iter().all(|r| r.key == NAMESPACE_NAME_LABEL);
        let missing = self.namespaces_may_be_missing && !self.namespaces.contains_key(&party.namespace);
        if (missing || self.unreadable_namespaces.contains(&party.namespace)) && !by_name_only() {
            return None;
        }
        Some(selector.matches(&party.namespace_labels))
    }
}

fn namespaces(snapshot: &Snapshot) -> FxHashMap<Str, Labels> {
    let mut map: FxHashMap<Str, Labels> = HashMap::default();
    for namespace in &snapshot.namespaces {
        let name = &namespace.meta.name;
        let labels = &namespace.meta.labels;
        let has_name = labels.get(NAMESPACE_NAME_LABEL) == Some(name);
        let labels = if has_name { labels.clone() } else { labels.with(NAMESPACE_NAME_LABEL, name) };
        map.insert(name.clone(), labels);
    }
    map
}

/// The union of the nodes' ranges, if it explains every address that a running pod has.
fn pod_range(snapshot: &Snapshot) -> [Option<AddrSet>; 2] {
    [Family::V4, Family::V6].map(|family| {
        let of = |node: &crate::model::object::Node| node.pod_cidrs.iter().any(|n| Family::of(n.addr()) == family);
        if !snapshot.nodes.iter().all(of) {
            return None;
        }
        let range = AddrSet::from_nets(family, snapshot.nodes.iter().flat_map(|n| n.pod_cidrs.iter().copied()));
        // A network plugin with pools of its own leaves podCIDRs unused.
        let pods = snapshot.pods.iter().filter(|p| !p.spec.host_network && !p.phase.is_terminal());
        let explained = pods
            .flat_map(|p| p.ips.iter().copied())
            .filter(|ip| Family::of(*ip) == family)
            .all(|ip| range.contains(ip));
        (explained && !range.is_empty()).then_some(range)
    })
}
