//! Topics and settings that change while the broker runs.

use super::*;
use crate::config::{ConfigOp, ConfigRefusal};

fn more(topic: &str, count: i32) -> CreatePartitions {
    CreatePartitions { topic: topic.to_owned(), count, assignment: None }
}

fn set(key: &str, value: &str) -> ConfigChange {
    ConfigChange { replace: false, ops: vec![(key.to_owned(), ConfigOp::Set(value.to_owned()))] }
}

fn unset(key: &str) -> ConfigChange {
    ConfigChange { replace: false, ops: vec![(key.to_owned(), ConfigOp::Delete)] }
}

impl Rig {
    fn retention(&self, topic: &str) -> Vec<Option<u64>> {
        let topic = self.catalog.topic(topic).unwrap();
        topic.partitions.iter().map(|log| log.as_ref().unwrap().config().retention_ms).collect()
    }
}

#[test]
fn new_partitions_stand_beside_the_old_ones_and_outlive_a_restart() {
    let rig = Rig::new();
    let old = rig.create("t", 1);
    rig.catalog.alter_topic("t", &set("retention.ms", "5"), false).unwrap();
    rig.catalog.create_partitions(&more("t", 3), true).unwrap();
    assert_eq!(rig.catalog.topic("t").unwrap().partition_count(), 1, "validated only");
    rig.catalog.create_partitions(&more("t", 3), false).unwrap();
    let now = rig.catalog.topic("t").unwrap();
    assert!(Arc::ptr_eq(old.partition(0).unwrap(), now.partition(0).unwrap()));
    assert_eq!((now.partition_count(), now.id), (3, old.id));
    assert_eq!(rig.catalog.topic_by_id(&old.id).unwrap().partition_count(), 3);
    assert_eq!(rig.retention("t"), [Some(5); 3]);
    let rig = rig.restart(&[]);
    assert_eq!(rig.catalog.topic("t").unwrap().partition_count(), 3);
    assert_eq!(rig.retention("t"), [Some(5); 3]);
    assert_eq!(rig.dirs(), [METADATA_LOG, "t-0", "t-1", "t-2"]);
    rig.catalog.delete("t").unwrap();
    assert_eq!(rig.dirs(), [METADATA_LOG]);
}

#[test]
fn a_topic_gets_no_fewer_partitions_and_none_on_other_brokers() {
    let rig = Rig::new();
    rig.create("t", 2);
    let refused = |request: &CreatePartitions| {
        let error = rig.catalog.create_partitions(request, false).unwrap_err();
        (errors::of_growth(&error).to_i16(), error.to_string())
    };
    assert_eq!(refused(&more("nowhere", 3)).0, 3);
    assert_eq!(refused(&more("t", 2)), (37, "Topic already has 2 partition(s).".to_owned()));
    assert_eq!(
        refused(&more("t", 1)),
        (37, "The topic t currently has 2 partition(s); 1 would not be an increase.".to_owned())
    );
    assert_eq!(refused(&more("t", 10_003)).0, 44);
    let on = |brokers: &[&[i32]]| CreatePartitions {
        assignment: Some(brokers.iter().map(|one| one.to_vec()).collect()),
        ..more("t", 3)
    };
    assert_eq!(
        refused(&on(&[])),
        (
            39,
            "Attempted to add 1 additional partition(s), but only 0 assignment(s) were specified.".to_owned()
        )
    );
    assert_eq!(
        refused(&on(&[&[9]])),
        (
            39,
            "The manual partition assignment includes broker 9, but no such broker is registered.".to_owned()
        )
    );
    rig.catalog.internal(InternalTopic::ConsumerOffsets).unwrap();
    assert_eq!(refused(&more("__consumer_offsets", 60)).0, 17);
    make_dir(&rig.store, "t-2");
    assert_eq!(refused(&more("t", 3)).0, 56, "the directory of somebody else");
    assert_eq!(rig.catalog.topic("t").unwrap().partition_count(), 2);
}

/// The process ends between the fact and the directories: the next start makes them.
#[test]
fn partitions_that_were_written_down_only_are_made_at_the_start() {
    let rig = Rig::new();
    let topic = rig.create("t", 1);
    let fact =
        Fact::Topic { id: topic.id, name: topic.name.clone(), partitions: 3, overrides: BTreeMap::new() };
    engine::append(&rig.catalog.journal.lock(), &fact.key(), fact.encode().as_deref()).unwrap();
    drop(topic);
    let rig = rig.restart(&[]);
    assert_eq!(rig.catalog.topic("t").unwrap().partition_count(), 3);
    assert_eq!(rig.dirs(), [METADATA_LOG, "t-0", "t-1", "t-2"]);
}

/// Something is in the way of the second directory: the fact is taken back, and neither partition is there after a start.
#[test]
fn partitions_whose_logs_cannot_be_made_are_taken_back() {
    let rig = Rig::new();
    rig.create("t", 1);
    let obstacle = Path::new(DIR).join("t-2");
    rig.storage.open(&obstacle, log_engine::io::OpenMode::CreateNew).unwrap();
    let error = rig.catalog.create_partitions(&more("t", 3), false).unwrap_err();
    assert_eq!(errors::of_growth(&error).to_i16(), 56, "{error}");
    assert_eq!(rig.catalog.topic("t").unwrap().partition_count(), 1);
    let rig = rig.restart(&[]);
    assert_eq!(rig.catalog.topic("t").unwrap().partition_count(), 1);
    assert_eq!(rig.dirs(), [METADATA_LOG, "t-0"]);
    rig.storage.remove_file(&obstacle).unwrap();
    rig.catalog.create_partitions(&more("t", 3), false).unwrap();
}

#[test]
fn settings_of_a_topic_are_in_force_at_once_and_after_a_restart() {
    let rig = Rig::new();
    rig.create("t", 2);
    rig.catalog.alter_topic("t", &set("retention.ms", "5"), true).unwrap();
    assert_eq!(rig.retention("t"), [Some(604_800_000); 2], "validated only");
    rig.catalog.alter_topic("t", &set("retention.ms", "5"), false).unwrap();
    assert_eq!(rig.retention("t"), [Some(5); 2]);
    let rig = rig.restart(&[]);
    assert_eq!(rig.retention("t"), [Some(5); 2]);
    rig.catalog.alter_topic("t", &unset("retention.ms"), false).unwrap();
    assert_eq!(rig.retention("t"), [Some(604_800_000); 2]);
    assert!(rig.restart(&[]).catalog.topic("t").unwrap().overrides.is_empty());
}

#[test]
fn settings_that_are_refused_change_nothing() {
    let rig = Rig::new();
    rig.create("t", 1);
    let end = rig.catalog.journal.lock().end_offset();
    let wrong = rig.catalog.alter_topic("t", &set("retention.ms", "x"), false).unwrap_err();
    assert_eq!(errors::of_alter(&wrong).to_i16(), 40);
    let unknown = rig.catalog.alter_topic("nowhere", &set("retention.ms", "1"), false).unwrap_err();
    assert_eq!(
        (errors::of_alter(&unknown).to_i16(), unknown.to_string().as_str()),
        (3, "The topic 'nowhere' does not exist.")
    );
    let fixed = rig.catalog.alter_broker(BrokerScope::Own, &set("num.partitions", "2"), false).unwrap_err();
    assert!(matches!(fixed, AlterConfigsError::Refused(ConfigRefusal::Static(_))));
    assert_eq!(errors::of_alter(&fixed).to_i16(), 42);
    let wrong = set("max.connections.per.ip.overrides", "nonsense");
    let wrong = rig.catalog.alter_broker(BrokerScope::Own, &wrong, false).unwrap_err();
    assert_eq!(errors::of_alter(&wrong).to_i16(), 40, "{wrong}");
    assert_eq!(rig.catalog.journal.lock().end_offset(), end);
}

#[test]
fn settings_of_the_broker_are_in_force_for_all_logs_and_after_a_restart() {
    let rig = Rig::with(&[("log.retention.hours", "1")]);
    rig.create("t", 1);
    let own = CreateTopic {
        configs: vec![("retention.ms".to_owned(), Some("3".to_owned()))],
        ..CreateTopic::named("own")
    };
    rig.catalog.create(&own).unwrap();
    let alter =
        |rig: &Rig, scope, change: &ConfigChange| rig.catalog.alter_broker(scope, change, false).unwrap();
    alter(&rig, BrokerScope::All, &set("log.retention.ms", "7"));
    assert_eq!((rig.retention("t"), rig.retention("own")), (vec![Some(7)], vec![Some(3)]));
    alter(&rig, BrokerScope::Own, &set("log.retention.ms", "9"));
    rig.create("later", 1);
    let rig = rig.restart(&[("log.retention.hours", "1")]);
    assert_eq!((rig.retention("t"), rig.retention("later")), (vec![Some(9)], vec![Some(9)]));
    alter(&rig, BrokerScope::Own, &unset("log.retention.ms"));
    assert_eq!(rig.retention("t"), [Some(7)]);
    alter(&rig, BrokerScope::All, &unset("log.retention.ms"));
    assert_eq!(rig.retention("t"), [Some(3_600_000)]);
    let rig = rig.restart(&[("log.retention.hours", "2")]);
    assert_eq!(rig.retention("t"), [Some(7_200_000)]);
}

#[test]
fn whoever_asked_is_told_of_each_change() {
    let rig = Rig::new();
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&told);
    rig.catalog.on_config(Box::new(move |config| list.lock().push(config.network.max_connections)));
    rig.catalog.alter_broker(BrokerScope::Own, &set("max.connections", "5"), false).unwrap();
    rig.catalog.alter_broker(BrokerScope::Own, &set("max.connections", "5"), false).unwrap();
    rig.catalog.alter_broker(BrokerScope::Own, &unset("max.connections"), true).unwrap();
    assert_eq!(*told.lock(), [2_147_483_647, 5], "what changes nothing is not told");
}

/// Forty changes of each: of each the last word stays, and a start that reads it knows the same.
#[test]
fn compaction_keeps_the_last_settings() {
    let rig = Rig::new();
    let journal = Arc::clone(&rig.catalog.journal.lock());
    journal.set_config(LogConfig { segment_bytes: 500, ..engine::journal_config() }).unwrap();
    rig.create("t", 1);
    for n in 1..=40 {
        let value = n.to_string();
        rig.catalog.alter_topic("t", &set("flush.messages", &value), false).unwrap();
        rig.catalog.alter_broker(BrokerScope::All, &set("log.retention.ms", &value), false).unwrap();
        rig.catalog.alter_broker(BrokerScope::Own, &set("message.max.bytes", &value), false).unwrap();
    }
    let before = journal.size_bytes();
    let now = log_engine::types::Timestamp::from_millis(1_700_000_000_000).unwrap();
    assert_eq!(rig.store.maintain(now).compacted, 1);
    assert!(journal.size_bytes() * 4 < before, "{before} bytes to {}", journal.size_bytes());
    drop(journal);
    let rig = rig.restart(&[]);
    let config = rig.catalog.topic("t").unwrap().partition(0).unwrap().config();
    assert_eq!(
        (config.flush_messages, config.retention_ms, config.max_message_bytes),
        (Some(40), Some(40), 40)
    );
}
