//! Where the bounds of rule S11 stand: for each, what passes and what fails.

use handoff_kernel::rules::Rule;
use handoff_kernel::testing::variant::{Fault, Variant};

use super::Bootstrap;
use crate::model::Breach;

/// A configuration, and what it shows: a bound is where it stands because one side of it passes and the other fails.
#[derive(Debug, Clone, Copy)]
pub struct Bound {
    /// A name for files.
    pub name: &'static str,
    /// What it shows, as a sentence.
    pub says: &'static str,
    /// The configuration.
    pub model: Bootstrap<Variant>,
    /// What it breaks, and how; nothing where it passes.
    pub breaks: Option<Breach>,
}

/// The bounds of rule S11, each as what passes and what does not.
#[must_use]
pub fn bounds() -> Vec<Bound> {
    // One fault of the disk: a second shows nothing more here, and takes far longer to look through.
    let under = |law| Bootstrap { faults: 1, ..Bootstrap::new(law) };
    let protocol = under(Variant::default());
    let law = |fault| under(Variant::with(fault));
    let passes = |name, says, model| Bound { name, says, model, breaks: None };
    let fails =
        |name, says, model, how| Bound { name, says, model, breaks: Some(Breach::of(Rule::S11, how)) };
    vec![
        passes(
            "resume-window",
            "At exactly the resume window it is consumed, one tick later it is refused.",
            protocol,
        ),
        fails(
            "resume-window-a-tick-less",
            "With the window itself taken for stale, a bootstrap that is fresh is refused as stale.",
            law(Fault::StaleAtBoundary),
            "a bootstrap that is not stale was refused as stale",
        ),
        fails(
            "resume-window-a-tick-more",
            "With one tick more than the window, a stale bootstrap is consumed.",
            law(Fault::FreshBeyondWindow),
            "a stale bootstrap was consumed",
        ),
        passes("left-once", "Of one bootstrap that the client leaves, one session has it at most.", protocol),
        fails(
            "left-twice",
            "When the client leaves a second bootstrap of the same handoff, that is consumed too.",
            Bootstrap { leaves: 2, ..protocol },
            "two sessions consumed one bootstrap",
        ),
        passes("names-fresh", "A session started in another's place has a name of its own.", protocol),
        fails(
            "names-reused",
            "Under the name of one that consumed it and died, a session takes that one's file for its own.",
            Bootstrap { fresh_names: false, ..protocol },
            "a session consumed a bootstrap twice",
        ),
        passes("taken-first", "Renamed away first and read after, no two sessions have it.", protocol),
        fails(
            "read-first",
            "Read first and deleted after, two sessions have it.",
            law(Fault::ReadThenDelete),
            "two sessions consumed one bootstrap",
        ),
        fails(
            "undated-is-fresh",
            "With no date taken for fresh, a bootstrap of any age is consumed.",
            law(Fault::UndatedIsFresh),
            "a bootstrap without a date was consumed",
        ),
        fails(
            "future-is-fresh",
            "With a date in the future taken for age zero, a bootstrap of unknown age is consumed.",
            law(Fault::FutureIsFresh),
            "a bootstrap from the future was consumed",
        ),
    ]
}
