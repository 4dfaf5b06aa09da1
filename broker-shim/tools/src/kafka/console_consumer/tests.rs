use super::TOOL;
use crate::kafka::console_producer;
use crate::testing::{Ran, Rig, run, run_with};
use std::time::Duration;

fn rig(lines: &str) -> Rig {
    let rig = Rig::start();
    let line = format!(
        "--bootstrap-server {} --topic t --property parse.key=true --property key.separator=:",
        rig.address()
    );
    let ran = run_with(&console_producer::TOOL, &line, lines);
    assert_eq!((ran.err.as_str(), ran.code), ("", 0));
    rig
}

fn read(rig: &Rig, options: &str) -> Ran {
    rig.run(&TOOL, options)
}

#[test]
fn a_group_goes_on_where_it_was_and_commits_what_was_shown_only() {
    let rig = rig("k:1\nk:2\nk:3\n");
    let first = read(&rig, "--topic t --from-beginning --group g --max-messages 1");
    assert_eq!(
        (first.out.as_str(), first.err.as_str(), first.code),
        ("1\n", "Processed a total of 1 messages\n", 0)
    );
    assert_eq!(read(&rig, "--topic t --from-beginning --group g --max-messages 1").out, "2\n");
    let without =
        "--topic t --from-beginning --group g --max-messages 1 --consumer-property enable.auto.commit=false";
    assert_eq!(read(&rig, without).out, "3\n");
    assert_eq!(read(&rig, without).out, "3\n", "nothing was committed");
}

#[test]
fn a_silence_ends_it_well() {
    let rig = rig("k:1\n");
    let ran = read(&rig, "--topic t --from-beginning --timeout-ms 50");
    assert_eq!((ran.out.as_str(), ran.code), ("1\n", 0));
    assert!(ran.err.starts_with("No message came for 50 ms: "), "{}", ran.err);
    assert!(ran.err.ends_with("\nProcessed a total of 1 messages\n"), "{}", ran.err);
}

#[test]
fn topics_are_found_by_their_whole_names() {
    let rig = rig("k:1\n");
    for (pattern, found) in [("t", "1\n"), ("t.*", "1\n"), ("x|t", "1\n"), ("tt", ""), ("", "")] {
        let option = if pattern.is_empty() { "x" } else { pattern };
        let ran = read(&rig, &format!("--whitelist {option} --from-beginning --timeout-ms 100"));
        assert_eq!(ran.out, found, "{pattern}");
    }
    assert!(read(&rig, "--include ( --timeout-ms 50").err.contains("is no regular expression"));
}

#[test]
fn a_value_that_its_class_cannot_read_ends_it_or_is_left_out() {
    let rig = rig("k:12345678\nk:x\nk:87654321\n");
    let options = "--topic t --partition 0 --offset earliest --timeout-ms 100 --value-deserializer \
                   org.apache.kafka.common.serialization.LongDeserializer";
    let ended = read(&rig, options);
    assert_eq!((ended.out.lines().count(), ended.code), (1, 1), "{}", ended.out);
    assert!(ended.err.contains("the message at offset 1 of t-0: Size of data received"), "{}", ended.err);
    let went_on = read(&rig, &format!("{options} --skip-message-on-error"));
    assert_eq!((went_on.out.lines().count(), went_on.code), (2, 0), "{}", went_on.out);
}

#[test]
fn what_cannot_go_together_is_refused_before_a_broker_is_asked() {
    for (line, told) in [
        ("", "Exactly one of the following arguments is required: [topic], [include]"),
        ("--topic t --include t", "Exactly one of the following arguments is required"),
        ("--topic t --offset 1", "The partition is required when offset is specified."),
        ("--topic t --partition 0 --group g", "Options group and partition cannot be specified together."),
        ("--topic t --partition 0 --offset soon", "The provided offset value 'soon' is incorrect."),
        (
            "--topic t --from-beginning --consumer-property auto.offset.reset=latest",
            "Can't simultaneously specify",
        ),
        ("--topic t --formatter com.example.Mine", "this class is not known here"),
        ("--topic t --consumer-property a --timeout-ms 1", "give key=value"),
        ("--topic t --property a=b --formatter-property a=b", "cannot be specified together"),
    ] {
        let ran = run(&TOOL, &format!("--bootstrap-server 127.0.0.1:1 {line}"));
        assert!(ran.err.starts_with(told) || ran.err.contains(told), "{line}: {}", ran.err);
        assert_eq!(ran.code, 1, "{line}");
    }
    assert!(run(&TOOL, "--topic t").err.starts_with("Missing required argument \"[bootstrap-server]\""));
    let ran = run(&TOOL, "--zookeeper 127.0.0.1:1 --topic t");
    assert!(ran.err.contains("no ZooKeeper answers at 127.0.0.1:1 (Connection refused"), "{ran:?}");
    assert_eq!(ran.code, 1);
    let both = "--bootstrap-server 127.0.0.1:1 --zookeeper 127.0.0.1:1 --topic t";
    assert!(run(&TOOL, both).err.starts_with("Only one of --bootstrap-server or --zookeeper"));
}

#[test]
fn a_partition_that_is_not_there_is_one_sentence() {
    let rig = rig("k:1\n");
    let ran = read(&rig, "--topic t --partition 7 --offset earliest --timeout-ms 50");
    assert_eq!((ran.out.as_str(), ran.code), ("", 1));
    assert_eq!(ran.err.lines().count(), 1, "{}", ran.err);
}

/// A broker on this port, with its logs in this directory.
fn broker_at(port: u16, dir: &std::path::Path) -> broker_shim::server::BlockingBroker {
    let config = broker_shim::config::BrokerConfig::builder()
        .set("listeners", format!("PLAINTEXT://127.0.0.1:{port}"))
        .set("log.dirs", dir.display().to_string())
        .set("offsets.topic.num.partitions", "1")
        .build()
        .unwrap();
    broker_shim::server::Broker::start_blocking(config).unwrap()
}

/// Both ended with the broker, and whoever had them in a terminal started them again by hand.
#[test]
fn consumer_and_producer_come_back_to_a_broker_that_was_away() {
    let dir = tempfile::tempdir().unwrap();
    let broker = broker_at(0, dir.path());
    let port = broker.addr().port();
    let send = move |text: &str| {
        let line = format!("--bootstrap-server 127.0.0.1:{port} --topic back");
        run_with(&console_producer::TOOL, &line, text)
    };
    assert_eq!(send("one\n").code, 0);
    let words = format!(
        "--bootstrap-server 127.0.0.1:{port} --topic back --from-beginning --group g --max-messages 3 --timeout-ms 30000"
    );
    let reader = std::thread::spawn(move || run(&TOOL, &words));
    std::thread::sleep(Duration::from_millis(1500));
    broker.shutdown().unwrap();
    std::thread::sleep(Duration::from_millis(700));
    // A producer that is connected when the broker goes keeps what it was given.
    let (mut client, mut producer) = {
        let broker = broker_at(port, dir.path());
        let addresses = kafka_client::Address::parse_list(&format!("127.0.0.1:{port}")).unwrap();
        let mut client =
            kafka_client::Client::connect(&addresses, kafka_client::ClientConfig::default()).unwrap();
        let mut producer = kafka_client::Producer::new(kafka_client::ProducerConfig::default());
        let record = kafka_client::NewRecord { topic: "back", value: Some(b"two"), ..Default::default() };
        producer.send(&mut client, &record).unwrap();
        producer.flush(&mut client).unwrap();
        broker.shutdown().unwrap();
        (client, producer)
    };
    let late = std::thread::spawn(move || {
        let record = kafka_client::NewRecord { topic: "back", value: Some(b"three"), ..Default::default() };
        producer.send(&mut client, &record).unwrap();
        producer.flush(&mut client).unwrap();
        producer.take_deliveries()
    });
    std::thread::sleep(Duration::from_millis(700));
    let broker = broker_at(port, dir.path());
    assert!(late.join().unwrap().iter().all(|delivery| delivery.result.is_ok()));
    let ran = reader.join().unwrap();
    assert_eq!((ran.out.as_str(), ran.code), ("one\ntwo\nthree\n", 0), "{}", ran.err);
    assert!(
        ran.err.contains("Trying again until it is back") && ran.err.contains("The broker is back."),
        "{}",
        ran.err
    );
    broker.shutdown().unwrap();
}
