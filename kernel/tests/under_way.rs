//! What a history knows of operations under way: what was known when each was asked, whatever it is called now.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use handoff_kernel::command::{Answer, Command, Event};
use handoff_kernel::history::{History, Seen};
use handoff_kernel::record::{Claim, Record, Rejection, State};
use handoff_kernel::refusal::Refusal;
use handoff_kernel::testing::small::{ALICE, BOB, Small, record, start};
use handoff_kernel::time::Time;

fn begin() -> Command<Small> {
    Command::Start { sender: BOB, artifact: start(0, Time(9), None) }
}

fn complete() -> Command<Small> {
    Command::Complete { by: ALICE, claim_id: Some(1), result: None, receipt: None }
}

fn ask(history: &mut History<Small>, operation: u64, handoff: u8, command: &Command<Small>) {
    history.observe(&Seen::Asked { operation, handoff: &handoff, command }).unwrap();
}

fn commit(history: &mut History<Small>, command: &Command<Small>, state: State<Small>) {
    let next: Record<Small> = record(Time(9), None, state);
    let event = Event::that_made(&next).last().unwrap();
    history.observe(&Seen::Committed { command, next: &next, event: &event }).unwrap();
}

fn answer(
    history: &mut History<Small>,
    operation: Option<u64>,
    command: &Command<Small>,
    verdict: &Result<Answer<Small>, Refusal>,
) {
    history.observe(&Seen::Answered { operation, handoff: &0, command, verdict, now: Time(1) }).unwrap();
}

fn all(history: &History<Small>) -> Vec<(u64, (bool, u32, usize))> {
    history.under_way().collect()
}

/// Handoff 0 is asked for before it is there, once it is there, and once a first answer is known since.
fn three_asked() -> History<Small> {
    let mut history = History::default();
    ask(&mut history, 1, 0, &complete());
    commit(&mut history, &begin(), State::Pending);
    answer(&mut history, None, &begin(), &Ok(Answer::Started { expires_at: Time(9) }));
    ask(&mut history, 2, 0, &complete());
    answer(&mut history, None, &complete(), &Err(Refusal::NotClaimed));
    ask(&mut history, 3, 0, &complete());
    history
}

#[test]
fn what_is_under_way_is_told_with_what_was_known_when_it_was_asked() {
    let history = three_asked();
    assert_eq!(all(&history), [(1, (false, 0, 0)), (2, (true, 1, 0)), (3, (true, 1, 1))]);
}

#[test]
fn what_is_called_by_another_name_is_answered_and_given_up_by_that_name() {
    let mut history = three_asked();
    history.rename(|operation| 10 - operation);
    assert_eq!(all(&history), [(7, (true, 1, 1)), (8, (true, 1, 0)), (9, (false, 0, 0))]);
    history.observe(&Seen::Gone { operation: 8 }).unwrap();
    answer(&mut history, Some(7), &complete(), &Err(Refusal::NotClaimed));
    assert_eq!(all(&history), [(9, (false, 0, 0))]);
}

#[test]
fn a_change_or_retention_forgets_what_was_known_of_that_handoff_and_of_no_other() {
    let mut history = three_asked();
    ask(&mut history, 4, 1, &complete());
    commit(&mut history, &Command::Sweep, State::Rejected(Rejection::Expired { at: Time(10) }));
    assert_eq!(all(&history)[2..], [(3, (true, 1, 0)), (4, (false, 0, 0))], "answers, and nothing else");
    history.observe(&Seen::Pruned(&1)).unwrap();
    assert_eq!(all(&history)[1..], [(2, (true, 1, 0)), (3, (true, 1, 0)), (4, (false, 0, 0))]);
    history.observe(&Seen::Pruned(&0)).unwrap();
    assert_eq!(all(&history), [1, 2, 3, 4].map(|operation| (operation, (false, 0, 0))));
}

#[test]
fn what_was_decided_before_a_claim_is_no_first_answer_after_it() {
    let accept = |attempt| Command::Accept { by: ALICE, claim_id: None, attempt, receipt: None };
    let mut history = History::default();
    ask(&mut history, 1, 0, &accept(1));
    commit(&mut history, &begin(), State::Pending);
    let claim = Claim { id: None, at: Time(1), attempt: Some(2), receipt: None };
    commit(&mut history, &accept(2), State::Claimed(claim));
    answer(&mut history, Some(1), &accept(1), &Err(Refusal::NotFound));
    answer(&mut history, None, &accept(3), &Err(Refusal::AlreadyClaimed));
}

#[test]
fn what_was_decided_before_an_expiry_is_no_first_answer_after_it() {
    let mut history = three_asked();
    commit(&mut history, &Command::Sweep, State::Rejected(Rejection::Expired { at: Time(10) }));
    answer(&mut history, Some(2), &complete(), &Err(Refusal::NotClaimed));
    answer(&mut history, None, &complete(), &Err(Refusal::Expired));
}
