//! Pictures: a history without an order, as text that a person can follow.

use std::collections::BTreeMap;
use std::fmt;

use handoff_kernel::command::{Answer, Command};
use handoff_kernel::ident::{ClaimId, Wire};
use handoff_kernel::record::{Record, Rejection, State};
use handoff_kernel::time::Time;

use super::search::World;
use super::{Asked, Heard, NoOrder, Operation};

/// So many columns are for the bars, at the most.
const WIDEST: usize = 64;

/// The handoff, its operations as bars from call to return, and what could have been the case before the last return.
pub(super) fn draw(found: &NoOrder, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let NoOrder { handoff, operations, clock, possible, .. } = found;
    writeln!(f, "No order of the operations on {handoff} explains what was heard.")?;
    writeln!(f, "Times are milliseconds of the hub's clock after {}.\n", clock.0)?;
    let mut columns = BTreeMap::new();
    for operation in operations {
        columns.extend([Some(operation.called), operation.returned].into_iter().flatten().map(|at| (at, 0)));
    }
    let (count, wide) = (columns.len().max(1), (columns.len() * 3).min(WIDEST));
    for (n, column) in columns.values_mut().enumerate() {
        *column = n * wide / count;
    }
    let culprit = found.culprit().map(|operation| operation.called);
    for operation in operations {
        let from = columns.get(&operation.called).copied().unwrap_or_default();
        let to = operation.returned.and_then(|at| columns.get(&at).copied()).unwrap_or(wide);
        let (dash, close) = match operation.heard {
            Heard::Unknown => ("·", if operation.returned.is_some() { "?" } else { "…" }),
            Heard::Made(_) | Heard::Verdict(_) | Heard::Seen(_) | Heard::Shown(_) | Heard::Set => ("-", "|"),
        };
        let bar = format!("{}|{}{close}", " ".repeat(from), dash.repeat(to.saturating_sub(from + 1)));
        let mark = if culprit == Some(operation.called) { '>' } else { ' ' };
        let padded = wide + 2;
        let (client, asked, heard) =
            (operation.client, asked(operation, *clock), heard(&operation.heard, *clock));
        writeln!(f, "{mark} {client:>3} {bar:<padded$} {asked}: {heard}")?;
    }
    if let Some(operation) = found.culprit() {
        let asked = asked(operation, *clock);
        writeln!(
            f,
            "\nThe one marked `>` ({asked}) has no place. Before it returned, this could be the case:"
        )?;
    }
    possible.iter().try_for_each(|world| writeln!(f, "  {world}"))
}

fn since(time: Time, clock: Time) -> String {
    if time >= clock { format!("+{}", time.since(clock).0) } else { format!("-{}", clock.since(time).0) }
}

fn claim(id: Option<&ClaimId>) -> String {
    id.map_or_else(|| "anonymously".to_owned(), |id| format!("as {id}"))
}

fn asked(operation: &Operation, clock: Time) -> String {
    match &operation.asked {
        Asked::Command(_, command) => commanded(command, clock),
        Asked::Get(_, by) => format!("get by {by}"),
        Asked::Poll(by) => format!("poll by {by}"),
        Asked::Clock(to) => format!("clock to {}", since(*to, clock)),
    }
}

fn commanded(command: &Command<Wire>, clock: Time) -> String {
    match command {
        Command::Start { sender, artifact } => {
            let bytes = &artifact.digest.to_string()[..6];
            format!("start of {bytes} by {sender}, until {}", since(artifact.expires_at, clock))
        }
        Command::Accept { by, claim_id, .. } => format!("accept by {by} {}", claim(claim_id.as_ref())),
        Command::Complete { by, claim_id, result, .. } => {
            let result = result.as_deref().unwrap_or("nothing");
            format!("complete by {by} {} with {result}", claim(claim_id.as_ref()))
        }
        Command::Reject { by, claim_id, reason, .. } => {
            format!("reject by {by} {} because {reason}", claim(claim_id.as_ref()))
        }
        Command::Sweep => "sweep".to_owned(),
    }
}

fn heard(heard: &Heard, clock: Time) -> String {
    match heard {
        Heard::Unknown => "nobody heard".to_owned(),
        Heard::Made(_) => "made".to_owned(),
        Heard::Verdict(Ok(said)) => answer(said, clock),
        Heard::Verdict(Err(refusal)) | Heard::Seen(Err(refusal)) => refusal.name().to_owned(),
        Heard::Seen(Ok(record)) => state(record, clock),
        Heard::Shown(None) => "none".to_owned(),
        Heard::Shown(Some((id, digest))) => format!("{id} of {}", &digest.to_string()[..6]),
        Heard::Set => "set".to_owned(),
    }
}

fn answer(said: &Answer<Wire>, clock: Time) -> String {
    match said {
        Answer::Started { expires_at } => format!("known, until {}", since(*expires_at, clock)),
        Answer::Claimed { claim_id, claimed_at, .. } => {
            format!("claimed {} at {}", claim(claim_id.as_ref()), since(*claimed_at, clock))
        }
        Answer::Completed { at } => format!("completed at {}", since(*at, clock)),
        Answer::Rejected { at } => format!("rejected at {}", since(*at, clock)),
        Answer::Swept => "swept".to_owned(),
    }
}

fn state(record: &Record<Wire>, clock: Time) -> String {
    let claimed = record
        .claim()
        .map(|made| format!("claimed {} at {}", claim(made.id.as_ref()), since(made.at, clock)));
    let ended = record.finished_at().map(|at| since(at, clock)).unwrap_or_default();
    let end = match &record.state {
        State::Pending => Some(format!("pending until {}", since(record.expires_at, clock))),
        State::Claimed(_) => None,
        State::Completed { completion, .. } => {
            Some(format!("completed at {ended} with {}", completion.result.as_deref().unwrap_or("nothing")))
        }
        State::Rejected(Rejection::Declined { decline, .. }) => {
            Some(format!("declined at {ended} because {}", decline.reason))
        }
        State::Rejected(rejection @ (Rejection::Expired { .. } | Rejection::ClaimExpired { .. })) => {
            Some(format!("{} at {ended}", rejection.name()))
        }
    };
    let bytes = &record.digest.to_string()[..6];
    let parts: Vec<_> = claimed.into_iter().chain(end).collect();
    format!("{bytes} started at {}, {}", since(record.started_at, clock), parts.join(", "))
}

/// What is the case, in words.
pub(super) fn world(world: &World, clock: Time) -> String {
    let known = world.record.as_ref().map_or_else(|| "no handoff".to_owned(), |record| state(record, clock));
    format!("at {}: {known}", since(world.now, clock))
}
