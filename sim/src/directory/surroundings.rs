//! What surrounds a hub on directories: same-host agents, and the disk and its troubles.

use std::io;

use handoff_hub::disk::simulated::{Background, Hinting, Image};
use handoff_hub::disk::{Disk as _, DiskFile as _, Mode};
use handoff_kernel::ident::HandoffId;
use handoff_kernel::law::Law;
use handoff_spec::trace::{self, Line};

use super::{Directory, ROOMY, onlooker};
use crate::act::{Deed, Ill, Trouble, Words};
use crate::cast::on_the_wire;
use crate::reached::Case;
use crate::stage::Watch;
use crate::story::tells;

/// The word by which a trace says of a deed what it came to, if that is not what was wanted.
pub(crate) const CAME_TO: &str = "came_to";

/// There was no such file, or the disk failed.
pub(crate) const NOTHING: &str = "nothing";

impl<L: Law> Directory<L> {
    pub(super) fn deed(&mut self, deed: &Deed, watch: &mut Watch<'_>) {
        let (does, with) = match deed {
            Deed::Drops(said) => {
                let ttl = said.claim_ttl.map_or_else(String::new, |ttl| ttl.to_string());
                let with = vec![
                    ("handoff", said.handoff.clone()),
                    ("author", said.author.clone()),
                    ("target", said.target.clone()),
                    ("digest", said.digest.clone()),
                    ("expires_at", said.expires_at.to_string()),
                    ("claim_ttl", ttl),
                ];
                ("drops", with)
            }
            Deed::Claims(handoff) => ("claims", vec![("handoff", handoff.to_string())]),
            Deed::Completes(handoff) => ("completes", vec![("handoff", handoff.to_string())]),
            Deed::Rejects(handoff) => ("rejects", vec![("handoff", handoff.to_string())]),
            Deed::DeletesLog => ("deletes_log", vec![]),
        };
        let done = match deed {
            // After a power cut files may lie where they lay before the hub's last transitions. Whoever moves one then moves
            // what the hub has moved already: the hub is to be started first (docs/operations.md).
            Deed::Claims(_) | Deed::Completes(_) | Deed::Rejects(_)
                if self.process.is_none() && self.cut_off =>
            {
                Err(io::ErrorKind::WouldBlock.into())
            }
            Deed::Drops(said) => self.drop_file(said, watch),
            Deed::Claims(id) => {
                self.disk.rename(&format!("handoff/{id}.json"), &format!("claimed/{id}.json"))
            }
            Deed::Completes(id) => self.finish(id, "archive"),
            Deed::Rejects(id) => self.finish(id, "rejected"),
            Deed::DeletesLog => self.delete_log(watch),
        };
        watch.story.tell(|| {
            let mut with: Words = with.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            if done.is_err() {
                with.insert(CAME_TO.to_owned(), NOTHING.to_owned());
            }
            let event = trace::Event::Tells { does: does.to_owned(), with };
            Line::at(self.truth.now(), "neighbour", None, event)
        });
        if done.is_ok() {
            watch.reached.deed(deed);
            if let Deed::Claims(id) | Deed::Completes(id) | Deed::Rejects(id) = deed {
                watch.judge.moved(id);
                self.moved.insert(*id);
            }
        }
    }

    /// A same-host agent moves what is pending straight to its end, or what it has claimed itself, whatever the hub has made
    /// of its name.
    fn finish(&self, id: &HandoffId, directory: &str) -> io::Result<()> {
        let own = format!("{id}.json");
        let to = format!("{directory}/{own}");
        let pending = self.disk.rename(&format!("handoff/{own}"), &to);
        if !matches!(&pending, Err(error) if error.kind() == io::ErrorKind::NotFound) {
            return pending;
        }
        let anonymous = format!("{id}~~");
        for name in self.disk.walk("claimed")? {
            let name = name?;
            if name == own || name.starts_with(&anonymous) {
                return self.disk.rename(&format!("claimed/{name}"), &to);
            }
        }
        Err(io::ErrorKind::NotFound.into())
    }

    fn drop_file(&self, said: &trace::Artifact, watch: &mut Watch<'_>) -> io::Result<()> {
        let made = self.cast.artifact(said).map_err(io::Error::other)?;
        let aside = format!("aside-{}", said.handoff);
        let file = self.disk.open(&aside, Mode::Create)?;
        file.set_len(0)?;
        file.write_all_at(0, &made.bytes)?;
        // Long enough ago that no clock of this machine is ever before it: a file that is dated ahead counts as having
        // arrived now, and after a restart that may be another now.
        let dated = on_the_wire(self.truth.now().saturating_sub(2 * self.setup.epsilon + 1));
        file.set_modified(dated)?;
        self.disk.rename(&aside, &format!("handoff/{}.json", said.handoff))?;
        watch.judge.dropped(&made.start.id, made.start.digest, dated);
        Ok(())
    }

    fn delete_log(&mut self, watch: &mut Watch<'_>) -> io::Result<()> {
        if self.process.is_some() {
            return Err(io::ErrorKind::ResourceBusy.into());
        }
        let names: Result<Vec<_>, _> = self.disk.walk("events")?.collect();
        for name in names? {
            self.disk.remove(&format!("events/{name}"))?;
        }
        self.disk.flush_directory("events")?;
        self.tail.forget();
        watch.judge.log_deleted();
        Ok(())
    }

    pub(super) fn trouble(&mut self, trouble: Trouble, watch: &mut Watch<'_>) {
        watch.story.tell(|| {
            let with = [("what", trouble.ill.name().to_owned()), ("after", trouble.after.to_string())];
            Line::at(self.truth.now(), "disk 1", None, tells("fails", with))
        });
        watch.reached.note(Case::Trouble(trouble.ill));
        self.ill |= !matches!(
            trouble.ill,
            Ill::WritesShort | Ill::Interrupted | Ill::HintsLost | Ill::HintsSilent | Ill::SlowFlush
        );
        self.reads_fail |= trouble.ill == Ill::ReadFails;
        self.flushes_fail |= matches!(trouble.ill, Ill::FlushFails | Ill::FlushAllFails);
        if let Some(fault) = trouble.ill.fault() {
            self.disk.fail(fault.after(trouble.after));
        }
        if let Some(hinting) = trouble.ill.hinting() {
            self.disk.set_hinting(hinting);
        }
        match trouble.ill {
            Ill::SlowFlush => self.disk.set_background(Background::WhenWaitedFor),
            Ill::Full => {
                // As much as is taken now, and a few more.
                const PLENTY: usize = 1 << 30;
                self.disk.set_capacity(Some(PLENTY));
                let free = self.disk.free_blocks().unwrap_or(PLENTY);
                let left = usize::try_from(trouble.after).unwrap_or_default();
                self.disk.set_capacity(Some(PLENTY - free + left));
            }
            Ill::NoSpace
            | Ill::NoNewFile
            | Ill::NoReserve
            | Ill::WriteFails
            | Ill::WritesShort
            | Ill::Interrupted
            | Ill::ReadFails
            | Ill::RenameFails
            | Ill::FlushFails
            | Ill::FlushAllFails
            | Ill::HintsLost
            | Ill::HintsSilent => {}
        }
    }

    pub(super) fn heal(&mut self, watch: &mut Watch<'_>) {
        watch.story.tell(|| Line::at(self.truth.now(), "disk 1", None, tells("heals", [])));
        self.ill = false;
        self.reads_fail = false;
        self.flushes_fail = false;
        if let Some(process) = &mut self.process {
            process.doom = None;
            process.disk.crash_at(u64::MAX);
        }
        self.disk.heal();
        self.disk.set_capacity(ROOMY);
        self.disk.set_hinting(Hinting::Told);
        self.disk.set_background(Background::AfterPolls(1));
    }

    /// The disk that a machine comes up with.
    pub(super) fn replace_disk(&mut self, image: &Image) {
        self.disk = image.disk();
        self.onlooker = onlooker(&self.disk);
        self.disk.set_capacity(ROOMY);
        self.disk.set_background(Background::AfterPolls(1));
        self.disk.set_now(on_the_wire(self.truth.now()));
    }
}
