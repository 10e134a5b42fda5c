//! How much of what can happen does happen: the steps of one handoff in a run, against all that the models of hubs
//! can show.
//!
//! A run and a model have nothing in common but what happens to one handoff. So both are looked at one handoff at a time:
//! where it stands is a [`Situation`], what happens to it a [`Label`], and one step of it an [`Edge`]. Whoever runs
//! something tells a [`Watcher`] what happens, or has a trace and asks [`watch`]. [`explore`] looks through a model
//! whole, and [`Truth::committed`] is what all of them show.
//!
//! An edge says nothing of times, names, messages and polls, nor of which hub it was, nor of operations that are still to
//! load, nor how many more than [`MANY`] are alike: a person is to read a list of those that a run has never shown, and
//! with the operations that are still to load it would be five times as long and tell nothing new.

mod label;
mod model;
mod situation;
mod trace;
mod truth;
mod watcher;

use core::borrow::Borrow;
use core::fmt;
use core::str::FromStr;
use std::collections::{BTreeMap, BTreeSet};

pub use label::{Deadline, Label, Verdict, Wrote};
pub use model::{Explored, configurations, explore, explore_all, project};
pub use situation::{Kind, MANY, Place, Situation, Stage, Work};
pub use trace::watch;
pub use truth::{Share, Truth};
pub use watcher::{Came, Then, Watcher};

/// One step of one handoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Edge {
    /// Where it stood.
    pub before: Situation,
    /// What happened.
    pub label: Label,
    /// Where it stands after.
    pub after: Situation,
}

/// `pending, accept to swap | accept swaps: written | claimed`.
impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} | {} | {}", self.before, self.label, self.after)
    }
}

/// A text that is no edge, or a part of one that is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadText(String);

impl fmt::Display for BadText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:?} is no step of a handoff: `handoff-spec coverage --record` writes the list anew",
            self.0
        )
    }
}

impl core::error::Error for BadText {}

impl FromStr for Edge {
    type Err = BadText;

    fn from_str(text: &str) -> Result<Self, BadText> {
        let bad = || BadText(text.to_owned());
        let parts: Vec<_> = text.split(" | ").collect();
        let [before, label, after] = parts[..] else { return Err(bad()) };
        let label = *Label::by_text().get(label).ok_or_else(bad)?;
        Ok(Self { before: before.parse()?, label, after: after.parse()? })
    }
}

/// What was seen of a run, of many, or of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seen {
    /// Each step of a handoff, and how often it was.
    pub edges: BTreeMap<Edge, u64>,
    /// How often something was told of an operation that was not under way: of a teller that is right, never.
    pub strays: u64,
}

impl Seen {
    /// One more.
    fn add(&mut self, edge: Edge) {
        *self.edges.entry(edge).or_default() += 1;
    }

    /// Takes over what somebody else has seen.
    pub fn merge(&mut self, other: &Self) {
        for (edge, count) in &other.edges {
            *self.edges.entry(*edge).or_default() += count;
        }
        self.strays += other.strays;
    }

    /// Where handoffs stood, before a step or after one.
    #[must_use]
    pub fn situations(&self) -> BTreeSet<Situation> {
        situations(self.edges.keys())
    }
}

fn situations<E: Borrow<Edge>>(edges: impl Iterator<Item = E>) -> BTreeSet<Situation> {
    edges.flat_map(|edge| [edge.borrow().before, edge.borrow().after]).collect()
}
