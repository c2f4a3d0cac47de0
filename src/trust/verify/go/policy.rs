//! Certificate policies as Go processes them: RFC 5280, section 6.1, with the graph of RFC 9618.

use std::collections::{BTreeMap, BTreeSet};

use super::read::Parsed;

const ANY: &[u8] = &[0x55, 0x1d, 32, 0];

type Oid<'a> = &'a [u8];

/// A policy that is valid at one depth: what it maps to, and which policies of the depth above lead to it.
#[derive(Clone, Debug)]
struct Node<'a> {
    expected: BTreeSet<Oid<'a>>,
    parents: BTreeSet<Oid<'a>>,
}

/// Policies by depth; depth 0 holds "any" alone.
struct Graph<'a> {
    strata: Vec<BTreeMap<Oid<'a>, Node<'a>>>,
}

/// Whether the policies of a path are met; any policy will do, and none need be explicit unless the path says so.
pub(super) fn valid(chain: &[Parsed<'_>]) -> bool {
    let Some(count) = chain.len().checked_sub(1).filter(|count| *count > 0) else { return true };
    let below = &chain[..count];
    // Without these extensions nothing can ask for an explicit policy.
    let plain = |parsed: &Parsed<'_>| parsed.policies.require_explicit.is_none() && parsed.policies.mappings.is_empty();
    if below.iter().all(plain) {
        return true;
    }
    let unlimited = count as u64 + 1;
    let (mut explicit, mut mapping, mut inhibit_any) = (unlimited, unlimited, unlimited);
    let root = Node { expected: BTreeSet::from([ANY]), parents: BTreeSet::new() };
    let mut graph = Some(Graph { strata: vec![BTreeMap::from([(ANY, root)])] });
    for (at, parsed) in below.iter().enumerate().rev() {
        let policies = &parsed.policies;
        let self_issued = parsed.certificate.is_self_issued();
        if policies.held.is_empty() {
            graph = None;
        }
        if explicit == 0 && graph.is_none() {
            return false;
        }
        if let Some(graph) = &mut graph {
            let depth_below_count = count - at < count;
            graph.descend(&policies.held, inhibit_any > 0 || (depth_below_count && self_issued));
            if at != 0 && !graph.map(&policies.mappings, mapping > 0) {
                return false;
            }
        }
        if at == 0 {
            continue;
        }
        if !self_issued {
            explicit = explicit.saturating_sub(1);
            mapping = mapping.saturating_sub(1);
            inhibit_any = inhibit_any.saturating_sub(1);
        }
        let lower =
            |counter: &mut u64, limit: Option<u64>| *counter = limit.map_or(*counter, |limit| limit.min(*counter));
        lower(&mut explicit, policies.require_explicit);
        lower(&mut mapping, policies.inhibit_mapping);
        lower(&mut inhibit_any, policies.inhibit_any);
    }
    explicit = explicit.saturating_sub(1);
    if chain[0].policies.require_explicit == Some(0) {
        explicit = 0;
    }
    explicit > 0 || graph.is_some_and(|graph| graph.has_valid_policy())
}

impl<'a> Graph<'a> {
    /// One certificate further down.
    fn descend(&mut self, held: &[Oid<'a>], any_counts: bool) {
        let above = self.strata.last().cloned().unwrap_or_default();
        let mut level: BTreeMap<Oid<'a>, Node<'a>> = BTreeMap::new();
        for &policy in held.iter().filter(|policy| **policy != ANY) {
            let expecting = above.iter().filter(|(_, node)| node.expected.contains(policy));
            let mut parents: BTreeSet<Oid<'a>> = expecting.map(|(oid, _)| *oid).collect();
            if parents.is_empty() && above.contains_key(ANY) {
                parents.insert(ANY);
            }
            if !parents.is_empty() {
                level.insert(policy, Node { expected: BTreeSet::from([policy]), parents });
            }
        }
        if held.contains(&ANY) && any_counts {
            let mut missing: BTreeMap<Oid<'a>, BTreeSet<Oid<'a>>> = BTreeMap::new();
            for (oid, node) in &above {
                for expected in node.expected.iter().filter(|expected| !level.contains_key(*expected)) {
                    missing.entry(expected).or_default().insert(oid);
                }
            }
            for (oid, parents) in missing {
                level.insert(oid, Node { expected: BTreeSet::from([oid]), parents });
            }
        }
        self.strata.push(level);
        self.prune();
    }

    /// Drops policies that nothing below leads back to.
    fn prune(&mut self) {
        for depth in (1..self.strata.len().saturating_sub(1)).rev() {
            let (upper, lower) = self.strata.split_at_mut(depth + 1);
            let (Some(level), Some(below)) = (upper.last_mut(), lower.first()) else { return };
            level.retain(|oid, _| below.values().any(|node| node.parents.contains(oid)));
        }
    }

    /// Applies mappings; `false`: a mapping names "any".
    fn map(&mut self, mappings: &[(Oid<'a>, Oid<'a>)], allowed: bool) -> bool {
        let Some(level) = self.strata.last_mut().filter(|_| !mappings.is_empty()) else { return true };
        if !allowed {
            for (issuer, _) in mappings {
                level.remove(issuer);
            }
            self.prune();
            return true;
        }
        if mappings.iter().any(|(issuer, subject)| *issuer == ANY || *subject == ANY) {
            return false;
        }
        let mut grouped: BTreeMap<Oid<'a>, BTreeSet<Oid<'a>>> = BTreeMap::new();
        for (issuer, subject) in mappings {
            grouped.entry(issuer).or_default().insert(subject);
        }
        for (issuer, subjects) in grouped {
            if let Some(node) = level.get_mut(issuer) {
                node.expected = subjects;
            } else if level.contains_key(ANY) {
                level.insert(issuer, Node { expected: subjects, parents: BTreeSet::from([ANY]) });
            }
        }
        true
    }

    /// Whether a policy is valid all the way down: one whose only parent is "any", or "any" itself at the end.
    fn has_valid_policy(&self) -> bool {
        let from_any =
            |(oid, node): (&Oid<'a>, &Node<'a>)| *oid != ANY && node.parents.len() == 1 && node.parents.contains(ANY);
        self.strata.iter().flatten().any(from_any) || self.strata.last().is_some_and(|leaves| leaves.contains_key(ANY))
    }
}
