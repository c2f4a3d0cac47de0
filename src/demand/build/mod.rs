//! From pods and templates to subjects.

mod again;
mod former;
mod groups;
mod near;
mod similar;

use std::sync::Arc;

use rustc_hash::FxHashMap;

pub use similar::similar;

pub(super) use self::former::Former;
use self::groups::{Group, chosen, groups, pods};
use self::near::Nearest;
use super::catalogue::Catalogue;
use super::memory::{Known, Memory};
use super::needs::{Hints, Reader};
use super::signal::{self, Hit, LabelSigns};
use super::{Demand, DemandOptions, Requirement, Subject, sources};
use crate::model::label::Labels;
use crate::model::object::{Pod, PodSpec, Workload};
use crate::model::{Few, List, Snapshot, Str};

/// Finds the subjects and what they need.
pub(super) fn build(
    snapshot: &Snapshot,
    catalogue: &Catalogue,
    options: &DemandOptions,
    memory: &mut Memory,
) -> Demand {
    memory.begin(snapshot, options);
    let builder = Builder::new(snapshot, options, Reader::new(snapshot, catalogue, options), memory);
    let mut plain = sources::subjects(snapshot, options, &builder.reader);
    if !options.sources.is_empty() {
        sort(&mut plain);
        return Demand { subjects: plain, ..Demand::default() };
    }
    let mut demand = if options.all_pods {
        builder.every_pod()
    } else if builder.memory.is_kept() && options.subjects.is_empty() {
        builder.builds_again()
    } else {
        builder.builds()
    };
    if !plain.is_empty() {
        demand.subjects.append(&mut plain);
        sort(&mut demand.subjects);
    }
    demand
}

/// What a score makes a group.
enum Finding {
    Build,
    Near,
    Nothing,
}

struct Builder<'a> {
    snapshot: &'a Snapshot,
    options: &'a DemandOptions,
    reader: Reader<'a>,
    memory: &'a mut Memory,
    labels: LabelSigns<'a>,
    pod_kind: Str,
    /// What the user asks of every subject, where that is the same for each.
    asked: Option<List<Requirement>>,
}

impl<'a> Builder<'a> {
    fn new(snapshot: &'a Snapshot, options: &'a DemandOptions, reader: Reader<'a>, memory: &'a mut Memory) -> Self {
        let asked = reader.asks_all_alike().then(|| memory.lists.requirements(reader.asked()));
        Self { snapshot, options, reader, memory, labels: LabelSigns::default(), pod_kind: "Pod".into(), asked }
    }

    /// Every running pod by itself, what it needs being shared wherever the user says what to ask.
    fn every_pod(mut self) -> Demand {
        let kind = self.pod_kind.clone();
        let nothing_else = self.options.ecosystems.as_ref().is_some_and(Vec::is_empty);
        let shared = nothing_else && self.asked.is_some();
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
                let known = self.read(&pod.spec, &pod.meta.labels, pod.meta.namespace.as_ref(), pod.meta.origin.source);
                let asked = self.asked_of(&pod.spec, &namespace);
                self.memory.lists.join(&[known.requirements], &[asked])
            };
            subjects.push(Subject {
                namespace,
                kind: kind.clone(),
                name: pod.meta.name.clone(),
                full_name: Str::default(),
                pods: Few::one(at),
                template: None,
                system: None,
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
        let mut near = Nearest::default();
        for group in groups(self.snapshot, self.options) {
            let is_named = !self.options.subjects.is_empty();
            let group = if is_named {
                let Some(group) = chosen(self.snapshot, &self.options.subjects, group) else { continue };
                group
            } else {
                group
            };
            let (score, hits) = self.judge(&group);
            match if is_named { Finding::Build } else { self.finding(&group, score) } {
                Finding::Build => subjects.push(self.subject(group, score, &hits)),
                Finding::Near => near.remember(score, || group.full_name(), || signal::seen(&hits)),
                Finding::Nothing => {}
            }
        }
        sort(&mut subjects);
        let nearest = if subjects.is_empty() { near.candidates(|signals| signals) } else { Vec::new() };
        Demand { subjects, nearest, ..Demand::default() }
    }

    /// What a group's score makes it, where the user names no subjects.
    fn finding(&self, group: &Group, score: f64) -> Finding {
        let opted_out = || self.opt(group) == Some("false");
        if score <= 0.0 || opted_out() {
            Finding::Nothing
        } else if score >= signal::THRESHOLD {
            Finding::Build
        } else {
            Finding::Near
        }
    }

    /// The score of the pod or template that shows most signs, and these signs.
    fn judge(&mut self, group: &Group) -> (f64, Vec<Hit>) {
        let mut best: (f64, Vec<Hit>) = (0.0, Vec::new());
        let mut last: Option<&Arc<PodSpec>> = None;
        for pod in group.pods.iter().map(|at| &self.snapshot.pods[*at as usize]) {
            let mut own = Vec::new();
            self.labels.hits(&pod.meta.labels, &mut own);
            signal::name_hits(&pod.meta.name, &mut own);
            // Mostly it is the specification of the pod before, whose score is not to be beaten by the same signs.
            let again = last.replace(&pod.spec).is_some_and(|last| Arc::ptr_eq(last, &pod.spec));
            if own.is_empty() && again {
                continue;
            }
            let signs = self.memory.signs.of(&pod.spec);
            if own.is_empty() && signs.is_empty() {
                continue;
            }
            own.extend(signs.iter().cloned());
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
            self.labels.hits(&workload.template_labels, &mut own);
            own.extend(self.memory.signs.of(&workload.spec).iter().cloned());
            best = (signal::score(&own), own);
        }
        if self.opt(group) == Some("true") && best.0 < 1.0 {
            best.1.push(signal::opted_in());
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
        let mut all: Vec<Known> = Vec::new();
        let mut asked: Vec<List<Requirement>> = Vec::new();
        let mut last: Option<&Pod> = None;
        for pod in group.pods.iter().map(|at| &snapshot.pods[*at as usize]) {
            let is_alike = |last: &Pod| Arc::ptr_eq(&last.spec, &pod.spec) && last.meta.labels == pod.meta.labels;
            if !last.replace(pod).is_some_and(is_alike) {
                all.push(self.read(&pod.spec, &pod.meta.labels, pod.meta.namespace.as_ref(), pod.meta.origin.source));
                asked.push(self.asked_of(&pod.spec, &group.namespace));
            }
        }
        if let Some(Workload { meta, template_labels, spec, .. }) =
            group.template.map(|at| &snapshot.workloads[at as usize])
        {
            all.push(self.read(spec, template_labels, meta.namespace.as_ref(), meta.origin.source));
            asked.push(self.asked_of(spec, &group.namespace));
        }
        let lists = once(all.iter().map(|known| &known.requirements));
        let says_nothing = lists.iter().all(|list| list.is_empty()) && self.options.ecosystems.is_none();
        let shown = signal::shown(hits);
        Subject {
            full_name: group.full_name().into(),
            namespace: group.namespace,
            kind: group.kind,
            name: group.name,
            pods: group.pods.into(),
            template: group.template,
            system: signal::system(hits),
            shown: self.memory.lists.texts(shown),
            score,
            requirements: self.memory.lists.join(&lists, &once(asked.iter())),
            notes: self.notes(&all, says_nothing),
        }
    }

    /// The notes of all that was read of a subject.
    fn notes(&mut self, all: &[Known], says_nothing: bool) -> List<String> {
        let lists = once(all.iter().map(|known| &known.notes));
        if let ([only], false) = (lists.as_slice(), says_nothing) {
            return only.clone();
        }
        let mut notes: Vec<String> = lists.iter().flat_map(|list| list.iter()).cloned().collect();
        if says_nothing {
            notes.push(
                "what it fetches cannot be told from its images, commands and variables: --ecosystem or --endpoint says it".to_owned(),
            );
        }
        notes.sort_unstable();
        notes.dedup();
        self.memory.lists.texts(notes)
    }

    /// What the user asks of a pod of this specification.
    fn asked_of(&mut self, spec: &PodSpec, namespace: &str) -> List<Requirement> {
        let own = || self.memory.lists.requirements(self.reader.asked_of(spec, namespace));
        self.asked.clone().unwrap_or_else(own)
    }

    fn read(&mut self, spec: &'a Arc<PodSpec>, labels: &'a Labels, namespace: Option<&Str>, source: u32) -> Known {
        let mut own = Vec::new();
        self.labels.hits(labels, &mut own);
        let mut hints =
            Hints { needs: own.iter().map(|hit| hit.needs).collect(), is_ci: signal::system(&own).is_some() };
        hints.needs.retain(|needs| !needs.is_empty());
        hints.needs.sort_unstable();
        hints.needs.dedup();
        let namespace = namespace.cloned().unwrap_or_default();
        let key = (namespace, source, hints);
        if let Some(known) = self.memory.needs_like(spec).get(spec, key.clone()) {
            return known.clone();
        }
        let needs = self.reader.needs(spec, &key.0, source, &key.2);
        let lists = &mut self.memory.lists;
        let known = Known { requirements: lists.requirements(needs.requirements), notes: lists.texts(needs.notes) };
        self.memory.needs_like(spec).insert(spec, key, known.clone());
        known
    }
}

/// Lists without those that were there before: most pods of a controller have the same ones.
fn once<'l, T: Clone + 'l>(lists: impl Iterator<Item = &'l List<T>>) -> Vec<List<T>> {
    let mut once: Vec<List<T>> = Vec::new();
    for list in lists {
        if !once.iter().any(|known| known.is_same(list)) {
            once.push(list.clone());
        }
    }
    once
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

fn sort(subjects: &mut [Subject]) {
    subjects.sort_by(|a, b| (&a.namespace, &a.kind, &a.name).cmp(&(&b.namespace, &b.kind, &b.name)));
}

#[cfg(test)]
mod tests;
