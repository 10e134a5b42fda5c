//! Variants: every committed one is read, told of and drawn, and what is wrong with a file is said.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use handoff_kernel::rules::Rule;
use handoff_kernel::testing::variant::Fault;
use handoff_spec::bench::variant::Plan;
use handoff_spec::model::Property;
use handoff_spec::picture::Diagram;
use handoff_spec::replay::replay;
use handoff_spec::trace::Trace;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("variants")
}

fn names(ending: &str) -> BTreeSet<String> {
    let files = fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().path());
    let of_ending = files.filter(|file| file.extension().is_some_and(|end| end == ending));
    of_ending.map(|file| file.file_stem().unwrap().to_string_lossy().into_owned()).collect()
}

fn plan(name: &str) -> Plan {
    let text = fs::read_to_string(directory().join(format!("{name}.toml"))).unwrap();
    Plan::parse(name, &text).unwrap()
}

/// Runs one that stands in a file of its own, with whatever else is said; its code and all that it prints.
fn variant(text: &str, args: &[&str]) -> (i32, String) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("mine.toml");
    fs::write(&file, text).unwrap();
    let out = directory.path().join("out");
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_handoff-spec"))
        .args(["variant", file.to_str().unwrap(), "--out", out.to_str().unwrap()])
        .args(args)
        .output()
        .unwrap();
    let pictured = out.join("mine.svg").is_file() && out.join("mine.mmd").is_file();
    let text = String::from_utf8(stdout).unwrap() + &String::from_utf8(stderr).unwrap();
    (status.code().unwrap(), if pictured { text + "\nPICTURED" } else { text })
}

const TWO_ACCEPTS: &str = "says = \"Mine.\"\n[world]\nonly = [\"bench/two-accepts\"]\n";

#[test]
fn every_variant_has_a_row_and_at_least_half_break_a_rule_and_those_have_their_pictures() {
    let (all, readme) = (names("toml"), fs::read_to_string(directory().join("README.md")).unwrap());
    assert!(all.len() >= 8, "{all:?}");
    let breaking: BTreeSet<_> = all.iter().filter(|name| !plan(name).breaks.is_empty()).cloned().collect();
    assert!(breaking.len() * 2 >= all.len(), "{breaking:?}");
    for ending in ["ndjson", "svg", "mmd"] {
        assert_eq!(names(ending), breaking, "{ending}");
    }
    for name in &all {
        let rows: Vec<_> =
            readme.lines().filter(|line| line.starts_with(&format!("| [{name}]({name}.toml)"))).collect();
        assert_eq!(rows.len(), 1, "{name}");
        let ids: Vec<_> = plan(name).breaks.iter().map(|property| property.id()).collect();
        let told = if ids.is_empty() { "|".into() } else { format!("| {} |", ids.join(", ")) };
        assert!(rows[0].contains(&told), "{name} breaks {ids:?}: {}", rows[0]);
    }
}

#[test]
fn every_way_to_a_broken_rule_is_lived_through_again_and_is_its_picture() {
    for name in names("ndjson") {
        let read = |ending: &str| fs::read_to_string(directory().join(format!("{name}.{ending}"))).unwrap();
        let trace = Trace::parse(&read("ndjson")).unwrap();
        assert_eq!(replay(&trace), Ok(()), "{name}");
        assert_eq!(Some(trace.header.rule.clone()), plan(&name).breaks.first().map(|property| property.id()));
        assert!(trace.header.says.starts_with(&format!("What if? {}", plan(&name).says)), "{name}");
        assert_eq!(Diagram::of(&trace).to_svg(), read("svg"), "{name}");
        assert_eq!(Diagram::of(&trace).to_mermaid(), read("mmd"), "{name}");
    }
}

#[test]
fn what_holds_exits_with_0_what_breaks_with_1_and_what_is_cut_off_with_3() {
    let (code, told) = variant(TWO_ACCEPTS, &[]);
    assert_eq!((code, told.contains("holds: every rule that is asked for")), (0, true), "{told}");
    let breaks = format!("{TWO_ACCEPTS}trust.compares = false\n");
    let (code, told) = variant(&breaks, &[]);
    assert_eq!((code, told.contains("broken: S1 SingleWinner")), (1, true), "{told}");
    assert!(told.contains("PICTURED") && told.contains("in 4 steps, in bench/two-accepts"), "{told}");
    let (code, told) = variant(TWO_ACCEPTS, &["--max-states", "10"]);
    assert_eq!((code, told.contains("cut off: bench/two-accepts has more states")), (3, true), "{told}");
    assert!(!told.contains("holds"), "{told}");
}

#[test]
fn as_expected_goes_by_what_the_file_says_that_breaks() {
    let breaks = format!("{TWO_ACCEPTS}trust.compares = false\n");
    for (text, expected) in [
        (TWO_ACCEPTS.to_owned(), 0),
        (breaks.clone(), 1),
        (format!("breaks = [\"S1\"]\n{breaks}"), 0),
        (format!("breaks = [\"S12\"]\n{breaks}"), 1),
        (format!("breaks = [\"S1\"]\n{TWO_ACCEPTS}"), 1),
    ] {
        assert_eq!(variant(&text, &["--as-expected"]).0, expected, "{text}");
    }
    assert_eq!(
        variant(TWO_ACCEPTS, &["--as-expected", "--max-states", "10"]).0,
        1,
        "of what is cut off nothing is known"
    );
}

#[test]
fn a_rule_that_is_given_up_breaks_no_more() {
    let breaks = format!("{TWO_ACCEPTS}trust.compares = false\n[rules]\n");
    let (code, told) = variant(&format!("{breaks}without = [\"S1\"]"), &[]);
    assert_eq!((code, told.contains("S1 SingleWinner")), (1, false), "{told}");
    let (code, told) =
        variant(&format!("{breaks}without = [\"s1\", \"S5\", \"S9\", \"S10\", \"Refinement\"]"), &[]);
    assert_eq!((code, told.contains("holds")), (0, true), "{told}");
}

#[test]
fn whatever_is_bent_alone_breaks_the_rule_that_catches_it() {
    for fault in Fault::ALL {
        let mut plan = Plan::parse("mine", &format!("says = 'x'\nlaw.bend = ['{}']", fault.name())).unwrap();
        // The small worlds are enough to see it.
        plan.worlds.retain(|(id, _)| id.starts_with("bench/"));
        plan.breaks = vec![Property::Rule(fault.caught_by())];
        let tried = plan.run(100_000, &mut |_| {});
        assert!(tried.is_as_expected(&plan), "{fault:?}: {:?}", tried.broken.first());
        let shown = tried.shown(&plan).unwrap();
        assert_eq!(shown.property, plan.breaks[0], "{fault:?}");
    }
}

#[test]
fn a_world_that_is_about_one_rule_is_asked_for_all() {
    let text = "says = 'x'\nlaw.bend = ['sweeps_everything']\nworld.only = ['bound/pause-with-a-sweep']";
    let (code, told) = variant(text, &[]);
    assert_eq!((code, told.contains("broken: S14 NoEarlyExpiry")), (1, true), "{told}");
}

#[test]
fn what_is_given_up_what_should_break_and_what_is_no_variant_at_all_are_told() {
    let (_, told) = variant(&format!("{TWO_ACCEPTS}[rules]\nwithout = ['S1']"), &[]);
    assert!(
        told.contains("given up: S1\n") && told.contains("nothing of law or worlds is different"),
        "{told}"
    );
    let (_, told) = variant(&format!("breaks = ['S1', 'S12']\n{TWO_ACCEPTS}trust.compares = false"), &[]);
    assert!(told.contains("should break and does not: S12\n") && !told.contains("nothing of law"), "{told}");
}

#[test]
fn the_shortest_way_is_kept() {
    let plan = Plan::parse("mine", "says = 'x'\nlaw.bend = ['anybody_declines']").unwrap();
    let worlds = ["hubs/finish", "bench/holder-and-others"];
    let mut lengths = Vec::new();
    for order in [[0, 1], [1, 0]] {
        let named = |at: usize| plan.worlds.iter().find(|(id, _)| id == worlds[at]).unwrap().clone();
        let tried = Plan { worlds: order.map(named).to_vec(), whole: false, ..plan.clone() }
            .run(1_000_000, &mut |_| {});
        let broken = tried.broken.iter().find(|broken| broken.property == Property::Rule(Rule::S6)).unwrap();
        lengths.push((broken.finding.trace.as_ref().unwrap().steps(), tried.broken[0].property));
    }
    assert_eq!(lengths[0], lengths[1], "whichever world comes first");
}

#[test]
fn a_program_is_told_the_same() {
    let (code, told) = variant(&format!("{TWO_ACCEPTS}trust.compares = false\n"), &["--format", "json"]);
    let json: serde_json::Value = serde_json::from_str(told.trim_end_matches("\nPICTURED")).unwrap();
    assert_eq!((code, &json["result"], &json["broken"][0]["property"]), (1, &"broken".into(), &"S1".into()));
    assert_eq!((&json["as_expected"], &json["broken"][0]["steps"]), (&false.into(), &4.into()));
}

#[test]
fn a_file_that_is_not_right_exits_with_2_and_says_what_to_do() {
    for (text, says) in [
        ("", "missing field `says`"),
        ("says = ' '", "says: tell in one line"),
        ("says = \"two\\nlines\"", "says: tell in one line"),
        ("says = 'x'\nbreaks = ['S1']\nrules.without = ['S1']", "S1 should break and is given up"),
        ("says = 'x'\nworld.only = ['strangers']", "is one of several: bench/strangers, hubs/strangers"),
        ("says = 'x'\nlaw.bend = ['future_is_fresh']\nworld.only = ['hubs/race']", "leave out `only`"),
        ("says = 'x'\nworld.faults.crashes = 5", "at most 4 of a kind"),
        ("says = 'x'\nworld.time_ms = [0, 21]", "by at most 20 ms"),
        (
            "says = 'x'\nlaw.bend = ['nothing']",
            "there is no decision point \"nothing\" to bend; `handoff-spec mutants`",
        ),
        ("says = 'x'\nlaw.bent = []", "unknown field `bent`, expected one of"),
        ("says = 'x'\nbreaks = ['S17']", "there is no rule \"S17\"; there are S1 to S16"),
        ("says = 'x'\nrules.without = ['S0']", "there is no rule \"S0\""),
        (
            "says = 'x'\nworld.only = ['hubs/nothing']",
            "there is no world \"hubs/nothing\"; `handoff-spec variant --list`",
        ),
        ("says = 'x'\nworld.hubs = 4", "hubs = 4: a world has one hub to three"),
        ("says = 'x'\nworld.hubs = 0", "hubs = 0"),
        ("says = 'x'\nworld.time_ms = [6, 5]", "time_ms = [6, 5]"),
        ("says = 'x'\nworld.epsilon_ms = 4", "epsilon_ms = 4: at most 3"),
        ("says = 'x'\nworld.faults.crashes = 300", "invalid value: integer `300`, expected u8"),
    ] {
        let (code, told) = variant(text, &[]);
        assert_eq!((code, told.contains(says)), (2, true), "{text}: {told}");
        assert!(told.contains("mine.toml is no variant"), "{told}");
    }
    let nowhere =
        Command::new(env!("CARGO_BIN_EXE_handoff-spec")).args(["variant", "/nowhere.toml"]).output().unwrap();
    assert_eq!(nowhere.status.code(), Some(2));
    assert!(String::from_utf8(nowhere.stderr).unwrap().contains("cannot read /nowhere.toml"));
}

#[test]
fn every_world_is_listed_under_the_name_by_which_it_is_found() {
    let list = Command::new(env!("CARGO_BIN_EXE_handoff-spec")).args(["variant", "--list"]).output().unwrap();
    let list = String::from_utf8(list.stdout).unwrap();
    let names: Vec<_> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(
        names.contains(&"bench/two-accepts")
            && names.contains(&"hubs/race")
            && names.contains(&"bound/retention-2")
    );
    for name in names {
        let text = format!("says = 'x'\nworld.only = ['{name}']");
        assert_eq!(Plan::parse("mine", &text).unwrap().worlds[0].0, name);
    }
}
