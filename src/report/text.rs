//! Small things about text: width, wrapping, numbers, lists, and what must not reach a terminal.

use std::borrow::Cow;

/// Columns that the text takes.
pub(super) use tabled::grid::util::string::get_string_width as width;

/// The text without anything that a terminal would act on.
///
/// Names, messages and lines come from manifests that anybody may have written. Control characters
/// could recolour or overwrite a verdict, and direction marks could turn a name around: they are shown
/// as escapes. Line breaks and tabs become spaces.
pub(super) fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_active) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\n' | '\t' => out.push(' '),
            '\r' => {}
            c if is_active(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

fn is_active(c: char) -> bool {
    // Unicode Standard Annex #9: embeddings, overrides, isolates and marks.
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{061c}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The lines of a text that fit into `room` columns, broken at spaces only: a name, a path or an
/// address stays whole, even where it is wider than the room.
pub(super) fn wrap(text: &str, room: Option<usize>) -> Vec<String> {
    let Some(room) = room else { return vec![text.to_owned()] };
    let mut lines = Vec::new();
    let (mut line, mut used) = (String::new(), 0);
    for word in text.split(' ') {
        let columns = width(word);
        if !line.is_empty() && used + 1 + columns > room {
            lines.push(std::mem::take(&mut line));
            used = 0;
        }
        if !line.is_empty() {
            line.push(' ');
            used += 1;
        }
        line.push_str(word);
        used += columns;
    }
    lines.push(line);
    lines
}

/// A number with its thousands set apart: `9,997`.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A number with its noun: `1 cause`, `2 causes`.
pub(super) fn counted(n: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(n), if n == 1 { one } else { many })
}

/// The first `most` items and how many there are beyond: `a, b, c and 4 more`.
///
/// One item is never replaced by `and 1 more`, which would be no shorter.
pub(super) fn first<S: AsRef<str>>(items: &[S], most: usize) -> String {
    let most = if items.len() == most + 1 { most + 1 } else { most };
    let shown = items.iter().take(most).map(AsRef::as_ref).collect::<Vec<_>>().join(", ");
    if items.len() <= most {
        return shown;
    }
    format!("{shown} and {} more", count(as_u64(items.len() - most)))
}

/// The number as `u64`.
pub(super) fn as_u64(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_a_terminal_acts_on_gets_through() {
        assert_eq!(clean("ci/allow-npm"), "ci/allow-npm");
        assert!(matches!(clean("größe → ok"), Cow::Borrowed(_)));
        assert_eq!(clean("a\u{1b}[32mReachable\u{7}"), "a\\u{1b}[32mReachable\\u{7}");
        assert_eq!(clean("two\r\nlines\tand"), "two lines and");
        assert_eq!(clean("x\u{202e}y\u{9b}31m"), "x\\u{202e}y\\u{9b}31m");
    }

    #[test]
    fn wrapping_breaks_at_spaces_and_never_inside_a_name() {
        assert_eq!(wrap("one two three", None), ["one two three"]);
        assert_eq!(wrap("one two three", Some(7)), ["one two", "three"]);
        assert_eq!(wrap("go-builds/TaskRun/build-api is cut", Some(8)), ["go-builds/TaskRun/build-api", "is cut"]);
        assert_eq!(wrap("", Some(8)), [""]);
        assert_eq!(wrap("日本 語", Some(5)), ["日本", "語"]);
    }

    #[test]
    fn numbers_and_lists_read_well() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(9_997), "9,997");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(counted(1, "cause", "causes"), "1 cause");
        assert_eq!(first(&["a", "b", "c", "d"], 3), "a, b, c, d");
        assert_eq!(first(&["a", "b", "c", "d", "e"], 3), "a, b, c and 2 more");
        assert_eq!(first::<&str>(&[], 3), "");
    }
}
