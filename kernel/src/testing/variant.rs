//! Variants: the law with one decision point bent, as a value.
//!
//! A mutant shows that a rule can fail, by name. Every fault here is caught by the rule that [`Fault::caught_by`]
//! says, and a test holds it to that.

use crate::command::Command;
use crate::ident::Names;
use crate::law::{AfterConflict, AfterUnknown, Law, Protocol, sealed};
use crate::record::{Claim, Record};
use crate::rules::Rule;
use crate::time::{Millis, Time};

/// One seeded fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Expiry is tested with `>=`: at the deadline itself it is too late.
    ExpiresAtDeadline,
    /// Accept leaves the deadline to the janitor.
    AcceptTrustsJanitor,
    /// Complete and reject leave the deadlines to the janitor.
    FinishTrustsJanitor,
    /// A claim is good for a millisecond after it has lapsed.
    LapsesLate,
    /// The janitor looks at no deadline.
    SweepsNothing,
    /// Anybody is told what a party is.
    AnybodyIsParty,
    /// A claim lapses at its deadline already.
    LapsesAtDeadline,
    /// A claim without a time limit lapses after a millisecond.
    LapsesUnbounded,
    /// `claimed_at + claim_ttl` wraps around.
    LapseWraps,
    /// Anybody may accept, complete and reject.
    AnybodyIsTarget,
    /// Anybody may start in anybody's name.
    AnybodyIsAuthor,
    /// A start of a known id is acknowledged whatever its bytes.
    BytesIgnored,
    /// Any instance of the target may finish any claim.
    AnybodyHolds,
    /// A second anonymous accept is told that it won.
    AnonymousRepeats,
    /// Any accept of a claimed handoff is told that it won.
    EverybodyWins,
    /// A lapsed claim makes the handoff pending again.
    ReopensLapsed,
    /// A write whose answer was lost is reported as done.
    LostAnswerAssumed,
    /// A write whose answer was lost is written again, over whatever is there.
    LostAnswerRetriedBlindly,
    /// A write that lost a race is written again, over whatever is there.
    ConflictOverwritten,
    /// An accept does not know its own claim again.
    AttemptForgotten,
    /// An accept takes any claim for its own.
    AttemptConfused,
    /// A bootstrap is read first and taken away after.
    ReadThenDelete,
    /// Staleness is tested with `>=`: at the resume window itself a bootstrap is stale already.
    StaleAtBoundary,
    /// A bootstrap is fresh for a millisecond more than the resume window.
    FreshBeyondWindow,
    /// A bootstrap that does not say when it was accepted is fresh.
    UndatedIsFresh,
    /// A bootstrap from the future is new.
    FutureIsFresh,
}

/// Where a fault lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Machine {
    /// In the one step function.
    Step,
    /// In the operation machine.
    Operation,
    /// In the consumption machine.
    Bootstrap,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 26] = [
        Self::ExpiresAtDeadline,
        Self::AcceptTrustsJanitor,
        Self::FinishTrustsJanitor,
        Self::LapsesLate,
        Self::SweepsNothing,
        Self::AnybodyIsParty,
        Self::LapsesAtDeadline,
        Self::LapsesUnbounded,
        Self::LapseWraps,
        Self::AnybodyIsTarget,
        Self::AnybodyIsAuthor,
        Self::BytesIgnored,
        Self::AnybodyHolds,
        Self::AnonymousRepeats,
        Self::EverybodyWins,
        Self::ReopensLapsed,
        Self::LostAnswerAssumed,
        Self::LostAnswerRetriedBlindly,
        Self::ConflictOverwritten,
        Self::AttemptForgotten,
        Self::AttemptConfused,
        Self::ReadThenDelete,
        Self::StaleAtBoundary,
        Self::FreshBeyondWindow,
        Self::UndatedIsFresh,
        Self::FutureIsFresh,
    ];

    /// The rule that catches it.
    #[must_use]
    pub const fn caught_by(self) -> Rule {
        match self {
            Self::ExpiresAtDeadline | Self::LapsesAtDeadline | Self::LapsesUnbounded | Self::LapseWraps => {
                Rule::S14
            }
            Self::AcceptTrustsJanitor => Rule::S3,
            Self::FinishTrustsJanitor | Self::LapsesLate | Self::SweepsNothing => Rule::S15,
            Self::AnybodyIsParty => Rule::S16,
            Self::AnybodyIsTarget => Rule::S2,
            Self::AnybodyIsAuthor => Rule::S13,
            Self::BytesIgnored => Rule::S8,
            Self::AnybodyHolds => Rule::S6,
            Self::AnonymousRepeats
            | Self::EverybodyWins
            | Self::ReopensLapsed
            | Self::LostAnswerAssumed
            | Self::LostAnswerRetriedBlindly
            | Self::ConflictOverwritten
            | Self::AttemptConfused => Rule::S1,
            Self::AttemptForgotten => Rule::S9,
            Self::ReadThenDelete
            | Self::StaleAtBoundary
            | Self::FreshBeyondWindow
            | Self::UndatedIsFresh
            | Self::FutureIsFresh => Rule::S11,
        }
    }

    /// Where it lies.
    #[must_use]
    pub const fn machine(self) -> Machine {
        match self {
            Self::ExpiresAtDeadline
            | Self::AcceptTrustsJanitor
            | Self::FinishTrustsJanitor
            | Self::LapsesLate
            | Self::SweepsNothing
            | Self::AnybodyIsParty
            | Self::LapsesAtDeadline
            | Self::LapsesUnbounded
            | Self::LapseWraps
            | Self::AnybodyIsTarget
            | Self::AnybodyIsAuthor
            | Self::BytesIgnored
            | Self::AnybodyHolds
            | Self::AnonymousRepeats
            | Self::EverybodyWins
            | Self::ReopensLapsed => Machine::Step,
            Self::LostAnswerAssumed
            | Self::LostAnswerRetriedBlindly
            | Self::ConflictOverwritten
            | Self::AttemptForgotten
            | Self::AttemptConfused => Machine::Operation,
            Self::ReadThenDelete
            | Self::StaleAtBoundary
            | Self::FreshBeyondWindow
            | Self::UndatedIsFresh
            | Self::FutureIsFresh => Machine::Bootstrap,
        }
    }

    /// Its name in traces.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ExpiresAtDeadline => "expires_at_deadline",
            Self::AcceptTrustsJanitor => "accept_trusts_janitor",
            Self::FinishTrustsJanitor => "finish_trusts_janitor",
            Self::LapsesLate => "lapses_late",
            Self::SweepsNothing => "sweeps_nothing",
            Self::AnybodyIsParty => "anybody_is_party",
            Self::LapsesAtDeadline => "lapses_at_deadline",
            Self::LapsesUnbounded => "lapses_unbounded",
            Self::LapseWraps => "lapse_wraps",
            Self::AnybodyIsTarget => "anybody_is_target",
            Self::AnybodyIsAuthor => "anybody_is_author",
            Self::BytesIgnored => "bytes_ignored",
            Self::AnybodyHolds => "anybody_holds",
            Self::AnonymousRepeats => "anonymous_repeats",
            Self::EverybodyWins => "everybody_wins",
            Self::ReopensLapsed => "reopens_lapsed",
            Self::LostAnswerAssumed => "lost_answer_assumed",
            Self::LostAnswerRetriedBlindly => "lost_answer_retried_blindly",
            Self::ConflictOverwritten => "conflict_overwritten",
            Self::AttemptForgotten => "attempt_forgotten",
            Self::AttemptConfused => "attempt_confused",
            Self::ReadThenDelete => "read_then_delete",
            Self::StaleAtBoundary => "stale_at_boundary",
            Self::FreshBeyondWindow => "fresh_beyond_window",
            Self::UndatedIsFresh => "undated_is_fresh",
            Self::FutureIsFresh => "future_is_fresh",
        }
    }

    /// The fault of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }
}

/// The law with at most one fault. Without one it decides as [`crate::law::Protocol`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Variant {
    /// What is wrong with it.
    pub fault: Option<Fault>,
}

impl Variant {
    /// The law with this fault.
    #[must_use]
    pub const fn with(fault: Fault) -> Self {
        Self { fault: Some(fault) }
    }

    fn has(self, fault: Fault) -> bool {
        self.fault == Some(fault)
    }
}

impl sealed::Sealed for Variant {}

impl Law for Variant {
    fn overdue(&self, expires_at: Time, now: Time) -> bool {
        now > expires_at || (self.has(Fault::ExpiresAtDeadline) && now == expires_at)
    }

    fn lapsed(&self, claimed_at: Time, claim_ttl: Option<Millis>, now: Time) -> bool {
        let Some(ttl) = claim_ttl else { return self.has(Fault::LapsesUnbounded) && now > claimed_at };
        let wrapped = Time(claimed_at.0.wrapping_add(ttl.0));
        let until = if self.has(Fault::LapseWraps) { wrapped } else { claimed_at.plus(ttl) };
        let until = if self.has(Fault::LapsesLate) { until.plus(Millis(1)) } else { until };
        now > until || (self.has(Fault::LapsesAtDeadline) && now == until)
    }

    fn minds_deadlines<N: Names>(&self, command: &Command<N>) -> bool {
        let left_to_the_janitor = match command {
            Command::Accept { .. } => self.has(Fault::AcceptTrustsJanitor),
            Command::Complete { .. } | Command::Reject { .. } => self.has(Fault::FinishTrustsJanitor),
            Command::Sweep => self.has(Fault::SweepsNothing),
            Command::Start { .. } => false,
        };
        !left_to_the_janitor
    }

    fn is_target<N: Names>(&self, record: &Record<N>, by: &N::Agent) -> bool {
        record.target == *by || self.has(Fault::AnybodyIsTarget)
    }

    fn is_party<N: Names>(&self, record: &Record<N>, agent: &N::Agent) -> bool {
        record.author == *agent || record.target == *agent || self.has(Fault::AnybodyIsParty)
    }

    fn is_author<N: Names>(&self, author: &N::Agent, sender: &N::Agent) -> bool {
        author == sender || self.has(Fault::AnybodyIsAuthor)
    }

    fn same_bytes<N: Names>(&self, known: &N::Digest, offered: &N::Digest) -> bool {
        known == offered || self.has(Fault::BytesIgnored)
    }

    fn holds<N: Names>(&self, claim: &Claim<N>, claim_id: Option<&N::Claim>) -> bool {
        claim.id.as_ref() == claim_id || self.has(Fault::AnybodyHolds)
    }

    fn repeats_accept<N: Names>(&self, claim: &Claim<N>, claim_id: Option<&N::Claim>) -> bool {
        let same = claim.id.as_ref() == claim_id;
        (same && (claim_id.is_some() || self.has(Fault::AnonymousRepeats))) || self.has(Fault::EverybodyWins)
    }

    fn reopens_lapsed(&self) -> bool {
        self.has(Fault::ReopensLapsed)
    }

    fn after_unknown(&self) -> AfterUnknown {
        if self.has(Fault::LostAnswerAssumed) {
            AfterUnknown::AssumeWritten
        } else if self.has(Fault::LostAnswerRetriedBlindly) {
            AfterUnknown::WriteAgain
        } else {
            AfterUnknown::Reread
        }
    }

    fn after_conflict(&self) -> AfterConflict {
        if self.has(Fault::ConflictOverwritten) { AfterConflict::WriteAgain } else { AfterConflict::Redecide }
    }

    fn recognises<N: Names>(&self, claim: &Claim<N>, attempt: &N::Attempt) -> bool {
        let own = claim.attempt.as_ref() == Some(attempt);
        (own && !self.has(Fault::AttemptForgotten)) || self.has(Fault::AttemptConfused)
    }

    fn takes_first(&self) -> bool {
        !self.has(Fault::ReadThenDelete)
    }

    fn stale(&self, accepted_at: Time, window: Millis, now: Time) -> bool {
        let age = now.since(accepted_at);
        let slack = Millis(u64::from(self.has(Fault::FreshBeyondWindow)));
        age > Millis(window.0.saturating_add(slack.0)) || (self.has(Fault::StaleAtBoundary) && age == window)
    }

    fn dated_ahead(&self, accepted_at: Time, now: Time) -> bool {
        accepted_at > now && !self.has(Fault::FutureIsFresh)
    }

    fn undated_is_fresh(&self) -> bool {
        self.has(Fault::UndatedIsFresh)
    }

    fn name(&self) -> &'static str {
        self.fault.map_or(Protocol.name(), Fault::name)
    }

    /// A fault that the step rules stopped would never be seen by the others.
    fn guards(&self) -> bool {
        self.fault.is_none()
    }
}
