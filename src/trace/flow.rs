//! The policy layer of one connection: egress rules of the source and ingress rules of the destination.

use super::context::Context;
use crate::model::{AddrSet, Doubt, Evidence, Family, Layer, Outcome, PortSet, Protocol, Step, Str};
use crate::policy::kinds::Power;
use crate::policy::rule::Peers;
use crate::policy::{Admitted, Direction, Gate, Hold, Other, Party, PolicyId, Quick, Sweep};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;

/// Who opens the connection.
#[derive(Clone, Copy, Debug)]
pub enum Source<'a> {
    /// A pod; the number tells pods of one snapshot apart (`None` for a predicted one).
    Pod(&'a Party, Option<u32>),
    /// Addresses of a node, or of somebody outside.
    Addresses {
        /// Its addresses of the family in question.
        set: &'a AddrSet,
        /// The node, if it is one.
        node: Option<&'a Str>,
    },
}

/// Who is contacted.
#[derive(Clone, Copy, Debug)]
pub enum Destination<'a> {
    /// A pod, through its address of the family.
    Pod(&'a Party, Option<u32>, Family),
    /// Addresses that are no pods'.
    Addresses {
        /// Of one family.
        set: &'a AddrSet,
        /// How well they are known.
        known: &'a Known,
        /// The node that has them, if it is one.
        node: Option<&'a Str>,
    },
}

/// How well the addresses of a destination are known: what does it mean if only part of them is admitted?
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Known {
    /// All of them: partly admitted is `Partial`.
    Complete,
    /// A published feed: partly admitted is `Partial`, with the share and the date.
    Feed {
        /// Whose ranges.
        title: String,
        /// Date of the feed.
        as_of: String,
        /// A CDN whose addresses serve many names.
        shared_cdn: bool,
    },
    /// A sample of DNS answers, or the public internet as a stand-in: partly admitted is `Unknown`.
    StandIn {
        /// What stands in.
        title: String,
        /// The name is not one of the catalogue: it may as well lead to a private address, or to a pod.
        elsewhere: bool,
    },
}

/// What the policy layer says of one connection in one family.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Judgement {
    /// The result; `None`: the layer is not on this path.
    pub outcome: Option<Outcome>,
    /// One line when no gate explains it.
    pub note: Option<String>,
    /// The gates that were evaluated, with their own results.
    pub gates: Vec<(Gate, Outcome)>,
    /// Why it is unknown.
    pub doubts: Vec<Doubt>,
    /// What is taken for granted.
    pub assumptions: Vec<Cow<'static, str>>,
}

impl Judgement {
    fn plain(outcome: Option<Outcome>, note: impl Into<String>) -> Self {
        Self { outcome, note: Some(note.into()), gates: Vec::new(), doubts: Vec::new(), assumptions: Vec::new() }
    }
}

/// A question about one destination, kept for all who ask it.
#[derive(Debug)]
pub struct Flow<'a> {
    context: &'a Context<'a>,
    destination: Destination<'a>,
    protocol: Protocol,
    port: u16,
    /// One sweep per way of reading the API: whether an `ipBlock` sees pods, times whether it sees nodes.
    egress: [Sweep<'a>; 4],
}

impl<'a> Flow<'a> {
    /// A question about connections to the destination.
    pub fn new(context: &'a Context<'a>, destination: Destination<'a>, protocol: Protocol, port: u16) -> Self {
        let (other, spec) = match destination {
            // A pod on the host network is seen as its node, and a node has no named ports.
            Destination::Pod(party, _, family) => {
                (Other::Pod(party, family), (!party.host_network).then_some(&*party.spec))
            }
            Destination::Addresses { set, node, .. } => (Other::Addresses { set, node: node.is_some() }, None),
        };
        let egress = [(false, false), (false, true), (true, false), (true, true)].map(|(pods, nodes)| {
            let semantics =
                crate::policy::Semantics { pod_ip_in_ip_block: pods, node_ip_in_ip_block: nodes, own_node: true };
            Sweep::new(&context.policies, semantics, Direction::Egress, other, protocol, port, spec)
        });
        Self { context, destination, protocol, port, egress }
    }

    /// The egress gate in short, for a destination whose verdict hangs on nothing else of the source: addresses
    /// outside. Sources of one class with equal answers have equal verdicts, whatever the port.
    pub fn quick(&self, selecting: &[PolicyId]) -> Option<Quick> {
        match self.destination {
            // For a stand-in the port decides more than the gate tells.
            Destination::Addresses { known: Known::StandIn { .. }, .. } => None,
            Destination::Addresses { node: None, .. } => self.egress[3].quick(selecting),
            _ => None,
        }
    }

    /// The verdict for a source. `selecting`: the policies that select it for egress (for pods).
    pub fn judge(&self, source: Source<'_>, selecting: &[PolicyId]) -> Judgement {
        if let Some(done) = self.without_policies(source) {
            return done;
        }
        let mut judgement = Judgement {
            outcome: Some(Outcome::Reachable),
            note: None,
            gates: Vec::new(),
            doubts: Vec::new(),
            assumptions: Vec::new(),
        };
        let mut ends: Vec<(&Str, bool)> = Vec::new();
        if let Source::Pod(party, _) = source
            && !party.host_network
        {
            let end = self.egress_end(party, selecting, &mut judgement);
            ends.extend(end.map(|isolated| (&party.namespace, isolated)));
        }
        if let Destination::Pod(party, _, family) = self.destination
            && !party.host_network
        {
            let end = self.ingress_end(source, party, family, &mut judgement);
            ends.extend(end.map(|isolated| (&party.namespace, isolated)));
        }
        judgement.outcome = Outcome::along(judgement.gates.iter().map(|(_, outcome)| *outcome)).or(judgement.outcome);
        if judgement.outcome != Some(Outcome::Blocked) && !judgement.doubts.is_empty() {
            judgement.outcome = Some(Outcome::Unknown);
        }
        self.own_node(source, &mut judgement);
        self.beside(&ends, &mut judgement);
        if judgement.outcome != Some(Outcome::Unknown) {
            judgement.doubts.clear();
        }
        judgement
    }

    /// Rules that come close, for a blocked judgement.
    pub fn near_misses(&self, judgement: &Judgement) -> Vec<Arc<Evidence>> {
        let blocked =
            judgement.gates.iter().filter(|(g, o)| *o == Outcome::Blocked && g.direction == Direction::Egress);
        blocked
            .flat_map(|(gate, _)| self.egress[3].near_misses(&gate.isolating, 3))
            .map(|rule| self.context.rule_evidence(rule))
            .collect()
    }

    /// The connections that no policy can touch.
    fn without_policies(&self, source: Source<'_>) -> Option<Judgement> {
        match (source, self.destination) {
            (Source::Pod(_, Some(a)), Destination::Pod(_, Some(b), _)) if a == b => {
                Some(Judgement::plain(Some(Outcome::Reachable), "a pod cannot be cut off from itself"))
            }
            (Source::Pod(party, _), Destination::Addresses { .. }) if party.host_network => {
                Some(Judgement::plain(None, "policies do not apply to pods on the host network"))
            }
            (Source::Addresses { .. }, Destination::Addresses { .. }) => {
                Some(Judgement::plain(None, "no pod is at either end"))
            }
            _ => None,
        }
    }

    /// Adds the egress gate; whether the end is isolated, or `None` if policies do not hold for it.
    fn egress_end(&self, party: &Party, selecting: &[PolicyId], into: &mut Judgement) -> Option<bool> {
        let semantics = match self.hold(party, selecting.is_empty(), into) {
            Ok(semantics) => semantics,
            Err(not_held) => return not_held,
        };
        let gate = self.egress
            [2 * usize::from(semantics.pod_ip_in_ip_block) + usize::from(semantics.node_ip_in_ip_block)]
        .gate(selecting);
        Some(self.add_gate(gate, into))
    }

    fn ingress_end(&self, source: Source<'_>, party: &'a Party, family: Family, into: &mut Judgement) -> Option<bool> {
        let selecting = self.context.policies.selecting(&party.namespace, &party.labels, Direction::Ingress);
        let semantics = match self.hold(party, selecting.is_empty(), into) {
            Ok(semantics) => semantics,
            Err(not_held) => return not_held,
        };
        let other = match source {
            Source::Pod(from, _) => Other::Pod(from, family),
            Source::Addresses { set, node } => Other::Addresses { set, node: node.is_some() },
        };
        let policies = &self.context.policies;
        let sweep =
            Sweep::new(policies, semantics, Direction::Ingress, other, self.protocol, self.port, Some(&party.spec));
        let gate = sweep.gate(&selecting);
        Some(self.add_gate(gate, into))
    }

    /// How policies hold for an end; `Err` if no gate is to be evaluated: `Some(false)` when traffic is open only
    /// because nothing selects the pod, `None` when policies are ignored or nothing can be told.
    fn hold(
        &self,
        party: &Party,
        unselected: bool,
        into: &mut Judgement,
    ) -> Result<crate::policy::Semantics, Option<bool>> {
        match self.context.enforcement.holds(party) {
            Hold::Yes { semantics, assumption, .. } => {
                into.assumptions.extend(assumption.filter(|_| !unselected));
                Ok(semantics)
            }
            Hold::No(why) => {
                into.note = Some(format!("policies are ignored: {why}"));
                Err(None)
            }
            Hold::Unsure { doubt, closed_by_default } => {
                let may_apply = self.context.beside.iter().any(|b| b.may_touch(&[&party.namespace]));
                if unselected && !closed_by_default && !may_apply {
                    into.assumptions.push(Cow::from(format!(
                        "no policy selects the pod and it is open by default, although {}",
                        doubt.reason
                    )));
                    Err(Some(false))
                } else {
                    into.doubts.push(doubt);
                    Err(Some(false))
                }
            }
        }
    }

    fn add_gate(&self, gate: Gate, into: &mut Judgement) -> bool {
        let outcome = match (&gate.admitted, self.destination) {
            (Admitted::All, _) => Outcome::Reachable,
            (Admitted::Nothing, Destination::Addresses { known: Known::StandIn { elsewhere: true, .. }, .. })
                if gate.direction == Direction::Egress && self.admits_elsewhere(&gate.isolating) =>
            {
                into.doubts.push(Doubt {
                    reason: "nobody publishes where this name leads, and the policies admit private addresses or pods"
                        .to_owned(),
                    not_evaluated: None,
                });
                Outcome::Unknown
            }
            (Admitted::Nothing, _) => Outcome::Blocked,
            (Admitted::Unsure, _) => Outcome::Unknown,
            (Admitted::Part(_), Destination::Addresses { known: Known::StandIn { title, .. }, .. })
                if gate.direction == Direction::Egress =>
            {
                into.doubts.push(Doubt {
                    reason: format!("its addresses are not published, and only part of {title} is admitted"),
                    not_evaluated: None,
                });
                Outcome::Unknown
            }
            (Admitted::Part(_), _) => Outcome::Partial,
        };
        into.doubts.extend(gate.doubts.iter().map(|reason| Doubt { reason: reason.clone(), not_evaluated: None }));
        let isolated = !gate.isolating.is_empty();
        into.gates.push((gate, outcome));
        isolated
    }

    /// Whether a rule admits the port to any address, or to pods on more than DNS ports (a Service may translate
    /// the port on the way).
    fn admits_elsewhere(&self, isolating: &[PolicyId]) -> bool {
        let rules = isolating.iter().flat_map(|id| self.context.policies.policy(*id).rules(Direction::Egress));
        rules.map(|id| self.context.policies.rule(id)).any(|rule| {
            let Peers::Some { v4, v6, pods } = &rule.peers else { return false };
            let dns = PortSet::range(53, 53).union(&PortSet::range(5353, 5353));
            let beyond_dns = rule.ports.any
                || !rule.ports.named.is_empty()
                || !rule.ports.numbered[self.protocol as usize].difference(&dns).is_empty();
            (!pods.is_empty() && beyond_dns)
                || (rule.ports.matches(self.protocol, self.port, None) && !(v4.is_empty() && v6.is_empty()))
        })
    }

    /// What stands beside NetworkPolicy may change the result.
    fn beside(&self, ends: &[(&Str, bool)], into: &mut Judgement) {
        if self.context.beside.is_empty() {
            return;
        }
        let namespaces: Vec<&Str> = ends.iter().map(|(namespace, _)| *namespace).collect();
        let in_cluster = matches!(self.destination, Destination::Pod(..));
        let Some(outcome) = into.outcome.filter(|_| !ends.is_empty()) else {
            return;
        };
        let passes = matches!(outcome, Outcome::Reachable | Outcome::Partial);
        let all_isolated = ends.iter().all(|(_, isolated)| *isolated);
        let changing = self.context.beside.iter().filter(|b| b.may_touch(&namespaces)).filter(|b| match b.power {
            Power::Overrule => true,
            Power::Baseline => passes && !all_isolated,
            // Egress firewalls leave the pod network alone.
            Power::AndGate => passes && !in_cluster,
        });
        let before = into.doubts.len();
        into.doubts.extend(changing.map(|b| b.doubt.clone()));
        if into.doubts.len() > before {
            into.outcome = Some(Outcome::Unknown);
        }
    }

    /// Traffic between a pod and its own node is always allowed by the API; products differ.
    fn own_node(&self, source: Source<'_>, into: &mut Judgement) {
        let (party, other_node) = match (source, self.destination) {
            (Source::Pod(party, _), Destination::Addresses { node: Some(node), .. })
            | (Source::Addresses { node: Some(node), .. }, Destination::Pod(party, ..)) => (party, node),
            (Source::Pod(party, _), Destination::Pod(to, ..)) if to.host_network && !party.host_network => {
                match &to.node {
                    Some(node) => (party, node),
                    None => return,
                }
            }
            (Source::Pod(from, _), Destination::Pod(party, ..)) if from.host_network => match &from.node {
                Some(node) => (party, node),
                None => return,
            },
            _ => return,
        };
        if party.node.as_ref() != Some(other_node) || into.outcome == Some(Outcome::Reachable) {
            return;
        }
        match self.context.enforcement.holds(party) {
            Hold::Yes { semantics, own_node_unsure: false, .. } if semantics.own_node => {
                *into = Judgement::plain(
                    Some(Outcome::Reachable),
                    "traffic between a pod and its own node is always allowed",
                );
                into.assumptions.push("the network plugin lets a pod reach its own node, as the API demands".into());
            }
            Hold::Yes { own_node_unsure: true, .. } => {
                into.outcome = Some(Outcome::Unknown);
                into.doubts.push(Doubt {
                    reason:
                        "whether this network plugin lets a pod reach its own node against its policies is not modelled"
                            .to_owned(),
                    not_evaluated: None,
                });
            }
            _ => {}
        }
    }

    /// The judgement as a step, in words.
    pub fn step(&self, judgement: &Judgement) -> Step {
        let outcome = judgement.outcome.map_or(crate::model::StepOutcome::NotApplicable, Into::into);
        let mut step = Step::new(Layer::Policy, outcome, String::new());
        let mut parts: Vec<String> = judgement.note.iter().cloned().collect();
        for (gate, outcome) in &judgement.gates {
            // A definite result is explained by the gates that have it; an unknown one by all.
            if judgement.outcome == Some(*outcome) || judgement.outcome == Some(Outcome::Unknown) {
                self.explain_gate(gate, *outcome, &mut step, &mut parts);
            }
        }
        if let Some(doubt) = judgement.doubts.first() {
            parts.insert(0, doubt.reason.clone());
        }
        step.near_misses = self.near_misses(judgement);
        step.doubts.clone_from(&judgement.doubts);
        step.assumptions.extend(judgement.assumptions.iter().map(|a| a.clone().into_owned()));
        step.summary = if parts.is_empty() { "no policy selects the pod".to_owned() } else { parts.join("; ") };
        step
    }

    fn explain_gate(&self, gate: &Gate, outcome: Outcome, step: &mut Step, parts: &mut Vec<String>) {
        let direction = gate.direction;
        if gate.isolating.is_empty() {
            if parts.is_empty() {
                parts.push(format!("no policy isolates the pod for {direction}"));
            }
            return;
        }
        let asked = format!("{}/{}", self.port, self.protocol);
        match (outcome, &gate.admitted) {
            (Outcome::Blocked, _) => {
                let policies: Vec<_> = gate.isolating.iter().map(|id| self.context.policy_evidence(*id)).collect();
                let names: Vec<_> = policies.iter().map(|policy| short(policy)).collect();
                let end = if direction == Direction::Egress { "" } else { " at the destination" };
                parts.push(format!("by default{end}: {} {asked}", none_of(&names)));
                step.evidence.extend(policies);
            }
            (_, Admitted::Part(set)) => {
                parts.push(self.share_text(set));
                step.evidence.extend(gate.by.iter().map(|rule| self.context.rule_evidence(*rule)));
            }
            _ if gate.by.is_empty() => {
                step.evidence.extend(gate.isolating.iter().map(|id| self.context.policy_evidence(*id)));
            }
            _ => {
                let rules: Vec<_> = gate.by.iter().map(|rule| self.context.rule_evidence(*rule)).collect();
                let names: Vec<_> = rules.iter().map(|rule| rule.citation()).collect();
                parts.push(format!("by {}", names.join(" and ")));
                step.evidence.extend(rules);
            }
        }
    }

    fn share_text(&self, admitted: &AddrSet) -> String {
        let Destination::Addresses { set, known, .. } = self.destination else {
            return "part is admitted".to_owned();
        };
        let mut text = format!("{} of ", percent(admitted.size(), set.size()));
        match known {
            Known::Complete => text.push_str("its addresses"),
            Known::Feed { title, as_of, .. } => {
                let _ = write!(text, "{title} ({as_of})");
            }
            Known::StandIn { title, .. } => text.push_str(title),
        }
        text
    }
}

/// `ns/name` of a policy.
fn short(evidence: &Evidence) -> String {
    match &evidence.object.namespace {
        Some(namespace) => format!("{namespace}/{}", evidence.object.name),
        None => evidence.object.name.to_string(),
    }
}

fn none_of(names: &[String]) -> String {
    match names {
        [one] => format!("no rule of {one} admits"),
        [first, .., last] if names.len() > 4 => {
            format!("none of the {} policies that select the pod ({first} … {last}) admits", names.len())
        }
        _ => format!("none of {} admits", names.join(", ")),
    }
}

/// A share in percent, never rounded to 0 or 100 when it is neither.
pub fn percent(part: u128, whole: u128) -> String {
    if whole == 0 {
        return "none".to_owned();
    }
    #[allow(clippy::cast_precision_loss)] // a share for people
    let share = part as f64 * 100.0 / whole as f64;
    if part > 0 && share < 0.1 {
        "less than 0.1 %".to_owned()
    } else if part < whole && share > 99.9 {
        "more than 99.9 %".to_owned()
    } else if share < 10.0 {
        format!("{share:.1} %")
    } else {
        format!("{share:.0} %")
    }
}

/// The families in which two ends can talk. An end whose addresses are not known has IPv4, if the other end
/// has it: an assumption.
pub fn common_families(a: &[Family], b: &[Family]) -> Vec<Family> {
    match (a, b) {
        ([], []) => vec![Family::V4],
        ([], known) | (known, []) if known.contains(&Family::V4) => vec![Family::V4],
        ([], known) | (known, []) => known.to_vec(),
        (a, b) => a.iter().copied().filter(|f| b.contains(f)).collect(),
    }
}
