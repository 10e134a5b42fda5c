//! The handoff protocol's rules, checked: models of the operation machine that ships, an inductive proof over its
//! `step`, bounds that are tight, and the traces of everything that can go wrong when an assumption is dropped.
//!
//! This crate refuses to know the protocol. Semantics live in the kernel; here the kernel is run, and watched. There
//! is no IO but that of the command line and of whoever reads a hub's log, no chance anywhere, and a clock only to say
//! how long something took.
//!
//! Read [`model::Model`] first: what a model is. Then [`explorer::explore`]: how one is looked through. A model of your
//! own, in a crate of your own, has its rules by [`model::Own`]; `examples/` of the repository is one.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod abstract_spec;
pub mod ambient;
pub mod bench;
pub mod bootstrap;
pub mod check;
pub mod coverage;
pub mod explorer;
pub mod follow;
pub mod generate;
pub mod hubs;
pub mod junit;
pub mod malice;
pub mod model;
pub mod picture;
pub mod profile;
pub mod proof;
pub mod refinement;
pub mod replay;
pub mod second;
pub mod trace;
pub mod validate;
