//! The journal on real logs in a directory.

use super::*;
use crate::coordinators::group::Committer;
use crate::coordinators::groups::CommitOffset;
use crate::coordinators::{CoordinatorSettings, GroupCoordinator};
use crate::metadata::{CreateTopic, CreateTopicError, DeleteTopicError, TopicName, TopicPlan, Uuid};
use log_engine::config::LogConfig;
use log_engine::io::SystemClock;
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
