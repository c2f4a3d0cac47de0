//! The seeds of the fuzz targets, as an ordinary test.

use std::fs;
use std::path::Path;

#[path = "fuzz/check.rs"]
#[allow(unreachable_pub)] // the fuzz targets share the file
mod check;

fn run(target: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/seeds").join(target);
    let mut seeds: Vec<_> = fs::read_dir(folder).expect("seeds").map(|entry| entry.expect("a seed").path()).collect();
    seeds.sort();
    assert!(seeds.len() >= 10, "{target} has seeds");
    for seed in seeds {
        let data = fs::read(&seed).expect("a file");
        check(&data);
        // Cut off anywhere, and with any byte broken, it is as hostile as a seed can be.
        for at in 0..data.len() {
            check(&data[..at]);
        }
        for (at, with) in (0..data.len()).zip([b'{', b'\n', 0xff, b'"', 0, b' ', b':'].into_iter().cycle()) {
            let mut broken = data.clone();
            broken[at] = with;
            check(&broken);
        }
    }
}

#[test]
fn reader() {
    run("reader", check::reader);
}

#[test]
fn selector() {
    run("selector", check::selector);
}
