//! Neighbours: same-host agents that use the directories themselves.
//!
//! A neighbour may drop a file into `handoff/`, claim one by renaming it to `claimed/<id>.json`, and finish its
//! claim by renaming on to `archive/` or `rejected/`. The hub serves the queue; it does not own it. What a rename
//! amounts to is a command like any other: the relay carries it out through the operation machine, before anything
//! else on that handoff. A file that was moved along no arrow of the protocol is put back.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use handoff_kernel::command::Command;
use handoff_kernel::ident::{AgentId, Digest, HandoffId};
use handoff_kernel::law::Protocol;
use handoff_kernel::record::{Claim, State, Status};
use handoff_kernel::refusal::Refusal;
use handoff_kernel::rules::{Rules, check_state};
use handoff_kernel::step::step;
use handoff_kernel::time::Time;
use handoff_kernel::timestamp::Rfc3339;

use super::files::Stamp;
use super::index::Live;
use super::place::{Place, directory};
use super::{DirectoryStore, FILE_LIMIT, line};

/// The longest name, in bytes, that a file keeps in `quarantine/`: room is left for what is added to it.
const LONGEST_NAME: usize = 230;

/// What a same-host agent's rename amounts to, always by the target and anonymous.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Adoption {
    /// An accept without a `claim_id`.
    Claim,
    /// A complete without a result.
    Complete,
    /// A reject.
    Decline,
}

/// What is to be done about a file that is not where its record says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stray {
    /// Somebody moved it along an arrow of the protocol.
    Adopt(Adoption),
    /// Somebody moved it along none.
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
    /// Files that could not be read, and were told of once.
    told: BTreeSet<String>,
}

/// Whether a file is not where its record says, and what is to be done about that.
pub(super) fn stray(live: &Live) -> Option<Stray> {
    let place = live.place;
    let adopt = |adoption| Some(Stray::Adopt(adoption));
    match &live.record.state {
        State::Pending => match place {
            Place::Pending => None,
            Place::ClaimedByNeighbour | Place::Completed => adopt(Adoption::Claim),
            Place::Rejected => adopt(Adoption::Decline),
            Place::Claimed { .. } => Some(Stray::PutBack),
        },
        State::Claimed(Claim { id: None, .. }) if place == Place::Completed => adopt(Adoption::Complete),
        State::Claimed(Claim { id: None, .. }) if place == Place::Rejected => adopt(Adoption::Decline),
        State::Claimed(_) | State::Completed { .. } | State::Rejected(_) => {
            (place != Place::of(&live.record, place)).then_some(Stray::PutBack)
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
            let Some((id, new)) = self.found(file, now) else { continue };
            match self.dir.sync_file(file) {
                Ok(()) => noticed.push(new),
                // It has been moved on already, which the next listing notices.
                Err(error) if error.kind() == io::ErrorKind::NotFound => noticed.push(new),
                Err(error) => {
                    self.index.remove(&id);
                    self.notes.push(format!("{file} cannot be made durable, and is not served: {error}."));
                }
            }
        }
        self.watch.stamps = Some(stamps);
        Ok(noticed)
    }

    /// A file that the index does not expect. One that cannot be read now is told of once, and looked at again
    /// whenever its directory is listed; it holds up nobody else.
    pub(super) fn found(&mut self, file: &str, now: Time) -> Option<(HandoffId, Noticed)> {
        match self.make_out(file, now) {
            Ok(noticed) => noticed,
            Err(error) => {
                if self.watch.told.insert(file.to_owned()) {
                    self.notes
                        .push(format!("{file} cannot be read or moved, and is left where it is: {error}."));
                }
                None
            }
        }
    }

    fn make_out(&mut self, file: &str, now: Time) -> io::Result<Option<(HandoffId, Noticed)>> {
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
        for over in [Place::Completed, Place::Rejected].map(|over| over.file(&id)) {
            if !self.dir.exists(&over) {
                continue;
            }
            if self.tells_of(&over, &id, None) {
                self.quarantine(file, &format!("the handoff of this id is in {over}"), now)?;
                return Ok(None);
            }
            self.quarantine(&over, &format!("it is not the handoff {id}"), now)?;
        }
        if !self.take_in(&id, place, now)? {
            return Ok(None);
        }
        let Some(live) = self.index.get(&id) else { return Ok(None) };
        let noticed = match stray(live) {
            None => Noticed::Arrived(live.record.target),
            Some(_) => Noticed::Moved(id),
        };
        Ok(Some((id, noticed)))
    }

    /// Finds the file of an id that is not in the index, wherever it lies under its plain name.
    pub(super) fn look(&mut self, id: &HandoffId, now: Time) -> io::Result<()> {
        for place in Place::PLAIN {
            if self.take_in(id, place, now)? {
                if !place.status().is_terminal() {
                    // Somebody dropped it: nothing that rests on it may be more durable than it is.
                    self.dir.sync_file(&place.file(id))?;
                }
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
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
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
        let artifact_bytes = told.artifact_bytes;
        self.index.put(Live { record: told.record, place, moved_from: None, len, artifact_bytes });
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
        let (known, digest) = (live.place, live.record.digest);
        let here = self.dir.exists(&known.file(id));
        let mut elsewhere = None;
        for place in Place::PLAIN.into_iter().filter(|place| *place != known) {
            let file = place.file(id);
            if !self.dir.exists(&file) {
                continue;
            }
            if here {
                self.move_aside(&file, &format!("the handoff of this id is in {}", known.file(id)), now);
            } else if elsewhere.is_some() || !self.tells_of(&file, id, Some(digest)) {
                self.move_aside(&file, &format!("it is not the handoff {id}"), now);
            } else {
                elsewhere = Some(place);
            }
        }
        if here {
            return false;
        }
        match elsewhere.or_else(|| self.forged(id)) {
            Some(place) => self.index.moved(id, place),
            None => {
                self.index.remove(id);
                self.notes
                    .push(format!("{} is gone: somebody removed it. The hub never does.", known.file(id)));
            }
        }
        true
    }

    /// Whether a file is this handoff, or another one that has taken its name.
    fn tells_of(&self, file: &str, id: &HandoffId, digest: Option<Digest>) -> bool {
        let Ok(Some(contents)) = self.dir.read(file, FILE_LIMIT) else { return false };
        line::read(&contents.bytes, contents.modified).is_ok_and(|told| {
            told.record.id == *id && digest.is_none_or(|digest| told.record.digest == digest)
        })
    }

    /// A claim's name that only the hub gives, and that it did not give to this handoff.
    fn forged(&self, id: &HandoffId) -> Option<Place> {
        let names = self.dir.list(directory(Status::Claimed)).ok()?;
        let mut places = names.iter().filter_map(|name| Place::read(Status::Claimed, name));
        places.find(|(found, _)| found == id).map(|(_, place)| place)
    }

    /// Undoes a rename along no arrow of the protocol, durably: what is decided next rests on it.
    pub(super) fn put_back(&mut self, id: &HandoffId) -> io::Result<()> {
        let Some(live) = self.index.get(id) else { return Ok(()) };
        let (from, home) = (live.place, Place::of(&live.record, live.place));
        self.dir.rename(&from.file(id), &home.file(id))?;
        self.dir.sync_file(&home.file(id))?;
        self.dir.sync_directory(directory(from.status()))?;
        self.notes.push(format!(
            "{} was put back to {}: a same-host agent may claim what is pending, and finish what it claimed itself.",
            from.file(id),
            home.file(id)
        ));
        self.index.moved(id, home);
        Ok(())
    }

    /// Moves a file aside, or says that it cannot be.
    pub(super) fn move_aside(&mut self, file: &str, why: &str, now: Time) {
        if let Err(error) = self.quarantine(file, why, now) {
            self.notes.push(format!("{file} cannot be moved aside: {error}."));
        }
    }

    /// Moves a file aside that cannot be understood, and says why beside it.
    pub(super) fn quarantine(&mut self, file: &str, why: &str, now: Time) -> io::Result<()> {
        let name = file.rsplit('/').next().unwrap_or(file);
        let why = why.trim_end_matches('.');
        // A name may be as long as names can be, and this adds to it.
        let name: String = if name.len() > LONGEST_NAME {
            name.chars().take(LONGEST_NAME / 4).collect()
        } else {
            name.to_owned()
        };
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
                // Gone already; or else it is `quarantine/` that is gone.
                Err(error) if error.kind() == io::ErrorKind::NotFound && !self.dir.exists(file) => {
                    return Ok(());
                }
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
        let start = Command::Start { sender: record.author, artifact: told.start.clone() };
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
                if at > now || check_state(Rules::ALL, record).is_err() {
                    return Err(
                        "its name tells of a claim at a time at which there can have been none".into()
                    );
                }
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
