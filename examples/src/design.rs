//! What alice does: the designs that are compared. This is the extension itself; all else is there to check it.

use handoff_kernel::record::State;
use handoff_kernel::testing::small::ALICE;

use crate::forwarding::{DONE, FIRST, HANDED_ON, NEXT, Step, World, accept, complete, start};

/// In which order alice hands on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Design {
    /// She completes what she has, then starts the next.
    CompleteFirst,
    /// She starts the next, then completes what she has.
    StartFirst,
    /// She starts the next, and completes what she has when the next is accepted. If it is turned away, the work is
    /// hers again. When she is started again, she asks the hub whether she has handed on before she works.
    AtAccept,
}

impl Design {
    /// All three.
    pub const ALL: [Self; 3] = [Self::CompleteFirst, Self::StartFirst, Self::AtAccept];

    /// A name for files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CompleteFirst => "complete-first",
            Self::StartFirst => "start-first",
            Self::AtAccept => "at-accept",
        }
    }

    /// What alice does, in a few words.
    #[must_use]
    pub const fn says(self) -> &'static str {
        match self {
            Self::CompleteFirst => "Alice completes h0 as handed on, then starts h1",
            Self::StartFirst => "Alice starts h1, then completes h0 as handed on",
            Self::AtAccept => "Alice starts h1, and completes h0 as handed on when h1 is accepted",
        }
    }
}

/// What alice is doing. All of it is in her memory only, and gone when she dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Alice {
    /// She has not looked at the hub yet.
    Fresh,
    /// She works.
    Works,
    /// She has done one half of handing on, and the other comes next.
    HalfWay,
    /// She has handed on, and waits for carol to accept.
    Waits,
    /// She is done with it.
    Rests,
    /// She is dead.
    Dead,
}

impl Design {
    /// What alice may do next, by herself.
    pub(crate) fn steps(self, world: &World, steps: &mut Vec<Step>) {
        let (first, next) = (world.state(FIRST), world.state(NEXT));
        let mut ask = |id, command, then| steps.push(Step::Ask(id, command, then));
        let complete_first = || complete(ALICE, HANDED_ON);
        match (world.alice, self) {
            (Alice::Fresh, _) => match first {
                Some(State::Pending) => ask(FIRST, accept(ALICE), Alice::Works),
                // She has been here before, and her claim is all that she finds of it. Or does she look for more?
                Some(State::Claimed(_)) if self == Self::AtAccept && next.is_some() => {
                    steps.push(Step::Turn(Alice::Waits, "looks at the hub: h0 is mine, and handed on as h1"));
                }
                Some(State::Claimed(_)) => {
                    steps.push(Step::Turn(
                        Alice::Works,
                        "looks at the hub: h0 is mine, so I go on with the work",
                    ));
                }
                Some(State::Completed { .. } | State::Rejected(_)) | None => {}
            },
            (Alice::Works, _) => {
                ask(FIRST, complete(ALICE, DONE), Alice::Rests);
                // She hands on once.
                match self {
                    Self::CompleteFirst => ask(FIRST, complete_first(), Alice::HalfWay),
                    Self::StartFirst if next.is_none() => ask(NEXT, start(NEXT), Alice::HalfWay),
                    Self::AtAccept if next.is_none() => ask(NEXT, start(NEXT), Alice::Waits),
                    Self::StartFirst | Self::AtAccept => {}
                }
            }
            (Alice::HalfWay, Self::CompleteFirst) => ask(NEXT, start(NEXT), Alice::Rests),
            (Alice::HalfWay, Self::StartFirst) => ask(FIRST, complete_first(), Alice::Rests),
            (Alice::Waits, Self::AtAccept) => match next {
                Some(State::Claimed(_) | State::Completed { .. }) => {
                    ask(FIRST, complete_first(), Alice::Rests);
                }
                Some(State::Rejected(_)) => {
                    steps.push(Step::Turn(
                        Alice::Works,
                        "looks at the hub: h1 is rejected, so the work is mine again",
                    ));
                }
                Some(State::Pending) | None => {}
            },
            // No design leads here, or there is nothing left to do.
            (Alice::HalfWay, Self::AtAccept)
            | (Alice::Waits, Self::CompleteFirst | Self::StartFirst)
            | (Alice::Rests | Alice::Dead, _) => {}
        }
    }
}
