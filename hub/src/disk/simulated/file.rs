//! The calls about a file that is open, as [`DiskFile`] has them.

use std::fmt;
use std::io;
use std::sync::Arc;

use handoff_kernel::time::Time;
use rustix::io::Errno;

use super::effect::Inode;
use super::fault::{Call, Failure};
use super::flushing::finish;
use super::state::{Reach, State};
use super::{Caller, Shared, SimulatedDisk, locked};
use crate::disk::{DiskFile, Mode};

/// No file is longer: a disk in memory is for small ones.
const MOST_BYTES: u64 = 256 * 1024 * 1024;

/// A file of a simulated disk that is open: this very file, whatever its name becomes.
pub struct SimulatedFile {
    shared: Arc<Shared>,
    process: usize,
    inode: Inode,
    reads: bool,
    writes: bool,
}

impl SimulatedFile {
    /// Whoever calls has counted it in already.
    pub(super) fn new(disk: &SimulatedDisk, inode: Inode, mode: Mode) -> Self {
        let (shared, process) = disk.shared();
        let (reads, writes) = match mode {
            Mode::Read => (true, false),
            Mode::Create => (true, true),
            Mode::Write | Mode::New => (false, true),
        };
        Self { shared: Arc::clone(shared), process, inode, reads, writes }
    }

    fn call<T>(
        &self,
        call: Call,
        more: impl FnOnce() -> String,
        act: impl FnOnce(&mut State, Option<Failure>) -> io::Result<T>,
    ) -> io::Result<T> {
        let name = locked(&self.shared).told(self.inode);
        Caller::new(&self.shared, self.process).call(call, &name, more, act)
    }
}

/// An error unless the file was opened for this.
fn opened_for_it(is: bool, otherwise: Errno) -> io::Result<()> {
    if is { Ok(()) } else { Err(otherwise.into()) }
}

/// A length or an offset, if it is one that a file may have.
fn place(at: u64) -> io::Result<usize> {
    let place = usize::try_from(at).ok().filter(|_| at <= MOST_BYTES);
    place.ok_or_else(|| Errno::FBIG.into())
}

impl Drop for SimulatedFile {
    fn drop(&mut self) {
        let mut state = locked(&self.shared);
        if let Ok(file) = state.file_mut(self.inode) {
            file.opened -= 1;
            if self.writes {
                // Its last name, if it has been removed: so does the system.
                let name = Arc::clone(&file.name);
                state.hint(&name);
            }
        }
    }
}

impl fmt::Debug for SimulatedFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimulatedFile({} of process {})", self.inode, self.process)
    }
}

impl DiskFile for SimulatedFile {
    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        let more = || format!(" {} at {offset}", into.len());
        let len = into.len();
        let bytes = self.call(Call::Read, more, |state, failure| {
            opened_for_it(self.reads, Errno::BADF)?;
            let seen = state.file(self.inode)?.seen.bytes();
            let from = usize::try_from(offset).unwrap_or(usize::MAX).min(seen.len());
            let read = Failure::shorten(failure, len.min(seen.len() - from));
            Ok(seen[from..from + read].to_vec())
        })?;
        into[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<usize> {
        let more = || format!(" {} at {offset}", bytes.len());
        self.call(Call::Write, more, |state, failure| {
            opened_for_it(self.writes, Errno::BADF)?;
            place(offset.saturating_add(bytes.len() as u64))?;
            state.write(self.inode, place(offset)?, &bytes[..Failure::shorten(failure, bytes.len())])
        })
    }

    fn length(&self) -> io::Result<u64> {
        self.call(Call::Length, String::new, |state, _| Ok(state.file(self.inode)?.seen.bytes().len() as u64))
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.call(
            Call::SetLength,
            || format!(" {len}"),
            |state, _| {
                opened_for_it(self.writes, Errno::INVAL)?;
                state.set_len(self.inode, place(len)?)
            },
        )
    }

    fn reserve(&self, offset: u64, len: u64) -> io::Result<()> {
        self.call(
            Call::Reserve,
            || format!(" {len} at {offset}"),
            |state, _| {
                // In this order, as Linux has it.
                opened_for_it(len > 0, Errno::INVAL)?;
                opened_for_it(self.writes, Errno::BADF)?;
                let (from, to) = (place(offset)?, place(offset.saturating_add(len))?);
                state.reserve(self.inode, from, to)
            },
        )
    }

    fn set_modified(&self, modified: Time) -> io::Result<()> {
        self.call(
            Call::SetModified,
            || format!(" {}", modified.0),
            |state, _| state.set_modified(self.inode, modified),
        )
    }

    fn flush(&self) -> io::Result<()> {
        self.call(Call::Flush, String::new, |state, failure| {
            finish(state, Reach::Contents(self.inode), failure)
        })
    }

    fn flush_with_time(&self) -> io::Result<()> {
        self.call(
            Call::Flush,
            || " with its time".to_owned(),
            |state, failure| finish(state, Reach::Whole(self.inode), failure),
        )
    }
}
