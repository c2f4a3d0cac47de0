//! Lists that many subjects have in common, each kept once.
//!
//! Subjects by the thousand need what a few dozen lists say. With one allocation for each of these, whoever walks the
//! requirements of all subjects does so once for each list, and tells lists apart by their addresses.

use std::hash::{Hash, Hasher};

use rustc_hash::{FxHashMap, FxHashSet, FxHasher};

use super::catalogue::Catalogue;
use super::memory::Known;
use super::{Addresses, Demand, Endpoint, EndpointSet, Requirement, needs};
use crate::model::{List, Str};

/// Lists of requirements and of texts, and what was made of them.
#[derive(Debug, Default)]
pub(super) struct Lists {
    requirements: Shared<Requirement>,
    texts: Shared<String>,
    /// What a list becomes with what the user asks for beside it.
    joined: Made<(usize, usize), [List<Requirement>; 2], List<Requirement>>,
    /// What a list becomes with the addresses that these sets tell.
    addressed: (Vec<EndpointSet>, Made<usize, List<Requirement>, List<Requirement>>),
    /// The hosts of a list that are public although its requirements are not those of the catalogue.
    public: Made<usize, List<Requirement>, List<Str>>,
    /// Whether the catalogue lists a host.
    listed: FxHashMap<Str, bool>,
}

/// Results by the addresses of lists, which are held, so that their addresses stay their own.
type Made<K, L, V> = FxHashMap<K, (L, V)>;

fn address(list: &List<Requirement>) -> usize {
    list.as_ptr().addr()
}

impl Lists {
    /// The list with these requirements.
    pub(super) fn requirements(&mut self, items: Vec<Requirement>) -> List<Requirement> {
        self.requirements.share(items, |item, hasher| {
            (&item.endpoint.host, item.endpoint.port, item.required, item.alternative).hash(hasher);
        })
    }

    /// The list with these texts.
    pub(super) fn texts(&mut self, items: Vec<String>) -> List<String> {
        self.texts.share(items, Hash::hash)
    }

    /// What lists need together, and what the user asks for beside.
    pub(super) fn join(&mut self, lists: &[List<Requirement>], asked: &[List<Requirement>]) -> List<Requirement> {
        let key = match (lists, asked) {
            // What a specification needs is merged already.
            ([only], asked) if asked.iter().all(|list| list.is_empty()) => return only.clone(),
            ([only], [asked]) => Some((address(only), address(asked))),
            _ => None,
        };
        if let Some((_, joined)) = key.and_then(|key| self.joined.get(&key)) {
            return joined.clone();
        }
        let mut all = Vec::new();
        for list in lists.iter().chain(asked) {
            needs::merge(&mut all, list.to_vec());
        }
        let joined = self.requirements(all);
        if let (Some(key), [only], [asked]) = (key, lists, asked) {
            self.joined.insert(key, ([only.clone(), asked.clone()], joined.clone()));
        }
        joined
    }

    /// Puts the addresses that sets tell into the lists of all subjects.
    pub(super) fn tell_addresses(&mut self, demand: &mut Demand, sets: Vec<EndpointSet>) {
        let (known, mut made) = std::mem::take(&mut self.addressed);
        if known != sets {
            made.clear();
        }
        for subject in demand.subjects.iter_mut().filter(|_| !sets.is_empty()) {
            let list = &subject.requirements;
            let (_, with) = made.entry(address(list)).or_insert_with(|| {
                let with = list.iter().map(|requirement| with_addresses(requirement.clone(), &sets));
                (list.clone(), self.requirements(with.collect()))
            });
            subject.requirements = with.clone();
        }
        for requirement in demand.shared.iter_mut().flatten() {
            *requirement = with_addresses(requirement.clone(), &sets);
        }
        self.addressed = (sets, made);
    }

    /// The hosts that somebody named and that the catalogue lists.
    pub(super) fn public_hosts(&mut self, demand: &Demand, catalogue: &Catalogue) -> FxHashSet<Str> {
        let listed = &mut self.listed;
        let mut public = |list: &[Requirement]| -> List<Str> {
            let named = list.iter().filter(|r| !r.is_of_catalogue()).map(|r| &r.endpoint.host);
            let is_listed =
                |host: &&Str| *listed.entry(Str::clone(host)).or_insert_with_key(|host| catalogue.lists(host));
            named.filter(is_listed).cloned().collect()
        };
        let mut hosts: FxHashSet<Str> = FxHashSet::default();
        hosts.extend(public(demand.shared.as_deref().unwrap_or_default()).iter().cloned());
        let mut seen = FxHashSet::default();
        for list in demand.subjects.iter().map(|subject| &subject.requirements) {
            if seen.insert(address(list)) {
                let (_, own) = self.public.entry(address(list)).or_insert_with(|| (list.clone(), public(list)));
                hosts.extend(own.iter().cloned());
            }
        }
        hosts
    }

    /// How many lists are held, and results.
    pub(super) fn len(&self) -> usize {
        let made = self.joined.len() + self.addressed.1.len() + self.public.len() + self.listed.len();
        made + self.requirements.len() + self.texts.len()
    }

    /// Forgets the lists that are not among these.
    pub(super) fn keep<'l>(&mut self, demand: &'l Demand, known: impl Iterator<Item = &'l Known> + Clone) {
        let own = demand.subjects.iter().map(|subject| &subject.requirements);
        let mut needed: FxHashSet<usize> =
            own.chain(known.clone().map(|known| &known.requirements)).map(address).collect();
        self.addressed.1.retain(|_, (_, with)| needed.contains(&address(with)));
        needed.extend(self.addressed.1.keys());
        // With another list of what is asked for beside, all would be joined and held once more.
        self.joined.retain(|_, ([list, _], joined)| [list, joined].iter().all(|list| needed.contains(&address(list))));
        needed.extend(self.joined.values().map(|([_, asked], _)| address(asked)));
        let texts = demand.subjects.iter().flat_map(|subject| [&subject.shown, &subject.notes]);
        let texts = texts.chain(known.map(|known| &known.notes));
        let told: FxHashSet<usize> = texts.map(|list| list.as_ptr().addr()).collect();
        self.requirements.keep(&needed);
        self.texts.keep(&told);
        self.public.retain(|_, (list, _)| needed.contains(&address(list)));
        self.listed.clear();
    }
}

/// Lists by their content.
#[derive(Debug)]
struct Shared<T> {
    lists: FxHashMap<u64, Vec<List<T>>>,
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { lists: FxHashMap::default() }
    }
}

impl<T: Clone + PartialEq> Shared<T> {
    /// The list with this content; `digest` may leave out what rarely tells items apart.
    fn share(&mut self, items: Vec<T>, digest: impl Fn(&T, &mut FxHasher)) -> List<T> {
        if items.is_empty() {
            return List::default();
        }
        let mut hasher = FxHasher::default();
        for item in &items {
            digest(item, &mut hasher);
        }
        let alike = self.lists.entry(hasher.finish()).or_default();
        if let Some(known) = alike.iter().find(|known| known.as_slice() == items) {
            return known.clone();
        }
        let list = List::from(items);
        alike.push(list.clone());
        list
    }

    fn len(&self) -> usize {
        self.lists.len()
    }

    fn keep(&mut self, addresses: &FxHashSet<usize>) {
        self.lists.retain(|_, alike| {
            alike.retain(|list| addresses.contains(&list.as_ptr().addr()));
            !alike.is_empty()
        });
    }
}

/// Puts the addresses that an endpoint set lists for this host and port in the place of those that nobody publishes.
fn with_addresses(mut requirement: Requirement, sets: &[EndpointSet]) -> Requirement {
    let endpoint = &mut requirement.endpoint;
    if endpoint.addresses == Addresses::Public {
        let is_it = |known: &&Endpoint| {
            known.host == endpoint.host && known.port == endpoint.port && known.protocol == endpoint.protocol
        };
        let known = sets.iter().flat_map(|set| &set.endpoints).find(is_it);
        if let Some(Addresses::Listed(addresses)) = known.map(|known| &known.addresses) {
            endpoint.addresses = Addresses::Listed(addresses.clone());
        }
    }
    requirement
}
