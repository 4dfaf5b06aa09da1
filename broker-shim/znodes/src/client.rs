//! A session and the operations on it: each says which node it was about when it fails.
//!
//! # Invariants
//!
//! * A node that is not there, or there already, is an answer and no error: others write at the same time.
//! * Parents that are missing are made.

use crate::config::{self, Config, Entity};
use crate::connect::ConnectString;
use crate::json::Malformed;
use crate::path;
use crate::topic::Assignment;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;
use zookeeper_client as raw;

/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(2);

/// Why an operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ZkError {
    /// The connection is gone, the session perhaps not: whether the operation was done is unknown.
    #[error("the connection to ZooKeeper was lost")]
    Lost,
    /// The session is gone, and all that lived with it.
    #[error("the session with ZooKeeper is gone")]
    Expired,
    /// The server refused.
    #[error("ZooKeeper refuses to {op} {path}: {answer}")]
    Refused {
        /// What was tried.
        op: &'static str,
        /// On which node.
        path: String,
        /// The answer.
        answer: raw::Error,
    },
    /// The node holds something else than what belongs there.
    #[error("the node {path} {reason}")]
    Malformed {
        /// The node.
        path: String,
        /// What is wrong.
        reason: Malformed,
    },
}

impl ZkError {
    /// What the client said about an operation on a node.
    #[must_use]
    pub fn of(op: &'static str, path: &str, error: raw::Error) -> Self {
        match error {
            raw::Error::ConnectionLoss => Self::Lost,
            raw::Error::SessionExpired | raw::Error::SessionMoved | raw::Error::ClientClosed => Self::Expired,
            answer => Self::Refused { op, path: path.to_owned(), answer },
        }
    }
}

/// A node's data and numbers.
#[derive(Clone, Debug)]
pub struct Node {
    /// The data; empty if there is none.
    pub data: Vec<u8>,
    /// Versions, times, and who owns it.
    pub stat: raw::Stat,
}

/// A session with ZooKeeper. Clones share it; when the last is dropped, it is closed.
#[derive(Clone)]
pub struct Zk {
    client: raw::Client,
    to: ConnectString,
    local: SocketAddr,
}

impl fmt::Debug for Zk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Zk").field("to", &self.to.to_string()).finish_non_exhaustive()
    }
}

impl Zk {
    pub(crate) fn new(client: raw::Client, to: ConnectString, local: SocketAddr) -> Result<Self, ()> {
        let client = if to.chroot().is_empty() {
            client
        } else {
            client.chroot(to.chroot().to_owned()).map_err(|_| ())?
        };
        Ok(Self { client, to, local })
    }

    /// The session itself.
    #[must_use]
    pub fn raw(&self) -> &raw::Client {
        &self.client
    }

    /// Our end of a connection to the server.
    #[must_use]
    pub fn local_address(&self) -> SocketAddr {
        self.local
    }

    /// The session's number, as nodes that live with it name it.
    #[must_use]
    pub fn session_id(&self) -> i64 {
        self.client.session_id().0
    }

    /// Closes the session; the server has removed what lived with it when this returns, if it can be reached.
    pub async fn close(self) {
        let mut state = self.client.state_watcher();
        drop(self);
        let closed = async { while !state.changed().await.is_terminated() {} };
        let _ = tokio::time::timeout(GOODBYE, closed).await;
    }

    /// Makes the path below which everything is.
    ///
    /// # Errors
    ///
    /// The server refused or is gone.
    pub async fn make_chroot(&self) -> Result<(), ZkError> {
        if self.to.chroot().is_empty() {
            return Ok(());
        }
        let root = self.client.clone().chroot("/").map_err(|_| ZkError::Expired)?;
        let options = raw::CreateMode::Persistent.with_acls(raw::Acls::anyone_all());
        let made = root.mkdir(self.to.chroot(), &options).await;
        made.map_err(|error| ZkError::of("create", self.to.chroot(), error))
    }

    /// A node; `None`: there is none.
    ///
    /// # Errors
    ///
    /// The server refused or is gone.
    pub async fn get(&self, path: &str) -> Result<Option<Node>, ZkError> {
        match self.client.get_data(path).await {
            Ok((data, stat)) => Ok(Some(Node { data, stat })),
            Err(raw::Error::NoNode) => Ok(None),
            Err(error) => Err(ZkError::of("read", path, error)),
        }
    }

    /// Many nodes, in the order of the paths. All are asked for before the first answer is waited for.
    ///
    /// # Errors
    ///
    /// The server refused or is gone.
    pub async fn get_many<'a>(
        &self,
        paths: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<Option<Node>>, ZkError> {
        let asked: Vec<_> = paths.into_iter().map(|path| (path, self.client.get_data(path))).collect();
        let mut nodes = Vec::with_capacity(asked.len());
        for (path, answer) in asked {
            nodes.push(match answer.await {
                Ok((data, stat)) => Some(Node { data, stat }),
                Err(raw::Error::NoNode) => None,
                Err(error) => return Err(ZkError::of("read", path, error)),
            });
        }
        Ok(nodes)
    }

    /// Makes nodes that stay, those that are there already and those without a parent excepted. All are sent before the
    /// first answer is waited for.
    ///
    /// # Errors
    ///
    /// The server refused or is gone.
    pub async fn create_many(&self, nodes: &[(String, Vec<u8>)]) -> Result<(), ZkError> {
        let options = raw::CreateMode::Persistent.with_acls(raw::Acls::anyone_all());
        let sent: Vec<_> =
            nodes.iter().map(|(path, data)| (path, self.client.create(path, data, &options))).collect();
        for (path, answer) in sent {
            match answer.await {
                Ok(_) | Err(raw::Error::NodeExists | raw::Error::NoNode) => {}
                Err(error) => return Err(ZkError::of("create", path, error)),
            }
        }
        Ok(())
    }

    /// What a node says; `None`: there is none.
    ///
    /// # Errors
    ///
    /// It says something else, the server refused or is gone.
    pub async fn read<T>(
        &self,
        path: &str,
        decode: impl FnOnce(&[u8]) -> Result<T, Malformed>,
    ) -> Result<Option<T>, ZkError> {
        let Some(node) = self.get(path).await? else { return Ok(None) };
        decode(&node.data).map(Some).map_err(|reason| ZkError::Malformed { path: path.to_owned(), reason })
    }

    /// Whether there is a node.
    ///
    /// # Errors
    ///
    /// The server refused or is gone.
    pub async fn exists(&self, path: &str) -> Result<bool, ZkError> {
        let stat =
            self.client.check_stat(path).await.map_err(|error| ZkError::of("look for", path, error))?;
        Ok(stat.is_some())
    }

    /// The names below a node, sorted; none if there is no such node.
    ///
    /// # Errors
    ///
    /// The server refused or is gone.
    pub async fn children(&self, path: &str) -> Result<Vec<String>, ZkError> {
        match self.client.list_children(path).await {
            Ok(mut names) => {
                names.sort_unstable();
                Ok(names)
            }
            Err(raw::Error::NoNode) => Ok(Vec::new()),
            Err(error) => Err(ZkError::of("list", path, error)),
        }
    }

    /// Makes a node that stays; `false`: there was one.
    ///
    /// # Errors
    ///
    /// The server refused or is gone.
    pub async fn create(&self, path: &str, data: &[u8]) -> Result<bool, ZkError> {
        self.create_as(path, data, raw::CreateMode::Persistent).await
    }

    /// Makes a node that goes with the session; `false`: there was one.
    ///
    /// # Errors
    ///
    /// The server refused or is gone.
    pub async fn create_ephemeral(&self, path: &str, data: &[u8]) -> Result<bool, ZkError> {
        self.create_as(path, data, raw::CreateMode::Ephemeral).await
    }

    async fn create_as(&self, path: &str, data: &[u8], mode: raw::CreateMode) -> Result<bool, ZkError> {
        let options = mode.with_acls(raw::Acls::anyone_all());
        let mut made = self.client.create(path, data, &options).await;
        if let (Err(raw::Error::NoNode), Some(parent)) = (&made, path::parent(path)) {
            let parents = raw::CreateMode::Persistent.with_acls(raw::Acls::anyone_all());
            self.client
                .mkdir(parent, &parents)
                .await
                .map_err(|error| ZkError::of("create", parent, error))?;
            made = self.client.create(path, data, &options).await;
        }
        match made {
            Ok(_) => Ok(true),
            Err(raw::Error::NodeExists) => Ok(false),
            Err(error) => Err(ZkError::of("create", path, error)),
        }
    }

    /// Makes a node whose name ends with the next number.
    ///
    /// # Errors
    ///
    /// The server refused or is gone.
    pub async fn create_numbered(&self, prefix: &str, data: &[u8]) -> Result<(), ZkError> {
        let options = raw::CreateMode::PersistentSequential.with_acls(raw::Acls::anyone_all());
        if let Some(parent) = path::parent(prefix) {
            self.create(parent, &[]).await?;
        }
        let made = self.client.create(prefix, data, &options).await;
        made.map(drop).map_err(|error| ZkError::of("create", prefix, error))
    }

    /// Writes a node; `false`: there is none.
    ///
    /// # Errors
    ///
    /// The server refused or is gone.
    pub async fn set(&self, path: &str, data: &[u8]) -> Result<bool, ZkError> {
        self.set_version(path, data, None).await
    }

    /// Writes a node that has this version; `false`: it has another, or there is none.
    ///
    /// # Errors
    ///
    /// The server refused or is gone.
    pub async fn set_version(&self, path: &str, data: &[u8], version: Option<i32>) -> Result<bool, ZkError> {
        match self.client.set_data(path, data, version).await {
            Ok(_) => Ok(true),
            Err(raw::Error::NoNode | raw::Error::BadVersion) => Ok(false),
            Err(error) => Err(ZkError::of("write", path, error)),
        }
    }

    /// Writes a node that need not be there.
    ///
    /// # Errors
    ///
    /// The server refused or is gone.
    pub async fn put(&self, path: &str, data: &[u8]) -> Result<(), ZkError> {
        if !self.set(path, data).await? && !self.create(path, data).await? {
            // Somebody made it in between.
            self.set(path, data).await?;
        }
        Ok(())
    }

    /// Removes a node; `false`: there was none, or it has nodes below it.
    ///
    /// # Errors
    ///
    /// The server refused or is gone.
    pub async fn delete(&self, path: &str) -> Result<bool, ZkError> {
        match self.client.delete(path, None).await {
            Ok(()) => Ok(true),
            Err(raw::Error::NoNode | raw::Error::NotEmpty) => Ok(false),
            Err(error) => Err(ZkError::of("delete", path, error)),
        }
    }

    /// Removes a node and all below it, the lowest first.
    ///
    /// # Errors
    ///
    /// The server refused or is gone.
    pub async fn delete_tree(&self, path: &str) -> Result<(), ZkError> {
        let mut open = vec![path.to_owned()];
        let mut found = Vec::new();
        while let Some(node) = open.pop() {
            open.extend(self.children(&node).await?.into_iter().map(|name| format!("{node}/{name}")));
            found.push(node);
        }
        for node in found.iter().rev() {
            self.delete(node).await?;
        }
        Ok(())
    }

    /// The topics, those marked for deletion too, sorted.
    ///
    /// # Errors
    ///
    /// The server refused or is gone.
    pub async fn topics(&self) -> Result<Vec<String>, ZkError> {
        self.children(path::TOPICS).await
    }

    /// Which brokers have a topic's partitions; `None`: there is no such topic.
    ///
    /// # Errors
    ///
    /// The node is malformed, the server refused or is gone.
    pub async fn assignment(&self, topic: &str) -> Result<Option<Assignment>, ZkError> {
        self.read(&path::topic(topic), Assignment::decode).await
    }

    /// The settings at a path below `/config`; none if there is no such node.
    ///
    /// # Errors
    ///
    /// The node is malformed, the server refused or is gone.
    pub async fn config(&self, entity: &Entity) -> Result<Config, ZkError> {
        let path = format!("/config/{}", entity.path());
        Ok(self.read(&path, config::decode).await?.unwrap_or_default())
    }

    /// Replaces settings and tells the brokers.
    ///
    /// # Errors
    ///
    /// The server refused or is gone.
    pub async fn change_config(&self, entity: &Entity, config: &Config) -> Result<(), ZkError> {
        self.put(&format!("/config/{}", entity.path()), &config::encode(config)).await?;
        self.create_numbered(path::CONFIG_CHANGE, &config::encode_change(entity)).await
    }

    /// Makes a topic: its settings first, as whoever watches for topics reads them next. `false`: there is one.
    ///
    /// # Errors
    ///
    /// The server refused or is gone.
    pub async fn create_topic(
        &self,
        name: &str,
        assignment: &Assignment,
        config: &Config,
    ) -> Result<bool, ZkError> {
        let path = path::topic(name);
        if self.exists(&path).await? {
            return Ok(false);
        }
        self.put(&path::topic_config(name), &config::encode(config)).await?;
        self.create(&path, &assignment.encode()).await
    }
}
