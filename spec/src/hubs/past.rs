//! How what is on record at the beginning came to be there: by commands, seen by the history checkers.

use handoff_kernel::command::{Command, Start};
use handoff_kernel::history::{History, Seen};
use handoff_kernel::law::Protocol;
use handoff_kernel::record::Record;
use handoff_kernel::rules::Rules;
use handoff_kernel::step::{Transition, step};
use handoff_kernel::testing::small::Small;
use handoff_kernel::time::Time;

/// The history by which these records came to be: each was started, and perhaps claimed, lawfully and acknowledged.
/// Of a record that came to be otherwise, no more is known than that it was there.
pub(super) fn past(rules: Rules, records: &[&Record<Small>]) -> History<Small> {
    let mut history = History::asking_for(rules);
    for record in records {
        let mut before = None;
        let mut steps = Vec::new();
        for (command, at) in how_it_came(record) {
            if let Ok(Transition::To { next, event, answer }) = step(&Protocol, before.as_ref(), &command, at)
            {
                before = Some(next.clone());
                steps.push((command, at, next, event, answer));
            }
        }
        if before.as_ref() != Some(*record) {
            history.observe(&Seen::Known(record)).expect("of each handoff it is the first that is seen");
            continue;
        }
        for (command, at, next, event, answer) in &steps {
            let all = [
                Seen::Committed { command, next, event },
                Seen::Logged(event),
                Seen::Answered { operation: None, handoff: &record.id, command, verdict: answer, now: *at },
            ];
            for seen in all {
                history
                    .observe(&seen)
                    .expect("what the protocol does is lawful: this is the handoff's first or second step");
            }
        }
    }
    history
}

/// The commands that make this record, and when.
fn how_it_came(record: &Record<Small>) -> Vec<(Command<Small>, Time)> {
    let start = (Command::Start { sender: record.author, artifact: Start::of(record) }, record.started_at);
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
        let mut history = past(Rules::ALL, &[&pending]);
        let seen = Seen::Polled { target: &ALICE, shown: None, now: Time(5) };
        assert!(history.observe(&seen).is_err(), "it is pending, and a poll must show it");
        assert!(
            history.observe(&Seen::Located { handoff: &0, statuses: &[] }).is_err(),
            "it was acknowledged"
        );
        assert!(history.settle().is_ok());
        let claim = Claim { id: Some(1), at: Time(2), attempt: Some(7), receipt: None };
        let claimed = record(Time(5), None, State::Claimed(claim));
        assert!(
            past(Rules::ALL, &[&claimed]).observe(&seen).is_ok(),
            "it is claimed, and a poll does not show it"
        );
        assert_eq!(claimed.status(), Status::Claimed);
    }
}
