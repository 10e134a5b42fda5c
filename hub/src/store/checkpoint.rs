//! Checkpoints: the directories are flushed, and the journal need not cover any longer what they have.
//!
//! ```text
//!   journal full --> the other file's turn --> flush everything, in the background --> a frame says so
//! ```
//!
//! Commits go on meanwhile, into the other file; only when that is full as well do they wait.

use std::io;

use handoff_kernel::law::Law;
use handoff_kernel::time::Time;

use super::files::Files as _;
use super::journal::{AppendError, Frame};
use super::slip::Slip;
use super::{DirectoryStore, StoreDown};
use crate::disk::{Disk, Flushing as _};

/// Whether the journal has room for the next batch.
pub(super) enum Room {
    Made,
    /// None, until a checkpoint can be made.
    Full(io::Error),
}

impl<D: Disk, L: Law> DirectoryStore<D, L> {
    /// Flushes the directories, and waits for it. Nothing is left to redo then.
    ///
    /// # Errors
    /// [`StoreDown`] is final: every later call returns it again, and nothing is flushed any more.
    pub fn checkpoint(&mut self, mark: Time) -> Result<(), StoreDown> {
        self.unless_down(|store| {
            if let Some(flushing) = store.flushing.take() {
                store.flushed(flushing.wait(), mark)?;
            }
            if let Err(error) = store.write_log().and_then(|()| store.keep_mark(mark)) {
                // The journal goes on covering it.
                store.notes.push(format!("The hub's clock or log cannot be written: {error}."));
                store.checkpoint_wanted = true;
                return Ok(());
            }
            store.flush_directories()?;
            store.all_is_durable(mark)
        })
    }

    /// Flushes the directories, here and now.
    pub(super) fn flush_directories(&self) -> Result<(), StoreDown> {
        if self.slips.makes(Slip::CutsTooEarly) {
            return Ok(());
        }
        self.disk.flush_all().map_err(|error| StoreDown::new("the directories cannot be flushed", &error))
    }

    /// Notes in the journal that the directories have everything, and begins its other file.
    pub(super) fn all_is_durable(&mut self, mark: Time) -> Result<(), StoreDown> {
        self.journal.all_is_durable();
        self.note(mark, Vec::new())?;
        self.journal.turn();
        self.covers.forget();
        self.checkpoint_wanted = false;
        Ok(())
    }

    /// Takes note of a flush in the background that has ended.
    pub(super) fn look_after_flushing(&mut self, mark: Time) -> Result<(), StoreDown> {
        let Some(flushing) = &mut self.flushing else { return Ok(()) };
        let Some(result) = flushing.poll() else { return Ok(()) };
        self.flushing = None;
        self.flushed(result, mark)
    }

    fn flushed(&mut self, result: io::Result<()>, mark: Time) -> Result<(), StoreDown> {
        result.map_err(|error| StoreDown::new("the directories cannot be flushed", &error))?;
        self.journal.before_this_is_durable();
        self.note(mark, Vec::new())?;
        self.covers.forget_before();
        Ok(())
    }

    /// Makes room for a frame of so many bytes: by the other file's turn, if need be after the directories have been
    /// flushed.
    pub(super) fn make_room(&mut self, bytes: usize, mark: Time) -> Result<Room, StoreDown> {
        // A frame that is longer than a journal has one for itself.
        while !self.journal.fits(bytes) && !self.journal.is_fresh() {
            if self.journal.is_other_needed() {
                self.checkpoint_wanted |= self.flushing.is_none();
                if let Err(error) = self.begin_checkpoint(mark) {
                    return Ok(Room::Full(error));
                }
                if let Some(flushing) = self.flushing.take() {
                    self.flushed(flushing.wait(), mark)?;
                }
                if self.journal.is_other_needed() {
                    return Ok(Room::Full(io::Error::other("the other journal is needed still")));
                }
            }
            // The first frame of a file says from where on the log is written again: all before it must be there.
            if let Err(error) = self.write_log() {
                return Ok(Room::Full(error));
            }
            self.journal.turn();
            self.covers.turn();
            self.checkpoint_wanted = true;
        }
        Ok(Room::Made)
    }

    /// Begins to flush the directories, if the journal is in want of it.
    pub(super) fn begin_checkpoint(&mut self, mark: Time) -> io::Result<()> {
        if !self.checkpoint_wanted || self.flushing.is_some() {
            return Ok(());
        }
        self.write_log()?;
        self.keep_mark(mark)?;
        if self.slips.makes(Slip::CutsTooEarly) {
            self.journal.before_this_is_durable();
        } else {
            self.flushing = Some(self.disk.begin_flush_all()?);
        }
        self.checkpoint_wanted = false;
        Ok(())
    }

    /// Appends a frame without entries: it must find room.
    pub(super) fn note(&mut self, mark: Time, void: Vec<u64>) -> Result<(), StoreDown> {
        let mut frame = Frame { mark: mark.0, void, log: Some(self.log.position()), ..Frame::default() };
        let appended = self.journal.encode(&mut frame).map_err(AppendError::Refused);
        match appended.and_then(|bytes| self.journal.append(&bytes, 0)) {
            Ok(_) => Ok(()),
            Err(AppendError::Refused(error)) => {
                Err(StoreDown::new("the journal does not take what it must note", &error))
            }
            Err(AppendError::Down(down)) => Err(down),
        }
    }

    /// The mark as a file of its own, for people, and for a directory whose journal is gone.
    pub(super) fn keep_mark(&self, mark: Time) -> io::Result<()> {
        self.disk.replace_whole("clock", format!("{}\n", mark.0).as_bytes())
    }

    /// Writes the events that the log has not taken yet. The journal covers them until it has.
    pub(super) fn write_log(&mut self) -> io::Result<()> {
        if self.unlogged.is_empty() {
            return Ok(());
        }
        let bodies: Vec<&str> = self.unlogged.iter().map(String::as_str).collect();
        self.log.append(&self.disk, &bodies)?;
        self.unlogged.clear();
        Ok(())
    }
}
