//! What one client makes of what a server presents.

use jiff::Timestamp;

use crate::model::Outcome;
use crate::model::codes::{self, Code};
use crate::model::trust::TrustNote;
use crate::trust::client::{Effective, Verification};
use crate::trust::verify::{self, Failure, Verdict, supposed};
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
        Presented::Ca(all) => of_cas(client, loaded, all, host, at),
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

/// What a client makes of what these CAs sign. What is in the chain between them and the server was not seen: the
/// server is taken to send those that are named, and each CA is asked about with a certificate that it might sign.
fn of_cas(client: Client, loaded: &Effective, all: &[Certificate], host: &str, at: Timestamp) -> Opinion {
    let mut cas: Vec<&Certificate> = Vec::new();
    for ca in all {
        if !cas.iter().any(|known| is_same(known, ca)) {
            cas.push(ca);
        }
    }
    let verdicts: Vec<Verdict> = cas.iter().map(|ca| of_ca(client, loaded, (ca, all), host, at)).collect();
    let name = |ca: &Certificate| ca.anchor().subject.to_string();
    let find = |accepted: Option<bool>| {
        let mut both = cas.iter().zip(&verdicts);
        both.find(|(_, verdict)| verdict.accepted == accepted)
    };
    match (find(Some(true)), find(Some(false)), find(None)) {
        (Some((ca, verdict)), None, None) => {
            let anchors = loaded.anchors(true);
            let anchor = anchors.iter().find(|anchor| verdict.path.last() == Some(&name(anchor)));
            let from = anchor.and_then(|anchor| loaded.origin(anchor));
            let from = from.map_or_else(String::new, |store| format!(" ({}, {})", store.path, store.rule));
            let by = verdict.path.last().filter(|last| **last != name(ca));
            let by = by.map_or_else(String::new, |last| format!(" by {last}"));
            let reason = format!("{client} trusts {}{by}{from}", name(ca));
            let mut opinion = Opinion::of(client, Outcome::Reachable, reason);
            opinion.assumptions.push(
                "the server's certificate is in order: its name, its dates and its intermediates were not seen"
                    .to_owned(),
            );
            opinion
        }
        (None, Some((ca, verdict)), None) => refused(client, loaded, (ca, all), verdict, at),
        (Some((ca, _)), Some((other, _)), _) => {
            let reason = format!(
                "{client} trusts {} and not {}{}: which of them issued the server's certificate is not known",
                name(ca),
                name(other),
                if name(ca) == name(other) { " of another key" } else { "" }
            );
            Opinion::of(client, Outcome::Unknown, reason)
        }
        (_, _, open) => {
            let (name, why) = open.map_or_else(Default::default, |(ca, verdict)| (name(ca), verdict.reason.as_str()));
            Opinion::of(client, Outcome::Unknown, format!("whether {client} trusts {name} is not known: {why}"))
        }
    }
}

/// The same name and the same key.
fn is_same(one: &Certificate, other: &Certificate) -> bool {
    one.anchor().subject == other.anchor().subject && one.anchor().spki == other.anchor().spki
}

/// What a client makes of what one CA among those that are named signs.
fn of_ca(
    client: Client,
    loaded: &Effective,
    (ca, named): (&Certificate, &[Certificate]),
    host: &str,
    at: Timestamp,
) -> Verdict {
    let possible = loaded.anchors(false);
    let ask = |issuer: &Certificate| {
        let known = named.iter().chain(possible.iter().copied());
        let Some(leaf) = supposed::leaf(issuer, known, host, at) else {
            return Verdict::unknown(format!(
                "how a key such as that of {} signs is not known",
                issuer.anchor().subject
            ));
        };
        let sent = named.iter().filter(|one| !one.is_self_issued()).cloned();
        let chain: Vec<Certificate> = std::iter::once(leaf).chain(sent).collect();
        verify::by_anchors(loaded, &chain, None, at, client)
    };
    let verdict = ask(ca);
    if verdict.accepted != Some(false) {
        return verdict;
    }
    // Many clients take an intermediate for an anchor: what it signs they accept.
    let below = possible.iter().find(|anchor| {
        !is_same(anchor, ca)
            && anchor.issuer() == ca.subject()
            && verify::signs(ca, anchor)
            && ask(anchor).accepted != Some(false)
    });
    match below {
        Some(anchor) => Verdict::unknown(format!(
            "of what it issued only {} is trusted, and whether that issued the server's certificate is not known",
            anchor.anchor().subject
        )),
        None => verdict,
    }
}

fn refused(
    client: Client,
    loaded: &Effective,
    (ca, named): (&Certificate, &[Certificate]),
    verdict: &Verdict,
    at: Timestamp,
) -> Opinion {
    let name = ca.anchor().subject.to_string();
    let failure = verdict.failure.unwrap_or(Failure::UnknownIssuer);
    let anchors = loaded.anchors(false);
    let is_namesake = |anchor: &&Certificate| anchor.anchor().subject == ca.anchor().subject && !is_same(anchor, ca);
    let how = match failure {
        Failure::UnknownIssuer | Failure::SelfSigned | Failure::SameNameOtherKey
            if anchors.iter().copied().any(|anchor| is_namesake(&anchor)) =>
        {
            Some((&codes::TLS_OTHER_KEY, "holds a CA of that name with another key"))
        }
        Failure::UnknownIssuer | Failure::SelfSigned | Failure::NoAnchors | Failure::SameNameOtherKey => {
            Some((&codes::TLS_UNKNOWN_ISSUER, "does not hold it"))
        }
        Failure::MissingIntermediate if !anchors.iter().any(|anchor| is_same(anchor, ca)) => {
            Some((&codes::TLS_UNKNOWN_ISSUER, "does not hold it"))
        }
        _ => None,
    };
    if let Some((code, how)) = how {
        let reason = format!("{client} does not trust {name}: it reads {}, which {how}", loaded.places());
        return Opinion { code: Some(code), missing: Some(name), ..Opinion::of(client, Outcome::Blocked, reason) };
    }
    let reason = format!("{client} refuses what {name} signs: {}", verdict.reason);
    // A certificate of the CA that is named and is valid would do in the place of the one that is not.
    let is_valid =
        |one: &Certificate| is_same(one, ca) && one.anchor().not_before <= at && at <= one.anchor().not_after;
    let missing = matches!(failure, Failure::Expired | Failure::NotYetValid) && named.iter().any(is_valid);
    Opinion {
        code: Some(failure.code()),
        missing: missing.then_some(name),
        ..Opinion::of(client, Outcome::Blocked, reason)
    }
}

fn of_chain(client: Client, loaded: &Effective, chain: &[Certificate], host: &str, at: Timestamp) -> Opinion {
    let verdict = verify::by_anchors(loaded, chain, Some(host), at, client);
    match verdict.accepted {
        Some(true) => {
            let by = verdict.path.last().cloned().unwrap_or_default();
            Opinion::of(client, Outcome::Reachable, format!("{client} accepts the chain, by {by}"))
        }
        Some(false) => {
            let failure = verdict.failure.unwrap_or(Failure::UnknownIssuer);
            let missing = matches!(failure, Failure::UnknownIssuer | Failure::SelfSigned | Failure::NoAnchors)
                .then(|| chain.last().map(|last| last.anchor().issuer.to_string()))
                .flatten();
            let reason = format!("{client} refuses the chain: {}", verdict.reason);
            Opinion { code: Some(failure.code()), missing, ..Opinion::of(client, Outcome::Blocked, reason) }
        }
        None => {
            let reason = format!("whether {client} trusts the chain is not known: {}", verdict.reason);
            Opinion::of(client, Outcome::Unknown, reason)
        }
    }
}

/// What would have to be there, in words.
pub(super) fn remedy(opinion: &Opinion) -> Option<String> {
    let missing = opinion.missing.as_ref()?;
    let bundle = "in one file with the public roots, mounted from a ConfigMap";
    Some(match opinion.client {
        Client::Kaniko => format!("{missing} mounted as a file, and --registry-certificate HOST=FILE"),
        Client::Node | Client::Npm | Client::Pnpm => {
            format!("{missing} mounted as a file, and NODE_EXTRA_CA_CERTS naming it")
        }
        Client::Yarn => format!("{missing} mounted as a file, and NODE_EXTRA_CA_CERTS naming it"),
        Client::Pip | Client::PipLegacy => format!("{missing} {bundle}, and PIP_CERT naming it"),
        Client::Requests => format!("{missing} {bundle}, and REQUESTS_CA_BUNDLE naming it"),
        Client::Cargo => format!("{missing} {bundle}, and CARGO_HTTP_CAINFO naming it"),
        Client::CurlOpenssl | Client::CurlGnutls => format!("{missing} {bundle}, and CURL_CA_BUNDLE naming it"),
        Client::Git | Client::GitOpenssl => format!("{missing} {bundle}, and GIT_SSL_CAINFO naming it"),
        Client::Java => {
            format!("{missing} in the JVM's cacerts, or a PKCS12 store with its password named by JAVA_TOOL_OPTIONS")
        }
        Client::Wget | Client::Apt | Client::Apk => {
            format!("{missing} in the image's own bundle (update-ca-certificates)")
        }
        _ => format!("{missing} {bundle}, and SSL_CERT_FILE naming it"),
    })
}
