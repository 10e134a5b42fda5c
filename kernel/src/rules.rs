//! The rules of the protocol that speak of a record or of a step, one item each.
//!
//! They say what must hold, in their own words, over what can be seen: they share no code with
//! [`crate::step`], for a predicate that called its helpers would only say that the code does what it does.
//! The model, the simulator, proptest, the fuzz targets and the running hub all use these very items. Rules
//! that need a memory are in [`crate::history`].

pub mod live;
mod rule;

pub use self::rule::{Rule, Rules};
use crate::command::{Answer, Command, Event, EventKind, Start};
use crate::ident::Names;
use crate::record::{Record, Rejection, State, Status};
use crate::refusal::Refusal;
use crate::step::Transition;
use crate::time::Time;

/// A rule was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Broken {
    /// Which.
    pub rule: Rule,
    /// In which way: the conjunct that failed.
    pub how: &'static str,
}

impl core::fmt::Display for Broken {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}: {}", self.rule, self.how)
    }
}

/// A predicate over one record, whenever it is looked at: of which rule, what is wrong where it does not hold, and
/// whether it does.
pub type StateRule<N> = (Rule, &'static str, fn(&Record<N>) -> bool);

/// The rules that every record obeys at all times.
#[must_use]
pub fn state_rules<N: Names>() -> [StateRule<N>; 2] {
    [
        (Rule::S3, "a record's claim is later than its expires_at", claimed_in_time),
        (
            Rule::S14,
            "a record was rejected by the clock before its deadline",
            rejected_by_the_clock_only_when_due,
        ),
    ]
}

fn claimed_in_time<N: Names>(record: &Record<N>) -> bool {
    record.claim().is_none_or(|claim| claim.at <= record.expires_at)
}

fn rejected_by_the_clock_only_when_due<N: Names>(record: &Record<N>) -> bool {
    match &record.state {
        State::Rejected(Rejection::Expired { at }) => *at > record.expires_at,
        State::Rejected(Rejection::ClaimExpired { claim, at }) => outlived(record, claim.at, *at),
        State::Pending
        | State::Claimed(_)
        | State::Completed { .. }
        | State::Rejected(Rejection::Declined { .. }) => true,
    }
}

/// Whether a claim is older than its author allowed. By its age, which cannot overflow, where `step` uses a saturated sum.
pub(crate) fn outlived<N: Names>(record: &Record<N>, claimed_at: Time, now: Time) -> bool {
    match (record.claim_ttl, now.0.checked_sub(claimed_at.0)) {
        (Some(ttl), Some(age)) => age > ttl.0,
        (None, _) | (_, None) => false,
    }
}

/// The first state rule, of those asked for, that this record breaks.
///
/// # Errors
/// The rule that is broken, and how.
pub fn check_state<N: Names>(rules: Rules, record: &Record<N>) -> Result<(), Broken> {
    state_rules().into_iter().try_for_each(|(rule, how, holds)| {
        rules.demand(!rules.has(rule) || holds(record), Broken { rule, how })
    })
}

/// One step as it was seen: what was there, what was asked, when, and what came of it.
#[derive(Debug)]
pub struct Step<'a, N: Names> {
    /// The record before.
    pub before: Option<&'a Record<N>>,
    /// What was asked.
    pub command: &'a Command<N>,
    /// When, by the deciding clock.
    pub now: Time,
    /// What came of it.
    pub result: &'a Result<Transition<N>, Refusal>,
}

impl<N: Names> Step<'_, N> {
    /// The record after; the one before where nothing changed.
    fn after(&self) -> Option<&Record<N>> {
        self.changed().or(self.before)
    }

    fn changed(&self) -> Option<&Record<N>> {
        match self.result {
            Ok(Transition::To { next, .. }) => Some(next),
            Ok(Transition::Same(_)) | Err(_) => None,
        }
    }

    fn event(&self) -> Option<&Event<N>> {
        match self.result {
            Ok(Transition::To { event, .. }) => Some(event),
            Ok(Transition::Same(_)) | Err(_) => None,
        }
    }

    fn answer(&self) -> Result<&Answer<N>, Refusal> {
        match self.result {
            Ok(Transition::To { answer, .. }) => answer.as_ref().map_err(|refusal| *refusal),
            Ok(Transition::Same(answer)) => Ok(answer),
            Err(refusal) => Err(*refusal),
        }
    }

    fn status_before(&self) -> Option<Status> {
        self.before.map(Record::status)
    }

    fn status_after(&self) -> Option<Status> {
        self.after().map(Record::status)
    }
}

/// A predicate over one step: of which rule, what is wrong where it does not hold, and whether it does.
pub type StepRule<N> = (Rule, &'static str, fn(&Step<'_, N>) -> bool);

/// How many step rules there are.
pub const STEP_RULES: usize = 16;

/// The rules that every step obeys. Each is O(1), and always on in a running hub.
#[must_use]
pub fn step_rules<N: Names>() -> [StepRule<N>; STEP_RULES] {
    [
        (Rule::S1, "a step changed a record's claim", a_claim_never_changes),
        (
            Rule::S1,
            "a claim was acknowledged to somebody who did not make it",
            a_claim_is_answered_to_who_made_it,
        ),
        (Rule::S2, "another than the target accepted, completed or rejected", only_the_target_changes_it),
        (Rule::S3, "a claim was made after expires_at, by the deciding clock", a_new_claim_is_in_time),
        (Rule::S4, "a terminal record was changed", terminal_stays),
        (Rule::S5, "a status changed along no arrow", along_the_arrows),
        (Rule::S6, "a claimed handoff was finished by another than its holder", finished_by_its_holder),
        (Rule::S7, "an acknowledged start is not on record", a_start_is_kept),
        (Rule::S8, "what was started is not what is on record", what_was_started_stays),
        (Rule::S9, "the answer is not what the record says", carried_out_as_asked),
        (
            Rule::S9,
            "a receipt or an attempt that came with a change is not on record",
            kept_what_came_with_it,
        ),
        (Rule::S10, "the event is not that of the change", one_event_for_one_change),
        (Rule::S13, "a start was acknowledged to another than its author", started_by_its_author),
        (Rule::S14, "the clock rejected what was not due", the_clock_rejects_only_what_is_due),
        (Rule::S15, "a deadline had passed, and it was not carried out", deadlines_bind),
        (Rule::S16, "somebody who is no party was not told not_found", hidden_from_others),
    ]
}

/// The first step or state rule, of those asked for, that this step breaks.
///
/// # Errors
/// The rule that is broken, and how.
pub fn check_step<N: Names>(rules: Rules, step: &Step<'_, N>) -> Result<(), Broken> {
    step_rules().into_iter().try_for_each(|(rule, how, holds)| {
        rules.demand(!rules.has(rule) || holds(step), Broken { rule, how })
    })?;
    step.changed().map_or(Ok(()), |record| check_state(rules, record))
}

fn a_claim_never_changes<N: Names>(step: &Step<'_, N>) -> bool {
    match step.before.and_then(Record::claim) {
        Some(claim) => step.after().and_then(Record::claim) == Some(claim),
        None => true,
    }
}

fn a_claim_is_answered_to_who_made_it<N: Names>(step: &Step<'_, N>) -> bool {
    let Ok(Answer::Claimed { claim_id, claimed_at, .. }) = step.answer() else { return true };
    let Command::Accept { claim_id: asked, .. } = step.command else { return false };
    let on_record = step.after().and_then(Record::claim);
    // An anonymous claim is told to nobody but the accept that made it.
    let repeatable = asked.is_some() || step.changed().is_some();
    repeatable && asked == claim_id && on_record.is_some_and(|c| c.id == *claim_id && c.at == *claimed_at)
}

fn only_the_target_changes_it<N: Names>(step: &Step<'_, N>) -> bool {
    let Some(next) = step.changed() else { return true };
    match step.command {
        Command::Accept { by, .. } | Command::Complete { by, .. } | Command::Reject { by, .. } => {
            *by == next.target
        }
        Command::Start { .. } | Command::Sweep => true,
    }
}

fn a_new_claim_is_in_time<N: Names>(step: &Step<'_, N>) -> bool {
    let had_one = step.before.and_then(Record::claim).is_some();
    match step.changed().and_then(Record::claim) {
        Some(claim) if !had_one => step.before.is_some_and(|before| {
            claim.at == step.now && step.now.0.saturating_sub(before.expires_at.0) == 0
        }),
        Some(_) | None => true,
    }
}

fn terminal_stays<N: Names>(step: &Step<'_, N>) -> bool {
    !step.status_before().is_some_and(Status::is_terminal) || step.changed().is_none()
}

fn along_the_arrows<N: Names>(step: &Step<'_, N>) -> bool {
    if step.changed().is_none() {
        return true;
    }
    matches!(
        (step.status_before(), step.status_after()),
        (None, Some(Status::Pending))
            | (Some(Status::Pending), Some(Status::Claimed | Status::Rejected))
            | (Some(Status::Claimed), Some(Status::Completed | Status::Rejected))
    )
}

fn finished_by_its_holder<N: Names>(step: &Step<'_, N>) -> bool {
    let (Some(State::Claimed(claim)), Some(next)) = (step.before.map(|r| &r.state), step.changed()) else {
        return true;
    };
    match (step.command, &next.state) {
        (Command::Complete { by, claim_id, .. }, State::Completed { .. })
        | (Command::Reject { by, claim_id, .. }, State::Rejected(Rejection::Declined { .. })) => {
            *by == next.target && *claim_id == claim.id
        }
        // By lapsing: that it was due is S14's.
        (_, State::Rejected(Rejection::ClaimExpired { .. })) => true,
        (_, State::Completed { .. } | State::Rejected(_)) => false,
        // Not finished at all: S5 says whether that is legal.
        (_, State::Pending | State::Claimed(_)) => true,
    }
}

fn a_start_is_kept<N: Names>(step: &Step<'_, N>) -> bool {
    match (step.command, step.answer()) {
        (Command::Start { artifact, .. }, Ok(_)) => step.after().is_some_and(|r| r.id == artifact.id),
        _ => true,
    }
}

fn what_was_started_stays<N: Names>(step: &Step<'_, N>) -> bool {
    let kept = match (step.before, step.changed(), step.command) {
        (_, None, _) => true,
        (Some(before), Some(next), _) => same_start(before, next),
        (None, Some(next), Command::Start { artifact, .. }) => {
            says_what_it_was_made_of(next, artifact, step.now)
        }
        (None, Some(_), _) => false,
    };
    // Whoever is told "started" started these very bytes.
    let acknowledged = match (step.command, step.answer()) {
        (Command::Start { artifact, .. }, Ok(_)) => step.after().is_some_and(|r| r.digest == artifact.digest),
        _ => true,
    };
    kept && acknowledged
}

/// Whether two records of one handoff agree in all that its start fixed.
pub(crate) fn same_start<N: Names>(a: &Record<N>, b: &Record<N>) -> bool {
    (&a.id, &a.author, &a.target, &a.digest) == (&b.id, &b.author, &b.target, &b.digest)
        && (a.started_at, a.expires_at, a.claim_ttl) == (b.started_at, b.expires_at, b.claim_ttl)
}

/// Whether a record that is new says what its artifact says, and that it arrived now.
fn says_what_it_was_made_of<N: Names>(record: &Record<N>, artifact: &Start<N>, now: Time) -> bool {
    (&record.id, &record.author, &record.target, &record.digest)
        == (&artifact.id, &artifact.author, &artifact.target, &artifact.digest)
        && (record.expires_at, record.claim_ttl) == (artifact.expires_at, artifact.claim_ttl)
        && record.started_at == now
}

/// What a command was told is what the record then says: the ground on which a repeat is answered alike.
fn carried_out_as_asked<N: Names>(step: &Step<'_, N>) -> bool {
    let Ok(answer) = step.answer() else { return true };
    let state = step.after().map(|r| &r.state);
    match (step.command, answer, state) {
        (Command::Start { .. }, Answer::Started { expires_at }, Some(_)) => {
            step.after().is_some_and(|r| r.expires_at == *expires_at)
        }
        (Command::Accept { .. }, Answer::Claimed { claim_expires_at, .. }, Some(State::Claimed(claim))) => {
            let ttl = step.after().and_then(|record| record.claim_ttl);
            *claim_expires_at == ttl.map(|ttl| Time(claim.at.0.saturating_add(ttl.0)))
        }
        (
            Command::Complete { claim_id, result, .. },
            Answer::Completed { at },
            Some(State::Completed { claim, completion }),
        ) => claim.id == *claim_id && completion.result == *result && completion.at == *at,
        (
            Command::Reject { claim_id, reason, .. },
            Answer::Rejected { at },
            Some(State::Rejected(Rejection::Declined { decline, .. })),
        ) => decline.claim_id == *claim_id && decline.reason == *reason && decline.at == *at,
        (Command::Sweep, Answer::Swept, _) => true,
        _ => false,
    }
}

/// What a repeat is known by, and what proves the change later: the attempt of a claim, and each receipt.
fn kept_what_came_with_it<N: Names>(step: &Step<'_, N>) -> bool {
    let Some(next) = step.changed() else { return true };
    match (step.command, &next.state) {
        (Command::Accept { attempt, receipt, .. }, State::Claimed(claim)) => {
            claim.attempt.as_ref() == Some(attempt) && claim.receipt == *receipt
        }
        (Command::Complete { receipt, .. }, State::Completed { completion, .. }) => {
            completion.receipt == *receipt
        }
        (Command::Reject { receipt, .. }, State::Rejected(Rejection::Declined { decline, .. })) => {
            decline.receipt == *receipt
        }
        _ => true,
    }
}

fn one_event_for_one_change<N: Names>(step: &Step<'_, N>) -> bool {
    let (Some(next), Some(event)) = (step.changed(), step.event()) else { return true };
    let expected = match (step.status_before(), &next.state) {
        (None, State::Pending) => EventKind::Started,
        (Some(Status::Pending), State::Claimed(_)) => EventKind::Claimed,
        (Some(_), State::Completed { .. }) => EventKind::Completed,
        (Some(_), State::Rejected(Rejection::Declined { .. })) => EventKind::Rejected,
        (Some(_), State::Rejected(Rejection::Expired { .. })) => EventKind::Expired,
        (Some(_), State::Rejected(Rejection::ClaimExpired { .. })) => EventKind::ClaimExpired,
        _ => return false,
    };
    let by_clock = matches!(expected, EventKind::Expired | EventKind::ClaimExpired);
    let actor = if by_clock { None } else { step.command.actor() };
    event.kind == expected
        && event.handoff == next.id
        && event.at == step.now
        && event.actor.as_ref() == actor
}

fn started_by_its_author<N: Names>(step: &Step<'_, N>) -> bool {
    match (step.command, step.answer()) {
        (Command::Start { sender, .. }, Ok(_)) => step.after().is_some_and(|r| r.author == *sender),
        _ => true,
    }
}

fn the_clock_rejects_only_what_is_due<N: Names>(step: &Step<'_, N>) -> bool {
    let (Some(before), Some(next)) = (step.before, step.changed()) else { return true };
    match (&before.state, &next.state) {
        (State::Pending, State::Rejected(Rejection::Expired { at })) => {
            *at == step.now && before.expires_at < step.now
        }
        (State::Claimed(claim), State::Rejected(Rejection::ClaimExpired { at, .. })) => {
            *at == step.now && outlived(before, claim.at, step.now)
        }
        (_, State::Rejected(Rejection::Expired { .. } | Rejection::ClaimExpired { .. })) => false,
        (
            _,
            State::Pending
            | State::Claimed(_)
            | State::Completed { .. }
            | State::Rejected(Rejection::Declined { .. }),
        ) => true,
    }
}

/// S15: at the deadline itself it is still in time; after it, only the deadline is done.
fn deadlines_bind<N: Names>(step: &Step<'_, N>) -> bool {
    let Some(before) = step.before else { return nothing_overdue_is_started(step) };
    let (asked, by_target) = match step.command {
        Command::Accept { by, .. } | Command::Complete { by, .. } | Command::Reject { by, .. } => {
            (*by == before.target, true)
        }
        Command::Sweep => (true, false),
        Command::Start { .. } => (false, false),
    };
    if !asked {
        return true;
    }
    let next = step.changed().map(|record| &record.state);
    let (carried_out, refusal) = match &before.state {
        State::Pending if before.expires_at < step.now => {
            (matches!(next, Some(State::Rejected(Rejection::Expired { .. }))), Refusal::Expired)
        }
        State::Claimed(claim) if outlived(before, claim.at, step.now) => {
            (matches!(next, Some(State::Rejected(Rejection::ClaimExpired { .. }))), Refusal::ClaimExpired)
        }
        State::Pending | State::Claimed(_) | State::Completed { .. } | State::Rejected(_) => return true,
    };
    carried_out && (!by_target || step.answer() == Err(refusal))
}

fn nothing_overdue_is_started<N: Names>(step: &Step<'_, N>) -> bool {
    match step.command {
        Command::Start { artifact, .. } => artifact.expires_at >= step.now || step.changed().is_none(),
        Command::Accept { .. } | Command::Complete { .. } | Command::Reject { .. } | Command::Sweep => true,
    }
}

/// S16, of the answer. A start tells no more than that an id is taken, and is not asked here.
fn hidden_from_others<N: Names>(step: &Step<'_, N>) -> bool {
    match step.command {
        Command::Accept { by, .. } | Command::Complete { by, .. } | Command::Reject { by, .. } => {
            step.before.is_some_and(|record| is_party(record, by))
                || (step.answer() == Err(Refusal::NotFound) && step.changed().is_none())
        }
        Command::Start { .. } | Command::Sweep => true,
    }
}

/// Who may know of a handoff (S16): its author and its target, and nobody else.
#[must_use]
pub fn is_party<N: Names>(record: &Record<N>, agent: &N::Agent) -> bool {
    *agent == record.author || *agent == record.target
}

/// S16, of the status that an asker is told beside its answer.
#[must_use]
pub fn status_is_hidden_from_others<N: Names>(
    record: Option<&Record<N>>,
    command: &Command<N>,
    told: Option<Status>,
) -> bool {
    let Some(asker) = command.actor() else { return true };
    told.is_none() || record.is_some_and(|record| is_party(record, asker))
}

/// S9 for two steps: `second` is the same command again, at the same time, on what `first` left behind. It
/// changes nothing and is answered alike, but that an anonymous accept is never repeatable.
#[must_use]
pub fn repeats<N: Names>(first: &Step<'_, N>, second: &Step<'_, N>) -> bool {
    let anonymous = matches!(first.command, Command::Accept { claim_id: None, .. });
    let alike = match (first.answer(), second.answer()) {
        (Ok(Answer::Claimed { .. }), Err(Refusal::AlreadyClaimed)) => anonymous,
        (a, b) => a == b,
    };
    second.changed().is_none() && alike
}
