//! Zigzag base-128 integers, as records use them.
//!
//! A signed number is folded to an unsigned one (0, -1, 1, -2 become 0, 1, 2, 3) and written in groups of seven
//! bits, lowest first, the top bit of each byte saying that more follow. At most 5 bytes for 32 bits, 10 for 64.
//! Like Kafka's reader, bits beyond the width in the last byte are dropped; a longer number is refused.
//!
//! # Not here
//!
//! The *unsigned* integers of the flexible request protocol: those are not zigzag and belong to the wire.

/// Most bytes of a 32 bit number.
pub const MAX_VARINT: usize = 5;
/// Most bytes of a 64 bit number.
pub const MAX_VARLONG: usize = 10;

/// Takes a 32 bit number off the front; `None` if the bytes end inside it or it is too long.
#[inline]
pub fn take_varint(bytes: &mut &[u8]) -> Option<i32> {
    take(bytes, MAX_VARINT).map(low32)
}

/// Takes a 64 bit number off the front; `None` if the bytes end inside it or it is too long.
#[inline]
pub fn take_varlong(bytes: &mut &[u8]) -> Option<i64> {
    take(bytes, MAX_VARLONG).map(unfold64)
}

#[inline]
fn take(bytes: &mut &[u8], max: usize) -> Option<u64> {
    // Lengths and deltas below 8192 are one byte or two: nearly all that is read.
    match **bytes {
        [first, ref rest @ ..] if first < 0x80 => {
            *bytes = rest;
            Some(u64::from(first))
        }
        [first, second, ref rest @ ..] if second < 0x80 => {
            *bytes = rest;
            Some(u64::from(first & 0x7f) | u64::from(second) << 7)
        }
        _ => {
            let (raw, used) = decode(bytes, max)?;
            *bytes = &bytes[used..];
            Some(raw)
        }
    }
}

/// The raw number at the front of `bytes` and its size, reading at most `max` bytes.
pub(crate) fn decode(bytes: &[u8], max: usize) -> Option<(u64, usize)> {
    let mut raw = 0u64;
    for (at, byte) in bytes.iter().take(max).enumerate() {
        raw |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Some((raw, at + 1));
        }
    }
    None
}

/// A decoded number as 32 bits, what lies above dropped.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "bits beyond the width are dropped, as Kafka does")]
pub(crate) fn low32(raw: u64) -> i32 {
    unfold32(raw as u32)
}

const fn unfold32(raw: u32) -> i32 {
    ((raw >> 1) ^ (raw & 1).wrapping_neg()).cast_signed()
}

/// A decoded number as 64 bits.
#[inline]
pub(crate) const fn unfold64(raw: u64) -> i64 {
    ((raw >> 1) ^ (raw & 1).wrapping_neg()).cast_signed()
}

/// Appends a 32 bit number.
pub fn put_varint(out: &mut Vec<u8>, value: i32) {
    put_varlong(out, i64::from(value));
}

/// Appends a 64 bit number.
pub fn put_varlong(out: &mut Vec<u8>, value: i64) {
    let mut raw = fold(value);
    while raw >= 0x80 {
        out.push(raw.to_le_bytes()[0] | 0x80);
        raw >>= 7;
    }
    out.push(raw.to_le_bytes()[0]);
}

const fn fold(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// How many bytes a number takes, 1 to 10.
#[must_use]
pub fn varlong_len(value: i64) -> usize {
    let bits = (64 - (fold(value) | 1).leading_zeros()) as usize;
    bits.div_ceil(7)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn small_numbers_are_folded() {
        for (value, bytes) in
            [(0, &[0u8][..]), (-1, &[1]), (1, &[2]), (63, &[126]), (-64, &[127]), (64, &[128, 1])]
        {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(out, bytes, "{value}");
        }
    }

    #[test]
    fn a_number_that_does_not_end_is_refused() {
        assert_eq!(take_varint(&mut &[0x80; 4][..]), None);
        assert_eq!(take_varint(&mut &[0x80, 0x80, 0x80, 0x80, 0x80, 0][..]), None);
        assert_eq!(take_varint(&mut &[0x80, 0x80, 0x80, 0x80, 0][..]), Some(0));
        assert_eq!(take_varlong(&mut &[0x80; 11][..]), None);
        assert_eq!(take_varint(&mut &[][..]), None);
    }

    proptest! {
        #[test]
        fn numbers_survive(long: i64, int: i32, shift in 0u32..64) {
            let long = long >> shift;
            let mut out = Vec::new();
            put_varlong(&mut out, long);
            prop_assert_eq!(out.len(), varlong_len(long));
            put_varint(&mut out, int);
            let mut rest = &out[..];
            prop_assert_eq!(take_varlong(&mut rest), Some(long));
            prop_assert_eq!(take_varint(&mut rest), Some(int));
            prop_assert!(rest.is_empty());
        }
    }
}
