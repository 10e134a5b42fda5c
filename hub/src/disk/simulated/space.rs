//! Space: which blocks of a file are taken, written or reserved.

use std::ops::Range;

/// Ranges of blocks, sorted, that neither overlap nor touch.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Space(Vec<Range<usize>>);

impl Space {
    /// All blocks up to here.
    pub(super) fn up_to(blocks: usize) -> Self {
        let mut space = Self::default();
        space.take(0..blocks);
        space
    }

    pub(super) fn blocks(&self) -> usize {
        self.0.iter().map(Range::len).sum()
    }

    fn has(&self, block: usize) -> bool {
        self.0.iter().any(|range| range.contains(&block))
    }

    /// How many of these are taken already, or can be when so many are free: from the first on, without a gap.
    pub(super) fn room(&self, wanted: Range<usize>, mut free: usize) -> usize {
        let fits = |block: &usize| {
            self.has(*block) || {
                let fits = free > 0;
                free = free.saturating_sub(1);
                fits
            }
        };
        wanted.take_while(fits).count()
    }

    pub(super) fn take(&mut self, mut wanted: Range<usize>) {
        if wanted.is_empty() {
            return;
        }
        self.0.retain(|range| {
            let apart = range.end < wanted.start || wanted.end < range.start;
            if !apart {
                wanted = wanted.start.min(range.start)..wanted.end.max(range.end);
            }
            apart
        });
        let at = self.0.partition_point(|range| range.start < wanted.start);
        self.0.insert(at, wanted);
    }

    /// Gives back all from this block on.
    pub(super) fn cut(&mut self, from: usize) {
        self.0.retain_mut(|range| {
            range.end = range.end.min(from);
            range.start < range.end
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn ranges_are_as_a_set_of_blocks_whatever_is_taken_and_cut() {
        // All sequences of three steps over six blocks.
        let steps: Vec<(usize, usize)> = (0..6).flat_map(|a| (a..=6).map(move |b| (a, b))).collect();
        for &first in &steps {
            for &second in &steps {
                for cut in 0..=6 {
                    let (mut space, mut set) = (Space::default(), BTreeSet::new());
                    for (from, to) in [first, second] {
                        space.take(from..to);
                        set.extend(from..to);
                    }
                    space.cut(cut);
                    set.retain(|block| *block < cut);
                    assert_eq!(space.blocks(), set.len(), "{first:?} {second:?} {cut}");
                    assert!((0..7).all(|block| space.has(block) == set.contains(&block)));
                    assert!(space.0.windows(2).all(|pair| pair[0].end < pair[1].start), "{space:?}");
                }
            }
        }
    }

    #[test]
    fn there_is_room_up_to_the_first_block_that_is_neither_taken_nor_free() {
        let mut space = Space::up_to(2);
        space.take(4..5);
        assert_eq!(space.room(0..6, 0), 2);
        assert_eq!(space.room(0..6, 1), 3);
        assert_eq!(space.room(0..6, 2), 5);
        assert_eq!(space.room(0..6, 9), 6);
        assert_eq!(space.room(5..6, 0), 0);
    }
}
