//! Variables of `docker run --env`, and a volume: those that set something, and those that are wrong.

use super::image::{Container, Image, LIMIT};
use corrente_tests::hosts::Hosts;
use corrente_tests::install::Missing;
use std::fs;
use std::os::unix::fs::PermissionsExt;

pub(crate) fn are_settings() -> Result<(), Missing> {
    let image = Image::new()?;
    let hosts = Hosts::new(&["kafka", "client"])?;
    let set = [
        ("KAFKA_CFG_NUM_PARTITIONS", "3"),
        ("KAFKA_ADVERTISED_HOST_NAME", "kafka"),
        ("KAFKA_CREATE_TOPICS", "orders:2:1,log:1:3:compact"),
        ("KAFKA_HEAP_OPTS", "-Xmx1G"),
        ("ALLOW_PLAINTEXT_LISTENER", "yes"),
    ];
    let broker = Container::new(hosts.host("kafka").root(&image.path()), "broker", &set);
    let server = broker.start(&["corrente", "server"], &image.output("kafka"));
    let client = Container::new(hosts.host("client").root(&image.path()), "broker", &[]);
    let said = client.run(&["kafka-topics.sh", "--describe", "--bootstrap-server", "kafka:9092"], "");
    let said = said.success("the topics are there when it is ready").stdout;
    for part in ["Topic: orders", "PartitionCount: 2", "Topic: log", "cleanup.policy=compact"] {
        assert!(said.contains(part), "{part} in {said}");
    }
    let warned = server.output();
    assert_eq!(warned.matches(" WARN ").count(), 1, "{warned}");
    assert!(warned.contains("one node") && warned.contains("replicas=3"), "{warned}");
    // Again on the same data: what is there stays as it is.
    server.kill9();
    let server = broker.start(&["corrente", "server"], &image.output("again"));
    assert!(server.output().contains("is there already"), "{}", server.last_words());
    assert!(server.stop(LIMIT).success(), "a clean stop");
    Ok(())
}

pub(crate) fn of_the_coordinator() -> Result<(), Missing> {
    let image = Image::new()?;
    let hosts = Hosts::new(&["zookeeper"])?;
    let set = [
        ("ZOO_MY_ID", "1"),
        ("ZOO_TICK_TIME", "2000"),
        ("ZOOKEEPER_CLIENT_PORT", "2182"),
        ("ZOO_TIK_TIME", "1"),
    ];
    let container = Container::new(hosts.host("zookeeper").root(&image.path()), "zookeeper", &set);
    let server = container.start(&["corrente", "zookeeper"], &image.output("zookeeper"));
    let said = server.output();
    assert!(said.contains(":2182") && said.contains("data in /data/zookeeper"), "{said}");
    assert!(said.contains("did you mean ZOO_TICK_TIME (tickTime)?"), "{said}");
    let well =
        container.run(&["corrente", "healthcheck"], "").success("on the port that the variable says").stdout;
    assert!(well.contains("127.0.0.1:2182 answers"), "{well}");

    let ensemble = [("ZOO_SERVERS", "server.1=a:2888:3888;2181 server.2=b:2888:3888;2181")];
    let container = Container::new(hosts.host("zookeeper").root(&image.path()), "zookeeper", &ensemble);
    let refused = container.run(&["corrente", "zookeeper"], "");
    assert_eq!(refused.status.code(), Some(1));
    let expected = "environment variable ZOO_SERVERS: server.N = 2 servers: expected one server";
    assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    Ok(())
}

pub(crate) fn wrong_ones_are_named() -> Result<(), Missing> {
    let image = Image::new()?;
    let hosts = Hosts::new(&["kafka"])?;
    let with =
        |name, value| Container::new(hosts.host("kafka").root(&image.path()), "broker", &[(name, value)]);
    let server = with("KAFKA_ADVERTISED_LISTNERS", "PLAINTEXT://kafka:9092")
        .start(&["corrente", "server"], &image.output("kafka"));
    let said = server.output();
    assert!(said.contains("did you mean KAFKA_ADVERTISED_LISTENERS (advertised.listeners)?"), "{said}");
    assert!(server.stop(LIMIT).success(), "a clean stop");
    for (name, value, expected) in [
        (
            "KAFKA_NUM_PARTITIONS",
            "many",
            "environment variable KAFKA_NUM_PARTITIONS: num.partitions = many: expected",
        ),
        (
            "KAFKA_CREATE_TOPICS",
            "a:b:1",
            "environment variable KAFKA_CREATE_TOPICS: a:b:1: the partitions are no number",
        ),
    ] {
        let refused = with(name, value).run(&["corrente", "server"], "");
        assert_eq!(refused.status.code(), Some(1), "{name}");
        assert!(refused.stderr.contains(expected), "{}", refused.stderr);
    }
    Ok(())
}

pub(crate) fn a_folder_of_somebody_else() -> Result<(), Missing> {
    let image = Image::new()?;
    let hosts = Hosts::new(&["one"])?;
    let volume = tempfile::tempdir().expect("a temporary directory");
    fs::set_permissions(volume.path(), PermissionsExt::from_mode(0o755)).expect("our own folder");
    for (role, command) in [("broker", "server"), ("zookeeper", "zookeeper")] {
        let root = hosts.host("one").root(&image.path());
        root.mount(volume.path(), "/data");
        let refused = Container::new(root, role, &[]).run(&["corrente", command], "");
        assert_eq!(refused.status.code(), Some(1), "{role}");
        for part in ["/data belongs to 0:0 (mode 755)", "runs as 1000:0", "chown 1000 FOLDER"] {
            assert!(refused.stderr.contains(part), "{part} in {}", refused.stderr);
        }
    }
    std::os::unix::fs::chown(volume.path(), Some(1000), None).expect("as the sentence says, by root");
    let root = hosts.host("one").root(&image.path());
    root.mount(volume.path(), "/data");
    let container = Container::new(root, "broker", &[]);
    assert!(container.start(&["corrente", "server"], &image.output("kafka")).stop(LIMIT).success());
    assert!(volume.path().join("kafka").is_dir(), "the data is in the volume");
    Ok(())
}
