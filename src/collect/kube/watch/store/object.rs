//! The facts of one object.

use super::super::super::read::{self, Named};
use crate::collect::builder::Builder;
use crate::collect::facts::Facts;
use crate::model::object::{EndpointSlice, NetworkPolicy, Pod, Workload};

/// The facts of one object.
#[derive(Debug)]
pub(super) struct Object {
    pub(super) held: Held,
    /// ConfigMaps that it names: what they are for, namespace and name.
    pub(super) maps: Box<[Named]>,
    /// The last list that told of it as it is, by number; 0 where it was an event.
    pub(super) listed: u32,
}

/// The part of the facts that an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Policies,
    Pods,
    Workloads,
    Slices,
    Others,
}

/// What is many or changes often is held by itself where nothing else is said about it: it takes no more room than it
/// needs, and its part of the facts is renewed without the others.
#[derive(Debug)]
pub(super) enum Held {
    Pod(Box<Pod>),
    Policy(Box<NetworkPolicy>),
    Workload(Box<Workload>),
    Slice(Box<EndpointSlice>),
    Facts(Box<Facts>),
}

impl Object {
    pub(super) fn new(mut facts: Facts) -> Self {
        let maps = read::named_by(&facts).into();
        let held = if let Some(pod) = facts.take_only(|facts| &mut facts.pods, |pod| &pod.meta) {
            Held::Pod(Box::new(pod))
        } else if let Some(policy) = facts.take_only(|facts| &mut facts.network_policies, |policy| &policy.meta) {
            Held::Policy(Box::new(policy))
        } else if let Some(workload) = facts.take_only(|facts| &mut facts.workloads, |workload| &workload.meta) {
            Held::Workload(Box::new(workload))
        } else if let Some(slice) = facts.take_only(|facts| &mut facts.endpoint_slices, |slice| &slice.meta) {
            Held::Slice(Box::new(slice))
        } else {
            Held::Facts(Box::new(facts))
        };
        Self { held, maps, listed: 0 }
    }

    /// Whether it is the same in all that decides.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (&self.held, &other.held) {
            (Held::Pod(a), Held::Pod(b)) => a == b,
            (Held::Policy(a), Held::Policy(b)) => a == b,
            (Held::Workload(a), Held::Workload(b)) => a == b,
            (Held::Slice(a), Held::Slice(b)) => a == b,
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
            Held::Policy(policy) => std::slice::from_ref(&**policy),
            Held::Facts(facts) => &facts.network_policies,
            _ => &[],
        }
    }

    /// The pods that it is, in the same way.
    pub(super) fn pods(&self) -> &[Pod] {
        match &self.held {
            Held::Pod(pod) => std::slice::from_ref(&**pod),
            Held::Facts(facts) => &facts.pods,
            _ => &[],
        }
    }

    /// The objects with pod templates.
    pub(super) fn workloads(&self) -> &[Workload] {
        match &self.held {
            Held::Workload(workload) => std::slice::from_ref(&**workload),
            Held::Facts(facts) => &facts.workloads,
            _ => &[],
        }
    }

    /// The EndpointSlices.
    pub(super) fn slices(&self) -> &[EndpointSlice] {
        match &self.held {
            Held::Slice(slice) => std::slice::from_ref(&**slice),
            Held::Facts(facts) => &facts.endpoint_slices,
            _ => &[],
        }
    }

    /// Of which part of the facts it is, if nothing else is said about it.
    pub(super) fn part(&self) -> Part {
        match self.held {
            Held::Pod(_) => Part::Pods,
            Held::Policy(_) => Part::Policies,
            Held::Workload(_) => Part::Workloads,
            Held::Slice(_) => Part::Slices,
            Held::Facts(_) => Part::Others,
        }
    }

    pub(super) fn add_to(&self, builder: &mut Builder) {
        match &self.held {
            Held::Pod(pod) => builder.facts.pods.push(Pod::clone(pod)),
            Held::Policy(policy) => builder.facts.network_policies.push(NetworkPolicy::clone(policy)),
            Held::Workload(workload) => builder.facts.workloads.push(Workload::clone(workload)),
            Held::Slice(slice) => builder.facts.endpoint_slices.push(EndpointSlice::clone(slice)),
            Held::Facts(facts) => builder.append(Facts::clone(facts)),
        }
    }
}
