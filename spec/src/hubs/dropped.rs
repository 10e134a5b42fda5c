//! The assumptions, each dropped: what breaks then.

use handoff_kernel::rules::Rule;
use handoff_kernel::testing::small::{ALICE, BOB, EVE};

use super::asks::{accept, begin, claimed, complete, once, pending, reject, second, stubborn};
use super::config::{Ask, Config, Faults, Log, Network, Trust};
use crate::model::Property;

/// An assumption, and the configuration that drops it.
#[derive(Debug, Clone)]
pub struct Dropped {
    /// What is assumed, in a sentence.
    pub assumes: &'static str,
    /// The configuration without it; its name is the trace's.
    pub config: Config,
    /// The rule that then breaks.
    pub breaks: Rule,
}

/// Every assumption of these models, dropped.
#[must_use]
pub fn dropped() -> Vec<Dropped> {
    vec![
        Dropped {
            assumes: "The store compares: a swap takes effect only on the version that was loaded.",
            config: Config {
                name: "store-that-does-not-compare".into(),
                says: "Two hubs accept for two instances, and the second write replaces the first claim.",
                records: vec![pending(5)],
                clients: vec![once(ALICE, &[accept(Some(1))]), once(ALICE, &[accept(Some(2))])],
                hubs: 2,
                trust: Trust { compares: false, ..Trust::PROTOCOL },
                ..Config::PLAIN
            },
            breaks: Rule::S1,
        },
        Dropped {
            assumes: "What the store says is written is durable.",
            config: Config {
                name: "store-that-forgets".into(),
                says: "A start is acknowledged, the store restarts without it, and the handoff is nowhere.",
                records: vec![None],
                clients: vec![once(BOB, &[begin(0, 9, None)])],
                trust: Trust { durable: false, ..Trust::PROTOCOL },
                ..Config::PLAIN
            },
            breaks: Rule::S7,
        },
        Dropped {
            assumes: "A record and its event are one commit, or the log is completed from the records.",
            config: Config {
                name: "log-not-completed".into(),
                says: "A hub dies after its record is written and before its event is, and nobody writes the event.",
                records: vec![None],
                clients: vec![once(BOB, &[begin(0, 9, None)])],
                faults: Faults { crashes: 1, ..Faults::NONE },
                trust: Trust { log: Log::AfterForgotten, ..Trust::PROTOCOL },
                ..Config::PLAIN
            },
            breaks: Rule::S10,
        },
        Dropped {
            assumes: "Hubs that share a store write a record and its event in one commit.",
            config: Config {
                name: "log-of-two-hubs".into(),
                says: "Two hubs change one handoff and write its events after each other, in the other order.",
                records: vec![pending(5)],
                clients: vec![once(ALICE, &[accept(Some(1))]), once(ALICE, &[complete(Some(1))])],
                hubs: 2,
                trust: Trust { log: Log::AfterCompleted, ..Trust::PROTOCOL },
                ..Config::PLAIN
            },
            breaks: Rule::S10,
        },
        Dropped {
            assumes: "Each attempt's nonce is fresh.",
            config: Config {
                name: "attempt-used-twice".into(),
                says: "Two hubs draw the same nonce, and the second takes the first one's claim for its own.",
                records: vec![pending(5)],
                clients: vec![once(ALICE, &[accept(Some(1))]), once(ALICE, &[accept(Some(2))])],
                hubs: 2,
                trust: Trust { fresh_attempts: false, ..Trust::PROTOCOL },
                ..Config::PLAIN
            },
            breaks: Rule::S1,
        },
        Dropped {
            assumes: "Each instance of the target makes a fresh claim_id for each attempt to own.",
            config: Config {
                name: "claim-id-used-twice".into(),
                says: "Two instances choose the same claim_id; the second is answered as a repeat of the first.",
                records: vec![pending(5)],
                clients: vec![once(ALICE, &[accept(Some(1))]), once(ALICE, &[accept(Some(1))])],
                hubs: 2,
                ..Config::PLAIN
            },
            breaks: Rule::S1,
        },
        Dropped {
            assumes: "A request's sender is authenticated: starts.",
            config: Config {
                name: "start-not-authenticated".into(),
                says: "A stranger starts a handoff in the author's name, and the hub believes it.",
                records: vec![None],
                clients: vec![once(EVE, &[begin(0, 9, None)])],
                trust: Trust { authenticates: false, ..Trust::PROTOCOL },
                ..Config::PLAIN
            },
            breaks: Rule::S13,
        },
        Dropped {
            assumes: "A request's sender is authenticated: accepts, completions and rejections.",
            config: Config {
                name: "accept-not-authenticated".into(),
                says: "A stranger accepts in the target's name, and the hub believes it.",
                records: vec![pending(5)],
                clients: vec![once(EVE, &[accept(Some(1))])],
                trust: Trust { authenticates: false, ..Trust::PROTOCOL },
                ..Config::PLAIN
            },
            breaks: Rule::S2,
        },
        Dropped {
            assumes: "Some hub's janitor runs again and again.",
            config: Config {
                name: "janitor-that-stops".into(),
                says: "Nobody claims the one handoff nor finishes the other, no janitor runs, and both stay for ever.",
                records: vec![pending(5), second(claimed(Some(1), 4, 1))],
                time: (5, 7),
                sweeps: 1,
                trust: Trust { fair_janitor: false, ..Trust::PROTOCOL },
                history: false,
                promises: &[Rule::L1],
                ..Config::PLAIN
            },
            breaks: Rule::L1,
        },
        Dropped {
            assumes: "A hub looks again and again for the polls that wait with it, and not only when it was told to.",
            config: Config {
                name: "poll-not-looked-at-again".into(),
                says: "The handoff is started at another hub than the one where the poll waits, and the news is lost.",
                records: vec![None],
                clients: vec![stubborn(ALICE, &[Ask::Wait]), stubborn(BOB, &[begin(0, 9, None)])],
                hubs: 2,
                trust: Trust { relists: false, ..Trust::PROTOCOL },
                history: false,
                promises: &[Rule::L2],
                ..Config::PLAIN
            },
            breaks: Rule::L2,
        },
        Dropped {
            assumes: "A swap takes effect only on the version that was loaded, also on what is over.",
            config: Config {
                name: "end-overwritten".into(),
                says: "The holder completes through one hub and declines through the other, and the second write replaces the \
                       first.",
                records: vec![claimed(Some(1), 4, 9)],
                clients: vec![once(ALICE, &[complete(Some(1))]), once(ALICE, &[reject(Some(1))])],
                hubs: 2,
                trust: Trust { compares: false, ..Trust::PROTOCOL },
                watch: Some(Property::Rule(Rule::S4)),
                ..Config::PLAIN
            },
            breaks: Rule::S4,
        },
        Dropped {
            assumes: "A handoff is inserted only where there is none.",
            config: Config {
                name: "start-overwrites".into(),
                says: "Two starts of one id find nothing, and the second replaces what the first has written.",
                records: vec![None],
                clients: vec![once(BOB, &[begin(0, 9, None)]), once(BOB, &[begin(1, 9, None)])],
                hubs: 2,
                trust: Trust { compares: false, ..Trust::PROTOCOL },
                watch: Some(Property::Rule(Rule::S5)),
                ..Config::PLAIN
            },
            breaks: Rule::S5,
        },
        Dropped {
            assumes: "A hub's index has all that is pending, by arrival.",
            config: Config {
                name: "poll-shown-the-younger".into(),
                says: "Two handoffs are pending, and the poll is shown the one that arrived last.",
                records: vec![pending(9), second(pending(9))],
                clients: vec![once(ALICE, &[Ask::Poll])],
                trust: Trust { shows_oldest: false, ..Trust::PROTOCOL },
                ..Config::PLAIN
            },
            breaks: Rule::S12,
        },
        Dropped {
            assumes: "Faults end.",
            config: Config {
                name: "losses-without-end".into(),
                says: "The network loses every request, for ever, and the client is never answered.",
                records: vec![None],
                clients: vec![stubborn(BOB, &[begin(0, 9, None)])],
                network: Network::Messages,
                trust: Trust { faults_end: false, ..Trust::PROTOCOL },
                history: false,
                promises: &[Rule::L3],
                ..Config::PLAIN
            },
            breaks: Rule::L3,
        },
    ]
}
