//! A memory-mapped, segmented commit log: sparse indexes, time-based retention, zero-copy reads.
//!
//! Records go to the end and get an offset; any number of readers go through them at their own pace; old segments go
//! by age or size. No runtime, no thread of its own, and Apache Kafka's files, byte for byte.
//!
//! # Three calls
//!
//! ```
//! use log_engine::{Log, LogConfig, NewRecord, Offset};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let temp = tempfile::tempdir()?;
//! # let dir = temp.path().join("orders");
//! let log = Log::open(&dir, LogConfig::default())?;
//! log.append(&[NewRecord::value(b"first"), NewRecord::keyed(b"key", b"second")])?;
//! let mut cursor = log.cursor(Offset::ZERO);
//! while let Some(record) = cursor.next()? {
//!     println!("{}: {:?}", record.offset, record.value);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What there is
//!
//! | to | call |
//! |---|---|
//! | append records, or a ready batch | [`Log::append`], [`Log::append_synced`], [`Log::append_batch`] |
//! | append once, whatever is repeated; all or nothing | [`Log::append_as`], [`Log::append_in_transaction`], [`Log::commit_transaction`] |
//! | read records, batches, ranges of files | [`Log::cursor`], [`Log::records`], [`Log::read`] |
//! | find by offset, by time | [`Log::get`], [`Log::offset_for_time`], [`Log::offset_before_time`] |
//! | wait for more | [`RecordBatches::next_within`], [`Log::wait_for_end`], [`Log::wait_for_synced`], `Log::stream` |
//! | forget the beginning, take back the end | [`Log::apply_retention`], [`Log::delete_records_before`], [`Log::truncate`] |
//! | copy, count, look from another process | [`Log::snapshot`], [`Log::stats`], [`LogReader`] |
//! | have many logs in a directory | [`LogStore`] |
//!
//! Whoever has a single log calls [`Log::sync_if_due`] and [`Log::apply_retention`] now and then; a store does it for all
//! of its logs. [`Log`], [`LogStore`], [`LogReader`] and all that they give out are `Send + Sync`. The guide, with queues,
//! event sourcing, replicated state machines and fan-out, is `docs/EMBEDDING.md`.
//!
//! # What survives
//!
//! | returned | survives | may be lost by |
//! |---|---|---|
//! | [`Log::append`] | the end of the process at any instant: `kill -9`, panic, out of memory | kernel crash, power cut |
//! | [`Log::append_synced`], [`Log::sync`] | a power cut too, whatever reached the disk in which order | the medium |
//!
//! Callers of `sync` that come together share one. For both levels: what is lost is a suffix; nothing is reordered,
//! doubled or altered; damage of what was synced is reported with its exact range ([`Log::damage`]) while the rest is
//! served, and nothing is deleted for it. After a failed sync the log is poisoned ([`LogError::Poisoned`]): nothing is
//! acknowledged until it is opened again, which looks at what the disk really has.
//!
//! # Why that holds
//!
//! Each module's front page lists its invariants:
//!
//! * [`log`]: one writer, readers without a lock, offsets given once, poison;
//! * [`segment`]: published bytes never change, whole batches only;
//! * [`index`]: caches, never evidence;
//! * [`store`]: nothing is changed before all was looked at; the marker of a clean stop comes last;
//! * [`io`]: the only place that talks to the system. With the feature `test-util` it has storages in memory, that count,
//!   that fail at the n-th call and that lose their power, for your own tests too.
//!
//! # Features
//!
//! `gzip`, `snappy`, `lz4`, `zstd` (all on by default): codecs of record batches. `stream`: `Log::stream`, batches as a
//! `futures_core::Stream`. `test-util`: the storages for tests.
//! `planted-bugs`: mistakes that the tests of this crate turn on to see that they notice; for nobody else.

pub mod config;
pub mod error;
pub mod format;
pub mod index;
pub mod io;
pub mod log;
#[cfg(feature = "planted-bugs")]
pub mod planted;
pub mod segment;
pub mod store;
pub mod types;

pub use config::{CleanupPolicy, LogConfig};
pub use error::{Fault, LogError, Result};
pub use format::CorruptReason;
pub use format::batch::{Codec, ProducerStamp, TimestampType};
pub use format::build::NewRecord;
pub use format::record::Record;
pub use format::validate::Rejected;
#[cfg(feature = "stream")]
pub use log::BatchStream;
pub use log::producers::ProducerError;
pub use log::{
    Appended, CompactionReport, Cursor, Damage, Log, LogBuilder, LogMaintenance, LogReader, LogStats, Origin,
    ProducerState, ReadLimits, ReadSlices, ReaderBatches, RecordBatch, RecordBatches, RecoveryReport,
    RetentionReport, Snapshot, WaitSlot,
};
pub use log::{inspect, repair};
pub use segment::FileSlice;
pub use store::{LogName, LogStore, Maintenance, MaintenanceReport, OpenReport, StoreBuilder};
pub use store::{StoreSnapshot, StoreStats};
pub use types::{
    LeaderEpoch, NegativeOffset, Offset, Position, ProducerEpoch, ProducerId, Sequence, Timestamp,
};

/// The guide and the crate's README: their examples are run.
#[cfg(doctest)]
mod guides {
    #[doc = include_str!("../../docs/EMBEDDING.md")]
    mod embedding {}
    #[doc = include_str!("../README.md")]
    mod readme {}
}
