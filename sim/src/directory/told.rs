//! What the relay tells of itself while it works: each word goes to the judge, to the story, and to whoever counts.

use std::collections::BTreeSet;

use handoff_hub::disk::Disk as _;
use handoff_hub::relay::told::{self, Told};
use handoff_hub::request::Ticket;
use handoff_kernel::command::Command;
use handoff_kernel::ident::Wire;
use handoff_kernel::law::Law;
use handoff_kernel::operation::Done;
use handoff_kernel::record::Record;
use handoff_kernel::testing::as_on_disk;
use handoff_kernel::time::Time;
use handoff_spec::coverage::{Came, Then, Verdict, Wrote};
use handoff_spec::trace::{self, EffectKind, OutcomeKind};

use super::{Decided, Directory, Operation, Process};
use crate::judge::Behalf;
use crate::reached::Case;
use crate::stage::Watch;
use crate::story::tells;
use crate::text;

impl<L: Law> Directory<L> {
    pub(super) fn told(
        &mut self,
        process: &mut Process<L>,
        told: Told,
        later: &[Told],
        going: &BTreeSet<Ticket>,
        watch: &mut Watch<'_>,
    ) {
        match told {
            Told::Begun { operation, ticket, handoff, command } => {
                self.numbers += 1;
                let number = self.numbers;
                let waiting = ticket.and_then(|ticket| Some((ticket, *process.requests.get(&ticket)?)));
                let behalf = match (waiting, &command) {
                    (Some((_, waiting)), _) => Behalf::Client(waiting.agent),
                    (None, Command::Sweep) => Behalf::Janitor,
                    (None, _) => Behalf::Neighbour,
                };
                watch.story.tell(|| {
                    let asker = waiting.map(|(_, waiting)| trace::Client {
                        client: format!("client {}", waiting.client + 1),
                        agent: waiting.agent.to_string(),
                    });
                    let command = text::ask(&self.cast, &command);
                    let handoff = handoff.to_string();
                    self.line(None, trace::Event::Begins { operation: number, handoff, command, asker })
                });
                if waiting.is_some() {
                    watch.judge.asked(u64::from(number), &handoff, &command);
                }
                watch.coverage.begins(u64::from(number), &handoff, &command);
                let asker = waiting.map(|(ticket, waiting)| (waiting.client, ticket));
                let begun =
                    Operation { number, behalf, asker, handoff, command, loaded: false, decided: None };
                process.operations.insert(operation, begun);
            }
            Told::Decided { operation, before, next, event } => {
                if let Some(running) = process.operations.get_mut(&operation) {
                    if !running.loaded {
                        // What a same-host agent's rename amounts to is decided on what is on the books already.
                        let then = Then::GoesOn;
                        watch.coverage.effect(
                            u64::from(running.number),
                            Came::Loaded,
                            before.as_ref(),
                            event.at,
                            then,
                        );
                    }
                    running.decided = Some(Decided {
                        number: running.number,
                        behalf: running.behalf,
                        command: running.command.clone(),
                        before,
                        next,
                        event,
                    });
                }
            }
            Told::Effect { operation, asked, outcome, record, now } => {
                let then = then(operation, later);
                let Some(running) = process.operations.get_mut(&operation) else { return };
                running.loaded = true;
                self.effect(running, asked, outcome, (record.as_ref(), now, then), watch);
                if asked != told::Asked::Load {
                    // It has come to its end, whatever that was: nothing of it is open.
                    running.decided = None;
                }
            }
            Told::Done { operation, done, now } => {
                let Some(running) = process.operations.get(&operation) else { return };
                match running.asker {
                    Some((_, ticket)) if !going.contains(&ticket) => {
                        process.held.insert(ticket, (operation, done, now));
                        return;
                    }
                    Some(_) => self.answered(process, operation, &done, now, watch),
                    None => {
                        let number = running.number;
                        watch.story.tell(|| {
                            let verdict = text::told(&done.verdict);
                            self.line(Some(now), trace::Event::Answers { operation: number, verdict })
                        });
                        self.broken(running, &done, now, watch);
                    }
                }
                process.operations.remove(&operation);
            }
            Told::Dropped { operation } => {
                if let Some(running) = process.operations.remove(&operation) {
                    watch.reached.note(Case::JanitorLost);
                    watch.coverage.crashes([u64::from(running.number)]);
                }
            }
            // Who died meanwhile, or goes down, shows nothing to anybody any more.
            Told::Polled { .. } if process.down || process.disk.is_dead() => {}
            Told::Polled { target, shown, waits, now, .. } => {
                watch.reached.note(match (shown.is_some(), waits) {
                    (true, _) => Case::PollShown,
                    (false, true) => Case::PollWaits,
                    (false, false) => Case::PollEmpty,
                });
                if self.reads_fail {
                    // One whose file cannot be read holds up nobody else, and is not shown.
                    watch.judge.polled_in_part(&target, shown.as_ref(), now);
                } else {
                    watch.judge.polled(&target, shown.as_ref(), now);
                }
                watch.story.tell(|| {
                    let (target, shown) = (target.to_string(), shown.map(|shown| shown.to_string()));
                    self.line(Some(now), trace::Event::Polls { target, shown })
                });
            }
            // What it has not made durable may be gone: it tells again, when it begins again, of what is not.
            Told::Arrived { .. } if process.down || process.disk.is_dead() => {}
            Told::Arrived { record } => self.arrived(&record, watch),
            // It is not certain that its name is gone: the hub that begins again finds out.
            Told::Pruned { .. } if process.down || process.disk.is_dead() => {}
            Told::Pruned { handoff } => {
                watch.reached.note(Case::Pruned);
                watch.judge.pruned(&handoff, self.setup.retain, self.latest());
                watch.coverage.prunes(&handoff);
                watch.story.tell(|| self.line(None, trace::Event::Prunes { handoff: handoff.to_string() }));
            }
        }
    }

    pub(super) fn arrived(&mut self, record: &Record<Wire>, watch: &mut Watch<'_>) {
        if let Some(booked) = watch.judge.books().get(&record.id) {
            // It was there before, and the hub has begun again, or found again what it could not read for a while.
            if *booked != as_on_disk(record) && !self.moved.contains(&record.id) {
                watch.judge.found(record);
            }
            return;
        }
        watch.reached.note(Case::Dropped);
        self.dropped.insert(record.id);
        watch.judge.arrived(record);
        let lies = format!("handoff/{}.json", record.id);
        if self.moved.contains(&record.id) && self.onlooker.about(&lies).is_ok_and(|about| about.is_none()) {
            // It was moved on before the hub had seen it come.
            watch.judge.moved(&record.id);
        }
        watch.coverage.knows(&record.id, Some(record));
        watch.story.tell(|| {
            let with = [("handoff", record.id.to_string()), ("digest", self.cast.named(&record.digest))];
            self.line(None, tells("arrives", with))
        });
    }

    fn effect(
        &mut self,
        running: &Operation,
        asked: told::Asked,
        came: told::Came,
        (record, now, then): (Option<&Record<Wire>>, Time, Then),
        watch: &mut Watch<'_>,
    ) {
        let effect = match asked {
            told::Asked::Load => EffectKind::Load,
            told::Asked::Insert => EffectKind::Insert,
            told::Asked::Swap => EffectKind::Swap,
        };
        let (outcome, came) = match came {
            told::Came::Loaded => (OutcomeKind::Loaded, Came::Loaded),
            told::Came::Written => (OutcomeKind::Written, Came::Wrote(Wrote::Written)),
            told::Came::Conflict => (OutcomeKind::Conflict, Came::Wrote(Wrote::Conflict)),
            told::Came::Unknown => (OutcomeKind::Unknown, Came::Wrote(Wrote::Lost)),
            told::Came::Failed => (OutcomeKind::Failed, Came::Failed),
        };
        let took_effect = outcome == OutcomeKind::Written;
        watch.reached.effect(effect, outcome, running.behalf);
        let there = match outcome {
            OutcomeKind::Loaded | OutcomeKind::Written => record,
            OutcomeKind::Conflict | OutcomeKind::Unknown | OutcomeKind::Failed => {
                watch.judge.books().get(&running.handoff)
            }
        };
        watch.coverage.effect(u64::from(running.number), came, there, now, then);
        watch.story.tell(|| {
            let record = match outcome {
                OutcomeKind::Loaded | OutcomeKind::Written => record,
                OutcomeKind::Conflict | OutcomeKind::Unknown | OutcomeKind::Failed => {
                    watch.judge.books().get(&running.handoff)
                }
            };
            let event = trace::Event::Effect {
                operation: running.number,
                effect,
                outcome,
                record: record.map(|record| text::record(&self.cast, record)),
                took_effect,
                may_follow: false,
                held: false,
            };
            self.line(Some(now), event)
        });
        if let (true, Some(decided)) = (took_effect, &running.decided) {
            self.written(decided, self.truth.now(), watch);
        }
    }

    /// A write took effect, at this true time.
    pub(super) fn written(&mut self, decided: &Decided, time: u64, watch: &mut Watch<'_>) {
        if let (Some(before), false) = (&decided.before, watch.judge.books().contains_key(&decided.next.id)) {
            // A same-host agent had dropped it, and the hub died before it could be said for certain.
            self.arrived(before, watch);
        }
        let Decided { number, behalf, command, before, next, event } = decided;
        watch.reached.event(event.kind, *behalf);
        let by = (u64::from(*number), *behalf);
        watch.judge.written(time, by, command, before.as_ref(), next, event);
    }

    pub(super) fn answered(
        &self,
        process: &Process<L>,
        operation: u64,
        done: &Done<Wire>,
        now: Time,
        watch: &mut Watch<'_>,
    ) {
        let Some(running) = process.operations.get(&operation) else { return };
        let Some((client, _)) = running.asker else { return };
        let Operation { number, handoff, command, .. } = running;
        watch.story.tell(|| {
            let verdict = text::told(&done.verdict);
            self.line(Some(now), trace::Event::Answers { operation: *number, verdict })
        });
        watch.reached.verdict(command, &done.verdict, done.changed);
        watch.judge.answered(&self.law, u64::from(*number), client, handoff, command, done, now);
    }

    /// A decision of the hub's own that its guard held back.
    fn broken(&self, running: &Operation, done: &Done<Wire>, now: Time, watch: &mut Watch<'_>) {
        use handoff_kernel::operation::NotDone;
        if let Err(NotDone::Broken(rule)) = done.verdict {
            let record = watch.judge.books().get(&running.handoff);
            let breach =
                handoff_spec::hubs::judge::held_back(&self.law, record, &running.command, now.0, rule);
            watch.judge.note(Some(breach));
        }
    }
}

/// What an operation makes of its effect's outcome: what is told of it next says so.
fn then(operation: u64, later: &[Told]) -> Then {
    let next = later.iter().find_map(|told| match told {
        Told::Effect { operation: of, .. } | Told::Decided { operation: of, .. } if *of == operation => {
            Some(Then::GoesOn)
        }
        Told::Done { operation: of, done, .. } if *of == operation => {
            Some(Then::Answers(Verdict::from(&done.verdict)))
        }
        Told::Begun { .. }
        | Told::Effect { .. }
        | Told::Decided { .. }
        | Told::Done { .. }
        | Told::Dropped { .. }
        | Told::Polled { .. }
        | Told::Arrived { .. }
        | Told::Pruned { .. } => None,
    });
    next.unwrap_or(Then::GoesOn)
}
