//! A small relay: what the hub's does with kernel and store, over a store that is a variable. It waits for nothing, so
//! that all orders are those of the threads, and it marks what a test wants to know of.

use std::collections::BTreeSet;
use std::sync::Arc;

use handoff_hub::link::machine::Machine;
use handoff_hub::relay::{Committed, Ready};
use handoff_hub::request::{Asker, Filter, Health, Reply, Request, Ticket};
use handoff_kernel::command::{Command, Start};
use handoff_kernel::ident::{AgentId, ClaimId, Digest, HandoffId, Wire};
use handoff_kernel::law::{Law as _, Protocol};
use handoff_kernel::operation::{Effect, Next, Operation, Outcome, Stored, Version};
use handoff_kernel::record::{Record, Status};
use handoff_kernel::time::{Millis, Time};
use loom::sync::atomic::{AtomicBool, Ordering};

/// When the one handoff there is can still be claimed, and when it cannot any more.
pub(crate) const DEADLINE: Time = Time(1000);

/// What a test and its relay both see. `Relaxed` all of it, so that it takes the link to carry it over.
#[derive(Debug)]
pub(crate) struct World {
    /// The deadline has passed.
    pub(crate) late: AtomicBool,
    /// A commit has been flushed.
    pub(crate) flushed: AtomicBool,
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { late: AtomicBool::new(false), flushed: AtomicBool::new(false) })
    }
}

/// A command that is decided when it is submitted and written when that is committed, as the hub's relay does.
#[derive(Debug)]
struct Running {
    ticket: Option<Ticket>,
    operation: Operation<Wire, Protocol>,
}

/// The store went down.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Down;

/// See the module's documentation.
#[derive(Debug)]
pub(crate) struct Small {
    world: Arc<World>,
    stored: Stored<Wire>,
    batch: Vec<Running>,
    /// Polls: here nothing ever comes for them but [`Request::List`], which ends them all with none.
    waiting: BTreeSet<Ticket>,
    ready: Vec<(Ticket, Reply)>,
    attempts: u64,
    /// Every ticket that was ever given.
    tickets: BTreeSet<Ticket>,
    /// The next commit fails.
    fails: bool,
}

impl Small {
    /// One handoff is pending, for alice.
    pub(crate) fn in_world(world: &Arc<World>) -> Self {
        let record = Start::<Wire> {
            id: handoff(),
            author: AgentId::parse("bob").unwrap(),
            target: alice().agent,
            digest: Digest([0; 32]),
            expires_at: DEADLINE,
            claim_ttl: None,
        }
        .pending(Time(1));
        Self {
            world: Arc::clone(world),
            stored: Stored { record, version: Version(0) },
            batch: Vec::new(),
            waiting: BTreeSet::new(),
            ready: Vec::new(),
            attempts: 0,
            tickets: BTreeSet::new(),
            fails: false,
        }
    }

    /// One whose first commit with something to write fails.
    pub(crate) fn failing() -> Self {
        Self { fails: true, ..Self::in_world(&World::new()) }
    }

    pub(crate) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    pub(crate) fn record(&self) -> &Record<Wire> {
        &self.stored.record
    }

    pub(crate) fn tickets(&self) -> usize {
        self.tickets.len()
    }

    fn now(&self) -> Time {
        if self.world.late.load(Ordering::Relaxed) { DEADLINE.plus(Millis(1)) } else { DEADLINE }
    }

    /// Loads and decides; what is decided waits for the next commit.
    fn begin(&mut self, ticket: Option<Ticket>, command: Command<Wire>) {
        let operation = Operation::new(Protocol, handoff(), command);
        let mut ready = Vec::new();
        self.run(Running { ticket, operation }, &mut ready);
        self.ready.append(&mut ready);
    }

    /// Goes on until there is something to write, or the end.
    fn run(&mut self, running: Running, done: &mut Vec<(Ticket, Reply)>) {
        let Running { ticket, mut operation } = running;
        while operation.effect() == Effect::Load {
            match operation.next(Outcome::Loaded(Some(self.stored.clone())), self.now()) {
                Next::Effect(next) => operation = next,
                Next::Done(end) => {
                    let reply = ticket.map(|ticket| (ticket, Reply::Done(Box::new(end))));
                    return done.extend(reply);
                }
            }
        }
        self.batch.push(Running { ticket, operation });
    }

    fn write(&mut self, running: Running, done: &mut Vec<(Ticket, Reply)>) {
        let Running { ticket, operation } = running;
        let outcome = match operation.effect() {
            Effect::Swap { version, next, .. } if version == self.stored.version => {
                self.stored = Stored { record: next.clone(), version: Version(version.0 + 1) };
                Outcome::Written
            }
            Effect::Swap { .. } | Effect::Insert { .. } | Effect::Load => Outcome::Conflict,
        };
        // What was written needs no time, and a clock that nobody looks at leaves fewer orders to look through.
        let now = if outcome == Outcome::Written { DEADLINE } else { self.now() };
        match operation.next(outcome, now) {
            Next::Done(end) => done.extend(ticket.map(|ticket| (ticket, Reply::Done(Box::new(end))))),
            Next::Effect(operation) => self.run(Running { ticket, operation }, done),
        }
    }
}

impl Machine for Small {
    type Down = Down;

    fn submit(&mut self, ticket: Ticket, request: Request) {
        assert!(self.tickets.insert(ticket), "{ticket:?} was given twice");
        match request {
            Request::Accept { by, claim_id, receipt, .. } => {
                self.attempts += 1;
                let attempt = self.attempts;
                self.begin(Some(ticket), Command::Accept { by: by.agent, claim_id, attempt, receipt });
            }
            Request::Poll { wait: Millis(0), .. } => self.ready.push((ticket, Reply::Polled(None))),
            Request::Poll { .. } => drop(self.waiting.insert(ticket)),
            Request::List { .. } => {
                let waiting = std::mem::take(&mut self.waiting);
                self.ready.extend(waiting.into_iter().map(|poll| (poll, Reply::Polled(None))));
                self.ready.push((ticket, Reply::Health(Health::Ready)));
            }
            Request::Health => self.ready.push((ticket, Reply::Health(Health::Ready))),
            other @ (Request::Start { .. }
            | Request::Complete { .. }
            | Request::Reject { .. }
            | Request::Get { .. }) => {
                panic!("no test asks this: {other:?}")
            }
        }
    }

    fn cancel(&mut self, ticket: Ticket) {
        self.waiting.remove(&ticket);
    }

    /// The janitor.
    fn tick(&mut self) {
        if self.stored.version == Version(0) && Protocol.overdue(DEADLINE, self.now()) {
            self.begin(None, Command::Sweep);
        }
    }

    fn drain(&mut self) -> Ready {
        Ready(std::mem::take(&mut self.ready))
    }

    fn commit(&mut self) -> Result<Committed, Down> {
        let mut done = Vec::new();
        while !self.batch.is_empty() {
            if self.fails {
                return Err(Down);
            }
            for running in std::mem::take(&mut self.batch) {
                self.write(running, &mut done);
            }
            self.world.flushed.store(true, Ordering::Relaxed);
        }
        Ok(Committed(done))
    }

    fn wake_in(&mut self) -> Option<Millis> {
        None
    }

    fn take_notes(&mut self) -> Vec<String> {
        Vec::new()
    }

    fn close(mut self) -> (Committed, Result<(), Down>) {
        let waiting = std::mem::take(&mut self.waiting);
        self.ready.extend(waiting.into_iter().map(|poll| (poll, Reply::Polled(None))));
        match self.commit() {
            Ok(Committed(mut done)) => {
                done.append(&mut self.ready);
                (Committed(done), Ok(()))
            }
            Err(down) => (Committed::default(), Err(down)),
        }
    }
}

pub(crate) fn handoff() -> HandoffId {
    HandoffId::parse("h").unwrap()
}

pub(crate) fn alice() -> Asker {
    Asker { agent: AgentId::parse("alice").unwrap(), named: None }
}

/// An accept under this name.
pub(crate) fn accept(claim: &str) -> Request {
    Request::Accept {
        by: alice(),
        handoff: handoff(),
        claim_id: Some(ClaimId::parse(claim).unwrap()),
        receipt: None,
    }
}

/// A poll that waits.
pub(crate) fn waiting_poll() -> Request {
    Request::Poll { by: alice().agent, wait: Millis(1) }
}

/// A poll that does not.
pub(crate) fn poll_now() -> Request {
    Request::Poll { by: alice().agent, wait: Millis(0) }
}

/// What ends all polls here, as news would.
pub(crate) fn list() -> Request {
    let filter = Filter { status: Status::Pending, target: None, author: None };
    Request::List { by: alice().agent, filter, limit: 1, after: None }
}
