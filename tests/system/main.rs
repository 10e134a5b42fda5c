//! The system as a whole: the hub as its users meet it, the shape of the house, and the rules of its style.
//!
//! One crate, so that what its parts share is compiled once and what nobody uses is seen.
#![expect(clippy::panic, reason = "a test fails by panicking, and says what it found")]

mod conform;
mod conform_faults;
mod conform_files;
mod full_disk;
mod handoffs;
mod harness;
mod history;
mod house;
mod kills;
mod support;
mod tidy;
mod validate_log;
