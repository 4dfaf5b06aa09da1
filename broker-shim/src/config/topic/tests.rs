use super::*;

fn broker(pairs: &[(&str, &str)]) -> BrokerConfig {
    let builder = pairs.iter().fold(BrokerConfig::builder(), |b, (key, value)| b.set(*key, *value));
    builder.build().unwrap()
}

fn overrides(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn refusal(key: &str, value: &str) -> String {
    validate(&overrides(&[(key, value)])).unwrap_err().to_string()
}

#[test]
fn rows_are_sorted_and_every_default_passes_its_own_check() {
    assert!(TOPIC_KEYS.is_sorted_by(|a, b| a.name < b.name));
    for row in TOPIC_KEYS {
        assert!(row.kind.parse(row.default).is_ok(), "{}", row.name);
        if let Some(key) = row.broker_key {
            let behind = super::super::keys::broker_key(key).expect(row.name);
            assert!(behind.default.is_none_or(|d| d == row.default), "{} and {key} differ", row.name);
        }
    }
}

#[test]
fn refusals_are_worded_as_kafka_words_them() {
    assert_eq!(refusal("n", "1"), "Unknown topic config name: n");
    assert_eq!(
        refusal("retention.ms", "abc"),
        "Invalid value abc for configuration retention.ms: Not a number of type LONG"
    );
    assert_eq!(
        refusal("segment.bytes", "10"),
        "Invalid value 10 for configuration segment.bytes: Value must be at least 14"
    );
    assert_eq!(
        refusal("cleanup.policy", "shrink"),
        "Invalid value shrink for configuration cleanup.policy: String must be one of: compact, delete"
    );
    assert_eq!(
        refusal("cleanup.policy", ""),
        "Invalid value  for configuration cleanup.policy: String must be one of: compact, delete"
    );
    assert_eq!(
        refusal("preallocate", "si"),
        "Invalid value si for configuration preallocate: Expected value to be either true or false"
    );
    assert_eq!(
        refusal("remote.storage.enable", "true"),
        "Invalid value true for configuration remote.storage.enable: String must be one of: false"
    );
    assert_eq!(
        refusal("message.format.version", "9.9"),
        "Invalid value 9.9 for configuration message.format.version: Version `9.9` is not a valid version"
    );
    assert_eq!(
        refusal("leader.replication.throttled.replicas", "0:1,abc"),
        "Invalid value 0:1,abc for configuration leader.replication.throttled.replicas: \
         leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following \
         format: [partitionId]:[brokerId],[partitionId]:[brokerId],..."
    );
    for version in ["0.8.2", "0.10.0", "0.10.0-IV1", "0.11.0.2", "1.1", "2.2-IV1", "3.0-IV1", "2.8.0"] {
        assert_eq!(validate(&overrides(&[("message.format.version", version)])), Ok(()), "{version}");
    }
    for replicas in ["*", "", "0:1", "0:1,12:0"] {
        let good = overrides(&[("follower.replication.throttled.replicas", replicas)]);
        assert_eq!(validate(&good), Ok(()), "{replicas}");
    }
    let both = overrides(&[("min.compaction.lag.ms", "2"), ("max.compaction.lag.ms", "1")]);
    assert_eq!(
        validate(&both).unwrap_err().to_string(),
        "conflict topic config setting min.compaction.lag.ms (2) > max.compaction.lag.ms (1)"
    );
}

#[test]
fn borders_of_ranges_are_inside() {
    let good = [("retention.ms", "-1"), ("segment.bytes", "14"), ("cleanup.policy", "compact,delete")];
    assert_eq!(validate(&overrides(&good)), Ok(()));
    assert_eq!(
        refusal("retention.ms", "-2"),
        "Invalid value -2 for configuration retention.ms: Value must be at least -1"
    );
}

#[test]
fn override_goes_before_broker_goes_before_default() {
    let broker = broker(&[("log.segment.bytes", "1000"), ("message.max.bytes", "2000")]);
    let own = overrides(&[("segment.bytes", "500")]);
    let settings = TopicSettings::new(&broker, &own);
    assert_eq!(settings.number("segment.bytes"), 500);
    assert_eq!(settings.number("max.message.bytes"), 2000);
    assert_eq!(settings.number("index.interval.bytes"), 4096);
    let entries = settings.entries();
    let of = |name: &str| entries.iter().find(|e| e.name == name).unwrap();
    assert_eq!(of("segment.bytes").source, ConfigSource::Topic);
    let synonyms: Vec<_> =
        of("segment.bytes").synonyms.iter().map(|s| (s.name.as_str(), s.value.clone().unwrap())).collect();
    assert_eq!(
        synonyms,
        [
            ("segment.bytes", "500".to_owned()),
            ("log.segment.bytes", "1000".to_owned()),
            ("log.segment.bytes", "1073741824".to_owned())
        ]
    );
    assert_eq!(of("max.message.bytes").source, ConfigSource::StaticBroker);
    assert_eq!(of("index.interval.bytes").source, ConfigSource::Default);
}

#[test]
fn milliseconds_go_before_minutes_go_before_hours() {
    let none = BTreeMap::new();
    let retention = |pairs: &[(&str, &str)]| TopicSettings::new(&broker(pairs), &none).number("retention.ms");
    assert_eq!(retention(&[]), 604_800_000);
    assert_eq!(retention(&[("log.retention.hours", "1")]), 3_600_000);
    assert_eq!(retention(&[("log.retention.hours", "1"), ("log.retention.minutes", "2")]), 120_000);
    let all = [("log.retention.hours", "1"), ("log.retention.minutes", "2"), ("log.retention.ms", "3")];
    assert_eq!(retention(&all), 3);
    assert_eq!(retention(&[("log.retention.hours", "-1")]), -1);
    assert_eq!(
        TopicSettings::new(&broker(&[("log.roll.hours", "2")]), &none).number("segment.ms"),
        7_200_000
    );
}

/// Kafka's sample file sets `log.retention.hours=168`, and yet `kafka-topics --describe` does not print
/// `retention.ms`: hours give the value but are no synonym of the topic key.
#[test]
fn hours_give_the_value_but_not_the_source() {
    let broker = broker(&[("log.retention.hours", "1")]);
    let none = BTreeMap::new();
    let entries = TopicSettings::new(&broker, &none).entries();
    let retention = entries.iter().find(|e| e.name == "retention.ms").unwrap();
    assert_eq!(retention.value.as_deref(), Some("3600000"));
    assert_eq!(retention.source, ConfigSource::Default);
    assert!(retention.synonyms.is_empty());
}
