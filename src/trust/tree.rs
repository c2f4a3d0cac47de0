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
    /// A symbolic link, target as written: absolute ones are resolved inside the tree.
    Link(String),
    /// Something stands here and nobody knows what: a Secret, a volume that was not read.
    Unknown(String),
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
        Self { entries: BTreeMap::new(), complete }
    }

    /// Puts an entry at an absolute path, in the place of what stood there and, for anything but a directory,
    /// of everything below it. Directories above it come into being.
    pub fn put(&mut self, path: &str, entry: Entry) {
        let path = normal(path);
        self.make_way(&path);
        if !matches!(entry, Entry::Directory { .. }) {
            self.remove_below(&path);
        }
        self.entries.insert(path, entry);
    }

    /// Mounts over a directory: all that the tree held at and below it is hidden.
    pub fn mount(&mut self, path: &str, entry: Entry) {
        let path = normal(path);
        self.make_way(&path);
        self.remove_below(&path);
        self.entries.insert(path, entry);
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

    /// What stands at a path, links followed inside the tree: `..` never leaves it.
    pub fn find(&self, path: &str) -> Found<'_> {
        let mut todo: Vec<String> = parts(path).rev().map(str::to_owned).collect();
        let mut at = String::new();
        let mut links = 0;
        let mut complete = self.complete;
        while let Some(part) = todo.pop() {
            if part == ".." {
                at.truncate(at.rfind('/').unwrap_or(0));
                continue;
            }
            let next = format!("{at}/{part}");
            match self.entries.get(&next) {
                Some(Entry::Link(target)) => {
                    links += 1;
                    if links > LINKS {
                        return Found::Absent;
                    }
                    if target.starts_with('/') {
                        at.clear();
                    }
                    todo.extend(parts(target).rev().map(str::to_owned));
                }
                Some(Entry::Directory { complete: whole }) => {
                    complete = *whole;
                    at = next;
                }
                Some(Entry::File(content)) if todo.is_empty() => return Found::File(content),
                Some(Entry::File(_)) => return Found::Absent,
                Some(Entry::Unknown(why)) => return Found::Unknown(why.clone()),
                None if complete => return Found::Absent,
                None => return Found::Unknown(format!("{next} was not read")),
            }
        }
        let prefix = format!("{at}/");
        let below = self.entries.range(prefix.clone()..).map(|(path, _)| path.as_str());
        let below = below.take_while(|path| path.starts_with(&prefix)).map(|path| &path[prefix.len()..]);
        let names = below.filter(|name| !name.contains('/')).collect();
        let complete = if at.is_empty() { self.complete } else { complete };
        Found::Directory { names, complete }
    }
}

/// The parts of a path, without empty ones and `.`.
fn parts(path: &str) -> impl DoubleEndedIterator<Item = &str> {
    path.split('/').filter(|part| !part.is_empty() && *part != ".")
}

fn normal(path: &str) -> String {
    parts(path).fold(String::new(), |path, part| format!("{path}/{part}"))
}
