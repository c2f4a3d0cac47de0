//! The stores of the operating system: what administrators put in, and what clients read.

use std::collections::{BTreeMap, BTreeSet};

use super::environment::unquoted;
use super::files::{NodeFiles, Read};
use super::reading::{At, Reading, anchors};
use crate::model::Str;
use crate::model::codes;
use crate::model::trust::{Anchor, Fingerprint, StoreKind, TrustStore};
use crate::trust::cert::sha256;
use crate::trust::client::public;

/// Files that clients read, in the order of Go's `crypto/x509`, which takes the first.
pub const OUTPUT_FILES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/cacert.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Folders that clients read beside them.
const OUTPUT_FOLDERS: [&str; 2] = ["/etc/ssl/certs", "/etc/pki/tls/certs"];

/// How a distribution builds its store.
#[derive(Clone, Copy, Debug)]
struct Recipe {
    /// `ID` or `ID_LIKE` of os-release.
    families: &'static [&'static str],
    inputs: &'static [&'static str],
    /// Whether only `*.crt` in PEM is taken.
    crt_only: bool,
    outputs: &'static [&'static str],
    tool: &'static str,
}

const RECIPES: [Recipe; 3] = [
    Recipe {
        families: &["debian", "ubuntu", "alpine"],
        inputs: &["/usr/local/share/ca-certificates"],
        crt_only: true,
        outputs: &["/etc/ssl/certs/ca-certificates.crt"],
        tool: "update-ca-certificates",
    },
    Recipe {
        families: &["rhel", "fedora", "centos", "amzn", "azurelinux", "mariner", "rhcos"],
        inputs: &["/etc/pki/ca-trust/source/anchors", "/usr/share/pki/ca-trust-source/anchors"],
        crt_only: false,
        outputs: &["/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"],
        tool: "update-ca-trust",
    },
    Recipe {
        families: &["suse", "opensuse", "sles", "sle-micro"],
        inputs: &["/etc/pki/trust/anchors", "/usr/share/pki/trust/anchors"],
        crt_only: false,
        outputs: &["/var/lib/ca-certificates/ca-bundle.pem", "/etc/ssl/ca-bundle.pem"],
        tool: "update-ca-certificates",
    },
];

/// `ID` and `VERSION_ID` of os-release.
pub(super) fn os(files: &NodeFiles) -> Option<Str> {
    let id = release(files, "ID")?;
    Some(release(files, "VERSION_ID").map_or_else(|| id.clone(), |version| format!("{id} {version}")).into())
}

fn release(files: &NodeFiles, key: &str) -> Option<String> {
    let text = files.text("/etc/os-release").or_else(|| files.text("/usr/lib/os-release"))?;
    let mut values = text.lines().filter_map(|line| line.trim().split_once('=')).filter(|(name, _)| *name == key);
    values.next().map(|(_, value)| unquoted(value).to_owned()).filter(|value| !value.is_empty())
}

/// Reads all stores.
pub(super) fn read(reading: &mut Reading<'_>) {
    for path in OUTPUT_FILES {
        if let Some(found) = file(reading, path) {
            add(reading, path, StoreKind::System, found);
        }
    }
    for path in OUTPUT_FOLDERS {
        let found = folder(reading, path);
        if !found.is_empty() {
            add(reading, path, StoreKind::System, found);
        }
    }
    few_public(reading);
    let families = families(reading.files);
    for recipe in &RECIPES {
        let is_own = families.iter().any(|family| recipe.families.contains(&family.as_str()));
        for input in recipe.inputs {
            let taken = input_folder(reading, recipe, input, &families, is_own);
            if !taken.is_empty() {
                add(reading, input, StoreKind::Input, taken.values().cloned().collect());
            }
            if is_own || !is_known(&families) {
                compare(reading, recipe, input, &taken);
            }
        }
    }
    if families.iter().any(|family| family == "debian") {
        selected(reading);
    }
}

/// A store that a program names.
pub(super) fn named(reading: &mut Reading<'_>, path: &str) {
    if reading.files.is_unknown(path) {
        reading.unread(path, "named as a store, and outside of what is read");
    }
    let found = file(reading, path).unwrap_or_else(|| folder(reading, path));
    if !found.is_empty() && !reading.stores.iter().any(|store| *store.path == *path) {
        add(reading, path, StoreKind::System, found);
    }
}

/// The certificates of a file, or `None` where there is none.
fn file(reading: &mut Reading<'_>, path: &str) -> Option<Vec<Anchor>> {
    let found = reading.bundle(path);
    if found.is_none() && reading.files.is_unknown(path) {
        reading.unread(path, "not read");
    }
    found.as_ref().map(anchors)
}

/// The certificates of all files of a folder. Most names there are links to one file: each file is read once.
fn folder(reading: &mut Reading<'_>, path: &str) -> Vec<Anchor> {
    let files = reading.files;
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for name in files.names(path).unwrap_or_default() {
        let path = format!("{path}/{name}");
        let Read::Bytes(bytes) = files.bytes(&path) else { continue };
        if seen.insert(bytes.as_ptr().addr()) {
            found.extend(reading.bundle(&path).as_ref().map(anchors).unwrap_or_default());
        }
    }
    found
}

/// Adds a store, unless one of that kind with the same certificates is there: distributions have many names for one.
fn add(reading: &mut Reading<'_>, path: &str, kind: StoreKind, found: Vec<Anchor>) {
    let unique: BTreeMap<Fingerprint, Anchor> = found.into_iter().map(|anchor| (anchor.sha256, anchor)).collect();
    let all: Vec<u8> = unique.keys().flat_map(|fingerprint| fingerprint.0).collect();
    let fingerprint = sha256(&all);
    if reading.stores.iter().any(|store| store.kind == kind && store.fingerprint == fingerprint) {
        return;
    }
    let mut additions: Vec<Anchor> =
        unique.values().filter(|anchor| !public::is_public_root(anchor)).cloned().collect();
    additions.sort_by(|a, b| (&a.subject, a.sha256).cmp(&(&b.subject, b.sha256)));
    reading.stores.push(TrustStore {
        path: path.into(),
        kind,
        certificates: u32::try_from(unique.len()).unwrap_or(u32::MAX),
        fingerprint,
        public: public::share(unique.values()),
        additions,
        removed: Vec::new(),
        omitted: 0,
        modified: reading.files.modified(path),
    });
}

/// Certificates that the distribution ships, as far as it keeps them apart.
pub(super) fn shipped(reading: &mut Reading<'_>) -> BTreeSet<Fingerprint> {
    let mut paths = below(reading.files, "/usr/share/ca-certificates", 4);
    paths.push("/usr/share/pki/ca-trust-source/ca-bundle.trust.p11-kit".to_owned());
    let bundles = paths.iter().filter_map(|path| reading.bundle(path));
    bundles.flat_map(|bundle| anchors(&bundle)).map(|anchor| anchor.sha256).collect()
}

/// A store that clients read and that holds few of the public roots.
fn few_public(reading: &mut Reading<'_>) {
    let Some(store) = reading.stores.iter().find(|store| store.kind == StoreKind::System) else { return };
    if store.public.present * 2 >= store.public.of {
        return;
    }
    let path = store.path.clone();
    let message = format!("{path} holds {} of the {} public roots", store.public.present, store.public.of);
    reading.note(codes::TLS_FEW_PUBLIC_ROOTS, At(&path, 0), None, message);
}

fn families(files: &NodeFiles) -> Vec<String> {
    let values = [release(files, "ID"), release(files, "ID_LIKE")];
    values.iter().flatten().flat_map(|value| value.split_whitespace()).map(str::to_owned).collect()
}

fn is_known(families: &[String]) -> bool {
    families.iter().any(|family| RECIPES.iter().any(|recipe| recipe.families.contains(&family.as_str())))
}

/// What the tool takes from an input folder, by file and place in it; what it does not take is noted.
fn input_folder(
    reading: &mut Reading<'_>,
    recipe: &Recipe,
    input: &str,
    families: &[String],
    is_own: bool,
) -> BTreeMap<(String, usize), Anchor> {
    let mut taken = BTreeMap::new();
    let is_alpine = families.iter().any(|family| family == "alpine");
    let paths = below(reading.files, input, if is_alpine { 0 } else { 8 });
    for path in paths {
        let Some(bundle) = reading.bundle(&path) else { continue };
        let found = anchors(&bundle);
        if found.is_empty() {
            continue;
        }
        if !is_own && is_known(families) {
            let message =
                format!("{path}: this distribution does not read {input}, so the certificate is trusted nowhere");
            reading.note(codes::TLS_INPUT_NOT_TAKEN, At(&path, 0), None, message);
            continue;
        }
        if recipe.crt_only && !path.ends_with(".crt") {
            let message = format!("{path}: {} takes files that end in .crt alone", recipe.tool);
            reading.note(codes::TLS_INPUT_NOT_TAKEN, At(&path, 0), None, message);
            continue;
        }
        if recipe.crt_only && !is_pem(reading.files, &path) {
            let message =
                format!("{path} is DER, and {} puts it into the bundle as it is, where only PEM is read", recipe.tool);
            reading.note(codes::TLS_INPUT_NOT_TAKEN, At(&path, 0), None, message);
            continue;
        }
        taken.extend(found.into_iter().enumerate().map(|(at, anchor)| ((path.clone(), at), anchor)));
    }
    taken
}

fn is_pem(files: &NodeFiles, path: &str) -> bool {
    matches!(files.bytes(path), Read::Bytes(bytes) if memchr::memmem::find(bytes, b"-----BEGIN").is_some())
}

/// Files in and below a folder.
fn below(files: &NodeFiles, folder: &str, depth: u32) -> Vec<String> {
    let mut found = Vec::new();
    for name in files.names(folder).unwrap_or_default() {
        let path = format!("{folder}/{name}");
        if files.is_directory(&path) {
            if depth > 0 {
                found.extend(below(files, &path, depth - 1));
            }
        } else {
            found.push(path);
        }
    }
    found
}

/// The output that a recipe writes, and what is in it; `None` where it was not read.
fn output(reading: &mut Reading<'_>, recipe: &Recipe) -> Option<(String, Vec<Anchor>)> {
    for path in recipe.outputs {
        match reading.files.bytes(path) {
            Read::Bytes(_) => return Some(((*path).to_owned(), file(reading, path)?)),
            Read::Unknown => return None,
            Read::Absent => {}
        }
    }
    Some((recipe.outputs.first()?.to_string(), Vec::new()))
}

/// Notes what stands in the input and not in the output.
fn compare(reading: &mut Reading<'_>, recipe: &Recipe, input: &str, taken: &BTreeMap<(String, usize), Anchor>) {
    if taken.is_empty() {
        return;
    }
    let Some((output, present)) = output(reading, recipe) else { return };
    let refused = distrusted(reading);
    for ((path, _), anchor) in taken {
        let is_in =
            |list: &[Anchor]| list.iter().any(|other| other.subject == anchor.subject && other.spki == anchor.spki);
        if is_in(&present) || is_in(&refused) {
            continue;
        }
        let subject = &anchor.subject;
        let message = if anchor.ca || recipe.crt_only {
            format!("{subject} is put into {input} and missing in {output}: {} has not run since", recipe.tool)
        } else {
            format!(
                "{subject} is put into {input} and missing in {output}: it is no CA, and {} takes CAs alone",
                recipe.tool
            )
        };
        reading.note(codes::TLS_STORE_NOT_BUILT, At(path, 0), None, message);
    }
}

/// What administrators of p11-kit's distributions distrust.
fn distrusted(reading: &mut Reading<'_>) -> Vec<Anchor> {
    let mut found = Vec::new();
    for folder in [
        "/etc/pki/ca-trust/source/blocklist",
        "/etc/pki/ca-trust/source/blacklist",
        "/etc/pki/trust/blocklist",
        "/etc/pki/trust/blacklist",
    ] {
        for path in below(reading.files, folder, 0) {
            found.extend(reading.bundle(&path).as_ref().map(anchors).unwrap_or_default());
        }
    }
    found
}

/// `/etc/ca-certificates.conf` of Debian selects files below `/usr/share/ca-certificates`; `!` deselects.
fn selected(reading: &mut Reading<'_>) {
    const PATH: &str = "/etc/ca-certificates.conf";
    let Some(text) = reading.files.text(PATH) else { return };
    let recipe = &RECIPES[0];
    let Some((output, present)) = output(reading, recipe) else { return };
    let keys: BTreeSet<_> = present.iter().map(|anchor| (&anchor.subject, anchor.spki)).collect();
    for (line, name) in text.lines().map(str::trim).enumerate() {
        if name.is_empty() || name.starts_with(['#', '!']) {
            continue;
        }
        let Some(bundle) = reading.bundle(&format!("/usr/share/ca-certificates/{name}")) else { continue };
        for anchor in anchors(&bundle).iter().filter(|anchor| !keys.contains(&(&anchor.subject, anchor.spki))) {
            let message =
                format!("{} is selected and missing in {output}: {} has not run since", anchor.subject, recipe.tool);
            let line = u32::try_from(line + 1).unwrap_or(0);
            reading.note(codes::TLS_STORE_NOT_BUILT, At(PATH, line), None, message);
        }
    }
}
