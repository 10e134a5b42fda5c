//! The wire's values as a trace writes them, and back.

use handoff_kernel::command::{Answer, Command, Event, EventKind};
use handoff_kernel::ident::{ClaimId, HandoffId, Mac, Wire};
use handoff_kernel::operation::NotDone;
use handoff_kernel::record::{Claim, Record, Rejection, State};
use handoff_spec::trace::{Artifact, Ask, ClaimText, EventText, RecordText, StatusText, Told};

use crate::cast::{self, Cast, in_a_trace};

fn claim_id(id: Option<&ClaimId>) -> Option<String> {
    id.map(ClaimId::to_string)
}

fn receipt(receipt: Option<&Mac>) -> Option<String> {
    receipt.map(cast::receipt_named)
}

/// A trace has room for small attempts only; what tells them apart here is the operation.
fn attempt(attempt: u64) -> u8 {
    u8::try_from(attempt % 256).unwrap_or_default()
}

/// What is asked.
#[must_use]
pub fn ask(cast: &Cast, command: &Command<Wire>) -> Ask {
    match command {
        Command::Start { sender, artifact } => Ask::Start {
            sender: sender.to_string(),
            artifact: Artifact {
                handoff: artifact.id.to_string(),
                author: artifact.author.to_string(),
                target: artifact.target.to_string(),
                digest: cast.named(&artifact.digest),
                expires_at: in_a_trace(artifact.expires_at),
                claim_ttl: cast::millis(artifact.claim_ttl),
            },
        },
        Command::Accept { by, claim_id: id, attempt: number, receipt: r } => Ask::Accept {
            by: by.to_string(),
            claim_id: claim_id(id.as_ref()),
            attempt: attempt(*number),
            receipt: receipt(r.as_ref()),
        },
        Command::Complete { by, claim_id: id, result, receipt: r } => Ask::Complete {
            by: by.to_string(),
            claim_id: claim_id(id.as_ref()),
            result: result.as_deref().map(cast::text_named),
            receipt: receipt(r.as_ref()),
        },
        Command::Reject { by, claim_id: id, reason, receipt: r } => Ask::Reject {
            by: by.to_string(),
            claim_id: claim_id(id.as_ref()),
            reason: cast::text_named(reason),
            receipt: receipt(r.as_ref()),
        },
        Command::Sweep => Ask::Sweep,
    }
}

/// The command that a trace tells of, with attempt 0: the hub draws its own.
///
/// # Errors
/// What in it cannot be, as a sentence.
pub fn command(cast: &Cast, ask: &Ask) -> Result<Command<Wire>, String> {
    let claim = |id: &Option<String>| id.as_deref().map(cast::claim).transpose();
    let mac = |name: &Option<String>| name.as_deref().map(cast::receipt).transpose();
    Ok(match ask {
        Ask::Start { sender, artifact } => {
            Command::Start { sender: cast::agent(sender)?, artifact: cast.artifact(artifact)?.start }
        }
        Ask::Accept { by, claim_id, receipt, .. } => Command::Accept {
            by: cast::agent(by)?,
            claim_id: claim(claim_id)?,
            attempt: 0,
            receipt: mac(receipt)?,
        },
        Ask::Complete { by, claim_id, result, receipt } => Command::Complete {
            by: cast::agent(by)?,
            claim_id: claim(claim_id)?,
            result: result.as_deref().map(cast::text),
            receipt: mac(receipt)?,
        },
        Ask::Reject { by, claim_id, reason, receipt } => Command::Reject {
            by: cast::agent(by)?,
            claim_id: claim(claim_id)?,
            reason: cast::text(reason),
            receipt: mac(receipt)?,
        },
        Ask::Sweep => Command::Sweep,
    })
}

fn claimed(claim: &Claim<Wire>) -> ClaimText {
    ClaimText {
        id: claim_id(claim.id.as_ref()),
        at: in_a_trace(claim.at),
        attempt: claim.attempt.map(attempt),
        receipt: receipt(claim.receipt.as_ref()),
    }
}

/// What is on record.
#[must_use]
pub fn record(cast: &Cast, record: &Record<Wire>) -> RecordText {
    let state = match &record.state {
        State::Pending => StatusText::Pending,
        State::Claimed(claim) => StatusText::Claimed { claim: claimed(claim) },
        State::Completed { claim, completion } => StatusText::Completed {
            claim: claimed(claim),
            at: in_a_trace(completion.at),
            result: completion.result.as_deref().map(cast::text_named),
            receipt: receipt(completion.receipt.as_ref()),
        },
        State::Rejected(Rejection::Declined { claim, decline }) => StatusText::Declined {
            claim: claim.as_ref().map(claimed),
            at: in_a_trace(decline.at),
            claim_id: claim_id(decline.claim_id.as_ref()),
            reason: cast::text_named(&decline.reason),
            receipt: receipt(decline.receipt.as_ref()),
        },
        State::Rejected(Rejection::Expired { at }) => StatusText::Expired { at: in_a_trace(*at) },
        State::Rejected(Rejection::ClaimExpired { claim, at }) => {
            StatusText::ClaimExpired { claim: claimed(claim), at: in_a_trace(*at) }
        }
    };
    RecordText {
        handoff: record.id.to_string(),
        author: record.author.to_string(),
        target: record.target.to_string(),
        digest: cast.named(&record.digest),
        started_at: in_a_trace(record.started_at),
        expires_at: in_a_trace(record.expires_at),
        claim_ttl: cast::millis(record.claim_ttl),
        state,
    }
}

/// What an asker is told.
#[must_use]
pub fn told(verdict: &Result<Answer<Wire>, NotDone>) -> Told {
    match verdict {
        Ok(Answer::Started { expires_at }) => Told::Started { expires_at: in_a_trace(*expires_at) },
        Ok(Answer::Claimed { claim_id: id, claimed_at, claim_expires_at }) => Told::Claimed {
            claim_id: claim_id(id.as_ref()),
            claimed_at: in_a_trace(*claimed_at),
            claim_expires_at: claim_expires_at.map(in_a_trace),
        },
        Ok(Answer::Completed { at }) => Told::Completed { at: in_a_trace(*at) },
        Ok(Answer::Rejected { at }) => Told::Rejected { at: in_a_trace(*at) },
        Ok(Answer::Swept) => Told::Swept,
        Err(NotDone::Refused(refusal)) => Told::Refused(refusal.name().to_owned()),
        Err(NotDone::Unavailable) => Told::Unavailable,
        Err(NotDone::Broken(rule)) => Told::Broken(format!("{rule:?}")),
    }
}

/// What stands in the log.
#[must_use]
pub fn event(event: &Event<Wire>) -> EventText {
    let kind = match event.kind {
        // Both have one name in the log; a trace tells them apart.
        EventKind::ClaimExpired => "claim_expired",
        EventKind::Started
        | EventKind::Claimed
        | EventKind::Completed
        | EventKind::Rejected
        | EventKind::Expired => event.kind.name(),
    };
    EventText {
        handoff: event.handoff.to_string(),
        kind: kind.to_owned(),
        at: in_a_trace(event.at),
        actor: event.actor.as_ref().map(ToString::to_string),
    }
}

/// A handoff's name.
#[must_use]
pub fn handoff(id: &HandoffId) -> String {
    id.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_kernel::testing::small::commands;
    use handoff_kernel::time::Time;

    #[test]
    fn every_command_of_a_trace_reads_back_as_it_was_told() {
        let cast = Cast::default();
        for small in commands(3) {
            let told = Ask::from(&small);
            let wire = command(&cast, &told).unwrap();
            let again = match (ask(&cast, &wire), told.clone()) {
                // Which attempt it is, its hub says.
                (Ask::Accept { by, claim_id, receipt, .. }, Ask::Accept { attempt, .. }) => {
                    Ask::Accept { by, claim_id, attempt, receipt }
                }
                (again, _) => again,
            };
            assert_eq!(again, told);
        }
    }

    #[test]
    fn a_record_is_told_as_the_models_tell_it() {
        use handoff_kernel::testing::small::records;
        let cast = Cast::default();
        // A model's record made large: every field by its name.
        for small in records(2).into_iter().flatten() {
            if small.claim_ttl.is_some() {
                continue;
            }
            let told = RecordText::from(&small);
            let said = Artifact {
                handoff: told.handoff.clone(),
                author: told.author.clone(),
                target: told.target.clone(),
                digest: told.digest.clone(),
                expires_at: told.expires_at,
                claim_ttl: None,
            };
            let made = match cast.artifact(&said) {
                Ok(made) => made,
                // Nothing expires before it begins.
                Err(_) => continue,
            };
            let pending = made.start.pending(Time(cast::BEGIN.0 + told.started_at));
            if told.state == StatusText::Pending {
                assert_eq!(record(&cast, &pending), told);
            }
        }
    }
}
