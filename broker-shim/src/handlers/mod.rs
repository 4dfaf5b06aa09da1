//! One file per API: what a request asks of topics, logs and groups, and how the answer looks in its version.
//!
//! [`SERVED`] is what we advertise, and nothing else is answered: a request of another API or version closes the
//! connection, as in Kafka, because a client that got no such version from us cannot be waiting for one.
//!
//! # Invariants
//!
//! * Only here (and in `kafka_wire`) are API versions known: below, a request means the same in all of them.
//! * A handler never blocks its thread for the disk. What syncs, or makes or removes files, runs on the blocking pool, and
//!   so does what reads records, unless the page cache has them (`fetch`). Appends are made at once: they write to the
//!   page cache. Those that sync as well (`flush.messages`) hand the thread's other work over first (`produce`).
//! * `errors` is the only place where errors of the engine become codes of the protocol.
//!
//! # Not here
//!
//! Sockets and order (`net`), the state machine of groups (`coordinators`), topics (`metadata`).

mod alter_configs;
mod alter_replica_log_dirs;
mod api_versions;
mod configs;
mod create_partitions;
mod create_topics;
mod delete_groups;
mod delete_records;
mod delete_topics;
mod describe_cluster;
mod describe_configs;
mod describe_groups;
mod describe_log_dirs;
mod describe_producers;
mod describe_topic_partitions;
mod elect_leaders;
pub(crate) mod errors;
mod fetch;
mod find_coordinator;
mod group_common;
mod groups;
mod heartbeat;
mod incremental_alter_configs;
mod init_producer_id;
mod join_group;
mod leave_group;
mod list_config_resources;
mod list_groups;
mod list_offsets;
mod metadata;
mod offset_commit;
mod offset_delete;
mod offset_fetch;
mod offset_for_leader_epoch;
mod produce;
mod reassignments;
mod sync_group;
mod topics;

#[cfg(test)]
mod tests;

use crate::broker::BrokerState;
use crate::net::{Call, CloseReason, ConnectionContext, FileSlice, Outcome, Part, Reply, Service};
use bytes::Bytes;
pub(crate) use fetch::FetchSessions;
use kafka_wire::{
    AdvertisedApi, ApiKey, DecodeError, Request, RequestHeader, Response, Segment, response_frame_with_codes,
};
use std::future::Future;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The APIs and versions that are served, and so advertised.
pub static SERVED: &[AdvertisedApi] = &[
    AdvertisedApi::new(ApiKey::Produce, 0, 13),
    AdvertisedApi::new(ApiKey::Fetch, 0, 18),
    AdvertisedApi::new(ApiKey::ListOffsets, 0, 11),
    AdvertisedApi::new(ApiKey::Metadata, 0, 13),
    AdvertisedApi::new(ApiKey::OffsetCommit, 0, 10),
    AdvertisedApi::new(ApiKey::OffsetFetch, 0, 10),
    AdvertisedApi::new(ApiKey::FindCoordinator, 0, 6),
    AdvertisedApi::new(ApiKey::JoinGroup, 0, 9),
    AdvertisedApi::new(ApiKey::Heartbeat, 0, 4),
    AdvertisedApi::new(ApiKey::LeaveGroup, 0, 5),
    AdvertisedApi::new(ApiKey::SyncGroup, 0, 5),
    AdvertisedApi::new(ApiKey::DescribeGroups, 0, 6),
    AdvertisedApi::new(ApiKey::ListGroups, 0, 5),
    AdvertisedApi::new(ApiKey::ApiVersions, 0, 4),
    AdvertisedApi::new(ApiKey::CreateTopics, 0, 7),
    AdvertisedApi::new(ApiKey::DeleteTopics, 0, 6),
    AdvertisedApi::new(ApiKey::DeleteRecords, 0, 2),
    AdvertisedApi::new(ApiKey::InitProducerId, 0, 5),
    AdvertisedApi::new(ApiKey::OffsetForLeaderEpoch, 0, 4),
    AdvertisedApi::new(ApiKey::DescribeConfigs, 0, 4),
    AdvertisedApi::new(ApiKey::AlterConfigs, 0, 2),
    AdvertisedApi::new(ApiKey::AlterReplicaLogDirs, 0, 2),
    AdvertisedApi::new(ApiKey::DescribeLogDirs, 0, 5),
    AdvertisedApi::new(ApiKey::CreatePartitions, 0, 3),
    AdvertisedApi::new(ApiKey::DeleteGroups, 0, 3),
    AdvertisedApi::new(ApiKey::ElectLeaders, 0, 2),
    AdvertisedApi::new(ApiKey::IncrementalAlterConfigs, 0, 1),
    AdvertisedApi::new(ApiKey::AlterPartitionReassignments, 0, 1),
    AdvertisedApi::new(ApiKey::ListPartitionReassignments, 0, 0),
    AdvertisedApi::new(ApiKey::OffsetDelete, 0, 0),
    AdvertisedApi::new(ApiKey::DescribeCluster, 0, 2),
    AdvertisedApi::new(ApiKey::DescribeProducers, 0, 0),
    AdvertisedApi::new(ApiKey::ListConfigResources, 0, 1),
    AdvertisedApi::new(ApiKey::DescribeTopicPartitions, 0, 0),
];

/// Whether a version of an API is served.
fn is_served(key: ApiKey, version: i16) -> bool {
    SERVED.iter().any(|api| api.key == key && api.min <= version && version <= api.max)
}

/// What a handler knows of a request besides its body.
#[derive(Clone, Debug)]
pub struct RequestContext {
    /// The connection it came in on.
    pub connection: Arc<ConnectionContext>,
    /// Which API.
    pub key: ApiKey,
    /// Which version of it.
    pub version: i16,
    /// What the client calls itself.
    pub client_id: Option<String>,
    /// Returned with the answer.
    pub correlation_id: i32,
}

impl RequestContext {
    /// The client's address, as groups show it; an IPv4 one that arrived through an IPv6 socket is IPv4.
    #[must_use]
    pub fn client_host(&self) -> IpAddr {
        self.connection.peer.ip().to_canonical()
    }
}

/// Answers requests with the state of one broker.
pub struct Dispatcher {
    state: Arc<BrokerState>,
}

impl Dispatcher {
    /// A dispatcher that works on `state`.
    #[must_use]
    pub fn new(state: Arc<BrokerState>) -> Self {
        Self { state }
    }
}

impl Service for Dispatcher {
    fn call(&self, connection: &Arc<ConnectionContext>, frame: Bytes) -> Call {
        let (header, body) = match RequestHeader::split(frame) {
            Ok(split) => split,
            Err(e) => return close(&e),
        };
        let cx = RequestContext {
            connection: Arc::clone(connection),
            key: header.key,
            version: header.version,
            client_id: header.client_id,
            correlation_id: header.correlation_id,
        };
        if !is_served(cx.key, cx.version) {
            if cx.key == ApiKey::ApiVersions {
                return Call::Done(api_versions::too_new(&cx));
            }
            return close(&format!("{} version {} is not served", cx.key, cx.version));
        }
        if let Some(api) = self.state.meter.api(cx.key.to_i16()) {
            api.note_request(cx.version);
        }
        dispatch(&self.state, cx, body).unwrap_or_else(|e| close(&e))
    }

    fn may_pipeline(&self, api_key: i16) -> bool {
        api_key == ApiKey::Produce.to_i16()
    }

    fn done(&self, api_key: i16, took: Duration, outcome: &Outcome) {
        let codes = match outcome {
            Outcome::Respond(reply) => reply.codes(),
            // What an ended connection was about is counted with its reason.
            Outcome::NoResponse | Outcome::Close(_) => &[],
        };
        if let Some(api) = self.state.meter.api(api_key) {
            api.note_done(took, codes);
        }
    }
}

/// Hands a body to the handler of its API.
fn dispatch(state: &Arc<BrokerState>, cx: RequestContext, body: Bytes) -> Result<Call, DecodeError> {
    let version = cx.version;
    Ok(match cx.key {
        ApiKey::Produce => produce::call(state, &cx, &Request::read(body, version)?),
        ApiKey::Fetch => fetch::call(state, cx, Request::read(body, version)?),
        ApiKey::Metadata => metadata::call(state, cx, Request::read(body, version)?),
        ApiKey::ApiVersions => at_once(state, &cx, body, |s, cx, r| api_versions::handle(s, cx, &r))?,
        ApiKey::DescribeCluster => at_once(state, &cx, body, |s, cx, r| describe_cluster::handle(s, cx, &r))?,
        ApiKey::DescribeConfigs => at_once(state, &cx, body, |s, cx, r| describe_configs::handle(s, cx, &r))?,
        ApiKey::OffsetForLeaderEpoch => at_once(state, &cx, body, offset_for_leader_epoch::handle)?,
        ApiKey::ListOffsets => list_offsets::call(state, cx, Request::read(body, version)?),
        ApiKey::CreateTopics => blocking(state, cx, body, |s, cx, r| create_topics::handle(s, cx, &r))?,
        ApiKey::DeleteTopics => blocking(state, cx, body, delete_topics::handle)?,
        ApiKey::InitProducerId => blocking(state, cx, body, |s, cx, r| init_producer_id::handle(s, cx, &r))?,
        _ => return admin(state, cx, body),
    })
}

/// Hands a body to the handler of its API, where that is one of those that operators use.
fn admin(state: &Arc<BrokerState>, cx: RequestContext, body: Bytes) -> Result<Call, DecodeError> {
    match cx.key {
        ApiKey::CreatePartitions => blocking(state, cx, body, create_partitions::handle),
        ApiKey::AlterConfigs => blocking(state, cx, body, |s, cx, r| alter_configs::handle(s, cx, &r)),
        ApiKey::IncrementalAlterConfigs => {
            blocking(state, cx, body, |s, cx, r| incremental_alter_configs::handle(s, cx, &r))
        }
        ApiKey::DeleteRecords => blocking(state, cx, body, delete_records::handle),
        ApiKey::DescribeLogDirs => blocking(state, cx, body, describe_log_dirs::handle),
        ApiKey::AlterReplicaLogDirs => at_once(state, &cx, body, alter_replica_log_dirs::handle),
        ApiKey::DeleteGroups => blocking(state, cx, body, delete_groups::handle),
        ApiKey::OffsetDelete => blocking(state, cx, body, offset_delete::handle),
        ApiKey::ElectLeaders => at_once(state, &cx, body, |s, cx, r| elect_leaders::handle(s, cx, &r)),
        ApiKey::AlterPartitionReassignments => at_once(state, &cx, body, reassignments::alter),
        ApiKey::ListPartitionReassignments => at_once(state, &cx, body, reassignments::list),
        ApiKey::DescribeProducers => at_once(state, &cx, body, describe_producers::handle),
        ApiKey::ListConfigResources => at_once(state, &cx, body, list_config_resources::handle),
        ApiKey::DescribeTopicPartitions => {
            at_once(state, &cx, body, |s, cx, r| describe_topic_partitions::handle(s, cx, &r))
        }
        _ => groups::dispatch(state, cx, body),
    }
}

/// A handler that looks up what is in memory.
fn at_once<R: Request>(
    state: &Arc<BrokerState>,
    cx: &RequestContext,
    body: Bytes,
    handle: fn(&BrokerState, &RequestContext, R) -> R::Response,
) -> Result<Call, DecodeError> {
    let request = R::read(body, cx.version)?;
    Ok(Call::Done(respond(cx, &handle(state, cx, request))))
}

/// A handler that syncs, or reads what may not be in the page cache.
fn blocking<R: Request + Send + 'static>(
    state: &Arc<BrokerState>,
    cx: RequestContext,
    body: Bytes,
    handle: fn(&BrokerState, &RequestContext, R) -> R::Response,
) -> Result<Call, DecodeError> {
    let request = R::read(body, cx.version)?;
    let state = Arc::clone(state);
    Ok(Call::Pending(Box::pin(on_blocking_pool(move || respond(&cx, &handle(&state, &cx, request))))))
}

/// A handler that waits for others, or for the disk on the blocking pool.
fn later<R, F>(
    state: &Arc<BrokerState>,
    cx: RequestContext,
    body: Bytes,
    handle: impl FnOnce(Arc<BrokerState>, Arc<RequestContext>, R) -> F,
) -> Result<Call, DecodeError>
where
    R: Request,
    F: Future<Output = R::Response> + Send + 'static,
{
    let request = R::read(body, cx.version)?;
    let cx = Arc::new(cx);
    let answer = handle(Arc::clone(state), Arc::clone(&cx), request);
    Ok(Call::Pending(Box::pin(async move { respond(&cx, &answer.await) })))
}

/// Runs what may wait for the disk. A panic in it is passed on.
async fn on_blocking_pool<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(e) if e.is_panic() => std::panic::resume_unwind(e.into_panic()),
        // The runtime is going away and this task with it.
        Err(_) => std::future::pending().await,
    }
}

/// The answer as it leaves.
fn respond<R: Response>(cx: &RequestContext, response: &R) -> Outcome {
    respond_with_files(cx, response, Vec::new())
}

/// The answer as it leaves; the gap of slot `n` is filled with `files[n]`.
fn respond_with_files<R: Response>(
    cx: &RequestContext,
    response: &R,
    mut files: Vec<Vec<FileSlice>>,
) -> Outcome {
    let (segments, codes) = match response_frame_with_codes(cx.version, cx.correlation_id, response) {
        Ok(written) => written,
        Err(e) => {
            tracing::error!("an answer cannot be written, which is a bug of this broker: {e}");
            return Outcome::Close(CloseReason::Request(e.to_string()));
        }
    };
    let mut parts = Vec::with_capacity(segments.len());
    for segment in segments {
        match segment {
            Segment::Bytes(bytes) => parts.push(Part::Bytes(bytes)),
            Segment::Gap { slot, .. } => {
                let slices = usize::try_from(slot).ok().and_then(|slot| files.get_mut(slot));
                parts.extend(slices.map(std::mem::take).unwrap_or_default().into_iter().map(Part::File));
            }
        }
    }
    Outcome::Respond(Reply::new(parts).with_codes(codes))
}

/// Closes the connection without an answer.
fn close(why: &impl ToString) -> Call {
    Call::Done(Outcome::Close(CloseReason::Request(why.to_string())))
}
