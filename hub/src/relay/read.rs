//! Reads: one record, and its artifact, as far as the asker may know of it.

use handoff_kernel::ident::{AgentId, HandoffId, Wire};
use handoff_kernel::law::Law;
use handoff_kernel::record::Record;
use handoff_kernel::refusal::Refusal;
use handoff_kernel::step::seen_by;

use super::{Relay, unavailable};
use crate::clock::Clock;
use crate::disk::Disk;
use crate::request::{Reply, Story, Ticket};
use crate::store::{Loaded, Unreadable};

/// A request for one record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Read {
    pub(super) by: AgentId,
    pub(super) handoff: HandoffId,
    pub(super) artifact: bool,
    /// How often it has waited.
    pub(super) waits: u32,
}

/// What a same-host agent does to a file in one rename is a claim and its end, at the most.
const MOST_WAITS: u32 = 2;

impl<C: Clock, D: Disk, L: Law> Relay<C, D, L> {
    /// Answers, but not before what a same-host agent did with the file has been taken note of.
    pub(super) fn read(&mut self, ticket: Ticket, read: Read) {
        let now = self.clock.now();
        let waits = match self.load(&read.handoff, now) {
            Ok(Loaded::Adopt(_)) if self.busy.contains(&read.handoff) => true,
            Ok(Loaded::Adopt(adoption)) => self.adopt(&read.handoff, adoption, now),
            Ok(Loaded::Known(_)) | Err(_) => false,
        };
        if waits && read.waits < MOST_WAITS {
            self.reads.push((ticket, Read { waits: read.waits + 1, ..read }));
        } else {
            self.answer(ticket, &read);
        }
    }

    /// Answers what has waited; by the books, if it has waited for long enough.
    pub(super) fn answer_reads(&mut self) {
        for (ticket, read) in std::mem::take(&mut self.reads) {
            self.read(ticket, read);
        }
    }

    fn answer(&mut self, ticket: Ticket, read: &Read) {
        let reply = match self.get(&read.by, &read.handoff, read.artifact) {
            Ok(found) => Reply::Got(found.map(Box::new)),
            Err(unreadable) => unavailable(&unreadable),
        };
        self.ready.push((ticket, reply));
    }

    /// A record, as far as `by` may know of it.
    pub(super) fn get(
        &mut self,
        by: &AgentId,
        handoff: &HandoffId,
        artifact: bool,
    ) -> Result<Result<Story, Refusal>, Unreadable> {
        let now = self.clock.now();
        let found = match self.load(handoff, now)? {
            Loaded::Known(found) => found,
            // As it is on the books.
            Loaded::Adopt(_) => self.store.adopting(handoff),
        };
        let record: Record<Wire> = match seen_by(&self.law, found.as_ref().map(|stored| &stored.record), by) {
            Ok(record) => record.clone(),
            Err(refusal) => return Ok(Err(refusal)),
        };
        let artifact = if artifact { Some(self.store.artifact(&record)?) } else { None };
        Ok(Ok(Story { record, artifact }))
    }
}
