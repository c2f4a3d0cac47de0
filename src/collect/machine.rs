//! Machines that somebody describes before they start: the files that are written to them, and the commands that run.
//!
//! What is said is true for every node of its kind, and not the whole: the image of the machine brings files of its own.

use std::sync::Arc;

use jiff::Timestamp;

use crate::model::object::Meta;
use crate::model::trust::{Anchor, NodeTrust, PublicShare, StoreKind, TrustNote, TrustStore};
use crate::model::{Str, codes};
use crate::trust::places::is_trust_place;
use crate::trust::runtime::{About, NodeFiles, described_store, facts};
use crate::trust::tree::{Content, Entry};
use crate::trust::{Bundle, Certificate, Tree};

/// What a machine gets before it joins.
#[derive(Clone, Debug, Default)]
pub(crate) struct Machine {
    pub(crate) meta: Meta,
    /// Who says so: `KubeadmConfig ci/workers`.
    pub(crate) from: Str,
    pub(crate) files: Vec<File>,
    /// What runs after the files were written, as far as it is looked at: the names of tools that build a store.
    pub(crate) commands: Vec<String>,
    /// `config_path` of containerd where no file sets it.
    pub(crate) config_path: Option<Str>,
    /// Something else may change the store, so that what the distribution ships is not taken for it.
    pub(crate) is_store_open: bool,
}

#[derive(Clone, Debug)]
pub(crate) struct File {
    pub(crate) path: String,
    /// Its bytes, or why they are not known.
    pub(crate) content: Result<Arc<[u8]>, &'static str>,
    pub(crate) append: bool,
}

/// Where administrators put CAs, what builds the store of them, and what it builds.
const INPUTS: &[(&str, &str, &str)] = &[
    ("/usr/local/share/ca-certificates/", "update-ca-certificates", "/etc/ssl/certs/ca-certificates.crt"),
    ("/etc/pki/ca-trust/source/anchors/", "update-ca-trust", "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem"),
    ("/etc/pki/trust/anchors/", "update-ca-certificates", "/var/lib/ca-certificates/ca-bundle.pem"),
];

/// The tools that a text names which build a store.
pub(super) fn tools(text: &str) -> impl Iterator<Item = String> {
    INPUTS.iter().map(|(_, tool, _)| *tool).filter(|tool| text.contains(tool)).map(str::to_owned)
}

impl Machine {
    /// Whether something of it decides what is trusted.
    pub(super) fn decides(&self) -> bool {
        self.files.iter().any(|file| is_trust_place(&file.path) || file.path.starts_with("/etc/systemd/system/"))
    }

    /// What such a node trusts.
    pub(super) fn node(self, instant: Timestamp) -> NodeTrust {
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
        let (name, config_path) = (self.meta.name.clone(), self.config_path.clone());
        let mut trust = facts(&files, &About { name, observed: instant, config_path, ..About::default() });
        trust.from = Some(self.from.clone());
        trust.observed = None;
        // Of what it does not say anything about, the image of the machine decides.
        trust.unread = vec!["what the image of the machine brings itself".into()];
        trust.stores.retain(|store| store.kind == StoreKind::System);
        if trust.stores.is_empty() {
            let store = self.store(&mut trust);
            trust.stores.extend(store);
        }
        trust.meta = self.meta;
        trust
    }

    /// The store that the distribution's tool builds of its roots and these files.
    fn store(&self, trust: &mut NodeTrust) -> Option<TrustStore> {
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
        let store = described_store(path, &additions, &[]);
        if !self.is_store_open {
            return Some(store);
        }
        // What is added is there; of the public roots nobody says anything.
        let public = PublicShare { present: 0, ..store.public };
        let certificates = u32::try_from(store.additions.len()).unwrap_or(u32::MAX);
        (!store.additions.is_empty()).then_some(TrustStore { certificates, public, ..store })
    }
}
