//! The document as JSON: always indented, so that equal reports are equal bytes and differences are lines.

use std::io::{self, Write};

use serde::Serialize;

pub(super) fn write(document: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    let mut chunks = Chunks { buffer: Vec::with_capacity(CHUNK + CHUNK / 4), out };
    serde_json::to_writer_pretty(&mut chunks, document)?;
    chunks.write_all(b"\n")?;
    chunks.flush()
}

/// How much is handed on at once.
const CHUNK: usize = 64 << 10;

/// Collects small pieces: a writer that is known at compile time takes them in half the time of one that is not.
struct Chunks<'w> {
    buffer: Vec<u8>,
    out: &'w mut dyn Write,
}

impl Write for Chunks<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() < CHUNK {
            return Ok(());
        }
        let written = self.out.write_all(&self.buffer);
        self.buffer.clear();
        written
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.write_all(&self.buffer)?;
        self.buffer.clear();
        self.out.flush()
    }
}
