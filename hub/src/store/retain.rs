//! Rounds through the terminal handoffs, a few files at a time.
//!
//! The first one takes note of what same-host agents finished while no hub ran: nothing else tells of it, for what is over
//! is not in memory. And with retention, which goes on and on, what has been over for long enough is removed. A replay of
//! what is gone is refused as expired, so nothing comes back to life; and that its name is gone is durable before anything
//! else happens, so that what takes an id again never meets what had it before.

use std::io;

use handoff_kernel::ident::HandoffId;
use handoff_kernel::law::{Law as _, Protocol};
use handoff_kernel::time::{Millis, Time};

use super::neighbour::Noticed;
use super::place::{Place, directory};
use super::{DirectoryStore, FILE_LIMIT, line};
use crate::disk::Disk;

/// How many files are looked into at a time.
const FILES_AT_A_TIME: usize = 32;

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

impl<D: Disk> DirectoryStore<D> {
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
    pub fn go_round(
        &mut self,
        retention: Option<Millis>,
        now: Time,
        noticed: &mut Vec<Noticed>,
    ) -> io::Result<()> {
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
        let mut removed = false;
        for name in names {
            let name = name?;
            let id = name.strip_suffix(".json").and_then(|stem| HandoffId::parse(stem).ok());
            let Some(id) = id.filter(|id| self.index.get(id).is_none()) else { continue };
            removed |= self.look_over(&id, place, retention, now, noticed)?;
        }
        if removed {
            self.disk.flush_directory(directory)?;
        }
        if let Some(retention) = retention {
            self.log.prune(&self.disk, Time(now.0.saturating_sub(retention.0)))?;
        }
        Ok(())
    }

    /// Looks at one file; true when it was removed. What is not understood stays.
    fn look_over(
        &mut self,
        id: &HandoffId,
        place: Place,
        retention: Option<Millis>,
        now: Time,
        noticed: &mut Vec<Noticed>,
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
                noticed.push(Noticed::Moved(*id));
            }
            return Ok(false);
        }
        let over = retention.is_some_and(|retention| Protocol.may_remove(&told.record, retention, now));
        if over {
            self.disk.remove(&file)?;
        }
        Ok(over)
    }
}
