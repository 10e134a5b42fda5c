//! The transition table as an executable document: every cell is what `step` does, asked while it is printed.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::small::{ALICE, BOB, EVE, Small, record, start};
use crate::command::Command;
use crate::law::Law;
use crate::record::{Claim, Completion, Decline, Record, Rejection, State};
use crate::step::{Transition, step};
use crate::time::{Millis, Time};

/// One question to `step`, under the condition that a reader would name.
struct Case {
    when: &'static str,
    record: Option<Record<Small>>,
    command: Command<Small>,
    now: Time,
}

/// What the table calls the rest.
const ELSE: &str = "else";

const DEADLINE: Time = Time(100);
const TTL: Millis = Millis(50);
const CLAIMED_AT: Time = Time(20);
const IN_TIME: Time = Time(30);
const OVERDUE: Time = Time(101);
const LAPSED: Time = Time(71);

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Column {
    None,
    Pending,
    PendingOverdue,
    Claimed,
    ClaimedLapsed,
    Completed,
    Rejected,
}

impl Column {
    const ALL: [(Self, &'static str); 7] = [
        (Self::None, "none"),
        (Self::Pending, "pending"),
        (Self::PendingOverdue, "pending, overdue"),
        (Self::Claimed, "claimed"),
        (Self::ClaimedLapsed, "claimed, lapsed"),
        (Self::Completed, "completed"),
        (Self::Rejected, "rejected"),
    ];

    const fn now(self) -> Time {
        match self {
            Self::PendingOverdue => OVERDUE,
            Self::ClaimedLapsed => LAPSED,
            Self::None | Self::Pending | Self::Claimed | Self::Completed | Self::Rejected => IN_TIME,
        }
    }

    /// Every record that the column stands for.
    fn records(self) -> Vec<Option<Record<Small>>> {
        let claim = |id| Claim { id, at: CLAIMED_AT, attempt: None, receipt: None };
        let claims = [claim(Some(1)), claim(None)];
        let states: Vec<State<Small>> = match self {
            Self::None => return alloc::vec![None],
            Self::Pending | Self::PendingOverdue => alloc::vec![State::Pending],
            Self::Claimed | Self::ClaimedLapsed => claims.map(State::Claimed).to_vec(),
            Self::Completed => claims
                .map(|claim| State::Completed {
                    claim,
                    completion: Completion { at: IN_TIME, result: Some(7), receipt: None },
                })
                .to_vec(),
            Self::Rejected => {
                let decline = |claim_id| Decline { at: IN_TIME, claim_id, reason: 7, receipt: None };
                let [named, anonymous] = claims;
                alloc::vec![
                    Rejection::Expired { at: OVERDUE },
                    Rejection::ClaimExpired { claim: named.clone(), at: LAPSED },
                    Rejection::Declined { claim: None, decline: decline(None) },
                    Rejection::Declined { claim: None, decline: decline(Some(1)) },
                    Rejection::Declined { claim: Some(named), decline: decline(Some(1)) },
                    Rejection::Declined { claim: Some(anonymous), decline: decline(None) },
                ]
                .into_iter()
                .map(State::Rejected)
                .collect()
            }
        };
        states.into_iter().map(|state| Some(record(DEADLINE, Some(TTL), state))).collect()
    }
}

#[derive(Clone, Copy)]
enum Row {
    StartSame,
    StartOther,
    Accept,
    Complete,
    Reject,
    Sweep,
}

impl Row {
    const ALL: [(Self, &'static str); 6] = [
        (Self::StartSame, "start, same bytes"),
        (Self::StartOther, "start, other bytes, same id"),
        (Self::Accept, "accept"),
        (Self::Complete, "complete"),
        (Self::Reject, "reject"),
        (Self::Sweep, "sweep"),
    ];

    /// Every way of asking that makes a difference somewhere, each under its condition on this record.
    fn commands(self, record: Option<&Record<Small>>) -> Vec<(&'static str, Command<Small>)> {
        let ids = [None, Some(1), Some(2)];
        let holder = record.and_then(Record::claim).map(|claim| claim.id);
        match self {
            Self::StartSame | Self::StartOther => {
                let digest = u8::from(matches!(self, Self::StartOther));
                let artifact = start(digest, DEADLINE, Some(TTL));
                alloc::vec![(ELSE, Command::Start { sender: BOB, artifact })]
            }
            Self::Accept => ids
                .map(|claim_id| {
                    let same = claim_id.is_some() && holder == Some(claim_id);
                    let when = if same { "same claim_id" } else { ELSE };
                    (when, Command::Accept { by: ALICE, claim_id, attempt: 1, receipt: None })
                })
                .to_vec(),
            Self::Complete => {
                let asks = ids.into_iter().flat_map(|id| [None, Some(7), Some(8)].map(|result| (id, result)));
                asks.map(|(claim_id, result)| {
                    let holds = holder == Some(claim_id);
                    let when = match record.map(|r| &r.state) {
                        Some(State::Claimed(_)) if holds => "holder",
                        Some(State::Completed { completion, .. }) if holds && completion.result == result => {
                            "same holder, same result"
                        }
                        _ => ELSE,
                    };
                    (when, Command::Complete { by: ALICE, claim_id, result, receipt: None })
                })
                .collect()
            }
            Self::Reject => {
                let asks = ids.into_iter().flat_map(|id| [7, 8].map(|reason| (id, reason)));
                asks.map(|(claim_id, reason)| {
                    let when = match record.map(|r| &r.state) {
                        Some(State::Claimed(_)) if holder == Some(claim_id) => "holder",
                        Some(State::Rejected(Rejection::Declined { decline, .. }))
                            if decline.claim_id == claim_id && decline.reason == reason =>
                        {
                            "declined with the same claim_id (or both none) and the same reason"
                        }
                        _ => ELSE,
                    };
                    (when, Command::Reject { by: ALICE, claim_id, reason, receipt: None })
                })
                .collect()
            }
            Self::Sweep => alloc::vec![(ELSE, Command::Sweep)],
        }
    }
}

/// What `step` does about a case, in the table's words.
fn outcome<L: Law>(law: &L, case: &Case) -> String {
    let rejection = match case.record.as_ref().map(|r| &r.state) {
        Some(State::Rejected(rejection)) => Some(rejection),
        _ => None,
    };
    match step(law, case.record.as_ref(), &case.command, case.now) {
        Ok(Transition::Same(_)) if case.command == Command::Sweep => "–".into(),
        Ok(Transition::Same(_)) => "=".into(),
        Ok(Transition::To { next, answer, .. }) => {
            let to = match &next.state {
                State::Rejected(rejection) => format!("→ rejected({})", rejection.name()),
                State::Pending | State::Claimed(_) | State::Completed { .. } => {
                    format!("→ {}", next.status().name())
                }
            };
            match answer {
                Ok(_) => to,
                Err(refusal) => format!("{to}, answered {}", refusal.name()),
            }
        }
        Err(refusal) if rejection.is_some_and(|r| r.refusal() == refusal) => "the reason's refusal".into(),
        Err(refusal) => refusal.name().into(),
    }
}

/// One cell: a single outcome, or one for each condition.
fn cell<L: Law>(law: &L, row: Row, column: Column) -> String {
    let mut outcomes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for record in column.records() {
        for (when, command) in row.commands(record.as_ref()) {
            let case = Case { when, record: record.clone(), command, now: column.now() };
            let outcome = outcome(law, &case);
            let known = outcomes.entry(case.when).or_default();
            if !known.contains(&outcome) {
                known.push(outcome);
            }
        }
    }
    let rest = outcomes.remove(ELSE).unwrap_or_default().join(" or ");
    let mut parts: Vec<_> = outcomes
        .into_iter()
        .map(|(when, outcomes)| (when, outcomes.join(" or ")))
        .filter(|(_, outcome)| *outcome != rest)
        .map(|(when, outcome)| format!("{when}: {outcome}"))
        .collect();
    let qualified = !parts.is_empty();
    parts.push(if qualified { format!("else {rest}") } else { rest });
    parts.join("; ")
}

/// The whole document.
#[must_use]
pub fn render<L: Law>(law: &L) -> String {
    let mut out = String::from(HEAD);
    out.push_str("| |");
    for (_, name) in Column::ALL {
        out.push_str(&format!(" {name} |"));
    }
    out.push_str("\n| --- |");
    out.push_str(&" --- |".repeat(Column::ALL.len()));
    out.push('\n');
    for (row, name) in Row::ALL {
        out.push_str(&format!("| {name} |"));
        for (column, _) in Column::ALL {
            out.push_str(&format!(" {} |", cell(law, row, column)));
        }
        out.push('\n');
    }
    out.push_str("\n## Before the table\n\nThe first that applies is the answer.\n\n| asked | answer |\n| --- | --- |\n");
    for (asked, case) in before_the_table() {
        out.push_str(&format!("| {asked} | {} |\n", outcome(law, &case)));
    }
    out.push_str("\n## At the deadline itself\n\n| asked | answer |\n| --- | --- |\n");
    for (asked, case) in boundaries() {
        out.push_str(&format!("| {asked} | {} |\n", outcome(law, &case)));
    }
    out
}

const HEAD: &str = "# The transition table\n\n\
    Printed from the kernel's `step` by `handoff-spec table > spec/TABLE.md`; a test compares it with this\n\
    copy. Columns are what is on record, rows what is asked by who may ask it. `=` is no change and the same answer as\n\
    the first time, `–` nothing to do. \"The reason's refusal\" is `expired`, `claim_expired` or `already_rejected`.\n\n";

fn before_the_table() -> Vec<(String, Case)> {
    let pending = || Some(record(DEADLINE, None, State::Pending));
    let accept = |by| Command::Accept { by, claim_id: Some(1), attempt: 1, receipt: None };
    let far = IN_TIME.plus(crate::law::MAX_LIFETIME).plus(Millis(1));
    let ask =
        |asked: &str, record, command, now| (asked.to_string(), Case { when: ELSE, record, command, now });
    alloc::vec![
        ask(
            "start of an artifact that expires more than 7 days after now",
            None,
            Command::Start { sender: BOB, artifact: start(0, far, None) },
            IN_TIME,
        ),
        ask(
            "start by another than the author",
            None,
            Command::Start { sender: EVE, artifact: start(0, DEADLINE, None) },
            IN_TIME,
        ),
        ask(
            "start of an artifact that is overdue and not known",
            None,
            Command::Start { sender: BOB, artifact: start(0, DEADLINE, None) },
            OVERDUE,
        ),
        ask("accept, complete or reject by a stranger", pending(), accept(EVE), IN_TIME),
        ask("accept, complete or reject by the author", pending(), accept(BOB), IN_TIME),
        ask("the same when overdue", pending(), accept(BOB), OVERDUE),
    ]
}

fn boundaries() -> Vec<(String, Case)> {
    let claim = Claim { id: Some(1), at: CLAIMED_AT, attempt: None, receipt: None };
    let pending = || Some(record(DEADLINE, Some(TTL), State::Pending));
    let claimed = || Some(record(DEADLINE, Some(TTL), State::Claimed(claim.clone())));
    let accept = || Command::Accept { by: ALICE, claim_id: Some(1), attempt: 1, receipt: None };
    let complete = || Command::Complete { by: ALICE, claim_id: Some(1), result: None, receipt: None };
    let lapses = CLAIMED_AT.plus(TTL);
    let after = Millis(1);
    let ask =
        |asked: &str, record, command, now| (asked.to_string(), Case { when: ELSE, record, command, now });
    alloc::vec![
        ask("accept at `expires_at`", pending(), accept(), DEADLINE),
        ask("accept one millisecond later", pending(), accept(), DEADLINE.plus(after)),
        ask("sweep at `expires_at`", pending(), Command::Sweep, DEADLINE),
        ask("sweep one millisecond later", pending(), Command::Sweep, DEADLINE.plus(after)),
        ask("complete at `claimed_at + claim_ttl`", claimed(), complete(), lapses),
        ask("complete one millisecond later", claimed(), complete(), lapses.plus(after)),
        ask("sweep at `claimed_at + claim_ttl`", claimed(), Command::Sweep, lapses),
        ask("sweep one millisecond later", claimed(), Command::Sweep, lapses.plus(after)),
    ]
}
