//! YAML, rewritten as JSON that keeps its lines.
//!
//! `kubectl` turns YAML into JSON before anything reads it, and so does this: what a scalar means is decided
//! here as that converter decides it (YAML 1.1 words and numbers), and everything after is JSON. The JSON has
//! a line break wherever the YAML has one between values, so that places in it are places in the file.

mod convert;
mod scalar;
mod split;

pub(crate) use convert::{Converted, convert};
pub(crate) use split::{documents, sniff_kind};
