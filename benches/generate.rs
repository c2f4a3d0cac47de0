//! Writes a synthetic cluster: `cargo bench --bench generate -- SHAPE DIR` with SHAPE S, M, L or XL.
//! DIR gets namespaces.json, policies.json and pods.json; DIR.endpoints.txt lists sixty destinations.
#![allow(clippy::print_stderr, missing_docs)]

#[path = "common/mod.rs"]
mod common;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| a != "--bench").collect();
    let [shape, folder] = arguments.as_slice() else {
        eprintln!("generate: SHAPE (S, M, L, XL) and DIR");
        return ExitCode::from(if arguments.is_empty() { 0 } else { 2 });
    };
    let Some(shape) = common::SHAPES.iter().find(|s| s.name == shape) else {
        eprintln!("generate: unknown shape {shape}");
        return ExitCode::from(2);
    };
    match write(*shape, Path::new(folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("generate: {error}");
            ExitCode::from(2)
        }
    }
}

fn write(shape: common::Shape, folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let file = |name: &str| Ok::<_, io::Error>(BufWriter::with_capacity(1 << 20, File::create(folder.join(name))?));
    let mut out = file("namespaces.json")?;
    common::namespaces(shape, &mut out)?;
    out.flush()?;
    let mut out = file("policies.json")?;
    common::policies(shape, &mut out)?;
    out.flush()?;
    let mut out = file("pods.json")?;
    common::pods(shape, &mut out)?;
    out.flush()?;
    fs::write(folder.with_extension("endpoints.txt"), common::endpoints())
}
