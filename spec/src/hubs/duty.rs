//! What a hub does around its operations only under a law that lets it neglect a duty. Under the protocol nothing here
//! does anything.

use std::sync::Arc;

use handoff_kernel::command::{Event, EventKind};
use handoff_kernel::history::Seen;
use handoff_kernel::law::Law;
use handoff_kernel::operation::{Effect, Operation, Stored, Version};
use handoff_kernel::record::{Record, State as RecordState, Status};
use handoff_kernel::testing::small::Small;
use handoff_kernel::time::Time;

use super::Hubs;
use super::act::known;
use super::state::State;
use crate::model::Story;
use crate::trace::{self, Line};

/// What a hub that decides by its log takes for what is on record: nothing, before the log has an event of it.
pub(super) fn by_log<L: Law>(law: &L, stored: Option<Stored<Small>>, logged: usize) -> Option<Stored<Small>> {
    stored.filter(|_| !law.decides_by_log() || logged > 0)
}

/// A claimed record whose claim is as young as the hub that begins at this time.
pub(super) fn renewed(record: &Record<Small>, now: Time) -> Option<Record<Small>> {
    match &record.state {
        RecordState::Claimed(claim) if claim.at < now => {
            let mut claim = claim.clone();
            claim.at = now;
            Some(record.with(RecordState::Claimed(claim)))
        }
        RecordState::Claimed(_)
        | RecordState::Pending
        | RecordState::Completed { .. }
        | RecordState::Rejected(_) => None,
    }
}

impl<L: Law + Ord> Hubs<L> {
    pub(super) fn loaded(&self, state: &State<L>, handoff: u8) -> Option<Stored<Small>> {
        let at = usize::from(handoff);
        // Where an event is one commit with its record, the log has it as soon as the store has the record.
        let logged = state.logged.get(at).copied().unwrap_or(1);
        by_log(&self.law, state.registers[at].stored.clone(), logged)
    }

    /// The event of what is about to be written, written before it.
    pub(super) fn log_first(
        &self,
        state: &mut State<L>,
        hub: usize,
        operation: &Operation<Small, L>,
        story: &mut Story,
    ) {
        if !self.law.logs_first() {
            return;
        }
        match operation.effect() {
            Effect::Insert { event, .. } | Effect::Swap { event, .. } => {
                let event = event.clone();
                self.log(state, hub, &event, story);
            }
            Effect::Load => {}
        }
    }

    /// The claims that a hub makes younger when it begins again.
    pub(super) fn renew_claims(&self, state: &mut State<L>, hub: usize, story: &mut Story) {
        if !self.law.renews_claims() {
            return;
        }
        let now = Time(self.read_clock(state, hub));
        for (handoff, at) in (0..).zip(0..state.registers.len()) {
            let Some(record) = state.registers[at].record().and_then(|record| renewed(record, now)) else {
                continue;
            };
            let register = state.register(handoff);
            let version = register.next_version;
            register.next_version = Version(version.0 + 1);
            register.stored = Some(Stored { record: record.clone(), version });
            if self.config.history {
                let told = Arc::make_mut(&mut state.history).observe(&Seen::Known(&record));
                self.note(state, told.err());
            }
            story.tell(|| {
                let event = trace::Event::Renews { record: Box::new((&record).into()) };
                self.at_hub(state, hub, event)
            });
        }
    }

    /// The other claim whose place in the store this one takes.
    pub(super) fn displaced(
        &self,
        state: &State<L>,
        next: &Record<Small>,
        event: &Event<Small>,
    ) -> Option<u8> {
        if !self.law.shares_places() || event.kind != EventKind::Claimed {
            return None;
        }
        let others = state.registers.iter().filter_map(|register| register.record());
        let mut same = others.filter(|other| {
            other.id != next.id && other.author == next.author && other.status() == Status::Claimed
        });
        same.next().map(|other| other.id)
    }

    /// What was there is nowhere any more.
    pub(super) fn lose_place(&self, state: &mut State<L>, handoff: u8, story: &mut Story) {
        state.register(handoff).stored = None;
        if self.config.history {
            let seen = Seen::Located { handoff: &handoff, statuses: &[] };
            let told = Arc::make_mut(&mut state.history).observe(&seen);
            self.note(state, told.err());
        }
        story.tell(|| {
            let event =
                trace::Event::Forgets { handoff: trace::handoff(handoff), record: known(state, handoff) };
            Line::at(state.time, "store", None, event)
        });
    }
}
