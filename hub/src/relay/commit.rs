//! Commit: what has been decided is written with one flush, and then answered.

use std::collections::BTreeSet;

use handoff_kernel::law::Law;
use handoff_kernel::operation::{Effect, Next, Outcome};

use super::running::Running;
use super::told::Told;
use super::{Committed, Relay, full};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::store::{Batch, StoreDown, Write};

/// So many bytes of artifacts, results and reasons go into one flush at the most; one may be longer by itself. And so many
/// commands.
const BATCH_BYTES: usize = 1024 * 1024;
pub(super) const BATCH_COMMANDS: usize = 512;

impl<C: Clock, D: Disk, L: Law> Relay<C, D, L> {
    /// Writes everything that has been decided with one flush, whatever its size, and goes on with what that
    /// leads to, until nothing is left to write.
    ///
    /// # Errors
    /// [`StoreDown`] is final: whoever drives the relay answers nobody any more, says so, and exits.
    pub fn commit(&mut self) -> Result<Committed, StoreDown> {
        if let Some(down) = self.store.down() {
            return Err(down.clone());
        }
        let mut committed = Vec::new();
        // A full journal is tried again now and then, or a hub that nobody asks would never know that there is room.
        let mut probe = self.store.is_full() && self.clock.steady() >= self.resume_at;
        while !self.batch.is_empty() || !self.held.is_empty() || std::mem::take(&mut probe) {
            let batch = self.next_batch();
            let held = std::mem::take(&mut self.held);
            let mark = self.clock.now();
            let writes: Vec<_> = batch
                .iter()
                .map(|running| Write {
                    handoff: *running.operation.handoff(),
                    effect: running.operation.effect(),
                    artifact: running.artifact.as_deref(),
                })
                .collect();
            let Batch { outcomes, marked } = self.store.commit(mark, &writes)?;
            drop(writes);
            self.take_note();
            committed
                .extend(held.into_iter().map(|(ticket, held)| (ticket, if marked { held } else { full() })));
            let mut failed = BTreeSet::new();
            // All of them took effect at once.
            let now = self.clock.now();
            for (running, outcome) in batch.iter().zip(&outcomes) {
                self.teller.tell(|| Told::effect(running.number, &running.operation.effect(), outcome, now));
            }
            for (running, outcome) in batch.into_iter().zip(outcomes) {
                let now = self.clock.now();
                let Running { number, ticket, operation, artifact, turns } = running;
                if ticket.is_none() && outcome == Outcome::Conflict {
                    self.teller.tell(|| Told::Dropped { operation: number });
                    // What the hub asked for itself was about a state that is gone; what is there now will ask anew.
                    continue;
                }
                let started = match (operation.effect(), &outcome) {
                    (Effect::Insert { record, .. }, Outcome::Written) => Some(record.target),
                    (Effect::Insert { .. } | Effect::Swap { .. } | Effect::Load, _) => None,
                };
                if outcome == Outcome::Failed {
                    failed.insert(*operation.handoff());
                }
                match self.decide(number, operation, outcome, now) {
                    Next::Done(done) => committed.extend(self.finish(number, ticket, done, now)),
                    Next::Effect(operation) => {
                        self.run(Running { number, ticket, operation, artifact, turns });
                    }
                }
                if let Some(target) = started {
                    self.wake(&target);
                }
            }
            for running in std::mem::take(&mut self.deferred) {
                if !failed.contains(running.operation.handoff()) {
                    self.run(running);
                    continue;
                }
                // What it waited for could not be written, and it cannot go before.
                committed.extend(self.give_up(running.number, running.ticket, running.operation));
            }
            self.answer_reads();
            if !failed.is_empty() || !marked {
                self.pause();
            }
        }
        committed.append(&mut self.ready);
        Ok(Committed(committed))
    }

    /// What goes into the next flush: all of it, but for more bytes than one flush should keep others waiting for.
    fn next_batch(&mut self) -> Vec<Running<L>> {
        let mut bytes = 0;
        let fits = |running: &&Running<L>| {
            let before = bytes;
            bytes += running.artifact.as_ref().map_or(0, |artifact| artifact.len()) + running.says();
            before == 0 || bytes <= BATCH_BYTES
        };
        let most = self.batch.iter().take(BATCH_COMMANDS);
        let rest = self.batch.split_off(most.take_while(fits).count());
        let batch = std::mem::replace(&mut self.batch, rest);
        for running in &batch {
            self.busy.remove(running.operation.handoff());
        }
        batch
    }
}
