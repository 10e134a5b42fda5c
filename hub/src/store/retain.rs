//! Rounds through the terminal handoffs, a few files at a time.
//!
//! The first one takes note of what same-host agents finished while no hub ran: nothing else tells of it, for what is over
//! is not in memory. And with retention, which goes on and on, what has been over for long enough is removed. A replay of
//! what is gone is refused as expired, so nothing comes back to life; and that its name is gone is durable before anything
//! else happens, so that what takes an id again never meets what had it before.

use std::io;

use handoff_kernel::ident::HandoffId;
use handoff_kernel::law::Law;
use handoff_kernel::time::{Millis, Time};

use super::neighbour::Noticed;
use super::place::{Place, directory};
use super::{DirectoryStore, FILE_LIMIT, line};
use crate::disk::Disk;

/// How many files are looked into at a time.
const FILES_AT_A_TIME: usize = 64;

/// How far a round has come.
#[derive(Debug)]
pub(super) struct Round<W> {
    place: Place,
    names: Option<W>,
    /// The first one has been everywhere.
    done: bool,
}

impl<W> Default for Round<W> {
    fn default() -> Self {
        Self { place: Place::Completed, names: None, done: false }
    }
}

impl<D: Disk, L: Law> DirectoryStore<D, L> {
    /// Whether every terminal handoff has been looked at since the store was opened.
    #[must_use]
    pub const fn has_gone_round(&self) -> bool {
        self.round.done
    }

    /// Looks at the next few terminal handoffs: takes note of those that a same-host agent finished, and removes those
    /// whose time is over, and old events, if there is a retention.
    ///
    /// # Errors
    /// When a directory or a file cannot be read, removed or made durable now; the next call goes on.
    pub fn go_round(&mut self, retention: Option<Millis>, now: Time) -> io::Result<()> {
        let place = self.round.place;
        let directory = directory(place.status());
        let names = match &mut self.round.names {
            Some(names) => names,
            none => none.insert(self.disk.walk(directory)?),
        };
        let names: Vec<_> = names.take(FILES_AT_A_TIME).collect();
        if names.len() < FILES_AT_A_TIME {
            let first = place == Place::Completed;
            let next = if first { Place::Rejected } else { Place::Completed };
            self.round = Round { place: next, names: None, done: self.round.done || !first };
        }
        let (mut over, mut result) = (Vec::new(), Ok(()));
        for name in names {
            let id = match name {
                Ok(name) => name.strip_suffix(".json").and_then(|stem| HandoffId::parse(stem).ok()),
                Err(error) => {
                    result = Err(error);
                    continue;
                }
            };
            let Some(id) = id.filter(|id| self.index.get(id).is_none()) else { continue };
            // One that cannot be read must not keep the others.
            match self.look_over(&id, place, retention, now) {
                Ok(true) => over.push(id),
                Ok(false) => {}
                Err(error) => result = Err(error),
            }
        }
        self.remove(&over, place, now)?;
        if let Some(retention) = retention {
            let covered = self.covers.segment();
            let removed = self.log.prune(&self.disk, Time(now.0.saturating_sub(retention.0)), covered)?;
            if removed.is_some() {
                // Before the next one goes: a power cut that brought back the older of two would leave a gap.
                let flushed = self.disk.flush_directory(crate::events::DIRECTORY);
                self.finally(flushed)?;
            }
        }
        result
    }

    /// Removes files, and makes that durable. First the time by which their own is over must be, or a hub whose clock is
    /// set back while it is down would take them for new (rule S4); and the journal must not cover them any longer, or
    /// a crash would bring them back.
    fn remove(&mut self, over: &[HandoffId], place: Place, now: Time) -> io::Result<()> {
        if over.is_empty() {
            return Ok(());
        }
        if !self.commit(now, &[]).map_err(io::Error::other)?.marked {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "the journal takes no more"));
        }
        if over.iter().any(|id| self.covers.has(id)) {
            self.checkpoint(now).map_err(io::Error::other)?;
        }
        let (mut removed, mut result) = (false, Ok(()));
        for id in over.iter().filter(|id| !self.covers.has(id)) {
            match self.disk.remove(&place.file(id)) {
                Ok(()) => {
                    removed = true;
                    self.noticed.push(Noticed::Removed(*id));
                }
                Err(error) => result = Err(error),
            }
        }
        if removed {
            let flushed = self.disk.flush_directory(directory(place.status()));
            self.finally(flushed)?;
        }
        result
    }

    /// Looks at one file; true when it is to be removed. What is not understood stays.
    fn look_over(
        &mut self,
        id: &HandoffId,
        place: Place,
        retention: Option<Millis>,
        now: Time,
    ) -> io::Result<bool> {
        let file = place.file(id);
        let contents = match self.disk.read(&file, FILE_LIMIT) {
            Ok(Some(contents)) => contents,
            Ok(None) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(false),
            Err(error) => return Err(error),
        };
        let Ok(told) = line::read(&contents.bytes, contents.modified) else { return Ok(false) };
        if told.record.id != *id {
            return Ok(false);
        }
        if !told.record.status().is_terminal() {
            if self.take_in(id, place, now)? {
                let settled = self.settle(&file);
                if settled.is_err() {
                    self.index.remove(id);
                }
                settled?;
                self.noticed.push(Noticed::Moved(*id));
            }
            return Ok(false);
        }
        Ok(retention.is_some_and(|retention| self.law.may_remove(&told.record, retention, now)))
    }
}
