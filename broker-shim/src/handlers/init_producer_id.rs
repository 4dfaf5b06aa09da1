//! InitProducerId: a number for an idempotent producer.
//!
//! With a transactional id it is refused as UNSUPPORTED_VERSION (35), at once and for good: there are no
//! transactions here yet, a retriable code would let the client try until its timeout, and this one says why.

use super::{RequestContext, errors};
use crate::broker::BrokerState;
use crate::trouble::Chain;
use kafka_wire::ErrorCode;
use kafka_wire::messages::{InitProducerIdRequest, InitProducerIdResponse};
use std::time::Duration;

pub(super) fn handle(
    state: &BrokerState,
    cx: &RequestContext,
    request: &InitProducerIdRequest,
) -> InitProducerIdResponse {
    let refused = |code: ErrorCode| InitProducerIdResponse {
        error_code: errors::in_version(code, cx.key, cx.version).into(),
        producer_epoch: -1,
        ..InitProducerIdResponse::default()
    };
    if let Some(code) = check(state, request) {
        return refused(code);
    }
    match state.catalog.next_producer_id() {
        Ok(id) => InitProducerIdResponse {
            producer_id: Some(id),
            producer_epoch: 0,
            ..InitProducerIdResponse::default()
        },
        Err(e) => {
            tracing::warn!(error = %Chain(&e), "no producer id can be given out");
            // Retriable for every client, unlike the code of a bad disk here.
            refused(ErrorCode::CoordinatorNotAvailable)
        }
    }
}

/// Why the request is refused, if it is.
fn check(state: &BrokerState, request: &InitProducerIdRequest) -> Option<ErrorCode> {
    // A producer that has a number has an epoch too.
    if request.producer_id.is_some() != request.producer_epoch.is_some() {
        return Some(ErrorCode::InvalidRequest);
    }
    let id = request.transactional_id.as_deref()?;
    if id.is_empty() {
        return Some(ErrorCode::InvalidRequest);
    }
    let timeout = u64::try_from(request.transaction_timeout_ms).unwrap_or(0);
    if timeout == 0 || Duration::from_millis(timeout) > state.config.transaction_max_timeout {
        return Some(ErrorCode::InvalidTransactionTimeout);
    }
    Some(ErrorCode::UnsupportedVersion)
}
