//! A copy that is made while a hub runs, in the order that `docs/operations.md` gives, and in others.

use std::path::Path;

use handoff_hub::clock::TestClock;
use handoff_hub::relay::Relay;
use handoff_hub::store::fsck::fsck;
use handoff_kernel::record::Status;
use handoff_kernel::time::Millis;

use crate::house::LATER;
use crate::world::{World, artifact, claim, config, in_memory};

const ORDER: [&str; 11] = [
    "FORMAT",
    "clock",
    "tokens.json",
    "journal.0",
    "journal.1",
    "handoff",
    "claimed",
    "archive",
    "rejected",
    "events",
    "quarantine",
];

/// As `cp -a` does. Not by `cp`: a child that is being made holds this process's locks for a moment.
fn copy_of(from: &Path, to: &Path) {
    if from.is_dir() {
        std::fs::create_dir(to).unwrap();
        for entry in std::fs::read_dir(from).unwrap() {
            let name = entry.unwrap().file_name();
            copy_of(&from.join(&name), &to.join(&name));
        }
    } else if from.exists() {
        std::fs::copy(from, to).unwrap();
        let modified = from.metadata().unwrap().modified().unwrap();
        std::fs::File::options().write(true).open(to).unwrap().set_modified(modified).unwrap();
    }
}

/// Copies so, while each handoff goes one step further between any two parts. Returns what is left of twelve handoffs
/// after a repair of the copy.
fn copied(order: &[&str], busy: bool) -> usize {
    let mut world = World::new();
    let names: Vec<_> = (0..12).map(|n| format!("h-{n}")).collect();
    for name in &names {
        world.start(&artifact(name, Millis(3_600_000), None)).unwrap();
    }
    let copy = in_memory();
    for (turn, part) in order.iter().enumerate() {
        copy_of(&world.data().join(part), &copy.path().join(part));
        for (n, name) in names.iter().enumerate() {
            match turn.checked_sub(n % 10) {
                Some(0) => drop(world.accept(name, claim("c")).unwrap()),
                Some(1) => drop(world.complete(name, claim("c"), "1").unwrap()),
                _ => {}
            }
        }
        for n in 0..if busy { 40 } else { 0 } {
            // Journals are 64 KiB here: they change turns, and the directories are flushed.
            world.start(&artifact(&format!("more-{turn}-{n}"), Millis(3_600_000), None)).unwrap();
        }
    }
    survivors(copy.path(), &names)
}

fn survivors(copy: &Path, names: &[String]) -> usize {
    let mut told = Vec::new();
    fsck(copy, true, LATER, &mut |finding| told.push(finding.to_string())).unwrap();
    let again = fsck(copy, false, LATER, &mut |_| {}).unwrap();
    let mut world = World::around(Relay::open(&config(copy.to_owned()), TestClock::at(LATER)).unwrap());
    assert!(again.findings <= told.len() as u64);
    names
        .iter()
        .filter(|name| {
            matches!(world.status(name), Some(Status::Pending | Status::Claimed | Status::Completed))
        })
        .count()
}

#[test]
fn a_copy_of_a_running_hub_in_the_documented_order_has_every_handoff() {
    assert_eq!(copied(&ORDER, false), 12);
    assert_eq!(copied(&ORDER, true), 12);
}

#[test]
fn a_copy_in_the_other_order_may_lack_some() {
    let mut reversed = ORDER;
    reversed[5..9].reverse();
    assert!(copied(&reversed, true) < 12);
}
