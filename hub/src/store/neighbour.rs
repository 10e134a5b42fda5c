//! Neighbours: same-host agents that use the directories themselves.
//!
//! A neighbour may drop a file into `handoff/`, claim one by renaming it to `claimed/<id>.json`, and finish its
//! claim by renaming on to `archive/` or `rejected/`. The hub serves the queue; it does not own it. What a rename
//! amounts to is a command like any other: the relay carries it out through the operation machine, before anything
//! else on that handoff. A file that was moved along no arrow of the protocol is put back.

use std::collections::BTreeMap;
use std::io;

use handoff_kernel::command::Command;
use handoff_kernel::ident::{AgentId, HandoffId, Wire};
use handoff_kernel::law::Protocol;
use handoff_kernel::record::{Claim, State, Status};
use handoff_kernel::refusal::Refusal;
use handoff_kernel::step::step;
use handoff_kernel::time::Time;
use handoff_kernel::timestamp::Rfc3339;

use super::files::Stamp;
use super::index::Live;
use super::place::{Place, directory};
use super::{DirectoryStore, FILE_LIMIT, line};

/// What a same-host agent's rename amounts to, always by the target and anonymous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Adoption {
    /// An accept without a `claim_id`.
    Claim,
    /// A complete without a result.
    Complete,
    /// A reject.
    Decline,
    /// Nothing that the protocol knows: the file is put back.
    PutBack,
}

/// Something that a same-host agent did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noticed {
    /// It dropped a handoff for this target.
    Arrived(AgentId),
    /// It moved this handoff: an [`Adoption`] awaits at its next load.
    Moved(HandoffId),
}

/// What the directories looked like when they were last listed.
#[derive(Debug, Default)]
pub(super) struct Watch {
    stamps: Option<[Stamp; 2]>,
    /// Stamps are as coarse as the system's timer: one more look after every change, so that none is missed.
    again: bool,
}

/// What a file that is not where its record says amounts to; none when it is in its place.
pub(super) fn adoption(live: &Live) -> Option<Adoption> {
    let place = live.place;
    match &live.record.state {
        State::Pending => match place {
            Place::Pending => None,
            Place::ClaimedByNeighbour | Place::Completed => Some(Adoption::Claim),
            Place::Rejected => Some(Adoption::Decline),
            Place::Claimed { .. } => Some(Adoption::PutBack),
        },
        State::Claimed(Claim { id: None, .. }) if place == Place::Completed => Some(Adoption::Complete),
        State::Claimed(Claim { id: None, .. }) if place == Place::Rejected => Some(Adoption::Decline),
        State::Claimed(_) | State::Completed { .. } | State::Rejected(_) => {
            (place != Place::of(&live.record, place)).then_some(Adoption::PutBack)
        }
    }
}

impl DirectoryStore {
    /// Lists `handoff/` and `claimed/` if they have changed, and takes note of what the hub did not do itself.
    ///
    /// # Errors
    /// When a directory or a file cannot be read now; the next call looks again.
    pub fn notice(&mut self, now: Time) -> io::Result<Vec<Noticed>> {
        let directories = [directory(Status::Pending), directory(Status::Claimed)];
        let stamps = [self.dir.stamp(directories[0])?, self.dir.stamp(directories[1])?];
        let changed = self.watch.stamps != Some(stamps);
        if !changed && !self.watch.again {
            return Ok(Vec::new());
        }
        // Taken before the listing: what changes during it is seen the next time.
        self.watch.again = changed;
        let mut found = self.dir.list(directories[0])?;
        found = found.into_iter().map(|name| format!("{}/{name}", directories[0])).collect();
        found.extend(
            self.dir.list(directories[1])?.into_iter().map(|name| format!("{}/{name}", directories[1])),
        );

        let mut noticed = Vec::new();
        let mut expected = BTreeMap::new();
        for live in self.index.iter() {
            expected.insert(live.place.file(&live.record.id), live.record.id);
        }
        for (file, id) in &expected {
            if !found.contains(file) && self.look_again(id, now) {
                noticed.push(Noticed::Moved(*id));
            }
        }
        for file in found.iter().filter(|file| !expected.contains_key(*file)) {
            noticed.extend(self.found(file, now)?);
        }
        self.watch.stamps = Some(stamps);
        Ok(noticed)
    }

    /// A file that the index does not expect.
    pub(super) fn found(&mut self, file: &str, now: Time) -> io::Result<Option<Noticed>> {
        let (directory, name) = file.split_once('/').unwrap_or(("", file));
        if name.starts_with('.') || !name.ends_with(".json") {
            // Somebody's temporary file: it becomes a handoff by a rename, or never.
            return Ok(None);
        }
        let status = if directory == "handoff" { Status::Pending } else { Status::Claimed };
        let Some((id, place)) = Place::read(status, name) else {
            self.quarantine(file, "its name is not that of a handoff", now)?;
            return Ok(None);
        };
        if let Some(live) = self.index.get(&id) {
            if live.place != place {
                let why = format!("the handoff of this id is in {}", live.place.file(&id));
                self.quarantine(file, &why, now)?;
            }
            return Ok(None);
        }
        let over =
            [Place::Completed, Place::Rejected].into_iter().find(|over| self.dir.exists(&over.file(&id)));
        if let Some(over) = over {
            self.quarantine(file, &format!("the handoff of this id is in {}", over.file(&id)), now)?;
            return Ok(None);
        }
        if !self.take_in(&id, place, now)? {
            return Ok(None);
        }
        let Some(live) = self.index.get(&id) else { return Ok(None) };
        Ok(Some(match adoption(live) {
            None => Noticed::Arrived(live.record.target),
            Some(_) => Noticed::Moved(id),
        }))
    }

    /// Finds the file of an id that is not in the index, wherever it lies under its plain name.
    pub(super) fn look(&mut self, id: &HandoffId, now: Time) -> io::Result<()> {
        for place in Place::PLAIN {
            if self.take_in(id, place, now)? {
                break;
            }
        }
        Ok(())
    }

    /// Reads a file into the index. False when there is none, or none that can be understood.
    pub(super) fn take_in(&mut self, id: &HandoffId, place: Place, now: Time) -> io::Result<bool> {
        let file = place.file(id);
        let contents = match self.dir.read(&file, FILE_LIMIT) {
            Ok(Some(contents)) => contents,
            Ok(None) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::InvalidData || is_link(&error) => {
                self.quarantine(&file, "it is not a regular file", now)?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let read = line::read(&contents.bytes, contents.modified.min(now))
            .and_then(|told| vet(id, place, told, now));
        let (told, unwritten) = match read {
            Ok(told) => told,
            Err(why) => {
                self.quarantine(&file, &why, now)?;
                return Ok(false);
            }
        };
        let mut len = contents.bytes.len() as u64;
        if unwritten {
            // The name has said it all along; the line only repeats it for whoever reads the file.
            let line = line::write(&told.record, told.artifact_bytes, true);
            self.dir.write_at(&file, len, line.as_bytes())?;
            len += line.len() as u64;
        }
        self.index.put(Live { record: told.record, place, len, artifact_bytes: told.artifact_bytes });
        Ok(true)
    }

    /// Finds out where the file of a live handoff has gone. True when it was moved.
    pub(super) fn look_again(&mut self, id: &HandoffId, now: Time) -> bool {
        let Some(live) = self.index.get(id) else {
            // A start lost to a file that was dropped under the same name.
            if let Err(error) = self.look(id, now) {
                self.notes.push(format!("{id} cannot be read: {error}."));
            }
            return true;
        };
        let known = live.place;
        let elsewhere: Vec<_> = Place::PLAIN
            .into_iter()
            .filter(|place| *place != known && self.dir.exists(&place.file(id)))
            .collect();
        if self.dir.exists(&known.file(id)) {
            for place in elsewhere {
                let why = format!("the handoff of this id is in {}", known.file(id));
                if let Err(error) = self.quarantine(&place.file(id), &why, now) {
                    self.notes.push(format!("{} cannot be moved aside: {error}.", place.file(id)));
                }
            }
            return false;
        }
        match elsewhere.first() {
            Some(place) => self.index.moved(id, *place),
            None => {
                self.index.remove(id);
                self.notes
                    .push(format!("{} is gone: somebody removed it. The hub never does.", known.file(id)));
            }
        }
        true
    }

    /// Undoes a rename along no arrow of the protocol.
    pub(super) fn put_back(&mut self, id: &HandoffId) -> io::Result<()> {
        let Some(live) = self.index.get(id) else { return Ok(()) };
        let (from, home) = (live.place, Place::of(&live.record, live.place));
        self.dir.rename(&from.file(id), &home.file(id))?;
        self.notes.push(format!(
            "{} was put back to {}: a same-host agent may claim what is pending, and finish what it claimed itself.",
            from.file(id),
            home.file(id)
        ));
        self.index.moved(id, home);
        Ok(())
    }

    /// Moves a file aside that cannot be understood, and says why beside it.
    pub(super) fn quarantine(&mut self, file: &str, why: &str, now: Time) -> io::Result<()> {
        let name = file.rsplit('/').next().unwrap_or(file);
        for n in 0_u32.. {
            let to = if n == 0 { format!("quarantine/{name}") } else { format!("quarantine/{name}.{n}") };
            match self.dir.rename(file, &to) {
                Ok(()) => {
                    let at = Rfc3339(now).to_string();
                    let reason = serde_json::json!({ "at": at, "from": file, "why": why });
                    self.notes.push(format!("{file} went to {to}: {why}."));
                    return self.dir.write_new(&format!("{to}.why"), format!("{reason}\n").as_bytes(), now);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Whether a file is what its name and place say; and whether the name tells of a claim that no line does yet.
fn vet(
    id: &HandoffId,
    place: Place,
    mut told: line::Told,
    now: Time,
) -> Result<(line::Told, bool), line::Why> {
    let record = &mut told.record;
    if record.id != *id {
        return Err(format!("its handoff_id is {} and its name {id}", record.id));
    }
    if record.status() == Status::Pending {
        let start = Command::Start { sender: record.author, artifact: start_of(record) };
        match step(&Protocol, None, &start, now) {
            // One that is overdue is taken in, and swept.
            Ok(_) | Err(Refusal::Expired) => {}
            Err(refusal) => return Err(refusal.to_string()),
        }
    }
    if let Place::Claimed { claim_id, at } = place {
        match &record.state {
            State::Pending => {
                record.state = State::Claimed(Claim { id: claim_id, at, attempt: None, receipt: None });
                return Ok((told, true));
            }
            State::Claimed(claim) if claim.id == claim_id && claim.at == at => {}
            State::Claimed(_) | State::Completed { .. } | State::Rejected(_) => {
                return Err("its lines tell of another claim than its name".into());
            }
        }
    }
    Ok((told, false))
}

fn start_of(record: &handoff_kernel::record::Record<Wire>) -> handoff_kernel::command::Start<Wire> {
    handoff_kernel::command::Start {
        id: record.id,
        author: record.author,
        target: record.target,
        digest: record.digest,
        expires_at: record.expires_at,
        claim_ttl: record.claim_ttl,
    }
}

fn is_link(error: &io::Error) -> bool {
    error.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error())
}
