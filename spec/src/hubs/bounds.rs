//! The bounds, as pairs: where a rule holds, and one tick beyond, where it does not.

use handoff_kernel::rules::Rule;
use handoff_kernel::testing::small::{ALICE, BOB};

use super::asks::{accept, begin, once, pending, twice};
use super::config::{Config, Faults, Trust};
use crate::model::Property;

/// A bound.
#[derive(Debug, Clone)]
pub struct Bound {
    /// What it bounds, in a sentence.
    pub says: &'static str,
    /// Of which rule.
    pub rule: Rule,
    /// Where it holds.
    pub pass: Config,
    /// One tick beyond; its name is the trace's.
    pub fail: Config,
}

/// One instance accepts around a deadline, in true time from the deadline on.
fn late(bound: u64) -> Config {
    Config {
        records: vec![pending(5)],
        clients: vec![once(ALICE, &[accept(Some(1))])],
        time: (5, 10),
        bound: Some(bound),
        ..Config::PLAIN
    }
}

/// Two hubs, one of which may be paused for ever while the other sweeps. Only S3 is asked for.
fn swept() -> Config {
    Config { hubs: 2, sweeps: 1, bound: None, watch: Some(Property::Rule(Rule::S3)), ..late(0) }
}

/// A start is sent more than once; what came of one expires and is pruned before another is done. Each is committed
/// as soon as it is decided.
fn replayed(retention: u64) -> Config {
    Config {
        records: vec![None],
        clients: vec![twice(BOB, &[begin(0, 5, None)]), once(BOB, &[begin(0, 5, None)])],
        time: (5, 9),
        epsilon: 1,
        delta: Some(0),
        sweeps: 1,
        retention: Some(retention),
        ..Config::PLAIN
    }
}

/// A handoff is known and its start comes again, so that no start is decided before it is there. It is pruned at once.
fn known() -> Config {
    Config {
        records: vec![pending(5)],
        clients: vec![twice(BOB, &[begin(0, 5, None)])],
        delta: None,
        ..replayed(0)
    }
}

/// What a retention bound that holds must come to.
const REFUSED: &[&str] = &["pruned-and-refused"];

/// Every bound of these models.
#[must_use]
pub fn bounds() -> Vec<Bound> {
    vec![
        Bound {
            says: "A claim that is committed as soon as it is decided takes effect at most ε after expires_at.",
            rule: Rule::S3,
            pass: Config {
                name: "epsilon-1".into(),
                says: "The hub's clock is at most 1 ms behind: no claim takes effect more than 1 ms late.",
                epsilon: 1,
                delta: Some(0),
                ..late(1)
            },
            fail: Config {
                name: "epsilon-2".into(),
                says: "The hub's clock is 2 ms behind: a claim takes effect 2 ms late.",
                epsilon: 2,
                delta: Some(0),
                ..late(1)
            },
        },
        Bound {
            says: "A claim takes effect at most ε + δ after expires_at.",
            rule: Rule::S3,
            pass: Config {
                name: "delta-1".into(),
                says: "ε is 1 ms and a decision is committed within 1 ms: no claim takes effect more than 2 ms late.",
                epsilon: 1,
                delta: Some(1),
                ..late(2)
            },
            fail: Config {
                name: "delta-2".into(),
                says: "ε is 1 ms and the commit comes 2 ms after the decision: a claim takes effect 3 ms late.",
                epsilon: 1,
                delta: Some(2),
                ..late(2)
            },
        },
        Bound {
            says: "It is δ that bounds it: the claim of a hub that is paused between decision and commit takes effect any time \
                   later.",
            rule: Rule::S3,
            pass: Config {
                name: "pause-of-a-single-hub-of-2".into(),
                says: "The single hub is paused for at most 2 ms: no claim takes effect more than 2 ms late.",
                delta: Some(2),
                ..late(2)
            },
            fail: Config {
                name: "pause-of-a-single-hub".into(),
                says: "The single hub is paused after its decision: its claim takes effect 3 ms late, and could later \
                       still.",
                ..late(2)
            },
        },
        Bound {
            says: "However long a hub is paused, once any hub has swept no claim takes effect: the store compares.",
            rule: Rule::S3,
            pass: Config {
                name: "pause-with-a-sweep".into(),
                says: "A hub may be paused for ever: once another has swept, its claim comes to nothing.",
                witnesses: &["paused-claim-comes-to-nothing"],
                ..swept()
            },
            fail: Config {
                name: "pause-with-a-sweep-not-compared".into(),
                says: "A store that does not compare lets a paused hub claim what another has swept.",
                trust: Trust { compares: false, ..Trust::PROTOCOL },
                ..swept()
            },
        },
        Bound {
            says: "Where hubs hold claims against a clock that they share, a paused hub's claim takes effect at most ε and \
                   one period of that clock after expires_at.",
            rule: Rule::S3,
            pass: Config {
                name: "shared-clock-every-1".into(),
                says: "Some hub advances the shared clock every millisecond, ε is 1 ms: no claim takes effect more than \
                       2 ms late, however long a hub is paused.",
                hubs: 2,
                epsilon: 1,
                shared_clock: Some(1),
                ..late(2)
            },
            fail: Config {
                name: "shared-clock-every-2".into(),
                says: "The shared clock is advanced every 2 ms: a paused hub's claim takes effect 3 ms late.",
                hubs: 2,
                epsilon: 1,
                shared_clock: Some(2),
                ..late(2)
            },
        },
        Bound {
            says: "Where what is decided is committed at once, a pruned handoff cannot be started again if retention is at \
                   least 2 ε: one hub's clock may be ahead where another's is behind.",
            rule: Rule::S4,
            pass: Config {
                name: "retention-2".into(),
                says: "Two hubs, ε 1 ms, retention 2 ms: a replay of what was pruned is refused as expired.",
                hubs: 2,
                witnesses: REFUSED,
                ..replayed(2)
            },
            fail: Config {
                name: "retention-1".into(),
                says: "Retention 1 ms: one hub prunes what another takes for new.",
                hubs: 2,
                ..replayed(1)
            },
        },
        Bound {
            says: "Where a start may be committed δ after it was decided, retention must be at least 2 ε + δ: a start that was \
                   doubled may be decided before and committed after.",
            rule: Rule::S4,
            pass: Config {
                name: "retention-3-delta-1".into(),
                says: "Two hubs, ε 1 ms, δ 1 ms, retention 3 ms: the double of a start comes to nothing.",
                witnesses: REFUSED,
                delta: Some(1),
                hubs: 2,
                ..replayed(3)
            },
            fail: Config {
                name: "retention-2-delta-1".into(),
                says: "Retention 2 ms: a start that was decided before the handoff was pruned is committed after, and the \
                       handoff is back.",
                delta: Some(1),
                hubs: 2,
                ..replayed(2)
            },
        },
        Bound {
            says: "A single hub's clock may be paused too: it needs δ, if it decides anything else before it commits.",
            rule: Rule::S4,
            pass: Config {
                name: "retention-1-of-a-single-hub-delta-1".into(),
                says: "One hub, δ 1 ms, retention 1 ms: the double of a start comes to nothing.",
                epsilon: 0,
                delta: Some(1),
                ..replayed(1)
            },
            fail: Config {
                name: "retention-0-of-a-single-hub-delta-1".into(),
                says: "No retention: a start that the hub decided before it pruned the handoff is committed after.",
                epsilon: 0,
                delta: Some(1),
                ..replayed(0)
            },
        },
        Bound {
            says: "The same with twice as much ε: retention must be at least 4.",
            rule: Rule::S4,
            pass: Config {
                name: "retention-4-epsilon-2".into(),
                says: "Two hubs, ε 2 ms, retention 4 ms: a replay of what was pruned is refused as expired.",
                hubs: 2,
                epsilon: 2,
                time: (5, 11),
                ..replayed(4)
            },
            fail: Config {
                name: "retention-3-epsilon-2".into(),
                says: "Retention 3 ms: one hub prunes what another takes for new.",
                hubs: 2,
                epsilon: 2,
                time: (5, 11),
                ..replayed(3)
            },
        },
        Bound {
            says: "A single hub that commits what it decides before it decides anything else may prune at once, because its clock \
                   never goes back behind what it has decided with.",
            rule: Rule::S4,
            pass: Config {
                name: "mark-kept".into(),
                says: "The hub's clock steps back by 2 ms and the hub restarts: its mark is kept, a replay is refused.",
                faults: Faults { clock_steps: 1, crashes: 1, ..Faults::NONE },
                witnesses: REFUSED,
                ..known()
            },
            fail: Config {
                name: "mark-lost".into(),
                says: "The mark is lost in the restart, the clock has stepped back, and a pruned handoff is started again.",
                faults: Faults { clock_steps: 1, crashes: 1, ..Faults::NONE },
                trust: Trust { keeps_mark: false, ..Trust::PROTOCOL },
                ..known()
            },
        },
    ]
}
