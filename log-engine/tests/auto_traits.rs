//! What may go to another thread, and be used by several at a time: documented, and true.

use log_engine::io::{Clock, Storage};
use log_engine::log::{Cursor, ReaderBatches, WaitSlot};
use log_engine::{
    Appended, BatchStream, FileSlice, Log, LogConfig, LogError, LogReader, LogStats, LogStore, NewRecord,
    ReadSlices, Record, RecordBatch, RecordBatches, Snapshot, StoreBuilder,
};
use std::sync::Arc;

const fn shared<T: Send + Sync + ?Sized>() {}
const fn owned<T: Send + Sync + 'static>() {}
const fn sent<T: Send>() {}
const fn movable<T: Unpin>() {}

#[test]
fn everything_may_be_sent_and_shared() {
    owned::<Log>();
    owned::<Arc<Log>>();
    owned::<LogStore>();
    owned::<LogReader>();
    owned::<RecordBatch>();
    owned::<FileSlice>();
    owned::<ReadSlices>();
    owned::<RecordBatches<'static>>();
    owned::<Cursor<RecordBatches<'static>>>();
    owned::<BatchStream>();
    owned::<WaitSlot>();
    owned::<LogConfig>();
    owned::<LogError>();
    owned::<LogStats>();
    owned::<Appended>();
    owned::<Snapshot>();
    sent::<StoreBuilder>();
    shared::<ReaderBatches<'_>>();
    shared::<NewRecord<'_>>();
    shared::<Record<'_>>();
    shared::<dyn Storage>();
    shared::<dyn Clock>();
    movable::<BatchStream>();
}
