//! Commit: a batch of writes becomes durable with one flush, and is then carried out.
//!
//! ```text
//!   plan each --> journal, one flush --> open, rename, write the line --> outcomes
//!                                          |
//!                                          +-- a same-host agent was first: a void, flushed before anybody is told
//! ```

use std::io;
use std::os::unix::fs::FileExt as _;

use handoff_kernel::ident::{HandoffId, Wire};
use handoff_kernel::operation::{Effect, Outcome};
use handoff_kernel::time::Time;

use super::index::Live;
use super::journal::{AppendError, Entry, Flushed, Frame};
use super::place::Place;
use super::{CHECKPOINT_BYTES, DirectoryStore, StoreDown, line, version};

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

impl DirectoryStore {
    /// Makes a batch and the mark durable with one flush, then carries the batch out.
    ///
    /// # Errors
    /// [`StoreDown`] is final: every later call returns it again, and nothing is flushed any more.
    pub fn commit(&mut self, mark: Time, writes: &[Write<'_>]) -> Result<Batch, StoreDown> {
        self.unless_down(|store| store.commit_batch(mark, writes))
    }

    fn commit_batch(&mut self, mark: Time, writes: &[Write<'_>]) -> Result<Batch, StoreDown> {
        let mut frame = Frame { mark: mark.0, ..Frame::default() };
        let mut plans = Vec::with_capacity(writes.len());
        for write in writes {
            let plan = self.plan(write);
            if let Some(plan) = &plan {
                frame.entries.push(plan.entry.clone());
                frame.artifacts.extend_from_slice(write.artifact.unwrap_or_default());
            }
            plans.push(plan);
        }
        let flushed = match self.journal.append(&frame) {
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
        let mut outcomes = Vec::with_capacity(writes.len());
        let mut void = Vec::new();
        let mut entry = flushed.first;
        for (write, plan) in writes.iter().zip(plans) {
            let Some(plan) = plan else {
                outcomes.push(Outcome::Conflict);
                continue;
            };
            match self.apply(&flushed, &plan, write.artifact.unwrap_or_default())? {
                Applied::Written => {
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
            match self.journal.append(&Frame { mark: mark.0, void, ..Frame::default() }) {
                Ok(_) => {}
                Err(AppendError::Refused(error)) => {
                    return Err(StoreDown::new("a lost race cannot be noted in the journal", &error));
                }
                Err(AppendError::Down(down)) => return Err(down),
            }
        }
        if self.journal.len() > CHECKPOINT_BYTES {
            self.flush_directories(mark)?;
        }
        Ok(Batch { outcomes, marked: true })
    }

    /// Works out what a write does; none when the record is no longer the one that was loaded.
    fn plan(&self, write: &Write<'_>) -> Option<Plan> {
        let id = &write.handoff;
        match &write.effect {
            Effect::Load => None,
            Effect::Insert { record, .. } => {
                let artifact_bytes = write.artifact.map_or(0, <[u8]>::len);
                let entry =
                    Entry::Start { id: id.to_string(), arrived: record.started_at.0, bytes: artifact_bytes };
                let next = Live {
                    record: (*record).clone(),
                    place: Place::Pending,
                    moved_from: None,
                    len: artifact_bytes as u64,
                    artifact_bytes,
                };
                let lies = format!("tmp/{id}.json");
                self.index.get(id).is_none().then_some(Plan { entry, lies, next })
            }
            Effect::Swap { version: expected, next, .. } => {
                let live = self.index.get(id).filter(|live| version(live) == *expected)?;
                let place = Place::of(next, live.place);
                let line = line::write(next, live.artifact_bytes, live.len == live.artifact_bytes as u64);
                let len = live.len + line.len() as u64;
                let lies = live.place.file(id);
                let from = live.moved_from.map_or_else(|| lies.clone(), |from| from.file(id));
                let entry =
                    Entry::Move { id: id.to_string(), from, to: place.file(id), offset: live.len, line };
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
                if let Err(error) = self.dir.write_new(&plan.lies, artifact, Time(*arrived)) {
                    return Ok(Applied::Refused(error));
                }
                match self.dir.rename(&plan.lies, &to) {
                    Ok(()) => Ok(Applied::Written),
                    Err(error) => {
                        // Only ever a copy of what the journal has.
                        let _ = self.dir.remove_temporary(&format!("{id}.json"));
                        Ok(lost_or_refused(error))
                    }
                }
            }
            Entry::Move { to, offset, line, .. } => {
                // Before the rename: a file that cannot be written must not be moved, and one that is moved on
                // right after still gets its line.
                let file = match self.dir.open_to_write(&plan.lies) {
                    Ok(file) => file,
                    Err(error) => return Ok(lost_or_refused(error)),
                };
                if plan.lies != *to
                    && let Err(error) = self.dir.rename(&plan.lies, to)
                {
                    return Ok(lost_or_refused(error));
                }
                match file.write_all_at(line.as_bytes(), *offset) {
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
        if plan.lies != *to && self.dir.exists(&plan.lies) && self.dir.exists(to) {
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
