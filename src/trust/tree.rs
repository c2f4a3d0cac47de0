//! The files that a client sees: a node's, a saved folder's, or a container's as its mounts make it.

use std::collections::BTreeMap;
use std::sync::Arc;

/// What stands at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A regular file.
    File(Content),
    /// A directory. `complete`: what is not in the tree is not there.
    Directory {
        /// Whether all that it holds is in the tree.
        complete: bool,
    },
    /// A directory as a distribution ships it: the public roots in files of their own, under the hashed names that
    /// OpenSSL looks for. None of these is listed; everything else in it is.
    PublicDirectory,
    /// A symbolic link, target as written: absolute ones are resolved inside the tree.
    Link(String),
    /// Something stands here and nobody knows what: a Secret, a volume that was not read.
    Unknown(String),
    /// Nothing stands here, in a directory of which not all is known.
    Absent,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// Its bytes.
    Bytes(Arc<[u8]>),
    /// The public roots as an image or a distribution ships them: the reference set stands in.
    PublicRoots,
}

/// A file tree, addressed by absolute paths with `/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    entries: BTreeMap<String, Entry>,
    /// Mount points that took public roots out of sight.
    hidden: Vec<String>,
    /// Whether what is not in the tree is not there; otherwise it is not known.
    complete: bool,
}

/// What a look-up finds, links followed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<'a> {
    /// A file.
    File(&'a Content),
    /// A directory: the names in it, sorted, and whether these are all.
    Directory {
        /// Names, without the path.
        names: Vec<&'a str>,
        /// Whether there can be no others.
        complete: bool,
        /// It holds the public roots under hashed names, beside what is listed ([`Entry::PublicDirectory`]).
        public: bool,
    },
    /// Nothing stands there, or a link leads nowhere.
    Absent,
    /// It is not known what stands there, and why.
    Unknown(String),
}

/// Links that are followed in one look-up before it is taken for a loop (Linux: 40).
const LINKS: usize = 40;

impl Tree {
    /// An empty tree. `complete`: what is not put into it is not there.
    pub fn new(complete: bool) -> Self {
        Self { entries: BTreeMap::new(), hidden: Vec::new(), complete }
    }

    /// Puts an entry at an absolute path, in the place of what stood there and, for anything but a directory,
    /// of everything below it. Directories above it come into being; links above it are followed.
    pub fn put(&mut self, path: &str, entry: Entry) {
        let path = self.real(path, false);
        self.make_way(&path);
        if !matches!(entry, Entry::Directory { .. } | Entry::PublicDirectory) {
            self.remove_below(&path);
        }
        self.entries.insert(path, entry);
    }

    /// Mounts over a file or directory: all that the tree held at and below it is hidden. As a container runtime does
    /// it, a link at the mount point is followed: what it leads to is mounted over.
    pub fn mount(&mut self, path: &str, entry: Entry) {
        let path = self.real(path, true);
        if self.holds_public(&path) {
            self.hidden.push(path.clone());
        }
        self.make_way(&path);
        self.remove_below(&path);
        self.entries.insert(path, entry);
    }

    /// Mount points under which public roots were before.
    pub fn hidden(&self) -> &[String] {
        &self.hidden
    }

    /// What was put at exactly this path, links not followed.
    pub fn get(&self, path: &str) -> Option<&Entry> {
        self.entries.get(path)
    }

    /// The path behind links, as far as the tree tells.
    pub fn resolve(&self, path: &str) -> String {
        self.real(path, true)
    }

    /// Every path with what stands there, links not followed.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.entries.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    fn holds_public(&self, path: &str) -> bool {
        let prefix = format!("{path}/");
        let below = self.entries.range(prefix.clone()..).take_while(|(below, _)| below.starts_with(&prefix));
        let here = self.entries.get(path).into_iter().chain(below.map(|(_, entry)| entry));
        here.into_iter().any(|entry| matches!(entry, Entry::PublicDirectory | Entry::File(Content::PublicRoots)))
    }

    /// The path behind links, as far as the tree tells. `last`: whether a link at its end is followed too.
    fn real(&self, path: &str, last: bool) -> String {
        let mut todo: Vec<String> = parts(path).rev().map(str::to_owned).collect();
        let mut at = String::new();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == ".." {
                at.truncate(at.rfind('/').unwrap_or(0));
                continue;
            }
            let next = format!("{at}/{part}");
            match self.entries.get(&next) {
                Some(Entry::Link(target)) if links < LINKS && (last || !todo.is_empty()) => {
                    links += 1;
                    if target.starts_with('/') {
                        at.clear();
                    }
                    todo.extend(parts(target).rev().map(str::to_owned));
                }
                _ => at = next,
            }
        }
        at
    }

    fn make_way(&mut self, path: &str) {
        for (at, _) in path.match_indices('/').filter(|(at, _)| *at > 0) {
            let complete = self.complete;
            self.entries.entry(path[..at].to_owned()).or_insert(Entry::Directory { complete });
        }
    }

    fn remove_below(&mut self, path: &str) {
        let prefix = format!("{path}/");
        self.entries.retain(|known, _| !known.starts_with(&prefix));
    }

    /// Whether what the tree does not hold in a directory is not there.
    fn is_complete(&self, directory: &str) -> bool {
        match self.entries.get(directory) {
            Some(Entry::Directory { complete }) => *complete,
            Some(_) => true,
            None => self.complete,
        }
    }

    /// What stands at a path, links followed inside the tree: `..` never leaves it.
    pub fn find(&self, path: &str) -> Found<'_> {
        self.walk(path).unwrap_or_else(|unread| Found::Unknown(format!("{unread} was not read")))
    }

    /// The path that a look-up of `path` needs and that is not in the tree, links followed: what to read next.
    pub fn unread(&self, path: &str) -> Option<String> {
        self.walk(path).err()
    }

    fn walk(&self, path: &str) -> Result<Found<'_>, String> {
        let mut todo: Vec<String> = parts(path).rev().map(str::to_owned).collect();
        let mut at = String::new();
        let mut links = 0;
        let mut complete = self.complete;
        while let Some(part) = todo.pop() {
            if part == ".." {
                at.truncate(at.rfind('/').unwrap_or(0));
                complete = self.is_complete(&at);
                continue;
            }
            let next = format!("{at}/{part}");
            match self.entries.get(&next) {
                Some(Entry::Link(target)) => {
                    links += 1;
                    if links > LINKS {
                        return Ok(Found::Absent);
                    }
                    if target.starts_with('/') {
                        at.clear();
                        complete = self.complete;
                    }
                    todo.extend(parts(target).rev().map(str::to_owned));
                }
                Some(Entry::Directory { .. } | Entry::PublicDirectory) => {
                    complete = self.is_complete(&next);
                    at = next;
                }
                Some(Entry::File(content)) if todo.is_empty() => return Ok(Found::File(content)),
                Some(Entry::File(_) | Entry::Absent) => return Ok(Found::Absent),
                Some(Entry::Unknown(why)) => return Ok(Found::Unknown(why.clone())),
                None if complete => return Ok(Found::Absent),
                None => return Err(next),
            }
        }
        let prefix = format!("{at}/");
        let below = self.entries.range(prefix.clone()..).take_while(|(path, _)| path.starts_with(&prefix));
        let below = below.filter(|(_, entry)| **entry != Entry::Absent).map(|(path, _)| &path[prefix.len()..]);
        let names = below.filter(|name| !name.contains('/')).collect();
        let complete = self.is_complete(&at);
        let public = matches!(self.entries.get(&at), Some(Entry::PublicDirectory));
        Ok(Found::Directory { names, complete, public })
    }
}

/// The parts of a path, without empty ones and `.`.
fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}
