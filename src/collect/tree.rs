//! The files of a folder that stands for the root of a file system, read only as far as a client asks for them.
//!
//! Links are never followed while reading: they become links of the tree, which resolves them inside. Nothing but
//! regular files and directories is opened, and private keys are not kept.

use std::io::{self, Read as _};
use std::path::Path;

use rustix::fs::FileType;
use rustix::io::Errno;

use super::node;
use crate::trust::client::Effective;
use crate::trust::tree::{Content, Entry, Tree};

/// A larger file is marked and not read, in bytes. Bundles of all public roots have a quarter of a megabyte.
const FILE_LIMIT: u64 = 4 << 20;
/// All files together, in bytes.
const TOTAL_LIMIT: u64 = 64 << 20;
/// Names in one directory.
const NAMES_LIMIT: usize = 5_000;
/// A client asks for a path, finds a link, asks for where it leads: a few rounds. More are a loop.
const ROUNDS: usize = 200;

/// A folder as a file tree.
#[derive(Debug)]
pub struct Root {
    folder: node::Root,
    tree: Tree,
    total: u64,
}

impl Root {
    /// A folder. Nothing in it is read yet.
    ///
    /// # Errors
    ///
    /// The folder cannot be opened. What cannot be read below it is unknown in the tree.
    pub fn open(folder: &Path) -> io::Result<Self> {
        Ok(Self { folder: node::Root::open(folder)?, tree: Tree::new(false), total: 0 })
    }

    /// What was read so far.
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Asks again and again, each time with the files that were missing before, until nothing is missing.
    pub fn effective(&mut self, ask: impl Fn(&Tree) -> Effective) -> Effective {
        let mut found = ask(&self.tree);
        for _ in 0..ROUNDS {
            if found.unread.is_empty() {
                break;
            }
            let mut is_news = false;
            for path in std::mem::take(&mut found.unread) {
                let before = self.tree.get(&path).cloned();
                self.read(&path);
                is_news |= before.as_ref() != self.tree.get(&path);
            }
            found = ask(&self.tree);
            if !is_news {
                break;
            }
        }
        found
    }

    /// Reads what stands at a path whose parents are in the tree; a directory that is there already was asked for with
    /// all that is in it.
    fn read(&mut self, path: &str) {
        let is_known = path.is_empty() || matches!(self.tree.get(path), Some(Entry::Directory { .. }));
        if is_known {
            return self.list(path);
        }
        let entry = self.entry(path);
        self.tree.put(path, entry);
    }

    /// The names in a directory with what stands there; directories below are read when they are asked for.
    fn list(&mut self, path: &str) {
        let (names, complete) = match self.folder.names(path, NAMES_LIMIT) {
            Ok(found) => found,
            Err(error) => return self.tree.put(path, Entry::Unknown(format!("{path}: {}", io::Error::from(error)))),
        };
        for name in names {
            let child = format!("{path}/{name}");
            if self.tree.get(&child).is_none() {
                let entry = self.entry(&child);
                self.tree.put(&child, entry);
            }
        }
        if complete {
            self.tree.put(path, Entry::Directory { complete });
        } else {
            // What is listed stays; what is not cannot be told apart from what is not there.
            self.tree.put(path, Entry::Unknown(format!("{path}: not all of its names can be read")));
        }
    }

    fn entry(&mut self, path: &str) -> Entry {
        let unknown = |why: &str| Entry::Unknown(format!("{path}: {why}"));
        let failed = |error: Errno| Entry::Unknown(format!("{path}: {}", io::Error::from(error)));
        let (stat, target) = match self.folder.look(path) {
            Ok(found) => found,
            Err(Errno::NOENT | Errno::NOTDIR) => return Entry::Absent,
            Err(error) => return failed(error),
        };
        if let Some(target) = target {
            // A name that is no UTF-8 was mended on the way, and would lead elsewhere.
            let is_whole = !target.contains(char::REPLACEMENT_CHARACTER);
            return if is_whole { Entry::Link(target) } else { unknown("a link to a name that is no UTF-8") };
        }
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::Directory => return Entry::Directory { complete: false },
            FileType::RegularFile => {}
            _ => return unknown("no regular file: not read"),
        }
        if let Some(why) = node::secret(path.rsplit('/').next().unwrap_or_default()) {
            return unknown(why);
        }
        let (file, _) = match self.folder.file(path) {
            Ok(found) => found,
            Err(error) => return failed(error),
        };
        let mut bytes = Vec::new();
        // The size that a file claims may be another one when it is read.
        match file.take(FILE_LIMIT + 1).read_to_end(&mut bytes) {
            Ok(read) if read as u64 > FILE_LIMIT => return unknown("larger than 4 MiB: not read"),
            Ok(read) => self.total += read as u64,
            Err(error) => return unknown(&error.to_string()),
        }
        if self.total > TOTAL_LIMIT {
            return unknown("more than 64 MiB in all: not read");
        }
        if holds_keys_alone(&bytes) {
            // No client finds an anchor in it.
            bytes.clear();
        }
        Entry::File(Content::Bytes(bytes.into()))
    }
}

/// Whether there are private keys and no certificates.
fn holds_keys_alone(bytes: &[u8]) -> bool {
    let holds = |text: &[u8]| memchr::memmem::find(bytes, text).is_some();
    holds(b"PRIVATE KEY-----") && !holds(b"CERTIFICATE-----")
}
