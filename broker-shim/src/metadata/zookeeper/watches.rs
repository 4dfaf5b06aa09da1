//! Which nodes are watched: each once, until it fires.
//!
//! # Invariants
//!
//! * A watch that has not fired is never dropped while its session lives: the client would ask the server to remove it,
//!   which ZooKeeper 3.4 answers by closing the connection.

use super::keeper::Trouble;
use kafka_znodes::raw::{self, OneshotWatcher};
use kafka_znodes::{Node, Zk, ZkError};
use std::collections::HashSet;
use tokio::task::JoinSet;

/// Something that may change.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Watch {
    /// The list of topics.
    Topics,
    /// A topic's partitions.
    Topic(String),
    /// The list of topics that somebody wants deleted.
    Deletions,
    /// The list of settings that were changed.
    Changes,
    /// A wish for another leader.
    Election,
    /// A wish for other brokers.
    Reassignment,
    /// Our own registration.
    Registration,
    /// Who the controller is.
    Controller,
}

/// Watches that were set and have not fired.
#[derive(Default)]
pub(super) struct Watches {
    waiting: JoinSet<Watch>,
    armed: HashSet<Watch>,
}

impl Watches {
    /// Whether this is watched.
    pub(super) fn contains(&self, what: &Watch) -> bool {
        self.armed.contains(what)
    }

    /// The next one that fires; for ever if there is none.
    pub(super) async fn next(&mut self) -> Watch {
        match self.waiting.join_next().await {
            Some(Ok(fired)) => {
                self.armed.remove(&fired);
                fired
            }
            // The tasks neither panic nor are aborted; none waits before the first is set.
            _ => std::future::pending().await,
        }
    }

    fn arm(&mut self, what: Watch, watcher: OneshotWatcher) {
        self.armed.insert(what.clone());
        self.waiting.spawn(async move {
            watcher.changed().await;
            what
        });
    }

    /// The names below a node, which is watched from now on.
    pub(super) async fn children(
        &mut self,
        zk: &Zk,
        what: Watch,
        path: &str,
    ) -> Result<Vec<String>, Trouble> {
        if self.contains(&what) {
            return Ok(zk.children(path).await?);
        }
        match zk.raw().list_and_watch_children(path).await {
            Ok((mut names, watcher)) => {
                self.arm(what, watcher);
                names.sort_unstable();
                Ok(names)
            }
            Err(error) => Err(ZkError::of("list", path, error).into()),
        }
    }

    /// Whether there is a node, whose coming and going is watched from now on.
    pub(super) async fn exists(&mut self, zk: &Zk, what: Watch, path: &str) -> Result<bool, Trouble> {
        if self.contains(&what) {
            return Ok(zk.exists(path).await?);
        }
        match zk.raw().check_and_watch_stat(path).await {
            Ok((stat, watcher)) => {
                self.arm(what, watcher);
                Ok(stat.is_some())
            }
            Err(error) => Err(ZkError::of("look for", path, error).into()),
        }
    }

    /// The data of topics' nodes, which are watched from now on. All are asked for before the first answer is waited for.
    pub(super) async fn topics(
        &mut self,
        zk: &Zk,
        paths: &[(String, String)],
    ) -> Result<Vec<Option<Node>>, Trouble> {
        let fresh = |name: &str| !self.contains(&Watch::Topic(name.to_owned()));
        let watched: Vec<_> = paths.iter().filter(|(name, _)| fresh(name)).collect();
        let asked: Vec<_> = watched.iter().map(|(_, path)| zk.raw().get_and_watch_data(path)).collect();
        let mut found = std::collections::BTreeMap::new();
        let mut failed = None;
        // Answers are taken to the end even after a failure: a watch that came with one must not be dropped.
        for ((name, path), answer) in watched.into_iter().zip(asked) {
            match answer.await {
                Ok((data, stat, watcher)) => {
                    self.arm(Watch::Topic(name.clone()), watcher);
                    found.insert(name.as_str(), Node { data, stat });
                }
                Err(raw::Error::NoNode) => {}
                Err(error) => failed = Some(ZkError::of("read", path, error)),
            }
        }
        if let Some(error) = failed {
            return Err(error.into());
        }
        let rest: Vec<_> = paths.iter().filter(|(name, _)| !found.contains_key(name.as_str())).collect();
        let again = zk.get_many(rest.iter().map(|(_, path)| path.as_str())).await?;
        let mut again: std::collections::BTreeMap<&str, Option<Node>> =
            rest.into_iter().map(|(name, _)| name.as_str()).zip(again).collect();
        let mut one = |name: &str| found.remove(name).or_else(|| again.remove(name).flatten());
        Ok(paths.iter().map(|(name, _)| one(name)).collect())
    }
}
