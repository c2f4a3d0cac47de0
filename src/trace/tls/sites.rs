//! Where clients run.

use std::collections::hash_map::Entry;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{decides, is_altered, runtime_socket};
use crate::demand::{self, Subject, sources};
use crate::model::mount::TrustMount;
use crate::model::object::{EnvFrom, EnvVar, Meta, PodSpec};
use crate::model::{List, ObjectRef, Str};
use crate::trace::classes::Member;
use crate::trust::stock;

/// Where clients run, told apart by what decides about trust.
#[derive(Debug, Default)]
pub(in crate::trace) struct Places {
    /// The audit that runs: what it does not meet is forgotten after it.
    audit: u64,
    /// The last number that was given away for what is at a place.
    last: u64,
    /// Those of this audit and of the one before; gone ones leave a gap.
    all: Vec<Site>,
    gaps: Vec<u32>,
    known: FxHashMap<Key, u32>,
    /// By the address of a specification.
    of_spec: FxHashMap<*const PodSpec, Of>,
    /// Those of this audit, in the order in which it met them: its numbers of them.
    met: Vec<u32>,
}

/// A place with what is known about it.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) place: Place,
    /// Whether nothing is set there that counts for one host alone.
    pub(super) is_plain: bool,
    /// Another for all that a place has ever been: answers are for this one.
    pub(super) id: u64,
    /// The audit that last met it, and its number in that one.
    audit: u64,
    number: u32,
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Place {
    /// The containers of a pod.
    Pod { namespace: Str, spec: Arc<PodSpec>, object: ObjectRef, source: u32, line: u32 },
    /// A node, whose container runtime pulls images.
    Node(Str),
    /// Something that is neither: nothing is known about its clients.
    Other,
}

/// The places of a specification, which is held so that its address stays its own: pods of one workload share theirs.
#[derive(Debug)]
struct Of {
    _held: Arc<PodSpec>,
    first: In,
    /// Those in other namespaces: workloads of several may be written alike.
    others: FxHashMap<Option<Str>, In>,
}

/// The place of a specification in a namespace, and the audit that last asked for it.
#[derive(Clone, Debug)]
struct In {
    namespace: Option<Str>,
    site: u32,
    audit: u64,
}

impl Of {
    fn of(&mut self, namespace: Option<&Str>) -> Option<&mut In> {
        if self.first.namespace.as_ref() == namespace {
            return Some(&mut self.first);
        }
        if self.others.is_empty() {
            return None;
        }
        self.others.get_mut(&namespace.cloned())
    }

    /// Forgets the namespaces that an audit did not ask for; whether one is left.
    fn sweep(&mut self, audit: u64) -> bool {
        self.others.retain(|_, other| other.audit == audit);
        if self.first.audit == audit {
            return true;
        }
        let Some(next) = self.others.values().next().cloned() else { return false };
        self.others.remove(&next.namespace);
        self.first = next;
        true
    }
}

/// A member that runs its clients in containers.
#[derive(Clone, Copy)]
struct InPod<'m> {
    kind: &'m str,
    meta: &'m Meta,
    spec: &'m Arc<PodSpec>,
}

impl InPod<'_> {
    fn place(self) -> Place {
        let Meta { namespace, name, origin, .. } = self.meta;
        let object = ObjectRef { kind: self.kind.into(), namespace: namespace.clone(), name: name.clone() };
        Place::Pod {
            namespace: namespace.clone().unwrap_or_default(),
            spec: Arc::clone(self.spec),
            object,
            source: origin.source,
            line: origin.line,
        }
    }

    /// Whether it has made a place what it is, or another that is the same in all that answers tell.
    fn is_at(self, place: &mut Place) -> bool {
        let Place::Pod { namespace: _, spec, object, source, line } = place else { return false };
        let Meta { namespace, name, origin, .. } = self.meta;
        let is_same = (*source, *line) == (origin.source, origin.line)
            && (&object.namespace, &object.name, object.kind.as_str()) == (namespace, name, self.kind)
            // Equal ones that share nothing are compared once.
            && *spec == *self.spec;
        if is_same && !Arc::ptr_eq(spec, self.spec) {
            // Nobody else holds the former.
            *spec = Arc::clone(self.spec);
        }
        is_same
    }
}

/// What makes two pods alike.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Key {
    Pod { namespace: Str, containers: Vec<ContainerKey>, socket: bool },
    Node(Str),
    Other,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct ContainerKey {
    name: Str,
    /// All that its image's name tells: the program, and how files may be laid out.
    image: (Option<Str>, Vec<&'static str>),
    command: List<Str>,
    args: List<Str>,
    init: bool,
    env: Vec<EnvVar>,
    env_from: List<EnvFrom>,
    mounts: List<TrustMount>,
}

impl Places {
    /// An audit begins, which meets them anew.
    pub(super) fn begin(&mut self, audit: u64) {
        self.audit = audit;
        self.met.clear();
    }

    /// The number of the place where a subject's member runs its clients. An audit that knows nothing from before has the
    /// same numbers, and the same first member at each place.
    pub(in crate::trace) fn of(&mut self, member: Member<'_>) -> u32 {
        match member {
            Member::Source(subject) => {
                let (key, place) = of_source(subject);
                let site = self.site(key);
                self.meet(site, |known| *known == place, || (place.clone(), false))
            }
            Member::Running(_, pod) => self.of_pod(InPod { kind: "Pod", meta: &pod.meta, spec: &pod.spec }),
            Member::Predicted(workload) => {
                self.of_pod(InPod { kind: &workload.kind, meta: &workload.meta, spec: &workload.spec })
            }
        }
    }

    fn of_pod(&mut self, member: InPod<'_>) -> u32 {
        let InPod { meta, spec, .. } = member;
        let (audit, address) = (self.audit, Arc::as_ptr(spec));
        let known = self.of_spec.get_mut(&address).and_then(|of| of.of(meta.namespace.as_ref()));
        let site = if let Some(known) = known {
            known.audit = audit;
            known.site
        } else {
            let site = self.site(key_of(&meta.namespace.clone().unwrap_or_default(), spec));
            let new = In { namespace: meta.namespace.clone(), site, audit };
            match self.of_spec.entry(address) {
                Entry::Occupied(mut of) => _ = of.get_mut().others.insert(new.namespace.clone(), new),
                Entry::Vacant(of) => {
                    of.insert(Of { _held: Arc::clone(spec), first: new, others: FxHashMap::default() });
                }
            }
            site
        };
        let is_plain = || !spec.containers.iter().any(is_altered);
        self.meet(site, |known| member.is_at(known), || (member.place(), is_plain()))
    }

    /// The number of a place in this audit. Who is the first there is named in evidence, and what is written in its
    /// specification is told: another one makes it another place for whoever holds answers.
    #[allow(clippy::cast_possible_truncation)] // fewer places than pods
    fn meet(&mut self, site: u32, is: impl FnOnce(&mut Place) -> bool, new: impl FnOnce() -> (Place, bool)) -> u32 {
        let at = &mut self.all[site as usize];
        if at.audit == self.audit {
            return at.number;
        }
        if at.id == 0 || !is(&mut at.place) {
            self.last += 1;
            at.id = self.last;
            (at.place, at.is_plain) = new();
        }
        (at.audit, at.number) = (self.audit, self.met.len() as u32);
        self.met.push(site);
        at.number
    }

    /// Where what has this key is known, or will be.
    #[allow(clippy::cast_possible_truncation)] // fewer places than pods
    fn site(&mut self, key: Key) -> u32 {
        let (all, gaps) = (&mut self.all, &mut self.gaps);
        *self.known.entry(key).or_insert_with(|| {
            let new = Site { place: Place::Other, is_plain: false, id: 0, audit: 0, number: 0 };
            if let Some(gap) = gaps.pop() {
                all[gap as usize] = new;
                return gap;
            }
            all.push(new);
            all.len() as u32 - 1
        })
    }

    /// What this audit met under a number.
    pub(super) fn get(&self, number: u32) -> Option<&Site> {
        self.met.get(number as usize).and_then(|site| self.all.get(*site as usize))
    }

    /// Forgets what the audit that ends did not meet.
    pub(super) fn sweep(&mut self) {
        let (audit, all, gaps) = (self.audit, &mut self.all, &mut self.gaps);
        self.of_spec.retain(|_, of| of.sweep(audit));
        self.known.retain(|_, site| {
            let at = &mut all[*site as usize];
            let stays = at.audit == audit;
            if !stays {
                // It holds a specification.
                at.place = Place::Other;
                gaps.push(*site);
            }
            stays
        });
    }

    /// How many places, specifications and numbers are held.
    #[cfg(test)]
    pub(super) fn counts(&self) -> [usize; 3] {
        let specs = self.of_spec.values().map(|of| 1 + of.others.len()).sum();
        [self.known.len(), specs, self.met.len()]
    }
}

fn of_source(subject: &Subject) -> (Key, Place) {
    if subject.kind == sources::NODE {
        (Key::Node(subject.name.clone()), Place::Node(subject.name.clone()))
    } else {
        (Key::Other, Place::Other)
    }
}

fn key_of(namespace: &Str, spec: &PodSpec) -> Key {
    let containers = spec.containers.iter().map(|container| ContainerKey {
        name: container.name.clone(),
        image: {
            let image = container.image.as_deref();
            let layouts = stock::layouts(image);
            (demand::program_of(image).map(Str::from), layouts.iter().map(|layout| layout.name).collect())
        },
        command: container.command.clone(),
        args: container.args.clone(),
        init: container.init,
        env: container.env.iter().filter(|v| decides(container, v)).cloned().collect(),
        env_from: container.env_from.clone(),
        mounts: container.trust_mounts.clone(),
    });
    Key::Pod { namespace: namespace.clone(), containers: containers.collect(), socket: runtime_socket(spec).is_some() }
}
