//! The law: the decision points that a mutant or a designer's variant may need to bend.
//!
//! [`Protocol`] is the one that ships, and it is nothing but the defaults below. The trait is sealed: the only
//! other implementation is `testing::Variant`, behind a feature that no release has.

use crate::command::Command;
use crate::ident::Names;
use crate::record::{Claim, Record};
use crate::time::{Millis, Time};

/// No artifact may expire later than this after the hub's now: 7 days.
pub const MAX_LIFETIME: Millis = Millis::from_secs(7 * 24 * 60 * 60);

pub(crate) mod sealed {
    /// Only this crate makes law.
    pub trait Sealed {}
}

/// What to do about a write whose outcome is unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AfterUnknown {
    /// Load and decide anew: the protocol.
    Reread,
    /// Write the same decision over whatever is there now: a mutant, the blind retry.
    WriteAgain,
    /// Tell the asker that it worked: a mutant.
    AssumeWritten,
}

/// What to do about a write that lost a race.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AfterConflict {
    /// Load and decide anew: the protocol.
    Redecide,
    /// Write the same decision over whatever is there now: a mutant.
    WriteAgain,
}

/// The decision points. Each default is the protocol; overriding one is a mutant, as a value.
pub trait Law: sealed::Sealed + Clone + Eq + core::hash::Hash + core::fmt::Debug {
    /// How far ahead `expires_at` may lie when a handoff is started.
    fn max_lifetime(&self) -> Millis {
        MAX_LIFETIME
    }

    /// *overdue*: `now > expires_at`; at the deadline itself it is still in time (rules S3, S14).
    fn overdue(&self, expires_at: Time, now: Time) -> bool {
        now > expires_at
    }

    /// *lapsed*: the author bounded claims, and `now > claimed_at + claim_ttl` (rule S14). A sum beyond the end
    /// of time is the end of time: such a claim never lapses.
    fn lapsed(&self, claimed_at: Time, claim_ttl: Option<Millis>, now: Time) -> bool {
        claim_ttl.is_some_and(|ttl| now > claimed_at.plus(ttl))
    }

    /// Whether this command looks at the deadlines itself. All do, so that it never matters when the janitor
    /// last ran.
    fn minds_deadlines<N: Names>(&self, _command: &Command<N>) -> bool {
        true
    }

    /// Whether `by` may accept, complete and reject this handoff: its target, and nobody else (rule S2).
    fn is_target<N: Names>(&self, record: &Record<N>, by: &N::Agent) -> bool {
        record.target == *by
    }

    /// Whether this agent may know of a handoff: its author and its target may, and nobody else (rule S16).
    fn is_party<N: Names>(&self, record: &Record<N>, agent: &N::Agent) -> bool {
        record.author == *agent || record.target == *agent
    }

    /// Whether the sender may start this artifact: it is its author (rule S13).
    fn is_author<N: Names>(&self, author: &N::Agent, sender: &N::Agent) -> bool {
        author == sender
    }

    /// Whether a known handoff is the one that is being started again (rule S9).
    fn same_bytes<N: Names>(&self, known: &N::Digest, offered: &N::Digest) -> bool {
        known == offered
    }

    /// Whether a command that names `claim_id` comes from the holder of `claim` (rule S6). Naming no claim is
    /// right for an anonymous one only, and naming one is wrong for an anonymous one.
    fn holds<N: Names>(&self, claim: &Claim<N>, claim_id: Option<&N::Claim>) -> bool {
        claim.id.as_ref() == claim_id
    }

    /// Whether an accept repeats the one that won: both name the same claim. An anonymous accept never repeats
    /// (rule S1: two instances would both believe that they won).
    fn repeats_accept<N: Names>(&self, claim: &Claim<N>, claim_id: Option<&N::Claim>) -> bool {
        claim_id.is_some() && claim.id.as_ref() == claim_id
    }

    /// Whether a lapsed claim makes the handoff pending again. Never: nothing ever returns to pending (rule S5).
    fn reopens_lapsed(&self) -> bool {
        false
    }

    /// What the operation machine does about a write whose outcome is unknown (rules S1, S9).
    fn after_unknown(&self) -> AfterUnknown {
        AfterUnknown::Reread
    }

    /// What the operation machine does about a write that lost a race (rule S1).
    fn after_conflict(&self) -> AfterConflict {
        AfterConflict::Redecide
    }

    /// Whether a claim that this very attempt wrote is recognised after an unknown outcome (rule S9).
    fn recognises<N: Names>(&self, claim: &Claim<N>, attempt: &N::Attempt) -> bool {
        claim.attempt.as_ref() == Some(attempt)
    }

    /// Whether a bootstrap is renamed away before it is read (rule S11).
    fn takes_first(&self) -> bool {
        true
    }

    /// *stale*: `now - accepted_at > window`; at that age itself it is fresh still (rule S11).
    fn stale(&self, accepted_at: Time, window: Millis, now: Time) -> bool {
        now.since(accepted_at) > window
    }

    /// Whether a bootstrap says that it was accepted later than now, so that nobody knows its age (rule S11).
    fn dated_ahead(&self, accepted_at: Time, now: Time) -> bool {
        accepted_at > now
    }

    /// Whether a bootstrap that does not say when it was accepted counts as fresh (rule S11).
    fn undated_is_fresh(&self) -> bool {
        false
    }

    /// The law's name in traces: `protocol`, or what is wrong with it.
    fn name(&self) -> &'static str {
        "protocol"
    }

    /// Whether the operation machine checks every transition against the step rules before it asks for the
    /// write. What ships does; a mutant does not, so that its fault gets far enough to be seen.
    fn guards(&self) -> bool {
        true
    }
}

/// The protocol as it ships.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Protocol;

impl sealed::Sealed for Protocol {}
impl Law for Protocol {}
