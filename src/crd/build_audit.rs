//! `BuildAudit` and `ClusterBuildAudit`: which builds are to reach what, and what is true of that now.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::condition::Condition;
use crate::model::exception::Exception;
use crate::model::{Layer, Outcome, Severity};

/// Findings that a status lists before the rest is counted.
pub const MOST_FINDINGS: usize = 20;

/// What people ask of the builds of one namespace.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "buildreach.dev",
    version = "v1alpha1",
    kind = "BuildAudit",
    namespaced,
    status = "AuditStatus",
    doc = "Whether the builds of a namespace reach what they need, and what says no. The controller keeps the status true.",
    shortname = "ba",
    category = "buildreach",
    derive = "PartialEq",
    derive = "Default",
    printcolumn(
        name = "Compliant",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Compliant")].status"#
    ),
    printcolumn(name = "Subjects", type_ = "integer", json_path = ".status.subjects.total"),
    printcolumn(name = "Blocked", type_ = "integer", json_path = ".status.subjects.blocked"),
    printcolumn(name = "Partial", type_ = "integer", json_path = ".status.subjects.partial"),
    printcolumn(name = "Unknown", type_ = "integer", json_path = ".status.subjects.unknown"),
    printcolumn(name = "Last audit", type_ = "date", json_path = ".status.lastAuditTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Why",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Compliant")].message"#,
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct BuildAuditSpec {
    /// Which pods and templates of builds, by their labels; every one without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// What they need, instead of what is detected for each: `go`, `npm`, `pypi`, …
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub ecosystems: Vec<String>,
    /// Endpoints that each of them needs beside that: `HOST` or `IP`, with `:PORT` and `/PROTOCOL`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub endpoints: Vec<String>,
    /// Names of the EndpointSets whose endpoints they need, in place of those that the sets replace.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub endpoint_sets: Vec<String>,
    /// From this severity on findings make it non-compliant.
    #[serde(default = "high")]
    pub fail_on: Severity,
    /// Layers that must be assessed: one that was not makes outcomes unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 7))]
    pub required_layers: Vec<Layer>,
    /// What is accepted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 200))]
    pub exceptions: Vec<Exception>,
}

fn high() -> Severity {
    Severity::High
}

/// What people ask of the builds of many namespaces.
#[derive(CustomResource, JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[kube(
    group = "buildreach.dev",
    version = "v1alpha1",
    kind = "ClusterBuildAudit",
    status = "AuditStatus",
    doc = "Whether the builds of the selected namespaces reach what they need, and what says no. The controller keeps the status true.",
    shortname = "cba",
    category = "buildreach",
    derive = "PartialEq",
    derive = "Default",
    printcolumn(
        name = "Compliant",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Compliant")].status"#
    ),
    printcolumn(name = "Subjects", type_ = "integer", json_path = ".status.subjects.total"),
    printcolumn(name = "Blocked", type_ = "integer", json_path = ".status.subjects.blocked"),
    printcolumn(name = "Partial", type_ = "integer", json_path = ".status.subjects.partial"),
    printcolumn(name = "Unknown", type_ = "integer", json_path = ".status.subjects.unknown"),
    printcolumn(name = "Last audit", type_ = "date", json_path = ".status.lastAuditTime"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Why",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Compliant")].message"#,
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct ClusterBuildAuditSpec {
    /// Which namespaces, by their labels; every one without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace_selector: Option<LabelSelector>,
    /// The rest is that of a BuildAudit.
    #[serde(flatten)]
    pub audit: BuildAuditSpec,
}

/// `metav1.LabelSelector`.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LabelSelector {
    /// Labels with their values, all of which an object has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub match_labels: BTreeMap<String, String>,
    /// Requirements, all of which an object meets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    pub match_expressions: Vec<Requirement>,
}

/// `metav1.LabelSelectorRequirement`.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "self.operator in ['In', 'NotIn'] ? has(self.values) && size(self.values) > 0 : !has(self.values) || size(self.values) == 0",
    "message": "In and NotIn need values, Exists and DoesNotExist take none"
}]))]
pub struct Requirement {
    /// Key of a label.
    pub key: String,
    /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
    pub operator: Operator,
    /// Values of `In` and `NotIn`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256))]
    pub values: Vec<String>,
}

/// How a label relates to the values.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operator {
    /// Its value is one of them.
    In,
    /// It is absent, or its value is none of them.
    NotIn,
    /// It is there.
    #[default]
    Exists,
    /// It is not there.
    DoesNotExist,
}

/// What is true now: observation only, made anew by every evaluation.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AuditStatus {
    /// `metadata.generation` of the spec that this is the answer to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The instant of the facts of the last evaluation that changed something, or of the last heartbeat.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub last_audit_time: Option<Timestamp>,
    /// Subjects by outcome.
    #[serde(default)]
    pub subjects: SubjectCounts,
    /// The worst findings, at most 20, a row for each subject that one hits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<StatusFinding>,
    /// How many more rows there would be.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub omitted_findings: i64,
    /// How many rows exceptions took out.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub accepted_findings: i64,
    /// `Ready`, `Compliant`, `CoverageComplete`.
    #[serde(default)]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Subjects by the outcome over all that they require.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SubjectCounts {
    /// All.
    pub total: i64,
    /// They reach everything.
    pub reachable: i64,
    /// Something that they require is closed.
    pub blocked: i64,
    /// They fail now and then.
    pub partial: i64,
    /// It cannot be told.
    pub unknown: i64,
}

/// A finding and one subject that it hits.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusFinding {
    /// Stable code, such as `BR-DNS-001`.
    pub code: String,
    /// Severity.
    pub severity: String,
    /// Outcome of the subject for the endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<Outcome>,
    /// `ns/Kind/name`; absent where nobody in particular is hit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// `host:port` of the first endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// How many more endpoints are hit.
    #[serde(default, skip_serializing_if = "is_zero")]
    #[schemars(range(min = 0))]
    pub more_endpoints: i64,
    /// The layer that says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layer: Option<Layer>,
    /// What decides; the first where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided_by: Option<String>,
    /// One sentence.
    pub message: String,
    /// Since when it is so without a break.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", extend("format" = "date-time"))]
    pub since: Option<Timestamp>,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde asks for
fn is_zero(n: &i64) -> bool {
    *n == 0
}
