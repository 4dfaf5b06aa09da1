//! Brokers, coordinators and clients that have nothing in common but a network.

use std::thread;
use std::time::{Duration, Instant};

use corrente_tests::broker;
use corrente_tests::hosts::{Host, Hosts};
use corrente_tests::install::Missing;
use corrente_tests::process::{self, Line};

use crate::servers::{LIMIT, Place, running, told, tool, warning, warnings, works};

const CONSUME: &str = "kafka-console-consumer";
const PRODUCE: &str = "kafka-console-producer";
const TOPICS: &str = "kafka-topics";

/// Line 36 of the file uncommented and changed, `listeners` left alone: the broker listens on all interfaces, and clients
/// on other machines reach it, by the broker's address and by ZooKeeper's.
pub(crate) fn as_in_the_tutorial() -> Result<(), Missing> {
    let hosts = Hosts::new(&["zookeeper", "kafka", "one", "two"])?;
    let (one, two) = (hosts.host("one"), hosts.host("two"));
    let place = Place::new();
    let _zookeeper = place.zookeeper(hosts.host("zookeeper"));
    let address = hosts.host("kafka").address();
    let kafka = place.broker(
        hosts.host("kafka"),
        "kafka",
        &format!("advertised.listeners=PLAINTEXT://{address}:9092\nzookeeper.connect=zookeeper:2181\n"),
    );
    let output = kafka.output();
    assert!(output.contains("is ready on 0.0.0.0:9092"), "all interfaces are listened on: {output}");

    let created = works(
        one,
        TOPICS,
        "--create --zookeeper zookeeper:2181 --replication-factor 1 --partitions 1 --topic test",
        "",
    );
    assert_eq!(created, "Created topic test.\n");
    assert_eq!(told(two, "kafka:9092"), [format!("{address}:9092")]);
    works(one, PRODUCE, &format!("--broker-list {address}:9092 --topic test"), "from one\n");
    works(two, PRODUCE, "--broker-list kafka:9092 --topic test", "from two\n");
    let both = "from one\nfrom two\n";
    let read = "--topic test --from-beginning --max-messages 2";
    assert_eq!(works(two, CONSUME, &format!("--bootstrap-server kafka:9092 {read}"), ""), both);
    assert_eq!(works(one, CONSUME, &format!("--zookeeper zookeeper:2181 {read}"), ""), both);
    // Dialling itself is long over: the warning would be there.
    assert_eq!(warnings(&kafka), [] as [&str; 0]);
    Ok(())
}

/// A broker with two addresses and no word about either: whoever dials one is told that one, and the group's coordinator
/// is told likewise.
pub(crate) fn a_client_is_told_what_it_dialled() -> Result<(), Missing> {
    let hosts = Hosts::new(&["kafka", "one", "two"])?;
    let (kafka, one, two) = (hosts.host("kafka"), hosts.host("one"), hosts.host("two"));
    kafka.also_at("10.78.0.11/24");
    two.also_at("10.78.0.13/24");
    let place = Place::new();
    let daemon = place.broker(kafka, "kafka", "");

    assert_eq!(told(one, "kafka:9092"), ["10.77.0.11:9092"]);
    assert_eq!(told(two, "10.78.0.11:9092"), ["10.78.0.11:9092"]);
    assert_eq!(told(kafka, "127.0.0.1:9092"), ["127.0.0.1:9092"]);
    works(two, PRODUCE, "--broker-list 10.78.0.11:9092 --topic t", "across the other network\n");
    let read = "--topic t --from-beginning --max-messages 1 --group g";
    let seen = works(two, CONSUME, &format!("--bootstrap-server 10.78.0.11:9092 {read}"), "");
    assert_eq!(seen, "across the other network\n");
    let group = works(one, "kafka-consumer-groups", "--bootstrap-server kafka:9092 --describe --group g", "");
    assert!(
        group.contains("10.77") || group.contains(" t "),
        "the group is found from the other network: {group}"
    );
    assert_eq!(warnings(&daemon), [] as [&str; 0]);
    Ok(())
}

/// Without a file and without settings nobody has said that others will come.
pub(crate) fn without_settings_only_this_machine_is_served() -> Result<(), Missing> {
    let hosts = Hosts::new(&["kafka", "client"])?;
    let (kafka, client) = (hosts.host("kafka"), hosts.host("client"));
    let place = Place::new();
    let mut command = kafka.command(broker::binary());
    command.args(["server", "--override", &format!("log.dirs={}", place.path("data").display())]);
    let mut daemon = corrente_tests::daemon::Daemon::spawn(&mut command, &place.path("output"));
    daemon.wait_until("a broker that is ready", LIMIT, |daemon| daemon.output().contains("started (kafka"));
    assert_eq!(told(kafka, "127.0.0.1:9092"), ["127.0.0.1:9092"]);
    let refused = tool(client, TOPICS, "--list --bootstrap-server kafka:9092", "");
    assert_eq!(refused.status.code(), Some(1));
    let said = refused.stderr + &refused.stdout;
    assert!(said.contains("kafka:9092 refused the connection"), "{said}");
    Ok(())
}

/// Towards a ZooKeeper elsewhere a broker that nobody gave an address registers the one by which it reaches ZooKeeper; one
/// that others cannot reach at all says so and does not start.
pub(crate) fn zookeeper_on_another_host() -> Result<(), Missing> {
    let hosts = Hosts::new(&["zookeeper", "kafka", "client"])?;
    let (kafka, client) = (hosts.host("kafka"), hosts.host("client"));
    let place = Place::new();
    let _zookeeper = place.zookeeper(hosts.host("zookeeper"));

    let file = place.file(
        "loop.properties",
        &format!(
            "log.dirs={}\nlisteners=PLAINTEXT://127.0.0.1:9092\nzookeeper.connect=zookeeper:2181\n",
            place.path("loop-data").display()
        ),
    );
    let refused = process::run(kafka.command(broker::binary()).arg("server").arg(file), &[], LIMIT);
    assert_eq!(refused.status.code(), Some(1), "{}", refused.stderr);
    assert!(
        refused.stderr.contains(
            "listener PLAINTEXT listens on 127.0.0.1:9092 only, which nobody but this machine can dial, and ZooKeeper is at \
             zookeeper:2181: set advertised.listeners, or listeners to another address"
        ),
        "{}",
        refused.stderr
    );

    // The client knows ZooKeeper's name only: the broker's place comes from there.
    client.know(&[("zookeeper", hosts.host("zookeeper").address())]);
    let daemon = place.broker(kafka, "kafka", "zookeeper.connect=zookeeper:2181\n");
    works(client, PRODUCE, "--broker-list 10.77.0.12:9092 --topic t", "hello\n");
    let read = "--zookeeper zookeeper:2181 --topic t --from-beginning --max-messages 1";
    assert_eq!(works(client, CONSUME, read, ""), "hello\n");
    assert!(warnings(&daemon).is_empty(), "{:?}", warnings(&daemon));
    Ok(())
}

/// Both on one machine, as in the tutorial: nothing tells the broker by which address others reach it, so it says what
/// follows from that, once; and others that ask the broker itself need nothing.
pub(crate) fn zookeeper_on_the_brokers_host() -> Result<(), Missing> {
    let hosts = Hosts::new(&["kafka", "client"])?;
    let client = hosts.host("client");
    let place = Place::new();
    let _zookeeper = place.zookeeper(hosts.host("kafka"));
    let daemon = place.broker(hosts.host("kafka"), "kafka", "zookeeper.connect=localhost:2181\n");
    works(client, PRODUCE, "--broker-list kafka:9092 --topic t", "hello\n");
    let output = daemon.output();
    let said = "which is right for this machine only: set advertised.listeners if clients on other machines ask ZooKeeper";
    assert_eq!(output.matches(said).count(), 1, "{output}");
    let lost =
        tool(client, CONSUME, "--zookeeper kafka:2181 --topic t --from-beginning --max-messages 1", "");
    assert!(!lost.status.success(), "its own loopback has no broker: {}", lost.stdout);
    drop(daemon);

    let address = hosts.host("kafka").address();
    let settings =
        format!("zookeeper.connect=localhost:2181\nadvertised.listeners=PLAINTEXT://{address}:9092\n");
    let daemon = place.broker(hosts.host("kafka"), "kafka", &settings);
    let read = "--zookeeper kafka:2181 --topic t --from-beginning --max-messages 1";
    assert_eq!(works(client, CONSUME, read, ""), "hello\n", "with the fix they reach it");
    assert!(!daemon.output().contains(said));
    Ok(())
}

/// An address that leads nowhere: the broker says so with the fix, and so does the tool that was sent there.
pub(crate) fn wrong_addresses_are_told() -> Result<(), Missing> {
    let hosts = Hosts::new(&["kafka", "other", "client"])?;
    let place = Place::new();
    let _other = place.broker(hosts.host("other"), "seven", "broker.id=7\n");
    let cases = [
        ("kafak", "but tried from here, kafak:9092 cannot be resolved"),
        ("10.77.0.99", "but tried from here, 10.77.0.99:9092 "),
        ("other", "but there answers broker 7 of cluster "),
        ("localhost", "which leads every other machine to itself"),
    ];
    for (host, found) in cases {
        wrong_address(&hosts, &place, host, found);
    }
    Ok(())
}

fn wrong_address(hosts: &Hosts, place: &Place, host: &str, found: &str) {
    let text = format!("advertised.listeners=PLAINTEXT://{host}:9092\n");
    let mut daemon = place.broker(hosts.host("kafka"), host, &text);
    let line = warning(&mut daemon);
    let file = place.path(&format!("{host}.properties"));
    let whole = format!(
        "{}:2: advertised.listeners: clients are told PLAINTEXT://{host}:9092, {found}",
        file.display()
    );
    assert!(line.contains(&whole), "{line}\nhas not\n{whole}");
    let fix = "set it to an address of this machine that clients can dial, such as 10.77.0.11, or leave it out and each client \
               is told the address that it dialled";
    assert!(line.contains(fix), "{line}");
    if host == "kafak" {
        let create = "--create --bootstrap-server kafka:9092 --topic t";
        let read = "--bootstrap-server kafka:9092 --topic t --from-beginning";
        for (name, arguments) in [(TOPICS, create), (CONSUME, read)] {
            let lost = tool(hosts.host("client"), name, arguments, "");
            assert_eq!(lost.status.code(), Some(1), "{name}");
            let said = lost.stderr + &lost.stdout;
            assert!(said.contains("kafak:9092 cannot be resolved"), "{said}");
            assert!(said.contains("check advertised.listeners"), "{said}");
        }
    }
}

/// A cable that is pulled out sends no reset: each end finds out by itself, and all is well when it is back.
pub(crate) fn zookeepers_cable_is_pulled() -> Result<(), Missing> {
    let hosts = Hosts::new(&["zookeeper", "kafka", "client"])?;
    let client = hosts.host("client");
    let place = Place::new();
    let _zookeeper = place.zookeeper(hosts.host("zookeeper"));
    let settings = "zookeeper.connect=zookeeper:2181\nzookeeper.session.timeout.ms=6000\n";
    let mut kafka = place.broker(hosts.host("kafka"), "kafka", settings);
    works(
        client,
        TOPICS,
        "--create --zookeeper zookeeper:2181 --replication-factor 1 --partitions 1 --topic t",
        "",
    );
    works(client, PRODUCE, "--broker-list kafka:9092 --topic t", "before\n");
    // The topic of the groups' offsets is made for the first group, and that needs ZooKeeper.
    let one = "--bootstrap-server kafka:9092 --topic t --from-beginning --max-messages 1";
    assert_eq!(works(client, CONSUME, one, ""), "before\n");

    hosts.cable("zookeeper", false);
    kafka.wait_until("the broker misses ZooKeeper", LIMIT, |kafka| !warnings(kafka).is_empty());
    works(client, PRODUCE, "--broker-list kafka:9092 --topic t", "meanwhile\n");
    let read = "--bootstrap-server kafka:9092 --topic t --from-beginning --max-messages 2";
    assert_eq!(works(client, CONSUME, read, ""), "before\nmeanwhile\n", "messages need no ZooKeeper");

    hosts.cable("zookeeper", true);
    kafka.wait_until("the session is in order again", LIMIT, |kafka| {
        kafka.output().contains("the session with ZooKeeper is in order again")
    });
    let create = "--create --zookeeper zookeeper:2181 --replication-factor 1 --partitions 1 --topic after";
    assert_eq!(works(client, TOPICS, create, ""), "Created topic after.\n");
    until_listed(client, "after");
    let read = "--zookeeper zookeeper:2181 --topic t --from-beginning --max-messages 2";
    assert_eq!(works(client, CONSUME, read, ""), "before\nmeanwhile\n", "the broker is registered again");
    Ok(())
}

fn until_listed(client: &Host, topic: &str) {
    let give_up = Instant::now() + LIMIT;
    while !works(client, TOPICS, "--list --bootstrap-server kafka:9092", "").lines().any(|line| line == topic)
    {
        assert!(Instant::now() < give_up, "{topic}: the broker does not see it");
        thread::sleep(Duration::from_millis(100));
    }
}

/// A consumer that waits for messages gets those that come after its broker's cable was out for a moment.
pub(crate) fn the_brokers_cable_is_pulled() -> Result<(), Missing> {
    let hosts = Hosts::new(&["kafka", "one", "two"])?;
    let (one, two) = (hosts.host("one"), hosts.host("two"));
    let place = Place::new();
    let _kafka = place.broker(hosts.host("kafka"), "kafka", "");
    works(one, PRODUCE, "--broker-list kafka:9092 --topic t", "before\n");
    let mut consumer = running(two, CONSUME, "--bootstrap-server kafka:9092 --topic t --from-beginning");
    let mut next = |what: &str| loop {
        match consumer.line(Instant::now() + LIMIT) {
            Some(Line::Out(line)) => return line,
            Some(Line::Err(_)) => {}
            None => panic!("{what}: no line{}", consumer.complaints()),
        }
    };
    assert_eq!(next("before"), "before");
    hosts.cable("kafka", false);
    thread::sleep(Duration::from_secs(3));
    hosts.cable("kafka", true);
    works(one, PRODUCE, "--broker-list kafka:9092 --topic t", "after\n");
    assert_eq!(next("after"), "after");
    Ok(())
}
