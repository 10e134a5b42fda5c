//! The queue alone: some threads put in, one takes out.

use loom::thread;
use std::sync::Arc;
use std::time::Duration;

use super::{Seen, UNBOUNDED, explore};
use handoff_hub::link::queue::{NotSent, queue};
use handoff_hub::link::slot::slot;

/// Under loom nobody's time runs out.
const TIME: Duration = Duration::ZERO;

/// Unbounded. Fails when a push does not wake the taker, when the last sender that goes does not, and when the taker
/// says that it sleeps a moment after it has looked.
#[test]
fn a_taker_that_waits_is_woken_by_every_push_and_by_the_last_sender_that_goes() {
    explore("taker is woken", UNBOUNDED, 32_841, || {
        let (sender, mut inbox) = queue(2);
        let other = sender.clone();
        let pushing = [thread::spawn(move || sender.try_push(1)), thread::spawn(move || other.try_push(2))];
        let mut came = Vec::new();
        while let Some(taken) = inbox.take(2, TIME) {
            came.extend(taken);
        }
        came.sort_unstable();
        assert_eq!(came, [1, 2], "each once");
        for pushed in pushing {
            assert_eq!(pushed.join().unwrap(), Ok(()), "there was room for all");
        }
    });
}

/// Unbounded. Fails when the taker does not wake those who wait for room.
#[test]
fn senders_that_wait_for_room_are_woken_when_there_is_some() {
    explore("room is told", UNBOUNDED, 64_702, || {
        let (sender, mut inbox) = queue(1);
        sender.try_push(0).unwrap();
        let sender = Arc::new(sender);
        let pushing = [1, 2].map(|n| {
            let sender = Arc::clone(&sender);
            thread::spawn(move || sender.push(n))
        });
        let mut came = Vec::new();
        while came.len() < 3 {
            came.extend(inbox.take(3, TIME).unwrap());
        }
        assert_eq!(came.remove(0), 0);
        came.sort_unstable();
        assert_eq!(came, [1, 2]);
        for pushed in pushing {
            assert_eq!(pushed.join().unwrap(), Ok(()));
        }
    });
}

/// Unbounded. One message is inside, one sender waits for room, another does not wait: when the taker goes, none of
/// the three is left without an answer. Fails when the taker goes without waking those who wait for room, or
/// without dropping what is inside.
#[test]
fn when_the_taker_goes_nobody_is_left_waiting() {
    let (full, closed, lost) = (Seen::default(), Seen::default(), Seen::default());
    let scenario = {
        let (full, closed, lost) = (full.clone(), closed.clone(), lost.clone());
        move || {
            let (sender, mut inbox) = queue(1);
            let other = sender.clone();
            let (first, answer) = slot();
            sender.try_push(first).unwrap();
            let waits = thread::spawn(move || {
                let (second, answer) = slot();
                (sender.push(second), answer.wait())
            });
            let does_not = thread::spawn(move || {
                let (third, answer) = slot();
                (other.try_push(third), answer.wait())
            });
            for filler in inbox.take(1, TIME).unwrap() {
                filler.fill(());
            }
            drop(inbox);
            assert_eq!(answer.wait(), Some(()));
            match waits.join().unwrap() {
                (Ok(()), None) => lost.now(),
                (Err(NotSent::Closed), None) => closed.now(),
                other => panic!("{other:?}"),
            }
            match does_not.join().unwrap() {
                (Ok(()), None) => lost.now(),
                (Err(NotSent::Closed), None) => closed.now(),
                (Err(NotSent::Full), None) => full.now(),
                other => panic!("{other:?}"),
            }
        }
    };
    explore("taker goes", UNBOUNDED, 26_075, scenario);
    assert!(full.ever() && closed.ever() && lost.ever());
}

/// Unbounded. One at a time is taken, so the taker goes to sleep and is woken between any two. Fails when a push does
/// not wake the taker.
#[test]
fn messages_of_one_sender_come_in_its_order_and_none_is_lost() {
    explore("in order", UNBOUNDED, 476, || {
        let (sender, mut inbox) = queue(3);
        let pushing = thread::spawn(move || [1, 2, 3].map(|n| sender.try_push(n)));
        let mut came = Vec::new();
        while let Some(taken) = inbox.take(1, TIME) {
            assert!(taken.len() <= 1);
            came.extend(taken);
        }
        assert_eq!(came, [1, 2, 3]);
        assert_eq!(pushing.join().unwrap(), [Ok(()); 3]);
    });
}
