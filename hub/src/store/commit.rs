//! Commit: a batch of writes becomes durable with one flush, and is then carried out.
//!
//! ```text
//!   plan each --> journal, one flush --> open, rename, write the line --> outcomes
//!                                          |
//!                                          +-- a same-host agent was first: a void, flushed before anybody is told
//! ```

use std::io;

use handoff_kernel::ident::{HandoffId, Wire};
use handoff_kernel::law::Law;
use handoff_kernel::operation::{Effect, Outcome};
use handoff_kernel::time::Time;

use super::checkpoint::Room;
use super::files::{Files as _, MAKING};
use super::index::Live;
use super::journal::{AppendError, Entry, Flushed, Frame};
use super::place::Place;
use super::slip::Slip;
use super::{DirectoryStore, StoreDown, line, version};
use crate::disk::{Disk, DiskFile as _, Mode};
use crate::events::Happened;

/// The smallest unit in which a file system gives out space.
const SPACE: u64 = 512;

/// One write of a batch.
#[derive(Debug)]
pub struct Write<'a> {
    /// Of which handoff; at most one a handoff in a batch.
    pub handoff: HandoffId,
    /// An insert or a swap.
    pub effect: Effect<'a, Wire>,
    /// The artifact, for an insert.
    pub artifact: Option<&'a [u8]>,
}

/// What came of a batch.
#[derive(Debug)]
pub struct Batch {
    /// Of each write, in order; each `Written` is durable.
    pub outcomes: Vec<Outcome<Wire>>,
    /// Whether the mark is durable now. It is not when the journal took no more.
    pub marked: bool,
}

/// What one write does, worked out before anything is done.
struct Plan {
    entry: Entry,
    /// Where the file is now: not where the entry takes it from, if a same-host agent has moved it.
    lies: String,
    next: Live,
}

/// What came of carrying out a plan.
enum Applied {
    Written,
    /// A same-host agent was there first.
    Lost,
    /// The system would not do it, and nothing was changed.
    Refused(io::Error),
}

impl<D: Disk, L: Law> DirectoryStore<D, L> {
    /// Makes a batch and the mark durable with one flush, then carries the batch out.
    ///
    /// # Errors
    /// [`StoreDown`] is final: every later call returns it again, and nothing is flushed any more.
    pub fn commit(&mut self, mark: Time, writes: &[Write<'_>]) -> Result<Batch, StoreDown> {
        self.unless_down(|store| store.commit_batch(mark, writes))
    }

    fn commit_batch(&mut self, mark: Time, writes: &[Write<'_>]) -> Result<Batch, StoreDown> {
        self.look_after_flushing(mark)?;
        let mut frame = Frame { mark: mark.0, log: Some(self.log.position()), ..Frame::default() };
        let mut plans = Vec::with_capacity(writes.len());
        for write in writes {
            let plan = self.plan(write);
            if let Some(plan) = &plan {
                frame.entries.push(plan.entry.clone());
                frame.artifacts.extend_from_slice(write.artifact.unwrap_or_default());
            }
            plans.push(plan);
        }
        let early = self.apply_too_early(writes, &plans)?;
        let flushed = match self.append(mark, &mut frame) {
            Ok(flushed) => flushed,
            Err(AppendError::Refused(error)) => {
                if !std::mem::replace(&mut self.full, true) {
                    self.notes.push(format!(
                        "The journal takes no more: {error}. Requests are answered 503 until it does; nothing is lost."
                    ));
                }
                let outcomes = writes.iter().map(|_| Outcome::Failed).collect();
                return Ok(Batch { outcomes, marked: false });
            }
            Err(AppendError::Down(down)) => return Err(down),
        };
        if std::mem::replace(&mut self.full, false) {
            self.notes.push("The journal takes requests again.".into());
        }
        let segment = frame.log.map_or(1, |log| log.segment);
        let planned = writes.iter().zip(&plans).filter(|(_, plan)| plan.is_some());
        planned.for_each(|(write, _)| self.covers.add(write.handoff, segment));
        let outcomes = self.carry_out(&flushed, mark, writes, plans, early)?;
        // The journal covers what the log does not take now.
        let logged = self.write_log().and_then(|()| self.begin_checkpoint(mark));
        let was_behind = std::mem::replace(&mut self.behind, logged.is_err());
        if let Err(error) = logged
            && !was_behind
        {
            self.notes.push(format!("The event log or a checkpoint has to wait: {error}. Nothing is lost."));
        }
        Ok(Batch { outcomes, marked: true })
    }

    /// Makes room for a frame, appends it, and flushes it.
    fn append(&mut self, mark: Time, frame: &mut Frame) -> Result<Flushed, AppendError> {
        let mut bytes = self.journal.encode(frame).map_err(AppendError::Refused)?;
        if !self.journal.fits(bytes.len()) {
            if let Room::Full(error) = self.make_room(bytes.len(), mark).map_err(AppendError::Down)? {
                return Err(AppendError::Refused(error));
            }
            // For the file whose turn it is now.
            frame.log = Some(self.log.position());
            bytes = self.journal.encode(frame).map_err(AppendError::Refused)?;
        }
        self.journal.append(&bytes, frame.entries.len())
    }

    /// Carries out a flushed batch, and notes what lost after all.
    fn carry_out(
        &mut self,
        flushed: &Flushed,
        mark: Time,
        writes: &[Write<'_>],
        plans: Vec<Option<Plan>>,
        early: Vec<Applied>,
    ) -> Result<Vec<Outcome<Wire>>, StoreDown> {
        let mut outcomes = Vec::with_capacity(writes.len());
        let mut void = Vec::new();
        let mut happened = Vec::new();
        let mut early = early.into_iter();
        let mut entry = flushed.first;
        for (write, plan) in writes.iter().zip(plans) {
            let Some(plan) = plan else {
                outcomes.push(Outcome::Conflict);
                continue;
            };
            let applied = match early.next() {
                Some(applied) => applied,
                None => self.apply(flushed, &plan, write.artifact.unwrap_or_default())?,
            };
            match applied {
                Applied::Written => {
                    happened.push(plan.entry.event().to_owned());
                    self.enter(plan.next);
                    outcomes.push(Outcome::Written);
                }
                Applied::Lost => {
                    void.push(entry);
                    self.clear_the_way(&plan, mark);
                    self.look_again(&write.handoff, mark);
                    outcomes.push(Outcome::Conflict);
                }
                Applied::Refused(error) => {
                    void.push(entry);
                    self.notes.push(format!("{} could not be written: {error}.", write.handoff));
                    outcomes.push(Outcome::Failed);
                }
            }
            entry += 1;
        }
        if !void.is_empty() {
            // Before anybody is told, or a crash would redo what was denied.
            self.note(mark, void)?;
        }
        self.unlogged.append(&mut happened);
        Ok(outcomes)
    }

    /// What a store that a test makes slip does before the journal is flushed.
    fn apply_too_early(
        &self,
        writes: &[Write<'_>],
        plans: &[Option<Plan>],
    ) -> Result<Vec<Applied>, StoreDown> {
        if !self.slips.makes(Slip::RenamesTooEarly) {
            return Ok(Vec::new());
        }
        let not_yet = Flushed::not_yet(self.journal.next_entry());
        let planned = writes.iter().zip(plans).filter_map(|(write, plan)| Some((write, plan.as_ref()?)));
        planned.map(|(write, plan)| self.apply(&not_yet, plan, write.artifact.unwrap_or_default())).collect()
    }

    /// Works out what a write does; none when the record is no longer the one that was loaded.
    fn plan(&self, write: &Write<'_>) -> Option<Plan> {
        let id = &write.handoff;
        match &write.effect {
            Effect::Load => None,
            Effect::Insert { record, .. } => {
                let artifact_bytes = write.artifact.map_or(0, <[u8]>::len);
                let entry = Entry::Start {
                    id: id.to_string(),
                    arrived: record.started_at.0,
                    bytes: artifact_bytes,
                    event: Happened::of(record).body(),
                };
                let next = Live {
                    record: (*record).clone(),
                    place: Place::Pending,
                    moved_from: None,
                    len: artifact_bytes as u64,
                    artifact_bytes,
                };
                let lies = format!("{MAKING}/{id}.json");
                self.index.get(id).is_none().then_some(Plan { entry, lies, next })
            }
            Effect::Swap { version: expected, next, .. } => {
                let live = self.index.get(id).filter(|live| version(live) == *expected)?;
                let place = Place::of(next, live.place);
                let told = live.artifact_bytes + usize::from(self.slips.makes(Slip::MiscountsTheArtifact));
                let line = line::write(next, told, live.len == live.artifact_bytes as u64);
                let len = live.len + line.len() as u64;
                let lies = live.place.file(id);
                let from = live.moved_from.map_or_else(|| lies.clone(), |from| from.file(id));
                let to = place.file(id);
                let entry = Entry::Move {
                    id: id.to_string(),
                    lies: Some(lies.clone()).filter(|lies| *lies != from && *lies != to),
                    from,
                    to,
                    offset: live.len,
                    line,
                    event: Happened::of(next).body(),
                };
                let record = (*next).clone();
                let artifact_bytes = live.artifact_bytes;
                Some(Plan {
                    entry,
                    lies,
                    next: Live { record, place, moved_from: None, len, artifact_bytes },
                })
            }
        }
    }

    /// Carries out one entry of a flushed batch.
    fn apply(&self, _: &Flushed, plan: &Plan, artifact: &[u8]) -> Result<Applied, StoreDown> {
        let lost_or_refused = |error: io::Error| {
            let lost = matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::AlreadyExists);
            if lost { Applied::Lost } else { Applied::Refused(error) }
        };
        match &plan.entry {
            Entry::Start { id, arrived, .. } => {
                let to = format!("handoff/{id}.json");
                let applied = match self.disk.write_new(&plan.lies, artifact, Some(Time(*arrived))) {
                    Err(error) => Applied::Refused(error),
                    Ok(_) => match self.disk.rename(&plan.lies, &to) {
                        Ok(()) => return Ok(Applied::Written),
                        Err(error) => lost_or_refused(error),
                    },
                };
                // Only ever a copy of what the journal has.
                let _ = self.disk.remove(&plan.lies);
                Ok(applied)
            }
            Entry::Move { to, offset, line, .. } => {
                // Before the rename: a file that cannot be written must not be moved, and one that is moved on
                // right after still gets its line.
                let file = match self.disk.open(&plan.lies, Mode::Write) {
                    Ok(file) => file,
                    Err(error) => return Ok(lost_or_refused(error)),
                };
                let (len, there) = (line.len() as u64, offset.next_multiple_of(SPACE));
                let room =
                    if offset + len > there { file.reserve(there, offset + len - there) } else { Ok(()) };
                let moves = || if plan.lies == *to { Ok(()) } else { self.disk.rename(&plan.lies, to) };
                if let Err(error) = room.and_then(|()| moves()) {
                    // Taking space may have changed the file's time, which is when it arrived as long as it has no line.
                    if *offset == plan.next.artifact_bytes as u64 {
                        let _ = file.set_modified(plan.next.record.started_at);
                    }
                    return Ok(lost_or_refused(error));
                }
                match file.write_all_at(*offset, line.as_bytes()) {
                    Ok(()) => Ok(Applied::Written),
                    Err(error) => {
                        Err(StoreDown::new("a line cannot be written to a file that was moved", &error))
                    }
                }
            }
        }
    }

    /// Moves aside what stands where a handoff's file belongs, when that file itself is where it was.
    fn clear_the_way(&mut self, plan: &Plan, now: Time) {
        let Entry::Move { id, to, .. } = &plan.entry else { return };
        let there = |name| self.disk.exists(name).unwrap_or(false);
        if plan.lies != *to && there(&plan.lies) && there(to) {
            self.move_aside(to, &format!("it stood where the handoff {id} belongs"), now);
        }
    }

    /// The state after a write: the living stay in memory.
    fn enter(&mut self, next: Live) {
        if next.record.status().is_terminal() {
            self.index.remove(&next.record.id);
        } else {
            self.index.put(next);
        }
    }
}
