//! Traps that show once everything is loaded.

use super::reader::Reader;
use crate::model::codes;
use crate::trust::Certificate;
use crate::trust::cert::extension;
use crate::trust::verify::{Question, verify};

/// Notes about the whole.
pub(super) fn after(reader: &mut Reader<'_>) {
    leaves(reader);
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

/// Certificates of servers among the anchors: what the client makes of each is asked of its own rules.
fn leaves(reader: &mut Reader<'_>) {
    let client = reader.client;
    let mut found = Vec::new();
    for store in &reader.out.stores {
        for leaf in store.certificates.iter().filter(|certificate| is_leaf(certificate)) {
            let chain = std::slice::from_ref(leaf);
            let at = leaf.anchor().not_before;
            let accepted = verify(&Question { chain, anchors: chain, name: None, at, client }).accepted;
            let how = match accepted {
                Some(true) => format!("which {client} accepts for that server alone, until it is renewed"),
                Some(false) => format!("which {client} does not accept as an anchor: the CA that signed it is missing"),
                None => format!("and what {client} makes of it as an anchor is not known"),
            };
            let subject = &leaf.anchor().subject;
            let message =
                format!("{} ({}) holds the certificate of a server, {subject}, {how}", store.path, store.rule);
            found.push((store.path.clone(), message));
        }
    }
    for (path, message) in found {
        reader.note(&codes::TLS_LEAF_ANCHOR, &path, message);
    }
}

/// Whether a certificate is that of a server: no CA, and signed by somebody else or for names of servers. Old roots say
/// neither that they are CAs nor for which names they are.
fn is_leaf(certificate: &Certificate) -> bool {
    let anchor = certificate.anchor();
    !anchor.ca && (anchor.subject != anchor.issuer || certificate.extension(extension::SUBJECT_ALT_NAME).is_some())
}
