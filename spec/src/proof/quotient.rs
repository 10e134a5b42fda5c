//! The time quotient: records and commands by what can be told of their times, and no more.
//!
//! Times enter the kernel only by differences: how long it is until a deadline. Two records that have the same
//! names and whose deadlines are equally far ahead, or both further than anybody looks, or both past, are one
//! [`Class`]. There are finitely many classes, each has a representative, and [`super::exact`] shows over concrete
//! times that nothing the kernel decides tells two members of a class apart.
//!
//! What a class keeps of a record's times, at a given now:
//!
//! - of one that is still to be finished, what is left until `expires_at`, and of the life of its claim, or, while
//!   there is none, of a claim that would be made now: `min(deadline - now, cap)`, and past is past;
//! - of every record, which state rules it obeys: that is all that is ever asked of the order of its stored times.
//!   The rules themselves are asked, so that there is no second definition of them.

use std::collections::BTreeMap;

use handoff_kernel::command::{Command, EventKind, Start};
use handoff_kernel::record::{Claim, Completion, Decline, Record, Rejection, State};
use handoff_kernel::rules::state_rules;
use handoff_kernel::testing::small::Small;
use handoff_kernel::time::{Millis, Time};

use super::size::Size;

/// How many state rules there are.
const STATE_RULES: usize = 2;

/// What is left until a deadline, in milliseconds: at most the cap, and -1 when it has passed.
pub type Left = i8;

/// What is left until this deadline.
#[must_use]
pub fn left(deadline: Time, now: Time, cap: u8) -> Left {
    match deadline.0.checked_sub(now.0) {
        Some(ahead) => Left::try_from(ahead.min(u64::from(cap))).unwrap_or(Left::MAX),
        None => -1,
    }
}

/// What is left of a claim's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Life {
    /// Its author did not bound it.
    Unbounded,
    /// It ends, and this is left of it.
    Ends(Left),
    /// It is bounded, but beyond the end of time: the sum saturates.
    BeyondTime,
}

fn life(since: Time, ttl: Option<Millis>, now: Time, cap: u8) -> Life {
    match ttl.map(|ttl| since.0.checked_add(ttl.0)) {
        None => Life::Unbounded,
        Some(Some(until)) => Life::Ends(left(Time(until), now, cap)),
        Some(None) => Life::BeyondTime,
    }
}

/// What is still to come of a record that is not terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ahead {
    /// Until it expires.
    pub due: Left,
    /// Of its claim; while it is pending, of a claim made now.
    pub life: Life,
}

/// All that is kept of a record's times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Facts {
    /// What is still to come; none of a terminal record, whose deadlines nobody looks at any more.
    pub ahead: Option<Ahead>,
    /// Which state rules it obeys, in their order.
    pub obeys: [bool; STATE_RULES],
}

/// A record up to its times: its names, and the facts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Class {
    /// The record with all its times wiped out.
    pub names: Record<Small>,
    /// What is kept of its times.
    pub facts: Facts,
}

impl Class {
    /// The class of a record at this time.
    #[must_use]
    pub fn of(record: &Record<Small>, now: Time, cap: u8) -> Self {
        Self { names: Times::WIPED.put(record), facts: Facts::of(record, now, cap) }
    }

    /// The classes it may be in a millisecond later.
    #[must_use]
    pub fn later(&self, cap: u8) -> Vec<Self> {
        let Some(ahead) = self.facts.ahead else { return vec![self.clone()] };
        let mut then = Vec::new();
        for due in sooner(ahead.due, cap) {
            match (&self.names.state, ahead.life) {
                (State::Pending, life) => then.push(Ahead { due, life }),
                (_, Life::Ends(until)) => {
                    then.extend(
                        sooner(until, cap).into_iter().map(|until| Ahead { due, life: Life::Ends(until) }),
                    );
                }
                (_, life) => then.push(Ahead { due, life }),
            }
            if matches!(self.names.state, State::Pending) && ahead.may_outlive_time(cap) {
                then.push(Ahead { due, life: Life::BeyondTime });
            }
        }
        let class =
            |ahead| Self { names: self.names.clone(), facts: Facts { ahead: Some(ahead), ..self.facts } };
        then.into_iter().map(class).collect()
    }
}

impl Ahead {
    /// Whether a claim made a millisecond later would outlive time, where one made now would not: it would have
    /// ended with time itself, and then the handoff cannot expire any later than that either.
    fn may_outlive_time(self, cap: u8) -> bool {
        match self.life {
            Life::Ends(length) => length > 0 && (length.unsigned_abs() >= cap || self.due <= length),
            Life::Unbounded | Life::BeyondTime => false,
        }
    }
}

/// What may be left a millisecond later: of the cap, which stands for all that is at least as much, two things.
fn sooner(left: Left, cap: u8) -> Vec<Left> {
    if left < 0 {
        vec![left]
    } else if left.unsigned_abs() >= cap {
        vec![left, left - 1]
    } else {
        vec![left - 1]
    }
}

impl Facts {
    /// The facts of a record at this time.
    #[must_use]
    pub fn of(record: &Record<Small>, now: Time, cap: u8) -> Self {
        let ahead = match &record.state {
            State::Pending => Some(now),
            State::Claimed(claim) => Some(claim.at),
            State::Completed { .. } | State::Rejected(_) => None,
        };
        let ahead = ahead.map(|since| Ahead {
            due: left(record.expires_at, now, cap),
            life: life(since, record.claim_ttl, now, cap),
        });
        Self { ahead, obeys: state_rules().map(|(_, _, holds)| holds(record)) }
    }
}

/// Every time that a record can hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Times {
    /// Of its arrival.
    pub started_at: Time,
    /// Of its deadline.
    pub expires_at: Time,
    /// How long its claim lives.
    pub claim_ttl: Option<Millis>,
    /// Of its claim, if it has one.
    pub claimed_at: Time,
    /// Of its end, if it has ended.
    pub ended_at: Time,
}

impl Times {
    /// No times.
    pub const WIPED: Self = Self {
        started_at: Time(0),
        expires_at: Time(0),
        claim_ttl: None,
        claimed_at: Time(0),
        ended_at: Time(0),
    };

    /// The same record with these times.
    #[must_use]
    pub fn put(&self, record: &Record<Small>) -> Record<Small> {
        let claim = |claim: &Claim<Small>| Claim { at: self.claimed_at, ..claim.clone() };
        let state = match &record.state {
            State::Pending => State::Pending,
            State::Claimed(held) => State::Claimed(claim(held)),
            State::Completed { claim: held, completion } => State::Completed {
                claim: claim(held),
                completion: Completion { at: self.ended_at, ..completion.clone() },
            },
            State::Rejected(Rejection::Declined { claim: held, decline }) => {
                State::Rejected(Rejection::Declined {
                    claim: held.as_ref().map(claim),
                    decline: Decline { at: self.ended_at, ..decline.clone() },
                })
            }
            State::Rejected(Rejection::Expired { .. }) => {
                State::Rejected(Rejection::Expired { at: self.ended_at })
            }
            State::Rejected(Rejection::ClaimExpired { claim: held, .. }) => {
                State::Rejected(Rejection::ClaimExpired { claim: claim(held), at: self.ended_at })
            }
        };
        Record {
            started_at: self.started_at,
            expires_at: self.expires_at,
            claim_ttl: self.claim_ttl,
            ..record.with(state)
        }
    }
}

/// The now of every representative: small, so that a person can read it, with room before it.
pub const NOW: Time = Time(100);

/// One representative of each class of these names, at [`NOW`].
///
/// A class is found by meeting a member: times are tried around now, as far out as the cap can tell apart, a
/// claim's life from nothing to the end of time. That none is missing is shown by [`super::exact`].
#[must_use]
pub fn representatives(names: &[Record<Small>], cap: u8) -> Vec<Record<Small>> {
    // Which classes there are depends on the names only by what they leave room for.
    let mut known: BTreeMap<(EventKind, bool), Vec<Times>> = BTreeMap::new();
    let mut all = Vec::new();
    for record in names {
        let shape = (EventKind::of(&record.state), record.claim().is_some());
        let times = known.entry(shape).or_insert_with(|| distinct(record, cap));
        all.extend(times.iter().map(|times| times.put(record)));
    }
    all
}

fn distinct(record: &Record<Small>, cap: u8) -> Vec<Times> {
    let reach = u64::from(cap) + 2;
    // Times before now come first, the nearest of them first: they make the more familiar representatives.
    let around: Vec<_> =
        (1..=reach).map(|back| NOW.0 - back).chain(NOW.0..=NOW.0 + reach).map(Time).collect();
    let lives: Vec<_> =
        [None].into_iter().chain((0..=2 * reach).chain([u64::MAX]).map(|n| Some(Millis(n)))).collect();
    let mut found: BTreeMap<Facts, Times> = BTreeMap::new();
    for &expires_at in &around {
        for &claim_ttl in &lives {
            for &claimed_at in &around {
                for &ended_at in &around {
                    let times = Times {
                        started_at: Time(NOW.0 - reach),
                        expires_at,
                        claim_ttl,
                        claimed_at,
                        ended_at,
                    };
                    found.entry(Facts::of(&times.put(record), NOW, cap)).or_insert(times);
                }
            }
        }
    }
    found.into_values().collect()
}

/// What is kept of the times that an artifact brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offer {
    /// Whether it expires later than any artifact may.
    pub too_far: bool,
    /// Until it expires, and of a claim made now.
    pub ahead: Ahead,
}

impl Offer {
    /// What is kept of these.
    #[must_use]
    pub fn of(artifact: &Start<Small>, lifetime: Millis, now: Time, cap: u8) -> Self {
        Self {
            too_far: artifact.expires_at > now.plus(lifetime),
            ahead: Ahead {
                due: left(artifact.expires_at, now, cap),
                life: life(now, artifact.claim_ttl, now, cap),
            },
        }
    }

    /// Every offer there is, and the times of its representative at [`NOW`].
    #[must_use]
    pub fn all(lifetime: Millis, cap: u8) -> BTreeMap<Self, (Time, Option<Millis>)> {
        let ahead = (0..=u64::from(cap)).map(|ahead| Time(NOW.0 + ahead));
        let expiries: Vec<_> =
            [Time(NOW.0 - 1)].into_iter().chain(ahead).chain([NOW.plus(lifetime).plus(Millis(1))]).collect();
        let lives: Vec<_> = [None]
            .into_iter()
            .chain((0..=u64::from(cap)).chain([u64::MAX]).map(|n| Some(Millis(n))))
            .collect();
        let mut found = BTreeMap::new();
        for &expires_at in &expiries {
            for &claim_ttl in &lives {
                let artifact = Start { id: 0, author: 0, target: 0, digest: 0, expires_at, claim_ttl };
                found.entry(Self::of(&artifact, lifetime, NOW, cap)).or_insert((expires_at, claim_ttl));
            }
        }
        found
    }
}

/// Every command over these names and offers, as it is asked at [`NOW`], but for starts of the bytes on record.
#[must_use]
pub fn commands(size: Size, lifetime: Millis) -> Vec<Command<Small>> {
    let offers: Vec<_> = Offer::all(lifetime, size.cap).into_values().collect();
    size.commands(&offers)
}

/// What a proof looks at: everything that can be on record, and all that is asked of it.
#[derive(Debug)]
pub struct Cases {
    size: Size,
    lifetime: Millis,
    records: Vec<Record<Small>>,
    /// What is asked of every record; besides, each is started again by everybody.
    pub commands: Vec<Command<Small>>,
}

impl Cases {
    /// All cases of this size, where no artifact may live longer than this.
    #[must_use]
    pub fn of(size: Size, lifetime: Millis) -> Self {
        let records = representatives(&size.names(), size.cap);
        Self { size, lifetime, records, commands: commands(size, lifetime) }
    }

    /// No record at all, and every one.
    pub fn records(&self) -> impl Iterator<Item = Option<&Record<Small>>> {
        [None].into_iter().chain(self.records.iter().map(Some))
    }

    /// Asks all that can be asked of this one.
    pub fn each(
        &self,
        before: Option<&Record<Small>>,
        mut ask: impl FnMut(Option<&Record<Small>>, &Command<Small>),
    ) {
        for command in &self.commands {
            ask(before, command);
        }
        for (record, command) in
            before.iter().flat_map(|record| starts_again(self.size, record, self.lifetime))
        {
            ask(Some(&record), &command);
        }
    }
}

/// Every start of the bytes on record, and the record: as it is, and, if that is in the same class, as it would be
/// if it expired later than any artifact may. No clock that never goes back meets such a one, but it can be written
/// down.
#[must_use]
pub fn starts_again(
    size: Size,
    record: &Record<Small>,
    lifetime: Millis,
) -> Vec<(Record<Small>, Command<Small>)> {
    let far = too_far(record, lifetime, size.cap);
    [Some(record.clone()), far]
        .into_iter()
        .flatten()
        .flat_map(|record| size.again(&record).into_iter().map(move |command| (record.clone(), command)))
        .collect()
}

/// The member of this representative's class that expires later than any artifact may, if there is one.
#[must_use]
pub fn too_far(record: &Record<Small>, lifetime: Millis, cap: u8) -> Option<Record<Small>> {
    let mut far = record.clone();
    far.expires_at = NOW.plus(lifetime).plus(Millis(1));
    (Class::of(&far, NOW, cap) == Class::of(record, NOW, cap)).then_some(far)
}

/// Whether a deadline that the record or the command knows of passes between the two times: the end of the handoff
/// or of its claim, the end of what the artifact offers, and the moment from which it is no longer too far ahead.
#[must_use]
pub fn deadline_passes(
    record: Option<&Record<Small>>,
    command: &Command<Small>,
    lifetime: Millis,
    from: Time,
    to: Time,
) -> bool {
    let between = |deadline: Time| from <= deadline && deadline < to;
    let offered = match command {
        Command::Start { artifact, .. } => {
            let too_far = |now: Time| artifact.expires_at > now.plus(lifetime);
            between(artifact.expires_at) || too_far(from) != too_far(to)
        }
        Command::Accept { .. } | Command::Complete { .. } | Command::Reject { .. } | Command::Sweep => false,
    };
    offered || record.and_then(Record::deadline).is_some_and(between)
}
