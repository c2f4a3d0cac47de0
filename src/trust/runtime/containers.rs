//! CRI-O, podman, buildah and skopeo: `registries.conf` and `certs.d`, as containers/image reads them.

use std::collections::BTreeMap;

use super::certs_d::{self, Program};
use super::lines::Node;
use super::reading::{At, Reading};
use crate::model::Str;
use crate::model::codes;
use crate::model::trust::{RegistryHost, RegistryTrust};

const NAME: &str = "cri-o";
const CONFIG: &str = "/etc/containers/registries.conf";
const DROP_INS: &str = "/etc/containers/registries.conf.d";

/// Folders of registries: the first that has one for a registry counts, and nothing of the others.
/// (The folder of the user that runs the program comes before them and is not read.)
const FOLDERS: [&str; 2] = ["/etc/containers/certs.d", "/etc/docker/certs.d"];

/// One `[[registry]]` of `registries.conf`.
#[derive(Clone, Debug, Default)]
struct Entry {
    location: String,
    insecure: bool,
    blocked: bool,
    mirrors: Vec<(String, bool, u32)>,
    source: String,
    line: u32,
}

/// Reads what these programs do on this node.
pub(super) fn read(reading: &mut Reading<'_>) {
    let files = reading.files;
    if !files.is_directory("/etc/containers") && !files.is_directory("/etc/crio") {
        return;
    }
    crio(reading);
    let mut entries: BTreeMap<String, Entry> = BTreeMap::new();
    let mut paths = vec![CONFIG.to_owned()];
    let drop_ins = files.names(DROP_INS).unwrap_or_default();
    paths.extend(drop_ins.into_iter().filter(|name| name.ends_with(".conf")).map(|name| format!("{DROP_INS}/{name}")));
    for path in &paths {
        let document = reading.toml(path);
        if document.is_none() && !reading.files.is_absent(path) {
            reading.unknown_registries(NAME, path, "not read, and it may hold for any registry");
        }
        if let Some(document) = document {
            let tables = document.get("registry").into_iter().flat_map(Node::items);
            entries.extend(tables.filter_map(|table| entry(table, path)));
            entries.extend(first_format(&document, path));
        }
    }
    for folder in FOLDERS {
        let hosts = files.names(folder).unwrap_or_default();
        for host in hosts.into_iter().filter(|host| files.is_directory(&format!("{folder}/{host}"))) {
            if !entries.contains_key(host) {
                let location = host.to_owned();
                let source = format!("{folder}/{host}");
                entries.insert(location.clone(), Entry { location, source, ..Entry::default() });
            }
        }
    }
    for (prefix, entry) in entries {
        let trust = registry(reading, &prefix, &entry);
        reading.registries.push(trust);
    }
}

/// `insecure_registries` of CRI-O has no effect any more (crio.conf(5)).
fn crio(reading: &mut Reading<'_>) {
    let mut paths = vec!["/etc/crio/crio.conf".to_owned()];
    let drop_ins = reading.files.names("/etc/crio/crio.conf.d").unwrap_or_default();
    paths.extend(drop_ins.into_iter().map(|name| format!("/etc/crio/crio.conf.d/{name}")));
    for path in paths {
        let Some(document) = reading.toml(&path) else { continue };
        let list = document.get("crio").and_then(|crio| crio.path(&["image", "insecure_registries"]));
        let Some(list) = list.filter(|list| list.items().next().is_some()) else { continue };
        let message = "insecure_registries of CRI-O has no effect any more: registries.conf says what is insecure";
        reading.note(codes::TLS_INSECURE_IGNORED, At(&path, list.line), None, message);
    }
}

fn entry(table: Node<'_, '_>, path: &str) -> Option<(String, Entry)> {
    let text = |key: &str| table.get(key).and_then(Node::str).map(str::to_owned);
    let flag = |table: Node<'_, '_>, key: &str| table.get(key).and_then(Node::bool) == Some(true);
    let prefix = text("prefix").or_else(|| text("location")).filter(|prefix| !prefix.is_empty())?;
    // Without a location it is the prefix itself; for `*.` that is whatever the image names.
    let location =
        text("location").unwrap_or_else(|| if prefix.starts_with("*.") { String::new() } else { prefix.clone() });
    let mirrors = table.get("mirror").into_iter().flat_map(Node::items);
    let mirrors = mirrors.filter_map(|mirror| {
        let location = mirror.get("location")?;
        Some((location.str()?.to_owned(), flag(mirror, "insecure"), location.line))
    });
    let entry = Entry {
        location,
        insecure: flag(table, "insecure"),
        blocked: flag(table, "blocked"),
        mirrors: mirrors.collect(),
        source: path.to_owned(),
        line: table.line,
    };
    Some((prefix, entry))
}

/// The first format of the file: `[registries.insecure]`, `[registries.block]`.
fn first_format(document: &super::lines::Document<'_>, path: &str) -> Vec<(String, Entry)> {
    let Some(registries) = document.get("registries") else { return Vec::new() };
    let mut found: BTreeMap<String, Entry> = BTreeMap::new();
    for key in ["insecure", "block"] {
        let Some(list) = registries.path(&[key, "registries"]) else { continue };
        for item in list.items() {
            let Some(host) = item.str() else { continue };
            let entry = found.entry(host.to_owned()).or_insert_with(|| Entry {
                location: host.to_owned(),
                source: path.to_owned(),
                line: item.line,
                ..Entry::default()
            });
            entry.insecure |= key == "insecure";
            entry.blocked |= key == "block";
        }
    }
    found.into_iter().collect()
}

fn registry(reading: &mut Reading<'_>, prefix: &str, entry: &Entry) -> RegistryTrust {
    let mut trust = RegistryTrust {
        host: prefix.into(),
        runtime: NAME.into(),
        source: entry.source.as_str().into(),
        ..RegistryTrust::default()
    };
    if entry.blocked {
        trust.error = Some(format!("{} blocks {prefix}", entry.source).into());
    }
    let own = (entry.location.clone(), entry.insecure, entry.line);
    for (location, insecure, line) in entry.mirrors.iter().chain([&own]) {
        if *insecure {
            let name = if location.is_empty() { prefix } else { location };
            reading.not_verified(At(&entry.source, *line), name, NAME, "insecure is true");
        }
        let place = place(reading, location, *insecure, &mut trust);
        trust.hosts.push(place);
    }
    trust
}

/// A place with the certificates of its own host.
fn place(reading: &mut Reading<'_>, location: &str, insecure: bool, trust: &mut RegistryTrust) -> RegistryHost {
    let url = if location.is_empty() { String::new() } else { format!("https://{location}") };
    let mut place = RegistryHost { url: url.into(), skip_verify: insecure, ..RegistryHost::default() };
    let host = location.split('/').next().unwrap_or_default();
    if host.is_empty() {
        return place;
    }
    let mut folders = FOLDERS.iter().map(|folder| format!("{folder}/{host}"));
    let files = reading.files;
    for folder in FOLDERS.iter().filter(|folder| files.is_unknown(folder)) {
        reading.unread(folder, "not read");
        place.unread.push(format!("{folder}/{host}").into());
    }
    let Some(folder) = folders.find(|folder| files.is_directory(folder)) else { return place };
    for shadowed in folders.filter(|folder| files.is_directory(folder)) {
        let message = format!("{NAME} takes the first folder for {host}, {folder}, and nothing from {shadowed}");
        reading.note(codes::TLS_FIRST_FOLDER, At(&shadowed, 0), Some(host), message);
    }
    let certificates = certs_d::read(reading, &folder, host, Program { name: NAME, wants_pairs: true });
    place.ca = certificates.ca;
    place.unread.extend(certificates.unread.into_iter().map(Str::from));
    if trust.error.is_none() {
        trust.error = certificates.unpaired.map(Str::from);
    }
    place
}
