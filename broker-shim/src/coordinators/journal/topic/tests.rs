//! The journal on real logs in a directory.

use super::*;
use crate::config::{BrokerConfig, BrokerScope, ConfigChange};
use crate::coordinators::group::Committer;
use crate::coordinators::groups::CommitOffset;
use crate::coordinators::{CoordinatorSettings, GroupCoordinator};
use crate::metadata::{
    AlterConfigsError, ConfigCallback, CreatePartitions, CreatePartitionsError, CreateTopic,
    CreateTopicError, DeleteTopicError, TopicName, TopicPlan, Uuid,
};
use crate::metadata::{LogCatalog, inspect_directories};
use log_engine::config::LogConfig;
use log_engine::io::SystemClock;
use log_engine::io::{Clock, ManualClock, MemStorage, Storage};
use log_engine::store::{LogName, LogStore};
use log_engine::types::Timestamp;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::path::Path;

/// Topics with three partitions, each a log in a directory of its own.
struct Topics {
    dir: std::path::PathBuf,
    topics: Mutex<BTreeMap<String, Arc<Topic>>>,
}

impl Topics {
    /// All topics whose directories are there.
    fn open(dir: &Path) -> Arc<Self> {
        let topics = Self { dir: dir.to_owned(), topics: Mutex::default() };
        for name in ["t", "__consumer_offsets"] {
            if dir.join(format!("{name}-0")).exists() {
                topics.make(name);
            }
        }
        Arc::new(topics)
    }

    fn make(&self, name: &str) -> Arc<Topic> {
        let log =
            |number| Log::open(self.dir.join(format!("{name}-{number}")), LogConfig::default()).unwrap();
        let topic = Arc::new(Topic {
            name: TopicName::new(name).unwrap(),
            id: Uuid::random(),
            partitions: (0..3).map(log).map(Some).collect(),
            overrides: BTreeMap::new(),
            internal: false,
        });
        self.topics.lock().insert(name.to_owned(), Arc::clone(&topic));
        topic
    }
}

impl Catalog for Topics {
    fn topic(&self, name: &str) -> Option<Arc<Topic>> {
        self.topics.lock().get(name).cloned()
    }

    fn topic_by_id(&self, _: &Uuid) -> Option<Arc<Topic>> {
        None
    }

    fn topics(&self) -> Vec<Arc<Topic>> {
        self.topics.lock().values().cloned().collect()
    }

    fn validate(&self, _: &CreateTopic) -> Result<TopicPlan, CreateTopicError> {
        Err(CreateTopicError::Partitions)
    }

    fn create(&self, _: &CreateTopic) -> Result<Arc<Topic>, CreateTopicError> {
        Err(CreateTopicError::Partitions)
    }

    fn create_partitions(&self, _: &CreatePartitions, _: bool) -> Result<(), CreatePartitionsError> {
        Err(CreatePartitionsError::Unknown)
    }

    fn alter_topic(&self, name: &str, _: &ConfigChange, _: bool) -> Result<(), AlterConfigsError> {
        Err(AlterConfigsError::Unknown(name.to_owned()))
    }

    fn config(&self) -> Arc<BrokerConfig> {
        Arc::new(BrokerConfig::builder().build().unwrap())
    }

    fn alter_broker(&self, _: BrokerScope, _: &ConfigChange, _: bool) -> Result<(), AlterConfigsError> {
        Ok(())
    }

    fn on_config(&self, _: ConfigCallback) {}

    fn internal(&self, _: InternalTopic) -> Result<Arc<Topic>, CreateTopicError> {
        Ok(self.make("__consumer_offsets"))
    }

    fn delete(&self, _: &str) -> Result<Arc<Topic>, DeleteTopicError> {
        Err(DeleteTopicError::Unknown)
    }

    fn on_delete(&self, _: Box<dyn Fn(&Topic) + Send + Sync>) {}

    fn cluster_id(&self) -> &str {
        "cluster"
    }

    fn broker_id(&self) -> i32 {
        1
    }

    fn next_producer_id(&self) -> Result<i64, LogError> {
        Ok(0)
    }
}

fn coordinator(topics: &Arc<Topics>) -> GroupCoordinator {
    let journal = TopicJournal::new(Arc::<Topics>::clone(topics));
    GroupCoordinator::new(CoordinatorSettings::default(), Arc::new(journal), Arc::new(SystemClock::default()))
}

fn commits(offset: i64) -> Vec<CommitOffset> {
    vec![CommitOffset {
        topic: "t".into(),
        partition: 1,
        offset,
        leader_epoch: Some(0),
        metadata: "md".into(),
    }]
}

async fn commit(groups: &GroupCoordinator, group: &str, offset: i64) {
    groups.commit(group, &Committer::default(), None, commits(offset)).await.unwrap();
}

fn committed(groups: &GroupCoordinator, group: &str) -> Option<i64> {
    groups.offsets(group, |offsets| offsets.get("t", 1).map(|value| value.offset))
}

#[tokio::test]
async fn topic_is_made_by_the_first_commit_and_what_it_refers_to_is_synced() {
    let dir = tempfile::tempdir().unwrap();
    let topics = Topics::open(dir.path());
    let data = Arc::clone(topics.make("t").partition(1).unwrap());
    let groups = coordinator(&topics);
    assert_eq!(groups.load(true).unwrap().groups, 0);
    data.append(&[NewRecord::value(b"a"), NewRecord::value(b"b")]).unwrap();
    data.append(&[NewRecord::value(b"c")]).unwrap();
    assert_eq!(data.synced_end(), Offset::ZERO);
    commit(&groups, "g", 2).await;
    assert!(data.synced_end().get() >= 2);
    let partition = crate::coordinators::records::partition_for("g", 3);
    let journal = Arc::clone(topics.topic("__consumer_offsets").unwrap().partition(partition).unwrap());
    assert_eq!((journal.end_offset().get(), journal.synced_end().get()), (1, 1));
    // An offset past the end waits for what there is, and not again.
    commit(&groups, "g", 100).await;
    assert_eq!(data.synced_end(), data.end_offset());
}

#[tokio::test]
async fn offsets_survive_a_kill_and_those_past_the_end_are_lowered() {
    let dir = tempfile::tempdir().unwrap();
    let topics = Topics::open(dir.path());
    topics.make("t");
    let groups = coordinator(&topics);
    for group in ["a", "b", "c", "d"] {
        commit(&groups, group, 0).await;
    }
    commit(&groups, "a", 7).await;
    drop((groups, topics));

    let topics = Topics::open(dir.path());
    let groups = coordinator(&topics);
    let report = groups.load(false).unwrap();
    assert_eq!((report.records, report.groups, report.offsets, report.lowered.len()), (5, 4, 4, 1));
    assert_eq!(committed(&groups, "a"), Some(0), "the log is empty");
    drop((groups, topics));

    let topics = Topics::open(dir.path());
    let groups = coordinator(&topics);
    assert_eq!(groups.load(false).unwrap().lowered, []);
    assert_eq!(committed(&groups, "a"), Some(0));
    groups.forget_topic("t");
    drop((groups, topics));

    let topics = Topics::open(dir.path());
    let report = coordinator(&topics).load(true).unwrap();
    assert_eq!((report.groups, report.offsets), (0, 0));
}

#[tokio::test]
async fn too_large_a_commit_is_refused_for_good() {
    let dir = tempfile::tempdir().unwrap();
    let topics = Topics::open(dir.path());
    let journal = TopicJournal::new(Arc::<Topics>::clone(&topics));
    journal.open().unwrap();
    let record = (vec![1], Some(vec![0; 2 << 20]));
    assert!(matches!(journal.append(0, &[record]), Err(JournalError::TooLarge)));
    assert!(matches!(journal.append(9, &[]), Err(JournalError::NoTopic(_))));
}

/// A broker's disk with small segments of `__consumer_offsets`, started on it.
struct Machine {
    storage: Arc<MemStorage>,
    clock: Arc<ManualClock>,
}

impl Machine {
    fn start(&self) -> (Arc<LogStore>, GroupCoordinator) {
        let settings = [
            ("log.dirs", "/data"),
            ("offsets.topic.num.partitions", "1"),
            ("offsets.topic.segment.bytes", "2000"),
        ];
        let builder = BrokerConfig::builder();
        let config = settings.iter().fold(builder, |b, (key, value)| b.set(*key, *value)).build().unwrap();
        let known = inspect_directories(&*self.storage, &config).unwrap();
        let storage: Arc<dyn Storage> = Arc::<MemStorage>::clone(&self.storage);
        let clock: Arc<dyn Clock> = Arc::<ManualClock>::clone(&self.clock);
        let store = LogStore::builder(["/data"]).storage(storage).clock(Arc::clone(&clock)).open().unwrap();
        let catalog = LogCatalog::open(Arc::clone(&store), &*self.storage, Arc::new(config), known).unwrap();
        let journal = Arc::new(TopicJournal::new(Arc::new(catalog)));
        (store, GroupCoordinator::new(CoordinatorSettings::default(), journal, clock))
    }
}

#[tokio::test]
async fn the_offsets_topic_shrinks_and_says_the_same_after_a_restart() {
    let now = Timestamp::from_millis(1_700_000_000_000).unwrap();
    let clock = Arc::new(ManualClock::at(now));
    let storage = Arc::new(MemStorage::with_clock(Arc::<ManualClock>::clone(&clock)));
    let machine = Machine { storage, clock };
    let (store, groups) = machine.start();
    groups.load(true).unwrap();
    groups.ensure_topic().await.unwrap();
    for round in 0..100 {
        for group in ["a", "b", "gone"] {
            commit(&groups, group, round).await;
        }
    }
    groups.delete_group("gone").unwrap();
    for round in 100..150 {
        commit(&groups, "a", round).await;
    }
    let log = store.get(&LogName::new("__consumer_offsets", 0).unwrap()).unwrap();
    let before = log.size_bytes();
    let report = store.maintain(machine.clock.now());
    assert_eq!(report.compacted, 1, "{report:?}");
    assert!(log.size_bytes() * 4 < before, "{before} bytes to {}", log.size_bytes());
    drop((log, groups));
    store.close().unwrap();
    drop(store);

    let (store, groups) = machine.start();
    let report = groups.load(true).unwrap();
    assert_eq!((report.groups, report.offsets), (2, 2));
    assert_eq!((committed(&groups, "a"), committed(&groups, "b")), (Some(149), Some(99)));
    assert_eq!(committed(&groups, "gone"), None);
    // A day later the tombstones of the group go too, and it stays gone.
    for day in 0..2 {
        machine.clock.advance(std::time::Duration::from_secs(86_401));
        for round in 0..100 {
            commit(&groups, "a", 1000 * day + round).await;
        }
        store.maintain(machine.clock.now());
    }
    let log = store.get(&LogName::new("__consumer_offsets", 0).unwrap()).unwrap();
    let tombstones = log.records(log.start_offset()).flat_map(|batch| {
        let batch = batch.unwrap();
        let records = batch.records().unwrap();
        records.iter().filter(|record| record.as_ref().unwrap().value.is_none()).count().checked_sub(1)
    });
    assert_eq!(tombstones.count(), 0);
    drop((log, groups, store));
    let (_store, groups) = machine.start();
    assert_eq!(groups.load(false).unwrap().groups, 2);
    assert_eq!((committed(&groups, "a"), committed(&groups, "gone")), (Some(1099), None));
}
