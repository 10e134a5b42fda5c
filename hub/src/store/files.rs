//! All file access of the store: a data directory and the few things that are done in it.
//!
//! Nothing here knows what a handoff is. [`DataDir::rename`], by which handoffs move, never replaces a file; the two
//! calls that do are for the hub's own small files. Nothing is deleted but what lies under `tmp/`.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use handoff_kernel::time::Time;
use rustix::fs::{self, FlockOperation, RenameFlags, Timespec, Timestamps};

use crate::files::{self, NO_SURPRISES};

/// A directory that this process alone writes, but for same-host agents that rename files in it.
#[derive(Debug)]
pub(super) struct DataDir {
    path: PathBuf,
    /// Held open for its lock and for flushing the file system it is on.
    lock: File,
}

/// What a directory looked like: it changes when an entry does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp(i64, i64);

/// A file's bytes and when they were last written.
#[derive(Debug)]
pub(super) struct Contents {
    pub(super) bytes: Vec<u8>,
    pub(super) modified: Time,
}

impl DataDir {
    /// Makes the directory and those named in it where they are missing, and takes its lock.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process holds the lock; otherwise what the system says.
    pub(super) fn open(path: &Path, inside: &[&str]) -> io::Result<Self> {
        files::private_directory(path)?;
        for name in inside {
            std::fs::create_dir_all(path.join(name))?;
        }
        let lock = files::lock(&path.join("lock"), FlockOperation::NonBlockingLockExclusive)?;
        Ok(Self { path: path.to_owned(), lock })
    }

    /// The path of a file in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Whether there is anything of this name.
    pub(super) fn exists(&self, name: &str) -> bool {
        self.path(name).symlink_metadata().is_ok()
    }

    /// A regular file's bytes, at most `limit + 1` of them; none when there is nothing of this name.
    pub(super) fn read(&self, name: &str, limit: u64) -> io::Result<Option<Contents>> {
        let read = files::read(&self.path(name), limit)?;
        Ok(read.map(|(bytes, about)| Contents { bytes, modified: millis(about.mtime(), about.mtime_nsec()) }))
    }

    /// Writes a whole file that nobody else looks at yet, dated so.
    pub(super) fn write_new(&self, name: &str, bytes: &[u8], modified: Time) -> io::Result<()> {
        let file =
            OpenOptions::new().create(true).truncate(true).write(true).mode(0o640).open(self.path(name))?;
        file.write_all_at(bytes, 0)?;
        set_modified(&file, modified)
    }

    /// Opens a file that is there, to be written. What is written goes into this very file, wherever it is renamed
    /// meanwhile.
    pub(super) fn open_to_write(&self, name: &str) -> io::Result<File> {
        OpenOptions::new().write(true).custom_flags(NO_SURPRISES).open(self.path(name))
    }

    /// Writes these bytes at this offset of a file that is there. Writing them again changes nothing.
    pub(super) fn write_at(&self, name: &str, offset: u64, bytes: &[u8]) -> io::Result<()> {
        self.open_to_write(name)?.write_all_at(bytes, offset)
    }

    /// Makes one file durable that somebody else wrote, and its name.
    pub(super) fn sync_file(&self, name: &str) -> io::Result<()> {
        File::open(self.path(name))?.sync_all()?;
        let directory = name.rsplit_once('/').map_or("", |(directory, _)| directory);
        self.sync_directory(directory)
    }

    /// Makes the names in a directory durable.
    pub(super) fn sync_directory(&self, name: &str) -> io::Result<()> {
        File::open(self.path(name))?.sync_all()
    }

    /// Sets when a file was last written.
    pub(super) fn touch(&self, name: &str, modified: Time) -> io::Result<()> {
        set_modified(&OpenOptions::new().write(true).open(self.path(name))?, modified)
    }

    /// Renames, and never replaces: [`io::ErrorKind::NotFound`] when `from` is gone,
    /// [`io::ErrorKind::AlreadyExists`] when `to` is there.
    pub(super) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let (from, to) = (self.path(from), self.path(to));
        Ok(fs::renameat_with(fs::CWD, &from, fs::CWD, &to, RenameFlags::NOREPLACE)?)
    }

    /// Replaces a small file of the hub's own, whole or not at all, and durably.
    pub(super) fn replace(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        files::replace(&self.path, name, "tmp/replace", bytes)
    }

    /// Removes a file of the hub's own under `tmp/`.
    pub(super) fn remove_temporary(&self, name: &str) -> io::Result<()> {
        std::fs::remove_file(self.path("tmp").join(name))
    }

    /// The names in a directory, sorted.
    pub(super) fn list(&self, name: &str) -> io::Result<BTreeSet<String>> {
        let mut names = BTreeSet::new();
        for entry in std::fs::read_dir(self.path(name))? {
            // A name that is not UTF-8 cannot be a handoff's; shown lossily it matches none either.
            names.insert(entry?.file_name().to_string_lossy().into_owned());
        }
        Ok(names)
    }

    /// What a directory looks like now.
    pub(super) fn stamp(&self, name: &str) -> io::Result<Stamp> {
        let about = self.path(name).metadata()?;
        Ok(Stamp(about.mtime(), about.mtime_nsec()))
    }

    /// Makes all that was done in the directory durable, with one call.
    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(fs::syncfs(&self.lock)?)
    }
}

fn set_modified(file: &File, modified: Time) -> io::Result<()> {
    let at = Timespec {
        tv_sec: i64::try_from(modified.0 / 1000).unwrap_or(i64::MAX),
        tv_nsec: (modified.0 % 1000).cast_signed() * 1_000_000,
    };
    Ok(fs::futimens(file, &Timestamps { last_access: at, last_modification: at })?)
}

/// A time before 1970 counts as 1970.
fn millis(seconds: i64, nanos: i64) -> Time {
    let seconds = u64::try_from(seconds).unwrap_or(0);
    Time(seconds.saturating_mul(1000).saturating_add(u64::try_from(nanos / 1_000_000).unwrap_or(0)))
}
