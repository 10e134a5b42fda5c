//! The law: the decision points that a mutant or a designer's variant may need to bend.
//!
//! [`Protocol`] is the one that ships, and it is nothing but the defaults below. The trait is sealed: the only
//! other implementation is `testing::Variant`, behind a feature that no release has.

use alloc::string::String;

use crate::command::{Command, Start};
use crate::ident::Names;
use crate::record::{Claim, Record, State};
use crate::time::{Millis, Time};

/// No artifact may expire later than this after the hub's now: 7 days.
pub const MAX_LIFETIME: Millis = Millis::from_secs(7 * 24 * 60 * 60);

pub(crate) mod sealed {
    /// Only this crate makes law.
    pub trait Sealed {}
}

/// What to do about a start of an id that is known already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Again {
    /// It is the same handoff, sent again: the same answer.
    Repeat,
    /// It is another one: `id_conflict`.
    Conflict,
    /// Put it on record in place of what is there: a mutant.
    Replace,
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
    /// Ask for the very same write again, which loses again: a mutant.
    SameAgain,
}

/// The decision points. Each default is the protocol; overriding one is a mutant or a designer's variant, as a value.
///
/// They stand in the order in which one meets them: the step's, the operation's, those of the hub around the
/// operation, and the bootstrap's. A hub asks the law in what it has to choose. Some of its duties its shape leaves no
/// other way to do; they are here all the same, under *duties*, so that the models can show what they are for.
pub trait Law: sealed::Sealed + Clone + Eq + core::hash::Hash + core::fmt::Debug {
    // ------------------------------------------------------------------------------------------------- the step

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

    /// The time that a command holds the deadlines against: now, whatever the command, so that it never matters when the
    /// janitor last ran (rules S3, S15).
    fn held_against<N: Names>(&self, _command: &Command<N>, now: Time) -> Time {
        now
    }

    /// Whether `by` may ask this of the handoff, an accept, complete or reject: its target may, and nobody else (rule S2).
    fn is_target<N: Names>(&self, record: &Record<N>, _command: &Command<N>, by: &N::Agent) -> bool {
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

    /// What a start of a known id is: by its bytes alone (rules S8, S9).
    fn again<N: Names>(&self, known: &Record<N>, offered: &Start<N>) -> Again {
        if known.digest == offered.digest { Again::Repeat } else { Again::Conflict }
    }

    /// What is put on record of an artifact: all that it says of itself (rule S8).
    fn on_record<N: Names>(&self, artifact: &Start<N>, now: Time) -> Record<N> {
        artifact.pending(now)
    }

    /// Whether a command comes from the holder of `claim` (rule S6): it names the same claim. Naming no claim is right
    /// for an anonymous one only, and naming one is wrong for an anonymous one.
    fn holds<N: Names>(&self, claim: &Claim<N>, command: &Command<N>) -> bool {
        claim.id.as_ref() == command.claim_id()
    }

    /// Whether an accept repeats the one that won: both name the same claim. An anonymous accept never repeats
    /// (rule S1: two instances would both believe that they won).
    fn repeats_accept<N: Names>(&self, claim: &Claim<N>, claim_id: Option<&N::Claim>) -> bool {
        claim_id.is_some() && claim.id.as_ref() == claim_id
    }

    /// Whether a handoff that nobody claimed may be completed. Never: it is claimed first (rule S5).
    fn completes_unclaimed(&self) -> bool {
        false
    }

    /// Whether a lapsed claim makes the handoff pending again. Never: nothing ever returns to pending (rule S5).
    fn reopens_lapsed(&self) -> bool {
        false
    }

    // -------------------------------------------------------------------------------------------- the operation

    /// Whether what was decided is answered before it is written, and never written. Never: what is acknowledged is
    /// there (rules S7, S10).
    fn answers_unwritten(&self) -> bool {
        false
    }

    /// What the operation machine does about a write whose outcome is unknown (rules S1, S9).
    fn after_unknown(&self) -> AfterUnknown {
        AfterUnknown::Reread
    }

    /// What the operation machine does about a write of this command that lost a race (rules S1, L3).
    fn after_conflict<N: Names>(&self, _command: &Command<N>) -> AfterConflict {
        AfterConflict::Redecide
    }

    /// Whether a claim that this very attempt wrote is recognised after an unknown outcome (rule S9).
    fn recognises<N: Names>(&self, claim: &Claim<N>, attempt: &N::Attempt) -> bool {
        claim.attempt.as_ref() == Some(attempt)
    }

    /// Whether the operation machine checks every transition against the step rules before it asks for the
    /// write. What ships does; a mutant does not, so that its fault gets far enough to be seen.
    fn guards(&self) -> bool {
        true
    }

    // -------------------------------------------------------------------------------------------------- the hub

    /// The deciding clock: it never goes back behind `mark`, the newest time ever decided with (rule S4: what retention
    /// removed as overdue must stay overdue).
    fn decides_at(&self, wall: Time, mark: Time) -> Time {
        wall.max(mark)
    }

    /// Whether an accept by its target would get it now: what a poll may show (rule S12).
    fn open_to_claims<N: Names>(&self, record: &Record<N>, now: Time) -> bool {
        record.state == State::Pending && !self.overdue(record.expires_at, now)
    }

    /// What a poll goes by: the smallest is shown first, ties by id (rule S12).
    fn arrival<N: Names>(&self, record: &Record<N>) -> Time {
        record.started_at
    }

    /// Whether the janitor looks after this record: whatever can still time out (rule L1).
    fn sweeps<N: Names>(&self, record: &Record<N>) -> bool {
        !record.status().is_terminal()
    }

    /// Whether retention may remove this record: it is over, and `expires_at` has passed by the retention time (rules S4
    /// and S7).
    fn may_remove<N: Names>(&self, record: &Record<N>, retention: Millis, now: Time) -> bool {
        record.status().is_terminal() && now > record.expires_at.plus(retention)
    }

    // ------------------------------------------------------------------------------------ the hub, duties of its

    /// *duty*: the clock is read right before each decision, not once an operation (rule S3).
    fn reads_clock_each_time<N: Names>(&self, _command: &Command<N>) -> bool {
        true
    }

    /// *duty*: a poll that waits is looked at again (rule L2).
    fn looks_again(&self) -> bool {
        true
    }

    /// *duty*: a poll shows, and claims nothing (rule S2: nobody asked for it).
    fn poll_claims(&self) -> bool {
        false
    }

    /// *duty*: an event is written with its record or after it, never before (rule S10).
    fn logs_first(&self) -> bool {
        false
    }

    /// *duty*: the log decides nothing (rules S7, S10).
    fn decides_by_log(&self) -> bool {
        false
    }

    /// *duty*: what is on record when a hub begins stays as it is; no claim is made younger (rule S1).
    fn renews_claims(&self) -> bool {
        false
    }

    /// *duty*: a handoff's place in the store is its own; no move replaces another's (rule S7).
    fn shares_places(&self) -> bool {
        false
    }

    // -------------------------------------------------------------------------------------------- the bootstrap

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

    // ------------------------------------------------------------------------------------------------- its name

    /// The law's name in traces: `protocol`, or what is different about it.
    fn name(&self) -> String {
        String::from(PROTOCOL)
    }
}

/// The name of the law that ships.
pub const PROTOCOL: &str = "protocol";

/// The protocol as it ships.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Protocol;

impl sealed::Sealed for Protocol {}
impl Law for Protocol {}
