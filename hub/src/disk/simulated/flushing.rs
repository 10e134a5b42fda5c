//! A flush: how it ends, at once or in the background.

use std::fmt;
use std::io;
use std::sync::Arc;

use super::fault::{Background, Call, Failure};
use super::state::{Reach, State};
use super::{Caller, Shared, SimulatedDisk};
use crate::disk::Flushing;

/// Makes durable what a flush is about, or loses track of it for good.
pub(super) fn finish(state: &mut State, reach: Reach<'_>, failure: Option<Failure>) -> io::Result<()> {
    match failure.and_then(Failure::error) {
        None => {
            state.settle(reach);
            Ok(())
        }
        Some(error) => {
            state.lose_track(reach);
            Err(error)
        }
    }
}

/// A flush of everything in the background of a simulated disk. Dropped, it never ends.
pub struct SimulatedFlushing {
    shared: Arc<Shared>,
    process: usize,
    /// What was done before this effect becomes durable.
    before: u64,
    background: Background,
    told: bool,
}

impl SimulatedFlushing {
    pub(super) fn new(disk: &SimulatedDisk, before: u64, background: Background) -> Self {
        let (shared, process) = disk.shared();
        Self { shared: Arc::clone(shared), process, before, background, told: false }
    }

    fn end(&self) -> io::Result<()> {
        let before = self.before;
        Caller::new(&self.shared, self.process).call(Call::EndFlushAll, "", String::new, |state, failure| {
            finish(state, Reach::Before(before), failure)
        })
    }
}

impl Flushing for SimulatedFlushing {
    fn poll(&mut self) -> Option<io::Result<()>> {
        match &mut self.background {
            _ if self.told => None,
            Background::AfterPolls(0) => {
                self.told = true;
                Some(self.end())
            }
            Background::AfterPolls(polls) => {
                *polls -= 1;
                None
            }
            Background::WhenWaitedFor => None,
        }
    }

    fn wait(self) -> io::Result<()> {
        self.end()
    }
}

impl fmt::Debug for SimulatedFlushing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SimulatedFlushing(of process {}, before effect {})", self.process, self.before)
    }
}
