//! Reading the log from its begin, line by line, in as much memory as the longest line takes.

use std::io;

use super::LONGEST_LINE;
use super::event::Logged;
use super::segment::path;
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
    /// The segment's last bytes, which no line break follows; or more bytes than a line has.
    Torn,
    /// Nothing.
    End,
}

impl<F: DiskFile> Reader<F> {
    /// From a segment's begin.
    pub(super) fn open<D: Disk<File = F>>(disk: &D, segment: u64) -> io::Result<Self> {
        let file = disk.open(&path(segment), Mode::Read)?;
        Ok(Self { file, buffer: Vec::new(), read: 0, told: 0 })
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
                return Ok(Piece::Torn);
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

/// When the newest of what a segment tells of happened; none when it cannot be read as a whole.
pub(super) fn newest_event<D: Disk>(
    disk: &D,
    segment: u64,
) -> io::Result<Option<handoff_kernel::time::Time>> {
    let mut reader = Reader::open(disk, segment)?;
    let mut newest = None;
    loop {
        match reader.next()? {
            Piece::Line(line) => match Logged::read(line) {
                Some(logged) => newest = newest.max(Some(logged.happened.at)),
                None => return Ok(None),
            },
            Piece::Torn => return Ok(None),
            Piece::End => return Ok(newest),
        }
    }
}
