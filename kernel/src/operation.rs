//! The operation machine: how one command is carried out against a store.
//!
//! Between deciding and changing lies the store, which may be raced, may crash, may lose an answer. This machine
//! is that conversation, sans IO. It asks for one [`Effect`] at a time and is told its [`Outcome`]; whoever
//! drives it (the hub inline, an async loop over the network, the simulator, a model checker one effect at a
//! time) has no decision left to make.
//!
//! ```text
//!             +------------------- conflict, or outcome unknown -----------------+
//!             v                                                                  |
//!   new --> Load --loaded--> step --changes--> Insert / Swap --written--> Done   |
//!                              |                     |                           |
//!                              +--refused, same--> Done                          |
//!                                                    +---------------------------+
//! ```
//!
//! It never retries blindly: after a conflict or an unknown outcome it loads and decides anew, and an accept
//! that finds its own `attempt` on the claim knows that it won. A record changes at most three times in its
//! life, so conflicts come to an end by themselves.

use crate::command::{Answer, Command, Event};
use crate::ident::Names;
use crate::law::{AfterConflict, AfterUnknown, Law};
use crate::record::{Record, Status};
use crate::refusal::Refusal;
use crate::rules::{self, Rule, Rules};
use crate::step::{Transition, seen_by, step};
use crate::time::Time;

/// A store's version of one record: it changes whenever the record does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Version(pub u64);

/// A record as it was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stored<N: Names> {
    /// The record.
    pub record: Record<N>,
    /// The version that a swap must name.
    pub version: Version,
}

/// What the machine asks its driver to do, always on the operation's own handoff.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect<'a, N: Names> {
    /// Read the record. Answered by [`Outcome::Loaded`], with the time read right after.
    Load,
    /// Write the record and its event together, if there is none of that id.
    Insert {
        /// The new record.
        record: &'a Record<N>,
        /// Its event.
        event: &'a Event<N>,
    },
    /// Write the record and its event together, if the one there still has this version.
    Swap {
        /// What was loaded.
        version: Version,
        /// The record that replaces it.
        next: &'a Record<N>,
        /// Its event.
        event: &'a Event<N>,
    },
}

/// What came of an effect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome<N: Names> {
    /// The record, or none of that id.
    Loaded(Option<Stored<N>>),
    /// The write took effect, durably.
    Written,
    /// The write did not take effect: something else is there.
    Conflict,
    /// Nobody knows: the answer was lost. A write may have taken effect, or may still.
    Unknown,
    /// It did not take effect and will not: the store cannot do it now.
    Failed,
}

/// Why a command was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NotDone {
    /// The protocol refuses it.
    Refused(Refusal),
    /// The store could not do it now. It may have taken effect all the same, where the answer to a write was lost
    /// before; asking again with the same ids is safe (rule S9), but an accept without a `claim_id` is never
    /// repeatable.
    Unavailable,
    /// The decision broke a rule, so the change was not made: a bug, and never the asker's.
    Broken(Rule),
}

/// The end of an operation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Done<N: Names> {
    /// What the asker is told.
    pub verdict: Result<Answer<N>, NotDone>,
    /// The handoff's status after, if the asker may know of it.
    pub status: Option<Status>,
    /// Whether this very operation is known to have changed the record.
    pub changed: bool,
}

/// What follows an outcome.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Next<N: Names, L: Law> {
    /// There is another effect to carry out.
    Effect(Operation<N, L>),
    /// That was all.
    Done(Done<N>),
}

/// A transition that was decided and is not yet written.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Decision<N: Names> {
    next: Record<N>,
    event: Event<N>,
    answer: Result<Answer<N>, Refusal>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Phase<N: Names> {
    /// Waiting for the record. A stale decision is kept only under a law that would write it again.
    Loading { stale: Option<Decision<N>> },
    /// Waiting for the write; no version means an insert.
    Writing { version: Option<Version>, decision: Decision<N> },
}

/// One command on its way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Operation<N: Names, L: Law> {
    law: L,
    handoff: N::Handoff,
    command: Command<N>,
    phase: Phase<N>,
}

impl<N: Names, L: Law> Operation<N, L> {
    /// A command on the handoff of this name. For a start that is the artifact's own id.
    pub const fn new(law: L, handoff: N::Handoff, command: Command<N>) -> Self {
        Self { law, handoff, command, phase: Phase::Loading { stale: None } }
    }

    /// The handoff that every effect is about.
    pub const fn handoff(&self) -> &N::Handoff {
        &self.handoff
    }

    /// What is being asked.
    pub const fn command(&self) -> &Command<N> {
        &self.command
    }

    /// What is to be done now. Asking again gives the same.
    pub fn effect(&self) -> Effect<'_, N> {
        match &self.phase {
            Phase::Loading { .. } => Effect::Load,
            Phase::Writing { version: None, decision } => {
                Effect::Insert { record: &decision.next, event: &decision.event }
            }
            Phase::Writing { version: Some(version), decision } => {
                Effect::Swap { version: *version, next: &decision.next, event: &decision.event }
            }
        }
    }

    /// What follows from the outcome of [`Self::effect`]. `now` is the deciding clock, read right before.
    ///
    /// Total: an outcome that does not fit the effect is as good as an unknown one.
    #[must_use]
    pub fn next(self, outcome: Outcome<N>, now: Time) -> Next<N, L> {
        let Self { law, handoff, command, phase } = self;
        let again = |stale| Self {
            law: law.clone(),
            handoff: handoff.clone(),
            command: command.clone(),
            phase: Phase::Loading { stale },
        };
        match (phase, outcome) {
            (Phase::Loading { stale }, Outcome::Loaded(found)) => {
                decide(law, handoff, command, stale, found.as_ref(), now)
            }
            (Phase::Writing { decision, .. }, Outcome::Written) => {
                Next::Done(finish(&law, decision, &command))
            }
            (Phase::Writing { version, decision }, Outcome::Conflict) => {
                let stale = match law.after_conflict(&command) {
                    AfterConflict::Redecide => None,
                    AfterConflict::WriteAgain => Some(decision),
                    AfterConflict::SameAgain => {
                        let phase = Phase::Writing { version, decision };
                        return Next::Effect(Self { law, handoff, command, phase });
                    }
                };
                Next::Effect(again(stale))
            }
            (Phase::Writing { decision, .. }, Outcome::Unknown | Outcome::Loaded(_)) => {
                match law.after_unknown() {
                    AfterUnknown::Reread => Next::Effect(again(None)),
                    AfterUnknown::WriteAgain => Next::Effect(again(Some(decision))),
                    AfterUnknown::AssumeWritten => Next::Done(finish(&law, decision, &command)),
                }
            }
            (Phase::Loading { stale }, Outcome::Unknown | Outcome::Written | Outcome::Conflict) => {
                Next::Effect(again(stale))
            }
            (Phase::Loading { .. } | Phase::Writing { .. }, Outcome::Failed) => {
                Next::Done(Done { verdict: Err(NotDone::Unavailable), status: None, changed: false })
            }
        }
    }
}

/// The heart of the loop: what to do about the record that was found.
fn decide<N: Names, L: Law>(
    law: L,
    handoff: N::Handoff,
    command: Command<N>,
    stale: Option<Decision<N>>,
    found: Option<&Stored<N>>,
    now: Time,
) -> Next<N, L> {
    let version = found.map(|stored| stored.version);
    let record = found.map(|stored| &stored.record);
    if let Some(done) = own_claim(&law, record, &command) {
        return Next::Done(done);
    }
    if let Some(decision) = stale {
        return Next::Effect(Operation {
            law,
            handoff,
            command,
            phase: Phase::Writing { version, decision },
        });
    }
    let result = step(&law, record, &command, now);
    if law.guards()
        && let Err(broken) = rules::check_step(
            Rules::ALL,
            &rules::Step { before: record, command: &command, now, result: &result },
        )
    {
        return Next::Done(Done {
            verdict: Err(NotDone::Broken(broken.rule)),
            status: status_for(&law, record, &command),
            changed: false,
        });
    }
    match result {
        Ok(Transition::To { next, event, answer }) => {
            let decision = Decision { next, event, answer };
            if law.answers_unwritten() {
                return Next::Done(finish(&law, decision, &command));
            }
            Next::Effect(Operation { law, handoff, command, phase: Phase::Writing { version, decision } })
        }
        Ok(Transition::Same(answer)) => Next::Done(Done {
            verdict: Ok(answer),
            status: status_for(&law, record, &command),
            changed: false,
        }),
        Err(refusal) => Next::Done(Done {
            verdict: Err(NotDone::Refused(refusal)),
            status: status_for(&law, record, &command),
            changed: false,
        }),
    }
}

/// The claim on the record was written by this very attempt: a lost answer, found again. What became of the
/// claim since does not matter; the accept took effect, and this is its answer.
fn own_claim<N: Names, L: Law>(law: &L, record: Option<&Record<N>>, command: &Command<N>) -> Option<Done<N>> {
    let Command::Accept { attempt, .. } = command else { return None };
    let record = record?;
    let claim = record.claim().filter(|claim| law.recognises::<N>(claim, attempt))?;
    Some(Done { verdict: Ok(Answer::claimed(record, claim)), status: Some(record.status()), changed: true })
}

fn finish<N: Names, L: Law>(law: &L, decision: Decision<N>, command: &Command<N>) -> Done<N> {
    let status = status_for(law, Some(&decision.next), command);
    Done { verdict: decision.answer.map_err(NotDone::Refused), status, changed: true }
}

/// Nobody but its parties learns a handoff's status: not even from the conflict that its id causes.
fn status_for<N: Names, L: Law>(law: &L, record: Option<&Record<N>>, command: &Command<N>) -> Option<Status> {
    match command.actor() {
        Some(actor) => seen_by(law, record, actor).ok().map(Record::status),
        None => record.map(Record::status),
    }
}
