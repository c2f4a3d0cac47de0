//! The JSON schemas of the documents, from the types that are written.

use schemars::{JsonSchema, schema_for};

use crate::model::report::{AuditReport, Explanation};

/// The schema of [`AuditReport`] as JSON text: `docs/report.schema.json`.
pub fn schema() -> String {
    text::<AuditReport>()
}

/// The schema of [`Explanation`] as JSON text: `docs/explanation.schema.json`.
pub fn explanation_schema() -> String {
    text::<Explanation>()
}

fn text<T: JsonSchema>() -> String {
    format!("{:#}\n", schema_for!(T).to_value())
}
