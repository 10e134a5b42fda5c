//! What is on the disk when the hub dies between two file operations: the journal brings the directories to where
//! the answers said they were.

use std::path::Path;

use handoff_hub::clock::TestClock;
use handoff_hub::relay::Relay;
use handoff_kernel::ident::Wire;
use handoff_kernel::record::{Record, Status};
use handoff_kernel::testing::as_on_disk;
use handoff_kernel::time::Millis;

use crate::world::{BEGIN, World, artifact, claim, config, in_memory};

const MINUTE: Millis = Millis(60_000);

pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), &target).unwrap();
            let modified = entry.metadata().unwrap().modified().unwrap();
            std::fs::File::options().write(true).open(&target).unwrap().set_modified(modified).unwrap();
        }
    }
}

/// A hub opened on a copy of the directories as they were, with the journal as it became.
pub(crate) fn reopened(directories: &Path, journal: &Path) -> (World, tempfile::TempDir) {
    let dir = in_memory();
    copy(directories, dir.path());
    for name in ["journal.0", "journal.1"] {
        std::fs::copy(journal.join(name), dir.path().join(name)).unwrap();
    }
    let clock = TestClock::at(BEGIN.plus(Millis(50)));
    let relay = Relay::open(&config(dir.path().to_owned()), clock.clone()).unwrap();
    (World::around(relay), dir)
}

/// Four handoffs, one for each way through, each transition a step.
fn steps() -> Vec<fn(&mut World)> {
    vec![
        |w| assert!(w.start(&artifact("done", MINUTE, None)).is_ok()),
        |w| assert!(w.start(&artifact("declined", MINUTE, None)).is_ok()),
        |w| assert!(w.start(&artifact("expired", Millis(10), None)).is_ok()),
        |w| assert!(w.start(&artifact("waits", MINUTE, None)).is_ok()),
        |w| assert!(w.accept("done", claim("c")).is_ok()),
        |w| assert!(w.reject("declined", None, "busy").is_ok()),
        |w| {
            w.clock.set(BEGIN.plus(Millis(11)));
            w.turn();
        },
        |w| assert!(w.complete("done", claim("c"), "[1]").is_ok()),
    ]
}

/// What a hub that begins again has to know.
fn records(world: &mut World) -> Vec<Option<Record<Wire>>> {
    let record = |name| world.get(name).ok().map(|record| as_on_disk(&record));
    ["done", "declined", "expired", "waits"].map(record).to_vec()
}

#[test]
fn the_journal_redoes_everything_since_any_earlier_image_of_the_directories() {
    let mut world = World::new();
    let images = in_memory();
    let image = |n: usize| images.path().join(n.to_string());
    copy(&world.data(), &image(0));
    for (n, step) in steps().into_iter().enumerate() {
        step(&mut world);
        copy(&world.data(), &image(n + 1));
        let expected = records(&mut world);
        for earlier in 0..=n + 1 {
            let (mut again, dir) = reopened(&image(earlier), &world.data());
            assert_eq!(records(&mut again), expected, "step {n}, directories as after {earlier}");
            // And once more from what that left: redo is safe to repeat.
            drop(again);
            let relay = Relay::open(&config(dir.path().to_owned()), TestClock::at(BEGIN)).unwrap();
            let mut twice = World::around(relay);
            assert_eq!(records(&mut twice), expected);
        }
    }
    assert_eq!(world.status("done"), Some(Status::Completed));
}

#[test]
fn a_name_that_became_durable_before_its_bytes_is_filled_from_the_journal() {
    let mut world = World::new();
    let bytes = artifact("h", MINUTE, None);
    world.start(&bytes).unwrap();
    let mut world = {
        std::fs::write(world.data().join("handoff/h.json"), b"").unwrap();
        world.crash()
    };
    assert_eq!(world.poll().unwrap().1.as_ref(), bytes);
    world.accept("h", claim("c")).unwrap();
    let file = format!("claimed/h~c~{}.json", BEGIN.0);
    let whole = world.read(&file);
    // Half the line was written.
    std::fs::write(world.data().join(&file), &whole[..whole.len() - 20]).unwrap();
    let world = world.crash();
    assert_eq!(world.read(&file), whole);
}

#[test]
fn without_its_line_a_claims_name_still_says_who_and_when() {
    let mut world = World::new();
    let bytes = artifact("h", MINUTE, None);
    world.start(&bytes).unwrap();
    world.accept("h", claim("c")).unwrap();
    let (_, flushed) = world.relay.close();
    flushed.unwrap();
    let file = format!("claimed/h~c~{}.json", BEGIN.0);
    let data = world.dir.path().join("data");
    std::fs::write(data.join(&file), &bytes).unwrap();
    let relay = Relay::open(&config(data.clone()), world.clock.clone()).unwrap();
    let mut world = World::around(relay);
    let record = world.get("h").unwrap();
    assert_eq!((record.claim().unwrap().id, record.claim().unwrap().at), (claim("c"), BEGIN));
    assert!(std::fs::read_to_string(data.join(&file)).unwrap().contains(r#""event":"claimed""#));
    world.complete("h", claim("c"), "1").unwrap();
    let relay = {
        drop(world.relay);
        Relay::open(&config(data), TestClock::at(BEGIN)).unwrap()
    };
    assert_eq!(World::around(relay).status("h"), Some(Status::Completed));
}

#[test]
fn a_torn_last_frame_is_as_if_it_had_never_been() {
    let mut world = World::new();
    world.start(&artifact("one", MINUTE, None)).unwrap();
    let journals =
        |world: &World| ["journal.0", "journal.1"].map(|n| std::fs::read(world.data().join(n)).unwrap());
    let before = journals(&world);
    let images = in_memory();
    copy(&world.data(), images.path());
    world.start(&artifact("two", MINUTE, None)).unwrap();
    let after = journals(&world);
    let (mut cuts, mut whole) = (0, 0);
    for (n, name) in ["journal.0", "journal.1"].into_iter().enumerate() {
        let changed: Vec<_> = (0..after[n].len()).filter(|at| before[n][*at] != after[n][*at]).collect();
        for end in changed {
            // What the frame's bytes were before, from here on.
            let torn = [&after[n][..end], &before[n][end..]].concat();
            std::fs::write(images.path().join(name), torn).unwrap();
            let (mut again, _dir) = reopened(images.path(), images.path());
            assert_eq!(
                (again.status("one"), again.status("two")),
                (Some(Status::Pending), None),
                "cut at {end}"
            );
            cuts += 1;
        }
        std::fs::write(images.path().join(name), &after[n]).unwrap();
        let (mut again, _dir) = reopened(images.path(), images.path());
        whole += usize::from(again.status("two").is_some());
    }
    assert!(cuts > 300 && whole > 0, "{cuts} cuts, whole {whole}");
}

#[test]
fn a_directory_is_one_hubs_alone_and_a_newer_format_is_refused() {
    let world = World::new();
    let again = Relay::open(&config(world.data()), world.clock.clone()).unwrap_err();
    assert!(again.to_string().contains("in use by another hub"), "{again}");
    let data = world.data();
    drop(world.relay);
    std::fs::write(data.join("FORMAT"), "3\n").unwrap();
    let newer = Relay::open(&config(data.clone()), world.clock.clone()).unwrap_err();
    assert!(newer.to_string().contains("format \"3\""), "{newer}");
    let file = data.join("FORMAT");
    let not_a_directory = Relay::open(&config(file), world.clock.clone()).unwrap_err();
    assert!(not_a_directory.to_string().contains("cannot be used"), "{not_a_directory}");
}
