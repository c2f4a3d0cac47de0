//! Findings that somebody accepts, for a reason and for a time.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text::Str;

/// A finding that is accepted: it is listed apart, and neither fails an audit nor makes it non-compliant.
/// Outcomes stay what they are.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Exception {
    /// Code of the findings, such as `BR-NET-001`.
    #[schemars(regex(pattern = "^BR-[A-Z]{3}-[0-9]{3}$"))]
    pub code: Str,
    /// Whom they hit: `ns/Kind/name`, in which `*` stands for any text. Without it anybody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub subject: Option<Str>,
    /// What cannot be reached: `HOST` or `HOST:PORT`, in which `*` stands for any text. Without it anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub endpoint: Option<Str>,
    /// Why it is accepted.
    #[schemars(length(min = 1, max = 1024), regex(pattern = "[^ \\t\\n]"))]
    pub reason: String,
    /// Until when: a date (to its end, in UTC) or an instant (RFC 3339). Without it for good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ].+)?$"))]
    pub expires: Option<Str>,
}

impl Exception {
    /// The first instant at which it is not in force any more, if there is one.
    ///
    /// # Errors
    ///
    /// `expires` is neither a date nor an instant.
    pub fn ends(&self) -> Result<Option<jiff::Timestamp>, String> {
        let Some(text) = &self.expires else { return Ok(None) };
        if let Ok(instant) = text.parse::<jiff::Timestamp>() {
            return Ok(Some(instant));
        }
        let date: Result<jiff::civil::Date, _> = text.parse();
        let end = date.and_then(jiff::civil::Date::tomorrow).and_then(|next| next.to_zoned(jiff::tz::TimeZone::UTC));
        end.map(|end| Some(end.timestamp())).map_err(|_| {
            format!("`expires: {text}` is neither a date (2027-01-31) nor an instant (2027-01-31T12:00:00Z)")
        })
    }

    /// What is wrong with it, if anything is.
    pub fn defect(&self) -> Option<String> {
        if super::codes::find(&self.code).is_none() {
            return Some(format!("`{}` is no code of a finding", self.code));
        }
        if self.reason.trim().is_empty() {
            return Some(format!("the exception from {} gives no reason", self.code));
        }
        self.ends().err()
    }
}

/// What an exception took out of the findings.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Excepted {
    /// Code of the finding.
    pub code: Str,
    /// Its title.
    pub title: String,
    /// Its fingerprint.
    pub fingerprint: Str,
    /// Whom it hits; absent where it hits nobody in particular.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Str>,
    /// What cannot be reached.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub endpoints: Vec<Str>,
    /// Why it is accepted.
    pub reason: String,
    /// Until when.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Str>,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    fn until(expires: &str) -> Exception {
        Exception {
            code: "BR-NET-001".into(),
            reason: "x".into(),
            expires: Some(expires.into()),
            ..Exception::default()
        }
    }

    #[test]
    fn a_date_counts_to_its_end() {
        assert_eq!(until("2026-12-31").ends().unwrap().unwrap().to_string(), "2027-01-01T00:00:00Z");
        assert_eq!(until("2026-12-31T12:00:00+01:00").ends().unwrap().unwrap().to_string(), "2026-12-31T11:00:00Z");
        assert!(until("next week").defect().unwrap().contains("next week"));
        assert!(until("2026-02-30").defect().is_some());
    }

    #[test]
    fn a_code_that_is_none_and_a_missing_reason_are_defects() {
        assert!(
            Exception { code: "BR-XYZ-001".into(), ..until("2026-12-31") }.defect().unwrap().contains("BR-XYZ-001")
        );
        assert!(Exception { reason: "  ".into(), ..until("2026-12-31") }.defect().unwrap().contains("no reason"));
        assert_eq!(until("2026-12-31").defect(), None);
    }
}
