//! The disk: what the simulated one models, rule by rule, and that it looks to a process as the real one does.

mod crashes;
mod faults;
mod flushes;
mod processes;
mod same_as_real;
mod support;
