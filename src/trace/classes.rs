//! Pods that share every verdict, found once: ten thousand pods are a few dozen classes.

use std::sync::{Arc, OnceLock};

use rustc_hash::{FxHashMap, FxHashSet};

use super::context::{Context, both};
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

    /// Its labels.
    pub fn labels(self) -> &'a Labels {
        match self {
            Self::Running(_, pod) => &pod.meta.labels,
            Self::Predicted(workload) => &workload.template_labels,
            Self::Source(_) => self.annotations(),
        }
    }

    /// Its specification.
    pub fn spec(self) -> &'a crate::model::object::PodSpec {
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
    enforcement: u8,
    marks: layers::Marks,
    /// Where it stands in the VPC.
    origin: Option<u32>,
    /// `None` where nothing asks for it, as in a matrix of addresses outside.
    rare: Option<Box<Rare>>,
}

/// What decides in addition, for some questions.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Rare {
    resolver: Option<(Option<Str>, List<std::net::IpAddr>, List<HostAlias>)>,
    node: Option<Str>,
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
#[derive(Debug, Default)]
struct Namespace<'a> {
    name: Option<&'a Str>,
    labels: Option<Labels>,
    /// For lists of keys that its pods have: where the keys stand that decide which policies select a pod.
    layouts: Vec<(&'a List<Str>, Vec<Option<usize>>)>,
    /// The policies that select pods, by the values there.
    by_text: FxHashMap<Vec<Option<&'a Str>>, u32>,
    /// The same by the addresses of the values: equal ones mostly are one allocation, which need not be read.
    by_address: FxHashMap<Vec<usize>, u32>,
}

/// About this many layouts and addresses are kept for a namespace: of labels that share nothing there is no end.
const KEPT: usize = 256;

/// The classes of an audit.
#[derive(Debug)]
pub struct Classes<'a> {
    /// In the order in which subjects were met who are of them.
    pub classes: Vec<Class<'a>>,
    sorter: Sorter<'a>,
    /// The sorter's number of each pod that is asked about.
    of_pod: Vec<u32>,
    /// Numbers of `classes` by those of the sorter.
    numbers: Vec<u32>,
}

/// Marks what has no number.
const NONE: u32 = u32::MAX;

impl<'a> Classes<'a> {
    /// Sorts the pods of subjects who ask for the planned endpoints.
    ///
    /// Pods are looked at in the order in which they lie in memory, which takes half the time of another order.
    pub fn new(context: &Context<'a>, plan: &Plan, subjects: &[Subject]) -> Self {
        let pods = &context.snapshot.pods;
        let mut sorter = Sorter::new(context, plan);
        let mut of_pod = vec![NONE; pods.len()];
        for pod in subjects.iter().flat_map(|subject| &*subject.pods) {
            of_pod[*pod as usize] = 0;
        }
        let half = pods.len() / 2;
        let (left, right) = of_pod.split_at_mut(half);
        let mut other = sorter.like();
        let (pods_left, pods_right) = pods.split_at(half);
        both(pods.len(), || sorter.sort(context, 0, pods_left, left), || other.sort(context, half, pods_right, right));
        let numbers: Vec<u32> = other.classes.iter().map(|class| sorter.add(context, class.member)).collect();
        for number in right.iter_mut().filter(|number| **number != NONE) {
            *number = numbers[*number as usize];
        }
        Self { classes: Vec::new(), sorter, of_pod, numbers: Vec::new() }
    }

    /// The class of a pod of one of the subjects, or of the pod that the template of one predicts.
    #[allow(clippy::cast_possible_truncation)] // fewer classes than pods
    pub fn of(&mut self, context: &Context<'a>, member: Member<'a>) -> u32 {
        let sorted = match member {
            Member::Running(pod, _) => self.of_pod[pod as usize],
            Member::Predicted(_) | Member::Source(_) => self.sorter.add(context, member),
        };
        if self.numbers.len() < self.sorter.classes.len() {
            self.numbers.resize(self.sorter.classes.len(), NONE);
        }
        let number = &mut self.numbers[sorted as usize];
        if *number == NONE {
            *number = self.classes.len() as u32;
            let Class { selecting, origin, .. } = &mut self.sorter.classes[sorted as usize];
            self.classes.push(Class { member, selecting: std::mem::take(selecting), origin: *origin });
        }
        *number
    }
}

impl<'a> Classes<'a> {
    /// The classes, and the places in the VPC from which they start.
    pub fn into_parts(self) -> (Vec<Class<'a>>, Vec<Origin<'a>>) {
        (self.classes, self.sorter.origins)
    }
}

/// Tells pods apart.
#[derive(Debug)]
struct Sorter<'a> {
    /// In the order in which they were met.
    classes: Vec<Class<'a>>,
    known: FxHashMap<Key, u32>,
    /// Lists of policies that select pods, by number.
    signatures: Vec<Vec<PolicyId>>,
    numbers: FxHashMap<Vec<PolicyId>, u32>,
    namespaces: Vec<Namespace<'a>>,
    by_name: FxHashMap<Option<&'a Str>, usize>,
    /// The namespace of the pod before.
    last: usize,
    /// Kept for its room.
    values: Vec<usize>,
    with_identity: bool,
    with_node: bool,
    with_lookup: bool,
    /// Places in the VPC, by number.
    origins: Vec<Origin<'a>>,
    origin_numbers: FxHashMap<Shape, u32>,
}

impl<'a> Sorter<'a> {
    /// For pods that ask for the planned endpoints.
    fn new(context: &Context<'_>, plan: &Plan) -> Self {
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
        let with_node = node_local || plan.endpoints.iter().any(super::plan::Planned::is_node);
        Self::with(with_identity, with_node, with_lookup)
    }

    /// Another one for the same endpoints.
    fn like(&self) -> Self {
        Self::with(self.with_identity, self.with_node, self.with_lookup)
    }

    fn with(with_identity: bool, with_node: bool, with_lookup: bool) -> Self {
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
            with_node,
            with_lookup,
            origins: Vec::new(),
            origin_numbers: FxHashMap::default(),
        }
    }

    /// Numbers the pods that have a number already, of those that begin at an index of the snapshot.
    #[allow(clippy::cast_possible_truncation)] // fewer than 2^32 pods fit into memory
    fn sort(&mut self, context: &Context<'a>, first: usize, pods: &'a [Pod], numbers: &mut [u32]) {
        for (at, (pod, number)) in pods.iter().zip(numbers).enumerate().filter(|(_, (_, number))| **number != NONE) {
            *number = self.add(context, Member::Running((first + at) as u32, pod));
        }
    }

    /// The class of a pod.
    #[allow(clippy::cast_possible_truncation)] // fewer classes than pods
    fn add(&mut self, context: &Context<'a>, member: Member<'a>) -> u32 {
        let spec = member.spec();
        let nowhere = Str::default();
        let namespace = member.namespace().unwrap_or(&nowhere);
        let number = self.namespace(context, member.namespace());
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
        let with_node = self.with_node || own_resolver || spec.host_network;
        let with_identity = self.with_identity || own_resolver;
        let key = Key {
            origin,
            namespace: number as u32,
            selecting,
            predicted: member.pod().is_none(),
            host_network: spec.host_network,
            families,
            enforcement: context.enforcement.node_class(member.node()),
            marks: layers::marks(context, namespace, self.namespaces[number].labels.as_ref(), member),
            rare: (with_node || with_identity || self.with_lookup).then(|| {
                Box::new(Rare {
                    resolver: self
                        .with_lookup
                        .then(|| (spec.dns_policy.clone(), spec.nameservers.clone(), spec.host_aliases.clone())),
                    node: member.node().filter(|_| with_node).cloned(),
                    identity: with_identity.then(|| (member.labels().clone(), ips.into())),
                })
            }),
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
    fn origin(&mut self, context: &Context<'a>, member: Member<'a>) -> Option<u32> {
        let origin = super::cloud::origin_of(context, member)?;
        let shape = origin.shape(&context.cloud.as_ref()?.net, self.with_node);
        let origins = &mut self.origins;
        Some(*self.origin_numbers.entry(shape).or_insert_with(|| {
            origins.push(origin);
            origins.len() as u32 - 1
        }))
    }

    /// The number of a namespace.
    fn namespace(&mut self, context: &Context<'_>, name: Option<&'a Str>) -> usize {
        if self.namespaces.get(self.last).is_none_or(|last| last.name != name) {
            let Self { namespaces, by_name, .. } = self;
            self.last = *by_name.entry(name).or_insert_with(|| {
                let labels = name.and_then(|name| context.policies.labels_of(name)).cloned();
                namespaces.push(Namespace { name, labels, ..Namespace::default() });
                namespaces.len() - 1
            });
        }
        self.last
    }

    /// The number of the list of policies that select pods with these labels.
    #[allow(clippy::cast_possible_truncation)] // fewer lists than pods
    fn selecting(&mut self, context: &Context<'_>, number: usize, namespace: &Str, labels: &'a Labels) -> u32 {
        let Namespace { layouts, by_address, by_text, .. } = &mut self.namespaces[number];
        if layouts.len() > 16 {
            layouts.clear();
        }
        let at = layouts.iter().position(|(keys, _)| keys.is_same(labels.keys())).unwrap_or_else(|| {
            let keys = context.policies.selecting_keys(namespace);
            layouts.push((labels.keys(), keys.iter().map(|key| labels.position(key)).collect()));
            layouts.len() - 1
        });
        let values = || layouts[at].1.iter().map(|at| at.map(|at| &labels.values()[at]));
        self.values.clear();
        self.values.extend(values().map(|value| value.map_or(0, |value| value.as_ptr() as usize)));
        if let Some(known) = by_address.get(self.values.as_slice()) {
            return *known;
        }
        if by_address.len() > KEPT {
            by_address.clear();
        }
        let text: Vec<Option<&Str>> = values().collect();
        if let Some(known) = by_text.get(&text) {
            by_address.insert(self.values.clone(), *known);
            return *known;
        }
        let list = context.policies.selecting(namespace, labels, Direction::Egress);
        let signatures = &mut self.signatures;
        let number = *self.numbers.entry(list).or_insert_with_key(|list| {
            signatures.push(list.clone());
            signatures.len() as u32 - 1
        });
        by_address.insert(self.values.clone(), number);
        by_text.insert(text, number);
        number
    }
}
