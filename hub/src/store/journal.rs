//! The commit journal: two sequential files, in turn, that make a batch durable with one flush.
//!
//! ```text
//!   batch --> frame --> one flush --> carried out in the directories, which need no flush of their own
//!
//!   journal.0  ####----      being filled: generation n + 1
//!   journal.1  ########      full: generation n. The directories are being flushed; when that is done, a frame in the
//!                            other one says so (`base`), and this one may be filled anew
//! ```
//!
//! After a crash, everything from the oldest generation on that may not be durable in the directories is redone from
//! here. A torn frame at the end was never acknowledged; a whole frame beyond one that is not whole means that the disk
//! has damaged what was: then the hub does not start, and says so. The files are never cut: their space is taken once.

pub(super) mod frame;

use std::io;

use super::StoreDown;
use super::slip::{Slip, Slips};
use crate::disk::{Disk, DiskFile, Mode};
pub(super) use frame::{Entry, Frame};
use frame::{Found, Read};

/// The journal's files.
pub(super) const FILES: [&str; 2] = ["journal.0", "journal.1"];

/// Space beyond what is to be filled, for the frames that say that something lost or that the directories have been
/// flushed: those must find room.
const SPARE: u64 = 16 * 1024;

/// The journal, open for appending.
#[derive(Debug)]
pub(super) struct Journal<F> {
    files: [F; 2],
    /// How far each file is filled before the other one's turn comes.
    size: u64,
    /// Which of the two is being filled, from where on, and in which generation.
    turn: usize,
    at: u64,
    generation: u64,
    /// The oldest generation that the directories may not have durably.
    base: u64,
    /// The next frame's number, and the next entry's.
    number: u64,
    entry: u64,
    slips: Slips,
}

/// Why a frame was not appended.
#[derive(Debug)]
pub(super) enum AppendError {
    /// The write failed, and nothing of it counts.
    Refused(io::Error),
    /// Nobody knows what is on the disk now. Final.
    Down(StoreDown),
}

/// Proof that a batch has been flushed: only the journal makes it, and nothing is carried out without it.
#[derive(Debug)]
pub(super) struct Flushed {
    /// The number of the batch's first entry.
    pub(super) first: u64,
}

impl Flushed {
    /// What is not so: for the store that a test makes slip.
    pub(super) const fn not_yet(first: u64) -> Self {
        Self { first }
    }
}

/// What a journal covers that the directories may not have durably.
#[derive(Debug, Default)]
pub(super) struct Covered {
    /// In order.
    pub(super) frames: Vec<Frame>,
    /// The newest time that the hub had decided with, whatever is covered.
    pub(super) mark: u64,
}

/// Why a journal cannot be opened.
#[derive(Debug)]
pub(super) enum JournalError {
    Io(io::Error),
    /// What was flushed is not there any more.
    Damaged(String),
}

impl From<io::Error> for JournalError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Reads what the journal covers, without changing anything.
pub(super) fn look<D: Disk>(disk: &D) -> Result<Covered, JournalError> {
    let mut files = Vec::new();
    for name in FILES {
        let bytes = disk.read(name, u64::MAX - 1)?.map(|contents| contents.bytes).unwrap_or_default();
        files.push(frame::read(&bytes, false));
    }
    Ok(covered(files)?.0)
}

/// The frames that count, in order; and the newest of all, with the file that it is in.
fn covered(files: Vec<Read>) -> Result<(Covered, Option<(usize, Found)>), JournalError> {
    let frames = files.iter().flat_map(|read| &read.frames);
    let base = frames.map(|found| found.frame.base).max().unwrap_or(0);
    for (name, read) in FILES.iter().zip(&files) {
        if let Some((at, generation, _)) = read.beyond.filter(|(_, generation, _)| *generation >= base) {
            return Err(JournalError::Damaged(format!(
                "at byte {} of {name} stands what is no frame, and at byte {at} one of generation {generation} that was written after it",
                read.end
            )));
        }
    }
    let last = files.iter().enumerate().filter_map(|(file, read)| Some((file, read.frames.last()?.clone())));
    let last = last.max_by_key(|(_, found)| found.number);
    let mut found: Vec<Found> = files.into_iter().flat_map(|read| read.frames).collect();
    found.sort_unstable_by_key(|found| found.number);
    let mark = found.iter().map(|found| found.frame.mark).max().unwrap_or(0);
    found.retain(|found| found.generation >= base);
    if let (Some((_, last)), first) = (&last, found.first())
        && base <= last.generation
        && first.is_none_or(|first| first.generation != base)
    {
        return Err(JournalError::Damaged(format!(
            "generation {base} is missing, and generation {} says that it is needed",
            last.generation
        )));
    }
    for pair in found.windows(2) {
        if pair[1].number != pair[0].number + 1 {
            return Err(JournalError::Damaged(format!(
                "frame {} is missing: after {} comes {}",
                pair[0].number + 1,
                pair[0].number,
                pair[1].number
            )));
        }
    }
    Ok((Covered { frames: found.into_iter().map(|found| found.frame).collect(), mark }, last))
}

impl<F: DiskFile> Journal<F> {
    /// Opens the journal, made if it is missing, and reads what it covers.
    pub(super) fn open<D: Disk<File = F>>(
        disk: &D,
        size: u64,
        slips: Slips,
    ) -> Result<(Self, Covered), JournalError> {
        let files = [disk.open(FILES[0], Mode::Create)?, disk.open(FILES[1], Mode::Create)?];
        let (mut read, mut ends) = (Vec::new(), Vec::new());
        for file in &files {
            let bytes = file.read_to_end_at(0, u64::MAX)?;
            let found = frame::read(&bytes, slips.makes(Slip::TrustsTheJournal));
            ends.push(found.end as u64);
            read.push(found);
            if (bytes.len() as u64) < size + SPARE {
                // Taken now, so that a full disk cannot keep the hub from noting what it must.
                file.reserve(0, size + SPARE)?;
                file.set_len(size + SPARE)?;
            }
        }
        let (covered, last) = covered(read)?;
        let new = Self { files, size, turn: 0, at: 0, generation: 1, base: 1, number: 1, entry: 0, slips };
        let journal = match last {
            None => new,
            Some((turn, last)) => Self {
                turn,
                at: ends[turn],
                generation: last.generation,
                base: last.frame.base,
                number: last.number + 1,
                entry: last.frame.first + last.frame.entries.len() as u64,
                ..new
            },
        };
        Ok((journal, covered))
    }

    /// The number of the next entry.
    pub(super) const fn next_entry(&self) -> u64 {
        self.entry
    }

    /// Whether a frame of so many bytes fits in what is being filled.
    pub(super) const fn fits(&self, bytes: usize) -> bool {
        self.at + (bytes as u64) <= self.size
    }

    /// Whether nothing has been put into what is being filled.
    pub(super) const fn is_fresh(&self) -> bool {
        self.at == 0
    }

    /// Whether the other file holds what the directories may not have durably.
    pub(super) const fn is_other_needed(&self) -> bool {
        self.base < self.generation
    }

    /// The other file's turn. Only when it is not needed.
    pub(super) const fn turn(&mut self) {
        self.turn = 1 - self.turn;
        self.at = 0;
        self.generation += 1;
    }

    /// The directories have everything of the generations before the one that is being filled: the next frame says so.
    pub(super) const fn before_this_is_durable(&mut self) {
        self.base = self.generation;
    }

    /// The directories have everything: the next frame says so.
    pub(super) const fn all_is_durable(&mut self) {
        self.base = self.generation + 1;
    }

    /// A frame's bytes, as they would be appended now.
    pub(super) fn encode(&self, frame: &mut Frame) -> io::Result<Vec<u8>> {
        (frame.base, frame.first) = (self.base, self.entry);
        frame::encode(frame, self.generation, self.number)
    }

    /// Appends an encoded frame of so many entries and flushes it: the one flush of its batch.
    pub(super) fn append(&mut self, bytes: &[u8], entries: usize) -> Result<Flushed, AppendError> {
        let file = &self.files[self.turn];
        if let Err(error) = file.write_all_at(self.at, bytes) {
            // All that counts of it may be there: it must not, for whoever asked is told that it was not done.
            let spoilt = file.write_all_at(self.at, &[0; frame::ALIGN]).and_then(|()| file.flush());
            return Err(match spoilt {
                Ok(()) => AppendError::Refused(error),
                Err(worse) => AppendError::Down(StoreDown::new("the journal cannot be written", &worse)),
            });
        }
        if !self.slips.makes(Slip::AnswersTooEarly)
            && let Err(error) = file.flush()
        {
            // What a failed flush left on the disk cannot be known, and a second flush may lie.
            return Err(AppendError::Down(StoreDown::new("the journal cannot be flushed", &error)));
        }
        let flushed = Flushed { first: self.entry };
        self.at += bytes.len() as u64;
        self.number += 1;
        self.entry += entries as u64;
        Ok(flushed)
    }
}
