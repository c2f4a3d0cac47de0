//! What was read from specifications, kept from one demand to the next.

use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::DemandOptions;
use super::environment;
use super::needs::{Hints, Needs};
use super::signal::SpecSigns;
use crate::model::object::PodSpec;
use crate::model::{Snapshot, Str};

/// What specifications show and need, each read once as long as it is there.
///
/// A controller asks for the demand of a cluster again after each change, and nearly every specification is the one of
/// before. What else an entry rests on is compared before it is used. The catalogue must be the same each time.
#[derive(Debug, Default)]
pub struct Memory {
    pub(super) signs: SpecSigns,
    /// Needs by specification, namespace, source and hints, of specifications that say everything themselves.
    needs: Kept<(Str, u32, Hints), Needs>,
    /// Those of specifications that refer to ConfigMaps, which may say another thing next time.
    needs_for_now: Kept<(Str, u32, Hints), Needs>,
    options: DemandOptions,
    /// Needs name files.
    sources: Vec<Str>,
    /// Namespaces and names, in order: they complete short names of hosts.
    services: Vec<(Option<Str>, Str)>,
}

impl Memory {
    /// Forgets what a snapshot or options contradict.
    pub(super) fn begin(&mut self, snapshot: &Snapshot, options: &DemandOptions) {
        let services = snapshot.services.iter().map(|service| (&service.meta.namespace, &service.meta.name));
        let is_same = self.options == *options
            && self.sources == snapshot.sources
            && services.clone().eq(self.services.iter().map(|(namespace, name)| (namespace, name)));
        if !is_same {
            self.needs = Kept::default();
            self.options = options.clone();
            self.sources.clone_from(&snapshot.sources);
            self.services = services.map(|(namespace, name)| (namespace.clone(), name.clone())).collect();
        }
    }

    /// Forgets what the demand that ends did not ask for.
    pub(super) fn end(&mut self) {
        self.signs.end();
        self.needs.end();
        self.needs_for_now = Kept::default();
    }

    /// The needs of specifications that may be kept as long as this one.
    pub(super) fn needs_like(&mut self, spec: &PodSpec) -> &mut Kept<(Str, u32, Hints), Needs> {
        if environment::refers(spec) { &mut self.needs_for_now } else { &mut self.needs }
    }
}

/// Values by specification and something else. The specification is held, so that its address stays its own.
#[derive(Debug)]
pub(super) struct Kept<K, V> {
    values: FxHashMap<(*const PodSpec, K), Entry<V>>,
    /// Whether entries that are asked for now are marked so.
    mark: bool,
}

#[derive(Debug)]
struct Entry<V> {
    spec: Arc<PodSpec>,
    value: V,
    mark: bool,
}

impl<K, V> Default for Kept<K, V> {
    fn default() -> Self {
        Self { values: FxHashMap::default(), mark: false }
    }
}

impl<K: Eq + Hash, V> Kept<K, V> {
    /// The value for a specification, if it is known.
    pub(super) fn get(&mut self, spec: &Arc<PodSpec>, key: K) -> Option<&V> {
        let mark = self.mark;
        self.values.get_mut(&(Arc::as_ptr(spec), key)).map(|entry| {
            entry.mark = mark;
            &entry.value
        })
    }

    pub(super) fn insert(&mut self, spec: &Arc<PodSpec>, key: K, value: V) {
        let entry = Entry { spec: Arc::clone(spec), value, mark: self.mark };
        self.values.insert((Arc::as_ptr(&entry.spec), key), entry);
    }

    /// Forgets what was not asked for since the last end.
    pub(super) fn end(&mut self) {
        let mark = self.mark;
        self.values.retain(|_, entry| entry.mark == mark);
        self.mark = !mark;
    }
}
