//! A real Kafka 0.10.2.1 broker with its own tools, among them the consumer that keeps its offsets in ZooKeeper.

use std::time::Duration;

use corrente_tests::install::Missing;
use corrente_tests::zookeeper::Zookeeper;
use corrente_tests::{process, runner};

use crate::kafka::{self, KafkaBroker, Release, Tools};

const TOPICS: &str = "kafka.admin.TopicCommand";
const PRODUCER: &str = "kafka.tools.ConsoleProducer";
const CONSUMER: &str = "kafka.tools.ConsoleConsumer";
const LIMIT: Duration = Duration::from_secs(120);

/// See the module.
pub(crate) fn runs_on_our_zookeeper() -> Result<(), Missing> {
    let release = Release::new(kafka::jars_of_0_10_2_1()?)?;
    let mut zookeeper = Zookeeper::start(&[("tickTime", "2000")])?;
    let mut tools = Tools::start(&release);
    let mut broker = KafkaBroker::start(&release, &zookeeper);
    let connect = zookeeper.connect_string();
    let topics = |tools: &mut Tools, arguments: &[&str]| {
        tools.done(TOPICS, &[&["--zookeeper", &connect], arguments].concat(), "")
    };
    let create = ["--create", "--topic", "words", "--partitions", "1", "--replication-factor", "1"];
    assert_eq!(topics(&mut tools, &create), "Created topic \"words\".\n");
    assert_eq!(topics(&mut tools, &["--list"]), "words\n");

    let first = kafka::lines("first", 20);
    produce(&mut tools, &broker, &first);
    assert_eq!(consume(&release, &connect, first.len(), &["--from-beginning"]), first);
    let mut session = zookeeper.session();
    assert_eq!(committed(&mut session), Some("20".to_owned()), "offsets are kept in /consumers");

    zookeeper.kill9_and_restart();
    let mut session = zookeeper.session();
    let owner = kafka::owner(&mut session, "/brokers/ids/0");
    let second = kafka::lines("second", 10);
    produce(&mut tools, &broker, &second);
    assert_eq!(consume(&release, &connect, second.len(), &[]), second, "only what is new");
    assert_eq!(committed(&mut session), Some("30".to_owned()));
    assert_eq!(kafka::owner(&mut session, "/brokers/ids/0"), owner, "the broker's session lives on");

    broker.stop();
    assert_eq!(session.get("/brokers/ids/0").expect("connected"), None);
    broker.spawn();
    let described = topics(&mut tools, &["--describe", "--topic", "words"]);
    assert!(
        described.contains("\tTopic: words\tPartition: 0\tLeader: 0\tReplicas: 0\tIsr: 0\n"),
        "{described}"
    );
    let third = kafka::lines("third", 5);
    produce(&mut tools, &broker, &third);
    assert_eq!(consume(&release, &connect, third.len(), &[]), third);
    runner::ran("Apache Kafka broker", "0.10.2.1 on our ZooKeeper");
    runner::ran("Apache Kafka tools", "0.10.2.1 with --zookeeper");
    Ok(())
}

fn produce(tools: &mut Tools, broker: &KafkaBroker<'_>, lines: &[String]) {
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let bootstrap = broker.bootstrap();
    tools.done(PRODUCER, &["--broker-list", &bootstrap, "--topic", "words"], &input);
}

/// One run of the old consumer in the group `g`, in a JVM of its own: it leaves its commit to its end.
fn consume(release: &Release, connect: &str, count: usize, from: &[&str]) -> Vec<String> {
    let count = count.to_string();
    let arguments = ["--zookeeper", connect, "--topic", "words", "--max-messages", &count];
    let group = ["--consumer-property", "group.id=g"];
    let mut command = kafka::alone(release, CONSUMER, &[&arguments[..], &group, from].concat());
    let finished = process::run(&mut command, &[], LIMIT).success("the old console consumer");
    let total = format!("Processed a total of {count} messages");
    assert!(finished.stderr.contains(&total), "{}", finished.stderr);
    finished.stdout.lines().map(str::to_owned).collect()
}

fn committed(session: &mut corrente_tests::zookeeper::Session) -> Option<String> {
    let node = session.get("/consumers/g/offsets/words/0").expect("connected")?;
    Some(String::from_utf8_lossy(&node.0).into_owned())
}
