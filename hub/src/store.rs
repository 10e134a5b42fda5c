//! The directory store: one file a handoff, which carries its own history and moves between four directories.
//!
//! ```text
//!   DATA/handoff/<id>.json                     pending     the artifact, verbatim
//!   DATA/claimed/<id>~<claim_id>~<ms>.json     claimed     + a line: who, when
//!   DATA/archive/<id>.json                     completed   + a line: the result
//!   DATA/rejected/<id>.json                    rejected    + a line: why
//!   DATA/events/<seq>.ndjson                               every transition, in order; nothing here reads it
//!
//!   commit:  journal, one flush --> rename, write the line, log the event --> answer
//! ```
//!
//! A same-host agent may drop a file into `handoff/`, and may claim and finish by renaming; the hub takes note and
//! carries out, through the same operation machine, the command that such a rename amounts to. What cannot be
//! understood goes to `quarantine/`, with its reason beside it; nothing is ever deleted.

mod checkpoint;
mod commit;
mod covers;
mod files;
pub mod fsck;
mod index;
mod journal;
mod line;
mod neighbour;
mod open;
mod place;
mod redo;
mod retain;
mod slip;
mod upgrade;

use std::fmt;
use std::io;
use std::sync::Arc;

use handoff_kernel::ident::{AgentId, HandoffId, Wire};
use handoff_kernel::law::{Law, Protocol};
use handoff_kernel::operation::{Stored, Version};
use handoff_kernel::record::{Record, Status};
use handoff_kernel::time::Time;

use crate::disk::{Disk, RealDisk};
use crate::events::EventLog;
use crate::request::{Cursor, Filter, Page};
pub use commit::{Batch, Write};
use covers::Covers;
use files::Files as _;
use index::{Index, Live};
use journal::Journal;
use neighbour::Stray;
pub use neighbour::{Adoption, Noticed};
pub use open::{OpenError, Options, own_disk};
use place::{Place, directory};
pub use slip::{Slip, Slips};

/// A handoff's file is at most its artifact and three lines, each of which may carry a body's worth of text.
const FILE_LIMIT: u64 = 8 * 1024 * 1024;

/// How many files of terminal handoffs one request looks into: everybody else waits meanwhile.
const FILES_A_PAGE: usize = 512;

/// The disk failed in a way that leaves open what is on it. Final: whoever sees this stops acknowledging, says so,
/// and exits; the next start redoes what was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreDown(String);

impl StoreDown {
    fn new(what: &str, error: &io::Error) -> Self {
        Self(format!(
            "The store is down: {what} ({error}). Nothing more is acknowledged; see to the disk and start the hub again."
        ))
    }
}

impl fmt::Display for StoreDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for StoreDown {}

/// A file could not be read now. Nothing has changed.
#[derive(Debug)]
pub struct Unreadable(pub io::Error);

/// What a load finds.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is matched at once")]
pub enum Loaded {
    /// The record, or none of that id.
    Known(Option<Stored<Wire>>),
    /// A same-host agent moved the file: this has to be carried out first.
    Adopt(Adoption),
}

/// The state, which is a set of directories.
#[derive(Debug)]
pub struct DirectoryStore<D: Disk = RealDisk, L: Law = Protocol> {
    law: L,
    disk: D,
    journal: Journal<D::File>,
    /// The directories are being flushed, so that the journal's other file may be filled anew.
    flushing: Option<D::Flushing>,
    /// The journal's other file has been begun, and the directories are to be flushed.
    checkpoint_wanted: bool,
    covers: Covers,
    log: EventLog<D>,
    /// Events that the log has not taken yet. The journal covers them.
    unlogged: Vec<String>,
    /// It has been told that the log or a checkpoint has to wait.
    behind: bool,
    slips: Slips,
    index: Index<L>,
    watch: neighbour::Watch,
    round: retain::Round<D::Walk>,
    /// A failed flush is final.
    down: Option<StoreDown>,
    /// The journal took no more when it was last asked to.
    full: bool,
    noticed: Vec<Noticed>,
    notes: Vec<String>,
}

impl<D: Disk, L: Law> DirectoryStore<D, L> {
    /// The record of this id, by the live index or by the terminal directories.
    ///
    /// # Errors
    /// When a file that is there cannot be read now.
    pub fn load(&mut self, id: &HandoffId, now: Time) -> Result<Loaded, Unreadable> {
        if self.index.get(id).is_none() {
            self.look(id, now).map_err(Unreadable)?;
            self.look_at_unread(id, now).map_err(Unreadable)?;
        }
        let Some(live) = self.index.get(id) else { return Ok(Loaded::Known(None)) };
        match neighbour::stray(live) {
            Some(Stray::Adopt(adoption)) => return Ok(Loaded::Adopt(adoption)),
            Some(Stray::PutBack) => self.put_back(id).map_err(Unreadable)?,
            None => {}
        }
        let Some(live) = self.index.get(id) else { return Ok(Loaded::Known(None)) };
        let stored = Stored { record: live.record.clone(), version: version(live) };
        if stored.record.status().is_terminal() {
            // Only the living stay in memory.
            self.index.remove(id);
        }
        Ok(Loaded::Known(Some(stored)))
    }

    /// The record as it is on the books while its file says more: what an [`Adoption`] is decided on.
    #[must_use]
    pub fn adopting(&self, id: &HandoffId) -> Option<Stored<Wire>> {
        let live = self.index.get(id)?;
        Some(Stored { record: live.record.clone(), version: version(live) })
    }

    /// The artifact's bytes, verbatim.
    ///
    /// # Errors
    /// When the file cannot be read now, or a same-host agent has just moved it.
    pub fn artifact(&self, record: &Record<Wire>) -> Result<Arc<[u8]>, Unreadable> {
        let place = match (self.index.get(&record.id), record.status()) {
            (Some(live), _) => live.place,
            (None, Status::Completed) => Place::Completed,
            (None, _) => Place::Rejected,
        };
        let read = self.disk.read(&place.file(&record.id), FILE_LIMIT).map_err(Unreadable)?;
        let gone = || Unreadable(io::Error::new(io::ErrorKind::NotFound, "the file has just been moved"));
        let contents = read.ok_or_else(gone)?;
        let told = line::read(&contents.bytes, contents.modified)
            .map_err(|why| Unreadable(io::Error::new(io::ErrorKind::InvalidData, why)))?;
        if told.record.digest != record.digest {
            let why = "somebody has replaced the file by one with other bytes";
            return Err(Unreadable(io::Error::new(io::ErrorKind::InvalidData, why)));
        }
        Ok(contents.bytes[..told.artifact_bytes].into())
    }

    /// The pending handoffs of a target in the order of their arrival, ties by id (rule S12).
    pub fn pending_for(&self, target: &AgentId) -> impl Iterator<Item = &Record<Wire>> {
        self.index.pending_for(target).map(|live| &live.record)
    }

    /// The handoffs whose deadline may have passed at `now`, earliest first.
    pub fn due(&self, now: Time) -> impl Iterator<Item = HandoffId> {
        self.index.due(now)
    }

    /// The earliest deadline.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Time> {
        self.index.next_deadline()
    }

    /// What has happened since this was last asked, and no command asked for, in order.
    pub fn take_noticed(&mut self) -> Vec<Noticed> {
        std::mem::take(&mut self.noticed)
    }

    /// Why nothing is acknowledged any more, if that is so.
    #[must_use]
    pub const fn down(&self) -> Option<&StoreDown> {
        self.down.as_ref()
    }

    /// Whether the journal took no more when it was last asked to.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.full
    }

    /// What people should know that happened here, and did not ask for.
    pub fn take_notes(&mut self) -> Vec<String> {
        std::mem::take(&mut self.notes)
    }

    fn unless_down<R>(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<R, StoreDown>,
    ) -> Result<R, StoreDown> {
        if let Some(down) = &self.down {
            return Err(down.clone());
        }
        let result = act(self);
        self.down = result.as_ref().err().cloned();
        result
    }

    /// A page of handoffs that pass the filter and that `by` is a party to.
    ///
    /// # Errors
    /// When a directory or a file cannot be read now.
    pub fn list(
        &mut self,
        by: &AgentId,
        filter: &Filter,
        limit: usize,
        after: Option<Cursor>,
        now: Time,
    ) -> Result<Page, Unreadable> {
        let law = self.law.clone();
        let wanted = |record: &Record<Wire>| {
            record.status() == filter.status
                && law.is_party(record, by)
                && filter.target.is_none_or(|target| record.target == target)
                && filter.author.is_none_or(|author| record.author == author)
        };
        if filter.status.is_terminal() {
            return self.list_terminal(filter.status, &wanted, limit, after, now);
        }
        let mut records = {
            let mut found: Vec<_> = self
                .index
                .iter()
                .map(|live| &live.record)
                .filter(|r| after.is_none_or(|after| cursor(r) > after) && wanted(r))
                .cloned()
                .collect();
            found.sort_unstable_by_key(cursor);
            found
        };
        let more = records.len() > limit;
        records.truncate(limit);
        let next = if more { records.last().map(cursor) } else { None };
        Ok(Page { records, next })
    }

    /// Terminal handoffs are not in memory: their directory is read, in the order of the names. One request looks into
    /// so many files at the most, and its page may be short, or empty, and yet not the last.
    fn list_terminal(
        &mut self,
        status: Status,
        wanted: &dyn Fn(&Record<Wire>) -> bool,
        limit: usize,
        after: Option<Cursor>,
        now: Time,
    ) -> Result<Page, Unreadable> {
        let names = self.disk.list(directory(status)).map_err(Unreadable)?;
        let ids = names.iter().filter_map(|name| HandoffId::parse(name.strip_suffix(".json")?).ok());
        let mut ids: Vec<_> = ids.filter(|id| after.is_none_or(|after| *id > after.handoff)).collect();
        ids.sort_unstable();
        let mut page = Page { records: Vec::new(), next: None };
        for (looked, id) in ids.iter().enumerate() {
            if page.records.len() == limit || looked == FILES_A_PAGE {
                let before = ids[looked.saturating_sub(1)];
                page.next = (looked > 0).then_some(Cursor { arrived: Time(0), handoff: before });
                break;
            }
            match self.load(id, now)? {
                Loaded::Known(Some(stored)) if wanted(&stored.record) => page.records.push(stored.record),
                Loaded::Known(_) => {}
                Loaded::Adopt(_) => self.noticed.push(Noticed::Moved(*id)),
            }
        }
        Ok(page)
    }
}

/// A record changes only forward, so its status tells its versions apart; and what a same-host agent has done since
/// is a change that has been seen and not yet written.
fn version(live: &Live) -> Version {
    let status = match live.record.status() {
        Status::Pending => 0,
        Status::Claimed => 1,
        Status::Completed | Status::Rejected => 2,
    };
    Version(2 * status + u64::from(neighbour::stray(live).is_some()))
}

/// A record's place in the order of a list.
fn cursor(record: &Record<Wire>) -> Cursor {
    let arrived = if record.status().is_terminal() { Time(0) } else { record.started_at };
    Cursor { arrived, handoff: record.id }
}
