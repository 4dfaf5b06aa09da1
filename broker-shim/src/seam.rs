//! TEMPORARY stand-ins for what is not merged yet. Never to be left in.
#![allow(missing_docs, clippy::all, clippy::pedantic, unreachable_pub)]
use log_engine::config::LogConfig;
use log_engine::error::{LogError, Result};
use log_engine::format::validate::{ClientRules, validate_client_batch};
use log_engine::io::{RealStorage, Storage};
use log_engine::segment::{AppendedBatch, FileSlice, Segment, SegmentOptions};
use log_engine::types::{LeaderEpoch, Offset, Position, Timestamp};
use parking_lot::Mutex;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

#[derive(Debug)]
pub struct Log {
    pub values: Mutex<Vec<Vec<u8>>>,
    segment: Arc<Segment>,
    state: Mutex<Inner>,
}
#[derive(Debug, Default)]
struct Inner {
    batches: Vec<(Offset, Offset, Position, usize, Option<Timestamp>)>,
    end: Offset,
    synced: Offset,
    wakers: Vec<Waker>,
}
impl Default for Log {
    fn default() -> Self {
        let storage: Arc<dyn Storage> = Arc::new(RealStorage::default());
        static N: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let n = N.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let dir = &std::env::temp_dir().join(format!("seam-{}-{n}", std::process::id()));
        storage.create_dir_all(dir).unwrap();
        let options = SegmentOptions {
            segment_bytes: 1 << 30,
            index_interval_bytes: 4096,
            segment_index_bytes: 1 << 20,
            segment_ms: i64::MAX,
            segment_jitter_ms: 0,
        };
        let segment = Segment::create(storage, dir, Offset::ZERO, &options, Timestamp::default()).unwrap();
        Self { values: Mutex::default(), segment, state: Mutex::default() }
    }
}
#[derive(Debug, Default)]
pub struct WaitSlot;
impl WaitSlot {
    pub fn new() -> Self {
        Self
    }
}
#[derive(Clone, Copy, Debug)]
pub enum Origin {
    Client,
    ClientBefore,
}
#[derive(Clone, Copy, Debug)]
pub struct Appended {
    pub base_offset: Offset,
    pub last_offset: Offset,
    pub append_time: Option<Timestamp>,
    pub duplicate: bool,
    pub log_start: Offset,
}
#[derive(Clone, Copy, Debug)]
pub struct ReadLimits {
    pub max_bytes: usize,
    pub at_least_one: bool,
    pub up_to: Option<Offset>,
}
#[derive(Debug, Default)]
pub struct ReadSlices {
    pub slices: Vec<FileSlice>,
}
impl Log {
    pub fn append_batch(&self, data: &[u8], _: Origin) -> Result<Appended> {
        let rules = ClientRules {
            max_message_bytes: 1_048_588,
            segment_bytes: 1 << 30,
            compacted: false,
            timestamp_type: Default::default(),
            before_max_ms: i64::MAX,
            after_max_ms: i64::MAX,
            now: Timestamp::default(),
            decompressed_cap: 1 << 24,
        };
        let valid = validate_client_batch(data, &rules)?;
        let mut bytes = valid.view().bytes().to_vec();
        let delta = i64::from(valid.view().last_offset_delta());
        let mut s = self.state.lock();
        let base = s.end;
        let last = base.checked_add(delta).unwrap();
        bytes[..8].copy_from_slice(&base.get().to_be_bytes());
        bytes[12..16].copy_from_slice(&0_i32.to_be_bytes());
        let placed = self.segment.append(
            &[&bytes],
            &AppendedBatch { last_offset: last, max_timestamp: valid.max_timestamp(), len: bytes.len() },
            Timestamp::default(),
        )?;
        self.segment.publish(placed.end);
        s.batches.push((base, last, placed.start, bytes.len(), valid.max_timestamp()));
        s.end = last.next().unwrap();
        for w in std::mem::take(&mut s.wakers) {
            w.wake();
        }
        Ok(Appended {
            base_offset: base,
            last_offset: last,
            append_time: None,
            duplicate: false,
            log_start: Offset::ZERO,
        })
    }
    pub fn sync(&self) -> Result<Offset> {
        std::thread::sleep(std::time::Duration::from_millis(1));
        let mut s = self.state.lock();
        s.synced = s.end;
        for w in std::mem::take(&mut s.wakers) {
            w.wake();
        }
        Ok(s.synced)
    }
    pub fn start_offset(&self) -> Offset {
        Offset::ZERO
    }
    pub fn end_offset(&self) -> Offset {
        self.state.lock().end
    }
    pub fn last_stable_offset(&self) -> Offset {
        self.state.lock().end
    }
    pub fn synced_end(&self) -> Offset {
        self.state.lock().synced
    }
    pub fn epoch(&self) -> LeaderEpoch {
        LeaderEpoch::ZERO
    }
    pub fn end_offset_for_epoch(&self, e: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        (e.get() == 0).then(|| (e, self.end_offset()))
    }
    pub fn segment_offsets(&self) -> Vec<(Offset, Timestamp)> {
        vec![(Offset::ZERO, Timestamp::default())]
    }
    pub fn max_timestamp(&self) -> Result<Option<(Offset, Timestamp)>> {
        let s = self.state.lock();
        Ok(s.batches.iter().filter_map(|b| Some((b.1, b.4?))).max_by_key(|b| b.1))
    }
    pub fn offset_for_time(&self, ts: Timestamp) -> Result<Option<(Offset, Timestamp)>> {
        let s = self.state.lock();
        Ok(s.batches.iter().filter_map(|b| Some((b.0, b.4?))).find(|b| b.1 >= ts))
    }
    pub fn read(&self, from: Offset, limits: ReadLimits) -> Result<ReadSlices> {
        let s = self.state.lock();
        if from > s.end {
            return Err(LogError::OffsetOutOfRange { requested: from, start: Offset::ZERO, end: s.end });
        }
        let mut out = ReadSlices::default();
        let mut bytes = 0;
        for (_, last, pos, len, _) in &s.batches {
            if *last < from {
                continue;
            }
            if bytes + len > limits.max_bytes && !(bytes == 0 && limits.at_least_one) {
                break;
            }
            bytes += len;
            out.slices.push(self.segment.slice(*pos, *len)?);
        }
        Ok(out)
    }
    pub fn poll_end(&self, beyond: Offset, cx: &mut Context<'_>, _: &mut WaitSlot) -> Poll<Offset> {
        let mut s = self.state.lock();
        if s.end > beyond {
            return Poll::Ready(s.end);
        }
        s.wakers.push(cx.waker().clone());
        Poll::Pending
    }
    pub fn poll_synced(
        &self,
        target: Offset,
        cx: &mut Context<'_>,
        _: &mut WaitSlot,
    ) -> Poll<Result<Offset>> {
        let mut s = self.state.lock();
        if s.synced >= target {
            return Poll::Ready(Ok(s.synced));
        }
        s.wakers.push(cx.waker().clone());
        Poll::Pending
    }
    pub fn config(&self) -> Arc<LogConfig> {
        Arc::new(LogConfig::default())
    }
}
pub mod convert {
    use super::*;
    pub fn up_convert(_: &[u8], _: &Log) -> Result<Vec<u8>> {
        Err(LogError::Closed)
    }
    pub fn down_convert(b: &[u8], _: i8, _: bool, _: usize) -> std::result::Result<Vec<u8>, ()> {
        Ok(b.to_vec())
    }
}
#[derive(Debug)]
pub struct GroupCoordinator;
