//! Races with same-host agents, things in the way, and what a power cut leaves of both. Each was once lost.

use std::path::Path;

use handoff_hub::clock::TestClock;
use handoff_hub::relay::Relay;
use handoff_hub::request::{Filter, Health, Reply, Request};
use handoff_kernel::artifact::Artifact;
use handoff_kernel::ident::Digest;
use handoff_kernel::operation::NotDone;
use handoff_kernel::record::Status;
use handoff_kernel::refusal::Refusal;
use handoff_kernel::time::Millis;

use crate::crashes::{copy, reopened};
use crate::neighbours::drop_file;
use crate::world::{
    BEGIN, World, accepting, agent, alice, artifact, claim, config, id, in_memory, refused, starting,
};

const MINUTE: Millis = Millis(60_000);

/// A data directory as it is now, to be looked at after a power cut.
fn image(world: &World) -> tempfile::TempDir {
    let dir = in_memory();
    copy(&world.data(), dir.path());
    dir
}

fn started() -> World {
    let mut world = World::new();
    world.start(&artifact("h", MINUTE, None)).unwrap();
    world
}

fn completing(result: &str) -> Request {
    Request::Complete {
        by: alice(),
        handoff: id("h"),
        claim_id: claim("c"),
        result: Some(result.into()),
        receipt: None,
    }
}

/// The verdict of the one command that was submitted, after a tick and a commit as the server makes them.
fn verdict(
    world: &mut World,
) -> Result<handoff_kernel::command::Answer<handoff_kernel::ident::Wire>, NotDone> {
    world.relay.tick();
    let mut replies = world.relay.drain().0;
    replies.extend(world.relay.commit().unwrap().0);
    match replies.pop() {
        Some((_, Reply::Done(done))) => done.verdict,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_rename_that_is_noticed_between_decision_and_commit_wins() {
    for (to, expected) in [
        ("claimed", Refusal::AlreadyClaimed),
        ("archive", Refusal::AlreadyCompleted),
        ("rejected", Refusal::AlreadyRejected),
    ] {
        let mut world = started();
        world.submit(accepting("h", claim("c")));
        world.rename("handoff/h.json", &format!("{to}/h.json"));
        assert_eq!(verdict(&mut world), refused(expected), "{to}");
        assert_eq!(world.files(), [format!("{to}/h.json")]);
        assert_eq!(world.get("h").unwrap().claim().and_then(|claim| claim.id), None);
    }
}

#[test]
fn a_neighbour_may_be_quicker_than_the_note_that_is_taken_of_it() {
    let mut world = started();
    world.rename("handoff/h.json", "claimed/h.json");
    world.relay.tick();
    world.rename("claimed/h.json", "archive/h.json");
    let _ = world.relay.commit().unwrap();
    world.turn();
    assert_eq!(world.status("h"), Some(Status::Completed));
}

#[test]
fn a_complete_over_the_hub_and_one_by_rename_have_one_winner() {
    let mut world = started();
    world.rename("handoff/h.json", "claimed/h.json");
    world.turn();
    world.submit(Request::Complete {
        by: alice(),
        handoff: id("h"),
        claim_id: None,
        result: Some("1".into()),
        receipt: None,
    });
    world.rename("claimed/h.json", "archive/h.json");
    assert_eq!(verdict(&mut world), refused(Refusal::AlreadyCompleted));
    assert_eq!(world.files(), ["archive/h.json"]);
}

#[test]
fn something_in_the_way_costs_nobody_a_handoff_also_over_a_restart() {
    for to in ["archive", "rejected"] {
        let mut world = started();
        world.accept("h", claim("c")).unwrap();
        drop_file(&world, &format!("{to}/h.json"), b"in the way", BEGIN.0);
        let mut world = world.crash();
        assert!(world.complete("h", claim("c"), "1").is_ok(), "{to}: {:?}", world.files());
        assert_eq!(world.read("quarantine/h.json"), "in the way");
        let mut world = started();
        drop_file(&world, &format!("{to}/h.json"), b"in the way", BEGIN.0);
        world.rename("handoff/h.json", "claimed/h.json");
        world.turn();
        assert_eq!(world.crash().status("h"), Some(Status::Claimed));
    }
    let mut world = started();
    drop_file(&world, &format!("claimed/h~c~{}.json", BEGIN.0), b"in the way", BEGIN.0);
    assert!(world.accept("h", claim("c")).is_ok());
}

#[test]
fn a_directory_that_is_gone_ends_in_an_answer() {
    for gone in ["archive", "quarantine"] {
        let mut world = started();
        world.accept("h", claim("c")).unwrap();
        std::fs::remove_dir(world.data().join(gone)).unwrap();
        if gone == "quarantine" {
            drop_file(&world, "archive/h.json", b"in the way", BEGIN.0);
        }
        assert_eq!(world.verdict(completing("1")), Err(NotDone::Unavailable), "{gone}");
        assert!(world.relay.take_notes().iter().any(|note| note.contains("held up")), "{gone}");
    }
    let mut world = World::new();
    std::fs::remove_dir(world.data().join("handoff")).unwrap();
    assert_eq!(world.start(&artifact("h", MINUTE, None)), Err(NotDone::Unavailable));
}

#[test]
fn a_file_that_cannot_be_read_holds_up_nobody_else() {
    let mut world = World::new();
    let waiting = world.submit(Request::Poll { by: agent("alice"), wait: MINUTE });
    // Sorted before the socket and after it.
    let _socket = std::os::unix::net::UnixListener::bind(world.data().join("handoff/m.json")).unwrap();
    for name in ["a", "z"] {
        drop_file(&world, &format!("handoff/{name}.json"), &artifact(name, MINUTE, None), BEGIN.0);
    }
    let replies = world.turn();
    assert!(matches!(replies.as_slice(), [(t, Reply::Polled(Some(_)))] if *t == waiting), "{replies:?}");
    assert!(world.read("quarantine/m.json.why").contains("not a regular file"));
    let mut world = world.crash();
    for name in ["a", "z"] {
        assert_eq!(world.status(name), Some(Status::Pending));
    }
    // One that somebody replaced is not delivered under the old digest, and the next is shown instead.
    drop_file(&world, "handoff/a.json", &artifact("a", MINUTE, Some(9)), BEGIN.0);
    let (shown, bytes) = world.poll().unwrap();
    assert_eq!(shown, id("z"));
    assert_eq!(Digest::of(&bytes), Digest::of(&artifact("z", MINUTE, None)));
}

#[test]
fn odd_names_and_odd_files_do_not_keep_a_hub_from_starting() {
    let mut world = World::new();
    let name = format!("handoff/{}.json", "!".repeat(250));
    for _ in 0..2 {
        drop_file(&world, &name, b"x", BEGIN.0);
        world.turn();
    }
    assert_eq!(world.files().iter().filter(|file| !file.ends_with(".why")).count(), 2);
    std::fs::create_dir(world.data().join("tmp/somebody's")).unwrap();
    std::fs::File::create(world.data().join("handoff/big.json")).unwrap().set_len(1 << 40).unwrap();
    let mut world = world.crash();
    world.turn();
    assert!(world.files().contains(&"quarantine/big.json".to_owned()));
}

#[test]
fn what_a_neighbour_did_while_the_hub_was_down_is_taken_note_of_at_once() {
    let mut world = World::new();
    world.start(&artifact("claimed", Millis(1000), None)).unwrap();
    world.start(&artifact("done", Millis(1000), None)).unwrap();
    world.rename("handoff/claimed.json", "claimed/claimed.json");
    world.rename("handoff/done.json", "archive/done.json");
    let mut world = world.crash();
    world.turn();
    let _ = world.get("done");
    world.turn();
    world.clock.set(BEGIN.plus(Millis(1001)));
    world.turn();
    assert_eq!(world.status("claimed"), Some(Status::Claimed), "it was claimed in time");
    assert_eq!(world.status("done"), Some(Status::Completed));
}

#[test]
fn a_name_that_only_the_hub_gives_is_put_back() {
    let mut world = World::new();
    world.start(&artifact("h", MINUTE, Some(1))).unwrap();
    for at in [99, BEGIN.0 + 100_000] {
        world.rename("handoff/h.json", &format!("claimed/h~evil~{at}.json"));
        world.turn();
        world.turn();
        assert_eq!(world.files(), ["handoff/h.json"]);
    }
    assert!(world.accept("h", claim("c")).is_ok());
    assert_eq!(world.ask(Request::Health), Reply::Health(Health::Ready));
    // While it is down it cannot know; but a claim that can never have been is none.
    let world = started();
    world.rename("handoff/h.json", &format!("claimed/h~evil~{}.json", BEGIN.0 + 50_000));
    let world = world.crash();
    assert!(world.files().iter().any(|file| file.starts_with("quarantine/h~evil")), "not yet");
    let mut world = World::new();
    world.start(&artifact("h", Millis(1000), None)).unwrap();
    world.clock.set(BEGIN.plus(Millis(2000)));
    world.rename("handoff/h.json", &format!("claimed/h~evil~{}.json", BEGIN.0 + 1001));
    let world = world.crash();
    assert!(
        world.files().iter().any(|file| file.starts_with("quarantine/h~evil")),
        "and not after its deadline"
    );
}

#[test]
fn a_poll_that_passes_over_an_overdue_one_waits_for_the_mark() {
    let mut world = World::without_janitor();
    world.start(&artifact("old", Millis(1000), None)).unwrap();
    world.clock.set(BEGIN.plus(Millis(1001)));
    let now = world.submit(Request::Poll { by: agent("alice"), wait: Millis(0) });
    let later = world.submit(Request::Poll { by: agent("alice"), wait: Millis(5000) });
    drop_file(&world, "handoff/new.json", &artifact("new", MINUTE, None), BEGIN.0 + 1001);
    world.relay.tick();
    assert_eq!(world.relay.drain().0, [], "nothing that says so may go before the flush");
    let told: Vec<_> = world.relay.commit().unwrap().0.into_iter().map(|(ticket, _)| ticket).collect();
    assert_eq!(told, [now, later]);
    world.clock.set(BEGIN);
    let mut world = world.crash_as_it_was(false);
    assert_eq!(world.accept("old", claim("c")), refused(Refusal::Expired), "what was once overdue stays so");
}

#[test]
fn a_list_of_any_length_can_be_asked_for() {
    let mut world = started();
    for status in [Status::Pending, Status::Completed] {
        let filter = Filter { status, target: Some(agent("alice")), author: None };
        let reply = world.ask(Request::List { by: agent("bob"), filter, limit: usize::MAX, after: None });
        let Reply::Listed(page) = reply else { panic!("{reply:?}") };
        assert_eq!(page.records.len(), usize::from(status == Status::Pending));
        let filter = Filter { status, target: Some(agent("bob")), author: None };
        let reply = world.ask(Request::List { by: agent("bob"), filter, limit: 9, after: None });
        assert!(matches!(reply, Reply::Listed(page) if page.records.is_empty()));
    }
}

#[test]
fn null_is_a_result() {
    let mut world = started();
    world.accept("h", claim("c")).unwrap();
    let first = world.complete("h", claim("c"), "null");
    assert!(first.is_ok());
    assert_eq!(world.complete("h", claim("c"), "null"), first);
    assert_eq!(world.crash().complete("h", claim("c"), "null"), first);
}

#[test]
fn a_handoff_that_somebody_removed_may_be_started_anew_and_stays() {
    let mut world = started();
    world.accept("h", claim("c")).unwrap();
    std::fs::remove_file(world.data().join(format!("claimed/h~c~{}.json", BEGIN.0))).unwrap();
    world.turn();
    world.start(&artifact("h", MINUTE, Some(3))).unwrap();
    let mut world = world.crash();
    assert_eq!(world.status("h"), Some(Status::Pending));
    assert_eq!(world.files(), ["handoff/h.json"]);
}

// ------------------------------------------------------------------------------- power cuts beside neighbours

/// What the relay says after a power cut that left these directories, and the journal as it is now.
fn after_power_cut(directories: &Path, world: &World) -> (World, tempfile::TempDir) {
    reopened(directories, &world.data())
}

#[test]
fn what_was_answered_after_a_neighbours_claim_holds_though_its_rename_was_not_durable() {
    let mut world = started();
    let before = image(&world);
    world.rename("handoff/h.json", "claimed/h.json");
    world.turn();
    assert_eq!(world.accept("h", claim("x")), refused(Refusal::AlreadyClaimed));
    let (mut again, _dir) = after_power_cut(before.path(), &world);
    assert_eq!(again.accept("h", claim("x")), refused(Refusal::AlreadyClaimed));
    world.complete("h", None, "1").unwrap();
    let (mut again, _dir) = after_power_cut(before.path(), &world);
    assert_eq!(again.status("h"), Some(Status::Completed));
}

/// What the relay says after a crash right after the first frame of what a commit wrote: the one that its void, or all
/// that came after, never followed.
fn commit_cut_short(world: &mut World) -> (World, tempfile::TempDir) {
    let before = image(world);
    let _ = world.relay.commit().unwrap();
    for name in ["journal.0", "journal.1"] {
        let was = std::fs::read(before.path().join(name)).unwrap();
        let is = std::fs::read(world.data().join(name)).unwrap();
        let Some(new) = (0..is.len()).step_by(512).find(|at| is[*at..at + 512] != was[*at..at + 512]) else {
            continue;
        };
        let payload = u32::from_le_bytes(is[new + 4..new + 8].try_into().unwrap()) as usize;
        let end = new + (24 + payload + 32).next_multiple_of(512);
        std::fs::write(before.path().join(name), [&is[..end], &was[end..]].concat()).unwrap();
    }
    reopened(before.path(), before.path())
}

#[test]
fn a_lost_start_leaves_the_dropped_file_as_it_is_though_the_void_was_not_written() {
    let mut world = World::new();
    let ours = artifact("h", MINUTE, None);
    let mut theirs = artifact("h", MINUTE, Some(9));
    theirs.extend(b"        \n");
    world.submit(starting(&ours));
    drop_file(&world, "handoff/h.json", &theirs, BEGIN.0);
    let (mut again, dir) = commit_cut_short(&mut world);
    assert_eq!(std::fs::read(dir.path().join("handoff/h.json")).unwrap(), theirs);
    assert_eq!(again.poll().unwrap().1.as_ref(), theirs);
    assert!(Artifact::parse(&theirs).is_ok());
}

#[test]
fn a_lost_complete_leaves_what_was_in_its_way_though_the_void_was_not_written() {
    let mut world = started();
    world.accept("h", claim("c")).unwrap();
    let foreign = b"somebody's notes, and longer than any artifact is".repeat(20);
    drop_file(&world, "archive/h.json", &foreign, BEGIN.0);
    world.submit(completing("1"));
    let (mut again, dir) = commit_cut_short(&mut world);
    assert_eq!(again.status("h"), Some(Status::Claimed));
    assert_eq!(std::fs::read(dir.path().join("quarantine/h.json")).unwrap(), foreign);
    assert!(again.complete("h", claim("c"), "1").is_ok());
}

#[test]
fn a_torn_file_is_made_whole_though_a_second_one_was_dropped() {
    let mut world = started();
    world.accept("h", claim("c")).unwrap();
    world.complete("h", claim("c"), "1").unwrap();
    std::fs::write(world.data().join("archive/h.json"), b"").unwrap();
    drop_file(&world, "handoff/h.json", &artifact("h", MINUTE, None), BEGIN.0);
    let mut world = world.crash();
    assert_eq!(world.status("h"), Some(Status::Completed));
    assert!(world.files().contains(&"quarantine/h.json".to_owned()));
}

#[test]
fn the_lost_one_of_a_batch_is_the_one_that_is_not_redone() {
    let mut world = World::new();
    for name in ["a", "b", "c"] {
        world.start(&artifact(name, MINUTE, None)).unwrap();
    }
    let before = image(&world);
    for name in ["a", "b", "c"] {
        world.submit(accepting(name, claim("k")));
    }
    world.rename("handoff/b.json", "claimed/b.json");
    let _ = world.relay.commit().unwrap();
    let (mut again, _dir) = after_power_cut(before.path(), &world);
    for (name, expected) in [("a", claim("k")), ("b", None), ("c", claim("k"))] {
        let record = again.get(name).unwrap();
        assert_eq!(record.claim().and_then(|claim| claim.id), expected, "{name}");
    }
}

#[test]
fn all_that_a_terminal_record_knows_is_read_back() {
    use handoff_kernel::ident::Mac;
    let mut world = World::new();
    for name in ["done", "declined"] {
        world.start(&artifact(name, MINUTE, None)).unwrap();
        world.accept(name, claim("c")).unwrap();
    }
    let complete = Request::Complete {
        by: alice(),
        handoff: id("done"),
        claim_id: claim("c"),
        result: Some("[1]".into()),
        receipt: Some(Mac([1; 32])),
    };
    let decline = Request::Reject {
        by: alice(),
        handoff: id("declined"),
        claim_id: claim("c"),
        reason: "\"busy\"".into(),
        receipt: Some(Mac([2; 32])),
    };
    let first = [world.verdict(complete.clone()), world.verdict(decline.clone())];
    let records = [world.get("done"), world.get("declined")];
    let mut world = world.crash();
    assert_eq!([world.get("done"), world.get("declined")], records);
    assert_eq!([world.verdict(complete), world.verdict(decline)], first, "and repeats are answered alike");
}

#[test]
fn the_journals_take_turns_while_the_hub_runs_and_mark_the_time() {
    let mut world = World::new();
    let filler = " ".repeat(200 * 1024);
    let mut longest = 0;
    for n in 0..60 {
        let mut bytes = artifact(&format!("h{n}"), MINUTE, None);
        bytes.extend(filler.as_bytes());
        world.start(&bytes).unwrap();
        for journal in ["journal.0", "journal.1"] {
            longest = longest.max(std::fs::metadata(world.data().join(journal)).unwrap().len());
        }
    }
    // Each of these is longer than a journal should be, and has one for itself.
    assert!(longest < 300 * 1024, "{longest}");
    assert_eq!(world.read("clock").trim(), BEGIN.0.to_string());
    let relay = {
        drop(world.relay);
        Relay::open(&config(world.dir.path().join("data")), TestClock::at(BEGIN)).unwrap()
    };
    assert_eq!(World::around(relay).poll().unwrap().0, id("h0"));
}

#[test]
fn a_hint_tells_of_a_dropped_file_at_once_however_many_there_are() {
    let mut world = World::new();
    for n in 0..65 {
        world.start(&artifact(&format!("h{n}"), MINUTE, None)).unwrap();
    }
    world.turn();
    drop_file(&world, "handoff/dropped.json", &artifact("dropped", MINUTE, None), BEGIN.0 - 1);
    world.turn();
    assert_eq!(world.poll().unwrap().0, id("dropped"));
}

#[test]
fn time_brings_the_janitor_one_millisecond_after_the_deadline() {
    let mut world = World::new();
    world.start(&artifact("h", Millis(1000), None)).unwrap();
    assert_eq!(world.relay.wake_in(), Some(Millis(1001)));
}

#[test]
fn a_long_archive_is_listed_in_short_pages_that_leave_nothing_out() {
    let mut world = World::new();
    for n in 0..1200 {
        let name = format!("h{n:04}");
        world.start(&artifact(&name, MINUTE, None)).unwrap();
        world.accept(&name, None).unwrap();
        world.complete(&name, None, "1").unwrap();
    }
    // None of them is eve's: nobody else waits long for her to learn that.
    for (by, expected) in [("eve", 0), ("alice", 1200)] {
        let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let filter = Filter { status: Status::Completed, target: None, author: None };
            let reply = world.ask(Request::List { by: agent(by), filter, limit: 1000, after });
            let Reply::Listed(page) = reply else { panic!("{reply:?}") };
            world.turn();
            seen.extend(page.records.into_iter().map(|record| record.id));
            pages += 1;
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(pages, 3, "{by}");
        assert!(seen.is_sorted_by(|a, b| a < b), "{by}");
        assert_eq!(seen.len(), expected, "{by}");
    }
    // One that a same-host agent finished by itself is taken note of when a list comes by it.
    let data = world.data();
    std::fs::write(data.join("archive/h0.json"), artifact("h0", MINUTE, None)).unwrap();
    let filter = Filter { status: Status::Completed, target: None, author: None };
    world.ask(Request::List { by: agent("alice"), filter, limit: 1, after: None });
    assert_eq!(world.status("h0"), Some(Status::Completed));
    assert!(world.read("archive/h0.json").contains(r#""event":"completed""#));
}

#[test]
fn a_neighbour_that_puts_its_claim_back_in_time_has_claimed_nothing() {
    let mut world = started();
    world.rename("handoff/h.json", "claimed/h.json");
    world.relay.tick();
    world.rename("claimed/h.json", "handoff/h.json");
    let _ = world.relay.commit().unwrap();
    world.turn();
    assert_eq!(world.status("h"), Some(Status::Pending), "the hub claims nothing for nobody");
    assert!(world.accept("h", claim("c")).is_ok());
}

#[test]
fn another_handoff_in_the_way_of_a_lost_complete_is_not_taken_for_it() {
    let mut world = started();
    let (_, flushed) = world.relay.close();
    flushed.unwrap();
    // From here on the journal no longer has the artifact.
    let relay = Relay::open(&config(world.dir.path().join("data")), world.clock.clone()).unwrap();
    world.relay = relay;
    world.accept("h", claim("c")).unwrap();
    // As long as ours and longer, with white space: whatever length is looked at, it is an artifact.
    let mut other = artifact("o", MINUTE, None);
    other.resize(2000, b' ');
    drop_file(&world, "archive/h.json", &other, BEGIN.0);
    world.submit(completing("1"));
    let (mut again, dir) = commit_cut_short(&mut world);
    assert_eq!(again.status("h"), Some(Status::Claimed));
    assert_eq!(std::fs::read(dir.path().join("quarantine/h.json")).unwrap(), other);
}
