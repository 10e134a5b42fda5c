//! Redo: after a crash, what the journal covers is done again.
//!
//! Doing it twice, or after half of it, comes to the same: a file moves only from where its transition found it, bytes
//! are written again where they were written, and the event log's lines are the very lines that they were.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use handoff_kernel::ident::HandoffId;
use handoff_kernel::time::Time;

use super::files::{Files as _, MAKING};
use super::journal::{Entry, Frame};
use super::place::Place;
use super::slip::{Slip, Slips};
use super::{FILE_LIMIT, line};
use crate::disk::{Disk, DiskFile as _, Mode};

/// What the journal covers of one handoff, in order.
#[derive(Debug, Default)]
struct Covered<'a> {
    start: Option<Start<'a>>,
    moves: Vec<Move<'a>>,
}

#[derive(Debug)]
struct Start<'a> {
    entry: u64,
    arrived: Time,
    artifact: &'a [u8],
}

#[derive(Debug)]
struct Move<'a> {
    entry: u64,
    from: &'a str,
    lies: Option<&'a str>,
    to: &'a str,
    offset: u64,
    line: &'a str,
}

/// Does again, in the directories, what the journal covers. Returns what the event log must say of it, in order.
pub(super) fn redo<D: Disk>(disk: &D, frames: &[Frame], slips: Slips) -> io::Result<Vec<String>> {
    let void: BTreeSet<u64> = frames.iter().flat_map(|frame| frame.void.iter().copied()).collect();
    let mut handoffs: BTreeMap<HandoffId, Covered<'_>> = BTreeMap::new();
    for frame in frames {
        let mut artifacts = frame.artifacts.as_slice();
        for (number, entry) in (frame.first..).zip(&frame.entries) {
            let counts = !void.contains(&number);
            match entry {
                Entry::Start { id, arrived, bytes, .. } => {
                    let cut = || io::Error::other(format!("the journal's artifact of {id} is cut short"));
                    let (artifact, rest) = artifacts.split_at_checked(*bytes).ok_or_else(cut)?;
                    artifacts = rest;
                    if counts {
                        let start = Start { entry: number, arrived: Time(*arrived), artifact };
                        // Of one that was removed since, nothing is left to be done.
                        let covered = Covered { start: Some(start), moves: Vec::new() };
                        handoffs.insert(HandoffId::parse(id).map_err(io::Error::other)?, covered);
                    }
                }
                Entry::Move { id, from, lies, to, offset, line, .. } if counts => {
                    let id = HandoffId::parse(id).map_err(io::Error::other)?;
                    let covered = handoffs.entry(id).or_default();
                    if covered.end(&id).is_some_and(|end| end != *from) {
                        // Another file, which took the id when the one before was removed.
                        *covered = Covered::default();
                    }
                    let lies = lies.as_deref();
                    covered.moves.push(Move { entry: number, from, lies, to, offset: *offset, line });
                }
                Entry::Move { id, from, lies, to, offset, line, .. } => {
                    // It lost while the hub ran, which had the time put back; a power cut may have brought it forth again.
                    let id = HandoffId::parse(id).map_err(io::Error::other)?;
                    let lies = lies.as_deref();
                    let lost = Move { entry: number, from, lies, to, offset: *offset, line };
                    for place in Place::PLAIN {
                        restore_arrival(disk, &place.file(&id), &lost);
                    }
                }
            }
        }
    }
    // What lost and is known to have lost is void. What may have lost and nobody was told of is of the last batch: a
    // batch begins when the one before it has been carried out, and so does a frame that has a mark only.
    let last = frames.last().filter(|frame| !frame.entries.is_empty()).map_or(u64::MAX, |frame| frame.first);
    let mut lost = BTreeSet::new();
    for (id, covered) in &handoffs {
        lost.extend(covered.redo(disk, id, last, slips)?);
    }
    let numbered = frames.iter().flat_map(|frame| (frame.first..).zip(&frame.entries));
    let happened =
        numbered.filter(|(number, _)| !(void.contains(number) || *number >= last && lost.contains(number)));
    Ok(happened.map(|(_, entry)| entry.event().to_owned()).filter(|event| !event.is_empty()).collect())
}

impl Covered<'_> {
    /// Where the file is when all of it has been carried out.
    fn end(&self, id: &HandoffId) -> Option<String> {
        let last = self.moves.last().map(|last| last.to.to_owned());
        last.or_else(|| self.start.as_ref().map(|_| Place::Pending.file(id)))
    }

    /// Brings one handoff's file to where the journal says it is. Returns the entries that were not carried out, for
    /// a same-host agent was first. From the entry `last` on, that may be; what is before it may have been acknowledged.
    fn redo<D: Disk>(&self, disk: &D, id: &HandoffId, last: u64, slips: Slips) -> io::Result<Vec<u64>> {
        let pending = Place::Pending.file(id);
        // How far its own file has come. A name alone does not say: somebody else's file may stand there.
        let mut made = 0;
        for (n, m) in self.moves.iter().enumerate().rev() {
            if self.owns(disk, id, m.to)? {
                made = n + 1;
                break;
            }
        }
        let mut here = match made.checked_sub(1).and_then(|last| self.moves.get(last)) {
            Some(last) => Some(last.to.to_owned()),
            None => self.find(disk, id)?,
        };
        if let Some(start) = &self.start {
            if let Some(here) = &here {
                // The name may have become durable before the bytes did. As long as no line says when it arrived, the
                // file's own time does, wherever a same-host agent has moved it.
                let file = disk.open(here, Mode::Write)?;
                file.write_all_at(0, start.artifact)?;
                file.set_modified(start.arrived)?;
            } else {
                let new = format!("{MAKING}/{id}.json");
                disk.write_new(&new, start.artifact, Some(start.arrived))?;
                match disk.rename(&new, &pending) {
                    Ok(()) => here = Some(pending),
                    // It lost to a dropped file, and nobody was told otherwise.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        disk.remove(&new)?;
                        let moves = self.moves.iter().map(|m| m.entry);
                        return Ok(std::iter::once(start.entry).chain(moves).collect());
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        let (done, open) = self.moves.split_at(made);
        let Some(mut here) = here else { return Ok(open.iter().map(|m| m.entry).collect()) };
        for m in done {
            write_again(disk, &here, m, slips)?;
        }
        for (n, m) in open.iter().enumerate() {
            // Carried out, and then moved on by a same-host agent: its own line says so; or that it has finished what it
            // had claimed itself, and the line is missing.
            if here != m.from && here != m.to {
                if says(disk, &here, m)? {
                    continue;
                }
                let over = [Place::Completed, Place::Rejected].map(|place| place.file(id));
                if *m.to == Place::ClaimedByNeighbour.file(id) && over.contains(&here) {
                    write_again(disk, &here, m, slips)?;
                    continue;
                }
            }
            // A same-host agent took it first, or put something in the way: the transition lost, and nobody was told
            // otherwise. Unless it was told: then the crash has undone it, the agent has moved since what was not there
            // any more, and the transition comes first.
            let taken = here != m.from && m.lies != Some(here.as_str()) && m.entry >= last;
            if taken || (m.from != m.to && disk.exists(m.to)?) {
                restore_arrival(disk, &here, m);
                return Ok(open[n..].iter().map(|m| m.entry).collect());
            }
            if here != m.to {
                disk.rename(&here, m.to)?;
            }
            m.to.clone_into(&mut here);
            write_again(disk, &here, m, slips)?;
        }
        Ok(Vec::new())
    }

    /// Where its file is, when none of its moves has been made.
    fn find<D: Disk>(&self, disk: &D, id: &HandoffId) -> io::Result<Option<String>> {
        let first = self.moves.first().map(|first| first.from.to_owned());
        for file in first.into_iter().chain(Place::PLAIN.map(|place| place.file(id))) {
            if self.owns(disk, id, &file)? {
                return Ok(Some(file));
            }
        }
        Ok(None)
    }

    /// Whether a file is this handoff's: it says so, or it is what a power cut may have left of it (bytes that never
    /// reached the disk are missing or zero).
    fn owns<D: Disk>(&self, disk: &D, id: &HandoffId, file: &str) -> io::Result<bool> {
        let contents = match disk.read(file, FILE_LIMIT) {
            Ok(Some(contents)) => contents,
            Ok(None) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(false),
            Err(error) => return Err(error),
        };
        Ok(match (&self.start, self.moves.first()) {
            (Some(start), _) => contents
                .bytes
                .iter()
                .zip(start.artifact)
                .all(|(found, written)| found == written || *found == 0),
            (None, Some(first)) => {
                // What was there before the journal began is durable.
                let before = usize::try_from(first.offset).ok().and_then(|end| contents.bytes.get(..end));
                before.is_some_and(|bytes| {
                    line::read(bytes, contents.modified).is_ok_and(|told| told.record.id == *id)
                })
            }
            (None, None) => false,
        })
    }
}

/// Whether a file has this line where it was written.
fn says<D: Disk>(disk: &D, file: &str, m: &Move<'_>) -> io::Result<bool> {
    let Some(contents) = disk.read(file, FILE_LIMIT)? else { return Ok(false) };
    let at = usize::try_from(m.offset).unwrap_or(usize::MAX);
    Ok(contents.bytes.get(at..).is_some_and(|rest| rest.starts_with(m.line.as_bytes())))
}

/// As long as no line says when a file arrived, its time does; and taking space for this transition's line may have changed
/// that, before the transition lost. Whose file it is now may have allowed it to be written and not to be dated: that the
/// arrival is later than it was is no reason not to start.
fn restore_arrival<D: Disk>(disk: &D, file: &str, m: &Move<'_>) {
    let Ok(Some(contents)) = disk.read(file, FILE_LIMIT) else { return };
    let bare = contents.bytes.len() as u64 == m.offset;
    let whole = [&*contents.bytes, m.line.as_bytes()].concat();
    let Ok(told) = line::read(&whole, contents.modified) else { return };
    let arrived = told.record.started_at;
    if bare && told.artifact_bytes as u64 == m.offset && contents.modified != arrived {
        let _ = disk.open(file, Mode::Write).and_then(|file| file.set_modified(arrived));
    }
}

fn write_again<D: Disk>(disk: &D, file: &str, m: &Move<'_>, slips: Slips) -> io::Result<()> {
    let file = disk.open(file, Mode::Write)?;
    let offset = if slips.makes(Slip::RedoesBehind) { file.length()? } else { m.offset };
    file.write_all_at(offset, m.line.as_bytes())
}
