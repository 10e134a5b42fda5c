//! The induction step, by looking at all of it.

use core::fmt;
use std::collections::BTreeMap;

use handoff_kernel::command::Command;
use handoff_kernel::law::Law;
use handoff_kernel::record::Record;
use handoff_kernel::rules::{
    Rule, Rules, STEP_RULES, StateRule, Step, StepRule, check_state, repeats, state_rules, step_rules,
};
use handoff_kernel::step::{Transition, step};
use handoff_kernel::testing::small::Small;
use handoff_kernel::time::{Millis, Time};

use super::cti::{Asked, Conjunct, Cti};
use super::quotient::{Cases, NOW, deadline_passes};
use super::size::Size;

/// What a proof looked at, and what did not follow.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Proof {
    /// Every type-correct record, up to its times, and none at all.
    pub records: u64,
    /// Those that obey the invariant, none among them.
    pub legal: u64,
    /// Commands that are asked of each; besides, each known record is started again by everybody.
    pub commands: u64,
    /// Steps, each from a legal record.
    pub steps: u64,
    /// Those that changed the record.
    pub changes: u64,
    /// Repeats, at once and at every later time that no deadline lies before.
    pub repeats: u64,
    /// How often something did not follow.
    pub failures: u64,
    /// The first counterexample for each rule and each conjunct.
    pub broken: Vec<Cti>,
}

impl Proof {
    /// Whether everything followed.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.failures == 0
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, legal, commands, steps, changes, repeats, failures, .. } = self;
        write!(
            f,
            "{records} records, {legal} of the invariant, {commands} commands, {steps} steps, {changes} of them changes, \
             {repeats} repeats: "
        )?;
        match failures {
            0 => f.write_str("inductive"),
            _ => write!(f, "not inductive, {failures} failures"),
        }
    }
}

/// Asks every record of the invariant every command, and sees what follows.
#[must_use]
pub fn prove<L: Law>(law: &L, size: Size) -> Proof {
    prove_some(law, size, Rules::ALL)
}

/// The same of some of the rules: the others are neither asked for nor taken for granted.
#[must_use]
pub fn prove_some<L: Law>(law: &L, size: Size, rules: Rules) -> Proof {
    let cases = Cases::of(size, law.max_lifetime());
    let mut run = Run::new(law, size, rules);
    run.proof.commands = count(cases.commands.len());
    for before in cases.records() {
        run.proof.records += 1;
        if before.is_some_and(|record| check_state(rules, record).is_err()) {
            continue;
        }
        run.proof.legal += 1;
        cases.each(before, |before, command| run.ask(before, command));
    }
    Proof { broken: run.first.into_values().collect(), ..run.proof }
}

fn count(n: usize) -> u64 {
    u64::try_from(n).expect("a number of things in memory fits")
}

/// Times after now: one for each thing that can be left then, and the end of time.
fn later(cap: u8) -> Vec<Time> {
    (1..=u64::from(cap) + 1).map(|ms| NOW.plus(Millis(ms))).chain([Time::MAX]).collect()
}

/// The same request as a client sends it again: its driver's nonce is a fresh one, and the receipt may be another,
/// which must not matter.
fn asked_again(command: &Command<Small>) -> Command<Small> {
    let mut again = command.clone();
    match &mut again {
        Command::Accept { attempt, receipt, .. } => {
            *attempt += 1;
            *receipt = other(*receipt);
        }
        Command::Complete { receipt, .. } | Command::Reject { receipt, .. } => *receipt = other(*receipt),
        Command::Start { .. } | Command::Sweep => {}
    }
    again
}

const fn other(receipt: Option<u8>) -> Option<u8> {
    match receipt {
        None => Some(8),
        Some(_) => None,
    }
}

struct Run<'a, L> {
    law: &'a L,
    rules: Rules,
    lifetime: Millis,
    later: Vec<Time>,
    step_rules: [StepRule<Small>; STEP_RULES],
    state_rules: [StateRule<Small>; 2],
    proof: Proof,
    first: BTreeMap<(Rule, Conjunct), Cti>,
}

impl<'a, L: Law> Run<'a, L> {
    fn new(law: &'a L, size: Size, rules: Rules) -> Self {
        Self {
            law,
            rules,
            lifetime: law.max_lifetime(),
            later: later(size.cap),
            step_rules: step_rules(),
            state_rules: state_rules(),
            proof: Proof::default(),
            first: BTreeMap::new(),
        }
    }

    fn ask(&mut self, before: Option<&Record<Small>>, command: &Command<Small>) {
        let asked =
            Asked { command: command.clone(), now: NOW, result: step(self.law, before, command, NOW) };
        let seen = Step { before, command, now: NOW, result: &asked.result };
        let after = asked.after(before);
        let changed = matches!(asked.result, Ok(Transition::To { .. }));
        self.proof.steps += 1;
        self.proof.changes += u64::from(changed);
        for (rule, how, holds) in self.step_rules {
            if !holds(&seen) {
                self.fails(rule, Conjunct::Step(how), before, &[&asked]);
            }
        }
        for (rule, how, holds) in self.state_rules {
            if !after.is_none_or(holds) {
                self.fails(rule, Conjunct::Kept(how), before, &[&asked]);
            }
        }
        let timely = |later: &Time| !deadline_passes(after, command, self.lifetime, NOW, *later);
        let times: Vec<_> = [NOW].into_iter().chain(self.later.iter().copied().filter(timely)).collect();
        let same = asked_again(command);
        for now in times {
            let result = step(self.law, after, &same, now);
            let second = Step { before: after, command: &same, now, result: &result };
            self.proof.repeats += 1;
            if !repeats(&seen, &second) {
                let conjunct = if now == NOW { Conjunct::AtOnce } else { Conjunct::Later };
                let again = Asked { command: same.clone(), now, result };
                self.fails(Rule::S9, conjunct, before, &[&asked, &again]);
            }
        }
    }

    fn fails(&mut self, rule: Rule, conjunct: Conjunct, before: Option<&Record<Small>>, asked: &[&Asked]) {
        if !self.rules.has(rule) {
            return;
        }
        self.proof.failures += 1;
        self.first.entry((rule, conjunct)).or_insert_with(|| Cti {
            rule,
            conjunct,
            before: before.cloned(),
            asked: asked.iter().map(|&asked| asked.clone()).collect(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::quotient::{commands, representatives};
    use super::*;
    use handoff_kernel::law::Protocol;

    #[test]
    fn what_is_asked_again_is_the_same_request_and_not_the_same_message() {
        for command in commands(Size::QUICK, Protocol.max_lifetime()) {
            let again = asked_again(&command);
            assert!(command.same_request(&again), "{command:?}");
            let plain = matches!(command, Command::Start { .. } | Command::Sweep);
            assert_eq!(command == again, plain, "{command:?}");
        }
    }

    #[test]
    fn a_digest_of_two_artifacts_would_break_true_author_and_that_is_why_it_is_assumed_away() {
        let (bob, alice) = (0, 1);
        let mut run = Run::new(&Protocol, Size::QUICK, Rules::ALL);
        let records = representatives(&Size::QUICK.names(), 1);
        let of_bob = records.iter().find(|record| (record.author, record.target) == (bob, alice));
        let mut artifact = match Size::QUICK.again(of_bob.expect("some handoff is from bob")).pop() {
            Some(Command::Start { artifact, .. }) => artifact,
            unexpected => panic!("{unexpected:?}"),
        };
        artifact.author = alice;
        run.ask(of_bob, &Command::Start { sender: alice, artifact });
        assert_eq!(run.first.keys().map(|(rule, _)| *rule).collect::<Vec<_>>(), [Rule::S13]);
    }
}
