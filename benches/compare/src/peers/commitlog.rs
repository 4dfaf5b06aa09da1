//! `commitlog`: message sets in segments, an index entry for each message.

use super::{Engine, Facts, Outcome, told};
use crate::work::{Check, Unit};
use commitlog::message::{MessageBuf, MessageSet};
use commitlog::{CommitLog, LogOptions, ReadLimit};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

pub const FACTS: Facts = Facts::new("commitlog", "0.2.0");

const READ_AT_ONCE: usize = 1 << 20;
/// One index file for all that is measured: its index does not say when it is full.
const INDEX_ITEMS: usize = 20_000_000;

pub fn open(dir: &Path, _room: u64) -> Outcome<Box<dyn Engine>> {
    let mut options = LogOptions::new(dir);
    options.message_max_bytes(4 << 20).index_max_items(INDEX_ITEMS);
    let log = CommitLog::new(options).map_err(told("open"))?;
    Ok(Box::new(Commit(Mutex::new((log, None)))))
}

/// The log, and the unit as a message set, which is made once: offsets are put into it by each append.
struct Commit(Mutex<(CommitLog, Option<MessageBuf>)>);

impl Commit {
    fn append_then(&self, unit: &Unit, sync: bool) -> Outcome {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (log, set) = &mut *guard;
        if unit.shape.singly {
            log.append_msg(&unit.records[0]).map_err(told("append"))?;
        } else {
            let set = set.get_or_insert_with(|| unit.records.iter().collect());
            log.append(set).map_err(told("append"))?;
        }
        if sync { log.flush().map_err(told("flush")) } else { Ok(()) }
    }
}

impl Engine for Commit {
    fn append(&self, unit: &Unit) -> Outcome {
        self.append_then(unit, false)
    }

    fn append_synced(&self, unit: &Unit) -> Outcome {
        self.append_then(unit, true)
    }

    fn scan(&self, check: &mut Check<'_>) -> Outcome {
        let guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = 0;
        loop {
            let set = guard.0.read(next, ReadLimit::max_bytes(READ_AT_ONCE)).map_err(told("read"))?;
            let before = next;
            for message in set.iter() {
                check.see(message.payload());
                next = message.offset() + 1;
            }
            if next == before {
                return Ok(());
            }
        }
    }

    fn get(&self, record: u64, see: &mut dyn FnMut(&[u8])) -> Outcome {
        let guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // The least that holds a record of every shape that is read at random: it reads as much as it is allowed.
        let set = guard.0.read(record, ReadLimit::max_bytes(2048)).map_err(told("read"))?;
        see(set.iter().next().ok_or("nothing there")?.payload());
        Ok(())
    }

    fn close(self: Box<Self>) -> Outcome {
        let mut guard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        guard.0.flush().map_err(told("flush"))
    }
}
