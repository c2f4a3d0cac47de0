//! Follows kustomizations through their bases, and applies what they say.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::super::builder::{Builder, Placement};
use super::super::facts::FoundProblem;
use super::super::trust_maps::TrustMap;
use super::patch::{self, Target};
use super::{Kind, Kustomization, Kustomize, LabelReach, resolve};
use crate::model::object::{Meta, Origin};
use crate::model::{Problem, ProblemClass, Str};

/// What the kustomizations of a collection do to its sources.
#[derive(Debug)]
pub(crate) struct Plan<'k> {
    kustomizations: &'k [Kustomization],
    /// Sources by their path without links.
    by_path: &'k HashMap<PathBuf, u32>,
    /// `kustomization.yaml` by its folder.
    by_folder: HashMap<&'k Path, usize>,
    /// Where to begin: kustomizations that no other one lists, with the namespace that Flux gives them.
    roots: Vec<(usize, Option<String>)>,
    /// Roots whose result was rendered.
    rendered: HashSet<usize>,
    /// Kustomizations that a root leads to.
    followed: HashSet<usize>,
    /// Sources that hold no objects of their own: patches, and what was rendered.
    left_out: HashSet<u32>,
    /// The namespaces that a source's objects get: `None` leaves them as they are.
    namespaces: BTreeMap<u32, BTreeSet<Option<String>>>,
    /// What cannot be told without rendering.
    unrendered: Vec<Unrendered>,
    /// Sources whose objects get labels.
    labelled: BTreeMap<u32, LabelReach>,
    /// ConfigMaps that are generated, with the kustomization that does.
    generated: BTreeMap<String, Origin>,
}

/// A kustomization that no other one lists.
#[derive(Debug)]
pub(crate) struct Root {
    pub(crate) index: usize,
    pub(crate) folder: PathBuf,
    pub(crate) source: u32,
    /// What Flux gives it.
    pub(crate) namespace: Option<String>,
}

/// Something that a kustomization does and that is not done here.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Unrendered {
    source: u32,
    line: u32,
    message: String,
    /// The namespace that the kustomization gives.
    namespace: Option<String>,
    /// `None`: it may make or change anything.
    target: Option<Target>,
}

impl<'k> Plan<'k> {
    /// `by_path`: the sources by their path without links; `named`: the folders that were named.
    pub(crate) fn new(
        kustomizations: &'k [Kustomization],
        by_path: &'k HashMap<PathBuf, u32>,
        named: &[PathBuf],
    ) -> Self {
        let mut by_folder = HashMap::new();
        for (i, kustomization) in kustomizations.iter().enumerate() {
            if matches!(kustomization.kind, Kind::Kustomize(_)) {
                by_folder.entry(kustomization.folder.as_path()).or_insert(i);
            }
        }
        let mut plan = Self {
            kustomizations,
            by_path,
            by_folder,
            roots: Vec::new(),
            rendered: HashSet::new(),
            followed: HashSet::new(),
            left_out: HashSet::new(),
            namespaces: BTreeMap::new(),
            unrendered: Vec::new(),
            labelled: BTreeMap::new(),
            generated: BTreeMap::new(),
        };
        let mut used = HashSet::new();
        for kustomization in kustomizations {
            if let Kind::Kustomize(kustomize) = &kustomization.kind {
                for resource in &kustomize.resources {
                    let target = resolve(&kustomization.folder, resource);
                    used.extend(plan.by_folder.get(target.as_path()));
                }
            }
        }
        for kustomization in kustomizations {
            if let Kind::Flux { path, namespace } = &kustomization.kind {
                plan.flux(kustomization, path, namespace, named, &mut used);
            }
        }
        for (i, kustomization) in kustomizations.iter().enumerate() {
            if matches!(kustomization.kind, Kind::Kustomize(_)) && !used.contains(&i) {
                plan.roots.push((i, None));
            }
        }
        plan
    }

    /// The kustomizations that no other one lists.
    pub(crate) fn roots(&self) -> Vec<Root> {
        let root = |(index, namespace): &(usize, Option<String>)| {
            let Kustomization { folder, origin, .. } = &self.kustomizations[*index];
            Root { index: *index, folder: folder.clone(), source: origin.source, namespace: namespace.clone() }
        };
        self.roots.iter().map(root).collect()
    }

    /// Says that the result of a root is there: what it is made of counts no more.
    pub(crate) fn set_rendered(&mut self, index: usize) {
        self.rendered.insert(index);
    }

    /// Follows every root into what it lists.
    pub(crate) fn follow_all(&mut self) {
        for (index, namespace) in std::mem::take(&mut self.roots) {
            self.follow(index, namespace.as_deref(), self.rendered.contains(&index), &mut Vec::new());
        }
        for (i, kustomization) in self.kustomizations.iter().enumerate() {
            if matches!(kustomization.kind, Kind::Kustomize(_)) && !self.followed.contains(&i) {
                self.unrendered.push(Unrendered {
                    source: kustomization.origin.source,
                    line: kustomization.origin.line,
                    message: "kustomizations list each other in a circle".to_owned(),
                    namespace: None,
                    target: None,
                });
            }
        }
    }

    /// Whether the objects of a source do not count.
    pub(crate) fn leaves_out(&self, source: u32) -> bool {
        self.left_out.contains(&source)
    }

    /// A Flux `Kustomization` gives its namespace to what its path leads to. The path starts from the root of a
    /// repository that is not known: the folders that were named, and those above the object, are tried.
    fn flux(
        &mut self,
        kustomization: &Kustomization,
        path: &str,
        namespace: &str,
        named: &[PathBuf],
        used: &mut HashSet<usize>,
    ) {
        let starts = named.iter().map(PathBuf::as_path).chain(kustomization.folder.ancestors());
        let relative = path.trim_start_matches('/');
        let is_read = |folder: &PathBuf| self.by_path.keys().any(|file| file.starts_with(folder));
        let Some(folder) = starts.map(|start| resolve(start, relative)).find(is_read) else {
            return self.unrendered.push(Unrendered {
                source: kustomization.origin.source,
                line: kustomization.origin.line,
                message: format!("the path `{path}` of this Flux Kustomization was not read"),
                namespace: Some(namespace.to_owned()),
                target: None,
            });
        };
        if let Some(i) = self.by_folder.get(folder.as_path()) {
            used.insert(*i);
            return self.roots.push((*i, Some(namespace.to_owned())));
        }
        // Without a kustomization Flux takes every manifest below the path.
        for (file, source) in self.by_path {
            if file.starts_with(&folder) && *source != kustomization.origin.source {
                self.namespaces.entry(*source).or_default().insert(Some(namespace.to_owned()));
            }
        }
    }

    /// Follows a kustomization into what it lists. `namespace` is what those who list it give; of one that was
    /// rendered the sources are only left out.
    fn follow(&mut self, i: usize, namespace: Option<&str>, is_rendered: bool, path: &mut Vec<usize>) {
        let kustomization = &self.kustomizations[i];
        let Kind::Kustomize(kustomize) = &kustomization.kind else { return };
        if path.contains(&i) {
            return;
        }
        path.push(i);
        self.followed.insert(i);
        let namespace = namespace.or(kustomize.namespace.as_deref());
        let unrendered = |message: String, target: Option<Target>| Unrendered {
            source: kustomization.origin.source,
            line: kustomization.origin.line,
            message,
            namespace: namespace.map(str::to_owned),
            target,
        };
        for what in kustomize.opaque.iter().filter(|_| !is_rendered) {
            self.unrendered
                .push(unrendered(format!("`{what}` of this kustomization may make or change anything"), None));
        }
        for name in kustomize.generated.iter().filter(|_| !is_rendered) {
            self.generated.entry(name.clone()).or_insert(kustomization.origin);
        }
        for resource in &kustomize.resources {
            let found = resolve(&kustomization.folder, resource);
            if let Some(i) = self.by_folder.get(found.as_path()) {
                self.follow(*i, namespace, is_rendered, path);
            } else if let Some(source) = self.by_path.get(&found) {
                if is_rendered {
                    self.left_out.insert(*source);
                    continue;
                }
                self.namespaces.entry(*source).or_default().insert(namespace.map(str::to_owned));
                // Labels of an outer kustomization reach as far as those of an inner one.
                let reach = path.iter().filter_map(|i| match &self.kustomizations[*i].kind {
                    Kind::Kustomize(kustomize) => kustomize.labels,
                    Kind::Flux { .. } => None,
                });
                if let Some(reach) = reach.max() {
                    let known = self.labelled.entry(*source).or_insert(reach);
                    *known = reach.max(*known);
                }
            } else if !is_rendered {
                let what = if is_remote(resource) { "is remote" } else { "was not read" };
                self.unrendered.push(unrendered(format!("the resource `{resource}` {what}"), None));
            }
        }
        self.patches_of(kustomization, kustomize, is_rendered, &unrendered);
        path.pop();
    }

    fn patches_of(
        &mut self,
        kustomization: &Kustomization,
        kustomize: &Kustomize,
        is_rendered: bool,
        unrendered: &impl Fn(String, Option<Target>) -> Unrendered,
    ) {
        let by_path = self.by_path;
        let source_of = |file: &str| by_path.get(&resolve(&kustomization.folder, file));
        for file in &kustomize.patch_files {
            self.left_out.extend(source_of(file));
        }
        if is_rendered {
            return;
        }
        let with_target = kustomize.targets.iter().filter_map(|target| target.file.as_deref()).collect::<HashSet<_>>();
        let alone = kustomize.patch_files.iter().filter(|file| !with_target.contains(file.as_str()));
        let alone = alone.map(|file| Target { file: Some(file.clone()), ..Target::default() });
        for target in kustomize.targets.iter().cloned().chain(alone) {
            let targets = match &target.file {
                None => vec![target],
                Some(file) => {
                    // Only what was found is opened: a kustomization may name anything.
                    let path = resolve(&kustomization.folder, file);
                    let is_found = path.is_absolute() && self.by_path.contains_key(&path);
                    let text = if is_found { std::fs::read_to_string(path).unwrap_or_default() } else { String::new() };
                    let named = target.kind.is_some() || target.name.is_some() || target.group.is_some();
                    let found = patch::targets_of_text(&text, named.then_some(&target));
                    // A patch that cannot be read may do anything to its target.
                    if found.is_empty() { vec![Target { decides: true, ..target }] } else { found }
                }
            };
            for target in targets.into_iter().filter(|target| target.decides) {
                let kind = target.kind.as_deref().unwrap_or("object");
                let name = target.name.as_deref().map(|name| format!(" {name}")).unwrap_or_default();
                self.unrendered
                    .push(unrendered(format!("a patch of this kustomization changes {kind}{name}"), Some(target)));
            }
        }
    }

    /// Gives the objects their namespaces, and reports what is not rendered.
    pub(crate) fn apply(mut self, builder: &mut Builder) {
        for (source, mut namespaces) in std::mem::take(&mut self.namespaces) {
            match (namespaces.len(), namespaces.pop_first()) {
                (1, Some(Some(namespace))) => builder.place(source, Placement::Namespace(namespace)),
                (0 | 1, _) => {}
                _ => builder.place(source, Placement::Ambiguous),
            }
        }
        let mut problems = Vec::new();
        self.unrendered.dedup();
        for unrendered in &self.unrendered {
            problems.push(problem_of(unrendered, builder));
        }
        label_problems(&self.labelled, builder, &mut problems);
        builder.facts.problems.extend(problems);
        for (name, origin) in self.generated {
            builder.facts.trust_maps.push(TrustMap::generated(&name, origin));
        }
    }
}

/// A resource that only a download can give.
fn is_remote(resource: &str) -> bool {
    resource.contains("://")
        || resource.starts_with("git@")
        || resource.contains("?ref=")
        || resource.starts_with("github.com/")
}

fn problem_of(unrendered: &Unrendered, builder: &Builder) -> FoundProblem {
    let target = unrendered.target.clone().unwrap_or_default();
    // What may be anything may be a policy: nothing decides more.
    let kind = target.kind.clone().unwrap_or_else(|| "NetworkPolicy".to_owned());
    let is_cluster_scoped = super::super::kinds::is_cluster_scoped(target.group.as_deref().unwrap_or_default(), &kind);
    let namespace = unrendered
        .namespace
        .clone()
        .or(target.namespace)
        .or_else(|| target.name.as_deref().and_then(|name| namespace_of(builder, &kind, name)))
        .filter(|_| !is_cluster_scoped);
    let problem = Problem {
        class: ProblemClass::NotRendered,
        message: unrendered.message.clone(),
        source: unrendered.source,
        line: unrendered.line,
        kind: Some(kind.into()),
        namespace: namespace.map(Str::from),
        name: target.name.map(Str::from),
        count: 1,
    };
    FoundProblem { problem, is_namespaced: false }
}

/// The namespace that the only object of that kind and name says that it is in.
fn namespace_of(builder: &Builder, kind: &str, name: &str) -> Option<String> {
    let mut namespaces = BTreeSet::new();
    each_object(builder, |found, meta| {
        if found == kind && meta.name == name {
            namespaces.insert(meta.namespace.as_ref().map(ToString::to_string));
        }
    });
    if namespaces.len() == 1 { namespaces.pop_first().flatten() } else { None }
}

fn each_object(builder: &Builder, mut visit: impl FnMut(&str, &Meta)) {
    let facts = &builder.facts;
    facts.network_policies.iter().for_each(|o| visit("NetworkPolicy", &o.meta));
    facts.namespaces.iter().for_each(|o| visit("Namespace", &o.meta));
    facts.pods.iter().for_each(|o| visit("Pod", &o.meta));
    facts.services.iter().for_each(|o| visit("Service", &o.meta));
    facts.workloads.iter().for_each(|o| visit(&o.kind, &o.meta));
    facts.others.iter().for_each(|o| visit(&o.kind, &o.meta));
}

/// One problem for each source and kind whose labels or selectors get additions.
fn label_problems(labelled: &BTreeMap<u32, LabelReach>, builder: &Builder, problems: &mut Vec<FoundProblem>) {
    let mut found: BTreeMap<(u32, String), Problem> = BTreeMap::new();
    each_object(builder, |kind, meta| {
        let Some(reach) = labelled.get(&meta.origin.source) else { return };
        let is_touched = match kind {
            "Namespace" | "Pod" => true,
            "NetworkPolicy" | "Service" => *reach >= LabelReach::Selectors,
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "ReplicationController" | "Job" | "CronJob" => {
                *reach >= LabelReach::Templates
            }
            // Kustomize knows no selectors of other kinds.
            _ => false,
        };
        if is_touched {
            let key = (meta.origin.source, kind.to_owned());
            let problem = found.entry(key).or_insert_with(|| {
                let message = "a kustomization adds labels, and these may be selected".to_owned();
                Problem::with(ProblemClass::NotRendered, message, kind, meta)
            });
            problem.count += 1;
        }
    });
    problems.extend(
        found.into_iter().map(|((_, kind), problem)| FoundProblem { is_namespaced: kind != "Namespace", problem }),
    );
}
