//! Steps of a path with their evidence.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::object::ObjectRef;
use super::outcome::{Layer, Outcome};
use super::text::Str;

/// Whether a rule decided or the default did because no rule matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum Decided {
    /// A rule matched.
    ByRule,
    /// No rule matched, and the object's default applies.
    ByDefault,
}

/// The object, and the part of it, that decided.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Evidence {
    /// The object.
    pub object: ObjectRef,
    /// Path inside the object, such as `egress[0]`; absent when the object as a whole decides.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// File, or where it was read from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Str>,
    /// Line in the file, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Live only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<Str>,
    /// Live only: who wrote the rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field_manager: Option<Str>,
    /// By rule or by default.
    pub decided: Decided,
    /// What the rule does here, in words: `admits 80/TCP to 0.0.0.0/0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Evidence {
    /// An object as a whole, of which nothing more is said.
    pub fn of(object: ObjectRef) -> Self {
        Self {
            object,
            path: None,
            file: None,
            line: None,
            resource_version: None,
            field_manager: None,
            decided: Decided::ByDefault,
            detail: None,
        }
    }

    /// Kind, name and path: what `decidedBy` of a suite looks into.
    pub fn citation(&self) -> String {
        match &self.path {
            // A part of an id, as AWS people write it: `acl-1#100/egress`, `rtb-1:0.0.0.0/0`.
            Some(path) if path.starts_with(['#', ':']) => format!("{}{path}", self.object),
            Some(path) => format!("{} {path}", self.object),
            None => self.object.to_string(),
        }
    }

    /// `file:line`, `file`, or nothing.
    pub fn place(&self) -> Option<String> {
        match (&self.file, self.line) {
            (Some(file), Some(line)) => Some(format!("{file}:{line}")),
            (Some(file), None) => Some(file.to_string()),
            _ => None,
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.citation())
    }
}

/// The result of a layer: an outcome, or why the layer takes no part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
pub enum StepOutcome {
    /// Every packet gets through.
    Reachable,
    /// Some of what is needed gets through.
    Partial,
    /// It cannot be told.
    Unknown,
    /// Nothing gets through.
    Blocked,
    /// The gate does not stand on this path.
    NotApplicable,
    /// The gate's data were not asked for or are not there.
    NotAssessed,
}

impl StepOutcome {
    /// The outcome, if the step takes part in the path.
    pub fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Reachable => Some(Outcome::Reachable),
            Self::Partial => Some(Outcome::Partial),
            Self::Unknown => Some(Outcome::Unknown),
            Self::Blocked => Some(Outcome::Blocked),
            Self::NotApplicable | Self::NotAssessed => None,
        }
    }
}

impl From<Outcome> for StepOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Reachable => Self::Reachable,
            Outcome::Partial => Self::Partial,
            Outcome::Unknown => Self::Unknown,
            Outcome::Blocked => Self::Blocked,
        }
    }
}

impl fmt::Display for StepOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotApplicable => f.pad("n/a"),
            Self::NotAssessed => f.pad("not assessed"),
            taking_part => taking_part.outcome().map_or(Ok(()), |outcome| outcome.fmt(f)),
        }
    }
}

/// Why an outcome is unknown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Doubt {
    /// One sentence.
    pub reason: String,
    /// The kind, engine or layer that this version does not evaluate, if that is the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_evaluated: Option<Str>,
}

/// The result of one layer for one requirement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// Which gate.
    pub layer: Layer,
    /// Its result.
    pub outcome: StepOutcome,
    /// One line: what the gate does, or why it takes no part.
    pub summary: String,
    /// What decided. For `Blocked` by default: the objects that isolate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Arc<Evidence>>, // one rule is cited by many steps
    /// Rules that come close.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub near_misses: Vec<Arc<Evidence>>,
    /// What would have to be there, in words, where the gate has words of its own for it; no patch.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// Codes of the findings that this gate causes, where it has codes of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub codes: Vec<Str>,
    /// What the result takes for granted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub assumptions: Vec<String>,
    /// Why it is unknown.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub doubts: Vec<Doubt>,
}

impl Step {
    /// A step with a result and a summary and nothing else yet.
    pub fn new(layer: Layer, outcome: impl Into<StepOutcome>, summary: impl Into<String>) -> Self {
        Self {
            layer,
            outcome: outcome.into(),
            summary: summary.into(),
            evidence: Vec::new(),
            near_misses: Vec::new(),
            missing: None,
            codes: Vec::new(),
            assumptions: Vec::new(),
            doubts: Vec::new(),
        }
    }
}

/// All steps of one requirement in path order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Trace {
    /// One per layer.
    pub steps: Vec<Arc<Step>>, // traces have most steps in common
}

impl Trace {
    /// A trace of these steps, in path order.
    pub fn new(steps: Vec<Step>) -> Self {
        // Not collected in the place of the steps, which are ten times as large as what points to them.
        let mut shared = Vec::with_capacity(steps.len());
        shared.extend(steps.into_iter().map(Arc::new));
        Self { steps: shared }
    }

    /// The combined outcome; if no step takes part, `Reachable`, which is then an assumption.
    pub fn outcome(&self) -> Outcome {
        Outcome::along(self.steps.iter().filter_map(|s| s.outcome.outcome())).unwrap_or(Outcome::Reachable)
    }

    /// The steps whose outcome is the combined one.
    pub fn deciding(&self) -> impl Iterator<Item = &Step> {
        let outcome = self.outcome();
        self.steps.iter().map(|s| &**s).filter(move |s| s.outcome.outcome() == Some(outcome))
    }
}
