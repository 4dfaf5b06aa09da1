//! More partitions, other settings: the refusals of each version, and that what is changed is in force.

use super::rig::{Client, Rig, batch, error};
use crate::metadata::InternalTopic;
use kafka_wire::ErrorCode;
use kafka_wire::messages::create_partitions_request::{CreatePartitionsAssignment, CreatePartitionsTopic};
use kafka_wire::messages::describe_configs_request::DescribeConfigsResource;
use kafka_wire::messages::describe_configs_response::DescribeConfigsResourceResult;
use kafka_wire::messages::{
    AlterConfigsRequest, CreatePartitionsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest,
    alter_configs_request, incremental_alter_configs_request,
};

const TOPIC: i8 = 2;
const BROKER: i8 = 4;

fn grow(name: &str, count: i32) -> CreatePartitionsTopic {
    CreatePartitionsTopic { name: name.to_owned(), count, assignments: None }
}

fn partitions(topics: Vec<CreatePartitionsTopic>) -> CreatePartitionsRequest {
    CreatePartitionsRequest { topics, timeout_ms: 1000, validate_only: false }
}

/// Code and text of each topic.
async fn grown(client: &mut Client, version: i16, topics: Vec<CreatePartitionsTopic>) -> Vec<(i16, String)> {
    let answer = client.call(version, &partitions(topics)).await;
    answer.results.into_iter().map(|r| (r.error_code, r.error_message.unwrap_or_default())).collect()
}

#[tokio::test]
async fn partitions_are_added_in_every_version_and_take_records() {
    let rig = Rig::new().await;
    rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    for (version, count) in (0..=3).zip(2..) {
        assert_eq!(grown(&mut client, version, vec![grow("t", count)]).await, [(0, String::new())]);
        let topic = rig.state.catalog.topic("t").unwrap();
        assert_eq!(topic.partition_count(), count, "version {version}");
        let request = super::rig::produce_request(9, -1, &topic, count - 1, batch(&[b"a"]));
        let answer = client.call(9, &request).await;
        assert_eq!(error(answer.responses[0].partition_responses[0].error_code), ErrorCode::None);
    }
}

#[tokio::test]
async fn partitions_are_refused_in_kafka_s_words() {
    let rig = Rig::new().await;
    rig.topic("t", 3, &[]);
    rig.state.catalog.internal(InternalTopic::ConsumerOffsets).unwrap();
    let own = rig.state.catalog.broker_id();
    let mut client = rig.client().await;
    let on = |brokers: &[i32]| CreatePartitionsTopic {
        assignments: Some(vec![CreatePartitionsAssignment { broker_ids: brokers.to_vec() }]),
        ..grow("t", 4)
    };
    let none = CreatePartitionsTopic { assignments: Some(Vec::new()), ..grow("t", 5) };
    for version in 0..=3 {
        for (topic, code, text) in [
            (grow("t", 3), 37, "Topic already has 3 partition(s)."),
            (grow("t", 1), 37, "The topic t currently has 3 partition(s); 1 would not be an increase."),
            (grow("t", -1), 37, "The topic t currently has 3 partition(s); -1 would not be an increase."),
            (grow("nope", 3), 3, ""),
            (grow("bad name", 3), 3, ""),
            (grow("t", 20_000), 44, "Excessively large number of partitions per request."),
            (
                none.clone(),
                39,
                "Attempted to add 2 additional partition(s), but only 0 assignment(s) were specified.",
            ),
            (
                on(&[9]),
                39,
                "The manual partition assignment includes broker 9, but no such broker is registered.",
            ),
            (on(&[]), 39, "The manual partition assignment includes an empty replica list."),
            (
                grow("__consumer_offsets", 60),
                17,
                "The partitions of the internal topic __consumer_offsets cannot be changed.",
            ),
        ] {
            assert_eq!(grown(&mut client, version, vec![topic]).await, [(code, text.to_owned())]);
        }
    }
    let twice = grown(&mut client, 3, vec![grow("t", 4), grow("t", 5)]).await;
    assert_eq!(twice, [(42, "Duplicate topic name.".to_owned())]);
    let asked = CreatePartitionsRequest { validate_only: true, ..partitions(vec![on(&[own])]) };
    assert_eq!(client.call(3, &asked).await.results[0].error_code, 0);
    assert_eq!(rig.state.catalog.topic("t").unwrap().partition_count(), 3);
    let unwaited = CreatePartitionsRequest { timeout_ms: 0, ..partitions(vec![grow("t", 4)]) };
    let answer = client.call(3, &unwaited).await;
    assert_eq!(error(answer.results[0].error_code), ErrorCode::RequestTimedOut);
    assert_eq!(rig.state.catalog.topic("t").unwrap().partition_count(), 4);
}

type Key<'a> = (&'a str, Option<&'a str>);

fn all_of(resource_type: i8, name: &str, keys: &[Key<'_>]) -> AlterConfigsRequest {
    let config = |(name, value): &Key<'_>| alter_configs_request::AlterableConfig {
        name: (*name).to_owned(),
        value: value.map(str::to_owned),
    };
    AlterConfigsRequest {
        resources: vec![alter_configs_request::AlterConfigsResource {
            resource_type,
            resource_name: name.to_owned(),
            configs: keys.iter().map(config).collect(),
        }],
        validate_only: false,
    }
}

fn some_of(
    resource_type: i8,
    name: &str,
    keys: &[(&str, i8, Option<&str>)],
) -> IncrementalAlterConfigsRequest {
    let config =
        |(name, op, value): &(&str, i8, Option<&str>)| incremental_alter_configs_request::AlterableConfig {
            name: (*name).to_owned(),
            config_operation: *op,
            value: value.map(str::to_owned),
        };
    IncrementalAlterConfigsRequest {
        resources: vec![incremental_alter_configs_request::AlterConfigsResource {
            resource_type,
            resource_name: name.to_owned(),
            configs: keys.iter().map(config).collect(),
        }],
        validate_only: false,
    }
}

async fn altered(client: &mut Client, version: i16, request: &AlterConfigsRequest) -> (i16, String) {
    let answer = client.call(version, request).await.responses.remove(0);
    (answer.error_code, answer.error_message.unwrap_or_default())
}

async fn changed(
    client: &mut Client,
    version: i16,
    request: &IncrementalAlterConfigsRequest,
) -> (i16, String) {
    let answer = client.call(version, request).await.responses.remove(0);
    (answer.error_code, answer.error_message.unwrap_or_default())
}

fn retention(rig: &Rig, topic: &str) -> Option<u64> {
    rig.state.catalog.topic(topic).unwrap().partition(0).unwrap().config().retention_ms
}

async fn described(client: &mut Client, kind: i8, name: &str) -> Vec<DescribeConfigsResourceResult> {
    let request = DescribeConfigsRequest {
        resources: vec![DescribeConfigsResource {
            resource_type: kind,
            resource_name: name.to_owned(),
            configuration_keys: None,
        }],
        include_synonyms: true,
        ..DescribeConfigsRequest::default()
    };
    client.call(4, &request).await.results.remove(0).configs
}

#[tokio::test]
async fn all_settings_of_a_topic_are_replaced() {
    let rig = Rig::new().await;
    rig.topic("t", 2, &[("flush.messages", "7")]);
    let mut client = rig.client().await;
    for version in 0..=2 {
        let value = (version + 5).to_string();
        let request = all_of(TOPIC, "t", &[("retention.ms", Some(&value))]);
        let only = AlterConfigsRequest { validate_only: true, ..request.clone() };
        assert_eq!(altered(&mut client, version, &only).await, (0, String::new()));
        assert_ne!(retention(&rig, "t"), Some(u64::try_from(version).unwrap() + 5), "validated only");
        assert_eq!(altered(&mut client, version, &request).await, (0, String::new()));
        assert_eq!(retention(&rig, "t"), Some(u64::try_from(version).unwrap() + 5));
    }
    let topic = rig.state.catalog.topic("t").unwrap();
    assert_eq!(topic.overrides.len(), 1, "what is not named is gone: {:?}", topic.overrides);
}

#[tokio::test]
async fn single_settings_of_a_topic_are_changed() {
    let rig = Rig::new().await;
    rig.topic("t", 1, &[("flush.messages", "7"), ("flush.ms", "8")]);
    let mut client = rig.client().await;
    let request = some_of(
        TOPIC,
        "t",
        &[
            ("retention.ms", 0, Some("5")),
            ("flush.ms", 1, None),
            ("cleanup.policy", 2, Some("compact,delete")),
            ("never.heard.of", 1, None),
        ],
    );
    for version in 0..=1 {
        assert_eq!(changed(&mut client, version, &request).await, (0, String::new()));
        let topic = rig.state.catalog.topic("t").unwrap();
        let all: Vec<_> = topic.overrides.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        let expected = [("cleanup.policy", "delete,compact"), ("flush.messages", "7"), ("retention.ms", "5")];
        assert_eq!(all, expected, "version {version}");
    }
    let request = some_of(TOPIC, "t", &[("cleanup.policy", 3, Some("compact"))]);
    assert_eq!(changed(&mut client, 1, &request).await.0, 0);
    let configs = described(&mut client, TOPIC, "t").await;
    let policy = configs.iter().find(|config| config.name == "cleanup.policy").unwrap();
    assert_eq!((policy.value.as_deref(), policy.config_source), (Some("delete"), Some(1)));
}

#[tokio::test]
async fn settings_are_refused_in_kafka_s_words() {
    let rig = Rig::new().await;
    rig.topic("t", 1, &[]);
    let own = rig.state.catalog.broker_id().to_string();
    let mut client = rig.client().await;
    for (kind, name, key, value, code, text) in [
        (
            TOPIC,
            "t",
            "retention.ms",
            Some("abc"),
            40,
            "Invalid value abc for configuration retention.ms: Not a number of type LONG",
        ),
        (TOPIC, "t", "n", Some("1"), 40, "Unknown topic config name: n"),
        (TOPIC, "t", "retention.ms", None, 42, "Null value not supported for : retention.ms"),
        (TOPIC, "nope", "retention.ms", Some("1"), 3, "The topic 'nope' does not exist."),
        (
            TOPIC,
            "a/b",
            "retention.ms",
            Some("1"),
            17,
            "Topic name is invalid: 'a/b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
        ),
        (TOPIC, "", "retention.ms", Some("1"), 42, "Default topic resources are not allowed."),
        (
            BROKER,
            "77",
            "log.retention.ms",
            Some("1"),
            42,
            "Unexpected broker id, expected 0, but received 77",
        ),
        (BROKER, "x", "log.retention.ms", Some("1"), 42, "Node id must be an integer, but it is: x"),
        (
            BROKER,
            &own,
            "num.partitions",
            Some("2"),
            42,
            "Cannot update these configs dynamically: Set(num.partitions)",
        ),
        (
            BROKER,
            "",
            "listeners",
            Some("PLAINTEXT://:1"),
            42,
            "Cannot update these configs dynamically: Set(listeners)",
        ),
        (
            BROKER,
            &own,
            "log.retention.ms",
            Some("abc"),
            42,
            "Invalid value abc for configuration log.retention.ms: Not a number of type LONG",
        ),
        (BROKER, &own, "log.retention.ms", None, 42, "Null value not supported for : log.retention.ms"),
        (8, &own, "root", Some("WARN"), 42, "Loggers of the broker cannot be changed here."),
        (16, "m", "interval.ms", Some("1"), 42, "Client metrics cannot be changed here."),
        (32, "g", "consumer.session.timeout.ms", Some("1"), 42, "Settings of groups cannot be changed here."),
        (99, "g", "a", Some("1"), 42, "Unknown resource type 99"),
    ] {
        let expected = (code, text.to_owned());
        for version in 0..=2 {
            let request = all_of(kind, name, &[(key, value)]);
            assert_eq!(altered(&mut client, version, &request).await, expected, "version {version}");
        }
        for version in 0..=1 {
            let request = some_of(kind, name, &[(key, 0, value)]);
            assert_eq!(changed(&mut client, version, &request).await, expected, "version {version}");
        }
    }
    let append = some_of(TOPIC, "t", &[("retention.ms", 2, Some("1"))]);
    assert_eq!(
        changed(&mut client, 1, &append).await,
        (40, "Can't APPEND to key retention.ms because its type is not LIST.".to_owned())
    );
    let unknown = some_of(TOPIC, "t", &[("retention.ms", 9, Some("1"))]);
    assert_eq!(changed(&mut client, 1, &unknown).await, (42, "Unknown operation 9".to_owned()));
    assert!(rig.state.catalog.topic("t").unwrap().overrides.is_empty());
}

#[tokio::test]
async fn what_is_named_twice_is_changed_by_neither() {
    let rig = Rig::new().await;
    rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    let keys = some_of(TOPIC, "t", &[("retention.ms", 0, Some("1")), ("retention.ms", 1, None)]);
    assert_eq!(changed(&mut client, 1, &keys).await, (42, "Error due to duplicate config keys".to_owned()));
    let mut twice = all_of(TOPIC, "t", &[("retention.ms", Some("1"))]);
    twice.resources.extend(all_of(TOPIC, "t", &[]).resources);
    twice.resources.extend(all_of(TOPIC, "nope", &[]).resources);
    let answer = client.call(2, &twice).await;
    let codes: Vec<i16> = answer.responses.iter().map(|r| r.error_code).collect();
    assert_eq!(codes, [42, 42, 3]);
    let text = answer.responses[0].error_message.as_deref();
    assert_eq!(text, Some("Each resource must appear at most once."));
    assert!(rig.state.catalog.topic("t").unwrap().overrides.is_empty());
}

#[tokio::test]
async fn settings_of_the_broker_are_in_force_and_say_where_they_come_from() {
    let rig = Rig::with(&[("log.segment.bytes", "2097152")]).await;
    rig.topic("t", 1, &[]);
    let own = rig.state.catalog.broker_id().to_string();
    let mut client = rig.client().await;
    let all =
        some_of(BROKER, "", &[("log.retention.ms", 0, Some("7")), ("log.segment.bytes", 0, Some("20"))]);
    assert_eq!(changed(&mut client, 1, &all).await, (0, String::new()));
    assert_eq!(retention(&rig, "t"), Some(7));
    let one = some_of(BROKER, &own, &[("log.retention.ms", 0, Some("9")), ("a.plugin.s", 0, Some("x"))]);
    assert_eq!(changed(&mut client, 1, &one).await, (0, String::new()));
    assert_eq!(retention(&rig, "t"), Some(9));

    let of_broker = described(&mut client, BROKER, &own).await;
    let named = |name: &str| of_broker.iter().find(|config| config.name == name).unwrap();
    let sources = |name: &str| named(name).synonyms.iter().map(|s| s.source).collect::<Vec<_>>();
    assert_eq!(named("log.retention.ms").config_source, Some(2));
    assert_eq!(sources("log.retention.ms"), [2, 3, 5]);
    assert_eq!(
        (named("log.segment.bytes").config_source, sources("log.segment.bytes")),
        (Some(3), vec![3, 4, 5])
    );
    assert!(!named("log.retention.ms").read_only && named("num.partitions").read_only);
    let plugin = named("a.plugin.s");
    assert_eq!((plugin.value.as_deref(), plugin.is_sensitive), (None, true), "it may be a secret");
    let of_all = described(&mut client, BROKER, "").await;
    let of_all: Vec<_> =
        of_all.iter().map(|c| (c.name.as_str(), c.value.as_deref(), c.config_source)).collect();
    assert_eq!(
        of_all,
        [("log.retention.ms", Some("7"), Some(3)), ("log.segment.bytes", Some("20"), Some(3))]
    );
    let of_topic = described(&mut client, TOPIC, "t").await;
    let named = |name: &str| of_topic.iter().find(|config| config.name == name).unwrap();
    assert_eq!(
        (named("retention.ms").value.as_deref(), named("retention.ms").config_source),
        (Some("9"), Some(2))
    );
    assert_eq!(named("segment.bytes").config_source, Some(3));

    // Replacing all of this broker's leaves what all were told.
    assert_eq!(altered(&mut client, 1, &all_of(BROKER, &own, &[])).await, (0, String::new()));
    assert_eq!(retention(&rig, "t"), Some(7));
}

/// More than a record of the metadata log can hold: refused for good, and nothing is changed.
#[tokio::test]
async fn settings_that_cannot_be_stored_are_refused_for_good() {
    let rig = Rig::new().await;
    let mut client = rig.client().await;
    let value = "x".repeat(30_000);
    let names: Vec<String> = (0..40).map(|n| format!("plugin.{n}")).collect();
    let keys: Vec<_> = names.iter().map(|name| (name.as_str(), 0, Some(value.as_str()))).collect();
    let answer = changed(&mut client, 1, &some_of(BROKER, "", &keys)).await;
    assert_eq!(answer, (42, "These settings are too large to be stored.".to_owned()));
    assert!(described(&mut client, BROKER, "").await.is_empty());
}

#[tokio::test]
async fn a_larger_message_is_taken_once_the_broker_is_told_so() {
    let rig = Rig::with(&[("message.max.bytes", "100")]).await;
    let topic = rig.topic("t", 1, &[]);
    let mut client = rig.client().await;
    let large = || batch(&[&[1; 500]]);
    assert_eq!(error(client.produce(9, &topic, large()).await.error_code), ErrorCode::MessageTooLarge);
    let request = some_of(BROKER, "", &[("message.max.bytes", 0, Some("1000"))]);
    assert_eq!(changed(&mut client, 1, &request).await, (0, String::new()));
    assert_eq!(error(client.produce(9, &topic, large()).await.error_code), ErrorCode::None);
}
