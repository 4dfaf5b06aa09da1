//! `corrente metadata convert`: moves the topics between the metadata log and a ZooKeeper.
//!
//! ```text
//! corrente metadata convert --to zookeeper FILE.properties             says what would be moved
//! corrente metadata convert --to zookeeper FILE.properties --apply     moves it
//! corrente metadata convert --to log --zookeeper HOST:PORT FILE.properties --apply
//! ```

use super::log;
use crate::config::BrokerConfig;
use crate::metadata::{Owner, convert};
use log_engine::io::{Clock, RealStorage, Storage, SystemClock};
use std::error::Error;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use tracing::level_filters::LevelFilter;

/// Arguments of `corrente metadata`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Move the topics to the other place. Without --apply only says what would be moved.
    Convert(Convert),
}

#[derive(Debug, clap::Args)]
struct Convert {
    /// Where the topics are to be kept
    #[arg(long, value_name = "PLACE", value_parser = place)]
    to: Owner,
    /// The ZooKeeper servers and path [default: zookeeper.connect of the file]
    #[arg(long, value_name = "HOST:PORT")]
    zookeeper: Option<String>,
    /// Do it
    #[arg(long)]
    apply: bool,
    /// The broker's properties file
    file: PathBuf,
}

fn place(text: &str) -> Result<Owner, String> {
    match text {
        "log" => Ok(Owner::Log),
        "zookeeper" => Ok(Owner::ZooKeeper),
        _ => Err("expected zookeeper or log".to_owned()),
    }
}

/// Does what the command line says.
pub(super) fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    log::init(LevelFilter::WARN);
    let Command::Convert(args) = &args.command;
    let mut builder = BrokerConfig::builder().file(&args.file);
    if let Some(servers) = &args.zookeeper {
        builder = builder.set("zookeeper.connect", servers);
    }
    let config = Arc::new(builder.build()?);
    let storage: Arc<dyn Storage> = Arc::new(RealStorage::new());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::default());
    let lines = convert(&config, &storage, &clock, args.to, args.apply)?;
    let place = match args.to {
        Owner::Log => "the metadata log",
        Owner::ZooKeeper => "ZooKeeper",
    };
    let mut text = if lines.is_empty() { "no topics\n".to_owned() } else { lines.join("\n") + "\n" };
    text.push_str(&match (args.apply, args.to) {
        (false, _) => format!("this would be kept in {place}; nothing was changed, --apply does it\n"),
        (true, Owner::Log) => {
            "this is kept in the metadata log now; remove zookeeper.connect from the file\n".to_owned()
        }
        (true, Owner::ZooKeeper) => {
            "this is kept in ZooKeeper now; the file needs zookeeper.connect\n".to_owned()
        }
    });
    // A closed stdout changes nothing about what was done.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
    Ok(())
}
