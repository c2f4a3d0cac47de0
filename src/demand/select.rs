//! Which objects a user means: the SUBJECT grammar.

use std::fmt;
use std::str::FromStr;

use super::pattern::glob;

/// A SUBJECT of the command line: `ns/name`, `ns/Kind/name`, `node/name`, or a Kind. `*` in the
/// namespace or the name stands for any text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubjectSelector {
    /// `ns/name`.
    Name {
        /// Namespace.
        namespace: String,
        /// Name of a controller, else of a pod.
        name: String,
    },
    /// `ns/Kind/name`.
    Object {
        /// Namespace.
        namespace: String,
        /// Kind, in any case.
        kind: String,
        /// Name.
        name: String,
    },
    /// `Kind`: every subject of that kind.
    Kind(String),
    /// `node/name`: a node, for what its runtime pulls.
    Node(String),
}

/// A text that is no SUBJECT.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no subject: ns/name, ns/Kind/name, node/name or a Kind")]
pub struct BadSubject(String);

impl FromStr for SubjectSelector {
    type Err = BadSubject;

    fn from_str(text: &str) -> Result<Self, BadSubject> {
        let parts: Vec<&str> = text.split('/').collect();
        if parts.iter().any(|part| part.is_empty() || part.contains(char::is_whitespace)) {
            return Err(BadSubject(text.to_owned()));
        }
        match parts.as_slice() {
            [kind] if kind.starts_with(|c: char| c.is_ascii_alphabetic()) => Ok(Self::Kind((*kind).to_owned())),
            ["node", name] => Ok(Self::Node((*name).to_owned())),
            [namespace, name] => Ok(Self::Name { namespace: (*namespace).to_owned(), name: (*name).to_owned() }),
            [namespace, kind, name] => Ok(Self::Object {
                namespace: (*namespace).to_owned(),
                kind: (*kind).to_owned(),
                name: (*name).to_owned(),
            }),
            _ => Err(BadSubject(text.to_owned())),
        }
    }
}

impl fmt::Display for SubjectSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { namespace, name } => write!(f, "{namespace}/{name}"),
            Self::Object { namespace, kind, name } => write!(f, "{namespace}/{kind}/{name}"),
            Self::Kind(kind) => f.write_str(kind),
            Self::Node(name) => write!(f, "node/{name}"),
        }
    }
}

impl SubjectSelector {
    /// Whether it means the object.
    pub(super) fn selects(&self, namespace: &str, kind: &str, name: &str) -> bool {
        match self {
            Self::Name { namespace: ns, name: n } => glob(ns, namespace) && glob(n, name),
            Self::Object { namespace: ns, kind: k, name: n } => {
                glob(ns, namespace) && k.eq_ignore_ascii_case(kind) && glob(n, name)
            }
            Self::Kind(k) => k.eq_ignore_ascii_case(kind),
            Self::Node(_) => false,
        }
    }

    /// Whether a pod that stands behind a controller is meant by its own name.
    pub(super) fn may_name_a_pod(&self) -> bool {
        match self {
            Self::Name { .. } => true,
            Self::Object { kind, .. } | Self::Kind(kind) => kind.eq_ignore_ascii_case("Pod"),
            Self::Node(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn subjects_are_read_and_written_alike() {
        for text in ["ci/web", "ci/Job/web-*", "node/n1", "Deployment"] {
            assert_eq!(text.parse::<SubjectSelector>().unwrap().to_string(), text);
        }
        for text in ["", "/", "a/", "a//b", "a/b/c/d", "a b", "*"] {
            assert!(text.parse::<SubjectSelector>().is_err(), "{text}");
        }
    }

    #[test]
    fn kinds_go_by_any_case_and_names_by_globs() {
        let selects = |s: &str| s.parse::<SubjectSelector>().unwrap().selects("ci", "Deployment", "web-1");
        assert!(selects("ci/web-1") && selects("ci/web-*") && selects("*/web-1") && selects("ci/deployment/web-1"));
        assert!(selects("Deployment") && selects("deployment"));
        assert!(!selects("ci/web") && !selects("cd/web-1") && !selects("ci/Job/web-1") && !selects("node/web-1"));
    }
}
