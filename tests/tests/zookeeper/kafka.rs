//! Real Kafka brokers of the ZooKeeper age, and their tools, on Java 11.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use corrente_tests::daemon::Daemon;
use corrente_tests::install::{self, Missing};
use corrente_tests::kafka::{jars_2_2_0, log4j};
use corrente_tests::process::{Line, Running};
use corrente_tests::zookeeper::{Session, Zookeeper};
use corrente_tests::{broker, place};
use tempfile::TempDir;

/// A JVM on a busy machine takes its time.
const LIMIT: Duration = Duration::from_secs(120);
/// Brokers ask for this timeout of their session.
pub(crate) const SESSION: Duration = Duration::from_secs(6);

/// `kafka_2.11:2.2.0`, as the tests of its console tools fetch it.
pub(crate) fn jars_of_2_2_0() -> Result<PathBuf, Missing> {
    Ok(jars_2_2_0()?.libs)
}

/// `kafka_2.11:0.10.2.1`; what it takes from the Java of its day (`javax.xml.bind`) comes as jars.
pub(crate) fn jars_of_0_10_2_1() -> Result<PathBuf, Missing> {
    let artifacts = [
        "org.apache.kafka:kafka_2.11:0.10.2.1",
        "org.slf4j:slf4j-log4j12:1.7.21",
        "log4j:log4j:1.2.17",
        "javax.xml.bind:jaxb-api:2.3.0",
        "javax.activation:activation:1.1.1",
    ];
    install::maven("kafka-0.10.2.1", 8, &artifacts)
}

/// One release: where its jars are and what runs them.
#[derive(Debug)]
pub(crate) struct Release {
    jars: PathBuf,
    java: PathBuf,
    classes: PathBuf,
}

impl Release {
    /// With these jars on Java 11.
    pub(crate) fn new(jars: PathBuf) -> Result<Self, Missing> {
        let java = install::java_11()?;
        // It knows no class of Kafka's.
        let classes = install::java("kafka-tools-driver", 11, &place::tests_dir(), &["KafkaTools"])?;
        Ok(Self { jars, java, classes })
    }

    fn jvm(&self) -> Command {
        let mut command = Command::new(&self.java);
        command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto"]);
        command.arg("-cp").arg(format!("{}:{}", self.classes.display(), self.jars.join("*").display()));
        command
    }
}

/// A broker of that release with its data on a directory of its own. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct KafkaBroker<'a> {
    release: &'a Release,
    dir: TempDir,
    port: u16,
    daemon: Option<Daemon>,
    starts: u32,
}

impl<'a> KafkaBroker<'a> {
    /// Starts broker 0 on that ZooKeeper and waits until it says that it has started.
    pub(crate) fn start(release: &'a Release, zookeeper: &Zookeeper) -> Self {
        let dir = tempfile::Builder::new().prefix("kafka-").tempdir().expect("a temporary directory");
        let port = broker::free_port();
        let settings = format!(
            "broker.id=0\nlisteners=PLAINTEXT://127.0.0.1:{port}\nlog.dirs={}\nzookeeper.connect={}\n\
             zookeeper.connection.timeout.ms=20000\nzookeeper.session.timeout.ms={}\n\
             offsets.topic.replication.factor=1\noffsets.topic.num.partitions=3\n\
             transaction.state.log.replication.factor=1\ntransaction.state.log.min.isr=1\n\
             log.cleaner.dedupe.buffer.size=10485760\ngroup.initial.rebalance.delay.ms=0\n\
             num.partitions=1\ndelete.topic.enable=true\n",
            dir.path().join("data").display(),
            zookeeper.connect_string(),
            SESSION.as_millis(),
        );
        std::fs::write(dir.path().join("server.properties"), settings).expect("the directory is writable");
        let log = "log4j.rootLogger=INFO, out\nlog4j.appender.out=org.apache.log4j.ConsoleAppender\n\
                   log4j.appender.out.layout=org.apache.log4j.PatternLayout\n\
                   log4j.appender.out.layout.ConversionPattern=[%d] %p %m (%c)%n\n";
        std::fs::write(dir.path().join("log4j.properties"), log).expect("the directory is writable");
        let mut broker = Self { release, dir, port, daemon: None, starts: 0 };
        broker.spawn();
        broker
    }

    /// Where clients connect.
    pub(crate) fn bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Starts the process on the directory as it is.
    pub(crate) fn spawn(&mut self) {
        self.starts += 1;
        let mut command = self.release.jvm();
        let log = self.dir.path().join("log4j.properties");
        command.arg(format!("-Dlog4j.configuration=file:{}", log.display()));
        command.arg("kafka.Kafka").arg(self.dir.path().join("server.properties"));
        let output = self.dir.path().join(format!("output-{}", self.starts));
        let mut daemon = Daemon::spawn(&mut command, &output);
        // Both ages say so.
        daemon.wait_until("a started Kafka broker", LIMIT, |daemon| {
            let output = daemon.output();
            output.contains("started (kafka.server.KafkaServer)")
        });
        self.daemon = Some(daemon);
    }

    /// Ends it with SIGKILL: its nodes in ZooKeeper stay until its session has expired.
    pub(crate) fn kill9(&mut self) {
        self.daemon.take().expect("a running broker").kill9();
    }

    /// Ends it with SIGTERM.
    pub(crate) fn stop(&mut self) {
        let status = self.daemon.take().expect("a running broker").stop(LIMIT);
        assert_eq!(status.code(), Some(143), "a JVM exits with 128 + SIGTERM");
    }

    /// Lets it not run for that long.
    pub(crate) fn pause(&self, time: Duration) {
        self.daemon.as_ref().expect("a running broker").pause(time);
    }

    /// What it printed since its last start.
    pub(crate) fn output(&self) -> String {
        self.daemon.as_ref().expect("a running broker").output()
    }
}

/// What a tool left.
#[derive(Debug)]
pub(crate) struct Told {
    /// Its exit code.
    pub(crate) status: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

/// A JVM in which one tool runs after the other.
#[derive(Debug)]
pub(crate) struct Tools(Running);

impl Tools {
    /// Of that release.
    pub(crate) fn start(release: &Release) -> Self {
        let mut command = release.jvm();
        command.arg(log4j()).arg("KafkaTools");
        Self(Running::start(&mut command))
    }

    /// Runs a tool with this standard input.
    pub(crate) fn run(&mut self, class: &str, arguments: &[&str], input: &str) -> Told {
        let words = [&[input, class], arguments].concat();
        let words: Vec<String> = words.iter().map(|word| base64(word.as_bytes())).collect();
        self.0.tell(&words.join(" "));
        let give_up = Instant::now() + LIMIT;
        loop {
            match self.0.line(give_up) {
                Some(Line::Out(line)) => return told(&line),
                Some(Line::Err(_)) => {}
                None => panic!("{class} {arguments:?}: no result{}", self.0.complaints()),
            }
        }
    }

    /// Runs a tool that has to succeed; its standard output.
    pub(crate) fn done(&mut self, class: &str, arguments: &[&str], input: &str) -> String {
        let told = self.run(class, arguments, input);
        assert_eq!(told.status, 0, "{class} {arguments:?}: {told:?}");
        told.out
    }
}

fn told(line: &str) -> Told {
    let words: Vec<&str> = line.split(' ').collect();
    let [status, out, err] = words[..] else { panic!("not a result: {line}") };
    Told { status: status.parse().expect("an exit code"), out: unbase64(out), err: unbase64(err) }
}

/// Numbered lines with a label, as typed into a console producer.
pub(crate) fn lines(label: &str, count: usize) -> Vec<String> {
    (0..count).map(|n| format!("{label} line {n}")).collect()
}

/// Waits until ZooKeeper has no such node; how long that took.
pub(crate) fn await_end_of(session: &mut Session, path: &str, limit: Duration) -> Duration {
    let begin = Instant::now();
    while session.get(path).expect("connected").is_some() {
        assert!(begin.elapsed() < limit, "{path} is still there after {limit:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
    begin.elapsed()
}

/// The session that owns a node.
pub(crate) fn owner(session: &mut Session, path: &str) -> i64 {
    session.get(path).expect("connected").unwrap_or_else(|| panic!("no {path}")).1.owner
}

/// A program of a release in a JVM of its own: for those that end by a signal or leave things to their end.
pub(crate) fn alone(release: &Release, class: &str, arguments: &[&str]) -> Command {
    let mut command = release.jvm();
    command.arg(log4j()).arg(class).args(arguments);
    command
}

/// A program of a release on the Java that is here, with the ZooKeeper client 3.5.9 in the place of 3.4.13, which can
/// resolve no address there.
pub(crate) fn on_newer_java(release: &Release, class: &str, arguments: &[&str]) -> Result<Command, Missing> {
    let client = install::maven("zookeeper-3.5.9", 17, &["org.apache.zookeeper:zookeeper:3.5.9"])?;
    let mut command = Command::new("java");
    command.args(["-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", &log4j(), "-cp"]);
    // The first of two classes of one name counts.
    command.arg(format!("{}:{}", client.join("*").display(), release.jars.join("*").display()));
    command.arg(class).args(arguments);
    Ok(command)
}

/// The jars of a release, for whoever makes sure which one runs.
pub(crate) fn has_jar(release: &Release, name: &str) -> bool {
    Path::exists(&release.jars.join(name))
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let number =
            group.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let letter = ALPHABET[usize::try_from(number >> (18 - 6 * place) & 63).expect("six bits")];
            text.push(if place > group.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

fn unbase64(text: &str) -> String {
    let mut bytes = Vec::new();
    for group in text.trim_end_matches('=').as_bytes().chunks(4) {
        let value =
            |letter: &u8| ALPHABET.iter().position(|known| known == letter).expect("a letter of Base64");
        let number = group.iter().fold(0, |sum, letter| sum << 6 | value(letter)) << (6 * (4 - group.len()));
        let three = u32::try_from(number).expect("24 bits").to_be_bytes();
        bytes.extend(&three[1..group.len()]);
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
