//! Which of the pending operations are done: a set of small numbers, compared at a glance.

/// So many operations may be pending at a time.
pub const MOST_PENDING: usize = WORDS * 64;

const WORDS: usize = 4;

/// A set of numbers below [`MOST_PENDING`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Set([u64; WORDS]);

impl Set {
    pub(super) const fn has(&self, n: usize) -> bool {
        self.0[n / 64] >> (n % 64) & 1 == 1
    }

    pub(super) const fn with(mut self, n: usize) -> Self {
        self.0[n / 64] |= 1 << (n % 64);
        self
    }

    pub(super) const fn without(mut self, n: usize) -> Self {
        self.0[n / 64] &= !(1 << (n % 64));
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_number_is_in_it_or_not_and_no_other_is_touched() {
        let all = (0..MOST_PENDING).fold(Set::default(), Set::with);
        for n in 0..MOST_PENDING {
            let one = Set::default().with(n);
            assert!((0..MOST_PENDING).all(|m| one.has(m) == (m == n) && all.without(n).has(m) != (m == n)));
            assert_eq!(one.without(n), Set::default());
        }
    }
}
