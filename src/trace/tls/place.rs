//! What the clients in a container see: its files, as far as they are known, and its variables.

use std::fmt::Write as _;
use std::path::Path;

use crate::model::codes;
use crate::model::mount::{MountSource, ObjectMount, TrustMount};
use crate::model::object::{Container, EnvValue, EnvVar};
use crate::model::trust::{Anchor, TrustBundle, TrustNote};
use crate::model::{Selector, Snapshot, Str, base64};
use crate::trust::client::Environment;
use crate::trust::objects::{self, Held};
use crate::trust::tree::{Content, Entry, Tree};
use crate::trust::{Bundle, places};

/// Where the cluster's own CA is, beside a pod's token.
const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// The container's environment. References (`$(NAME)`) are expanded as Kubernetes does it: by what stands before.
pub(super) fn environment(container: &Container) -> Environment {
    let mut env = Environment::new();
    for (at, variable) in container.env.iter().enumerate() {
        match &variable.value {
            EnvValue::Text(text) if text.contains("$(") && variable.place.is_none() => {
                match expand(text, &container.env[..at]) {
                    Some(text) => env.set(&variable.name, &text),
                    None => env.unknown(&variable.name, "it refers to a variable that is not known"),
                }
            }
            EnvValue::Text(text) => env.set(&variable.name, text),
            EnvValue::NotKept => env.unknown(&variable.name, "it was not kept"),
            EnvValue::From(object) => env.unknown(&variable.name, &format!("it comes from {object}")),
            EnvValue::ConfigMapKey(selector) => {
                env.unknown(&variable.name, &format!("it comes from ConfigMap {}", selector.name));
            }
            EnvValue::Unknown(why) => env.unknown(&variable.name, why),
        }
    }
    for from in &container.env_from {
        let why = from.doubt.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        env.unread(&format!("envFrom {} {}{why}", from.kind, from.name));
    }
    env
}

/// References to what stands before; `None` where one is not known. Escapes (`$$`) are left alone.
fn expand(text: &str, before: &[EnvVar]) -> Option<String> {
    if text.contains("$$") {
        return None;
    }
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("$(") {
        let (head, reference) = rest.split_at(at);
        let (name, tail) = reference[2..].split_once(')')?;
        let variable = before.iter().rev().find(|variable| variable.name == name)?;
        let EnvValue::Text(value) = &variable.value else { return None };
        if value.contains("$(") && variable.place.is_none() {
            return None;
        }
        out.push_str(head);
        out.push_str(value);
        rest = tail;
    }
    out.push_str(rest);
    Some(out)
}

/// The files of a container: those of its image, and over them what it mounts where trust is decided.
pub(super) fn files(snapshot: &Snapshot, namespace: &str, image: &Tree, container: &Container) -> Tree {
    let mut tree = image.clone();
    // Admission mounts it into nearly every container, and no manifest shows it.
    tree.put(SERVICE_ACCOUNT, Entry::Unknown("the service account's volume was not read".to_owned()));
    let mut mounts: Vec<&TrustMount> = container.trust_mounts.iter().collect();
    // What is mounted deeper stands over what is mounted above it.
    mounts.sort_by_key(|mount| mount.path.len());
    for mount in mounts {
        put(snapshot, namespace, &mut tree, mount);
    }
    tree
}

fn put(snapshot: &Snapshot, namespace: &str, tree: &mut Tree, mount: &TrustMount) {
    let mut files: Vec<(String, Entry)> = Vec::new();
    for source in mount.source.parts() {
        match of_source(snapshot, namespace, source) {
            Ok(found) => files.extend(found),
            Err(why) => return tree.mount(&mount.path, Entry::Unknown(why)),
        }
    }
    let below = mount.sub_path.as_deref().map(|sub| sub.trim_matches('/'));
    if let Some((_, entry)) = below.and_then(|sub| files.iter().find(|(path, _)| path == sub)) {
        return tree.mount(&mount.path, entry.clone());
    }
    if let Some(sub) = below.filter(|sub| !files.iter().any(|(path, _)| path.starts_with(&format!("{sub}/")))) {
        let why = format!("what is at `{sub}` of the volume is not known");
        return tree.mount(&mount.path, Entry::Unknown(why));
    }
    tree.mount(&mount.path, Entry::Directory { complete: true });
    let prefix = below.map(|sub| format!("{sub}/")).unwrap_or_default();
    for (path, entry) in files {
        if let Some(path) = path.strip_prefix(&prefix) {
            tree.put(&format!("{}/{path}", mount.path), entry);
        }
    }
}

/// Folders of which a tool builds a store: the folder, what is built, and the tool.
const INPUTS: &[(&str, &str, &str)] = &[
    ("/usr/local/share/ca-certificates", "/etc/ssl/certs", "update-ca-certificates"),
    ("/etc/pki/ca-trust/source/anchors", "/etc/pki/ca-trust/extracted", "update-ca-trust"),
];

/// Certificates that are mounted where a tool takes them from, for a container in which nobody runs the tool: they are in
/// none of its stores, unless these are mounted, too.
pub(super) fn not_built(files: &Tree, container: &Container) -> Vec<TrustNote> {
    let mounts = |path: &str| container.trust_mounts.iter().any(|mount| places::overlap(&mount.path, path));
    let mut notes = Vec::new();
    for (input, output, tool) in INPUTS.iter().filter(|(input, output, _)| mounts(input) && !mounts(output)) {
        let below = format!("{input}/");
        for (path, entry) in files.iter().filter(|(path, _)| path.starts_with(&below)) {
            let Entry::File(Content::Bytes(bytes)) = entry else { continue };
            // Debian's tool takes no other name, and says nothing.
            let is_taken =
                *tool != "update-ca-certificates" || Path::new(path).extension().is_some_and(|end| end == "crt");
            let Some(certificate) = Bundle::read(bytes).certificates.into_iter().next().filter(|_| is_taken) else {
                continue;
            };
            let message = format!(
                "{path} holds {}, and no command runs {tool}: it is missing in the store below {output}",
                certificate.anchor().subject
            );
            notes.push(TrustNote {
                code: codes::TLS_STORE_NOT_BUILT.id.into(),
                message: message.into(),
                path: path.into(),
                line: 0,
                host: None,
            });
        }
    }
    notes
}

/// The files of a volume by their paths in it, or why they are not known.
fn of_source(snapshot: &Snapshot, namespace: &str, source: &MountSource) -> Result<Vec<(String, Entry)>, String> {
    match source {
        MountSource::ConfigMap(mount) => of_config_map(snapshot, namespace, mount),
        MountSource::Secret(mount) => Err(format!("Secret {namespace}/{} is never read", mount.name)),
        MountSource::ClusterTrustBundle(mount) => {
            let bundles = snapshot.trust_bundles.iter().filter(|b| b.kind == "ClusterTrustBundle");
            let named = |bundle: &&TrustBundle| match (&mount.name, &mount.signer) {
                (Some(name), _) => bundle.meta.name == *name,
                (None, signer) => {
                    bundle.signer == *signer
                        && mount.selector.as_ref().is_some_and(|s: &Selector| s.matches(&bundle.meta.labels))
                }
            };
            let found: Vec<&TrustBundle> = bundles.filter(named).collect();
            if found.is_empty() {
                let name = mount.name.as_ref().or(mount.signer.as_ref()).map_or("", Str::as_str);
                return Err(format!("no ClusterTrustBundle {name} was read"));
            }
            let anchors: Vec<&Anchor> = found.iter().flat_map(|bundle| bundle.certificates.iter()).collect();
            let entry = found.iter().find_map(|b| b.unread.as_ref()).map_or_else(
                || Entry::File(Content::Bytes(pem(anchors).into_bytes().into())),
                |why| Entry::Unknown(why.to_string()),
            );
            Ok(vec![(mount.path.trim_matches('/').to_owned(), entry)])
        }
        MountSource::Projected(_) => Err("a projection of projections".to_owned()),
        MountSource::EmptyDir => Err("an emptyDir is filled while the pod runs".to_owned()),
        MountSource::HostPath(path) => Err(format!("{path} of the node was not read")),
        MountSource::Other(what) => Err(format!("{what} was not read")),
    }
}

fn of_config_map(snapshot: &Snapshot, namespace: &str, mount: &ObjectMount) -> Result<Vec<(String, Entry)>, String> {
    let keys = match objects::config_map(snapshot, namespace, &mount.name) {
        Held::Keys(keys) => keys,
        Held::Absent if mount.optional => return Ok(Vec::new()),
        Held::Absent => {
            return Err(format!("ConfigMap {namespace}/{} does not exist: the pod does not start", mount.name));
        }
        Held::Unknown(why) => return Err(why),
    };
    let entry = |bundle: &TrustBundle| match &bundle.unread {
        Some(why) => Entry::Unknown(why.to_string()),
        // A file of another kind than certificates may be a client's configuration, which is not kept.
        None if bundle.certificates.is_empty() && !is_of_certificates(&bundle.key) => {
            Entry::Unknown(format!("key {} of ConfigMap {namespace}/{} is not kept", bundle.key, mount.name))
        }
        None => {
            let keys = NO_KEY.repeat(usize::try_from(bundle.private_keys).unwrap_or(1));
            Entry::File(Content::Bytes((pem(bundle.certificates.iter()) + &keys).into_bytes().into()))
        }
    };
    let keys = keys.into_iter().filter(|bundle| !bundle.key.is_empty());
    if mount.items.is_empty() {
        return Ok(keys.map(|bundle| (bundle.key.to_string(), entry(bundle))).collect());
    }
    let keys: Vec<&TrustBundle> = keys.collect();
    let mut files = Vec::new();
    for item in &mount.items {
        match keys.iter().find(|bundle| bundle.key == item.key) {
            Some(bundle) => files.push((item.path.trim_matches('/').to_owned(), entry(bundle))),
            None if mount.optional => {}
            None => {
                let map = format!("ConfigMap {namespace}/{}", mount.name);
                return Err(format!("{map} has no key {}: the pod does not start", item.key));
            }
        }
    }
    Ok(files)
}

/// What stands for a private key in a file: that one lies there, and nothing of it.
const NO_KEY: &str = "-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n";

fn is_of_certificates(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    [".crt", ".pem", ".cer", ".ca"].iter().any(|ending| key.ends_with(ending)) || key.contains("bundle")
}

/// Certificates as a file of them (RFC 7468).
fn pem<'a>(anchors: impl IntoIterator<Item = &'a Anchor>) -> String {
    let mut text = String::new();
    for der in anchors.into_iter().filter_map(|anchor| anchor.der.as_ref()) {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in base64::encode(der).as_bytes().chunks(64) {
            let _ = writeln!(text, "{}", String::from_utf8_lossy(line));
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}
