//! Reads one file.

use std::borrow::Cow;
use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

use memchr::memmem;

use super::super::aws;
use super::super::decode::Decoder;
use super::super::facts::Facts;
use super::super::json::{self, Page, Stop, WhenKindIsLate};
use super::super::kinds::{self, Class};
use super::super::kustomize::Kustomization;
use super::super::{head, user_data, yaml};
use super::text::{self, Content, SNIFF};
use crate::model::object::Origin;
use crate::model::{Problem, ProblemClass, Str};

/// Files larger than this are streamed if they are JSON.
pub(super) const LARGE: u64 = 4 << 20;

/// Documents larger than this are not parsed if their kind is of no interest.
const LARGE_DOCUMENT: usize = 256 << 10;

/// What one file gave.
#[derive(Debug, Default)]
pub(super) struct Outcome {
    pub(super) facts: Facts,
    /// Kustomizations, of kustomize itself and of Flux.
    pub(super) kustomizations: Vec<Kustomization>,
    /// The file is a Helm template: nothing of it was read.
    pub(super) is_template: bool,
}

/// A file to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task<'p> {
    pub(super) source: u32,
    pub(super) path: &'p Path,
    /// The folder that it is in, without links.
    pub(super) folder: &'p Path,
    /// `Chart.yaml` or `values.yaml` of a chart: no manifest, and known to be none.
    pub(super) is_chart_file: bool,
}

impl Task<'_> {
    /// Reads a file, whole.
    pub(super) fn read(&self, decoder: &mut Decoder) -> Outcome {
        match std::fs::read(self.path) {
            Ok(bytes) => self.bytes(&bytes, decoder),
            Err(error) => self.unreadable(&error),
        }
    }

    /// Reads a large file: as a stream, with threads of its own, if it is JSON.
    pub(super) fn read_large(&self, decoder: &mut Decoder) -> Outcome {
        match self.streamed() {
            Ok(Some(outcome)) => outcome,
            Ok(None) => self.read(decoder),
            Err(error) => self.unreadable(&error),
        }
    }

    /// Reads an input that cannot be read twice.
    pub(super) fn read_input(&self, mut input: impl Read, decoder: &mut Decoder) -> Outcome {
        let mut start = Vec::new();
        if let Err(error) = input.by_ref().take(LARGE).read_to_end(&mut start) {
            return self.unreadable(&error);
        }
        let is_whole = (start.len() as u64) < LARGE;
        if !is_whole && let Some(skip) = json_begins_at(&start) {
            let begin = start[..SNIFF.min(start.len())].to_vec();
            let mut cursor = Cursor::new(start);
            cursor.set_position(skip as u64);
            let mut outcome = Outcome::default();
            let result = json::decode_threaded(
                cursor.chain(input),
                None,
                self.source,
                &mut outcome.facts,
                None,
                WhenKindIsLate::Keep,
            );
            return match self.settle(result, outcome, &begin) {
                Ok(outcome) => outcome,
                Err(error) => self.unreadable(&error),
            };
        }
        match input.read_to_end(&mut start) {
            Ok(_) => self.bytes(&start, decoder),
            Err(error) => self.unreadable(&error),
        }
    }

    /// `None`: it is no JSON, or not in UTF-8.
    fn streamed(&self) -> io::Result<Option<Outcome>> {
        let mut file = File::open(self.path)?;
        let mut start = Vec::with_capacity(SNIFF);
        file.by_ref().take(SNIFF as u64).read_to_end(&mut start)?;
        let Some(skip) = json_begins_at(&start) else { return Ok(None) };
        let again = |file: &mut File| file.seek(SeekFrom::Start(skip as u64)).map(drop);

        let size = file.metadata().ok().map(|metadata| metadata.len());
        let mut outcome = Outcome::default();
        again(&mut file)?;
        let result = json::decode_threaded(&file, size, self.source, &mut outcome.facts, None, WhenKindIsLate::Reread);
        if !matches!(result, Err(Stop::KindIsLate)) {
            return self.settle(result, outcome, &start).map(Some);
        }
        again(&mut file)?;
        let kind = json::list_kind(&file).unwrap_or_default();
        let kind = kind.as_ref().map(|(api_version, kind)| (api_version.as_str(), kind.as_str()));
        let mut outcome = Outcome::default();
        again(&mut file)?;
        let result = json::decode_threaded(&file, size, self.source, &mut outcome.facts, kind, WhenKindIsLate::Keep);
        self.settle(result, outcome, &start).map(Some)
    }

    /// `start` is how the input begins.
    fn settle(&self, result: Result<Page, Stop>, mut outcome: Outcome, start: &[u8]) -> io::Result<Outcome> {
        match result {
            Ok(_) | Err(Stop::KindIsLate) => {}
            Err(Stop::Malformed(malformed)) => {
                let start = String::from_utf8_lossy(&start[..SNIFF.min(start.len())]);
                let origin = Origin { source: self.source, line: 1 };
                aws::broken(&start, origin, &malformed.message, &mut outcome.facts);
                self.malformed_json(&malformed, &mut outcome.facts);
            }
            Err(Stop::Io(error)) => return Err(error),
        }
        Ok(outcome)
    }

    /// Reads what a file holds.
    pub(super) fn bytes(&self, bytes: &[u8], decoder: &mut Decoder) -> Outcome {
        match text::content(bytes) {
            Content::Text(text) if user_data::is_user_data(&text) => {
                let mut outcome = Outcome::default();
                user_data::file(&text, self.source, &mut outcome.facts);
                outcome
            }
            Content::Text(text) => {
                let mut outcome = self.text(&text, decoder);
                if self.is_chart_file {
                    outcome.facts.problems.retain(|found| found.problem.class != ProblemClass::NotAnObject);
                }
                outcome
            }
            Content::Binary => {
                let mut outcome = Outcome::default();
                self.malformed(&mut outcome.facts, "it is a binary file".to_owned(), 0);
                outcome
            }
        }
    }

    fn text(&self, text: &[u8], decoder: &mut Decoder) -> Outcome {
        let is_kustomization = self.is_kustomization_file();
        // YAML takes JSON too, and is asked where kustomizations may be in it.
        if !text::looks_like_json(text) || is_kustomization || memmem::find(text, b"\"Kustomization\"").is_some() {
            return self.yaml(text, is_kustomization, decoder);
        }
        let mut outcome = Outcome::default();
        let result = json::decode_inline(text, self.source, 1, decoder, &mut outcome.facts, None, WhenKindIsLate::Keep);
        if matches!(result, Err(Stop::Malformed(_))) || !outcome.facts.failed.is_empty() {
            // Flow style begins with a bracket too, and JSON documents are separated by `---`.
            let yaml = self.yaml(text, false, decoder);
            if yaml.is_template || yaml.facts.failed.is_empty() {
                return yaml;
            }
        }
        match self.settle(result, outcome, text) {
            Ok(outcome) => outcome,
            Err(error) => self.unreadable(&error),
        }
    }

    fn yaml(&self, text: &[u8], is_kustomization: bool, decoder: &mut Decoder) -> Outcome {
        let mut outcome = Outcome::default();
        for document in yaml::documents(text) {
            let Ok(content) = std::str::from_utf8(document.text) else {
                self.malformed(&mut outcome.facts, "the text is not UTF-8".to_owned(), document.line);
                continue;
            };
            if let Some(kind) = uninteresting(document.text) {
                *outcome.facts.ignored_kinds.entry(Str::from(kind)).or_default() += 1;
                continue;
            }
            let yaml::Converted { mut documents, error } = yaml::convert(content);
            let broken = if error.is_some() { documents.pop() } else { None };
            for (json, line) in &documents {
                let origin = Origin { source: self.source, line: document.line + line - 1 };
                self.document(json, origin, is_kustomization, &mut outcome, decoder);
            }
            if let Some((message, line)) = error {
                if memmem::find(document.text, b"{{").is_some() {
                    return Outcome { is_template: true, ..Outcome::default() };
                }
                let (json, first) = broken.unwrap_or_default();
                let origin = Origin { source: self.source, line: document.line + first.saturating_sub(1) };
                decoder.broken(&json, message, origin, document.line + line.saturating_sub(1), &mut outcome.facts);
            }
        }
        outcome
    }

    /// One YAML document, as JSON.
    fn document(
        &self,
        json: &str,
        origin: Origin,
        is_kustomization: bool,
        outcome: &mut Outcome,
        decoder: &mut Decoder,
    ) {
        if json.trim() == "null" {
            return;
        }
        if is_kustomization || json.contains("Kustomization") {
            let head = head::read(json);
            let found = Kustomization::parse(json, &head, origin, self.folder, is_kustomization);
            if let Some(found) = found {
                outcome.kustomizations.push(found);
                return;
            }
        }
        if json.contains("\"$patch\"") {
            return fragment(json, origin, &mut outcome.facts);
        }
        decoder.object(json, origin, None, &mut outcome.facts);
    }

    fn is_kustomization_file(&self) -> bool {
        let name = self.path.file_name().and_then(|name| name.to_str());
        matches!(name, Some("kustomization.yaml" | "kustomization.yml" | "Kustomization"))
    }

    fn unreadable(&self, error: &io::Error) -> Outcome {
        let mut outcome = Outcome::default();
        self.malformed(&mut outcome.facts, format!("it cannot be read: {error}"), 0);
        outcome
    }

    fn malformed_json(&self, malformed: &json::Malformed, facts: &mut Facts) {
        self.malformed(facts, malformed.message.clone(), malformed.line);
        if let Some(found) = facts.problems.last_mut() {
            found.problem.kind = malformed.kind.as_deref().map(Str::from);
        }
    }

    fn malformed(&self, facts: &mut Facts, message: String, line: u32) {
        facts.failed.push((self.source, message.clone()));
        facts.problem(Problem {
            class: ProblemClass::Malformed,
            message,
            source: self.source,
            line,
            kind: None,
            namespace: None,
            name: None,
            count: 1,
        });
    }
}

/// Where JSON begins after a byte-order mark; `None` if the start is no JSON in UTF-8.
fn json_begins_at(start: &[u8]) -> Option<usize> {
    match text::content(start) {
        Content::Text(Cow::Borrowed(text)) if text::looks_like_json(text) => Some(start.len() - text.len()),
        _ => None,
    }
}

/// The kind of a large document that holds no fact.
fn uninteresting(text: &[u8]) -> Option<&str> {
    if text.len() < LARGE_DOCUMENT {
        return None;
    }
    let (api_version, kind) = yaml::sniff_kind(text)?;
    let is_ignored = kinds::classify(kinds::group_of(api_version), kind) == Class::Ignored;
    (is_ignored && !kind.ends_with("List") && kind != "Kustomization").then_some(kind)
}

/// A strategic-merge fragment: no object, but it says that the object of its name is not what was read.
fn fragment(json: &str, origin: Origin, facts: &mut Facts) {
    let head = head::read(json);
    let Some(kind) = head.kind else { return };
    let naming = head.naming.unwrap_or_default();
    facts.problem(Problem {
        class: ProblemClass::NotRendered,
        message: format!("a patch changes or deletes this {kind}"),
        source: origin.source,
        line: origin.line,
        kind: Some(kind.into()),
        namespace: naming.namespace.map(Str::from),
        name: naming.name.map(Str::from),
        count: 1,
    });
}
