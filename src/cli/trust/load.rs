//! Reading chains and stores.

use std::collections::HashMap;
use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, bail};

use super::{Store, Trust};
use crate::collect::tree::Root;
use crate::trust::client::{Environment, Place, effective};
use crate::trust::{Bundle, Certificate, Client, Tree};

/// What a server presents.
#[derive(Clone, Debug)]
pub(super) enum Chain {
    /// Leaf first.
    Read(Arc<[Certificate]>),
    /// The leaf's bytes are known, and are no certificate.
    Malformed(String),
    /// It is not known what the leaf is.
    Unread(String),
}

/// Reads, and keeps what is read more than once.
#[derive(Debug, Default)]
pub(super) struct Loader {
    stores: HashMap<String, Store>,
    roots: HashMap<PathBuf, Root>,
    /// Where relative paths are looked up if they are not found from here.
    base: Option<PathBuf>,
    /// What was skipped, for people.
    pub(super) notes: Vec<String>,
}

/// Stores that are kept; a batch asks about few.
const KEPT: usize = 64;
/// Roots that are kept, with the files that clients asked for.
const ROOTS_KEPT: usize = 8;

impl Loader {
    /// One that looks up relative paths in a folder too.
    pub(super) fn beside(base: Option<PathBuf>) -> Self {
        Self { base, ..Self::default() }
    }

    pub(super) fn chain_file(&mut self, path: &Path) -> anyhow::Result<Chain> {
        let bytes = if path == Path::new("-") {
            let mut bytes = Vec::new();
            std::io::stdin().read_to_end(&mut bytes).context("cannot read stdin")?;
            bytes
        } else {
            self.read(path)?
        };
        self.chain(&bytes, &path.display().to_string())
    }

    /// A chain of PEM texts and paths, one after another.
    pub(super) fn chain_parts(&mut self, parts: &[String]) -> anyhow::Result<Chain> {
        let mut all = Vec::new();
        for part in parts {
            let chain =
                if is_inline(part) { self.chain(part.as_bytes(), "chain")? } else { self.chain_file(Path::new(part))? };
            match chain {
                Chain::Read(certificates) => all.extend(certificates.iter().cloned()),
                unread if all.is_empty() => return Ok(unread),
                Chain::Malformed(_) | Chain::Unread(_) => {}
            }
        }
        if all.is_empty() {
            bail!("the chain is empty");
        }
        Ok(Chain::Read(all.into()))
    }

    fn chain(&mut self, bytes: &[u8], origin: &str) -> anyhow::Result<Chain> {
        let bundle = Bundle::read(bytes);
        self.note(&bundle, origin);
        if let Some(unread) = bundle.unread_first {
            let why = format!("{origin}: the first certificate, {}", unread.reason);
            return Ok(if unread.malformed { Chain::Malformed(why) } else { Chain::Unread(why) });
        }
        if bundle.certificates.is_empty() {
            bail!("{origin} holds no certificate");
        }
        Ok(Chain::Read(bundle.certificates.into()))
    }

    /// A file, or every file of a folder, by name.
    pub(super) fn store_path(&mut self, path: &Path) -> anyhow::Result<Store> {
        let path = self.locate(path);
        if !path.is_dir() {
            let bytes = self.read(&path)?;
            let bundle = Bundle::read(&bytes);
            self.note(&bundle, &path.display().to_string());
            return Ok(bundle.certificates.into());
        }
        let entries = fs::read_dir(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let mut files = Vec::new();
        for entry in entries {
            files.push(entry.with_context(|| format!("cannot read {}", path.display()))?.path());
        }
        files.sort();
        let mut all = Vec::new();
        for file in files.iter().filter(|file| file.is_file()) {
            match fs::read(file) {
                Ok(bytes) => {
                    let bundle = Bundle::read(&bytes);
                    self.note(&bundle, &file.display().to_string());
                    all.extend(bundle.certificates);
                }
                Err(error) => self.notes.push(format!("{}: {error}", file.display())),
            }
        }
        Ok(all.into())
    }

    /// A store of PEM texts and paths; the same text is read once.
    pub(super) fn store_parts(&mut self, parts: &[String]) -> anyhow::Result<Store> {
        if let [one] = parts {
            return self.store_part(one);
        }
        let mut all = Vec::new();
        for part in parts {
            all.extend(self.store_part(part)?.iter().cloned());
        }
        Ok(all.into())
    }

    /// What a client loads below a root.
    pub(super) fn loaded(
        &mut self,
        root: &Path,
        environment: &Environment,
        host: Option<&str>,
        client: Client,
    ) -> anyhow::Result<Trust> {
        let path = self.locate(root);
        if !self.roots.contains_key(&path) {
            if self.roots.len() >= ROOTS_KEPT {
                self.roots.clear();
            }
            let open = Root::open(&path).with_context(|| format!("cannot read {}", path.display()))?;
            self.roots.insert(path.clone(), open);
        }
        let root = self.roots.get_mut(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let ask = |files: &Tree| effective(client, &Place { host, ..Place::new(files, environment) });
        Ok(Trust::Loaded(Box::new(root.effective(ask))))
    }

    fn store_part(&mut self, part: &str) -> anyhow::Result<Store> {
        if let Some(store) = self.stores.get(part) {
            return Ok(store.clone());
        }
        let store = if is_inline(part) {
            let bundle = Bundle::read(part.as_bytes());
            self.note(&bundle, "store");
            bundle.certificates.into()
        } else {
            self.store_path(Path::new(part))?
        };
        if self.stores.len() >= KEPT {
            self.stores.clear();
        }
        self.stores.insert(part.to_owned(), store.clone());
        Ok(store)
    }

    fn locate(&self, path: &Path) -> PathBuf {
        match &self.base {
            Some(base) if path.is_relative() && !path.exists() => base.join(path),
            _ => path.to_owned(),
        }
    }

    fn read(&self, path: &Path) -> anyhow::Result<Vec<u8>> {
        let path = self.locate(path);
        fs::read(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    fn note(&mut self, bundle: &Bundle, origin: &str) {
        for (line, why) in &bundle.problems {
            let place = if *line == 0 { origin.to_owned() } else { format!("{origin}:{line}") };
            self.notes.push(format!("{place}: skipped: {why}"));
        }
        if bundle.private_keys > 0 {
            self.notes.push(format!("{origin}: {} private keys lie in it", bundle.private_keys));
        }
    }
}

/// PEM, and not the path of a file; empty text is an empty store.
fn is_inline(text: &str) -> bool {
    text.trim().is_empty() || text.contains("-----BEGIN") || text.contains('\n')
}
