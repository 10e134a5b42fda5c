//! Each history rule says no to the story that breaks it, and yes to the one that only looks like it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod log;
mod poll;

use std::collections::BTreeSet;

use handoff_kernel::bootstrap::Session;
use handoff_kernel::command::{Answer, Command, Event, EventKind};
use handoff_kernel::history::{Attempted, Broken, ConsumedOnce, History, Seen, WAYS};
use handoff_kernel::record::{Claim, Completion, Record, Rejection, State, Status};
use handoff_kernel::refusal::{Field, Refusal};
use handoff_kernel::rules::Rule;
use handoff_kernel::testing::small::{ALICE, BOB, EVE, Small, record, start};
use handoff_kernel::time::{Millis, Time};

type Told = Result<Answer<Small>, Refusal>;

/// A history, and the few things that are said of handoff 0.
#[derive(Debug, Default, Clone, PartialEq)]
struct Story(History<Small>);

impl Story {
    fn commit(&mut self, command: &Command<Small>, next: &Record<Small>) -> Result<(), Broken> {
        self.0.observe(&Seen::Committed { command, next, event: &event(next) })
    }

    #[expect(clippy::needless_pass_by_value, reason = "it reads better where it is called")]
    fn answer(&mut self, command: &Command<Small>, verdict: Told, now: u64) -> Result<(), Broken> {
        self.told(None, command, &verdict, now)
    }

    #[expect(clippy::needless_pass_by_value, reason = "it reads better where it is called")]
    fn answer_to(&mut self, op: u64, command: &Command<Small>, verdict: Told) -> Result<(), Broken> {
        self.told(Some(op), command, &verdict, 3)
    }

    fn told(
        &mut self,
        operation: Option<u64>,
        command: &Command<Small>,
        verdict: &Told,
        now: u64,
    ) -> Result<(), Broken> {
        let now = Time(now);
        self.0.observe(&Seen::Answered { operation, handoff: &0, command, verdict, now })
    }

    fn ask(&mut self, operation: u64, command: &Command<Small>) -> Result<(), Broken> {
        self.0.observe(&Seen::Asked { operation, handoff: &0, command })
    }

    fn gone(&mut self, operation: u64) -> Result<(), Broken> {
        self.0.observe(&Seen::Gone { operation })
    }

    fn known(&mut self, record: &Record<Small>) -> Result<(), Broken> {
        self.0.observe(&Seen::Known(record))
    }

    fn log(&mut self, record: &Record<Small>) -> Result<(), Broken> {
        self.0.observe(&Seen::Logged(&event(record)))
    }

    fn prune(&mut self) -> Result<(), Broken> {
        self.0.observe(&Seen::Pruned(&0))
    }

    fn deliver(&mut self, digest: u8) -> Result<(), Broken> {
        self.0.observe(&Seen::Delivered { handoff: &0, digest: &digest })
    }

    fn started_and_then(&mut self, next: &Record<Small>) -> Result<(), Broken> {
        self.commit(&begin(0), &pending())?;
        self.commit(&accept(Some(1), 1), next)
    }

    /// Started and claimed by claim 1, and nobody told.
    fn in_the_hands_of_1() -> Self {
        let mut story = Self::default();
        story.started_and_then(&claimed(Some(1), 2)).unwrap();
        story
    }

    fn poll(&mut self, shown: Option<u8>, now: u64) -> Result<(), Broken> {
        self.0.observe(&Seen::Polled { target: &ALICE, shown: shown.as_ref(), now: Time(now) })
    }

    fn locate(&mut self, statuses: &[Status]) -> Result<(), Broken> {
        self.0.observe(&Seen::Located { handoff: &0, statuses })
    }
}

fn event(next: &Record<Small>) -> Event<Small> {
    Event { handoff: next.id, kind: EventKind::of(&next.state), at: Time(1), actor: None }
}

fn begin(digest: u8) -> Command<Small> {
    Command::Start { sender: BOB, artifact: start(digest, Time(9), None) }
}

fn accept(claim_id: Option<u8>, attempt: u8) -> Command<Small> {
    Command::Accept { by: ALICE, claim_id, attempt, receipt: None }
}

fn pending() -> Record<Small> {
    record(Time(9), None, State::Pending)
}

fn claimed(id: Option<u8>, at: u64) -> Record<Small> {
    record(Time(9), None, State::Claimed(Claim { id, at: Time(at), attempt: Some(1), receipt: None }))
}

fn complete(claim_id: Option<u8>, receipt: Option<u8>) -> Command<Small> {
    Command::Complete { by: ALICE, claim_id, result: None, receipt }
}

fn completed() -> Record<Small> {
    let State::Claimed(claim) = claimed(Some(1), 2).state else { unreachable!() };
    let completion = Completion { at: Time(3), result: None, receipt: None };
    record(Time(9), None, State::Completed { claim, completion })
}

/// The claim's author bounded it, to three milliseconds.
fn bounded() -> Record<Small> {
    Record { claim_ttl: Some(Millis(3)), ..claimed(Some(1), 2) }
}

fn expired() -> Record<Small> {
    record(Time(9), None, State::Rejected(Rejection::Expired { at: Time(10) }))
}

const DONE: Told = Ok(Answer::Completed { at: Time(3) });
const STARTED: Told = Ok(Answer::Started { expires_at: Time(9) });

fn won(claim_id: Option<u8>, at: u64) -> Told {
    Ok(Answer::Claimed { claim_id, claimed_at: Time(at), claim_expires_at: None })
}

fn rule(told: Result<(), Broken>) -> Rule {
    told.unwrap_err().rule
}

/// A story that breaks the rules in the way of this name, and not before its last word.
type Forged = (&'static str, fn(&mut Story) -> Result<(), Broken>);

const FORGED: &[Forged] = &[
    ("a record's claim changed", |story| {
        story.commit(&accept(Some(1), 1), &claimed(Some(1), 2))?;
        story.commit(&accept(Some(2), 2), &claimed(Some(2), 2))
    }),
    ("a record's claim changed", |story| {
        story.known(&claimed(Some(1), 2))?;
        story.commit(&Command::Sweep, &expired())
    }),
    ("two claims of one handoff were acknowledged", |story| {
        story.answer(&accept(Some(1), 1), won(Some(1), 2), 2)?;
        story.answer(&accept(Some(2), 2), won(Some(2), 2), 2)
    }),
    ("two claims of one handoff were acknowledged", |story| {
        story.answer(&accept(None, 1), won(None, 2), 2)?;
        story.answer(&accept(None, 2), won(None, 2), 2)
    }),
    ("a claim was acknowledged that is not the one on record", |story| {
        story.commit(&accept(Some(1), 1), &claimed(Some(1), 2))?;
        story.answer(&accept(Some(2), 2), won(Some(2), 2), 2)
    }),
    ("a claim was acknowledged that is not the one on record", |story| {
        story.commit(&accept(Some(1), 1), &claimed(Some(1), 2))?;
        story.answer(&accept(Some(1), 1), won(Some(1), 3), 3)
    }),
    ("a claim was acknowledged that is not the one on record", |story| {
        story.answer(&accept(Some(2), 2), won(Some(2), 2), 2)?;
        story.commit(&accept(Some(1), 1), &claimed(Some(1), 2))?;
        story.0.settle()
    }),
    ("a claim was acknowledged that is not the one on record", |story| {
        story.known(&claimed(Some(1), 2))?;
        story.answer(&accept(Some(2), 2), won(Some(2), 2), 2)
    }),
    ("a terminal record was committed over", |story| {
        story.commit(&complete(Some(1), None), &completed())?;
        story.commit(&Command::Sweep, &claimed(Some(1), 2))
    }),
    ("a terminal record was committed over", |story| {
        story.known(&expired())?;
        story.commit(&accept(Some(1), 1), &claimed(Some(1), 2))
    }),
    ("a handoff that retention had removed came back", |story| {
        story.prune()?;
        story.commit(&begin(0), &pending())
    }),
    ("an acknowledged start was not found by its target", |story| {
        story.answer(&begin(0), STARTED, 1)?;
        story.answer(&accept(Some(1), 1), Err(Refusal::NotFound), 2)
    }),
    ("an acknowledged start was not found by its target", |story| {
        story.answer(&begin(0), STARTED, 1)?;
        story.ask(7, &accept(Some(1), 1))?;
        story.answer_to(7, &accept(Some(1), 1), Err(Refusal::NotFound))
    }),
    ("an acknowledged start was not found by its target", |story| {
        story.ask(7, &accept(Some(1), 1))?;
        story.answer(&begin(0), STARTED, 1)?;
        story.gone(7)?;
        story.answer_to(7, &accept(Some(1), 1), Err(Refusal::NotFound))
    }),
    ("an acknowledged start was not found by its author", |story| {
        story.answer(&begin(0), STARTED, 1)?;
        let by_author = Command::Complete { by: BOB, claim_id: None, result: None, receipt: None };
        story.answer(&by_author, Err(Refusal::NotFound), 2)
    }),
    ("a handoff is in two statuses at once", |story| story.locate(&[Status::Pending, Status::Claimed])),
    ("an acknowledged start is in no status", |story| {
        story.answer(&begin(0), STARTED, 1)?;
        story.locate(&[])
    }),
    ("what a start fixed was committed otherwise", |story| {
        story.started_and_then(&Record { author: EVE, ..claimed(Some(1), 2) })
    }),
    ("what a start fixed was committed otherwise", |story| {
        story.started_and_then(&Record { target: EVE, ..claimed(Some(1), 2) })
    }),
    ("what a start fixed was committed otherwise", |story| {
        story.started_and_then(&Record { digest: 1, ..claimed(Some(1), 2) })
    }),
    ("an unfinished handoff was removed", |story| story.known(&pending()).and_then(|()| story.prune())),
    ("what a start fixed was committed otherwise", |story| {
        story.started_and_then(&Record { started_at: Time(1), ..claimed(Some(1), 2) })
    }),
    ("what a start fixed was committed otherwise", |story| {
        story.started_and_then(&Record { expires_at: Time(8), ..claimed(Some(1), 2) })
    }),
    ("what a start fixed was committed otherwise", |story| {
        story.known(&pending())?;
        story.commit(&accept(Some(1), 1), &bounded())
    }),
    ("one id was acknowledged for two artifacts", |story| {
        story.answer(&begin(0), STARTED, 1)?;
        story.answer(&begin(1), STARTED, 1)
    }),
    ("one id was acknowledged for two artifacts", |story| {
        story.answer(&begin(0), STARTED, 1)?;
        let artifact = handoff_kernel::command::Start { author: EVE, ..start(0, Time(9), None) };
        story.answer(&Command::Start { sender: EVE, artifact }, STARTED, 1)
    }),
    ("other bytes were delivered than were started", |story| {
        story.answer(&begin(0), STARTED, 1)?;
        story.deliver(1)
    }),
    ("a repeated command took effect again", |story| {
        story.commit(&accept(None, 1), &claimed(None, 2))?;
        story.commit(&accept(None, 2), &claimed(None, 2))
    }),
    // An accept is known by its attempt, whenever it was asked.
    ("a command that took effect was told that it did not", |story| {
        story.ask(7, &accept(None, 1))?;
        story.commit(&accept(None, 1), &claimed(None, 2))?;
        story.answer_to(7, &accept(None, 1), Err(Refusal::AlreadyClaimed))
    }),
    // And whatever took effect, by its having been asked since.
    ("a command that took effect was told that it did not", |story| {
        story.commit(&begin(0), &pending())?;
        story.commit(&accept(Some(1), 1), &claimed(Some(1), 2))?;
        story.answer(&begin(0), Err(Refusal::IdConflict), 3)
    }),
    ("a command that had taken effect was refused when it was repeated", |story| {
        story.commit(&accept(Some(1), 1), &claimed(Some(1), 2))?;
        story.answer(&accept(Some(1), 2), Err(Refusal::AlreadyClaimed), 2)
    }),
    ("a command that had taken effect was refused when it was repeated", |story| {
        *story = Story::in_the_hands_of_1();
        story.commit(&complete(Some(1), None), &completed())?;
        story.ask(7, &complete(Some(1), Some(4)))?;
        story.answer_to(7, &complete(Some(1), Some(4)), Err(Refusal::AlreadyCompleted))
    }),
    ("a command that had taken effect was refused when it was repeated", |story| {
        story.commit(&accept(Some(1), 1), &bounded())?;
        story.answer(&accept(Some(1), 2), Err(Refusal::ClaimExpired), 5)
    }),
    ("a repeated command was answered differently", |story| {
        story.answer(&accept(Some(1), 1), Err(Refusal::AlreadyClaimed), 1)?;
        story.ask(7, &accept(Some(1), 2))?;
        story.answer_to(7, &accept(Some(1), 2), Err(Refusal::AlreadyCompleted))
    }),
    ("a repeated command was answered differently", |story| {
        story.answer(&accept(Some(1), 1), Err(Refusal::AlreadyClaimed), 2)?;
        story.answer(&accept(Some(1), 2), Ok(Answer::Swept), 2)
    }),
    // The answer to what took effect is the same whatever happens since, and whenever it was asked.
    ("a repeated command was answered differently", |story| {
        *story = Story::in_the_hands_of_1();
        story.answer(&begin(0), STARTED, 3)?;
        story.answer(&begin(0), Ok(Answer::Started { expires_at: Time(8) }), 3)
    }),
    // Told that a deadline was carried out, which then is no more.
    ("a repeated command was answered differently", |story| {
        story.commit(&begin(0), &pending())?;
        story.ask(7, &accept(Some(1), 1))?;
        story.commit(&accept(Some(1), 1), &expired())?;
        story.answer_to(7, &accept(Some(1), 1), Err(Refusal::Expired))?;
        story.answer(&accept(Some(1), 2), Err(Refusal::AlreadyRejected), 11)
    }),
    // What was known only when the other had been asked does not take the place of what is known.
    ("a repeated command was answered differently", |story| {
        story.ask(7, &accept(Some(1), 1))?;
        story.answer(&accept(Some(1), 1), Err(Refusal::AlreadyClaimed), 1)?;
        story.answer_to(7, &accept(Some(1), 1), Err(Refusal::AlreadyCompleted))?;
        story.answer(&accept(Some(1), 1), Err(Refusal::AlreadyCompleted), 1)
    }),
    ("the log has an event that is not the next transition", |story| story.log(&pending())),
    ("the log has an event that is not the next transition", |story| {
        *story = Story::in_the_hands_of_1();
        story.log(&claimed(Some(1), 2))
    }),
    ("a transition has no event", |story| {
        story.commit(&begin(0), &pending())?;
        story.0.settle()
    }),
    ("an acknowledged transition was never made", |story| {
        let other = Record { id: 1, ..pending() };
        story.commit(&begin(0), &other)?;
        story.log(&other)?;
        story.answer(&begin(0), STARTED, 1)?;
        story.0.settle()
    }),
    ("an acknowledged transition was never made", |story| {
        story.commit(&begin(0), &pending())?;
        story.log(&pending())?;
        story.answer(&accept(Some(1), 1), won(Some(1), 2), 2)?;
        story.0.settle()
    }),
    ("an acknowledged transition was never made", |story| {
        story.known(&claimed(Some(1), 2))?;
        story.answer(&complete(Some(1), None), DONE, 3)?;
        story.0.settle()
    }),
    ("an acknowledged transition was never made", |story| {
        story.known(&pending())?;
        let declined = Command::Reject { by: ALICE, claim_id: None, reason: 0, receipt: None };
        story.answer(&declined, Ok(Answer::Rejected { at: Time(3) }), 3)?;
        story.0.settle()
    }),
    ("a session consumed a bootstrap twice", |_| consumed_by([1, 1])),
    ("two sessions consumed one bootstrap", |_| consumed_by([1, 2])),
    ("a bootstrap without a date was consumed", |_| ConsumedOnce::default().consumed(&consuming(1, None, 3))),
    ("a bootstrap from the future was consumed", |_| {
        ConsumedOnce::default().consumed(&consuming(1, Some(4), 3))
    }),
    ("a stale bootstrap was consumed", |_| ConsumedOnce::default().consumed(&consuming(1, Some(2), 8))),
    ("a bootstrap that is not stale was refused as stale", |_| {
        ConsumedOnce::default().refused_as_stale(&consuming(1, Some(2), 7))
    }),
    ("a poll showed another handoff than the oldest, or none", |story| {
        story.known(&pending())?;
        story.poll(None, 9)
    }),
    ("a handoff was started in the name of another than its sender", |story| {
        story.commit(&Command::Start { sender: EVE, artifact: start(0, Time(9), None) }, &pending())
    }),
    ("a handoff was started in the name of another than its sender", |story| {
        story.answer(&Command::Start { sender: EVE, artifact: start(0, Time(9), None) }, STARTED, 1)
    }),
];

fn consumed_by(sessions: [u64; 2]) -> Result<(), Broken> {
    let mut once = ConsumedOnce::default();
    sessions.into_iter().try_for_each(|session| once.consumed(&consuming(session, Some(2), 3)))
}

/// A window of five.
fn consuming(session: u64, accepted_at: Option<u64>, now: u64) -> Attempted<'static, Small> {
    let (session, accepted_at) = (Session(session), accepted_at.map(Time));
    Attempted { handoff: &0, session, accepted_at, window: Millis(5), now: Time(now) }
}

#[test]
fn each_forged_history_is_refused_in_its_way_and_each_way_has_one() {
    let ways: BTreeSet<_> = WAYS.iter().map(|way| way.how).collect();
    assert_eq!(ways.len(), WAYS.len(), "no two ways are called the same");
    for (number, (how, forge)) in FORGED.iter().enumerate() {
        let broken = forge(&mut Story::default());
        assert_eq!(broken.map_err(|broken| broken.how), Err(*how), "{number}");
    }
    let forged: BTreeSet<_> = FORGED.iter().map(|(how, _)| *how).collect();
    assert_eq!(forged, ways);
}

#[test]
fn what_was_asked_before_may_have_been_decided_before() {
    let again = accept(Some(1), 2);
    // Nothing was found before it was there.
    let mut story = Story::default();
    story.ask(7, &accept(Some(1), 1)).unwrap();
    story.ask(8, &again).unwrap();
    story.commit(&begin(0), &pending()).unwrap();
    story.answer(&begin(0), STARTED, 1).unwrap();
    story.answer_to(7, &accept(Some(1), 1), Err(Refusal::NotFound)).unwrap();
    // That is no answer of today: another may be told otherwise; nor does it deny what has happened since.
    story.answer(&again, Err(Refusal::NotClaimed), 1).unwrap();
    story.commit(&accept(Some(1), 3), &claimed(Some(1), 2)).unwrap();
    story.answer_to(8, &again, Err(Refusal::NotFound)).unwrap();

    // A claim was another's, and then it was completed.
    let wrong = complete(Some(2), None);
    let mut story = Story::in_the_hands_of_1();
    story.answer(&wrong, Err(Refusal::WrongClaim), 2).unwrap();
    story.ask(7, &wrong).unwrap();
    story.ask(8, &complete(Some(1), None)).unwrap();
    story.commit(&complete(Some(1), None), &completed()).unwrap();
    story.answer(&wrong, Err(Refusal::AlreadyCompleted), 3).unwrap();
    story.answer_to(7, &wrong, Err(Refusal::WrongClaim)).unwrap();
    story.answer_to(8, &complete(Some(1), None), Err(Refusal::NotClaimed)).unwrap();
    assert_eq!(rule(story.answer(&wrong, Err(Refusal::WrongClaim), 3)), Rule::S9, "asked since");

    // Two at once, with no change that was seen: neither knew of the other.
    let mut story = Story::default();
    story.ask(7, &wrong).unwrap();
    story.answer(&wrong, Err(Refusal::AlreadyCompleted), 3).unwrap();
    story.answer_to(7, &wrong, Err(Refusal::WrongClaim)).unwrap();

    // Retention came between.
    let mut story = Story::default();
    story.answer(&begin(0), STARTED, 1).unwrap();
    story.answer(&again, Err(Refusal::AlreadyClaimed), 2).unwrap();
    story.ask(7, &again).unwrap();
    story.prune().unwrap();
    story.answer(&again, Err(Refusal::NotFound), 2).unwrap();
    story.answer_to(7, &again, Err(Refusal::AlreadyClaimed)).unwrap();
}

#[test]
fn an_operation_is_forgotten_when_it_is_answered_or_gone() {
    let (mut asked, mut not) = (Story::in_the_hands_of_1(), Story::in_the_hands_of_1());
    asked.ask(7, &begin(0)).unwrap();
    asked.ask(8, &begin(0)).unwrap();
    assert_ne!(asked, not);
    asked.answer_to(7, &begin(0), STARTED).unwrap();
    asked.gone(8).unwrap();
    not.answer(&begin(0), STARTED, 3).unwrap();
    assert_eq!(asked, not);
    // Nor is an answer kept twice, or anything of what retention removed but that it did.
    asked.ask(7, &accept(None, 4)).unwrap();
    for story in [&mut asked, &mut not] {
        story.answer(&accept(None, 4), Err(Refusal::AlreadyClaimed), 3).unwrap();
    }
    asked.answer_to(7, &accept(None, 4), Err(Refusal::AlreadyClaimed)).unwrap();
    assert_eq!(asked, not);
    asked.known(&Record { id: 1, ..expired() }).unwrap();
    for story in [&mut asked, &mut not] {
        story.0.observe(&Seen::Pruned(&1)).unwrap();
    }
    assert_eq!(asked, not);
}

#[test]
fn a_change_or_a_deadline_since_is_why_a_repeat_may_be_refused() {
    let again = accept(Some(1), 2);
    let mut story = Story::in_the_hands_of_1();
    story.commit(&complete(Some(1), None), &completed()).unwrap();
    story.answer(&again, Err(Refusal::AlreadyCompleted), 3).unwrap();
    let mut story = Story::default();
    story.commit(&accept(Some(1), 1), &bounded()).unwrap();
    story.answer(&again, Err(Refusal::ClaimExpired), 6).unwrap();
    let mut story = Story::default();
    story.commit(&accept(None, 1), &claimed(None, 2)).unwrap();
    story.answer(&accept(None, 2), Err(Refusal::AlreadyClaimed), 2).unwrap();
    let mut story = Story::default();
    story.answer(&accept(None, 1), Err(Refusal::AlreadyClaimed), 2).unwrap();
    story.answer(&accept(None, 2), won(None, 2), 2).unwrap();
}

#[test]
fn s10_believes_what_was_there_and_judges_no_answers_alone() {
    let mut story = Story::default();
    story.answer(&accept(Some(1), 1), won(Some(1), 2), 2).unwrap();
    story.0.settle().unwrap();
    let mut story = Story::default();
    story.known(&completed()).unwrap();
    story.answer(&begin(0), STARTED, 3).unwrap();
    story.answer(&accept(Some(1), 1), won(Some(1), 2), 3).unwrap();
    story.answer(&complete(Some(1), None), DONE, 3).unwrap();
    story.0.settle().unwrap();
    // Told before the store was heard of: it is made up for.
    let mut story = Story::default();
    story.answer(&begin(0), STARTED, 1).unwrap();
    story.commit(&begin(0), &pending()).unwrap();
    story.log(&pending()).unwrap();
    story.0.settle().unwrap();
}

#[test]
fn s1_says_yes_to_the_first_winner_again() {
    let mut story = Story::default();
    story.answer(&accept(Some(1), 1), won(Some(1), 2), 2).unwrap();
    story.answer(&accept(Some(1), 2), won(Some(1), 2), 3).unwrap();
}

#[test]
fn s13_minds_only_what_was_acknowledged() {
    let false_start = Command::Start { sender: ALICE, artifact: start(0, Time(9), None) };
    Story::default().answer(&false_start, Err(Refusal::WrongSender), 1).unwrap();
}

#[test]
fn s7_says_yes_to_what_is_there_and_to_what_was_removed() {
    let mut story = Story::default();
    story.answer(&begin(0), STARTED, 1).unwrap();
    story.locate(&[Status::Pending]).unwrap();
    story.0.observe(&Seen::Pruned(&0)).unwrap();
    story.locate(&[]).unwrap();
}

#[test]
fn s8_says_yes_to_the_same_bytes_and_to_unknown_ones() {
    let mut story = Story::default();
    story.0.observe(&Seen::Delivered { handoff: &0, digest: &5 }).unwrap();
    story.answer(&begin(0), STARTED, 1).unwrap();
    story.0.observe(&Seen::Delivered { handoff: &0, digest: &0 }).unwrap();
}

#[test]
fn s9_says_no_to_another_answer_unless_something_has_changed() {
    let (first, other) = (won(Some(1), 2), Err(Refusal::AlreadyClaimed));
    let mut story = Story::default();
    story.commit(&begin(0), &pending()).unwrap();
    story.answer(&begin(0), STARTED, 1).unwrap();
    story.commit(&accept(Some(1), 1), &claimed(Some(1), 2)).unwrap();
    story.answer(&accept(Some(1), 1), first.clone(), 2).unwrap();
    story.answer(&accept(Some(1), 2), first, 3).unwrap();
    assert_eq!(rule(story.answer(&accept(Some(1), 3), other, 3)), Rule::S9);

    let mut story = Story::default();
    story.answer(&accept(Some(1), 1), Err(Refusal::NotFound), 1).unwrap();
    assert_eq!(rule(story.answer(&accept(Some(1), 1), Err(Refusal::WrongAgent), 1)), Rule::S9);
    story.commit(&begin(0), &pending()).unwrap();
    story.answer(&accept(Some(1), 1), Err(Refusal::WrongAgent), 1).unwrap();
}

#[test]
fn s9_lets_a_deadline_change_the_answer() {
    let mut story = Story::default();
    story.commit(&accept(Some(1), 1), &bounded()).unwrap();
    story.answer(&accept(Some(2), 2), Err(Refusal::AlreadyClaimed), 5).unwrap();
    story.answer(&accept(Some(2), 2), Err(Refusal::ClaimExpired), 6).unwrap();
    assert_eq!(rule(story.answer(&accept(Some(2), 2), Err(Refusal::AlreadyClaimed), 7)), Rule::S9);

    let mut story = Story::default();
    story.answer(&begin(0), Err(Refusal::Invalid(Field::ExpiresAt)), 1).unwrap();
    story.answer(&begin(0), STARTED, 1).unwrap();
    story.answer(&begin(0), Err(Refusal::Expired), 10).unwrap();
    let mut story = Story::default();
    story.commit(&begin(0), &pending()).unwrap();
    story.answer(&accept(Some(1), 1), won(Some(1), 9), 9).unwrap();
    story.answer(&accept(Some(1), 1), Err(Refusal::Expired), 10).unwrap();
}

#[test]
fn what_is_broken_is_said_by_name() {
    let broken = Broken { rule: Rule::S1, how: "two claims of one handoff were acknowledged" };
    assert_eq!(broken.to_string(), "S1 SingleWinner: two claims of one handoff were acknowledged");
}
