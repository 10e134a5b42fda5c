//! The link: between the many who ask and the one thread that owns the relay.
//!
//! ```text
//!   handlers --ask--> [ bounded queue ] --> relay's thread: submit*, tick, drain -> answers
//!            <------- oneshot per ticket --                 commit        -> answers
//! ```
//!
//! Requests that queue up while a commit is flushed are decided together and share the next one. Nothing here
//! decides anything: a request goes in, its reply comes out.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::oneshot;

use super::notes::say;
use crate::clock::Clock;
use crate::relay::{Committed, Ready, Relay};
use crate::request::{Reply, Request, Ticket};
use crate::store::StoreDown;
use handoff_kernel::time::Millis;

/// How many requests may wait for the relay. A full queue is told at once: better than a long silence.
const QUEUE: usize = 4096;

/// How many requests share one commit at most, so that the first of them is not kept waiting by the last.
const BATCH: usize = 512;

/// The longest pause between two ticks: files that same-host agents move are noticed by then.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// What goes to the relay's thread.
enum Message {
    Ask {
        ticket: Ticket,
        request: Box<Request>,
        reply: oneshot::Sender<Reply>,
    },
    /// The asker has gone.
    Cancel(Ticket),
    /// Answers once the relay has ticked and all that follows from it is written.
    #[cfg(feature = "testing")]
    Settle(oneshot::Sender<()>),
    /// From now on nobody waits: polls that do are answered with none.
    Wind,
    /// The end.
    Close,
}

/// A handle on the relay's thread.
#[derive(Debug, Clone)]
pub(super) struct Link {
    queue: SyncSender<Message>,
    tickets: Arc<AtomicU64>,
}

/// How the relay's thread ended.
pub(super) type Ended = oneshot::Receiver<Result<(), StoreDown>>;

impl Link {
    /// Starts the thread. It ends when it is closed, or when the store goes down.
    ///
    /// # Errors
    /// When the system has no thread to give.
    pub(super) fn start<C: Clock + Send + 'static>(relay: Relay<C>) -> io::Result<(Self, Ended)> {
        let (queue, inbox) = sync_channel(QUEUE);
        let (tell, ended) = oneshot::channel();
        std::thread::Builder::new().name("relay".into()).spawn(move || {
            let result = Desk { relay, askers: BTreeMap::new(), winding: false }.run(&inbox);
            // The main task may have gone first.
            let _ = tell.send(result);
        })?;
        Ok((Self { queue, tickets: Arc::default() }, ended))
    }

    /// Asks the relay, and waits for its reply. Whoever drops this future no longer waits, and the relay hears of
    /// it; a command may have been carried out all the same.
    pub(super) async fn ask(&self, request: Request) -> Reply {
        let ticket = Ticket(self.tickets.fetch_add(1, Ordering::Relaxed));
        let (reply, answer) = oneshot::channel();
        if self.queue.try_send(Message::Ask { ticket, request: Box::new(request), reply }).is_err() {
            return Reply::Unavailable("The hub has too much to do, or is stopping; ask again.".into());
        }
        let mut asked = Asked { link: self, ticket, waiting: true };
        let reply = answer.await;
        asked.waiting = false;
        // The thread is gone, and with it the knowledge of how far this got.
        reply.unwrap_or_else(|_| Reply::Unavailable(UNKNOWN.into()))
    }

    /// Makes the relay tick, and waits until all that follows from it is written.
    #[cfg(feature = "testing")]
    pub(super) async fn settle(&self) -> bool {
        let (done, settled) = oneshot::channel();
        self.queue.try_send(Message::Settle(done)).is_ok() && settled.await.is_ok()
    }

    /// Answers every poll that waits, and lets none wait from now on.
    pub(super) fn wind(&self) {
        self.last_word(Message::Wind);
    }

    /// Ends the thread, after what is in the queue.
    pub(super) fn close(&self) {
        self.last_word(Message::Close);
    }

    /// Waits for room in the queue, for this must not be lost; the relay's thread makes room unless it has ended.
    fn last_word(&self, message: Message) {
        let _ = self.queue.send(message);
    }
}

const UNKNOWN: &str =
    "The hub has stopped before it could say whether this was done; ask again with the same ids.";

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
            let _ = self.link.queue.try_send(Message::Cancel(self.ticket));
        }
    }
}

/// The relay's thread, and who waits for what.
struct Desk<C: Clock> {
    relay: Relay<C>,
    askers: BTreeMap<Ticket, Asker>,
    winding: bool,
}

struct Asker {
    reply: oneshot::Sender<Reply>,
    poll: bool,
}

impl<C: Clock> Desk<C> {
    fn run(mut self, inbox: &Receiver<Message>) -> Result<(), StoreDown> {
        #[cfg(feature = "testing")]
        let mut settled: Vec<oneshot::Sender<()>> = Vec::new();
        let mut open = true;
        while open {
            let first = match inbox.recv_timeout(self.pause()) {
                Ok(message) => Some(message),
                Err(RecvTimeoutError::Timeout) => None,
                // Nobody is left who could ask.
                Err(RecvTimeoutError::Disconnected) => break,
            };
            for message in first.into_iter().chain(inbox.try_iter().take(BATCH)) {
                match message {
                    Message::Ask { ticket, request, reply } => self.submit(ticket, *request, reply),
                    Message::Cancel(ticket) => {
                        self.relay.cancel(ticket);
                        self.askers.remove(&ticket);
                    }
                    #[cfg(feature = "testing")]
                    Message::Settle(done) => settled.push(done),
                    Message::Wind => self.wind(),
                    Message::Close => open = false,
                }
            }
            self.relay.tick();
            let Ready(ready) = self.relay.drain();
            self.send(ready);
            match self.relay.commit() {
                Ok(Committed(committed)) => self.send(committed),
                Err(down) => return Err(self.down(inbox, down)),
            }
            #[cfg(feature = "testing")]
            for done in settled.drain(..) {
                let _ = done.send(());
            }
            self.relay.take_notes().iter().for_each(|note| say(note));
        }
        let Self { relay, mut askers, .. } = self;
        let (Committed(committed), result) = relay.close();
        answer(&mut askers, committed);
        result
    }

    fn pause(&mut self) -> Duration {
        self.relay.wake_in().map_or(LONGEST_PAUSE, |Millis(ms)| Duration::from_millis(ms).min(LONGEST_PAUSE))
    }

    fn submit(&mut self, ticket: Ticket, request: Request, reply: oneshot::Sender<Reply>) {
        let (request, poll) = match request {
            Request::Poll { by, wait } => {
                (Request::Poll { by, wait: if self.winding { Millis(0) } else { wait } }, true)
            }
            other @ (Request::Start { .. }
            | Request::Accept { .. }
            | Request::Complete { .. }
            | Request::Reject { .. }
            | Request::Get { .. }
            | Request::List { .. }
            | Request::Health) => (other, false),
        };
        self.askers.insert(ticket, Asker { reply, poll });
        self.relay.submit(ticket, request);
    }

    /// A poll whose answer is on its way already loses nothing by hearing none: polls change nothing.
    fn wind(&mut self) {
        self.winding = true;
        let polls: Vec<_> = self.askers.iter().filter(|(_, asker)| asker.poll).map(|(t, _)| *t).collect();
        for ticket in polls {
            self.relay.cancel(ticket);
            answer(&mut self.askers, vec![(ticket, Reply::Polled(None))]);
        }
    }

    fn send(&mut self, replies: Vec<(Ticket, Reply)>) {
        answer(&mut self.askers, replies);
    }

    /// The store is down: everybody who waits, here or in the queue, is told so, and nobody is acknowledged.
    fn down(&mut self, inbox: &Receiver<Message>, down: StoreDown) -> StoreDown {
        let sorry = || Reply::Unavailable(UNKNOWN.into());
        let asked = std::mem::take(&mut self.askers).into_values().map(|asker| asker.reply);
        let queued = inbox.try_iter().filter_map(|message| match message {
            Message::Ask { reply, .. } => Some(reply),
            #[cfg(feature = "testing")]
            Message::Settle(_) => None,
            Message::Cancel(_) | Message::Wind | Message::Close => None,
        });
        for reply in asked.chain(queued) {
            let _ = reply.send(sorry());
        }
        down
    }
}

/// Sends each reply to its asker; one who has gone does not hear it.
fn answer(askers: &mut BTreeMap<Ticket, Asker>, replies: Vec<(Ticket, Reply)>) {
    for (ticket, reply) in replies {
        if let Some(asker) = askers.remove(&ticket) {
            let _ = asker.reply.send(reply);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::TestClock;
    use crate::relay::Config;
    use crate::request::Health;
    use handoff_kernel::ident::AgentId;
    use handoff_kernel::time::Time;

    fn start(data: &std::path::Path) -> (Link, Ended) {
        let config = Config::on(data.to_owned());
        Link::start(Relay::open(&config, TestClock::at(Time(1))).unwrap()).unwrap()
    }

    fn poll(wait: u64) -> Request {
        Request::Poll { by: AgentId::parse("alice").unwrap(), wait: Millis(wait) }
    }

    fn run<F: Future>(future: F) -> F::Output {
        tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
    }

    #[test]
    fn a_reply_finds_its_asker_and_the_end_is_told() {
        let dir = tempfile::tempdir().unwrap();
        run(async {
            let (link, ended) = start(dir.path());
            assert_eq!(link.ask(Request::Health).await, Reply::Health(Health::Ready));
            assert_eq!(link.ask(poll(0)).await, Reply::Polled(None));
            link.close();
            assert_eq!(ended.await.unwrap(), Ok(()));
            assert!(
                matches!(link.ask(Request::Health).await, Reply::Unavailable(_)),
                "nobody is there any more"
            );
        });
    }

    #[test]
    fn winding_down_answers_those_who_wait_and_lets_nobody_wait() {
        let dir = tempfile::tempdir().unwrap();
        run(async {
            let (link, ended) = start(dir.path());
            // The test clock stands still: but for the winding down, these would wait for ever.
            let (waited, ()) = tokio::join!(link.ask(poll(50_000)), async { link.wind() });
            assert_eq!(waited, Reply::Polled(None));
            assert_eq!(link.ask(poll(50_000)).await, Reply::Polled(None));
            link.close();
            assert_eq!(ended.await.unwrap(), Ok(()));
        });
    }

    #[test]
    fn an_asker_who_goes_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        run(async {
            let (link, ended) = start(dir.path());
            let gone = tokio::time::timeout(Duration::from_millis(1), link.ask(poll(50_000))).await;
            assert!(gone.is_err());
            assert_eq!(link.ask(Request::Health).await, Reply::Health(Health::Ready));
            drop(link);
            assert_eq!(ended.await.unwrap(), Ok(()), "with nobody left to ask, the thread ends");
        });
    }
}
