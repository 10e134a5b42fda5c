//! Operations under way, and what was known when each was asked: requests overlap, and an answer may have been decided
//! at any time since.

use alloc::collections::BTreeMap;

use super::Seen;
use crate::ident::Names;

/// What was known when an operation was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(super) struct Asking {
    /// Whether the handoff's start had been acknowledged.
    pub(super) acknowledged: bool,
    /// How many changes the handoff had had.
    pub(super) changes: u32,
    /// How many first answers to the same request were known since the last change.
    pub(super) answers: usize,
}

/// Every operation that was asked and neither answered nor given up.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct UnderWay<N: Names> {
    operations: BTreeMap<u64, (N::Handoff, Asking)>,
}

impl<N: Names> UnderWay<N> {
    pub(super) const fn new() -> Self {
        Self { operations: BTreeMap::new() }
    }

    pub(super) fn ask(&mut self, operation: u64, handoff: &N::Handoff, asking: Asking) {
        self.operations.insert(operation, (handoff.clone(), asking));
    }

    /// What was known when it was asked, if that was seen. It is forgotten.
    pub(super) fn take(&mut self, operation: u64, handoff: &N::Handoff) -> Option<Asking> {
        self.operations.remove(&operation).filter(|(of, _)| of == handoff).map(|(_, asking)| asking)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = (u64, &Asking)> {
        self.operations.iter().map(|(name, (_, asking))| (*name, asking))
    }

    pub(super) fn rename(&mut self, name: impl Fn(u64) -> u64) {
        let operations = core::mem::take(&mut self.operations);
        self.operations = operations.into_iter().map(|(old, asking)| (name(old), asking)).collect();
    }

    pub(super) fn observe(&mut self, seen: &Seen<'_, N>) {
        match seen {
            Seen::Gone { operation } => drop(self.operations.remove(operation)),
            // No answer is known of what it is now: so nothing tells apart what does not differ.
            Seen::Committed { next, .. } => self.of(&next.id).for_each(|asking| asking.answers = 0),
            Seen::Pruned(handoff) => self.of(handoff).for_each(|asking| *asking = Asking::default()),
            _ => {}
        }
    }

    fn of(&mut self, handoff: &N::Handoff) -> impl Iterator<Item = &mut Asking> {
        self.operations.values_mut().filter(move |(of, _)| of == handoff).map(|(_, asking)| asking)
    }
}
