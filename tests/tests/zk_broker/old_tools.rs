//! The tutorial's four commands with the original tools of 0.10.2.1, on our broker.

use std::time::Duration;

use corrente_tests::install::Missing;
use corrente_tests::zookeeper::Zookeeper;
use corrente_tests::{process, runner};

use crate::kafka::{self, Release, Tools};
use crate::tools::{broker_on, ours, until};

const LIMIT: Duration = Duration::from_secs(120);

/// Create, list, produce with `--broker-list`, consume with `--zookeeper --from-beginning`; offsets in `/consumers`.
pub(crate) fn of_the_tutorial(real: bool) -> Result<(), Missing> {
    let release = Release::new(kafka::jars_of_0_10_2_1()?)?;
    let zookeeper = Zookeeper::start_one(real, &[])?;
    let (broker, connect) = broker_on(&zookeeper);
    let mut jvm = Tools::start(&release);
    let create = ["--create", "--topic", "words", "--partitions", "1", "--replication-factor", "1"];
    let topics = |jvm: &mut Tools, arguments: &[&str]| {
        jvm.done("kafka.admin.TopicCommand", &[&["--zookeeper", &connect], arguments].concat(), "")
    };
    assert_eq!(topics(&mut jvm, &create), "Created topic \"words\".\n");
    assert_eq!(topics(&mut jvm, &["--list"]), "words\n");
    until("a log", || broker.partition_dir("words", 0).exists());
    let lines = kafka::lines("old", 20);
    let input: String = lines.iter().map(|line| format!("{line}\n")).collect();
    let bootstrap = broker.bootstrap();
    jvm.done("kafka.tools.ConsoleProducer", &["--broker-list", &bootstrap, "--topic", "words"], &input);
    // The tool leaves what is under way to the end of its JVM.
    until("records", || broker.ends("words", 1) == [20]);

    let consume = |count: &str, from: &[&str]| -> Vec<String> {
        let arguments = ["--zookeeper", &connect, "--topic", "words", "--max-messages", count];
        let group = ["--consumer-property", "group.id=g"];
        let mut command =
            kafka::alone(&release, "kafka.tools.ConsoleConsumer", &[&arguments[..], &group, from].concat());
        let finished = process::run(&mut command, &[], LIMIT).success("the old console consumer");
        finished.stdout.lines().map(str::to_owned).collect()
    };
    assert_eq!(consume("20", &["--from-beginning"]), lines);
    let mut session = zookeeper.session();
    let offset =
        session.get("/kafka/one/consumers/g/offsets/words/0").expect("connected").expect("an offset");
    assert_eq!(offset.0, b"20");
    let more = kafka::lines("more", 3);
    let input: String = more.iter().map(|line| format!("{line}\n")).collect();
    jvm.done("kafka.tools.ConsoleProducer", &["--broker-list", &bootstrap, "--topic", "words"], &input);
    until("records", || broker.ends("words", 1) == [23]);
    let read_by_ours = |arguments: &[&str]| {
        let (code, out, err) = ours(
            "kafka-console-consumer",
            &[&["--zookeeper", &connect, "--topic", "words"], arguments].concat(),
        );
        assert_eq!(code, Some(0), "{out} {err}");
        out.lines().map(str::to_owned).collect::<Vec<String>>()
    };
    assert_eq!(
        read_by_ours(&["--group", "g", "--max-messages", "2"]),
        more[..2],
        "ours goes on where the original was"
    );
    let offset =
        session.get("/kafka/one/consumers/g/offsets/words/0").expect("connected").expect("an offset");
    assert_eq!(offset.0, b"22");
    assert_eq!(consume("1", &[]), more[2..], "and the original where ours was");
    let all = read_by_ours(&["--from-beginning", "--max-messages", "23"]);
    assert_eq!((all.len(), all.last()), (23, more.last()));
    let groups = session.children("/kafka/one/consumers").expect("connected");
    assert_eq!(groups, ["g"], "a group that was made for one run is gone");
    runner::ran("Apache Kafka tools", "0.10.2.1 with --zookeeper on our broker");
    Ok(())
}
