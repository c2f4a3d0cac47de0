//! Facts in the making, with the notes that come up meanwhile.

use std::collections::BTreeSet;

use super::About;
use super::files::{NodeFiles, Read};
use super::lines::Document;
use crate::model::Str;
use crate::model::codes::{self, Code};
use crate::model::trust::{Anchor, NodeRuntime, NodeTrust, RegistryTrust, TrustNote, TrustStore};
use crate::trust::Bundle;

/// What is being read.
pub(super) struct Reading<'f> {
    pub(super) files: &'f NodeFiles,
    pub(super) about: &'f About,
    pub(super) stores: Vec<TrustStore>,
    pub(super) runtimes: Vec<NodeRuntime>,
    pub(super) registries: Vec<RegistryTrust>,
    notes: BTreeSet<TrustNote>,
    unread: BTreeSet<Str>,
}

/// A place in a file.
#[derive(Clone, Copy, Debug)]
pub(super) struct At<'p>(pub(super) &'p str, pub(super) u32);

/// What a CA file that a configuration names holds.
#[derive(Debug)]
pub(super) enum CaFile {
    /// Its certificates.
    Certificates(Vec<Anchor>),
    /// It is not there, or holds no certificate.
    Missing,
    /// It was not read.
    Unread,
}

impl<'f> Reading<'f> {
    pub(super) fn new(files: &'f NodeFiles, about: &'f About) -> Self {
        let unread = files.unread.iter().map(|(path, why)| format!("{path}: {why}").into()).collect();
        Self {
            files,
            about,
            stores: Vec::new(),
            runtimes: Vec::new(),
            registries: Vec::new(),
            notes: BTreeSet::new(),
            unread,
        }
    }

    pub(super) fn finish(mut self) -> NodeTrust {
        self.registries.sort_by(|a, b| (&a.runtime, &a.host).cmp(&(&b.runtime, &b.host)));
        NodeTrust {
            stores: self.stores,
            runtimes: self.runtimes,
            registries: self.registries,
            notes: self.notes.into_iter().collect(),
            unread: self.unread.into_iter().collect(),
            ..NodeTrust::default()
        }
    }

    /// Notes a trap; `host`: the registry that it concerns, if it is one alone.
    pub(super) fn note(&mut self, code: Code, at: At<'_>, host: Option<&str>, message: impl Into<Str>) {
        self.notes.insert(TrustNote {
            code: code.id.into(),
            message: message.into(),
            path: at.0.into(),
            line: at.1,
            host: host.map(Str::from),
        });
    }

    /// Records that something was not read.
    pub(super) fn unread(&mut self, path: &str, why: &str) {
        self.unread.insert(format!("{path}: {why}").into());
    }

    /// A runtime's TOML file; `None` where it is not there or cannot be read, which is then noted.
    pub(super) fn toml(&mut self, path: &str) -> Option<Document<'f>> {
        let text = self.config(path)?;
        match Document::parse(text) {
            Ok(document) => Some(document),
            Err((line, why)) => {
                self.note(codes::TLS_CONFIG_UNREADABLE, At(path, line), None, format!("{path} is no TOML: {why}"));
                None
            }
        }
    }

    /// The text of a configuration file; where it is there and cannot be read, that is recorded.
    pub(super) fn config(&mut self, path: &str) -> Option<&'f str> {
        let files = self.files;
        match files.bytes(path) {
            Read::Absent => None,
            Read::Unknown => {
                self.unread(path, "not read");
                None
            }
            Read::Bytes(_) => {
                let text = files.text(path);
                if text.is_none() {
                    self.note(codes::TLS_CONFIG_UNREADABLE, At(path, 0), None, format!("{path} is no UTF-8"));
                }
                text
            }
        }
    }

    /// The certificates of a file, with notes about what else is in it; `None` where it is not there or was not read.
    pub(super) fn bundle(&mut self, path: &str) -> Option<Bundle> {
        let Read::Bytes(bytes) = self.files.bytes(path) else { return None };
        let bundle = Bundle::read(bytes);
        // Folders of certificates also hold other things, which nobody takes for a certificate.
        let is_certificate = [".crt", ".pem", ".cer", ".der"].iter().any(|ending| path.ends_with(ending));
        for (line, why) in bundle.problems.iter().filter(|(line, _)| *line > 0 || is_certificate) {
            let message = format!("a certificate of {path} cannot be read and is left out: {why}");
            self.note(codes::TLS_CERTIFICATE_UNREADABLE, At(path, *line), None, message);
        }
        if bundle.private_keys > 0 {
            let message = format!("{path} holds a private key among certificates");
            self.note(codes::TLS_PRIVATE_KEY, At(path, 0), None, message);
        }
        Some(bundle)
    }

    /// The certificates of a CA file that a configuration names. `at`: where it does, for `host`.
    pub(super) fn ca_file(&mut self, path: &str, at: At<'_>, host: &str) -> CaFile {
        match self.files.bytes(path) {
            Read::Unknown => {
                self.unread(path, "named as a CA file, and outside of what is read");
                CaFile::Unread
            }
            Read::Absent => {
                let message = format!("{path} is to hold the CA of {host} and is not there");
                self.note(codes::TLS_CA_FILE_MISSING, at, Some(host), message);
                CaFile::Missing
            }
            Read::Bytes(_) => {
                let anchors = self.bundle(path).map(|bundle| anchors(&bundle)).unwrap_or_default();
                if anchors.is_empty() {
                    let message = format!("{path} is to hold the CA of {host} and holds no certificate");
                    self.note(codes::TLS_CA_FILE_MISSING, at, Some(host), message);
                    return CaFile::Missing;
                }
                CaFile::Certificates(anchors)
            }
        }
    }

    /// Records that what a runtime does about registries is not known at all.
    pub(super) fn unknown_registries(&mut self, runtime: &str, source: &str, why: &str) {
        self.registries.push(RegistryTrust {
            host: "_default".into(),
            runtime: runtime.into(),
            source: source.into(),
            doubt: Some(format!("{source}: {why}").into()),
            ..RegistryTrust::default()
        });
    }

    /// Notes that verification is switched off.
    pub(super) fn not_verified(&mut self, at: At<'_>, host: &str, runtime: &str, how: &str) {
        let message = format!("{runtime} does not verify the certificate of {host}: {how}");
        self.note(codes::TLS_NODE_NOT_VERIFIED, at, Some(host), message);
    }
}

/// The certificates of a bundle as facts, without themselves.
pub(super) fn anchors(bundle: &Bundle) -> Vec<Anchor> {
    bundle.certificates.iter().map(|certificate| Anchor { der: None, ..certificate.anchor().clone() }).collect()
}

/// An absolute path: `name` as it is, or below `folder`.
pub(super) fn absolute(folder: &str, name: &str) -> String {
    if name.starts_with('/') { name.to_owned() } else { format!("{}/{name}", folder.trim_end_matches('/')) }
}

/// The folder of a path.
pub(super) fn folder(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}
