//! Batches from brokers, and the records in them.
//!
//! ```text
//!  poll: leaders of all partitions -> one Fetch to each, all under way at once -> batches in order -> records
//! ```
//!
//! # Invariants
//!
//! * A position moves past a batch only after its records were shown, and past control batches and holes too: nothing
//!   is fetched twice, and compaction cannot make it stand still.
//! * What a batch opens to is bounded ([`FetcherConfig::max_open`]).
//! * A partition with a problem does not keep the others from being read.

use crate::client::{Client, Node};
use crate::error::{ClientError, known};
use crate::partition::TopicPartition;
use bytes::Bytes;
use kafka_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_wire::messages::fetch_response::PartitionData;
use kafka_wire::messages::{FetchRequest, FetchResponse};
use kafka_wire::{ApiKey, ErrorCode, Payload};
use log_engine::TimestampType;
use log_engine::format::CorruptReason;
use log_engine::format::batch::BatchView;
use log_engine::format::build::read_marker;
use log_engine::format::record::Record;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

/// Which records are shown.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Isolation {
    /// All.
    #[default]
    ReadUncommitted,
    /// Those of no transaction, or of one that was committed.
    ReadCommitted,
}

impl Isolation {
    pub(crate) const fn to_raw(self) -> i8 {
        match self {
            Self::ReadUncommitted => 0,
            Self::ReadCommitted => 1,
        }
    }
}

/// How a fetcher asks.
#[derive(Clone, Debug)]
pub struct FetcherConfig {
    /// How long a broker waits for `min_bytes`.
    pub max_wait: Duration,
    /// With how many bytes it answers at once.
    pub min_bytes: i32,
    /// About how many bytes it answers at most.
    pub max_bytes: i32,
    /// The same for one partition.
    pub partition_max_bytes: i32,
    /// Which records are shown.
    pub isolation: Isolation,
    /// Whether checksums are checked.
    pub check_crcs: bool,
    /// The most bytes a compressed batch may open to.
    pub max_open: usize,
}

impl Default for FetcherConfig {
    fn default() -> Self {
        Self {
            max_wait: Duration::from_millis(500),
            min_bytes: 1,
            max_bytes: 50 << 20,
            partition_max_bytes: 1 << 20,
            isolation: Isolation::default(),
            check_crcs: true,
            max_open: 256 << 20,
        }
    }
}

/// A record with its own bytes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FetchedRecord {
    /// Where in the partition.
    pub offset: i64,
    /// Its time, ms; `None` if it has none.
    pub timestamp: Option<i64>,
    /// Whether that is the broker's clock, not the producer's.
    pub log_append_time: bool,
    /// The leadership that wrote it.
    pub leader_epoch: Option<i32>,
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// Names and values beside it.
    pub headers: Vec<(Bytes, Option<Bytes>)>,
}

/// What one poll brought for one partition.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Fetched {
    /// The records of each partition that had any.
    pub records: Vec<(TopicPartition, Vec<FetchedRecord>)>,
    /// Partitions that could not be read, and why.
    pub problems: Vec<PartitionProblem>,
}

/// A partition that could not be read.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PartitionProblem {
    /// Which.
    pub at: TopicPartition,
    /// What the broker says; `OFFSET_OUT_OF_RANGE` asks for another position.
    pub code: ErrorCode,
    /// Where it was tried.
    pub offset: i64,
}

/// What a record's batch says about it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BatchFacts {
    /// Whether the times are the broker's.
    pub log_append_time: bool,
    /// The leadership that wrote it.
    pub leader_epoch: Option<i32>,
}

/// The end of a partition, as the last answer told it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Ends {
    /// What may be read.
    pub high_watermark: i64,
    /// What may be read of committed transactions.
    pub last_stable: Option<i64>,
    /// Where the log begins.
    pub log_start: Option<i64>,
}

/// Reads partitions from positions on.
#[derive(Debug)]
pub struct Fetcher {
    config: FetcherConfig,
    positions: BTreeMap<TopicPartition, i64>,
    ends: BTreeMap<TopicPartition, Ends>,
    /// Bytes of records that were fetched.
    bytes: u64,
}

impl Fetcher {
    /// One that reads nothing yet.
    #[must_use]
    pub fn new(config: FetcherConfig) -> Self {
        Self { config, positions: BTreeMap::new(), ends: BTreeMap::new(), bytes: 0 }
    }

    /// Reads a partition from `offset` on.
    pub fn assign(&mut self, at: TopicPartition, offset: i64) {
        self.positions.insert(at, offset);
    }

    /// Reads a partition no more.
    pub fn unassign(&mut self, at: &TopicPartition) {
        self.positions.remove(at);
        self.ends.remove(at);
    }

    /// Reads nothing any more.
    pub fn clear(&mut self) {
        self.positions.clear();
        self.ends.clear();
    }

    /// The next offset of each partition.
    #[must_use]
    pub fn positions(&self) -> &BTreeMap<TopicPartition, i64> {
        &self.positions
    }

    /// Where a partition ended at the last poll that told of it.
    #[must_use]
    pub fn ends(&self, at: &TopicPartition) -> Option<Ends> {
        self.ends.get(at).copied()
    }

    /// Bytes of batches that were fetched so far.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// How it asks.
    pub fn config_mut(&mut self) -> &mut FetcherConfig {
        &mut self.config
    }

    /// Fetches once, and gives the records with bytes of their own.
    ///
    /// # Errors
    ///
    /// If a broker cannot be asked, or records cannot be read.
    pub fn poll(&mut self, client: &mut Client) -> Result<Fetched, ClientError> {
        let mut records: Vec<(TopicPartition, Vec<FetchedRecord>)> = Vec::new();
        let problems = self.poll_each(client, &mut |at, facts, record| {
            let own = owned(facts, record);
            match records.last_mut() {
                Some((last, list)) if last == at => list.push(own),
                _ => records.push((at.clone(), vec![own])),
            }
        })?;
        Ok(Fetched { records, problems })
    }

    /// Fetches once, and shows the records without copying them.
    ///
    /// # Errors
    ///
    /// As [`Fetcher::poll`].
    pub fn poll_each(
        &mut self,
        client: &mut Client,
        see: &mut dyn FnMut(&TopicPartition, BatchFacts, &Record<'_>),
    ) -> Result<Vec<PartitionProblem>, ClientError> {
        let wanted: Vec<_> = self.positions.iter().map(|(at, offset)| (at.clone(), *offset)).collect();
        if wanted.is_empty() {
            std::thread::sleep(self.config.max_wait);
            return Ok(Vec::new());
        }
        let timeout = client.config().request_timeout + self.config.max_wait;
        let mut under_way = Vec::new();
        for (leader, parts) in client.leaders(&wanted)? {
            let node = Node::Broker(leader);
            let version = client.version_for(node, ApiKey::Fetch)?;
            let request = self.request(&parts);
            under_way.push(client.send(node, version, &request)?);
        }
        let mut problems = Vec::new();
        for sent in under_way {
            let answer = client.receive(sent, timeout)?;
            self.take(answer, see, &mut problems)?;
        }
        if problems.iter().any(|problem| is_moved(problem.code)) {
            client.forget_topics();
            problems.retain(|problem| !is_moved(problem.code));
        }
        Ok(problems)
    }

    fn request(&self, parts: &[(TopicPartition, i64)]) -> FetchRequest {
        let mut topics: BTreeMap<&str, Vec<FetchPartition>> = BTreeMap::new();
        for (at, offset) in parts {
            let partition = FetchPartition {
                partition: at.partition,
                fetch_offset: *offset,
                partition_max_bytes: self.config.partition_max_bytes,
                ..Default::default()
            };
            topics.entry(&at.topic).or_default().push(partition);
        }
        let topic = |(name, partitions): (&str, Vec<_>)| FetchTopic {
            topic: name.to_owned(),
            partitions,
            ..Default::default()
        };
        FetchRequest {
            max_wait_ms: i32::try_from(self.config.max_wait.as_millis()).unwrap_or(i32::MAX),
            min_bytes: self.config.min_bytes,
            max_bytes: self.config.max_bytes,
            isolation_level: self.config.isolation.to_raw(),
            topics: topics.into_iter().map(topic).collect(),
            ..Default::default()
        }
    }

    fn take(
        &mut self,
        answer: FetchResponse,
        see: &mut dyn FnMut(&TopicPartition, BatchFacts, &Record<'_>),
        problems: &mut Vec<PartitionProblem>,
    ) -> Result<(), ClientError> {
        ClientError::check("fetching", answer.error_code, None)?;
        for topic in answer.responses {
            for data in topic.partitions {
                let at = TopicPartition::new(topic.topic.clone(), data.partition_index);
                // Only what was asked for is taken.
                let Some(position) = self.positions.get(&at).copied() else { continue };
                match known(data.error_code) {
                    ErrorCode::None => {}
                    code => {
                        problems.push(PartitionProblem { at, code, offset: position });
                        continue;
                    }
                }
                let ends = Ends {
                    high_watermark: data.high_watermark,
                    last_stable: data.last_stable_offset,
                    log_start: data.log_start_offset,
                };
                self.ends.insert(at.clone(), ends);
                let end = self.show(&at, position, data, see)?;
                self.positions.insert(at, end);
            }
        }
        Ok(())
    }

    /// Shows the records of one partition; where to read on.
    fn show(
        &mut self,
        at: &TopicPartition,
        position: i64,
        data: PartitionData,
        see: &mut dyn FnMut(&TopicPartition, BatchFacts, &Record<'_>),
    ) -> Result<i64, ClientError> {
        let Payload::Bytes(bytes) = data.records else { return Ok(position) };
        self.bytes += u64::try_from(bytes.len()).unwrap_or_default();
        let mut aborted = match self.config.isolation {
            Isolation::ReadUncommitted => Aborted::default(),
            Isolation::ReadCommitted => Aborted::new(&data.aborted_transactions.unwrap_or_default()),
        };
        let bad = |offset: i64, problem: String| ClientError::Records {
            topic: at.topic.clone(),
            partition: at.partition,
            offset,
            problem,
        };
        let (mut rest, mut position) = (&bytes[..], position);
        while !rest.is_empty() {
            let batch = match BatchView::parse(rest) {
                Ok(batch) => batch,
                // The last one may be cut: it comes again.
                Err(CorruptReason::Torn { .. }) if rest.len() < bytes.len() => break,
                Err(reason) => return Err(bad(position, reason.to_string())),
            };
            rest = &rest[batch.len()..];
            if batch.next_offset().get() <= position {
                continue;
            }
            self.show_batch(at, position, &batch, &mut aborted, see)
                .map_err(|reason| bad(batch.base_offset().get(), reason.to_string()))?;
            position = batch.next_offset().get();
        }
        Ok(position)
    }

    fn show_batch(
        &self,
        at: &TopicPartition,
        position: i64,
        batch: &BatchView<'_>,
        aborted: &mut Aborted,
        see: &mut dyn FnMut(&TopicPartition, BatchFacts, &Record<'_>),
    ) -> Result<(), CorruptReason> {
        if self.config.check_crcs {
            batch.check_crc()?;
        }
        if aborted.hides(batch, self.config.max_open)? || batch.attributes().is_control() {
            return Ok(());
        }
        let facts = BatchFacts {
            log_append_time: batch.attributes().timestamp_type() == TimestampType::LogAppendTime,
            leader_epoch: batch.leader_epoch().map(log_engine::LeaderEpoch::get),
        };
        for record in &batch.records(self.config.max_open)? {
            let record = record?;
            if record.offset.get() >= position {
                see(at, facts, &record);
            }
        }
        Ok(())
    }
}

/// Transactions of an answer that were aborted.
#[derive(Debug, Default)]
struct Aborted {
    /// Those that begin further on: first offset and producer, the next one last.
    coming: Vec<(i64, i64)>,
    /// Producers in whose aborted transaction the walk is.
    open: BTreeSet<i64>,
}

impl Aborted {
    fn new(list: &[kafka_wire::messages::fetch_response::AbortedTransaction]) -> Self {
        let mut coming: Vec<_> =
            list.iter().map(|aborted| (aborted.first_offset, aborted.producer_id)).collect();
        coming.sort_unstable_by(|a, b| b.cmp(a));
        Self { coming, open: BTreeSet::new() }
    }

    /// Whether a batch belongs to an aborted transaction; moves on.
    fn hides(&mut self, batch: &BatchView<'_>, cap: usize) -> Result<bool, CorruptReason> {
        if self.coming.is_empty() && self.open.is_empty() {
            return Ok(false);
        }
        while self.coming.last().is_some_and(|(first, _)| *first <= batch.last_offset().get()) {
            self.open.extend(self.coming.pop().map(|(_, producer)| producer));
        }
        let Some(producer) = batch.producer().map(|stamp| stamp.id.get()) else { return Ok(false) };
        if batch.attributes().is_control() {
            for record in &batch.records(cap)? {
                if matches!(read_marker(&record?), Some((false, _))) {
                    self.open.remove(&producer);
                }
            }
            return Ok(false);
        }
        Ok(batch.attributes().is_transactional() && self.open.contains(&producer))
    }
}

fn owned(facts: BatchFacts, record: &Record<'_>) -> FetchedRecord {
    let header = |header: log_engine::format::record::Header<'_>| {
        (Bytes::copy_from_slice(header.key), header.value.map(Bytes::copy_from_slice))
    };
    FetchedRecord {
        offset: record.offset.get(),
        timestamp: record.timestamp.map(log_engine::Timestamp::as_millis),
        log_append_time: facts.log_append_time,
        leader_epoch: facts.leader_epoch,
        key: record.key.map(Bytes::copy_from_slice),
        value: record.value.map(Bytes::copy_from_slice),
        headers: record.headers.into_iter().map(header).collect(),
    }
}

/// Whether the partition is led by somebody else now.
fn is_moved(code: ErrorCode) -> bool {
    matches!(
        code,
        ErrorCode::NotLeaderOrFollower
            | ErrorCode::LeaderNotAvailable
            | ErrorCode::FencedLeaderEpoch
            | ErrorCode::UnknownLeaderEpoch
            | ErrorCode::ReplicaNotAvailable
    )
}

#[cfg(test)]
mod tests;
