//! The document as YAML.

use std::io::{self, Write};

use serde::Serialize;

pub(super) fn write(document: &impl Serialize, mut out: &mut dyn Write) -> io::Result<()> {
    serde_saphyr::to_io_writer(&mut out, document).map_err(io::Error::other)
}
