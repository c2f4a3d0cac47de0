//! What the gates of a path do to a destination, gathered share by share.

use crate::model::codes::Code;
use crate::model::{AddrSet, Evidence, Outcome, PortSet};

/// A gate that says no to a share of the destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    /// The addresses that it keeps out.
    pub share: AddrSet,
    /// What kind of cause it is.
    pub code: &'static Code,
    /// Reachability Analyzer's name for it, where one exists.
    pub ra_code: Option<&'static str>,
    /// One sentence.
    pub why: String,
    /// What decides.
    pub evidence: Vec<Evidence>,
}

/// A share of which it cannot be told what becomes of it, or of which nodes say different things.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Uncertainty {
    /// The addresses.
    pub share: AddrSet,
    /// One sentence.
    pub why: String,
    /// What it hangs on.
    pub evidence: Vec<Evidence>,
}

/// Replies that come back to some source ports only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replies {
    /// The addresses from which they come.
    pub share: AddrSet,
    /// The source ports that get their reply.
    pub passing: PortSet,
    /// The source ports that may be used.
    pub of: PortSet,
    /// Who picks the port: replies to one and the same choice must pass every gate.
    pub picked_by: Picker,
    /// What kind of cause it is.
    pub why: String,
    /// What decides.
    pub evidence: Vec<Evidence>,
}

/// Who picks the source port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Picker {
    /// The client, or the source translation of its node.
    Source,
    /// A NAT gateway.
    NatGateway,
}

/// What becomes of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The destination that was asked for.
    pub asked: AddrSet,
    /// Every gate that says no, in path order.
    pub blockers: Vec<Blocker>,
    /// What cannot be told.
    pub uncertainties: Vec<Uncertainty>,
    /// Replies that pass in part.
    pub replies: Vec<Replies>,
    /// What some of the nodes can do and others cannot.
    pub mixed: Vec<Uncertainty>,
    /// What lets pass, in path order.
    pub by: Vec<Evidence>,
    /// Rules that come close.
    pub near_misses: Vec<Evidence>,
    /// What is taken for granted.
    pub assumptions: Vec<String>,
    /// How the way goes: `eni-… of node-3, through nat-…`.
    pub way: Vec<String>,
}

/// The destination by what becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shares {
    /// Gets through, at every source port.
    pub open: AddrSet,
    /// Gets through at some source ports only.
    pub intermittent: AddrSet,
    /// It cannot be told.
    pub unknown: AddrSet,
    /// Does not get through.
    pub denied: AddrSet,
}

impl Verdict {
    /// A verdict without any gate yet.
    pub fn new(asked: &AddrSet) -> Self {
        Self {
            asked: asked.clone(),
            blockers: Vec::new(),
            uncertainties: Vec::new(),
            replies: Vec::new(),
            mixed: Vec::new(),
            by: Vec::new(),
            near_misses: Vec::new(),
            assumptions: Vec::new(),
            way: Vec::new(),
        }
    }

    /// The destination by what becomes of it. A definite deny beats what is unknown, and that beats a part.
    pub fn shares(&self) -> Shares {
        let none = AddrSet::empty(self.asked.family());
        let mut denied = self.blockers.iter().fold(none.clone(), |sum, b| sum.union(&b.share));
        let mut intermittent = none.clone();
        for picker in [Picker::Source, Picker::NatGateway] {
            // The destination split by which of its source ports get a reply.
            let mut atoms: Vec<(AddrSet, Option<PortSet>)> = vec![(self.asked.clone(), None)];
            for replies in self.replies.iter().filter(|r| r.picked_by == picker) {
                atoms = atoms
                    .into_iter()
                    .flat_map(|(set, passing)| {
                        let inside = set.intersection(&replies.share);
                        let narrowed = passing
                            .as_ref()
                            .map_or_else(|| replies.passing.clone(), |known| known.intersection(&replies.passing));
                        [(set.difference(&replies.share), passing), (inside, Some(narrowed))]
                    })
                    .filter(|(set, _)| !set.is_empty())
                    .collect();
            }
            for (set, passing) in atoms {
                match passing {
                    Some(ports) if ports.is_empty() => denied = denied.union(&set),
                    Some(_) => intermittent = intermittent.union(&set),
                    None => {}
                }
            }
        }
        let intermittent = self.mixed.iter().fold(intermittent, |sum, m| sum.union(&m.share));
        let denied = denied.intersection(&self.asked);
        let unknown = self.uncertainties.iter().fold(none, |sum, u| sum.union(&u.share));
        let unknown = unknown.intersection(&self.asked).difference(&denied);
        let intermittent = intermittent.intersection(&self.asked).difference(&denied).difference(&unknown);
        let open = self.asked.difference(&denied).difference(&unknown).difference(&intermittent);
        Shares { open, intermittent, unknown, denied }
    }

    /// The result. `mixed`: what a mixture of open and denied addresses means, which depends on how well the
    /// destination's addresses are known.
    pub fn outcome(&self, mixed: Outcome) -> Outcome {
        let shares = self.shares();
        let is_whole = |set: &AddrSet| set.size() == self.asked.size();
        if is_whole(&shares.denied) && !self.asked.is_empty() {
            Outcome::Blocked
        } else if !shares.unknown.is_empty() {
            Outcome::Unknown
        } else if !shares.denied.is_empty() {
            mixed
        } else if !shares.intermittent.is_empty() {
            Outcome::Partial
        } else {
            Outcome::Reachable
        }
    }

    /// Adds a gate that says no; nothing if the share is empty.
    pub(super) fn deny(&mut self, blocker: Blocker) {
        if blocker.share.is_empty() {
            return;
        }
        let alike = |b: &&mut Blocker| b.why == blocker.why && b.evidence == blocker.evidence && b.code == blocker.code;
        match self.blockers.iter_mut().find(alike) {
            Some(known) => known.share = known.share.union(&blocker.share),
            None => self.blockers.push(blocker),
        }
    }

    /// Adds what cannot be told; nothing if the share is empty.
    pub(super) fn doubt(&mut self, share: &AddrSet, why: impl Into<String>, evidence: Vec<Evidence>) {
        if share.is_empty() {
            return;
        }
        let why = why.into();
        match self.uncertainties.iter_mut().find(|u| u.why == why && u.evidence == evidence) {
            Some(known) => known.share = known.share.union(share),
            None => self.uncertainties.push(Uncertainty { share: share.clone(), why, evidence }),
        }
    }

    /// Adds a rule that lets pass.
    pub(super) fn pass(&mut self, evidence: Evidence) {
        if !self.by.contains(&evidence) {
            self.by.push(evidence);
        }
    }

    /// Joins the verdict on another share of the destination, or of a further gate on the same path.
    pub(super) fn join(&mut self, other: Self) {
        other.blockers.into_iter().for_each(|b| self.deny(b));
        for u in other.uncertainties {
            self.doubt(&u.share, u.why, u.evidence);
        }
        self.replies.extend(other.replies.into_iter().filter(|r| !self.replies.contains(r)).collect::<Vec<_>>());
        append_new(&mut self.mixed, other.mixed);
        other.by.into_iter().for_each(|e| self.pass(e));
        append_new(&mut self.near_misses, other.near_misses);
        append_new(&mut self.assumptions, other.assumptions);
        append_new(&mut self.way, other.way);
    }
}

fn append_new<T: PartialEq>(to: &mut Vec<T>, more: Vec<T>) {
    for one in more {
        if !to.contains(&one) {
            to.push(one);
        }
    }
}
