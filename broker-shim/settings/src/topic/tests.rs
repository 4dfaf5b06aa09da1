use super::*;

fn overrides(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

fn refusal(key: &str, value: &str) -> String {
    validate(&overrides(&[(key, value)])).unwrap_err().to_string()
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
