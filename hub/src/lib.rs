//! The relay: it carries handoffs between agents and decides nothing by itself.
//!
//! This crate refuses to schedule, to route, to retry, to guess what somebody meant, and to hold anybody's
//! keys (but for `demo`, which plays both agents). What may happen to a handoff is the kernel's to say; here is
//! transport, durability, and the passing of time.
//!
//! Read [`relay::Relay`] first: one synchronous machine that owns store and clock. Then
//! [`store::DirectoryStore`]: the state, which is a set of directories. Neither knows of sockets or threads;
//! [`link`] is where threads meet, and feature `server` puts hyper and tokio around it all.

pub mod ambient;
#[cfg(feature = "server")]
pub mod cli;
pub mod clock;
#[cfg(feature = "server")]
pub mod demo;
pub mod disk;
pub mod events;
mod files;
pub mod link;
pub mod relay;
pub mod request;
#[cfg(feature = "server")]
pub mod server;
pub mod store;
pub mod tokens;
