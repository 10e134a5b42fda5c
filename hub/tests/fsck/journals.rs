//! The journals: what they cover, and what is left of them.

use std::collections::BTreeSet;

use handoff_hub::relay::{Config, Relay};
use handoff_kernel::record::Status;
use handoff_kernel::time::Millis;

use crate::house::{House, LATER, fill, tree};
use crate::world::{BEGIN, World, artifact, claim, config};

/// Where the whole frames of a journal begin.
fn frames(bytes: &[u8]) -> Vec<usize> {
    (0..bytes.len()).step_by(512).filter(|at| bytes[*at..].starts_with(b"hoj2")).collect()
}

/// Which journal file is being filled, by its newest frame.
fn newest(house: &House) -> String {
    let number = |file: &str| {
        let bytes = house.read(file);
        let last = frames(&bytes)
            .into_iter()
            .map(|at| u64::from_le_bytes(bytes[at + 16..at + 24].try_into().unwrap()));
        last.max()
    };
    let newest = ["journal.0", "journal.1"].into_iter().max_by_key(|file| number(file)).unwrap();
    newest.to_owned()
}

/// Damages the frame of the newest journal whose bytes contain this.
fn damage(house: &House, word: &str) -> String {
    let file = newest(house);
    let mut bytes = house.read(&file);
    let at = bytes.windows(word.len()).position(|window| window == word.as_bytes()).unwrap();
    bytes[at] ^= 1;
    house.write(&file, bytes);
    file
}

fn crashed() -> House {
    let mut world = World::new();
    fill(&mut world);
    House::crashed(world)
}

#[test]
fn what_a_crash_left_to_be_done_is_a_note_and_is_done_by_repair() {
    let house = crashed();
    // None of it had become durable but for the journal.
    for directory in ["handoff", "claimed", "archive", "rejected", "events"] {
        std::fs::remove_dir_all(house.path(directory)).unwrap();
        std::fs::create_dir(house.path(directory)).unwrap();
    }
    let look = house.look();
    look.noted("journal.0", "9 transitions");
    look.is_clean();
    let repair = house.repair();
    repair.noted("journal.0", "9 transitions");
    repair.is_clean();
    let seen = house.look();
    assert_eq!((seen.summary.looked_at, seen.summary.notes), ([2, 1, 1, 1], 0));
    let log = String::from_utf8(house.read("events/00000000000000000001.ndjson")).unwrap();
    assert_eq!((log.lines().count(), log.contains("recovered")), (9, false), "the very lines that they were");
}

#[test]
fn what_the_journal_will_mend_is_not_judged_before() {
    let house = crashed();
    let whole = house.read("archive/d-1.json");
    house.write("archive/d-1.json", [&whole[..100], &vec![0; whole.len() - 100]].concat());
    std::fs::rename(house.path("rejected/r-1.json"), house.path("handoff/r-1.json")).unwrap();
    house.look().is_clean();
    house.repair().is_clean();
    assert_eq!(house.read("archive/d-1.json"), whole);
    assert!(house.has("rejected/r-1.json"));
    house.look().is_clean();
}

#[test]
fn a_torn_frame_at_the_end_is_no_anomaly() {
    let house = crashed();
    damage(&house, r#""cause\":\"declined"#);
    house.look().is_clean();
}

#[test]
fn a_damaged_journal_is_named_what_is_whole_is_carried_out_and_the_hub_starts() {
    let house = crashed();
    assert!(Relay::open(&config(house.data.clone()), handoff_hub::clock::TestClock::at(LATER)).is_ok());
    let house = crashed();
    // The start of p-2 is nowhere else; what is after it has not reached the directories either.
    damage(&house, r#"\"event\":\"started\",\"handoff_id\":\"p-2\""#);
    for directory in ["handoff", "claimed", "archive", "rejected", "events"] {
        std::fs::remove_dir_all(house.path(directory)).unwrap();
        std::fs::create_dir(house.path(directory)).unwrap();
    }
    let config = Config { janitor: false, ..config(house.data.clone()) };
    let refused = Relay::open(&config, handoff_hub::clock::TestClock::at(LATER)).unwrap_err().to_string();
    assert!(refused.contains("fsck --data"), "{refused}");

    let before = house.read(&newest(&house));
    let look = house.look();
    look.left("journal.0", "the journals are damaged");
    let gap = "is missing: up to 1 transitions that were acknowledged may be lost";
    look.left(&newest(&house), gap);
    let file = newest(&house);
    let repair = house.repair();
    repair.done("journal.0", "the journals are damaged");
    repair.done(&file, gap);
    assert_eq!(house.read(&format!("quarantine/{file}")), before, "as it was");
    assert!(house.why("journal.0")["why"].as_str().unwrap().contains("damaged"));
    let seen = house.look();
    seen.is_clean();
    assert_eq!(seen.summary.looked_at, [1, 1, 1, 1], "all but the one that nobody can bring back");
    let mut world = house.starts();
    assert_eq!(world.status("d-1"), Some(Status::Completed));
    assert_eq!(world.status("p-2"), None);
    world.accept("p-1", claim("x")).unwrap();
}

#[test]
fn a_repair_never_lets_the_hubs_time_go_back() {
    let mut world = World::new();
    world.start(&artifact("a", Millis(3_600_000), None)).unwrap();
    world.clock.set(BEGIN.plus(Millis(3_000_000)));
    for name in ["b", "c", "d"] {
        world.start(&artifact(name, Millis(3_600_000), None)).unwrap();
    }
    let house = House::crashed(world);
    damage(&house, r#"\"handoff_id\":\"c\""#);
    house.write("clock", format!("{}\n", BEGIN.0));
    house.repair();
    let mark: u64 = String::from_utf8(house.read("clock")).unwrap().trim().parse().unwrap();
    assert_eq!(mark, BEGIN.0 + 3_000_000);
}

#[test]
fn a_line_is_not_written_behind_one_that_is_missing() {
    // The claim's frame is damaged, and its line never reached the file: the completion has nothing to stand on.
    let mut world = World::new();
    for name in ["a", "b"] {
        world.start(&artifact(name, Millis(3_600_000), None)).unwrap();
        world.accept(name, claim("k")).unwrap();
        world.complete(name, claim("k"), "1").unwrap();
    }
    world.start(&artifact("z", Millis(3_600_000), None)).unwrap();
    let house = House::crashed(world);
    damage(&house, r#"\"event\":\"claimed\",\"handoff_id\":\"a\""#);
    let bytes = artifact("a", Millis(3_600_000), None);
    std::fs::remove_file(house.path("archive/a.json")).unwrap();
    // The rename to claimed/ was durable, the line was not.
    house.write(&format!("claimed/a~k~{}.json", BEGIN.0), &bytes);
    let repair = house.repair();
    repair.left("archive/a.json", "the one before it is missing");
    assert_eq!(house.read(&format!("claimed/a~k~{}.json", BEGIN.0)), bytes, "no hole was written");
    assert!(house.has("archive/b.json"));
    house.starts();
}

#[test]
fn wherever_a_journal_is_damaged_repair_names_it_and_what_reached_the_disk_is_kept() {
    let whole = {
        let house = crashed();
        house.repair();
        tree(&house.path("archive"))
            .into_keys()
            .filter_map(|path| path.file_name().map(ToOwned::to_owned))
            .collect::<BTreeSet<_>>()
    };
    let count = frames(&crashed().read("journal.1")).len().max(frames(&crashed().read("journal.0")).len());
    assert!(count > 5);
    for damaged in 0..count {
        let house = crashed();
        let file = newest(&house);
        let mut bytes = house.read(&file);
        let Some(at) = frames(&bytes).get(damaged).copied() else { continue };
        bytes[at + 30] ^= 1;
        house.write(&file, &bytes);
        house.look();
        house.repair();
        house.look().is_clean();
        let seen = house.look();
        assert_eq!(seen.summary.looked_at, [2, 1, 1, 1], "frame {damaged}");
        let names = tree(&house.path("archive"))
            .into_keys()
            .filter_map(|path| path.file_name().map(ToOwned::to_owned));
        assert_eq!(names.collect::<BTreeSet<_>>(), whole);
        house.starts();
    }
}

#[test]
fn journals_that_are_gone_or_none_are_named_and_made_anew() {
    let house = House::new();
    std::fs::remove_file(house.path("journal.0")).unwrap();
    std::fs::remove_file(house.path("journal.1")).unwrap();
    std::fs::create_dir(house.path("journal.1")).unwrap();
    let (look, repair) = house.mend();
    look.left("journal.0", "missing");
    look.left("journal.1", "not a regular file");
    repair.done("journal.0", "missing");
    repair.done("journal.1", "not a regular file");
    house.starts();
}
