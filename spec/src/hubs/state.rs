//! The state of several hubs, their store, their clients and the network between them.

use std::sync::Arc;

use handoff_kernel::command::{Answer, Command, Event};
use handoff_kernel::history::History;
use handoff_kernel::law::Law;
use handoff_kernel::operation::{NotDone, Operation, Outcome, Stored, Version};
use handoff_kernel::record::Record;
use handoff_kernel::testing::small::Small;
use handoff_kernel::time::Time;

use super::config::{Ask, Client, Faults};
use crate::model::Breach;

/// Everything. States share what a step leaves as it was: there are many of them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State<L: Law> {
    /// True time.
    pub time: u64,
    /// What the store has, one a handoff.
    pub registers: Vec<Arc<Register>>,
    /// Writes that the store may still carry out.
    pub late: Vec<Late>,
    /// The clock that the hubs share, and when in true time it was last advanced.
    pub shared_clock: (u64, u64),
    /// The hubs.
    pub hubs: Vec<Arc<Hub<L>>>,
    /// The clients, as in the configuration.
    pub clients: Vec<Progress>,
    /// Messages under way, sorted.
    pub network: Vec<Message>,
    /// Events that are not in the log yet, in the order of their transitions.
    pub unlogged: Vec<Unlogged>,
    /// How many events the log has of each handoff, where it is completed from the records after a crash.
    pub logged: Vec<usize>,
    /// What may still go wrong.
    pub left: Faults,
    /// How many attempts were drawn.
    pub attempts: u8,
    /// What was seen. Most steps show nothing new, so that the states after them share it.
    pub history: Arc<History<Small>>,
    /// What is broken, if anything is.
    pub breach: Option<Breach>,
}

impl<L: Law> State<L> {
    /// A hub, to be changed.
    pub(super) fn hub(&mut self, number: usize) -> &mut Hub<L> {
        Arc::make_mut(&mut self.hubs[number])
    }

    /// A register, to be changed.
    pub(super) fn register(&mut self, handoff: u8) -> &mut Register {
        Arc::make_mut(&mut self.registers[usize::from(handoff)])
    }
}

/// An event that is to be written into the log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Unlogged {
    /// The hub that is to write it.
    pub hub: usize,
    /// What it writes.
    pub event: Event<Small>,
    /// Whether it was missing when the hub came back, and was found by its record.
    pub found_missing: bool,
}

/// One handoff's place in the store.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Register {
    /// The record, if there is one.
    pub stored: Option<Stored<Small>>,
    /// The version that the next write makes.
    pub next_version: Version,
    /// Whether retention has removed it.
    pub pruned: bool,
    /// What was there before the last write: what a store that is not durable falls back to.
    pub before: Option<Option<Stored<Small>>>,
    /// The client that was told that the claim is its own.
    pub winner: Option<usize>,
}

impl Register {
    /// The record, if there is one.
    pub fn record(&self) -> Option<&Record<Small>> {
        self.stored.as_ref().map(|stored| &stored.record)
    }
}

/// Who a hub works for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asker {
    /// A client, with the request of this index.
    Client(usize, usize),
    /// Its janitor, on this handoff.
    Janitor(u8),
}

/// More than there are askers.
const HUB: usize = 1000;

impl Asker {
    /// A number for traces, which is renumbered when the trace is put together, and for histories.
    pub(super) fn key(self, hub: usize) -> u32 {
        let asker = match self {
            // One client's requests may be under way at one hub together, if it asked for the next one elsewhere.
            Self::Client(client, index) => client * 50 + index,
            Self::Janitor(handoff) => 500 + usize::from(handoff),
        };
        u32::try_from(hub * HUB + asker).expect("a handful of hubs and clients")
    }

    /// The hub of the operation of this number.
    pub(super) fn hub_of(key: u64) -> usize {
        usize::try_from(key).expect("it was made of two small numbers") / HUB
    }

    /// The same operation's number where its hub has another place.
    pub(super) fn moved(key: u64, place: impl Fn(usize) -> usize) -> u64 {
        let hub = Self::hub_of(key);
        key - (hub * HUB) as u64 + (place(hub) * HUB) as u64
    }
}

/// One command on its way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Running<L: Law> {
    /// For whom.
    pub asker: Asker,
    /// The machine that ships.
    pub operation: Operation<Small, L>,
    /// What the store has answered, which it has not taken yet.
    pub heard: Option<Outcome<Small>>,
    /// When, in true time, it decided what it now wants to write; kept where δ is bounded.
    pub decided: Option<u64>,
    /// What its hub's clock said when it began, under a law that decides by that.
    pub began: Option<Time>,
}

/// A write whose answer was lost, and which the store may still carry out.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Late {
    /// Which hub asked for it.
    pub hub: usize,
    /// For whom.
    pub asker: Asker,
    /// To carry out which command.
    pub command: Command<Small>,
    /// What it expects to find; no version means nothing.
    pub expected: Option<Version>,
    /// The record that it writes.
    pub next: Record<Small>,
    /// Its event.
    pub event: Event<Small>,
    /// When it was decided; kept where δ is bounded.
    pub decided: Option<u64>,
}

/// One hub.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hub<L: Law> {
    /// Whether it runs.
    pub up: bool,
    /// Whether it is cut off.
    pub cut: bool,
    /// How far its wall clock is ahead of true time.
    pub ahead: i64,
    /// The newest time that it has decided with, where its clock can step back.
    pub mark: u64,
    /// What it is doing, sorted by asker.
    pub running: Vec<Arc<Running<L>>>,
}

/// How far a client has come.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Progress {
    /// The index of its present request; none when it has its answer to the last.
    pub at: Option<usize>,
    /// How often it has sent it.
    pub sent: u8,
    /// Whether what it asks now is a poll that waits.
    pub wants: bool,
    /// The hub at which its poll waits, and whether that hub has reason to look.
    pub waits: Option<(usize, bool)>,
}

/// Something under way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Message {
    /// A client's request.
    Request {
        /// Whose.
        client: usize,
        /// Which.
        index: usize,
    },
    /// The answer to it.
    Reply {
        /// To whom.
        client: usize,
        /// To which.
        index: usize,
        /// What.
        verdict: Result<Answer<Small>, NotDone>,
    },
}

fn wants(client: &Client, at: Option<usize>) -> bool {
    at.is_some_and(|index| client.asks[index] == Ask::Wait)
}

impl Progress {
    /// At the beginning.
    pub fn first(client: &Client) -> Self {
        let at = (!client.asks.is_empty()).then_some(0);
        Self { at, sent: 0, wants: wants(client, at), waits: None }
    }

    /// A definite answer has come: on to the next request.
    pub fn answered(&mut self, client: &Client) {
        self.at = self.at.map(|at| at + 1).filter(|at| *at < client.asks.len());
        self.sent = 0;
        self.wants = wants(client, self.at);
        self.waits = None;
    }
}

impl<L: Law> Hub<L> {
    /// What its clock says: its wall clock, but never less than it has decided with, if the law has it so.
    pub fn now(&self, law: &L, time: u64) -> u64 {
        law.decides_at(Time(time.saturating_add_signed(self.ahead)), Time(self.mark)).0
    }

    /// What it does for this asker.
    pub fn working_for(&self, asker: Asker) -> Option<usize> {
        self.running.iter().position(|running| running.asker == asker)
    }
}
