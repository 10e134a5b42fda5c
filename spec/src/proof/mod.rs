//! The inductive proof: the kernel's `step` from every type-correct record, reachable or not.
//!
//! A model checker begins somewhere and sees what can be reached within its bounds. Here there is no beginning:
//! every record that can be written down is asked every command, so what is shown holds of any number of steps.
//! Three parts, each of which can be run alone:
//!
//! - [`prove`]: the invariant holds of what a start makes, and each step from a record of the invariant obeys every
//!   step rule, leads to a record of the invariant, and is answered alike when it is repeated;
//! - [`exact`]: times are taken up to a [`quotient::Class`], and no decision tells two members of a class apart;
//! - [`frame`]: a command on one handoff leaves every other as it was, so that what holds of one holds of many.
//!
//! # Why this is enough
//!
//! The invariant is the kernel's `state_rules`, every one of them. They speak of a record alone, so the passing of
//! time does not touch them. Take any history of one handoff: no record, then whatever commands at whatever times
//! made of it. By induction over its steps each record in it obeys the invariant, and each step every step rule.
//! From that:
//!
//! - **S1**: a record's claim never changes once there is one, and whoever is told "claimed" named the claim that
//!   is on record, or made it in that very step. Two that were told so were told of the same claim.
//! - **S2**, **S6**: each step that took effect obeys it by itself.
//! - **S3**: a claim is new in one step, whose now is its `claimed_at` and not past `expires_at`; neither changes
//!   after.
//! - **S4**: no step changes a terminal record; so no number of steps does.
//! - **S5**: each change is along an arrow, so every path is a path of arrows.
//! - **S9**: the same command again, at once or at any time until a deadline passes, changes nothing and is
//!   answered alike; as it changes nothing, that holds of the third time too. Whatever else is asked in between and
//!   takes no effect leaves the record, and so the answer, as it was.
//! - **S14**: a record is rejected by the clock in one step, whose now was past the deadline; it never changes
//!   after.
//!
//! What is proved is `step`, with one assumption about its inputs ([`Size::again`]): a digest is of one artifact
//! only. That a store carries a step out atomically is assumed too, and the subject of the models.
//!
//! Read [`prove`] first, then [`Cti`]: what is printed when it fails.

mod cti;
mod exact;
mod frame;
mod induction;
pub mod quotient;
pub mod replay;
mod size;

pub use cti::{Asked, Conjunct, Cti, trace};
pub use exact::{Exact, Unlike, exact};
pub use frame::{Astray, Frame, frame};
pub use induction::{Proof, prove, prove_some};
pub use size::Size;
