//! What goes wrong when it is told to, and what is left then.

use std::io::{self, ErrorKind};

use handoff_hub::disk::simulated::{Call, Failure, Fault, Settings, SimulatedDisk};
use handoff_hub::disk::{Disk as _, DiskFile as _, Mode};
use handoff_kernel::time::Time;

use crate::support::{empty, holding, leaves, line, make, open};

fn kind<T: std::fmt::Debug>(result: io::Result<T>) -> ErrorKind {
    result.expect_err("it was told to fail").kind()
}

#[test]
fn each_call_fails_once_when_it_is_told_to() {
    let calls = [
        Call::About,
        Call::Read,
        Call::Length,
        Call::Walk,
        Call::Watch,
        Call::Open,
        Call::Make,
        Call::MakeDirectory,
        Call::Rename,
        Call::Replace,
        Call::Remove,
        Call::Write,
        Call::SetLength,
        Call::Reserve,
        Call::SetModified,
        Call::Flush,
        Call::FlushDirectory,
        Call::FlushAll,
        Call::BeginFlushAll,
        Call::EndFlushAll,
    ];
    for call in calls {
        let mut disk = holding(&[("d/f", "abc")]);
        let file = open(&disk, "d/f");
        disk.fail(Fault::next(call, Failure::Full));
        let mut make_call = || match call {
            Call::About => disk.about("d/f").map(drop),
            Call::Read => file.read_at(0, &mut [0]).map(drop),
            Call::Length => file.length().map(drop),
            Call::Walk => disk.walk("d").map(drop),
            Call::Watch => disk.watch("d"),
            Call::Open => disk.open("d/f", Mode::Write).map(drop),
            Call::Make => disk.open("d/g", Mode::New).map(drop),
            Call::MakeDirectory => disk.make_directory("e"),
            Call::Rename => disk.rename("d/f", "d/g"),
            Call::Replace => disk.replace("d/f", "d/g"),
            Call::Remove => disk.remove("d/f"),
            Call::Write => file.write_at(0, b"x").map(drop),
            Call::SetLength => file.set_len(1),
            Call::Reserve => file.reserve(0, 1),
            Call::SetModified => file.set_modified(Time(1)),
            Call::Flush => file.flush(),
            Call::FlushDirectory => disk.flush_directory("d"),
            Call::FlushAll => disk.flush_all(),
            Call::BeginFlushAll => disk.begin_flush_all().map(drop),
            Call::EndFlushAll => disk.begin_flush_all().and_then(handoff_hub::disk::Flushing::wait),
        };
        assert_eq!(kind(make_call()), ErrorKind::StorageFull, "{call:?}");
        make_call().unwrap_or_else(|error| panic!("{call:?} goes well the second time: {error}"));
    }
}

#[test]
fn a_failed_operation_leaves_what_is_seen_and_what_is_pending() {
    let disk = holding(&[("f", "abc")]);
    let file = open(&disk, "f");
    for call in [Call::Make, Call::MakeDirectory, Call::Rename, Call::Replace, Call::Remove, Call::Write] {
        disk.fail(Fault::next(call, Failure::Broken).for_ever());
    }
    disk.fail(Fault::next(Call::SetLength, Failure::Broken).for_ever());
    disk.fail(Fault::next(Call::SetModified, Failure::Broken).for_ever());
    disk.open("g", Mode::New).unwrap_err();
    disk.make_directory("d").unwrap_err();
    disk.rename("f", "g").unwrap_err();
    disk.replace("f", "g").unwrap_err();
    disk.remove("f").unwrap_err();
    file.write_at(0, b"x").unwrap_err();
    file.set_len(0).unwrap_err();
    file.set_modified(Time(1)).unwrap_err();
    leaves(&disk, &["f=abc"]);
    disk.heal();
    file.set_len(0).unwrap();
    assert_eq!(line(&disk.seen()), "f=");
}

#[test]
fn a_fault_strikes_after_so_many_calls_of_its_name_so_many_times() {
    let disk = holding(&[("a/f", ""), ("g", "")]);
    disk.fail(Fault::next(Call::Write, Failure::Broken).of("a/").after(1));
    let (f, g) = (open(&disk, "a/f"), open(&disk, "g"));
    g.write_at(0, b"1").unwrap();
    f.write_at(0, b"1").unwrap();
    g.write_at(0, b"2").unwrap();
    f.write_at(0, b"2").unwrap_err();
    f.write_at(0, b"3").unwrap();
    disk.fail(Fault::next(Call::Write, Failure::Interrupted).of("g").for_ever());
    for _ in 0..3 {
        assert_eq!(kind(g.write_at(0, b"3")), ErrorKind::Interrupted);
    }
    assert_eq!(line(&disk.seen()), "a/ a/f=3 g=2");
}

#[test]
fn a_short_write_writes_what_it_says_and_a_loop_writes_the_rest() {
    let disk = holding(&[("f", "")]);
    let file = open(&disk, "f");
    disk.fail(Fault::next(Call::Write, Failure::Short(3)));
    assert_eq!(file.write_at(0, b"abcdef").unwrap(), 3);
    assert_eq!(line(&disk.seen()), "f=abc");
    disk.fail(Fault::next(Call::Write, Failure::Short(2)));
    disk.fail(Fault::next(Call::Write, Failure::Interrupted));
    file.write_all_at(0, b"ABCDEF").unwrap();
    disk.fail(Fault::next(Call::Read, Failure::Short(1)));
    assert_eq!(file.read_at(0, &mut [0; 9]).unwrap(), 1);
    assert_eq!(file.read_to_end_at(0, 99).unwrap(), b"ABCDEF");
}

#[test]
fn a_full_disk_takes_no_file_and_no_byte_but_those_that_have_their_place() {
    let disk = SimulatedDisk::new(Settings { block_bytes: 4, capacity: Some(4), ..Settings::default() });
    let file = make(&disk, "f", "abcdef");
    assert_eq!(disk.free_blocks(), Some(1), "one for the file, two for its bytes");
    disk.open("g", Mode::New).unwrap();
    assert_eq!(disk.free_blocks(), Some(0));
    for full in [
        disk.open("h", Mode::New).map(drop),
        disk.open("h", Mode::Create).map(drop),
        disk.make_directory("d"),
        file.write_at(8, b"x").map(drop),
        file.reserve(0, 9),
    ] {
        assert_eq!(kind(full), ErrorKind::StorageFull);
    }
    file.write_all_at(0, b"ABCDEFGH").unwrap();
    disk.rename("f", "i").unwrap();
    file.set_len(4).unwrap();
    disk.open("h", Mode::New).unwrap();
    disk.remove("h").unwrap();
    disk.remove("g").unwrap();
    assert_eq!(disk.free_blocks(), Some(2));
    disk.set_capacity(Some(2));
    assert_eq!(disk.free_blocks(), Some(0));
    assert_eq!(line(&disk.seen()), "i=ABCD");
}

#[test]
fn what_is_reserved_can_be_written_and_what_is_not_there_cannot_be_reserved() {
    let disk = SimulatedDisk::new(Settings { block_bytes: 4, capacity: Some(5), ..Settings::default() });
    let file = make(&disk, "f", "ab");
    assert_eq!(kind(file.reserve(2, 99)), ErrorKind::StorageFull);
    assert_eq!(disk.free_blocks(), Some(3), "all or nothing");
    file.reserve(2, 10).unwrap();
    assert_eq!((file.length().unwrap(), disk.free_blocks()), (2, Some(1)));
    disk.open("g", Mode::New).unwrap();
    file.write_all_at(2, b"cdefghijkl").unwrap();
    assert_eq!(file.write_at(8, b"ijklmnop").unwrap(), 4, "as many as there is space for");
    assert_eq!(line(&disk.seen()), "f=abcdefghijkl g=");
}

#[test]
fn reserving_is_nothing_that_a_power_cut_could_lose_or_keep() {
    let disk = holding(&[("f", "ab")]);
    open(&disk, "f").reserve(0, 100).unwrap();
    leaves(&disk, &["f=ab"]);
}

#[test]
fn the_log_tells_each_call_and_what_failed() {
    let disk = empty();
    disk.log_operations();
    let file = make(&disk, "f", "ab");
    disk.rename("f", "g").unwrap();
    disk.rename("f", "g").unwrap_err();
    disk.fail(Fault::next(Call::Flush, Failure::Broken));
    file.flush().unwrap_err();
    let log = disk.operations_log();
    assert_eq!(log[..3], ["process 0: Make f New", "process 0: Write f 2 at 0", "process 0: Rename f to g"]);
    assert!(log[3].starts_with("process 0: Rename f to g -> "), "{log:?}");
    assert!(log[4].starts_with("process 0: Flush g -> "), "{log:?}");
    assert_eq!(empty().operations_log(), [""; 0]);
}
