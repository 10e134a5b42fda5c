//! `step` over a world small enough to be looked through whole: every type-correct record, every command, every
//! time. The rules hold; and each seeded fault of `step` is caught by the rule that it is named for.
#![expect(clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};

use handoff_kernel::command::{Command, EventKind};
use handoff_kernel::ident::{AgentId, ClaimId, Digest, HandoffId, Wire};
use handoff_kernel::law::{Law, MAX_LIFETIME, Protocol};
use handoff_kernel::record::{Record, Rejection, State, Status};
use handoff_kernel::refusal::{Field, Refusal};
use handoff_kernel::rules::{Rule, Step, check_step, repeats, state_rules, step_rules};
use handoff_kernel::step::{Transition, open_to_claims, seen_by, step};
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
    let commands = commands(END);
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
                if let Err(found) = check_step(&seen) {
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
    assert_eq!(steps, 991_450, "the world has the size that it had when this was written");
    assert_eq!(
        broken_rules(&Variant { fault: None }),
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

#[test]
fn each_rule_of_a_step_is_the_one_that_catches_some_fault_or_forgery() {
    let by_fault: BTreeSet<_> = Fault::ALL.iter().map(|fault| fault.caught_by()).collect();
    let by_forgery: BTreeSet<_> = forgeries().into_iter().map(|(rule, ..)| rule).collect();
    let rules: BTreeSet<_> = step_rules::<Small>().iter().map(|(rule, ..)| *rule).collect();
    let caught: BTreeSet<_> = by_fault.union(&by_forgery).copied().collect();
    assert!(rules.is_subset(&caught), "{:?} catches nothing", rules.difference(&caught));
}

/// A result that no law here gives, and the rule that must say no to it.
type Forgery = (Rule, Option<Record<Small>>, Command<Small>, Result<Transition<Small>, Refusal>);

/// True steps, each changed in one place.
fn forgeries() -> Vec<Forgery> {
    use handoff_kernel::command::Answer;
    let now = Time(1);
    let accept = Command::Accept { by: ALICE, claim_id: Some(1), attempt: 1, receipt: None };
    let complete = Command::Complete { by: ALICE, claim_id: Some(1), result: None, receipt: None };
    let open = Command::Start { sender: BOB, artifact: start(0, Time(3), None) };
    let pending = record(Time(3), None, State::Pending);
    let to = |record: Option<&Record<Small>>, command: &Command<Small>| match step(
        &Protocol, record, command, now,
    ) {
        Ok(Transition::To { next, event, answer }) => (next, event, answer),
        other => panic!("{other:?}"),
    };
    let make = |(next, event, answer)| Ok(Transition::To { next, event, answer });

    let (claimed, event, answer) = to(Some(&pending), &accept);
    let (done, done_event, done_answer) = to(Some(&claimed), &complete);
    let mut all: Vec<Forgery> = Vec::new();

    let mut other = claimed.clone();
    other.digest = 1;
    all.push((Rule::S8, Some(pending.clone()), accept.clone(), make((other, event.clone(), answer.clone()))));
    let mut wrong = event.clone();
    wrong.kind = EventKind::Completed;
    all.push((
        Rule::S10,
        Some(pending.clone()),
        accept.clone(),
        make((claimed.clone(), wrong, answer.clone())),
    ));
    let mut wrong = event.clone();
    wrong.actor = Some(EVE);
    all.push((
        Rule::S10,
        Some(pending.clone()),
        accept.clone(),
        make((claimed.clone(), wrong, answer.clone())),
    ));
    // A completed handoff that is pending again.
    let reopened = make((pending.clone(), event.clone(), answer.clone()));
    all.push((Rule::S4, Some(done.clone()), accept.clone(), reopened.clone()));
    all.push((Rule::S5, Some(done.clone()), accept.clone(), reopened));
    // Completed without a claim in between.
    all.push((Rule::S5, Some(pending.clone()), complete.clone(), make((done, done_event, done_answer))));
    // Acknowledged, and nowhere.
    let told = Ok(Transition::Same(Answer::Started { expires_at: Time(3) }));
    all.push((Rule::S7, None, open.clone(), told));
    // Told another deadline than is on record.
    let told = Ok(Transition::Same(Answer::Started { expires_at: Time(2) }));
    all.push((Rule::S9, Some(pending.clone()), open, told));
    // Told that it completed what is only claimed.
    all.push((
        Rule::S9,
        Some(claimed.clone()),
        complete,
        Ok(Transition::Same(Answer::Completed { at: now })),
    ));
    // Told a last moment that its author never set.
    let unbounded = Answer::Claimed { claim_id: Some(1), claimed_at: now, claim_expires_at: Some(Time(9)) };
    all.push((Rule::S9, Some(claimed.clone()), accept.clone(), Ok(Transition::Same(unbounded))));
    // A receipt that goes missing on its way onto the record; then an attempt.
    let with_receipt = [
        (&pending, Command::Accept { by: ALICE, claim_id: Some(1), attempt: 1, receipt: Some(7) }),
        (&claimed, Command::Complete { by: ALICE, claim_id: Some(1), result: None, receipt: Some(7) }),
        (&claimed, Command::Reject { by: ALICE, claim_id: Some(1), reason: 0, receipt: Some(7) }),
        (&pending, Command::Reject { by: ALICE, claim_id: None, reason: 0, receipt: Some(7) }),
    ];
    for (before, command) in with_receipt {
        let (mut next, event, answer) = to(Some(before), &command);
        match &mut next.state {
            State::Claimed(claim) => claim.receipt = None,
            State::Completed { completion, .. } => completion.receipt = None,
            State::Rejected(Rejection::Declined { decline, .. }) => decline.receipt = None,
            State::Pending | State::Rejected(_) => panic!("none of these has a receipt"),
        }
        all.push((Rule::S9, Some(before.clone()), command, make((next, event, answer))));
    }
    let (mut next, event, answer) = to(Some(&pending), &accept);
    if let State::Claimed(claim) = &mut next.state {
        claim.attempt = Some(2);
    }
    all.push((Rule::S9, Some(pending.clone()), accept.clone(), make((next, event, answer))));
    // A sweep, and a completion, that leave a deadline that has passed for later.
    let overdue = record(Time(0), None, State::Pending);
    let swept = Ok(Transition::Same(Answer::Swept));
    all.push((Rule::S15, Some(overdue.clone()), Command::Sweep, swept));
    all.push((Rule::S15, Some(overdue.clone()), accept.clone(), Err(Refusal::Expired)));
    // The deadline is carried out, and the asker told something else.
    let (next, event, _) = to(Some(&overdue), &accept);
    all.push((Rule::S15, Some(overdue), accept.clone(), make((next, event, Err(Refusal::NotFound)))));
    // A stranger is told more than that there is nothing, of what there is and of what there is not.
    let stranger = Command::Accept { by: EVE, claim_id: Some(1), attempt: 1, receipt: None };
    all.push((Rule::S16, Some(pending.clone()), stranger.clone(), Err(Refusal::WrongAgent)));
    all.push((Rule::S16, None, stranger, Err(Refusal::Expired)));
    // Told that somebody else's claim is its own.
    let theirs = Answer::Claimed { claim_id: Some(2), claimed_at: now, claim_expires_at: None };
    all.push((Rule::S1, Some(claimed), accept, Ok(Transition::Same(theirs))));
    all
}

#[test]
fn a_forged_step_is_refused_by_its_rule() {
    for (rule, before, command, result) in forgeries() {
        let seen = Step { before: before.as_ref(), command: &command, now: Time(1), result: &result };
        let broken: Vec<_> =
            step_rules().iter().filter(|(_, _, holds)| !holds(&seen)).map(|(r, ..)| *r).collect();
        assert!(broken.contains(&rule), "{rule}: only {broken:?}");
        assert_eq!(check_step(&seen).map_err(|_| ()), Err(()), "{rule}");
    }
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
            assert_eq!(open_to_claims(&Protocol, &record, now), claims, "{record:?} at {now:?}");
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
