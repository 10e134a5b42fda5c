//! One scenario with an end, to be measured: an author starts handoffs one after the other, two instances of their
//! target poll, accept and complete them, over a network that loses messages, until all of them are completed.
//!
//! [`Party`] is what a client does, and knows nothing of who carries its messages: `benches/turmoil` runs the same
//! parties in another simulator.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;

use handoff_kernel::command::{Answer, Command};
use handoff_kernel::ident::{AgentId, ClaimId, HandoffId};
use handoff_kernel::law::Protocol;
use handoff_kernel::operation::NotDone;
use handoff_kernel::record::Status;
use handoff_kernel::time::Millis;
use handoff_spec::model::Breach;
use handoff_spec::trace::Artifact;

use crate::act::{Act, Asked, Setup};
use crate::cast::{self, Cast, Made};
use crate::chance::Chance;
use crate::clock::TrueTime;
use crate::demand::{Demand, Heard};
use crate::directory::Directory;
use crate::judge::Judge;
use crate::live::BEGINS;
use crate::network::{Host, Manners, Network};
use crate::run::Watchers;
use crate::stage::{self, Stage as _};
use crate::story::Story;

/// How long a handoff can be claimed, in milliseconds: as long as a run goes on at the most.
const LIVES: u64 = 24 * 3_600_000;

/// How often a hub is driven when nothing is foreseen, in milliseconds.
pub const NOW_AND_THEN: u64 = 400;

/// The only hub.
const HUB: usize = 0;

/// How much there is to do, and over which network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scenario {
    /// From which chance is drawn.
    pub seed: u64,
    /// How many handoffs are started and completed.
    pub handoffs: u64,
    /// How the network behaves.
    pub network: Manners,
    /// How long a client waits for an answer before it asks again, in milliseconds.
    pub patience: u64,
    /// How long a poll waits for a handoff, in milliseconds: less than the patience and the way there and back.
    pub waits: u64,
    /// How long a client thinks between an answer and what it asks next at the most, in milliseconds.
    pub thinks: u64,
}

impl Scenario {
    /// The one that is measured: 1,000 handoffs, one message in fifty lost, clients that ask as fast as they can.
    #[must_use]
    pub const fn of(seed: u64) -> Self {
        let network = Manners { least: 1, most: 10, loses: 20, doubles: 0 };
        Self { seed, handoffs: 1_000, network, patience: 100, waits: 50, thinks: 0 }
    }

    /// How the hub is set up.
    #[must_use]
    pub fn setup() -> Setup {
        // Nothing passes between the hub's look at its clock and its commit, and the clock is right.
        Setup { bound: Some(0), ..Setup::default() }
    }

    /// The author, and two instances of the target.
    ///
    /// # Errors
    /// Never: the names are legal.
    pub fn parties(&self, tally: &Tally) -> Result<[Party; 3], String> {
        let (bob, alice) = (cast::agent("bob")?, cast::agent("alice")?);
        let party = |agent, name, doing| Party {
            agent,
            name,
            doing,
            claims: 0,
            of: self.handoffs,
            tally: tally.clone(),
        };
        Ok([
            party(bob, 'a', Doing::Starts(0)),
            party(alice, 'b', Doing::Polls),
            party(alice, 'c', Doing::Polls),
        ])
    }

    /// The artifact of this number, which its author starts.
    ///
    /// # Errors
    /// Never: the names are legal.
    pub fn artifact(cast: &Cast, number: u64) -> Result<Made, String> {
        cast.artifact(&Artifact {
            handoff: format!("h{number}"),
            author: "bob".to_owned(),
            target: "alice".to_owned(),
            digest: "d0".to_owned(),
            expires_at: BEGINS + LIVES,
            claim_ttl: None,
        })
    }
}

/// How many handoffs were completed, as their holders know it. Clones count together.
#[derive(Debug, Clone, Default)]
pub struct Tally(Rc<Cell<u64>>);

impl Tally {
    /// So many.
    #[must_use]
    pub fn completed(&self) -> u64 {
        self.0.get()
    }
}

/// What a party asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// To start the handoff of this number.
    Start(u64),
    /// For the oldest pending handoff.
    Poll,
    /// To claim this handoff under this name.
    Accept(HandoffId, ClaimId),
    /// That this handoff, claimed under this name, is completed.
    Complete(HandoffId, ClaimId),
}

/// What a party is told: as much of an answer as it acts on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// It is started.
    Started,
    /// A handoff, or that there is none now.
    Shown(Option<HandoffId>),
    /// It is the asker's.
    Claimed,
    /// It is completed.
    Completed,
    /// It is refused.
    Refused,
}

impl Said {
    /// What this answer says; none when it leaves its asker in the dark.
    #[must_use]
    pub fn of(heard: &Heard) -> Option<Self> {
        match heard {
            Heard::Verdict(Ok(Answer::Started { .. })) => Some(Self::Started),
            Heard::Verdict(Ok(Answer::Claimed { .. })) => Some(Self::Claimed),
            Heard::Verdict(Ok(Answer::Completed { .. })) => Some(Self::Completed),
            Heard::Verdict(Err(NotDone::Refused(_))) => Some(Self::Refused),
            Heard::Shown(shown) => Some(Self::Shown(shown.as_ref().map(|(handoff, _)| *handoff))),
            // Nobody here asks for a rejection, a sweep or a read.
            Heard::Verdict(
                Ok(Answer::Rejected { .. } | Answer::Swept) | Err(NotDone::Unavailable | NotDone::Broken(_)),
            )
            | Heard::Read(_)
            | Heard::Unavailable => None,
        }
    }
}

/// What a party is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doing {
    Starts(u64),
    Polls,
    Accepts(HandoffId, ClaimId),
    Completes(HandoffId, ClaimId),
}

/// A client. It asks the same until it is answered.
#[derive(Debug, Clone)]
pub struct Party {
    /// Who it is.
    pub agent: AgentId,
    /// What its claims' names begin with.
    name: char,
    doing: Doing,
    claims: u64,
    of: u64,
    tally: Tally,
}

impl Party {
    /// What it asks now; none when there is nothing left for it to do.
    #[must_use]
    pub fn asks(&self) -> Option<Ask> {
        match self.doing {
            Doing::Starts(number) => (number < self.of).then_some(Ask::Start(number)),
            Doing::Polls => (self.tally.completed() < self.of).then_some(Ask::Poll),
            Doing::Accepts(handoff, claim) => Some(Ask::Accept(handoff, claim)),
            Doing::Completes(handoff, claim) => Some(Ask::Complete(handoff, claim)),
        }
    }

    /// It is told this of what it asks now.
    ///
    /// # Errors
    /// When it makes no sense: what was never to be refused is refused, or what was not asked is answered.
    pub fn hears(&mut self, said: Said) -> Result<(), String> {
        self.doing = match (self.doing, said) {
            (Doing::Starts(number), Said::Started) => Doing::Starts(number + 1),
            (Doing::Polls, Said::Shown(None)) => Doing::Polls,
            (Doing::Polls, Said::Shown(Some(handoff))) => {
                self.claims += 1;
                Doing::Accepts(handoff, cast::claim(&format!("{}{}", self.name, self.claims))?)
            }
            (Doing::Accepts(handoff, claim), Said::Claimed) => Doing::Completes(handoff, claim),
            // The other instance was faster.
            (Doing::Accepts(..), Said::Refused) => Doing::Polls,
            (Doing::Completes(..), Said::Completed) => {
                self.tally.0.set(self.tally.completed() + 1);
                Doing::Polls
            }
            (doing, said) => return Err(format!("a client that {doing:?} is told {said:?}")),
        };
        Ok(())
    }
}

/// What came of it.
#[derive(Debug)]
pub struct Ran {
    /// How many handoffs their holders know to be completed.
    pub completed: u64,
    /// How many handoffs are completed on the hub's books.
    pub on_the_books: usize,
    /// How many events were taken from the queue and handled.
    pub steps: u64,
    /// How much time has passed in it, in milliseconds.
    pub simulated: u64,
    /// The rule that was broken, if one was.
    pub breach: Option<Breach>,
}

/// What happens next, somewhere.
#[derive(Debug, Clone)]
enum Event {
    /// A client has thought of what it asks next.
    Asks { client: usize },
    /// A client has waited long enough for the answer to this request.
    Wake { client: usize, request: u64 },
    /// A request comes to the hub.
    Arrives { client: usize, request: u64, demand: Rc<Demand> },
    /// An answer comes to a client.
    Answered { client: usize, request: u64, heard: Heard },
    /// The hub does what is to be done.
    Work,
}

struct World<'s> {
    scenario: &'s Scenario,
    chance: Chance,
    truth: TrueTime,
    cast: Cast,
    queue: BTreeMap<(u64, u64), Event>,
    seq: u64,
    stage: Directory<Protocol>,
    watchers: Watchers,
    network: Network,
    parties: [Party; 3],
    /// For each party, the number of what it asks now, and what that is.
    asking: [Option<(u64, Rc<Demand>)>; 3],
    requests: u64,
    works_at: Option<u64>,
}

/// Runs it, with everybody watching, until every handoff is completed.
///
/// # Errors
/// When a client is told what makes no sense.
pub fn run(scenario: &Scenario) -> Result<Ran, String> {
    let (truth, cast, tally) = (TrueTime::default(), Cast::default(), Tally::default());
    truth.advance(BEGINS);
    let setup = Scenario::setup();
    let mut world = World {
        scenario,
        chance: Chance::of(scenario.seed),
        stage: Directory::new(Protocol, &setup, &cast, &truth),
        truth,
        cast,
        queue: BTreeMap::new(),
        seq: 0,
        watchers: Watchers::new(Judge::new(setup.bound), Story::quiet()),
        network: Network::new(scenario.network),
        parties: scenario.parties(&tally)?,
        asking: [None, None, None],
        requests: 0,
        works_at: None,
    };
    world.act(&Act::Restart { hub: HUB });
    for client in 0..world.parties.len() {
        world.asks(client)?;
    }
    let mut steps = 0;
    while tally.completed() < scenario.handoffs
        && world.watchers.judge.breach().is_none()
        && let Some(((time, _), event)) = world.queue.pop_first()
    {
        if time > BEGINS + LIVES {
            break;
        }
        world.truth.advance(time);
        steps += 1;
        world.happens(event)?;
    }
    let judge = &world.watchers.judge;
    let on_the_books = judge.books().values().filter(|record| record.status() == Status::Completed).count();
    let simulated = world.truth.now() - BEGINS;
    Ok(Ran { completed: tally.completed(), on_the_books, steps, simulated, breach: judge.breach() })
}

impl World<'_> {
    fn after(&mut self, wait: u64, event: Event) {
        self.at(self.truth.now() + wait, event);
    }

    fn at(&mut self, time: u64, event: Event) {
        self.seq += 1;
        self.queue.insert((time, self.seq), event);
    }

    fn happens(&mut self, event: Event) -> Result<(), String> {
        match event {
            Event::Asks { client } => self.asks(client)?,
            Event::Wake { client, request } => {
                if self.is_asking(client, request) {
                    self.sends(client);
                }
            }
            Event::Arrives { client, request, demand } => {
                let (agent, demand) = (self.parties[client].agent, Rc::unwrap_or_clone(demand));
                self.act(&Act::Ask(Box::new(Asked { hub: HUB, client, agent, request, demand })));
                self.work_at(self.truth.now());
            }
            Event::Answered { client, request, heard } => {
                if let (true, Some(said)) = (self.is_asking(client, request), Said::of(&heard)) {
                    self.parties[client].hears(said)?;
                    self.asking[client] = None;
                    if self.scenario.thinks == 0 {
                        self.asks(client)?;
                    } else {
                        let wait = self.chance.below(self.scenario.thinks + 1);
                        self.after(wait, Event::Asks { client });
                    }
                }
            }
            Event::Work => self.work(),
        }
        Ok(())
    }

    fn is_asking(&self, client: usize, request: u64) -> bool {
        self.asking[client].as_ref().is_some_and(|(number, _)| *number == request)
    }

    /// A party asks what it asks next.
    fn asks(&mut self, client: usize) -> Result<(), String> {
        let Some(ask) = self.parties[client].asks() else { return Ok(()) };
        let by = self.parties[client].agent;
        let demand = match ask {
            Ask::Start(number) => {
                let artifact = Scenario::artifact(&self.cast, number)?.start;
                Demand::Command { handoff: artifact.id, command: Command::Start { sender: by, artifact } }
            }
            Ask::Poll => Demand::Poll { target: by, wait: Millis(self.scenario.waits) },
            Ask::Accept(handoff, claim) => {
                let command = Command::Accept { by, claim_id: Some(claim), attempt: 0, receipt: None };
                Demand::Command { handoff, command }
            }
            Ask::Complete(handoff, claim) => {
                let command = Command::Complete { by, claim_id: Some(claim), result: None, receipt: None };
                Demand::Command { handoff, command }
            }
        };
        self.requests += 1;
        self.asking[client] = Some((self.requests, Rc::new(demand)));
        self.sends(client);
        Ok(())
    }

    /// A party sends what it asks now, perhaps again, and waits.
    fn sends(&mut self, client: usize) {
        let Some((request, demand)) = self.asking[client].clone() else { return };
        for at in self.carries(Host::Client(client), Host::Hub(HUB)) {
            self.at(at, Event::Arrives { client, request, demand: Rc::clone(&demand) });
        }
        self.after(self.scenario.patience, Event::Wake { client, request });
    }

    /// When a message that is sent now arrives.
    fn carries(&mut self, from: Host, to: Host) -> impl Iterator<Item = u64> + use<> {
        let (now, reached) = (self.truth.now(), &mut self.watchers.reached);
        self.network.send(now, from, to, &mut self.chance, reached).into_iter().flatten()
    }

    fn act(&mut self, act: &Act) {
        let answers = self.stage.act(act, &mut self.watchers.watch());
        for stage::Answer { client, request, heard } in answers {
            for at in self.carries(Host::Hub(HUB), Host::Client(client)) {
                self.at(at, Event::Answered { client, request, heard: heard.clone() });
            }
        }
    }

    fn work_at(&mut self, at: u64) {
        if self.works_at.is_none_or(|planned| at < planned) {
            self.works_at = Some(at);
            self.at(at, Event::Work);
        }
    }

    fn work(&mut self) {
        let now = self.truth.now();
        if self.works_at != Some(now) {
            return;
        }
        self.works_at = None;
        self.act(&Act::Work { hub: HUB });
        let wait = self.stage.wakes_in(HUB).unwrap_or(NOW_AND_THEN).clamp(1, NOW_AND_THEN);
        self.work_at(now + wait);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_completed_once_though_messages_are_lost_and_one_seed_is_one_run() {
        let scenario = Scenario { handoffs: 60, ..Scenario::of(3) };
        let ran = run(&scenario).unwrap();
        assert_eq!((ran.completed, ran.on_the_books, ran.breach), (60, 60, None));
        let again = run(&scenario).unwrap();
        assert_eq!((ran.steps, ran.simulated), (again.steps, again.simulated));
        let lossless = Scenario { network: Manners { loses: 0, ..scenario.network }, ..scenario };
        assert!(
            run(&lossless).unwrap().simulated < ran.simulated,
            "who loses a message waits for its patience"
        );
    }

    #[test]
    fn a_party_that_is_told_what_it_did_not_ask_says_so() {
        let [mut author, mut target, _] = Scenario::of(1).parties(&Tally::default()).unwrap();
        assert!(author.hears(Said::Claimed).unwrap_err().contains("Starts"));
        target.hears(Said::Shown(None)).unwrap();
        assert_eq!(target.asks(), Some(Ask::Poll));
        target.hears(Said::Shown(Some(cast::handoff("h0").unwrap()))).unwrap();
        target.hears(Said::Claimed).unwrap();
        assert!(target.hears(Said::Refused).is_err(), "nobody may refuse a claim's holder");
    }
}
