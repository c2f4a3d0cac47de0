//! Traps that show once everything is loaded.

use super::reader::Reader;
use crate::model::codes;
use crate::trust::Certificate;

/// Notes about the whole.
pub(super) fn after(reader: &mut Reader<'_>) {
    if reader.out.fails.is_some() || !reader.out.unknown.is_empty() {
        return;
    }
    let empty = reader.out.stores.iter().all(|store| store.certificates.is_empty() && !store.public);
    let client = reader.client;
    if empty {
        let message = format!("{client} has no anchor at all: it read {}", reader.out.places());
        reader.note(&codes::TLS_STORE_EMPTY, "", message);
        return;
    }
    if reader.out.public() != Some(false) {
        return;
    }
    let share = super::public::share(reader.out.anchors(true).into_iter().map(Certificate::anchor));
    if share.present > 0 {
        return;
    }
    let shadowed = reader.place.files.hidden().iter().find(|hidden| {
        reader.out.stores.iter().any(|store| store.path.starts_with(hidden.as_str()) || hidden.starts_with(&store.path))
    });
    if let Some(mount) = shadowed.cloned() {
        let message = format!("what is mounted at {mount} hides the public roots of the image from {client}");
        reader.note(&codes::TLS_SHADOWED, &mount, message);
    } else {
        let message = format!("{client} accepts no public root: it reads {} alone", reader.out.places());
        reader.note(&codes::TLS_PRIVATE_ROOTS_ONLY, "", message);
    }
}
