//! A counterexample to induction, lived through again by the operation machine.
//!
//! It begins with a record that need not be reachable, so that no history is asked: each question is carried out by an
//! [`Operation`], must come to what is told, and must break the rule that the trace is about, by itself or as the repeat
//! of the one before.

use handoff_kernel::command::Command;
use handoff_kernel::operation::{Effect, Next, Operation, Outcome, Stored, Version};
use handoff_kernel::record::Record;
use handoff_kernel::refusal::Refusal;
use handoff_kernel::rules::{Rule, Step, repeats, state_rules, step_rules};
use handoff_kernel::step::{Transition, step};
use handoff_kernel::testing::small::Small;
use handoff_kernel::testing::variant::Variant;
use handoff_kernel::time::Time;

use crate::trace::{EffectKind, Event, Line, OutcomeKind, RecordText, Told, Trace};

/// What was asked, when, of which record, and what came of it.
type Asked = (Option<Record<Small>>, Command<Small>, Time, Result<Transition<Small>, Refusal>);

/// Lives it through again.
///
/// # Errors
/// Where the kernel does something else than the trace tells, or that its rule is not broken, as a sentence.
pub fn replay(trace: &Trace, law: Variant) -> Result<(), String> {
    // What a guard would stop must be seen to happen.
    let law = &law.unguarded();
    let mut register = match &trace.header.records[..] {
        [] => None,
        [record] => Some(Record::try_from(record)?),
        [_, _, ..] => return Err("an induction speaks of one handoff".into()),
    };
    let mut told = trace.lines.iter();
    let mut asked: Vec<Asked> = Vec::new();
    while let Some(first) = told.next() {
        let Event::Begins { operation, command, .. } = &first.event else {
            return Err(format!("step {}: an operation begins here", first.step));
        };
        let (command, now) = (Command::try_from(command)?, clock(first)?);
        let before = register.clone();
        let events = carried_out(law, *operation, &mut register, &command, now);
        for event in events {
            let line = told.next().ok_or("it ends before its last answer")?;
            let same = line.event == event && line.step == first.step && clock(line)? == now;
            if !same {
                return Err(format!("step {}: the kernel {event}, and not: {}", line.step, line.event));
            }
        }
        let result = step(law, before.as_ref(), &command, now);
        asked.push((before, command, now, result));
    }
    let rule = &trace.header.rule;
    let broken = broken(&asked);
    if broken.iter().any(|broken| format!("{broken:?}") == *rule) {
        return Ok(());
    }
    Err(format!("{rule} is not broken at the end, but {broken:?}"))
}

/// The rules that the last question breaks.
fn broken(asked: &[Asked]) -> Vec<Rule> {
    fn seen((before, command, now, result): &Asked) -> Step<'_, Small> {
        Step { before: before.as_ref(), command, now: *now, result }
    }
    let by_itself = |step: &Step<'_, Small>| {
        let mut rules: Vec<Rule> =
            step_rules().into_iter().filter(|(.., holds)| !holds(step)).map(|(rule, ..)| rule).collect();
        if let Ok(Transition::To { next, .. }) = step.result {
            rules.extend(state_rules().into_iter().filter(|(.., holds)| !holds(next)).map(|(rule, ..)| rule));
        }
        rules
    };
    match asked {
        [.., first, second] => {
            let (first, second) = (seen(first), seen(second));
            let again = first.command.same_request(second.command);
            if again && !repeats(&first, &second) { vec![Rule::S9] } else { Vec::new() }
        }
        [only] => by_itself(&seen(only)),
        [] => Vec::new(),
    }
}

/// All that is told of an operation after it has begun.
fn carried_out(
    law: &Variant,
    operation: u32,
    register: &mut Option<Record<Small>>,
    command: &Command<Small>,
    now: Time,
) -> Vec<Event> {
    let mut events = Vec::new();
    let mut running = Operation::new(*law, 0, command.clone());
    loop {
        let (effect, outcome) = match running.effect() {
            Effect::Load => {
                let stored = register.clone().map(|record| Stored { record, version: Version(1) });
                (EffectKind::Load, Outcome::Loaded(stored))
            }
            Effect::Insert { record: next, .. } => {
                *register = Some(next.clone());
                (EffectKind::Insert, Outcome::Written)
            }
            Effect::Swap { next, .. } => {
                *register = Some(next.clone());
                (EffectKind::Swap, Outcome::Written)
            }
        };
        let writes = effect != EffectKind::Load;
        events.push(Event::Effect {
            operation,
            effect,
            outcome: if writes { OutcomeKind::Written } else { OutcomeKind::Loaded },
            record: register.as_ref().map(RecordText::from),
            took_effect: writes,
            may_follow: false,
            held: false,
        });
        match running.next(outcome, now) {
            Next::Effect(next) => running = next,
            Next::Done(done) => {
                events.push(Event::Answers { operation, verdict: Told::from(&done.verdict) });
                return events;
            }
        }
    }
}

fn clock(line: &Line) -> Result<Time, String> {
    line.clock.map(Time).ok_or_else(|| format!("{} has no clock here, and decides", line.host))
}
