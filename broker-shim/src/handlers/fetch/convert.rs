//! Records for clients from before the present format: read whole and written anew.
//!
//! # Invariants
//!
//! * An answer has at most [`MAX_CONVERTED`] bytes of converted records, and the first entry beyond.
//! * All answers together have no more than `BrokerState::conversions`: a client that does not read what it asked
//!   for holds a [`Room`], and who finds none for [`PATIENCE`] is answered without records and asks again.

use super::super::{RequestContext, errors};
use super::WHOLE_BATCH_SINCE;
use super::read::Collected;
use crate::broker::BrokerState;
use crate::config::TopicSettings;
use crate::convert::{DownRules, OldMagic, down_convert};
use crate::metadata::Topic;
use crate::net::FileSlice;
use bytes::{Bytes, BytesMut};
use kafka_wire::messages::FetchRequest;
use kafka_wire::messages::fetch_request::FetchPartition;
use kafka_wire::{ErrorCode, Payload};
use log_engine::config::LogConfig;
use log_engine::log::{Log, ReadLimits};
use log_engine::types::Offset;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

/// Bytes of an answer with converted records.
pub(super) const MAX_CONVERTED: usize = 8 << 20;
/// How long an answer waits for others to be read.
const PATIENCE: Duration = Duration::from_secs(1);

/// The right to have converted records in memory; held by them, given back when they are written.
pub(super) struct Room(OwnedSemaphorePermit);

impl Room {
    /// Room for one answer, `None` if others held all of it for too long.
    pub(super) async fn take(conversions: &Arc<Semaphore>) -> Option<Self> {
        let bytes = u32::try_from(MAX_CONVERTED).ok()?;
        let permit = Arc::clone(conversions).acquire_many_owned(bytes);
        timeout(PATIENCE, permit).await.ok()?.ok().map(Self)
    }

    /// Keeps what `bytes` need and gives back the rest.
    fn shrink(&mut self, bytes: usize) {
        drop(self.0.split(self.0.num_permits().saturating_sub(bytes)));
    }
}

/// Converted records with their right to be there.
struct Held {
    bytes: Bytes,
    _room: Arc<Room>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Empties the answer: there is something to read, but no room to convert it now.
pub(super) fn to_nothing(collected: &mut Collected) {
    collected.files.clear();
    for partition in collected.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        partition.records = Payload::Bytes(Bytes::new());
    }
}

/// The first version with message format 1.
const MAGIC_1_SINCE: i16 = 2;

/// Replaces the gaps of the answer by converted records. An error is its partition's.
pub(super) fn to_old_format(
    state: &BrokerState,
    cx: &RequestContext,
    request: &FetchRequest,
    collected: &mut Collected,
    mut room: Room,
) {
    let mut total = 0;
    for (asked, topic) in request.topics.iter().zip(&mut collected.topics) {
        let found = state.catalog.topic(&asked.topic);
        let allowed = found.as_ref().is_none_or(|topic| is_allowed(state, topic));
        for (asked, partition) in asked.partitions.iter().zip(&mut topic.partitions) {
            let Payload::Gap { slot, .. } = partition.records else { continue };
            let slot = usize::try_from(slot).unwrap_or(usize::MAX);
            let slices = collected.files.get_mut(slot).map(std::mem::take).unwrap_or_default();
            let log = found.as_ref().and_then(|topic| topic.partition(asked.partition).ok());
            let converted =
                if allowed { convert(cx, asked, log, slices) } else { Err(ErrorCode::UnsupportedVersion) };
            let records = converted.unwrap_or_else(|code| {
                partition.error_code = errors::in_version(code, cx.key, cx.version).into();
                partition.high_watermark = -1;
                Bytes::new()
            });
            total += records.len();
            partition.records = Payload::Bytes(records);
        }
    }
    room.shrink(total);
    let room = Arc::new(room);
    for partition in collected.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        if let Payload::Bytes(bytes) = &mut partition.records {
            let held = Held { bytes: std::mem::take(bytes), _room: Arc::clone(&room) };
            *bytes = Bytes::from_owner(held);
        }
    }
}

fn is_allowed(state: &BrokerState, topic: &Topic) -> bool {
    TopicSettings::new(&state.catalog.config(), &topic.overrides).switch("message.downconversion.enable")
}

/// Converts a range; where it converts to nothing (markers only), the ranges behind it, because the client cannot know
/// that it should read on.
fn convert(
    cx: &RequestContext,
    asked: &FetchPartition,
    log: Option<&Arc<Log>>,
    mut slices: Vec<FileSlice>,
) -> Result<Bytes, ErrorCode> {
    let asked_bytes = usize::try_from(asked.partition_max_bytes).unwrap_or(0);
    let rules = DownRules {
        magic: if cx.version < MAGIC_1_SINCE { OldMagic::V0 } else { OldMagic::V1 },
        from: Offset::new(asked.fetch_offset).unwrap_or_default(),
        max_bytes: asked_bytes.min(MAX_CONVERTED),
        // Cut below that version, but where the client says.
        first_whole: true,
        decompressed_cap: LogConfig::default().decompressed_cap(),
    };
    loop {
        let batches = contiguous(&slices).map_err(|_| ErrorCode::KafkaStorageError)?;
        let converted = down_convert(&batches, &rules);
        if !slices.iter().all(FileSlice::intact) {
            return Err(ErrorCode::KafkaStorageError);
        }
        let converted = converted.map_err(|e| errors::of_conversion(&e))?;
        let (Some(log), Some(next), true) = (log, converted.next_offset, converted.bytes.is_empty()) else {
            let mut bytes: Bytes = converted.bytes.into();
            if cx.version < WHOLE_BATCH_SINCE {
                bytes.truncate(asked_bytes);
            }
            return Ok(bytes);
        };
        slices = log.read(next, ReadLimits::default()).map_err(|e| errors::of_log(&e))?.slices;
        if slices.is_empty() {
            return Ok(Bytes::new());
        }
    }
}

fn contiguous(slices: &[FileSlice]) -> std::io::Result<Bytes> {
    if let [only] = slices {
        return only.bytes();
    }
    let mut all = BytesMut::with_capacity(slices.iter().map(FileSlice::len).sum());
    for slice in slices {
        all.extend_from_slice(&slice.bytes()?);
    }
    Ok(all.freeze())
}
