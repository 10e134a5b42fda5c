//! Histories of a real hub: a few clients at once, a few handoffs that all of them want, short patience, connections that
//! are dropped, a hub that is killed and started again on the same directory, a clock that steps; and what was heard,
//! and what was not, is held against [`linear`].
//!
//! One hub serves many histories, each with handoffs of its own. The seed draws what is asked and when the hub is killed;
//! the threads' turns are the machine's. So a seed does not repeat a history, but a history that fails is kept, in a file, and
//! [`linear`] judges it the same every time. The threads of this module are the only ones of the crate.

mod ask;
mod client;
mod file;
mod heard;
mod stage;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc;
use std::thread::{ScopedJoinHandle, scope};
use std::time::Duration;

use handoff_kernel::time::Time;

use crate::chance::Chance;
use crate::linear::{self, Heard, Operation};
use ask::Matter;
use client::Client;
use stage::Stage;

/// Of a thousand histories, so many see the hub killed.
const KILLED: u64 = 60;

/// What a run has seen.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Summary {
    /// How many histories were checked.
    pub histories: u64,
    /// How many operations they were made of.
    pub operations: u64,
    /// How many of these nobody heard the answer of.
    pub unknown: u64,
    /// How often the hub was killed.
    pub kills: u64,
    /// How many operations overlapped at a time, at the most. One that nobody heard the answer of is not counted.
    pub overlapping: usize,
    /// How many states the checker visited.
    pub states: u64,
    /// How often each answer was heard, by its name.
    pub heard: BTreeMap<&'static str, u64>,
}

impl Summary {
    fn add(&mut self, history: &[Operation], kills: u64, states: usize) {
        self.histories += 1;
        self.operations += history.len() as u64;
        self.unknown += history.iter().filter(|operation| operation.heard == Heard::Unknown).count() as u64;
        self.kills += kills;
        self.overlapping = self.overlapping.max(overlapping(history));
        self.states += states as u64;
        for operation in history {
            *self.heard.entry(file::heard(&operation.heard)).or_default() += 1;
        }
    }
}

/// Runs so many histories against a hub of this binary, and checks each. The binary is that with a clock of the test's
/// own, `handoff-hub-testing`. `progress` is told after each history.
///
/// # Errors
/// A history without an order, with a picture of it and the file that it is in; or why there is no history to check.
pub fn run(
    hub_binary: &Path,
    histories: u64,
    seed: u64,
    progress: impl FnMut(&Summary),
) -> Result<Summary, String> {
    run_with(hub_binary, &[], histories, seed, progress)
}

/// The same, against a hub that is served with these arguments too.
///
/// # Errors
/// As [`run`].
pub fn run_with(
    hub_binary: &Path,
    arguments: &[&str],
    histories: u64,
    seed: u64,
    mut progress: impl FnMut(&Summary),
) -> Result<Summary, String> {
    let mut chance = Chance::of(seed);
    let stage = Stage::start(hub_binary, arguments)?;
    let mut summary = Summary::default();
    for n in 1..=histories {
        let clock = stage.clock();
        let (history, kills) = one(&stage, n, &mut chance.fork())?;
        match linear::check(&history, clock) {
            Ok(found) => summary.add(&history, kills, found.states),
            Err(why) => {
                let kept = file::keep(&history, clock, seed, n);
                return Err(format!("History {n} of seed {seed}: {why}\n{kept}"));
            }
        }
        progress(&summary);
    }
    Ok(summary)
}

/// One history, and how often the hub was killed in it.
fn one(stage: &Stage<'_>, n: u64, chance: &mut Chance) -> Result<(Vec<Operation>, u64), String> {
    let begun = stage.clock();
    let matters: Vec<_> =
        (1..=chance.between(1, 3)).map(|m| Matter::draw(n, m, begun, chance)).collect::<Result<_, _>>()?;
    let clients = 3 + u32::try_from(chance.below(4)).unwrap_or(0);
    let kill_after = chance.permille(KILLED).then(|| chance.between(2, u64::from(clients) * 6));
    let linger = Duration::from_micros(if chance.permille(400) { 0 } else { chance.below(1500) });
    let (progress, told) = mpsc::channel();
    let mut all = Vec::new();
    let mut kills = 0;
    scope(|scope| {
        let threads: Vec<_> = (1..=clients)
            .map(|number| {
                let client = Client::new(stage, number, &matters, begun, progress.clone());
                let chance = chance.fork();
                scope.spawn(move || client.work(chance))
            })
            .collect();
        drop(progress);
        let kill = kill_after.is_some_and(|count| (0..count).all(|_| told.recv().is_ok()));
        let restarted = if kill {
            pass(linger);
            kills += 1;
            stage.kill_and_restart()
        } else {
            Ok(Vec::new())
        };
        // Whatever became of the hub, the threads are waited for first.
        for thread in threads {
            all.push(joined(thread));
        }
        all.push(restarted);
    });
    all.push(Client::new(stage, 0, &matters, begun, mpsc::channel().0).look());
    let mut operations = Vec::new();
    for part in all {
        operations.extend(part?);
    }
    Ok((stage.close(operations), kills))
}

fn joined<T>(thread: ScopedJoinHandle<'_, Result<T, String>>) -> Result<T, String> {
    thread.join().unwrap_or_else(|_| Err("A client's thread has panicked.".to_owned()))
}

/// Lets so much time pass. Nothing is waited for here: the moment itself is what is drawn.
fn pass(time: Duration) {
    let (_nobody_sends, never) = mpsc::channel::<()>();
    let _timeout = never.recv_timeout(time);
}

/// How many operations with an answer are under way at a time, at the most.
fn overlapping(history: &[Operation]) -> usize {
    let answered = history.iter().filter(|operation| operation.heard != Heard::Unknown);
    let mut moments: Vec<_> = answered
        .flat_map(|operation| [Some((operation.called, true)), operation.returned.map(|at| (at, false))])
        .flatten()
        .collect();
    moments.sort_unstable();
    let (mut now, mut most) = (0_usize, 0);
    for (_, called) in moments {
        now = if called { now + 1 } else { now.saturating_sub(1) };
        most = most.max(now);
    }
    most
}

/// A time so much later.
fn later(time: Time, ms: u64) -> Time {
    time.plus(handoff_kernel::time::Millis(ms))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::linear::Asked;

    #[test]
    fn as_many_overlap_as_are_between_their_call_and_their_return() {
        let operation = |called, returned, heard| Operation {
            client: 1,
            asked: Asked::Clock(Time(1)),
            called,
            returned,
            heard,
        };
        let history = [
            operation(0, Some(3), Heard::Set),
            operation(1, Some(2), Heard::Set),
            operation(4, Some(9), Heard::Set),
            operation(5, None, Heard::Unknown),
            operation(6, Some(7), Heard::Set),
        ];
        assert_eq!(overlapping(&history), 2);
        assert_eq!(overlapping(&history[..1]), 1);
    }
}
