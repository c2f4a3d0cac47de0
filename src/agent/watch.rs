//! Hears of changes below the root from the kernel (inotify(7)).

use std::collections::BTreeMap;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, OwnedFd};

use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::collect::node::{Directory, Root};

/// More are not watched: a node has a few dozen.
const LIMIT: usize = 2_000;

/// Watches on directories.
pub(super) struct Watch {
    events: AsyncFd<OwnedFd>,
    directories: Vec<Directory>,
    by_number: BTreeMap<i32, usize>,
}

impl Watch {
    /// Watches these directories.
    pub(super) fn new(root: &Root, directories: Vec<Directory>) -> io::Result<Self> {
        let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        let flags = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ATTRIB
            | WatchFlags::DELETE_SELF
            | WatchFlags::MOVE_SELF
            | WatchFlags::ONLYDIR;
        let mut by_number = BTreeMap::new();
        for (at, directory) in directories.iter().enumerate().take(LIMIT) {
            // What is open below the root is watched, and not what a path of that name leads to elsewhere.
            let Ok(open) = root.directory(&directory.path) else { continue };
            match inotify::add_watch(&events, format!("/proc/self/fd/{}", open.as_raw_fd()), flags) {
                Ok(number) => {
                    by_number.insert(number, at);
                }
                // Gone meanwhile, or not ours to watch.
                Err(Errno::NOENT | Errno::ACCESS) => {}
                Err(error) => return Err(error.into()),
            }
        }
        // Its successor is unsafe because other types may close the descriptor meanwhile: an OwnedFd does not.
        #[allow(deprecated)]
        let events = AsyncFd::with_interest(events, Interest::READABLE)?;
        Ok(Self { events, directories, by_number })
    }

    /// Whether exactly these directories are watched.
    pub(super) fn is_on(&self, directories: &[Directory]) -> bool {
        self.directories == directories
    }

    /// Waits until something happens to what is read.
    pub(super) async fn changed(&mut self) {
        loop {
            let Ok(mut ready) = self.events.readable().await else { return std::future::pending().await };
            match ready.try_io(|events| self.drain(events.get_ref())) {
                Ok(Ok(true)) => return,
                Ok(Ok(false)) | Err(_) => {}
                Ok(Err(_)) => return std::future::pending().await,
            }
        }
    }

    /// Takes all events; `true`: one of them concerns what is read.
    fn drain(&self, events: &OwnedFd) -> io::Result<bool> {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut reader = inotify::Reader::new(events, &mut buffer);
        let mut concerns = false;
        let mut any = false;
        loop {
            match reader.next() {
                Ok(event) => {
                    any = true;
                    // After an overflow anything may have happened.
                    concerns |= event.events().contains(ReadFlags::QUEUE_OVERFLOW) || self.concerns(&event);
                }
                Err(Errno::AGAIN) if any => return Ok(concerns),
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn concerns(&self, event: &inotify::Event<'_>) -> bool {
        let directory = self.by_number.get(&event.wd()).and_then(|at| self.directories.get(*at));
        match (directory, event.file_name().map(|name| name.to_string_lossy())) {
            (Some(directory), Some(name)) => directory.concerns(&name),
            // The directory itself.
            (Some(_), None) => !event.events().contains(ReadFlags::IGNORED),
            (None, _) => false,
        }
    }
}
