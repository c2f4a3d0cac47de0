//! containerd: `config.toml` and the folders that its `config_path` names.

use super::certs_d::{self, Program};
use super::hosts::{self, Host, HostsFile};
use super::legacy;
use super::lines::Document;
use super::reading::{At, CaFile, Reading, absolute, folder};
use crate::model::Str;
use crate::model::codes;
use crate::model::trust::{RegistryHost, RegistryTrust};

/// The configuration file of a plain installation.
const CONFIG: &str = "/etc/containerd/config.toml";

/// Where Talos has its own.
const TALOS_CONFIG: &str = "/etc/cri/containerd.toml";

/// `config_path` where none is set, from 2.2.0 on (containerd, `docs/cri/config.md`); before it is empty.
const DEFAULT_CONFIG_PATH: &str = "/etc/containerd/certs.d:/etc/docker/certs.d";

/// The folder of registries that people fill, whether it is read or not.
const USUAL_FOLDER: &str = "/etc/containerd/certs.d";

/// What is known about the version of a containerd.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Version {
    /// The earliest that it may be, as (major, minor).
    from: Option<(u32, u32)>,
    /// The latest.
    to: Option<(u32, u32)>,
}

impl Version {
    /// From `containerd://1.7.27`, which kubelets report; nothing is known from anything else.
    pub(super) fn reported(text: Option<&str>) -> Self {
        let known = text.and_then(|text| {
            let mut parts = text.strip_prefix("containerd://")?.trim_start_matches('v').split(['.', '-', '+']);
            Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
        });
        Self { from: known, to: known }
    }

    /// Whether it is at least this one; `None` where that is not known.
    pub(super) fn is_from(self, major: u32, minor: u32) -> Option<bool> {
        if self.from.is_some_and(|from| from >= (major, minor)) {
            return Some(true);
        }
        self.to.filter(|to| *to < (major, minor)).map(|_| false)
    }

    /// A configuration of version 3 is read from 2.0 on; before, containerd does not start with it.
    fn at_least_two(self) -> Self {
        Self { from: self.from.max(Some((2, 0))), ..self }
    }
}

/// One containerd: a node's own, or one that a distribution brings along.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instance<'a> {
    /// As in [`RegistryTrust::runtime`].
    pub(super) name: &'a str,
    pub(super) config: &'a str,
    pub(super) version: Version,
}

/// Reads what containerd does on this node.
pub(super) fn read(reading: &mut Reading<'_>) {
    let version = Version::reported(reading.about.container_runtime.as_deref());
    let is_reported = reading.about.container_runtime.as_deref().is_some_and(|text| text.starts_with("containerd://"));
    if reading.files.text(TALOS_CONFIG).is_some() {
        return instance(reading, Instance { name: "talos", config: TALOS_CONFIG, version });
    }
    // k3s and RKE2 bring their own, and its version is then the one that the kubelet reports.
    let is_rancher = reading.files.is_directory("/var/lib/rancher");
    let is_there = reading.files.text(CONFIG).is_some() || reading.files.is_directory("/etc/containerd");
    if is_there || (is_reported && !is_rancher) {
        let version = if is_rancher { Version::default() } else { version };
        instance(reading, Instance { name: "containerd", config: CONFIG, version });
    }
}

/// The tables of the registry configuration, in the files that hold them.
#[derive(Debug, Default)]
pub(super) struct Settings {
    config_path: Option<String>,
    /// Why the value may be another one.
    doubt: Option<Str>,
    at: Option<(String, u32)>,
    version: Version,
}

/// The plugin whose `registry` table counts, in each version of the configuration format.
const PLUGINS: [&str; 3] = ["cri", "io.containerd.grpc.v1.cri", "io.containerd.cri.v1.images"];

/// Reads one containerd.
pub(super) fn instance(reading: &mut Reading<'_>, instance: Instance<'_>) {
    let Some(documents) = documents(reading, instance.config) else {
        return reading.unknown_registries(
            instance.name,
            instance.config,
            "not read, and it may hold for any registry",
        );
    };
    let mut settings = settings(&documents.read, instance);
    if settings.config_path.is_none() {
        settings.config_path = reading.about.config_path.as_deref().map(str::to_owned);
    }
    settings.doubt = settings.doubt.or(documents.missing);
    let instance = Instance { version: settings.version, ..instance };
    let mut conflict = None;
    for (path, document) in &documents.read {
        conflict = legacy::read(reading, document, path, instance, &settings).or(conflict);
    }
    match settings.path() {
        Ok(roots) => {
            let roots: Vec<&str> = roots.split(':').filter(|root| !root.is_empty()).collect();
            folders(reading, instance, &roots, settings.doubt.as_ref());
            if roots.is_empty() {
                not_read(reading, instance, &settings, true);
            }
        }
        Err(doubt) => {
            folders(reading, instance, &DEFAULT_CONFIG_PATH.split(':').collect::<Vec<_>>(), Some(&doubt));
            not_read(reading, instance, &settings, false);
        }
    }
    if let Some(why) = conflict {
        let own = reading.registries.iter_mut().filter(|registry| *registry.runtime == *instance.name);
        own.for_each(|registry| registry.error = Some(why.clone()));
    }
}

/// `certs.d` is there and nobody reads it.
fn not_read(reading: &mut Reading<'_>, instance: Instance<'_>, settings: &Settings, is_sure: bool) {
    let names = reading.files.names(USUAL_FOLDER).unwrap_or_default();
    if names.is_empty() || instance.name != "containerd" {
        return;
    }
    let (file, line) = settings.at.clone().unwrap_or_else(|| (instance.config.to_owned(), 0));
    let message = if is_sure {
        format!("config_path is not set, so {} does not read {USUAL_FOLDER} at all", instance.name)
    } else {
        format!("config_path is not set: before containerd 2.2 nothing below {USUAL_FOLDER} is read")
    };
    reading.note(codes::TLS_CONFIG_PATH_UNSET, At(&file, line), None, message);
}

impl Settings {
    /// `config_path` as it counts.
    ///
    /// # Errors
    ///
    /// Why that is not known.
    fn path(&self) -> Result<&str, Str> {
        if let Some(path) = &self.config_path {
            return Ok(path);
        }
        match self.version.is_from(2, 2) {
            Some(true) => Ok(DEFAULT_CONFIG_PATH),
            Some(false) => Ok(""),
            None => Err("config_path is not set, and whether it has a default depends on containerd's version".into()),
        }
    }

    /// Whether a folder of registries is configured.
    pub(super) fn has_path(&self) -> bool {
        self.config_path.as_deref().is_some_and(|path| !path.is_empty())
    }
}

/// Files of configuration.
struct Documents<'f> {
    read: Vec<(String, Document<'f>)>,
    /// Why others may overrule them.
    missing: Option<Str>,
}

/// The configuration and what it imports, in the order in which later ones overrule; `None`: it is not known.
fn documents<'f>(reading: &mut Reading<'f>, config: &str) -> Option<Documents<'f>> {
    let main = reading.toml(config);
    if main.is_none() && !reading.files.is_absent(config) {
        return None;
    }
    let mut documents = Documents { read: Vec::new(), missing: None };
    let Some(main) = main else { return Some(documents) };
    let mut imported = Vec::new();
    if let Some(imports) = main.get("imports") {
        for pattern in imports.items().filter_map(super::lines::Node::str) {
            imported.extend(matching(reading, &absolute(folder(config), pattern)));
        }
    }
    documents.read.push((config.to_owned(), main));
    for path in imported {
        match reading.toml(&path) {
            Some(document) => documents.read.push((path, document)),
            None if reading.files.is_absent(&path) => {}
            None => documents.missing = Some(format!("{path}, which {config} imports, was not read").into()),
        }
    }
    Some(documents)
}

/// The files that a pattern with `*` in its last part names.
fn matching(reading: &mut Reading<'_>, pattern: &str) -> Vec<String> {
    let (folder, name) = pattern.rsplit_once('/').unwrap_or(("", pattern));
    let Some((before, after)) = name.split_once('*') else { return vec![pattern.to_owned()] };
    if reading.files.is_unknown(folder) {
        return vec![pattern.to_owned()];
    }
    let names = reading.files.names(folder).unwrap_or_default();
    let fits =
        |name: &&str| name.len() >= before.len() + after.len() && name.starts_with(before) && name.ends_with(after);
    names.into_iter().filter(fits).map(|name| format!("{folder}/{name}")).collect()
}

fn settings(documents: &[(String, Document<'_>)], instance: Instance<'_>) -> Settings {
    let mut settings = Settings { version: instance.version, ..Settings::default() };
    for (path, document) in documents {
        let format = document.get("version").and_then(super::lines::Node::integer);
        if format == Some(3) {
            settings.version = settings.version.at_least_two();
        }
        let Some(plugins) = document.get("plugins") else { continue };
        for plugin in PLUGINS.iter().filter_map(|name| plugins.get(name)) {
            let Some(value) = plugin.path(&["registry", "config_path"]) else {
                if settings.config_path.is_some() {
                    settings.doubt = Some(
                        format!(
                            "{path} configures the plugin anew without config_path, which may remove the earlier one"
                        )
                        .into(),
                    );
                }
                continue;
            };
            settings.config_path = value.str().map(str::to_owned);
            settings.doubt = None;
            settings.at = Some((path.clone(), value.line));
        }
    }
    settings
}

/// Reads the folders of registries below `roots`.
fn folders(reading: &mut Reading<'_>, instance: Instance<'_>, roots: &[&str], doubt: Option<&Str>) {
    for root in roots {
        if reading.files.is_unknown(root) {
            reading.unread(root, "a folder of registries, and outside of what is read");
            reading.unknown_registries(instance.name, root, "not read, and it may have a folder for any registry");
        }
    }
    let mut names: Vec<String> = Vec::new();
    for root in roots {
        let found = reading.files.names(root).unwrap_or_default();
        let is_folder = |name: &&str| reading.files.is_directory(&format!("{root}/{name}"));
        names.extend(found.into_iter().filter(is_folder).map(certs_d::host_of));
    }
    names.sort_unstable();
    names.dedup();
    for host in names {
        let candidates = candidates(reading, roots, &host);
        let Some((first, rest)) = candidates.split_first() else { continue };
        for shadowed in rest.iter().filter(|path| !path.ends_with("/_default") || host == "_default") {
            let message =
                format!("{} takes the first folder for {host}, {first}, and nothing from {shadowed}", instance.name);
            reading.note(codes::TLS_FIRST_FOLDER, At(shadowed, 0), Some(&host), message);
        }
        registry(reading, instance, &host, first, doubt);
    }
}

/// The folders that containerd would take for a registry, in order: the first that is there counts.
fn candidates(reading: &Reading<'_>, roots: &[&str], host: &str) -> Vec<String> {
    let mut found = Vec::new();
    for root in roots {
        let names = match host.rsplit_once(':') {
            Some((name, port)) => vec![format!("{name}_{port}_"), host.to_owned()],
            None => vec![host.to_owned()],
        };
        let with_default = names.into_iter().chain((host != "_default").then(|| "_default".to_owned()));
        let paths = with_default.map(|name| format!("{root}/{name}"));
        found.extend(paths.filter(|path| reading.files.is_directory(path)));
    }
    found
}

/// Reads the folder of one registry.
fn registry(reading: &mut Reading<'_>, instance: Instance<'_>, host: &str, folder: &str, doubt: Option<&Str>) {
    let path = format!("{folder}/hosts.toml");
    let mut trust = RegistryTrust {
        host: host.into(),
        runtime: instance.name.into(),
        source: path.as_str().into(),
        doubt: doubt.cloned(),
        ..RegistryTrust::default()
    };
    if reading.files.is_unknown(&path) {
        reading.unread(&path, "not read");
        trust.doubt = Some(format!("{path} was not read").into());
        reading.registries.push(trust);
        return;
    }
    // An empty file is as none.
    let text = reading.config(&path).filter(|text| !text.is_empty());
    let file = match text.map(hosts::parse) {
        None => None,
        Some(Ok(file)) => Some(file),
        Some(Err(refused)) => {
            let code = if refused.is_capability { codes::TLS_CAPABILITY } else { codes::TLS_HOSTS_FILE };
            let message = format!(
                "{} cannot decode {path} and takes the *.crt files beside it instead: {}",
                instance.name, refused.why
            );
            reading.note(code, At(&path, refused.line), Some(host), message);
            None
        }
    };
    match file {
        Some(file) => by_hosts_file(reading, instance, &file, folder, &mut trust),
        None => by_certificates(reading, instance, folder, &mut trust),
    }
    reading.registries.push(trust);
}

/// The Docker-style files of a folder stand in for `hosts.toml`.
fn by_certificates(reading: &mut Reading<'_>, instance: Instance<'_>, folder: &str, trust: &mut RegistryTrust) {
    let host = trust.host.clone();
    let certificates = certs_d::read(reading, folder, &host, Program { name: instance.name, wants_pairs: false });
    trust.source = folder.into();
    trust.error = certificates.unpaired.map(Str::from);
    trust.hosts.push(RegistryHost {
        url: itself(&host).into(),
        ca: certificates.ca,
        unread: certificates.unread.into_iter().map(Str::from).collect(),
        ..RegistryHost::default()
    });
}

fn by_hosts_file(
    reading: &mut Reading<'_>,
    instance: Instance<'_>,
    file: &HostsFile,
    folder: &str,
    trust: &mut RegistryTrust,
) {
    let path = trust.source.clone();
    let host = trust.host.clone();
    if !file.has_host_table {
        match instance.version.is_from(2, 0) {
            Some(true) => {}
            Some(false) => {
                let message = format!(
                    "{path} has no `host` table: this containerd ignores the whole file, its CA and server with it"
                );
                reading.note(codes::TLS_HOSTS_IGNORED, At(&path, 1), Some(&host), message);
                return by_certificates(reading, instance, folder, trust);
            }
            None => {
                let message = format!("{path} has no `host` table: containerd 1.5 to 1.7 ignore the whole file");
                reading.note(codes::TLS_HOSTS_IGNORED, At(&path, 1), Some(&host), message);
                trust.doubt = Some("containerd before 2.0 ignores the file, and the version is not known".into());
            }
        }
    }
    if file.referrers && instance.version.is_from(2, 2) != Some(true) {
        let doubt =
            "whether this containerd knows the capability `referrers` is not known; if not, it ignores the file";
        trust.doubt = Some(doubt.into());
    }
    let mut server = file.server.clone();
    if server.url.is_empty() {
        server.url = itself(&host);
    }
    let twin =
        file.hosts.iter().find(|other| !server.url.is_empty() && other.url == server.url && other.differs(&server));
    if let Some(twin) = twin {
        let message = format!(
            "{} is tried with the keys of its `host` table and, where that fails, once more as the server, which has other keys for TLS",
            server.url
        );
        reading.note(codes::TLS_SERVER_WITHOUT_CA, At(&path, twin.line), Some(&host), message);
    }
    for place in file.hosts.iter().chain([&server]) {
        let place = resolve(reading, instance, place, folder, trust);
        trust.hosts.push(place);
    }
}

/// Reads the files that one place names.
fn resolve(
    reading: &mut Reading<'_>,
    instance: Instance<'_>,
    place: &Host,
    folder: &str,
    trust: &mut RegistryTrust,
) -> RegistryHost {
    let source = trust.source.clone();
    let mut resolved = RegistryHost {
        url: place.url.as_str().into(),
        skip_verify: place.skip_verify.is_some_and(|(skip, _)| skip),
        capabilities: place.capabilities.iter().map(|name| name.as_str().into()).collect(),
        ..RegistryHost::default()
    };
    let name = if place.url.is_empty() { &*trust.host } else { &place.url };
    if let Some((true, line)) = place.skip_verify {
        reading.not_verified(At(&source, line), name, instance.name, "skip_verify is true");
    }
    for (file, line) in &place.ca {
        let path = absolute(folder, file);
        match reading.ca_file(&path, At(&source, *line), &trust.host) {
            CaFile::Certificates(anchors) => resolved.ca.extend(anchors),
            CaFile::Missing => trust.error = Some(format!("the CA file {path} cannot be loaded").into()),
            CaFile::Unread => resolved.unread.push(path.into()),
        }
    }
    resolved
}

/// The URL of a registry itself; empty for what holds for many.
pub(super) fn itself(host: &str) -> String {
    match host {
        "_default" => String::new(),
        "docker.io" => "https://registry-1.docker.io".to_owned(),
        host => format!("https://{host}"),
    }
}
