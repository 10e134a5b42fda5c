//! The frame: a command on one handoff leaves every other bit-identical.
//!
//! The operation machine that ships is run over a store of several registers: handoff 0, in every class there is,
//! and others in every status. The driver writes where the record that it is handed says that it belongs, so that a
//! write gone astray would hit another's register. Since no effect names any handoff but the operation's own, and a
//! load is of that one alone, nothing that is decided depends on the others either.

use core::fmt;

use handoff_kernel::command::{Command, Event};
use handoff_kernel::law::Law;
use handoff_kernel::operation::{Effect, Next, Operation, Outcome, Stored, Version};
use handoff_kernel::record::{Claim, Completion, Decline, Record, Rejection, State};
use handoff_kernel::testing::small::Small;
use handoff_kernel::time::{Millis, Time};

use super::quotient::{Cases, NOW};
use super::size::Size;
use crate::trace::{Ask, RecordText};

/// What a frame check looked at, and what went astray.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frame {
    /// Every type-correct record of the handoff that is asked, up to its times, and none at all.
    pub records: u64,
    /// The other handoffs in the store.
    pub others: u64,
    /// Operations carried out.
    pub operations: u64,
    /// Writes among their effects.
    pub writes: u64,
    /// How often something went astray.
    pub failures: u64,
    /// The first time.
    pub broken: Option<Astray>,
}

/// An operation that did not leave the others alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Astray {
    /// The record of the handoff that was asked.
    pub before: Option<Record<Small>>,
    /// What was asked of it.
    pub command: Command<Small>,
    /// What it did to whom.
    pub how: &'static str,
}

impl fmt::Display for Astray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.before {
            Some(before) => write!(f, "{}", RecordText::from(before))?,
            None => f.write_str("no record")?,
        }
        write!(f, ", asked to {}: {}", Ask::from(&self.command), self.how)
    }
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, others, operations, writes, failures, broken } = self;
        write!(f, "{records} records beside {others} others, {operations} operations, {writes} writes: ")?;
        match broken {
            None => f.write_str("each leaves every other as it was"),
            Some(astray) => write!(f, "{failures} went astray, the first: {astray}"),
        }
    }
}

/// The handoff that is asked.
const ASKED: u8 = 0;

/// Runs every command on every record, beside others.
#[must_use]
pub fn frame<L: Law>(law: &L, size: Size) -> Frame {
    let cases = Cases::of(size, law.max_lifetime());
    let mut run = Run::new(law);
    for before in cases.records() {
        run.frame.records += 1;
        cases.each(before, |before, command| run.ask(before, command));
    }
    run.frame
}

struct Run<'a, L> {
    law: &'a L,
    others: Vec<Stored<Small>>,
    registers: Vec<Option<Stored<Small>>>,
    frame: Frame,
    /// How an event is looked at: as it is, but for the test of this check.
    view: fn(&Event<Small>) -> Event<Small>,
}

impl<'a, L: Law> Run<'a, L> {
    fn new(law: &'a L) -> Self {
        let others = others();
        let frame = Frame { others: u64::try_from(others.len()).expect("a handful"), ..Frame::default() };
        Self { law, registers: registers(&others), others, frame, view: Clone::clone }
    }

    fn ask(&mut self, before: Option<&Record<Small>>, command: &Command<Small>) {
        self.registers[usize::from(ASKED)] =
            before.map(|record| Stored { record: record.clone(), version: Version(1) });
        self.frame.operations += 1;
        let astray = run(self.law, &mut self.registers, command, &mut self.frame.writes, self.view);
        let beside = self.registers[1..].iter().map(Option::as_ref);
        let kept = beside.eq(self.others.iter().map(Some).chain([None]));
        let how = if kept { astray } else { Some("another handoff's register is not as it was") };
        if let Some(how) = how {
            self.frame.failures += 1;
            self.frame.broken.get_or_insert_with(|| Astray {
                before: before.cloned(),
                command: command.clone(),
                how,
            });
            self.registers = registers(&self.others);
        }
    }
}

/// The one that is asked, the others, and one that nobody has started: it must not come to be either.
fn registers(others: &[Stored<Small>]) -> Vec<Option<Stored<Small>>> {
    [None].into_iter().chain(others.iter().cloned().map(Some)).chain([None]).collect()
}

/// Carries out one operation, and says what it did that was none of its business.
fn run<L: Law>(
    law: &L,
    registers: &mut [Option<Stored<Small>>],
    command: &Command<Small>,
    writes: &mut u64,
    view: fn(&Event<Small>) -> Event<Small>,
) -> Option<&'static str> {
    let mut astray = None;
    let mut operation = Operation::new(law.clone(), ASKED, command.clone());
    // Without conflicts and lost answers it loads once and writes at most once.
    for _ in 0..2 {
        if *operation.handoff() != ASKED {
            astray = Some("an effect is about another handoff");
        }
        let outcome = match operation.effect() {
            Effect::Load => Outcome::Loaded(registers[usize::from(*operation.handoff())].clone()),
            Effect::Insert { record: next, event } | Effect::Swap { next, event, .. } => {
                *writes += 1;
                if (next.id, view(event).handoff) != (ASKED, ASKED) {
                    astray = Some("a write or its event is of another handoff");
                }
                if let Some(register) = registers.get_mut(usize::from(next.id)) {
                    *register = Some(Stored { record: next.clone(), version: Version(2) });
                }
                Outcome::Written
            }
        };
        match operation.next(outcome, NOW) {
            Next::Effect(next) => operation = next,
            Next::Done(_) => return astray,
        }
    }
    Some("the operation goes on after its write")
}

/// Other handoffs: one in each status, in time and not, to and from the same agents and others.
fn others() -> Vec<Stored<Small>> {
    let past = Time(NOW.0 - 2);
    let claim = Claim { id: Some(1), at: past, attempt: Some(1), receipt: Some(7) };
    let decline = Decline { at: past, claim_id: Some(1), reason: 0, receipt: None };
    let completion = Completion { at: past, result: Some(0), receipt: None };
    let states = [
        State::Pending,
        State::Claimed(claim.clone()),
        State::Completed { claim: claim.clone(), completion },
        State::Rejected(Rejection::Declined { claim: Some(claim.clone()), decline }),
        State::Rejected(Rejection::Expired { at: past }),
        State::Rejected(Rejection::ClaimExpired { claim, at: past }),
    ];
    let mut all = Vec::new();
    for state in states {
        for (author, target, expires_at) in [(0, 1, Time(NOW.0 - 1)), (1, 2, Time(NOW.0 + 5))] {
            let id = u8::try_from(all.len() + 1).expect("a handful");
            let (digest, started_at) = (id, Time(1));
            let claim_ttl = Some(Millis(1));
            let record = Record {
                id,
                author,
                target,
                digest,
                started_at,
                expires_at,
                claim_ttl,
                state: state.clone(),
            };
            all.push(Stored { record, version: Version(u64::from(id)) });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_kernel::command::Start;
    use handoff_kernel::law::Protocol;

    #[test]
    fn a_command_on_one_handoff_leaves_every_other_as_it_was() {
        let frame = frame(&Protocol, Size::QUICK);
        assert_eq!(frame.broken, None);
        assert_eq!(
            (frame.records, frame.others, frame.operations, frame.writes),
            (2_773, 12, 1_511_398, 15_174),
        );
    }

    #[test]
    fn an_event_of_another_handoff_is_seen_to_go_astray_though_its_record_does_not() {
        let artifact = Start { id: ASKED, author: 0, target: 1, digest: 0, expires_at: NOW, claim_ttl: None };
        let start = Command::Start { sender: 0, artifact };
        let mut run = Run::new(&Protocol);
        run.ask(None, &start);
        assert_eq!((run.frame.writes, run.frame.failures), (1, 0));
        run.view = |event| Event { handoff: 1, ..event.clone() };
        run.ask(None, &start);
        assert_eq!(
            run.frame.broken.map(|astray| astray.how),
            Some("a write or its event is of another handoff")
        );
    }

    #[test]
    fn a_start_that_is_carried_out_under_the_name_of_another_handoff_is_seen_to_go_astray() {
        let artifact = Start { id: 1, author: 0, target: 1, digest: 0, expires_at: NOW, claim_ttl: None };
        let mut run = Run::new(&Protocol);
        run.ask(None, &Command::Start { sender: 0, artifact });
        let frame = run.frame;
        assert_eq!(frame.failures, 1);
        assert!(frame.to_string().ends_with(
            "1 went astray, the first: no record, asked to start by bob, expires at 100: \
             another handoff's register is not as it was"
        ));
        assert_eq!(
            frame.broken.map(|astray| astray.how),
            Some("another handoff's register is not as it was")
        );
    }
}
