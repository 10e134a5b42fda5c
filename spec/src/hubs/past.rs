//! How what is on record at the beginning came to be there: by commands, seen by the history checkers.

use handoff_kernel::command::{Command, Start};
use handoff_kernel::history::{History, Seen};
use handoff_kernel::law::Protocol;
use handoff_kernel::record::Record;
use handoff_kernel::step::{Transition, step};
use handoff_kernel::testing::small::Small;
use handoff_kernel::time::Time;

/// The history by which these records came to be: each was started, and perhaps claimed, lawfully and acknowledged.
/// Of a record that came to be otherwise, nothing is known.
pub(super) fn past(records: &[&Record<Small>]) -> History<Small> {
    let mut history = History::default();
    for record in records.iter().filter(|record| !record.status().is_terminal()) {
        let mut before = None;
        for (command, at) in how_it_came(record) {
            let Ok(Transition::To { next, event, answer }) = step(&Protocol, before.as_ref(), &command, at)
            else {
                break;
            };
            let all = [
                Seen::Committed { command: &command, next: &next, event: &event },
                Seen::Logged(&event),
                Seen::Answered { handoff: &record.id, command: &command, verdict: &answer, now: at },
            ];
            for seen in all {
                history
                    .observe(&seen)
                    .expect("what the protocol does is lawful: this is its first or second step");
            }
            before = Some(next);
        }
    }
    history
}

/// The commands that make this record, and when.
fn how_it_came(record: &Record<Small>) -> Vec<(Command<Small>, Time)> {
    let artifact = Start {
        id: record.id,
        author: record.author,
        target: record.target,
        digest: record.digest,
        expires_at: record.expires_at,
        claim_ttl: record.claim_ttl,
    };
    let start = (Command::Start { sender: record.author, artifact }, record.started_at);
    let accept = record.claim().map(|claim| {
        let (by, attempt) = (record.target, claim.attempt.unwrap_or_default());
        (Command::Accept { by, claim_id: claim.id, attempt, receipt: claim.receipt }, claim.at)
    });
    [start].into_iter().chain(accept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_kernel::record::{Claim, State, Status};
    use handoff_kernel::testing::small::{ALICE, record};

    #[test]
    fn a_pending_record_is_known_to_the_checkers_as_if_they_had_seen_its_start() {
        let pending = record(Time(5), None, State::Pending);
        let mut history = past(&[&pending]);
        let seen = Seen::Polled { target: &ALICE, shown: None, now: Time(5) };
        assert!(history.observe(&seen).is_err(), "it is pending, and a poll must show it");
        assert!(
            history.observe(&Seen::Located { handoff: &0, statuses: &[] }).is_err(),
            "it was acknowledged"
        );
        assert!(history.settle().is_ok());
        let claim = Claim { id: Some(1), at: Time(2), attempt: Some(7), receipt: None };
        let claimed = record(Time(5), None, State::Claimed(claim));
        assert!(past(&[&claimed]).observe(&seen).is_ok(), "it is claimed, and a poll does not show it");
        assert_eq!(claimed.status(), Status::Claimed);
    }
}
