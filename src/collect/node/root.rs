//! Reads the listed files below a root into a tree. Links are followed inside the root, and only to where the reader
//! may read; whatever is not read is marked, so that nobody takes it for absent.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;

use jiff::Timestamp;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use super::listed::{self, Interest};
use super::open::Root;
use crate::trust::Tree;
use crate::trust::runtime::{self, NodeFiles};
use crate::trust::tree::{Content, Entry};

/// A larger file is reported and not read, in bytes. Bundles of all public roots have a quarter of a megabyte.
const FILE_LIMIT: u64 = 4 << 20;

/// All files together, in bytes.
const TOTAL_LIMIT: u64 = 24 << 20;

/// Files and directories together.
const COUNT_LIMIT: usize = 20_000;

/// Names in one directory.
const NAMES_LIMIT: usize = 5_000;

/// Directories in directories.
const DEPTH_LIMIT: usize = 24;

/// Links that are followed for one name (Linux: 40).
const LINKS_LIMIT: usize = 40;

/// A directory that was looked into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Directory {
    /// Its path below the root, without links.
    pub path: String,
    /// The path that decides what in it is read.
    asked: String,
    is_whole: bool,
}

impl Directory {
    /// Whether something of this name in it is read.
    pub fn concerns(&self, name: &str) -> bool {
        let below = |folder: &str| format!("{}/{name}", folder.trim_end_matches('/'));
        self.is_whole || listed::interest(&below(&self.asked)) != Interest::None
    }
}

/// Reads what is listed.
pub fn read(root: &Root) -> NodeFiles {
    read_watched(root).0
}

/// Reads what is listed, and says which directories it looked into.
pub(super) fn read_watched(root: &Root) -> (NodeFiles, Vec<Directory>) {
    let mut reader = Reader {
        root,
        files: NodeFiles { tree: Tree::new(false), ..NodeFiles::default() },
        looked: BTreeMap::new(),
        whole: BTreeSet::new(),
        above: BTreeSet::new(),
        directories: Vec::new(),
        total: 0,
        count: 0,
    };
    reader.visit("/", "/", 0);
    for path in listed::BORN {
        reader.real(path);
    }
    for path in runtime::OUTPUT_FILES {
        if let Some(time) = reader.real(path).and_then(|real| reader.files.modified.get(&real).copied()) {
            reader.files.modified.insert((*path).to_owned(), time);
        }
    }
    (reader.files, reader.directories)
}

struct Reader<'r> {
    root: &'r Root,
    files: NodeFiles,
    /// What stands at real paths.
    looked: BTreeMap<String, Look>,
    /// Directories that were read whole, or for what is listed below them.
    whole: BTreeSet<String>,
    above: BTreeSet<String>,
    directories: Vec<Directory>,
    total: u64,
    count: usize,
}

#[derive(Clone, Debug)]
enum Look {
    Absent,
    File,
    Directory,
    Link(String),
    /// A pipe, a device, a socket, or something that may not be looked at.
    Other(String),
}

impl Reader<'_> {
    /// Reads what stands at `path`, of which no folder is a link. `asked`: the path under which somebody asks for it,
    /// which differs behind links and is what decides whether it is listed.
    fn visit(&mut self, path: &str, asked: &str, depth: usize) {
        if self.count > COUNT_LIMIT || depth > DEPTH_LIMIT {
            return self.leave(path, "there is too much: not read");
        }
        match self.look(path) {
            Look::Absent => {}
            Look::Other(why) => self.leave(path, &why),
            Look::Directory if listed::is_flat(asked) => self.leave(path, "not among what is read"),
            Look::Directory => self.directory(path, asked, depth),
            Look::File => self.file(path, asked),
            Look::Link(target) => {
                self.files.tree.put(path, Entry::Link(target.clone()));
                self.follow(path, &target, asked, depth);
            }
        }
    }

    /// Looks once, and keeps when it was changed.
    fn look(&mut self, path: &str) -> Look {
        if let Some(known) = self.looked.get(path) {
            return known.clone();
        }
        self.count += 1;
        let look = match self.root.look(path) {
            Err(Errno::NOENT | Errno::NOTDIR) => Look::Absent,
            Err(error) => Look::Other(why(error)),
            Ok((_, Some(target))) => Look::Link(target),
            Ok((stat, None)) => {
                self.changed(path, &stat);
                match FileType::from_raw_mode(stat.st_mode) {
                    FileType::RegularFile => Look::File,
                    FileType::Directory => Look::Directory,
                    FileType::Fifo => Look::Other("a pipe: not read".to_owned()),
                    FileType::Socket => Look::Other("a socket: not read".to_owned()),
                    _ => Look::Other("no regular file: not read".to_owned()),
                }
            }
        };
        self.looked.insert(path.to_owned(), look.clone());
        look
    }

    fn directory(&mut self, path: &str, asked: &str, depth: usize) {
        let interest = listed::interest(asked);
        let is_whole = interest == Interest::Whole || listed::is_shipped(asked);
        let seen = if is_whole { &mut self.whole } else { &mut self.above };
        if !seen.insert(path.to_owned()) {
            return;
        }
        let (names, complete) = match self.root.names(path, NAMES_LIMIT) {
            Ok(names) => names,
            Err(error) => {
                self.whole.remove(path);
                self.above.remove(path);
                return self.leave(path, &why(error));
            }
        };
        self.directories.push(Directory { path: path.to_owned(), asked: asked.to_owned(), is_whole });
        if path != "/" {
            self.files.tree.put(path, Entry::Directory { complete });
        }
        if !complete {
            self.files.unread.push((path.to_owned(), "not all of its names can be read".to_owned()));
        }
        for name in names {
            let below = |folder: &str| format!("{}/{name}", folder.trim_end_matches('/'));
            let (path, asked) = (below(path), below(asked));
            if let Some(secret) = listed::secret(&name)
                && is_whole
            {
                self.files.tree.put(&path, Entry::Unknown(secret.to_owned()));
            } else if is_whole || listed::interest(&asked) != Interest::None {
                self.visit(&path, &asked, depth + 1);
            } else if !self.looked.contains_key(&path) {
                self.files.tree.put(&path, Entry::Unknown("not among what is read".to_owned()));
            }
        }
    }

    fn file(&mut self, path: &str, asked: &str) {
        if listed::interest(asked) != Interest::Whole && !listed::is_shipped(asked) {
            return self.leave(path, "not among what is read");
        }
        if !self.whole.insert(path.to_owned()) {
            return;
        }
        let (mut file, stat) = match self.root.file(path) {
            Ok(found) => found,
            Err(error) => return self.leave(path, &why(error)),
        };
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        if size > FILE_LIMIT {
            return self.leave(path, "larger than 4 MiB: not read");
        }
        if self.total + size > TOTAL_LIMIT {
            return self.leave(path, "more than 24 MiB in all: not read");
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        // The file may grow meanwhile.
        match file.by_ref().take(FILE_LIMIT + 1).read_to_end(&mut bytes) {
            Ok(read) if read as u64 > FILE_LIMIT => return self.leave(path, "larger than 4 MiB: not read"),
            Ok(read) => self.total += read as u64,
            Err(error) => return self.leave(path, &error.to_string()),
        }
        self.files.tree.put(path, Entry::File(Content::Bytes(bytes.into())));
    }

    /// Goes where a link leads, name by name.
    fn follow(&mut self, path: &str, target: &str, asked: &str, depth: usize) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let mut at = if target.starts_with('/') { String::new() } else { folder.to_owned() };
        let mut todo: Vec<String> = parts(target).rev().collect();
        let mut links = 1;
        while let Some(part) = todo.pop() {
            if part == ".." {
                at.truncate(at.rfind('/').unwrap_or(0));
                continue;
            }
            let next = format!("{at}/{part}");
            match self.look(&next) {
                Look::Link(target) => {
                    links += 1;
                    if links > LINKS_LIMIT {
                        self.files.unread.push((path.to_owned(), "its links lead nowhere".to_owned()));
                        return;
                    }
                    self.files.tree.put(&next, Entry::Link(target.clone()));
                    if target.starts_with('/') {
                        at.clear();
                    }
                    todo.extend(parts(&target).rev());
                }
                Look::Directory => {
                    if !self.is_read(&next) {
                        self.files.tree.put(&next, Entry::Directory { complete: false });
                    }
                    at = next;
                }
                Look::File if todo.is_empty() => at = next,
                Look::File => return,
                Look::Absent => return self.absent(&next),
                Look::Other(why) => return self.leave(&next, &why),
            }
        }
        let at = if at.is_empty() { "/".to_owned() } else { at };
        self.arrive(path, &at, asked, depth);
    }

    /// At the end of a link.
    fn arrive(&mut self, path: &str, at: &str, asked: &str, depth: usize) {
        let name = at.rsplit('/').next().unwrap_or_default();
        if let Some(secret) = listed::secret(name) {
            return self.leave(at, secret);
        }
        // Above what is listed, systems link whole folders to where they keep them. Below, a link that leads to what is
        // neither listed nor shipped is none that the reader may follow.
        let asked = match listed::interest(asked) {
            Interest::Above => asked,
            _ => at,
        };
        if listed::interest(at) == Interest::None && !listed::is_shipped(at) && asked == at {
            self.files.unread.push((path.to_owned(), format!("leads to {at}, which is not among what is read")));
            return self.leave(at, "not among what is read");
        }
        self.visit(at, asked, depth + 1);
    }

    /// Marks what a link leads to and does not exist: it is known to be absent where its folder was looked into.
    fn absent(&mut self, path: &str) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        if !self.is_read(folder) {
            self.files.unread.push((path.to_owned(), "links lead here, and nothing is here".to_owned()));
        }
    }

    /// Whether it is a directory whose names are known.
    fn is_read(&self, path: &str) -> bool {
        matches!(self.looked.get(path), Some(Look::Directory))
            && (self.whole.contains(path) || self.above.contains(path))
    }

    /// Marks what stands somewhere and was not read.
    fn leave(&mut self, path: &str, why: &str) {
        if !self.is_read(path) {
            self.files.tree.put(path, Entry::Unknown(why.to_owned()));
        }
        let is_expected = listed::secret(path.rsplit('/').next().unwrap_or_default()).is_some();
        if listed::interest(path) == Interest::Whole && !listed::is_flat(path) && !is_expected {
            self.files.unread.push((path.to_owned(), why.to_owned()));
        }
    }

    /// Where a path leads, links followed; looking is enough to know when that was made or changed.
    fn real(&mut self, path: &str) -> Option<String> {
        let mut at = String::new();
        let mut todo: Vec<String> = parts(path).rev().collect();
        let mut links = 0;
        while let Some(part) = todo.pop() {
            if part == ".." {
                at.truncate(at.rfind('/').unwrap_or(0));
                continue;
            }
            let next = format!("{at}/{part}");
            match self.look(&next) {
                Look::Link(target) if links < LINKS_LIMIT => {
                    links += 1;
                    if target.starts_with('/') {
                        at.clear();
                    }
                    todo.extend(parts(&target).rev());
                }
                Look::Absent | Look::Link(_) => return None,
                Look::File | Look::Directory | Look::Other(_) => at = next,
            }
        }
        Some(at)
    }

    fn changed(&mut self, path: &str, stat: &Stat) {
        // The fields differ in their types from one architecture to the next.
        #[allow(clippy::useless_conversion, clippy::unnecessary_fallible_conversions)]
        let time = i64::try_from(stat.st_mtime).ok().and_then(|time| Timestamp::from_second(time).ok());
        if let Some(time) = time {
            self.files.modified.insert(path.to_owned(), time);
        }
    }
}

fn why(error: Errno) -> String {
    match error {
        Errno::ACCESS | Errno::PERM => "may not be read".to_owned(),
        Errno::LOOP => "a link stands where none is expected".to_owned(),
        error => std::io::Error::from(error).to_string(),
    }
}

/// The parts of a path, without empty ones and `.`.
fn parts(path: &str) -> impl DoubleEndedIterator<Item = String> {
    path.split('/').filter(|part| !matches!(*part, "" | ".")).map(str::to_owned)
}
