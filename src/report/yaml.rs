//! The document as YAML: a value stays on its line, so that differences and searches see it whole.

use std::io::{self, Write};

use serde::Serialize;

pub(super) fn write(document: &impl Serialize, mut out: &mut dyn Write) -> io::Result<()> {
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    serde_saphyr::to_io_writer_with_options(&mut out, document, options).map_err(io::Error::other)
}
