//! Records for clients from before the present format: read whole and written anew.

use super::super::{RequestContext, errors};
use super::WHOLE_BATCH_SINCE;
use super::read::Collected;
use crate::broker::BrokerState;
use crate::config::TopicSettings;
use crate::net::FileSlice;
use bytes::{Bytes, BytesMut};
use kafka_wire::messages::FetchRequest;
use kafka_wire::{ErrorCode, Payload};

/// The first version with message format 1.
const MAGIC_1_SINCE: i16 = 2;

/// Replaces the gaps of the answer by converted records. An error is its partition's.
pub(super) fn to_old_format(
    state: &BrokerState,
    cx: &RequestContext,
    request: &FetchRequest,
    collected: &mut Collected,
) {
    for (asked, topic) in request.topics.iter().zip(&mut collected.topics) {
        let allowed = is_allowed(state, &asked.topic);
        for (asked, partition) in asked.partitions.iter().zip(&mut topic.partitions) {
            let Payload::Gap { slot, .. } = partition.records else { continue };
            let slot = usize::try_from(slot).unwrap_or(usize::MAX);
            let slices = collected.files.get_mut(slot).map(std::mem::take).unwrap_or_default();
            let limit = usize::try_from(asked.partition_max_bytes).unwrap_or(0);
            let converted =
                if allowed { convert(cx, &slices, limit) } else { Err(ErrorCode::UnsupportedVersion) };
            partition.records = Payload::Bytes(converted.unwrap_or_else(|code| {
                partition.error_code = errors::in_version(code, cx.key, cx.version).into();
                partition.high_watermark = -1;
                Bytes::new()
            }));
        }
    }
}

fn is_allowed(state: &BrokerState, topic: &str) -> bool {
    state.catalog.topic(topic).is_none_or(|topic| {
        TopicSettings::new(&state.config, &topic.overrides).switch("message.downconversion.enable")
    })
}

fn convert(cx: &RequestContext, slices: &[FileSlice], limit: usize) -> Result<Bytes, ErrorCode> {
    let magic = if cx.version < MAGIC_1_SINCE { 0 } else { 1 };
    let mut bytes = contiguous(slices).map_err(|_| ErrorCode::KafkaStorageError)?;
    let converted =
        crate::seam::convert::down_convert(&bytes, magic, true, limit).map_err(errors::of_conversion)?;
    bytes = Bytes::from(converted);
    if cx.version < WHOLE_BATCH_SINCE {
        // A client that gets a cut message only asks again with a greater limit.
        bytes.truncate(limit);
    }
    Ok(bytes)
}

fn contiguous(slices: &[FileSlice]) -> std::io::Result<Bytes> {
    if let [only] = slices {
        return only.bytes();
    }
    let mut all = BytesMut::with_capacity(slices.iter().map(FileSlice::len).sum());
    for slice in slices {
        all.extend_from_slice(&slice.bytes()?);
    }
    Ok(all.freeze())
}
