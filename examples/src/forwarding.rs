//! The model: bob hands work to alice, who hands it on to carol.
//!
//! Every change of a record is made by the kernel's own `step`. What is modelled is what the extension adds: what
//! alice does and in which order (that is [`Design`]'s), and that she may die between any two of her commands, and is
//! started again and remembers nothing.
//!
//! What is *not* in it: a network. What alice sent has arrived, or she died before she sent it. Whether a start that
//! arrives after her death breaks something is a question to put to a model with one more action.

use handoff_kernel::command::{Command, Start};
use handoff_kernel::law::Protocol;
use handoff_kernel::record::{Record, Rejection, State};
use handoff_kernel::step::{Transition, step};
use handoff_kernel::testing::small::{ALICE, BOB, Small};
use handoff_kernel::time::Time;
use handoff_spec::model::{Breach, Model, Own, Story};
use handoff_spec::trace::{Event, Header, Line, Word};

use crate::design::{Alice, Design};
use crate::story;

/// Bob and alice are the kernel's, and 2 is a stranger there.
pub(crate) const CAROL: u8 = 3;
/// What bob hands to alice, and what alice hands on to carol.
pub(crate) const FIRST: u8 = 0;
pub(crate) const NEXT: u8 = 1;
/// Results: the work itself, and "handed on, see the next handoff".
pub(crate) const DONE: u8 = 0;
pub(crate) const HANDED_ON: u8 = 1;

/// The rule that no work is done twice.
pub const ONE_WORKER: &str = "OneWorker";
/// The rule that no work is lost.
pub const NEVER_DROPPED: &str = "NeverDropped";

/// A state: what is on record, what alice is doing, and what time it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct World {
    records: [Option<Record<Small>>; 2],
    pub(crate) alice: Alice,
    has_died: bool,
    now: Time,
}

/// One thing that can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// An agent (or the hub's janitor, if none) asks for a command; if it is not refused, alice does this next.
    Ask(u8, Command<Small>, Alice),
    /// Alice looks at the hub, or thinks again, and does this next.
    Turn(Alice, &'static str),
    /// Alice dies.
    Die,
    /// Alice is started again.
    Restart,
    /// The next handoff's deadline passes.
    Tick,
}

/// The model. Nothing can be set but the design.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Forwarding {
    /// In which order alice hands on.
    pub design: Design,
}

pub(crate) fn start(id: u8) -> Command<Small> {
    let (author, target, expires_at) =
        if id == FIRST { (BOB, ALICE, Time(1)) } else { (ALICE, CAROL, Time(0)) };
    let artifact = Start { id, author, target, digest: id, expires_at, claim_ttl: None };
    Command::Start { sender: author, artifact }
}

/// Each accepts under a claim_id of its own, which it can find again at the hub.
pub(crate) fn accept(by: u8) -> Command<Small> {
    Command::Accept { by, claim_id: Some(by), attempt: by, receipt: None }
}

pub(crate) fn complete(by: u8, result: u8) -> Command<Small> {
    Command::Complete { by, claim_id: Some(by), result: Some(result), receipt: None }
}

fn decline(by: u8) -> Command<Small> {
    Command::Reject { by, claim_id: None, reason: 0, receipt: None }
}

impl World {
    pub(crate) fn state(&self, id: u8) -> Option<&State<Small>> {
        self.records[usize::from(id)].as_ref().map(|record| &record.state)
    }

    fn is_claimed(&self, id: u8) -> bool {
        matches!(self.state(id), Some(State::Claimed(_)))
    }

    /// Whether the first handoff says "handed on, see the next".
    fn is_handed_on(&self) -> bool {
        matches!(self.state(FIRST), Some(State::Completed { completion, .. }) if completion.result == Some(HANDED_ON))
    }

    /// Whether nobody has taken the next handoff, and nobody ever will.
    fn is_turned_away(&self) -> bool {
        let unclaimed = |rejection: &Rejection<Small>| {
            matches!(rejection, Rejection::Declined { claim: None, .. } | Rejection::Expired { .. })
        };
        matches!(self.state(NEXT), Some(State::Rejected(rejection)) if unclaimed(rejection))
    }
}

impl Model for Forwarding {
    type State = World;
    type Action = Step;

    fn header(&self) -> Header {
        Header::of("forwarding", self.design.name(), "protocol")
    }

    fn initial(&self) -> Vec<World> {
        vec![World { records: [None, None], alice: Alice::Fresh, has_died: false, now: Time(0) }]
    }

    fn actions(&self, world: &World, steps: &mut Vec<Step>) {
        if world.state(FIRST).is_none() {
            steps.push(Step::Ask(FIRST, start(FIRST), world.alice));
        }
        self.design.steps(world, steps);
        match world.state(NEXT) {
            Some(State::Pending) => {
                // Carol is slow at times: the janitor may be first.
                let asks = [accept(CAROL), decline(CAROL)].into_iter();
                let sweep = (world.now > Time(0)).then_some(Command::Sweep);
                steps.extend(asks.chain(sweep).map(|command| Step::Ask(NEXT, command, world.alice)));
                steps.extend((world.now == Time(0)).then_some(Step::Tick));
            }
            Some(State::Claimed(_)) => steps.push(Step::Ask(NEXT, complete(CAROL, DONE), world.alice)),
            Some(State::Completed { .. } | State::Rejected(_)) | None => {}
        }
        match (world.alice, world.has_died) {
            (Alice::Dead, _) => steps.push(Step::Restart),
            (_, false) => steps.push(Step::Die),
            (_, true) => {}
        }
    }

    fn next(&self, world: &World, taken: &Step, story: &mut Story) -> World {
        let mut after = world.clone();
        match taken {
            Step::Ask(id, command, then) => {
                let record = &mut after.records[usize::from(*id)];
                // Here the protocol decides, and nobody else.
                let refused = match step(&Protocol, record.as_ref(), command, world.now) {
                    Ok(Transition::To { next, answer, .. }) => {
                        *record = Some(next);
                        answer.err()
                    }
                    Ok(Transition::Same(_)) => None,
                    Err(refusal) => Some(refusal),
                };
                story::asks(story, world.now, *id, command, record.as_ref(), refused);
                if refused.is_none() {
                    after.alice = *then;
                }
            }
            Step::Turn(then, why) => {
                story::alice(story, world.now, || Word::Notes((*why).to_owned()));
                after.alice = *then;
            }
            Step::Die => {
                story::alice(story, world.now, || Word::Dies);
                (after.alice, after.has_died) = (Alice::Dead, true);
            }
            Step::Restart => {
                story::alice(story, world.now, || Word::Returns);
                after.alice = Alice::Fresh;
            }
            Step::Tick => {
                after.now = Time(1);
                story.tell(|| Line::at(1, "time", None, Event::Ticks));
            }
        }
        after
    }

    fn breach(&self, world: &World) -> Option<Breach> {
        if world.alice == Alice::Works && world.is_claimed(NEXT) {
            return Some(Breach::own(ONE_WORKER, "alice and carol both do the work"));
        }
        let about_to_start = world.alice == Alice::HalfWay;
        if world.is_handed_on() && world.state(NEXT).is_none() && !about_to_start {
            return Some(Breach::own(
                NEVER_DROPPED,
                "she dies in between, h0 says that the work was handed on, and nobody has it",
            ));
        }
        if world.is_handed_on() && world.is_turned_away() {
            return Some(Breach::own(
                NEVER_DROPPED,
                "h0 says that the work was handed on, nobody took h1, and nobody has it",
            ));
        }
        None
    }

    fn own(&self) -> Vec<Own<World>> {
        vec![
            Own {
                name: ONE_WORKER,
                statement: "At any time at most one agent works on what was handed on.",
                witness: "Carol works. Alice, who died and has forgotten it, finds her claim, and does not.",
                seen: |before, _, after| {
                    before.alice == Alice::Fresh && after.alice == Alice::Waits && after.is_claimed(NEXT)
                },
            },
            Own {
                name: NEVER_DROPPED,
                statement: "Where a handoff says that it was handed on, the next one is taken, or waits to be taken.",
                witness: "Carol turns h1 away, and alice takes the work up again: h0 is hers still.",
                seen: |before, _, after| before.alice == Alice::Waits && after.alice == Alice::Works,
            },
        ]
    }
}
