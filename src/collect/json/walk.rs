//! Walks over the objects of an input and hands them out.

use std::io::Read;
use std::sync::Arc;

use super::super::decode::{self, Gvk};
use super::window::{Batch, Late, OwnedGvk, Window};
use super::{Malformed, Page, Stop, WhenKindIsLate};
use crate::model::object::Origin;

/// Where objects go.
pub(super) trait Sink {
    /// Takes items; gives a buffer back that may be used again.
    fn batch(&mut self, batch: Batch) -> Vec<u8>;

    /// Takes one object that is no list.
    fn object(&mut self, text: &[u8], origin: Origin, default: Option<Gvk<'_>>);

    /// Waits until everything is decoded and gives back the items that had no kind, in order.
    fn take_late(&mut self) -> Vec<Late>;
}

/// A walk over an input.
pub(super) struct Walker<R, S> {
    window: Window<R>,
    source: u32,
    default: Option<OwnedGvk>,
    late: WhenKindIsLate,
    page: Page,
    pub(super) sink: S,
}

/// What the keys of the object at hand have said so far.
#[derive(Default)]
struct Seen {
    api_version: Option<String>,
    kind: Option<String>,
    is_list: bool,
}

impl Seen {
    /// What the items are, if the object is a typed list.
    fn items(&self) -> Option<OwnedGvk> {
        let kind = decode::item_kind(self.kind.as_deref()?)?;
        Some(Arc::new((self.api_version.clone()?, kind.to_owned())))
    }
}

impl<R: Read, S: Sink> Walker<R, S> {
    pub(super) fn new(
        input: R,
        source: u32,
        line: u32,
        default: Option<Gvk<'_>>,
        late: WhenKindIsLate,
        sink: S,
    ) -> Self {
        let default = default.map(|(api_version, kind)| Arc::new((api_version.to_owned(), kind.to_owned())));
        let window = Window::new(input, line);
        Self { window, source, default, late, page: Page::default(), sink }
    }

    /// Walks to the end.
    pub(super) fn run(&mut self) -> Result<Page, Stop> {
        while let Some(byte) = self.token()? {
            match byte {
                b'{' => self.object()?,
                // Arrays and bare values are JSON, and no objects.
                b'[' | b'"' | b'-' | b'0'..=b'9' | b't' | b'f' | b'n' => {
                    self.window.keep = Some(self.window.at);
                    self.value(None)?;
                    self.hand_over_object();
                }
                other => {
                    return Err(self.malformed(&format!("unexpected `{}`", char::from(other).escape_default()), None));
                }
            }
        }
        Ok(std::mem::take(&mut self.page))
    }

    /// Walks through an object: a list is handed out item by item, anything else as a whole.
    fn object(&mut self) -> Result<(), Stop> {
        let mut seen = Seen::default();
        self.window.keep = Some(self.window.at);
        self.window.at += 1;
        let mut is_first = true;
        loop {
            match self.token()? {
                Some(b'}') => break,
                Some(b',') if !is_first => {
                    self.window.at += 1;
                    if self.token()? != Some(b'"') {
                        return Err(self.malformed("expected a key", Some(&seen)));
                    }
                }
                Some(b'"') if is_first => {}
                Some(_) => return Err(self.malformed("expected `,` or `}`", Some(&seen))),
                None => return Err(self.malformed("the text ends inside an object", Some(&seen))),
            }
            is_first = false;
            self.field(&mut seen)?;
        }
        self.window.at += 1;
        if !seen.is_list {
            self.hand_over_object();
        } else if let Some(items) = seen.items() {
            for late in self.sink.take_late() {
                self.sink.object(&late.text, late.origin, Some((&items.0, &items.1)));
            }
        } else {
            for late in self.sink.take_late() {
                self.sink.object(&late.text, late.origin, None);
            }
        }
        self.window.keep = None;
        Ok(())
    }

    /// One key and its value.
    fn field(&mut self, seen: &mut Seen) -> Result<(), Stop> {
        let key = self.value(Some(seen))?;
        let key = match self.slice(key) {
            b"\"items\"" => Key::Items,
            b"\"kind\"" => Key::Kind,
            b"\"apiVersion\"" => Key::ApiVersion,
            b"\"metadata\"" => Key::Metadata,
            _ => Key::Other,
        };
        if self.token()? != Some(b':') {
            return Err(self.malformed("expected `:`", Some(seen)));
        }
        self.window.at += 1;
        let Some(first) = self.token()? else {
            return Err(self.malformed("the text ends inside an object", Some(seen)));
        };
        // A kind of its own that has `items` is no list, such as a CRD's.
        let may_be_list = seen.kind.as_deref().is_none_or(|kind| kind.ends_with("List"));
        if key == Key::Items && first == b'[' && may_be_list {
            seen.is_list = true;
            return self.list(seen);
        }
        if matches!(first, b',' | b'}' | b']' | b':') {
            return Err(self.malformed("expected a value", Some(seen)));
        }
        let value = self.value(Some(seen))?;
        match key {
            Key::Kind => seen.kind = serde_json::from_slice(self.slice(value)).ok(),
            Key::ApiVersion => seen.api_version = serde_json::from_slice(self.slice(value)).ok(),
            Key::Metadata => {
                if let Ok(ListMeta { continue_token, resource_version }) = serde_json::from_slice(self.slice(value)) {
                    self.page.continue_token = continue_token.filter(|token| !token.is_empty());
                    self.page.resource_version = resource_version;
                }
            }
            Key::Items | Key::Other => {}
        }
        if seen.is_list {
            self.window.keep = Some(self.window.at); // of a list nothing has to stay
        }
        Ok(())
    }

    /// The items of a list.
    fn list(&mut self, seen: &Seen) -> Result<(), Stop> {
        self.window.at += 1;
        self.window.keep = None;
        let default = seen.items().or_else(|| self.default.clone());
        let end = self.items(default.as_ref(), seen);
        self.window.cut();
        self.hand_over(default.as_ref());
        end?;
        self.window.at += 1;
        self.window.keep = Some(self.window.at);
        Ok(())
    }

    /// Hands out items up to the bracket that ends the list.
    fn items(&mut self, default: Option<&OwnedGvk>, seen: &Seen) -> Result<(), Stop> {
        let mut is_first = true;
        loop {
            let mut token = self.token()?;
            match token {
                Some(b']') => return Ok(()),
                Some(b',') if !is_first => {
                    self.window.at += 1;
                    token = self.token()?;
                }
                Some(_) if !is_first => return Err(self.malformed("expected `,` or `]`", Some(seen))),
                _ => {}
            }
            match token {
                None => return Err(self.malformed("the text ends inside a list", Some(seen))),
                Some(b',' | b'}' | b']' | b':') => return Err(self.malformed("expected an item", Some(seen))),
                Some(_) => {}
            }
            is_first = false;
            self.window.keep = Some(self.window.at);
            if !self.window.skip_value().map_err(Stop::Io)? {
                self.window.at = self.window.base();
                return Err(self.malformed("the text ends inside an item", Some(seen)));
            }
            self.window.item();
            self.page.items += 1;
            self.hand_over(default);
        }
    }

    /// Hands over the buffers that are full of items.
    fn hand_over(&mut self, default: Option<&OwnedGvk>) {
        for cut in self.window.take_cuts() {
            let batch = Batch { cut, source: self.source, default: default.cloned(), late: self.late };
            let buffer = self.sink.batch(batch);
            self.window.recycle(buffer);
        }
    }

    /// Hands over the object that was kept.
    fn hand_over_object(&mut self) {
        let start = self.window.base();
        let line = self.window.line_of(start);
        let default = self.default.as_ref().map(|gvk| (gvk.0.as_str(), gvk.1.as_str()));
        let origin = Origin { source: self.source, line };
        self.sink.object(&self.window.buffer[start..self.window.at], origin, default);
        self.window.keep = None;
        self.page.items += 1;
    }

    /// Goes past a value and says where it lies, counted from what is kept.
    fn value(&mut self, seen: Option<&Seen>) -> Result<(usize, usize), Stop> {
        let start = self.window.at - self.window.base();
        if !self.window.skip_value().map_err(Stop::Io)? {
            return Err(self.malformed("the text ends inside a value", seen));
        }
        Ok((start, self.window.at - self.window.base()))
    }

    fn slice(&self, (start, end): (usize, usize)) -> &[u8] {
        let base = self.window.base();
        &self.window.buffer[base + start..base + end]
    }

    fn token(&mut self) -> Result<Option<u8>, Stop> {
        self.window.token().map_err(Stop::Io)
    }

    fn malformed(&self, message: &str, seen: Option<&Seen>) -> Stop {
        let kind = seen.and_then(|seen| {
            let kind = seen.kind.as_deref()?;
            Some(decode::item_kind(kind).unwrap_or(kind).to_owned())
        });
        Stop::Malformed(Malformed { message: message.to_owned(), line: self.window.line_of(self.window.at), kind })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Items,
    Kind,
    ApiVersion,
    Metadata,
    Other,
}

#[derive(serde::Deserialize)]
struct ListMeta {
    #[serde(rename = "continue")]
    continue_token: Option<String>,
    #[serde(rename = "resourceVersion")]
    resource_version: Option<String>,
}

/// Takes nothing but the first kind of a list's items.
#[derive(Default)]
pub(super) struct Nothing {
    kind: Option<(String, String)>,
}

impl Nothing {
    pub(super) fn into_kind(self) -> Option<(String, String)> {
        self.kind
    }
}

impl Sink for Nothing {
    fn batch(&mut self, batch: Batch) -> Vec<u8> {
        batch.into_buffer()
    }

    fn object(&mut self, _: &[u8], _: Origin, default: Option<Gvk<'_>>) {
        if let Some((api_version, kind)) = default {
            self.kind.get_or_insert((api_version.to_owned(), kind.to_owned()));
        }
    }

    /// One item that stands for all: so the walk tells what its kind is.
    fn take_late(&mut self) -> Vec<Late> {
        vec![Late { text: Vec::new(), origin: Origin::default() }]
    }
}
