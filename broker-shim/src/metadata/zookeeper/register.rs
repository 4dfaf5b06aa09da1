//! Taking our place: the paths, the cluster's id, `/brokers/ids/N`, `/controller` and its epoch.

use super::advertise::{registration, trap};
use super::error::ZooKeeperError;
use super::keeper::{Keeper, Trouble};
use super::watches::Watch;
use crate::metadata::uuid::Uuid;
use kafka_znodes::{Node, Zk, ZkError, broker, controller, path};
use std::time::{Duration, Instant};

/// How often somebody else's node is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// The cluster's id there, made if there is none and we have none; and whether it is not there although we have one.
pub(super) async fn cluster(zk: &Zk, ours: Option<Uuid>, at: &str) -> Result<(Uuid, bool), Trouble> {
    loop {
        let found = zk.read(path::CLUSTER_ID, controller::decode_cluster).await?;
        if let Some(found) = found {
            let strange =
                |expected| ZooKeeperError::Cluster { at: at.to_owned(), found: found.clone(), expected };
            return Ok((found.parse().map_err(strange)?, false));
        }
        if let Some(ours) = ours {
            return Ok((ours, true));
        }
        let id = Uuid::random().to_string();
        zk.create(path::CLUSTER_ID, &controller::encode_cluster(&id)).await?;
    }
}

impl Keeper {
    /// Registers this broker; somebody else's registration is waited for until then.
    pub(super) async fn register(&mut self, until: Instant) -> Result<(), Trouble> {
        let listeners = &self.config.listeners;
        let local = self.zk.local_address().ip();
        let node =
            registration(listeners, &self.bound, local, self.config.rack.as_deref(), self.now(), &self.at)?;
        let path = path::broker(self.broker);
        if let Err(other) = self.own(&path, &node.encode(), until).await? {
            let other = broker::Broker::decode(&other.data);
            let by = other.ok().and_then(|other| other.endpoints.first().map(ToString::to_string));
            let by = by.unwrap_or_else(|| "an address that it does not tell".to_owned());
            return Err(ZooKeeperError::Taken { at: self.at.clone(), id: self.broker, by }.into());
        }
        if let Some(point) = trap(&node, &self.bound) {
            tracing::info!(
                "registered in ZooKeeper as {point}, which is right for this machine only: set advertised.listeners if clients \
                 on other machines ask ZooKeeper"
            );
        }
        self.watches.exists(&self.zk, Watch::Registration, &path).await?;
        Ok(())
    }

    /// Becomes the controller; somebody else is waited for until then.
    pub(super) async fn take_control(&mut self, until: Instant) -> Result<(), Trouble> {
        let data = controller::encode_controller(self.broker, self.now());
        let elected = match self.own(path::CONTROLLER, &data, until).await? {
            Ok(made) => made,
            Err(other) => {
                let by = controller::decode_controller(&other.data).unwrap_or(-1);
                return Err(ZooKeeperError::Controlled { at: self.at.clone(), by }.into());
            }
        };
        self.watches.exists(&self.zk, Watch::Controller, path::CONTROLLER).await?;
        loop {
            let Some(node) = self.zk.get(path::CONTROLLER_EPOCH).await? else {
                self.zk.create(path::CONTROLLER_EPOCH, b"0").await?;
                continue;
            };
            let malformed = |reason| ZkError::Malformed { path: path::CONTROLLER_EPOCH.to_owned(), reason };
            let before = controller::decode_epoch(&node.data).map_err(malformed)?;
            self.epoch = before;
            if !elected {
                return Ok(());
            }
            let next = before.saturating_add(1);
            let version = Some(node.stat.version);
            if self.zk.set_version(path::CONTROLLER_EPOCH, next.to_string().as_bytes(), version).await? {
                self.epoch = next;
                return Ok(());
            }
        }
    }

    /// Makes an ephemeral node ours: whether it was made now, or who else has it at the end of the time.
    async fn own(&self, path: &str, data: &[u8], until: Instant) -> Result<Result<bool, Node>, ZkError> {
        let mut told = false;
        loop {
            if self.zk.create_ephemeral(path, data).await? {
                return Ok(Ok(true));
            }
            let Some(node) = self.zk.get(path).await? else { continue };
            let owner = node.stat.ephemeral_owner;
            if owner == self.zk.session_id() {
                return Ok(Ok(false));
            }
            if self.sessions.contains(owner) {
                tracing::info!(
                    node = path,
                    "a session of ours that ended without a goodbye owns this node: it is taken over"
                );
                self.zk.delete(path).await?;
                continue;
            }
            if Instant::now() >= until {
                return Ok(Err(node));
            }
            if !told {
                tracing::warn!(node = path, "another session owns this node: waiting for its end");
                told = true;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Whether both nodes are still ours; somebody may have removed one.
    pub(super) async fn has_control(&self) -> Result<bool, Trouble> {
        for path in [path::broker(self.broker), path::CONTROLLER.to_owned()] {
            let owner = self.zk.get(&path).await?.map(|node| node.stat.ephemeral_owner);
            if owner != Some(self.zk.session_id()) {
                tracing::warn!(node = path, "somebody removed this node of ours: it is made again");
                return Ok(false);
            }
        }
        Ok(true)
    }
}
