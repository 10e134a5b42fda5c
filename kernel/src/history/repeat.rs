//! Requests and their answers, as they were repeated.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use super::asking::Asking;
use super::{Broken, Rules, Seen, ways};
use crate::command::{Answer, Command, EventKind};
use crate::ident::Names;
use crate::record::{Record, State};
use crate::refusal::{Field, Refusal};
use crate::rules::outlived;
use crate::time::Time;

/// S9: the same request again, with nothing in between, changes nothing and is answered alike. Two anonymous accepts
/// are two attempts at one claim: one wins, and it is never repeatable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Repeatable<N: Names> {
    /// Boxed, for a map's node has room for eleven, and a model keeps millions of histories of one or two.
    handoffs: BTreeMap<N::Handoff, Box<Requests<N>>>,
}

/// What was asked of one handoff.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Requests<N: Names> {
    /// How many commands have taken effect.
    changes: u32,
    /// The commands that took effect.
    effective: Vec<Effective<N>>,
    /// The first answer to each request that was asked and answered since the last of them.
    answers: Vec<Told<N>>,
}

/// The first answer to a request, before its deadline or after.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Told<N: Names> {
    command: Command<N>,
    past_deadline: bool,
    verdict: Result<Answer<N>, Refusal>,
}

/// A command that took effect.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Effective<N: Names> {
    command: Command<N>,
    /// How many commands had taken effect, with this one.
    changes: u32,
    /// The deadline that it found passed, where it did not do what it asked for.
    timed_out: Option<Refusal>,
    /// The first answer that says that it did.
    answer: Option<Answer<N>>,
}

impl<N: Names> Effective<N> {
    /// Whether this very request did what it asked for.
    fn did(&self, command: &Command<N>) -> bool {
        self.timed_out.is_none() && self.command.same_request(command)
    }
}

impl<N: Names> Repeatable<N> {
    pub(super) const fn new() -> Self {
        Self { handoffs: BTreeMap::new() }
    }

    /// How often the handoff has changed, and how many first answers to this request are known since.
    pub(super) fn known(&self, handoff: &N::Handoff, command: &Command<N>) -> (u32, usize) {
        self.handoffs.get(handoff).map_or((0, 0), |requests| {
            let same = requests.answers.iter().filter(|told| told.command.same_request(command));
            (requests.changes, same.count())
        })
    }

    /// `asking` is what was known when what is answered was asked; `record` is the handoff's, as last committed.
    pub(super) fn observe(
        &mut self,
        rules: Rules,
        seen: &Seen<'_, N>,
        asking: Asking,
        record: Option<&Record<N>>,
    ) -> Result<(), Broken> {
        match seen {
            Seen::Committed { command, next, event } => {
                self.requests(&next.id).took_effect(rules, command, event.kind)
            }
            // Whether a field is in range is settled before there is a command.
            Seen::Answered { verdict: Err(Refusal::Invalid(Field::ExpiresAt)), .. } => Ok(()),
            Seen::Answered { handoff, command, verdict, now, .. } => {
                let past_deadline = past_deadline(record, command, *now);
                self.requests(handoff).answered(rules, command, verdict, asking, past_deadline)
            }
            Seen::Pruned(handoff) => {
                self.handoffs.remove(*handoff);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    fn requests(&mut self, handoff: &N::Handoff) -> &mut Requests<N> {
        self.handoffs
            .entry(handoff.clone())
            .or_insert_with(|| Box::new(Requests { changes: 0, effective: Vec::new(), answers: Vec::new() }))
    }
}

impl<N: Names> Requests<N> {
    fn took_effect(&mut self, rules: Rules, command: &Command<N>, kind: EventKind) -> Result<(), Broken> {
        // A deadline that a repeat finds passed takes effect through it, but that is not what it asked.
        let timed_out = match kind {
            EventKind::Expired => Some(Refusal::Expired),
            EventKind::ClaimExpired => Some(Refusal::ClaimExpired),
            EventKind::Started | EventKind::Claimed | EventKind::Completed | EventKind::Rejected => None,
        };
        let again = self.effective.iter().any(|done| done.did(command));
        rules.demand(timed_out.is_some() || !again, ways::TOOK_EFFECT_AGAIN)?;
        self.changes += 1;
        let command = command.clone();
        self.effective.push(Effective { command, changes: self.changes, timed_out, answer: None });
        // What was answered before may be answered otherwise from now on.
        self.answers.clear();
        Ok(())
    }

    fn answered(
        &mut self,
        rules: Rules,
        command: &Command<N>,
        verdict: &Result<Answer<N>, Refusal>,
        asking: Asking,
        past_deadline: bool,
    ) -> Result<(), Broken> {
        let changes = self.changes;
        match (self.effective.iter_mut().find(|done| done.did(command)), verdict) {
            (Some(done), Ok(answer)) => {
                // It belongs to the moment of the effect, however late it comes and whatever has happened since.
                let first = done.answer.get_or_insert_with(|| answer.clone());
                rules.demand(first == answer, ways::ANSWERED_OTHERWISE)
            }
            (Some(done), Err(_)) => {
                let since = asking.changes >= done.changes;
                // What was asked before the effect may have been decided before it, unless it is what had the
                // effect: an accept is known by its attempt.
                let attempt = matches!(command, Command::Accept { .. });
                let denied = done.command == *command && (since || attempt);
                rules.demand(!denied, ways::EFFECT_DENIED)?;
                let stands = changes == done.changes && !past_deadline;
                rules.demand(!(since && stands) || is_anonymous_accept(command), ways::REPEAT_REFUSED)?;
                self.compare(rules, command, verdict, asking, past_deadline)
            }
            (None, Ok(_) | Err(_)) => self.compare(rules, command, verdict, asking, past_deadline),
        }
    }

    /// With the first answer to the same request since the last change, if that was known when this was asked.
    fn compare(
        &mut self,
        rules: Rules,
        command: &Command<N>,
        verdict: &Result<Answer<N>, Refusal>,
        asking: Asking,
        past_deadline: bool,
    ) -> Result<(), Broken> {
        let same = || self.answers.iter().filter(|told| told.command.same_request(command));
        if let Some(first) = same().take(asking.answers).find(|told| told.past_deadline == past_deadline) {
            let one_won = matches!(
                (&first.verdict, verdict),
                (Ok(_), Err(Refusal::AlreadyClaimed)) | (Err(Refusal::AlreadyClaimed), Ok(_))
            );
            let alike = first.verdict == *verdict || (one_won && is_anonymous_accept(command));
            return rules.demand(alike, ways::ANSWERED_OTHERWISE);
        }
        // Nothing changed since it was asked; or what changed is what it was told of, a deadline that it carried out.
        let carried_out = self.effective.last().is_some_and(|done| {
            done.timed_out.is_some()
                && done.timed_out == verdict.as_ref().err().copied()
                && done.command.same_request(command)
        });
        let of_now = asking.changes == self.changes || carried_out;
        let first = same().all(|told| told.past_deadline != past_deadline);
        if of_now && first {
            self.answers.push(Told { command: command.clone(), past_deadline, verdict: verdict.clone() });
        }
        Ok(())
    }
}

fn is_anonymous_accept<N: Names>(command: &Command<N>) -> bool {
    matches!(command, Command::Accept { claim_id: None, .. })
}

/// Whether the deadline that this command depends on has passed.
fn past_deadline<N: Names>(record: Option<&Record<N>>, command: &Command<N>, now: Time) -> bool {
    match (record.map(|record| (record, &record.state)), command) {
        (Some((record, State::Pending)), _) => now > record.expires_at,
        (Some((record, State::Claimed(claim))), _) => outlived(record, claim.at, now),
        (Some((_, State::Completed { .. } | State::Rejected(_))), _) => false,
        (None, Command::Start { artifact, .. }) => now > artifact.expires_at,
        (None, _) => false,
    }
}
