//! What is in one file: its bytes, and when it was last written.
//!
//! How pending effects change them is here too, and only here: what is flushed, what is kept by a crash, and what is
//! seen come from the same lines.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use handoff_kernel::time::Time;

use super::effect::Change;

/// A hash of 128 bits, the same on every machine and in every run. Nobody chooses what is hashed to deceive it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u128);

impl Fingerprint {
    /// Of nothing.
    pub(super) const EMPTY: Self = Self(0x6c62_272e_07bb_0142_62b8_2175_6295_c58d);

    pub(super) const fn number(self, number: u64) -> Self {
        let mixed = (self.0 ^ number as u128).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
        Self(mixed ^ (mixed >> 67))
    }

    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        let (words, rest) = bytes.as_chunks::<8>();
        let whole = words
            .iter()
            .fold(self.number(bytes.len() as u64), |print, word| print.number(u64::from_le_bytes(*word)));
        rest.iter().fold(whole, |print, byte| print.number(u64::from(*byte)))
    }

    pub(super) const fn and(self, other: Self) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the two halves of the number")]
        let (low, high) = (other.0 as u64, (other.0 >> 64) as u64);
        self.number(low).number(high)
    }
}

/// What is in one file.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Contents {
    bytes: Vec<u8>,
    modified: Time,
}

impl Contents {
    pub(super) const fn empty(modified: Time) -> Self {
        Self { bytes: Vec::new(), modified }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) const fn modified(&self) -> Time {
        self.modified
    }

    fn fingerprint(&self) -> Fingerprint {
        Fingerprint::EMPTY.number(self.modified.0).bytes(&self.bytes)
    }

    /// Does some of this file's pending effects, in their order. Any of them may be left out that the rules allow to be.
    ///
    /// A block may be there before the length that shows it: it lies beyond the end then, and is lost if no length
    /// comes. A length cuts off what older effects left beyond it: what is shown again later is zeros.
    pub(super) fn take(&mut self, changes: impl Iterator<Item = impl Borrow<Change>>, block_bytes: usize) {
        let mut len = self.bytes.len();
        for change in changes {
            match change.borrow() {
                Change::Block { block, bytes, .. } => {
                    let from = block * block_bytes;
                    let to = from + bytes.len();
                    if self.bytes.len() < to {
                        self.bytes.resize(to, 0);
                    }
                    self.bytes[from..to].copy_from_slice(bytes);
                }
                Change::Length { len: new, .. } => {
                    len = *new;
                    self.bytes.truncate(len);
                }
                Change::Modified { modified, .. } => self.modified = *modified,
                Change::Name { .. } | Change::Directory { .. } => {}
            }
        }
        self.bytes.resize(len, 0);
    }

    /// Writes at once, filling up with zeros.
    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset + bytes.len();
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes[offset..end].copy_from_slice(bytes);
    }

    pub(super) fn set_len(&mut self, len: usize) {
        self.bytes.resize(len, 0);
    }

    pub(super) fn set_modified(&mut self, modified: Time) {
        self.modified = modified;
    }

    /// A block as it is seen, filled up with zeros.
    pub(super) fn block(&self, block: usize, block_bytes: usize) -> Vec<u8> {
        let from = self.bytes.len().min(block * block_bytes);
        let to = self.bytes.len().min(from + block_bytes);
        let mut bytes = self.bytes[from..to].to_vec();
        bytes.resize(block_bytes, 0);
        bytes
    }
}

/// What is in one file of an image: it does not change any more, and its fingerprint is taken once.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fixed {
    print: Fingerprint,
    contents: Arc<Contents>,
}

impl Fixed {
    pub(super) fn new(contents: Arc<Contents>) -> Self {
        Self { print: contents.fingerprint(), contents }
    }

    pub(super) const fn fingerprint(&self) -> Fingerprint {
        self.print
    }

    pub(super) const fn contents(&self) -> &Arc<Contents> {
        &self.contents
    }
}

impl fmt::Debug for Contents {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = String::from_utf8_lossy(&self.bytes[..self.bytes.len().min(MOST_SHOWN)]);
        write!(f, "{} bytes, of {}: {shown:?}", self.bytes.len(), self.modified.0)?;
        if self.bytes.len() > MOST_SHOWN { f.write_str("...") } else { Ok(()) }
    }
}

/// More bytes of a file are not read by anybody.
const MOST_SHOWN: usize = 400;
