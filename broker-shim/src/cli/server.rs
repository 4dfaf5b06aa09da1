//! `corrente server`: reads the configuration, starts the broker, says so, and stops it cleanly on a signal.

use super::image::{self, Image, Topics};
use super::reach::Reach;
use super::{daemon, log};
use crate::config::{BrokerConfig, Durability};
use crate::server::Broker;
use crate::trouble::Chain;
use log_engine::error::LogError;
use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::level_filters::LevelFilter;

/// Arguments of `corrente server`.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Args {
    /// A server.properties file; without one the data is in ./data/corrente and, without --env, only this machine is served
    pub(super) file: Option<PathBuf>,
    /// Set a broker key over the file; may be repeated
    #[arg(long = "override", value_name = "KEY=VALUE", value_parser = pair)]
    pub(super) overrides: Vec<String>,
    /// Read KAFKA_* environment variables, as Kafka's container images do
    #[arg(long)]
    pub(super) env: bool,
    /// The least important log lines to print: off, error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub(super) log_level: Option<LevelFilter>,
    #[command(flatten)]
    pub(super) daemon: daemon::Background,
}

fn pair(text: &str) -> Result<String, String> {
    // The builder has the rule; only whether it accepts the text matters here.
    BrokerConfig::builder()
        .set_pair(text)
        .map(|_| text.to_owned())
        .map_err(|_| "expected key=value".to_owned())
}

/// Runs the broker until it is told to stop.
pub(super) fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    log::init(args.log_level.unwrap_or(LevelFilter::INFO));
    let image = Image::here()?;
    let config = configuration(args, image.as_ref())?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let topics = prepared(&config, image.as_ref())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let served = runtime.block_on(serve(config, topics));
    // After a second signal the stop is not waited for; after one, nothing is left to wait for.
    runtime.shutdown_background();
    served
}

/// The settings of a server that is started like this.
pub(super) fn configuration(args: &Args, image: Option<&Image>) -> Result<BrokerConfig, Box<dyn Error>> {
    let mut builder = BrokerConfig::builder();
    let mounted = || image.and_then(|_| Image::mounted("server.properties"));
    if let Some(file) = args.file.clone().or_else(mounted) {
        builder = builder.file(file);
    }
    if let Some(image) = image {
        // Without the file there is no alias.
        let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
        builder = image::broker_settings(builder.env(image.variables.clone()), &image.variables, &hosts);
    } else if args.env {
        builder = builder.env(image::variables());
    }
    let builder = args.overrides.iter().try_fold(builder, |builder, text| builder.set_pair(text))?;
    Ok(builder.build()?)
}

/// What has to be seen to before the broker starts, most of it in the image, and the topics that it is to have.
fn prepared(config: &BrokerConfig, image: Option<&Image>) -> Result<Topics, Box<dyn Error>> {
    for dir in &config.storage.log_dirs {
        image::check_folder(dir, image.is_some())?;
    }
    let Some(image) = image else { return Ok(Topics::default()) };
    match config.zookeeper.as_ref().map(|zookeeper| &zookeeper.connect) {
        Some(connect) => tracing::info!(%connect, "the topics are kept by a ZooKeeper"),
        None => tracing::info!("no ZooKeeper is set or linked: the broker keeps its topics itself"),
    }
    Ok(Topics::of(&image.variables)?)
}

/// How long repeated signals count as the first one.
const ECHO: Duration = Duration::from_secs(1);

async fn serve(config: BrokerConfig, topics: Topics) -> Result<(), Box<dyn Error>> {
    let mut signals = Signals::new()?;
    let durability = config.storage.durability;
    let dirs = config.storage.log_dirs.clone();
    let reach = Reach::of(&config);
    // What a start does may be cut short anywhere: it is what a kill would do, and waiting for a ZooKeeper can be long.
    let started =
        Broker::builder(config).prepare(move |catalog| image::create_topics(catalog, &topics)).start();
    let broker = tokio::select! {
        started = started => started?,
        () = signals.wait() => return Err("stopped by a signal before the broker was ready".into()),
    };
    announce(&broker, durability, &dirs);
    daemon::tell_ready();
    if let Some(reach) = reach {
        reach.look(&broker);
    }
    signals.wait().await;
    tracing::info!("stopping");
    tokio::select! {
        stopped = broker.shutdown() => settled(stopped)?,
        () = signals_again() => return Err("stopped by a second signal; the next start checks the logs".into()),
    }
    tracing::info!("stopped");
    Ok(())
}

/// A full disk that has no room for the note of a clean stop costs the next start a scan, and nothing else.
fn settled(stopped: Result<(), LogError>) -> Result<(), LogError> {
    match stopped {
        Err(error @ LogError::NoSpace { .. }) => {
            tracing::warn!(error = %Chain(&error), "everything is on the disk, but it is full: the next start checks the logs");
            Ok(())
        }
        other => other,
    }
}

/// What whoever waits for the broker reads: ours, then the line that scripts look for.
fn announce(broker: &Broker, durability: Durability, dirs: &[PathBuf]) {
    let addresses: Vec<String> = broker.addresses().iter().map(ToString::to_string).collect();
    let dirs: Vec<String> = dirs.iter().map(|dir| shown(dir)).collect();
    let durability = match durability {
        Durability::Sync => "acks=all is answered when the disk has the data",
        Durability::PageCache => "acks=all is answered when the page cache has the data",
    };
    let text = format!(
        "corrente {} is ready on {}, data in {}, {durability}\n[KafkaServer id={}] started (kafka.server.KafkaServer)\n",
        env!("CARGO_PKG_VERSION"),
        addresses.join(" and "),
        dirs.join(" and "),
        broker.id(),
    );
    let mut out = io::stdout().lock();
    // A broker whose output nobody reads is still a broker.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn shown(dir: &Path) -> String {
    dir.canonicalize()
        .or_else(|_| std::path::absolute(dir))
        .unwrap_or_else(|_| dir.to_owned())
        .display()
        .to_string()
}

/// The signals that ask for a clean stop.
pub(super) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    pub(super) async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// A stop is cut short by a signal that somebody sends on purpose: not by the echo of the first, which wrappers that
/// signal the process and its group send at once.
async fn signals_again() {
    tokio::time::sleep(ECHO).await;
    match Signals::new() {
        Ok(mut signals) => signals.wait().await,
        // Without a way to hear a second signal, the first one has to do.
        Err(_) => std::future::pending().await,
    }
}
