//! `walrus-rust`: topics with a cursor. Reading everything needs a fresh instance, whose cursor stands at the start.
//!
//! Its place comes from `WALRUS_DATA_DIR`, which `main` has set: the directory's name becomes the key.

use super::{Engine, Facts, Outcome, told};
use crate::work::{Check, Unit};
use std::path::Path;
use walrus_rust::{FsyncSchedule, ReadConsistency, Walrus};

pub const FACTS: Facts = Facts { random: false, ..Facts::new("walrus", "0.2.0") };

const TOPIC: &str = "t";

pub fn open(dir: &Path, _room: u64) -> Outcome<Box<dyn Engine>> {
    let name = dir.file_name().and_then(|name| name.to_str()).unwrap_or("walrus");
    // A directory named for it is synced, any other is not: the schedule is the instance's.
    let schedule = if name.contains("synced") { FsyncSchedule::SyncEach } else { FsyncSchedule::NoFsync };
    let reads = ReadConsistency::AtLeastOnce { persist_every: u32::MAX };
    Walrus::with_consistency_and_schedule_for_key(name, reads, schedule)
        .map(|walrus| Box::new(Cursor(walrus)) as Box<dyn Engine>)
        .map_err(told("open"))
}

struct Cursor(Walrus);

impl Engine for Cursor {
    fn append(&self, unit: &Unit) -> Outcome {
        if let [record] = &unit.records[..] {
            return self.0.append_for_topic(TOPIC, record).map_err(told("append"));
        }
        self.0.batch_append_for_topic(TOPIC, &unit.slices()).map_err(told("append"))
    }

    fn append_synced(&self, unit: &Unit) -> Outcome {
        self.append(unit)
    }

    fn scan(&self, check: &mut Check<'_>) -> Outcome {
        while let Some(entry) = self.0.read_next(TOPIC, true).map_err(told("read"))? {
            check.see(&entry.data);
        }
        Ok(())
    }

    fn get(&self, _record: u64, _see: &mut dyn FnMut(&[u8])) -> Outcome {
        Err("it reads by cursor only".to_owned())
    }

    fn close(self: Box<Self>) -> Outcome {
        Ok(())
    }
}
