//! The queue: many put messages in, one takes them out, several at a time. It has an end of room, and it ends: when
//! the one who takes goes, and when the last one who puts goes.
//!
//! What is in it when the taker goes is dropped, and whoever puts something in afterwards is told. So if a message
//! carries the filler of a slot, its slot is filled or abandoned whatever happens.

use std::collections::VecDeque;
use std::mem;
use std::time::Duration;

use super::sync::{Arc, Condvar, Mutex, lock, wait, wait_at_most};

/// A queue's two ends, with room for so many messages.
#[must_use]
pub fn queue<T>(room: usize) -> (Sender<T>, Inbox<T>) {
    let state = State { messages: VecDeque::new(), senders: 1, open: true, asleep: false, crowd: 0 };
    let shared = Arc::new(Shared {
        state: Mutex::new(state),
        room,
        something_came: Condvar::new(),
        room_was_made: Condvar::new(),
    });
    (Sender { shared: Arc::clone(&shared) }, Inbox { shared })
}

#[derive(Debug)]
struct Shared<T> {
    state: Mutex<State<T>>,
    room: usize,
    /// For the taker: a message has come, or the last sender has gone.
    something_came: Condvar,
    /// For senders that wait: there is room, or the taker has gone.
    room_was_made: Condvar,
}

#[derive(Debug)]
struct State<T> {
    messages: VecDeque<T>,
    senders: usize,
    /// The taker is there.
    open: bool,
    /// The taker waits: nobody else needs to be woken, which costs a call of the system.
    asleep: bool,
    /// So many senders wait for room.
    crowd: usize,
}

/// Why a message was not put in. It was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NotSent {
    /// There is no room now.
    Full,
    /// Nobody takes anything any more.
    Closed,
}

/// The end where messages are put in.
#[derive(Debug)]
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Sender<T> {
    /// Puts a message in if there is room now.
    ///
    /// # Errors
    /// When it was not put in, and was dropped.
    pub fn try_push(&self, message: T) -> Result<(), NotSent> {
        let mut state = lock(&self.shared.state);
        let refused = if !state.open {
            NotSent::Closed
        } else if state.messages.len() >= self.shared.room {
            NotSent::Full
        } else {
            state.messages.push_back(message);
            let asleep = mem::take(&mut state.asleep);
            drop(state);
            self.wake(asleep);
            return Ok(());
        };
        // The message is dropped without the lock: that may wake others, who come back here.
        drop(state);
        drop(message);
        Err(refused)
    }

    /// Puts a message in, and waits for room if there is none: for what must not be lost.
    ///
    /// # Errors
    /// When nobody takes anything any more: it was dropped.
    pub fn push(&self, message: T) -> Result<(), NotSent> {
        let mut state = lock(&self.shared.state);
        while state.open && state.messages.len() >= self.shared.room {
            state.crowd += 1;
            state = wait(&self.shared.room_was_made, state);
            state.crowd -= 1;
        }
        if !state.open {
            drop(state);
            drop(message);
            return Err(NotSent::Closed);
        }
        state.messages.push_back(message);
        let asleep = mem::take(&mut state.asleep);
        drop(state);
        self.wake(asleep);
        Ok(())
    }

    fn wake(&self, asleep: bool) {
        if asleep {
            self.shared.something_came.notify_one();
        }
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        lock(&self.shared.state).senders += 1;
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.senders -= 1;
        let last = state.senders == 0 && mem::take(&mut state.asleep);
        drop(state);
        self.wake(last);
    }
}

/// The end where messages are taken out. When it goes, the queue is closed.
#[derive(Debug)]
pub struct Inbox<T> {
    shared: Arc<Shared<T>>,
}

impl<T> Inbox<T> {
    /// Takes what is there, oldest first and so many at most; when there is nothing, it waits for something, but no
    /// longer than this. Nothing may come of that: the time is over, or the wait ended for no reason. None when
    /// nobody is left who could put anything in, and all is out.
    pub fn take(&mut self, limit: usize, time: Duration) -> Option<Vec<T>> {
        let mut state = lock(&self.shared.state);
        if state.messages.is_empty() && state.senders > 0 {
            state.asleep = true;
            state = wait_at_most(&self.shared.something_came, state, time);
            state.asleep = false;
        }
        if state.messages.is_empty() {
            return (state.senders > 0).then(Vec::new);
        }
        let count = state.messages.len().min(limit);
        let taken = state.messages.drain(..count).collect();
        let crowd = state.crowd > 0;
        drop(state);
        if crowd {
            self.shared.room_was_made.notify_all();
        }
        Some(taken)
    }
}

impl<T> Drop for Inbox<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.shared.state);
        state.open = false;
        let left = mem::take(&mut state.messages);
        drop(state);
        self.shared.room_was_made.notify_all();
        // Without the lock: that may wake others, who come back here.
        drop(left);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::slot::slot;
    use std::thread;

    const SOON: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_secs(600);

    #[test]
    fn messages_come_out_in_order_and_so_many_at_a_time_at_most() {
        let (sender, mut inbox) = queue(5);
        (0..5).for_each(|n| sender.try_push(n).unwrap());
        assert_eq!(sender.try_push(5), Err(NotSent::Full));
        assert_eq!(inbox.take(3, LONG), Some(vec![0, 1, 2]));
        sender.try_push(6).unwrap();
        assert_eq!(inbox.take(3, LONG), Some(vec![3, 4, 6]));
        assert_eq!(inbox.take(3, SOON), Some(vec![]), "the time is over");
        sender.try_push(7).unwrap();
        drop(sender);
        assert_eq!(inbox.take(3, LONG), Some(vec![7]), "what was put in is not lost");
        assert_eq!(inbox.take(3, LONG), None);
    }

    #[test]
    fn a_sender_waits_for_room_and_a_clone_keeps_the_queue_open() {
        let (sender, mut inbox) = queue(1);
        let other = sender.clone();
        let pushing = thread::spawn(move || (0..100).try_for_each(|n| other.push(n)));
        drop(sender);
        let mut came = Vec::new();
        while let Some(taken) = inbox.take(10, LONG) {
            came.extend(taken);
        }
        assert_eq!(came, (0..100).collect::<Vec<_>>());
        assert_eq!(pushing.join().unwrap(), Ok(()));
    }

    #[test]
    fn when_the_taker_goes_what_is_inside_is_dropped_and_senders_are_told() {
        let (sender, inbox) = queue(1);
        let (filler, waiter) = slot::<()>();
        sender.try_push(filler).unwrap();
        let late = sender.clone();
        let pushing = thread::spawn(move || late.push(slot().0));
        drop(inbox);
        assert_eq!(waiter.wait(), None);
        assert_eq!(pushing.join().unwrap(), Err(NotSent::Closed));
        assert_eq!(sender.try_push(slot().0), Err(NotSent::Closed));
    }
}
