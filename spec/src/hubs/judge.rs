//! What the kernel's rules cannot see, because a hub cannot: true time, and who really asked. One item each, for the
//! model and for the replay of its traces.

use handoff_kernel::command::{Answer, Command, EventKind};
use handoff_kernel::law::Law;
use handoff_kernel::record::{Record, Rejection, State};
use handoff_kernel::refusal::Refusal;
use handoff_kernel::rules::{Rule, Step, check_step};
use handoff_kernel::step::step;
use handoff_kernel::testing::small::Small;
use handoff_kernel::time::Time;

use crate::model::Breach;

/// A decision that the hub's own guard held back, on this record: the rule, and which part of it.
pub(super) fn held_back<L: Law>(
    law: &L,
    record: Option<&Record<Small>>,
    command: &Command<Small>,
    now: u64,
    rule: Rule,
) -> Breach {
    let now = Time(now);
    let result = step(law, record, command, now);
    let broken = check_step(&Step { before: record, command, now, result: &result });
    broken.err().map_or(Breach::of(rule, "a hub's guard held its decision back"), Breach::from)
}

/// S3 in true time: no claim takes effect later than so long after `expires_at`.
pub(super) fn in_time(
    bound: Option<u64>,
    time: u64,
    next: &Record<Small>,
    kind: EventKind,
) -> Option<Breach> {
    let late = time.saturating_sub(next.expires_at.0);
    let how = "a claim took effect later than its bound after expires_at, in true time";
    let claims = kind == EventKind::Claimed;
    (claims && bound.is_some_and(|bound| late > bound)).then_some(Breach::of(Rule::S3, how))
}

/// S3 where a hub was paused between decision and commit: once any hub has swept, no claim takes effect.
pub(super) fn after_sweep(before: Option<&Record<Small>>, kind: EventKind) -> Option<Breach> {
    let swept = matches!(before?.state, State::Rejected(Rejection::Expired { .. }));
    let how = "a claim took effect after a hub had swept";
    (swept && kind == EventKind::Claimed).then_some(Breach::of(Rule::S3, how))
}

/// S13 and S2 as the world sees them: `really` is who asked for what took effect.
pub(super) fn rightful(really: u8, next: &Record<Small>, kind: EventKind) -> Option<Breach> {
    let (rightful, breach) = match kind {
        EventKind::Started => {
            (next.author, Breach::of(Rule::S13, "somebody else started it in its author's name"))
        }
        EventKind::Claimed | EventKind::Completed | EventKind::Rejected => {
            (next.target, Breach::of(Rule::S2, "somebody else acted in its target's name"))
        }
        EventKind::Expired | EventKind::ClaimExpired => return None,
    };
    (rightful != really).then_some(breach)
}

/// S1 as the instances see it: at most one of them is told that the claim is its own.
pub(super) fn one_winner<C: PartialEq>(
    winner: &mut Option<C>,
    client: C,
    verdict: &Result<Answer<Small>, Refusal>,
) -> Option<Breach> {
    let Ok(Answer::Claimed { .. }) = verdict else { return None };
    let twice = winner.as_ref().is_some_and(|winner| *winner != client);
    winner.get_or_insert(client);
    twice.then_some(Breach::of(Rule::S1, "two instances were told that one claim is theirs"))
}
