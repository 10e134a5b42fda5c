//! The judge: whether what was seen breaks a rule. It sees what the hub answered and delivered, and what the kernel
//! beside it wrote; what nobody can see from there, such as two clients of one name, it is told.

use std::collections::{BTreeMap, BTreeSet};

use handoff_kernel::command::{Answer, Command};
use handoff_kernel::history::{History, Seen};
use handoff_kernel::ident::{AgentId, Digest, HandoffId, Wire};
use handoff_kernel::law::Law;
use handoff_kernel::operation::NotDone;
use handoff_kernel::record::Record;
use handoff_kernel::rules::{Rule, Rules, Step, check_step, status_is_hidden_from_others};
use handoff_kernel::step::step;
use handoff_kernel::time::Time;

use super::oracle::{Asked, Change};

/// See the module's documentation.
#[derive(Debug)]
pub(super) struct Judge {
    /// One memory a rule, so that the breach of one hides no other.
    histories: BTreeMap<Rule, History<Wire>>,
    asked: u64,
    winners: BTreeMap<HandoffId, String>,
    /// What hubs can see to be broken.
    pub(super) broken: BTreeSet<Rule>,
    /// What only the world sees: two instances that believe that one claim is theirs.
    pub(super) deceived: BTreeSet<Rule>,
}

impl Judge {
    pub(super) fn new() -> Self {
        let histories = Rule::ALL.into_iter().map(|rule| (rule, History::asking_for(only(rule)))).collect();
        let winners = BTreeMap::new();
        Self { histories, asked: 0, winners, broken: BTreeSet::new(), deceived: BTreeSet::new() }
    }

    fn see(&mut self, seen: &Seen<'_, Wire>) {
        let mut broken = Vec::new();
        for (rule, history) in &mut self.histories {
            if history.observe(seen).is_err() {
                broken.push(*rule);
            }
        }
        for rule in broken {
            self.histories.remove(&rule);
            self.broken.insert(rule);
        }
    }

    /// This was there before anything was asked.
    pub(super) fn known(&mut self, record: &Record<Wire>) {
        self.see(&Seen::Known(record));
    }

    /// A command was carried out, and its asker heard the answer, or nobody did.
    pub(super) fn asked<L: Law>(
        &mut self,
        law: &L,
        asked: &Asked,
        handoff: &HandoffId,
        client: Option<&str>,
    ) {
        self.asked += 1;
        let operation = self.asked;
        let Asked { before, now, change, done } = asked;
        let command = change.as_ref().map(|change| &change.command);
        if let Some(command) = command {
            let result = step(law, before.as_ref(), command, *now);
            let decided = Step { before: before.as_ref(), command, now: *now, result: &result };
            let broken = Rule::ALL.into_iter().filter(|rule| check_step(only(*rule), &decided).is_err());
            self.broken.extend(broken);
        }
        if let Some(Change { command, next, event }) = change {
            self.see(&Seen::Asked { operation, handoff, command });
            self.see(&Seen::Committed { command, next, event });
            self.see(&Seen::Logged(event));
        }
        let Some(client) = client else { return self.see(&Seen::Gone { operation }) };
        if let Ok(Answer::Claimed { .. }) = &done.verdict {
            let winner = self.winners.entry(*handoff).or_insert_with(|| client.to_owned());
            if winner.as_str() != client {
                self.deceived.insert(Rule::S1);
            }
        }
    }

    /// What the asker heard.
    pub(super) fn heard(&mut self, asked: &Asked, handoff: &HandoffId, command: &Command<Wire>) {
        let verdict = match &asked.done.verdict {
            Ok(answer) => Ok(answer.clone()),
            Err(NotDone::Refused(refusal)) => Err(*refusal),
            Err(NotDone::Unavailable | NotDone::Broken(_)) => return,
        };
        let hidden = asked.before.is_none()
            || status_is_hidden_from_others(asked.before.as_ref(), command, asked.done.status);
        if !hidden {
            self.broken.insert(Rule::S16);
        }
        let operation = Some(self.asked);
        self.see(&Seen::Answered { operation, handoff, command, verdict: &verdict, now: asked.now });
    }

    /// A poll was answered.
    pub(super) fn polled(&mut self, target: &AgentId, shown: Option<(&HandoffId, &Digest)>, now: Time) {
        self.see(&Seen::Polled { target, shown: shown.map(|(handoff, _)| handoff), now });
        if let Some((handoff, digest)) = shown {
            self.see(&Seen::Delivered { handoff, digest });
        }
    }

    /// At the end, everything was looked through: each handoff was found so.
    pub(super) fn found(&mut self, handoff: &HandoffId, record: Option<&Record<Wire>>) {
        let statuses: Vec<_> = record.map(Record::status).into_iter().collect();
        self.see(&Seen::Located { handoff, statuses: &statuses });
        if let Some(record) = record {
            self.see(&Seen::Delivered { handoff, digest: &record.digest });
        }
    }

    /// Retention removed it.
    pub(super) fn pruned(&mut self, handoff: &HandoffId) {
        self.see(&Seen::Pruned(handoff));
    }
}

fn only(rule: Rule) -> Rules {
    Rule::ALL.into_iter().filter(|other| *other != rule).fold(Rules::ALL, Rules::without)
}
