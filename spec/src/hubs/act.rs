//! What each action does to the state.

use std::mem;
use std::sync::Arc;

use handoff_kernel::command::{Answer, Command, Event};
use handoff_kernel::history::Seen;
use handoff_kernel::law::Law;
use handoff_kernel::operation::{Done, Effect, Next, NotDone, Operation, Outcome};
use handoff_kernel::testing::small::Small;
use handoff_kernel::time::Time;

use super::config::{Log, Network};
use super::state::{Asker, Late, Message, Running, State, Unlogged};
use super::store::Write;
use super::{Action, Fate, Hubs, judge};
use crate::model::{Breach, Property, Story};
use crate::trace::{self, EffectKind, Line, OutcomeKind, RecordText, Told};

fn hub_name(hub: usize) -> String {
    format!("hub {}", hub + 1)
}

fn client_name(client: usize) -> String {
    format!("client {}", client + 1)
}

pub(super) fn known<L: Law>(state: &State<L>, handoff: u8) -> Option<RecordText> {
    state.registers[usize::from(handoff)].record().map(RecordText::from)
}

/// What the log lacks of each record is to be written: the record says what that is.
fn complete_log<L: Law>(state: &mut State<L>, hub: usize) {
    for (register, logged) in state.registers.iter().zip(&state.logged) {
        let made = register.record().into_iter().flat_map(Event::that_made);
        let missing = made.zip(1..).filter(|(_, number)| number > logged);
        let unlogged = |(event, _)| Unlogged { hub, event, found_missing: true };
        state.unlogged.extend(missing.map(unlogged));
    }
}

impl<L: Law + Ord> Hubs<L> {
    pub(super) fn act(&self, state: &mut State<L>, action: &Action, story: &mut Story) {
        match action {
            Action::Tick => {
                state.time += 1;
                story.tell(|| Line::at(state.time, "time", None, trace::Event::Ticks));
            }
            Action::Send(client) => self.send(state, *client, story),
            Action::Ask(client, hub) => {
                self.count_sending(state, *client);
                self.take_up(state, *client, *hub, story);
            }
            Action::Deliver(message, hub, keep) => {
                self.take_message(state, message, *keep);
                if let Message::Request { client, index } = message {
                    self.begin_for_client(state, *client, *index, *hub, story);
                }
            }
            Action::Receive(message, keep) => {
                self.take_message(state, message, *keep);
                if let Message::Reply { client, index, verdict } = message {
                    self.receive(state, *client, *index, verdict, story);
                }
            }
            Action::Lose(message) => self.lose(state, message, story),
            Action::Effect(hub, asker, fate) => self.effect(state, *hub, *asker, *fate, story),
            Action::Hear(hub, asker) => self.hear(state, *hub, *asker, story),
            Action::Follow(late) => self.follow(state, *late, story),
            Action::Crash(_)
            | Action::Restart(_)
            | Action::Cut(_)
            | Action::Heal(_)
            | Action::SetClock(..)
            | Action::ShareClock(_) => self.befall(state, action, story),
            Action::Sweep(hub, handoff) => {
                self.start_operation(state, *hub, Asker::Janitor(*handoff), *handoff, Command::Sweep, story);
            }
            Action::Prune(hub, handoff) => self.prune(state, *hub, *handoff, story),
            Action::Look(client) => {
                let (hub, _) = state.clients[*client].waits.expect("only who waits is looked for");
                self.look(state, *client, hub, story);
            }
            Action::Log(hub) => {
                let first = state.unlogged.iter().position(|unlogged| unlogged.hub == *hub);
                let Unlogged { event, .. } = state.unlogged.remove(first.expect("there is one to log"));
                self.log(state, *hub, &event, story);
            }
            Action::Forget(handoff) => self.forget(state, *handoff, story),
        }
    }

    /// What is broken first is what is said; the state goes nowhere from there.
    pub(super) fn note(&self, state: &mut State<L>, breach: Option<impl Into<Breach>>) {
        let asked_for = |breach: &Breach| match breach.property {
            Property::Rule(rule) => self.config.rules.has(rule),
            Property::Refinement | Property::Frame | Property::Own(_) => true,
        };
        if state.breach.is_none() {
            state.breach = breach.map(Into::into).filter(asked_for);
        }
    }

    /// What befalls a hub or its clock.
    fn befall(&self, state: &mut State<L>, action: &Action, story: &mut Story) {
        let (number, event) = match action {
            Action::Crash(number) => {
                state.left.crashes -= 1;
                let hub = state.hub(*number);
                hub.up = false;
                let gone = mem::take(&mut hub.running);
                if !self.config.trust.keeps_mark {
                    hub.mark = 0;
                }
                state.unlogged.retain(|unlogged| unlogged.hub != *number);
                for client in &mut state.clients {
                    client.waits = client.waits.filter(|(hub, _)| hub != number);
                }
                let operations: Vec<_> = gone.iter().map(|running| running.asker.key(*number)).collect();
                operations.iter().for_each(|operation| self.gone(state, *operation));
                (*number, trace::Event::Crashes { operations })
            }
            Action::Restart(number) => {
                state.hub(*number).up = true;
                self.renew_claims(state, *number, story);
                if self.config.trust.log == Log::AfterCompleted {
                    complete_log(state, *number);
                }
                (*number, trace::Event::Restarts)
            }
            Action::Cut(number) => {
                state.left.cuts -= 1;
                state.hub(*number).cut = true;
                (*number, trace::Event::CutOff { now: true })
            }
            Action::Heal(number) => {
                state.hub(*number).cut = false;
                (*number, trace::Event::CutOff { now: false })
            }
            Action::SetClock(number, ahead) => {
                state.left.clock_steps -= 1;
                state.hub(*number).ahead = *ahead;
                (*number, trace::Event::ClockSteps { ahead: *ahead })
            }
            Action::ShareClock(number) => {
                let now = self.read_clock(state, *number);
                state.shared_clock = (state.shared_clock.0.max(now), state.time);
                (*number, trace::Event::SharedClock { to: state.shared_clock.0 })
            }
            Action::Tick
            | Action::Send(_)
            | Action::Ask(..)
            | Action::Deliver(..)
            | Action::Receive(..)
            | Action::Lose(_)
            | Action::Effect(..)
            | Action::Hear(..)
            | Action::Follow(_)
            | Action::Sweep(..)
            | Action::Prune(..)
            | Action::Look(_)
            | Action::Log(_)
            | Action::Forget(_) => return,
        };
        story.tell(|| {
            Line::at(state.time, hub_name(number), Some(state.hubs[number].now(&self.law, state.time)), event)
        });
    }

    /// An operation ends without a word of what became of it.
    fn gone(&self, state: &mut State<L>, operation: u32) {
        if self.config.history {
            let seen = Seen::Gone { operation: operation.into() };
            let gone = Arc::make_mut(&mut state.history).observe(&seen);
            self.note(state, gone.err());
        }
    }

    /// The deciding clock, which remembers what it has decided with.
    pub(super) fn read_clock(&self, state: &mut State<L>, hub: usize) -> u64 {
        let now = state.hubs[hub].now(&self.law, state.time);
        // A clock that cannot step back needs no mark, and the model not the states that it would make.
        if self.config.faults.clock_steps > 0 {
            state.hub(hub).mark = now;
        }
        now
    }

    pub(super) fn at_hub(&self, state: &State<L>, hub: usize, event: trace::Event) -> Line {
        Line::at(state.time, hub_name(hub), Some(state.hubs[hub].now(&self.law, state.time)), event)
    }

    // ------------------------------------------------------------------------------------------ clients, network

    pub(super) fn count_sending(&self, state: &mut State<L>, client: usize) {
        // Who sends as often as it takes does not count.
        if self.config.clients[client].sends.is_some() {
            state.clients[client].sent += 1;
        }
    }

    fn send(&self, state: &mut State<L>, client: usize, story: &mut Story) {
        self.count_sending(state, client);
        let index = state.clients[client].at.expect("who has nothing to ask does not send");
        self.post(state, Message::Request { client, index });
        let (handoff, command) = self.command(client, index).expect("only commands travel");
        story.tell(|| {
            let event = trace::Event::Sends { handoff: trace::handoff(handoff), command: command.into() };
            Line::at(state.time, client_name(client), None, event)
        });
    }

    /// A message that is under way already is not under way twice: what is sent again would be a double, and the
    /// network makes those itself.
    fn post(&self, state: &mut State<L>, message: Message) {
        if let Err(at) = state.network.binary_search(&message) {
            state.network.insert(at, message);
        }
    }

    fn take_message(&self, state: &mut State<L>, message: &Message, keep: bool) {
        if keep {
            state.left.doubles -= 1;
        } else {
            let at = state.network.iter().position(|other| other == message).expect("it is under way");
            state.network.remove(at);
        }
    }

    fn lose(&self, state: &mut State<L>, message: &Message, story: &mut Story) {
        self.take_message(state, message, false);
        state.left.losses = state.left.losses.saturating_sub(1);
        story.tell(|| {
            let what = match message {
                Message::Request { client, .. } => format!("the request of {}", client_name(*client)),
                Message::Reply { client, .. } => format!("the answer to {}", client_name(*client)),
            };
            Line::at(state.time, "network", None, trace::Event::Loses { message: what })
        });
    }

    /// A client's present request comes to a hub, at once.
    pub(super) fn take_up(&self, state: &mut State<L>, client: usize, hub: usize, story: &mut Story) {
        let index = state.clients[client].at.expect("who has nothing to ask does not ask");
        if self.command(client, index).is_some() {
            self.begin_for_client(state, client, index, hub, story);
        } else {
            state.clients[client].waits = Some((hub, true));
            self.look(state, client, hub, story);
        }
    }

    fn begin_for_client(
        &self,
        state: &mut State<L>,
        client: usize,
        index: usize,
        hub: usize,
        story: &mut Story,
    ) {
        let (handoff, command) = self.command(client, index).expect("polls begin nothing, they look");
        let mut command = command.clone();
        if let Command::Accept { attempt, .. } = &mut command {
            *attempt = self.draw_attempt(state);
        }
        if self.config.trust.authenticates {
            match &mut command {
                Command::Start { sender: by, .. }
                | Command::Accept { by, .. }
                | Command::Complete { by, .. }
                | Command::Reject { by, .. } => *by = self.config.clients[client].agent,
                Command::Sweep => {}
            }
        }
        self.start_operation(state, hub, Asker::Client(client, index), handoff, command, story);
    }

    pub(super) fn draw_attempt(&self, state: &mut State<L>) -> u8 {
        if !self.config.trust.fresh_attempts {
            return 1;
        }
        if self.config.history {
            state.attempts += 1;
            return state.attempts;
        }
        // Without a history, whatever nothing remembers is as good as new, and leaves the model finite.
        let running =
            state.hubs.iter().flat_map(|hub| &hub.running).map(|running| running.operation.command());
        let commands = running.chain(state.late.iter().map(|late| &late.command));
        let drawn = commands.filter_map(|command| match command {
            Command::Accept { attempt, .. } => Some(*attempt),
            Command::Start { .. } | Command::Complete { .. } | Command::Reject { .. } | Command::Sweep => {
                None
            }
        });
        let written = state.registers.iter().filter_map(|register| register.record()?.claim()?.attempt);
        let taken: Vec<u8> = drawn.chain(written).collect();
        (1..=u8::MAX).find(|attempt| !taken.contains(attempt)).expect("a handful of attempts")
    }

    pub(super) fn start_operation(
        &self,
        state: &mut State<L>,
        hub: usize,
        asker: Asker,
        handoff: u8,
        command: Command<Small>,
        story: &mut Story,
    ) {
        story.tell(|| {
            let event = trace::Event::Begins {
                operation: asker.key(hub),
                handoff: trace::handoff(handoff),
                command: (&command).into(),
                asker: match asker {
                    Asker::Client(client, _) => Some(trace::Client {
                        client: client_name(client),
                        agent: trace::agent(self.config.clients[client].agent),
                    }),
                    Asker::Janitor(_) => None,
                },
            };
            self.at_hub(state, hub, event)
        });
        if self.config.history && matches!(asker, Asker::Client(..)) {
            let operation = asker.key(hub).into();
            let seen = Seen::Asked { operation, handoff: &handoff, command: &command };
            let asked = Arc::make_mut(&mut state.history).observe(&seen);
            self.note(state, asked.err());
        }
        let began = (!self.law.reads_clock_each_time(&command)).then(|| Time(self.read_clock(state, hub)));
        let operation = Operation::new(self.law.clone(), handoff, command);
        self.keep(state, hub, Running { asker, operation, heard: None, decided: None, began });
    }

    fn keep(&self, state: &mut State<L>, hub: usize, running: Running<L>) {
        let others = &mut state.hub(hub).running;
        let at = others.partition_point(|other| other.asker < running.asker);
        others.insert(at, Arc::new(running));
    }

    fn receive(
        &self,
        state: &mut State<L>,
        client: usize,
        index: usize,
        verdict: &Result<Answer<Small>, NotDone>,
        story: &mut Story,
    ) {
        story.tell(|| {
            let (_, command) = self.command(client, index).expect("only commands travel");
            let event = trace::Event::Receives { command: command.into(), verdict: verdict.into() };
            Line::at(state.time, client_name(client), None, event)
        });
        // Only what it waits for, and only if it says anything: otherwise it asks again.
        if state.clients[client].at == Some(index) && !matches!(verdict, Err(NotDone::Unavailable)) {
            state.clients[client].answered(&self.config.clients[client]);
        }
    }

    // ------------------------------------------------------------------------------------------------ operations

    fn effect(&self, state: &mut State<L>, hub: usize, asker: Asker, fate: Fate, story: &mut Story) {
        let slot = state.hubs[hub].working_for(asker).expect("only what is under way goes on");
        let running = Arc::unwrap_or_clone(state.hub(hub).running.remove(slot));
        match fate {
            Fate::Answered => {}
            Fate::Held => state.left.pauses -= 1,
            Fate::AnswerLost | Fate::RequestLost | Fate::Delayed => state.left.lost_answers -= 1,
            Fate::Fails => state.left.failures -= 1,
        }
        let operation = running.operation.clone();
        let (kind, write) = match operation.effect() {
            Effect::Load => (EffectKind::Load, None),
            Effect::Insert { record, event } => (EffectKind::Insert, Some((None, record, event))),
            Effect::Swap { version, next, event } => (EffectKind::Swap, Some((Some(version), next, event))),
        };
        let command = operation.command();
        let mut took_effect = false;
        let mut displaced = None;
        let outcome = match (write, fate) {
            (_, Fate::Fails) => Outcome::Failed,
            (None, Fate::Answered | Fate::Held) => Outcome::Loaded(self.loaded(state, *operation.handoff())),
            (Some((expected, next, event)), Fate::Answered | Fate::Held | Fate::AnswerLost) => {
                let write = Write { hub, asker, command, expected, next, event };
                took_effect = self.write(state, &write);
                if took_effect {
                    displaced = self.displaced(state, next, event);
                }
                match (fate == Fate::AnswerLost, took_effect) {
                    (true, _) => Outcome::Unknown,
                    (false, true) => Outcome::Written,
                    (false, false) => Outcome::Conflict,
                }
            }
            (Some((expected, next, event)), Fate::Delayed) => {
                let late = Late {
                    hub,
                    asker,
                    command: command.clone(),
                    expected,
                    next: next.clone(),
                    event: event.clone(),
                    decided: running.decided,
                };
                let at = state.late.partition_point(|other| *other < late);
                state.late.insert(at, late);
                Outcome::Unknown
            }
            (None, Fate::AnswerLost | Fate::RequestLost | Fate::Delayed) | (Some(_), Fate::RequestLost) => {
                Outcome::Unknown
            }
        };
        if let Some(handoff) = displaced {
            self.lose_place(state, handoff, story);
        }
        story.tell(|| {
            let event = trace::Event::Effect {
                operation: asker.key(hub),
                effect: kind,
                outcome: match outcome {
                    Outcome::Loaded(_) => OutcomeKind::Loaded,
                    Outcome::Written => OutcomeKind::Written,
                    Outcome::Conflict => OutcomeKind::Conflict,
                    Outcome::Unknown => OutcomeKind::Unknown,
                    Outcome::Failed => OutcomeKind::Failed,
                },
                record: known(state, *operation.handoff()),
                took_effect,
                may_follow: fate == Fate::Delayed,
                held: fate == Fate::Held,
            };
            self.at_hub(state, hub, event)
        });
        if state.breach.is_some() {
            return;
        }
        if fate == Fate::Held {
            // What is written needs no deadline for its commit any more.
            self.keep(state, hub, Running { heard: Some(outcome), decided: None, ..running });
        } else {
            self.go_on(state, hub, running, outcome, story);
        }
    }

    /// A hub takes what the store has answered a while ago.
    fn hear(&self, state: &mut State<L>, hub: usize, asker: Asker, story: &mut Story) {
        let slot = state.hubs[hub].working_for(asker).expect("only what is under way goes on");
        let mut running = Arc::unwrap_or_clone(state.hub(hub).running.remove(slot));
        let outcome = running.heard.take().expect("only what was answered is taken");
        story.tell(|| self.at_hub(state, hub, trace::Event::Hears { operation: asker.key(hub) }));
        self.go_on(state, hub, running, outcome, story);
    }

    /// The outcome is reported, and what follows is noted: another effect, or an answer.
    fn go_on(
        &self,
        state: &mut State<L>,
        hub: usize,
        running: Running<L>,
        outcome: Outcome<Small>,
        story: &mut Story,
    ) {
        let Running { asker, operation, began, .. } = running;
        let now = began.map_or_else(|| self.read_clock(state, hub), |began| began.0);
        let (command, handoff) = (operation.command().clone(), *operation.handoff());
        match operation.next(outcome, Time(now)) {
            Next::Effect(operation) => {
                let writes = operation.effect() != Effect::Load;
                let decided = (writes && self.config.delta.is_some()).then_some(state.time);
                self.log_first(state, hub, &operation, story);
                self.keep(state, hub, Running { asker, operation, heard: None, decided, began });
            }
            Next::Done(done) => self.answer(state, hub, asker, handoff, &command, &done, now, story),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "an answer is to whom, from where, on what, and when")]
    fn answer(
        &self,
        state: &mut State<L>,
        hub: usize,
        asker: Asker,
        handoff: u8,
        command: &Command<Small>,
        done: &Done<Small>,
        now: u64,
        story: &mut Story,
    ) {
        story.tell(|| {
            let verdict = Told::from(&done.verdict);
            self.at_hub(state, hub, trace::Event::Answers { operation: asker.key(hub), verdict })
        });
        let verdict = match &done.verdict {
            Ok(answer) => Some(Ok(answer.clone())),
            Err(NotDone::Refused(refusal)) => Some(Err(*refusal)),
            Err(NotDone::Unavailable) => None,
            Err(NotDone::Broken(rule)) => {
                let breach = judge::held_back(
                    &self.law,
                    state.registers[usize::from(handoff)].record(),
                    command,
                    now,
                    *rule,
                );
                return self.note(state, Some(breach));
            }
        };
        let Asker::Client(client, index) = asker else { return };
        let record = state.registers[usize::from(handoff)].record();
        let hidden = judge::hidden(record, command, done.status);
        self.note(state, hidden);
        let operation = asker.key(hub).into();
        if let Some(verdict) = &verdict {
            if self.config.history {
                let seen = Seen::Answered {
                    operation: Some(operation),
                    handoff: &handoff,
                    command,
                    verdict,
                    now: Time(now),
                };
                let told = Arc::make_mut(&mut state.history).observe(&seen);
                self.note(state, told.err());
            }
            let winner = &mut state.register(handoff).winner;
            let twice = judge::one_winner(winner, client, verdict);
            self.note(state, twice);
        } else {
            self.gone(state, asker.key(hub));
        }
        match self.config.network {
            Network::None => self.receive(state, client, index, &done.verdict, &mut Story::quiet()),
            Network::Messages => {
                self.post(state, Message::Reply { client, index, verdict: done.verdict.clone() });
            }
        }
    }
}
