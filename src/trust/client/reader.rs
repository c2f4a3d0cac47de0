//! Reads files and directories of a tree the ways clients do, and keeps what was found.

use std::cell::RefCell;
use std::collections::BTreeSet;

use super::effective::{Effective, Store, Verification};
use super::env::Variable;
use super::hash::{hashed_name, subject_hash};
use super::{Client, Place, public};
use crate::model::codes::{self, Code};
use crate::model::trust::TrustNote;
use crate::trust::tree::{Content, Found};
use crate::trust::{Bundle, Certificate};

/// What became of a file or directory that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is there, whatever it holds.
    There,
    /// It is not there.
    Missing,
    /// It cannot be told; the reason was kept.
    Unknown,
}

/// Which names a client takes from a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// Every file.
    Any,
    /// Only hashed ones, as OpenSSL looks them up.
    Hashed,
}

/// One client at one place, and what it has loaded so far.
pub(super) struct Reader<'a> {
    pub(super) client: Client,
    pub(super) place: &'a Place<'a>,
    pub(super) out: Effective,
    unread: RefCell<BTreeSet<String>>,
}

/// It is not known whether something is set, or to what; the reason was kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotKnown;

/// What is set, if anything.
pub(super) type Told<T> = Result<Option<T>, NotKnown>;

/// A setting: its value, and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setting {
    pub(super) value: String,
    pub(super) rule: String,
}

impl<'a> Reader<'a> {
    pub(super) fn new(client: Client, place: &'a Place<'a>) -> Self {
        Self { client, place, out: Effective::default(), unread: RefCell::default() }
    }

    /// What was found.
    pub(super) fn finish(self) -> Effective {
        Effective { unread: self.unread.into_inner().into_iter().collect(), ..self.out }
    }

    /// A variable that counts as unset when it is empty; one that is not known is kept as a reason.
    pub(super) fn variable(&mut self, name: &str) -> Told<&'a str> {
        self.told(self.place.env.filled(name))
    }

    /// `Ok(None)`: unset.
    pub(super) fn told(&mut self, variable: Variable<'a>) -> Told<&'a str> {
        match variable {
            Variable::Unset => Ok(None),
            Variable::Set(value) => Ok(Some(value)),
            Variable::Unknown(why) => {
                self.unknown(why);
                Err(NotKnown)
            }
        }
    }

    /// Roots inside the program.
    pub(super) fn built_in(&mut self, rule: &str, sure: bool) {
        self.out.stores.push(Store {
            path: "built in".to_owned(),
            rule: rule.to_owned(),
            sure,
            public: true,
            without: Vec::new(),
            certificates: Vec::new(),
        });
    }

    /// A PEM file with all that is in it.
    pub(super) fn file(&mut self, path: &str, rule: &str, sure: bool) -> Seen {
        match self.find(path) {
            Ok(Found::File(Content::PublicRoots)) => self.store(path, rule, sure, true, Vec::new()),
            Ok(Found::File(Content::Bytes(bytes))) => {
                let certificates = self.read(bytes, path);
                self.store(path, rule, sure, false, certificates);
            }
            Ok(Found::Directory { .. } | Found::Absent) => return Seen::Missing,
            Ok(Found::Unknown(why)) | Err(why) => {
                self.unknown(why);
                return Seen::Unknown;
            }
        }
        Seen::There
    }

    /// The first of several files that is there.
    pub(super) fn first_file(&mut self, paths: &[&str], rule: &str, sure: bool) -> Seen {
        let mut sure = sure;
        let mut seen = Seen::Missing;
        for path in paths {
            match self.file(path, rule, sure) {
                Seen::There => return if seen == Seen::Unknown { seen } else { Seen::There },
                Seen::Missing => {}
                Seen::Unknown => {
                    sure = false;
                    seen = Seen::Unknown;
                }
            }
        }
        seen
    }

    /// A list of directories with `:` between them; `Missing` if none of them is there.
    pub(super) fn directories(&mut self, list: &str, names: Names, rule: &str, sure: bool) -> Seen {
        let all: Vec<_> =
            list.split(':').filter(|d| !d.is_empty()).map(|d| self.directory(d, names, rule, sure)).collect();
        let any = |what| all.contains(&what);
        match () {
            () if any(Seen::There) => Seen::There,
            () if any(Seen::Unknown) => Seen::Unknown,
            () => Seen::Missing,
        }
    }

    /// A directory of PEM files.
    pub(super) fn directory(&mut self, path: &str, names: Names, rule: &str, sure: bool) -> Seen {
        let (found, complete, public) = match self.find(path) {
            Ok(Found::Directory { names, complete, public }) => (names, complete, public),
            Ok(Found::File(_) | Found::Absent) => return Seen::Missing,
            Ok(Found::Unknown(why)) | Err(why) => {
                self.unknown(why);
                return Seen::Unknown;
            }
        };
        let found: Vec<String> = found.into_iter().map(str::to_owned).collect();
        let (certificates, whole) = match names {
            Names::Any => self.every_file(path, &found),
            Names::Hashed => (self.hashed_files(path, &found, rule, public), false),
        };
        if !complete {
            self.incomplete(path);
        }
        self.store(path, rule, sure, public || whole, certificates);
        Seen::There
    }

    fn every_file(&mut self, path: &str, names: &[String]) -> (Vec<Certificate>, bool) {
        let mut certificates = Vec::new();
        let mut public = false;
        for name in names {
            let file = format!("{}/{name}", path.trim_end_matches('/'));
            match self.find(&file) {
                Ok(Found::File(Content::PublicRoots)) => public = true,
                Ok(Found::File(Content::Bytes(bytes))) => certificates.extend(self.read(bytes, &file)),
                Ok(Found::Directory { .. } | Found::Absent) => {}
                Ok(Found::Unknown(why)) | Err(why) => self.unknown(why),
            }
        }
        (certificates, public)
    }

    /// OpenSSL asks for `hash.0`, `hash.1`, … of the issuer that it looks for until a number is missing, so a file
    /// counts under the hash of its own subject, and only without a gap before it.
    fn hashed_files(&mut self, path: &str, names: &[String], rule: &str, public: bool) -> Vec<Certificate> {
        let mut hashed: Vec<_> = names.iter().filter_map(|name| hashed_name(name)).collect();
        hashed.sort_unstable();
        let mut certificates = Vec::new();
        let mut expected = ("", 0);
        for (hash, number) in hashed {
            if expected.0 != hash {
                expected = (hash, 0);
            }
            if expected.1 != number {
                continue;
            }
            let file = format!("{}/{hash}.{number}", path.trim_end_matches('/'));
            match self.find(&file) {
                Ok(Found::File(Content::Bytes(bytes))) => {
                    let loaded = self.read(bytes, &file);
                    certificates.extend(loaded.into_iter().filter(|c| subject_hash(c).as_deref() == Some(hash)));
                }
                // A file of many certificates under one hash gives those of that hash.
                Ok(Found::File(Content::PublicRoots)) => {}
                Ok(Found::Directory { .. } | Found::Absent) => continue,
                Ok(Found::Unknown(why)) | Err(why) => self.unknown(why),
            }
            expected.1 = number + 1;
        }
        if certificates.is_empty() && !public && self.holds_certificates(path, names) {
            let message = format!(
                "{path} ({rule}) holds certificates under names that {} does not look for: it needs the hashed names \
                 that `openssl rehash` makes, and a mounted ConfigMap has none",
                self.client
            );
            self.note(&codes::TLS_NOT_HASHED, path, message);
        }
        certificates
    }

    fn holds_certificates(&self, path: &str, names: &[String]) -> bool {
        names.iter().any(|name| match self.find(&format!("{path}/{name}")) {
            Ok(Found::File(Content::Bytes(bytes))) => is_pem(bytes) && !Bundle::read(bytes).certificates.is_empty(),
            Ok(Found::File(Content::PublicRoots)) => true,
            _ => false,
        })
    }

    /// Certificates of a PEM file that the client loads, with a note where a private key lies among them.
    fn read(&mut self, bytes: &[u8], path: &str) -> Vec<Certificate> {
        if !is_pem(bytes) {
            // DER is not PEM, and no client of these takes it.
            return Vec::new();
        }
        let bundle = Bundle::read(bytes);
        if bundle.private_keys > 0 && !bundle.certificates.is_empty() {
            let message = format!("{path}, which clients read for its certificates, holds a private key");
            self.note(&codes::TLS_PRIVATE_KEY, path, message);
        }
        bundle.certificates
    }

    /// More may lie in a directory than is known.
    pub(super) fn incomplete(&mut self, directory: &str) {
        self.unread.borrow_mut().insert(self.place.files.resolve(directory));
        self.unknown(format!("{directory} was not read as a whole"));
    }

    /// What stands at a path; the working directory is not known, so a relative path leads to no known place.
    pub(super) fn find(&self, path: &str) -> Result<Found<'a>, String> {
        if path.starts_with('/') {
            self.unread.borrow_mut().extend(self.place.files.unread(path));
            Ok(self.place.files.find(path))
        } else {
            Err(format!("`{path}` is relative to a working directory that is not known"))
        }
    }

    /// The text of a file; `Ok(None)`: it is not there.
    pub(super) fn text(&mut self, path: &str) -> Option<String> {
        match self.find(path) {
            Ok(Found::File(Content::Bytes(bytes))) => Some(String::from_utf8_lossy(bytes).into_owned()),
            Ok(Found::Unknown(why)) | Err(why) => {
                self.unknown(format!("{path} may set a CA file: {why}"));
                None
            }
            Ok(_) => None,
        }
    }

    /// Whether a file is there; `None`: it cannot be told.
    pub(super) fn exists(&self, path: &str) -> Option<bool> {
        match self.find(path) {
            Ok(Found::File(_) | Found::Directory { .. }) => Some(true),
            Ok(Found::Absent) => Some(false),
            Ok(Found::Unknown(_)) | Err(_) => None,
        }
    }

    pub(super) fn store(&mut self, path: &str, rule: &str, sure: bool, public: bool, certificates: Vec<Certificate>) {
        let public = public || public::holds_all(&certificates);
        let (path, rule) = (path.to_owned(), rule.to_owned());
        self.out.stores.push(Store { path, rule, sure, public, without: Vec::new(), certificates });
    }

    pub(super) fn unknown(&mut self, why: impl Into<String>) {
        let why = why.into();
        if !self.out.unknown.contains(&why) {
            self.out.unknown.push(why);
        }
    }

    pub(super) fn assume(&mut self, what: &str) {
        if !self.out.assumptions.iter().any(|known| known == what) {
            self.out.assumptions.push(what.to_owned());
        }
    }

    pub(super) fn note(&mut self, code: &Code, path: &str, message: String) {
        let note = TrustNote { code: code.id.into(), message: message.into(), path: path.into(), line: 0, host: None };
        if !self.out.notes.contains(&note) {
            self.out.notes.push(note);
        }
    }

    /// The client ends with an error because a file that it was told to read is not there.
    pub(super) fn fails(&mut self, path: &str, rule: &str) {
        let message = format!("{} was told by {rule} to read {path}, which is not there: it fails", self.client);
        self.note(&codes::TLS_FILE_MISSING, path, message.clone());
        self.out.fails.get_or_insert(message);
    }

    /// The client goes on without the file that it was told to read.
    pub(super) fn goes_without(&mut self, path: &str, rule: &str) {
        let message = format!(
            "{} was told by {rule} to read {path}, which is not there: it goes on without it, with at most a warning",
            self.client
        );
        self.note(&codes::TLS_FILE_MISSING, path, message);
    }

    /// Verification is off.
    pub(super) fn off(&mut self, by: &str, path: &str) {
        let message = format!("{by} makes {} accept any server", self.client);
        self.note(&codes::TLS_SWITCHED_OFF, path, message);
        self.out.verification = Verification::Off(by.to_owned());
    }

    /// It may be off.
    pub(super) fn may_be_off(&mut self, why: String) {
        if self.out.verification == Verification::On {
            self.out.verification = Verification::Unknown(why);
        }
    }

    /// Variables that people set for other clients and that this one does not read.
    pub(super) fn ignores(&mut self, names: &[&str], instead: &str) {
        for name in names {
            if let Variable::Set(value) = self.place.env.filled(name) {
                let message = format!("{} does not read {name}={value}: {instead}", self.client);
                self.note(&codes::TLS_VARIABLE_IGNORED, name, message);
            }
        }
    }
}

/// Whether a file name ends so; case counts, as it does for the programs that ask.
pub(super) fn has_extension(name: &str, extension: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, last)| last == extension)
}

/// Whether bytes hold a PEM block.
pub(super) fn is_pem(bytes: &[u8]) -> bool {
    memchr::memmem::find(bytes, b"-----BEGIN ").is_some()
}
