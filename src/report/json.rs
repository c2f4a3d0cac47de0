//! The document as JSON: always indented, so that equal reports are equal bytes and differences are lines.

use std::io::{self, Write};

use serde::Serialize;

pub(super) fn write(document: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, document)?;
    out.write_all(b"\n")
}
