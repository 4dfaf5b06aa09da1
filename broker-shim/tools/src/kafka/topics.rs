//! `kafka-topics`: lists, describes, makes, enlarges and deletes topics.
//!
//! ```text
//! $ kafka-topics.sh --bootstrap-server localhost:9092 --create --topic test --partitions 2
//! Created topic test.
//! $ kafka-topics.sh --bootstrap-server localhost:9092 --describe --topic test
//! Topic: test    TopicId: 1KCj...    PartitionCount: 2    ReplicationFactor: 1    Configs:
//!     Topic: test    Partition: 0    Leader: 0    Replicas: 0    Isr: 0    Elr:     LastKnownElr:
//! ```
//!
//! The output is that of Kafka 4; the options of 2.2 are accepted beside its own.

use super::Tool;
use crate::failure::Failure;
use crate::io::Io;
use crate::ops::filter::{Filter, is_internal};
use crate::ops::java;
use crate::ops::session::{Bootstrap, Target};
use crate::ops::topics::{self, Growth, NewTopic, PartitionDetail, TopicDetail};
use crate::options::{Opt, Options, Spec};
use crate::zookeeper;
use kafka_client::Client;
use kafka_wire::ErrorCode;
use std::collections::BTreeSet;

/// The tool.
pub(crate) const TOOL: Tool = Tool {
    spec: Spec {
        tool: "kafka-topics",
        about: "This tool helps to create, delete, describe, or change a topic.",
        options: OPTIONS,
    },
    before_errors: Some("Error while executing topic command : "),
    run,
};

const OPTIONS: &[Opt] = &[
    Opt::value(
        &["bootstrap-server"],
        "server to connect to",
        "REQUIRED: the broker to connect to, as host:port.",
    ),
    Opt::value(
        &["zookeeper"],
        "hosts",
        "The ZooKeeper to go through, as the tools before 3.0 did, instead of a broker.",
    ),
    Opt::value(&["command-config"], "file", "A property file for the client."),
    Opt::flag(&["list"], "List all available topics."),
    Opt::flag(&["create"], "Create a new topic."),
    Opt::flag(&["delete"], "Delete topics."),
    Opt::flag(&["alter"], "Alter the number of partitions. (Configurations are altered by kafka-configs.)"),
    Opt::flag(&["describe"], "List details of topics."),
    Opt::value(&["topic"], "topic", "The topic; but for --create also a regular expression."),
    Opt::value(&["topic-id"], "topic-id", "The id of the topic to describe."),
    Opt::value(&["config"], "name=value", "A configuration of the topic to be created; may be repeated."),
    Opt::value(&["delete-config"], "name", "No longer supported: see kafka-configs."),
    Opt::value(
        &["partitions"],
        "# of partitions",
        "The number of partitions of the topic to be created or altered; without it the broker's default.",
    ),
    Opt::value(
        &["replication-factor"],
        "replication factor",
        "The number of replicas of each partition; without it the broker's default.",
    ),
    Opt::value(
        &["replica-assignment"],
        "broker:broker,broker:broker,...",
        "The brokers of each partition of the topic to be created or altered.",
    ),
    Opt::flag(&["under-replicated-partitions"], "Describe only partitions that lack replicas."),
    Opt::flag(&["unavailable-partitions"], "Describe only partitions whose leader is not available."),
    Opt::flag(
        &["under-min-isr-partitions"],
        "Describe only partitions with fewer replicas in sync than they need.",
    ),
    Opt::flag(
        &["at-min-isr-partitions"],
        "Describe only partitions with exactly as many replicas in sync as they need.",
    ),
    Opt::flag(&["topics-with-overrides"], "Describe only topics with configurations of their own."),
    Opt::flag(&["if-exists"], "Do nothing if the topic does not exist."),
    Opt::flag(&["if-not-exists"], "Do nothing if the topic exists."),
    Opt::flag(&["exclude-internal"], "Leave out the brokers' own topics when listing or describing."),
    Opt::value(
        &["partition-size-limit-per-response"],
        "count",
        "The most partitions of one answer when describing.",
    ),
    Opt::flag(&["force"], "Accepted for old scripts; there is nothing to be forced."),
    Opt::flag(&["disable-rack-aware"], "Accepted for old scripts; racks are not looked at."),
];

const ACTIONS: [&str; 5] = ["list", "describe", "create", "alter", "delete"];
const REPORTS: [&str; 4] = [
    "under-replicated-partitions",
    "under-min-isr-partitions",
    "at-min-isr-partitions",
    "unavailable-partitions",
];
const SEE_CONFIGS: &str = " (To alter topic configurations, the kafka-configs tool can be used.)";
pub(crate) const COLLISION: &str = "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could collide. To avoid issues it is best to use either, but not both.";

fn run(options: &Options, io: &mut Io<'_>) -> Result<(), Failure> {
    if options.is_empty() {
        return Err(Failure::usage("Create, delete, describe, or change a topic."));
    }
    let target = check(options, io)?;
    let request = Request::read(options)?;
    let bootstrap = match target {
        Target::Bootstrap(bootstrap) => bootstrap,
        Target::ZooKeeper(hosts) => return zookeeper::topics::run(&hosts, options, &request, io),
    };
    let mut client = bootstrap.connect()?;
    if options.has("create") {
        create(&mut client, &request, io)
    } else if options.has("alter") {
        alter(&mut client, &request)
    } else if options.has("list") {
        list(&mut client, &request, io)
    } else if options.has("describe") {
        describe(&mut client, options, &request, io)
    } else {
        delete(&mut client, &request)
    }
}

/// What goes with what; whom to ask.
fn check(options: &Options, io: &mut Io<'_>) -> Result<Target, Failure> {
    if ACTIONS.iter().filter(|action| options.has(action)).count() != 1 {
        return Err(Failure::usage(
            "Command must include exactly one action: --list, --describe, --create, --alter or --delete",
        ));
    }
    // With --zookeeper it is as in 2.2.
    if options.has("delete-config") && !options.has("zookeeper") {
        io.err_line("delete-config option is no longer supported and deprecated since version 4.0. The config will be fully removed in future releases.");
    }
    let target = target(options)?;
    if options.has("describe")
        && options.has("if-exists")
        && !options.has("topic")
        && !options.has("topic-id")
    {
        return Err(Failure::usage("--topic or --topic-id is required to describe a topic"));
    }
    if options.has("describe") && options.has("topic") && options.has("topic-id") && options.has("if-exists")
    {
        io.line("Only topic id will be used when both --topic and --topic-id are specified and topicId is not Uuid.ZERO_UUID")?;
    }
    if !options.has("list") && !options.has("describe") {
        options.require(&["topic"])?;
    }
    if options.has("alter") {
        if options.has("config") && options.has("bootstrap-server") {
            return Err(Failure::usage(format!(
                "Option combination \"[bootstrap-server],[config]\" can't be used with option \"[alter]\"{SEE_CONFIGS}"
            )));
        }
        if options.has("bootstrap-server") {
            options.require(&["partitions"])?;
        }
    }
    check_company(options)?;
    Ok(target)
}

fn target(options: &Options) -> Result<Target, Failure> {
    match (options.has("bootstrap-server"), options.value("zookeeper")?) {
        (true, Some(_)) => {
            Err(Failure::usage("Only one of --bootstrap-server or --zookeeper must be specified"))
        }
        (false, Some(hosts)) => Ok(Target::ZooKeeper(hosts.to_owned())),
        (true, None) => Ok(Target::Bootstrap(Bootstrap::of(options)?)),
        (false, None) => Err(Failure::Plain("--bootstrap-server must be specified".into())),
    }
}

/// Options that other options rule out.
fn check_company(options: &Options) -> Result<(), Failure> {
    let only_with = |name: &str, actions: &[&str]| {
        let others: Vec<&str> = ACTIONS.iter().filter(|action| !actions.contains(action)).copied().collect();
        options.refuse_with(name, &others)
    };
    only_with("config", &["alter", "create"])?;
    only_with("partitions", &["alter", "create"])?;
    only_with("replication-factor", &["create"])?;
    only_with("replica-assignment", &["alter", "create"])?;
    if options.has("create") {
        options.refuse_with("replica-assignment", &["partitions", "replication-factor"])?;
    }
    for report in REPORTS {
        only_with(report, &["describe"])?;
        options.refuse_with(report, &["topics-with-overrides"])?;
    }
    only_with("topics-with-overrides", &["describe"])?;
    only_with("if-exists", &["alter", "delete", "describe"])?;
    only_with("if-not-exists", &["create"])?;
    only_with("exclude-internal", &["list", "describe"])
}

/// What all actions need of the options, read.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) topic: Option<String>,
    pub(crate) partitions: Option<i32>,
    pub(crate) replication_factor: Option<i16>,
    pub(crate) assignment: Vec<Vec<i32>>,
    pub(crate) configs: Vec<(String, String)>,
    pub(crate) if_exists: bool,
    pub(crate) if_not_exists: bool,
    pub(crate) exclude_internal: bool,
}

impl Request {
    fn read(options: &Options) -> Result<Self, Failure> {
        let factor: Option<i32> = options.parsed("replication-factor")?;
        let range = || Failure::told("The replication factor must be between 1 and 32767 inclusive");
        let factor =
            factor.map(|n| i16::try_from(n).ok().filter(|n| *n > 0).ok_or_else(range)).transpose()?;
        let partitions: Option<i32> = options.parsed("partitions")?;
        if options.has("create") && partitions.is_some_and(|count| count < 1) {
            return Err(Failure::told("The partitions must be greater than 0"));
        }
        Ok(Self {
            topic: options.value("topic")?.map(str::to_owned),
            partitions,
            replication_factor: factor,
            assignment: options.value("replica-assignment")?.map(assignment).transpose()?.unwrap_or_default(),
            configs: configs(options.values("config"))?,
            if_exists: options.has("if-exists"),
            if_not_exists: options.has("if-not-exists"),
            exclude_internal: options.has("exclude-internal"),
        })
    }

    /// Whether a topic is meant by `--topic` and `--exclude-internal`.
    pub(crate) fn wants(&self) -> Result<impl Fn(&str) -> bool + use<>, Failure> {
        let filter = self.topic.as_deref().map(Filter::new).transpose()?;
        let exclude = self.exclude_internal;
        Ok(move |name: &str| match &filter {
            Some(filter) => filter.allows(name, exclude),
            None => !(exclude && is_internal(name)),
        })
    }

    /// The names that are meant, and an error if one was asked for and none is there.
    fn matching(&self, client: &mut Client, must_exist: bool) -> Result<Vec<String>, Failure> {
        let wants = self.wants()?;
        let cluster = topics::all(client)?;
        let names: Vec<String> = cluster.topics.into_keys().filter(|name| wants(name)).collect();
        match &self.topic {
            Some(topic) if names.is_empty() && must_exist && !topic.is_empty() => {
                Err(Failure::told(format!("Topic '{topic}' does not exist as expected")))
            }
            _ => Ok(names),
        }
    }
}

/// `0:1,1:2`: the brokers of each partition.
fn assignment(text: &str) -> Result<Vec<Vec<i32>>, Failure> {
    let mut partitions: Vec<Vec<i32>> = Vec::new();
    for (index, part) in text.split(',').filter(|_| !text.is_empty()).enumerate() {
        let id = |id: &str| id.trim().parse::<i32>();
        let brokers: Vec<i32> = part.split(':').map(id).collect::<Result<_, _>>().map_err(|_| {
            Failure::told(format!("{part:?} in --replica-assignment is no list of broker ids: write 0:1,1:2"))
        })?;
        let mut seen = BTreeSet::new();
        let doubled: BTreeSet<String> =
            brokers.iter().filter(|id| !seen.insert(**id)).map(ToString::to_string).collect();
        if !doubled.is_empty() {
            let list: Vec<String> = doubled.into_iter().collect();
            let text =
                format!("Partition replica lists may not contain duplicate entries: {}", list.join(","));
            return Err(Failure::told(text));
        }
        if partitions.first().is_some_and(|first| first.len() != brokers.len()) {
            let text = format!("Partition {index} has different replication factor: {brokers:?}");
            return Err(Failure::told(text));
        }
        partitions.push(brokers);
    }
    Ok(partitions)
}

fn configs(given: &[String]) -> Result<Vec<(String, String)>, Failure> {
    let pair = |text: &String| match text.split('=').map(str::trim).collect::<Vec<_>>()[..] {
        [name, value] if !value.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(Failure::told(
            "requirement failed: Invalid topic config: all configs to be added must be in the format \"key=val\".",
        )),
    };
    given.iter().map(pair).collect()
}

fn create(client: &mut Client, request: &Request, io: &mut Io<'_>) -> Result<(), Failure> {
    let name = request.topic.clone().unwrap_or_default();
    if name.contains(['.', '_']) {
        io.line(COLLISION)?;
    }
    let topic = NewTopic {
        name: name.clone(),
        partitions: request.partitions,
        replication_factor: request.replication_factor,
        assignment: request.assignment.clone(),
        configs: request.configs.clone(),
    };
    match topics::create(client, &topic) {
        Ok(()) => Ok(io.line(&format!("Created topic {name}."))?),
        Err(error) if request.if_not_exists && error.code() == Some(ErrorCode::TopicAlreadyExists) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn list(client: &mut Client, request: &Request, io: &mut Io<'_>) -> Result<(), Failure> {
    let names = request.matching(client, false)?;
    // Without topics this is an empty line, as in the original.
    Ok(io.line(&names.join("\n"))?)
}

fn delete(client: &mut Client, request: &Request) -> Result<(), Failure> {
    let names = request.matching(client, !request.if_exists)?;
    if names.is_empty() { Ok(()) } else { Ok(topics::delete(client, &names)?) }
}

fn alter(client: &mut Client, request: &Request) -> Result<(), Failure> {
    let names = request.matching(client, !request.if_exists)?;
    let count = request.partitions.unwrap_or_default();
    let mut larger = Vec::with_capacity(names.len());
    for name in names {
        let have = client.cluster().topics.get(&name).map_or(0, |topic| topic.partitions.len());
        let new = request.assignment.get(have..).unwrap_or_default();
        let brokers = (!request.assignment.is_empty()).then(|| new.to_vec());
        larger.push(Growth { name, count, brokers });
    }
    if larger.is_empty() { Ok(()) } else { Ok(topics::enlarge(client, &larger)?) }
}

fn describe(
    client: &mut Client,
    options: &Options,
    request: &Request,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    let id = options.value("topic-id")?.filter(|id| *id != kafka_wire::Uuid::ZERO.to_string());
    let mut names = match id {
        None => request.matching(client, !request.if_exists)?,
        Some(id) => {
            let cluster = topics::all(client)?;
            let found = cluster.topics.into_values().find(|topic| topic.id.to_string() == id);
            if found.is_none() && !request.if_exists {
                return Err(Failure::told(format!("TopicId '{id}' does not exist as expected")));
            }
            found.into_iter().map(|topic| topic.name).collect()
        }
    };
    let limit = options.parsed("partition-size-limit-per-response")?;
    // Twice through a map of that size, as in the original.
    java::sized_hash_order(&mut names, |name| java::string_hash(name));
    java::sized_hash_order(&mut names, |name| java::string_hash(name));
    let live: BTreeSet<i32> = client.cluster().brokers.keys().copied().collect();
    let view = View::of(options, live);
    for topic in topics::describe(client, &names, limit)? {
        view.print(&topic, io)?;
    }
    Ok(())
}

/// Which lines of a description are wanted.
struct View {
    overrides_only: bool,
    under_replicated: bool,
    unavailable: bool,
    under_min_isr: bool,
    at_min_isr: bool,
    live: BTreeSet<i32>,
}

impl View {
    fn of(options: &Options, live: BTreeSet<i32>) -> Self {
        Self {
            overrides_only: options.has("topics-with-overrides"),
            under_replicated: options.has("under-replicated-partitions"),
            unavailable: options.has("unavailable-partitions"),
            under_min_isr: options.has("under-min-isr-partitions"),
            at_min_isr: options.has("at-min-isr-partitions"),
            live,
        }
    }

    fn reports(&self) -> bool {
        self.under_replicated || self.unavailable || self.under_min_isr || self.at_min_isr
    }

    fn print(&self, topic: &TopicDetail, io: &mut Io<'_>) -> Result<(), Failure> {
        let overridden = topic.settings.iter().any(|setting| !setting.is_default);
        if !self.reports() && (!self.overrides_only || overridden) {
            io.line(&head(topic))?;
        }
        if self.overrides_only {
            return Ok(());
        }
        for detail in &topic.partitions {
            if self.wants(topic, detail) {
                io.line(&partition_line(&topic.name, detail))?;
            }
        }
        Ok(())
    }

    fn wants(&self, topic: &TopicDetail, detail: &PartitionDetail) -> bool {
        if !self.reports() {
            return true;
        }
        let isr = detail.partition.isr.len();
        let min_isr = topic.setting("min.insync.replicas").and_then(|text| text.parse().ok()).unwrap_or(1);
        let leader = detail.partition.leader;
        (self.under_replicated && detail.replication_factor() > isr)
            || (self.unavailable && leader.is_none_or(|leader| !self.live.contains(&leader)))
            || (self.under_min_isr && (leader.is_none() || isr < min_isr))
            || (self.at_min_isr && isr == min_isr)
    }
}

fn head(topic: &TopicDetail) -> String {
    let own = topic.settings.iter().filter(|setting| !setting.is_default);
    let own: Vec<String> =
        own.map(|s| format!("{}={}", s.name, s.value.as_deref().unwrap_or("null"))).collect();
    let id = if topic.id.is_zero() { String::new() } else { format!("\tTopicId: {}", topic.id) };
    format!(
        "Topic: {}{id}\tPartitionCount: {}\tReplicationFactor: {}\tConfigs: {}",
        topic.name,
        topic.partitions.len(),
        topic.partitions.first().map_or(0, PartitionDetail::replication_factor),
        own.join(",")
    )
}

fn partition_line(topic: &str, detail: &PartitionDetail) -> String {
    let ids = |ids: &[i32]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let p = &detail.partition;
    let moving = detail.moving.as_ref().map_or_else(String::new, |(adding, removing)| {
        format!("\tAdding Replicas: {}\tRemoving Replicas: {}", ids(adding), ids(removing))
    });
    let known = |list: &Option<Vec<i32>>| list.as_deref().map_or_else(|| "N/A".to_owned(), ids);
    format!(
        "\tTopic: {topic}\tPartition: {}\tLeader: {}\tReplicas: {}\tIsr: {}{moving}\tElr: {}\tLastKnownElr: {}",
        p.index,
        p.leader.map_or_else(|| "none".to_owned(), |leader| leader.to_string()),
        ids(&p.replicas),
        ids(&p.isr),
        known(&detail.elr),
        known(&detail.last_known_elr),
    )
}

#[cfg(test)]
mod tests;
