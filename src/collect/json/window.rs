//! A window that slides over the input, and the batches of items that are cut out of it.

use std::io::{self, Read};
use std::sync::Arc;

use memchr::{memchr_iter, memchr2};

use super::super::decode::{Decoder, Gvk};
use super::super::facts::Facts;
use super::super::head;
use super::WhenKindIsLate;
use crate::model::object::Origin;

/// How much is read at once. A batch is about as large.
const CHUNK: usize = 256 << 10;

/// The part of the input that is in memory.
pub(super) struct Window<R> {
    input: R,
    pub(super) buffer: Vec<u8>,
    /// Where the walk is.
    pub(super) at: usize,
    /// What must stay in memory begins here.
    pub(super) keep: Option<usize>,
    /// The line on which the buffer begins.
    line: u32,
    is_at_end: bool,
    /// Items that are whole in the buffer.
    items: Vec<(usize, usize)>,
    /// Buffers whose items are whole and have not been handed out.
    cuts: Vec<Cut>,
    spare: Vec<u8>,
}

/// A buffer with the items that lie in it.
#[derive(Debug)]
pub(super) struct Cut {
    buffer: Vec<u8>,
    /// Where each item lies.
    items: Vec<(usize, usize)>,
    /// The line on which the buffer begins.
    line: u32,
}

impl<R: Read> Window<R> {
    pub(super) fn new(input: R, line: u32) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            at: 0,
            keep: None,
            line,
            is_at_end: false,
            items: Vec::new(),
            cuts: Vec::new(),
            spare: Vec::new(),
        }
    }

    /// The line of a place in the buffer.
    pub(super) fn line_of(&self, at: usize) -> u32 {
        self.line + newlines(&self.buffer[..at])
    }

    /// Where what must stay begins.
    pub(super) fn base(&self) -> usize {
        self.keep.unwrap_or(self.at)
    }

    /// Marks what lies from the kept place to here as an item.
    pub(super) fn item(&mut self) {
        self.items.push((self.base(), self.at));
        self.keep = None;
    }

    /// The items that are whole leave with their buffer; what must stay goes into another one.
    pub(super) fn cut(&mut self) {
        if self.items.is_empty() {
            return;
        }
        let base = self.base();
        let mut buffer = std::mem::take(&mut self.spare);
        buffer.clear();
        buffer.extend_from_slice(&self.buffer[base..]);
        let line = self.line;
        self.line += newlines(&self.buffer[..base]);
        self.at -= base;
        self.keep = self.keep.map(|_| 0);
        let buffer = std::mem::replace(&mut self.buffer, buffer);
        self.cuts.push(Cut { buffer, items: std::mem::take(&mut self.items), line });
    }

    /// The buffers that have to be handed out.
    pub(super) fn take_cuts(&mut self) -> Vec<Cut> {
        std::mem::take(&mut self.cuts)
    }

    /// Gives a buffer back to be used again.
    pub(super) fn recycle(&mut self, buffer: Vec<u8>) {
        self.spare = buffer;
    }

    /// Reads more; `false` at the end of the input.
    pub(super) fn fill(&mut self) -> io::Result<bool> {
        if self.is_at_end {
            return Ok(false);
        }
        self.cut();
        let base = self.base();
        if base > 0 {
            self.line += newlines(&self.buffer[..base]);
            self.buffer.drain(..base);
            self.at -= base;
            self.keep = self.keep.map(|_| 0);
        }
        // Read a chunk more, or as much again where one object is larger than that.
        let wanted = CHUNK.max(self.buffer.len());
        let before = self.buffer.len();
        self.buffer.reserve(wanted);
        let read = self.input.by_ref().take(wanted as u64).read_to_end(&mut self.buffer);
        let read = match read {
            Ok(read) => read,
            Err(error) => {
                self.buffer.truncate(before);
                return Err(error);
            }
        };
        self.is_at_end = read < wanted;
        Ok(read > 0)
    }

    /// The next byte that is no blank.
    pub(super) fn token(&mut self) -> io::Result<Option<u8>> {
        loop {
            let rest = &self.buffer[self.at..];
            match rest.iter().position(|b| !matches!(b, b' ' | b'\n' | b'\r' | b'\t')) {
                Some(n) => {
                    self.at += n;
                    return Ok(Some(self.buffer[self.at]));
                }
                None => self.at = self.buffer.len(),
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// Goes past the value that begins here; `false` if the input ends inside it.
    ///
    /// Only brackets and strings are looked at; whoever decodes the value finds out whether it is JSON.
    pub(super) fn skip_value(&mut self) -> io::Result<bool> {
        let mut depth = 0_u32;
        let mut in_string = false;
        loop {
            if in_string {
                match in_string_end(&self.buffer[self.at..]) {
                    Some(n) if self.buffer[self.at + n] == b'"' => {
                        self.at += n + 1;
                        in_string = false;
                        if depth == 0 {
                            return Ok(true);
                        }
                    }
                    Some(n) => {
                        self.at += n + 1;
                        if self.at == self.buffer.len() && !self.fill()? {
                            return Ok(false);
                        }
                        self.at += 1;
                        continue;
                    }
                    None => {
                        self.at = self.buffer.len();
                        if !self.fill()? {
                            return Ok(false);
                        }
                        continue;
                    }
                }
            }
            let mut at = self.at;
            let mut done = false;
            for byte in &self.buffer[self.at..] {
                match byte {
                    b'"' => {
                        in_string = true;
                        at += 1;
                        break;
                    }
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' if depth <= 1 => {
                        // A bracket that closes nothing ends a bare word, and is not part of it.
                        at += usize::from(depth == 1);
                        done = true;
                        break;
                    }
                    b'}' | b']' => depth -= 1,
                    b',' | b' ' | b'\n' | b'\r' | b'\t' if depth == 0 => {
                        done = true;
                        break;
                    }
                    _ => {}
                }
                at += 1;
            }
            self.at = at;
            if done {
                return Ok(true);
            }
            if !in_string && !self.fill()? {
                // A bare word may end with the input.
                return Ok(depth == 0);
            }
        }
    }
}

/// Where the first quote or backslash is. Most strings are short: eight bytes at a time are faster there than what is
/// made for long ones.
fn in_string_end(bytes: &[u8]) -> Option<usize> {
    const EACH: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH: u64 = EACH << 7;
    const SHORT: usize = 4;
    // Has the high bit where a byte is zero, and above such a byte perhaps where none is.
    let zeros = |word: u64| word.wrapping_sub(EACH) & !word & HIGH;
    let (words, _) = bytes.as_chunks::<8>();
    for (i, word) in words.iter().take(SHORT).enumerate() {
        let word = u64::from_le_bytes(*word);
        let found = zeros(word ^ (EACH * u64::from(b'"'))) | zeros(word ^ (EACH * u64::from(b'\\')));
        if found != 0 {
            return Some(8 * i + found.trailing_zeros() as usize / 8);
        }
    }
    let after = words.len().min(SHORT) * 8;
    memchr2(b'"', b'\\', &bytes[after..]).map(|n| after + n)
}

fn newlines(bytes: &[u8]) -> u32 {
    u32::try_from(memchr_iter(b'\n', bytes).count()).unwrap_or(u32::MAX)
}

/// `apiVersion` and `kind` in memory of their own.
pub(super) type OwnedGvk = Arc<(String, String)>;

/// Items of one list, with the buffer that they lie in.
#[derive(Debug)]
pub(super) struct Batch {
    pub(super) cut: Cut,
    pub(super) source: u32,
    /// What items without a kind are; `None` if their list has not told yet.
    pub(super) default: Option<OwnedGvk>,
    pub(super) late: WhenKindIsLate,
}

/// The text of an item whose kind is not known yet.
#[derive(Debug)]
pub(crate) struct Late {
    pub(super) text: Vec<u8>,
    pub(super) origin: Origin,
}

impl Batch {
    /// Decodes the items; `true` if some have to wait for their kind.
    pub(super) fn decode(&self, decoder: &mut Decoder, facts: &mut Facts) -> bool {
        let default = self.default.as_ref().map(|gvk| (gvk.0.as_str(), gvk.1.as_str()));
        let (mut line, mut counted) = (self.cut.line, 0);
        let mut is_late = false;
        for (start, end) in &self.cut.items {
            line += newlines(&self.cut.buffer[counted..*start]);
            counted = *start;
            let origin = Origin { source: self.source, line: if decoder.live { 0 } else { line } };
            let text = &self.cut.buffer[*start..*end];
            if default.is_none() && has_no_kind(text) {
                is_late = true;
                if self.late == WhenKindIsLate::Keep {
                    decoder.late.push(Late { text: text.to_vec(), origin });
                }
                continue;
            }
            decode_bytes(text, origin, default, decoder, facts);
        }
        is_late
    }

    /// The buffer, to be used again.
    pub(super) fn into_buffer(self) -> Vec<u8> {
        self.cut.buffer
    }
}

fn has_no_kind(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok_and(|text| head::peek(text).is_none() && head::read(text).kind.is_none())
}

/// Decodes one object from bytes that need not be UTF-8.
pub(super) fn decode_bytes(
    text: &[u8],
    origin: Origin,
    default: Option<Gvk<'_>>,
    decoder: &mut Decoder,
    facts: &mut Facts,
) {
    match std::str::from_utf8(text) {
        Ok(text) => decoder.object(text, origin, default, facts),
        Err(_) => decoder.not_utf8(&String::from_utf8_lossy(text), origin, default, facts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_string_is_found_wherever_it_is() {
        let mut text = vec![b'\x22' + 1; 70];
        assert_eq!(in_string_end(&text), None);
        for at in 0..text.len() {
            for end in *b"\"\\" {
                text[at] = end;
                assert_eq!(in_string_end(&text), Some(at));
                // Bytes that differ from it in one bit do not hide it, nor stand for it.
                if at > 0 {
                    text[at - 1] = end ^ 1;
                    assert_eq!(in_string_end(&text), Some(at));
                    text[at - 1] = end | 0x80;
                    assert_eq!(in_string_end(&text), Some(at));
                    text[at - 1] = b'x';
                }
            }
            text[at] = b'x';
        }
    }
}
