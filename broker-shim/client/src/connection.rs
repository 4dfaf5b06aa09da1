//! One connection to one broker: versions agreed on first, then frames in order.
//!
//! ```text
//!  ->  i32 size | request header | body          any number of requests may be under way
//!  <-  i32 size | correlation id | body          answered in the order in which they were sent
//! ```
//!
//! # How versions are found
//!
//! ApiVersions in our highest version. A broker that has not that one answers error 35 in the form of version 0, and with
//! its own highest version of ApiVersions (since 2.4) or without: it is asked again in that version, or in 0. A broker before 0.10 knows no such request and closes
//! the connection: it is taken for a 0.9 if it then answers Metadata v0.
//!
//! # Invariants
//!
//! * A response is read into memory that grows with the bytes that arrive; its size is checked against the limit first.
//! * After any error of reading or writing the connection is of no more use: [`Connection::is_usable`].

use crate::address::Address;
use crate::client::ClientConfig;
use crate::error::{ClientError, DialProblem, Dialled};
use crate::probe;
use crate::transport::{Transport, is_timeout};
use bytes::Bytes;
use kafka_wire::header::split_response;
use kafka_wire::messages::{ApiVersionsRequest, ApiVersionsResponse, MetadataRequest};
use kafka_wire::{ApiKey, EncodeError, ErrorCode, Message, Request, Segment, concat, request_frame};
use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Frames below this size leave in one write.
const ONE_WRITE: usize = 64 << 10;
/// How much is read at once.
const READ_STEP: usize = 256 << 10;
/// What 0.9 understands.
const BEFORE_API_VERSIONS: &[(ApiKey, i16)] = &[
    (ApiKey::Produce, 1),
    (ApiKey::Fetch, 1),
    (ApiKey::ListOffsets, 0),
    (ApiKey::Metadata, 0),
    (ApiKey::OffsetCommit, 2),
    (ApiKey::OffsetFetch, 1),
    (ApiKey::FindCoordinator, 0),
    (ApiKey::JoinGroup, 0),
    (ApiKey::Heartbeat, 0),
    (ApiKey::LeaveGroup, 0),
    (ApiKey::SyncGroup, 0),
    (ApiKey::DescribeGroups, 0),
    (ApiKey::ListGroups, 0),
];
/// From here on requests name topics by their ids alone; this client names them by their names.
const NAMED_UP_TO: &[(ApiKey, i16)] =
    &[(ApiKey::Produce, 12), (ApiKey::Fetch, 12), (ApiKey::OffsetCommit, 9), (ApiKey::OffsetFetch, 9)];

/// The APIs that a broker offers, by their numbers, with the lowest and highest version.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ApiRanges(BTreeMap<i16, (i16, i16)>);

impl ApiRanges {
    fn of(response: &ApiVersionsResponse) -> Self {
        Self(response.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version))).collect())
    }

    /// The broker's versions of an API.
    #[must_use]
    pub fn get(&self, key: ApiKey) -> Option<(i16, i16)> {
        self.0.get(&key.to_i16()).copied()
    }

    /// All of them, by number.
    pub fn iter(&self) -> impl Iterator<Item = (i16, (i16, i16))> + '_ {
        self.0.iter().map(|(key, range)| (*key, *range))
    }

    /// The highest version that broker and codec know.
    #[must_use]
    pub fn best(&self, key: ApiKey) -> Option<i16> {
        let (min, max) = self.get(key)?;
        let ours = key.versions()?;
        let best = max.min(ours.max);
        (best >= min && best >= ours.min).then_some(best)
    }

    /// The highest version in which this client speaks: [`ApiRanges::best`], but one that still has topic names.
    #[must_use]
    pub fn spoken(&self, key: ApiKey) -> Option<i16> {
        let cap = NAMED_UP_TO.iter().find(|(capped, _)| *capped == key).map_or(i16::MAX, |(_, cap)| *cap);
        let (min, _) = self.get(key)?;
        self.best(key).map(|best| best.min(cap)).filter(|version| *version >= min)
    }
}

/// A request that is under way.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticket {
    pub(crate) correlation: i32,
    pub(crate) version: i16,
    pub(crate) api: ApiKey,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Connection {
    /// As it was dialled.
    pub(crate) address: Address,
    pub(crate) peer: SocketAddr,
    pub(crate) ranges: ApiRanges,
    /// What the broker said of itself first.
    pub(crate) hello: ApiVersionsResponse,
    transport: Transport,
    client_id: String,
    max_response: usize,
    next_correlation: i32,
    /// Correlation ids that are not answered yet, in order.
    pending: VecDeque<i32>,
    usable: bool,
    /// Whether anything was answered since the versions: a later end may be that of an idle connection.
    pub(crate) answered: bool,
}

impl Connection {
    /// Dials and agrees on versions.
    pub(crate) fn open(address: &Address, config: &ClientConfig) -> Result<Self, Dialled> {
        Self::try_open(address, config).map_err(|problem| Dialled { address: address.clone(), problem })
    }

    fn try_open(address: &Address, config: &ClientConfig) -> Result<Self, DialProblem> {
        let mut this = Self::dial(address, config)?;
        let timeout = config.connect_timeout.max(Duration::from_secs(1));
        match this.hello(timeout) {
            Ok(()) => Ok(this),
            Err(DialProblem::Closed) => match probe::by_asking(address, config.connect_timeout) {
                DialProblem::Closed => Self::open_old(address, config, timeout),
                other => Err(other),
            },
            Err(other) => Err(other),
        }
    }

    fn dial(address: &Address, config: &ClientConfig) -> Result<Self, DialProblem> {
        let transport = Transport::dial(address, config.connect_timeout)?;
        Ok(Self {
            address: address.clone(),
            peer: transport.peer().map_err(DialProblem::Io)?,
            ranges: ApiRanges::default(),
            hello: ApiVersionsResponse::default(),
            transport,
            client_id: config.client_id.clone(),
            max_response: config.max_response,
            next_correlation: 0,
            pending: VecDeque::new(),
            usable: true,
            answered: false,
        })
    }

    /// Asks for the broker's versions, and once more in its own highest if ours was too new.
    fn hello(&mut self, timeout: Duration) -> Result<(), DialProblem> {
        let newest = ApiVersionsRequest::VERSIONS.max;
        let mut answer = self.api_versions(newest, timeout)?;
        if answer.error_code == ErrorCode::UnsupportedVersion.to_i16() {
            let theirs = ApiRanges::of(&answer).best(ApiKey::ApiVersions).unwrap_or(0);
            answer = self.api_versions(theirs.min(newest - 1), timeout)?;
        }
        if answer.error_code != 0 || answer.api_keys.is_empty() {
            let code = crate::error::known(answer.error_code);
            return Err(DialProblem::Nonsense(format!("ApiVersions gave {code}")));
        }
        self.ranges = ApiRanges::of(&answer);
        self.hello = answer;
        Ok(())
    }

    fn api_versions(&mut self, version: i16, timeout: Duration) -> Result<ApiVersionsResponse, DialProblem> {
        let request = ApiVersionsRequest {
            client_software_name: if version >= 3 { "corrente".into() } else { String::new() },
            client_software_version: if version >= 3 {
                env!("CARGO_PKG_VERSION").into()
            } else {
                String::new()
            },
            ..Default::default()
        };
        let ticket = self.send_at(version, &request, timeout, true).map_err(first_send)?;
        let deadline = Instant::now() + timeout;
        let frame = self.frame(deadline).map_err(|error| self.first_answer(error, timeout))?;
        let nonsense = |problem: String| DialProblem::Nonsense(problem);
        let (correlation, body) =
            split_response(ApiKey::ApiVersions, version, frame).map_err(|e| nonsense(e.to_string()))?;
        if correlation != ticket.correlation {
            return Err(nonsense("an answer to something else".into()));
        }
        self.pending.clear();
        // A too new version is answered in version 0.
        let read = |version| ApiVersionsResponse::decode(&mut kafka_wire::Reader::new(body.clone()), version);
        match read(version) {
            Ok(answer) if answer.error_code != ErrorCode::UnsupportedVersion.to_i16() => Ok(answer),
            _ => read(0).map_err(|e| nonsense(e.to_string())),
        }
    }

    /// What a failed first answer means.
    fn first_answer(&mut self, error: FrameError, timeout: Duration) -> DialProblem {
        match error {
            FrameError::Ended => DialProblem::Closed,
            FrameError::Size(bytes) => probe::by_first_bytes(bytes)
                .unwrap_or_else(|| DialProblem::Nonsense(format!("a size of {}", i32::from_be_bytes(bytes)))),
            FrameError::Io(error) if is_timeout(&error) => DialProblem::TimedOut(timeout),
            FrameError::Io(error) => first_request(error),
        }
    }

    /// A broker that knows no ApiVersions, if it is one.
    fn open_old(address: &Address, config: &ClientConfig, timeout: Duration) -> Result<Self, DialProblem> {
        let mut this = Self::dial(address, config)?;
        this.ranges =
            ApiRanges(BEFORE_API_VERSIONS.iter().map(|(key, max)| (key.to_i16(), (0, *max))).collect());
        // A topic of a name that cannot exist: the answer is small, and nothing is made.
        let request = MetadataRequest {
            topics: Some(vec![kafka_wire::messages::metadata_request::MetadataRequestTopic {
                name: Some("/".into()),
                ..Default::default()
            }]),
            ..Default::default()
        };
        let ticket = this.send_at(0, &request, timeout, true).map_err(first_send)?;
        match this.receive::<MetadataRequest>(ticket, timeout) {
            Ok(_) => Ok(this),
            Err(_) => Err(DialProblem::Closed),
        }
    }

    /// Ends the connection as a broker does that closes idle ones.
    #[cfg(test)]
    pub(crate) fn hang_up(&self) {
        self.transport.hang_up();
    }

    pub(crate) fn is_usable(&self) -> bool {
        self.usable
    }

    /// Whether answers are still to come.
    pub(crate) fn is_busy(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Sends a request; `answered` is false for the one kind that brokers do not answer (Produce without acks).
    pub(crate) fn send_at<R: Request>(
        &mut self,
        version: i16,
        request: &R,
        timeout: Duration,
        answered: bool,
    ) -> Result<Ticket, SendError> {
        let correlation = self.next_correlation;
        let segments = request_frame(version, correlation, Some(&self.client_id), request)?;
        self.next_correlation = self.next_correlation.wrapping_add(1) & i32::MAX;
        if let Err(error) = self.write(&segments, timeout) {
            self.usable = false;
            return Err(SendError::Io(error));
        }
        if answered {
            self.pending.push_back(correlation);
        }
        Ok(Ticket { correlation, version, api: R::KEY })
    }

    fn write(&mut self, segments: &[Segment], timeout: Duration) -> io::Result<()> {
        if segments.iter().map(Segment::len).sum::<usize>() < ONE_WRITE {
            return self.transport.write_all(&concat(segments), timeout);
        }
        for segment in segments {
            // A client's requests have no gaps.
            if let Segment::Bytes(bytes) = segment {
                self.transport.write_all(bytes, timeout)?;
            }
        }
        Ok(())
    }

    /// Waits for the answer to the oldest request, which must be `ticket`.
    pub(crate) fn receive<R: Request>(
        &mut self,
        ticket: Ticket,
        timeout: Duration,
    ) -> Result<R::Response, ClientError> {
        let api = ticket.api;
        let frame = match self.frame(Instant::now() + timeout) {
            Ok(frame) => frame,
            Err(error) => return Err(self.broken(api, error, timeout)),
        };
        let decoded = split_response(api, ticket.version, frame);
        let (correlation, body) = decoded.map_err(|e| ClientError::decode(&self.address, api, &e))?;
        if self.pending.pop_front() != Some(correlation) || correlation != ticket.correlation {
            self.usable = false;
            let problem = format!("number {correlation} where {} was due", ticket.correlation);
            return Err(ClientError::Nonsense { address: self.address.clone(), api, problem });
        }
        self.answered = true;
        // What newer brokers put behind a message is theirs.
        R::Response::decode(&mut kafka_wire::Reader::new(body), ticket.version)
            .map_err(|e| ClientError::decode(&self.address, api, &e))
    }

    fn broken(&mut self, api: ApiKey, error: FrameError, timeout: Duration) -> ClientError {
        self.usable = false;
        let address = self.address.clone();
        match error {
            FrameError::Ended => {
                let source = io::Error::new(io::ErrorKind::UnexpectedEof, "it was closed");
                ClientError::Broken { address, api, source }
            }
            FrameError::Io(error) if is_timeout(&error) => ClientError::TimedOut { address, api, timeout },
            FrameError::Io(source) => ClientError::Broken { address, api, source },
            FrameError::Size(bytes) => {
                let (size, max) = (i32::from_be_bytes(bytes), self.max_response);
                let problem = format!("a size of {size} where at most {max} bytes are taken");
                ClientError::Nonsense { address, api, problem }
            }
        }
    }

    /// Reads one frame, without its size.
    fn frame(&mut self, deadline: Instant) -> Result<Bytes, FrameError> {
        let result = self.read_frame(deadline);
        self.usable &= result.is_ok();
        result
    }

    fn read_frame(&mut self, deadline: Instant) -> Result<Bytes, FrameError> {
        let mut head = [0; 4];
        let mut len = 0;
        while len < head.len() {
            match self.transport.read_within(&mut head[len..], deadline)? {
                0 => return Err(FrameError::Ended),
                read => len += read,
            }
        }
        let size = usize::try_from(i32::from_be_bytes(head)).ok();
        let size =
            size.filter(|size| (4..=self.max_response).contains(size)).ok_or(FrameError::Size(head))?;
        let mut frame = vec![0; size.min(READ_STEP)];
        let mut filled = 0;
        while filled < size {
            if filled == frame.len() {
                // Memory follows the bytes: never more than twice what has come.
                frame.resize(size.min(2 * filled), 0);
            }
            match self.transport.read_within(&mut frame[filled..], deadline)? {
                0 => return Err(FrameError::Ended),
                read => filled += read,
            }
        }
        Ok(Bytes::from(frame))
    }
}

/// Why there is no frame.
#[derive(Debug)]
enum FrameError {
    /// The other end has closed.
    Ended,
    /// These four bytes are no size that is accepted.
    Size([u8; 4]),
    Io(io::Error),
}

impl From<io::Error> for FrameError {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
                Self::Ended
            }
            _ => Self::Io(error),
        }
    }
}

/// Why a request did not leave.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SendError {
    /// The version cannot say it.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error(transparent)]
    Io(io::Error),
}

fn first_send(error: SendError) -> DialProblem {
    match error {
        SendError::Io(error) => first_request(error),
        SendError::Encode(error) => DialProblem::Nonsense(error.to_string()),
    }
}

fn first_request(error: io::Error) -> DialProblem {
    match FrameError::from(error) {
        FrameError::Io(error) => DialProblem::Io(error),
        _ => DialProblem::Closed,
    }
}

#[cfg(test)]
mod tests;
