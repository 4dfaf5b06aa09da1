//! `corrente zookeeper`: reads a zookeeper.properties, starts the server, says so, and stops it cleanly on a signal.

use super::image::{self, Image};
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
/// The same in the container image.
const IMAGE_DATA_DIR: &str = "/data/zookeeper";

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
    let image = Image::here()?;
    let config = configuration(args, image.as_ref())?;
    image::check_folder(&config.data_dir, image.is_some())?;
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

/// The settings of a server that is started like this.
pub(super) fn configuration(args: &Args, image: Option<&Image>) -> Result<Config, Box<dyn Error>> {
    let mut entries = BTreeMap::new();
    let mounted = || image.and_then(|_| Image::mounted("zookeeper.properties"));
    let file = args.file.clone().or_else(mounted);
    if let Some(file) = &file {
        entries.extend(of_file(file)?);
    }
    let variables = image.map(|image| image::zookeeper_entries(&image.variables)).unwrap_or_default();
    entries.extend(variables.set.iter().map(|(key, (value, _))| (key.clone(), value.clone())));
    entries.extend(args.overrides.iter().cloned());
    if image.is_some() {
        entries.entry("dataDir".into()).or_insert_with(|| IMAGE_DATA_DIR.into());
    } else if file.is_none() {
        entries.entry("dataDir".into()).or_insert_with(|| DATA_DIR.into());
    }
    let local = image.is_none() && file.is_none() && !entries.contains_key("clientPortAddress");
    let mut config = Config::from_properties(&entries).map_err(|error| {
        let overridden = args.overrides.iter().any(|(key, _)| *key == error.key);
        match (variables.place_of(&error.key).filter(|_| !overridden), &file) {
            (Some(variable), _) => format!("environment variable {variable}: {error}"),
            (None, Some(file)) if !overridden => format!("{}: {error}", file.display()),
            _ => error.to_string(),
        }
    })?;
    config.warnings.splice(0..0, variables.warnings);
    if local {
        // Nobody has said that others are to be served.
        config.client_addresses = config.client_addresses.iter().map(|a| loopback(*a)).collect();
    }
    Ok(config)
}

/// The entries of a zookeeper.properties; as in a server.properties, a relative directory is relative to the file.
fn of_file(file: &Path) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let content = std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let mut entries = parse_properties(file, &content)?;
    for (_, dir) in entries.iter_mut().filter(|(key, dir)| key == "dataDir" && !dir.trim().is_empty()) {
        *dir = file.parent().unwrap_or(Path::new("")).join(dir.trim()).display().to_string();
    }
    Ok(entries)
}

pub(super) fn loopback(address: std::net::SocketAddr) -> std::net::SocketAddr {
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
