//! What the checker of rule S10 forgets of a handoff that retention removed, and what it keeps of every other.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use handoff_kernel::command::{Answer, Command, Event};
use handoff_kernel::history::{History, Seen};
use handoff_kernel::record::{Record, Rejection, State};
use handoff_kernel::testing::small::{BOB, Small, record, start};
use handoff_kernel::time::Time;

fn begin(handoff: u8) -> Command<Small> {
    let artifact = handoff_kernel::command::Start { id: handoff, ..start(0, Time(9), None) };
    Command::Start { sender: BOB, artifact }
}

fn expired(handoff: u8) -> Record<Small> {
    Record { id: handoff, ..record(Time(9), None, State::Rejected(Rejection::Expired { at: Time(10) })) }
}

/// Tells that the handoff was started, as a repeat of its start is told.
fn told_started(history: &mut History<Small>, handoff: u8) {
    let verdict = Ok(Answer::Started { expires_at: Time(9) });
    let command = begin(handoff);
    let now = Time(1);
    let seen =
        Seen::Answered { operation: None, handoff: &handoff, command: &command, verdict: &verdict, now };
    history.observe(&seen).unwrap();
}

#[test]
fn what_was_made_is_known_when_another_handoff_is_removed_and_forgotten_when_it_is_removed_itself() {
    for (removed, settles) in [(1, true), (0, false)] {
        let mut history = History::default();
        for handoff in [0, 1, 2] {
            history.observe(&Seen::Known(&expired(handoff))).unwrap();
        }
        history.observe(&Seen::Pruned(&removed)).unwrap();
        told_started(&mut history, 0);
        let how = history.settle().map_err(|broken| broken.how);
        assert_eq!(how, if settles { Ok(()) } else { Err("an acknowledged transition was never made") });
    }
}

#[test]
fn what_is_owed_to_one_handoff_is_owed_when_another_is_removed_and_not_when_it_is_removed_itself() {
    for (removed, settles) in [(1, false), (0, true)] {
        let mut history = History::default();
        told_started(&mut history, 0);
        for handoff in [1, 2] {
            history.observe(&Seen::Known(&expired(handoff))).unwrap();
        }
        history.observe(&Seen::Pruned(&removed)).unwrap();
        assert_eq!(history.settle().is_ok(), settles, "{removed} is removed");
    }
}

#[test]
fn an_event_is_waited_for_until_it_is_logged() {
    let mut history = History::default();
    let made = record(Time(9), None, State::Pending);
    let event = Event::that_made(&made).next().unwrap();
    history.observe(&Seen::Committed { command: &begin(0), next: &made, event: &event }).unwrap();
    assert!(history.settle().is_err());
    history.observe(&Seen::Logged(&event)).unwrap();
    assert_eq!(history.settle(), Ok(()));
}
