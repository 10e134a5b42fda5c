//! Commands: requests to change a record; their answers; and the events that say what changed.

use crate::ident::Names;
use crate::record::{Claim, Record, Rejection, State};
use crate::time::{Millis, Time};

/// One request to change a record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Command<N: Names> {
    /// An author hands over.
    Start {
        /// The authenticated sender.
        sender: N::Agent,
        /// What its artifact says.
        artifact: Start<N>,
    },
    /// A target instance takes over.
    Accept {
        /// The authenticated sender.
        by: N::Agent,
        /// The claim's name; none makes an anonymous claim, which is never repeatable.
        claim_id: Option<N::Claim>,
        /// The driver's nonce for this attempt, fresh each time: how it knows its own claim again (rule S9).
        attempt: N::Attempt,
        /// The target's receipt.
        receipt: Option<N::Receipt>,
    },
    /// The holder is done.
    Complete {
        /// The authenticated sender.
        by: N::Agent,
        /// The claim it holds.
        claim_id: Option<N::Claim>,
        /// What came of it.
        result: Option<N::Text>,
        /// The target's receipt.
        receipt: Option<N::Receipt>,
    },
    /// The target declines, before or after a claim.
    Reject {
        /// The authenticated sender.
        by: N::Agent,
        /// The claim it holds, if it does.
        claim_id: Option<N::Claim>,
        /// Why.
        reason: N::Text,
        /// The target's receipt.
        receipt: Option<N::Receipt>,
    },
    /// A janitor asks whether a deadline has passed.
    Sweep,
}

/// What the state machine reads of an artifact.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Start<N: Names> {
    /// `handoff_id`.
    pub id: N::Handoff,
    /// `from_agent`.
    pub author: N::Agent,
    /// `to_agent`.
    pub target: N::Agent,
    /// SHA-256 of the bytes as sent.
    pub digest: N::Digest,
    /// `expires_at`.
    pub expires_at: Time,
    /// `claim_ttl_seconds`.
    pub claim_ttl: Option<Millis>,
}

impl<N: Names> Start<N> {
    /// What the artifact of this record said: the other way round from [`Self::pending`].
    #[must_use]
    pub fn of(record: &Record<N>) -> Self {
        Self {
            id: record.id.clone(),
            author: record.author.clone(),
            target: record.target.clone(),
            digest: record.digest.clone(),
            expires_at: record.expires_at,
            claim_ttl: record.claim_ttl,
        }
    }

    /// The handoff that it makes when it arrives.
    #[must_use]
    pub fn pending(&self, started_at: Time) -> Record<N> {
        Record {
            id: self.id.clone(),
            author: self.author.clone(),
            target: self.target.clone(),
            digest: self.digest.clone(),
            started_at,
            expires_at: self.expires_at,
            claim_ttl: self.claim_ttl,
            state: State::Pending,
        }
    }
}

impl<N: Names> Command<N> {
    /// Its name: start, accept, complete, reject, sweep.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Start { .. } => "start",
            Self::Accept { .. } => "accept",
            Self::Complete { .. } => "complete",
            Self::Reject { .. } => "reject",
            Self::Sweep => "sweep",
        }
    }

    /// Who asks; none for a sweep, which is the hub's own.
    #[must_use]
    pub const fn actor(&self) -> Option<&N::Agent> {
        match self {
            Self::Start { sender: by, .. }
            | Self::Accept { by, .. }
            | Self::Complete { by, .. }
            | Self::Reject { by, .. } => Some(by),
            Self::Sweep => None,
        }
    }

    /// The claim that it names, if it names one.
    #[must_use]
    pub const fn claim_id(&self) -> Option<&N::Claim> {
        match self {
            Self::Accept { claim_id, .. }
            | Self::Complete { claim_id, .. }
            | Self::Reject { claim_id, .. } => claim_id.as_ref(),
            Self::Start { .. } | Self::Sweep => None,
        }
    }

    /// Whether the two are the same request: the same in everything but the driver's nonce and the receipt
    /// ("a receipt counts with the transition that took effect, a later one is ignored").
    #[must_use]
    pub fn same_request(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Start { sender: a, artifact: x }, Self::Start { sender: b, artifact: y }) => {
                a == b && x == y
            }
            (Self::Accept { by: a, claim_id: x, .. }, Self::Accept { by: b, claim_id: y, .. }) => {
                a == b && x == y
            }
            (
                Self::Complete { by: a, claim_id: x, result: r, .. },
                Self::Complete { by: b, claim_id: y, result: s, .. },
            ) => a == b && x == y && r == s,
            (
                Self::Reject { by: a, claim_id: x, reason: r, .. },
                Self::Reject { by: b, claim_id: y, reason: s, .. },
            ) => a == b && x == y && r == s,
            (Self::Sweep, Self::Sweep) => true,
            (
                Self::Start { .. }
                | Self::Accept { .. }
                | Self::Complete { .. }
                | Self::Reject { .. }
                | Self::Sweep,
                _,
            ) => false,
        }
    }
}

/// What a command that was carried out is told, the first time and every time after.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Answer<N: Names> {
    /// The handoff is known, and was pending when it was started.
    Started {
        /// Until when it can be claimed.
        expires_at: Time,
    },
    /// The claim is the asker's.
    Claimed {
        /// Its name.
        claim_id: Option<N::Claim>,
        /// Since when.
        claimed_at: Time,
        /// Until when it can be finished, if its author bounded that.
        claim_expires_at: Option<Time>,
    },
    /// The handoff is completed.
    Completed {
        /// Since when.
        at: Time,
    },
    /// The handoff is declined.
    Rejected {
        /// Since when.
        at: Time,
    },
    /// Whatever was due has been dealt with.
    Swept,
}

impl<N: Names> Answer<N> {
    /// The answer to the accept that made this claim.
    #[must_use]
    pub fn claimed(record: &Record<N>, claim: &Claim<N>) -> Self {
        Self::Claimed {
            claim_id: claim.id.clone(),
            claimed_at: claim.at,
            claim_expires_at: record.claim_expires_at(claim),
        }
    }
}

/// What kind of thing happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// A handoff became pending.
    Started,
    /// It was claimed.
    Claimed,
    /// Its holder completed it.
    Completed,
    /// Its target declined it.
    Rejected,
    /// Nobody claimed it in time.
    Expired,
    /// Its claim lapsed.
    ClaimExpired,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Started, Self::Claimed, Self::Completed, Self::Rejected, Self::Expired, Self::ClaimExpired];

    /// Its name in the log. A lapsed claim is an `expired` too; its reason tells the two apart.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Claimed => "claimed",
            Self::Completed => "completed",
            Self::Rejected => "rejected",
            Self::Expired | Self::ClaimExpired => "expired",
        }
    }

    /// What brought a record into the state it is in.
    #[must_use]
    pub const fn of<N: Names>(state: &State<N>) -> Self {
        match state {
            State::Pending => Self::Started,
            State::Claimed(_) => Self::Claimed,
            State::Completed { .. } => Self::Completed,
            State::Rejected(Rejection::Declined { .. }) => Self::Rejected,
            State::Rejected(Rejection::Expired { .. }) => Self::Expired,
            State::Rejected(Rejection::ClaimExpired { .. }) => Self::ClaimExpired,
        }
    }
}

/// What the audit log says happened (rule S10). Everything else about it is in the record.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Event<N: Names> {
    /// Which handoff.
    pub handoff: N::Handoff,
    /// What happened.
    pub kind: EventKind,
    /// When, by the deciding clock.
    pub at: Time,
    /// Who did it; none when a deadline did.
    pub actor: Option<N::Agent>,
}

impl<N: Names> Event<N> {
    /// The events of all that made this record, in order: what the log must say of it (rule S10), and what is written
    /// there where some of it is missing.
    pub fn that_made(record: &Record<N>) -> impl Iterator<Item = Self> {
        let event = |kind, at, actor| Self { handoff: record.id.clone(), kind, at, actor };
        let by_target = || Some(record.target.clone());
        let started = event(EventKind::Started, record.started_at, Some(record.author.clone()));
        let claimed = record.claim().map(|claim| event(EventKind::Claimed, claim.at, by_target()));
        let kind = EventKind::of(&record.state);
        let ended = match &record.state {
            State::Pending | State::Claimed(_) => None,
            State::Completed { completion, .. } => Some(event(kind, completion.at, by_target())),
            State::Rejected(Rejection::Declined { decline, .. }) => {
                Some(event(kind, decline.at, by_target()))
            }
            State::Rejected(Rejection::Expired { at } | Rejection::ClaimExpired { at, .. }) => {
                Some(event(kind, *at, None))
            }
        };
        [Some(started), claimed, ended].into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_five_names_and_a_lapsed_claim_shares_one() {
        let kinds = [
            (EventKind::Started, "started"),
            (EventKind::Claimed, "claimed"),
            (EventKind::Completed, "completed"),
            (EventKind::Rejected, "rejected"),
            (EventKind::Expired, "expired"),
            (EventKind::ClaimExpired, "expired"),
        ];
        assert!(kinds.iter().all(|(kind, name)| kind.name() == *name));
    }
}
