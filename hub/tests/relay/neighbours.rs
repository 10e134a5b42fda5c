//! Same-host agents use the directories themselves: the hub serves the queue, it does not own it.

use handoff_kernel::command::Answer;
use handoff_kernel::record::{Rejection, State, Status};
use handoff_kernel::refusal::Refusal;
use handoff_kernel::time::Millis;

use crate::world::{BEGIN, World, accepting, agent, artifact, claim, id, refused};
use handoff_hub::request::{Reply, Request};

const MINUTE: Millis = Millis(60_000);

/// A file as a same-host agent drops it: written aside, dated, renamed in.
pub(crate) fn drop_file(world: &World, name: &str, bytes: &[u8], at: u64) {
    let aside = world.dir.path().join("aside");
    let file = std::fs::File::create(&aside).unwrap();
    std::io::Write::write_all(&mut &file, bytes).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_millis(at)).unwrap();
    std::fs::rename(aside, world.data().join(name)).unwrap();
}

#[test]
fn a_dropped_file_is_served_in_the_order_of_its_own_date() {
    let mut world = World::new();
    world.start(&artifact("hub", MINUTE, None)).unwrap();
    let bytes = artifact("dropped", MINUTE, None);
    drop_file(&world, "handoff/dropped.json", &bytes, BEGIN.0 - 5);
    world.turn();
    assert_eq!(world.poll(), Some((id("dropped"), bytes.as_slice().into())));
    assert!(world.accept("dropped", claim("c")).is_ok());
    assert!(world.complete("dropped", claim("c"), "1").is_ok());
    assert_eq!(world.files(), ["archive/dropped.json", "handoff/hub.json"]);
}

#[test]
fn a_file_dropped_while_the_hub_is_down_is_served_too() {
    let world = World::new();
    drop_file(&world, "handoff/h.json", &artifact("h", MINUTE, None), BEGIN.0);
    let mut world = world.crash();
    assert_eq!(world.poll().unwrap().0, id("h"));
}

#[test]
fn a_dropped_file_can_be_accepted_before_the_hub_has_listed_it() {
    let mut world = World::new();
    drop_file(&world, "handoff/h.json", &artifact("h", MINUTE, None), BEGIN.0);
    assert!(world.accept("h", claim("c")).is_ok());
}

#[test]
fn a_poll_that_waits_is_shown_a_dropped_file_that_somebody_else_asked_for_first() {
    let mut world = World::new();
    let waiting = world.submit(Request::Poll { by: agent("alice"), wait: MINUTE });
    let bytes = artifact("h", MINUTE, None);
    drop_file(&world, "handoff/h.json", &bytes, BEGIN.0);
    world.submit(Request::Get { by: agent("bob"), handoff: id("h"), artifact: false });
    let replies = world.turn();
    let shown = replies.iter().find(|(ticket, _)| *ticket == waiting).map(|(_, reply)| reply);
    assert!(matches!(shown, Some(Reply::Polled(Some(shown))) if *shown.bytes == bytes), "{replies:?}");
}

#[test]
fn a_dropped_file_that_is_overdue_is_rejected_not_served() {
    let mut world = World::new();
    world.clock.set(BEGIN.plus(Millis(2000)));
    drop_file(&world, "handoff/h.json", &artifact("h", Millis(1000), None), BEGIN.0);
    world.turn();
    assert_eq!(world.poll(), None);
    world.turn();
    assert_eq!(world.files(), ["rejected/h.json"]);
}

#[test]
fn a_rename_claims_and_the_hubs_own_accept_loses() {
    let mut world = World::new();
    world.start(&artifact("h", MINUTE, None)).unwrap();
    world.rename("handoff/h.json", "claimed/h.json");
    world.turn();
    assert_eq!(world.accept("h", claim("c")), refused(Refusal::AlreadyClaimed));
    let record = world.get("h").unwrap();
    assert_eq!((record.claim().unwrap().id, record.claim().unwrap().at), (None, BEGIN));
    assert_eq!(world.files(), ["claimed/h.json"], "its file stays where it put it");
    let again = world.crash().get("h").unwrap();
    assert_eq!((again.claim().unwrap().id, again.claim().unwrap().at), (None, BEGIN), "also after a restart");
}

#[test]
fn a_rename_between_decision_and_commit_wins_too() {
    let mut world = World::new();
    world.start(&artifact("h", MINUTE, None)).unwrap();
    let ticket = world.submit(accepting("h", claim("c")));
    world.rename("handoff/h.json", "claimed/h.json");
    let replies = world.relay.commit().unwrap().0;
    let [(answered, Reply::Done(done))] = replies.as_slice() else { panic!("{replies:?}") };
    assert_eq!((*answered, done.verdict.clone()), (ticket, refused(Refusal::AlreadyClaimed)));
    assert_eq!(world.get("h").unwrap().claim().unwrap().id, None);
    // The journal says that the hub's own lost: a crash does not bring it back.
    let mut world = world.crash();
    assert_eq!(world.get("h").unwrap().claim().unwrap().id, None);
    assert_eq!(world.files(), ["claimed/h.json"]);
}

#[test]
fn a_neighbours_claim_can_be_finished_over_the_hub() {
    let mut world = World::new();
    world.start(&artifact("h", MINUTE, None)).unwrap();
    world.rename("handoff/h.json", "claimed/h.json");
    assert!(world.complete("h", None, "1").is_err(), "the hub has not seen it yet");
    world.turn();
    assert!(world.complete("h", None, "1").is_ok());
    assert_eq!(world.files(), ["archive/h.json"]);
}

#[test]
fn a_neighbour_finishes_its_claim_by_renaming_on() {
    for (to, status) in [("archive", Status::Completed), ("rejected", Status::Rejected)] {
        let mut world = World::new();
        world.start(&artifact("h", MINUTE, None)).unwrap();
        world.rename("handoff/h.json", "claimed/h.json");
        world.turn();
        world.rename("claimed/h.json", &format!("{to}/h.json"));
        world.turn();
        assert_eq!(world.status("h"), Some(status));
        assert_eq!(world.files(), [format!("{to}/h.json")]);
        let mut world = world.crash();
        assert_eq!(world.status("h"), Some(status));
        assert!(world.get("h").unwrap().claim().is_some());
    }
}

#[test]
fn a_neighbour_may_do_it_all_while_the_hub_is_down() {
    let mut world = World::new();
    world.start(&artifact("done", MINUTE, None)).unwrap();
    world.start(&artifact("declined", MINUTE, None)).unwrap();
    world.rename("handoff/done.json", "archive/done.json");
    world.rename("handoff/declined.json", "rejected/declined.json");
    let mut world = world.crash();
    assert_eq!(world.accept("done", claim("c")), refused(Refusal::AlreadyCompleted));
    assert_eq!(world.accept("declined", claim("c")), refused(Refusal::AlreadyRejected));
    let State::Rejected(Rejection::Declined { decline, .. }) = world.get("declined").unwrap().state else {
        panic!()
    };
    assert_eq!(&*decline.reason, "\"rejected by a same-host agent\"");
    assert_eq!(world.files(), ["archive/done.json", "rejected/declined.json"]);
}

#[test]
fn a_late_claim_by_rename_expires_as_any_other() {
    let mut world = World::new();
    world.start(&artifact("h", Millis(1000), None)).unwrap();
    world.rename("handoff/h.json", "claimed/h.json");
    world.clock.set(BEGIN.plus(Millis(1001)));
    world.turn();
    assert_eq!(world.accept("h", None), refused(Refusal::Expired));
    assert_eq!(world.files(), ["rejected/h.json"]);
}

#[test]
fn a_file_moved_along_no_arrow_is_put_back() {
    let mut world = World::new();
    world.start(&artifact("h", MINUTE, None)).unwrap();
    world.accept("h", claim("c")).unwrap();
    let home = format!("claimed/h~c~{}.json", BEGIN.0);
    for wrong in ["handoff/h.json", "archive/h.json", "claimed/h.json"] {
        world.rename(&home, wrong);
        world.turn();
        assert_eq!(world.files(), std::slice::from_ref(&home), "{wrong}");
        assert_eq!(world.accept("h", claim("c2")), refused(Refusal::AlreadyClaimed));
    }
    assert!(matches!(world.complete("h", claim("c"), "1"), Ok(Answer::Completed { .. })));
}

#[test]
fn what_cannot_be_understood_goes_to_quarantine_with_its_reason_and_is_never_deleted() {
    let mut world = World::new();
    let cases: [(&str, &[u8], &str); 6] = [
        ("handoff/junk.json", b"not json", "not one well-formed JSON object"),
        ("handoff/other.json", &artifact("h9", MINUTE, None), "its handoff_id is h9"),
        ("handoff/far.json", &artifact("far", Millis(8 * 24 * 3_600_000), None), "`expires_at`"),
        ("handoff/a b.json", b"{}", "its name is not that of a handoff"),
        ("claimed/x~y.json", b"{}", "its name is not that of a handoff"),
        ("handoff/empty.json", b"", "not one well-formed JSON object"),
    ];
    for (file, bytes, _) in cases {
        drop_file(&world, file, bytes, BEGIN.0);
    }
    std::fs::create_dir(world.data().join("handoff/dir.json")).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", world.data().join("handoff/link.json")).unwrap();
    drop_file(&world, "handoff/.partial.json", b"{", BEGIN.0);
    drop_file(&world, "handoff/partial.tmp", b"{", BEGIN.0);
    world.turn();
    for (file, bytes, why) in cases {
        let name = file.split_once('/').unwrap().1;
        assert_eq!(std::fs::read(world.data().join("quarantine").join(name)).unwrap(), bytes, "{file}");
        assert!(world.read(&format!("quarantine/{name}.why")).contains(why), "{file}");
    }
    for name in ["dir.json", "link.json"] {
        assert!(world.read(&format!("quarantine/{name}.why")).contains("not a regular file"));
    }
    assert!(
        world.files().contains(&"handoff/partial.tmp".to_owned()),
        "a file that is still being written is left"
    );
    // The same name again finds another.
    drop_file(&world, "handoff/junk.json", b"junk again", BEGIN.0);
    world.turn();
    assert_eq!(world.read("quarantine/junk.json.1"), "junk again");
    assert_eq!(world.read("quarantine/junk.json"), "not json");
}

#[test]
fn a_second_file_of_a_known_id_is_moved_aside() {
    let mut world = World::new();
    let bytes = artifact("h", MINUTE, None);
    world.start(&bytes).unwrap();
    world.accept("h", claim("c")).unwrap();
    drop_file(&world, "handoff/h.json", &bytes, BEGIN.0);
    world.turn();
    assert_eq!(
        world.files(),
        [format!("claimed/h~c~{}.json", BEGIN.0), "quarantine/h.json".into(), "quarantine/h.json.why".into()]
    );
    world.complete("h", claim("c"), "1").unwrap();
    drop_file(&world, "handoff/h.json", &bytes, BEGIN.0);
    world.turn();
    assert_eq!(world.status("h"), Some(Status::Completed));
    assert!(world.files().contains(&"quarantine/h.json.1".to_owned()));
}

#[test]
fn a_file_in_the_way_is_moved_aside_and_the_transition_goes_on() {
    let mut world = World::new();
    world.start(&artifact("h", MINUTE, None)).unwrap();
    world.accept("h", claim("c")).unwrap();
    drop_file(&world, "archive/h.json", b"in the way", BEGIN.0);
    assert!(world.complete("h", claim("c"), "1").is_ok());
    assert_eq!(world.read("quarantine/h.json"), "in the way");
    assert_eq!(world.status("h"), Some(Status::Completed));
}

#[test]
fn a_start_lost_to_a_dropped_file_of_the_same_name_is_answered_by_its_bytes() {
    let mut world = World::new();
    let (ours, theirs) = (artifact("h", MINUTE, None), artifact("h", MINUTE, Some(9)));
    let ticket = world.submit(crate::world::starting(&ours));
    drop_file(&world, "handoff/h.json", &theirs, BEGIN.0);
    let replies = world.relay.commit().unwrap().0;
    let [(answered, Reply::Done(done))] = replies.as_slice() else { panic!("{replies:?}") };
    assert_eq!((*answered, done.verdict.clone()), (ticket, refused(Refusal::IdConflict)));
    assert_eq!(world.poll().unwrap().1.as_ref(), theirs);
}

#[test]
fn a_copy_in_the_archive_displaces_nothing_that_the_hub_has_acknowledged() {
    let mut world = World::new();
    let bytes = artifact("h", MINUTE, None);
    world.start(&bytes).unwrap();
    world.start(&artifact("p", MINUTE, None)).unwrap();
    world.accept("h", claim("c")).unwrap();
    // Copied, not moved, while the hub is down.
    let data = world.data();
    std::fs::write(data.join("archive/h.json"), &bytes).unwrap();
    std::fs::write(data.join("rejected/p.json"), artifact("p", MINUTE, None)).unwrap();
    let mut world = world.crash();
    assert_eq!(world.get("h").unwrap().claim().unwrap().id, claim("c"));
    assert_eq!(world.status("p"), Some(Status::Pending));
    assert!(world.complete("h", claim("c"), "1").is_ok());
    assert_eq!(world.read("quarantine/h.json").as_bytes(), bytes);
}

#[test]
fn what_a_neighbour_finished_while_the_hub_was_down_is_taken_note_of_in_time_though_nobody_asks() {
    let mut world = World::new();
    for name in ["done", "declined"] {
        world.start(&artifact(name, MINUTE, None)).unwrap();
    }
    world.rename("handoff/done.json", "archive/done.json");
    world.rename("handoff/declined.json", "rejected/declined.json");
    let mut world = world.crash();
    for n in 1..4 {
        world.clock.set(BEGIN.plus(Millis(200 * n)));
        world.turn();
    }
    assert!(world.read("archive/done.json").contains(r#""event":"completed""#));
    assert!(world.read("rejected/declined.json").contains(r#""cause":"declined""#));
}

#[test]
fn who_asks_for_what_a_neighbour_has_moved_is_told_what_came_of_that() {
    for down in [false, true] {
        let mut world = World::new();
        world.start(&artifact("h", MINUTE, None)).unwrap();
        world.turn();
        world.rename("handoff/h.json", "archive/h.json");
        let mut world = if down { world.crash() } else { world };
        if !down {
            world.relay.tick();
        }
        assert_eq!(world.status("h"), Some(Status::Completed), "down: {down}");
    }
}

#[test]
fn a_transition_that_was_logged_stays_logged_though_a_neighbour_moves_on_while_the_hub_is_dead() {
    let mut world = World::new();
    world.start(&artifact("h", MINUTE, None)).unwrap();
    world.rename("handoff/h.json", "claimed/h.json");
    world.turn();
    let segment = "events/00000000000000000001.ndjson";
    let before = world.read(segment);
    assert!(before.contains(r#""event":"claimed""#), "{before}");
    world.rename("claimed/h.json", "archive/h.json");
    let mut world = world.crash();
    assert_eq!(world.status("h"), Some(Status::Completed));
    assert!(world.read(segment).starts_with(&before), "{}", world.read(segment));
    assert_eq!(world.read(segment).lines().count(), 3);
}
