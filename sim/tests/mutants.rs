//! The list of what finds each mutant: it speaks of all of them, and what it says of those that no run can show is so.
#![expect(clippy::unwrap_used, reason = "a panic is how a test says no")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use handoff_kernel::artifact::MAX_CLAIM_TTL_SECONDS;
use handoff_kernel::testing::variant::Fault;
use handoff_kernel::time::Millis;
use handoff_kernel::timestamp::LAST;
use handoff_sim::mutants::Mutant;
use handoff_sim::mutants::recorded::{LIST, Said, missing, read};

fn sources(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// The files of what is simulated, and of the simulator, that ask the law this.
fn asked_by(duty: &str) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    for directory in ["kernel/src", "hub/src", "sim/src"] {
        sources(&root.join(directory), &mut files);
    }
    files.retain(|file| {
        // The law itself answers, and its variants ask what they bend.
        let of_the_law =
            file.ends_with("kernel/src/law.rs") || file.ends_with("kernel/src/testing/variant.rs");
        !of_the_law && fs::read_to_string(file).unwrap().contains(&format!(".{duty}("))
    });
    files
}

/// What no run of these worlds shows is these, and for each there is a reason that a test here holds to its word, or that is
/// in how the store that ships is made.
#[test]
fn what_no_run_shows_is_these_seven() {
    let silent: Vec<String> = read(LIST)
        .unwrap()
        .into_iter()
        .filter(|(_, said)| matches!(said, Said::Silent(_)))
        .map(|(mutant, _)| mutant.name())
        .collect();
    let known = [
        "lapse_wraps",
        "poll_claims",
        "removes_unfinished",
        "logs_first",
        "decides_by_log",
        "renews_claims",
        "shares_places",
    ];
    assert_eq!(
        silent.into_iter().collect::<BTreeSet<_>>(),
        known.into_iter().map(str::to_owned).collect::<BTreeSet<_>>()
    );
}

#[test]
fn the_list_speaks_of_every_mutant() {
    let list = read(LIST).unwrap();
    let missing: Vec<_> = missing(&list).into_iter().map(Mutant::name).collect();
    assert!(missing.is_empty(), "sim/mutants.txt does not speak of {missing:?}: see sim/README.md");
    assert_eq!(list.len(), Mutant::all().len());
}

#[test]
fn a_line_holds_only_if_its_seed_breaks_its_rule_with_the_fault_and_none_without() {
    let said = |line: &str| {
        let (mutant, said) = read(line).unwrap()[0];
        said.holds(mutant)
    };
    assert_eq!(said("everybody_wins races 0 S1"), Ok(()));
    let other = said("everybody_wins races 0 S2").unwrap_err();
    assert!(other.contains("breaks another rule than S2 TargetOnly: S1 SingleWinner"), "{other}");
    // In such a world there is no same-host agent, no disk and no retention.
    let none = said("removes_early races 0 S4").unwrap_err();
    assert!(none.starts_with("removes_early: seed 0 of races does not find it any more"), "{none}");
}

#[test]
fn what_is_said_to_be_asked_by_no_hub_is_asked_by_none() {
    let list = read(LIST).unwrap();
    let unasked = list.iter().filter_map(|(mutant, said)| match said {
        Said::Silent(why) => why.starts_with("asked by no hub here: ").then(|| mutant.name()),
        Said::Found { .. } => None,
    });
    let unasked: Vec<String> = unasked.collect();
    assert_eq!(unasked.len(), 5, "{unasked:?}");
    for duty in unasked {
        assert_eq!(asked_by(&duty), Vec::<PathBuf>::new(), "{duty}");
    }
    // A duty that is asked is seen to be.
    assert!(asked_by("looks_again").iter().any(|file| file.ends_with("hub/src/relay/poll.rs")));
}

#[test]
fn no_claim_of_a_legal_artifact_lapses_beyond_the_end_of_time() {
    assert!(Mutant::all().contains(&Mutant::Law(Fault::LapseWraps)));
    assert!(LAST.0.checked_add(Millis::from_secs(MAX_CLAIM_TTL_SECONDS).0).is_some());
}
