//! The live handoffs: an index in memory over `handoff/` and `claimed/`, rebuilt at every start. A hint: what
//! may happen to a handoff is decided on its record.

use std::collections::{BTreeMap, BTreeSet};

use handoff_kernel::ident::{AgentId, HandoffId, Wire};
use handoff_kernel::law::Law;
use handoff_kernel::record::{Record, Status};
use handoff_kernel::time::Time;

use super::place::Place;

/// A handoff that is not terminal, or whose file a same-host agent has moved and the hub has not yet taken note
/// of.
#[derive(Debug)]
pub(super) struct Live {
    /// What the hub knows of it.
    pub(super) record: Record<Wire>,
    /// Where its file lies.
    pub(super) place: Place,
    /// Where it lay when the hub last wrote it, if a same-host agent has moved it since: the move is the hub's to
    /// make durable, with the transition that it amounts to.
    pub(super) moved_from: Option<Place>,
    /// How long the file is.
    pub(super) len: u64,
    /// How much of it is the artifact.
    pub(super) artifact_bytes: usize,
}

/// Live handoffs by id, by arrival for each target, and by deadline.
#[derive(Debug)]
pub(super) struct Index<L> {
    law: L,
    live: BTreeMap<HandoffId, Live>,
    pending: BTreeMap<AgentId, BTreeSet<(Time, HandoffId)>>,
    deadlines: BTreeSet<(Time, HandoffId)>,
}

impl<L: Law> Index<L> {
    /// With nothing in it.
    pub(super) const fn under(law: L) -> Self {
        Self { law, live: BTreeMap::new(), pending: BTreeMap::new(), deadlines: BTreeSet::new() }
    }

    pub(super) fn get(&self, id: &HandoffId) -> Option<&Live> {
        self.live.get(id)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Live> {
        self.live.values()
    }

    pub(super) fn len(&self) -> usize {
        self.live.len()
    }

    /// Enters a handoff in place of what was known of it.
    pub(super) fn put(&mut self, live: Live) {
        self.remove(&live.record.id);
        let record = &live.record;
        if record.status() == Status::Pending {
            self.pending.entry(record.target).or_default().insert((self.law.arrival(record), record.id));
        }
        if let Some(deadline) = record.deadline().filter(|_| self.law.sweeps(record)) {
            self.deadlines.insert((deadline, record.id));
        }
        self.live.insert(record.id, live);
    }

    pub(super) fn remove(&mut self, id: &HandoffId) -> Option<Live> {
        let live = self.live.remove(id)?;
        let record = &live.record;
        if let Some(pending) = self.pending.get_mut(&record.target) {
            pending.remove(&(self.law.arrival(record), record.id));
            if pending.is_empty() {
                self.pending.remove(&record.target);
            }
        }
        if let Some(deadline) = record.deadline() {
            self.deadlines.remove(&(deadline, record.id));
        }
        Some(live)
    }

    /// A file that was found elsewhere.
    pub(super) fn moved(&mut self, id: &HandoffId, place: Place) {
        if let Some(live) = self.live.get_mut(id) {
            live.moved_from = live.moved_from.or(Some(live.place)).filter(|from| *from != place);
            live.place = place;
        }
    }

    /// The pending handoffs of a target in the order of their arrival, ties by id (rule S12).
    pub(super) fn pending_for(&self, target: &AgentId) -> impl Iterator<Item = &Live> {
        let pending = self.pending.get(target).into_iter().flatten().filter_map(|(_, id)| self.live.get(id));
        // One that a same-host agent has moved on is only pending on the books.
        pending.filter(|live| live.place == Place::Pending)
    }

    /// The earliest deadline.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    /// The handoffs whose deadline seems to have passed at `now`, earliest first; a step decides whether it has.
    pub(super) fn due(&self, now: Time) -> impl Iterator<Item = HandoffId> {
        self.deadlines.iter().take_while(move |(at, _)| *at < now).map(|(_, id)| *id)
    }
}
