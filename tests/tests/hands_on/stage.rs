//! Where a document is played: a checkout of its own with the program under test in it, and the original tools beside.

use crate::session::Session;
use crate::showing;
use corrente_tests::install::{self, Missing};
use corrente_tests::kafka::log4j;
use corrente_tests::transcript::{Block, Line};
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

/// The ports of the documents: the broker's and ZooKeeper's.
const PORTS: [&str; 2] = ["9092", "2181"];
/// Where the documents have the original tools.
const ORIGINAL: &str = "kafka_2.11-2.2.0";
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
    ports: [String; 2],
    skipped: Option<String>,
    dir: TempDir,
}

impl Stage {
    pub(crate) fn new() -> Self {
        // Beside the program, so that it can have a second name there: a stop script stops what runs its own file.
        let dir = tempfile::Builder::new().prefix("hands-on-").tempdir_in(place::profile_dir());
        let stage = Self {
            terminals: BTreeMap::new(),
            ports: ports(),
            skipped: None,
            dir: dir.expect("the target directory is writable"),
        };
        let bin = stage.path("corrente/bin");
        copy_all(&place::workspace().join("bin"), &bin, |text| text);
        copy_all(&place::workspace().join("config"), &stage.path("corrente/config"), |text| {
            // The broker's own port is not in the file: it is the default.
            let text = if stage.ports == PORTS { text } else { text.replace("#listeners=", "listeners=") };
            stage.with_ports(&text)
        });
        fs::remove_file(bin.join("corrente")).expect("just copied");
        fs::hard_link(broker::binary(), bin.join("corrente"))
            .or_else(|_| fs::copy(broker::binary(), bin.join("corrente")).map(drop))
            .expect("the program can be copied");
        stage
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Commands that need the original tools are skipped where there is no Java; this says why.
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
            if step.command.contains(ORIGINAL) && !self.have_original() {
                continue;
            }
            let mut session = Session::start(self.shell(&step.command), pairs(&self.ports));
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

    /// A command as the shell of the documents gets it: in `bin`, which is on the PATH.
    fn shell(&self, command: &str) -> Command {
        let bin = self.path("corrente/bin");
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(self.with_ports(command)).current_dir(&bin);
        let path = std::env::var("PATH").unwrap_or_default();
        shell.env("PATH", format!("{}:{path}", bin.display()));
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(|name| name.starts_with("KAFKA_") || name == "LOG_DIR") {
                shell.env_remove(name);
            }
        }
        shell
    }

    fn with_ports(&self, text: &str) -> String {
        PORTS.iter().zip(&self.ports).fold(text.to_owned(), |text, (port, real)| text.replace(port, real))
    }

    /// Makes the scripts of the original tools, the first time.
    fn have_original(&mut self) -> bool {
        if self.skipped.is_some() {
            return false;
        }
        let bin = self.path(ORIGINAL).join("bin");
        if bin.exists() {
            return true;
        }
        match make_original(&bin) {
            Ok(()) => true,
            Err(Missing(what)) => {
                self.skipped = Some(what);
                false
            }
        }
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
fn ports() -> [String; 2] {
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
fn pairs(ports: &[String; 2]) -> Vec<[String; 2]> {
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
