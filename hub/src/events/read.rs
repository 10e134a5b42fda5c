//! Reading the log from its begin, line by line, in as much memory as the longest line takes.

use std::collections::BTreeSet;
use std::io;

use handoff_kernel::ident::Digest;
use handoff_kernel::time::Time;

use super::LONGEST_LINE;
use super::event::Logged;
use super::segment::{self, path};
use crate::disk::{Disk, DiskFile, Mode};

/// So much is read at once.
const CHUNK: usize = 64 * 1024;

/// A segment, read from its begin.
#[derive(Debug)]
pub(super) struct Reader<F> {
    file: F,
    buffer: Vec<u8>,
    /// The file's bytes from here on are not in the buffer yet.
    read: u64,
    /// The buffer's bytes from here on have not been told yet.
    told: usize,
}

/// What a segment goes on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    /// A line, without its break.
    Line(&'a [u8]),
    /// The segment's last bytes, which no line break follows.
    Torn,
    /// More bytes than any line has. What comes after them cannot be told.
    TooLong,
    /// Nothing.
    End,
}

impl<F: DiskFile> Reader<F> {
    /// From a segment's begin.
    pub(super) fn open<D: Disk<File = F>>(disk: &D, segment: u64) -> io::Result<Self> {
        let file = disk.open(&path(segment), Mode::Read)?;
        Ok(Self { file, buffer: Vec::new(), read: 0, told: 0 })
    }

    /// Where the next piece begins, in bytes.
    fn offset(&self) -> u64 {
        self.read - (self.buffer.len() - self.told) as u64
    }

    /// The next piece.
    pub(super) fn next(&mut self) -> io::Result<Piece<'_>> {
        let mut looked = self.told;
        loop {
            if let Some(found) = self.buffer[looked..].iter().position(|&b| b == b'\n') {
                let (begin, end) = (self.told, looked + found);
                self.told = end + 1;
                return Ok(Piece::Line(&self.buffer[begin..end]));
            }
            self.buffer.drain(..self.told);
            self.told = 0;
            looked = self.buffer.len();
            if looked as u64 > LONGEST_LINE {
                return Ok(Piece::TooLong);
            }
            let more = self.file.read_to_end_at(self.read, CHUNK as u64)?;
            if more.is_empty() {
                return Ok(if self.buffer.is_empty() { Piece::End } else { Piece::Torn });
            }
            self.read += more.len() as u64;
            self.buffer.extend(more);
        }
    }
}

/// Where something was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// In which segment.
    pub(super) segment: u64,
    /// Which line of it, from 1.
    pub(super) line: u64,
    /// Where in it, in bytes.
    pub(super) offset: u64,
}

/// What was found.
#[expect(clippy::large_enum_variant, reason = "it is matched at once")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A line of ours, and the SHA-256 of its bytes.
    Line(Logged, Digest),
    /// A line that is none of ours.
    Foreign,
    /// A segment ends in the middle of a line.
    CutShort,
    /// The newest segment does: that line is being written, or was when a crash came.
    Unfinished,
}

/// All lines, from the oldest on.
#[derive(Debug)]
pub(super) struct Walk<'d, D: Disk> {
    disk: &'d D,
    /// Those that are still to be read.
    segments: BTreeSet<u64>,
    newest: Option<u64>,
    reader: Option<(u64, Reader<D::File>)>,
    line: u64,
    /// How many segments have been opened.
    opened: u64,
}

impl<'d, D: Disk> Walk<'d, D> {
    pub(super) fn through(disk: &'d D) -> io::Result<Self> {
        let segments = segment::list(disk)?;
        let newest = segments.last().copied();
        Ok(Self { disk, segments, newest, reader: None, line: 0, opened: 0 })
    }

    /// The newest segment, as of the begin.
    pub(super) const fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// How many segments have been begun.
    pub(super) const fn opened(&self) -> u64 {
        self.opened
    }

    /// The next line, or what stands in its place.
    pub(super) fn next(&mut self) -> io::Result<Option<(Place, Found)>> {
        loop {
            let Some((segment, reader)) = &mut self.reader else {
                let Some(segment) = self.segments.pop_first() else { return Ok(None) };
                match Reader::open(self.disk, segment) {
                    // The hub prunes from the oldest on, and may have done so just now.
                    Err(error) if error.kind() == io::ErrorKind::NotFound && self.opened == 0 => {}
                    opened => {
                        self.reader = Some((segment, opened?));
                        (self.line, self.opened) = (0, self.opened + 1);
                    }
                }
                continue;
            };
            let place = Place { segment: *segment, line: self.line + 1, offset: reader.offset() };
            let newest = Some(*segment) == self.newest;
            let found = match reader.next()? {
                Piece::Line(line) => {
                    self.line += 1;
                    let ours = Logged::read(line);
                    return Ok(Some((
                        place,
                        ours.map_or(Found::Foreign, |l| Found::Line(l, Digest::of(line))),
                    )));
                }
                Piece::Torn if newest => Some(Found::Unfinished),
                Piece::Torn => Some(Found::CutShort),
                Piece::TooLong => Some(Found::Foreign),
                Piece::End => None,
            };
            self.reader = None;
            if let Some(found) = found {
                return Ok(Some((place, found)));
            }
        }
    }
}

/// All that the log tells, from its oldest line on; a line that is none of the hub's is an error of kind
/// [`io::ErrorKind::InvalidData`], and the next one follows. A line that is still being written is left out. Whether
/// the lines are those that were once written, [`super::verify()`] says.
///
/// # Errors
/// What the disk says.
pub fn lines<D: Disk>(disk: &D) -> io::Result<Lines<'_, D>> {
    Ok(Lines(Walk::through(disk)?))
}

/// See [`lines`].
#[derive(Debug)]
pub struct Lines<'d, D: Disk>(Walk<'d, D>);

impl<D: Disk> Iterator for Lines<'_, D> {
    type Item = io::Result<Logged>;

    fn next(&mut self) -> Option<io::Result<Logged>> {
        let (place, found) = match self.0.next() {
            Ok(next) => next?,
            Err(error) => {
                // What cannot be read now would be met again and again.
                self.0.reader = None;
                return Some(Err(error));
            }
        };
        match found {
            Found::Line(logged, _) => Some(Ok(logged)),
            Found::Foreign | Found::CutShort => {
                let why =
                    format!("line {} of {} is not as the hub writes one", place.line, path(place.segment));
                Some(Err(io::Error::new(io::ErrorKind::InvalidData, why)))
            }
            Found::Unfinished => None,
        }
    }
}

/// When the newest of what a segment tells of happened; none when it cannot be read as a whole.
pub(super) fn newest_event<D: Disk>(disk: &D, segment: u64) -> io::Result<Option<Time>> {
    let mut reader = Reader::open(disk, segment)?;
    let mut newest = None;
    loop {
        match reader.next()? {
            Piece::Line(line) => match Logged::read(line) {
                Some(logged) => newest = newest.max(Some(logged.happened.at)),
                None => return Ok(None),
            },
            Piece::Torn | Piece::TooLong => return Ok(None),
            Piece::End => return Ok(newest),
        }
    }
}
