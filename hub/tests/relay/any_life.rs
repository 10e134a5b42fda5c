//! Any sequence of requests, crashes and clock steps: the relay answers as `step` does on a record in memory, and
//! every history rule watches.

use std::collections::BTreeMap;

use handoff_hub::request::{Reply, Request};
use handoff_kernel::artifact::Artifact;
use handoff_kernel::command::{Answer, Command};
use handoff_kernel::history::{History, Seen};
use handoff_kernel::ident::{ClaimId, Digest, HandoffId, Wire};
use handoff_kernel::law::Protocol;
use handoff_kernel::operation::NotDone;
use handoff_kernel::record::{Record, State};
use handoff_kernel::refusal::Refusal;
use handoff_kernel::step::{Transition, step};
use handoff_kernel::time::{Millis, Time};
use proptest::prelude::*;

use crate::world::{BEGIN, World, accepting, agent, alice, artifact, claim, id, starting};

#[derive(Debug, Clone)]
enum Act {
    Start { handoff: u8, other_bytes: bool },
    Accept { handoff: u8, claim_id: u8 },
    Complete { handoff: u8, claim_id: u8, result: u8 },
    Reject { handoff: u8, claim_id: u8, reason: u8 },
    Poll,
    Wait { ms: u16 },
    ClockBack { ms: u16 },
    Crash,
}

fn act() -> impl Strategy<Value = Act> {
    let handoff = || 0..4_u8;
    let small = || 0..3_u8;
    prop_oneof![
        4 => (handoff(), proptest::bool::weighted(0.1)).prop_map(|(handoff, other_bytes)| Act::Start { handoff, other_bytes }),
        6 => (handoff(), small()).prop_map(|(handoff, claim_id)| Act::Accept { handoff, claim_id }),
        4 => (handoff(), small(), small()).prop_map(|(handoff, claim_id, result)| Act::Complete { handoff, claim_id, result }),
        2 => (handoff(), small(), small()).prop_map(|(handoff, claim_id, reason)| Act::Reject { handoff, claim_id, reason }),
        2 => Just(Act::Poll),
        3 => (0..900_u16).prop_map(|ms| Act::Wait { ms }),
        1 => (0..2000_u16).prop_map(|ms| Act::ClockBack { ms }),
        2 => Just(Act::Crash),
    ]
}

/// The relay, and what `step` alone makes of the same requests.
struct Both {
    world: World,
    wall: Time,
    newest: Time,
    /// The newest time that anything was decided with that can be held against the hub after a crash: a change, or
    /// an answer that says that something is overdue.
    kept: Time,
    records: BTreeMap<HandoffId, Record<Wire>>,
    history: History<Wire>,
    /// A nonce of its own for each accept, as every driver gives it.
    attempts: u64,
}

impl Both {
    fn new(janitor: bool) -> Self {
        let world = if janitor { World::new() } else { World::without_janitor() };
        Self {
            world,
            wall: BEGIN,
            newest: BEGIN,
            kept: BEGIN,
            records: BTreeMap::new(),
            history: History::default(),
            attempts: 0,
        }
    }

    fn set_clock(&mut self, wall: Time) {
        self.wall = wall;
        self.newest = self.newest.max(wall);
        self.world.clock.set(wall);
    }

    /// Asks both and compares; feeds the history.
    fn ask(&mut self, handoff: HandoffId, command: &Command<Wire>, request: Request) {
        let expected = match step(&Protocol, self.records.get(&handoff), command, self.newest) {
            Ok(Transition::To { next, event, answer }) => {
                self.history.observe(&Seen::Committed { command, next: &next, event: &event }).unwrap();
                self.records.insert(handoff, next);
                self.kept = self.newest;
                answer
            }
            Ok(Transition::Same(answer)) => Ok(answer),
            Err(refusal) => {
                if refusal == Refusal::Expired && !self.records.contains_key(&handoff) {
                    self.kept = self.newest;
                }
                Err(refusal)
            }
        };
        let verdict = match self.world.verdict(request) {
            Ok(answer) => Ok(answer),
            Err(NotDone::Refused(refusal)) => Err(refusal),
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(verdict, expected, "{command:?}");
        let seen = Seen::Answered {
            operation: None,
            handoff: &handoff,
            command,
            verdict: &verdict,
            now: self.newest,
        };
        self.history.observe(&seen).unwrap();
    }

    /// What the janitor does, on the records alone.
    fn sweep(&mut self) {
        for record in self.records.values_mut() {
            let swept = step(&Protocol, Some(record), &Command::Sweep, self.newest);
            if let Ok(Transition::To { next, event, .. }) = swept {
                self.history
                    .observe(&Seen::Committed { command: &Command::Sweep, next: &next, event: &event })
                    .unwrap();
                *record = next;
                self.kept = self.newest;
            }
        }
    }

    fn act(&mut self, act: &Act, janitor: bool) {
        let claim_id = |n: u8| -> Option<ClaimId> { if n == 0 { None } else { claim(&format!("c{n}")) } };
        let name = |handoff: u8| format!("h{handoff}");
        let by = agent("alice");
        match act {
            Act::Start { handoff, other_bytes } => {
                let lives = Millis([500, 1500, 60_000, 60_000][usize::from(*handoff)]);
                let ttl = [None, Some(1), Some(1), None][usize::from(*handoff)];
                let mut bytes = artifact(&name(*handoff), lives, ttl);
                if *other_bytes {
                    bytes.push(b' ');
                }
                let start = Artifact::parse(&bytes).unwrap().header().start();
                let command = Command::Start { sender: agent("bob"), artifact: start };
                self.ask(id(&name(*handoff)), &command, starting(&bytes));
            }
            Act::Accept { handoff, claim_id: n } => {
                self.attempts += 1;
                let command =
                    Command::Accept { by, claim_id: claim_id(*n), attempt: self.attempts, receipt: None };
                self.ask(id(&name(*handoff)), &command, accepting(&name(*handoff), claim_id(*n)));
            }
            Act::Complete { handoff, claim_id: n, result } => {
                let result = Some(result.to_string().into());
                let handoff = id(&name(*handoff));
                let claim_id = claim_id(*n);
                let command = Command::Complete { by, claim_id, result, receipt: None };
                let Command::Complete { result, .. } = command.clone() else { unreachable!() };
                let request = Request::Complete { by: alice(), handoff, claim_id, result, receipt: None };
                self.ask(handoff, &command, request);
            }
            Act::Reject { handoff, claim_id: n, reason } => {
                let reason: std::sync::Arc<str> = format!("\"{reason}\"").into();
                let (handoff, claim_id) = (id(&name(*handoff)), claim_id(*n));
                let command = Command::Reject { by, claim_id, reason: reason.clone(), receipt: None };
                let request = Request::Reject { by: alice(), handoff, claim_id, reason, receipt: None };
                self.ask(handoff, &command, request);
            }
            Act::Poll => {
                let reply = self.world.ask(Request::Poll { by, wait: Millis(0) });
                let Reply::Polled(shown) = reply else { panic!("{reply:?}") };
                let handoff = shown.as_ref().map(|shown| shown.handoff);
                // Whoever is shown an earlier one is told nothing of those that are overdue.
                let before = |r: &Record<Wire>| {
                    handoff
                        .is_none_or(|shown| (r.started_at, r.id) < (self.records[&shown].started_at, shown))
                };
                let overdue = |r: &Record<Wire>| r.state == State::Pending && self.newest > r.expires_at;
                if self.records.values().any(|r| overdue(r) && before(r)) {
                    self.kept = self.newest;
                }
                let seen = Seen::Polled { target: &by, shown: handoff.as_ref(), now: self.newest };
                self.history.observe(&seen).unwrap();
                if let Some(shown) = shown {
                    let digest = Digest::of(&shown.bytes);
                    self.history
                        .observe(&Seen::Delivered { handoff: &shown.handoff, digest: &digest })
                        .unwrap();
                }
            }
            Act::Wait { ms } => self.set_clock(self.wall.plus(Millis(u64::from(*ms)))),
            Act::ClockBack { ms } => self.set_clock(Time(self.wall.0 - u64::from(*ms))),
            Act::Crash => {
                let world = std::mem::replace(&mut self.world, World::new());
                self.world = world.crash_as_it_was(janitor);
                self.newest = self.kept.max(self.wall);
                self.kept = self.newest;
            }
        }
        if janitor {
            self.world.turn();
            self.sweep();
        }
    }

    /// Every record is found in exactly one place, and says the same.
    fn compare(&mut self) {
        for handoff in 0..4 {
            let name = format!("h{handoff}");
            let found = self.world.files();
            let here: Vec<_> = found
                .iter()
                .filter_map(|file| file.split_once('/'))
                .filter(|(_, rest)| rest.split(['.', '~']).next() == Some(&name))
                .filter_map(|(directory, _)| match directory {
                    "handoff" => handoff_kernel::record::Status::from_name("pending"),
                    "claimed" => handoff_kernel::record::Status::from_name("claimed"),
                    "archive" => handoff_kernel::record::Status::from_name("completed"),
                    _ => handoff_kernel::record::Status::from_name("rejected"),
                })
                .collect();
            self.history.observe(&Seen::Located { handoff: &id(&name), statuses: &here }).unwrap();
            let mut expected = self.records.get(&id(&name)).cloned();
            let mut known = self.world.get(&name).map(Some).or_else(|refusal| {
                assert_eq!(refusal, Refusal::NotFound);
                Ok::<_, Refusal>(None)
            });
            // A claim's nonce is its driver's own.
            for record in [&mut expected, known.as_mut().unwrap()].into_iter().flatten() {
                if let State::Claimed(claim) | State::Completed { claim, .. } = &mut record.state {
                    claim.attempt = None;
                }
                if let State::Rejected(rejection) = &mut record.state {
                    use handoff_kernel::record::Rejection;
                    match rejection {
                        Rejection::Declined { claim: Some(claim), .. }
                        | Rejection::ClaimExpired { claim, .. } => {
                            claim.attempt = None;
                        }
                        Rejection::Declined { claim: None, .. } | Rejection::Expired { .. } => {}
                    }
                }
            }
            assert_eq!(known.unwrap(), expected);
            assert_eq!(here.first().copied(), expected.map(|record| record.status()));
        }
    }
}

fn live(acts: &[Act], janitor: bool) {
    let mut both = Both::new(janitor);
    for act in acts {
        both.act(act, janitor);
        both.compare();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1024, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_relay_answers_as_step_does_whatever_happens(acts in proptest::collection::vec(act(), 1..40), janitor: bool) {
        live(&acts, janitor);
    }
}

/// Answers are only compared if they are given: one known life, so that the comparison itself is seen to bite.
#[test]
fn a_known_life_goes_as_it_must() {
    let acts = [
        Act::Start { handoff: 2, other_bytes: false },
        Act::Accept { handoff: 2, claim_id: 1 },
        Act::Crash,
        Act::Accept { handoff: 2, claim_id: 1 },
        Act::Wait { ms: 899 },
        Act::Wait { ms: 102 },
        Act::Complete { handoff: 2, claim_id: 1, result: 0 },
    ];
    let mut both = Both::new(false);
    for act in &acts {
        both.act(act, false);
        both.compare();
    }
    assert_eq!(both.records[&id("h2")].finished_at(), Some(BEGIN.plus(Millis(1001))));
    let again = both.world.accept("h2", claim("c1"));
    assert_eq!(again, Err::<Answer<Wire>, _>(NotDone::Refused(Refusal::ClaimExpired)));
}
