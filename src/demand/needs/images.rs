//! Image builders: what they pull and push, and where the daemon is that does it.

use std::collections::BTreeSet;

use crate::demand::catalogue::{Need, Row};
use crate::demand::image::{DOCKER_HUB, Image};
use crate::demand::pattern::{fill, glob, template};
use crate::demand::shell::Command;
use crate::demand::signal;
use crate::demand::tables::tables;
use crate::demand::url::Url;
use crate::model::Str;

use super::Gathering;

/// Flags whose value is an image that is pulled or pushed.
const IMAGE_FLAGS: &[&str] = &[
    "--cache-from",
    "--cache-repo",
    "--cache-to",
    "--destination",
    "--export-cache",
    "--import-cache",
    "--output",
    "-d",
];

/// Flags that only name the result; it is pushed if the command says so too.
const TAG_FLAGS: &[&str] = &["--tag", "-t"];

/// Flags with which a build pushes its result.
const PUSH_FLAGS: &[&str] = &["--publish", "--push", "--push=true"];

/// Commands whose words are images, by program and first word.
const IMAGE_COMMANDS: &[(&str, &[&str])] = &[
    ("buildah", &["from", "pull", "push"]),
    ("crane", &["copy", "cp", "digest", "export", "manifest", "mutate", "pull", "push", "rebase", "tag"]),
    ("docker", &["pull", "push", "run"]),
    ("nerdctl", &["pull", "push", "run"]),
    ("podman", &["pull", "push", "run"]),
    ("skopeo", &["copy", "inspect", "sync"]),
];

/// Programs whose flags name images.
const BUILDERS: &[&str] = &[
    "buildah",
    "buildctl",
    "buildctl-daemonless.sh",
    "crane",
    "docker",
    "executor",
    "img",
    "nerdctl",
    "pack",
    "podman",
    "skopeo",
];

/// Builds whose base images stand in a Dockerfile, which is not read.
const BUILDS: &[&str] = &["buildctl-daemonless.sh", "buildkitd", "dockerd", "dockerd-entrypoint.sh"];

impl Gathering<'_, '_> {
    /// The builders (`kaniko`, `buildkit`, …) that the container is, by its image, name, program and commands.
    pub(super) fn builders(&self) -> Vec<&'static str> {
        let tables = tables();
        let kind = if self.view.container.init { "init" } else { "container" };
        let mut builders: Vec<&'static str> = Vec::new();
        let mut add = |needs: &'static str| builders.extend(needs.strip_prefix("build:"));
        for rule in tables.rules("image") {
            if self.view.image.is_some_and(|image| image.is(rule.pattern)) {
                add(rule.needs);
            }
        }
        for rule in tables.rules(kind).iter().filter(|rule| glob(rule.pattern, &self.view.container.name)) {
            add(rule.needs);
        }
        for rule in tables.rules("program") {
            if self.view.container.command.first().is_some_and(|program| *program == rule.pattern) {
                add(rule.needs);
            }
        }
        for rule in self.view.commands.iter().flat_map(|command| tables.command_rules(command)) {
            add(rule.needs);
        }
        builders
    }

    /// What the builders of the container pull and push.
    pub(super) fn images(&mut self, builders: &[&'static str]) {
        if builders.is_empty() {
            return;
        }
        let is = |name: &str| builders.contains(&name);
        let flow = if is("kaniko") || is("ggcr") { "ggcr" } else { "docker" };
        let daemon_is_elsewhere = is("client") && !(is("docker") || is("buildkit")) && self.remote_daemon();
        if daemon_is_elsewhere {
            return;
        }
        let mut named = BTreeSet::new();
        let mut unreadable = BTreeSet::new();
        for command in &self.view.commands {
            for reference in references(command) {
                match Image::parse(&reference) {
                    Some(image) => _ = named.insert(image.registry.to_owned()),
                    None => _ = unreadable.insert(reference),
                }
            }
        }
        if let Some(repository) = self.view.variable("KO_DOCKER_REPO").as_ref().and_then(super::view::Found::text)
            && is("ggcr")
        {
            named.extend(Image::parse(repository).map(|image| image.registry.to_owned()));
        }
        for registry in &named {
            self.registry(registry, flow, true, None);
        }
        if !unreadable.is_empty() {
            let list = unreadable.into_iter().collect::<Vec<_>>().join(", ");
            self.note(&format!("names images whose registry is not known here: {list}"));
        }
        if is("kaniko") {
            self.kaniko_context();
            let says =
                |flag: &str| self.view.commands.iter().any(|c| c.words.iter().any(|word| word.starts_with(flag)));
            if !says("--destination") && !says("-d") && !says("--no-push") {
                self.note("pushes to a registry that is not known here");
            }
        }
        // A plain copy of images, or a pull by name, has no base image.
        let builds = is("kaniko")
            || self.view.commands.is_empty()
            || self.view.commands.iter().any(is_build)
            || is("buildkit")
            || is("docker");
        if builds {
            self.note("builds images: base images and what `RUN` steps fetch stand in a Dockerfile, which is not read");
            if !named.contains(DOCKER_HUB) {
                let assumed = "assumed: base images come from Docker Hub, for the Dockerfile is not read";
                self.registry(DOCKER_HUB, flow, true, Some(assumed));
            }
        }
    }

    /// Where a client of a build daemon sends its work. False if the daemon is in the same pod.
    fn remote_daemon(&mut self) -> bool {
        if signal::mounts_runtime_socket(self.spec) {
            self.note("has the node's container runtime build: what it pulls and pushes, the node fetches");
            return true;
        }
        let flags = ["--addr", "--host", "-H"];
        let of_commands =
            self.view.commands.iter().flat_map(|command| flags.iter().flat_map(|flag| command.flag(flag)));
        let addresses: Vec<(String, Option<crate::demand::Setting>)> = ["DOCKER_HOST", "BUILDKIT_HOST"]
            .iter()
            .filter_map(|name| self.view.variable(name))
            .filter_map(|found| Some((found.text()?.to_owned(), Some(found.setting.clone()))))
            .chain(of_commands.map(|address| (address.to_owned(), None)))
            .collect();
        let has_daemon = self.spec.containers.iter().any(|container| {
            container.image.as_deref().and_then(Image::parse).is_some_and(|image| {
                let builds = |needs: &str| matches!(needs, "build:docker" | "build:buildkit");
                tables().rules("image").iter().any(|rule| builds(rule.needs) && image.is(rule.pattern))
            })
        });
        for (address, setting) in addresses {
            if let Some(url) = Url::parse(&address).filter(|url| !url.is_loopback()) {
                self.url(&url, "builder", true, "build daemon that does the work".to_owned(), setting, None);
                return true;
            }
        }
        if !has_daemon {
            self.note(
                "asks a build daemon whose place is not known here: what that pulls and pushes is not among its needs",
            );
        }
        !has_daemon
    }

    /// kaniko's build context, where it is fetched.
    fn kaniko_context(&mut self) {
        let contexts: Vec<String> = self
            .view
            .commands
            .iter()
            .flat_map(|c| c.flag("--context").chain(c.flag("-c")))
            .map(ToOwned::to_owned)
            .collect();
        for context in contexts {
            let url = match context.split_once("://") {
                // kaniko fetches git contexts over https unless GIT_PULL_METHOD says http.
                Some(("git", rest)) => Url::parse(&format!("https://{rest}")),
                Some(("gs", _)) => Url::parse("https://storage.googleapis.com"),
                Some(("https", _)) => Url::parse(&context),
                Some(("s3", _)) => {
                    self.note("fetches its build context from S3: the bucket's region and endpoint are not known here");
                    None
                }
                _ => None,
            };
            if let Some(url) = url {
                self.url(&url, "download", true, "build context".to_owned(), None, None);
            }
        }
    }

    /// The closure of one registry, as an image reference names it.
    pub(super) fn registry(&mut self, host: &str, flow: &'static str, required: bool, assumed: Option<&str>) {
        if let Some(id) = tables().registry(host) {
            self.registry_rows(id, Some(host), flow, required, assumed);
        } else if let Some((name, port)) = Url::authority(host) {
            let url = Url { scheme: "https".to_owned(), host: name, port: port.unwrap_or(443) };
            self.url(
                &url,
                "reg_private",
                required,
                "registry that the build names".to_owned(),
                None,
                Some("reg_private"),
            );
        }
    }

    /// The rows of a registry, for the host that an image names or for all of it.
    pub(super) fn registry_rows(
        &mut self,
        id: &'static str,
        host: Option<&str>,
        flow: &str,
        required: bool,
        assumed: Option<&str>,
    ) {
        let Some(ecosystem) = self.reader.catalogue.ecosystem(id) else { return };
        for row in &ecosystem.endpoints {
            let (counts, is_named, filled) = self.registry_row(row, host);
            let other_flow = row.flow.as_deref().is_some_and(|known| known != flow);
            if !counts || other_flow {
                continue;
            }
            let own_flow = row.flow.as_deref() == Some(flow);
            let needed = row.need == Need::Required || own_flow || (is_named && row.kind == "index");
            self.row(row, id, required && needed, &filled);
            if let (Some(assumed), Some(draft)) = (assumed, self.drafts.last_mut()) {
                draft.requirement.why = format!("{}; {assumed}", draft.requirement.why).into();
            }
        }
    }

    /// Whether a row counts for a registry host, whether that host called for it by name, and the
    /// row's host with what the name tells filled in.
    fn registry_row(&self, row: &Row, host: Option<&str>) -> (bool, bool, String) {
        let Some(host) = host else {
            // All of a registry: by the hosts that are whole names.
            let whole = |list: &Vec<Str>| list.iter().find(|name| !name.contains(['*', '{'])).cloned();
            return match (&row.serves, &*row.host) {
                (Some(serves), "{image_host}") => {
                    whole(serves).map_or((false, false, String::new()), |name| (true, true, name.to_string()))
                }
                (serves, _) => {
                    let counts = self.applies(row) && serves.as_ref().is_none_or(|list| list.contains(&row.host));
                    (counts, false, row.host.to_string())
                }
            };
        };
        let Some(serves) = &row.serves else { return (self.applies(row), false, row.host.to_string()) };
        let parts = serves.iter().find_map(|pattern| template(pattern, host));
        let Some(mut parts) = parts else { return (false, false, row.host.to_string()) };
        parts.insert("image_host", host);
        let filled = fill(&row.host, &parts);
        let is_old = matches!(row.need, Need::Legacy | Need::Optional) && filled != host;
        (!filled.contains('{') && !is_old, true, filled)
    }
}

/// Whether a command builds from a Dockerfile or starts a daemon that does.
fn is_build(command: &Command) -> bool {
    let words = [
        "buildah bud",
        "buildah build",
        "docker build",
        "docker buildx",
        "docker compose",
        "nerdctl build",
        "podman build",
        "buildctl build",
    ];
    words.iter().any(|pattern| command.is(pattern)) || BUILDS.contains(&command.program())
}

/// The images that a command names, as they are written, transports removed.
fn references(command: &Command) -> Vec<String> {
    // Arguments alone belong to the image's own program.
    let program = command.program();
    if !program.starts_with('-') && !BUILDERS.contains(&program) {
        return Vec::new();
    }
    let has = |flags: &[&str]| command.words.iter().any(|word| flags.contains(&word.as_str()));
    let mut flags = IMAGE_FLAGS.to_vec();
    if has(&["--no-push", "--no-push=true"]) {
        flags.retain(|flag| !matches!(*flag, "--destination" | "-d"));
    }
    if has(PUSH_FLAGS) {
        flags.extend(TAG_FLAGS);
    }
    let mut found: Vec<String> = Vec::new();
    for value in flags.iter().flat_map(|flag| command.flag(flag)) {
        let parts: Vec<&str> = value.split(',').collect();
        let named =
            |part: &&str| part.strip_prefix("name=").or_else(|| part.strip_prefix("ref=")).map(ToOwned::to_owned);
        if !value.contains('=') {
            found.push(value.to_owned());
        } else if parts.iter().any(|part| matches!(*part, "push=true" | "type=registry")) {
            found.extend(parts.iter().filter_map(named));
        }
    }
    let actions = IMAGE_COMMANDS.iter().find(|(known, _)| *known == program).map_or(&[] as &[_], |(_, a)| *a);
    if let Some(at) = command.words.iter().position(|word| actions.contains(&word.as_str())) {
        let images = command.words[at + 1..].iter().filter(|word| !word.starts_with('-'));
        // After `run` stand values of flags too; what looks like no image is none.
        let runs = command.words[at] == "run";
        found.extend(images.filter(|word| !runs || word.contains(['/', ':', '.'])).take(2).cloned());
    }
    found
        .into_iter()
        .map(|reference| reference.strip_prefix("docker://").map_or(reference.clone(), ToOwned::to_owned))
        // A file, a folder, or another transport.
        .filter(|reference| {
            !reference.contains("://") && !reference.starts_with(['.', '/']) && !is_transport(reference)
        })
        .collect()
}

fn is_transport(reference: &str) -> bool {
    ["containers-storage:", "dir:", "docker-archive:", "docker-daemon:", "oci:", "oci-archive:"]
        .iter()
        .any(|t| reference.starts_with(t))
}
