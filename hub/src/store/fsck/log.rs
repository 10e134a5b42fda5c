//! The event log against the directories: what each handoff should find in it, and what it says that no file does.
//!
//! The log may be long and the handoffs many, so what is kept of it is one entry a handoff: half a SHA-256 of its id,
//! and which kinds of events there were, some 30 bytes in all. A million handoffs take 30 MB.
//!
//! A log whose begin has been removed by retention can be compared from there on only: an event that happened before
//! the first line that is left is not missed. One that begins with its first line is compared as a whole.

use std::collections::BTreeMap;
use std::io;

use handoff_kernel::command::EventKind;
use handoff_kernel::ident::{Digest, HandoffId, Wire};
use handoff_kernel::record::Record;
use handoff_kernel::time::Time;

use super::Said;
use crate::disk::Disk;
use crate::events::{DIRECTORY, Happened, Logged, NotWhole, lines, verify};

const fn bit(kind: EventKind) -> u8 {
    match kind {
        EventKind::Started => 1,
        EventKind::Claimed => 2,
        EventKind::Completed => 4,
        EventKind::Rejected => 8,
        EventKind::Expired => 16,
        EventKind::ClaimExpired => 32,
    }
}

/// After one of these nothing follows.
const ENDS: u8 = bit(EventKind::Completed)
    | bit(EventKind::Rejected)
    | bit(EventKind::Expired)
    | bit(EventKind::ClaimExpired);

/// The log's lines, but for those that are none of the hub's: [`verify`] has named the first of them.
fn ours<D: Disk>(disk: &D) -> io::Result<impl Iterator<Item = io::Result<Logged>>> {
    let foreign = |line: &io::Result<Logged>| {
        line.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::InvalidData)
    };
    Ok(lines(disk)?.filter(move |line| !foreign(line)))
}

/// What the log says of the handoffs that have not been met yet.
#[derive(Debug)]
pub(super) struct Known {
    kinds: BTreeMap<[u8; 16], u8>,
    /// What happened before this is not missed.
    from: Time,
}

/// What the log and a record make of each other.
#[derive(Debug, Default)]
pub(super) struct Compared {
    /// What made the record, and the log does not tell.
    pub(super) missing: Vec<Happened>,
    /// What the log tells, and did not make the record.
    pub(super) extra: Vec<&'static str>,
}

fn key(id: &HandoffId) -> [u8; 16] {
    let digest = Digest::of(id.as_str().as_bytes()).0;
    let mut key = [0; 16];
    key.copy_from_slice(&digest[..16]);
    key
}

impl Known {
    /// Reads the whole log, and tells where its chain does not hold.
    pub(super) fn read<D: Disk>(disk: &D, said: &mut Said<'_>) -> io::Result<Self> {
        let mut known = Self { kinds: BTreeMap::new(), from: Time(0) };
        match verify(disk, &[]) {
            Ok(whole) => {
                if whole.torn_tail {
                    said.note(
                        DIRECTORY,
                        "it ends in bytes that are no whole line",
                        "The hub's next line takes their place",
                    );
                }
            }
            Err(NotWhole::Unreadable(error)) => return Err(error),
            Err(NotWhole::Fault(fault)) => {
                let then = "Nothing is changed in it: it is evidence. What the directories can tell is appended, marked as recovered, by --repair";
                said.left(&fault.file(), fault.what(), then);
            }
        }
        let mut begun = false;
        for line in ours(disk)? {
            let line = line?;
            if !std::mem::replace(&mut begun, true) && line.seq > 1 {
                known.from = line.happened.at;
                let what = format!("the event log begins with line {}", line.seq);
                said.note(DIRECTORY, what, "What happened before that is not compared with it");
            }
            let kinds = known.kinds.entry(key(&line.happened.handoff)).or_default();
            // An id that is taken again, after retention: what was before is of another handoff.
            if line.happened.kind == EventKind::Started && !line.recovered {
                *kinds = 0;
            }
            *kinds |= bit(line.happened.kind);
        }
        Ok(known)
    }

    /// Compares a handoff with what the log says of it. Once: it has been met then.
    pub(super) fn compare(&mut self, record: &Record<Wire>) -> Compared {
        let logged = self.kinds.remove(&key(&record.id)).unwrap_or(0);
        let made = Happened::that_made(record);
        let told = made.iter().fold(0, |told, happened| told | bit(happened.kind));
        let extra = EventKind::ALL.into_iter().filter(|kind| logged & !told & bit(*kind) != 0);
        let extra = extra.map(EventKind::name).collect();
        let missed = |happened: &Happened| happened.at >= self.from && logged & bit(happened.kind) == 0;
        Compared { missing: made.into_iter().filter(missed).collect(), extra }
    }

    /// One of which nothing is to be said: it has been named already.
    pub(super) fn forget(&mut self, id: &HandoffId) {
        self.kinds.remove(&key(id));
    }

    /// How many that are over have not been met, and whether any that are not over.
    pub(super) fn left(&self) -> (usize, bool) {
        let over = self.kinds.values().filter(|kinds| **kinds & ENDS != 0).count();
        (over, over < self.kinds.len())
    }

    /// Goes through the log again for the names of those that are not over and have not been met.
    pub(super) fn name_the_lost<D: Disk>(
        mut self,
        disk: &D,
        mut lost: impl FnMut(&HandoffId),
    ) -> io::Result<()> {
        self.kinds.retain(|_, kinds| *kinds & ENDS == 0);
        for line in ours(disk)? {
            let handoff = line?.happened.handoff;
            if self.kinds.remove(&key(&handoff)).is_some() {
                lost(&handoff);
            }
        }
        Ok(())
    }
}
