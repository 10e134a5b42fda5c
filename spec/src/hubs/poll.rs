//! Polls: what a hub shows of what is pending.

use std::sync::Arc;

use handoff_kernel::command::Command;
use handoff_kernel::history::Seen;
use handoff_kernel::law::Law;
use handoff_kernel::record::Record;
use handoff_kernel::testing::small::Small;
use handoff_kernel::time::Time;

use super::Hubs;
use super::config::Ask;
use super::state::{Asker, State};
use crate::model::Story;
use crate::trace;

impl<L: Law + Ord> Hubs<L> {
    /// What an index of the pending would show: the earliest that has arrived and is not overdue.
    pub(super) fn look(&self, state: &mut State<L>, client: usize, hub: usize, story: &mut Story) {
        let target = self.config.clients[client].agent;
        let now = self.read_clock(state, hub);
        let open = state
            .registers
            .iter()
            .filter_map(|register| register.record())
            .filter(|record| record.target == target && self.law.open_to_claims(record, Time(now)));
        let by_arrival = |record: &&Record<Small>| (self.law.arrival(record), record.id);
        let oldest = if self.config.trust.shows_oldest {
            open.min_by_key(by_arrival)
        } else {
            open.max_by_key(by_arrival)
        };
        let delivers = oldest.map(|record| (record.id, record.digest));
        let shown = delivers.map(|(handoff, _)| handoff);
        if self.config.history {
            let history = Arc::make_mut(&mut state.history);
            let polled =
                history.observe(&Seen::Polled { target: &target, shown: shown.as_ref(), now: Time(now) });
            let delivered = delivers.and_then(|(handoff, digest)| {
                history.observe(&Seen::Delivered { handoff: &handoff, digest: &digest }).err()
            });
            self.note(state, polled.err());
            self.note(state, delivered);
        }
        let index = state.clients[client].at.expect("who polls waits for an answer");
        let waits = self.config.clients[client].asks[index] == Ask::Wait;
        if shown.is_none() && waits {
            state.clients[client].waits = Some((hub, false));
        } else {
            state.clients[client].answered(&self.config.clients[client]);
        }
        story.tell(|| {
            let event =
                trace::Event::Polls { target: trace::agent(target), shown: shown.map(trace::handoff) };
            self.at_hub(state, hub, event)
        });
        if let (Some(handoff), true) = (shown, self.law.poll_claims()) {
            let attempt = self.draw_attempt(state);
            let accept = Command::Accept { by: target, claim_id: None, attempt, receipt: None };
            self.start_operation(state, hub, Asker::Janitor(handoff), handoff, accept, story);
        }
    }
}
