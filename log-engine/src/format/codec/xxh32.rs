//! XXH32 with seed 0: the checksum inside LZ4 frames.

const P1: u32 = 0x9e37_79b1;
const P2: u32 = 0x85eb_ca77;
const P3: u32 = 0xc2b2_ae3d;
const P4: u32 = 0x27d4_eb2f;
const P5: u32 = 0x1656_67b1;

/// Hashes in pieces.
#[derive(Clone, Debug)]
pub(super) struct Xxh32 {
    lanes: [u32; 4],
    /// The last bytes that did not fill a stripe.
    tail: [u8; 16],
    tail_len: usize,
    total: u64,
}

impl Xxh32 {
    pub(super) const fn new() -> Self {
        let lanes = [P1.wrapping_add(P2), P2, 0, 0u32.wrapping_sub(P1)];
        Self { lanes, tail: [0; 16], tail_len: 0, total: 0 }
    }

    pub(super) fn update(&mut self, mut data: &[u8]) {
        self.total += data.len() as u64;
        if self.tail_len > 0 {
            let take = data.len().min(16 - self.tail_len);
            self.tail[self.tail_len..self.tail_len + take].copy_from_slice(&data[..take]);
            self.tail_len += take;
            data = &data[take..];
            if self.tail_len < 16 {
                return;
            }
            let stripe = self.tail;
            self.stripe(&stripe);
            self.tail_len = 0;
        }
        let mut stripes = data.chunks_exact(16);
        for stripe in &mut stripes {
            self.stripe(stripe);
        }
        let rest = stripes.remainder();
        self.tail[..rest.len()].copy_from_slice(rest);
        self.tail_len = rest.len();
    }

    fn stripe(&mut self, stripe: &[u8]) {
        for (lane, word) in self.lanes.iter_mut().zip(stripe.chunks_exact(4)) {
            *lane = lane.wrapping_add(read(word).wrapping_mul(P2)).rotate_left(13).wrapping_mul(P1);
        }
    }

    pub(super) fn finish(&self) -> u32 {
        let [a, b, c, d] = self.lanes;
        let mut hash = if self.total >= 16 {
            let sum = a.rotate_left(1).wrapping_add(b.rotate_left(7));
            sum.wrapping_add(c.rotate_left(12)).wrapping_add(d.rotate_left(18))
        } else {
            P5
        };
        // The format adds the length modulo 2^32.
        let [b0, b1, b2, b3, ..] = self.total.to_le_bytes();
        hash = hash.wrapping_add(u32::from_le_bytes([b0, b1, b2, b3]));
        let mut words = self.tail[..self.tail_len].chunks_exact(4);
        for word in &mut words {
            hash = hash.wrapping_add(read(word).wrapping_mul(P3)).rotate_left(17).wrapping_mul(P4);
        }
        for byte in words.remainder() {
            hash = hash.wrapping_add(u32::from(*byte).wrapping_mul(P5)).rotate_left(11).wrapping_mul(P1);
        }
        hash = (hash ^ (hash >> 15)).wrapping_mul(P2);
        hash = (hash ^ (hash >> 13)).wrapping_mul(P3);
        hash ^ (hash >> 16)
    }
}

/// All at once.
pub(super) fn xxh32(data: &[u8]) -> u32 {
    let mut hash = Xxh32::new();
    hash.update(data);
    hash.finish()
}

fn read(word: &[u8]) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(word);
    u32::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_sums() {
        assert_eq!(xxh32(b""), 0x02cc_5d05);
        assert_eq!(xxh32(b"a"), 0x550d_7456);
        assert_eq!(xxh32(b"Nobody inspects the spammish repetition"), 0xe229_3b2f);
    }

    #[test]
    fn pieces_give_the_same_sum() {
        let data: Vec<u8> = (0..=255).collect();
        for cut in 0..data.len() {
            let mut hash = Xxh32::new();
            hash.update(&data[..cut]);
            hash.update(&data[cut..]);
            assert_eq!(hash.finish(), xxh32(&data), "{cut}");
        }
    }
}
