//! Opening a data directory: its format, the journal redone, the live handoffs indexed.

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use handoff_kernel::ident::HandoffId;
use handoff_kernel::law::{Law, Protocol};
use handoff_kernel::record::Status;
use handoff_kernel::time::Time;

use super::covers::Covers;
use super::files::{Files as _, MAKING};
use super::index::Index;
use super::journal::{Journal, JournalError};
use super::neighbour::{Noticed, Watch};
use super::place::directory;
use super::redo::redo;
use super::retain::Round;
use super::slip::Slips;
use super::{DirectoryStore, upgrade};
use crate::disk::{Disk, RealDisk};
use crate::events::EventLog;

/// The version of the format of the data directory that this hub writes. It reads those before it as well.
pub(super) const FORMAT: &str = "2";

/// What a data directory has inside.
pub(super) const DIRECTORIES: [&str; 7] = [
    directory(Status::Pending),
    directory(Status::Claimed),
    directory(Status::Completed),
    directory(Status::Rejected),
    "events",
    "quarantine",
    MAKING,
];

/// Why a data directory cannot be used.
#[derive(Debug)]
pub enum OpenError {
    /// Another hub has it.
    InUse(PathBuf),
    /// It is not a directory, or one that cannot be written.
    Unusable(PathBuf, io::Error),
    /// Its format is not one that this hub knows.
    Format(PathBuf, String),
    /// What was flushed to the journal is not there any more.
    Damaged(PathBuf, String),
    /// The file system cannot rename without replacing.
    NoRename(PathBuf, io::Error),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InUse(path) => write!(
                f,
                "The data directory {} is in use by another hub; stop that one, or give this one its own with --data.",
                path.display()
            ),
            Self::Unusable(path, error) => write!(
                f,
                "The data directory {} cannot be used: {error}. {}",
                path.display(),
                remedy(error.kind(), path)
            ),
            Self::Format(path, found)
                if found.is_empty() || found.contains(|c: char| !c.is_ascii_digit()) =>
            {
                write!(
                    f,
                    "The file FORMAT of the data directory {} says {found:?}, which is no version: if it was damaged, remove it and run `handoff-hub fsck --data {} --repair`.",
                    path.display(),
                    path.display()
                )
            }
            Self::Format(path, found) => write!(
                f,
                "The data directory {} has format {found:?}, and this hub knows formats 1 and {FORMAT} only; run the hub that wrote it, or a newer one.",
                path.display()
            ),
            Self::Damaged(path, what) => write!(
                f,
                "The journal in {} is damaged: {what}. Something that was acknowledged may be in there and nowhere else: keep a copy, see to the disk, and run `handoff-hub fsck --data {} --repair`.",
                path.display(),
                path.display()
            ),
            Self::NoRename(path, error) => write!(
                f,
                "The file system of {} cannot rename a file without replacing another ({error}); use one that can, such as ext4, xfs, btrfs or tmpfs.",
                path.display()
            ),
        }
    }
}

impl std::error::Error for OpenError {}

/// What to do about a data directory that cannot be used.
fn remedy(kind: io::ErrorKind, path: &Path) -> String {
    if kind == io::ErrorKind::StorageFull {
        "Make room on its disk: a hub needs 10 MiB to start.".into()
    } else if [io::ErrorKind::InvalidData, io::ErrorKind::Other].contains(&kind) {
        format!("`handoff-hub fsck --data {} --repair` mends what it can.", path.display())
    } else {
        "Give a directory that this user may write with --data.".into()
    }
}

/// How a store is set up.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// How far each of the two journal files is filled, in bytes, before the directories are flushed. Bounds how much
    /// there is to redo after a crash.
    pub journal_bytes: u64,
    /// How long a segment of the event log grows, in bytes.
    pub segment_bytes: u64,
    /// What a test lets the store do wrong.
    pub slips: Slips,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            journal_bytes: 4 * 1024 * 1024,
            segment_bytes: crate::events::SEGMENT_BYTES,
            slips: Slips::default(),
        }
    }
}

impl DirectoryStore<RealDisk> {
    /// Opens a data directory, made if it is missing, and takes its lock. See [`Self::on`].
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub fn open(path: &Path, options: Options, wall: Time) -> Result<(Self, Time), OpenError> {
        Self::on(own_disk(path)?, path, options, wall)
    }
}

/// The data directory of this path on the machine's own disk, made if it is missing, with its lock taken.
///
/// # Errors
/// One sentence that says what to do.
pub fn own_disk(path: &Path) -> Result<RealDisk, OpenError> {
    RealDisk::open(path).map_err(|error| {
        let taken = error.kind() == io::ErrorKind::WouldBlock;
        if taken { OpenError::InUse(path.to_owned()) } else { OpenError::Unusable(path.to_owned(), error) }
    })
}

impl<D: Disk> DirectoryStore<D> {
    /// Opens a data directory on this disk. See [`Self::under`].
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub fn on(disk: D, path: &Path, options: Options, wall: Time) -> Result<(Self, Time), OpenError> {
        Self::under(Protocol, disk, path, options, wall)
    }
}

impl<D: Disk, L: Law> DirectoryStore<D, L> {
    /// Opens a data directory that errors call by this path, under this law: upgrades its format if need be, redoes what
    /// the journal covers, and indexes the live handoffs. With it comes the newest time that was ever decided with: the
    /// wall clock's, or later.
    ///
    /// # Errors
    /// One sentence that says what to do. Nothing that was acknowledged is lost; a crash meanwhile loses nothing either.
    pub fn under(
        law: L,
        disk: D,
        path: &Path,
        options: Options,
        wall: Time,
    ) -> Result<(Self, Time), OpenError> {
        let unusable = |error: io::Error| OpenError::Unusable(path.to_owned(), error);
        prepare(&disk, path, wall)?;
        disk.sweep_out().map_err(unusable)?;
        let (mut store, mark) = Self::begin(law, disk, path, options, wall)?;
        // Claimed first: of two files of one id, the one that is further along stays.
        for status in [Status::Claimed, Status::Pending] {
            for name in store.disk.list(directory(status)).map_err(unusable)? {
                let found = store.found(&format!("{}/{name}", directory(status)), mark);
                let moved = found.filter(|found| found.moved).map(|found| Noticed::Moved(found.id));
                store.noticed.extend(moved);
            }
        }
        // Whatever rests on what was found is no more durable than it: one call for all of it.
        store.disk.flush_all().map_err(unusable)?;
        Ok((store, mark))
    }

    /// A store whose directories have all that the journal covers, in a directory that [`prepare`] has seen to. It has
    /// not looked at the handoffs yet.
    pub(super) fn begin(
        law: L,
        mut disk: D,
        path: &Path,
        options: Options,
        wall: Time,
    ) -> Result<(Self, Time), OpenError> {
        let unusable = |error: io::Error| OpenError::Unusable(path.to_owned(), error);
        let Options { journal_bytes, segment_bytes, slips } = options;
        works(&disk, path)?;
        let mut notes = Vec::new();
        for status in [Status::Pending, Status::Claimed] {
            if let Err(error) = disk.watch(directory(status)) {
                notes.push(format!(
                    "The system does not tell what happens in {}: it is listed more often instead ({error}).",
                    directory(status)
                ));
            }
        }
        let watched = notes.is_empty();
        let (journal, covered) = Journal::open(&disk, journal_bytes, slips).map_err(|error| match error {
            JournalError::Io(error) => unusable(error),
            JournalError::Damaged(what) => OpenError::Damaged(path.to_owned(), what),
        })?;
        let mark = clock(&disk).map_err(unusable)?.max(Time(covered.mark)).max(wall);
        let happened = redo(&disk, &covered.frames, slips).map_err(unusable)?;
        let from = covered.frames.first().and_then(|frame| frame.log);
        let (log, told) = EventLog::open(&disk, from.as_ref()).map_err(unusable)?;
        let mut log = log.with_segments_of(segment_bytes);
        notes.extend(told);
        if let Some(from) = &from {
            notes.extend(log.redo(&disk, from, &happened).map_err(unusable)?);
        }

        let mut store = Self {
            law: law.clone(),
            disk,
            journal,
            flushing: None,
            checkpoint_wanted: false,
            covers: Covers::default(),
            log,
            unlogged: Vec::new(),
            behind: false,
            slips,
            index: Index::under(law),
            round: Round::default(),
            watch: Watch { told: BTreeSet::new(), works: watched },
            down: None,
            full: false,
            noticed: Vec::new(),
            notes,
        };
        if covered.frames.is_empty() {
            // What is there is durable, and said to be.
            if !store.journal.is_fresh() {
                store.journal.turn();
            }
            if let Err(error) = store.keep_mark(mark) {
                store.notes.push(format!("The hub's clock cannot be written: {error}."));
            }
            return Ok((store, mark));
        }
        for frame in &covered.frames {
            let segment = frame.log.map_or(1, |log| log.segment);
            let handoffs = frame.entries.iter().filter_map(|entry| HandoffId::parse(entry.handoff()).ok());
            handoffs.for_each(|handoff| store.covers.add(handoff, segment));
        }
        store.checkpoint(mark).map_err(|down| unusable(io::Error::other(down)))?;
        Ok((store, mark))
    }

    /// How many handoffs are pending or claimed.
    #[must_use]
    pub fn live(&self) -> usize {
        self.index.len()
    }
}

/// Makes the directories, and sees to it that they are of this format.
pub(super) fn prepare<D: Disk>(disk: &D, path: &Path, wall: Time) -> Result<(), OpenError> {
    let unusable = |error: io::Error| OpenError::Unusable(path.to_owned(), error);
    for name in DIRECTORIES {
        disk.make_directory(name).map_err(unusable)?;
    }
    let found = disk.read("FORMAT", 64).map_err(unusable)?;
    let found = found.map(|found| String::from_utf8_lossy(found.bytes.trim_ascii()).into_owned());
    match found.as_deref() {
        Some(FORMAT) => {}
        // Who makes a directory anew writes this before anything else.
        None if !disk.exists(upgrade::JOURNAL).map_err(unusable)? => {
            disk.replace_whole("FORMAT", format!("{FORMAT}\n").as_bytes()).map_err(unusable)?;
            disk.flush_directory("").map_err(unusable)?;
        }
        Some("1") | None => {
            let mark = upgrade::from_1(disk).map_err(unusable)?.max(clock(disk).map_err(unusable)?).max(wall);
            disk.replace_whole("clock", format!("{}\n", mark.0).as_bytes()).map_err(unusable)?;
            disk.flush_all().map_err(unusable)?;
            disk.replace_whole("FORMAT", format!("{FORMAT}\n").as_bytes()).map_err(unusable)?;
            disk.flush_directory("").map_err(unusable)?;
        }
        Some(other) => return Err(OpenError::Format(path.to_owned(), other.to_owned())),
    }
    upgrade::put_away(disk).map_err(unusable)
}

/// Whether the file system does what everything rests on.
fn works<D: Disk>(disk: &D, path: &Path) -> Result<(), OpenError> {
    match probe(disk) {
        // Whoever has no room for two names more may still have nothing else to do than to answer.
        Err(error) if error.kind() == io::ErrorKind::StorageFull => Ok(()),
        result => result.map_err(|error| OpenError::NoRename(path.to_owned(), error)),
    }
}

/// How far the hub's time had come, by its own file. The journal knows as well.
pub(super) fn clock<D: Disk>(disk: &D) -> io::Result<Time> {
    let Some(found) = disk.read("clock", 64)? else { return Ok(Time(0)) };
    let text = String::from_utf8_lossy(&found.bytes).trim().to_owned();
    let bad = |_| io::Error::other(format!("its file clock says {text:?}, which is no time in milliseconds"));
    Ok(Time(text.parse().map_err(bad)?))
}

/// Everything rests on a rename that fails rather than replace.
fn probe<D: Disk>(disk: &D) -> io::Result<()> {
    let [probe, there, moved] = ["probe", "there", "moved"].map(|name| format!("{MAKING}/{name}"));
    disk.write_new(&probe, b"", None)?;
    disk.write_new(&there, b"", None)?;
    match disk.rename(&probe, &there) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
        Ok(()) => return Err(io::Error::other("it replaced the other file")),
    }
    disk.rename(&probe, &moved)?;
    disk.remove(&moved)?;
    disk.remove(&there)
}
