//! `corrente zookeeper`: reads a zookeeper.properties, starts the server, says so, and stops it cleanly on a signal.

use super::server::Signals;
use super::{daemon, log};
use crate::config::parse_properties;
use crate::net::in_use;
use corrente_zookeeper::{Config, Server, StartError};
use std::collections::BTreeMap;
use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tracing::level_filters::LevelFilter;

/// Where the data goes without a file.
const DATA_DIR: &str = "data/zookeeper";

/// Arguments of `corrente zookeeper`.
#[derive(Debug, Default, clap::Args)]
pub(super) struct Args {
    /// A zookeeper.properties file; without one the data is in ./data/zookeeper and only this machine is served
    pub(super) file: Option<PathBuf>,
    /// Set a key over the file; may be repeated
    #[arg(long = "override", value_name = "KEY=VALUE", value_parser = pair)]
    pub(super) overrides: Vec<(String, String)>,
    /// The least important log lines to print: off, error, warn, info, debug or trace [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub(super) log_level: Option<LevelFilter>,
    #[command(flatten)]
    pub(super) daemon: daemon::Background,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => Ok((key.trim().to_owned(), value.trim().to_owned())),
        _ => Err("expected key=value".to_owned()),
    }
}

/// Runs the server until it is told to stop.
pub(super) fn run(args: &Args) -> Result<(), Box<dyn Error>> {
    log::init(args.log_level.unwrap_or(LevelFilter::INFO));
    let config = configuration(args)?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let data_dir = config.data_dir.clone();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut signals = runtime.block_on(async { Signals::new() })?;
    let server = Server::start(config).map_err(explained)?;
    announce(&server, &data_dir);
    daemon::tell_ready();
    let mut failure = server.failure();
    let failed = runtime.block_on(async {
        tokio::select! {
            () = signals.wait() => None,
            failed = failure.wait_for(Option::is_some) => failed.ok().and_then(|why| why.clone()),
        }
    });
    if let Some(why) = failed {
        return Err(why.into());
    }
    tracing::info!("stopping");
    server.stop()?;
    tracing::info!("stopped");
    Ok(())
}

fn configuration(args: &Args) -> Result<Config, Box<dyn Error>> {
    let mut entries = BTreeMap::new();
    if let Some(file) = &args.file {
        let content =
            std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
        entries.extend(parse_properties(file, &content)?);
        if let Some(dir) = entries.get_mut("dataDir").filter(|dir| !dir.trim().is_empty()) {
            // As in a server.properties: relative to the file.
            let beside = file.parent().unwrap_or(Path::new("")).join(dir.trim());
            *dir = beside.display().to_string();
        }
    }
    entries.extend(args.overrides.iter().cloned());
    if args.file.is_none() {
        entries.entry("dataDir".into()).or_insert_with(|| DATA_DIR.into());
    }
    let named = |key: &str| entries.contains_key(key);
    let local = args.file.is_none() && !named("clientPortAddress");
    let mut config = Config::from_properties(&entries).map_err(|error| match &args.file {
        Some(file) => format!("{}: {error}", file.display()),
        None => error.to_string(),
    })?;
    if local {
        // Nobody has said that others are to be served.
        config.client_addresses = config.client_addresses.iter().map(|a| loopback(*a)).collect();
    }
    Ok(config)
}

fn loopback(address: std::net::SocketAddr) -> std::net::SocketAddr {
    use std::net::{Ipv4Addr, Ipv6Addr};
    let port = address.port();
    if address.is_ipv4() { (Ipv4Addr::LOCALHOST, port).into() } else { (Ipv6Addr::LOCALHOST, port).into() }
}

/// Why the server does not start, for whoever has typed the command.
fn explained(error: StartError) -> Box<dyn Error> {
    match error {
        StartError::Bind(bind) if bind.is_in_use() => {
            let way_out = in_use(bind.address, "clientPort");
            format!("cannot listen on {}{way_out}: {}", bind.address, bind.source).into()
        }
        other => other.into(),
    }
}

/// What whoever waits for the server reads: ours, then the line that scripts look for.
fn announce(server: &Server, data_dir: &Path) {
    let addresses: Vec<String> = server.addresses().iter().map(ToString::to_string).collect();
    let dir = data_dir.canonicalize().unwrap_or_else(|_| data_dir.to_owned());
    let text = format!(
        "corrente zookeeper {} is ready on {}, data in {}\nbinding to port {} (org.apache.zookeeper.server.NIOServerCnxnFactory)\n",
        env!("CARGO_PKG_VERSION"),
        addresses.join(" and "),
        dir.display(),
        addresses.first().map_or("", String::as_str),
    );
    let mut out = io::stdout().lock();
    // A server whose output nobody reads is still a server.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
