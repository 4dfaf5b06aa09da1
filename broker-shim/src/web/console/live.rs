//! What is counted while nobody looks, for the pictures: a point every two seconds, ten minutes of them.
//!
//! ```text
//!  logs' counters --every 2 s--> a sum a topic --difference--> rate of the topic (and its last 3 minutes)
//!                                              --sum--------> point of the broker (the last 10 minutes)
//! ```
//!
//! It reads counters that the logs keep anyway: 10,000 topics take a few milliseconds of the HTTP thread's pool, the data
//! path nothing. What the console itself reads is taken off: it is no consumer.
//!
//! # Invariants
//!
//! * Memory is bounded: a fixed number of points, and of topics that have points.

use crate::broker::BrokerState;
use crate::metadata::{Topic, Uuid};
use parking_lot::Mutex;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;

/// How often a point is made.
pub(super) const EVERY: Duration = Duration::from_secs(2);
/// Points of the broker: ten minutes.
const POINTS: usize = 300;
/// Points of a topic: three minutes.
const TOPIC_POINTS: usize = 90;
/// Topics that have points at a time; others have their rate only.
const MOST_TOPICS: usize = 1_000;
/// Questions that may read messages at a time.
const READERS: usize = 2;

/// What happened in a second.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Rate {
    /// Messages that came.
    pub(super) messages: f64,
    /// Bytes that came.
    pub(super) bytes_in: f64,
    /// Bytes that were read.
    pub(super) bytes_out: f64,
}

impl Rate {
    fn is_idle(&self) -> bool {
        self.messages == 0.0 && self.bytes_in == 0.0 && self.bytes_out == 0.0
    }

    fn add(&mut self, other: Self) {
        self.messages += other.messages;
        self.bytes_in += other.bytes_in;
        self.bytes_out += other.bytes_out;
    }
}

/// A rate and its moment, in milliseconds since 1970.
type Point = (i64, Rate);

/// What is known of a topic.
#[derive(Debug, Default)]
struct Track {
    messages: u64,
    bytes_in: u64,
    bytes_out: u64,
    rate: Rate,
    /// When messages last came; 0: not since the start.
    last: i64,
    points: VecDeque<Point>,
    /// Whether it was there in the present round.
    seen: u64,
}

#[derive(Debug, Default)]
struct Counted {
    round: u64,
    at: Option<Instant>,
    points: VecDeque<Point>,
    topics: HashMap<Uuid, Track>,
    with_points: usize,
}

/// The counts; shared by the task that makes them and the pages.
#[derive(Debug)]
pub(crate) struct Live {
    started: Instant,
    counted: Mutex<Counted>,
    /// Questions that read messages now.
    pub(super) readers: Semaphore,
}

impl Default for Live {
    fn default() -> Self {
        Self { started: Instant::now(), counted: Mutex::default(), readers: Semaphore::new(READERS) }
    }
}

impl Live {
    /// Since when, in milliseconds.
    pub(super) fn uptime_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Makes a point.
    pub(super) fn sample(&self, state: &BrokerState) {
        let topics = state.catalog.topics();
        let sums: Vec<(Uuid, bool, [u64; 3])> =
            topics.iter().map(|topic| (topic.id, topic.internal, sum(topic))).collect();
        self.counted.lock().add(state.clock.now().as_millis(), Instant::now(), &sums);
    }

    /// The rate of a topic.
    pub(super) fn rate(&self, topic: Uuid) -> Rate {
        self.counted.lock().topics.get(&topic).map(|track| track.rate).unwrap_or_default()
    }

    /// When messages last came to a topic, in milliseconds; 0 if none did since the start.
    pub(super) fn last_active(&self, topic: Uuid) -> i64 {
        self.counted.lock().topics.get(&topic).map_or(0, |track| track.last)
    }

    /// Takes what the console read off what consumers read.
    pub(super) fn own_reads(&self, topic: Uuid, bytes: u64) {
        if let Some(track) = self.counted.lock().topics.get_mut(&topic) {
            track.bytes_out = track.bytes_out.saturating_add(bytes);
        }
    }

    /// The points after a moment, of the broker or of a topic.
    pub(super) fn points(&self, topic: Option<Uuid>, since: i64) -> Vec<Value> {
        let counted = self.counted.lock();
        let points = match topic {
            None => Some(&counted.points),
            Some(id) => counted.topics.get(&id).map(|track| &track.points),
        };
        let new = points.into_iter().flatten().filter(|(at, _)| *at > since);
        new.map(|(at, rate)| json!([at, rate.messages, rate.bytes_in, rate.bytes_out])).collect()
    }
}

/// Messages in, bytes in, bytes out, since the logs were opened.
fn sum(topic: &Topic) -> [u64; 3] {
    let stats: log_engine::log::LogStats = topic.partitions.iter().flatten().map(|log| log.stats()).sum();
    [stats.appended_records, stats.appended_bytes, stats.read_bytes]
}

impl Counted {
    fn add(&mut self, now: i64, at: Instant, sums: &[(Uuid, bool, [u64; 3])]) {
        let first = self.at.is_none();
        let seconds = self.at.map_or(1.0, |last| at.duration_since(last).as_secs_f64().max(0.001));
        self.at = Some(at);
        self.round += 1;
        let mut total = Rate::default();
        for (id, internal, now_sum) in sums {
            let track = self.topics.entry(*id).or_default();
            let rate = if first { Rate::default() } else { track.rate_to(now_sum, seconds) };
            [track.messages, track.bytes_in, track.bytes_out] = *now_sum;
            track.seen = self.round;
            track.rate = rate;
            if rate.messages > 0.0 {
                track.last = now;
            }
            track.keep((now, rate), &mut self.with_points);
            if !internal {
                total.add(rate);
            }
        }
        self.forget_deleted();
        push(&mut self.points, (now, total), POINTS);
    }

    fn forget_deleted(&mut self) {
        let (round, with_points) = (self.round, &mut self.with_points);
        self.topics.retain(|_, track| {
            let stays = track.seen == round;
            if !stays && !track.points.is_empty() {
                *with_points -= 1;
            }
            stays
        });
    }
}

impl Track {
    fn rate_to(&self, [messages, bytes_in, bytes_out]: &[u64; 3], seconds: f64) -> Rate {
        let per_second = |now: u64, before: u64| {
            // Between two points fewer happen than a double counts exactly.
            u32::try_from(now.saturating_sub(before)).map_or(f64::from(u32::MAX), f64::from) / seconds
        };
        Rate {
            messages: per_second(*messages, self.messages),
            bytes_in: per_second(*bytes_in, self.bytes_in),
            bytes_out: per_second(*bytes_out, self.bytes_out),
        }
    }

    /// Keeps a point if something happened lately, and there is room for another topic that has points.
    fn keep(&mut self, point: Point, with_points: &mut usize) {
        if self.points.is_empty() {
            if point.1.is_idle() || *with_points >= MOST_TOPICS {
                return;
            }
            *with_points += 1;
        }
        push(&mut self.points, point, TOPIC_POINTS);
        if self.points.iter().all(|(_, rate)| rate.is_idle()) {
            self.points = VecDeque::new();
            *with_points -= 1;
        }
    }
}

fn push(points: &mut VecDeque<Point>, point: Point, most: usize) {
    if points.len() >= most {
        points.pop_front();
    }
    points.push_back(point);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u8) -> Uuid {
        Uuid([n; 16])
    }

    #[test]
    fn the_first_round_is_where_counting_begins_and_a_new_topic_counts_from_zero() {
        let (mut counted, begin) = (Counted::default(), Instant::now());
        counted.add(1_000, begin, &[(id(1), false, [500, 5_000, 0])]);
        assert_eq!(counted.points.back().unwrap().1, Rate::default());
        let later = begin + Duration::from_secs(2);
        counted.add(3_000, later, &[(id(1), false, [510, 5_100, 40]), (id(2), false, [4, 8, 0])]);
        let total = counted.points.back().unwrap().1;
        assert_eq!(total, Rate { messages: 7.0, bytes_in: 54.0, bytes_out: 20.0 });
        assert_eq!(counted.topics[&id(2)].last, 3_000);
    }

    #[test]
    fn an_internal_topic_is_not_in_the_total() {
        let (mut counted, begin) = (Counted::default(), Instant::now());
        counted.add(1, begin, &[]);
        counted.add(2, begin + EVERY, &[(id(1), true, [100, 100, 100])]);
        assert_eq!(counted.points.back().unwrap().1, Rate::default());
    }

    #[test]
    fn a_topic_that_is_idle_for_long_or_gone_takes_no_room() {
        let (mut counted, mut now) = (Counted::default(), Instant::now());
        counted.add(0, now, &[(id(1), false, [0, 0, 0])]);
        for round in 1..=100 {
            now += EVERY;
            counted.add(round, now, &[(id(1), false, [1, 1, 0])]);
        }
        assert_eq!((counted.with_points, counted.topics[&id(1)].points.len()), (0, 0));
        counted.add(101, now + EVERY, &[(id(2), false, [1, 1, 0])]);
        assert_eq!((counted.with_points, counted.topics.len()), (1, 1));
        counted.add(102, now + EVERY * 2, &[]);
        assert_eq!((counted.with_points, counted.topics.len()), (0, 0));
    }
}
