//! What decoding yields, before it is put together to a Snapshot.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::trust_maps::TrustMap;
use super::trust_objects::TrustObject;
use super::user_data::UserData;
use super::{aws, talos, terraform};
use crate::model::object::{
    ConfigMap, EndpointSlice, Meta, Namespace, NetworkPolicy, Node, OtherObject, Pod, Service, Workload,
};
use crate::model::snapshot::CloudDocument;
use crate::model::trust::NodeTrust;
use crate::model::{Problem, Str};

/// Decoded objects and what went wrong, in the order in which they were read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Facts {
    pub(crate) namespaces: Vec<Namespace>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) pods: Vec<Pod>,
    pub(crate) workloads: Vec<Workload>,
    pub(crate) services: Vec<Service>,
    pub(crate) endpoint_slices: Vec<EndpointSlice>,
    pub(crate) network_policies: Vec<NetworkPolicy>,
    pub(crate) config_maps: Vec<ConfigMap>,
    pub(crate) trust_maps: Vec<TrustMap>,
    pub(crate) trust_objects: Vec<TrustObject>,
    pub(crate) talos: Vec<talos::Document>,
    pub(crate) user_data: Vec<UserData>,
    pub(crate) others: Vec<OtherObject>,
    pub(crate) node_trust: Vec<NodeTrust>,
    pub(crate) cloud_documents: Vec<CloudDocument>,
    pub(crate) aws: Vec<aws::Document>,
    pub(crate) plans: Vec<Arc<terraform::Planned>>,
    pub(crate) problems: Vec<FoundProblem>,
    pub(crate) ignored_kinds: BTreeMap<Str, u64>,
    /// Sources of which a part could not be read, and why.
    pub(crate) failed: Vec<(u32, String)>,
}

/// A problem whose namespace may still have to be told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FoundProblem {
    pub(crate) problem: Problem,
    /// The object is of a namespaced kind: where it names no namespace, it goes where such objects go.
    pub(crate) is_namespaced: bool,
}

impl Facts {
    /// Adds what was read after these facts.
    pub(crate) fn append(&mut self, mut later: Self) {
        self.namespaces.append(&mut later.namespaces);
        self.nodes.append(&mut later.nodes);
        self.pods.append(&mut later.pods);
        self.workloads.append(&mut later.workloads);
        self.services.append(&mut later.services);
        self.endpoint_slices.append(&mut later.endpoint_slices);
        self.network_policies.append(&mut later.network_policies);
        self.config_maps.append(&mut later.config_maps);
        self.trust_maps.append(&mut later.trust_maps);
        self.trust_objects.append(&mut later.trust_objects);
        self.talos.append(&mut later.talos);
        self.user_data.append(&mut later.user_data);
        self.others.append(&mut later.others);
        self.node_trust.append(&mut later.node_trust);
        self.cloud_documents.append(&mut later.cloud_documents);
        self.aws.append(&mut later.aws);
        self.plans.append(&mut later.plans);
        self.problems.append(&mut later.problems);
        self.failed.append(&mut later.failed);
        for (kind, count) in later.ignored_kinds {
            *self.ignored_kinds.entry(kind).or_default() += count;
        }
    }

    /// Whether these are surely the same facts, but for what decides nothing: when the trust of a node was observed. Those
    /// of which it cannot be told are taken to differ.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let can_be_told = |facts: &Self| {
            facts.trust_maps.is_empty()
                && facts.trust_objects.is_empty()
                && facts.talos.is_empty()
                && facts.user_data.is_empty()
                && facts.aws.is_empty()
                && facts.plans.is_empty()
        };
        can_be_told(self)
            && can_be_told(other)
            && self.namespaces == other.namespaces
            && self.nodes == other.nodes
            && self.pods == other.pods
            && self.workloads == other.workloads
            && self.services == other.services
            && self.endpoint_slices == other.endpoint_slices
            && self.network_policies == other.network_policies
            && self.config_maps == other.config_maps
            && self.others == other.others
            && self.node_trust.len() == other.node_trust.len()
            && self.node_trust.iter().zip(&other.node_trust).all(|(own, other)| own.says_the_same(other))
            && self.cloud_documents == other.cloud_documents
            && self.problems == other.problems
            && self.ignored_kinds == other.ignored_kinds
            && self.failed == other.failed
    }

    /// Takes out the only object that these facts hold, if it is of the kind that is picked and in a namespace. Where one
    /// without goes is still to be told.
    pub(crate) fn take_only<T>(
        &mut self,
        pick: impl Fn(&mut Self) -> &mut Vec<T>,
        meta: impl Fn(&T) -> &Meta,
    ) -> Option<T> {
        let object = pick(self).pop()?;
        if meta(&object).namespace.is_some() && self.is_same(&Self::default()) {
            return Some(object);
        }
        pick(self).push(object);
        None
    }

    /// Records a problem of a document without a kind that could be told.
    pub(crate) fn problem(&mut self, problem: Problem) {
        self.problems.push(FoundProblem { problem, is_namespaced: false });
    }
}
