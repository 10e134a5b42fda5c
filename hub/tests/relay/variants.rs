//! The relay under a law with a fault: it decides as the fault has it, and whatever the fault it neither panics nor
//! goes on for ever.

use std::collections::BTreeSet;

use handoff_hub::relay::Config;
use handoff_hub::relay::told::{Came, Told};
use handoff_hub::request::{Filter, Reply, Request};
use handoff_kernel::ident::HandoffId;
use handoff_kernel::law::{Law, Protocol};
use handoff_kernel::operation::NotDone;
use handoff_kernel::record::Status;
use handoff_kernel::testing::variant::{Fault, Variant};
use handoff_kernel::time::Millis;

use crate::neighbours::drop_file;
use crate::world::{BEGIN, World, accepting, agent, artifact, claim, id, starting};

const MINUTE: Millis = Millis(60_000);
const SECOND: Millis = Millis(1000);

fn with(fault: Fault) -> World<Variant> {
    World::under(Variant::with(fault), |config| config)
}

fn shown<L: Law>(world: &mut World<L>) -> Option<HandoffId> {
    world.poll().map(|(handoff, _)| handoff)
}

#[test]
fn a_step_is_decided_by_the_law_that_the_relay_was_given() {
    fn at_its_deadline<L: Law>(mut world: World<L>) -> bool {
        world.start(&artifact("h", SECOND, None)).unwrap();
        world.clock.set(BEGIN.plus(SECOND));
        world.accept("h", claim("c")).is_ok()
    }
    assert!(at_its_deadline(World::under(Protocol, |config| config)));
    assert!(at_its_deadline(World::under(Variant::default(), |config| config)));
    assert!(!at_its_deadline(with(Fault::ExpiresAtDeadline)));
}

#[test]
fn a_claim_by_a_same_host_agent_is_decided_by_it_too() {
    let mut world = with(Fault::AcceptTrustsJanitor);
    world.start(&artifact("h", SECOND, None)).unwrap();
    world.rename("handoff/h.json", "claimed/h.json");
    world.clock.set(BEGIN.plus(MINUTE));
    world.relay.tick();
    let _ = world.relay.commit().unwrap();
    assert_eq!(world.status("h"), Some(Status::Claimed), "though it is late");
}

#[test]
fn who_is_a_party_is_for_the_law_to_say() {
    let mut world = with(Fault::AnybodyIsParty);
    world.start(&artifact("h", MINUTE, None)).unwrap();
    let filter = Filter { status: Status::Pending, target: None, author: None };
    let list = Request::List { by: agent("eve"), filter, limit: 9, after: None };
    assert!(matches!(world.ask(list), Reply::Listed(page) if page.records.len() == 1));
    let get = Request::Get { by: agent("eve"), handoff: id("h"), artifact: false };
    assert!(matches!(world.ask(get), Reply::Got(Ok(_))));
}

#[test]
fn the_clock_steps_back_under_a_law_that_lets_it() {
    let mut world = with(Fault::ClockStepsBack);
    world.start(&artifact("h", SECOND, None)).unwrap();
    world.clock.set(BEGIN.plus(MINUTE));
    let _ = world.get("h");
    world.clock.set(BEGIN);
    assert!(world.accept("h", claim("c")).is_ok());
}

#[test]
fn a_poll_shows_what_its_law_shows_and_in_that_order() {
    let mut world = with(Fault::PollNewestFirst);
    world.start(&artifact("old", MINUTE, None)).unwrap();
    world.clock.set(BEGIN.plus(Millis(1)));
    world.start(&artifact("new", MINUTE, None)).unwrap();
    assert_eq!(shown(&mut world), Some(id("new")));

    let mut world = with(Fault::PollShowsOverdue);
    world.start(&artifact("h", SECOND, None)).unwrap();
    world.clock.set(BEGIN.plus(MINUTE));
    assert_eq!(shown(&mut world), Some(id("h")));

    let mut world = with(Fault::PollForgotten);
    world.submit(Request::Poll { by: agent("alice"), wait: MINUTE });
    world.submit(starting(&artifact("h", MINUTE, None)));
    assert_eq!(world.turn().len(), 1, "the start alone");
}

#[test]
fn the_janitor_and_retention_look_after_what_their_law_says() {
    let mut world = with(Fault::JanitorForgetsPending);
    world.start(&artifact("h", SECOND, None)).unwrap();
    world.clock.set(BEGIN.plus(MINUTE));
    world.turn();
    assert_eq!(world.files(), ["handoff/h.json"]);

    let removes = Variant::with(Fault::RemovesEarly);
    let mut world = World::under(removes, |config| Config { retain: Some(MINUTE), ..config });
    world.start(&artifact("h", SECOND, None)).unwrap();
    world.reject("h", None, "busy").unwrap();
    for n in 2..6 {
        world.clock.set(BEGIN.plus(Millis(n * SECOND.0)));
        world.turn();
    }
    assert!(world.files().is_empty());
}

#[test]
fn a_dropped_file_is_taken_in_as_the_law_has_it() {
    let week = Millis(8 * 24 * 3_600_000);
    let mut longer = Variant::default();
    longer.max_lifetime = week;
    let mut world = World::under(longer, |config| config);
    drop_file(&world, "handoff/h.json", &artifact("h", week, None), BEGIN.0);
    world.turn();
    assert_eq!(world.files(), ["handoff/h.json"]);
}

#[test]
fn a_write_that_is_tried_again_as_it_is_comes_to_an_end() {
    let law = Variant::with(Fault::ConflictRetriedAsIs);
    let mut world = World::under(law, |config| Config { listened: true, ..config });
    world.start(&artifact("h", MINUTE, None)).unwrap();
    world.submit(accepting("h", claim("c")));
    world.rename("handoff/h.json", "claimed/h.json");
    let replies = world.relay.commit().unwrap().0;
    let [(_, Reply::Done(done))] = replies.as_slice() else { panic!("{replies:?}") };
    assert_eq!(done.verdict, Err(NotDone::Unavailable));
    assert!(world.relay.take_notes().iter().any(|note| note.contains("held up")));
    let lost = |told: &&Told| matches!(told, Told::Effect { outcome: Came::Conflict, .. });
    assert_eq!(world.relay.take_told().iter().filter(lost).count(), 16);
}

#[test]
fn a_janitor_that_comes_to_nothing_takes_a_pause() {
    let mut world = with(Fault::SweepsNothing);
    world.start(&artifact("h", SECOND, None)).unwrap();
    world.clock.set(BEGIN.plus(SECOND).plus(Millis(1)));
    assert_eq!(world.relay.wake_in(), Some(Millis(0)));
    world.turn();
    assert_eq!(world.relay.wake_in(), Some(Millis(1000)));
}

/// All that can happen to a few handoffs, told in one go: same-host agents, deadlines, a hub that begins again.
fn life(law: Variant) {
    let listened = |config| Config { listened: true, retain: Some(MINUTE), ..config };
    let mut world = World::under(law, listened);
    let mut told = Vec::new();
    for round in 0..3_u64 {
        let begin = Millis(round * 2 * MINUTE.0);
        world.clock.set(BEGIN.plus(begin));
        world.submit(Request::Poll { by: agent("alice"), wait: MINUTE });
        for name in ["a", "b", "c", "d"] {
            let lives = Millis(begin.0 + 20_000);
            world.submit(starting(&artifact(name, lives, Some(5))));
            world.submit(starting(&artifact(name, lives, Some(6 + round))));
            world.turn();
            world.submit(accepting(name, claim("c")));
            if name == "b" {
                let _ =
                    std::fs::rename(world.data().join("handoff/b.json"), world.data().join("claimed/b.json"));
            }
            world.turn();
            world.submit(accepting(name, None));
            world.submit(accepting(name, claim("other")));
        }
        drop_file(&world, "handoff/d.json", &artifact("d", Millis(begin.0 + 30_000), None), BEGIN.0);
        for later in [10_000, 21_000, 40_000] {
            let _ = world.complete("a", claim("c"), "1");
            let _ = world.reject("c", claim("x"), "busy");
            world.clock.set(BEGIN.plus(Millis(begin.0 + later)));
            for name in ["a", "b", "c", "d"] {
                let _ = world.get(name);
                let _ = world.accept(name, claim("late"));
            }
            for _ in 0..4 {
                world.turn();
            }
        }
        world.clock.set(BEGIN);
        world.turn();
        told.extend(ended(world.relay.take_told()));
        world = world.reopened(listened);
    }
    assert!(told.iter().all(|ends| *ends == 1), "what begins ends, once: {}: {told:?}", law.name());
}

/// How often each operation that began has ended.
fn ended(told: Vec<Told>) -> Vec<usize> {
    let (mut begun, mut over) = (BTreeSet::new(), Vec::new());
    for told in told {
        match told {
            Told::Begun { operation, .. } => assert!(begun.insert(operation)),
            Told::Done { operation, .. } | Told::Dropped { operation } => over.push(operation),
            Told::Effect { operation, .. } | Told::Decided { operation, .. } => {
                assert!(begun.contains(&operation) && !over.contains(&operation));
            }
            Told::Polled { .. } | Told::Arrived { .. } | Told::Pruned { .. } => {}
        }
    }
    assert!(!begun.is_empty());
    begun.iter().map(|operation| over.iter().filter(|o| *o == operation).count()).collect()
}

#[test]
fn whatever_the_fault_the_relay_lives_on() {
    life(Variant::default());
    for fault in Fault::ALL {
        life(Variant::with(fault));
    }
}
