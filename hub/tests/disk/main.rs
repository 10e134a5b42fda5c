//! The disk: what the simulated one models, rule by rule.

mod crashes;
mod flushes;
mod support;
