//! A walk: any bytes, read as a sequence of commands on a few handoffs, taken through the operation machine with
//! every rule watching. What proptest and the fuzz target share.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};

use super::small::Small;
use crate::command::{Command, Start};
use crate::history::{History, Seen};
use crate::law::Law;
use crate::operation::Next;
use crate::operation::{Effect, NotDone, Operation, Outcome, Stored, Version};
use crate::record::{Record, Status};
use crate::rules::{Rules, Step, check_step, repeats};
use crate::step::{Transition, step};
use crate::time::{Millis, Time};

/// Reads choices off bytes; zero when they have run out.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn below(&mut self, n: u8) -> u8 {
        match self.0.split_first() {
            Some((first, rest)) => {
                self.0 = rest;
                first % n
            }
            None => 0,
        }
    }

    fn one_of<T: Copy, const N: usize>(&mut self, all: [T; N]) -> T {
        all[usize::from(self.below(u8::try_from(N).expect("a handful of choices")))]
    }

    /// Any command, as often as not by the one who may give it.
    fn command(&mut self, id: u8, known: Option<&Record<Small>>, attempt: u8) -> Command<Small> {
        let anybody = self.one_of([None, Some(0), Some(1), Some(2), None, None]);
        let by = anybody.or(known.map(|record| record.target)).unwrap_or(0);
        let claim_id = self.one_of([None, Some(1), Some(2)]);
        let receipt = self.one_of([None, Some(1)]);
        match self.below(5) {
            0 => {
                let artifact = artifact(id, self.below(168));
                Command::Start { sender: anybody.unwrap_or(artifact.author), artifact }
            }
            1 => Command::Accept { by, claim_id, attempt, receipt },
            2 => Command::Complete { by, claim_id, result: self.one_of([None, Some(0), Some(1)]), receipt },
            3 => Command::Reject { by, claim_id, reason: self.below(2), receipt },
            _ => Command::Sweep,
        }
    }
}

/// The artifact of this digest: as with SHA-256, other contents have another one.
fn artifact(id: u8, digest: u8) -> Start<Small> {
    let author = digest % 3;
    let target = (author + 1 + digest / 3 % 2) % 3;
    let claim_ttl =
        [None, Some(Millis(1)), Some(Millis(3)), Some(Millis(u64::MAX))][usize::from(digest / 6 % 4)];
    let expires_at = [2, 5, 10, 20, 40, 100, u64::MAX][usize::from(digest / 24 % 7)];
    Start { id, author, target, digest, expires_at: Time(expires_at), claim_ttl }
}

/// What a walk came through, for whoever wants to know that it went anywhere.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Been {
    /// Commands asked.
    pub asked: usize,
    /// Transitions that took effect.
    pub changes: usize,
    /// Handoffs that ended in a terminal status.
    pub ended: usize,
}

/// Takes the walk under this law.
///
/// # Errors
/// Which rule was broken, and how.
pub fn walk<L: Law>(law: &L, bytes: &[u8]) -> Result<Been, String> {
    let mut choices = Choices(bytes);
    let mut store: BTreeMap<u8, Stored<Small>> = BTreeMap::new();
    let mut history = History::default();
    let mut now = Time(1);
    let mut been = Been::default();
    while !choices.0.is_empty() {
        now = now.plus(Millis(choices.one_of([0, 0, 0, 1, 1, 2, 5])));
        let handoff = choices.below(8);
        let attempt = u8::try_from(been.asked % 251).expect("below 251");
        let command = choices.command(handoff, store.get(&handoff).map(|stored| &stored.record), attempt);
        been.asked += 1;
        ask(law, &mut store, &mut history, &mut been, handoff, &command, now)?;
        let statuses: alloc::vec::Vec<Status> =
            store.get(&handoff).map(|s| s.record.status()).into_iter().collect();
        history
            .observe(&Seen::Located { handoff: &handoff, statuses: &statuses })
            .map_err(|broken| broken.to_string())?;
    }
    history.settle().map_err(|broken| broken.to_string())?;
    been.ended = store.values().filter(|stored| stored.record.status().is_terminal()).count();
    Ok(been)
}

fn ask<L: Law>(
    law: &L,
    store: &mut BTreeMap<u8, Stored<Small>>,
    history: &mut History<Small>,
    been: &mut Been,
    handoff: u8,
    command: &Command<Small>,
    now: Time,
) -> Result<(), String> {
    check(law, store.get(&handoff), command, now)?;
    let mut operation = Operation::new(law.clone(), handoff, command.clone());
    let done = loop {
        let outcome = match operation.effect() {
            Effect::Load => Outcome::Loaded(store.get(&handoff).cloned()),
            Effect::Insert { record: next, event } | Effect::Swap { next, event, .. } => {
                history
                    .observe(&Seen::Committed { command, next, event })
                    .map_err(|broken| broken.to_string())?;
                history.observe(&Seen::Logged(event)).map_err(|broken| broken.to_string())?;
                been.changes += 1;
                store.insert(handoff, Stored { record: next.clone(), version: Version(now.0) });
                Outcome::Written
            }
        };
        match operation.next(outcome, now) {
            Next::Effect(next) => operation = next,
            Next::Done(done) => break done,
        }
    };
    let verdict = match done.verdict {
        Ok(answer) => Ok(answer),
        Err(NotDone::Refused(refusal)) => Err(refusal),
        Err(NotDone::Broken(rule)) => return Err(rule.to_string()),
        Err(NotDone::Unavailable) => return Err("this store is always available".into()),
    };
    history
        .observe(&Seen::Answered { operation: None, handoff: &handoff, command, verdict: &verdict, now })
        .map_err(|broken| broken.to_string())
}

/// The step rules, and S9 for the same command at once again.
fn check<L: Law>(
    law: &L,
    before: Option<&Stored<Small>>,
    command: &Command<Small>,
    now: Time,
) -> Result<(), String> {
    let before = before.map(|stored| &stored.record);
    let result = step(law, before, command, now);
    let first = Step { before, command, now, result: &result };
    check_step(Rules::ALL, &first).map_err(|broken| broken.to_string())?;
    let after = match &result {
        Ok(Transition::To { next, .. }) => Some(next),
        Ok(Transition::Same(_)) | Err(_) => before,
    };
    let again = step(law, after, command, now);
    let second = Step { before: after, command, now, result: &again };
    if repeats(&first, &second) { Ok(()) } else { Err("S9 Repeatable: the same command again".into()) }
}
