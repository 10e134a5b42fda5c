//! What the journal covers: which handoffs a crash would have redone, and from which segment of the event log on. Nothing
//! of that may be removed, or redo would bring it back, or miss it.

use std::collections::BTreeSet;

use handoff_kernel::ident::HandoffId;

/// Of one generation of the journal.
#[derive(Debug, Default)]
struct Generation {
    handoffs: BTreeSet<HandoffId>,
    /// The segment in which the log stood before it.
    segment: Option<u64>,
}

/// What the journal covers: of the file that is being filled, and of the other one.
#[derive(Debug, Default)]
pub(super) struct Covers {
    now: Generation,
    before: Generation,
}

impl Covers {
    /// A handoff's transition is in the journal, and the log stood in this segment then.
    pub(super) fn add(&mut self, handoff: HandoffId, segment: u64) {
        self.now.handoffs.insert(handoff);
        self.now.segment.get_or_insert(segment);
    }

    /// The other file's turn.
    pub(super) fn turn(&mut self) {
        self.before = std::mem::take(&mut self.now);
    }

    /// The directories have everything of the generations before the one that is being filled.
    pub(super) fn forget_before(&mut self) {
        self.before = Generation::default();
    }

    /// The directories have everything.
    pub(super) fn forget(&mut self) {
        *self = Self::default();
    }

    /// Whether a crash would have this handoff redone.
    pub(super) fn has(&self, handoff: &HandoffId) -> bool {
        self.now.handoffs.contains(handoff) || self.before.handoffs.contains(handoff)
    }

    /// The oldest segment of the log that a crash would have written again.
    pub(super) fn segment(&self) -> Option<u64> {
        self.before.segment.or(self.now.segment)
    }
}
