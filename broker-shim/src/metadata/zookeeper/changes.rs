//! Settings that change: of topics and brokers, written by tools or for clients.

use super::keeper::{Keeper, Trouble};
use super::watches::Watch;
use crate::config::DynamicSettings;
use kafka_znodes::config::{self, Config, Entity};
use kafka_znodes::{ZkError, path};
use std::collections::BTreeSet;

/// Word of a change is removed when somebody looks after so long, as in Kafka.
const CHANGE_LIFE_MS: i64 = 15 * 60 * 1000;

impl Keeper {
    /// Watches for changes of settings from now on; those of before are read with the topics.
    pub(super) async fn note_changes(&mut self) -> Result<(), Trouble> {
        self.changes().await.map(drop)
    }

    /// Puts changed settings in force.
    pub(super) async fn follow_changes(&mut self) -> Result<(), Trouble> {
        let (mut topics, mut brokers) = (BTreeSet::new(), false);
        for entity in self.changes().await? {
            match entity {
                Entity::Topic(name) => {
                    topics.insert(name);
                }
                Entity::Broker(None) => brokers = true,
                Entity::Broker(Some(id)) if id == self.broker => brokers = true,
                Entity::Broker(_) | Entity::Other(_) => {
                    tracing::debug!(entity = entity.path(), "these settings have no effect here");
                }
            }
        }
        if brokers {
            self.read_settings().await?;
        }
        self.see(topics.into_iter().collect()).await
    }

    /// Whose settings were changed since the last look. Old word is removed.
    async fn changes(&mut self) -> Result<Vec<Entity>, Trouble> {
        let names = self.watches.children(&self.zk, Watch::Changes, path::CONFIG_CHANGES).await?;
        let paths: Vec<String> =
            names.iter().map(|name| format!("{}/{name}", path::CONFIG_CHANGES)).collect();
        let nodes = self.zk.get_many(paths.iter().map(String::as_str)).await?;
        let (mut changed, mut last) = (Vec::new(), self.last_change);
        for ((name, path), node) in names.iter().zip(&paths).zip(nodes) {
            let Some(node) = node else { continue };
            if self.now().saturating_sub(node.stat.ctime) > CHANGE_LIFE_MS {
                self.zk.delete(path).await?;
            }
            let number = config::change_number(name).unwrap_or(-1);
            if number <= self.last_change {
                continue;
            }
            last = last.max(number);
            match config::decode_change(&node.data) {
                Ok(entity) => changed.push(entity),
                Err(reason) => tracing::warn!(node = %path, "the node {reason}, and is left out"),
            }
        }
        self.last_change = last;
        Ok(changed)
    }

    /// Replaces settings for a client; they are in force when this returns.
    pub(super) async fn alter(&mut self, entity: &Entity, settings: &Config) -> Result<(), Trouble> {
        self.zk.change_config(entity, settings).await?;
        match entity {
            Entity::Topic(name) => self.see(vec![name.clone()]).await,
            Entity::Broker(_) | Entity::Other(_) => self.read_settings().await,
        }
    }

    /// Puts the settings of brokers in force that are there now. A node that makes no sense leaves those of before.
    pub(super) async fn read_settings(&self) -> Result<(), Trouble> {
        let all = self.zk.config(&Entity::Broker(None)).await;
        let own = self.zk.config(&Entity::Broker(Some(self.broker))).await;
        let settings = match (all, own) {
            (Ok(all), Ok(own)) => DynamicSettings { all, own },
            (Err(error @ ZkError::Malformed { .. }), _) | (_, Err(error @ ZkError::Malformed { .. })) => {
                tracing::error!("{error}: the broker's settings stay as they are");
                return Ok(());
            }
            (Err(error), _) | (_, Err(error)) => return Err(error.into()),
        };
        self.blocking(move |mirror| mirror.settings(settings)).await
    }
}
