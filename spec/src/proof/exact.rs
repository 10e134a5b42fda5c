//! The quotient is exact: what the kernel does to a record at a time is what it does to its class.
//!
//! Over windows of concrete times, at the beginning of time and at its end, every record at every now is asked
//! every command, and so is the representative of its class. Both must come to the same: the same class after, the
//! same answer or refusal, the same event, the same truth of every rule. And a millisecond later a record is in a
//! class that may follow its own, each of which does follow for some member: nothing is added and nothing is left
//! out.

use core::fmt;
use std::collections::{BTreeMap, BTreeSet};

use handoff_kernel::command::{Answer, Command, EventKind};
use handoff_kernel::law::Law;
use handoff_kernel::record::{Record, Rejection, State};
use handoff_kernel::refusal::Refusal;
use handoff_kernel::rules::{STEP_RULES, Step, StepRule, repeats, step_rules};
use handoff_kernel::step::{Transition, step};
use handoff_kernel::testing::small::{ALICE, BOB, Small};
use handoff_kernel::time::{Millis, Time};

use super::quotient::{Class, NOW, Offer, Times, representatives, too_far};
use super::size::Size;
use crate::trace::{Ask, RecordText};

/// What a comparison looked at, and what was not alike.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Exact {
    /// Records with concrete times, at a concrete now.
    pub concrete: u64,
    /// The classes that they are in.
    pub classes: u64,
    /// Steps compared with that of the representative.
    pub steps: u64,
    /// Pairs of a class and one that it is in a millisecond later.
    pub ticks: u64,
    /// The first that was not alike; nothing is looked at after it.
    pub broken: Option<Unlike>,
}

impl fmt::Display for Exact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { concrete, classes, steps, ticks, broken } = self;
        write!(
            f,
            "{concrete} records at concrete times in {classes} classes, {steps} steps, {ticks} ticks: "
        )?;
        match broken {
            None => f.write_str("exact"),
            Some(unlike) => write!(f, "not exact: {unlike}"),
        }
    }
}

/// A record that is not like its class.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unlike {
    /// The record.
    pub record: Option<Record<Small>>,
    /// When.
    pub now: Time,
    /// What was asked, if it was not the passing of time.
    pub command: Option<Command<Small>>,
    /// In which respect.
    pub how: &'static str,
}

impl fmt::Display for Unlike {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.record {
            Some(record) => write!(f, "{}", RecordText::from(record))?,
            None => f.write_str("no record")?,
        }
        write!(f, ", at {}", self.now.0)?;
        if let Some(command) = &self.command {
            write!(f, ", asked to {}", Ask::from(command))?;
        }
        write!(f, ", is not as its class: {}", self.how)
    }
}

/// What is told, but for the times, which the rules compare with the record's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Started,
    Claimed { claim_id: Option<u8>, bounded: bool },
    Completed,
    Rejected,
    Swept,
}

/// All that can be seen of one step, up to the quotient.
#[derive(Debug, PartialEq, Eq)]
struct Outcome {
    after: Option<Class>,
    event: Option<(EventKind, Option<u8>, bool)>,
    said: Result<Said, Refusal>,
    obeys: [bool; STEP_RULES],
    repeats: bool,
}

/// Compares every concrete time with its class, under this law and with this cap.
#[must_use]
pub fn exact<L: Law>(law: &L, cap: u8) -> Exact {
    compare(law, cap, Clone::clone)
}

/// The same with a class looked at through `view`, which may lose some of it.
fn compare<L: Law>(law: &L, cap: u8, view: fn(&Class) -> Class) -> Exact {
    let names = names(cap);
    let mut run = Run::new(law, cap, view, &names);
    let width = u64::from(cap) + 4;
    for base in [0, u64::MAX - width + 1] {
        run.window(&names, base, width);
    }
    if run.exact.broken.is_none() {
        run.every_tick_is_taken();
    }
    Exact {
        classes: u64::try_from(run.seen.len()).expect("a number of things in memory fits"),
        ticks: u64::try_from(run.ticks.len()).expect("a number of things in memory fits"),
        ..run.exact
    }
}

/// One or two of each shape: an anonymous claim and a named one. Which names are the same is not a matter of time.
fn names(cap: u8) -> Vec<Record<Small>> {
    let plain = |record: &Record<Small>| match &record.state {
        State::Pending | State::Claimed(_) => true,
        State::Completed { completion, .. } => completion.result.is_none(),
        State::Rejected(Rejection::Declined { claim, decline }) => {
            decline.reason == 0 && claim.as_ref().is_none_or(|claim| claim.id == decline.claim_id)
        }
        State::Rejected(Rejection::Expired { .. } | Rejection::ClaimExpired { .. }) => true,
    };
    Size { agents: 2, claims: 1, cap }
        .names()
        .into_iter()
        .filter(|record| (record.author, record.target) == (BOB, ALICE) && plain(record))
        .filter(|record| record.claim().is_none_or(|claim| claim.attempt.is_some()))
        .collect()
}

/// The author and the target.
const SENDERS: Size = Size { agents: 2, claims: 1, cap: 1 };

struct Group {
    representative: Record<Small>,
    outcomes: BTreeMap<Command<Small>, Outcome>,
}

struct Run<'a, L> {
    law: &'a L,
    cap: u8,
    view: fn(&Class) -> Class,
    rules: [StepRule<Small>; STEP_RULES],
    offers: BTreeMap<Offer, (Time, Option<Millis>)>,
    groups: BTreeMap<Class, Group>,
    /// What comes of a command on no record, by the representative command.
    unknown: BTreeMap<Command<Small>, Outcome>,
    seen: BTreeSet<Class>,
    ticks: BTreeSet<(Class, Class)>,
    exact: Exact,
}

impl<'a, L: Law> Run<'a, L> {
    /// Each class of these names, with a representative.
    fn new(law: &'a L, cap: u8, view: fn(&Class) -> Class, names: &[Record<Small>]) -> Self {
        let mut run = Self {
            law,
            cap,
            view,
            rules: step_rules(),
            offers: Offer::all(law.max_lifetime(), cap),
            groups: BTreeMap::new(),
            unknown: BTreeMap::new(),
            seen: BTreeSet::new(),
            ticks: BTreeSet::new(),
            exact: Exact::default(),
        };
        for record in representatives(names, cap) {
            let class = view(&Class::of(&record, NOW, cap));
            run.groups
                .entry(class)
                .or_insert_with(|| Group { representative: record, outcomes: BTreeMap::new() });
        }
        run
    }

    fn window(&mut self, names: &[Record<Small>], base: u64, width: u64) {
        let times: Vec<_> = (0..width).map(|ahead| Time(base + ahead)).collect();
        let short = (0..=u64::from(self.cap) + 2).map(|n| Some(Millis(n)));
        // The end of time: exactly there for some claim, just beyond for the next.
        let long = [u64::MAX - base - 2, u64::MAX].map(|n| Some(Millis(n)));
        let lives: Vec<_> = [None].into_iter().chain(short).chain(long).collect();
        let once = [Time(base)];
        for &now in &times {
            let (on_known, on_unknown) = (self.asks(&times, &[None], now), self.asks(&times, &lives, now));
            let bound = now.plus(self.law.max_lifetime());
            let expiries: Vec<_> = times.iter().copied().chain([bound, bound.plus(Millis(1))]).collect();
            self.compare(None, now, &on_unknown);
            for names in names {
                let claims: &[_] = if names.claim().is_some() { &times } else { &once };
                let ends: &[_] = if names.status().is_terminal() { &times } else { &once };
                for &expires_at in &expiries {
                    for &claim_ttl in &lives {
                        if self.exact.broken.is_some() {
                            return;
                        }
                        for &claimed_at in claims {
                            for &ended_at in ends {
                                // Nothing asks when it arrived, so any time will do.
                                let started_at = claimed_at;
                                let times = Times { started_at, expires_at, claim_ttl, claimed_at, ended_at };
                                let record = times.put(names);
                                self.tick(&record, now);
                                self.compare(Some(&record), now, &on_known);
                                self.compare_started_again(&record, now);
                            }
                        }
                    }
                }
            }
        }
    }

    /// Every command at this time, and the representative of each.
    fn asks(
        &self,
        times: &[Time],
        lives: &[Option<Millis>],
        now: Time,
    ) -> Vec<(Command<Small>, Command<Small>)> {
        let bound = now.plus(self.law.max_lifetime());
        let expiries = times.iter().copied().chain([bound, bound.plus(Millis(1))]);
        let offers: Vec<_> =
            expiries.flat_map(|expires_at| lives.iter().map(move |&ttl| (expires_at, ttl))).collect();
        let plain = |command: &Command<Small>| match command {
            Command::Start { artifact, .. } => (artifact.author, artifact.target) == (BOB, ALICE),
            Command::Accept { receipt, .. }
            | Command::Complete { receipt, .. }
            | Command::Reject { receipt, .. } => receipt.is_none(),
            Command::Sweep => true,
        };
        let all = Size { agents: 3, claims: 1, cap: self.cap }.commands(&offers);
        all.into_iter().filter(plain).map(|command| (self.representative(&command, now), command)).collect()
    }

    fn representative(&self, command: &Command<Small>, now: Time) -> Command<Small> {
        let mut representative = command.clone();
        if let Command::Start { artifact, .. } = &mut representative {
            let offer = Offer::of(artifact, self.law.max_lifetime(), now, self.cap);
            let (expires_at, claim_ttl) = self.offers[&offer];
            (artifact.expires_at, artifact.claim_ttl) = (expires_at, claim_ttl);
        }
        representative
    }

    fn compare(
        &mut self,
        record: Option<&Record<Small>>,
        now: Time,
        asks: &[(Command<Small>, Command<Small>)],
    ) {
        self.exact.concrete += 1;
        let class = record.map(|record| (self.view)(&Class::of(record, now, self.cap)));
        let mut group = class.as_ref().and_then(|class| self.groups.remove(class));
        if record.is_some() && group.is_none() {
            self.unlike(record, now, None, "it is in no class that has a representative");
            return;
        }
        for (general, command) in asks {
            self.exact.steps += 1;
            let expected = match &mut group {
                Some(group) if !group.outcomes.contains_key(general) => {
                    let outcome = self.outcome(Some(&group.representative), general, NOW);
                    group.outcomes.entry(general.clone()).or_insert(outcome)
                }
                Some(group) => &group.outcomes[general],
                None => {
                    if !self.unknown.contains_key(general) {
                        let outcome = self.outcome(None, general, NOW);
                        self.unknown.insert(general.clone(), outcome);
                    }
                    &self.unknown[general]
                }
            };
            if let Some(how) = difference(expected, &self.outcome(record, command, now)) {
                self.unlike(record, now, Some(command), how);
            }
        }
        if let (Some(class), Some(group)) = (class, group) {
            self.seen.insert(class.clone());
            self.groups.insert(class, group);
        }
    }

    /// A start of the bytes on record, which the representative is asked in its own bytes.
    fn compare_started_again(&mut self, record: &Record<Small>, now: Time) {
        let class = (self.view)(&Class::of(record, now, self.cap));
        let lifetime = self.law.max_lifetime();
        let Some(representative) = self.groups.get(&class).map(|group| &group.representative) else { return };
        let mut representative = representative.clone();
        if record.expires_at > now.plus(lifetime) {
            let Some(far) = too_far(&representative, lifetime, self.cap) else {
                return self.unlike(Some(record), now, None, "its class has no member that is as far ahead");
            };
            representative = far;
        }
        for (general, command) in SENDERS.again(&representative).into_iter().zip(SENDERS.again(record)) {
            self.exact.steps += 1;
            let expected = self.outcome(Some(&representative), &general, NOW);
            if let Some(how) = difference(&expected, &self.outcome(Some(record), &command, now)) {
                self.unlike(Some(record), now, Some(&command), how);
            }
        }
    }

    fn outcome(&self, before: Option<&Record<Small>>, command: &Command<Small>, now: Time) -> Outcome {
        let result = step(self.law, before, command, now);
        let seen = Step { before, command, now, result: &result };
        let obeys = self.rules.map(|(_, _, holds)| holds(&seen));
        let (changed, event, answer) = match &result {
            Ok(Transition::To { next, event, answer }) => {
                (Some(next), Some(event), answer.as_ref().map_err(|refusal| *refusal))
            }
            Ok(Transition::Same(answer)) => (None, None, Ok(answer)),
            Err(refusal) => (None, None, Err(*refusal)),
        };
        let after = changed.or(before);
        let again = step(self.law, after, command, now);
        Outcome {
            after: after.map(|next| (self.view)(&Class::of(next, now, self.cap))),
            event: event.map(|event| (event.kind, event.actor, event.at == now)),
            said: answer.map(said),
            obeys,
            repeats: repeats(&seen, &Step { before: after, command, now, result: &again }),
        }
    }

    fn tick(&mut self, record: &Record<Small>, now: Time) {
        if now == Time::MAX {
            return;
        }
        let class = Class::of(record, now, self.cap);
        let next = Class::of(record, now.plus(Millis(1)), self.cap);
        if !class.later(self.cap).contains(&next) {
            self.unlike(
                Some(record),
                now,
                None,
                "a millisecond later it is in a class that should not follow",
            );
        }
        self.ticks.insert((class, next));
    }

    /// Each class that may follow another does follow for some member, if it has members at all.
    fn every_tick_is_taken(&mut self) {
        let classes: BTreeSet<_> = self.ticks.iter().map(|(class, _)| class.clone()).collect();
        for class in &classes {
            for next in class.later(self.cap) {
                let there_is = self.groups.contains_key(&(self.view)(&next));
                if there_is && !self.ticks.contains(&(class.clone(), next)) {
                    let names = class.names.clone();
                    self.unlike(Some(&names), NOW, None, "a class that may follow never does");
                }
            }
        }
    }

    fn unlike(
        &mut self,
        record: Option<&Record<Small>>,
        now: Time,
        command: Option<&Command<Small>>,
        how: &'static str,
    ) {
        self.exact.broken.get_or_insert_with(|| Unlike {
            record: record.cloned(),
            now,
            command: command.cloned(),
            how,
        });
    }
}

fn said(answer: &Answer<Small>) -> Said {
    match answer {
        Answer::Started { .. } => Said::Started,
        Answer::Claimed { claim_id, claim_expires_at, .. } => {
            Said::Claimed { claim_id: *claim_id, bounded: claim_expires_at.is_some() }
        }
        Answer::Completed { .. } => Said::Completed,
        Answer::Rejected { .. } => Said::Rejected,
        Answer::Swept => Said::Swept,
    }
}

fn difference(one: &Outcome, other: &Outcome) -> Option<&'static str> {
    let Outcome { after, event, said, obeys, repeats } = one;
    [
        (*after == other.after, "it is in another class afterwards"),
        (*event == other.event, "another event is logged"),
        (*said == other.said, "it is answered otherwise"),
        (*obeys == other.obeys, "another rule holds of the step"),
        (*repeats == other.repeats, "its repeat is answered otherwise"),
    ]
    .into_iter()
    .find_map(|(alike, how)| (!alike).then_some(how))
}

#[cfg(test)]
mod tests {
    use super::super::quotient::{Ahead, Facts, Life};
    use super::*;
    use handoff_kernel::law::Protocol;
    use handoff_kernel::testing::small::record;
    use handoff_kernel::testing::variant::{Fault, Variant};

    #[test]
    fn no_time_is_unlike_its_class() {
        let exact = exact(&Protocol, 1);
        assert_eq!(exact.broken, None);
        assert_eq!((exact.concrete, exact.classes, exact.steps, exact.ticks), (86_250, 84, 5_176_240, 120));
    }

    #[test]
    fn a_law_that_looks_at_what_the_quotient_does_not_keep_is_unlike_it() {
        // A claim's age without a limit; a sum that wraps; whether now is the very end of time, where a saturated
        // sum ends; how long a claim that is no more would have lived.
        let elsewhere =
            [Fault::LapsesUnbounded, Fault::LapseWraps, Fault::LapsesAtDeadline, Fault::ReopensLapsed];
        for fault in elsewhere {
            assert!(exact(&Variant::with(fault), 1).broken.is_some(), "{fault:?}");
        }
    }

    #[test]
    fn a_cap_that_does_not_tell_the_deadline_from_before_it_is_seen_to_be_too_small() {
        let law = Variant::with(Fault::ExpiresAtDeadline);
        assert_eq!(exact(&law, 1).broken, None);
        assert!(exact(&law, 0).broken.is_some());
    }

    fn pending(expires_at: Time) -> Record<Small> {
        record(expires_at, None, State::Pending)
    }

    #[test]
    fn a_class_whose_representative_takes_its_own_bytes_otherwise_is_seen() {
        let far = pending(NOW.plus(Protocol.max_lifetime()).plus(Millis(1)));
        let cases = [
            // One of them was started by somebody else than the author of the other.
            (pending(NOW), Record { author: ALICE, ..pending(NOW) }, "it is in another class afterwards"),
            // Who of its class expires later than any artifact may is told so, and this one's class has nobody who does.
            (far, pending(NOW), "its class has no member that is as far ahead"),
        ];
        for (record, representative, how) in cases {
            let mut run = Run::new(&Protocol, 1, Clone::clone, core::slice::from_ref(&record));
            run.compare_started_again(&record, NOW);
            assert_eq!(run.exact.broken, None);
            let class = Class::of(&record, NOW, 1);
            run.groups.insert(class, Group { representative, outcomes: BTreeMap::new() });
            run.compare_started_again(&record, NOW);
            assert_eq!(run.exact.broken.map(|unlike| unlike.how), Some(how));
        }
    }

    #[test]
    fn a_class_that_may_follow_and_never_does_is_seen() {
        // What breaks the state rules so and is over in this very millisecond has no member: under another's name it is
        // taken for one that has, and nothing but the ticks can tell.
        let view = |class: &Class| {
            let nobody =
                |ahead: &Ahead| ahead.due >= 0 && ahead.life == Life::Ends(0) && !class.facts.obeys[0];
            let claimed = matches!(class.names.state, State::Claimed(_));
            let ahead = class.facts.ahead.filter(|ahead| claimed && nobody(ahead));
            let other = ahead.map(|_| Ahead { due: 1, life: Life::Ends(1) }).or(class.facts.ahead);
            Class { facts: Facts { ahead: other, ..class.facts }, ..class.clone() }
        };
        let broken = compare(&Protocol, 1, view).broken.map(|unlike| unlike.how);
        assert_eq!(broken, Some("a class that may follow never does"));
    }

    #[test]
    fn a_quotient_that_keeps_less_is_seen_to_be_too_coarse() {
        fn ahead(class: &Class, change: fn(Ahead) -> Ahead) -> Class {
            let facts = Facts { ahead: class.facts.ahead.map(change), ..class.facts };
            Class { facts, ..class.clone() }
        }
        let coarser: [fn(&Class) -> Class; 3] = [
            |class| ahead(class, |ahead| Ahead { due: 0, ..ahead }),
            |class| ahead(class, |ahead| Ahead { life: Life::Unbounded, ..ahead }),
            |class| Class { facts: Facts { obeys: [true; 2], ..class.facts }, ..class.clone() },
        ];
        for (which, view) in coarser.into_iter().enumerate() {
            assert!(compare(&Protocol, 1, view).broken.is_some(), "{which}");
        }
    }
}
