//! The relay: one synchronous machine that owns the store and the deciding clock.
//!
//! ```text
//!   submit(ticket, request) --> load, step --+--> ready        answers that depend on nothing unflushed
//!   tick()  janitor, waits, neighbours       +--> batch ------> commit(): one flush --> committed
//! ```
//!
//! One thread drives it, and the simulator calls the very same object. It holds no socket and no thread. Answers
//! come out in two types: [`Ready`] may go at once, for it rests on what is durable already; a [`Committed`] exists
//! only after the flush of its batch. Nobody can send the second too early, because there is nothing to send.

mod commit;
mod poll;
mod read;
mod running;
pub mod told;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;

use handoff_kernel::command::Command;
use handoff_kernel::ident::{AgentId, ClaimId, HandoffId, Mac, Wire};
use handoff_kernel::law::{Law, Protocol};
use handoff_kernel::operation::{Done, NotDone, Stored};
#[cfg(feature = "testing")]
use handoff_kernel::record::Record;
use handoff_kernel::record::Status;
use handoff_kernel::refusal::{Field, Refusal};
use handoff_kernel::time::{Millis, Time};

use crate::clock::{Clock, DecidingClock};
use crate::disk::{Disk, RealDisk};
use crate::request::{Asker, Health, Reply, Request, Ticket};
use crate::store::{DirectoryStore, Loaded, Noticed, OpenError, Options, StoreDown, Unreadable, own_disk};
use commit::BATCH_COMMANDS;
use poll::Waiting;
use read::Read;
use running::Running;
use told::{Teller, Told};

/// How long the janitor pauses after the store could not do what it asked.
const RETRY_AFTER: Millis = Millis(1000);

/// How often the directories are listed for what same-host agents did, when there is a lot to list: where the system
/// gives no hints, and where it does.
const LOOK_EVERY: Millis = Millis(500);
const LOOK_EVERY_ALL_THE_SAME: Millis = Millis(5000);

/// Listing takes one part in so many of the time, at the most.
const LOOK_SHARE: u64 = 50;

/// How often a few of the files of what is over are looked at.
const ROUND_EVERY: Millis = Millis(200);

/// See [`Config::few`].
const FEW: usize = 64;

/// How a relay is set up.
#[derive(Debug, Clone)]
pub struct Config {
    /// The data directory.
    pub data: PathBuf,
    /// Whether deadlines are swept when they pass. Without it every answer is the same, and files stay in
    /// `handoff/` and `claimed/` until somebody asks for them.
    pub janitor: bool,
    /// How long after its `expires_at` a terminal handoff is kept; none keeps everything.
    pub retain: Option<Millis>,
    /// Fewer live handoffs than this are listed at every tick, for it costs next to nothing: what the system tells of
    /// same-host agents is then no more than a hint.
    pub few: usize,
    /// How the store is set up.
    pub store: Options,
    /// Whether it tells what it does, from the moment it opens its store: see [`Relay::take_told`].
    #[cfg(feature = "testing")]
    pub listened: bool,
}

impl Config {
    /// The default set-up on this data directory.
    #[must_use]
    pub fn on(data: PathBuf) -> Self {
        Self {
            data,
            janitor: true,
            retain: None,
            few: FEW,
            store: Options::default(),
            #[cfg(feature = "testing")]
            listened: false,
        }
    }
}

/// Answers that depend on nothing unflushed.
#[derive(Debug, Default)]
#[must_use]
pub struct Ready(pub Vec<(Ticket, Reply)>);

/// Answers whose transitions have been flushed.
#[derive(Debug, Default)]
#[must_use]
pub struct Committed(pub Vec<(Ticket, Reply)>);

/// See the module's documentation.
#[derive(Debug)]
pub struct Relay<C: Clock, D: Disk = RealDisk, L: Law = Protocol> {
    law: L,
    store: DirectoryStore<D, L>,
    clock: DecidingClock<C, L>,
    janitor: bool,
    retain: Option<Millis>,
    attempts: u64,
    /// How many operations there have been.
    operations: u64,
    /// Decided, and to be written by the next commit: at most one of a handoff.
    batch: Vec<Running<L>>,
    busy: BTreeSet<HandoffId>,
    /// On a handoff that is in the batch already: their turn comes after.
    deferred: VecDeque<Running<L>>,
    /// Answers that say something has timed out, with no change that would make that durable: they wait for the
    /// clock's mark to be flushed, so that a restart cannot take them back.
    held: Vec<(Ticket, Reply)>,
    waiting: BTreeMap<Ticket, Waiting>,
    /// Reads of what a same-host agent has moved: answered when that has been taken note of.
    reads: Vec<(Ticket, Read)>,
    ready: Vec<(Ticket, Reply)>,
    /// In steady time: when the directories are listed next.
    look_at: Millis,
    /// In steady time: when a few more files of what is over are looked at.
    round_at: Millis,
    few: usize,
    /// In steady time: when the janitor goes on after the store could not do what it asked.
    resume_at: Millis,
    health: Health,
    notes: Vec<String>,
    teller: Teller,
}

impl<C: Clock> Relay<C> {
    /// Opens the data directory and stands ready.
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub fn open(config: &Config, clock: C) -> Result<Self, OpenError> {
        Self::on(own_disk(&config.data)?, config, clock)
    }
}

impl<C: Clock, D: Disk> Relay<C, D> {
    /// Stands ready on a data directory that is somewhere else than on the machine's own disk.
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub fn on(disk: D, config: &Config, clock: C) -> Result<Self, OpenError> {
        Self::under(Protocol, disk, config, clock)
    }
}

impl<C: Clock, D: Disk, L: Law> Relay<C, D, L> {
    /// Stands ready under this law, whatever that is.
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub fn under(law: L, disk: D, config: &Config, clock: C) -> Result<Self, OpenError> {
        let (store, mark) =
            DirectoryStore::under(law.clone(), disk, &config.data, config.store, clock.wall())?;
        let mut relay = Self {
            clock: DecidingClock::under(law.clone(), clock, mark),
            law,
            store,
            janitor: config.janitor,
            retain: config.retain,
            attempts: 0,
            operations: 0,
            batch: Vec::new(),
            busy: BTreeSet::new(),
            deferred: VecDeque::new(),
            held: Vec::new(),
            waiting: BTreeMap::new(),
            reads: Vec::new(),
            ready: Vec::new(),
            look_at: Millis(0),
            round_at: Millis(0),
            few: config.few,
            resume_at: Millis(0),
            health: Health::Ready,
            notes: Vec::new(),
            teller: Teller::new(config),
        };
        relay.take_note();
        Ok(relay)
    }

    /// Takes one request. Its reply comes out of [`Self::drain`] or [`Self::commit`], under the same ticket.
    pub fn submit(&mut self, ticket: Ticket, request: Request) {
        match request {
            Request::Start { sender, start, bytes, target_known } => {
                let handoff = start.id;
                let now = self.clock.now();
                let new = |found| matches!(found, Ok(Loaded::Known(None)));
                if !target_known && new(self.load(&handoff, now)) {
                    self.ready.push((ticket, refused(Refusal::Invalid(Field::ToAgent), None)));
                    return;
                }
                self.begin(Some(ticket), handoff, Command::Start { sender, artifact: start }, Some(bytes));
            }
            Request::Accept { by, handoff, claim_id, receipt } => {
                self.by_name(ticket, handoff, &by, |relay| relay.accept(by.agent, claim_id, receipt));
            }
            Request::Complete { by, handoff, claim_id, result, receipt } => {
                self.by_name(ticket, handoff, &by, |_| Command::Complete {
                    by: by.agent,
                    claim_id,
                    result,
                    receipt,
                });
            }
            Request::Reject { by, handoff, claim_id, reason, receipt } => {
                self.by_name(ticket, handoff, &by, |_| Command::Reject {
                    by: by.agent,
                    claim_id,
                    reason,
                    receipt,
                });
            }
            Request::Poll { by, wait } => self.poll(ticket, by, wait),
            Request::Get { by, handoff, artifact } => {
                self.read(ticket, Read { by, handoff, artifact, waits: 0 });
            }
            Request::List { by, filter, limit, after } => {
                let now = self.clock.now();
                let reply = match self.store.list(&by, &filter, limit, after, now) {
                    Ok(page) => Reply::Listed(page),
                    Err(unreadable) => unavailable(&unreadable),
                };
                self.ready.push((ticket, reply));
                self.take_note();
            }
            Request::Health if self.store.is_full() => self.ready.push((ticket, full())),
            Request::Health => self.ready.push((ticket, Reply::Health(self.health.clone()))),
        }
    }

    /// The asker has gone: its poll need not wait any longer. A command goes on, for it may have been decided.
    pub fn cancel(&mut self, ticket: Ticket) {
        self.waiting.remove(&ticket);
    }

    /// What time brings: deadlines that pass, waits that run out, files that same-host agents have moved.
    pub fn tick(&mut self) {
        let now = self.clock.now();
        let steady = self.clock.steady();
        self.look(now, steady);
        if steady >= self.round_at && (self.retain.is_some() || !self.store.has_gone_round()) {
            let pause = match self.store.go_round(self.retain, now) {
                Ok(()) => ROUND_EVERY,
                Err(error) => {
                    self.notes.push(format!("What is over cannot be looked through now: {error}."));
                    RETRY_AFTER
                }
            };
            self.round_at = Millis(steady.0.saturating_add(pause.0));
            self.take_note();
        }
        if self.janitor && steady >= self.resume_at {
            // The others' turn comes right after.
            let due: Vec<_> = self.store.due(now).take(BATCH_COMMANDS).collect();
            for handoff in &due {
                self.begin(None, *handoff, Command::Sweep, None);
            }
            // One that nothing came of is due still; it must not be asked for at every turn.
            if due.iter().any(|handoff| !self.busy.contains(handoff)) {
                self.pause();
            }
        }
        self.end_waits(now, steady);
    }

    /// Takes note of what same-host agents did: what the system tells is a hint, a listing now and then the truth.
    fn look(&mut self, now: Time, steady: Millis) {
        let lost = self.store.follow_hints(now);
        if lost || self.store.live() < self.few || steady >= self.look_at {
            if let Err(error) = self.store.notice(now) {
                self.notes.push(format!("The directories cannot be listed: {error}."));
            }
            let end = self.clock.steady();
            let every = if self.store.is_told() { LOOK_EVERY_ALL_THE_SAME } else { LOOK_EVERY };
            let took = Time(end.0).since(Time(steady.0));
            let pause = every.max(Millis(took.0.saturating_mul(LOOK_SHARE)));
            self.look_at = Millis(end.0.saturating_add(pause.0));
        }
        self.take_note();
    }

    /// The answers that depend on nothing unflushed.
    pub fn drain(&mut self) -> Ready {
        Ready(std::mem::take(&mut self.ready))
    }

    /// How long until a deadline or a wait gives [`Self::tick`] something to do; none when there is neither. What
    /// same-host agents do is not foreseen: whoever drives the relay ticks now and then for them.
    #[must_use]
    pub fn wake_in(&mut self) -> Option<Millis> {
        let deadline = self.store.next_deadline().filter(|_| self.janitor);
        // A deadline is passed one millisecond after it.
        let steady = self.clock.steady();
        let pause = Time(self.resume_at.0).since(Time(steady.0));
        let sweep = deadline.map(|at| at.plus(Millis(1)).since(self.clock.now()).max(pause));
        let wait = self.waiting.values().map(|w| w.until).min().map(|at| Time(at.0).since(Time(steady.0)));
        sweep.into_iter().chain(wait).min()
    }

    /// What people should know that happened here, and did not ask for.
    pub fn take_notes(&mut self) -> Vec<String> {
        self.notes.extend(self.store.take_notes());
        std::mem::take(&mut self.notes)
    }

    /// What it has told since this was last asked, in the order in which it happened; nothing unless
    /// [`Config::listened`] is set.
    #[cfg(feature = "testing")]
    pub fn take_told(&mut self) -> Vec<Told> {
        self.teller.take()
    }

    /// What is on the books of this handoff, for whoever looks on; nothing is carried out for it.
    ///
    /// # Errors
    /// When its file cannot be read now.
    #[cfg(feature = "testing")]
    pub fn on_record(&mut self, handoff: &HandoffId) -> Result<Option<Record<Wire>>, Unreadable> {
        let now = self.clock.now();
        self.store.glance(handoff, now).map_err(Unreadable)
    }

    /// Stops: answers every waiting poll with none, writes what has been decided, and leaves nothing to redo.
    pub fn close(mut self) -> (Committed, Result<(), StoreDown>) {
        let waiting = std::mem::take(&mut self.waiting);
        self.ready.extend(waiting.into_keys().map(|ticket| (ticket, Reply::Polled(None))));
        match self.commit() {
            Ok(committed) => {
                let mark = self.clock.now();
                (committed, self.store.checkpoint(mark))
            }
            Err(down) => (Committed::default(), Err(down)),
        }
    }

    /// Begins a command by somebody who may have given a name. Another agent's name is refused as a wrong role is:
    /// after whether the asker may know of the handoff at all.
    fn by_name(
        &mut self,
        ticket: Ticket,
        handoff: HandoffId,
        by: &Asker,
        command: impl FnOnce(&mut Self) -> Command<Wire>,
    ) {
        if by.named.is_none_or(|named| named == by.agent) {
            let command = command(self);
            return self.begin(Some(ticket), handoff, command, None);
        }
        let reply = match self.get(&by.agent, &handoff, false) {
            Ok(Ok(story)) => refused(Refusal::WrongAgent, Some(story.record.status())),
            Ok(Err(refusal)) => refused(refusal, None),
            Err(unreadable) => unavailable(&unreadable),
        };
        self.ready.push((ticket, reply));
    }

    /// An accept, under a nonce of its own.
    fn accept(&mut self, by: AgentId, claim_id: Option<ClaimId>, receipt: Option<Mac>) -> Command<Wire> {
        self.attempts += 1;
        Command::Accept { by, claim_id, attempt: self.attempts, receipt }
    }

    /// What the store has of a handoff; it may come by one that a same-host agent has dropped.
    fn load(&mut self, handoff: &HandoffId, now: Time) -> Result<Loaded, Unreadable> {
        let loaded = self.store.load(handoff, now);
        self.take_note();
        loaded
    }

    /// Takes note of what the store has come by.
    fn take_note(&mut self) {
        let mut targets = Vec::new();
        for noticed in self.store.take_noticed() {
            match noticed {
                Noticed::Arrived(handoff) => {
                    // One that could not be made durable is not on the books after all.
                    if let Some(Stored { record, .. }) = self.store.adopting(&handoff) {
                        targets.push(record.target);
                        self.teller.tell(|| Told::Arrived { record });
                    }
                }
                // Its next load carries out what that amounts to; a sweep is a load that changes nothing by itself.
                Noticed::Moved(handoff) => self.begin(None, handoff, Command::Sweep, None),
                Noticed::Removed(handoff) => self.teller.tell(|| Told::Pruned { handoff }),
            }
        }
        // They have come together, and the oldest is shown whichever was told of first.
        for target in targets {
            self.wake(&target);
        }
    }
}

fn refused(refusal: Refusal, status: Option<Status>) -> Reply {
    Reply::Done(Box::new(Done { verdict: Err(NotDone::Refused(refusal)), status, changed: false }))
}

fn full() -> Reply {
    Reply::Unavailable("The store takes no more now; ask again.".into())
}

fn unavailable(unreadable: &Unreadable) -> Reply {
    Reply::Unavailable(format!("The store cannot read a file now: {}. Ask again.", unreadable.0).into())
}
