//! The oracle: the kernel itself, beside the hub. It carries out the same commands at the same times over one register a
//! handoff, and has no other opinion of its own.

use std::collections::BTreeMap;

use handoff_kernel::command::{Command, Event};
use handoff_kernel::ident::{AgentId, HandoffId, Wire};
use handoff_kernel::law::Law;
use handoff_kernel::operation::{Done, Effect, Next, NotDone, Operation, Outcome, Stored, Version};
use handoff_kernel::record::{Record, Status};
use handoff_kernel::refusal::Refusal;
use handoff_kernel::time::{Millis, Time};

/// A record changes at most three times in its life; a law that bends that may change it so often in one sweep.
const MOST_SWEEPS: usize = 8;

/// What one command changed.
#[derive(Debug, Clone)]
pub(super) struct Change {
    pub(super) command: Command<Wire>,
    pub(super) next: Record<Wire>,
    pub(super) event: Event<Wire>,
}

/// What came of one command.
#[derive(Debug)]
pub(super) struct Asked {
    /// What was on record before.
    pub(super) before: Option<Record<Wire>>,
    /// The time that it was decided by.
    pub(super) now: Time,
    pub(super) change: Option<Change>,
    pub(super) done: Done<Wire>,
}

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Oracle<L: Law> {
    law: L,
    registers: BTreeMap<HandoffId, Stored<Wire>>,
    versions: u64,
    /// Whether it sweeps whenever time has passed.
    janitor: bool,
    wall: Time,
    mark: Time,
    /// The mark that a kill leaves.
    durable: Time,
}

impl<L: Law> Oracle<L> {
    pub(super) const fn new(law: L, janitor: bool, begin: Time) -> Self {
        let registers = BTreeMap::new();
        Self { law, registers, versions: 0, janitor, wall: begin, mark: begin, durable: begin }
    }

    pub(super) const fn law(&self) -> &L {
        &self.law
    }

    /// The deciding clock.
    pub(super) fn now(&mut self) -> Time {
        self.mark = self.law.decides_at(self.wall, self.mark);
        self.mark
    }

    pub(super) const fn wall(&self) -> Time {
        self.wall
    }

    pub(super) fn records(&self) -> impl Iterator<Item = &Record<Wire>> {
        self.registers.values().map(|stored| &stored.record)
    }

    pub(super) fn record(&self, handoff: &HandoffId) -> Option<&Record<Wire>> {
        self.registers.get(handoff).map(|stored| &stored.record)
    }

    /// What was there before anything was asked.
    pub(super) fn put(&mut self, record: Record<Wire>) {
        self.versions += 1;
        let version = Version(self.versions);
        self.registers.insert(record.id, Stored { record, version });
    }

    /// The wall clock is set; gives back what the janitor did about it.
    pub(super) fn set(&mut self, wall: Time) -> Vec<Asked> {
        self.wall = wall;
        let now = self.now();
        let mut swept = Vec::new();
        for _ in 0..MOST_SWEEPS {
            let due = |record: &&Record<Wire>| {
                self.law.sweeps(record) && record.deadline().is_some_and(|deadline| deadline < now)
            };
            let due: Vec<_> = self.records().filter(due).map(|record| record.id).collect();
            let due = if self.janitor { due } else { Vec::new() };
            let asked = due.into_iter().map(|handoff| self.ask(handoff, Command::Sweep));
            let changed: Vec<_> = asked.filter(|asked| asked.change.is_some()).collect();
            if changed.is_empty() {
                break;
            }
            swept.extend(changed);
        }
        swept
    }

    /// The hub has run for a while, and what it last made durable is before all that the trace speaks of.
    pub(super) const fn has_nothing_durable(&mut self) {
        self.durable = Time(0);
    }

    /// It was killed, and begins again by this clock. Nothing is swept before the clock is set.
    pub(super) fn restart(&mut self, wall: Time) {
        self.mark = self.durable;
        self.wall = wall;
        // The time that a start goes on from is durable before it listens: the next one does not go back behind it.
        self.durable = self.now();
    }

    /// One command, carried out to its end.
    pub(super) fn ask(&mut self, handoff: HandoffId, command: Command<Wire>) -> Asked {
        let before = self.record(&handoff).cloned();
        let mut change = None;
        let mut operation = Operation::new(self.law.clone(), handoff, command);
        loop {
            let now = self.now();
            let (write, outcome) = match operation.effect() {
                Effect::Load => (None, Outcome::Loaded(self.registers.get(&handoff).cloned())),
                Effect::Insert { record, event } => (Some((record.clone(), event.clone())), Outcome::Written),
                Effect::Swap { next, event, .. } => (Some((next.clone(), event.clone())), Outcome::Written),
            };
            if let Some((next, event)) = write {
                self.put(next.clone());
                self.durable = now;
                change = Some(Change { command: operation.command().clone(), next, event });
            }
            operation = match operation.next(outcome, now) {
                Next::Effect(next) => next,
                Next::Done(done) => {
                    // The one refusal that rests on the time alone: the hub makes the time durable first.
                    if done.verdict == Err(NotDone::Refused(Refusal::Expired)) && done.status.is_none() {
                        self.durable = now;
                    }
                    return Asked { before, now, change, done };
                }
            };
        }
    }

    /// What a poll of this target is shown.
    pub(super) fn poll(&mut self, target: &AgentId) -> Option<Record<Wire>> {
        let now = self.now();
        let pending = |record: &&Record<Wire>| record.target == *target && record.status() == Status::Pending;
        let mut pending: Vec<_> = self.records().filter(pending).cloned().collect();
        pending.sort_by_key(|record| (self.law.arrival(record), record.id));
        let shown = pending.iter().position(|record| self.law.open_to_claims(record, now));
        // What is passed over as overdue stays so: the hub makes the time durable first.
        if shown.unwrap_or(pending.len()) > 0 {
            self.durable = now;
        }
        shown.map(|at| pending.swap_remove(at))
    }

    /// Retention removes all that it may; gives back what that is.
    pub(super) fn prune(&mut self, retention: Millis) -> Vec<Record<Wire>> {
        let now = self.now();
        let over = self.records().filter(|record| self.law.may_remove(record, retention, now));
        let over: Vec<_> = over.cloned().collect();
        for record in &over {
            self.registers.remove(&record.id);
        }
        self.durable = now;
        over
    }
}
