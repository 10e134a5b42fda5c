//! What the store does: writes, writes of long ago, the log, forgetting and retention.

use std::sync::Arc;

use handoff_kernel::command::{Command, Event, EventKind};
use handoff_kernel::history::Seen;
use handoff_kernel::law::Law;
use handoff_kernel::operation::{Stored, Version};
use handoff_kernel::record::{Record, Status};
use handoff_kernel::testing::small::Small;
use handoff_kernel::time::Time;

use super::act::known;
use super::config::Log;
use super::state::{Asker, Late, State, Unlogged};
use super::{Hubs, judge};
use crate::model::Story;
use crate::trace::{self, Line};

/// A write, as the store is asked for it.
pub(super) struct Write<'a> {
    pub(super) hub: usize,
    pub(super) asker: Asker,
    pub(super) command: &'a Command<Small>,
    pub(super) expected: Option<Version>,
    pub(super) next: &'a Record<Small>,
    pub(super) event: &'a Event<Small>,
}

impl<L: Law + Ord> Hubs<L> {
    pub(super) fn write(&self, state: &mut State<L>, write: &Write<'_>) -> bool {
        let Write { hub, asker, command, expected, next, event } = *write;
        let clock = state.shared_clock.0;
        let register = state.register(next.id);
        let found = register.stored.as_ref().map(|stored| stored.version);
        if self.config.trust.compares && found != expected {
            return false;
        }
        let claims = event.kind == EventKind::Claimed;
        if self.config.shared_clock.is_some() && claims && self.law.overdue(next.expires_at, Time(clock)) {
            return false;
        }
        let version = register.next_version;
        register.next_version = Version(version.0 + 1);
        let before = register.stored.replace(Stored { record: next.clone(), version });
        let replaced = before.as_ref().map(|stored| &stored.record);
        let swept = judge::after_sweep(replaced, event.kind);
        let unlawful = judge::replaced(self.config.rules, replaced, command, next, event);
        if !self.config.trust.durable {
            register.before = Some(before);
        }
        let late = judge::in_time(self.config.bound, state.time, next, event.kind);
        self.note(state, swept);
        self.note(state, late);
        self.note(state, unlawful);
        let wrong = match asker {
            Asker::Client(client, _) => judge::rightful(&self.config.clients[client].agent, next, event.kind),
            Asker::Janitor(_) => judge::asked_for(command),
        };
        self.note(state, wrong);
        if self.config.history {
            let told = Arc::make_mut(&mut state.history).observe(&Seen::Committed { command, next, event });
            self.note(state, told.err());
        }
        if self.law.logs_first() {
            // It is there already.
        } else if self.config.trust.log == Log::WithRecord {
            self.log(state, hub, event, &mut Story::quiet());
        } else {
            state.unlogged.push(Unlogged { hub, event: event.clone(), found_missing: false });
        }
        for client in &mut state.clients {
            client.waits = client.waits.map(|(at, reason)| (at, reason || at == hub));
        }
        true
    }

    pub(super) fn log(&self, state: &mut State<L>, hub: usize, event: &Event<Small>, story: &mut Story) {
        if self.config.history {
            let told = Arc::make_mut(&mut state.history).observe(&Seen::Logged(event));
            self.note(state, told.err());
        }
        if let Some(logged) = state.logged.get_mut(usize::from(event.handoff)) {
            *logged += 1;
        }
        story.tell(|| self.at_hub(state, hub, trace::Event::Logs { entry: event.into() }));
    }

    pub(super) fn follow(&self, state: &mut State<L>, late: usize, story: &mut Story) {
        let Late { hub, asker, command, expected, next, event, .. } = state.late.remove(late);
        let write = Write { hub, asker, command: &command, expected, next: &next, event: &event };
        let took_effect = self.write(state, &write);
        if let Some(displaced) = self.displaced(state, &next, &event).filter(|_| took_effect) {
            self.lose_place(state, displaced, story);
        }
        story.tell(|| {
            let event = trace::Event::Follows {
                operation: asker.key(hub),
                took_effect,
                writes: Box::new((&next).into()),
                record: known(state, next.id),
            };
            Line::at(state.time, "store", None, event)
        });
    }

    pub(super) fn forget(&self, state: &mut State<L>, handoff: u8, story: &mut Story) {
        let register = state.register(handoff);
        register.stored = register.before.take().flatten();
        let status: Vec<Status> = register.record().map(Record::status).into_iter().collect();
        if self.config.history {
            let told = Arc::make_mut(&mut state.history)
                .observe(&Seen::Located { handoff: &handoff, statuses: &status });
            self.note(state, told.err());
        }
        story.tell(|| {
            let event =
                trace::Event::Forgets { handoff: trace::handoff(handoff), record: known(state, handoff) };
            Line::at(state.time, "store", None, event)
        });
    }

    pub(super) fn prune(&self, state: &mut State<L>, hub: usize, handoff: u8, story: &mut Story) {
        self.read_clock(state, hub);
        let register = state.register(handoff);
        register.stored = None;
        register.pruned = true;
        if self.config.history {
            let told = Arc::make_mut(&mut state.history).observe(&Seen::Pruned(&handoff));
            self.note(state, told.err());
        }
        story.tell(|| self.at_hub(state, hub, trace::Event::Prunes { handoff: trace::handoff(handoff) }));
    }
}
