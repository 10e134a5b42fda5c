//! A trace of hubs and a store, lived through again by the kernel.
//!
//! Nothing of the model takes part: the kernel's operations are begun as the trace says, must ask for the effects
//! that it tells, are told the outcomes that it tells, and must answer as it tells; the checkers watch. At the end
//! the rule that the trace is about is broken, or, of a witness, none is.

use std::collections::{BTreeMap, BTreeSet};

use handoff_kernel::command::{Command, Event as Logged};
use handoff_kernel::history::{History, Seen};
use handoff_kernel::law::Law as _;
use handoff_kernel::operation::{Done, Effect, Next, NotDone, Operation, Outcome, Stored, Version};
use handoff_kernel::record::{Record, Status};
use handoff_kernel::rules::{Rule, Rules};
use handoff_kernel::testing::small::Small;
use handoff_kernel::testing::variant::Variant;
use handoff_kernel::time::Time;

use super::{duty, judge, past};
use crate::model::{Breach, Edge, Property};
use crate::refinement::refines;
use crate::trace::{
    EffectKind, Event, Kind, Line, OutcomeKind, RecordText, Told, Trace, agent_number, handoff_number,
};

/// A write that was decided: what it was to make of which register.
struct Decided {
    command: Command<Small>,
    next: Record<Small>,
    event: Logged<Small>,
}

/// A write that may follow, and for whom.
type Late = (Decided, Option<(String, u8)>);

struct Running {
    operation: Operation<Small, Variant>,
    /// The client's host and who it really is; none for a janitor.
    asker: Option<(String, u8)>,
    /// What the store has answered, which it has not taken yet.
    heard: Option<Outcome<Small>>,
    /// The time that it decides by, under a law that reads the clock once.
    began: Option<Time>,
}

struct Replay<'t> {
    trace: &'t Trace,
    law: Variant,
    registers: BTreeMap<u8, (Option<Stored<Small>>, bool)>,
    versions: u64,
    running: BTreeMap<u32, Running>,
    late: Vec<Late>,
    /// What the kernel has answered and the trace has not told yet.
    answers: BTreeMap<u32, Told>,
    winners: BTreeMap<u8, Option<String>>,
    history: History<Small>,
    /// How many events the log has of each handoff.
    logged: BTreeMap<u8, usize>,
    breaches: Vec<Breach>,
}

/// Lives the trace through again.
///
/// # Errors
/// At which line the kernel does something else than the trace tells, or that the rule is not broken at the end (or,
/// of a witness, that one is), as a sentence.
pub fn replay(trace: &Trace, law: Variant) -> Result<(), String> {
    let mut records = Vec::new();
    for text in &trace.header.records {
        records.push(Record::try_from(text)?);
    }
    let ids: BTreeSet<u8> = records.iter().map(|record| record.id).collect();
    if ids.len() != records.len() {
        return Err("a handoff is on record twice at the beginning".into());
    }
    let header = &trace.header;
    let properties = Rule::ALL.map(Property::Rule).into_iter().chain([Property::Refinement, Property::Frame]);
    if !properties.into_iter().any(|property| property.id() == header.rule) {
        return Err(format!("there is no rule {:?}", header.rule));
    }
    if trace.steps() == 0 && header.kind == Kind::Witness {
        return Err("a witness without a step shows nothing".into());
    }
    let cycle = match (header.kind, header.cycle_from) {
        (Kind::Lasso, Some(from)) if (1..=trace.steps() + 1).contains(&from) => Some(from),
        (Kind::Lasso, _) => return Err("a way round says at which of its steps it begins".into()),
        (Kind::Counterexample | Kind::Witness, _) => None,
    };
    let mut round = None;
    let mut replay = Replay {
        trace,
        law,
        registers: records
            .iter()
            .map(|record| (record.id, (Some(Stored { record: record.clone(), version: Version(0) }), false)))
            .collect(),
        versions: 0,
        running: BTreeMap::new(),
        late: Vec::new(),
        answers: BTreeMap::new(),
        winners: BTreeMap::new(),
        history: past::past(Rules::ALL, &records.iter().collect::<Vec<_>>()),
        logged: records.iter().map(|record| (record.id, Logged::that_made(record).count())).collect(),
        breaches: Vec::new(),
    };
    let (mut time, mut step) = (0, 0);
    for (number, line) in trace.lines.iter().enumerate() {
        let at = |why: String| format!("line {}: {why}", number + 2);
        if line.time < time {
            return Err(at(format!("true time goes back from {time} to {}", line.time)));
        }
        time = line.time;
        if let (Some(breach), true) = (replay.breaches.first(), line.step > step) {
            return Err(at(format!("{breach} is broken before the last step")));
        }
        step = line.step;
        if cycle.is_some_and(|from| step >= from) && round.is_none() {
            round = Some(replay.stands());
        }
        replay.line(line).map_err(at)?;
    }
    if round.is_some_and(|begin| begin != replay.stands()) {
        return Err("the way round does not come to where it began".into());
    }
    replay.judge()
}

impl Replay<'_> {
    /// Where everything stands, as far as it decides what follows: what is on record, and what is under way.
    fn stands(&self) -> String {
        let records: Vec<_> = self
            .registers
            .iter()
            .map(|(id, (stored, pruned))| (id, stored.as_ref().map(|stored| &stored.record), pruned))
            .collect();
        let mut running: Vec<_> = self
            .running
            .values()
            .map(|running| format!("{:?} {:?}", running.operation.effect(), running.asker))
            .collect();
        running.sort();
        format!("{records:?} {running:?}")
    }

    fn note(&mut self, breach: Option<impl Into<Breach>>) {
        self.breaches.extend(breach.map(Into::into));
    }

    fn see(&mut self, seen: &Seen<'_, Small>) {
        let told = self.history.observe(seen);
        self.note(told.err());
    }

    fn line(&mut self, line: &Line) -> Result<(), String> {
        match &line.event {
            Event::Begins { operation, handoff, command, asker } => {
                let command = Command::try_from(command)?;
                let asker = match asker {
                    Some(asker) => Some((asker.client.clone(), agent_number(&asker.agent)?)),
                    None => None,
                };
                let id = handoff_number(handoff)?;
                if asker.is_some() {
                    let operation = (*operation).into();
                    self.see(&Seen::Asked { operation, handoff: &id, command: &command });
                }
                let each_time = self.law.reads_clock_each_time(&command);
                let began = if each_time { None } else { Some(Time(clock(line)?)) };
                let new = Operation::new(self.law, id, command);
                let running = Running { operation: new, asker, heard: None, began };
                match self.running.insert(*operation, running) {
                    None => Ok(()),
                    Some(_) => Err(format!("#{operation} is under way already")),
                }
            }
            Event::Effect { operation, effect, outcome, record, took_effect, may_follow, held } => {
                let told = Effected {
                    effect: *effect,
                    outcome: *outcome,
                    took_effect: *took_effect,
                    may_follow: *may_follow,
                    held: *held,
                };
                self.effect(*operation, &told, record.as_ref(), line)
            }
            Event::Hears { operation } => {
                let mut running =
                    self.running.remove(operation).ok_or_else(|| format!("#{operation} is not under way"))?;
                let held = running.heard.take();
                let outcome =
                    held.ok_or_else(|| format!("the store has answered #{operation} nothing yet"))?;
                self.go_on(*operation, running, outcome, line)
            }
            Event::Follows { operation, took_effect, writes, record } => {
                let ours = |(decided, _): &Late| RecordText::from(&decided.next) == **writes;
                let found = self.late.iter().position(ours);
                let found = found.ok_or_else(|| format!("#{operation} has no such write left"))?;
                let (decided, asker) = self.late.remove(found);
                if *took_effect {
                    self.write(&decided, asker.as_ref(), line.time);
                }
                self.compare(decided.next.id, record.as_ref())
            }
            Event::Answers { operation, verdict } => match self.answers.remove(operation) {
                Some(told) if told == *verdict => Ok(()),
                Some(told) => Err(format!("#{operation} is answered {told}, and not {verdict}")),
                None => Err(format!("#{operation} has no answer yet")),
            },
            Event::Crashes { operations } => {
                for operation in operations {
                    self.running.remove(operation).ok_or_else(|| format!("#{operation} is not under way"))?;
                    self.see(&Seen::Gone { operation: (*operation).into() });
                }
                Ok(())
            }
            Event::Prunes { handoff } => {
                let id = handoff_number(handoff)?;
                self.registers.insert(id, (None, true));
                self.see(&Seen::Pruned(&id));
                Ok(())
            }
            Event::Forgets { handoff, record } => self.forget(handoff_number(handoff)?, record.as_ref()),
            Event::Polls { target, shown } => {
                let shown = shown.as_deref().map(handoff_number).transpose()?;
                let (target, now) = (agent_number(target)?, Time(clock(line)?));
                self.see(&Seen::Polled { target: &target, shown: shown.as_ref(), now });
                Ok(())
            }
            Event::Logs { entry } => {
                let event: Logged<Small> = entry.try_into()?;
                *self.logged.entry(event.handoff).or_default() += 1;
                self.see(&Seen::Logged(&event));
                Ok(())
            }
            Event::Renews { record } => self.renew(record, line),
            Event::Sends { .. }
            | Event::Receives { .. }
            | Event::Loses { .. }
            | Event::Restarts
            | Event::CutOff { .. }
            | Event::Ticks
            | Event::ClockSteps { .. }
            | Event::SharedClock { .. } => Ok(()),
            Event::Tells { does, .. } => Err(format!("{does:?} is told by another model")),
        }
    }

    fn effect(
        &mut self,
        number: u32,
        told: &Effected,
        record: Option<&RecordText>,
        line: &Line,
    ) -> Result<(), String> {
        let running = self.running.remove(&number).ok_or_else(|| format!("#{number} is not under way"))?;
        if running.heard.is_some() {
            return Err(format!("#{number} has not taken the store's last answer yet"));
        }
        let (operation, asker) = (&running.operation, &running.asker);
        let (command, id) = (operation.command().clone(), *operation.handoff());
        let (asks, decided) = match operation.effect() {
            Effect::Load => (EffectKind::Load, None),
            Effect::Insert { record, event } => (EffectKind::Insert, Some((record.clone(), event.clone()))),
            Effect::Swap { next, event, .. } => (EffectKind::Swap, Some((next.clone(), event.clone()))),
        };
        let writes = asks != EffectKind::Load;
        let fits = match told.outcome {
            OutcomeKind::Loaded => !writes && !told.took_effect,
            OutcomeKind::Written => writes && told.took_effect,
            OutcomeKind::Conflict => writes && !told.took_effect,
            OutcomeKind::Unknown => writes || !told.took_effect,
            OutcomeKind::Failed => !told.took_effect,
        };
        if !fits {
            return Err(format!("{:?} is no outcome of what #{number} asks for", told.outcome));
        }
        if asks != told.effect {
            return Err(format!("#{number} asks for {asks:?}, and not {:?}", told.effect));
        }
        let decided = decided.map(|(next, event)| Decided { command: command.clone(), next, event });
        match decided {
            Some(decided) if told.took_effect => self.write(&decided, asker.as_ref(), line.time),
            Some(decided) if told.may_follow => self.late.push((decided, asker.clone())),
            Some(_) | None => {}
        }
        self.compare(id, record)?;
        if !self.breaches.is_empty() {
            // What is broken goes nowhere.
            return Ok(());
        }
        let outcome = match told.outcome {
            OutcomeKind::Loaded => {
                let stored = self.registers.get(&id).and_then(|(stored, _)| stored.clone());
                let logged = if self.trace.header.log_follows {
                    self.logged.get(&id).copied().unwrap_or_default()
                } else {
                    1
                };
                Outcome::Loaded(duty::by_log(&self.law, stored, logged))
            }
            OutcomeKind::Written => Outcome::Written,
            OutcomeKind::Conflict => Outcome::Conflict,
            OutcomeKind::Unknown => Outcome::Unknown,
            OutcomeKind::Failed => Outcome::Failed,
        };
        if told.held {
            self.running.insert(number, Running { heard: Some(outcome), ..running });
            return Ok(());
        }
        self.go_on(number, running, outcome, line)
    }

    /// The operation takes the outcome, by its hub's clock.
    fn go_on(
        &mut self,
        number: u32,
        running: Running,
        outcome: Outcome<Small>,
        line: &Line,
    ) -> Result<(), String> {
        let Running { operation, asker, began, .. } = running;
        let (command, id) = (operation.command().clone(), *operation.handoff());
        let now = began.map_or_else(|| clock(line).map(Time), Ok)?;
        match operation.next(outcome, now) {
            Next::Effect(operation) => {
                self.running.insert(number, Running { operation, asker, heard: None, began });
            }
            Next::Done(done) => {
                self.answers.insert(number, Told::from(&done.verdict));
                self.answered(number, id, &command, &done, asker, now);
            }
        }
        Ok(())
    }

    fn answered(
        &mut self,
        number: u32,
        id: u8,
        command: &Command<Small>,
        done: &Done<Small>,
        asker: Option<(String, u8)>,
        now: Time,
    ) {
        let verdict = match &done.verdict {
            Ok(answer) => Ok(answer.clone()),
            Err(NotDone::Refused(refusal)) => Err(*refusal),
            Err(NotDone::Unavailable) => return self.see(&Seen::Gone { operation: number.into() }),
            Err(NotDone::Broken(rule)) => {
                let record = self.registers.get(&id).and_then(|(stored, _)| stored.as_ref());
                let record = record.map(|stored| &stored.record);
                let breach = judge::held_back(&self.law, record, command, now.0, *rule);
                return self.breaches.push(breach);
            }
        };
        let Some((client, _)) = asker else { return };
        let record = self.registers.get(&id).and_then(|(stored, _)| stored.as_ref());
        let hidden = judge::hidden(record.map(|stored| &stored.record), command, done.status);
        self.note(hidden);
        self.see(&Seen::Answered {
            operation: Some(number.into()),
            handoff: &id,
            command,
            verdict: &verdict,
            now,
        });
        let twice = judge::one_winner(self.winners.entry(id).or_default(), client, &verdict);
        self.note(twice);
    }

    fn write(&mut self, decided: &Decided, asker: Option<&(String, u8)>, time: u64) {
        let Decided { command, next, event } = decided;
        self.versions += 1;
        let stored = Stored { record: next.clone(), version: Version(self.versions) };
        let pruned = self.registers.get(&next.id).is_some_and(|(_, pruned)| *pruned);
        let before = self.registers.insert(next.id, (Some(stored), pruned)).and_then(|(stored, _)| stored);
        let before = before.as_ref().map(|stored| &stored.record);
        if let Edge::Breach(breach) = refines((before, pruned), (Some(next), pruned)) {
            self.breaches.push(breach);
        }
        let late = judge::in_time(self.trace.header.bound, time, next, event.kind);
        self.note(late);
        let swept = judge::after_sweep(before, event.kind);
        self.note(swept);
        let unlawful = judge::replaced(Rules::ALL, before, command, next, event);
        self.note(unlawful);
        let wrong = asker.map_or_else(
            || judge::asked_for(command),
            |(_, really)| judge::rightful(really, next, event.kind),
        );
        self.note(wrong);
        self.see(&Seen::Committed { command, next, event });
        if !self.trace.header.log_follows {
            self.see(&Seen::Logged(event));
        }
    }

    /// A hub makes a claim as young as itself, as its law has it.
    fn renew(&mut self, told: &RecordText, line: &Line) -> Result<(), String> {
        let record = Record::try_from(told)?;
        let register = self.registers.get(&record.id).and_then(|(stored, _)| stored.as_ref());
        let now = Time(clock(line)?);
        let renewed = register.and_then(|stored| duty::renewed(&stored.record, now));
        if !self.law.renews_claims() || renewed.as_ref() != Some(&record) {
            return Err("no claim is made younger so".into());
        }
        self.versions += 1;
        let stored = Stored { record, version: Version(self.versions) };
        self.see(&Seen::Known(&stored.record));
        self.registers.insert(stored.record.id, (Some(stored), false));
        Ok(())
    }

    fn forget(&mut self, id: u8, record: Option<&RecordText>) -> Result<(), String> {
        self.versions += 1;
        let stored = match record {
            Some(record) => {
                Some(Stored { record: Record::try_from(record)?, version: Version(self.versions) })
            }
            None => None,
        };
        let statuses: Vec<Status> = stored.iter().map(|stored| stored.record.status()).collect();
        let before = self.registers.get(&id).and_then(|(stored, _)| stored.as_ref());
        let before = before.map(|stored| &stored.record);
        let after = stored.as_ref().map(|stored| &stored.record);
        if let Edge::Breach(breach) = refines((before, false), (after, false)) {
            self.breaches.push(breach);
        }
        self.registers.insert(id, (stored, false));
        self.see(&Seen::Located { handoff: &id, statuses: &statuses });
        Ok(())
    }

    /// What is on record is what the trace tells.
    fn compare(&self, id: u8, told: Option<&RecordText>) -> Result<(), String> {
        let stored = self.registers.get(&id).and_then(|(stored, _)| stored.as_ref());
        let is = stored.map(|stored| RecordText::from(&stored.record));
        if is.as_ref() == told { Ok(()) } else { Err(format!("on record is {is:?}, and not {told:?}")) }
    }

    fn judge(mut self) -> Result<(), String> {
        if let Some((number, told)) = self.answers.first_key_value() {
            return Err(format!("the trace does not tell that #{number} is answered {told}"));
        }
        let header = &self.trace.header;
        if header.kind == Kind::Counterexample {
            let settled = self.history.settle();
            self.note(settled.err());
        }
        let broken = self.breaches.iter().any(|breach| breach.property.id() == header.rule);
        match header.kind {
            Kind::Counterexample if broken => Ok(()),
            Kind::Counterexample => {
                Err(format!("{} is not broken at the end, but {:?}", header.rule, self.breaches))
            }
            Kind::Witness | Kind::Lasso => match self.breaches.first() {
                None => Ok(()),
                Some(breach) => Err(format!("at the end {breach}")),
            },
        }
    }
}

/// What a line tells of an effect.
struct Effected {
    effect: EffectKind,
    outcome: OutcomeKind,
    took_effect: bool,
    may_follow: bool,
    held: bool,
}

fn clock(line: &Line) -> Result<u64, String> {
    line.clock.ok_or_else(|| format!("{} has no clock here, and decides", line.host))
}
