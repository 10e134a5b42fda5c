//! What a model is: states, what can happen in each, what must never be seen, and what must be seen once.
//!
//! Both checkers take the same [`Model`]: [`crate::explorer`], which is ours, and [`crate::second`], which is
//! stateright. A model of an extension of the protocol has rules of its own besides: [`Own`].

use core::fmt;
use core::hash::Hash;

use handoff_kernel::history::Broken;
use handoff_kernel::rules::Rule;

use crate::trace::{Event, Header, Line};

/// What a model can break.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Property {
    /// A rule of the protocol.
    Rule(Rule),
    /// Every change is a step of the abstract specification, or none: [`crate::abstract_spec`].
    Refinement,
    /// A command on one handoff leaves every other as it was.
    Frame,
    /// A rule of the model's own, by its name: [`Own`].
    Own(&'static str),
}

impl Property {
    /// Its id: `S3`, `Refinement`.
    #[must_use]
    pub fn id(self) -> String {
        match self {
            Self::Rule(rule) => format!("{rule:?}"),
            Self::Refinement | Self::Frame | Self::Own(_) => self.to_string(),
        }
    }
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rule(rule) => fmt::Display::fmt(rule, f),
            Self::Refinement => f.write_str("Refinement"),
            Self::Frame => f.write_str("Frame"),
            Self::Own(name) => f.write_str(name),
        }
    }
}

/// A property was broken, and which part of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Breach {
    /// Which.
    pub property: Property,
    /// In which way: the conjunct that failed.
    pub how: &'static str,
}

impl Breach {
    /// This rule is broken, in this way.
    #[must_use]
    pub const fn of(rule: Rule, how: &'static str) -> Self {
        Self { property: Property::Rule(rule), how }
    }

    /// This rule of the model's own is broken, in this way.
    #[must_use]
    pub const fn own(name: &'static str, how: &'static str) -> Self {
        Self { property: Property::Own(name), how }
    }
}

impl From<Broken> for Breach {
    fn from(broken: Broken) -> Self {
        Self::of(broken.rule, broken.how)
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.property, self.how)
    }
}

/// What a step tells of itself while somebody listens; nothing is written down while nobody does.
#[derive(Debug, Default)]
pub struct Story(Option<Vec<Line>>);

impl Story {
    /// Nobody listens.
    #[must_use]
    pub const fn quiet() -> Self {
        Self(None)
    }

    /// Somebody does.
    #[must_use]
    pub const fn open() -> Self {
        Self(Some(Vec::new()))
    }

    /// Tells one thing, if somebody listens.
    pub fn tell(&mut self, line: impl FnOnce() -> Line) {
        if let Some(lines) = &mut self.0 {
            lines.push(line());
        }
    }

    /// What was told.
    #[must_use]
    pub fn lines(self) -> Vec<Line> {
        self.0.unwrap_or_default()
    }
}

/// The interesting case of a rule: it must be reached, or the rule holds of nothing.
#[derive(Debug, Clone, Copy)]
pub struct Witness<S> {
    /// Of which rule.
    pub rule: Rule,
    /// A name for files: `boundary-claim`.
    pub name: &'static str,
    /// What is seen, as a sentence.
    pub says: &'static str,
    /// Whether this step shows it: the state before, what the step told, the state after.
    pub seen: fn(&S, &[Line], &S) -> bool,
}

/// A rule that is not the protocol's but the model's own: what an extension of the protocol promises.
///
/// It comes with its witness, the interesting case that must be reached: a rule that is never put to the test holds of
/// nothing. Where it is broken, [`Model::breach`] says so with [`Breach::own`]; that is checked for the rules of
/// [`Model::own`] only.
#[derive(Debug, Clone, Copy)]
pub struct Own<S> {
    /// Its name, in one word: `NeverDropped`. Both checkers, [`Breach::own`] and files know it by this.
    pub name: &'static str,
    /// What it demands, in a sentence.
    pub statement: &'static str,
    /// What its witness shows, in a sentence.
    pub witness: &'static str,
    /// Whether this step is the witness: the state before, what the step told, the state after.
    pub seen: fn(&S, &[Line], &S) -> bool,
}

/// A finite transition system with rules.
///
/// A state that is broken goes nowhere: it has no actions.
pub trait Model {
    /// Where it stands. `Hash` must tell apart whatever `Eq` does, as the derived one does: the explorer keeps what
    /// it feeds, every byte.
    type State: Clone + Eq + Ord + Hash + fmt::Debug;
    /// One thing that can happen.
    type Action: Clone + Eq + fmt::Debug;

    /// What a trace of this model begins with.
    fn header(&self) -> Header;

    /// Where it can begin.
    fn initial(&self) -> Vec<Self::State>;

    /// What has happened before the first step of a trace that begins here.
    fn opening(&self, _initial: &Self::State) -> Vec<Line> {
        Vec::new()
    }

    /// Everything that can happen here, always in the same order.
    fn actions(&self, state: &Self::State, actions: &mut Vec<Self::Action>);

    /// What follows.
    fn next(&self, state: &Self::State, action: &Self::Action, story: &mut Story) -> Self::State;

    /// What is broken here, if anything is.
    fn breach(&self, state: &Self::State) -> Option<Breach>;

    /// The same state for all that are alike but for names that mean nothing.
    fn canonical(&self, state: Self::State) -> Self::State {
        state
    }

    /// What a single step breaks, whatever state it leads to: refinement and frame.
    fn edge(&self, _before: &Self::State, _after: &Self::State) -> Edge {
        Edge::Stutter
    }

    /// What is broken if nothing more happens.
    fn at_rest(&self, _state: &Self::State) -> Option<Breach> {
        None
    }

    /// What must be reached.
    fn witnesses(&self) -> Vec<Witness<Self::State>> {
        Vec::new()
    }

    /// The rules of the model's own, at most [`crate::second::MOST_OWN`] of them.
    fn own(&self) -> Vec<Own<Self::State>> {
        Vec::new()
    }

    /// The name of the fairness that this action is under: an action that stays possible is not put off for ever.
    /// Actions of one name are one obligation. None is under none.
    fn fairness(&self, _state: &Self::State, _action: &Self::Action) -> Option<u8> {
        None
    }

    /// What must happen sooner or later.
    fn liveness(&self) -> Vec<LeadsTo<Self::State>> {
        Vec::new()
    }
}

/// Wherever `from` holds, `to` holds there or later.
#[derive(Debug, Clone, Copy)]
pub struct LeadsTo<S> {
    /// Of which rule.
    pub rule: Rule,
    /// What never comes when it is broken.
    pub how: &'static str,
    /// Where the obligation begins.
    pub from: fn(&S) -> bool,
    /// What discharges it.
    pub to: fn(&S) -> bool,
}

/// What one step is to the abstract specification.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edge {
    /// Nothing that the abstract specification speaks of changed.
    Stutter,
    /// A step of it.
    Step,
    /// Neither: a breach.
    Breach(Breach),
}

/// Whether one of the lines tells an event that this picks.
#[must_use]
pub fn tells(lines: &[Line], pick: impl Fn(&Event) -> bool) -> bool {
    lines.iter().any(|line| pick(&line.event))
}
