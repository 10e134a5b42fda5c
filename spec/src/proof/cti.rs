//! Counterexamples to induction: one step from a record that obeys the invariant, after which something does not
//! hold.
//!
//! The record before need not be reachable. Either the law is wrong, or the invariant is too weak to rule that
//! record out; a person decides which.

use core::fmt;

use handoff_kernel::command::{Answer, Command};
use handoff_kernel::operation::NotDone;
use handoff_kernel::record::Record;
use handoff_kernel::refusal::Refusal;
use handoff_kernel::rules::Rule;
use handoff_kernel::step::Transition;
use handoff_kernel::testing::small::Small;
use handoff_kernel::time::Time;

use crate::trace::{
    Ask, EffectKind, Event, FORMAT, Header, Kind, Line, OutcomeKind, RecordText, Told, Trace, handoff,
};

/// What was to be shown of a step, and failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Conjunct {
    /// The step breaks the item of the kernel's `step_rules` that says this.
    Step(&'static str),
    /// The record after breaks the item of the kernel's `state_rules` that says this.
    Kept(&'static str),
    /// The same request again at once changes nothing and is answered alike.
    AtOnce,
    /// So it is later, as long as no deadline passes.
    Later,
}

impl Conjunct {
    /// A word for the names of files: small letters, digits and hyphens, which no shell and no link minds.
    fn word(self) -> String {
        let words = match self {
            Self::Step(how) | Self::Kept(how) => how,
            Self::AtOnce => "at once",
            Self::Later => "later",
        };
        let plain = |c: char| c.is_ascii_alphanumeric();
        let words: Vec<_> = words.split(|c| !plain(c)).filter(|word| !word.is_empty()).collect();
        words.join("-").to_lowercase()
    }
}

impl fmt::Display for Conjunct {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Step(how) | Self::Kept(how) => f.write_str(how),
            Self::AtOnce => f.write_str("the same request again, at once, changes something or is answered otherwise"),
            Self::Later => f.write_str(
                "the same request again, before any deadline passes, changes something or is answered otherwise",
            ),
        }
    }
}

/// One question, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What was asked.
    pub command: Command<Small>,
    /// When.
    pub now: Time,
    /// What came of it.
    pub result: Result<Transition<Small>, Refusal>,
}

impl Asked {
    /// The record after, if there was one before or it made one.
    #[must_use]
    pub fn after<'a>(&'a self, before: Option<&'a Record<Small>>) -> Option<&'a Record<Small>> {
        match &self.result {
            Ok(Transition::To { next, .. }) => Some(next),
            Ok(Transition::Same(_)) | Err(_) => before,
        }
    }

    fn verdict(&self) -> Result<Answer<Small>, NotDone> {
        match &self.result {
            Ok(Transition::To { answer, .. }) => answer.clone().map_err(NotDone::Refused),
            Ok(Transition::Same(answer)) => Ok(answer.clone()),
            Err(refusal) => Err(NotDone::Refused(*refusal)),
        }
    }
}

/// A counterexample to induction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cti {
    /// The rule that does not follow.
    pub rule: Rule,
    /// In which way.
    pub conjunct: Conjunct,
    /// The record before: it obeys the invariant, and need not be reachable.
    pub before: Option<Record<Small>>,
    /// What was asked and what came of it: once, or twice where it is the repeat that fails.
    pub asked: Vec<Asked>,
}

impl fmt::Display for Cti {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "counterexample to induction: {} (the record need not be reachable)", self.rule)?;
        writeln!(f, "  the rule:    {}", self.rule.statement())?;
        writeln!(f, "  what fails:  {}", self.conjunct)?;
        match &self.before {
            Some(before) => writeln!(f, "  the record:  {}", RecordText::from(before))?,
            None => writeln!(f, "  the record:  none")?,
        }
        let mut before = self.before.as_ref();
        for (asked, again) in self.asked.iter().zip(["", ", again"]) {
            writeln!(f, "  at {}{again}: {}", asked.now.0, Ask::from(&asked.command))?;
            if let Ok(Transition::To { next, .. }) = &asked.result {
                writeln!(f, "    it becomes {}", RecordText::from(next))?;
            }
            writeln!(f, "    the answer is {}", Told::from(&asked.verdict()))?;
            before = asked.after(before);
        }
        Ok(())
    }
}

/// The counterexample as a trace under the law of this name: each question is a step of it, at one hub with one
/// store.
#[must_use]
pub fn trace(cti: &Cti, law: &str) -> Trace {
    let header = Header {
        trace: FORMAT.to_owned(),
        name: format!("induction-{:?}-{}", cti.rule, cti.conjunct.word()).to_lowercase(),
        kind: Kind::Counterexample,
        rule: format!("{:?}", cti.rule),
        demands: None,
        says: format!("Counterexample to induction (the record need not be reachable): {}.", cti.conjunct),
        model: "induction".to_owned(),
        configuration: "one step from a record that obeys every state rule".to_owned(),
        law: law.to_owned(),
        records: cti.before.iter().map(RecordText::from).collect(),
        bound: None,
        log_follows: false,
        cycle_from: None,
    };
    let mut before = cti.before.as_ref();
    // Nothing has happened before the first step.
    let mut steps = vec![Vec::new()];
    for (operation, asked) in (1..).zip(&cti.asked) {
        let command = Ask::from(&asked.command);
        let begins = Event::Begins { operation, handoff: handoff(0), command, asker: None };
        let effect = |effect, outcome, record: Option<&Record<Small>>, took_effect| Event::Effect {
            operation,
            effect,
            outcome,
            record: record.map(RecordText::from),
            took_effect,
            may_follow: false,
            held: false,
        };
        let mut events = vec![begins, effect(EffectKind::Load, OutcomeKind::Loaded, before, false)];
        if let Ok(Transition::To { next, .. }) = &asked.result {
            let write = if before.is_some() { EffectKind::Swap } else { EffectKind::Insert };
            events.push(effect(write, OutcomeKind::Written, Some(next), true));
        }
        events.push(Event::Answers { operation, verdict: Told::from(&asked.verdict()) });
        let at = |event| Line::at(asked.now.0, "hub 1", Some(asked.now.0), event);
        steps.push(events.into_iter().map(at).collect());
        before = asked.after(before);
    }
    Trace::new(header, steps)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use handoff_kernel::rules::{state_rules, step_rules};

    #[test]
    fn every_name_of_a_file_is_plain_and_its_own() {
        let steps = step_rules::<Small>().map(|(_, how, _)| Conjunct::Step(how));
        let kept = state_rules::<Small>().map(|(_, how, _)| Conjunct::Kept(how));
        let all: Vec<_> = steps.into_iter().chain(kept).chain([Conjunct::AtOnce, Conjunct::Later]).collect();
        let names: BTreeSet<_> = all.iter().map(|conjunct| conjunct.word()).collect();
        assert_eq!(names.len(), all.len());
        for name in names {
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            assert!(name.chars().all(plain), "{name}");
        }
    }
}
