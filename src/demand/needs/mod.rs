//! What a pod needs: from its commands, its images and its environment.

mod fetch;
mod go;
mod images;
mod languages;
mod plain;
mod settings;
mod view;

use std::cell::OnceCell;
use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

use super::catalogue::{Catalogue, Need, Row};
use super::endpoint::endpoint;
use super::environment;
use super::shell::{self, Command};
use super::tables::tables;
use super::url::Url;
use super::{Addresses, DemandOptions, Endpoint, Requirement, Setting, Speaks};
use crate::model::object::PodSpec;
use crate::model::{Few, Protocol, Snapshot, Str};
pub(super) use fetch::is_fetch;
use view::View;

/// What a specification needs.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Needs {
    pub(super) requirements: Vec<Requirement>,
    /// What is known about its needs and is no endpoint.
    pub(super) notes: Vec<String>,
}

/// What labels tell about a pod.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Hints {
    /// Ecosystems, and builders as `build:…`.
    pub(super) needs: Vec<&'static str>,
    /// A CI system made the pod: programs that are not known are parts of a build.
    pub(super) is_ci: bool,
}

/// A requirement on its way, with what decides which settings redirect it.
#[derive(Clone, Debug, PartialEq)]
struct Draft {
    requirement: Requirement,
    /// Scheme of the URL: a proxy variable is for one or several.
    scheme: String,
    /// The host as the client writes it, which is what NO_PROXY is compared with.
    written: Str,
    /// Ecosystem whose variables, flags and files redirect it; `None` if it was taken from them.
    redirected_by: Option<Str>,
}

/// Reads the needs of specifications.
pub(super) struct Reader<'a> {
    snapshot: &'a Snapshot,
    catalogue: &'a Catalogue,
    options: &'a DemandOptions,
    services: OnceCell<FxHashSet<(&'a str, &'a str)>>,
}

/// The needs of one container as they are gathered.
struct Gathering<'r, 'a> {
    reader: &'r Reader<'a>,
    namespace: &'r str,
    spec: &'r PodSpec,
    view: &'r View<'r>,
    drafts: Vec<Draft>,
    notes: Vec<String>,
    /// Number of the last group of alternatives.
    alternatives: u32,
}

impl<'a> Reader<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, catalogue: &'a Catalogue, options: &'a DemandOptions) -> Self {
        Self { snapshot, catalogue, options, services: OnceCell::new() }
    }

    /// What the user asks of every subject, whatever it runs.
    pub(super) fn asked(&self) -> Vec<Requirement> {
        let named = self.options.endpoints.iter().map(|endpoint| (endpoint, "named by the user".to_owned()));
        let sets = self.options.endpoint_sets.iter().filter(|set| set.replaces.is_empty());
        let of_sets =
            sets.flat_map(|set| set.endpoints.iter().map(|e| (e, format!("named by EndpointSet {}", set.name))));
        named
            .chain(of_sets)
            .map(|(endpoint, why)| Requirement {
                endpoint: endpoint.clone(),
                ecosystem: None,
                required: true,
                why: why.into(),
                alternative: None,
                setting: None,
                doubt: None,
                speaks: Speaks::of_port(endpoint),
                containers: Few::default(),
            })
            .collect()
    }

    /// What a specification needs, with what the pod's labels tell.
    pub(super) fn needs(&self, spec: &PodSpec, namespace: &str, source: u32, hints: &Hints) -> Needs {
        let spec = &*environment::resolved(self.snapshot, namespace, spec);
        let scripts = shell::scripts(spec);
        let views: Vec<View<'_>> =
            spec.containers.iter().map(|container| View::new(container, source, &scripts)).collect();
        let mut needs = Needs::default();
        let hinted = main_view(&views);
        for (at, view) in views.iter().enumerate() {
            let mut gathering = Gathering {
                reader: self,
                namespace,
                spec,
                view,
                drafts: Vec::new(),
                notes: Vec::new(),
                alternatives: needs.requirements.iter().filter_map(|r| r.alternative).max().unwrap_or(0),
            };
            gathering.gather(if hinted == Some(at) { &hints.needs } else { &[] }, hints.is_ci);
            gathering.force_ecosystems(&views, at, hinted);
            gathering.finish(&mut needs);
        }
        needs.notes.sort_unstable();
        needs.notes.dedup();
        needs
    }

    /// Whether the user's choice of ecosystems leaves this one in.
    fn wants(&self, ecosystem: Option<&Str>) -> bool {
        let (Some(chosen), Some(id)) = (&self.options.ecosystems, ecosystem) else { return true };
        // Whoever asks for images asks for every registry that the build talks to.
        let images = id.starts_with("reg_") && chosen.contains(&"reg_dockerhub");
        images || chosen.iter().any(|choice| *id == *choice)
    }

    /// What the user asks of a pod, short names completed as the pod's own resolver completes them.
    pub(super) fn asked_of(&self, spec: &PodSpec, namespace: &str) -> Vec<Requirement> {
        let mut asked = self.asked();
        for requirement in asked.iter_mut().filter(|r| r.endpoint.addresses == Addresses::Public) {
            if let Some(full) = self.cluster_host(&requirement.endpoint.host, spec, namespace) {
                requirement.why = format!("{} as `{}`", requirement.why, requirement.endpoint.host).into();
                requirement.endpoint.host = full.into();
            }
        }
        asked
    }

    /// Whether what the user asks of every subject means the same for each: no short name of a Service is among it.
    pub(super) fn asks_all_alike(&self) -> bool {
        let asked =
            self.options.endpoints.iter().chain(self.options.endpoint_sets.iter().flat_map(|set| &set.endpoints));
        let mut names =
            asked.filter(|e| e.addresses == Addresses::Public).map(|e| e.host.split('.').collect::<Vec<_>>());
        !names.any(|labels| match labels[..] {
            [name] => self.services().iter().any(|(_, known)| *known == name),
            [name, space] => self.services().contains(&(space, name)),
            _ => false,
        })
    }

    /// The Services by namespace and name.
    fn services(&self) -> &FxHashSet<(&'a str, &'a str)> {
        let services = &self.snapshot.services;
        let names = || services.iter().filter_map(|s| Some((s.meta.namespace.as_deref()?, s.meta.name.as_str())));
        self.services.get_or_init(|| names().collect())
    }

    /// The full name of a Service for a host that the pod's search list completes: `athens` and `athens.tools` are
    /// tried in the cluster first (resolv.conf of `ClusterFirst`: `<ns>.svc.<domain> svc.<domain> <domain>`, `ndots:5`).
    /// Without that list nothing is completed, and what the pod knows by `hostAliases` is not looked up.
    fn cluster_host(&self, host: &str, spec: &PodSpec, namespace: &str) -> Option<String> {
        let (name, space) = match host.split_once('.') {
            None => (host, namespace),
            Some((name, space)) if !space.contains('.') => (name, space),
            Some(_) => return None,
        };
        let aliased = || spec.host_aliases.iter().any(|alias| alias.hostnames.iter().any(|known| *known == host));
        let is_service = self.services().contains(&(space, name));
        (is_service && has_search_list(spec) && !aliased()).then(|| format!("{name}.{space}.svc"))
    }
}

/// Whether kubelet writes the cluster's search list into the pod's resolv.conf (`dnsPolicy`; on the host network
/// `ClusterFirst` means the node's own). What `None` lists is not kept.
fn has_search_list(spec: &PodSpec) -> bool {
    match spec.dns_policy.as_deref() {
        None | Some("ClusterFirst") => !spec.host_network,
        Some(policy) => policy == "ClusterFirstWithHostNet",
    }
}

/// The container that stands for the pod where only the pod as a whole is known: the first that is
/// not an init container.
fn main_view(views: &[View<'_>]) -> Option<usize> {
    views.iter().position(|view| !view.container.init).or_else(|| (!views.is_empty()).then_some(0))
}

/// Programs behind which the real commands are hidden: another tool's file, a script, or a shell
/// that waits for what a CI system sends.
const OPAQUE: &[&str] = &[
    "ash", "bash", "cat", "dash", "earthly", "just", "make", "ninja", "sh", "sleep", "source", "tail", "task", "tilt",
    "zsh", ".",
];

pub(super) fn is_opaque(command: &Command) -> bool {
    let program = command.program();
    OPAQUE.contains(&program)
        || program.starts_with("script-") // of Tekton, for another interpreter than a shell
        || [".sh", ".bash", ".py"].iter().any(|ending| program.ends_with(ending))
}

impl Gathering<'_, '_> {
    fn gather(&mut self, hints: &[&'static str], is_ci: bool) {
        let tables = tables();
        if self.view.variable("TEKTON_HERMETIC").is_some_and(|found| !matches!(found.text(), Some("0" | "false"))) {
            self.note("has no network: its task is hermetic");
            return;
        }
        let mut wanted: BTreeMap<&'static str, bool> = BTreeMap::new();
        let mut fetches = false;
        for command in &self.view.commands {
            if let Some(tool) = tables.command(command) {
                wanted.insert(tool.ecosystems, true);
            }
            if let Some(tool) = tables.package(command) {
                self.distribution(tool.ecosystems, &mut wanted);
            }
            fetches |=
                tables.command(command).is_some() || tables.package(command).is_some() || fetch::is_fetch(command);
        }
        if let Some(tool) = self.view.image.as_ref().and_then(|image| tables.image(image)) {
            let opaque = self.view.commands.is_empty() || is_ci || self.view.commands.iter().any(is_opaque);
            if !wanted.contains_key(tool.ecosystems) && (opaque || !fetches) {
                wanted.insert(tool.ecosystems, opaque);
                let image = self.view.container.image.as_deref().unwrap_or_default();
                self.note(&format!(
                    "shows no command that fetches; its image `{image}` tells what it is taken to need"
                ));
            }
        }
        let mut builders = self.builders();
        for hint in hints {
            match hint.strip_prefix("build:") {
                Some(builder) => builders.push(builder),
                None => _ = wanted.insert(hint, true),
            }
        }
        for need in self.rule_needs() {
            wanted.insert(need, true);
        }
        for (ecosystem, required) in wanted {
            self.ecosystem(ecosystem, required);
        }
        self.images(&builders);
        self.fetches();
    }

    /// Which of several ecosystems of system packages a command means: the image's distribution
    /// decides; if it is not known, each is possible.
    fn distribution(&self, candidates: &'static str, wanted: &mut BTreeMap<&'static str, bool>) {
        let known = self.view.image.as_ref().and_then(|image| tables().distribution(image));
        let candidates: Vec<&'static str> = candidates.split(' ').collect();
        match known.filter(|id| candidates.contains(id)) {
            Some(id) => _ = wanted.insert(id, true),
            None => {
                for id in &candidates {
                    wanted.entry(id).or_insert(candidates.len() == 1);
                }
            }
        }
    }

    /// Needs of the build system that the container's own signs tell: of an image, a variable, a name.
    fn rule_needs(&self) -> Vec<&'static str> {
        let tables = tables();
        let kind = if self.view.container.init { "init" } else { "container" };
        let images = tables.rules("image").iter().filter(|r| self.view.image.is_some_and(|image| image.is(r.pattern)));
        let names = tables.rules(kind).iter().filter(|r| super::pattern::glob(r.pattern, &self.view.container.name));
        let variables =
            tables.rules("env").iter().filter(|r| self.view.container.env.iter().any(|v| v.name == r.pattern));
        let needs = images.chain(names).chain(variables).map(|rule| rule.needs);
        needs.filter(|needs| !needs.is_empty() && !needs.starts_with("build:")).collect()
    }

    /// One ecosystem by its own logic.
    fn ecosystem(&mut self, id: &'static str, required: bool) {
        if let Some(set) = self.reader.options.endpoint_sets.iter().find(|set| set.replaces.contains(&id)) {
            for endpoint in &set.endpoints {
                let why = format!("EndpointSet {} stands for the public endpoints", set.name);
                self.push(endpoint.clone(), "https", id, required, why, None, None);
            }
            return;
        }
        match id {
            "go" => self.go(required),
            "node" => self.node(required),
            "python" => self.python(required),
            "ci_server" => self.ci_server(),
            _ if id.starts_with("reg_") => self.registry_rows(id, None, "docker", required, None),
            _ => self.rows(id, required, |_| true),
        }
    }

    /// Ecosystems that the user chose and that nothing in the pod asks for.
    fn force_ecosystems(&mut self, views: &[View<'_>], at: usize, main: Option<usize>) {
        let Some(chosen) = &self.reader.options.ecosystems else { return };
        for id in chosen {
            let natural = |view: &View<'_>| {
                view.commands.iter().any(|c| tables().command(c).is_some_and(|tool| tool.ecosystems == *id))
                    || view.image.is_some_and(|image| tables().image(&image).is_some_and(|tool| tool.ecosystems == *id))
            };
            let has = self.drafts.iter().any(|draft| draft.requirement.ecosystem.as_deref() == Some(id));
            // Its settings are where its tool is; a pod that shows no such tool is asked as a whole.
            let home = views.iter().position(natural).or(main);
            if home == Some(at) && !has {
                let before = self.drafts.len();
                self.ecosystem(id, true);
                if self.drafts.len() == before {
                    self.note(&format!("needs `{id}`, whose hosts only its own settings tell: --endpoint names them"));
                }
            }
        }
    }

    /// The rows of an ecosystem that count here.
    fn rows(&mut self, id: &'static str, required: bool, counts: impl Fn(&Row) -> bool) {
        let Some(ecosystem) = self.reader.catalogue.ecosystem(id) else { return };
        for row in ecosystem.endpoints.iter().filter(|row| counts(row)) {
            if self.applies(row) {
                self.row(row, id, required && row.need == Need::Required, &row.host);
            }
        }
    }

    /// Whether a row counts for this container.
    fn applies(&self, row: &Row) -> bool {
        let named = !row.host.contains(['*', '{']) && self.view.mentions(&row.host);
        let asked = match (row.need, &row.mentions) {
            (Need::Optional | Need::Legacy, _) => named,
            (_, Some(texts)) => named || texts.iter().any(|text| self.view.mentions(text)),
            (_, None) => true,
        };
        asked && !row.is_template()
    }

    /// A requirement of a row, its host filled in.
    fn row(&mut self, row: &Row, id: &'static str, required: bool, host: &str) {
        let addresses = self.reader.catalogue.addresses(host);
        let endpoint = Endpoint { host: host.into(), port: row.port, protocol: Protocol::Tcp, addresses };
        self.push(endpoint, &row.scheme, id, required, row.why(), None, Some(id.into()));
    }

    /// A requirement of a URL that the pod's own configuration names.
    fn url(
        &mut self,
        url: &Url,
        id: &'static str,
        required: bool,
        why: String,
        setting: Option<Setting>,
        redirected_by: Option<&str>,
    ) {
        if url.is_loopback() {
            return;
        }
        let Some(endpoint) = self.destination(url) else { return };
        self.push(endpoint, &url.scheme, id, required, why, setting, redirected_by.map(Into::into));
        if let Some(draft) = self.drafts.last_mut() {
            draft.written = url.host.as_str().into();
        }
    }

    /// The endpoint of a URL.
    fn destination(&self, url: &Url) -> Option<Endpoint> {
        let host = self.reader.cluster_host(&url.host, self.spec, self.namespace).unwrap_or_else(|| url.host.clone());
        endpoint(&host, url.port, Protocol::Tcp, self.reader.catalogue)
    }

    #[allow(clippy::too_many_arguments)] // the fields of a draft, each once
    fn push(
        &mut self,
        endpoint: Endpoint,
        scheme: &str,
        id: &str,
        required: bool,
        why: impl Into<Str>,
        setting: Option<Setting>,
        redirected_by: Option<Str>,
    ) {
        let requirement = Requirement {
            endpoint,
            ecosystem: Some(id.into()),
            required,
            why: why.into(),
            alternative: None,
            setting,
            doubt: None,
            speaks: Speaks::of_scheme(scheme),
            containers: Few::one(self.view.container.name.clone()),
        };
        let written = requirement.endpoint.host.clone();
        self.drafts.push(Draft { requirement, scheme: scheme.to_owned(), written, redirected_by });
    }

    fn note(&mut self, what: &str) {
        self.notes.push(format!("container `{}` {what}", self.view.container.name));
    }

    /// Applies the settings that redirect what was gathered, and hands it over.
    fn finish(mut self, needs: &mut Needs) {
        self.drafts.retain(|draft| self.reader.wants(draft.requirement.ecosystem.as_ref()));
        self.settings();
        needs.notes.append(&mut self.notes);
        merge(&mut needs.requirements, self.drafts.into_iter().map(|draft| draft.requirement).collect());
    }
}

/// Adds requirements to others; what is there already is not repeated. A certain and a doubtful
/// requirement of one endpoint stay apart, for both must be met.
pub(super) fn merge(into: &mut Vec<Requirement>, mut more: Vec<Requirement>) {
    let group = |list: &[Requirement], number: u32| -> Vec<(Endpoint, bool)> {
        let members = list.iter().filter(|r| r.alternative == Some(number));
        members.map(|r| (r.endpoint.clone(), r.doubt.is_some())).collect()
    };
    let mut numbers: Vec<u32> = more.iter().filter_map(|r| r.alternative).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let used = into.iter().filter_map(|r| r.alternative).max().unwrap_or(0);
    let mut fresh = used;
    let mut renamed = BTreeMap::new();
    for number in numbers {
        let members = group(&more, number);
        if let Some(known) = (1..=used).find(|known| group(into, *known) == members) {
            let theirs: Vec<Few<Str>> =
                more.iter().filter(|r| r.alternative == Some(number)).map(|r| r.containers.clone()).collect();
            for (own, theirs) in into.iter_mut().filter(|r| r.alternative == Some(known)).zip(theirs) {
                own.containers = both(&own.containers, &theirs);
            }
            more.retain(|r| r.alternative != Some(number));
        } else {
            fresh += 1;
            renamed.insert(number, fresh);
        }
    }
    for mut requirement in more {
        if let Some(number) = requirement.alternative {
            requirement.alternative = renamed.get(&number).copied();
            into.push(requirement);
            continue;
        }
        let twin = into.iter_mut().find(|known| {
            known.alternative.is_none()
                && known.endpoint == requirement.endpoint
                && known.ecosystem == requirement.ecosystem
                && known.doubt.is_some() == requirement.doubt.is_some()
                && known.speaks == requirement.speaks
        });
        match twin {
            Some(known) => {
                let containers = both(&known.containers, &requirement.containers);
                if requirement.required && !known.required {
                    *known = requirement;
                }
                known.containers = containers;
            }
            None => into.push(requirement),
        }
    }
}

/// The containers of two requirements that become one.
fn both(a: &Few<Str>, b: &Few<Str>) -> Few<Str> {
    let mut all: Vec<Str> = a.iter().chain(b.iter()).cloned().collect();
    all.sort_unstable();
    all.dedup();
    all.into()
}

#[cfg(test)]
mod tests;
