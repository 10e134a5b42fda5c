//! The relay and the directory store, as the server and the simulator drive them: no sockets, no threads, and a
//! clock that the test sets.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod crashes;
mod life;
mod neighbours;
mod world;
