//! Variants: the law with decision points bent, as a value.
//!
//! A mutant is a law with one [`Fault`], and shows that a rule can fail: every fault is caught by the rule that
//! [`Fault::caught_by`] names, and tests hold it to that. A designer's variant may bend several at once, and move the
//! deadlines.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::command::{Command, Start};
use crate::ident::Names;
use crate::law::{AfterConflict, AfterUnknown, Again, Law, MAX_LIFETIME, PROTOCOL, Protocol, sealed};
use crate::record::{Claim, Record, State};
use crate::rules::Rule;
use crate::time::{Millis, Time};

/// Where a fault lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Machine {
    /// In the one step function.
    Step,
    /// In the operation machine.
    Operation,
    /// In what a hub does around the operation machine.
    Hub,
    /// In the consumption machine.
    Bootstrap,
}

impl Machine {
    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Step => "step",
            Self::Operation => "operation",
            Self::Hub => "hub",
            Self::Bootstrap => "bootstrap",
        }
    }
}

macro_rules! faults {
    ($($fault:ident $name:literal $machine:ident $rule:ident $says:literal)*) => {
        /// One seeded fault.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Fault {
            $(#[doc = $says] $fault,)*
        }

        impl Fault {
            /// Every fault.
            pub const ALL: [Self; [$($name),*].len()] = [$(Self::$fault),*];

            /// Its name in traces and files.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$fault => $name,)* }
            }

            /// What is wrong, in a sentence.
            #[must_use]
            pub const fn says(self) -> &'static str {
                match self { $(Self::$fault => $says,)* }
            }

            /// Where it lies.
            #[must_use]
            pub const fn machine(self) -> Machine {
                match self { $(Self::$fault => Machine::$machine,)* }
            }

            /// The rule that catches it.
            #[must_use]
            pub const fn caught_by(self) -> Rule {
                match self { $(Self::$fault => Rule::$rule,)* }
            }
        }
    };
}

faults! {
    ExpiresAtDeadline "expires_at_deadline" Step S14 "Expiry is tested with `>=`: at the deadline itself it is too late."
    AcceptTrustsJanitor "accept_trusts_janitor" Step S3 "Accept leaves the deadline to the janitor."
    FinishTrustsJanitor "finish_trusts_janitor" Step S15 "Complete and reject leave the deadlines to the janitor: a claim survives its lapse."
    StartsOverdue "starts_overdue" Step S15 "Start looks at no deadline: the id of what retention removed is used again."
    SweepsNothing "sweeps_nothing" Step S15 "A sweep looks at no deadline."
    SweepsAhead "sweeps_ahead" Step S14 "A sweep takes the time to be a millisecond later than it is."
    SweepsEverything "sweeps_everything" Step S14 "A sweep takes everything for long overdue."
    LapsesLate "lapses_late" Step S15 "A claim is good for a millisecond after it has lapsed."
    LapsesAtDeadline "lapses_at_deadline" Step S14 "A claim lapses at its deadline already."
    LapsesUnbounded "lapses_unbounded" Step S14 "A claim without a time limit lapses after a millisecond."
    LapseWraps "lapse_wraps" Step S14 "`claimed_at + claim_ttl` wraps around."
    AnybodyIsTarget "anybody_is_target" Step S2 "Anybody may accept, complete and reject."
    AuthorAccepts "author_accepts" Step S2 "The author may do what its target may, while nobody has claimed it."
    AuthorDeclines "author_declines" Step S2 "The author may reject, too, what nobody has claimed."
    AnybodyIsParty "anybody_is_party" Step S16 "Anybody is told what a party is."
    AnybodyIsAuthor "anybody_is_author" Step S13 "Anybody may start in anybody's name."
    BytesIgnored "bytes_ignored" Step S8 "A start of a known id is acknowledged whatever its bytes."
    AuthorChangesBytes "author_changes_bytes" Step S8 "A start of a known id is acknowledged whatever its bytes, if it is its author's."
    StartOverwrites "start_overwrites" Step S8 "A start of other bytes under a known id replaces what is on record."
    DeadlineRefreshed "deadline_refreshed" Step S8 "A pending handoff that is started again is put on record anew, with its new deadline."
    LimitForgotten "limit_forgotten" Step S8 "The time limit that the author set for claims is not put on record."
    AnybodyHolds "anybody_holds" Step S6 "Any instance of the target may complete and reject what another has claimed."
    AnybodyDeclines "anybody_declines" Step S6 "Any instance of the target may reject what another has claimed."
    AnonymousRepeats "anonymous_repeats" Step S1 "A second anonymous accept is told that it won."
    EverybodyWins "everybody_wins" Step S1 "Any accept of a claimed handoff is told that it won."
    CompletesUnclaimed "completes_unclaimed" Step S5 "What nobody has claimed may be completed."
    ReopensLapsed "reopens_lapsed" Step S5 "A lapsed claim makes the handoff pending again."
    AnswersUnwritten "answers_unwritten" Operation S7 "What was decided is answered and never written."
    LostAnswerAssumed "lost_answer_assumed" Operation S1 "A write whose answer was lost is reported as done."
    LostAnswerRetriedBlindly "lost_answer_retried_blindly" Operation S1 "A write whose answer was lost is written again, over whatever is there."
    ConflictOverwritten "conflict_overwritten" Operation S1 "A write that lost a race is written again, over whatever is there."
    StaleSweep "stale_sweep" Operation S1 "A sweep that lost a race writes what it had decided, over a claim that is live."
    ConflictRetriedAsIs "conflict_retried_as_is" Operation L3 "A write that lost a race is tried again as it is, for ever."
    AttemptForgotten "attempt_forgotten" Operation S9 "An accept does not know its own claim again."
    AttemptConfused "attempt_confused" Operation S1 "An accept takes any claim for its own."
    ClockStepsBack "clock_steps_back" Hub S4 "A hub decides by its wall clock, which may step back."
    ClockReadOnce "clock_read_once" Hub S3 "A hub reads the clock when an accept arrives, and decides with that time however late."
    PollNewestFirst "poll_newest_first" Hub S12 "A poll shows what arrived last."
    PollShowsOverdue "poll_shows_overdue" Hub S12 "A poll shows what is overdue."
    PollShowsClaimed "poll_shows_claimed" Hub S12 "A poll shows what is claimed."
    PollClaims "poll_claims" Hub S2 "A poll claims what it shows."
    PollForgotten "poll_forgotten" Hub L2 "A poll that waits is never looked at again."
    JanitorForgetsPending "janitor_forgets_pending" Hub L1 "The janitor looks after claims only."
    JanitorForgetsClaims "janitor_forgets_claims" Hub L1 "The janitor looks after what is pending only."
    RemovesEarly "removes_early" Hub S4 "Retention removes what is over as soon as it has expired."
    RemovesUnfinished "removes_unfinished" Hub S7 "Retention removes what has expired, over or not."
    LogsFirst "logs_first" Hub S10 "An event is in the log before its transition is committed."
    DecidesByLog "decides_by_log" Hub S7 "A handoff that the log does not have yet is taken for unknown."
    RenewsClaims "renews_claims" Hub S1 "A hub that begins again makes every claim as young as itself."
    SharesPlaces "shares_places" Hub S7 "Claims are kept by author and sequence number, and a second handoff has the number of the first: its move replaces that claim."
    ReadThenDelete "read_then_delete" Bootstrap S11 "A bootstrap is read first and taken away after."
    StaleAtBoundary "stale_at_boundary" Bootstrap S11 "Staleness is tested with `>=`: at the resume window itself a bootstrap is stale already."
    FreshBeyondWindow "fresh_beyond_window" Bootstrap S11 "A bootstrap is fresh for a millisecond more than the resume window."
    UndatedIsFresh "undated_is_fresh" Bootstrap S11 "A bootstrap that does not say when it was accepted is fresh."
    FutureIsFresh "future_is_fresh" Bootstrap S11 "A bootstrap from the future is new."
}

impl Fault {
    /// The fault of this name.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.name() == name)
    }

    const fn bit(self) -> u64 {
        1 << self as u64
    }
}

/// The law with some decision points bent. It asks [`Protocol`], and bends its answer: with nothing bent it decides as
/// what ships does, whatever that is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Variant {
    /// Which faults it has, one bit each.
    faults: u64,
    /// For how long after `expires_at` a handoff is in time still.
    pub grace: Millis,
    /// How far ahead `expires_at` may lie.
    pub max_lifetime: Millis,
    /// Whether the operation machine checks what it decides.
    guarded: bool,
}

impl Default for Variant {
    fn default() -> Self {
        Self { faults: 0, grace: Millis(0), max_lifetime: MAX_LIFETIME, guarded: true }
    }
}

impl Variant {
    /// The law with this fault.
    #[must_use]
    pub fn with(fault: Fault) -> Self {
        Self::default().and(fault)
    }

    /// The same with this fault too.
    #[must_use]
    pub const fn and(self, fault: Fault) -> Self {
        Self { faults: self.faults | fault.bit(), ..self }
    }

    /// The same with an operation machine that checks nothing of what it decides.
    #[must_use]
    pub const fn unguarded(self) -> Self {
        Self { guarded: false, ..self }
    }

    /// What is wrong with it.
    pub fn faults(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.into_iter().filter(move |fault| self.has(*fault))
    }

    /// The law of this name, as [`Law::name`] gives it.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let mut law = Self::default();
        for part in name.split('+').filter(|part| *part != PROTOCOL) {
            let setting = |of: &str| part.strip_prefix(of)?.parse().ok().map(Millis);
            if let Some(grace) = setting(GRACE) {
                law.grace = grace;
            } else if let Some(lifetime) = setting(LIFETIME) {
                law.max_lifetime = lifetime;
            } else {
                law = law.and(Fault::named(part)?);
            }
        }
        Some(law)
    }

    const fn has(self, fault: Fault) -> bool {
        self.faults & fault.bit() != 0
    }
}

const GRACE: &str = "grace_ms=";
const LIFETIME: &str = "max_lifetime_ms=";

impl sealed::Sealed for Variant {}

impl Law for Variant {
    fn max_lifetime(&self) -> Millis {
        self.max_lifetime
    }

    fn overdue(&self, expires_at: Time, now: Time) -> bool {
        let until = expires_at.plus(self.grace);
        Protocol.overdue(until, now) || (self.has(Fault::ExpiresAtDeadline) && now == until)
    }

    fn lapsed(&self, claimed_at: Time, claim_ttl: Option<Millis>, now: Time) -> bool {
        let Some(ttl) = claim_ttl else {
            let after_a_moment = self.has(Fault::LapsesUnbounded) && now > claimed_at;
            return Protocol.lapsed(claimed_at, None, now) || after_a_moment;
        };
        if self.has(Fault::LapseWraps) {
            return now > Time(claimed_at.0.wrapping_add(ttl.0));
        }
        let late = u64::from(self.has(Fault::LapsesLate));
        Protocol.lapsed(claimed_at.plus(Millis(late)), claim_ttl, now)
            || (self.has(Fault::LapsesAtDeadline) && now == claimed_at.plus(ttl))
    }

    fn held_against<N: Names>(&self, command: &Command<N>, now: Time) -> Time {
        let looks_at_none = match command {
            Command::Start { .. } => self.has(Fault::StartsOverdue),
            Command::Accept { .. } => self.has(Fault::AcceptTrustsJanitor),
            Command::Complete { .. } | Command::Reject { .. } => self.has(Fault::FinishTrustsJanitor),
            Command::Sweep => self.has(Fault::SweepsNothing),
        };
        let sweep = matches!(command, Command::Sweep);
        if looks_at_none {
            Time(0)
        } else if sweep && self.has(Fault::SweepsEverything) {
            Time::MAX
        } else if sweep && self.has(Fault::SweepsAhead) {
            now.plus(Millis(1))
        } else {
            Protocol.held_against(command, now)
        }
    }

    fn is_target<N: Names>(&self, record: &Record<N>, command: &Command<N>, by: &N::Agent) -> bool {
        let author = record.author == *by;
        let accepts = author && record.state == State::Pending;
        let declines = author && record.claim().is_none() && matches!(command, Command::Reject { .. });
        Protocol.is_target(record, command, by)
            || self.has(Fault::AnybodyIsTarget)
            || (accepts && self.has(Fault::AuthorAccepts))
            || (declines && self.has(Fault::AuthorDeclines))
    }

    fn is_party<N: Names>(&self, record: &Record<N>, agent: &N::Agent) -> bool {
        Protocol.is_party(record, agent) || self.has(Fault::AnybodyIsParty)
    }

    fn is_author<N: Names>(&self, author: &N::Agent, sender: &N::Agent) -> bool {
        Protocol.is_author::<N>(author, sender) || self.has(Fault::AnybodyIsAuthor)
    }

    fn again<N: Names>(&self, known: &Record<N>, offered: &Start<N>) -> Again {
        let same = known.digest == offered.digest;
        let of_author = self.has(Fault::AuthorChangesBytes) && known.author == offered.author;
        if (self.has(Fault::StartOverwrites) && !same)
            || (self.has(Fault::DeadlineRefreshed) && known.state == State::Pending)
        {
            Again::Replace
        } else if of_author || self.has(Fault::BytesIgnored) {
            Again::Repeat
        } else {
            Protocol.again(known, offered)
        }
    }

    fn on_record<N: Names>(&self, artifact: &Start<N>, now: Time) -> Record<N> {
        let record = Protocol.on_record(artifact, now);
        if self.has(Fault::LimitForgotten) { Record { claim_ttl: None, ..record } } else { record }
    }

    fn holds<N: Names>(&self, claim: &Claim<N>, command: &Command<N>) -> bool {
        let declines = matches!(command, Command::Reject { .. });
        Protocol.holds(claim, command)
            || self.has(Fault::AnybodyHolds)
            || (declines && self.has(Fault::AnybodyDeclines))
    }

    fn repeats_accept<N: Names>(&self, claim: &Claim<N>, claim_id: Option<&N::Claim>) -> bool {
        let anonymous = claim.id.is_none() && claim_id.is_none();
        Protocol.repeats_accept(claim, claim_id)
            || (anonymous && self.has(Fault::AnonymousRepeats))
            || self.has(Fault::EverybodyWins)
    }

    fn completes_unclaimed(&self) -> bool {
        Protocol.completes_unclaimed() || self.has(Fault::CompletesUnclaimed)
    }

    fn reopens_lapsed(&self) -> bool {
        Protocol.reopens_lapsed() || self.has(Fault::ReopensLapsed)
    }

    fn answers_unwritten(&self) -> bool {
        Protocol.answers_unwritten() || self.has(Fault::AnswersUnwritten)
    }

    fn after_unknown(&self) -> AfterUnknown {
        if self.has(Fault::LostAnswerAssumed) {
            AfterUnknown::AssumeWritten
        } else if self.has(Fault::LostAnswerRetriedBlindly) {
            AfterUnknown::WriteAgain
        } else {
            Protocol.after_unknown()
        }
    }

    fn after_conflict<N: Names>(&self, command: &Command<N>) -> AfterConflict {
        let sweep = matches!(command, Command::Sweep);
        if self.has(Fault::ConflictOverwritten) || (sweep && self.has(Fault::StaleSweep)) {
            AfterConflict::WriteAgain
        } else if self.has(Fault::ConflictRetriedAsIs) {
            AfterConflict::SameAgain
        } else {
            Protocol.after_conflict(command)
        }
    }

    fn recognises<N: Names>(&self, claim: &Claim<N>, attempt: &N::Attempt) -> bool {
        let own = Protocol.recognises::<N>(claim, attempt);
        (own && !self.has(Fault::AttemptForgotten)) || self.has(Fault::AttemptConfused)
    }

    /// A fault that the step rules stopped would never be seen by the others.
    fn guards(&self) -> bool {
        *self == Self::default()
    }

    fn decides_at(&self, wall: Time, mark: Time) -> Time {
        if self.has(Fault::ClockStepsBack) { wall } else { Protocol.decides_at(wall, mark) }
    }

    fn open_to_claims<N: Names>(&self, record: &Record<N>, now: Time) -> bool {
        let until = Record { expires_at: record.expires_at.plus(self.grace), ..record.clone() };
        let early = self.has(Fault::ExpiresAtDeadline) && self.overdue(record.expires_at, now);
        (Protocol.open_to_claims(&until, now) && !early)
            || (self.has(Fault::PollShowsOverdue) && record.state == State::Pending)
            || (self.has(Fault::PollShowsClaimed) && matches!(record.state, State::Claimed(_)))
    }

    fn arrival<N: Names>(&self, record: &Record<N>) -> Time {
        let at = Protocol.arrival(record);
        if self.has(Fault::PollNewestFirst) { Time(u64::MAX - at.0) } else { at }
    }

    fn sweeps<N: Names>(&self, record: &Record<N>) -> bool {
        let forgotten = match record.state {
            State::Pending => self.has(Fault::JanitorForgetsPending),
            State::Claimed(_) => self.has(Fault::JanitorForgetsClaims),
            State::Completed { .. } | State::Rejected(_) => false,
        };
        Protocol.sweeps(record) && !forgotten
    }

    fn may_remove<N: Names>(&self, record: &Record<N>, retention: Millis, now: Time) -> bool {
        let retention = if self.has(Fault::RemovesEarly) { Millis(0) } else { retention };
        let unfinished = self.has(Fault::RemovesUnfinished) && now > record.expires_at.plus(retention);
        Protocol.may_remove(record, retention, now) || unfinished
    }

    fn reads_clock_each_time<N: Names>(&self, command: &Command<N>) -> bool {
        let accept = matches!(command, Command::Accept { .. });
        Protocol.reads_clock_each_time(command) && !(accept && self.has(Fault::ClockReadOnce))
    }

    fn looks_again(&self) -> bool {
        Protocol.looks_again() && !self.has(Fault::PollForgotten)
    }

    fn poll_claims(&self) -> bool {
        Protocol.poll_claims() || self.has(Fault::PollClaims)
    }

    fn logs_first(&self) -> bool {
        Protocol.logs_first() || self.has(Fault::LogsFirst)
    }

    fn decides_by_log(&self) -> bool {
        Protocol.decides_by_log() || self.has(Fault::DecidesByLog)
    }

    fn renews_claims(&self) -> bool {
        Protocol.renews_claims() || self.has(Fault::RenewsClaims)
    }

    fn shares_places(&self) -> bool {
        Protocol.shares_places() || self.has(Fault::SharesPlaces)
    }

    fn takes_first(&self) -> bool {
        Protocol.takes_first() && !self.has(Fault::ReadThenDelete)
    }

    fn stale(&self, accepted_at: Time, window: Millis, now: Time) -> bool {
        let slack = u64::from(self.has(Fault::FreshBeyondWindow));
        Protocol.stale(accepted_at, Millis(window.0.saturating_add(slack)), now)
            || (self.has(Fault::StaleAtBoundary) && now.since(accepted_at) == window)
    }

    fn dated_ahead(&self, accepted_at: Time, now: Time) -> bool {
        Protocol.dated_ahead(accepted_at, now) && !self.has(Fault::FutureIsFresh)
    }

    fn undated_is_fresh(&self) -> bool {
        Protocol.undated_is_fresh() || self.has(Fault::UndatedIsFresh)
    }

    /// Its faults and settings with `+` between, or the protocol's name where there are none.
    fn name(&self) -> String {
        let mut parts: Vec<String> = self.faults().map(|fault| fault.name().into()).collect();
        if self.grace != Millis(0) {
            parts.push(format!("{GRACE}{}", self.grace.0));
        }
        if self.max_lifetime != MAX_LIFETIME {
            parts.push(format!("{LIFETIME}{}", self.max_lifetime.0));
        }
        if parts.is_empty() { Protocol.name() } else { parts.join("+") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_law_is_found_by_its_name_and_no_two_faults_share_one() {
        assert!(Fault::ALL.len() <= 64, "a bit each");
        for fault in Fault::ALL {
            let law = Variant::with(fault);
            assert_eq!(Variant::named(&law.name()), Some(law), "{fault:?}");
            assert_eq!(law.faults().collect::<Vec<_>>(), [fault]);
        }
        let bent = Variant { grace: Millis(2), max_lifetime: Millis(3), ..Variant::default() };
        let bent = bent.and(Fault::ReopensLapsed).and(Fault::AnybodyHolds);
        assert_eq!(bent.name(), "anybody_holds+reopens_lapsed+grace_ms=2+max_lifetime_ms=3");
        assert_eq!(Variant::named(&bent.name()), Some(bent));
        assert_eq!(Variant::named(PROTOCOL), Some(Variant::default()));
        assert_eq!(Variant::named("nothing_known"), None);
    }
}
