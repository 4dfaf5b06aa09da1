//! A ZooKeeper server as a process of its own: `corrente zookeeper`, or with `CORRENTE_ZOOKEEPER=real` the one of
//! Apache, by which a scenario is proven to ask nothing that the real one does not give.

mod session;

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

pub use session::{Age, Reply, Session, Stat};

use crate::daemon::Daemon;
use crate::install::{self, Missing};
use crate::{broker, place};

/// The release that Corrente's server is compared with.
pub const RELEASE: &str = "3.9.4";
const START_LIMIT: Duration = Duration::from_secs(60);
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// The jars of a release with what its server, `zkCli` and Curator want beside it.
///
/// # Errors
///
/// When java or mvn is missing.
pub fn jars() -> Result<PathBuf, Missing> {
    install::maven(
        "zookeeper-3.9.4",
        17,
        &[
            "org.apache.zookeeper:zookeeper:3.9.4",
            // What its server and zkCli take for granted.
            "io.dropwizard.metrics:metrics-core:4.1.12.1",
            "org.xerial.snappy:snappy-java:1.1.10.5",
            "commons-cli:commons-cli:1.5.0",
            "ch.qos.logback:logback-classic:1.3.15",
            "org.apache.curator:curator-recipes:5.9.0",
        ],
    )
}

/// Whether the real one stands in for ours.
pub fn is_real() -> bool {
    std::env::var("CORRENTE_ZOOKEEPER").is_ok_and(|which| which == "real")
}

/// A server process. Dropping it kills the process and removes its directory.
#[derive(Debug)]
pub struct Zookeeper {
    dir: TempDir,
    port: u16,
    command: Vec<String>,
    real: bool,
    daemon: Option<Daemon>,
    starts: u32,
}

impl Zookeeper {
    /// Starts a server on an empty directory, with `settings` beside those that every test wants, and waits until
    /// it answers.
    ///
    /// # Errors
    ///
    /// When the real one is asked for and this machine has no Java.
    ///
    /// # Panics
    ///
    /// If it does not answer: with the end of what it printed.
    pub fn start(settings: &[(&str, &str)]) -> Result<Self, Missing> {
        Self::start_one(is_real(), settings)
    }

    /// The same with the one of Apache, or with ours, whatever the environment says.
    ///
    /// # Errors
    ///
    /// As [`Zookeeper::start`].
    ///
    /// # Panics
    ///
    /// As [`Zookeeper::start`].
    pub fn start_one(real: bool, settings: &[(&str, &str)]) -> Result<Self, Missing> {
        let dir = tempfile::Builder::new().prefix("zookeeper-").tempdir().expect("a temporary directory");
        let port = broker::free_port();
        let file = dir.path().join("zookeeper.properties");
        let mut text = format!(
            "dataDir={}\nclientPort={port}\nclientPortAddress=127.0.0.1\nmaxClientCnxns=0\n\
             admin.enableServer=false\n4lw.commands.whitelist=*\nznode.container.checkIntervalMs=1000\n",
            dir.path().join("data").display()
        );
        settings.iter().for_each(|(key, value)| text.push_str(&format!("{key}={value}\n")));
        fs::write(&file, text).expect("the temporary directory is writable");
        let file = file.to_str().expect("the temporary directory has a UTF-8 name");
        let mut server = Self { command: command(file, real)?, dir, port, real, daemon: None, starts: 0 };
        server.spawn();
        Ok(server)
    }

    /// The command line that starts this server, for whoever starts and stops it by itself.
    pub fn command(&self) -> &[String] {
        &self.command
    }

    /// Where clients connect: `127.0.0.1:PORT`.
    pub fn connect_string(&self) -> String {
        self.address().to_string()
    }

    /// The same as an address.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// The directory given as `dataDir`.
    pub fn data_dir(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    /// A session for requests written by hand.
    ///
    /// # Panics
    ///
    /// If the server does not take it.
    pub fn session(&self) -> Session {
        Session::open(self.address(), 30_000, Age::New).expect("the server accepts sessions")
    }

    /// Asks a four-letter word; the answer up to the end of the connection.
    ///
    /// # Errors
    ///
    /// When nobody listens, or the connection ends by a reset.
    pub fn four_letters(&self, word: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&self.address(), Duration::from_secs(5))?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(word.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Starts the process on the directory as it is; the time from there to the first answer.
    pub fn spawn(&mut self) -> Duration {
        assert!(self.daemon.is_none(), "the server runs already");
        self.starts += 1;
        let output = self.dir.path().join(format!("output-{}", self.starts));
        let mut command = Command::new(&self.command[0]);
        command.args(&self.command[1..]);
        let begin = Instant::now();
        let mut daemon = Daemon::spawn(&mut command, &output);
        daemon.wait_until("an answer of the ZooKeeper server", START_LIMIT, |_| {
            self.four_letters("srvr").is_ok_and(|answer| answer.contains("Mode: standalone"))
        });
        self.daemon = Some(daemon);
        begin.elapsed()
    }

    /// Ends the process with SIGKILL.
    pub fn kill9(&mut self) {
        self.daemon.take().expect("a running server").kill9();
    }

    /// Ends the process with SIGTERM, which is a clean stop.
    ///
    /// # Panics
    ///
    /// If it ends otherwise.
    pub fn stop(&mut self) {
        let status = self.daemon.take().expect("a running server").stop(STOP_LIMIT);
        // A JVM exits with 128 + SIGTERM.
        let clean = status.success() || (self.real && status.code() == Some(143));
        assert!(clean, "SIGTERM is a clean stop, but: {status}");
    }

    /// The end by SIGKILL and a start on the same directory and port.
    pub fn kill9_and_restart(&mut self) -> Duration {
        self.kill9();
        self.spawn()
    }

    /// Memory the process holds now, in KiB.
    pub fn resident_kib(&self) -> u64 {
        self.running().resident_kib()
    }

    /// What the process printed since its last start.
    pub fn output(&self) -> String {
        self.running().output()
    }

    fn running(&self) -> &Daemon {
        self.daemon.as_ref().expect("a running server")
    }
}

fn command(file: &str, real: bool) -> Result<Vec<String>, Missing> {
    if !real {
        let binary = broker::binary().to_str().expect("the target directory has a UTF-8 name");
        return Ok(["corrente", "zookeeper", file].map(|word| word.replace("corrente", binary)).to_vec());
    }
    let (jars, log) = (jars()?.join("*"), place::client_program("java/logback.xml"));
    let log = format!("-Dlogback.configurationFile={}", log.display());
    let jars = jars.display().to_string();
    let words = [
        "java",
        "-Xmx512m",
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-Dfile.encoding=UTF-8",
        "-Dzookeeper.extendedTypesEnabled=true",
        "-Dznode.container.checkIntervalMs=1000",
        &log,
        "-cp",
        &jars,
        "org.apache.zookeeper.server.quorum.QuorumPeerMain",
        file,
    ];
    Ok(words.map(str::to_owned).to_vec())
}
