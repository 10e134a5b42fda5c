//! The set of states that were seen: exact, compact, in the order in which they were found.
//!
//! A state is kept as the bytes that it feeds to a hasher, all of them, numbers in a variable length that needs no
//! separator. Two states that feed the same bytes are one state for us, as they are for every hasher; derived
//! `Hash` feeds discriminants, lengths and all fields, so that equal bytes mean equal states.

use core::hash::{Hash, Hasher};

/// A hasher that forgets nothing.
#[derive(Debug, Default)]
struct Bytes(Vec<u8>);

impl Bytes {
    #[inline]
    fn number(&mut self, n: u64) {
        match u8::try_from(n) {
            // Nearly all of them.
            Ok(small) if small < 0x80 => self.0.push(small),
            _ => self.large(n),
        }
    }

    #[cold]
    fn large(&mut self, mut n: u64) {
        while n >= 0x80 {
            self.0.push(u8::try_from(n & 0x7f).expect("seven bits") | 0x80);
            n >>= 7;
        }
        self.0.push(u8::try_from(n).expect("seven bits"));
    }
}

impl Hasher for Bytes {
    fn finish(&self) -> u64 {
        digest(&self.0)
    }

    #[inline]
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    #[inline]
    fn write_u8(&mut self, n: u8) {
        self.0.push(n);
    }

    #[inline]
    fn write_u16(&mut self, n: u16) {
        self.number(n.into());
    }

    #[inline]
    fn write_u32(&mut self, n: u32) {
        self.number(n.into());
    }

    #[inline]
    fn write_u64(&mut self, n: u64) {
        self.number(n);
    }

    #[inline]
    fn write_usize(&mut self, n: usize) {
        self.number(n as u64);
    }

    #[inline]
    fn write_isize(&mut self, n: isize) {
        // How the derived `Hash` feeds a discriminant: small and not negative. Any other is as good a bijection.
        self.number(n.cast_unsigned() as u64);
    }
}

/// A fixed mixing of bytes: the same on every machine and in every run.
fn digest(bytes: &[u8]) -> u64 {
    const ODD: u64 = 0x9E37_79B9_7F4A_7C15;
    let mut h = bytes.len() as u64 ^ ODD;
    let mut words = bytes.chunks_exact(8);
    for word in &mut words {
        let word = u64::from_le_bytes(word.try_into().expect("eight bytes"));
        h = (h ^ word).wrapping_mul(ODD);
        h ^= h >> 29;
    }
    for &byte in words.remainder() {
        h = (h ^ u64::from(byte)).wrapping_mul(ODD);
    }
    h ^= h >> 32;
    h.wrapping_mul(ODD) ^ (h >> 29)
}

/// What fits into one piece of memory; the set grows by such pieces, so that growing never copies.
const PIECE: usize = 1 << 24;
const FREE: (u32, u32) = (0, u32::MAX);

/// The set.
#[derive(Debug)]
pub struct Visited {
    pieces: Vec<Vec<u8>>,
    /// Where each state's bytes begin: piece and offset in one number, the length in front of the bytes.
    places: Vec<u64>,
    /// Open addressing: half of a state's digest beside its number, so that few strangers are compared byte for byte.
    slots: Vec<(u32, u32)>,
    scratch: Bytes,
}

impl Default for Visited {
    fn default() -> Self {
        Self {
            pieces: vec![Vec::with_capacity(PIECE)],
            places: Vec::new(),
            slots: vec![FREE; 1 << 12],
            scratch: Bytes::default(),
        }
    }
}

impl Visited {
    /// How many states there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// How much memory the set takes, in bytes.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.pieces.len() * PIECE + self.places.capacity() * 8 + self.slots.len() * 8
    }

    /// Adds a state. Its number, counted from zero in the order of adding, and whether it is new.
    ///
    /// # Panics
    /// With four thousand million states; memory is full long before.
    pub fn insert<S: Hash>(&mut self, state: &S) -> (u32, bool) {
        self.scratch.0.clear();
        state.hash(&mut self.scratch);
        if (self.places.len() + 1) * 3 > self.slots.len() * 2 {
            self.grow();
        }
        let mask = self.slots.len() - 1;
        let digest = digest(&self.scratch.0);
        let mut at = slot(digest, mask);
        while self.slots[at] != FREE {
            let (mark, number) = self.slots[at];
            if mark == half(digest) && self.of(number) == self.scratch.0 {
                return (number, false);
            }
            at = (at + 1) & mask;
        }
        let number = u32::try_from(self.places.len()).expect("states are counted in 32 bits");
        self.slots[at] = (half(digest), number);
        self.keep();
        (number, true)
    }

    fn keep(&mut self) {
        let len = self.scratch.0.len();
        let header = u32::try_from(len).expect("a state is small").to_le_bytes();
        let full = self.pieces.last().is_none_or(|piece| piece.len() + 4 + len > PIECE);
        if full {
            self.pieces.push(Vec::with_capacity(PIECE));
        }
        let number = self.pieces.len() - 1;
        let piece = self.pieces.last_mut().expect("there is always one");
        self.places.push((number as u64) << 24 | piece.len() as u64);
        piece.extend_from_slice(&header);
        piece.extend_from_slice(&self.scratch.0);
    }

    fn of(&self, number: u32) -> &[u8] {
        let place = self.places[number as usize];
        let piece = &self.pieces[usize::try_from(place >> 24).expect("an index")];
        let at = usize::try_from(place & 0xFF_FFFF).expect("24 bits");
        let header = piece[at..at + 4].try_into().expect("four bytes");
        &piece[at + 4..at + 4 + u32::from_le_bytes(header) as usize]
    }

    fn grow(&mut self) {
        let size = self.slots.len() * 2;
        let mut slots = vec![FREE; size];
        for number in 0..self.places.len() {
            let number = u32::try_from(number).expect("states are counted in 32 bits");
            let digest = digest(self.of(number));
            let mut at = slot(digest, size - 1);
            while slots[at] != FREE {
                at = (at + 1) & (size - 1);
            }
            slots[at] = (half(digest), number);
        }
        self.slots = slots;
    }
}

fn slot(digest: u64, mask: usize) -> usize {
    usize::try_from(digest & mask as u64).expect("below the mask")
}

fn half(digest: u64) -> u32 {
    u32::try_from(digest >> 32).expect("32 bits")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn it_holds_what_an_ordered_set_holds_across_growth_and_pieces() {
        let mut visited = Visited::default();
        let mut known = BTreeSet::new();
        for i in 0..40_000u64 {
            let state = (i * i % 9_973, vec![u8::try_from(i % 7).unwrap(); 1_000 * usize::from(i % 50 == 0)]);
            let (number, new) = visited.insert(&state);
            assert_eq!(new, known.insert(state), "{i}");
            assert!((number as usize) < visited.len());
        }
        assert_eq!(visited.len(), known.len());
        assert!(visited.bytes() >= PIECE);
    }

    #[test]
    fn what_differs_feeds_other_bytes() {
        let mut visited = Visited::default();
        let differ: [(Option<u64>, Vec<u64>, Vec<u64>); 7] = [
            (None, vec![], vec![]),
            (Some(0), vec![], vec![]),
            (None, vec![0], vec![]),
            (None, vec![], vec![0]),
            (None, vec![1, 1], vec![1]),
            (None, vec![1], vec![1, 1]),
            (Some(128), vec![], vec![]),
        ];
        assert!(differ.iter().all(|state| visited.insert(state).1));
        assert!(differ.iter().all(|state| !visited.insert(state).1));
        assert!(!visited.is_empty());
    }
}
