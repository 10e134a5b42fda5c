//! `fsck`: a data directory is looked through, every anomaly named with its file, and mended if that was asked for.
//!
//! ```text
//!   around   FORMAT, the directories, clock, tokens.json, tmp/, quarantine/, what belongs to nobody
//!   journals what they cover, and what is left of damaged ones
//!   log      its chain; and what of it each handoff should find there
//!   handoffs each file by itself (judge), and against others of its id
//! ```
//!
//! Two promises. Without `repair` nothing is written, not even a time. With it nothing is lost: what has to go from its
//! place goes to `quarantine/`, with its reason beside it, and a file that is cut is copied there first. What may
//! happen to a handoff is decided elsewhere: what does not fit is moved, completed from what the directory itself says,
//! or left and named.

mod around;
mod handoffs;
mod journals;
mod judge;
mod log;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use handoff_kernel::ident::HandoffId;
use handoff_kernel::law::Protocol;
use handoff_kernel::record::Status;
use handoff_kernel::time::Time;

use super::open::{OpenError, Options, prepare};
use super::place::directory;
use super::{DirectoryStore, StoreDown};
use crate::disk::{Disk, RealDisk};
use around::Format;
use handoffs::Handoffs;
use log::Known;

/// What became of a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Then {
    /// Nothing is wrong; this is what follows from it.
    Note(String),
    /// It is as it was; this is what can be done.
    Left(String),
    /// It was mended, like this.
    Done(String),
}

/// One thing that a person should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The file, in the data directory.
    pub file: String,
    /// What is wrong with it.
    pub what: String,
    /// What became of that.
    pub then: Then,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (note, then) = match &self.then {
            Then::Note(then) => ("note: ", then),
            Then::Left(then) | Then::Done(then) => ("", then),
        };
        // A name may be anything, and a line is a line.
        let file = self.file.escape_debug();
        let what = self.what.trim_end_matches('.').replace('\n', " ");
        write!(f, "{file}: {note}{what}. {}.", then.trim_end_matches('.').replace('\n', " "))
    }
}

/// How it ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many handoffs were looked at: pending, claimed, completed, rejected.
    pub looked_at: [u64; 4],
    /// How many anomalies there were.
    pub findings: u64,
    /// How many of them were mended.
    pub repaired: u64,
    /// How much else was told.
    pub notes: u64,
}

impl Summary {
    /// Whether nothing is wrong now.
    #[must_use]
    pub const fn is_clean(&self) -> bool {
        self.findings == self.repaired
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [pending, claimed, completed, rejected] = self.looked_at;
        write!(
            f,
            "{pending} pending, {claimed} claimed, {completed} completed, {rejected} rejected: {} findings, {} repaired; {} notes.",
            self.findings, self.repaired, self.notes
        )
    }
}

/// Why a data directory could not be looked through.
#[derive(Debug)]
pub enum Failed {
    /// There is none.
    NoDirectory(PathBuf),
    /// There is nothing of a hub's in it.
    NotOurs(PathBuf),
    /// A hub runs there.
    InUse(PathBuf),
    /// The system would not.
    Io(PathBuf, io::Error),
    /// It could not be opened for repair.
    Open(OpenError),
    /// What was done could not be made durable.
    Down(StoreDown),
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDirectory(path) => {
                write!(f, "There is no data directory {}; give the hub's with --data.", path.display())
            }
            Self::NotOurs(path) => write!(
                f,
                "No hub has ever run on {}: it has neither FORMAT nor a journal nor handoff/. Give a hub's data directory with --data.",
                path.display()
            ),
            Self::InUse(path) => write!(
                f,
                "A hub runs on {}: what it is about to write would look like damage. Stop it first.",
                path.display()
            ),
            Self::Io(path, error) => write!(
                f,
                "The data directory {} cannot be looked through: {error}. {}",
                path.display(),
                remedy(error.kind())
            ),
            Self::Open(error) => error.fmt(f),
            Self::Down(down) => down.fmt(f),
        }
    }
}

impl std::error::Error for Failed {}

fn remedy(kind: io::ErrorKind) -> &'static str {
    if kind == io::ErrorKind::StorageFull {
        "Make room on its disk."
    } else if kind == io::ErrorKind::ReadOnlyFilesystem {
        "Make its file system writable, or look without --repair."
    } else if kind == io::ErrorKind::NotADirectory {
        "Something in it is a file where a directory belongs: --repair moves it aside."
    } else {
        "Run this as the user that the hub runs as."
    }
}

/// Looks through a data directory, and mends what can be mended if `repair`. Each finding is told as it is found.
///
/// # Errors
/// When it could not be looked through to the end.
pub fn fsck(
    path: &Path,
    repair: bool,
    wall: Time,
    tell: &mut dyn FnMut(&Finding),
) -> Result<Summary, Failed> {
    if !path.is_dir() {
        return Err(Failed::NoDirectory(path.to_owned()));
    }
    let ours = ["FORMAT", "journal", "journal.0", "journal.1", directory(Status::Pending)];
    if !ours.iter().any(|name| path.join(name).symlink_metadata().is_ok()) {
        return Err(Failed::NotOurs(path.to_owned()));
    }
    let opened = if repair { RealDisk::open(path) } else { RealDisk::hold(path) };
    let disk = opened.map_err(|error| {
        let taken = error.kind() == io::ErrorKind::WouldBlock;
        if taken { Failed::InUse(path.to_owned()) } else { Failed::Io(path.to_owned(), error) }
    })?;
    let mut said = Said { tell, summary: Summary::default() };
    around::tokens(path, &mut said);
    check(disk, path, repair, wall, &mut said)?;
    Ok(said.summary)
}

/// What is told, and counted.
struct Said<'a> {
    tell: &'a mut dyn FnMut(&Finding),
    summary: Summary,
}

impl Said<'_> {
    fn say(&mut self, file: &str, what: impl Into<String>, then: Then) {
        match then {
            Then::Note(_) => self.summary.notes += 1,
            Then::Left(_) => self.summary.findings += 1,
            Then::Done(_) => {
                self.summary.findings += 1;
                self.summary.repaired += 1;
            }
        }
        (self.tell)(&Finding { file: file.to_owned(), what: what.into(), then });
    }

    fn note(&mut self, file: &str, what: impl Into<String>, then: &str) {
        self.say(file, what, Then::Note(then.to_owned()));
    }

    fn left(&mut self, file: &str, what: impl Into<String>, then: impl Into<String>) {
        self.say(file, what, Then::Left(then.into()));
    }

    /// What was tried, and came out so.
    fn tried(&mut self, file: &str, what: impl Into<String>, result: io::Result<String>) {
        let then = match result {
            Ok(done) => Then::Done(done),
            Err(error) => Then::Left(format!("It could not be mended: {error}")),
        };
        self.say(file, what, then);
    }
}

/// What looks, or mends.
#[derive(Debug)]
enum Hands<D: Disk> {
    Looking(D),
    Mending(Box<DirectoryStore<D>>),
}

impl<D: Disk> Hands<D> {
    const fn disk(&self) -> &D {
        match self {
            Self::Looking(disk) => disk,
            Self::Mending(store) => &store.disk,
        }
    }

    const fn mends(&self) -> bool {
        match self {
            Self::Looking(_) => false,
            Self::Mending(_) => true,
        }
    }
}

fn check<D: Disk>(disk: D, path: &Path, repair: bool, wall: Time, said: &mut Said<'_>) -> Result<(), Failed> {
    let io = |error| Failed::Io(path.to_owned(), error);
    let format = around::format(&disk, repair, said).map_err(io)?;
    if format == Format::Unknown || !around::directories(&disk, repair, wall, said).map_err(io)? {
        return Ok(());
    }
    let clock = around::clock(&disk, repair, wall, said).map_err(io)?;
    let covers = journals::look(&disk, format, repair, wall, said).map_err(io)?;
    around::leftovers(&disk, said).map_err(io)?;
    let aside = around::aside(&disk, said).map_err(io)?;
    let mut now = wall.max(clock).max(covers.mark);
    let mut hands = Hands::Looking(disk);
    let mut covered = covers.handoffs;
    if repair {
        let Hands::Looking(disk) = hands else { return Ok(()) };
        prepare(&disk, path, wall).map_err(Failed::Open)?;
        let (mut store, mark) =
            DirectoryStore::begin(Protocol, disk, path, Options::default(), wall).map_err(Failed::Open)?;
        for note in store.take_notes() {
            said.note("start", note, "So it said as it began");
        }
        now = mark;
        // They have been carried out.
        covered = BTreeSet::new();
        hands = Hands::Mending(Box::new(store));
    }
    let compares = format == Format::Current || repair;
    let known = if compares { Some(Known::read(hands.disk(), said).map_err(io)?) } else { None };
    let mut handoffs = Handoffs::new(&mut hands, said, now, covered, known).map_err(io)?;
    handoffs.look().map_err(io)?;
    handoffs.look_for_the_lost(&aside).map_err(io)?;
    match hands {
        Hands::Looking(_) => Ok(()),
        Hands::Mending(mut store) => store.checkpoint(now).map_err(Failed::Down),
    }
}

/// The id in a handoff's file name, wherever it lies.
fn id_of(file: &str) -> Option<HandoffId> {
    let stem = file.rsplit('/').next()?.strip_suffix(".json")?;
    HandoffId::parse(stem.split_once('~').map_or(stem, |(id, _)| id)).ok()
}
