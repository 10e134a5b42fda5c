//! Retention: terminal handoffs and old events are removed, when the operator asked for that (DESIGN's rule: a replay of
//! what is gone is refused as expired, so nothing comes back to life).
//!
//! Slow on purpose: a few files at a time, and their names' end is durable before anything else happens, so that what
//! takes an id again never meets what had it before.

use std::io;

use handoff_kernel::ident::HandoffId;
use handoff_kernel::law::{Law as _, Protocol};
use handoff_kernel::record::Status;
use handoff_kernel::time::{Millis, Time};

use super::place::directory;
use super::{DirectoryStore, FILE_LIMIT, line};
use crate::disk::Disk;

/// How many files are looked into at a time.
const FILES_AT_A_TIME: usize = 32;

/// How far retention has come on its way through the directories.
#[derive(Debug)]
pub(super) struct Round<W> {
    status: Status,
    names: Option<W>,
}

impl<W> Default for Round<W> {
    fn default() -> Self {
        Self { status: Status::Completed, names: None }
    }
}

impl<D: Disk> DirectoryStore<D> {
    /// Looks at the next few terminal handoffs, and removes those whose time is over.
    ///
    /// # Errors
    /// When a directory or a file cannot be read, removed or made durable now; the next call goes on.
    pub fn prune(&mut self, retention: Millis, now: Time) -> io::Result<()> {
        let place = directory(self.round.status);
        let names = match &mut self.round.names {
            Some(names) => names,
            none => none.insert(self.disk.walk(place)?),
        };
        let names: Vec<_> = names.take(FILES_AT_A_TIME).collect();
        if names.len() < FILES_AT_A_TIME {
            let next =
                if self.round.status == Status::Completed { Status::Rejected } else { Status::Completed };
            self.round = Round { status: next, names: None };
        }
        let mut removed = false;
        for name in names {
            let file = format!("{place}/{}", name?);
            if self.is_over(&file, retention, now)? {
                self.disk.remove(&file)?;
                removed = true;
            }
        }
        if removed {
            self.disk.flush_directory(place)?;
        }
        self.log.prune(&self.disk, Time(now.0.saturating_sub(retention.0)))?;
        Ok(())
    }

    /// Whether a file is that of a handoff that may be removed. What is not understood stays.
    fn is_over(&self, file: &str, retention: Millis, now: Time) -> io::Result<bool> {
        let id = file.rsplit('/').next().and_then(|name| HandoffId::parse(name.strip_suffix(".json")?).ok());
        let Some(id) = id.filter(|id| self.index.get(id).is_none()) else { return Ok(false) };
        let contents = match self.disk.read(file, FILE_LIMIT) {
            Ok(Some(contents)) => contents,
            Ok(None) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Ok(false),
            Err(error) => return Err(error),
        };
        let Ok(told) = line::read(&contents.bytes, contents.modified) else { return Ok(false) };
        Ok(told.record.id == id && Protocol.may_remove(&told.record, retention, now))
    }
}
