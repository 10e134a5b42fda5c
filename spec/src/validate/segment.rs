//! The files of a log, one after the other: lines in turn, each holding the SHA-256 of the one before.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{self, BufRead as _, BufReader};
use std::path::{Path, PathBuf};

use handoff_kernel::ident::Digest;

use super::line::Line;
use super::{Fault, Wrong};

/// The format of a data directory whose log this reads.
const FORMAT: &[u8] = b"2\n";

/// The digits of a segment's name.
const DIGITS: usize = 20;

/// Where the log of a data directory lies; or the directory itself, if it is a log's.
pub(super) fn events(directory: &Path) -> Result<PathBuf, String> {
    let shown = directory.display();
    let unreadable = |error| format!("{shown} cannot be looked into: {error}. Name a hub's data directory.");
    let within = directory.join("events");
    if within.is_dir() {
        return match std::fs::read(directory.join("FORMAT")) {
            Ok(format) if format != FORMAT => Err(format!(
                "{shown}/FORMAT does not say that this is format 2, the only one whose log is known here: use the handoff-spec of the hub that wrote it."
            )),
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(unreadable(error)),
            // Without it, it is a copy of the log alone.
            Ok(_) | Err(_) => Ok(within),
        };
    }
    if list(directory).map_err(unreadable)?.is_empty() {
        return Err(format!(
            "There is no events/ in {shown}, and no segment of an event log: name a hub's data directory, or the events/ in one."
        ));
    }
    Ok(directory.to_owned())
}

/// The segments by the number of the first line of each. Files of other names are not the hub's.
fn list(events: &Path) -> io::Result<BTreeMap<u64, PathBuf>> {
    let mut segments = BTreeMap::new();
    for entry in std::fs::read_dir(events)? {
        let entry = entry?;
        if let Some(first) = entry.file_name().to_str().and_then(number) {
            segments.insert(first, entry.path());
        }
    }
    Ok(segments)
}

fn number(name: &str) -> Option<u64> {
    let digits = name.strip_suffix(".ndjson")?;
    let all = digits.len() == DIGITS && digits.bytes().all(|b| b.is_ascii_digit());
    all.then(|| digits.parse().ok()).flatten().filter(|number| *number > 0)
}

/// The lines of a log, in order.
pub(super) struct Segments {
    all: BTreeMap<u64, PathBuf>,
    /// Those that are still to be read.
    waiting: VecDeque<u64>,
    open: Option<BufReader<File>>,
    opened: u64,
    /// The segment and the line in it that is to be read next, from 1.
    at: (u64, u64),
    first: Option<u64>,
    /// The number and the SHA-256 of the line before.
    before: Option<(u64, Digest)>,
    unfinished: bool,
    /// What was read last.
    text: Vec<u8>,
}

impl Segments {
    pub(super) fn of(events: &Path) -> Result<Self, String> {
        let all = list(events).map_err(|error| unreadable(events, &error))?;
        let waiting: VecDeque<_> = all.keys().copied().collect();
        let at = (waiting.front().copied().unwrap_or(1), 1);
        let (open, opened, first, before) = (None, 0, None, None);
        Ok(Self { all, waiting, open, opened, at, first, before, unfinished: false, text: Vec::new() })
    }

    /// The number of the first line; 1 when there is none.
    pub(super) fn first(&self) -> u64 {
        self.first.unwrap_or(1)
    }

    /// How many lines were read.
    pub(super) fn lines(&self) -> u64 {
        self.before.map_or(0, |(seq, _)| seq + 1 - self.first())
    }

    pub(super) const fn opened(&self) -> u64 {
        self.opened
    }

    pub(super) const fn unfinished(&self) -> bool {
        self.unfinished
    }

    /// The number that the next line has.
    pub(super) fn seq(&self) -> u64 {
        self.before.map_or(self.at.0, |(seq, _)| seq.saturating_add(1))
    }

    /// The next line; none when there is no other. Within: why what stands there is not it, as a sentence.
    pub(super) fn next_line(&mut self) -> Result<Result<Option<Line>, String>, String> {
        loop {
            if self.open.is_none() {
                let Some(segment) = self.waiting.pop_front() else { return Ok(Ok(None)) };
                let path = &self.all[&segment];
                match File::open(path) {
                    // The hub removes the oldest first, and may have done so just now.
                    Err(error) if error.kind() == io::ErrorKind::NotFound && self.opened == 0 => continue,
                    Err(error) => return Err(unreadable(path, &error)),
                    Ok(file) => self.open = Some(BufReader::new(file)),
                }
                self.at = (segment, 1);
                self.opened += 1;
                if self.before.is_some() && self.seq() != segment {
                    self.text.clear();
                    return Ok(Err(format!(
                        "Event {} belongs here, and this segment is named by event {segment}: lines or segments were removed or renamed; `handoff-hub log verify` says more.",
                        self.seq()
                    )));
                }
            }
            let Some(file) = &mut self.open else { continue };
            self.text.clear();
            let path = &self.all[&self.at.0];
            file.read_until(b'\n', &mut self.text).map_err(|error| unreadable(path, &error))?;
            match (self.text.pop(), self.waiting.is_empty()) {
                (None, _) => self.open = None,
                (Some(b'\n'), _) => return Ok(self.take().map(Some)),
                (Some(_), true) => {
                    (self.open, self.unfinished) = (None, true);
                }
                (Some(last), false) => {
                    self.text.push(last);
                    return Ok(Err("The line is cut short, and others come after it.".into()));
                }
            }
        }
    }

    /// Takes what was read for the next line.
    fn take(&mut self) -> Result<Line, String> {
        let expected = self.seq();
        let line = Line::read(&self.text).map_err(|why| {
            format!("This is not a line of an event log: {why}. docs/format.md says what one is.")
        })?;
        if line.seq != expected {
            return Err(format!(
                "Event {expected} belongs here, and this is event {}: lines were removed, doubled or put elsewhere; `handoff-hub log verify` says more.",
                line.seq
            ));
        }
        let held = match self.before {
            Some((_, sha256)) => line.prev == sha256,
            // What came before the first line that is left is not known.
            None => line.seq > 1 || line.prev == Digest([0; 32]),
        };
        if !held {
            return Err(
                "Its prev is not the SHA-256 of the line before: one of the two is not what was written; `handoff-hub log verify` says more."
                    .into(),
            );
        }
        self.first.get_or_insert(line.seq);
        self.before = Some((line.seq, Digest::of(&self.text)));
        self.at.1 += 1;
        Ok(line)
    }

    /// The fault of this line, which was read last or before.
    pub(super) fn fault(&self, seq: u64, wrong: Wrong) -> Result<Fault, String> {
        // Lines are numbered on and on. The one that was read last may not even have its number.
        let segment = if seq == self.seq() {
            self.at.0
        } else {
            self.all.range(..=seq).next_back().map_or(self.at.0, |(first, _)| *first)
        };
        let file = self.all.get(&segment).cloned().unwrap_or_default();
        let line = if seq == self.seq() { self.at.1 } else { seq - segment + 1 };
        let text = if seq == self.seq() { self.text.clone() } else { read_again(&file, line)? };
        let text = String::from_utf8_lossy(&text).into_owned();
        Ok(Fault { file, line, seq, text, wrong })
    }
}

fn read_again(file: &Path, line: u64) -> Result<Vec<u8>, String> {
    let unreadable = |error| unreadable(file, &error);
    let mut lines = BufReader::new(File::open(file).map_err(unreadable)?).split(b'\n');
    for _ in 1..line {
        lines.next().transpose().map_err(unreadable)?;
    }
    Ok(lines.next().transpose().map_err(unreadable)?.unwrap_or_default())
}

fn unreadable(path: &Path, error: &io::Error) -> String {
    format!("{} cannot be read: {error}. Read it as somebody who may.", path.display())
}
