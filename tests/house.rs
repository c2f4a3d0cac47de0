//! The rooms of the house know only the rooms to their left or below: nothing points back.
#![allow(clippy::unwrap_used, missing_docs)]

use std::fs;
use std::path::{Path, PathBuf};

/// Each room with the rooms that it may use.
const ROOMS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("demand", &["model", "trust"]),
    ("policy", &["model"]),
    ("cloud", &["model"]),
    ("trust", &["model"]),
    ("trace", &["model", "demand", "policy", "cloud", "trust"]),
    ("suite", &["model", "demand", "policy", "cloud", "trace"]),
    ("crd", &["model"]),
    ("collect", &["model", "trust", "crd"]),
    ("agent", &["model", "trust", "crd", "collect"]),
    ("controller", &["model", "demand", "trace", "crd", "collect", "report"]),
    ("report", &["model"]),
    ("archive", &["model", "report", "collect"]),
    ("demo", &["model", "collect"]),
];

/// Rooms that do no I/O and read no clock, environment or random number.
const PURE: &[&str] = &["model", "demand", "policy", "cloud", "trust", "trace", "suite"];

const IMPURE: &[&str] = &[
    "std::fs",
    "std::net::Tcp",
    "std::net::Udp",
    "std::env",
    "std::process",
    "std::time",
    "tokio",
    "Timestamp::now",
    "std::io",
];

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

/// The code of a file without its comments and its test module.
fn code(path: &Path) -> String {
    let text = with_tests(path);
    text.split("\n#[cfg(test)]\nmod tests {").next().unwrap().to_owned()
}

/// The code of a file without its comments.
fn with_tests(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn nothing_points_back() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let rooms: Vec<String> = fs::read_dir(&src)
        .unwrap()
        .map(|e| e.unwrap().path())
        .filter(|p| p.is_dir())
        .map(|p| p.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    let mut wrong = Vec::new();
    let mut looked = 0;
    for (room, may_use) in ROOMS {
        for path in sources(&src.join(room)) {
            looked += 1;
            // A test that needs another room stands in `tests/`.
            let code = with_tests(&path);
            for other in rooms.iter().filter(|other| other != room && !may_use.contains(&other.as_str())) {
                if code.contains(&format!("crate::{other}")) {
                    wrong.push(format!("{} uses {other}", path.display()));
                }
            }
        }
    }
    for room in &rooms {
        assert!(room == "cli" || ROOMS.iter().any(|(known, _)| known == room), "room {room} has no place in the house");
    }
    assert!(looked > 20 && wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn pure_rooms_are_pure() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut wrong = Vec::new();
    for room in PURE {
        for path in sources(&src.join(room)).iter().filter(|p| !p.ends_with("tests.rs")) {
            let code = code(path);
            for word in IMPURE.iter().filter(|word| code.contains(**word)) {
                wrong.push(format!("{} holds {word}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
