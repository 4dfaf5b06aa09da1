//! The small files of a log that only we write, decoded for a person to read. Kafka's are in [`crate::format`].

use crate::log::compact::point;
use crate::log::{mark, producer_file};
use crate::types::{LeaderEpoch, Offset, Position, ProducerEpoch, ProducerId, Sequence, Timestamp};

/// Name of the synced mark, in a log's directory.
pub const MARK_FILE: &str = mark::FILE_NAME;
/// Name of our producer state, in a log's directory.
pub const PRODUCER_FILE: &str = producer_file::FILE_NAME;
/// Name of our note of how far a log is compacted, in its directory.
pub const POINT_FILE: &str = point::FILE_NAME;
/// Name of Kafka's list of leader epochs, in a log's directory.
pub const EPOCH_FILE: &str = crate::log::epochs::FILE_NAME;

/// One slot of a synced mark: how far the log was on the disk, by whoever wrote it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MarkSlot {
    /// Counts the writes; the greater one counts.
    pub generation: u64,
    /// Counts how often the log was cut.
    pub truncations: u64,
    /// Base offset of the segment it lies in.
    pub segment: Offset,
    /// Where in it: everything before was synced.
    pub position: Position,
    /// The offset of the record that begins there.
    pub next_offset: Offset,
    /// The log start offset.
    pub log_start: Offset,
    /// Inode of the segment's file.
    pub inode: u64,
    /// Inode of a file that was about to take its place.
    pub heir: Option<u64>,
    /// Position and checksum of the batch that ends at the mark.
    pub last_batch: Option<(Position, u32)>,
}

/// Both slots of a `synced-mark` file; `None` for one that was never written, or is torn.
#[must_use]
pub fn mark(bytes: &[u8]) -> [Option<MarkSlot>; 2] {
    [0, mark::SECOND_SLOT_AT].map(|at| {
        let slot = bytes.get(at..)?.first_chunk()?;
        let (generation, mark) = mark::decode(slot).ok()??;
        Some(MarkSlot {
            generation,
            truncations: mark.truncations,
            segment: mark.segment,
            position: mark.position,
            next_offset: mark.next_offset,
            log_start: mark.log_start,
            inode: mark.file.0,
            heir: mark.heir.map(|heir| heir.0),
            last_batch: mark.last_batch.map(|last| (last.position, last.crc)),
        })
    })
}

/// What a `producer-state` file holds.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProducerState {
    /// It covers everything below.
    pub offset: Offset,
    /// The segment, position and checksum of the batch that ends there: what ties it to the log.
    pub last_batch: Option<(Offset, Position, u32)>,
    /// The producers, in order of their ids.
    pub producers: Vec<KnownProducer>,
}

/// One producer, as we remember it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KnownProducer {
    /// The producer.
    pub id: ProducerId,
    /// Its newest epoch.
    pub epoch: ProducerEpoch,
    /// Epoch of the coordinator that wrote its last marker.
    pub coordinator_epoch: Option<i32>,
    /// First offset of its open transaction.
    pub open_txn: Option<Offset>,
    /// When it last wrote.
    pub last_append: Timestamp,
    /// Its last batches, oldest first: last sequence, first and last offset.
    pub batches: Vec<(Sequence, Offset, Offset)>,
}

/// A `producer-state` file; `None` if it is not as we write it.
#[must_use]
pub fn producer_state(bytes: &[u8]) -> Option<ProducerState> {
    let state = producer_file::decode(bytes).ok()??;
    let producers = state.producers.sorted().into_iter().map(|(id, known)| KnownProducer {
        id,
        epoch: known.epoch,
        coordinator_epoch: known.coordinator_epoch,
        open_txn: known.open_txn,
        last_append: known.last_append,
        batches: known.batches.iter().map(|b| (b.last_sequence, b.first_offset(), b.last_offset)).collect(),
    });
    let last_batch = state.evidence.map(|e| (e.segment, e.batch.position, e.batch.crc));
    Some(ProducerState { offset: state.offset, last_batch, producers: producers.collect() })
}

/// What a `compaction-point` file says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CompactionPoint {
    /// The log is compacted below it.
    pub offset: Offset,
    /// Base offsets of segments, rising: one that is not there, between two that are, is missing. Version 0 lists none.
    pub segments: Vec<Offset>,
}

/// A `compaction-point` file. `None` if it is not as we write it.
#[must_use]
pub fn compaction_point(bytes: &[u8]) -> Option<CompactionPoint> {
    let point = point::decode(bytes).ok()??;
    Some(CompactionPoint { offset: point.offset, segments: point.segments })
}

/// A `leader-epoch-checkpoint`, if its lines rise.
///
/// # Errors
///
/// [`CorruptReason`](crate::CorruptReason).
pub fn epochs(bytes: &[u8]) -> Result<Vec<(LeaderEpoch, Offset)>, crate::CorruptReason> {
    let lines = crate::format::checkpoint::read_epochs(bytes)?;
    let lines: Vec<_> = lines.into_iter().map(|line| (line.epoch, line.start)).collect();
    if crate::log::epochs::Epochs::new(lines.clone()).is_none() {
        return Err(crate::CorruptReason::Structure("the epochs and their offsets do not rise".to_owned()));
    }
    Ok(lines)
}
