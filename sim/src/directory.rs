//! One hub on directories: the relay and the store that ship, on a simulated disk, seen through and through.
//!
//! ```text
//!   act --> Relay (its own code) --> what it tells --> judge, story
//!                |                                \--> answers, when they may go
//!                +--> SimulatedDisk --> the event log, read as it grows
//! ```

mod log;
mod recovery;
pub(crate) mod surroundings;
mod told;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use handoff_hub::disk::simulated::{Background, Settings, SimulatedDisk};
use handoff_hub::relay::{Config, Relay};
use handoff_hub::request::{Reply, Ticket};
use handoff_hub::store::{Options, Slips};
use handoff_kernel::command::{Command, Event};
use handoff_kernel::ident::{AgentId, HandoffId, Wire};
use handoff_kernel::law::Law;
use handoff_kernel::operation::Done;
use handoff_kernel::record::Record;
use handoff_kernel::rules::Rule;
use handoff_kernel::time::{Millis, Time};
use handoff_spec::model::Breach;
use handoff_spec::trace::{self, Line};

use crate::act::{Act, Asked, Death, Setup};
use crate::cast::{Cast, in_a_trace, on_the_wire};
use crate::clock::{HostClock, TrueTime};
use crate::demand::{Demand, Heard};
use crate::judge::Behalf;
use crate::reached::Case;
use crate::stage::{Answer, Stage, Watch};
use crate::story::tells;
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
    /// It polls.
    polls: bool,
    /// It reads this, of which so many versions were known when it asked.
    reads: Option<(HandoffId, usize)>,
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
    /// The same for whoever only looks on: for it nothing fails, and what is to fail is not used up.
    onlooker: SimulatedDisk,
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
    /// What the last hub's time may have been when it ended, at the latest.
    ended: Time,
    /// What same-host agents have dropped: nobody was told that it was started.
    dropped: BTreeSet<HandoffId>,
    /// What same-host agents have moved.
    moved: BTreeSet<HandoffId>,
    /// Reads may fail, so that a poll may not be shown what is there.
    reads_fail: bool,
    /// Flushes may fail, and that is final, for a hub that is about to start as well.
    flushes_fail: bool,
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
        let disk = SimulatedDisk::new(settings);
        let drift = setup.drift.first().copied().unwrap_or_default();
        Self {
            law,
            setup: setup.clone(),
            cast: cast.clone(),
            truth: truth.clone(),
            clock: HostClock::new(truth, 0, drift, setup.epsilon),
            onlooker: onlooker(&disk),
            disk,
            process: None,
            tickets: 0,
            numbers: 0,
            tail: Tail::default(),
            limbo: Vec::new(),
            ill: false,
            cut_off: false,
            ended: Time(0),
            reads_fail: false,
            flushes_fail: false,
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
        Config {
            store,
            retain: self.setup.retain,
            few: self.setup.few,
            listened: true,
            ..Config::on(PathBuf::from("/data"))
        }
    }

    /// What the hub's time may be by now: no further ahead of true time than ε, but perhaps ahead of its wall clock.
    fn latest(&self) -> Time {
        on_the_wire(self.truth.now()).plus(Millis(self.setup.epsilon))
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
        let polls = matches!(asked.demand, Demand::Poll { .. });
        let reads = match &asked.demand {
            Demand::Read { handoff, .. } => Some((*handoff, watch.judge.versions(handoff))),
            Demand::Command { .. } | Demand::Poll { .. } => None,
        };
        process.requests.insert(ticket, Waiting { client, agent, request, polls, reads });
        process.relay.submit(ticket, asked.demand.request(&self.cast, asked.agent));
        let ready = process.relay.drain().0;
        self.after(process, ready, watch)
    }

    /// The hub does what time brings. What it decides by that is not written yet: others act in between.
    fn look_around(&mut self, watch: &mut Watch<'_>) -> Vec<Answer> {
        let Some(mut process) = self.process.take() else { return Vec::new() };
        watch.story.tell(|| self.line(None, tells("looks_around", [])));
        process.relay.tick();
        let ready = process.relay.drain().0;
        self.after(process, ready, watch)
    }

    fn work(&mut self, watch: &mut Watch<'_>) -> Vec<Answer> {
        let Some(mut process) = self.process.take() else { return Vec::new() };
        watch.story.tell(|| self.line(None, tells("works", [])));
        process.relay.tick();
        let ready = process.relay.drain().0;
        // These go, whatever comes of the commit.
        let mut answers = self.after(process, ready, watch);
        let Some(mut process) = self.process.take() else { return answers };
        match process.relay.commit() {
            Ok(committed) => {
                answers.extend(self.after(process, committed.0, watch));
                if self.process.is_some() {
                    self.read_log(watch);
                    self.nobody_waits_for_nothing(watch);
                }
            }
            Err(down) => {
                process.down = true;
                // What the commit was to answer is not answered.
                let dead = process.disk.is_dead();
                answers.extend(self.after(process, Vec::new(), watch));
                if !dead {
                    watch.reached.note(Case::StoreDown);
                    watch.story.tell(|| self.line(None, tells("goes_down", [("why", down.to_string())])));
                    self.downs += 1;
                    // Whose disk has failed is started anew, machine and all.
                    self.die(Death::PowerCut(self.downs), watch);
                }
            }
        }
        answers
    }

    /// A poll that waits shows nothing: nothing that is open may be known to the hub that it waits for (L2, S12).
    fn nobody_waits_for_nothing(&self, watch: &mut Watch<'_>) {
        if self.ill {
            return;
        }
        let Some(process) = &self.process else { return };
        let targets: BTreeSet<AgentId> =
            process.requests.values().filter(|waiting| waiting.polls).map(|waiting| waiting.agent).collect();
        for target in targets {
            watch.judge.polled(&target, None, self.latest());
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
            let Some(waiting) = process.requests.remove(&ticket) else { continue };
            let Waiting { client, request, agent, .. } = waiting;
            let heard = Heard::of(reply);
            match &heard {
                Heard::Shown(Some((handoff, digest))) => watch.judge.delivered(handoff, digest),
                Heard::Read(read) => {
                    if let Ok(story) = read {
                        watch.judge.delivered(&story.0.id, &story.1);
                    }
                    if let Some((handoff, versions)) = waiting.reads {
                        watch.judge.read(
                            &agent,
                            &handoff,
                            read.as_ref().ok().map(|story| &story.0),
                            versions,
                        );
                    }
                }
                Heard::Unavailable => watch.reached.note(Case::Unavailable),
                Heard::Shown(None) | Heard::Verdict(_) => {}
            }
            answers.push(Answer { client, request, heard });
        }
        let doom = process.doom;
        let notes = process.relay.take_notes();
        watch.reached.notes(&notes);
        if watch.reached.has(Case::HeldUp) {
            // In one process others act between two acts only, and between those an operation comes to its end.
            let how = "an operation goes on for ever, although nobody is in its way";
            watch.judge.note(Some(Breach::of(Rule::L3, how)));
        }
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
}

impl<L: Law> Stage for Directory<L> {
    fn act(&mut self, act: &Act, watch: &mut Watch<'_>) -> Vec<Answer> {
        // A disk's own clock is its machine's.
        self.disk.set_now(handoff_hub::clock::Clock::wall(&self.clock));
        match act {
            Act::Ask(asked) => return self.ask(asked, watch),
            Act::LookAround { .. } => return self.look_around(watch),
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

/// A hold of this disk for whoever only looks on.
fn onlooker(disk: &SimulatedDisk) -> SimulatedDisk {
    let onlooker = disk.clone();
    onlooker.spare(true);
    onlooker
}

/// How a hub dies, as a trace says it.
pub(crate) fn death_word(death: Death) -> String {
    match death {
        Death::Killed => "killed".to_owned(),
        Death::PowerCut(seed) => format!("power cut {seed}"),
    }
}
