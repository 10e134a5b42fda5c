//! The journals: what they cover, and, when they are damaged, what is left of them.
//!
//! # What is whole is carried out, on both sides of what is missing
//!
//! A frame that is gone may have changed a handoff that a later frame changes too. Redo is by handoff and moves a file
//! only from where its transition found it, so a later frame does nothing to a file that is not there yet. One thing it
//! does not ask: whether the line *before* the one that it writes is there. That is asked here, and an entry whose
//! forerunner is missing from both journal and file is not carried out, but named.
//!
//! What the frames cannot say any more, the directories and the event log may: both are compared afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use handoff_kernel::ident::HandoffId;
use handoff_kernel::record::Status;
use handoff_kernel::time::Time;

use super::super::files::{ASIDE, Files as _};
use super::super::journal::frame::{self, Found};
use super::super::journal::{self, Entry, FILES, Frame, JournalError};
use super::super::open::{self, DIRECTORIES};
use super::super::place::{Place, directory};
use super::super::redo::redo;
use super::super::slip::Slips;
use super::super::{FILE_LIMIT, line, upgrade};
use super::around::{Format, went};
use super::{Said, Then, id_of};
use crate::disk::{Disk, Kind};

/// What the journals cover.
#[derive(Debug)]
pub(super) struct Covers {
    /// Of these a start, or a repair, changes the files.
    pub(super) handoffs: BTreeSet<HandoffId>,
    /// The newest time that the hub had decided with.
    pub(super) mark: Time,
}

pub(super) fn look<D: Disk>(
    disk: &D,
    format: Format,
    repair: bool,
    wall: Time,
    said: &mut Said<'_>,
) -> io::Result<Covers> {
    if format == Format::Old {
        return Ok(covers(&upgrade::look(disk)?, upgrade::JOURNAL, repair, said));
    }
    for name in FILES {
        match disk.about(name)?.map(|about| about.kind) {
            Some(Kind::Regular) => {}
            None => {
                let then = if repair {
                    Then::Done("A new one was made".to_owned())
                } else {
                    Then::Left("The next start, or --repair, makes a new one".to_owned())
                };
                said.say(name, "it is missing: what was only in there is lost", then);
            }
            Some(Kind::Directory | Kind::Other) if repair => {
                let why = "it is not a regular file";
                said.tried(name, why, disk.put_aside(name, why, wall).map(went));
            }
            Some(Kind::Directory | Kind::Other) => {
                said.left(name, "it is not a regular file", format!("--repair moves it to {ASIDE}/"));
                return Ok(Covers { handoffs: BTreeSet::new(), mark: Time(0) });
            }
        }
    }
    match journal::look(disk) {
        Ok(covered) => {
            let found = covers(&covered.frames, FILES[0], repair, said);
            Ok(Covers { mark: Time(covered.mark), ..found })
        }
        Err(JournalError::Io(error)) => Err(error),
        Err(JournalError::Damaged(what)) => Damaged::read(disk)?.see_to(disk, &what, repair, wall, said),
    }
}

fn covers(frames: &[Frame], file: &str, repair: bool, said: &mut Said<'_>) -> Covers {
    let void: BTreeSet<u64> = frames.iter().flat_map(|frame| frame.void.iter().copied()).collect();
    let numbered = frames.iter().flat_map(|frame| (frame.first..).zip(&frame.entries));
    let counted: Vec<_> = numbered.filter(|(number, _)| !void.contains(number)).collect();
    if !counted.is_empty() {
        let what = format!(
            "the hub was not stopped, or lost its power: {} transitions may not be in the directories yet",
            counted.len()
        );
        let then = if repair {
            "They were carried out"
        } else {
            "The next start carries them out; their handoffs are not looked into now"
        };
        said.note(file, what, then);
    }
    Covers {
        handoffs: counted.iter().filter_map(|(_, entry)| HandoffId::parse(id(entry)).ok()).collect(),
        mark: Time(frames.iter().map(|frame| frame.mark).max().unwrap_or(0)),
    }
}

fn id(entry: &Entry) -> &str {
    match entry {
        Entry::Start { id, .. } | Entry::Move { id, .. } => id,
    }
}

/// What is left of damaged journals: every whole frame, by its number.
struct Damaged {
    /// With the file that it is in, and where.
    found: Vec<(&'static str, usize, Found)>,
    /// The oldest generation that may not be in the directories.
    base: u64,
}

impl Damaged {
    fn read<D: Disk>(disk: &D) -> io::Result<Self> {
        let mut found = Vec::new();
        for name in FILES {
            let bytes = disk.read(name, u64::MAX - 1)?.map(|contents| contents.bytes).unwrap_or_default();
            found.extend(frame::scan(&bytes, 0).into_iter().map(|(at, found)| (name, at, found)));
        }
        found.sort_by_key(|(_, _, found)| found.number);
        let base = found.iter().map(|(_, _, found)| found.frame.base).max().unwrap_or(0);
        Ok(Self { found, base })
    }

    /// Says what is missing; with `repair`, carries out what is there and moves both files aside.
    fn see_to<D: Disk>(
        self,
        disk: &D,
        what: &str,
        repair: bool,
        wall: Time,
        said: &mut Said<'_>,
    ) -> io::Result<Covers> {
        let gaps = self.gaps();
        let mark = self.found.iter().map(|(_, _, found)| found.frame.mark).max().unwrap_or(0);
        let needed = self.found.into_iter().filter(|(_, _, found)| found.generation >= self.base);
        let mut frames: Vec<Frame> = needed.map(|(_, _, found)| found.frame).collect();
        let mut done = Vec::new();
        if repair {
            for name in DIRECTORIES {
                disk.make_directory(name)?;
            }
            refuse_what_hangs_in_the_air(disk, &mut frames, said)?;
            redo(disk, &frames, Slips::default())?;
            name_what_was_not_carried_out(disk, &frames, said)?;
            // Before the only copy goes: what was redone, and the time that it was decided at.
            let mark = open::clock(disk)?.max(Time(mark));
            disk.replace_whole("clock", format!("{}\n", mark.0).as_bytes())?;
            disk.flush_all()?;
            for name in FILES {
                done.extend(disk.put_aside(name, &format!("the journals are damaged: {what}"), wall)?);
            }
            disk.flush_directory(ASIDE)?;
            disk.flush_directory("")?;
        }
        let then = if repair {
            Then::Done(format!(
                "What is whole was carried out, both journals went to {}, and new ones were begun",
                done.join(" and ")
            ))
        } else {
            Then::Left(format!(
                "No hub starts here. See to the disk, keep a copy, then --repair carries out the {} frames that are whole, and moves both journals to {ASIDE}/",
                frames.len()
            ))
        };
        said.say(FILES[0], format!("the journals are damaged: {what}"), then);
        for (file, gap) in gaps {
            let then = if repair {
                Then::Done(
                    "Nobody can bring them back; what the directories and the event log say of them follows"
                        .to_owned(),
                )
            } else {
                Then::Left("Nobody can bring them back: compare with a backup".to_owned())
            };
            said.say(file, gap, then);
        }
        let quiet = &mut Said { tell: &mut |_| {}, summary: super::Summary::default() };
        let covers = covers(&frames, FILES[0], repair, quiet);
        Ok(Covers { mark: Time(mark), ..covers })
    }

    /// Which frames are missing, and how much was in them.
    fn gaps(&self) -> Vec<(&'static str, String)> {
        let mut gaps = Vec::new();
        let needed = |found: &Found| found.generation >= self.base;
        if let Some((file, at, first)) = self.found.first()
            && needed(first)
            && *at > 0
        {
            let what = format!(
                "what came before frame {} is missing: nobody can tell how many transitions that were acknowledged may be lost",
                first.number
            );
            gaps.push((*file, what));
        }
        for pair in self.found.windows(2) {
            let [(_, _, before), (file, at, after)] = pair else { continue };
            let begins = *at == 0 && after.generation == self.base;
            if !needed(after) || begins || after.number == before.number + 1 {
                continue;
            }
            let entries = before.frame.first + before.frame.entries.len() as u64;
            let lost = after.frame.first.saturating_sub(entries);
            let (first, last) = (before.number + 1, after.number.saturating_sub(1));
            let frames = if first == last {
                format!("frame {first} is")
            } else {
                format!("frames {first} to {last} are")
            };
            gaps.push((
                *file,
                format!("{frames} missing: up to {lost} transitions that were acknowledged may be lost"),
            ));
        }
        gaps
    }
}

/// The entries that count, with their numbers.
fn counted(frames: &[Frame]) -> Vec<(u64, Entry)> {
    let void: BTreeSet<u64> = frames.iter().flat_map(|frame| frame.void.iter().copied()).collect();
    let numbered = frames.iter().flat_map(|frame| (frame.first..).zip(&frame.entries));
    numbered
        .filter(|(number, _)| !void.contains(number))
        .map(|(number, entry)| (number, entry.clone()))
        .collect()
}

/// Makes those entries void that would write a line after one that is neither in the journal nor in the file: what is
/// written behind a hole is not read by anybody.
fn refuse_what_hangs_in_the_air<D: Disk>(
    disk: &D,
    frames: &mut [Frame],
    said: &mut Said<'_>,
) -> io::Result<()> {
    let mut ends: BTreeMap<String, u64> = BTreeMap::new();
    let mut refused = BTreeSet::new();
    let mut void = Vec::new();
    for (number, entry) in counted(frames) {
        match entry {
            Entry::Start { id, bytes, .. } => {
                ends.insert(id, bytes as u64);
            }
            Entry::Move { id, from, to, offset, line, event, .. } => {
                let follows = match ends.get(&id) {
                    _ if refused.contains(&id) => false,
                    Some(end) if *end == offset => true,
                    // What was there before is asked by the redo itself.
                    None => true,
                    Some(_) => tells(disk, &from, &id, offset)? || tells(disk, &to, &id, offset)?,
                };
                if follows {
                    ends.insert(id, offset + line.len() as u64);
                } else {
                    let what = format!(
                        "its line at byte {offset} cannot be written: the one before it is missing. The event was {event}"
                    );
                    said.left(&to, what, format!("The line is in the journal, which is in {ASIDE}/"));
                    void.push(number);
                    refused.insert(id);
                }
            }
        }
    }
    if let Some(last) = frames.last_mut() {
        last.void.extend(void);
    }
    Ok(())
}

/// Whether the first so many bytes of a file tell of this handoff.
fn tells<D: Disk>(disk: &D, file: &str, id: &str, end: u64) -> io::Result<bool> {
    let Some(bytes) = bytes(disk, file)? else { return Ok(false) };
    let before = usize::try_from(end).ok().and_then(|end| bytes.get(..end));
    Ok(before
        .is_some_and(|before| line::read(before, Time(0)).is_ok_and(|told| told.record.id.as_str() == id)))
}

fn bytes<D: Disk>(disk: &D, file: &str) -> io::Result<Option<Vec<u8>>> {
    match disk.read(file, FILE_LIMIT) {
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        read => Ok(read?.map(|contents| contents.bytes)),
    }
}

/// Of each handoff, whether its last entry has come to be in its file, wherever that is now.
fn name_what_was_not_carried_out<D: Disk>(disk: &D, frames: &[Frame], said: &mut Said<'_>) -> io::Result<()> {
    let mut claims = BTreeMap::<HandoffId, Vec<String>>::new();
    for name in disk.walk(directory(Status::Claimed))? {
        let name = name?;
        if let Some(id) = id_of(&name) {
            claims.entry(id).or_default().push(format!("{}/{name}", directory(Status::Claimed)));
        }
    }
    let mut last = BTreeMap::new();
    for (_, entry) in counted(frames) {
        if let Ok(handoff) = HandoffId::parse(id(&entry)) {
            last.insert(handoff, entry);
        }
    }
    for (id, entry) in &last {
        let mut files: Vec<String> = Place::PLAIN.map(|place| place.file(id)).into();
        files.extend(claims.remove(id).unwrap_or_default());
        let mut carried_out = false;
        for file in files {
            let Some(bytes) = bytes(disk, &file)? else { continue };
            carried_out |= match entry {
                Entry::Start { .. } => true,
                Entry::Move { offset, line, .. } => usize::try_from(*offset)
                    .ok()
                    .and_then(|offset| bytes.get(offset..))
                    .is_some_and(|rest| rest.starts_with(line.as_bytes())),
            };
        }
        if !carried_out {
            let file = match entry {
                Entry::Start { .. } => Place::Pending.file(id),
                Entry::Move { to, .. } => to.clone(),
            };
            let what = format!(
                "the journal's last word on it was not carried out: its file is not where that found it. The event was {}",
                entry.event()
            );
            said.left(&file, what, format!("The line is in the journal, which is in {ASIDE}/"));
        }
    }
    Ok(())
}
