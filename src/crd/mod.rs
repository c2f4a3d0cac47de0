//! The custom resources of `buildreach.dev`, and their definitions.

#[allow(clippy::duplicated_attributes)] // each column has a type and a path
pub mod build_audit;
pub mod condition;
mod convert;
#[allow(clippy::duplicated_attributes)] // each column has a type and a path
pub mod endpoint_set;
#[allow(clippy::duplicated_attributes)] // each column has a type and a path
pub mod node_trust;

use kube::CustomResourceExt as _;

pub use build_audit::{BuildAudit, BuildAuditSpec, ClusterBuildAudit, ClusterBuildAuditSpec};
pub use endpoint_set::{EndpointSet, EndpointSetSpec};
pub use node_trust::{NodeTrust, NodeTrustStatus};

/// The API group of all of them.
pub const GROUP: &str = "buildreach.dev";

/// One definition: the name of its file in `crds/`, and its YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// `buildreach.dev_nodetrusts.yaml`.
    pub file: String,
    /// The CustomResourceDefinition.
    pub yaml: String,
}

/// All definitions, in the order of their files.
///
/// # Errors
///
/// One cannot be written as YAML.
pub fn definitions() -> Result<Vec<Definition>, serde_saphyr::ser::Error> {
    let all = [BuildAudit::crd(), ClusterBuildAudit::crd(), EndpointSet::crd(), NodeTrust::crd()];
    let text = |crd: &k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition| {
        let file = format!("{GROUP}_{}.yaml", crd.spec.names.plural);
        Ok(Definition { file, yaml: serde_saphyr::to_string(crd)? })
    };
    all.iter().map(text).collect()
}
