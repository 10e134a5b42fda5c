//! The checker of histories, held against histories made by hand, against one that tries every order, and against laws
//! that are bent.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a panic is how a test says no")]

use handoff_kernel::command::{Answer, Command, Start};
use handoff_kernel::ident::{AgentId, ClaimId, Digest, HandoffId, Wire};
use handoff_kernel::law::{Law, Protocol};
use handoff_kernel::record::Record;
use handoff_kernel::refusal::Refusal;
use handoff_kernel::step::{Transition, seen_by, step};
use handoff_kernel::testing::variant::{Fault, Machine, Variant};
use handoff_kernel::time::{Millis, Time};
use handoff_sim::chance::Chance;
use handoff_sim::linear::{Asked, Heard, MOST_PENDING, NotLinearizable, Operation, Step, check};
use proptest::prelude::*;

const CLOCK: Time = Time(1_000_000);

fn at(ms: u64) -> Time {
    CLOCK.plus(Millis(ms))
}

fn agent(name: &str) -> AgentId {
    AgentId::parse(name).unwrap()
}

fn handoff() -> HandoffId {
    HandoffId::parse("h").unwrap()
}

fn command(command: Command<Wire>) -> Asked {
    Asked::Command(handoff(), Box::new(command))
}

fn start_of(bytes: &str, sender: &str, claim_ttl: Option<Millis>) -> Command<Wire> {
    let artifact = Start {
        id: handoff(),
        author: agent("bob"),
        target: agent("alice"),
        digest: Digest::of(bytes.as_bytes()),
        expires_at: at(100),
        claim_ttl,
    };
    Command::Start { sender: agent(sender), artifact }
}

fn accept_by(by: &str, claim: Option<&str>) -> Command<Wire> {
    let claim_id = claim.map(|claim| ClaimId::parse(claim).unwrap());
    Command::Accept { by: agent(by), claim_id, attempt: 0, receipt: None }
}

fn start() -> Asked {
    command(start_of("bytes", "bob", None))
}

fn accept(claim: &str) -> Asked {
    command(accept_by("alice", Some(claim)))
}

fn complete(claim: &str) -> Asked {
    let claim_id = Some(ClaimId::parse(claim).unwrap());
    command(Command::Complete { by: agent("alice"), claim_id, result: None, receipt: None })
}

fn get() -> Asked {
    Asked::Get(handoff(), agent("alice"))
}

fn poll() -> Asked {
    Asked::Poll(agent("alice"))
}

fn shown() -> Heard {
    Heard::Shown(Some((handoff(), Digest::of(b"bytes"))))
}

fn made() -> Heard {
    Heard::Made(Answer::Started { expires_at: at(100) })
}

fn claimed(claim: &str, ms: u64) -> Heard {
    let claim_id = Some(ClaimId::parse(claim).unwrap());
    Heard::Verdict(Ok(Answer::Claimed { claim_id, claimed_at: at(ms), claim_expires_at: None }))
}

fn completed(ms: u64) -> Heard {
    Heard::Verdict(Ok(Answer::Completed { at: at(ms) }))
}

fn refused(refusal: Refusal) -> Heard {
    Heard::Verdict(Err(refusal))
}

/// What a get shows after these commands, each at its time.
fn seen(commands: &[(Asked, u64)]) -> Heard {
    let mut record = None;
    for (asked, ms) in commands {
        let Asked::Command(_, command) = asked else { panic!("{asked:?} changes nothing") };
        let Ok(Transition::To { next, .. }) = step(&Protocol, record.as_ref(), command, at(*ms)) else {
            panic!("{command:?} changes nothing")
        };
        record = Some(next);
    }
    Heard::Seen(Ok(Box::new(record.unwrap())))
}

/// From its call to its return; without a return it never came.
fn op(moments: std::ops::Range<u64>, asked: Asked, heard: Heard) -> Operation {
    let returned = (moments.end != u64::MAX).then_some(moments.end);
    Operation { client: u32::try_from(moments.start).unwrap(), asked, called: moments.start, returned, heard }
}

const NEVER: u64 = u64::MAX;

#[track_caller]
fn good(history: &[Operation]) {
    let found = check(history, CLOCK).unwrap_or_else(|e| panic!("{e}"));
    for (_, order) in &found.orders {
        explains(history, order);
    }
}

/// An order is one: it keeps what was before what, leaves no answer out, and the law gives every answer.
#[track_caller]
fn explains(history: &[Operation], order: &[Step]) {
    let mut world = (CLOCK, None);
    let mut done: Vec<usize> = Vec::new();
    for step in order {
        let Step::Operation(n) = *step else {
            world = apply(&Protocol, &world, &command(Command::Sweep)).0;
            continue;
        };
        let (next, heard) = apply(&Protocol, &world, &history[n].asked);
        assert!(history[n].heard == Heard::Unknown || history[n].heard == heard, "{n} in {order:?}");
        let late = done.iter().any(|&m| history[n].returned.is_some_and(|at| at < history[m].called));
        assert!(!late && !done.contains(&n), "{n} in {order:?}");
        done.push(n);
        world = next;
    }
    assert!((0..history.len()).all(|n| history[n].heard == Heard::Unknown || done.contains(&n)));
}

/// The picture of a history that has no order.
#[track_caller]
fn bad(history: &[Operation]) -> String {
    match check(history, CLOCK) {
        Err(NotLinearizable::NoOrder(found)) => NotLinearizable::NoOrder(found).to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn one_after_the_other_is_in_order() {
    good(&[
        op(0..1, get(), Heard::Seen(Err(Refusal::NotFound))),
        op(2..3, start(), made()),
        op(4..5, get(), seen(&[(start(), 0)])),
        op(6..7, Asked::Clock(at(5)), Heard::Set),
        op(8..9, accept("one"), claimed("one", 5)),
        op(10..11, accept("two"), refused(Refusal::AlreadyClaimed)),
        op(12..13, complete("one"), completed(5)),
        op(14..15, get(), seen(&[(start(), 0), (accept("one"), 5), (complete("one"), 5)])),
    ]);
}

#[test]
fn what_overlaps_may_be_in_any_order() {
    good(&[
        op(0..9, accept("one"), claimed("one", 0)),
        op(1..8, accept("two"), refused(Refusal::AlreadyClaimed)),
        op(2..7, get(), Heard::Seen(Err(Refusal::NotFound))),
        op(3..6, start(), made()),
        op(4..5, get(), seen(&[(start(), 0), (accept("one"), 0)])),
    ]);
}

#[test]
fn two_winners_have_no_order() {
    let history = [
        op(0..1, start(), made()),
        op(2..6, accept("one"), claimed("one", 0)),
        op(3..4, get(), seen(&[(start(), 0)])),
        op(5..7, accept("two"), claimed("two", 0)),
        op(8..9, get(), seen(&[(start(), 0), (accept("two"), 0)])),
    ];
    let picture = bad(&history);
    let expected = "\
No order of the operations on h explains what was heard.
Times are milliseconds of the hub's clock after 1000000.

    0 |--|                 start of 277089 by bob, until +100: made
    2       |-----|        accept by alice as one: claimed as one at +0
>   5          |-----|     accept by alice as two: claimed as two at +0

The one marked `>` (accept by alice as two) has no place. Before it returned, this could be the case:
  at +0: 277089 started at +0, claimed as one at +0
";
    assert_eq!(picture, expected, "\n{picture}");
}

#[test]
fn an_acknowledged_start_that_is_lost_has_no_order() {
    bad(&[op(0..1, start(), made()), op(2..3, accept("one"), refused(Refusal::NotFound))]);
    bad(&[op(0..1, start(), made()), op(2..3, start(), made())]);
    bad(&[op(0..1, start(), made()), op(2..3, poll(), Heard::Shown(None))]);
}

#[test]
fn a_stale_read_has_no_order() {
    let accepted = [op(0..1, start(), made()), op(2..3, accept("one"), claimed("one", 0))];
    for stale in [op(4..5, get(), seen(&[(start(), 0)])), op(4..5, poll(), shown())] {
        bad(&[&accepted[..], &[stale]].concat());
    }
    // While the accept is on its way it is none.
    let overlap = Operation { returned: Some(6), ..accepted[1].clone() };
    good(&[accepted[0].clone(), overlap, op(4..5, get(), seen(&[(start(), 0)]))]);
}

#[test]
fn a_poll_that_shows_other_bytes_has_no_order() {
    let shows = |bytes: &[u8]| Heard::Shown(Some((handoff(), Digest::of(bytes))));
    good(&[op(0..1, start(), made()), op(2..3, poll(), shows(b"bytes"))]);
    bad(&[op(0..1, start(), made()), op(2..3, poll(), shows(b"other"))]);
}

#[test]
fn two_reads_do_not_see_the_change_and_then_not() {
    let early = op(2..9, accept("one"), claimed("one", 0));
    let (old, new) = (seen(&[(start(), 0)]), seen(&[(start(), 0), (accept("one"), 0)]));
    let reads = |first: &Heard, second: &Heard| {
        let reads = [op(3..4, get(), first.clone()), op(5..6, get(), second.clone())];
        [&[op(0..1, start(), made()), early.clone()], &reads[..]].concat()
    };
    good(&reads(&old, &new));
    bad(&reads(&new, &old));
}

#[test]
fn what_nobody_heard_may_show_later_or_never() {
    let unknown = [op(0..1, start(), made()), op(2..NEVER, accept("one"), Heard::Unknown)];
    let after = |more: &[Operation]| [&unknown[..], more].concat();
    good(&after(&[op(4..5, get(), seen(&[(start(), 0)]))]));
    good(&after(&[op(4..5, accept("two"), claimed("two", 0))]));
    let late = seen(&[(start(), 0), (accept("one"), 0)]);
    good(&after(&[op(4..5, get(), seen(&[(start(), 0)])), op(6..7, get(), late.clone())]));
    good(&after(&[op(4..5, accept("two"), refused(Refusal::AlreadyClaimed))]));
    // But it did not claim for another, and not before it was asked.
    bad(&after(&[op(4..5, get(), seen(&[(start(), 0), (accept("two"), 0)]))]));
    let too_early = op(1..2, get(), late);
    bad(&[op(0..1, start(), made()), too_early, op(3..NEVER, accept("one"), Heard::Unknown)]);
}

#[test]
fn what_a_dead_hub_was_asked_takes_no_effect_any_more() {
    let killed = |at| [op(0..1, start(), made()), op(2..at, accept("one"), Heard::Unknown)];
    let then =
        [op(5..6, get(), seen(&[(start(), 0)])), op(7..8, get(), seen(&[(start(), 0), (accept("one"), 0)]))];
    good(&[&killed(NEVER)[..], &then].concat());
    bad(&[&killed(4)[..], &then].concat());
}

#[test]
fn the_clock_decides_and_times_in_answers_are_right() {
    let begun = [op(0..1, start(), made()), op(2..5, Asked::Clock(at(7)), Heard::Set)];
    let then = |more: &[Operation]| [&begun[..], more].concat();
    // While the clock is being set it is either time, and afterwards it is the new one.
    good(&then(&[op(3..4, accept("one"), claimed("one", 0))]));
    good(&then(&[op(3..4, accept("one"), claimed("one", 7))]));
    bad(&then(&[op(3..4, accept("one"), claimed("one", 6))]));
    bad(&then(&[op(6..7, accept("one"), claimed("one", 0))]));
    good(&then(&[op(6..7, accept("one"), claimed("one", 7))]));
}

#[test]
fn a_deadline_that_has_passed_is_known_to_a_read_when_it_was_swept_and_to_a_command_always() {
    let overdue = [op(0..1, start(), made()), op(2..3, Asked::Clock(at(101)), Heard::Set)];
    let then = |more: &[Operation]| [&overdue[..], more].concat();
    let swept = seen(&[(start(), 0), (command(Command::Sweep), 101)]);
    good(&then(&[op(4..5, get(), seen(&[(start(), 0)]))]));
    good(&then(&[op(4..5, get(), swept.clone())]));
    good(&then(&[op(4..5, poll(), Heard::Shown(None)), op(6..7, accept("one"), refused(Refusal::Expired))]));
    bad(&then(&[op(4..5, accept("one"), claimed("one", 101))]));
    bad(&then(&[op(4..5, poll(), shown())]));
    bad(&then(&[op(4..5, get(), swept.clone()), op(6..7, get(), seen(&[(start(), 0)]))]));
    bad(&[op(0..1, start(), made()), op(2..3, get(), swept)]);
}

#[test]
fn handoffs_are_judged_each_by_itself() {
    let other = |mut operation: Operation| {
        let id = HandoffId::parse("other").unwrap();
        if let Asked::Command(handoff, command) = &mut operation.asked {
            *handoff = id;
            if let Command::Start { artifact, .. } = command.as_mut() {
                artifact.id = id;
            }
        }
        Operation {
            called: operation.called + 50,
            returned: operation.returned.map(|at| at + 50),
            ..operation
        }
    };
    let both = |more: Operation| {
        let one = [op(0..1, start(), made()), op(2..3, accept("one"), claimed("one", 0))];
        [&one[..], &one.clone().map(other)[..], &[more]].concat()
    };
    let found = check(&both(op(4..5, accept("one"), claimed("one", 0))), CLOCK).unwrap();
    assert_eq!(found.orders.iter().map(|(_, order)| order.len()).collect::<Vec<_>>(), [3, 2]);
    // And a poll that shows the one says nothing of the other.
    let open = [op(0..1, start(), made()), other(op(0..1, start(), made())), op(60..61, poll(), shown())];
    check(&open, CLOCK).unwrap();
    let picture = bad(&both(other(op(4..5, accept("two"), claimed("two", 0)))));
    assert!(picture.contains("operations on other"), "{picture}");
}

#[test]
fn too_much_at_once_is_told_and_not_judged() {
    let unknown = |n: u64| op(n..NEVER, accept("one"), Heard::Unknown);
    let most: Vec<_> = (0..MOST_PENDING as u64).map(unknown).collect();
    good(&most);
    let more = [&most[..], &[unknown(MOST_PENDING as u64)]].concat();
    let told = check(&more, CLOCK).unwrap_err();
    assert_eq!(told, NotLinearizable::TooManyPending(Box::new(handoff())));
    assert!(told.to_string().starts_with("The history of h was not judged"));
}

#[test]
fn two_hundred_operations_at_once_are_judged_in_few_states() {
    let mut history = vec![op(0..1000, start(), made()), op(1..1001, Asked::Clock(at(9)), Heard::Set)];
    let mut add = |asked: Asked, heard: Heard| {
        let n = history.len() as u64;
        let end = if heard == Heard::Unknown { NEVER } else { 1000 + n };
        history.push(op(n..end, asked, heard));
    };
    for n in 0..40 {
        add(accept(&format!("lost{n}")), refused(Refusal::AlreadyClaimed));
        add(accept(&format!("unheard{n}")), Heard::Unknown);
        add(complete(&format!("unheard{n}")), Heard::Unknown);
        add(get(), seen(&[(start(), 0)]));
    }
    let claim = accept("unheard7");
    let claimed_late = seen(&[(start(), 0), (claim.clone(), 9)]);
    let done = seen(&[(start(), 0), (claim, 9), (complete("unheard7"), 9)]);
    for _ in 0..19 {
        add(get(), claimed_late.clone());
        add(get(), done.clone());
    }
    assert_eq!(history.len(), 200);
    good(&history);
    let states = check(&history, CLOCK).unwrap().states;
    assert!(states < 2_000, "{states} states");
    // And as few when there is no order.
    let end = 2000;
    history.push(op(end..end + 1, get(), claimed_late));
    let Err(NotLinearizable::NoOrder(found)) = check(&history, CLOCK) else { panic!("there is no order") };
    assert!(found.states < 2_000 && found.at == end + 1, "{} states, {}", found.states, found.at);
}

// ---------------------------------------------------------------------------------------------------- drawn histories

type World = (Time, Option<Record<Wire>>);

/// What a hub of this law would do and say that does one thing at a time.
fn apply<L: Law>(law: &L, (now, record): &World, asked: &Asked) -> (World, Heard) {
    let same = (*now, record.clone());
    match asked {
        Asked::Clock(to) => (((*to).max(*now), record.clone()), Heard::Set),
        Asked::Get(_, by) => {
            let seen = seen_by(law, record.as_ref(), by).cloned().map(Box::new);
            (same, Heard::Seen(seen))
        }
        Asked::Poll(by) => {
            let open = record.as_ref().filter(|r| r.target == *by && law.open_to_claims(r, *now));
            (same, Heard::Shown(open.map(|record| (record.id, record.digest))))
        }
        Asked::Command(_, command) => match step(law, record.as_ref(), command, *now) {
            Err(refusal) => (same, Heard::Verdict(Err(refusal))),
            Ok(Transition::Same(answer)) => (same, Heard::Verdict(Ok(answer))),
            Ok(Transition::To { next, answer, .. }) => {
                let heard = match (command.as_ref(), answer) {
                    (Command::Start { .. }, Ok(answer)) => Heard::Made(answer),
                    (_, answer) => Heard::Verdict(answer),
                };
                ((*now, Some(next)), heard)
            }
        },
    }
}

/// One operation of a plan: what, by whom, how long it is on its way before and after its moment, and what becomes of it.
type Plan = (u8, u8, u64, u64, u8);

fn plans(most: usize) -> impl Strategy<Value = Vec<Plan>> {
    prop::collection::vec((0..12u8, 0..12u8, 0..5u64, 0..5u64, 0..10u8), 1..most)
}

fn draw(chance: &mut Chance, length: u64) -> Vec<Plan> {
    let mut small = |below| u8::try_from(chance.below(below)).unwrap();
    (0..length).map(|_| (small(12), small(12), small(5).into(), small(5).into(), small(10))).collect()
}

fn planned(what: u8, who: u8, ms: u64) -> Asked {
    let by = ["alice", "alice", "alice", "alice", "bob", "eve"][usize::from(who) / 2];
    let claim = [Some("one"), Some("two"), None][usize::from(who) % 3];
    let claim_id = claim.map(|claim| ClaimId::parse(claim).unwrap());
    let ttl = |who: u8| (who % 2 == 1).then_some(if who == 7 { Millis(u64::MAX) } else { Millis(30) });
    let sender = if who == 11 { "alice" } else { "bob" };
    match what {
        0..=1 => command(start_of(["bytes", "other"][usize::from(who == 9)], sender, ttl(who))),
        2..=4 => command(accept_by(by, claim)),
        5 => command(Command::Complete { by: agent(by), claim_id, result: Some("1".into()), receipt: None }),
        6 => command(Command::Reject { by: agent(by), claim_id, reason: "\"no\"".into(), receipt: None }),
        7..=8 => Asked::Get(handoff(), agent(by)),
        9 => Asked::Poll(agent(by)),
        _ => Asked::Clock(at(ms)),
    }
}

/// A history that a hub of this law could make: in the order of the plan, each called some time before its moment and
/// returned some time after.
fn history<L: Law>(law: &L, plan: &[Plan]) -> Vec<Operation> {
    let mut world = (CLOCK, None);
    let mut ms = 0;
    let mut operations = Vec::new();
    let mut moments = Vec::new();
    for (n, &(what, who, before, after, fate)) in plan.iter().enumerate() {
        // To the deadline itself, and just beyond it.
        ms += if what < 10 { 0 } else { [31, 30, 1, 100, 9][usize::from(who) % 5] };
        let asked = planned(what, who, ms);
        if fate == 7 {
            world = apply(law, &world, &command(Command::Sweep)).0;
        }
        // Of what nobody heard, some has taken effect and some not.
        let (next, heard) = apply(law, &world, &asked);
        let (heard, ends) = match fate {
            8 | 9 => (Heard::Unknown, who % 2 == 0),
            _ => (heard, true),
        };
        if fate != 9 {
            world = next;
        }
        let moment = 1000 + 100 * n as u64;
        moments.push((moment - 60 * before, n, false));
        if ends {
            moments.push((moment + 60 * after + 1, n, true));
        }
        operations.push(Operation { client: u32::from(who), asked, called: 0, returned: None, heard });
    }
    moments.sort_unstable();
    for (at, &(_, n, returns)) in moments.iter().enumerate() {
        let at = at as u64;
        if returns { operations[n].returned = Some(at) } else { operations[n].called = at }
    }
    operations
}

/// The same with one answer replaced by another's, if there is one that fits the question.
fn corrupted(mut history: Vec<Operation>, which: usize, by: usize) -> Vec<Operation> {
    let length = history.len();
    let answer = history[by % length].heard.clone();
    if history[which % length].returned.is_some() {
        history[which % length].heard = answer;
    }
    history
}

/// Tries every order.
fn any_order(history: &[Operation], world: &World, done: &mut Vec<usize>) -> bool {
    let rest: Vec<_> = (0..history.len()).filter(|n| !done.contains(n)).collect();
    if rest.iter().all(|&n| history[n].heard == Heard::Unknown) {
        return true;
    }
    let swept = apply(&Protocol, world, &command(Command::Sweep)).0;
    if swept != *world && any_order(history, &swept, done) {
        return true;
    }
    rest.into_iter().any(|n| {
        let late = done.iter().any(|&m| history[n].returned.is_some_and(|at| at < history[m].called));
        let (next, heard) = apply(&Protocol, world, &history[n].asked);
        let fits = history[n].heard == Heard::Unknown || history[n].heard == heard;
        if late || !fits {
            return false;
        }
        done.push(n);
        let found = any_order(history, &next, done);
        done.pop();
        found
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_a_hub_did_one_at_a_time_has_an_order(plan in plans(60)) {
        good(&history(&Protocol, &plan));
    }

    #[test]
    fn it_finds_an_order_where_trying_every_order_finds_one(plan in plans(8), which: usize, by: usize, more: usize) {
        let history = corrupted(corrupted(history(&Protocol, &plan), which, by), more, which);
        prop_assume!(history.iter().any(|operation| operation.handoff().is_some()));
        let found = check(&history, CLOCK);
        prop_assert_eq!(found.is_ok(), any_order(&history, &(CLOCK, None), &mut Vec::new()), "{:?}", found);
        if let Ok(found) = found {
            explains(&history, &found.orders[0].1);
        }
    }
}

#[test]
fn the_drawn_histories_are_of_both_kinds_and_both_checkers_agree_on_each() {
    let mut chance = Chance::of(1);
    let mut kinds = [0; 2];
    for _ in 0..3000 {
        let plan = draw(&mut chance, 6);
        let at = usize::try_from(chance.below(6)).unwrap();
        let history = corrupted(history(&Protocol, &plan), at, at + 1);
        if history.iter().any(|operation| operation.handoff().is_some()) {
            let found = check(&history, CLOCK).is_ok();
            assert_eq!(found, any_order(&history, &(CLOCK, None), &mut Vec::new()), "{history:?}");
            kinds[usize::from(found)] += 1;
        }
    }
    assert!(kinds.iter().all(|count| *count > 500), "{kinds:?}");
}

#[test]
fn each_fault_of_the_step_makes_a_history_without_an_order() {
    for fault in Fault::ALL.into_iter().filter(|fault| fault.machine() == Machine::Step) {
        let mut chance = Chance::of(2);
        let law = Variant::with(fault);
        let caught = (0..5_000).any(|_| {
            let plan = draw(&mut chance, 24);
            check(&history(&law, &plan), CLOCK).is_err()
        });
        // That a sweep comes in the end is not judged.
        assert_eq!(caught, fault != Fault::SweepsNothing, "{}", fault.name());
    }
}
