//! The configurations: what holds regardless, what an honest hub keeps, what a malicious one breaks, and what each
//! assumption is needed for.

use handoff_kernel::rules::Rule;
use handoff_kernel::testing::small::{ALICE, BOB, EVE};
use handoff_kernel::time::Time;

use super::token::{CAROL, Content, Keys};
use super::{Hub, Malice, Reads, Watch};
use crate::model::Property;

/// What must come of looking through a configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expectation {
    /// Nothing is broken, and every witness is seen.
    Holds,
    /// This is broken, and nothing else. A promise (L1, L2, L3) is broken by a lasso.
    Breaks(Property),
}

/// A configuration and what must come of it.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// Its name, for files.
    pub name: &'static str,
    /// What it shows, as a sentence.
    pub says: &'static str,
    /// The model.
    pub model: Malice,
    /// What must come of it.
    pub expectation: Expectation,
}

/// Artifacts between these authors and targets, each with a body of its own.
fn artifacts(pairs: &[(u8, u8)]) -> Vec<Content> {
    (0..)
        .zip(pairs)
        .map(|(id, (author, target))| Content { id, author: *author, target: *target, body: id })
        .collect()
}

/// A hub that tampers, and all that the protocol assumes of the agents.
fn regardless(name: &'static str, pairs: &[(u8, u8)], instances: &[u8]) -> Malice {
    Malice {
        name,
        artifacts: artifacts(pairs),
        instances: instances.to_vec(),
        hub: Hub::Tampers,
        watch: Watch::Regardless,
        keys: Keys::ByDirection,
        colludes: true,
        forging: false,
        respells: true,
        forces: false,
        drops: true,
        denies: false,
        verifies: true,
        author_verifies: true,
        reads: Reads::Asked,
        expires_at: Time(9),
    }
}

/// A hub that lies, watched for one rule.
fn lies(name: &'static str, rule: Rule, pairs: &[(u8, u8)], instances: &[u8]) -> Malice {
    Malice { hub: Hub::Lies, watch: Watch::Rule(rule), respells: false, ..regardless(name, pairs, instances) }
}

/// A rule that a hub breaks by lying, the configuration's name, and what it does.
const LIES: [(&str, Rule, &str); 10] = [
    ("two-winners", Rule::S1, "Two instances are each told that they won the same handoff."),
    ("stranger-claims", Rule::S2, "The hub lets a stranger claim a handoff on its record."),
    ("reopened", Rule::S4, "A handoff that is over is made pending again."),
    ("denied", Rule::S7, "A handoff whose start was acknowledged is not found by its target."),
    ("changed-its-mind", Rule::S9, "A command that was told yes is told something else when it is repeated."),
    ("invented-event", Rule::S10, "The log says that a handoff was claimed, and nobody did."),
    ("younger-first", Rule::S12, "A poll is shown a younger handoff while an older one waits."),
    ("false-author", Rule::S13, "The hub takes an artifact in an author's name from somebody else."),
    ("no-janitor", Rule::L1, "An overdue handoff stays pending for ever."),
    ("withheld", Rule::L2, "A poll waits for ever beside a handoff that stays pending."),
];

/// Every configuration.
#[must_use]
pub fn configurations() -> Vec<Configuration> {
    let mut all = Vec::new();
    let mut add = |says, model: Malice, expectation| {
        all.push(Configuration { name: model.name, says, model, expectation });
    };
    let crossed = [(BOB, ALICE), (BOB, ALICE), (EVE, ALICE)];
    let pairs = [(BOB, ALICE), (BOB, CAROL), (EVE, ALICE)];
    let small = [(BOB, ALICE), (EVE, ALICE)];
    let holds = [
        (
            "Two handoffs of one pair, two instances of the target: nothing is taken or believed that was not signed.",
            Malice { respells: false, ..regardless("regardless-ids", &crossed, &[ALICE, ALICE]) },
        ),
        (
            "One author with two targets: what is signed for one is nothing to the other.",
            Malice { respells: false, ..regardless("regardless-pairs", &pairs, &[ALICE, CAROL]) },
        ),
        (
            "Two agents that hand work to each other under one key: neither is shown its own words as the other's.",
            Malice {
                keys: Keys::ByPair,
                ..regardless("regardless-both-ways", &[(BOB, ALICE), (ALICE, BOB)], &[ALICE, BOB])
            },
        ),
        (
            "An honest hub keeps every rule and every promise in this very model.",
            Malice {
                hub: Hub::Honest,
                watch: Watch::All,
                respells: false,
                expires_at: Time(0),
                ..regardless("honest", &small, &[ALICE, ALICE])
            },
        ),
    ];
    for (says, model) in holds {
        add(says, model, Expectation::Holds);
    }
    for (name, rule, says) in LIES {
        let expires_at = if matches!(rule, Rule::L1 | Rule::L2) { Time(0) } else { Time(9) };
        let forces = matches!(rule, Rule::S2 | Rule::S4 | Rule::S10 | Rule::S13);
        let drops = rule != Rule::S12;
        let model = Malice { expires_at, forces, drops, ..lies(name, rule, &small, &[ALICE, ALICE]) };
        add(says, model, Expectation::Breaks(Property::Rule(rule)));
    }
    let breaks = [
        ("A command is never answered.", Rule::L3, lies("silence", Rule::L3, &[(BOB, ALICE)], &[ALICE])),
        (
            "A poll is told that there is nothing, and there is.",
            Rule::S12,
            Malice { denies: true, drops: false, ..lies("empty-poll", Rule::S12, &small, &[ALICE]) },
        ),
        (
            "White space is not signed: a hub may write the same artifact in other bytes, and a target takes it.",
            Rule::S8,
            Malice { respells: true, ..lies("respelled", Rule::S8, &[(BOB, ALICE)], &[ALICE]) },
        ),
        (
            "A receipt of an accept is signed before its answer: taken for ownership it says too much.",
            Rule::S8,
            Malice { reads: Reads::Held, ..regardless("loser-shown-as-holder", &small, &[ALICE, ALICE]) },
        ),
        (
            "If a hub can make an HMAC without the key, a target takes what its author never signed.",
            Rule::S8,
            Malice { forging: true, ..regardless("forged", &small, &[ALICE]) },
        ),
        (
            "A target that does not verify takes what its author never signed.",
            Rule::S8,
            Malice { verifies: false, ..regardless("unverified", &small, &[ALICE]) },
        ),
        (
            "An author that does not verify believes what its target never did.",
            Rule::S8,
            Malice { author_verifies: false, ..regardless("unverified-receipt", &small, &[ALICE]) },
        ),
        (
            "If all agents share one key, whoever has it signs in everybody's name.",
            Rule::S8,
            Malice { keys: Keys::Shared, ..regardless("shared-key", &small, &[ALICE]) },
        ),
    ];
    for (says, rule, model) in breaks {
        add(says, model, Expectation::Breaks(Property::Rule(rule)));
    }
    all
}
