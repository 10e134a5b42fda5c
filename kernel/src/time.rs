//! Time: milliseconds since the Unix epoch, always an argument, never read here (DESIGN of time: the hub's
//! clock decides, and it never goes backwards).
//!
//! The kernel has its own types, so that an ambient clock cannot leak in unnoticed. Sums saturate: a deadline
//! beyond the end of time is the end of time, never the past.

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Time(pub u64);

/// A length of time, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Millis(pub u64);

impl Millis {
    /// This many seconds; saturates.
    #[must_use]
    pub const fn from_secs(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }
}

impl Time {
    /// The latest time there is.
    pub const MAX: Self = Self(u64::MAX);

    /// This much later; saturates at [`Time::MAX`].
    #[must_use]
    pub const fn plus(self, length: Millis) -> Self {
        Self(self.0.saturating_add(length.0))
    }

    /// How long after `earlier` this is; zero when it is not after.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Millis {
        Millis(self.0.saturating_sub(earlier.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_saturate_instead_of_wrapping_into_the_past() {
        assert_eq!(Time(u64::MAX - 1).plus(Millis(5)), Time::MAX);
        assert_eq!(Time(5).since(Time(9)), Millis(0));
        assert_eq!(Time(9).since(Time(5)), Millis(4));
        assert_eq!(Millis::from_secs(u64::MAX), Millis(u64::MAX));
        assert_eq!(Millis::from_secs(2), Millis(2000));
    }
}
