//! `.txnindex` and `.snapshot` files.

use super::log::optional;
use super::{Dump, Stop};
use log_engine::format::index_entry::TxnEntry;
use log_engine::format::snapshot::{self, ProducerEntry};
use log_engine::types::{Offset, Sequence, Timestamp};
use std::path::Path;

impl Dump<'_> {
    pub(super) fn txn_index(&mut self, path: &Path) -> Result<(), Stop> {
        let bytes = self.read(path)?;
        for (n, entry) in bytes.chunks(TxnEntry::LEN).enumerate() {
            let Some(txn) = entry.first_chunk().and_then(TxnEntry::from_bytes) else {
                return Err(Stop::Trouble(format!(
                    "{}: entry {n} is none that Kafka writes; delete the index, and the next start makes it anew",
                    path.display()
                )));
            };
            writeln!(
                self.out,
                "version: 0 producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}",
                txn.producer.get(),
                txn.first.get(),
                txn.last.get(),
                txn.last_stable.get()
            )?;
        }
        Ok(())
    }

    pub(super) fn snapshot(&mut self, path: &Path) -> Result<(), Stop> {
        let bytes = self.read(path)?;
        match snapshot::read(&bytes) {
            Ok(producers) => {
                for producer in &producers {
                    writeln!(self.out, "{}", line(producer))?;
                }
            }
            Err(reason) => writeln!(self.err, "Snapshot {} is corrupted ({reason})", path.display())?,
        }
        Ok(())
    }
}

fn line(producer: &ProducerEntry) -> String {
    let timestamp = Timestamp::to_raw(producer.timestamp);
    let mut line = format!(
        "producerId: {} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {} lastTimestamp: {timestamp}",
        producer.id.get(),
        producer.epoch.get(),
        producer.coordinator_epoch.unwrap_or(-1),
        optional(producer.txn_first_offset.map(Offset::get)),
    );
    // Only a marker was seen of a producer without a last record.
    if let Some(offset) = producer.last_offset {
        let last = producer.last_sequence.map_or(-1, Sequence::get);
        line.push_str(&format!(
            " firstSequence: {} lastSequence: {last} lastOffset: {} offsetDelta: {} timestamp: {timestamp}",
            first_sequence(last, producer.offset_delta),
            offset.get(),
            producer.offset_delta,
        ));
    }
    line
}

/// Sequences go round after `i32::MAX`.
fn first_sequence(last: i32, delta: u32) -> i64 {
    let first = i64::from(last) - i64::from(delta);
    if first < 0 && last >= 0 { first + i64::from(i32::MAX) + 1 } else { first }
}
