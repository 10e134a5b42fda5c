//! Verifying: whatever is done to a small log is found, at the line where it was done; each change of each byte, each
//! line that goes, comes or moves.

use std::collections::BTreeSet;

use handoff_hub::disk::{Disk as _, RealDisk};
use handoff_hub::events::{Checkpoint, EventLog, Fault, Logged, NotWhole, Verified, Wrong, lines, verify};
use handoff_kernel::ident::Digest;

use crate::world::{Data, Image, append, happened};

const ALL: u64 = 10;

/// A small log of some segments, and where each of its lines is.
struct Small {
    data: Data,
    whole: Image,
    lines: Vec<Line>,
}

#[derive(Debug, Clone)]
struct Line {
    segment: u64,
    number: u64,
    offset: usize,
    /// Without its break.
    text: String,
}

impl Small {
    fn new() -> Self {
        let data = Data::new();
        append(&mut data.log(), &data.disk, 0..ALL);
        let whole = data.image();
        let mut found = Vec::new();
        for (name, bytes) in &whole {
            let (mut number, mut offset) = (1, 0);
            for text in std::str::from_utf8(bytes).unwrap().lines() {
                found.push(Line { segment: segment(name), number, offset, text: text.to_owned() });
                (number, offset) = (number + 1, offset + text.len() + 1);
            }
        }
        assert_eq!((found.len() as u64, whole.len()), (ALL, 3));
        assert!(found.iter().filter(|line| line.segment == found[9].segment).count() > 1);
        Self { data, whole, lines: found }
    }

    fn line(&self, seq: u64) -> &Line {
        &self.lines[usize::try_from(seq - 1).unwrap()]
    }

    fn checkpoint(&self, seq: u64) -> Checkpoint {
        Checkpoint { seq, sha256: Digest::of(self.line(seq).text.as_bytes()) }
    }

    /// The log with other bytes in the segment of this line.
    fn with(&self, seq: u64, change: impl FnOnce(&mut Vec<u8>, &Line)) {
        let line = self.line(seq);
        let mut image = self.whole.clone();
        change(image.get_mut(&file(line.segment)).unwrap(), line);
        self.data.put(&image);
    }

    fn verify(&self, checkpoints: &[Checkpoint]) -> Result<Verified, Fault> {
        match verify(&self.data.disk, checkpoints) {
            Ok(verified) => Ok(verified),
            Err(NotWhole::Fault(fault)) => Err(fault),
            Err(NotWhole::Unreadable(error)) => panic!("{error}"),
        }
    }

    fn fault(&self, checkpoints: &[Checkpoint], why: &str) -> Fault {
        self.verify(checkpoints).expect_err(why)
    }

    /// Something is wrong with this line, where it was.
    fn at(&self, seq: u64, wrong: Wrong) -> Fault {
        let line = self.line(seq);
        Fault { segment: line.segment, line: line.number, offset: line.offset as u64, seq, wrong }
    }
}

fn file(segment: u64) -> String {
    format!("{segment:020}.ndjson")
}

fn segment(name: &str) -> u64 {
    name.strip_suffix(".ndjson").unwrap().parse().unwrap()
}

#[test]
fn a_log_as_it_was_written_is_whole() {
    let small = Small::new();
    let expected = Verified {
        segments: 3,
        events: ALL,
        first: 1,
        last: small.checkpoint(ALL),
        recovered: 0,
        torn_tail: false,
    };
    let all: Vec<_> = (1..=ALL).map(|seq| small.checkpoint(seq)).collect();
    assert_eq!(small.verify(&all), Ok(expected));
    let told: Vec<_> = lines(&small.data.disk).unwrap().map(|line| line.unwrap().happened).collect();
    assert_eq!(told, (0..ALL).map(happened).collect::<Vec<_>>());
}

#[test]
fn an_empty_log_is_whole_and_has_no_checkpoint_but_that_of_nothing() {
    let data = Data::new();
    EventLog::open(&data.disk, None).unwrap();
    let nothing = Checkpoint { seq: 0, sha256: Digest([0; 32]) };
    assert_eq!(verify(&data.disk, &[nothing]).unwrap().events, 0);
    for wrong in [Checkpoint { seq: 1, ..nothing }, Checkpoint { sha256: Digest([1; 32]), ..nothing }] {
        assert!(matches!(verify(&data.disk, &[wrong]), Err(NotWhole::Fault(_))), "{wrong}");
    }
    append(&mut data.log(), &data.disk, 0..1);
    verify(&data.disk, &[nothing]).unwrap();
    assert!(verify(&data.disk, &[Checkpoint { sha256: Digest([1; 32]), ..nothing }]).is_err());
}

/// The whole of it: every byte of every line, one bit and all bits.
#[test]
fn each_changed_byte_is_found_at_its_line() {
    let small = Small::new();
    let last = small.checkpoint(ALL);
    for seq in 1..=ALL {
        let line = small.line(seq).clone();
        let prev_at = line.text.find("\"prev\"").unwrap();
        for at in 0..=line.text.len() {
            for flip in [1, 0xff] {
                small.with(seq, |bytes, line| bytes[line.offset + at] ^= flip);
                let why = format!("line {seq}, byte {at}, {flip}");
                // With a checkpoint of the last line there is never a doubt.
                if at == line.text.len() && line.offset + at + 1 == small.whole[&file(line.segment)].len() {
                    // Its line break, at the end of a segment.
                    if seq == ALL {
                        let verified = small.verify(&[]).expect(&why);
                        assert_eq!((verified.events, verified.torn_tail), (ALL - 1, true), "{why}");
                        let wrong = Wrong::AfterEnd(last);
                        let expected = Fault { seq, ..small.at(seq - 1, wrong) };
                        assert_eq!(small.fault(&[last], &why), expected, "{why}");
                    } else {
                        assert_eq!(small.fault(&[], &why), small.at(seq, Wrong::CutShort), "{why}");
                    }
                    continue;
                }
                let fault = small.fault(&[last], &why);
                assert_eq!(
                    (fault.segment, fault.seq, fault.line),
                    (line.segment, seq, line.number),
                    "{why}: {fault}"
                );
                assert_eq!(fault.offset, line.offset as u64, "{why}");
                // Without one, the last line is held by nothing.
                let reads = {
                    let image = small.data.image();
                    let bytes = &image[&file(line.segment)][line.offset..line.offset + line.text.len()];
                    at < line.text.len() && Logged::read(bytes).is_some_and(|logged| logged.seq == seq)
                };
                let alone = small.verify(&[]);
                match (reads, seq) {
                    (true, ALL) if at < prev_at => assert!(alone.is_ok(), "{why}"),
                    (true, ALL) => assert_eq!(alone, Err(small.at(ALL - 1, Wrong::ThisOrNext)), "{why}"),
                    (true, seq) if seq == ALL - 1 => {
                        // One of the last two: both are named, unless its own `prev` does not hold the line before.
                        let wrong = if at < prev_at { Wrong::ThisOrNext } else { Wrong::Changed };
                        assert_eq!(alone, Err(small.at(seq, wrong)), "{why}");
                    }
                    (true, seq) => assert_eq!(alone, Err(small.at(seq, Wrong::Changed)), "{why}"),
                    (false, _) => assert_eq!(alone, Err(fault), "{why}"),
                }
            }
        }
    }
}

#[test]
fn each_line_that_is_removed_is_found_where_it_was() {
    let small = Small::new();
    for seq in 1..=ALL {
        let line = small.line(seq).clone();
        small.with(seq, |bytes, line| {
            bytes.drain(line.offset..=line.offset + line.text.len());
        });
        if seq == ALL {
            assert_eq!(small.verify(&[]).unwrap().last, small.checkpoint(ALL - 1));
            let fault = small.fault(&[small.checkpoint(ALL)], "the last");
            let expected = Fault { seq, ..small.at(seq - 1, Wrong::AfterEnd(small.checkpoint(ALL))) };
            assert_eq!(fault, expected);
            continue;
        }
        let next = small.line(seq + 1);
        let expected = match (line.number, next.number) {
            (1, _) => small.at(seq, Wrong::Misnamed(seq + 1)),
            // The last of a segment that is not the last.
            (_, 1) => Fault { seq, ..small.at(seq + 1, Wrong::Gap) },
            _ => small.at(seq, Wrong::Later(seq + 1)),
        };
        assert_eq!(small.fault(&[], &seq.to_string()), expected);
    }
}

#[test]
fn any_two_lines_that_change_places_are_found_at_the_first_of_them() {
    let small = Small::new();
    for (a, b) in (1..=ALL).flat_map(|a| (a + 1..=ALL).map(move |b| (a, b))) {
        let mut texts: Vec<_> = small.lines.iter().map(|line| line.text.clone()).collect();
        texts.swap(usize::try_from(a - 1).unwrap(), usize::try_from(b - 1).unwrap());
        let mut image = Image::new();
        for (line, text) in small.lines.iter().zip(texts) {
            image.entry(file(line.segment)).or_default().extend(format!("{text}\n").bytes());
        }
        small.data.put(&image);
        let wrong = if small.line(a).number == 1 { Wrong::Misnamed(b) } else { Wrong::Later(b) };
        assert_eq!(small.fault(&[], &format!("{a} and {b}")), small.at(a, wrong), "{a} and {b}");
    }
}

#[test]
fn each_line_that_is_doubled_is_found_at_its_double() {
    let small = Small::new();
    for seq in 1..=ALL {
        let line = small.line(seq).clone();
        let end = line.offset + line.text.len() + 1;
        small.with(seq, |bytes, line| {
            let double: Vec<u8> = bytes[line.offset..end].to_vec();
            bytes.splice(end..end, double);
        });
        let expected = Fault {
            segment: line.segment,
            line: line.number + 1,
            offset: end as u64,
            seq: seq + 1,
            wrong: Wrong::Earlier(seq),
        };
        assert_eq!(small.fault(&[], &seq.to_string()), expected);
    }
}

/// Somebody who knows the format: the number is put right, but not what all later lines hold.
#[test]
fn a_line_that_is_put_right_by_itself_is_still_found() {
    let small = Small::new();
    for seq in 2..ALL {
        let mut image = Image::new();
        for (line, now) in
            small.lines.iter().filter(|line| Logged::read(line.text.as_bytes()).unwrap().seq != seq).zip(1..)
        {
            let logged = Logged::read(line.text.as_bytes()).unwrap();
            let text = Logged { seq: now, ..logged }.write();
            image.entry(file(1)).or_default().extend(format!("{text}\n").bytes());
        }
        small.data.put(&image);
        let fault = small.fault(&[], &seq.to_string());
        // Before the end, the line after says which of two does not fit.
        let expected = if seq == ALL - 1 { seq - 1 } else { seq };
        assert_eq!((fault.seq, fault.line), (expected, expected), "{seq}: {fault}");
    }
}

#[test]
fn a_missing_segment_is_found_in_the_middle_and_at_the_ends_by_a_checkpoint() {
    let small = Small::new();
    let segments: Vec<u64> = small.whole.keys().map(|name| segment(name)).collect();
    let without = |segment: u64| {
        let mut image = small.whole.clone();
        image.remove(&file(segment)).unwrap();
        small.data.put(&image);
    };
    without(segments[1]);
    let expected = Fault { segment: segments[2], line: 1, offset: 0, seq: segments[1], wrong: Wrong::Gap };
    assert_eq!(small.fault(&[], "the middle"), expected);
    without(segments[0]);
    let verified = small.verify(&[]).unwrap();
    assert_eq!((verified.first, verified.events, verified.segments), (segments[1], ALL + 1 - segments[1], 2));
    let (gone, edge) = (segments[1] - 2, segments[1] - 1);
    let wrong = Wrong::BeforeBegin(small.checkpoint(gone));
    assert_eq!(small.fault(&[small.checkpoint(gone)], "pruned"), small.at(segments[1], wrong));
    // The oldest line still holds the one before it.
    small.verify(&[small.checkpoint(edge)]).unwrap();
    let other = Checkpoint { sha256: Digest([7; 32]), ..small.checkpoint(edge) };
    assert_eq!(small.fault(&[other], "edge"), small.at(segments[1], Wrong::Differs(other)));
    without(segments[2]);
    assert_eq!(small.verify(&[]).unwrap().last.seq, segments[2] - 1);
    assert!(matches!(small.fault(&[small.checkpoint(ALL)], "cut").wrong, Wrong::AfterEnd(_)));
    // An empty segment's name tells that there were lines before it.
    std::fs::write(small.data.events().join(file(segments[2] + 1)), "").unwrap();
    let fault = small.fault(&[], "an empty one");
    assert_eq!((fault.segment, fault.seq, fault.wrong), (segments[2] + 1, segments[2], Wrong::Gap));
}

/// A tail that is cut, at each byte: the lines before it are whole, and a checkpoint shows that there were more.
#[test]
fn a_cut_tail_shows_by_a_checkpoint() {
    let small = Small::new();
    let newest = small.lines[9].segment;
    let full = small.whole[&file(newest)].len();
    for len in 0..full {
        small.with(ALL, |bytes, _| bytes.truncate(len));
        let fits = |line: &&Line| line.segment < newest || line.offset + line.text.len() < len;
        let left = small.lines.iter().filter(fits).count() as u64;
        let verified = small.verify(&[small.checkpoint(left)]).unwrap();
        let at_break = len == 0 || small.whole[&file(newest)][len - 1] == b'\n';
        assert_eq!((verified.last, verified.torn_tail), (small.checkpoint(left), !at_break), "{len}");
        for seq in left + 1..=ALL {
            let wrong = Wrong::AfterEnd(small.checkpoint(seq));
            let expected = Fault { seq: left + 1, ..small.at(left, wrong) };
            assert_eq!(small.fault(&[small.checkpoint(seq)], "cut"), expected, "{len}");
        }
    }
}

#[test]
fn a_log_written_anew_is_found_by_the_first_checkpoint_after_the_change() {
    let small = Small::new();
    let kept: Vec<_> = (1..=ALL).map(|seq| small.checkpoint(seq)).collect();
    for seq in 1..=ALL {
        small.data.put(&Image::new());
        let mut log = small.data.log();
        append(&mut log, &small.data.disk, 0..seq - 1);
        append(&mut log, &small.data.disk, 100 + seq..101 + seq);
        append(&mut log, &small.data.disk, seq..ALL);
        assert_eq!(small.verify(&[]).unwrap().events, ALL);
        let fault = small.fault(&kept, &seq.to_string());
        assert_eq!((fault.seq, fault.wrong), (seq, Wrong::Differs(small.checkpoint(seq))));
        let fault = small.fault(&[small.checkpoint(ALL)], &seq.to_string());
        assert_eq!((fault.seq, fault.wrong), (ALL, Wrong::Differs(small.checkpoint(ALL))));
    }
}

/// Of two neighbours that do not fit, a checkpoint tells which was changed where no line after them does.
#[test]
fn a_checkpoint_ends_the_doubt_about_the_last_two_lines() {
    let small = Small::new();
    small.with(ALL - 1, |bytes, line| bytes[line.offset + line.text.find("h-8").unwrap() + 2] = b'1');
    assert_eq!(small.fault(&[], "doubt"), small.at(ALL - 1, Wrong::ThisOrNext));
    assert_eq!(small.fault(&[small.checkpoint(ALL)], "no doubt"), small.at(ALL - 1, Wrong::Changed));
    small.with(ALL, |bytes, line| {
        let last = line.offset + line.text.len() - 3;
        bytes[last] = if bytes[last] == b'0' { b'1' } else { b'0' };
    });
    assert_eq!(small.fault(&[], "doubt"), small.at(ALL - 1, Wrong::ThisOrNext));
    assert_eq!(small.fault(&[small.checkpoint(ALL - 1)], "no doubt"), small.at(ALL, Wrong::Changed));
}

#[test]
fn of_two_faults_the_first_is_told() {
    let small = Small::new();
    small.with(6, |bytes, line| bytes[line.offset + line.text.find("h-5").unwrap() + 2] = b'1');
    assert_eq!(small.fault(&[], "one"), small.at(6, Wrong::Changed));
    // The line that would tell which of the two was changed is none any more.
    small.with(6, |bytes, line| {
        bytes[line.offset + line.text.find("h-5").unwrap() + 2] = b'1';
        bytes[small.line(8).offset] = b'x';
    });
    assert_eq!(small.line(6).segment, small.line(8).segment);
    assert_eq!(small.fault(&[], "two"), small.at(6, Wrong::ThisOrNext));
}

#[test]
fn the_first_line_ever_holds_nothing() {
    let small = Small::new();
    let first = Logged { prev: Digest([7; 32]), ..Logged::read(small.line(1).text.as_bytes()).unwrap() };
    small.data.put(&[(file(1), format!("{}\n", first.write()).into_bytes())].into());
    assert_eq!(small.fault(&[], "the first"), small.at(1, Wrong::Changed));
}

#[test]
fn recovered_lines_are_counted() {
    let data = Data::new();
    let mut log = data.log();
    let from = append(&mut log, &data.disk, 0..5);
    std::fs::remove_dir_all(data.events()).unwrap();
    log.redo(&data.disk, &from, &crate::world::bodies(5..8)).unwrap();
    append(&mut log, &data.disk, 8..9);
    let verified = verify(&data.disk, &[]).unwrap();
    assert_eq!((verified.first, verified.events, verified.recovered), (6, 4, 3));
}

#[test]
fn a_line_that_is_none_is_an_error_among_the_others() {
    let small = Small::new();
    small.with(2, |bytes, line| bytes[line.offset] = b'x');
    let told: Vec<_> = lines(&small.data.disk).unwrap().collect();
    assert_eq!(told.len() as u64, ALL);
    let error = told[1].as_ref().unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidData);
    assert!(error.to_string().starts_with("line 2 of events/"), "{error}");
    let others = told.iter().flatten().map(|logged| logged.seq).collect::<BTreeSet<_>>();
    assert_eq!(others.len() as u64, ALL - 1);
    // One that is being written is left out.
    small.with(ALL, |bytes, _| bytes.truncate(bytes.len() - 1));
    let told = lines(&small.data.disk).unwrap().map(|line| line.unwrap().seq);
    assert_eq!(told.collect::<Vec<_>>(), (1..ALL).collect::<Vec<_>>());
}

/// A writer appends while somebody verifies, without its lock.
#[test]
fn a_log_that_is_being_written_is_whole_at_every_moment() {
    let data = Data::new();
    let path = data.dir.path().to_owned();
    let (tell, told) = std::sync::mpsc::channel();
    let (begun, begin) = std::sync::mpsc::channel();
    let reader = std::thread::spawn(move || {
        let looks = RealDisk::look(&path).unwrap();
        let (mut seen, mut kept) = (BTreeSet::new(), Vec::new());
        while told.try_recv().is_err() {
            if looks.about("events").unwrap().is_none() {
                continue;
            }
            let verified = verify(&looks, &kept).unwrap();
            seen.insert(verified.last.seq);
            kept = vec![verified.last];
            begun.send(()).unwrap();
        }
        (seen, verify(&looks, &kept).unwrap())
    });
    let mut log = data.log();
    for n in 0..3000 {
        append(&mut log, &data.disk, n * 3..n * 3 + 3);
        if n == 100 {
            begin.recv().unwrap();
        }
    }
    tell.send(()).unwrap();
    let (seen, end) = reader.join().unwrap();
    assert!(!seen.is_empty());
    assert_eq!(end.last, log.end());
}
