//! A history as a file: one line an operation, for whoever wants to know what happened.

use std::fmt::Write as _;

use handoff_kernel::time::Time;
use serde_json::json;

use crate::linear::{Asked, Heard, Operation};

/// The name of what was asked.
fn asked(asked: &Asked) -> &'static str {
    match asked {
        Asked::Command(_, command) => command.name(),
        Asked::Get(..) => "get",
        Asked::Poll(_) => "poll",
        Asked::Clock(_) => "clock",
    }
}

/// The name of what was heard.
pub(super) fn heard(heard: &Heard) -> &'static str {
    use handoff_kernel::command::Answer;
    match heard {
        Heard::Unknown => "unknown",
        Heard::Made(_) => "made",
        Heard::Verdict(Ok(answer)) => match answer {
            Answer::Started { .. } => "known",
            Answer::Claimed { .. } => "claimed",
            Answer::Completed { .. } => "completed",
            Answer::Rejected { .. } => "rejected",
            Answer::Swept => "swept",
        },
        Heard::Verdict(Err(refusal)) => refusal.name(),
        Heard::Seen(Ok(_)) => "seen",
        Heard::Seen(Err(_)) => "not seen",
        Heard::Shown(Some(_)) => "shown",
        Heard::Shown(None) => "none shown",
        Heard::Set => "set",
    }
}

/// The whole history, as lines of JSON: the first says where the clock stood.
pub(super) fn lines(history: &[Operation], clock: Time) -> String {
    let mut text = format!("{}\n", json!({ "clock": clock.0 }));
    for operation in history {
        let line = json!({
            "client": operation.client,
            "called": operation.called,
            "returned": operation.returned,
            "asked": asked(&operation.asked),
            "handoff": operation.handoff().map(|id| id.as_str()),
            "heard": heard(&operation.heard),
            "question": format!("{:?}", operation.asked),
            "answer": format!("{:?}", operation.heard),
        });
        let _infallible = writeln!(text, "{line}");
    }
    text
}

/// Writes the history to a file, and says where it is, or why it is nowhere.
pub(super) fn keep(history: &[Operation], clock: Time, seed: u64, number: u64) -> String {
    let path = std::env::temp_dir().join(format!("handoff-history-{seed}-{number}.ndjson"));
    match std::fs::write(&path, lines(history, clock)) {
        Ok(()) => format!("The whole history is in {}.", path.display()),
        Err(error) => format!("The history could not be kept in {}: {error}.", path.display()),
    }
}
