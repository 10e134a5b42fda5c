//! The rules that are no list's: of a step that is repeated, and of the status that is told beside an answer.

use handoff_kernel::command::{Answer, Command};
use handoff_kernel::law::Protocol;
use handoff_kernel::record::{Record, State, Status};
use handoff_kernel::refusal::Refusal;
use handoff_kernel::rules::live::{is_bounded_claim, is_unclaimed};
use handoff_kernel::rules::{Step, repeats, status_is_hidden_from_others};
use handoff_kernel::step::{Transition, step};
use handoff_kernel::testing::small::{ALICE, BOB, EVE, Small, record, records};
use handoff_kernel::time::Time;

const NOW: Time = Time(1);

type Outcome = Result<Transition<Small>, Refusal>;

fn pending() -> Record<Small> {
    record(Time(3), None, State::Pending)
}

fn accept(by: u8, claim_id: Option<u8>) -> Command<Small> {
    Command::Accept { by, claim_id, attempt: 1, receipt: None }
}

/// Whether what came of the second accept is a repetition of the first, which claimed a pending handoff.
fn is_repeated(claim_id: Option<u8>, again: impl FnOnce(&Record<Small>, &Answer<Small>) -> Outcome) -> bool {
    let (before, command) = (pending(), accept(ALICE, claim_id));
    let result = step(&Protocol, Some(&before), &command, NOW);
    let Ok(Transition::To { next, answer: Ok(answer), .. }) = &result else { return false };
    let first = Step { before: Some(&before), command: &command, now: NOW, result: &result };
    let again = again(next, answer);
    let second = Step { before: Some(next), command: &command, now: NOW, result: &again };
    repeats(&first, &second)
}

#[test]
fn a_repetition_changes_nothing_and_is_answered_alike() {
    for claim_id in [None, Some(1)] {
        assert!(is_repeated(claim_id, |_, answer| Ok(Transition::Same(answer.clone()))));
        assert!(!is_repeated(claim_id, |_, _| Ok(Transition::Same(Answer::Swept))), "another answer");
        assert!(!is_repeated(claim_id, |_, _| Err(Refusal::NotFound)), "a refusal");
        let changed =
            is_repeated(claim_id, |_, _| step(&Protocol, Some(&pending()), &accept(ALICE, claim_id), NOW));
        assert!(!changed, "the same answer, and the claim is made again");
    }
    let refused = |claim_id| is_repeated(claim_id, |_, _| Err(Refusal::AlreadyClaimed));
    assert!(refused(None), "an anonymous accept is never repeatable");
    assert!(!refused(Some(1)));
}

#[test]
fn a_status_is_told_to_parties_and_to_the_hub_alone() {
    let known = pending();
    let pending = Some(Status::Pending);
    for (by, party) in [(BOB, true), (ALICE, true), (EVE, false)] {
        let command = accept(by, None);
        assert!(status_is_hidden_from_others(Some(&known), &command, None));
        assert!(status_is_hidden_from_others(None, &command, None));
        assert_eq!(status_is_hidden_from_others(Some(&known), &command, pending), party);
        assert!(!status_is_hidden_from_others(None, &command, pending), "there is none of which to tell");
    }
    assert!(status_is_hidden_from_others(Some(&known), &Command::Sweep, pending));
}

/// L1 and L2 speak of exactly those records that a clock or a poll is still about.
#[test]
fn what_must_not_stay_so_for_ever_is_pending_or_a_claim_with_a_time_limit() {
    for record in records(3).into_iter().flatten() {
        let unclaimed = matches!(record.state, State::Pending);
        let bounded = matches!(record.state, State::Claimed(_)) && record.claim_ttl.is_some();
        assert_eq!(is_unclaimed(&record), unclaimed, "{record:?}");
        assert_eq!(is_bounded_claim(&record), bounded, "{record:?}");
        assert_eq!(record.deadline().is_some(), unclaimed || bounded, "{record:?}");
    }
}
