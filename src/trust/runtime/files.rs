//! What was read of a node's root.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::trust::Tree;
use crate::trust::tree::{Content, Found};

/// The files of a node that decide trust, as they were read.
#[derive(Clone, Debug, Default)]
pub struct NodeFiles {
    /// The files; what was not read is marked so.
    pub tree: Tree,
    /// When the content of a file, a directory or a socket last changed, by path as it is asked for.
    pub modified: BTreeMap<String, Timestamp>,
    /// What could not be read, and so may hold more: path and why.
    pub unread: Vec<(String, String)>,
}

/// A file that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read<'a> {
    /// Its bytes.
    Bytes(&'a [u8]),
    /// It is not there.
    Absent,
    /// It may be there.
    Unknown,
}

impl NodeFiles {
    /// A file's bytes.
    pub(super) fn bytes(&self, path: &str) -> Read<'_> {
        match self.tree.find(path) {
            Found::File(Content::Bytes(bytes)) => Read::Bytes(bytes),
            Found::Absent | Found::Directory { .. } => Read::Absent,
            Found::File(Content::PublicRoots) | Found::Unknown(_) => Read::Unknown,
        }
    }

    /// A file's text, without a byte order mark; `None` where it is no UTF-8 or not there.
    pub(super) fn text(&self, path: &str) -> Option<&str> {
        let Read::Bytes(bytes) = self.bytes(path) else { return None };
        std::str::from_utf8(bytes).ok().map(|text| text.strip_prefix('\u{feff}').unwrap_or(text))
    }

    /// The names in a directory, sorted; `None` where there is none.
    pub(super) fn names(&self, path: &str) -> Option<Vec<&str>> {
        match self.tree.find(path) {
            Found::Directory { names, .. } => Some(names),
            Found::File(_) | Found::Absent | Found::Unknown(_) => None,
        }
    }

    /// Whether something may stand there and was not read.
    pub(super) fn is_unknown(&self, path: &str) -> bool {
        matches!(self.tree.find(path), Found::Unknown(_))
    }

    /// Whether nothing stands there, for certain.
    pub(super) fn is_absent(&self, path: &str) -> bool {
        matches!(self.tree.find(path), Found::Absent)
    }

    pub(super) fn is_directory(&self, path: &str) -> bool {
        matches!(self.tree.find(path), Found::Directory { .. })
    }

    pub(super) fn modified(&self, path: &str) -> Option<Timestamp> {
        self.modified.get(path).copied()
    }
}
