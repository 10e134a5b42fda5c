//! What a trace of the model tells: every step in words, for the text and for the picture.

use handoff_kernel::command::Command;
use handoff_kernel::record::{Record, State};
use handoff_kernel::refusal::Refusal;
use handoff_kernel::testing::small::{ALICE, BOB, Small};
use handoff_kernel::time::Time;
use handoff_spec::model::Story;
use handoff_spec::trace::{Event, Line, Word, handoff};

use crate::forwarding::{CAROL, FIRST, HANDED_ON};

fn line(now: Time, who: &str, word: Word) -> Line {
    Line::at(now.0, who, None, Event::from(word))
}

/// Something that alice does by herself.
pub(crate) fn alice(story: &mut Story, now: Time, word: impl FnOnce() -> Word) {
    story.tell(|| line(now, "alice", word()));
}

/// A command: who asks for it, what is on record then, and why it was refused, if it was.
pub(crate) fn asks(
    story: &mut Story,
    now: Time,
    id: u8,
    command: &Command<Small>,
    record: Option<&Record<Small>>,
    refused: Option<Refusal>,
) {
    let who = command.actor().map(|by| agent(*by));
    story.tell(|| match who {
        Some(who) => line(now, who, Word::asks("hub", request(id, command))),
        None => line(now, "hub", Word::Notes(request(id, command))),
    });
    if let Some(record) = record {
        story.tell(|| line(now, "hub", Word::Records(known(record))));
    }
    if let (Command::Accept { .. }, Some(who), None) = (command, who, refused) {
        story.tell(|| line(now, who, Word::Notes("does the work".to_owned())));
    }
    if let (Some(who), Some(refusal)) = (who, refused) {
        story.tell(|| line(now, "hub", Word::answers(who, format!("refused: {}", refusal.name()))));
    }
}

fn agent(by: u8) -> &'static str {
    match by {
        BOB => "bob",
        ALICE => "alice",
        CAROL => "carol",
        _ => "somebody",
    }
}

fn request(id: u8, command: &Command<Small>) -> String {
    let name = handoff(id);
    match command {
        Command::Start { artifact, .. } if id == FIRST => {
            format!("start {name}, for {}", agent(artifact.target))
        }
        Command::Start { artifact, .. } => {
            format!("start {name}, for {}: go on from {}", agent(artifact.target), handoff(FIRST))
        }
        Command::Accept { .. } => format!("accept {name}"),
        Command::Complete { result, .. } => format!("complete {name}: {}", outcome(*result)),
        Command::Reject { .. } => format!("decline {name}"),
        Command::Sweep => format!("looks whether {name} is overdue"),
    }
}

fn outcome(result: Option<u8>) -> &'static str {
    if result == Some(HANDED_ON) { "handed on as h1" } else { "the work is done" }
}

fn known(record: &Record<Small>) -> String {
    let status = match &record.state {
        State::Pending => format!("waits for {}", agent(record.target)),
        State::Claimed(_) => format!("claimed by {}", agent(record.target)),
        State::Completed { completion, .. } => format!("completed, {}", outcome(completion.result)),
        State::Rejected(rejection) => format!("rejected, {}", rejection.name()),
    };
    format!("{}: {status}", handoff(record.id))
}
