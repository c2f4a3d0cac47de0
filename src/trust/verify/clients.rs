//! How each client verifies: the engine below it and its settings.
//!
//! Where versions or builds of a client differ in a setting, the chain is judged under each; if that makes a
//! difference, the answer is that it cannot be told.

use super::openssl::{self, CommonName, Rules};
use super::{Failure, Outcome, Question, Refusal, go, webpki};
use crate::trust::Client;

/// A TLS client on OpenSSL at Debian's security level.
const TLS: Rules = Rules {
    server: true,
    partial: false,
    strict: false,
    level: 2,
    whole_wildcards: true,
    common_name: CommonName::Unnamed,
    anchor_dates: true,
};

/// libcurl on OpenSSL: it always sets PARTIAL_CHAIN.
const LIBCURL: Rules = Rules { partial: true, common_name: CommonName::Curl, ..TLS };

/// Settings that a client may have, and what decides between them.
struct Settings {
    rules: Vec<Rules>,
    depends_on: &'static str,
}

impl Settings {
    fn one(rules: Rules) -> Self {
        Self { rules: vec![rules], depends_on: "" }
    }

    /// OpenSSL's default security level was 1 before 3.2, except in Debian, and is 2 since.
    fn either_level(rules: Rules) -> Self {
        Self {
            rules: vec![Rules { level: 1, ..rules }, Rules { level: 2, ..rules }],
            depends_on: "the security level of the client's OpenSSL",
        }
    }

    fn or_with(mut self, depends_on: &'static str, change: impl Fn(Rules) -> Rules) -> Self {
        let changed: Vec<Rules> = self.rules.iter().copied().map(change).collect();
        self.rules.extend(changed);
        self.depends_on = depends_on;
        self
    }
}

pub(super) fn verify<'a>(question: &Question<'a>) -> Outcome<'a> {
    let build = "how the client is built";
    match question.client {
        Client::Go | Client::Containerd | Client::Containers | Client::Docker | Client::Buildkit | Client::Kaniko => {
            go::verify(question)
        }
        Client::Rustls | Client::Uv => webpki::verify(question),
        Client::Openssl => openssl::verify(question, Rules::verify_command()),
        Client::CurlOpenssl => by_settings(question, &Settings::one(LIBCURL)),
        Client::Cargo | Client::GitOpenssl => by_settings(question, &Settings::either_level(LIBCURL)),
        Client::Python => by_settings(question, &Settings::either_level(TLS)),
        Client::PythonStrict => {
            by_settings(question, &Settings::either_level(Rules { partial: true, strict: true, ..TLS }))
        }
        // urllib3 2 does not look at the common name; pip brings version 1.
        Client::Requests => by_settings(
            question,
            &Settings::either_level(Rules { common_name: CommonName::Never, ..TLS }).or_with(
                "the Python below it: from 3.13 on it is strict",
                |rules| Rules { strict: true, partial: true, ..rules },
            ),
        ),
        Client::Pip | Client::PipLegacy => {
            let settings = Settings::either_level(TLS);
            by_settings(
                question,
                &settings.or_with("its urllib3", |rules| Rules { common_name: CommonName::Never, ..rules }),
            )
        }
        Client::Node | Client::Npm | Client::Yarn | Client::Pnpm => {
            let settings = Settings::either_level(TLS);
            let depends_on = "how Node reads wildcards, or the security level of its OpenSSL";
            by_settings(question, &settings.or_with(depends_on, |rules| Rules { whole_wildcards: false, ..rules }))
        }
        Client::Ruby | Client::Apk | Client::Dotnet => {
            let settings = Settings::either_level(TLS)
                .or_with(build, |rules| Rules { partial: true, ..rules })
                .or_with(build, |rules| Rules { common_name: CommonName::Never, ..rules });
            by_settings(question, &settings)
        }
        Client::CurlGnutls | Client::Git | Client::Wget | Client::Apt => gnutls(question),
        Client::Java => java(question),
    }
}

/// One answer for all settings, or none.
fn by_settings<'a>(question: &Question<'a>, settings: &Settings) -> Outcome<'a> {
    let outcomes = settings.rules.iter().map(|rules| openssl::verify(question, *rules));
    agreed(outcomes, &format!("it depends on {}", settings.depends_on)).and_then(|path| plain_name(question, path))
}

/// What all say; where they differ, that it is not known, with what the one that refuses says.
fn agreed<'a>(outcomes: impl Iterator<Item = Outcome<'a>>, unless: &str) -> Outcome<'a> {
    let mut accepted: Option<Outcome<'a>> = None;
    let mut refused: Option<Refusal> = None;
    for outcome in outcomes {
        match outcome {
            Err(refusal) => {
                refused.get_or_insert(refusal);
            }
            ok => {
                accepted.get_or_insert(ok);
            }
        }
    }
    match (accepted, refused) {
        (Some(accepted), None) => accepted,
        (Some(_), Some(refusal)) => Err(refusal.but_unknown(unless)),
        (None, Some(refusal)) => Err(refusal),
        (None, None) => Err(Refusal::new(Failure::Malformed, "nothing was asked")),
    }
}

/// Clients compare a name with a dot at its end each in their own way.
fn plain_name<T>(question: &Question<'_>, path: T) -> Result<T, Refusal> {
    match question.name {
        Some(name) if name.ends_with('.') => {
            let refusal = Refusal::new(Failure::NameMismatch, format!("{name} ends with a dot"));
            Err(refusal.but_unknown(&format!("how {} compares such names is not known", question.client)))
        }
        _ => Ok(path),
    }
}

/// GnuTLS: no extended key usages; any certificate of the store ends a path; SHA-1 is refused. It orders what the
/// server sends by itself, so a path that only another order finds cannot be told.
fn gnutls<'a>(question: &Question<'a>) -> Outcome<'a> {
    let rules = Rules { server: false, partial: true, level: 1, common_name: CommonName::Bare, ..TLS };
    let outcomes = [rules, Rules { level: 2, ..rules }].map(|rules| openssl::verify(question, rules));
    let outcome = agreed(outcomes.into_iter(), "whether GnuTLS takes it is not known");
    backtracked(question, outcome).and_then(|path| plain_name(question, path))
}

/// PKIX of Java: the anchor's own dates do not count, SHA-1 is taken from anchors that did not come with the JDK.
fn java<'a>(question: &Question<'a>) -> Outcome<'a> {
    let rules = Rules { partial: true, level: 0, anchor_dates: false, ..TLS };
    let sizes = [rules, Rules { level: 1, ..rules }].map(|rules| openssl::verify(question, rules));
    let [lax, tight] = sizes;
    let outcome = match (lax, tight) {
        (Ok(path), Err(refusal)) if refusal.failure == Failure::Algorithm && !is_by_sha1(&path) => {
            Err(refusal.but_unknown("the algorithms that a JDK disables are a setting of it"))
        }
        (lax, _) => lax,
    };
    backtracked(question, outcome).and_then(|path| plain_name(question, path))
}

/// SHA-1 alone is what is weak in it.
fn is_by_sha1(path: &[&crate::trust::Certificate]) -> bool {
    use super::crypto::{Hash, Key, Scheme};
    let strong_key = |certificate: &&crate::trust::Certificate| {
        Key::read(certificate.spki()).is_some_and(|key| openssl::key_bits(&key) >= 112)
    };
    let fair = |certificate: &&crate::trust::Certificate| {
        !matches!(Scheme::read(certificate.inner_algorithm()).hash(), Some(Hash::Md5))
    };
    path.iter().all(strong_key) && path.iter().take(path.len().saturating_sub(1)).all(fair)
}

/// A client that tries more than one path may accept what OpenSSL refuses: where Go finds one, it cannot be told.
fn backtracked<'a>(question: &Question<'a>, outcome: Outcome<'a>) -> Outcome<'a> {
    match outcome {
        Err(refusal) if !refusal.unknown && go::verify(question).is_ok() => {
            Err(refusal.but_unknown("another path may do, and whether this client finds it is not known"))
        }
        outcome => outcome,
    }
}
