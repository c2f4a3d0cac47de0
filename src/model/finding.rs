//! What is reported.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::text::Str;
use super::trace::Evidence;

/// How bad a finding is. The order is the order of a report.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// A build cannot fetch what it needs.
    Critical,
    /// A build fails some of the time, or a policy does not do what it says. What audits fail on by default.
    #[default]
    High,
    /// A conditional endpoint is closed, or an answer is unknown.
    Medium,
    /// More is open than is needed.
    Low,
    /// Worth knowing.
    Info,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Critical => "critical",
            Self::High => "high",
            Self::Medium => "medium",
            Self::Low => "low",
            Self::Info => "info",
        })
    }
}

impl FromStr for Severity {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "critical" => Ok(Self::Critical),
            "high" => Ok(Self::High),
            "medium" => Ok(Self::Medium),
            "low" => Ok(Self::Low),
            "info" => Ok(Self::Info),
            _ => Err(format!("`{text}` is no severity: critical, high, medium, low or info")),
        }
    }
}

/// One cause, with everything that it touches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Stable code, such as `BR-DNS-001`; `docs/codes/` explains each.
    pub code: Str,
    /// Severity.
    pub severity: Severity,
    /// One line.
    pub title: String,
    /// The sentence that explains it.
    pub message: String,
    /// What decided.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
    /// Rules that come close.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near_misses: Vec<Evidence>,
    /// Whom it hits, and in what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hits: Vec<Hit>,
    /// How many more subjects it hits than `hits` lists.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub more_hits: u64,
    /// What is missing, in words; no patch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// The same for every run over the same facts: code, evidence and subjects.
    pub fingerprint: Str,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // the signature that serde asks for
fn is_zero(n: &u64) -> bool {
    *n == 0
}

/// A subject and the endpoints that it cannot reach because of a finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Hit {
    /// `ns/Kind/name`.
    pub subject: Str,
    /// Ecosystem id, such as `go`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ecosystem: Option<Str>,
    /// `host:port` of each endpoint.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Str>,
}
