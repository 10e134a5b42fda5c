//! What a relay tells of itself, step by step, to whoever listens: the simulator. What ships tells nothing.

use handoff_kernel::command::{Command, Event};
use handoff_kernel::ident::{AgentId, HandoffId, Wire};
use handoff_kernel::operation::{Done, Effect, Outcome};
use handoff_kernel::record::Record;
use handoff_kernel::time::Time;

use super::Config;
use crate::request::Ticket;

/// One thing that a relay did, or that it came by.
///
/// What begins ends with [`Self::Done`] or [`Self::Dropped`], unless the relay is gone before. A request that is
/// answered without a command tells nothing, but for a poll: a read, a list, and one that is refused for whom it names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::large_enum_variant, reason = "it is looked at once, and only where somebody listens")]
pub enum Told {
    /// A command was taken up, for the first time.
    Begun {
        /// How this operation is called from now on: they are counted from 1.
        operation: u64,
        /// Who waits for it; none for what the relay asks for itself, be it for the janitor or because a same-host
        /// agent moved a file.
        ticket: Option<Ticket>,
        /// Which handoff.
        handoff: HandoffId,
        /// What is asked.
        command: Command<Wire>,
    },
    /// The operation's effect has come to this. A load that finds a file moved has come to nothing yet: the operation
    /// loads again when what the move amounts to has been carried out. That one was given its record with the command,
    /// and does not load it.
    Effect {
        /// Which operation.
        operation: u64,
        /// What it had asked for.
        asked: Asked,
        /// What came of it.
        outcome: Came,
        /// The record that was found, or that is written now. None where none was found, and where nobody has looked: a
        /// conflict says that something else is there, and a failure says nothing.
        record: Option<Record<Wire>>,
        /// The deciding clock, by which the operation went on.
        now: Time,
    },
    /// It has decided to write this.
    Decided {
        /// Which operation.
        operation: u64,
        /// Over that, which it has just loaded; none is an insert.
        before: Option<Record<Wire>>,
        /// The record that is to be written.
        next: Record<Wire>,
        /// Its event.
        event: Event<Wire>,
    },
    /// It is over, and this is what its asker is told when it may be told.
    Done {
        /// Which operation.
        operation: u64,
        /// What its asker is told.
        done: Done<Wire>,
        /// The deciding clock, by which it ended.
        now: Time,
    },
    /// It is over, and nobody is told: what the relay asked for itself was about a state that is gone.
    Dropped {
        /// Which operation.
        operation: u64,
    },
    /// A poll was answered, or has looked and goes on waiting. Where its wait has run out it did not look again.
    Polled {
        /// Which poll.
        ticket: Ticket,
        /// Whose.
        target: AgentId,
        /// What it is shown.
        shown: Option<HandoffId>,
        /// Whether it goes on waiting; it is shown nothing then.
        waits: bool,
        /// The deciding clock.
        now: Time,
    },
    /// A handoff is on the books now that no command put there: a same-host agent dropped its file. Of those that are
    /// found when the store is opened, all are told, for nothing tells a dropped one from one that was there; and one
    /// that could not be made durable is told again when it can.
    Arrived {
        /// As it is on the books, whatever has been done with its file since.
        record: Record<Wire>,
    },
    /// Retention removed a handoff.
    Pruned {
        /// Which.
        handoff: HandoffId,
    },
}

impl Told {
    pub(super) fn effect(
        operation: u64,
        effect: &Effect<'_, Wire>,
        outcome: &Outcome<Wire>,
        now: Time,
    ) -> Self {
        let record = match outcome {
            Outcome::Loaded(found) => found.as_ref().map(|stored| stored.record.clone()),
            Outcome::Written => to_write(effect).map(|(next, _)| next.clone()),
            Outcome::Conflict | Outcome::Unknown | Outcome::Failed => None,
        };
        Self::Effect { operation, asked: Asked::of(effect), outcome: Came::of(outcome), record, now }
    }

    /// Nothing, unless this effect writes.
    pub(super) fn decided(
        operation: u64,
        before: Option<Record<Wire>>,
        effect: &Effect<'_, Wire>,
    ) -> Option<Self> {
        let (next, event) = to_write(effect)?;
        Some(Self::Decided { operation, before, next: next.clone(), event: event.clone() })
    }
}

/// What an operation asks of the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asked {
    /// Read the record.
    Load,
    /// Write a record where there is none.
    Insert,
    /// Write a record in place of the one that was loaded.
    Swap,
}

impl Asked {
    /// What this effect is.
    #[must_use]
    pub const fn of(effect: &Effect<'_, Wire>) -> Self {
        match effect {
            Effect::Load => Self::Load,
            Effect::Insert { .. } => Self::Insert,
            Effect::Swap { .. } => Self::Swap,
        }
    }
}

/// What came of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Came {
    /// It was read: a record, or that there is none.
    Loaded,
    /// It is written, durably.
    Written,
    /// It is not written: something else is there.
    Conflict,
    /// Nobody knows.
    Unknown,
    /// It could not be done now, and was not.
    Failed,
}

impl Came {
    /// What this outcome is.
    #[must_use]
    pub const fn of(outcome: &Outcome<Wire>) -> Self {
        match outcome {
            Outcome::Loaded(_) => Self::Loaded,
            Outcome::Written => Self::Written,
            Outcome::Conflict => Self::Conflict,
            Outcome::Unknown => Self::Unknown,
            Outcome::Failed => Self::Failed,
        }
    }
}

/// What a load has found: a record, or that there is none.
pub(super) fn found(outcome: &Outcome<Wire>) -> Option<Option<Record<Wire>>> {
    match outcome {
        Outcome::Loaded(found) => Some(found.as_ref().map(|stored| stored.record.clone())),
        Outcome::Written | Outcome::Conflict | Outcome::Unknown | Outcome::Failed => None,
    }
}

/// What an effect writes.
fn to_write<'a>(effect: &Effect<'a, Wire>) -> Option<(&'a Record<Wire>, &'a Event<Wire>)> {
    match *effect {
        Effect::Load => None,
        Effect::Insert { record, event } => Some((record, event)),
        Effect::Swap { next, event, .. } => Some((next, event)),
    }
}

/// What has been told and not yet been heard. What ships has no room for it.
#[derive(Debug, Default)]
pub(super) struct Teller {
    #[cfg(feature = "testing")]
    told: Option<Vec<Told>>,
}

#[cfg(feature = "testing")]
impl Teller {
    pub(super) fn new(config: &Config) -> Self {
        Self { told: config.listened.then(Vec::new) }
    }

    /// What is needed only to be told of later.
    pub(super) fn keep<T>(&self, what: impl FnOnce() -> Option<T>) -> Option<T> {
        self.told.as_ref().and_then(|_| what())
    }

    pub(super) fn tell(&mut self, what: impl FnOnce() -> Told) {
        self.tell_of(|| Some(what()));
    }

    /// The same for what may be nothing.
    pub(super) fn tell_of(&mut self, what: impl FnOnce() -> Option<Told>) {
        if let Some(told) = &mut self.told {
            told.extend(what());
        }
    }

    pub(super) fn take(&mut self) -> Vec<Told> {
        self.told.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

#[cfg(not(feature = "testing"))]
#[expect(clippy::unused_self, reason = "what ships tells nobody anything, and has no room for it")]
impl Teller {
    pub(super) const fn new(_: &Config) -> Self {
        Self {}
    }

    pub(super) fn keep<T>(&self, _: impl FnOnce() -> Option<T>) -> Option<T> {
        None
    }

    pub(super) fn tell(&mut self, _: impl FnOnce() -> Told) {}

    pub(super) fn tell_of(&mut self, _: impl FnOnce() -> Option<Told>) {}
}
