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

mod poll;
mod read;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;

use handoff_kernel::command::Command;
use handoff_kernel::ident::{AgentId, ClaimId, HandoffId, Mac, Wire};
use handoff_kernel::law::Protocol;
use handoff_kernel::operation::{Done, Effect, Next, NotDone, Operation, Outcome};
use handoff_kernel::record::{Rejection, State, Status};
use handoff_kernel::refusal::{Field, Refusal};
use handoff_kernel::time::{Millis, Time};

use crate::clock::{Clock, DecidingClock};
use crate::disk::{Disk, RealDisk};
use crate::request::{Asker, Health, Reply, Request, Ticket};
use crate::store::{
    Adoption, Batch, DirectoryStore, Loaded, Noticed, OpenError, Opened, Options, StoreDown, Unreadable,
    Write,
};
use poll::Waiting;
use read::Read;

/// The reason on record when a same-host agent moved a file to `rejected/` itself.
const NEIGHBOUR_REASON: &str = "\"rejected by a same-host agent\"";

/// How long the janitor pauses after the store could not do what it asked.
const RETRY_AFTER: Millis = Millis(1000);

/// An operation that has been taken up so often is up against something that will not let it: a record changes three
/// times in its life at the most.
const MOST_TURNS: u32 = 16;

/// How often the directories are listed for what same-host agents did, when there is a lot to list: where the system
/// gives no hints, and where it does.
const LOOK_EVERY: Millis = Millis(500);
const LOOK_EVERY_ALL_THE_SAME: Millis = Millis(5000);

/// Listing takes one part in so many of the time, at the most.
const LOOK_SHARE: u64 = 50;

/// How often a few of the files of what is over are looked at.
const ROUND_EVERY: Millis = Millis(200);

/// So many bytes of artifacts, results and reasons go into one flush at the most; one may be longer by itself. And so many
/// commands.
const BATCH_BYTES: usize = 1024 * 1024;
const BATCH_COMMANDS: usize = 512;

/// So few live handoffs are listed at every tick.
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
    /// How the store is set up.
    pub store: Options,
}

impl Config {
    /// The default set-up on this data directory.
    #[must_use]
    pub fn on(data: PathBuf) -> Self {
        Self { data, janitor: true, retain: None, store: Options::default() }
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

/// A command on its way. The janitor's and the neighbours' have no ticket: nobody waits for them.
#[derive(Debug)]
struct Running {
    ticket: Option<Ticket>,
    operation: Operation<Wire, Protocol>,
    artifact: Option<Arc<[u8]>>,
    /// How often it has been taken up.
    turns: u32,
}

impl Running {
    /// How many bytes of a result or a reason it has to write.
    fn says(&self) -> usize {
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

/// See the module's documentation.
#[derive(Debug)]
pub struct Relay<C: Clock, D: Disk = RealDisk> {
    store: DirectoryStore<D>,
    clock: DecidingClock<C>,
    janitor: bool,
    retain: Option<Millis>,
    attempts: u64,
    /// Decided, and to be written by the next commit: at most one of a handoff.
    batch: Vec<Running>,
    busy: BTreeSet<HandoffId>,
    /// On a handoff that is in the batch already: their turn comes after.
    deferred: VecDeque<Running>,
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
    /// In steady time: when the janitor goes on after the store could not do what it asked.
    resume_at: Millis,
    health: Health,
    notes: Vec<String>,
}

impl<C: Clock> Relay<C> {
    /// Opens the data directory and stands ready.
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub fn open(config: &Config, clock: C) -> Result<Self, OpenError> {
        let (store, opened) = DirectoryStore::open(&config.data, config.store, clock.wall())?;
        Ok(Self::new(store, opened, config, clock))
    }
}

impl<C: Clock, D: Disk> Relay<C, D> {
    /// Stands ready on a data directory that is somewhere else than on the machine's own disk.
    ///
    /// # Errors
    /// One sentence that says what to do.
    pub fn on(disk: D, config: &Config, clock: C) -> Result<Self, OpenError> {
        let (store, opened) = DirectoryStore::on(disk, &config.data, config.store, clock.wall())?;
        Ok(Self::new(store, opened, config, clock))
    }

    fn new(store: DirectoryStore<D>, opened: Opened, config: &Config, clock: C) -> Self {
        let Opened { mark, noticed } = opened;
        let mut relay = Self {
            store,
            clock: DecidingClock::new(clock, mark),
            janitor: config.janitor,
            retain: config.retain,
            attempts: 0,
            batch: Vec::new(),
            busy: BTreeSet::new(),
            deferred: VecDeque::new(),
            held: Vec::new(),
            waiting: BTreeMap::new(),
            reads: Vec::new(),
            ready: Vec::new(),
            look_at: Millis(0),
            round_at: Millis(0),
            resume_at: Millis(0),
            health: Health::Ready,
            notes: Vec::new(),
        };
        noticed.into_iter().for_each(|noticed| relay.take_note(noticed));
        relay
    }

    /// Takes one request. Its reply comes out of [`Self::drain`] or [`Self::commit`], under the same ticket.
    pub fn submit(&mut self, ticket: Ticket, request: Request) {
        match request {
            Request::Start { sender, start, bytes, target_known } => {
                let handoff = start.id;
                let now = self.clock.now();
                let new = |found| matches!(found, Ok(Loaded::Known(None)));
                if !target_known && new(self.store.load(&handoff, now)) {
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
                for handoff in self.store.take_come_by() {
                    self.begin(None, handoff, Command::Sweep, None);
                }
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
            let mut noticed = Vec::new();
            let pause = match self.store.go_round(self.retain, now, &mut noticed) {
                Ok(()) => ROUND_EVERY,
                Err(error) => {
                    self.notes.push(format!("What is over cannot be looked through now: {error}."));
                    RETRY_AFTER
                }
            };
            self.round_at = Millis(steady.0.saturating_add(pause.0));
            noticed.into_iter().for_each(|noticed| self.take_note(noticed));
        }
        if self.janitor && steady >= self.resume_at {
            // The others' turn comes right after.
            let due: Vec<_> = self.store.due(now).take(BATCH_COMMANDS).collect();
            for handoff in due {
                self.begin(None, handoff, Command::Sweep, None);
            }
        }
        self.end_waits(steady);
    }

    /// Takes note of what same-host agents did: what the system tells is a hint, a listing now and then the truth.
    fn look(&mut self, now: Time, steady: Millis) {
        let mut noticed = Vec::new();
        let lost = self.store.follow_hints(now, &mut noticed);
        if lost || self.store.live() < FEW || steady >= self.look_at {
            match self.store.notice(now) {
                Ok(more) => noticed.extend(more),
                Err(error) => self.notes.push(format!("The directories cannot be listed: {error}.")),
            }
            let end = self.clock.steady();
            let every = if self.store.is_told() { LOOK_EVERY_ALL_THE_SAME } else { LOOK_EVERY };
            let took = Time(end.0).since(Time(steady.0));
            let pause = every.max(Millis(took.0.saturating_mul(LOOK_SHARE)));
            self.look_at = Millis(end.0.saturating_add(pause.0));
        }
        noticed.into_iter().for_each(|noticed| self.take_note(noticed));
    }

    /// The answers that depend on nothing unflushed.
    pub fn drain(&mut self) -> Ready {
        Ready(std::mem::take(&mut self.ready))
    }

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
            committed
                .extend(held.into_iter().map(|(ticket, held)| (ticket, if marked { held } else { full() })));
            let mut failed = BTreeSet::new();
            for (running, outcome) in batch.into_iter().zip(outcomes) {
                let now = self.clock.now();
                let Running { ticket, operation, artifact, turns } = running;
                if ticket.is_none() && outcome == Outcome::Conflict {
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
                match operation.next(outcome, now) {
                    Next::Done(done) => committed.extend(self.finish(ticket, done)),
                    Next::Effect(operation) => self.run(Running { ticket, operation, artifact, turns }),
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
                committed.extend(self.give_up(running.ticket, running.operation));
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
    fn next_batch(&mut self) -> Vec<Running> {
        let mut bytes = 0;
        let fits = |running: &&Running| {
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

    fn begin(
        &mut self,
        ticket: Option<Ticket>,
        handoff: HandoffId,
        command: Command<Wire>,
        artifact: Option<Arc<[u8]>>,
    ) {
        let operation = Operation::new(Protocol, handoff, command);
        self.run(Running { ticket, operation, artifact, turns: 0 });
    }

    /// Runs an operation until it has something to write, or ends.
    fn run(&mut self, running: Running) {
        if self.busy.contains(running.operation.handoff()) {
            self.deferred.push_back(running);
            return;
        }
        let Running { ticket, mut operation, artifact, turns } = running;
        let turns = turns + 1;
        let handoff = *operation.handoff();
        if turns > MOST_TURNS {
            self.notes.push(format!(
                "{handoff} is held up: something else keeps changing its files, or stands in their way."
            ));
            let answer = self.give_up(ticket, operation);
            self.ready.extend(answer);
            return;
        }
        while operation.effect() == Effect::Load {
            let now = self.clock.now();
            let outcome = match self.store.load(&handoff, now) {
                Ok(Loaded::Known(found)) => Outcome::Loaded(found),
                // A same-host agent was first.
                Ok(Loaded::Adopt(adoption)) if self.adopt(&handoff, adoption, now) => {
                    self.deferred.push_back(Running { ticket, operation, artifact, turns });
                    return;
                }
                Ok(Loaded::Adopt(_)) => Outcome::Failed,
                Err(Unreadable(error)) => {
                    self.notes.push(format!("{handoff} cannot be read: {error}."));
                    Outcome::Failed
                }
            };
            let now = self.clock.now();
            operation = match operation.next(outcome, now) {
                Next::Effect(next) => next,
                Next::Done(done) => {
                    // Only a start of what nobody knows is refused as expired without leaving a trace.
                    let timed_out =
                        done.verdict == Err(NotDone::Refused(Refusal::Expired)) && done.status.is_none();
                    let answer = self.finish(ticket, done);
                    let answers = if timed_out { &mut self.held } else { &mut self.ready };
                    answers.extend(answer);
                    return;
                }
            };
        }
        self.busy.insert(handoff);
        self.batch.push(Running { ticket, operation, artifact, turns });
    }

    /// Carries out what a same-host agent's rename amounts to, before anything else on that handoff. False when
    /// there is nothing to write, and so nothing to wait for.
    fn adopt(&mut self, handoff: &HandoffId, adoption: Adoption, now: Time) -> bool {
        let Some(stored) = self.store.adopting(handoff) else { return false };
        let by = stored.record.target;
        let command = match adoption {
            Adoption::Claim => self.accept(by, None, None),
            Adoption::Complete => Command::Complete { by, claim_id: None, result: None, receipt: None },
            Adoption::Decline => {
                Command::Reject { by, claim_id: None, reason: NEIGHBOUR_REASON.into(), receipt: None }
            }
        };
        let operation = Operation::new(Protocol, *handoff, command);
        match operation.next(Outcome::Loaded(Some(stored)), now) {
            Next::Effect(operation) => {
                self.busy.insert(*handoff);
                self.batch.push(Running { ticket: None, operation, artifact: None, turns: 0 });
                true
            }
            Next::Done(done) => {
                self.finish(None, done);
                false
            }
        }
    }

    fn take_note(&mut self, noticed: Noticed) {
        match noticed {
            Noticed::Arrived(target) => self.wake(&target),
            // Its next load carries out what that amounts to; a sweep is a load that changes nothing by itself.
            Noticed::Moved(handoff) => self.begin(None, handoff, Command::Sweep, None),
        }
    }

    /// Ends an operation that the store cannot carry out now.
    fn give_up(
        &mut self,
        ticket: Option<Ticket>,
        operation: Operation<Wire, Protocol>,
    ) -> Option<(Ticket, Reply)> {
        let now = self.clock.now();
        match operation.next(Outcome::Failed, now) {
            Next::Done(done) => self.finish(ticket, done),
            // A failure always ends it; were that to change, the asker is still told.
            Next::Effect(_) => ticket.map(|ticket| (ticket, full())),
        }
    }

    /// The janitor asks for nothing for a while: what it asked for last could not be done.
    fn pause(&mut self) {
        self.resume_at = Millis(self.clock.steady().0.saturating_add(RETRY_AFTER.0));
    }

    /// The answer to whoever waits for it.
    fn finish(&mut self, ticket: Option<Ticket>, done: Done<Wire>) -> Option<(Ticket, Reply)> {
        if let Err(NotDone::Broken(rule)) = done.verdict {
            self.notes
                .push(format!("A decision broke rule {rule}: {} The change was not made.", rule.statement()));
            self.health = Health::RuleBroken(rule);
            self.pause();
        }
        ticket.map(|ticket| (ticket, Reply::Done(Box::new(done))))
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
