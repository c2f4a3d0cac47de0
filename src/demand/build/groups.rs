//! Running pods by who made them.

use rustc_hash::{FxHashMap, FxHashSet};

use crate::demand::DemandOptions;
use crate::demand::owners::{Owners, Top};
use crate::demand::select::SubjectSelector;
use crate::model::object::{Pod, Workload};
use crate::model::{Snapshot, Str};

/// A controller with its running pods, or a template without any.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) namespace: Str,
    pub(super) kind: Str,
    pub(super) name: Str,
    pub(super) pods: Vec<u32>,
    pub(super) template: Option<u32>,
    /// The workloads between the pods and the top, whose labels count too.
    pub(super) owners: Vec<u32>,
}

impl Group {
    /// A pod by itself.
    pub(super) fn of_pod(namespace: Str, kind: Str, name: Str, pods: Vec<u32>) -> Self {
        Self { namespace, kind, name, pods, template: None, owners: Vec::new() }
    }

    /// What a template predicts.
    pub(super) fn of_template(at: u32, workload: &Workload) -> Self {
        Self {
            namespace: workload.meta.namespace.clone().unwrap_or_default(),
            kind: workload.kind.clone(),
            name: workload.meta.name.clone(),
            pods: Vec::new(),
            template: Some(at),
            owners: Vec::new(),
        }
    }

    /// `ns/Kind/name`.
    pub(super) fn full_name(&self) -> String {
        format!("{}/{}/{}", self.namespace, self.kind, self.name)
    }
}

/// Pods that run or will, narrowed by namespace and labels, with their indexes.
pub(super) fn pods<'a>(snapshot: &'a Snapshot, options: &DemandOptions) -> impl Iterator<Item = (u32, &'a Pod)> {
    (0u32..).zip(&snapshot.pods).filter(|(_, pod)| !pod.phase.is_terminal() && is_chosen(pod, options))
}

pub(super) fn is_chosen(pod: &Pod, options: &DemandOptions) -> bool {
    in_namespaces(options, pod.meta.namespace.as_ref())
        && options.selector.as_ref().is_none_or(|selector| selector.matches(&pod.meta.labels))
}

/// Whether the pods of a template are asked for.
pub(super) fn is_template_chosen(workload: &Workload, options: &DemandOptions) -> bool {
    in_namespaces(options, workload.meta.namespace.as_ref())
        && options.selector.as_ref().is_none_or(|selector| selector.matches(&workload.template_labels))
}

/// Whether a template will start no pod any more: a Job that ended, what its owner has scaled away.
pub(super) fn is_over(workload: &Workload) -> bool {
    workload.finished || (workload.owner.is_some() && workload.replicas == Some(0))
}

pub(super) fn in_namespaces(options: &DemandOptions, namespace: Option<&Str>) -> bool {
    options.namespaces.is_empty() || namespace.is_some_and(|namespace| options.namespaces.contains(namespace))
}

/// Whether the owner of a pod is its node, which is no controller.
pub(super) fn is_static(pod: &Pod) -> bool {
    pod.owner.as_ref().is_some_and(|owner| owner.kind == "Node")
}

/// Running pods by their top controller, and templates that no running pod stands for.
pub(super) fn groups(snapshot: &Snapshot, options: &DemandOptions) -> Vec<Group> {
    let mut owners = Owners::new(snapshot);
    let pod_kind = Str::from("Pod");
    let mut groups: Vec<Group> = Vec::new();
    let mut known: FxHashMap<(Str, Str, Str), usize> = FxHashMap::default();
    let mut represented: FxHashSet<u32> = FxHashSet::default();
    // Groups of owners by their numbers.
    let mut slots: FxHashMap<usize, usize> = FxHashMap::default();
    let mut seen = 0;
    for (at, pod) in (0u32..).zip(&snapshot.pods).filter(|(_, pod)| !pod.phase.is_terminal()) {
        let number = owners.number(pod);
        // A pod that -n or -l leaves out still stands for its template.
        if let Some(number) = number.filter(|number| *number >= seen) {
            represented.extend(&owners.numbered(number).through);
            seen = number + 1;
        }
        if !is_chosen(pod, options) {
            continue;
        }
        let namespace = pod.meta.namespace.clone().unwrap_or_default();
        let Some(number) = number.filter(|_| !is_static(pod)) else {
            groups.push(Group::of_pod(namespace, pod_kind.clone(), pod.meta.name.clone(), vec![at]));
            continue;
        };
        let slot = *slots.entry(number).or_insert_with(|| {
            let Top { kind, name, through } = owners.numbered(number);
            *known.entry((namespace.clone(), kind.clone(), name.clone())).or_insert_with(|| {
                let (kind, name, owners) = (kind.clone(), name.clone(), through.clone());
                groups.push(Group { namespace, kind, name, pods: Vec::new(), template: None, owners });
                groups.len() - 1
            })
        });
        groups[slot].pods.push(at);
    }
    for (at, workload) in (0u32..).zip(&snapshot.workloads) {
        let owned = workload.owner.as_ref();
        // What another object of the snapshot makes is predicted by that one.
        let has_parent = owned.is_some_and(|owner| owners.index(workload.meta.namespace.as_ref(), owner).is_some());
        if represented.contains(&at) || has_parent || is_over(workload) || !is_template_chosen(workload, options) {
            continue;
        }
        groups.push(Group::of_template(at, workload));
    }
    groups
}

/// The part of a group that selectors mean: all of it, or those pods of it that they name.
pub(super) fn chosen(snapshot: &Snapshot, selectors: &[SubjectSelector], mut group: Group) -> Option<Group> {
    if selectors.iter().any(|s| s.selects(&group.namespace, &group.kind, &group.name)) {
        return Some(group);
    }
    group.pods.retain(|at| {
        let name = &snapshot.pods[*at as usize].meta.name;
        selectors.iter().any(|s| s.may_name_a_pod() && s.selects(&group.namespace, "Pod", name))
    });
    match group.pods.as_slice() {
        [] => None,
        [one] => {
            group.kind = "Pod".into();
            group.name = snapshot.pods[*one as usize].meta.name.clone();
            Some(group)
        }
        _ => Some(group),
    }
}
