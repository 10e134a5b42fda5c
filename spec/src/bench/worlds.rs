//! Small worlds, one for each kind of thing that can go wrong, in which a law is tried out in a moment.
//!
//! Under the protocol every rule holds in each of them, which a test checks; and each is as small as it can be with its
//! fault still to be seen. What they say of the protocol is far less than what `check` says.

use handoff_kernel::rules::Rule;
use handoff_kernel::testing::small::{ALICE, BOB, EVE};

use crate::hubs::asks::{
    accept, accept_second, begin, claimed, complete, once, pending, reject, second, stubborn, twice,
};
use crate::hubs::{Ask, Config, Faults, Log, Trust, smallest};

/// All of them.
#[must_use]
pub fn worlds() -> Vec<Config> {
    [races(), deadlines(), starts(), surroundings(), promises()].concat()
}

fn races() -> Vec<Config> {
    vec![
        smallest(),
        Config {
            name: "accept-and-sweep".into(),
            says: "An instance accepts at the deadline, and completes, while a hub whose clock is ahead sweeps.",
            records: vec![pending(5)],
            clients: vec![once(ALICE, &[accept(Some(1)), complete(Some(1))])],
            hubs: 2,
            epsilon: 1,
            sweeps: 1,
            ..Config::PLAIN
        },
        Config {
            name: "holder-and-others".into(),
            says: "The holder completes, another instance declines, and the claim lapses meanwhile.",
            records: vec![claimed(Some(1), 4, 1)],
            clients: vec![
                twice(ALICE, &[complete(Some(1))]),
                once(ALICE, &[reject(Some(2))]),
                once(ALICE, &[complete(Some(2))]),
            ],
            time: (5, 6),
            sweeps: 1,
            ..Config::PLAIN
        },
        Config {
            name: "strangers".into(),
            says: "A stranger and the author accept, and the author declines.",
            records: vec![pending(5)],
            clients: vec![
                once(EVE, &[accept(Some(2))]),
                once(BOB, &[accept(Some(3))]),
                once(BOB, &[reject(None)]),
            ],
            ..Config::PLAIN
        },
    ]
}

fn deadlines() -> Vec<Config> {
    vec![
        Config {
            name: "late-in-true-time".into(),
            says: "An instance accepts, and nothing is committed later than a millisecond after it was decided.",
            records: vec![pending(5)],
            clients: vec![once(ALICE, &[accept(Some(1))])],
            time: (5, 9),
            epsilon: 1,
            delta: Some(1),
            bound: Some(2),
            ..Config::PLAIN
        },
        Config {
            name: "retention".into(),
            says: "A start is sent twice; what came of it expires and is removed.",
            records: vec![None],
            clients: vec![twice(BOB, &[begin(0, 5, None)])],
            time: (5, 9),
            epsilon: 1,
            hubs: 2,
            delta: Some(0),
            sweeps: 1,
            retention: Some(2),
            ..Config::PLAIN
        },
        Config {
            name: "clock-set-back".into(),
            says: "A hub's clock steps back after a handoff has expired and was removed, and its start comes again.",
            records: vec![pending(5)],
            clients: vec![twice(BOB, &[begin(0, 5, None)])],
            time: (5, 7),
            epsilon: 1,
            sweeps: 1,
            retention: Some(0),
            faults: Faults { clock_steps: 1, ..Faults::NONE },
            ..Config::PLAIN
        },
    ]
}

fn starts() -> Vec<Config> {
    vec![
        Config {
            name: "a-life".into(),
            says: "From start to completion, each asked twice, with a lost answer.",
            records: vec![None],
            clients: vec![
                twice(BOB, &[begin(0, 6, Some(9))]),
                twice(ALICE, &[accept(Some(1)), complete(Some(1))]),
            ],
            time: (6, 6),
            faults: Faults { lost_answers: 1, ..Faults::NONE },
            ..Config::PLAIN
        },
        Config {
            name: "starts".into(),
            says: "An id is used for other bytes, a stranger starts in the author's name, and one start is late.",
            records: vec![None],
            clients: vec![
                once(BOB, &[begin(0, 6, None)]),
                once(BOB, &[begin(1, 7, None)]),
                once(EVE, &[begin(2, 6, None)]),
                once(BOB, &[begin(3, 4, None)]),
            ],
            ..Config::PLAIN
        },
        Config {
            name: "two-of-one-author".into(),
            says: "Two handoffs of one author are claimed and completed.",
            records: vec![pending(5), second(pending(5))],
            clients: vec![
                once(ALICE, &[accept(Some(1)), complete(Some(1))]),
                once(ALICE, &[accept_second(Some(2))]),
            ],
            ..Config::PLAIN
        },
    ]
}

fn surroundings() -> Vec<Config> {
    vec![
        Config {
            name: "polls".into(),
            says: "Two handoffs are pending; polls look while one expires and one is claimed.",
            records: vec![pending(5), second(pending(9))],
            clients: vec![once(ALICE, &[Ask::Poll, Ask::Poll]), once(ALICE, &[accept_second(Some(1))])],
            time: (5, 6),
            ..Config::PLAIN
        },
        Config {
            name: "log-after-records".into(),
            says: "The log follows the records of a handoff that is started and claimed.",
            records: vec![None],
            clients: vec![twice(BOB, &[begin(0, 9, None)]), twice(ALICE, &[accept(Some(1))])],
            faults: Faults { crashes: 1, ..Faults::NONE },
            trust: Trust { log: Log::AfterCompleted, ..Trust::PROTOCOL },
            ..Config::PLAIN
        },
        Config {
            name: "a-hub-begins-again".into(),
            says: "A hub dies and begins again while a claim that lapses is open.",
            records: vec![claimed(Some(1), 4, 1)],
            clients: vec![twice(ALICE, &[complete(Some(1))])],
            time: (5, 6),
            faults: Faults { crashes: 1, ..Faults::NONE },
            ..Config::PLAIN
        },
    ]
}

fn promises() -> Vec<Config> {
    vec![
        Config {
            name: "nobody-finishes".into(),
            says: "A pending handoff and a claim with a time limit, which nobody finishes.",
            records: vec![pending(5), second(claimed(Some(1), 4, 1))],
            time: (5, 7),
            sweeps: 1,
            history: false,
            promises: &[Rule::L1],
            ..Config::PLAIN
        },
        Config {
            name: "somebody-waits".into(),
            says: "A poll waits while a handoff is started.",
            records: vec![None],
            clients: vec![stubborn(ALICE, &[Ask::Wait]), stubborn(BOB, &[begin(0, 9, None)])],
            history: false,
            promises: &[Rule::L2],
            ..Config::PLAIN
        },
        Config {
            name: "both-are-answered".into(),
            says: "Two instances accept at two hubs, and ask until they are answered.",
            records: vec![pending(5)],
            clients: vec![stubborn(ALICE, &[accept(Some(1))]), stubborn(ALICE, &[accept(Some(2))])],
            hubs: 2,
            history: false,
            promises: &[Rule::L3],
            ..Config::PLAIN
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::broken_by;
    use handoff_kernel::rules::Rules;
    use handoff_kernel::testing::variant::Variant;

    #[test]
    fn under_the_protocol_every_rule_holds_in_each() {
        for world in worlds() {
            let name = world.name.clone();
            let found = broken_by(Variant::default(), world, Rules::ALL);
            assert_eq!(found.findings.len(), 0, "{name}: {:?}", found.findings);
            assert!(found.reached.states < 20_000, "{name} has {} states", found.reached.states);
        }
    }
}
