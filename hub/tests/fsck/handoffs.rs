//! The handoffs' files.

use handoff_kernel::record::Status;
use handoff_kernel::time::Millis;

use crate::house::{House, LATER, claimed};
use crate::world::{BEGIN, artifact};

/// When a file was written, to the millisecond: no more of it counts.
fn modified(house: &House, file: &str) -> std::time::SystemTime {
    let modified = house.path(file).metadata().unwrap().modified().unwrap();
    let since = modified.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    std::time::UNIX_EPOCH + std::time::Duration::from_millis(since.try_into().unwrap())
}

/// A file of this name that is broken in this way goes to quarantine/, under its own name.
fn goes_aside(house: &House, file: &str, what: &str) {
    let (look, repair) = house.mend();
    look.left(file, what);
    repair.done(file, what);
    assert!(!house.has(file));
    let name = file.rsplit('/').next().unwrap();
    assert_eq!(house.why(name)["from"], file);
    assert!(house.why(name)["why"].as_str().unwrap().contains(what));
}

#[test]
fn what_is_no_handoffs_file_goes_aside_from_every_directory() {
    for directory in ["handoff", "claimed", "archive", "rejected"] {
        let house = House::new();
        house.write(&format!("{directory}/a b.json"), "{}");
        goes_aside(&house, &format!("{directory}/a b.json"), "name is not that of a handoff");
        std::os::unix::fs::symlink("../lock", house.path(&format!("{directory}/link.json"))).unwrap();
        goes_aside(&house, &format!("{directory}/link.json"), "not a regular file");
        std::fs::create_dir(house.path(&format!("{directory}/dir.json"))).unwrap();
        goes_aside(&house, &format!("{directory}/dir.json"), "not a regular file");
        house.write(&format!("{directory}/junk.json"), "junk");
        goes_aside(&house, &format!("{directory}/junk.json"), "");
        house.write(&format!("{directory}/other.json"), artifact("another", Millis(3_600_000), None));
        goes_aside(&house, &format!("{directory}/other.json"), "its handoff_id is another");
        house.look().is_clean();
        house.starts();
    }
}

#[test]
fn a_digest_or_a_length_that_is_not_the_artifacts_is_named() {
    let house = House::new();
    let mut bytes = house.read("archive/d-1.json");
    let at = bytes.iter().position(|&b| b == b'2').unwrap();
    bytes[at] = b'3';
    house.write("archive/d-1.json", &bytes);
    goes_aside(&house, "archive/d-1.json", "with the SHA-256");
    assert_eq!(house.read("quarantine/d-1.json"), bytes);

    let text = String::from_utf8(house.read("rejected/r-1.json")).unwrap();
    let bytes = artifact("r-1", Millis(3_600_000), None).len();
    let wrong = text.replace(&format!("\"artifact_bytes\":{bytes}"), "\"artifact_bytes\":99999");
    assert_ne!(text, wrong);
    house.write("rejected/r-1.json", wrong);
    goes_aside(&house, "rejected/r-1.json", "artifact is its first 99999 bytes, and only");
}

#[test]
fn zeros_that_a_power_cut_left_are_cut_off_after_a_copy_was_made() {
    for file in
        ["handoff/p-1.json".to_owned(), claimed(), "archive/d-1.json".into(), "rejected/r-1.json".into()]
    {
        let house = House::new();
        let (whole, arrived) = (house.read(&file), modified(&house, &file));
        let torn = [&whole[..], &[0; 700]].concat();
        house.write(&file, &torn);
        std::fs::File::options().write(true).open(house.path(&file)).unwrap().set_modified(arrived).unwrap();
        let (look, repair) = house.mend();
        look.left(&file, "ends in 700 zeros");
        repair.done(&file, "ends in 700 zeros");
        assert_eq!(house.read(&file), whole);
        assert_eq!(modified(&house, &file), arrived, "it arrived when it did");
        let id = file.split('/').nth(1).unwrap().split(['~', '.']).next().unwrap();
        assert_eq!(house.read(&format!("quarantine/{id}.json")), torn);
    }
}

#[test]
fn a_last_line_that_is_half_there_is_cut_off_where_the_rest_fits_its_place() {
    let house = House::new();
    let (pending, file) = (house.read("handoff/p-1.json"), claimed());
    let whole = house.read(&file);
    house.write(&file, [&whole[..], b"{\"event\":\"compl"].concat());
    let (look, repair) = house.mend();
    look.left(&file, "its last line breaks off after 15 bytes");
    repair.done(&file, "its last line breaks off after 15 bytes");
    assert_eq!(house.read(&file), whole);
    // The line that made it what its place says is not whole: what is left would be a claim in the archive.
    let completed = house.read("archive/d-1.json");
    house.write("archive/d-1.json", &completed[..completed.len() - 9]);
    goes_aside(&house, "archive/d-1.json", "");
    // Nothing says where the artifact ends.
    house.write("handoff/p-1.json", [&pending[..], b"\n{\"event\":\"cl"].concat());
    goes_aside(&house, "handoff/p-1.json", "");
}

#[test]
fn a_file_that_its_lines_say_belongs_elsewhere_is_moved_there() {
    for (from, to) in [
        (claimed(), "archive/c-1.json".to_owned()),
        ("archive/d-1.json".into(), "rejected/d-1.json".into()),
        ("rejected/r-1.json".into(), "claimed/r-1.json".into()),
        ("archive/d-1.json".into(), "handoff/d-1.json".into()),
    ] {
        let house = House::new();
        house.rename(&from, &to);
        let (look, repair) = house.mend();
        look.left(&to, &format!("belongs to {from}"));
        repair.done(&to, &format!("belongs to {from}"));
        assert!(house.has(&from) && !house.has(&to));
        assert_eq!(house.look().summary.looked_at, [2, 1, 1, 1]);
    }
}

#[test]
fn a_claim_whose_name_and_line_differ_goes_aside() {
    let house = House::new();
    let other = format!("claimed/c-1~other~{}.json", BEGIN.0);
    house.rename(&claimed(), &other);
    goes_aside(&house, &other, "another claim than its name");
}

#[test]
fn what_a_same_host_agent_moved_along_an_arrow_is_a_note() {
    let house = House::new();
    house.rename("handoff/p-1.json", "claimed/p-1.json");
    house.rename("handoff/p-2.json", "archive/p-2.json");
    for seen in [house.look(), house.repair()] {
        seen.is_clean();
        seen.noted("claimed/p-1.json", "a same-host agent");
        seen.noted("archive/p-2.json", "a same-host agent");
    }
    let mut world = house.starts();
    for _ in 0..3 {
        world.turn();
        world.status("p-2");
    }
    assert_eq!(world.status("p-1"), Some(Status::Claimed));
    assert_eq!(world.status("p-2"), Some(Status::Completed));
}

#[test]
fn one_that_arrives_in_the_future_is_dated_now() {
    let house = House::new();
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(LATER.0 + 5000);
    let file = std::fs::File::options().write(true).open(house.path("handoff/p-1.json")).unwrap();
    file.set_modified(at).unwrap();
    let (look, repair) = house.mend();
    look.left("handoff/p-1.json", "dated in the future");
    repair.done("handoff/p-1.json", "dated in the future");
}

#[test]
fn overdue_handoffs_and_claims_are_no_anomaly() {
    let mut world = crate::world::World::without_janitor();
    world.start(&artifact("o-1", Millis(1000), None)).unwrap();
    world.start(&artifact("o-2", Millis(3_600_000), Some(1))).unwrap();
    world.accept("o-2", None).unwrap();
    let house = House::of(world);
    house.look().is_clean();
    house.repair().is_clean();
    assert_eq!(house.look().summary.looked_at, [1, 1, 0, 0]);
}

#[test]
fn of_two_files_of_an_id_the_one_furthest_along_counts() {
    let house = House::new();
    let bytes = artifact("d-1", Millis(3_600_000), None);
    let claim = format!("claimed/d-1~d~{}.json", BEGIN.0);
    for copy in ["handoff/d-1.json", "claimed/d-1.json", "rejected/d-1.json", &claim] {
        house.write(copy, &bytes);
    }
    let (look, repair) = house.mend();
    for copy in ["handoff/d-1.json", "claimed/d-1.json", "rejected/d-1.json", &claim] {
        look.left(copy, "the handoff of this id is in archive/d-1.json");
        repair.done(copy, "the handoff of this id is in archive/d-1.json");
    }
    assert_eq!(look.summary.looked_at, [2, 1, 1, 1]);
    assert_eq!(house.starts().status("d-1"), Some(Status::Completed));
}

#[test]
fn a_copy_that_is_broken_or_tells_less_does_not_count_wherever_it_lies() {
    for copy in [artifact("c-1", Millis(3_600_000), None), b"junk".to_vec()] {
        let house = House::new();
        house.write("archive/c-1.json", &copy);
        let (look, repair) = house.mend();
        look.left("archive/c-1.json", &claimed());
        repair.done("archive/c-1.json", &claimed());
        assert_eq!([&look, &repair].map(|seen| seen.summary.looked_at), [[2, 1, 1, 1]; 2]);
        assert_eq!(house.starts().status("c-1"), Some(Status::Claimed));
    }
}
