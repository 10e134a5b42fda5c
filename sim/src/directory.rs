//! One hub on directories: the relay and the store that ship, on a simulated disk, seen through and through.
//!
//! ```text
//!   act --> Relay (its own code) --> what it tells --> judge, story
//!                |                                \--> answers, when they may go
//!                +--> SimulatedDisk --> the event log, read as it grows
//! ```

mod log;
mod recovery;
mod surroundings;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use handoff_hub::disk::Disk as _;
use handoff_hub::disk::simulated::{Background, Settings, SimulatedDisk};
use handoff_hub::relay::told::{self, Told};
use handoff_hub::relay::{Config, Relay};
use handoff_hub::request::{Reply, Ticket};
use handoff_hub::store::{Options, Slips};
use handoff_kernel::command::{Command, Event};
use handoff_kernel::ident::{AgentId, HandoffId, Wire};
use handoff_kernel::law::Law;
use handoff_kernel::operation::Done;
use handoff_kernel::record::Record;
use handoff_kernel::time::Time;
use handoff_spec::coverage::{Came, Then, Verdict, Wrote};
use handoff_spec::trace::{self, EffectKind, Line, OutcomeKind};

use crate::act::{Act, Asked, Death, Setup};
use crate::cast::{Cast, in_a_trace, on_the_wire};
use crate::clock::{HostClock, TrueTime};
use crate::demand::{Demand, Heard};
use crate::judge::Behalf;
use crate::reached::Case;
use crate::stage::{Answer, Stage, Watch};
use crate::story::tells;
use crate::text;
use log::Tail;

/// A disk that is full has room again when there is none of this.
const ROOMY: Option<usize> = None;

/// One operation of the relay.
#[derive(Debug)]
struct Operation {
    /// Its number in the trace.
    number: u32,
    behalf: Behalf,
    /// Who asked: the client, and its ticket.
    asker: Option<(usize, Ticket)>,
    handoff: HandoffId,
    command: Command<Wire>,
    /// Whether it has looked.
    loaded: bool,
    /// What it has decided to write.
    decided: Option<Decided>,
}

/// What an operation has decided to write.
#[derive(Debug, Clone)]
pub(crate) struct Decided {
    pub(crate) number: u32,
    pub(crate) behalf: Behalf,
    pub(crate) command: Command<Wire>,
    pub(crate) before: Option<Record<Wire>>,
    pub(crate) next: Record<Wire>,
    pub(crate) event: Event<Wire>,
}

/// A request under way.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    client: usize,
    agent: AgentId,
    request: u64,
}

/// What runs, while it runs.
#[derive(Debug)]
struct Process<L: Law> {
    relay: Relay<HostClock, SimulatedDisk, L>,
    /// A second hold of the relay's own process.
    disk: SimulatedDisk,
    operations: BTreeMap<u64, Operation>,
    requests: BTreeMap<Ticket, Waiting>,
    /// Decided, told, and not yet allowed to go.
    held: BTreeMap<Ticket, (u64, Done<Wire>, Time)>,
    doom: Option<Death>,
    /// Its disk has failed for good, and it is about to end.
    down: bool,
}

/// See the module.
#[derive(Debug)]
pub struct Directory<L: Law> {
    law: L,
    setup: Setup,
    cast: Cast,
    truth: TrueTime,
    clock: HostClock,
    /// The machine's disk, as some other process on it sees it.
    disk: SimulatedDisk,
    process: Option<Process<L>>,
    tickets: u64,
    numbers: u32,
    tail: Tail,
    /// Writes that were decided when a hub died, and when in true time that was: nobody knows yet what became of them.
    limbo: Vec<(u64, Decided)>,
    /// Whether something of the disk may fail, so that a hub may well refuse to start.
    ill: bool,
    /// The last hub ended with a power cut.
    cut_off: bool,
    /// What same-host agents have dropped: nobody was told that it was started.
    dropped: BTreeSet<HandoffId>,
    /// What same-host agents have moved.
    moved: BTreeSet<HandoffId>,
    /// Reads may fail, so that a poll may not be shown what is there.
    reads_fail: bool,
    /// How often a power cut was drawn for a hub that went down by itself.
    downs: u64,
}

impl<L: Law> Directory<L> {
    /// A hub on an empty disk, which does not run yet.
    #[must_use]
    pub fn new(law: L, setup: &Setup, cast: &Cast, truth: &TrueTime) -> Self {
        let settings = Settings {
            block_bytes: usize::try_from(setup.block_bytes).unwrap_or(512),
            background: Background::AfterPolls(1),
            now: on_the_wire(truth.now()),
            ..Settings::default()
        };
        let drift = setup.drift.first().copied().unwrap_or_default();
        Self {
            law,
            setup: setup.clone(),
            cast: cast.clone(),
            truth: truth.clone(),
            clock: HostClock::new(truth, 0, drift, setup.epsilon),
            disk: SimulatedDisk::new(settings),
            process: None,
            tickets: 0,
            numbers: 0,
            tail: Tail::default(),
            limbo: Vec::new(),
            ill: false,
            cut_off: false,
            reads_fail: false,
            dropped: BTreeSet::new(),
            moved: BTreeSet::new(),
            downs: 0,
        }
    }

    /// The disk, for whoever wants to look at it.
    #[must_use]
    pub const fn disk(&self) -> &SimulatedDisk {
        &self.disk
    }

    fn config(&self) -> Config {
        let store = Options {
            journal_bytes: self.setup.journal_bytes,
            segment_bytes: self.setup.segment_bytes,
            slips: self.setup.slip.map_or(Slips::NONE, Slips::only),
        };
        Config { store, retain: self.setup.retain, listened: true, ..Config::on(PathBuf::from("/data")) }
    }

    fn line(&self, now: Option<Time>, event: trace::Event) -> Line {
        let clock = now.unwrap_or_else(|| handoff_hub::clock::Clock::wall(&self.clock));
        Line::at(self.truth.now(), "hub 1", Some(in_a_trace(clock)), event)
    }

    // -------------------------------------------------------------------------------------------------- requests

    fn ask(&mut self, asked: &Asked, watch: &mut Watch<'_>) -> Vec<Answer> {
        let Some(mut process) = self.process.take() else { return Vec::new() };
        self.tickets += 1;
        let ticket = Ticket(self.tickets);
        match &asked.demand {
            Demand::Command { .. } => {}
            Demand::Poll { target, wait } => watch.story.tell(|| {
                let with = [
                    ("hub", "1".to_owned()),
                    ("agent", asked.agent.to_string()),
                    ("target", target.to_string()),
                    ("wait", wait.0.to_string()),
                ];
                let host = format!("client {}", asked.client + 1);
                Line::at(self.truth.now(), host, None, tells("polls", with))
            }),
            Demand::Read { handoff, .. } => watch.story.tell(|| {
                let with = [
                    ("hub", "1".to_owned()),
                    ("agent", asked.agent.to_string()),
                    ("handoff", handoff.to_string()),
                ];
                let host = format!("client {}", asked.client + 1);
                Line::at(self.truth.now(), host, None, tells("reads", with))
            }),
        }
        let Asked { client, agent, request, .. } = *asked;
        process.requests.insert(ticket, Waiting { client, agent, request });
        process.relay.submit(ticket, asked.demand.request(&self.cast, asked.agent));
        let ready = process.relay.drain().0;
        self.after(process, ready, watch)
    }

    fn work(&mut self, watch: &mut Watch<'_>) -> Vec<Answer> {
        let Some(mut process) = self.process.take() else { return Vec::new() };
        watch.story.tell(|| self.line(None, tells("works", [])));
        process.relay.tick();
        let mut ready = process.relay.drain().0;
        let committed = process.relay.commit();
        match committed {
            Ok(committed) => {
                ready.extend(committed.0);
                let answers = self.after(process, ready, watch);
                if self.process.is_some() {
                    self.read_log(watch);
                }
                answers
            }
            Err(down) => {
                process.down = true;
                // What was ready before may have gone; what the commit was to answer has not.
                let dead = process.disk.is_dead();
                let answers = self.after(process, ready, watch);
                if !dead {
                    watch.reached.note(Case::StoreDown);
                    watch.story.tell(|| self.line(None, tells("goes_down", [("why", down.to_string())])));
                    self.downs += 1;
                    // Whose disk has failed is started anew, machine and all.
                    self.die(Death::PowerCut(self.downs), watch);
                }
                answers
            }
        }
    }

    /// What a call of the relay has told and made ready to go.
    fn after(
        &mut self,
        mut process: Process<L>,
        ready: Vec<(Ticket, Reply)>,
        watch: &mut Watch<'_>,
    ) -> Vec<Answer> {
        let dead = process.disk.is_dead();
        // A process that died on the way has sent nothing.
        let ready = if dead { Vec::new() } else { ready };
        let going: BTreeSet<Ticket> = ready.iter().map(|(ticket, _)| *ticket).collect();
        let told = process.relay.take_told();
        for (at, this) in told.iter().enumerate() {
            self.told(&mut process, this.clone(), &told[at + 1..], &going, watch);
        }
        let mut answers = Vec::new();
        for (ticket, reply) in ready {
            if let Some((operation, done, now)) = process.held.remove(&ticket) {
                self.answered(&process, operation, &done, now, watch);
                process.operations.remove(&operation);
            }
            let Some(Waiting { client, request, .. }) = process.requests.remove(&ticket) else { continue };
            let heard = Heard::of(reply);
            match &heard {
                Heard::Shown(Some((handoff, digest))) => watch.judge.delivered(handoff, digest),
                Heard::Read(Ok(story)) => watch.judge.delivered(&story.0.id, &story.1),
                Heard::Unavailable => watch.reached.note(Case::Unavailable),
                Heard::Shown(None) | Heard::Read(Err(_)) | Heard::Verdict(_) => {}
            }
            answers.push(Answer { client, request, heard });
        }
        let doom = process.doom;
        let notes = process.relay.take_notes();
        watch.reached.notes(&notes);
        for note in notes {
            watch.story.tell(|| self.line(None, tells("notes", [("what", note)])));
        }
        self.process = Some(process);
        if let (true, Some(death)) = (dead, doom) {
            watch.reached.note(Case::DiedInside);
            self.die(death, watch);
        }
        answers
    }

    fn told(
        &mut self,
        process: &mut Process<L>,
        told: Told,
        later: &[Told],
        going: &BTreeSet<Ticket>,
        watch: &mut Watch<'_>,
    ) {
        match told {
            Told::Begun { operation, ticket, handoff, command } => {
                self.numbers += 1;
                let number = self.numbers;
                let waiting = ticket.and_then(|ticket| Some((ticket, *process.requests.get(&ticket)?)));
                let behalf = match (waiting, &command) {
                    (Some((_, waiting)), _) => Behalf::Client(waiting.agent),
                    (None, Command::Sweep) => Behalf::Janitor,
                    (None, _) => Behalf::Neighbour,
                };
                watch.story.tell(|| {
                    let asker = waiting.map(|(_, waiting)| trace::Client {
                        client: format!("client {}", waiting.client + 1),
                        agent: waiting.agent.to_string(),
                    });
                    let command = text::ask(&self.cast, &command);
                    let handoff = handoff.to_string();
                    self.line(None, trace::Event::Begins { operation: number, handoff, command, asker })
                });
                if waiting.is_some() {
                    watch.judge.asked(u64::from(number), &handoff, &command);
                }
                watch.coverage.begins(u64::from(number), &handoff, &command);
                let asker = waiting.map(|(ticket, waiting)| (waiting.client, ticket));
                let begun =
                    Operation { number, behalf, asker, handoff, command, loaded: false, decided: None };
                process.operations.insert(operation, begun);
            }
            Told::Decided { operation, before, next, event } => {
                if let Some(running) = process.operations.get_mut(&operation) {
                    if !running.loaded {
                        // What a same-host agent's rename amounts to is decided on what is on the books already.
                        let then = Then::GoesOn;
                        watch.coverage.effect(
                            u64::from(running.number),
                            Came::Loaded,
                            before.as_ref(),
                            event.at,
                            then,
                        );
                    }
                    running.decided = Some(Decided {
                        number: running.number,
                        behalf: running.behalf,
                        command: running.command.clone(),
                        before,
                        next,
                        event,
                    });
                }
            }
            Told::Effect { operation, asked, outcome, record, now } => {
                let then = then(operation, later);
                let Some(running) = process.operations.get_mut(&operation) else { return };
                running.loaded = true;
                self.effect(running, asked, outcome, (record.as_ref(), now, then), watch);
                if asked != told::Asked::Load {
                    // It has come to its end, whatever that was: nothing of it is open.
                    running.decided = None;
                }
            }
            Told::Done { operation, done, now } => {
                let Some(running) = process.operations.get(&operation) else { return };
                match running.asker {
                    Some((_, ticket)) if !going.contains(&ticket) => {
                        process.held.insert(ticket, (operation, done, now));
                        return;
                    }
                    Some(_) => self.answered(process, operation, &done, now, watch),
                    None => {
                        let number = running.number;
                        watch.story.tell(|| {
                            let verdict = text::told(&done.verdict);
                            self.line(Some(now), trace::Event::Answers { operation: number, verdict })
                        });
                        self.broken(running, &done, now, watch);
                    }
                }
                process.operations.remove(&operation);
            }
            Told::Dropped { operation } => {
                if let Some(running) = process.operations.remove(&operation) {
                    watch.reached.note(Case::JanitorLost);
                    watch.coverage.crashes([u64::from(running.number)]);
                }
            }
            // Who died meanwhile, or goes down, shows nothing to anybody any more.
            Told::Polled { .. } if process.down || process.disk.is_dead() => {}
            Told::Polled { target, shown, waits, now, .. } => {
                watch.reached.note(match (shown.is_some(), waits) {
                    (true, _) => Case::PollShown,
                    (false, true) => Case::PollWaits,
                    (false, false) => Case::PollEmpty,
                });
                // One whose file cannot be read holds up nobody else, and is not shown.
                if !self.reads_fail {
                    watch.judge.polled(&target, shown.as_ref(), now);
                }
                watch.story.tell(|| {
                    let (target, shown) = (target.to_string(), shown.map(|shown| shown.to_string()));
                    self.line(Some(now), trace::Event::Polls { target, shown })
                });
            }
            // What it has not made durable may be gone: it tells again, when it begins again, of what is not.
            Told::Arrived { .. } if process.down || process.disk.is_dead() => {}
            Told::Arrived { record } => self.arrived(&record, watch),
            Told::Pruned { handoff } => {
                watch.reached.note(Case::Pruned);
                watch.judge.pruned(&handoff);
                watch.coverage.prunes(&handoff);
                watch.story.tell(|| self.line(None, trace::Event::Prunes { handoff: handoff.to_string() }));
            }
        }
    }

    fn arrived(&mut self, record: &Record<Wire>, watch: &mut Watch<'_>) {
        if watch.judge.books().contains_key(&record.id) {
            // It was there before, and the hub has begun again.
            return;
        }
        watch.reached.note(Case::Dropped);
        self.dropped.insert(record.id);
        watch.judge.arrived(record);
        let lies = format!("handoff/{}.json", record.id);
        if self.moved.contains(&record.id) && self.disk.about(&lies).is_ok_and(|about| about.is_none()) {
            // It was moved on before the hub had seen it come.
            watch.judge.moved(&record.id);
        }
        watch.coverage.knows(&record.id, Some(record));
        watch.story.tell(|| {
            let with = [("handoff", record.id.to_string()), ("digest", self.cast.named(&record.digest))];
            self.line(None, tells("arrives", with))
        });
    }

    fn effect(
        &mut self,
        running: &Operation,
        asked: told::Asked,
        came: told::Came,
        (record, now, then): (Option<&Record<Wire>>, Time, Then),
        watch: &mut Watch<'_>,
    ) {
        let effect = match asked {
            told::Asked::Load => EffectKind::Load,
            told::Asked::Insert => EffectKind::Insert,
            told::Asked::Swap => EffectKind::Swap,
        };
        let (outcome, came) = match came {
            told::Came::Loaded => (OutcomeKind::Loaded, Came::Loaded),
            told::Came::Written => (OutcomeKind::Written, Came::Wrote(Wrote::Written)),
            told::Came::Conflict => (OutcomeKind::Conflict, Came::Wrote(Wrote::Conflict)),
            told::Came::Unknown => (OutcomeKind::Unknown, Came::Wrote(Wrote::Lost)),
            told::Came::Failed => (OutcomeKind::Failed, Came::Failed),
        };
        let took_effect = outcome == OutcomeKind::Written;
        watch.reached.effect(effect, outcome, running.behalf);
        let there = match outcome {
            OutcomeKind::Loaded | OutcomeKind::Written => record,
            OutcomeKind::Conflict | OutcomeKind::Unknown | OutcomeKind::Failed => {
                watch.judge.books().get(&running.handoff)
            }
        };
        watch.coverage.effect(u64::from(running.number), came, there, now, then);
        watch.story.tell(|| {
            let record = match outcome {
                OutcomeKind::Loaded | OutcomeKind::Written => record,
                OutcomeKind::Conflict | OutcomeKind::Unknown | OutcomeKind::Failed => {
                    watch.judge.books().get(&running.handoff)
                }
            };
            let event = trace::Event::Effect {
                operation: running.number,
                effect,
                outcome,
                record: record.map(|record| text::record(&self.cast, record)),
                took_effect,
                may_follow: false,
                held: false,
            };
            self.line(Some(now), event)
        });
        if let (true, Some(decided)) = (took_effect, &running.decided) {
            self.written(decided, self.truth.now(), watch);
        }
    }

    /// A write took effect, at this true time.
    fn written(&mut self, decided: &Decided, time: u64, watch: &mut Watch<'_>) {
        if let (Some(before), false) = (&decided.before, watch.judge.books().contains_key(&decided.next.id)) {
            // A same-host agent had dropped it, and the hub died before it could be said for certain.
            self.arrived(before, watch);
        }
        let Decided { number, behalf, command, before, next, event } = decided;
        watch.reached.event(event.kind, *behalf);
        let by = (u64::from(*number), *behalf);
        watch.judge.written(time, by, command, before.as_ref(), next, event);
    }

    fn answered(
        &self,
        process: &Process<L>,
        operation: u64,
        done: &Done<Wire>,
        now: Time,
        watch: &mut Watch<'_>,
    ) {
        let Some(running) = process.operations.get(&operation) else { return };
        let Some((client, _)) = running.asker else { return };
        let Operation { number, handoff, command, .. } = running;
        watch.story.tell(|| {
            let verdict = text::told(&done.verdict);
            self.line(Some(now), trace::Event::Answers { operation: *number, verdict })
        });
        watch.reached.verdict(command, &done.verdict, done.changed);
        watch.judge.answered(&self.law, u64::from(*number), client, handoff, command, done, now);
    }

    /// A decision of the hub's own that its guard held back.
    fn broken(&self, running: &Operation, done: &Done<Wire>, now: Time, watch: &mut Watch<'_>) {
        use handoff_kernel::operation::NotDone;
        if let Err(NotDone::Broken(rule)) = done.verdict {
            let record = watch.judge.books().get(&running.handoff);
            let breach =
                handoff_spec::hubs::judge::held_back(&self.law, record, &running.command, now.0, rule);
            watch.judge.note(Some(breach));
        }
    }
}

impl<L: Law> Stage for Directory<L> {
    fn act(&mut self, act: &Act, watch: &mut Watch<'_>) -> Vec<Answer> {
        // A disk's own clock is its machine's.
        self.disk.set_now(handoff_hub::clock::Clock::wall(&self.clock));
        match act {
            Act::Ask(asked) => return self.ask(asked, watch),
            Act::Work { .. } => return self.work(watch),
            Act::Doom { after, death, .. } => self.doom(*after, *death, watch),
            Act::Die { death, .. } => {
                watch.story.tell(|| self.line(None, tells("dies", [("how", death_word(*death))])));
                self.die(*death, watch);
            }
            Act::Restart { .. } => self.restart(watch),
            Act::SetClock { ahead, .. } => {
                self.clock.set(*ahead);
                watch.reached.note(Case::ClockSet);
                watch.story.tell(|| self.line(None, trace::Event::ClockSteps { ahead: *ahead }));
            }
            Act::Deed(deed) => self.deed(deed, watch),
            Act::Trouble(trouble) => self.trouble(*trouble, watch),
            Act::Heal => self.heal(watch),
            // These are about a store that is somewhere else.
            Act::Effect { .. } | Act::Hear { .. } | Act::Follow { .. } | Act::Sweep { .. } => {}
        }
        Vec::new()
    }

    fn is_up(&self, _hub: usize) -> bool {
        self.process.is_some()
    }

    fn wakes_in(&mut self, _hub: usize) -> Option<u64> {
        let process = self.process.as_mut()?;
        process.relay.wake_in().map(|wait| wait.0)
    }

    fn look_through(&mut self, watch: &mut Watch<'_>) {
        self.locate(watch);
    }
}

/// What an operation makes of its effect's outcome: what is told of it next says so.
fn then(operation: u64, later: &[Told]) -> Then {
    let next = later.iter().find_map(|told| match told {
        Told::Effect { operation: of, .. } | Told::Decided { operation: of, .. } if *of == operation => {
            Some(Then::GoesOn)
        }
        Told::Done { operation: of, done, .. } if *of == operation => {
            Some(Then::Answers(Verdict::from(&done.verdict)))
        }
        Told::Begun { .. }
        | Told::Effect { .. }
        | Told::Decided { .. }
        | Told::Done { .. }
        | Told::Dropped { .. }
        | Told::Polled { .. }
        | Told::Arrived { .. }
        | Told::Pruned { .. } => None,
    });
    next.unwrap_or(Then::GoesOn)
}

/// How a hub dies, as a trace says it.
pub(crate) fn death_word(death: Death) -> String {
    match death {
        Death::Killed => "killed".to_owned(),
        Death::PowerCut(seed) => format!("power cut {seed}"),
    }
}
