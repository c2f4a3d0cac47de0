//! Where clients run.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::{decides, runtime_socket};
use crate::demand::{self, Subject, sources};
use crate::model::mount::TrustMount;
use crate::model::object::{EnvFrom, EnvVar, PodSpec};
use crate::model::{List, ObjectRef, Str};
use crate::trace::classes::Member;
use crate::trust::stock;

/// Where clients run, told apart by what decides about trust.
#[derive(Debug, Default)]
pub struct Places {
    pub(super) places: Vec<Place>,
    known: FxHashMap<Key, u32>,
    /// By the address of a specification, which is held so that it stays its own, and the namespace: pods of one workload
    /// share theirs.
    of_spec: FxHashMap<(*const PodSpec, Option<Str>), Numbered>,
}

/// A specification and the number of its place.
type Numbered = (Arc<PodSpec>, u32);

/// One of them.
#[derive(Clone, Debug)]
pub(super) enum Place {
    /// The containers of a pod.
    Pod { namespace: Str, spec: Arc<PodSpec>, object: ObjectRef, source: u32, line: u32 },
    /// A node, whose container runtime pulls images.
    Node(Str),
    /// Something that is neither: nothing is known about its clients.
    Other,
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
    /// The number of the place where a subject's member runs its clients.
    #[allow(clippy::cast_possible_truncation)] // fewer places than pods
    pub fn of(&mut self, member: Member<'_>) -> u32 {
        let (key, place) = match member {
            Member::Source(subject) => of_source(subject),
            Member::Running(..) | Member::Predicted(_) => {
                let (meta, spec) = match member {
                    Member::Running(_, pod) => (&pod.meta, &pod.spec),
                    Member::Predicted(workload) => (&workload.meta, &workload.spec),
                    Member::Source(_) => return 0,
                };
                let quick = (Arc::as_ptr(spec), meta.namespace.clone());
                if let Some((_, known)) = self.of_spec.get(&quick) {
                    return *known;
                }
                let namespace = meta.namespace.clone().unwrap_or_default();
                let kind = match member {
                    Member::Predicted(workload) => workload.kind.clone(),
                    _ => "Pod".into(),
                };
                let object = ObjectRef { kind, namespace: meta.namespace.clone(), name: meta.name.clone() };
                let key = key_of(&namespace, spec);
                let (source, line) = (meta.origin.source, meta.origin.line);
                let number = self.number(key, Place::Pod { namespace, spec: Arc::clone(spec), object, source, line });
                self.of_spec.insert(quick, (Arc::clone(spec), number));
                return number;
            }
        };
        self.number(key, place)
    }

    #[allow(clippy::cast_possible_truncation)] // fewer places than pods
    fn number(&mut self, key: Key, place: Place) -> u32 {
        let places = &mut self.places;
        *self.known.entry(key).or_insert_with(|| {
            places.push(place);
            places.len() as u32 - 1
        })
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
