//! The finale: faults stop, and convergence is demanded within a bound (L1 to L3).
//!
//! Whatever is left of a world, a core of it is well from here on: every hub runs, on a disk that works, by a clock that
//! is right, and whoever asks is heard and answered. Then what is under way must end, and every client must get a
//! definite answer to what it keeps asking (L3), a poll that waits must be answered when something is pending for it (L2), and whatever has a deadline
//! must come to its end once that has passed (L1). At the very end every hub is killed, and then the power is cut.

use handoff_kernel::command::Command;
use handoff_kernel::ident::AgentId;
use handoff_kernel::record::Record;
use handoff_kernel::rules::{Rule, live};
use handoff_kernel::time::Millis;
use handoff_spec::model::Breach;
use handoff_spec::trace::{self, Line};

use crate::act::{Act, Asked, Death, Fate, Setup};
use crate::cast::{Cast, in_a_trace};
use crate::clock::TrueTime;
use crate::demand::{Demand, Heard};
use crate::stage::{Answer, Stage, UnderWay, Watch};
use crate::story::tells;

/// L3's bound: a question is asked so often at most.
const ASKS: u64 = 12;

/// How long a client waits before it asks again, in milliseconds: longer than a hub pauses that could not write.
const PAUSE: u64 = 500;

/// L3's bound for what clients had asked before: so many turns of every hub, and whatever was under way has ended.
const ENDS: u64 = 8;

/// So many turns, and a hub that has begun again has looked through all that same-host agents finished while it was away,
/// or before it looked.
const ROUNDS: u64 = 8;

/// L1's bound: so many turns of every hub after the last deadline.
const TURNS: u64 = 40;

/// L2's bound: a poll that waits is answered within so many turns.
const POLL_TURNS: u64 = 30;

/// The clients of the finale: nobody else has these numbers.
const WITNESS: usize = 1_000;

/// A question that was not answered yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Whose.
    pub client: usize,
    /// Who that really is.
    pub agent: AgentId,
    /// What.
    pub demand: Demand,
}

/// What is left of a world.
#[derive(Debug)]
pub struct Finale<'a, 'b, S> {
    stage: &'a mut S,
    watch: &'a mut Watch<'b>,
    truth: &'a TrueTime,
    cast: &'a Cast,
    hubs: usize,
    requests: u64,
}

impl<'a, 'b, S: Stage> Finale<'a, 'b, S> {
    /// Over this.
    pub const fn new(
        stage: &'a mut S,
        watch: &'a mut Watch<'b>,
        truth: &'a TrueTime,
        cast: &'a Cast,
        setup: &Setup,
    ) -> Self {
        // No request of the run has such a number.
        Self { stage, watch, truth, cast, hubs: setup.count(), requests: 1 << 40 }
    }

    /// Demands what must come.
    pub fn run(mut self, open: &[Open]) {
        if self.is_broken() {
            return;
        }
        let now = self.truth.now();
        self.watch.story.next_step();
        self.watch.story.tell(|| Line::at(now, "world", None, tells("faults_stop", [])));
        self.make_well();
        self.what_is_under_way_ends();
        self.everybody_is_answered(open);
        self.polls_are_answered();
        self.everything_ends();
        self.everything_outlives_the_end();
        if !self.is_broken() {
            self.stage.look_through(self.watch);
        }
        if !self.is_broken() {
            self.watch.judge.settle();
        }
    }

    fn is_broken(&self) -> bool {
        self.watch.judge.breach().is_some()
    }

    fn act(&mut self, act: &Act) -> Vec<Answer> {
        if self.is_broken() {
            return Vec::new();
        }
        self.watch.story.next_step();
        self.stage.act(act, self.watch)
    }

    fn make_well(&mut self) {
        self.act(&Act::Heal);
        for hub in 0..self.hubs {
            self.act(&Act::SetClock { hub, ahead: 0 });
            self.act(&Act::Restart { hub });
        }
        self.turn();
        for hub in 0..self.hubs {
            // Whom its disk's last failure took down begins again.
            self.act(&Act::Restart { hub });
        }
        let all_up = (0..self.hubs).all(|hub| self.stage.is_up(hub));
        if !all_up {
            let how = "a hub does not begin again although nothing fails any more";
            self.watch.judge.note(Some(Breach::of(Rule::L3, how)));
        }
    }

    /// Every hub does what is to be done, and the store carries out what it is asked.
    fn turn(&mut self) -> Vec<Answer> {
        let mut answers = Vec::new();
        for hub in 0..self.hubs {
            for handoff in self.stage.due(hub) {
                self.act(&Act::Sweep { hub, handoff });
            }
        }
        // A record changes three times at the most, and so an operation ends after a few effects.
        const EFFECTS: usize = 24;
        for _ in 0..EFFECTS {
            let under_way = self.stage.under_way();
            if under_way.is_empty() {
                break;
            }
            for UnderWay { operation, heard, .. } in under_way {
                answers.extend(self.act(&if heard {
                    Act::Hear { operation }
                } else {
                    Act::Effect { operation, fate: Fate::Answered, held: false }
                }));
            }
        }
        for operation in self.stage.late() {
            self.act(&Act::Follow { operation });
        }
        for hub in 0..self.hubs {
            answers.extend(self.act(&Act::Work { hub }));
        }
        self.truth.advance(self.truth.now() + PAUSE);
        answers
    }

    fn ask(&mut self, hub: usize, open: &Open) -> (u64, Vec<Answer>) {
        self.requests += 1;
        let Open { client, agent, ref demand } = *open;
        let request = self.requests;
        let asked = Asked { hub, client, agent, request, demand: demand.clone() };
        (request, self.act(&Act::Ask(Box::new(asked))))
    }

    /// L3, of whoever had asked before and waits for nothing but the answer.
    fn what_is_under_way_ends(&mut self) {
        for _ in 0..ENDS {
            if self.stage.under_way().is_empty() || self.is_broken() {
                return;
            }
            self.turn();
        }
        let how = "an operation goes on for ever, although nobody is in its way";
        let goes_on = !self.stage.under_way().is_empty();
        self.watch.judge.note(goes_on.then_some(Breach::of(Rule::L3, how)));
    }

    /// L3.
    fn everybody_is_answered(&mut self, open: &[Open]) {
        for open in open {
            let mut answered = false;
            for attempt in 0..ASKS {
                let hub = usize::try_from(attempt).unwrap_or(0) % self.hubs;
                let (request, mut answers) = self.ask(hub, open);
                answers.extend(self.turn());
                let waits = match open.demand {
                    Demand::Poll { wait, .. } => wait.0 / PAUSE + 2,
                    Demand::Command { .. } | Demand::Read { .. } => 0,
                };
                for _ in 0..waits {
                    answers.extend(self.turn());
                }
                answered =
                    answers.iter().any(|answer| answer.request == request && answer.heard.is_definite());
                if answered || self.is_broken() {
                    break;
                }
            }
            if !answered && !self.is_broken() {
                let how = "a client asks for ever and is never answered";
                self.watch.judge.note(Some(Breach::of(Rule::L3, how)));
            }
        }
    }

    /// L2: a poll that waits when nothing is there is answered when something comes.
    fn polls_are_answered(&mut self) {
        let mut targets: Vec<AgentId> =
            self.watch.judge.books().values().map(|record| record.target).collect();
        targets.sort_unstable();
        targets.dedup();
        for (number, target) in targets.into_iter().enumerate() {
            for hub in 0..self.hubs {
                let wait = Millis((POLL_TURNS + 10) * PAUSE);
                let demand = Demand::Poll { target, wait };
                let (request, mut answers) = self.ask(hub, &Open { client: WITNESS, agent: target, demand });
                let name = format!("finale-{number}-{hub}");
                let mut started = None;
                if let Ok(start) = self.something(&name, target) {
                    let (request, heard) = self.ask(hub, &start);
                    started = Some(request);
                    answers.extend(heard);
                }
                let shown = |answer: &Answer| {
                    answer.request == request && matches!(answer.heard, Heard::Shown(Some(_)))
                };
                let acknowledged = |answer: &Answer| {
                    Some(answer.request) == started && matches!(answer.heard, Heard::Verdict(Ok(_)))
                };
                for _ in 0..POLL_TURNS {
                    let both = answers.iter().any(shown) && answers.iter().any(acknowledged);
                    if both || self.is_broken() {
                        break;
                    }
                    answers.extend(self.turn());
                }
                if !answers.iter().any(acknowledged) {
                    let how = "a handoff cannot be started although nothing fails any more";
                    self.watch.judge.note(Some(Breach::of(Rule::L3, how)));
                }
                if !answers.iter().any(shown) {
                    let how = "a poll waits for ever while a handoff is pending for it";
                    self.watch.judge.note(Some(Breach::of(Rule::L2, how)));
                }
            }
        }
    }

    /// A handoff for this target that stays pending for long enough.
    fn something(&self, name: &str, target: AgentId) -> Result<Open, String> {
        let author = if target.as_str() == "bob" { "alice" } else { "bob" };
        let said = trace::Artifact {
            handoff: name.to_owned(),
            author: author.to_owned(),
            target: target.to_string(),
            digest: "d0".to_owned(),
            expires_at: self.truth.now() + 4 * POLL_TURNS * PAUSE,
            claim_ttl: None,
        };
        let made = self.cast.artifact(&said)?;
        let command = Command::Start { sender: made.start.author, artifact: made.start.clone() };
        let demand = Demand::Command { handoff: made.start.id, command };
        Ok(Open { client: WITNESS, agent: made.start.author, demand })
    }

    /// S7: nothing that was answered needs the hubs that answered it, nor anything that is not durable; and whatever
    /// same-host agents dropped is found.
    fn everything_outlives_the_end(&mut self) {
        // Every run comes to this: it is nothing that a batch has reached.
        let reached = self.watch.reached.clone();
        self.begin_again(Death::Killed);
        if !self.is_broken() {
            self.watch.judge.all_have_arrived();
        }
        self.begin_again(Death::PowerCut(self.truth.now()));
        *self.watch.reached = reached;
    }

    fn begin_again(&mut self, death: Death) {
        for hub in 0..self.hubs {
            self.act(&Act::Die { hub, death });
            self.act(&Act::Restart { hub });
        }
        for _ in 0..ROUNDS {
            self.turn();
        }
        self.everything_ends();
    }

    /// L1.
    fn everything_ends(&mut self) {
        for _ in 0..TURNS {
            self.turn();
            // What is still under way may bring a later one.
            let last = self.watch.judge.books().values().filter_map(Record::deadline).max();
            if let Some(last) = last {
                self.truth.advance(in_a_trace(last) + 1);
            }
            if !self
                .watch
                .judge
                .books()
                .values()
                .any(|record| live::is_unclaimed(record) || live::is_bounded_claim(record))
            {
                return;
            }
        }
        if self.is_broken() {
            return;
        }
        let books = self.watch.judge.books();
        let how = if books.values().any(live::is_unclaimed) {
            "a pending handoff is never claimed nor rejected"
        } else {
            "a claim that has a time limit never ends"
        };
        self.watch.judge.note(Some(Breach::of(Rule::L1, how)));
    }
}

/// Whether this line is where the faults of a run stop: what follows is the finale's.
#[must_use]
pub fn begins(line: &Line) -> bool {
    matches!(&line.event, trace::Event::Tells { does, .. } if does == "faults_stop")
}
