//! Topics, partitions and their logs, looked up when somebody asks.
//!
//! # Invariants
//!
//! * However many topics there are, [`MAX_TOPICS`] and [`MAX_PARTITIONS`] bound the rows: those that moved the most bytes since
//!   the start are told, and of the rest how many there are. Sums are of all.
//! * Sums never fall while the broker runs ([`Meter::since_start`](crate::meter::Meter::since_start)).

use super::text::{Kind, Page};
use crate::broker::BrokerState;
use crate::metadata::Topic;
use log_engine::log::{Log, LogStats};
use std::cmp::Reverse;
use std::sync::Arc;

/// Topics with rows of their own.
pub(super) const MAX_TOPICS: usize = 1000;
/// Partitions with rows of their own.
pub(super) const MAX_PARTITIONS: usize = 2000;

/// A topic's logs at one moment.
struct Seen {
    topic: Arc<Topic>,
    /// By partition; none of one that is offline.
    partitions: Vec<Option<LogStats>>,
    sum: LogStats,
}

/// What was left out.
pub(super) struct LeftOut {
    pub(super) topics: usize,
    pub(super) partitions: usize,
}

/// Adds the rows.
pub(super) fn add(page: &mut Page, state: &BrokerState) -> LeftOut {
    let mut topics: Vec<Seen> = state.catalog.topics().into_iter().map(look).collect();
    sums(page, state, &topics);
    let partitions: usize = topics.iter().map(|seen| seen.partitions.len()).sum();
    let all = topics.len();
    // Sorting keeps the order of names among topics that are equally busy.
    topics.sort_by_key(|seen| Reverse(seen.sum.appended_bytes.saturating_add(seen.sum.read_bytes)));
    topics.truncate(MAX_TOPICS);
    let mut room = MAX_PARTITIONS;
    let mut told: Vec<(Seen, bool)> = Vec::with_capacity(topics.len());
    for seen in topics {
        let fits = seen.partitions.len() <= room;
        room -= if fits { seen.partitions.len() } else { 0 };
        told.push((seen, fits));
    }
    told.sort_by(|(a, _), (b, _)| a.topic.name.as_str().cmp(b.topic.name.as_str()));
    of_topics(page, &told);
    of_partitions(page, &told);
    LeftOut { topics: all - told.len(), partitions: partitions - (MAX_PARTITIONS - room) }
}

fn look(topic: Arc<Topic>) -> Seen {
    let stats = |log: &Option<Arc<Log>>| log.as_ref().map(|log| log.stats());
    let partitions: Vec<_> = topic.partitions.iter().map(stats).collect();
    let sum = partitions.iter().flatten().copied().sum();
    Seen { topic, partitions, sum }
}

fn sums(page: &mut Page, state: &BrokerState, topics: &[Seen]) {
    let now: LogStats = topics.iter().map(|seen| seen.sum).sum();
    let ever = state.meter.since_start(now);
    page.counter("corrente_appended_batches", "Batches appended to all topics.", ever.appended_batches);
    page.counter("corrente_appended_records", "Records in them.", ever.appended_records);
    page.counter("corrente_appended_bytes", "Bytes in them.", ever.appended_bytes);
    page.counter(
        "corrente_reads",
        "Reads of ranges of a log; a Fetch makes one for each partition.",
        ever.reads,
    );
    page.counter(
        "corrente_read_bytes",
        "Bytes in them. A Fetch that waits for more reads again.",
        ever.read_bytes,
    );
    page.counter("corrente_syncs", "Syncs of logs.", ever.syncs);
    page.counter(
        "corrente_index_rebuilds",
        "Indexes that were made anew from their batches.",
        ever.index_rebuilds,
    );
    let partitions = || topics.iter().flat_map(|seen| &seen.partitions);
    page.gauge("corrente_topics", "Topics, internal ones too.", topics.len());
    page.gauge("corrente_partitions", "Their partitions.", partitions().count());
    let offline = partitions().filter(|stats| stats.is_none()).count();
    page.gauge("corrente_partitions_offline", "Partitions whose log could not be opened.", offline);
    page.gauge("corrente_partitions_poisoned", "Partitions that take no more appends after a failed write or sync, until the broker is started again.", poisoned(topics).count());
    page.gauge(
        "corrente_damaged_ranges",
        "Ranges of logs that are known to be damaged: their offsets cannot be read.",
        now.damaged_ranges,
    );
    page.gauge("corrente_log_bytes", "Bytes of all segments.", now.bytes);
    page.gauge("corrente_segments", "Segments.", now.segments);
    page.gauge("corrente_open_segment_files", "Segments whose file is open.", now.open_files);
    page.gauge("corrente_mapped_segments", "Segments that are mapped.", now.maps);
    page.gauge("corrente_unsynced_bytes", "Bytes that no sync has covered yet.", now.unsynced_bytes);
}

fn poisoned(topics: &[Seen]) -> impl Iterator<Item = &Arc<Log>> {
    let logs = topics.iter().flat_map(|seen| seen.topic.partitions.iter().flatten());
    logs.filter(|log| log.is_poisoned())
}

fn of_topics(page: &mut Page, told: &[(Seen, bool)]) {
    let mut each = |kind, name, help, value: fn(&LogStats) -> u64| {
        let mut family = page.family(kind, name, help);
        for (seen, _) in told {
            family.row(&[("topic", seen.topic.name.as_str())], value(&seen.sum));
        }
    };
    each(Kind::Counter, "corrente_topic_appended_records", "Records appended.", |sum| sum.appended_records);
    each(Kind::Counter, "corrente_topic_appended_bytes", "Bytes appended.", |sum| sum.appended_bytes);
    each(Kind::Counter, "corrente_topic_read_bytes", "Bytes read.", |sum| sum.read_bytes);
    each(Kind::Gauge, "corrente_topic_bytes", "Bytes of its segments.", |sum| sum.bytes);
}

/// A number of a partition.
type Figure = fn(&Log, &LogStats) -> Option<i64>;

fn of_partitions(page: &mut Page, told: &[(Seen, bool)]) {
    let numbers: Vec<String> = (0..MAX_PARTITIONS).map(|number| number.to_string()).collect();
    let mut each = |name, help, value: Figure| {
        let mut family = page.family(Kind::Gauge, name, help);
        for (seen, _) in told.iter().filter(|(_, fits)| *fits) {
            let logs = seen.topic.partitions.iter().zip(&seen.partitions).zip(&numbers);
            for ((log, stats), number) in logs {
                if let Some(value) =
                    log.as_ref().zip(stats.as_ref()).and_then(|(log, stats)| value(log, stats))
                {
                    family.row(&[("topic", seen.topic.name.as_str()), ("partition", number)], value);
                }
            }
        }
    };
    each("corrente_partition_bytes", "Bytes of its segments.", |_, stats| i64::try_from(stats.bytes).ok());
    each("corrente_partition_segments", "Its segments.", |_, stats| i64::try_from(stats.segments).ok());
    each("corrente_partition_start_offset", "The lowest offset that can be read.", |log, _| {
        Some(log.start_offset().get())
    });
    each("corrente_partition_end_offset", "The offset that the next record gets.", |log, _| {
        Some(log.end_offset().get())
    });
    let help = "Ranges of it that are known to be damaged; only where there are some.";
    each("corrente_partition_damaged_ranges", help, |_, stats| {
        i64::try_from(stats.damaged_ranges).ok().filter(|ranges| *ranges > 0)
    });
}
