//! A live run: one seed, and what comes of it. Clients think, messages travel, things go wrong; what that does to the
//! hubs is a list of acts, done one after the other.
//!
//! ```text
//!   queue, ordered by (time, seq) --pop--> one event: a step
//!        ^                                   |
//!        +--- client, network, nature <------+--> act --> stage --> judge, story
//! ```

mod nature;

use std::collections::{BTreeMap, BTreeSet};

use handoff_kernel::command::Answer as Told;
use handoff_kernel::law::Law;

use crate::act::{Act, Asked, Fate, Hubs};
use crate::cast::{Cast, in_a_trace};
use crate::chance::Chance;
use crate::client::{Client, Lore};
use crate::clock::TrueTime;
use crate::demand::{Demand, Heard};
use crate::directory::Directory;
use crate::finale::{Finale, Open};
use crate::judge::Judge;
use crate::network::{Cut, Host, Network};
use crate::races;
use crate::reached::Case;
use crate::run::{Outcome, Watchers};
use crate::several::Several;
use crate::stage::{Answer, Stage, UnderWay};
use crate::story::{Story, header};
use crate::swarm::Swarm;

/// When a run begins, in milliseconds of its trace: late enough that no clock of it is before the begin of time.
pub const BEGINS: u64 = 60_000;

/// How often a hub is driven when nothing is foreseen, in milliseconds.
const NOW_AND_THEN: u64 = 400;

/// Nobody puts off anything for longer, in milliseconds.
const PUT_OFF: u64 = 10_000;

/// How long a hub waits for the store, in milliseconds.
const STORE_PATIENCE: u64 = 150;

/// No run takes more steps than this: more than any was seen to take, and a bound all the same.
const MOST_STEPS: u64 = 2_000_000;

/// What happens next, somewhere.
#[derive(Debug, Clone)]
enum Event {
    /// A client thinks, or has waited long enough for the answer to this request.
    Wake { client: usize, request: u64 },
    /// A request comes to a hub, whoever still waits for it: what was sent is on its way.
    Arrives(Box<Asked>),
    /// An answer comes to a client.
    Answered { client: usize, request: u64, heard: Heard },
    /// A hub does what is to be done.
    Work { hub: usize },
    /// A hub's janitor looks around, where somebody else begins its sweeps.
    Janitor { hub: usize },
    /// The store takes up what an operation asks.
    Store { operation: u32, fate: Fate, held: bool },
    /// A hub hears what the store has answered.
    Hears { operation: u32 },
    /// A write of long ago comes to the store.
    Follows { operation: u32 },
    /// Something befalls the world.
    Befalls(Kind),
    /// A hub is there again.
    Restart { hub: usize },
    /// The network is whole again, or not yet: so many times more it comes and goes.
    Heals { flaps: u64, cut: Cut },
    /// The disk is well again.
    DiskHeals,
}

/// What can befall a world.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Kill,
    PowerCut,
    ClockStep,
    Cut,
    Trouble,
    Deed,
    Pause,
    ClientDeath,
}

/// What a client waits for.
#[derive(Debug, Clone)]
struct Asking {
    request: u64,
    demand: Demand,
}

/// The whole of a run.
struct World<'s, S> {
    swarm: &'s Swarm,
    chance: Chance,
    truth: TrueTime,
    cast: Cast,
    lore: Lore,
    queue: BTreeMap<(u64, u64), Event>,
    seq: u64,
    steps: u64,
    stage: S,
    watchers: Watchers,
    network: Network,
    clients: Vec<Client>,
    asking: Vec<Option<Asking>>,
    requests: u64,
    /// For each hub, when it works next.
    works_at: Vec<Option<u64>>,
    paused_until: Vec<u64>,
    /// Operations of which what they ask is on its way already.
    on_its_way: BTreeSet<u32>,
}

/// Runs this under this law. With a story, everything is written down.
#[must_use]
pub fn run<L: Law>(law: &L, swarm: &Swarm, tell: bool) -> Outcome {
    if swarm.races {
        return races::run(law, swarm, tell);
    }
    let (truth, cast) = (TrueTime::default(), Cast::default());
    truth.advance(BEGINS);
    match swarm.setup.hubs {
        Hubs::Directory => {
            let stage = Directory::new(law.clone(), &swarm.setup, &cast, &truth);
            World::new(swarm, stage, truth, cast, tell).run(&law.name())
        }
        Hubs::Several(_) => {
            let stage = Several::new(law.clone(), &swarm.setup, &cast, &truth);
            World::new(swarm, stage, truth, cast, tell).run(&law.name())
        }
    }
}

impl<'s, S: Stage> World<'s, S> {
    fn new(swarm: &'s Swarm, stage: S, truth: TrueTime, cast: Cast, tell: bool) -> Self {
        let mut chance = Chance::of(swarm.seed);
        // The configuration was drawn from the same seed: what follows is another stream.
        let chance = chance.fork();
        let count: usize = swarm.clients.iter().sum();
        let clients: Vec<Client> = (0..count).filter_map(|number| Client::new(number, swarm).ok()).collect();
        let hubs = swarm.setup.count();
        Self {
            swarm,
            chance,
            truth,
            cast,
            lore: Lore::default(),
            queue: BTreeMap::new(),
            seq: 0,
            steps: 0,
            stage,
            watchers: Watchers::new(
                Judge::new(swarm.setup.bound),
                if tell { Story::open() } else { Story::quiet() },
            ),
            network: Network::new(swarm.network),
            asking: vec![None; clients.len()],
            clients,
            requests: 0,
            works_at: vec![None; hubs],
            paused_until: vec![0; hubs],
            on_its_way: BTreeSet::new(),
        }
    }

    fn at(&mut self, time: u64, event: Event) {
        self.seq += 1;
        self.queue.insert((time, self.seq), event);
    }

    fn after(&mut self, wait: u64, event: Event) {
        self.at(self.truth.now() + wait, event);
    }

    fn run(mut self, law: &str) -> Outcome {
        self.watchers.setup(&self.swarm.setup, self.truth.now());
        for hub in 0..self.works_at.len() {
            let epsilon = self.swarm.setup.epsilon;
            let ahead = i64::try_from(self.chance.below(2 * epsilon + 1)).unwrap_or(0)
                - i64::try_from(epsilon).unwrap_or(0);
            self.act(&Act::SetClock { hub, ahead });
            self.act(&Act::Restart { hub });
            if self.swarm.setup.hubs != Hubs::Directory {
                self.after(1, Event::Janitor { hub });
            }
        }
        for client in 0..self.clients.len() {
            let wait = self.chance.below(self.swarm.thinks + 1);
            self.after(wait, Event::Wake { client, request: 0 });
        }
        for kind in [
            Kind::Kill,
            Kind::PowerCut,
            Kind::ClockStep,
            Kind::Cut,
            Kind::Trouble,
            Kind::Deed,
            Kind::Pause,
            Kind::ClientDeath,
        ] {
            self.befalls_again(kind);
        }
        let until = BEGINS + self.swarm.lasts;
        while let Some(((time, _), event)) = self.queue.pop_first() {
            if time > until || self.steps >= MOST_STEPS || self.watchers.judge.breach().is_some() {
                break;
            }
            self.truth.advance(time);
            self.steps += 1;
            self.happens(event);
        }
        let open = self.open();
        let (truth, cast) = (self.truth.clone(), self.cast.clone());
        crate::plan::tell_open(&open, &mut self.watchers, &cast, truth.now());
        let mut watch = self.watchers.watch();
        Finale::new(&mut self.stage, &mut watch, &truth, &cast, &self.swarm.setup).run(&open);
        let header = header(self.swarm.setup.configuration(), law);
        self.watchers.outcome(header, self.steps, self.truth.now() - BEGINS).cut_off_at(MOST_STEPS)
    }

    /// What clients still want to know.
    fn open(&self) -> Vec<Open> {
        let open = |(client, asking): (usize, &Option<Asking>)| {
            let demand = asking.as_ref()?.demand.clone();
            Some(Open { client, agent: self.clients[client].agent, demand })
        };
        self.asking.iter().enumerate().filter_map(open).collect()
    }

    // ------------------------------------------------------------------------------------------------------- acts

    fn act(&mut self, act: &Act) {
        self.watchers.story.next_step();
        let answers = {
            let mut watch = self.watchers.watch();
            self.stage.act(act, &mut watch)
        };
        let hub = match act {
            Act::Ask(asked) => Some(asked.hub),
            Act::Work { hub } | Act::LookAround { hub } => Some(*hub),
            Act::Doom { .. }
            | Act::Die { .. }
            | Act::Restart { .. }
            | Act::SetClock { .. }
            | Act::Deed(_)
            | Act::Trouble(_)
            | Act::Heal
            | Act::Effect { .. }
            | Act::Hear { .. }
            | Act::Follow { .. }
            | Act::Sweep { .. } => None,
        };
        self.answers(hub, answers);
        self.ask_the_store();
    }

    fn answers(&mut self, hub: Option<usize>, answers: Vec<Answer>) {
        for Answer { client, request, heard } in answers {
            if client >= self.clients.len() {
                continue;
            }
            let from = Host::Hub(hub.unwrap_or(0));
            let now = self.truth.now();
            let at = self.network.send(
                now,
                from,
                Host::Client(client),
                &mut self.chance,
                &mut self.watchers.reached,
            );
            for at in at.into_iter().flatten() {
                self.at(at, Event::Answered { client, request, heard: heard.clone() });
            }
        }
    }

    /// What operations ask of a store that is somewhere else goes there, and chance decides what becomes of it.
    fn ask_the_store(&mut self) {
        if self.swarm.setup.hubs == Hubs::Directory {
            return;
        }
        let under_way = self.stage.under_way();
        self.on_its_way.retain(|number| under_way.iter().any(|other| other.operation == *number));
        for UnderWay { operation, hub, heard, .. } in under_way {
            if heard || !self.on_its_way.insert(operation) {
                continue;
            }
            let store = self.swarm.store;
            let wait = self.chance.between(1, self.swarm.network.most.max(2));
            let cut = !self.network.lets(Host::Hub(hub), Host::Store);
            let deaf = !self.network.lets(Host::Store, Host::Hub(hub));
            let (fate, wait) = if cut || self.chance.permille(store.loses_requests) {
                (Fate::RequestLost, STORE_PATIENCE)
            } else if deaf || self.chance.permille(store.loses_answers) {
                (Fate::AnswerLost, wait)
            } else if self.chance.permille(store.delays) {
                (Fate::Delayed, STORE_PATIENCE)
            } else if self.chance.permille(store.fails) {
                (Fate::Fails, wait)
            } else {
                (Fate::Answered, wait)
            };
            let held = fate == Fate::AnswerLost || self.chance.permille(store.holds);
            self.after(wait, Event::Store { operation, fate, held });
        }
    }

    // ----------------------------------------------------------------------------------------------------- events

    fn happens(&mut self, event: Event) {
        match event {
            Event::Wake { client, request } => self.wake(client, request),
            Event::Arrives(asked) => self.arrives(asked),
            Event::Answered { client, request, heard } => self.answered(client, request, &heard),
            Event::Work { hub } => self.work(hub),
            Event::Janitor { hub } => {
                if self.paused_until[hub] <= self.truth.now() {
                    for handoff in self.stage.due(hub) {
                        self.act(&Act::Sweep { hub, handoff });
                    }
                    self.act(&Act::Work { hub });
                }
                self.after(NOW_AND_THEN, Event::Janitor { hub });
            }
            Event::Store { operation, fate, held } => {
                self.act(&Act::Effect { operation, fate, held });
                if held {
                    let wait = if fate == Fate::AnswerLost {
                        STORE_PATIENCE
                    } else {
                        self.chance.between(1, self.swarm.network.most.max(2))
                    };
                    self.after(wait, Event::Hears { operation });
                } else {
                    self.on_its_way.remove(&operation);
                    self.ask_the_store();
                }
                if fate == Fate::Delayed {
                    let wait = self.chance.between(1, 10 * STORE_PATIENCE);
                    self.after(wait, Event::Follows { operation });
                }
            }
            Event::Hears { operation } => {
                let it = self.stage.under_way().into_iter().find(|it| it.operation == operation);
                if let Some(UnderWay { hub, .. }) = it
                    && self.paused_until[hub] > self.truth.now()
                {
                    return self.at(self.paused_until[hub], Event::Hears { operation });
                }
                self.on_its_way.remove(&operation);
                self.act(&Act::Hear { operation });
            }
            Event::Follows { operation } => self.act(&Act::Follow { operation }),
            Event::Befalls(kind) => self.befalls(kind),
            Event::Restart { hub } => {
                self.act(&Act::Restart { hub });
                if self.stage.is_up(hub) {
                    self.works_at[hub] = None;
                    self.work_soon(hub);
                } else {
                    self.after(NOW_AND_THEN, Event::Restart { hub });
                }
            }
            Event::Heals { flaps, cut } => {
                self.network.heal(&mut self.watchers.reached);
                if flaps > 0 {
                    self.watchers.reached.note(Case::Flapping);
                    let wait = self.chance.between(1, 100);
                    self.cut(cut, flaps - 1, wait);
                }
            }
            Event::DiskHeals => self.act(&Act::Heal),
        }
    }

    fn wake(&mut self, client: usize, request: u64) {
        if let Some(asking) = &self.asking[client] {
            if asking.request != request {
                return;
            }
            // No answer came.
            if self.chance.permille(60) {
                self.watchers.reached.note(Case::GaveUp);
                self.asking[client] = None;
            } else {
                self.watchers.reached.note(Case::Retried);
                return self.send(client);
            }
        } else if request != 0 && request != self.requests_of(client) {
            return;
        }
        let now = self.truth.now();
        let demand = self.clients[client].next(self.swarm, &mut self.lore, &self.cast, now, &mut self.chance);
        match demand {
            Some(demand) => {
                self.requests += 1;
                self.asking[client] = Some(Asking { request: self.requests, demand });
                self.send(client);
            }
            None => {
                let wait = self.swarm.thinks * 4 + 1;
                self.after(wait, Event::Wake { client, request: 0 });
            }
        }
    }

    fn requests_of(&self, client: usize) -> u64 {
        self.asking[client].as_ref().map_or(0, |asking| asking.request)
    }

    /// A client sends what it asks, to a hub of its choice, and waits.
    fn send(&mut self, client: usize) {
        let Some(Asking { request, demand }) = &self.asking[client] else { return };
        let (request, demand) = (*request, demand.clone());
        let wait = match demand {
            Demand::Poll { wait, .. } => wait.0,
            Demand::Command { .. } | Demand::Read { .. } => 0,
        };
        let hubs = self.works_at.len() as u64;
        let hub = usize::try_from(self.chance.below(hubs)).unwrap_or(0);
        let now = self.truth.now();
        let at = self.network.send(
            now,
            Host::Client(client),
            Host::Hub(hub),
            &mut self.chance,
            &mut self.watchers.reached,
        );
        let agent = self.clients[client].agent;
        for at in at.into_iter().flatten() {
            let asked = Asked { hub, client, agent, request, demand: demand.clone() };
            self.at(at, Event::Arrives(Box::new(asked)));
        }
        let patience = self.swarm.patience + wait + self.chance.below(self.swarm.patience + 1);
        self.after(patience, Event::Wake { client, request });
    }

    fn arrives(&mut self, asked: Box<Asked>) {
        let hub = asked.hub;
        if self.paused_until[hub] > self.truth.now() {
            return self.at(self.paused_until[hub], Event::Arrives(asked));
        }
        if self.stage.is_up(hub) && self.requests_of(asked.client) != asked.request {
            self.watchers.reached.note(Case::Unawaited);
        }
        self.act(&Act::Ask(asked));
        self.work_soon(hub);
    }

    fn work_soon(&mut self, hub: usize) {
        let wait = self.chance.below(self.swarm.service + 1);
        self.work_at(hub, self.truth.now() + wait);
    }

    fn work_at(&mut self, hub: usize, at: u64) {
        if self.works_at[hub].is_none_or(|planned| at < planned) {
            self.works_at[hub] = Some(at);
            self.at(at, Event::Work { hub });
        }
    }

    fn work(&mut self, hub: usize) {
        let now = self.truth.now();
        if self.works_at[hub] != Some(now) {
            return;
        }
        if self.paused_until[hub] > now {
            self.works_at[hub] = Some(self.paused_until[hub]);
            return self.at(self.paused_until[hub], Event::Work { hub });
        }
        self.works_at[hub] = None;
        if !self.stage.is_up(hub) {
            return;
        }
        if self.swarm.befalls.deeds.is_some() && self.chance.permille(self.swarm.interrupted) {
            self.act(&Act::LookAround { hub });
            self.deed_amid();
        }
        self.act(&Act::Work { hub });
        if self.stage.is_up(hub) {
            if self.swarm.setup.hubs == Hubs::Directory {
                let wait = self.stage.wakes_in(hub).unwrap_or(NOW_AND_THEN).clamp(1, NOW_AND_THEN);
                self.work_at(hub, now + wait);
            }
        } else {
            self.comes_back(hub);
        }
    }

    fn comes_back(&mut self, hub: usize) {
        let wait = self.chance.between(1, 800);
        self.after(wait, Event::Restart { hub });
    }

    fn answered(&mut self, client: usize, request: u64, heard: &Heard) {
        if self.requests_of(client) != request {
            self.watchers.reached.note(Case::LateAnswer);
            return;
        }
        if !heard.is_definite() {
            // It asks again when it has waited long enough.
            return;
        }
        if let Some(Asking { demand, .. }) = self.asking[client].take() {
            self.clients[client].hears(&demand, heard);
        }
        let wait = self.puts_off(heard).unwrap_or_else(|| self.chance.below(self.swarm.thinks + 1));
        self.after(wait, Event::Wake { client, request: 0 });
    }

    /// Some put off what they have to do until it is nearly, or just, too late. For how long, if so.
    fn puts_off(&mut self, heard: &Heard) -> Option<u64> {
        let deadline = match heard {
            Heard::Shown(Some((handoff, _))) => self.watchers.judge.books().get(handoff)?.expires_at,
            Heard::Verdict(Ok(Told::Claimed { claim_expires_at, .. })) => (*claim_expires_at)?,
            Heard::Shown(None) | Heard::Verdict(_) | Heard::Read(_) | Heard::Unavailable => return None,
        };
        let now = self.truth.now();
        let left = in_a_trace(deadline).checked_sub(now).filter(|left| *left < PUT_OFF)?;
        let puts_off = self.chance.permille(200);
        // On its way it takes as long as any message does.
        let early = self.chance.below(self.swarm.network.most + self.swarm.service + 1);
        puts_off.then(|| left.saturating_sub(early))
    }
}
