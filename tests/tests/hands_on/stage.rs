//! Where a document is played: a checkout of its own with the program under test in it, and the original tools beside.

use crate::session::Session;
use crate::showing;
use corrente_tests::hosts::Hosts;
use corrente_tests::install::{self, Missing};
use corrente_tests::kafka::log4j;
use corrente_tests::transcript::{Block, File, Line};
use corrente_tests::{broker, place, runner};
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;

/// The ports of the documents: the broker's, ZooKeeper's, and the one with health and metrics.
const PORTS: [&str; 3] = ["9092", "2181", "9464"];
/// Where the documents have the original tools.
const ORIGINAL: &str = "kafka_2.11-2.2.0";
/// The machines of the documents, from 10.77.0.11 on, each with a checkout of its own.
const HOSTS: [&str; 3] = ["zookeeper", "kafka", "client"];
/// How the README starts a broker, and what is started here: the program under test is built already.
const BUILD_AND_RUN: [&str; 2] =
    ["cargo run --release", "corrente server --override listeners=PLAINTEXT://localhost:9092"];
/// Their scripts and classes.
const CLASSES: &[(&str, &str)] = &[
    ("kafka-topics.sh", "kafka.admin.TopicCommand"),
    ("kafka-configs.sh", "kafka.admin.ConfigCommand"),
    ("kafka-console-producer.sh", "kafka.tools.ConsoleProducer"),
    ("kafka-console-consumer.sh", "kafka.tools.ConsoleConsumer"),
    ("kafka-consumer-groups.sh", "kafka.admin.ConsumerGroupCommand"),
];

/// A place to play a document, with what runs in its terminals.
pub(crate) struct Stage {
    /// Dropped first: what runs is killed before its folder goes.
    terminals: BTreeMap<u32, Session>,
    /// Where commands are typed.
    home: &'static str,
    ports: [String; 3],
    /// The first of what this machine lacks.
    skipped: Option<String>,
    /// The programs of an environment with kafka-python.
    python: Option<PathBuf>,
    hosts: Option<Hosts>,
    dir: TempDir,
}

impl Stage {
    pub(crate) fn new(home: &'static str) -> Self {
        // Beside the program, so that it can have a second name there: a stop script stops what runs its own file.
        let dir = tempfile::Builder::new().prefix("hands-on-").tempdir_in(place::profile_dir());
        let stage = Self {
            terminals: BTreeMap::new(),
            home,
            ports: ports(),
            skipped: None,
            python: None,
            hosts: None,
            dir: dir.expect("the target directory is writable"),
        };
        stage.check_out("corrente", |text| {
            // The broker's own ports are not in the file: they are the default.
            if stage.ports == PORTS {
                return text;
            }
            let text = text.replace("#listeners=", "listeners=").replace("#http.listener=", "http.listener=");
            stage.with_ports(&text)
        });
        stage
    }

    /// Makes a checkout with the program in it; its settings are changed.
    fn check_out(&self, name: &str, change: impl Fn(String) -> String) {
        let bin = self.path(name).join("bin");
        copy_all(&place::workspace().join("bin"), &bin, |text| text);
        copy_all(&place::workspace().join("config"), &self.path(name).join("config"), change);
        let python = place::workspace().join("examples/python");
        copy_all(&python, &self.path(name).join("examples/python"), |text| text);
        fs::remove_file(bin.join("corrente")).expect("just copied");
        fs::hard_link(broker::binary(), bin.join("corrente"))
            .or_else(|_| fs::copy(broker::binary(), bin.join("corrente")).map(drop))
            .expect("the program can be copied");
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Lays a file of the document where the commands find it; what is wrong with it if it is the checkout's.
    pub(crate) fn lay(&self, file: &File) -> Option<String> {
        let path = self.path(self.home).join(&file.name);
        match fs::read_to_string(&path) {
            Ok(there) if there == file.text => None,
            Ok(_) => Some(format!("{}: {} has something else in it", file.line, file.name)),
            Err(_) => {
                fs::write(&path, self.with_ports(&file.text)).expect("the folder of the commands is there");
                None
            }
        }
    }

    /// Commands that need the original tools are skipped where there is no Java, and likewise Python; this says why.
    pub(crate) fn skipped(self) -> Option<String> {
        self.skipped.clone()
    }

    /// Plays a block; what was not as the document shows it.
    pub(crate) fn play(&mut self, block: &Block) -> Vec<String> {
        let mut wrong = Vec::new();
        if let Some(terminal) = block.terminal.filter(|_| !block.going_on.is_empty()) {
            wrong.extend(self.go_on(terminal, block));
        }
        for (n, step) in block.steps.iter().enumerate() {
            if !self.can_run(block, &step.command) {
                continue;
            }
            let (command, ports) = match &block.host {
                Some(host) => (self.shell_on(host, &step.command), Vec::new()),
                None => (self.shell(&step.command), pairs(&self.ports)),
            };
            let mut session = Session::start(command, ports);
            session.follow(&step.lines);
            let runs_on = block.terminal.filter(|_| n + 1 == block.steps.len());
            let right = if runs_on.is_some() { session.wait_for_shown() } else { session.finish() };
            wrong.extend(verdict(right, step.line, &step.command, &session));
            if let Some(terminal) = runs_on {
                self.terminals.insert(terminal, session);
            }
        }
        wrong
    }

    /// What a terminal's command does next; if somebody ends it, it has to end.
    fn go_on(&mut self, terminal: u32, block: &Block) -> Option<String> {
        let Some(mut session) = self.terminals.remove(&terminal) else {
            if self.skipped.is_some() {
                return None;
            }
            return Some(format!("{}: nothing runs in terminal {terminal}", block.line));
        };
        session.follow(&block.going_on);
        let ends = block.going_on.iter().any(|line| matches!(line, Line::Interrupt | Line::EndOfInput));
        let right = if ends { session.finish() } else { session.wait_for_shown() };
        let wrong = verdict(right, block.line, &format!("(terminal {terminal})"), &session);
        if !ends {
            self.terminals.insert(terminal, session);
        }
        wrong
    }

    /// A command as the shell of the documents gets it, with `bin` on the PATH, and a Python that has kafka-python.
    fn shell(&self, command: &str) -> Command {
        let mut shell = Command::new("sh");
        let command = command.replace(BUILD_AND_RUN[0], BUILD_AND_RUN[1]);
        shell.arg("-c").arg(self.with_ports(&command)).current_dir(self.path(self.home));
        let own = [self.path("corrente/bin")].into_iter().chain(self.python.clone());
        let others = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(own.chain(std::env::split_paths(&others)));
        shell.env("PATH", path.expect("folders of PATH, and ours without a colon"));
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("KAFKA_") || name == "LOG_DIR") {
                shell.env_remove(name);
            }
        }
        shell
    }

    /// A command in the checkout of another machine.
    fn shell_on(&self, host: &str, command: &str) -> Command {
        let hosts = self.hosts.as_ref().expect("made before the first command on one");
        let bin = self.path(host).join("corrente/bin");
        let mut shell = hosts.host(host).command("sh");
        shell
            .args(["-c", "cd \"$1\" && PATH=$1:$PATH && export PATH && eval \"$2\"", "sh"])
            .arg(bin)
            .arg(command);
        shell
    }

    fn with_ports(&self, text: &str) -> String {
        PORTS.iter().zip(&self.ports).fold(text.to_owned(), |text, (port, real)| text.replace(port, real))
    }

    /// Whether what the command needs is here; it is fetched the first time.
    fn can_run(&mut self, block: &Block, command: &str) -> bool {
        let here = if block.host.is_some() {
            self.have_hosts()
        } else if command.contains(ORIGINAL) {
            self.have_original()
        } else if command.contains("python3 ") {
            self.have_python()
        } else {
            Ok(())
        };
        here.map_err(|Missing(what)| self.skipped.get_or_insert(what).clone()).is_ok()
    }

    fn have_original(&self) -> Result<(), Missing> {
        let bin = self.path(ORIGINAL).join("bin");
        if bin.exists() { Ok(()) } else { make_original(&bin) }
    }

    fn have_hosts(&mut self) -> Result<(), Missing> {
        if self.hosts.is_none() {
            self.hosts = Some(Hosts::new(&HOSTS)?);
            HOSTS.iter().for_each(|name| self.check_out(&format!("{name}/corrente"), |text| text));
        }
        Ok(())
    }

    fn have_python(&mut self) -> Result<(), Missing> {
        if self.python.is_none() {
            let python = install::python("kafka-python-newest", 8, 14, &["kafka-python>=3.0.12"])?;
            runner::ran("kafka-python", "newest");
            self.python = python.parent().map(Path::to_path_buf);
        }
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.terminals.clear();
        // What a document that failed half-way has left in the background.
        for script in ["kafka-server-stop.sh", "zookeeper-server-stop.sh"] {
            let _ = self.shell(script).output();
        }
    }
}

fn verdict(right: bool, line: usize, command: &str, session: &Session) -> Option<String> {
    let (shown, printed) = (session.shown(), session.printed());
    if showing() {
        let _ = writeln!(io::stderr(), "{line}: $ {command}\n{printed}");
    }
    (!right)
        .then(|| format!("{line}: $ {command}\n--- the document shows\n{shown}--- it printed\n{printed}---"))
}

/// The ports of the documents if they are free, for one stage at a time; else two others.
fn ports() -> [String; 3] {
    static TAKEN: AtomicBool = AtomicBool::new(false);
    let free = |port: &&str| {
        let port = port.parse::<u16>().expect("a number");
        TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)).is_ok()
    };
    if !TAKEN.swap(true, Ordering::Relaxed) && PORTS.iter().all(free) {
        return PORTS.map(str::to_owned);
    }
    PORTS.map(|_| broker::free_port().to_string())
}

/// Each port with the document's.
fn pairs(ports: &[String; 3]) -> Vec<[String; 2]> {
    ports.iter().zip(PORTS).map(|(real, port)| [real.clone(), port.to_owned()]).collect()
}

fn copy_all(from: &Path, to: &Path, change: impl Fn(String) -> String) {
    fs::create_dir_all(to).expect("the target directory is writable");
    for entry in fs::read_dir(from).expect("a folder of the workspace") {
        let path = entry.expect("a folder of the workspace").path();
        let copy = to.join(path.file_name().expect("a file has a name"));
        let text = fs::read_to_string(&path).expect("scripts and settings are text");
        fs::write(&copy, change(text)).expect("the target directory is writable");
        let mode = fs::metadata(&path).expect("just read").permissions();
        fs::set_permissions(&copy, mode).expect("our own file");
    }
}

/// The scripts of Kafka 2.2.0, with the ZooKeeper client that resolves names on Java 14 and later.
fn make_original(bin: &Path) -> Result<(), Missing> {
    let artifacts = [
        "org.apache.kafka:kafka_2.11:2.2.0",
        "org.apache.kafka:kafka-tools:2.2.0",
        "org.apache.zookeeper:zookeeper:3.5.9",
        "org.slf4j:slf4j-log4j12:1.7.25",
        "log4j:log4j:1.2.17",
    ];
    let libs = install::maven("kafka-2.2.0-zookeeper-3.5.9", 8, &artifacts)?;
    runner::ran("Apache Kafka tools", "2.2.0 with the ZooKeeper client 3.5.9");
    fs::create_dir_all(bin).expect("the target directory is writable");
    for (script, class) in CLASSES {
        let text = format!(
            "#!/bin/sh\nexec java -Xmx256m -XX:TieredStopAtLevel=1 -XX:+UseSerialGC '{}' -cp \
             '{}/*' {class} \"$@\"\n",
            log4j(),
            libs.display()
        );
        let path = bin.join(script);
        fs::write(&path, text).expect("the target directory is writable");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).expect("our own file");
    }
    Ok(())
}
