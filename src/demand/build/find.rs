//! The one subject that a SUBJECT of the command line means.

use super::{Builder, Group, chosen, groups};
use crate::demand::select::SubjectSelector;
use crate::demand::{Catalogue, DemandOptions, Subject};
use crate::model::Snapshot;

/// How many names an error tells.
const MAX_NAMES: usize = 10;

/// Why a SUBJECT means no single subject.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FindError {
    /// Nothing goes by that name.
    #[error("no subject `{wanted}`{}", listing("; there is", similar))]
    NotFound {
        /// What was asked for.
        wanted: String,
        /// Names that come near, as `ns/Kind/name`.
        similar: Vec<String>,
    },
    /// Several go by that name.
    #[error("`{wanted}` is ambiguous{}", listing(": it may be", candidates))]
    Ambiguous {
        /// What was asked for.
        wanted: String,
        /// All of them, as `ns/Kind/name`.
        candidates: Vec<String>,
    },
    /// Nodes are no subjects of this version.
    #[error("`{0}` is a node: what its runtime pulls is not evaluated by this version")]
    Node(String),
}

fn listing(lead: &str, names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("{lead} {}", names.join(", ")) }
}

/// The subject that a selector means, whether it looks like a build or not, with what it needs. A
/// controller goes before a pod of the same name; a pod behind a controller is found by its own name.
///
/// # Errors
///
/// Nothing, or several things, go by that name.
pub fn find(
    snapshot: &Snapshot,
    catalogue: &Catalogue,
    selector: &SubjectSelector,
    options: &DemandOptions,
) -> Result<Subject, FindError> {
    let wanted = selector.to_string();
    if let SubjectSelector::Node(_) = selector {
        return Err(FindError::Node(wanted));
    }
    let all = groups(snapshot, options);
    let selects = |group: &Group| selector.selects(&group.namespace, &group.kind, &group.name);
    let (mut exact, rest): (Vec<Group>, Vec<Group>) = all.into_iter().partition(selects);
    let mut names: Vec<(String, String)> = Vec::new();
    if exact.is_empty() {
        names = rest.iter().map(|group| (group.name.to_string(), full_name(group))).collect();
        exact = rest.into_iter().filter_map(|group| chosen(snapshot, std::slice::from_ref(selector), group)).collect();
    }
    match exact.len() {
        1 => {
            let mut builder = Builder::new(snapshot, catalogue, options);
            let group = exact.remove(0);
            let (score, hits) = builder.judge(&group);
            Ok(builder.subject(group, score, &hits))
        }
        0 => Err(FindError::NotFound { wanted, similar: similar(selector, names) }),
        _ => {
            let mut candidates: Vec<String> = exact.iter().map(full_name).collect();
            candidates.sort_unstable();
            candidates.truncate(MAX_NAMES);
            Err(FindError::Ambiguous { wanted, candidates })
        }
    }
}

fn full_name(group: &Group) -> String {
    format!("{}/{}/{}", group.namespace, group.kind, group.name)
}

/// Names that hold what was asked for, or the other way round.
fn similar(selector: &SubjectSelector, names: Vec<(String, String)>) -> Vec<String> {
    let (SubjectSelector::Name { name, .. } | SubjectSelector::Object { name, .. }) = selector else {
        return Vec::new();
    };
    let near = |known: &str| known.contains(name.as_str()) || (known.len() > 2 && name.contains(known));
    let mut similar: Vec<String> = names.into_iter().filter(|(known, _)| near(known)).map(|(_, full)| full).collect();
    similar.sort_unstable();
    similar.truncate(MAX_NAMES);
    similar
}
