//! The files that producer state is kept in, both derived from the log.
//!
//! `<offset>.snapshot` is Kafka's: one batch per producer. `producer-state` is ours: all remembered batches and the
//! time of the last append, so that a restart forgets no duplicate. Big-endian:
//!
//! ```text
//!  at  size  field
//!   0   8    "CORRPROD"
//!   8   4    version        3; 1 and 2 are read too, a later one is refused
//!  12   4    crc            CRC-32C of everything else; before version 3 only from 16 on
//!  16   8    offset         the state covers everything below it
//!  24   8    segment        base offset of the segment with the last batch below the offset, -1 if there is none
//!  32   8    position       where that batch begins
//!  40   4    batch crc      as in its header
//!  44   4    count          producers that follow, in order of their ids
//!
//!  (since version 2) after them
//!   0   4    count          segments with aborted transactions, whose index files have no checksum; then for each
//!   0   8    segment        its base offset
//!   8   4    entries        so many entries its index begins with at least
//!  12   4    crc            CRC-32C of those
//!
//!  then per producer, 31 + 24 n bytes:
//!   0   8    producer id
//!   8   2    epoch
//!  10   4    coordinator epoch, -1 unknown
//!  14   8    first offset of the open transaction, -1 none
//!  22   8    time of the last append, ms
//!  30   1    n, 0 to 5 batches, oldest first:
//!            last sequence (4), last offset (8), last less first offset (4), timestamp (8, -1 none)
//! ```
//!
//! # Invariants
//!
//! * The batch that the file names ties it to these bytes of the log: a log that was cut and went on, or was written
//!   by somebody else since, has another batch there and the file is not believed.
//! * The magic, the version and a checksum over both stay where they are in every version: see `synced-mark`.
//! * A cut removes both kinds of file beyond it, durably, before it cuts.

use super::files::{self, Newer, sealed_crc};
use super::mark::LastBatch;
use super::producers::{Producer, Producers, REMEMBERED_BATCHES, Remembered};
use crate::error::{LogError, Result};
use crate::format::names::{FileKind, SegmentFile, Stage, segment_file};
use crate::format::snapshot::{self, ProducerEntry};
use crate::io::Storage;
use crate::segment::TxnSum;
use crate::types::{Offset, Position, ProducerEpoch, ProducerId, Sequence, Timestamp};
use std::path::Path;

/// Name of our file, in the log's directory.
pub(crate) const FILE_NAME: &str = "producer-state";

const MAGIC: &[u8; 8] = b"CORRPROD";
const VERSION: u32 = 3;
/// Its checksum begins behind the version.
const OLD_VERSION: u32 = 2;
/// And it is without the sums of transaction indexes.
const OLDEST_VERSION: u32 = 1;
const CHECKED_FROM: usize = 16;

/// Which batch ends where the state does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Evidence {
    pub(crate) segment: Offset,
    pub(crate) batch: LastBatch,
}

/// What a `producer-state` file holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct StateFile {
    pub(crate) offset: Offset,
    /// `None` if there is no batch below the offset.
    pub(crate) evidence: Option<Evidence>,
    pub(crate) producers: Producers,
    /// What the indexes of aborted transactions hold, of the segments that have one and are known.
    pub(crate) txns: Vec<(Offset, TxnSum)>,
}

impl StateFile {
    /// Reads the file; `None` if there is none, or not one that we wrote. One of a later version is an error.
    pub(crate) fn load(storage: &dyn Storage, dir: &Path) -> Result<Option<Self>> {
        let path = dir.join(FILE_NAME);
        // It is derived: one that cannot be read is done without.
        let Ok(Some(bytes)) = files::read_small(storage, &path) else { return Ok(None) };
        decode(&bytes).map_err(|newer| newer.refuse(&path))
    }

    /// Writes the file.
    pub(crate) fn store(&self, storage: &dyn Storage, dir: &Path) -> Result<()> {
        files::replace(storage, &dir.join(FILE_NAME), &encode(self), true)
    }

    /// Removes the file, if it is there; the caller syncs the directory.
    pub(crate) fn remove(storage: &dyn Storage, dir: &Path) -> Result<()> {
        let path = dir.join(FILE_NAME);
        if storage.exists(&path).map_err(LogError::io("look for", &path))? {
            storage.remove_file(&path).map_err(LogError::io("remove", &path))?;
        }
        Ok(())
    }
}

/// Writes Kafka's snapshot for an offset. It may be lost by a power cut: it is derived.
pub(crate) fn store_snapshot(
    storage: &dyn Storage,
    dir: &Path,
    at: Offset,
    producers: &Producers,
) -> Result<()> {
    let entries: Vec<ProducerEntry> =
        producers.sorted().into_iter().map(|(id, p)| snapshot_entry(id, p)).collect();
    let path = dir.join(segment_file(at, FileKind::Snapshot));
    files::replace(storage, &path, &snapshot::write(&entries), false)
}

/// Reads Kafka's snapshot for an offset; `None` if it is not good. Idleness begins anew at `now`.
pub(crate) fn load_snapshot(
    storage: &dyn Storage,
    dir: &Path,
    at: Offset,
    now: Timestamp,
) -> Option<Producers> {
    let path = dir.join(segment_file(at, FileKind::Snapshot));
    let entries = snapshot::read(&files::read_small(storage, &path).ok()??).ok()?;
    let mut producers = Producers::default();
    for entry in entries {
        producers.restore(entry.id, from_snapshot(&entry, now));
    }
    Some(producers)
}

/// Removes the snapshots that are not to be kept: each clean close leaves one at the log end.
pub(crate) fn keep_snapshots(storage: &dyn Storage, dir: &Path, keep: impl Fn(Offset) -> bool) -> Result<()> {
    for entry in storage.list(dir).map_err(LogError::io("list", dir))? {
        let is_stray = |file: SegmentFile| {
            file.kind == FileKind::Snapshot && file.stage == Stage::Live && !keep(file.base)
        };
        if SegmentFile::parse(&entry.name).is_some_and(is_stray) {
            let path = dir.join(&entry.name);
            storage.remove_file(&path).map_err(LogError::io("remove", &path))?;
        }
    }
    Ok(())
}

fn snapshot_entry(id: ProducerId, producer: &Producer) -> ProducerEntry {
    let last = producer.batches.back();
    ProducerEntry {
        id,
        epoch: producer.epoch,
        last_sequence: last.map(|batch| batch.last_sequence),
        last_offset: last.map(|batch| batch.last_offset),
        offset_delta: last.map_or(0, |batch| batch.offset_delta),
        timestamp: last.and_then(|batch| batch.timestamp),
        coordinator_epoch: producer.coordinator_epoch,
        txn_first_offset: producer.open_txn,
    }
}

fn from_snapshot(entry: &ProducerEntry, now: Timestamp) -> Producer {
    let last = entry.last_sequence.zip(entry.last_offset).map(|(last_sequence, last_offset)| Remembered {
        last_sequence,
        last_offset,
        offset_delta: entry.offset_delta,
        timestamp: entry.timestamp,
    });
    Producer {
        epoch: entry.epoch,
        batches: last.into_iter().collect(),
        coordinator_epoch: entry.coordinator_epoch,
        open_txn: entry.txn_first_offset,
        last_append: now,
    }
}

fn encode(state: &StateFile) -> Vec<u8> {
    let mut out = Vec::new();
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&VERSION.to_be_bytes());
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&state.offset.get().to_be_bytes());
    let evidence = state.evidence;
    out.extend_from_slice(&evidence.map_or(-1, |e| e.segment.get()).to_be_bytes());
    out.extend_from_slice(&evidence.map_or(0, |e| e.batch.position.to_u64()).to_be_bytes());
    out.extend_from_slice(&evidence.map_or(0, |e| e.batch.crc).to_be_bytes());
    let producers = state.producers.sorted();
    out.extend_from_slice(&u32::try_from(producers.len()).unwrap_or(u32::MAX).to_be_bytes());
    for (id, producer) in producers {
        encode_producer(&mut out, id, producer);
    }
    out.extend_from_slice(&u32::try_from(state.txns.len()).unwrap_or(u32::MAX).to_be_bytes());
    for (segment, sum) in &state.txns {
        out.extend_from_slice(&segment.get().to_be_bytes());
        out.extend_from_slice(&sum.entries.to_be_bytes());
        out.extend_from_slice(&sum.crc.to_be_bytes());
    }
    let crc = sealed_crc(&out);
    out[12..16].copy_from_slice(&crc.to_be_bytes());
    out
}

fn encode_producer(out: &mut Vec<u8>, id: ProducerId, producer: &Producer) {
    out.extend_from_slice(&id.get().to_be_bytes());
    out.extend_from_slice(&producer.epoch.get().to_be_bytes());
    out.extend_from_slice(&producer.coordinator_epoch.unwrap_or(-1).to_be_bytes());
    out.extend_from_slice(&producer.open_txn.map_or(-1, Offset::get).to_be_bytes());
    out.extend_from_slice(&producer.last_append.as_millis().to_be_bytes());
    out.push(u8::try_from(producer.batches.len()).unwrap_or(0));
    for batch in &producer.batches {
        out.extend_from_slice(&batch.last_sequence.get().to_be_bytes());
        out.extend_from_slice(&batch.last_offset.get().to_be_bytes());
        out.extend_from_slice(&batch.offset_delta.to_be_bytes());
        out.extend_from_slice(&Timestamp::to_raw(batch.timestamp).to_be_bytes());
    }
}

/// Takes big-endian numbers off the front.
struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn i64(&mut self) -> Option<i64> {
        self.take().map(i64::from_be_bytes)
    }

    fn i32(&mut self) -> Option<i32> {
        self.take().map(i32::from_be_bytes)
    }

    fn u32(&mut self) -> Option<u32> {
        self.take().map(u32::from_be_bytes)
    }
}

/// What a file says; nothing if it is not as it was written.
pub(crate) fn decode(bytes: &[u8]) -> Result<Option<StateFile>, Newer> {
    let mut reader = Reader(bytes);
    let head = (reader.take::<8>(), reader.u32(), reader.u32());
    let (Some(magic), Some(version), Some(crc)) = head else { return Ok(None) };
    if &magic != MAGIC {
        return Ok(None);
    }
    let old = [OLDEST_VERSION, OLD_VERSION].contains(&version);
    let fits = crc == if old { crc32c::crc32c(&bytes[CHECKED_FROM..]) } else { sealed_crc(bytes) };
    match fits {
        true if version > VERSION => Err(Newer { found: version, known: VERSION }),
        true if version >= OLDEST_VERSION => Ok(content(version, reader)),
        _ => Ok(None),
    }
}

fn content(version: u32, mut reader: Reader<'_>) -> Option<StateFile> {
    let offset = Offset::new(reader.i64()?)?;
    let segment = Offset::new(reader.i64()?);
    let position = Position::new(u64::from_be_bytes(reader.take()?))?;
    let batch = LastBatch { position, crc: reader.u32()? };
    let evidence = segment.map(|segment| Evidence { segment, batch });
    let count = reader.u32()?;
    let mut producers = Producers::default();
    for _ in 0..count {
        let (id, producer) = decode_producer(&mut reader)?;
        producers.restore(id, producer);
    }
    let mut txns = Vec::new();
    let sums = if version == OLDEST_VERSION { 0 } else { reader.u32()? };
    for _ in 0..sums {
        let segment = Offset::new(reader.i64()?)?;
        txns.push((segment, TxnSum { entries: reader.u32()?, crc: reader.u32()? }));
    }
    reader.0.is_empty().then_some(StateFile { offset, evidence, producers, txns })
}

fn decode_producer(reader: &mut Reader<'_>) -> Option<(ProducerId, Producer)> {
    let id = ProducerId::new(reader.i64()?)?;
    let epoch = ProducerEpoch::new(i16::from_be_bytes(reader.take()?))?;
    let coordinator_epoch = Some(reader.i32()?).filter(|epoch| *epoch >= 0);
    let open_txn = Offset::new(reader.i64()?);
    let last_append = Timestamp::from_millis(reader.i64()?)?;
    let [count] = reader.take()?;
    if usize::from(count) > REMEMBERED_BATCHES {
        return None;
    }
    let batches = (0..count).map(|_| decode_batch(reader)).collect::<Option<_>>()?;
    Some((id, Producer { epoch, batches, coordinator_epoch, open_txn, last_append }))
}

fn decode_batch(reader: &mut Reader<'_>) -> Option<Remembered> {
    let batch = Remembered {
        last_sequence: Sequence::new(reader.i32()?)?,
        last_offset: Offset::new(reader.i64()?)?,
        offset_delta: reader.u32()?,
        timestamp: Timestamp::from_millis(reader.i64()?),
    };
    (i64::from(batch.offset_delta) <= batch.last_offset.get()).then_some(batch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> StateFile {
        let now = Timestamp::from_millis(1_700_000_000_000).unwrap();
        let offset = |raw| Offset::new(raw).unwrap();
        let mut producers = Producers::default();
        for n in 0..3_i64 {
            let batch = |k: i32| Remembered {
                last_sequence: Sequence::new(k).unwrap(),
                last_offset: offset(10 * n + i64::from(k)),
                offset_delta: 0,
                timestamp: (n > 0).then_some(now),
            };
            let producer = Producer {
                epoch: ProducerEpoch::new(4).unwrap(),
                batches: (0..i32::try_from(n).unwrap()).map(batch).collect(),
                coordinator_epoch: (n == 1).then_some(9),
                open_txn: (n == 2).then_some(offset(20)),
                last_append: now,
            };
            producers.restore(ProducerId::new(1000 + n).unwrap(), producer);
        }
        let batch = LastBatch { position: Position::new(99).unwrap(), crc: 5 };
        let txns =
            vec![(offset(0), TxnSum { entries: 3, crc: 77 }), (offset(20), TxnSum { entries: 1, crc: 0 })];
        StateFile {
            offset: offset(31),
            evidence: Some(Evidence { segment: offset(0), batch }),
            producers,
            txns,
        }
    }

    #[test]
    fn a_state_reads_as_it_was_written() {
        assert_eq!(decode(&encode(&state())), Ok(Some(state())));
    }

    #[test]
    fn files_of_the_versions_before_are_read_and_the_first_has_no_sums() {
        let as_version = |version: u32, mut bytes: Vec<u8>| {
            bytes[8..12].copy_from_slice(&version.to_be_bytes());
            let crc = crc32c::crc32c(&bytes[CHECKED_FROM..]);
            bytes[12..16].copy_from_slice(&crc.to_be_bytes());
            bytes
        };
        assert_eq!(decode(&as_version(OLD_VERSION, encode(&state()))), Ok(Some(state())));
        let mut oldest = encode(&StateFile { txns: Vec::new(), ..state() });
        oldest.truncate(oldest.len() - 4);
        let expected = StateFile { txns: Vec::new(), ..state() };
        assert_eq!(decode(&as_version(OLDEST_VERSION, oldest)), Ok(Some(expected)));
    }

    #[test]
    fn a_later_version_is_told_from_a_damaged_file() {
        let mut later = encode(&state());
        later[8..12].copy_from_slice(&4_u32.to_be_bytes());
        assert_eq!(decode(&later), Ok(None), "the checksum is not that of version 4");
        let crc = sealed_crc(&later);
        later[12..16].copy_from_slice(&crc.to_be_bytes());
        assert_eq!(decode(&later), Err(Newer { found: 4, known: VERSION }));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_voids_the_file() {
        let good = encode(&state());
        for bit in 0..good.len() * 8 {
            let mut bad = good.clone();
            bad[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode(&bad), Ok(None), "bit {bit}");
        }
        for len in 0..good.len() {
            assert_eq!(decode(&good[..len]), Ok(None), "length {len}");
        }
    }
}
