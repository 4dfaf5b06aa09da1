//! Servers and tools of ours on hosts.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use corrente_tests::broker;
use corrente_tests::daemon::Daemon;
use corrente_tests::hosts::Host;
use corrente_tests::process::{self, Finished, Running};
use tempfile::TempDir;

/// Longest wait for anything that has to come about; far above what it takes.
pub(crate) const LIMIT: Duration = Duration::from_secs(120);
/// What a broker prints when it is ready.
const READY: &str = "started (kafka.server.KafkaServer)";

/// Folders for servers, all gone with this.
pub(crate) struct Place(TempDir);

impl Place {
    pub(crate) fn new() -> Self {
        Self(tempfile::Builder::new().prefix("machines-").tempdir().expect("a temporary directory"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// A properties file.
    pub(crate) fn file(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, text).expect("our own folder");
        path
    }

    /// A broker with this `server.properties` and a data folder of its own, until it says that it is ready.
    pub(crate) fn broker(&self, host: &Host, name: &str, text: &str) -> Daemon {
        let text = format!("log.dirs={}\n{text}", self.path(&format!("{name}-data")).display());
        let file = self.file(&format!("{name}.properties"), &text);
        let mut command = host.command(broker::binary());
        command.arg("server").arg(file);
        let mut daemon = Daemon::spawn(&mut command, &self.path(&format!("{name}-output")));
        daemon.wait_until("a broker that is ready", LIMIT, |daemon| daemon.output().contains(READY));
        daemon
    }

    /// A ZooKeeper for all interfaces, as a file without `clientPortAddress` makes it.
    pub(crate) fn zookeeper(&self, host: &Host) -> Daemon {
        let text = format!("dataDir={}\nclientPort=2181\n", self.path("zookeeper-data").display());
        let file = self.file("zookeeper.properties", &text);
        let mut command = host.command(broker::binary());
        command.arg("zookeeper").arg(file);
        let mut daemon = Daemon::spawn(&mut command, &self.path("zookeeper-output"));
        daemon
            .wait_until("a ZooKeeper that is ready", LIMIT, |daemon| daemon.output().contains("binding to"));
        daemon
    }
}

/// One of Kafka's tools, ours, on a host.
pub(crate) fn tool(host: &Host, name: &str, arguments: &str, input: &str) -> Finished {
    let mut command = host.command(broker::binary());
    command.arg(name).args(arguments.split_whitespace());
    process::run(&mut command, input.as_bytes(), LIMIT)
}

/// The same when it has to work; what it printed.
pub(crate) fn works(host: &Host, name: &str, arguments: &str, input: &str) -> String {
    tool(host, name, arguments, input).success(&format!("{name} {arguments} on {}", host.name())).stdout
}

/// A tool that goes on while the test does other things.
pub(crate) fn running(host: &Host, name: &str, arguments: &str) -> Running {
    let mut command = host.command(broker::binary());
    Running::start(command.arg(name).args(arguments.split_whitespace()))
}

/// Where the brokers are that a client of `bootstrap` is told of: `host:port`, one for each.
pub(crate) fn told(host: &Host, bootstrap: &str) -> Vec<String> {
    let printed = works(host, "kafka-broker-api-versions", &format!("--bootstrap-server {bootstrap}"), "");
    let lines = printed.lines().filter(|line| line.contains("(id: "));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// The warnings that a server has printed so far.
pub(crate) fn warnings(daemon: &Daemon) -> Vec<String> {
    daemon.output().lines().filter(|line| line.contains(" WARN ")).map(str::to_owned).collect()
}

/// Waits for a warning; its line.
pub(crate) fn warning(daemon: &mut Daemon) -> String {
    daemon.wait_until("a warning", LIMIT, |daemon| !warnings(daemon).is_empty());
    warnings(daemon).remove(0)
}
