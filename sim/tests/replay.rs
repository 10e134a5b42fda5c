//! Traces of the simulator are plans: done again, the same comes of them to the byte; shrunk, little is left.
#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

use handoff_kernel::law::{Law, Protocol};
use handoff_kernel::testing::variant::{Fault, Variant};
use handoff_sim::cast::Cast;
use handoff_sim::live;
use handoff_sim::plan::Plan;
use handoff_sim::replay::replay;
use handoff_sim::run::Outcome;
use handoff_sim::swarm::{Profile, Swarm};
use handoff_spec::trace::Trace;

/// A run of this seed, and its trace.
fn run<L: Law>(law: &L, seed: u64, profile: Profile) -> (Outcome, String) {
    let outcome = live::run(law, &Swarm::draw(seed, profile), true);
    let text = outcome.trace.as_ref().unwrap().to_ndjson();
    (outcome, text)
}

/// The plan of a trace as it stands in a file.
fn plan(text: &str) -> Plan {
    Plan::read(&Trace::parse(text).unwrap(), &Cast::default()).unwrap()
}

/// The first line in which two texts differ.
fn difference(live: &str, again: &str) -> String {
    let mut lines = live.lines().zip(again.lines()).zip(1..);
    lines.find(|((live, again), _)| live != again).map_or_else(
        || format!("{} lines live, {} again", live.lines().count(), again.lines().count()),
        |((live, again), number)| format!("line {number}:\n  live  {live}\n  again {again}"),
    )
}

fn done_again<L: Law>(law: &L, seed: u64, profile: Profile) -> Outcome {
    let (outcome, live) = run(law, seed, profile);
    let plan = plan(&live);
    let law = handoff_spec::replay::law(&plan.law).unwrap();
    let again = replay(&plan, &law, true);
    assert_eq!(again.breach, outcome.breach, "seed {seed} of {}", profile.name());
    let again = again.trace.unwrap().to_ndjson();
    assert!(live == again, "seed {seed} of {}: {}", profile.name(), difference(&live, &again));
    outcome
}

#[test]
fn a_run_that_is_done_again_from_its_trace_is_the_same_to_the_byte() {
    for (profile, seeds) in [
        (Profile::Directory, 200),
        (Profile::Several, 200),
        (Profile::Races, 200),
        (Profile::Swarm, 200),
        (Profile::Calm, 5),
    ] {
        for seed in 0..seeds {
            done_again(&Protocol, seed, profile);
        }
    }
}

#[test]
fn so_is_a_run_under_a_law_with_a_fault() {
    let mut broken = 0;
    for fault in Fault::ALL {
        for seed in 0..6 {
            for profile in [Profile::Directory, Profile::Several] {
                broken += u32::from(done_again(&Variant::with(fault), seed, profile).breach.is_some());
            }
        }
    }
    assert!(broken > 100, "{broken}");
}
