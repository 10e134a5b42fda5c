//! A slot: room for one answer. One side fills it, once; the other awaits it as a future, waits for it as a thread,
//! or looks whether it has come. Whoever goes without filling it has abandoned it, and the other side is told.

use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::sync::{Arc, Condvar, Mutex, lock, wait};

/// A slot's two sides.
pub fn slot<T>() -> (Filler<T>, Waiter<T>) {
    let shared = Arc::new(Shared { state: Mutex::new(State::Empty), filled: Condvar::new() });
    (Filler { shared: Some(Arc::clone(&shared)) }, Waiter { shared })
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    /// For a thread that waits.
    filled: Condvar,
}

#[derive(Debug)]
enum State<T> {
    /// Nothing has come, and nobody has waited yet.
    Empty,
    /// Nothing has come, and a task is to be woken when it does.
    Task(Waker),
    /// Nothing has come, and a thread is to be woken when it does.
    Thread,
    /// It has come.
    Full(T),
    /// Nothing will come any more: it was taken, or abandoned.
    Over,
}

impl<T> Shared<T> {
    /// Puts the end on record, and then wakes whoever waits: it must find it when it looks again.
    fn end(&self, end: State<T>) {
        let before = mem::replace(&mut *lock(&self.state), end);
        match before {
            State::Task(waker) => waker.wake(),
            State::Thread => self.filled.notify_one(),
            State::Empty | State::Full(_) | State::Over => {}
        }
    }
}

/// The side that fills the slot. Dropped before it did, it has abandoned it.
#[derive(Debug)]
pub struct Filler<T> {
    /// None once it is filled.
    shared: Option<Arc<Shared<T>>>,
}

impl<T> Filler<T> {
    /// Fills the slot. If the other side has gone, nobody hears it.
    pub fn fill(mut self, value: T) {
        if let Some(shared) = self.shared.take() {
            shared.end(State::Full(value));
        }
    }
}

impl<T> Drop for Filler<T> {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.end(State::Over);
        }
    }
}

/// The side that waits. As a future it ends with what the slot was filled with, or with none if it was abandoned.
#[derive(Debug)]
#[must_use = "nobody else can wait for it"]
pub struct Waiter<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Waiter<T> {
    /// Looks, and does not wait: what a future's poll would say, but nobody is woken later.
    pub fn look(&mut self) -> Poll<Option<T>> {
        let mut state = lock(&self.shared.state);
        match mem::replace(&mut *state, State::Over) {
            State::Full(value) => Poll::Ready(Some(value)),
            State::Over => Poll::Ready(None),
            waiting @ (State::Empty | State::Task(_) | State::Thread) => {
                *state = waiting;
                Poll::Pending
            }
        }
    }

    /// Blocks this thread until the slot is filled or abandoned.
    #[must_use]
    pub fn wait(self) -> Option<T> {
        let mut state = lock(&self.shared.state);
        loop {
            match mem::replace(&mut *state, State::Thread) {
                State::Full(value) => return Some(value),
                State::Over => return None,
                State::Empty | State::Task(_) | State::Thread => {
                    state = wait(&self.shared.filled, state);
                }
            }
        }
    }
}

impl<T> Future for Waiter<T> {
    type Output = Option<T>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = lock(&self.shared.state);
        match mem::replace(&mut *state, State::Over) {
            State::Full(value) => Poll::Ready(Some(value)),
            State::Over => Poll::Ready(None),
            before @ (State::Empty | State::Task(_) | State::Thread) => {
                *state = State::Task(context.waker().clone());
                drop(state);
                // A waker that is dropped may run others' code: not under the lock.
                drop(before);
                Poll::Pending
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_filled_in_is_taken_once_and_an_abandoned_slot_says_so() {
        let (filler, mut waiter) = slot();
        assert_eq!(waiter.look(), Poll::Pending);
        filler.fill(7);
        assert_eq!(waiter.look(), Poll::Ready(Some(7)));
        assert_eq!(waiter.look(), Poll::Ready(None), "it was taken");

        let (filler, waiter) = slot::<u8>();
        drop(filler);
        assert_eq!(waiter.wait(), None);
    }

    #[test]
    fn a_thread_waits_for_what_another_fills_in() {
        let (filler, waiter) = slot();
        let other = std::thread::spawn(move || filler.fill("done"));
        assert_eq!(waiter.wait(), Some("done"));
        other.join().unwrap();
    }

    #[test]
    fn of_two_wakers_the_last_one_is_woken() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        struct Count(AtomicUsize);
        impl std::task::Wake for Count {
            fn wake(self: Arc<Self>) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let [first, last] = [0; 2].map(|_| Arc::new(Count(AtomicUsize::new(0))));
        let (filler, mut waiter) = slot();
        for count in [&first, &last] {
            let waker = Waker::from(Arc::clone(count));
            assert!(Pin::new(&mut waiter).poll(&mut Context::from_waker(&waker)).is_pending());
        }
        filler.fill(());
        assert_eq!([first, last].map(|count| count.0.load(Ordering::Relaxed)), [0, 1]);
        assert_eq!(
            Pin::new(&mut waiter).poll(&mut Context::from_waker(Waker::noop())),
            Poll::Ready(Some(()))
        );
    }
}
