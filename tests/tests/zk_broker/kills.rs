//! Kills: of the broker, whose nodes outlive it, and of ZooKeeper, which the broker outlives.

use std::time::{Duration, Instant};

use corrente_tests::broker::Broker;
use corrente_tests::install::Missing;
use corrente_tests::zookeeper::Zookeeper;

use crate::tools::{broker_on, create_topic, ours, until};

/// The session of a broker that was killed lives for seconds; the next start does not wait for its end.
pub(crate) fn broker_restarts_at_once(real: bool) -> Result<(), Missing> {
    let zookeeper = Zookeeper::start_one(real, &[])?;
    let (mut broker, connect) = broker_on(&zookeeper);
    let mut session = zookeeper.session();
    create_topic(&connect, "t");
    let owners = |session: &mut corrente_tests::zookeeper::Session| {
        ["/kafka/one/brokers/ids/0", "/kafka/one/controller"]
            .map(|path| session.get(path).expect("connected").map(|(_, stat)| stat.owner))
    };
    let epoch = |session: &mut corrente_tests::zookeeper::Session| {
        session.get("/kafka/one/controller_epoch").expect("connected").expect("an epoch").0
    };
    for round in 2..5 {
        let before = owners(&mut session);
        broker.kill9();
        assert_eq!(owners(&mut session), before, "the nodes outlive the broker");
        let took = broker.spawn();
        assert!(took < Duration::from_secs(4), "a start of {took:?} waited for the end of the old session");
        let now = owners(&mut session);
        assert!(now[0].is_some() && now[0] == now[1] && now != before, "{before:?} {now:?}");
        assert_eq!(epoch(&mut session), round.to_string().into_bytes());
        assert_eq!(broker.ends("t", 1), [0]);
    }
    broker.stop();
    assert_eq!(owners(&mut session), [None, None], "a clean stop takes the nodes along");
    Ok(())
}

/// ZooKeeper is killed for longer than the session lives: data traffic goes on, and then the broker is back in its place.
pub(crate) fn zookeeper_goes_away(real: bool) -> Result<(), Missing> {
    let mut zookeeper = Zookeeper::start_one(real, &[])?;
    let (broker, connect) = broker_on(&zookeeper);
    let bootstrap = broker.bootstrap();
    assert_eq!(broker.ensure_topic("t"), 1);
    let mut session = zookeeper.session();
    let before = session.get("/kafka/one/brokers/ids/0").expect("connected").expect("registered").1.owner;
    zookeeper.kill9();
    let begin = Instant::now();
    let mut sent = 0;
    while begin.elapsed() < Duration::from_secs(12) {
        let mut connection = broker.connect();
        assert_eq!(connection.partitions("t").expect("metadata is answered"), 1);
        assert_eq!(connection.ends("t", 1).expect("the log is served"), [0]);
        sent += 1;
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(sent > 20, "answers while ZooKeeper is away: {sent}");
    until("the end of the session", || broker.output().contains("data traffic goes on"));
    let line = ["--bootstrap-server", &bootstrap, "--create", "--topic", "u", "--partitions", "1"];
    let refused = ours("kafka-topics", &line);
    assert!(refused.1.contains("there is no session with ZooKeeper at"), "{refused:?}");
    zookeeper.spawn();
    let mut session = zookeeper.session();
    until("a new registration", || {
        let node = session.get("/kafka/one/brokers/ids/0").expect("connected");
        node.is_some_and(|(_, stat)| stat.owner != before)
    });
    create_topic(&connect, "u");
    until("a log", || broker.partition_dir("u", 0).exists());
    Ok(())
}

/// A living broker with our number, one that is the controller, and nobody at all: each is a sentence and exit code 1.
pub(crate) fn somebody_else_is_there() -> Result<(), Missing> {
    let zookeeper = Zookeeper::start_one(false, &[])?;
    let (first, connect) = broker_on(&zookeeper);
    let mut second = Broker::start(&[]);
    second.stop();
    std::fs::remove_dir_all(second.log_dir()).expect("our own directory");
    let on = [
        ("zookeeper.connect", connect.as_str()),
        ("zookeeper.connection.timeout.ms", "1000"),
        ("zookeeper.session.timeout.ms", "4000"),
    ];
    let (code, text) = second.refused(&on);
    assert_eq!(code, Some(1));
    let by =
        format!("a broker with the number 0 runs already, at PLAINTEXT://{}: stop it", first.bootstrap());
    assert!(text.contains(&by), "{text}");
    std::fs::remove_dir_all(second.log_dir()).expect("our own directory");
    let (code, text) = second.refused(&[&on[..], &[("broker.id", "7")]].concat());
    assert_eq!(code, Some(1));
    assert!(text.contains("broker 0 is the controller of this cluster"), "{text}");
    drop(first);

    let nobody = format!("127.0.0.1:{}", corrente_tests::broker::free_port());
    let begin = Instant::now();
    let (code, text) =
        second.refused(&[("zookeeper.connect", &nobody), ("zookeeper.connection.timeout.ms", "1500")]);
    assert_eq!(code, Some(1));
    assert!(text.contains(&format!("no ZooKeeper answers at {nobody} (Connection refused")), "{text}");
    assert!((1..10).contains(&begin.elapsed().as_secs()), "{:?}", begin.elapsed());
    Ok(())
}

/// ZooKeeper comes back empty, and the broker with it: it once served no topic and said nothing. Now the topics are written there again, with
/// their ids and records.
pub(crate) fn zookeeper_comes_back_empty() -> Result<(), Missing> {
    let mut zookeeper = Zookeeper::start_one(false, &[])?;
    let (mut broker, connect) = broker_on(&zookeeper);
    let bootstrap = broker.bootstrap();
    let line =
        ["--bootstrap-server", &bootstrap, "--create", "--topic", "t", "--config", "retention.ms=77000"];
    assert_eq!(ours("kafka-topics", &line).1, "Created topic t.\n");
    let describe = ["--bootstrap-server", &bootstrap, "--describe", "--topic", "t"];
    let before = ours("kafka-topics", &describe).1;
    assert!(before.contains("TopicId: ") && before.contains("retention.ms=77000"), "{before}");
    // A start that finds no ZooKeeper leaves a stop that was clean a clean one.
    broker.stop();
    zookeeper.kill9();
    let (code, text) = broker.refused(&[("zookeeper.connection.timeout.ms", "500")]);
    assert!(code == Some(1) && text.contains("no ZooKeeper answers at"), "{code:?} {text}");
    zookeeper.spawn();
    broker.spawn();
    assert!(!broker.output().contains("the last stop was not a clean one"), "{}", broker.output());
    broker.kill9();
    zookeeper.kill9();
    std::fs::remove_dir_all(zookeeper.data_dir()).expect("our own directory");
    zookeeper.spawn();
    broker.spawn();
    assert!(broker.output().contains("the topics are written there again"), "{}", broker.output());
    assert_eq!(ours("kafka-topics", &describe).1, before);
    assert_eq!(ours("kafka-topics", &["--zookeeper", &connect, "--list"]).1, "t\n");
    // Once is enough.
    broker.stop();
    broker.spawn();
    assert!(!broker.output().contains("the topics are written there again"), "{}", broker.output());
    Ok(())
}
