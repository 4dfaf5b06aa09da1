//! Appending: the writer's state and the order of its steps.
//!
//! Before the lock: size, checksum, the walk over the records. Under it: producer state, roll, one write of a patched
//! header and the untouched body, index, producer state, epoch, publication. After it: waiters, sync.

use super::files::moved_away;
use super::mark::{LastBatch, Mark};
use super::producers::{Closed, Incoming, Producers, Remembered, Verdict};
use super::recovery::incoming_of;
use super::{Log, View, producer_file};
use crate::config::{LogConfig, millis};
use crate::error::{LogError, Result};
use crate::format::CorruptReason;
use crate::format::batch::{self, BatchView, CRC_AT, HEADER_LEN, ProducerStamp, TimestampType};
use crate::format::build::{BatchBuilder, NewRecord, rewrite};
use crate::format::index_entry::TxnEntry;
use crate::format::validate::{ClientRules, Rejected, ValidBatch, validate_client_batch};
use crate::io::OpenMode;
use crate::segment::{AppendedBatch, Placed, Segment, SegmentOptions};
use crate::types::{LeaderEpoch, Offset, Timestamp};
use std::cell::Cell;
use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A larger buffer is not kept for the next batch.
const KEPT_BUFFER: usize = 256 * 1024;

thread_local! {
    /// Where [`Log::append`] builds: an allocation an append is a tenth of what a small one costs.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// Who made a batch.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Origin {
    /// A client: everything about it is checked.
    Client,
    /// A client from a time without a limit on how far ahead of the clock a record's time may be: everything else is
    /// checked.
    OldClient,
    /// This program: markers and other control batches are allowed, only structure and checksum are checked.
    Coordinator,
}

/// Where an append went.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Appended {
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Offset of the last record.
    pub last_offset: Offset,
    /// The log's time in the records if the log's clock counts; of a duplicate, the original's time.
    pub append_time: Option<Timestamp>,
    /// Whether the batch was there already: nothing was written, and the offsets are the original's.
    pub duplicate: bool,
    /// The log start offset at that moment.
    pub log_start: Offset,
}

/// What only the writer touches.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) active: Arc<Segment>,
    /// The batch that ends the active segment.
    pub(super) last: Option<LastBatch>,
    pub(super) producers: Producers,
    /// Bytes, batches and records appended since the log was opened.
    pub(super) written: u64,
    pub(super) batches: u64,
    pub(super) records: u64,
    /// The same at the last sync.
    pub(super) written_synced: u64,
    /// When the oldest unsynced append happened, by the monotonic clock.
    pub(super) unsynced_since: Option<Duration>,
    /// Names in the directory changed since it was synced.
    pub(super) dir_changed: bool,
    /// The same when indexes and producer state were last persisted.
    pub(super) written_persisted: u64,
    /// They are to be persisted by the next sync, however little was appended.
    pub(super) persist: bool,
    /// The active segment is damaged: what comes goes to a new one.
    pub(super) must_roll: bool,
    /// How often the log was cut, for readers in other processes.
    pub(super) truncations: u64,
}

impl Writer {
    /// For a log that was just opened: all that is there is synced.
    pub(super) fn new(
        active: Arc<Segment>,
        last: Option<LastBatch>,
        producers: Producers,
        truncations: u64,
    ) -> Self {
        Self {
            active,
            last,
            producers,
            written: 0,
            batches: 0,
            records: 0,
            written_synced: 0,
            unsynced_since: None,
            dir_changed: false,
            written_persisted: 0,
            persist: false,
            must_roll: false,
            truncations,
        }
    }
}

/// A batch that may be appended.
struct Prepared<'a> {
    view: BatchView<'a>,
    valid: Option<ValidBatch<'a>>,
    max_timestamp: Option<Timestamp>,
    append_time: Option<Timestamp>,
    incoming: Option<Incoming>,
    /// Whether it may use the reserve of the store.
    makes_room: bool,
}

impl<'a> Prepared<'a> {
    fn valid(valid: ValidBatch<'a>) -> Self {
        let view = valid.view();
        let incoming = Incoming::of(&view, None)
            .map(|incoming| Incoming { timestamp: valid.max_timestamp(), ..incoming });
        let (max_timestamp, append_time) = (valid.max_timestamp(), valid.append_time());
        Self { view, valid: Some(valid), max_timestamp, append_time, incoming, makes_room: false }
    }

    fn trusted(view: BatchView<'a>) -> Self {
        let max_timestamp = view.max_timestamp();
        let own_clock = view.attributes().timestamp_type() == TimestampType::LogAppendTime;
        let append_time = max_timestamp.filter(|_| own_clock);
        Self {
            view,
            valid: None,
            max_timestamp,
            append_time,
            incoming: incoming_of(&view),
            makes_room: false,
        }
    }

    fn head(&self, base: Offset, epoch: LeaderEpoch) -> [u8; HEADER_LEN] {
        if let Some(valid) = &self.valid {
            return valid.head(base, epoch);
        }
        let mut head = [0; HEADER_LEN];
        head.copy_from_slice(&self.view.bytes()[..HEADER_LEN]);
        batch::patch(&mut head, base, epoch);
        head
    }
}

impl Log {
    /// Appends records as one batch, compressed as the settings say. Records without a time get the present one; others may
    /// have any: `timestamp_before_max_ms` and `timestamp_after_max_ms` bind clients ([`Origin::Client`]), whose clocks are
    /// strangers, and not this program.
    ///
    /// The records survive the end of the process from now on; [`Log::sync`] makes them survive a power cut.
    ///
    /// # Errors
    ///
    /// [`LogError::Rejected`] for no records or too many bytes; as [`Log::append_batch`].
    pub fn append(&self, records: &[NewRecord<'_>]) -> Result<Appended> {
        self.append_records(records, None)
    }

    /// Appends records of this program: by a producer, and whether in its transaction, or by nobody in particular.
    pub(super) fn append_records(
        &self,
        records: &[NewRecord<'_>],
        producer: Option<(ProducerStamp, bool)>,
    ) -> Result<Appended> {
        let config = self.config.load();
        let now = self.clock.now();
        let builder = match producer {
            None => builder(&config),
            Some((stamp, transactional)) if stamp.base_sequence.is_some() => {
                builder(&config).producer(stamp).transactional(transactional)
            }
            Some(_) => return Err(Rejected::Invalid("a producer id without a sequence".to_owned()).into()),
        };
        let bytes = build(records, &config, now, builder)?;
        let appended = self.append_built(&bytes, &config, now, false);
        keep_buffer(bytes);
        appended
    }

    /// As [`Log::append_synced`], for the record of what makes room, such as a deletion: on a full disk it may use the
    /// reserve of the store, which others may not.
    ///
    /// # Errors
    ///
    /// As [`Log::append_synced`].
    pub fn append_to_make_room(&self, records: &[NewRecord<'_>]) -> Result<Appended> {
        let config = self.config.load();
        let now = self.clock.now();
        let bytes = build(records, &config, now, builder(&config))?;
        let appended = self.cover(|| self.append_built(&bytes, &config, now, true))?;
        keep_buffer(bytes);
        self.sync()?;
        Ok(appended)
    }

    fn append_built(
        &self,
        bytes: &[u8],
        config: &LogConfig,
        now: Timestamp,
        makes_room: bool,
    ) -> Result<Appended> {
        let limit = usize::try_from(config.max_message_bytes).unwrap_or(usize::MAX);
        check_size(bytes.len(), limit, config)?;
        let view = BatchView::parse(bytes).map_err(Rejected::Corrupt)?;
        self.commit(&Prepared { makes_room, ..Prepared::trusted(view) }, config, now)
    }

    /// Appends records and returns when they are on the disk.
    ///
    /// # Errors
    ///
    /// As [`Log::append`] and [`Log::sync`]; after the latter the records may or may not be there when the log is
    /// opened again.
    pub fn append_synced(&self, records: &[NewRecord<'_>]) -> Result<Appended> {
        let appended = self.append(records)?;
        self.sync()?;
        Ok(appended)
    }

    /// Appends one ready batch. The offset and the epoch are put into its header; its body is not copied.
    ///
    /// # Errors
    ///
    /// [`LogError::Rejected`] or [`LogError::Producer`]: nothing was written. [`LogError::NoSpace`]: nothing was
    /// written, and another try may succeed. [`LogError::Poisoned`], [`LogError::Closed`], [`LogError::Io`].
    pub fn append_batch(&self, data: &[u8], origin: Origin) -> Result<Appended> {
        self.check_usable()?;
        let config = self.config.load();
        let now = self.clock.now();
        match origin {
            Origin::Coordinator => {
                let view = BatchView::parse(data).map_err(Rejected::Corrupt)?;
                if view.len() != data.len() {
                    return Err(Rejected::MoreThanOneBatch.into());
                }
                view.check_crc().map_err(Rejected::Corrupt)?;
                check_size(view.len(), usize::MAX, &config)?;
                self.commit(&Prepared::trusted(view), &config, now)
            }
            Origin::Client | Origin::OldClient => {
                let mut rules = client_rules(&config, now);
                if origin == Origin::OldClient {
                    rules.after_max_ms = i64::MAX;
                }
                let valid = validate_client_batch(data, &rules)?;
                let codec = valid.view().attributes().codec().unwrap_or_default();
                let wanted = config.compression.unwrap_or(codec);
                if valid.is_numbered() && codec == wanted {
                    return self.commit(&Prepared::valid(valid), &config, now);
                }
                let bytes = rewrite(&valid.view(), wanted, rules.decompressed_cap)?;
                // The limit is on what the client sent; another codec may need more.
                let rules = ClientRules { max_message_bytes: usize::MAX, ..rules };
                self.commit(&Prepared::valid(validate_client_batch(&bytes, &rules)?), &config, now)
            }
        }
    }

    fn commit(&self, batch: &Prepared<'_>, config: &LogConfig, now: Timestamp) -> Result<Appended> {
        let mut outcome = self.commit_once(batch, config, now);
        // Nothing was written: an error after the write poisons the log.
        while outcome.as_ref().is_err_and(LogError::is_too_many_files)
            && !self.is_poisoned()
            && self.free_files()
        {
            outcome = self.commit_once(batch, config, now);
        }
        self.settle_files();
        outcome
    }

    fn commit_once(&self, batch: &Prepared<'_>, config: &LogConfig, now: Timestamp) -> Result<Appended> {
        let mut writer = self.writer.lock();
        self.check_usable()?;
        if let Some(incoming) = &batch.incoming
            && let Verdict::Duplicate(original) = writer.producers.check(incoming)?
        {
            drop(writer);
            // The first try may have failed after the write and before the sync.
            self.sync_as_configured(config)?;
            return Ok(self.duplicate(&original));
        }
        if !batch.makes_room {
            self.check_room(batch.view.len())?;
        }
        let base = self.end.get();
        let delta = i64::from(batch.view.last_offset_delta());
        let used_up = || Rejected::Invalid(format!("offsets after {base} are used up"));
        let last_offset = base.checked_add(delta).ok_or_else(used_up)?;
        let next = last_offset.next().ok_or_else(used_up)?;
        let meta = AppendedBatch { last_offset, max_timestamp: batch.max_timestamp, len: batch.view.len() };
        let epoch = self.assign_epoch(base)?;
        let head = batch.head(base, epoch);
        let placed = self.place(&mut writer, &[&head, batch.view.body()], &meta, config, now)?;
        self.account(&mut writer, batch, &head, placed, base);
        writer.active.publish(placed.end);
        self.end.publish(next);
        let closed = batch.incoming.as_ref().and_then(|i| writer.producers.replay(i, base, now));
        let outcome = self.settle_txns(&mut writer, closed, base);
        drop(writer);
        self.end.wake();
        if closed.is_some() {
            // Who waits for committed records waits for no greater end.
            self.end.wake_all();
        }
        outcome?;
        self.sync_as_configured(config)?;
        let log_start = self.start_offset();
        Ok(Appended {
            base_offset: base,
            last_offset,
            append_time: batch.append_time,
            duplicate: false,
            log_start,
        })
    }

    /// Writes a batch to the active segment, or to a new one if that is full or its file has got a second name.
    fn place(
        &self,
        writer: &mut Writer,
        parts: &[&[u8]],
        meta: &AppendedBatch,
        config: &LogConfig,
        now: Timestamp,
    ) -> Result<Placed> {
        let failed = |error| self.write_failed(error);
        if !writer.must_roll {
            let options = SegmentOptions::from(config);
            match writer.active.append_if_room(parts, meta, &options, now) {
                Ok(Some(placed)) => return Ok(placed),
                Err(error) if !writer.active.is_shared() => return Err(failed(error)),
                Ok(None) | Err(_) => {}
            }
        }
        self.roll(writer, self.end.get(), now)?;
        writer.active.append(parts, meta, now).map_err(failed)
    }

    fn duplicate(&self, original: &Remembered) -> Appended {
        Appended {
            base_offset: original.first_offset(),
            last_offset: original.last_offset,
            append_time: original.timestamp,
            duplicate: true,
            log_start: self.start_offset(),
        }
    }

    fn account(
        &self,
        writer: &mut Writer,
        batch: &Prepared<'_>,
        head: &[u8; HEADER_LEN],
        placed: Placed,
        base: Offset,
    ) {
        let crc = u32::from_be_bytes(std::array::from_fn(|i| head[CRC_AT + i]));
        writer.last = Some(LastBatch { position: placed.start, crc });
        writer.written += batch.view.len() as u64;
        writer.batches += 1;
        writer.records += u64::from(batch.view.record_count());
        if writer.unsynced_since.is_none() {
            writer.unsynced_since = Some(self.clock.monotonic());
        }
        let opens = batch.view.attributes().is_transactional() && !batch.view.attributes().is_control();
        if opens && writer.producers.first_open().is_none() {
            // Before the end is published: whoever sees the new end sees that it is not stable.
            self.first_open_txn.store(base.get(), Ordering::Release);
        }
    }

    /// Notes what is open and what was aborted, after the batch is published.
    fn settle_txns(&self, writer: &mut Writer, closed: Option<Closed>, marker: Offset) -> Result<()> {
        let open = writer.producers.first_open();
        if let Some(Closed { producer, first_offset, commit: false }) = closed {
            let last_stable = open.unwrap_or(self.end.get());
            let aborted = TxnEntry { producer, first: first_offset, last: marker, last_stable };
            if let Err(error) = writer.active.add_aborted(aborted) {
                // Readers of committed records would be given the aborted ones.
                self.poison(&error);
                return Err(error);
            }
            // The index may have been made just now.
            writer.dir_changed = true;
        }
        self.first_open_txn.store(open.map_or(i64::MAX, Offset::get), Ordering::Release);
        Ok(())
    }

    /// The epoch to write under, noted in its file before the first batch that has it.
    fn assign_epoch(&self, base: Offset) -> Result<LeaderEpoch> {
        let known = self.epochs.load();
        if let Some(epoch) = known.latest() {
            return Ok(epoch);
        }
        let mut epochs = (**known).clone();
        epochs.assign(LeaderEpoch::ZERO, base);
        // The first one need not be durable: without an entry recovery takes any.
        epochs.store(&*self.storage, &self.dir.read(), false).map_err(LogError::into_no_space)?;
        self.epochs.store(Arc::new(epochs));
        Ok(LeaderEpoch::ZERO)
    }

    /// Goes on in a new segment that begins at `base`.
    pub(super) fn roll(&self, writer: &mut Writer, base: Offset, now: Timestamp) -> Result<()> {
        self.check_home(&writer.active)?;
        let dir = self.dir();
        let options = self.options();
        // Before there is another: readers in other processes take a segment that has a successor as it is.
        writer.active.cut_zeros().map_err(LogError::into_no_space)?;
        let create = || Segment::create(Arc::clone(&self.storage), &dir, base, &options, now);
        let fresh = match create() {
            Err(LogError::Io { path, source, .. }) if source.kind() == ErrorKind::AlreadyExists => {
                // An earlier try was refused half-way, and so was the removal of what it left. Nothing was ever put there.
                self.storage.remove_file(&path).map_err(LogError::io("remove", &path))?;
                create()
            }
            created => created,
        };
        let fresh = fresh.map_err(LogError::into_no_space)?;
        if let Some(files) = &self.files {
            fresh.count_in(files.count());
        }
        writer.dir_changed = true;
        let replaced = writer.active.base_offset() == base;
        if !replaced && let Err(error) = writer.active.seal() {
            // An empty segment with this name would be in the way of the next try.
            let removed = fresh.remove_files();
            let error = error.into_no_space();
            removed?;
            return Err(error);
        }
        writer.producers.forget_idle(now, millis(self.config.load().producer_expiration_ms));
        // Derived, and kept for Kafka's sake: the roll does not fail over it.
        let _ = producer_file::store_snapshot(&*self.storage, &dir, base, &writer.producers);
        let view = self.view.load();
        let mut segments = view.segments.clone();
        if replaced {
            // It was empty, and its file has a second name: the new one has taken the first.
            segments.pop();
            // The name is the new file's already: the old one must not be gone on with.
            let marked = self.with_files(|| self.mark_replaced(&dir, &fresh));
            marked.inspect_err(|error| self.poison(error))?;
        }
        segments.push(Arc::clone(&fresh));
        self.view.store(Arc::new(View { segments, damage: view.damage.clone() }));
        writer.active = fresh;
        writer.last = None;
        writer.must_roll = false;
        Ok(())
    }

    /// Fails if the active segment is not where it was: the directory was moved, removed, or another stands in its place,
    /// in which this log must not go on.
    fn check_home(&self, active: &Segment) -> Result<()> {
        let path = active.path();
        let found = match self.storage.open(&path, OpenMode::Read) {
            Ok(file) => Some(file.id().map_err(LogError::io("look at", &path))?),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(LogError::io("open", &path)(error)),
        };
        if found == Some(active.file_id()?) { Ok(()) } else { Err(LogError::io("find", path)(moved_away())) }
    }

    /// Makes the mark speak of the file that has taken the place of an empty one. If this is interrupted the mark is not
    /// believed, and everything is looked at.
    fn mark_replaced(&self, dir: &Path, fresh: &Segment) -> Result<()> {
        self.storage.sync_dir(dir).map_err(LogError::io("sync", dir))?;
        let mut marking = self.marking.lock();
        marking.forget_synced();
        let mark = *marking.last();
        if mark.segment == fresh.base_offset() {
            let mark = Mark { file: fresh.file_id()?, heir: None, ..mark };
            marking.write(&*self.storage, mark, self.clock.monotonic())?;
        }
        Ok(())
    }

    /// A full disk is no reason to stop for ever; after any other failed write nobody knows what the disk holds.
    fn write_failed(&self, error: LogError) -> LogError {
        let error = error.into_no_space();
        // Without a descriptor nothing was tried.
        if !matches!(error, LogError::NoSpace { .. }) && !error.is_too_many_files() {
            self.poison(&error);
        }
        error
    }
}

fn client_rules(config: &LogConfig, now: Timestamp) -> ClientRules {
    ClientRules {
        max_message_bytes: usize::try_from(config.max_message_bytes).unwrap_or(usize::MAX),
        segment_bytes: usize::try_from(config.segment_bytes).unwrap_or(usize::MAX),
        compacted: config.cleanup_policy.compact,
        timestamp_type: config.timestamp_type,
        before_max_ms: config.timestamp_before_max_ms.map_or(i64::MAX, millis),
        after_max_ms: config.timestamp_after_max_ms.map_or(i64::MAX, millis),
        now,
        decompressed_cap: config.decompressed_cap(),
    }
}

/// The thread's buffer, if it is not in use.
fn buffer() -> Vec<u8> {
    // A thread that ends may still append.
    BUFFER.try_with(Cell::take).unwrap_or_default()
}

/// For a batch of this program, in the thread's buffer.
fn builder(config: &LogConfig) -> BatchBuilder {
    BatchBuilder::reusing(buffer()).codec(config.compression.unwrap_or_default())
}

fn keep_buffer(bytes: Vec<u8>) {
    if bytes.capacity() <= KEPT_BUFFER {
        let _ = BUFFER.try_with(|kept| kept.set(bytes));
    }
}

fn build(
    records: &[NewRecord<'_>],
    config: &LogConfig,
    now: Timestamp,
    mut builder: BatchBuilder,
) -> Result<Vec<u8>> {
    if records.is_empty() {
        return Err(Rejected::Empty(0).into());
    }
    if config.timestamp_type == TimestampType::LogAppendTime {
        builder = builder.log_append_time(now);
    }
    for (index, record) in (0..).zip(records) {
        if config.cleanup_policy.compact && record.key.is_none() {
            return Err(Rejected::MissingKey(vec![index]).into());
        }
        builder.push(&NewRecord { timestamp: record.timestamp.or(Some(now)), ..*record });
    }
    Ok(builder.finish()?)
}

fn check_size(size: usize, max: usize, config: &LogConfig) -> Result<()> {
    if size > max {
        return Err(Rejected::TooLarge { size, max }.into());
    }
    let segment = usize::try_from(config.segment_bytes).unwrap_or(usize::MAX);
    if size > segment {
        return Err(Rejected::LargerThanSegment { size, segment }.into());
    }
    Ok(())
}

/// The reason of a batch that is not what was written, as the reading side says it.
pub(super) fn corrupt(
    segment: &Segment,
    position: crate::types::Position,
    reason: CorruptReason,
) -> LogError {
    LogError::Corrupt { path: segment.path(), position, reason }
}
