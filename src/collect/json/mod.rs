//! JSON of any size: API lists, `kubectl` lists, single objects, and several of them after each other.
//!
//! A list is never held whole. The window slides over the input and finds where items begin and end;
//! each item is decoded from its slice, by two threads where the input is large, and merged in order.

mod walk;
mod window;
mod workers;

use std::io::Read;

use super::builder::Builder;
use super::decode::{Decoder, Gvk};
use super::facts::Facts;
use walk::{Sink, Walker};
use window::Batch;

/// What was read of a list or of several.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// How many items and single objects there were.
    pub items: u64,
    /// `metadata.continue` of the last list: where its next page goes on.
    pub continue_token: Option<String>,
    /// `metadata.resourceVersion` of the last list.
    pub resource_version: Option<String>,
}

/// The text is not JSON from some point on. What came before was decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Malformed {
    /// What is wrong.
    pub message: String,
    /// Where, from 1.
    pub line: u32,
    /// The kind of the list's items, if the list said so before.
    pub kind: Option<String>,
}

/// Decodes a JSON text: a list (`PodList`, `List` and the like), an object, or several after each other.
///
/// Items that do not name their kind have the list's kind, or `default_kind` (`apiVersion`, `kind`). Objects
/// that are not of their API's shape become problems of the builder.
///
/// # Errors
///
/// Where the text is not JSON. The objects before that place were added.
pub fn decode_list(
    text: &[u8],
    source: u32,
    builder: &mut Builder,
    default_kind: Option<(&str, &str)>,
) -> Result<Page, Malformed> {
    let Builder { decoder, facts, .. } = builder;
    match decode_inline(text, source, 1, decoder, facts, default_kind, WhenKindIsLate::Keep) {
        Ok(page) => Ok(page),
        Err(Stop::Malformed(malformed)) => Err(malformed),
        Err(Stop::Io(_) | Stop::KindIsLate) => Ok(Page::default()), // memory does not fail, and `Keep` keeps
    }
}

/// Why a walk ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    Malformed(Malformed),
    Io(std::io::Error),
    /// Items without a kind came before the kind of their list: read again with [`list_kind`].
    KindIsLate,
}

/// What happens to items that come before the kind that only their list knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WhenKindIsLate {
    /// Their text is kept until the kind is there.
    Keep,
    /// The walk ends with [`Stop::KindIsLate`]: the caller can read again.
    Reread,
}

/// Decodes on this thread. `line` is the line on which the text begins.
pub(crate) fn decode_inline(
    input: impl Read,
    source: u32,
    line: u32,
    decoder: &mut Decoder,
    facts: &mut Facts,
    default_kind: Option<Gvk<'_>>,
    late: WhenKindIsLate,
) -> Result<Page, Stop> {
    let sink = Inline { decoder, facts, is_late: false };
    let mut walker = Walker::new(input, source, line, default_kind, late, sink);
    let result = walker.run();
    if walker.sink.is_late && late == WhenKindIsLate::Reread {
        return Err(Stop::KindIsLate);
    }
    result
}

pub(crate) use window::Late;
pub(crate) use workers::decode_threaded;

/// `apiVersion` and `kind` of the items of the first list of the input that has items without a kind of their own.
pub(crate) fn list_kind(input: impl Read) -> Result<Option<(String, String)>, Stop> {
    let mut walker = Walker::new(input, 0, 1, None, WhenKindIsLate::Keep, walk::Nothing::default());
    walker.run()?;
    Ok(walker.sink.into_kind())
}

/// Decodes batches where they come from.
struct Inline<'b> {
    decoder: &'b mut Decoder,
    facts: &'b mut Facts,
    is_late: bool,
}

impl Sink for Inline<'_> {
    fn batch(&mut self, batch: Batch) -> Vec<u8> {
        self.is_late |= batch.decode(self.decoder, self.facts);
        batch.into_buffer()
    }

    fn object(&mut self, text: &[u8], origin: crate::model::object::Origin, default: Option<Gvk<'_>>) {
        window::decode_bytes(text, origin, default, self.decoder, self.facts);
    }

    fn take_late(&mut self) -> Vec<window::Late> {
        std::mem::take(&mut self.decoder.late)
    }
}

#[cfg(test)]
mod tests;
