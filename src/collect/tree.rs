//! The files of a folder that stands for the root of a file system, read only as far as a client asks for them.
//!
//! Links are never followed while reading: they become links of the tree, which resolves them inside.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::trust::client::Effective;
use crate::trust::tree::{Content, Entry, Tree};

/// Larger files hold no certificates that a client would load.
const LARGEST: u64 = 16 << 20;
/// A client asks for a path, finds a link, asks for where it leads: a few rounds. More are a loop.
const ROUNDS: usize = 200;

/// A folder as a file tree.
#[derive(Debug)]
pub struct Root {
    folder: PathBuf,
    tree: Tree,
}

impl Root {
    /// A folder. Nothing is read yet.
    pub fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), tree: Tree::new(false) }
    }

    /// What was read so far.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Asks again and again, each time with the files that were missing before, until nothing is missing.
    pub fn effective(&mut self, ask: impl Fn(&Tree) -> Effective) -> Effective {
        let mut found = ask(&self.tree);
        for _ in 0..ROUNDS {
            for path in &found.unread {
                self.read(path);
            }
            let before = std::mem::take(&mut found.unread);
            found = ask(&self.tree);
            if found.unread.is_empty() || found.unread == before {
                break;
            }
        }
        found
    }

    /// Reads what stands at a path whose parents are in the tree or are no links.
    fn read(&mut self, path: &str) {
        if path.is_empty() {
            return self.list(path);
        }
        let mut at = String::new();
        for part in path.split('/').filter(|part| !part.is_empty()) {
            at = format!("{at}/{part}");
            if self.tree.get(&at).is_none() || at == path {
                let entry = self.entry(&at);
                let goes_on = matches!(entry, Entry::Directory { .. });
                self.tree.put(&at, entry);
                if !goes_on {
                    return;
                }
            }
        }
        self.list(path);
    }

    /// The names in a directory with what stands there; directories below are read when they are asked for.
    fn list(&mut self, path: &str) {
        let names = match fs::read_dir(self.place_of(path)) {
            Ok(names) => names,
            Err(error) => return self.tree.put(path, Entry::Unknown(format!("{path}: {error}"))),
        };
        let mut whole = true;
        for name in names {
            match name.map(|name| name.file_name().into_string()) {
                Ok(Ok(name)) => {
                    let child = format!("{path}/{name}");
                    let entry = self.entry(&child);
                    self.tree.put(&child, entry);
                }
                _ => whole = false,
            }
        }
        self.tree.put(path, Entry::Directory { complete: whole });
    }

    fn entry(&self, path: &str) -> Entry {
        let place = self.place_of(path);
        let unknown = |error: &std::io::Error| Entry::Unknown(format!("{path}: {error}"));
        let kind = match fs::symlink_metadata(&place) {
            Ok(metadata) => metadata,
            Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Entry::Absent;
            }
            Err(error) => return unknown(&error),
        };
        if kind.is_symlink() {
            match fs::read_link(&place) {
                Ok(target) => Entry::Link(target.to_string_lossy().into_owned()),
                Err(error) => unknown(&error),
            }
        } else if kind.is_dir() {
            Entry::Directory { complete: false }
        } else if !kind.is_file() || kind.len() > LARGEST {
            Entry::Unknown(format!("{path} is no file that is read"))
        } else {
            match fs::read(&place) {
                Ok(bytes) => Entry::File(Content::Bytes(bytes.into())),
                Err(error) => unknown(&error),
            }
        }
    }

    fn place_of(&self, path: &str) -> PathBuf {
        self.folder.join(path.trim_start_matches('/'))
    }
}
