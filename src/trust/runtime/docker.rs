//! The Docker daemon: `daemon.json` and `certs.d`.

use std::collections::BTreeSet;

use serde::Deserialize;

use super::certs_d::{self, Program};
use super::containerd::itself;
use super::hosts::with_scheme;
use super::legacy::authority;
use super::reading::{At, Reading};
use crate::model::Str;
use crate::model::codes;
use crate::model::trust::{RegistryHost, RegistryTrust};

const NAME: &str = "docker";
const CONFIG: &str = "/etc/docker/daemon.json";
const FOLDER: &str = "/etc/docker/certs.d";

/// What of `daemon.json` decides trust.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Daemon {
    insecure_registries: Vec<String>,
    registry_mirrors: Vec<String>,
    proxies: Proxies,
}

/// Proxies of the daemon, which overrule its environment.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "kebab-case")]
struct Proxies {
    http_proxy: Option<String>,
    https_proxy: Option<String>,
    no_proxy: Option<String>,
}

/// Reads what the daemon does on this node.
pub(super) fn read(reading: &mut Reading<'_>) {
    let Some(daemon) = daemon(reading) else { return };
    let files = reading.files;
    let names = files.names(FOLDER).unwrap_or_default();
    let mut hosts: BTreeSet<String> =
        names.into_iter().filter(|name| files.is_directory(&format!("{FOLDER}/{name}"))).map(str::to_owned).collect();
    hosts.extend(daemon.insecure_registries.iter().cloned());
    if !daemon.registry_mirrors.is_empty() {
        hosts.insert("docker.io".to_owned());
    }
    for host in hosts {
        let mut trust = RegistryTrust {
            host: host.as_str().into(),
            runtime: NAME.into(),
            source: if files.is_directory(&format!("{FOLDER}/{host}")) {
                format!("{FOLDER}/{host}").into()
            } else {
                CONFIG.into()
            },
            ..RegistryTrust::default()
        };
        // Mirrors hold for Docker Hub alone.
        let mirrors = if host == "docker.io" { daemon.registry_mirrors.as_slice() } else { &[] };
        // A range of addresses is no place by itself.
        let own = if host.contains('/') { String::new() } else { itself(&host) };
        for url in mirrors.iter().chain([&own]) {
            let place = place(reading, &daemon, url, &host, &mut trust);
            trust.hosts.push(place);
        }
        reading.registries.push(trust);
    }
}

fn place(reading: &mut Reading<'_>, daemon: &Daemon, url: &str, host: &str, trust: &mut RegistryTrust) -> RegistryHost {
    let name = if url.is_empty() || *url == itself(host) { host } else { authority(url) };
    let insecure = daemon.insecure_registries.iter().any(|insecure| insecure == name);
    let mut place = RegistryHost { url: with_scheme(url).into(), skip_verify: insecure, ..RegistryHost::default() };
    if insecure {
        let line = line_of(reading, name);
        reading.not_verified(At(CONFIG, line), name, NAME, "it stands in insecure-registries");
    }
    let folder = format!("{FOLDER}/{name}");
    if reading.files.is_directory(&folder) {
        let certificates = certs_d::read(reading, &folder, name, Program { name: NAME, wants_pairs: true });
        place.ca = certificates.ca;
        place.unread = certificates.unread.into_iter().map(Str::from).collect();
        trust.error = certificates.unpaired.map(Str::from);
    }
    place
}

/// The daemon's settings; `None` where there is no Docker, or it does not start.
fn daemon(reading: &mut Reading<'_>) -> Option<Daemon> {
    if !reading.files.is_directory("/etc/docker") {
        return None;
    }
    let Some(text) = reading.config(CONFIG).filter(|text| !text.trim().is_empty()) else {
        // CRI-O and containerd read the same folder of certificates: alone it is no sign of Docker.
        let is_reported = reading.about.container_runtime.as_deref().is_some_and(|text| text.starts_with("docker://"));
        return is_reported.then(Daemon::default);
    };
    match serde_json::from_str(text) {
        Ok(daemon) => Some(daemon),
        Err(error) => {
            let line = u32::try_from(error.line()).unwrap_or(0);
            let message = format!("the Docker daemon does not start with {CONFIG}: it is not what it reads");
            reading.note(codes::TLS_CONFIG_UNREADABLE, At(CONFIG, line), None, message);
            reading.unknown_registries(NAME, CONFIG, "the daemon does not start with it");
            None
        }
    }
}

/// The proxies that `daemon.json` sets, as variables.
pub(super) fn proxies(reading: &mut Reading<'_>) -> Vec<(&'static str, String)> {
    let daemon = reading.files.text(CONFIG).and_then(|text| serde_json::from_str::<Daemon>(text).ok());
    let Proxies { http_proxy, https_proxy, no_proxy } = daemon.unwrap_or_default().proxies;
    let all = [("HTTP_PROXY", http_proxy), ("HTTPS_PROXY", https_proxy), ("NO_PROXY", no_proxy)];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn line_of(reading: &Reading<'_>, part: &str) -> u32 {
    let text = reading.files.text(CONFIG).unwrap_or_default();
    let line = text.lines().position(|line| line.contains(&format!("\"{part}\"")));
    line.map_or(0, |line| u32::try_from(line + 1).unwrap_or(0))
}
