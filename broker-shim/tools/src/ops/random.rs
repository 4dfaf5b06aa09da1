//! Numbers that differ from run to run: for the names of groups, nothing that must not be guessed.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};

/// A number below `end`.
#[must_use]
pub fn below(end: u64) -> u64 {
    RandomState::new().build_hasher().finish() % end.max(1)
}

/// A row of numbers of which each follows from the one before (SplitMix64).
#[derive(Clone, Debug)]
pub struct Row(u64);

impl Row {
    /// The same row for the same seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ mixed >> 31) % end.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::{Row, below};

    #[test]
    fn numbers_are_in_range_and_rows_repeat() {
        assert!((0..100).all(|_| below(10) < 10));
        let (mut a, mut b) = (Row::new(0), Row::new(0));
        let first: Vec<u64> = (0..20).map(|_| a.below(26)).collect();
        assert_eq!(first, (0..20).map(|_| b.below(26)).collect::<Vec<_>>());
        assert!(first.iter().any(|n| *n != first[0]));
    }
}
