//! Traps in the configuration of trust, as findings: of nodes, and of the containers that were asked about.

use std::collections::BTreeMap;

use super::sites::Place;
use crate::model::codes;
use crate::model::trust::TrustNote;
use crate::model::{Decided, Evidence, Finding, ObjectRef, Str};
use crate::trace::audit::Audit;
use crate::trace::objects::finding;

/// At most this many places are listed in one finding.
const PLACES: usize = 20;

/// At most this many notes of one code about one file of a node are told.
const ALIKE: usize = 3;

/// One finding for each trap, with all places that have it.
pub(in crate::trace) fn findings(audit: &Audit<'_>) -> Vec<Finding> {
    let mut all: BTreeMap<(&str, &str), Vec<Evidence>> = BTreeMap::new();
    let mut folded: BTreeMap<(&str, &str, &str), usize> = BTreeMap::new();
    let snapshot = audit.context.snapshot;
    for note in &snapshot.trust_notes {
        let file = Str::clone(&note.path);
        let object = ObjectRef { kind: "document".into(), namespace: None, name: file.clone() };
        let line = (note.line > 0).then_some(note.line);
        let evidence = Evidence { file: Some(file), line, decided: Decided::ByRule, ..Evidence::of(object) };
        add(&mut all, note, evidence);
    }
    let nodes = &snapshot.node_trust;
    for (trust, note) in nodes.iter().flat_map(|trust| trust.notes.iter().map(move |note| (trust, note))) {
        // A distribution's store holds a dozen roots that have expired.
        let alike = folded.entry((&trust.meta.name, &note.code, &note.path)).or_default();
        *alike += 1;
        if *alike > ALIKE {
            continue;
        }
        let mut evidence = audit.context.object_evidence("NodeTrust", &trust.meta, Decided::ByRule);
        evidence.path = Some(place_of(note));
        add(&mut all, note, evidence);
    }
    let of_places = audit.trust.answers.notes();
    for (place, note) in &of_places {
        let Some(Place::Pod { object, source, line, .. }) = audit.trust.places.get(*place).map(|site| &site.place)
        else {
            continue;
        };
        let evidence = Evidence {
            path: Some(place_of(note)),
            file: Some(audit.context.snapshot.source(*source).into()),
            line: (*line > 0).then_some(*line),
            decided: Decided::ByRule,
            ..Evidence::of(object.clone())
        };
        add(&mut all, note, evidence);
    }
    let one = |((code, message), mut evidence): ((&str, &str), Vec<Evidence>)| {
        let code = codes::find(code)?;
        evidence.sort_unstable();
        evidence.dedup();
        let count = evidence.len();
        evidence.truncate(PLACES);
        let more = if count > PLACES { format!(" ({count} in all)") } else { String::new() };
        Some(finding(code, format!("{message}{more}"), evidence))
    };
    all.into_iter().filter_map(one).collect()
}

fn add<'n>(all: &mut BTreeMap<(&'n str, &'n str), Vec<Evidence>>, note: &'n TrustNote, evidence: Evidence) {
    all.entry((&note.code, &note.message)).or_default().push(evidence);
}

/// The file on the node or in the container, with its line.
fn place_of(note: &TrustNote) -> String {
    if note.line > 0 { format!("{}:{}", note.path, note.line) } else { Str::to_string(&note.path) }
}
