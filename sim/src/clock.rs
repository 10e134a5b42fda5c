//! Clocks: one true time, and a host's own, which is skewed, drifts, and is set now and then.

use std::cell::Cell;
use std::rc::Rc;

use handoff_hub::clock::Clock;
use handoff_kernel::time::{Millis, Time};

use crate::cast::on_the_wire;

/// True time, in milliseconds from the begin of the trace. Everybody in a world shares it; nobody in it can read it.
#[derive(Debug, Clone, Default)]
pub struct TrueTime(Rc<Cell<u64>>);

impl TrueTime {
    /// Now.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.0.get()
    }

    /// Time goes on to then; never back.
    pub fn advance(&self, to: u64) {
        self.0.set(self.0.get().max(to));
    }
}

/// How a host's clock goes: from an offset at some moment, with a drift since.
#[derive(Debug, Clone, Copy, Default)]
struct Going {
    since: u64,
    ahead: i64,
    /// Parts in a million by which it is too fast.
    drift: i64,
}

/// A host's clock. Clones are the same clock.
#[derive(Debug, Clone)]
pub struct HostClock {
    truth: TrueTime,
    going: Rc<Cell<Going>>,
    /// ε: no further from true time than this, however it goes and whatever it is set to.
    within: u64,
}

impl HostClock {
    /// So far ahead of true time (behind, if negative), and never further from it than `within` milliseconds.
    #[must_use]
    pub fn new(truth: &TrueTime, ahead: i64, drift: i64, within: u64) -> Self {
        let going = Going { since: truth.now(), ahead, drift };
        Self { truth: truth.clone(), going: Rc::new(Cell::new(going)), within }
    }

    /// How far ahead of true time it is now, in milliseconds.
    #[must_use]
    pub fn ahead(&self) -> i64 {
        let Going { since, ahead, drift } = self.going.get();
        let went = i64::try_from(self.truth.now() - since).unwrap_or(i64::MAX);
        let most = i64::try_from(self.within).unwrap_or(i64::MAX);
        ahead.saturating_add(went.saturating_mul(drift) / 1_000_000).clamp(-most, most)
    }

    /// It is set to so far ahead of true time, and drifts on from there.
    pub fn set(&self, ahead: i64) {
        let Going { drift, .. } = self.going.get();
        self.going.set(Going { since: self.truth.now(), ahead, drift });
    }
}

impl Clock for HostClock {
    fn wall(&self) -> Time {
        on_the_wire(self.truth.now().saturating_add_signed(self.ahead()))
    }

    fn steady(&self) -> Millis {
        Millis(self.truth.now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_ahead_drifts_and_is_set_but_never_beyond_its_bound() {
        let truth = TrueTime::default();
        truth.advance(1_000_000);
        let clock = HostClock::new(&truth, -20, 100, 50);
        assert_eq!((clock.ahead(), clock.wall()), (-20, on_the_wire(999_980)));
        truth.advance(1_200_000);
        assert_eq!(clock.ahead(), 0, "100 parts in a million of 200 s");
        truth.advance(3_000_000);
        assert_eq!(clock.ahead(), 50);
        clock.set(-30);
        assert_eq!(clock.clone().ahead(), -30, "a clone is the same clock");
        truth.advance(5);
        assert_eq!(clock.steady(), Millis(3_000_000), "true time never goes back");
    }
}
