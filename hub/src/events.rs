//! The event log: one line for each transition, in order, each holding fast to the one before it.
//!
//! ```text
//!   DATA/events/00000000000000000001.ndjson     lines 1, 2, 3, …
//!   DATA/events/00000000000000004711.ndjson     lines 4711, …; the newest is written, the others are only read
//!
//!   {"seq":2,"at":…,"event":"claimed","handoff_id":…,…,"prev":"<SHA-256 of line 1>"}
//! ```
//!
//! It is there to be read by people and programs, and for nothing else: the hub reads nothing of it to decide, and
//! deleting it changes no answer. Each acknowledged transition has exactly one line, in order (rule S10). What the
//! chain of `prev` can show, and what it cannot, [`verify()`] says.
//!
//! # After a crash
//!
//! The log is never flushed for a transition's sake: the commit journal is, and it keeps the position at which the log
//! stood before its first frame, and the body of every line since. Two things can complete what a crash took:
//!
//! - the journal, by [`EventLog::redo`]. It writes *the very lines* that were lost, byte for byte, for number, body
//!   and `prev` of each are known. They are not marked: whoever kept a checkpoint of one of them, or a copy, finds
//!   it again. Only when the log before them is not as it was (somebody deleted or changed it) are they marked.
//! - the directories. They know what became of each handoff, and so which events there must be, but not under which
//!   number each stood, nor in which order events of different handoffs came. Lines made from them are new lines at
//!   the end of the log, marked `"recovered":true`. `fsck` does this for what the journal no longer covers.
//!
//! So the journal's way is the stronger one, and comes first.

mod event;
mod read;
mod redo;
mod segment;
mod verify;

use std::collections::BTreeSet;
use std::fmt;
use std::io;
use std::str::FromStr;

use handoff_kernel::ident::Digest;
use handoff_kernel::time::Time;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::disk::{Disk, DiskFile as _, Mode};
pub use event::{Happened, Logged};
pub use read::{Lines, lines};
use segment::{Last, path};
pub use verify::{Fault, NotWhole, Verified, Wrong, verify};

/// Where the log lies in the data directory.
pub const DIRECTORY: &str = "events";

/// How long a segment grows before the next line begins another.
pub const SEGMENT_BYTES: u64 = 16 * 1024 * 1024;

/// No line is longer: a reason that same-host agents wrote is bounded by what the store reads of a file.
const LONGEST_LINE: u64 = 16 * 1024 * 1024;

/// The `prev` of the first line there ever was.
const NOTHING: Digest = Digest([0; 32]);

/// Where the next line goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Position {
    /// The segment, by the number of its first line.
    pub segment: u64,
    /// Where in it, in bytes.
    pub offset: u64,
    /// The next line's number.
    pub seq: u64,
    /// The SHA-256 of the last line, without its line break; zeros when there has never been one.
    #[serde(serialize_with = "to_hex", deserialize_with = "from_hex")]
    pub prev: Digest,
}

fn to_hex<S: Serializer>(digest: &Digest, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(digest)
}

fn from_hex<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Digest, D::Error> {
    let text = String::deserialize(deserializer)?;
    Digest::from_hex(&text).ok_or_else(|| serde::de::Error::custom("a SHA-256 is 64 lower-case hex digits"))
}

impl Position {
    /// Where the first line ever goes.
    #[must_use]
    pub const fn start() -> Self {
        Self { segment: 1, offset: 0, seq: 1, prev: NOTHING }
    }

    /// At the begin of a segment of its own, with the same number and the same line before.
    #[must_use]
    const fn anew(self) -> Self {
        Self { segment: self.seq, offset: 0, ..self }
    }

    fn after(segment: u64, last: &Last) -> Self {
        let seq = last.logged.seq.saturating_add(1);
        Self { segment, offset: last.end, seq, prev: last.sha256 }
    }
}

/// A line by its number and its SHA-256. Kept by somebody else, it shows later whether the log up to this line still
/// says what it said. Its text is `SEQ:SHA256`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Checkpoint {
    /// The line's number; 0 before the first.
    pub seq: u64,
    /// The SHA-256 of its bytes, without the line break.
    pub sha256: Digest,
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.seq, self.sha256)
    }
}

/// A text is not a checkpoint's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadCheckpoint;

impl fmt::Display for BadCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "it must be SEQ:SHA256, a line's number and 64 lower-case hex digits, as `log verify` prints it",
        )
    }
}

impl std::error::Error for BadCheckpoint {}

impl FromStr for Checkpoint {
    type Err = BadCheckpoint;

    fn from_str(text: &str) -> Result<Self, BadCheckpoint> {
        let (seq, hex) = text.split_once(':').ok_or(BadCheckpoint)?;
        let digits = !seq.is_empty() && seq.bytes().all(|b| b.is_ascii_digit());
        let seq = if digits { seq.parse().ok() } else { None };
        Ok(Self { seq: seq.ok_or(BadCheckpoint)?, sha256: Digest::from_hex(hex).ok_or(BadCheckpoint)? })
    }
}

/// The log, open for appending.
#[derive(Debug)]
pub struct EventLog<D: Disk> {
    at: Position,
    segment_bytes: u64,
    /// The segment that is written, once it has been.
    file: Option<(u64, D::File)>,
    /// There may be bytes behind the position that count for nothing. They are cut off before anything is written, or
    /// what is left of them might pass for lines.
    torn: bool,
    /// Segments that an append made and did not get through with.
    strays: BTreeSet<u64>,
}

/// Bytes that go into one segment.
#[derive(Debug)]
struct Run {
    segment: u64,
    offset: u64,
    bytes: String,
}

impl<D: Disk> EventLog<D> {
    /// Opens the log and finds its end, by the newest segment alone. A torn last line counts for nothing. `from` is a
    /// position at which the log is known to have stood: no number before it is given again, even if the log ends
    /// earlier now. The notes say what a person should know.
    ///
    /// # Errors
    /// What the disk says.
    pub fn open(disk: &D, from: Option<&Position>) -> io::Result<(Self, Vec<String>)> {
        disk.make_directory(DIRECTORY)?;
        let mut notes = Vec::new();
        let segments = segment::list(disk)?;
        let mut at = Position::start();
        if let Some((segment, last)) = newest_line(disk, &segments)? {
            at = Position::after(segment, &last);
        }
        if let Some(&newest) = segments.last().filter(|newest| **newest != at.segment) {
            // A crash came between making it and writing its first line. Its name may stand for lines that were.
            at = Position { seq: at.seq.max(newest), ..at }.anew();
        }
        if let Some(from) = from {
            if at.seq < from.seq {
                notes.push(format!(
                    "The event log in {DIRECTORY}/ ends before line {}, but had come to line {}: somebody has removed the lines between. It goes on with line {}.",
                    at.seq,
                    from.seq - 1,
                    from.seq
                ));
                at = from.anew();
            } else if at.seq == from.seq && at.prev != from.prev {
                notes.push(format!(
                    "Line {} of the event log, in {}, is not the line that was written there: somebody has changed it. `handoff-hub log verify` says more.",
                    at.seq - 1,
                    path(at.segment)
                ));
                at.prev = from.prev;
            }
        }
        let len = disk.about(&path(at.segment))?.map_or(0, |about| about.len);
        if len > at.offset {
            let torn = len - at.offset;
            notes.push(format!(
                "The event log ends in {torn} bytes that are no whole line, in {}: the next line takes their place.",
                path(at.segment)
            ));
        }
        let torn = len > at.offset;
        let strays = BTreeSet::new();
        Ok((Self { at, segment_bytes: SEGMENT_BYTES, file: None, torn, strays }, notes))
    }

    /// The same log with segments of another length.
    #[must_use]
    pub fn with_segments_of(self, bytes: u64) -> Self {
        Self { segment_bytes: bytes, ..self }
    }

    /// Where the next line goes.
    #[must_use]
    pub const fn position(&self) -> Position {
        self.at
    }

    /// The last line, by its number and digest.
    #[must_use]
    pub const fn end(&self) -> Checkpoint {
        Checkpoint { seq: self.at.seq.saturating_sub(1), sha256: self.at.prev }
    }

    /// Appends a line for each body, with one write unless a segment is full. Nothing is flushed: until the store's
    /// next checkpoint a crash may take them, and then [`Self::redo`] writes them again.
    ///
    /// # Errors
    /// What the disk says. The position is where it was, and what was written of the lines counts for nothing.
    pub fn append(&mut self, disk: &D, bodies: &[&str]) -> io::Result<()> {
        self.write(disk, bodies, false).map(|_| ())
    }

    /// Appends a line for each body, marked as recovered: each tells of something that happened earlier, and whose own
    /// line has been lost.
    ///
    /// # Errors
    /// What the disk says. The position is where it was, and what was written of the lines counts for nothing.
    pub fn recover(&mut self, disk: &D, bodies: &[&str]) -> io::Result<()> {
        self.write(disk, bodies, true).map(|_| ())
    }

    /// Removes the oldest segment if it is not the newest too, nor `covered`, which the journal would write again, or later, and if all it tells of happened before `until`. At most
    /// one a call, so that no call takes long; says which.
    ///
    /// # Errors
    /// What the disk says.
    pub fn prune(&mut self, disk: &D, until: Time, covered: Option<u64>) -> io::Result<Option<u64>> {
        let segments = segment::list(disk)?;
        let Some(&oldest) = segments.first() else { return Ok(None) };
        if oldest == self.at.segment || segments.len() < 2 || covered.is_some_and(|covered| oldest >= covered)
        {
            return Ok(None);
        }
        // The deciding clock never goes back: what was decided last was decided latest. A line written afterwards
        // tells of an earlier time, and says nothing about the lines before it. One that cannot be read is evidence.
        let last = segment::last_line(disk, oldest)?.map(|last| last.logged);
        let newest = match last {
            Some(last) if last.recovered => read::newest_event(disk, oldest)?,
            last => last.map(|last| last.happened.at),
        };
        if newest.is_none_or(|newest| newest >= until) {
            return Ok(None);
        }
        disk.remove(&path(oldest))?;
        Ok(Some(oldest))
    }

    /// Writes a line for each body, and says into which segments. Where a segment is full is decided before each line,
    /// so that the same lines come into the same segments however they were batched.
    fn write(&mut self, disk: &D, bodies: &[&str], recovered: bool) -> io::Result<BTreeSet<u64>> {
        self.clean(disk)?;
        let (runs, end) = self.lines(bodies, recovered)?;
        for run in &runs {
            if run.segment == self.at.segment {
                self.torn = true;
            } else {
                self.strays.insert(run.segment);
            }
            let open = self.file.take().filter(|(segment, _)| *segment == run.segment);
            let file = match open {
                Some((_, file)) => file,
                None => Self::make(disk, run)?,
            };
            file.write_all_at(run.offset, run.bytes.as_bytes())?;
            let full = run.offset + run.bytes.len() as u64;
            let alone = run.segment == self.at.segment && run.segment == end.segment;
            if !alone && file.length()? > full {
                // Whatever else is there comes after a segment that is full, or was there before this one began.
                file.set_len(full)?;
            }
            self.file = Some((run.segment, file));
        }
        self.at = end;
        self.torn = false;
        self.strays.clear();
        Ok(runs.iter().map(|run| run.segment).collect())
    }

    /// The lines for these bodies, and where the one after them goes.
    fn lines(&self, bodies: &[&str], recovered: bool) -> io::Result<(Vec<Run>, Position)> {
        let (mut runs, mut at) = (Vec::<Run>::new(), self.at);
        for body in bodies {
            if !event::is_body(body) {
                let why = format!("not an event's body: {body}");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
            }
            if at.offset >= self.segment_bytes {
                at = at.anew();
            }
            let line = event::line(at.seq, body, recovered, &at.prev);
            if runs.last().is_none_or(|run| run.segment != at.segment) {
                runs.push(Run { segment: at.segment, offset: at.offset, bytes: String::new() });
            }
            if let Some(run) = runs.last_mut() {
                run.bytes.push_str(&line);
                run.bytes.push('\n');
            }
            at.offset += line.len() as u64 + 1;
            at.seq = at.seq.saturating_add(1);
            at.prev = Digest::of(line.as_bytes());
        }
        Ok((runs, at))
    }

    /// Takes away what counts for nothing, so that nothing of it can pass for a line later.
    fn clean(&mut self, disk: &D) -> io::Result<()> {
        while let Some(&stray) = self.strays.first() {
            match disk.remove(&path(stray)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                Ok(()) | Err(_) => {}
            }
            self.strays.remove(&stray);
        }
        if self.file.as_ref().is_none_or(|(segment, _)| *segment != self.at.segment) && self.at.offset > 0 {
            match disk.open(&path(self.at.segment), Mode::Write) {
                Ok(file) => self.file = Some((self.at.segment, file)),
                // Somebody has removed it. That must keep nobody from handing over.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    (self.at, self.torn) = (self.at.anew(), false);
                }
                Err(error) => return Err(error),
            }
        }
        if self.torn {
            match &self.file {
                Some((segment, file)) if *segment == self.at.segment => file.set_len(self.at.offset)?,
                _ => disk.open(&path(self.at.segment), Mode::Create)?.set_len(self.at.offset)?,
            }
            self.torn = false;
        }
        Ok(())
    }

    /// Opens a segment that begins with this run.
    fn make(disk: &D, run: &Run) -> io::Result<D::File> {
        match disk.open(&path(run.segment), Mode::Create) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Somebody has removed the directory. That must keep nobody from handing over.
                disk.make_directory(DIRECTORY)?;
                disk.open(&path(run.segment), Mode::Create)
            }
            opened => opened,
        }
    }
}

/// The newest whole line of ours, and its segment.
fn newest_line<D: Disk>(disk: &D, segments: &BTreeSet<u64>) -> io::Result<Option<(u64, Last)>> {
    for &segment in segments.iter().rev() {
        if let Some(last) = segment::last_line(disk, segment)? {
            return Ok(Some((segment, last)));
        }
    }
    Ok(None)
}
