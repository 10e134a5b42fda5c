//! The desk: what the one thread that owns the relay does all day, and who waits for what.
//!
//! A turn takes what has queued up, submits it, lets the relay tick, answers what rests on nothing unflushed, has the
//! rest written with one flush, and answers that. Whoever is not answered when the desk goes, for whatever reason,
//! here or in the queue, is told so: their slots are abandoned.

use std::collections::BTreeMap;
use std::time::Duration;

use super::machine::Machine;
use super::queue::Inbox;
use super::slot::Filler;
use crate::relay::{Committed, Ready};
use crate::request::{Reply, Request, Ticket};
use handoff_kernel::time::Millis;

/// How many requests share one commit at most, so that the first of them is not kept waiting by the last.
const BATCH: usize = 512;

/// The longest pause between two ticks: files that same-host agents move are noticed by then.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);

/// What goes to the desk.
#[derive(Debug)]
pub(super) enum Message {
    Ask {
        ticket: Ticket,
        request: Box<Request>,
        reply: Filler<Reply>,
    },
    /// The asker has gone.
    Cancel(Ticket),
    /// Filled once the relay has ticked and all that follows from it is written.
    #[cfg(feature = "testing")]
    Settle(Filler<()>),
    /// From now on nobody waits: polls that do are answered with none.
    Wind,
    /// The end.
    Close,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Desk<M> {
    inbox: Inbox<Message>,
    machine: M,
    askers: BTreeMap<Ticket, Asker>,
    winding: bool,
    #[cfg(feature = "testing")]
    settled: Vec<Filler<()>>,
}

#[derive(Debug)]
struct Asker {
    reply: Filler<Reply>,
    poll: bool,
}

impl<M: Machine> Desk<M> {
    pub(super) const fn new(machine: M, inbox: Inbox<Message>) -> Self {
        Self {
            inbox,
            machine,
            askers: BTreeMap::new(),
            winding: false,
            #[cfg(feature = "testing")]
            settled: Vec::new(),
        }
    }

    /// Works until it is closed, or until nobody is left who could ask. `say` hears what people should know.
    ///
    /// # Errors
    /// When the machine cannot go on: nobody is acknowledged, and everybody who waits is told so.
    pub fn run(mut self, say: impl Fn(&str)) -> Result<(), M::Down> {
        while self.turn(&say)? {}
        self.close()
    }

    /// Waits for requests, and serves those that have come; whether there is to be another turn.
    ///
    /// # Errors
    /// As [`Self::run`]. Whoever waits is told when the desk is dropped.
    pub fn turn(&mut self, say: impl Fn(&str)) -> Result<bool, M::Down> {
        let pause = self.pause();
        let Some(messages) = self.inbox.take(BATCH, pause) else { return Ok(false) };
        let mut open = true;
        for message in messages {
            match message {
                Message::Ask { ticket, request, reply } => self.submit(ticket, *request, reply),
                Message::Cancel(ticket) => {
                    self.machine.cancel(ticket);
                    self.askers.remove(&ticket);
                }
                #[cfg(feature = "testing")]
                Message::Settle(done) => self.settled.push(done),
                Message::Wind => self.wind(),
                Message::Close => open = false,
            }
        }
        self.machine.tick();
        let Ready(ready) = self.machine.drain();
        self.answer(ready);
        let Committed(committed) = self.machine.commit()?;
        self.answer(committed);
        #[cfg(feature = "testing")]
        self.settled.drain(..).for_each(|done| done.fill(()));
        self.machine.take_notes().iter().for_each(|note| say(note));
        Ok(open)
    }

    /// How many wait for an answer.
    #[must_use]
    pub fn askers(&self) -> usize {
        self.askers.len()
    }

    /// What it drives.
    #[must_use]
    pub const fn machine(&self) -> &M {
        &self.machine
    }

    fn pause(&mut self) -> Duration {
        self.machine
            .wake_in()
            .map_or(LONGEST_PAUSE, |Millis(ms)| Duration::from_millis(ms).min(LONGEST_PAUSE))
    }

    fn submit(&mut self, ticket: Ticket, request: Request, reply: Filler<Reply>) {
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
        self.machine.submit(ticket, request);
    }

    /// A poll whose answer is on its way already loses nothing by hearing none: polls change nothing.
    fn wind(&mut self) {
        self.winding = true;
        let polls: Vec<_> = self.askers.iter().filter(|(_, asker)| asker.poll).map(|(t, _)| *t).collect();
        for ticket in polls {
            self.machine.cancel(ticket);
            self.answer(vec![(ticket, Reply::Polled(None))]);
        }
    }

    fn answer(&mut self, replies: Vec<(Ticket, Reply)>) {
        answer(&mut self.askers, replies);
    }

    /// The last answers; then whoever is still in the queue came too late.
    fn close(self) -> Result<(), M::Down> {
        let Self { inbox: _late, machine, mut askers, .. } = self;
        let (Committed(committed), result) = machine.close();
        answer(&mut askers, committed);
        result
    }
}

/// Gives each reply to its asker; one who has gone does not hear it.
fn answer(askers: &mut BTreeMap<Ticket, Asker>, replies: Vec<(Ticket, Reply)>) {
    for (ticket, reply) in replies {
        if let Some(asker) = askers.remove(&ticket) {
            asker.reply.fill(reply);
        }
    }
}
