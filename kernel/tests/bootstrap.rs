//! The consumption machine against a disk with one bootstrap: two sessions interleaved, sessions that die anywhere,
//! answers that are lost, and every age around the resume window.

use std::collections::{BTreeMap, BTreeSet};

use handoff_kernel::bootstrap::{
    Consume, Contents, Done, Effect, Next, Outcome, Place, RESUME_WINDOW, Refusal, Session,
};
use handoff_kernel::history::{Attempted, Broken, ConsumedOnce};
use handoff_kernel::law::{Law, PROTOCOL, Protocol};
use handoff_kernel::rules::Rule;
use handoff_kernel::testing::small::Small;
use handoff_kernel::testing::variant::{Fault, Machine, Variant};
use handoff_kernel::time::{Millis, Time};

const ACCEPTED: Time = Time(1_000_000);
const DATED: Outcome = Outcome::Contents(Contents::Dated(ACCEPTED));

/// What comes of these outcomes, each at its own time; the effects that were asked for on the way.
fn run<L: Law + Copy>(law: L, outcomes: &[(Outcome, Time)]) -> (Vec<Effect>, Option<Done>) {
    let (mut machine, mut effects) = (Consume::new(law, RESUME_WINDOW), Vec::new());
    for (outcome, now) in outcomes {
        effects.push(machine.effect());
        match machine.next(*outcome, *now) {
            Next::Effect(next) => machine = next,
            Next::Done(done) => return (effects, Some(done)),
        }
    }
    effects.push(machine.effect());
    (effects, None)
}

fn end(outcomes: &[Outcome], now: Time) -> Option<Done> {
    run(Protocol, &outcomes.iter().map(|outcome| (*outcome, now)).collect::<Vec<_>>()).1
}

#[test]
fn it_is_renamed_away_first_and_read_after() {
    let (effects, done) = run(Protocol, &[(Outcome::Moved, ACCEPTED), (DATED, ACCEPTED)]);
    assert_eq!(effects, [Effect::Take, Effect::Read(Place::Taken)]);
    assert_eq!(done, Some(Done::Consumed { at: ACCEPTED }));
}

#[test]
fn at_exactly_the_resume_window_it_is_fresh_and_a_millisecond_later_it_is_not() {
    let edge = ACCEPTED.plus(Millis(300_000));
    assert_eq!(end(&[Outcome::Moved, DATED], edge), Some(Done::Consumed { at: edge }));
    let why = Refusal::Stale { age: Millis(300_001), window: Millis(300_000) };
    assert_eq!(
        end(&[Outcome::Moved, DATED, Outcome::Moved], edge.plus(Millis(1))),
        Some(Done::Refused(why)),
        "refused, and set aside"
    );
}

#[test]
fn what_has_no_known_age_is_refused_and_never_fresh_by_default() {
    let cases = [
        (Contents::Malformed, Refusal::Malformed),
        (Contents::Undated, Refusal::Malformed),
        (Contents::Dated(ACCEPTED.plus(Millis(1))), Refusal::Future { ahead: Millis(1) }),
        (Contents::Dated(Time::MAX), Refusal::Future { ahead: Millis(u64::MAX - ACCEPTED.0) }),
    ];
    for (contents, why) in cases {
        let outcomes = [(Outcome::Moved, ACCEPTED), (Outcome::Contents(contents), ACCEPTED)];
        let (effects, done) = run(Protocol, &outcomes);
        assert_eq!((effects.last(), done), (Some(&Effect::SetAside), None), "{contents:?}");
        let outcomes = [Outcome::Moved, Outcome::Contents(contents), Outcome::Moved];
        assert_eq!(end(&outcomes, ACCEPTED), Some(Done::Refused(why)));
    }
    assert_eq!(end(&[Outcome::Missing], ACCEPTED), Some(Done::Refused(Refusal::Missing)));
    assert_eq!(end(&[Outcome::Moved, Outcome::Missing], ACCEPTED), Some(Done::Refused(Refusal::Missing)));
}

#[test]
fn a_disk_that_cannot_ends_the_attempt_but_not_a_refusal() {
    let stale = Refusal::Malformed;
    let malformed = Outcome::Contents(Contents::Malformed);
    assert_eq!(end(&[Outcome::Failed], ACCEPTED), Some(Done::Unavailable));
    assert_eq!(end(&[Outcome::Moved, Outcome::Failed], ACCEPTED), Some(Done::Unavailable));
    assert_eq!(end(&[Outcome::Moved, malformed, Outcome::Failed], ACCEPTED), Some(Done::Refused(stale)));
    assert_eq!(end(&[Outcome::Moved, malformed, Outcome::Missing], ACCEPTED), Some(Done::Refused(stale)));
}

#[test]
fn an_outcome_that_does_not_fit_is_as_good_as_an_unknown_one() {
    let law = Variant::with(Fault::ReadThenDelete);
    let steps: [&[(Outcome, Time)]; 3] = [
        &[],
        &[(Outcome::Moved, ACCEPTED)],
        &[(Outcome::Moved, ACCEPTED), (Outcome::Contents(Contents::Undated), ACCEPTED)],
    ];
    for before in steps {
        for unfit in [Outcome::Moved, DATED, Outcome::Unknown] {
            let effect = run(Protocol, before).0.last().copied();
            if matches!(
                (effect, unfit),
                (Some(Effect::Take | Effect::SetAside), Outcome::Moved)
                    | (Some(Effect::Read(_)), Outcome::Contents(_))
            ) {
                continue;
            }
            let with: Vec<_> = before.iter().copied().chain([(unfit, ACCEPTED)]).collect();
            assert_eq!(run(Protocol, &with).0.last().copied(), effect, "{unfit:?}");
        }
    }
    let (effects, done) =
        run(law, &[(DATED, ACCEPTED), (Outcome::Unknown, ACCEPTED), (Outcome::Failed, ACCEPTED)]);
    assert_eq!(effects, [Effect::Read(Place::Left), Effect::Take, Effect::Take]);
    assert_eq!(done, Some(Done::Unavailable));
}

#[test]
fn after_a_lost_answer_its_own_name_tells_whether_it_has_it() {
    let took = [Outcome::Unknown, Outcome::Missing, DATED];
    assert_eq!(end(&took, ACCEPTED), Some(Done::Consumed { at: ACCEPTED }));
    let did_not = [Outcome::Unknown, Outcome::Missing, Outcome::Missing];
    assert_eq!(end(&did_not, ACCEPTED), Some(Done::Refused(Refusal::Missing)));
    let again = [Outcome::Unknown, Outcome::Moved, Outcome::Unknown, DATED];
    assert_eq!(end(&again, ACCEPTED), Some(Done::Consumed { at: ACCEPTED }));
}

/// Where the one file is, the two sessions, and who comes after one that died.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct World<L: Law> {
    place: Option<u64>,
    aside: bool,
    running: [(Session, Option<Consume<L>>); 2],
    deaths: u64,
    losses: u8,
    checker: ConsumedOnce<Small>,
}

/// Every interleaving of two sessions over one file, with two deaths and two lost answers.
fn broken<L: Law + Copy + Ord>(law: L, contents: Contents, now: Time) -> (BTreeSet<Broken>, usize) {
    let begin = |name| (Session(name), Some(Consume::new(law, Millis(2))));
    let first = World {
        place: Some(0),
        aside: false,
        running: [begin(1), begin(2)],
        deaths: 0,
        losses: 0,
        checker: ConsumedOnce::default(),
    };
    let (mut seen, mut todo, mut found) = (BTreeSet::from([first.clone()]), vec![first], BTreeSet::new());
    while let Some(world) = todo.pop() {
        let mut next = Vec::new();
        for i in 0..2 {
            if world.deaths < 2 {
                let mut after = world.clone();
                after.deaths += 1;
                after.running[i] = begin(2 + after.deaths);
                next.push((after, Ok(())));
            }
            for fate in 0..if world.losses < 2 { 3 } else { 1 } {
                next.extend(step(&world, i, fate, contents, now));
            }
        }
        for (after, verdict) in next {
            match verdict {
                Err(broken) => {
                    found.insert(broken);
                }
                Ok(()) => {
                    if seen.insert(after.clone()) {
                        todo.push(after);
                    }
                }
            }
        }
    }
    (found, seen.len())
}

/// Fate 0: done and answered. 1: done, the answer lost. 2: lost before it was done.
fn step<L: Law + Copy>(
    world: &World<L>,
    i: usize,
    fate: u8,
    contents: Contents,
    now: Time,
) -> Option<(World<L>, Result<(), Broken>)> {
    let (session, machine) = world.running[i];
    let machine = machine?;
    let mut after = world.clone();
    after.losses += u8::from(fate != 0);
    let here = |place: Place| after.place == Some(if place == Place::Left { 0 } else { session.0 });
    let outcome = match machine.effect() {
        Effect::Take if here(Place::Left) => Outcome::Moved,
        Effect::SetAside if here(Place::Taken) => Outcome::Moved,
        Effect::Read(place) if here(place) => Outcome::Contents(contents),
        Effect::Take | Effect::SetAside | Effect::Read(_) => Outcome::Missing,
    };
    if outcome == Outcome::Moved && fate != 2 {
        after.aside = machine.effect() == Effect::SetAside;
        after.place = if after.aside { None } else { Some(session.0) };
    }
    let accepted_at = match contents {
        Contents::Dated(at) => Some(at),
        Contents::Undated | Contents::Malformed => None,
    };
    let told = |now| Attempted { handoff: &0, session, accepted_at, window: Millis(2), now };
    let outcome = if fate == 0 { outcome } else { Outcome::Unknown };
    let verdict = match machine.next(outcome, now) {
        Next::Effect(next) => {
            after.running[i].1 = Some(next);
            Ok(())
        }
        Next::Done(done) => {
            after.running[i].1 = None;
            match done {
                Done::Consumed { at } => after.checker.consumed(&told(at)),
                Done::Refused(Refusal::Stale { .. }) => after.checker.refused_as_stale(&told(now)),
                Done::Refused(Refusal::Missing | Refusal::Malformed | Refusal::Future { .. })
                | Done::Unavailable => Ok(()),
            }
        }
    };
    Some((after, verdict))
}

/// Ages 0 to 4 with a window of 2, one from the future, one without a date, one malformed.
fn cases() -> Vec<(Contents, Time)> {
    let mut cases: Vec<_> = (0..5).map(|age| (Contents::Dated(Time(9)), Time(9 + age))).collect();
    cases.extend([Contents::Dated(Time(10)), Contents::Undated, Contents::Malformed].map(|c| (c, Time(9))));
    cases
}

#[test]
fn two_sessions_that_may_die_and_lose_answers_never_break_s11() {
    let mut states = 0;
    for (contents, now) in cases() {
        let (found, count) = broken(Protocol, contents, now);
        assert_eq!(found, BTreeSet::new(), "{contents:?} at {now:?}");
        assert_eq!(broken(Variant::default(), contents, now), (found, count));
        states += count;
    }
    assert_eq!(states, 8_329, "the worlds have the size that they had when this was written");
}

#[test]
fn each_fault_of_the_bootstrap_is_caught_by_s11_in_its_own_way() {
    let how = BTreeMap::from([
        (Fault::ReadThenDelete, "two sessions consumed one bootstrap"),
        (Fault::StaleAtBoundary, "a bootstrap that is not stale was refused as stale"),
        (Fault::FreshBeyondWindow, "a stale bootstrap was consumed"),
        (Fault::UndatedIsFresh, "a bootstrap without a date was consumed"),
        (Fault::FutureIsFresh, "a bootstrap from the future was consumed"),
    ]);
    for fault in Fault::ALL.into_iter().filter(|fault| fault.machine() == Machine::Bootstrap) {
        let law = Variant::with(fault);
        let found: BTreeSet<_> = cases().into_iter().flat_map(|(c, now)| broken(law, c, now).0).collect();
        assert_eq!(fault.caught_by(), Rule::S11);
        assert_eq!(found, BTreeSet::from([Broken { rule: Rule::S11, how: how[&fault] }]), "{fault:?}");
    }
}

#[test]
fn the_checker_of_s11_knows_each_way_of_breaking_it() {
    let seen = |session, accepted_at, now| Attempted {
        handoff: &0,
        session: Session(session),
        accepted_at,
        window: Millis(2),
        now: Time(now),
    };
    let how = |broken: Result<(), Broken>| broken.map_err(|broken| broken.how);
    let fresh = Some(Time(5));
    let mut once: ConsumedOnce<Small> = ConsumedOnce::default();
    assert_eq!(once.consumed(&seen(1, fresh, 7)), Ok(()));
    assert_eq!(how(once.clone().consumed(&seen(1, fresh, 7))), Err("a session consumed a bootstrap twice"));
    assert_eq!(how(once.consumed(&seen(2, fresh, 7))), Err("two sessions consumed one bootstrap"));
    let other = Attempted { handoff: &1, ..seen(2, fresh, 7) };
    assert_eq!(once.consumed(&other), Ok(()), "another handoff's is another bootstrap");
    let stale = ConsumedOnce::<Small>::default().consumed(&seen(1, fresh, 8));
    assert_eq!(how(stale), Err("a stale bootstrap was consumed"));
    assert_eq!(once.refused_as_stale(&seen(1, fresh, 8)), Ok(()));
    for (accepted_at, now) in [(fresh, 7), (fresh, 4), (None, 9)] {
        assert!(once.refused_as_stale(&seen(1, accepted_at, now)).is_err());
    }
}

#[test]
fn every_fault_has_a_name_by_which_it_is_found_again() {
    let names: BTreeSet<_> = Fault::ALL.into_iter().map(Fault::name).collect();
    assert_eq!(names.len(), Fault::ALL.len());
    for fault in Fault::ALL {
        let pascal: String = fault.name().split('_').map(|w| w[..1].to_uppercase() + &w[1..]).collect();
        assert_eq!(pascal, format!("{fault:?}"));
        assert_eq!(
            (Fault::named(fault.name()), Variant::with(fault).name()),
            (Some(fault), fault.name().to_owned())
        );
    }
    assert_eq!(
        (Fault::named("protocol"), Protocol.name(), Variant::default().name()),
        (None, PROTOCOL.to_owned(), PROTOCOL.to_owned())
    );
}
