//! What all clients share: the hub that may be killed, its clock, and the counter of moments.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use handoff_kernel::ident::AgentId;
use handoff_kernel::time::Time;
use tempfile::TempDir;

use super::ask::{AUTHOR, STRANGER, TARGET};
use crate::linear::{Asked, Heard, Operation};
use crate::real::Hub;
use crate::real::process::token;

/// Where the clock begins: some day in 2027, so that no run depends on the day it is made.
const BEGINNING: Time = Time(1_800_000_000_000);

/// The number of whoever kills the hub, among the clients.
const CONDUCTOR: u32 = 99;

/// See the module's documentation.
pub(super) struct Stage<'a> {
    binary: PathBuf,
    arguments: &'a [&'a str],
    data: TempDir,
    tokens: [(AgentId, String); 3],
    hub: Mutex<Lives>,
    started: Condvar,
    /// The newest time that the clock was asked to stand at. Whoever sets it holds this until it is set.
    clock: Mutex<Time>,
    moments: AtomicU64,
}

/// The hub, life after life.
#[derive(Debug, Default)]
struct Lives {
    /// None while it is down.
    hub: Option<Hub>,
    /// When each life was over.
    deaths: Vec<u64>,
    /// It could not be started again.
    lost: bool,
}

/// An operation, and in which life of the hub it was asked.
pub(super) type Recorded = (Operation, usize);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Another thread's panic is reported by that thread.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Stage<'a> {
    pub(super) fn start(binary: &Path, arguments: &'a [&'a str]) -> Result<Self, String> {
        let made = tempfile::Builder::new().prefix("handoff-histories-").tempdir();
        let data = made.map_err(|error| format!("There is no temporary directory: {error}."))?;
        let agent = |name: &str| {
            let agent = AgentId::parse(name).map_err(|error| format!("{name} {error}"))?;
            Ok::<_, String>((agent, token(binary, data.path(), name)?))
        };
        let stage = Self {
            binary: binary.to_owned(),
            arguments,
            tokens: [agent(AUTHOR)?, agent(TARGET)?, agent(STRANGER)?],
            data,
            hub: Mutex::default(),
            started: Condvar::new(),
            clock: Mutex::new(BEGINNING),
            moments: AtomicU64::new(0),
        };
        let hub = stage.serve(BEGINNING)?;
        lock(&stage.hub).hub = Some(hub);
        Ok(stage)
    }

    fn serve(&self, clock: Time) -> Result<Hub, String> {
        let clock = clock.0.to_string();
        let arguments = [&["--test-clock", clock.as_str()], self.arguments].concat();
        Hub::start(&self.binary, self.data.path(), &arguments).map_err(|error| error.to_string())
    }

    /// The next moment: after each that was given before, in every thread.
    pub(super) fn moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::SeqCst)
    }

    /// Where the clock stands, when nobody sets it.
    pub(super) fn clock(&self) -> Time {
        *lock(&self.clock)
    }

    /// Sets the clock: nobody else does until `set` has ended. It is told where the clock stands, and says where to.
    pub(super) fn set_clock<R>(&self, set: impl FnOnce(&mut Time) -> R) -> R {
        set(&mut lock(&self.clock))
    }

    pub(super) fn token(&self, agent: &AgentId) -> &str {
        self.tokens.iter().find(|(name, _)| name == agent).map_or("", |(_, token)| token)
    }

    /// Where the hub listens, once it does, and which of its lives this is.
    pub(super) fn address(&self) -> Result<(SocketAddr, usize), String> {
        let mut lives = lock(&self.hub);
        loop {
            if let Some(hub) = &lives.hub {
                return Ok((hub.address(), lives.deaths.len()));
            }
            if lives.lost {
                return Err("The hub did not come back.".to_owned());
            }
            lives = self.started.wait(lives).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Kills the hub and starts it on the same directory. Its clock begins where it was last asked to stand.
    pub(super) fn kill_and_restart(&self) -> Result<Vec<Recorded>, String> {
        let hub = lock(&self.hub).hub.take();
        if let Some(hub) = hub {
            hub.kill();
        }
        lock(&self.hub).deaths.push(self.moment());
        // Whoever was setting the clock hears that the hub is dead, and lets go.
        let clock = lock(&self.clock);
        let called = self.moment();
        let started = self.serve(*clock);
        let returned = Some(self.moment());
        let mut lives = lock(&self.hub);
        let life = lives.deaths.len();
        let result = match started {
            Ok(hub) => {
                lives.hub = Some(hub);
                let (asked, heard) = (Asked::Clock(*clock), Heard::Set);
                Ok(vec![(Operation { client: CONDUCTOR, asked, called, returned, heard }, life)])
            }
            Err(error) => {
                lives.lost = true;
                Err(error)
            }
        };
        self.started.notify_all();
        result
    }

    /// The operations of a history that is over.
    pub(super) fn close(&self, recorded: Vec<Recorded>) -> Vec<Operation> {
        close(recorded, &lock(&self.hub).deaths)
    }
}

/// Gives what nobody heard the answer of its end, where the hub that was asked is dead. What was asked of a hub that was
/// dead already was not asked.
fn close(recorded: Vec<Recorded>, deaths: &[u64]) -> Vec<Operation> {
    let closed = recorded.into_iter().filter_map(|(mut operation, life)| {
        if operation.heard == Heard::Unknown {
            operation.returned = deaths.get(life).copied();
        }
        let asked = operation.returned.is_none_or(|end| operation.called < end);
        asked.then_some(operation)
    });
    let mut operations: Vec<_> = closed.collect();
    operations.sort_unstable_by_key(|operation| operation.called);
    operations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_dead_hub_did_not_answer_ends_with_it_and_what_it_was_asked_when_dead_was_never_asked() {
        let operation = |called, returned, heard| Operation {
            client: 1,
            asked: Asked::Clock(BEGINNING),
            called,
            returned,
            heard,
        };
        let recorded = vec![
            (operation(5, None, Heard::Unknown), 1),
            (operation(1, None, Heard::Unknown), 0),
            (operation(4, None, Heard::Unknown), 0),
            // Its answer was on the way when the hub died.
            (operation(0, Some(9), Heard::Set), 0),
        ];
        let expected = [
            operation(0, Some(9), Heard::Set),
            operation(1, Some(3), Heard::Unknown),
            operation(5, None, Heard::Unknown),
        ];
        assert_eq!(close(recorded, &[3]), expected);
    }
}
