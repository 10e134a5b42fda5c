//! Appending: where lines go, and what a failure leaves.

use handoff_hub::disk::{Disk, RealDisk};
use handoff_hub::events::{Checkpoint, EventLog, Logged, Position};
use handoff_kernel::ident::Digest;
use handoff_kernel::time::Time;

use crate::world::{Data, Failing, SMALL, append, bodies, happened, in_memory, lines};

#[test]
fn lines_are_numbered_and_each_holds_the_digest_of_the_one_before() {
    let data = Data::new();
    let mut log = data.log();
    assert_eq!(log.position(), Position::start());
    append(&mut log, &data.disk, 0..1);
    append(&mut log, &data.disk, 1..5);
    append(&mut log, &data.disk, 5..5);
    let mut prev = Digest([0; 32]);
    for (n, line) in (0..).zip(lines(&data.image())) {
        let expected = Logged { seq: n + 1, happened: happened(n), recovered: false, prev };
        assert_eq!(Logged::read(line.as_bytes()), Some(expected));
        prev = Digest::of(line.as_bytes());
    }
    assert_eq!(log.end(), Checkpoint { seq: 5, sha256: prev });
}

#[test]
fn a_full_segment_is_followed_by_one_named_by_its_first_line_however_lines_are_batched() {
    let (one, many) = (Data::new(), Data::new());
    let mut log = one.log();
    let end = append(&mut log, &one.disk, 0..20);
    let mut log = many.log();
    for n in 0..20 {
        append(&mut log, &many.disk, n..n + 1);
    }
    assert_eq!(log.position(), end);
    assert_eq!(one.image(), many.image());
    let image = one.image();
    assert!(image.len() > 4, "{image:?}");
    for (name, bytes) in &image {
        let text = String::from_utf8(bytes.clone()).unwrap();
        let first: u64 = name.strip_suffix(".ndjson").unwrap().parse().unwrap();
        assert_eq!(Logged::read(text.lines().next().unwrap().as_bytes()).unwrap().seq, first);
        // Full when the next line would have come, and not before.
        let last = text.lines().last().unwrap().len() + 1;
        assert!(text.len() as u64 - (last as u64) < SMALL, "{name}");
        assert!(text.len() as u64 >= SMALL || image.last_key_value().unwrap().0 == name, "{name}");
    }
}

#[test]
fn a_log_that_is_opened_again_goes_on_where_it_ended() {
    let (one, many) = (Data::new(), Data::new());
    append(&mut one.log(), &one.disk, 0..20);
    for n in 0..20 {
        let mut log = many.log();
        append(&mut log, &many.disk, n..n + 1);
        assert_eq!(many.log().position(), log.position());
        assert_eq!(EventLog::open(&many.disk, Some(&log.position())).unwrap().1, [""; 0]);
    }
    assert_eq!(one.image(), many.image());
}

#[test]
fn a_batch_is_one_write() {
    let dir = in_memory();
    let disk = Failing::over(RealDisk::open(dir.path()).unwrap());
    let mut log = EventLog::open(&disk, None).unwrap().0;
    append(&mut log, &disk, 0..50);
    assert_eq!(disk.writes.get(), 1);
    append(&mut log, &disk, 50..99);
    assert_eq!(disk.writes.get(), 2);
}

/// A write that fails after any number of bytes, also in the next segment, then other lines than those.
#[test]
fn what_a_failed_append_left_counts_for_nothing() {
    let straight = Data::new();
    let mut log = straight.log();
    append(&mut log, &straight.disk, 0..2);
    append(&mut log, &straight.disk, 9..10);
    append(&mut log, &straight.disk, 10..20);
    let expected = straight.image();
    let failing = bodies(2..8);
    let failing: Vec<_> = failing.iter().map(String::as_str).collect();
    let long: usize = failing.iter().map(|body| body.len() + 100).sum();
    for taken in (0..long as u64 - 100).step_by(7) {
        let dir = in_memory();
        let disk = Failing::over(RealDisk::open(dir.path()).unwrap());
        let mut log = EventLog::open(&disk, None).unwrap().0.with_segments_of(SMALL);
        let before = append(&mut log, &disk, 0..2);
        for _ in 0..2 {
            disk.left.set(taken);
            log.append(&disk, &failing).unwrap_err();
            assert_eq!(log.position(), before);
        }
        disk.left.set(u64::MAX);
        append(&mut log, &disk, 9..10);
        let (again, notes) = EventLog::open(&disk, Some(&log.position())).unwrap();
        assert_eq!((again.position(), notes.len()), (log.position(), 0), "{taken}");
        append(&mut log, &disk, 10..20);
        assert_eq!(crate::world::image(&dir.path().join("events")), expected, "{taken}");
    }
}

#[test]
fn what_is_no_body_is_not_written() {
    let data = Data::new();
    let mut log = data.log();
    for wrong in ["", "{}", "x", "{\"a\":1}\n", "{\"a\":\n1}"] {
        log.append(&data.disk, &[&bodies(0..1)[0], wrong]).unwrap_err();
        assert_eq!((log.position(), data.image().len()), (Position::start(), 0), "{wrong}");
    }
}

/// Cut at each byte: the log opens at the last whole line and is then as if nothing had been torn.
#[test]
fn a_torn_end_is_cut_off() {
    let data = Data::new();
    let mut log = data.log();
    let mut positions = vec![log.position()];
    for n in 0..3 {
        positions.push(append(&mut log, &data.disk, n..n + 1));
    }
    let whole = data.image();
    let (name, bytes) = whole.first_key_value().unwrap();
    for len in 0..=bytes.len() {
        for garbage in [&b""[..], b"\0\0\0", b"{}\n", b"x\ny\n\nz"] {
            let mut torn = bytes[..len].to_vec();
            torn.extend(garbage);
            data.put(&[(name.clone(), torn)].into());
            let there = positions.iter().rfind(|at| at.offset <= len as u64).unwrap();
            let (log, notes) = EventLog::open(&data.disk, None).unwrap();
            let mut log = log.with_segments_of(SMALL);
            assert_eq!(log.position(), *there, "{len}");
            let clean = there.offset == len as u64 && garbage.is_empty();
            assert_eq!(notes.is_empty(), clean, "{len} {notes:?}");
            let written = there.seq - 1;
            append(&mut log, &data.disk, written..3);
            if written < 3 {
                assert_eq!(data.image(), whole, "{len}");
            }
        }
    }
}

#[test]
fn a_segment_without_a_line_stands_for_those_that_were_before_it() {
    let data = Data::new();
    let end = append(&mut data.log(), &data.disk, 0..2);
    let empty = |segment: u64| data.events().join(format!("{segment:020}.ndjson"));
    std::fs::write(empty(3), "").unwrap();
    assert_eq!(data.log().position(), Position { segment: 3, offset: 0, ..end });
    std::fs::write(empty(9), "{\"torn").unwrap();
    let (mut log, notes) = EventLog::open(&data.disk, None).unwrap();
    assert_eq!((log.position(), notes.len()), (Position { segment: 9, offset: 0, seq: 9, ..end }, 1));
    append(&mut log, &data.disk, 2..3);
    let told = std::fs::read(empty(9)).unwrap();
    assert_eq!(Logged::read(&told[..told.len() - 1]).unwrap().seq, 9);
}

#[test]
fn files_of_other_names_are_nobodys_business() {
    let data = Data::new();
    let end = append(&mut data.log(), &data.disk, 0..2);
    for name in ["9.ndjson", "00000000000000000009.ndjson~", "README", "00000000000000000000.ndjson"] {
        std::fs::write(data.events().join(name), "{\"seq\":9}\n").unwrap();
    }
    assert_eq!(data.log().position(), end);
}

#[test]
fn a_log_that_is_deleted_goes_on_with_the_next_number() {
    let data = Data::new();
    let end = append(&mut data.log(), &data.disk, 0..9);
    std::fs::remove_dir_all(data.events()).unwrap();
    let (mut log, notes) = EventLog::open(&data.disk, Some(&end)).unwrap();
    assert_eq!(log.position(), Position { segment: 10, offset: 0, ..end });
    assert!(notes[0].contains("before line 1, but had come to line 9"), "{notes:?}");
    append(&mut log, &data.disk, 9..10);
    assert_eq!(data.log().position().seq, 11);
    // It may also be deleted under a hub that runs, whether that has the segment open or not.
    let mut log = log.with_segments_of(SMALL);
    for n in 10..30 {
        let _ = std::fs::remove_dir_all(data.events());
        append(&mut log, &data.disk, n..n + 1);
    }
    assert_eq!(log.position().seq, 31);
    append(&mut log, &data.disk, 30..31);
    let mut log = EventLog::open(&data.disk, Some(&log.position())).unwrap().0;
    let at = append(&mut log, &data.disk, 31..32);
    let mut log = data.log();
    std::fs::remove_dir_all(data.events()).unwrap();
    append(&mut log, &data.disk, 32..33);
    let line = std::fs::read(data.events().join(format!("{:020}.ndjson", at.seq))).unwrap();
    assert_eq!(Logged::read(&line[..line.len() - 1]).unwrap().prev, at.prev);
}

/// Nobody should, but somebody has put a file where the next segment begins.
#[test]
fn a_new_segment_holds_nothing_but_its_lines() {
    let (data, straight) = (Data::new(), Data::new());
    let mut log = data.log();
    append(&mut log, &data.disk, 0..4);
    std::fs::write(data.events().join(format!("{:020}.ndjson", 5)), vec![b'x'; 5000]).unwrap();
    append(&mut log, &data.disk, 4..5);
    append(&mut straight.log(), &straight.disk, 0..5);
    assert_eq!((data.image().len(), data.image()), (2, straight.image()));
}

#[test]
fn a_changed_last_line_is_noticed_by_who_knows_what_it_was() {
    let data = Data::new();
    let end = append(&mut data.log(), &data.disk, 0..2);
    let mut image = data.image();
    let bytes = image.first_entry().unwrap().into_mut();
    let at = bytes.windows(4).rposition(|four| four == b"\"h-1").unwrap();
    bytes[at + 3] = b'7';
    data.put(&image);
    let (log, notes) = EventLog::open(&data.disk, Some(&end)).unwrap();
    assert_eq!(log.position(), end, "what comes after holds fast to what was there");
    assert!(notes[0].starts_with("Line 2 of the event log"), "{notes:?}");
}

#[test]
fn a_position_and_a_checkpoint_have_one_text() {
    let data = Data::new();
    let mut log = data.log();
    let at = append(&mut log, &data.disk, 0..2);
    let text = serde_json::to_string(&at).unwrap();
    assert!(text.starts_with(r#"{"segment":1,"offset":"#) && text.contains(r#","seq":3,"prev":""#), "{text}");
    assert_eq!(serde_json::from_str::<Position>(&text).unwrap(), at);
    let checkpoint = log.end();
    let text = checkpoint.to_string();
    assert_eq!(text, format!("2:{}", at.prev));
    assert_eq!(text.parse(), Ok(checkpoint));
    for wrong in
        ["", "2", ":", &text[1..], &text[..text.len() - 1], &format!("+{text}"), &text.to_uppercase()]
    {
        assert!(wrong.parse::<Checkpoint>().is_err(), "{wrong}");
    }
}

#[test]
fn only_the_oldest_segment_is_pruned_and_only_when_all_of_it_is_old() {
    let data = Data::new();
    let mut log = data.log();
    append(&mut log, &data.disk, 0..12);
    let image = data.image();
    let names: Vec<_> = image.keys().cloned().collect();
    assert!(names.len() > 2);
    let first = lines(&[(names[0].clone(), image[&names[0]].clone())].into());
    let last = Logged::read(first.last().unwrap().as_bytes()).unwrap().happened.at;
    assert_eq!(log.prune(&data.disk, last, None).unwrap(), None);
    assert_eq!(log.prune(&data.disk, Time(last.0 + 1), None).unwrap(), Some(1));
    assert_eq!(data.image().keys().collect::<Vec<_>>(), names[1..].iter().collect::<Vec<_>>());
    while log.prune(&data.disk, Time::MAX, None).unwrap().is_some() {}
    assert_eq!(data.image().keys().collect::<Vec<_>>(), [names.last().unwrap()]);
    append(&mut log, &data.disk, 12..13);
    assert_eq!(data.log().position(), log.position());
}

/// A line that was written afterwards tells of an earlier time than those before it.
#[test]
fn a_recovered_last_line_does_not_make_a_segment_old() {
    let data = Data::new();
    let mut log = data.log();
    append(&mut log, &data.disk, 0..9);
    let mut image = data.image();
    let first = image.first_entry().unwrap().into_mut();
    let early = Logged { seq: 1, happened: happened(0), recovered: true, prev: Digest([0; 32]) };
    first.extend(format!("{}\n", early.write()).bytes());
    let newest = happened(lines(&[(String::new(), first.clone())].into()).len() as u64 - 2).at;
    data.put(&image);
    assert_eq!(log.prune(&data.disk, newest, None).unwrap(), None);
    assert_eq!(log.prune(&data.disk, Time(newest.0 + 1), None).unwrap(), Some(1));
    // One that cannot be read is evidence, and stays.
    let mut image = data.image();
    let oldest = image.first_entry().unwrap().into_mut();
    oldest.clear();
    oldest.extend(format!("x\n{}\n", early.write()).bytes());
    data.put(&image);
    assert_eq!(log.prune(&data.disk, Time::MAX, None).unwrap(), None);
    assert!(data.disk.walk("events").unwrap().count() > 1);
}
