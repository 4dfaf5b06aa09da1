//! What the controller does: topics made, grown, deleted and set anew, whoever wrote the nodes.

use super::keeper::{Keeper, Trouble};
use super::read::describe;
use super::watches::Watch;
use crate::metadata::catalog::{
    Catalog, CreatePartitionsError, CreateTopicError, DeleteTopicError, Topic, TopicPlan,
};
use crate::metadata::log_catalog::mirror::Described;
use kafka_settings::TopicName;
use kafka_znodes::topic::{Assignment, PartitionState};
use kafka_znodes::{ZkError, admin, path};
use log_engine::error::LogError;
use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

/// Topics whose nodes are asked for at once.
const AT_ONCE: usize = 500;

impl Keeper {
    /// Reads all topics.
    pub(super) async fn see_all(&mut self) -> Result<(), Trouble> {
        let names = self.topic_names().await?;
        self.see(names).await
    }

    /// Reads the topics that were not seen before.
    pub(super) async fn see_new(&mut self) -> Result<(), Trouble> {
        let mut names = self.topic_names().await?;
        names.retain(|name| !self.watches.contains(&Watch::Topic(name.clone())));
        self.see(names).await
    }

    /// The topics' names; those whose node is gone are hidden.
    async fn topic_names(&mut self) -> Result<Vec<String>, Trouble> {
        let names = self.watches.children(&self.zk, Watch::Topics, path::TOPICS).await?;
        let there: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        for topic in self.mirror.catalog.topics() {
            if !there.contains(topic.name.as_str()) {
                tracing::warn!(
                    topic = %topic.name,
                    "somebody removed the topic's node from ZooKeeper: it is hidden, and its data is left alone"
                );
                self.mirror.hide(&topic.name);
            }
        }
        Ok(names)
    }

    /// Reads these topics and makes what is missing: logs, and state nodes.
    pub(super) async fn see(&mut self, names: Vec<String>) -> Result<(), Trouble> {
        for names in names.chunks(AT_ONCE) {
            let described = self.read(names).await?;
            let adopted = described.clone();
            self.blocking(move |mirror| mirror.adopt(adopted)).await?;
            self.write_states(&described).await?;
        }
        Ok(())
    }

    async fn read(&mut self, names: &[String]) -> Result<Vec<Described>, Trouble> {
        let paths: Vec<_> = names.iter().map(|name| (name.clone(), path::topic(name))).collect();
        let nodes = self.watches.topics(&self.zk, &paths).await?;
        let settings: Vec<String> = names.iter().map(|name| path::topic_config(name)).collect();
        let settings = self.zk.get_many(settings.iter().map(String::as_str)).await?;
        let mut all = Vec::with_capacity(names.len());
        for ((name, node), settings) in names.iter().zip(nodes).zip(settings) {
            // Without a node it is gone: the list of names says so too, or will.
            let Some(node) = node else { continue };
            let before = self.mirror.catalog.topic(name);
            let settings = settings.map(|node| node.data);
            let read = describe(name, &node.data, settings.as_deref(), self.broker, before.as_deref());
            let wrong = match read {
                Ok((described, wrong)) => {
                    all.push(described);
                    wrong
                }
                Err(wrong) => vec![format!("it is left out: {wrong}")],
            };
            self.tell(name, wrong);
        }
        Ok(all)
    }

    /// Says what is wrong with a topic's nodes, unless that was just said.
    fn tell(&mut self, name: &str, wrong: Vec<String>) {
        if self.told.get(name).is_some_and(|told| *told == wrong) {
            return;
        }
        for text in &wrong {
            tracing::error!(topic = %crate::config::Escaped(name), "this topic in ZooKeeper is not as it should be: {text}");
        }
        if wrong.is_empty() {
            self.told.remove(name)
        } else {
            self.told.insert(name.to_owned(), wrong)
        };
    }

    /// Makes the state nodes say who leads: this broker where it has the log, nobody else.
    async fn write_states(&self, described: &[Described]) -> Result<(), Trouble> {
        let mut wanted: Vec<(TopicName, i32, i32)> = Vec::new();
        for topic in
            described.iter().filter_map(|described| self.mirror.catalog.topic(described.name.as_str()))
        {
            let leader = |log: &Option<_>| if log.is_some() { self.broker } else { -1 };
            let leaders = (0..).zip(topic.partitions.iter().map(leader));
            wanted.extend(leaders.map(|(partition, leader)| (topic.name.clone(), partition, leader)));
        }
        let paths: Vec<String> =
            wanted.iter().map(|(name, partition, _)| path::state(name.as_str(), *partition)).collect();
        let found = self.zk.get_many(paths.iter().map(String::as_str)).await?;
        let (mut parents, mut nodes) = (BTreeSet::new(), Vec::new());
        let new = PartitionState::new(self.broker, self.epoch).encode();
        for (((name, partition, leader), path), node) in wanted.iter().zip(&paths).zip(found) {
            let Some(node) = node else {
                if *leader == self.broker {
                    parents.insert(path::partitions(name.as_str()));
                    nodes.push((path::partition(name.as_str(), *partition), path.clone()));
                }
                continue;
            };
            let state = PartitionState::decode(&node.data).ok();
            let led = state.as_ref().is_some_and(|state| state.leader == *leader);
            let whole = state.as_ref().is_some_and(|state| *leader == -1 || state.isr == [self.broker]);
            if led && whole {
                continue;
            }
            let leader_epoch = state.as_ref().map_or(0, |state| state.leader_epoch.saturating_add(1));
            let isr = if *leader == -1 {
                state.map(|state| state.isr).unwrap_or_default()
            } else {
                vec![self.broker]
            };
            let state = PartitionState { leader: *leader, leader_epoch, isr, controller_epoch: self.epoch };
            self.zk.set_version(path, &state.encode(), Some(node.stat.version)).await?;
        }
        let empty = |path: String| (path, Vec::new());
        self.zk.create_many(&parents.into_iter().map(empty).collect::<Vec<_>>()).await?;
        let (partitions, states): (Vec<String>, Vec<String>) = nodes.into_iter().unzip();
        self.zk.create_many(&partitions.into_iter().map(empty).collect::<Vec<_>>()).await?;
        let states: Vec<_> = states.into_iter().map(|path| (path, new.clone())).collect();
        Ok(self.zk.create_many(&states).await?)
    }

    /// Makes a topic for a client.
    pub(super) async fn create(
        &mut self,
        plan: TopicPlan,
    ) -> Result<Result<Arc<Topic>, CreateTopicError>, Trouble> {
        let TopicPlan { name, partitions, overrides } = plan;
        let assignment = Assignment::on_one(partitions, self.broker);
        let made = self.zk.create_topic(name.as_str(), &assignment, &overrides).await?;
        self.see(vec![name.as_str().to_owned()]).await?;
        if !made {
            return Ok(Err(CreateTopicError::Exists(name)));
        }
        match self.mirror.catalog.topic(name.as_str()) {
            Some(topic) if topic.partitions.iter().all(Option::is_some) => Ok(Ok(topic)),
            _ => {
                // The log says why; as with the metadata log, nothing is left of it.
                self.delete_one(name.as_str()).await?;
                let error = io::Error::other("the log of the broker says why");
                Ok(Err(LogError::io("make the logs of", name.as_str())(error).into()))
            }
        }
    }

    /// Gives a topic more partitions for a client.
    pub(super) async fn grow(
        &mut self,
        name: &str,
        count: i32,
    ) -> Result<Result<(), CreatePartitionsError>, Trouble> {
        let path = path::topic(name);
        loop {
            let Some(node) = self.zk.get(&path).await? else {
                return Ok(Err(CreatePartitionsError::Unknown));
            };
            let malformed = |reason| ZkError::Malformed { path: path.clone(), reason };
            let mut assignment = Assignment::decode(&node.data).map_err(malformed)?;
            for partition in 0..count {
                assignment.partitions.entry(partition).or_insert_with(|| vec![self.broker]);
            }
            if self.zk.set_version(&path, &assignment.encode(), Some(node.stat.version)).await? {
                break;
            }
        }
        self.see(vec![name.to_owned()]).await?;
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let topic = self.mirror.catalog.topic(name);
        let made = topic.is_some_and(|topic| topic.partitions.iter().flatten().count() >= count);
        Ok(if made {
            Ok(())
        } else {
            let error = io::Error::other("the log of the broker says why");
            Err(LogError::io("make the logs of", name)(error).into())
        })
    }

    /// Deletes a topic for a client: the request is written first, so that a crash does not lose it.
    pub(super) async fn delete(&mut self, name: &TopicName) -> Result<Result<(), DeleteTopicError>, Trouble> {
        self.zk.create(&path::deletion(name.as_str()), &[]).await?;
        self.delete_one(name.as_str()).await?;
        Ok(if self.mirror.catalog.topic(name.as_str()).is_none() {
            Ok(())
        } else {
            let error = io::Error::other("the log of the broker says why");
            Err(LogError::io("delete", name.as_str())(error).into())
        })
    }

    /// Deletes what somebody wants deleted.
    pub(super) async fn delete_doomed(&mut self) -> Result<(), Trouble> {
        for name in self.watches.children(&self.zk, Watch::Deletions, path::DELETIONS).await? {
            self.delete_one(&name).await?;
        }
        Ok(())
    }

    /// Data first, then the nodes from the lowest up, the request last: until then its name stays taken.
    async fn delete_one(&mut self, name: &str) -> Result<(), Trouble> {
        let shown = crate::config::Escaped(name);
        let request = path::deletion(name);
        let refused = match TopicName::new(name) {
            _ if !self.zk.exists(&path::topic(name)).await? => Some("there is no such topic"),
            _ if !self.config.delete_topics => Some("delete.topic.enable is false"),
            Ok(name) if name.is_reserved() => Some("the topic is the broker's own"),
            Ok(name) => {
                let removed = self.blocking(move |mirror| mirror.remove(&name)).await;
                if let Err(trouble) = removed {
                    tracing::error!(topic = %shown, error = trouble.text(), "the topic cannot be deleted now");
                    return Ok(());
                }
                None
            }
            // There is no data under such a name.
            Err(_) => None,
        };
        match refused {
            Some(why) => tracing::warn!(topic = %shown, "a request to delete is dropped: {why}"),
            None => {
                self.zk.delete_tree(&path::topic(name)).await?;
                self.zk.delete(&path::topic_config(name)).await?;
                self.told.remove(name);
                tracing::info!(topic = %shown, "deleted");
            }
        }
        self.zk.delete(&request).await?;
        Ok(())
    }

    /// Does what operators wish for, as far as one broker can, and removes the wishes: their tools wait for that.
    pub(super) async fn grant_wishes(&mut self) -> Result<(), Trouble> {
        for (watch, path) in
            [(Watch::Election, path::PREFERRED_ELECTION), (Watch::Reassignment, path::REASSIGNMENT)]
        {
            if !self.watches.exists(&self.zk, watch, path).await? {
                continue;
            }
            match self.zk.read(path, admin::decode).await {
                Ok(wishes) => {
                    for wish in wishes.unwrap_or_default() {
                        self.grant(&wish).await?;
                    }
                }
                Err(ZkError::Malformed { reason, .. }) => {
                    tracing::warn!(node = path, "the node {reason}, and is removed");
                }
                Err(error) => return Err(error.into()),
            }
            self.zk.delete(path).await?;
        }
        Ok(())
    }

    /// One wish: a partition can only be here, so a partition that is assigned to others may come, and none may go.
    async fn grant(&self, wish: &admin::Wish) -> Result<(), Trouble> {
        let admin::Wish { topic, partition, replicas } = wish;
        let shown = crate::config::Escaped(topic);
        if replicas.is_empty() {
            return Ok(());
        }
        if *replicas != [self.broker] {
            tracing::warn!(topic = %shown, partition, ?replicas, "a wish for other brokers is dropped: there is one broker");
            return Ok(());
        }
        let Some(mut assignment) = self.zk.assignment(topic).await? else { return Ok(()) };
        match assignment.partitions.get_mut(partition) {
            Some(brokers) if *brokers != *replicas => brokers.clone_from(replicas),
            _ => return Ok(()),
        }
        tracing::info!(topic = %shown, partition, "the partition is assigned to this broker now");
        self.zk.set(&path::topic(topic), &assignment.encode()).await?;
        Ok(())
    }
}
