//! Whether a chain leads to an anchor, under the rules of one client.

use jiff::Timestamp;

use super::{Certificate, Client};

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

/// Answers a question.
pub fn verify(question: &Question<'_>) -> Verdict {
    let Question { client, .. } = question;
    Verdict {
        accepted: None,
        failure: None,
        reason: format!("{client} is not modelled"),
        path: Vec::new(),
        expires: None,
    }
}
