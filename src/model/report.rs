//! The report of an audit as data: one document, many renderers.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::exception::Excepted;
use super::finding::{Finding, Severity};
use super::list::List;
use super::outcome::{Layer, Outcome};
use super::snapshot::Coverage;
use super::text::Str;
use super::trace::{Doubt, Trace};

/// `apiVersion` of the document.
pub const API_VERSION: &str = "buildreach.dev/v1alpha1";

/// The result of `buildreach audit`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuditReport {
    /// Always `buildreach.dev/v1alpha1`.
    #[schemars(extend("const" = API_VERSION))]
    pub api_version: Str,
    /// Always `AuditReport`.
    #[schemars(extend("const" = "AuditReport"))]
    pub kind: Str,
    /// Version of the program.
    pub version: Str,
    /// Context or server of a live cluster; absent for files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Str>,
    /// When the facts were read (RFC 3339), or what `--at` says.
    #[schemars(with = "String")]
    pub instant: jiff::Timestamp,
    /// `as_of` date of the endpoint catalogue.
    pub catalogue: Str,
    /// How completely each kind was read.
    pub coverage: Vec<Coverage>,
    /// What a reader must know before the results: what was not read or not rendered, assumptions about the whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Layers that no result takes into account, and why.
    pub not_assessed: Vec<NotAssessed>,
    /// Counts.
    pub summary: Summary,
    /// Causes, worst first.
    pub findings: Vec<Finding>,
    /// What would be findings if nobody had accepted it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub excepted: Vec<Excepted>,
    /// Results per class of subjects that share them.
    pub results: Vec<ClassResult>,
    /// Set when no build subject was found: what was looked for and what came nearest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_subjects: Option<NoSubjects>,
    /// Set in a kept report that was cut to the size that its place has room for; the counts are those of the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub omitted: Option<Omitted>,
}

/// What a kept report leaves out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Omitted {
    /// Paths: groups of endpoints of a class that share a trace.
    pub results: u64,
    /// Subjects that no result names.
    pub subjects: u64,
    /// Findings, the mildest, and what was accepted.
    pub findings: u64,
    /// Hits and near misses of the findings that are there; signals and notes of the subjects that are there.
    pub details: u64,
    /// Rows of the coverage, of what was read whole or is not installed.
    pub coverage: u64,
}

impl Omitted {
    /// Whether nothing is left out.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// A layer that was left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct NotAssessed {
    /// Which.
    pub layer: Layer,
    /// Why.
    pub why: String,
}

/// Counts of a report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// Subjects by the outcome of what they require.
    pub subjects: OutcomeCounts,
    /// Subject × endpoint pairs by outcome.
    pub outcomes: OutcomeCounts,
    /// Findings by severity.
    pub findings: BTreeMap<Severity, u64>,
    /// Whether something that may exist could not be read.
    pub coverage_complete: bool,
}

/// How many had each outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct OutcomeCounts {
    /// Every packet gets through.
    pub reachable: u64,
    /// No packet gets through.
    pub blocked: u64,
    /// It fails intermittently.
    pub partial: u64,
    /// It cannot be told.
    pub unknown: u64,
}

impl OutcomeCounts {
    /// Adds `n` of one outcome.
    pub fn add(&mut self, outcome: Outcome, n: u64) {
        match outcome {
            Outcome::Reachable => self.reachable += n,
            Outcome::Blocked => self.blocked += n,
            Outcome::Partial => self.partial += n,
            Outcome::Unknown => self.unknown += n,
        }
    }

    /// How many there are in all.
    pub fn total(&self) -> u64 {
        self.reachable + self.blocked + self.partial + self.unknown
    }
}

/// Subjects that share every result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ClassResult {
    /// Who, in order.
    pub subjects: Vec<SubjectInfo>,
    /// The outcome over what is required.
    pub outcome: Outcome,
    /// Results per group of endpoints that share a trace.
    pub paths: Vec<PathResult>,
}

/// A subject as a report names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SubjectInfo {
    /// `ns/Kind/name`.
    pub name: Str,
    /// How many running pods it stands for; 0 for a predicted one.
    #[serde(default)]
    pub pods: u64,
    /// Made from a template; no such pod runs now.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub predicted: bool,
    /// Which build system, such as `Tekton`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system: Option<Str>,
    /// Why it counts as a build: the signals with their scores.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub signals: List<String>,
    /// What is known about its needs and is no endpoint: `container build downloads no module`.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    pub notes: List<String>,
    /// File and line of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub place: Option<Str>,
}

/// Endpoints that a class reaches, or not, in the same way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PathResult {
    /// Ecosystem id, such as `go`; absent for endpoints that were named on the command line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecosystem: Option<Str>,
    /// Which endpoints.
    pub endpoints: List<EndpointInfo>,
    /// The combined outcome.
    pub outcome: Outcome,
    /// Layer by layer.
    pub trace: Trace,
}

/// An endpoint as a report names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointInfo {
    /// Name or address.
    pub host: Str,
    /// Port.
    pub port: u16,
    /// `TCP`, `UDP` or `SCTP`.
    pub protocol: Str,
    /// Whether the subject fails without it; a conditional row is contacted only in some flows.
    pub required: bool,
    /// Why, and when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<Str>,
    /// One of several of which any serves; equal numbers within a subject are one choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alternative: Option<u32>,
}

impl EndpointInfo {
    /// `host:port`, an IPv6 address in brackets.
    pub fn label(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// Why there is nothing to report on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NoSubjects {
    /// What was looked for.
    pub looked_for: Vec<String>,
    /// Nearest candidates with their scores in percent, best first.
    pub nearest: Vec<Candidate>,
    /// The flag that helps.
    pub hint: String,
}

/// A pod or template that scored below the threshold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Candidate {
    /// `ns/Kind/name`.
    pub name: Str,
    /// Score in percent.
    pub score: u8,
    /// The signals that it has.
    pub signals: Vec<String>,
}

/// One trace as `buildreach explain` prints it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// Always `buildreach.dev/v1alpha1`.
    #[schemars(extend("const" = API_VERSION))]
    pub api_version: Str,
    /// Always `Explanation`.
    #[schemars(extend("const" = "Explanation"))]
    pub kind: Str,
    /// Who.
    pub subject: SubjectInfo,
    /// What.
    pub endpoint: EndpointInfo,
    /// The combined outcome.
    pub outcome: Outcome,
    /// Layer by layer.
    pub trace: Trace,
    /// Why it is unknown, over all layers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<Doubt>,
}
