//! The configurations in which everything holds, and those whose liveness is looked at.

use handoff_kernel::rules::Rule;
use handoff_kernel::testing::small::{ALICE, BOB, EVE};

use super::asks::{
    accept, begin, begin_second, claimed, complete, complete_second, once, pending, reject, second, stubborn,
    twice,
};
use super::bounds::bounds;
use super::config::{Ask, Client, Config, Faults, Log, Network, Trust};
use super::dropped::dropped;
use crate::profile::Profile;

/// The configurations in which every rule holds.
#[must_use]
pub fn sound(profile: Profile) -> Vec<Config> {
    let more = |quick: u8, ci: u8, deep: u8| match profile {
        Profile::Quick => quick,
        Profile::Ci => ci,
        Profile::Deep => deep,
    };
    // The clients: all of them in the deep profile only.
    let some = |quick: usize, ci: usize, mut clients: Vec<Client>| {
        clients.truncate(match profile {
            Profile::Quick => quick,
            Profile::Ci => ci,
            Profile::Deep => clients.len(),
        });
        clients
    };
    vec![
        Config {
            name: "race".into(),
            says: "Two instances (three in deep) accept at the deadline, one of them without a claim_id, while a janitor \
                   sweeps and the store loses answers.",
            records: vec![pending(5)],
            clients: some(
                2,
                2,
                vec![
                    twice(ALICE, &[accept(Some(1))]),
                    twice(ALICE, &[accept(None)]),
                    twice(ALICE, &[accept(Some(2))]),
                ],
            ),
            hubs: 2,
            time: (5, 6),
            sweeps: 1,
            faults: Faults { lost_answers: more(1, 2, 1), ..Faults::NONE },
            witnesses: &["second-accept-refused", "claimed-at-the-deadline", "expired-one-tick-after"],
            ..Config::PLAIN
        },
        Config {
            name: "finish".into(),
            says: "The holder completes and declines, somebody else tries to complete, and the claim lapses meanwhile.",
            records: vec![claimed(Some(1), 4, 1)],
            clients: vec![
                twice(ALICE, &[complete(Some(1))]),
                twice(ALICE, &[reject(Some(1))]),
                once(ALICE, &[complete(Some(2))]),
            ],
            hubs: 2,
            time: (5, 6),
            sweeps: 2,
            faults: Faults { lost_answers: more(0, 1, 1), ..Faults::NONE },
            witnesses: &[
                "wrong-claim-refused",
                "completed-stays-completed",
                "finished-at-the-last-moment",
                "late-finish-refused",
            ],
            ..Config::PLAIN
        },
        Config {
            name: "life".into(),
            says: "From start to completion, with retries under the same ids and lost answers, a crash (from ci on) and a second \
                   instance (in deep).",
            records: vec![None],
            clients: some(
                2,
                2,
                vec![
                    twice(BOB, &[begin(0, 6, Some(9))]),
                    twice(ALICE, &[accept(Some(1)), complete(Some(1))]),
                    twice(ALICE, &[accept(Some(2))]),
                ],
            ),
            hubs: 2,
            time: (6, 6),
            faults: Faults { lost_answers: more(1, 2, 1), crashes: more(0, 1, 1), ..Faults::NONE },
            witnesses: &["the-whole-path", "own-claim-known-again"],
            ..Config::PLAIN
        },
        Config {
            name: "network".into(),
            says: "Start and accept as messages that are lost, doubled and reordered, over hubs that crash.",
            records: vec![None],
            clients: vec![twice(BOB, &[begin(0, 6, None)]), twice(ALICE, &[accept(Some(1))])],
            hubs: 2,
            network: Network::Messages,
            time: (6, 6),
            faults: Faults {
                losses: 1,
                doubles: more(1, 1, 2),
                crashes: 1,
                lost_answers: more(0, 1, 2),
                ..Faults::NONE
            },
            ..Config::PLAIN
        },
        Config {
            name: "strangers".into(),
            says: "A stranger starts in the author's name and accepts, the author accepts its own, and an id is used twice.",
            records: vec![None],
            clients: some(
                3,
                3,
                vec![
                    twice(BOB, &[begin(0, 6, None), accept(Some(1))]),
                    once(BOB, &[begin(1, 6, None)]),
                    once(EVE, &[begin(2, 6, None), accept(Some(2))]),
                    once(ALICE, &[reject(None)]),
                ],
            ),
            hubs: 2,
            faults: Faults { lost_answers: more(0, 1, 2), ..Faults::NONE },
            witnesses: &[
                "other-bytes-refused",
                "false-author-refused",
                "author-may-not-accept",
                "stranger-finds-nothing",
            ],
            ..Config::PLAIN
        },
        Config {
            name: "clocks".into(),
            says: "Hubs whose clocks disagree and step, around a deadline.",
            records: vec![pending(5)],
            clients: some(
                1,
                1,
                vec![once(ALICE, &[accept(Some(1)), complete(Some(1))]), once(ALICE, &[accept(None)])],
            ),
            hubs: 2,
            time: (4, 6),
            epsilon: 1,
            sweeps: 1,
            faults: Faults { clock_steps: more(1, 2, 2), lost_answers: more(0, 1, 1), ..Faults::NONE },
            ..Config::PLAIN
        },
        Config {
            name: "polls".into(),
            says: "Two handoffs are pending or started, one expires, and polls look meanwhile.",
            records: vec![pending(5), second(None)],
            clients: vec![
                twice(BOB, &[begin_second(9)]),
                twice(ALICE, &[Ask::Poll, Ask::Poll]),
                twice(ALICE, &[Ask::Wait, accept(Some(1))]),
            ],
            hubs: 2,
            time: (5, 6),
            sweeps: 2,
            faults: Faults { lost_answers: more(0, 1, 2), ..Faults::NONE },
            witnesses: &["the-older-is-shown", "the-overdue-is-passed-over"],
            ..Config::PLAIN
        },
        Config {
            name: "pair".into(),
            says: "Commands on two handoffs at once, through the same hubs: neither feels the other.",
            records: vec![pending(5), second(claimed(Some(1), 4, 1))],
            clients: vec![
                twice(ALICE, &[accept(Some(1)), complete(Some(1))]),
                once(ALICE, &[complete_second(Some(1))]),
            ],
            hubs: 2,
            time: (5, 6),
            sweeps: 2,
            faults: Faults { lost_answers: more(0, 0, 1), ..Faults::NONE },
            ..Config::PLAIN
        },
        Config {
            name: "overtaken".into(),
            says: "From start to completion, with retries, while a hub pauses between an answer of the store and what it makes of \
                   it.",
            records: vec![None],
            clients: some(
                2,
                2,
                vec![
                    twice(BOB, &[begin(0, 6, Some(9))]),
                    twice(ALICE, &[accept(Some(1)), complete(Some(1))]),
                    once(ALICE, &[accept(Some(2))]),
                ],
            ),
            hubs: 2,
            time: (6, more(6, 7, 7).into()),
            sweeps: more(0, 1, 1).into(),
            faults: Faults { pauses: more(1, 1, 2), ..Faults::NONE },
            ..Config::PLAIN
        },
        Config {
            name: "out-of-date".into(),
            says: "The holder completes and declines and somebody else tries to complete, while a hub pauses and the claim lapses.",
            records: vec![claimed(Some(1), 4, 1)],
            clients: vec![
                twice(ALICE, &[complete(Some(1))]),
                twice(ALICE, &[reject(Some(1))]),
                once(ALICE, &[complete(Some(2))]),
            ],
            hubs: 2,
            time: (5, 6),
            sweeps: 1,
            faults: Faults { pauses: more(1, 1, 2), ..Faults::NONE },
            ..Config::PLAIN
        },
        Config {
            name: "log".into(),
            says: "One hub on a disk of its own, which loses no answer: its log follows the records of two handoffs (of one in quick), and what \
                   a crash left out is found by the records.",
            records: vec![None, None],
            clients: some(
                2,
                3,
                vec![
                    twice(BOB, &[begin(0, 9, None)]),
                    twice(ALICE, &[accept(Some(1)), complete(Some(1))]),
                    twice(BOB, &[begin_second(9)]),
                    once(ALICE, &[reject(None)]),
                ],
            ),
            faults: Faults { crashes: more(1, 3, 4), pauses: 1, ..Faults::NONE },
            trust: Trust { log: Log::AfterCompleted, ..Trust::PROTOCOL },
            witnesses: &["log-completed-after-a-crash", "kept-through-a-crash"],
            ..Config::PLAIN
        },
        Config {
            name: "lost".into(),
            says: "One client whose message is lost on the way, and which asks again.",
            records: vec![None],
            clients: vec![twice(BOB, &[begin(0, 9, None)])],
            network: Network::Messages,
            faults: Faults { losses: 1, ..Faults::NONE },
            witnesses: &["answered-in-the-end"],
            ..Config::PLAIN
        },
        Config {
            name: "unavailable".into(),
            says: "Stores that fail beside clients that ask again.",
            records: vec![None],
            clients: vec![twice(BOB, &[begin(0, 9, None)])],
            hubs: 2,
            faults: Faults { failures: 1, lost_answers: 1, pauses: 1, ..Faults::NONE },
            witnesses: &["unavailable-and-asked-again"],
            ..Config::PLAIN
        },
    ]
}

/// The configurations whose liveness is looked at. They do without the history checkers.
#[must_use]
pub fn live() -> Vec<Config> {
    let faults = Faults { lost_answers: 1, pauses: 1, crashes: 1, ..Faults::NONE };
    vec![
        Config {
            name: "resolves".into(),
            says: "A pending handoff and a claim with a time limit, which nobody finishes.",
            records: vec![pending(5), second(claimed(Some(1), 4, 1))],
            hubs: 2,
            time: (5, 7),
            epsilon: 1,
            sweeps: 1,
            faults,
            history: false,
            promises: &[Rule::L1],
            witnesses: &["swept-away"],
            ..Config::PLAIN
        },
        Config {
            name: "wakes".into(),
            says: "A poll waits at one hub while the handoff is started at another.",
            records: vec![None],
            clients: vec![stubborn(ALICE, &[Ask::Wait]), stubborn(BOB, &[begin(0, 9, None)])],
            hubs: 2,
            faults,
            history: false,
            promises: &[Rule::L2],
            witnesses: &["a-poll-is-woken"],
            ..Config::PLAIN
        },
        Config {
            name: "converges".into(),
            says: "Clients that ask until they are answered, while messages are lost and hubs crash and are cut off.",
            records: vec![None],
            clients: vec![stubborn(BOB, &[begin(0, 9, None)]), stubborn(ALICE, &[accept(Some(1))])],
            hubs: 2,
            network: Network::Messages,
            faults: Faults { losses: 1, crashes: 1, cuts: 1, lost_answers: 1, pauses: 1, ..Faults::NONE },
            history: false,
            promises: &[Rule::L3],
            ..Config::PLAIN
        },
    ]
}

/// Every configuration of this profile with the id of its check: sound, live, without an assumption, about a bound.
#[must_use]
pub fn configurations(profile: Profile) -> Vec<(String, Config)> {
    let named = |kind: &'static str| move |config: Config| (format!("{kind}/{}", config.name), config);
    let bounds = bounds().into_iter().flat_map(|bound| [bound.pass, bound.fail]);
    let mut all: Vec<_> = sound(profile).into_iter().map(named("hubs")).collect();
    all.extend(live().into_iter().map(named("live")));
    all.extend(dropped().into_iter().map(|dropped| dropped.config).map(named("dropped")));
    all.extend(bounds.map(named("bound")));
    all
}

/// The smallest world in which operations meet.
#[must_use]
pub fn smallest() -> Config {
    Config {
        name: "two-accepts".into(),
        says: "Two instances accept at two hubs, and one answer of the store is lost.",
        records: vec![pending(5)],
        clients: vec![once(ALICE, &[accept(Some(1))]), once(ALICE, &[accept(None)])],
        hubs: 2,
        faults: Faults { lost_answers: 1, ..Faults::NONE },
        ..Config::PLAIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_kernel::rules::Rules;

    #[test]
    fn every_configuration_asks_for_every_rule_and_is_watched() {
        for profile in Profile::ALL {
            for (id, config) in configurations(profile) {
                assert_eq!(config.rules, Rules::ALL, "{id}");
                assert!(
                    config.history || !config.promises.is_empty(),
                    "{id} is not watched by the history checkers"
                );
                let about_one = id.starts_with("dropped/") || id.starts_with("bound/");
                assert!(config.watch.is_none() || about_one, "{id} looks for one rule only");
            }
        }
    }
}
