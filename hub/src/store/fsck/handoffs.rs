//! The handoffs' files: each by itself, against the others of its id, and against the event log.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use handoff_kernel::command::EventKind;
use handoff_kernel::ident::{HandoffId, Wire};
use handoff_kernel::record::{Record, Status};
use handoff_kernel::time::Time;

use super::super::files::{ASIDE, Files as _};
use super::super::neighbour::Stray;
use super::super::place::{Place, directory};
use super::around::went;
use super::judge::{Judged, Whole, judge, read_name};
use super::log::{Compared, Known};
use super::{Hands, Said, Then};
use crate::disk::{Disk, DiskFile as _, Mode};
use crate::events::DIRECTORY;

/// In this order they are looked at: the furthest along the path first, for what is over cannot begin again.
const ORDER: [Status; 4] = [Status::Completed, Status::Rejected, Status::Claimed, Status::Pending];

/// The four directories, as they are looked through.
pub(super) struct Handoffs<'a, 'b, D: Disk> {
    hands: &'a mut Hands<D>,
    said: &'a mut Said<'b>,
    now: Time,
    /// What the journal is about to change. Not looked into.
    covered: BTreeSet<HandoffId>,
    /// None when there is no log to compare with.
    known: Option<Known>,
    /// The names in `claimed/` that carry more than an id: they cannot be asked for by the id alone.
    claims: BTreeMap<HandoffId, BTreeSet<Place>>,
}

/// Where a file comes in the order in which they are looked at.
fn turn(id: &HandoffId, place: Place) -> (usize, String) {
    let at = ORDER.iter().position(|status| *status == place.status());
    (at.unwrap_or(ORDER.len()), place.file(id))
}

impl<'a, 'b, D: Disk> Handoffs<'a, 'b, D> {
    pub(super) fn new(
        hands: &'a mut Hands<D>,
        said: &'a mut Said<'b>,
        now: Time,
        covered: BTreeSet<HandoffId>,
        known: Option<Known>,
    ) -> io::Result<Self> {
        let mut claims = BTreeMap::<_, BTreeSet<_>>::new();
        if hands.disk().exists(directory(Status::Claimed))? {
            for name in hands.disk().walk(directory(Status::Claimed))? {
                if let Some((id, place @ Place::Claimed { .. })) = read_name(Status::Claimed, &name?) {
                    claims.entry(id).or_default().insert(place);
                }
            }
        }
        Ok(Self { hands, said, now, covered, known, claims })
    }

    /// Looks at every file of the four directories.
    pub(super) fn look(&mut self) -> io::Result<()> {
        for status in ORDER {
            // A directory that is missing or none has been told of.
            let Ok(names) = self.hands.disk().walk(directory(status)) else { continue };
            for name in names {
                self.visit(status, &name?)?;
            }
        }
        Ok(())
    }

    fn visit(&mut self, status: Status, name: &str) -> io::Result<()> {
        let file = format!("{}/{name}", directory(status));
        if name.starts_with('.') || !name.ends_with(".json") {
            self.said.note(&file, "it is no handoff's file", "It is left alone, until somebody renames it");
            return Ok(());
        }
        let Some((id, place)) = read_name(status, name) else {
            self.put_aside(&file, "its name is not that of a handoff");
            return Ok(());
        };
        if self.covered.contains(&id) {
            self.met(&id, status);
            return Ok(());
        }
        let rivals = self.rivals(&id, place)?;
        if rivals.is_empty() {
            let judged = judge(self.hands.disk(), &id, place, self.now);
            self.one(&id, place, judged);
        } else if rivals.iter().all(|rival| turn(&id, *rival) > turn(&id, place)) {
            self.several(&id, place, rivals);
        }
        Ok(())
    }

    /// Where else there are files of this id.
    fn rivals(&self, id: &HandoffId, place: Place) -> io::Result<Vec<Place>> {
        let mut rivals = Vec::new();
        let claims = self.claims.get(id).into_iter().flatten().copied();
        for other in Place::PLAIN.into_iter().chain(claims).filter(|other| *other != place) {
            match self.hands.disk().exists(&other.file(id)) {
                Ok(true) => rivals.push(other),
                Ok(false) => {}
                // What should be a directory is none, which has been told of.
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => {}
                Err(error) => return Err(error),
            }
        }
        Ok(rivals)
    }

    /// Files of one id: the one that counts is the furthest along the path of those that are whole, and lie where they
    /// belong.
    fn several(&mut self, id: &HandoffId, place: Place, rivals: Vec<Place>) {
        let mut all: Vec<_> = std::iter::once(place)
            .chain(rivals)
            .map(|place| (place, judge(self.hands.disk(), id, place, self.now)))
            .collect();
        let worth = |judged: &io::Result<Judged>| match judged {
            Ok(Judged::Whole(whole)) => match whole.stray {
                None => 0,
                Some(Stray::Adopt(_)) => 1,
                Some(Stray::PutBack) => 2,
            },
            Ok(Judged::Torn { .. }) => 3,
            Ok(Judged::Broken(_) | Judged::Gone) | Err(_) => 4,
        };
        all.sort_by_key(|(place, judged)| (worth(judged), turn(id, *place)));
        let mut all = all.into_iter();
        let Some((counts, judged)) = all.next() else { return };
        for (place, _) in all {
            self.put_aside(&place.file(id), &format!("the handoff of this id is in {}", counts.file(id)));
        }
        // One that is mended comes again by itself, unless it was its turn.
        if counts == place || !self.hands.mends() {
            self.one(id, counts, judged);
        }
    }

    /// The one file of an id.
    fn one(&mut self, id: &HandoffId, place: Place, judged: io::Result<Judged>) {
        let file = place.file(id);
        match judged {
            Ok(Judged::Gone) => {}
            Ok(Judged::Whole(whole)) => self.whole(&file, id, place, &whole),
            Ok(Judged::Torn { why, end, rest, bytes }) => {
                let then = self.cut(&file, id, end, &rest, &bytes, &why);
                self.said.say(&file, why, then);
                self.compare(&file, &rest.record);
                self.met(id, place.status());
            }
            Ok(Judged::Broken(why)) => {
                self.put_aside(&file, &why);
                self.known_no_more(id);
            }
            Err(error) => {
                self.said.left(
                    &file,
                    format!("it cannot be read: {error}"),
                    "See to the disk, or to who may read it",
                );
                self.known_no_more(id);
            }
        }
    }

    fn whole(&mut self, file: &str, id: &HandoffId, place: Place, whole: &Whole) {
        match whole.stray {
            None => {}
            Some(Stray::Adopt(_)) => {
                self.said.note(
                    file,
                    "a same-host agent has moved it here, and no line says so yet",
                    "The hub takes note when it looks at it, or when somebody asks for it",
                );
            }
            Some(Stray::PutBack) => {
                let home = Place::of(&whole.record, place);
                if self.put_back(file, id, home) && turn(id, home) > turn(id, place) {
                    // Its turn comes there.
                    return;
                }
            }
        }
        if place == Place::Pending && whole.modified > self.now {
            self.future(file);
        }
        self.compare(file, &whole.record);
        self.met(id, place.status());
    }

    /// A file that lies where its lines say that it cannot.
    fn put_back(&mut self, file: &str, id: &HandoffId, home: Place) -> bool {
        let to = home.file(id);
        let what = format!("its lines say that it belongs to {to}");
        if !self.hands.mends() {
            self.said.left(file, what, "--repair moves it there");
            return false;
        }
        let moved = self.hands.disk().rename(file, &to);
        let done = moved.is_ok();
        if done && matches!(home, Place::Claimed { .. }) {
            self.claims.entry(*id).or_default().insert(home);
        }
        self.said.tried(file, what, moved.map(|()| format!("It was moved to {to}")));
        done
    }

    /// One that is said to have arrived later than now.
    fn future(&mut self, file: &str) {
        let what = "it is dated in the future: it counts as having arrived whenever a hub starts";
        if self.hands.mends() {
            let opened = self.hands.disk().open(file, Mode::Write);
            let dated = opened.and_then(|opened| opened.set_modified(self.now));
            self.said.tried(file, what, dated.map(|()| "It is dated now".to_owned()));
        } else {
            self.said.left(file, what, "--repair dates it now; so does touch");
        }
    }

    /// Cuts off what no transition wrote, after the file as it is has been copied.
    fn cut(&self, file: &str, id: &HandoffId, end: usize, rest: &Whole, bytes: &[u8], why: &str) -> Then {
        if !self.hands.mends() {
            return Then::Left(format!("--repair keeps a copy in {ASIDE}/ and cuts it off"));
        }
        let disk = self.hands.disk();
        let copied = || {
            let copy = format!("{}/{id}.json", super::super::files::MAKING);
            disk.write_new(&copy, bytes, Some(rest.modified))?.flush()?;
            let to = disk.put_aside(&copy, &format!("a copy of {file}: {why}"), self.now)?;
            disk.flush_directory(ASIDE)?;
            let cut = disk.open(file, Mode::Write)?;
            cut.set_len(end as u64)?;
            // While it is pending, this is its arrival.
            cut.set_modified(rest.modified)?;
            cut.flush()?;
            Ok::<_, io::Error>(to.unwrap_or_default())
        };
        match copied() {
            Ok(to) => Then::Done(format!("It was cut off; a copy of all there was is {to}")),
            Err(error) => Then::Left(format!("It could not be mended: {error}")),
        }
    }

    fn put_aside(&mut self, file: &str, why: &str) {
        if self.hands.mends() {
            let moved = self.hands.disk().put_aside(file, why, self.now);
            self.said.tried(file, why, moved.map(went));
        } else {
            self.said.left(file, why, format!("--repair moves it to {ASIDE}/"));
        }
    }

    fn known_no_more(&mut self, id: &HandoffId) {
        if let Some(known) = &mut self.known {
            known.forget(id);
        }
    }

    /// Counts a handoff. Whatever the log says of it has been told.
    fn met(&mut self, id: &HandoffId, status: Status) {
        self.known_no_more(id);
        let [pending, claimed, completed, rejected] = &mut self.said.summary.looked_at;
        let count = match status {
            Status::Pending => pending,
            Status::Claimed => claimed,
            Status::Completed => completed,
            Status::Rejected => rejected,
        };
        *count += 1;
    }

    /// Compares a handoff with the event log.
    fn compare(&mut self, file: &str, record: &Record<Wire>) {
        let Some(known) = &mut self.known else { return };
        let Compared { missing, extra } = known.compare(record);
        if !extra.is_empty() {
            let what = format!("the event log tells that it was {}, and the file does not", extra.join(", "));
            let then = "What was acknowledged is not here: restore the file from a backup, or go on from what it says";
            self.said.left(file, what, then);
        }
        if missing.is_empty() {
            return;
        }
        let names: Vec<_> = missing.iter().map(|happened| happened.kind.name()).collect();
        let what = format!("the event log does not tell that it was {}", names.join(", "));
        let dropped = missing.iter().all(|happened| happened.kind == EventKind::Started);
        let then = match &mut *self.hands {
            Hands::Looking(_) if dropped => Then::Note(
                "That is so for what same-host agents drop; --repair appends it, marked as recovered".into(),
            ),
            Hands::Looking(_) => Then::Left("--repair appends it, marked as recovered".into()),
            Hands::Mending(store) => {
                let bodies: Vec<_> = missing.iter().map(crate::events::Happened::body).collect();
                let bodies: Vec<_> = bodies.iter().map(String::as_str).collect();
                match store.log.recover(&store.disk, &bodies) {
                    Ok(()) if dropped => Then::Note("It was appended, marked as recovered".into()),
                    Ok(()) => Then::Done("It was appended, marked as recovered".into()),
                    Err(error) => Then::Left(format!("It could not be appended: {error}")),
                }
            }
        };
        self.said.say(file, what, then);
    }

    /// What the log tells of and no file does. Those that had been moved aside before have been told of.
    pub(super) fn look_for_the_lost(&mut self, aside: &BTreeSet<HandoffId>) -> io::Result<()> {
        let Some(mut known) = self.known.take() else { return Ok(()) };
        for id in aside.iter().chain(&self.covered) {
            known.forget(id);
        }
        let (over, lost) = known.left();
        if over > 0 {
            let what = format!("the event log tells of {over} handoffs that are over and have no file");
            self.said.note(DIRECTORY, what, "Retention has removed them, or somebody did");
        }
        if lost {
            let said = &mut *self.said;
            known.name_the_lost(self.hands.disk(), |id| {
                said.left(
                    &format!("{}/{id}.json", directory(Status::Pending)),
                    "the event log tells of it, it is not over, and there is no file of it anywhere",
                    "Restore it from a backup, unless somebody removed it on purpose; the hub never does",
                );
            })?;
        }
        Ok(())
    }
}
