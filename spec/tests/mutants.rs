//! `handoff-spec mutants`, as its users have it. That every fault is killed and every rule needed is what the command
//! itself says, of the release that `scripts/test` builds.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::process::{Command, Output};

use handoff_kernel::rules::{Rule, Rules};
use handoff_kernel::testing::variant::{Fault, Machine, Variant};
use handoff_spec::bench::broken_by;
use handoff_spec::bench::mutants::{Matrix, row};
use handoff_spec::bench::worlds::worlds;
use handoff_spec::check::Measured;
use handoff_spec::explorer::Progress;

fn mutants(args: &[&str]) -> (i32, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_handoff-spec")).arg("mutants").args(args).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap())
}

#[test]
fn there_are_at_least_thirty_of_the_rules_and_of_what_carries_them_out() {
    let count = |machine| Fault::ALL.into_iter().filter(|fault| fault.machine() == machine).count();
    let [step, operation, hub] = [Machine::Step, Machine::Operation, Machine::Hub].map(count);
    assert!(step + operation + hub >= 30 && operation >= 5 && hub >= 10, "{step}, {operation}, {hub}");
}

#[test]
fn what_is_recorded_is_that_all_are_killed_and_each_rule_is_needed() {
    let measured = Measured::committed();
    for profile in ["quick", "ci", "deep"] {
        let figures = measured.of(profile, "mutants").unwrap();
        for fault in Fault::ALL {
            let rules = figures.kills.get(fault.name()).unwrap();
            assert!(rules.contains(&format!("{:?}", fault.caught_by())), "{profile}: {}", fault.name());
        }
        for rule in Rule::ALL {
            let fault = figures.needed.get(&format!("{rule:?}")).unwrap();
            assert_eq!(
                figures.kills[fault],
                [format!("{rule:?}")],
                "{profile}: {rule} alone catches {fault}"
            );
        }
    }
}

#[test]
fn a_fault_is_shown_with_the_way_to_its_rule() {
    let out = tempfile::tempdir().unwrap();
    let (code, told) = mutants(&["shares_places", "--out", out.path().to_str().unwrap()]);
    assert_eq!(code, 0, "{told}");
    assert!(told.contains("killed shares_places") && told.contains("1 fault, 1 killed"), "{told}");
    assert!(
        told.contains("this breaks S7 NoLoss") && told.contains("an acknowledged start is in no status"),
        "{told}"
    );
    assert!(out.path().join("shares_places-s7.svg").is_file());
    let (code, told) = mutants(&["stale_at_boundary", "--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(&told).unwrap();
    assert_eq!(
        (code, &json["faults"][0]["killed"], &json["faults"][0]["catches"][0]["rule"]),
        (0, &true.into(), &"S11".into())
    );
    let (code, told) = mutants(&["nothing"]);
    assert_eq!(
        (code, told.contains("there is no such fault; there are expires_at_deadline")),
        (2, true),
        "{told}"
    );
}

#[test]
fn a_rule_that_is_left_out_catches_nothing_and_what_it_alone_caught_is_alive() {
    for (fault, rule) in [
        (Fault::AnybodyDeclines, Rule::S6),
        (Fault::SweepsEverything, Rule::S14),
        (Fault::ClockStepsBack, Rule::S4),
        (Fault::PollForgotten, Rule::L2),
        (Fault::LogsFirst, Rule::S10),
        // Caught by the judges of the models alone.
        (Fault::ClockReadOnce, Rule::S3),
        (Fault::PollClaims, Rule::S2),
    ] {
        let caught = |rules| row(fault, rules).0.caught.into_keys().collect::<Vec<_>>();
        assert_eq!(caught(Rules::ALL), [rule], "{fault:?}");
        assert_eq!(caught(Rules::ALL.without(rule)), [], "{fault:?}");
    }
    // Where the first to be broken is left out, the way goes on, and comes to the next.
    let caught = |rules| row(Fault::StaleSweep, rules).0.caught.into_keys().collect::<Vec<_>>();
    let (all, without) = (caught(Rules::ALL), caught(Rules::ALL.without(Rule::S1)));
    assert!(all.contains(&Rule::S1) && !all.contains(&Rule::S6), "{all:?}");
    assert!(!without.contains(&Rule::S1) && without.contains(&Rule::S6), "{without:?}");
    // What another rule catches too is not saved by leaving one out.
    let (row, _) = row(Fault::AnybodyHolds, Rules::ALL.without(Rule::S6));
    assert_eq!(row.caught.into_keys().collect::<Vec<_>>(), [Rule::S9]);
}

#[test]
fn a_fault_that_is_not_caught_and_a_rule_that_is_not_needed_are_told() {
    let (mut blind, _) = row(Fault::PollNewestFirst, Rules::ALL.without(Rule::S12));
    assert!(!blind.is_killed());
    blind.fault = Fault::PollShowsOverdue;
    let needed = BTreeMap::from([(Rule::S12, None), (Rule::S1, Some(Fault::EverybodyWins))]);
    let matrix = Matrix { rows: vec![blind], needed, reached: Progress::default() };
    assert_eq!(matrix.survivors().map(|row| row.fault).collect::<Vec<_>>(), [Fault::PollShowsOverdue]);
    assert_eq!(matrix.needless().collect::<Vec<_>>(), [Rule::S12]);
    let told: Vec<_> = matrix.findings();
    assert_eq!(told.iter().map(|(rule, _)| *rule).collect::<Vec<_>>(), [Rule::S12, Rule::S12], "{told:?}");
    assert!(told[0].1.contains("poll_shows_overdue was not caught by it, but by nothing"), "{told:?}");
    assert!(told[1].1.starts_with("no seeded fault needs it"), "{told:?}");
}

#[test]
fn a_way_that_the_kernel_does_not_go_is_told() {
    for fault in [Fault::PollClaims, Fault::SharesPlaces, Fault::DecidesByLog, Fault::LogsFirst] {
        let rows = vec![row(fault, Rules::ALL).0];
        let matrix = Matrix { rows, needed: BTreeMap::new(), reached: Progress::default() };
        assert_eq!(matrix.unconfirmed(), [], "{fault:?}: the kernel goes this way too");
    }
    let (mut caught, _) = row(Fault::RenewsClaims, Rules::ALL);
    let way = caught.caught.get_mut(&Rule::S1).unwrap();
    way.trace.header.law = "protocol".into();
    let matrix = Matrix { rows: vec![caught], needed: BTreeMap::new(), reached: Progress::default() };
    let told = matrix.unconfirmed();
    assert_eq!((told.len(), told[0].0, told[0].1), (1, Fault::RenewsClaims, Rule::S1), "{told:?}");
    assert!(
        matrix.findings()[0]
            .1
            .starts_with("the kernel does not live through again how it catches renews_claims")
    );
}

#[test]
fn no_world_is_without_a_fault_that_is_seen_in_it() {
    for world in worlds() {
        let breaks = |fault: &Fault| {
            let report = broken_by(Variant::with(*fault), world.clone(), Rules::ALL);
            report.findings.iter().any(|finding| finding.trace.is_some())
        };
        let hub = |fault: &Fault| fault.machine() != Machine::Bootstrap;
        assert!(Fault::ALL.into_iter().filter(hub).any(|fault| breaks(&fault)), "{}", world.name);
    }
}
