//! Chance: one seed, and everything that is drawn from it, the same on every machine and in every build.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore as _, SeedableRng as _};

/// A stream of draws. ChaCha8, whose stream is fixed for ever.
#[derive(Debug, Clone)]
pub struct Chance(ChaCha8Rng);

impl Chance {
    /// All draws of this seed.
    #[must_use]
    pub fn of(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Another stream, drawn from this one: what is drawn there changes nothing here.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::of(self.0.next_u64())
    }

    /// A number below `bound`; 0 when that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        // The high part of the product: even but for one part in 2^64 of `bound`.
        let wide = u128::from(self.0.next_u64()) * u128::from(bound);
        u64::try_from(wide >> 64).expect("the high half of a product of two u64")
    }

    /// A number from the first to the last, both included.
    pub fn between(&mut self, first: u64, last: u64) -> u64 {
        first + self.below(last.saturating_sub(first).saturating_add(1))
    }

    /// True so many times in a thousand.
    pub fn permille(&mut self, times: u64) -> bool {
        times > 0 && self.below(1000) < times
    }

    /// One of them.
    ///
    /// # Panics
    /// When there is none.
    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let at = usize::try_from(self.below(all.len() as u64)).expect("below a length");
        &all[at]
    }

    /// In any order.
    pub fn shuffle<T>(&mut self, all: &mut [T]) {
        for last in (1..all.len()).rev() {
            let with = usize::try_from(self.below(last as u64 + 1)).expect("below a length");
            all.swap(last, with);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_is_one_stream_and_its_first_draws_are_these() {
        let draws = |seed| {
            let mut chance = Chance::of(seed);
            (0..4).map(|_| chance.below(1000)).collect::<Vec<_>>()
        };
        assert_eq!(draws(1), draws(1));
        assert_ne!(draws(1), draws(2));
    }

    #[test]
    fn what_is_drawn_is_within_its_bounds_and_reaches_both() {
        let mut chance = Chance::of(7);
        let drawn: std::collections::BTreeSet<u64> = (0..200).map(|_| chance.between(3, 5)).collect();
        assert_eq!(drawn, [3, 4, 5].into());
        assert_eq!(chance.below(0), 0);
        assert_eq!(chance.between(9, 9), 9);
        assert!((0..200).all(|_| !chance.permille(0)));
        assert!((0..200).all(|_| chance.permille(1000)));
        assert!((2_000..3_000).contains(&(0..10_000).filter(|_| chance.permille(250)).count()));
        assert_eq!(*chance.pick(&[4]), 4);
        let mut orders = std::collections::BTreeSet::new();
        for _ in 0..100 {
            let mut all = [1, 2, 3];
            chance.shuffle(&mut all);
            orders.insert(all);
        }
        assert_eq!(orders.len(), 6);
    }
}
