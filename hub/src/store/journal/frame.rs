//! Frames: what one flush of the journal makes durable, and how it is told from what a crash left of one.
//!
//! ```text
//!   0   "hoj2"                       a frame begins at a multiple of 512, so that no write of one
//!   4   u32 LE  payload length       touches a sector of the one before it
//!   8   u64 LE  generation           of the journal file that it is in: each use of a file is a new one
//!   16  u64 LE  number               of the frame; consecutive, whatever the file
//!   24  payload: one line of JSON, then the artifacts of the batch, one after the other
//!   …   SHA-256 of all of that
//! ```

use std::io;

use handoff_kernel::ident::Digest;
use serde::{Deserialize, Serialize};

/// A frame begins at a multiple of this: the smallest part of a disk that is written whole or not at all.
pub(in crate::store) const ALIGN: usize = 512;

const MAGIC: &[u8; 4] = b"hoj2";
const HEADER: usize = 24;
const CHECK: usize = 32;

/// What is to be done to one file. Doing it again, or half of it, changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(in crate::store) enum Entry {
    /// A new file of these many of the frame's bytes, dated by its arrival.
    Start {
        /// Which handoff.
        id: String,
        /// When it arrived, in milliseconds.
        arrived: u64,
        /// How many of the frame's bytes are its artifact.
        bytes: usize,
        /// What the event log says of it, but for its place there. None in format 1, which had no log.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        event: String,
    },
    /// A file moves (unless `to` is where it is) and a line is written at this offset.
    Move {
        /// Which handoff.
        id: String,
        /// From this name in the data directory.
        from: String,
        /// Where a same-host agent had moved it, which this transition has taken note of, if that is neither of the two.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lies: Option<String>,
        /// To this one.
        to: String,
        /// Where in the file the line begins.
        offset: u64,
        /// The line, with the breaks around it.
        line: String,
        /// What the event log says of it, but for its place there. None in format 1, which had no log.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        event: String,
    },
}

impl Entry {
    /// Which handoff it is about.
    pub(in crate::store) fn handoff(&self) -> &str {
        match self {
            Self::Start { id, .. } | Self::Move { id, .. } => id,
        }
    }

    /// What the event log says of it.
    pub(in crate::store) fn event(&self) -> &str {
        match self {
            Self::Start { event, .. } | Self::Move { event, .. } => event,
        }
    }
}

/// One batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::store) struct Frame {
    /// The newest time that the hub had decided with, in milliseconds.
    pub(in crate::store) mark: u64,
    /// The oldest generation that the directories may not have durably: what is before it is not redone.
    pub(in crate::store) base: u64,
    /// The number of its first entry, counted from the beginning of the data directory.
    pub(in crate::store) first: u64,
    /// What the batch does.
    pub(in crate::store) entries: Vec<Entry>,
    /// Entries that lost to a same-host agent after all, by their numbers. They are of the frame right before.
    pub(in crate::store) void: Vec<u64>,
    /// Where the event log was when this was written.
    pub(in crate::store) log: Option<Position>,
    /// The artifacts of the entries that start one, in order.
    #[serde(skip)]
    pub(in crate::store) artifacts: Vec<u8>,
}

use crate::events::Position;

/// A frame, and where it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::store) struct Found {
    pub(in crate::store) generation: u64,
    pub(in crate::store) number: u64,
    pub(in crate::store) frame: Frame,
}

/// How many bytes a frame of this payload takes in the journal.
const fn room(payload: usize) -> usize {
    (HEADER + payload + CHECK).next_multiple_of(ALIGN)
}

/// A frame's bytes, filled up to where the next one begins.
///
/// # Errors
/// When it is longer than a frame can say.
pub(in crate::store) fn encode(frame: &Frame, generation: u64, number: u64) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; HEADER];
    serde_json::to_writer(&mut bytes, frame)?;
    bytes.push(b'\n');
    bytes.extend_from_slice(&frame.artifacts);
    let payload = bytes.len() - HEADER;
    let len = u32::try_from(payload).map_err(|_| io::Error::other("a batch of over 4 GiB"))?;
    bytes[..4].copy_from_slice(MAGIC);
    bytes[4..8].copy_from_slice(&len.to_le_bytes());
    bytes[8..16].copy_from_slice(&generation.to_le_bytes());
    bytes[16..HEADER].copy_from_slice(&number.to_le_bytes());
    let check = Digest::of(&bytes);
    bytes.extend_from_slice(&check.0);
    bytes.resize(room(payload), 0);
    Ok(bytes)
}

/// The frame that begins here, and how many bytes it takes; none when there is none that is whole.
/// `trusting` believes what is not checked: what a test shows to be a mistake.
pub(in crate::store) fn decode(bytes: &[u8], trusting: bool) -> Option<(Found, usize)> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    if header[..4] != MAGIC[..] {
        return None;
    }
    let len = u32::from_le_bytes(header[4..8].try_into().ok()?) as usize;
    let generation = u64::from_le_bytes(header[8..16].try_into().ok()?);
    let number = u64::from_le_bytes(header[16..].try_into().ok()?);
    let (payload, rest) = rest.split_at_checked(len)?;
    if !trusting && rest.get(..CHECK)? != Digest::of(&bytes[..HEADER + len]).0 {
        return None;
    }
    let end = payload.iter().position(|&b| b == b'\n')?;
    let mut frame: Frame = serde_json::from_slice(&payload[..end]).ok()?;
    frame.artifacts = payload[end + 1..].to_vec();
    Some((Found { generation, number, frame }, room(len)))
}

/// What a journal file holds.
#[derive(Debug, Default)]
pub(in crate::store) struct Read {
    /// The frames of its newest generation, from its beginning on.
    pub(in crate::store) frames: Vec<Found>,
    /// Where the next one would begin.
    pub(in crate::store) end: usize,
    /// A whole frame that stands beyond one that is not: where, and its generation and number.
    pub(in crate::store) beyond: Option<(usize, u64, u64)>,
}

/// Reads a journal file. Frames of older generations lie behind the newest one's, and are not told of; a whole frame of
/// the newest that no chain of frames leads to is.
pub(in crate::store) fn read(bytes: &[u8], trusting: bool) -> Read {
    let mut read = Read::default();
    while let Some((found, len)) = bytes.get(read.end..).and_then(|rest| decode(rest, trusting)) {
        let follows = read.frames.last().is_none_or(|last: &Found| {
            found.generation == last.generation && found.number == last.number + 1
        });
        if !follows {
            break;
        }
        read.frames.push(found);
        read.end += len;
    }
    let newest = read.frames.last().map_or((0, 0), |last| (last.generation, last.number));
    let beyond = scan(bytes, read.end).into_iter().map(|(at, found)| (at, found.generation, found.number));
    let beyond = beyond.filter(|(_, generation, number)| (*generation, *number) > newest);
    read.beyond = beyond.max_by_key(|(_, generation, number)| (*generation, *number));
    read
}

/// Every whole frame that stands anywhere in these bytes from here on, of whatever generation, and where it begins: what
/// `fsck` looks through when no chain leads to it.
pub(in crate::store) fn scan(bytes: &[u8], from: usize) -> Vec<(usize, Found)> {
    let (mut found, mut at) = (Vec::new(), from);
    while at + HEADER <= bytes.len() {
        match decode(&bytes[at..], false) {
            Some((frame, len)) => {
                found.push((at, frame));
                at += len;
            }
            None => at += ALIGN,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(in crate::store) fn frame(n: u64) -> Frame {
        Frame {
            mark: n,
            base: 1,
            first: 2 * n,
            entries: vec![
                Entry::Start { id: format!("h{n}"), arrived: n, bytes: 3, event: "{}".into() },
                Entry::Move {
                    id: "g".into(),
                    from: "handoff/g.json".into(),
                    lies: None,
                    to: "archive/g.json".into(),
                    offset: 9,
                    line: "\n{}\n".into(),
                    event: String::new(),
                },
            ],
            void: vec![],
            log: None,
            artifacts: vec![b'{', b'\n', 0xff],
        }
    }

    #[test]
    fn a_torn_or_changed_frame_ends_the_journal_wherever_it_is_torn() {
        let mut bytes = encode(&frame(1), 1, 1).unwrap();
        let first = bytes.len();
        assert!(first.is_multiple_of(ALIGN));
        bytes.extend(encode(&frame(2), 1, 2).unwrap());
        let payload = u32::from_le_bytes(bytes[first + 4..first + 8].try_into().unwrap()) as usize;
        let used = first + HEADER + payload + CHECK;
        for end in first..used {
            let read = read(&bytes[..end], false);
            assert_eq!((read.frames.len(), read.end), (1, first), "cut at {end}");
        }
        for at in first..used {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            let read = read(&changed, false);
            assert_eq!(read.frames.iter().map(|f| &f.frame).collect::<Vec<_>>(), [&frame(1)], "at {at}");
        }
    }

    #[test]
    fn a_whole_frame_beyond_a_damaged_one_is_told_of() {
        let mut bytes = Vec::new();
        for n in 1..=3 {
            bytes.extend(encode(&frame(n), 1, n).unwrap());
        }
        let one = encode(&frame(1), 1, 1).unwrap().len();
        bytes[one + 100] ^= 1;
        let read = read(&bytes, false);
        assert_eq!((read.frames.len(), read.beyond), (1, Some((2 * one, 1, 3))));
    }

    #[test]
    fn what_an_older_generation_left_behind_is_no_part_of_the_newest() {
        let mut bytes = Vec::new();
        for n in 1..=3 {
            bytes.extend(encode(&frame(n), 1, n).unwrap());
        }
        let newer = encode(&frame(7), 3, 7).unwrap();
        bytes[..newer.len()].copy_from_slice(&newer);
        let read = read(&bytes, false);
        assert_eq!((read.frames.len(), read.beyond, read.end), (1, None, newer.len()));
    }
}
