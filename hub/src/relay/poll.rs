//! Polls: what is shown to a target, and who waits for it.

use handoff_kernel::ident::AgentId;
use handoff_kernel::law::Law;
use handoff_kernel::time::{Millis, Time};

use super::Relay;
use super::told::Told;
use crate::clock::Clock;
use crate::disk::Disk;
use crate::request::{Reply, Shown, Ticket};
use crate::store::Unreadable;

/// A poll that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) target: AgentId,
    /// In steady time.
    pub(super) until: Millis,
}

/// What a poll sees.
struct Look {
    shown: Option<Shown>,
    /// Whether one was passed over that is overdue.
    passed_over: bool,
    now: Time,
}

impl<C: Clock, D: Disk, L: Law> Relay<C, D, L> {
    pub(super) fn poll(&mut self, ticket: Ticket, by: AgentId, wait: Millis) {
        let Look { shown, passed_over, now } = self.oldest(&by);
        let waits = shown.is_none() && wait > Millis(0);
        self.tell_polled(ticket, by, shown.as_ref(), waits, now);
        if waits {
            let until = Millis(self.clock.steady().0.saturating_add(wait.0));
            self.waiting.insert(ticket, Waiting { target: by, until });
            return;
        }
        let reply = Reply::Polled(shown);
        if passed_over { self.held.push((ticket, reply)) } else { self.ready.push((ticket, reply)) }
    }

    /// The earliest-arrived pending handoff of this target that is not overdue (rule S12). One whose file cannot be read, or is no longer what was started, holds up nobody else.
    fn oldest(&mut self, target: &AgentId) -> Look {
        let now = self.clock.now();
        let (mut passed_over, mut unreadable) = (false, Vec::new());
        let mut shown = None;
        for record in self.store.pending_for(target) {
            if !self.law.open_to_claims(record, now) {
                passed_over = true;
                continue;
            }
            match self.store.artifact(record) {
                Ok(bytes) => {
                    shown = Some(Shown { handoff: record.id, digest: record.digest, bytes });
                    break;
                }
                Err(Unreadable(error)) => unreadable.push((record.id, error)),
            }
        }
        for (handoff, error) in unreadable {
            self.notes.push(format!("{handoff} is not shown, for its file cannot be delivered: {error}."));
        }
        Look { shown, passed_over, now }
    }

    fn tell_polled(
        &mut self,
        ticket: Ticket,
        target: AgentId,
        shown: Option<&Shown>,
        waits: bool,
        now: Time,
    ) {
        let shown = shown.map(|shown| shown.handoff);
        self.teller.tell(|| Told::Polled { ticket, target, shown, waits, now });
    }

    /// Answers the polls that wait for this target, now that something is there.
    pub(super) fn wake(&mut self, target: &AgentId) {
        let tickets: Vec<_> =
            self.waiting.iter().filter(|(_, w)| w.target == *target).map(|(t, _)| *t).collect();
        if tickets.is_empty() || !self.law.looks_again() {
            return;
        }
        let Look { shown, passed_over, now } = self.oldest(target);
        for ticket in tickets {
            self.tell_polled(ticket, *target, shown.as_ref(), shown.is_none(), now);
            let Some(shown) = &shown else { continue };
            self.waiting.remove(&ticket);
            let reply = Reply::Polled(Some(shown.clone()));
            if passed_over { self.held.push((ticket, reply)) } else { self.ready.push((ticket, reply)) }
        }
    }

    /// Answers the polls that have waited as long as they would. Each looks once more: what could not be read when it came
    /// may be readable now, and nobody is told none while there is one (rule L2).
    pub(super) fn end_waits(&mut self, now: Time, steady: Millis) {
        let over: Vec<_> =
            self.waiting.iter().filter(|(_, w)| w.until <= steady).map(|(t, w)| (*t, w.target)).collect();
        for (ticket, target) in over {
            self.waiting.remove(&ticket);
            if self.law.looks_again() {
                self.poll(ticket, target, Millis(0));
            } else {
                self.tell_polled(ticket, target, None, false, now);
                self.ready.push((ticket, Reply::Polled(None)));
            }
        }
    }
}
