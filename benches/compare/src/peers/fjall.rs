//! `fjall`: a keyspace from record numbers to records.

use super::{Engine, Facts, Outcome, told};
use crate::work::{Check, Unit};
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

pub const FACTS: Facts = Facts::new("fjall", "3.1.13");

pub fn open(dir: &Path, room: u64) -> Outcome<Box<dyn Engine>> {
    // The journal keeps all that is measured: it is not made to wait for compactions.
    let builder = Database::builder(dir).max_journaling_size(room * 2 + (512 << 20));
    let db = builder.open().map_err(told("open"))?;
    let records = db.keyspace("records", KeyspaceCreateOptions::default).map_err(told("keyspace"))?;
    let last = records.last_key_value().map(|guard| guard.key()).transpose().map_err(told("last"))?;
    let next = last.and_then(|key| key.first_chunk().map(|raw| u64::from_be_bytes(*raw) + 1)).unwrap_or(0);
    Ok(Box::new(Tree { db, records, next: AtomicU64::new(next) }))
}

struct Tree {
    db: Database,
    records: Keyspace,
    next: AtomicU64,
}

impl Engine for Tree {
    fn append(&self, unit: &Unit) -> Outcome {
        let first = self.next.fetch_add(unit.records.len() as u64, Ordering::Relaxed);
        if let [record] = &unit.records[..] {
            return self.records.insert(first.to_be_bytes(), &record[..]).map_err(told("insert"));
        }
        let mut batch = self.db.batch();
        for (key, record) in (first..).zip(&unit.records) {
            batch.insert(&self.records, key.to_be_bytes(), &record[..]);
        }
        batch.commit().map_err(told("commit"))
    }

    fn append_synced(&self, unit: &Unit) -> Outcome {
        self.append(unit)?;
        self.db.persist(PersistMode::SyncData).map_err(told("persist"))
    }

    fn scan(&self, check: &mut Check<'_>) -> Outcome {
        for guard in self.records.iter() {
            check.see(&guard.value().map_err(told("read"))?);
        }
        Ok(())
    }

    fn get(&self, record: u64, see: &mut dyn FnMut(&[u8])) -> Outcome {
        let found = self.records.get(record.to_be_bytes()).map_err(told("get"))?;
        see(&found.ok_or("nothing there")?);
        Ok(())
    }

    fn close(self: Box<Self>) -> Outcome {
        self.db.persist(PersistMode::SyncAll).map_err(told("persist"))
    }
}
