//! The hub's clock: it decides, and it never steps back.

use handoff_kernel::law::{Law, Protocol};
use handoff_kernel::time::{Millis, Time};

/// Where time comes from. The real one is in `ambient`; tests and the simulator bring their own.
pub trait Clock {
    /// The wall clock, which may step.
    fn wall(&self) -> Time;

    /// How long it has been since some fixed moment; never steps. For waiting, never for deciding.
    fn steady(&self) -> Millis;
}

/// `max(wall clock, newest time ever decided with)`: what has once been overdue stays so.
#[derive(Debug)]
pub struct DecidingClock<C, L = Protocol> {
    law: L,
    source: C,
    newest: Time,
}

impl<C: Clock> DecidingClock<C> {
    /// Goes on from the newest time that was ever decided with.
    pub const fn new(source: C, newest: Time) -> Self {
        Self::under(Protocol, source, newest)
    }
}

impl<C: Clock, L: Law> DecidingClock<C, L> {
    /// The same, as this law has it.
    pub const fn under(law: L, source: C, newest: Time) -> Self {
        Self { law, source, newest }
    }

    /// The time to decide with, now.
    pub fn now(&mut self) -> Time {
        self.newest = self.law.decides_at(self.source.wall(), self.newest);
        self.newest
    }

    /// The newest time that was ever decided with.
    pub const fn newest(&self) -> Time {
        self.newest
    }

    /// See [`Clock::steady`].
    pub fn steady(&self) -> Millis {
        self.source.steady()
    }
}

/// A clock that stands still until it is told. Feature `testing` only.
#[cfg(any(test, feature = "testing"))]
#[derive(Debug, Clone)]
pub struct TestClock {
    now: std::sync::Arc<std::sync::Mutex<(Time, Millis)>>,
}

#[cfg(any(test, feature = "testing"))]
impl TestClock {
    /// Stands at `now`.
    #[must_use]
    pub fn at(now: Time) -> Self {
        Self { now: std::sync::Arc::new(std::sync::Mutex::new((now, Millis(0)))) }
    }

    /// Steps the wall clock to `now`, forward or back. Steady time goes on by what it went forward.
    pub fn set(&self, now: Time) {
        let mut state = self.now.lock().expect("nothing panics while it holds this");
        let forward = now.since(state.0);
        *state = (now, Millis(state.1.0.saturating_add(forward.0)));
    }
}

#[cfg(any(test, feature = "testing"))]
impl Clock for TestClock {
    fn wall(&self) -> Time {
        self.now.lock().expect("nothing panics while it holds this").0
    }

    fn steady(&self) -> Millis {
        self.now.lock().expect("nothing panics while it holds this").1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deciding_clock_never_steps_back() {
        let test = TestClock::at(Time(100));
        let mut clock = DecidingClock::new(test.clone(), Time(150));
        assert_eq!(clock.now(), Time(150), "it goes on from the mark");
        test.set(Time(200));
        assert_eq!(clock.now(), Time(200));
        test.set(Time(10));
        assert_eq!(clock.now(), Time(200));
        assert_eq!(clock.newest(), Time(200));
        assert_eq!(clock.steady(), Millis(100), "steady time only ever goes forward");
    }
}
