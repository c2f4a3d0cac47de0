//! Cluster API's kubeadm configuration: the files that it writes to new nodes, and the commands that it runs there.
//!
//! What it says is true for every node of its kind, and not the whole: the image of the machine brings files of its
//! own (Cluster API, `KubeadmConfigSpec`).

use std::sync::Arc;

use jiff::Timestamp;
use serde::Deserialize;

use super::decode::Wrong;
use super::lines::Lines;
use super::trust_objects::inside;
use crate::model::codes;
use crate::model::object::Meta;
use crate::model::trust::{Anchor, NodeTrust, PublicShare, StoreKind, TrustNote, TrustStore};
use crate::model::{Str, base64};
use crate::trust::cert::sha256;
use crate::trust::places::is_trust_place;
use crate::trust::runtime::{About, NodeFiles, facts, is_public_root, share};
use crate::trust::tree::{Content, Entry};
use crate::trust::{Bundle, Certificate, Tree};

/// What a machine gets before it joins.
#[derive(Clone, Debug)]
pub(crate) struct Machine {
    pub(crate) kind: Str,
    pub(crate) meta: Meta,
    files: Vec<File>,
    /// `preKubeadmCommands` and `postKubeadmCommands`.
    commands: Vec<String>,
}

#[derive(Clone, Debug)]
struct File {
    path: String,
    /// Its bytes, or why they are not known.
    content: Result<Arc<[u8]>, &'static str>,
    append: bool,
}

/// The specification, where each of the kinds has it.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    /// Of a `KubeadmConfigTemplate` and a `KubeadmControlPlaneTemplate`.
    template: Option<Template>,
    /// Of a `KubeadmControlPlane`.
    kubeadm_config_spec: Option<ConfigSpec>,
    /// Of a `KubeadmConfig`.
    #[serde(flatten)]
    own: ConfigSpec,
}

#[derive(Deserialize)]
struct Template {
    spec: Option<Box<Spec>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ConfigSpec {
    files: Option<Vec<WrittenFile>>,
    pre_kubeadm_commands: Option<Vec<String>>,
    post_kubeadm_commands: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenFile {
    path: String,
    content: Option<String>,
    content_from: Option<serde::de::IgnoredAny>,
    encoding: Option<String>,
    append: Option<bool>,
}

/// Where administrators put CAs, what builds the store of them, and what it builds.
const INPUTS: &[(&str, &str, &str)] = &[
    ("/usr/local/share/ca-certificates/", "update-ca-certificates", "/etc/ssl/certs/ca-certificates.crt"),
    ("/etc/pki/ca-trust/source/anchors/", "update-ca-trust", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),
    ("/etc/pki/trust/anchors/", "update-ca-certificates", "/var/lib/ca-certificates/ca-bundle.pem"),
];

/// Reads the specification.
pub(super) fn read(
    kind: Str,
    meta: Meta,
    spec: Option<&serde_json::value::RawValue>,
    lines: &Lines<'_>,
) -> Result<Machine, Wrong> {
    let mut spec: Spec = inside("spec", spec, lines)?;
    if let Some(inner) = spec.template.take().and_then(|template| template.spec) {
        spec = *inner;
    }
    let config = spec.kubeadm_config_spec.unwrap_or(spec.own);
    let commands = config.pre_kubeadm_commands.into_iter().chain(config.post_kubeadm_commands).flatten();
    let files = config.files.into_iter().flatten().map(|file| File {
        content: bytes(&file),
        append: file.append.unwrap_or(false),
        path: file.path,
    });
    Ok(Machine { kind, meta, files: files.collect(), commands: commands.collect() })
}

fn bytes(file: &WrittenFile) -> Result<Arc<[u8]>, &'static str> {
    if file.content_from.is_some() {
        return Err("its content is in a Secret, and Secrets are not read");
    }
    let text = file.content.as_deref().unwrap_or_default();
    match file.encoding.as_deref() {
        None | Some("") => Ok(text.as_bytes().into()),
        Some("base64") => {
            let text: String = text.split_whitespace().collect();
            base64::decode(&text).map(Into::into).ok_or("its content is no base64")
        }
        Some(_) => Err("its content is compressed, and that is not read"),
    }
}

impl Machine {
    /// What such a node trusts; `None` if nothing is said about that.
    pub(super) fn node(self, instant: Timestamp) -> Option<NodeTrust> {
        let decides = |file: &File| is_trust_place(&file.path) || file.path.starts_with("/etc/systemd/system/");
        if !self.files.iter().any(decides) {
            return None;
        }
        let mut tree = Tree::new(false);
        for file in &self.files {
            let entry = match &file.content {
                Ok(_) if file.append => Entry::Unknown("something is appended to what the image brings".to_owned()),
                Ok(bytes) => Entry::File(Content::Bytes(bytes.clone())),
                Err(why) => Entry::Unknown((*why).to_owned()),
            };
            tree.put(&file.path, entry);
        }
        let files = NodeFiles { tree, ..NodeFiles::default() };
        let name = self.meta.name.clone();
        let mut trust = facts(&files, &About { name, observed: instant, container_runtime: None });
        let place = self.meta.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
        trust.from = Some(format!("{} {place}{}", self.kind, self.meta.name).into());
        trust.observed = None;
        // Of what it does not say anything about, the image of the machine decides.
        trust.unread = vec!["what the image of the machine brings itself".into()];
        trust.stores.retain(|store| store.kind == StoreKind::System);
        if trust.stores.is_empty() {
            let store = self.store(&mut trust);
            trust.stores.push(store);
        }
        trust.meta = self.meta;
        Some(trust)
    }

    /// The store that the distribution's tool builds of its roots and these files.
    fn store(&self, trust: &mut NodeTrust) -> TrustStore {
        let mut additions: Vec<Anchor> = Vec::new();
        let mut path = INPUTS[0].2;
        for file in &self.files {
            let input = INPUTS.iter().find(|(folder, ..)| file.path.starts_with(folder));
            let output = INPUTS.iter().find(|(.., output)| file.path == *output);
            let content = match (&file.content, input, output) {
                (_, None, None) => continue,
                (Ok(bytes), ..) => Bundle::read(bytes),
                (Err(why), ..) => {
                    trust.unread.push(format!("{}: {why}", file.path).into());
                    continue;
                }
            };
            if let Some((_, tool, output)) = input {
                if !self.commands.iter().any(|command| command.contains(tool)) {
                    let message = format!("{} is written to new nodes, and no command runs `{tool}`", file.path);
                    trust.notes.push(TrustNote {
                        code: codes::TLS_NOT_BUILT_ON_NODES.id.into(),
                        message: message.into(),
                        path: file.path.as_str().into(),
                        line: 0,
                        host: None,
                    });
                    continue;
                }
                path = output;
            }
            additions.extend(content.certificates.iter().map(Certificate::anchor_with_der));
        }
        system_store(path, &additions)
    }
}

/// The store of a distribution: its own public roots, and what administrators add.
pub(super) fn system_store(path: &str, additions: &[Anchor]) -> TrustStore {
    let mut fingerprints: Vec<_> = additions.iter().map(|anchor| anchor.sha256.0).collect();
    fingerprints.sort_unstable();
    let public = share(std::iter::empty());
    let additions: Vec<Anchor> = additions.iter().filter(|anchor| !is_public_root(anchor)).cloned().collect();
    TrustStore {
        path: path.into(),
        kind: StoreKind::System,
        certificates: public.of + u32::try_from(additions.len()).unwrap_or(0),
        fingerprint: sha256(&fingerprints.concat()),
        public: PublicShare { present: public.of, ..public },
        additions,
        omitted: 0,
        modified: None,
    }
}
