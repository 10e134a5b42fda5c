//! What the kernel's rules cannot see, because a hub cannot: true time, and who really asked. One item each, over any
//! names, for the model, for the replay of its traces and for whoever else watches hubs from outside.

use handoff_kernel::command::{Answer, Command, Event, EventKind};
use handoff_kernel::ident::Names;
use handoff_kernel::law::{Law, Protocol};
use handoff_kernel::record::{Record, Rejection, State, Status};
use handoff_kernel::refusal::Refusal;
use handoff_kernel::rules::{Rule, Rules, Step, check_step, status_is_hidden_from_others};
use handoff_kernel::step::{Transition, step};
use handoff_kernel::time::{Millis, Time};

use crate::model::Breach;

/// A decision that the hub's own guard held back, on this record: the rule, and which part of it.
#[must_use]
pub fn held_back<N: Names, L: Law>(
    law: &L,
    record: Option<&Record<N>>,
    command: &Command<N>,
    now: u64,
    rule: Rule,
) -> Breach {
    let now = Time(now);
    let result = step(law, record, command, now);
    let broken = check_step(Rules::ALL, &Step { before: record, command, now, result: &result });
    broken.err().map_or(Breach::of(rule, "a hub's guard held its decision back"), Breach::from)
}

/// The step rules, over what a write really replaces: that is not what was loaded where a store does not compare.
#[must_use]
pub fn replaced<N: Names>(
    rules: Rules,
    before: Option<&Record<N>>,
    command: &Command<N>,
    next: &Record<N>,
    event: &Event<N>,
) -> Option<Breach> {
    let answer = match (&next.state, command) {
        (_, Command::Sweep) => Ok(Answer::Swept),
        (State::Pending, _) => Ok(Answer::Started { expires_at: next.expires_at }),
        (State::Claimed(claim), _) => Ok(Answer::claimed(next, claim)),
        (State::Completed { completion, .. }, _) => Ok(Answer::Completed { at: completion.at }),
        (State::Rejected(Rejection::Declined { decline, .. }), _) => Ok(Answer::Rejected { at: decline.at }),
        (State::Rejected(rejection), _) => Err(rejection.refusal()),
    };
    let result = Ok(Transition::To { next: next.clone(), event: event.clone(), answer });
    let step = Step { before, command, now: event.at, result: &result };
    check_step(rules, &step).err().map(Breach::from)
}

/// S3 in true time: no claim takes effect later than `bound` milliseconds after `expires_at`. `time` is when it does;
/// without a bound nothing is asked.
#[must_use]
pub fn in_time<N: Names>(bound: Option<u64>, time: u64, next: &Record<N>, kind: EventKind) -> Option<Breach> {
    let late = time.saturating_sub(next.expires_at.0);
    let how = "a claim took effect later than its bound after expires_at, in true time";
    let claims = kind == EventKind::Claimed;
    (claims && bound.is_some_and(|bound| late > bound)).then_some(Breach::of(Rule::S3, how))
}

/// S3 where a hub was paused between decision and commit: once any hub has swept, no claim takes effect. `before` is
/// what the write replaces.
#[must_use]
pub fn after_sweep<N: Names>(before: Option<&Record<N>>, kind: EventKind) -> Option<Breach> {
    let swept = matches!(before?.state, State::Rejected(Rejection::Expired { .. }));
    let how = "a claim took effect after a hub had swept";
    (swept && kind == EventKind::Claimed).then_some(Breach::of(Rule::S3, how))
}

/// S13 and S2 as the world sees them: `really` is who asked for what took effect.
#[must_use]
pub fn rightful<N: Names>(really: &N::Agent, next: &Record<N>, kind: EventKind) -> Option<Breach> {
    let (rightful, breach) = match kind {
        EventKind::Started => {
            (&next.author, Breach::of(Rule::S13, "somebody else started it in its author's name"))
        }
        EventKind::Claimed | EventKind::Completed | EventKind::Rejected => {
            (&next.target, Breach::of(Rule::S2, "somebody else acted in its target's name"))
        }
        EventKind::Expired | EventKind::ClaimExpired => return None,
    };
    (rightful != really).then_some(breach)
}

/// S4 as whoever set `retention` sees it: until a handoff is over and so long past its `expires_at`, it stays where it is.
/// Asked of the protocol, whatever law the hub goes by that removed it. `now` is the latest that its clock may have said;
/// without a retention nothing is ever removed.
#[must_use]
pub fn removed_in_time<N: Names>(record: &Record<N>, retention: Option<Millis>, now: Time) -> Option<Breach> {
    let over = retention.is_some_and(|retention| Protocol.may_remove(record, retention, now));
    (!over).then_some(Breach::of(Rule::S4, "retention removed a handoff before its time"))
}

/// S2, of what a hub does for nobody: it sweeps, and nothing else.
#[must_use]
pub fn asked_for<N: Names>(command: &Command<N>) -> Option<Breach> {
    let how = "a hub did for nobody what only its target may ask for";
    (*command != Command::Sweep).then_some(Breach::of(Rule::S2, how))
}

/// S16, of the status beside the answer. Of a handoff that is not on record nobody can say who its parties are.
#[must_use]
pub fn hidden<N: Names>(
    record: Option<&Record<N>>,
    command: &Command<N>,
    told: Option<Status>,
) -> Option<Breach> {
    let hidden = record.is_none() || status_is_hidden_from_others(record, command, told);
    (!hidden).then_some(Breach::of(Rule::S16, "somebody who is no party was told a status"))
}

/// S1 as the instances see it: at most one of them is told that the claim is its own. `winner` is who was, of this
/// handoff, and `client` who is told `verdict` now.
#[must_use]
pub fn one_winner<N: Names, C: PartialEq>(
    winner: &mut Option<C>,
    client: C,
    verdict: &Result<Answer<N>, Refusal>,
) -> Option<Breach> {
    let Ok(Answer::Claimed { .. }) = verdict else { return None };
    let twice = winner.as_ref().is_some_and(|winner| *winner != client);
    winner.get_or_insert(client);
    twice.then_some(Breach::of(Rule::S1, "two instances were told that one claim is theirs"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_kernel::record::Claim;
    use handoff_kernel::testing::small::{ALICE, BOB, EVE, Small, record};
    use handoff_kernel::testing::variant::{Fault, Variant};

    use crate::model::Property;

    fn broken(breach: Option<Breach>) -> Option<Property> {
        breach.map(|breach| breach.property)
    }

    const fn rule(rule: Rule) -> Option<Property> {
        Some(Property::Rule(rule))
    }

    #[test]
    fn only_the_author_starts_only_the_target_acts_and_the_clock_is_nobody() {
        let of_bob_for_alice = record(Time(9), None, State::Pending);
        let wrong = |really, kind| broken(rightful(&really, &of_bob_for_alice, kind));
        let who = [BOB, ALICE, EVE];
        let table = EventKind::ALL.map(|kind| who.map(|really| wrong(really, kind)));
        let started = [None, rule(Rule::S13), rule(Rule::S13)];
        let acted = [rule(Rule::S2), None, rule(Rule::S2)];
        assert_eq!(table, [started, acted, acted, acted, [None; 3], [None; 3]]);
    }

    #[test]
    fn a_claim_is_late_one_tick_after_its_bound_and_nothing_else_is_ever_late() {
        let until_five = record(Time(5), None, State::Pending);
        let late = |bound, time, kind| broken(in_time(bound, time, &until_five, kind));
        assert_eq!(late(Some(2), 7, EventKind::Claimed), None);
        assert_eq!(late(Some(2), 8, EventKind::Claimed), rule(Rule::S3));
        assert_eq!(late(None, 8, EventKind::Claimed), None);
        let others = EventKind::ALL.into_iter().filter(|kind| *kind != EventKind::Claimed);
        assert!(others.map(|kind| late(Some(2), 8, kind)).all(|late| late.is_none()));
    }

    #[test]
    fn only_a_claim_after_a_sweep_is_after_a_sweep() {
        let with = |state| record(Time(5), None, state);
        let swept = with(State::Rejected(Rejection::Expired { at: Time(6) }));
        assert_eq!(broken(after_sweep(Some(&swept), EventKind::Claimed)), rule(Rule::S3));
        assert_eq!(after_sweep(Some(&swept), EventKind::Expired), None);
        assert_eq!(after_sweep(Some(&with(State::Pending)), EventKind::Claimed), None);
        assert_eq!(after_sweep::<Small>(None, EventKind::Claimed), None);
    }

    #[test]
    fn what_is_over_is_removed_one_tick_after_its_retention_and_nothing_else_ever_is() {
        let over = record(Time(5), None, State::Rejected(Rejection::Expired { at: Time(6) }));
        let removed = |record, retention, now| {
            broken(removed_in_time(record, Option::map(retention, Millis), Time(now)))
        };
        assert_eq!(removed(&over, Some(3), 9), None);
        assert_eq!(removed(&over, Some(3), 8), rule(Rule::S4));
        assert_eq!(removed(&over, None, 9), rule(Rule::S4));
        assert_eq!(removed(&record(Time(5), None, State::Pending), Some(3), 9), rule(Rule::S4));
    }

    #[test]
    fn a_status_is_for_the_parties() {
        let of_bob_for_alice = record(Time(9), None, State::Pending);
        let told = |by, status| {
            let accept = Command::Accept { by, claim_id: None, attempt: 1, receipt: None };
            broken(hidden(Some(&of_bob_for_alice), &accept, status))
        };
        let pending = Some(Status::Pending);
        assert_eq!([BOB, ALICE, EVE].map(|by| told(by, pending)), [None, None, rule(Rule::S16)]);
        assert_eq!(told(EVE, None), None);
        assert_eq!(hidden(Some(&of_bob_for_alice), &Command::Sweep, pending), None);
    }

    #[test]
    fn two_who_are_told_of_one_claim_are_one_too_many() {
        let claimed: Result<Answer<Small>, _> =
            Ok(Answer::Claimed { claim_id: Some(1), claimed_at: Time(5), claim_expires_at: None });
        let mut winner = None;
        assert_eq!(one_winner(&mut winner, 1, &Err::<Answer<Small>, _>(Refusal::AlreadyClaimed)), None);
        assert_eq!(one_winner(&mut winner, 1, &claimed), None);
        assert_eq!(one_winner(&mut winner, 1, &claimed), None, "the same one may be told again");
        assert_eq!(broken(one_winner(&mut winner, 2, &claimed)), rule(Rule::S1));
        assert_eq!(winner, Some(1));
    }

    #[test]
    fn what_a_guard_held_back_is_said_in_the_rules_own_words() {
        let claim = Claim { id: Some(1), at: Time(4), attempt: None, receipt: None };
        let claimed = record(Time(9), None, State::Claimed(claim));
        let accept = Command::Accept { by: EVE, claim_id: Some(1), attempt: 1, receipt: None };
        let lawful = held_back(&Protocol, Some(&claimed), &accept, 5, Rule::S1);
        assert_eq!(lawful, Breach::of(Rule::S1, "a hub's guard held its decision back"));
        let early = Variant::with(Fault::ExpiresAtDeadline);
        let pending = record(Time(5), None, State::Pending);
        let breach = held_back(&early, Some(&pending), &Command::Sweep, 5, Rule::S1);
        assert_eq!(broken(Some(breach)), rule(Rule::S14));
        assert_ne!(breach.how, lawful.how);
    }
}
