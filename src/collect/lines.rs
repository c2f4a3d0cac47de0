//! Lines of parts of a text, told by where the parts lie in it.

use std::cell::Cell;

use memchr::memchr_iter;

use super::raw::Text;

/// Tells the line of any slice of one object's text.
///
/// Most questions come in order, so the count goes on from the last answer.
#[derive(Debug)]
pub(crate) struct Lines<'t> {
    text: &'t str,
    first: u32,
    /// Offset and line of the last answer; `None` where the text is all on one line, or has no lines (live).
    cursor: Option<Cell<(usize, u32)>>,
}

impl<'t> Lines<'t> {
    /// The lines of a text that begins on line `first`; 0 says that there are none.
    pub(crate) fn new(text: &'t str, first: u32) -> Self {
        let multi = first > 0 && memchr::memchr(b'\n', text.as_bytes()).is_some();
        Self { text, first, cursor: multi.then(|| Cell::new((0, first))) }
    }

    /// The line of the first line of the text that the given error line is counted from.
    pub(crate) fn of_error(&self, error: &serde_json::Error) -> u32 {
        if self.first == 0 { 0 } else { self.first + u32::try_from(error.line().saturating_sub(1)).unwrap_or(0) }
    }

    /// The line of a slice of the text; the first line where it is no slice of it.
    pub(crate) fn of(&self, part: &str) -> u32 {
        let Some(cursor) = &self.cursor else { return self.first };
        let offset = part.as_ptr().addr().wrapping_sub(self.text.as_ptr().addr());
        if offset.saturating_add(part.len()) > self.text.len() {
            return self.first;
        }
        let (from, line) = match cursor.get() {
            (from, line) if from <= offset => (from, line),
            _ => (0, self.first),
        };
        let newlines = memchr_iter(b'\n', &self.text.as_bytes()[from..offset]).count();
        let line = line + u32::try_from(newlines).unwrap_or(0);
        cursor.set((offset, line));
        line
    }

    /// The line of a string; the first line where it had to be copied.
    pub(crate) fn of_text(&self, text: Option<&Text<'_>>) -> u32 {
        text.map_or(self.first, |text| self.of(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_told_by_place_in_any_order() {
        let text = "{\n \"a\": 1,\n \"b\": 2\n}";
        let lines = Lines::new(text, 10);
        assert_eq!(lines.of(&text[text.find('b').unwrap_or(0)..]), 12);
        assert_eq!(lines.of(&text[text.find('a').unwrap_or(0)..]), 11);
        assert_eq!(lines.of(&text[..1]), 10);
        assert_eq!(lines.of("elsewhere"), 10);
        assert_eq!(Lines::new("{\"a\": 1}", 7).of(text), 7);
        assert_eq!(Lines::new(text, 0).of(&text[5..]), 0);
    }
}
