//! `--exceptions FILE`: the list of accepted findings.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::model::exception::Exception;

/// A bare list, or one under `exceptions`, as it stands in a `spec`.
#[derive(Deserialize)]
#[serde(untagged)]
enum File {
    List(Vec<serde_json::Value>),
    Named { exceptions: Vec<serde_json::Value> },
}

/// Reads the file, if there is one.
///
/// # Errors
///
/// It cannot be read, or an entry in it accepts nothing: it names no code, no reason, or no time.
pub(super) fn read(path: Option<&Path>) -> anyhow::Result<Vec<Exception>> {
    let Some(path) = path else { return Ok(Vec::new()) };
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    parse(&text).with_context(|| format!("in {}", path.display()))
}

fn parse(text: &str) -> anyhow::Result<Vec<Exception>> {
    let file: Option<File> = serde_saphyr::from_str(text).context("this is no list of exceptions")?;
    let (File::List(entries) | File::Named { exceptions: entries }) = file.unwrap_or(File::List(Vec::new()));
    let mut all = Vec::new();
    for (at, entry) in entries.into_iter().enumerate() {
        let number = at + 1;
        let exception: Exception = serde_json::from_value(entry).with_context(|| format!("exception {number}"))?;
        if let Some(defect) = exception.defect() {
            bail!("exception {number}: {defect}");
        }
        all.push(exception);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn both_forms_are_read() {
        let entry = "{code: BR-NET-001, subject: ci/*, reason: cut-over, expires: 2026-12-31}";
        for text in [format!("- {entry}\n"), format!("exceptions:\n- {entry}\n")] {
            let all = parse(&text).unwrap();
            assert_eq!(all.len(), 1);
            assert_eq!(all[0].expires.as_deref(), Some("2026-12-31"));
        }
        assert!(parse("").unwrap().is_empty());
    }

    #[test]
    fn what_accepts_nothing_is_refused_with_its_number() {
        for (text, want) in [
            ("- {code: BR-NET-001}", "reason"),
            ("- {code: BR-NET-999, reason: x}", "BR-NET-999"),
            ("- {code: BR-NET-001, reason: x}\n- {code: BR-NET-001, reason: x, expires: soon}", "exception 2"),
            ("- {code: BR-NET-001, reason: x, subjects: ci/a}", "subjects"),
            ("- {code: BR-NET-001, reason: ''}", "no reason"),
            ("just text", "no list"),
        ] {
            let error = format!("{:#}", parse(text).unwrap_err());
            assert!(error.contains(want), "{text}: {error}");
        }
    }
}
