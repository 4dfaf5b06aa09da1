//! `kafka-configs`: shows and changes settings of topics, brokers and what else has some.
//!
//! ```text
//! $ kafka-configs.sh --bootstrap-server localhost:9092 --alter --topic test --add-config retention.ms=1000
//! Completed updating config for topic test.
//! $ kafka-configs.sh --bootstrap-server localhost:9092 --describe --topic test
//! Dynamic configs for topic test are:
//!   retention.ms=1000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=1000, ...}
//! ```
//!
//! # Not here
//!
//! Quotas and SCRAM credentials (users, clients, ips): a sentence says so.

use super::Tool;
use crate::failure::Failure;
use crate::io::Io;
use crate::ops::configs::{self, Kind, Setting, source_name};
use crate::ops::java;
use crate::ops::session::{Bootstrap, Target};
use crate::options::{Opt, Options, Spec};
use crate::zookeeper;
use kafka_client::{Client, ClientError, properties};
use std::path::Path;

/// The tool.
pub(crate) const TOOL: Tool = Tool {
    spec: Spec {
        tool: "kafka-configs",
        about: "This tool helps to manipulate and describe entity config for a topic, client, user, broker, ip, client-metrics or group",
        options: OPTIONS,
    },
    before_errors: None,
    run,
};

const OPTIONS: &[Opt] = &[
    Opt::value(&["bootstrap-server"], "server to connect to", "The broker to connect to, as host:port."),
    Opt::value(
        &["bootstrap-controller"],
        "controller to connect to",
        "The controller to connect to; here each broker is one.",
    ),
    Opt::value(
        &["zookeeper"],
        "urls",
        "The ZooKeeper to go through, as the tools before 3.0 did, instead of a broker.",
    ),
    Opt::value(&["command-config"], "file", "A property file for the client."),
    Opt::flag(&["alter"], "Alter the configuration of the entity."),
    Opt::flag(&["describe"], "List configurations of the entity."),
    Opt::flag(&["all"], "List all configurations, not only those that were set for the entity."),
    Opt::value(
        &["entity-type"],
        "type",
        "topics, brokers, broker-loggers, users, clients, ips, client-metrics or groups.",
    ),
    Opt::value(&["entity-name"], "name", "The entity's name: a topic, a broker's id and so on."),
    Opt::flag(&["entity-default"], "The default of all brokers (users, clients, ips)."),
    Opt::value(
        &["add-config"],
        "k1=v1,k2=[v1,v2]",
        "Configurations to be set; brackets around a value with commas.",
    ),
    Opt::value(&["add-config-file"], "file", "A property file with configurations to be set."),
    Opt::value(&["delete-config"], "k1,k2", "Names of configurations to be removed."),
    Opt::flag(&["force"], "Do not ask."),
    Opt::value(&["topic"], "topic", "The topic's name."),
    Opt::value(&["broker"], "id", "The broker's id."),
    Opt::flag(&["broker-defaults"], "The default of all brokers."),
    Opt::value(&["broker-logger"], "id", "The id of the broker whose loggers are meant."),
    Opt::value(&["user"], "user", "The user's name."),
    Opt::flag(&["user-defaults"], "The default of all users."),
    Opt::value(&["client"], "client id", "The client's id."),
    Opt::flag(&["client-defaults"], "The default of all clients."),
    Opt::value(&["ip"], "ip", "The address."),
    Opt::flag(&["ip-defaults"], "The default of all addresses."),
    Opt::value(&["group"], "group", "The group's id."),
    Opt::value(&["client-metrics"], "subscription", "The name of the subscription of clients' metrics."),
];

const TYPES: [&str; 8] =
    ["topics", "clients", "users", "brokers", "ips", "client-metrics", "groups", "broker-loggers"];
/// Options that name type and entity at once.
const FLAGS: [(&str, &str); 8] = [
    ("topic", "topics"),
    ("client", "clients"),
    ("user", "users"),
    ("broker", "brokers"),
    ("broker-logger", "broker-loggers"),
    ("ip", "ips"),
    ("client-metrics", "client-metrics"),
    ("group", "groups"),
];
const DEFAULT_FLAGS: [(&str, &str); 4] = [
    ("client-defaults", "clients"),
    ("user-defaults", "users"),
    ("broker-defaults", "brokers"),
    ("ip-defaults", "ips"),
];

fn plain(text: impl Into<String>) -> Failure {
    Failure::Plain(text.into())
}

fn run(options: &Options, io: &mut Io<'_>) -> Result<(), Failure> {
    if options.is_empty() {
        return Err(Failure::usage(
            "Add/Remove entity config for a topic, client, user, broker, ip, client-metrics or group",
        ));
    }
    let (target, entity) = check(options)?;
    let bootstrap = match target {
        Target::Bootstrap(bootstrap) => bootstrap,
        Target::ZooKeeper(hosts) => {
            let done = through_zookeeper(&hosts, &entity, options, io);
            return done.map_err(|failure| with_command_line(failure, options));
        }
    };
    let change = if options.has("alter") { Some(Change::read(options)?) } else { None };
    let mut client = bootstrap.connect()?;
    let Some(kind) = Kind::of(&entity.kind) else {
        return Err(plain(not_served(&entity.kind)));
    };
    let result = match change {
        Some(change) => alter(&mut client, kind, &entity, &change, io),
        None => describe(&mut client, kind, &entity, options.has("all"), io),
    };
    result.map_err(|failure| with_command_line(failure, options))
}

/// What the original tells with a stack trace.
fn with_command_line(failure: Failure, options: &Options) -> Failure {
    match failure {
        Failure::Told(text) | Failure::Away(text) => {
            plain(format!("Error while executing config command with args '{}'\n{text}", options.line()))
        }
        other => other,
    }
}

/// The form of 2.2, through the znodes.
fn through_zookeeper(
    hosts: &str,
    entity: &Entity,
    options: &Options,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    let none = || plain(format!("ZooKeeper keeps no {}: name a broker with --bootstrap-server", entity.kind));
    let kind = zookeeper::configs::Kind::of(&entity.kind).ok_or_else(none)?;
    let name = entity.name.as_deref().map(|name| if name.is_empty() { "<default>" } else { name });
    if !options.has("alter") {
        return zookeeper::configs::describe(hosts, kind, name, io);
    }
    let change = Change::read(options)?;
    zookeeper::configs::alter(hosts, kind, name.unwrap_or_default(), &change.set, &change.delete, io)
}

fn not_served(kind: &str) -> String {
    let what = if kind == "users" { "quotas and credentials" } else { "quotas" };
    format!("{what} of {kind} are not served: a broker of Corrente has none yet")
}

/// What is meant: `--entity-type` and `--entity-name`, or one option for both.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Entity {
    /// `topics`, `brokers`...
    pub(crate) kind: String,
    /// `None`: all of them; empty: the default.
    pub(crate) name: Option<String>,
}

impl Entity {
    /// The kind without its plural.
    fn one(&self) -> &str {
        &self.kind[..self.kind.len().saturating_sub(1)]
    }

    fn types(options: &Options) -> Vec<String> {
        let named = FLAGS.iter().chain(&DEFAULT_FLAGS).filter(|(flag, _)| options.has(flag));
        let flags = named.map(|(_, kind)| (*kind).to_owned());
        options.values("entity-type").iter().cloned().chain(flags).collect()
    }

    fn names(options: &Options) -> Vec<String> {
        let defaults = DEFAULT_FLAGS.iter().map(|(flag, _)| *flag).chain(["entity-default"]);
        let defaults = defaults.filter(|flag| options.has(flag)).map(|_| String::new());
        let named = FLAGS.iter().flat_map(|(flag, _)| options.values(flag)).cloned();
        options.values("entity-name").iter().cloned().chain(named).chain(defaults).collect()
    }
}

/// What goes with what; whom to ask for what.
fn check(options: &Options) -> Result<(Target, Entity), Failure> {
    if options.has("alter") == options.has("describe") {
        return Err(Failure::usage("Command must include exactly one action: --describe, --alter"));
    }
    options.refuse_with("describe", &["add-config", "delete-config"])?;
    let target = target(options)?;
    let (types, names) = (Entity::types(options), Entity::names(options));
    for (index, kind) in types.iter().enumerate() {
        if types[..index].contains(kind) {
            return Err(plain(format!("Duplicate entity type(s) specified: {kind}")));
        }
        if !TYPES.contains(&kind.as_str()) {
            return Err(plain(format!(
                "Invalid entity type {kind}, the entity type must be one of {} with a --bootstrap-server or --bootstrap-controller argument",
                TYPES.join(", ")
            )));
        }
    }
    let Some(kind) = types.first().cloned() else {
        return Err(plain("At least one entity type must be specified"));
    };
    if types.len() > 1 && types.iter().any(|kind| kind != "users" && kind != "clients") {
        return Err(plain("Only 'users' and 'clients' entity types may be specified together"));
    }
    let general = ["entity-type", "entity-name", "entity-default"].iter().any(|name| options.has(name));
    if general && FLAGS.iter().chain(&DEFAULT_FLAGS).any(|(flag, _)| options.has(flag)) {
        return Err(plain(
            "--entity-{type,name,default} should not be used in conjunction with specific entity flags",
        ));
    }
    let name = names.first().cloned();
    check_name(&kind, name.as_deref(), options)?;
    Ok((target, Entity { kind, name }))
}

fn check_name(kind: &str, name: Option<&str>, options: &Options) -> Result<(), Failure> {
    let given = name.filter(|name| !name.is_empty());
    if let Some(id) = given.filter(|id| kind.starts_with("broker") && id.parse::<i32>().is_err()) {
        return Err(plain(format!(
            "The entity name for {kind} must be a valid integer broker id, but it is: {id}"
        )));
    }
    if options.has("describe") && kind == "broker-loggers" && given.is_none() {
        return Err(plain("An entity name must be specified with --describe of broker-loggers"));
    }
    if !options.has("alter") {
        return Ok(());
    }
    let has_default = matches!(kind, "users" | "clients" | "brokers" | "ips");
    match (has_default, name, given) {
        (true, None, _) => Err(plain(
            "An entity-name or default entity must be specified with --alter of users, clients, brokers or ips",
        )),
        (false, _, None) => Err(plain(format!("An entity name must be specified with --alter of {kind}"))),
        _ => Ok(()),
    }
}

fn target(options: &Options) -> Result<Target, Failure> {
    let brokers =
        ["bootstrap-server", "bootstrap-controller"].iter().filter(|name| options.has(name)).count();
    match (brokers, options.value("zookeeper")?) {
        (0, None) => Err(plain("Either --bootstrap-server or --bootstrap-controller must be specified.")),
        (0, Some(hosts)) => Ok(Target::ZooKeeper(hosts.to_owned())),
        (1, None) => {
            let name =
                if options.has("bootstrap-server") { "bootstrap-server" } else { "bootstrap-controller" };
            let list = options.value(name)?.unwrap_or_default();
            Ok(Target::Bootstrap(Bootstrap::new(list, options.value("command-config")?)?))
        }
        (1, Some(_)) => Err(plain("Only one of --bootstrap-server or --zookeeper must be specified")),
        _ => Err(plain("Only one of --bootstrap-server or --bootstrap-controller can be specified")),
    }
}

/// What is to be set and removed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Change {
    pub(crate) set: Vec<(String, String)>,
    pub(crate) delete: Vec<String>,
}

impl Change {
    fn read(options: &Options) -> Result<Self, Failure> {
        let (add, file) = (options.value("add-config")?, options.value("add-config-file")?);
        let set = match (add, file) {
            (Some(_), Some(_)) => {
                return Err(plain("Only one of --add-config or --add-config-file must be specified"));
            }
            (Some(text), None) => configs::parse_pairs(text)?,
            (None, Some(file)) => properties::load(Path::new(file))?.into_iter().collect(),
            (None, None) if !options.has("delete-config") => {
                return Err(plain(
                    "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
                ));
            }
            (None, None) => Vec::new(),
        };
        let delete = options.values("delete-config").iter().flat_map(|text| text.split(','));
        let delete = delete.map(|key| key.trim().to_owned()).filter(|key| !key.is_empty()).collect();
        Ok(Self { set, delete })
    }
}

fn alter(
    client: &mut Client,
    kind: Kind,
    entity: &Entity,
    change: &Change,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    let name = entity.name.as_deref().unwrap_or_default();
    if kind == Kind::BrokerLogger {
        let known = configs::own(client, kind, name).map_err(|error| told(&error))?;
        let unknown = |key: &&String| !known.iter().any(|setting| setting.name == **key);
        let keys = change.delete.iter().chain(change.set.iter().map(|(key, _)| key));
        let bad: Vec<&str> = keys.filter(unknown).map(String::as_str).collect();
        if !bad.is_empty() {
            return Err(plain(format!("Invalid broker logger(s): {}", bad.join(","))));
        }
    }
    configs::alter(client, kind, name, &change.set, &change.delete).map_err(|error| told(&error))?;
    let text = if name.is_empty() {
        format!("Completed updating default config for {} in the cluster.", entity.kind)
    } else {
        format!("Completed updating config for {} {name}.", entity.one())
    };
    Ok(io.line(&text)?)
}

/// A refusal as the original shows it, without its trace.
fn told(error: &ClientError) -> Failure {
    match error.code() {
        Some(_) => Failure::told(java::shown(error)),
        None => plain(error.words()),
    }
}

fn describe(
    client: &mut Client,
    kind: Kind,
    entity: &Entity,
    all: bool,
    io: &mut Io<'_>,
) -> Result<(), Failure> {
    let cluster = client.metadata(if kind == Kind::Topic { None } else { Some(&[]) }, false)?;
    let exists = |name: &str| match kind {
        Kind::Topic => cluster.topics.contains_key(name),
        Kind::Broker | Kind::BrokerLogger => {
            name.is_empty() || name.parse().is_ok_and(|id: i32| cluster.brokers.contains_key(&id))
        }
        Kind::ClientMetrics | Kind::Group => true,
    };
    if let Some(name) = entity.name.as_deref().filter(|name| !all && !exists(name)) {
        let text = format!("The {} '{name}' doesn't exist and doesn't have dynamic config.", entity.one());
        return Ok(io.line(&text)?);
    }
    let names = match (&entity.name, kind) {
        (Some(name), _) => vec![name.clone()],
        (None, Kind::Topic) => {
            let mut names: Vec<String> = cluster.topics.keys().cloned().collect();
            java::hash_order(&mut names, |name| java::string_hash(name));
            names
        }
        (None, Kind::Broker | Kind::BrokerLogger) => {
            cluster.brokers.keys().map(ToString::to_string).chain([String::new()]).collect()
        }
        (None, Kind::ClientMetrics | Kind::Group) => Vec::new(),
    };
    for name in names {
        let settings =
            if all { configs::describe(client, kind, &name) } else { configs::own(client, kind, &name) };
        let settings = settings.map_err(|error| told(&error))?;
        let head = match (name.is_empty(), all) {
            (true, _) => format!("Default configs for {} in the cluster are:", entity.kind),
            (false, true) => format!("All configs for {} {name} are:", entity.one()),
            (false, false) => format!("Dynamic configs for {} {name} are:", entity.one()),
        };
        io.line(&head)?;
        for setting in ordered(settings) {
            io.line(&line(&setting))?;
        }
    }
    Ok(())
}

/// By name, as in the original.
fn ordered(mut settings: Vec<Setting>) -> Vec<Setting> {
    settings.sort_by(|a, b| a.name.cmp(&b.name));
    settings
}

fn line(setting: &Setting) -> String {
    let value = |value: &Option<String>| value.as_deref().unwrap_or("null").to_owned();
    let synonyms = setting
        .synonyms
        .iter()
        .map(|synonym| format!("{}:{}={}", source_name(synonym.source), synonym.name, value(&synonym.value)));
    format!(
        "  {}={} sensitive={} synonyms={{{}}}",
        setting.name,
        value(&setting.value),
        setting.sensitive,
        synonyms.collect::<Vec<_>>().join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Rig, run};

    fn complaint(line: &str) -> String {
        let ran = run(&TOOL, line);
        assert_eq!((ran.out.as_str(), ran.code), ("", 1), "{line}");
        ran.err.lines().next().unwrap_or_default().to_owned()
    }

    #[test]
    fn what_goes_together_is_checked_first() {
        for (line, text) in [
            ("--describe --alter", "Command must include exactly one action: --describe, --alter"),
            (
                "--describe --topic x",
                "Either --bootstrap-server or --bootstrap-controller must be specified.",
            ),
            ("--describe --bootstrap-server h:1", "At least one entity type must be specified"),
            (
                "--describe --bootstrap-server h:1 --entity-type cows",
                "Invalid entity type cows, the entity type must be one of topics, clients, users, brokers, ips, client-metrics, groups, broker-loggers with a --bootstrap-server or --bootstrap-controller argument",
            ),
            (
                "--describe --bootstrap-server h:1 --broker x",
                "The entity name for brokers must be a valid integer broker id, but it is: x",
            ),
            (
                "--alter --bootstrap-server h:1 --entity-type topics --add-config a=b",
                "An entity name must be specified with --alter of topics",
            ),
            (
                "--alter --bootstrap-server h:1 --entity-type brokers --add-config a=b",
                "An entity-name or default entity must be specified with --alter of users, clients, brokers or ips",
            ),
            (
                "--alter --bootstrap-server h:1 --topic x",
                "At least one of --add-config, --add-config-file, or --delete-config must be specified with --alter",
            ),
            (
                "--alter --bootstrap-server h:1 --topic x --add-config a",
                "requirement failed: Invalid entity config: all configs to be added must be in the format \"key=val\".",
            ),
            (
                "--describe --bootstrap-server h:1 --topic x --entity-type topics",
                "Duplicate entity type(s) specified: topics",
            ),
            (
                "--describe --bootstrap-server h:1 --topic x --add-config a=b",
                "Option \"[describe]\" can't be used with option \"[add-config]\"",
            ),
        ] {
            assert_eq!(complaint(line), text, "{line}");
        }
    }

    #[test]
    fn a_topic_that_is_not_there_and_one_without_settings() {
        let rig = Rig::start();
        assert_eq!(
            rig.out(&TOOL, "--describe --topic nope"),
            "The topic 'nope' doesn't exist and doesn't have dynamic config.\n"
        );
        rig.out(&crate::kafka::topics::TOOL, "--create --topic x --config retention.ms=1000");
        let described = rig.out(&TOOL, "--describe --entity-type topics --entity-name x");
        let lines: Vec<&str> = described.lines().collect();
        assert_eq!(lines[0], "Dynamic configs for topic x are:");
        assert!(
            lines[1].starts_with(
                "  retention.ms=1000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=1000"
            ),
            "{described}"
        );
        assert_eq!(lines.len(), 2);
        let changed = "Completed updating config for topic x.\n";
        assert_eq!(rig.out(&TOOL, "--alter --topic x --add-config retention.ms=7"), changed);
        // What is not set may be removed, as in the original.
        assert_eq!(rig.out(&TOOL, "--alter --topic x --delete-config segment.bytes"), changed);
        assert!(rig.out(&TOOL, "--describe --topic x").contains("  retention.ms=7 "));
        let all = rig.out(&TOOL, "--describe --topic x --all");
        assert!(all.starts_with("All configs for topic x are:\n") && all.lines().count() > 10, "{all}");
        let brokers = rig.out(&TOOL, "--describe --entity-type brokers");
        assert_eq!(
            brokers,
            "Dynamic configs for broker 0 are:\nDefault configs for brokers in the cluster are:\n"
        );
    }

    #[test]
    fn users_have_nothing_to_show() {
        let rig = Rig::start();
        let ran = rig.run(&TOOL, "--describe --entity-type users");
        assert_eq!(
            (ran.code, ran.err.as_str()),
            (1, "quotas and credentials of users are not served: a broker of Corrente has none yet\n")
        );
    }
}
