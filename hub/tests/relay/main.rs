//! The relay and the directory store, as the server and the simulator drive them: no sockets, no threads, and a
//! clock that the test sets.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a test fails by panicking, and says what it found"
)]

mod any_life;
mod crashes;
mod formats;
mod life;
mod neighbours;
mod races;
mod retention;
mod stress;
mod told;
mod variants;
mod world;
