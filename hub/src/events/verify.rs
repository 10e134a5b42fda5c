//! Whether the log still says what was written: the first line that was changed, removed or put elsewhere.
//!
//! Each line holds the SHA-256 of the one before it, and its number. So of a log by itself one can say:
//!
//! - A line that was changed is found, by the line after it; one that was removed, doubled or moved, by its number.
//! - The *last* line is held by nothing yet: that it was changed, or that lines are missing after it, shows only by
//!   a checkpoint of it that somebody else keeps. The same goes for a line cut short at the very end: it looks like one
//!   that is being written.
//! - That the *oldest* segments are missing looks like pruning, which is the hub's right. A checkpoint older than the
//!   oldest line says otherwise: it is reported as not in the log.
//! - Whoever can write the files can write all of them anew, chain and all. Nothing in the log shows that; a
//!   checkpoint does, if it was kept where the same person could not write.
//!
//! Of two neighbours that do not fit each other, the line after them tells which was changed; there is none after
//! the last, and then both are named, unless a checkpoint tells.

use std::collections::BTreeSet;
use std::fmt;
use std::io;

use handoff_kernel::ident::Digest;

use super::event::Logged;
use super::read::{Found, Place, Walk};
use super::segment::path;
use super::{Checkpoint, NOTHING};
use crate::disk::Disk;

/// A log without a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    /// How many segments it has.
    pub segments: u64,
    /// How many lines.
    pub events: u64,
    /// The number of its first line; 1 when there is none.
    pub first: u64,
    /// Its last line.
    pub last: Checkpoint,
    /// How many of its lines were written afterwards, in place of lost ones.
    pub recovered: u64,
    /// Behind the last line there are the first bytes of another: it is being written, or was when a crash came.
    pub torn_tail: bool,
}

/// The first thing that is wrong with a log, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// In which segment, by the number in its name.
    pub segment: u64,
    /// At which line of it, from 1.
    pub line: u64,
    /// Where that line begins in it, in bytes.
    pub offset: u64,
    /// Which number the line that belongs there has.
    pub seq: u64,
    /// What is wrong.
    pub wrong: Wrong,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// What stands there is not a line as the hub writes one.
    NotALine,
    /// The segment ends in the middle of this line, and others follow it.
    CutShort,
    /// The line is another than the one that was written.
    Changed,
    /// This line or the one after it is another than was written; no sound line follows the two.
    ThisOrNext,
    /// This later line stands there.
    Later(u64),
    /// This earlier line stands there.
    Earlier(u64),
    /// A segment is missing before this one, or the one before it was cut.
    Gap,
    /// The segment begins with this line, which is not the one that it is named by.
    Misnamed(u64),
    /// The checkpoint of this line is another's.
    Differs(Checkpoint),
    /// The log begins after the line of this checkpoint.
    BeforeBegin(Checkpoint),
    /// The log ends before the line of this checkpoint.
    AfterEnd(Checkpoint),
}

impl Fault {
    /// The segment's file, within the data directory.
    #[must_use]
    pub fn file(&self) -> String {
        path(self.segment)
    }

    /// Where in that file, and what is wrong: a sentence without its full stop.
    #[must_use]
    pub fn what(&self) -> String {
        self.to_string()
            .strip_prefix(&format!("{}, ", self.file()))
            .unwrap_or_default()
            .trim_end_matches('.')
            .to_owned()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segment, line, offset, seq, wrong } = *self;
        write!(f, "{}, line {line} (byte {offset}): ", path(segment))?;
        match wrong {
            Wrong::NotALine => {
                write!(f, "event {seq} belongs here, and this is not a line as the hub writes one.")
            }
            Wrong::CutShort => write!(f, "event {seq} is cut short, though others come after it."),
            Wrong::Changed => write!(f, "event {seq} has been changed since it was written."),
            Wrong::ThisOrNext => write!(
                f,
                "event {seq} has been changed since it was written, or else the one after it has; no sound line after those two tells which."
            ),
            Wrong::Later(found) => write!(
                f,
                "event {found} stands here, and event {seq} belongs here: what lies between has been removed or put elsewhere."
            ),
            Wrong::Earlier(found) => write!(
                f,
                "event {found} stands here, and event {seq} belongs here: lines have been doubled or put elsewhere."
            ),
            Wrong::Gap => write!(
                f,
                "event {seq} belongs before this segment: the events {seq} to {} have been removed. Put them back from a copy, or move the segments before this one elsewhere, to verify what is left.",
                segment.saturating_sub(1)
            ),
            Wrong::Misnamed(found) => write!(
                f,
                "the segment begins with event {found} and is named by another: it has been renamed, or lines have been removed."
            ),
            Wrong::Differs(checkpoint) => write!(
                f,
                "event {} is not what the checkpoint {checkpoint} was taken of: it has been changed, or what came before it has and all since was written anew.",
                checkpoint.seq
            ),
            Wrong::BeforeBegin(checkpoint) => write!(
                f,
                "the log begins with event {seq}, and the checkpoint {checkpoint} is older: the events up to it and beyond have been pruned or removed."
            ),
            Wrong::AfterEnd(checkpoint) => write!(
                f,
                "the log ends before event {seq}, and the checkpoint {checkpoint} was taken after it: the events from {seq} on have been removed."
            ),
        }
    }
}

/// Why a log is not known to be whole.
#[derive(Debug)]
pub enum NotWhole {
    /// It cannot be read.
    Unreadable(io::Error),
    /// It is not what was written.
    Fault(Fault),
}

impl fmt::Display for NotWhole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(error) => write!(f, "The event log cannot be read: {error}."),
            Self::Fault(fault) => fault.fmt(f),
        }
    }
}

impl std::error::Error for NotWhole {}

impl From<io::Error> for NotWhole {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error)
    }
}

impl From<Fault> for NotWhole {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// A line that has been read.
#[derive(Debug, Clone, Copy)]
struct Seen {
    place: Place,
    seq: u64,
    sha256: Digest,
}

impl Seen {
    const fn fault(&self, wrong: Wrong) -> Fault {
        self.place.fault(self.seq, wrong)
    }
}

impl Place {
    const fn fault(self, seq: u64, wrong: Wrong) -> Fault {
        Fault { segment: self.segment, line: self.line, offset: self.offset, seq, wrong }
    }
}

/// What has been read so far.
#[derive(Debug)]
struct Chain {
    checkpoints: BTreeSet<Checkpoint>,
    first: Option<u64>,
    last: Option<Seen>,
    /// The line before the last, when the last does not hold it: one of the two has been changed.
    doubt: Option<Seen>,
    events: u64,
    recovered: u64,
}

/// Reads the whole log once, and holds it against checkpoints that were kept elsewhere. It takes as much memory as the
/// longest line, and no lock: the hub may be writing meanwhile. A fault is then worth a second look, for a write
/// that failed half-way is written over.
///
/// # Errors
/// The first line that is not as it was written, or why the log cannot be read.
pub fn verify<D: Disk>(disk: &D, checkpoints: &[Checkpoint]) -> Result<Verified, NotWhole> {
    let mut walk = Walk::through(disk)?;
    let checkpoints = checkpoints.iter().copied().collect();
    let mut chain = Chain { checkpoints, first: None, last: None, doubt: None, events: 0, recovered: 0 };
    let mut torn_tail = false;
    while let Some((place, found)) = walk.next()? {
        match found {
            Found::Line(logged, sha256) => chain.take(place, &logged, sha256)?,
            Found::Foreign => return Err(chain.broken_off(place, Wrong::NotALine).into()),
            Found::CutShort => return Err(chain.broken_off(place, Wrong::CutShort).into()),
            Found::Unfinished => torn_tail = true,
        }
    }
    let newest = Place { segment: walk.newest().unwrap_or(1), line: 1, offset: 0 };
    chain.end(newest)?;
    let last = chain
        .last
        .map_or(Checkpoint { seq: 0, sha256: NOTHING }, |l| Checkpoint { seq: l.seq, sha256: l.sha256 });
    Ok(Verified {
        segments: walk.opened(),
        events: chain.events,
        first: chain.first.unwrap_or(1),
        last,
        recovered: chain.recovered,
        torn_tail,
    })
}

impl Chain {
    /// The number that the next line has; none while there is no line before it.
    fn expected(&self) -> Option<u64> {
        self.last.map(|last| last.seq.saturating_add(1))
    }

    /// Takes a line that reads as one of ours.
    fn take(&mut self, place: Place, logged: &Logged, sha256: Digest) -> Result<(), Fault> {
        let this = Seen { place, seq: logged.seq, sha256 };
        self.in_turn(place, logged.seq)?;
        if let (Some(before), Some(last)) = (self.doubt, self.last) {
            // The last is held by this one: then it is what it was, and the one before it is not.
            let changed = if logged.prev == last.sha256 { before } else { last };
            return Err(changed.fault(Wrong::Changed));
        }
        match self.last {
            None => self.begin(&this, logged.prev)?,
            Some(before) if logged.prev != before.sha256 => {
                if self.checkpoint(before.seq).is_some() {
                    // It was held against it, and agreed.
                    return Err(this.fault(Wrong::Changed));
                }
                if let Some(kept) = self.checkpoint(this.seq) {
                    let changed = if kept.sha256 == sha256 { before } else { this };
                    return Err(changed.fault(Wrong::Changed));
                }
                self.doubt = Some(before);
            }
            Some(_) => {}
        }
        if let Some(kept) = self.checkpoints_of(this.seq).find(|kept| kept.sha256 != sha256) {
            return Err(this.fault(Wrong::Differs(kept)));
        }
        self.last = Some(this);
        self.events += 1;
        self.recovered += u64::from(logged.recovered);
        Ok(())
    }

    /// Whether this line is the next one.
    fn in_turn(&self, place: Place, seq: u64) -> Result<(), Fault> {
        let expected = self.expected().unwrap_or(place.segment);
        if place.line == 1 && place.segment > expected {
            return Err(self.broken_off(place, Wrong::Gap));
        }
        if place.line == 1 && place.segment != seq {
            return Err(self.broken_off(place, Wrong::Misnamed(seq)));
        }
        match seq.cmp(&expected) {
            std::cmp::Ordering::Equal => Ok(()),
            std::cmp::Ordering::Greater => Err(self.broken_off(place, Wrong::Later(seq))),
            std::cmp::Ordering::Less => Err(self.broken_off(place, Wrong::Earlier(seq))),
        }
    }

    /// The oldest line: what comes before it can only be known by checkpoints.
    fn begin(&mut self, this: &Seen, prev: Digest) -> Result<(), Fault> {
        if this.seq == 1 && prev != NOTHING {
            return Err(this.fault(Wrong::Changed));
        }
        self.first = Some(this.seq);
        let before = Checkpoint { seq: this.seq.saturating_sub(1), sha256: prev };
        for kept in self.checkpoints.iter().filter(|kept| kept.seq < this.seq) {
            if kept.seq < before.seq {
                return Err(this.fault(Wrong::BeforeBegin(*kept)));
            }
            if *kept != before {
                return Err(this.fault(Wrong::Differs(*kept)));
            }
        }
        Ok(())
    }

    /// Something is wrong here, unless something was before.
    fn broken_off(&self, place: Place, wrong: Wrong) -> Fault {
        match self.doubt {
            Some(before) => before.fault(Wrong::ThisOrNext),
            None => place.fault(self.expected().unwrap_or(place.segment), wrong),
        }
    }

    /// No line follows.
    fn end(&self, newest: Place) -> Result<(), Fault> {
        if let Some(before) = self.doubt {
            return Err(before.fault(Wrong::ThisOrNext));
        }
        let next = self.expected().unwrap_or(1);
        // Its name says that there were lines before it, even if it has none itself.
        if self.last.is_some() && newest.segment > next {
            return Err(newest.fault(next, Wrong::Gap));
        }
        let nothing = Checkpoint { seq: 0, sha256: NOTHING };
        let reached = |kept: &&Checkpoint| kept.seq < next && (self.last.is_some() || **kept == nothing);
        match self.checkpoints.iter().find(|kept| !reached(kept)) {
            Some(kept) => {
                Err(self.last.map_or(newest, |last| last.place).fault(next, Wrong::AfterEnd(*kept)))
            }
            None => Ok(()),
        }
    }

    fn checkpoint(&self, seq: u64) -> Option<Checkpoint> {
        self.checkpoints_of(seq).next()
    }

    fn checkpoints_of(&self, seq: u64) -> impl Iterator<Item = Checkpoint> {
        let (least, most) = (Digest([0; 32]), Digest([u8::MAX; 32]));
        let of = Checkpoint { seq, sha256: least }..=Checkpoint { seq, sha256: most };
        self.checkpoints.range(of).copied()
    }
}
