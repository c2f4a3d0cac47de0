//! Where in an object an error is, as a path.

/// A message of the JSON reader, with the path to what it speaks of instead of a line and a column, which count
/// from the beginning of `text`. `within` is the path of `text` itself; empty for a whole object.
pub(crate) fn message(within: &str, text: &str, error: &serde_json::Error) -> String {
    let said = error.to_string();
    let said = said.rfind(" at line ").map_or(said.as_str(), |at| &said[..at]);
    let path = if error.is_data() { path(text, error.line(), error.column()) } else { String::new() };
    match (within, path.as_str()) {
        ("", "") => said.to_owned(),
        ("", path) | (path, "") => format!("{path}: {said}"),
        (within, path) => {
            let dot = if path.starts_with('[') { "" } else { "." };
            format!("{within}{dot}{path}: {said}")
        }
    }
}

/// An open object, with the key at hand, or an open list, with the index.
enum Open<'t> {
    Object(&'t str),
    List(usize),
}

/// The path to a place that the JSON reader names by line and column.
fn path(text: &str, line: usize, column: usize) -> String {
    let line_start: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    let end = line_start.saturating_add(column).min(text.len());
    let mut stack: Vec<Open<'_>> = Vec::new();
    let bytes = text.as_bytes();
    let mut expects_key = false;
    let mut at = 0;
    while at < end {
        match bytes[at] {
            b'"' => {
                let start = at + 1;
                at = string_end(bytes, start);
                if let (true, Some(Open::Object(key))) = (expects_key, stack.last_mut()) {
                    *key = text.get(start..at).unwrap_or_default();
                    expects_key = false;
                }
            }
            b'{' => {
                stack.push(Open::Object(""));
                expects_key = true;
            }
            b'[' => {
                stack.push(Open::List(0));
                expects_key = false;
            }
            // The reader may have looked at the bracket that ends what is wrong.
            b'}' | b']' if at + 1 < end => {
                stack.pop();
                expects_key = false;
            }
            b',' => match stack.last_mut() {
                Some(Open::List(index)) => *index += 1,
                Some(Open::Object(_)) => expects_key = true,
                None => {}
            },
            _ => {}
        }
        at += 1;
    }
    let mut path = String::new();
    for open in stack {
        match open {
            Open::Object("") => {}
            Open::Object(key) if path.is_empty() => path.push_str(key),
            Open::Object(key) => path.extend([".", key]),
            Open::List(index) => path.extend(["[", &index.to_string(), "]"]),
        }
    }
    path
}

/// Where the string ends that begins at `start`, its closing quote not included.
fn string_end(bytes: &[u8], start: usize) -> usize {
    let mut at = start;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Outer {
        a: Option<Vec<Inner>>,
        d: Option<u16>,
    }

    #[derive(Debug, Deserialize)]
    #[allow(dead_code)]
    struct Inner {
        b: Option<Vec<u16>>,
        c: Option<String>,
    }

    #[test]
    fn errors_name_the_field() {
        for (text, path) in [
            (r#"{"a":[{"b":[1]},{"b":[1,"x"]}]}"#, "a[1].b[1]"),
            ("{\n \"a\": [\n  {\"c\": \"x\\\"y\"},\n  {\"c\": 7}\n ]\n}", "a[1].c"),
            (r#"{"d":70000}"#, "d"),
            (r#"{"a":{"x":1}}"#, "a"),
            (r#"{"a":[{"b":{}}]}"#, "a[0].b"),
        ] {
            let error = serde_json::from_str::<Outer>(text).unwrap_err();
            let message = message("", text, &error);
            assert!(message.starts_with(&format!("{path}: ")), "{text}: {message}");
            assert!(!message.contains("column"), "{message}");
            assert!(super::message("spec", text, &error).starts_with(&format!("spec.{path}: ")));
        }
    }

    #[test]
    fn syntax_errors_have_no_path() {
        let error = serde_json::from_str::<Outer>("{\"a\": [}").unwrap_err();
        assert_eq!(message("", "{\"a\": [}", &error), "expected value");
    }
}
