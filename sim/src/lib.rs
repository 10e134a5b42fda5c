//! The deterministic simulator: the relay, operation machine, directory store, event log and janitor that ship, in one
//! process where the network, the clocks and the disks misbehave.
//!
//! This crate refuses to know the protocol, and to be a second version of anything that ships: it runs the hub's own
//! code and the kernel's own rules. In a run there is no thread and no clock: one seed makes the whole of it. What is
//! about a real hub instead (`real`, `conform`, `histories`) says so.
//!
//! Read [`stage::Stage`] first: hubs to which things are done. Then [`live`]: how one seed draws what is done to them.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod act;
pub mod batch;
pub mod cast;
pub mod chance;
pub mod client;
pub mod clock;
pub mod conform;
pub mod demand;
pub mod directory;
pub mod finale;
pub mod histories;
pub mod judge;
pub mod linear;
pub mod live;
pub mod mutants;
pub mod network;
pub mod picture;
pub mod plan;
pub mod races;
pub mod reached;
pub mod real;
pub mod replay;
pub mod report;
pub mod run;
pub mod scenario;
pub mod several;
pub mod shrink;
pub mod stage;
pub mod story;
pub mod swarm;
pub mod text;
