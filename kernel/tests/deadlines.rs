//! Rule S9 lets a deadline change what a repeat is told: from the millisecond after it on, and not at it.

use handoff_kernel::command::{Answer, Command};
use handoff_kernel::history::{Broken, History, Seen};
use handoff_kernel::record::{Claim, Record, State};
use handoff_kernel::refusal::Refusal;
use handoff_kernel::testing::small::{ALICE, BOB, Small, record, start};
use handoff_kernel::time::{Millis, Time};

/// The deadline of everything here.
const LAST: Time = Time(9);

/// Whether a history that knows this record takes two answers to one command at these times for answers to the same.
fn broken(known: Option<&Record<Small>>, command: &Command<Small>, times: [Time; 2]) -> Result<(), Broken> {
    let mut history = History::default();
    known.map_or(Ok(()), |record| history.observe(&Seen::Known(record)))?;
    let verdicts: [Result<Answer<Small>, Refusal>; 2] = [Err(Refusal::NotFound), Err(Refusal::WrongAgent)];
    verdicts.iter().zip(times).try_for_each(|(verdict, now)| {
        history.observe(&Seen::Answered { operation: None, handoff: &0, command, verdict, now })
    })
}

#[test]
fn an_answer_may_change_right_after_the_deadline_and_not_at_it() {
    let complete = Command::Complete { by: ALICE, claim_id: Some(1), result: None, receipt: None };
    let begin = Command::Start { sender: BOB, artifact: start(0, LAST, None) };
    let claim = Claim { id: Some(1), at: Time(4), attempt: None, receipt: None };
    let pending = record(LAST, None, State::Pending);
    let claimed = record(Time(4), Some(Millis(5)), State::Claimed(claim.clone()));
    let unbounded = record(Time(4), None, State::Claimed(claim));
    let (before, after, long_after) = (Time(8), Time(10), Time(99));
    for (known, command) in [(Some(&pending), &complete), (Some(&claimed), &complete), (None, &begin)] {
        for times in [[before, LAST], [LAST, before], [after, long_after], [long_after, after]] {
            assert!(broken(known, command, times).is_err(), "{known:?} {times:?}");
        }
        for times in [[before, after], [LAST, after], [LAST, long_after], [after, LAST], [long_after, before]]
        {
            assert_eq!(broken(known, command, times), Ok(()), "{known:?} {times:?}");
        }
    }
    for (known, command) in [(Some(&unbounded), &complete), (None, &complete)] {
        assert!(broken(known, command, [before, long_after]).is_err(), "no deadline: {known:?}");
    }
}
