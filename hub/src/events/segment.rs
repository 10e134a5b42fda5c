//! Segments: the files of the log, what they are called, and where the last line of one ends.
//!
//! A segment is named by the number of its first line. Nothing here writes.

use std::collections::BTreeSet;
use std::io;

use handoff_kernel::ident::Digest;

use super::DIRECTORY;
use super::event::Logged;
use crate::disk::{Disk, DiskFile as _, Mode};

/// So much is read back at once from a segment's end: more than the longest line that a request can cause.
const WINDOW: u64 = 64 * 1024;

/// The digits of a segment's name: as many as the largest number has, so that names sort as numbers do.
const DIGITS: usize = 20;

/// The bare name of the segment that begins with this line.
pub(super) fn name(segment: u64) -> String {
    format!("{segment:0DIGITS$}.ndjson")
}

/// The same, in the data directory.
pub(super) fn path(segment: u64) -> String {
    format!("{DIRECTORY}/{}", name(segment))
}

/// The number in a segment's name; none for any other name.
fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".ndjson")?;
    let all = digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    all.then(|| digits.parse().ok()).flatten().filter(|number| *number > 0)
}

/// The segments that are there. Files of other names are nobody's business here.
pub(super) fn list(disk: &impl Disk) -> io::Result<BTreeSet<u64>> {
    let mut segments = BTreeSet::new();
    for name in disk.walk(DIRECTORY)? {
        segments.extend(number(&name?));
    }
    Ok(segments)
}

/// A whole line of ours, and where it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Last {
    /// What it says.
    pub(super) logged: Logged,
    /// The SHA-256 of its bytes without the line break.
    pub(super) sha256: Digest,
    /// Where the next line goes.
    pub(super) end: u64,
}

/// The last whole line of ours in a segment, found from its end on backwards. What lies behind it is torn.
pub(super) fn last_line<D: Disk>(disk: &D, segment: u64) -> io::Result<Option<Last>> {
    let file = disk.open(&path(segment), Mode::Read)?;
    let mut end = file.length()?;
    loop {
        let Some(break_at) = break_before(&file, end)? else { return Ok(None) };
        let start = break_before(&file, break_at)?.map_or(0, |before| before + 1);
        if let Some(last) = line_at(&file, start, break_at)? {
            return Ok(Some(last));
        }
        end = break_at;
    }
}

/// The line that ends, break and all, at this offset; none when no line of ours does.
pub(super) fn line_before<D: Disk>(disk: &D, segment: u64, end: u64) -> io::Result<Option<Last>> {
    let file = match disk.open(&path(segment), Mode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened?,
    };
    let Some(break_at) = end.checked_sub(1) else { return Ok(None) };
    if file.length()? < end || break_before(&file, end)? != Some(break_at) {
        return Ok(None);
    }
    let start = break_before(&file, break_at)?.map_or(0, |before| before + 1);
    line_at(&file, start, break_at)
}

/// The first line of a segment, if it is whole and one of ours.
pub(super) fn first_line<D: Disk>(disk: &D, segment: u64) -> io::Result<Option<Logged>> {
    let file = disk.open(&path(segment), Mode::Read)?;
    let head = file.read_to_end_at(0, super::LONGEST_LINE + 1)?;
    Ok(head.iter().position(|&b| b == b'\n').and_then(|end| Logged::read(&head[..end])))
}

/// The last line break before this offset.
fn break_before(file: &impl crate::disk::DiskFile, mut end: u64) -> io::Result<Option<u64>> {
    while end > 0 {
        let start = end.saturating_sub(WINDOW);
        let bytes = file.read_to_end_at(start, end - start)?;
        if let Some(at) = bytes.iter().rposition(|&b| b == b'\n') {
            return Ok(Some(start + at as u64));
        }
        end = start;
    }
    Ok(None)
}

fn line_at(file: &impl crate::disk::DiskFile, start: u64, break_at: u64) -> io::Result<Option<Last>> {
    if break_at - start > super::LONGEST_LINE {
        return Ok(None);
    }
    let line = file.read_to_end_at(start, break_at - start)?;
    let last = |logged| Last { logged, sha256: Digest::of(&line), end: break_at + 1 };
    Ok(Logged::read(&line).map(last))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_named_by_twenty_digits_and_by_nothing_else() {
        for segment in [1, 42, u64::MAX] {
            assert_eq!(number(&name(segment)), Some(segment));
            assert_eq!(name(segment).len(), DIGITS + 7);
        }
        let others = [
            "1.ndjson",
            "00000000000000000000.ndjson",
            "+0000000000000000001.ndjson",
            "00000000000000000001.ndjson~",
            "00000000000000000001.json",
            "99999999999999999999.ndjson",
            "0000000000000000000١.ndjson",
        ];
        for other in others {
            assert_eq!(number(other), None, "{other}");
        }
    }
}
