//! `kafka-topics --zookeeper`: texts and znodes of 2.2.
//!
//! Settings and names are checked before anything is written, by the rules of our broker (`kafka_settings`): no broker
//! stands between this and the nodes. What differs: replicas start with the first broker, not with a random one.

use super::with;
use crate::failure::Failure;
use crate::io::Io;
use crate::kafka::topics::{COLLISION, Request};
use crate::ops::filter::is_internal;
use crate::options::Options;
use kafka_settings::TopicName;
use kafka_settings::topic::{TopicConfigError, check_key, validate};
use kafka_znodes::config::{Config, Entity};
use kafka_znodes::topic::{Assignment, PartitionState};
use kafka_znodes::{Zk, path};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const GROWTH: &str = "WARNING: If partitions are increased for a topic that has a key, the partition logic or ordering of the messages will be affected";
const FORMAT_VERSION: &str = "message.format.version";
const MOVED: [&str; 2] = [
    "WARNING: Altering topic configuration from this script has been deprecated and may be removed in future releases.",
    "         Going forward, please use kafka-configs.sh for this functionality",
];

/// How long a new topic is waited for, and how often it is looked at.
const TAKEN_WITHIN: Duration = Duration::from_secs(2);
const LOOK: Duration = Duration::from_millis(5);

/// Does what the options say.
pub(crate) fn run(hosts: &str, options: &Options, request: &Request, io: &mut Io<'_>) -> Result<(), Failure> {
    if options.has("create") && request.assignment.is_empty() {
        options.require(&["partitions", "replication-factor"])?;
    }
    if options.has("create") || options.has("alter") {
        check_settings(options, request, io)?;
    }
    with(hosts, async |zk| {
        if options.has("create") {
            create(zk, request, io).await
        } else if options.has("alter") {
            alter(zk, options, request, io).await
        } else if options.has("list") {
            list(zk, request, io).await
        } else if options.has("describe") {
            describe(zk, options, request, io).await
        } else {
            delete(zk, request, io).await
        }
    })
}

/// Refuses settings that a topic cannot have, and names of settings to delete that there are not.
fn check_settings(options: &Options, request: &Request, io: &mut Io<'_>) -> Result<(), Failure> {
    let config: Config = request.configs.iter().cloned().collect();
    refuse(validate(&config))?;
    if let Some(version) = config.get(FORMAT_VERSION) {
        io.line(&format!(
            "WARNING: The configuration {FORMAT_VERSION}={version} is specified. This configuration will be ignored if the version is newer than the inter.broker.protocol.version specified in the broker."
        ))?;
    }
    options.values("delete-config").iter().try_for_each(|key| refuse(check_key(key).map(|_| ())))
}

fn refuse(checked: Result<(), TopicConfigError>) -> Result<(), Failure> {
    checked.map_err(|error| Failure::told(error.to_string()))
}

async fn create(zk: &Zk, request: &Request, io: &mut Io<'_>) -> Result<(), Failure> {
    let name = request.topic.clone().unwrap_or_default();
    let checked = TopicName::new(&name).map_err(|error| Failure::told(error.old_text()))?;
    if name.contains(['.', '_']) {
        io.line(COLLISION)?;
    }
    let brokers = broker_ids(zk).await?;
    let assignment = if request.assignment.is_empty() {
        let factor = usize::try_from(request.replication_factor.unwrap_or(1)).unwrap_or(1);
        spread(&brokers, 0..request.partitions.unwrap_or(1), factor)?
    } else {
        (0..).zip(request.assignment.iter().cloned()).collect()
    };
    let clashes: Vec<String> =
        zk.topics().await?.into_iter().filter(|other| clash(&checked, other)).collect();
    if !clashes.is_empty() {
        return Err(Failure::told(format!(
            "Topic '{name}' collides with existing topics: {}",
            clashes.join(", ")
        )));
    }
    let config: Config = request.configs.iter().cloned().collect();
    let assignment = Assignment { partitions: assignment, topic_id: None };
    if zk.create_topic(&name, &assignment, &config).await? {
        settle(zk, &name).await?;
        io.line(&format!("Created topic {name}."))?;
    } else if !request.if_not_exists {
        return Err(Failure::told(format!("Topic '{name}' already exists.")));
    }
    Ok(())
}

/// Waits for the controller to take the new topic, so that the next command finds it through a broker too; not for long, and
/// not at all if there is no controller. The original does not wait: with it, that is a matter of luck.
async fn settle(zk: &Zk, name: &str) -> Result<(), Failure> {
    let state = path::state(name, 0);
    let until = Instant::now() + TAKEN_WITHIN;
    while zk.exists(path::CONTROLLER).await? && !zk.exists(&state).await? && Instant::now() < until {
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// Whether another topic has a name that differs in `.` against `_` only.
fn clash(name: &TopicName, other: &str) -> bool {
    other != name.as_str() && TopicName::new(other).is_ok_and(|other| other.collides_with(name))
}

async fn broker_ids(zk: &Zk) -> Result<Vec<i32>, Failure> {
    let names = zk.children(path::BROKER_IDS).await?;
    let mut ids: Vec<i32> = names.iter().filter_map(|name| name.parse().ok()).collect();
    ids.sort_unstable();
    Ok(ids)
}

/// So many replicas of each partition, one after the other over the brokers.
fn spread(
    brokers: &[i32],
    partitions: std::ops::Range<i32>,
    factor: usize,
) -> Result<BTreeMap<i32, Vec<i32>>, Failure> {
    if factor > brokers.len() {
        let available = brokers.len();
        return Err(Failure::told(format!(
            "Replication factor: {factor} larger than available brokers: {available}."
        )));
    }
    let replicas = |partition: i32| {
        let first = usize::try_from(partition).unwrap_or(0);
        let all = brokers.iter().cycle().skip(first % brokers.len()).take(factor);
        (partition, all.copied().collect())
    };
    Ok(partitions.map(replicas).collect())
}

/// The topics that are meant, and an error if one was asked for and none is there.
async fn matching(zk: &Zk, request: &Request, must_exist: bool) -> Result<Vec<String>, Failure> {
    let wants = request.wants()?;
    let names: Vec<String> = zk.topics().await?.into_iter().filter(|name| wants(name)).collect();
    if names.is_empty() && must_exist && request.topic.is_some() {
        return Err(Failure::told("Topics in [] does not exist"));
    }
    Ok(names)
}

async fn list(zk: &Zk, request: &Request, io: &mut Io<'_>) -> Result<(), Failure> {
    for name in matching(zk, request, false).await? {
        let marked = if zk.exists(&path::deletion(&name)).await? { " - marked for deletion" } else { "" };
        io.line(&format!("{name}{marked}"))?;
    }
    Ok(())
}

async fn alter(zk: &Zk, options: &Options, request: &Request, io: &mut Io<'_>) -> Result<(), Failure> {
    for name in matching(zk, request, !request.if_exists).await? {
        let gone: Vec<&str> = options.values("delete-config").iter().map(String::as_str).collect();
        if !request.configs.is_empty() || !gone.is_empty() {
            MOVED.iter().try_for_each(|line| io.line(line))?;
            let entity = Entity::Topic(name.clone());
            let mut config = zk.config(&entity).await?;
            config.extend(request.configs.iter().cloned());
            config.retain(|key, _| !gone.contains(&key.as_str()));
            refuse(validate(&config))?;
            zk.change_config(&entity, &config).await?;
            io.line(&format!("Updated config for topic {name}."))?;
        }
        if let Some(count) = request.partitions {
            grow(zk, &name, count, request, io).await?;
        }
    }
    Ok(())
}

async fn grow(zk: &Zk, name: &str, count: i32, request: &Request, io: &mut Io<'_>) -> Result<(), Failure> {
    if is_internal(name) {
        return Err(Failure::told("The number of partitions for the offsets topic cannot be changed."));
    }
    io.line(GROWTH)?;
    let Some(mut assignment) = zk.assignment(name).await? else { return Ok(()) };
    let have = i32::try_from(assignment.partitions.len()).unwrap_or(i32::MAX);
    if count <= have {
        return Err(Failure::told(format!(
            "The number of partitions for a topic can only be increased. Topic {name} currently has {have} partitions, {count} would not be an increase."
        )));
    }
    let factor = assignment.partitions.values().next().map_or(1, Vec::len);
    let mut new = spread(&broker_ids(zk).await?, have..count, factor)?;
    let given = (0..).zip(request.assignment.iter().cloned()).filter(|(partition, _)| *partition >= have);
    new.extend(given);
    assignment.partitions.append(&mut new);
    zk.set(&path::topic(name), &assignment.encode()).await?;
    io.line("Adding partitions succeeded!")?;
    Ok(())
}

async fn delete(zk: &Zk, request: &Request, io: &mut Io<'_>) -> Result<(), Failure> {
    for name in matching(zk, request, !request.if_exists).await? {
        if is_internal(&name) {
            return Err(Failure::told(format!(
                "Topic {name} is a kafka internal topic and is not allowed to be marked for deletion."
            )));
        }
        if zk.create(&path::deletion(&name), &[]).await? {
            io.line(&format!("Topic {name} is marked for deletion."))?;
            io.line("Note: This will have no impact if delete.topic.enable is not set to true.")?;
        } else {
            io.line(&format!("Topic {name} is already marked for deletion."))?;
        }
    }
    Ok(())
}

/// Which lines are wanted.
struct View {
    overrides_only: bool,
    under_replicated: bool,
    unavailable: bool,
    live: BTreeSet<i32>,
}

async fn describe(zk: &Zk, options: &Options, request: &Request, io: &mut Io<'_>) -> Result<(), Failure> {
    let names = matching(zk, request, !request.if_exists).await?;
    let view = View {
        overrides_only: options.has("topics-with-overrides"),
        under_replicated: options.has("under-replicated-partitions"),
        unavailable: options.has("unavailable-partitions"),
        live: broker_ids(zk).await?.into_iter().collect(),
    };
    for name in names {
        view.print(zk, &name, io).await?;
    }
    Ok(())
}

impl View {
    async fn print(&self, zk: &Zk, name: &str, io: &mut Io<'_>) -> Result<(), Failure> {
        let Some(assignment) = zk.assignment(name).await? else { return Ok(()) };
        let marked = zk.exists(&path::deletion(name)).await?;
        let config = zk.config(&Entity::Topic(name.to_owned())).await?;
        let reports = self.under_replicated || self.unavailable;
        if !reports && (!self.overrides_only || !config.is_empty()) {
            let own: Vec<String> = config.iter().map(|(key, value)| format!("{key}={value}")).collect();
            io.line(&format!(
                "Topic:{name}\tPartitionCount:{}\tReplicationFactor:{}\tConfigs:{}{}",
                assignment.partitions.len(),
                assignment.partitions.values().next().map_or(0, Vec::len),
                own.join(","),
                if marked { "\tMarkedForDeletion:true" } else { "" }
            ))?;
        }
        if self.overrides_only {
            return Ok(());
        }
        for (partition, replicas) in &assignment.partitions {
            let state = zk.read(&path::state(name, *partition), PartitionState::decode).await?;
            if !reports || self.reports(replicas, state.as_ref()) {
                io.line(&line(name, *partition, replicas, state.as_ref(), marked))?;
            }
        }
        Ok(())
    }

    fn reports(&self, replicas: &[i32], state: Option<&PartitionState>) -> bool {
        let isr = state.map_or(0, |state| state.isr.len());
        let led = state.is_some_and(|state| self.live.contains(&state.leader));
        (self.under_replicated && isr < replicas.len()) || (self.unavailable && !led)
    }
}

fn line(
    name: &str,
    partition: i32,
    replicas: &[i32],
    state: Option<&PartitionState>,
    marked: bool,
) -> String {
    let ids = |ids: &[i32]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    format!(
        "\tTopic: {name}\tPartition: {partition}\tLeader: {}\tReplicas: {}\tIsr: {}{}",
        state.map_or_else(|| "none".to_owned(), |state| state.leader.to_string()),
        ids(replicas),
        state.map_or_else(String::new, |state| ids(&state.isr)),
        if marked { "\tMarkedForDeletion: true" } else { "" }
    )
}
