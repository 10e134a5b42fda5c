//! The one place of this crate that reads a clock: how long a check took, for whoever waits for it. Nothing is
//! decided by it.

use std::time::{Duration, Instant};

/// A clock that was started.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts it.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Since then.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    pub fn elapsed(self) -> Duration {
        self.0.elapsed()
    }
}
