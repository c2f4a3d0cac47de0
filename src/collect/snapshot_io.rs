//! Saves a Snapshot and loads it again, equal in everything.

use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::model::Snapshot;

/// The file of a saved snapshot in its folder.
pub const FILE_NAME: &str = "buildreach-snapshot.json";

const API_VERSION: &str = "buildreach.dev/v1alpha1";
const KIND: &str = "Snapshot";

/// Why a snapshot was not saved or loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file or folder cannot be read or written.
    #[error("{}: {error}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// Something of that name is there that is no saved snapshot; it is left as it is.
    #[error("{}: there is something else of this name, and it is not overwritten", .0.display())]
    Occupied(PathBuf),
    /// The file begins as a snapshot does, and is none that this version reads.
    #[error("{}: this is no snapshot that this version can read: {why}", path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Saved<'s> {
    api_version: &'static str,
    kind: &'static str,
    #[serde(flatten)]
    snapshot: &'s Snapshot,
}

/// Saves a snapshot into a folder, which is made if it is not there. An earlier snapshot there is replaced, as a whole.
///
/// # Errors
///
/// Where the folder cannot be written, or a file of that name is no snapshot.
pub fn save(snapshot: &Snapshot, folder: &Path) -> Result<PathBuf, Error> {
    let path = folder.join(FILE_NAME);
    let io = |error| Error::Io { path: path.clone(), error };
    std::fs::create_dir_all(folder).map_err(|error| Error::Io { path: folder.to_owned(), error })?;
    if path.symlink_metadata().is_ok() && !is_snapshot(&path).map_err(io)? {
        return Err(Error::Occupied(path));
    }
    // A run that ends half-way leaves the earlier snapshot as it was.
    let partial = folder.join(format!("{FILE_NAME}.partial"));
    let mut file = BufWriter::new(File::create(&partial).map_err(io)?);
    let saved = Saved { api_version: API_VERSION, kind: KIND, snapshot };
    serde_json::to_writer_pretty(&mut file, &saved).map_err(|error| io(error.into()))?;
    file.write_all(b"\n").and_then(|()| file.flush()).map_err(io)?;
    std::fs::rename(&partial, &path).map_err(io)?;
    Ok(path)
}

/// Loads the snapshot of a folder that [`save`] wrote, or its file; `None` if it is something else.
///
/// # Errors
///
/// Where it begins as a snapshot does and cannot be read.
pub fn load(path: &Path) -> Result<Option<Snapshot>, Error> {
    let path = if path.is_dir() { path.join(FILE_NAME) } else { path.to_owned() };
    if !path.is_file() || !is_snapshot(&path).unwrap_or(false) {
        return Ok(None);
    }
    let unreadable = |why: String| Error::Unreadable { path: path.clone(), why };
    let text = std::fs::read(&path).map_err(|error| Error::Io { path: path.clone(), error })?;
    serde_json::from_slice(&text).map(Some).map_err(|error| unreadable(error.to_string()))
}

/// Whether a file begins as [`save`] begins one.
fn is_snapshot(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    BufReader::new(File::open(path)?).take(256).read_to_end(&mut start)?;
    let start = String::from_utf8_lossy(&start);
    Ok(super::head::peek(&start) == Some((API_VERSION, KIND)))
}
