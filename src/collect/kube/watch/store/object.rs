//! The facts of one object.

use super::super::super::read::{self, Named};
use crate::collect::builder::Builder;
use crate::collect::facts::Facts;
use crate::model::object::{NetworkPolicy, Pod};

/// The facts of one object.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) held: Held,
    /// ConfigMaps that it names: what they are for, namespace and name.
    pub(super) maps: Box<[Named]>,
    /// The last list that told of it as it is, by number; 0 where it was an event.
    pub(super) listed: u32,
    /// The number of the pods ([`Revision`](super::Revision)) since an event told of it; 0 where it was a list.
    pub(super) changed: u64,
}

/// The part of the facts that an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Policies,
    Pods,
    Others,
}

/// Pods and policies are many, and hold nothing else: they take no more room than they need.
#[derive(Debug)]
pub(super) enum Held {
    Pod(Box<Pod>),
    Policy(Box<NetworkPolicy>),
    Facts(Box<Facts>),
}

impl Object {
    pub(super) fn new(mut facts: Facts) -> Self {
        let maps = read::named_by(&facts).into();
        let held = if let Some(pod) = facts.take_only(|facts| &mut facts.pods) {
            Held::Pod(Box::new(pod))
        } else if let Some(policy) = facts.take_only(|facts| &mut facts.network_policies) {
            Held::Policy(Box::new(policy))
        } else {
            Held::Facts(Box::new(facts))
        };
        Self { held, maps, listed: 0, changed: 0 }
    }

    /// Whether it is the same in all that decides.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.held, &other.held) {
            (Held::Pod(a), Held::Pod(b)) => a == b,
            (Held::Policy(a), Held::Policy(b)) => a == b,
            (Held::Facts(a), Held::Facts(b)) => a.is_same(b),
            _ => false,
        }
    }

    /// Takes from one that is the same what decides nothing and is kept all the same.
    pub(super) fn take_over(&mut self, same: Self) {
        if let (Held::Facts(own), Held::Facts(same)) = (&mut self.held, same.held) {
            own.node_trust = same.node_trust;
        }
    }

    /// The policies that it is: what else is said about one, such as fields that are not known, changes nothing about that.
    pub(super) fn policies(&self) -> &[NetworkPolicy] {
        match &self.held {
            Held::Pod(_) => &[],
            Held::Policy(policy) => std::slice::from_ref(&**policy),
            Held::Facts(facts) => &facts.network_policies,
        }
    }

    /// The pods that it is, in the same way.
    pub(super) fn pods(&self) -> &[Pod] {
        match &self.held {
            Held::Pod(pod) => std::slice::from_ref(&**pod),
            Held::Policy(_) => &[],
            Held::Facts(facts) => &facts.pods,
        }
    }

    /// Of which part of the facts it is, if nothing else is said about it.
    pub(super) fn part(&self) -> Part {
        match self.held {
            Held::Pod(_) => Part::Pods,
            Held::Policy(_) => Part::Policies,
            Held::Facts(_) => Part::Others,
        }
    }

    pub(super) fn add_to(&self, builder: &mut Builder) {
        match &self.held {
            Held::Pod(pod) => builder.facts.pods.push(Pod::clone(pod)),
            Held::Policy(policy) => builder.facts.network_policies.push(NetworkPolicy::clone(policy)),
            Held::Facts(facts) => builder.append(Facts::clone(facts)),
        }
    }
}
