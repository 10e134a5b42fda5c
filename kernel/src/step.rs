//! `step`: the one place where the protocol's semantics live.
//!
//! It is total and deterministic, allocates nothing of its own, and is generic over the identity types, so that
//! a model runs it with one-byte names and the hub with text: what is checked is what ships. Each command is a
//! flat run of early returns, in the order of precedence; `spec/TABLE.md` is printed from here.
//!
//! ```text
//!     none --start--> pending --accept--> claimed --complete--> completed
//!                        |                   |
//!                        +-------------------+---- reject, or a deadline ----> rejected
//! ```

use crate::command::{Answer, Command, Event, EventKind, Start};
use crate::ident::Names;
use crate::law::{Again, Law};
use crate::record::{Claim, Completion, Decline, Record, Rejection, State};
use crate::refusal::{Field, Refusal};
use crate::time::Time;

/// What a command that was not refused does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transition<N: Names> {
    /// Nothing changes; the answer is that of the first time.
    Same(Answer<N>),
    /// The record becomes `next`.
    To {
        /// The record after.
        next: Record<N>,
        /// What the audit log will say.
        event: Event<N>,
        /// What the asker is told. An accept that finds the handoff overdue changes it *and* is refused.
        answer: Result<Answer<N>, Refusal>,
    },
}

/// Decides one command on one record at one time.
///
/// `record` is none when the id is not known. `now` is the deciding clock, read right before.
///
/// # Errors
/// The refusal that comes first in the order of [`Refusal`]; nothing changes then.
pub fn step<N: Names, L: Law>(
    law: &L,
    record: Option<&Record<N>>,
    command: &Command<N>,
    now: Time,
) -> Result<Transition<N>, Refusal> {
    match command {
        Command::Start { sender, artifact } => start(law, record, command, sender, artifact, now),
        Command::Accept { by, claim_id, attempt, receipt } => {
            let record = for_target(law, record, command, by)?;
            if let Some(timed_out) = timed_out(law, record, command, now) {
                return Ok(timed_out);
            }
            match &record.state {
                State::Pending => {
                    let claim = Claim {
                        id: claim_id.clone(),
                        at: now,
                        attempt: Some(attempt.clone()),
                        receipt: receipt.clone(),
                    };
                    let answer = Answer::claimed(record, &claim);
                    Ok(change(record, State::Claimed(claim), Some(by), now, Ok(answer)))
                }
                State::Claimed(claim) if law.repeats_accept(claim, claim_id.as_ref()) => {
                    Ok(Transition::Same(Answer::claimed(record, claim)))
                }
                State::Claimed(_) => Err(Refusal::AlreadyClaimed),
                State::Completed { .. } => Err(Refusal::AlreadyCompleted),
                State::Rejected(rejection) => Err(rejection.refusal()),
            }
        }
        Command::Complete { by, claim_id, result, receipt } => {
            let record = for_target(law, record, command, by)?;
            if let Some(timed_out) = timed_out(law, record, command, now) {
                return Ok(timed_out);
            }
            match &record.state {
                State::Pending if law.completes_unclaimed() => {
                    let claim = Claim { id: claim_id.clone(), at: now, attempt: None, receipt: None };
                    let completion = Completion { at: now, result: result.clone(), receipt: receipt.clone() };
                    let state = State::Completed { claim, completion };
                    Ok(change(record, state, Some(by), now, Ok(Answer::Completed { at: now })))
                }
                State::Pending => Err(Refusal::NotClaimed),
                State::Claimed(claim) if law.holds(claim, command) => {
                    let completion = Completion { at: now, result: result.clone(), receipt: receipt.clone() };
                    let state = State::Completed { claim: claim.clone(), completion };
                    Ok(change(record, state, Some(by), now, Ok(Answer::Completed { at: now })))
                }
                State::Claimed(_) => Err(Refusal::WrongClaim),
                State::Completed { claim, completion }
                    if law.holds(claim, command) && completion.result == *result =>
                {
                    Ok(Transition::Same(Answer::Completed { at: completion.at }))
                }
                State::Completed { .. } => Err(Refusal::AlreadyCompleted),
                State::Rejected(rejection) => Err(rejection.refusal()),
            }
        }
        Command::Reject { by, claim_id, reason, receipt } => {
            let record = for_target(law, record, command, by)?;
            if let Some(timed_out) = timed_out(law, record, command, now) {
                return Ok(timed_out);
            }
            let decline = |claim: Option<&Claim<N>>| {
                let decline = Decline {
                    at: now,
                    claim_id: claim_id.clone(),
                    reason: reason.clone(),
                    receipt: receipt.clone(),
                };
                let state = State::Rejected(Rejection::Declined { claim: claim.cloned(), decline });
                Ok(change(record, state, Some(by), now, Ok(Answer::Rejected { at: now })))
            };
            match &record.state {
                State::Pending => decline(None),
                State::Claimed(claim) if law.holds(claim, command) => decline(Some(claim)),
                State::Claimed(_) => Err(Refusal::WrongClaim),
                State::Completed { .. } => Err(Refusal::AlreadyCompleted),
                State::Rejected(Rejection::Declined { decline, .. })
                    if decline.claim_id == *claim_id && decline.reason == *reason =>
                {
                    Ok(Transition::Same(Answer::Rejected { at: decline.at }))
                }
                State::Rejected(rejection) => Err(rejection.refusal()),
            }
        }
        Command::Sweep => {
            let swept = record.and_then(|record| timed_out(law, record, command, now));
            Ok(match swept {
                Some(Transition::To { next, event, .. }) => {
                    Transition::To { next, event, answer: Ok(Answer::Swept) }
                }
                Some(Transition::Same(_)) | None => Transition::Same(Answer::Swept),
            })
        }
    }
}

/// Start never sweeps: a known handoff is answered by its bytes alone, whatever its deadlines.
fn start<N: Names, L: Law>(
    law: &L,
    record: Option<&Record<N>>,
    command: &Command<N>,
    sender: &N::Agent,
    artifact: &Start<N>,
    now: Time,
) -> Result<Transition<N>, Refusal> {
    if artifact.expires_at > now.plus(law.max_lifetime()) {
        return Err(Refusal::Invalid(Field::ExpiresAt));
    }
    if !law.is_author::<N>(&artifact.author, sender) {
        return Err(Refusal::WrongSender);
    }
    if let Some(known) = record {
        match law.again(known, artifact) {
            Again::Repeat => return Ok(Transition::Same(Answer::Started { expires_at: known.expires_at })),
            Again::Conflict => return Err(Refusal::IdConflict),
            Again::Replace => {}
        }
    }
    if law.overdue(artifact.expires_at, law.held_against(command, now)) {
        return Err(Refusal::Expired);
    }
    let next = law.on_record(artifact, now);
    let event =
        Event { handoff: next.id.clone(), kind: EventKind::Started, at: now, actor: Some(sender.clone()) };
    let answer = Ok(Answer::Started { expires_at: next.expires_at });
    Ok(Transition::To { next, event, answer })
}

/// What this agent may know of a handoff: all of it if it is a party, and otherwise not even that it exists.
///
/// # Errors
/// [`Refusal::NotFound`] when there is no such handoff *or* the agent is no party to it.
pub fn seen_by<'a, N: Names, L: Law>(
    law: &L,
    record: Option<&'a Record<N>>,
    agent: &N::Agent,
) -> Result<&'a Record<N>, Refusal> {
    record.filter(|known| law.is_party(known, agent)).ok_or(Refusal::NotFound)
}

/// The record, if `by` may act on it as its target.
fn for_target<'a, N: Names, L: Law>(
    law: &L,
    record: Option<&'a Record<N>>,
    command: &Command<N>,
    by: &N::Agent,
) -> Result<&'a Record<N>, Refusal> {
    let known = record.ok_or(Refusal::NotFound)?;
    if law.is_target(known, command, by) {
        return Ok(known);
    }
    seen_by(law, record, by)?;
    Err(Refusal::WrongAgent)
}

/// Both deadlines, tested before anything else that depends on the status. The asker is refused with the
/// deadline's name.
fn timed_out<N: Names, L: Law>(
    law: &L,
    record: &Record<N>,
    command: &Command<N>,
    now: Time,
) -> Option<Transition<N>> {
    let held_against = law.held_against(command, now);
    match &record.state {
        State::Pending if law.overdue(record.expires_at, held_against) => {
            let state = State::Rejected(Rejection::Expired { at: now });
            Some(change(record, state, None, now, Err(Refusal::Expired)))
        }
        State::Claimed(claim) if law.lapsed(claim.at, record.claim_ttl, held_against) => {
            let lapsed = State::Rejected(Rejection::ClaimExpired { claim: claim.clone(), at: now });
            let kind = EventKind::of(&lapsed);
            let next = record.with(if law.reopens_lapsed() { State::Pending } else { lapsed });
            let event = Event { handoff: next.id.clone(), kind, at: now, actor: None };
            Some(Transition::To { next, event, answer: Err(Refusal::ClaimExpired) })
        }
        State::Pending | State::Claimed(_) | State::Completed { .. } | State::Rejected(_) => None,
    }
}

fn change<N: Names>(
    record: &Record<N>,
    state: State<N>,
    actor: Option<&N::Agent>,
    now: Time,
    answer: Result<Answer<N>, Refusal>,
) -> Transition<N> {
    let next = record.with(state);
    let event =
        Event { handoff: next.id.clone(), kind: EventKind::of(&next.state), at: now, actor: actor.cloned() };
    Transition::To { next, event, answer }
}
