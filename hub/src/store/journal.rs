//! The commit journal: one sequential file that makes a batch durable with one flush.
//!
//! A batch is decided, appended here whole, flushed once, and only then carried out in the directories, which
//! need no flush of their own: after a crash they are redone from here. The journal covers only what the
//! directories may not have durably, and is then cut; the directories are the state.
//!
//! A frame is `length: u32 LE, check: first 8 bytes of the payload's SHA-256, payload`; the payload is one line
//! of JSON and then the artifacts of the batch, one after the other. A torn frame ends the journal: nothing in
//! it was acknowledged.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

use handoff_kernel::ident::Digest;
use serde::{Deserialize, Serialize};

use super::StoreDown;

const HEADER: usize = 12;

/// What is to be done to one file. Doing it again, or half of it, changes nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Entry {
    /// A new file of these many of the frame's bytes, dated by its arrival.
    Start {
        /// Which handoff.
        id: String,
        /// When it arrived, in milliseconds.
        arrived: u64,
        /// How many of the frame's bytes are its artifact.
        bytes: usize,
    },
    /// A file moves (unless `to` is where it is) and a line is written at this offset.
    Move {
        /// Which handoff.
        id: String,
        /// From this name in the data directory.
        from: String,
        /// To this one.
        to: String,
        /// Where in the file the line begins.
        offset: u64,
        /// The line, with the breaks around it.
        line: String,
    },
}

/// One batch.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Frame {
    /// The newest time that the hub had decided with, in milliseconds.
    pub(super) mark: u64,
    /// What the batch does.
    pub(super) entries: Vec<Entry>,
    /// Entries that lost to a same-host agent after all, counted from the start of the journal.
    pub(super) void: Vec<u64>,
    /// The artifacts of the entries that start one, in order.
    #[serde(skip)]
    pub(super) artifacts: Vec<u8>,
}

/// The journal, open for appending.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    len: u64,
    /// Entries since it was cut: what `void` counts.
    entries: u64,
}

/// Why a frame was not appended.
#[derive(Debug)]
pub(super) enum AppendError {
    /// The write failed and was taken back: nothing of it is there.
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

impl Journal {
    /// Opens the journal and reads what it covers.
    pub(super) fn open(path: &Path) -> io::Result<(Self, Vec<Frame>)> {
        let mut file =
            OpenOptions::new().create(true).truncate(false).read(true).write(true).mode(0o600).open(path)?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let (frames, len) = read_frames(&bytes);
        // What a torn frame left behind must not be read as the tail of the next one.
        file.set_len(len)?;
        let entries = frames.iter().map(|f| f.entries.len() as u64).sum();
        Ok((Self { file, len, entries }, frames))
    }

    /// How many bytes it covers.
    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// Appends a frame and flushes it: the one flush of its batch.
    pub(super) fn append(&mut self, frame: &Frame) -> Result<Flushed, AppendError> {
        let bytes = encode(frame).map_err(AppendError::Refused)?;
        if let Err(error) = self.file.write_all_at(&bytes, self.len) {
            return match self.file.set_len(self.len) {
                Ok(()) => Err(AppendError::Refused(error)),
                Err(worse) => Err(AppendError::Down(StoreDown::new("the journal cannot be written", &worse))),
            };
        }
        if let Err(error) = self.file.sync_data() {
            // What a failed flush left on the disk cannot be known, and a second flush may lie.
            return Err(AppendError::Down(StoreDown::new("the journal cannot be flushed", &error)));
        }
        let flushed = Flushed { first: self.entries };
        self.len += bytes.len() as u64;
        self.entries += frame.entries.len() as u64;
        Ok(flushed)
    }

    /// Forgets all it covers. Only after the directories have been flushed.
    pub(super) fn cut(&mut self) -> io::Result<()> {
        self.file.set_len(0)?;
        self.file.sync_data()?;
        (self.len, self.entries) = (0, 0);
        Ok(())
    }
}

fn encode(frame: &Frame) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; HEADER];
    serde_json::to_writer(&mut bytes, frame)?;
    bytes.push(b'\n');
    bytes.extend_from_slice(&frame.artifacts);
    let len = u32::try_from(bytes.len() - HEADER).map_err(|_| io::Error::other("a batch of over 4 GiB"))?;
    let check = Digest::of(&bytes[HEADER..]);
    bytes[..4].copy_from_slice(&len.to_le_bytes());
    bytes[4..HEADER].copy_from_slice(&check.0[..8]);
    Ok(bytes)
}

/// The whole frames at the start of these bytes, and how many bytes they are.
fn read_frames(bytes: &[u8]) -> (Vec<Frame>, u64) {
    let (mut frames, mut at) = (Vec::new(), 0);
    while let Some((frame, len)) = decode(&bytes[at..]) {
        frames.push(frame);
        at += len;
    }
    (frames, at as u64)
}

fn decode(bytes: &[u8]) -> Option<(Frame, usize)> {
    let (header, rest) = bytes.split_at_checked(HEADER)?;
    let len = u32::from_le_bytes(header[..4].try_into().ok()?) as usize;
    let payload = rest.get(..len)?;
    if Digest::of(payload).0[..8] != header[4..] {
        return None;
    }
    let end = payload.iter().position(|&b| b == b'\n')?;
    let mut frame: Frame = serde_json::from_slice(&payload[..end]).ok()?;
    frame.artifacts = payload[end + 1..].to_vec();
    Some((frame, HEADER + len))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(n: u64) -> Frame {
        Frame {
            mark: n,
            entries: vec![
                Entry::Start { id: format!("h{n}"), arrived: n, bytes: 3 },
                Entry::Move {
                    id: "g".into(),
                    from: "handoff/g.json".into(),
                    to: "archive/g.json".into(),
                    offset: 9,
                    line: "\n{}\n".into(),
                },
            ],
            void: vec![],
            artifacts: vec![b'{', b'\n', 0xff],
        }
    }

    #[test]
    fn what_was_appended_is_read_back_and_a_cut_forgets_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("journal");
        let (mut journal, none) = Journal::open(&path).unwrap();
        assert!(none.is_empty());
        assert_eq!(journal.append(&frame(1)).unwrap().first, 0);
        assert_eq!(journal.append(&frame(2)).unwrap().first, 2);
        let (mut again, frames) = Journal::open(&path).unwrap();
        assert_eq!(frames, [frame(1), frame(2)]);
        assert_eq!(again.append(&frame(3)).unwrap().first, 4);
        again.cut().unwrap();
        assert!(Journal::open(&path).unwrap().1.is_empty());
    }

    #[test]
    fn a_torn_or_changed_frame_ends_the_journal_wherever_it_is_torn() {
        let mut bytes = encode(&frame(1)).unwrap();
        let first = bytes.len();
        bytes.extend(encode(&frame(2)).unwrap());
        for end in first..bytes.len() {
            let (frames, len) = read_frames(&bytes[..end]);
            assert_eq!((frames, len), (vec![frame(1)], first as u64), "cut at {end}");
        }
        for at in first..bytes.len() {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            assert_eq!(read_frames(&changed).0, vec![frame(1)], "changed at {at}");
        }
    }
}
