//! Neighbours: same-host agents that use the directories themselves.
//!
//! A neighbour may drop a file into `handoff/`, claim one by renaming it to `claimed/<id>.json`, and finish its
//! claim by renaming on to `archive/` or `rejected/`. The hub serves the queue; it does not own it. What a rename
//! amounts to is a command like any other: the relay carries it out through the operation machine, before anything
//! else on that handoff. A file that was moved along no arrow of the protocol is put back.

use std::collections::BTreeSet;
use std::io;

use handoff_kernel::command::Command;
use handoff_kernel::ident::{Digest, HandoffId};
use handoff_kernel::law::Law;
use handoff_kernel::record::{Claim, State, Status};
use handoff_kernel::refusal::Refusal;
use handoff_kernel::rules::{Rules, check_state};
use handoff_kernel::step::step;
use handoff_kernel::time::Time;
#[cfg(feature = "testing")]
use handoff_kernel::{ident::Wire, record::Record};

use super::files::{Files as _, NotDurable};
use super::index::Live;
use super::place::{Place, directory};
use super::{DirectoryStore, FILE_LIMIT, StoreDown, line};
use crate::disk::{Disk, DiskFile as _, Mode};

/// So often is a file looked for under all its names before it counts as gone: it may be renamed meanwhile.
const LOOKS: usize = 4;

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

/// Something that happened to a handoff, and that no command asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noticed {
    /// Its file was found, and it is on the books now: a same-host agent dropped it; or the store has just been opened,
    /// and nothing tells such a file from one that was there all along.
    Arrived(HandoffId),
    /// A same-host agent moved it: an [`Adoption`] awaits at its next load.
    Moved(HandoffId),
    /// Retention removed it.
    Removed(HandoffId),
}

/// A file that the index did not expect.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    pub(super) id: HandoffId,
    /// It is not where its record says: a same-host agent moved it.
    pub(super) moved: bool,
}

/// How neighbours are watched.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Whether the system gives hints.
    pub(super) works: bool,
    /// Files that could not be read, and were told of once.
    pub(super) told: BTreeSet<String>,
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

impl<D: Disk, L: Law> DirectoryStore<D, L> {
    /// Whether the system tells what happens in the directories, so that they need not be listed often.
    #[must_use]
    pub const fn is_told(&self) -> bool {
        self.watch.works
    }

    /// Looks at what the system says has changed, and takes note of what the hub did not do itself. True when that is
    /// not all there may be: the directories must be listed.
    pub fn follow_hints(&mut self, now: Time) -> bool {
        let hints = self.disk.hints();
        for file in &hints.names {
            let (directory, name) = file.split_once('/').unwrap_or(("", file));
            let Some((id, place)) = Place::read(status_of(directory), name) else {
                self.look_at(file, now);
                continue;
            };
            // Where the hub itself has put it, most of the time.
            let known = self.index.get(&id).map(|live| live.place);
            if known.is_some_and(|known| self.is_gone(&known.file(&id))) {
                if self.look_again(&id, now) {
                    self.noticed.push(Noticed::Moved(id));
                }
            } else if known != Some(place) {
                self.look_at(file, now);
            }
        }
        hints.lost
    }

    /// Lists `handoff/` and `claimed/`, and takes note of what the hub did not do itself.
    ///
    /// # Errors
    /// When a directory cannot be read now; the next call looks again.
    pub fn notice(&mut self, now: Time) -> io::Result<()> {
        let (mut unexpected, mut missing) = (Vec::new(), Vec::new());
        for status in [Status::Pending, Status::Claimed] {
            let mut seen = 0;
            for name in self.disk.walk(directory(status))? {
                let name = name?;
                let expected = Place::read(status, &name)
                    .is_some_and(|(id, place)| self.index.get(&id).is_some_and(|live| live.place == place));
                if expected {
                    seen += 1;
                } else {
                    unexpected.push(format!("{}/{name}", directory(status)));
                }
            }
            let here = |live: &&Live| live.place.status() == status;
            if seen < self.index.iter().filter(here).count() {
                let gone = |live: &&Live| here(live) && self.is_gone(&live.place.file(&live.record.id));
                missing.extend(self.index.iter().filter(gone).map(|live| live.record.id));
            }
        }
        unexpected.sort_unstable();
        // What somebody has moved to where nothing is live is in neither directory.
        let elsewhere = |live: &&Live| live.place.status().is_terminal();
        let gone = |live: &&Live| elsewhere(live) && self.is_gone(&live.place.file(&live.record.id));
        missing.extend(self.index.iter().filter(gone).map(|live| live.record.id));
        for id in missing {
            if self.look_again(&id, now) {
                self.noticed.push(Noticed::Moved(id));
            }
        }
        for file in unexpected {
            self.look_at(&file, now);
        }
        Ok(())
    }

    /// Whether there is nothing of this name, for certain.
    fn is_gone(&self, file: &str) -> bool {
        self.disk.exists(file).is_ok_and(|there| !there)
    }

    /// Looks at a file that the index does not expect, if it is there.
    fn look_at(&mut self, file: &str, now: Time) {
        if self.is_gone(file) {
            return;
        }
        let Some(found) = self.found(file, now) else { return };
        match self.settle(file) {
            Ok(()) => {}
            // It has been moved on already, which the next look notices.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                self.index.remove(&found.id);
                self.notes.push(format!("{file} cannot be made durable, and is not served: {error}."));
                return;
            }
        }
        self.noticed.extend(found.moved.then_some(Noticed::Moved(found.id)));
    }

    /// Makes a file durable that a same-host agent wrote or moved: nothing that rests on it may be more so.
    pub(super) fn settle(&mut self, file: &str) -> io::Result<()> {
        if let Some(down) = &self.down {
            // A flush that goes well after one that failed says nothing of what that one was about.
            return Err(io::Error::other(down.to_string()));
        }
        match self.disk.settle(file) {
            Ok(()) => Ok(()),
            Err(NotDurable::NotNow(error)) => Err(error),
            Err(NotDurable::Final(error)) => self.finally(Err(error)),
        }
    }

    /// A flush that failed is final, whatever it was about.
    pub(super) fn finally(&mut self, flushed: io::Result<()>) -> io::Result<()> {
        if let Err(error) = &flushed {
            self.down.get_or_insert_with(|| StoreDown::new("a file or a directory cannot be flushed", error));
        }
        flushed
    }

    /// A file that the index does not expect. One that cannot be read now is told of once, and looked at again
    /// whenever its directory is listed; it holds up nobody else.
    pub(super) fn found(&mut self, file: &str, now: Time) -> Option<Found> {
        match self.make_out(file, now) {
            Ok(found) => found,
            Err(error) => {
                if self.watch.told.insert(file.to_owned()) {
                    self.notes
                        .push(format!("{file} cannot be read or moved, and is left where it is: {error}."));
                }
                None
            }
        }
    }

    fn make_out(&mut self, file: &str, now: Time) -> io::Result<Option<Found>> {
        let (directory, name) = file.split_once('/').unwrap_or(("", file));
        if name.starts_with('.') || !name.ends_with(".json") {
            // Somebody's temporary file: it becomes a handoff by a rename, or never.
            return Ok(None);
        }
        let Some((id, place)) = Place::read(status_of(directory), name) else {
            self.quarantine(file, "its name is not that of a handoff", now)?;
            return Ok(None);
        };
        if let Some(live) = self.index.get(&id) {
            if live.place == place {
                return Ok(None);
            }
            // Asked after this one was seen: a file that is on its way is seen at both its names.
            let known = live.place.file(&id);
            if self.is_gone(&known) {
                return Ok(self.look_again(&id, now).then_some(Found { id, moved: true }));
            }
            self.quarantine(file, &format!("the handoff of this id is in {known}"), now)?;
            return Ok(None);
        }
        for over in [Place::Completed, Place::Rejected].map(|over| over.file(&id)) {
            if !self.disk.exists(&over)? {
                continue;
            }
            // What says itself that it is over, is. A bare artifact there, beside a handoff that is live, is a copy.
            if self.says_over(&over, &id)
                || (self.tells_of(&over, &id, None) && !self.tells_of(file, &id, None))
            {
                self.quarantine(file, &format!("the handoff of this id is in {over}"), now)?;
                return Ok(None);
            }
            self.quarantine(
                &over,
                &format!("the handoff {id} is in {file}, and this does not say that it is over"),
                now,
            )?;
        }
        if !self.take_in(&id, place, now)? {
            return Ok(None);
        }
        Ok(self.index.get(&id).map(|live| Found { id, moved: stray(live).is_some() }))
    }

    /// Finds the file of an id that is not in the index, wherever it lies under its plain name.
    pub(super) fn look(&mut self, id: &HandoffId, now: Time) -> io::Result<()> {
        for place in Place::PLAIN {
            if self.take_in(id, place, now)? {
                if self.index.get(id).is_some_and(|live| !live.record.status().is_terminal()) {
                    // Somebody dropped it, and perhaps moved it on: nothing that rests on it may be more durable than it is.
                    let settled = self.settle(&place.file(id));
                    if settled.is_err() {
                        self.index.remove(id);
                    }
                    settled?;
                }
                break;
            }
        }
        Ok(())
    }

    /// What is on the books of this handoff, or would be as soon as it is asked for; for whoever looks on, and changes nothing
    /// by it. What somebody has moved is on the books as it was before.
    ///
    /// # Errors
    /// When one of its files cannot be read now.
    #[cfg(feature = "testing")]
    pub fn glance(&self, id: &HandoffId, now: Time) -> io::Result<Option<Record<Wire>>> {
        if let Some(live) = self.index.get(id) {
            return Ok(Some(live.record.clone()));
        }
        let mut places = Place::PLAIN.to_vec();
        for name in self.disk.walk(directory(Status::Claimed))? {
            let read = Place::read(Status::Claimed, &name?);
            places.extend(
                read.filter(|(of, place)| of == id && !places.contains(place)).map(|(_, place)| place),
            );
        }
        for place in places {
            let Some(contents) = self.disk.read(&place.file(id), FILE_LIMIT)? else { continue };
            let told = line::read(&contents.bytes, contents.modified.min(now))
                .and_then(|told| vet(&self.law, id, place, told, now));
            if let Ok((told, _)) = told {
                return Ok(Some(told.record));
            }
        }
        Ok(None)
    }

    /// Reads those of its files that could not be read when their directory was listed. What is there and cannot be read is
    /// not gone.
    pub(super) fn look_at_unread(&mut self, id: &HandoffId, now: Time) -> io::Result<()> {
        if self.index.get(id).is_some() || self.watch.told.is_empty() {
            return Ok(());
        }
        let of_it = |file: &&String| {
            file.split_once('/').is_some_and(|(directory, name)| {
                Place::read(status_of(directory), name).is_some_and(|(of, _)| of == *id)
            })
        };
        let files: Vec<String> = self.watch.told.iter().filter(of_it).cloned().collect();
        for file in files {
            if self.is_gone(&file) {
                self.watch.told.remove(&file);
                continue;
            }
            if let Some(found) = self.make_out(&file, now)? {
                self.watch.told.remove(&file);
                self.noticed.extend(found.moved.then_some(Noticed::Moved(found.id)));
            }
        }
        Ok(())
    }

    /// Reads a file into the index. False when there is none, or none that can be understood.
    pub(super) fn take_in(&mut self, id: &HandoffId, place: Place, now: Time) -> io::Result<bool> {
        let file = place.file(id);
        let contents = match self.disk.read(&file, FILE_LIMIT) {
            Ok(Some(contents)) => contents,
            Ok(None) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                self.quarantine(&file, "it is not a regular file", now)?;
                return Ok(false);
            }
            Err(error) => return Err(error),
        };
        let read = line::read(&contents.bytes, contents.modified.min(now))
            .and_then(|told| vet(&self.law, id, place, told, now));
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
            self.disk.open(&file, Mode::Write)?.write_all_at(len, line.as_bytes())?;
            len += line.len() as u64;
        }
        if told.artifact_bytes as u64 == len && contents.modified > now {
            // It counts as having arrived now, after a restart as well.
            self.disk.open(&file, Mode::Write)?.set_modified(now)?;
        }
        let artifact_bytes = told.artifact_bytes;
        if !told.record.status().is_terminal() {
            self.noticed.push(Noticed::Arrived(*id));
        }
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
        for _ in 0..LOOKS {
            if let Some(place) = self.elsewhere(id, known, digest, now) {
                self.index.moved(id, place);
                return true;
            }
            if !self.is_gone(&known.file(id)) {
                return false;
            }
            if let Some(place) = self.forged(id) {
                self.index.moved(id, place);
                return true;
            }
            // On its way from a name that was looked at too late to one that was looked at too early.
        }
        self.index.remove(id);
        self.notes.push(format!("{} is gone: somebody removed it. The hub never does.", known.file(id)));
        true
    }

    /// Where the file of a live handoff is, if it is no longer where it was. What stands under one of its names and is
    /// another file goes aside.
    fn elsewhere(&mut self, id: &HandoffId, known: Place, digest: Digest, now: Time) -> Option<Place> {
        let mut elsewhere = None;
        for place in Place::PLAIN.into_iter().filter(|place| *place != known) {
            let file = place.file(id);
            if !self.disk.exists(&file).unwrap_or(false) {
                continue;
            }
            // Asked after this one was seen: a file that is on its way is seen at both its names.
            if !self.is_gone(&known.file(id)) {
                self.move_aside(&file, &format!("the handoff of this id is in {}", known.file(id)), now);
            } else if elsewhere.is_some() || !self.may_tell_of(&file, id, digest) {
                if !self.is_gone(&file) {
                    self.move_aside(&file, &format!("it is not the handoff {id}"), now);
                }
            } else {
                elsewhere = Some(place);
            }
        }
        elsewhere
    }

    /// Whether a file is this handoff, as far as can be told now. One that cannot be read is not put away for that.
    fn may_tell_of(&self, file: &str, id: &HandoffId, digest: Digest) -> bool {
        match self.disk.read(file, FILE_LIMIT) {
            Ok(Some(contents)) => line::read(&contents.bytes, contents.modified)
                .is_ok_and(|told| told.record.id == *id && told.record.digest == digest),
            Ok(None) => false,
            Err(error) => error.kind() != io::ErrorKind::InvalidData,
        }
    }

    /// Whether a file is this handoff, or another one that has taken its name.
    fn tells_of(&self, file: &str, id: &HandoffId, digest: Option<Digest>) -> bool {
        let Ok(Some(contents)) = self.disk.read(file, FILE_LIMIT) else { return false };
        line::read(&contents.bytes, contents.modified).is_ok_and(|told| {
            told.record.id == *id && digest.is_none_or(|digest| told.record.digest == digest)
        })
    }

    /// Whether a file is this handoff, and says itself that it is over.
    fn says_over(&self, file: &str, id: &HandoffId) -> bool {
        let Ok(Some(contents)) = self.disk.read(file, FILE_LIMIT) else { return false };
        line::read(&contents.bytes, contents.modified)
            .is_ok_and(|told| told.record.id == *id && told.record.status().is_terminal())
    }

    /// A claim's name that only the hub gives, and that it did not give to this handoff.
    fn forged(&self, id: &HandoffId) -> Option<Place> {
        let names = self.disk.list(directory(Status::Claimed)).ok()?;
        let mut places = names.iter().filter_map(|name| Place::read(Status::Claimed, name));
        places.find(|(found, _)| found == id).map(|(_, place)| place)
    }

    /// Undoes a rename along no arrow of the protocol, durably: what is decided next rests on it.
    pub(super) fn put_back(&mut self, id: &HandoffId) -> io::Result<()> {
        let Some(live) = self.index.get(id) else { return Ok(()) };
        let (from, home) = (live.place, Place::of(&live.record, live.place));
        self.disk.rename(&from.file(id), &home.file(id))?;
        self.settle(&home.file(id))?;
        let left = self.disk.flush_directory(directory(from.status()));
        self.finally(left)?;
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
        if let Some(to) = self.disk.put_aside(file, why, now)? {
            self.notes.push(format!("{file} went to {to}: {}.", why.trim_end_matches('.')));
        }
        Ok(())
    }
}

/// The status of the live handoffs in a directory.
fn status_of(name: &str) -> Status {
    if name == directory(Status::Pending) { Status::Pending } else { Status::Claimed }
}

/// Whether a file is what its name and place say; and whether the name tells of a claim that no line does yet.
pub(super) fn vet<L: Law>(
    law: &L,
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
        match step(law, None, &start, now) {
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
