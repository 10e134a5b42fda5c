//! The format, the directories, the clock, the tokens, and what belongs to nobody.

use std::os::unix::fs::PermissionsExt;

use handoff_hub::store::fsck::{Failed, fsck};
use handoff_hub::tokens::{Scope, TokenFile};
use handoff_kernel::time::{Millis, Time};

use crate::house::{House, LATER, tree};
use crate::world::{BEGIN, agent};

#[test]
fn a_hub_that_was_stopped_leaves_nothing_to_be_found() {
    let house = House::new();
    let seen = house.look();
    seen.is_clean();
    assert_eq!(seen.summary.looked_at, [2, 1, 1, 1]);
    assert_eq!(seen.summary.notes, 0);
    let before = tree(&house.path("archive"));
    let repaired = house.repair();
    repaired.is_clean();
    assert_eq!(tree(&house.path("archive")), before);
    house.look().is_clean();
}

#[test]
fn where_a_hub_runs_or_never_ran_nobody_looks() {
    let house = House::new();
    let world = house.starts();
    for repair in [false, true] {
        let failed = fsck(&house.data, repair, LATER, &mut |finding| panic!("{finding}")).unwrap_err();
        assert!(matches!(failed, Failed::InUse(_)), "{failed}");
        assert!(failed.to_string().ends_with("Stop it first."));
    }
    drop(world);
    let empty = tempfile::tempdir().unwrap();
    for repair in [false, true] {
        let failed = fsck(empty.path(), repair, LATER, &mut |_| {}).unwrap_err();
        assert!(matches!(failed, Failed::NotOurs(_)), "{failed}");
        let failed = fsck(&empty.path().join("x"), repair, LATER, &mut |_| {}).unwrap_err();
        assert!(matches!(failed, Failed::NoDirectory(_)), "{failed}");
    }
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "nothing is made there");
}

#[test]
fn a_look_needs_no_lock_file_and_makes_none() {
    let house = House::new();
    std::fs::remove_file(house.path("lock")).unwrap();
    house.look().is_clean();
    assert!(!house.has("lock"));
}

#[test]
fn a_format_that_is_missing_is_written_and_one_that_nobody_knows_ends_the_look() {
    let house = House::new();
    std::fs::remove_file(house.path("FORMAT")).unwrap();
    let (look, repair) = house.mend();
    look.left("FORMAT", "missing");
    repair.done("FORMAT", "missing");
    assert_eq!(house.read("FORMAT"), b"2\n");

    house.write("FORMAT", "99\n");
    house.write("handoff/junk.json", "junk");
    for seen in [house.look(), house.repair()] {
        seen.left("FORMAT", "\"99\"");
        assert_eq!(seen.findings.len(), 1);
    }
    assert!(house.has("handoff/junk.json"));
}

#[test]
fn an_older_format_is_named_and_upgraded_and_its_log_completed() {
    let house = House::new();
    // As format 1 was: one journal, and no log.
    for name in ["journal.0", "journal.1"] {
        std::fs::remove_file(house.path(name)).unwrap();
    }
    std::fs::remove_dir_all(house.path("events")).unwrap();
    house.write("journal", "");
    house.write("FORMAT", "1\n");
    let (look, repair) = house.mend();
    look.left("FORMAT", "format 1");
    repair.done("FORMAT", "format 1");
    repair.done("archive/d-1.json", "started, claimed, completed");
    assert_eq!(house.read("FORMAT"), b"2\n");
    assert_eq!(house.look().summary.looked_at, [2, 1, 1, 1]);
}

#[test]
fn a_directory_that_is_missing_or_none_is_made() {
    let house = House::new();
    std::fs::remove_dir_all(house.path("tmp")).unwrap();
    std::fs::remove_dir_all(house.path("rejected")).unwrap();
    house.write("rejected", "a file");
    let (look, repair) = house.mend();
    look.left("tmp", "missing");
    look.left("rejected", "no directory");
    repair.done("rejected", "no directory");
    assert_eq!(house.read("quarantine/rejected"), b"a file");
    assert_eq!(house.why("rejected")["from"], "rejected");
}

#[test]
fn a_clock_that_is_missing_unreadable_or_far_ahead_is_named() {
    let house = House::new();
    std::fs::remove_file(house.path("clock")).unwrap();
    let (look, repair) = house.mend();
    look.left("clock", "missing");
    repair.done("clock", "missing");

    house.write("clock", "yesterday\n");
    let (look, repair) = house.mend();
    look.left("clock", "yesterday");
    repair.done("clock", "yesterday");
    assert_eq!(house.read("quarantine/clock"), b"yesterday\n");
    let mark: u64 = String::from_utf8(house.read("clock")).unwrap().trim().parse().unwrap();
    assert_eq!(Time(mark), LATER);

    // A day is no anomaly, and more than that stays one: only the operator knows which clock is wrong.
    let day = Millis(24 * 3_600_000);
    house.write("clock", format!("{}\n", LATER.plus(day).0));
    house.look().is_clean();
    house.write("clock", format!("{}\n", LATER.plus(day).0 + 1));
    for seen in [house.look(), house.repair(), house.look()] {
        seen.left("clock", "1 days ahead");
    }
}

#[test]
fn tokens_that_cannot_be_read_or_that_everybody_can_are_named_and_left() {
    let house = House::new();
    let file = TokenFile::in_directory(house.data.clone());
    file.add(agent("bob"), [Scope::Send].into(), BEGIN).unwrap();
    house.look().is_clean();
    let mode =
        |mode| std::fs::set_permissions(house.path("tokens.json"), PermissionsExt::from_mode(mode)).unwrap();
    mode(0o644);
    for seen in [house.look(), house.repair()] {
        seen.left("tokens.json", "everybody");
    }
    mode(0o640);
    house.look().is_clean();
    house.write("tokens.json", "[]");
    for seen in [house.look(), house.repair()] {
        seen.left("tokens.json", "cannot be read");
    }
}

#[test]
fn leftovers_strangers_and_what_was_moved_aside_are_notes() {
    let house = House::new();
    house.write("tmp/half.json", "{");
    house.write("notes.txt", "mine");
    house.write("quarantine/x.json", "x");
    house.write("quarantine/x.json.why", r#"{"at":"t","from":"handoff/x.json","why":"it is junk"}"#);
    house.write("quarantine/y", "y");
    house.write("handoff/.tmp", "half");
    for seen in [house.look(), house.repair(), house.look()] {
        seen.noted("tmp", "1 files");
        seen.noted("notes.txt", "none of the hub's");
        seen.noted("quarantine/x.json", "it was handoff/x.json, and went here: it is junk");
        seen.noted("quarantine/y", "nothing says why");
        seen.noted("handoff/.tmp", "no handoff's file");
        seen.is_clean();
    }
    assert!(house.has("tmp/half.json"), "a repair does not even sweep");
}
