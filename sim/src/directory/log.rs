//! The event log, read as it grows, and held against what was seen to happen.

use handoff_hub::disk::simulated::SimulatedDisk;
use handoff_hub::disk::{Disk as _, DiskFile as _, Mode};
use handoff_hub::events::{Checkpoint, Logged, NotWhole, Verified, lines, verify};
use handoff_kernel::command::Event;
use handoff_kernel::ident::{Digest, Wire};
use handoff_kernel::law::Law;
use handoff_kernel::rules::Rule;
use handoff_spec::model::Breach;
use handoff_spec::trace;

use super::Directory;
use crate::reached::Case;
use crate::stage::Watch;
use crate::story::tells;
use crate::text;

/// No segment of a simulated log is longer.
const MOST: u64 = 1 << 24;

/// How far the log has been read.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    /// The segment's number, which is that of its first line.
    segment: u64,
    offset: u64,
    /// The last line that was read.
    seq: u64,
    sha256: Option<Digest>,
    /// Somebody has deleted the log, and what has been written since was not found yet.
    gone: bool,
    /// So many of its lines are marked as written in place of lost ones, because somebody had deleted it; none if that is not
    /// known yet.
    recovered: Option<u64>,
}

impl Default for Tail {
    fn default() -> Self {
        Self { segment: 1, offset: 0, seq: 0, sha256: None, gone: false, recovered: Some(0) }
    }
}

impl Tail {
    /// The log is gone.
    pub(super) fn forget(&mut self) {
        *self = Self { gone: true, recovered: None, ..Self::default() };
    }

    /// Of a log that begins anew, where.
    fn find_the_begin(&mut self, disk: &SimulatedDisk) {
        let names = disk.walk("events").into_iter().flatten().flatten();
        let number = |name: String| name.strip_suffix(".ndjson")?.parse().ok();
        if let Some(first) = names.filter_map(number).min() {
            let first: u64 = first;
            let (seq, recovered) = (first.saturating_sub(1), self.recovered);
            *self = Self { segment: first, seq, recovered, ..Self::default() };
        }
    }

    fn path(segment: u64) -> String {
        format!("events/{segment:020}.ndjson")
    }

    /// The whole lines that have come since, each without its break.
    fn read(&mut self, disk: &SimulatedDisk) -> Vec<Vec<u8>> {
        let mut found = Vec::new();
        if self.gone {
            self.find_the_begin(disk);
        }
        loop {
            let path = Self::path(self.segment);
            let bytes = disk
                .open(&path, Mode::Read)
                .and_then(|file| file.read_to_end_at(self.offset, MOST))
                .unwrap_or_default();
            let mut from = 0;
            for line in bytes.split_inclusive(|byte| *byte == b'\n') {
                let Some(line) = line.strip_suffix(b"\n") else { break };
                from += line.len() + 1;
                self.sha256 = Some(Digest::of(line));
                self.seq += 1;
                found.push(line.to_vec());
            }
            self.offset += from as u64;
            let later = self.seq + 1;
            if later == self.segment || disk.about(&Self::path(later)).ok().flatten().is_none() {
                return found;
            }
            (self.segment, self.offset) = (later, 0);
        }
    }
}

impl<L: Law> Directory<L> {
    /// What the log has got since it was last looked at.
    pub(super) fn read_log(&mut self, watch: &mut Watch<'_>) {
        for line in self.tail.read(&self.onlooker) {
            let Some(logged) = Logged::read(&line) else {
                let how = "the event log has a line that is none of the hub's";
                return watch.judge.note(Some(Breach::of(Rule::S10, how)));
            };
            let event: Event<Wire> = Event {
                handoff: logged.happened.handoff,
                kind: logged.happened.kind,
                at: logged.happened.at,
                actor: logged.happened.actor,
            };
            watch.judge.logged(&event);
            watch.story.tell(|| {
                let entry = text::event(&event);
                self.line(None, trace::Event::Logs { entry })
            });
        }
    }

    /// After a restart: the log is whole, and has what was read before, to the byte. Of one that somebody has deleted, what
    /// is left and what was written again is whole.
    pub(super) fn verify_log(&mut self, watch: &mut Watch<'_>) {
        let kept = self.tail.sha256.map(|sha256| Checkpoint { seq: self.tail.seq, sha256 });
        let checkpoints: Vec<Checkpoint> = kept.into_iter().collect();
        match verify(&self.onlooker, &checkpoints) {
            // Lines that are missing are written afterwards, and marked.
            Ok(Verified { recovered, .. }) => {
                if recovered > 0 {
                    watch.reached.note(Case::LogRecovered);
                }
                let known = *self.tail.recovered.get_or_insert(recovered);
                let how = "the hub missed lines of the event log that nobody had removed";
                watch.judge.note((recovered > known).then_some(Breach::of(Rule::S10, how)));
            }
            Err(fault @ (NotWhole::Fault(_) | NotWhole::Unreadable(_))) => {
                watch.story.tell(|| self.line(None, tells("finds", [("log", fault.to_string())])));
                let how = "after a restart the event log is not what it was, line by line";
                watch.judge.note(Some(Breach::of(Rule::S10, how)));
            }
        }
        if !self.tail.gone {
            self.find_the_place();
        }
    }

    /// Where the last line that was read ends now: its segment may have been begun anew.
    fn find_the_place(&mut self) {
        let Ok(all) = lines(&self.onlooker) else { return };
        let mut segment = None;
        for line in all.flatten() {
            if line.seq > self.tail.seq {
                break;
            }
            let starts = self.onlooker.about(&Tail::path(line.seq)).ok().flatten().is_some();
            let len = line.write().len() as u64 + 1;
            segment = match segment {
                Some((number, offset)) if !starts => Some((number, offset + len)),
                _ => Some((line.seq, len)),
            };
        }
        if let Some((number, offset)) = segment {
            (self.tail.segment, self.tail.offset) = (number, offset);
        }
    }
}
