//! Saves a Snapshot and loads it again, equal in everything.
//!
//! A saved snapshot is a folder: one file for everything but the facts about AWS, and these as `aws ec2` prints them, so
//! that the folder `aws` of a snapshot is a source by itself.

use std::collections::{BTreeSet, HashSet};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use serde::de::{DeserializeSeed, MapAccess, Visitor};
use serde::{Deserializer, Serialize};

use super::aws;
use crate::model::aws::AwsScope;
use crate::model::trust::{Anchor, TrustBundle};
use crate::model::{List, Snapshot};

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

impl Error {
    fn io(path: &Path, error: io::Error) -> Self {
        Self::Io { path: path.to_owned(), error }
    }

    fn unreadable(path: PathBuf, why: impl fmt::Display) -> Self {
        Self::Unreadable { path, why: why.to_string() }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Saved<'s> {
    api_version: &'static str,
    kind: &'static str,
    /// The folders of the facts about AWS.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    aws_folders: BTreeSet<&'s str>,
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
    let io = |error| Error::io(&path, error);
    fs::create_dir_all(folder).map_err(|error| Error::io(folder, error))?;
    if path.symlink_metadata().is_ok() && !is_snapshot(&path).map_err(io)? {
        return Err(Error::Occupied(path));
    }
    let files = aws_files(snapshot);
    let earlier = earlier_files(folder);
    let names: BTreeSet<PathBuf> = files.iter().map(|(name, _)| folder.join(name)).collect();
    if let Some(occupied) = names.iter().find(|name| name.symlink_metadata().is_ok() && !earlier.contains(*name)) {
        return Err(Error::Occupied(occupied.clone()));
    }

    // A run that ends half-way leaves the earlier snapshot as it was: nothing is replaced before all is written.
    let partial = |path: &Path| {
        let mut name = path.as_os_str().to_owned();
        name.push(".partial");
        PathBuf::from(name)
    };
    for (name, text) in &files {
        let path = folder.join(name);
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent).map_err(|error| Error::io(parent, error))?;
        fs::write(partial(&path), text).map_err(|error| Error::io(&path, error))?;
    }
    let mut file = BufWriter::new(File::create(partial(&path)).map_err(io)?);
    let aws_folders = files.iter().map(|(name, _)| aws::folder_of(name)).collect();
    let saved = Saved { api_version: API_VERSION, kind: KIND, aws_folders, snapshot };
    serde_json::to_writer_pretty(&mut file, &saved).map_err(|error| io(error.into()))?;
    file.write_all(b"\n").and_then(|()| file.flush()).map_err(io)?;

    for gone in earlier.difference(&names) {
        fs::remove_file(gone).or_else(absent).map_err(|error| Error::io(gone, error))?;
    }
    for path in names.iter().chain([&path]) {
        fs::rename(partial(path), path).map_err(|error| Error::io(path, error))?;
    }
    remove_empty(&earlier, folder);
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
    let text = fs::read(&path).map_err(|error| Error::io(&path, error))?;
    let mut snapshot: Snapshot =
        serde_json::from_slice(&text).map_err(|error| Error::unreadable(path.clone(), error))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let mut files = Vec::new();
    for name in aws_folders(&text) {
        let meta_name = format!("{name}/{}", aws::META_FILE);
        let meta_text = read_part(folder, &meta_name)?;
        let meta = aws::Meta::parse(&meta_text);
        let meta = meta.ok_or_else(|| Error::unreadable(folder.join(&meta_name), "it describes no scope"))?;
        if meta.instant != snapshot.instant {
            return Err(Error::unreadable(folder.join(&meta_name), "it is of another snapshot"));
        }
        if !name.split('/').all(is_plain) || !meta.files.iter().all(|file| is_plain(file)) {
            return Err(Error::unreadable(folder.join(&meta_name), "it names files outside of its folder"));
        }
        for file in &meta.files {
            let name = format!("{name}/{file}");
            let text = read_part(folder, &name)?;
            files.push((name, text));
        }
        files.push((meta_name, meta_text));
    }
    share(&mut snapshot.trust_bundles);
    snapshot.aws = aws_from_files(&files).map_err(|(name, why)| Error::unreadable(folder.join(name), why))?;
    Ok(Some(snapshot))
}

/// Makes equal certificates one allocation, as they were before they were saved.
fn share(bundles: &mut [TrustBundle]) {
    let mut known: HashSet<List<Anchor>> = HashSet::new();
    for bundle in bundles {
        match known.get(&bundle.certificates) {
            Some(certificates) => bundle.certificates = certificates.clone(),
            None => drop(known.insert(bundle.certificates.clone())),
        }
    }
}

/// The files of a saved snapshot that hold the facts about AWS, by their paths from its folder.
pub fn aws_files(snapshot: &Snapshot) -> Vec<(String, String)> {
    aws::files(&snapshot.aws, snapshot.instant)
}

/// What [`aws_files`] wrote.
///
/// # Errors
///
/// The path of a file that is something else, and why.
pub fn aws_from_files(files: &[(String, String)]) -> Result<Vec<AwsScope>, (String, String)> {
    aws::scopes(files)
}

/// A file that a snapshot consists of.
fn read_part(folder: &Path, name: &str) -> Result<String, Error> {
    let path = folder.join(name);
    fs::read_to_string(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::unreadable(path, "it is not there, and a snapshot is the whole folder"),
        _ => Error::io(&path, error),
    })
}

/// The files about AWS that an earlier snapshot of this folder wrote.
fn earlier_files(folder: &Path) -> BTreeSet<PathBuf> {
    let below = |path: PathBuf| fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files = BTreeSet::new();
    for scope in below(folder.join(aws::FOLDER)).flat_map(below) {
        let meta_path = scope.join(aws::META_FILE);
        let meta = fs::read_to_string(&meta_path).ok().and_then(|text| aws::Meta::parse(&text));
        let Some(meta) = meta else { continue };
        files.extend(meta.files.iter().filter(|name| is_plain(name)).map(|name| scope.join(name)));
        files.insert(meta_path);
    }
    files
}

/// Whether a name is that of a file in the folder itself: nothing outside of a scope's own folder is taken for ours.
fn is_plain(name: &str) -> bool {
    Path::new(name).file_name().is_some_and(|plain| plain == name)
}

/// Removes the folders below `folder` in which an earlier snapshot had files, where nothing is left in them.
fn remove_empty(earlier: &BTreeSet<PathBuf>, folder: &Path) {
    let parents = |path: &Path| path.ancestors().skip(1).take_while(|p| *p != folder).map(Path::to_owned).collect();
    let folders: BTreeSet<PathBuf> = earlier.iter().flat_map(|path| -> Vec<PathBuf> { parents(path) }).collect();
    for folder in folders.iter().rev() {
        // It fails where something is left, as it should.
        let _ = fs::remove_dir(folder);
    }
}

fn absent(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

/// Whether a file begins as [`save`] begins one.
fn is_snapshot(path: &Path) -> io::Result<bool> {
    let mut start = Vec::new();
    BufReader::new(File::open(path)?).take(256).read_to_end(&mut start)?;
    let start = String::from_utf8_lossy(&start);
    Ok(super::head::peek(&start) == Some((API_VERSION, KIND)))
}

/// `awsFolders` of a snapshot. It stands near the beginning, and what comes after is not looked at.
fn aws_folders(text: &[u8]) -> Vec<String> {
    struct Folders<'f>(&'f mut Vec<String>);
    impl<'de> DeserializeSeed<'de> for Folders<'_> {
        type Value = ();

        fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
            deserializer.deserialize_map(self)
        }
    }
    impl<'de> Visitor<'de> for Folders<'_> {
        type Value = ();

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a snapshot")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
            for _ in 0..3 {
                match map.next_key::<String>()?.as_deref() {
                    Some("apiVersion" | "kind") => drop(map.next_value::<String>()?),
                    Some("awsFolders") => {
                        *self.0 = map.next_value()?;
                        return Ok(());
                    }
                    _ => return Ok(()),
                }
            }
            Ok(())
        }
    }
    let mut folders = Vec::new();
    // That the rest was not read is an error, and the one that is wanted.
    let _ = Folders(&mut folders).deserialize(&mut serde_json::Deserializer::from_slice(text));
    folders
}
