//! Records: what the protocol knows of one handoff.
//!
//! The state is an enum that carries exactly what each status knows, so that a completed handoff without a
//! claim, or a claim that lapsed before it was made, cannot be written down.

use crate::ident::Names;
use crate::refusal::Refusal;
use crate::time::{Millis, Time};

/// Where a handoff stands. The last two are terminal (rule S4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Waiting for its target.
    Pending,
    /// A target instance has it.
    Claimed,
    /// Done, by its holder.
    Completed,
    /// Declined, expired, or its claim lapsed.
    Rejected,
}

impl Status {
    /// Every status, in the order of the path.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Claimed, Self::Completed, Self::Rejected];

    /// Its name on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Claimed => "claimed",
            Self::Completed => "completed",
            Self::Rejected => "rejected",
        }
    }

    /// Reads a status' name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|s| s.name() == name)
    }

    /// Whether nothing can follow (rule S4).
    #[must_use]
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Rejected)
    }
}

/// A target instance's exclusive right to one handoff.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Claim<N: Names> {
    /// The name that the claimant chose; none for an anonymous claim, which any instance of the target may
    /// finish.
    pub id: Option<N::Claim>,
    /// When it was made, by the deciding clock.
    pub at: Time,
    /// The nonce of the driver that wrote it; never shown. None when the store does not keep it.
    pub attempt: Option<N::Attempt>,
    /// The target's receipt for the accept, if it sent one.
    pub receipt: Option<N::Receipt>,
}

/// How a claimed handoff was completed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Completion<N: Names> {
    /// When, by the deciding clock.
    pub at: Time,
    /// The result, if the target gave one.
    pub result: Option<N::Text>,
    /// The target's receipt, if it sent one.
    pub receipt: Option<N::Receipt>,
}

/// How a handoff was declined by its target.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Decline<N: Names> {
    /// When, by the deciding clock.
    pub at: Time,
    /// The `claim_id` that the decline named: part of what makes a repeat a repeat.
    pub claim_id: Option<N::Claim>,
    /// Why.
    pub reason: N::Text,
    /// The target's receipt, if it sent one.
    pub receipt: Option<N::Receipt>,
}

/// How a handoff came to be rejected.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rejection<N: Names> {
    /// By its target, before or after a claim.
    Declined {
        /// The claim it was under, if any.
        claim: Option<Claim<N>>,
        /// By whom and why.
        decline: Decline<N>,
    },
    /// Nobody claimed it in time.
    Expired {
        /// When that was decided.
        at: Time,
    },
    /// Its claim lapsed.
    ClaimExpired {
        /// The claim that lapsed.
        claim: Claim<N>,
        /// When that was decided.
        at: Time,
    },
}

impl<N: Names> Rejection<N> {
    /// "The reason's refusal": what a command is told that comes too late.
    #[must_use]
    pub const fn refusal(&self) -> Refusal {
        match self {
            Self::Declined { .. } => Refusal::AlreadyRejected,
            Self::Expired { .. } => Refusal::Expired,
            Self::ClaimExpired { .. } => Refusal::ClaimExpired,
        }
    }

    /// The machine-readable reason: `declined`, `expired` or `claim_expired`.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Declined { .. } => "declined",
            Self::Expired { .. } => "expired",
            Self::ClaimExpired { .. } => "claim_expired",
        }
    }
}

/// What a handoff's status knows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State<N: Names> {
    /// Waiting for its target.
    Pending,
    /// A target instance has it.
    Claimed(Claim<N>),
    /// Done, by its holder.
    Completed {
        /// The claim it was completed under.
        claim: Claim<N>,
        /// When and with what.
        completion: Completion<N>,
    },
    /// Declined, expired, or its claim lapsed.
    Rejected(Rejection<N>),
}

/// What the protocol knows of one handoff. All but `state` is fixed by its start (rule S8).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Record<N: Names> {
    /// Its name, made by its author.
    pub id: N::Handoff,
    /// Who it is from (rule S13).
    pub author: N::Agent,
    /// Who it is addressed to.
    pub target: N::Agent,
    /// The SHA-256 of the artifact's bytes (rule S8).
    pub digest: N::Digest,
    /// When it arrived, by the deciding clock; ties are broken by `id` (rule S12).
    pub started_at: Time,
    /// The last moment at which it may be claimed (rule S3).
    pub expires_at: Time,
    /// How long a claim lives, if its author set that.
    pub claim_ttl: Option<Millis>,
    /// Where it stands.
    pub state: State<N>,
}

impl<N: Names> Record<N> {
    /// Where it stands.
    #[must_use]
    pub const fn status(&self) -> Status {
        match &self.state {
            State::Pending => Status::Pending,
            State::Claimed(_) => Status::Claimed,
            State::Completed { .. } => Status::Completed,
            State::Rejected(_) => Status::Rejected,
        }
    }

    /// The claim it is or was under.
    #[must_use]
    pub const fn claim(&self) -> Option<&Claim<N>> {
        match &self.state {
            State::Claimed(claim)
            | State::Completed { claim, .. }
            | State::Rejected(Rejection::ClaimExpired { claim, .. }) => Some(claim),
            State::Rejected(Rejection::Declined { claim, .. }) => claim.as_ref(),
            State::Pending | State::Rejected(Rejection::Expired { .. }) => None,
        }
    }

    /// When it reached a terminal status.
    #[must_use]
    pub const fn finished_at(&self) -> Option<Time> {
        match &self.state {
            State::Pending | State::Claimed(_) => None,
            State::Completed { completion, .. } => Some(completion.at),
            State::Rejected(Rejection::Declined { decline, .. }) => Some(decline.at),
            State::Rejected(Rejection::Expired { at } | Rejection::ClaimExpired { at, .. }) => Some(*at),
        }
    }

    /// The last moment at which this claim can still be finished, if its author bounded it.
    #[must_use]
    pub fn claim_expires_at(&self, claim: &Claim<N>) -> Option<Time> {
        self.claim_ttl.map(|ttl| claim.at.plus(ttl))
    }

    /// The one thing that can time out now: the last moment of the pending handoff, or of the claim. A hint for
    /// whoever schedules sweeps; [`crate::step`] decides.
    #[must_use]
    pub fn deadline(&self) -> Option<Time> {
        match &self.state {
            State::Pending => Some(self.expires_at),
            State::Claimed(claim) => self.claim_expires_at(claim),
            State::Completed { .. } | State::Rejected(_) => None,
        }
    }

    /// The same handoff in another state.
    #[must_use]
    pub fn with(&self, state: State<N>) -> Self {
        Self {
            id: self.id.clone(),
            author: self.author.clone(),
            target: self.target.clone(),
            digest: self.digest.clone(),
            started_at: self.started_at,
            expires_at: self.expires_at,
            claim_ttl: self.claim_ttl,
            state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::small::{Small, record, records};

    #[test]
    fn what_can_time_out_is_the_pending_handoff_or_the_bounded_claim_and_nothing_else() {
        for record in records(3).into_iter().flatten() {
            let expected = match record.status() {
                Status::Pending => Some(record.expires_at),
                Status::Claimed => {
                    record.claim_ttl.map(|ttl| Time(record.claim().unwrap().at.0.saturating_add(ttl.0)))
                }
                Status::Completed | Status::Rejected => None,
            };
            assert_eq!(record.deadline(), expected, "{record:?}");
            assert_eq!(record.finished_at().is_some(), record.status().is_terminal(), "{record:?}");
        }
    }

    #[test]
    fn when_it_ended_is_what_its_end_says() {
        let claim: Claim<Small> = Claim { id: None, at: Time(1), attempt: None, receipt: None };
        let decline = Decline { at: Time(3), claim_id: None, reason: 0, receipt: None };
        let ends = [
            (Rejection::Expired { at: Time(2) }, 2),
            (Rejection::Declined { claim: None, decline }, 3),
            (Rejection::ClaimExpired { claim, at: Time(4) }, 4),
        ];
        for (rejection, at) in ends {
            let ended = record(Time(0), None, State::Rejected(rejection));
            assert_eq!(ended.finished_at(), Some(Time(at)));
        }
    }
}
