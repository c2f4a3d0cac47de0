//! Whether a chain leads to an anchor, under the rules of one client.

mod clients;
mod crypto;
mod go;
mod loaded;
mod missing;
mod openssl;
pub mod supposed;
mod webpki;

use jiff::Timestamp;

pub use self::loaded::{anchors, by_anchors, with_loaded};
pub use self::missing::signs;
use super::{Certificate, Client};
use crate::model::codes::{self, Code};

/// Why a chain is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Failure {
    /// No path leads to an anchor, and nothing tells more.
    UnknownIssuer,
    /// The server is its own issuer and nobody trusts it.
    SelfSigned,
    /// The path breaks between the leaf and the anchors: an intermediate is missing.
    MissingIntermediate,
    /// An anchor has the issuer's name and another key: the CA was replaced.
    SameNameOtherKey,
    /// A certificate of the path has expired.
    Expired,
    /// A certificate of the path is not valid yet.
    NotYetValid,
    /// The leaf is for other names.
    NameMismatch,
    /// The leaf has its name in the common name alone.
    CommonNameOnly,
    /// A CA of the path may not sign for the name.
    NameConstraint,
    /// A signature algorithm or a key is too weak, or is not supported.
    Algorithm,
    /// A signature does not verify.
    Signature,
    /// Key usage or extended key usage forbids it.
    Purpose,
    /// A certificate signs others and is no CA, or the path is too long for one.
    NotACa,
    /// A critical extension is not understood.
    CriticalExtension,
    /// Malformed beyond what the client takes.
    Malformed,
    /// The client has no anchor at all.
    NoAnchors,
    /// Only this client's strictness refuses it.
    Strict,
}

/// What is asked.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Leaf first, as the server sends it.
    pub chain: &'a [Certificate],
    /// What the client trusts, as it is.
    pub anchors: &'a [Certificate],
    /// DNS name or address of the server; `None`: the name is not checked.
    pub name: Option<&'a str>,
    /// When.
    pub at: Timestamp,
    /// Who verifies.
    pub client: Client,
}

/// What the client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// `None`: it cannot be told.
    pub accepted: Option<bool>,
    /// Why not.
    pub failure: Option<Failure>,
    /// In words.
    pub reason: String,
    /// Subjects from the leaf to the anchor, of the path that was accepted or that came furthest.
    pub path: Vec<String>,
    /// When the first certificate of the accepted path expires.
    pub expires: Option<Timestamp>,
}

impl Failure {
    /// Its code.
    pub fn code(self) -> &'static Code {
        match self {
            Self::UnknownIssuer => &codes::TLS_UNKNOWN_ISSUER,
            Self::SelfSigned => &codes::TLS_SELF_SIGNED,
            Self::MissingIntermediate => &codes::TLS_MISSING_INTERMEDIATE,
            Self::SameNameOtherKey => &codes::TLS_OTHER_KEY,
            Self::Expired => &codes::TLS_EXPIRED,
            Self::NotYetValid => &codes::TLS_NOT_YET_VALID,
            Self::NameMismatch => &codes::TLS_NAME,
            Self::CommonNameOnly => &codes::TLS_COMMON_NAME,
            Self::NameConstraint => &codes::TLS_NAME_CONSTRAINT,
            Self::Algorithm => &codes::TLS_ALGORITHM,
            Self::Signature => &codes::TLS_SIGNATURE,
            Self::Purpose => &codes::TLS_PURPOSE,
            Self::NotACa => &codes::TLS_NOT_A_CA,
            Self::CriticalExtension => &codes::TLS_CRITICAL_EXTENSION,
            Self::Malformed => &codes::TLS_MALFORMED,
            Self::NoAnchors => &codes::TLS_NO_ANCHORS,
            Self::Strict => &codes::TLS_STRICT,
        }
    }
}

impl Verdict {
    /// It cannot be told.
    pub fn unknown(reason: String) -> Self {
        Self { accepted: None, failure: None, reason, path: Vec::new(), expires: None }
    }

    /// The leaf is no certificate: whoever verifies refuses it.
    pub fn malformed(reason: String) -> Self {
        Self { accepted: Some(false), failure: Some(Failure::Malformed), ..Self::unknown(reason) }
    }
}

/// The path that a client accepts, leaf first, or why it accepts none.
type Outcome<'a> = Result<Vec<&'a Certificate>, Refusal>;

/// Why a client accepts no path.
#[derive(Clone, Debug)]
struct Refusal {
    failure: Failure,
    reason: String,
    path: Vec<String>,
    /// It is not known whether the client refuses.
    unknown: bool,
}

impl Refusal {
    fn new(failure: Failure, reason: impl Into<String>) -> Self {
        Self { failure, reason: reason.into(), path: Vec::new(), unknown: false }
    }

    /// The client may refuse, for this reason, or not.
    fn but_unknown(self, why: &str) -> Self {
        Self { reason: format!("{why}; if it refuses: {}", self.reason), unknown: true, ..self }
    }

    fn with_path<'a>(mut self, path: impl IntoIterator<Item = &'a Certificate>) -> Self {
        self.path = path.into_iter().map(|certificate| certificate.anchor().subject.to_string()).collect();
        self
    }
}

/// Answers a question.
pub fn verify(question: &Question<'_>) -> Verdict {
    let outcome = clients::verify(question);
    match outcome {
        Ok(path) => Verdict {
            accepted: Some(true),
            failure: None,
            reason: accepted(&path),
            expires: path.iter().map(|certificate| certificate.anchor().not_after).min(),
            path: path.iter().map(|certificate| certificate.anchor().subject.to_string()).collect(),
        },
        Err(refusal) if refusal.unknown => Verdict { path: refusal.path, ..Verdict::unknown(refusal.reason) },
        Err(refusal) => Verdict {
            accepted: Some(false),
            failure: Some(refusal.failure),
            reason: refusal.reason,
            path: refusal.path,
            expires: None,
        },
    }
}

fn accepted(path: &[&Certificate]) -> String {
    match path {
        [] | [_] => "the certificate itself is an anchor of the store".to_owned(),
        [.., anchor] => format!("leads to {} in the store", shown(anchor)),
    }
}

/// A certificate for people: its subject, or its alternative names where that is empty.
fn shown(certificate: &Certificate) -> String {
    let subject = &certificate.anchor().subject;
    if !subject.is_empty() {
        return format!("`{subject}`");
    }
    match certificate.names().first() {
        Some(name) => format!("the certificate for {name}"),
        None => "a certificate without names".to_owned(),
    }
}

/// Seconds since 1970, and whether a part of a second lies beyond them.
fn instant(at: Timestamp) -> (i64, bool) {
    let nanoseconds = at.subsec_nanosecond();
    (at.as_second() - i64::from(nanoseconds < 0), nanoseconds != 0)
}
