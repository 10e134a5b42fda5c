//! Retention: what is over is removed when its time has come, and nothing else ever is.

use handoff_hub::relay::Config;
use handoff_kernel::record::Status;
use handoff_kernel::refusal::Refusal;
use handoff_kernel::time::Millis;

use crate::neighbours::drop_file;
use crate::world::{BEGIN, World, artifact, claim, refused};

const MINUTE: Millis = Millis(60_000);
const DAY: Millis = Millis(24 * 3_600_000);

fn keeping(retain: Option<Millis>) -> World {
    World::with(|config| Config { retain, ..config })
}

/// One of each kind of end, one that is claimed, and one that waits.
fn lives(world: &mut World) {
    for name in ["done", "declined", "held"] {
        world.start(&artifact(name, MINUTE, None)).unwrap();
    }
    world.start(&artifact("expired", Millis(1000), None)).unwrap();
    world.start(&artifact("waits", Millis(3 * DAY.0), None)).unwrap();
    world.accept("done", claim("c")).unwrap();
    world.accept("held", claim("c")).unwrap();
    world.complete("done", claim("c"), "1").unwrap();
    world.reject("declined", None, "busy").unwrap();
    world.clock.set(BEGIN.plus(Millis(1001)));
    world.turn();
}

/// Ticks until retention has been everywhere, at this time.
fn rounds(world: &mut World, now: handoff_kernel::time::Time) {
    for n in 0..8 {
        world.clock.set(now.plus(Millis(1000 * n)));
        world.turn();
    }
}

#[test]
fn what_is_over_goes_one_moment_after_its_time_and_what_is_not_stays() {
    let mut world = keeping(Some(DAY));
    lives(&mut world);
    let last = BEGIN.plus(MINUTE).plus(DAY);
    // Seven seconds of rounds, the last of them at that very moment.
    rounds(&mut world, handoff_kernel::time::Time(last.0 - 7000));
    let left = ["archive/done.json", "handoff/waits.json", "rejected/declined.json"];
    for file in left {
        assert!(world.files().contains(&file.to_owned()), "{file}: at the moment itself it stays");
    }
    assert!(!world.files().contains(&"rejected/expired.json".to_owned()), "its own time came before");
    rounds(&mut world, last.plus(Millis(1)));
    let claimed = format!("claimed/held~c~{}.json", BEGIN.0);
    assert_eq!(world.files(), [claimed, "handoff/waits.json".to_owned()]);
    assert_eq!(world.status("held"), Some(Status::Claimed));
}

#[test]
fn a_replay_of_what_was_removed_is_refused_and_its_id_may_be_used_again_also_after_a_crash() {
    let mut world = keeping(Some(Millis(0)));
    lives(&mut world);
    let now = BEGIN.plus(MINUTE).plus(Millis(1));
    rounds(&mut world, now);
    assert_eq!(world.get("done"), Err(Refusal::NotFound));
    assert_eq!(world.start(&artifact("done", MINUTE, None)), refused(Refusal::Expired));
    let anew = artifact("done", DAY, None);
    assert!(world.start(&anew).is_ok());
    for _ in 0..2 {
        world = world.crash();
        world.turn();
        assert_eq!(world.status("done"), Some(Status::Pending));
    }
    assert_eq!(world.read("handoff/done.json").as_bytes(), anew);
}

#[test]
fn unless_it_was_asked_for_nothing_is_ever_removed() {
    let mut world = keeping(None);
    lives(&mut world);
    let before = world.files();
    rounds(&mut world, BEGIN.plus(Millis(100 * DAY.0)));
    // The one that waited has expired by then, and the file of that is there as well.
    assert_eq!(world.files().len(), before.len());
}

#[test]
fn what_is_no_handoff_stays_where_it_is() {
    let mut world = keeping(Some(Millis(0)));
    drop_file(&world, "archive/note.json", b"not ours", BEGIN.0);
    drop_file(&world, "archive/notes.txt", b"not ours either", BEGIN.0);
    std::fs::create_dir(world.data().join("rejected/dir.json")).unwrap();
    lives(&mut world);
    rounds(&mut world, BEGIN.plus(DAY));
    let left: Vec<_> =
        world.files().into_iter().filter(|f| f.starts_with("archive") || f.starts_with("rejected")).collect();
    assert_eq!(left, ["archive/note.json", "archive/notes.txt", "rejected/dir.json"]);
}

#[test]
fn many_are_removed_a_few_at_a_time() {
    let mut world = keeping(Some(Millis(0)));
    for n in 0..200 {
        world.start(&artifact(&format!("h{n}"), MINUTE, None)).unwrap();
        world.accept(&format!("h{n}"), None).unwrap();
        world.complete(&format!("h{n}"), None, "1").unwrap();
    }
    let now = BEGIN.plus(DAY);
    world.clock.set(now);
    world.turn();
    let (mut counts, mut n) = (vec![world.files().len()], 0);
    while *counts.last().unwrap() > 0 {
        n += 1;
        world.clock.set(now.plus(Millis(200 * n)));
        world.turn();
        counts.push(world.files().len());
        assert!(n < 50, "{counts:?}");
    }
    assert!(counts.windows(2).all(|pair| pair[0] - pair[1] <= 64), "{counts:?}");
}

#[test]
fn segments_of_the_log_go_when_all_of_them_is_older_and_the_newest_stays() {
    let mut world = World::with(|config| {
        let store = handoff_hub::store::Options { segment_bytes: 600, ..config.store };
        Config { retain: Some(DAY), store, ..config }
    });
    lives(&mut world);
    let segments = |world: &World| std::fs::read_dir(world.data().join("events")).unwrap().count();
    let before = segments(&world);
    assert!(before > 2, "{before}");
    rounds(&mut world, BEGIN.plus(MINUTE));
    assert_eq!(segments(&world), before, "not yet older");
    rounds(&mut world, BEGIN.plus(DAY).plus(MINUTE));
    assert_eq!(segments(&world), 1);
    // And it goes on.
    world.complete("held", claim("c"), "1").unwrap();
    let mut world = world.crash();
    assert_eq!(world.status("held"), Some(Status::Completed));
}
