//! Traces of the simulator are plans: done again, the same comes of them to the byte; shrunk, little is left.
#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

use handoff_kernel::law::{Law, Protocol};
use handoff_kernel::testing::variant::{Fault, Variant};
use handoff_sim::cast::Cast;
use handoff_hub::store::Slip;
use handoff_sim::act::Setup;
use handoff_sim::live;
use handoff_sim::plan::Plan;
use handoff_sim::replay::replay;
use handoff_sim::run::Outcome;
use handoff_sim::shrink::{Shrunk, shrink};
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

/// No plan here needs more tries.
const MOST: u64 = 20_000;

/// The first of many seeds whose run breaks a rule under this law.
fn first_broken(law: Variant, slip: Option<Slip>, profile: Profile) -> Option<(u64, Plan, Outcome)> {
    (0..200).find_map(|seed| {
        let drawn = Swarm::draw(seed, profile);
        let swarm = Swarm { setup: Setup { slip, ..drawn.setup.clone() }, ..drawn };
        live::run(&law, &swarm, false).breach?;
        let outcome = live::run(&law, &swarm, true);
        let plan = plan(&outcome.trace.as_ref().unwrap().to_ndjson());
        Some((seed, plan, outcome))
    })
}

/// Shrinks what this law breaks first: the acts that are left, and all that must be so of it.
fn shrunk(name: &str, law: Variant, slip: Option<Slip>, profile: Profile) -> Option<usize> {
    let Some((seed, plan, outcome)) = first_broken(law, slip, profile) else {
        println!("{name:<28} {:<9} breaks nothing", profile.name());
        return None;
    };
    let rule = outcome.breach.unwrap().property;
    let Shrunk { plan: small, outcome, tries, is_minimal } = shrink(&plan, &law, MOST, |_| {}).unwrap();
    let acts = small.acts.len();
    println!(
        "{name:<28} {:<9} seed {seed:>3} {:>3} {:>5} acts -> {acts:>2} and {} open, {tries:>5} tries",
        profile.name(),
        rule.id(),
        plan.acts.len(),
        small.open.len(),
    );
    assert_eq!(outcome.breach.unwrap().property, rule, "{name}");
    assert!(is_minimal, "{name} takes more tries than {MOST}");
    for at in 0..acts {
        let mut less = small.clone();
        less.acts.remove(at);
        let breach = replay(&less, &law, false).breach;
        assert!(breach.is_none_or(|breach| breach.property != rule), "{name}: act {at} is not needed");
    }
    let trace = outcome.trace.unwrap();
    assert_eq!(trace.header.rule, rule.id());
    let read = Plan::read(&trace, &Cast::default()).unwrap();
    assert_eq!(replay(&read, &law, true).trace.unwrap(), trace, "{name}: the trace of what is left is its plan");
    Some(acts)
}

#[test]
fn what_breaks_a_rule_is_shrunk_to_what_is_needed() {
    let mut all = Vec::new();
    for fault in Fault::ALL {
        for profile in [Profile::Directory, Profile::Several] {
            all.extend(shrunk(fault.name(), Variant::with(fault), None, profile));
        }
    }
    for slip in Slip::ALL {
        let name = format!("{slip:?}");
        all.extend(shrunk(&name, Variant::default(), Some(slip), Profile::Directory));
    }
    let few = all.iter().filter(|acts| **acts < 15).count();
    println!("{few} of {} have fewer than 15 acts", all.len());
    assert!(all.len() > 60 && few * 10 > all.len() * 9, "{few} of {}", all.len());
}
