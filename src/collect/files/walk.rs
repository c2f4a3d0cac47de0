//! Finds the files of a folder.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::collect::user_data;

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    /// How reports name it.
    pub(super) name: String,
    pub(super) path: PathBuf,
    /// Its path without links: equal paths are one file.
    pub(super) canonical: PathBuf,
}

/// What a walk found.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// In order of their paths.
    pub(super) entries: Vec<Entry>,
    /// What was not entered, by name, and why.
    pub(super) left_out: Vec<(String, String)>,
    /// Links that were not followed, by name, and why.
    pub(super) links: Vec<(String, &'static str)>,
    /// Folders that hold a Helm chart.
    pub(super) charts: HashSet<PathBuf>,
}

/// Whether a file of a folder is read: by its ending.
fn is_manifest(path: &Path) -> bool {
    path.extension()
        .and_then(OsStr::to_str)
        .is_some_and(|ending| ["yaml", "yml", "json"].iter().any(|known| ending.eq_ignore_ascii_case(known)))
        // A kustomization may do without one.
        || path.file_name().is_some_and(|name| name == "Kustomization")
}

/// A larger file is no user data: EC2 takes 16 KiB of it, and base64 adds a third.
const USER_DATA_LIMIT: u64 = 64 << 10;

/// Whether a file of a folder is user data of nodes. Its name says only that it may be: most files in TOML are
/// something else, so its content decides.
fn is_user_data(path: &Path) -> bool {
    let lower = |part: Option<&OsStr>| part.and_then(OsStr::to_str).unwrap_or_default().to_ascii_lowercase();
    let stem = lower(path.file_stem()).replace(['_', '.'], "-");
    let is_named = matches!(stem.as_str(), "userdata" | "user-data") && !is_manifest(path);
    (is_named || matches!(lower(path.extension()).as_str(), "toml" | "mime"))
        && std::fs::metadata(path).is_ok_and(|metadata| metadata.len() <= USER_DATA_LIMIT)
        && std::fs::read(path).is_ok_and(|bytes| user_data::is_user_data(&bytes))
}

/// Joins a name as it was given with a path below it.
fn name_of(given: &str, root: &Path, path: &Path) -> String {
    let below = path.strip_prefix(root).unwrap_or(path);
    let mut name = given.trim_end_matches('/').to_owned();
    if name.is_empty() && given.starts_with('/') {
        name.push('/');
    }
    for part in below.components() {
        if !name.is_empty() && !name.ends_with('/') {
            name.push('/');
        }
        name.push_str(&part.as_os_str().to_string_lossy());
    }
    name
}

/// A single file that was named.
pub(super) fn file(given: &str, path: &Path) -> Entry {
    let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    Entry { name: given.to_owned(), path: path.to_owned(), canonical }
}

/// The manifests of a folder and of the folders in it. Folders whose name begins with a dot are not entered;
/// links are followed where they lead to something inside the folder that is not reached otherwise.
pub(super) fn folder(given: &str, root: &Path) -> Found {
    let mut walk = Walk {
        given,
        root,
        root_canonical: root.canonicalize().unwrap_or_else(|_| root.to_owned()),
        entries: BTreeMap::new(),
        seen: HashSet::new(),
        folders: HashSet::new(),
        links: Vec::new(),
        found: Found::default(),
    };
    walk.enter(root);
    walk.follow();
    walk.found.entries = walk.entries.into_values().collect();
    walk.found.links.sort();
    walk.found.left_out.sort();
    walk.found
}

struct Walk<'w> {
    given: &'w str,
    root: &'w Path,
    root_canonical: PathBuf,
    /// By path, which gives their order.
    entries: BTreeMap<PathBuf, Entry>,
    /// Files that were found, without links.
    seen: HashSet<PathBuf>,
    /// Folders that were entered, without links.
    folders: HashSet<PathBuf>,
    /// Links that were met.
    links: Vec<PathBuf>,
    found: Found,
}

impl Walk<'_> {
    /// Collects the files below a folder, and the links without following them.
    fn enter(&mut self, folder: &Path) {
        let walk = WalkDir::new(folder).follow_links(false).sort_by_file_name().into_iter();
        let walk = walk.filter_entry(|entry| {
            entry.depth() == 0 || !entry.file_type().is_dir() || !entry.file_name().as_encoded_bytes().starts_with(b".")
        });
        for entry in walk {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let name = error.path().map_or_else(|| self.given.to_owned(), |path| self.name(path));
                    let why = error.io_error().map_or_else(|| error.to_string(), ToString::to_string);
                    self.found.left_out.push((name, why));
                    continue;
                }
            };
            let path = entry.path();
            if entry.depth() > 0 && entry.path_is_symlink() {
                self.links.push(path.to_owned());
            } else if entry.file_type().is_dir() || entry.depth() == 0 {
                self.folders.insert(path.canonicalize().unwrap_or_else(|_| path.to_owned()));
            } else if entry.file_type().is_file() {
                if entry.file_name() == "Chart.yaml"
                    && let Some(chart) = path.parent()
                {
                    self.found.charts.insert(chart.to_owned());
                }
                if is_manifest(path) || is_user_data(path) {
                    let canonical = path.canonicalize().unwrap_or_else(|_| path.to_owned());
                    self.add(path, canonical);
                }
            }
            // Pipes, sockets and devices are no manifests.
        }
    }

    fn add(&mut self, path: &Path, canonical: PathBuf) {
        if self.seen.insert(canonical.clone()) {
            let entry = Entry { name: self.name(path), path: path.to_owned(), canonical };
            self.entries.insert(path.to_owned(), entry);
        }
    }

    /// Looks at the links after everything that needs none, so that what both reach is named without a link.
    fn follow(&mut self) {
        while !self.links.is_empty() {
            for link in std::mem::take(&mut self.links) {
                let Ok(target) = link.canonicalize() else {
                    self.leave(&link, "it leads to nothing, or in a circle");
                    continue;
                };
                if !target.starts_with(&self.root_canonical) {
                    // What would not be read anyway is no loss.
                    if target.is_dir() || is_manifest(&link) {
                        self.leave(&link, "it leads out of the folder");
                    }
                } else if target.is_dir() {
                    let parent = link.parent().and_then(|parent| parent.canonicalize().ok());
                    if parent.is_some_and(|parent| parent.starts_with(&target)) {
                        self.leave(&link, "it leads in a circle");
                    } else if !is_dotted(&link) && !self.folders.contains(&target) {
                        self.enter(&link);
                    }
                } else if target.is_file() && (is_manifest(&link) || is_user_data(&link)) {
                    self.add(&link, target);
                }
            }
        }
    }

    fn leave(&mut self, link: &Path, why: &'static str) {
        self.found.links.push((self.name(link), why));
    }

    fn name(&self, path: &Path) -> String {
        name_of(self.given, self.root, path)
    }
}

fn is_dotted(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}
