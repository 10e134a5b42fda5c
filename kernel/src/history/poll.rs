//! Polls, as they were seen to be answered.

use alloc::collections::BTreeMap;

use super::{Broken, Rules, Seen, ways};
use crate::ident::Names;
use crate::record::{Record, Status};
use crate::time::Time;

/// S12: a poll shows the earliest that can be claimed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct OldestFirst<N: Names> {
    /// Target and last moment of each pending handoff, by arrival.
    pending: BTreeMap<(Time, N::Handoff), (N::Agent, Time)>,
}

impl<N: Names> OldestFirst<N> {
    pub(super) const fn new() -> Self {
        Self { pending: BTreeMap::new() }
    }

    pub(super) fn observe(&mut self, rules: Rules, seen: &Seen<'_, N>) -> Result<(), Broken> {
        match seen {
            Seen::Known(next) | Seen::Committed { next, .. } => {
                self.on_record(next);
                Ok(())
            }
            Seen::Moved(handoff) => {
                self.pending.retain(|(_, pending), _| pending != *handoff);
                Ok(())
            }
            Seen::Polled { target, shown, now } => {
                rules.demand(self.open(target, *now).next() == *shown, ways::NOT_THE_OLDEST)
            }
            Seen::PolledInPart { target, shown, now } => {
                rules.demand(self.open(target, *now).any(|open| open == *shown), ways::NOT_THE_OLDEST)
            }
            _ => Ok(()),
        }
    }

    /// What is pending for this target and not overdue, the earliest arrived first.
    fn open(&self, target: &N::Agent, now: Time) -> impl Iterator<Item = &N::Handoff> {
        let open = self.pending.iter().filter(move |(_, (to, until))| to == target && now <= *until);
        open.map(|((_, handoff), _)| handoff)
    }

    fn on_record(&mut self, next: &Record<N>) {
        let arrival = (next.started_at, next.id.clone());
        if next.status() == Status::Pending {
            self.pending.insert(arrival, (next.target.clone(), next.expires_at));
        } else {
            self.pending.remove(&arrival);
        }
    }
}
