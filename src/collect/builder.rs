//! Puts a Snapshot together from what decoders find.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::BuildHasher as _;

use rustc_hash::{FxBuildHasher, FxHashMap};

use super::aws;
use super::decode::{Decoder, with_name_label};
use super::facts::Facts;
use super::{kinds, terraform, trust_settle, variable_maps};
use crate::model::object::{Meta, Namespace};
use crate::model::{Coverage, CoverageState, Problem, ProblemClass, Snapshot, Str, World};
use crate::trust::objects::only_store;

/// A [`Snapshot`] in the making.
///
/// Objects come from [`json::decode_list`](super::json::decode_list) and its like; [`Builder::finish`] settles
/// namespaces and repeated names.
#[derive(Debug)]
pub struct Builder {
    pub(crate) decoder: Decoder,
    pub(crate) facts: Facts,
    snapshot: Snapshot,
    sources: FxHashMap<String, u32>,
    /// Which namespace the objects of a source go to, where something outside the source says so.
    placements: HashMap<u32, Placement>,
}

/// The namespace that a kustomization gives to the objects of a source, whatever they say themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placement {
    /// All of them into this one.
    Namespace(String),
    /// Several kustomizations disagree.
    Ambiguous,
}

impl Builder {
    /// A builder for what files hold. Namespaced objects that name no namespace go into `default_namespace`.
    pub fn files(instant: jiff::Timestamp, default_namespace: &str) -> Self {
        Self::new(World::Closed, instant, default_namespace)
    }

    /// A builder for what a server answers: objects have no lines, but resource versions and field managers.
    pub fn live(instant: jiff::Timestamp) -> Self {
        Self::new(World::Live, instant, "default")
    }

    fn new(world: World, instant: jiff::Timestamp, default_namespace: &str) -> Self {
        let snapshot = Snapshot { instant, world, default_namespace: default_namespace.into(), ..Snapshot::default() };
        Self {
            decoder: Decoder::new(world == World::Live),
            facts: Facts::default(),
            snapshot,
            sources: FxHashMap::default(),
            placements: HashMap::new(),
        }
    }

    /// The context or server of a live cluster.
    pub fn set_cluster(&mut self, cluster: &str) {
        self.snapshot.cluster = Some(cluster.into());
    }

    /// The index of a source by its name; a new name gets a new index.
    pub fn source(&mut self, name: &str) -> u32 {
        if let Some(known) = self.sources.get(name) {
            return *known;
        }
        let index = u32::try_from(self.snapshot.sources.len()).unwrap_or(u32::MAX);
        self.snapshot.sources.push(name.into());
        self.sources.insert(name.to_owned(), index);
        index
    }

    /// The name of a source.
    pub fn source_name(&self, index: u32) -> &str {
        self.snapshot.source(index)
    }

    /// Records how completely something was read.
    pub fn coverage(&mut self, coverage: Coverage) {
        self.snapshot.coverage.push(coverage);
    }

    /// Records a problem.
    pub fn problem(&mut self, problem: Problem) {
        self.facts.problem(problem);
    }

    /// Records that a source could not be read.
    pub(crate) fn failed(&mut self, source: u32, why: String) {
        self.facts.failed.push((source, why));
    }

    /// Counts a file that is a Helm template.
    pub fn helm_template(&mut self) {
        self.snapshot.helm_templates += 1;
    }

    /// Says where the objects of a source go.
    pub fn place(&mut self, source: u32, placement: Placement) {
        match self.placements.entry(source) {
            Entry::Vacant(entry) => {
                entry.insert(placement);
            }
            Entry::Occupied(mut entry) if *entry.get() != placement => {
                entry.insert(Placement::Ambiguous);
            }
            Entry::Occupied(_) => {}
        }
    }

    /// How many pods were read so far: for progress.
    pub fn pods(&self) -> usize {
        self.facts.pods.len()
    }

    /// Adds facts that another decoder found, after everything that is there.
    pub(crate) fn append(&mut self, facts: Facts) {
        self.facts.append(facts);
    }

    /// The Snapshot: namespaces settled, repeated names reduced to the last, problems in order of their place.
    pub fn finish(mut self) -> Snapshot {
        self.settle_namespaces();
        let mut problems = std::mem::take(&mut self.facts.problems);
        for found in &mut problems {
            if found.is_namespaced {
                match self.placements.get(&found.problem.source) {
                    Some(Placement::Namespace(name)) => found.problem.namespace = Some(Str::from(name.as_str())),
                    Some(Placement::Ambiguous) => found.problem.namespace = None,
                    None => match &found.problem.namespace {
                        None => found.problem.namespace = Some(self.snapshot.default_namespace.clone()),
                        Some(written) if !is_namespace_name(written) => found.problem.namespace = None,
                        Some(_) => {}
                    },
                }
            }
        }
        self.snapshot.problems.extend(problems.into_iter().map(|found| found.problem));
        self.drop_repeated();

        let Self { mut facts, mut snapshot, .. } = self;
        snapshot.variable_maps = variable_maps::kept(&facts);
        let trust = trust_settle::settle(&mut facts, &snapshot);
        snapshot.trust_bundles = trust.bundles;
        snapshot.trust_notes = trust.notes;
        let mut cloud = aws::merge(facts.aws, |source| snapshot.source(source));
        let aws::Merged { scopes, problems } = &mut cloud;
        let unclear = terraform::apply(&facts.plans, scopes, problems, |source| snapshot.source(source));
        snapshot.coverage.extend(cloud.scopes.iter().flat_map(aws::coverage));
        snapshot.problems.extend(cloud.problems);
        snapshot.aws = cloud.scopes;
        for (source, why) in facts.failed {
            let source = Str::from(format!("file {}", snapshot.source(source)));
            snapshot.coverage.push(Coverage {
                source,
                kind: "*".into(),
                namespace: None,
                state: CoverageState::Failed(why),
            });
        }
        snapshot.coverage.sort();
        // Of a source that was named and could not be read, only the second is true.
        snapshot.coverage.dedup_by(|later, kept| {
            let is_same = later.source == kept.source && later.kind == kept.kind && later.namespace == kept.namespace;
            if is_same && later.state.is_incomplete() && !kept.state.is_incomplete() {
                kept.state = later.state.clone();
            }
            is_same
        });
        snapshot.problems.sort_by(|a, b| (a.class, a.source, a.line, a).cmp(&(b.class, b.source, b.line, b)));
        snapshot.ignored_kinds = facts.ignored_kinds;
        snapshot.namespaces = facts.namespaces;
        snapshot.nodes = facts.nodes;
        snapshot.pods = facts.pods;
        snapshot.workloads = facts.workloads;
        snapshot.services = facts.services;
        snapshot.endpoint_slices = facts.endpoint_slices;
        snapshot.network_policies = facts.network_policies;
        snapshot.config_maps = facts.config_maps;
        snapshot.others = facts.others;
        snapshot.node_trust = facts.node_trust;
        snapshot.node_trust.extend(trust.nodes);
        snapshot.cloud_documents = facts.cloud_documents;
        snapshot.cloud_documents.extend(unclear);
        snapshot.trust_notes.extend(only_store(&snapshot));
        snapshot
    }

    /// Gives every namespaced object its namespace, and every Namespace its implied label.
    fn settle_namespaces(&mut self) {
        let Self { facts, snapshot, placements, .. } = self;
        let mut place = Placing { snapshot, placements, ambiguous: FxHashMap::default() };
        facts.pods.iter_mut().for_each(|o| place.object("Pod", &mut o.meta));
        for workload in &mut facts.workloads {
            place.object(&workload.kind, &mut workload.meta);
        }
        facts.services.iter_mut().for_each(|o| place.object("Service", &mut o.meta));
        facts.endpoint_slices.iter_mut().for_each(|o| place.object("EndpointSlice", &mut o.meta));
        facts.network_policies.iter_mut().for_each(|o| place.object("NetworkPolicy", &mut o.meta));
        facts.config_maps.iter_mut().for_each(|o| place.object("ConfigMap", &mut o.meta));
        facts.trust_maps.iter_mut().filter(|o| o.unread.is_none()).for_each(|o| place.quietly(&mut o.meta));
        for other in &mut facts.others {
            if !kinds::is_cluster_scoped(&other.group, &other.kind) {
                place.object(&other.kind, &mut other.meta);
            }
        }
        for Namespace { meta } in &mut facts.namespaces {
            // Kustomize's namespace transformer renames the Namespace objects that it meets.
            match place.placements.get(&meta.origin.source) {
                Some(Placement::Namespace(name)) => meta.name = name.as_str().into(),
                Some(Placement::Ambiguous) => meta.namespace_unknown = true,
                None => {}
            }
            meta.labels = with_name_label(&meta.labels, &meta.name);
        }
        let mut ambiguous: Vec<_> = place.ambiguous.into_values().collect();
        ambiguous.sort();
        snapshot.problems.append(&mut ambiguous);
    }

    fn drop_repeated(&mut self) {
        let facts = &mut self.facts;
        let mut repeated = Repeated::default();
        repeated.reduce(&mut facts.namespaces, |o| ("", "Namespace", &o.meta));
        repeated.reduce(&mut facts.nodes, |o| ("", "Node", &o.meta));
        repeated.reduce(&mut facts.pods, |o| ("", "Pod", &o.meta));
        repeated.reduce(&mut facts.workloads, |o| ("", &o.kind, &o.meta));
        repeated.reduce(&mut facts.services, |o| ("", "Service", &o.meta));
        repeated.reduce(&mut facts.endpoint_slices, |o| ("", "EndpointSlice", &o.meta));
        repeated.reduce(&mut facts.network_policies, |o| ("", "NetworkPolicy", &o.meta));
        repeated.reduce(&mut facts.config_maps, |o| ("", "ConfigMap", &o.meta));
        repeated.reduce(&mut facts.node_trust, |o| (crate::crd::GROUP, "NodeTrust", &o.meta));
        repeated.reduce(&mut facts.others, |o| (&o.group, &o.kind, &o.meta));
        self.snapshot.problems.extend(repeated.problem);
    }
}

/// Settles the namespaces of objects.
struct Placing<'b> {
    snapshot: &'b mut Snapshot,
    placements: &'b HashMap<u32, Placement>,
    /// By source and kind: objects whose namespace cannot be known.
    ambiguous: FxHashMap<(u32, Str), Problem>,
}

impl Placing<'_> {
    fn object(&mut self, kind: &str, meta: &mut Meta) {
        match self.placements.get(&meta.origin.source) {
            Some(Placement::Namespace(name)) => meta.namespace = Some(name.as_str().into()),
            Some(Placement::Ambiguous) => {
                self.unknown(kind, meta, || "kustomizations give it different namespaces".to_owned());
            }
            None => match &meta.namespace {
                None => {
                    meta.namespace = Some(self.snapshot.default_namespace.clone());
                    self.snapshot.namespace_defaulted += 1;
                }
                // A server holds no such thing, and knows what its objects are in.
                Some(written) if self.snapshot.world == World::Closed && !is_namespace_name(written) => {
                    let written = written.clone();
                    self.unknown(kind, meta, || format!("`{written}` is a placeholder, and no name of a namespace"));
                }
                Some(_) => {}
            },
        }
    }

    /// Settles the namespace of an object that may not be kept: nothing is counted or reported.
    fn quietly(&mut self, meta: &mut Meta) {
        match self.placements.get(&meta.origin.source) {
            Some(Placement::Namespace(name)) => meta.namespace = Some(name.as_str().into()),
            Some(Placement::Ambiguous) => meta.namespace = None,
            None if meta.namespace.is_none() && !meta.namespace_unknown => {
                meta.namespace = Some(self.snapshot.default_namespace.clone());
            }
            None if self.snapshot.world == World::Closed => {
                meta.namespace = meta.namespace.take().filter(|written| is_namespace_name(written));
            }
            None => {}
        }
        meta.namespace_unknown = meta.namespace.is_none();
    }

    /// Records that the namespace of an object cannot be known.
    fn unknown(&mut self, kind: &str, meta: &mut Meta, why: impl FnOnce() -> String) {
        meta.namespace = None;
        meta.namespace_unknown = true;
        let problem = self
            .ambiguous
            .entry((meta.origin.source, kind.into()))
            .or_insert_with(|| Problem::with(ProblemClass::AmbiguousNamespace, why(), kind, meta));
        problem.count += 1;
    }
}

/// Whether a namespace can have this name (RFC 1123, "label").
fn is_namespace_name(name: &str) -> bool {
    let is_inside = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    name.len() <= 63 && name.bytes().all(is_inside) && !name.starts_with('-') && !name.ends_with('-')
}

/// Keeps the last of objects with one name.
#[derive(Default)]
struct Repeated {
    /// One for the whole collection: the first example, and how many.
    problem: Option<Problem>,
}

impl Repeated {
    /// `naming` gives group, kind and metadata.
    fn reduce<T>(&mut self, objects: &mut Vec<T>, naming: impl Fn(&T) -> (&str, &str, &Meta)) {
        type Key<'t> = (&'t str, &'t str, Option<&'t str>, &'t str);
        let key = |object: &T| -> Option<u64> {
            let (group, kind, meta) = naming(object);
            // A generated name names no object, and a namespace that is not known is none.
            let names_one = !meta.namespace_unknown && !meta.name.ends_with('*');
            let key: Key<'_> = (group, kind, meta.namespace.as_deref(), &meta.name);
            names_one.then(|| FxBuildHasher.hash_one(key))
        };
        // Sorted hashes take a fraction of the memory of a map of names, and hardly ever anything repeats.
        let mut hashes: Vec<(u64, usize)> =
            objects.iter().enumerate().filter_map(|(i, object)| Some((key(object)?, i))).collect();
        hashes.sort_unstable();
        let mut suspects = Vec::new();
        for run in hashes.chunk_by(|a, b| a.0 == b.0).filter(|run| run.len() > 1) {
            suspects.extend(run.iter().map(|(_, i)| *i));
        }
        suspects.sort_unstable();
        let mut last: FxHashMap<Key<'_>, usize> = FxHashMap::default();
        let mut dropped = Vec::new();
        for i in suspects {
            let (group, kind, meta) = naming(&objects[i]);
            if let Some(earlier) = last.insert((group, kind, meta.namespace.as_deref(), &meta.name), i) {
                dropped.push(earlier);
                let problem = self.problem.get_or_insert_with(|| {
                    let message = "the name is there more than once; the last one counts".to_owned();
                    Problem::with(ProblemClass::Duplicate, message, kind, meta)
                });
                problem.count += 1;
            }
        }
        if dropped.is_empty() {
            return;
        }
        dropped.sort_unstable();
        let mut dropped = dropped.into_iter().peekable();
        let mut at = 0;
        objects.retain(|_| {
            let is_dropped = dropped.next_if_eq(&at).is_some();
            at += 1;
            !is_dropped
        });
    }
}
