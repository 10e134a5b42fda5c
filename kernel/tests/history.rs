//! Each history rule says no to the story that breaks it, and yes to the one that only looks like it.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use handoff_kernel::command::{Answer, Command, Event, EventKind};
use handoff_kernel::history::{Broken, History, Seen};
use handoff_kernel::record::{Claim, Record, State, Status};
use handoff_kernel::refusal::{Field, Refusal};
use handoff_kernel::rules::Rule;
use handoff_kernel::testing::small::{ALICE, BOB, Small, record, start};
use handoff_kernel::time::{Millis, Time};

type Told = Result<Answer<Small>, Refusal>;

/// A history, and the few things that are said of handoff 0.
#[derive(Default)]
struct Story(History<Small>);

impl Story {
    fn commit(&mut self, command: &Command<Small>, next: &Record<Small>) -> Result<(), Broken> {
        self.0.observe(&Seen::Committed { command, next, event: &event(next) })
    }

    #[expect(clippy::needless_pass_by_value, reason = "it reads better where it is called")]
    fn answer(&mut self, command: &Command<Small>, verdict: Told, now: u64) -> Result<(), Broken> {
        self.0.observe(&Seen::Answered { handoff: &0, command, verdict: &verdict, now: Time(now) })
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

const STARTED: Told = Ok(Answer::Started { expires_at: Time(9) });

fn won(claim_id: Option<u8>, at: u64) -> Told {
    Ok(Answer::Claimed { claim_id, claimed_at: Time(at), claim_expires_at: None })
}

fn rule(told: Result<(), Broken>) -> Rule {
    told.unwrap_err().rule
}

#[test]
fn s1_says_no_to_a_second_winner_and_yes_to_the_first_again() {
    let mut story = Story::default();
    story.answer(&accept(Some(1), 1), won(Some(1), 2), 2).unwrap();
    story.answer(&accept(Some(1), 2), won(Some(1), 2), 3).unwrap();
    assert_eq!(rule(story.answer(&accept(Some(2), 3), won(Some(2), 2), 3)), Rule::S1);
    let mut story = Story::default();
    story.answer(&accept(Some(1), 1), won(Some(1), 2), 2).unwrap();
    assert_eq!(rule(story.answer(&accept(Some(1), 2), won(Some(1), 3), 3)), Rule::S1, "another time");
    let mut story = Story::default();
    story.answer(&accept(None, 1), won(None, 2), 2).unwrap();
    assert_eq!(rule(story.answer(&accept(None, 2), won(None, 2), 2)), Rule::S1, "anonymous twice");
    let mut story = Story::default();
    story.commit(&accept(Some(1), 1), &claimed(Some(1), 2)).unwrap();
    assert_eq!(rule(story.commit(&accept(Some(2), 2), &claimed(Some(2), 2))), Rule::S1, "on record");
}

#[test]
fn s4_says_no_when_what_retention_removed_comes_back() {
    let mut story = Story::default();
    story.commit(&begin(0), &pending()).unwrap();
    story.0.observe(&Seen::Pruned(&0)).unwrap();
    assert_eq!(rule(story.commit(&begin(0), &pending())), Rule::S4);
}

#[test]
fn s13_says_no_to_a_start_in_another_name() {
    let false_start = Command::Start { sender: ALICE, artifact: start(0, Time(9), None) };
    assert_eq!(rule(Story::default().commit(&false_start, &pending())), Rule::S13, "on record");
    assert_eq!(rule(Story::default().answer(&false_start, STARTED, 1)), Rule::S13, "acknowledged");
    Story::default().answer(&false_start, Err(Refusal::WrongSender), 1).unwrap();
}

#[test]
fn s7_says_no_when_an_acknowledged_start_is_nowhere_or_twice() {
    let mut story = Story::default();
    story.locate(&[]).unwrap();
    story.answer(&begin(0), STARTED, 1).unwrap();
    story.locate(&[Status::Pending]).unwrap();
    assert_eq!(rule(story.locate(&[])), Rule::S7);
    assert_eq!(rule(story.locate(&[Status::Pending, Status::Claimed])), Rule::S7);
    assert_eq!(rule(story.answer(&accept(Some(1), 1), Err(Refusal::NotFound), 2)), Rule::S7);
    story.0.observe(&Seen::Pruned(&0)).unwrap();
    story.locate(&[]).unwrap();
}

#[test]
fn s8_says_no_to_other_bytes() {
    let mut story = Story::default();
    story.0.observe(&Seen::Delivered { handoff: &0, digest: &5 }).unwrap();
    story.answer(&begin(0), STARTED, 1).unwrap();
    story.0.observe(&Seen::Delivered { handoff: &0, digest: &0 }).unwrap();
    assert_eq!(rule(story.0.observe(&Seen::Delivered { handoff: &0, digest: &1 })), Rule::S8);
    assert_eq!(rule(story.answer(&begin(1), STARTED, 1)), Rule::S8);
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
fn s9_says_no_to_a_second_effect_and_to_an_effect_denied() {
    let mut story = Story::default();
    story.commit(&accept(None, 1), &claimed(None, 2)).unwrap();
    assert_eq!(rule(story.commit(&accept(None, 2), &claimed(None, 2))), Rule::S9);
    assert_eq!(rule(story.answer(&accept(None, 1), Err(Refusal::AlreadyClaimed), 2)), Rule::S9);
    story.answer(&accept(None, 2), Err(Refusal::AlreadyClaimed), 2).unwrap();
}

#[test]
fn s9_lets_a_deadline_change_the_answer() {
    let bounded = || {
        let claim = Claim { id: Some(1), at: Time(2), attempt: None, receipt: None };
        record(Time(9), Some(Millis(3)), State::Claimed(claim))
    };
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
fn s10_says_no_to_an_event_too_early_too_often_out_of_order_or_missing() {
    let (one, two) = (event(&pending()), event(&claimed(None, 2)));
    let mut story = Story::default();
    assert_eq!(rule(story.0.observe(&Seen::Logged(&one))), Rule::S10, "before its transition");
    story.commit(&begin(0), &pending()).unwrap();
    assert_eq!(story.0.settle().unwrap_err().rule, Rule::S10, "missing");
    story.commit(&accept(None, 1), &claimed(None, 2)).unwrap();
    assert_eq!(rule(story.0.clone().observe(&Seen::Logged(&two))), Rule::S10, "out of order");
    story.0.observe(&Seen::Logged(&one)).unwrap();
    story.0.observe(&Seen::Logged(&two)).unwrap();
    story.0.settle().unwrap();
    assert_eq!(rule(story.0.observe(&Seen::Logged(&two))), Rule::S10, "twice");
}

#[test]
fn s12_says_no_to_any_but_the_oldest_that_is_not_overdue() {
    let mut story = Story::default();
    story.poll(None, 1).unwrap();
    let mut second = pending();
    (second.id, second.started_at, second.expires_at) = (1, Time(2), Time(20));
    story.commit(&begin(0), &second).unwrap();
    story.commit(&begin(1), &pending()).unwrap();
    story.poll(Some(0), 9).unwrap();
    assert_eq!(rule(story.poll(Some(1), 9)), Rule::S12);
    assert_eq!(rule(story.poll(None, 9)), Rule::S12);
    story.poll(Some(1), 10).unwrap();
    story
        .commit(&accept(None, 1), &{
            let mut taken = claimed(None, 9);
            (taken.id, taken.started_at) = (1, Time(2));
            taken
        })
        .unwrap();
    story.poll(None, 10).unwrap();
    story.0.observe(&Seen::Polled { target: &BOB, shown: None, now: Time(1) }).unwrap();
}

#[test]
fn what_is_broken_is_said_by_name() {
    let broken = Broken { rule: Rule::S1, how: "two claims of one handoff were acknowledged" };
    assert_eq!(broken.to_string(), "S1 SingleWinner: two claims of one handoff were acknowledged");
}
