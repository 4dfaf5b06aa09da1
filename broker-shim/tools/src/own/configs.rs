//! `corrente configs`: settings of topics and brokers in tables.
//!
//! ```text
//! $ corrente configs show topic orders
//! SETTING       VALUE    SET BY
//! retention.ms  3600000  topic
//! $ corrente configs set topic orders retention.ms=7200000
//! $ corrente configs unset topic orders retention.ms
//! ```

use super::Common;
use super::table::{Cell, Look, Table};
use crate::failure::Failure;
use crate::io::Io;
use crate::ops::configs::{self, Kind, Setting};
use clap::{Subcommand, ValueEnum};
use kafka_client::ClientError;
use kafka_wire::ErrorCode;
use serde_json::{Value, json};

/// Arguments of `corrente configs`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    action: Action,
}

/// What has settings.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Entity {
    /// A topic, by its name
    Topic,
    /// A broker, by its id, or `all` for what counts for all of them
    Broker,
    /// The loggers of a broker, by its id
    Logger,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show settings
    Show {
        /// What has them
        entity: Entity,
        /// Its name or id
        name: String,
        /// Show what is not set too
        #[arg(short, long)]
        all: bool,
    },
    /// Change settings
    Set {
        /// What has them
        entity: Entity,
        /// Its name or id
        name: String,
        /// The settings
        #[arg(required = true, value_name = "KEY=VALUE")]
        settings: Vec<String>,
    },
    /// Go back to defaults
    Unset {
        /// What has them
        entity: Entity,
        /// Its name or id
        name: String,
        /// Their keys
        #[arg(required = true, value_name = "KEY")]
        keys: Vec<String>,
    },
}

/// Runs it.
pub(crate) fn run(args: &Args, io: &mut Io<'_>) -> Result<(), Failure> {
    let json = args.common.json;
    match &args.action {
        Action::Show { entity, name, all } => {
            let (kind, name) = named(*entity, name)?;
            let mut client = args.common.connect()?;
            let mut settings =
                configs::describe(&mut client, kind, &name).map_err(|error| missing(kind, &name, error))?;
            settings.retain(|setting| *all || is_set(setting));
            settings.sort_by(|a, b| a.name.cmp(&b.name));
            show(&settings, json, io)
        }
        Action::Set { entity, name, settings } => {
            let (kind, name) = named(*entity, name)?;
            let pairs = settings.iter().map(|text| super::setting(text)).collect::<Result<Vec<_>, _>>()?;
            let altered = configs::alter(&mut args.common.connect()?, kind, &name, &pairs, &[]);
            altered.map_err(|error| missing(kind, &name, error))?;
            pairs.iter().try_for_each(|(key, value)| done("set", key, Some(value), json, io))
        }
        Action::Unset { entity, name, keys } => {
            let (kind, name) = named(*entity, name)?;
            let altered = configs::alter(&mut args.common.connect()?, kind, &name, &[], keys);
            altered.map_err(|error| missing(kind, &name, error))?;
            keys.iter().try_for_each(|key| done("unset", key, None, json, io))
        }
    }
}

/// What is meant, in the protocol's terms.
fn named(entity: Entity, name: &str) -> Result<(Kind, String), Failure> {
    let id = |kind| match name.parse::<i32>() {
        Ok(_) => Ok((kind, name.to_owned())),
        Err(_) => Err(Failure::usage(format!("{name:?} is no broker: give its number, for example 0"))),
    };
    match entity {
        Entity::Topic => Ok((Kind::Topic, name.to_owned())),
        Entity::Broker if name == "all" => Ok((Kind::Broker, String::new())),
        Entity::Broker => id(Kind::Broker),
        Entity::Logger => id(Kind::BrokerLogger),
    }
}

/// What to say of a topic that is not there: the protocol speaks of partitions.
fn missing(kind: Kind, name: &str, error: ClientError) -> Failure {
    match (kind, error.code()) {
        (Kind::Topic, Some(ErrorCode::UnknownTopicOrPartition)) => {
            Failure::told(format!("there is no topic {name}; corrente topics lists those that exist"))
        }
        _ => error.into(),
    }
}

/// Whether somebody has set it, in a file or while the broker ran.
fn is_set(setting: &Setting) -> bool {
    setting.source != 5
}

/// Who has set it, in a word.
const fn set_by(source: i8) -> &'static str {
    match source {
        1 => "topic",
        2 => "broker",
        3 => "all brokers",
        4 => "server.properties",
        5 => "default",
        6 => "logger",
        _ => "?",
    }
}

fn show(settings: &[Setting], json: bool, io: &mut Io<'_>) -> Result<(), Failure> {
    if json {
        let rows = settings.iter().map(|setting| {
            json!({
                "name": setting.name,
                "value": setting.value,
                "set_by": set_by(setting.source),
                "read_only": setting.read_only,
                "sensitive": setting.sensitive,
            })
        });
        return Ok(io.line(&Value::from(rows.collect::<Vec<_>>()).to_string())?);
    }
    let mut table = Table::new(&["SETTING", "VALUE", "SET BY"]);
    for setting in settings {
        let value = match (&setting.value, setting.sensitive) {
            (_, true) => "(secret)",
            (Some(value), false) => value,
            (None, false) => "(none)",
        };
        let look = if is_set(setting) { Look::Plain } else { Look::Dim };
        table.row(vec![
            Cell::text(&setting.name).look(look),
            Cell::text(value).look(look),
            Cell::text(set_by(setting.source)).look(Look::Dim),
        ]);
    }
    table.print(io)
}

fn done(what: &str, key: &str, value: Option<&str>, json: bool, io: &mut Io<'_>) -> Result<(), Failure> {
    let text = match (json, value) {
        (true, _) => json!({ "setting": key, "value": value, "result": what }).to_string(),
        (false, Some(value)) => format!("{what} {key}={value}"),
        (false, None) => format!("{what} {key}"),
    };
    Ok(io.line(&text)?)
}
