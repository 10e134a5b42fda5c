//! One slot, two threads.

use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;
use std::sync::Arc;
use std::task::Poll;

use super::{Seen, UNBOUNDED, block_on, explore, poll};
use handoff_hub::link::queue::queue;
use handoff_hub::link::slot::slot;
use std::pin::pin;
use std::time::Duration;

/// Unbounded. Fails when the slot forgets to wake the task.
#[test]
fn an_asker_who_polls_and_parks_is_woken_by_the_answer() {
    explore("answer wakes", UNBOUNDED, 6, || {
        let (filler, waiter) = slot();
        let other = thread::spawn(move || filler.fill(7));
        assert_eq!(block_on(waiter), Some(7));
        other.join().unwrap();
    });
}

/// Unbounded. Fails when a filler that is dropped says nothing.
#[test]
fn an_asker_who_polls_and_parks_is_woken_when_nobody_will_answer() {
    explore("abandoned wakes", UNBOUNDED, 6, || {
        let (filler, waiter) = slot::<u8>();
        let other = thread::spawn(move || drop(filler));
        assert_eq!(block_on(waiter), None);
        other.join().unwrap();
    });
}

/// Unbounded. A task may go from one waker to another: it is the newer one that is woken. Fails when the slot keeps
/// the first waker.
#[test]
fn an_asker_who_polls_from_another_thread_is_woken_there() {
    explore("moved and woken", UNBOUNDED, 12, || {
        let (filler, mut waiter) = slot();
        let other = thread::spawn(move || filler.fill(7));
        let first = thread::spawn(move || {
            let came = poll(pin!(&mut waiter));
            (came, waiter)
        });
        let came = match first.join().unwrap() {
            (Poll::Ready(came), _) => came,
            (Poll::Pending, waiter) => block_on(waiter),
        };
        assert_eq!(came, Some(7));
        other.join().unwrap();
    });
}

/// Unbounded. This is how a flush in the background is handed over to whoever has nothing to do until then. What the
/// background did is seen after it: the flag is `Relaxed`, so that nothing but the slot carries it over. Fails when
/// the slot forgets to notify the thread, and when it is filled before the flush.
#[test]
fn a_thread_that_waits_for_what_is_done_in_the_background_is_woken_and_sees_it_done() {
    explore("hand-over by waiting", UNBOUNDED, 8, || {
        let flushed = Arc::new(AtomicBool::new(false));
        let (filler, waiter) = slot();
        let background = thread::spawn({
            let flushed = Arc::clone(&flushed);
            move || {
                flushed.store(true, Ordering::Relaxed);
                filler.fill(());
            }
        });
        assert_eq!(waiter.wait(), Some(()));
        assert!(flushed.load(Ordering::Relaxed), "told before it was flushed");
        background.join().unwrap();
    });
}

/// Unbounded. This is how a flush in the background is handed over to whoever has other things to do: the slot is
/// filled, and then the queue is told. Whoever is woken through the queue and looks finds it filled, and never looks
/// again. Fails when the queue is told first, and when it forgets to wake its taker.
#[test]
fn what_is_done_in_the_background_is_there_when_the_queue_says_so() {
    let (waited, had_it) = (Seen::default(), Seen::default());
    let scenario = {
        let (waited, had_it) = (waited.clone(), had_it.clone());
        move || {
            let flushed = Arc::new(AtomicBool::new(false));
            let (filler, mut waiter) = slot();
            let (sender, mut inbox) = queue(2);
            let background = thread::spawn({
                let flushed = Arc::clone(&flushed);
                move || {
                    flushed.store(true, Ordering::Relaxed);
                    filler.fill(());
                    sender.try_push(()).unwrap();
                }
            });
            if waiter.look() == Poll::Ready(Some(())) {
                had_it.now();
            } else {
                waited.now();
                while inbox.take(1, Duration::ZERO).is_some_and(|taken| taken.is_empty()) {}
                assert_eq!(waiter.look(), Poll::Ready(Some(())));
            }
            assert!(flushed.load(Ordering::Relaxed), "told before it was flushed");
            background.join().unwrap();
        }
    };
    explore("hand-over by looking", UNBOUNDED, 38, scenario);
    assert!(waited.ever() && had_it.ever());
}
