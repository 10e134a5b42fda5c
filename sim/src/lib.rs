//! The deterministic simulator: the relay, operation machine, directory store, event log and janitor that ship, in one
//! process where the network, the clocks and the disks misbehave.
//!
//! This crate refuses to know the protocol, and to be a second version of anything that ships: it runs the hub's own
//! code and the kernel's own rules. It has no runtime and no thread of its own in a run; one seed makes the whole of it.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod chance;
pub mod histories;
pub mod linear;
pub mod real;
