//! Upgrades: a data directory of an older format becomes one of this format, in place.
//!
//! Format 1 had one commit journal, `journal`, and no event log. What it covers is redone, and durable, before `FORMAT`
//! says anything new; a crash in between finds format 1 again, and begins again. What the old journal is then is a copy
//! of what the directories have.

use std::io;

use handoff_kernel::ident::Digest;
use handoff_kernel::time::Time;
use serde::Deserialize;

use super::files::{Files as _, MAKING};
use super::journal::{Entry, Frame};
use super::redo::redo;
use super::slip::Slips;
use crate::disk::Disk;

/// The journal of format 1.
pub(super) const JOURNAL: &str = "journal";

const HEADER: usize = 12;

/// A batch, as format 1 wrote it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Old {
    mark: u64,
    entries: Vec<Entry>,
    /// Counted from the start of the journal.
    void: Vec<u64>,
}

/// Redoes what the journal of format 1 covers, makes it durable, and says by which time it had been decided. The
/// journal stays where it is: [`put_away`] comes after the new format has been noted.
pub(super) fn from_1<D: Disk>(disk: &D) -> io::Result<Time> {
    let frames = look(disk)?;
    redo(disk, &frames, Slips::default())?;
    let mark = frames.iter().map(|frame| frame.mark).max().unwrap_or(0);
    Ok(Time(mark))
}

/// What the journal of format 1 covers.
pub(super) fn look<D: Disk>(disk: &D) -> io::Result<Vec<Frame>> {
    let contents = disk.read(JOURNAL, u64::MAX - 1)?;
    Ok(contents.map_or_else(Vec::new, |contents| read(&contents.bytes)))
}

/// Puts the journal of format 1 where what is no longer needed is swept out.
pub(super) fn put_away<D: Disk>(disk: &D) -> io::Result<()> {
    let there = disk.exists(JOURNAL)?;
    if there { disk.replace(JOURNAL, &format!("{MAKING}/{JOURNAL}")) } else { Ok(()) }
}

/// The whole frames at the start of these bytes. A torn one ends the journal: nothing in it was acknowledged.
fn read(bytes: &[u8]) -> Vec<Frame> {
    let (mut frames, mut at, mut first) = (Vec::new(), 0, 0);
    while let Some((old, artifacts, len)) = decode(&bytes[at..]) {
        let entries = old.entries.len() as u64;
        frames.push(Frame {
            mark: old.mark,
            base: 0,
            first,
            entries: old.entries,
            void: old.void,
            log: None,
            artifacts,
        });
        first += entries;
        at += len;
    }
    frames
}

/// `length: u32 LE, check: first 8 bytes of the payload's SHA-256, payload`; the payload is one line of JSON and then
/// the artifacts of the batch.
fn decode(bytes: &[u8]) -> Option<(Old, Vec<u8>, usize)> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let len = u32::from_le_bytes(header[..4].try_into().ok()?) as usize;
    let payload = rest.get(..len)?;
    if Digest::of(payload).0[..8] != header[4..] {
        return None;
    }
    let end = payload.iter().position(|&b| b == b'\n')?;
    let old = serde_json::from_slice(&payload[..end]).ok()?;
    Some((old, payload[end + 1..].to_vec(), HEADER + len))
}
