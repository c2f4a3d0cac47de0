//! What is known from one demand to the next.

use std::hash::Hash;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::build::Former;
use super::environment;
use super::lists::Lists;
use super::needs::Hints;
use super::signal::SpecSigns;
use super::{Demand, DemandOptions, Requirement};
use crate::model::object::PodSpec;
use crate::model::{List, Snapshot, Str};

/// What specifications show and need, each read once as long as it is there.
///
/// A controller asks for the demand of a cluster again after each change, and nearly every specification is the one of
/// before. What else an entry rests on is compared before it is used. The catalogue must be the same each time.
///
/// What a demand finds as it was before is not asked for again. So what nobody needs any more is forgotten at times: when
/// there is twice as much as was needed, all is found anew, and what is not asked for then goes.
#[derive(Debug, Default)]
pub struct Memory {
    /// Nobody asks again.
    is_for_once: bool,
    /// The pods and templates of the demand before.
    pub(super) former: Former,
    /// Whether the demand that is made finds everything anew.
    pub(super) finds_all: bool,
    /// How much was held when all had been found anew.
    needed: usize,
    pub(super) signs: SpecSigns,
    /// Needs of specifications that say everything themselves.
    needs: Kept<Asker, Known>,
    /// Those of specifications that refer to ConfigMaps, which may say another thing next time.
    needs_for_now: Kept<Asker, Known>,
    /// What subjects have in common.
    pub(super) lists: Lists,
    options: DemandOptions,
    /// Needs name files.
    sources: Vec<Str>,
    /// Namespaces and names, in order: they complete short names of hosts.
    services: Vec<(Option<Str>, Str)>,
}

/// How much more than twice of what was needed is held before all is found anew.
const SLACK: usize = if cfg!(test) { 16 } else { 1024 };

/// Whose needs those of a specification are: a namespace, a source, and what labels tell.
pub(super) type Asker = (Str, u32, Hints);

/// What a specification needs, and what is known about that and is no endpoint.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) requirements: List<Requirement>,
    pub(super) notes: List<String>,
}

impl Memory {
    /// For one demand alone.
    pub(super) fn for_once() -> Self {
        Self { is_for_once: true, ..Self::default() }
    }

    /// Whether somebody may ask again.
    pub(super) fn is_kept(&self) -> bool {
        !self.is_for_once
    }

    /// Forgets what a snapshot or options contradict.
    pub(super) fn begin(&mut self, snapshot: &Snapshot, options: &DemandOptions) {
        let services = snapshot.services.iter().map(|service| (&service.meta.namespace, &service.meta.name));
        let asks_the_same = self.options == *options;
        let means_the_same = self.sources == snapshot.sources
            && services.clone().eq(self.services.iter().map(|(namespace, name)| (namespace, name)));
        if !asks_the_same || !means_the_same {
            self.needs = Kept::default();
            self.former.forget_builds();
            self.sources.clone_from(&snapshot.sources);
            self.services = services.map(|(namespace, name)| (namespace.clone(), name.clone())).collect();
        }
        if !asks_the_same {
            self.options = options.clone();
        }
        if !asks_the_same || self.held() > 2 * self.needed + SLACK {
            self.former = Former::default();
        }
        if self.former.is_empty() {
            self.signs.begin();
            self.needs.begin();
        }
        self.finds_all = self.former.is_empty();
    }

    /// Forgets what the demand that ends did not ask for, if it asked for everything.
    pub(super) fn end(&mut self, demand: &Demand) {
        self.signs.end();
        self.needs_for_now = Kept::default();
        if self.finds_all && self.is_kept() {
            self.signs.keep();
            self.needs.keep();
            self.lists.keep(demand, self.needs.values());
            self.needed = self.held();
        }
    }

    pub(super) fn held(&self) -> usize {
        self.signs.len() + self.needs.len() + self.lists.len() + self.former.len()
    }

    /// The needs of specifications that may be kept as long as this one.
    pub(super) fn needs_like(&mut self, spec: &PodSpec) -> &mut Kept<Asker, Known> {
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

    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    fn values(&self) -> impl Iterator<Item = &V> + Clone {
        self.values.values().map(|entry| &entry.value)
    }

    /// What is asked for from now on is kept at the next [`keep`](Self::keep).
    pub(super) fn begin(&mut self) {
        self.mark = !self.mark;
    }

    /// Forgets what was not asked for since the last begin.
    pub(super) fn keep(&mut self) {
        let mark = self.mark;
        self.values.retain(|_, entry| entry.mark == mark);
    }
}
