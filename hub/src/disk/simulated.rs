//! A disk in memory that keeps apart what is seen and what is durable, and says what a crash may leave of it.
//!
//! ```text
//!   call --> what is seen (at once, by every process)
//!       \--> effects, pending --flush--> durable
//!                   \--crash--> Crash: every set of them that may be kept, each an Image --> a disk again
//! ```
//!
//! The same calls in the same order give the same disk: no clock, no chance, no thread, no file of the system's.
//! Nothing here knows what a handoff is.
//!
//! # What is modelled
//!
//! - Each effect is kept or lost whole: a block's bytes after a write ([`Settings::block_bytes`]), a file's length, its
//!   time, one name made, moved or removed, one directory made. A write over several blocks can be torn, in any order.
//! - Of one block, of one length, of one time, the versions become durable in order; of different ones in any order.
//! - A length without its block shows zeros; a block beyond the length is not seen, now or later.
//! - Cutting a file shorter is one effect, the length; what lay beyond it never comes back once that is kept, also when
//!   the file grows again. Lost, the old bytes are there still. When it cuts through a block, the zeros after it are a
//!   version of this block of their own. A block that is written anew after such a cut may be durable without the cut.
//!   That is stricter than a journalling file system, which gives freed blocks away only after the cut is durable.
//! - A rename is one effect on both of its names, and on the file that it replaces.
//! - No name without what last happened to its entry: a file cannot be at a name that another has not left, nor move
//!   from one to which it has not come. So no two files claim a name, and no file has two.
//! - No name without its directory; no contents without the file's first name.
//! - [`DiskFile::flush`](super::DiskFile::flush): the file's bytes and length, neither its name nor (as `fdatasync`) its time.
//!   [`Disk::flush_directory`](super::Disk::flush_directory): each name that is or was in it, and what these need, which may be another directory's
//!   name: journalling file systems write these with it, and a rename could not be one step otherwise. An empty
//!   directory's own name is its parent's.
//! - A flush in the background is durable when it is said to be, and not before; a crash in between keeps what it likes.
//! - A failed flush is final: what it was about is seen, may be kept or lost by a crash, and no later flush changes that,
//!   whatever it says; nor does one of what needs it. A file whose flush failed is never flushed again.
//! - Space: a block for each file and directory, and those of its bytes. What is reserved or written can be written again.
//! - Processes: each clone of a disk is one; what one does, all see. A process dies ([`SimulatedDisk::crash`],
//!   [`SimulatedDisk::crash_at`]) without losing anything that is seen; a power cut is what [`Crash`] is about.
//!
//! # What is not, and why
//!
//! - Effects of a directory as a whole (that it is written in blocks, and torn): a file system that tears a directory
//!   does not give what [`crate::disk`] asks for.
//! - Bytes that nobody wrote (garbage, other files' blocks) and bytes that rot: no order of calls helps against them;
//!   what is read is checked by its readers.
//! - Links, permissions, moved or removed directories: the store has none. They are refused, not ignored.
//! - Reserved space after a power cut: it is lost, which is the worst that may happen to it.
//! - Space of a removed file that a crash brings back: a disk that was not full is not full after it.
//! - A directory's time: [`About::modified`](super::About::modified) of it tells of changes, and begins anew with each disk.

mod contents;
mod crash;
mod directory;
mod effect;
mod fault;
mod file;
mod flushing;
mod image;
mod process;
mod space;
mod state;

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use handoff_kernel::time::Time;

pub use contents::Fingerprint;
pub use crash::{Crash, Images};
pub use directory::Walk;
pub use effect::Effect;
pub use fault::{Background, Call, Failure, Fault, Hinting};
pub use file::SimulatedFile;
pub use flushing::SimulatedFlushing;
pub use image::Image;

use process::Process;
use state::State;

/// How a disk is, and what it goes on with after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How many bytes become durable together.
    pub block_bytes: usize,
    /// How many blocks there are; none for as many as anybody wants.
    pub capacity: Option<usize>,
    /// When a flush in the background is done.
    pub background: Background,
    /// Whether flushing a file makes its time durable, as `fsync` does and `fdatasync` need not.
    pub times_with_flush: bool,
    /// When what is written is written.
    pub now: Time,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            block_bytes: 512,
            capacity: None,
            background: Background::AfterPolls(0),
            times_with_flush: false,
            now: Time(0),
        }
    }
}

/// What the processes of a disk share.
type Shared = Mutex<State>;

/// A process's hold on a disk in memory. A clone is another process's.
pub struct SimulatedDisk {
    shared: Arc<Shared>,
    process: usize,
    lock: Option<Lock>,
}

/// Given back when it is dropped.
struct Lock {
    shared: Arc<Shared>,
    process: usize,
}

impl Drop for Lock {
    fn drop(&mut self) {
        let mut state = locked(&self.shared);
        if state.lock == Some(self.process) {
            state.lock = None;
        }
    }
}

fn locked(shared: &Shared) -> MutexGuard<'_, State> {
    // Whoever panicked with it was a test, and its disk is looked at by nobody but the one who tells of it.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Default for SimulatedDisk {
    fn default() -> Self {
        Self::new(Settings::default())
    }
}

impl Clone for SimulatedDisk {
    /// Another process on the same disk. It does not have the lock.
    fn clone(&self) -> Self {
        let mut state = self.state();
        state.processes.push(Process::default());
        Self { shared: Arc::clone(&self.shared), process: state.processes.len() - 1, lock: None }
    }
}

impl SimulatedDisk {
    /// An empty data directory.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self::on(&Image::empty(settings))
    }

    pub(super) fn on(image: &Image) -> Self {
        let mut state = State::on(image);
        state.processes.push(Process::default());
        Self { shared: Arc::new(Mutex::new(state)), process: 0, lock: None }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.shared)
    }

    /// Another process on the same disk, which has its lock until this is dropped or the process dies.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] when another process has it.
    pub fn start(&self) -> io::Result<Self> {
        let mut started = self.clone();
        let mut state = self.state();
        if state.lock.is_some() {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        state.lock = Some(started.process);
        drop(state);
        started.lock = Some(Lock { shared: Arc::clone(&self.shared), process: started.process });
        Ok(started)
    }

    /// A second hold of this very process, for whoever gives the first away and still wants to end or ask it.
    #[must_use]
    pub fn same_process(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), process: self.process, lock: None }
    }

    /// How many operations this process has begun: calls that may change something or make it durable.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().processes[self.process].operations
    }

    /// This process dies instead of its operation of this number (from 0 on): exactly so many are done. That one and
    /// every later call of this process and its files is an error.
    pub fn crash_at(&self, operations: u64) {
        self.state().processes[self.process].dies_at = Some(operations);
    }

    /// This process dies now.
    pub fn crash(&self) {
        self.state().kill(self.process);
    }

    /// Whether this process has died.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.state().processes[self.process].dead
    }

    /// Lets a call of any process fail.
    pub fn fail(&self, fault: Fault) {
        self.state().faults.push(fault);
    }

    /// Whether what is to fail passes this process over, and its calls are not counted: so does an onlooker's, whose
    /// looking must change nothing.
    pub fn spare(&self, spared: bool) {
        self.state().processes[self.process].spared = spared;
    }

    /// From now on nothing fails.
    pub fn heal(&self) {
        self.state().faults.clear();
    }

    /// From now on this is when what is written is written.
    pub fn set_now(&self, now: Time) {
        self.state().settings.now = now;
    }

    /// From now on there are so many blocks.
    pub fn set_capacity(&self, blocks: Option<usize>) {
        self.state().settings.capacity = blocks;
    }

    /// From now on a flush in the background takes so long.
    pub fn set_background(&self, background: Background) {
        self.state().settings.background = background;
    }

    /// From now on this is what comes of hints.
    pub fn set_hinting(&self, hinting: Hinting) {
        self.state().hinting = hinting;
    }

    /// How many blocks are free; none when there are as many as anybody wants.
    #[must_use]
    pub fn free_blocks(&self) -> Option<usize> {
        let state = self.state();
        state.settings.capacity.map(|_| state.free())
    }

    /// What is seen: what a process that dies leaves to the next.
    #[must_use]
    pub fn seen(&self) -> Image {
        self.state().seen()
    }

    /// What a power cut may leave now.
    #[must_use]
    pub fn power_cut(&self) -> Crash {
        self.state().crash()
    }

    /// Every image that a power cut may leave now, each once.
    #[must_use]
    pub fn crash_images(&self) -> Images {
        self.power_cut().images()
    }

    /// Writes down every call from now on.
    pub fn log_operations(&self) {
        self.state().log.get_or_insert_default();
    }

    /// The calls since that began, with what came of each that failed.
    #[must_use]
    pub fn operations_log(&self) -> Vec<String> {
        self.state().log.clone().unwrap_or_default()
    }

    fn caller(&self) -> Caller<'_> {
        Caller { shared: &self.shared, process: self.process }
    }

    fn shared(&self) -> (&Arc<Shared>, usize) {
        (&self.shared, self.process)
    }
}

impl fmt::Debug for SimulatedDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lock = if self.lock.is_some() { ", which has the lock" } else { "" };
        write!(f, "SimulatedDisk(process {}{lock})", self.process)
    }
}

/// Who calls.
#[derive(Clone, Copy)]
struct Caller<'a> {
    shared: &'a Shared,
    process: usize,
}

impl<'a> Caller<'a> {
    const fn new(shared: &'a Shared, process: usize) -> Self {
        Self { shared, process }
    }

    /// One call: counted, failed if it is to fail, written down.
    fn call<T>(
        self,
        call: Call,
        name: &str,
        more: impl FnOnce() -> String,
        act: impl FnOnce(&mut State, Option<Failure>) -> io::Result<T>,
    ) -> io::Result<T> {
        let mut state = locked(self.shared);
        let result = state.begin(self.process, call, name).and_then(|failure| {
            let error = failure.and_then(Failure::error);
            if let (Some(error), false) = (error, call.is_flush()) {
                Err(error)
            } else {
                act(&mut state, failure)
            }
        });
        if let Some(log) = &mut state.log {
            let failed = result.as_ref().err().map(|error| format!(" -> {error}")).unwrap_or_default();
            log.push(format!("process {}: {call:?} {name}{}{failed}", self.process, more()));
        }
        result
    }
}
