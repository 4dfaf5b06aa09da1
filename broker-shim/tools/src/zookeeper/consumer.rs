//! What an old console consumer keeps in ZooKeeper: itself, the partitions it reads, and how far it has read.
//!
//! ```text
//! let group = OldGroup::join("localhost:2181", "g", "t")?;       /consumers/g/ids/g_host-..., owners
//! group.brokers()                                                from /brokers/ids
//! group.partitions()                                             those that nobody else of the group owns
//! group.offset(0)?                                               where it goes on; None: it never read
//! group.commit(&[(0, 42)])?                                      /consumers/g/offsets/t/0
//! group.leave(false)?                                            registration and owners go with the session
//! ```
//!
//! Old consumers share the partitions of a group by numbering themselves. A tool has no need of that: it takes what is
//! free when it starts.

use super::{SESSION, connect, connect_string};
use crate::failure::Failure;
use kafka_client::Address;
use kafka_znodes::broker::Broker;
use kafka_znodes::{Zk, ZkError, consumer, path};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::runtime::Runtime;

/// What the old consumer asks for.
const CONSUMER_SESSION: Duration = Duration::from_secs(6);

/// A member of a group that is kept in ZooKeeper.
pub struct OldGroup {
    // A thread of its own: the session is kept alive while the tool reads.
    runtime: Runtime,
    zk: Zk,
    group: String,
    topic: String,
    brokers: Vec<Address>,
    partitions: Vec<i32>,
}

impl OldGroup {
    /// Registers a consumer that reads a topic, and takes its partitions.
    ///
    /// # Errors
    ///
    /// ZooKeeper is away or refuses; no broker is registered that speaks plain text.
    pub fn join(hosts: &str, group: &str, topic: &str) -> Result<Self, Failure> {
        let to = connect_string(hosts)?;
        if group.is_empty() || group.contains('/') {
            return Err(Failure::told(format!(
                "{group:?} cannot be a group here: a name without / is needed"
            )));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime =
            runtime.map_err(|error| Failure::told(format!("cannot start the connection: {error}")))?;
        let timeout = CONSUMER_SESSION.min(SESSION);
        let (zk, brokers, partitions) = runtime.block_on(async {
            let zk = connect(&to, timeout).await?;
            let brokers = brokers(&zk, hosts).await?;
            let partitions = register(&zk, group, topic).await?;
            Ok::<_, Failure>((zk, brokers, partitions))
        })?;
        Ok(Self { runtime, zk, group: group.to_owned(), topic: topic.to_owned(), brokers, partitions })
    }

    /// The brokers that run.
    #[must_use]
    pub fn brokers(&self) -> &[Address] {
        &self.brokers
    }

    /// The partitions that are this consumer's; none if the topic does not exist.
    #[must_use]
    pub fn partitions(&self) -> &[i32] {
        &self.partitions
    }

    /// The offset that the group reads next; `None`: it never read.
    ///
    /// # Errors
    ///
    /// ZooKeeper is away or refuses.
    pub fn offset(&self, partition: i32) -> Result<Option<i64>, Failure> {
        let path = path::offset(&self.group, &self.topic, partition);
        match self.runtime.block_on(self.zk.read(&path, consumer::decode_offset)) {
            Err(ZkError::Malformed { .. }) => Ok(None),
            read => Ok(read?),
        }
    }

    /// Notes which offsets are read next.
    ///
    /// # Errors
    ///
    /// ZooKeeper is away or refuses.
    pub fn commit(&self, offsets: &[(i32, i64)]) -> Result<(), Failure> {
        self.runtime.block_on(async {
            for (partition, offset) in offsets {
                let path = path::offset(&self.group, &self.topic, *partition);
                self.zk.put(&path, offset.to_string().as_bytes()).await?;
            }
            Ok(())
        })
    }

    /// Ends the session; `forget` removes the group with its offsets, for one that was made for this run only.
    ///
    /// # Errors
    ///
    /// ZooKeeper is away or refuses.
    pub fn leave(self, forget: bool) -> Result<(), Failure> {
        self.runtime.block_on(async {
            if forget {
                self.zk.delete_tree(&format!("{}/{}", path::CONSUMERS, self.group)).await?;
            }
            self.zk.close().await;
            Ok(())
        })
    }
}

async fn brokers(zk: &Zk, hosts: &str) -> Result<Vec<Address>, Failure> {
    let mut found = Vec::new();
    for id in zk.children(path::BROKER_IDS).await? {
        let path = format!("{}/{id}", path::BROKER_IDS);
        let broker = zk.read(&path, Broker::decode).await?;
        if let Some((host, port)) = broker.as_ref().and_then(Broker::plaintext) {
            let text = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
            found.extend(Address::parse_list(&text)?);
        }
    }
    if found.is_empty() {
        return Err(Failure::told(format!(
            "no broker is registered in ZooKeeper at {hosts}: start one, add the path that it uses (host:port/path), or, \
             if it keeps its topics itself, use --bootstrap-server host:9092"
        )));
    }
    Ok(found)
}

async fn register(zk: &Zk, group: &str, topic: &str) -> Result<Vec<i32>, Failure> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let now = i64::try_from(now).unwrap_or(i64::MAX);
    // As the old consumer names itself, with our session where it has a random number.
    let id = format!(
        "{group}_{}-{now}-{:08x}",
        zk.local_address().ip(),
        zk.session_id().unsigned_abs() & 0xffff_ffff
    );
    zk.create_ephemeral(&path::consumer(group, &id), &consumer::encode_member(topic, now)).await?;
    let mut ours = Vec::new();
    let partitions = zk.assignment(topic).await?.map(|assignment| assignment.partitions).unwrap_or_default();
    for partition in partitions.into_keys() {
        let owner = path::owner(group, topic, partition);
        if zk.create_ephemeral(&owner, format!("{id}-0").as_bytes()).await? {
            ours.push(partition);
        }
    }
    Ok(ours)
}
