//! `step` over a world small enough to be looked through whole: every type-correct record, every command, every
//! time. The rules hold; and each seeded fault of `step` is caught by the rule that it is named for.
#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use handoff_kernel::command::{Answer, Command, Event, EventKind};
use handoff_kernel::ident::{AgentId, ClaimId, Digest, HandoffId, Wire};
use handoff_kernel::law::{Law, MAX_LIFETIME, Protocol};
use handoff_kernel::record::{Claim, Completion, Record, Rejection, State, Status};
use handoff_kernel::refusal::{Field, Refusal};
use handoff_kernel::rules::{Rule, Rules, Step, check_state, check_step, repeats, state_rules, step_rules};
use handoff_kernel::step::{Transition, seen_by, step};
use handoff_kernel::testing::small::{ALICE, BOB, EVE, Small, commands, record, records, start};
use handoff_kernel::testing::variant::{Fault, Machine, Variant};
use handoff_kernel::time::{Millis, Time};

const END: u64 = 4;

fn legal(record: &Record<Small>) -> bool {
    state_rules().iter().all(|(_, _, holds)| holds(record))
}

/// All that can be asked of all that is legal, and which rules the answers break.
fn broken_rules<L: Law>(law: &L) -> (BTreeMap<Rule, usize>, usize) {
    let mut broken = BTreeMap::new();
    let mut steps = 0;
    let mut commands = commands(END);
    let limited = start(0, Time(END - 1), Some(Millis(1)));
    commands.push(Command::Start { sender: BOB, artifact: limited });
    for before in records(END).iter().filter(|r| r.as_ref().is_none_or(legal)) {
        for command in &commands {
            for now in (0..=END).map(Time) {
                let result = step(law, before.as_ref(), command, now);
                let seen = Step { before: before.as_ref(), command, now, result: &result };
                steps += 1;
                for (rule, _, holds) in step_rules() {
                    if !holds(&seen) {
                        *broken.entry(rule).or_default() += 1;
                    }
                }
                if let Err(found) = check_step(Rules::ALL, &seen) {
                    broken.entry(found.rule).or_insert(1);
                }
                let after = match &result {
                    Ok(Transition::To { next, .. }) => Some(next.clone()),
                    Ok(Transition::Same(_)) | Err(_) => before.clone(),
                };
                let again = step(law, after.as_ref(), command, now);
                let second = Step { before: after.as_ref(), command, now, result: &again };
                if !repeats(&seen, &second) {
                    *broken.entry(Rule::S9).or_default() += 1;
                }
            }
        }
    }
    (broken, steps)
}

#[test]
fn no_step_from_any_legal_record_breaks_any_rule() {
    let (broken, steps) = broken_rules(&Protocol);
    assert_eq!(broken, BTreeMap::new());
    assert_eq!(steps, 1_004_000, "the world has the size that it had when this was written");
    assert_eq!(
        broken_rules(&Variant::default()),
        (broken, steps),
        "a variant without a fault is the protocol"
    );
}

#[test]
fn each_fault_of_step_is_caught_by_the_rule_that_it_is_named_for() {
    for fault in Fault::ALL.into_iter().filter(|fault| fault.machine() == Machine::Step) {
        let (broken, _) = broken_rules(&Variant::with(fault));
        assert!(broken.contains_key(&fault.caught_by()), "{fault:?}: only {broken:?}");
    }
}

/// What is wrong with it, and a step that no law here makes.
type Forgery = (&'static str, Option<Record<Small>>, Command<Small>, Result<Transition<Small>, Refusal>);

const NOW: Time = Time(1);

/// What a [`Transition::To`] says.
struct To {
    next: Record<Small>,
    event: Event<Small>,
    answer: Result<Answer<Small>, Refusal>,
}

/// What the protocol makes of it, changed in one place.
fn forged(
    how: &'static str,
    before: Option<&Record<Small>>,
    command: &Command<Small>,
    forge: impl FnOnce(&mut To),
) -> Forgery {
    let Ok(Transition::To { next, event, answer }) = step(&Protocol, before, command, NOW) else {
        panic!("{command:?} changes nothing");
    };
    let mut to = To { next, event, answer };
    forge(&mut to);
    let To { next, event, answer } = to;
    (how, before.cloned(), command.clone(), Ok(Transition::To { next, event, answer }))
}

fn accept(by: u8, claim_id: Option<u8>) -> Command<Small> {
    Command::Accept { by, claim_id, attempt: 1, receipt: None }
}

fn complete(by: u8, claim_id: Option<u8>) -> Command<Small> {
    Command::Complete { by, claim_id, result: None, receipt: None }
}

fn reject(by: u8, claim_id: Option<u8>) -> Command<Small> {
    Command::Reject { by, claim_id, reason: 0, receipt: None }
}

fn begin() -> Command<Small> {
    Command::Start { sender: BOB, artifact: start(0, Time(3), Some(Millis(9))) }
}

fn pending() -> Record<Small> {
    record(Time(3), Some(Millis(9)), State::Pending)
}

fn claim(id: Option<u8>) -> Claim<Small> {
    Claim { id, at: NOW, attempt: Some(1), receipt: None }
}

fn claimed() -> Record<Small> {
    pending().with(State::Claimed(claim(Some(1))))
}

fn completed() -> Record<Small> {
    let completion = Completion { at: NOW, result: None, receipt: None };
    pending().with(State::Completed { claim: claim(Some(1)), completion })
}

fn told_claimed(claim_id: Option<u8>, at: u64, until: u64) -> Answer<Small> {
    Answer::Claimed { claim_id, claimed_at: Time(at), claim_expires_at: Some(Time(until)) }
}

/// Of who holds what: S1, S2, S3 and S6.
fn forged_claims() -> Vec<Forgery> {
    let changed = "a step changed a record's claim";
    let to_another = "a claim was acknowledged to somebody who did not make it";
    let not_target = "another than the target accepted, completed or rejected";
    let late = "a claim was made after expires_at, by the deciding clock";
    let not_holder = "a claimed handoff was finished by another than its holder";
    let (open, held) = (pending(), claimed());
    let anonymous = pending().with(State::Claimed(claim(None)));
    let same = |answer| Ok(Transition::Same(answer));
    let other_command = |(how, before, _, result): Forgery, command| (how, before, command, result);
    vec![
        forged(changed, Some(&held), &complete(ALICE, Some(1)), |To { next, .. }| {
            let State::Completed { claim, .. } = &mut next.state else { unreachable!() };
            claim.at = Time(0);
        }),
        forged(changed, Some(&held), &reject(ALICE, Some(1)), |To { next, .. }| {
            let State::Rejected(Rejection::Declined { claim, .. }) = &mut next.state else { unreachable!() };
            *claim = None;
        }),
        (to_another, Some(held.clone()), accept(ALICE, Some(1)), same(told_claimed(Some(2), 1, 10))),
        (to_another, Some(held.clone()), accept(ALICE, Some(2)), same(told_claimed(Some(2), 1, 10))),
        (to_another, Some(held.clone()), accept(ALICE, Some(1)), same(told_claimed(Some(1), 0, 10))),
        (to_another, Some(held.clone()), complete(ALICE, Some(1)), same(told_claimed(Some(1), 1, 10))),
        (to_another, Some(anonymous), accept(ALICE, None), same(told_claimed(None, 1, 10))),
        other_command(forged(not_target, Some(&open), &accept(ALICE, Some(1)), |_| {}), accept(BOB, Some(1))),
        other_command(
            forged(not_target, Some(&held), &complete(ALICE, Some(1)), |_| {}),
            complete(BOB, Some(1)),
        ),
        other_command(forged(not_target, Some(&held), &reject(ALICE, Some(1)), |_| {}), reject(EVE, Some(1))),
        forged(late, Some(&open), &accept(ALICE, Some(1)), |To { next, .. }| {
            next.state = State::Claimed(Claim { at: Time(0), ..claim(Some(1)) });
        }),
        forged(
            late,
            Some(&record(Time(0), None, State::Pending)),
            &accept(ALICE, Some(1)),
            |To { next, .. }| {
                next.state = State::Claimed(claim(Some(1)));
            },
        ),
        other_command(
            forged(not_holder, Some(&held), &complete(ALICE, Some(1)), |_| {}),
            complete(ALICE, Some(2)),
        ),
        other_command(
            forged(not_holder, Some(&held), &reject(ALICE, Some(1)), |To { next, .. }| {
                let State::Rejected(Rejection::Declined { decline, .. }) = &mut next.state else {
                    unreachable!()
                };
                decline.claim_id = Some(2);
            }),
            reject(ALICE, Some(2)),
        ),
        other_command(
            forged(not_holder, Some(&held), &complete(ALICE, Some(1)), |_| {}),
            accept(ALICE, Some(1)),
        ),
    ]
}

/// Of what is on record, and on which path: S4, S5, S7, S8 and S13.
fn forged_records() -> Vec<Forgery> {
    let terminal = "a terminal record was changed";
    let no_arrow = "a status changed along no arrow";
    let lost = "an acknowledged start is not on record";
    let otherwise = "what was started is not what is on record";
    let not_author = "a start was acknowledged to another than its author";
    let (open, held, done) = (pending(), claimed(), completed());
    let started = || Ok(Transition::Same(Answer::Started { expires_at: Time(3) }));
    let mut other = begin();
    if let Command::Start { artifact, .. } = &mut other {
        artifact.digest = 1;
    }
    let mut by_another = begin();
    if let Command::Start { sender, .. } = &mut by_another {
        *sender = EVE;
    }
    let reopened =
        forged(terminal, Some(&open), &accept(ALICE, Some(1)), |To { next, .. }| *next = pending()).3;
    let (_, _, _, finished) = forged(no_arrow, Some(&held), &complete(ALICE, Some(1)), |_| {});
    let mut all = vec![
        (terminal, Some(done.clone()), accept(ALICE, Some(1)), reopened.clone()),
        (no_arrow, Some(done), accept(ALICE, Some(1)), reopened.clone()),
        (no_arrow, Some(open.clone()), complete(ALICE, Some(1)), finished),
        (lost, None, begin(), started()),
        forged(lost, None, &begin(), |To { next, .. }| next.id = 1),
        (otherwise, Some(open.clone()), other, started()),
        // Nobody started it.
        (otherwise, None, accept(ALICE, Some(1)), reopened),
        (not_author, Some(open.clone()), by_another, started()),
    ];
    let fixed: [fn(&mut Record<Small>); 7] = [
        |next| next.id = 1,
        |next| next.author = EVE,
        |next| next.target = EVE,
        |next| next.digest = 1,
        |next| next.started_at = Time(7),
        |next| next.expires_at = Time(7),
        |next| next.claim_ttl = None,
    ];
    for change in fixed {
        all.push(forged(otherwise, None, &begin(), |To { next, .. }| change(next)));
        all.push(forged(otherwise, Some(&open), &accept(ALICE, Some(1)), |To { next, .. }| change(next)));
    }
    all
}

/// Of what is told and kept: S9, S10 and S16.
fn forged_words() -> Vec<Forgery> {
    let answer = "the answer is not what the record says";
    let not_kept = "a receipt or an attempt that came with a change is not on record";
    let event = "the event is not that of the change";
    let stranger = "somebody who is no party was not told not_found";
    let (open, held) = (pending(), claimed());
    let other_result = Command::Complete { by: ALICE, claim_id: Some(1), result: Some(1), receipt: None };
    let same = |answer| Ok(Transition::Same(answer));
    let declined = forged(answer, Some(&open), &reject(ALICE, None), |To { answer: told, .. }| {
        *told = Ok(Answer::Rejected { at: Time(0) });
    });
    let mut all = vec![
        (answer, Some(open.clone()), begin(), same(Answer::Started { expires_at: Time(2) })),
        (answer, Some(held.clone()), complete(ALICE, Some(1)), same(Answer::Completed { at: NOW })),
        (answer, Some(completed()), other_result, same(Answer::Completed { at: NOW })),
        (answer, Some(completed()), complete(ALICE, Some(1)), same(Answer::Completed { at: Time(0) })),
        (answer, Some(held.clone()), accept(ALICE, Some(1)), same(told_claimed(Some(1), 1, 9))),
        declined,
        forged(not_kept, Some(&open), &accept(ALICE, Some(1)), |To { next, .. }| {
            next.state = State::Claimed(Claim { attempt: Some(2), ..claim(Some(1)) });
        }),
        forged(event, Some(&open), &accept(ALICE, Some(1)), |To { event, .. }| {
            event.kind = EventKind::Completed;
        }),
        forged(event, Some(&open), &accept(ALICE, Some(1)), |To { event, .. }| event.handoff = 1),
        forged(event, Some(&open), &accept(ALICE, Some(1)), |To { event, .. }| event.at = Time(0)),
        forged(event, Some(&open), &accept(ALICE, Some(1)), |To { event, .. }| event.actor = Some(EVE)),
        forged(
            event,
            Some(&record(Time(0), None, State::Pending)),
            &accept(ALICE, Some(1)),
            |To { event, .. }| {
                event.actor = Some(ALICE);
            },
        ),
        (stranger, Some(open.clone()), accept(EVE, Some(1)), Err(Refusal::WrongAgent)),
        (stranger, None, accept(EVE, Some(1)), Err(Refusal::Expired)),
    ];
    // A receipt that goes missing on its way onto the record.
    let with_receipt = [
        (&open, Command::Accept { by: ALICE, claim_id: Some(1), attempt: 1, receipt: Some(7) }),
        (&held, Command::Complete { by: ALICE, claim_id: Some(1), result: None, receipt: Some(7) }),
        (&held, Command::Reject { by: ALICE, claim_id: Some(1), reason: 0, receipt: Some(7) }),
        (&open, Command::Reject { by: ALICE, claim_id: None, reason: 0, receipt: Some(7) }),
    ];
    all.extend(with_receipt.map(|(before, command)| {
        forged(not_kept, Some(before), &command, |To { next, .. }| match &mut next.state {
            State::Claimed(claim) => claim.receipt = None,
            State::Completed { completion, .. } => completion.receipt = None,
            State::Rejected(Rejection::Declined { decline, .. }) => decline.receipt = None,
            State::Pending | State::Rejected(_) => panic!("none of these has a receipt"),
        })
    }));
    all
}

/// Of what the clock does, too early and too late: S14 and S15.
fn forged_deadlines() -> Vec<Forgery> {
    let early = "the clock rejected what was not due";
    let late = "a deadline had passed, and it was not carried out";
    let (open, held) = (pending(), claimed());
    let at_its_deadline = record(NOW, None, State::Pending);
    let overdue = record(Time(0), None, State::Pending);
    let begin_late = Command::Start { sender: BOB, artifact: start(0, Time(0), None) };
    let long_ago = Claim { at: Time(0), ..claim(Some(1)) };
    let lapsed = record(Time(3), Some(Millis(0)), State::Claimed(long_ago.clone()));
    let expire = |next: &mut Record<Small>, at| next.state = State::Rejected(Rejection::Expired { at });
    let swept = || Ok(Transition::Same(Answer::Swept));
    vec![
        forged(early, Some(&open), &accept(ALICE, Some(1)), |To { next, .. }| expire(next, NOW)),
        forged(early, Some(&at_its_deadline), &accept(ALICE, Some(1)), |To { next, .. }| expire(next, NOW)),
        forged(early, Some(&overdue), &accept(ALICE, Some(1)), |To { next, .. }| expire(next, Time(2))),
        forged(early, Some(&held), &complete(ALICE, Some(1)), |To { next, .. }| expire(next, NOW)),
        forged(early, Some(&held), &complete(ALICE, Some(1)), |To { next, .. }| {
            next.state = State::Rejected(Rejection::ClaimExpired { claim: claim(Some(1)), at: NOW });
        }),
        forged(early, Some(&lapsed), &complete(ALICE, Some(1)), |To { next, .. }| {
            next.state = State::Rejected(Rejection::ClaimExpired { claim: long_ago.clone(), at: Time(2) });
        }),
        (late, None, begin_late.clone(), step(&Protocol, None, &begin_late, Time(0))),
        (late, Some(overdue.clone()), Command::Sweep, swept()),
        (late, Some(lapsed.clone()), Command::Sweep, swept()),
        (late, Some(overdue.clone()), accept(ALICE, Some(1)), Err(Refusal::Expired)),
        forged(late, Some(&overdue), &accept(ALICE, Some(1)), |To { answer: told, .. }| {
            *told = Err(Refusal::NotFound);
        }),
        forged(late, Some(&lapsed), &reject(ALICE, Some(1)), |To { answer: told, .. }| {
            *told = Err(Refusal::Expired);
        }),
    ]
}

#[test]
fn a_forged_step_is_refused_by_its_rule_and_each_rule_has_one() {
    let forgeries = [forged_claims(), forged_records(), forged_words(), forged_deadlines()].concat();
    let mut caught = BTreeSet::new();
    for (number, (how, before, command, result)) in forgeries.iter().enumerate() {
        let seen = Step { before: before.as_ref(), command, now: NOW, result };
        let broken: Vec<_> =
            step_rules().iter().filter(|(_, _, holds)| !holds(&seen)).map(|(_, how, _)| *how).collect();
        assert!(broken.contains(how), "{number}, {how}: only {broken:?}");
        assert!(check_step(Rules::ALL, &seen).is_err(), "{number}, {how}");
        caught.insert(*how);
    }
    assert_eq!(caught, step_rules::<Small>().iter().map(|(_, how, _)| *how).collect());
}

#[test]
fn a_forged_record_is_refused_by_its_rule_and_each_rule_has_one() {
    let late = "a record's claim is later than its expires_at";
    let early = "a record was rejected by the clock before its deadline";
    let lapsed = |at| State::Rejected(Rejection::ClaimExpired { claim: claim(Some(1)), at });
    let forgeries = [
        (late, record(Time(0), None, State::Claimed(claim(Some(1))))),
        (early, record(Time(3), None, State::Rejected(Rejection::Expired { at: Time(3) }))),
        (early, record(Time(3), Some(Millis(1)), lapsed(Time(2)))),
        (early, record(Time(3), None, lapsed(Time(9)))),
    ];
    for (how, record) in &forgeries {
        assert_eq!(check_state(Rules::ALL, record).map_err(|broken| broken.how), Err(*how));
    }
    let caught: BTreeSet<_> = forgeries.iter().map(|(how, _)| *how).collect();
    assert_eq!(caught, state_rules::<Small>().iter().map(|(_, how, _)| *how).collect());
}

/// What a poll may show is what an accept would get, of every record at every time.
#[test]
fn what_is_open_to_claims_is_what_an_accept_claims() {
    let accept = Command::Accept { by: ALICE, claim_id: None, attempt: 0, receipt: None };
    let mut open = 0;
    for record in records(END).into_iter().flatten() {
        for now in (0..=END).map(Time) {
            let claims = matches!(
                step(&Protocol, Some(&record), &accept, now),
                Ok(Transition::To { answer: Ok(_), .. })
            );
            assert_eq!(Protocol.open_to_claims(&record, now), claims, "{record:?} at {now:?}");
            open += usize::from(claims);
        }
    }
    assert!(open > 0);
}

#[test]
fn a_start_that_is_read_off_a_record_is_the_one_that_made_it() {
    for record in records(END).into_iter().flatten() {
        let made = handoff_kernel::command::Start::of(&record).pending(record.started_at);
        assert_eq!(made, record.with(State::Pending));
    }
}

#[test]
fn every_refusal_and_every_event_is_reached() {
    let (mut refusals, mut events) = (BTreeSet::new(), BTreeSet::new());
    for before in records(END) {
        for command in commands(END) {
            for now in (0..=END).map(Time) {
                match step(&Protocol, before.as_ref(), &command, now) {
                    Err(refusal) => drop(refusals.insert(refusal)),
                    Ok(Transition::To { event, answer, .. }) => {
                        events.insert(event.kind);
                        refusals.extend(answer.err());
                    }
                    Ok(Transition::Same(_)) => {}
                }
            }
        }
    }
    let elsewhere = [Refusal::Unauthenticated, Refusal::Malformed];
    let expected = Refusal::PLAIN.into_iter().filter(|refusal| !elsewhere.contains(refusal));
    assert_eq!(refusals, expected.collect());
    assert_eq!(events.len(), 6);
}

#[test]
fn an_artifact_may_expire_seven_days_from_now_and_not_later() {
    let now = Time(1_000);
    let last = now.plus(MAX_LIFETIME);
    let ask = |expires_at| {
        let command = Command::<Small>::Start { sender: BOB, artifact: start(0, expires_at, None) };
        step(&Protocol, None, &command, now)
    };
    assert!(ask(last).is_ok());
    assert_eq!(ask(last.plus(Millis(1))), Err(Refusal::Invalid(Field::ExpiresAt)));
    assert!(ask(now).is_ok(), "at its deadline it is still in time");
}

#[test]
fn only_parties_learn_that_a_handoff_exists() {
    let known = record(Time(3), None, State::Pending);
    assert_eq!(seen_by(&Protocol, Some(&known), &ALICE), Ok(&known));
    assert_eq!(seen_by(&Protocol, Some(&known), &BOB), Ok(&known));
    assert_eq!(seen_by(&Protocol, Some(&known), &EVE), Err(Refusal::NotFound));
    assert_eq!(seen_by::<Small, _>(&Protocol, None, &ALICE), Err(Refusal::NotFound));
}

/// What ships is what is checked: the same `step`, over text.
#[test]
fn step_runs_over_the_names_of_the_wire() {
    let id = HandoffId::parse("h-1").unwrap();
    let (bob, alice) = (AgentId::parse("bob").unwrap(), AgentId::parse("alice").unwrap());
    let artifact = handoff_kernel::command::Start {
        id,
        author: bob,
        target: alice,
        digest: Digest::of(b"{}"),
        expires_at: Time(10),
        claim_ttl: None,
    };
    let begin = Command::<Wire>::Start { sender: bob, artifact };
    let Ok(Transition::To { next, .. }) = step(&Protocol, None, &begin, Time(1)) else { panic!() };
    let claim_id = Some(ClaimId::parse("c").unwrap());
    let accept = Command::Accept { by: alice, claim_id, attempt: 1, receipt: None };
    let Ok(Transition::To { next, .. }) = step(&Protocol, Some(&next), &accept, Time(10)) else { panic!() };
    assert_eq!(next.status(), Status::Claimed);
    let complete = Command::Complete { by: alice, claim_id, result: Some("null".into()), receipt: None };
    let Ok(Transition::To { next, .. }) = step(&Protocol, Some(&next), &complete, Time(99)) else { panic!() };
    assert_eq!((next.status(), next.finished_at()), (Status::Completed, Some(Time(99))));
}

#[test]
fn rules_and_statuses_are_named_and_none_twice() {
    let names: BTreeSet<_> = Rule::ALL.iter().map(|rule| rule.name()).collect();
    assert_eq!(names.len(), Rule::ALL.len());
    assert!(Rule::ALL.iter().all(|rule| rule.statement().ends_with('.')));
    assert_eq!(Rule::S10.to_string(), "S10 LogAgrees");
    for status in Status::ALL {
        assert_eq!(Status::from_name(status.name()), Some(status));
    }
    assert_eq!(Status::from_name("open"), None);
    let all = commands(END);
    let kinds: BTreeSet<_> = all.iter().map(Command::name).collect();
    assert_eq!(kinds, BTreeSet::from(["start", "accept", "complete", "reject", "sweep"]));
    for (i, a) in all.iter().enumerate() {
        for (j, b) in all.iter().enumerate() {
            assert_eq!(a.same_request(b), i == j, "{a:?} {b:?}");
        }
    }
}
