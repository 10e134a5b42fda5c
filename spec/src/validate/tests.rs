//! What is taken for a behaviour is what the kernel makes with some deadlines, and nothing else: looked through whole,
//! in a small world.

use std::collections::BTreeSet;
use std::rc::Rc;
use std::slice::from_ref;

use handoff_kernel::command::{Command, EventKind, Start};
use handoff_kernel::ident::Digest;
use handoff_kernel::law::{MAX_LIFETIME, Protocol};
use handoff_kernel::record::Record;
use handoff_kernel::rules::Rule;
use handoff_kernel::step::{Transition, step};
use handoff_kernel::time::{Millis, Time};

use super::life::{Logged, Told, in_order, live};

/// Around the shortest claim, and around the longest life, of what is started at 1.
const TIMES: [u64; 6] = [1, 2, 1002, 1003, MAX_LIFETIME.0 + 1, MAX_LIFETIME.0 + 2];

fn claims() -> [Option<Digest>; 3] {
    [None, Some(Digest::of(b"a")), Some(Digest::of(b"b"))]
}

fn told(seq: u64, at: u64, kind: EventKind, actor: Option<&str>, claim: Option<Digest>) -> Told {
    let (from, to): (Rc<str>, Rc<str>) = ("bob".into(), "alice".into());
    Told { seq, at: Time(at), kind, from, to, actor: actor.map(Rc::from), claim, recovered: false }
}

/// Every line there could be after this time.
fn lines(seq: u64, since: u64) -> Vec<Told> {
    let mut all = Vec::new();
    for at in TIMES.into_iter().filter(|at| *at >= since) {
        for kind in EventKind::ALL {
            let by_clock = matches!(kind, EventKind::Expired | EventKind::ClaimExpired);
            let actors = if by_clock { &[None][..] } else { &[Some("bob"), Some("alice"), Some("eve")] };
            for actor in actors {
                all.extend(claims().map(|claim| told(seq, at, kind, *actor, claim)));
            }
        }
    }
    all
}

fn commands(start: &Start<Logged>) -> Vec<Command<Logged>> {
    let mut all = vec![Command::Sweep];
    for by in ["bob", "alice", "eve"].map(Rc::<str>::from) {
        all.push(Command::Start { sender: by.clone(), artifact: start.clone() });
        for claim_id in claims() {
            all.push(Command::Accept { by: by.clone(), claim_id, attempt: (), receipt: None });
            all.push(Command::Complete { by: by.clone(), claim_id, result: None, receipt: None });
            all.push(Command::Reject { by: by.clone(), claim_id, reason: (), receipt: None });
        }
    }
    all
}

/// All that the kernel makes of what is on record, as the log tells it.
fn made(record: Option<&Record<Logged>>, start: &Start<Logged>, before: &[Told], all: &mut BTreeSet<String>) {
    all.insert(shown(before));
    let since = before.last().map_or(0, |line| line.at.0);
    for at in TIMES.into_iter().filter(|at| *at >= since) {
        for command in commands(start) {
            let Ok(Transition::To { next, event, .. }) = step(&Protocol, record, &command, Time(at)) else {
                continue;
            };
            let claim = next.claim().and_then(|claim| claim.id);
            let line = told(before.len() as u64 + 1, at, event.kind, event.actor.as_deref(), claim);
            made(Some(&next), start, &[before, &[line]].concat(), all);
        }
    }
}

fn shown(lines: &[Told]) -> String {
    lines
        .iter()
        .map(|line| format!("{:?} {:?} {:?} {:?}; ", line.at, line.kind, line.actor, line.claim))
        .collect()
}

#[test]
fn a_life_is_a_behaviour_exactly_when_the_kernel_makes_it_with_some_deadlines() {
    let mut behaviours = BTreeSet::new();
    let deadlines: BTreeSet<u64> = TIMES.into_iter().flat_map(|at| [at - 1, at, at + 1]).collect();
    for expires_at in deadlines.into_iter().map(Time) {
        for claim_ttl in [None, Some(Millis(1000)), Some(Millis(2000)), Some(Millis(u64::MAX))] {
            let (author, target) = ("bob".into(), "alice".into());
            let start = Start { id: (), author, target, digest: (), expires_at, claim_ttl };
            made(None, &start, &[], &mut behaviours);
            // Dropped by a same-host agent.
            made(Some(&start.pending(Time(0))), &start, &[], &mut behaviours);
        }
    }
    let (mut asked, mut level) = (0, vec![Vec::new()]);
    let mut taken = BTreeSet::from([String::new()]);
    while !level.is_empty() {
        let mut next = Vec::new();
        for life in level {
            let since = life.last().map_or(0, |line: &Told| line.at.0);
            for line in lines(life.len() as u64 + 1, since) {
                let longer = [&life[..], &[line]].concat();
                asked += 1;
                let lived = live(&longer, true);
                assert_eq!(lived.is_ok(), behaviours.contains(&shown(&longer)), "{}", shown(&longer));
                match lived {
                    Ok(()) => {
                        taken.insert(shown(&longer));
                        next.push(longer);
                    }
                    Err(dead) => {
                        assert_eq!(dead.seq, longer.len() as u64);
                        assert!(!dead.broken.is_empty());
                    }
                }
            }
        }
        level = next;
    }
    assert_eq!(taken, behaviours);
    assert!(asked > 20_000 && taken.len() > 300, "{asked} asked, {} behaviours", taken.len());
}

#[test]
fn what_is_wrong_is_said_by_the_rule_that_it_breaks() {
    let [_, a, b] = claims();
    let (bob, alice) = (Some("bob"), Some("alice"));
    let started = || told(1, 1, EventKind::Started, bob, None);
    let claimed = || told(2, 2, EventKind::Claimed, alice, a);
    let moved = Told { to: "carol".into(), actor: Some("carol".into()), ..claimed() };
    let of_another = Told { from: "carol".into(), ..claimed() };
    let to_another = Told { to: "carol".into(), ..told(2, 2, EventKind::Expired, None, None) };
    let week = MAX_LIFETIME.0;
    let cases: [(&str, Vec<Told>, Rule); 15] = [
        ("claimed twice", vec![started(), claimed(), told(3, 3, EventKind::Claimed, alice, b)], Rule::S1),
        ("claimed by its author", vec![started(), told(2, 2, EventKind::Claimed, bob, a)], Rule::S2),
        (
            "claimed later than any deadline",
            vec![started(), told(2, week + 2, EventKind::Claimed, alice, a)],
            Rule::S3,
        ),
        (
            "completed and then declined",
            vec![
                started(),
                claimed(),
                told(3, 3, EventKind::Completed, alice, a),
                told(4, 4, EventKind::Rejected, alice, a),
            ],
            Rule::S4,
        ),
        (
            "started again after its end",
            vec![
                started(),
                told(2, 2, EventKind::Rejected, alice, None),
                told(3, 9, EventKind::Started, bob, None),
            ],
            Rule::S4,
        ),
        (
            "completed and never claimed",
            vec![started(), told(2, 2, EventKind::Completed, alice, None)],
            Rule::S5,
        ),
        (
            "completed by another holder",
            vec![started(), claimed(), told(3, 3, EventKind::Completed, alice, b)],
            Rule::S6,
        ),
        ("addressed to another", vec![started(), moved], Rule::S8),
        ("from another", vec![started(), of_another], Rule::S8),
        ("expired as somebody else's", vec![started(), to_another], Rule::S8),
        (
            "declined under a claim that nobody made",
            vec![started(), told(2, 2, EventKind::Rejected, alice, a)],
            Rule::S10,
        ),
        ("started by another", vec![told(1, 1, EventKind::Started, alice, None)], Rule::S13),
        ("expired when it began", vec![started(), told(2, 1, EventKind::Expired, None, None)], Rule::S14),
        (
            "lapsed too soon",
            vec![started(), claimed(), told(3, 1002, EventKind::ClaimExpired, None, a)],
            Rule::S14,
        ),
        (
            "done by a stranger",
            vec![started(), told(2, 2, EventKind::Rejected, Some("eve"), None)],
            Rule::S16,
        ),
    ];
    for (what, life, rule) in cases {
        let dead = live(&life, true).unwrap_err();
        assert_eq!(dead.seq, life.len() as u64, "{what}");
        assert!(dead.broken.iter().any(|broken| broken.rule == rule), "{what}: {dead:?}");
        assert_eq!(dead.after, life.len().checked_sub(1).filter(|n| *n > 0).map(|n| n as u64), "{what}");
    }
}

#[test]
fn what_could_have_happened_instead_is_said_by_name() {
    let [_, a, b] = claims();
    let instead = |life: &[Told]| {
        let legal = live(life, true).unwrap_err().legal;
        legal.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let started = told(1, 1, EventKind::Started, Some("bob"), None);
    let claimed = told(2, 2, EventKind::Claimed, Some("alice"), a);
    let lost = told(3, 2000, EventKind::Completed, Some("alice"), b);
    let under = format!("under the claim {}", Digest::of(b"a"));
    assert_eq!(
        instead(&[started.clone(), claimed.clone(), lost.clone()]),
        [
            format!("completed by alice {under}"),
            format!("rejected by alice {under}"),
            format!("expired (claim_expired) {under}")
        ]
    );
    assert_eq!(instead(&[started.clone(), lost]), ["claimed by alice", "rejected by alice", "expired"]);
    let ended = told(2, 2, EventKind::Rejected, Some("alice"), None);
    assert!(instead(&[started, ended, claimed]).is_empty());
}

#[test]
fn a_log_whose_begin_is_gone_may_begin_anywhere_in_a_life_and_goes_on_from_there() {
    let [_, a, _] = claims();
    let first = [
        told(7, 2000, EventKind::Completed, Some("alice"), a),
        told(7, 2000, EventKind::Rejected, Some("alice"), a),
        told(7, 2000, EventKind::ClaimExpired, None, a),
    ];
    for line in first {
        assert!(live(from_ref(&line), true).is_err(), "{line:?}");
        assert_eq!(live(from_ref(&line), false), Ok(()), "{line:?}");
        let again = Told { seq: 8, ..line.clone() };
        assert!(live(&[line, again], false).is_err());
    }
}

#[test]
fn a_line_that_was_written_afterwards_stands_where_its_time_and_its_kind_put_it() {
    let [_, a, _] = claims();
    let late = |line: Told| Told { recovered: true, ..line };
    let (bob, alice) = (Some("bob"), Some("alice"));
    // All in one millisecond; and an ordinary line is never moved.
    let completed = told(1, 5, EventKind::Completed, alice, a);
    let claimed = told(2, 5, EventKind::Claimed, alice, a);
    let started = told(3, 5, EventKind::Started, bob, None);
    let seqs = |mut life: Vec<Told>| {
        in_order(&mut life);
        life.iter().map(|line| line.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(vec![completed.clone(), late(claimed.clone()), late(started.clone())]), [3, 2, 1]);
    assert_eq!(seqs(vec![completed.clone(), claimed.clone(), late(started.clone())]), [3, 1, 2]);
    assert_eq!(seqs(vec![completed, claimed, started]), [1, 2, 3]);
    // What was dropped may be older than any deadline allows a start to be.
    let old = late(told(2, 1, EventKind::Started, bob, None));
    let claimed = told(1, MAX_LIFETIME.0 + 9, EventKind::Claimed, alice, a);
    assert_eq!(live(&[old.clone(), claimed.clone()], true), Ok(()));
    assert!(live(&[Told { recovered: false, ..old.clone() }, claimed.clone()], true).is_err());
    assert!(live(&[Told { actor: Some("alice".into()), ..old }, claimed], true).is_err());
}
