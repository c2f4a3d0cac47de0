//! Every finding code has its page in `docs/codes`, and every page its code.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use buildreach::model::codes;

fn pages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/codes")
}

#[test]
fn every_code_has_its_page_and_every_page_its_code() {
    let known: BTreeSet<String> = codes::ALL.iter().map(|code| format!("{}.md", code.id)).collect();
    let mut found: BTreeSet<String> =
        fs::read_dir(pages()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert!(found.remove("README.md"));
    assert_eq!(found, known);
}

#[test]
fn a_page_says_what_the_table_says_and_how_to_act() {
    for code in codes::ALL {
        let page = fs::read_to_string(pages().join(format!("{}.md", code.id))).unwrap();
        let head = format!("# {}: {}\n\nSeverity: {}\n\n{}\n\n", code.id, code.title, code.severity, code.summary);
        assert!(page.starts_with(&head), "the page of {} does not begin with\n{head}", code.id);
        let mut rest = page.as_str();
        for section in ["What it means", "How to confirm", "What usually fixes it", "Example"] {
            let (_, after) = rest.split_once(&format!("## {section}\n\n")).unwrap_or(("", ""));
            assert!(after.trim().len() > 20, "{}: section `{section}` is missing or empty", code.id);
            rest = after;
        }
    }
}

#[test]
fn the_index_lists_every_code() {
    let index = fs::read_to_string(pages().join("README.md")).unwrap();
    let listed: Vec<&str> = index.lines().filter(|line| line.starts_with("| [BR-")).collect();
    let expected: Vec<String> = codes::ALL
        .iter()
        .map(|code| format!("| [{0}]({0}.md) | {1} | {2} |", code.id, code.severity, code.title))
        .collect();
    assert_eq!(listed, expected);
}

#[test]
fn codes_are_unique_and_in_order() {
    assert!(codes::ALL.is_sorted_by(|a, b| a.id < b.id));
    for code in codes::ALL {
        assert_eq!(codes::find(code.id), Some(code));
        let parts: Vec<&str> = code.id.split('-').collect();
        assert!(
            matches!(parts.as_slice(), ["BR", area, number] if area.len() == 3 && number.len() == 3),
            "{}",
            code.id
        );
    }
    assert_eq!(codes::find("BR-XYZ-001"), None);
}
