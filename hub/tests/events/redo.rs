//! Redo: what the journal covers is written again, whatever a crash or a person has left.

use handoff_hub::disk::RealDisk;
use handoff_hub::events::{EventLog, Logged, Position};

use crate::world::{Data, Image, SMALL, append, bodies, image, lines};

/// A log of some lines before the journal's first frame, and of those that the journal covers.
struct Story {
    data: Data,
    from: Position,
    end: Position,
    covered: Vec<String>,
    whole: Image,
}

const BEFORE: u64 = 6;
const ALL: u64 = 10;

impl Story {
    fn new() -> Self {
        Self::of(BEFORE, ALL)
    }

    fn of(before: u64, all: u64) -> Self {
        let data = Data::new();
        let mut log = data.log();
        let from = append(&mut log, &data.disk, 0..before);
        let end = append(&mut log, &data.disk, before..all);
        let whole = data.image();
        assert!(all < ALL || whole.len() > 2);
        Self { data, from, end, covered: bodies(before..all), whole }
    }

    /// Opens and redoes as the hub does when it starts.
    fn redo(&self) -> (EventLog<RealDisk>, Vec<String>) {
        let (log, _) = EventLog::open(&self.data.disk, Some(&self.from)).unwrap();
        let mut log = log.with_segments_of(SMALL);
        let notes = log.redo(&self.data.disk, &self.from, &self.covered).unwrap();
        (log, notes)
    }

    fn as_it_was(&self, why: &str) {
        let (mut log, _) = self.redo();
        assert_eq!((&self.data.image(), log.position()), (&self.whole, self.end), "{why}");
        let (again, notes) = self.redo();
        assert_eq!((self.data.image(), again.position()), (self.whole.clone(), self.end), "{why}: twice");
        assert_eq!(notes, [""; 0], "{why}: twice");
        assert_eq!(self.data.log().position(), self.end, "{why}: opened");
        append(&mut log, &self.data.disk, ALL..ALL + 5);
        let straight = Data::new();
        append(&mut straight.log(), &straight.disk, 0..ALL + 5);
        assert_eq!(self.data.image(), straight.image(), "{why}: goes on");
    }

    /// Where the journal's first line begins, counted over all segments.
    fn begin(&self) -> usize {
        let before: usize = self
            .whole
            .iter()
            .filter(|(name, _)| **name < file(self.from.segment))
            .map(|(_, b)| b.len())
            .sum();
        before + usize::try_from(self.from.offset).unwrap()
    }
}

fn file(segment: u64) -> String {
    format!("{segment:020}.ndjson")
}

/// The first so many bytes of all segments: those that would be empty are there, or not there.
fn cut(whole: &Image, mut left: usize, keep_empty: bool) -> Image {
    let mut image = Image::new();
    for (name, bytes) in whole {
        let len = left.min(bytes.len());
        left -= len;
        if len > 0 || keep_empty {
            image.insert(name.clone(), bytes[..len].to_vec());
        }
    }
    image
}

#[test]
fn cut_anywhere_after_its_begin_the_log_comes_to_be_what_it_was_byte_for_byte() {
    // In the middle of a segment, and at the end of a full one.
    for before in [BEFORE, 4] {
        let story = Story::of(before, ALL);
        let total: usize = story.whole.values().map(Vec::len).sum();
        for len in story.begin()..=total {
            for keep_empty in [false, true] {
                story.data.put(&cut(&story.whole, len, keep_empty));
                story.as_it_was(&format!("{before} {len} {keep_empty}"));
            }
        }
    }
}

#[test]
fn cut_anywhere_from_the_first_line_ever_the_log_comes_to_be_what_it_was() {
    let story = Story::of(0, ALL);
    assert_eq!(story.from, Position::start());
    let total: usize = story.whole.values().map(Vec::len).sum();
    for len in 0..=total {
        story.data.put(&cut(&story.whole, len, len % 2 == 0));
        story.as_it_was(&len.to_string());
    }
}

/// What a power cut leaves: any block of what was not durable may be zeros, whatever comes after it.
#[test]
fn holes_are_filled() {
    let story = Story::new();
    let total: usize = story.whole.values().map(Vec::len).sum();
    for hole in story.begin()..total {
        let mut image = story.whole.clone();
        let mut at = 0;
        for bytes in image.values_mut() {
            for byte in bytes {
                if (hole..hole + 64).contains(&at) {
                    *byte = 0;
                }
                at += 1;
            }
        }
        story.data.put(&image);
        story.as_it_was(&hole.to_string());
    }
}

#[test]
fn what_comes_after_the_last_acknowledged_line_is_cut_off_or_moved_aside() {
    let story = Story::new();
    append(&mut story.data.log(), &story.data.disk, ALL..ALL + 9);
    let longer = story.data.image();
    let stray = longer.keys().find(|name| !story.whole.contains_key(*name)).unwrap();
    let (_, notes) = story.redo();
    assert!(notes.iter().any(|note| note.contains("went to quarantine/")), "{notes:?}");
    let aside = image(&story.data.dir.path().join("quarantine"));
    assert_eq!(aside[stray], longer[stray]);
    story.as_it_was("cut");
    // Once more: nothing in quarantine/ is written over.
    story.data.put(&longer);
    story.redo();
    let aside = image(&story.data.dir.path().join("quarantine"));
    assert_eq!(aside[stray], aside[&format!("{stray}.1")]);
    story.data.put(&story.whole);
    story.as_it_was("twice");
}

/// What a power cut leaves may also be longer than what was written: in a segment that is full as in the last.
#[test]
fn what_comes_after_the_lines_of_any_segment_is_cut_off() {
    let story = Story::new();
    for name in story.whole.keys().filter(|name| **name >= file(story.from.segment)) {
        let mut longer = story.whole.clone();
        longer.get_mut(name).unwrap().extend([0; 999]);
        story.data.put(&longer);
        story.as_it_was(name);
    }
}

/// What lines of the log are, one after the other: number, whether recovered, and body.
fn told(image: &Image) -> Vec<(u64, bool, String)> {
    let read = |line: &String| {
        let logged = Logged::read(line.as_bytes()).unwrap();
        (logged.seq, logged.recovered, logged.happened.body())
    };
    lines(image).iter().map(read).collect()
}

fn recovered(story: &Story) -> Vec<(u64, bool, String)> {
    let numbered = (story.from.seq..).zip(&story.covered);
    numbered.map(|(seq, body)| (seq, true, body.clone())).collect()
}

#[test]
fn where_the_log_was_deleted_its_lines_come_back_marked_under_their_own_numbers() {
    let story = Story::new();
    std::fs::remove_dir_all(story.data.events()).unwrap();
    let (log, notes) = story.redo();
    let once = story.data.image();
    assert_eq!(told(&once), recovered(&story));
    assert!(notes.iter().any(|note| note.contains("marked as recovered")), "{notes:?}");
    assert_eq!(log.position().seq, story.end.seq);
    let (again, _) = story.redo();
    assert_eq!((story.data.image(), again.position()), (once.clone(), log.position()), "twice");
    // Broken off anywhere, and done again.
    let total: usize = once.values().map(Vec::len).sum();
    for len in 0..total {
        story.data.put(&cut(&once, len, len % 2 == 0));
        let (again, _) = story.redo();
        assert_eq!((story.data.image(), again.position()), (once.clone(), log.position()), "{len}");
    }
}

#[test]
fn where_the_log_was_cut_short_no_number_is_given_twice() {
    let story = Story::new();
    for len in 1..story.begin() {
        let short = cut(&story.whole, len, false);
        story.data.put(&short);
        let (log, _) = story.redo();
        assert_eq!(log.position().seq, story.end.seq, "{len}");
        let mut now = story.data.image();
        for (name, bytes) in &short {
            assert_eq!(now.remove(name).as_ref(), Some(bytes), "{len}: what is left stays as it is");
        }
        assert_eq!(told(&now), recovered(&story), "{len}");
        let once = story.data.image();
        story.redo();
        assert_eq!(story.data.image(), once, "{len}: twice");
    }
}

/// The line before is as it was, but for its break: lines that were written behind it would be part of it.
#[test]
fn a_line_without_its_break_is_changed_too() {
    let story = Story::new();
    let mut changed = cut(&story.whole, story.begin(), false);
    *changed.last_entry().unwrap().into_mut().last_mut().unwrap() = b' ';
    story.data.put(&changed);
    let (log, _) = story.redo();
    assert_eq!(log.position().seq, story.end.seq);
    let mut now = story.data.image();
    assert_eq!(now[&file(story.from.segment)], changed[&file(story.from.segment)]);
    now.retain(|name, _| *name >= file(story.from.seq));
    assert_eq!(told(&now), recovered(&story));
}

/// Somebody has changed a line before the journal's first; those after it are there.
#[test]
fn lines_that_are_there_are_not_written_again_elsewhere() {
    let story = Story::of(BEFORE - 1, ALL);
    let (name, at) = (file(story.from.segment), usize::try_from(story.from.offset).unwrap());
    let mut changed = story.whole.clone();
    let bytes = changed.get_mut(&name).unwrap();
    let id = bytes[..at].windows(3).rposition(|three| three == b"\"h-").unwrap() + 3;
    bytes[id] = b'9';
    story.data.put(&changed);
    let (log, _) = story.redo();
    assert_eq!((story.data.image(), log.position()), (changed.clone(), story.end));
    // The last two of them are gone as well: those come back, marked, behind the others.
    let total: usize = changed.values().map(Vec::len).sum();
    let two: usize = lines(&changed).iter().rev().take(2).map(|line| line.len() + 1).sum();
    for more in [0, 1, 30] {
        story.data.put(&cut(&changed, total - two + more, true));
        let (log, _) = story.redo();
        let now = told(&story.data.image());
        let marks: Vec<_> = now.iter().map(|(_, recovered, _)| *recovered).collect();
        assert_eq!((marks.len(), &marks[marks.len() - 3..]), (now.len(), &[false, true, true][..]), "{more}");
        assert_eq!(now.iter().map(|line| line.0).collect::<Vec<_>>(), (1..=ALL).collect::<Vec<_>>());
        assert_eq!(log.position().seq, story.end.seq);
        let once = story.data.image();
        story.redo();
        assert_eq!(story.data.image(), once, "{more}: twice");
    }
}

/// The log went on elsewhere because its directory was deleted while the hub ran: those lines were acknowledged as
/// they are, and no mark is put on them.
#[test]
fn lines_that_went_on_elsewhere_come_back_as_they_were() {
    let data = Data::new();
    let mut log = data.log();
    let from = append(&mut log, &data.disk, 0..BEFORE);
    std::fs::remove_dir_all(data.events()).unwrap();
    let mut log = EventLog::open(&data.disk, Some(&from)).unwrap().0.with_segments_of(SMALL);
    let end = append(&mut log, &data.disk, BEFORE..ALL);
    let story = Story { from, end, covered: bodies(BEFORE..ALL), whole: data.image(), data };
    let total: usize = story.whole.values().map(Vec::len).sum();
    let first = lines(&story.whole)[0].len() + 1;
    for len in first..=total {
        story.data.put(&cut(&story.whole, len, false));
        let (log, _) = story.redo();
        assert_eq!((&story.data.image(), log.position()), (&story.whole, end), "{len}");
    }
}

#[test]
fn a_journal_without_a_transition_leaves_the_log_at_its_begin() {
    let story = Story { covered: Vec::new(), ..Story::new() };
    let (log, notes) = story.redo();
    assert_eq!(log.position(), story.from);
    assert!(notes.iter().any(|note| note.contains("The journal does not cover")), "{notes:?}");
    assert_eq!(lines(&story.data.image()).len() as u64, BEFORE);
}
