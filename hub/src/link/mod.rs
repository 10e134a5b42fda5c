//! The link: between the many who ask and the one thread that owns the relay.
//!
//! ```text
//!   askers --ask--> [ bounded queue ] --> desk: submit*, tick, drain -> answers
//!          <------- slot per ticket --          commit        -> answers
//! ```
//!
//! Requests that queue up while a commit is flushed are decided together and share the next one. Nothing here
//! decides anything: a request goes in, its reply comes out.
//!
//! All that threads share in this hub is here: the [`queue`], the [`slot`]s, and the tickets. No runtime is:
//! an asker's future is woken by whatever polls it. So `tests/loom` can run all of it, desk and kernel included,
//! through every order that the threads could take.

pub mod desk;
pub mod machine;
pub mod queue;
pub mod slot;
mod sync;

use std::sync::atomic::Ordering;

use crate::request::{Reply, Request, Ticket};
use desk::{Desk, Message};
use machine::Machine;
use queue::{NotSent, Sender};
use sync::{Arc, AtomicU64};

/// How many requests may wait for the relay. A full queue is told at once: better than a long silence.
const QUEUE: usize = 4096;

const FULL: &str = "The hub has too much to do; ask again.";

const STOPPED: &str = "The hub has stopped, and nothing of this was done; ask again when it is back.";

/// The desk is gone, and with it the knowledge of how far this got.
const UNKNOWN: &str =
    "The hub has stopped before it could say whether this was done; ask again with the same ids.";

/// A handle on the desk, for those who ask.
#[derive(Debug, Clone)]
pub struct Link {
    queue: Sender<Message>,
    tickets: Arc<AtomicU64>,
}

impl Link {
    /// A desk that drives this machine, for the thread that is to run it, and a handle on it.
    #[must_use]
    pub fn to<M: Machine>(machine: M) -> (Self, Desk<M>) {
        let (queue, inbox) = queue::queue(QUEUE);
        (Self { queue, tickets: Arc::new(AtomicU64::new(0)) }, Desk::new(machine, inbox))
    }

    /// Asks the relay, and waits for its reply. Whoever drops this future no longer waits, and the relay hears of
    /// it; a command may have been carried out all the same.
    pub async fn ask(&self, request: Request) -> Reply {
        let ticket = Ticket(self.tickets.fetch_add(1, Ordering::Relaxed));
        let (reply, answer) = slot::slot();
        match self.queue.try_push(Message::Ask { ticket, request: Box::new(request), reply }) {
            Ok(()) => {}
            Err(NotSent::Full) => return Reply::Unavailable(FULL.into()),
            Err(NotSent::Closed) => return Reply::Unavailable(STOPPED.into()),
        }
        let mut asked = Asked { link: self, ticket, waiting: true };
        let reply = answer.await;
        asked.waiting = false;
        reply.unwrap_or_else(|| Reply::Unavailable(UNKNOWN.into()))
    }

    /// Makes the relay tick, and waits until all that follows from it is written; whether that was so.
    #[cfg(feature = "testing")]
    pub async fn settle(&self) -> bool {
        let (done, settled) = slot::slot();
        self.queue.try_push(Message::Settle(done)).is_ok() && settled.await.is_some()
    }

    /// Answers every poll that waits, and lets none wait from now on.
    pub fn wind(&self) {
        self.last_word(Message::Wind);
    }

    /// Ends the desk, after what is in the queue.
    pub fn close(&self) {
        self.last_word(Message::Close);
    }

    /// Waits for room in the queue, for this must not be lost; the desk makes room unless it has gone.
    fn last_word(&self, message: Message) {
        let _ = self.queue.push(message);
    }
}

/// Tells the relay when its asker stops waiting.
struct Asked<'a> {
    link: &'a Link,
    ticket: Ticket,
    waiting: bool,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        if self.waiting {
            // With a full queue the poll is forgotten when its wait has run out, and its answer goes nowhere.
            let _ = self.link.queue.try_push(Message::Cancel(self.ticket));
        }
    }
}
