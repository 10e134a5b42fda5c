//! What the lines of hubs, their store and their clients look like.

use super::{Life, Mark};
use crate::trace::{Ask, EffectKind, Event, Line, OutcomeKind, RecordText, Trace};

fn known(record: Option<&RecordText>) -> String {
    record.map_or_else(|| "nothing".to_owned(), ToString::to_string)
}

/// Whether messages travel in this trace: otherwise a request is at its hub at once.
fn travels(trace: &Trace) -> bool {
    let message = |line: &Line| {
        matches!(line.event, Event::Sends { .. } | Event::Receives { .. } | Event::Loses { .. })
    };
    trace.lines.iter().any(message)
}

/// The client that waits for this operation.
fn asker(trace: &Trace, which: u32) -> Option<&str> {
    trace.lines.iter().find_map(|line| {
        let Event::Begins { operation, asker: Some(asker), .. } = &line.event else { return None };
        (*operation == which).then_some(asker.client.as_str())
    })
}

/// What is drawn of this line.
pub(super) fn marks(trace: &Trace, at: usize) -> Vec<Mark> {
    let Line { host, event, .. } = &trace.lines[at];
    let client = |client| if travels(trace) { "network" } else { client };
    match event {
        Event::Sends { handoff, command } => {
            vec![Mark::arrow(host, "network", format!("{command}, on {handoff}"))]
        }
        Event::Begins { operation, handoff, command, asker } => {
            let text = format!("#{operation}: {command}, on {handoff}");
            match asker {
                Some(asker) => vec![Mark::arrow(client(&asker.client), host, text)],
                None if *command == Ask::Sweep => vec![Mark::note(host, format!("janitor, {text}"))],
                // Of a record that nobody may ever see nobody says who asks.
                None => vec![Mark::note(host, text)],
            }
        }
        Event::Effect { operation, effect, outcome, record, took_effect, may_follow, held } => {
            let asked = match effect {
                EffectKind::Load => format!("#{operation}: load"),
                EffectKind::Insert => format!("#{operation}: write if there is nothing"),
                EffectKind::Swap => format!("#{operation}: write if it is still what was loaded"),
            };
            let request = Mark::arrow(host, "store", asked);
            let later = if *held { ", which the hub takes later" } else { "" };
            let answer = |text: &str| Mark::answer("store", host, format!("{text}{later}"));
            let now = Mark::record("store", known(record.as_ref()));
            match (outcome, took_effect, may_follow) {
                (OutcomeKind::Loaded, ..) => vec![request, answer(&known(record.as_ref()))],
                (OutcomeKind::Written, ..) => vec![request, now, answer("written")],
                (OutcomeKind::Conflict, ..) => vec![request, now, answer("conflict: it is something else")],
                (OutcomeKind::Failed, ..) => vec![request, answer("cannot now")],
                (OutcomeKind::Unknown, true, _) => {
                    vec![request, now, answer("written").that_is_lost(true)]
                }
                (OutcomeKind::Unknown, false, true) => vec![
                    request.that_is_lost(true),
                    Mark::trouble("store", format!("the write of #{operation} is still under way")),
                ],
                (OutcomeKind::Unknown, false, false) => vec![request.that_is_lost(true)],
            }
        }
        Event::Hears { operation } => {
            vec![Mark::note(host, format!("goes on with the store's answer to #{operation}"))]
        }
        Event::Follows { operation, took_effect, record, .. } => {
            let what = if *took_effect { "takes effect after all" } else { "comes too late" };
            let late = Mark::trouble("store", format!("the write of #{operation} {what}"));
            vec![late, Mark::record("store", known(record.as_ref()))]
        }
        Event::Answers { operation, verdict } => match asker(trace, *operation) {
            Some(asker) => vec![Mark::answer(host, client(asker), format!("#{operation}: {verdict}"))],
            None => vec![Mark::note(host, format!("#{operation}: {verdict}"))],
        },
        Event::Receives { command, verdict } => {
            let from = if trace.header.model == "malice" { "hub" } else { "network" };
            vec![Mark::answer(from, host, format!("{verdict}, to {command}"))]
        }
        Event::Loses { message } => vec![Mark::trouble("network", format!("loses {message}"))],
        Event::Crashes { .. } => {
            vec![
                Mark::trouble(host, "dies, and what it was doing with it"),
                Mark::Turns(host.clone(), Life::Down),
            ]
        }
        Event::Restarts => vec![Mark::Turns(host.clone(), Life::Up), Mark::note(host, "is there again")],
        Event::CutOff { now: true } => {
            vec![Mark::trouble(host, "is cut off"), Mark::Turns(host.clone(), Life::Cut)]
        }
        Event::CutOff { now: false } => {
            vec![Mark::Turns(host.clone(), Life::Up), Mark::note(host, "is reachable again")]
        }
        Event::Ticks => Vec::new(),
        Event::ClockSteps { .. } | Event::Forgets { .. } | Event::Renews { .. } => {
            vec![Mark::trouble(host, event.to_string())]
        }
        Event::SharedClock { .. }
        | Event::Prunes { .. }
        | Event::Polls { .. }
        | Event::Logs { .. }
        | Event::Tells { .. } => vec![Mark::note(host, event.to_string())],
    }
}
