//! An archive in a folder, such as a mounted volume.
//!
//! ```text
//! DIR/index.json                      what there is, newest first
//! DIR/latest                          a file with the name of the latest report (some volumes have no links)
//! DIR/20261124T214000Z/report.json    one folder for each report
//! DIR/20261124T214000Z/report.md
//! ```
//!
//! A report is written into a folder of another name, which is then renamed; index and `latest` are replaced by renaming;
//! what is to go is renamed first. A run that is ended at any point leaves whole reports, and names that begin with a dot,
//! which the next run removes.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use super::plan::{self, Documents, FileEntry, Head, Index};
use super::{Before, Kept, Order};
use crate::report::Format;

const LOCK: &str = ".lock";
const INDEX: &str = "index.json";
const LATEST: &str = "latest";

/// How long another run may hold the archive, in tenths of a second.
const PATIENCE: u32 = 300;

/// Keeps a report in a folder, which is made if it is not there.
///
/// # Errors
///
/// The folder cannot be read or written, or another run holds it. What was kept before is then as it was.
pub fn keep(dir: &Path, order: &Order<'_>) -> anyhow::Result<Kept> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let _lock = lock(dir)?;
    let writing = || format!("cannot keep the report in {}", dir.display());
    sweep(dir).with_context(writing)?;
    let taken = folders(dir).with_context(|| format!("cannot read {}", dir.display()))?;
    // What holds no report is somebody else's: it is not counted, and its name is not used.
    let is_report = |name: &&String| dir.join(name).join(Format::Json.file_name()).is_file();
    let names: Vec<String> = taken.iter().filter(is_report).cloned().collect();
    let mut before = before(dir, &names);
    let first = names.is_empty();
    let changes = before.compare(order.report);
    let documents = plan::documents(order, &Head { changes: changes.as_ref(), first }, None).with_context(writing)?;
    let name = plan::free_name(&plan::stamp(order.report.instant), &taken);
    write(dir, &name, &documents).with_context(writing)?;
    let Before { mut index, mut trouble, .. } = before;
    let pruned = index.add(plan::entry(&name, order.report, &documents, changes.as_ref()), order.retain);
    replace(dir, INDEX, index.json(usize::MAX).with_context(writing)?.as_bytes()).with_context(writing)?;
    replace(dir, LATEST, format!("{name}\n").as_bytes()).with_context(writing)?;
    for old in &pruned {
        if let Err(error) = remove(dir, old) {
            trouble.push(format!("the old report {old} cannot be removed: {error}"));
        }
    }
    let left_out = documents.in_words(None);
    Ok(Kept { name, place: dir.display().to_string(), first, changes, left_out, pruned, trouble })
}

/// One run at a time. A volume that knows no locks is used without.
fn lock(dir: &Path) -> anyhow::Result<File> {
    let path = dir.join(LOCK);
    let file = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;
    for _ in 0..PATIENCE {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Err(Errno::WOULDBLOCK | Errno::INTR) => sleep(Duration::from_millis(100)),
            Ok(()) | Err(_) => return Ok(file),
        }
    }
    bail!("another run writes to {}", dir.display())
}

/// Removes what a run that was ended left behind.
fn sweep(dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let Some(name) = name.to_str() else { continue };
        let rest = [".new-", ".old-"].iter().find_map(|prefix| name.strip_prefix(prefix));
        match rest {
            Some(rest) if plan::is_stamp(rest) => fs::remove_dir_all(entry.path())?,
            Some(INDEX | LATEST) => fs::remove_file(entry.path())?,
            _ => {}
        }
    }
    Ok(())
}

/// The folders that are called as reports are, oldest first.
fn folders(dir: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir)? {
        names.extend(entry?.file_name().into_string().ok().filter(|name| plan::is_stamp(name)));
    }
    names.sort_unstable();
    Ok(names)
}

/// The index, made whole again where it does not tell what is there, and the latest report.
fn before(dir: &Path, names: &[String]) -> Before {
    let mut trouble = Vec::new();
    let path = dir.join(INDEX);
    let mut index = match fs::read_to_string(&path).map(|text| serde_json::from_str::<Index>(&text)) {
        Ok(Ok(index)) => index,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Index::default(),
        Ok(Err(error)) => {
            trouble.push(format!("{} is made anew: {error}", path.display()));
            Index::default()
        }
        Err(error) => {
            trouble.push(format!("{} is made anew: {error}", path.display()));
            Index::default()
        }
    };
    let text = |name: &str| fs::read_to_string(dir.join(name).join(Format::Json.file_name()));
    for name in index.missing(names) {
        let report = text(&name).map_err(|error| error.to_string());
        let report = report.and_then(|text| serde_json::from_str(&text).map_err(|error| error.to_string()));
        match report {
            Ok(report) => index.put_back(plan::found(&name, &report, files(&dir.join(&name)))),
            Err(error) => trouble.push(format!("{name} is left as it is, for it cannot be read: {error}")),
        }
    }
    let latest = index.latest().map(|entry| text(&entry.name).map_err(|error| error.to_string()));
    Before { index, latest, trouble }
}

fn files(dir: &Path) -> Vec<FileEntry> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let file = |entry: fs::DirEntry| {
        let size = entry.metadata().ok()?.len();
        Some(FileEntry { name: entry.file_name().into_string().ok()?, size })
    };
    let mut files: Vec<_> = entries.filter_map(file).collect();
    files.sort_by(|a, b| a.name.cmp(&b.name));
    files
}

fn write(dir: &Path, name: &str, documents: &Documents) -> io::Result<()> {
    let new = dir.join(format!(".new-{name}"));
    fs::create_dir(&new)?;
    for (file, text) in &documents.files {
        write_through(&new.join(file), text.as_bytes())?;
    }
    settle(&new);
    fs::rename(&new, dir.join(name))?;
    settle(dir);
    Ok(())
}

/// Replaces a file whole.
fn replace(dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let new = dir.join(format!(".new-{name}"));
    write_through(&new, bytes)?;
    fs::rename(&new, dir.join(name))?;
    settle(dir);
    Ok(())
}

fn write_through(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Makes names outlive a crash, where the volume can do that for a folder; not all can, and the names are right anyway.
fn settle(dir: &Path) {
    if let Ok(dir) = File::open(dir) {
        let _ = dir.sync_all();
    }
}

fn remove(dir: &Path, name: &str) -> io::Result<()> {
    let old = dir.join(format!(".old-{name}"));
    fs::rename(dir.join(name), &old)?;
    fs::remove_dir_all(old)
}
