//! From the events of a YAML parser to JSON text.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use serde_json::value::RawValue;
use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span, Tag};

use super::scalar::{self, Scalar};

/// How deep values may nest: no more than the JSON reader takes.
const MAX_DEPTH: usize = 120;

/// How much larger than its document the JSON may become through aliases.
const MAX_GROWTH: usize = 8 << 20;

/// JSON of the documents in a text.
#[derive(Debug, Default)]
pub(crate) struct Converted {
    /// For each document its JSON and the line in the text on which it begins, from 1.
    pub(crate) documents: Vec<(String, u32)>,
    /// Where and why the text stops being YAML. The JSON of the document that was being read is cut off there,
    /// and stands last.
    pub(crate) error: Option<(String, u32)>,
}

/// Converts a text that holds one document, or several of which only the first has a marker.
pub(crate) fn convert(text: &str) -> Converted {
    let options = serde_saphyr::granit_parser::options! { emit_comments: false };
    let mut converted = Converted::default();
    let mut writer = Writer::new(text.len());
    for next in Parser::new_from_str_with_options(text, options) {
        let error = match next {
            Ok((Event::DocumentEnd, _)) => {
                converted.documents.extend(writer.take());
                continue;
            }
            Ok((event, span)) => match writer.event(event, &span) {
                Ok(()) => continue,
                Err(message) => (message.to_owned(), line_of(&span)),
            },
            Err(error) => (error.info(), u32::try_from(error.marker().line()).unwrap_or(1)),
        };
        converted.documents.extend(writer.take());
        converted.error = Some(error);
        break;
    }
    converted
}

fn line_of(span: &Span) -> u32 {
    u32::try_from(span.start.line()).unwrap_or(1).max(1)
}

/// An open mapping or sequence.
struct Frame {
    is_map: bool,
    /// Where its bracket stands in the output.
    start: usize,
    /// The next node of the mapping is a key.
    expects_key: bool,
    is_empty: bool,
    anchor: usize,
    /// Where the value of `<<` begins, while it is being written.
    merge: Option<usize>,
    /// JSON of the mappings to merge, in order.
    merged: Vec<String>,
}

/// Writes JSON and keeps lines.
struct Writer {
    out: String,
    /// The line of the text at which the output stands.
    line: u32,
    first_line: u32,
    stack: Vec<Frame>,
    /// What an alias stands for, without line breaks.
    anchors: HashMap<usize, String>,
    limit: usize,
}

type Written = Result<(), &'static str>;

impl Writer {
    fn new(length: usize) -> Self {
        Self {
            out: String::with_capacity(length),
            line: 0,
            first_line: 0,
            stack: Vec::new(),
            anchors: HashMap::new(),
            limit: length.saturating_mul(8).saturating_add(MAX_GROWTH),
        }
    }

    /// The JSON of the document that ended.
    fn take(&mut self) -> Option<(String, u32)> {
        self.stack.clear();
        self.anchors.clear();
        self.line = 0;
        let out = std::mem::take(&mut self.out);
        (!out.is_empty()).then_some((out, self.first_line.max(1)))
    }

    fn event(&mut self, event: Event<'_>, span: &Span) -> Written {
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if self.is_key() {
                    return self.key(&text, style, tag.as_deref(), anchor, line_of(span));
                }
                self.before_value(line_of(span))?;
                let start = self.out.len();
                self.scalar(&text, style, tag.as_deref());
                self.remember(anchor, start);
                self.after_value()
            }
            Event::SequenceStart(_, anchor, _) => self.open(false, anchor, span),
            Event::MappingStart(_, anchor, _) => self.open(true, anchor, span),
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(id) => self.alias(id, span),
            _ => Ok(()),
        }
    }

    fn is_key(&self) -> bool {
        self.stack.last().is_some_and(|frame| frame.is_map && frame.expects_key)
    }

    fn key(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>, anchor: usize, line: u32) -> Written {
        let key = match (style, tag) {
            (ScalarStyle::Plain, None) => match scalar::plain(text) {
                Scalar::Null => Cow::Borrowed("null"),
                Scalar::Bool(value) => Cow::Borrowed(if value { "true" } else { "false" }),
                Scalar::Number(number) => number,
                Scalar::Text => Cow::Borrowed(text),
            },
            _ => Cow::Borrowed(text),
        };
        if anchor != 0 {
            let mut json = String::new();
            string(&mut json, &key);
            self.anchors.insert(anchor, json);
        }
        let is_merge = style == ScalarStyle::Plain && key == "<<";
        if is_merge {
            // Its value is written, taken off again, and merged when the mapping ends.
            let at = self.out.len();
            if let Some(frame) = self.stack.last_mut() {
                frame.merge = Some(at);
                frame.expects_key = false;
            }
            return Ok(());
        }
        self.comma();
        self.advance(line);
        string(&mut self.out, &key);
        self.out.push(':');
        if let Some(frame) = self.stack.last_mut() {
            frame.expects_key = false;
        }
        self.within_limit()
    }

    fn open(&mut self, is_map: bool, anchor: usize, span: &Span) -> Written {
        if self.is_key() {
            return Err("a key must be a scalar");
        }
        if self.stack.len() >= MAX_DEPTH {
            return Err("values nest too deep");
        }
        self.before_value(line_of(span))?;
        let start = self.out.len();
        self.out.push(if is_map { '{' } else { '[' });
        self.stack.push(Frame {
            is_map,
            start,
            expects_key: is_map,
            is_empty: true,
            anchor,
            merge: None,
            merged: Vec::new(),
        });
        Ok(())
    }

    fn close(&mut self) -> Written {
        let Some(frame) = self.stack.pop() else { return Ok(()) };
        self.out.push(if frame.is_map { '}' } else { ']' });
        if !frame.merged.is_empty() {
            self.merge(&frame)?;
        }
        self.remember(frame.anchor, frame.start);
        self.after_value()
    }

    /// Adds the keys of merged mappings that the mapping itself, and earlier ones, do not have.
    fn merge(&mut self, frame: &Frame) -> Written {
        let mut known: HashSet<String> = HashSet::new();
        let own: Entries<'_> =
            serde_json::from_str(&self.out[frame.start..]).map_err(|_| "`<<` is in a broken mapping")?;
        known.extend(own.0.into_iter().map(|(key, _)| key));
        let mut is_empty = known.is_empty();
        self.out.pop();
        for merged in &frame.merged {
            let entries: Entries<'_> = serde_json::from_str(merged).map_err(|_| "`<<` merges mappings only")?;
            for (key, value) in entries.0 {
                if known.insert(key.clone()) {
                    if !is_empty {
                        self.out.push(',');
                    }
                    is_empty = false;
                    string(&mut self.out, &key);
                    self.out.push(':');
                    self.out.push_str(value.get());
                    self.within_limit()?;
                }
            }
        }
        self.out.push('}');
        Ok(())
    }

    fn alias(&mut self, id: usize, span: &Span) -> Written {
        let Some(text) = self.anchors.get(&id).cloned() else {
            return Err("an alias stands inside the value that it names");
        };
        if self.is_key() {
            // Only a string can be a key.
            let Ok(key) = serde_json::from_str::<String>(&text) else { return Err("a key must be a scalar") };
            return self.key(&key, ScalarStyle::DoubleQuoted, None, 0, line_of(span));
        }
        self.before_value(line_of(span))?;
        self.out.push_str(&text);
        self.within_limit()?;
        self.after_value()
    }

    /// Keeps what an anchored node was written as.
    fn remember(&mut self, anchor: usize, start: usize) {
        if anchor != 0 {
            // Strings hold no line breaks, so these are all between values.
            self.anchors.insert(anchor, self.out[start..].replace('\n', ""));
        }
    }

    fn before_value(&mut self, line: u32) -> Written {
        let is_sequence = self.stack.last().is_some_and(|frame| !frame.is_map);
        if is_sequence {
            self.comma();
        }
        self.advance(line);
        self.within_limit()
    }

    fn after_value(&mut self) -> Written {
        let Some(frame) = self.stack.last_mut() else { return Ok(()) };
        if !frame.is_map {
            return Ok(());
        }
        frame.expects_key = true;
        let Some(start) = frame.merge.take() else { return Ok(()) };
        let value = self.out.split_off(start);
        let breaks = value.bytes().filter(|b| *b == b'\n').count();
        self.out.extend(std::iter::repeat_n('\n', breaks));
        let value = value.trim();
        if value.starts_with('[') {
            let list: Vec<&RawValue> = serde_json::from_str(value).map_err(|_| "`<<` merges mappings only")?;
            frame.merged.extend(list.into_iter().map(|item| item.get().to_owned()));
        } else {
            frame.merged.push(value.to_owned());
        }
        Ok(())
    }

    fn comma(&mut self) {
        if let Some(frame) = self.stack.last_mut()
            && !std::mem::replace(&mut frame.is_empty, false)
        {
            self.out.push(',');
        }
    }

    /// Writes line breaks up to the line of the next value.
    fn advance(&mut self, line: u32) {
        if self.line == 0 {
            self.line = line;
            self.first_line = line;
        }
        while self.line < line {
            self.out.push('\n');
            self.line += 1;
        }
    }

    fn within_limit(&self) -> Written {
        if self.out.len() > self.limit { Err("aliases make the document too large") } else { Ok(()) }
    }

    fn scalar(&mut self, text: &str, style: ScalarStyle, tag: Option<&Tag>) {
        let tag = tag.and_then(Tag::core_suffix);
        let meaning = match (style, tag) {
            (_, Some("str" | "binary")) => Scalar::Text,
            (ScalarStyle::Plain, _) | (_, Some("int" | "float" | "bool" | "null")) => scalar::plain(text),
            _ => Scalar::Text,
        };
        match meaning {
            Scalar::Null => self.out.push_str("null"),
            Scalar::Bool(true) => self.out.push_str("true"),
            Scalar::Bool(false) => self.out.push_str("false"),
            Scalar::Number(number) => self.out.push_str(&number),
            Scalar::Text => string(&mut self.out, text),
        }
    }
}

/// The entries of a JSON object, in order.
struct Entries<'t>(Vec<(String, &'t RawValue)>);

impl<'de: 't, 't> serde::Deserialize<'de> for Entries<'t> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor;

        impl<'de> serde::de::Visitor<'de> for EntriesVisitor {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(entries)
            }
        }

        deserializer.deserialize_map(EntriesVisitor).map(Self)
    }
}

/// Writes a JSON string.
fn string(out: &mut String, text: &str) {
    use std::fmt::Write as _;
    out.push('"');
    let mut copied = 0;
    for (i, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[copied..i]);
        copied = i + 1;
        if escape.is_empty() {
            let _ = write!(out, "\\u{byte:04x}"); // a String takes everything
        } else {
            out.push_str(escape);
        }
    }
    out.push_str(&text[copied..]);
    out.push('"');
}

#[cfg(test)]
mod tests;
