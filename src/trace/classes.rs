//! Pods that share every verdict, found once: ten thousand pods are a few dozen classes.

use std::sync::{Arc, OnceLock};

use rustc_hash::{FxHashMap, FxHashSet};

use super::context::Context;
use super::layers;
use super::plan::Plan;
use crate::cloud::Origin;
use crate::cloud::origin::Shape;
use crate::demand::{Subject, sources};
use crate::model::object::{HostAlias, Pod, PodSpec, Workload};
use crate::model::{Family, Labels, List, Str};
use crate::policy::{Direction, Party, PolicyId};

/// A pod of a snapshot, or the pod that a template predicts.
#[derive(Clone, Copy, Debug)]
pub enum Member<'a> {
    /// Running, with its index.
    Running(u32, &'a Pod),
    /// Predicted.
    Predicted(&'a Workload),
    /// No pod: a node, or what only the cloud knows.
    Source(&'a Subject),
}

impl<'a> Member<'a> {
    /// The pod as policies see it.
    pub fn party(self, context: &Context<'_>) -> Party {
        match self {
            Self::Running(_, pod) => context.party(pod),
            Self::Predicted(workload) => context.predicted(workload),
            Self::Source(subject) => context.source(subject),
        }
    }

    /// Annotations that tell a mesh.
    pub fn annotations(self) -> &'a Labels {
        static NONE: OnceLock<Labels> = OnceLock::new();
        match self {
            Self::Source(_) => NONE.get_or_init(Labels::default),
            Self::Running(_, pod) => &pod.meta.annotations,
            Self::Predicted(workload) => &workload.template_annotations,
        }
    }

    /// Index of the running pod.
    pub fn pod(self) -> Option<u32> {
        match self {
            Self::Running(i, _) => Some(i),
            Self::Predicted(_) | Self::Source(_) => None,
        }
    }

    /// Whether it is no pod.
    pub fn is_source(self) -> bool {
        matches!(self, Self::Source(_))
    }

    fn namespace(self) -> Option<&'a Str> {
        match self {
            Self::Running(_, pod) => pod.meta.namespace.as_ref(),
            Self::Predicted(workload) => workload.meta.namespace.as_ref(),
            Self::Source(_) => None,
        }
    }

    fn labels(self) -> &'a Labels {
        match self {
            Self::Running(_, pod) => &pod.meta.labels,
            Self::Predicted(workload) => &workload.template_labels,
            Self::Source(_) => self.annotations(),
        }
    }

    fn spec(self) -> &'a crate::model::object::PodSpec {
        match self {
            Self::Running(_, pod) => &pod.spec,
            Self::Predicted(workload) => &workload.spec,
            Self::Source(_) => host_spec(),
        }
    }

    fn node(self) -> Option<&'a Str> {
        match self {
            Self::Running(_, pod) => pod.node.as_ref(),
            Self::Predicted(_) => None,
            Self::Source(subject) => (subject.kind == sources::NODE).then_some(&subject.name),
        }
    }
}

/// What is no pod stands outside of pod policies, as a pod on the host network does.
pub(super) fn host_spec() -> &'static Arc<PodSpec> {
    static SPEC: OnceLock<Arc<PodSpec>> = OnceLock::new();
    SPEC.get_or_init(|| Arc::new(PodSpec { host_network: true, ..PodSpec::default() }))
}

/// What decides every verdict about a pod.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    /// Number of the namespace.
    namespace: u32,
    selecting: u32,
    predicted: bool,
    host_network: bool,
    families: [bool; 2],
    resolver: Option<(Option<Str>, List<std::net::IpAddr>, List<HostAlias>)>,
    node: Option<Str>,
    enforcement: u8,
    marks: layers::Marks,
    /// Where it stands in the VPC.
    origin: Option<u32>,
    /// Labels and addresses, where a destination looks at who comes.
    identity: Option<(Labels, Box<[std::net::IpAddr]>)>,
}

/// A class of pods.
#[derive(Debug)]
pub struct Class<'a> {
    /// One of them.
    pub member: Member<'a>,
    /// The policies that select them for egress.
    pub selecting: Vec<PolicyId>,
    /// Number of the place in the VPC from which they start, if anything was read about it.
    pub origin: Option<u32>,
}

/// What is known about the pods of one namespace.
#[derive(Debug)]
struct Namespace<'a> {
    name: Option<&'a Str>,
    /// The policies that select pods, by the labels at the keys which decide about that.
    selecting: FxHashMap<Vec<Option<&'a Str>>, u32>,
}

/// The classes of an audit.
#[derive(Debug)]
pub struct Classes<'a> {
    /// In the order in which they were met.
    pub classes: Vec<Class<'a>>,
    known: FxHashMap<Key, u32>,
    /// Lists of policies that select pods, by number.
    signatures: Vec<Vec<PolicyId>>,
    numbers: FxHashMap<Vec<PolicyId>, u32>,
    namespaces: Vec<Namespace<'a>>,
    by_name: FxHashMap<Option<&'a Str>, usize>,
    /// The namespace of the pod before: pods mostly come sorted.
    last: usize,
    /// Kept for its room.
    values: Vec<Option<&'a Str>>,
    with_identity: bool,
    with_node: bool,
    with_lookup: bool,
    /// Places in the VPC, by number.
    pub origins: Vec<Origin<'a>>,
    origin_numbers: FxHashMap<Shape, u32>,
}

impl<'a> Classes<'a> {
    /// An empty index for pods that ask for the planned endpoints.
    pub fn new(context: &Context<'_>, plan: &Plan) -> Self {
        let with_lookup = plan.endpoints.iter().any(|p| !p.bare);
        let gated =
            |party: &Party| !context.policies.selecting(&party.namespace, &party.labels, Direction::Ingress).is_empty();
        let mut seen: FxHashSet<(Str, Labels)> = FxHashSet::default();
        let mut targets = plan.endpoints.iter().flat_map(super::plan::Planned::pods);
        let with_identity = targets
            .any(|party| seen.insert((party.namespace.clone(), party.labels.clone())) && gated(party))
            || (with_lookup && super::dns::resolver_pods(context).iter().any(gated));
        let node_local = with_lookup
            && (super::dns::is_node_local(context)
                || super::dns::resolver_pods(context).iter().any(|party| party.host_network));
        Self {
            classes: Vec::new(),
            known: FxHashMap::default(),
            signatures: vec![Vec::new()],
            numbers: FxHashMap::from_iter([(Vec::new(), 0)]),
            namespaces: Vec::new(),
            by_name: FxHashMap::default(),
            last: 0,
            values: Vec::new(),
            with_identity,
            with_node: node_local || plan.endpoints.iter().any(super::plan::Planned::is_node),
            with_lookup,
            origins: Vec::new(),
            origin_numbers: FxHashMap::default(),
        }
    }

    /// The class of a pod.
    #[allow(clippy::cast_possible_truncation)] // fewer classes than pods
    pub fn add(&mut self, context: &'a Context<'a>, member: Member<'a>) -> u32 {
        let spec = member.spec();
        let nowhere = Str::default();
        let namespace = member.namespace().unwrap_or(&nowhere);
        let number = self.namespace(member.namespace());
        // No policy selects a pod on the host network: the empty list comes first.
        let selecting = if spec.host_network { 0 } else { self.selecting(context, number, namespace, member.labels()) };
        let ips: &[std::net::IpAddr] = match member {
            Member::Running(_, pod) => &pod.ips,
            Member::Predicted(_) | Member::Source(_) => &[],
        };
        let families = [Family::V4, Family::V6].map(|family| ips.iter().any(|ip| Family::of(*ip) == family));
        // A nameserver of the pod's own may be a pod, a Service or a node that looks at who comes.
        let own_resolver = self.with_lookup && !spec.nameservers.is_empty();
        let origin = self.origin(context, member);
        let key = Key {
            origin,
            namespace: number as u32,
            selecting,
            predicted: member.pod().is_none(),
            host_network: spec.host_network,
            families,
            resolver: self
                .with_lookup
                .then(|| (spec.dns_policy.clone(), spec.nameservers.clone(), spec.host_aliases.clone())),
            node: member.node().filter(|_| self.with_node || own_resolver || spec.host_network).cloned(),
            enforcement: context.enforcement.node_class(member.node()),
            marks: layers::marks(
                context,
                namespace,
                member.labels(),
                member.annotations(),
                spec,
                member.pod().is_none(),
            ),
            identity: (self.with_identity || own_resolver).then(|| (member.labels().clone(), ips.into())),
        };
        if let Some(known) = self.known.get(&key) {
            return *known;
        }
        let new = self.classes.len() as u32;
        self.classes.push(Class { member, selecting: self.signatures[selecting as usize].clone(), origin });
        self.known.insert(key, new);
        new
    }

    /// The number of the place in the VPC from which a pod starts.
    #[allow(clippy::cast_possible_truncation)] // fewer places than pods
    fn origin(&mut self, context: &'a Context<'a>, member: Member<'a>) -> Option<u32> {
        let origin = super::cloud::origin_of(context, member)?;
        let shape = origin.shape(&context.cloud.as_ref()?.net, self.with_node);
        let origins = &mut self.origins;
        Some(*self.origin_numbers.entry(shape).or_insert_with(|| {
            origins.push(origin);
            origins.len() as u32 - 1
        }))
    }

    /// The number of a namespace.
    fn namespace(&mut self, name: Option<&'a Str>) -> usize {
        if self.namespaces.get(self.last).is_none_or(|last| last.name != name) {
            let Self { namespaces, by_name, .. } = self;
            self.last = *by_name.entry(name).or_insert_with(|| {
                namespaces.push(Namespace { name, selecting: FxHashMap::default() });
                namespaces.len() - 1
            });
        }
        self.last
    }

    /// The number of the list of policies that select pods with these labels.
    #[allow(clippy::cast_possible_truncation)] // fewer lists than pods
    fn selecting(&mut self, context: &Context<'_>, number: usize, namespace: &Str, labels: &'a Labels) -> u32 {
        let keys = context.policies.selecting_keys(namespace);
        self.values.clear();
        self.values.extend(keys.iter().map(|key| labels.get(key)));
        let known = &mut self.namespaces[number].selecting;
        if let Some(known) = known.get(&self.values) {
            return *known;
        }
        let list = context.policies.selecting(namespace, labels, Direction::Egress);
        let signatures = &mut self.signatures;
        let number = *self.numbers.entry(list).or_insert_with_key(|list| {
            signatures.push(list.clone());
            signatures.len() as u32 - 1
        });
        known.insert(self.values.clone(), number);
        number
    }
}
