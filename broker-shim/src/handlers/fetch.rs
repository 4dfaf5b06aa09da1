//! Fetch: ranges of segment files, as they lie there, and waiting for more.
//!
//! ```text
//!  look up partitions -> read -> enough, an error, or no time? -> answer
//!                          ^                | no
//!                          +-- something grew or the time is up
//! ```
//!
//! Record bytes are not touched here: the answer has gaps that the connection fills from the files. Only versions below 4
//! get converted records (`convert`), which are in memory: so there is a limit to them per answer and in all.
//!
//! What is in the page cache is read on the connection's own task; a request with anything that is not goes to the
//! blocking pool ([`Log::is_cached`](log_engine::log::Log::is_cached) tells, for two system calls a partition). So does
//! one for batches of an older run that nobody has checked since the start: they are checked there, once, and damage is
//! answered with `CORRUPT_MESSAGE` where it lies, while what is around it is served.
//!
//! # Sessions
//!
//! A request in a session becomes one that names everything, and its answer loses what is known ([`session`]).

mod convert;
mod read;
mod session;

use super::{RequestContext, on_blocking_pool, respond, respond_with_files};
use crate::broker::BrokerState;
use crate::net::{Call, Outcome};
use crate::purgatory::Watch;
use kafka_wire::messages::{FetchRequest, FetchResponse};
use read::Collected;
pub(crate) use session::FetchSessions;
use session::Part;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, timeout_at};

/// The first version that names topics by id.
const IDS_SINCE: i16 = 13;
/// The first version that returns the first batch whole, whatever the limits.
const WHOLE_BATCH_SINCE: i16 = 3;
/// The first version with batches of the present format.
const NO_CONVERSION_SINCE: i16 = 4;
/// The first version that may carry zstd.
const ZSTD_SINCE: i16 = 10;

pub(super) fn call(state: &Arc<BrokerState>, cx: RequestContext, mut request: FetchRequest) -> Call {
    let part = match state.fetch_sessions.begin(cx.version >= IDS_SINCE, &mut request) {
        Ok(part) => part,
        Err(code) => {
            let response = FetchResponse { error_code: code.into(), ..FetchResponse::default() };
            return Call::Done(respond(&cx, &response));
        }
    };
    let deadline = wait_time(&request).map(|time| Instant::now() + time);
    let first = read::collect_cached(state, &cx, &request);
    if let Some(collected) = &first
        && cx.version >= NO_CONVERSION_SINCE
        && (deadline.is_none() || collected.is_enough(&request))
    {
        return Call::Done(answer(state, &cx, part, first.unwrap_or_default()));
    }
    let fetch = Arc::new(Fetch { state: Arc::clone(state), cx, request, part });
    Call::Pending(Box::pin(wait(fetch, deadline, first)))
}

/// How long the client is willing to wait; `None` for not at all.
fn wait_time(request: &FetchRequest) -> Option<Duration> {
    let millis = u64::try_from(request.max_wait_ms).ok().filter(|millis| *millis > 0)?;
    (request.min_bytes > 0).then(|| Duration::from_millis(millis))
}

/// A fetch that was not answered at once.
struct Fetch {
    state: Arc<BrokerState>,
    cx: RequestContext,
    request: FetchRequest,
    part: Part,
}

impl Fetch {
    /// Reads on this thread what is in memory, and on the blocking pool what is not.
    async fn collect(self: &Arc<Self>) -> Collected {
        match read::collect_cached(&self.state, &self.cx, &self.request) {
            Some(collected) => collected,
            None => self.collect_cold().await,
        }
    }

    async fn collect_cold(self: &Arc<Self>) -> Collected {
        let this = Arc::clone(self);
        on_blocking_pool(move || read::collect(&this.state, &this.cx, &this.request)).await
    }
}

/// Reads again whenever a log grows, until there is enough or the time is up.
async fn wait(fetch: Arc<Fetch>, deadline: Option<Instant>, first: Option<Collected>) -> Outcome {
    let mut collected = match first {
        Some(collected) => collected,
        None => fetch.collect_cold().await,
    };
    while let Some(deadline) = deadline.filter(|at| *at > Instant::now()) {
        if collected.is_enough(&fetch.request) {
            break;
        }
        // What was read is let go: while it waits a fetch holds no segment.
        let watch: Watch = collected.into_logs().collect();
        // Growth and time are told apart by the next read.
        let _ = timeout_at(deadline, watch).await;
        collected = fetch.collect().await;
    }
    if fetch.cx.version >= NO_CONVERSION_SINCE || collected.files.is_empty() {
        return answer(&fetch.state, &fetch.cx, fetch.part, collected);
    }
    let room = convert::Room::take(&fetch.state.conversions).await;
    on_blocking_pool(move || {
        match room {
            Some(room) => {
                convert::to_old_format(&fetch.state, &fetch.cx, &fetch.request, &mut collected, room);
            }
            None => convert::to_nothing(&mut collected),
        }
        answer(&fetch.state, &fetch.cx, fetch.part, collected)
    })
    .await
}

fn answer(state: &BrokerState, cx: &RequestContext, part: Part, mut collected: Collected) -> Outcome {
    let session_id = state.fetch_sessions.finish(part, &mut collected.topics);
    let response = FetchResponse { session_id, responses: collected.topics, ..FetchResponse::default() };
    respond_with_files(cx, &response, collected.files)
}
