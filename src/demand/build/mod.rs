//! From pods and templates to subjects.

mod similar;

use rustc_hash::{FxHashMap, FxHashSet};

pub use similar::similar;

use super::catalogue::Catalogue;
use super::memory::Memory;
use super::needs::{self, Hints, Needs, Reader};
use super::owners::Owners;
use super::select::SubjectSelector;
use super::signal::{self, Hit};
use super::{Demand, DemandOptions, Signal, Subject, sources};
use crate::model::label::Labels;
use crate::model::object::{Pod, PodSpec, Workload};
use crate::model::report::Candidate;
use crate::model::{Few, List, Snapshot, Str};

/// How many near candidates are told when nothing was found.
const NEAREST: usize = 5;

/// Finds the subjects and what they need.
pub(super) fn build(
    snapshot: &Snapshot,
    catalogue: &Catalogue,
    options: &DemandOptions,
    memory: &mut Memory,
) -> Demand {
    memory.begin(snapshot, options);
    let demand = of_snapshot(snapshot, catalogue, options, memory);
    memory.end();
    demand
}

fn of_snapshot(snapshot: &Snapshot, catalogue: &Catalogue, options: &DemandOptions, memory: &mut Memory) -> Demand {
    let builder = Builder { snapshot, options, reader: Reader::new(snapshot, catalogue, options), memory };
    let mut plain = sources::subjects(snapshot, options, &builder.reader);
    if !options.sources.is_empty() {
        sort(&mut plain);
        return Demand { subjects: plain, ..Demand::default() };
    }
    let mut demand = if options.all_pods { builder.every_pod() } else { builder.builds() };
    if !plain.is_empty() {
        demand.subjects.append(&mut plain);
        sort(&mut demand.subjects);
    }
    demand
}

struct Builder<'a> {
    snapshot: &'a Snapshot,
    options: &'a DemandOptions,
    reader: Reader<'a>,
    memory: &'a mut Memory,
}

/// A controller with its running pods, or a template without any.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) namespace: Str,
    pub(super) kind: Str,
    pub(super) name: Str,
    pub(super) pods: Vec<u32>,
    pub(super) template: Option<u32>,
    /// The workloads between the pods and the top, whose labels count too.
    owners: Vec<u32>,
}

impl<'a> Builder<'a> {
    /// Every running pod by itself, what it needs being shared wherever the user says what to ask.
    fn every_pod(mut self) -> Demand {
        let kind = Str::from("Pod");
        let nothing_else = self.options.ecosystems.as_ref().is_some_and(Vec::is_empty);
        let shared = nothing_else && self.reader.asks_all_alike();
        // Doubling a list of all pods would be felt.
        let mut subjects = Vec::with_capacity(self.snapshot.pods.len());
        for at in in_order(self.snapshot, pods(self.snapshot, self.options)) {
            let pod = &self.snapshot.pods[at as usize];
            let namespace = pod.meta.namespace.clone().unwrap_or_default();
            let chosen = self.options.subjects.is_empty()
                || self.options.subjects.iter().any(|s| s.selects(&namespace, "Pod", &pod.meta.name));
            if !chosen {
                continue;
            }
            let requirements = if shared {
                List::default()
            } else {
                let Needs { mut requirements, .. } =
                    self.read(&pod.spec, &pod.meta.labels, pod.meta.namespace.as_ref(), pod.meta.origin.source);
                needs::merge(&mut requirements, self.reader.asked_of(&pod.spec, &namespace));
                requirements.into()
            };
            subjects.push(Subject {
                namespace,
                kind: kind.clone(),
                name: pod.meta.name.clone(),
                full_name: Str::default(),
                pods: Few::one(at),
                template: None,
                system: None,
                signals: List::default(),
                shown: List::default(),
                score: 0.0,
                requirements,
                notes: List::default(),
            });
        }
        Demand { subjects, shared: shared.then(|| self.reader.asked()), ..Demand::default() }
    }

    fn builds(mut self) -> Demand {
        let mut subjects = Vec::new();
        let mut near: Vec<(f64, Candidate)> = Vec::new();
        for group in groups(self.snapshot, self.options) {
            let group = if self.options.subjects.is_empty() {
                group
            } else {
                let Some(group) = chosen(self.snapshot, &self.options.subjects, group) else { continue };
                group
            };
            let (score, hits) = self.judge(&group);
            let opted_out = self.opt(&group) == Some("false");
            let is_subject =
                if self.options.subjects.is_empty() { score >= signal::THRESHOLD && !opted_out } else { true };
            if is_subject {
                subjects.push(self.subject(group, score, &hits));
            } else if score > 0.0 && !opted_out {
                remember(&mut near, score, &group, &hits);
            }
        }
        sort(&mut subjects);
        let nearest =
            if subjects.is_empty() { near.into_iter().map(|(_, candidate)| candidate).collect() } else { Vec::new() };
        Demand { subjects, nearest, ..Demand::default() }
    }

    /// The score of the pod or template that shows most signs, and these signs.
    fn judge(&mut self, group: &Group) -> (f64, Vec<Hit>) {
        let mut best: (f64, Vec<Hit>) = (0.0, Vec::new());
        let mut seen: FxHashSet<(*const PodSpec, bool)> = FxHashSet::default();
        for pod in group.pods.iter().map(|at| &self.snapshot.pods[*at as usize]) {
            let mut own = Vec::new();
            signal::label_hits(&pod.meta.labels, &mut own);
            signal::name_hits(&pod.meta.name, &mut own);
            if own.is_empty() && !seen.insert((std::sync::Arc::as_ptr(&pod.spec), true)) {
                continue;
            }
            own.extend(self.memory.signs.of(&pod.spec).iter().cloned());
            let score = signal::score(&own);
            if score > best.0 {
                best = (score, own);
            }
            if best.0 >= 1.0 {
                break;
            }
        }
        if let Some(at) = group.template {
            let workload = &self.snapshot.workloads[at as usize];
            let mut own = Vec::new();
            signal::label_hits(&workload.template_labels, &mut own);
            own.extend(self.memory.signs.of(&workload.spec).iter().cloned());
            best = (signal::score(&own), own);
        }
        if self.opt(group) == Some("true") && best.0 < 1.0 {
            signal::label_hits(&Labels::new([(signal::OPT_IN.into(), "true".into())]), &mut best.1);
            best.0 = signal::score(&best.1);
        }
        best
    }

    /// What the opt-in label says: on the pods, else on what owns them.
    fn opt(&self, group: &Group) -> Option<&'a str> {
        let of = |labels: &'a Labels| labels.get(signal::OPT_IN).map(Str::as_str);
        let pods = group.pods.iter().find_map(|at| of(&self.snapshot.pods[*at as usize].meta.labels));
        pods.or_else(|| {
            group.template.iter().chain(&group.owners).find_map(|at| {
                let workload = &self.snapshot.workloads[*at as usize];
                of(&workload.template_labels).or_else(|| of(&workload.meta.labels))
            })
        })
    }

    fn subject(&mut self, group: Group, score: f64, hits: &[Hit]) -> Subject {
        let snapshot = self.snapshot;
        let mut all = Needs::default();
        let mut seen: FxHashSet<(*const PodSpec, &Labels)> = FxHashSet::default();
        for pod in group.pods.iter().map(|at| &snapshot.pods[*at as usize]) {
            if seen.insert((std::sync::Arc::as_ptr(&pod.spec), &pod.meta.labels)) {
                let needs = self.read(&pod.spec, &pod.meta.labels, pod.meta.namespace.as_ref(), pod.meta.origin.source);
                needs::merge(&mut all.requirements, needs.requirements);
                all.notes.extend(needs.notes);
            }
        }
        if let Some(Workload { meta, template_labels, spec, .. }) =
            group.template.map(|at| &snapshot.workloads[at as usize])
        {
            all = self.read(spec, template_labels, meta.namespace.as_ref(), meta.origin.source);
        }
        if all.requirements.is_empty() && self.options.ecosystems.is_none() {
            all.notes.push(
                "what it fetches cannot be told from its images, commands and variables: --ecosystem or --endpoint says it".to_owned(),
            );
        }
        let specs = group.pods.iter().map(|at| &snapshot.pods[*at as usize].spec);
        let template = group.template.map(|at| &snapshot.workloads[at as usize].spec);
        let mut asked: FxHashSet<*const PodSpec> = FxHashSet::default();
        for spec in specs.chain(template).filter(|spec| asked.insert(std::sync::Arc::as_ptr(spec))) {
            needs::merge(&mut all.requirements, self.reader.asked_of(spec, &group.namespace));
        }
        all.notes.sort_unstable();
        all.notes.dedup();
        let signals = signal::signals(hits);
        Subject {
            full_name: format!("{}/{}/{}", group.namespace, group.kind, group.name).into(),
            namespace: group.namespace,
            kind: group.kind,
            name: group.name,
            pods: group.pods.into(),
            template: group.template,
            system: signal::system(hits),
            shown: signals.iter().map(ToString::to_string).collect(),
            signals: signals.into(),
            score,
            requirements: all.requirements.into(),
            notes: all.notes.into(),
        }
    }

    fn read(
        &mut self,
        spec: &'a std::sync::Arc<PodSpec>,
        labels: &Labels,
        namespace: Option<&Str>,
        source: u32,
    ) -> Needs {
        let mut own = Vec::new();
        signal::label_hits(labels, &mut own);
        let mut hints =
            Hints { needs: own.iter().map(|hit| hit.needs).collect(), is_ci: signal::system(&own).is_some() };
        hints.needs.retain(|needs| !needs.is_empty());
        hints.needs.sort_unstable();
        hints.needs.dedup();
        let namespace = namespace.cloned().unwrap_or_default();
        let key = (namespace, source, hints);
        let known = self.memory.needs_like(spec);
        if let Some(needs) = known.get(spec, key.clone()) {
            return needs.clone();
        }
        let needs = self.reader.needs(spec, &key.0, source, &key.2);
        known.insert(spec, key, needs.clone());
        needs
    }
}

/// Pods that run or will, narrowed by namespace and labels, with their indexes.
fn pods<'a>(snapshot: &'a Snapshot, options: &DemandOptions) -> impl Iterator<Item = (u32, &'a Pod)> {
    (0u32..).zip(&snapshot.pods).filter(|(_, pod)| !pod.phase.is_terminal() && is_chosen(pod, options))
}

fn is_chosen(pod: &Pod, options: &DemandOptions) -> bool {
    in_namespaces(options, pod.meta.namespace.as_ref())
        && options.selector.as_ref().is_none_or(|selector| selector.matches(&pod.meta.labels))
}

/// The indexes of pods in order of namespace and name; those of one namespace are sorted by themselves.
fn in_order<'a>(snapshot: &'a Snapshot, pods: impl Iterator<Item = (u32, &'a Pod)>) -> Vec<u32> {
    let mut namespaces: FxHashMap<&str, Vec<u32>> = FxHashMap::default();
    for (at, pod) in pods {
        namespaces.entry(pod.meta.namespace.as_deref().unwrap_or("")).or_default().push(at);
    }
    let mut namespaces: Vec<(&str, Vec<u32>)> = namespaces.into_iter().collect();
    namespaces.sort_unstable_by_key(|(name, _)| *name);
    let name = |at: &u32| &snapshot.pods[*at as usize].meta.name;
    namespaces
        .into_iter()
        .flat_map(|(_, mut pods)| {
            pods.sort_by(|a, b| name(a).cmp(name(b)));
            pods
        })
        .collect()
}

fn in_namespaces(options: &DemandOptions, namespace: Option<&Str>) -> bool {
    options.namespaces.is_empty() || namespace.is_some_and(|namespace| options.namespaces.contains(namespace))
}

/// Running pods by their top controller, and templates that no running pod stands for.
pub(super) fn groups(snapshot: &Snapshot, options: &DemandOptions) -> Vec<Group> {
    let mut owners = Owners::new(snapshot);
    let pod_kind = Str::from("Pod");
    let mut groups: Vec<Group> = Vec::new();
    let mut known: FxHashMap<(Str, Str, Str), usize> = FxHashMap::default();
    let mut represented: FxHashSet<u32> = FxHashSet::default();
    for (at, pod) in (0u32..).zip(&snapshot.pods).filter(|(_, pod)| !pod.phase.is_terminal()) {
        let top = owners.top(pod);
        // A pod that -n or -l leaves out still stands for its template.
        represented.extend(top.iter().flat_map(|top| &top.through));
        if !is_chosen(pod, options) {
            continue;
        }
        let namespace = pod.meta.namespace.clone().unwrap_or_default();
        // The owner of a static pod is its node, which is no controller.
        let is_static = pod.owner.as_ref().is_some_and(|owner| owner.kind == "Node");
        let Some(top) = top.filter(|_| !is_static) else {
            let (kind, name) = (pod_kind.clone(), pod.meta.name.clone());
            groups.push(Group { namespace, kind, name, pods: vec![at], template: None, owners: Vec::new() });
            continue;
        };
        let slot = *known.entry((namespace.clone(), top.kind.clone(), top.name.clone())).or_insert_with(|| {
            let (kind, name, owners) = (top.kind.clone(), top.name.clone(), top.through.clone());
            groups.push(Group { namespace, kind, name, pods: Vec::new(), template: None, owners });
            groups.len() - 1
        });
        groups[slot].pods.push(at);
    }
    for (at, workload) in (0u32..).zip(&snapshot.workloads) {
        let owned = workload.owner.as_ref();
        // What another object of the snapshot makes is predicted by that one.
        let has_parent = owned.is_some_and(|owner| owners.index(workload.meta.namespace.as_ref(), owner).is_some());
        let scaled_away = owned.is_some() && workload.replicas == Some(0);
        let narrowed = !in_namespaces(options, workload.meta.namespace.as_ref())
            || options.selector.as_ref().is_some_and(|selector| !selector.matches(&workload.template_labels));
        if represented.contains(&at) || has_parent || workload.finished || scaled_away || narrowed {
            continue;
        }
        groups.push(Group {
            namespace: workload.meta.namespace.clone().unwrap_or_default(),
            kind: workload.kind.clone(),
            name: workload.meta.name.clone(),
            pods: Vec::new(),
            template: Some(at),
            owners: Vec::new(),
        });
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

fn sort(subjects: &mut [Subject]) {
    subjects.sort_by(|a, b| (&a.namespace, &a.kind, &a.name).cmp(&(&b.namespace, &b.kind, &b.name)));
}

/// Keeps the best candidates below the threshold.
fn remember(near: &mut Vec<(f64, Candidate)>, score: f64, group: &Group, hits: &[Hit]) {
    let name = format!("{}/{}/{}", group.namespace, group.kind, group.name);
    let at = near.partition_point(|(known, other)| (-*known, other.name.as_str()) < (-score, name.as_str()));
    if at >= NEAREST {
        return;
    }
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // 0 to 100
    let percent = (score * 100.0).round() as u8;
    let signals = signal::signals(hits).into_iter().map(|Signal { what, .. }| what).collect();
    near.insert(at, (score, Candidate { name: name.into(), score: percent, signals }));
    near.truncate(NEAREST);
}

#[cfg(test)]
mod tests;
