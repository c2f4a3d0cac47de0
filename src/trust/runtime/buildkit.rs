//! buildkitd: `buildkitd.toml`.

use std::collections::BTreeMap;

use super::containerd::itself;
use super::lines::Node;
use super::reading::{At, CaFile, Reading};
use crate::model::trust::{RegistryHost, RegistryTrust};

const NAME: &str = "buildkit";
const CONFIG: &str = "/etc/buildkit/buildkitd.toml";

/// Reads what buildkitd does on this node.
pub(super) fn read(reading: &mut Reading<'_>) {
    let Some(document) = reading.toml(CONFIG) else {
        if !reading.files.is_absent(CONFIG) && reading.files.is_directory("/etc/buildkit") {
            reading.unknown_registries(NAME, CONFIG, "not read, and it may hold for any registry");
        }
        return;
    };
    let tables: BTreeMap<&str, Node<'_, '_>> = document.get("registry").into_iter().flat_map(Node::entries).collect();
    for (host, table) in &tables {
        let mut trust = RegistryTrust {
            host: (*host).into(),
            runtime: NAME.into(),
            source: CONFIG.into(),
            ..RegistryTrust::default()
        };
        let mirrors = table.get("mirrors").into_iter().flat_map(Node::items).filter_map(Node::str);
        for mirror in mirrors.chain([*host]) {
            // How a mirror is reached stands in the mirror's own table, never in this one. A mirror may have a path.
            let name = mirror.split('/').next().unwrap_or_default();
            let place = place(reading, mirror, name, tables.get(name).copied(), &mut trust);
            trust.hosts.push(place);
        }
        reading.registries.push(trust);
    }
}

fn place(
    reading: &mut Reading<'_>,
    location: &str,
    host: &str,
    table: Option<Node<'_, '_>>,
    trust: &mut RegistryTrust,
) -> RegistryHost {
    let flag = |key: &str| table.and_then(|table| table.get(key)).filter(|value| value.bool() == Some(true));
    let url = if location == host { itself(host) } else { format!("https://{location}") };
    let url = if flag("http").is_some() { url.replacen("https://", "http://", 1) } else { url };
    let mut place = RegistryHost { url: url.into(), ..RegistryHost::default() };
    if let Some(insecure) = flag("insecure") {
        reading.not_verified(At(CONFIG, insecure.line), host, NAME, "insecure is true");
        place.skip_verify = true;
    }
    for (file, line) in table.and_then(|table| table.get("ca")).and_then(Node::strings).unwrap_or_default() {
        match reading.ca_file(file, At(CONFIG, line), host) {
            CaFile::Certificates(anchors) => place.ca.extend(anchors),
            CaFile::Missing => trust.error = Some(format!("the CA file {file} cannot be loaded").into()),
            CaFile::Unread => place.unread.push(file.into()),
        }
    }
    if let Some(folder) = table.and_then(|table| table.get("tlsconfigdir")) {
        let folders = folder.strings().unwrap_or_default();
        place.unread.extend(folders.into_iter().map(|(folder, _)| folder.into()));
    }
    place
}
