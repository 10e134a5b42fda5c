//! The model of the operation machine as it ships: several hubs over one store, their clients, the network between
//! them, their clocks, and everything that can go wrong with these.
//!
//! What decides is the kernel's [`Operation`](handoff_kernel::operation::Operation), one effect at a time; what judges
//! are the kernel's rules. This module only lets things happen. Read [`Config`] first: what can be set; then
//! [`Action`]: what can happen.

mod act;
pub(crate) mod asks;
mod bounds;
mod config;
mod dropped;
mod duty;
pub mod judge;
mod past;
mod poll;
mod promises;
pub mod replay;
mod state;
mod store;
mod suite;
mod witness;

use std::sync::Arc;

use handoff_kernel::command::{Command, Event};
use handoff_kernel::history::History;
use handoff_kernel::law::Law;
use handoff_kernel::operation::{Effect, Stored, Version};
use handoff_kernel::record::Record;
use handoff_kernel::rules::Rule;
use handoff_kernel::testing::small::Small;
use handoff_kernel::time::{Millis, Time};

pub use bounds::{Bound, bounds};
pub use config::{Ask, Client, Config, Faults, Log, Network, Trust};
pub use dropped::{Dropped, dropped};
pub use state::{Asker, Hub, Late, Message, Progress, Register, Running, State};
pub use suite::{configurations, live, smallest, sound};

use crate::model::{Breach, Edge, LeadsTo, Model, Story, Witness};
use crate::refinement;
use crate::trace::{FORMAT, Header, Kind, Line, RecordText};

/// One configuration under one law.
#[derive(Debug, Clone)]
pub struct Hubs<L> {
    /// The law that the operations decide by.
    pub law: L,
    /// The configuration.
    pub config: Config,
}

/// What becomes of an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is carried out, and the hub is told and goes on at once.
    Answered,
    /// It is carried out, and the hub is told, but goes on later: whatever else happens meanwhile.
    Held,
    /// It is carried out, and the hub is not told.
    AnswerLost,
    /// It is never carried out, and the hub is not told.
    RequestLost,
    /// It may be carried out later, and the hub is not told.
    Delayed,
    /// It is not carried out, and the hub is told that it cannot be.
    Fails,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// True time passes, by a millisecond.
    Tick,
    /// A client sends its request, or sends it again.
    Send(usize),
    /// Without a network: a client asks this hub.
    Ask(usize, usize),
    /// The network delivers this request to this hub; it may keep a copy.
    Deliver(Message, usize, bool),
    /// The network delivers this answer; it may keep a copy.
    Receive(Message, bool),
    /// The network loses this.
    Lose(Message),
    /// What a hub is doing for somebody goes on by one effect.
    Effect(usize, Asker, Fate),
    /// A hub takes the store's answer that was held, and goes on.
    Hear(usize, Asker),
    /// The store carries out a write of long ago.
    Follow(usize),
    /// A hub dies.
    Crash(usize),
    /// It is there again.
    Restart(usize),
    /// A hub is cut off.
    Cut(usize),
    /// It is so no longer.
    Heal(usize),
    /// A hub's clock is set to so far ahead of true time.
    SetClock(usize, i64),
    /// A hub advances the shared clock.
    ShareClock(usize),
    /// A hub's janitor sweeps a handoff.
    Sweep(usize, u8),
    /// A hub's retention removes a handoff.
    Prune(usize, u8),
    /// A hub looks whether it has something for the poll of this client.
    Look(usize),
    /// A hub writes the first event that it has not written yet to the log.
    Log(usize),
    /// The store is restarted and falls back to what it had.
    Forget(u8),
}

impl<L: Law + Ord> Hubs<L> {
    /// Whether this client may send what it asks now, for the first time or again.
    fn may_send(&self, state: &State<L>, client: usize) -> bool {
        let (who, progress) = (&self.config.clients[client], &state.clients[client]);
        let Some(index) = progress.at.filter(|_| progress.waits.is_none()) else { return false };
        who.sends.map_or_else(|| !under_way(state, client, index), |sends| progress.sent < sends)
    }

    fn client_actions(&self, state: &State<L>, actions: &mut Vec<Action>) {
        for client in 0..state.clients.len() {
            if let Some((hub, reason)) = state.clients[client].waits {
                let reason = reason || self.config.trust.relists;
                if reason && self.law.looks_again() && state.hubs[hub].up && !state.hubs[hub].cut {
                    actions.push(Action::Look(client));
                }
            }
            let Some(index) = state.clients[client].at.filter(|_| self.may_send(state, client)) else {
                continue;
            };
            let travels = self.config.network == Network::Messages && self.command(client, index).is_some();
            if travels {
                // Sending what is under way already makes a double, which is the network's to make.
                if !state.network.contains(&Message::Request { client, index }) {
                    actions.push(Action::Send(client));
                }
            } else {
                let asker = Asker::Client(client, index);
                actions.extend(open_hubs(state, asker).map(|hub| Action::Ask(client, hub)));
            }
        }
    }

    /// The command that this request is, and on which handoff; none of a poll, which does not travel.
    fn command(&self, client: usize, index: usize) -> Option<(u8, &Command<Small>)> {
        match &self.config.clients[client].asks[index] {
            Ask::Command { handoff, command } => Some((*handoff, command)),
            Ask::Poll | Ask::Wait => None,
        }
    }

    fn network_actions(&self, state: &State<L>, actions: &mut Vec<Action>) {
        for message in &state.network {
            if state.left.losses > 0 || !self.config.trust.faults_end {
                actions.push(Action::Lose(message.clone()));
            }
            let copies: &[bool] = if state.left.doubles > 0 { &[false, true] } else { &[false] };
            for &keep in copies {
                match message {
                    Message::Request { client, index } => {
                        let hubs = open_hubs(state, Asker::Client(*client, *index));
                        actions.extend(hubs.map(|hub| Action::Deliver(message.clone(), hub, keep)));
                    }
                    Message::Reply { .. } => actions.push(Action::Receive(message.clone(), keep)),
                }
            }
        }
    }

    fn hub_actions(&self, state: &State<L>, number: usize, actions: &mut Vec<Action>) {
        let hub = &state.hubs[number];
        if !hub.up {
            actions.push(Action::Restart(number));
            return;
        }
        if state.left.crashes > 0 {
            actions.push(Action::Crash(number));
        }
        if state.left.clock_steps > 0 {
            let epsilon = i64::try_from(self.config.epsilon).expect("a few milliseconds");
            let others = (-epsilon..=epsilon).filter(|ahead| *ahead != hub.ahead);
            actions.extend(others.map(|ahead| Action::SetClock(number, ahead)));
        }
        if hub.cut {
            actions.push(Action::Heal(number));
            return;
        }
        if state.left.cuts > 0 {
            actions.push(Action::Cut(number));
        }
        if state.unlogged.iter().any(|unlogged| unlogged.hub == number) {
            actions.push(Action::Log(number));
        }
        for running in &hub.running {
            self.effect_actions(state, number, running, actions);
        }
        if self.config.shared_clock.is_some() && state.shared_clock.0 < hub.now(&self.law, state.time) {
            actions.push(Action::ShareClock(number));
        }
        let running = state.hubs.iter().flat_map(|hub| &hub.running);
        let sweeps = running.filter(|running| matches!(running.asker, Asker::Janitor(_))).count();
        let may_sweep = sweeps < self.config.sweeps;
        for (register, handoff) in state.registers.iter().zip(0..) {
            let Some(record) = register.record() else { continue };
            let idle = hub.working_for(Asker::Janitor(handoff)).is_none();
            if may_sweep && self.law.sweeps(record) && idle {
                actions.push(Action::Sweep(number, handoff));
            }
            let now = Time(hub.now(&self.law, state.time));
            let due = |after| self.law.may_remove(record, Millis(after), now);
            if self.config.retention.is_some_and(due) {
                actions.push(Action::Prune(number, handoff));
            }
        }
    }

    fn effect_actions(&self, state: &State<L>, hub: usize, running: &Running<L>, actions: &mut Vec<Action>) {
        if running.heard.is_some() {
            actions.push(Action::Hear(hub, running.asker));
            return;
        }
        let mut push = |fate| actions.push(Action::Effect(hub, running.asker, fate));
        push(Fate::Answered);
        if state.left.pauses > 0 {
            push(Fate::Held);
        }
        if state.left.failures > 0 {
            push(Fate::Fails);
        }
        if state.left.lost_answers > 0 {
            push(Fate::RequestLost);
            if running.operation.effect() != Effect::Load {
                push(Fate::AnswerLost);
                push(Fate::Delayed);
            }
        }
    }

    /// Whether time may pass: δ and the shared clock's period say until when something must have happened.
    fn may_tick(&self, state: &State<L>) -> bool {
        let in_time =
            |since: u64, length: Option<u64>| length.is_none_or(|length| state.time - since < length);
        let running = state.hubs.iter().flat_map(|hub| &hub.running).filter_map(|running| running.decided);
        let late = state.late.iter().filter_map(|late| late.decided);
        state.time < self.config.time.1
            && running.chain(late).all(|decided| in_time(decided, self.config.delta))
            && in_time(state.shared_clock.1, self.config.shared_clock)
    }
}

impl<L: Law + Ord> Model for Hubs<L> {
    type State = State<L>;
    type Action = Action;

    fn header(&self) -> Header {
        Header {
            trace: FORMAT.into(),
            name: self.config.name.to_string(),
            kind: Kind::Witness,
            rule: String::new(),
            demands: None,
            says: self.config.says.into(),
            model: "hubs".into(),
            configuration: self.config.name.to_string(),
            law: self.law.name(),
            records: self.config.records.iter().flatten().map(RecordText::from).collect(),
            bound: self.config.bound,
            log_follows: self.config.trust.log != Log::WithRecord || self.law.logs_first(),
            cycle_from: None,
        }
    }

    fn initial(&self) -> Vec<State<L>> {
        let epsilon = i64::try_from(self.config.epsilon).expect("a few milliseconds");
        let mut clocks: Vec<Vec<i64>> = vec![Vec::new()];
        for _ in 0..self.config.hubs {
            clocks = clocks
                .into_iter()
                .flat_map(|clock| (-epsilon..=epsilon).map(move |ahead| [&clock[..], &[ahead]].concat()))
                .collect();
        }
        clocks.into_iter().map(|aheads| self.begin(&aheads, &mut Story::quiet())).collect()
    }

    fn opening(&self, state: &State<L>) -> Vec<Line> {
        let mut story = Story::open();
        let aheads: Vec<i64> = state.hubs.iter().map(|hub| hub.ahead).collect();
        self.begin(&aheads, &mut story);
        story.lines()
    }

    fn actions(&self, state: &State<L>, actions: &mut Vec<Action>) {
        if state.breach.is_some() {
            return;
        }
        if self.may_tick(state) {
            actions.push(Action::Tick);
        }
        self.client_actions(state, actions);
        self.network_actions(state, actions);
        for hub in 0..state.hubs.len() {
            self.hub_actions(state, hub, actions);
        }
        actions.extend((0..state.late.len()).map(Action::Follow));
        if !self.config.trust.durable {
            let forgetful = |(register, handoff): (&Arc<Register>, u8)| {
                register.before.is_some().then_some(Action::Forget(handoff))
            };
            actions.extend(state.registers.iter().zip(0..).filter_map(forgetful));
        }
    }

    fn next(&self, state: &State<L>, action: &Action, story: &mut Story) -> State<L> {
        let mut next = state.clone();
        self.act(&mut next, action, story);
        next
    }

    fn breach(&self, state: &State<L>) -> Option<Breach> {
        state.breach.filter(|breach| self.config.watch.is_none_or(|watched| breach.property == watched))
    }

    /// Hubs have no names: sorted, with everything that points to one pointing to where it is now.
    fn canonical(&self, state: State<L>) -> State<L> {
        let mut order: Vec<usize> = (0..state.hubs.len()).collect();
        order.sort_by_cached_key(|hub| (Arc::clone(&state.hubs[*hub]), pointing(&state, *hub)));
        if order.is_sorted() {
            return state;
        }
        let place = |hub: usize| order.iter().position(|old| *old == hub).expect("a permutation");
        let mut sorted = state.clone();
        sorted.hubs = order.iter().map(|old| state.hubs[*old].clone()).collect();
        for late in &mut sorted.late {
            late.hub = place(late.hub);
        }
        sorted.late.sort();
        for client in &mut sorted.clients {
            client.waits = client.waits.map(|(hub, reason)| (place(hub), reason));
        }
        for unlogged in &mut sorted.unlogged {
            unlogged.hub = place(unlogged.hub);
        }
        Arc::make_mut(&mut sorted.history).rename(|operation| Asker::moved(operation, place));
        sorted
    }

    fn edge(&self, before: &State<L>, after: &State<L>) -> Edge {
        let meanings =
            |state: &'_ State<L>| state.registers.iter().map(|register| register.pruned).collect::<Vec<_>>();
        let (was_pruned, is_pruned) = (meanings(before), meanings(after));
        let records = before.registers.iter().zip(&after.registers);
        let pruned = was_pruned.into_iter().zip(is_pruned);
        refinement::frame(
            records.zip(pruned).map(|((a, b), (was, is))| ((a.record(), was), (b.record(), is))),
        )
    }

    fn at_rest(&self, state: &State<L>) -> Option<Breach> {
        if self.config.history { state.history.settle().err().map(Breach::from) } else { None }
    }

    fn witnesses(&self) -> Vec<Witness<State<L>>> {
        witness::all().into_iter().filter(|witness| self.config.witnesses.contains(&witness.name)).collect()
    }

    fn fairness(&self, _state: &State<L>, action: &Action) -> Option<u8> {
        let small = |n: usize| u8::try_from(n).expect("a handful of hubs and clients");
        match action {
            Action::Tick => Some(0),
            Action::Send(client) | Action::Ask(client, _) => Some(1 + small(*client)),
            Action::Deliver(Message::Request { client, .. } | Message::Reply { client, .. }, _, false) => {
                Some(6 + small(*client))
            }
            Action::Receive(Message::Request { client, .. } | Message::Reply { client, .. }, false) => {
                Some(11 + small(*client))
            }
            Action::Effect(hub, asker, Fate::Answered) | Action::Hear(hub, asker) => {
                let asker = match asker {
                    Asker::Client(client, _) => *client,
                    Asker::Janitor(handoff) => 5 + usize::from(*handoff),
                };
                Some(16 + small(hub * 8 + asker))
            }
            Action::Restart(hub) => Some(40 + small(*hub)),
            Action::Heal(hub) => Some(43 + small(*hub)),
            Action::Sweep(hub, handoff) if self.config.trust.fair_janitor => {
                Some(46 + small(*hub) * 2 + handoff)
            }
            Action::Look(client) => Some(52 + small(*client)),
            Action::Deliver(_, _, true)
            | Action::Receive(_, true)
            | Action::Effect(
                ..,
                Fate::Held | Fate::AnswerLost | Fate::RequestLost | Fate::Delayed | Fate::Fails,
            )
            | Action::Lose(_)
            | Action::Crash(_)
            | Action::Cut(_)
            | Action::SetClock(..)
            | Action::ShareClock(_)
            | Action::Sweep(..)
            | Action::Prune(..)
            | Action::Follow(_)
            | Action::Log(_)
            | Action::Forget(_) => None,
        }
    }

    fn liveness(&self) -> Vec<LeadsTo<State<L>>> {
        let asked_for = |rule: Rule| self.config.promises.contains(&rule) && self.config.rules.has(rule);
        promises::promises().into_iter().filter(|promise| asked_for(promise.rule)).collect()
    }
}

/// The hubs that can take up a request of this asker.
fn open_hubs<L: Law>(state: &State<L>, asker: Asker) -> impl Iterator<Item = usize> {
    let open = move |hub: &Arc<Hub<L>>| hub.up && !hub.cut && hub.working_for(asker).is_none();
    state.hubs.iter().enumerate().filter(move |(_, hub)| open(hub)).map(|(number, _)| number)
}

/// All that points to a hub: hubs that are equal in themselves are told apart by it.
fn pointing<L: Law>(state: &State<L>, number: usize) -> Pointing {
    let late =
        state.late.iter().filter(|late| late.hub == number).map(|late| Late { hub: 0, ..late.clone() });
    let waits = state
        .clients
        .iter()
        .map(|client| client.waits.filter(|(hub, _)| *hub == number).map(|(_, reason)| reason));
    let unlogged = state.unlogged.iter().map(|unlogged| unlogged.hub == number);
    let asked = state.history.under_way().filter(|(operation, _)| Asker::hub_of(*operation) == number);
    let asked = asked.map(|(operation, known)| (Asker::moved(operation, |_| 0), known));
    (late.collect(), waits.collect(), unlogged.collect(), asked.collect())
}

type Pointing = (Vec<Late>, Vec<Option<bool>>, Vec<bool>, Vec<(u64, (bool, u32, usize))>);

/// Whether a request or its answer is anywhere. Who asks until it is answered asks again when it is not: to ask earlier
/// is to double the request, and the network does that.
fn under_way<L: Law>(state: &State<L>, client: usize, index: usize) -> bool {
    let asker = Asker::Client(client, index);
    let ours = |message: &Message| match message {
        Message::Request { client: whose, index: which }
        | Message::Reply { client: whose, index: which, .. } => (*whose, *which) == (client, index),
    };
    state.network.iter().any(ours) || state.hubs.iter().any(|hub| hub.working_for(asker).is_some())
}

impl<L: Law + Ord> Hubs<L> {
    /// The beginning, with hubs whose clocks are so far ahead.
    fn begin(&self, aheads: &[i64], story: &mut Story) -> State<L> {
        let registers = self.config.records.iter().map(|record| Register {
            stored: record.clone().map(|record| Stored { record, version: Version(0) }),
            next_version: Version(1),
            pruned: false,
            before: None,
            winner: None,
        });
        let hubs =
            aheads.iter().map(|&ahead| Hub { up: true, cut: false, ahead, mark: 0, running: Vec::new() });
        let time = self.config.time.0;
        let mut state = State {
            time,
            registers: registers.map(Arc::new).collect(),
            late: Vec::new(),
            shared_clock: (0, time),
            hubs: hubs.map(Arc::new).collect(),
            clients: self.config.clients.iter().map(Progress::first).collect(),
            network: Vec::new(),
            unlogged: Vec::new(),
            logged: if self.config.trust.log == Log::AfterCompleted {
                let made = |record: &Option<Record<Small>>| record.iter().flat_map(Event::that_made).count();
                self.config.records.iter().map(made).collect()
            } else {
                Vec::new()
            },
            left: self.config.faults,
            attempts: 0,
            history: Arc::new(if self.config.history {
                past::past(self.config.rules, &self.config.records.iter().flatten().collect::<Vec<_>>())
            } else {
                History::default()
            }),
            breach: None,
        };
        if self.config.network == Network::None {
            for (client, who) in self.config.clients.iter().enumerate() {
                if let Some(Ask::Command { .. }) = who.asks.first() {
                    let hub = client % aheads.len();
                    self.count_sending(&mut state, client);
                    self.take_up(&mut state, client, hub, story);
                }
            }
        }
        state
    }
}
