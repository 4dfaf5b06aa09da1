//! Ours. A record alone by `append`, more as a ready batch, as a client sends it.

use super::{Engine, Facts, Outcome, told};
use crate::work::{Check, Unit};
use log_engine::format::batch::BatchView;
use log_engine::{Log, LogConfig, NewRecord, Offset, Origin, ReadLimits};
use std::path::Path;
use std::sync::Arc;

pub const FACTS: Facts = Facts { groups: true, ..Facts::new("log-engine", "0.1.0") };

/// A unit of 1 MiB and its headers is more than Kafka's default allows.
pub fn config() -> LogConfig {
    LogConfig { max_message_bytes: 2 << 20, ..LogConfig::default() }
}

pub fn open(dir: &Path, _room: u64) -> Outcome<Box<dyn Engine>> {
    Ok(Box::new(Ours(Log::open(dir, config()).map_err(told("open"))?)))
}

struct Ours(Arc<Log>);

impl Engine for Ours {
    fn append(&self, unit: &Unit) -> Outcome {
        let appended = if unit.shape.singly {
            self.0.append(&[NewRecord::value(&unit.records[0])])
        } else {
            self.0.append_batch(&unit.batch, Origin::Client)
        };
        appended.map(drop).map_err(told("append"))
    }

    fn append_synced(&self, unit: &Unit) -> Outcome {
        self.append(unit)?;
        self.0.sync().map(drop).map_err(told("sync"))
    }

    fn scan(&self, check: &mut Check<'_>) -> Outcome {
        for batch in self.0.records(Offset::ZERO) {
            let batch = batch.map_err(told("read"))?;
            let records = batch.records().map_err(told("open"))?;
            for record in &records {
                check.see(record.map_err(told("record"))?.value.unwrap_or_default());
            }
        }
        Ok(())
    }

    fn get(&self, record: u64, see: &mut dyn FnMut(&[u8])) -> Outcome {
        get(&self.0, record, see)
    }

    fn close(self: Box<Self>) -> Outcome {
        self.0.close().map_err(told("close"))
    }
}

/// The record at an offset: its batch, which is checked once at most, walked to it.
pub fn get(log: &Log, record: u64, see: &mut dyn FnMut(&[u8])) -> Outcome {
    let offset = Offset::new(record.cast_signed()).ok_or("no such offset")?;
    let limits = ReadLimits { max_bytes: 1, ..ReadLimits::default() };
    let read = log.read(offset, limits).map_err(told("read"))?;
    let bytes = read.slices.first().ok_or("nothing there")?.bytes().map_err(told("map"))?;
    let view = BatchView::parse(&bytes).map_err(told("batch"))?;
    let records = view.records(0).map_err(told("records"))?;
    see(records.get(offset).map_err(told("record"))?.and_then(|found| found.value).ok_or("nothing there")?);
    Ok(())
}

/// The same by the call that checks the batch each time.
pub fn get_checked(log: &Log, record: u64, see: &mut dyn FnMut(&[u8])) -> Outcome {
    let offset = Offset::new(record.cast_signed()).ok_or("no such offset")?;
    let batch = log.get(offset).map_err(told("get"))?.ok_or("nothing there")?;
    let records = batch.records().map_err(told("records"))?;
    see(records.get(offset).map_err(told("record"))?.and_then(|found| found.value).ok_or("nothing there")?);
    Ok(())
}
