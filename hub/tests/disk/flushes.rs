//! What a flush makes durable, and that it is nothing else.

use std::io;

use handoff_hub::disk::simulated::{Background, Call, Failure, Fault, Settings, SimulatedDisk};
use handoff_hub::disk::{Disk as _, DiskFile as _, Flushing as _};
use handoff_kernel::time::Time;

use crate::support::{empty, holding, leaves, make, open};

#[test]
fn flushing_a_file_keeps_its_bytes_and_length_and_no_others() {
    let disk = holding(&[("f", ""), ("g", "")]);
    let file = open(&disk, "f");
    file.write_all_at(0, b"one").unwrap();
    open(&disk, "g").write_all_at(0, b"two").unwrap();
    file.flush().unwrap();
    leaves(&disk, &["f=one g=", "f=one g=...", "f=one g=two"]);
}

#[test]
fn flushing_a_file_keeps_what_was_written_and_not_where_it_lies() {
    let disk = holding(&[("f", "")]);
    let file = open(&disk, "f");
    disk.rename("f", "g").unwrap();
    file.write_all_at(0, b"one").unwrap();
    file.flush().unwrap();
    leaves(&disk, &["f=one", "g=one"]);
    file.write_all_at(3, b"!").unwrap();
    leaves(&disk, &["f=one", "g=one", "f=one.", "g=one.", "f=one!", "g=one!"]);
}

#[test]
fn flushing_a_file_keeps_its_time_only_where_it_is_said_to() {
    for times_with_flush in [false, true] {
        let disk = SimulatedDisk::new(Settings { times_with_flush, ..Settings::default() });
        let file = make(&disk, "f", "a");
        disk.flush_all().unwrap();
        file.set_modified(Time(5)).unwrap();
        file.flush().unwrap();
        assert_eq!(disk.power_cut().none().modified("f"), Some(Time(if times_with_flush { 5 } else { 0 })));
        disk.flush_all().unwrap();
        assert_eq!(disk.power_cut().none().modified("f"), Some(Time(5)));
    }
}

#[test]
fn flushing_a_directory_keeps_the_names_that_are_or_were_in_it_and_no_contents() {
    let disk = holding(&[("a/x", "1"), ("b/y", "2")]);
    disk.rename("a/x", "b/x").unwrap();
    disk.rename("b/y", "a/y").unwrap();
    make(&disk, "z", "3");
    make(&disk, "b/w", "4");
    disk.flush_directory("a").unwrap();
    leaves(
        &disk,
        &[
            "a/ a/y=2 b/ b/x=1",
            "a/ a/y=2 b/ b/x=1 z=",
            "a/ a/y=2 b/ b/x=1 z=.",
            "a/ a/y=2 b/ b/x=1 z=3",
            "a/ a/y=2 b/ b/w= b/x=1",
            "a/ a/y=2 b/ b/w= b/x=1 z=",
            "a/ a/y=2 b/ b/w= b/x=1 z=.",
            "a/ a/y=2 b/ b/w= b/x=1 z=3",
            "a/ a/y=2 b/ b/w=. b/x=1",
            "a/ a/y=2 b/ b/w=. b/x=1 z=",
            "a/ a/y=2 b/ b/w=. b/x=1 z=.",
            "a/ a/y=2 b/ b/w=. b/x=1 z=3",
            "a/ a/y=2 b/ b/w=4 b/x=1",
            "a/ a/y=2 b/ b/w=4 b/x=1 z=",
            "a/ a/y=2 b/ b/w=4 b/x=1 z=.",
            "a/ a/y=2 b/ b/w=4 b/x=1 z=3",
        ],
    );
}

#[test]
fn flushing_a_directory_keeps_what_its_names_need_elsewhere() {
    let disk = holding(&[("b/y", "")]);
    disk.make_directory("a").unwrap();
    disk.make_directory("c").unwrap();
    make(&disk, "a/x", "").flush().unwrap();
    disk.rename("a/x", "c/x").unwrap();
    disk.rename("c/x", "b/x").unwrap();
    disk.flush_directory("b").unwrap();
    leaves(&disk, &["a/ b/ b/x= b/y= c/"]);
}

#[test]
fn an_empty_directorys_own_name_is_its_parents() {
    let disk = empty();
    disk.make_directory("d").unwrap();
    disk.flush_directory("d").unwrap();
    leaves(&disk, &["", "d/"]);
    disk.flush_directory("").unwrap();
    leaves(&disk, &["d/"]);
}

#[test]
fn flushing_everything_keeps_everything() {
    let disk = holding(&[("a/x", "1"), ("b/y", "2")]);
    disk.replace("a/x", "b/y").unwrap();
    disk.make_directory("d").unwrap();
    make(&disk, "d/z", "longer than a block").set_modified(Time(3)).unwrap();
    disk.remove("b/y").unwrap();
    disk.flush_all().unwrap();
    assert_eq!(disk.power_cut().pending(), 0);
    leaves(&disk, &["a/ b/ d/ d/z=longer than a block"]);
    assert_eq!(disk.power_cut().none(), disk.seen());
}

#[test]
fn a_flush_in_the_background_is_of_what_was_done_before_it_and_only_when_it_says_so() {
    let disk = holding(&[("f", "0000")]);
    disk.set_background(Background::AfterPolls(2));
    let file = open(&disk, "f");
    file.write_all_at(0, b"1111").unwrap();
    let mut flushing = disk.begin_flush_all().unwrap();
    file.write_all_at(0, b"2222").unwrap();
    for _ in 0..2 {
        assert!(flushing.poll().is_none());
        leaves(&disk, &["f=0000", "f=1111", "f=2222"]);
    }
    flushing.poll().unwrap().unwrap();
    leaves(&disk, &["f=1111", "f=2222"]);
    assert!(flushing.poll().is_none(), "it is told once");
}

#[test]
fn a_flush_in_the_background_may_need_to_be_waited_for() {
    let disk = holding(&[("f", "")]);
    disk.set_background(Background::WhenWaitedFor);
    disk.remove("f").unwrap();
    let mut flushing = disk.begin_flush_all().unwrap();
    assert!(flushing.poll().is_none());
    leaves(&disk, &["f=", ""]);
    flushing.wait().unwrap();
    leaves(&disk, &[""]);
    make(&disk, "g", "");
    drop(disk.begin_flush_all().unwrap());
    leaves(&disk, &["", "g="]);
}

#[test]
fn a_failed_flush_of_a_file_is_final() {
    let disk = holding(&[("f", "0000"), ("g", "")]);
    disk.fail(Fault::next(Call::Flush, Failure::Broken));
    let file = open(&disk, "f");
    file.write_all_at(0, b"1111").unwrap();
    file.flush().unwrap_err();
    leaves(&disk, &["f=0000 g=", "f=1111 g="]);
    file.flush().unwrap();
    disk.flush_all().unwrap();
    leaves(&disk, &["f=0000 g=", "f=1111 g="]);
    file.write_all_at(0, b"2222").unwrap();
    disk.rename("g", "h").unwrap();
    file.flush().unwrap();
    disk.flush_all().unwrap();
    leaves(&disk, &["f=0000 h=", "f=1111 h=", "f=2222 h="]);
}

#[test]
fn a_failed_flush_of_a_directory_is_final_for_its_names_and_those_that_need_them() {
    let disk = holding(&[("x", "")]);
    disk.rename("x", "y").unwrap();
    disk.fail(Fault::next(Call::FlushDirectory, Failure::Broken));
    disk.flush_directory("").unwrap_err();
    disk.open("z", handoff_hub::disk::Mode::New).unwrap();
    disk.rename("y", "w").unwrap();
    disk.flush_directory("").unwrap();
    disk.flush_all().unwrap();
    leaves(&disk, &["x= z=", "y= z=", "w= z="]);
}

#[test]
fn a_failed_flush_of_everything_is_final_also_in_the_background() {
    for (call, begun) in [(Call::FlushAll, false), (Call::EndFlushAll, true)] {
        let disk = holding(&[("x", "0")]);
        disk.rename("x", "y").unwrap();
        open(&disk, "y").write_all_at(0, b"1").unwrap();
        disk.fail(Fault::next(call, Failure::Broken));
        let failed = if begun { disk.begin_flush_all().unwrap().wait() } else { disk.flush_all() };
        assert_eq!(failed.unwrap_err().kind(), io::Error::from_raw_os_error(5).kind());
        disk.flush_all().unwrap();
        leaves(&disk, &["x=0", "x=1", "y=0", "y=1"]);
    }
    let disk = holding(&[("x", "0")]);
    disk.rename("x", "y").unwrap();
    disk.fail(Fault::next(Call::BeginFlushAll, Failure::Full));
    disk.begin_flush_all().unwrap_err();
    disk.flush_all().unwrap();
    leaves(&disk, &["y=0"]);
}
