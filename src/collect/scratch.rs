//! Makes equal things one allocation while a collection is built.

use std::collections::HashSet;
use std::sync::Arc;

use rustc_hash::FxBuildHasher;

use super::raw::Text;
use crate::model::object::PodSpec;
use crate::model::{Interner, Labels, Str};

/// The shared strings, label sets and pod specifications of one decoder.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    interner: Interner,
    labels: HashSet<Labels, FxBuildHasher>,
    specs: HashSet<Arc<PodSpec>, FxBuildHasher>,
    none: Labels,
}

impl Scratch {
    /// The shared form of a string.
    pub(crate) fn str(&mut self, text: &str) -> Str {
        self.interner.intern(text)
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
        if let Some(known) = self.specs.get(&spec) {
            return known.clone();
        }
        let spec = Arc::new(spec);
        self.specs.insert(spec.clone());
        spec
    }
}
