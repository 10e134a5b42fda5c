//! The interesting case of each rule, as a step of this model shows it.

use std::sync::Arc;

use handoff_kernel::command::Command;
use handoff_kernel::law::Law;
use handoff_kernel::operation::{Effect, Operation};
use handoff_kernel::record::{Record, Rejection, State as RecordState, Status};
use handoff_kernel::rules::Rule;
use handoff_kernel::testing::small::Small;

use super::state::{Hub, Running, State};
use crate::model::{Witness, tells};
use crate::trace::{Event, Line, Told, handoff};

fn refused(lines: &[Line], name: &str) -> bool {
    tells(lines, |event| matches!(event, Event::Answers { verdict: Told::Refused(why), .. } if why == name))
}

/// A record, if there is one.
type Maybe<'a> = Option<&'a Record<Small>>;

/// A record that this step changed, before and after.
fn changed<'a, L: Law>(before: &'a State<L>, after: &'a State<L>) -> Option<(Maybe<'a>, Maybe<'a>)> {
    let pairs = before.registers.iter().zip(&after.registers);
    pairs.map(|(a, b)| (a.record(), b.record())).find(|(a, b)| a != b)
}

fn now_is<L: Law>(before: &State<L>, after: &State<L>, is: impl Fn(&Record<Small>) -> bool) -> bool {
    changed(before, after).and_then(|(_, after)| after).is_some_and(is)
}

/// Whether a hub has decided a claim, and the store does not have it yet.
fn about_to_claim<L: Law>(state: &State<L>) -> bool {
    state.hubs.iter().flat_map(|hub| &hub.running).any(|running| {
        matches!(running.operation.effect(), Effect::Swap { next, .. } if next.status() == Status::Claimed)
    })
}

/// The operation that this step answers so, as it was before, and at which hub.
fn answered<'a, L: Law>(
    before: &'a State<L>,
    lines: &[Line],
    so: impl Fn(&Told) -> bool,
) -> Option<(&'a Hub<L>, &'a Operation<Small, L>)> {
    before.hubs.iter().enumerate().find_map(|(number, hub)| {
        let of_line = |running: &&Arc<Running<L>>| {
            let key = running.asker.key(number);
            tells(
                lines,
                |event| matches!(event, Event::Answers { operation, verdict } if *operation == key && so(verdict)),
            )
        };
        hub.running.iter().find(of_line).map(|running| (&**hub, &running.operation))
    })
}

/// Every witness that a configuration can name.
pub(super) fn all<L: Law>() -> Vec<Witness<State<L>>> {
    vec![
        Witness {
            rule: Rule::S1,
            name: "second-accept-refused",
            says: "Of two instances that race, the second is told already_claimed.",
            seen: |_, lines, _| refused(lines, "already_claimed"),
        },
        Witness {
            rule: Rule::S2,
            name: "author-may-not-accept",
            says: "A party in the wrong role is told wrong_agent.",
            seen: |_, lines, _| refused(lines, "wrong_agent"),
        },
        Witness {
            rule: Rule::S3,
            name: "claimed-at-the-deadline",
            says: "An accept at expires_at itself wins.",
            seen: |before, _, after| {
                now_is(
                    before,
                    after,
                    |record| matches!(&record.state, RecordState::Claimed(claim) if claim.at == record.expires_at),
                )
            },
        },
        Witness {
            rule: Rule::S4,
            name: "completed-stays-completed",
            says: "A command that comes after the completion is told already_completed.",
            seen: |_, lines, _| refused(lines, "already_completed"),
        },
        Witness {
            rule: Rule::S5,
            name: "the-whole-path",
            says: "A handoff is started, claimed and completed.",
            seen: |before, _, after| {
                after.attempts > 0 && now_is(before, after, |record| record.status() == Status::Completed)
            },
        },
        Witness {
            rule: Rule::S6,
            name: "wrong-claim-refused",
            says: "Somebody else than the holder wants to finish it and is told wrong_claim.",
            seen: |_, lines, _| refused(lines, "wrong_claim"),
        },
        Witness {
            rule: Rule::S7,
            name: "kept-through-a-crash",
            says: "The start was acknowledged, its hub died, and when it is there again the handoff is found.",
            // With one hub: it is down, and nobody can have been answered since.
            seen: |before, lines, _| {
                let acknowledged = before.clients.first().is_some_and(|client| client.at.is_none());
                let found = before.registers.iter().any(|register| register.record().is_some());
                let restarts = tells(lines, |event| matches!(event, Event::Restarts));
                before.hubs.len() == 1 && acknowledged && found && restarts
            },
        },
        Witness {
            rule: Rule::S8,
            name: "other-bytes-refused",
            says: "A start of other bytes under a known id is told id_conflict.",
            seen: |_, lines, _| refused(lines, "id_conflict"),
        },
        Witness {
            rule: Rule::S9,
            name: "own-claim-known-again",
            says: "An accept whose answer was lost loads again, finds its own claim, and is told that it won.",
            // What nobody but this operation can have written is on record before it has been told so.
            seen: |before, lines, _| {
                let won = |verdict: &Told| matches!(verdict, Told::Claimed { .. });
                answered(before, lines, won).is_some_and(|(_, operation)| {
                    let record = before.registers[usize::from(*operation.handoff())].record();
                    let claimed_by = record.and_then(Record::claim).and_then(|claim| claim.attempt);
                    let loads = operation.effect() == Effect::Load;
                    loads
                        && matches!(operation.command(), Command::Accept { attempt, .. }
                            if claimed_by == Some(*attempt))
                })
            },
        },
        Witness {
            rule: Rule::S10,
            name: "log-completed-after-a-crash",
            says: "A hub dies between record and log; after its restart the missing event is written.",
            seen: |before, lines, _| {
                before.unlogged.first().is_some_and(|first| first.found_missing)
                    && tells(lines, |event| matches!(event, Event::Logs { .. }))
            },
        },
        Witness {
            rule: Rule::S12,
            name: "the-older-is-shown",
            says: "Two are pending, and the poll shows the one that arrived first.",
            seen: |before, lines, _| {
                let pending = before.registers.iter().filter_map(|register| register.record());
                let mut pending: Vec<_> =
                    pending.filter(|record| record.status() == Status::Pending).collect();
                pending.sort_by_key(|record| (record.started_at, record.id));
                let [older, _] = pending[..] else { return false };
                tells(
                    lines,
                    |event| matches!(event, Event::Polls { shown: Some(shown), .. } if *shown == handoff(older.id)),
                )
            },
        },
        Witness {
            rule: Rule::S12,
            name: "the-overdue-is-passed-over",
            says: "The older one is overdue though still pending, and the poll shows the younger.",
            seen: |before, lines, _| {
                let older = before.registers.first().and_then(|register| register.record());
                let overdue = older.is_some_and(|record| {
                    record.status() == Status::Pending && record.expires_at.0 < before.time
                });
                overdue
                    && tells(
                        lines,
                        |event| matches!(event, Event::Polls { shown: Some(shown), .. } if *shown == handoff(1)),
                    )
            },
        },
        Witness {
            rule: Rule::S13,
            name: "false-author-refused",
            says: "A start in another's name is told wrong_sender.",
            seen: |_, lines, _| refused(lines, "wrong_sender"),
        },
        Witness {
            rule: Rule::S14,
            name: "expired-one-tick-after",
            says: "One millisecond after expires_at it is rejected as expired.",
            seen: |before, _, after| {
                now_is(before, after, |record| {
                    matches!(&record.state, RecordState::Rejected(Rejection::Expired { at })
                        if at.0 == record.expires_at.0 + 1)
                })
            },
        },
        Witness {
            rule: Rule::S14,
            name: "finished-at-the-last-moment",
            says: "A claim is completed in the last millisecond that its author allows.",
            seen: |before, _, after| {
                now_is(before, after, |record| {
                    let RecordState::Completed { claim, completion } = &record.state else { return false };
                    record.claim_ttl.is_some_and(|ttl| completion.at == claim.at.plus(ttl))
                })
            },
        },
        Witness {
            rule: Rule::S15,
            name: "late-finish-refused",
            says: "A completion that comes after the claim has lapsed lets it lapse, and is told claim_expired.",
            seen: |before, lines, after| {
                let lapses = now_is(before, after, |record| {
                    matches!(record.state, RecordState::Rejected(Rejection::ClaimExpired { .. }))
                });
                lapses
                    && before
                        .hubs
                        .iter()
                        .flat_map(|hub| &hub.running)
                        .any(|running| matches!(running.operation.command(), Command::Complete { .. }))
                    && refused(lines, "claim_expired")
            },
        },
        Witness {
            rule: Rule::S16,
            name: "stranger-finds-nothing",
            says: "A stranger accepts a handoff that is there, and is told not_found.",
            seen: |before, lines, _| {
                before.registers.iter().any(|register| register.record().is_some())
                    && refused(lines, "not_found")
            },
        },
        Witness {
            rule: Rule::L1,
            name: "swept-away",
            says: "A janitor finds a handoff overdue that nobody claims.",
            seen: |before, lines, after| {
                let swept =
                    tells(lines, |event| matches!(event, Event::Answers { verdict: Told::Swept, .. }));
                swept && now_is(before, after, |record| record.status() == Status::Rejected)
            },
        },
        Witness {
            rule: Rule::L2,
            name: "a-poll-is-woken",
            says: "A poll that found nothing and waited is shown a handoff that was started since.",
            seen: |before, lines, _| {
                let waited = before.clients.iter().any(|client| client.waits.is_some());
                waited && tells(lines, |event| matches!(event, Event::Polls { shown: Some(_), .. }))
            },
        },
        Witness {
            rule: Rule::L3,
            name: "answered-in-the-end",
            says: "A message was lost on the way; the client asks again and is answered.",
            // With one client: the message was its own.
            seen: |before, lines, _| {
                let again = before.clients.len() == 1 && before.clients[0].sent == 2;
                let received = tells(lines, |event| matches!(event, Event::Receives { .. }));
                before.left.losses == 0 && again && received
            },
        },
        Witness {
            rule: Rule::L3,
            name: "unavailable-and-asked-again",
            says: "The store could not, and the client was told so; it asks again and is answered.",
            // With one client: it was the one that was told.
            seen: |before, lines, _| {
                let again = before.clients.len() == 1 && before.clients[0].sent == 2;
                let started =
                    |event: &Event| matches!(event, Event::Answers { verdict: Told::Started { .. }, .. });
                before.left.failures == 0 && again && tells(lines, started)
            },
        },
        Witness {
            rule: Rule::S3,
            name: "paused-claim-comes-to-nothing",
            says: "A claim was decided in time and its commit paused; a sweep came in between, and the claim finds a \
                   conflict.",
            seen: |before, _, after| {
                let swept =
                    before.registers.iter().filter_map(|register| register.record()).any(|record| {
                        matches!(record.state, RecordState::Rejected(Rejection::Expired { .. }))
                    });
                swept && about_to_claim(before) && !about_to_claim(after)
            },
        },
        Witness {
            rule: Rule::S4,
            name: "pruned-and-refused",
            says: "What retention removed is started again, and refused as expired.",
            // By the hub for which it is earliest: no other is further behind true time, and it is behind.
            seen: |before, lines, _| {
                let refused = |verdict: &Told| matches!(verdict, Told::Refused(why) if why == "expired");
                answered(before, lines, refused).is_some_and(|(hub, operation)| {
                    let register = &before.registers[usize::from(*operation.handoff())];
                    let starts = matches!(operation.command(), Command::Start { .. });
                    let slowest = before.hubs.iter().all(|other| hub.ahead <= other.ahead);
                    starts && register.pruned && register.stored.is_none() && hub.ahead < 0 && slowest
                })
            },
        },
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use handoff_kernel::law::Protocol;

    use handoff_kernel::testing::small::{ALICE, BOB};

    use super::super::asks::{accept, begin, claimed, once, pending, second, twice};
    use super::super::{Action, Asker, Config, Fate, Faults, Hubs, Log, Trust, bounds, live, sound};
    use super::*;
    use crate::model::{Model, Story};
    use crate::profile::Profile;

    /// Whether the last of these actions shows the witness of this name.
    fn shows(name: &str, config: Config, actions: &[Action]) -> bool {
        let model = Hubs { law: Protocol, config };
        let mut state = model.initial().swap_remove(0);
        let mut shown = false;
        for action in actions {
            let mut story = Story::open();
            let next = model.next(&state, action, &mut story);
            shown = seen(name, &state, &story.lines(), &next);
            state = next;
        }
        shown
    }

    fn seen(name: &str, before: &State<Protocol>, lines: &[Line], after: &State<Protocol>) -> bool {
        let named = all::<Protocol>().into_iter().find(|witness| witness.name == name);
        (named.expect("there is one of this name").seen)(before, lines, after)
    }

    fn effect(client: usize, fate: Fate) -> Action {
        Action::Effect(0, Asker::Client(client, 0), fate)
    }

    #[test]
    fn a_claim_that_is_known_by_its_name_is_not_known_by_its_attempt() {
        let name = "own-claim-known-again";
        let config = |records, claim_id| Config {
            records: vec![records],
            clients: vec![once(ALICE, &[accept(claim_id)])],
            faults: Faults { lost_answers: 1, ..Faults::NONE },
            ..Config::PLAIN
        };
        let loads = effect(0, Fate::Answered);
        let lost = [loads.clone(), effect(0, Fate::AnswerLost), loads.clone()];
        assert!(shows(name, config(pending(9), Some(1)), &lost));
        assert!(shows(name, config(pending(9), None), &lost));
        assert!(!shows(name, config(claimed(Some(1), 4, 9), Some(1)), &[loads]), "it repeats another's");
    }

    #[test]
    fn only_what_was_missing_when_the_hub_came_back_is_completed() {
        let name = "log-completed-after-a-crash";
        let config = || Config {
            records: vec![None],
            clients: vec![twice(BOB, &[begin(0, 9, None)]), twice(ALICE, &[accept(Some(1))])],
            faults: Faults { crashes: 1, ..Faults::NONE },
            trust: Trust { log: Log::AfterCompleted, ..Trust::PROTOCOL },
            ..Config::PLAIN
        };
        let started = [effect(0, Fate::Answered), effect(0, Fate::Answered)];
        let crash = [Action::Crash(0), Action::Restart(0)];
        let log = [Action::Log(0)];
        assert!(shows(name, config(), &[&started[..], &crash, &log].concat()));
        assert!(!shows(name, config(), &[&started[..], &log].concat()), "nothing has died");
        let again = [Action::Ask(0, 0), Action::Ask(1, 0)];
        assert!(!shows(name, config(), &[&crash[..], &again, &started, &log].concat()), "it was done after");
        let claimed = [Action::Ask(1, 0), effect(1, Fate::Answered), effect(1, Fate::Answered)];
        let logged = [&started[..], &log, &crash, &claimed, &log].concat();
        assert!(!shows(name, config(), &logged), "what came before the crash was logged by then");
    }

    #[test]
    fn the_older_of_two_is_not_any() {
        let config = Config { records: vec![pending(9), second(pending(9))], ..Config::PLAIN };
        let state = Hubs { law: Protocol, config }.initial().swap_remove(0);
        let shows = |shown| {
            let event = Event::Polls { target: "alice".into(), shown: Some(handoff(shown)) };
            seen("the-older-is-shown", &state, &[Line::at(5, "hub 1", Some(5), event)], &state)
        };
        assert_eq!([shows(0), shows(1)], [true, false]);
    }

    #[test]
    fn what_was_pruned_is_refused_by_the_hub_for_which_it_is_earliest() {
        let config = Config {
            records: vec![None, None],
            clients: vec![once(BOB, &[begin(0, 4, None)])],
            hubs: 2,
            epsilon: 1,
            ..Config::PLAIN
        };
        let model = Hubs { law: Protocol, config };
        let shows = |ahead: [i64; 2], pruned: [bool; 2]| {
            let mut before = model.initial().swap_remove(0);
            for i in 0..2 {
                before.hub(i).ahead = ahead[i];
                before.register(u8::try_from(i).expect("two")).pruned = pruned[i];
            }
            let mut story = Story::open();
            let after = model.next(&before, &effect(0, Fate::Answered), &mut story);
            let lines = story.lines();
            (refused(&lines, "expired"), seen("pruned-and-refused", &before, &lines, &after))
        };
        // At time 5 and expiring at 4 it is overdue by a clock that is right, but not by one that is behind.
        assert_eq!(shows([0, 0], [true, false]), (true, false), "no hub is behind");
        assert_eq!(shows([1, -1], [true, false]), (true, false), "another is slower");
        let late = |ahead, pruned| {
            let Hubs { law, mut config } = model.clone();
            config.time = (6, 6);
            let model = Hubs { law, config };
            let mut before = model.initial().swap_remove(0);
            before.hub(0).ahead = ahead;
            before.register(0).pruned = pruned;
            before.register(1).pruned = true;
            let mut story = Story::open();
            let after = model.next(&before, &effect(0, Fate::Answered), &mut story);
            seen("pruned-and-refused", &before, &story.lines(), &after)
        };
        assert_eq!([late(-1, true), late(-1, false), late(1, true)], [true, false, false]);
    }

    /// A name that no witness has would ask for nothing.
    #[test]
    fn every_name_is_of_a_witness_and_every_witness_is_asked_for() {
        let bounds = bounds().into_iter().flat_map(|bound| [bound.pass, bound.fail]);
        let configs = sound(Profile::Quick).into_iter().chain(live()).chain(bounds);
        let asked: BTreeSet<_> = configs.flat_map(|config| config.witnesses).copied().collect();
        let names: BTreeSet<_> = all::<Protocol>().into_iter().map(|witness| witness.name).collect();
        assert_eq!(asked, names);
    }
}
