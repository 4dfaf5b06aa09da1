use super::*;
use crate::config::{ConfigSource, log_config};

fn broker(pairs: &[(&str, &str)]) -> BrokerConfig {
    let builder = pairs.iter().fold(BrokerConfig::builder(), |b, (key, value)| b.set(*key, *value));
    builder.build().unwrap()
}

fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn change(ops: &[(&str, ConfigOp)]) -> ConfigChange {
    ConfigChange {
        replace: false,
        ops: ops.iter().map(|(key, op)| ((*key).to_owned(), op.clone())).collect(),
    }
}

fn set(value: &str) -> ConfigOp {
    ConfigOp::Set(value.to_owned())
}

#[test]
fn keys_that_are_not_named_stay_unless_all_is_replaced() {
    let present = map(&[("retention.ms", "5"), ("segment.bytes", "1000")]);
    let both = change(&[("retention.ms", ConfigOp::Delete), ("flush.ms", set(" 7 "))]);
    let next = both.apply_to_topic(&present, &broker(&[])).unwrap();
    assert_eq!(next, map(&[("flush.ms", "7"), ("segment.bytes", "1000")]));
    let all = ConfigChange { replace: true, ..change(&[("flush.ms", set("7"))]) };
    assert_eq!(all.apply_to_topic(&present, &broker(&[])).unwrap(), map(&[("flush.ms", "7")]));
}

#[test]
fn words_are_added_to_and_taken_from_the_list_in_force() {
    let policy = |present: &[(&str, &str)], op| {
        let next = change(&[("cleanup.policy", op)]).apply_to_topic(&map(present), &broker(&[]));
        next.map(|next| next.get("cleanup.policy").cloned())
    };
    let append = |words: &str| ConfigOp::Append(words.to_owned());
    let subtract = |words: &str| ConfigOp::Subtract(words.to_owned());
    assert_eq!(policy(&[], append("compact")), Ok(Some("delete,compact".to_owned())), "beside the default");
    assert_eq!(policy(&[("cleanup.policy", "compact")], append("compact")), Ok(Some("compact".to_owned())));
    assert_eq!(
        policy(&[("cleanup.policy", "compact,delete")], subtract("delete,x")),
        Ok(Some("compact".to_owned()))
    );
    assert!(policy(&[], subtract("delete")).is_err(), "a topic without a policy is none");
    let wrong = change(&[("retention.ms", append("1"))]).apply_to_topic(&map(&[]), &broker(&[]));
    assert_eq!(
        wrong.unwrap_err().to_string(),
        "Can't APPEND to key retention.ms because its type is not LIST."
    );
}

#[test]
fn a_topic_is_checked_as_when_it_is_made() {
    let refused = |key, value| {
        change(&[(key, set(value))]).apply_to_topic(&map(&[]), &broker(&[])).unwrap_err().to_string()
    };
    assert_eq!(refused("n", "1"), "Unknown topic config name: n");
    assert_eq!(
        refused("retention.ms", "abc"),
        "Invalid value abc for configuration retention.ms: Not a number of type LONG"
    );
}

#[test]
fn broker_keys_that_are_read_at_the_start_are_refused_together() {
    let present = DynamicSettings::default();
    let ops =
        [("num.partitions", set("3")), ("log.retention.ms", set("5")), ("ssl.keystore.location", set("x"))];
    let refused = change(&ops).apply_to_broker(BrokerScope::Own, &present, &broker(&[])).unwrap_err();
    assert_eq!(
        refused,
        ConfigRefusal::Static(
            "Cannot update these configs dynamically: Set(num.partitions, ssl.keystore.location)".to_owned()
        )
    );
    let refused = |key, value| {
        let change = change(&[(key, set(value))]);
        change.apply_to_broker(BrokerScope::All, &present, &broker(&[])).unwrap_err()
    };
    assert_eq!(
        refused("log.retention.ms", "x"),
        ConfigRefusal::Invalid(
            "Invalid value x for configuration log.retention.ms: Not a number of type LONG".to_owned()
        )
    );
    assert!(matches!(refused("some.plugin.password", "x"), ConfigRefusal::Static(_)));
    let long = "x".repeat(MAX_VALUE_LEN + 1);
    assert!(matches!(refused("some.plugin.key", &long), ConfigRefusal::Invalid(_)));
    let many: Vec<(String, ConfigOp)> = (0..=MOST_SETTINGS).map(|n| (format!("x.{n}"), set("1"))).collect();
    let many = ConfigChange { replace: false, ops: many };
    assert!(many.apply_to_broker(BrokerScope::All, &present, &broker(&[])).is_err());
}

#[test]
fn what_this_broker_was_told_goes_before_what_all_were_told() {
    let base = broker(&[("log.retention.hours", "1"), ("log.segment.bytes", "1000")]);
    let retention = |dynamic: &DynamicSettings| {
        log_config(&base.with_dynamic(dynamic).unwrap(), &BTreeMap::new()).retention_ms
    };
    let none = DynamicSettings::default();
    assert_eq!(retention(&none), Some(3_600_000));
    let all = DynamicSettings { all: map(&[("log.retention.ms", "7")]), ..none };
    assert_eq!(retention(&all), Some(7));
    let own = DynamicSettings { own: map(&[("log.retention.ms", "9")]), ..all };
    assert_eq!(retention(&own), Some(9));
    let config = base.with_dynamic(&own).unwrap();
    let entries = config.entries();
    let entry = entries.iter().find(|entry| entry.name == "log.retention.ms").unwrap();
    let synonyms: Vec<_> =
        entry.synonyms.iter().map(|s| (s.name.as_str(), s.value.as_deref().unwrap(), s.source)).collect();
    assert_eq!(
        synonyms,
        [
            ("log.retention.ms", "9", ConfigSource::DynamicBroker),
            ("log.retention.ms", "7", ConfigSource::DynamicDefaultBroker),
            ("log.retention.hours", "1", ConfigSource::StaticBroker),
            ("log.retention.hours", "168", ConfigSource::Default),
        ]
    );
    assert_eq!((entry.value.as_deref(), entry.source), (Some("9"), ConfigSource::DynamicBroker));
    let of_all = config.default_entries();
    assert_eq!(of_all.len(), 1);
    assert_eq!(
        (of_all[0].value.as_deref(), of_all[0].source),
        (Some("7"), ConfigSource::DynamicDefaultBroker)
    );
    assert_eq!(of_all[0].synonyms.len(), 1);
    assert_eq!(base.entries().iter().find(|e| e.name == "log.retention.ms").unwrap().value, None);
}

#[test]
fn what_another_release_stored_is_left_out_and_named() {
    let stored = DynamicSettings {
        all: map(&[("log.retention.ms", "5"), ("num.partitions", "3")]),
        own: map(&[("log.segment.bytes", "x")]),
    };
    let (kept, refused) = stored.usable();
    assert_eq!(kept, DynamicSettings { all: map(&[("log.retention.ms", "5")]), own: map(&[]) });
    assert_eq!(refused.len(), 2);
}
