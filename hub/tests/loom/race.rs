//! Two claimants and a sweeper race for one handoff, through queue, desk and the kernel's own operation machine.

use loom::thread;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::small::{Small, World, accept};
use super::{Seen, UNBOUNDED, block_on, explore};
use handoff_hub::link::Link;
use handoff_hub::request::{Health, Reply, Request};
use handoff_kernel::command::Answer;
use handoff_kernel::ident::Wire;
use handoff_kernel::operation::NotDone;
use handoff_kernel::record::{Record, Rejection, State};
use handoff_kernel::refusal::Refusal;

/// Who won in some execution.
#[derive(Clone, Default)]
struct Won {
    a: Seen,
    b: Seen,
    deadline: Seen,
}

/// Whether this claimant was told that it has won; else it was told, definitely, why not.
fn won(reply: &Reply, why: &mut Vec<Refusal>) -> bool {
    let Reply::Done(done) = reply else { panic!("no verdict: {reply:?}") };
    match &done.verdict {
        Ok(Answer::Claimed { .. }) => true,
        Err(NotDone::Refused(refusal)) => {
            why.push(*refusal);
            false
        }
        other => panic!("{other:?}"),
    }
}

/// One winner, or none and the deadline has passed; what was told is what is on record.
fn judge(seen: &Won, claims: &[&str], replies: &[Reply], record: &Record<Wire>) {
    let mut why = Vec::new();
    let winners: Vec<_> = claims
        .iter()
        .zip(replies)
        .filter(|(_, reply)| won(reply, &mut why))
        .map(|(claim, _)| *claim)
        .collect();
    match (&*winners, &record.state) {
        ([winner], State::Claimed(claim)) => {
            assert_eq!(claim.id.unwrap().as_str(), *winner);
            assert!(why.iter().all(|why| *why == Refusal::AlreadyClaimed), "{why:?}");
            if *winner == "a" { seen.a.now() } else { seen.b.now() }
        }
        ([], State::Rejected(Rejection::Expired { .. })) => {
            assert!(why.iter().all(|why| *why == Refusal::Expired), "{why:?}");
            seen.deadline.now();
        }
        other => panic!("{other:?}"),
    }
}

/// How the sweeper sweeps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sweeper {
    /// It lets the deadline pass, and the janitor, which is the desk's own tick, finds that.
    Waits,
    /// It also asks something, so that the desk ticks for nobody else's sake.
    Asks,
}

/// These claimants and this sweeper race, if there is one.
fn race(seen: &Won, claims: &[&'static str], sweeper: Option<Sweeper>) {
    let world = World::new();
    let (link, mut desk) = Link::to(Small::in_world(&world));
    let link = Arc::new(link);
    let tickets = claims.len() + usize::from(sweeper == Some(Sweeper::Asks));
    let claimants = claims.iter().map(|&claim| {
        let link = Arc::clone(&link);
        thread::spawn(move || block_on(link.ask(accept(claim))))
    });
    let claimants: Vec<_> = claimants.collect();
    let sweeper = sweeper.map(|sweeper| {
        let link = Arc::clone(&link);
        thread::spawn(move || {
            world.late.store(true, Ordering::Relaxed);
            if sweeper == Sweeper::Asks {
                assert_eq!(block_on(link.ask(Request::Health)), Reply::Health(Health::Ready));
            }
        })
    });
    while desk.machine().tickets() < tickets || desk.askers() > 0 {
        assert_eq!(desk.turn(|_| ()), Ok(true));
    }
    let replies: Vec<_> = claimants.into_iter().map(|claimant| claimant.join().unwrap()).collect();
    sweeper.into_iter().for_each(|sweeper| sweeper.join().unwrap());
    judge(seen, claims, &replies, desk.machine().record());
}

/// Unbounded. Fails when a write does not ask whether another was before it.
#[test]
fn of_two_claimants_one_wins() {
    let seen = Won::default();
    let scenario = {
        let seen = seen.clone();
        move || race(&seen, &["a", "b"], None)
    };
    explore("two claimants", UNBOUNDED, 36_395, scenario);
    assert!(seen.a.ever() && seen.b.ever() && !seen.deadline.ever());
}

/// Unbounded. Fails when a write does not ask whether another was before it.
#[test]
fn of_a_claimant_and_a_deadline_that_passes_one_wins() {
    let seen = Won::default();
    let scenario = {
        let seen = seen.clone();
        move || race(&seen, &["a"], Some(Sweeper::Waits))
    };
    explore("a claimant and a deadline", UNBOUNDED, 1_087, scenario);
    assert!(seen.a.ever() && seen.deadline.ever());
}

/// Bounded: at most two interruptions. Fails when a write does not ask whether another was before it. Without a
/// bound the search had no end after 800,000 executions.
#[test]
fn of_two_claimants_and_a_deadline_that_passes_one_wins_within_two_interruptions() {
    let seen = Won::default();
    let scenario = {
        let seen = seen.clone();
        move || race(&seen, &["a", "b"], Some(Sweeper::Waits))
    };
    explore("two claimants and a deadline", Some(2), 19_880, scenario);
    assert!(seen.a.ever() && seen.b.ever() && seen.deadline.ever());
}

/// Bounded: at most two interruptions. Fails when a write does not ask whether another was before it. It has a
/// thread's work more than the one before.
#[test]
fn of_two_claimants_and_a_sweeper_one_wins_within_two_interruptions() {
    let seen = Won::default();
    let scenario = {
        let seen = seen.clone();
        move || race(&seen, &["a", "b"], Some(Sweeper::Asks))
    };
    explore("two claimants and a sweeper", Some(2), 106_858, scenario);
    assert!(seen.a.ever() && seen.b.ever() && seen.deadline.ever());
}
