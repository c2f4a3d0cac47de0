//! Makes equal things one allocation while a collection is built.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasher as _;
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxBuildHasher;

use super::env::{self, Kept};
use super::raw::Text;
use crate::model::object::PodSpec;
use crate::model::{Interner, Labels, Str};

/// Pod specifications, the largest things that pods have in common: decoders of one input share them.
///
/// Which decoder was first does not show: the specifications that are shared are equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Specs(Arc<[Mutex<Shard>; SHARDS]>);

type Shard = HashSet<Arc<PodSpec>, FxBuildHasher>;

/// Parts of the set, so that two threads seldom wait for each other.
const SHARDS: usize = 16;

/// The shared strings, label sets and pod specifications of one decoder.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    interner: Interner,
    labels: HashSet<Labels, FxBuildHasher>,
    specs: Specs,
    none: Labels,
    /// What is kept of a variable, by its name.
    kept: HashMap<Str, Kept, FxBuildHasher>,
}

impl Scratch {
    /// One that shares pod specifications with others.
    pub(crate) fn sharing(specs: Specs) -> Self {
        Self { specs, ..Self::default() }
    }

    /// The shared form of a string.
    pub(crate) fn str(&mut self, text: &str) -> Str {
        self.interner.intern(text)
    }

    /// What is kept of a variable. Names repeat, and telling them apart costs more than remembering.
    pub(crate) fn kept(&mut self, name: &str) -> Kept {
        if let Some(known) = self.kept.get(name) {
            return *known;
        }
        let kept = env::kept(name);
        let name = self.str(name);
        self.kept.insert(name, kept);
        kept
    }

    /// The shared form of a string that may be absent; an empty one counts as absent, as in the API.
    pub(crate) fn opt(&mut self, text: Option<&Text<'_>>) -> Option<Str> {
        text.filter(|text| !text.is_empty()).map(|text| self.str(text))
    }

    /// The shared form of a label set whose pairs are sorted.
    pub(crate) fn labels(&mut self, pairs: &[(Text<'_>, Text<'_>)]) -> Labels {
        if pairs.is_empty() {
            return self.none.clone();
        }
        let labels = Labels::from_sorted(pairs.iter().map(|(k, v)| (self.str(k), self.str(v))).collect());
        if let Some(known) = self.labels.get(&labels) {
            return known.clone();
        }
        self.labels.insert(labels.clone());
        labels
    }

    /// The shared form of a pod specification.
    pub(crate) fn spec(&mut self, spec: PodSpec) -> Arc<PodSpec> {
        #[allow(clippy::cast_possible_truncation)] // some bits of it are enough
        let shard = (FxBuildHasher.hash_one(&spec) >> 32) as usize % SHARDS;
        let mut specs = self.specs.0[shard].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = specs.get(&spec) {
            return known.clone();
        }
        let spec = Arc::new(spec);
        specs.insert(spec.clone());
        spec
    }
}
