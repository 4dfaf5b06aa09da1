//! The group APIs: who asks, and where the answer comes from.

use super::group_common::Client;
use super::{
    RequestContext, at_once, close, describe_groups, find_coordinator, heartbeat, join_group, later,
    leave_group, list_groups, offset_commit, offset_fetch, sync_group,
};
use crate::broker::BrokerState;
use crate::net::Call;
use bytes::Bytes;
use kafka_wire::{ApiKey, DecodeError};
use std::sync::Arc;

/// Hands a body to the handler of its API.
pub(super) fn dispatch(
    state: &Arc<BrokerState>,
    cx: RequestContext,
    body: Bytes,
) -> Result<Call, DecodeError> {
    let version = cx.version;
    match cx.key {
        ApiKey::FindCoordinator => later(state, cx, body, async move |state, cx, request| {
            let here = here(&state, &cx);
            find_coordinator::answer(&state.groups, here, version, request).await
        }),
        ApiKey::JoinGroup => later(state, cx, body, async move |state, cx, request| {
            join_group::answer(&state.groups, &client(&cx), version, request).await
        }),
        ApiKey::SyncGroup => later(state, cx, body, async move |state, _, request| {
            sync_group::answer(&state.groups, version, request).await
        }),
        ApiKey::OffsetCommit => later(state, cx, body, async move |state, _, request| {
            offset_commit::answer(&state.groups, &state.catalog, version, request).await
        }),
        ApiKey::Heartbeat => {
            at_once(state, &cx, body, |state, _, request| heartbeat::answer(&state.groups, request))
        }
        ApiKey::LeaveGroup => at_once(state, &cx, body, |state, cx, request| {
            leave_group::answer(&state.groups, cx.version, request)
        }),
        ApiKey::OffsetFetch => at_once(state, &cx, body, |state, cx, request| {
            offset_fetch::answer(&state.groups, &state.catalog, cx.version, request)
        }),
        ApiKey::DescribeGroups => at_once(state, &cx, body, |state, cx, request| {
            describe_groups::answer(&state.groups, cx.version, request)
        }),
        ApiKey::ListGroups => {
            at_once(state, &cx, body, |state, _, request| list_groups::answer(&state.groups, &request))
        }
        // Not in `SERVED`.
        _ => Ok(close(&format!("{} is not served", cx.key))),
    }
}

/// Who asks.
fn client(cx: &RequestContext) -> Client {
    Client { id: cx.client_id.clone().unwrap_or_default(), host: cx.client_host() }
}

/// Where this broker is, for this client.
fn here(state: &BrokerState, cx: &RequestContext) -> find_coordinator::Here {
    let (host, port) = state.advertised(&cx.connection);
    find_coordinator::Here { node_id: state.catalog.broker_id(), host, port }
}
