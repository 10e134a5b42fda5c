//! Whether a history of concurrent clients is linearizable: whether there is one order of the operations, each at one
//! moment between its call and its return, in which the kernel's own [`step`](handoff_kernel::step::step) gives every
//! answer that was heard.
//!
//! ```text
//!   client 1   |--- start ---|                             made
//!   client 2        |------ accept one ------|             claimed
//!   client 3              |----- accept two -----|         already claimed
//!   client 4                  |--- get ----- …             nobody heard
//!        one order:     start, accept one, accept two
//! ```
//!
//! *Per handoff.* Handoffs are independent, and linearizability composes: a history is linearizable if what concerns each
//! handoff is. What spans handoffs is not judged here: that a poll shows the *oldest* one (rule S12). Of a poll is held
//! that what it shows was open to claims with these very bytes, and that nothing was open when it shows nothing.
//!
//! *Time.* Where the hub's clock stands is part of the state. Setting the clock is an operation like any other, and so is
//! a restart, which sets it; so every answer is decided at the time that the clock had at the operation's moment, and
//! times in answers must be right to the millisecond. A hub never lets its clock step back; whoever sets it waits for that before
//! it is set again, or the hub may not have decided by it.
//!
//! *The janitor.* A sweep is an operation that nobody asked for and that may happen at any moment, or never: every command
//! holds the deadlines against the clock by itself, so only a read can tell that there was one, by the time on record. That a
//! sweep comes in the end (rule L1) is not judged here.
//!
//! *Unknown outcomes.* An operation whose answer nobody heard may take effect at any moment after its call, or never; where
//! it is known that the hub which was asked is dead, not after that.
//!
//! The search is Lowe's just-in-time linearization after Wing and Gong: returns are taken up in order, and what may be
//! the case before each is kept as a set of (what of the pending is done, state). Two observations keep that set small. What
//! is answered as it was, and changes nothing, is done at once: no later state would give that answer *and* change, for no
//! record ever returns to a state it has left. And what nobody heard the answer of need not be done at all unless it changes
//! something, which no record does more than three times.

mod picture;
mod search;
mod set;

use std::collections::BTreeSet;
use std::fmt;

use handoff_kernel::command::{Answer, Command};
use handoff_kernel::ident::{AgentId, Digest, HandoffId, Wire};
use handoff_kernel::record::Record;
use handoff_kernel::refusal::Refusal;
use handoff_kernel::time::Time;

pub use set::MOST_PENDING;

/// More than this is not searched: the search gives up, which is no success.
pub const MOST_STATES: usize = 1_000_000;

/// What a client asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// A command on this handoff. An accept's `attempt` is the hub's own and never shown: any number will do, if it is
    /// the same for all.
    Command(HandoffId, Box<Command<Wire>>),
    /// The record of this handoff, asked for by this agent.
    Get(HandoffId, AgentId),
    /// What this agent could claim.
    Poll(AgentId),
    /// That the hub's clock be at this time, or, of whoever starts a hub, that it begin there.
    Clock(Time),
}

/// What a client heard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// Nothing that says what became of it: the time was up, the connection gone, or the hub said that it cannot now.
    Unknown,
    /// To a start: that this very request made the handoff.
    Made(Answer<Wire>),
    /// To any other command, and to a start of what was there: this.
    Verdict(Result<Answer<Wire>, Refusal>),
    /// To a get: the record, as far as it is shown. `attempt`s are not: see [`Asked::Command`].
    Seen(Result<Box<Record<Wire>>, Refusal>),
    /// To a poll: a handoff and the digest of the bytes that came, or that there is none.
    Shown(Option<(HandoffId, Digest)>),
    /// The clock is set.
    Set,
}

/// One operation. Moments are numbers of one counter that all clients share, each given once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operation {
    /// Who asked; for pictures only.
    pub client: u32,
    /// What was asked.
    pub asked: Asked,
    /// A moment before the hub could know of it.
    pub called: u64,
    /// A moment after which it takes no effect any more: when the answer was heard, or when the hub that was asked was
    /// dead. None where that is not known; then `heard` is [`Heard::Unknown`].
    pub returned: Option<u64>,
    /// What was heard.
    pub heard: Heard,
}

impl Operation {
    /// The handoff that this is about alone; none for what concerns all of them.
    #[must_use]
    pub const fn handoff(&self) -> Option<&HandoffId> {
        match &self.asked {
            Asked::Command(handoff, _) | Asked::Get(handoff, _) => Some(handoff),
            Asked::Poll(_) | Asked::Clock(_) => None,
        }
    }

    /// Whether it says something of this handoff. A poll that shows one says nothing of the others.
    fn concerns(&self, handoff: &HandoffId) -> bool {
        match (&self.asked, &self.heard) {
            (Asked::Command(id, _) | Asked::Get(id, _), _) => id == handoff,
            (Asked::Poll(_), Heard::Shown(Some((id, _)))) => id == handoff,
            (Asked::Poll(_) | Asked::Clock(_), _) => true,
        }
    }

    /// Whether it changes nothing, whatever the state: without it, what is left of a linearizable history is one.
    fn only_looks(&self) -> bool {
        match (&self.asked, &self.heard) {
            (Asked::Get(..) | Asked::Poll(_), _) => true,
            // A start that makes something is told so.
            (Asked::Command(_, command), Heard::Verdict(_)) if command.name() == "start" => true,
            // A deadline that has passed may be taken note of by whoever is told so.
            (_, Heard::Verdict(Err(refusal))) => !matches!(refusal, Refusal::Expired | Refusal::ClaimExpired),
            (Asked::Command(..) | Asked::Clock(_), _) => false,
        }
    }
}

/// One step of an order that explains a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The operation of this index.
    Operation(usize),
    /// The janitor's sweep.
    Sweep,
}

/// An order for each handoff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linearized {
    /// For each handoff an order of the operations that concern it. What nobody heard the answer of is in it only if it
    /// took effect.
    pub orders: Vec<(HandoffId, Vec<Step>)>,
    /// How many states were visited.
    pub states: usize,
}

/// Why a history was not found to be linearizable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotLinearizable {
    /// There is no order.
    NoOrder(Box<NoOrder>),
    /// More operations than [`MOST_PENDING`] were pending at a time: this history was not judged.
    TooManyPending(Box<HandoffId>),
    /// More states than [`MOST_STATES`]: this history was not judged.
    TooManyStates(Box<HandoffId>),
}

/// A handoff whose operations have no order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoOrder {
    /// Which one.
    pub handoff: HandoffId,
    /// What was called before the first return that leaves no order, without what can be left out.
    pub operations: Vec<Operation>,
    /// The moment of that return.
    pub at: u64,
    /// Where the clock stood at the beginning.
    pub clock: Time,
    /// What could have been the case before the last return, in words.
    pub possible: Vec<String>,
    /// How many states were visited before that was known.
    pub states: usize,
}

impl NoOrder {
    /// The operation that has no place.
    #[must_use]
    pub fn culprit(&self) -> Option<&Operation> {
        self.operations.iter().find(|operation| operation.returned == Some(self.at))
    }
}

impl fmt::Display for NotLinearizable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoOrder(found) => picture::draw(found, f),
            Self::TooManyPending(handoff) => write!(
                f,
                "The history of {handoff} was not judged: more than {MOST_PENDING} operations are pending at a time. Ask less at once."
            ),
            Self::TooManyStates(handoff) => write!(
                f,
                "The history of {handoff} was not judged: it has more than {MOST_STATES} states. Take a shorter one."
            ),
        }
    }
}

impl std::error::Error for NotLinearizable {}

/// Finds an order for each handoff of this history. At its beginning the hub's clock stands at `clock`, and there is no
/// handoff.
///
/// # Errors
/// The first handoff that has none, with the shortest beginning of its history that has none; or why none was looked for.
pub fn check(history: &[Operation], clock: Time) -> Result<Linearized, NotLinearizable> {
    let handoffs: BTreeSet<_> = history.iter().filter_map(Operation::handoff).collect();
    let mut found = Linearized { orders: Vec::new(), states: 0 };
    for handoff in handoffs {
        let (order, states) = one(handoff, history, clock)?;
        found.orders.push((*handoff, order));
        found.states += states;
    }
    Ok(found)
}

/// The same for one handoff.
fn one(
    handoff: &HandoffId,
    history: &[Operation],
    clock: Time,
) -> Result<(Vec<Step>, usize), NotLinearizable> {
    let concerned: Vec<_> = (0..history.len()).filter(|&n| history[n].concerns(handoff)).collect();
    let operations: Vec<_> = concerned.iter().map(|&n| &history[n]).collect();
    match search::search(&operations, clock) {
        Ok((order, states)) => {
            let in_history = |step| match step {
                Step::Operation(n) => Step::Operation(concerned[n]),
                Step::Sweep => Step::Sweep,
            };
            Ok((order.into_iter().map(in_history).collect(), states))
        }
        Err(search::Stopped::NoOrder { at, states, .. }) => {
            let kept = shortest(operations, clock, at);
            let Err(search::Stopped::NoOrder { possible, .. }) = search::search(&kept, clock) else {
                // Nothing was left out but what leaves it without an order.
                return Err(NotLinearizable::TooManyStates(Box::new(*handoff)));
            };
            let operations = kept.into_iter().cloned().collect();
            let found = NoOrder { handoff: *handoff, operations, at, clock, possible, states };
            Err(NotLinearizable::NoOrder(Box::new(found)))
        }
        Err(search::Stopped::TooManyPending) => Err(NotLinearizable::TooManyPending(Box::new(*handoff))),
        Err(search::Stopped::TooManyStates) => Err(NotLinearizable::TooManyStates(Box::new(*handoff))),
    }
}

/// What was called before the moment `at`, without what only looks and can be left out.
fn shortest(operations: Vec<&Operation>, clock: Time, at: u64) -> Vec<&Operation> {
    let mut kept: Vec<_> = operations.into_iter().filter(|operation| operation.called < at).collect();
    for n in (0..kept.len()).rev() {
        if !kept[n].only_looks() {
            continue;
        }
        let left_out = kept.remove(n);
        let stopped = search::search(&kept, clock);
        // It must be the same return that has no place.
        if !matches!(stopped, Err(search::Stopped::NoOrder { at: moment, .. }) if moment == at) {
            kept.insert(n, left_out);
        }
    }
    kept
}
