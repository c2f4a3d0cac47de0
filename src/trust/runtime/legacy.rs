//! `registry.mirrors` and `registry.configs` of containerd 1.x.

use std::collections::BTreeMap;

use super::containerd::{Instance, Settings, itself};
use super::hosts::with_scheme;
use super::lines::{Document, Node};
use super::reading::{At, CaFile, Reading};
use crate::model::Str;
use crate::model::codes;
use crate::model::trust::{RegistryHost, RegistryTrust};

/// What `registry.configs."host".tls` says.
#[derive(Clone, Debug, Default)]
pub(super) struct Tls {
    pub(super) ca_file: Option<(String, u32)>,
    pub(super) skip_verify: Option<u32>,
}

/// Reads these tables, where there are any. Why containerd does not pull at all, if they are the reason.
pub(super) fn read(
    reading: &mut Reading<'_>,
    document: &Document<'_>,
    path: &str,
    instance: Instance<'_>,
    settings: &Settings,
) -> Option<Str> {
    let plugins = document.get("plugins")?;
    let mut conflict = None;
    for (_, plugin) in plugins.entries() {
        let Some(tables) = plugin.get("registry") else { continue };
        let mirrors: Vec<_> = tables.get("mirrors").into_iter().flat_map(Node::entries).collect();
        let configs: Vec<_> = tables.get("configs").into_iter().flat_map(Node::entries).collect();
        let with_tls: Vec<_> = configs.iter().filter_map(|(host, config)| Some((*host, config.get("tls")?))).collect();
        if mirrors.is_empty() && with_tls.is_empty() {
            continue;
        }
        if settings.has_path() {
            conflict = exclude(reading, path, instance, &mirrors, &with_tls).or(conflict);
            continue;
        }
        let is_from_two = instance.version.is_from(2, 0);
        for (host, tls) in &with_tls {
            if is_from_two != Some(false) {
                let message = match is_from_two {
                    Some(true) => format!("containerd 2.0 and later ignore registry.configs.\"{host}\".tls"),
                    _ => format!("registry.configs.\"{host}\".tls has no effect from containerd 2.0 on"),
                };
                reading.note(codes::TLS_CONFIGS_REMOVED, At(path, tls.line), Some(host), message);
            }
        }
        let tables: BTreeMap<&str, Tls> = match is_from_two {
            Some(true) => BTreeMap::new(),
            _ => with_tls.iter().map(|(host, tls)| (*host, tls_of(*tls))).collect(),
        };
        let doubt = match is_from_two {
            None if !tables.is_empty() => {
                Some(Str::from("containerd 2.0 and later ignore `tls` tables, and the version is not known"))
            }
            _ => settings_doubt(instance),
        };
        let endpoints = |node: Node<'_, '_>| -> Vec<String> {
            let list = node.get("endpoint").into_iter().flat_map(Node::items);
            list.filter_map(Node::str).map(str::to_owned).collect()
        };
        let mut hosts: BTreeMap<&str, Vec<String>> = tables.keys().map(|host| (*host, Vec::new())).collect();
        hosts.extend(mirrors.iter().map(|(host, mirror)| (*host, endpoints(*mirror))));
        for (host, endpoints) in hosts {
            let host = if host == "*" { "_default" } else { host };
            let trust = registry(reading, host, endpoints, &tables, (path, instance.name));
            reading.registries.push(RegistryTrust { doubt: doubt.clone(), ..trust });
        }
    }
    conflict
}

/// Mirrors with `config_path` are an error at the start.
fn exclude(
    reading: &mut Reading<'_>,
    path: &str,
    instance: Instance<'_>,
    mirrors: &[(&str, Node<'_, '_>)],
    with_tls: &[(&str, Node<'_, '_>)],
) -> Option<Str> {
    let (what, line) = match (mirrors.first(), with_tls.first()) {
        (Some((_, node)), _) => ("registry.mirrors", node.line),
        (None, Some((_, node))) => ("registry.configs with `tls`", node.line),
        (None, None) => return None,
    };
    let message = if what == "registry.mirrors" {
        format!("{} does not load its image service with both config_path and {what}", instance.name)
    } else {
        format!("{what} is refused by containerd 1.x beside config_path, and ignored from 2.0 on")
    };
    reading.note(codes::TLS_MIRRORS_AND_PATH, At(path, line), None, message.clone());
    // From 2.0 on `tls` is no setting any more, and no reason to refuse anything.
    (!mirrors.is_empty() || instance.version.is_from(2, 0) == Some(false)).then(|| message.into())
}

fn settings_doubt(instance: Instance<'_>) -> Option<Str> {
    match instance.version.is_from(2, 2) {
        Some(false) => None,
        _ => Some("whether later containerd still reads registry.mirrors depends on its version".into()),
    }
}

fn tls_of(node: Node<'_, '_>) -> Tls {
    Tls {
        ca_file: node.get("ca_file").and_then(|file| Some((file.str()?.to_owned(), file.line))),
        skip_verify: node.get("insecure_skip_verify").filter(|skip| skip.bool() == Some(true)).map(|skip| skip.line),
    }
}

/// A registry whose places have their TLS settings by host: containerd's own tables, and those of k3s.
pub(super) fn registry(
    reading: &mut Reading<'_>,
    host: &str,
    mut endpoints: Vec<String>,
    tables: &BTreeMap<&str, Tls>,
    (path, runtime): (&str, &str),
) -> RegistryTrust {
    let own = itself(host);
    if !endpoints.iter().any(|url| authority(url) == authority(&own)) {
        endpoints.push(own);
    }
    let mut trust =
        RegistryTrust { host: host.into(), runtime: runtime.into(), source: path.into(), ..RegistryTrust::default() };
    for url in endpoints {
        let name = authority(&url).to_owned();
        let tls = tables.get(name.as_str()).or_else(|| tables.get("*"));
        let tls = if name.is_empty() { None } else { tls.cloned() }.unwrap_or_default();
        let url = with_scheme(&url);
        let mut place =
            RegistryHost { url: url.into(), skip_verify: tls.skip_verify.is_some(), ..RegistryHost::default() };
        if let Some(line) = tls.skip_verify {
            reading.not_verified(At(path, line), &name, runtime, "insecure_skip_verify is true");
        }
        if let Some((file, line)) = tls.ca_file {
            match reading.ca_file(&file, At(path, line), &name) {
                CaFile::Certificates(anchors) => place.ca = anchors,
                CaFile::Missing => trust.error = Some(format!("the CA file {file} cannot be loaded").into()),
                CaFile::Unread => place.unread.push(file.into()),
            }
        }
        trust.hosts.push(place);
    }
    trust
}

/// `host[:port]` of a URL.
pub(super) fn authority(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}
