//! Rule S11: sessions that consume the bootstrap of a handoff, on a disk of their own.
//!
//! The machine is [`Consume`](handoff_kernel::bootstrap::Consume), the one that a client ships. Around it is all that
//! may go wrong: two sessions at once, sessions that die between any two effects and are started anew under another
//! name, answers that are lost while the rename took effect, did not, or comes later, a disk that cannot, and time.
//! The client leaves a bootstrap that is dated now, a tick ahead, not at all, or that nobody can read.
//!
//! One handoff is enough: bootstraps of two share neither a file nor a machine. One clock, for it is one machine's.

mod attempt;
mod bounds;
mod disk;
pub mod replay;
mod tell;
#[cfg(test)]
mod tests;
mod words;

use handoff_kernel::bootstrap::{Contents, Done, Effect, Place, Session};
use handoff_kernel::history::ConsumedOnce;
use handoff_kernel::law::Law;
use handoff_kernel::rules::Rule;
use handoff_kernel::testing::small::Small;
use handoff_kernel::time::{Millis, Time};

pub use attempt::Attempt;
pub use bounds::{Bound, bounds};
pub use disk::{Disk, Fate, Late, Lies};
pub(crate) use words::marks;

use crate::model::{Breach, Model, Story, Witness, tells};
use crate::trace::{Event, FORMAT, Header, Kind, Line};

/// The model, and its bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bootstrap<L: Law> {
    /// The law that the sessions keep.
    pub law: L,
    /// How many sessions there are at a time.
    pub sessions: u8,
    /// How old a bootstrap may be, in ticks of a millisecond.
    pub window: Millis,
    /// When time ends.
    pub end: Time,
    /// How many sessions may die.
    pub deaths: u8,
    /// How many effects may be lost, late, or refused by the disk.
    pub faults: u8,
    /// Whether a session that is started in another's place has a name of its own. If not, what the machine relies
    /// on is broken.
    pub fresh_names: bool,
    /// How many bootstraps the client leaves. More than one a handoff breaks what the machine relies on.
    pub leaves: u8,
}

impl<L: Law> Bootstrap<L> {
    /// Two sessions, of which one may die, two faults of the disk, one bootstrap, and time to outlive it.
    pub const fn new(law: L) -> Self {
        Self {
            law,
            sessions: 2,
            window: Millis(2),
            end: Time(3),
            deaths: 1,
            faults: 2,
            fresh_names: true,
            leaves: 1,
        }
    }
}

/// Where sessions run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot<L: Law> {
    /// Nothing runs.
    Down,
    /// A session is at it.
    Running(Attempt<L>),
    /// A session is done with it, and lives on.
    Over(Session, Done),
}

/// The state of the model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct State<L: Law> {
    /// What time it is.
    pub now: Time,
    /// The disk.
    pub disk: Disk,
    /// The sessions.
    pub slots: Vec<Slot<L>>,
    begun: u64,
    deaths: u8,
    faults: u8,
    left: u8,
    checker: ConsumedOnce<Small>,
    broken: Option<Breach>,
}

/// What can happen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// The client leaves a bootstrap.
    Leave(Contents),
    /// A session begins.
    Begin(usize),
    /// What a session asks for meets its fate.
    Effect(usize, Fate),
    /// A session dies.
    Die(usize),
    /// A rename comes to the disk after all.
    Follow(Late),
    /// Time passes.
    Tick,
}

impl<L: Law + Copy + Ord> Model for Bootstrap<L> {
    type State = State<L>;
    type Action = Action;

    fn header(&self) -> Header {
        let Self { sessions, window, end, deaths, faults, fresh_names, leaves, .. } = self;
        let names = if *fresh_names { "fresh" } else { "reused" };
        Header {
            trace: FORMAT.to_owned(),
            name: String::new(),
            kind: Kind::Witness,
            rule: format!("{:?}", Rule::S11),
            demands: None,
            says: String::new(),
            model: "bootstrap".to_owned(),
            configuration: format!(
                "sessions={sessions} window={} end={} deaths={deaths} faults={faults} names={names} leaves={leaves}",
                window.0, end.0
            ),
            law: self.law.name(),
            records: Vec::new(),
            bound: None,
            log_follows: false,
            cycle_from: None,
        }
    }

    fn initial(&self) -> Vec<State<L>> {
        vec![State {
            now: Time(0),
            disk: Disk::default(),
            slots: vec![Slot::Down; usize::from(self.sessions)],
            begun: 0,
            deaths: 0,
            faults: 0,
            left: 0,
            checker: ConsumedOnce::default(),
            broken: None,
        }]
    }

    fn actions(&self, state: &State<L>, actions: &mut Vec<Action>) {
        if state.left < self.leaves && state.disk.at(Lies::Left).is_none() {
            let dated = [Contents::Dated(state.now), Contents::Dated(state.now.plus(Millis(1)))];
            actions.extend(dated.map(Action::Leave));
            actions.extend([Contents::Undated, Contents::Malformed].map(Action::Leave));
        }
        for (i, slot) in state.slots.iter().enumerate() {
            match slot {
                Slot::Down => actions.push(Action::Begin(i)),
                Slot::Running(attempt) => {
                    let possible = |fate: &Fate| match fate {
                        Fate::Answered => true,
                        Fate::LostBefore | Fate::Failed => state.faults < self.faults,
                        // Of a read nothing is left behind: one way of losing it is as good as the other.
                        Fate::LostAfter | Fate::Delayed => {
                            state.faults < self.faults && !matches!(attempt.effect(), Effect::Read(_))
                        }
                    };
                    actions
                        .extend(Fate::ALL.into_iter().filter(possible).map(|fate| Action::Effect(i, fate)));
                }
                Slot::Over(..) => {}
            }
            if !matches!(slot, Slot::Down) && state.deaths < self.deaths {
                actions.push(Action::Die(i));
            }
        }
        actions.extend(state.disk.late().map(Action::Follow));
        if state.now < self.end {
            actions.push(Action::Tick);
        }
    }

    fn next(&self, state: &State<L>, action: &Action, story: &mut Story) -> State<L> {
        let mut next = state.clone();
        let now = state.now;
        match action {
            Action::Leave(contents) => {
                next.disk.leave(*contents);
                next.left += 1;
                story.tell(|| tell::leaves(now, *contents));
            }
            Action::Begin(i) => {
                next.begun += 1;
                let name = if self.fresh_names { next.begun } else { *i as u64 + 1 };
                let attempt = Attempt::begin(self.law, Session(name), self.window, now, story);
                next.slots[*i] = Slot::Running(attempt);
            }
            Action::Effect(i, fate) => {
                // Only who is at it is served: no other is offered.
                let Slot::Running(attempt) = state.slots[*i].clone() else { return next };
                next.faults += u8::from(*fate != Fate::Answered);
                next.slots[*i] = match attempt.go_on(&mut next.disk, *fate, now, story) {
                    Ok(attempt) => Slot::Running(attempt),
                    Err((attempt, done)) => {
                        let judged = attempt.judge(done, &mut next.checker);
                        next.broken = judged.err().map(Breach::from);
                        Slot::Over(attempt.session, done)
                    }
                };
            }
            Action::Die(i) => {
                if let Slot::Running(Attempt { session, .. }) | Slot::Over(session, _) = &state.slots[*i] {
                    story.tell(|| tell::line(now, *session, "dies", []));
                }
                next.deaths += 1;
                next.slots[*i] = Slot::Down;
            }
            Action::Follow(late) => {
                let took_effect = next.disk.follow(*late);
                story.tell(|| tell::follows(now, *late, took_effect));
            }
            Action::Tick => {
                next.now = now.plus(Millis(1));
                story.tell(|| tell::ticks(next.now));
            }
        }
        next
    }

    fn breach(&self, state: &State<L>) -> Option<Breach> {
        state.broken
    }

    fn witnesses(&self) -> Vec<Witness<State<L>>> {
        let of = |name, says, seen| Witness { rule: Rule::S11, name, says, seen };
        vec![
            of(
                "consumed-at-the-window",
                "A bootstrap is consumed at exactly the resume window.",
                |_, lines, _| ends(lines, "consumed", |with| value(with, "age") == value(with, "window")),
            ),
            of(
                "stale-set-aside",
                "One tick past the resume window it is refused, and set aside.",
                |_, lines, after| {
                    after.has_one_aside()
                        && ends(lines, "stale", |with| {
                            value(with, "age")
                                .zip(value(with, "window"))
                                .is_some_and(|(age, window)| age == window + 1)
                        })
                },
            ),
            of(
                "one-finds-it-missing",
                "Two sessions reach for it; one consumes it, and the other finds it missing.",
                |before, lines, _| {
                    let consumed = |slot: &Slot<L>| matches!(slot, Slot::Over(_, Done::Consumed { .. }));
                    before.deaths == 0
                        && before.slots.iter().any(consumed)
                        && ends(lines, "missing", |_| true)
                },
            ),
            of(
                "died-holding-it",
                "A session dies holding it unread; the next finds it missing.",
                |_, lines, after| {
                    let held = (1..=after.begun).map(Session).any(|session| {
                        let gone = !after.slots.iter().any(|slot| slot.session() == Some(session));
                        gone && after.disk.at(Lies::Taken(session)).is_some()
                    });
                    held && after.faults == 0
                        && after.checker == ConsumedOnce::default()
                        && after.left == 1
                        && ends(lines, "missing", |_| true)
                },
            ),
            of(
                "own-rename-found",
                "A rename whose answer was lost is found under the session's own name.",
                |before, lines, after| {
                    let finds = |attempt: &Attempt<L>| {
                        let own = before.disk.at(Lies::Taken(attempt.session)).is_some();
                        let looks = attempt.effect() == Effect::Read(Place::Taken);
                        own && looks && finds_none_to_take(lines, attempt.session)
                    };
                    after.slots.iter().any(|slot| matches!(slot, Slot::Running(attempt) if finds(attempt)))
                },
            ),
            of(
                "future-refused",
                "A bootstrap from the future is refused, and set aside.",
                |_, lines, after| after.has_one_aside() && ends(lines, "future", |_| true),
            ),
            of("malformed-refused", "A malformed bootstrap is refused, and set aside.", |_, lines, after| {
                after.has_one_aside() && ends(lines, "malformed", |_| true)
            }),
        ]
    }
}

impl<L: Law> State<L> {
    fn has_one_aside(&self) -> bool {
        (1..=self.begun).any(|session| self.disk.at(Lies::Aside(Session(session))).is_some())
    }
}

impl<L: Law> Slot<L> {
    const fn session(&self) -> Option<Session> {
        match self {
            Self::Down => None,
            Self::Running(Attempt { session, .. }) | Self::Over(session, _) => Some(*session),
        }
    }
}

type With = std::collections::BTreeMap<String, String>;

/// Whether one of the lines tells that a session ends with this verdict, and so.
fn ends(lines: &[Line], verdict: &str, so: impl Fn(&With) -> bool) -> bool {
    tells(lines, |event| {
        let Event::Tells { does, with } = event else { return false };
        does == "ends" && with.get("verdict").is_some_and(|told| told == verdict) && so(with)
    })
}

/// Whether this session reaches for the bootstrap and is told that there is none.
fn finds_none_to_take(lines: &[Line], session: Session) -> bool {
    lines.iter().any(|line| {
        let Event::Tells { does, with } = &line.event else { return false };
        let missing = with.get("outcome").is_some_and(|outcome| outcome == "missing");
        line.host == tell::host(session) && does == "takes" && missing
    })
}

fn value(with: &With, name: &str) -> Option<u64> {
    with.get(name)?.parse().ok()
}
