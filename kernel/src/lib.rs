//! The handoff protocol.
//!
//! This crate refuses to do almost everything: it reads no clock, draws no random number, opens no file or
//! socket, starts no thread, and has no `unsafe`. It is `no_std`: what is not here cannot leak in. Time is an
//! argument; the outside world is a value that you are asked to act on, and whose outcome you report.
//!
//! Read [`step`](mod@step) first: the whole protocol is its one table. Then
//! [`operation::Operation`]: how one command is carried out against a store that may be raced, may crash and
//! may lose an answer.
#![no_std]
#![forbid(unsafe_code)]
#![warn(missing_docs)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod artifact;
pub mod bootstrap;
pub mod canonical;
pub mod command;
pub mod history;
pub mod ident;
pub mod json;
pub mod law;
mod number;
pub mod operation;
pub mod receipt;
pub mod record;
pub mod refusal;
pub mod rules;
pub mod seal;
pub mod step;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
pub mod timestamp;
