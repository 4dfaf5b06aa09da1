//! Connections to the brokers of one cluster, and calls.
//!
//! # Which broker
//!
//! [`Node::Any`] is whoever answered first; [`Node::Controller`] takes changes; [`Node::Broker`] is a number from
//! [`Client::cluster`]. A broker that is known under the address that was dialled is not dialled a second time.
//!
//! # Trying again
//!
//! A connection that was idle and turns out to be closed is opened anew, once, and the request sent again, but for
//! Produce, which might then be done twice. Codes that say "not now" are the caller's: [`Client::patiently`].

use crate::address::Address;
use crate::cluster::{Broker, Cluster};
use crate::connection::{ApiRanges, Connection, SendError, Ticket};
use crate::error::{ClientError, Dialled};
use kafka_wire::messages::find_coordinator_request::FindCoordinatorRequest;
use kafka_wire::messages::metadata_request::{MetadataRequest, MetadataRequestTopic};
use kafka_wire::{ApiKey, ErrorCode, Request};
use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::time::{Duration, Instant};

/// The pause before something is tried again.
const PAUSE: Duration = Duration::from_millis(50);

/// How a client behaves.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// What it calls itself.
    pub client_id: String,
    /// How long a broker may take to accept a connection.
    pub connect_timeout: Duration,
    /// How long a broker may take to answer.
    pub request_timeout: Duration,
    /// How long [`Client::patiently`] tries.
    pub patience: Duration,
    /// The most bytes an answer may have.
    pub max_response: usize,
}

impl Default for ClientConfig {
    fn default() -> Self {
        Self {
            client_id: "corrente".into(),
            connect_timeout: Duration::from_secs(10),
            request_timeout: Duration::from_secs(30),
            patience: Duration::from_secs(60),
            max_response: 256 << 20,
        }
    }
}

/// Who is to be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Node {
    /// Whoever is connected.
    Any,
    /// The broker that takes changes.
    Controller,
    /// The broker of this number.
    Broker(i32),
}

/// A request that was sent and is not answered yet; see [`Client::send`].
#[derive(Debug)]
#[must_use = "the answer has to be received before anything else is asked of that broker"]
pub struct Sent<R> {
    connection: usize,
    ticket: Ticket,
    request: PhantomData<fn() -> R>,
}

impl<R> Sent<R> {
    /// Which connection it went out on.
    pub(crate) fn connection(&self) -> usize {
        self.connection
    }
}

/// See the module.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    bootstrap: Vec<Address>,
    /// The first is the one that [`Node::Any`] means. Broken ones stay until they are replaced: [`Sent`] has indexes.
    connections: Vec<Connection>,
    /// What was told last; `topics` gathers what was asked for.
    cluster: Cluster,
}

impl Client {
    /// Dials one address after the other until a broker answers.
    ///
    /// # Errors
    ///
    /// If none does.
    pub fn connect(bootstrap: &[Address], config: ClientConfig) -> Result<Self, ClientError> {
        let first = dial_any(bootstrap, &config)?;
        Ok(Self {
            config,
            bootstrap: bootstrap.to_vec(),
            connections: vec![first],
            cluster: Cluster::default(),
        })
    }

    /// How it behaves.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.config
    }

    /// What was told last about the cluster: empty before [`Client::metadata`] was called or needed.
    #[must_use]
    pub fn cluster(&self) -> &Cluster {
        &self.cluster
    }

    /// Sends a request and waits for its answer.
    ///
    /// # Errors
    ///
    /// If there is none; an answer with an error code in it is an answer.
    pub fn call<R: Request>(&mut self, node: Node, request: &R) -> Result<R::Response, ClientError> {
        self.call_within(node, request, self.config.request_timeout)
    }

    /// The same with another time-out.
    ///
    /// # Errors
    ///
    /// As [`Client::call`].
    pub fn call_within<R: Request>(
        &mut self,
        node: Node,
        request: &R,
        timeout: Duration,
    ) -> Result<R::Response, ClientError> {
        let index = self.connection(node)?;
        let version = self.spoken(index, R::KEY)?;
        let idle = self.connections[index].answered && !self.connections[index].is_busy();
        let first = self.send_on(index, version, request, timeout, true);
        let first = first.and_then(|ticket| self.connections[index].receive::<R>(ticket, timeout));
        match first {
            Err(ClientError::Broken { .. }) if idle && R::KEY != ApiKey::Produce => {
                let index = self.connection(node)?;
                let version = self.spoken(index, R::KEY)?;
                let ticket = self.send_on(index, version, request, timeout, true)?;
                self.connections[index].receive::<R>(ticket, timeout)
            }
            other => other,
        }
    }

    /// Sends a request whose answer is received later: several may be under way, even to one broker, and are received
    /// in the order in which they were sent there. `version` is one that both know: [`Client::version_for`].
    ///
    /// # Errors
    ///
    /// If it cannot be sent.
    pub fn send<R: Request>(
        &mut self,
        node: Node,
        version: i16,
        request: &R,
    ) -> Result<Sent<R>, ClientError> {
        let index = self.connection(node)?;
        let ticket = self.send_on(index, version, request, self.config.request_timeout, true)?;
        Ok(Sent { connection: index, ticket, request: PhantomData })
    }

    /// Sends what is never answered: Produce without acknowledgement.
    ///
    /// # Errors
    ///
    /// If it cannot be sent.
    pub fn send_unanswered<R: Request>(
        &mut self,
        node: Node,
        version: i16,
        request: &R,
    ) -> Result<(), ClientError> {
        let index = self.connection(node)?;
        self.send_on(index, version, request, self.config.request_timeout, false).map(drop)
    }

    /// The answer to what was sent.
    ///
    /// # Errors
    ///
    /// If there is none within `timeout`.
    #[expect(clippy::needless_pass_by_value, reason = "an answer is received once")]
    pub fn receive<R: Request>(
        &mut self,
        sent: Sent<R>,
        timeout: Duration,
    ) -> Result<R::Response, ClientError> {
        self.connections[sent.connection].receive::<R>(sent.ticket, timeout)
    }

    /// The highest version of an API that a broker and this client speak.
    ///
    /// # Errors
    ///
    /// If there is none, or no such broker.
    pub fn version_for(&mut self, node: Node, key: ApiKey) -> Result<i16, ClientError> {
        let index = self.connection(node)?;
        self.spoken(index, key)
    }

    /// Whether a broker offers an API in a version that this client speaks.
    pub fn offers(&mut self, node: Node, key: ApiKey) -> bool {
        self.version_for(node, key).is_ok()
    }

    /// The APIs that a broker offers.
    ///
    /// # Errors
    ///
    /// If it cannot be reached.
    pub fn api_versions(&mut self, node: Node) -> Result<ApiRanges, ClientError> {
        let index = self.connection(node)?;
        Ok(self.connections[index].ranges.clone())
    }

    /// The address at which a broker was dialled.
    ///
    /// # Errors
    ///
    /// If it cannot be reached.
    pub fn address(&mut self, node: Node) -> Result<Address, ClientError> {
        let index = self.connection(node)?;
        Ok(self.connections[index].address.clone())
    }

    /// Asks for brokers and topics (`None`: all topics) and remembers the answer. `create` lets the broker make topics
    /// that do not exist, if it does so at all.
    ///
    /// # Errors
    ///
    /// If there is no answer.
    pub fn metadata(&mut self, topics: Option<&[String]>, create: bool) -> Result<Cluster, ClientError> {
        let version = self.version_for(Node::Any, ApiKey::Metadata)?;
        let topic = |name: &String| MetadataRequestTopic { name: Some(name.clone()), ..Default::default() };
        let named = topics.map(|names| names.iter().map(topic).collect());
        // In version 0 an empty list means all, and brokers make what they are asked for.
        let topics = if version == 0 { Some(named.unwrap_or_default()) } else { named };
        let allow_auto_topic_creation = create || version < 4;
        let request = MetadataRequest { topics, allow_auto_topic_creation, ..Default::default() };
        let cluster = Cluster::from(self.call(Node::Any, &request)?);
        self.cluster.id.clone_from(&cluster.id);
        self.cluster.controller = cluster.controller;
        self.cluster.brokers.clone_from(&cluster.brokers);
        self.cluster.topics.extend(cluster.topics.clone());
        Ok(cluster)
    }

    /// Sorts partitions by the brokers that lead them, asking anew as long as one has no leader. A topic that does not
    /// exist is an error.
    ///
    /// # Errors
    ///
    /// If a leader is still missing when patience ends.
    pub fn leaders<T: Clone>(
        &mut self,
        wanted: &[(crate::TopicPartition, T)],
    ) -> Result<BTreeMap<i32, Vec<(crate::TopicPartition, T)>>, ClientError> {
        let mut names: Vec<String> = wanted.iter().map(|(at, _)| at.topic.clone()).collect();
        names.sort();
        names.dedup();
        let missing =
            names.iter().any(|name| self.cluster.topics.get(name).is_none_or(|t| t.error.is_some()));
        let mut fresh = !missing;
        self.patiently(|client| {
            if !std::mem::take(&mut fresh) {
                client.metadata(Some(&names), false)?;
            }
            client.known_leaders(wanted)
        })
    }

    fn known_leaders<T: Clone>(
        &self,
        wanted: &[(crate::TopicPartition, T)],
    ) -> Result<BTreeMap<i32, Vec<(crate::TopicPartition, T)>>, ClientError> {
        let mut sorted: BTreeMap<i32, Vec<_>> = BTreeMap::new();
        for (at, what) in wanted {
            let topic = self.cluster.topics.get(&at.topic);
            let missing = |code| ClientError::Refused {
                what: format!("looking for the leader of {at}"),
                code,
                message: None,
            };
            let topic = topic.ok_or_else(|| missing(ErrorCode::UnknownTopicOrPartition))?;
            if let Some(code) = topic.error {
                return Err(missing(code));
            }
            let partition =
                topic.partition(at.partition).ok_or_else(|| missing(ErrorCode::UnknownTopicOrPartition))?;
            let leader = partition.leader.ok_or_else(|| missing(ErrorCode::LeaderNotAvailable))?;
            sorted.entry(leader).or_default().push((at.clone(), what.clone()));
        }
        Ok(sorted)
    }

    /// Forgets what is known of topics, so that leaders are asked for anew.
    pub fn forget_topics(&mut self) {
        self.cluster.topics.clear();
    }

    /// The broker that coordinates a group, waiting until there is one.
    ///
    /// # Errors
    ///
    /// If the broker refuses, or there is still none when patience ends.
    pub fn coordinator(&mut self, group: &str) -> Result<i32, ClientError> {
        self.patiently(|client| client.find_coordinator(group))
    }

    fn find_coordinator(&mut self, group: &str) -> Result<i32, ClientError> {
        let version = self.version_for(Node::Any, ApiKey::FindCoordinator)?;
        let mut request = FindCoordinatorRequest::default();
        if version >= 4 {
            request.coordinator_keys = vec![group.to_owned()];
        } else {
            request.key = group.to_owned();
        }
        let answer = self.call(Node::Any, &request)?;
        let what = || format!("looking for the coordinator of group {group}");
        let (id, host, port) = match answer.coordinators.into_iter().next() {
            Some(found) => {
                ClientError::check(what(), found.error_code, found.error_message.as_deref())?;
                (found.node_id, found.host, found.port)
            }
            None => {
                ClientError::check(what(), answer.error_code, answer.error_message.as_deref())?;
                (answer.node_id, answer.host, answer.port)
            }
        };
        let address = Address::new(host, u16::try_from(port).unwrap_or_default());
        self.cluster.brokers.entry(id).or_insert(Broker { id, address, rack: None });
        Ok(id)
    }

    /// Does something again while it fails with what may pass, until patience ends.
    ///
    /// # Errors
    ///
    /// The last one.
    pub fn patiently<T>(
        &mut self,
        mut work: impl FnMut(&mut Self) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let end = Instant::now() + self.config.patience;
        loop {
            match work(self) {
                Err(error) if error.code().is_some_and(may_pass) && Instant::now() + PAUSE < end => {
                    std::thread::sleep(PAUSE);
                }
                other => return other,
            }
        }
    }

    fn spoken(&self, index: usize, key: ApiKey) -> Result<i16, ClientError> {
        let connection = &self.connections[index];
        connection.ranges.spoken(key).ok_or_else(|| ClientError::Unsupported {
            address: connection.address.clone(),
            api: key,
            broker: connection.ranges.get(key),
        })
    }

    fn send_on<R: Request>(
        &mut self,
        index: usize,
        version: i16,
        request: &R,
        timeout: Duration,
        answered: bool,
    ) -> Result<Ticket, ClientError> {
        let connection = &mut self.connections[index];
        connection.send_at(version, request, timeout, answered).map_err(|error| {
            let address = connection.address.clone();
            match error {
                SendError::Encode(source) => ClientError::Encode { address, source },
                SendError::Io(source) => ClientError::Broken { address, api: R::KEY, source },
            }
        })
    }

    /// The index of a usable connection to a broker.
    fn connection(&mut self, node: Node) -> Result<usize, ClientError> {
        match node {
            Node::Any => self.any(),
            Node::Controller => match self.controller()? {
                Some(id) => self.broker_connection(id),
                // Before Metadata v1 nobody tells, and there was no request that needs it.
                None => self.any(),
            },
            Node::Broker(id) => self.broker_connection(id),
        }
    }

    fn any(&mut self) -> Result<usize, ClientError> {
        if !self.connections[0].is_usable() {
            let known = self.cluster.brokers.values().map(|broker| broker.address.clone());
            let all: Vec<Address> = self.bootstrap.iter().cloned().chain(known).collect();
            self.connections[0] = dial_any(&all, &self.config)?;
        }
        Ok(0)
    }

    fn controller(&mut self) -> Result<Option<i32>, ClientError> {
        if self.cluster.brokers.is_empty() {
            self.metadata(Some(&[]), false)?;
        }
        Ok(self.cluster.controller)
    }

    fn broker_connection(&mut self, id: i32) -> Result<usize, ClientError> {
        if !self.cluster.brokers.contains_key(&id) {
            self.metadata(Some(&[]), false)?;
        }
        let broker = self.cluster.brokers.get(&id).ok_or(ClientError::UnknownNode(id))?;
        let address = broker.address.clone();
        let is_it = |connection: &Connection| {
            let same_ip =
                address.ip() == Some(connection.peer.ip()) && address.port == connection.peer.port();
            connection.address == address || same_ip
        };
        let found = self.connections.iter().position(is_it);
        if let Some(index) = found.filter(|index| self.connections[*index].is_usable()) {
            return Ok(index);
        }
        let opened = Connection::open(&address, &self.config);
        let opened = opened.map_err(|dialled| ClientError::Unreachable { id, dialled })?;
        match found {
            Some(index) => {
                self.connections[index] = opened;
                Ok(index)
            }
            None => {
                self.connections.push(opened);
                Ok(self.connections.len() - 1)
            }
        }
    }
}

/// What a moment of patience may cure: a topic that does not exist is not among it.
fn may_pass(code: ErrorCode) -> bool {
    code.is_retriable() && !matches!(code, ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId)
}

fn dial_any(addresses: &[Address], config: &ClientConfig) -> Result<Connection, ClientError> {
    let mut dialled: Vec<Dialled> = Vec::new();
    for address in addresses {
        match Connection::open(address, config) {
            Ok(connection) => return Ok(connection),
            Err(problem) => dialled.push(problem),
        }
    }
    Err(ClientError::NoBroker(dialled))
}

#[cfg(test)]
mod tests;
