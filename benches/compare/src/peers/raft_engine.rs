//! `raft-engine`: entries of one region. An entry's index is the first eight bytes of its data here.

use super::{Engine, Facts, Outcome, told};
use crate::work::{Check, Unit};
use protobuf::well_known_types::BytesValue;
use raft_engine::{Config, LogBatch, MessageExt, ReadableSize};
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;

pub const FACTS: Facts = Facts { groups: true, ..Facts::new("raft-engine", "0.4.2") };

const REGION: u64 = 1;
const INDEX: usize = 8;
/// Entries that are read together.
const AT_ONCE: u64 = 1024;

struct Entry;

impl MessageExt for Entry {
    type Entry = BytesValue;

    fn index(entry: &BytesValue) -> u64 {
        entry.value.first_chunk().map_or(0, |raw| u64::from_le_bytes(*raw))
    }
}

pub fn open(dir: &Path, _room: u64) -> Outcome<Box<dyn Engine>> {
    let config = Config {
        dir: dir.display().to_string(),
        // Noise does not compress: trying would only cost.
        batch_compression_threshold: ReadableSize(0),
        ..Config::default()
    };
    let engine = raft_engine::Engine::open(config).map_err(told("open"))?;
    let next = engine.last_index(REGION).map_or(1, |last| last + 1);
    Ok(Box::new(Raft { engine, next: Mutex::new(next), threads: Mutex::new(0) }))
}

struct Raft {
    engine: raft_engine::Engine,
    next: Mutex<u64>,
    /// Regions given to threads, for synced appends: a region has one writer.
    threads: Mutex<u64>,
}

thread_local! {
    /// Region and next index of this thread.
    static OWN: std::cell::Cell<(u64, u64)> = const { std::cell::Cell::new((0, 1)) };
}

impl Raft {
    fn write(&self, unit: &Unit, region: u64, first: u64, sync: bool) -> Outcome {
        let entries: Vec<BytesValue> =
            (first..).zip(&unit.records).map(|(index, data)| entry(index, data)).collect();
        let mut batch = LogBatch::with_capacity(1);
        batch.add_entries::<Entry>(region, &entries).map_err(told("entries"))?;
        self.engine.write(&mut batch, sync).map(drop).map_err(told("write"))
    }
}

fn entry(index: u64, data: &[u8]) -> BytesValue {
    let mut value = Vec::with_capacity(INDEX + data.len());
    value.extend_from_slice(&index.to_le_bytes());
    value.extend_from_slice(data);
    BytesValue { value, ..BytesValue::default() }
}

impl Engine for Raft {
    fn append(&self, unit: &Unit) -> Outcome {
        let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
        self.write(unit, REGION, *next, false)?;
        *next += unit.records.len() as u64;
        Ok(())
    }

    fn append_synced(&self, unit: &Unit) -> Outcome {
        let (region, first) = OWN.get();
        let region = if region > 0 {
            region
        } else {
            let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
            *threads += 1;
            1 + *threads
        };
        // The index goes on where it was in another engine of this thread: it may begin anywhere.
        OWN.set((region, first + unit.records.len() as u64));
        self.write(unit, region, first, true)
    }

    fn scan(&self, check: &mut Check<'_>) -> Outcome {
        let end = self.engine.last_index(REGION).map_or(1, |last| last + 1);
        let mut from = 1;
        let mut entries = Vec::new();
        while from < end {
            entries.clear();
            let to = end.min(from + AT_ONCE);
            self.engine
                .fetch_entries_to::<Entry>(REGION, from, to, None, &mut entries)
                .map_err(told("fetch"))?;
            entries.iter().for_each(|entry| check.see(&entry.value[INDEX..]));
            from = to;
        }
        Ok(())
    }

    fn get(&self, record: u64, see: &mut dyn FnMut(&[u8])) -> Outcome {
        let found = self.engine.get_entry::<Entry>(REGION, record + 1).map_err(told("get"))?;
        see(&found.ok_or("nothing there")?.value[INDEX..]);
        Ok(())
    }

    fn close(self: Box<Self>) -> Outcome {
        self.engine.sync().map_err(told("sync"))
    }
}
