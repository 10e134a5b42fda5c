//! The interesting case of each rule, as a step of this model shows it.

use handoff_kernel::command::Command;
use handoff_kernel::law::Law;
use handoff_kernel::operation::Effect;
use handoff_kernel::record::{Record, Rejection, State as RecordState, Status};
use handoff_kernel::rules::Rule;
use handoff_kernel::testing::small::Small;

use super::state::State;
use crate::model::{Witness, tells};
use crate::trace::{EffectKind, Event, Line, OutcomeKind, Told};

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
            seen: |_, lines, _| {
                let loaded = tells(lines, |event| {
                    matches!(
                        event,
                        Event::Effect { effect: EffectKind::Load, outcome: OutcomeKind::Loaded, .. }
                    )
                });
                let won =
                    |event: &Event| matches!(event, Event::Answers { verdict: Told::Claimed { .. }, .. });
                loaded && tells(lines, won)
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
                let pending = pending.filter(|record| record.status() == Status::Pending).count();
                pending == 2 && tells(lines, |event| matches!(event, Event::Polls { shown: Some(_), .. }))
            },
        },
        Witness {
            rule: Rule::S12,
            name: "the-overdue-is-passed-over",
            says: "The older one is overdue though still pending, and the poll shows the younger.",
            seen: |before, lines, _| {
                let overdue = |record: &Record<Small>| {
                    record.status() == Status::Pending && record.expires_at.0 < before.time
                };
                let any = before.registers.iter().filter_map(|register| register.record()).any(overdue);
                any && tells(lines, |event| matches!(event, Event::Polls { shown: Some(_), .. }))
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
            seen: |before, lines, _| {
                before.registers.iter().any(|register| register.pruned) && refused(lines, "expired")
            },
        },
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use handoff_kernel::law::Protocol;

    use super::super::{bounds, live, sound};
    use super::*;
    use crate::profile::Profile;

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
