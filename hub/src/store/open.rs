//! Opening a data directory: its lock, its format, the journal redone, the live handoffs indexed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use handoff_kernel::ident::HandoffId;
use handoff_kernel::record::Status;
use handoff_kernel::time::Time;

use super::files::DataDir;
use super::index::Index;
use super::journal::{Entry, Frame, Journal};
use super::neighbour::{Noticed, Watch};
use super::place::{Place, directory};
use super::{DirectoryStore, FILE_LIMIT, line};

/// The version of the format of the data directory that this hub writes.
const FORMAT: &str = "1";

/// Why a data directory cannot be used.
#[derive(Debug)]
pub enum OpenError {
    /// Another hub has it.
    InUse(PathBuf),
    /// It is not a directory, or one that cannot be written.
    Unusable(PathBuf, io::Error),
    /// Its format is not one that this hub knows.
    Format(PathBuf, String),
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
                "The data directory {} cannot be used: {error}. Give a directory that this user may write with --data.",
                path.display()
            ),
            Self::Format(path, found) => write!(
                f,
                "The data directory {} has format {found:?}, and this hub knows format {FORMAT} only; run the hub that wrote it, or a newer one.",
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

impl DirectoryStore {
    /// Opens a data directory, made if it is missing: takes its lock, redoes what the journal covers, and indexes
    /// the live handoffs. Returns the newest time that was ever decided with, too (`wall` or later), and what
    /// same-host agents did meanwhile.
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub fn open(path: &Path, wall: Time) -> Result<(Self, Time, Vec<Noticed>), OpenError> {
        let unusable = |error: io::Error| OpenError::Unusable(path.to_owned(), error);
        let inside = [
            directory(Status::Pending),
            directory(Status::Claimed),
            directory(Status::Completed),
            directory(Status::Rejected),
            "quarantine",
            "tmp",
        ];
        let dir = DataDir::open(path, &inside).map_err(|error| {
            let taken = error.kind() == io::ErrorKind::WouldBlock;
            if taken { OpenError::InUse(path.to_owned()) } else { unusable(error) }
        })?;
        match dir.read("FORMAT", 64).map_err(unusable)? {
            None => dir.replace("FORMAT", format!("{FORMAT}\n").as_bytes()).map_err(unusable)?,
            Some(found) if found.bytes.trim_ascii() == FORMAT.as_bytes() => {}
            Some(found) => {
                let text = String::from_utf8_lossy(found.bytes.trim_ascii()).into_owned();
                return Err(OpenError::Format(path.to_owned(), text));
            }
        }
        for left in dir.list("tmp").map_err(unusable)? {
            // Copies of what the journal has, or somebody's own: what cannot be removed is in nobody's way.
            let _ = dir.remove_temporary(&left);
        }
        probe(&dir).map_err(|error| OpenError::NoRename(path.to_owned(), error))?;

        let mark = match dir.read("clock", 64).map_err(unusable)? {
            None => Time(0),
            Some(found) => {
                let text = String::from_utf8_lossy(&found.bytes).trim().to_owned();
                let bad =
                    |_| unusable(io::Error::other(format!("its file clock says {text:?}, which is no time")));
                Time(text.parse().map_err(bad)?)
            }
        };
        let (journal, frames) = Journal::open(&dir.path("journal")).map_err(unusable)?;
        let mark = frames.iter().map(|frame| Time(frame.mark)).fold(mark.max(wall), Time::max);
        redo(&dir, &frames).map_err(unusable)?;

        let mut store = Self {
            dir,
            journal,
            index: Index::default(),
            watch: Watch::default(),
            down: None,
            full: false,
            come_by: Vec::new(),
            notes: Vec::new(),
        };
        store.checkpoint(mark).map_err(|down| unusable(io::Error::other(down)))?;
        let mut noticed = Vec::new();
        // Claimed first: of two files of one id, the one that is further along stays.
        for status in [Status::Claimed, Status::Pending] {
            for name in store.dir.list(directory(status)).map_err(unusable)? {
                let found = store.found(&format!("{}/{name}", directory(status)), mark);
                noticed.extend(found.map(|(_, noticed)| noticed));
            }
        }
        // Whatever rests on what was found is no more durable than it: one call for all of it.
        store.dir.sync().map_err(unusable)?;
        Ok((store, mark, noticed))
    }

    /// How many handoffs are pending or claimed.
    #[must_use]
    pub fn live(&self) -> usize {
        self.index.len()
    }
}

/// Everything rests on a rename that fails rather than replace.
fn probe(dir: &DataDir) -> io::Result<()> {
    dir.write_new("tmp/probe", b"", Time(0))?;
    dir.write_new("tmp/there", b"", Time(0))?;
    match dir.rename("tmp/probe", "tmp/there") {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        Err(error) => return Err(error),
        Ok(()) => return Err(io::Error::other("it replaced the other file")),
    }
    dir.rename("tmp/probe", "tmp/moved")?;
    dir.remove_temporary("moved")?;
    dir.remove_temporary("there")
}

/// What the journal covers of one handoff, in order.
#[derive(Default)]
struct Covered<'a> {
    start: Option<(Time, &'a [u8])>,
    moves: Vec<Move<'a>>,
}

struct Move<'a> {
    from: &'a str,
    to: &'a str,
    offset: u64,
    line: &'a str,
}

/// Does again what the journal covers. Doing it twice, or after half of it, comes to the same: a file moves only
/// from where its transition found it, and bytes are written again where they were written.
fn redo(dir: &DataDir, frames: &[Frame]) -> io::Result<()> {
    let void: BTreeSet<u64> = frames.iter().flat_map(|frame| frame.void.iter().copied()).collect();
    let mut handoffs: BTreeMap<HandoffId, Covered<'_>> = BTreeMap::new();
    let mut number = 0;
    for frame in frames {
        let mut artifacts = frame.artifacts.as_slice();
        for entry in &frame.entries {
            let counts = !void.contains(&number);
            number += 1;
            match entry {
                Entry::Start { id, arrived, bytes } => {
                    let cut = || io::Error::other(format!("the journal's artifact of {id} is cut short"));
                    let (artifact, rest) = artifacts.split_at_checked(*bytes).ok_or_else(cut)?;
                    artifacts = rest;
                    if counts {
                        let covered =
                            handoffs.entry(HandoffId::parse(id).map_err(io::Error::other)?).or_default();
                        // Of a handoff that somebody removed since, nothing is left to be done.
                        *covered = Covered { start: Some((Time(*arrived), artifact)), moves: Vec::new() };
                    }
                }
                Entry::Move { id, from, to, offset, line } if counts => {
                    let covered =
                        handoffs.entry(HandoffId::parse(id).map_err(io::Error::other)?).or_default();
                    covered.moves.push(Move { from, to, offset: *offset, line });
                }
                Entry::Move { .. } => {}
            }
        }
    }
    handoffs.iter().try_for_each(|(id, covered)| redo_one(dir, id, covered))
}

fn redo_one(dir: &DataDir, id: &HandoffId, covered: &Covered<'_>) -> io::Result<()> {
    let pending = Place::Pending.file(id);
    // How far its own file has come. A name alone does not say: somebody else's file may stand there.
    let made = covered.moves.iter().rposition(|m| covered.owns(dir, id, m.to)).map_or(0, |last| last + 1);
    let mut here = match (covered.moves.get(made.wrapping_sub(1)), covered.moves.first()) {
        (Some(last), _) => Some(last.to.to_owned()),
        (None, Some(first)) if covered.owns(dir, id, first.from) => Some(first.from.to_owned()),
        (None, _) => Place::PLAIN.map(|place| place.file(id)).into_iter().find(|f| covered.owns(dir, id, f)),
    };
    if let Some((arrived, artifact)) = covered.start {
        if let Some(here) = &here {
            // The name may have become durable before the bytes did.
            dir.write_at(here, 0, artifact)?;
            if *here == pending {
                dir.touch(here, arrived)?;
            }
        } else {
            let new = format!("tmp/{id}.json");
            dir.write_new(&new, artifact, arrived)?;
            match dir.rename(&new, &pending) {
                Ok(()) => here = Some(pending),
                // It lost to a dropped file, and nobody was told otherwise.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                    return dir.remove_temporary(&format!("{id}.json"));
                }
                Err(error) => return Err(error),
            }
        }
    }
    let Some(mut here) = here else { return Ok(()) };
    let (done, open) = covered.moves.split_at(made);
    for m in done {
        dir.write_at(&here, m.offset, m.line.as_bytes())?;
    }
    for m in open {
        // A same-host agent took it first, or put something in the way: the transition lost, and nobody was told
        // otherwise.
        if here != m.from || (m.from != m.to && dir.exists(m.to)) {
            break;
        }
        if m.from != m.to {
            dir.rename(m.from, m.to)?;
        }
        m.to.clone_into(&mut here);
        dir.write_at(&here, m.offset, m.line.as_bytes())?;
    }
    Ok(())
}

impl Covered<'_> {
    /// Whether a file is this handoff's: it says so, or it is what a power cut may have left of it (bytes that never
    /// reached the disk are missing or zero).
    fn owns(&self, dir: &DataDir, id: &HandoffId, file: &str) -> bool {
        let Ok(Some(contents)) = dir.read(file, FILE_LIMIT) else { return false };
        match (self.start, self.moves.first()) {
            (Some((_, artifact)), _) => {
                contents.bytes.iter().zip(artifact).all(|(found, written)| found == written || *found == 0)
            }
            (None, Some(first)) => {
                // What was there before the journal began is durable.
                let before = usize::try_from(first.offset).ok().and_then(|end| contents.bytes.get(..end));
                before.is_some_and(|bytes| {
                    line::read(bytes, contents.modified).is_ok_and(|told| told.record.id == *id)
                })
            }
            (None, None) => false,
        }
    }
}
