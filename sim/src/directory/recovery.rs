//! Death and recovery: what a crash may leave, and what the hub that begins again must know.

use std::collections::{BTreeMap, BTreeSet};

use handoff_hub::disk::Disk as _;
use handoff_hub::disk::simulated::SimulatedDisk;
use handoff_hub::relay::Relay;
use handoff_hub::store::OpenError;
use handoff_kernel::ident::HandoffId;
use handoff_kernel::law::Law;
use handoff_kernel::record::Status;
use handoff_kernel::rules::Rule;
use handoff_kernel::testing::as_on_disk;
use handoff_spec::coverage::{Came, Then, Wrote};
use handoff_spec::hubs::judge;
use handoff_spec::model::Breach;
use handoff_spec::trace::{self, EffectKind, OutcomeKind};

use super::{Decided, Directory, Process, death_word};
use crate::act::Death;
use crate::cast::on_the_wire;
use crate::chance::Chance;
use crate::reached::Case;
use crate::stage::Watch;
use crate::story::tells;
use crate::text;

/// Where a handoff in each status has its file.
const PLACES: [(Status, &str); 4] = [
    (Status::Pending, "handoff"),
    (Status::Claimed, "claimed"),
    (Status::Completed, "archive"),
    (Status::Rejected, "rejected"),
];

impl<L: Law> Directory<L> {
    /// The hub will die before its file operation of this number.
    pub(super) fn doom(&mut self, after: u64, death: Death, watch: &mut Watch<'_>) {
        watch.story.tell(|| {
            let with = [("after", after.to_string()), ("how", death_word(death))];
            self.line(None, tells("is_doomed", with))
        });
        if let Some(process) = &mut self.process {
            process.doom = Some(death);
            process.disk.crash_at(process.disk.operations().saturating_add(after));
        }
    }

    /// The hub dies. What it had decided and not been told the end of may have taken effect.
    pub(super) fn die(&mut self, death: Death, watch: &mut Watch<'_>) {
        let Some(process) = self.process.take() else { return };
        process.disk.crash();
        self.ended = self.latest();
        let Process { relay, disk, operations, held, .. } = process;
        drop(relay);
        let (mut gone, mut unfinished) = (Vec::new(), Vec::new());
        for (operation, running) in operations {
            gone.push(running.number);
            if !held.values().any(|(of, ..)| *of == operation) {
                unfinished.push(u64::from(running.number));
            }
            let number = u64::from(running.number);
            if let Some(decided) = running.decided {
                let insert = watch.judge.books().get(&running.handoff).is_none();
                let effect = if insert { EffectKind::Insert } else { EffectKind::Swap };
                let came = Came::Wrote(Wrote::Delayed);
                let record = watch.judge.books().get(&running.handoff);
                watch.coverage.effect(number, came, record, decided.event.at, Then::GoesOn);
                watch.story.tell(|| {
                    let record = watch.judge.books().get(&running.handoff);
                    let event = trace::Event::Effect {
                        operation: running.number,
                        effect,
                        outcome: OutcomeKind::Unknown,
                        record: record.map(|record| text::record(&self.cast, record)),
                        took_effect: false,
                        may_follow: true,
                        held: false,
                    };
                    self.line(Some(decided.event.at), event)
                });
                self.limbo.push((self.truth.now(), decided));
            }
            if running.asker.is_some() {
                watch.judge.gone(number);
            }
        }
        watch.coverage.crashes(unfinished);
        watch.story.tell(|| self.line(None, trace::Event::Crashes { operations: gone }));
        self.cut_off = death != Death::Killed;
        match death {
            Death::Killed => watch.reached.note(Case::Killed),
            Death::PowerCut(seed) => self.cut_power(&disk, seed, watch),
        }
    }

    /// The machine of this disk comes up anew: of what was not durable, chance decides, by this seed.
    fn cut_power(&mut self, disk: &SimulatedDisk, seed: u64, watch: &mut Watch<'_>) {
        let mut chance = Chance::of(seed);
        let crash = disk.power_cut();
        if crash.pending() > 0 {
            watch.reached.note(Case::EffectsAtRisk);
        }
        // Often all or nothing is left, and sometimes anything.
        let often = *chance.pick(&[0, 500, 900, 1000]);
        let image = crash.choose(|_| chance.permille(often));
        let lost = image.lost();
        if !lost.is_empty() {
            watch.reached.note(Case::EffectsLost);
            watch.story.tell(|| self.line(None, tells("loses", [("what", lost.join("; "))])));
        }
        watch.reached.note(Case::PowerCut);
        watch.judge.dates_lost();
        self.replace_disk(&image);
        // The machine's new disk is well.
        (self.ill, self.reads_fail, self.flushes_fail) = (false, false, false);
    }

    /// The hub begins again.
    pub(super) fn restart(&mut self, watch: &mut Watch<'_>) {
        if self.process.is_some() {
            return;
        }
        watch.story.tell(|| self.line(None, trace::Event::Restarts));
        let Ok(disk) = self.disk.start() else { return };
        let own = disk.same_process();
        own.set_now(on_the_wire(self.truth.now()));
        match Relay::under(self.law.clone(), disk, &self.config(), self.clock.clone()) {
            Ok(relay) => {
                self.process = Some(Process {
                    relay,
                    disk: own,
                    operations: BTreeMap::new(),
                    requests: BTreeMap::new(),
                    held: BTreeMap::new(),
                    doom: None,
                    down: false,
                });
                watch.reached.note(Case::Restarted);
                self.recover(watch);
                self.verify_log(watch);
                self.read_log(watch);
            }
            Err(error) => {
                own.crash();
                self.refused(&error, watch);
            }
        }
    }

    /// A hub may refuse to start on a disk that fails; on one that does not, it must start.
    fn refused(&mut self, error: &OpenError, watch: &mut Watch<'_>) {
        watch.reached.note(Case::RefusedToStart);
        watch.story.tell(|| self.line(None, tells("refuses_to_start", [("why", error.to_string())])));
        if !self.ill {
            let how = "the hub does not start on what a crash has left";
            watch.judge.note(Some(Breach::of(Rule::S7, how)));
        }
        if self.flushes_fail {
            // Whose disk has failed is started anew, machine and all: whatever is read before that may be nowhere else.
            self.downs += 1;
            self.cut_off = true;
            let disk = self.disk.clone();
            self.cut_power(&disk, self.downs, watch);
        }
    }

    /// Holds what is on record against the books: nothing may be there but what was acknowledged, or under way.
    fn recover(&mut self, watch: &mut Watch<'_>) {
        let mut limbo: BTreeMap<HandoffId, Vec<(u64, Decided)>> = BTreeMap::new();
        for (time, decided) in std::mem::take(&mut self.limbo) {
            limbo.entry(decided.next.id).or_default().push((time, decided));
        }
        let mut all: BTreeSet<HandoffId> = watch.judge.books().keys().copied().collect();
        all.extend(limbo.keys());
        all.extend(self.files().into_keys());
        for id in all {
            let Some(process) = &mut self.process else { return };
            // This is no request of anybody's.
            process.disk.spare(true);
            let found = process.relay.on_record(&id);
            process.disk.spare(false);
            let Ok(found) = found else {
                let how = "after a restart the hub cannot make out what there is on record";
                return watch.judge.note(Some(Breach::of(Rule::S7, how)));
            };
            let found = found.map(|record| as_on_disk(&record));
            let booked = watch.judge.books().get(&id).map(as_on_disk);
            if found == booked {
                let pending = format!("handoff/{id}.json");
                if let (Some(record), true) = (booked, self.moved.contains(&id))
                    && record.status() == Status::Pending
                    && self.onlooker.about(&pending).is_ok_and(|about| about.is_some())
                {
                    self.moved.remove(&id);
                    watch.judge.moved_back(&record);
                }
                continue;
            }
            let candidates = limbo.remove(&id).unwrap_or_default();
            let explains =
                |(_, decided): &&(u64, Decided)| found.as_ref() == Some(&as_on_disk(&decided.next));
            if let Some((time, decided)) = candidates.iter().find(explains) {
                watch.reached.note(Case::Redone);
                self.follow(decided, *time, watch);
                continue;
            }
            match (found, booked) {
                (Some(found), None) if found.status() == Status::Pending => self.arrived(&found, watch),
                // It was dropped, and moved on; the hub is about to take note.
                (Some(_), None) if watch.judge.is_dropped(&id) => {}
                (Some(found), _) => {
                    watch.story.tell(|| {
                        let record = text::record(&self.cast, &found);
                        let started = record.started_at.to_string();
                        self.line(
                            None,
                            tells("finds", [("record", record.to_string()), ("started_at", started)]),
                        )
                    });
                    watch.judge.found(&found);
                }
                (None, Some(booked)) => self.missing(&booked.id, &booked, watch),
                (None, None) => {}
            }
        }
    }

    /// What had been decided when the hub died has taken effect.
    fn follow(&mut self, decided: &Decided, time: u64, watch: &mut Watch<'_>) {
        self.written(decided, time, watch);
        watch.coverage.follows(u64::from(decided.number), true, Some(&decided.next));
        watch.story.tell(|| {
            let record = text::record(&self.cast, &decided.next);
            let event = trace::Event::Follows {
                operation: decided.number,
                took_effect: true,
                writes: Box::new(record.clone()),
                record: Some(record),
            };
            self.line(Some(decided.event.at), event)
        });
    }

    /// What is on the books is not there: retention may have removed it just before the end.
    fn missing(
        &self,
        id: &HandoffId,
        booked: &handoff_kernel::record::Record<handoff_kernel::ident::Wire>,
        watch: &mut Watch<'_>,
    ) {
        let (retain, now) = (self.setup.retain, self.ended);
        let due = judge::removed_in_time(booked, retain, now).is_none();
        if self.cut_off && self.dropped.contains(id) && booked.status() == Status::Pending {
            // What a same-host agent has not made durable is its own affair: nobody was told that it was started.
            watch.judge.vanished(id);
            watch.coverage.knows(id, None);
        } else if due {
            watch.reached.note(Case::Pruned);
            watch.judge.pruned(id, retain, now);
            watch.coverage.prunes(id);
            watch.story.tell(|| self.line(None, trace::Event::Prunes { handoff: id.to_string() }));
        } else {
            watch.story.tell(|| {
                let with = [("handoff", id.to_string()), ("files", self.files_of(id).join(" "))];
                self.line(None, tells("misses", with))
            });
            watch.judge.located(id, &[]);
            let how = "after a restart there is nothing on record of what was there";
            watch.judge.note(Some(Breach::of(Rule::S7, how)));
        }
    }

    /// Everything on the disk that is called so, and why it was put away, if it was.
    fn files_of(&self, id: &HandoffId) -> Vec<String> {
        let mut files = Vec::new();
        for directory in ["handoff", "claimed", "archive", "rejected", "quarantine"] {
            let names = self.onlooker.walk(directory).into_iter().flatten().flatten();
            for name in names.filter(|name| name.starts_with(id.as_str())) {
                let file = format!("{directory}/{name}");
                let why = self.onlooker.read(&file, 512).ok().flatten().filter(|_| name.ends_with(".why"));
                files.push(why.map_or_else(
                    || file.clone(),
                    |why| format!("{file} ({})", String::from_utf8_lossy(&why.bytes).trim()),
                ));
            }
        }
        files
    }

    /// Where each handoff's files lie.
    fn files(&self) -> BTreeMap<HandoffId, Vec<Status>> {
        let mut found: BTreeMap<HandoffId, Vec<Status>> = BTreeMap::new();
        for (status, directory) in PLACES {
            for name in self.onlooker.walk(directory).into_iter().flatten().flatten() {
                let stem = name.strip_suffix(".json").unwrap_or_default();
                let id = stem.split('~').next().unwrap_or_default();
                if let Ok(id) = HandoffId::parse(id) {
                    found.entry(id).or_default().push(status);
                }
            }
        }
        found
    }

    /// Looks through the directories: each handoff is in one place, and nothing is there that nobody knows of.
    pub(super) fn locate(&self, watch: &mut Watch<'_>) {
        let found = self.files();
        let mut all: BTreeSet<HandoffId> = watch.judge.books().keys().copied().collect();
        // Of what a same-host agent had not made durable, a power cut may leave what nobody can read: it stays where it is.
        all.extend(found.keys().filter(|id| !watch.judge.is_dropped(id)));
        for id in all {
            watch.judge.located(&id, found.get(&id).map_or(&[], Vec::as_slice));
        }
    }
}
