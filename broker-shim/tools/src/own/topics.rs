//! `corrente topics`: topics in tables.
//!
//! ```text
//! $ corrente topics
//! NAME    PARTITIONS  REPLICAS  ID
//! orders           3         1  Jn0P3rQvQ2m6...
//! $ corrente topics describe orders
//! $ corrente topics create orders -p 3 -c retention.ms=3600000
//! $ corrente topics alter orders --partitions 6
//! $ corrente topics delete orders
//! ```

use super::Common;
use super::table::{Cell, Look, Table};
use crate::failure::Failure;
use crate::io::Io;
use crate::ops::topics::{self, Growth, NewTopic, TopicDetail};
use clap::Subcommand;
use kafka_client::Client;
use serde_json::{Value, json};

/// Arguments of `corrente topics`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List topics (this is what is done without a command)
    List {
        /// Show the brokers' own topics too
        #[arg(short, long)]
        all: bool,
    },
    /// Show partitions, leaders and settings
    Describe {
        /// The topics
        #[arg(required = true)]
        names: Vec<String>,
    },
    /// Create topics
    Create {
        /// Their names
        #[arg(required = true)]
        names: Vec<String>,
        /// How many partitions; without it the broker's default
        #[arg(short, long)]
        partitions: Option<i32>,
        /// How many replicas; without it the broker's default
        #[arg(short, long)]
        replicas: Option<i16>,
        /// A setting; may be repeated
        #[arg(short = 'c', long = "set", value_name = "KEY=VALUE")]
        settings: Vec<String>,
    },
    /// Give a topic more partitions
    Alter {
        /// The topic
        name: String,
        /// How many it is to have
        #[arg(short, long)]
        partitions: i32,
    },
    /// Delete topics
    Delete {
        /// The topics
        #[arg(required = true)]
        names: Vec<String>,
    },
}

/// Runs it.
pub(crate) fn run(args: &Args, io: &mut Io<'_>) -> Result<(), Failure> {
    let json = args.common.json;
    match &args.action {
        None => list(&mut args.common.connect()?, false, json, io),
        Some(Action::List { all }) => list(&mut args.common.connect()?, *all, json, io),
        Some(Action::Describe { names }) => describe(&mut args.common.connect()?, names, json, io),
        Some(Action::Create { names, partitions, replicas, settings }) => {
            let configs = settings.iter().map(|text| super::setting(text)).collect::<Result<Vec<_>, _>>()?;
            let mut client = args.common.connect()?;
            for name in names {
                let topic = NewTopic {
                    name: name.clone(),
                    partitions: *partitions,
                    replication_factor: *replicas,
                    configs: configs.clone(),
                    ..NewTopic::default()
                };
                topics::create(&mut client, &topic)?;
                done("created", name, json, io)?;
            }
            Ok(())
        }
        Some(Action::Alter { name, partitions }) => {
            let growth = Growth { name: name.clone(), count: *partitions, brokers: None };
            topics::enlarge(&mut args.common.connect()?, &[growth])?;
            done("altered", name, json, io)
        }
        Some(Action::Delete { names }) => {
            let mut client = args.common.connect()?;
            for name in names {
                topics::delete(&mut client, std::slice::from_ref(name))
                    .map_err(|error| named(name, &error))?;
                done("deleted", name, json, io)?;
            }
            Ok(())
        }
    }
}

/// The codes' own words do not say which topic.
fn named(topic: &str, error: &kafka_client::ClientError) -> Failure {
    Failure::told(format!("topic {topic}: {}", error.words()))
}

fn done(what: &str, name: &str, json: bool, io: &mut Io<'_>) -> Result<(), Failure> {
    let text =
        if json { json!({ "topic": name, "result": what }).to_string() } else { format!("{what} {name}") };
    Ok(io.line(&text)?)
}

fn list(client: &mut Client, all: bool, json: bool, io: &mut Io<'_>) -> Result<(), Failure> {
    let cluster = topics::all(client)?;
    let shown = cluster.topics.values().filter(|topic| all || !topic.internal);
    let replicas =
        |topic: &kafka_client::Topic| topic.partitions.first().map_or(0, |first| first.replicas.len());
    if json {
        let rows = shown.map(|topic| {
            json!({
                "name": topic.name,
                "id": topic.id.to_string(),
                "internal": topic.internal,
                "partitions": topic.partitions.len(),
                "replicas": replicas(topic),
            })
        });
        return Ok(io.line(&Value::from(rows.collect::<Vec<_>>()).to_string())?);
    }
    let mut table = Table::new(&["NAME", "PARTITIONS", "REPLICAS", "ID"]);
    for topic in shown {
        table.row(vec![
            Cell::text(&topic.name).look(if topic.internal { Look::Dim } else { Look::Plain }),
            Cell::number(topic.partitions.len()),
            Cell::number(replicas(topic)),
            Cell::text(topic.id.to_string()).look(Look::Dim),
        ]);
    }
    table.print(io)
}

fn describe(client: &mut Client, names: &[String], json: bool, io: &mut Io<'_>) -> Result<(), Failure> {
    let cluster = topics::all(client)?;
    if let Some(missing) = names.iter().find(|name| !cluster.topics.contains_key(*name)) {
        return Err(Failure::told(format!(
            "there is no topic {missing}; corrente topics lists those that exist"
        )));
    }
    let found = topics::describe(client, names, None)?;
    if json {
        let values: Vec<Value> = found.iter().map(value).collect();
        return Ok(io.line(&Value::from(values).to_string())?);
    }
    for (index, topic) in found.iter().enumerate() {
        if index > 0 {
            io.line("")?;
        }
        page(topic, io)?;
    }
    Ok(())
}

fn value(topic: &TopicDetail) -> Value {
    let partitions = topic.partitions.iter().map(|detail| {
        let p = &detail.partition;
        json!({
            "partition": p.index,
            "leader": p.leader,
            "epoch": p.leader_epoch,
            "replicas": p.replicas,
            "isr": p.isr,
            "offline": p.offline,
        })
    });
    let settings = topic.settings.iter().filter(|s| !s.is_default);
    let settings: serde_json::Map<String, Value> =
        settings.map(|s| (s.name.clone(), json!(s.value))).collect();
    json!({
        "name": topic.name,
        "id": topic.id.to_string(),
        "internal": topic.internal,
        "partitions": partitions.collect::<Vec<_>>(),
        "settings": settings,
    })
}

fn page(topic: &TopicDetail, io: &mut Io<'_>) -> Result<(), Failure> {
    io.line(&format!("{} ({})", topic.name, topic.id))?;
    let own: Vec<_> = topic.settings.iter().filter(|setting| !setting.is_default).collect();
    if !own.is_empty() {
        let mut table = Table::new(&["SETTING", "VALUE"]);
        for setting in own {
            let value = setting.value.as_deref().unwrap_or("(secret)");
            table.row(vec![Cell::text(&setting.name), Cell::text(value)]);
        }
        table.print(io)?;
    }
    let ids = |ids: &[i32]| ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
    let mut table = Table::new(&["PARTITION", "LEADER", "REPLICAS", "IN SYNC"]);
    for detail in &topic.partitions {
        let p = &detail.partition;
        let leader = p.leader.map_or_else(|| Cell::text("none").look(Look::Alarm), Cell::number);
        let lacking = p.isr.len() < p.replicas.len();
        let in_sync = Cell::text(ids(&p.isr)).look(if lacking { Look::Alarm } else { Look::Plain });
        table.row(vec![Cell::number(p.index), leader, Cell::text(ids(&p.replicas)), in_sync]);
    }
    table.print(io)
}
