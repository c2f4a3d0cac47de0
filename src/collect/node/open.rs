//! A directory that stands for the root of a file system: nothing outside of it is ever opened.

use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

/// An open root directory.
#[derive(Debug)]
pub struct Root {
    directory: OwnedFd,
    /// The kernel refuses `openat2`: older than 5.6, or a filter forbids it.
    by_steps: AtomicBool,
}

impl Root {
    /// Opens it.
    ///
    /// # Errors
    ///
    /// As the system says.
    pub fn open(path: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(path, flags, Mode::empty())?;
        Ok(Self { directory, by_steps: AtomicBool::new(false) })
    }

    /// Uses the way for kernels without `openat2`, whatever this one has.
    #[must_use]
    pub fn step_by_step(self) -> Self {
        self.by_steps.store(true, Ordering::Relaxed);
        self
    }

    /// Opens what stands at an absolute path. No part of it may be a symbolic link, so it cannot lead out, also while
    /// others rename things below the root; links are followed by whoever asks, name by name.
    fn open_plain(&self, path: &str, flags: OFlags) -> Result<OwnedFd, Errno> {
        let flags = flags | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NOCTTY;
        let path = path.trim_matches('/');
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        if matches!(name, "" | ".") {
            return rustix::fs::openat(&self.directory, ".", flags, Mode::empty());
        }
        if name == ".." {
            return Err(Errno::INVAL);
        }
        if folder.is_empty() {
            return rustix::fs::openat(&self.directory, name, flags, Mode::empty());
        }
        rustix::fs::openat(self.folder(folder)?, name, flags, Mode::empty())
    }

    /// A directory below the root, as a place to open from.
    fn folder(&self, path: &str) -> Result<OwnedFd, Errno> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        if !self.by_steps.load(Ordering::Relaxed) {
            let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
            match rustix::fs::openat2(&self.directory, path, flags, Mode::empty(), resolve) {
                Err(Errno::NOSYS | Errno::PERM) => self.by_steps.store(true, Ordering::Relaxed),
                result => return result,
            }
        }
        let mut at: Option<OwnedFd> = None;
        for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
            if part == ".." {
                return Err(Errno::INVAL);
            }
            at = Some(rustix::fs::openat(at.as_ref().unwrap_or(&self.directory), part, flags, Mode::empty())?);
        }
        at.ok_or(Errno::INVAL)
    }

    /// Opens a directory, to be watched and not to be read.
    ///
    /// # Errors
    ///
    /// As the system says.
    pub fn directory(&self, path: &str) -> std::io::Result<OwnedFd> {
        Ok(self.open_plain(path, OFlags::PATH | OFlags::DIRECTORY)?)
    }

    /// What stands at a path, itself and not what a link there leads to; and the target of a link.
    pub(in crate::collect) fn look(&self, path: &str) -> Result<(Stat, Option<String>), Errno> {
        let file = self.open_plain(path, OFlags::PATH)?;
        let stat = rustix::fs::statat(&file, "", AtFlags::EMPTY_PATH)?;
        let kind = rustix::fs::FileType::from_raw_mode(stat.st_mode);
        if !kind.is_symlink() {
            return Ok((stat, None));
        }
        let target = rustix::fs::readlinkat(&file, "", Vec::new())?;
        Ok((stat, Some(target.to_string_lossy().into_owned())))
    }

    /// Opens a file for reading that was looked at and is a regular one. Where something else has taken its place
    /// meanwhile, it is closed again; a pipe does not block.
    pub(in crate::collect) fn file(&self, path: &str) -> Result<(File, Stat), Errno> {
        let file = self.open_plain(path, OFlags::RDONLY | OFlags::NONBLOCK)?;
        let stat = rustix::fs::fstat(&file)?;
        if !rustix::fs::FileType::from_raw_mode(stat.st_mode).is_file() {
            return Err(Errno::INVAL);
        }
        Ok((File::from(file), stat))
    }

    /// The names in a directory, sorted, at most `limit`; and whether these are all.
    pub(in crate::collect) fn names(&self, path: &str, limit: usize) -> Result<(Vec<String>, bool), Errno> {
        let directory = self.open_plain(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        let mut names = Vec::new();
        let mut is_whole = true;
        for entry in rustix::fs::Dir::read_from(&directory)? {
            let entry = entry?;
            match entry.file_name().to_str() {
                Ok("." | "..") => {}
                Ok(_) if names.len() == limit => {
                    is_whole = false;
                    break;
                }
                Ok(name) => names.push(name.to_owned()),
                Err(_) => is_whole = false,
            }
        }
        names.sort_unstable();
        Ok((names, is_whole))
    }
}
