//! What the simulator has found, each made small: a crash, a clock that is set back, a read that fails, and a same-host
//! agent that is quicker than the hub.

use std::path::PathBuf;

use handoff_hub::disk::Disk as _;
use handoff_hub::disk::simulated::{Call, Failure, Fault, Image, SimulatedDisk};
use handoff_hub::events::verify;
use handoff_hub::relay::{Config, Relay};
use handoff_hub::request::{Reply, Request, Ticket};
use handoff_hub::store::Options;
use handoff_kernel::artifact::Artifact;
use handoff_kernel::record::Status;
use handoff_kernel::time::{Millis, Time};

use crate::lives::{LATE, R, RETAIN, accept, ask, drop_in, finish, get, open, open_with, shown, start};
use crate::world::{BEGIN, agent, artifact, id, log};

const JOURNAL: u64 = 64 * 1024;

const FAR: Time = BEGIN.plus(Millis(100_000));

fn after(millis: u64) -> Time {
    BEGIN.plus(Millis(millis))
}

/// The status that a hub has on record, if it has one.
fn status(hub: &mut R, name: &str) -> Option<Status> {
    match ask(hub, vec![get(name)]).remove(0) {
        Reply::Got(Ok(story)) => Some(story.record.status()),
        _ => None,
    }
}

fn rename(disk: &SimulatedDisk, from: &str, to: &str) {
    disk.clone().rename(from, to).unwrap();
}

/// A hub on this disk knows that a same-host agent has claimed `x`; and that goes on to finish it, which no hub knows yet.
fn claimed_and_finished_by_a_neighbour(disk: &SimulatedDisk) -> R {
    let (mut hub, _) = open(disk, BEGIN, JOURNAL, None);
    ask(&mut hub, vec![start("x", FAR)]);
    rename(disk, "handoff/x.json", "claimed/x.json");
    ask(&mut hub, vec![]);
    assert_eq!(status(&mut hub, "x"), Some(Status::Claimed));
    rename(disk, "claimed/x.json", "archive/x.json");
    hub
}

/// Looks at each image that a power cut may leave now, of which there are several.
fn after_any_power_cut(disk: &SimulatedDisk, look: impl Fn(&Image)) {
    let mut images = 0;
    for image in disk.crash_images() {
        images += 1;
        look(&image);
    }
    assert!(images > 1, "there was nothing to lose");
}

#[test]
fn what_was_removed_is_not_started_anew_by_a_clock_that_is_set_back_while_the_hub_is_down() {
    let disk = SimulatedDisk::default();
    let (mut hub, _) = open(&disk, BEGIN, JOURNAL, RETAIN);
    ask(&mut hub, vec![start("x", after(1000))]);
    finish(&mut hub, "x");
    assert!(hub.close().1.is_ok());
    let (mut hub, clock) = open(&disk, after(10), JOURNAL, RETAIN);
    for n in 1..5 {
        // Nobody asks for anything, so that nothing else makes the time durable.
        clock.set(LATE.plus(Millis(1000 * n)));
        ask(&mut hub, vec![]);
    }
    assert!(disk.seen().bytes("archive/x.json").is_none(), "it has been removed");
    let mut unknown = 0;
    for image in [disk.seen(), disk.power_cut().none()] {
        let (mut hub, _) = open(&image.disk(), after(20), JOURNAL, None);
        if status(&mut hub, "x").is_none() {
            unknown += 1;
            let again = shown(&ask(&mut hub, vec![start("x", after(1000))]));
            assert!(again.contains("Refused(Expired)"), "{again}");
        }
    }
    assert!(unknown > 0, "nothing was removed for good");
}

#[test]
fn a_power_cut_leaves_no_gap_in_a_log_that_was_pruned() {
    let disk = SimulatedDisk::default();
    let store = Options { journal_bytes: JOURNAL, segment_bytes: 300, ..Options::default() };
    let (mut hub, _) = open_with(&disk, BEGIN, store, RETAIN);
    for name in ["x", "y", "z"] {
        ask(&mut hub, vec![start(name, after(1000))]);
        finish(&mut hub, name);
    }
    assert!(hub.close().1.is_ok());
    let (mut hub, clock) = open_with(&disk, after(10), store, RETAIN);
    let before = log(&disk).lines().count();
    for n in 1..12 {
        clock.set(LATE.plus(Millis(1000 * n)));
        ask(&mut hub, vec![]);
    }
    assert!(log(&disk).lines().count() + 3 < before, "several segments were removed");
    after_any_power_cut(&disk, |image| {
        let verified = verify(&image.disk(), &[]);
        assert!(verified.is_ok(), "{verified:?} on {image}");
    });
}

#[test]
fn a_file_that_cannot_be_read_for_a_moment_is_not_put_away_as_anothers() {
    let disk = SimulatedDisk::default();
    let mut hub = claimed_and_finished_by_a_neighbour(&disk);
    disk.fail(Fault::next(Call::Read, Failure::Broken).of("archive/x"));
    ask(&mut hub, vec![]);
    disk.heal();
    ask(&mut hub, vec![]);
    assert_eq!(status(&mut hub, "x"), Some(Status::Completed));
}

#[test]
fn a_handoff_whose_file_cannot_be_read_at_the_start_is_not_unknown() {
    let disk = SimulatedDisk::default();
    let (mut hub, _) = open(&disk, BEGIN, JOURNAL, None);
    ask(&mut hub, vec![start("x", FAR), start("y", FAR)]);
    ask(&mut hub, vec![accept("y", "k")]);
    assert!(hub.close().1.is_ok());
    let files = ["handoff/x.json", "claimed/y~"];
    for file in files {
        disk.fail(Fault::next(Call::Read, Failure::Broken).of(file).for_ever());
    }
    let (mut hub, _) = open(&disk, after(10), JOURNAL, None);
    for name in ["x", "y"] {
        let told = shown(&ask(&mut hub, vec![accept(name, "k")]));
        assert!(told.contains("Unavailable"), "{name}: {told}");
    }
    disk.heal();
    for name in ["x", "y"] {
        let told = shown(&ask(&mut hub, vec![accept(name, "k")]));
        assert!(told.contains("Ok(Claimed"), "{name}: {told}");
    }
}

/// Whatever a power cut leaves, the hub that begins again says the same.
fn is_the_same_after_any_power_cut(disk: &SimulatedDisk, hub: &mut R, now: Time) {
    let before = shown(&ask(hub, vec![get("x")]));
    assert!(before.contains("Ok(Story"), "{before}");
    after_any_power_cut(disk, |image| {
        let (mut hub, _) = open(&image.disk(), now, JOURNAL, None);
        assert_eq!(shown(&ask(&mut hub, vec![get("x")])), before, "on {image}");
    });
}

#[test]
fn what_was_dropped_and_finished_before_the_hub_looked_is_durable_before_it_is_told() {
    // Who finds it: whoever asks for it, or retention, which looks through what is over.
    for (to, rounds) in [("rejected", 0), ("archive", 0), ("rejected", 4), ("archive", 4)] {
        let disk = SimulatedDisk::default();
        let (mut hub, clock) = open(&disk, BEGIN, JOURNAL, RETAIN);
        drop_in(&disk, "x", &artifact("x"), BEGIN);
        rename(&disk, "handoff/x.json", &format!("{to}/x.json"));
        for n in 1..=rounds {
            clock.set(after(1000 * n));
            ask(&mut hub, vec![]);
        }
        is_the_same_after_any_power_cut(&disk, &mut hub, after(5000));
    }
}

#[test]
fn a_transition_that_takes_note_of_a_move_is_redone_from_where_that_led() {
    let disk = SimulatedDisk::default();
    let (mut hub, clock) = open(&disk, BEGIN, JOURNAL, None);
    let limited =
        String::from_utf8(artifact("x")).unwrap().replace("\"hmac\"", "\"claim_ttl_seconds\": 1, \"hmac\"");
    let header = Artifact::parse(limited.as_bytes()).unwrap().header().start();
    let bytes = limited.into_bytes().into();
    ask(&mut hub, vec![Request::Start { sender: agent("bob"), start: header, bytes, target_known: true }]);
    rename(&disk, "handoff/x.json", "claimed/x.json");
    ask(&mut hub, vec![]);
    rename(&disk, "claimed/x.json", "archive/x.json");
    clock.set(after(5000));
    ask(&mut hub, vec![]);
    assert_eq!(status(&mut hub, "x"), Some(Status::Rejected), "it came too late");
    is_the_same_after_any_power_cut(&disk, &mut hub, after(6000));
}

#[test]
fn a_claim_that_a_same_host_agent_went_on_to_finish_is_never_forgotten() {
    let disk = SimulatedDisk::default();
    let _hub = claimed_and_finished_by_a_neighbour(&disk);
    after_any_power_cut(&disk, |image| {
        let (mut hub, _) = open(&image.disk(), after(10), JOURNAL, None);
        ask(&mut hub, vec![]);
        let found = status(&mut hub, "x");
        assert!(matches!(found, Some(Status::Claimed | Status::Completed)), "{found:?} on {image}");
    });
}

/// How a record shows that is claimed under this name.
const HELD: &str = "state: Claimed(Claim { id: Some(\"k\")";

#[test]
fn an_acknowledged_claim_comes_before_a_move_that_was_made_after_the_power_cut() {
    let disk = SimulatedDisk::default();
    let (mut hub, _) = open(&disk, BEGIN, JOURNAL, None);
    ask(&mut hub, vec![start("x", FAR)]);
    ask(&mut hub, vec![accept("x", "k")]);
    let before = shown(&ask(&mut hub, vec![get("x")]));
    assert!(before.contains(HELD), "{before}");
    // Another batch: the claim's own has been carried out, and answered.
    ask(&mut hub, vec![start("y", FAR)]);
    let back = |image: &Image| image.bytes("handoff/x.json").is_some();
    let mut images = 0;
    for image in disk.crash_images().filter(back) {
        images += 1;
        let machine = image.disk();
        rename(&machine, "handoff/x.json", "claimed/x.json");
        let (mut hub, _) = open(&machine, after(10), JOURNAL, None);
        let found = shown(&ask(&mut hub, vec![get("x")]));
        assert!(found.contains(HELD), "{found} on {image}");
    }
    assert!(images > 0, "no power cut brings the file back");
}

#[test]
fn a_poll_whose_wait_ends_looks_once_more() {
    let disk = SimulatedDisk::default();
    let (mut hub, clock) = open(&disk, BEGIN, JOURNAL, None);
    ask(&mut hub, vec![start("x", FAR)]);
    disk.fail(Fault::next(Call::Read, Failure::Broken).of("handoff/x").for_ever());
    let poll = Request::Poll { by: agent("alice"), wait: Millis(1000) };
    assert_eq!(ask(&mut hub, vec![poll]), [], "what cannot be read is not shown");
    disk.heal();
    clock.set(after(1001));
    let told = ask(&mut hub, vec![]);
    assert!(matches!(told.as_slice(), [Reply::Polled(Some(shown))] if shown.handoff == id("x")), "{told:?}");
}

#[test]
fn what_was_finished_just_before_a_kill_is_taken_note_of_afterwards() {
    let disk = SimulatedDisk::default();
    drop(claimed_and_finished_by_a_neighbour(&disk));
    // A kill loses nothing that was written.
    let disk = disk.seen().disk();
    let (mut hub, clock) = open(&disk, after(10), JOURNAL, None);
    // An onlooker must not do the hub's work for it, nor keep it from it.
    let seen = hub.on_record(&id("x")).unwrap().unwrap();
    assert_eq!(seen.status(), Status::Claimed);
    for n in 1..3 {
        clock.set(after(1000 * n));
        ask(&mut hub, vec![]);
    }
    let told = String::from_utf8(disk.seen().bytes("archive/x.json").unwrap().to_vec()).unwrap();
    assert!(told.contains("completed"), "{told}");
}

/// An artifact of `x` so long that the first line of its file needs more space than that has.
fn long() -> Vec<u8> {
    const LEN: usize = 4090;
    let bytes = String::from_utf8(artifact("x")).unwrap();
    let more = "x".repeat(LEN - bytes.len() - "\"\": \"\", ".len());
    let bytes = bytes.replace("\"hmac\"", &format!("\"{more}\": \"\", \"hmac\"")).into_bytes();
    assert_eq!(bytes.len(), LEN);
    bytes
}

#[test]
fn a_transition_that_lost_to_a_move_after_a_kill_leaves_the_arrival_as_it_was() {
    let mut lost = 0;
    for operations in 0..20 {
        let disk = SimulatedDisk::default();
        let (hub, clock) = open(&disk, BEGIN, JOURNAL, None);
        drop(hub);
        clock.set(after(10));
        let process = disk.start().unwrap();
        let own = process.same_process();
        let config = Config {
            store: Options { journal_bytes: JOURNAL, ..Options::default() },
            ..Config::on(PathBuf::from("/data"))
        };
        let mut hub: R = Relay::on(process, &config, clock).unwrap();
        // Long enough before, and with no line of the hub's, so that only the file's time says so.
        drop_in(&disk, "x", &long(), BEGIN);
        disk.set_now(after(10));
        ask(&mut hub, vec![]);
        own.crash_at(own.operations() + operations);
        ask(&mut hub, vec![accept("x", "k")]);
        own.crash();
        drop(hub);
        if disk.clone().rename("handoff/x.json", "claimed/x.json").is_err() {
            continue;
        }
        let (mut hub, _) = open(&disk.seen().disk(), after(20), JOURNAL, None);
        let told = match ask(&mut hub, vec![get("x")]).remove(0) {
            Reply::Got(Ok(story)) => story.record,
            other => panic!("{other:?}"),
        };
        assert_eq!((told.status(), told.started_at), (Status::Claimed, BEGIN), "after {operations}");
        lost += 1;
    }
    assert_eq!(
        lost, 4,
        "before its frame, before that is durable, before the line has its space, before the rename"
    );
}

#[test]
fn the_arrival_is_put_back_for_good_when_a_transition_is_not_carried_out() {
    let disk = SimulatedDisk::default();
    let (mut hub, _) = open(&disk, BEGIN, JOURNAL, None);
    drop_in(&disk, "x", &long(), BEGIN);
    ask(&mut hub, vec![]);
    disk.set_now(after(10));
    // It has taken space for its line by then.
    disk.fail(Fault::next(Call::Rename, Failure::Broken).of("handoff/x"));
    let told = shown(&ask(&mut hub, vec![accept("x", "k")]));
    assert!(told.contains("Unavailable"), "{told}");
    after_any_power_cut(&disk, |image| {
        let (mut hub, _) = open(&image.disk(), after(20), JOURNAL, None);
        let record = match ask(&mut hub, vec![get("x")]).remove(0) {
            Reply::Got(Ok(story)) => story.record,
            other => panic!("{other:?} on {image}"),
        };
        assert_eq!((record.status(), record.started_at), (Status::Pending, BEGIN), "on {image}");
    });
}

#[test]
fn nothing_is_served_that_is_flushed_after_a_flush_has_failed() {
    let disk = SimulatedDisk::default();
    let (mut hub, _) = open(&disk, BEGIN, JOURNAL, None);
    drop_in(&disk, "x", &artifact("x"), BEGIN);
    disk.fail(Fault::next(Call::Flush, Failure::Broken).of("handoff/x"));
    for ticket in 1..4 {
        hub.tick();
        hub.submit(Ticket(ticket), Request::Poll { by: agent("alice"), wait: Millis(0) });
    }
    let told = hub.drain().0;
    assert_eq!(told.len(), 3);
    assert!(told.iter().all(|(_, reply)| *reply == Reply::Polled(None)), "it is shown");
    assert!(hub.commit().is_err(), "the store is down");
}
