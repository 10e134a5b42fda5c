//! What somebody sees who looks into the store and into every hub: nobody in the world can. For a generator that wants
//! something particular to happen.

use handoff_kernel::ident::{HandoffId, Wire};
use handoff_kernel::law::Law;
use handoff_kernel::operation::{Operation, Outcome, Stored};
use handoff_kernel::record::Record;
use handoff_kernel::time::Time;

use super::Several;

/// A command on its way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OnItsWay<'a, L: Law> {
    /// Its number.
    pub(crate) number: u32,
    pub(crate) hub: usize,
    pub(crate) operation: &'a Operation<Wire, L>,
    /// What the store has answered, which its hub has not taken yet.
    pub(crate) heard: Option<&'a Outcome<Wire>>,
}

impl<L: Law> Several<L> {
    /// What the store has.
    pub(crate) fn stored(&self, handoff: &HandoffId) -> Option<&Stored<Wire>> {
        self.store.get(handoff)
    }

    /// The commands that are on their way to this handoff, the oldest first.
    pub(crate) fn on_their_way(&self, handoff: &HandoffId) -> impl Iterator<Item = OnItsWay<'_, L>> {
        let of_it = self.running.iter().filter(move |(_, running)| running.operation.handoff() == handoff);
        of_it.map(|(number, running)| OnItsWay {
            number: *number,
            hub: running.hub,
            operation: &running.operation,
            heard: running.heard.as_ref(),
        })
    }

    /// The writes of this handoff that come next of those that may still come: whose, what they write, and whether they
    /// would take effect now.
    pub(crate) fn late_ones(
        &self,
        handoff: &HandoffId,
    ) -> impl Iterator<Item = (u32, &handoff_kernel::command::Command<Wire>, &Record<Wire>, bool)> {
        let first = self.late.iter().filter_map(|(number, writes)| Some((*number, writes.first()?)));
        let version = self.stored(handoff).map(|stored| stored.version);
        first
            .filter(move |(_, write)| write.next.id == *handoff)
            .map(move |(number, write)| (number, &write.command, &write.next, write.expected == version))
    }

    /// What a hub would decide with, if its wall clock said this.
    pub(crate) fn would_read(&self, hub: usize, wall: Time) -> Time {
        self.law.decides_at(wall, self.hubs[hub].clock.newest())
    }

    /// What a hub would decide with now.
    pub(crate) fn reads(&self, hub: usize) -> Time {
        use handoff_hub::clock::Clock as _;
        self.would_read(hub, self.hubs[hub].wall.wall())
    }
}
