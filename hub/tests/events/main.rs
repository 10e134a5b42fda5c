//! The event log, on a directory of its own: that it goes on where it ended, that a crash takes nothing of it that the
//! journal does not give back, and that whatever is done to it afterwards is found, at the line where it was done.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, and says what it found")]

mod append;
#[cfg(feature = "server")]
mod command;
mod redo;
mod verify;
mod world;
