//! What a relay that is listened to tells: every step of every operation, in the order in which it happened.

use handoff_hub::relay::Config;
use handoff_hub::relay::told::Told;
use handoff_hub::request::Request;
use handoff_kernel::command::Command;
use handoff_kernel::ident::Wire;
use handoff_kernel::law::Law;
use handoff_kernel::record::Record;
use handoff_kernel::time::{Millis, Time};

use crate::neighbours::drop_file;
use crate::world::{BEGIN, World, accepting, agent, artifact, claim, starting};

const MINUTE: Millis = Millis(60_000);

fn listened(config: Config) -> Config {
    Config { listened: true, ..config }
}

/// One with `h` pending, and all that led to it heard.
fn started() -> World {
    let mut world = World::with(listened);
    world.start(&artifact("h", MINUTE, None)).unwrap();
    world.relay.take_told();
    world
}

fn polling(wait: Millis) -> Request {
    Request::Poll { by: agent("alice"), wait }
}

/// What has been told since, a line each.
fn heard<L: Law>(world: &mut World<L>) -> Vec<String> {
    world.relay.take_told().iter().map(line).collect()
}

fn line(told: &Told) -> String {
    let status = |record: &Option<Record<Wire>>| {
        record.as_ref().map_or("nothing".to_owned(), |record| record.status().name().to_owned())
    };
    match told {
        Told::Begun { operation, ticket, handoff, command } => {
            let what = match command {
                Command::Start { .. } => "start",
                Command::Accept { .. } => "accept",
                Command::Complete { .. } => "complete",
                Command::Reject { .. } => "reject",
                Command::Sweep => "sweep",
            };
            format!("{operation} begins: {what} {handoff}, asked by {ticket:?}")
        }
        Told::Effect { operation, asked, outcome, record, .. } => {
            format!("{operation} {asked:?} {outcome:?}: {}", status(record))
        }
        Told::Decided { operation, before, next, event } => {
            format!(
                "{operation} decides: {} -> {}, {}",
                status(before),
                next.status().name(),
                event.kind.name()
            )
        }
        Told::Done { operation, done, .. } => match &done.verdict {
            Ok(_) => format!("{operation} ends"),
            Err(why) => format!("{operation} ends: {why:?}"),
        },
        Told::Dropped { operation } => format!("{operation} is dropped"),
        Told::Polled { ticket, target, shown, waits, .. } => {
            let shown = shown.map_or("nothing".to_owned(), |shown| shown.to_string());
            format!("poll {} of {target}: {shown}{}", ticket.0, if *waits { ", waits" } else { "" })
        }
        Told::Arrived { record } => format!("{} arrives {}", record.id, record.status().name()),
        Told::Pruned { handoff } => format!("{handoff} is pruned"),
    }
}

#[test]
fn a_start_and_the_accept_that_wins_tell_every_step() {
    let mut world = World::with(listened);
    world.start(&artifact("h", MINUTE, None)).unwrap();
    world.clock.set(BEGIN.plus(Millis(5)));
    world.accept("h", claim("c")).unwrap();
    let told = world.relay.take_told();
    assert_eq!(
        told.iter().map(line).collect::<Vec<_>>(),
        [
            "1 begins: start h, asked by Some(Ticket(1))",
            "1 Load Loaded: nothing",
            "1 decides: nothing -> pending, started",
            "1 Insert Written: pending",
            "1 ends",
            "2 begins: accept h, asked by Some(Ticket(2))",
            "2 Load Loaded: pending",
            "2 decides: pending -> claimed, claimed",
            "2 Swap Written: claimed",
            "2 ends",
        ]
    );
    let times = |told: &[Told]| -> Vec<Time> {
        let now = |told: &Told| match told {
            Told::Effect { now, .. } | Told::Done { now, .. } => Some(*now),
            _ => None,
        };
        told.iter().filter_map(now).collect()
    };
    assert_eq!(times(&told[..5]), [BEGIN; 3]);
    assert_eq!(times(&told[5..]), [BEGIN.plus(Millis(5)); 3]);
    assert_eq!(world.relay.take_told(), [], "it is told once");
}

#[test]
fn an_accept_that_loses_to_a_rename_tells_whose_turn_came_between() {
    let mut world = started();
    world.submit(accepting("h", claim("c")));
    world.rename("handoff/h.json", "claimed/h.json");
    let _ = world.relay.commit().unwrap();
    assert_eq!(
        heard(&mut world),
        [
            "2 begins: accept h, asked by Some(Ticket(2))",
            "2 Load Loaded: pending",
            "2 decides: pending -> claimed, claimed",
            "2 Swap Conflict: nothing",
            "3 begins: accept h, asked by None",
            "3 decides: pending -> claimed, claimed",
            "3 Swap Written: claimed",
            "3 ends",
            "2 Load Loaded: claimed",
            "2 ends: Refused(AlreadyClaimed)",
        ]
    );
}

#[test]
fn what_the_relay_asked_for_itself_is_dropped_when_it_loses() {
    let mut world = started();
    world.clock.set(BEGIN.plus(MINUTE).plus(Millis(1)));
    world.relay.tick();
    world.rename("handoff/h.json", "claimed/h.json");
    let _ = world.relay.commit().unwrap();
    assert_eq!(
        heard(&mut world),
        [
            "2 begins: sweep h, asked by None",
            "2 Load Loaded: pending",
            "2 decides: pending -> rejected, expired",
            "2 Swap Conflict: nothing",
            "2 is dropped",
        ]
    );
}

#[test]
fn a_sweep_tells_what_it_did() {
    let mut world = started();
    world.clock.set(BEGIN.plus(MINUTE).plus(Millis(1)));
    world.turn();
    assert_eq!(
        heard(&mut world),
        [
            "2 begins: sweep h, asked by None",
            "2 Load Loaded: pending",
            "2 decides: pending -> rejected, expired",
            "2 Swap Written: rejected",
            "2 ends",
        ]
    );
}

#[test]
fn an_operation_that_cannot_go_on_tells_that_it_failed() {
    let mut world = started();
    world.accept("h", claim("c")).unwrap();
    std::fs::remove_dir(world.data().join("archive")).unwrap();
    world.relay.take_told();
    assert!(world.complete("h", claim("c"), "1").is_err());
    let told = heard(&mut world);
    assert_eq!(told[told.len() - 2..], ["3 Load Failed: nothing", "3 ends: Unavailable"]);
}

#[test]
fn a_poll_tells_whenever_it_looks_and_when_its_wait_is_over() {
    let mut world = World::with(listened);
    world.submit(polling(Millis(0)));
    world.submit(polling(MINUTE));
    // A start for alice that is overdue before it is looked at wakes nobody, and the poll looks all the same.
    world.submit(starting(&artifact("old", Millis(1), None)));
    world.clock.set(BEGIN.plus(Millis(2)));
    let _ = world.relay.commit().unwrap();
    world.turn();
    world.start(&artifact("h", MINUTE, None)).unwrap();
    world.accept("h", claim("c")).unwrap();
    world.submit(polling(MINUTE));
    world.clock.set(BEGIN.plus(MINUTE).plus(Millis(2)));
    world.turn();
    let told: Vec<_> = heard(&mut world).into_iter().filter(|line| line.starts_with("poll")).collect();
    assert_eq!(
        told,
        [
            "poll 1 of alice: nothing",
            "poll 2 of alice: nothing, waits",
            "poll 2 of alice: nothing, waits",
            "poll 2 of alice: h",
            "poll 6 of alice: nothing, waits",
            "poll 6 of alice: nothing",
        ]
    );
}

#[test]
fn a_dropped_file_arrives_before_anything_is_done_with_it_whoever_came_by_it() {
    let drop_h = |world: &World| drop_file(world, "handoff/h.json", &artifact("h", MINUTE, None), BEGIN.0);
    let mut world = World::with(listened);
    world.submit(polling(MINUTE));
    drop_h(&world);
    world.turn();
    assert_eq!(
        heard(&mut world),
        ["poll 1 of alice: nothing, waits", "h arrives pending", "poll 1 of alice: h"],
        "in a listing"
    );
    let mut world = World::with(listened);
    drop_h(&world);
    world.accept("h", claim("c")).unwrap();
    assert_eq!(
        heard(&mut world)[..3],
        ["1 begins: accept h, asked by Some(Ticket(1))", "h arrives pending", "1 Load Loaded: pending"],
        "in a load"
    );
    let mut world = World::with(listened);
    world.submit(starting(&artifact("h", MINUTE, Some(9))));
    drop_h(&world);
    let _ = world.relay.commit().unwrap();
    assert_eq!(
        heard(&mut world)[3..],
        [
            "h arrives pending",
            "1 Insert Conflict: nothing",
            "1 Load Loaded: pending",
            "1 ends: Refused(IdConflict)"
        ],
        "in the way"
    );
    let world = World::with(listened);
    drop_h(&world);
    let mut world = world.reopened(listened);
    assert_eq!(heard(&mut world), ["h arrives pending"], "when the store is opened");
}

#[test]
fn what_was_claimed_by_a_rename_while_no_hub_ran_arrives_and_is_then_carried_out() {
    let world = started();
    world.rename("handoff/h.json", "claimed/h.json");
    let mut world = world.reopened(listened);
    world.turn();
    assert_eq!(
        heard(&mut world),
        [
            "h arrives pending",
            "1 begins: sweep h, asked by None",
            "2 begins: accept h, asked by None",
            "2 decides: pending -> claimed, claimed",
            "2 Swap Written: claimed",
            "2 ends",
            "1 Load Loaded: claimed",
            "1 ends",
        ]
    );
}

#[test]
fn what_retention_removes_is_told() {
    let mut world = World::with(|config| Config { retain: Some(Millis(0)), ..listened(config) });
    world.start(&artifact("h", MINUTE, None)).unwrap();
    world.reject("h", None, "busy").unwrap();
    world.relay.take_told();
    for n in 1..4 {
        world.clock.set(BEGIN.plus(MINUTE).plus(Millis(1000 * n)));
        world.turn();
    }
    assert_eq!(heard(&mut world), ["h is pruned"]);
}

#[test]
fn nobody_is_told_anything_unless_it_was_asked_for() {
    let mut world = World::new();
    drop_file(&world, "handoff/d.json", &artifact("d", MINUTE, None), BEGIN.0);
    world.start(&artifact("h", MINUTE, None)).unwrap();
    world.submit(polling(Millis(0)));
    world.turn();
    assert_eq!(world.relay.take_told(), []);
}
