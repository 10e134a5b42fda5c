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
    if let (Some(was), Some(is)) = (before.0, after.0)
        && is.with(was.state.clone()) != *was
    {
        return breach("what the author handed over was changed");
    }
    let (before, after) = (meaning(before.0, before.1), meaning(after.0, after.1));
    // The abstract specification does not tell these two apart, but no command does such a thing: each changes the status.
    if before == after {
        breach("a record was changed, and nothing happened to the handoff")
    } else if may_follow(&before, &after) {
        Edge::Step
    } else {
        breach("a change is no step of the abstract specification")
    }
}

const fn breach(how: &'static str) -> Edge {
    Edge::Breach(Breach { property: Property::Refinement, how })
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

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_kernel::record::{Claim, Completion, Decline};
    use handoff_kernel::testing::small::{EVE, record};

    const CLAIM: Claim<Small> = Claim { id: Some(1), at: Time(4), attempt: Some(1), receipt: None };

    fn on(state: State<Small>) -> Record<Small> {
        record(Time(5), None, state)
    }

    /// In which way the change is a breach; none if it is not.
    fn how(before: &Record<Small>, after: &Record<Small>) -> Option<&'static str> {
        match refines((Some(before), false), (Some(after), false)) {
            Edge::Breach(breach) => Some(breach.how),
            Edge::Stutter | Edge::Step => None,
        }
    }

    const NOTHING_HAPPENED: Option<&str> = Some("a record was changed, and nothing happened to the handoff");
    const ANOTHER_ARTIFACT: Option<&str> = Some("what the author handed over was changed");

    #[test]
    fn what_has_expired_does_not_expire_at_another_time() {
        let expired = |at| on(State::Rejected(Rejection::Expired { at: Time(at) }));
        assert_eq!(how(&expired(6), &expired(6)), None);
        assert_eq!(how(&expired(6), &expired(7)), NOTHING_HAPPENED);
        let lapsed = |at| on(State::Rejected(Rejection::ClaimExpired { claim: CLAIM, at: Time(at) }));
        assert_eq!(how(&lapsed(6), &lapsed(7)), NOTHING_HAPPENED);
    }

    #[test]
    fn what_is_completed_does_not_get_another_result() {
        let done = |result| {
            on(State::Completed {
                claim: CLAIM,
                completion: Completion { at: Time(5), result, receipt: None },
            })
        };
        assert_eq!(how(&on(State::Claimed(CLAIM)), &done(Some(0))), None);
        assert_eq!(how(&done(Some(0)), &done(Some(1))), NOTHING_HAPPENED);
    }

    #[test]
    fn what_has_expired_is_not_declined() {
        let expired = on(State::Rejected(Rejection::Expired { at: Time(6) }));
        let decline = Decline { at: Time(6), claim_id: None, reason: 0, receipt: None };
        let declined = on(State::Rejected(Rejection::Declined { claim: None, decline }));
        assert_eq!(how(&on(State::Pending), &declined), None);
        assert_eq!(how(&expired, &declined), NOTHING_HAPPENED);
    }

    #[test]
    fn what_is_pending_does_not_change() {
        let pending = on(State::Pending);
        let others = [
            Record { target: EVE, ..pending.clone() },
            Record { author: EVE, ..pending.clone() },
            Record { digest: 9, ..pending.clone() },
            Record { expires_at: Time(6), ..pending.clone() },
        ];
        for other in others {
            assert_eq!(how(&pending, &other), ANOTHER_ARTIFACT, "{other:?}");
        }
    }

    #[test]
    fn who_claims_a_handoff_claims_what_was_handed_over() {
        let (pending, claimed) = (on(State::Pending), on(State::Claimed(CLAIM)));
        assert_eq!(refines((Some(&pending), false), (Some(&claimed), false)), Edge::Step);
        assert_eq!(how(&pending, &Record { digest: 9, ..claimed }), ANOTHER_ARTIFACT);
    }
}
