//! Names that come near a SUBJECT of the command line that means nothing.

use super::groups::{Group, groups};
use crate::demand::DemandOptions;
use crate::demand::select::SubjectSelector;
use crate::model::Snapshot;

/// How many names are told.
const MAX_NAMES: usize = 10;

/// Subjects whose names hold what was asked for, or the other way round, as `ns/Kind/name`: at most 10, sorted.
pub fn similar(snapshot: &Snapshot, selector: &SubjectSelector, options: &DemandOptions) -> Vec<String> {
    let (SubjectSelector::Name { name, .. } | SubjectSelector::Object { name, .. }) = selector else {
        return Vec::new();
    };
    let near = |known: &str| known.contains(name.as_str()) || (known.len() > 2 && name.contains(known));
    let groups = groups(snapshot, options);
    let mut similar: Vec<String> = groups.iter().filter(|group| near(&group.name)).map(Group::full_name).collect();
    similar.sort_unstable();
    similar.truncate(MAX_NAMES);
    similar
}
