//! Batches of the offsets topic as the steps of a replay.

use super::Replayed;
use log_engine::format::CorruptReason;
use log_engine::format::batch::BatchView;
use log_engine::format::build::read_marker;

/// Shows the records of one batch, or the end of a transaction. `cap` bounds what a compressed batch may open to.
pub(crate) fn replay_batch(
    batch: &BatchView<'_>,
    cap: usize,
    visit: &mut dyn FnMut(Replayed<'_>),
) -> Result<(), CorruptReason> {
    let attributes = batch.attributes();
    let producer = batch.producer().map(|stamp| stamp.id.get());
    let transaction = producer.filter(|_| attributes.is_transactional());
    for record in &batch.records(cap)? {
        let record = record?;
        if attributes.is_control() {
            if let (Some((commit, _)), Some(producer)) = (read_marker(&record), producer) {
                visit(Replayed::Marker { producer, commit });
            }
        } else if let Some(key) = record.key {
            visit(Replayed::Record { key, value: record.value, producer: transaction });
        }
    }
    Ok(())
}
