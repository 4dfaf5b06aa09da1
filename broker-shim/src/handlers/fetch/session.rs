//! Fetch sessions (KIP-227): what a client fetches is remembered, so that it names only what changes and is told only
//! what is new.
//!
//! | id, epoch | meaning |
//! |---|---|
//! | x, -1 | forget x; this request names everything |
//! | x, 0 | forget x; make a session of what this request names, if there is room |
//! | x, n | the n-th request of session x; names what is added or changed, and what is forgotten |
//!
//! # Invariants
//!
//! * At most `max.incremental.fetch.session.cache.slots` sessions with [`MAX_PARTITIONS`] partitions in all. Without
//!   room the answer has session id 0, which is as good, only longer.
//! * A partition with records, an error, or another end or start than the client was told last is in every answer.
//! * Partitions whose records were sent go to the end of the queue: a limit spent on some is spent on others next time.

use kafka_wire::messages::FetchRequest;
use kafka_wire::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_wire::messages::fetch_response::{FetchableTopicResponse, PartitionData};
use kafka_wire::{ErrorCode, Payload, Uuid};
use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

/// Partitions that all sessions together remember.
const MAX_PARTITIONS: usize = 200_000;
/// A session that was not used for so long gives way to a new one.
const IDLE: Duration = Duration::from_secs(120);

/// What a request is to its session.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Part {
    /// There is none.
    None,
    /// The first of this session: everything is told.
    First(i32),
    /// One of the others: only what is new is told.
    Next(i32),
}

/// The sessions of one broker.
#[derive(Debug)]
pub(crate) struct FetchSessions {
    slots: usize,
    all: Mutex<All>,
}

#[derive(Debug, Default)]
struct All {
    sessions: HashMap<i32, Session>,
    /// Those of all sessions.
    partitions: usize,
}

type Key = (String, [u8; 16], i32);

#[derive(Debug)]
struct Session {
    /// The epoch of the next request.
    epoch: i32,
    /// Whether topics are named by id.
    by_id: bool,
    used: Instant,
    /// Places in the queue.
    places: HashMap<Key, u64>,
    queue: BTreeMap<u64, Remembered>,
    next_place: u64,
}

#[derive(Debug)]
struct Remembered {
    key: Key,
    asked: FetchPartition,
    /// End and start that the client was told.
    told: Option<(i64, Option<i64>)>,
}

impl FetchSessions {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots, all: Mutex::default() }
    }

    /// Finds the request's session, and makes the request name all that is fetched.
    pub(super) fn begin(&self, by_id: bool, request: &mut FetchRequest) -> Result<Part, ErrorCode> {
        let id = request.session_id;
        let all = &mut *self.all.lock();
        match request.session_epoch {
            None => {
                all.forget(id);
                Ok(Part::None)
            }
            Some(0) => {
                all.forget(id);
                Ok(all.create(self.slots, by_id, request))
            }
            Some(epoch) => all.go_on(epoch, by_id, request),
        }
    }

    /// Takes out of the answer what its client knows; gives the session id that it gets.
    pub(super) fn finish(&self, part: Part, topics: &mut Vec<FetchableTopicResponse>) -> i32 {
        let (Part::First(id) | Part::Next(id)) = part else { return 0 };
        let all = &mut *self.all.lock();
        let Some(session) = all.sessions.get_mut(&id) else { return 0 };
        for topic in topics.iter_mut() {
            let (name, topic_id) = (&topic.topic, topic.topic_id);
            topic.partitions.retain(|partition| {
                let news = session.tell(&(name.clone(), topic_id.0, partition.partition_index), partition);
                news || matches!(part, Part::First(_))
            });
        }
        if matches!(part, Part::Next(_)) {
            topics.retain(|topic| !topic.partitions.is_empty());
        }
        if session.queue.is_empty() && matches!(part, Part::Next(_)) {
            all.forget(id);
            return 0;
        }
        id
    }
}

impl All {
    fn forget(&mut self, id: i32) {
        if let Some(session) = self.sessions.remove(&id) {
            self.partitions -= session.queue.len();
        }
    }

    fn create(&mut self, slots: usize, by_id: bool, request: &FetchRequest) -> Part {
        if self.sessions.len() >= slots {
            let oldest = self.sessions.iter().min_by_key(|(_, session)| session.used);
            match oldest.map(|(id, session)| (*id, session.used.elapsed())) {
                Some((id, idle)) if idle > IDLE => self.forget(id),
                _ => return Part::None,
            }
        }
        let mut session = Session {
            epoch: 1,
            by_id,
            used: Instant::now(),
            places: HashMap::new(),
            queue: BTreeMap::new(),
            next_place: 0,
        };
        session.add(&request.topics);
        let Some(id) = self.new_id().filter(|_| self.partitions + session.queue.len() <= MAX_PARTITIONS)
        else {
            return Part::None;
        };
        self.partitions += session.queue.len();
        self.sessions.insert(id, session);
        Part::First(id)
    }

    /// A number that nobody else can guess, so that nobody fetches in another's session by mistake.
    fn new_id(&self) -> Option<i32> {
        let mut bytes = [0; 4];
        getrandom::fill(&mut bytes).ok()?;
        let id = i32::from_be_bytes(bytes) & i32::MAX;
        (id != 0 && !self.sessions.contains_key(&id)).then_some(id)
    }

    fn go_on(&mut self, epoch: i32, by_id: bool, request: &mut FetchRequest) -> Result<Part, ErrorCode> {
        let id = request.session_id;
        let session = self.sessions.get_mut(&id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.by_id != by_id {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        session.epoch = epoch.checked_add(1).unwrap_or(1);
        session.used = Instant::now();
        let before = session.queue.len();
        session.add(&request.topics);
        for topic in &request.forgotten_topics_data {
            for partition in &topic.partitions {
                session.remove(&(topic.topic.clone(), topic.topic_id.0, *partition));
            }
        }
        self.partitions = self.partitions - before + session.queue.len();
        request.topics = session.topics();
        if self.partitions > MAX_PARTITIONS {
            self.forget(id);
            return Err(ErrorCode::FetchSessionIdNotFound);
        }
        Ok(Part::Next(id))
    }
}

impl Session {
    /// Adds partitions, or changes what is asked of them.
    fn add(&mut self, topics: &[FetchTopic]) {
        for topic in topics {
            for asked in &topic.partitions {
                let key = (topic.topic.clone(), topic.topic_id.0, asked.partition);
                let known = self.places.get(&key).and_then(|place| self.queue.get_mut(place));
                if let Some(known) = known {
                    known.asked = asked.clone();
                } else {
                    self.push(Remembered { key, asked: asked.clone(), told: None });
                }
            }
        }
    }

    fn push(&mut self, remembered: Remembered) {
        self.places.insert(remembered.key.clone(), self.next_place);
        self.queue.insert(self.next_place, remembered);
        self.next_place += 1;
    }

    fn remove(&mut self, key: &Key) -> Option<Remembered> {
        self.places.remove(key).and_then(|place| self.queue.remove(&place))
    }

    /// All partitions in the order of the queue.
    fn topics(&self) -> Vec<FetchTopic> {
        let mut topics: Vec<FetchTopic> = Vec::new();
        for remembered in self.queue.values() {
            let (name, id, _) = &remembered.key;
            let asked = remembered.asked.clone();
            match topics.last_mut() {
                Some(last) if last.topic == *name && last.topic_id.0 == *id => last.partitions.push(asked),
                _ => topics.push(FetchTopic {
                    topic: name.clone(),
                    topic_id: Uuid(*id),
                    partitions: vec![asked],
                }),
            }
        }
        topics
    }

    /// Remembers what the client is told of a partition; says whether it is news.
    fn tell(&mut self, key: &Key, partition: &PartitionData) -> bool {
        let has_records = match &partition.records {
            Payload::None => false,
            Payload::Bytes(bytes) => !bytes.is_empty(),
            Payload::Gap { len, .. } => *len > 0,
        };
        let is_error = partition.error_code != i16::from(ErrorCode::None);
        let now = (partition.high_watermark, partition.log_start_offset);
        let place = self.places.get(key).copied();
        let Some(known) = place.and_then(|place| self.queue.get_mut(&place)) else { return true };
        // An error is told each time, and what comes after it is news.
        let news = has_records || is_error || partition.diverging_epoch != Default::default();
        let news = news || known.told != Some(now);
        known.told = (!is_error).then_some(now);
        if has_records && let Some(known) = self.remove(key) {
            self.push(known);
        }
        news
    }
}
