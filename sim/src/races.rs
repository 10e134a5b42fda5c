//! Races: one handoff after the other, and everybody at it at once.
//!
//! A live run has few requests under way on one handoff, as in life. Here chance takes the acts themselves, so that as
//! many commands as in the models are under way together, around each deadline to the millisecond, and the store loses,
//! holds and delays what it likes. Some handoffs chance leads all the way; with the others it draws goals, and a walk
//! leads there.

mod atlas;
mod steps;
mod walk;

use handoff_kernel::command::Command;
use handoff_kernel::ident::{AgentId, ClaimId, HandoffId, Wire};
use handoff_kernel::law::Law;
use handoff_kernel::time::Millis;
use handoff_spec::trace::Artifact;

use crate::act::{Act, Asked, Death, Fate};
use crate::cast::{self, Cast, in_a_trace};
use crate::chance::Chance;
use crate::clock::TrueTime;
use crate::demand::Demand;
use crate::finale::Finale;
use crate::judge::Judge;
use crate::live::BEGINS;
use crate::run::{Outcome, Watchers};
use crate::several::Several;
use crate::stage::{Stage, UnderWay};
use crate::story::{Story, header};
use crate::swarm::Swarm;

/// How many acts are about one handoff, at the most.
const ACTS: u64 = 100;

/// With so many in a thousand handoffs, chance draws only where to.
const WALKS: u64 = 700;

/// Of the clients of one handoff, those that accept have their numbers from here on: each has claims of its own.
const CLAIMANTS: usize = 3;

/// What everybody is at.
struct Focus {
    said: Artifact,
    handoff: HandoffId,
    /// Who accepted, and under which name.
    accepts: Vec<(usize, Option<ClaimId>)>,
}

struct Race<'s, L: Law> {
    law: L,
    swarm: &'s Swarm,
    chance: Chance,
    truth: TrueTime,
    cast: Cast,
    stage: Several<L>,
    watchers: Watchers,
    requests: u64,
    claims: u64,
    claimants: usize,
    steps: u64,
    agents: [AgentId; 3],
}

/// What is made here is made of legal names, and of time limits of whole seconds.
fn legal<T>(made: Result<T, String>) -> T {
    made.expect("a legal name, and a whole number of seconds")
}

/// Runs this under this law.
#[must_use]
pub fn run<L: Law>(law: &L, swarm: &Swarm, tell: bool) -> Outcome {
    let (truth, cast) = (TrueTime::default(), Cast::default());
    truth.advance(BEGINS);
    let mut chance = Chance::of(swarm.seed);
    let story = if tell { Story::open() } else { Story::quiet() };
    let mut race = Race {
        law: law.clone(),
        stage: Several::new(law.clone(), &swarm.setup, &cast, &truth),
        chance: chance.fork(),
        swarm,
        truth,
        cast,
        watchers: Watchers::new(Judge::new(swarm.setup.bound), story),
        requests: 0,
        claims: 0,
        claimants: CLAIMANTS,
        steps: 0,
        agents: ["bob", "alice", "eve"].map(|name| legal(cast::agent(name))),
    };
    race.watchers.setup(&swarm.setup, BEGINS);
    for hub in 0..swarm.setup.count() {
        race.set_clock(hub);
        race.act(&Act::Restart { hub });
    }
    for number in 0..swarm.handoffs {
        if race.chance.permille(WALKS) {
            race.walk(number);
        } else {
            race.at_it(number);
        }
    }
    let (truth, cast) = (race.truth.clone(), race.cast.clone());
    let mut watch = race.watchers.watch();
    Finale::new(&mut race.stage, &mut watch, &truth, &cast, &swarm.setup).run(&[]);
    let header = header(swarm.setup.configuration(), &law.name());
    race.watchers.outcome(header, race.steps, race.truth.now() - BEGINS)
}

impl<L: Law> Race<'_, L> {
    fn act(&mut self, act: &Act) {
        if self.watchers.judge.breach().is_some() {
            return;
        }
        self.steps += 1;
        self.watchers.story.next_step();
        let mut watch = self.watchers.watch();
        self.stage.act(act, &mut watch);
    }

    fn hub(&mut self) -> usize {
        usize::try_from(self.chance.below(self.swarm.setup.count() as u64)).unwrap_or(0)
    }

    fn set_clock(&mut self, hub: usize) {
        let epsilon = i64::try_from(self.swarm.setup.epsilon).unwrap_or(0);
        let ahead = i64::try_from(self.chance.below(2 * self.swarm.setup.epsilon + 1)).unwrap_or(0) - epsilon;
        self.act(&Act::SetClock { hub, ahead });
    }

    /// A handoff that nobody has asked for yet.
    fn focus(&mut self, number: u64, limited: bool) -> Focus {
        let name = format!("h{number}");
        let said = Artifact {
            handoff: name.clone(),
            author: "bob".to_owned(),
            target: "alice".to_owned(),
            digest: "d0".to_owned(),
            expires_at: self.truth.now() + self.chance.below(4),
            claim_ttl: limited.then_some(1000),
        };
        Focus { said, handoff: legal(cast::handoff(&name)), accepts: Vec::new() }
    }

    /// Everybody is at this handoff for a while.
    fn at_it(&mut self, number: u64) {
        let limited = self.chance.permille(self.swarm.limited);
        let mut focus = self.focus(number, limited);
        // So many at once, how eagerly new ones come, and how reluctantly anything is written: the more of them have
        // decided before the first is, the more of them race.
        let (most, eager) = (self.chance.between(1, 7), self.chance.between(150, 800));
        let reluctant = *self.chance.pick(&[0, 300, 800, 950]);
        for _ in 0..*self.chance.pick(&[0, 0, 1, 2, 3]) {
            let start = self.start(&focus, "d0", 0);
            self.ask(start, focus.handoff);
            self.look(&[]);
        }
        // Often it is there already, and claimed.
        for _ in 0..self.chance.below(3) {
            self.one_by_one(&mut focus);
        }
        for _ in 0..self.chance.between(6, ACTS) {
            let under_way = self.stage.under_way();
            let more = (under_way.len() as u64) < most && self.chance.permille(eager);
            let late = self.stage.late();
            match self.chance.below(100) {
                0..8 => self.time_passes(&focus),
                8..10 => self.trouble(),
                10..18 if !late.is_empty() => {
                    let operation = *self.chance.pick(&late);
                    self.act(&Act::Follow { operation });
                }
                _ if more || under_way.is_empty() => self.begin(&mut focus),
                _ => {
                    let it = *self.chance.pick(&under_way);
                    let waits = it.writes && !it.heard && self.chance.permille(reluctant);
                    if waits {
                        self.look(&under_way);
                    } else {
                        self.go_on(it.operation, it.heard);
                    }
                }
            }
        }
        // What is left under way goes on while everybody is at the next one already.
    }

    /// Those that have not looked yet do: all that were begun, or of these.
    fn look(&mut self, of: &[UnderWay]) {
        let all = if of.is_empty() { self.stage.under_way() } else { of.to_vec() };
        if let Some(it) = all.iter().rev().find(|it| !it.writes && !it.heard) {
            self.go_on(it.operation, false);
        }
    }

    /// What a sensible author or claimant would ask, from the begin to the end.
    fn one_by_one(&mut self, focus: &mut Focus) {
        let known = self.watchers.judge.books().get(&focus.handoff);
        let command = match known {
            None => self.start(focus, "d0", 0),
            Some(_) => self.accept(focus),
        };
        self.ask(command, focus.handoff);
        for _ in 0..6 {
            let Some(UnderWay { operation, heard, .. }) = self.stage.under_way().last().copied() else {
                break;
            };
            self.act(&if heard {
                Act::Hear { operation }
            } else {
                Act::Effect { operation, fate: Fate::Answered, held: false }
            });
        }
    }

    fn begin(&mut self, focus: &mut Focus) {
        let command = match self.chance.below(100) {
            0..18 => {
                let digest = if self.chance.permille(800) { "d0" } else { "d1" };
                let sender = if self.chance.permille(900) { 0 } else { 2 };
                self.start(focus, digest, sender)
            }
            18..45 => self.accept(focus),
            45..80 => self.finish(focus),
            80..84 => {
                let hub = self.hub();
                let agent = self.agents[1];
                self.requests += 1;
                let demand = Demand::Poll { target: agent, wait: Millis(self.chance.below(2)) };
                let asked = Asked { hub, client: 1, agent, request: self.requests, demand };
                self.act(&Act::Ask(Box::new(asked)));
                return;
            }
            _ => {
                let (hub, handoff) = (self.hub(), focus.handoff);
                self.act(&Act::Sweep { hub, handoff });
                return;
            }
        };
        self.ask(command, focus.handoff);
    }

    fn ask(&mut self, asked: (usize, AgentId, Command<Wire>), handoff: HandoffId) {
        let hub = self.hub();
        self.ask_at(hub, asked, handoff);
    }

    fn ask_at(
        &mut self,
        hub: usize,
        (client, agent, command): (usize, AgentId, Command<Wire>),
        handoff: HandoffId,
    ) {
        self.requests += 1;
        let demand = Demand::Command { handoff, command };
        let asked = Asked { hub, client, agent, request: self.requests, demand };
        self.act(&Act::Ask(Box::new(asked)));
    }

    fn start(&self, focus: &Focus, digest: &str, sender: usize) -> (usize, AgentId, Command<Wire>) {
        let said = Artifact { digest: digest.to_owned(), ..focus.said.clone() };
        let (made, agent) = (legal(self.cast.artifact(&said)), self.agents[sender]);
        (sender, agent, Command::Start { sender: agent, artifact: made.start })
    }

    /// Mostly by the target, sometimes by its author or a stranger.
    fn somebody(&mut self) -> usize {
        *self.chance.pick(&[1, 1, 1, 1, 1, 1, 1, 1, 0, 2])
    }

    /// The name of a new claimant's claim; so many in a thousand have one.
    fn next_claim(&mut self, named: u64) -> Option<ClaimId> {
        self.claims += 1;
        self.claimants += 1;
        let named = self.chance.permille(named);
        cast::claim(&format!("c{}", self.claims)).ok().filter(|_| named)
    }

    fn accept(&mut self, focus: &mut Focus) -> (usize, AgentId, Command<Wire>) {
        let by = self.somebody();
        let again = !focus.accepts.is_empty() && self.chance.permille(350);
        let (client, claim_id) = if again {
            *self.chance.pick(&focus.accepts)
        } else {
            let claim_id = self.next_claim(700);
            focus.accepts.push((self.claimants, claim_id));
            (self.claimants, claim_id)
        };
        let agent = self.agents[by];
        (client, agent, Command::Accept { by: agent, claim_id, attempt: 0, receipt: None })
    }

    fn finish(&mut self, focus: &Focus) -> (usize, AgentId, Command<Wire>) {
        let by = self.somebody();
        let held = self.watchers.judge.books().get(&focus.handoff);
        let held = held.and_then(|record| record.claim()).map(|claim| claim.id);
        let other = focus.accepts.last().and_then(|(_, claim)| *claim);
        let claim_id = if self.chance.permille(650) { held.unwrap_or(None) } else { other };
        let agent = self.agents[by];
        let text = cast::text(&format!("t{}", self.chance.below(2)));
        let command = if self.chance.permille(500) {
            Command::Complete { by: agent, claim_id, result: Some(text), receipt: None }
        } else {
            Command::Reject { by: agent, claim_id, reason: text, receipt: None }
        };
        (by, agent, command)
    }

    fn go_on(&mut self, operation: u32, heard: bool) {
        if heard {
            return self.act(&Act::Hear { operation });
        }
        let store = self.swarm.store;
        let fates = [
            (store.loses_requests, Fate::RequestLost),
            (store.loses_answers, Fate::AnswerLost),
            (store.delays, Fate::Delayed),
            (store.fails, Fate::Fails),
        ];
        let mut drawn = Fate::Answered;
        for (often, fate) in fates {
            if self.chance.permille(often) {
                drawn = fate;
                break;
            }
        }
        // A lost answer is not waited for here: that the hub takes its time is another thing.
        let held = drawn == Fate::Answered && self.chance.permille(store.holds);
        self.act(&Act::Effect { operation, fate: drawn, held });
    }

    /// By a millisecond, or to a deadline, to the millisecond.
    fn time_passes(&mut self, focus: &Focus) {
        let now = self.truth.now();
        let deadline = self.watchers.judge.books().get(&focus.handoff).and_then(|record| record.deadline());
        let to = match deadline.map(in_a_trace) {
            Some(at) if at > now && self.chance.permille(600) => at + self.chance.below(2),
            _ => now + 1,
        };
        self.truth.advance(to);
    }

    fn trouble(&mut self) {
        let hub = self.hub();
        if self.chance.permille(500) {
            return self.set_clock(hub);
        }
        self.act(&Act::Die { hub, death: Death::Killed });
        self.act(&Act::Restart { hub });
    }
}
