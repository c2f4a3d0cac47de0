//! Signs that a pod builds, and how they add up.

use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::image::Image;
use super::memory::Kept;
use super::pattern::glob;
use super::shell::{self, Command, Scripts};
use super::tables::{self, Rule, tables};
use crate::model::object::{Container, EnvValue, PodSpec};
use crate::model::{Labels, List, Str};

/// From this score on a pod counts as a build.
pub(super) const THRESHOLD: f64 = 0.5;

/// The label that says what detection cannot know: `"true"` makes a pod or template a build
/// subject, `"false"` takes it out.
pub(super) const OPT_IN: &str = "buildreach.dev/build";

/// Sockets of container runtimes: who mounts one has the node build.
const SOCKETS: &[&str] = &["docker.sock", "containerd.sock", "podman.sock", "crio.sock", "buildkitd.sock"];

const TOOL_IMAGE: f64 = 0.4;
const TOOL_COMMAND: f64 = 0.7;
const PACKAGE_COMMAND: f64 = 0.4;
const VARIABLE: f64 = 0.3;
const SOCKET: f64 = 0.3;
const GIT_CLONE: f64 = 0.3;

/// One sign.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Hit {
    /// The build system that it belongs to; `None` for general signs.
    pub(super) system: Option<&'static str>,
    /// Signs of one system and class are one sign: only the strongest counts.
    class: &'static str,
    pub(super) weight: f64,
    what: Str,
    /// Ecosystems, or `build:…`; empty if it tells nothing about needs.
    pub(super) needs: &'static str,
}

impl Hit {
    fn of(rule: &Rule, what: impl Into<Str>) -> Self {
        let what = what.into();
        Self { system: Some(rule.system), class: rule.kind, weight: rule.weight, what, needs: rule.needs }
    }

    fn general(class: &'static str, weight: f64, what: impl Into<Str>) -> Self {
        Self { system: None, class, weight, what: what.into(), needs: "" }
    }
}

/// Noisy-or over the strongest sign of each system and class.
pub(super) fn score(hits: &[Hit]) -> f64 {
    1.0 - strongest(hits).map(|hit| 1.0 - hit.weight).product::<f64>()
}

/// The build system with the strongest sign; of equals the first.
pub(super) fn system(hits: &[Hit]) -> Option<&'static str> {
    let mut best: Option<(&'static str, f64)> = None;
    for hit in hits {
        if let Some(system) = hit.system
            && best.is_none_or(|(_, weight)| hit.weight > weight)
        {
            best = Some((system, hit.weight));
        }
    }
    best.map(|(system, _)| system)
}

/// The signs as they are reported, strongest first.
fn reported(hits: &[Hit]) -> Vec<&Hit> {
    let mut reported: Vec<_> = strongest(hits).collect();
    reported.sort_by(|a, b| b.weight.total_cmp(&a.weight).then_with(|| a.what.cmp(&b.what)));
    reported
}

/// What was seen: ``label `tekton.dev/taskRun` ``.
pub(super) fn seen(hits: &[Hit]) -> Vec<String> {
    reported(hits).into_iter().map(|hit| hit.what.to_string()).collect()
}

/// The same with weights; some signs only tell something about the pod.
pub(super) fn shown(hits: &[Hit]) -> Vec<String> {
    let shown = |Hit { what, weight, .. }: &Hit| {
        if *weight > 0.0 { format!("{what} ({:.0} %)", weight * 100.0) } else { what.to_string() }
    };
    reported(hits).into_iter().map(shown).collect()
}

fn strongest(hits: &[Hit]) -> impl Iterator<Item = &Hit> {
    hits.iter().enumerate().filter_map(|(at, hit)| {
        let rival = |other: &Hit| other.system == hit.system && other.class == hit.class;
        let beaten = hits[..at].iter().any(|other| rival(other) && other.weight >= hit.weight)
            || hits[at + 1..].iter().any(|other| rival(other) && other.weight > hit.weight);
        (!beaten).then_some(hit)
    })
}

/// Signs in specifications, each read once however many pods share it.
#[derive(Debug, Default)]
pub(super) struct SpecSigns {
    known: Kept<(), Arc<[Hit]>>,
    images: FxHashMap<Str, Arc<[Hit]>>,
}

impl SpecSigns {
    /// The signs of a specification.
    pub(super) fn of(&mut self, spec: &Arc<PodSpec>) -> Arc<[Hit]> {
        if let Some(known) = self.known.get(spec, ()) {
            return Arc::clone(known);
        }
        let hits: Arc<[Hit]> = self.read(spec).into();
        self.known.insert(spec, (), Arc::clone(&hits));
        hits
    }

    /// What is asked about from now on is kept at the next [`keep`](Self::keep).
    pub(super) fn begin(&mut self) {
        self.known.begin();
    }

    /// Forgets specifications that nobody asked about since the last begin.
    pub(super) fn keep(&mut self) {
        self.known.keep();
    }

    /// How many specifications are held.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// Forgets what only the demand that ends needed.
    pub(super) fn end(&mut self) {
        self.images.clear();
    }

    fn read(&mut self, spec: &PodSpec) -> Vec<Hit> {
        let scripts = shell::scripts(spec);
        let mut hits = Vec::new();
        for container in &spec.containers {
            if let Some(reference) = &container.image {
                if !self.images.contains_key(reference) {
                    self.images.insert(reference.clone(), image_hits(reference).into());
                }
                hits.extend(self.images[reference].iter().cloned());
            }
            container_hits(container, &scripts, &mut hits);
        }
        for path in spec.host_paths.iter().filter(|path| is_runtime_socket(path)) {
            let what = format!("mounts `{path}`: what it asks of that runtime, the node fetches");
            hits.push(Hit::general("socket", SOCKET, what));
        }
        if spec.host_network && !hits.is_empty() {
            hits.push(Hit::general("host-network", 0.0, "hostNetwork: its traffic is the node's"));
        }
        hits
    }
}

/// Signs in labels. Which keys can be signs is found once for each list of keys, of which many pods share one.
#[derive(Debug, Default)]
pub(super) struct LabelSigns<'a> {
    telling: FxHashMap<*const Str, (&'a List<Str>, List<usize>)>,
}

impl<'a> LabelSigns<'a> {
    /// Adds the signs in labels.
    pub(super) fn hits(&mut self, labels: &'a Labels, hits: &mut Vec<Hit>) {
        let keys = labels.keys();
        let find = || {
            let telling = keys.iter().enumerate().filter(|(_, key)| can_tell(key));
            (keys, telling.map(|(at, _)| at).collect())
        };
        let (_, telling) = self.telling.entry(keys.as_ptr()).or_insert_with(find);
        for at in telling.iter() {
            label_hits(&keys[*at], &labels.values()[*at], hits);
        }
    }
}

/// Whether a label of this key can be a sign.
fn can_tell(key: &str) -> bool {
    key == OPT_IN
        || tables().has_label(key)
        || tables().rules("labels").iter().any(|rule| key.starts_with(rule.pattern))
}

fn label_hits(key: &Str, value: &Str, hits: &mut Vec<Hit>) {
    for rule in tables().label(key, value) {
        let shown = rule.pattern.split_once('=').map_or_else(|| key.to_string(), |_| format!("{key}={value}"));
        hits.push(Hit::of(rule, format!("label `{shown}`")));
    }
    for rule in tables().rules("labels").iter().filter(|rule| key.starts_with(rule.pattern)) {
        hits.push(Hit::of(rule, format!("label `{key}`")));
    }
    if key == OPT_IN && value == "true" {
        hits.push(opted_in());
    }
}

/// The sign that the opt-in label is.
pub(super) fn opted_in() -> Hit {
    Hit::general("opt-in", 1.0, format!("label `{OPT_IN}`"))
}

/// Signs in the name of a pod.
pub(super) fn name_hits(name: &str, hits: &mut Vec<Hit>) {
    for rule in tables().rules("pod").iter().filter(|rule| glob(rule.pattern, name)) {
        hits.push(Hit::of(rule, format!("pod name `{}`", rule.pattern)));
    }
}

/// Whether a specification hands builds to the node's container runtime.
pub(super) fn mounts_runtime_socket(spec: &PodSpec) -> bool {
    spec.host_paths.iter().any(|path| is_runtime_socket(path))
}

fn is_runtime_socket(path: &str) -> bool {
    SOCKETS.iter().any(|socket| path.ends_with(socket))
}

fn image_hits(reference: &str) -> Vec<Hit> {
    let Some(image) = Image::parse(reference) else { return Vec::new() };
    let what = format!("image `{reference}`");
    let rules = tables().rules("image").iter().filter(|rule| image.is(rule.pattern));
    let mut hits: Vec<Hit> = rules.map(|rule| Hit::of(rule, what.clone())).collect();
    if tables().image(&image).is_some() {
        hits.push(Hit::general("image", TOOL_IMAGE, what));
    }
    hits
}

fn container_hits(container: &Container, scripts: &Scripts, hits: &mut Vec<Hit>) {
    let tables = tables();
    let kind = if container.init { "init" } else { "container" };
    for rule in tables.rules(kind).iter().filter(|rule| glob(rule.pattern, &container.name)) {
        hits.push(Hit::of(rule, format!("{kind} `{}`", container.name)));
    }
    if let Some(program) = container.command.first() {
        for rule in tables.rules("program").iter().filter(|rule| **program == *rule.pattern) {
            hits.push(Hit::of(rule, format!("program `{program}`")));
        }
    }
    for command in shell::commands(container, scripts) {
        command_hits(&command, container.init, hits);
    }
    for variable in &container.env {
        for rule in tables.rules("env").iter().filter(|rule| variable.name == rule.pattern) {
            hits.push(Hit::of(rule, format!("variable `{}`", variable.name)));
        }
        let is_empty = matches!(&variable.value, EnvValue::Text(text) if text.is_empty());
        let redirects = tables.variable(&variable.name).is_some()
            || tables::PROXIES.iter().chain(tables::HTTP_PROXIES).any(|name| variable.name == *name);
        if redirects && !is_empty {
            hits.push(Hit::general("variable", VARIABLE, format!("variable `{}`", variable.name)));
        }
    }
}

fn command_hits(command: &Command, init: bool, hits: &mut Vec<Hit>) {
    let tables = tables();
    // The pattern, not the words: arguments may hold what no report should.
    for rule in tables.command_rules(command) {
        hits.push(Hit::of(rule, format!("command `{}`", rule.pattern)));
    }
    if let Some(tool) = tables.command(command) {
        hits.push(Hit::general("command", TOOL_COMMAND, format!("command `{}`", tool.pattern)));
    }
    if let Some(tool) = tables.package(command) {
        hits.push(Hit::general("package", PACKAGE_COMMAND, format!("command `{}`", tool.pattern)));
    }
    if init && command.is("git clone") {
        hits.push(Hit::general("clone", GIT_CLONE, "init command `git clone`"));
    }
}

/// What detection looks at, for the message that it found nothing.
pub(super) fn looked_for() -> Vec<String> {
    let images: Vec<_> = tables().tools("image").iter().map(|tool| tool.pattern).filter(|p| !p.contains('/')).collect();
    let mut programs: Vec<_> =
        tables().tools("command").iter().filter_map(|tool| tool.pattern.split(' ').next()).collect();
    programs.dedup();
    vec![
        format!("labels, images, containers and variables of {}", tables::Tables::systems().join(", ")),
        format!("images of toolchains: {} and the like", images.join(", ")),
        format!("commands that fetch: {} and the like", programs.join(", ")),
        "variables that name a proxy or a registry: GOPROXY, npm_config_registry, PIP_INDEX_URL, HTTPS_PROXY and the like"
            .to_owned(),
        "mounted sockets of a container runtime, and init containers that clone a repository".to_owned(),
        format!("the label {OPT_IN}: \"true\" on a pod or a pod template"),
    ]
}
