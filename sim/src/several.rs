//! Several hubs on one store: linearizable registers that compare and swap, one a handoff, somewhere behind the network.
//! Its answers can be lost, and what a hub asked of it can come there when the hub has long given up.
//!
//! What decides is the operation machine that ships, one effect at a time, as an asynchronous driver would take it.

mod insight;

use std::collections::BTreeMap;

use handoff_hub::clock::{Clock as _, DecidingClock};
use handoff_kernel::command::{Command, Event};
use handoff_kernel::ident::{AgentId, HandoffId, Wire};
use handoff_kernel::law::Law;
use handoff_kernel::operation::{Effect, Next, NotDone, Operation, Outcome, Stored, Version};
use handoff_kernel::record::Record;
use handoff_kernel::step::seen_by;
use handoff_kernel::time::{Millis, Time};
use handoff_spec::coverage::{Came, Then, Wrote};
use handoff_spec::trace::{self, EffectKind, Line, OutcomeKind};

use crate::act::{Act, Asked, Fate, Setup};
use crate::cast::{Cast, in_a_trace};
use crate::clock::{HostClock, TrueTime};
use crate::demand::{Demand, Heard};
use crate::judge::{Behalf, Judge};
use crate::reached::Case;
use crate::stage::{Answer, Stage, UnderWay, Watch};
use crate::story::tells;
use crate::text;

pub(crate) use insight::OnItsWay;

/// A command on its way.
#[derive(Debug)]
struct Running<L: Law> {
    hub: usize,
    behalf: Behalf,
    /// The client, and its number for the request.
    asker: Option<(usize, u64)>,
    operation: Operation<Wire, L>,
    /// What the store has answered, which its hub has not taken yet.
    heard: Option<Outcome<Wire>>,
    /// What its hub's clock said when it began, under a law that decides by that.
    began: Option<Time>,
}

/// A write that may still come to the store.
#[derive(Debug, Clone)]
struct Write {
    number: u32,
    behalf: Behalf,
    command: Command<Wire>,
    expected: Option<Version>,
    next: Record<Wire>,
    event: Event<Wire>,
}

/// A poll that waits at a hub.
#[derive(Debug, Clone, Copy)]
struct Poll {
    client: usize,
    request: u64,
    target: AgentId,
    until: u64,
}

#[derive(Debug)]
struct Hub<L: Law> {
    up: bool,
    wall: HostClock,
    clock: DecidingClock<HostClock, L>,
    polls: Vec<Poll>,
}

/// See the module.
#[derive(Debug)]
pub struct Several<L: Law> {
    law: L,
    cast: Cast,
    truth: TrueTime,
    hubs: Vec<Hub<L>>,
    store: BTreeMap<HandoffId, Stored<Wire>>,
    versions: u64,
    /// The time of the newest event: where a hub's clock goes on from when it begins again.
    newest: Time,
    running: BTreeMap<u32, Running<L>>,
    late: BTreeMap<u32, Vec<Write>>,
    numbers: u32,
    attempts: u64,
}

impl<L: Law> Several<L> {
    /// Hubs on an empty store, which do not run yet.
    #[must_use]
    pub fn new(law: L, setup: &Setup, cast: &Cast, truth: &TrueTime) -> Self {
        let hub = |hub: usize| {
            let drift = setup.drift.get(hub).copied().unwrap_or_default();
            let wall = HostClock::new(truth, 0, drift, setup.epsilon);
            Hub {
                up: false,
                clock: DecidingClock::under(law.clone(), wall.clone(), Time(0)),
                wall,
                polls: Vec::new(),
            }
        };
        Self {
            hubs: (0..setup.count()).map(hub).collect(),
            law,
            cast: cast.clone(),
            truth: truth.clone(),
            store: BTreeMap::new(),
            versions: 0,
            newest: Time(0),
            running: BTreeMap::new(),
            late: BTreeMap::new(),
            numbers: 0,
            attempts: 0,
        }
    }

    fn line(&self, hub: usize, now: Option<Time>, event: trace::Event) -> Line {
        let clock = now.unwrap_or_else(|| self.hubs[hub].wall.wall().max(self.newest));
        Line::at(self.truth.now(), format!("hub {}", hub + 1), Some(in_a_trace(clock)), event)
    }

    // -------------------------------------------------------------------------------------------------- requests

    fn ask(&mut self, asked: &Asked, watch: &mut Watch<'_>) -> Vec<Answer> {
        let Asked { hub, client, agent, request, ref demand } = *asked;
        if !self.hubs.get(hub).is_some_and(|hub| hub.up) {
            return Vec::new();
        }
        match demand {
            Demand::Command { handoff, command } => {
                let mut command = command.clone();
                match &mut command {
                    Command::Accept { by, attempt, .. } => {
                        self.attempts += 1;
                        (*by, *attempt) = (agent, self.attempts);
                    }
                    Command::Start { sender: by, .. }
                    | Command::Complete { by, .. }
                    | Command::Reject { by, .. } => *by = agent,
                    Command::Sweep => return Vec::new(),
                }
                self.begin(hub, Some((client, request)), Behalf::Client(agent), *handoff, command, watch);
                Vec::new()
            }
            Demand::Poll { wait, .. } => {
                watch.story.tell(|| {
                    let with = [
                        ("hub", (hub + 1).to_string()),
                        ("agent", agent.to_string()),
                        ("target", agent.to_string()),
                        ("wait", wait.0.to_string()),
                    ];
                    let host = format!("client {}", client + 1);
                    Line::at(self.truth.now(), host, None, tells("polls", with))
                });
                let until = self.truth.now().saturating_add(wait.0);
                let poll = Poll { client, request, target: agent, until };
                self.look(hub, poll, *wait > Millis(0), watch).into_iter().collect()
            }
            Demand::Read { handoff, .. } => {
                watch.story.tell(|| {
                    let with = [
                        ("hub", (hub + 1).to_string()),
                        ("agent", agent.to_string()),
                        ("handoff", handoff.to_string()),
                    ];
                    let host = format!("client {}", client + 1);
                    Line::at(self.truth.now(), host, None, tells("reads", with))
                });
                let found = self.store.get(handoff).map(|stored| &stored.record);
                let found = seen_by(&self.law, found, &agent);
                let versions = watch.judge.versions(handoff);
                watch.judge.read(&agent, handoff, found.as_ref().ok().copied(), versions);
                let heard = Heard::Read(found.map(|record| Box::new((record.clone(), record.digest))));
                vec![Answer { client, request, heard }]
            }
        }
    }

    fn begin(
        &mut self,
        hub: usize,
        asker: Option<(usize, u64)>,
        behalf: Behalf,
        handoff: HandoffId,
        command: Command<Wire>,
        watch: &mut Watch<'_>,
    ) {
        self.numbers += 1;
        let number = self.numbers;
        watch.story.tell(|| {
            let asker = match (asker, behalf) {
                (Some((client, _)), Behalf::Client(agent)) => {
                    Some(trace::Client { client: format!("client {}", client + 1), agent: agent.to_string() })
                }
                _ => None,
            };
            let command = text::ask(&self.cast, &command);
            let handoff = handoff.to_string();
            self.line(hub, None, trace::Event::Begins { operation: number, handoff, command, asker })
        });
        if asker.is_some() {
            watch.judge.asked(u64::from(number), &handoff, &command);
        }
        watch.coverage.begins(u64::from(number), &handoff, &command);
        let began = (!self.law.reads_clock_each_time(&command)).then(|| self.hubs[hub].clock.now());
        let operation = Operation::new(self.law.clone(), handoff, command);
        self.running.insert(number, Running { hub, behalf, asker, operation, heard: None, began });
    }

    /// What an index of the pending would show: the earliest that has arrived and is not overdue. A poll that is shown
    /// nothing may wait.
    fn look(&mut self, hub: usize, poll: Poll, waits: bool, watch: &mut Watch<'_>) -> Option<Answer> {
        let now = self.hubs[hub].clock.now();
        let open = self.store.values().map(|stored| &stored.record);
        let open =
            open.filter(|record| record.target == poll.target && self.law.open_to_claims(*record, now));
        let oldest = open.min_by_key(|record| (self.law.arrival(*record), record.id));
        let shown = oldest.map(|record| (record.id, record.digest));
        watch.judge.polled(&poll.target, shown.as_ref().map(|(id, _)| id), now);
        watch.story.tell(|| {
            let shown = shown.map(|(id, _)| id.to_string());
            self.line(hub, Some(now), trace::Event::Polls { target: poll.target.to_string(), shown })
        });
        if let Some((id, digest)) = &shown {
            watch.judge.delivered(id, digest);
        }
        watch.reached.note(match (&shown, waits) {
            (Some(_), _) => Case::PollShown,
            (None, true) => Case::PollWaits,
            (None, false) => Case::PollEmpty,
        });
        if shown.is_none() && waits {
            self.hubs[hub].polls.push(poll);
            return None;
        }
        Some(Answer { client: poll.client, request: poll.request, heard: Heard::Shown(shown) })
    }

    /// The polls that wait are looked at again.
    fn work(&mut self, hub: usize, watch: &mut Watch<'_>) -> Vec<Answer> {
        if !self.hubs.get(hub).is_some_and(|hub| hub.up) || self.hubs[hub].polls.is_empty() {
            return Vec::new();
        }
        watch.story.tell(|| self.line(hub, None, tells("works", [])));
        let now = self.truth.now();
        let (over, waiting): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.hubs[hub].polls).into_iter().partition(|poll| poll.until <= now);
        let mut answers: Vec<Answer> = over
            .into_iter()
            .map(|Poll { client, request, .. }| Answer { client, request, heard: Heard::Shown(None) })
            .collect();
        if !self.law.looks_again() {
            self.hubs[hub].polls = waiting;
            return answers;
        }
        for poll in waiting {
            answers.extend(self.look(hub, poll, true, watch));
        }
        answers
    }

    // --------------------------------------------------------------------------------------------------- effects

    fn effect(&mut self, number: u32, fate: Fate, held: bool, watch: &mut Watch<'_>) -> Vec<Answer> {
        let Some(running) = self.running.get(&number) else { return Vec::new() };
        if running.heard.is_some() {
            return Vec::new();
        }
        let handoff = *running.operation.handoff();
        let (effect, write) = match running.operation.effect() {
            Effect::Load => (EffectKind::Load, None),
            Effect::Insert { record, event } => (EffectKind::Insert, Some((None, record, event))),
            Effect::Swap { version, next, event } => (EffectKind::Swap, Some((Some(version), next, event))),
        };
        let write = write.map(|(expected, next, event)| Write {
            number,
            behalf: running.behalf,
            command: running.operation.command().clone(),
            expected,
            next: next.clone(),
            event: event.clone(),
        });
        let (hub, behalf) = (running.hub, running.behalf);
        let mut took_effect = false;
        let outcome = match (write, fate) {
            (_, Fate::Fails) => Outcome::Failed,
            (None, Fate::Answered) => Outcome::Loaded(self.store.get(&handoff).cloned()),
            (Some(write), Fate::Answered | Fate::AnswerLost) => {
                took_effect = self.write(&write, watch);
                match (fate == Fate::AnswerLost, took_effect) {
                    (true, _) => Outcome::Unknown,
                    (false, true) => Outcome::Written,
                    (false, false) => Outcome::Conflict,
                }
            }
            (Some(write), Fate::Delayed) => {
                self.late.entry(number).or_default().push(write);
                Outcome::Unknown
            }
            (None, Fate::AnswerLost | Fate::RequestLost | Fate::Delayed) | (Some(_), Fate::RequestLost) => {
                Outcome::Unknown
            }
        };
        // Nobody hears later that there is nothing to hear.
        let held = held && fate != Fate::Fails && (effect != EffectKind::Load || outcome != Outcome::Unknown);
        match fate {
            Fate::AnswerLost if took_effect => watch.reached.note(Case::StoreAnswerLost),
            Fate::RequestLost => watch.reached.note(Case::StoreRequestLost),
            Fate::Fails => watch.reached.note(Case::StoreFails),
            Fate::Answered | Fate::AnswerLost | Fate::Delayed => {}
        }
        let told = match outcome {
            Outcome::Loaded(_) => OutcomeKind::Loaded,
            Outcome::Written => OutcomeKind::Written,
            Outcome::Conflict => OutcomeKind::Conflict,
            Outcome::Unknown => OutcomeKind::Unknown,
            Outcome::Failed => OutcomeKind::Failed,
        };
        watch.reached.effect(effect, told, behalf);
        let may_follow = fate == Fate::Delayed && effect != EffectKind::Load;
        let now = self.hubs[hub].clock.now();
        let came = match (told, took_effect, may_follow) {
            (OutcomeKind::Loaded, ..) => Came::Loaded,
            (OutcomeKind::Failed, ..) => Came::Failed,
            (OutcomeKind::Written, ..) => Came::Wrote(Wrote::Written),
            (OutcomeKind::Conflict, ..) => Came::Wrote(Wrote::Conflict),
            (OutcomeKind::Unknown, true, _) => Came::Wrote(Wrote::AnswerLost),
            (OutcomeKind::Unknown, false, true) => Came::Wrote(Wrote::Delayed),
            (OutcomeKind::Unknown, false, false) => Came::Wrote(Wrote::Lost),
        };
        watch.story.tell(|| {
            let record = self.store.get(&handoff).map(|stored| text::record(&self.cast, &stored.record));
            let event = trace::Event::Effect {
                operation: number,
                effect,
                outcome: told,
                record,
                took_effect,
                may_follow,
                held,
            };
            self.line(hub, Some(now), event)
        });
        if held {
            let there = self.store.get(&handoff).map(|stored| &stored.record);
            watch.coverage.effect(u64::from(number), came, there, now, Then::Held);
            if let Some(running) = self.running.get_mut(&number) {
                running.heard = Some(outcome);
            }
            return Vec::new();
        }
        self.go_on(number, outcome, Some(came), watch)
    }

    /// One commit of record and event, if what is there is what is expected.
    fn write(&mut self, write: &Write, watch: &mut Watch<'_>) -> bool {
        let Write { number, behalf, command, expected, next, event } = write;
        if self.store.get(&next.id).map(|stored| stored.version) != *expected {
            return false;
        }
        self.versions += 1;
        let stored = Stored { record: next.clone(), version: Version(self.versions) };
        let before = self.store.insert(next.id, stored).map(|stored| stored.record);
        self.newest = self.newest.max(event.at);
        watch.reached.event(event.kind, *behalf);
        let by = (u64::from(*number), *behalf);
        watch.judge.written(self.truth.now(), by, command, before.as_ref(), next, event);
        watch.judge.logged(event);
        true
    }

    fn hear(&mut self, number: u32, watch: &mut Watch<'_>) -> Vec<Answer> {
        let Some(outcome) = self.running.get_mut(&number).and_then(|running| running.heard.take()) else {
            return Vec::new();
        };
        let hub = self.running[&number].hub;
        let now = self.hubs[hub].clock.now();
        watch.story.tell(|| self.line(hub, Some(now), trace::Event::Hears { operation: number }));
        self.go_on(number, outcome, None, watch)
    }

    fn follow(&mut self, number: u32, watch: &mut Watch<'_>) {
        let Some(waiting) = self.late.get_mut(&number).filter(|waiting| !waiting.is_empty()) else { return };
        let write = waiting.remove(0);
        if waiting.is_empty() {
            self.late.remove(&number);
        }
        let took_effect = self.write(&write, watch);
        watch.reached.note(if took_effect { Case::StoreLate } else { Case::StoreTooLate });
        let record = self.store.get(&write.next.id).map(|stored| &stored.record);
        watch.coverage.follows(u64::from(number), took_effect, record);
        watch.story.tell(|| {
            let event = trace::Event::Follows {
                operation: number,
                took_effect,
                writes: Box::new(text::record(&self.cast, &write.next)),
                record: record.map(|record| text::record(&self.cast, record)),
            };
            Line::at(self.truth.now(), "store", None, event)
        });
    }

    /// The outcome is reported, and what follows is noted: another effect, or an answer. `came` is what has just come of
    /// the effect; none, if that was a while ago.
    fn go_on(
        &mut self,
        number: u32,
        outcome: Outcome<Wire>,
        came: Option<Came>,
        watch: &mut Watch<'_>,
    ) -> Vec<Answer> {
        let Some(running) = self.running.remove(&number) else { return Vec::new() };
        let Running { hub, behalf, asker, operation, began, .. } = running;
        let now = began.unwrap_or_else(|| self.hubs[hub].clock.now());
        let (command, handoff) = (operation.command().clone(), *operation.handoff());
        let loaded = matches!(outcome, Outcome::Loaded(_));
        let next = operation.next(outcome, now);
        let then = Then::of(&next);
        match came {
            Some(came) => {
                let there = self.store.get(&handoff).map(|stored| &stored.record);
                watch.coverage.effect(u64::from(number), came, there, now, then);
            }
            None => watch.coverage.hears(u64::from(number), now, then),
        }
        let done = match next {
            Next::Effect(operation) => {
                self.running.insert(number, Running { hub, behalf, asker, operation, heard: None, began });
                return Vec::new();
            }
            Next::Done(done) => done,
        };
        watch.story.tell(|| {
            let verdict = text::told(&done.verdict);
            self.line(hub, Some(now), trace::Event::Answers { operation: number, verdict })
        });
        if loaded && done.changed {
            watch.reached.note(Case::OwnClaimFound);
        }
        let Some((client, request)) = asker else {
            if let Err(NotDone::Broken(rule)) = done.verdict {
                self.broken(&handoff, &command, now, rule, watch.judge);
            }
            return Vec::new();
        };
        watch.reached.verdict(&command, &done.verdict, done.changed);
        watch.judge.answered(&self.law, u64::from(number), client, &handoff, &command, &done, now);
        vec![Answer { client, request, heard: Heard::Verdict(done.verdict) }]
    }

    fn broken(
        &self,
        handoff: &HandoffId,
        command: &Command<Wire>,
        now: Time,
        rule: handoff_kernel::rules::Rule,
        judge: &mut Judge,
    ) {
        let record = self.store.get(handoff).map(|stored| &stored.record);
        let breach = handoff_spec::hubs::judge::held_back(&self.law, record, command, now.0, rule);
        judge.note(Some(breach));
    }

    // ------------------------------------------------------------------------------------------------------ death

    fn die(&mut self, hub: usize, watch: &mut Watch<'_>) {
        if !self.hubs.get(hub).is_some_and(|hub| hub.up) {
            return;
        }
        let of_it = |(number, running): (&u32, &Running<L>)| (running.hub == hub).then_some(*number);
        let gone: Vec<u32> = self.running.iter().filter_map(of_it).collect();
        for number in &gone {
            let asked = self.running.remove(number).is_some_and(|running| running.asker.is_some());
            if asked {
                watch.judge.gone(u64::from(*number));
            }
        }
        watch.coverage.crashes(gone.iter().map(|number| u64::from(*number)));
        watch.reached.note(Case::Killed);
        watch.story.tell(|| self.line(hub, None, trace::Event::Crashes { operations: gone }));
        let dead = &mut self.hubs[hub];
        dead.up = false;
        dead.polls.clear();
    }

    fn restart(&mut self, hub: usize, watch: &mut Watch<'_>) {
        let newest = self.newest;
        let Some(dead) = self.hubs.get_mut(hub).filter(|hub| !hub.up) else { return };
        dead.up = true;
        dead.clock = DecidingClock::under(self.law.clone(), dead.wall.clone(), newest);
        watch.reached.note(Case::Restarted);
        watch.story.tell(|| self.line(hub, None, trace::Event::Restarts));
    }
}

impl<L: Law> Stage for Several<L> {
    fn act(&mut self, act: &Act, watch: &mut Watch<'_>) -> Vec<Answer> {
        match act {
            Act::Ask(asked) => return self.ask(asked, watch),
            Act::Work { hub } => return self.work(*hub, watch),
            Act::Die { hub, .. } => self.die(*hub, watch),
            Act::Restart { hub } => self.restart(*hub, watch),
            Act::SetClock { hub, ahead } => {
                if let Some(set) = self.hubs.get(*hub) {
                    set.wall.set(*ahead);
                    watch.reached.note(Case::ClockSet);
                    watch.story.tell(|| self.line(*hub, None, trace::Event::ClockSteps { ahead: *ahead }));
                }
            }
            Act::Effect { operation, fate, held } => return self.effect(*operation, *fate, *held, watch),
            Act::Hear { operation } => return self.hear(*operation, watch),
            Act::Follow { operation } => self.follow(*operation, watch),
            Act::Sweep { hub, handoff } => {
                if self.hubs.get(*hub).is_some_and(|hub| hub.up) {
                    self.begin(*hub, None, Behalf::Janitor, *handoff, Command::Sweep, watch);
                }
            }
            // These are about a hub's own disk.
            Act::Doom { .. } | Act::Deed(_) | Act::Trouble(_) | Act::Heal | Act::LookAround { .. } => {}
        }
        Vec::new()
    }

    fn is_up(&self, hub: usize) -> bool {
        self.hubs.get(hub).is_some_and(|hub| hub.up)
    }

    fn wakes_in(&mut self, _hub: usize) -> Option<u64> {
        None
    }

    fn due(&self, hub: usize) -> Vec<HandoffId> {
        let now = self.hubs[hub].wall.wall();
        let due = |stored: &&Stored<Wire>| {
            self.law.sweeps(&stored.record) && stored.record.deadline().is_some_and(|at| at < now)
        };
        let swept = |id: &HandoffId| {
            self.running.values().any(|running| {
                running.hub == hub && running.behalf == Behalf::Janitor && running.operation.handoff() == id
            })
        };
        self.store.values().filter(due).map(|stored| stored.record.id).filter(|id| !swept(id)).collect()
    }

    fn under_way(&self) -> Vec<UnderWay> {
        let one = |(operation, running): (&u32, &Running<L>)| UnderWay {
            operation: *operation,
            hub: running.hub,
            heard: running.heard.is_some(),
            writes: running.operation.effect() != Effect::Load,
        };
        self.running.iter().map(one).collect()
    }

    fn late(&self) -> Vec<u32> {
        self.late.keys().copied().collect()
    }

    fn look_through(&mut self, watch: &mut Watch<'_>) {
        let known: Vec<HandoffId> = watch.judge.books().keys().copied().collect();
        for id in known {
            let status = self.store.get(&id).map(|stored| stored.record.status());
            watch.judge.located(&id, status.as_slice());
        }
    }
}
