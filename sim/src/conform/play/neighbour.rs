//! Same-host agents: what they do to the files of the data directory, on the disk and on the oracle.
//!
//! While the hub runs it is made to look at once, so that nobody need guess when it takes note; what is done while it is
//! down it finds when it begins again.

use std::fs::{self, File};
use std::io;
use std::io::Write as _;
use std::time::{Duration, SystemTime};

use handoff_kernel::command::Command;
use handoff_kernel::ident::{HandoffId, Wire};
use handoff_kernel::law::Law;
use handoff_kernel::record::{Claim, Record, State, Status};
use handoff_kernel::time::Time;
use handoff_spec::trace::Artifact;

use super::Play;
use crate::conform::deeds::{Deed, Lies, Moves};
use crate::conform::wire::Request;

/// Why an answer of the trace may be another after a deed.
const NOTED_APART: &str =
    "the trace's hub takes note of a same-host agent by another clock than a real one that looks at once";

/// The reason on record of what a same-host agent has rejected: it gives none itself.
const REASON: &str = "\"rejected by a same-host agent\"";

/// What was done while no hub ran.
#[derive(Debug)]
pub(super) enum Unnoted {
    /// This was dropped.
    Drop(Box<Record<Wire>>),
    /// This was moved, and by which clock the trace's hub took note of that.
    Move(HandoffId, Moves, Option<u64>),
}

impl<L: Law> Play<'_, L> {
    /// A deed: with the hub that runs by this clock, if it is not past that already.
    pub(super) fn deed(&mut self, deed: &Deed, wall: Time) -> Result<(), String> {
        if self.stage.is_up() {
            let wall = wall.max(self.oracle.now());
            self.clock(wall)?;
        }
        match deed {
            Deed::Drops { artifact, at, before } => self.drops(artifact, *at, *before),
            Deed::Moves { along, handoff, noted } => self.moves(*along, handoff, *noted),
            Deed::DeletesLog => self.deletes_log(),
        }
    }

    fn drops(&mut self, artifact: &Artifact, at: u64, before: u64) -> Result<(), String> {
        let mut bytes = Vec::new();
        let start = self.cast.artifact(artifact, &mut bytes)?;
        let written = Time(self.cast.time(at).0.saturating_sub(before));
        self.lay_aside_and_rename(&start.id, &bytes, written)
            .map_err(|error| format!("{} cannot be dropped: {error}", start.id))?;
        self.artifacts.insert(start.digest, bytes);
        let record = start.pending(written);
        self.did(Unnoted::Drop(Box::new(record)))
    }

    fn lay_aside_and_rename(&self, id: &HandoffId, bytes: &[u8], written: Time) -> io::Result<()> {
        let data = self.stage.data();
        let aside = data.join(format!("aside-{id}"));
        let mut file = File::create(&aside)?;
        file.write_all(bytes)?;
        file.set_modified(SystemTime::UNIX_EPOCH + Duration::from_millis(written.0))?;
        fs::rename(&aside, data.join("handoff").join(format!("{id}.json")))
    }

    fn moves(&mut self, along: Moves, handoff: &str, noted: Option<u64>) -> Result<(), String> {
        let id = self.cast.handoff(handoff)?;
        let from = self.lies(&id).filter(|from| along.takes(Some(*from)));
        let moved = self.rename(along, &id).map_err(|error| format!("{id} cannot be moved: {error}"))?;
        if moved != from {
            return Err(format!(
                "a same-host agent finds the file of {id} {moved:?}, and by the kernel it is {from:?}"
            ));
        }
        if moved.is_none() {
            *self.played.left_out.entry("a same-host agent is late here".to_owned()).or_default() += 1;
            return Ok(());
        }
        self.did(Unnoted::Move(id, along, noted))
    }

    /// Moves a file along this arrow; gives back from where.
    fn rename(&self, along: Moves, id: &HandoffId) -> io::Result<Option<Lies>> {
        let data = self.stage.data();
        let to = data.join(match along {
            Moves::Claims => "claimed",
            Moves::Completes => "archive",
            Moves::Rejects => "rejected",
        });
        let to = to.join(format!("{id}.json"));
        match fs::rename(data.join("handoff").join(format!("{id}.json")), &to) {
            Ok(()) => return Ok(Some(Lies::Pending)),
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Err(_) => {}
        }
        if along == Moves::Claims {
            return Ok(None);
        }
        let (own, anonymous) = (format!("{id}.json"), format!("{id}~~"));
        for entry in fs::read_dir(data.join("claimed"))? {
            let entry = entry?;
            let name = entry.file_name();
            if name.to_str().is_some_and(|name| name == own || name.starts_with(&anonymous)) {
                fs::rename(entry.path(), &to)?;
                return Ok(Some(Lies::Anonymous));
            }
        }
        Ok(None)
    }

    /// Where its file has to be: by the books, and by what was done since the hub has died.
    fn lies(&self, id: &HandoffId) -> Option<Lies> {
        let mut lies = match self.oracle.record(id).map(|record| &record.state) {
            Some(State::Pending) => Some(Lies::Pending),
            Some(State::Claimed(Claim { id: None, .. })) => Some(Lies::Anonymous),
            Some(State::Claimed(_) | State::Completed { .. } | State::Rejected(_)) | None => None,
        };
        for unnoted in &self.unnoted {
            match unnoted {
                Unnoted::Drop(record) if record.id == *id => lies = Some(Lies::Pending),
                Unnoted::Move(moved, along, _) if moved == id => lies = along.leads_to(),
                Unnoted::Drop(_) | Unnoted::Move(..) => {}
            }
        }
        lies
    }

    fn deletes_log(&mut self) -> Result<(), String> {
        if self.stage.is_up() {
            return Ok(());
        }
        let failed = |error: io::Error| format!("the event log cannot be deleted: {error}");
        for entry in fs::read_dir(self.stage.data().join("events")).map_err(failed)? {
            fs::remove_file(entry.map_err(failed)?.path()).map_err(failed)?;
        }
        self.count();
        Ok(())
    }

    fn count(&mut self) {
        let [deeds, down] = &mut self.played.deeds;
        *deeds += 1;
        *down += u64::from(!self.stage.is_up());
    }

    /// Something was done; a hub that runs looks now.
    fn did(&mut self, unnoted: Unnoted) -> Result<(), String> {
        self.count();
        self.unnoted.push(unnoted);
        if self.stage.is_up() {
            self.stage.set(self.stage.wall())?;
            self.take_note()?;
            // What was overdue when it was dropped is swept at once.
            self.clock(self.oracle.wall())?;
        }
        Ok(())
    }

    /// The hub has taken note of all that was done, and so does the oracle.
    pub(super) fn take_note(&mut self) -> Result<(), String> {
        let mut moved = Vec::new();
        for unnoted in std::mem::take(&mut self.unnoted) {
            match unnoted {
                Unnoted::Drop(record) => {
                    self.judge.known(&record);
                    moved.push((record.id, record.author));
                    self.oracle.put(*record);
                }
                Unnoted::Move(id, along, noted) => {
                    let Some(record) = self.oracle.record(&id) else { continue };
                    let (by, author) = (record.target, record.author);
                    self.attempts += 1;
                    let accept =
                        Command::Accept { by, claim_id: None, attempt: self.attempts, receipt: None };
                    let complete = Command::Complete { by, claim_id: None, result: None, receipt: None };
                    let commands = match along {
                        Moves::Claims => vec![accept],
                        // Straight to its end is a claim and its end.
                        Moves::Completes if record.status() == Status::Pending => vec![accept, complete],
                        Moves::Completes => vec![complete],
                        Moves::Rejects => {
                            vec![Command::Reject { by, claim_id: None, reason: REASON.into(), receipt: None }]
                        }
                    };
                    if noted.map(|at| self.cast.time(at)) != Some(self.oracle.now()) {
                        self.apart.insert(id, NOTED_APART);
                    }
                    for command in commands {
                        let asked = self.oracle.ask(id, command);
                        self.swept(&asked);
                    }
                    moved.push((id, author));
                }
            }
        }
        // What is over is found by nothing but a look at it, or later.
        for (id, author) in moved {
            self.stage.ask(author.as_str(), &Request::get(format!("/v1/handoffs/{id}")))?;
        }
        Ok(())
    }
}
