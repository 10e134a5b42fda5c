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
//! Whole: every image of every history of up to 3 steps. Of 4 steps: with at most two effects lost, and what needs
//! those. Recovery itself is cut short too, before each of its own operations, with nothing kept of what it did, with
//! everything, and with one effect lost or one kept; after that it has to say the same as if nothing had come between.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, and says what it found")]

mod history;
mod world;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use handoff_hub::disk::simulated::{Fingerprint, Image, Images};
use handoff_hub::store::{Slip, Slips};
use handoff_kernel::time::Time;

use history::{Played, Recovered, Step, die, die_recovering, histories, play, recover};
use world::Setup;

/// Journals and segments that hold everything, and such that change with every second step.
const ROOMY: Setup = Setup { journal_bytes: 64 * 1024, segment_bytes: 1 << 20, slips: SOUND };
const TIGHT: Setup = Setup { journal_bytes: 3 * 1024, segment_bytes: 500, slips: SOUND };

const SOUND: Slips = Slips::NONE;

/// What was seen so far.
#[derive(Default)]
struct Seen {
    /// What each distinct image came to. It is recovered once.
    recovered: BTreeMap<(Fingerprint, Time), Recovered>,
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
    /// Every crash in the last step of this history.
    fn look(
        &mut self,
        steps: &[Step],
        setup: Setup,
        images: fn(&handoff_hub::disk::simulated::Crash) -> Images,
        in_recovery: impl Fn(Fingerprint) -> bool,
    ) -> Result<(), String> {
        let Played { before, after, now, .. } = play(steps, setup);
        for operation in 0.. {
            let (crash, ended) = die(steps, setup, operation);
            for image in images(&crash) {
                self.crashes += 1;
                let entry = self.recovered.entry((image.fingerprint(), now));
                let new = matches!(entry, Entry::Vacant(_));
                let recovered = entry.or_insert_with(|| recover(&image, now, setup)).clone();
                let told = recovered.map_err(|what| complaint(steps, operation, &image, &what))?;
                if told != after && (ended || told != before) {
                    let expected = if ended { "it was answered" } else { "before or after" };
                    let what = format!(
                        "S7, S10: the hub says {told:#?}\nand should say {after:#?}\n({expected}; before: {before:#?})"
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
                let recovered = self
                    .recovered
                    .entry((again.fingerprint(), now))
                    .or_insert_with(|| recover(&again, now, setup))
                    .clone();
                if recovered.as_ref() != Ok(told) {
                    return Err(format!(
                        "recovery, cut short before its operation {operation} and gone through again, comes to {recovered:#?}\nand not to {told:#?}, on this disk:{again:?}\nfrom what the first crash had left:"
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

fn one_in(n: u128) -> impl Fn(Fingerprint) -> bool {
    move |fingerprint| fingerprint.0.is_multiple_of(n)
}

#[test]
fn every_crash_in_histories_of_up_to_three_steps_loses_nothing() {
    let mut seen = Seen::default();
    for setup in [ROOMY, TIGHT] {
        let mut here = Seen::default();
        for length in 1..=3 {
            let histories = histories(length, setup);
            let every = [1, 64, 4096][length - 1];
            for steps in &histories {
                if let Err(complaint) = here.look(steps, setup, |crash| crash.images(), one_in(every)) {
                    panic!("{complaint}");
                }
            }
            println!(
                "{setup:?}: {} histories of {length}; so far {} crashes, {} distinct images, {} in recovery",
                histories.len(),
                here.crashes,
                here.recovered.len(),
                here.twice
            );
        }
        seen.crashes += here.crashes;
        seen.twice += here.twice;
        seen.recovered.append(&mut here.recovered);
    }
    panic!("{} {} {}", seen.crashes, seen.recovered.len(), seen.twice);
}
