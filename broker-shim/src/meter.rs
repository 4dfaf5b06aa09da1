//! What is counted where requests are handled.
//!
//! ```text
//! connection --call--> handlers: which API, which version       (one add)
//!            --done--> how long it took, which errors            (two adds, none for errors that are not there)
//! ```
//!
//! # Invariants
//!
//! * Counting takes no lock and no memory, and orders nothing: relaxed adds to places that are found by index.
//! * Whatever can be looked up when somebody asks (sizes, offsets, groups) is not counted here.
//!
//! # Not here
//!
//! What a log counts for itself (`log_engine::LogStats`), bytes of sockets (`net::Traffic`), and how it is told (`web`).

mod histogram;

pub(crate) use histogram::{BOUNDS, Histogram, Times};

use kafka_wire::{AdvertisedApi, ApiKey};
use log_engine::log::LogStats;
use log_engine::store::MaintenanceReport;
use log_engine::types::Timestamp;
use parking_lot::Mutex;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// Error codes that are told apart: from -1 on. One that is beyond counts as -1, as clients take it.
const CODES: usize = 256;

/// What one broker counts.
#[derive(Debug)]
pub(crate) struct Meter {
    /// By the number of the API; none for what is not served.
    apis: Box<[Option<ApiMeter>]>,
    /// What it took to append the batches of one Produce.
    pub(crate) appends: Histogram,
    /// What retention, compaction and the rest of maintenance did.
    pub(crate) upkeep: Upkeep,
    /// What logs had counted that are no more.
    gone: Mutex<Gone>,
}

/// What is counted of one API.
#[derive(Debug)]
pub(crate) struct ApiMeter {
    api: AdvertisedApi,
    /// By version, from the lowest on.
    versions: Box<[AtomicU64]>,
    times: Histogram,
    /// By code, from -1 on; made with the first error.
    errors: OnceLock<Box<[AtomicU64]>>,
}

/// What maintenance did since the start.
#[derive(Debug, Default)]
pub(crate) struct Upkeep {
    pub(crate) retention_segments: AtomicU64,
    pub(crate) retention_bytes: AtomicU64,
    pub(crate) compactions: AtomicU64,
    pub(crate) compaction_bytes: AtomicU64,
    pub(crate) syncs: AtomicU64,
    pub(crate) errors: AtomicU64,
    /// When the last round ended, in milliseconds of the clock; 0 before the first.
    pub(crate) last_round: AtomicI64,
}

#[derive(Debug, Default)]
struct Gone {
    /// Sums of logs that were deleted.
    deleted: LogStats,
    /// What was told last: no sum is ever told smaller.
    told: LogStats,
}

impl Meter {
    /// A meter for these APIs.
    pub(crate) fn new(served: &[AdvertisedApi]) -> Self {
        let highest = served.iter().map(|api| place(api.key)).max().unwrap_or(0);
        let mut apis: Vec<Option<ApiMeter>> = (0..=highest).map(|_| None).collect();
        for api in served {
            if let Some(slot) = apis.get_mut(place(api.key)) {
                *slot = Some(ApiMeter::new(*api));
            }
        }
        Self {
            apis: apis.into(),
            appends: Histogram::default(),
            upkeep: Upkeep::default(),
            gone: Mutex::default(),
        }
    }

    /// The figures of an API by its number; `None` for one that is not served.
    pub(crate) fn api(&self, key: i16) -> Option<&ApiMeter> {
        self.apis.get(usize::try_from(key).ok()?)?.as_ref()
    }

    /// All APIs, in the order of their numbers.
    pub(crate) fn apis(&self) -> impl Iterator<Item = &ApiMeter> {
        self.apis.iter().flatten()
    }

    /// Keeps what a log had counted that goes.
    pub(crate) fn note_gone(&self, stats: LogStats) {
        self.gone.lock().deleted += stats;
    }

    /// The sums since the start, given those of the logs that are there now. None is smaller than the last time: a log that
    /// is just being deleted is missed by nobody.
    pub(crate) fn since_start(&self, present: LogStats) -> LogStats {
        let mut gone = self.gone.lock();
        let mut sum = present;
        sum += gone.deleted;
        let told = &mut gone.told;
        for (sum, told) in [
            (&mut sum.appended_batches, &mut told.appended_batches),
            (&mut sum.appended_records, &mut told.appended_records),
            (&mut sum.appended_bytes, &mut told.appended_bytes),
            (&mut sum.syncs, &mut told.syncs),
            (&mut sum.reads, &mut told.reads),
            (&mut sum.read_bytes, &mut told.read_bytes),
            (&mut sum.index_rebuilds, &mut told.index_rebuilds),
        ] {
            *sum = (*sum).max(*told);
            *told = *sum;
        }
        sum
    }
}

/// The number of an API as a place.
fn place(key: ApiKey) -> usize {
    usize::try_from(key.to_i16()).unwrap_or(0)
}

impl ApiMeter {
    fn new(api: AdvertisedApi) -> Self {
        let versions = (api.min..=api.max).map(|_| AtomicU64::new(0)).collect();
        Self { api, versions, times: Histogram::default(), errors: OnceLock::new() }
    }

    /// Counts a request that is served in this version.
    pub(crate) fn note_request(&self, version: i16) {
        let place = usize::try_from(version - self.api.min).ok();
        if let Some(count) = place.and_then(|place| self.versions.get(place)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts what became of one.
    pub(crate) fn note_done(&self, took: Duration, codes: &[i16]) {
        self.times.note(took);
        for code in codes {
            let errors = self.errors.get_or_init(|| (0..CODES).map(|_| AtomicU64::new(0)).collect());
            let place = usize::try_from(i32::from(*code) + 1).unwrap_or(0);
            if let Some(count) = errors.get(place).or_else(|| errors.first()) {
                count.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Kafka's name of the API.
    pub(crate) fn name(&self) -> &'static str {
        self.api.key.name()
    }

    /// Requests by version, of versions that were asked for.
    pub(crate) fn requests(&self) -> impl Iterator<Item = (i16, u64)> {
        (self.api.min..).zip(&self.versions).filter_map(|(version, count)| some(version, count))
    }

    /// Errors by code, of codes that were answered.
    pub(crate) fn errors(&self) -> impl Iterator<Item = (i16, u64)> {
        let all = self.errors.get().into_iter().flat_map(|errors| errors.iter());
        (-1_i16..).zip(all).filter_map(|(code, count)| some(code, count))
    }

    /// How long requests took.
    pub(crate) fn times(&self) -> &Histogram {
        &self.times
    }
}

fn some(label: i16, count: &AtomicU64) -> Option<(i16, u64)> {
    let count = count.load(Ordering::Relaxed);
    (count > 0).then_some((label, count))
}

impl Upkeep {
    /// Counts what a round did.
    pub(crate) fn note(&self, report: &MaintenanceReport, now: Timestamp) {
        let add = |to: &AtomicU64, n: u64| to.fetch_add(n, Ordering::Relaxed);
        let count = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        add(&self.retention_segments, count(report.segments_deleted));
        add(&self.retention_bytes, report.bytes_deleted);
        add(&self.compactions, count(report.compacted));
        add(&self.compaction_bytes, report.bytes_compacted_away);
        add(&self.syncs, count(report.synced));
        add(&self.errors, count(report.errors.len()));
        self.last_round.store(now.as_millis(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter() -> Meter {
        Meter::new(&[AdvertisedApi::new(ApiKey::Produce, 0, 3), AdvertisedApi::new(ApiKey::Heartbeat, 1, 4)])
    }

    #[test]
    fn requests_and_errors_are_counted_by_version_and_code() {
        let meter = meter();
        let heartbeat = meter.api(12).unwrap();
        for version in [1, 4, 4, 5, 0] {
            heartbeat.note_request(version);
        }
        assert_eq!(heartbeat.requests().collect::<Vec<_>>(), [(1, 1), (4, 2)], "5 and 0 are not served");
        heartbeat.note_done(Duration::from_millis(1), &[]);
        assert_eq!(heartbeat.errors().count(), 0);
        heartbeat.note_done(Duration::from_millis(1), &[27, 27, -1, 9999]);
        assert_eq!(heartbeat.errors().collect::<Vec<_>>(), [(-1, 2), (27, 2)]);
        assert_eq!(heartbeat.times().read().count, 2);
        assert!(meter.api(1).is_none() && meter.api(-1).is_none() && meter.api(i16::MAX).is_none());
        assert_eq!(meter.apis().map(ApiMeter::name).collect::<Vec<_>>(), ["Produce", "Heartbeat"]);
    }

    /// A counter that falls is taken for a restart by whoever draws it, with a peak that never was.
    #[test]
    fn sums_never_fall_when_a_topic_is_deleted() {
        let meter = meter();
        let of = |bytes| {
            let mut stats = LogStats::default();
            stats.appended_bytes = bytes;
            stats
        };
        assert_eq!(meter.since_start(of(100)).appended_bytes, 100);
        // It is out of the list already, and not yet noted.
        assert_eq!(meter.since_start(of(40)).appended_bytes, 100);
        meter.note_gone(of(60));
        assert_eq!(meter.since_start(of(41)).appended_bytes, 101);
    }
}
