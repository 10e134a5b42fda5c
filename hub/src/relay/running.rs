//! Commands on their way: each runs through the operation machine until it has something to write, or ends.

use std::sync::Arc;

use handoff_kernel::command::Command;
use handoff_kernel::ident::{HandoffId, Wire};
use handoff_kernel::law::Law;
use handoff_kernel::operation::{Done, Effect, Next, NotDone, Operation, Outcome};
use handoff_kernel::record::{Rejection, State};
use handoff_kernel::refusal::Refusal;
use handoff_kernel::time::{Millis, Time};

use super::told::{Told, found};
use super::{RETRY_AFTER, Relay, full};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::request::{Health, Reply, Ticket};
use crate::store::{Adoption, Loaded, Unreadable};

/// The reason on record when a same-host agent moved a file to `rejected/` itself.
const NEIGHBOUR_REASON: &str = "\"rejected by a same-host agent\"";

/// An operation that has been taken up so often is up against something that will not let it: a record changes three
/// times in its life at the most.
const MOST_TURNS: u32 = 16;

/// A command on its way. The janitor's and the neighbours' have no ticket: nobody waits for them.
#[derive(Debug)]
pub(super) struct Running<L: Law> {
    /// How it is called where somebody listens.
    pub(super) number: u64,
    pub(super) ticket: Option<Ticket>,
    pub(super) operation: Operation<Wire, L>,
    pub(super) artifact: Option<Arc<[u8]>>,
    /// How often it has been taken up.
    pub(super) turns: u32,
}

impl<L: Law> Running<L> {
    /// How many bytes of a result or a reason it has to write.
    pub(super) fn says(&self) -> usize {
        let Effect::Swap { next, .. } = self.operation.effect() else { return 0 };
        match &next.state {
            State::Completed { completion, .. } => {
                completion.result.as_ref().map_or(0, |result| result.len())
            }
            State::Rejected(Rejection::Declined { decline, .. }) => decline.reason.len(),
            State::Pending | State::Claimed(_) | State::Rejected(_) => 0,
        }
    }
}

impl<C: Clock, D: Disk, L: Law> Relay<C, D, L> {
    pub(super) fn begin(
        &mut self,
        ticket: Option<Ticket>,
        handoff: HandoffId,
        command: Command<Wire>,
        artifact: Option<Arc<[u8]>>,
    ) {
        let number = self.take_up(ticket, handoff, &command);
        let operation = Operation::new(self.law.clone(), handoff, command);
        self.run(Running { number, ticket, operation, artifact, turns: 0 });
    }

    /// The number of a new operation.
    fn take_up(&mut self, ticket: Option<Ticket>, handoff: HandoffId, command: &Command<Wire>) -> u64 {
        self.operations += 1;
        let operation = self.operations;
        self.teller.tell(|| Told::Begun { operation, ticket, handoff, command: command.clone() });
        operation
    }

    /// Runs an operation until it has something to write, or ends.
    pub(super) fn run(&mut self, running: Running<L>) {
        if self.busy.contains(running.operation.handoff()) {
            self.deferred.push_back(running);
            return;
        }
        let Running { number, ticket, mut operation, artifact, turns } = running;
        let turns = turns + 1;
        let handoff = *operation.handoff();
        if turns > MOST_TURNS {
            self.notes.push(format!(
                "{handoff} is held up: something else keeps changing its files, or stands in their way."
            ));
            let answer = self.give_up(number, ticket, operation);
            self.ready.extend(answer);
            return;
        }
        while operation.effect() == Effect::Load {
            let now = self.clock.now();
            let outcome = match self.load(&handoff, now) {
                Ok(Loaded::Known(found)) => Outcome::Loaded(found),
                // A same-host agent was first.
                Ok(Loaded::Adopt(adoption)) if self.adopt(&handoff, adoption, now) => {
                    self.deferred.push_back(Running { number, ticket, operation, artifact, turns });
                    return;
                }
                Ok(Loaded::Adopt(_)) => Outcome::Failed,
                Err(Unreadable(error)) => {
                    self.notes.push(format!("{handoff} cannot be read: {error}."));
                    Outcome::Failed
                }
            };
            let now = self.clock.now();
            operation = match self.go_on(number, operation, outcome, now) {
                Next::Effect(next) => next,
                Next::Done(done) => {
                    // Only a start of what nobody knows is refused as expired without leaving a trace.
                    let timed_out =
                        done.verdict == Err(NotDone::Refused(Refusal::Expired)) && done.status.is_none();
                    let answer = self.finish(number, ticket, done, now);
                    let answers = if timed_out { &mut self.held } else { &mut self.ready };
                    answers.extend(answer);
                    return;
                }
            };
        }
        self.busy.insert(handoff);
        self.batch.push(Running { number, ticket, operation, artifact, turns });
    }

    /// Carries out what a same-host agent's rename amounts to, before anything else on that handoff. False when
    /// there is nothing to write, and so nothing to wait for.
    pub(super) fn adopt(&mut self, handoff: &HandoffId, adoption: Adoption, now: Time) -> bool {
        let Some(stored) = self.store.adopting(handoff) else { return false };
        let by = stored.record.target;
        let command = match adoption {
            Adoption::Claim => self.accept(by, None, None),
            Adoption::Complete => Command::Complete { by, claim_id: None, result: None, receipt: None },
            Adoption::Decline => {
                Command::Reject { by, claim_id: None, reason: NEIGHBOUR_REASON.into(), receipt: None }
            }
        };
        let number = self.take_up(None, *handoff, &command);
        let operation = Operation::new(self.law.clone(), *handoff, command);
        match self.decide(number, operation, Outcome::Loaded(Some(stored)), now) {
            Next::Effect(operation) => {
                self.busy.insert(*handoff);
                self.batch.push(Running { number, ticket: None, operation, artifact: None, turns: 0 });
                true
            }
            Next::Done(done) => {
                self.finish(number, None, done, now);
                false
            }
        }
    }

    /// Goes on with an operation by what came of its effect.
    fn go_on(
        &mut self,
        number: u64,
        operation: Operation<Wire, L>,
        outcome: Outcome<Wire>,
        now: Time,
    ) -> Next<Wire, L> {
        self.teller.tell(|| Told::effect(number, &operation.effect(), &outcome, now));
        self.decide(number, operation, outcome, now)
    }

    /// The same, when what came of it has been told already.
    pub(super) fn decide(
        &mut self,
        number: u64,
        operation: Operation<Wire, L>,
        outcome: Outcome<Wire>,
        now: Time,
    ) -> Next<Wire, L> {
        let loaded = self.teller.keep(|| found(&outcome));
        let next = operation.next(outcome, now);
        if let (Some(before), Next::Effect(operation)) = (loaded, &next) {
            self.teller.tell_of(|| Told::decided(number, before, &operation.effect()));
        }
        next
    }

    /// Ends an operation that the store cannot carry out now.
    pub(super) fn give_up(
        &mut self,
        number: u64,
        ticket: Option<Ticket>,
        operation: Operation<Wire, L>,
    ) -> Option<(Ticket, Reply)> {
        let now = self.clock.now();
        match self.go_on(number, operation, Outcome::Failed, now) {
            Next::Done(done) => self.finish(number, ticket, done, now),
            // A failure always ends it; were that to change, the asker is still told.
            Next::Effect(_) => {
                self.teller.tell(|| Told::Dropped { operation: number });
                ticket.map(|ticket| (ticket, full()))
            }
        }
    }

    /// The janitor asks for nothing for a while: what it asked for last could not be done.
    pub(super) fn pause(&mut self) {
        self.resume_at = Millis(self.clock.steady().0.saturating_add(RETRY_AFTER.0));
    }

    /// The answer to whoever waits for it.
    pub(super) fn finish(
        &mut self,
        number: u64,
        ticket: Option<Ticket>,
        done: Done<Wire>,
        now: Time,
    ) -> Option<(Ticket, Reply)> {
        self.teller.tell(|| Told::Done { operation: number, done: done.clone(), now });
        if let Err(NotDone::Broken(rule)) = done.verdict {
            self.notes
                .push(format!("A decision broke rule {rule}: {} The change was not made.", rule.statement()));
            self.health = Health::RuleBroken(rule);
            self.pause();
        }
        ticket.map(|ticket| (ticket, Reply::Done(Box::new(done))))
    }
}
