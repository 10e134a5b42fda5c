//! A process: what of a disk belongs to one of those who use it, and ends with it.

use std::collections::BTreeSet;
use std::io;

use super::effect::parent;
use super::fault::Hinting;
use crate::disk::Hints;

/// One of those who use a disk.
#[derive(Debug, Default)]
pub(super) struct Process {
    /// How many operations it has begun.
    pub(super) operations: u64,
    /// How many it may begin.
    pub(super) dies_at: Option<u64>,
    pub(super) dead: bool,
    /// Nothing that is to fail fails for it, or counts its calls.
    pub(super) spared: bool,
    watches: BTreeSet<String>,
    hints: Hints,
}

impl Process {
    pub(super) fn watch(&mut self, directory: &str) {
        self.watches.insert(directory.to_owned());
    }

    /// Something happened to this name.
    pub(super) fn hint(&mut self, name: &str, hinting: Hinting) {
        if self.watches.contains(parent(name)) {
            match hinting {
                Hinting::Told => {
                    self.hints.names.insert(name.to_owned());
                }
                Hinting::TooMany => self.hints.lost = true,
                Hinting::Silent => {}
            }
        }
    }

    pub(super) fn take_hints(&mut self) -> Hints {
        std::mem::take(&mut self.hints)
    }
}

/// What a process is told that is dead, for whoever still runs its code.
pub(super) fn dead() -> io::Error {
    io::Error::other("this process has died")
}
