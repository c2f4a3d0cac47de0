//! What one client makes of what a server presents.

use jiff::Timestamp;

use crate::model::Outcome;
use crate::model::codes::{self, Code};
use crate::model::trust::TrustNote;
use crate::trust::client::{Effective, Verification};
use crate::trust::verify::{self, Failure, Question, Verdict, anchors};
use crate::trust::{Certificate, Client};

/// What a server presents, as far as it is known.
#[derive(Clone, Copy, Debug)]
pub(super) enum Presented<'a> {
    /// Some chain to one of the public roots.
    Public,
    /// A chain that these CAs issue.
    Ca(&'a [Certificate]),
    /// This chain, leaf first.
    Chain(&'a [Certificate]),
    /// Nobody says, and why.
    Unknown(&'a str),
}

/// What a client says, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Opinion {
    pub(super) client: Client,
    pub(super) outcome: Outcome,
    /// A clause about the client: `go trusts CN=Corp Root (/ca.crt, by SSL_CERT_FILE)`.
    pub(super) reason: String,
    pub(super) code: Option<&'static Code>,
    /// Subject of the CA that is missing.
    pub(super) missing: Option<String>,
    pub(super) assumptions: Vec<String>,
    pub(super) notes: Vec<TrustNote>,
}

impl Opinion {
    pub(super) fn of(client: Client, outcome: Outcome, reason: String) -> Self {
        Self { client, outcome, reason, code: None, missing: None, assumptions: Vec::new(), notes: Vec::new() }
    }
}

/// The opinion of a client that loads these anchors.
pub(super) fn judge(
    client: Client,
    loaded: &Effective,
    presented: Presented<'_>,
    host: &str,
    at: Timestamp,
) -> Opinion {
    let mut opinion = decide(client, loaded, presented, host, at);
    opinion.assumptions.extend(loaded.assumptions.iter().cloned());
    opinion.notes.clone_from(&loaded.notes);
    opinion
}

fn decide(client: Client, loaded: &Effective, presented: Presented<'_>, host: &str, at: Timestamp) -> Opinion {
    let not_verified = match &loaded.verification {
        Verification::On => None,
        Verification::Off(by) => {
            let reason = format!("{client} accepts any server: {by} switches verification off");
            return Opinion::of(client, Outcome::Reachable, reason);
        }
        Verification::Unknown(why) => Some(why),
    };
    if let Some(why) = &loaded.fails {
        let reason = format!("{client} fails before it connects: {why}");
        return Opinion { code: Some(&codes::TLS_NO_ANCHORS), ..Opinion::of(client, Outcome::Blocked, reason) };
    }
    let mut opinion = match presented {
        Presented::Unknown(why) => Opinion::of(client, Outcome::Unknown, why.to_owned()),
        Presented::Public => of_public_roots(client, loaded),
        Presented::Ca(all) => of_cas(client, loaded, all, at),
        Presented::Chain(chain) => of_chain(client, loaded, chain, host, at),
    };
    if let Some(why) = not_verified.filter(|_| opinion.outcome != Outcome::Reachable) {
        opinion.outcome = Outcome::Unknown;
        opinion.reason = format!("{}, unless verification is off: {why}", opinion.reason);
    }
    opinion
}

fn of_public_roots(client: Client, loaded: &Effective) -> Opinion {
    match loaded.public() {
        Some(true) => Opinion::of(client, Outcome::Reachable, format!("{client} trusts the public roots")),
        Some(false) => {
            let reason = format!("{client} trusts {} alone, which holds no public roots", loaded.places());
            Opinion {
                code: Some(&codes::TLS_UNKNOWN_ISSUER),
                missing: Some("the public roots".to_owned()),
                ..Opinion::of(client, Outcome::Blocked, reason)
            }
        }
        None => {
            let why = loaded.unknown.first().map_or("where it looks is not known for sure", String::as_str);
            Opinion::of(
                client,
                Outcome::Unknown,
                format!("whether {client} trusts the public roots is not known: {why}"),
            )
        }
    }
}

fn of_cas(client: Client, loaded: &Effective, all: &[Certificate], at: Timestamp) -> Opinion {
    let (sure, perhaps) = (anchors(loaded, true), anchors(loaded, false));
    let trusted = |anchors: &[Certificate]| {
        let is = |ca: &Certificate| is_trusted(client, anchors, ca, all, at);
        all.iter().filter(|ca| is(ca)).count()
    };
    let name = all.first().map_or_else(String::new, |ca| ca.anchor().subject.to_string());
    let certain = trusted(&sure);
    if certain == all.len() {
        let from = all.first().and_then(|ca| same(&sure, ca)).and_then(|anchor| loaded.origin(anchor));
        let from = from.map_or_else(String::new, |store| format!(" ({}, {})", store.path, store.rule));
        let mut opinion = Opinion::of(client, Outcome::Reachable, format!("{client} trusts {name}{from}"));
        opinion.assumptions.push(
            "the server's certificate is in order: its name, its dates and its intermediates were not seen".to_owned(),
        );
        return opinion;
    }
    if !loaded.unknown.is_empty() || trusted(&perhaps) > certain || certain > 0 {
        let why = loaded.unknown.first().map_or("only part of what it needs is certain", String::as_str);
        let reason = format!("whether {client} trusts {name} is not known: {why}");
        return Opinion::of(client, Outcome::Unknown, reason);
    }
    let renamed = sure.iter().any(|a| all.iter().any(|ca| a.anchor().subject == ca.anchor().subject && a != ca));
    let expired = all.iter().any(|ca| same(&sure, ca).is_some());
    let (code, how) = match (renamed, expired) {
        (_, true) => (&codes::TLS_EXPIRED, "holds it, and it is not valid at this time"),
        (true, false) => (&codes::TLS_OTHER_KEY, "holds a CA of that name with another key"),
        (false, false) => (&codes::TLS_UNKNOWN_ISSUER, "does not hold it"),
    };
    let reason = format!("{client} does not trust {name}: it reads {}, which {how}", loaded.places());
    Opinion { code: Some(code), missing: Some(name), ..Opinion::of(client, Outcome::Blocked, reason) }
}

fn same<'a>(anchors: &'a [Certificate], ca: &Certificate) -> Option<&'a Certificate> {
    anchors.iter().find(|a| a.anchor().subject == ca.anchor().subject && a.anchor().spki == ca.anchor().spki)
}

/// Whether what a CA signs would be accepted, as far as the CA decides.
fn is_trusted(client: Client, anchors: &[Certificate], ca: &Certificate, with: &[Certificate], at: Timestamp) -> bool {
    if let Some(own) = same(anchors, ca) {
        let valid = own.anchor().not_before <= at && at <= own.anchor().not_after;
        // rustls and Java take an anchor whatever its dates say.
        return valid || matches!(client, Client::Uv | Client::Rustls | Client::Java);
    }
    let chain: Vec<Certificate> =
        std::iter::once(ca).chain(with.iter().filter(|other| *other != ca)).cloned().collect();
    // Clients on rustls refuse a CA in the place of a server, which says nothing about what it signs.
    let client = if matches!(client, Client::Uv | Client::Rustls) { Client::Go } else { client };
    let question = Question { chain: &chain, anchors, name: None, at, client };
    verify::verify(&question).accepted == Some(true)
}

fn of_chain(client: Client, loaded: &Effective, chain: &[Certificate], host: &str, at: Timestamp) -> Opinion {
    let ask = |anchors: &[Certificate]| verify::verify(&Question { chain, anchors, name: Some(host), at, client });
    let sure = ask(&anchors(loaded, true));
    if sure.accepted == Some(true) {
        let by = sure.path.last().cloned().unwrap_or_default();
        return Opinion::of(client, Outcome::Reachable, format!("{client} accepts the chain, by {by}"));
    }
    let open = !loaded.unknown.is_empty() || loaded.anchors(false).len() > loaded.anchors(true).len();
    let blocked = |verdict: Verdict| {
        let failure = verdict.failure.unwrap_or(Failure::UnknownIssuer);
        let missing = matches!(failure, Failure::UnknownIssuer | Failure::SelfSigned | Failure::NoAnchors)
            .then(|| chain.last().map(|last| last.anchor().issuer.to_string()))
            .flatten();
        let reason = format!("{client} refuses the chain: {}", verdict.reason);
        Opinion { code: Some(failure.code()), missing, ..Opinion::of(client, Outcome::Blocked, reason) }
    };
    if sure.accepted.is_none() {
        return Opinion::of(client, Outcome::Unknown, sure.reason);
    }
    if !open {
        return blocked(sure);
    }
    // Some faults are the chain's own, whatever the client trusts.
    let best = ask(&[anchors(loaded, false), chain.last().cloned().into_iter().collect()].concat());
    if best.accepted == Some(false) && chain.len() > 1 && best.failure.is_some_and(is_of_the_chain) {
        return blocked(best);
    }
    let why = loaded.unknown.first().map_or("where it looks is not known for sure", String::as_str);
    Opinion::of(client, Outcome::Unknown, format!("whether {client} trusts the chain is not known: {why}"))
}

/// Whether no anchor can mend a failure.
fn is_of_the_chain(failure: Failure) -> bool {
    matches!(
        failure,
        Failure::Expired
            | Failure::NotYetValid
            | Failure::NameMismatch
            | Failure::CommonNameOnly
            | Failure::NameConstraint
            | Failure::Purpose
            | Failure::CriticalExtension
            | Failure::Malformed
    )
}
