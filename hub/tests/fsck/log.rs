//! The event log: its chain, and what it and the directories make of each other.

use handoff_kernel::time::Millis;

use crate::house::{House, claimed};
use crate::world::{BEGIN, World, artifact};

const SEGMENT: &str = "events/00000000000000000001.ndjson";

fn lines(house: &House) -> Vec<String> {
    String::from_utf8(house.read(SEGMENT)).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn a_log_that_is_gone_is_written_again_from_the_directories() {
    let house = House::new();
    let before = lines(&house).len();
    std::fs::remove_file(house.path(SEGMENT)).unwrap();
    let (look, repair) = house.mend();
    look.left("archive/d-1.json", "started, claimed, completed");
    look.left("rejected/r-1.json", "started, rejected");
    look.noted("handoff/p-1.json", "started");
    repair.done("archive/d-1.json", "started, claimed, completed");
    let after = lines(&house);
    assert_eq!(after.len(), before);
    assert!(after.iter().all(|line| line.contains(r#""recovered":true"#)));
    house.look().is_clean();
}

#[test]
fn a_line_that_is_gone_from_the_middle_breaks_the_chain_and_is_told_again() {
    let house = House::new();
    let all = lines(&house);
    let at = all.iter().position(|line| line.contains(r#""claimed","handoff_id":"d-1""#)).unwrap();
    let kept: String =
        all.iter().enumerate().filter(|(n, _)| *n != at).map(|(_, line)| format!("{line}\n")).collect();
    house.write(SEGMENT, kept);
    let look = house.look();
    look.left(SEGMENT, &format!("event {} stands here, and event {} belongs here", at + 2, at + 1));
    look.left("archive/d-1.json", "was claimed");
    let repair = house.repair();
    repair.left(SEGMENT, "belongs here");
    repair.done("archive/d-1.json", "was claimed");
    // The break stays: it is evidence. Nothing else is wrong any more.
    let again = house.look();
    assert_eq!(again.summary.findings, 1);
    assert!(lines(&house).last().unwrap().contains(r#""event":"claimed","handoff_id":"d-1""#));
}

#[test]
fn a_line_that_was_changed_is_named() {
    let house = House::new();
    let all = lines(&house).join("\n") + "\n";
    house.write(SEGMENT, all.replacen(r#""from_agent":"bob""#, r#""from_agent":"eve""#, 1));
    house.look().left(SEGMENT, "has been changed since it was written");
    house.write(SEGMENT, all.replacen(r#""seq":2,"#, r#""seq": 2,"#, 1));
    house.look().left(SEGMENT, "line 2 (byte");
}

#[test]
fn a_torn_end_is_a_note() {
    let house = House::new();
    let mut bytes = house.read(SEGMENT);
    bytes.extend(b"{\"seq\":");
    house.write(SEGMENT, bytes);
    let seen = house.look();
    seen.noted("events", "no whole line");
    seen.is_clean();
}

#[test]
fn what_the_log_tells_and_no_file_does_is_named() {
    let house = House::new();
    std::fs::remove_file(house.path("handoff/p-1.json")).unwrap();
    std::fs::remove_file(house.path("archive/d-1.json")).unwrap();
    // The claim's file as it was before its claim: from an older backup.
    let bytes = house.read("handoff/p-2.json");
    let older = String::from_utf8(bytes).unwrap().replace("p-2", "c-1");
    std::fs::remove_file(house.path(&claimed())).unwrap();
    house.write("handoff/c-1.json", older);
    let file = std::fs::File::options().write(true).open(house.path("handoff/c-1.json")).unwrap();
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_millis(BEGIN.0)).unwrap();
    for seen in [house.look(), house.repair()] {
        seen.left("handoff/p-1.json", "there is no file of it anywhere");
        seen.left("handoff/c-1.json", "the event log tells that it was claimed");
        seen.noted("events", "1 handoffs that are over");
        assert_eq!(seen.summary.findings, 2);
    }
}

#[test]
fn a_log_whose_begin_retention_removed_is_compared_from_there_on() {
    let mut world = World::new();
    for (n, name) in ["a", "b"].into_iter().enumerate() {
        world.clock.set(BEGIN.plus(Millis(1000 * n as u64)));
        world.start(&artifact(name, Millis(3_600_000), None)).unwrap();
        world.accept(name, None).unwrap();
        world.complete(name, None, "1").unwrap();
    }
    let house = House::of(world);
    let all = lines(&house);
    let cut = |from: usize| {
        for name in std::fs::read_dir(house.path("events")).unwrap() {
            std::fs::remove_file(name.unwrap().path()).unwrap();
        }
        let rest: String = all[from - 1..].iter().map(|line| format!("{line}\n")).collect();
        house.write(&format!("events/{from:020}.ndjson"), rest);
        house.look()
    };
    let seen = cut(4);
    seen.noted("events", "begins with line 4");
    seen.is_clean();
    // What happened since is missed.
    cut(5).noted("archive/b.json", "was started");
    cut(6).left("archive/b.json", "was started, claimed");
}

#[test]
fn an_id_that_was_taken_again_has_nothing_of_what_had_it_before() {
    let mut world = World::new();
    world.start(&artifact("a", Millis(3_600_000), None)).unwrap();
    world.accept("a", None).unwrap();
    world.complete("a", None, "1").unwrap();
    std::fs::remove_file(world.data().join("archive/a.json")).unwrap();
    world.start(&artifact("a", Millis(3_500_000), None)).unwrap();
    let house = House::of(world);
    assert_eq!(lines(&house).len(), 4);
    house.look().is_clean();
}
