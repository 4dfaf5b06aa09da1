//! The thread that talks to ZooKeeper: opens the catalog, serves commands and events, and comes back after a loss.
//!
//! ```text
//!           +--------- begin: place, changes, topics, wishes <----------+
//!           v                                                           |
//!   serve: commands and events, one at a time --connection or session lost--> reconnect, commands refused meanwhile
//!           |
//!           +--- stop: session closed, so that the nodes are gone when the process is
//! ```

use super::error::ZooKeeperError;
use super::link::Link;
use super::sessions::Sessions;
use super::watches::{Watch, Watches};
use super::{Block, ZkParts, register};
use crate::config::{BrokerConfig, ZooKeeperConfig};
use crate::metadata::catalog::{
    AlterConfigsError, Catalog, CreatePartitionsError, CreateTopicError, DeleteTopicError, Topic, TopicPlan,
};
use crate::metadata::identity;
use crate::metadata::log_catalog::CatalogError;
use crate::metadata::log_catalog::mirror::{self, Kept, Mirror};
use crate::trouble::Chain;
use kafka_settings::TopicName;
use kafka_znodes::config::{Config, Entity};
use kafka_znodes::raw::SessionState;
use kafka_znodes::topic::Assignment;
use kafka_znodes::{Zk, ZkError, controller, path};
use log_engine::error::LogError;
use log_engine::io::Clock;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};
use tokio::sync::mpsc::UnboundedReceiver;

/// Producer ids that are taken at once, as in Kafka.
const ID_BLOCK: i64 = 1000;
/// How long to wait after ZooKeeper refused what it should not refuse.
const PAUSE: Duration = Duration::from_secs(1);
/// How long one attempt to come back lasts before it is told of again.
const ATTEMPT: Duration = Duration::from_secs(60);

/// Where the reply to a command goes.
pub(super) type Reply<T> = SyncSender<T>;

/// What the catalog asks for.
pub(super) enum Command {
    /// Make a topic.
    Create {
        /// The topic; its name is free as far as is known.
        plan: TopicPlan,
        /// The topic as it was made.
        reply: Reply<Result<Arc<Topic>, CreateTopicError>>,
    },
    /// Delete a topic.
    Delete {
        /// Its name.
        name: TopicName,
        /// That it is gone.
        reply: Reply<Result<(), DeleteTopicError>>,
    },
    /// Give a topic more partitions.
    Grow {
        /// Its name.
        name: String,
        /// How many it is to have.
        count: i32,
        /// That they are there.
        reply: Reply<Result<(), CreatePartitionsError>>,
    },
    /// Replace settings of a topic or a broker.
    Alter {
        /// Whose.
        entity: Entity,
        /// All of them.
        settings: Config,
        /// That they are in force.
        reply: Reply<Result<(), AlterConfigsError>>,
    },
    /// Take producer ids.
    ProducerIds {
        /// The ids; the error is the end of a sentence.
        reply: Reply<Result<Block, String>>,
    },
    /// Close the session and end.
    Stop,
}

impl Command {
    /// Replies that it cannot be done. Whoever asked may be gone.
    fn refuse(self, why: &str) {
        let why = why.to_owned();
        let _ = match self {
            Self::Create { reply, .. } => reply.send(Err(CreateTopicError::Elsewhere(why))).is_ok(),
            Self::Delete { reply, .. } => reply.send(Err(DeleteTopicError::Elsewhere(why))).is_ok(),
            Self::Grow { reply, .. } => reply.send(Err(CreatePartitionsError::Elsewhere(why))).is_ok(),
            Self::Alter { reply, .. } => reply.send(Err(AlterConfigsError::Elsewhere(why))).is_ok(),
            Self::ProducerIds { reply } => reply.send(Err(why)).is_ok(),
            Self::Stop => true,
        };
    }
}

/// Why something was not done.
#[derive(Debug)]
pub(super) enum Trouble {
    /// ZooKeeper: lost, or it refused.
    Zk(ZkError),
    /// Anything else.
    Other(CatalogError),
}

impl From<ZkError> for Trouble {
    fn from(error: ZkError) -> Self {
        Self::Zk(error)
    }
}

impl<E: Into<CatalogError>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

impl Trouble {
    /// As a reason not to start.
    fn into_start(self, at: &str) -> CatalogError {
        match self {
            Self::Zk(problem) => ZooKeeperError::Node { at: at.to_owned(), problem }.into(),
            Self::Other(error) => error,
        }
    }

    /// In one line.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Zk(error) => error.to_string(),
            Self::Other(error) => Chain(error).to_string(),
        }
    }

    fn is_loss(&self) -> bool {
        matches!(self, Self::Zk(ZkError::Lost | ZkError::Expired))
    }
}

/// The one that keeps nodes and logs alike.
pub(super) struct Keeper {
    pub(super) zk: Zk,
    pub(super) watches: Watches,
    pub(super) config: Arc<BrokerConfig>,
    pub(super) mirror: Arc<Mirror>,
    pub(super) sessions: Sessions,
    pub(super) bound: Vec<(Arc<str>, SocketAddr)>,
    /// Our number.
    pub(super) broker: i32,
    /// The servers, for texts.
    pub(super) at: String,
    /// The election that made us the controller.
    pub(super) epoch: i32,
    /// The number of the last change of settings that was seen.
    pub(super) last_change: i64,
    /// What was said about each topic, so that it is said once.
    pub(super) told: BTreeMap<String, Vec<String>>,
    settings: ZooKeeperConfig,
    clock: Arc<dyn Clock>,
    link: Arc<Link>,
}

/// The thread.
pub(super) fn run(
    parts: ZkParts,
    commands: UnboundedReceiver<Command>,
    link: Arc<Link>,
    ready: &SyncSender<Result<(Arc<Mirror>, Block), CatalogError>>,
) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            let _ = ready.send(Err(ZooKeeperError::Thread(error).into()));
            return;
        }
    };
    runtime.block_on(async {
        match open(parts, link).await {
            Ok((keeper, block)) => {
                // Somebody waits for it, or the process ends.
                let _ = ready.send(Ok((Arc::clone(&keeper.mirror), block)));
                keeper.live(commands).await;
            }
            Err(error) => {
                let _ = ready.send(Err(error));
            }
        }
    });
}

async fn open(parts: ZkParts, link: Arc<Link>) -> Result<(Keeper, Block), CatalogError> {
    let ZkParts { config, store, storage, clock, known, bound } = parts;
    let settings = config.zookeeper.clone().expect("a broker without zookeeper.connect has another catalog");
    let at = settings.connect.to_string();
    let wait = settings.connection_timeout;
    let zk = Zk::connect(&settings.connect, settings.session_timeout, wait)
        .await
        .map_err(ZooKeeperError::Connect)?;
    let cluster = async {
        zk.make_chroot().await?;
        register::cluster(&zk, mirror::cluster_of(&store, known)?, &at).await
    };
    let (cluster, lost) = cluster.await.map_err(|trouble| trouble.into_start(&at))?;
    let mirror = Mirror::open(store, &*storage, Arc::clone(&config), known, cluster, &at)?;
    let dir = config.storage.log_dirs.first().cloned().unwrap_or_else(PathBuf::new);
    let mut keeper = Keeper {
        zk,
        watches: Watches::default(),
        broker: mirror.catalog.broker_id(),
        mirror: Arc::new(mirror),
        sessions: Sessions::read(storage, &dir),
        config,
        bound,
        at,
        epoch: 0,
        last_change: -1,
        told: BTreeMap::new(),
        settings,
        clock,
        link,
    };
    match keeper.start(lost).await {
        Ok(block) => Ok((keeper, block)),
        Err(trouble) => {
            let error = trouble.into_start(&keeper.at);
            keeper.zk.close().await;
            Err(error)
        }
    }
}

impl Keeper {
    /// Milliseconds, for nodes.
    pub(super) fn now(&self) -> i64 {
        self.clock.now().as_millis()
    }

    /// `lost`: ZooKeeper knows no cluster, and we belong to one.
    async fn start(&mut self, lost: bool) -> Result<Block, Trouble> {
        if lost {
            self.give_back(self.mirror.remembered()).await?;
        }
        self.begin().await?;
        for dir in self.mirror.strays() {
            tracing::warn!(%dir, "ZooKeeper knows no such topic: this directory is left alone");
        }
        // As each start of a broker: some ids are at hand even if ZooKeeper is away later.
        Ok(self.take_producer_ids().await.unwrap_or_else(|trouble| {
            tracing::warn!(error = trouble.text(), "no producer ids could be taken");
            Block::default()
        }))
    }

    /// Takes our place and reads everything, with all watches set.
    async fn begin(&mut self) -> Result<(), Trouble> {
        self.sessions.note(self.zk.session_id())?;
        // Whoever was there before us has until its session would be over.
        let patience = self.settings.connection_timeout.max(self.settings.session_timeout * 3 / 2);
        let until = Instant::now() + patience;
        for path in path::PERSISTENT {
            self.zk.create(path, &[]).await?;
        }
        self.register(until).await?;
        self.take_control(until).await?;
        self.note_changes().await?;
        self.read_settings().await?;
        self.grant_wishes().await?;
        self.delete_doomed().await?;
        self.see_all().await
    }

    /// Serves until it is told to stop, and closes the session.
    async fn live(mut self, mut commands: UnboundedReceiver<Command>) {
        while let Err(trouble) = self.serve(&mut commands).await {
            self.link.note(false);
            let at = &self.at;
            if trouble.is_loss() {
                tracing::warn!(zookeeper = %at, "{}: data traffic goes on, topics cannot be changed", trouble.text());
            } else {
                tracing::error!(zookeeper = %at, error = trouble.text(), "everything in ZooKeeper is read again");
                tokio::time::sleep(PAUSE).await;
            }
            if !self.recover(&mut commands).await {
                break;
            }
            tracing::info!(zookeeper = %self.at, "the session with ZooKeeper is in order again");
        }
        self.zk.close().await;
    }

    /// Commands and events, one at a time, until one fails or somebody says stop.
    async fn serve(&mut self, commands: &mut UnboundedReceiver<Command>) -> Result<(), Trouble> {
        let mut state = self.zk.raw().state_watcher();
        let link = Arc::clone(&self.link);
        link.note(true);
        loop {
            let ended = async {
                loop {
                    let now = state.changed().await;
                    link.note(now == SessionState::SyncConnected);
                    if now.is_terminated() {
                        break;
                    }
                }
            };
            tokio::select! {
                command = commands.recv() => match command {
                    None | Some(Command::Stop) => return Ok(()),
                    Some(command) => self.obey(command).await?,
                },
                watch = self.watches.next() => self.notice(watch).await?,
                () = ended => return Err(ZkError::Expired.into()),
            }
        }
    }

    /// Comes back, while commands are refused; false: somebody says stop.
    async fn recover(&mut self, commands: &mut UnboundedReceiver<Command>) -> bool {
        let why = format!("there is no session with ZooKeeper at {}", self.at);
        let mut back = std::pin::pin!(self.reconnect());
        loop {
            tokio::select! {
                () = &mut back => return true,
                command = commands.recv() => match command {
                    None | Some(Command::Stop) => return false,
                    Some(command) => command.refuse(&why),
                },
            }
        }
    }

    async fn reconnect(&mut self) {
        let mut told = String::new();
        loop {
            match self.begin_again().await {
                Ok(()) => return,
                Err(trouble) => {
                    let text = trouble.text();
                    if text != told {
                        tracing::warn!(zookeeper = %self.at, "not back yet: {text}");
                        told = text;
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    async fn begin_again(&mut self) -> Result<(), Trouble> {
        if self.zk.raw().state().is_terminated() {
            let ZooKeeperConfig { connect, session_timeout, .. } = &self.settings;
            self.zk =
                Zk::connect(connect, *session_timeout, ATTEMPT).await.map_err(ZooKeeperError::Connect)?;
            self.watches = Watches::default();
        }
        self.zk.make_chroot().await?;
        self.same_cluster().await?;
        self.begin().await
    }

    /// The ZooKeeper that answers now must be the one that did. One that lost everything gets it back.
    async fn same_cluster(&mut self) -> Result<(), Trouble> {
        let ours = self.mirror.catalog.cluster_id().to_owned();
        match self.zk.read(path::CLUSTER_ID, controller::decode_cluster).await? {
            Some(theirs) if theirs == ours => Ok(()),
            Some(theirs) => {
                Err(identity::other_cluster(&self.config.storage.log_dirs, ours, &self.at, theirs).into())
            }
            None => self.give_back(self.mirror.visible()).await,
        }
    }

    /// Writes topics, and then the cluster's id, to a ZooKeeper that has lost everything, or is an empty one.
    async fn give_back(&self, topics: Vec<Kept>) -> Result<(), Trouble> {
        if !topics.is_empty() {
            tracing::warn!(
                zookeeper = %self.at,
                topics = topics.len(),
                "ZooKeeper has none of this cluster's data: the topics are written there again"
            );
        }
        for (name, partitions, settings) in topics {
            let assignment = Assignment::on_one(partitions, self.broker);
            self.zk.create_topic(name.as_str(), &assignment, &settings).await?;
        }
        // Last: until it is there, the next start does this again.
        let id = controller::encode_cluster(self.mirror.catalog.cluster_id());
        self.zk.create(path::CLUSTER_ID, &id).await?;
        Ok(())
    }

    async fn notice(&mut self, watch: Watch) -> Result<(), Trouble> {
        match watch {
            Watch::Topics => self.see_new().await,
            Watch::Topic(name) => self.see(vec![name]).await,
            Watch::Deletions => self.delete_doomed().await,
            Watch::Changes => self.follow_changes().await,
            Watch::Election | Watch::Reassignment => self.grant_wishes().await,
            Watch::Registration | Watch::Controller if self.has_control().await? => {
                let path = path::broker(self.broker);
                self.watches.exists(&self.zk, Watch::Registration, &path).await?;
                self.watches.exists(&self.zk, Watch::Controller, path::CONTROLLER).await?;
                Ok(())
            }
            Watch::Registration | Watch::Controller => self.begin().await,
        }
    }

    /// Does what a command asks for. The reply tells of its own failure; only what concerns all others is an error.
    async fn obey(&mut self, command: Command) -> Result<(), Trouble> {
        match command {
            Command::Create { plan, reply } => {
                let made = self.create(plan).await;
                answer(&reply, made, CreateTopicError::Elsewhere)
            }
            Command::Delete { name, reply } => {
                let done = self.delete(&name).await;
                answer(&reply, done, DeleteTopicError::Elsewhere)
            }
            Command::Grow { name, count, reply } => {
                let done = self.grow(&name, count).await;
                answer(&reply, done, CreatePartitionsError::Elsewhere)
            }
            Command::Alter { entity, settings, reply } => {
                let done = self.alter(&entity, &settings).await.map(Ok);
                answer(&reply, done, AlterConfigsError::Elsewhere)
            }
            Command::ProducerIds { reply } => {
                let taken = self.take_producer_ids().await.map(Ok);
                answer(&reply, taken, |text| text)
            }
            Command::Stop => Ok(()),
        }
    }

    /// Takes the next block of producer ids: noted here first, so that none is given out twice even if ZooKeeper forgets.
    async fn take_producer_ids(&mut self) -> Result<Block, Trouble> {
        loop {
            let malformed = |reason| ZkError::Malformed { path: path::PRODUCER_IDS.to_owned(), reason };
            let Some(node) = self.zk.get(path::PRODUCER_IDS).await? else {
                self.zk.create(path::PRODUCER_IDS, &[]).await?;
                continue;
            };
            let last = controller::ProducerIds::decode(&node.data).map_err(malformed)?;
            let start = last.map_or(0, |last| last.end.saturating_add(1)).max(self.mirror.next_producer_id());
            let end = start.saturating_add(ID_BLOCK);
            self.blocking(move |mirror| mirror.note_producer_ids(end)).await?;
            let block = controller::ProducerIds { broker: self.broker, start, end: end - 1 };
            if self.zk.set_version(path::PRODUCER_IDS, &block.encode(), Some(node.stat.version)).await? {
                return Ok(Block { next: start, end });
            }
        }
    }

    /// What waits for the disk, beside this thread: the session stays alive.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Mirror) -> Result<T, LogError> + Send + 'static,
    ) -> Result<T, Trouble> {
        let mirror = Arc::clone(&self.mirror);
        match tokio::task::spawn_blocking(move || work(&mirror)).await {
            Ok(done) => Ok(done?),
            Err(panic) if panic.is_panic() => std::panic::resume_unwind(panic.into_panic()),
            Err(ended) => Err(LogError::io("read", "the metadata log")(io::Error::other(ended)).into()),
        }
    }
}

/// Gives the reply; a loss goes on to whoever comes back from it. Whoever asked may be gone.
fn answer<T, E>(
    reply: &Reply<Result<T, E>>,
    done: Result<Result<T, E>, Trouble>,
    elsewhere: impl FnOnce(String) -> E,
) -> Result<(), Trouble> {
    match done {
        Ok(done) => {
            let _ = reply.send(done);
            Ok(())
        }
        Err(trouble) => {
            let _ = reply.send(Err(elsewhere(trouble.text())));
            Err(trouble)
        }
    }
}
