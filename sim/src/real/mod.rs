//! A hub that runs for real: a process of its own, asked over a socket.
//!
//! This is the only part of the crate that leaves its process. It blocks, and has no runtime: what it does is what it
//! says, in that order.

pub mod http;
pub mod process;

pub use process::Hub;
