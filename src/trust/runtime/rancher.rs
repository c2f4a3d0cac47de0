//! k3s and RKE2: `registries.yaml`, and what they generate from it for the containerd that they bring along.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::containerd::{self, Instance, Version};
use super::legacy::{self, Tls};
use super::reading::{At, Reading};
use crate::model::codes;

/// `registries.yaml`; credentials have no place here, so they are never read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Registries {
    mirrors: BTreeMap<String, Option<Mirror>>,
    configs: BTreeMap<String, Option<Config>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Mirror {
    endpoint: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Config {
    tls: Option<TlsConfig>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct TlsConfig {
    ca_file: String,
    insecure_skip_verify: bool,
}

/// Reads both distributions, where they are.
pub(super) fn read(reading: &mut Reading<'_>) {
    for name in ["k3s", "rke2"] {
        let generated = format!("/var/lib/rancher/{name}/agent/etc/containerd");
        let config = format!("{generated}/config.toml");
        let source = format!("/etc/rancher/{name}/registries.yaml");
        if reading.files.text(&config).is_some() {
            stale(reading, name, &source, &config);
            let version = Version::reported(reading.about.container_runtime.as_deref());
            containerd::instance(reading, Instance { name, config: &config, version });
            continue;
        }
        if reading.files.is_unknown(&config) && reading.files.is_directory(&format!("/etc/rancher/{name}")) {
            reading.unread(&config, "not read");
        }
        from_source(reading, name, &source);
    }
}

/// The generated files are written when the service starts.
fn stale(reading: &mut Reading<'_>, name: &str, source: &str, config: &str) {
    let files = reading.files;
    if let (Some(source_time), Some(config_time)) = (files.modified(source), files.modified(config))
        && source_time > config_time
    {
        let message = format!("{source} was changed after {name} generated its configuration from it: restart {name}");
        reading.note(codes::TLS_REGISTRIES_STALE, At(source, 0), None, message);
    }
}

/// What will be generated, where nothing is yet.
fn from_source(reading: &mut Reading<'_>, name: &str, path: &str) {
    let Some(text) = reading.config(path) else { return };
    let registries: Option<Registries> = match serde_saphyr::from_str(text) {
        Ok(registries) => registries,
        Err(error) => {
            let line = error.location().map_or(0, |at| u32::try_from(at.line()).unwrap_or(0));
            let message = format!("{path} is not what {name} reads");
            reading.note(codes::TLS_CONFIG_UNREADABLE, At(path, line), None, message);
            return;
        }
    };
    let registries = registries.unwrap_or_default();
    let tables: BTreeMap<&str, Tls> = registries
        .configs
        .iter()
        .filter_map(|(host, config)| {
            let tls = config.as_ref()?.tls.as_ref()?;
            let ca_file = (!tls.ca_file.is_empty()).then(|| (tls.ca_file.clone(), line_of(text, &tls.ca_file)));
            let skip_verify = tls.insecure_skip_verify.then(|| line_of(text, host));
            Some((host.as_str(), Tls { ca_file, skip_verify }))
        })
        .collect();
    let mut hosts: BTreeMap<&str, Vec<String>> = tables.keys().map(|host| (*host, Vec::new())).collect();
    for (host, mirror) in &registries.mirrors {
        hosts.insert(host, mirror.as_ref().map(|mirror| mirror.endpoint.clone()).unwrap_or_default());
    }
    for (host, endpoints) in hosts {
        let host = if host == "*" { "_default" } else { host };
        let trust = legacy::registry(reading, host, endpoints, &tables, (path, name));
        reading.registries.push(trust);
    }
}

/// The first line that holds a text; 0: none does.
fn line_of(text: &str, part: &str) -> u32 {
    let line = text.lines().position(|line| line.contains(part));
    line.map_or(0, |line| u32::try_from(line + 1).unwrap_or(0))
}
