//! The log, held against what was seen to be made and acknowledged.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Broken, Rules, Seen, ways};
use crate::command::{Answer, Event, EventKind};
use crate::ident::Names;

/// S10: one event for each transition, in order, and none before it; and a transition for each that was acknowledged.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct LogAgrees<N: Names> {
    unlogged: BTreeMap<N::Handoff, VecDeque<Event<N>>>,
    /// What was made of each handoff.
    made: BTreeSet<(N::Handoff, EventKind)>,
    /// What was acknowledged and is not seen to be made. A repeat is acknowledged for what was made the first time.
    owed: BTreeSet<(N::Handoff, EventKind)>,
}

impl<N: Names> LogAgrees<N> {
    pub(super) const fn new() -> Self {
        Self { unlogged: BTreeMap::new(), made: BTreeSet::new(), owed: BTreeSet::new() }
    }

    pub(super) fn observe(&mut self, rules: Rules, seen: &Seen<'_, N>) -> Result<(), Broken> {
        match seen {
            Seen::Known(record) => {
                let claimed = record.claim().map(|_| EventKind::Claimed);
                let path = [EventKind::Started, EventKind::of(&record.state)];
                for kind in path.into_iter().chain(claimed) {
                    self.make(&record.id, kind);
                }
                Ok(())
            }
            Seen::Committed { event, .. } => {
                self.make(&event.handoff, event.kind);
                self.unlogged.entry(event.handoff.clone()).or_default().push_back((*event).clone());
                Ok(())
            }
            Seen::Answered { handoff, verdict: Ok(answer), .. } => {
                let told = match answer {
                    Answer::Started { .. } => EventKind::Started,
                    Answer::Claimed { .. } => EventKind::Claimed,
                    Answer::Completed { .. } => EventKind::Completed,
                    Answer::Rejected { .. } => EventKind::Rejected,
                    Answer::Swept => return Ok(()),
                };
                let told = ((*handoff).clone(), told);
                if !self.made.contains(&told) {
                    self.owed.insert(told);
                }
                Ok(())
            }
            Seen::Logged(event) => {
                let mut waiting = self.unlogged.remove(&event.handoff).unwrap_or_default();
                let next = waiting.pop_front();
                if !waiting.is_empty() {
                    self.unlogged.insert(event.handoff.clone(), waiting);
                }
                rules.demand(next.as_ref() == Some(*event), ways::LOGGED_OUT_OF_TURN)
            }
            Seen::LogDeleted => {
                self.unlogged.clear();
                Ok(())
            }
            Seen::Pruned(handoff) => {
                self.made.retain(|(of, _)| of != *handoff);
                self.owed.retain(|(of, _)| of != *handoff);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn make(&mut self, handoff: &N::Handoff, kind: EventKind) {
        let made = (handoff.clone(), kind);
        self.owed.remove(&made);
        self.made.insert(made);
    }

    pub(super) fn settle(&self, rules: Rules) -> Result<(), Broken> {
        rules.demand(self.unlogged.is_empty(), ways::NOT_LOGGED)?;
        // Who sees answers alone, as a client does, sees nothing made, and nothing can be said.
        rules.demand(self.owed.is_empty() || self.made.is_empty(), ways::NOT_COMMITTED)
    }
}
