//! Processes: who sees what, who has the lock, who dies when, and who is told.

use std::collections::BTreeSet;
use std::io::ErrorKind;

use handoff_hub::disk::simulated::{Hinting, SimulatedDisk};
use handoff_hub::disk::{Disk, DiskFile as _, Flushing as _, Hints, Mode};
use handoff_kernel::time::Time;

use crate::support::{empty, holding, leaves, line, make, open};

#[test]
fn what_one_process_does_all_others_see_before_it_is_durable() {
    let hub = empty();
    let agent = hub.clone();
    let file = make(&hub, "f", "ab");
    agent.rename("f", "g").unwrap();
    file.write_all_at(2, b"cd").unwrap();
    assert_eq!(agent.read("g", 99).unwrap().unwrap().bytes, b"abcd");
    assert_eq!(line(&hub.power_cut().none()), "");
    agent.flush_all().unwrap();
    assert_eq!(line(&hub.power_cut().none()), "g=abcd");
}

#[test]
fn one_process_at_a_time_has_the_lock_and_its_death_or_end_gives_it_back() {
    let disk = empty();
    let first = disk.start().unwrap();
    assert_eq!(disk.start().unwrap_err().kind(), ErrorKind::WouldBlock);
    disk.make_directory("agents_need_no_lock").unwrap();
    drop(first.same_process());
    disk.start().unwrap_err();
    drop(first);
    let second = disk.start().unwrap();
    second.crash();
    let third = disk.start().unwrap();
    drop(second);
    assert_eq!(disk.start().unwrap_err().kind(), ErrorKind::WouldBlock, "the third has it");
    drop(third);
    disk.start().unwrap();
}

#[test]
fn a_process_that_dies_is_told_so_by_every_call_and_leaves_what_is_seen() {
    let disk = holding(&[("f", "ab")]);
    let mut hub = disk.clone();
    let file = open(&hub, "f");
    file.write_all_at(0, b"AB").unwrap();
    let flushing = hub.begin_flush_all().unwrap();
    hub.crash();
    assert!(hub.is_dead() && !disk.is_dead());
    hub.about("f").unwrap_err();
    hub.read("f", 1).unwrap_err();
    hub.open("f", Mode::Read).unwrap_err();
    hub.walk("").unwrap_err();
    hub.make_directory("d").unwrap_err();
    hub.make_directory("").unwrap_err();
    hub.rename("f", "g").unwrap_err();
    hub.replace("f", "g").unwrap_err();
    hub.remove("f").unwrap_err();
    hub.flush_directory("").unwrap_err();
    hub.flush_all().unwrap_err();
    hub.begin_flush_all().unwrap_err();
    hub.watch("").unwrap_err();
    flushing.wait().unwrap_err();
    file.read_at(0, &mut [0]).unwrap_err();
    file.write_at(0, b"x").unwrap_err();
    file.length().unwrap_err();
    file.set_len(0).unwrap_err();
    file.reserve(0, 1).unwrap_err();
    file.set_modified(Time(1)).unwrap_err();
    file.flush().unwrap_err();
    drop(file);
    assert_eq!(line(&disk.seen()), "f=AB");
    leaves(&disk, &["f=ab", "f=AB"]);
    disk.clone().rename("f", "g").unwrap();
}

/// Whatever it is, it goes through each of the operations that count.
fn work(disk: &SimulatedDisk) -> std::io::Result<()> {
    disk.make_directory("d")?;
    let file = disk.open("d/f", Mode::New)?;
    file.write_at(0, b"ab")?;
    file.set_modified(Time(4))?;
    file.reserve(0, 9)?;
    file.set_len(1)?;
    file.flush()?;
    disk.rename("d/f", "d/g")?;
    disk.replace("d/g", "d/f")?;
    disk.flush_directory("d")?;
    disk.remove("d/f")?;
    disk.flush_all()?;
    disk.begin_flush_all()?.wait()?;
    // None of these counts.
    disk.make_directory("d")?;
    disk.about("d")?;
    disk.walk("d")?;
    drop(disk.open("d/f", Mode::Read));
    Ok(())
}

#[test]
fn a_process_dies_instead_of_any_of_its_operations_and_exactly_so_many_are_done() {
    let all = empty();
    work(&all).unwrap();
    assert_eq!(all.operations(), 13);
    let mut seen = vec![String::new()];
    for operations in 0..=13 {
        let disk = empty();
        let hub = disk.clone();
        hub.crash_at(operations);
        assert_eq!(work(&hub).is_err(), operations < 13, "{operations}");
        assert_eq!((hub.operations(), hub.is_dead()), (operations, operations < 13));
        assert_eq!(disk.operations(), 0, "each process has its own");
        seen.push(line(&disk.seen()));
        let _ = disk.crash_images().count();
    }
    seen.dedup();
    assert_eq!(seen, ["", "d/", "d/ d/f=", "d/ d/f=ab", "d/ d/f=a", "d/ d/g=a", "d/ d/f=a", "d/"]);
}

fn hints(disk: &mut SimulatedDisk) -> Vec<String> {
    let Hints { names, lost } = disk.hints();
    assert!(!lost);
    names.into_iter().collect()
}

#[test]
fn hints_tell_of_what_came_went_or_was_written_in_the_watched_directories() {
    let disk = holding(&[("d/f", ""), ("e/g", "")]);
    let mut hub = disk.clone();
    hub.watch("d").unwrap();
    assert_eq!(hub.watch("nothing").unwrap_err().kind(), ErrorKind::NotFound);
    assert_eq!(hub.watch("d/f").unwrap_err().kind(), ErrorKind::NotADirectory);
    let file = make(&disk, "d/new", "ab");
    assert_eq!(hints(&mut hub), [""; 0], "not before it is closed");
    drop(file);
    assert_eq!(hints(&mut hub), ["d/new"]);
    drop(disk.open("d/f", Mode::Read).unwrap());
    make(&disk, "e/other", "");
    assert_eq!(hints(&mut hub), [""; 0]);
    disk.rename("e/g", "d/g").unwrap();
    disk.rename("d/f", "e/f").unwrap();
    disk.remove("d/new").unwrap();
    assert_eq!(hints(&mut hub), ["d/f", "d/g", "d/new"]);
    assert_eq!(hints(&mut hub), [""; 0]);
    assert_eq!(disk.clone().hints(), Hints::default());
}

#[test]
fn hints_are_lost_with_and_without_a_word() {
    let disk = holding(&[("d/f", "")]);
    let mut hub = disk.clone();
    hub.watch("d").unwrap();
    disk.set_hinting(Hinting::TooMany);
    disk.rename("d/f", "d/g").unwrap();
    assert_eq!(hub.hints(), Hints { names: BTreeSet::new(), lost: true });
    assert_eq!(hub.hints(), Hints::default());
    disk.set_hinting(Hinting::Silent);
    disk.rename("d/g", "d/h").unwrap();
    assert_eq!(hub.hints(), Hints::default());
}

#[test]
fn a_directorys_time_tells_of_changes_of_its_entries() {
    let disk = holding(&[("d/f", "")]);
    let time = |name| disk.about(name).unwrap().unwrap().modified;
    disk.set_now(Time(5));
    open(&disk, "d/f").write_all_at(0, b"x").unwrap();
    assert_eq!(time("d"), Time(0));
    disk.rename("d/f", "g").unwrap();
    assert_eq!((time("d"), time("")), (Time(5), Time(5)));
}

#[test]
fn a_disk_can_be_sent_to_another_thread() {
    fn is_send<T: Send>(_: &T) {}
    let disk = empty();
    is_send(&disk);
    is_send(&disk.open("f", Mode::New).unwrap());
    is_send(&disk.power_cut());
    is_send(&disk.crash_images());
}
