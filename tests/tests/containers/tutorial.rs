//! The commands of the tutorial on three hosts: `zookeeper`, `kafka`, and where the third to the fifth `docker run` are typed.
//!
//! ```text
//! docker run -d --name zookeeper corrente-zookeeper
//! docker run -d --name kafka --link zookeeper:zookeeper corrente
//! docker run --rm corrente kafka-topics.sh --create --topic test --replication-factor 1 --partitions 1 --zookeeper $ZK_IP:2181
//! docker run --rm --interactive corrente kafka-console-producer.sh --topic test --broker-list $KAFKA_IP:9092
//! docker run --rm corrente kafka-console-consumer.sh --topic test --from-beginning --zookeeper $ZK_IP:2181
//! ```

use super::image::{Container, Image, LIMIT};
use corrente_tests::hosts::Hosts;
use corrente_tests::install::Missing;

/// How the broker's container knows the other one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Link {
    /// By the variables that older engines set, and the alias.
    Variables,
    /// By the alias in `/etc/hosts` alone, as newer engines do it.
    Alias,
}

pub(crate) fn played(link: Link) -> Result<(), Missing> {
    let image = Image::new()?;
    let hosts = Hosts::new(&["zookeeper", "kafka", "client"])?;
    let zk = hosts.host("zookeeper").address();
    // An engine tells a container its own name and those it is linked to.
    let alias = if link == Link::Alias { vec![("zookeeper", zk)] } else { Vec::new() };
    hosts.host("kafka").know(&[&[("kafka", hosts.host("kafka").address())][..], &alias].concat());
    hosts.host("client").know(&[]);
    let url = format!("tcp://{zk}:2181");
    let address = zk.to_string();
    let set = [
        ("ZOOKEEPER_NAME", "/kafka/zookeeper"),
        ("ZOOKEEPER_PORT", &url),
        ("ZOOKEEPER_PORT_2181_TCP", &url),
        ("ZOOKEEPER_PORT_2181_TCP_ADDR", &address),
        ("ZOOKEEPER_PORT_2181_TCP_PORT", "2181"),
        ("ZOOKEEPER_PORT_2181_TCP_PROTO", "tcp"),
        ("ZOOKEEPER_ENV_CORRENTE_IMAGE", "zookeeper"),
    ];
    let set = if link == Link::Variables { &set[..] } else { &[] };

    let coordinator = Container::new(hosts.host("zookeeper").root(&image.path()), "zookeeper", &[]);
    let _coordinator = coordinator.start(&["corrente", "zookeeper"], &image.output("zookeeper"));
    let broker = Container::new(hosts.host("kafka").root(&image.path()), "broker", set);
    let server = broker.start(&["corrente", "server"], &image.output("kafka"));
    assert!(!server.output().contains(" WARN "), "nothing is wrong: {}", server.last_words());
    coordinator.run(&["corrente", "healthcheck"], "").success("the coordinator is well");
    broker.run(&["corrente", "healthcheck"], "").success("the broker is well");

    let tool = |line: &str, input: &str| {
        let root = hosts.host("client").root(&image.path());
        let words: Vec<&str> = line.split(' ').collect();
        Container::new(root, "broker", &[]).run(&words, input).success(line).stdout
    };
    let kafka = hosts.host("kafka").address();
    let created = tool(
        &format!(
            "kafka-topics.sh --create --topic test --replication-factor 1 --partitions 1 --zookeeper {zk}:2181"
        ),
        "",
    );
    assert_eq!(created, "Created topic test.\n");
    let produce = format!("kafka-console-producer.sh --topic test --broker-list {kafka}:9092");
    tool(&produce, "a message\nanother one\n");
    let consume = format!("kafka-console-consumer.sh --topic test --from-beginning --zookeeper {zk}:2181");
    assert_eq!(tool(&format!("{consume} --max-messages 2"), ""), "a message\nanother one\n");

    // Killed, and started again on what it left: an engine does not wait between the two.
    server.kill9();
    let text = broker.run(&["corrente", "healthcheck"], "");
    assert_eq!(text.status.code(), Some(1), "a broker that is gone is not well");
    let server = broker.start(&["corrente", "server"], &image.output("kafka-again"));
    tool(&produce, "a third one\n");
    assert_eq!(tool(&format!("{consume} --max-messages 3"), ""), "a message\nanother one\na third one\n");
    let listed = tool(&format!("kafka-topics.sh --list --bootstrap-server {kafka}:9092"), "");
    assert!(listed.lines().any(|topic| topic == "test"), "{listed}");
    assert!(server.stop(LIMIT).success(), "docker stop is a clean stop");
    Ok(())
}

/// The broker with the variables of `compose.yml`: one listener for the containers beside it, one for the published port.
pub(crate) fn two_listeners_as_composed() -> Result<(), Missing> {
    let compose = std::fs::read_to_string(corrente_tests::place::workspace().join("compose.yml"));
    let compose = compose.expect("compose.yml");
    let set: Vec<(&str, &str)> = compose
        .lines()
        .filter_map(|line| line.trim().split_once(": "))
        .filter(|(name, _)| name.starts_with("KAFKA_"))
        .collect();
    assert!(set.len() > 2, "the variables of the broker: {set:?}");
    let image = Image::new()?;
    let hosts = Hosts::new(&["zookeeper", "kafka", "app"])?;
    let coordinator = Container::new(hosts.host("zookeeper").root(&image.path()), "zookeeper", &[]);
    let _coordinator = coordinator.start(&["corrente", "zookeeper"], &image.output("zookeeper"));
    let broker = Container::new(hosts.host("kafka").root(&image.path()), "broker", &set);
    let _server = broker.start(&["corrente", "server"], &image.output("kafka"));
    broker.run(&["corrente", "healthcheck"], "").success("the broker is well");

    let send = |host: &str, to: &str, text: &str| {
        let container = Container::new(hosts.host(host).root(&image.path()), "broker", &[]);
        let line = ["kafka-console-producer.sh", "--topic", "t", "--broker-list", to];
        container.run(&line, text).success("a producer");
    };
    send("app", "kafka:9092", "from a container beside it\n");
    // Where the port is published, on the machine of the containers, the other address is told.
    send("kafka", "localhost:19092", "from outside\n");
    let app = Container::new(hosts.host("app").root(&image.path()), "broker", &[]);
    let consumer =
        ["--topic", "t", "--from-beginning", "--max-messages", "2", "--bootstrap-server", "kafka:9092"];
    let read =
        app.run(&[&["kafka-console-consumer.sh"][..], &consumer].concat(), "").success("a consumer").stdout;
    assert_eq!(read, "from a container beside it\nfrom outside\n");
    Ok(())
}
