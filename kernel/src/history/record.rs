//! Records, as they were seen to be committed.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use super::{Broken, Seen, demand, ways};
use crate::ident::Names;
use crate::record::{Record, Status};
use crate::rules::same_start;

/// S4 and S8 of what is on record: nothing follows what is terminal, and what a start fixed stays.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct OnRecord<N: Names> {
    /// As last committed. Boxed, for a map's node has room for eleven, and a model keeps millions of histories of one
    /// or two.
    records: BTreeMap<N::Handoff, Box<Record<N>>>,
}

impl<N: Names> OnRecord<N> {
    pub(super) const fn new() -> Self {
        Self { records: BTreeMap::new() }
    }

    /// The record, as last committed.
    pub(super) fn of(&self, handoff: &N::Handoff) -> Option<&Record<N>> {
        self.records.get(handoff).map(|record| &**record)
    }

    pub(super) fn observe(&mut self, seen: &Seen<'_, N>) -> Result<(), Broken> {
        match seen {
            Seen::Known(next) | Seen::Committed { next, .. } => {
                let before = self.records.insert(next.id.clone(), Box::new((*next).clone()));
                let Some(before) = before else { return Ok(()) };
                demand(!Status::is_terminal(before.status()), ways::TERMINAL_REPLACED)?;
                demand(same_start(&before, next), ways::START_CHANGED)
            }
            Seen::Pruned(handoff) => {
                self.records.remove(*handoff);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
