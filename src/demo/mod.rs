//! The built-in example: a small cluster in which each build has another fate.

use crate::collect::files;
use crate::model::Snapshot;

/// The manifests, by the name under which reports cite them.
pub const MANIFESTS: &[(&str, &str)] = &[
    ("demo/builds.yaml", include_str!("manifests/builds.yaml")),
    ("demo/cluster.yaml", include_str!("manifests/cluster.yaml")),
    ("demo/policies.yaml", include_str!("manifests/policies.yaml")),
];

/// The example as a snapshot that was read at an instant.
pub fn snapshot(instant: jiff::Timestamp) -> Snapshot {
    files::from_texts(MANIFESTS, &files::Options { instant, ..files::Options::default() })
}
