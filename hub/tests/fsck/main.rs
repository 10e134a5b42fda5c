//! `fsck`: each anomaly is made, seen named, seen mended (or why not), and a second look finds nothing of it.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and says what it found"
)]

mod around;
mod backup;
mod format;
mod handoffs;
mod house;
mod journals;
mod log;
#[path = "../relay/world.rs"]
#[expect(dead_code, reason = "it is the relay's tests' as well")]
mod world;
