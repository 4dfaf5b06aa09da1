//! From each key to the last offset that has it, in memory that is bounded.
//!
//! A slot is the key's hash and the offset; the key itself is not kept:
//!
//! ```text
//!  0        8        16       24
//!  +--------+--------+--------+
//!  | hash            | offset |   offset + 1, 0 for an empty slot
//!  +--------+--------+--------+
//! ```
//!
//! Two keys of one hash would be one key to compaction, and the older one's record would be lost. So the hash is of 128
//! bits, from two SipHashes whose secret keys are drawn anew for each compaction: among 100 million keys the chance of any
//! two being alike is 2^-76, and nobody can choose keys that are.
//!
//! # Invariants
//!
//! * The table is allocated once and never grows beyond its bound; nine slots of ten are used at most.
//! * The same run of the same map gives a key the same hash.

use crate::types::Offset;
use std::hash::{BuildHasher, RandomState};

/// Bytes of a slot.
const SLOT: u64 = 24;

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    hash: [u64; 2],
    /// The offset and 1.
    next: i64,
}

const _: () = assert!(size_of::<Slot>() as u64 == SLOT);

/// The last offset of every key of a range.
#[derive(Debug)]
pub(super) struct KeyMap {
    slots: Vec<Slot>,
    used: usize,
    secrets: [RandomState; 2],
}

impl KeyMap {
    /// Room for `keys` different keys, or as many as fit into `max_bytes`; for one at least.
    pub(super) fn new(keys: u64, max_bytes: u64) -> Self {
        // One in eight stays empty, so that a search ends soon; a full table is fuller.
        let wanted = keys.saturating_add(keys / 8).saturating_add(2);
        let slots = usize::try_from(wanted.min(max_bytes / SLOT).max(2)).unwrap_or(2);
        let secrets = [RandomState::new(), RandomState::new()];
        Self { slots: vec![Slot::default(); slots], used: 0, secrets }
    }

    /// Whether no other key can be taken in.
    pub(super) fn is_full(&self) -> bool {
        self.used >= (self.slots.len() * 9 / 10).max(1)
    }

    /// Notes that a record at `offset` has the key. False if there is no room: nothing was noted.
    pub(super) fn put(&mut self, key: &[u8], offset: Offset) -> bool {
        let hash = self.hash(key);
        let at = self.find(hash);
        if self.slots[at].next == 0 {
            if self.is_full() {
                return false;
            }
            self.used += 1;
        }
        let next = offset.get().saturating_add(1);
        self.slots[at] = Slot { hash, next: next.max(self.slots[at].next) };
        true
    }

    /// The last offset of the key.
    pub(super) fn get(&self, key: &[u8]) -> Option<Offset> {
        let slot = self.slots[self.find(self.hash(key))];
        Offset::new(slot.next - 1)
    }

    fn hash(&self, key: &[u8]) -> [u64; 2] {
        self.secrets.each_ref().map(|secret| secret.hash_one(key))
    }

    /// Where the hash is, or the empty slot where it would be. There is always an empty one.
    fn find(&self, hash: [u64; 2]) -> usize {
        let len = self.slots.len();
        let start = (u128::from(hash[0]) * len as u128) >> 64;
        let mut at = usize::try_from(start).unwrap_or(0);
        while self.slots[at].next != 0 && self.slots[at].hash != hash {
            at = if at + 1 == len { 0 } else { at + 1 };
        }
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    fn offset(raw: i64) -> Offset {
        Offset::new(raw).unwrap()
    }

    #[test]
    fn a_full_map_takes_known_keys_and_no_others() {
        let mut map = KeyMap::new(1_000_000, 10 * SLOT);
        assert!((0..9).all(|n: u8| map.put(&[n], offset(i64::from(n)))));
        assert!(map.is_full());
        assert!(!map.put(b"another", offset(9)));
        assert!(map.put(&[3], offset(10)));
        assert_eq!((map.get(&[3]), map.get(b"another"), map.used), (Some(offset(10)), None, 9));
    }

    #[test]
    fn the_smallest_map_holds_one_key() {
        let mut map = KeyMap::new(0, 0);
        assert!(map.put(b"", offset(0)));
        assert!(!map.put(b"b", offset(1)));
        assert_eq!((map.get(b""), map.get(b"b")), (Some(offset(0)), None));
    }

    #[test]
    fn two_maps_hash_the_same_key_differently() {
        let (one, other) = (KeyMap::new(1, 1000), KeyMap::new(1, 1000));
        assert_ne!(one.hash(b"key"), other.hash(b"key"));
        assert_ne!(one.hash(b"key")[0], one.hash(b"key")[1]);
    }

    proptest! {
        #[test]
        fn the_map_is_a_map(puts in prop::collection::vec((prop::collection::vec(0u8..4, 0..4), 0i64..1000), 0..200)) {
            let mut map = KeyMap::new(200, 1 << 20);
            let mut model: HashMap<Vec<u8>, i64> = HashMap::new();
            for (key, at) in &puts {
                prop_assert!(map.put(key, offset(*at)));
                let known = model.entry(key.clone()).or_insert(*at);
                *known = (*known).max(*at);
            }
            prop_assert_eq!(map.used, model.len());
            for (key, at) in model {
                prop_assert_eq!(map.get(&key), Some(offset(at)));
            }
        }
    }
}
