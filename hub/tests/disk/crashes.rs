//! What a power cut may leave, counted out by hand.

use handoff_hub::disk::{Disk as _, DiskFile as _, Mode};
use handoff_kernel::time::Time;

use crate::support::{empty, holding, leaves, line, lines, make, open};

#[test]
fn a_file_whose_name_is_not_durable_is_gone_with_all_its_blocks() {
    let disk = empty();
    make(&disk, "f", "ab").flush().unwrap();
    leaves(&disk, &["", "f=ab"]);
}

#[test]
fn what_is_written_back_is_the_same_image_also_under_a_name_that_is_lost() {
    let disk = empty();
    let file = make(&disk, "f", "ab");
    file.set_len(0).unwrap();
    disk.rename("f", "g").unwrap();
    leaves(&disk, &["", "f=", "f=..", "f=ab", "g=", "g=..", "g=ab"]);
}

#[test]
fn a_new_file_of_two_blocks_leaves_six_images() {
    let disk = empty();
    make(&disk, "f", "abcdefg");
    // No name; a name without a length, whatever else there is; a length with each of its blocks or zeros.
    leaves(&disk, &["", "f=", "f=.......", "f=abcd...", "f=....efg", "f=abcdefg"]);
    let cut = disk.power_cut();
    assert_eq!(cut.pending(), 4);
    assert_eq!(cut.sets(100), Some(1 + 2 * 2 * 2));
}

#[test]
fn a_block_beyond_the_length_is_not_seen_now_or_later() {
    let disk = holding(&[("f", "abcd")]);
    open(&disk, "f").write_all_at(4, b"EFGH").unwrap();
    leaves(&disk, &["f=abcd", "f=abcd....", "f=abcdEFGH"]);
    let lost = disk.power_cut().at_most_lost(1).find(|image| line(image) == "f=abcd").unwrap();
    let after = lost.disk();
    open(&after, "f").set_len(8).unwrap();
    assert_eq!(line(&after.seen()), "f=abcd....");
}

#[test]
fn the_versions_of_one_block_become_durable_in_order() {
    let disk = holding(&[("f", "0000")]);
    let file = open(&disk, "f");
    for word in ["1111", "2222"] {
        file.write_all_at(0, word.as_bytes()).unwrap();
    }
    leaves(&disk, &["f=0000", "f=1111", "f=2222"]);
}

#[test]
fn a_write_over_blocks_is_torn_between_them_and_never_within_one() {
    let disk = holding(&[("f", "000000000000")]);
    open(&disk, "f").write_all_at(2, b"11111111").unwrap();
    let block = |first: bool, word: &'static str, old: &'static str| if first { word } else { old };
    let all: Vec<String> = (0..8)
        .map(|n| {
            let (a, b, c) = (block(n & 1 > 0, "0011", "0000"), n & 2 > 0, n & 4 > 0);
            format!("f={a}{}{}", block(b, "1111", "0000"), block(c, "1100", "0000"))
        })
        .collect();
    leaves(&disk, &all.iter().map(String::as_str).collect::<Vec<_>>());
}

#[test]
fn a_rename_is_one_step_of_both_its_names() {
    let disk = holding(&[("a/x", "old"), ("b/y", "")]);
    disk.rename("a/x", "b/x").unwrap();
    leaves(&disk, &["a/ a/x=old b/ b/y=", "a/ b/ b/x=old b/y="]);
}

#[test]
fn a_file_that_moves_on_leaves_no_name_that_it_had_in_between() {
    let disk = holding(&[("a/x", "1"), ("b/y", "")]);
    disk.rename("a/x", "b/x").unwrap();
    disk.rename("b/x", "a/z").unwrap();
    leaves(&disk, &["a/ a/x=1 b/ b/y=", "a/ b/ b/x=1 b/y=", "a/ a/z=1 b/ b/y="]);
}

#[test]
fn replacing_never_leaves_neither_file() {
    let disk = holding(&[("f", "old"), ("tmp", "new")]);
    disk.replace("tmp", "f").unwrap();
    leaves(&disk, &["f=old tmp=new", "f=new"]);
}

#[test]
fn no_file_is_at_a_name_that_another_has_not_left() {
    let disk = holding(&[("x", "1")]);
    disk.rename("x", "y").unwrap();
    disk.open("x", Mode::New).unwrap();
    leaves(&disk, &["x=1", "y=1", "x= y=1"]);
    let disk = holding(&[("x", "1")]);
    disk.remove("x").unwrap();
    disk.open("x", Mode::New).unwrap();
    leaves(&disk, &["x=1", "", "x="]);
}

#[test]
fn two_files_change_names_only_by_way_of_a_third() {
    let disk = holding(&[("x", "1"), ("y", "2")]);
    disk.rename("x", "z").unwrap();
    disk.rename("y", "x").unwrap();
    disk.rename("z", "y").unwrap();
    leaves(&disk, &["x=1 y=2", "y=2 z=1", "x=2 z=1", "x=2 y=1"]);
}

#[test]
fn what_lies_in_a_directory_that_is_not_durable_is_gone_too() {
    let disk = holding(&[("x", "")]);
    disk.make_directory("d").unwrap();
    disk.make_directory("d/e").unwrap();
    disk.rename("x", "d/e/x").unwrap();
    disk.open("d/y", Mode::New).unwrap();
    leaves(
        &disk,
        &[
            "x=",
            "d/ x=",
            "d/ d/y= x=",
            "d/ d/e/ x=",
            "d/ d/e/ d/y= x=",
            "d/ d/e/ d/e/x=",
            "d/ d/e/ d/e/x= d/y=",
        ],
    );
}

#[test]
fn a_removal_is_kept_or_lost_and_what_is_written_after_it_is_nobodys() {
    let disk = holding(&[("x", "1")]);
    let file = open(&disk, "x");
    disk.remove("x").unwrap();
    file.write_all_at(0, b"2").unwrap();
    leaves(&disk, &["x=1", "x=2", ""]);
    assert_eq!(line(&disk.seen()), "");
    disk.flush_directory("").unwrap();
    leaves(&disk, &[""]);
    assert_eq!(disk.power_cut().pending(), 0);
}

#[test]
fn what_a_cut_took_does_not_come_back_when_the_file_grows_again() {
    let disk = holding(&[("f", "abcdefgh")]);
    let file = open(&disk, "f");
    file.set_len(4).unwrap();
    file.set_len(8).unwrap();
    leaves(&disk, &["f=abcdefgh", "f=abcd", "f=abcd...."]);
    // The new bytes' block may be there before the cut is.
    file.write_all_at(4, b"EF").unwrap();
    leaves(&disk, &["f=abcdefgh", "f=abcd", "f=abcd....", "f=abcdEF.."]);
}

#[test]
fn a_cut_through_a_block_is_a_length_and_zeros_of_their_own() {
    let disk = holding(&[("f", "abcd")]);
    let file = open(&disk, "f");
    file.set_len(2).unwrap();
    leaves(&disk, &["f=abcd", "f=ab..", "f=ab"]);
    file.write_all_at(3, b"D").unwrap();
    leaves(&disk, &["f=abcd", "f=ab..", "f=ab", "f=ab.D"]);
}

#[test]
fn a_time_is_kept_or_lost_by_itself() {
    let disk = holding(&[("f", "")]);
    let file = disk.open("f", Mode::Write).unwrap();
    file.set_modified(Time(5)).unwrap();
    file.set_modified(Time(7)).unwrap();
    let times: Vec<_> = disk.crash_images().map(|image| image.modified("f").unwrap()).collect();
    assert_eq!(times, [Time(7), Time(5), Time(0)]);
    disk.set_now(Time(9));
    file.write_all_at(0, b"a").unwrap();
    assert_eq!(disk.about("f").unwrap().unwrap().modified, Time(9));
}

#[test]
fn everything_kept_is_what_is_seen_and_nothing_kept_is_what_was_durable() {
    let disk = holding(&[("a/x", "one"), ("a/y", "two")]);
    let before = disk.seen();
    assert_eq!(disk.power_cut().all(), before);
    disk.rename("a/x", "z").unwrap();
    disk.remove("a/y").unwrap();
    make(&disk, "a/x", "three");
    open(&disk, "z").set_len(1).unwrap();
    let cut = disk.power_cut();
    assert_eq!(cut.all(), disk.seen());
    assert_eq!(cut.none(), before);
    let images: Vec<_> = cut.images().collect();
    assert!(images.contains(&cut.all()) && images.contains(&cut.none()));
}

#[test]
fn at_most_so_many_are_lost_or_kept_with_what_they_need_or_what_needs_them() {
    let disk = holding(&[("f", "0000")]);
    let file = open(&disk, "f");
    for word in ["1111", "2222"] {
        file.write_all_at(0, word.as_bytes()).unwrap();
    }
    disk.open("g", Mode::New).unwrap();
    disk.open("h", Mode::New).unwrap();
    let cut = disk.power_cut();
    let as_lines = |expected: &[&str]| expected.iter().map(|&line| line.to_owned()).collect();
    assert_eq!(lines(cut.at_most_lost(0)), as_lines(&["f=2222 g= h="]));
    let one_lost = ["f=2222 g= h=", "f=1111 g= h=", "f=0000 g= h=", "f=2222 h=", "f=2222 g="];
    assert_eq!(lines(cut.at_most_lost(1)), as_lines(&one_lost));
    assert_eq!(lines(cut.at_most_kept(0)), as_lines(&["f=0000"]));
    let one_kept = ["f=0000", "f=1111", "f=2222", "f=0000 g=", "f=0000 h="];
    assert_eq!(lines(cut.at_most_kept(1)), as_lines(&one_kept));
    for images in [cut.at_most_lost(3), cut.at_most_kept(3), cut.images()] {
        assert_eq!(lines(images).len(), 3 * 2 * 2);
    }
    assert_eq!(lines(cut.at_most_lost(2)).len(), 12 - 2, "without both files, f is whole");
    assert_eq!(cut.sets(3), Some(12));
    assert_eq!(cut.sets(2), None, "one group has three");
}

#[test]
fn an_image_tells_what_was_kept_and_what_was_lost() {
    let disk = holding(&[("f", "old")]);
    disk.rename("f", "g").unwrap();
    open(&disk, "g").write_all_at(0, b"new").unwrap();
    let image = disk.power_cut().choose(|at| at == 1);
    assert_eq!(line(&image), "f=new");
    assert_eq!(image.kept(), ["1: block 0 of g: \"new\""]);
    assert_eq!(image.lost(), ["0: f becomes g"]);
    let text = image.to_string();
    assert_eq!(text, "f: 3 bytes, of 0: \"new\"\n  kept 1: block 0 of g: \"new\"\n  lost 0: f becomes g\n");
}

#[test]
fn a_choice_is_asked_only_for_what_may_be_kept() {
    let disk = empty();
    make(&disk, "f", "ab");
    let mut asked = Vec::new();
    let image = disk.power_cut().choose(|at| {
        asked.push(at);
        false
    });
    assert_eq!((line(&image).as_str(), asked), ("", vec![0]));
}

#[test]
fn images_are_equal_by_what_is_on_them_and_not_by_how_it_came_there() {
    let one = empty();
    make(&one, "x", "1");
    one.rename("x", "y").unwrap();
    let other = holding(&[("y", "2")]);
    assert_ne!(one.seen(), other.seen());
    open(&other, "y").write_all_at(0, b"1").unwrap();
    assert_eq!(one.seen(), other.seen());
    assert_eq!(one.seen().fingerprint(), other.seen().fingerprint());
    assert_eq!(one.seen().cmp(&other.seen()), std::cmp::Ordering::Equal);
    open(&one, "y").set_modified(Time(1)).unwrap();
    assert_ne!(one.seen(), other.seen(), "the time counts");
}

#[test]
fn an_images_disk_has_nothing_pending_and_leaves_the_image_as_it_is() {
    let disk = holding(&[("f", "one")]);
    let image = disk.seen();
    let (a, b) = (image.disk(), image.disk());
    make(&a, "g", "two");
    open(&a, "f").write_all_at(0, b"ONE").unwrap();
    assert_eq!(line(&b.seen()), "f=one");
    assert_eq!(line(&image), "f=one");
    assert_eq!(b.power_cut().pending(), 0);
    leaves(&b, &["f=one"]);
}
