//! The judge: it is told everything that is seen, and holds it against every rule, each by its one definition.
//!
//! The step and history rules are the kernel's; what only an onlooker can see (true time, who really asked) are
//! `handoff_spec`'s items for its models. Nothing here is a rule of its own: only what is fed to which.

use std::collections::{BTreeMap, BTreeSet};

use handoff_kernel::command::{Command, Event};
use handoff_kernel::history::{Broken, History, Seen};
use handoff_kernel::ident::{AgentId, Digest, HandoffId, Wire};
use handoff_kernel::law::Law;
use handoff_kernel::operation::{Done, NotDone};
use handoff_kernel::record::{Record, Status};
use handoff_kernel::rules::{Rule, Rules, is_party};
use handoff_kernel::testing::as_on_disk;
use handoff_kernel::time::{Millis, Time};
use handoff_spec::hubs::judge;
use handoff_spec::model::Breach;

use crate::cast::on_the_wire;

/// On whose behalf something was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behalf {
    /// A client asked: who it really is.
    Client(AgentId),
    /// Nobody did: the hub's own janitor.
    Janitor,
    /// A same-host agent moved the file, and so asked in the target's name: whoever may rename its files is it.
    Neighbour,
}

/// See the module.
#[derive(Debug)]
pub struct Judge {
    history: History<Wire>,
    books: BTreeMap<HandoffId, Record<Wire>>,
    /// What has been on the books of each, in order.
    versions: BTreeMap<HandoffId, Vec<Record<Wire>>>,
    /// Which client was told that a handoff is its own.
    winners: BTreeMap<HandoffId, Option<usize>>,
    /// S3 in true time: ε + δ, in milliseconds; none while a hub may pause for as long as it likes.
    bound: Option<u64>,
    breach: Option<Breach>,
    /// What same-host agents have dropped and no hub has told of: the digest of each, and when its file is dated, if that
    /// is certain.
    dropped: BTreeMap<HandoffId, (Digest, Option<Time>)>,
    /// Of which somebody was told by an answer that they are there.
    promised: BTreeSet<HandoffId>,
    /// All that was committed, in order.
    committed: Vec<Event<Wire>>,
    /// What the log may repeat: what had been committed when somebody deleted it.
    forgotten: Vec<Event<Wire>>,
}

impl Judge {
    /// Nothing is seen yet.
    #[must_use]
    pub fn new(bound: Option<u64>) -> Self {
        Self {
            history: History::default(),
            books: BTreeMap::new(),
            versions: BTreeMap::new(),
            winners: BTreeMap::new(),
            bound,
            breach: None,
            dropped: BTreeMap::new(),
            promised: BTreeSet::new(),
            committed: Vec::new(),
            forgotten: Vec::new(),
        }
    }

    /// What was broken first, if anything was.
    #[must_use]
    pub const fn breach(&self) -> Option<Breach> {
        self.breach
    }

    /// What is on record, as far as was seen.
    #[must_use]
    pub const fn books(&self) -> &BTreeMap<HandoffId, Record<Wire>> {
        &self.books
    }

    /// Something is broken; what was broken first is what counts.
    pub fn note(&mut self, breach: Option<impl Into<Breach>>) {
        if self.breach.is_none() {
            self.breach = breach.map(Into::into);
        }
    }

    /// The history is not to be fed any further once something is broken.
    fn see(&mut self, seen: &Seen<'_, Wire>) {
        if self.breach.is_none() {
            let told: Result<(), Broken> = self.history.observe(seen);
            self.note(told.err());
        }
    }

    /// A client's command was taken up.
    pub fn asked(&mut self, operation: u64, handoff: &HandoffId, command: &Command<Wire>) {
        let command = &as_tried_by(operation, command);
        self.see(&Seen::Asked { operation, handoff, command });
    }

    /// An operation ended without a word.
    pub fn gone(&mut self, operation: u64) {
        self.see(&Seen::Gone { operation });
    }

    /// A write took effect, at this true time. `before` is what it was decided on.
    pub fn written(
        &mut self,
        time: u64,
        (operation, behalf): (u64, Behalf),
        command: &Command<Wire>,
        before: Option<&Record<Wire>>,
        next: &Record<Wire>,
        event: &Event<Wire>,
    ) {
        let stale = self.books.get(&next.id) != before.map(as_on_disk).as_ref();
        let unlawful = judge::replaced(Rules::ALL, before, command, next, event);
        let swept = judge::after_sweep(before, event.kind);
        let late = judge::in_time(self.bound, on_the_wire(time).0, next, event.kind);
        let wrong = match behalf {
            Behalf::Client(really) => judge::rightful(&really, next, event.kind),
            Behalf::Neighbour => judge::rightful(&next.target, next, event.kind),
            Behalf::Janitor => judge::asked_for(command),
        };
        for breach in [swept, late, unlawful, wrong] {
            self.note(breach);
        }
        let how = "a write took effect over something else than it was decided on";
        self.note(stale.then_some(Breach::of(Rule::S1, how)));
        // The nonce of a claim is the hub's own, which it forgets when it ends.
        let next = as_on_disk(next);
        let command = &as_tried_by(operation, command);
        self.see(&Seen::Committed { command, next: &next, event });
        self.committed.push(event.clone());
        self.book(next);
    }

    fn book(&mut self, record: Record<Wire>) {
        self.versions.entry(record.id).or_default().push(record.clone());
        self.books.insert(record.id, record);
    }

    /// How many versions of this there have been on the books.
    #[must_use]
    pub fn versions(&self, handoff: &HandoffId) -> usize {
        self.versions.get(handoff).map_or(0, Vec::len)
    }

    /// This agent was told what is on record, or that there is nothing, having asked when there had been so many versions.
    pub fn read(&mut self, by: &AgentId, handoff: &HandoffId, told: Option<&Record<Wire>>, versions: usize) {
        let Some(told) = told else {
            let booked = self.books.get(handoff);
            let lost = self.promised.contains(handoff) && booked.is_some_and(|record| is_party(record, by));
            let how = "what was acknowledged was not found by one who is a party to it";
            return self.note(lost.then_some(Breach::of(Rule::S7, how)));
        };
        let how = "somebody who is no party was told a status";
        self.note((!is_party(told, by)).then_some(Breach::of(Rule::S16, how)));
        let told = as_on_disk(told);
        let since = self.versions.get(handoff).and_then(|all| all.get(versions.saturating_sub(1)..));
        let how = "somebody was told another record than there has been since it asked";
        let known = since.is_some_and(|since| since.contains(&told));
        self.note((!known).then_some(Breach::of(Rule::S9, how)));
    }

    /// A client's operation was answered, by this deciding time.
    #[expect(clippy::too_many_arguments, reason = "an answer is to whom, of what, by which law, and when")]
    pub fn answered<L: Law>(
        &mut self,
        law: &L,
        operation: u64,
        client: usize,
        handoff: &HandoffId,
        command: &Command<Wire>,
        done: &Done<Wire>,
        now: Time,
    ) {
        let verdict = match &done.verdict {
            Ok(answer) => Ok(answer.clone()),
            Err(NotDone::Refused(refusal)) => Err(*refusal),
            Err(NotDone::Unavailable) => return self.gone(operation),
            Err(NotDone::Broken(rule)) => {
                let record = self.books.get(handoff);
                let breach = judge::held_back(law, record, command, now.0, *rule);
                return self.note(Some(breach));
            }
        };
        if verdict.is_ok() {
            self.promised.insert(*handoff);
        }
        let hidden = judge::hidden(self.books.get(handoff), command, done.status);
        self.note(hidden);
        let command = &as_tried_by(operation, command);
        self.see(&Seen::Answered { operation: Some(operation), handoff, command, verdict: &verdict, now });
        let twice = judge::one_winner(self.winners.entry(*handoff).or_default(), client, &verdict);
        self.note(twice);
    }

    /// A poll was answered, or looked and goes on waiting.
    pub fn polled(&mut self, target: &AgentId, shown: Option<&HandoffId>, now: Time) {
        self.see(&Seen::Polled { target, shown, now });
    }

    /// The same while files cannot always be read: an older one may have been passed over.
    pub fn polled_in_part(&mut self, target: &AgentId, shown: Option<&HandoffId>, now: Time) {
        if let Some(shown) = shown {
            self.see(&Seen::PolledInPart { target, shown, now });
        }
    }

    /// An artifact's bytes were delivered.
    pub fn delivered(&mut self, handoff: &HandoffId, digest: &Digest) {
        self.see(&Seen::Delivered { handoff, digest });
        self.promised.insert(*handoff);
        let other = self.books.get(handoff).is_some_and(|record| record.digest != *digest);
        self.note(other.then_some(Breach::of(Rule::S8, "other bytes were delivered than are on record")));
    }

    /// A same-host agent has moved this handoff's file: no poll can show it any more, whatever the books say.
    pub fn moved(&mut self, handoff: &HandoffId) {
        self.see(&Seen::Moved(handoff));
    }

    /// The log has this line. Of one that was deleted, what was there before may be written again, each once.
    pub fn logged(&mut self, event: &Event<Wire>) {
        if let Some(at) = self.forgotten.iter().position(|forgotten| forgotten == event) {
            self.forgotten.remove(at);
            return;
        }
        self.see(&Seen::Logged(event));
    }

    /// Somebody has deleted the log: that changes no answer, but what it had to say of before is gone.
    pub fn log_deleted(&mut self) {
        self.see(&Seen::LogDeleted);
        self.forgotten.clone_from(&self.committed);
    }

    /// Everything was looked through, and this handoff was found there.
    pub fn located(&mut self, handoff: &HandoffId, statuses: &[Status]) {
        self.see(&Seen::Located { handoff, statuses });
        let booked = self.books.get(handoff).map(Record::status);
        let how = "a handoff does not lie where its status says";
        self.note((statuses != booked.as_slice()).then_some(Breach::of(Rule::S7, how)));
    }

    /// Retention, which is so long, removed it, when the hub's clock said this at the latest.
    pub fn pruned(&mut self, handoff: &HandoffId, retention: Option<Millis>, now: Time) {
        self.see(&Seen::Pruned(handoff));
        let early = self.books.get(handoff).and_then(|was| judge::removed_in_time(was, retention, now));
        self.note(early);
        self.books.remove(handoff);
    }

    /// A same-host agent has dropped this, in a file of this date.
    pub fn dropped(&mut self, handoff: &HandoffId, digest: Digest, dated: Time) {
        self.dropped.insert(*handoff, (digest, Some(dated)));
    }

    /// The power was cut: of a file that nobody has made durable the date may be another.
    pub fn dates_lost(&mut self) {
        self.dropped.values_mut().for_each(|(_, dated)| *dated = None);
    }

    /// Everything that same-host agents dropped must have been told of by now, unless a power cut may have taken it.
    pub fn all_have_arrived(&mut self) {
        let missed = self.dropped.values().any(|(_, dated)| dated.is_some());
        let how = "what a same-host agent dropped is never taken note of";
        self.note(missed.then_some(Breach::of(Rule::S7, how)));
    }

    /// Whether a same-host agent has dropped this, and no hub has told of it yet.
    #[must_use]
    pub fn is_dropped(&self, handoff: &HandoffId) -> bool {
        self.dropped.contains_key(handoff)
    }

    /// It is there, and nobody was seen to start it: a same-host agent dropped it, or the hub has made it up.
    pub fn arrived(&mut self, record: &Record<Wire>) {
        let as_dropped = |(digest, dated): (Digest, Option<Time>)| {
            digest == record.digest && dated.is_none_or(|dated| dated == record.started_at)
        };
        if !self.dropped.remove(&record.id).is_some_and(as_dropped) {
            return self.found(record);
        }
        self.see(&Seen::Known(record));
        self.book(as_on_disk(record));
    }

    /// A same-host agent's move is undone: it had not made it durable when the power was cut.
    pub fn moved_back(&mut self, record: &Record<Wire>) {
        self.see(&Seen::Known(record));
    }

    /// A file that a same-host agent had dropped is gone with the power: it had not made it durable. Nobody may have been
    /// told that it is there.
    pub fn vanished(&mut self, handoff: &HandoffId) {
        self.see(&Seen::Moved(handoff));
        self.books.remove(handoff);
        let how = "what a same-host agent dropped was answered for, and is gone";
        self.note(self.promised.contains(handoff).then_some(Breach::of(Rule::S7, how)));
    }

    /// A hub that began again has this on record where the books say otherwise, and nothing that was under way explains it.
    pub fn found(&mut self, record: &Record<Wire>) {
        self.see(&Seen::Known(record));
        let how =
            "after a restart there is on record what nobody acknowledged and nothing under way explains";
        self.note(Some(Breach::of(Rule::S7, how)));
    }

    /// At rest: what should have happened by now.
    pub fn settle(&mut self) {
        let settled = self.history.settle().err();
        self.note(settled);
    }
}

/// The same command, by an attempt that no other hub has, nor the same hub in another life.
fn as_tried_by(operation: u64, command: &Command<Wire>) -> Command<Wire> {
    let mut command = command.clone();
    if let Command::Accept { attempt, .. } = &mut command {
        *attempt = operation;
    }
    command
}

#[cfg(test)]
mod tests {
    use handoff_kernel::command::Answer;
    use handoff_kernel::law::Protocol;
    use handoff_kernel::record::State;
    use handoff_spec::trace::Artifact;

    use super::*;
    use crate::cast::Cast;

    fn artifact(name: &str, digest: &str) -> Artifact {
        Artifact {
            handoff: name.into(),
            author: "bob".into(),
            target: "alice".into(),
            digest: digest.into(),
            expires_at: 5_000,
            claim_ttl: None,
        }
    }

    /// What is pending when a file of this digest and date was found.
    fn pending(name: &str, digest: &str, dated: u64) -> Record<Wire> {
        let start = Cast::default().artifact(&artifact(name, digest)).unwrap().start;
        Record {
            id: start.id,
            author: start.author,
            target: start.target,
            digest: start.digest,
            started_at: Time(dated),
            expires_at: start.expires_at,
            claim_ttl: start.claim_ttl,
            state: State::Pending,
        }
    }

    fn broken(judge: &Judge) -> Option<String> {
        judge.breach().map(|breach| breach.to_string())
    }

    fn said(breach: Option<String>, words: &str) {
        let breach = breach.expect("something is broken");
        assert!(breach.starts_with("S7 ") && breach.contains(words), "{breach}");
    }

    /// A same-host agent has dropped `x`, with these bytes, in a file of time 7.
    fn dropped(digest: &str) -> (Judge, Record<Wire>) {
        let mut judge = Judge::new(None);
        let record = pending("x", digest, 7);
        judge.dropped(&record.id, record.digest, Time(7));
        (judge, record)
    }

    /// And the hub has told of it.
    fn arrived() -> (Judge, Record<Wire>) {
        let (mut judge, record) = dropped("d0");
        judge.arrived(&record);
        (judge, record)
    }

    #[test]
    fn what_nobody_started_is_there_only_as_it_was_dropped_and_once() {
        const WORDS: &str = "nobody acknowledged";
        let mut judge = Judge::new(None);
        judge.arrived(&pending("x", "d0", 7));
        said(broken(&judge), WORDS);
        for wrong in [pending("x", "d2", 7), pending("x", "d0", 8), pending("y", "d0", 7)] {
            let (mut judge, _) = dropped("d0");
            judge.arrived(&wrong);
            said(broken(&judge), WORDS);
        }
        let (mut judge, record) = arrived();
        assert_eq!(broken(&judge), None);
        judge.vanished(&record.id);
        judge.arrived(&record);
        said(broken(&judge), WORDS);
        let (mut judge, record) = dropped("d0");
        judge.dates_lost();
        judge.arrived(&Record { started_at: Time(9), ..record });
        assert_eq!(broken(&judge), None);
    }

    #[test]
    fn what_was_dropped_may_vanish_unless_somebody_was_answered_for_it() {
        let (mut judge, record) = arrived();
        judge.vanished(&record.id);
        assert_eq!(broken(&judge), None);
        let (mut judge, record) = arrived();
        let start = Cast::default().artifact(&artifact("x", "d0")).unwrap().start;
        let command = Command::Start { sender: record.author, artifact: start };
        let told = Answer::Started { expires_at: record.expires_at };
        let done = Done { verdict: Ok(told), status: Some(Status::Pending), changed: false };
        judge.answered(&Protocol, 1, 0, &record.id, &command, &done, Time(8));
        assert_eq!(broken(&judge), None);
        judge.vanished(&record.id);
        said(broken(&judge), "answered for, and is gone");
    }

    #[test]
    fn who_was_shown_what_was_dropped_was_answered_for_it() {
        let (mut judge, record) = arrived();
        judge.delivered(&record.id, &record.digest);
        judge.vanished(&record.id);
        said(broken(&judge), "answered for, and is gone");
    }

    #[test]
    fn everything_that_was_dropped_is_taken_note_of_unless_the_power_was_cut() {
        let (mut judge, _) = arrived();
        judge.all_have_arrived();
        assert_eq!(broken(&judge), None);
        let (mut judge, _) = dropped("d0");
        judge.dates_lost();
        judge.all_have_arrived();
        assert_eq!(broken(&judge), None);
        let (mut judge, _) = dropped("d0");
        judge.all_have_arrived();
        said(broken(&judge), "never taken note of");
    }

    #[test]
    fn who_reads_is_told_what_there_has_been_since_it_asked() {
        let known = || {
            let (mut judge, record) = arrived();
            judge.delivered(&record.id, &record.digest);
            (judge, record)
        };
        let (bob, eve) = (AgentId::parse("bob").unwrap(), AgentId::parse("eve").unwrap());
        let (mut judge, record) = known();
        judge.read(&bob, &record.id, Some(&record), 1);
        judge.read(&eve, &record.id, None, 1);
        assert_eq!(broken(&judge), None);
        let (mut judge, record) = known();
        judge.read(&bob, &record.id, None, 1);
        said(broken(&judge), "was not found by one who is a party to it");
        let (mut judge, record) = known();
        judge.read(&eve, &record.id, Some(&record), 1);
        assert!(broken(&judge).unwrap().starts_with("S16 "));
        let (mut judge, record) = known();
        judge.read(&bob, &record.id, Some(&Record { started_at: Time(1), ..record.clone() }), 1);
        assert!(broken(&judge).unwrap().starts_with("S9 "));
        // What has been replaced before it was asked is no answer any more.
        let (mut judge, record) = known();
        judge.book(Record { expires_at: Time(9), ..record.clone() });
        judge.read(&bob, &record.id, Some(&record), 1);
        assert_eq!(broken(&judge), None);
        judge.read(&bob, &record.id, Some(&record), 2);
        assert!(broken(&judge).unwrap().starts_with("S9 "));
    }

    #[test]
    fn a_handoff_lies_where_its_status_says_and_nothing_lies_there_that_is_none() {
        let (mut judge, record) = arrived();
        judge.located(&record.id, &[Status::Pending]);
        assert_eq!(broken(&judge), None);
        judge.located(&record.id, &[Status::Completed]);
        said(broken(&judge), "where its status says");
        let mut judge = Judge::new(None);
        judge.located(&record.id, &[Status::Pending]);
        said(broken(&judge), "where its status says");
    }
}
