//! The deterministic simulator: the relay, operation machine, directory store, event log and janitor that ship, in one
//! process where the network, the clocks and the disks misbehave.
//!
//! This crate refuses to know the protocol, and to be a second version of anything that ships: it runs the hub's own
//! code and the kernel's own rules. It has no runtime and no thread of its own in a run; one seed makes the whole of it.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod act;
pub mod batch;
pub mod cast;
pub mod chance;
pub mod client;
pub mod clock;
pub mod demand;
pub mod directory;
pub mod finale;
pub mod judge;
pub mod live;
pub mod network;
pub mod reached;
pub mod real;
pub mod run;
pub mod several;
pub mod stage;
pub mod story;
pub mod swarm;
pub mod text;
