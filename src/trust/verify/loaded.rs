//! A chain before a client of which is known what it loads, as far as that is known.

use jiff::Timestamp;

use super::{Failure, Question, Verdict, verify};
use crate::trust::client::{Effective, Verification, public};
use crate::trust::{Certificate, Client};

/// What a client says that loads these anchors: `None` where what is not known of its stores could change the answer.
///
/// A client that fails before it connects has no anchors. One that does not verify accepts, whatever it loads.
pub fn with_loaded(
    loaded: &Effective,
    chain: &[Certificate],
    name: Option<&str>,
    at: Timestamp,
    client: Client,
) -> Verdict {
    let accepts = |reason: String| Verdict { accepted: Some(true), ..Verdict::unknown(reason) };
    let perhaps_off = match &loaded.verification {
        Verification::Off(by) => {
            return accepts(format!("{client} accepts any server: {by} switches verification off"));
        }
        Verification::On => None,
        Verification::Unknown(why) => Some(why),
    };
    let verdict = match &loaded.fails {
        Some(why) => Verdict {
            accepted: Some(false),
            failure: Some(Failure::NoAnchors),
            ..Verdict::unknown(format!("{client} fails before it connects: {why}"))
        },
        None => by_anchors(loaded, chain, name, at, client),
    };
    match perhaps_off {
        Some(why) if verdict.accepted == Some(false) => Verdict {
            path: verdict.path,
            ..Verdict::unknown(format!("{}, unless verification is off: {why}", verdict.reason))
        },
        _ => verdict,
    }
}

/// The anchors of a client; `sure`: without those that it may have.
pub fn anchors(loaded: &Effective, sure: bool) -> Vec<Certificate> {
    let mut anchors: Vec<Certificate> = loaded.anchors(sure).into_iter().cloned().collect();
    let public = loaded.public();
    if public == Some(true) || (!sure && public.is_none()) {
        anchors.extend(public::roots().iter().filter(|root| !loaded.is_without(root, sure)).cloned());
    }
    anchors
}

/// The same for a client that verifies, or is asked as if it did.
pub fn by_anchors(
    loaded: &Effective,
    chain: &[Certificate],
    name: Option<&str>,
    at: Timestamp,
    client: Client,
) -> Verdict {
    let ask = |anchors: &[Certificate]| verify(&Question { chain, anchors, name, at, client });
    let certain = ask(&anchors(loaded, true));
    let is_open = !loaded.unknown.is_empty() || loaded.stores.iter().any(|store| !store.sure);
    if certain.accepted.is_none() || !is_open {
        return certain;
    }
    let perhaps = anchors(loaded, false);
    if certain.accepted == Some(true) {
        // More anchors may lead a client onto a worse path.
        let same = ask(&perhaps).accepted == Some(true);
        return if same { certain } else { not_known(loaded, certain) };
    }
    let alone = chain.get(..1).unwrap_or_default();
    let is_malformed = || verify(&Question { chain: alone, anchors: &[], name, at, client }).failure;
    let is_final = |verdict: &Verdict| match verdict.failure {
        Some(Failure::Malformed) => is_malformed() == Some(Failure::Malformed),
        _ => is_of_the_leaf(verdict, chain, at),
    };
    if is_final(&certain) {
        return certain;
    }
    if loaded.unknown.is_empty() && ask(&perhaps).accepted == Some(false) {
        return certain;
    }
    // A client that finds no path says nothing about the leaf: what it would say if it found one.
    let found = ask(&[&perhaps, chain.get(1..).unwrap_or_default()].concat());
    if found.accepted == Some(false) && is_final(&found) {
        return found;
    }
    not_known(loaded, certain)
}

fn not_known(loaded: &Effective, certain: Verdict) -> Verdict {
    let why = loaded.unknown.first().map_or("where it looks is not known for sure", String::as_str);
    let reason = format!("what the client trusts is not known: {why}");
    Verdict { path: certain.path, ..Verdict::unknown(reason) }
}

/// Whether the leaf itself is at fault, which no anchor mends.
fn is_of_the_leaf(verdict: &Verdict, chain: &[Certificate], at: Timestamp) -> bool {
    let Some(leaf) = chain.first() else { return true };
    match verdict.failure {
        Some(Failure::NameMismatch | Failure::CommonNameOnly) => true,
        Some(Failure::Expired) => leaf.anchor().not_after < at,
        Some(Failure::NotYetValid) => at < leaf.anchor().not_before,
        Some(Failure::Purpose) => !leaf.may_serve(),
        _ => false,
    }
}
