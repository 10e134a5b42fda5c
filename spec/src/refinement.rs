//! What a register of the store is to the abstract specification, and whether a change of it is a step there.

use handoff_kernel::record::{Record, Rejection, State};
use handoff_kernel::testing::small::Small;
use handoff_kernel::time::Time;

use crate::abstract_spec::{Handoff, may_follow};
use crate::model::{Breach, Edge, Property};

/// An instance of the target, by what tells its claim from every other: the name it gave, and when.
type Instance = (Option<u8>, Time, Option<u8>);

/// What a register means. `pruned` tells what was never there from what retention removed.
fn meaning(record: Option<&Record<Small>>, pruned: bool) -> Handoff<Instance> {
    let Some(record) = record else {
        return if pruned { Handoff::Forgotten } else { Handoff::Unknown };
    };
    let holder = record.claim().map(|claim| (claim.id, claim.at, claim.attempt));
    match (&record.state, holder) {
        (State::Pending, _) => Handoff::Waiting,
        (State::Claimed(_), Some(holder)) => Handoff::Taken(holder),
        (State::Completed { .. }, Some(holder)) => Handoff::Done(holder),
        (State::Rejected(Rejection::Declined { .. } | Rejection::ClaimExpired { .. }), holder) => {
            Handoff::Over(holder)
        }
        (State::Rejected(Rejection::Expired { .. }), _) => Handoff::Over(None),
        (State::Claimed(_) | State::Completed { .. }, None) => {
            unreachable!("a claimed and a completed record have a claim, by type")
        }
    }
}

/// One register before and after, each with whether it was pruned by then.
type Register<'a> = (Option<&'a Record<Small>>, bool);

/// What the change of one register is to the abstract specification.
#[must_use]
pub fn refines(before: Register<'_>, after: Register<'_>) -> Edge {
    if before == after {
        return Edge::Stutter;
    }
    let (before, after) = (meaning(before.0, before.1), meaning(after.0, after.1));
    if before == after {
        Edge::Stutter
    } else if may_follow(&before, &after) {
        Edge::Step
    } else {
        Edge::Breach(Breach {
            property: Property::Refinement,
            how: "a change is no step of the abstract specification",
        })
    }
}

/// What a step is that may change any of these registers: at most one changes.
#[must_use]
pub fn frame<'a>(registers: impl Iterator<Item = (Register<'a>, Register<'a>)>) -> Edge {
    let mut changed = registers.filter(|(before, after)| before != after);
    let Some((before, after)) = changed.next() else { return Edge::Stutter };
    if changed.next().is_some() {
        return Edge::Breach(Breach { property: Property::Frame, how: "one step changed two handoffs" });
    }
    refines(before, after)
}
