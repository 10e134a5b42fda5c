//! Checks: what is looked at, and what came of it.
//!
//! A [`Check`] is one thing that can be run by itself: the proof, one configuration of a model, one side of a bound.
//! It knows the properties that it speaks of and what must come of it; where it must fail and does not, that is a
//! failure too, for a gate that cannot fail is none. [`list`] has all of a profile.

mod assumption;
mod list;
mod look;
mod measured;

use core::fmt;

pub use assumption::{Assumption, assumptions};
pub use list::{list, traces_of};
pub use look::{Expect, Name, look};
pub use measured::{Figures, Measured, Run};

use crate::explorer::Progress;
use crate::model::Property;
use crate::trace::Trace;

/// By what means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Method {
    /// Every step from every record, for any number of steps.
    Induction,
    /// Every state that can be reached within bounds.
    Model,
    /// The same, and every way to go on for ever.
    Liveness,
    /// A bound, from both sides.
    Bound,
    /// An assumption dropped: it must fail.
    Dropped,
    /// Seeded faults: each must be caught.
    Mutants,
}

impl Method {
    /// Its name in tables.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Induction => "inductive",
            Self::Model => "exhaustive within bounds",
            Self::Liveness => "lassos under weak fairness, within bounds",
            Self::Bound => "bound, from both sides",
            Self::Dropped => "assumption dropped",
            Self::Mutants => "mutants",
        }
    }
}

/// Something that should not be.
#[derive(Debug, Clone)]
pub struct Finding {
    /// The property that is broken, or what else is wrong: `Witness of` a rule, `Size`, `Opinion`, `Exactness`.
    pub property: String,
    /// What exactly.
    pub how: String,
    /// How it comes to that.
    pub trace: Option<Trace>,
}

impl Finding {
    /// Whether something was seen to break, and not merely missed: a witness that is not reached, a fault that is not
    /// caught, a promise that is not made, another size. What is missed may be missed because of what breaks.
    #[must_use]
    pub fn shows_a_breach(&self) -> bool {
        // These three tell what they saw without a trace.
        self.trace.is_some() || ["Exactness", "Frame", "Opinion"].contains(&self.property.as_str())
    }
}

/// What the second checker found, and how long it took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Second {
    /// Unique states.
    pub states: u64,
    /// States generated.
    pub generated: u64,
    /// Seconds, on a core of its own beside the first.
    pub seconds: f64,
}

/// What came of a check.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How much was looked at: unique states and edges of a model, records and steps of a proof.
    pub reached: Progress,
    /// In how many states a model begins: these are generated without an edge.
    pub initial: u64,
    /// Seconds.
    pub seconds: f64,
    /// The second opinion, of a model.
    pub second: Option<Second>,
    /// What should not be; nothing when all holds.
    pub findings: Vec<Finding>,
    /// Traces of what must be: witnesses, and the counterexamples of what is to fail.
    pub traces: Vec<Trace>,
    /// Whether it ended before it was done.
    pub truncated: bool,
    /// For each seeded fault, the rules that caught it.
    pub kills: Vec<(String, Vec<String>)>,
    /// For each rule, a seeded fault that nothing catches without it.
    pub needed: Vec<(String, String)>,
}

/// What a run may be told of.
pub type Watch<'w> = &'w mut dyn FnMut(&Progress);

/// How a check is run.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// A model that has more unique states than this is cut off.
    pub max_states: u64,
    /// Whether stateright looks too.
    pub second: bool,
    /// Whether states that are alike but for the hubs' order are one. There is no second opinion then.
    pub symmetry: bool,
}

/// One thing that can be run.
pub struct Check {
    /// Its name: `hubs/race`.
    pub id: String,
    /// What it shows, in a sentence.
    pub says: String,
    /// By what means.
    pub method: Method,
    /// Of which properties it speaks.
    pub properties: Vec<Property>,
    run: Box<dyn Fn(Limits, Watch<'_>) -> Report>,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("id", &self.id).field("method", &self.method).finish_non_exhaustive()
    }
}

impl Check {
    /// Runs it.
    pub fn run(&self, limits: Limits, watch: Watch<'_>) -> Report {
        (self.run)(limits, watch)
    }
}
