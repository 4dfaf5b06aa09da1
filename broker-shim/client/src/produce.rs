//! Records into batches, batches to the leaders of their partitions.
//!
//! ```text
//!  send -> open batch of its partition -> full, or old enough: waiting -> one request a leader, several under way
//!       -> answered: a delivery | refused for now: waiting again, in its old place | refused: a failed delivery
//! ```
//!
//! # Invariants
//!
//! * The records of a partition arrive in the order in which they were sent. With [`ProducerConfig::idempotent`] each
//!   batch has a number and the broker sorts out repeats; without, a partition has one batch under way at a time.
//! * Every record that was sent is in exactly one [`Delivery`], failed or not, when [`Producer::flush`] returns.

use crate::client::{Client, Node, Sent};
use crate::error::{ClientError, known};
use crate::partition::{Partitioner, TopicPartition};
use bytes::Bytes;
use kafka_wire::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_wire::messages::produce_response::PartitionProduceResponse;
use kafka_wire::messages::{InitProducerIdRequest, ProduceRequest};
use kafka_wire::{ApiKey, ErrorCode};
use log_engine::format::batch::BatchView;
use log_engine::format::build::BatchBuilder;
use log_engine::{Codec, ProducerEpoch, ProducerId, ProducerStamp, Sequence, Timestamp};
use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The pause before a refused batch is sent again.
const PAUSE: Duration = Duration::from_millis(50);
/// Bytes that a record has beside its key and value, at most, without headers.
const RECORD_OVERHEAD: usize = 36;

/// How a producer works.
#[derive(Clone, Debug)]
pub struct ProducerConfig {
    /// -1: answered when the record is safe, 1: when the leader has it, 0: not at all.
    pub acks: i16,
    /// How batches are compressed.
    pub codec: Codec,
    /// A batch of about this many bytes leaves.
    pub batch_size: usize,
    /// A batch of this age leaves; zero: whenever nothing else is under way.
    pub linger: Duration,
    /// About the most bytes of one request.
    pub max_request: usize,
    /// How many requests may be under way.
    pub max_in_flight: usize,
    /// How long the broker may wait for replicas.
    pub request_timeout: Duration,
    /// How long a batch is tried.
    pub delivery_timeout: Duration,
    /// How often a batch is tried again.
    pub retries: u32,
    /// Whether the broker is to sort out repeats; needs `acks` -1.
    pub idempotent: bool,
}

impl Default for ProducerConfig {
    fn default() -> Self {
        Self {
            acks: -1,
            codec: Codec::None,
            batch_size: 16 << 10,
            linger: Duration::ZERO,
            max_request: 1 << 20,
            max_in_flight: 5,
            request_timeout: Duration::from_secs(30),
            delivery_timeout: Duration::from_secs(120),
            retries: u32::MAX,
            idempotent: true,
        }
    }
}

/// A record to be sent.
#[derive(Clone, Copy, Debug, Default)]
pub struct NewRecord<'a> {
    /// To which topic.
    pub topic: &'a str,
    /// To which partition; `None`: by the key.
    pub partition: Option<i32>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: Option<&'a [u8]>,
    /// Names and values beside it.
    pub headers: &'a [(&'a str, Option<&'a [u8]>)],
    /// Its time, ms; `None`: now.
    pub timestamp: Option<i64>,
    /// Given back with the delivery: a line's number, the time of sending.
    pub tag: u64,
}

/// What became of one batch.
#[derive(Debug)]
pub struct Delivery {
    /// Where to.
    pub at: TopicPartition,
    /// The offset of its first record (`None` without acknowledgement), or why it did not arrive.
    pub result: Result<Option<i64>, ClientError>,
    /// The tags of its records, in order.
    pub tags: Vec<u64>,
    /// Its bytes as sent.
    pub bytes: usize,
}

/// See the module.
#[derive(Debug)]
pub struct Producer {
    config: ProducerConfig,
    partitioner: Partitioner,
    identity: Option<Identity>,
    /// A batch with a number failed for good: the broker waits for that number, so that we need a new name.
    identity_spent: bool,
    topics: BTreeMap<String, Vec<Lane>>,
    in_flight: VecDeque<Flight>,
    deliveries: Vec<Delivery>,
    /// Batches that wait in some lane.
    waiting: usize,
}

/// What makes repeats known to the broker.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Identity {
    id: ProducerId,
    epoch: ProducerEpoch,
}

/// One partition's records on their way.
#[derive(Debug)]
struct Lane {
    open: Option<Building>,
    waiting: VecDeque<Batch>,
    under_way: usize,
    /// A batch came back: what was sent behind it comes back too, and is waited for.
    came_back: bool,
    sequence: Sequence,
    /// Numbers batches, to put them back where they were.
    next_order: u64,
}

#[derive(Debug)]
struct Building {
    builder: BatchBuilder,
    tags: Vec<u64>,
    since: Instant,
}

#[derive(Debug)]
struct Batch {
    at: TopicPartition,
    order: u64,
    records: Records,
    tags: Vec<u64>,
    since: Instant,
    tries: u32,
}

#[derive(Debug)]
enum Records {
    /// Not numbered yet.
    Open(BatchBuilder),
    /// As they are sent, numbered under a name.
    Ready(Bytes, Option<Identity>),
}

impl Records {
    /// Their bytes, or more before they are compressed.
    fn len(&self) -> usize {
        match self {
            Self::Open(builder) => builder.len(),
            Self::Ready(bytes, _) => bytes.len(),
        }
    }

    /// Numbers them under a name, anew if they were numbered under another.
    fn number(self, identity: Option<Identity>, codec: Codec, next: &mut Sequence) -> Result<Self, String> {
        let mut builder = match self {
            Self::Ready(_, known) if known == identity => return Ok(self),
            Self::Ready(bytes, _) => rebuilt(&bytes)?,
            Self::Open(builder) => builder,
        };
        let count = builder.count();
        builder = builder.codec(codec);
        if let Some(Identity { id, epoch }) = identity {
            builder = builder.producer(ProducerStamp { id, epoch, base_sequence: Some(*next) });
            *next = next.wrapping_add(count);
        }
        let bytes = builder.finish().map_err(|problem| problem.to_string())?;
        Ok(Self::Ready(Bytes::from(bytes), identity))
    }
}

/// The records of a batch of ours in a batch that has no number.
fn rebuilt(bytes: &[u8]) -> Result<BatchBuilder, String> {
    let read = || -> Result<BatchBuilder, log_engine::CorruptReason> {
        let view = BatchView::parse(bytes)?;
        let mut builder = BatchBuilder::with_capacity(bytes.len());
        for (delta, record) in (0..).zip(&view.records(usize::MAX)?) {
            builder.push_record(delta, &record?);
        }
        Ok(builder)
    };
    read().map_err(|reason| reason.to_string())
}

#[derive(Debug)]
struct Flight {
    sent: Sent<ProduceRequest>,
    batches: Vec<Batch>,
}

impl Producer {
    /// One that has sent nothing.
    #[must_use]
    pub fn new(config: ProducerConfig) -> Self {
        Self {
            config,
            partitioner: Partitioner::default(),
            identity: None,
            identity_spent: false,
            topics: BTreeMap::new(),
            in_flight: VecDeque::new(),
            deliveries: Vec::new(),
            waiting: 0,
        }
    }

    /// Puts a record into its batch, and sends batches that are due. Waits if too many requests are under way.
    ///
    /// # Errors
    ///
    /// If the topic does not exist and is not made, or no broker can be reached. What becomes of records that were taken
    /// is in the deliveries.
    pub fn send(&mut self, client: &mut Client, record: &NewRecord<'_>) -> Result<(), ClientError> {
        let partition = self.place(client, record)?;
        let size = record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len) + RECORD_OVERHEAD;
        let capacity = self.config.batch_size;
        let open = &lane(&mut self.topics, record.topic, partition)?.open;
        if open.as_ref().is_some_and(|open| open.builder.len() + size > capacity) {
            self.close(record.topic, partition)?;
        }
        let lane = lane(&mut self.topics, record.topic, partition)?;
        let building = lane.open.get_or_insert_with(|| Building {
            builder: BatchBuilder::with_capacity(capacity.min(1 << 20)),
            tags: Vec::new(),
            since: Instant::now(),
        });
        let timestamp = record.timestamp.unwrap_or_else(now_ms);
        building.builder.push(&log_engine::NewRecord {
            key: record.key,
            value: record.value,
            headers: record.headers,
            timestamp: Timestamp::from_millis(timestamp),
        });
        building.tags.push(record.tag);
        if building.builder.len() >= capacity {
            self.close(record.topic, partition)?;
        }
        self.pump(client)
    }

    /// Sends what is due by age; for callers who wait for input.
    ///
    /// # Errors
    ///
    /// As [`Producer::send`].
    pub fn tick(&mut self, client: &mut Client) -> Result<(), ClientError> {
        self.close_older_than(self.config.linger)?;
        self.pump(client)
    }

    /// Sends everything and waits for all answers.
    ///
    /// # Errors
    ///
    /// As [`Producer::send`].
    pub fn flush(&mut self, client: &mut Client) -> Result<(), ClientError> {
        self.close_older_than(Duration::ZERO)?;
        while self.waiting > 0 || !self.in_flight.is_empty() {
            self.pump(client)?;
            self.receive_one(client)?;
        }
        Ok(())
    }

    /// What has become of batches since this was asked last.
    pub fn take_deliveries(&mut self) -> Vec<Delivery> {
        std::mem::take(&mut self.deliveries)
    }

    /// Whether nothing is on its way.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.waiting == 0 && self.in_flight.is_empty()
    }

    /// The partition of a record, after its topic was looked up.
    fn place(&mut self, client: &mut Client, record: &NewRecord<'_>) -> Result<i32, ClientError> {
        if !self.topics.contains_key(record.topic) {
            let count = partitions_of(client, record.topic)?;
            let lanes = (0..count).map(|_| Lane::new()).collect();
            self.topics.insert(record.topic.to_owned(), lanes);
            if self.config.idempotent && self.config.acks == -1 && self.identity.is_none() {
                self.identity = identity(client)?;
            }
        }
        let count = self.topics.get(record.topic).map_or(1, Vec::len);
        let count = u32::try_from(count).unwrap_or(u32::MAX);
        let mut chosen = || self.partitioner.partition(record.topic, record.key, count);
        match record.partition {
            Some(partition) => Ok(partition),
            None => Ok(i32::try_from(chosen()).unwrap_or_default()),
        }
    }

    /// Makes an open batch ready to leave.
    fn close(&mut self, topic: &str, partition: i32) -> Result<(), ClientError> {
        let lane = lane(&mut self.topics, topic, partition)?;
        let Some(building) = lane.open.take() else { return Ok(()) };
        lane.waiting.push_back(Batch {
            at: TopicPartition::new(topic, partition),
            order: lane.next_order,
            records: Records::Open(building.builder),
            tags: building.tags,
            since: building.since,
            tries: 0,
        });
        lane.next_order += 1;
        self.waiting += 1;
        self.partitioner.next_batch(topic);
        Ok(())
    }

    fn close_older_than(&mut self, age: Duration) -> Result<(), ClientError> {
        let mut due = Vec::new();
        for (topic, lanes) in &self.topics {
            for (partition, lane) in (0..).zip(lanes) {
                if lane.open.as_ref().is_some_and(|open| open.since.elapsed() >= age) {
                    due.push((topic.clone(), partition));
                }
            }
        }
        due.into_iter().try_for_each(|(topic, partition)| self.close(&topic, partition))
    }

    /// Sends what waits, as far as requests may be under way.
    fn pump(&mut self, client: &mut Client) -> Result<(), ClientError> {
        if self.config.linger.is_zero() && self.in_flight.is_empty() && self.waiting == 0 {
            self.close_older_than(Duration::ZERO)?;
        } else if !self.config.linger.is_zero() {
            self.close_older_than(self.config.linger)?;
        }
        while self.waiting > 0 {
            while self.in_flight.len() >= self.config.max_in_flight.max(1) {
                self.receive_one(client)?;
            }
            if self.identity_spent && !self.renew_identity(client)? {
                break;
            }
            let batches = self.next_batches();
            if batches.is_empty() {
                break;
            }
            self.dispatch(client, batches)?;
        }
        Ok(())
    }

    /// A new name, as soon as nothing is under way under the old one; whether we have it.
    fn renew_identity(&mut self, client: &mut Client) -> Result<bool, ClientError> {
        if !self.in_flight.is_empty() {
            return Ok(false);
        }
        self.identity = identity(client)?;
        self.identity_spent = false;
        for lane in self.topics.values_mut().flatten() {
            lane.sequence = first_sequence();
        }
        Ok(true)
    }

    /// The first waiting batch of each partition that may send one, up to the size of a request.
    fn next_batches(&mut self) -> Vec<Batch> {
        let pipelined = self.identity.is_some() || self.config.acks == 0;
        let (identity, codec) = (self.identity, self.config.codec);
        let (mut room, mut taken, mut spoilt) = (self.config.max_request, Vec::new(), Vec::new());
        for lane in self.topics.values_mut().flatten() {
            let blocked = lane.under_way > 0 && (lane.came_back || !pipelined);
            let fits = lane.waiting.front().is_some_and(|b| b.records.len() <= room || taken.is_empty());
            if blocked || !fits {
                continue;
            }
            lane.came_back = false;
            let Some(mut batch) = lane.waiting.pop_front() else { continue };
            self.waiting -= 1;
            lane.under_way += 1;
            let records = std::mem::replace(&mut batch.records, Records::Ready(Bytes::new(), None));
            match records.number(identity, codec, &mut lane.sequence) {
                Ok(records) => {
                    room = room.saturating_sub(records.len());
                    batch.records = records;
                    taken.push(batch);
                }
                Err(problem) => spoilt.push((batch, problem)),
            }
        }
        for (batch, problem) in spoilt {
            let (topic, partition) = (batch.at.topic.clone(), batch.at.partition);
            self.settled(batch, Err(ClientError::Records { topic, partition, offset: 0, problem }));
        }
        taken
    }

    fn dispatch(&mut self, client: &mut Client, batches: Vec<Batch>) -> Result<(), ClientError> {
        let wanted: Vec<_> = batches.iter().map(|batch| (batch.at.clone(), ())).collect();
        let leaders = match client.leaders(&wanted) {
            Ok(leaders) => leaders,
            Err(error) => return self.lost(client, batches, &error),
        };
        let leader_of = |at: &TopicPartition| {
            let leads =
                |(_, parts): &(&i32, &Vec<(TopicPartition, ())>)| parts.iter().any(|(led, ())| led == at);
            leaders.iter().find(leads).map(|(leader, _)| *leader)
        };
        let mut by_leader: BTreeMap<Option<i32>, Vec<Batch>> = BTreeMap::new();
        for batch in batches {
            by_leader.entry(leader_of(&batch.at)).or_default().push(batch);
        }
        for (leader, batches) in by_leader {
            let node = leader.map_or(Node::Any, Node::Broker);
            self.send_to(client, node, batches)?;
        }
        Ok(())
    }

    fn send_to(&mut self, client: &mut Client, node: Node, batches: Vec<Batch>) -> Result<(), ClientError> {
        let request = self.request(&batches);
        let version = match client.version_for(node, ApiKey::Produce) {
            Ok(version) if version >= 3 => version,
            Ok(_) => {
                let text = "the broker takes only records of before 0.11, which this tool does not write";
                return Err(ClientError::Config(text.into()));
            }
            Err(error) => return self.lost(client, batches, &error),
        };
        if self.config.acks == 0 {
            return match client.send_unanswered(node, version, &request) {
                Ok(()) => {
                    batches.into_iter().for_each(|batch| self.delivered(batch, None));
                    Ok(())
                }
                Err(error) => self.lost(client, batches, &error),
            };
        }
        match client.send(node, version, &request) {
            Ok(sent) => {
                self.in_flight.push_back(Flight { sent, batches });
                Ok(())
            }
            Err(error) => self.lost(client, batches, &error),
        }
    }

    fn request(&self, batches: &[Batch]) -> ProduceRequest {
        let mut topics: BTreeMap<&str, Vec<PartitionProduceData>> = BTreeMap::new();
        for batch in batches {
            let Records::Ready(bytes, _) = &batch.records else { continue };
            let data = PartitionProduceData { index: batch.at.partition, records: Some(bytes.clone()) };
            topics.entry(&batch.at.topic).or_default().push(data);
        }
        let topic = |(name, partition_data): (&str, Vec<_>)| TopicProduceData {
            name: name.to_owned(),
            partition_data,
            ..Default::default()
        };
        ProduceRequest {
            acks: self.config.acks,
            timeout_ms: i32::try_from(self.config.request_timeout.as_millis()).unwrap_or(i32::MAX),
            topic_data: topics.into_iter().map(topic).collect(),
            ..Default::default()
        }
    }

    /// Takes the answer to the oldest request, if one is under way.
    fn receive_one(&mut self, client: &mut Client) -> Result<(), ClientError> {
        let Some(flight) = self.in_flight.pop_front() else { return Ok(()) };
        let connection = flight.sent.connection();
        let answer = match client.receive(flight.sent, self.config.request_timeout) {
            Ok(answer) => answer,
            Err(error) => {
                // What was sent behind it on this connection is lost with it.
                let (lost, rest) = std::mem::take(&mut self.in_flight)
                    .into_iter()
                    .partition::<VecDeque<_>, _>(|other| other.sent.connection() == connection);
                self.in_flight = rest;
                let mut batches = flight.batches;
                batches.extend(lost.into_iter().flat_map(|flight| flight.batches));
                return self.lost(client, batches, &error);
            }
        };
        let mut answers: BTreeMap<TopicPartition, PartitionProduceResponse> = BTreeMap::new();
        for topic in answer.responses {
            for partition in topic.partition_responses {
                answers.insert(TopicPartition::new(topic.name.clone(), partition.index), partition);
            }
        }
        let mut came_back = false;
        for batch in flight.batches {
            came_back |= self.settle(batch, &answers);
        }
        if came_back {
            client.forget_topics();
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// What the broker says of one batch; whether it is to be sent again.
    fn settle(&mut self, batch: Batch, answers: &BTreeMap<TopicPartition, PartitionProduceResponse>) -> bool {
        let Some(answer) = answers.get(&batch.at) else {
            let what = format!("sending to {}", batch.at);
            let message = Some("the broker's answer does not tell of it".into());
            let error = ClientError::Refused { what, code: ErrorCode::UnknownServerError, message };
            self.failed(vec![batch], &error);
            return false;
        };
        let code = known(answer.error_code);
        // A repeat that the broker had already.
        if code.is_none() || code == ErrorCode::DuplicateSequenceNumber {
            let offset = Some(answer.base_offset).filter(|offset| *offset >= 0);
            self.delivered(batch, offset);
            return false;
        }
        // Behind one that was refused for good all that was under way under the same name is out of order.
        let led =
            code == ErrorCode::OutOfOrderSequenceNumber && (self.identity_spent || self.follows(&batch));
        let again = code.is_retriable() || led;
        if again && self.may_try_again(&batch) {
            self.back(batch);
            return true;
        }
        let what = format!("sending to {}", batch.at);
        let message = answer.error_message.clone().filter(|text| !text.is_empty());
        self.failed(vec![batch], &ClientError::Refused { what, code, message });
        false
    }

    /// Whether an earlier batch of the partition is still to be sent again.
    fn follows(&mut self, batch: &Batch) -> bool {
        let lane = lane(&mut self.topics, &batch.at.topic, batch.at.partition);
        lane.is_ok_and(|lane| lane.waiting.front().is_some_and(|first| first.order < batch.order))
    }

    fn may_try_again(&self, batch: &Batch) -> bool {
        batch.tries < self.config.retries && batch.since.elapsed() < self.config.delivery_timeout
    }

    /// Batches whose connection broke: again, if that is allowed, else failed.
    fn lost(
        &mut self,
        client: &mut Client,
        batches: Vec<Batch>,
        error: &ClientError,
    ) -> Result<(), ClientError> {
        // Who was not reached was not tried: only the time counts, so that a broker may come back.
        let unsent = matches!(error, ClientError::NoBroker(_) | ClientError::Unreachable { .. });
        let (again, done): (Vec<_>, Vec<_>) = batches.into_iter().partition(|batch| {
            let in_time = batch.since.elapsed() < self.config.delivery_timeout;
            if unsent { in_time } else { error.is_away() && self.may_try_again(batch) }
        });
        self.failed(done, error);
        let pause = !again.is_empty();
        for mut batch in again {
            batch.tries = batch.tries.saturating_sub(u32::from(unsent));
            self.back(batch);
        }
        if pause {
            std::thread::sleep(PAUSE);
            client.forget_topics();
        }
        Ok(())
    }

    /// Puts a batch back to its old place.
    fn back(&mut self, mut batch: Batch) {
        batch.tries += 1;
        if let Ok(lane) = lane(&mut self.topics, &batch.at.topic, batch.at.partition) {
            lane.under_way = lane.under_way.saturating_sub(1);
            lane.came_back = true;
            let place = lane.waiting.partition_point(|other| other.order < batch.order);
            lane.waiting.insert(place, batch);
            self.waiting += 1;
        }
    }

    fn delivered(&mut self, batch: Batch, offset: Option<i64>) {
        self.settled(batch, Ok(offset));
    }

    fn failed(&mut self, batches: Vec<Batch>, error: &ClientError) {
        self.identity_spent |= self.identity.is_some() && !batches.is_empty();
        for batch in batches {
            let copy = match error {
                ClientError::Refused { what, code, message } => {
                    ClientError::Refused { what: what.clone(), code: *code, message: message.clone() }
                }
                other => ClientError::Config(other.to_string()),
            };
            self.settled(batch, Err(copy));
        }
    }

    fn settled(&mut self, batch: Batch, result: Result<Option<i64>, ClientError>) {
        if let Ok(lane) = lane(&mut self.topics, &batch.at.topic, batch.at.partition) {
            lane.under_way = lane.under_way.saturating_sub(1);
        }
        self.deliveries.push(Delivery { at: batch.at, result, tags: batch.tags, bytes: batch.records.len() });
    }
}

impl Lane {
    fn new() -> Self {
        Self {
            open: None,
            waiting: VecDeque::new(),
            under_way: 0,
            came_back: false,
            sequence: first_sequence(),
            next_order: 0,
        }
    }
}

fn first_sequence() -> Sequence {
    Sequence::new(0).expect("0 is the first sequence")
}

fn lane<'a>(
    topics: &'a mut BTreeMap<String, Vec<Lane>>,
    topic: &str,
    partition: i32,
) -> Result<&'a mut Lane, ClientError> {
    let lanes = topics.get_mut(topic);
    let count = lanes.as_ref().map_or(0, |lanes| lanes.len());
    let lane = lanes.and_then(|lanes| lanes.get_mut(usize::try_from(partition).ok()?));
    lane.ok_or_else(|| {
        ClientError::Config(format!(
            "topic {topic} has partitions 0 to {}, not {partition}",
            count.max(1) - 1
        ))
    })
}

/// How many partitions a topic has; the broker may make it.
fn partitions_of(client: &mut Client, topic: &str) -> Result<usize, ClientError> {
    let names = [topic.to_owned()];
    let patience = Instant::now() + client.config().patience;
    loop {
        let cluster = client.metadata(Some(&names), true)?;
        let found = cluster.topics.get(topic);
        let code = found.map_or(Some(ErrorCode::UnknownTopicOrPartition), |found| found.error);
        match (found, code) {
            (Some(found), None) if !found.partitions.is_empty() => return Ok(found.partitions.len()),
            // It is being made.
            (_, Some(ErrorCode::LeaderNotAvailable) | None) if Instant::now() < patience => {}
            (_, Some(code))
                if code.is_retriable()
                    && code != ErrorCode::UnknownTopicOrPartition
                    && Instant::now() < patience => {}
            (_, code) => {
                let code = code.unwrap_or(ErrorCode::LeaderNotAvailable);
                return Err(ClientError::Refused { what: format!("topic {topic}"), code, message: None });
            }
        }
        std::thread::sleep(PAUSE);
    }
}

/// A producer id; none from a broker that has no such thing.
fn identity(client: &mut Client) -> Result<Option<Identity>, ClientError> {
    if !client.offers(Node::Any, ApiKey::InitProducerId) {
        return Ok(None);
    }
    client.patiently(|client| {
        let request = InitProducerIdRequest { transaction_timeout_ms: i32::MAX, ..Default::default() };
        let answer = client.call(Node::Any, &request)?;
        ClientError::check("asking for a producer id", answer.error_code, None)?;
        let id = answer.producer_id.and_then(ProducerId::new);
        let identity = id.zip(ProducerEpoch::new(answer.producer_epoch));
        Ok(identity.map(|(id, epoch)| Identity { id, epoch }))
    })
}

fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
