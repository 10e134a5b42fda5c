//! Redo: the lines that the commit journal covers are written again after a crash.
//!
//! Done again, or broken off and done again, it comes to the same bytes. It never shrinks what lies before its own
//! lines, and it cuts off only what comes after them: nothing of that was acknowledged.

use std::io;

use super::segment::{self, path};
use super::{DIRECTORY, EventLog, LONGEST_LINE, Position, newest_line};
use crate::disk::{Disk, DiskFile as _, Mode};

/// Where segments go that belong to nothing.
const ASIDE: &str = "quarantine";

/// Where lines are written again.
#[derive(Debug)]
struct Resume {
    at: Position,
    /// Not where they once were: they are marked.
    recovered: bool,
    /// So many of them are there already.
    there: usize,
}

impl<D: Disk> EventLog<D> {
    /// Writes the lines of all transitions that the commit journal covers: `from` is where the log stood before the
    /// first of them, `bodies` are theirs, in order. Where the log still has all that was before, they come to be byte
    /// for byte what they were, and are not marked. Where it has not, because somebody deleted or changed it, those
    /// that are missing are written marked as recovered, under their own numbers where none is in the way. The notes
    /// say what a person should know.
    ///
    /// # Errors
    /// What the disk says; doing it again is safe, and needed before anything is appended.
    pub fn redo(&mut self, disk: &D, from: &Position, bodies: &[String]) -> io::Result<Vec<String>> {
        disk.make_directory(DIRECTORY)?;
        self.file = None;
        self.strays.clear();
        let mut notes = Vec::new();
        let resume = resume(disk, *from, bodies.len())?;
        if resume.recovered {
            notes.push(format!(
                "The event log is not as the hub left it before line {}: somebody has removed or changed lines. The {} lines from there that were missing are written to {}, marked as recovered.",
                from.seq,
                bodies.len() - resume.there,
                path(resume.at.segment)
            ));
        }
        self.at = resume.at;
        // What is there will be written over by the same bytes; only lines that go on from elsewhere need room first.
        self.torn = resume.recovered && resume.there > 0;
        let missing = bodies.get(resume.there..).unwrap_or_default();
        let missing: Vec<_> = missing.iter().map(String::as_str).collect();
        let written = self.write(disk, &missing, resume.recovered)?;
        self.cut(disk, &mut notes)?;
        for stray in segment::list(disk)? {
            let ours = stray <= resume.at.segment || written.contains(&stray);
            if !ours {
                notes.push(aside(disk, stray)?);
            }
        }
        Ok(notes)
    }

    /// Cuts off what lies behind the position.
    fn cut(&mut self, disk: &D, notes: &mut Vec<String>) -> io::Result<()> {
        let name = path(self.at.segment);
        let len = disk.about(&name)?.map_or(0, |about| about.len);
        if len > self.at.offset {
            let file = disk.open(&name, Mode::Create)?;
            let tail = file.read_to_end_at(self.at.offset, LONGEST_LINE)?;
            // Half a line is what a crash leaves. A whole one was written for a transition, and the journal has lost it.
            if tail.contains(&b'\n') {
                let kept = keep(disk, self.at, &tail)?;
                notes.push(format!(
                    "The journal does not cover what {name} ends in: {} bytes went to {kept}. Something has cut the journal, or changed the log; `handoff-hub fsck` says what is missing.",
                    tail.len()
                ));
            }
            file.set_len(self.at.offset)?;
        }
        self.torn = false;
        Ok(())
    }
}

/// Finds out whether the log still has all that was before `from`, and where to go on if not.
fn resume<D: Disk>(disk: &D, from: Position, lines: usize) -> io::Result<Resume> {
    // At a segment's begin nothing needs to be there.
    let whole = from.offset == 0
        || segment::line_before(disk, from.segment, from.offset)?
            .is_some_and(|last| last.sha256 == from.prev && Position::after(from.segment, &last) == from);
    if whole {
        return Ok(Resume { at: from, recovered: false, there: 0 });
    }
    let segments = segment::list(disk)?;
    let anew = Resume { at: from.anew(), recovered: true, there: 0 };
    if segments.contains(&from.seq) {
        // Begun by these very lines: as the log went on, or by a redo before this one, which marked them.
        let first = segment::first_line(disk, from.seq)?;
        let unmarked = first.is_some_and(|first| first.seq == from.seq && !first.recovered);
        return Ok(Resume { recovered: !unmarked, ..anew });
    }
    let end = newest_line(disk, &segments)?.map(|(segment, last)| Position::after(segment, &last));
    Ok(match end.filter(|end| end.seq > from.seq) {
        // Changed before `from`, and yet there: it goes on from its end, so that no number is given twice.
        Some(end) => {
            let there = usize::try_from(end.seq - from.seq).unwrap_or(usize::MAX).min(lines);
            Resume { at: end, recovered: true, there }
        }
        None => anew,
    })
}

/// Writes down what is cut off, and says where.
fn keep<D: Disk>(disk: &D, at: Position, tail: &[u8]) -> io::Result<String> {
    disk.make_directory(ASIDE)?;
    for n in 0_u32.. {
        let to = format!("{ASIDE}/{}.from-{}.{n}", segment::name(at.segment), at.seq);
        match disk.open(&to, Mode::New) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            opened => {
                opened?.write_all_at(0, tail)?;
                return Ok(to);
            }
        }
    }
    Err(io::Error::other(format!("{ASIDE}/ has every name that the end of the event log could get")))
}

/// Moves a segment aside, and says so.
fn aside(disk: &impl Disk, stray: u64) -> io::Result<String> {
    disk.make_directory(ASIDE)?;
    let (from, name) = (path(stray), segment::name(stray));
    for n in 0_u32.. {
        let to = if n == 0 { format!("{ASIDE}/{name}") } else { format!("{ASIDE}/{name}.{n}") };
        match disk.rename(&from, &to) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            renamed => {
                renamed?;
                return Ok(format!("{from} went to {to}: it comes after the end of the event log."));
            }
        }
    }
    Err(io::Error::other(format!("{ASIDE}/ has every name that {name} could get")))
}
