//! What the partitions of a fetch hold now.

use super::super::list_offsets::READ_COMMITTED;
use super::super::{RequestContext, errors, topics};
use super::convert::MAX_CONVERTED;
use super::{IDS_SINCE, NO_CONVERSION_SINCE, WHOLE_BATCH_SINCE, ZSTD_SINCE};
use crate::broker::BrokerState;
use crate::metadata::Topic;
use crate::net::{FileSlice, MAX_SENDFILE};
use bytes::Bytes;
use kafka_wire::messages::FetchRequest;
use kafka_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_wire::messages::fetch_response::{EpochEndOffset, FetchableTopicResponse, PartitionData};
use kafka_wire::{ErrorCode, Payload};
use log_engine::error::LogError;
use log_engine::format::batch::{ATTRIBUTES_AT, Codec};
use log_engine::log::{Log, ReadLimits, ReadSlices};
use log_engine::types::{LeaderEpoch, Offset};
use std::sync::Arc;

/// The answer as far as it is known.
#[derive(Default)]
pub(super) struct Collected {
    /// In the order of the request. Record data are gaps.
    pub(super) topics: Vec<FetchableTopicResponse>,
    /// What fills gap `n`.
    pub(super) files: Vec<Vec<FileSlice>>,
    /// The logs that were read without an error, with the end each had before it was read.
    logs: Vec<(Arc<Log>, Offset)>,
    /// Bytes of records.
    bytes: usize,
    /// Something must be told at once.
    urgent: bool,
}

impl Collected {
    /// Whether there is nothing to wait for.
    pub(super) fn is_enough(&self, request: &FetchRequest) -> bool {
        let min = usize::try_from(request.min_bytes).unwrap_or(0);
        self.urgent || self.bytes >= min || self.logs.is_empty()
    }

    /// The logs to watch, each with the end from which on it has grown.
    pub(super) fn into_logs(self) -> impl Iterator<Item = (Arc<Log>, Offset)> {
        self.logs.into_iter()
    }
}

/// Reads all partitions of a request, in its order, until its limit is spent. Checks what an older run wrote and nobody
/// has checked yet. Waits for the disk, so that who sends the beginnings of the ranges does not.
pub(super) fn collect(state: &BrokerState, cx: &RequestContext, request: &FetchRequest) -> Collected {
    let mut reading = Reading::new(state, cx, request, false);
    for topic in &request.topics {
        reading.topic(topic);
    }
    // What cannot be loaded fails again when it is sent.
    for slice in reading.collected.files.iter().flatten() {
        if !slice.is_cached(0, MAX_SENDFILE) {
            let _ = slice.load(0, MAX_SENDFILE);
        }
    }
    reading.collected
}

/// The same without waiting for the disk or checking; `None` if that cannot be done.
pub(super) fn collect_cached(
    state: &BrokerState,
    cx: &RequestContext,
    request: &FetchRequest,
) -> Option<Collected> {
    let mut reading = Reading::new(state, cx, request, true);
    for topic in &request.topics {
        reading.topic(topic);
        if reading.met_cold {
            return None;
        }
    }
    Some(reading.collected)
}

struct Reading<'a> {
    state: &'a BrokerState,
    cx: &'a RequestContext,
    request: &'a FetchRequest,
    /// Bytes that the whole answer may have.
    limit: usize,
    /// Read nothing that would wait for the disk or must be checked.
    only_cached: bool,
    /// There was such a thing.
    met_cold: bool,
    collected: Collected,
}

impl<'a> Reading<'a> {
    fn new(
        state: &'a BrokerState,
        cx: &'a RequestContext,
        request: &'a FetchRequest,
        only_cached: bool,
    ) -> Self {
        let mut limit =
            usize::try_from(request.max_bytes).unwrap_or(0).min(state.config.network.fetch_max_bytes);
        if cx.version < NO_CONVERSION_SINCE {
            limit = limit.min(MAX_CONVERTED);
        }
        Self { state, cx, request, limit, only_cached, met_cold: false, collected: Collected::default() }
    }

    fn topic(&mut self, asked: &FetchTopic) {
        let found = topics::find(self.state, self.cx, IDS_SINCE, &asked.topic, asked.topic_id);
        let mut partitions = Vec::with_capacity(asked.partitions.len());
        for partition in &asked.partitions {
            let read = match &found {
                Ok(topic) => self.partition(topic, partition),
                Err(code) => Err(*code),
            };
            partitions.push(read.unwrap_or_else(|code| {
                self.collected.urgent = true;
                self.error(partition, code)
            }));
        }
        let topic =
            FetchableTopicResponse { topic: asked.topic.clone(), topic_id: asked.topic_id, partitions };
        self.collected.topics.push(topic);
    }

    fn error(&self, asked: &FetchPartition, code: ErrorCode) -> PartitionData {
        PartitionData {
            partition_index: asked.partition,
            error_code: errors::in_version(code, self.cx.key, self.cx.version).into(),
            high_watermark: -1,
            records: Payload::Bytes(Bytes::new()),
            ..PartitionData::default()
        }
    }

    fn partition(&mut self, topic: &Topic, asked: &FetchPartition) -> Result<PartitionData, ErrorCode> {
        let log = topics::partition(topic, asked.partition)?;
        // Any negative number is no epoch here; in other APIs it is an old one.
        topics::check_epoch(log, asked.current_leader_epoch.filter(|epoch| *epoch >= 0))?;
        let from = Offset::new(asked.fetch_offset).ok_or(ErrorCode::OffsetOutOfRange)?;
        // Before the read: growth after this is seen by whoever waits.
        let end_before = log.end_offset();
        if let Some(diverging_epoch) = diverges(log, asked, from) {
            self.collected.urgent = true;
            return Ok(PartitionData { diverging_epoch, ..self.frame(log, asked) });
        }
        let limits = self.limits(log, asked);
        if self.only_cached && !log.is_cached(from, limits.max_bytes) {
            self.met_cold = true;
            return Ok(PartitionData::default());
        }
        let read = if self.only_cached { log.read_unverified(from, limits) } else { log.read(from, limits) };
        let read = read.map_err(|e| self.failed(topic, asked, &e))?;
        if self.only_cached && !read.is_verified() {
            self.met_cold = true;
            return Ok(PartitionData::default());
        }
        self.check_codec(&read)?;
        self.collected.logs.push((Arc::clone(log), end_before));
        let records = self.gap(read.slices);
        Ok(PartitionData { records, ..self.frame(log, asked) })
    }

    /// Everything of a partition's answer but its records.
    fn frame(&self, log: &Log, asked: &FetchPartition) -> PartitionData {
        PartitionData {
            partition_index: asked.partition,
            error_code: ErrorCode::None.into(),
            high_watermark: log.end_offset().get(),
            last_stable_offset: Some(log.last_stable_offset().get()),
            log_start_offset: Some(log.start_offset().get()),
            // Nobody aborts anything yet; null says that nobody asked.
            aborted_transactions: self.is_committed_only().then(Vec::new),
            records: Payload::Bytes(Bytes::new()),
            ..PartitionData::default()
        }
    }

    fn is_committed_only(&self) -> bool {
        self.request.isolation_level == READ_COMMITTED
    }

    fn limits(&self, log: &Log, asked: &FetchPartition) -> ReadLimits {
        let of_partition = usize::try_from(asked.partition_max_bytes).unwrap_or(0);
        ReadLimits {
            max_bytes: of_partition.min(self.limit.saturating_sub(self.collected.bytes)),
            // Below that version the limit cuts (after conversion): each partition has its own beginning to cut.
            at_least_one: self.collected.bytes == 0
                || (self.cx.version < WHOLE_BATCH_SINCE && self.collected.bytes < self.limit),
            up_to: self.is_committed_only().then(|| log.last_stable_offset()),
        }
    }

    /// Puts slices into the answer as a gap.
    fn gap(&mut self, slices: Vec<FileSlice>) -> Payload {
        let bytes: usize = slices.iter().map(FileSlice::len).sum();
        let (Ok(slot), Ok(len)) = (u32::try_from(self.collected.files.len()), u32::try_from(bytes)) else {
            return Payload::Bytes(Bytes::new());
        };
        if bytes == 0 {
            return Payload::Bytes(Bytes::new());
        }
        self.collected.bytes += bytes;
        self.collected.files.push(slices);
        Payload::Gap { slot, len }
    }

    /// Old clients do not know zstd.
    fn check_codec(&self, read: &ReadSlices) -> Result<(), ErrorCode> {
        if self.cx.version >= ZSTD_SINCE {
            return Ok(());
        }
        for slice in &read.slices {
            let bytes = slice.bytes().map_err(|_| ErrorCode::KafkaStorageError)?;
            let has_zstd = has_zstd(&bytes);
            if !slice.intact() {
                return Err(ErrorCode::KafkaStorageError);
            }
            if has_zstd {
                return Err(ErrorCode::UnsupportedCompressionType);
            }
        }
        Ok(())
    }

    fn failed(&self, topic: &Topic, asked: &FetchPartition, error: &LogError) -> ErrorCode {
        if !matches!(error, LogError::OffsetOutOfRange { .. } | LogError::Closed) {
            let what = "a log cannot be read";
            self.state.tell_trouble(topic.name.as_str(), asked.partition, what, error);
        }
        errors::of_log(error)
    }
}

/// Whether what the client has is of another history; only clients that name the epoch they read last are told.
fn diverges(log: &Log, asked: &FetchPartition, from: Offset) -> Option<EpochEndOffset> {
    let last = LeaderEpoch::new(asked.last_fetched_epoch?)?;
    let (epoch, end) = log.end_offset_for_epoch(last)?;
    let diverging = epoch < last || end < from;
    diverging.then(|| EpochEndOffset { epoch: Some(epoch.get()), end_offset: Some(end.get()) })
}

/// Whether a batch of the range is compressed with zstd: a walk over the headers.
fn has_zstd(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    while let Some(attributes) = rest.get(ATTRIBUTES_AT + 1) {
        if attributes & 7 == Codec::Zstd.id() {
            return true;
        }
        let length = rest.get(8..12).and_then(|field| field.try_into().ok()).map_or(0, u32::from_be_bytes);
        let next = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(12);
        rest = rest.get(next..).unwrap_or_default();
    }
    false
}
