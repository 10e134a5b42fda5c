//! The abstract specification: the protocol as one would tell it, without clocks, hubs, stores or retries.
//!
//! It shares no code with the kernel, on purpose. Every change that a model makes is a step of this, or nothing
//! that this speaks of ([`crate::refinement`]).

/// One handoff, told simply. `I` names an instance of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handoff<I> {
    /// Nobody has heard of it.
    Unknown,
    /// It waits for its target.
    Waiting,
    /// One instance has it.
    Taken(I),
    /// That instance did it.
    Done(I),
    /// It will not be done: declined, or too late; by then an instance may have had it.
    Over(Option<I>),
    /// It was over long enough, and nothing is known of it any more.
    Forgotten,
}

use Handoff::{Done, Forgotten, Over, Taken, Unknown, Waiting};

/// Whether the handoff may go from here to there in one step.
pub fn may_follow<I: PartialEq>(before: &Handoff<I>, after: &Handoff<I>) -> bool {
    match (before, after) {
        // The author starts it.
        (Unknown, Waiting) => true,
        // One instance takes it, or it ends untaken.
        (Waiting, Taken(_) | Over(None)) => true,
        // Whoever took it does it, or gives it up, or has had it too long. Nobody takes it over.
        (Taken(holder), Done(by) | Over(Some(by))) => holder == by,
        // What is over stays so, until it is forgotten; and what is forgotten never comes back.
        (Done(_) | Over(_), Forgotten) => true,
        _ => false,
    }
}
