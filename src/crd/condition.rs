//! `metav1.Condition`, and when a transition is one.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One aspect of a resource.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// Which.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it is so.
    pub status: Truth,
    /// `metadata.generation` of the spec that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` changed last.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub last_transition_time: Timestamp,
    /// One word, for programs.
    pub reason: String,
    /// One line, for people.
    pub message: String,
}

/// `True`, `False` or `Unknown`.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Truth {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// It cannot be told.
    #[default]
    Unknown,
}

impl Condition {
    /// The condition as it stands at `at`: the time of its last transition is that of `before` as long as the status is
    /// the same (API conventions, "Typical status properties").
    #[must_use]
    pub fn follow(mut self, before: &[Self]) -> Self {
        if let Some(known) = before.iter().find(|c| c.kind == self.kind && c.status == self.status) {
            self.last_transition_time = known.last_transition_time;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(kind: &str, status: Truth, at: i64, reason: &str) -> Condition {
        Condition {
            kind: kind.to_owned(),
            status,
            observed_generation: Some(1),
            last_transition_time: Timestamp::from_second(at).unwrap_or_default(),
            reason: reason.to_owned(),
            message: String::new(),
        }
    }

    #[test]
    fn only_a_change_of_status_is_a_transition() {
        let before = [condition("Ready", Truth::True, 1, "A"), condition("Compliant", Truth::True, 2, "B")];
        let same = condition("Compliant", Truth::True, 9, "Other").follow(&before);
        assert_eq!((same.last_transition_time.as_second(), same.reason.as_str()), (2, "Other"));
        assert_eq!(condition("Compliant", Truth::Unknown, 9, "B").follow(&before).last_transition_time.as_second(), 9);
        assert_eq!(
            condition("CoverageComplete", Truth::True, 9, "C").follow(&before).last_transition_time.as_second(),
            9
        );
    }
}
