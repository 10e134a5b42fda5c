//! To a process the simulated disk looks as the real one does: whatever is done, both answer the same.

use std::collections::BTreeSet;
use std::io;

use handoff_hub::disk::simulated::{Settings, SimulatedDisk};
use handoff_hub::disk::{Disk, DiskFile, Flushing as _, Mode, RealDisk};
use handoff_kernel::time::Time;
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Act {
    About(&'static str),
    Read(&'static str, u64),
    Open(&'static str, Mode),
    /// Of the files that are open, one.
    Close(usize),
    ReadAt(usize, u64, usize),
    WriteAt(usize, u64, Vec<u8>),
    SetLen(usize, u64),
    Reserve(usize, u64, u64),
    SetModified(usize, u64),
    Length(usize),
    Flush(usize),
    Walk(&'static str),
    MakeDirectory(&'static str),
    Rename(&'static str, &'static str),
    Replace(&'static str, &'static str),
    Remove(&'static str),
    FlushDirectory(&'static str),
    FlushAll,
    Watch(&'static str),
    Hints,
}

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["d", "e", "h", "d/x", "d/y", "e/x", "f", "g", "f/x", "missing/x", "d/x/deep"][..])
}

fn file_name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&["d/x", "d/y", "e/x", "f", "g", "f/x", "missing/x", "d/x/deep"][..])
}

fn mode() -> impl Strategy<Value = Mode> {
    prop::sample::select(&[Mode::Read, Mode::Write, Mode::Create, Mode::New][..])
}

fn act() -> impl Strategy<Value = Act> {
    let which = || 0..4_usize;
    prop_oneof![
        1 => name().prop_map(Act::About),
        1 => (name(), 0..20_u64).prop_map(|(name, limit)| Act::Read(name, limit)),
        4 => (name(), mode()).prop_map(|(name, mode)| Act::Open(name, mode)),
        1 => which().prop_map(Act::Close),
        1 => (which(), 0..20_u64, 0..20_usize).prop_map(|(file, at, len)| Act::ReadAt(file, at, len)),
        4 => (which(), 0..20_u64, prop::collection::vec(any::<u8>(), 0..12))
            .prop_map(|(file, at, bytes)| Act::WriteAt(file, at, bytes)),
        2 => (which(), 0..24_u64).prop_map(|(file, len)| Act::SetLen(file, len)),
        1 => (which(), 0..24_u64, 0..9_u64).prop_map(|(file, at, len)| Act::Reserve(file, at, len)),
        1 => (which(), 0..9_000_u64).prop_map(|(file, time)| Act::SetModified(file, time)),
        1 => which().prop_map(Act::Length),
        1 => which().prop_map(Act::Flush),
        1 => name().prop_map(Act::Walk),
        1 => name().prop_map(Act::MakeDirectory),
        // No directory is moved: that is not modelled, and refused.
        4 => (file_name(), name()).prop_map(|(from, to)| Act::Rename(from, to)),
        2 => (file_name(), name()).prop_map(|(from, to)| Act::Replace(from, to)),
        2 => name().prop_map(Act::Remove),
        1 => name().prop_map(Act::FlushDirectory),
        1 => Just(Act::FlushAll),
        1 => name().prop_map(Act::Watch),
        2 => Just(Act::Hints),
    ]
}

/// What one disk answers, so that two can be compared: errors by their kind.
struct Player<D: Disk> {
    disk: D,
    files: Vec<D::File>,
}

fn told<T: std::fmt::Debug>(result: io::Result<T>) -> String {
    result.map_or_else(|error| format!("{:?}", error.kind()), |value| format!("{value:?}"))
}

impl<D: Disk> Player<D> {
    fn file(&self, which: usize, act: impl FnOnce(&D::File) -> String) -> String {
        self.files.get(which).map_or_else(|| "none is open".into(), act)
    }

    fn play(&mut self, act: &Act) -> String {
        let disk = &self.disk;
        match act {
            // Directories have lengths of the system's own, and times come from its clock.
            Act::About(name) => told(disk.about(name).map(|about| {
                about.map(|about| (about.kind, if disk.walk(name).is_ok() { 0 } else { about.len }))
            })),
            Act::Read(name, limit) => {
                told(disk.read(name, *limit).map(|found| found.map(|found| found.bytes)))
            }
            Act::Open(name, mode) => match disk.open(name, *mode) {
                Ok(file) => {
                    self.files.push(file);
                    if self.files.len() > 4 {
                        self.files.remove(0);
                    }
                    "open".into()
                }
                Err(error) => told::<()>(Err(error)),
            },
            Act::Close(which) => {
                if *which < self.files.len() {
                    self.files.remove(*which);
                }
                String::new()
            }
            Act::ReadAt(which, at, len) => self.file(*which, |file| {
                let mut into = vec![0xEE; *len];
                told(file.read_at(*at, &mut into).map(|read| (read, into)))
            }),
            Act::WriteAt(which, at, bytes) => self.file(*which, |file| told(file.write_at(*at, bytes))),
            Act::SetLen(which, len) => self.file(*which, |file| told(file.set_len(*len))),
            Act::Reserve(which, at, len) => self.file(*which, |file| told(file.reserve(*at, *len))),
            Act::SetModified(which, time) => self.file(*which, |file| told(file.set_modified(Time(*time)))),
            Act::Length(which) => self.file(*which, |file| told(file.length())),
            Act::Flush(which) => self.file(*which, |file| told(file.flush())),
            Act::Walk(name) => {
                told(disk.walk(name).and_then(|names| names.collect::<io::Result<BTreeSet<_>>>()))
            }
            // No directory may come to be where a file might be moved from.
            Act::MakeDirectory(name)
                if !["d", "e", "h"].contains(name) && matches!(disk.about(name), Ok(None)) =>
            {
                String::new()
            }
            Act::MakeDirectory(name) => told(disk.make_directory(name)),
            Act::Rename(from, to) => told(disk.rename(from, to)),
            Act::Replace(from, to) => told(disk.replace(from, to)),
            Act::Remove(name) => told(disk.remove(name)),
            Act::FlushDirectory(name) => told(disk.flush_directory(name)),
            Act::FlushAll => {
                told(disk.flush_all().and_then(|()| disk.begin_flush_all()).and_then(|f| f.wait()))
            }
            Act::Watch(name) => told(self.disk.watch(name)),
            Act::Hints => format!("{:?}", self.disk.hints()),
        }
    }

    /// All that is seen, in the end.
    fn all(&self) -> Vec<String> {
        let mut all = Vec::new();
        for directory in ["", "d", "e", "h"] {
            let names: BTreeSet<String> = self.disk.walk(directory).into_iter().flatten().flatten().collect();
            for name in names.into_iter().filter(|name| name != "lock") {
                let path = if directory.is_empty() { name } else { format!("{directory}/{name}") };
                let read = told(self.disk.read(&path, 99).map(|found| found.map(|found| found.bytes)));
                all.push(format!("{path}: {read}"));
            }
        }
        all
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_simulated_disk_answers_as_the_real_one_does(acts in prop::collection::vec(act(), 1..60)) {
        let directory = tempfile::tempdir().unwrap();
        let real = RealDisk::open(&directory.path().join("data")).unwrap();
        let simulated = SimulatedDisk::new(Settings { block_bytes: 4, ..Settings::default() });
        let mut real = Player { disk: real, files: Vec::new() };
        let mut simulated = Player { disk: simulated, files: Vec::new() };
        for directory in ["d", "e"] {
            real.disk.make_directory(directory).unwrap();
            simulated.disk.make_directory(directory).unwrap();
            real.disk.watch(directory).unwrap();
            simulated.disk.watch(directory).unwrap();
        }
        for (at, act) in acts.iter().enumerate() {
            prop_assert_eq!(real.play(act), simulated.play(act), "{}: {:?}", at, act);
        }
        prop_assert_eq!(real.all(), simulated.all());
        let cut = simulated.disk.power_cut();
        prop_assert_eq!(cut.all(), simulated.disk.seen(), "everything kept is what is seen");
    }

    /// Of few effects, all sets: counted out one after the other, and by choosing each by its number.
    #[test]
    fn no_image_is_missed_and_none_is_made_up(acts in prop::collection::vec(act(), 1..14)) {
        let disk = SimulatedDisk::new(Settings { block_bytes: 4, ..Settings::default() });
        disk.make_directory("d").unwrap();
        let mut player = Player { disk: disk.clone(), files: Vec::new() };
        for act in &acts {
            player.play(act);
        }
        let cut = disk.power_cut();
        prop_assume!(cut.pending() <= 10);
        let chosen: BTreeSet<_> = (0..1_u32 << cut.pending()).map(|set| cut.choose(|at| set >> at & 1 == 1)).collect();
        let counted: Vec<_> = cut.images().collect();
        prop_assert_eq!(counted.len(), chosen.len());
        prop_assert_eq!(&counted.into_iter().collect::<BTreeSet<_>>(), &chosen);
        prop_assert_eq!(&cut.at_most_kept(cut.pending()).collect::<BTreeSet<_>>(), &chosen);
        for most in 0..3 {
            prop_assert!(cut.at_most_lost(most).all(|image| chosen.contains(&image)));
            prop_assert!(cut.at_most_kept(most).all(|image| chosen.contains(&image)));
        }
        let sets = cut.sets(usize::MAX).unwrap();
        prop_assert!(chosen.len() as u128 <= sets && sets <= 1 << cut.pending());
    }

    /// Flushes and crashes anywhere: what is legal stays so, and what a flush has kept no crash loses.
    #[test]
    fn whatever_is_chosen_to_be_kept_holds_together(
        acts in prop::collection::vec(act(), 1..60),
        seed: u64,
    ) {
        let disk = SimulatedDisk::new(Settings { block_bytes: 4, ..Settings::default() });
        let mut player = Player { disk: disk.clone(), files: Vec::new() };
        for act in &acts {
            player.play(act);
        }
        let cut = disk.power_cut();
        let mut chance = seed;
        let image = cut.choose(|_| {
            chance = chance.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            chance >> 63 == 1
        });
        for name in image.files().chain(image.directories()) {
            if let Some((parent, _)) = name.rsplit_once('/') {
                prop_assert!(image.directories().any(|directory| directory == parent), "{}", image);
            }
        }
        prop_assert_eq!(image.disk().seen(), image.clone());
        prop_assert_eq!(image.disk().power_cut().all(), image);
        disk.flush_all().unwrap();
        prop_assert_eq!(disk.power_cut().none(), disk.seen(), "{:?}", disk.power_cut());
    }
}
