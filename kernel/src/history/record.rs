//! Records, as they were seen to be committed and removed.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use super::{Broken, Rules, Seen, ways};
use crate::ident::Names;
use crate::record::{Record, Status};
use crate::rules::same_start;

/// S4, S7 and S8 of what is on record: nothing follows what is terminal, retention removes nothing else, and what a start
/// fixed stays.
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

    pub(super) fn observe(&mut self, rules: Rules, seen: &Seen<'_, N>) -> Result<(), Broken> {
        match seen {
            Seen::Known(next) | Seen::Committed { next, .. } => {
                let before = self.records.insert(next.id.clone(), Box::new((*next).clone()));
                let Some(before) = before else { return Ok(()) };
                rules.demand(!Status::is_terminal(before.status()), ways::TERMINAL_REPLACED)?;
                rules.demand(same_start(&before, next), ways::START_CHANGED)
            }
            Seen::Pruned(handoff) => {
                let was = self.records.remove(*handoff);
                rules.demand(was.is_none_or(|was| was.status().is_terminal()), ways::REMOVED_UNFINISHED)
            }
            _ => Ok(()),
        }
    }
}
