//! Producer snapshots: who wrote what last, as of the offset in the file's name (exclusive).
//!
//! ```text
//! version int16 1, crc uint32 (CRC-32C of what follows), count int32, then per producer 46 bytes:
//! producer id int64, epoch int16, last sequence int32 (-1 none), last offset int64 (-1 none),
//! offset delta int32 (last less first offset of its last batch), timestamp int64 (-1 none),
//! coordinator epoch int32 (-1 unknown), first offset of its open transaction int64 (-1 none)
//! ```
//!
//! # Invariants
//!
//! * A snapshot that does not read back in full, checksum included, is an error: its user deletes it and takes an
//!   older one. Nothing is allocated beyond what the bytes can hold.
//!
//! # Not here
//!
//! The other four batches of a producer that are remembered: they are rebuilt from the log (`log::producers`).

use super::CorruptReason;
use super::batch::{array, read_i32, read_i64};
use crate::types::{Offset, ProducerEpoch, ProducerId, Sequence, Timestamp};

const VERSION: i16 = 1;
const CRC_AT: usize = 2;
const COUNT_AT: usize = CRC_AT + 4;
const HEADER_LEN: usize = COUNT_AT + 4;
const ENTRY_LEN: usize = 8 + 2 + 4 + 8 + 4 + 8 + 4 + 8;

const _: () = assert!(HEADER_LEN == 10 && ENTRY_LEN == 46);

/// One producer in a snapshot.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ProducerEntry {
    /// The producer.
    pub id: ProducerId,
    /// Its newest epoch.
    pub epoch: ProducerEpoch,
    /// Sequence of its last record; `None` if only a marker was seen.
    pub last_sequence: Option<Sequence>,
    /// Offset of its last record; `None` if only a marker was seen.
    pub last_offset: Option<Offset>,
    /// Last less first offset of its last batch.
    pub offset_delta: u32,
    /// Time of its last batch.
    pub timestamp: Option<Timestamp>,
    /// Epoch of the coordinator that wrote its last marker.
    pub coordinator_epoch: Option<i32>,
    /// First offset of its open transaction.
    pub txn_first_offset: Option<Offset>,
}

/// The file's bytes.
#[must_use]
pub fn write(producers: &[ProducerEntry]) -> Vec<u8> {
    let mut out = Vec::with_capacity(HEADER_LEN + producers.len() * ENTRY_LEN);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    let count = i32::try_from(producers.len()).expect("fewer than 2^31 producers are kept");
    out.extend_from_slice(&count.to_be_bytes());
    for p in producers {
        out.extend_from_slice(&p.id.get().to_be_bytes());
        out.extend_from_slice(&p.epoch.get().to_be_bytes());
        out.extend_from_slice(&p.last_sequence.map_or(-1, Sequence::get).to_be_bytes());
        out.extend_from_slice(&p.last_offset.map_or(-1, Offset::get).to_be_bytes());
        out.extend_from_slice(&p.offset_delta.to_be_bytes());
        out.extend_from_slice(&Timestamp::to_raw(p.timestamp).to_be_bytes());
        out.extend_from_slice(&p.coordinator_epoch.unwrap_or(-1).to_be_bytes());
        out.extend_from_slice(&p.txn_first_offset.map_or(-1, Offset::get).to_be_bytes());
    }
    let crc = crc32c::crc32c(&out[COUNT_AT..]);
    out[CRC_AT..COUNT_AT].copy_from_slice(&crc.to_be_bytes());
    out
}

/// What a file holds.
///
/// # Errors
///
/// [`CorruptReason::Torn`], [`CorruptReason::Field`] or [`CorruptReason::Checksum`].
pub fn read(bytes: &[u8]) -> Result<Vec<ProducerEntry>, CorruptReason> {
    if bytes.len() < HEADER_LEN {
        return Err(CorruptReason::Torn { needed: HEADER_LEN as u64, available: bytes.len() as u64 });
    }
    let version = i16::from_be_bytes(array(bytes, 0));
    if version != VERSION {
        return Err(CorruptReason::Field { field: "snapshot version", value: i64::from(version) });
    }
    let (stored, computed) = (u32::from_be_bytes(array(bytes, CRC_AT)), crc32c::crc32c(&bytes[COUNT_AT..]));
    if stored != computed {
        return Err(CorruptReason::Checksum { stored, computed });
    }
    let count = read_i32(bytes, COUNT_AT);
    let entries = bytes[HEADER_LEN..].chunks_exact(ENTRY_LEN);
    if usize::try_from(count) != Ok(entries.len()) || !entries.remainder().is_empty() {
        return Err(CorruptReason::Field { field: "producer count", value: i64::from(count) });
    }
    entries.map(read_entry).collect()
}

fn read_entry(bytes: &[u8]) -> Result<ProducerEntry, CorruptReason> {
    let bad = |field, value| CorruptReason::Field { field, value };
    let (id, epoch) = (read_i64(bytes, 0), i16::from_be_bytes(array(bytes, 8)));
    let delta = read_i32(bytes, 22);
    Ok(ProducerEntry {
        id: ProducerId::new(id).ok_or_else(|| bad("producer id", id))?,
        epoch: ProducerEpoch::new(epoch).ok_or_else(|| bad("producer epoch", i64::from(epoch)))?,
        last_sequence: Sequence::new(read_i32(bytes, 10)),
        last_offset: Offset::new(read_i64(bytes, 14)),
        offset_delta: u32::try_from(delta).map_err(|_| bad("offset delta", i64::from(delta)))?,
        timestamp: Timestamp::from_millis(read_i64(bytes, 26)),
        coordinator_epoch: Some(read_i32(bytes, 34)).filter(|epoch| *epoch >= 0),
        txn_first_offset: Offset::new(read_i64(bytes, 38)),
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::unhex;
    use super::*;
    use proptest::prelude::*;

    const THREE: &str = "0001b28131fc000000030000000000000fa0000100000001000000000000001500000001000001a206f53b6effffff\
        ffffffffffffffffff0000000000000fa1000000000008000000000000001700000001000001a206f53b8fffffffffffffffffffffffff\
        0000000000000fa300000000000b000000000000002300000001000001a206f53bd4ffffffffffffffffffffffff";
    const OPEN: &str = "0001914b38e7000000010000000000000002000100000001000000000000000200000000000001a206f671e7000000\
        000000000000000002";

    #[test]
    fn snapshots_of_real_brokers_read_and_write_back() {
        let bytes = unhex(THREE);
        let producers = read(&bytes).unwrap();
        assert_eq!(producers.iter().map(|p| p.id.get()).collect::<Vec<_>>(), [4000, 4001, 4003]);
        assert_eq!(producers[1].last_sequence, Sequence::new(8));
        assert_eq!(producers[1].last_offset, Offset::new(0x17));
        assert_eq!((producers[1].offset_delta, producers[1].coordinator_epoch), (1, None));
        assert_eq!(write(&producers), bytes);
    }

    #[test]
    fn an_open_transaction_is_kept() {
        let bytes = unhex(OPEN);
        let producers = read(&bytes).unwrap();
        assert_eq!(producers[0].txn_first_offset, Offset::new(2));
        assert_eq!(producers[0].coordinator_epoch, Some(0));
        assert_eq!(write(&producers), bytes);
    }

    #[test]
    fn no_producers_are_ten_bytes() {
        assert_eq!(write(&[]).len(), 10);
        assert_eq!(read(&write(&[])), Ok(vec![]));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        let bytes = unhex(THREE);
        for bit in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert!(read(&bad).is_err(), "bit {bit}");
        }
        for len in 0..bytes.len() {
            assert!(read(&bytes[..len]).is_err(), "length {len}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = read(&bytes);
            if bytes.len() >= HEADER_LEN {
                bytes[..2].copy_from_slice(&VERSION.to_be_bytes());
                let crc = crc32c::crc32c(&bytes[COUNT_AT..]);
                bytes[CRC_AT..COUNT_AT].copy_from_slice(&crc.to_be_bytes());
                let _ = read(&bytes);
            }
        }
    }
}
