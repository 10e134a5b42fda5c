//! Polls: what is shown to a target, and who waits for it.

use handoff_kernel::ident::AgentId;
use handoff_kernel::law::Law;
use handoff_kernel::time::Millis;

use super::Relay;
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

impl<C: Clock, D: Disk, L: Law> Relay<C, D, L> {
    pub(super) fn poll(&mut self, ticket: Ticket, by: AgentId, wait: Millis) {
        let (shown, passed_over) = self.oldest(&by);
        if shown.is_none() && wait > Millis(0) {
            let until = Millis(self.clock.steady().0.saturating_add(wait.0));
            self.waiting.insert(ticket, Waiting { target: by, until });
            return;
        }
        let reply = Reply::Polled(shown);
        if passed_over { self.held.push((ticket, reply)) } else { self.ready.push((ticket, reply)) }
    }

    /// The earliest-arrived pending handoff of this target that is not overdue (rule S12); and whether an overdue
    /// one was passed over. One whose file cannot be read, or is no longer what was started, holds up nobody else.
    fn oldest(&mut self, target: &AgentId) -> (Option<Shown>, bool) {
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
        (shown, passed_over)
    }

    /// Answers the polls that wait for this target, now that something is there.
    pub(super) fn wake(&mut self, target: &AgentId) {
        let tickets: Vec<_> =
            self.waiting.iter().filter(|(_, w)| w.target == *target).map(|(t, _)| *t).collect();
        if tickets.is_empty() || !self.law.looks_again() {
            return;
        }
        let (Some(shown), passed_over) = self.oldest(target) else { return };
        for ticket in tickets {
            self.waiting.remove(&ticket);
            let reply = Reply::Polled(Some(shown.clone()));
            if passed_over { self.held.push((ticket, reply)) } else { self.ready.push((ticket, reply)) }
        }
    }

    /// Answers the polls that have waited as long as they would.
    pub(super) fn end_waits(&mut self, steady: Millis) {
        let over: Vec<_> = self.waiting.iter().filter(|(_, w)| w.until <= steady).map(|(t, _)| *t).collect();
        for ticket in over {
            self.waiting.remove(&ticket);
            self.ready.push((ticket, Reply::Polled(None)));
        }
    }
}
