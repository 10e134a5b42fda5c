//! What a desk drives: the relay, seen from the thread that owns it. A test may put another machine there.

use crate::clock::Clock;
use crate::disk::Disk;
use crate::relay::{Committed, Ready, Relay};
use crate::request::{Request, Ticket};
use crate::store::StoreDown;
use handoff_kernel::law::Law;
use handoff_kernel::time::Millis;

/// A machine that is asked, and answers in batches: what each of these means stands with [`Relay`]'s own.
pub trait Machine {
    /// Why it cannot go on.
    type Down;

    /// Takes one request.
    fn submit(&mut self, ticket: Ticket, request: Request);
    /// The asker has gone.
    fn cancel(&mut self, ticket: Ticket);
    /// What time brings.
    fn tick(&mut self);
    /// The answers that depend on nothing unflushed.
    fn drain(&mut self) -> Ready;
    /// Writes and flushes what was decided, and answers it.
    ///
    /// # Errors
    /// Final: nobody is answered any more.
    fn commit(&mut self) -> Result<Committed, Self::Down>;
    /// How long until [`Self::tick`] has something to do; none when that is not foreseen.
    fn wake_in(&mut self) -> Option<Millis>;
    /// What people should know.
    fn take_notes(&mut self) -> Vec<String>;
    /// Stops, with the last answers.
    fn close(self) -> (Committed, Result<(), Self::Down>);
}

impl<C: Clock, D: Disk, L: Law> Machine for Relay<C, D, L> {
    type Down = StoreDown;

    fn submit(&mut self, ticket: Ticket, request: Request) {
        self.submit(ticket, request);
    }

    fn cancel(&mut self, ticket: Ticket) {
        self.cancel(ticket);
    }

    fn tick(&mut self) {
        self.tick();
    }

    fn drain(&mut self) -> Ready {
        self.drain()
    }

    fn commit(&mut self) -> Result<Committed, StoreDown> {
        self.commit()
    }

    fn wake_in(&mut self) -> Option<Millis> {
        self.wake_in()
    }

    fn take_notes(&mut self) -> Vec<String> {
        self.take_notes()
    }

    fn close(self) -> (Committed, Result<(), StoreDown>) {
        self.close()
    }
}
