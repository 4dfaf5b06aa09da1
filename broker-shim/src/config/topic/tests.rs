use super::*;

fn broker(pairs: &[(&str, &str)]) -> BrokerConfig {
    let builder = pairs.iter().fold(BrokerConfig::builder(), |b, (key, value)| b.set(*key, *value));
    builder.build().unwrap()
}

fn overrides(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
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
