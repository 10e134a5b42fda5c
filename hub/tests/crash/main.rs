//! Crash enumeration: what the directory store makes of *every* state in which a power cut can leave the disk.
//!
//! A history is a few steps on two handoffs, by the hub's clients and by same-host agents. The crash comes in its last
//! step, between any two file operations (shorter histories cover the rest). Whatever was not flushed by then may be
//! durable or not, each effect for itself, as far as a file system may do that (`handoff_hub::disk::simulated` says how
//! far that is). On each image that this makes a hub starts, and has to say exactly what was so before the step or
//! exactly what was so after it; after it, if the step had been answered. That holds for the records, all of them
//! (S1, S4, S7), for the artifacts' bytes (S8), for the event log byte by byte (S10), for where the files lie, and for
//! the answers to all commands asked again (S9).
//!
//! Whole: every image of every history of up to two commands; or of as many as `CRASH_WHOLE` says, on coarse blocks. With
//! at most two effects lost, and what needs those: of three commands, or as many as `CRASH_LOST` says. Recovery itself is
//! cut short too, before each of its own operations, with all of what it did kept but for one effect at the most, or
//! none of it but for one; after that it has to say the same as if nothing had come between.
//!
//! Each slip that a store could make (`handoff_hub::store::Slip`) is made, and has to be seen.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and says what it found"
)]

mod faults;
mod found;
mod full_journal;
mod history;
mod lives;
mod retention;

mod upgrade;
mod world;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use handoff_hub::disk::simulated::{Crash, Fingerprint, Image, Images};
use handoff_hub::store::{Slip, Slips};
use handoff_kernel::time::Time;

use history::{Played, Recovered, Step, die, die_recovering, histories, play, recover};
use world::Setup;

/// Journals and segments that hold everything, and such that change with every second step.
const ROOMY: Setup =
    Setup { block_bytes: 512, journal_bytes: 64 * 1024, segment_bytes: 1 << 20, slips: SOUND, retain: None };
const TIGHT: Setup = Setup { journal_bytes: 1024, segment_bytes: 500, ..ROOMY };
/// As roomy, on a disk with larger blocks, which leaves fewer images.
const COARSE: Setup = Setup { block_bytes: 4096, ..ROOMY };

const SOUND: Slips = Slips::NONE;

/// What was seen so far.
#[derive(Default)]
struct Seen {
    /// What each distinct image came to, as an index. It is recovered once.
    recovered: BTreeMap<(Fingerprint, Time), usize>,
    /// All that ever came of one, each once: few, of many images.
    outcomes: Vec<Recovered>,
    /// Pairs of an image and a moment of a history that may have left it.
    crashes: u64,
    /// Recoveries that were cut short, and gone through again.
    twice: u64,
}

/// What is wrong, and how to see it again.
fn complaint(steps: &[Step], operation: u64, image: &Image, what: &str) -> String {
    format!(
        "{what}\nafter {steps:?}, dead before operation {operation} of the last step, on this disk:{image:?}"
    )
}

impl Seen {
    /// What a hub says that starts on this image; and whether that had not been seen before.
    fn recover(&mut self, image: &Image, now: Time, setup: Setup) -> (Recovered, bool) {
        match self.recovered.entry((image.fingerprint(), now)) {
            Entry::Occupied(known) => (self.outcomes[*known.get()].clone(), false),
            Entry::Vacant(new) => {
                let recovered = recover(image, now, setup);
                // One of the last ones, mostly: images of one history come one after the other.
                let known = self.outcomes.iter().rposition(|outcome| *outcome == recovered);
                let at = known.unwrap_or_else(|| {
                    self.outcomes.push(recovered.clone());
                    self.outcomes.len() - 1
                });
                new.insert(at);
                (recovered, true)
            }
        }
    }

    /// Every crash in the last step of this history.
    fn look(
        &mut self,
        steps: &[Step],
        setup: Setup,
        images: fn(&Crash) -> Images,
        in_recovery: impl Fn(Fingerprint) -> bool,
    ) -> Result<(), String> {
        let Played { before, after, now, .. } = play(steps, setup)?;
        for operation in 0.. {
            let (crash, ended) = die(steps, setup, operation)?;
            for image in images(&crash) {
                self.crashes += 1;
                let (recovered, new) = self.recover(&image, now, setup);
                let told = recovered.map_err(|what| complaint(steps, operation, &image, &what))?;
                if told != after && (ended || told != before) {
                    let expected = if ended { "it was answered" } else { "before or after" };
                    let broken = told.breaks(&after);
                    let what = format!(
                        "{broken}\nThe hub says {told:#?}\nand should say {after:#?}\n({expected}; before: {before:#?})"
                    );
                    return Err(complaint(steps, operation, &image, &what));
                }
                if new && in_recovery(image.fingerprint()) {
                    self.look_in_recovery(&image, now, setup, &told)
                        .map_err(|what| complaint(steps, operation, &image, &what))?;
                }
            }
            if ended {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Every crash in the recovery from this image.
    fn look_in_recovery(
        &mut self,
        image: &Image,
        now: Time,
        setup: Setup,
        told: &world::Told,
    ) -> Result<(), String> {
        for operation in 0.. {
            let (crash, ended) = die_recovering(image, now, setup, operation);
            let some = crash.at_most_lost(1).chain(crash.at_most_kept(1));
            for again in some {
                self.twice += 1;
                let (recovered, _) = self.recover(&again, now, setup);
                if recovered.as_ref() != Ok(told) {
                    let broken = match &recovered {
                        Ok(other) => other.breaks(told),
                        Err(what) => what,
                    };
                    return Err(format!(
                        "{broken}\nRecovery, cut short before its operation {operation} and gone through again, comes to {recovered:#?}\nand not to {told:#?}, on this disk:{again:?}\nfrom what the first crash had left:"
                    ));
                }
            }
            if ended {
                return Ok(());
            }
        }
        Ok(())
    }
}

fn never(_: Fingerprint) -> bool {
    false
}

/// Looks at every crash in the histories of so many commands, and says how many distinct images that were.
fn look(
    setup: Setup,
    commands: std::ops::RangeInclusive<usize>,
    images: fn(&Crash) -> Images,
    in_recovery: impl Fn(Fingerprint) -> bool,
) -> Result<Seen, String> {
    let mut all = Seen::default();
    for commands in commands {
        for steps in histories(commands, setup) {
            all.look(&steps, setup, images, &in_recovery)?;
        }
    }
    Ok(all)
}

fn counts(seen: Result<Seen, String>) -> (u64, usize, u64) {
    let seen = seen.unwrap_or_else(|complaint| panic!("{complaint}"));
    (seen.crashes, seen.recovered.len(), seen.twice)
}

#[test]
fn no_crash_in_a_history_of_one_or_two_commands_loses_anything() {
    if let Ok(commands) = std::env::var("CRASH_WHOLE") {
        let commands = commands.parse().unwrap();
        let counts = counts(look(COARSE, commands..=commands, Crash::images, never));
        println!("whole, {commands} commands, {COARSE:?}: crashes, distinct images, in recovery: {counts:?}");
        return;
    }
    for (setup, expected) in [(ROOMY, (95_199, 59_546, 0)), (TIGHT, (1_011_788, 331_439, 0))] {
        let counts = counts(look(setup, 1..=2, Crash::images, never));
        println!("whole, to two commands, {setup:?}: crashes, distinct images, in recovery: {counts:?}");
        assert_eq!(counts, expected);
    }
}

#[test]
fn no_crash_that_loses_at_most_two_effects_of_three_commands_loses_anything() {
    let commands = std::env::var("CRASH_LOST").map_or(3, |commands| commands.parse().unwrap());
    for (setup, expected) in [(COARSE, (91_388, 63_218, 0)), (TIGHT, (130_989, 76_706, 0))] {
        let counts = counts(look(setup, commands..=commands, |crash| crash.at_most_lost(2), never));
        println!(
            "at most two lost, {commands} commands, {setup:?}: crashes, distinct images, in recovery: {counts:?}"
        );
        if commands == 3 {
            assert_eq!(counts, expected);
        }
    }
}

#[test]
fn a_recovery_that_is_cut_short_anywhere_comes_to_the_same() {
    for (setup, expected) in [(COARSE, (6_842, 12_354, 45_350)), (TIGHT, (17_332, 23_641, 103_617))] {
        let some = |fingerprint: Fingerprint| fingerprint.0.is_multiple_of(16);
        let counts = counts(look(setup, 1..=2, |crash| crash.at_most_lost(2), some));
        println!("recovery cut short, {setup:?}: crashes, distinct images, in recovery: {counts:?}");
        assert_eq!(counts, expected);
    }
}

/// What is wrong when a store makes a slip, in the histories that are looked at in any case.
fn caught(slip: Slip) -> Option<String> {
    let slips = Slips::only(slip);
    for setup in [TIGHT, ROOMY] {
        let setup = Setup { slips, ..setup };
        // Recovery being cut short is what shows that a redo is not to be done twice.
        let seen = look(setup, 1..=2, |crash| crash.at_most_lost(2), |_| true);
        if let Err(complaint) = seen {
            return Some(complaint);
        }
    }
    None
}

#[test]
fn every_slip_is_seen() {
    for slip in Slip::ALL {
        let complaint = caught(slip).unwrap_or_else(|| panic!("nobody notices when a store {slip:?}"));
        let seen_by = complaint.split('\n').next().unwrap_or_default();
        println!("{slip:?}: {}", seen_by.get(..160).unwrap_or(seen_by));
    }
}
