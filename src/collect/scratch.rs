//! Makes equal things one allocation while a collection is built.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, Hash, Hasher};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use rustc_hash::FxBuildHasher;

use super::env::{self, Kept};
use super::raw::Text;
use super::trust_maps::Content;
use crate::model::object::{ContainerPort, PodSpec};
use crate::model::trust::Fingerprint;
use crate::model::{Labels, List, Str};
use crate::trust::cert::sha256;

/// What decoders of one input share: strings, and what is made of them.
///
/// Which decoder was first does not show: what is shared is equal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shared(Arc<Forms>);

#[derive(Debug, Default)]
struct Forms {
    strs: Sharded<Str>,
    labels: Sharded<Labels>,
    specs: Sharded<Arc<PodSpec>>,
    /// How many strings there may be.
    expected: usize,
}

/// One form of equal values, in parts, so that two threads seldom wait for each other.
#[derive(Debug)]
struct Sharded<T>([Mutex<HashSet<Hashed<T>, FxBuildHasher>>; SHARDS]);

/// How many parts.
const SHARDS: usize = 16;

/// A value with its hash: hashing a specification takes longer than a lock should be held.
#[derive(Debug, PartialEq, Eq)]
struct Hashed<T> {
    hash: u64,
    value: T,
}

impl<T: PartialEq> Hash for Hashed<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.hash.hash(state);
    }
}

impl<T> Default for Sharded<T> {
    fn default() -> Self {
        Self::with_capacity(0)
    }
}

impl<T> Sharded<T> {
    fn with_capacity(values: usize) -> Self {
        let shard = || HashSet::with_capacity_and_hasher(values / SHARDS, FxBuildHasher);
        Self(std::array::from_fn(|_| Mutex::new(shard())))
    }
}

/// An input of so many bytes has a string of its own, and half a label set and specification: two for a pod.
const BYTES_A_STRING: u64 = 4096;

impl Shared {
    /// Room for what an input of so many bytes may hold. Tables that grow leave holes behind which threads do not
    /// share; what is reserved and not used takes no memory.
    pub(crate) fn for_input(bytes: Option<u64>) -> Self {
        let strs = usize::try_from(bytes.unwrap_or(0) / BYTES_A_STRING).unwrap_or(0);
        Self(Arc::new(Forms {
            strs: Sharded::with_capacity(strs),
            labels: Sharded::with_capacity(strs / 2),
            specs: Sharded::with_capacity(strs / 2),
            expected: strs,
        }))
    }
}

impl<T: Clone + Eq + Hash> Sharded<T> {
    /// The shared form of a value.
    fn share(&self, value: T) -> T {
        let hash = FxBuildHasher.hash_one(&value);
        let new = Hashed { hash, value };
        #[allow(clippy::cast_possible_truncation)] // some bits of it are enough
        let shard = (hash >> 32) as usize % SHARDS;
        let mut known = self.0[shard].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.get(&new) {
            return known.value.clone();
        }
        let value = new.value.clone();
        known.insert(new);
        value
    }
}

/// The shared strings, label sets and pod specifications of one decoder.
#[derive(Debug, Default)]
pub(crate) struct Scratch {
    /// Strings that this decoder has met.
    strs: HashSet<Str, FxBuildHasher>,
    shared: Shared,
    words: HashSet<List<Str>, FxBuildHasher>,
    ports: HashSet<List<ContainerPort>, FxBuildHasher>,
    ips: HashSet<List<IpAddr>, FxBuildHasher>,
    none: Labels,
    /// Certificates by the fingerprint of what they were read from: many objects hold the same.
    contents: HashMap<Fingerprint, Content, FxBuildHasher>,
    /// What is kept of a variable, by its name.
    kept: HashMap<Str, Kept, FxBuildHasher>,
}

impl Scratch {
    /// One that shares what it makes with others.
    pub(crate) fn sharing(shared: Shared) -> Self {
        let strs = HashSet::with_capacity_and_hasher(shared.0.expected, FxBuildHasher);
        Self { strs, shared, ..Self::default() }
    }

    /// The shared form of a string.
    pub(crate) fn str(&mut self, text: &str) -> Str {
        if let Some(known) = self.strs.get(text) {
            return known.clone();
        }
        let new = self.shared.0.strs.share(text.into());
        self.strs.insert(new.clone());
        new
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
        let keys = pairs.iter().map(|(key, _)| self.str(key)).collect();
        let keys = self.words(keys);
        let labels = Labels::from_sorted(keys, pairs.iter().map(|(_, value)| self.str(value)).collect());
        self.shared.0.labels.share(labels)
    }

    /// The shared form of a list of words.
    pub(crate) fn words(&mut self, words: Vec<Str>) -> List<Str> {
        share(&mut self.words, words)
    }

    /// What a file of certificates holds; files of equal content are read once.
    pub(crate) fn content(&mut self, bytes: &[u8]) -> Content {
        let content = self.contents.entry(sha256(bytes)).or_insert_with(|| Content::read(bytes));
        content.clone()
    }

    /// The shared form of a list of ports.
    pub(crate) fn ports(&mut self, ports: Vec<ContainerPort>) -> List<ContainerPort> {
        share(&mut self.ports, ports)
    }

    /// The shared form of a list of addresses.
    pub(crate) fn ips(&mut self, ips: Vec<IpAddr>) -> List<IpAddr> {
        share(&mut self.ips, ips)
    }

    /// The shared form of a pod specification.
    pub(crate) fn spec(&mut self, spec: PodSpec) -> Arc<PodSpec> {
        self.shared.0.specs.share(Arc::new(spec))
    }
}

fn share<T: Clone + Eq + Hash>(known: &mut HashSet<List<T>, FxBuildHasher>, items: Vec<T>) -> List<T> {
    if let Some(known) = known.get(items.as_slice()) {
        return known.clone();
    }
    let new = List::from(items);
    known.insert(new.clone());
    new
}
