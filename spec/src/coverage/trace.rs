//! What a trace shows.

use handoff_kernel::command::Command;
use handoff_kernel::operation::NotDone;
use handoff_kernel::record::Record;
use handoff_kernel::testing::small::Small;
use handoff_kernel::time::Time;

use super::Seen;
use super::label::{Verdict, Wrote};
use super::watcher::{Came, Then, Watcher};
use crate::trace::{Event, Line, OutcomeKind, RecordText, Trace, handoff_number};

/// What a trace of hubs and a store shows.
///
/// # Errors
/// At which line it says what cannot be, or is no trace of hubs.
pub fn watch(trace: &Trace) -> Result<Seen, String> {
    let mut watcher = Watcher::<Small>::default();
    for text in &trace.header.records {
        let record = Record::try_from(text)?;
        watcher.knows(&record.id, Some(&record));
    }
    for (number, line) in trace.lines.iter().enumerate() {
        let before = watcher.seen().strays;
        let told = tell(&mut watcher, line, trace.lines.get(number + 1));
        let told = told.and_then(|()| {
            let strays = watcher.seen().strays > before;
            if strays { Err("there is no such operation under way".into()) } else { Ok(()) }
        });
        told.map_err(|why: String| format!("line {}: {why}", number + 2))?;
    }
    Ok(watcher.into_seen())
}

fn record(text: Option<&RecordText>) -> Result<Option<Record<Small>>, String> {
    text.map(Record::try_from).transpose()
}

fn tell(watcher: &mut Watcher<Small>, line: &Line, next: Option<&Line>) -> Result<(), String> {
    let now = || line.clock.map(Time).ok_or_else(|| format!("{} has no clock here, and decides", line.host));
    match &line.event {
        Event::Begins { operation, handoff, command, .. } => {
            let command = Command::try_from(command)?;
            watcher.begins((*operation).into(), &handoff_number(handoff)?, &command);
        }
        Event::Effect { operation, outcome, record: known, took_effect, may_follow, held, .. } => {
            let came = match (outcome, took_effect, may_follow) {
                (OutcomeKind::Loaded, ..) => Came::Loaded,
                (OutcomeKind::Written, ..) => Came::Wrote(Wrote::Written),
                (OutcomeKind::Conflict, ..) => Came::Wrote(Wrote::Conflict),
                (OutcomeKind::Unknown, true, _) => Came::Wrote(Wrote::AnswerLost),
                (OutcomeKind::Unknown, false, true) => Came::Wrote(Wrote::Delayed),
                (OutcomeKind::Unknown, false, false) => Came::Wrote(Wrote::Lost),
                (OutcomeKind::Failed, ..) => Came::Failed,
            };
            let then = if *held { Then::Held } else { then(*operation, next)? };
            watcher.effect((*operation).into(), came, record(known.as_ref())?.as_ref(), now()?, then);
        }
        Event::Hears { operation } => {
            watcher.hears((*operation).into(), now()?, then(*operation, next)?);
        }
        Event::Follows { operation, took_effect, record: known, .. } => {
            watcher.follows((*operation).into(), *took_effect, record(known.as_ref())?.as_ref());
        }
        Event::Crashes { operations } => watcher.crashes(operations.iter().map(|one| u64::from(*one))),
        Event::Prunes { handoff } => watcher.prunes(&handoff_number(handoff)?),
        Event::Forgets { handoff, record: known } => {
            watcher.knows(&handoff_number(handoff)?, record(known.as_ref())?.as_ref());
        }
        Event::Renews { record: known } => {
            let known = Record::try_from(known.as_ref())?;
            watcher.knows(&known.id, Some(&known));
        }
        // Answers are told with what they answer.
        Event::Answers { .. }
        | Event::Sends { .. }
        | Event::Receives { .. }
        | Event::Loses { .. }
        | Event::Restarts
        | Event::CutOff { .. }
        | Event::Ticks
        | Event::ClockSteps { .. }
        | Event::SharedClock { .. }
        | Event::Polls { .. }
        | Event::Logs { .. } => {}
        Event::Tells { does, .. } => return Err(format!("{does:?} is told by another model")),
    }
    Ok(())
}

/// What the hub makes of what it was told: the answer, if that is told next.
fn then(operation: u32, next: Option<&Line>) -> Result<Then, String> {
    match next.map(|line| &line.event) {
        Some(Event::Answers { operation: answered, verdict }) if *answered == operation => {
            let verdict: Result<handoff_kernel::command::Answer<Small>, NotDone> = verdict.try_into()?;
            Ok(Then::Answers(Verdict::from(&verdict)))
        }
        Some(_) | None => Ok(Then::GoesOn),
    }
}
