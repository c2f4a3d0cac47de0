#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::*;

fn json_of(text: &str) -> Value {
    let converted = convert(text);
    assert_eq!(converted.error, None, "{text}");
    serde_json::from_str(&converted.documents[0].0).unwrap()
}

fn error_of(text: &str) -> (String, u32) {
    convert(text).error.unwrap()
}

#[test]
fn scalars_have_the_types_of_kubectl() {
    assert_eq!(
        json_of("a: yes\nb: 'yes'\nc: 010\nd: !!str 5\ne:\nf: =\ng: |\n  x\n  y\nh: \"\\u00e9\\n\"\n"),
        json!({"a": true, "b": "yes", "c": 8, "d": "5", "e": null, "f": "=", "g": "x\ny\n", "h": "é\n"})
    );
    assert_eq!(json_of("1: a\non: b\n"), json!({"1": "a", "true": "b"}));
    assert_eq!(json_of("[a, {b: c}, ]"), json!(["a", {"b": "c"}]));
}

#[test]
fn anchors_and_merge_keys_are_resolved() {
    assert_eq!(
        json_of(
            "base: &b\n  x: 1\n  y: 2\nmore: &m {z: 3, x: 9}\none:\n  <<: *b\n  y: 5\ntwo:\n  y: 7\n  <<: [*b, *m]\n"
        ),
        json!({"base": {"x": 1, "y": 2}, "more": {"z": 3, "x": 9}, "one": {"y": 5, "x": 1}, "two": {"y": 7, "x": 1, "z": 3}})
    );
    assert_eq!(json_of("a: &a [1, 2]\nb: *a\n&k key: *a\n"), json!({"a": [1, 2], "b": [1, 2], "key": [1, 2]}));
    assert_eq!(json_of("a:\n  <<: {}\n"), json!({"a": {}}));
}

#[test]
fn lines_are_kept() {
    let text = "# one\na: 1\n\nb:\n  # two\n  - c: |\n      x\n      y\n  - d: 2\n";
    let converted = convert(text);
    let (json, first) = &converted.documents[0];
    assert_eq!(*first, 2);
    let line_of =
        |needle: &str| first + u32::try_from(json[..json.find(needle).unwrap()].matches('\n').count()).unwrap();
    assert_eq!((line_of("\"a\""), line_of("\"b\""), line_of("\"c\""), line_of("\"d\"")), (2, 4, 6, 9));
}

#[test]
fn errors_say_where() {
    assert_eq!(error_of("a: 1\nb: [1\nc: }\n").1, 3);
    assert_eq!(error_of("a: *nothing\n").1, 1);
    assert_eq!(error_of("{{ .Values.x }}: 1\n").0, "a key must be a scalar");
    assert_eq!(error_of("a: &a\n  b: *a\n").0, "an alias stands inside the value that it names");
    assert!(
        convert("kind: A\nmetadata: {name: b}\nspec: [\n").documents[0]
            .0
            .starts_with("{\"kind\":\"A\",\n\"metadata\":{")
    );
}

#[test]
fn bombs_do_not_go_off() {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for i in 1..20 {
        let refs = vec![format!("*a{}", i - 1); 10].join(", ");
        writeln!(text, "a{i}: &a{i} [{refs}]").unwrap();
    }
    assert_eq!(error_of(&text).0, "aliases make the document too large");
    assert_eq!(error_of(&format!("{}1{}", "[".repeat(150), "]".repeat(150))).0, "values nest too deep");
    assert!(convert(&"[".repeat(100_000)).error.is_some());
    assert!(convert(&"- ".repeat(10_000)).error.is_some());
}

#[test]
fn documents_after_an_end_marker_are_read() {
    let converted = convert("a: 1\n...\nb: 2\n");
    assert_eq!(converted.documents, [("{\"a\":1}".to_owned(), 1), ("{\"b\":2}".to_owned(), 3)]);
    assert_eq!(convert("---\n").documents, [("null".to_owned(), 1)]);
}
